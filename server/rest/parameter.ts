/**
 * Parameters of methods: what they take, and how it is read from whatever a client sent. A form sends texts, JSON
 * sends types, PHP sends maps for lists; each kind reads them all. Unknown parameters are ignored, as documented.
 */
import { entriesOf } from './encoding.ts';
import { argumentMissing, RestError } from './errors.ts';

export interface Parameter<Value> {
  /** As the list of methods shows it. */
  readonly kind: string;
  readonly isRequired: boolean;
  read(raw: unknown, name: string): Value;
}

export type Parameters = Readonly<Record<string, Parameter<unknown>>>;
export type ValuesOf<P extends Parameters> = { readonly [Name in keyof P]: P[Name] extends Parameter<infer Value> ? Value : never };

export type Failure = (name: string) => RestError;

const idInvalid: Failure = () => new RestError('', 'ID is not defined or invalid');
const mustBeArray: Failure = (name) => new RestError('', `Parameter '${name}' must be array.`);

export function isMissing(raw: unknown): boolean {
  return raw === undefined || raw === null || raw === '';
}

/** A whole number in any spelling; undefined: none. */
export function toInteger(raw: unknown): number | undefined {
  const text = typeof raw === 'number' || typeof raw === 'string' ? String(raw).trim() : '';
  if (!/^[+-]?\d{1,15}$/.test(text)) return undefined;
  return Number(text);
}

export function toText(raw: unknown): string | undefined {
  if (typeof raw === 'string') return raw;
  return typeof raw === 'number' || typeof raw === 'boolean' ? String(raw) : undefined;
}

/** Y, 1, true in any spelling; everything else is no. */
export function toFlag(raw: unknown): boolean {
  return raw === true || raw === 1 || (typeof raw === 'string' && /^(y|1|true|yes|on)$/i.test(raw.trim()));
}

function parameter<Value>(kind: string, isRequired: boolean, read: Parameter<Value>['read']): Parameter<Value> {
  return { kind, isRequired, read };
}

/** The id of something: a whole number above 0. */
export function id(fail: Failure = idInvalid): Parameter<number> {
  return parameter('id', true, (raw, name) => {
    const value = toInteger(raw);
    if (value === undefined || value <= 0) throw fail(name);
    return value;
  });
}

export function integer(fail: Failure = argumentMissing): Parameter<number> {
  return parameter('integer', true, (raw, name) => {
    const value = toInteger(raw);
    if (value === undefined) throw fail(name);
    return value;
  });
}

/** undefined when it was not sent or is no number. */
export const optionalInteger = parameter<number | undefined>('integer', false, toInteger);

export function text(fail: Failure = argumentMissing): Parameter<string> {
  return parameter('string', true, (raw, name) => {
    const value = toText(raw);
    if (value === undefined || value.trim() === '') throw fail(name);
    return value;
  });
}

export const optionalText = parameter<string | undefined>('string', false, toText);
export const flag = parameter<boolean>('boolean', false, toFlag);
export const anything = parameter<unknown>('any', false, (raw) => raw);

/** `fields`: a map, given or refused. */
export function map(fail: Failure = mustBeArray, missing: Failure = fail): Parameter<readonly [string, unknown][]> {
  return parameter('object', true, (raw, name) => {
    if (raw === undefined) throw missing(name);
    const entries = entriesOf(raw);
    if (!entries) throw fail(name);
    return entries;
  });
}

/** A map that may be left out; an empty text is an empty map, as PHP clients send it. */
export function optionalMap(fail: Failure = mustBeArray): Parameter<readonly [string, unknown][]> {
  return parameter('object', false, (raw, name) => {
    if (isMissing(raw) || raw === false) return [];
    const entries = entriesOf(raw);
    if (!entries) throw fail(name);
    return entries;
  });
}

/** A list, a map of values, or a single value. */
export const list = parameter<readonly unknown[]>('array', false, (raw) => {
  if (isMissing(raw)) return [];
  return entriesOf(raw)?.map(([, value]) => value) ?? [raw];
});

export const select = parameter<readonly string[]>('array', false, (raw) => {
  const values = isMissing(raw) ? [] : (entriesOf(raw)?.map(([, value]) => value) ?? [raw]);
  return values.flatMap((value) => (typeof value === 'string' && value !== '' ? [value] : []));
});

/** A row to start at; -1: no count, no next. Clients with `next` send it back as `start`. */
export const start = parameter<number>('integer', false, (raw) => {
  const value = toInteger(raw) ?? 0;
  return value < 0 ? -1 : value;
});

export const pageSize = 50;
