/** HTTP contract of calls: what applications were told at their handlers, and what could not be told. */
import { z } from 'zod';

const date = z.iso.datetime();

export const appCall = z.object({
  id: z.int(),
  appId: z.int(),
  kind: z.enum(['robot', 'event']),
  url: z.string(),
  runId: z.int().nullable(),
  state: z.enum(['queued', 'sending', 'done', 'failed']),
  attempts: z.int(),
  dueAt: date.nullable(),
  /** What the handler said, or why it was not reached. */
  error: z.string().nullable(),
  createdAt: date,
  finishedAt: date.nullable(),
});

export const appCallList = z.object({ items: z.array(appCall), nextCursor: z.string().nullable() });

export const appCallQuery = z.strictObject({
  state: z.enum(['queued', 'sending', 'done', 'failed']).optional(),
  cursor: z.coerce.number().int().positive().optional(),
  limit: z.coerce.number().int().min(1).max(200).default(50),
});
