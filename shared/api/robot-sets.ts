/** HTTP contract of configuring robots: the draft of a pipeline, its published versions, rehearsals, runs. */
import { z } from 'zod';
import { condition, type ConditionOperator, conditionOperators, timing } from './robots.ts';
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

/** A line of a robot type's form: which widget draws it, what it is called, what may be entered. */
export const robotFormField = z.looseObject({
  name: z.string(), widget: z.string(), label: z.string(), hint: z.string().nullable().optional(),
  isRequired: z.boolean().optional(), maxLength: z.number().optional(), minimum: z.number().optional(),
  options: z.array(z.object({ value: z.string(), name: z.string() })).optional(),
  default: z.unknown().optional(), kind: z.string().optional(),
  isMultiline: z.boolean().optional(), counts: z.literal('sms').optional(),
  shownWhen: z.object({ setting: z.string(), isOneOf: z.array(z.union([z.string(), z.boolean()])).readonly() }).optional(),
});

export const robotTypeDescription = z.object({
  id: z.string(), group: z.string(), groupTitle: z.string(), version: z.number(), title: z.string(), description: z.string(), summary: z.string(),
  /** SVG, 24 by 24, in the current colour. */
  icon: z.string(),
  form: z.array(robotFormField),
  results: z.array(z.object({ name: z.string(), title: z.string(), kind: z.string() })),
  examples: z.array(z.object({ name: z.string(), title: z.string(), settings: z.record(z.string(), z.unknown()) })),
});

/** What a robot does, when and if, in the reader's language; `condition` is '' without one. */
export const robotSentences = z.object({ robotId: id, title: z.string(), what: z.string(), when: z.string(), condition: z.string() });

/** What makes a trigger move an item to its stage. */
export const triggerSentences = z.object({ triggerId: id, title: z.string(), what: z.string(), condition: z.string() });

/** What may be published and is rarely meant. */
export const robotWarning = z.object({ robotId: id, code: z.string(), message: z.string() });

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
  /** Of robots that are off: nothing that keeps the draft from being published. */
  idleProblems: z.array(robotProblem),
  triggerProblems: z.array(triggerProblem),
  warnings: z.array(robotWarning),
  sentences: z.array(robotSentences),
  triggerSentences: z.array(triggerSentences),
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

/** Closed group chats that a robot's setting may name: those the reader is in, and those named already. */
export const robotChats = z.object({ items: z.array(z.object({ id, title: z.string() })) });

/** Robots that are being edited: nothing is saved. */
export const checkRobots = z.strictObject({ robots: z.array(robotRecord).max(2000), triggers: z.array(triggerRecord).max(500).default([]) });
export const checkedRobots = robotSet.pick({ problems: true, idleProblems: true, triggerProblems: true, warnings: true, sentences: true, triggerSentences: true });

export const robotDifference = z.object({
  /** Of a robot or of a trigger: they share their ids. */
  robotId: id,
  isTrigger: z.boolean(),
  title: z.string(), stageId: z.int(), stageName: z.string(), kind: z.enum(['added', 'removed', 'changed']), details: z.array(z.string()),
});
/** Absent: from what is published, to the draft. */
export const compareQuery = z.strictObject({ from: z.coerce.number().int().positive().optional(), to: z.coerce.number().int().positive().optional() });
export const comparison = z.object({
  differences: z.array(robotDifference),
  /** Runs that wait now, and what publishing the draft means for them: they go on as they were published, or stop. */
  waiting: z.array(z.object({ robotId: id, title: z.string(), count: z.int(), fate: z.enum(['same', 'asPublished', 'stop']) })),
});

/** A pipeline's robots as data: what GET …/export gives, POST …/import takes. */
export const robotsFile = z.strictObject({
  format: z.literal('vestnik-robots'),
  version: z.literal(1),
  pipeline: z.string().max(255),
  stages: z.array(z.strictObject({ id, code: z.string().max(100), name: z.string().max(255) })).max(500),
  robots: z.array(robotRecord).max(2000),
  triggers: z.array(triggerRecord).max(500).default([]),
});
export const importRobots = z.strictObject({ revision, mode: z.enum(['append', 'replace']), file: robotsFile });

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
  itemTitle: z.string(),
  pipelineId: z.int(),
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
  channel: z.enum(['notification', 'comment', 'post', 'chat', 'member', 'message', 'email', 'sms', 'change', 'invoice']),
  to: z.array(id),
  from: id.nullable(),
  subject: z.string(),
  text: z.string(),
  /** Of a message in a chat. */
  chat: z.string(),
  kind: z.string(),
  tags: z.array(z.string()),
  fileIds: z.array(z.int()),
});

/** When each robot would act if the item arrived now: a moment, or after the robot above (null). */
export const rehearsedMoment = z.object({ robotId: id, dueAt: date.nullable() });

export const rehearsal = z.object({ runs: z.array(runView), messages: z.array(rehearsedMessage), moments: z.array(rehearsedMoment) });

export const runList = z.object({ items: z.array(runView), nextCursor: z.string().nullable() });

export interface PickerNode {
  /** What is put into the text; absent on a branch. */
  placeholder?: string;
  name: string;
  kind?: string;
  /** Code of a field of the item. */
  field?: string;
  isMultiple?: boolean;
  /** Whether «Изменить элемент» may write it. */
  isWritable?: boolean;
  /** How a condition may compare it. */
  operators?: readonly ConditionOperator[];
  /** Of a list. */
  options?: readonly { id: number; name: string }[];
  children?: PickerNode[];
}

export const pickerNode: z.ZodType<PickerNode> = z.object({
  placeholder: z.string().optional(),
  name: z.string(),
  kind: z.string().optional(),
  field: z.string().optional(),
  isMultiple: z.boolean().optional(),
  isWritable: z.boolean().optional(),
  operators: z.array(z.enum(conditionOperators)).readonly().optional(),
  options: z.array(z.object({ id, name: z.string() })).readonly().optional(),
  get children() {
    return z.array(pickerNode).optional();
  },
});
