/**
 * What travels over `GET /api/live` (WebSocket, JSON text frames).
 *
 * The server only ever says what to fetch again: ids, never contents. After `ready`, after `resync`
 * and when `seq` skips a number, fetch whatever is on the screen anew.
 */
import { z } from 'zod';

/** 'employee:5' (one's own) | 'deliveries:1' (the journal, administrators) | 'item:12' | 'pipeline:3' | 'chat:7' | 'feed' | 'company'. */
export const liveTopic = z.string().regex(/^[a-z]{1,20}(:[1-9]\d{0,15})?$/);

export const liveRequest = z.union([
  z.strictObject({ subscribe: z.array(liveTopic).min(1).max(200) }),
  z.strictObject({ unsubscribe: z.array(liveTopic).min(1).max(200) }),
  /** The id of the chat in which the person is writing. */
  z.strictObject({ typing: z.int().positive() }),
]);
export type LiveRequest = z.infer<typeof liveRequest>;

export const liveHint = z.object({ topic: z.string(), what: z.string(), id: z.int().positive().optional() });

export const liveEvent = z.discriminatedUnion('type', [
  z.object({ type: z.literal('ready'), employeeId: z.int() }),
  /** Answer to `subscribe`: `refused` are those that do not exist or may not be seen. */
  z.object({ type: z.literal('subscribed'), topics: z.array(z.string()), refused: z.array(z.string()) }),
  /** The right to hear about these was lost. */
  z.object({ type: z.literal('unsubscribed'), topics: z.array(z.string()) }),
  z.object({ type: z.literal('hints'), seq: z.int().positive(), hints: z.array(liveHint) }),
  /** Something may have been missed: fetch anew. */
  z.object({ type: z.literal('resync') }),
]);
export type LiveEvent = z.infer<typeof liveEvent>;

/** Why the server closed the socket. */
export const liveCloseCodes = {
  /** Not JSON, or not a request it knows. */
  badRequest: 4400,
  /** Signed out, session over, or dismissed: do not reconnect before signing in. */
  signedOut: 4401,
  /** The reader was too slow: reconnect and fetch anew. */
  tooSlow: 4408,
  /** Too many requests or topics. */
  tooMany: 4429,
  /** Our fault, or the server is going down: reconnect. */
  tryAgain: 1013,
} as const;
