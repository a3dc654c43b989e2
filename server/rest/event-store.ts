/** All SQL of subscriptions to events, and of events kept until their application asks. */
import { json, type Queryable, sql, type Tx } from '../db/db.ts';

export interface Subscription {
  id: number;
  appId: number;
  event: string;
  handler: string;
  /** Whose token the handler is given; null: of whoever caused the event. */
  employeeId: number | null;
  isOffline: boolean;
}

/** `appId` absent: of all applications that are still there. */
export function subscriptions(q: Queryable, appId?: number): Promise<Subscription[]> {
  return q.rows<Subscription>(sql`
    select s.id, s.app_id, s.event, s.handler, s.employee_id, s.is_offline from app_subscriptions s
    join rest_apps a on a.id = s.app_id and a.deleted_at is null
    where ${appId ?? null}::bigint is null or s.app_id = ${appId ?? null} order by s.id`);
}

/** false: it is there already. */
export async function insertSubscription(q: Queryable, { appId, event, handler, employeeId, isOffline }: Omit<Subscription, 'id'>, at: Date): Promise<boolean> {
  const inserted = await q.run(sql`
    insert into app_subscriptions (app_id, event, handler, employee_id, is_offline, created_at)
    values (${appId}, ${event}, ${handler}, ${employeeId}, ${isOffline}, ${at}) on conflict do nothing`);
  return inserted > 0;
}

/** `employeeId` undefined: whatever it is. */
export async function deleteSubscriptions(
  q: Queryable, { appId, event, handler, employeeId, isOffline }: { appId: number; event: string; handler: string; employeeId: number | undefined; isOffline: boolean },
): Promise<number> {
  return q.run(sql`
    delete from app_subscriptions where app_id = ${appId} and event = ${event} and is_offline = ${isOffline} and (${isOffline} or handler = ${handler})
      and (${employeeId ?? null}::bigint is null or coalesce(employee_id, 0) = ${employeeId ?? null})`);
}

// ——— Kept events

export interface OfflineEvent {
  id: number;
  event: string;
  data: unknown;
  createdAt: Date;
}

export interface NewOfflineEvent {
  appId: number;
  event: string;
  subject: string;
  data: Record<string, unknown>;
}

/** Of several about one thing that nobody has taken yet the last is kept. */
export async function keepEvents(tx: Tx, events: readonly NewOfflineEvent[], at: Date): Promise<void> {
  if (events.length === 0) return;
  const last = [...new Map(events.map((one) => [`${one.appId} ${one.event} ${one.subject}`, one])).values()];
  await tx.run(sql`
    insert into app_offline_events (app_id, event, subject, data, created_at)
    select app_id, event, subject, data, ${at}
    from unnest(${last.map((e) => e.appId)}::bigint[], ${last.map((e) => e.event)}::text[], ${last.map((e) => e.subject)}::text[], ${last.map((e) => json(e.data))}::jsonb[]) as e(app_id, event, subject, data)
    on conflict (app_id, event, subject) where process_id is null and not is_failed do update set data = excluded.data, created_at = excluded.created_at`);
}

export function offlineEvents(q: Queryable, appId: number, event: string | null, limit: number): Promise<OfflineEvent[]> {
  return q.rows<OfflineEvent>(sql`
    select id, event, data, created_at from app_offline_events
    where app_id = ${appId} and process_id is null and not is_failed and (${event}::text is null or event = ${event}) order by id limit ${limit}`);
}

/** Takes events: for good, or under the number of a process that clears them later. */
export function takeOfflineEvents(q: Queryable, appId: number, event: string | null, limit: number, processId: string | null): Promise<OfflineEvent[]> {
  const wanted = sql`
    select id from app_offline_events where app_id = ${appId} and process_id is null and not is_failed and (${event}::text is null or event = ${event})
    order by id limit ${limit} for update skip locked`;
  return q.rows<OfflineEvent>(processId === null
    ? sql`with gone as (delete from app_offline_events where id = any(array(${wanted})) returning id, event, data, created_at) select * from gone order by id`
    : sql`with taken as (update app_offline_events set process_id = ${processId} where id = any(array(${wanted})) returning id, event, data, created_at) select * from taken order by id`);
}

/** `ids` empty: all of the process. */
export async function clearOfflineEvents(q: Queryable, appId: number, processId: string, ids: readonly number[]): Promise<number> {
  return q.run(sql`delete from app_offline_events where app_id = ${appId} and process_id = ${processId} and (${ids.length === 0} or id = any(${ids}::bigint[]))`);
}

export async function failOfflineEvents(q: Queryable, appId: number, processId: string, ids: readonly number[]): Promise<number> {
  return q.run(sql`update app_offline_events set is_failed = true where app_id = ${appId} and process_id = ${processId} and (${ids.length === 0} or id = any(${ids}::bigint[]))`);
}
