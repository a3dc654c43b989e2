/** Filters and orders over rows that are at hand whole: employees, departments, statuses, own fields. Pure. */
import { entriesOf } from './encoding.ts';
import { toText } from './parameter.ts';



function asText(value: unknown): string {
  if (value === true) return 'Y';
  if (value === false) return 'N';
  return toText(value) ?? '';
}

function normal(value: unknown): string {
  const text = asText(value).trim().toLowerCase();
  return text === 'true' ? 'y' : text === 'false' ? 'n' : text;
}

function fits(own: readonly string[], prefix: string, wanted: readonly string[]): boolean {
  const number = (text: string) => (text !== '' && Number.isFinite(Number(text)) ? Number(text) : undefined);
  const compare = (a: string, b: string) => {
    const [x, y] = [number(a), number(b)];
    return x !== undefined && y !== undefined ? x - y : a < b ? -1 : a > b ? 1 : 0;
  };
  const like = (text: string, pattern: string) => text.includes(pattern.replaceAll('%', ''));
  const some = (test: (a: string, b: string) => boolean) => own.some((a) => wanted.some((b) => test(a, b)));
  switch (prefix) {
    case '!': case '!=': case '!@': return !some((a, b) => a === b);
    case '>': return some((a, b) => b !== '' && compare(a, b) > 0);
    case '>=': return some((a, b) => b !== '' && compare(a, b) >= 0);
    case '<': return some((a, b) => b !== '' && compare(a, b) < 0);
    case '<=': return some((a, b) => b !== '' && compare(a, b) <= 0);
    case '%': case '=%': case '%=': return some(like);
    case '!%': case '!=%': case '!%=': return !some(like);
    default: return some((a, b) => (a === b) || (a === 'y' && b === '1') || (a === 'n' && b === '0'));
  }
}

/** Rows that fit every condition. `unknown`: what becomes of a field that no row has. */
export function filterRows<Row extends Readonly<Record<string, unknown>>>(rows: readonly Row[], filter: readonly (readonly [string, unknown])[], unknownField: (name: string) => void): Row[] {
  const conditions = filter.map(([key, raw]) => {
    const [, prefix = '', name = ''] = /^(!=%|!%=|!%|!@|!=|>=|<=|=%|%=|[=!><@%]?)(.*)$/s.exec(key) ?? [];
    if (rows.length > 0 && !rows.some((row) => Object.hasOwn(row, name))) unknownField(name);
    return { prefix, name, wanted: (entriesOf(raw)?.map(([, one]) => one) ?? [raw]).map(normal) };
  });
  return rows.filter((row) => conditions.every(({ prefix, name, wanted }) => {
    const value = row[name];
    const own = Array.isArray(value) ? value.map(normal) : [normal(value)];
    return fits(own.length === 0 ? [''] : own, prefix, wanted);
  }));
}

export function sortRows<Row extends Readonly<Record<string, unknown>>>(rows: readonly Row[], order: readonly (readonly [string, unknown])[]): Row[] {
  const known = order.filter(([name]) => rows.some((row) => Object.hasOwn(row, name)));
  return [...rows].sort((a, b) => {
    for (const [name, direction] of known) {
      const [x, y] = [asText(a[name]), asText(b[name])];
      const difference = x !== '' && y !== '' && Number.isFinite(Number(x)) && Number.isFinite(Number(y)) ? Number(x) - Number(y) : x.localeCompare(y);
      if (difference !== 0) return (asText(direction).toLowerCase() === 'desc' ? -1 : 1) * difference;
    }
    return 0;
  });
}

