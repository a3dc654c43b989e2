/** Days and times as people type them, in the order of their language. Pure. */

const two = (value: number): string => String(value).padStart(2, '0');

/** '2026-03-10' → «10.03.2026» in Russian, “03/10/2026” in English. What is no day stays as it is. */
export function dayWords(day: string, language: string): string {
  const [, year, month, date] = /^(\d{4})-(\d{2})-(\d{2})$/.exec(day) ?? [];
  if (year === undefined || month === undefined || date === undefined) return day;
  return language === 'ru' ? `${date}.${month}.${year}` : `${month}/${date}/${year}`;
}

/** The way back; without a year it is this one. What is no day comes back as it was typed. */
export function parseDay(typed: string, language: string, now: Date): string {
  const text = typed.trim();
  const iso = /^(\d{4})-(\d{1,2})-(\d{1,2})$/.exec(text);
  const local = /^(\d{1,2})[./\s-](\d{1,2})(?:[./\s-](\d{2}|\d{4})?)?$/.exec(text);
  const [year, month, day] = iso
    ? [Number(iso[1]), Number(iso[2]), Number(iso[3])]
    : local
      ? [local[3] === undefined ? now.getFullYear() : Number(local[3].length === 2 ? `20${local[3]}` : local[3]), Number(language === 'ru' ? local[2] : local[1]), Number(language === 'ru' ? local[1] : local[2])]
      : [0, 0, 0];
  const date = new Date(Date.UTC(year, month - 1, day));
  const isThere = year >= 1000 && date.getUTCMonth() === month - 1 && date.getUTCDate() === day;
  return isThere ? `${year}-${two(month)}-${two(day)}` : text;
}

/** «9», «930», «9:30» → '09:30'. What is no time comes back as it was typed. */
export function parseTime(typed: string): string {
  const text = typed.trim();
  const [, hours, minutes = '0'] = /^(\d{1,2})(?:[:.\s]?(\d{2}))?$/.exec(text) ?? [];
  if (hours === undefined || Number(hours) > 23 || Number(minutes) > 59) return text;
  return `${two(Number(hours))}:${two(Number(minutes))}`;
}
