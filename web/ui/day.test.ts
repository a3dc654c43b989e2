import assert from 'node:assert/strict';
import { test } from 'node:test';
import { dayWords, parseDay, parseTime } from './day.ts';

const now = new Date('2026-11-23T10:00:00Z');

test('a day is typed in the order of the language, with or without a year', () => {
  for (const [typed, language, day] of [
    ['10.03.2026', 'ru', '2026-03-10'], ['1.3', 'ru', '2026-03-01'], ['1.3.27', 'ru', '2027-03-01'], ['10/03/2026', 'ru', '2026-03-10'],
    ['3/10/2026', 'en', '2026-03-10'], ['3/1', 'en', '2026-03-01'], ['2026-3-1', 'en', '2026-03-01'], ['29.02.2028', 'ru', '2028-02-29'],
  ] as const) assert.equal(parseDay(typed, language, now), day, typed);
});

test('what is no day or no time stays as it was typed', () => {
  for (const typed of ['', '31.02.2026', '13.13.2026', 'завтра', '1', '29.02.2027']) assert.equal(parseDay(typed, 'ru', now), typed);
  for (const typed of ['', '24:00', '9:75', 'утром', '12345']) assert.equal(parseTime(typed), typed);
});

test('a day is shown as it is typed, and times take the short way', () => {
  assert.deepEqual([dayWords('2026-03-10', 'ru'), dayWords('2026-03-10', 'en'), dayWords('', 'ru')], ['10.03.2026', '03/10/2026', '']);
  assert.deepEqual(['9', '930', '9:30', '23.59', '0'].map(parseTime), ['09:00', '09:30', '09:30', '23:59', '00:00']);
});
