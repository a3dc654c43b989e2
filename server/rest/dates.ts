/**
 * Dates as Bitrix24 tells them: ISO 8601 with the offset of the company's time zone; and as its clients send them, also
 * `31.12.2026 18:00:00`. A time without an offset is the company's. Pure.
 */

const formats = new Map<string, Intl.DateTimeFormat>();
const offsets = new Map<string, number>();
const bucketMs = 15 * 60_000;

/** Minutes east of Greenwich at this moment. */
function offsetMinutes(zone: string, ms: number): number {
  const key = `${zone} ${Math.floor(ms / bucketMs)}`;
  let offset = offsets.get(key);
  if (offset === undefined) {
    let format = formats.get(zone);
    if (!format) formats.set(zone, (format = new Intl.DateTimeFormat('en', { timeZone: zone, timeZoneName: 'longOffset' })));
    const [, sign = '+', hours = '0', minutes = '0'] = /GMT([+-])(\d\d):(\d\d)/.exec(format.format(ms)) ?? [];
    offset = (sign === '-' ? -1 : 1) * (Number(hours) * 60 + Number(minutes));
    if (offsets.size > 20_000) offsets.clear();
    offsets.set(key, offset);
  }
  return offset;
}

const two = (number: number) => (number < 10 ? `0${number}` : String(number));

/** `2026-03-10T10:00:00+03:00` */
export function printMoment(moment: Date, zone: string): string {
  const offset = offsetMinutes(zone, moment.getTime());
  const local = new Date(moment.getTime() + offset * 60_000).toISOString();
  const minutes = Math.abs(offset);
  return `${local.slice(0, 19)}${offset < 0 ? '-' : '+'}${two(Math.floor(minutes / 60))}:${two(minutes % 60)}`;
}

/** A day is its midnight. */
export function printDay(day: string, zone: string): string {
  const midnight = localToMoment(Date.parse(`${day}T00:00:00Z`), zone);
  const printed = printMoment(midnight, zone);
  return `${day}T00:00:00${printed.slice(19)}`;
}

function localToMoment(localMs: number, zone: string): Date {
  const guess = localMs - offsetMinutes(zone, localMs) * 60_000;
  return new Date(localMs - offsetMinutes(zone, guess) * 60_000);
}

const pattern = /^(?:(\d{4})-(\d{2})-(\d{2})|(\d{1,2})\.(\d{1,2})\.(\d{4}))(?:[T ](\d{1,2}):(\d{2})(?::(\d{2})(?:\.\d{1,9})?)?)?\s*(Z|[+-]\d{2}:?\d{2})?$/i;

interface Parts {
  day: string;
  localMs: number;
  offset: string | undefined;
}

function partsOf(raw: unknown): Parts | undefined {
  const found = typeof raw === 'string' ? pattern.exec(raw.trim()) : null;
  if (!found) return undefined;
  const [, y1, m1, d1, d2, m2, y2, hours = '0', minutes = '0', seconds = '0', offset] = found;
  const [year, month, date] = [Number(y1 ?? y2), Number(m1 ?? m2), Number(d1 ?? d2)];
  const localMs = Date.UTC(year, month - 1, date, Number(hours), Number(minutes), Number(seconds));
  const made = new Date(Date.UTC(year, month - 1, date));
  const isReal = year >= 1 && made.getUTCMonth() === month - 1 && made.getUTCDate() === date && Number(hours) < 24 && Number(minutes) < 60 && Number(seconds) < 60;
  return isReal ? { day: made.toISOString().slice(0, 10), localMs, offset: offset?.toUpperCase() } : undefined;
}

/** The day it names, whatever the time beside it; undefined: no date. */
export function readDay(raw: unknown): string | undefined {
  return partsOf(raw)?.day;
}

export function readMoment(raw: unknown, zone: string): Date | undefined {
  const parts = partsOf(raw);
  if (!parts) return undefined;
  const { localMs, offset } = parts;
  if (offset === undefined) return localToMoment(localMs, zone);
  if (offset === 'Z') return new Date(localMs);
  const minutes = Number(offset.slice(1, 3)) * 60 + Number(offset.slice(-2));
  return new Date(localMs - (offset[0] === '-' ? -1 : 1) * minutes * 60_000);
}
