/**
 * Conditions: whether a robot acts on an item, and the proof of it. Pure.
 *
 * A condition is compiled once per published version and evaluated for every arrival; what it saw is
 * kept on the run as a compact trace, from which `explain` says in words why a robot did or did not act.
 *
 * Decided here:
 * - **A rule never holds by accident.** A right side that comes out empty, a field that is gone or a value
 *   that is no number makes the rule false, whatever the operator; the trace says so.
 * - **An empty left side** holds for `empty`, `notEquals`, `notIn`, `notContains` (a deal without an owner is
 *   indeed not Ivanov's) and for nothing else: no amount is not "less than a million".
 * - **Texts are compared without regard to letter case and outer spaces.** Bitrix24 minds the case; people
 *   who type «срочно» mean «Срочно» too, and a robot that stays silent over a capital letter looks broken.
 * - **`contains`** is a part of a text; of a field with several values also one of them. Given several
 *   values, one of them is enough. **`in`** is equality with one of the values, never a part.
 * - **Moments are compared to the minute**, as they are shown. Compared with a day, a moment counts as its
 *   day on the company's clock: «not later than 24.11» includes the evening of the 24th.
 * - **`timeBetween`** looks at the company's clock, includes both ends, and may cross midnight (20:00–08:00).
 * - **Money of different currencies is not comparable**: false, with that reason. A plain number is taken in
 *   the currency of the left side.
 * - **A checkbox nobody has ticked is «no»**, also on items older than the field.
 */
import { text } from '../../shared/messages.ts';
import type { Condition, ConditionGroup, ConditionOperator, ConditionRule, ConditionValue } from '../../shared/api/robots.ts';
import {
  checkReference, kindAfter, parseReference, readReference, referenceField, type Known, type Problem, type Reference,
} from './placeholders.ts';
import {
  booleanOf, currencyOf, dayOf, fieldOfKind, idOf, instantOf, isDay, isEmptyValue, numberOf, print, wallClock,
  type FieldInfo, type Names, type Reader, type ValueKind, type ValueSource,
} from './values.ts';

// ---------------------------------------------------------------------------------------------------------
// Operators by kind

type ValueClass = 'text' | 'number' | 'boolean' | 'time' | 'choice' | 'file';

const classes: Record<ValueKind, ValueClass> = {
  string: 'text', text: 'text', url: 'text', address: 'text', phone: 'text', email: 'text',
  number: 'number', money: 'number', id: 'number', boolean: 'boolean', date: 'time', datetime: 'time', file: 'file',
  list: 'choice', employee: 'choice', item: 'choice', contact: 'choice', company: 'choice', stage: 'choice', pipeline: 'choice', chat: 'choice',
};

const ordered = ['equals', 'notEquals', 'greater', 'greaterOrEqual', 'less', 'lessOrEqual', 'between', 'filled', 'empty'] as const;
const operatorsByClass: Record<ValueClass, readonly ConditionOperator[]> = {
  text: ['equals', 'notEquals', 'contains', 'notContains', 'in', 'notIn', 'filled', 'empty'],
  number: [...ordered, 'in', 'notIn'],
  boolean: ['equals', 'notEquals'],
  time: ordered,
  choice: ['equals', 'notEquals', 'in', 'notIn', 'filled', 'empty'],
  file: ['filled', 'empty'],
};
const datetimeOperators: readonly ConditionOperator[] = [...ordered, 'timeBetween'];
const multipleOperators: readonly ConditionOperator[] = ['contains', 'notContains', 'filled', 'empty'];

/** The operators that make sense for a field, in the order of the picker. */
export function operatorsFor(field: Pick<FieldInfo, 'kind' | 'isMultiple'>): readonly ConditionOperator[] {
  if (field.kind === 'file') return operatorsByClass.file;
  if (field.isMultiple) return multipleOperators;
  return field.kind === 'datetime' ? datetimeOperators : operatorsByClass[classes[field.kind]];
}

/** They compare with nothing. */
export const operatorsWithoutValue: ReadonlySet<ConditionOperator> = new Set(['filled', 'empty']);
const withTwoValues: ReadonlySet<ConditionOperator> = new Set(['between', 'timeBetween']);
const withList: ReadonlySet<ConditionOperator> = new Set(['in', 'notIn', 'contains', 'notContains']);
const negative: ReadonlySet<ConditionOperator> = new Set(['notEquals', 'notIn', 'notContains']);

// ---------------------------------------------------------------------------------------------------------
// Trace

export type TraceValue = string | number | boolean | null | { amount: number; currency: string } | readonly TraceValue[];

/** Why a rule came out as it did, when comparing the values is not the answer. */
export type RuleReason =
  /** Nothing was entered on the left. */
  | 'left_empty'
  /** The field no longer exists. */
  | 'left_gone'
  /** The right side refers to something empty; `expected` is the reference. */
  | 'expected_empty'
  /** One side is not a number, date … */
  | 'not_comparable'
  | 'currency_differs'
  /** The operator no longer suits the field. */
  | 'rule_broken';

/** [left, operator, expected, actual, 1 when it holds, reason]. Expected of `between` is [from, to]. */
export type RuleTrace = readonly [
  left: string, operator: ConditionOperator, expected: TraceValue, actual: TraceValue, holds: 0 | 1, reason?: RuleReason,
];
export type GroupTrace = readonly [op: 'and' | 'or', holds: 0 | 1, items: readonly CompactTrace[]];
/** Kept as JSON on every run, hence arrays. Rules that could no longer change the outcome are not in it. */
export type CompactTrace = RuleTrace | GroupTrace;

// Long enough to recognise a text, short enough for a row that exists for every run.
const maxTraceText = 120;
const maxTraceItems = 20;

function traceOf(value: unknown, field: FieldInfo, source: ValueSource): TraceValue {
  if (Array.isArray(value)) return value.slice(0, maxTraceItems).map((one) => traceOf(one, field, source));
  // What is empty for the rule is empty in its proof: spaces are not a value.
  if (isEmptyValue(value)) return null;
  if (field.kind === 'money') {
    const amount = numberOf(value);
    const currency = currencyOf(value, field, source);
    if (amount !== undefined) return currency === undefined ? amount : { amount, currency };
  }
  return traceLiteral(value);
}

function traceLiteral(value: unknown): TraceValue {
  if (Array.isArray(value)) return value.slice(0, maxTraceItems).map(traceLiteral);
  if (typeof value === 'string') return value.length <= maxTraceText ? value : `${[...value.slice(0, maxTraceText)].slice(0, -1).join('')}…`;
  if (typeof value === 'number' || typeof value === 'boolean') return value;
  if (value instanceof Date) return value.toISOString();
  if (typeof value === 'object' && value !== null && 'value' in value) return traceLiteral(value.value);
  return null;
}

// ---------------------------------------------------------------------------------------------------------
// Comparing

/** A value made comparable: equal and ordered by ===, < and >. undefined: it is no value of the class. */
type Comparable = string | number | boolean;

function foldText(value: unknown, kind: ValueKind): string | undefined {
  const plain = typeof value === 'object' && value !== null && 'value' in value ? value.value : value;
  if (typeof plain === 'number') return String(plain);
  if (typeof plain !== 'string') return undefined;
  const folded = plain.normalize('NFC').trim().toLowerCase();
  if (kind !== 'phone') return folded;
  // «+7 (900) 123-45-67» and «79001234567» are one phone.
  const digits = folded.replace(/\D/g, '');
  return digits === '' ? folded : digits;
}

function comparable(value: unknown, kind: ValueKind, source: ValueSource, byDay: boolean): Comparable | undefined {
  switch (classes[kind]) {
    case 'text':
      return foldText(value, kind);
    case 'number':
      return numberOf(value);
    case 'boolean':
      return booleanOf(value);
    case 'time': {
      if (isDay(value)) return byDay ? value : undefined;
      const instant = instantOf(value);
      if (instant === undefined) return undefined;
      return byDay ? dayOf(instant, source.timeZones.company) : Math.floor(instant / 60_000);
    }
    default:
      return idOf(value);
  }
}

interface Expected {
  value: unknown;
  /** Currency of a money value on the right; undefined: a plain number. */
  currency: string | undefined;
}

/** Where the right side comes from. A literal is always the same object. */
type ReadExpected = (source: ValueSource) => Expected;

function compileExpected(value: ConditionValue | undefined): ReadExpected {
  if (typeof value === 'object' && !Array.isArray(value)) {
    const reference = parseReference(value.ref);
    return (source) => {
      const found = reference && readReference(reference, source);
      if (!found) return nothing;
      const isMoney = found.field.kind === 'money' && !isEmptyValue(found.value);
      return { value: found.value, currency: isMoney ? currencyOf(found.value, found.field, source) : undefined };
    };
  }
  const literal: Expected = { value, currency: undefined };
  return () => literal;
}

const nothing: Expected = { value: null, currency: undefined };

function refOf(value: ConditionValue | undefined): string | undefined {
  return typeof value === 'object' && !Array.isArray(value) ? value.ref : undefined;
}

/** Single values of a side: what is a list already stays, the rest becomes one. */
function listOf(value: unknown): readonly unknown[] {
  return Array.isArray(value) ? value.filter((one) => !isEmptyValue(one)) : [value];
}

function holdsOrdered(operator: ConditionOperator, left: Comparable, right: Comparable): boolean {
  switch (operator) {
    case 'equals': return left === right;
    case 'notEquals': return left !== right;
    case 'greater': return left > right;
    case 'greaterOrEqual': return left >= right;
    case 'less': return left < right;
    default: return left <= right;
  }
}

const timePattern = /^([01]\d|2[0-3]):([0-5]\d)$/;

function minuteOfDay(value: unknown): number | undefined {
  const match = typeof value === 'string' ? timePattern.exec(value.trim()) : null;
  return match ? Number(match[1]) * 60 + Number(match[2]) : undefined;
}

// ---------------------------------------------------------------------------------------------------------
// Compiling

export interface Outcome {
  readonly holds: boolean;
  readonly trace: CompactTrace;
}

export interface CompiledCondition {
  /** Everything the condition reads, for loading it beforehand. */
  readonly references: readonly Reference[];
  /**
   * Stops as soon as the outcome is certain. With `isThorough` every rule is looked at, so that a person who
   * tries a robot out sees all that stands in its way.
   */
  evaluate(source: ValueSource, isThorough?: boolean): Outcome;
}

type Node = (source: ValueSource, isThorough: boolean) => CompactTrace;

/** `lookup` tells the field behind a reference; undefined: there is none (any more), and the rule is false. */
export function compileCondition(condition: Condition, lookup: (reference: Reference) => FieldInfo | undefined): CompiledCondition {
  const references: Reference[] = [];
  const root = compileGroup(condition, lookup, references);
  return {
    references,
    evaluate(source, isThorough = false) {
      const trace = root(source, isThorough);
      return { holds: didHold(trace), trace };
    },
  };
}

function isGroupTrace(trace: CompactTrace): trace is GroupTrace {
  return trace[0] === 'and' || trace[0] === 'or';
}

function didHold(trace: CompactTrace): boolean {
  return isGroupTrace(trace) ? trace[1] === 1 : trace[4] === 1;
}

function compileGroup(group: ConditionGroup, lookup: (reference: Reference) => FieldInfo | undefined, references: Reference[]): Node {
  const nodes = group.items.map((item) => ('op' in item ? compileGroup(item, lookup, references) : compileRule(item, lookup, references)));
  const { op } = group;
  return (source, isThorough) => {
    const items: CompactTrace[] = [];
    let holds = op === 'and';
    for (const node of nodes) {
      const trace = node(source, isThorough);
      items.push(trace);
      if (didHold(trace) === holds) continue;
      holds = !(op === 'and');
      if (!isThorough) break;
      // The outcome is settled; what follows is only told, so it must not turn it back.
      for (const rest of nodes.slice(items.length)) items.push(rest(source, true));
      break;
    }
    return [op, holds ? 1 : 0, items];
  };
}

function compileRule(rule: ConditionRule, lookup: (reference: Reference) => FieldInfo | undefined, references: Reference[]): Node {
  const { operator } = rule;
  const reference = parseReference(rule.left);
  if (!reference) {
    const broken: RuleTrace = [rule.left, operator, null, null, 0, 'rule_broken'];
    return () => broken;
  }
  references.push(reference);
  for (const value of [rule.value, rule.valueTo]) {
    const ref = refOf(value);
    const right = ref === undefined ? undefined : parseReference(ref);
    if (right) references.push(right);
  }
  const left = reference.written;
  const field = lookup(reference);
  if (!field) {
    const gone: RuleTrace = [left, operator, null, null, 0, 'left_gone'];
    return () => gone;
  }
  if (!operatorsFor(field).includes(operator)) {
    const broken: RuleTrace = [left, operator, null, null, 0, 'rule_broken'];
    return () => broken;
  }
  const readFrom = compileExpected(rule.value);
  const readTo = withTwoValues.has(operator) ? compileExpected(rule.valueTo) : undefined;
  const { kind } = field;
  const isCheckbox = kind === 'boolean';

  return (source) => {
    const found = readReference(reference, source);
    // A field of the item that is not there was deleted; a client, owner or result that is not there is empty.
    if (!found && reference.source === 'document') return [left, operator, null, null, 0, 'left_gone'];
    const value = isCheckbox && found ? booleanOf(found.value) ?? false : found?.value;
    const isEmpty = isEmptyValue(value);
    if (operator === 'filled' || operator === 'empty') {
      const holds = isEmpty === (operator === 'empty');
      return [left, operator, null, found && !isEmpty ? traceFilled(value, found.field, source) : null, holds ? 1 : 0];
    }
    const from = readFrom(source);
    const to = readTo?.(source);
    if (isEmptyValue(from.value) || (to && isEmptyValue(to.value))) {
      const named = isEmptyValue(from.value) ? refOf(rule.value) : refOf(rule.valueTo);
      return [left, operator, named ?? null, found ? traceOf(value, found.field, source) : null, 0, 'expected_empty'];
    }
    const expected = to ? [traceExpected(from), traceExpected(to)] : traceExpected(from);
    if (!found || isEmpty) return [left, operator, expected, null, negative.has(operator) ? 1 : 0, 'left_empty'];
    const currency = kind === 'money' && (from.currency ?? to?.currency) !== undefined ? currencyOf(value, found.field, source) : undefined;
    if (currency !== undefined && [from.currency, to?.currency].some((other) => other !== undefined && other !== currency)) {
      return [left, operator, expected, traceOf(value, found.field, source), 0, 'currency_differs'];
    }
    if (operator === 'timeBetween') {
      const instant = instantOf(value);
      if (instant === undefined) return [left, operator, expected, traceOf(value, found.field, source), 0, 'not_comparable'];
      const minute = Math.floor(wallClock(instant, source.timeZones.company) / 60_000) % 1440;
      const start = minuteOfDay(from.value);
      const end = minuteOfDay(to?.value);
      const shown = `${String(Math.floor(minute / 60)).padStart(2, '0')}:${String(minute % 60).padStart(2, '0')}`;
      if (start === undefined || end === undefined) return [left, operator, expected, shown, 0, 'not_comparable'];
      const holds = start <= end ? minute >= start && minute <= end : minute >= start || minute <= end;
      return [left, operator, expected, shown, holds ? 1 : 0];
    }
    const holds = compare(operator, value, from.value, to?.value, kind, source);
    const actual = traceOf(value, found.field, source);
    return holds === undefined ? [left, operator, expected, actual, 0, 'not_comparable'] : [left, operator, expected, actual, holds ? 1 : 0];
  };
}

function traceExpected({ value, currency }: Expected): TraceValue {
  const amount = currency === undefined ? undefined : numberOf(value);
  return amount === undefined || currency === undefined ? traceLiteral(value) : { amount, currency };
}

/** For `filled` it is enough to recognise the value: of files their number. */
function traceFilled(value: unknown, field: FieldInfo, source: ValueSource): TraceValue {
  return field.kind === 'file' && Array.isArray(value) ? value.length : traceOf(value, field, source);
}

/** undefined: the two cannot be compared. */
function compare(operator: ConditionOperator, value: unknown, from: unknown, to: unknown, kind: ValueKind, source: ValueSource): boolean | undefined {
  if (withList.has(operator)) {
    const wanted = listOf(from);
    const lefts = listOf(value);
    const isPart = classes[kind] === 'text' && (operator === 'contains' || operator === 'notContains');
    const byDay = classes[kind] === 'time' && [...wanted, ...lefts].some(isDay);
    let isFound = false;
    let hasComparable = false;
    for (const one of wanted) {
      const right = comparable(one, kind, source, byDay);
      if (right === undefined) continue;
      hasComparable = true;
      isFound ||= lefts.some((other) => {
        const left = comparable(other, kind, source, byDay);
        return isPart && typeof left === 'string' && typeof right === 'string' ? left.includes(right) : left === right;
      });
    }
    return hasComparable ? isFound !== negative.has(operator) : undefined;
  }
  const single = onlyOne(from);
  const upper = to === undefined ? undefined : onlyOne(to);
  const byDay = classes[kind] === 'time' && (isDay(value) || isDay(single) || isDay(upper));
  const left = comparable(onlyOne(value), kind, source, byDay);
  const right = comparable(single, kind, source, byDay);
  if (left === undefined || right === undefined) return undefined;
  if (operator !== 'between') return holdsOrdered(operator, left, right);
  const end = comparable(upper, kind, source, byDay);
  return end === undefined ? undefined : left >= right && left <= end;
}

/** The value itself, or the one in a list of one; a list of several has no place in a comparison of two. */
function onlyOne(value: unknown): unknown {
  if (!Array.isArray(value)) return value;
  return value.length === 1 ? value[0] : undefined;
}

// ---------------------------------------------------------------------------------------------------------
// Configuration

/** Problems that keep a condition from being published, with their paths in it. [] when it may work. */
export function checkCondition(condition: Condition, known: Known, path = ''): Problem[] {
  return condition.items.flatMap((item, index) => {
    const at = `${path}items.${index}`;
    return 'op' in item ? checkCondition(item, known, `${at}.`) : checkRule(item, known, at);
  });
}

function checkRule(rule: ConditionRule, known: Known, path: string): Problem[] {
  const reference = parseReference(rule.left);
  if (!reference) return [{ code: 'reference_invalid', params: { reference: rule.left }, path: `${path}.left` }];
  const problem = checkReference(reference, known);
  if (problem) return [{ ...problem, path: `${path}.left` }];
  const field = referenceField(reference, known);
  if (!field) return [{ code: 'field_unknown', params: { reference: reference.written }, path: `${path}.left` }];
  if (!operatorsFor(field).includes(rule.operator)) {
    return [{ code: 'operator_not_allowed', params: { field: field.name, operator: rule.operator }, path: `${path}.operator` }];
  }
  if (operatorsWithoutValue.has(rule.operator)) return [];
  const problems = checkValue(rule.value, rule.operator, field, known, `${path}.value`);
  if (withTwoValues.has(rule.operator)) problems.push(...checkValue(rule.valueTo, rule.operator, field, known, `${path}.valueTo`));
  return problems;
}

function checkValue(value: ConditionValue | undefined, operator: ConditionOperator, field: FieldInfo, known: Known, path: string): Problem[] {
  const params = { field: field.name };
  const ref = refOf(value);
  if (ref !== undefined) {
    const reference = parseReference(ref);
    if (!reference) return [{ code: 'reference_invalid', params: { reference: ref }, path }];
    const problem = checkReference(reference, known);
    if (problem) return [{ ...problem, path }];
    const other = referenceField(reference, known);
    if (operator === 'timeBetween' || (other && !areComparable(field.kind, other.kind))) {
      return [{ code: 'values_not_comparable', params: { field: field.name, other: other?.name ?? reference.written }, path }];
    }
    return [];
  }
  if (isEmptyValue(value)) return [{ code: 'value_missing', params, path }];
  if (Array.isArray(value) && !withList.has(operator)) return [{ code: 'value_wrong', params, path }];
  const fits = listOf(value).every((one) => (operator === 'timeBetween' ? minuteOfDay(one) !== undefined : fitsKind(one, field)));
  return fits ? [] : [{ code: 'value_wrong', params, path }];
}

function fitsKind(value: unknown, field: FieldInfo): boolean {
  switch (classes[field.kind]) {
    case 'text':
      return typeof value === 'string' || typeof value === 'number';
    case 'number':
      return numberOf(value) !== undefined && typeof value !== 'boolean';
    case 'boolean':
      return booleanOf(value) !== undefined;
    case 'time':
      return isDay(value) || (field.kind === 'datetime' && instantOf(value) !== undefined);
    default: {
      const id = idOf(value);
      if (id === undefined) return false;
      return field.kind !== 'list' || !field.settings.options || field.settings.options.some((option) => option.id === id);
    }
  }
}

function areComparable(left: ValueKind, right: ValueKind): boolean {
  if (left === right) return true;
  const [a, b] = [classes[left], classes[right]];
  if (a === 'choice' || b === 'choice') {
    // An id kept in a text field, as in the recipe with «ID группового чата»; a person is no number.
    const other = a === 'choice' ? right : left;
    const choice = a === 'choice' ? left : right;
    return other === 'id' || (choice === 'chat' && (other === 'string' || other === 'number'));
  }
  return a === b || (a === 'text' && b === 'number') || (a === 'number' && b === 'text');
}

// ---------------------------------------------------------------------------------------------------------
// Explaining

/** Traces were written by `CompiledCondition.evaluate` and come back from the database unchanged. */
export function asTrace(stored: unknown): CompactTrace {
  // oxlint-disable-next-line typescript/consistent-type-assertions -- only robots write these columns.
  return stored as CompactTrace;
}

const noDocument = (): undefined => undefined;

/**
 * The facts that decided, in words: «Сумма 900 000 ₽ не больше 1 000 000 ₽». `lookup` gives the fields as they
 * are called now, in the reader's language; one that is gone is told by its code.
 */
export function explain(trace: CompactTrace, reader: Reader, names: Names, lookup: (reference: Reference) => FieldInfo | undefined): string {
  const facts: string[] = [];
  collectFacts(trace, reader, names, lookup, facts);
  return facts.join('; ');
}

function collectFacts(trace: CompactTrace, reader: Reader, names: Names, lookup: (reference: Reference) => FieldInfo | undefined, facts: string[]): void {
  if (!isGroupTrace(trace)) {
    facts.push(explainRule(trace, reader, names, lookup));
    return;
  }
  // What decided a group are its items that came out like the group itself: the one failing rule of an `and`.
  for (const item of trace[2]) {
    if (didHold(item) === (trace[1] === 1)) collectFacts(item, reader, names, lookup, facts);
  }
}

/** The field with the kind its reference casts it to; the present moment is no field, but has a name. */
function fieldToExplain(reference: Reference, field: FieldInfo | undefined, language: Reader['language']): FieldInfo | undefined {
  if (reference.source === 'system') {
    return { ...fieldOfKind(reference.code === 'Date' ? 'date' : 'datetime'), name: text(language, `robots.references.system.${reference.code}`) };
  }
  const kind = field && kindAfter(reference.cast, field.kind);
  return field && kind && kind !== field.kind ? { ...field, kind } : field;
}

/** The kind of a value whose field is gone. */
function kindSeen(value: TraceValue): ValueKind {
  if (typeof value === 'object' && value !== null && 'amount' in value) return 'money';
  return typeof value === 'number' ? 'number' : typeof value === 'boolean' ? 'boolean' : 'string';
}

/** What to call something that has no name any more: «Document:UF_GONE». */
function nameless(written: string): string {
  return written.replace(/^\{=|\}$/g, '');
}

function explainRule(trace: RuleTrace, reader: Reader, names: Names, lookup: (reference: Reference) => FieldInfo | undefined): string {
  const [left, operator, expected, actual, holds, reason] = trace;
  const { language } = reader;
  const fieldOf = (written: string): FieldInfo | undefined => {
    const reference = parseReference(written);
    return reference && fieldToExplain(reference, lookup(reference), language);
  };
  const found = fieldOf(left);
  const name = found?.name ?? nameless(left);
  if (reason === 'left_gone') return text(language, 'robots.conditions.left_gone', { field: name });
  // Gone since then: what the run saw is true all the same.
  const field = found ?? { ...fieldOfKind(kindSeen(actual)), name };
  if (reason === 'rule_broken') return text(language, 'robots.conditions.rule_broken', { field: name });
  if (reason === 'left_empty') return text(language, 'robots.conditions.left_empty', { field: name });
  if (reason === 'expected_empty') {
    if (typeof expected !== 'string') return text(language, 'robots.conditions.expected_missing', { field: name });
    const other = fieldOf(expected)?.name ?? nameless(expected);
    return text(language, 'robots.conditions.expected_empty', { field: name, other });
  }
  const kind = classes[field.kind];
  const currency = typeof actual === 'object' && actual !== null && 'currency' in actual ? actual.currency : undefined;
  const show = (value: TraceValue): string => {
    if (operator === 'timeBetween') return String(value);
    if (typeof value === 'object' && value !== null && !('amount' in value)) return value.map(show).join(', ');
    // A plain number is meant in the currency of the money it is compared with.
    const amount = field.kind === 'money' && currency !== undefined ? numberOf(value) : undefined;
    const full = amount !== undefined && !(typeof value === 'object' && value !== null) ? { amount, currency } : value;
    const printed = print(full, field, reader, { document: noDocument, names });
    return kind === 'text' ? text(language, 'robots.conditions.quoted', { value: printed }) : printed;
  };
  const isPair = withTwoValues.has(operator) && Array.isArray(expected);
  const params = {
    field: name,
    actual: field.kind === 'file' ? '' : show(actual),
    expected: show(isPair ? expected[0] ?? null : expected),
    expectedTo: isPair ? show(expected[1] ?? null) : '',
    kind,
  };
  if (reason) return text(language, `robots.conditions.${reason}`, params);
  return text(language, `robots.conditions.${operator}.${holds ? 'holds' : 'fails'}`, params);
}
