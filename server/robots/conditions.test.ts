import { test } from 'node:test';
import assert from 'node:assert/strict';
import { condition as schema, conditionOperators, type Condition, type ConditionOperator, type ConditionRule, type ConditionValue } from '../../shared/api/robots.ts';
import { textKeys } from '../../shared/messages.ts';
import { checkCondition, compileCondition, explain, operatorsFor, type GroupTrace, type RuleReason, type RuleTrace } from './conditions.ts';
import { parseReference, referenceField, type Known, type Reference } from './placeholders.ts';
import { valueKinds, type Reader } from './values.ts';
import { buildField, buildSource } from '../../test/support/value-source.ts';

const known: Known = {
  field: (reference) => {
    if (reference.source === 'document') return buildField(reference.code);
    return reference.code === 'phone' ? { code: 'phone', name: 'Телефон', kind: 'phone', isMultiple: true, settings: {} } : undefined;
  },
  robot: (id) => (id === 12 || id === 99 ? { title: 'Создать групповой чат', isBefore: true, result: (name) => (name === 'chatId' ? { name: 'ID чата', kind: 'chat' } : undefined) } : undefined),
};
const lookup = (reference: Reference) => referenceField(reference, known);
const reader: Reader = { language: 'ru', timeZone: 'Europe/Moscow', companyCurrency: 'RUB' };
const { names } = buildSource();
const plain = (text: string) => text.replace(/[\u00a0\u202f]/g, ' ');

const at = (field: string): string => (field.includes(':') ? `{=${field}}` : `{=Document:${field}}`);
const rule = (left: string, operator: ConditionOperator, value?: ConditionValue, valueTo?: ConditionValue): ConditionRule => ({
  left: at(left), operator, ...(value === undefined ? {} : { value }), ...(valueTo === undefined ? {} : { valueTo }),
});
const only = (one: ConditionRule): Condition => ({ op: 'and', items: [one] });
const evaluate = (condition: Condition, values: Record<string, unknown> = {}) => compileCondition(condition, lookup).evaluate(buildSource(values));
const ref = (field: string): ConditionValue => ({ ref: at(field) });

/** Milliseconds this process has computed: unlike the clock on the wall, the same on a busy machine. */
function computedMs(): number {
  const { user, system } = process.cpuUsage();
  return (user + system) / 1000;
}

test('rules hold or not', () => {
  const table: [ConditionRule, Record<string, unknown>, boolean, RuleReason?][] = [
    // Numbers and money
    [rule('amount', 'greater', 1_000_000), { amount: 1_000_000 }, false],
    [rule('amount', 'greater', 1_000_000), { amount: 1_000_000.01 }, true],
    [rule('amount', 'greaterOrEqual', 1_000_000), { amount: 1_000_000 }, true],
    [rule('amount', 'less', 10), { amount: 9 }, true],
    [rule('amount', 'lessOrEqual', 10), { amount: 10 }, true],
    [rule('amount', 'equals', '1 200 000,00'), {}, true],
    [rule('amount', 'notEquals', 5), {}, true],
    [rule('amount', 'between', 100, 200), { amount: 100 }, true],
    [rule('amount', 'between', 100, 200), { amount: 200 }, true],
    [rule('amount', 'between', 100, 200), { amount: 200.01 }, false],
    [rule('amount', 'between', 200, 100), { amount: 150 }, false],
    [rule('score', 'in', [1, 5]), {}, true],
    [rule('score', 'notIn', [1, 5]), {}, false],
    [rule('score', 'equals', 0), { score: 0 }, true],
    [rule('amount', 'less', 'много'), {}, false, 'not_comparable'],
    [rule('amount', 'notEquals', 'много'), {}, false, 'not_comparable'],
    [rule('score', 'greater', ref('amount')), {}, false],
    [rule('amount', 'greater', ref('score')), {}, true],
    [rule('amount', 'greater', ref('limit')), {}, false, 'currency_differs'],
    [rule('amount', 'greater', ref('limit')), { currency: 'USD' }, true],
    // Empty never widens
    [rule('amount', 'less', 1_000_000), { amount: null }, false, 'left_empty'],
    [rule('amount', 'between', 0, 10), { amount: null }, false, 'left_empty'],
    [rule('amount', 'equals', 0), { amount: null }, false, 'left_empty'],
    [rule('amount', 'notEquals', 5), { amount: null }, true, 'left_empty'],
    [rule('amount', 'less', ref('limit')), { limit: null }, false, 'expected_empty'],
    [rule('amount', 'notEquals', ref('limit')), { limit: null }, false, 'expected_empty'],
    [rule('title', 'contains', ref('note')), {}, false, 'expected_empty'],
    [rule('title', 'notContains', ref('note')), {}, false, 'expected_empty'],
    [rule('title', 'notIn', []), {}, false, 'expected_empty'],
    [rule('title', 'contains', '  '), {}, false, 'expected_empty'],
    [rule('title', 'contains', ref('gone')), {}, false, 'expected_empty'],
    [rule('amount', 'between', 1, ref('limit')), { limit: null }, false, 'expected_empty'],
    [rule('note', 'equals', ref('note')), {}, false, 'expected_empty'],
    [rule('gone', 'empty'), {}, false, 'left_gone'],
    [rule('gone', 'notEquals', 1), {}, false, 'left_gone'],
    // Texts
    [rule('title', 'equals', 'крыша'), { title: ' КРЫША ' }, true],
    [rule('title', 'contains', 'ПОД'), {}, true],
    [rule('title', 'notContains', 'дверь'), {}, true],
    [rule('title', 'contains', ['дверь', 'крыша']), {}, true],
    [rule('title', 'notContains', ['дверь', 'крыша']), {}, false],
    [rule('title', 'in', ['Крыша', 'Дверь']), { title: 'дверь' }, true],
    [rule('title', 'in', ['Двери']), { title: 'дверь' }, false],
    [rule('title', 'equals', 'й'), { title: 'й'.normalize('NFD') }, true],
    [rule('note', 'notEquals', 'x'), {}, true, 'left_empty'],
    [rule('note', 'notContains', 'x'), {}, true, 'left_empty'],
    [rule('note', 'contains', 'x'), {}, false, 'left_empty'],
    [rule('tags', 'contains', 'опт'), {}, true],
    [rule('tags', 'contains', 'пт'), {}, true],
    [rule('tags', 'notContains', 'север'), {}, true],
    [rule('tags', 'equals', 'Опт'), {}, false, 'rule_broken'],
    [rule('Contact:phone', 'contains', '+7 (900) 123'), {}, true],
    [rule('Company:phone', 'contains', '900'), {}, false, 'left_empty'],
    [rule('Company:phone', 'empty'), {}, true],
    // Filled
    [rule('note', 'empty'), {}, true],
    [rule('note', 'empty'), { note: '  ' }, true],
    [rule('note', 'filled'), {}, false],
    [rule('files', 'filled'), {}, true],
    [rule('files', 'filled'), { files: [] }, false],
    [rule('amount', 'filled'), { amount: 0 }, true],
    [rule('A99:chatId', 'empty'), {}, true],
    [rule('A12:chatId', 'filled'), {}, true],
    // Checkboxes
    [rule('urgent', 'equals', false), {}, true],
    [rule('urgent', 'equals', true), {}, false],
    [rule('urgent', 'notEquals', true), { urgent: null }, true],
    [rule('urgent', 'equals', true), { urgent: true }, true],
    [rule('urgent', 'equals', 'Y'), { urgent: 'Y' }, true],
    // Choices
    [rule('ownerId', 'equals', 7), {}, true],
    [rule('ownerId', 'equals', '7'), {}, true],
    [rule('ownerId', 'notEquals', 7), { ownerId: null }, true, 'left_empty'],
    [rule('ownerId', 'equals', ref('creatorId')), {}, false],
    [rule('ownerId', 'equals', ref('creatorId')), { creatorId: 7 }, true],
    [rule('ownerId', 'equals', ref('observerIds')), {}, false, 'not_comparable'],
    [rule('ownerId', 'in', ref('observerIds')), { ownerId: 9 }, true],
    [rule('stageId', 'in', [1, 2, 3]), {}, true],
    [rule('source', 'notIn', [1]), {}, true],
    [rule('observerIds', 'contains', 8), {}, true],
    [rule('observerIds', 'contains', 7), {}, false],
    [rule('observerIds', 'notContains', [7, 8]), {}, false],
    [rule('UF_CHAT', 'equals', ref('A12:chatId')), {}, true],
    // Days and moments. The company is in Moscow, UTC+3.
    [rule('closesOn', 'equals', '2026-12-01'), {}, true],
    [rule('closesOn', 'less', ref('System:Date')), {}, false],
    [rule('closesOn', 'greater', ref('createdAt')), {}, true],
    [rule('closesOn', 'between', '2026-12-01', '2026-12-31'), {}, true],
    [rule('beginsOn', 'less', '2026-12-01'), {}, false, 'left_empty'],
    [rule('createdAt', 'equals', '2026-11-24'), {}, true],
    [rule('createdAt', 'equals', '2026-11-25'), { createdAt: '2026-11-24T21:00:00.000Z' }, true],
    [rule('createdAt', 'lessOrEqual', '2026-11-24'), { createdAt: '2026-11-24T20:59:59.000Z' }, true],
    [rule('createdAt', 'greater', '2026-11-24'), { createdAt: '2026-11-24T20:59:59.000Z' }, false],
    [rule('createdAt', 'equals', '2026-11-24T10:05:00Z'), {}, true],
    [rule('createdAt', 'greater', '2026-11-24T10:05:00Z'), {}, false],
    [rule('createdAt', 'less', ref('System:Now')), {}, true],
    [rule('createdAt > date', 'equals', '2026-11-24'), {}, true],
    [rule('closesOn', 'equals', 'завтра'), {}, false, 'not_comparable'],
    // Time of day on the company's clock
    [rule('createdAt', 'timeBetween', '13:05', '13:05'), {}, true],
    [rule('createdAt', 'timeBetween', '09:00', '13:04'), {}, false],
    [rule('createdAt', 'timeBetween', '20:00', '08:00'), {}, false],
    [rule('createdAt', 'timeBetween', '20:00', '08:00'), { createdAt: '2026-11-24T17:00:00Z' }, true],
    [rule('createdAt', 'timeBetween', '20:00', '08:00'), { createdAt: '2026-11-24T05:00:30Z' }, true],
    [rule('createdAt', 'timeBetween', '20:00', '08:00'), { createdAt: '2026-11-24T05:01:00Z' }, false],
    [rule('createdAt', 'timeBetween', '25:00', '08:00'), {}, false, 'not_comparable'],
  ];
  for (const [one, values, holds, reason] of table) {
    const outcome = evaluate(only(one), values);
    const label = JSON.stringify([one, values]);
    assert.equal(outcome.holds, holds, label);
    const [, , [proof]] = outcome.trace as GroupTrace;
    assert.equal((proof as RuleTrace)[5], reason, label);
  }
});

test('groups: and, or, nested', () => {
  const yes = rule('score', 'equals', 5);
  const no = rule('score', 'equals', 6);
  const table: [Condition, boolean][] = [
    [{ op: 'and', items: [yes, yes] }, true],
    [{ op: 'and', items: [yes, no] }, false],
    [{ op: 'or', items: [no, yes] }, true],
    [{ op: 'or', items: [no, no] }, false],
    [{ op: 'or', items: [{ op: 'and', items: [yes, no] }, { op: 'and', items: [yes, yes] }] }, true],
    [{ op: 'and', items: [{ op: 'or', items: [no, yes] }, { op: 'or', items: [no, no] }] }, false],
  ];
  for (const [condition, holds] of table) {
    for (const isThorough of [false, true]) assert.equal(compileCondition(condition, lookup).evaluate(buildSource(), isThorough).holds, holds, JSON.stringify(condition));
  }
});

test('the trace is small, stops when all is decided, and a thorough one tells everything', () => {
  const condition: Condition = { op: 'and', items: [rule('amount', 'greater', 1_000_000), rule('ownerId', 'equals', 7)] };
  const source = buildSource({ amount: 900_000 });
  assert.deepEqual(compileCondition(condition, lookup).evaluate(source).trace,
    ['and', 0, [['{=Document:amount}', 'greater', 1_000_000, { amount: 900_000, currency: 'RUB' }, 0]]]);
  assert.deepEqual(compileCondition(condition, lookup).evaluate(source, true).trace,
    ['and', 0, [['{=Document:amount}', 'greater', 1_000_000, { amount: 900_000, currency: 'RUB' }, 0], ['{=Document:ownerId}', 'equals', 7, 7, 1]]]);
  const long = evaluate(only(rule('note', 'contains', 'x'.repeat(4000))), { note: '😀'.repeat(50_000) });
  assert.ok(JSON.stringify(long.trace).length < 500);
  assert.ok(JSON.stringify(long.trace).isWellFormed());
  assert.ok(JSON.stringify(evaluate(only(rule('tags', 'contains', 'x')), { tags: Array(5000).fill('y') }).trace).length < 300);
});

test('a trace reads like a sentence, also after a trip through JSON', () => {
  const table: [Condition | ConditionRule, Record<string, unknown>, string][] = [
    [rule('amount', 'greater', 1_000_000), { amount: 900_000 }, 'Сумма 900 000 ₽ не больше 1 000 000 ₽'],
    [rule('amount', 'greater', 1_000_000), {}, 'Сумма 1 200 000 ₽ больше 1 000 000 ₽'],
    [rule('amount', 'lessOrEqual', 5), { currency: 'USD' }, 'Сумма 1 200 000 $ больше 5 $'],
    [rule('amount', 'greater', ref('limit')), {}, 'Сумма 1 200 000 ₽ и 100 $ в разных валютах, сравнить нельзя'],
    [rule('amount', 'between', 1, 2), {}, 'Сумма 1 200 000 ₽: не от 1 ₽ до 2 ₽'],
    [rule('amount', 'less', 5), { amount: null }, 'Поле «Сумма» не заполнено'],
    [rule('amount', 'less', ref('limit')), { limit: null }, 'Поле «Сумма» не с чем сравнить: поле «Лимит» не заполнено'],
    [rule('closesOn', 'greater', '2026-12-31'), {}, 'Дата завершения 01.12.2026 не позже 31.12.2026'],
    [rule('createdAt', 'timeBetween', '20:00', '08:00'), {}, 'Дата создания: время 13:05, не между 20:00 и 08:00'],
    [rule('title', 'contains', 'дверь'), { title: 'Крыша' }, 'Название: «Крыша», не содержит «дверь»'],
    [rule('ownerId', 'equals', 8), {}, 'Ответственный: Анна Смирнова, а не Пётр Ильин'],
    [rule('ownerId', 'in', [8, 9]), {}, 'Ответственный: Анна Смирнова, этого нет среди: Пётр Ильин, Ольга Ким'],
    [rule('source', 'equals', 2), {}, 'Источник: Звонок'],
    [rule('urgent', 'equals', true), {}, 'Срочно: нет, а не да'],
    [rule('files', 'filled'), {}, 'Поле «Файлы» заполнено'],
    [rule('gone', 'filled'), {}, 'Поля «Document:gone» больше нет, условие не может выполниться'],
    [{ op: 'and', items: [rule('score', 'equals', 5), { op: 'or', items: [rule('amount', 'less', 5), rule('urgent', 'equals', true)] }] }, {},
      'Сумма 1 200 000 ₽ не меньше 5 ₽; Срочно: нет, а не да'],
    [{ op: 'or', items: [rule('amount', 'less', 5), rule('source', 'equals', 2)] }, {}, 'Источник: Звонок'],
    [rule('System:Now', 'timeBetween', '20:00', '08:00'), {}, 'Сейчас: время 00:30, между 20:00 и 08:00'],
    [rule('createdAt > date', 'equals', '2026-11-25'), {}, 'Дата создания: 24.11.2026, а не 25.11.2026'],
    [rule('A12:chatId', 'equals', ref('UF_CHAT')), {}, 'ID чата: Сделка: Крыша'],
  ];
  for (const [given, values, sentence] of table) {
    const { trace } = evaluate('op' in given ? given : only(given), values);
    assert.deepEqual(JSON.parse(JSON.stringify(trace)), trace);
    assert.equal(plain(explain(trace, reader, names, lookup)), sentence);
  }
  const { trace } = evaluate(only(rule('amount', 'greater', 1_000_000)), { amount: 900_000 });
  // The field was deleted after the run: what the run saw is told all the same.
  assert.match(plain(explain(trace, reader, names, () => undefined)), /^Document:amount .*900.* не больше /);
  assert.equal(plain(explain(trace, { ...reader, language: 'en' }, names, lookup)), 'Сумма RUB 900,000 is not more than RUB 1,000,000');
});

test('every operator of every kind can be said in both languages', () => {
  const keys = new Set(textKeys('ru'));
  for (const operator of conditionOperators) {
    assert.ok(keys.has(`robots.operators.${operator}`));
    for (const outcome of ['holds', 'fails']) assert.ok(keys.has(`robots.conditions.${operator}.${outcome}`), operator);
  }
  for (const kind of valueKinds) for (const isMultiple of [false, true]) assert.ok(operatorsFor({ kind, isMultiple }).length >= 2, kind);
});

test('a condition that cannot work is refused with the place of the fault', () => {
  const table: [ConditionRule, string | undefined, string?][] = [
    [rule('amount', 'greater', 1_000_000), undefined],
    [rule('amount', 'greater', '1000'), undefined],
    [rule('amount', 'greater'), 'value_missing', 'items.0.value'],
    [rule('amount', 'greater', ''), 'value_missing', 'items.0.value'],
    [rule('amount', 'greater', true), 'value_wrong', 'items.0.value'],
    [rule('amount', 'greater', [1]), 'value_wrong', 'items.0.value'],
    [rule('amount', 'greater', 'abc'), 'value_wrong', 'items.0.value'],
    [rule('amount', 'contains', 1), 'operator_not_allowed', 'items.0.operator'],
    [rule('amount', 'between', 1), 'value_missing', 'items.0.valueTo'],
    [rule('amount', 'greater', ref('title')), undefined],
    [rule('amount', 'greater', ref('ownerId')), 'values_not_comparable', 'items.0.value'],
    [rule('amount', 'greater', ref('gone')), 'field_unknown', 'items.0.value'],
    [rule('amount', 'greater', { ref: 'сумма' }), 'reference_invalid', 'items.0.value'],
    [rule('gone', 'filled'), 'field_unknown', 'items.0.left'],
    [{ left: 'amount', operator: 'filled' }, 'reference_invalid', 'items.0.left'],
    [rule('A77:chatId', 'filled'), 'robot_unknown', 'items.0.left'],
    [rule('A12:gone', 'filled'), 'result_unknown', 'items.0.left'],
    [rule('A12:chatId', 'equals', ref('UF_CHAT')), undefined],
    [rule('ownerId', 'equals', ref('score')), 'values_not_comparable', 'items.0.value'],
    [rule('ownerId', 'in', [7, 8]), undefined],
    [rule('ownerId', 'equals', 'Анна'), 'value_wrong', 'items.0.value'],
    [rule('source', 'in', [1, 9]), 'value_wrong', 'items.0.value'],
    [rule('closesOn', 'less', '2026-12-01'), undefined],
    [rule('closesOn', 'less', '2026-12-01T10:00:00Z'), 'value_wrong', 'items.0.value'],
    [rule('createdAt', 'less', '2026-12-01T10:00:00Z'), undefined],
    [rule('createdAt', 'timeBetween', '20:00', '08:00'), undefined],
    [rule('createdAt', 'timeBetween', '20:00', '24:00'), 'value_wrong', 'items.0.valueTo'],
    [rule('closesOn', 'timeBetween', '20:00', '08:00'), 'operator_not_allowed', 'items.0.operator'],
    [rule('files', 'contains', 'x'), 'operator_not_allowed', 'items.0.operator'],
    [rule('tags', 'contains', 'x'), undefined],
    [rule('urgent', 'equals', true), undefined],
    [rule('urgent', 'filled'), 'operator_not_allowed', 'items.0.operator'],
  ];
  const keys = new Set(textKeys('ru'));
  for (const [one, code, path] of table) {
    const [problem] = checkCondition(only(one), known);
    assert.deepEqual([problem?.code, problem?.path], [code, path], JSON.stringify(one));
    if (code) assert.ok(keys.has(`robots.problems.${code}`), code);
  }
  const nested: Condition = { op: 'and', items: [rule('score', 'filled'), { op: 'or', items: [rule('score', 'filled'), rule('gone', 'filled')] }] };
  assert.equal(checkCondition(nested, known)[0]?.path, 'items.1.items.1.left');
});

test('the schema takes five levels and a hundred rules, and nothing else', () => {
  const nested = (depth: number): Condition => (depth === 1 ? only(rule('amount', 'filled')) : { op: 'or', items: [nested(depth - 1)] });
  const many = (count: number): Condition => ({ op: 'and', items: Array.from({ length: count }, () => rule('amount', 'filled')) });
  const valid: unknown[] = [nested(5), many(100), only(rule('ownerId', 'in', [1, 'x'])), only(rule('amount', 'less', ref('limit')))];
  let abyss: unknown = rule('amount', 'filled');
  for (let depth = 0; depth < 5000; depth++) abyss = { op: 'and', items: [abyss] };
  const invalid: unknown[] = [
    nested(6), many(101), { op: 'or', items: [many(60), many(60)] }, { op: 'xor', items: [rule('amount', 'filled')] }, { op: 'and', items: [] }, {}, null, [], abyss,
    only({ ...rule('amount', 'filled'), operator: 'like' as ConditionOperator }), { op: 'and', items: [{ ...rule('amount', 'filled'), extra: 1 }] },
    only(rule('amount', 'less', { ref: 5 } as unknown as ConditionValue)), only(rule('title', 'equals', 'x'.repeat(4001))), only(rule('amount', 'less', Number.NaN)),
  ];
  for (const [index, one] of valid.entries()) assert.equal(schema.safeParse(one).success, true, `valid ${index}`);
  for (const [index, one] of invalid.entries()) assert.equal(schema.safeParse(one).success, false, `invalid ${index}`);
});

test('what a condition reads is known beforehand, and evaluating it is fast', () => {
  const compiled = compileCondition({ op: 'and', items: [rule('amount', 'greater', 1_000_000), rule('ownerId', 'equals', ref('creatorId'))] }, lookup);
  assert.deepEqual(compiled.references.map((r) => r.code), ['amount', 'ownerId', 'creatorId']);
  const source = buildSource();
  const started = computedMs();
  for (let i = 0; i < 20_000; i++) compiled.evaluate(source);
  assert.ok(computedMs() - started < 5000);
  assert.ok(parseReference('{=Document:amount}'));
});
