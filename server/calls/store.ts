/** All SQL of calls. Takes the transaction first; returns plain rows. */
import { json, type Queryable, sql, type Tx } from '../db/db.ts';
import type { CallKind, NewCall } from './calls.ts';

export interface ClaimedCall extends NewCall {
  id: number;
  attempts: number;
  createdAt: Date;
}

export async function insertCalls(tx: Tx, calls: readonly NewCall[], at: Date): Promise<void> {
  if (calls.length === 0) return;
  const runIds = calls.flatMap((call) => call.runId ?? []);
  // A run that is retried asks anew; what it asked before and was not sent yet is not sent any more.
  if (runIds.length > 0) {
    await tx.run(sql`
      update app_calls set state = 'failed', due_at = null, error = 'The robot was run again.', finished_at = ${at} where run_id = any(${runIds}::bigint[]) and state = 'queued'`);
  }
  await tx.run(sql`
    insert into app_calls (app_id, kind, url, employee_id, content, run_id, token, due_at, created_at)
    select app_id, kind, url, employee_id, content, run_id, token, ${at}, ${at}
    from unnest(${calls.map((c) => c.appId)}::bigint[], ${calls.map((c) => c.kind)}::text[], ${calls.map((c) => c.url)}::text[],
      ${calls.map((c) => c.employeeId)}::bigint[], ${calls.map((c) => json(c.content))}::jsonb[], ${calls.map((c) => c.runId)}::bigint[],
      ${calls.map((c) => c.token)}::text[]) with ordinality as c(app_id, kind, url, employee_id, content, run_id, token, place)
    order by place`);
}

/** Takes due calls, and those of a worker whose lease ran out: it may have sent them, and they are sent again. */
export function claimCalls(q: Queryable, at: Date, limit: number, leaseUntil: Date): Promise<ClaimedCall[]> {
  return q.rows<ClaimedCall>(sql`
    update app_calls c set state = 'sending', attempts = least(c.attempts + 1, 1000), lease_until = ${leaseUntil}, due_at = null
    from (
      select id from app_calls where (state = 'queued' and (attempts = 0 or due_at <= ${at})) or (state = 'sending' and lease_until < ${at})
      order by id limit ${limit} for update skip locked
    ) due where c.id = due.id
    returning c.id, c.app_id, c.kind, c.url, c.employee_id, c.content, c.run_id, c.token, c.attempts, c.created_at`);
}

export interface CallOutcome {
  id: number;
  /** The attempt it is the outcome of: another worker may have taken the call over since. */
  attempts: number;
  state: 'queued' | 'done' | 'failed';
  dueAt: Date | null;
  error: string | null;
}

/** Returns whether it was still ours. */
export async function recordOutcome(q: Queryable, { id, attempts, state, dueAt, error }: CallOutcome, at: Date): Promise<boolean> {
  const changed = await q.run(sql`
    update app_calls set state = ${state}, due_at = ${dueAt}, error = ${error}, lease_until = null, finished_at = ${state === 'queued' ? null : at}
    where id = ${id} and state = 'sending' and attempts = ${attempts}`);
  return changed > 0;
}

export async function nextCallAt(q: Queryable): Promise<Date | null> {
  const row = await q.first<{ at: Date | null }>(sql`
    select least((select min(due_at) from app_calls where state = 'queued'), (select min(lease_until) from app_calls where state = 'sending')) as at`);
  return row?.at ?? null;
}

export function callByToken(q: Queryable, token: string): Promise<{ id: number; appId: number; runId: number | null; content: Record<string, unknown> } | undefined> {
  return q.first(sql`select id, app_id, run_id, content from app_calls where token = ${token}`);
}

/** The application has answered: nothing needs to be sent any more. */
export async function finishCall(q: Queryable, id: number, at: Date): Promise<void> {
  await q.run(sql`update app_calls set state = 'done', due_at = null, lease_until = null, error = null, finished_at = ${at} where id = ${id} and state in ('queued', 'sending')`);
}

export async function forgetCalls(q: Queryable, before: Date, limit: number): Promise<number> {
  return q.run(sql`delete from app_calls where id = any(array(select id from app_calls where finished_at < ${before} limit ${limit}))`);
}

export interface CallRow {
  id: number;
  appId: number;
  kind: CallKind;
  url: string;
  runId: number | null;
  state: 'queued' | 'sending' | 'done' | 'failed';
  attempts: number;
  dueAt: Date | null;
  error: string | null;
  createdAt: Date;
  finishedAt: Date | null;
}

export function listCalls(q: Queryable, { state, beforeId, limit }: { state: string | null; beforeId: number | null; limit: number }): Promise<CallRow[]> {
  return q.rows<CallRow>(sql`
    select id, app_id, kind, url, run_id, state, attempts, due_at, error, created_at, finished_at from app_calls
    where (${state}::text is null or state = ${state}) and (${beforeId}::bigint is null or id < ${beforeId}) order by id desc limit ${limit}`);
}
