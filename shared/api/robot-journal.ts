/** HTTP contract of what robots did: the journal of runs, counts per day, the robots of one item. */
import { z } from 'zod';
import { runView } from './robot-sets.ts';

const id = z.int().positive();
const idInQuery = z.coerce.number().int().positive();
const date = z.iso.datetime();
export const runStates = ['waiting', 'done', 'skipped', 'failed', 'cancelled'] as const;
export type RunStateName = (typeof runStates)[number];
const runState = z.enum(runStates);

const filters = {
  itemId: idInQuery.optional(),
  robotId: idInQuery.optional(),
  pipelineId: idInQuery.optional(),
  itemTypeId: idInQuery.optional(),
  stageId: idInQuery.optional(),
  state: runState.optional(),
  /** Who answers for the item. */
  ownerId: idInQuery.optional(),
  /** Moments; `to` is not included. */
  from: z.iso.datetime({ offset: true }).optional(),
  to: z.iso.datetime({ offset: true }).optional(),
  /** In the title of the item; a number is also its id. */
  text: z.string().trim().max(200).optional(),
};

export const runQuery = z.strictObject({
  ...filters,
  cursor: z.string().max(100).optional(),
  limit: z.coerce.number().int().min(1).max(200).default(50),
});
export const runExportQuery = z.strictObject(filters);

export const runDaysQuery = z.strictObject({
  pipelineId: idInQuery.optional(),
  robotId: idInQuery.optional(),
  /** Days of the company's clock, both included. */
  from: z.iso.date(),
  to: z.iso.date(),
});
export const runDays = z.object({
  days: z.array(z.object({ day: z.iso.date(), done: z.int(), skipped: z.int(), failed: z.int(), cancelled: z.int() })),
});

/** Arrivals of one item, newest first, each with every robot of its stage. */
export const itemRobotsQuery = z.strictObject({ cursor: z.string().max(100).optional(), limit: z.coerce.number().int().min(1).max(50).default(20) });
export const itemRobots = z.object({
  arrivals: z.array(z.object({
    id: z.int(), at: date, stageId: z.int(), stageName: z.string(), fromStageId: z.int().nullable(), fromStageName: z.string().nullable(),
    employeeId: id.nullable(), cause: z.string(), runs: z.array(runView),
  })),
  nextCursor: z.string().nullable(),
  /** Whether the reader may run now, cancel, retry. */
  mayAct: z.boolean(),
});
