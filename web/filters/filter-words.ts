/** A filter as a chip says it: «Сумма: 1 000 – 5 000», «Ответственный: Анна Петрова». */
import { useCrmConfig } from '../crm-config.ts';
import { nameOf as employeeName, useDirectory } from '../directory.ts';
import { formatDay, formatMoment, formatNumber } from '../format.ts';
import { t } from '../text.ts';
import { useNames } from '../values/names.ts';
import type { FilterField, ItemFilter } from './filters.ts';

const fewWords = 3;

export function useFilterWords() {
  const { employee } = useDirectory();
  const { stage } = useCrmConfig();
  const { nameOf } = useNames();

  function valueWords(field: FilterField, value: unknown): string {
    switch (field.kind) {
      case 'semantics': return t(`web.filter.semantics.${String(value)}`);
      case 'boolean': return t(value === true ? 'web.yes' : 'web.no');
      case 'employee': return employeeName(employee(Number(value)));
      case 'stage': return stage(Number(value))?.name ?? '—';
      case 'list': return field.settings.options?.find((option) => option.id === value)?.name ?? '—';
      case 'item':
      case 'contact':
      case 'company': return nameOf(field.kind, Number(value))?.name ?? '—';
      case 'number':
      case 'money': return typeof value === 'number' ? formatNumber(value, { maximumFractionDigits: 6 }) : String(value);
      case 'date': return formatDay(String(value));
      case 'datetime': return formatMoment(String(value));
      default: return String(value);
    }
  }

  return function filterWords(field: FilterField, { op, value }: ItemFilter): string {
    if (op === 'filled' || op === 'empty') return `${field.name}: ${t(`web.filter.op.${op}`).toLowerCase()}`;
    const values: unknown[] = Array.isArray(value) ? value : [value];
    if (op === 'between') return `${field.name}: ${values.map((one) => valueWords(field, one)).join(' – ')}`;
    const said = values.slice(0, fewWords).map((one) => valueWords(field, one)).join(', ') + (values.length > fewWords ? ` +${values.length - fewWords}` : '');
    const sign = { eq: '', in: '', contains: '', ne: '≠ ', notIn: '≠ ', gt: '> ', gte: '≥ ', lt: '< ', lte: '≤ ' }[op];
    return `${field.name}: ${sign}${said}`;
  };
}
