/**
 * Requests as PHP reads them, and answers as PHP writes them. Pure.
 *
 * `filter[>ID]=5&select[]=ID` becomes nested maps; a map whose keys are 0, 1, 2 … in this order is a list. What comes
 * in has no prototype, so that no key means anything but itself.
 */
import { malformed } from './errors.ts';

export type Params = Readonly<Record<string, unknown>>;

/** As PHP's max_input_nesting_level. */
const maxDepth = 64;
const maxVariables = 20_000;

export function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

/** A map or a list as entries in order; undefined: neither. */
export function entriesOf(value: unknown): [string, unknown][] | undefined {
  if (Array.isArray(value)) return value.map((one, index) => [String(index), one]);
  return isRecord(value) ? Object.entries(value) : undefined;
}

type Branch = Map<string, unknown>;

/** `application/x-www-form-urlencoded`, also a query string. */
export function parseForm(text: string): Record<string, unknown> {
  const root: Branch = new Map();
  let variables = 0;
  for (const pair of text.split('&')) {
    if (pair === '') continue;
    if (++variables > maxVariables) throw malformed(`More than ${maxVariables} parameters.`);
    const equals = pair.indexOf('=');
    put(root, decode(equals < 0 ? pair : pair.slice(0, equals)), equals < 0 ? '' : decode(pair.slice(equals + 1)));
  }
  return unfold(root);
}

/** Pairs that are decoded already: a multipart body. */
export function parsePairs(pairs: readonly (readonly [string, unknown])[]): Record<string, unknown> {
  const root: Branch = new Map();
  if (pairs.length > maxVariables) throw malformed(`More than ${maxVariables} parameters.`);
  for (const [name, value] of pairs) put(root, name, value);
  return unfold(root);
}

function decode(text: string): string {
  const spaced = text.replaceAll('+', ' ');
  if (!spaced.includes('%')) return clean(spaced);
  return clean(percentDecoded(spaced));
}

function percentDecoded(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    // A lone % or bytes that are no UTF-8: kept as they came.
    return text;
  }
}

function clean(text: string): string {
  if (text.includes('\0')) throw malformed('A text contains a NUL character.');
  return text;
}

function put(root: Branch, name: string, value: unknown): void {
  const bracket = name.indexOf('[');
  if (bracket <= 0 || !name.endsWith(']')) {
    root.set(name, value);
    return;
  }
  const path = name.slice(bracket + 1, -1).split('][');
  if (path.length > maxDepth) throw malformed(`Parameters are nested deeper than ${maxDepth} levels.`);
  let branch = root;
  let key = name.slice(0, bracket);
  for (const part of path) {
    let next = branch.get(key);
    if (!(next instanceof Map)) branch.set(key, (next = new Map()));
    branch = next instanceof Map ? next : new Map();
    key = part === '' ? String(branch.size === 0 ? 0 : nextIndex(branch)) : part;
  }
  branch.set(key, value);
}

function nextIndex(branch: Branch): number {
  let highest = -1;
  for (const key of branch.keys()) if (/^\d{1,15}$/.test(key)) highest = Math.max(highest, Number(key));
  return highest + 1;
}

function blank(): Record<string, unknown> {
  return Object.create(null);
}

function unfold(branch: Branch): Record<string, unknown> {
  const map = blank();
  for (const [key, value] of branch) map[key] = value instanceof Map ? listOrMap(value) : value;
  return map;
}

function listOrMap(branch: Branch): unknown {
  let index = 0;
  for (const key of branch.keys()) if (key !== String(index++)) return unfold(branch);
  return [...branch.values()].map((value) => (value instanceof Map ? listOrMap(value) : value));
}

/** A JSON body: any nesting up to the limit, texts that PostgreSQL can keep, nothing that reaches a prototype. */
export function parseJson(text: string): Record<string, unknown> {
  if (text.trim() === '') return blank();
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    throw malformed('The body is not valid JSON.');
  }
  const tame = withoutPrototype(value, 0, { left: 500_000 });
  if (isRecord(tame)) return tame;
  const listed = entriesOf(tame);
  return listed ? Object.assign(blank(), Object.fromEntries(listed)) : blank();
}

function withoutPrototype(value: unknown, depth: number, budget: { left: number }): unknown {
  if (typeof value === 'string') return clean(value).toWellFormed();
  if (typeof value !== 'object' || value === null) return value;
  if (depth >= maxDepth) throw malformed(`The body is nested deeper than ${maxDepth} levels.`);
  if (--budget.left < 0) throw malformed('The body holds too many values.');
  if (Array.isArray(value)) return value.map((one) => withoutPrototype(one, depth + 1, budget));
  const map = blank();
  for (const [key, inner] of Object.entries(value)) map[clean(key).toWellFormed()] = withoutPrototype(inner, depth + 1, budget);
  return map;
}

/** Query and body together, the body wins; names of the first level in lower case. */
export function mergeParams(...sources: readonly Params[]): Record<string, unknown> {
  const merged = blank();
  for (const source of sources) for (const [name, value] of Object.entries(source)) merged[name.toLowerCase()] = value;
  return merged;
}

/** A PHP array: a list when its keys are 0, 1, 2 …, else a map; an empty one is []. */
export function phpArray(entries: readonly (readonly [string, unknown])[]): unknown {
  return entries.every(([key], index) => key === String(index)) ? entries.map(([, value]) => value) : Object.fromEntries(entries);
}

/** The answer as `.xml`. */
export function toXml(value: unknown): string {
  const name = (key: string) => (/^[A-Za-z_][\w.-]*$/.test(key) ? key : 'item');
  const escape = (text: string) => text.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;').replaceAll(/[\u0000-\u0008\u000b\u000c\u000e-\u001f]/g, '');
  const inside = (one: unknown): string => {
    const parts = entriesOf(one);
    if (parts) return parts.map(([key, inner]) => `<${name(key)}>${inside(inner)}</${name(key)}>`).join('');
    return one === null || one === undefined ? '' : escape(one === true ? '1' : one === false ? '0' : String(one));
  };
  return `<?xml version="1.0" encoding="utf-8" ?>\n<response>${inside(value)}</response>`;
}
