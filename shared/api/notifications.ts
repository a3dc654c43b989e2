/** HTTP contract of the bell. */
import { z } from 'zod';

const id = z.int().positive();
const queryId = z.coerce.number().pipe(id);

export const notificationParams = z.object({ id: queryId });

/** A place in the product other than an item. */
export const notificationLink = z.object({ kind: z.string().max(50), id });

export const notification = z.object({
  id,
  /** null: the system speaks. */
  senderId: id.nullable(),
  /** BBCode. */
  body: z.string(),
  itemId: id.nullable(),
  link: notificationLink.nullable(),
  /** The run of the robot that wrote it. */
  runId: id.nullable(),
  robotId: id.nullable(),
  /** The item by its name; null: none, or one the reader may not see. */
  item: z.object({ id, title: z.string(), itemTypeId: id, stageId: id }).nullable(),
  createdAt: z.date(),
  readAt: z.date().nullable(),
});
export type Notification = z.output<typeof notification>;

export const notificationsQuery = z.object({
  unread: z.stringbool().optional(),
  senderId: queryId.optional(),
  runId: queryId.optional(),
  robotId: queryId.optional(),
  itemId: queryId.optional(),
  cursor: queryId.optional(),
  limit: z.coerce.number().int().min(1).max(200).default(50),
});
export type NotificationsQuery = z.output<typeof notificationsQuery>;
/** Newest first. */
export const notificationList = z.object({ items: z.array(notification), nextCursor: z.string().nullable() });

/** What one can filter by: who, and which robots, have told the person something lately; a run of each robot says its name. */
export const notificationSources = z.object({ senderIds: z.array(id), robots: z.array(z.object({ id, runId: id })) });

/** Counted up to 1000. */
export const notificationCounters = z.object({ unread: z.int() });

export const notificationChange = z.strictObject({ isRead: z.boolean() });

export const notificationsRead = z.union([
  z.strictObject({ ids: z.array(id).min(1).max(1000) }),
  /** All up to the newest one the person has seen; what came since stays unread. */
  z.strictObject({ upToId: id }),
]);
export type NotificationsRead = z.output<typeof notificationsRead>;
export const notificationsReadCount = z.object({ read: z.int() });
