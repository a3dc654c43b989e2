import assert from 'node:assert/strict';
import { test } from 'node:test';
import { quietUntil } from './quiet.ts';

const night = { isOn: true, from: '22:00', until: '08:00', isWeekendQuiet: false };
const moscow = (local: string) => new Date(`${local}+03:00`);
const until = (quiet: typeof night, local: string) => quietUntil(quiet, 'Europe/Moscow', moscow(local))?.toISOString() ?? null;
const utc = (local: string) => moscow(local).toISOString();

test('quiet hours go over midnight and end where they say', () => {
  assert.equal(until(night, '2026-03-10T21:59'), null);
  assert.equal(until(night, '2026-03-10T22:00'), utc('2026-03-11T08:00'));
  assert.equal(until(night, '2026-03-11T07:59'), utc('2026-03-11T08:00'));
  assert.equal(until(night, '2026-03-11T08:00'), null);
  assert.equal(until({ ...night, from: '13:00', until: '14:00' }, '2026-03-10T13:30'), utc('2026-03-10T14:00'));
  assert.equal(until({ ...night, isOn: false }, '2026-03-10T23:00'), null);
});

test('a quiet weekend joins the nights around it', () => {
  const quiet = { ...night, isWeekendQuiet: true };
  assert.equal(until(quiet, '2026-03-13T23:00'), utc('2026-03-16T08:00'), 'Friday night to Monday morning');
  assert.equal(until(quiet, '2026-03-14T12:00'), utc('2026-03-16T08:00'));
  assert.equal(until({ ...quiet, from: '13:00', until: '14:00' }, '2026-03-15T12:00'), utc('2026-03-16T00:00'));
});

test('quiet all day is asked again later, and summer time moves the hour', () => {
  assert.ok(until({ ...night, from: '00:00', until: '00:00' }, '2026-03-10T12:00'));
  assert.equal(quietUntil(night, 'Europe/Berlin', new Date('2026-03-28T22:00:00Z'))?.toISOString(), '2026-03-29T06:00:00.000Z');
});
