import assert from 'node:assert/strict';
import { test } from 'node:test';
import { areSameValues, idsOf, isEmptyValue, listOf, localOf, momentOf, numberForEdit, parseNumber, phoneLink } from './value.ts';

test('numbers are read as people write them', () => {
  const cases: [string, number | string | null][] = [
    ['1 200 000', 1_200_000], ['1\u00a0200\u202f000,50', 1_200_000.5], ['1,200,000.50', 1_200_000.5], ['1.200.000,50', 1_200_000.5], ['1200,5', 1200.5], ['1,200,000', 1_200_000],
    ['-3', -3], ['+3', 3], ['.5', 0.5], ["1'000", 1000], ['', null], ['  ', null], ['12 руб', '12 руб'], ['1e5', '1e5'], ['--1', '--1'], ['Infinity', 'Infinity'],
  ];
  for (const [typed, value] of cases) assert.equal(parseNumber(typed), value, typed);
  assert.equal(numberForEdit(1200.5, ','), '1200,5');
  assert.equal(numberForEdit(null, ','), '');
});

test('a moment goes to the time of a place and back, also around changes of the clock', () => {
  assert.equal(localOf('2026-03-10T09:30:00.000Z', 'Europe/Moscow'), '2026-03-10T12:30');
  assert.equal(localOf('2026-03-10T21:00:00.000Z', 'Europe/Moscow'), '2026-03-11T00:00');
  for (const zone of ['Europe/Moscow', 'Europe/Berlin', 'America/New_York', 'Asia/Kathmandu', 'Pacific/Kiritimati', 'UTC']) {
    for (let hour = 0; hour < 24 * 366; hour += 7) {
      const moment = new Date(Date.UTC(2026, 0, 1, hour, 30)).toISOString();
      const back = momentOf(localOf(moment, zone), zone);
      // The hour that comes twice in autumn has one of two meanings.
      assert.ok(back === moment || localOf(back, zone) === localOf(moment, zone), `${zone} ${moment} ${back}`);
    }
  }
  assert.equal(localOf(momentOf('2026-03-29T02:30', 'Europe/Berlin'), 'Europe/Berlin').slice(0, 10), '2026-03-29');
  assert.equal(momentOf('', 'UTC'), null);
  assert.equal(momentOf('завтра', 'UTC'), null);
  assert.equal(localOf('чепуха', 'UTC'), '');
});

test('empty, same and several', () => {
  for (const empty of [null, undefined, '', []]) assert.ok(isEmptyValue(empty));
  for (const full of [0, false, 'a', [1]]) assert.ok(!isEmptyValue(full));
  assert.deepEqual(listOf(['a', '', null]), ['a']);
  assert.deepEqual(idsOf([1, 'x', 2]), [1, 2]);
  assert.ok(areSameValues(null, []));
  assert.ok(areSameValues([1, 2], [1, 2]));
  assert.ok(!areSameValues([1, 2], [2, 1]));
  assert.equal(phoneLink('+7 (900) 123-45-67'), 'tel:+79001234567');
});
