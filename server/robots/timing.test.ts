import { test } from 'node:test';
import assert from 'node:assert/strict';
import { DateTime } from 'luxon';
import { timing as schema, timingWithMinDelay, type Timing } from '../../shared/api/robots.ts';
import { hasText } from '../../shared/messages.ts';
import type { Interval, WorkingCalendar } from '../people/people.ts';
import type { Known } from './placeholders.ts';
import { checkTiming, compileTiming, type Absence } from './timing.ts';
import { buildField, buildSource } from '../../test/support/value-source.ts';

const moscow = 'Europe/Moscow';
const nineToSix: readonly Interval[] = [['09:00', '18:00']];

function buildCalendar(rest: { timeZone?: string; weekday?: readonly Interval[]; saturday?: readonly Interval[]; days?: Record<string, readonly Interval[]> } = {}): WorkingCalendar {
  const weekday = rest.weekday ?? nineToSix;
  return {
    timeZone: rest.timeZone ?? moscow,
    weekly: { 1: weekday, 2: weekday, 3: weekday, 4: weekday, 5: weekday, 6: rest.saturday ?? [], 7: [] },
    days: new Map(Object.entries(rest.days ?? {})),
  };
}

interface Case {
  timing: Timing;
  /** Local time of the company: '2026-11-24T10:00'. The present moment is the same unless given. */
  arrived: string;
  now?: string;
  date?: unknown;
  calendar?: WorkingCalendar;
  zone?: string;
  absences?: readonly [string, string][];
  ownerZone?: string | null;
  /** Local time of the company, or a failure. */
  due: string;
}

function planOf(one: Case): string {
  const zone = one.zone ?? one.calendar?.timeZone ?? moscow;
  const moment = (local: string): Date => DateTime.fromISO(local, { zone }).toJSDate();
  const ownerAbsences: Absence[] = (one.absences ?? []).map(([from, to]) => ({ startsAt: moment(from), endsAt: moment(to) }));
  const plan = compileTiming(one.timing).plan({
    arrivedAt: moment(one.arrived),
    now: moment(one.now ?? one.arrived),
    source: buildSource('date' in one ? { closesOn: one.date, createdAt: one.date } : {}, { timeZones: { company: zone, owner: one.ownerZone === null ? undefined : one.ownerZone ?? zone } }),
    calendar: one.calendar ?? buildCalendar({ timeZone: zone }),
    ownerAbsences,
  });
  if ('failure' in plan) return plan.failure;
  return DateTime.fromJSDate(plan.dueAt, { zone }).toFormat("yyyy-MM-dd'T'HH:mm");
}

function check(cases: readonly Case[]): void {
  for (const one of cases) assert.equal(planOf(one), one.due, JSON.stringify({ ...one, calendar: one.calendar && Object.fromEntries(one.calendar.days) }));
}

const now: Timing = { kind: 'now' };
const after = (amount: number, unit: 'minutes' | 'hours' | 'days', workingHours?: 'company' | 'owner'): Timing => ({ kind: 'after', amount, unit, workingHours });
const closesOn = '{=Document:closesOn}';
const createdAt = '{=Document:createdAt}';
const afterDate = (amount: number, unit: 'minutes' | 'hours' | 'days', workingHours?: 'company' | 'owner', reference = closesOn): Timing => ({ kind: 'afterDate', reference, amount, unit, workingHours });
const beforeDate = (amount: number, unit: 'minutes' | 'hours' | 'days', workingHours?: 'company' | 'owner', reference = closesOn): Timing => ({ kind: 'beforeDate', reference, amount, unit, workingHours });
const at = (time?: string, workingHours?: 'company' | 'owner', reference = closesOn): Timing => ({ kind: 'at', reference, time, workingHours });

/** Milliseconds this process has computed: unlike the clock on the wall, the same on a busy machine. */
function computedMs(): number {
  const { user, system } = process.cpuUsage();
  return (user + system) / 1000;
}

test('at once and after a while', () => {
  check([
    { timing: now, arrived: '2026-11-24T10:00', due: '2026-11-24T10:00' },
    { timing: now, arrived: '2026-11-24T10:00', now: '2026-11-24T10:07', due: '2026-11-24T10:07' },
    { timing: after(90, 'minutes'), arrived: '2026-11-24T23:00', due: '2026-11-25T00:30' },
    { timing: after(3, 'hours'), arrived: '2026-12-31T22:00', due: '2027-01-01T01:00' },
    { timing: after(1, 'days'), arrived: '2028-02-28T12:00', due: '2028-02-29T12:00' },
    { timing: after(365, 'days'), arrived: '2028-02-29T12:00', due: '2029-02-28T12:00' },
    // Counted from the arrival, not from when a worker got to it.
    { timing: after(1, 'hours'), arrived: '2026-11-24T10:00', now: '2026-11-24T10:20', due: '2026-11-24T11:00' },
    { timing: after(1, 'hours'), arrived: '2026-11-24T10:00', now: '2026-11-24T15:00', due: '2026-11-24T15:00' },
  ]);
});

test('days keep the time of day and hours do not, when clocks change', () => {
  const zone = 'Europe/Berlin';
  check([
    { zone, timing: after(1, 'days'), arrived: '2026-03-28T12:00', due: '2026-03-29T12:00' },
    { zone, timing: after(24, 'hours'), arrived: '2026-03-28T12:00', due: '2026-03-29T13:00' },
    { zone, timing: after(1, 'days'), arrived: '2026-10-24T12:00', due: '2026-10-25T12:00' },
    { zone, timing: after(24, 'hours'), arrived: '2026-10-24T12:00', due: '2026-10-25T11:00' },
    // 02:30 does not exist on that day: the clock already shows 03:30.
    { zone, timing: after(1, 'days'), arrived: '2026-03-28T02:30', due: '2026-03-29T03:30' },
    { zone, timing: at('02:30'), date: '2026-03-29', arrived: '2026-03-01T00:00', due: '2026-03-29T03:30' },
    { zone, timing: afterDate(0, 'days'), date: '2026-03-29', arrived: '2026-03-01T00:00', due: '2026-03-29T00:00' },
    // Where the day itself starts at one o'clock.
    { zone: 'America/Havana', timing: at(), date: '2026-03-08', arrived: '2026-03-01T00:00', due: '2026-03-08T01:00' },
  ]);
});

test('before, after and at a date of the item', () => {
  check([
    { timing: at(), date: '2026-12-01', arrived: '2026-11-24T10:00', due: '2026-12-01T00:00' },
    { timing: at('15:30'), date: '2026-12-01', arrived: '2026-11-24T10:00', due: '2026-12-01T15:30' },
    { timing: at(undefined, undefined, createdAt), date: '2026-12-01T10:00:00Z', arrived: '2026-11-24T10:00', due: '2026-12-01T13:00' },
    { timing: at('09:00', undefined, createdAt), date: '2026-12-01T22:30:00Z', arrived: '2026-11-24T10:00', due: '2026-12-02T09:00' },
    { timing: afterDate(3, 'days'), date: '2026-12-30', arrived: '2026-11-24T10:00', due: '2027-01-02T00:00' },
    { timing: beforeDate(1, 'days'), date: '2028-03-01', arrived: '2026-11-24T10:00', due: '2028-02-29T00:00' },
    { timing: beforeDate(2, 'hours'), date: '2026-12-01', arrived: '2026-11-24T10:00', due: '2026-11-30T22:00' },
    { timing: beforeDate(30, 'minutes', undefined, createdAt), date: new Date('2026-12-01T10:00:00Z'), arrived: '2026-11-24T10:00', due: '2026-12-01T12:30' },
    { timing: at('10:00', undefined, '{=System:Date}'), arrived: '2026-11-20T10:00', due: '2026-11-25T10:00' },
    // Past: now.
    { timing: at(), date: '2026-11-01', arrived: '2026-11-24T10:00', due: '2026-11-24T10:00' },
    { timing: beforeDate(10, 'days'), date: '2026-12-01', arrived: '2026-11-24T10:00', due: '2026-11-24T10:00' },
    // No date: a visible failure.
    { timing: at(), date: null, arrived: '2026-11-24T10:00', due: 'timing.date_empty' },
    { timing: beforeDate(1, 'days'), date: '', arrived: '2026-11-24T10:00', due: 'timing.date_empty' },
    { timing: afterDate(1, 'days'), date: 'завтра', arrived: '2026-11-24T10:00', due: 'timing.date_invalid' },
    { timing: afterDate(1, 'days'), date: '2026-02-30', arrived: '2026-02-20T10:00', due: 'timing.date_invalid' },
    { timing: at(undefined, undefined, '{=Document:gone}'), arrived: '2026-11-24T10:00', due: 'timing.field_gone' },
    { timing: at(undefined, undefined, 'nonsense'), arrived: '2026-11-24T10:00', due: 'timing.field_gone' },
    { timing: at(undefined, undefined, '{=A99:sentAt}'), arrived: '2026-11-24T10:00', due: 'timing.date_empty' },
    { timing: at(undefined, undefined, '{=Document:title}'), arrived: '2026-11-24T10:00', due: 'timing.date_invalid' },
  ]);
});

test('in working hours minutes and hours count working time, days count working days', () => {
  // 2026-11-24 is a Tuesday, 27 a Friday, 28 a Saturday.
  check([
    { timing: { kind: 'now', workingHours: 'company' }, arrived: '2026-11-24T10:00', due: '2026-11-24T10:00' },
    { timing: { kind: 'now', workingHours: 'company' }, arrived: '2026-11-24T18:00', due: '2026-11-25T09:00' },
    { timing: { kind: 'now', workingHours: 'company' }, arrived: '2026-11-24T03:00', due: '2026-11-24T09:00' },
    { timing: { kind: 'now', workingHours: 'company' }, arrived: '2026-11-27T20:00', due: '2026-11-30T09:00' },
    { timing: after(30, 'minutes', 'company'), arrived: '2026-11-24T17:45', due: '2026-11-25T09:15' },
    { timing: after(15, 'minutes', 'company'), arrived: '2026-11-24T17:45', due: '2026-11-24T18:00' },
    { timing: after(9, 'hours', 'company'), arrived: '2026-11-24T10:00', due: '2026-11-25T10:00' },
    { timing: after(18, 'hours', 'company'), arrived: '2026-11-27T10:00', due: '2026-12-01T10:00' },
    { timing: after(1, 'hours', 'company'), arrived: '2026-11-28T12:00', due: '2026-11-30T10:00' },
    { timing: after(1, 'days', 'company'), arrived: '2026-11-24T15:00', due: '2026-11-25T15:00' },
    { timing: after(1, 'days', 'company'), arrived: '2026-11-27T15:00', due: '2026-11-30T15:00' },
    { timing: after(1, 'days', 'company'), arrived: '2026-11-28T15:00', due: '2026-12-01T09:00' },
    { timing: after(1, 'days', 'company'), arrived: '2026-11-27T20:00', due: '2026-12-01T09:00' },
    { timing: after(5, 'days', 'company'), arrived: '2026-11-24T15:00', due: '2026-12-01T15:00' },
    { timing: afterDate(2, 'days', 'company'), date: '2026-11-27', arrived: '2026-11-24T10:00', due: '2026-12-01T09:00' },
    { timing: at('20:00', 'company'), date: '2026-11-27', arrived: '2026-11-24T10:00', due: '2026-11-30T09:00' },
    { timing: at('12:00', 'company'), date: '2026-11-28', arrived: '2026-11-24T10:00', due: '2026-11-30T09:00' },
    // Past on arrival, at night: working hours hold all the same.
    { timing: at(undefined, 'company'), date: '2026-11-01', arrived: '2026-11-24T22:00', due: '2026-11-25T09:00' },
    { timing: after(10, 'minutes', 'company'), arrived: '2026-11-24T10:00', now: '2026-11-24T22:00', due: '2026-11-25T09:00' },
  ]);
});

test('before a date in working hours counts back from the nearest working day', () => {
  // The documented example: the event on 15 April is a day off, so 14 April counts, and a day before is the 13th.
  const aprilOff = buildCalendar({ days: { '2026-04-15': [] } });
  check([
    { timing: beforeDate(1, 'days', 'company'), date: '2026-04-15', calendar: aprilOff, arrived: '2026-04-01T10:00', due: '2026-04-13T09:00' },
    { timing: beforeDate(1, 'days', 'company'), date: '2026-04-15', arrived: '2026-04-01T10:00', due: '2026-04-14T09:00' },
    // 2026-11-29 is a Sunday: Friday counts, Thursday is a day before.
    { timing: beforeDate(1, 'days', 'company'), date: '2026-11-29', arrived: '2026-11-01T10:00', due: '2026-11-26T09:00' },
    { timing: beforeDate(1, 'days', 'company'), date: '2026-11-30', arrived: '2026-11-01T10:00', due: '2026-11-27T09:00' },
    { timing: beforeDate(3, 'days', 'company'), date: '2026-11-30', arrived: '2026-11-01T10:00', due: '2026-11-25T09:00' },
    { timing: beforeDate(0, 'days', 'company'), date: '2026-11-29', arrived: '2026-11-01T10:00', due: '2026-11-27T09:00' },
    { timing: beforeDate(1, 'days', 'company', createdAt), date: '2026-11-25T17:00:00Z', arrived: '2026-11-01T10:00', due: '2026-11-24T18:00' },
    { timing: beforeDate(1, 'days', 'company', createdAt), date: '2026-11-25T09:00:00Z', arrived: '2026-11-01T10:00', due: '2026-11-24T12:00' },
    { timing: beforeDate(2, 'hours', 'company', createdAt), date: '2026-11-25T07:00:00Z', arrived: '2026-11-01T10:00', due: '2026-11-24T17:00' },
    { timing: beforeDate(2, 'hours', 'company'), date: '2026-11-30', arrived: '2026-11-01T10:00', due: '2026-11-27T16:00' },
    { timing: beforeDate(9, 'hours', 'company', createdAt), date: '2026-11-25T15:00:00Z', arrived: '2026-11-01T10:00', due: '2026-11-25T09:00' },
    { timing: beforeDate(20, 'days', 'company'), date: '2026-11-30', arrived: '2026-11-24T20:00', due: '2026-11-25T09:00' },
  ]);
});

test('holidays, working Saturdays, breaks, nights', () => {
  const january = buildCalendar({ days: {
    ...Object.fromEntries(Array.from({ length: 10 }, (_, i) => [`2027-01-${String(i + 1).padStart(2, '0')}`, []])),
    '2026-12-31': [['09:00', '15:00']],
    '2026-12-26': [['10:00', '16:00']],
  } });
  const withLunch = buildCalendar({ weekday: [['14:00', '18:00'], ['09:00', '13:00']] });
  const night = buildCalendar({ weekday: [['22:00', '06:00']] });
  const aroundTheClock = buildCalendar({ weekday: [['00:00', '24:00']] });
  check([
    { calendar: january, timing: after(1, 'hours', 'company'), arrived: '2026-12-31T14:30', due: '2027-01-11T09:30' },
    { calendar: january, timing: after(1, 'days', 'company'), arrived: '2026-12-31T12:00', due: '2027-01-11T12:00' },
    { calendar: january, timing: after(1, 'days', 'company'), arrived: '2026-12-30T17:00', due: '2027-01-11T09:00' },
    { calendar: january, timing: beforeDate(1, 'days', 'company'), date: '2027-01-05', arrived: '2026-12-01T10:00', due: '2026-12-30T09:00' },
    { calendar: january, timing: { kind: 'now', workingHours: 'company' }, arrived: '2026-12-25T19:00', due: '2026-12-26T10:00' },
    { calendar: january, timing: after(1, 'days', 'company'), arrived: '2026-12-25T12:00', due: '2026-12-26T12:00' },
    { calendar: withLunch, timing: { kind: 'now', workingHours: 'company' }, arrived: '2026-11-24T13:20', due: '2026-11-24T14:00' },
    { calendar: withLunch, timing: after(2, 'hours', 'company'), arrived: '2026-11-24T12:00', due: '2026-11-24T15:00' },
    { calendar: withLunch, timing: beforeDate(2, 'hours', 'company', createdAt), date: '2026-11-24T12:00:00Z', arrived: '2026-11-01T12:00', due: '2026-11-24T12:00' },
    { calendar: withLunch, timing: beforeDate(1, 'days', 'company', createdAt), date: '2026-11-25T10:30:00Z', arrived: '2026-11-01T12:00', due: '2026-11-24T13:00' },
    { calendar: night, timing: { kind: 'now', workingHours: 'company' }, arrived: '2026-11-25T03:00', due: '2026-11-25T03:00' },
    { calendar: night, timing: { kind: 'now', workingHours: 'company' }, arrived: '2026-11-25T12:00', due: '2026-11-25T22:00' },
    { calendar: night, timing: after(4, 'hours', 'company'), arrived: '2026-11-25T05:00', due: '2026-11-26T01:00' },
    { calendar: aroundTheClock, timing: after(30, 'hours', 'company'), arrived: '2026-11-27T12:00', due: '2026-11-30T18:00' },
    // The working day on which clocks go forward has an hour less.
    { calendar: buildCalendar({ timeZone: 'Europe/Berlin', days: { '2026-03-29': [['00:00', '24:00']], '2026-03-28': [['00:00', '24:00']] } }),
      timing: after(24, 'hours', 'company'), arrived: '2026-03-28T12:00', due: '2026-03-29T13:00' },
  ]);
});

test('the hours of the owner: his clock, without his absences', () => {
  check([
    // 09:00 in Vladivostok is 02:00 in Moscow.
    { timing: { kind: 'now', workingHours: 'owner' }, ownerZone: 'Asia/Vladivostok', arrived: '2026-11-24T12:00', due: '2026-11-25T02:00' },
    { timing: { kind: 'now', workingHours: 'owner' }, ownerZone: 'Asia/Vladivostok', arrived: '2026-11-24T03:00', due: '2026-11-24T03:00' },
    { timing: { kind: 'now', workingHours: 'owner' }, ownerZone: null, arrived: '2026-11-24T20:00', due: '2026-11-25T09:00' },
    { timing: { kind: 'now', workingHours: 'owner' }, absences: [['2026-11-24T00:00', '2026-11-26T00:00']], arrived: '2026-11-24T12:00', due: '2026-11-26T09:00' },
    { timing: { kind: 'now', workingHours: 'owner' }, absences: [['2026-11-24T11:00', '2026-11-24T13:30']], arrived: '2026-11-24T12:00', due: '2026-11-24T13:30' },
    { timing: { kind: 'now', workingHours: 'company' }, absences: [['2026-11-24T00:00', '2026-11-26T00:00']], arrived: '2026-11-24T12:00', due: '2026-11-24T12:00' },
    { timing: after(1, 'days', 'owner'), absences: [['2026-11-26T00:00', '2026-12-01T00:00'], ['2026-11-25T00:00', '2026-11-27T00:00']], arrived: '2026-11-24T12:00', due: '2026-12-01T12:00' },
    { timing: after(4, 'hours', 'owner'), absences: [['2026-11-24T13:00', '2026-11-24T17:00']], arrived: '2026-11-24T12:00', due: '2026-11-25T11:00' },
    { timing: beforeDate(1, 'days', 'owner'), date: '2026-11-26', absences: [['2026-11-25T00:00', '2026-11-26T00:00']], arrived: '2026-11-01T12:00', due: '2026-11-24T09:00' },
    { timing: { kind: 'now', workingHours: 'owner' }, absences: [['2026-11-01T00:00', '2036-01-01T00:00']], arrived: '2026-11-24T12:00', due: 'timing.no_working_time' },
  ]);
});

test('a calendar without working time is a failure, not an endless search', () => {
  const empty = buildCalendar({ weekday: [] });
  const broken: WorkingCalendar = { ...empty, weekly: { 1: [['09:00', 'x']], 2: [], 3: [], 4: [], 5: [], 6: [], 7: [] } };
  const timings = [now, after(1, 'minutes'), after(1, 'days'), afterDate(1, 'hours'), afterDate(1, 'days'), beforeDate(1, 'hours'), beforeDate(1, 'days'), at('10:00')];
  for (const timing of timings) {
    for (const calendar of [empty, broken]) assert.equal(planOf({ timing: { ...timing, workingHours: 'company' }, calendar, date: '2026-12-01', arrived: '2026-11-24T10:00', due: '' }), 'timing.no_working_time', timing.kind);
  }
  // One working day in the past does not help the future, one far ahead is found.
  const oneDay = buildCalendar({ weekday: [], days: { '2028-03-01': nineToSix } });
  check([
    { calendar: oneDay, timing: { kind: 'now', workingHours: 'company' }, arrived: '2026-11-24T10:00', due: '2028-03-01T09:00' },
    { calendar: oneDay, timing: after(1, 'days', 'company'), arrived: '2026-11-24T10:00', due: 'timing.no_working_time' },
    { calendar: oneDay, timing: { kind: 'now', workingHours: 'company' }, arrived: '2028-03-02T10:00', due: 'timing.no_working_time' },
  ]);
});

test('ten years of working time are counted quickly, and planning is cheap', () => {
  const calendar = buildCalendar();
  const started = computedMs();
  check([{ calendar, timing: after(3650, 'days', 'company'), arrived: '2026-11-24T10:00', due: '2040-11-20T10:00' }]);
  const { plan } = compileTiming(after(2, 'days', 'company'));
  const arrivedAt = new Date('2026-11-24T07:00:00Z');
  const source = buildSource();
  for (let i = 0; i < 20_000; i++) plan({ arrivedAt, now: arrivedAt, source, calendar, ownerAbsences: [] });
  assert.ok(computedMs() - started < 5000, `took ${computedMs() - started} ms`);
});

test('the schema keeps delays between the shortest and ten years', () => {
  const valid: unknown[] = [now, after(1, 'minutes'), after(3650, 'days'), beforeDate(0, 'days'), at('23:59'), { kind: 'now', workingHours: 'owner' }];
  const invalid: unknown[] = [
    after(0, 'minutes'), after(3651, 'days'), after(1.5, 'hours'), after(-1, 'days'), afterDate(-1, 'days'), at('24:00'), at('9:00'), { kind: 'at' }, { kind: 'later' },
    { kind: 'after', amount: 1, unit: 'weeks' }, { kind: 'now', extra: 1 }, { kind: 'now', workingHours: 'mine' }, null, {},
  ];
  for (const one of valid) assert.equal(schema.safeParse(one).success, true, JSON.stringify(one));
  for (const one of invalid) assert.equal(schema.safeParse(one).success, false, JSON.stringify(one));
  const strict = timingWithMinDelay(10);
  assert.deepEqual([after(9, 'minutes'), after(10, 'minutes'), after(1, 'hours')].map((one) => strict.safeParse(one).success), [false, true, true]);
});

test('only a date can be waited for, and each failure can be said', () => {
  const known: Known = { field: (reference) => (reference.source === 'document' ? buildField(reference.code) : undefined), robot: () => undefined };
  const codeOf = (reference: string) => checkTiming(at('10:00', undefined, reference), known)[0]?.code;
  assert.deepEqual([closesOn, createdAt, '{=Document:amount > date}', '{=System:Date}', '{=Document:amount}', '{=Document:gone}', '{=A1:x}', 'x', '{=Document:UF_CHAT}'].map(codeOf),
    [undefined, undefined, undefined, undefined, 'not_a_date', 'field_unknown', 'robot_unknown', 'reference_invalid', undefined]);
  for (const failure of ['date_empty', 'date_invalid', 'field_gone', 'no_working_time']) assert.ok(hasText(`robots.reasons.timing.${failure}`));
});

test('the date that a plan follows is known', () => {
  assert.equal(compileTiming(at('10:00')).reference?.code, 'closesOn');
  assert.equal(compileTiming(now).reference, null);
});

test('the clock of every kind of zone is read the same way round', () => {
  // Against luxon, an hour at a time around changes of clocks: whole hours, half an hour, the southern half, none.
  for (const zone of ['Europe/Berlin', 'America/New_York', 'Australia/Lord_Howe', 'America/Havana', 'Asia/Kathmandu', 'Pacific/Kiritimati', 'Pacific/Pago_Pago']) {
    for (const month of [3, 4, 10, 11]) {
      for (let day = 1; day <= 30; day++) {
        const date = `2026-${String(month).padStart(2, '0')}-${String(day).padStart(2, '0')}`;
        for (const time of ['00:00', '01:45', '02:15', '03:00', '23:59']) {
          const expected = DateTime.fromISO(`${date}T${time}`, { zone }).toFormat("yyyy-MM-dd'T'HH:mm");
          assert.equal(planOf({ zone, timing: at(time), date, arrived: '2026-01-01T00:00', due: '' }), expected, `${zone} ${date} ${time}`);
        }
      }
    }
  }
});
