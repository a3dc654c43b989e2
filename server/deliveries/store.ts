/** All SQL of deliveries. */
import { empty, join, json, type Queryable, sql } from '../db/db.ts';
import type { Channel, Claimed, Decision, DeliveryError, Journal, JournalFilter, NewDelivery, Question, Report } from './deliveries.ts';
import type { Candidate, Gate, GateKey } from './limits.ts';

export const insert = (q: Queryable, rows: readonly (NewDelivery & { messageId: string | null })[], at: Date): Promise<{ channel: Channel; id: number }[]> =>
  q.rows(sql`insert into deliveries (channel, sender_id, employee_id, address, content, message_id, due_at, item_id, run_id, created_at)
    select channel, sender_id, employee_id, address, content, message_id, ${at}, item_id, run_id, ${at}
    from unnest(
      ${rows.map((r) => r.channel)}::text[], ${rows.map((r) => r.senderId)}::bigint[], ${rows.map((r) => r.employeeId)}::bigint[],
      ${rows.map((r) => r.address)}::text[], ${rows.map((r) => json(r.content))}::jsonb[], ${rows.map((r) => r.messageId)}::text[],
      ${rows.map((r) => r.itemId)}::bigint[], ${rows.map((r) => r.runId)}::bigint[]
    ) as t (channel, sender_id, employee_id, address, content, message_id, item_id, run_id)
    on conflict (run_id, channel, address) where run_id is not null do nothing
    returning channel, id`);

/**
 * What follows is sent to the outside, so it must be on disk first, whatever the server's default:
 * with it every row written before is durable too, those of asynchronous commits included.
 */
export const commitToDisk = (q: Queryable): Promise<number> => q.run(sql`set local synchronous_commit = on`);

/** What is due, locked, in its order. */
export const due = (q: Queryable, channel: Channel, { limit, at }: { limit: number; at: Date }): Promise<Candidate[]> =>
  q.rows(sql`select id, sender_id, employee_id, coalesce(error ->> 'code' = 'delivery.waits_for_limit', false) as is_planned
    from deliveries where channel = ${channel} and state = 'queued' and due_at <= ${at}
    order by due_at, id limit ${limit} for update skip locked`);

/** Claimed, and marked as begun: `attempts` counts the one that begins. */
export const claim = (q: Queryable, ids: readonly number[], { leaseUntil, at }: { leaseUntil: Date; at: Date }): Promise<Claimed[]> =>
  q.rows(sql`update deliveries d set state = 'sending', lease_until = ${leaseUntil}, fence = d.fence + 1, attempts = d.attempts + 1, begun_at = ${at}
    where d.id = any(${ids}::bigint[])
    returning d.id, d.channel, d.sender_id, d.employee_id, d.address, d.content, d.message_id, d.attempts, d.retries, d.fence, d.item_id, d.error`);

/** The gates, locked until the transaction ends; always in one order, so that nobody waits for each other. */
export const lockGates = (q: Queryable, channel: Channel, keys: readonly GateKey[]): Promise<Gate[]> =>
  q.rows(sql`insert into delivery_gates as g (channel, scope, owner_id, period)
    select ${channel}, scope, owner_id, period from unnest(${keys.map((k) => k.scope)}::text[], ${keys.map((k) => k.ownerId)}::bigint[], ${keys.map((k) => k.period)}::text[]) as k (scope, owner_id, period)
    order by scope, owner_id, period
    on conflict (channel, scope, owner_id, period) do update set taken_until = g.taken_until
    returning scope, owner_id, period, taken_until, planned_until`);

export const saveGates = (q: Queryable, channel: Channel, gates: readonly Gate[]): Promise<number> =>
  q.run(sql`update delivery_gates g set taken_until = n.taken_until, planned_until = n.planned_until
    from unnest(${gates.map((g) => g.scope)}::text[], ${gates.map((g) => g.ownerId)}::bigint[], ${gates.map((g) => g.period)}::text[],
      ${gates.map((g) => g.takenUntil)}::float8[], ${gates.map((g) => g.plannedUntil)}::float8[]) as n (scope, owner_id, period, taken_until, planned_until)
    where g.channel = ${channel} and g.scope = n.scope and g.owner_id = n.owner_id and g.period = n.period`);

export const putOff = (q: Queryable, rows: readonly { id: number; dueAt: Date; error: DeliveryError }[]): Promise<{ itemId: number | null; employeeId: number | null }[]> =>
  q.rows(sql`update deliveries d set due_at = p.due_at, error = p.error
    from unnest(${rows.map((r) => r.id)}::bigint[], ${rows.map((r) => r.dueAt)}::timestamptz[], ${rows.map((r) => json(r.error))}::jsonb[]) as p (id, due_at, error)
    where d.id = p.id returning d.item_id, d.employee_id`);

/**
 * Being sent. Not said by `state`: that would have PostgreSQL look through all that is and lately was being
 * sent (deliveries_lease_idx), once for each batch, rather than for the ids at hand.
 */
const isHeld = sql`d.lease_until is not null`;

/** An older version wrote an attempt down when it began. */
const orClose = sql`on conflict (delivery_id, attempt) do update set finished_at = excluded.finished_at, outcome = excluded.outcome, detail = excluded.detail`;

/** What is locked is being finished at this moment, and needs no longer lease. */
export const renew = (q: Queryable, held: readonly { id: number; fence: number }[], leaseUntil: Date): Promise<number> =>
  q.run(sql`update deliveries d set lease_until = ${leaseUntil}
    from (
      select d.id from deliveries d
      join unnest(${held.map((h) => h.id)}::bigint[], ${held.map((h) => h.fence)}::bigint[]) as h (id, fence) on d.id = h.id and d.fence = h.fence
      where ${isHeld} for update of d skip locked
    ) ours where d.id = ours.id`);

export interface Change {
  state: 'queued' | 'accepted' | 'failed' | 'unknown';
  outcome: 'accepted' | 'transient' | 'permanent' | 'unknown';
  dueAt: Date | null;
  retries: number;
  error: DeliveryError | null;
  providerMessageId: string | null;
  detail: string | null;
  /** When the provider is asked what became of it. */
  askAt: Date | null;
}

/** Answers with the ids that were still ours; nothing is written of those another worker holds by now. */
export const finish = async (q: Queryable, ended: readonly { id: number; fence: number; change: Change }[], at: Date): Promise<Set<number>> =>
  new Set((await q.rows<{ id: number }>(sql`with done as (
      update deliveries d set state = e.state, lease_until = null, due_at = e.due_at, retries = e.retries, error = e.error,
        provider_message_id = case when e.state = 'queued' then d.provider_message_id else e.provider_message_id end, ask_at = e.ask_at, asked = 0,
        finished_at = case when e.state in ('accepted', 'failed') then ${at}::timestamptz end
      from unnest(
        ${ended.map((e) => e.id)}::bigint[], ${ended.map((e) => e.fence)}::bigint[], ${ended.map((e) => e.change.state)}::text[],
        ${ended.map((e) => e.change.dueAt)}::timestamptz[], ${ended.map((e) => e.change.retries)}::smallint[],
        ${ended.map((e) => (e.change.error === null ? null : json(e.change.error)))}::jsonb[], ${ended.map((e) => e.change.providerMessageId)}::text[],
        ${ended.map((e) => e.change.outcome)}::text[], ${ended.map((e) => e.change.detail)}::text[],
        ${ended.map((e) => e.change.askAt)}::timestamptz[]
      ) as e (id, fence, state, due_at, retries, error, provider_message_id, outcome, detail, ask_at)
      where d.id = e.id and d.fence = e.fence and ${isHeld} returning d.id, d.attempts, d.begun_at, e.outcome, e.detail
    ) insert into delivery_attempts (delivery_id, attempt, started_at, finished_at, outcome, detail)
      select id, attempts, begun_at, ${at}, outcome, detail from done ${orClose} returning delivery_id as id`)).map((row) => row.id));

/**
 * Takes back what dead workers held. An SMS may have gone out: it becomes unknown. A letter is queued again,
 * under its old Message-ID.
 */
export const takeBack = (q: Queryable, channel: Channel, { error, maxRetries, at }: { error: DeliveryError; maxRetries: number; at: Date }): Promise<{ id: number; itemId: number | null; employeeId: number | null; state: string }[]> =>
  q.rows(sql`with held as (
      select d.id, d.channel, d.retries, d.attempts, d.begun_at from deliveries d where d.state = 'sending' and d.channel = ${channel} and d.lease_until < ${at}
      order by d.id limit 1000 for update skip locked
    ), lost as (
      -- A letter that kills every worker it meets must not do so for ever.
      select *, case when channel = 'sms' then 'unknown' when retries >= ${maxRetries} then 'failed' else 'queued' end as next from held
    ), closed as (
      insert into delivery_attempts (delivery_id, attempt, started_at, finished_at, outcome, detail)
      select id, attempts, begun_at, ${at}, 'unknown', ${error.code} from lost ${orClose}
    ) update deliveries d set
        state = lost.next,
        error = ${json(error)}::jsonb,
        due_at = case when lost.next = 'queued' then ${at}::timestamptz end,
        finished_at = case when lost.next = 'failed' then ${at}::timestamptz end,
        ask_at = case when lost.next = 'unknown' then ${at}::timestamptz end, asked = 0,
        -- Of an earlier attempt, whose fate says nothing of this one's.
        provider_message_id = case when lost.next = 'unknown' then null else d.provider_message_id end,
        retries = d.retries + 1,
        -- Whoever still holds the old fence writes nothing any more.
        fence = d.fence + 1, lease_until = null
      from lost where d.id = lost.id returning d.id, d.item_id, d.employee_id, d.state`);

export const nextDueAt = async (q: Queryable, channel: Channel): Promise<Date | null> =>
  (await q.first<{ at: Date | null }>(sql`select least(
      (select min(due_at) from deliveries where channel = ${channel} and state = 'queued'),
      (select min(lease_until) from deliveries where channel = ${channel} and state = 'sending')) as at`))?.at ?? null;

/** Answers with those the decision was for; the others are in another state by now. */
export const decide = (q: Queryable, ids: readonly number[], { decision, by, at }: { decision: Decision; by: number; at: Date }): Promise<{ id: number; channel: Channel; itemId: number | null; employeeId: number | null }[]> => {
  const isAgain = decision === 'send_again';
  const next = { send_again: 'queued', mark_sent: 'accepted', give_up: 'failed' }[decision];
  return q.rows(sql`update deliveries d set
      state = ${next}, due_at = ${isAgain ? at : null}, retries = 0, finished_at = ${isAgain ? null : at},
      ask_at = case when ${isAgain} then null else d.ask_at end, decision = ${decision}, decided_by = ${by}, decided_at = ${at}
    from (
      select id from deliveries where id = any(${ids}::bigint[]) and state = any(${decision === 'mark_sent' ? ['unknown'] : ['unknown', 'failed']}::text[])
        and (${decision !== 'give_up'} or state = 'unknown' or decision is distinct from 'give_up')
      order by id for update
    ) wanted where d.id = wanted.id
    returning d.id, d.channel, d.item_id, d.employee_id`);
};

/** The same said twice is kept once. */
export const insertReports = (q: Queryable, channel: Channel, senderId: number, reports: readonly Report[], at: Date): Promise<number> =>
  q.run(sql`insert into delivery_reports (channel, sender_id, provider_message_id, delivery_id, state, error, happened_at, created_at)
    select ${channel}, ${senderId}, r.provider_message_id, r.delivery_id, r.state, r.error, r.happened_at, ${at}
    from unnest(
      ${reports.map((r) => r.providerMessageId)}::text[], ${reports.map((r) => r.deliveryId)}::bigint[], ${reports.map((r) => r.state)}::text[],
      ${reports.map((r) => (r.error === null ? null : json(r.error)))}::jsonb[], ${reports.map((r) => r.at ?? at)}::timestamptz[]
    ) as r (provider_message_id, delivery_id, state, error, happened_at)
    on conflict do nothing`);

/**
 * Makes one report of those about the parts of a long message, whose ids its provider_message_id names side by
 * side: it is delivered when all of its parts are, and failed when one is. Others stay until that is so.
 */
export const joinParts = (q: Queryable, channel: Channel): Promise<number> =>
  q.run(sql`with parts as (
      select d.id, d.sender_id, cardinality(string_to_array(d.provider_message_id, ' ')) as many, r.id as report_id, r.provider_message_id, r.state, r.error, r.happened_at, r.created_at
      from delivery_reports r
      join deliveries d on string_to_array(d.provider_message_id, ' ') @> array[r.provider_message_id] and strpos(d.provider_message_id, ' ') > 0
        and d.channel = r.channel and d.sender_id = r.sender_id
      where r.channel = ${channel} and r.provider_message_id is not null and r.state in ('delivered', 'failed')
    ), known as (
      select id, sender_id, bool_or(state = 'failed') as has_failed, (array_agg(error order by report_id) filter (where state = 'failed'))[1] as error,
        max(happened_at) as happened_at, max(created_at) as created_at, array_agg(report_id) as report_ids
      from parts group by id, sender_id, many
      having bool_or(state = 'failed') or count(distinct provider_message_id) = many
    ), gone as (
      delete from delivery_reports r using known where r.id = any(known.report_ids)
    ) insert into delivery_reports (channel, sender_id, delivery_id, state, error, happened_at, created_at)
      select ${channel}, sender_id, id, case when has_failed then 'failed' else 'delivered' end, error, happened_at, created_at from known
      on conflict do nothing`);

/**
 * Tells deliveries what their providers reported. A report of a delivery that is being sent right now,
 * or that is not known yet, stays where it is. «Delivered» is the last word; «failed» beats «accepted».
 * What our own number is said to be about must be of this sender, and of this attempt.
 */
export const settle = (q: Queryable, channel: Channel, limit: number): Promise<{ id: number; itemId: number | null; employeeId: number | null }[]> =>
  q.rows(sql`with candidates as materialized (
      select r.id as report_id, d.id from delivery_reports r
      join deliveries d on d.channel = r.channel and d.sender_id = r.sender_id and d.provider_message_id = r.provider_message_id
      where r.channel = ${channel}
      union
      select r.id, d.id from delivery_reports r
      join deliveries d on d.id = r.delivery_id and d.channel = r.channel and d.sender_id = r.sender_id
        and (r.provider_message_id is null or d.provider_message_id is null)
      where r.channel = ${channel}
      limit ${limit}
    ), due as (
      select r.id as report_id, d.id, r.state, r.error, r.provider_message_id, r.happened_at from candidates c
      join delivery_reports r on r.id = c.report_id join deliveries d on d.id = c.id
      -- Before the first attempt nobody can have said anything.
      where d.state <> 'sending' and d.attempts > 0
      order by d.id for update of r, d skip locked
    ), gone as (
      delete from delivery_reports r using due where r.id = due.report_id
    ), last as (
      select distinct on (id) * from due order by id, array_position(array['delivered', 'failed', 'accepted'], state)
    ) update deliveries d set state = last.state, finished_at = last.happened_at, due_at = null,
        ask_at = case when last.state = 'accepted' then d.ask_at end,
        error = case when last.state = 'failed' then last.error || jsonb_build_object('params', coalesce(last.error -> 'params', '{}') || jsonb_build_object('phone', d.address)) end,
        provider_message_id = coalesce(d.provider_message_id, last.provider_message_id)
      from last where d.id = last.id and case last.state
        when 'delivered' then d.state <> 'delivered'
        when 'failed' then d.state in ('queued', 'accepted', 'unknown')
        else d.state in ('queued', 'unknown') end
      returning d.id, d.item_id, d.employee_id`);

/** Of messages sent by somebody else through the same account, or forgotten since. */
export const forgetReports = (q: Queryable, before: Date): Promise<number> => q.run(sql`delete from delivery_reports where created_at < ${before}`);

/** Takes what the provider is to be asked about, and puts down when it is asked again should nobody answer. */
export const takeQuestions = (q: Queryable, channel: Channel, { waitsSeconds, limit, at }: { waitsSeconds: readonly number[]; limit: number; at: Date }): Promise<(Question & { senderId: number })[]> =>
  q.rows(sql`with due as (
      select id from deliveries where channel = ${channel} and ask_at <= ${at} order by ask_at, id limit ${limit} for update skip locked
    ) update deliveries d set asked = d.asked + 1,
        ask_at = ${at}::timestamptz + make_interval(secs => (${waitsSeconds}::float8[])[d.asked + 1])
      from due where d.id = due.id and d.state in ('accepted', 'unknown')
      returning d.id, d.sender_id, d.address, d.content, d.state, d.provider_message_id,
        coalesce(d.begun_at, d.created_at) as sent_at`);

export const stopAsking = (q: Queryable, ids: readonly number[]): Promise<number> => q.run(sql`update deliveries set ask_at = null where id = any(${ids}::bigint[])`);

export const nextAskAt = async (q: Queryable, channel: Channel): Promise<Date | null> =>
  (await q.first<{ at: Date | null }>(sql`select min(ask_at) as at from deliveries where channel = ${channel} and ask_at is not null`))?.at ?? null;

export const bounced = (q: Queryable, messageId: string, error: DeliveryError, at: Date): Promise<{ id: number; itemId: number | null; employeeId: number | null }[]> =>
  q.rows(sql`update deliveries set state = 'failed', error = ${json(error)}::jsonb, due_at = null, finished_at = ${at}
    where channel = 'email' and message_id = ${messageId} and state in ('queued', 'accepted', 'delivered', 'unknown')
    returning id, item_id, employee_id`);

/** The same words as in deliveries_undecided_idx. */
const isUndecided = sql`state in ('failed', 'unknown') and decision is distinct from 'give_up'`;

const columns = sql`id, channel, sender_id, employee_id, address, content, state, message_id, provider_message_id, attempts, due_at, error,
  decision, decided_by, decided_at, item_id, run_id, created_at, finished_at`;

export const list = (q: Queryable, filter: JournalFilter & { before: number | null; limit: number }): Promise<Journal[]> => {
  const conditions = [
    ...(filter.before === null ? [] : [sql`id < ${filter.before}`]),
    ...(filter.channel ? [sql`channel = ${filter.channel}`] : []),
    ...(filter.state ? [sql`state = ${filter.state}`] : []),
    ...(filter.needsDecision ? [isUndecided] : []),
    ...(filter.employeeId ? [sql`employee_id = ${filter.employeeId}`] : []),
    ...(filter.itemId ? [sql`item_id = ${filter.itemId}`] : []),
    ...(filter.runId ? [sql`run_id = ${filter.runId}`] : []),
    ...(filter.senderId ? [sql`sender_id = ${filter.senderId}`] : []),
    ...(filter.address ? [sql`strpos(lower(address), lower(${filter.address})) > 0`] : []),
    ...(filter.from ? [sql`created_at >= ${filter.from}`] : []),
    ...(filter.to ? [sql`created_at < ${filter.to}`] : []),
  ];
  return q.rows(sql`select ${columns} from deliveries ${conditions.length > 0 ? sql`where ${join(conditions, ' and ')}` : empty} order by id desc limit ${filter.limit}`);
};

/** At most `limit`, so that a flood costs no more than a look. */
export const countUndecided = async (q: Queryable, limit: number): Promise<number> =>
  (await q.first<{ count: number }>(sql`select count(*)::int as count from (select 1 from deliveries where ${isUndecided} limit ${limit}) as seen`))?.count ?? 0;

/** How what was queued since then stands now, by the hour of queueing. */
export const tally = (q: Queryable, since: Date): Promise<{ at: Date; channel: Channel; senderId: number; state: string; count: number }[]> =>
  q.rows(sql`select date_trunc('hour', created_at) as at, channel, sender_id, state, count(*)::int as count
    from deliveries where created_at >= ${since} group by 1, 2, 3, 4`);

/** Per channel: since when the longest waiting one is due, and how many are, counted up to `limit`. */
export const backlog = (q: Queryable, { limit, at }: { limit: number; at: Date }): Promise<{ id: Channel; due: number; oldestDueAt: Date | null }[]> =>
  q.rows(sql`select c.channel as id, (select count(*)::int from (select 1 from deliveries d where d.channel = c.channel and d.state = 'queued' and d.due_at <= ${at} limit ${limit}) as seen) as due,
      (select min(d.due_at) from deliveries d where d.channel = c.channel and d.state = 'queued' and d.due_at <= ${at}) as oldest_due_at
    from (values ('email'), ('sms')) as c (channel)`);

export const find = (q: Queryable, id: number): Promise<Journal | undefined> => q.first(sql`select ${columns} from deliveries where id = ${id}`);
export const byRuns = (q: Queryable, runIds: readonly number[]): Promise<Journal[]> =>
  q.rows(sql`select ${columns} from deliveries where run_id = any(${runIds}::bigint[]) order by id`);

export const attempts = (q: Queryable, id: number): Promise<{ attempt: number; startedAt: Date; finishedAt: Date | null; outcome: string | null; detail: string | null }[]> =>
  q.rows(sql`select attempt, started_at, finished_at, outcome, detail from delivery_attempts where delivery_id = ${id} and finished_at is not null
    union all select attempts, begun_at, null, null, null from deliveries where id = ${id} and state = 'sending'
    order by attempt`);
