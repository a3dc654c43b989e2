/**
 * Timing: at which moment a robot acts after its item arrived. Pure: the present moment, the calendar and
 * the absences come from the caller.
 *
 * Decided here:
 * - Minutes and hours are exact; days keep the time of day on the company's clock, also when clocks change.
 * - A day without a time is its first moment on the company's clock.
 * - A moment already past means now. An empty date is a failure the run shows, never a silence.
 * - With working hours, minutes and hours count working time only and days count working days, both from
 *   the next working moment: a deal that comes on Saturday and waits one day waits for Tuesday morning.
 *   Whatever comes out lies in working hours; what falls after the end of a day moves to the next one.
 * - "Before" with working hours counts backwards: an event on a day off is taken for the nearest working day
 *   before it, then the working days (or hours) are counted back from there. An outcome after the end of a day
 *   moves back to that end, one before its start to the start of the same day.
 * - `owner` working hours are the company's hours on the owner's clock, without the days he is absent.
 *   An item without an owner keeps the company's hours.
 * - Intervals are 'HH:MM', the end may be '24:00'; one that ends before it starts (22:00–06:00) runs over midnight and belongs to the day it starts on.
 */
import { DateTime } from 'luxon';
import type { Timing, TimeUnit } from '../../shared/api/robots.ts';
import type { Interval, WorkingCalendar } from '../people/people.ts';
import { checkReference, parseReference, readReference, referenceField, type Known, type Problem, type Reference } from './placeholders.ts';
import { dayOf, instantOf, isDay, isEmptyValue, wallClock, zoneOf, type ValueSource } from './values.ts';

export interface Absence {
  readonly startsAt: Date;
  readonly endsAt: Date;
}

export interface TimingInput {
  readonly arrivedAt: Date;
  readonly now: Date;
  readonly source: ValueSource;
  readonly calendar: WorkingCalendar;
  /** The owner's, for `workingHours: 'owner'`. In any order, may overlap. */
  readonly ownerAbsences: readonly Absence[];
}

export type TimingFailure = 'timing.date_empty' | 'timing.date_invalid' | 'timing.field_gone' | 'timing.no_working_time';

/** Failures carry the reference so that the run can name the field. */
export type Plan = { readonly dueAt: Date } | { readonly failure: TimingFailure; readonly reference: string };

export interface CompiledTiming {
  /** The date field the moment follows: when it changes, waiting runs are planned anew. null: there is none. */
  readonly reference: Reference | null;
  /** Never earlier than `now`. */
  plan(input: TimingInput): Plan;
}

// ---------------------------------------------------------------------------------------------------------
// Compiling

const unitMs: Record<TimeUnit, number> = { minutes: 60_000, hours: 3_600_000, days: 86_400_000 };

/** Compiled once per published robot. */
export function compileTiming(timing: Timing): CompiledTiming {
  const isDated = 'reference' in timing;
  const reference = isDated ? parseReference(timing.reference) ?? null : null;
  const written = isDated ? reference?.written ?? timing.reference : '';
  return {
    reference,
    plan(input) {
      const base = isDated ? readBase(reference, timing, input) : input.arrivedAt.getTime();
      if (typeof base === 'string') return { failure: base, reference: written };
      const now = input.now.getTime();
      if (!timing.workingHours) return { dueAt: new Date(Math.max(now, shifted(timing, base, input.source.timeZones.company))) };
      const hours = workingTime(timing.workingHours, input);
      const planned = shiftedInWorkingTime(timing, base, hours);
      // The past is now, and now may be night: working hours hold for it too.
      const due = planned === undefined ? undefined : planned >= now ? planned : hours.next(now);
      return due === undefined ? { failure: 'timing.no_working_time', reference: written } : { dueAt: new Date(due) };
    },
  };
}

function readBase(reference: Reference | null, timing: Timing, { source }: TimingInput): number | TimingFailure {
  const found = reference && readReference(reference, source);
  if (!found) return reference && reference.source !== 'document' ? 'timing.date_empty' : 'timing.field_gone';
  // Of several dates the first: a robot acts once.
  const value: unknown = Array.isArray(found.value) ? found.value.find((one) => !isEmptyValue(one)) : found.value;
  if (isEmptyValue(value)) return 'timing.date_empty';
  const zone = source.timeZones.company;
  const instant = isDay(value) ? undefined : instantOf(value);
  const day = isDay(value) ? value : instant === undefined ? undefined : dayOf(instant, zone);
  if (day === undefined) return 'timing.date_invalid';
  if (timing.kind === 'at' && timing.time !== undefined) return momentOf(day, minuteOf(timing.time), zone);
  return instant ?? momentOf(day, 0, zone);
}

function shifted(timing: Timing, base: number, timeZone: string): number {
  if (!('amount' in timing)) return base;
  const amount = timing.kind === 'beforeDate' ? -timing.amount : timing.amount;
  if (timing.unit !== 'days') return base + amount * unitMs[timing.unit];
  return addDays(base, amount, timeZone);
}

function addDays(instant: number, days: number, timeZone: string): number {
  return instantAt(wallClock(instant, timeZone) + days * dayMs, timeZone);
}

function shiftedInWorkingTime(timing: Timing, base: number, hours: WorkingTime): number | undefined {
  if (!('amount' in timing)) return hours.next(base);
  if (timing.kind === 'beforeDate') {
    return timing.unit === 'days' ? hours.subtractDays(base, timing.amount) : hours.subtract(base, timing.amount * unitMs[timing.unit]);
  }
  return timing.unit === 'days' ? hours.addDays(base, timing.amount) : hours.add(base, timing.amount * unitMs[timing.unit]);
}

// ---------------------------------------------------------------------------------------------------------
// Clock

function minuteOf(time: string): number {
  const [hour = '', minute = ''] = time.split(':');
  return Number(hour) * 60 + Number(minute);
}

const dayMs = unitMs.days;

/**
 * The instant at which a clock on the wall of the zone shows `wall`: the inverse of `wallClock`. In the hour
 * that clocks skip: as much after it. Zones are at most 14 hours away from UTC, so when the offset is the same
 * 15 hours before and after, it is that one; only around a change of clocks luxon is asked, at 20 µs a time.
 */
function instantAt(wall: number, timeZone: string): number {
  const [before, after] = [wall - 54_000_000, wall + 54_000_000];
  const offset = wallClock(before, timeZone) - before;
  if (offset === wallClock(after, timeZone) - after) return wall - offset;
  return DateTime.fromMillis(wall, { zone: 'utc' }).setZone(zoneOf(timeZone), { keepLocalTime: true }).toMillis();
}

function momentOf(day: string, minute: number, timeZone: string): number {
  return instantAt(Date.parse(day) + minute * 60_000, timeZone);
}

/** Days are counted from 1970-01-01, so that going from one to the next is adding one. */
function dayNumber(instant: number, timeZone: string): number {
  return Math.floor(wallClock(instant, timeZone) / dayMs);
}

function dayText(day: number): string {
  return new Date(day * dayMs).toISOString().slice(0, 10);
}

// ---------------------------------------------------------------------------------------------------------
// Working time

/** [start, end) in milliseconds, sorted, not touching. */
type Span = readonly [start: number, end: number];

interface WorkingTime {
  /** The moment itself when it is working time, else the next working moment. undefined: there is none. */
  next(instant: number): number | undefined;
  add(instant: number, ms: number): number | undefined;
  addDays(instant: number, days: number): number | undefined;
  subtract(instant: number, ms: number): number | undefined;
  subtractDays(instant: number, days: number): number | undefined;
}

/** Two years without an hour of work: nobody works there, and looking on would not end. */
const maxIdleDays = 731;

// By calendar (a Directory snapshot keeps it as one object) and zone. Goes with the snapshot.
const spansByCalendar = new WeakMap<WorkingCalendar, Map<string, Map<number, readonly Span[]>>>();

/** Working spans of the company's calendar that start on the day, on the clock of the zone. */
function calendarSpans(calendar: WorkingCalendar, timeZone: string, day: number): readonly Span[] {
  let byZone = spansByCalendar.get(calendar);
  if (!byZone) spansByCalendar.set(calendar, (byZone = new Map()));
  let byDay = byZone.get(timeZone);
  if (!byDay) byZone.set(timeZone, (byDay = new Map()));
  const known = byDay.get(day);
  if (known) return known;
  const date = dayText(day);
  // 1970-01-01 was a Thursday, the fourth ISO weekday.
  const weekday = ((day + 3) % 7 + 7) % 7 + 1;
  const weekly: Readonly<Record<number, readonly Interval[] | undefined>> = calendar.weekly;
  const intervals = calendar.days.get(date) ?? weekly[weekday] ?? [];
  const spans = merged(intervals.flatMap(([from, to]): Span[] => {
    const [start, end] = [minuteOf(from), minuteOf(to)];
    // People refuses such hours; if one is there all the same, a batch must not fail over it.
    if (Number.isNaN(start + end)) return [];
    return [[momentOf(date, start, timeZone), momentOf(date, end > start ? end : end + 1440, timeZone)]];
  }));
  // Ten years of days; counting far ahead once must not keep decades.
  if (byDay.size < 4000) byDay.set(day, spans);
  return spans;
}

function merged(spans: readonly Span[]): readonly Span[] {
  const sorted = spans.filter(([start, end]) => end > start).sort((a, b) => a[0] - b[0]);
  const result: Span[] = [];
  for (const span of sorted) {
    const last = result.at(-1);
    if (last && span[0] <= last[1]) result[result.length - 1] = [last[0], Math.max(last[1], span[1])];
    else result.push(span);
  }
  return result;
}

function without(spans: readonly Span[], absences: readonly Span[]): readonly Span[] {
  let left = spans;
  for (const [from, to] of absences) {
    if (left.some(([start, end]) => start < to && from < end)) {
      left = left.flatMap(([start, end]): Span[] => [[start, Math.min(end, from)], [Math.max(start, to), end]]).filter(([start, end]) => end > start);
    }
  }
  return left;
}

function workingTime(whose: 'company' | 'owner', { calendar, source, ownerAbsences }: TimingInput): WorkingTime {
  const isOwners = whose === 'owner' && source.timeZones.owner !== undefined;
  const timeZone = isOwners ? source.timeZones.owner ?? calendar.timeZone : calendar.timeZone;
  const absences = isOwners ? merged(ownerAbsences.map(({ startsAt, endsAt }): Span => [startsAt.getTime(), endsAt.getTime()])) : [];
  const spansOf = (day: number): readonly Span[] => {
    const spans = calendarSpans(calendar, timeZone, day);
    return absences.length > 0 && spans.length > 0 ? without(spans, absences) : spans;
  };

  /** Walks over working spans from the day, in one direction, until `take` gives a moment. */
  function walk(from: number, step: 1 | -1, take: (start: number, end: number) => number | undefined): number | undefined {
    let idle = 0;
    for (let day = from; idle <= maxIdleDays; day += step) {
      const spans = spansOf(day);
      idle = spans.length > 0 ? 0 : idle + 1;
      for (let index = 0; index < spans.length; index++) {
        const span = spans[step === 1 ? index : spans.length - 1 - index];
        const moment = span && take(span[0], span[1]);
        if (moment !== undefined) return moment;
      }
    }
    return undefined;
  }

  // A span may have begun on the day before and run over midnight: a walk starts one day early (or late).
  const next = (instant: number): number | undefined =>
    walk(dayNumber(instant, timeZone) - 1, 1, (start, end) => (end > instant ? Math.max(start, instant) : undefined));

  function add(instant: number, ms: number): number | undefined {
    if (ms === 0) return next(instant);
    let left = ms;
    return walk(dayNumber(instant, timeZone) - 1, 1, (start, end) => {
      const from = Math.max(start, instant);
      if (end <= from) return undefined;
      // The last minute of a day is still that day's: eight hours from nine are over at five, not tomorrow.
      if (end - from >= left) return from + left;
      left -= end - from;
      return undefined;
    });
  }

  function subtract(instant: number, ms: number): number | undefined {
    let left = ms;
    return walk(dayNumber(instant, timeZone) + 1, -1, (start, end) => {
      const to = Math.min(end, instant);
      if (to < start || (to === start && left > 0)) return undefined;
      if (to - start >= left) return to - left;
      left -= to - start;
      return undefined;
    });
  }

  /** The `count`-th working day from `day` in the direction; 0 is the day itself, or the next that is working. */
  function workingDay(day: number, count: number, step: 1 | -1): number | undefined {
    let left = count;
    let idle = 0;
    for (let candidate = day; idle <= maxIdleDays; candidate += step) {
      const isWorking = spansOf(candidate).length > 0;
      idle = isWorking ? 0 : idle + 1;
      if (isWorking && left-- === 0) return candidate;
    }
    return undefined;
  }

  const timeOfDay = (instant: number): number => wallClock(instant, timeZone) - dayNumber(instant, timeZone) * dayMs;
  const atTimeOf = (day: number, ms: number): number => instantAt(day * dayMs + ms, timeZone);

  return {
    next,
    add,
    subtract,
    addDays(instant, days) {
      const from = next(instant);
      if (from === undefined) return undefined;
      const day = workingDay(dayNumber(from, timeZone), days, 1);
      return day === undefined ? undefined : next(atTimeOf(day, timeOfDay(from)));
    },
    subtractDays(instant, days) {
      const eventDay = dayNumber(instant, timeZone);
      const base = workingDay(eventDay, 0, -1);
      const day = base === undefined ? undefined : workingDay(base, days, -1);
      if (day === undefined) return undefined;
      const wanted = atTimeOf(day, timeOfDay(instant));
      const spans = spansOf(day);
      // In a lunch break: before it, as everything "before" leans to the earlier side.
      const ended = spans.findLast(([start]) => start <= wanted);
      return ended ? Math.min(wanted, ended[1]) : spans[0]?.[0];
    },
  };
}

// ---------------------------------------------------------------------------------------------------------
// Configuration

/** Problems that keep a timing from being published. [] when it may work. */
export function checkTiming(timing: Timing, known: Known): Problem[] {
  if (!('reference' in timing)) return [];
  const reference = parseReference(timing.reference);
  if (!reference) return [{ code: 'reference_invalid', params: { reference: timing.reference }, path: 'reference' }];
  const problem = checkReference(reference, known);
  if (problem) return [{ ...problem, path: 'reference' }];
  const field = referenceField(reference, known);
  // A text may hold a date («2026-11-24»), as results and fields written by robots do; a number never does.
  const holdsDate = field && (field.kind === 'date' || field.kind === 'datetime' || field.kind === 'string');
  return holdsDate ? [] : [{ code: 'not_a_date', params: { field: field?.name ?? timing.reference }, path: 'reference' }];
}
