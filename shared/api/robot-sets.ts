/** HTTP contract of configuring robots: the draft of a pipeline, its published versions, rehearsals, runs. */
import { z } from 'zod';
import { condition, timing } from './robots.ts';
import { triggerCounts, triggerProblem, triggerRecord } from './triggers.ts';

const id = z.int().positive();
const date = z.iso.datetime();
const revision = z.int().min(0).max(2 ** 31 - 1);

export const robotRecord = z.strictObject({
  /** From POST /api/robot-ids. Stable over versions; texts of other robots refer to it. */
  id,
  stageId: id,
  type: z.string().max(100),
  typeVersion: z.int().min(1).default(1),
  title: z.string().trim().max(255),
  isEnabled: z.boolean().default(true),
  order: z.enum(['afterPrevious', 'independent']).default('afterPrevious'),
  timing: timing.default({ kind: 'now' }),
  condition: condition.nullable().default(null),
  oncePerItem: z.boolean().default(false),
  /** As the robot type's form says. Half filled settings may be saved, not published. */
  settings: z.record(z.string().max(100), z.unknown()).default({}),
});

export const robotProblem = z.object({ robotId: id, path: z.string(), code: z.string(), message: z.string() });

export const robotCounts = z.object({ robotId: id, waiting: z.int(), failed: z.int() });

export const robotVersionHead = z.object({
  id, number: z.int(), note: z.string(), publishedAt: date, publishedBy: id.nullable(), robotCount: z.int(), triggerCount: z.int(),
});

export const robotSet = z.object({
  pipelineId: id,
  /** Sent back with the next save: a save over somebody else's newer draft is refused. */
  revision: z.int(),
  robots: z.array(robotRecord),
  triggers: z.array(triggerRecord),
  updatedAt: date.nullable(),
  updatedBy: id.nullable(),
  published: robotVersionHead.nullable(),
  /** The draft differs from what is published. */
  hasChanges: z.boolean(),
  problems: z.array(robotProblem),
  triggerProblems: z.array(triggerProblem),
  counts: z.array(robotCounts),
  triggerCounts: z.array(triggerCounts),
  mayEdit: z.boolean(),
});

/** `triggers` absent: they stay as they are. */
export const saveRobots = z.strictObject({ revision, robots: z.array(robotRecord).max(2000), triggers: z.array(triggerRecord).max(500).optional() });
export const publishRobots = z.strictObject({ revision, note: z.string().max(1000).default('') });
export const restoreRobots = z.strictObject({ revision });
export const copyRobots = z.strictObject({
  robotIds: z.array(id).max(500).default([]),
  triggerIds: z.array(id).max(500).default([]),
  targetPipelineId: id,
  targetStageId: id,
  mode: z.enum(['copy', 'move']),
  revision,
});

export const rehearseRobots = z.strictObject({
  itemId: id,
  stageId: id,
  /** Absent: the draft as it is saved. */
  robots: z.array(robotRecord).max(2000).optional(),
  skipDelays: z.boolean().default(true),
});

export const runView = z.object({
  id,
  arrivalId: z.int(),
  itemId: id,
  robotId: id,
  robotTitle: z.string(),
  robotType: z.string(),
  stageId: z.int(),
  stageName: z.string(),
  versionNumber: z.int().nullable(),
  state: z.enum(['waiting', 'done', 'skipped', 'failed', 'cancelled']),
  reason: z.string().nullable(),
  /** Why, in the reader's language: «Сумма 900 000 ₽ не больше 1 000 000 ₽». */
  explanation: z.string(),
  notes: z.array(z.string()),
  results: z.record(z.string(), z.unknown()).nullable(),
  dueAt: date.nullable(),
  createdAt: date,
  finishedAt: date.nullable(),
});

export const rehearsedMessage = z.object({
  robotId: id,
  channel: z.enum(['notification', 'comment', 'post', 'chat', 'message', 'email', 'sms', 'change', 'invoice']),
  to: z.array(id),
  from: id.nullable(),
  subject: z.string(),
  text: z.string(),
});

export const rehearsal = z.object({ runs: z.array(runView), messages: z.array(rehearsedMessage) });

export const runList = z.object({ items: z.array(runView), nextCursor: z.string().nullable() });

export const runQuery = z.strictObject({
  itemId: z.coerce.number().int().positive().optional(),
  robotId: z.coerce.number().int().positive().optional(),
  pipelineId: z.coerce.number().int().positive().optional(),
  state: z.enum(['waiting', 'done', 'skipped', 'failed', 'cancelled']).optional(),
  cursor: z.string().max(100).optional(),
  limit: z.coerce.number().int().min(1).max(200).default(50),
});

export interface PickerNode {
  /** What is put into the text; absent on a branch. */
  placeholder?: string;
  name: string;
  kind?: string;
  children?: PickerNode[];
}

export const pickerNode: z.ZodType<PickerNode> = z.object({
  placeholder: z.string().optional(),
  name: z.string(),
  kind: z.string().optional(),
  get children() {
    return z.array(pickerNode).optional();
  },
});
