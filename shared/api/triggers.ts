/**
 * HTTP contract of triggers. A trigger stands on a stage and moves an item of its pipeline there when something
 * happens; it does nothing else. Triggers are saved, published and restored together with the robots (robot-sets.ts).
 */
import { z } from 'zod';
import { condition, conditionOperators, conditionValue, datedTiming } from './robots.ts';

const id = z.int().positive();
const date = z.iso.datetime();
const code = z.string().trim().max(100);

export const triggerKinds = ['fieldChanged', 'ownerChanged', 'webhook', 'app', 'invoicePaid', 'dateReached'] as const;
export type TriggerKind = (typeof triggerKinds)[number];

/** What a value must be before or after the change, in the words of conditions; null: it does not matter. */
const changeSide = z.strictObject({ operator: z.enum(conditionOperators), value: conditionValue.optional(), valueTo: conditionValue.optional() }).nullable().default(null);

export const fieldChange = z.strictObject({ field: code, from: changeSide, to: changeSide });

/** What has to happen. Half filled ones may be saved, not published. */
export const triggerWhen = z.discriminatedUnion('kind', [
  /** One of these fields was changed, and its values suit. */
  z.strictObject({ kind: z.literal('fieldChanged'), changes: z.array(fieldChange).max(50).default([]) }),
  z.strictObject({ kind: z.literal('ownerChanged') }),
  /** Its own address was called (GET …/triggers/{id}/webhook tells it), or `crm.automation.trigger` with this code. */
  z.strictObject({ kind: z.literal('webhook'), code: z.string().regex(/^[\w.-]{0,50}$/).default('') }),
  /** An application said so: `crm.automation.trigger.execute`. GET /api/app-triggers lists what applications registered. */
  z.strictObject({ kind: z.literal('app'), appId: id.nullable().default(null), code: z.string().max(100).default('') }),
  /** An invoice that was made for the item was paid. */
  z.strictObject({ kind: z.literal('invoicePaid') }),
  /** Around a date of the item; the moment follows the field. */
  z.strictObject({ kind: z.literal('dateReached'), timing: datedTiming }),
]);
export type TriggerWhen = z.output<typeof triggerWhen>;

export const triggerRecord = z.strictObject({
  /** From POST /api/robot-ids, as those of robots. Stable over versions. */
  id,
  /** The stage it stands on, and moves items to. */
  stageId: id,
  /** '': that of its kind. */
  title: z.string().trim().max(255).default(''),
  isEnabled: z.boolean().default(true),
  when: triggerWhen,
  condition: condition.nullable().default(null),
  /** Whether it may move an item back to an earlier stage, or out of a final one. */
  mayMoveBack: z.boolean().default(false),
  /** In whose name the stage is changed; null: the owner's. Only administrators may choose somebody else. */
  changeAs: id.nullable().default(null),
});

export const triggerProblem = z.object({ triggerId: id, path: z.string(), code: z.string(), message: z.string() });

/** Since thirty days ago. */
export const triggerCounts = z.object({ triggerId: id, moved: z.int(), failed: z.int(), /** Items that wait for their date. */ waiting: z.int() });

/** A kind of trigger in the catalogue. */
export const triggerType = z.object({ kind: z.enum(triggerKinds), title: z.string(), description: z.string() });

/** What applications have registered, to choose from. */
export const appTrigger = z.object({ appId: id, appName: z.string(), code: z.string(), name: z.string() });

/** The address that other systems call, with the id of the item for {id}. It is a secret. */
export const triggerWebhook = z.object({ url: z.string(), code: z.string() });

export const triggerRunView = z.object({
  id,
  triggerId: id,
  triggerTitle: z.string(),
  kind: z.enum(triggerKinds),
  itemId: id,
  fromStageId: z.int(),
  fromStageName: z.string(),
  /** Where the trigger stands. */
  stageId: z.int(),
  stageName: z.string(),
  versionNumber: z.int().nullable(),
  /** done: it moved the item. */
  state: z.enum(['done', 'skipped', 'failed']),
  reason: z.string().nullable(),
  /** What happened: «Поле «Сумма» изменилось: 5 → 10». */
  happened: z.string(),
  /** Why it moved the item or did not, in the reader's language. */
  explanation: z.string(),
  createdAt: date,
});

export const triggerRunList = z.object({ items: z.array(triggerRunView), nextCursor: z.string().nullable() });

export const triggerRunQuery = z.strictObject({
  itemId: z.coerce.number().int().positive().optional(),
  triggerId: z.coerce.number().int().positive().optional(),
  pipelineId: z.coerce.number().int().positive().optional(),
  state: z.enum(['done', 'skipped', 'failed']).optional(),
  cursor: z.string().max(100).optional(),
  limit: z.coerce.number().int().min(1).max(200).default(50),
});
