/**
 * Lists of items: filters, sort, paging, sums per stage.
 *
 * SQL is built from the model alone: a name that is neither a system field nor an own one never gets
 * into a text. Sorting is offered only by what an index serves; filters work by any field, and an
 * own field that is filtered often deserves `isIndexed`.
 *
 * Paging goes by key, never by offset: the cursor holds the sort value and the id of the last row, so
 * a page costs the same at the end as at the start and rows that come or go shift nothing. Rows
 * without a sort value come last in both directions, read as a second piece of the same index.
 */
import { empty, join, type Queryable, raw, type Sql, sql } from '../db/db.ts';
import type { AccessRights, Actor, People } from '../people/people.ts';
import type { ItemFilter } from '../../shared/api/crm.ts';
import { UserError } from '../../shared/errors.ts';
import { itemColumns, type ItemRow } from './items.ts';
import type { CrmModel, Field, FieldType, Pipeline } from './model.ts';
import { type StageTotal, stageTotals } from './totals.ts';
import { type FieldShape, isReference, normaliseValue, shapeOf } from './values.ts';

export interface ItemSelection {
  itemTypeId: number;
  pipelineId?: number;
  stageId?: number;
  /** Words that must all be in the title; digits alone also find the item of that number. */
  search?: string;
  filters?: readonly ItemFilter[];
}

export interface ItemListRequest extends ItemSelection {
  sort?: string;
  direction?: 'asc' | 'desc';
  cursor?: string;
  limit?: number;
}

export interface Page<Row> {
  items: Row[];
  nextCursor: string | null;
}

export interface StageSummary {
  stageId: number;
  count: number;
  sums: { currency: string; amount: number }[];
}

const textTypes: ReadonlySet<string> = new Set(['string', 'text', 'url', 'address', 'phone', 'email']);

/** Long texts and files are looked at, not sorted by. */
export function isIndexable(type: FieldType): boolean {
  return type !== 'text' && type !== 'file';
}

/**
 * The SQL value of an own field; the index of the field, and the statistics by which PostgreSQL knows
 * whether that index pays, are on the same expression. A multiple field is an array of texts.
 * Texts are cut: an index entry must stay far below 2,700 bytes.
 */
export function valueExpression(field: Pick<Field, 'code' | 'type' | 'isMultiple'>, table = ''): string {
  if (!/^[A-Za-z][A-Za-z0-9_]*$/.test(field.code)) throw new Error(`Field code ${field.code} cannot stand in SQL.`);
  if (field.isMultiple) return `field_values(${table}"values" -> '${field.code}')`;
  const value = `${table}"values" ->> '${field.code}'`;
  if (textTypes.has(field.type)) return `left(${value}, 200)`;
  if (field.type === 'number' || field.type === 'money') return `((${value})::numeric)`;
  if (isReference(field.type)) return `((${value})::bigint)`;
  return `((${value}) collate "C")`;
}

// ——— Fields a filter may name

export type SqlType = 'text' | 'numeric' | 'bigint' | 'date' | 'timestamptz';

export interface Column {
  shape: FieldShape;
  /** What is compared. */
  value: Sql;
  sqlType: SqlType;
  isArray?: boolean;
  /** Whole text of an own field, where `value` is its beginning. */
  wholeText?: Sql;
}

function systemColumn(code: string, column: string, type: FieldShape['type'], sqlType: SqlType, isArray = false): [string, Column] {
  const shape: FieldShape = { code, name: code, type, isMultiple: false, isSystem: true, settings: {} };
  return [code.toLowerCase(), { shape, value: raw(`i.${column}`), sqlType, isArray }];
}

const systemColumns = new Map<string, Column>([
  systemColumn('id', 'id', 'item', 'bigint'),
  systemColumn('title', 'title', 'string', 'text'),
  systemColumn('amount', 'amount', 'money', 'numeric'),
  systemColumn('currency', 'currency', 'string', 'text'),
  systemColumn('pipelineId', 'pipeline_id', 'item', 'bigint'),
  systemColumn('stageId', 'stage_id', 'item', 'bigint'),
  systemColumn('ownerId', 'owner_id', 'employee', 'bigint'),
  systemColumn('creatorId', 'creator_id', 'employee', 'bigint'),
  systemColumn('observerIds', 'observer_ids', 'employee', 'bigint', true),
  systemColumn('contactId', 'contact_id', 'contact', 'bigint'),
  systemColumn('companyId', 'company_id', 'company', 'bigint'),
  systemColumn('parentId', 'parent_id', 'item', 'bigint'),
  systemColumn('beginsOn', 'begins_on', 'date', 'date'),
  systemColumn('closesOn', 'closes_on', 'date', 'date'),
  systemColumn('createdAt', 'created_at', 'datetime', 'timestamptz'),
  systemColumn('updatedAt', 'updated_at', 'datetime', 'timestamptz'),
  systemColumn('movedAt', 'moved_at', 'datetime', 'timestamptz'),
]);

export function ownColumn(field: Field): Column {
  const shape = { ...shapeOf(field), isMultiple: false };
  const whole = raw(`(i."values" ->> '${field.code}')`);
  const sqlType = field.type === 'number' || field.type === 'money' ? 'numeric' : isReference(field.type) ? 'bigint' : 'text';
  if (field.isMultiple) return { shape, value: raw(valueExpression(field, 'i.')), sqlType: 'text', isArray: true };
  return { shape, value: raw(valueExpression(field, 'i.')), sqlType, wholeText: textTypes.has(field.type) ? whole : undefined };
}

export function columnOf(model: CrmModel, itemTypeId: number, code: string, path: string): Column {
  const system = systemColumns.get(code.toLowerCase());
  if (system) return system;
  const own = model.field(itemTypeId, code);
  if (!own) throw new UserError('list.field_unknown', { field: code }, path);
  return ownColumn(own);
}

// ——— Conditions

function like(text: string): string {
  return text.replace(/[\\%_]/g, (special) => `\\${special}`);
}

function cast(value: unknown, type: SqlType): Sql {
  const given = value instanceof Date || typeof value === 'number' ? value : String(value);
  switch (type) {
    case 'text': return sql`${String(value)}::text`;
    case 'numeric': return sql`${given}::numeric`;
    case 'bigint': return sql`${given}::bigint`;
    case 'date': return sql`${given}::date`;
    case 'timestamptz': return sql`${given}::timestamptz`;
  }
}

function castList(values: readonly unknown[], type: SqlType): Sql {
  return sql`array[${join(values.map((value) => cast(value, type)), ', ')}]`;
}

const comparisons = { gt: '>', gte: '>=', lt: '<', lte: '<=' } as const;
const rangeTypes: ReadonlySet<string> = new Set(['number', 'money', 'date', 'datetime']);

function condition(model: CrmModel, itemTypeId: number, filter: ItemFilter, index: number): Sql {
  const path = `filters.${index}`;
  if (filter.field === 'semantics') return semanticsCondition(model, itemTypeId, filter, path);
  const column = columnOf(model, itemTypeId, filter.field, `${path}.field`);
  // Titles are found by their pieces.
  if (filter.op === 'contains' && column.shape.isSystem && column.shape.code === 'title') {
    const wanted = normaliseValue(column.shape, filter.value);
    if (wanted !== null) return titleCondition(itemTypeId, [String(wanted)]);
  }
  return columnCondition(column, filter, path);
}

/** A condition on one column: the value is brought into its stored form, and refused when it has none. */
export function columnCondition(column: Column, filter: Pick<ItemFilter, 'op' | 'value'>, path: string): Sql {
  const { shape, value } = column;
  const isMany = column.isArray === true;
  const refused = () => new UserError('list.operator_invalid', { field: shape.name, operator: filter.op }, `${path}.op`);
  const one = (raw: unknown): unknown => {
    const stored = normaliseValue(shape, raw);
    if (stored === null) throw new UserError('list.value_missing', { field: shape.name, operator: filter.op }, `${path}.value`);
    return stored;
  };
  const many = (): unknown[] => {
    const list: unknown[] = Array.isArray(filter.value) ? filter.value : [filter.value];
    if (list.length === 0 || list.length > 1000) throw new UserError('list.value_missing', { field: shape.name, operator: filter.op }, `${path}.value`);
    return list.map(one);
  };
  const has = (values: readonly unknown[]): Sql =>
    isMany ? sql`${value} && ${castList(values, column.sqlType)}` : sql`${value} = any(${castList(values, column.sqlType)})`;

  switch (filter.op) {
    case 'filled':
    case 'empty': {
      // An empty own field has no key; an empty list of observers is an empty array.
      const isEmpty = isMany && shape.isSystem ? sql`${value} = '{}'` : sql`${value} is null`;
      return filter.op === 'empty' ? isEmpty : sql`not (${isEmpty})`;
    }
    case 'eq':
    case 'ne': {
      const wanted = one(filter.value);
      let isEqual: Sql;
      if (isMany) isEqual = has([wanted]);
      else if (column.wholeText) isEqual = sql`(${value} = left(${String(wanted)}::text, 200) and ${column.wholeText} = ${String(wanted)}::text)`;
      else isEqual = sql`${value} = ${cast(wanted, column.sqlType)}`;
      return filter.op === 'eq' ? isEqual : sql`(${isEqual}) is not true`;
    }
    case 'in':
      return has(many());
    case 'notIn':
      return sql`(${has(many())}) is not true`;
    case 'gt':
    case 'gte':
    case 'lt':
    case 'lte':
      if (isMany || !(rangeTypes.has(shape.type) || shape.code === 'id')) throw refused();
      return sql`${value} ${raw(comparisons[filter.op])} ${cast(one(filter.value), column.sqlType)}`;
    case 'between': {
      if (isMany || !(rangeTypes.has(shape.type) || shape.code === 'id')) throw refused();
      const [from, to, ...rest] = many();
      if (to === undefined || rest.length > 0) throw new UserError('list.value_missing', { field: shape.name, operator: filter.op }, `${path}.value`);
      return sql`${value} between ${cast(from, column.sqlType)} and ${cast(to, column.sqlType)}`;
    }
    case 'contains': {
      if (isMany) return has([one(filter.value)]);
      if (!textTypes.has(shape.type)) throw refused();
      const wanted = one(filter.value);
      return sql`${column.wholeText ?? value} ilike ${`%${like(String(wanted))}%`}`;
    }
  }
}

/** Process, success, failure: the stages that mean it. */
export function semanticsCondition(model: CrmModel, itemTypeId: number, filter: ItemFilter, path: string): Sql {
  const wanted: unknown[] = Array.isArray(filter.value) ? filter.value : [filter.value];
  if (!['eq', 'ne', 'in', 'notIn'].includes(filter.op)) throw new UserError('list.operator_invalid', { field: filter.field, operator: filter.op }, `${path}.op`);
  const isWanted = filter.op === 'eq' || filter.op === 'in';
  const ids = model
    .pipelinesOf(itemTypeId)
    .flatMap((pipeline) => pipeline.stages)
    .filter((stage) => wanted.includes(stage.semantics) === isWanted)
    .map((stage) => stage.id);
  return sql`i.stage_id = any(${ids}::bigint[])`;
}

/**
 * Items whose title holds all the words. Below three letters there are no pieces to look up: such a
 * word alone means the beginning of the title, beside longer ones it narrows what they found.
 */
export function titleCondition(itemTypeId: number, words: readonly string[]): Sql {
  const isLong = (word: string) => [...word].length >= 3;
  const matches = words.map((word) => {
    const within = sql`t.title like '%' || lower(${like(word)}::text) || '%'`;
    if (isLong(word)) return sql`search_grams(t.title) @> search_grams(lower(${word}::text)) and ${within}`;
    return words.some(isLong) ? within : sql`t.title like lower(${like(words.join(' '))}::text) || '%'`;
  });
  return sql`i.id in (select t.item_id from item_titles t where t.item_type_id = ${raw(String(itemTypeId))} and ${join(matches, ' and ')})`;
}

function searchCondition(itemTypeId: number, search: string): Sql {
  const words = search.split(/\s+/).filter((word) => word !== '').slice(0, 10);
  if (words.length === 0) return empty;
  const number = /^[#№]?(\d{1,15})$/.exec(search.trim())?.[1];
  const byTitle = titleCondition(itemTypeId, words);
  return number === undefined ? sql` and ${byTitle}` : sql` and (i.id = ${Number(number)} or ${byTitle})`;
}

/** What of these pipelines the person may see; null: nothing at all. */
export function accessCondition(rights: AccessRights, model: CrmModel, selection: ItemSelection): Sql | null {
  const pipelineIds = selection.pipelineId !== undefined ? [selection.pipelineId] : model.pipelinesOf(selection.itemTypeId).map((p) => p.id);
  const open: number[] = [];
  const byOwners = new Map<string, { ownerIds: number[]; pipelineIds: number[] }>();
  for (const pipelineId of pipelineIds) {
    const owners = rights.visibleOwnerIds(selection.itemTypeId, pipelineId);
    if (owners === 'all') open.push(pipelineId);
    else if (owners.length > 0) {
      const key = owners.join(',');
      const group = byOwners.get(key) ?? { ownerIds: owners, pipelineIds: [] };
      group.pipelineIds.push(pipelineId);
      byOwners.set(key, group);
    }
  }
  if (open.length === pipelineIds.length) return empty;
  const groups = [...byOwners.values()];
  if (groups.length === 1 && groups[0]?.pipelineIds.length === pipelineIds.length) return sql` and i.owner_id = any(${groups[0].ownerIds}::bigint[])`;
  const parts = groups.map((group) => sql`(i.pipeline_id = any(${group.pipelineIds}::bigint[]) and i.owner_id = any(${group.ownerIds}::bigint[]))`);
  if (open.length > 0) parts.push(sql`i.pipeline_id = any(${open}::bigint[])`);
  return parts.length === 0 ? null : sql` and (${join(parts, ' or ')})`;
}

// ——— Sort

interface Sort {
  /** Goes into the cursor, so that a cursor of another sort is refused. */
  key: string;
  value: Sql;
  id: Sql;
  sqlType: SqlType;
  isNullable: boolean;
  /** By title the walk is along the table of titles. */
  isByTitle?: boolean;
}

const systemSorts: Record<string, { column: string; sqlType: SqlType; isNullable: boolean }> = {
  createdAt: { column: 'created_at', sqlType: 'timestamptz', isNullable: false },
  amount: { column: 'amount', sqlType: 'numeric', isNullable: true },
  closesOn: { column: 'closes_on', sqlType: 'date', isNullable: true },
  ownerId: { column: 'owner_id', sqlType: 'bigint', isNullable: true },
};

function sortOf(model: CrmModel, request: ItemListRequest): Sort {
  const code = request.sort ?? 'createdAt';
  const id = sql`i.id`;
  // Ids are given in the order of creation. Inside a pipeline or a stage they are the sort, because there the
  // index (stage, id) stands ready, while a walk along all creation times could pass a million other items.
  if (code === 'id' || (code === 'createdAt' && (request.stageId ?? request.pipelineId) !== undefined)) {
    return { key: 'id', value: id, id, sqlType: 'bigint', isNullable: false };
  }
  // The order of a column of a board; only there an index stands for it.
  if (code === 'movedAt' && request.stageId !== undefined) return { key: 'movedAt', value: sql`i.moved_at`, id, sqlType: 'timestamptz', isNullable: false };
  if (code === 'title') return { key: 'title', value: sql`t.title`, id: sql`t.item_id`, sqlType: 'text', isNullable: false, isByTitle: true };
  const system = Object.hasOwn(systemSorts, code) ? systemSorts[code] : undefined;
  if (system) return { key: code, value: raw(`i.${system.column}`), id, sqlType: system.sqlType, isNullable: system.isNullable };
  const own = model.field(request.itemTypeId, code);
  if (!own && !systemColumns.has(code.toLowerCase())) throw new UserError('list.field_unknown', { field: code }, 'sort');
  if (!own?.isIndexed || own.isMultiple) throw new UserError('list.sort_not_indexed', { field: own?.name ?? code }, 'sort');
  return { key: own.code, value: raw(valueExpression(own, 'i.')), id, sqlType: ownColumn(own).sqlType, isNullable: true };
}

interface Cursor {
  sort: string;
  /** null: already among the rows without a value. */
  value: string | null;
  id: number;
}

const cursorValues: Record<SqlType, RegExp> = {
  text: /^[^\u0000]*$/s,
  numeric: /^-?\d+(\.\d+)?$/,
  bigint: /^-?\d{1,18}$/,
  date: /^\d{4,6}-\d{2}-\d{2}$/,
  timestamptz: /^\d{4,6}-\d{2}-\d{2} \d{2}:\d{2}:\d{2}(\.\d{1,9})?[+-](0\d|1[0-4])(:[0-5]\d){0,2}$/,
};

function encodeCursor(cursor: Cursor): string {
  return Buffer.from(JSON.stringify([cursor.sort, cursor.value, cursor.id])).toString('base64url');
}

function decodeCursor(text: string, sort: Sort, direction: string): Cursor {
  const refused = new UserError('list.cursor_invalid', {}, 'cursor');
  let parts: unknown;
  try {
    parts = JSON.parse(Buffer.from(text, 'base64url').toString());
  } catch {
    throw refused;
  }
  if (!Array.isArray(parts)) throw refused;
  const [key, value, id]: unknown[] = parts;
  if (key !== `${sort.key} ${direction}` || typeof id !== 'number' || !Number.isSafeInteger(id)) throw refused;
  if (value === null && sort.isNullable) return { sort: key, value, id };
  if (typeof value !== 'string' || !cursorValues[sort.sqlType].test(value) || (/^(date|timestamptz)$/.test(sort.sqlType) && !isOnCalendar(value))) throw refused;
  return { sort: key, value, id };
}

/** Neither the 31st of February nor 25 o'clock: what looks like a date and is none. */
function isOnCalendar(value: string): boolean {
  const [year = 0, month = 0, day = 0, hours = 0, minutes = 0, seconds = 0] = (/^(\d+)-(\d+)-(\d+)(?: (\d+):(\d+):(\d+))?/.exec(value) ?? []).slice(1).map((part) => Number(part ?? 0));
  const date = new Date(Date.UTC(year, month - 1, day));
  return date.getUTCMonth() === month - 1 && date.getUTCDate() === day && year < 200_000 && hours < 24 && minutes < 60 && seconds < 60;
}

export function createList({ people, model: loadModel }: { people: People; model: (q: Queryable, version?: number) => Promise<CrmModel> }) {
  async function prepare(q: Queryable, actor: Actor, selection: ItemSelection): Promise<{ model: CrmModel; where: Sql | null }> {
    const [model, rights] = await Promise.all([loadModel(q), people.access(q, actor)]);
    const type = model.itemType(selection.itemTypeId);
    if (!type || type.deletedAt) throw new UserError('request.not_found', { kind: 'itemType', id: selection.itemTypeId }, 'itemTypeId');
    const stage = selection.stageId === undefined ? undefined : model.stage(selection.stageId);
    if (selection.stageId !== undefined && !stage) throw new UserError('request.not_found', { kind: 'stage', id: selection.stageId }, 'stageId');
    const pipelineId = selection.pipelineId ?? stage?.pipelineId;
    if (pipelineId !== undefined) {
      const pipeline = model.pipelinesOf(type.id).find((candidate) => candidate.id === pipelineId);
      if (!pipeline || (stage && stage.pipelineId !== pipeline.id)) throw new UserError('request.not_found', { kind: 'pipeline', id: pipelineId }, 'pipelineId');
    }
    const access = accessCondition(rights, model, { ...selection, pipelineId });
    if (access === null) return { model, where: null };
    // The type is written out, not passed: the partial indexes of own fields are found by it.
    let where = sql`i.deleted_at is null and i.item_type_id = ${raw(String(type.id))}${access}`;
    if (stage) where = sql`${where} and i.stage_id = ${stage.id}`;
    else if (pipelineId !== undefined) where = sql`${where} and i.pipeline_id = ${pipelineId}`;
    for (const [index, filter] of (selection.filters ?? []).entries()) where = sql`${where} and ${condition(model, type.id, filter, index)}`;
    if (selection.search) where = sql`${where}${searchCondition(type.id, selection.search)}`;
    return { model, where };
  }

  /** Whose items a summary is asked of, if that is all it is narrowed by: then kept totals answer. undefined: by more than that. */
  async function ownersAsked(
    q: Queryable, actor: Actor, pipeline: Pipeline, { search, filters = [] }: { search?: string; filters?: readonly ItemFilter[] },
  ): Promise<readonly number[] | 'all' | undefined> {
    if (search?.trim()) return undefined;
    let owners = (await people.access(q, actor)).visibleOwnerIds(pipeline.itemTypeId, pipeline.id);
    for (const { field, op, value } of filters) {
      const wanted: unknown[] = Array.isArray(value) ? value : [value];
      if (field !== 'ownerId' || (op !== 'eq' && op !== 'in') || wanted.length === 0 || wanted.length > 1000) return undefined;
      const ids = wanted.filter((id) => typeof id === 'number' && Number.isSafeInteger(id) && id > 0).map(Number);
      if (ids.length < wanted.length || (op === 'eq' && Array.isArray(value))) return undefined;
      const sofar = owners;
      owners = sofar === 'all' ? ids : ids.filter((id) => sofar.includes(id));
    }
    return owners;
  }

  /** The statements of a page, for the test that asks PostgreSQL how it would run them. */
  async function pageQueries(q: Queryable, actor: Actor, request: ItemListRequest) {
    const { model, where } = await prepare(q, actor, request);
    const sort = sortOf(model, request);
    const direction = request.direction ?? 'desc';
    const after = request.cursor === undefined ? undefined : decodeCursor(request.cursor, sort, direction);
    const way = raw(direction);
    const beyond = raw(direction === 'asc' ? '>' : '<');
    const from = sort.isByTitle
      ? sql`item_titles t join items i on i.id = t.item_id where t.item_type_id = ${raw(String(request.itemTypeId))} and`
      : sql`items i where`;
    const piece = (more: Sql, limit: number): Sql => {
      const order = sort.key === 'id' ? sql`${sort.id} ${way}` : sql`${sort.value} ${way}, ${sort.id} ${way}`;
      return sql`
        select ${itemColumns}, (${sort.value})::text as sort_value from ${from} ${where ?? sql`false`} ${more} order by ${order} limit ${limit}`;
    };
    return {
      sort, direction, isNothing: where === null,
      /** null: the cursor is past the rows with a value. */
      valued: (limit: number): Sql | null => {
        if (after && after.value === null) return null;
        const present = sort.isNullable ? sql`and ${sort.value} is not null` : empty;
        if (!after || after.value === null) return piece(present, limit);
        if (sort.key === 'id') return piece(sql`and ${sort.id} ${beyond} ${after.id}`, limit);
        return piece(sql`${present} and (${sort.value}, ${sort.id}) ${beyond} (${cast(after.value, sort.sqlType)}, ${after.id}::bigint)`, limit);
      },
      valueless: (limit: number): Sql | null => {
        if (!sort.isNullable) return null;
        return piece(sql`and ${sort.value} is null ${after && after.value === null ? sql`and ${sort.id} ${beyond} ${after.id}` : empty}`, limit);
      },
    };
  }

  return {
    pageQueries,

    /** One page of the items the actor may see. `nextCursor` null: there is no more. */
    async listItems(q: Queryable, actor: Actor, request: ItemListRequest): Promise<Page<ItemRow>> {
      const queries = await pageQueries(q, actor, request);
      if (queries.isNothing) return { items: [], nextCursor: null };
      const limit = request.limit ?? 50;
      type Row = ItemRow & { sortValue: string | null };
      const valued = queries.valued(limit + 1);
      const rows = valued ? await q.rows<Row>(valued) : [];
      const valueless = rows.length <= limit ? queries.valueless(limit + 1 - rows.length) : null;
      if (valueless) rows.push(...(await q.rows<Row>(valueless)));
      const items = rows.slice(0, limit);
      const last = rows.length > limit ? items.at(-1) : undefined;
      return {
        items,
        nextCursor: last ? encodeCursor({ sort: `${queries.sort.key} ${queries.direction}`, value: last.sortValue, id: last.id }) : null,
      };
    },

    /** Ids of everything the selection holds, at most `limit`, in order of id. */
    async selectIds(q: Queryable, actor: Actor, selection: ItemSelection, limit: number): Promise<number[]> {
      const { where } = await prepare(q, actor, selection);
      if (where === null) return [];
      return (await q.rows<{ id: number }>(sql`select i.id from items i where ${where} order by i.id limit ${limit}`)).map((row) => row.id);
    },

    /** How many items the selection holds, counted up to `limit`. */
    async countItems(q: Queryable, actor: Actor, selection: ItemSelection, limit = 100_000): Promise<{ count: number; isMore: boolean }> {
      const { where } = await prepare(q, actor, selection);
      if (where === null) return { count: 0, isMore: false };
      const row = await q.first<{ count: number }>(sql`select count(*) as count from (select from items i where ${where} limit ${limit + 1}) found`);
      const count = row?.count ?? 0;
      return { count: Math.min(count, limit), isMore: count > limit };
    },

    /** Items of every type whose title holds the words, or that have the number; those of the number first, then the newest. */
    async findItems(q: Queryable, actor: Actor, search: string, limit: number): Promise<ItemRow[]> {
      const model = await loadModel(q);
      const pages = await Promise.all(model.itemTypes.map(async (type) => {
        const { where } = await prepare(q, actor, { itemTypeId: type.id, search });
        return where === null ? [] : q.rows<ItemRow>(sql`select ${itemColumns} from items i where ${where} order by i.id desc limit ${limit}`);
      }));
      const isNumbered = (row: ItemRow) => search.trim().replace(/^[#№]/, '') === String(row.id);
      return pages.flat().sort((a, b) => Number(isNumbered(b)) - Number(isNumbered(a)) || b.id - a.id).slice(0, limit);
    },

    /** Count and sums of every stage of a pipeline, of the items the actor may see; stages without items included. */
    async summarizePipeline(q: Queryable, actor: Actor, pipelineId: number, selection: { search?: string; filters?: readonly ItemFilter[] } = {}): Promise<StageSummary[]> {
      const pipeline = (await loadModel(q)).pipeline(pipelineId);
      if (!pipeline || pipeline.deletedAt) throw new UserError('request.not_found', { kind: 'pipeline', id: pipelineId });
      const owners = await ownersAsked(q, actor, pipeline, selection);
      const { where } = owners === undefined ? await prepare(q, actor, { ...selection, itemTypeId: pipeline.itemTypeId, pipelineId }) : { where: null };
      let rows: StageTotal[] = [];
      if (owners !== undefined) rows = await stageTotals(q, pipeline.stages.map((stage) => stage.id), owners);
      else if (where !== null) rows = await q.rows<StageTotal>(sql`
        select i.stage_id, i.currency, count(*) as count, sum(i.amount) as amount from items i where ${where} group by i.stage_id, i.currency order by i.currency`);
      const byStage = Map.groupBy(rows, (row) => row.stageId);
      return pipeline.stages.map((stage) => {
        const own = byStage.get(stage.id) ?? [];
        return {
          stageId: stage.id,
          count: own.reduce((sum, row) => sum + row.count, 0),
          sums: own.flatMap(({ currency, amount }) => (amount === null ? [] : [{ currency, amount }])),
        };
      });
    },
  };
}

export type List = ReturnType<typeof createList>;
