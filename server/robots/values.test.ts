import { test } from 'node:test';
import assert from 'node:assert/strict';
import { booleanOf, dayOf, fieldOfKind, idOf, instantOf, isDay, isEmptyValue, numberOf, print, valueKinds, type FieldInfo, type Reader, type ValueKind } from './values.ts';
import { buildSource } from '../../test/support/value-source.ts';

const ru: Reader = { language: 'ru', timeZone: 'Europe/Moscow', companyCurrency: 'RUB' };
const en: Reader = { language: 'en', timeZone: 'America/New_York', companyCurrency: 'USD' };
const source = buildSource();
const field = (kind: ValueKind, settings: FieldInfo['settings'] = {}): FieldInfo => ({ code: 'x', name: 'X', kind, isMultiple: false, settings });
/** No-break spaces are Intl's; here they would only make the table unreadable. */
const plain = (printed: string) => printed.replace(/[\u00a0\u202f]/g, ' ');

test('values are printed for people, in their language and zone', () => {
  const list = field('list', { options: [{ id: 1, name: 'Опт' }, { id: 2, name: 'Розница' }] });
  const table: [unknown, FieldInfo, string, string][] = [
    [1_200_000, field('money'), '1 200 000 ₽', 'RUB 1,200,000'],
    [1_200_000.5, field('money'), '1 200 000,50 ₽', 'RUB 1,200,000.50'],
    [{ amount: 10, currency: 'EUR' }, field('money'), '10 €', '€10'],
    [10, field('money', { currency: 'USD' }), '10 $', '$10'],
    [10, field('money', { currency: 'бонус' }), '10 бонус', '10 бонус'],
    [0, field('money'), '0 ₽', 'RUB 0'],
    [2026, field('number'), '2026', '2026'],
    [1_234_567.891, field('number', { decimals: 2 }), '1 234 567,89', '1,234,567.89'],
    [0.1 + 0.2, field('number'), '0,3', '0.3'],
    ['2026-11-24', field('date'), '24.11.2026', 'Nov 24, 2026'],
    ['2026-11-24', field('datetime'), '24.11.2026', 'Nov 24, 2026'],
    ['2026-11-24T22:30:00.000Z', field('datetime'), '25.11.2026 01:30', 'Nov 24, 2026, 5:30 PM'],
    [new Date('2026-11-24T22:30:00Z'), field('datetime'), '25.11.2026 01:30', 'Nov 24, 2026, 5:30 PM'],
    ['2026-11-24T22:30:00.000Z', field('date'), '25.11.2026', 'Nov 24, 2026'],
    [true, field('boolean'), 'да', 'yes'],
    ['N', field('boolean'), 'нет', 'no'],
    [null, field('boolean'), 'нет', 'no'],
    [2, list, 'Розница', 'Розница'],
    [[1, 2], list, 'Опт, Розница', 'Опт, Розница'],
    [9, list, 'удалённый вариант списка', 'deleted list option'],
    [7, field('employee'), 'Анна Смирнова', 'Анна Смирнова'],
    [[7, 404], field('employee'), 'Анна Смирнова, удалённый сотрудник', 'Анна Смирнова, deleted employee'],
    [404, field('contact'), 'удалённый контакт', 'deleted contact'],
    [404, field('chat'), 'удалённый чат', 'deleted chat'],
    [404, field('id'), '404', '404'],
    [12345678, field('id'), '12345678', '12345678'],
    ['[b]Крыша[/b]', field('string'), '[b]Крыша[/b]', '[b]Крыша[/b]'],
    [[{ value: '+79001234567', type: 'work' }], field('phone'), '+79001234567', '+79001234567'],
    ['скоро', field('date'), 'скоро', 'скоро'],
  ];
  for (const [value, info, inRussian, inEnglish] of table) {
    assert.equal(plain(print(value, info, ru, source)), inRussian, `${info.kind} ${JSON.stringify(value)}`);
    assert.equal(plain(print(value, info, en, source)), inEnglish, `${info.kind} ${JSON.stringify(value)}`);
  }
});

test('money of an item without a currency is in the company\'s', () => {
  assert.equal(plain(print(5, field('money'), en, { ...source, document: () => undefined })), '$5');
});

test('nothing is printed as null, an array or an object, whatever the kind and the value', () => {
  const odd: unknown[] = [null, undefined, '', '  ', [], [null], [[]], {}, { a: 1 }, Number.NaN, Number.POSITIVE_INFINITY, 0, -1, 'x', true, new Date(Number.NaN), () => 1, Symbol.iterator.toString()];
  for (const kind of valueKinds) {
    for (const value of odd) {
      const printed = print(value, field(kind), ru, source);
      assert.doesNotMatch(printed, /null|undefined|object|Array|NaN|Invalid|=>/, `${kind} of ${String(value)}`);
    }
    if (kind !== 'boolean') for (const value of [null, undefined, '', '  ', [], [null]]) assert.equal(print(value, field(kind), ru, source), '', kind);
  }
});

test('what is empty: nothing, spaces, lists of nothing; not false and not zero', () => {
  for (const value of [null, undefined, '', ' \n', [], [null, ''], Number.NaN]) assert.equal(isEmptyValue(value), true, String(value));
  for (const value of [0, false, 'x', [0], {}]) assert.equal(isEmptyValue(value), false, String(value));
});

test('values are read strictly', () => {
  assert.deepEqual(['1 200,50', '1\u00a0000', '-.5', '1e3', '12 шт', '', '0x10', '1.2.3'].map(numberOf), [1200.5, 1000, -0.5, undefined, undefined, undefined, undefined, undefined]);
  assert.deepEqual(['Y', 'n', '1', 0, 'да'].map(booleanOf), [true, false, true, false, undefined]);
  assert.deepEqual(['7', 7, '7a', 0, -1, 1.5, '', '99999999999999999'].map(idOf), [7, 7, undefined, undefined, undefined, undefined, undefined, undefined]);
  assert.deepEqual(['2026-02-28', '2026-13-01', '2026-1-1', '2026-02-30', '2028-02-29'].map(isDay), [true, false, false, false, true]);
  assert.deepEqual(['2026-02-28', '2026-02-28T10:00:00Z', 'tomorrow'].map(instantOf), [undefined, Date.UTC(2026, 1, 28, 10), undefined]);
});

test('a day is the day of the zone, also around a change of clocks', () => {
  assert.equal(dayOf(Date.parse('2026-11-24T21:00:00Z'), 'Europe/Moscow'), '2026-11-25');
  assert.equal(dayOf(Date.parse('2026-03-29T00:59:00Z'), 'Europe/Berlin'), '2026-03-29');
  assert.equal(dayOf(Date.parse('2026-10-25T22:59:59Z'), 'Europe/Berlin'), '2026-10-25');
  assert.equal(dayOf(Date.parse('2026-10-25T23:00:00Z'), 'Europe/Berlin'), '2026-10-26');
  assert.equal(dayOf(Date.parse('2026-11-24T21:00:00Z'), 'Mars/Base'), '2026-11-24');
});

test('a description of a bare value is made once', () => {
  assert.equal(fieldOfKind('chat', 'chatId'), fieldOfKind('chat', 'chatId'));
});
