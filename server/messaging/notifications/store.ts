/** All SQL of the bell. */
import { empty, json, type Queryable, sql, type Sql, type Tx } from '../../db/db.ts';
import type { NotificationsQuery } from '../../../shared/api/notifications.ts';

export interface NotificationRow {
  id: number;
  senderId: number | null;
  body: string;
  itemId: number | null;
  link: { kind: string; id: number } | null;
  runId: number | null;
  robotId: number | null;
  createdAt: Date;
  readAt: Date | null;
}

export interface NewNotification {
  employeeId: number;
  senderId: number | null;
  body: string;
  itemId: number | null;
  link: { kind: string; id: number } | null;
  runId: number | null;
  robotId: number | null;
}

/** Texts of one statement: a long text to thousands must not become one message of gigabytes. */
const maxStatementChars = 8_000_000;

const columns = sql`id, sender_id, body, item_id, link, run_id, robot_id, created_at, read_at`;

const insertion = (rows: readonly NewNotification[], createdAt: Date): Sql => sql`
  insert into notifications (employee_id, sender_id, body, item_id, link, run_id, robot_id, created_at)
  select n.*, ${createdAt}::timestamptz
  from unnest(${rows.map((r) => r.employeeId)}::bigint[], ${rows.map((r) => r.senderId)}::bigint[], ${rows.map((r) => r.body)}::text[],
    ${rows.map((r) => r.itemId)}::bigint[], ${rows.map((r) => (r.link ? json(r.link) : null))}::jsonb[], ${rows.map((r) => r.runId)}::bigint[],
    ${rows.map((r) => r.robotId)}::bigint[]) n`;

/** Robots write thousands at once and ask for no ids. */
export async function insertNotifications(tx: Tx, rows: readonly NewNotification[], createdAt: Date): Promise<void> {
  const statements: Promise<unknown>[] = [];
  for (let from = 0; from < rows.length; ) {
    let to = from;
    let chars = 0;
    do chars += rows[to++]!.body.length;
    while (to < rows.length && chars < maxStatementChars);
    statements.push(tx.run(insertion(from === 0 && to === rows.length ? rows : rows.slice(from, to), createdAt)));
    from = to;
  }
  await Promise.all(statements);
}

export async function insertNotification(tx: Tx, row: NewNotification, createdAt: Date): Promise<number> {
  const inserted = await tx.first<{ id: number }>(sql`${insertion([row], createdAt)} returning id`);
  if (!inserted) throw new Error('The notification was not written.');
  return inserted.id;
}

export function list(q: Queryable, me: number, { unread, senderId, runId, robotId, itemId, cursor, limit }: NotificationsQuery): Promise<NotificationRow[]> {
  return q.rows(sql`
    select ${columns} from notifications
    where employee_id = ${me}
      ${cursor === undefined ? empty : sql`and id < ${cursor}`}
      ${unread === undefined ? empty : unread ? sql`and read_at is null` : sql`and read_at is not null`}
      ${senderId === undefined ? empty : sql`and sender_id = ${senderId}`}
      ${runId === undefined ? empty : sql`and run_id = ${runId}`}
      ${robotId === undefined ? empty : sql`and robot_id = ${robotId}`}
      ${itemId === undefined ? empty : sql`and item_id = ${itemId}`}
    order by id desc limit ${limit}`);
}

export function find(q: Queryable, me: number, id: number): Promise<NotificationRow | undefined> {
  return q.first(sql`
    select ${columns} from notifications where employee_id = ${me} and id = ${id}`);
}

/** The newest first. */
export function listUnreadSince(q: Queryable, me: number, since: Date, limit: number): Promise<NotificationRow[]> {
  return q.rows(sql`
    select ${columns} from notifications where employee_id = ${me} and read_at is null and created_at >= ${since} order by id desc limit ${limit}`);
}

/** Who told the person something among his latest; of each robot its latest run. */
export function listSources(q: Queryable, me: number, latest: number): Promise<{ senderId: number | null; robotId: number | null; runId: number | null }[]> {
  return q.rows(sql`
    select sender_id, robot_id, max(run_id) as run_id
    from (select sender_id, robot_id, run_id from notifications where employee_id = ${me} order by id desc limit ${latest}) last
    group by sender_id, robot_id order by count(*) desc`);
}

export async function countUnread(q: Queryable, me: number, max: number): Promise<number> {
  const row = await q.first<{ count: number }>(sql`
    select count(*) as count from (select 1 from notifications where employee_id = ${me} and read_at is null limit ${max}) unread`);
  return row?.count ?? 0;
}

/** Returns how many were unread. */
export function markRead(tx: Tx, me: number, which: { ids: readonly number[] } | { upToId: number }, readAt: Date): Promise<number> {
  return tx.run(sql`
    update notifications set read_at = ${readAt} where employee_id = ${me} and read_at is null
      and ${'ids' in which ? sql`id = any(${which.ids}::bigint[])` : sql`id <= ${which.upToId}`}`);
}

export async function markUnread(tx: Tx, me: number, id: number): Promise<void> {
  await tx.run(sql`update notifications set read_at = null where employee_id = ${me} and id = ${id}`);
}

export async function remove(tx: Tx, me: number, id: number): Promise<boolean> {
  return (await tx.run(sql`delete from notifications where employee_id = ${me} and id = ${id}`)) > 0;
}

export async function hasTold(q: Queryable, runId: number, employeeId: number): Promise<boolean> {
  return (await q.first(sql`select 1 from notifications where run_id = ${runId} and employee_id = ${employeeId}`)) !== undefined;
}
