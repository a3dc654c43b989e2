/** All SQL of the robots module. Takes the transaction first; returns plain rows. */
import { empty, join, json, type Queryable, sql, type Tx } from '../db/db.ts';
import { configColumn, itemColumns, type ItemRow, type WithConfig } from '../crm/crm.ts';
import type { RobotRecord, TriggerRecord } from './versions.ts';

export interface ArrivalRow {
  id: number;
  itemId: number;
  pipelineId: number;
  stageId: number;
  fromStageId: number | null;
  employeeId: number | null;
  cause: string;
  runId: number | null;
  chainId: number | null;
  depth: number;
  createdAt: Date;
}

export type RunState = 'waiting' | 'done' | 'skipped' | 'failed' | 'cancelled';

export interface RunRow {
  id: number;
  arrivalId: number;
  robotId: number;
  versionId: number;
  itemId: number;
  state: RunState;
  /** Why: a key `robots.reasons.<reason>`; null for an ordinary done, and while waiting for its moment. */
  reason: string | null;
  trace: RunTrace | null;
  results: Record<string, unknown> | null;
  /** While waiting: the planned moment; null: waits for the robot above. */
  dueAt: Date | null;
  createdAt: Date;
  finishedAt: Date | null;
}

/** The decision, kept compact: absent means "nothing to say". */
export interface RunTrace {
  /** What the condition compared, with the actual values (conditions.ts). */
  condition?: unknown;
  /** What the reason's sentence needs. */
  params?: Record<string, unknown>;
  /** Recipients left out, texts cut, … : [code, params]. */
  notes?: [code: string, params: Record<string, unknown>][];
}

const arrivalColumns = sql`a.id, a.item_id, a.pipeline_id, a.stage_id, a.from_stage_id, a.employee_id, a.cause, a.run_id, a.chain_id, a.depth, a.created_at`;
const runColumns = sql`r.id, r.arrival_id, r.robot_id, r.version_id, r.item_id, r.state, r.reason, r.trace, r.results, r.due_at, r.created_at, r.finished_at`;

/** An arrival with its item as it is now, locked; `deletedAt` says whether it is still there. */
export interface ClaimedRow extends ItemRow, WithConfig {
  arrivalId: number;
  arrivalPipelineId: number;
  arrivalStageId: number;
  fromStageId: number | null;
  employeeId: number | null;
  cause: string;
  runId: number | null;
  chainId: number | null;
  depth: number;
  arrivedAt: Date;
  deletedAt: Date | null;
}

/**
 * Takes up to `limit` due arrivals off the queue for this transaction and locks their items in the order of
 * their ids, in one statement; `only` narrows to one arrival. Items are never removed, so none is missing.
 * Only those put off have to wait: a new one is due at once, also for a worker whose clock is behind.
 */
export function claimArrivals(tx: Tx, at: Date, limit: number, only: number | null = null): Promise<ClaimedRow[]> {
  return tx.rows<ClaimedRow>(sql`
    with claimed as (
      delete from arrival_queue where arrival_id = any(array(
        select q.arrival_id from arrival_queue q
        where (q.attempts = 0 or q.due_at <= ${at}) and (${only}::bigint is null or q.arrival_id = ${only})
        order by q.arrival_id limit ${limit} for update skip locked))
      returning arrival_id
    )
    select a.id as arrival_id, a.pipeline_id as arrival_pipeline_id, a.stage_id as arrival_stage_id, a.from_stage_id, a.employee_id, a.cause,
      a.run_id, a.chain_id, a.depth, a.created_at as arrived_at, i.deleted_at, ${configColumn}, ${itemColumns}
    from claimed c join arrivals a on a.id = c.arrival_id join items i on i.id = a.item_id
    order by i.id, a.id for no key update of i`);
}

/** Ids of due arrivals, not claimed: to go through them one by one after a batch failed. */
export async function dueArrivalIds(q: Queryable, at: Date, limit: number): Promise<number[]> {
  const rows = await q.rows<{ arrivalId: number }>(sql`select arrival_id from arrival_queue where attempts = 0 or due_at <= ${at} order by arrival_id limit ${limit}`);
  return rows.map((row) => row.arrivalId);
}

/** Takes the arrival off the queue if it has runs, which only one that was worked off has. Returns whether it had. */
export async function dropIfWorkedOff(q: Queryable, arrivalId: number): Promise<boolean> {
  const dropped = await q.run(sql`delete from arrival_queue where arrival_id = ${arrivalId} and exists (select from runs where arrival_id = ${arrivalId})`);
  return dropped > 0;
}

/** After a failed attempt: puts the arrival off. Returns how many attempts it has had. */
export async function putOffArrival(q: Queryable, arrivalId: number, dueAt: Date, error: string): Promise<number> {
  const row = await q.first<{ attempts: number }>(sql`
    update arrival_queue set attempts = least(attempts + 1, 1000), due_at = ${dueAt}, error = ${error} where arrival_id = ${arrivalId} returning attempts`);
  return row?.attempts ?? 0;
}

export function arrivalsByIds(q: Queryable, ids: readonly number[]): Promise<ArrivalRow[]> {
  return q.rows<ArrivalRow>(sql`select ${arrivalColumns} from arrivals a where a.id = any(${ids}::bigint[])`);
}

/** Items that have a run due, oldest moment first. */
export async function itemsWithDueRuns(q: Queryable, at: Date, limit: number): Promise<number[]> {
  const rows = await q.rows<{ itemId: number }>(sql`
    select r.item_id from runs r where r.state = 'waiting' and r.due_at <= ${at} group by r.item_id order by min(r.due_at) limit ${limit}`);
  return rows.map((row) => row.itemId);
}

export async function nextDueAt(q: Queryable): Promise<Date | null> {
  return (await q.first<{ dueAt: Date | null }>(sql`select min(due_at) as due_at from runs where state = 'waiting'`))?.dueAt ?? null;
}

/** Due runs of the items, locked. The items were locked before: whoever moves an item locks in the same order. */
export function lockDueRuns(tx: Tx, itemIds: readonly number[], at: Date): Promise<RunRow[]> {
  return tx.rows<RunRow>(sql`
    select ${runColumns} from runs r where r.state = 'waiting' and r.due_at <= ${at} and r.item_id = any(${itemIds}::bigint[])
    order by r.due_at, r.id for update`);
}

export function runsOfArrivals(q: Queryable, arrivalIds: readonly number[]): Promise<RunRow[]> {
  return q.rows<RunRow>(sql`select ${runColumns} from runs r where r.arrival_id = any(${arrivalIds}::bigint[]) order by r.id`);
}

export interface EarlierResult {
  itemId: number;
  robotId: number;
  results: Record<string, unknown>;
}

/** The newest results that each of the robots left on each of the items, in whatever arrival. */
export function earlierResults(q: Queryable, itemIds: readonly number[], robotIds: readonly number[]): Promise<EarlierResult[]> {
  return q.rows<EarlierResult>(sql`
    select distinct on (a.item_id, r.robot_id) a.item_id, r.robot_id, r.results
    from arrivals a join runs r on r.arrival_id = a.id
    where a.item_id = any(${itemIds}::bigint[]) and r.robot_id = any(${robotIds}::bigint[]) and r.results is not null
    order by a.item_id, r.robot_id, r.id desc`);
}

/** Which of the robots have already acted on which items, in any arrival: for "once per item". */
export function actedRobots(q: Queryable, itemIds: readonly number[], robotIds: readonly number[]): Promise<{ itemId: number; robotId: number }[]> {
  return q.rows(sql`
    select distinct a.item_id, r.robot_id from arrivals a join runs r on r.arrival_id = a.id
    where a.item_id = any(${itemIds}::bigint[]) and r.robot_id = any(${robotIds}::bigint[]) and r.state = 'done'`);
}

/** Which robots have acted on which items in these chains. */
export function actedInChains(q: Queryable, chainIds: readonly number[]): Promise<{ chainId: number; itemId: number; robotId: number }[]> {
  return q.rows(sql`
    select coalesce(a.chain_id, a.id) as chain_id, a.item_id, r.robot_id
    from arrivals a join runs r on r.arrival_id = a.id
    where (a.chain_id = any(${chainIds}::bigint[]) or a.id = any(${chainIds}::bigint[])) and r.state = 'done'`);
}

export async function insertRuns(tx: Tx, runs: readonly RunRow[]): Promise<void> {
  if (runs.length === 0) return;
  await tx.run(sql`
    insert into runs (id, arrival_id, robot_id, version_id, item_id, state, reason, trace, results, due_at, created_at, finished_at)
    select * from unnest(${runs.map((r) => r.id)}::bigint[], ${runs.map((r) => r.arrivalId)}::bigint[], ${runs.map((r) => r.robotId)}::bigint[],
      ${runs.map((r) => r.versionId)}::bigint[], ${runs.map((r) => r.itemId)}::bigint[], ${runs.map((r) => r.state)}::text[],
      ${runs.map((r) => r.reason)}::text[], ${runs.map((r) => (r.trace ? json(r.trace) : null))}::jsonb[],
      ${runs.map((r) => (r.results ? json(r.results) : null))}::jsonb[], ${runs.map((r) => r.dueAt)}::timestamptz[],
      ${runs.map((r) => r.createdAt)}::timestamptz[], ${runs.map((r) => r.finishedAt)}::timestamptz[])`);
}

export async function updateRuns(tx: Tx, runs: readonly RunRow[]): Promise<void> {
  if (runs.length === 0) return;
  await tx.run(sql`
    update runs r set state = u.state, reason = u.reason, trace = u.trace, results = u.results, due_at = u.due_at, finished_at = u.finished_at
    from unnest(${runs.map((r) => r.id)}::bigint[], ${runs.map((r) => r.state)}::text[], ${runs.map((r) => r.reason)}::text[],
      ${runs.map((r) => (r.trace ? json(r.trace) : null))}::jsonb[], ${runs.map((r) => (r.results ? json(r.results) : null))}::jsonb[],
      ${runs.map((r) => r.dueAt)}::timestamptz[], ${runs.map((r) => r.finishedAt)}::timestamptz[])
      as u(id, state, reason, trace, results, due_at, finished_at)
    where r.id = u.id`);
}

/** Cancels what waits on items that left the stage (or were deleted). Returns the items something was cancelled on. */
export async function cancelWaitingRuns(tx: Tx, itemIds: readonly number[], reason: string, at: Date): Promise<number[]> {
  const rows = await tx.rows<{ itemId: number }>(sql`
    update runs set state = 'cancelled', reason = ${reason}, finished_at = ${at}
    where state = 'waiting' and item_id = any(${itemIds}::bigint[]) returning item_id`);
  return [...new Set(rows.map((row) => row.itemId))];
}

/** Runs that wait for a moment on these items, with what is needed to plan them anew. */
export function waitingRuns(tx: Tx, itemIds: readonly number[]): Promise<RunRow[]> {
  return tx.rows<RunRow>(sql`
    select ${runColumns} from runs r where r.state = 'waiting' and r.due_at is not null and r.item_id = any(${itemIds}::bigint[]) for update`);
}

export interface VersionHead {
  id: number;
  pipelineId: number;
  number: number;
  publishedAt: Date;
}

export function versionHeads(q: Queryable): Promise<VersionHead[]> {
  return q.rows<VersionHead>(sql`select id, pipeline_id, number, published_at from robot_versions order by pipeline_id, published_at, id`);
}

export function versionRobots(q: Queryable, ids: readonly number[]): Promise<{ id: number; robots: RobotRecord[] }[]> {
  return q.rows(sql`select id, robots from robot_versions where id = any(${ids}::bigint[])`);
}

/** `count` numbers of a sequence. Numbers not used are lost, which a sequence allows. */
export async function takeNumbers(q: Queryable, sequence: string, count: number): Promise<number[]> {
  const rows = await q.rows<{ n: number }>(sql`select nextval(${sequence}::regclass) as n from generate_series(1, ${count}::int)`);
  return rows.map((row) => row.n);
}

export function contactsByIds(q: Queryable, ids: readonly number[]): Promise<(ContactRow)[]> {
  return q.rows<ContactRow>(sql`
    select id, first_name, last_name, second_name, position, phones, emails, address, company_id, values from contacts where id = any(${ids}::bigint[]) and deleted_at is null`);
}

export interface ContactRow {
  id: number;
  firstName: string;
  lastName: string;
  secondName: string;
  position: string;
  phones: unknown;
  emails: unknown;
  address: string;
  companyId: number | null;
  values: Record<string, unknown>;
}

export interface CompanyRow {
  id: number;
  title: string;
  phones: unknown;
  emails: unknown;
  address: string;
  values: Record<string, unknown>;
}

export function companiesByIds(q: Queryable, ids: readonly number[]): Promise<CompanyRow[]> {
  return q.rows<CompanyRow>(sql`select id, title, phones, emails, address, values from companies where id = any(${ids}::bigint[]) and deleted_at is null`);
}

export async function itemTitles(q: Queryable, ids: readonly number[]): Promise<Map<number, string>> {
  const rows = await q.rows<{ id: number; title: string }>(sql`select id, title from items where id = any(${ids}::bigint[]) and deleted_at is null`);
  return new Map(rows.map((row) => [row.id, row.title]));
}

export async function fileNames(q: Queryable, ids: readonly number[]): Promise<Map<number, string>> {
  const rows = await q.rows<{ id: number; name: string }>(sql`select id, name from drive_files where id = any(${ids}::bigint[]) and trashed_at is null`);
  return new Map(rows.map((row) => [row.id, row.name]));
}

export async function chatTitles(q: Queryable, ids: readonly number[]): Promise<Map<number, string>> {
  const rows = await q.rows<{ id: number; title: string }>(sql`select id, title from chats where id = any(${ids}::bigint[]) and deleted_at is null`);
  return new Map(rows.map((row) => [row.id, row.title]));
}

// ——— Drafts and versions

/** Robots and triggers of a pipeline, in order. */
export interface SetContent {
  robots: readonly RobotRecord[];
  triggers: readonly TriggerRecord[];
}

export interface DraftRow {
  pipelineId: number;
  robots: RobotRecord[];
  triggers: TriggerRecord[];
  revision: number;
  updatedAt: Date;
  updatedBy: number | null;
}

export function findDraft(q: Queryable, pipelineId: number): Promise<DraftRow | undefined> {
  return q.first<DraftRow>(sql`select pipeline_id, robots, triggers, revision, updated_at, updated_by from robot_drafts where pipeline_id = ${pipelineId}`);
}

/** The same, and nobody saves over it until the transaction ends. */
export function lockDraft(tx: Tx, pipelineId: number): Promise<DraftRow | undefined> {
  return tx.first<DraftRow>(sql`select pipeline_id, robots, triggers, revision, updated_at, updated_by from robot_drafts where pipeline_id = ${pipelineId} for update`);
}

/** Saves over the revision the writer saw (0: there was none). undefined: somebody else was first. */
export async function saveDraft(
  tx: Tx, draft: SetContent & { pipelineId: number; revision: number; at: Date; by: number | null },
): Promise<number | undefined> {
  const row = await tx.first<{ revision: number }>(sql`
    insert into robot_drafts as d (pipeline_id, robots, triggers, revision, updated_at, updated_by)
    values (${draft.pipelineId}, ${json(draft.robots)}, ${json(draft.triggers)}, ${draft.revision + 1}, ${draft.at}, ${draft.by})
    on conflict (pipeline_id) do update set robots = excluded.robots, triggers = excluded.triggers, revision = excluded.revision,
      updated_at = excluded.updated_at, updated_by = excluded.updated_by
    where d.revision = ${draft.revision}
    returning revision`);
  return row?.revision;
}

/** Of the ids, those that robots and triggers of other pipelines have. */
export async function foreignRobotIds(q: Queryable, pipelineId: number, ids: readonly number[]): Promise<number[]> {
  const rows = await q.rows<{ id: number }>(sql`
    select distinct (r->>'id')::bigint as id from robot_drafts d, jsonb_array_elements(d.robots || d.triggers) r
    where d.pipeline_id <> ${pipelineId} and (r->>'id')::bigint = any(${ids}::bigint[])`);
  return rows.map((row) => row.id);
}

export interface VersionRow extends VersionHead {
  note: string;
  publishedBy: number | null;
  robots: RobotRecord[];
  triggers: TriggerRecord[];
}

export async function insertVersion(tx: Tx, version: SetContent & { pipelineId: number; note: string; at: Date; by: number | null }): Promise<VersionRow> {
  const row = await tx.first<VersionRow>(sql`
    insert into robot_versions (pipeline_id, number, robots, triggers, note, published_at, published_by)
    values (${version.pipelineId}, (select coalesce(max(number), 0) + 1 from robot_versions where pipeline_id = ${version.pipelineId}),
      ${json(version.robots)}, ${json(version.triggers)}, ${version.note}, ${version.at}, ${version.by})
    returning id, pipeline_id, number, robots, triggers, note, published_at, published_by`);
  if (!row) throw new Error('An insert returned no row.');
  return row;
}

export function newestVersion(q: Queryable, pipelineId: number): Promise<VersionRow | undefined> {
  return q.first<VersionRow>(sql`
    select id, pipeline_id, number, robots, triggers, note, published_at, published_by from robot_versions
    where pipeline_id = ${pipelineId} order by published_at desc, id desc limit 1`);
}

export function listVersions(q: Queryable, pipelineId: number): Promise<(Omit<VersionRow, 'robots' | 'triggers'> & { robotCount: number; triggerCount: number })[]> {
  return q.rows(sql`
    select id, pipeline_id, number, note, published_at, published_by, jsonb_array_length(robots) as robot_count, jsonb_array_length(triggers) as trigger_count
    from robot_versions where pipeline_id = ${pipelineId} order by number desc`);
}

export function findVersion(q: Queryable, pipelineId: number, versionId: number): Promise<VersionRow | undefined> {
  return q.first<VersionRow>(sql`
    select id, pipeline_id, number, robots, triggers, note, published_at, published_by from robot_versions where pipeline_id = ${pipelineId} and id = ${versionId}`);
}

/** Runs of each robot that wait, and those that failed since the moment. */
export function countRuns(q: Queryable, robotIds: readonly number[], since: Date): Promise<{ robotId: number; waiting: number; failed: number }[]> {
  if (robotIds.length === 0) return Promise.resolve([]);
  // Each half by an index of its own that holds nothing else: a robot may have millions of runs.
  return q.rows(sql`
    select robot_id, sum(waiting)::int as waiting, sum(failed)::int as failed from (
      select robot_id, count(*) as waiting, 0 as failed from runs where state = 'waiting' and robot_id = any(${robotIds}::bigint[]) group by robot_id
      union all
      select robot_id, 0, count(*) from runs where state = 'failed' and robot_id = any(${robotIds}::bigint[]) and created_at > ${since} group by robot_id
    ) halves group by robot_id`);
}

// ——— Health

export interface BacklogRow {
  id: 'arrivals' | 'waitingRuns' | 'triggers';
  due: number;
  oldestDueAt: Date | null;
}
/** What is due and not begun, counted up to `limit`: the oldest of those looked at. */
export function backlog(q: Queryable, at: Date, limit: number): Promise<BacklogRow[]> {
  const counted = sql`count(*)::int as due, min(due_at) as oldest_due_at`;
  return q.rows(sql`
    select 'arrivals' as id, ${counted} from (select due_at from arrival_queue where due_at <= ${at} order by arrival_id limit ${limit}) as seen
    union all select 'waitingRuns', ${counted} from (select due_at from runs where state = 'waiting' and due_at <= ${at} order by due_at limit ${limit}) as seen
    union all select 'triggers', ${counted} from (select due_at from trigger_events where due_at <= ${at} order by due_at limit ${limit}) as seen`);
}

export interface FailingRobotRow {
  robotId: number;
  title: string | null;
  pipelineId: number | null;
  failed: number;
  lastFailedAt: Date;
  lastItemId: number;
  lastRunId: number;
}
/** Robots among the latest `looked` failed runs, by how often since the moment: an index that holds nothing but failed runs. */
export function failingRobots(q: Queryable, { since, looked, limit }: { since: Date; looked: number; limit: number }): Promise<FailingRobotRow[]> {
  return q.rows<FailingRobotRow>(sql`
    with latest as (
      select id, robot_id, version_id, item_id, coalesce(finished_at, created_at) as failed_at from runs where state = 'failed' order by id desc limit ${looked}
    ), counted as (
      select robot_id, count(*)::int as failed, max(id) as last_run_id from latest where failed_at >= ${since} group by robot_id order by 2 desc, 1 limit ${limit}
    )
    select c.robot_id, c.failed, c.last_run_id, l.item_id as last_item_id, l.failed_at as last_failed_at, v.pipeline_id,
      (select r ->> 'title' from jsonb_array_elements(v.robots) r where r ->> 'id' = c.robot_id::text limit 1) as title
    from counted c join latest l on l.id = c.last_run_id left join robot_versions v on v.id = l.version_id
    order by c.failed desc, c.robot_id`);
}

// ——— Journal

export interface JournalRow extends RunRow {
  stageId: number;
  pipelineId: number;
  itemTitle: string | null;
  versionNumber: number | null;
  robotTitle: string | null;
  robotType: string | null;
}

export interface JournalFilter {
  itemId?: number | undefined;
  robotId?: number | undefined;
  /** Of these pipelines. */
  pipelineIds?: readonly number[] | undefined;
  stageId?: number | undefined;
  state?: string | undefined;
  ownerId?: number | undefined;
  from?: Date | undefined;
  to?: Date | undefined;
  text?: string | undefined;
  arrivalIds?: readonly number[] | undefined;
  beforeId?: number | undefined;
  ids?: readonly number[];
  limit: number;
  /** Only of items that belong to one of these. */
  ownerIds?: readonly number[] | undefined;
}

const journalColumns = sql`${runColumns}, a.stage_id, a.pipeline_id, i.title as item_title, v.number as version_number, bot.title as robot_title, bot.type as robot_type`;
const journalJoins = sql`
  left join items i on i.id = a.item_id
  left join robot_versions v on v.id = r.version_id
  left join lateral (select e->>'title' as title, e->>'type' as type from jsonb_array_elements(v.robots) e where (e->>'id')::bigint = r.robot_id limit 1) bot on true`;

/** What a typed text looks for: percent signs and underscores are themselves. */
function likeOf(typed: string): string {
  return `%${typed.replace(/[\\%_]/g, '\\$&')}%`;
}

/**
 * Runs, newest first. By item through its arrivals, by robot through its own index; of a pipeline, the newest of each
 * of its robots: so the rare ones need not be looked for among millions.
 */
export function listRuns(q: Queryable, filter: JournalFilter): Promise<JournalRow[]> {
  const { text: typed, pipelineIds } = filter;
  const byText = typed === undefined || typed === '' ? empty : sql`and a.item_id in (
    select id from items where title ilike ${likeOf(typed)} or id = ${/^\d{1,15}$/.test(typed) ? Number(typed) : 0} order by id desc limit 5000)`;
  const ofRun = [
    filter.state === undefined ? empty : sql`and r.state = ${filter.state}`,
    filter.beforeId === undefined ? empty : sql`and r.id < ${filter.beforeId}`,
    filter.from === undefined ? empty : sql`and r.created_at >= ${filter.from}`,
    filter.to === undefined ? empty : sql`and r.created_at < ${filter.to}`,
    filter.ids === undefined ? empty : sql`and r.id = any(${filter.ids}::bigint[])`,
    filter.arrivalIds === undefined ? empty : sql`and r.arrival_id = any(${filter.arrivalIds}::bigint[])`,
    filter.itemId === undefined ? empty : sql`and r.arrival_id in (select id from arrivals where item_id = ${filter.itemId})`,
    filter.robotId === undefined ? empty : sql`and r.robot_id = ${filter.robotId}`,
  ];
  const ofArrival = [
    pipelineIds === undefined ? empty : sql`and a.pipeline_id = any(${pipelineIds}::bigint[])`,
    filter.stageId === undefined ? empty : sql`and a.stage_id = ${filter.stageId}`,
    filter.ownerId === undefined ? empty : sql`and exists (select from items i where i.id = a.item_id and i.owner_id = ${filter.ownerId})`,
    byText,
    filter.ownerIds === undefined ? empty : sql`and exists (select from items i where i.id = a.item_id and i.owner_id = any(${filter.ownerIds}::bigint[]))`,
  ];
  const isByRobots = pipelineIds !== undefined && filter.robotId === undefined && filter.itemId === undefined && filter.ids === undefined && filter.arrivalIds === undefined;
  const found = isByRobots
    ? sql`
      select newest.id from (
        select distinct (e->>'id')::bigint as robot_id from robot_versions v, jsonb_array_elements(v.robots) e where v.pipeline_id = any(${pipelineIds}::bigint[])
      ) bots cross join lateral (
        select r.id from runs r join arrivals a on a.id = r.arrival_id
        where r.robot_id = bots.robot_id ${join(ofRun, ' ')} ${join(ofArrival, ' ')}
        order by r.id desc limit ${filter.limit}) newest
      order by newest.id desc limit ${filter.limit}`
    : sql`
      select r.id from runs r join arrivals a on a.id = r.arrival_id
      where true ${join(ofRun, ' ')} ${join(ofArrival, ' ')}
      order by r.id desc limit ${filter.limit}`;
  return q.rows<JournalRow>(sql`
    select ${journalColumns} from (${found}) page join runs r on r.id = page.id join arrivals a on a.id = r.arrival_id ${journalJoins}
    order by r.id desc`);
}

export interface ArrivalOfItem {
  id: number;
  createdAt: Date;
  stageId: number;
  fromStageId: number | null;
  employeeId: number | null;
  cause: string;
}

/** Arrivals of an item, newest first. */
export function arrivalsOfItem(q: Queryable, itemId: number, beforeId: number | undefined, limit: number): Promise<ArrivalOfItem[]> {
  return q.rows<ArrivalOfItem>(sql`
    select id, created_at, stage_id, from_stage_id, employee_id, cause from arrivals
    where item_id = ${itemId} ${beforeId === undefined ? empty : sql`and id < ${beforeId}`} order by id desc limit ${limit}`);
}

// ——— Counts per day

const dayOfRun = (timeZone: string) => sql`(r.finished_at at time zone ${timeZone})::date`;

/** From which day on runs are not counted yet; null: there are none at all. */
export async function firstUncountedDay(q: Queryable, timeZone: string): Promise<string | null> {
  const until = await q.first<{ day: string | null }>(sql`select (day + 1)::text as day from run_days_until`);
  if (until) return until.day;
  const first = await q.first<{ day: string | null }>(sql`select min((r.finished_at at time zone ${timeZone})::date)::text as day from runs r`);
  return first?.day ?? null;
}

function countedRuns(days: { from: string; to: string }, timeZone: string) {
  return sql`
    select ${dayOfRun(timeZone)} as day, a.pipeline_id, r.robot_id, r.state, count(*)::int as count
    from runs r join arrivals a on a.id = r.arrival_id
    where r.finished_at >= ${days.from}::date::timestamp at time zone ${timeZone}
      and r.finished_at < (${days.to}::date + 1)::timestamp at time zone ${timeZone}
    group by 1, 2, 3, 4`;
}

/** Counts the days, which are over, once and for all. */
export async function countDays(tx: Tx, days: { from: string; to: string }, timeZone: string): Promise<void> {
  await tx.run(sql`insert into run_days (day, pipeline_id, robot_id, state, count) ${countedRuns(days, timeZone)} on conflict do nothing`);
  await tx.run(sql`
    insert into run_days_until (is_one, day) values (true, ${days.to}::date) on conflict (is_one) do update set day = excluded.day where run_days_until.day < excluded.day`);
}

/** Runs that ended, by day and outcome: days that are over from the table, the rest from the runs themselves. */
export function daysOfRuns(
  q: Queryable, filter: { from: string; to: string; pipelineIds?: readonly number[] | undefined; robotId?: number | undefined }, timeZone: string,
): Promise<{ day: string; state: RunState; count: number }[]> {
  const by = [
    filter.pipelineIds === undefined ? empty : sql`and pipeline_id = any(${filter.pipelineIds}::bigint[])`,
    filter.robotId === undefined ? empty : sql`and robot_id = ${filter.robotId}`,
  ];
  return q.rows(sql`
    with until as (select coalesce((select day from run_days_until), ${filter.from}::date - 1) as day),
    live as (
      select (r.finished_at at time zone ${timeZone})::date as day, a.pipeline_id, r.robot_id, r.state, 1 as count
      from runs r join arrivals a on a.id = r.arrival_id
      where r.finished_at >= (select (greatest(day + 1, ${filter.from}::date))::timestamp at time zone ${timeZone} from until)
        and r.finished_at < (${filter.to}::date + 1)::timestamp at time zone ${timeZone})
    select day::text as day, state, sum(count)::int as count from (
      select day, pipeline_id, robot_id, state, count from run_days where day between ${filter.from}::date and ${filter.to}::date and day <= (select day from until)
      union all select day, pipeline_id, robot_id, state, count from live
    ) counted where true ${join(by, ' ')} group by day, state order by day`);
}

export function lockRun(tx: Tx, runId: number): Promise<RunRow | undefined> {
  return tx.first<RunRow>(sql`select ${runColumns} from runs r where r.id = ${runId} for update`);
}

/** Puts items on the stage through its robots once more: new arrivals from the stage to itself. */
export async function insertReruns(tx: Tx, items: readonly { id: number; pipelineId: number; stageId: number }[], employeeId: number, at: Date): Promise<number> {
  return tx.run(sql`
    with arrived as (
      insert into arrivals (item_id, pipeline_id, stage_id, from_stage_id, employee_id, cause, created_at)
      select r.id, r.pipeline_id, r.stage_id, r.stage_id, ${employeeId}, 'person', ${at}
      from unnest(${items.map((item) => item.id)}::bigint[], ${items.map((item) => item.pipelineId)}::bigint[], ${items.map((item) => item.stageId)}::bigint[]) as r(id, pipeline_id, stage_id)
      returning id
    )
    insert into arrival_queue (arrival_id, due_at) select id, ${at} from arrived`);
}

/** Which of these chats, files, … a robot's settings may name. */
export async function existingIds(q: Queryable, ids: { chats: readonly number[]; files: readonly number[] }): Promise<{ chats: Set<number>; files: Set<number> }> {
  const [chats, files] = await Promise.all([
    ids.chats.length === 0 ? [] : q.rows<{ id: number }>(sql`select id from chats where id = any(${ids.chats}::bigint[]) and kind = 'closed' and deleted_at is null`),
    ids.files.length === 0 ? [] : q.rows<{ id: number }>(sql`select id from drive_files where id = any(${ids.files}::bigint[]) and trashed_at is null`),
  ]);
  return { chats: new Set(chats.map((row) => row.id)), files: new Set(files.map((row) => row.id)) };
}

/** Ended runs of an item for its timeline, newest first, older than the position. */
export function runsForTimeline(q: Queryable, itemId: number, before: { at: Date; id: number }, limit: number, hiddenTypes: readonly string[]): Promise<JournalRow[]> {
  return q.rows<JournalRow>(sql`
    select ${journalColumns} from arrivals a join runs r on r.arrival_id = a.id ${journalJoins}
    where a.item_id = ${itemId} and r.finished_at is not null and (r.finished_at, r.id) < (${before.at}, ${before.id})
      and (bot.type is null or bot.type <> all(${hiddenTypes}::text[]))
    order by r.finished_at desc, r.id desc limit ${limit}`);
}
