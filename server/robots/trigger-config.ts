/** Configuring triggers: what keeps them from being published, and how people know them. Pure. */
import type { z } from 'zod';
import { type TriggerKind, triggerKinds, type triggerProblem, type triggerType } from '../../shared/api/triggers.ts';
import { type Language, text } from '../../shared/messages.ts';
import { checkCondition } from './conditions.ts';
import { type ConfigEnv, knownFor } from './config.ts';
import { type Known, parseReference, type Problem } from './placeholders.ts';
import { checkTiming } from './timing.ts';
import type { RobotRecord, TriggerRecord } from './versions.ts';

export type TriggerProblem = z.output<typeof triggerProblem>;

/** How people know the trigger: its own title, or that of its kind. */
export function triggerTitle({ title, when }: Pick<TriggerRecord, 'title' | 'when'>, language: Language): string {
  return title || kindTitle(when.kind, language);
}

export function kindTitle(kind: TriggerKind, language: Language): string {
  return text(language, `triggers.kinds.${kind}.title`);
}

/** Fields whose changes are moves, or are nobody's doing. */
const unwatchable: ReadonlySet<string> = new Set(['id', 'stageId', 'pipelineId', 'creatorId', 'createdAt', 'updatedAt', 'movedAt', 'link']);

/** Everything that keeps the enabled triggers of a draft from working, in words. One that is off may be half filled. */
export function findTriggerProblems(triggers: readonly TriggerRecord[], robots: readonly RobotRecord[], env: ConfigEnv): TriggerProblem[] {
  // A trigger stands above all robots, yet their results of earlier stages may count: like a robot below the last one.
  const known = knownFor(robots, robots.length, env);
  return triggers.filter((trigger) => trigger.isEnabled).flatMap((trigger) => problemsOf(trigger, known, env).map(({ path = '', code, params }) => ({
    triggerId: trigger.id, path, code,
    message: text(env.language, `robots.problems.${code}`, params),
  })));
}

function problemsOf(trigger: TriggerRecord, known: Known, env: ConfigEnv): Problem[] {
  const { when, changeAs } = trigger;
  const found: Problem[] = [];
  const stage = env.model.stage(trigger.stageId);
  if (!stage || stage.deletedAt || stage.pipelineId !== env.pipeline.id) found.push({ code: 'trigger_stage_gone', params: {}, path: 'stageId' });
  if (trigger.condition) found.push(...within('condition', checkCondition(trigger.condition, known)));
  if (changeAs !== null) {
    const employee = env.directory.employee(changeAs);
    if (!employee || employee.dismissedAt) found.push({ code: 'recipients.unknown_employee', params: { id: changeAs }, path: 'changeAs' });
  }
  if (when.kind === 'fieldChanged') found.push(...within('when', changeProblems(when.changes, known)));
  if (when.kind === 'app' && (when.appId === null || when.code === '')) found.push({ code: 'trigger_app_missing', params: {}, path: 'when.code' });
  if (when.kind === 'dateReached') {
    const problems = checkTiming(when.timing, known);
    found.push(...within('when.timing', problems));
    // Only the item's own fields are watched: a date of the client may change without anybody touching the item.
    if (problems.length === 0 && parseReference(when.timing.reference)?.source !== 'document') {
      found.push({ code: 'trigger_date_foreign', params: {}, path: 'when.timing.reference' });
    }
  }
  return found;
}

function within(prefix: string, problems: readonly Problem[]): Problem[] {
  return problems.map((problem) => ({ ...problem, path: [prefix, problem.path].filter((part) => part).join('.') }));
}

function changeProblems(changes: Extract<TriggerRecord['when'], { kind: 'fieldChanged' }>['changes'], known: Known): Problem[] {
  if (changes.length === 0) return [{ code: 'trigger_no_field', params: {}, path: 'changes' }];
  return changes.flatMap(({ field, from, to }, index) => {
    const reference = parseReference(`{=Document:${field}}`);
    const info = reference && known.field(reference);
    if (!info || unwatchable.has(info.code)) return [{ code: 'trigger_field_unwatchable', params: { field: info?.name ?? field }, path: `changes.${index}.field` }];
    return ([['from', from], ['to', to]] as const).flatMap(([name, side]) => {
      if (side === null) return [];
      return checkCondition({ op: 'and', items: [{ ...side, left: `{=Document:${field}}` }] }, known).map((problem) => ({ ...problem, path: `changes.${index}.${name}` }));
    });
  });
}

/**
 * In whose name the stage is changed: only administrators may choose somebody else than themselves or the owner.
 * Returns the first trigger that does, comparing with what was saved before.
 */
export function findForeignMover(triggers: readonly TriggerRecord[], before: readonly TriggerRecord[], actorId: number): TriggerRecord | undefined {
  const savedById = new Map(before.map((trigger) => [trigger.id, trigger.changeAs]));
  return triggers.find(({ id, changeAs }) => changeAs !== null && changeAs !== actorId && changeAs !== savedById.get(id));
}

export type TriggerTypeDescription = z.output<typeof triggerType>;

/** The kinds there are, in the order of the catalogue. */
export function describeTriggerTypes(language: Language): TriggerTypeDescription[] {
  return triggerKinds.map((kind) => ({ kind, title: kindTitle(kind, language), description: text(language, `triggers.kinds.${kind}.description`) }));
}
