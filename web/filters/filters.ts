/**
 * What a list or a board shows: words, filters, order. Kept in the address, so that a link shows the same to a colleague
 * and «back» takes back a filter; saved views keep the same. Pure but for the names of fields.
 */
import type { ItemFilter } from '../../shared/api/crm.ts';
import type { Field, ItemType } from '../crm-config.ts';
import { dayOf } from '../format.ts';
import { type FieldShape, shapeOf, stampFields, systemFieldsOf } from '../values/fields.ts';

export type { ItemFilter };
export type FilterOperator = ItemFilter['op'];

export interface ItemQuery {
  search: string;
  filters: ItemFilter[];
}

/** How a list or a board looks, as a saved view keeps it beside what it asks; each takes what is its own. */
export interface ViewLook {
  sort?: string;
  direction?: 'asc' | 'desc';
  columns?: string[];
  cards?: string[];
  withFinal?: boolean;
}
export type ViewQuery = ItemQuery & { look?: ViewLook };

const codesOf = (value: unknown): string[] | undefined => (Array.isArray(value) ? value.filter((code) => typeof code === 'string') : undefined);

/** Out of a saved view: what is not one is left out. */
export function parseLook(value: unknown): ViewLook {
  if (typeof value !== 'object' || value === null) return {};
  const look: ViewLook = {};
  if ('sort' in value && typeof value.sort === 'string') look.sort = value.sort;
  if ('direction' in value && (value.direction === 'asc' || value.direction === 'desc')) look.direction = value.direction;
  if ('columns' in value) look.columns = codesOf(value.columns);
  if ('cards' in value) look.cards = codesOf(value.cards);
  if ('withFinal' in value && typeof value.withFinal === 'boolean') look.withFinal = value.withFinal;
  return look;
}

export const nothingAsked: ItemQuery = { search: '', filters: [] };

export function isAsking(query: ItemQuery): boolean {
  return query.search !== '' || query.filters.length > 0;
}

/** Filters out of an address: what is not one is left out, the server checks the rest. */
export function parseFilters(text: unknown): ItemFilter[] {
  if (typeof text !== 'string' || text === '') return [];
  let parsed: unknown;
  try {
    parsed = JSON.parse(text);
  } catch {
    return [];
  }
  return Array.isArray(parsed) ? parsed.filter(isFilter).slice(0, 50) : [];
}

function isFilter(value: unknown): value is ItemFilter {
  return typeof value === 'object' && value !== null && 'field' in value && typeof value.field === 'string' && 'op' in value && typeof value.op === 'string';
}

export function printFilters(filters: readonly ItemFilter[]): string | undefined {
  return filters.length === 0 ? undefined : JSON.stringify(filters);
}

/** The filter «group of stages» is no field of its own. */
export interface FilterField {
  code: string;
  name: string;
  kind: FieldShape['type'] | 'semantics';
  settings: FieldShape['settings'];
}

/** What a list of the type may be filtered by, in the order of the card. */
export function filterFields(type: ItemType, own: readonly Field[], names: { semantics: string }): FilterField[] {
  const fields = [...systemFieldsOf(type), ...stampFields(), ...own.map(shapeOf)].filter((field) => field.type !== 'file');
  return [
    { code: 'semantics', name: names.semantics, kind: 'semantics', settings: {} },
    ...fields.map(({ code, name, type: kind, settings }) => ({ code, name, kind, settings: kind === 'stage' ? { ...settings, itemTypeId: type.id } : settings })),
  ];
}

/** Operators of a kind, the usual one first. */
export function operatorsOf(kind: FilterField['kind']): FilterOperator[] {
  switch (kind) {
    case 'semantics': return ['in', 'notIn'];
    case 'boolean': return ['eq', 'ne'];
    case 'number':
    case 'money': return ['between', 'gte', 'lte', 'eq', 'filled', 'empty'];
    case 'date':
    case 'datetime': return ['between', 'gte', 'lte', 'filled', 'empty'];
    case 'list':
    case 'stage':
    case 'employee':
    case 'item':
    case 'contact':
    case 'company': return ['in', 'notIn', 'filled', 'empty'];
    default: return ['contains', 'eq', 'ne', 'filled', 'empty'];
  }
}

export function takesNoValue(op: FilterOperator): boolean {
  return op === 'filled' || op === 'empty';
}

/** A new filter of a field, still without a value. */
export function emptyFilter(field: FilterField): ItemFilter {
  const op = operatorsOf(field.kind)[0] ?? 'eq';
  return { field: field.code, op, value: field.kind === 'boolean' ? true : op === 'in' || op === 'between' ? [] : null };
}

/** Whether it says anything: half of one is not sent. */
export function isComplete({ op, value }: ItemFilter): boolean {
  if (takesNoValue(op)) return true;
  if (op === 'between') return Array.isArray(value) && value.length === 2 && value.every((one) => one !== null && one !== '');
  return Array.isArray(value) ? value.length > 0 : value !== null && value !== undefined && value !== '';
}

export interface Preset {
  id: 'mine' | 'open' | 'overdue' | 'unowned' | 'won' | 'lost';
  filters: ItemFilter[];
}

/** What people look at every day. */
export function presetsFor(me: number, now: Date): Preset[] {
  const open: ItemFilter = { field: 'semantics', op: 'in', value: ['process'] };
  return [
    { id: 'mine', filters: [{ field: 'ownerId', op: 'in', value: [me] }] },
    { id: 'open', filters: [open] },
    { id: 'overdue', filters: [open, { field: 'closesOn', op: 'lte', value: dayBefore(dayOf(now)) }] },
    { id: 'unowned', filters: [{ field: 'ownerId', op: 'empty' }] },
    { id: 'won', filters: [{ field: 'semantics', op: 'in', value: ['success'] }] },
    { id: 'lost', filters: [{ field: 'semantics', op: 'in', value: ['failure'] }] },
  ];
}

function dayBefore(day: string): string {
  const date = new Date(`${day}T00:00:00Z`);
  date.setUTCDate(date.getUTCDate() - 1);
  return date.toISOString().slice(0, 10);
}

export function areSameFilters(a: readonly ItemFilter[], b: readonly ItemFilter[]): boolean {
  return JSON.stringify(a) === JSON.stringify(b);
}
