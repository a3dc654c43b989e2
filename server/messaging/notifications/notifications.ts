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
import { bbcodeToText } from '../../../shared/bbcode.ts';
import { text } from '../../../shared/messages.ts';
import type { Crm } from '../../crm/crm.ts';
import type { Db, Queryable, Tx } from '../../db/db.ts';
import type { Live } from '../../live/live.ts';
import { type Actor, fullName, type People } from '../../people/people.ts';
import type { Push, PushPayload } from '../../push/push.ts';
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
  /** The robot of the run. */
  robotId?: number | null;
}

const maxSourcesLookedAt = 2000;
const maxPushed = 100;
const pushLength = 200;

/** Who has a thousand unread does not care for the exact number. */
const maxCounted = 1000;

export function createNotifications({ db, live, people, crm, push, now }: { db: Db; live: Live; people: People; crm: Crm; push: Push; now: () => Date }) {
  const notFound = (id: number) => new UserError('request.not_found', { kind: 'notification', id });
  const tellOwner = (tx: Tx, actor: Actor) => live.publish(tx, [{ topic: `employee:${actor.employeeId}`, what: 'notifications' }]);

  /** With the names of the items they are about, where the reader may see those. */
  async function present(q: Queryable, actor: Actor, rows: readonly store.NotificationRow[]): Promise<Notification[]> {
    const itemIds = [...new Set(rows.flatMap((row) => row.itemId ?? []))];
    const items = new Map((await crm.visibleItems(q, actor, itemIds)).map((item) => [item.id, item]));
    return rows.map((row) => ({ ...row, item: items.get(row.itemId ?? 0) ?? null }));
  }

  push.registerSource('bell', 'bell', async (q, { employeeId, language }, { since }) => {
    const [directory, rows] = await Promise.all([people.directory(q), store.listUnreadSince(q, employeeId, since, maxPushed)]);
    return rows.reverse().map((row): PushPayload => {
      const sender = row.senderId === null ? undefined : directory.employee(row.senderId);
      return {
        title: sender ? fullName(sender) : text(language, 'push.system'),
        body: bbcodeToText(row.body).replace(/\s+/g, ' ').trim().slice(0, pushLength),
        tag: `notification-${row.id}`,
        path: row.itemId === null ? '/notifications' : `/items/${row.itemId}`,
      };
    });
  });

  const toNew = (row: NotificationToWrite) => ({ ...row, link: row.link ?? null, robotId: row.robotId ?? null });

  async function announce(tx: Tx, rows: readonly NotificationToWrite[]): Promise<void> {
    const employeeIds = [...new Set(rows.map((row) => row.employeeId))];
    await Promise.all([
      push.queue(tx, employeeIds.map((employeeId) => ({ employeeId, kind: 'bell', subjectId: 0 }))),
      live.publish(tx, employeeIds.map((id) => ({ topic: `employee:${id}`, what: 'notifications' }))),
    ]);
  }

  return {
    async list(actor: Actor, query: NotificationsQuery): Promise<{ items: Notification[]; nextCursor: string | null }> {
      const rows = await store.list(db, actor.employeeId, { ...query, limit: query.limit + 1 });
      const items = await present(db, actor, rows.slice(0, query.limit));
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
        const [shown] = await present(tx, actor, [changed]);
        if (!shown) throw notFound(id);
        return shown;
      });
    },

    /** Who and which robots have told the person something lately: what he can filter by. */
    async sources(actor: Actor): Promise<{ senderIds: number[]; robots: { id: number; runId: number }[] }> {
      const rows = await store.listSources(db, actor.employeeId, maxSourcesLookedAt);
      return {
        senderIds: [...new Set(rows.flatMap((row) => row.senderId ?? []))],
        robots: [...new Map(rows.flatMap(({ robotId, runId }) => (robotId === null || runId === null ? [] : [[robotId, { id: robotId, runId }] as const]))).values()],
      };
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
      await Promise.all([store.insertNotifications(tx, rows.map(toNew), now()), announce(tx, rows)]);
    },

    /** One, in the transaction given. Returns its id. */
    async writeNotification(tx: Tx, row: NotificationToWrite): Promise<number> {
      const [id] = await Promise.all([store.insertNotification(tx, toNew(row), now()), announce(tx, [row])]);
      return id;
    },
  };
}

export type Notifications = ReturnType<typeof createNotifications>;
