/** All SQL of Web Push and of how people want to be told. */
import { json, type Queryable, sql, type Tx } from '../db/db.ts';
import type { NotificationSettings, PushSubscribe } from '../../shared/api/push.ts';

export async function findKeys(q: Queryable): Promise<{ publicKey: string; privateKey: Buffer } | undefined> {
  return q.first(sql`select public_key, private_key from push_keys`);
}

/** Two processes that make keys at once end up with the same ones. */
export async function insertKeys(q: Queryable, row: { publicKey: string; privateKey: Buffer; createdAt: Date }): Promise<void> {
  await q.run(sql`insert into push_keys (public_key, private_key, created_at) values (${row.publicKey}, ${row.privateKey}, ${row.createdAt}) on conflict do nothing`);
}

/** Keys that cannot be opened any more, with the subscriptions that were bound to them. */
export async function forgetKeys(tx: Tx, publicKey: string): Promise<void> {
  if ((await tx.run(sql`delete from push_keys where public_key = ${publicKey}`)) > 0) await tx.run(sql`delete from push_subscriptions`);
}

export interface DeviceRow {
  id: number;
  endpoint: string;
  device: string;
  createdAt: Date;
  lastSentAt: Date | null;
}

/** A browser belongs to whoever signed in there last. */
export async function saveSubscription(tx: Tx, employeeId: number, { endpoint, keys }: PushSubscribe, device: string, createdAt: Date): Promise<DeviceRow> {
  const row = await tx.first<DeviceRow>(sql`
    insert into push_subscriptions (employee_id, endpoint, p256dh, auth, device, created_at)
    values (${employeeId}, ${endpoint}, ${keys.p256dh}, ${keys.auth}, ${device}, ${createdAt})
    on conflict (endpoint) do update set employee_id = excluded.employee_id, p256dh = excluded.p256dh, auth = excluded.auth, device = excluded.device
    returning id, endpoint, device, created_at, last_sent_at`);
  if (!row) throw new Error('The subscription was not written.');
  // What was meant for whoever had the browser before.
  await tx.run(sql`delete from pushes where subscription_id = ${row.id}`);
  return row;
}

/** The newest devices stay. */
export async function dropOldSubscriptions(tx: Tx, employeeId: number, keep: number): Promise<void> {
  await tx.run(sql`
    delete from push_subscriptions where id in (select id from push_subscriptions where employee_id = ${employeeId} order by id desc offset ${keep})`);
}

export function listSubscriptions(q: Queryable, employeeId: number): Promise<DeviceRow[]> {
  return q.rows(sql`select id, endpoint, device, created_at, last_sent_at from push_subscriptions where employee_id = ${employeeId} order by id desc`);
}

export async function deleteSubscription(q: Queryable, employeeId: number, id: number): Promise<boolean> {
  return (await q.run(sql`delete from push_subscriptions where id = ${id} and employee_id = ${employeeId}`)) > 0;
}

export async function forgetSubscription(q: Queryable, id: number): Promise<void> {
  await q.run(sql`delete from push_subscriptions where id = ${id}`);
}

export async function findSettings(q: Queryable, employeeIds: readonly number[]): Promise<Map<number, unknown>> {
  const rows = await q.rows<{ employeeId: number; settings: unknown }>(sql`
    select employee_id, settings from notification_settings where employee_id = any(${employeeIds}::bigint[])`);
  return new Map(rows.map((row) => [row.employeeId, row.settings]));
}

export async function saveSettings(q: Queryable, employeeId: number, settings: NotificationSettings): Promise<void> {
  await q.run(sql`
    insert into notification_settings (employee_id, settings) values (${employeeId}, ${json(settings)}::jsonb)
    on conflict (employee_id) do update set settings = excluded.settings`);
}

export interface PushToQueue {
  employeeId: number;
  kind: string;
  subjectId: number;
}

/** One row per device and place; where one waits already it learns that there is more. In one order, so that nobody waits in a circle. */
export function queue(tx: Tx, rows: readonly PushToQueue[], createdAt: Date, dueAt: Date): Promise<number> {
  return tx.run(sql`
    insert into pushes (subscription_id, kind, subject_id, created_at, due_at)
    select s.id, n.kind, n.subject_id, ${createdAt}::timestamptz, ${dueAt}::timestamptz
    from unnest(${rows.map((r) => r.employeeId)}::bigint[], ${rows.map((r) => r.kind)}::text[], ${rows.map((r) => r.subjectId)}::bigint[])
      as n (employee_id, kind, subject_id)
    join push_subscriptions s on s.employee_id = n.employee_id
    order by s.id, n.kind, n.subject_id
    on conflict on constraint pushes_once do update set news = pushes.news + 1`);
}

/** What waits for this person is looked at again: his quiet hours have changed. */
export async function lookAgain(tx: Tx, employeeId: number, at: Date): Promise<number> {
  return tx.run(sql`
    update pushes p set due_at = ${at} from push_subscriptions s
    where s.id = p.subscription_id and s.employee_id = ${employeeId} and p.attempts = 0 and p.due_at > ${at}`);
}

export interface ClaimedPush {
  id: number;
  subscriptionId: number;
  kind: string;
  subjectId: number;
  news: number;
  attempts: number;
  createdAt: Date;
  employeeId: number;
  endpoint: string;
  p256dh: string;
  auth: string;
}

/** Takes what is due, all of a device together, until the lease is over. */
export function claim(tx: Tx, at: Date, leaseUntil: Date, devices: number): Promise<ClaimedPush[]> {
  return tx.rows(sql`
    with due as (
      select id from push_subscriptions s
      where exists (select from pushes p where p.subscription_id = s.id and p.due_at <= ${at})
      order by id limit ${devices} for update skip locked
    ), taken as (
      update pushes p set due_at = ${leaseUntil}, attempts = p.attempts + 1
      where p.subscription_id in (select id from due) and p.due_at <= ${at}
      returning p.id, p.subscription_id, p.kind, p.subject_id, p.news, p.attempts, p.created_at
    )
    select t.*, s.employee_id, s.endpoint, s.p256dh, s.auth from taken t join push_subscriptions s on s.id = t.subscription_id order by t.id`);
}

/** What was said. Where news came meanwhile the row stays, for those. */
export async function finish(q: Queryable, rows: readonly { id: number; news: number }[], dueAt: Date): Promise<void> {
  if (rows.length === 0) return;
  const done = sql`unnest(${rows.map((r) => r.id)}::bigint[], ${rows.map((r) => r.news)}::bigint[]) as done (id, news)`;
  await q.run(sql`delete from pushes p using ${done} where p.id = done.id and p.news = done.news`);
  await q.run(sql`update pushes p set due_at = ${dueAt}, attempts = 0 from ${done} where p.id = done.id`);
}

/** Put off: not counted as a try where it was not one. */
export async function putOff(q: Queryable, ids: readonly number[], dueAt: Date, wasTried: boolean): Promise<void> {
  if (ids.length > 0) await q.run(sql`update pushes set due_at = ${dueAt}, attempts = attempts - ${wasTried ? 0 : 1} where id = any(${ids}::bigint[])`);
}

export async function markSent(q: Queryable, subscriptionId: number, at: Date): Promise<void> {
  await q.run(sql`update push_subscriptions set last_sent_at = ${at} where id = ${subscriptionId}`);
}

export async function nextDueAt(q: Queryable): Promise<Date | null> {
  return (await q.first<{ at: Date | null }>(sql`select min(due_at) as at from pushes`))?.at ?? null;
}

/** Due and not sent, counted up to `limit`. */
export async function backlog(q: Queryable, at: Date, limit: number): Promise<{ due: number; oldestDueAt: Date | null }> {
  const row = await q.first<{ due: number; oldestDueAt: Date | null }>(sql`
    select count(*)::int as due, min(due_at) as oldest_due_at from (select due_at from pushes where due_at <= ${at} order by due_at limit ${limit}) as seen`);
  return row ?? { due: 0, oldestDueAt: null };
}
