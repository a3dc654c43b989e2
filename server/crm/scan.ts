/**
 * Scans: lists for programs. Conditions of any nesting on any field, any order, and a count, where a person's list
 * (list.ts) offers what an index serves. A scan by rising id with «id above the last» costs the same on every page.
 *
 * As there, SQL is built from the model alone, and rights narrow what is found.
 */
import { empty, join, type Queryable, raw, type Sql, sql } from '../db/db.ts';
import type { Actor, People } from '../people/people.ts';
import type { ItemFilter } from '../../shared/api/crm.ts';
import { UserError } from '../../shared/errors.ts';
import { hasAny } from './access.ts';
import type { Company, Contact } from './clients.ts';
import { itemColumns, type ItemRow } from './items.ts';
import { accessCondition, type Column, columnCondition, columnOf, ownColumn, semanticsCondition, type SqlType, titleCondition } from './list.ts';
import type { CrmModel } from './model.ts';
import { stageTotals } from './totals.ts';
import type { FieldShape } from './values.ts';

/** `like`: a pattern with % and _ of its own. */
export interface ScanFilter {
  field: string;
  op: ItemFilter['op'] | 'notContains' | 'like' | 'notLike';
  value?: unknown;
}
export type ScanCondition = ScanFilter | { all: readonly ScanCondition[] } | { any: readonly ScanCondition[] };

export interface Scan {
  where: ScanCondition;
  /** Ties are broken by id. */
  order: readonly { field: string; direction: 'asc' | 'desc' }[];
  offset: number;
  limit: number;
}

const maxDepth = 20;

type ColumnOf = (code: string) => Column;
/** What a condition says otherwise than by its column; undefined: nothing. */
type Special = (filter: ScanFilter) => Sql | undefined;

function conditionSql(condition: ScanCondition, columnOfCode: ColumnOf, special: Special, depth = 0): Sql {
  if (depth > maxDepth) throw new UserError('list.filters_invalid');
  if ('all' in condition || 'any' in condition) {
    const [parts, word] = 'all' in condition ? [condition.all, ' and '] : [condition.any, ' or '];
    if (parts.length === 0) return 'all' in condition ? sql`true` : sql`false`;
    return sql`(${join(parts.map((part) => conditionSql(part, columnOfCode, special, depth + 1)), word)})`;
  }
  if (condition.op === 'notContains') return sql`(${conditionSql({ ...condition, op: 'contains' }, columnOfCode, special, depth)}) is not true`;
  const known = special(condition);
  if (known) return known;
  const column = columnOfCode(condition.field);
  const { op } = condition;
  if (op !== 'like' && op !== 'notLike') return columnCondition(column, { op, value: condition.value }, condition.field);
  if (column.sqlType !== 'text' || typeof condition.value !== 'string') throw new UserError('list.operator_invalid', { field: condition.field, operator: op }, condition.field);
  // A backslash is a letter like any other to those who write these patterns.
  const pattern = condition.value.replaceAll('\\', '\\\\').slice(0, 1000);
  const matches = column.isArray
    ? sql`exists (select from unnest(${column.value}) one where one ilike ${pattern}::text)`
    : sql`${column.wholeText ?? column.value} ilike ${pattern}::text`;
  return op === 'like' ? matches : sql`(${matches}) is not true`;
}

function orderSql(order: Scan['order'], columnOfCode: ColumnOf): Sql {
  const terms: Sql[] = [];
  let isById = false;
  for (const { field, direction } of order) {
    const column = columnOfCode(field);
    if (column.isArray) throw new UserError('list.sort_not_indexed', { field }, field);
    terms.push(sql`${column.value} ${raw(direction)}`);
    isById = field.toLowerCase() === 'id';
    if (isById) break;
  }
  if (!isById) terms.push(sql`i.id ${raw(order[0]?.direction ?? 'asc')}`);
  return sql`order by ${join(terms, ', ')}`;
}

// ——— Items

function itemColumn(model: CrmModel, itemTypeId: number): ColumnOf {
  return (code) => columnOf(model, itemTypeId, code, code);
}

function itemSpecial(model: CrmModel, itemTypeId: number): Special {
  return ({ field, op, value }) => {
    if (op === 'like' || op === 'notLike' || op === 'notContains') return undefined;
    if (field === 'semantics') return semanticsCondition(model, itemTypeId, { field, op, value }, field);
    if (field === 'title' && op === 'contains' && typeof value === 'string' && value !== '') return titleCondition(itemTypeId, [value]);
    return undefined;
  };
}

/** Stages and owners, when that is all the condition asks for: then kept totals count. */
function totalsAsked(model: CrmModel, itemTypeId: number, condition: ScanCondition): { stageIds: number[]; ownerIds: number[] | null } | undefined {
  let stages = model.pipelinesOf(itemTypeId).flatMap((pipeline) => pipeline.stages);
  const owners: { ids: number[] | null } = { ids: null };
  if ('any' in condition) return undefined;
  for (const part of 'all' in condition ? condition.all : [condition]) {
    if ('all' in part || 'any' in part || (part.op !== 'eq' && part.op !== 'in')) return undefined;
    const given: unknown[] = Array.isArray(part.value) ? part.value : [part.value];
    const ids = new Set(given.filter((one) => typeof one === 'number').map(Number));
    if (ids.size !== given.length) return undefined;
    if (part.field === 'stageId') stages = stages.filter((stage) => ids.has(stage.id));
    else if (part.field === 'pipelineId') stages = stages.filter((stage) => ids.has(stage.pipelineId));
    else if (part.field === 'ownerId') {
      owners.ids = owners.ids === null ? [...ids] : owners.ids.filter((id) => ids.has(id));
    } else return undefined;
  }
  return { stageIds: stages.map((stage) => stage.id), ownerIds: owners.ids };
}

// ——— Clients

function clientColumn(code: string, column: string, type: FieldShape['type'], sqlType: SqlType, isArray = false): [string, Column] {
  const shape: FieldShape = { code, name: code, type, isMultiple: false, isSystem: true, settings: {} };
  return [code.toLowerCase(), { shape, value: raw(isArray ? `field_values(i.${column})` : `i.${column}`), sqlType, isArray }];
}
const baseColumns = [
  clientColumn('id', 'id', 'item', 'bigint'), clientColumn('phones', 'phones', 'phone', 'text', true), clientColumn('emails', 'emails', 'string', 'text', true),
  clientColumn('address', 'address', 'string', 'text'), clientColumn('ownerId', 'owner_id', 'employee', 'bigint'),
  clientColumn('createdAt', 'created_at', 'datetime', 'timestamptz'), clientColumn('updatedAt', 'updated_at', 'datetime', 'timestamptz'),
];
const clientColumns = {
  contact: new Map([
    ...baseColumns, clientColumn('firstName', 'first_name', 'string', 'text'), clientColumn('lastName', 'last_name', 'string', 'text'),
    clientColumn('secondName', 'second_name', 'string', 'text'), clientColumn('position', 'position', 'string', 'text'), clientColumn('companyId', 'company_id', 'company', 'bigint'),
  ]),
  company: new Map([...baseColumns, clientColumn('title', 'title', 'string', 'text')]),
};

/** Which arrivals: all that is given must hold. */
export interface ArrivalScan {
  itemTypeId: number;
  itemIds?: readonly number[];
  stageIds?: readonly number[];
  pipelineIds?: readonly number[];
  ids?: readonly number[];
  afterId?: number;
  beforeId?: number;
  from?: Date;
  /** Not included. */
  to?: Date;
  direction: 'asc' | 'desc';
  offset: number;
  limit: number;
  isCounted: boolean;
}

export interface ArrivalRow {
  id: number;
  itemId: number;
  pipelineId: number;
  stageId: number;
  fromStageId: number | null;
  createdAt: Date;
}

export function createScan({ people, model: loadModel }: { people: People; model: (q: Queryable, version?: number) => Promise<CrmModel> }) {
  async function prepareItems(q: Queryable, actor: Actor, itemTypeId: number, where: ScanCondition, known?: CrmModel) {
    const [model, rights] = await Promise.all([known ?? loadModel(q), people.access(q, actor)]);
    const type = model.itemType(itemTypeId);
    if (!type || type.deletedAt) throw new UserError('request.not_found', { kind: 'itemType', id: itemTypeId }, 'itemTypeId');
    const access = accessCondition(rights, model, { itemTypeId });
    // Built also for those who may see nothing: a wrong condition is wrong for everybody.
    const condition = conditionSql(where, itemColumn(model, itemTypeId), itemSpecial(model, itemTypeId));
    return { model, access, whole: sql`i.deleted_at is null and i.item_type_id = ${raw(String(type.id))}${access ?? sql` and false`} and ${condition}` };
  }

  async function prepareClients(q: Queryable, actor: Actor, kind: 'contact' | 'company', where: ScanCondition) {
    const [model, rights] = await Promise.all([loadModel(q), people.access(q, actor)]);
    if (!hasAny(rights, model, 'view')) throw new UserError('access.denied', { action: 'view' });
    const columnOfCode: ColumnOf = (code) => {
      const known = clientColumns[kind].get(code.toLowerCase());
      if (known) return known;
      const own = model.clientField(kind, code);
      if (!own) throw new UserError('list.field_unknown', { field: code }, code);
      return ownColumn(own);
    };
    return { columnOfCode, whole: sql`i.deleted_at is null and ${conditionSql(where, columnOfCode, () => undefined)}` };
  }

  async function clients<Row>(q: Queryable, actor: Actor, kind: 'contact' | 'company', scan: Scan): Promise<Row[]> {
    const { columnOfCode, whole } = await prepareClients(q, actor, kind, scan.where);
    const own = kind === 'contact' ? sql`i.first_name, i.last_name, i.second_name, i.position, i.company_id` : sql`i.title`;
    return q.rows<Row>(sql`
      select i.id, i.phones, i.emails, i.address, i.owner_id, i.values, i.version, i.created_at, i.updated_at, ${own}
      from ${raw(kind === 'contact' ? 'contacts' : 'companies')} i where ${whole} ${orderSql(scan.order, columnOfCode)}
      limit ${scan.limit} ${scan.offset > 0 ? sql`offset ${scan.offset}` : empty}`);
  }

  return {
    /** `known`: the model the caller has just read, which spares a query. */
    async scanItems(q: Queryable, actor: Actor, itemTypeId: number, scan: Scan, known?: CrmModel): Promise<ItemRow[]> {
      const { model, access, whole } = await prepareItems(q, actor, itemTypeId, scan.where, known);
      if (access === null) return [];
      return q.rows<ItemRow>(sql`
        select ${itemColumns} from items i where ${whole} ${orderSql(scan.order, itemColumn(model, itemTypeId))}
        limit ${scan.limit} ${scan.offset > 0 ? sql`offset ${scan.offset}` : empty}`);
    },

    /** How many items the condition holds; at once when it asks for nothing but stages, pipelines and owners. */
    async countScan(q: Queryable, actor: Actor, itemTypeId: number, where: ScanCondition, known?: CrmModel): Promise<number> {
      const { model, access, whole } = await prepareItems(q, actor, itemTypeId, where, known);
      if (access === null) return 0;
      const asked = access === empty ? totalsAsked(model, itemTypeId, where) : undefined;
      if (asked) {
        const totals = await stageTotals(q, asked.stageIds, asked.ownerIds ?? 'all');
        return totals.reduce((sum, total) => sum + total.count, 0);
      }
      return (await q.first<{ count: number }>(sql`select count(*) as count from items i where ${whole}`))?.count ?? 0;
    },

    /** The stage history of items the actor may see, by id. */
    async scanArrivals(q: Queryable, actor: Actor, scan: ArrivalScan): Promise<{ rows: ArrivalRow[]; total: number }> {
      const { access, whole } = await prepareItems(q, actor, scan.itemTypeId, { all: [] });
      if (access === null) return { rows: [], total: 0 };
      const among = (column: string, ids: readonly number[] | undefined) => (ids === undefined ? empty : sql` and ${raw(column)} = any(${ids}::bigint[])`);
      const where = sql`${whole}${among('a.item_id', scan.itemIds)}${among('a.stage_id', scan.stageIds)}${among('a.pipeline_id', scan.pipelineIds)}${among('a.id', scan.ids)}
        ${scan.afterId === undefined ? empty : sql` and a.id > ${scan.afterId}`}${scan.beforeId === undefined ? empty : sql` and a.id < ${scan.beforeId}`}
        ${scan.from === undefined ? empty : sql` and a.created_at >= ${scan.from}`}${scan.to === undefined ? empty : sql` and a.created_at < ${scan.to}`}`;
      const [rows, counted] = await Promise.all([
        q.rows<ArrivalRow>(sql`
          select a.id, a.item_id, a.pipeline_id, a.stage_id, a.from_stage_id, a.created_at from arrivals a join items i on i.id = a.item_id
          where ${where} order by a.id ${raw(scan.direction)} limit ${scan.limit} offset ${scan.offset}`),
        scan.isCounted ? q.first<{ count: number }>(sql`select count(*) as count from arrivals a join items i on i.id = a.item_id where ${where}`) : undefined,
      ]);
      return { rows, total: counted?.count ?? 0 };
    },

    scanContacts: (q: Queryable, actor: Actor, scan: Scan) => clients<Contact>(q, actor, 'contact', scan),
    scanCompanies: (q: Queryable, actor: Actor, scan: Scan) => clients<Company>(q, actor, 'company', scan),
    async countClients(q: Queryable, actor: Actor, kind: 'contact' | 'company', where: ScanCondition): Promise<number> {
      const { whole } = await prepareClients(q, actor, kind, where);
      return (await q.first<{ count: number }>(sql`select count(*) as count from ${raw(kind === 'contact' ? 'contacts' : 'companies')} i where ${whole}`))?.count ?? 0;
    },
  };
}
