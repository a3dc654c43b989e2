/** How values read: in the language of the screen and the person's time zone. Reactive like `t`. */
import { language, t } from './text.ts';
import { timeZone } from './session.ts';

const kept = new Map<string, Intl.NumberFormat | Intl.DateTimeFormat>();

function numbers(options: Intl.NumberFormatOptions): Intl.NumberFormat {
  const key = `n/${language.value}/${JSON.stringify(options)}`;
  const known = kept.get(key);
  if (known instanceof Intl.NumberFormat) return known;
  const made = new Intl.NumberFormat(language.value, options);
  kept.set(key, made);
  return made;
}

function dates(options: Intl.DateTimeFormatOptions): Intl.DateTimeFormat {
  const key = `d/${language.value}/${timeZone.value}/${JSON.stringify(options)}`;
  const known = kept.get(key);
  if (known instanceof Intl.DateTimeFormat) return known;
  const made = new Intl.DateTimeFormat(language.value, { timeZone: timeZone.value, ...options });
  kept.set(key, made);
  return made;
}

export function formatNumber(value: number, options: Intl.NumberFormatOptions = {}): string {
  return numbers(options).format(value);
}

/** «1 200 000 ₽»: without kopecks when there are none. */
export function formatMoney(amount: number, currency: string): string {
  const fraction = Number.isInteger(amount) ? 0 : 2;
  return numbers({ style: 'currency', currency, currencyDisplay: 'narrowSymbol', minimumFractionDigits: fraction, maximumFractionDigits: fraction }).format(amount);
}

/** For heads of columns: «1,2 млн ₽». */
export function formatMoneyShort(amount: number, currency: string): string {
  return numbers({ style: 'currency', currency, currencyDisplay: 'narrowSymbol', notation: 'compact', maximumFractionDigits: 1 }).format(amount);
}

/** A day without a time ('2026-03-10'): never shifted by a time zone. */
export function formatDay(day: string): string {
  const isThisYear = day.slice(0, 4) === String(new Date().getFullYear());
  return dates({ timeZone: 'UTC', day: 'numeric', month: 'short', ...(isThisYear ? {} : { year: 'numeric' }) }).format(new Date(`${day}T00:00:00Z`));
}

export function formatTime(moment: string | Date): string {
  return dates({ hour: '2-digit', minute: '2-digit' }).format(new Date(moment));
}

/** «10 мар., 12:30», with the year when it is another one. */
export function formatMoment(moment: string | Date): string {
  const date = new Date(moment);
  const isThisYear = date.getFullYear() === new Date().getFullYear();
  return dates({ day: 'numeric', month: 'short', hour: '2-digit', minute: '2-digit', ...(isThisYear ? {} : { year: 'numeric' }) }).format(date);
}

/** For titles of times: the whole of it, with the weekday. */
export function formatMomentFull(moment: string | Date): string {
  return dates({ dateStyle: 'full', timeStyle: 'short' }).format(new Date(moment));
}

/** The day of a moment in the person's time zone: '2026-03-10'. */
export function dayOf(moment: string | Date): string {
  // Sweden writes days as we send them.
  const key = `day/${timeZone.value}`;
  let days = kept.get(key);
  if (!(days instanceof Intl.DateTimeFormat)) kept.set(key, (days = new Intl.DateTimeFormat('sv-SE', { timeZone: timeZone.value, year: 'numeric', month: '2-digit', day: '2-digit' })));
  return days.format(new Date(moment));
}

/** «Сегодня», «Вчера», else the day. For separators in timelines and chats. */
export function formatDayOf(moment: string | Date): string {
  const day = dayOf(moment);
  const now = Date.now();
  if (day === dayOf(new Date(now))) return t('web.today');
  if (day === dayOf(new Date(now - 86_400_000))) return t('web.yesterday');
  return formatDay(day);
}

/** In lists: the time of today, else the day. */
export function formatRecent(moment: string | Date): string {
  return dayOf(moment) === dayOf(new Date()) ? formatTime(moment) : formatDayOf(moment);
}

export function formatBytes(bytes: number): string {
  const units = ['byte', 'kilobyte', 'megabyte', 'gigabyte', 'terabyte'] as const;
  let value = bytes;
  let unit: (typeof units)[number] = 'byte';
  for (const next of units) {
    unit = next;
    if (value < 1000 || next === 'terabyte') break;
    value /= 1000;
  }
  return numbers({ style: 'unit', unit, unitDisplay: 'short', maximumFractionDigits: value < 10 && unit !== 'byte' ? 1 : 0 }).format(value);
}
