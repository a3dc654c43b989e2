/** What every area of the API shares: the body of an error. */
import { z } from 'zod';

export const errorBody = z
  .object({
    /** A code of shared/errors.ts: 'request.not_found'. Programs decide by it. */
    code: z.string(),
    /** For people, in the reader's language. */
    message: z.string(),
    params: z.record(z.string(), z.unknown()),
    /** Where in the input the fault lies: 'stages.2.name'. */
    path: z.string().optional(),
  })
  .meta({ id: 'Error' });
export type ErrorBody = z.infer<typeof errorBody>;

export const health = z.object({
  status: z.enum(['ok', 'failed']),
  /** For administrators only. */
  details: z
    .object({
      databaseReachable: z.boolean(),
      /** The moment the longest waiting piece of due work fell due; null: nothing waits. */
      oldestDueAt: z.iso.datetime().nullable(),
      startedAt: z.iso.datetime(),
    })
    .optional(),
});
