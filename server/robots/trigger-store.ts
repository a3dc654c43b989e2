/** All SQL of triggers. Takes the transaction first; returns plain rows. */
import type { TriggerKind } from '../../shared/api/triggers.ts';
import { empty, join, json, type Queryable, sql, type Tx } from '../db/db.ts';
import type { RunTrace } from './store.ts';
import type { RobotRecord, TriggerRecord } from './versions.ts';

/** Values before and after by field, the invoice, …: what the event was, to be compared and told. */
export interface EventData {
  changes?: Record<string, [unknown, unknown]>;
  invoice?: string;
  code?: string;
}

export interface NewEvent {
  itemId: number;
  triggerIds: readonly number[];
  kind: TriggerKind;
  data: EventData;
  chainId: number | null;
  depth: number;
}

export interface EventRow extends NewEvent {
  id: number;
  attempts: number;
  dueAt: Date;
}

export type TriggerRunState = 'done' | 'skipped' | 'failed';

export interface TriggerRunRow {
  id: number;
  eventId: number;
  triggerId: number;
  versionId: number | null;
  itemId: number;
  pipelineId: number;
  fromStageId: number;
  stageId: number;
  kind: TriggerKind;
  data: EventData;
  state: TriggerRunState;
  reason: string | null;
  trace: RunTrace | null;
  createdAt: Date;
}

// ——— What was published

export interface TriggerVersion {
  id: number;
  pipelineId: number;
  triggers: TriggerRecord[];
  robots: RobotRecord[];
}

/** The newest version of each pipeline whose newest version has triggers. */
export function newestTriggers(q: Queryable): Promise<TriggerVersion[]> {
  return q.rows(sql`
    select * from (
      select distinct on (pipeline_id) id, pipeline_id, triggers, robots from robot_versions order by pipeline_id, published_at desc, id desc
    ) newest where triggers <> '[]'`);
}

// ——— Events

export async function insertEvents(tx: Tx, events: readonly NewEvent[], at: Date): Promise<void> {
  if (events.length === 0) return;
  await tx.run(sql`
    insert into trigger_events (item_id, trigger_ids, kind, data, chain_id, depth, due_at, created_at)
    select item_id, array(select jsonb_array_elements_text(trigger_ids)::bigint), kind, data, chain_id, depth, ${at}, ${at}
    from unnest(${events.map((e) => e.itemId)}::bigint[], ${events.map((e) => json(e.triggerIds))}::jsonb[], ${events.map((e) => e.kind)}::text[],
      ${events.map((e) => json(e.data))}::jsonb[], ${events.map((e) => e.chainId)}::bigint[], ${events.map((e) => e.depth)}::smallint[])
      with ordinality as e(item_id, trigger_ids, kind, data, chain_id, depth, place)
    order by place`);
}

/** Items to which something happened that is to be decided now, oldest first. Only those put off have to wait. */
export async function itemsWithDueEvents(q: Queryable, at: Date, limit: number): Promise<number[]> {
  const rows = await q.rows<{ itemId: number }>(sql`
    select item_id from (
      (select item_id, due_at from trigger_events where attempts = 0 or due_at <= ${at} order by due_at, id limit ${limit})
      union all
      (select item_id, due_at from trigger_waits where due_at <= ${at} order by due_at limit ${limit})
    ) due group by item_id order by min(due_at) limit ${limit}`);
  return rows.map((row) => row.itemId);
}

/** Takes the due events of the items, in their order. The items were locked before: whoever writes an item locks in the same order. */
export function takeDueEvents(tx: Tx, itemIds: readonly number[], at: Date): Promise<EventRow[]> {
  return tx.rows<EventRow>(sql`
    with happened as (
      delete from trigger_events where item_id = any(${itemIds}::bigint[]) and (attempts = 0 or due_at <= ${at})
      returning id, item_id, trigger_ids, kind, data, chain_id, depth, attempts, due_at
    ), reached as (
      delete from trigger_waits where item_id = any(${itemIds}::bigint[]) and due_at <= ${at} returning event_id, item_id, trigger_id, due_at
    )
    select * from happened
    union all select event_id, item_id, array[trigger_id], 'dateReached', '{}', null, 0, 0, due_at from reached
    order by due_at, id`);
}

export async function nextEventAt(q: Queryable): Promise<Date | null> {
  const row = await q.first<{ at: Date | null }>(sql`
    select least((select min(due_at) from trigger_events), (select min(due_at) from trigger_waits)) as at`);
  return row?.at ?? null;
}

/** After a failed attempt. Returns how many attempts the most tried event of the item has had. */
export async function putOffEvents(q: Queryable, itemId: number, at: Date, until: Date, error: string): Promise<number> {
  const row = await q.first<{ attempts: number | null }>(sql`
    with reached as (
      delete from trigger_waits where item_id = ${itemId} and due_at <= ${at} returning event_id, item_id, trigger_id, due_at
    ), moved as (
      insert into trigger_events (id, item_id, trigger_ids, kind, due_at, attempts, error, created_at)
      select event_id, item_id, array[trigger_id], 'dateReached', ${until}, 1, ${error}, ${at} from reached
    ), put_off as (
      update trigger_events set attempts = least(attempts + 1, 1000), due_at = ${until}, error = ${error}
      where item_id = ${itemId} and (attempts = 0 or due_at <= ${at}) returning attempts
    ) select max(attempts) as attempts from put_off`);
  return row?.attempts ?? 0;
}

/** Which triggers have moved which items in these chains. */
export function movedInChains(q: Queryable, chainIds: readonly number[]): Promise<{ chainId: number; itemId: number; triggerId: number }[]> {
  return q.rows(sql`
    select coalesce(a.chain_id, a.id) as chain_id, a.item_id, t.trigger_id
    from arrivals a join trigger_runs t on t.id = a.run_id
    where (a.chain_id = any(${chainIds}::bigint[]) or a.id = any(${chainIds}::bigint[])) and a.cause = 'trigger'`);
}

export async function insertTriggerRuns(tx: Tx, runs: readonly TriggerRunRow[]): Promise<void> {
  if (runs.length === 0) return;
  await tx.run(sql`
    insert into trigger_runs (id, event_id, trigger_id, version_id, item_id, pipeline_id, from_stage_id, stage_id, kind, data, state, reason, trace, created_at)
    select * from unnest(${runs.map((r) => r.id)}::bigint[], ${runs.map((r) => r.eventId)}::bigint[], ${runs.map((r) => r.triggerId)}::bigint[],
      ${runs.map((r) => r.versionId)}::bigint[], ${runs.map((r) => r.itemId)}::bigint[], ${runs.map((r) => r.pipelineId)}::bigint[],
      ${runs.map((r) => r.fromStageId)}::bigint[], ${runs.map((r) => r.stageId)}::bigint[], ${runs.map((r) => r.kind)}::text[],
      ${runs.map((r) => json(r.data))}::jsonb[], ${runs.map((r) => r.state)}::text[], ${runs.map((r) => r.reason)}::text[],
      ${runs.map((r) => (r.trace ? json(r.trace) : null))}::jsonb[], ${runs.map((r) => r.createdAt)}::timestamptz[])`);
}

// ——— Dates

export interface Wait {
  triggerId: number;
  itemId: number;
  dueAt: Date;
}

export async function saveWaits(tx: Tx, waits: readonly Wait[]): Promise<void> {
  if (waits.length === 0) return;
  await tx.run(sql`
    insert into trigger_waits (trigger_id, item_id, due_at)
    select * from unnest(${waits.map((w) => w.triggerId)}::bigint[], ${waits.map((w) => w.itemId)}::bigint[], ${waits.map((w) => w.dueAt)}::timestamptz[])
    on conflict (trigger_id, item_id) do update set due_at = excluded.due_at`);
}

export async function dropWaits(tx: Tx, waits: readonly Omit<Wait, 'dueAt'>[]): Promise<void> {
  if (waits.length === 0) return;
  await tx.run(sql`
    delete from trigger_waits w using unnest(${waits.map((w) => w.triggerId)}::bigint[], ${waits.map((w) => w.itemId)}::bigint[]) as r(trigger_id, item_id)
    where w.trigger_id = r.trigger_id and w.item_id = r.item_id`);
}

/** These triggers wait for nothing any more, or for other moments: see `insertPlannings`. */
export async function dropWaitsOfTriggers(tx: Tx, triggerIds: readonly number[]): Promise<void> {
  if (triggerIds.length === 0) return;
  await Promise.all([
    tx.run(sql`delete from trigger_waits where trigger_id = any(${triggerIds}::bigint[])`),
    tx.run(sql`delete from trigger_plannings where trigger_id = any(${triggerIds}::bigint[])`),
  ]);
}

export async function insertPlannings(tx: Tx, triggerIds: readonly number[], pipelineId: number, publishedAt: Date): Promise<void> {
  await tx.run(sql`
    insert into trigger_plannings (trigger_id, pipeline_id, published_at) select id, ${pipelineId}, ${publishedAt} from unnest(${triggerIds}::bigint[]) t(id)
    on conflict (trigger_id) do update set pipeline_id = excluded.pipeline_id, published_at = excluded.published_at, after_item_id = 0`);
}

export interface Planning {
  triggerId: number;
  pipelineId: number;
  afterItemId: number;
  publishedAt: Date;
}

/** A planning nobody else is at, for this transaction. */
export function takePlanning(tx: Tx): Promise<Planning | undefined> {
  return tx.first<Planning>(sql`
    select trigger_id, pipeline_id, after_item_id, published_at from trigger_plannings order by published_at, trigger_id limit 1 for update skip locked`);
}

/** null: there are no more items. */
export async function movePlanning(tx: Tx, triggerId: number, afterItemId: number | null): Promise<void> {
  await tx.run(afterItemId === null
    ? sql`delete from trigger_plannings where trigger_id = ${triggerId}`
    : sql`update trigger_plannings set after_item_id = ${afterItemId} where trigger_id = ${triggerId}`);
}

export async function itemIdsOfPipeline(q: Queryable, pipelineId: number, afterId: number, limit: number): Promise<number[]> {
  const rows = await q.rows<{ id: number }>(sql`
    select id from items where pipeline_id = ${pipelineId} and id > ${afterId} and deleted_at is null order by id limit ${limit}`);
  return rows.map((row) => row.id);
}

export function pipelinesOfItems(q: Queryable, itemIds: readonly number[]): Promise<{ id: number; pipelineId: number }[]> {
  return q.rows(sql`select id, pipeline_id from items where id = any(${itemIds}::bigint[]) and deleted_at is null`);
}

// ——— Webhooks

/** The secret in the trigger's address, made if there is none or a new one is wanted. */
export async function keepHook(q: Queryable, triggerId: number, secret: string, at: Date, isNew: boolean): Promise<string> {
  const row = await q.first<{ secret: string }>(sql`
    insert into trigger_hooks as h (trigger_id, secret, created_at) values (${triggerId}, ${secret}, ${at})
    on conflict (trigger_id) do update set secret = case when ${isNew} then excluded.secret else h.secret end,
      created_at = case when ${isNew} then excluded.created_at else h.created_at end
    returning secret`);
  if (!row) throw new Error('An insert returned no row.');
  return row.secret;
}

export async function findHookSecret(q: Queryable, triggerId: number): Promise<string | undefined> {
  return (await q.first<{ secret: string }>(sql`select secret from trigger_hooks where trigger_id = ${triggerId}`))?.secret;
}

// ——— Triggers of applications

export interface AppTriggerRow {
  appId: number;
  appName: string;
  code: string;
  name: string;
}

/** One with the same code gets the new name. */
export async function saveAppTrigger(q: Queryable, { appId, appName, code, name }: AppTriggerRow, at: Date): Promise<void> {
  await q.run(sql`
    insert into app_triggers (app_id, app_name, code, name, created_at) values (${appId}, ${appName}, ${code}, ${name}, ${at})
    on conflict (app_id, code) do update set name = excluded.name, app_name = excluded.app_name`);
}

export async function deleteAppTriggers(q: Queryable, appId: number, code?: string): Promise<number> {
  return q.run(sql`delete from app_triggers where app_id = ${appId} and (${code ?? null}::text is null or code = ${code ?? null})`);
}

/** `appId` absent: of all applications. */
export function listAppTriggers(q: Queryable, appId?: number): Promise<AppTriggerRow[]> {
  return q.rows<AppTriggerRow>(sql`
    select app_id, app_name, code, name from app_triggers where ${appId ?? null}::bigint is null or app_id = ${appId ?? null} order by app_name, name, code`);
}

// ——— Journal

/** What each of the triggers did since the moment, and how many items wait for their date. */
export function countTriggerRuns(q: Queryable, triggerIds: readonly number[], since: Date): Promise<{ triggerId: number; moved: number; failed: number; waiting: number }[]> {
  return q.rows(sql`
    select t.id as trigger_id, r.moved, r.failed, (select count(*) from trigger_waits w where w.trigger_id = t.id) as waiting
    from unnest(${triggerIds}::bigint[]) t(id), lateral (
      select count(*) filter (where state = 'done') as moved, count(*) filter (where state = 'failed') as failed
      from trigger_runs r where r.trigger_id = t.id and r.created_at > ${since}) r`);
}

export interface TriggerJournalRow extends TriggerRunRow {
  versionNumber: number | null;
  title: string | null;
}

export interface TriggerJournalFilter {
  itemId?: number | undefined;
  triggerId?: number | undefined;
  pipelineId?: number | undefined;
  state?: string | undefined;
  beforeId?: number | undefined;
  /** Only of items that belong to one of these. */
  ownerIds?: readonly number[] | undefined;
  limit: number;
}

/** Newest first. */
export function listTriggerRuns(q: Queryable, filter: TriggerJournalFilter): Promise<TriggerJournalRow[]> {
  const by = [
    filter.itemId === undefined ? empty : sql`and r.item_id = ${filter.itemId}`,
    filter.triggerId === undefined ? empty : sql`and r.trigger_id = ${filter.triggerId}`,
    filter.pipelineId === undefined ? empty : sql`and r.pipeline_id = ${filter.pipelineId}`,
    filter.state === undefined ? empty : sql`and r.state = ${filter.state}`,
    filter.beforeId === undefined ? empty : sql`and r.id < ${filter.beforeId}`,
    filter.ownerIds === undefined ? empty : sql`and exists (select from items i where i.id = r.item_id and i.owner_id = any(${filter.ownerIds}::bigint[]))`,
  ];
  return q.rows<TriggerJournalRow>(sql`
    select r.id, r.event_id, r.trigger_id, r.version_id, r.item_id, r.pipeline_id, r.from_stage_id, r.stage_id, r.kind, r.data, r.state, r.reason,
      r.trace, r.created_at, v.number as version_number, t.title
    from trigger_runs r left join robot_versions v on v.id = r.version_id
    left join lateral (select e->>'title' as title from jsonb_array_elements(v.triggers) e where (e->>'id')::bigint = r.trigger_id limit 1) t on true
    where true ${join(by, ' ')}
    order by r.id desc limit ${filter.limit}`);
}
