/**
 * Cells of an import: which column means which field (guessed by name in both languages), and what people
 * write in cells — «1 234,50 ₽», «31.12.2026», «Да», «Петрова Анна» — as values of fields. Pure.
 */
import { DateTime } from 'luxon';
import { UserError } from '../../shared/errors.ts';
import { hasText, languages, text } from '../../shared/messages.ts';
import type { Directory } from '../people/people.ts';
import type { ClientMention } from './clients.ts';
import { withoutGuard } from './csv.ts';
import type { CrmModel, Pipeline } from './model.ts';
import { type FieldShape, fieldShape, isEmpty } from './values.ts';

/** What a column may become besides a field of the item: the client is recognised by phone and e-mail, or made. */
export const clientTargets = [
  'contact.name', 'contact.lastName', 'contact.firstName', 'contact.phone', 'contact.email', 'company.title', 'company.phone', 'company.email',
] as const;
export type ClientTarget = (typeof clientTargets)[number];

export function isClientTarget(target: string): target is ClientTarget {
  return clientTargets.some((known) => known === target);
}

/** System fields that a column may fill. */
const systemTargets = ['title', 'stageId', 'amount', 'currency', 'ownerId', 'observerIds', 'beginsOn', 'closesOn'] as const;

export interface ImportTarget {
  target: string;
  name: string;
  type: FieldShape['type'] | 'client';
}

/** Everything a column may become for a type, with its name for the reader. */
export function importTargets(model: CrmModel, itemTypeId: number, language: 'ru' | 'en'): ImportTarget[] {
  const type = model.itemType(itemTypeId);
  const own = model.fieldsOf(itemTypeId).filter((field) => field.type !== 'file');
  return [
    ...systemTargets.filter((code) => type?.hasAmount !== false || (code !== 'amount' && code !== 'currency')).flatMap((code) => {
      const shape = fieldShape(model, itemTypeId, code);
      return shape ? [{ target: code, name: text(language, shape.name.slice(1)), type: shape.type }] : [];
    }),
    ...own.map((field) => ({ target: field.code, name: field.name, type: field.type })),
    ...(type?.hasClient === false ? [] : clientTargets.map((target) => ({ target, name: text(language, `import.targets.${target}`), type: 'client' as const }))),
  ];
}

const bare = (name: string): string => name.toLowerCase().replaceAll('ё', 'е').replaceAll(/[^\p{L}\p{N}]+/gu, ' ').trim();

/** Which column means what, by its heading: the field's own name or code, or a word people use for it. Each target once. */
export function guessMapping(headings: readonly string[], model: CrmModel, itemTypeId: number): (string | null)[] {
  const names = new Map<string, string>();
  const know = (name: string, target: string): void => {
    if (bare(name) !== '' && !names.has(bare(name))) names.set(bare(name), target);
  };
  for (const language of languages) {
    for (const { target, name } of importTargets(model, itemTypeId, language)) {
      know(name, target);
      know(target, target);
    }
  }
  const possible = new Set(names.values());
  for (const language of languages) {
    for (const target of possible) {
      const key = `import.words.${target}`;
      if (hasText(key)) for (const word of text(language, key).split(',')) know(word, target);
    }
  }
  const taken = new Set<string>();
  return headings.map((heading) => {
    const target = names.get(bare(heading));
    if (target === undefined || taken.has(target)) return null;
    taken.add(target);
    return target;
  });
}

export interface CellReader {
  model: CrmModel;
  pipeline: Pipeline;
  directory: Directory;
  language: 'ru' | 'en';
  timeZone: string;
  /** Names as people write them, and addresses, in lower case → ids; made once for all rows by `peopleByName`. */
  people: ReadonlyMap<string, readonly number[]>;
}

/** Employees who work here, by e-mail and by name in either order. */
export function peopleByName(directory: Directory): Map<string, number[]> {
  const people = new Map<string, number[]>();
  const know = (name: string, id: number): void => {
    const key = bare(name);
    const known = people.get(key);
    if (key !== '' && !known?.includes(id)) people.set(key, [...(known ?? []), id]);
  };
  for (const { id, email, firstName, lastName, secondName, dismissedAt } of directory.employees) {
    if (dismissedAt) continue;
    know(email, id);
    know(`${firstName} ${lastName}`, id);
    know(`${lastName} ${firstName}`, id);
    know(`${lastName} ${firstName} ${secondName}`, id);
    know(`${firstName} ${secondName} ${lastName}`, id);
    know(lastName, id);
  }
  return people;
}

const currencySigns: Readonly<Record<string, string>> = {
  '₽': 'RUB', 'руб': 'RUB', 'рубль': 'RUB', 'рублей': 'RUB', 'рубли': 'RUB', 'р': 'RUB', '$': 'USD', 'usd': 'USD', 'доллар': 'USD', '€': 'EUR', 'евро': 'EUR', '₸': 'KZT', 'тенге': 'KZT', '£': 'GBP', '₴': 'UAH', '¥': 'CNY',
};

const yes = new Set(['да', 'yes', 'y', 'true', '1', '+', 'истина', 'есть', 'д']);
const no = new Set(['нет', 'no', 'n', 'false', '0', '-', 'ложь', 'н']);

/** What a cell says, in a form that the write path takes; undefined: nothing. Throws what is wrong with it, naming the column. */
export function readCell(reader: CellReader, target: string, cell: string, column: string): unknown {
  const given = withoutGuard(cell.trim());
  if (given === '') return undefined;
  const { model, pipeline } = reader;
  if (target === 'currency') return currencyOf(given) ?? refuse(column, given, 'currency');
  if (target === 'stageId') {
    const stage = pipeline.stages.find((one) => bare(one.name) === bare(given)) ?? pipeline.stages.find((one) => String(one.id) === given);
    if (!stage) throw new UserError('import.stage_unknown', { value: given, pipeline: pipeline.name }, target);
    return stage.id;
  }
  const shape = fieldShape(model, pipeline.itemTypeId, target);
  if (!shape) throw new UserError('item.field_unknown', { field: target }, target);
  if (!shape.isMultiple) return readOne(reader, shape, given, column);
  // One value may hold a comma itself: an option or a person of that whole name is that one.
  if (shape.type === 'list' && optionOf(shape, given) !== undefined) return [optionOf(shape, given)];
  const parts = given.split(/[;\n|]|,\s*/).map((part) => part.trim()).filter((part) => part !== '');
  return parts.map((part) => readOne(reader, shape, part, column));
}

function readOne(reader: CellReader, shape: FieldShape, given: string, column: string): unknown {
  switch (shape.type) {
    case 'number':
    case 'money':
      return numberOf(given, reader.language) ?? refuse(column, given, 'number');
    case 'boolean': {
      const word = given.toLowerCase();
      if (yes.has(word)) return true;
      if (no.has(word)) return false;
      return refuse(column, given, 'boolean');
    }
    case 'date':
      return momentOf(given, reader)?.toISODate() ?? refuse(column, given, 'date');
    case 'datetime':
      return momentOf(given, reader)?.toUTC().toISO() ?? refuse(column, given, 'datetime');
    case 'employee': {
      const found = reader.people.get(bare(given)) ?? [];
      const [only, ...others] = found;
      if (only === undefined) throw new UserError('import.employee_unknown', { value: given, column });
      if (others.length > 0) throw new UserError('import.employee_ambiguous', { value: given, column, count: found.length });
      return only;
    }
    case 'list': {
      const option = optionOf(shape, given);
      if (option === undefined) throw new UserError('import.option_unknown', { value: given, column });
      return option;
    }
    case 'url':
      return /^(https?:\/\/|\/)/i.test(given) ? given : `https://${given}`;
    default:
      return given;
  }
}

function refuse(column: string, value: string, type: string): never {
  throw new UserError('import.cell_unreadable', { column, value: value.length > 60 ? `${value.slice(0, 60)}…` : value, type });
}

function optionOf(shape: FieldShape, given: string): number | undefined {
  return (shape.settings.options ?? []).find((option) => bare(option.name) === bare(given) || option.name === given)?.id;
}

function currencyOf(given: string): string | undefined {
  if (/^[A-Za-z]{3}$/.test(given)) return given.toUpperCase();
  return currencySigns[given.toLowerCase().replace(/\.$/, '')];
}

/** «1 234,50 ₽», «1,234.50», «(12)»: which sign is the decimal one is seen by where it stands, and else by the language. */
function numberOf(given: string, language: 'ru' | 'en'): number | undefined {
  let digits = given.replaceAll(/[\s\u00A0\u202F'’]|₽|руб\.?|р\.$|\$|€|£|₸|₴|¥|[A-Z]{3}$/giu, '');
  const isNegative = /^\(.*\)$/.test(digits) || digits.startsWith('-') || digits.startsWith('−');
  digits = digits.replaceAll(/[()+−-]/g, '');
  const [comma, point] = [digits.lastIndexOf(','), digits.lastIndexOf('.')];
  let decimal = '';
  if (comma >= 0 && point >= 0) decimal = comma > point ? ',' : '.';
  else if (comma >= 0) decimal = digits.indexOf(',') === comma && (language === 'ru' || !/,\d{3}$/.test(digits)) ? ',' : '';
  else if (point >= 0) decimal = digits.indexOf('.') === point ? '.' : '';
  const plain = [...digits].filter((sign) => /\d/.test(sign) || sign === decimal).join('').replace(',', '.');
  if (!/^\d+(\.\d+)?$|^\.\d+$/.test(plain) || /[^\d.,]/.test(digits)) return undefined;
  const value = Number(plain);
  return isNegative ? -value : value;
}

const momentFormats = ['d.M.yyyy', 'd.M.yy', 'yyyy-M-d', 'yyyy.M.d', 'yyyy/M/d', 'd-M-yyyy'] as const;
const slashes = { ru: 'd/M/yyyy', en: 'M/d/yyyy' } as const;
const times = ['', ' H:mm', ' H:mm:ss', ", H:mm", ", H:mm:ss", "'T'H:mm", "'T'H:mm:ss", ' h:mm a', ' h:mm:ss a'] as const;

function momentOf(given: string, { language, timeZone }: CellReader): DateTime<true> | undefined {
  for (const day of [...momentFormats, slashes[language]]) {
    for (const time of times) {
      const moment = DateTime.fromFormat(given, day + time, { zone: timeZone, locale: 'en' });
      if (moment.isValid && moment.year >= 1900) return moment;
    }
  }
  const moment = DateTime.fromISO(given, { zone: timeZone });
  return moment.isValid && moment.year >= 1900 ? moment : undefined;
}

const split = (cell: string): string[] => cell.split(/[;,\n|]/).map((part) => withoutGuard(part.trim())).filter((part) => part !== '');

/** The person, firm, phones and addresses that a row's cells name. */
export function readClients(cells: ReadonlyMap<ClientTarget, { cell: string; column: string }>): ClientMention {
  const of = (target: ClientTarget): string => withoutGuard(cells.get(target)?.cell.trim() ?? '');
  const emails = (target: ClientTarget): string[] => split(of(target)).map((email) => {
    if (!/^[^\s@<>"]+@[^\s@<>"]+$/.test(email) || email.length > 320) return refuse(cells.get(target)?.column ?? '', email, 'email');
    return email;
  });
  const phones = (target: ClientTarget): string[] => split(of(target)).map((phone) => {
    if (phone.replaceAll(/\D/g, '').length < 5 || phone.length > 50) return refuse(cells.get(target)?.column ?? '', phone, 'phone');
    return phone;
  });
  const limited = (target: ClientTarget): string => {
    if (of(target).length > 255) return refuse(cells.get(target)?.column ?? '', of(target), 'text');
    return of(target);
  };
  // «Петрова Анна Сергеевна»: as lists of clients write it.
  const [lastName = '', firstName = '', ...rest] = limited('contact.name').split(/\s+/);
  const contact = {
    firstName: limited('contact.firstName') || firstName, lastName: limited('contact.lastName') || lastName, secondName: rest.join(' '),
    phones: phones('contact.phone'), emails: emails('contact.email'),
  };
  const company = { title: limited('company.title'), phones: phones('company.phone'), emails: emails('company.email') };
  return {
    contact: isEmpty(contact.firstName + contact.lastName) && contact.phones.length + contact.emails.length === 0 ? null : contact,
    company: company.title === '' && company.phones.length + company.emails.length === 0 ? null : company,
  };
}
