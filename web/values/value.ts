/** Values of fields without a screen: empty or not, the same or not, typed numbers, moments in a time zone. Pure. */

export function isEmptyValue(value: unknown): boolean {
  return value === null || value === undefined || value === '' || (Array.isArray(value) && value.length === 0);
}

/** Several values or one, as a list without the empty ones. */
export function listOf(value: unknown): unknown[] {
  if (Array.isArray(value)) return value.filter((one: unknown) => !isEmptyValue(one));
  return isEmptyValue(value) ? [] : [value];
}

export function idsOf(value: unknown): number[] {
  return listOf(value).filter((one): one is number => typeof one === 'number');
}

export function areSameValues(a: unknown, b: unknown): boolean {
  if (isEmptyValue(a) && isEmptyValue(b)) return true;
  return JSON.stringify(a) === JSON.stringify(b);
}

/** «1 200 000,50» → 1200000.5. What is no number comes back as it was typed: the server says what is wrong with it. Empty: null. */
export function parseNumber(typed: string): number | string | null {
  const bare = typed.replace(/[\s\u00a0\u202f'’]/g, '');
  if (bare === '') return null;
  // «1,200,000.50» and «1.200.000,50»: the last of the two signs is the decimal one.
  const comma = bare.lastIndexOf(',');
  const point = bare.lastIndexOf('.');
  let plain = bare;
  if (comma !== -1 && point !== -1) plain = comma > point ? bare.replaceAll('.', '').replace(',', '.') : bare.replaceAll(',', '');
  else if (comma !== -1) plain = bare.indexOf(',') === comma ? bare.replace(',', '.') : bare.replaceAll(',', '');
  return /^[+-]?(\d+\.?\d*|\.\d+)$/.test(plain) ? Number(plain) : typed;
}

/** What stands in the box while a number is edited: without groups, with the decimal comma of the language. */
export function numberForEdit(value: unknown, decimal: ',' | '.'): string {
  return typeof value === 'number' ? String(value).replace('.', decimal) : typeof value === 'string' ? value : '';
}

const formats = new Map<string, Intl.DateTimeFormat>();
function formatFor(timeZone: string): Intl.DateTimeFormat {
  let format = formats.get(timeZone);
  if (!format) formats.set(timeZone, (format = new Intl.DateTimeFormat('en-US', { timeZone, hourCycle: 'h23', year: 'numeric', month: 'numeric', day: 'numeric', hour: 'numeric', minute: 'numeric' })));
  return format;
}

function partsIn(timeZone: string, moment: Date): { year: number; month: number; day: number; hour: number; minute: number } {
  const parts = new Map(formatFor(timeZone).formatToParts(moment).map(({ type, value }) => [type, Number(value)]));
  const part = (name: Intl.DateTimeFormatPartTypes) => parts.get(name) ?? 0;
  return { year: part('year'), month: part('month'), day: part('day'), hour: part('hour'), minute: part('minute') };
}

/** '2026-03-10T09:30:00Z' → '2026-03-10T12:30' in Moscow: what a date and time box takes. */
export function localOf(moment: unknown, timeZone: string): string {
  if (typeof moment !== 'string') return '';
  const date = new Date(moment);
  if (Number.isNaN(date.getTime())) return '';
  const { year, month, day, hour, minute } = partsIn(timeZone, date);
  const two = (value: number) => String(value).padStart(2, '0');
  return `${String(year).padStart(4, '0')}-${two(month)}-${two(day)}T${two(hour)}:${two(minute)}`;
}

/** The way back. A time that the clock skips in spring is read as the one after it. Not a time: null. */
export function momentOf(local: string, timeZone: string): string | null {
  const match = /^(\d{4})-(\d{2})-(\d{2})T(\d{2}):(\d{2})/.exec(local);
  if (!match) return null;
  const wanted = Date.UTC(Number(match[1]), Number(match[2]) - 1, Number(match[3]), Number(match[4]), Number(match[5]));
  if (Number.isNaN(wanted)) return null;
  // The offset at a guess is right unless a change of the clock lies between: the second guess is.
  let moment = wanted;
  for (let round = 0; round < 2; round++) {
    const { year, month, day, hour, minute } = partsIn(timeZone, new Date(moment));
    moment += wanted - Date.UTC(year, month - 1, day, hour, minute);
  }
  return new Date(moment).toISOString();
}

/** «+7 900 123-45-67» → what a telephone link takes. */
export function phoneLink(phone: string): string {
  return `tel:${phone.replace(/(?!^\+)[^\d]/g, '')}`;
}
