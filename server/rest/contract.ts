/** Input for a front door, checked by the contract of our own API: what that refuses, the method refuses in its own words. */
import type { z } from 'zod';
import type { RestError } from './errors.ts';

export function accepted<Output>(schema: z.ZodType<Output>, input: unknown, fail: (field: string) => RestError): Output {
  const parsed = schema.safeParse(input);
  if (parsed.success) return parsed.data;
  throw fail(String(parsed.error.issues[0]?.path[0] ?? ''));
}
