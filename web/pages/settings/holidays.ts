/**
 * Holidays out of what people have: a calendar as an .ics file, as states and other calendars give them out, or a list of
 * dates with names. Pure. Days of a year without a year («01.05 Праздник», a yearly event) are those of `year`.
 */
export interface Holiday {
  /** 'YYYY-MM-DD' */
  day: string;
  name: string;
}
export interface ReadHolidays {
  days: Holiday[];
  /** Lines that say nothing one could understand, as they were written. */
  unread: string[];
}

/** A longer event is no holiday but a season. */
const longestDays = 31;
const longestName = 255;
const maxUnread = 20;
const dayMs = 86_400_000;
const isoOf = (time: number): string => new Date(time).toISOString().slice(0, 10);

/** undefined: there is no such day. */
function timeOf(year: number, month: number, day: number): number | undefined {
  const time = Date.UTC(year, month - 1, day);
  const made = new Date(time);
  return year >= 2000 && year <= 2100 && made.getUTCMonth() === month - 1 && made.getUTCDate() === day ? time : undefined;
}

function collect(found: Map<string, Holiday>, from: number, until: number, name: string): boolean {
  if (until < from || until - from > (longestDays - 1) * dayMs) return false;
  for (let time = from; time <= until; time += dayMs) {
    const day = isoOf(time);
    // Two names of one day are both true.
    const known = found.get(day)?.name;
    found.set(day, { day, name: (known && name && !known.split(' / ').includes(name) ? `${known} / ${name}` : known || name).slice(0, longestName) });
  }
  return true;
}

function readIcs(text: string, year: number): ReadHolidays {
  const found = new Map<string, Holiday>();
  const unread: string[] = [];
  // A line that begins with a space goes on with the one before (RFC 5545, 3.1).
  const events = text.replace(/\r?\n[ \t]/g, '').split(/^BEGIN:VEVENT\s*$/m).slice(1);
  for (const event of events) {
    const valueOf = (name: string): string | undefined => new RegExp(`^${name}(?:;[^:\\r\\n]*)?:(.*?)\\r?$`, 'm').exec(event)?.[1];
    const name = (valueOf('SUMMARY') ?? '').replace(/\\n/gi, ' ').replace(/\\([,;\\])/g, '$1').trim();
    const partsOf = (value: string | undefined): [number, number, number] | undefined => {
      const [, y, m, d] = /^(\d{4})(\d\d)(\d\d)/.exec(value ?? '') ?? [];
      return y === undefined || m === undefined || d === undefined ? undefined : [Number(y), Number(m), Number(d)];
    };
    const start = partsOf(valueOf('DTSTART'));
    if (!start) {
      unread.push(name);
      continue;
    }
    const end = partsOf(valueOf('DTEND'));
    const first = timeOf(...start);
    // The end of whole days is the day after the last.
    const span = first !== undefined && end ? Math.max(0, (timeOf(...end) ?? first) - first - dayMs) : 0;
    const isYearly = /FREQ=YEARLY/.test(valueOf('RRULE') ?? '');
    const from = isYearly ? timeOf(year, start[1], start[2]) : first;
    if (from === undefined || !collect(found, from, from + span, name)) unread.push(name);
  }
  return { days: [...found.values()], unread };
}

const datePattern = String.raw`(?:(\d{4})-(\d{1,2})-(\d{1,2})|(\d{1,2})[./](\d{1,2})(?:[./](\d{4}))?)`;
const linePattern = new RegExp(`^\\W*?${datePattern}(?:\\s*(?:-|–|—|\\.\\.|до|to)\\s*${datePattern})?["']?[\\s,;:|\\-–—]*(.*)$`, 'i');

function readLines(text: string, year: number): ReadHolidays {
  const found = new Map<string, Holiday>();
  const unread: string[] = [];
  for (const line of text.split(/\r?\n/)) {
    if (line.trim() === '') continue;
    const match = linePattern.exec(line.trim());
    const dateAt = (group: number): number | undefined => {
      const [y, m, d, d2, m2, y2] = Array.from({ length: 6 }, (_, i) => match?.[group + i]);
      if (y !== undefined) return timeOf(Number(y), Number(m), Number(d));
      return d2 === undefined ? undefined : timeOf(Number(y2 ?? year), Number(m2), Number(d2));
    };
    const from = dateAt(1);
    const hasEnd = match?.[7] !== undefined || match?.[10] !== undefined;
    const until = hasEnd ? dateAt(7) : from;
    const name = (match?.[13] ?? '').replace(/^["'\s]+|["'\s]+$/g, '');
    if (from === undefined || until === undefined || !collect(found, from, until, name)) unread.push(line.trim());
  }
  return { days: [...found.values()], unread };
}

export function readHolidays(text: string, year: number): ReadHolidays {
  const { days, unread } = /^BEGIN:VCALENDAR/m.test(text) ? readIcs(text, year) : readLines(text, year);
  return { days: days.sort((a, b) => a.day.localeCompare(b.day)), unread: unread.slice(0, maxUnread) };
}
