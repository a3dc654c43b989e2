/**
 * Values that robots read, and how they are written for people. Pure: no SQL, no I/O.
 *
 * Owns the vocabulary shared by placeholders, conditions and timing: kinds of values, where values come
 * from while a robot is decided (`ValueSource`, made by the engine), and for whom they are printed (`Reader`).
 *
 * Invariants: what is printed is always meant for people. Never `null`, `Array`, `[object Object]` or the
 * bare id of something that has a name; somebody or something that is gone is said in words.
 * A printed value is data: it is not looked through for placeholders again, and where it becomes part of
 * a BBCode text it goes through `escapeBbcode` (shared/bbcode.ts), so `[url=…]` typed into a title is read as it was typed.
 */
import { IANAZone } from 'luxon';
import { text, type Language } from '../../shared/messages.ts';

export const valueKinds = [
  'string', 'text', 'number', 'money', 'boolean', 'date', 'datetime', 'list', 'employee', 'file', 'url',
  'address', 'phone', 'email', 'item', 'contact', 'company', 'stage', 'pipeline', 'chat', 'id',
] as const;

/** Kinds of values that fields and results have. */
export type ValueKind = (typeof valueKinds)[number];

export interface ValueSettings {
  /** Options of a list. A value is the id of one. */
  readonly options?: readonly { readonly id: number; readonly name: string }[];
  /** Most digits after the decimal point that are printed. Absent: as many as the number has. */
  readonly decimals?: number;
  /** Code of the item's field with the currency of this money. Absent: `currency`. */
  readonly currencyField?: string;
  /** Fixed currency of this money; wins over `currencyField`. */
  readonly currency?: string;
}

export interface FieldInfo {
  readonly code: string;
  /** As people know it, in the language of whoever asked. */
  readonly name: string;
  readonly kind: ValueKind;
  readonly isMultiple: boolean;
  readonly settings: ValueSettings;
}

export interface FieldValue {
  readonly field: FieldInfo;
  /** Stored form: see server/crm/values.ts. A multiple field gives an array. */
  readonly value: unknown;
}

/** Names for printing; undefined: there is none such (any more). */
export interface Names {
  employee(id: number): string | undefined;
  stage(id: number): string | undefined;
  pipeline(id: number): string | undefined;
  contact(id: number): string | undefined;
  company(id: number): string | undefined;
  item(id: number): string | undefined;
  file(id: number): string | undefined;
  chat(id: number): string | undefined;
  /** Absolute address of the file, where access is checked; undefined: it is gone. */
  fileUrl(id: number): string | undefined;
}

/**
 * Where values come from while a robot is decided. Codes are canonical (`canonicalReference` in
 * placeholders.ts turns aliases into them) or, for own fields, as typed: look these up in any letter case.
 */
export interface ValueSource {
  /** Fields of the item: id, title, amount, currency, stageId … and its own. undefined: it has no such field. */
  document(code: string): FieldValue | undefined;
  /** Fields of the item's client. undefined: no such client, or no such field. */
  client(which: 'contact' | 'company', code: string): FieldValue | undefined;
  /** Of the employee responsible: name, firstName, lastName, email … undefined: no owner, or no such field. */
  owner(code: string): FieldValue | undefined;
  /** A result that robot `robotId` left in this arrival or an earlier one; undefined: it left none. */
  result(robotId: number, name: string): { readonly kind: ValueKind; readonly value: unknown } | undefined;
  readonly now: Date;
  /** IANA zones. The owner's is undefined when the item has no owner. */
  readonly timeZones: { readonly company: string; readonly owner: string | undefined };
  readonly names: Names;
}

/** What printing needs of a source. */
export type PrintSource = Pick<ValueSource, 'document' | 'names'>;

/** For whom a value is printed. */
export interface Reader {
  readonly language: Language;
  readonly timeZone: string;
  readonly companyCurrency: string;
}

/**
 * Nothing was entered. Spaces alone are nothing, `false` and 0 are something; a list is empty when all in it is.
 */
export function isEmptyValue(value: unknown): boolean {
  if (value === null || value === undefined) return true;
  if (typeof value === 'string') return value.trim() === '';
  if (typeof value === 'number') return !Number.isFinite(value);
  if (value instanceof Date) return Number.isNaN(value.getTime());
  return Array.isArray(value) && value.every(isEmptyValue);
}

const noSettings: ValueSettings = {};
const bareFields = new Map<string, FieldInfo>();

/** A description for a value that is no field: a result of a robot, the present moment. */
export function fieldOfKind(kind: ValueKind, code = '', isMultiple = false): FieldInfo {
  const key = `${kind} ${code} ${isMultiple}`;
  let field = bareFields.get(key);
  if (!field) {
    field = { code, name: code, kind, isMultiple, settings: noSettings };
    // Names of results are few, but they come from saved settings: nobody may fill the memory with them.
    if (bareFields.size < 10_000) bareFields.set(key, field);
  }
  return field;
}

/** The number in a value: of money its amount. undefined: there is none. Texts as people type them («1 200,50»). */
export function numberOf(value: unknown): number | undefined {
  if (typeof value === 'number') return Number.isFinite(value) ? value : undefined;
  if (typeof value === 'boolean') return value ? 1 : 0;
  if (typeof value === 'string') {
    const plain = value.replace(/[\s\u00a0\u202f]/g, '').replace(',', '.');
    return /^[+-]?(\d+\.?\d*|\.\d+)$/.test(plain) ? Number(plain) : undefined;
  }
  if (typeof value === 'object' && value !== null && 'amount' in value) return numberOf(value.amount);
  return undefined;
}

/** true, false, or undefined when it is neither. Understands the «Y»/«N» of Bitrix24's REST. */
export function booleanOf(value: unknown): boolean | undefined {
  if (typeof value === 'boolean') return value;
  if (typeof value === 'number') return value !== 0;
  if (typeof value !== 'string') return undefined;
  const word = value.trim().toLowerCase();
  if (word === 'y' || word === '1' || word === 'true') return true;
  if (word === 'n' || word === '0' || word === 'false') return false;
  return undefined;
}

/** The id in a value, or undefined. */
export function idOf(value: unknown): number | undefined {
  const id = typeof value === 'string' && /^\d{1,16}$/.test(value) ? Number(value) : value;
  return typeof id === 'number' && Number.isSafeInteger(id) && id > 0 ? id : undefined;
}

const dayPattern = /^\d{4}-\d{2}-\d{2}$/;

/** Whether the value is a day without a time, 'YYYY-MM-DD'. */
export function isDay(value: unknown): value is string {
  if (typeof value !== 'string' || !dayPattern.test(value)) return false;
  const at = Date.parse(value);
  // JavaScript reads 30 February as 2 March.
  return !Number.isNaN(at) && new Date(at).getUTCDate() === Number(value.slice(8));
}

/** Milliseconds of a stored datetime (a Date or an ISO text with a time); undefined: it is none. */
export function instantOf(value: unknown): number | undefined {
  const at = value instanceof Date ? value.getTime() : typeof value === 'string' && value.length > 10 && /^\d{4}-\d{2}-\d{2}T/.test(value) ? Date.parse(value) : Number.NaN;
  return Number.isNaN(at) ? undefined : at;
}

/** What a clock on the wall of the zone shows at the instant, as milliseconds of the same reading in UTC. */
export function wallClock(instant: number, timeZone: string): number {
  return instant + offsetMinutes(instant, timeZone) * 60_000;
}

/** The day 'YYYY-MM-DD' of the instant in the zone. */
export function dayOf(instant: number, timeZone: string): string {
  return new Date(wallClock(instant, timeZone)).toISOString().slice(0, 10);
}

/** The zone of luxon; one that nobody knows is UTC, so that a batch never fails over it. */
export function zoneOf(timeZone: string): IANAZone {
  const zone = IANAZone.create(timeZone);
  return zone.isValid ? zone : IANAZone.create('UTC');
}

const offsets = new Map<string, Map<number, number>>();

/** Clocks change on a quarter of an hour; asking Intl costs 5 µs, so each quarter is asked for once. */
function offsetMinutes(instant: number, timeZone: string): number {
  let known = offsets.get(timeZone);
  if (!known) {
    known = new Map();
    if (offsets.size < 1000) offsets.set(timeZone, known);
  }
  const quarter = Math.floor(instant / 900_000);
  let offset = known.get(quarter);
  if (offset === undefined) {
    offset = zoneOf(timeZone).offset(instant);
    if (known.size >= 5000) known.clear();
    known.set(quarter, offset);
  }
  return offset;
}

/** The value for a person: see the module comment. Empty: ''. Several values: «А, Б». */
export function print(value: unknown, field: FieldInfo, reader: Reader, source: PrintSource): string {
  if (!Array.isArray(value)) return printOne(value, field, reader, source);
  const printed: string[] = [];
  for (const one of value) {
    const shown = printOne(one, field, reader, source);
    if (shown !== '') printed.push(shown);
  }
  return printed.join(', ');
}

function printOne(value: unknown, field: FieldInfo, reader: Reader, source: PrintSource): string {
  // A checkbox nobody ticked is «нет», also before anybody saved it.
  if (field.kind === 'boolean') return text(reader.language, booleanOf(value) ? 'robots.values.yes' : 'robots.values.no');
  if (isEmptyValue(value)) return '';
  switch (field.kind) {
    case 'number': {
      const number = numberOf(value);
      return number === undefined ? printText(value) : numberFormat(reader.language, field.settings.decimals).format(number);
    }
    case 'money': {
      const number = numberOf(value);
      return number === undefined ? printText(value) : printMoney(number, currencyOf(value, field, source) ?? reader.companyCurrency, reader.language);
    }
    case 'date':
    case 'datetime':
      return printTime(value, field.kind, reader);
    case 'list':
      return field.settings.options?.find((option) => option.id === value || String(option.id) === String(value))?.name
        ?? text(reader.language, 'robots.values.gone.list');
    case 'employee':
    case 'stage':
    case 'pipeline':
    case 'contact':
    case 'company':
    case 'item':
    case 'file':
    case 'chat': {
      const id = idOf(value);
      return (id === undefined ? undefined : source.names[field.kind](id)) ?? text(reader.language, `robots.values.gone.${field.kind}`);
    }
    default:
      return printText(value);
  }
}

/** Currency of a money value: its own, the field's, or the item's; undefined: nobody says. */
export function currencyOf(value: unknown, field: FieldInfo, source: Pick<ValueSource, 'document'>): string | undefined {
  if (typeof value === 'object' && value !== null && 'currency' in value && typeof value.currency === 'string') return value.currency;
  if (field.settings.currency) return field.settings.currency;
  const currency = source.document(field.settings.currencyField ?? 'currency')?.value;
  return typeof currency === 'string' && currency !== '' ? currency : undefined;
}

function printText(value: unknown): string {
  if (typeof value === 'string') return value;
  if (typeof value === 'number' || typeof value === 'bigint') return String(value);
  if (value instanceof Date) return value.toISOString();
  // Phones and e-mails of clients are kept with their type: { value, type }.
  if (typeof value === 'object' && value !== null && 'value' in value && typeof value.value === 'string') return value.value;
  return '';
}

/** «1 200 000 ₽», "$1,200,000.50". Between number and sign stands a no-break space: it never wraps. */
function printMoney(amount: number, currency: string, language: Language): string {
  return moneyFormat(language, currency)?.format(amount) ?? `${numberFormat(language, 2).format(amount)}\u00a0${currency}`;
}

function printTime(value: unknown, kind: 'date' | 'datetime', reader: Reader): string {
  // A day is the same day everywhere, whatever the kind of the field says.
  if (isDay(value)) return dateFormat(reader.language, 'UTC', 'date').format(Date.parse(value));
  const instant = instantOf(value);
  if (instant === undefined) return printText(value);
  // English puts a narrow no-break space before PM, which many phones and mail programs show as a box.
  return dateFormat(reader.language, reader.timeZone, kind).format(instant).replace(/\u202f/g, ' ').replace(', ', reader.language === 'ru' ? ' ' : ', ');
}

// Making a formatter costs a hundred times what using it does. Keys come from languages, currencies, zones.
const numberFormats = new Map<string, Intl.NumberFormat>();
const moneyFormats = new Map<string, Intl.NumberFormat | null>();
const dateFormats = new Map<string, Intl.DateTimeFormat>();

function numberFormat(language: Language, decimals = 10): Intl.NumberFormat {
  const digits = Math.min(Math.max(Math.trunc(decimals), 0), 20);
  const key = `${language} ${digits}`;
  let format = numberFormats.get(key);
  if (!format) {
    // 'min2': a number field often holds a year or a house number, and «2 026» is neither.
    format = new Intl.NumberFormat(language, { maximumFractionDigits: digits, useGrouping: 'min2' });
    numberFormats.set(key, format);
  }
  return format;
}

function moneyFormat(language: Language, currency: string): Intl.NumberFormat | null {
  const key = `${language} ${currency}`;
  let format = moneyFormats.get(key);
  if (format === undefined) {
    // Intl takes any three letters and throws on the rest, such as a company's own units.
    format = /^[A-Za-z]{3}$/.test(currency) ? new Intl.NumberFormat(language, { style: 'currency', currency, trailingZeroDisplay: 'stripIfInteger' }) : null;
    if (moneyFormats.size < 10_000) moneyFormats.set(key, format);
  }
  return format;
}

function dateFormat(language: Language, timeZone: string, kind: 'date' | 'datetime'): Intl.DateTimeFormat {
  const key = `${language} ${timeZone} ${kind}`;
  let format = dateFormats.get(key);
  if (!format) {
    // «24.11.2026 14:05»; in English the month is a word, because 5/6 is two different days.
    const date = language === 'ru' ? { day: '2-digit', month: '2-digit', year: 'numeric' } as const : { day: 'numeric', month: 'short', year: 'numeric' } as const;
    const time = kind === 'datetime' ? { hour: language === 'ru' ? '2-digit' : 'numeric', minute: '2-digit' } as const : {};
    format = new Intl.DateTimeFormat(language, { ...date, ...time, timeZone: zoneOf(timeZone).name });
    if (dateFormats.size < 10_000) dateFormats.set(key, format);
  }
  return format;
}
