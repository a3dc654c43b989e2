/**
 * Values of items: what may be written into a field, and in which form it is stored. Pure.
 *
 * Stored forms: text as string, number and money as number, boolean, date 'YYYY-MM-DD', datetime as an
 * ISO 8601 string in UTC, list option / employee / file / item / contact / company as its id.
 * A multiple field holds an array of these. Empty is null (an own field then has no key at all).
 */
import { UserError } from '../../shared/errors.ts';
import type { CrmModel, Field, FieldSettings, FieldType } from './model.ts';

/** What the write path needs to know of a field, system or own. */
export interface FieldShape {
  code: string;
  /** Own fields carry the name people gave; system fields '@fields.<code>', a key of the locales. */
  name: string;
  type: FieldType | 'stage';
  isMultiple: boolean;
  isSystem: boolean;
  maxLength?: number;
  settings: FieldSettings;
}

function systemField(code: string, type: FieldShape['type'], rest: Partial<FieldShape> = {}): FieldShape {
  return { code, name: `@fields.${code}`, type, isMultiple: false, isSystem: true, settings: {}, ...rest };
}

/** Fields every item has and people may write. Order is the order of the card. */
export const systemFields: readonly FieldShape[] = [
  systemField('title', 'string', { maxLength: 255 }),
  systemField('stageId', 'stage'),
  systemField('amount', 'money'),
  systemField('currency', 'string', { maxLength: 3 }),
  systemField('ownerId', 'employee'),
  systemField('observerIds', 'employee', { isMultiple: true }),
  systemField('contactId', 'contact'),
  systemField('companyId', 'company'),
  systemField('beginsOn', 'date'),
  systemField('closesOn', 'date'),
  systemField('parentId', 'item'),
];
const systemByCode = new Map(systemFields.map((field) => [field.code.toLowerCase(), field]));

const ownShapes = new WeakMap<Field, FieldShape>();

/** The field an item of this type has under the code (any letter case), or undefined. */
export function fieldShape(model: CrmModel, itemTypeId: number, code: string): FieldShape | undefined {
  const system = systemByCode.get(code.toLowerCase());
  if (system) return system;
  const own = model.field(itemTypeId, code);
  return own && shapeOf(own);
}

/** An own field seen as the write path sees it. */
export function shapeOf(own: Field): FieldShape {
  let shape = ownShapes.get(own);
  if (!shape) {
    shape = { code: own.code, name: own.name, type: own.type, isMultiple: own.isMultiple, isSystem: false, settings: own.settings };
    ownShapes.set(own, shape);
  }
  return shape;
}

const maxTextLength = 100_000;
const maxValues = 1000;

export function isEmpty(value: unknown): boolean {
  return value === null || value === undefined || value === '' || (Array.isArray(value) && value.length === 0);
}

/** The stored form of `raw`, or a UserError `item.value_invalid` naming the field. Ids are not looked up here. */
export function normaliseValue(field: FieldShape, raw: unknown): unknown {
  if (isEmpty(raw)) return field.isMultiple ? [] : null;
  if (!field.isMultiple) {
    if (Array.isArray(raw)) throw invalid(field);
    return normaliseOne(field, raw);
  }
  const list = Array.isArray(raw) ? raw : [raw];
  if (list.length > maxValues) throw new UserError('item.too_many_values', { field: field.name, max: maxValues }, field.code);
  const values = list.filter((value) => !isEmpty(value)).map((value) => normaliseOne(field, value));
  return isReference(field.type) ? [...new Set(values)] : values;
}

/** Whether values of the type are ids of something else. */
export function isReference(type: FieldShape['type']): boolean {
  return ['employee', 'file', 'item', 'contact', 'company', 'list', 'stage'].includes(type);
}

function invalid(field: FieldShape): UserError {
  return new UserError('item.value_invalid', { field: field.name, type: field.type }, field.code);
}

function normaliseOne(field: FieldShape, raw: unknown): unknown {
  switch (field.type) {
    case 'string':
    case 'text':
    case 'address':
    case 'phone':
      return text(field, raw, field.maxLength ?? (field.type === 'text' ? maxTextLength : 4000));
    case 'email': {
      const value = text(field, raw, 320);
      if (!/^[^\s@<>"]+@[^\s@<>"]+$/.test(value)) throw invalid(field);
      return value;
    }
    case 'url': {
      const value = text(field, raw, 4000);
      if (!/^(https?:\/\/|\/)/i.test(value) || !URL.canParse(value, 'https://x.invalid')) throw invalid(field);
      return value;
    }
    case 'number':
    case 'money': {
      const value = typeof raw === 'string' && raw.trim() !== '' ? Number(raw.replace(',', '.').replace(/[\s\u00a0\u202f]/g, '')) : raw;
      if (typeof value !== 'number' || !Number.isFinite(value)) throw invalid(field);
      if (field.type === 'money' && Math.abs(value) >= 1e15) throw invalid(field);
      const decimals = field.type === 'money' ? 2 : field.settings.decimals;
      return decimals === undefined ? value : Number(value.toFixed(decimals));
    }
    case 'boolean':
      if (typeof raw === 'boolean') return raw;
      if (raw === 'Y' || raw === 1 || raw === '1' || raw === 'true') return true;
      if (raw === 'N' || raw === 0 || raw === '0' || raw === 'false') return false;
      throw invalid(field);
    case 'date': {
      const value = raw instanceof Date ? raw.toISOString() : raw;
      const day = typeof value === 'string' ? /^(\d{4}-\d{2}-\d{2})(?:T.*)?$/.exec(value)?.[1] : undefined;
      const parsed = day ? new Date(`${day}T00:00:00Z`) : undefined;
      // A day that does not exist (31 February) is either no date or rolls over.
      if (!day || !parsed || Number.isNaN(parsed.getTime()) || !parsed.toISOString().startsWith(day)) throw invalid(field);
      return day;
    }
    case 'datetime': {
      const value = raw instanceof Date ? raw : typeof raw === 'string' && /^\d{4}-\d{2}-\d{2}/.test(raw) ? new Date(raw) : undefined;
      if (!value || Number.isNaN(value.getTime())) throw invalid(field);
      return value.toISOString();
    }
    case 'list': {
      const options = field.settings.options ?? [];
      const option = options.find((o) => o.id === Number(raw)) ?? options.find((o) => o.name === raw);
      if (!option) throw invalid(field);
      return option.id;
    }
    case 'employee':
    case 'file':
    case 'item':
    case 'contact':
    case 'company':
    case 'stage': {
      const id = typeof raw === 'string' && /^\d+$/.test(raw) ? Number(raw) : raw;
      if (typeof id !== 'number' || !Number.isSafeInteger(id) || id <= 0) throw invalid(field);
      return id;
    }
  }
}

function text(field: FieldShape, raw: unknown, maxLength: number): string {
  if (typeof raw !== 'string' && typeof raw !== 'number') throw invalid(field);
  const value = String(raw).trim();
  // PostgreSQL has no NUL in text.
  if (value.includes('\u0000')) throw invalid(field);
  if (value.length > maxLength) throw new UserError('item.text_too_long', { field: field.name, max: maxLength, length: value.length }, field.code);
  return value;
}
