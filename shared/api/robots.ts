/**
 * Robots: conditions and timing as they are saved and sent.
 *
 * References are written `{=Document:amount}` (grammar: server/robots/placeholders.ts). Whether a field
 * exists and an operator suits it is not known here: `checkCondition` says it when a draft is saved.
 */
import { z } from 'zod';

const reference = z.string().trim().min(4).max(200);

// ---------------------------------------------------------------------------------------------------------
// Conditions

export const conditionOperators = [
  'equals', 'notEquals', 'greater', 'greaterOrEqual', 'less', 'lessOrEqual', 'between', 'timeBetween',
  'in', 'notIn', 'contains', 'notContains', 'filled', 'empty',
] as const;
export type ConditionOperator = (typeof conditionOperators)[number];

const literal = z.union([z.string().max(4000), z.number(), z.boolean()]);
export const conditionValue = z.union([
  literal,
  z.array(z.union([z.string().max(4000), z.number()])).max(100),
  /** The value of another field or result: `{ ref: '{=Document:UF_LIMIT}' }`. */
  z.strictObject({ ref: reference }),
]);
export type ConditionValue = z.infer<typeof conditionValue>;

export const conditionRule = z.strictObject({
  left: reference,
  operator: z.enum(conditionOperators),
  /**
   * What the left side is compared with. Ids for employees, stages, list options …; days 'YYYY-MM-DD';
   * moments ISO 8601; `timeBetween` takes 'HH:MM' of the company's clock. Absent for `filled` and `empty`.
   */
  value: conditionValue.optional(),
  /** Upper end of `between` and `timeBetween`. */
  valueTo: conditionValue.optional(),
});
export type ConditionRule = z.infer<typeof conditionRule>;

export interface ConditionGroup {
  op: 'and' | 'or';
  items: (ConditionRule | ConditionGroup)[];
}

export const maxConditionDepth = 5;
export const maxConditionRules = 100;

// Spelled out to its depth, so that a deeply nested body is refused before anything walks down it.
function groupOfDepth(depth: number): z.ZodType<ConditionGroup> {
  const item = depth > 1 ? z.union([conditionRule, groupOfDepth(depth - 1)]) : conditionRule;
  return z.strictObject({ op: z.enum(['and', 'or']), items: z.array(item).min(1).max(maxConditionRules) });
}

function countRules(group: ConditionGroup): number {
  return group.items.reduce((count, item) => count + ('op' in item ? countRules(item) : 1), 0);
}

/** When a robot acts. No condition is `null`, not an empty group. */
export const condition = groupOfDepth(maxConditionDepth)
  .refine((group) => countRules(group) <= maxConditionRules, 'http.problem.condition_rules');
export type Condition = ConditionGroup;

// ---------------------------------------------------------------------------------------------------------
// Timing

export const timeUnits = ['minutes', 'hours', 'days'] as const;
export type TimeUnit = (typeof timeUnits)[number];

const unit = z.enum(timeUnits);
const minutesIn: Record<TimeUnit, number> = { minutes: 1, hours: 60, days: 1440 };
/** Ten years: longer than any deal, short enough to be counted day by day in working time. */
const maxMinutes = 3650 * 1440;

/** Hours in which a robot acts: the company's calendar, or that of the item's owner with his absences. */
const workingHours = z.enum(['company', 'owner']).optional();

const amount = z.int().min(0).max(maxMinutes);
/** Around a date of the item. */
const dated = [
  z.strictObject({ kind: z.literal('afterDate'), reference, amount, unit, workingHours }),
  z.strictObject({ kind: z.literal('beforeDate'), reference, amount, unit, workingHours }),
  /** On the day of the field at `time` of the company's clock; without it at the field's own moment. */
  z.strictObject({ kind: z.literal('at'), reference, time: z.string().regex(/^([01]\d|2[0-3]):[0-5]\d$/).optional(), workingHours }),
] as const;

function refuseTooLong(timing: { amount: number; unit: TimeUnit }, context: z.RefinementCtx): void {
  const maximum = maxMinutes / minutesIn[timing.unit];
  if (timing.amount > maximum) context.addIssue({ code: 'too_big', maximum, origin: 'number', inclusive: true, path: ['amount'], input: timing.amount });
}

function timingOf(minDelayMinutes: number) {
  return z
    .discriminatedUnion('kind', [
      z.strictObject({ kind: z.literal('now'), workingHours }),
      /** Counted from the moment the item got to the stage. */
      z.strictObject({ kind: z.literal('after'), amount, unit, workingHours }),
      ...dated,
    ])
    .superRefine((timing, context) => {
      if (!('amount' in timing)) return;
      refuseTooLong(timing, context);
      const minutes = timing.amount * minutesIn[timing.unit];
      if (timing.kind === 'after' && minutes < minDelayMinutes) {
        context.addIssue({ code: 'too_small', minimum: Math.ceil(minDelayMinutes / minutesIn[timing.unit]), origin: 'number', inclusive: true, path: ['amount'], input: timing.amount });
      }
    });
}

/** The part of timing that goes by a date: for triggers. */
export const datedTiming = z.discriminatedUnion('kind', dated).superRefine((timing, context) => {
  if ('amount' in timing) refuseTooLong(timing, context);
});
export type DatedTiming = z.infer<typeof datedTiming>;

/** When a robot acts after its item arrived. */
export const timing = timingOf(1);
export type Timing = z.infer<typeof timing>;

/** `timing` where the company wants longer shortest delays than the default minute. */
export function timingWithMinDelay(minDelayMinutes: number): typeof timing {
  return timingOf(minDelayMinutes);
}
