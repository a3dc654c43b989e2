/** Conditions as the builder edits them: groups of rules and groups. Pure. */
import type { Condition, ConditionGroup, ConditionOperator, ConditionRule, ConditionValue } from '../../shared/api/robots.ts';
import { isPlaceholderText, type PickerNode } from './robot-types.ts';

export type { Condition, ConditionGroup, ConditionOperator, ConditionRule, ConditionValue };
export type ConditionItem = ConditionGroup['items'][number];

/** As deep as the server takes. */
export const maxDepth = 5;
export const withoutValue: readonly ConditionOperator[] = ['filled', 'empty'];
export const withTwo: readonly ConditionOperator[] = ['between', 'timeBetween'];
export const withSeveral: readonly ConditionOperator[] = ['in', 'notIn'];

export function isGroup(item: ConditionItem): item is ConditionGroup {
  return 'op' in item;
}

/** A rule for a field that was just chosen: the first comparison that suits it. */
export function ruleFor(node: PickerNode & { placeholder: string }, before?: ConditionRule): ConditionRule {
  const operators = node.operators ?? [];
  const operator = before && operators.includes(before.operator) ? before.operator : operators[0] ?? 'equals';
  return { left: node.placeholder, operator, ...(node.kind === 'boolean' ? { value: true } : {}) };
}

/** What the person sees of a saved value: a reference as its placeholder. */
export function shownValue(value: ConditionValue | undefined): unknown {
  if (typeof value === 'object' && !Array.isArray(value)) return value.ref;
  return value ?? null;
}

/** The way back; undefined: nothing is entered. */
export function storedValue(shown: unknown): ConditionValue | undefined {
  if (shown === null || shown === undefined || shown === '') return undefined;
  if (isPlaceholderText(shown)) return { ref: shown.trim() };
  if (typeof shown === 'string' || typeof shown === 'number' || typeof shown === 'boolean') return shown;
  if (!Array.isArray(shown)) return undefined;
  const several = shown.filter((one): one is string | number => typeof one === 'string' || typeof one === 'number');
  return several.length > 0 ? several : undefined;
}

export function withOperator(rule: ConditionRule, operator: ConditionOperator): ConditionRule {
  const { left, value, valueTo } = rule;
  if (withoutValue.includes(operator)) return { left, operator };
  // One value and several are not each other's; what suits stays.
  const isList = Array.isArray(value);
  const first = withSeveral.includes(operator) ? (isList || value === undefined || typeof value === 'object' || typeof value === 'boolean' ? value : [value]) : isList ? value[0] : value;
  return { left, operator, ...(first === undefined ? {} : { value: first }), ...(withTwo.includes(operator) && valueTo !== undefined ? { valueTo } : {}) };
}

/** Groups that became empty go; a condition without rules is none. */
export function tidy(group: ConditionGroup): ConditionGroup | null {
  const items = group.items.flatMap((item): ConditionItem[] => {
    if (!isGroup(item)) return [item];
    const kept = tidy(item);
    return kept ? [kept] : [];
  });
  return items.length > 0 ? { op: group.op, items } : null;
}
