/** Quiet hours: until when a person wants to hear nothing. Pure. */
import { DateTime } from 'luxon';
import type { QuietHours } from '../../shared/api/push.ts';

function at(day: DateTime, time: string): DateTime {
  const [hour = 0, minute = 0] = time.split(':').map(Number);
  return day.set({ hour, minute, second: 0, millisecond: 0 });
}

/** The end of the quiet hours that `moment` lies in, or null. */
export function quietUntil(quiet: QuietHours, timeZone: string, moment: Date): Date | null {
  if (!quiet.isOn) return null;
  let end: DateTime = DateTime.fromJSDate(moment, { zone: timeZone });
  const isWeekend = (day: DateTime) => quiet.isWeekendQuiet && day.weekday > 5;
  // Nights and weekends lean on each other: the end of one may lie in the next. A week holds them all.
  for (let i = 0; i < 20; i++) {
    const before = end.toMillis();
    if (isWeekend(end)) end = end.startOf('day').plus({ days: 1 });
    for (const day of [end.minus({ days: 1 }), end]) {
      const from = at(day, quiet.from);
      const until = at(quiet.until > quiet.from ? day : day.plus({ days: 1 }), quiet.until);
      if (end >= from && end < until) end = until;
    }
    if (end.toMillis() === before) return before > moment.getTime() ? end.toJSDate() : null;
  }
  // Quiet all day, every day: asked again tomorrow.
  return end.toJSDate();
}
