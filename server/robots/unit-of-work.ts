/**
 * The unit of work of one batch: what its robots did, as rows. Robots only append; `flush` writes one
 * multi-row statement per table, in the transaction that also marks the runs done.
 *
 * Each run appends to effects of its own, merged when the run succeeded: a run that fails half way
 * leaves nothing.
 */
import type { Calls, NewCall } from '../calls/calls.ts';
import type { Crm, ItemPlan } from '../crm/crm.ts';
import type { ConfigVersions, Tx } from '../db/db.ts';
import type { Deliveries, NewDelivery } from '../deliveries/deliveries.ts';
import type { Hint, Live } from '../live/live.ts';
import type { Chat, MemberToInsert, MessageToInsert, RobotChatToInsert } from '../messaging/chat/chat.ts';
import type { Feed, PostToWrite } from '../messaging/feed/feed.ts';
import type { Notifications, NotificationToWrite } from '../messaging/notifications/notifications.ts';
import type { CommentToInsert, InvoiceToInsert } from '../crm/crm.ts';
import { insertRuns, type RunRow, updateRuns } from './store.ts';

export interface Effects {
  notifications: NotificationToWrite[];
  comments: CommentToInsert[];
  posts: PostToWrite[];
  chats: RobotChatToInsert[];
  /** With the run that adds them, for whoever shows what it would do. */
  members: (MemberToInsert & { runId: number })[];
  messages: MessageToInsert[];
  deliveries: NewDelivery[];
  plans: ItemPlan[];
  invoices: InvoiceToInsert[];
  calls: NewCall[];
}

export function noEffects(): Effects {
  return { notifications: [], comments: [], posts: [], chats: [], members: [], messages: [], deliveries: [], plans: [], invoices: [], calls: [] };
}

export interface UnitOfWork {
  effects: Effects;
  newRuns: RunRow[];
  changedRuns: RunRow[];
}

export function emptyUnit(): UnitOfWork {
  return { effects: noEffects(), newRuns: [], changedRuns: [] };
}

function pushAll<Row>(to: Row[], from: readonly Row[]): void {
  for (const row of from) to.push(row);
}

/** What a successful run did becomes part of the batch. */
export function mergeEffects(into: Effects, from: Effects): void {
  pushAll(into.notifications, from.notifications);
  pushAll(into.comments, from.comments);
  pushAll(into.posts, from.posts);
  pushAll(into.chats, from.chats);
  pushAll(into.members, from.members);
  pushAll(into.messages, from.messages);
  pushAll(into.deliveries, from.deliveries);
  pushAll(into.plans, from.plans);
  pushAll(into.invoices, from.invoices);
  pushAll(into.calls, from.calls);
}

export interface EffectWriters {
  crm: Crm;
  live: Live;
  notifications: Notifications;
  feed: Feed;
  chat: Chat;
  deliveries: Deliveries;
  calls: Calls;
}

/**
 * Writes everything. Statements are sent without waiting for each other (the connection is pipelined);
 * order matters only where rows name each other: items before invoices, chats before members before messages.
 */
export async function flush(tx: Tx, unit: UnitOfWork, to: EffectWriters, now: Date, config?: ConfigVersions): Promise<void> {
  const { effects } = unit;
  // Single statements, sent at once: they travel with the commit. The others ask something in between.
  const last: Promise<unknown>[] = [insertRuns(tx, unit.newRuns), updateRuns(tx, unit.changedRuns)];
  if (effects.notifications.length > 0) last.push(to.notifications.writeNotifications(tx, effects.notifications));
  tx.withCommit(Promise.all(last));
  const writes: Promise<unknown>[] = [];
  if (effects.chats.length > 0) writes.push(to.chat.insertChats(tx, effects.chats));
  if (effects.members.length > 0) writes.push(to.chat.insertMembers(tx, effects.members));
  if (effects.comments.length > 0) writes.push(to.crm.insertComments(tx, effects.comments, config));
  if (effects.posts.length > 0) writes.push(to.feed.writePosts(tx, effects.posts));
  if (effects.deliveries.length > 0) writes.push(to.deliveries.queue(tx, effects.deliveries));
  if (effects.calls.length > 0) writes.push(to.calls.queue(tx, effects.calls));
  if (effects.plans.length > 0) {
    writes.push(to.crm.writeItems(tx, effects.plans, now, config).then(() => to.crm.insertInvoices(tx, effects.invoices)));
  }
  writes.push(to.live.publish(tx, runHints(unit)));
  const messages = effects.messages.length > 0 ? to.chat.prepareMessages(tx, effects.messages) : undefined;
  await Promise.all([...writes, messages]);
  // From their messages to the commit chats are held: nothing else comes in between.
  const writeMessages = await messages;
  if (writeMessages) tx.withCommit(writeMessages());
}

/** Whoever looks at the card sees its robots act. */
function runHints(unit: UnitOfWork): Hint[] {
  const hints = new Map<number, Hint>();
  for (const runs of [unit.newRuns, unit.changedRuns]) {
    for (const run of runs) if (!hints.has(run.itemId)) hints.set(run.itemId, { topic: `item:${run.itemId}`, what: 'runs' });
  }
  return [...hints.values()];
}
