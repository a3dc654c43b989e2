/** The report on the system's health, for administrators. */
import { z } from 'zod';
import { deliveryCounters, deliveryFigures } from './deliveries.ts';

export const queueId = z.enum(['arrivals', 'waitingRuns', 'triggers', 'email', 'sms', 'pushes']);
/** A robot with failed runs among the latest ones. */
export const failingRobot = z.object({
  robotId: z.int(),
  /** null: its version is gone. */
  title: z.string().nullable(),
  pipelineId: z.int().nullable(),
  failed: z.int(),
  lastFailedAt: z.date(),
  lastItemId: z.int(),
  lastRunId: z.int(),
});
export const healthReport = z.object({
  at: z.date(),
  version: z.string(),
  startedAt: z.date(),
  memoryBytes: z.int(),
  /** Every process that is connected to the database; `name` says what it does and where. */
  processes: z.array(z.object({ services: z.array(z.string()), place: z.string(), connections: z.int(), isThis: z.boolean() })),
  /** Due and not begun; counted up to a limit. */
  queues: z.array(z.object({ id: queueId, due: z.int(), hasMore: z.boolean(), oldestDueAt: z.date().nullable() })),
  /** Of the last 24 hours, most failures first. */
  failingRobots: z.array(failingRobot),
  /** Loops of this process whose last round failed. */
  failingLoops: z.array(z.object({ name: z.string(), failures: z.int(), since: z.date(), message: z.string() })),
  deliveries: deliveryFigures,
  undecided: deliveryCounters,
  database: z.object({ bytes: z.int(), version: z.string(), tables: z.array(z.object({ name: z.string(), bytes: z.int() })) }),
  /** null: the disk does not say. */
  drive: z.object({ files: z.int(), bytes: z.int(), freeBytes: z.int().nullable(), diskBytes: z.int().nullable() }),
});
