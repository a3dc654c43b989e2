/**
 * Notifications: the bell. One row is one person told one thing.
 *
 * A notification is unread → read (and unread again, if the person likes) → deleted.
 *
 * Invariants: nobody reaches another's notifications, administrators included; one run notifies one
 * person at most once (unique in the database).
 *
 * Does not do: choose the people, fill in texts, send anything outside, check access to what a
 * notification is about (opening it checks that).
 */
import type { Notification, NotificationsQuery, NotificationsRead } from '../../../shared/api/notifications.ts';
import { UserError } from '../../../shared/errors.ts';
import type { Db, Queryable, Tx } from '../../db/db.ts';
import type { Live } from '../../live/live.ts';
import type { Actor } from '../../people/people.ts';
import * as store from './store.ts';

export interface NotificationToWrite {
  employeeId: number;
  /** null: the system speaks. */
  senderId: number | null;
  /** BBCode. */
  body: string;
  itemId: number | null;
  /** Any other place in the product it is about. */
  link?: { kind: string; id: number } | null;
  runId: number | null;
}

/** Who has a thousand unread does not care for the exact number. */
const maxCounted = 1000;

export function createNotifications({ db, live, now }: { db: Db; live: Live; now: () => Date }) {
  const notFound = (id: number) => new UserError('request.not_found', { kind: 'notification', id });
  const tellOwner = (tx: Tx, actor: Actor) => live.publish(tx, [{ topic: `employee:${actor.employeeId}`, what: 'notifications' }]);

  return {
    async list(actor: Actor, query: NotificationsQuery): Promise<{ items: Notification[]; nextCursor: string | null }> {
      const rows = await store.list(db, actor.employeeId, { ...query, limit: query.limit + 1 });
      const items = rows.slice(0, query.limit);
      return { items, nextCursor: rows.length > query.limit ? String(items.at(-1)?.id) : null };
    },

    /** Whether the run told this person something here. */
    hasTold: (q: Queryable, runId: number, employeeId: number): Promise<boolean> => store.hasTold(q, runId, employeeId),
    countUnread: async (actor: Actor): Promise<{ unread: number }> => ({ unread: await store.countUnread(db, actor.employeeId, maxCounted) }),

    async change(actor: Actor, id: number, { isRead }: { isRead: boolean }): Promise<Notification> {
      return db.transaction(async (tx) => {
        if (isRead) await store.markRead(tx, actor.employeeId, { ids: [id] }, now());
        else await store.markUnread(tx, actor.employeeId, id);
        const changed = await store.find(tx, actor.employeeId, id);
        if (!changed) throw notFound(id);
        await tellOwner(tx, actor);
        return changed;
      });
    },

    /** Marks many or all as read; returns how many were unread. Ids of others are passed over. */
    async markRead(actor: Actor, which: NotificationsRead): Promise<{ read: number }> {
      return db.transaction(async (tx) => {
        const read = await store.markRead(tx, actor.employeeId, which, now());
        if (read > 0) await tellOwner(tx, actor);
        return { read };
      });
    },

    async remove(actor: Actor, id: number): Promise<void> {
      await db.transaction(async (tx) => {
        if (!(await store.remove(tx, actor.employeeId, id))) throw notFound(id);
        await tellOwner(tx, actor);
      });
    },

    /** Many at once, in the transaction given: for robots' unit of work. */
    async writeNotifications(tx: Tx, rows: readonly NotificationToWrite[]): Promise<void> {
      if (rows.length === 0) return;
      await Promise.all([
        store.insertNotifications(tx, rows.map((row) => ({ ...row, link: row.link ?? null })), now()),
        live.publish(tx, [...new Set(rows.map((row) => row.employeeId))].map((id) => ({ topic: `employee:${id}`, what: 'notifications' }))),
      ]);
    },
  };
}

export type Notifications = ReturnType<typeof createNotifications>;
