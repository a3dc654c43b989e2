/**
 * Deals, leads, contacts and the rest as the methods of CRM see them: one place that turns Bitrix24's fields, filters
 * and orders into ours and rows into its answers; the methods only differ in spelling.
 */
import { Readable } from 'node:stream';
import type { z } from 'zod';
import * as api from '../../shared/api/crm.ts';
import { UserError } from '../../shared/errors.ts';
import { text } from '../../shared/messages.ts';
import type { Company, Contact, CrmModel, FieldChanges, ItemRow, ItemType, Pipeline, ScanCondition, ScanFilter, Stage } from '../crm/crm.ts';
import type { Actor, Company as OwnCompany } from '../people/people.ts';
import { readDay, readMoment } from './dates.ts';
import { entriesOf, isRecord } from './encoding.ts';
import { RestError } from './errors.ts';
import { dealTypeCode, type EntityFields, type EntityKind, fieldsOf, multifieldId, print, readValue, type RestField, type Row } from './fields.ts';
import { type Answer, type Call, page } from './method.ts';
import { pageSize, toFlag, toInteger, toText } from './parameter.ts';
import type { FamilyDeps } from './rest.ts';
import { pipelineOf, semanticsOf, stageOf } from './stages.ts';

export type Entries = readonly (readonly [string, unknown])[];
/** UPPER_SNAKE names and texts of the old methods, or camelCase and JSON types of crm.item.*. */
export type Style = 'upper' | 'camel';

export interface View {
  model: CrmModel;
  company: OwnCompany;
}

export interface Listing {
  select: readonly string[];
  filter: Entries;
  order: Entries;
  start: number;
}

const invalidFilter = (field: string, problem: string) => new RestError('INVALID_ARG_VALUE', `Invalid filter: field '${field.slice(0, 100)}' ${problem}`);
const nothing: ScanCondition = { any: [] };
const everything: ScanCondition = { all: [] };

const operators = {
  '=': 'eq', '': 'eq', '!=': 'ne', '!': 'ne', '>': 'gt', '>=': 'gte', '<': 'lt', '<=': 'lte', '@': 'in', '!@': 'notIn', '%': 'contains', '!%': 'notContains',
  '=%': 'like', '%=': 'like', '!=%': 'notLike', '!%=': 'notLike',
} as const;
type Operator = (typeof operators)[keyof typeof operators];
const isOperator = (prefix: string): prefix is keyof typeof operators => Object.hasOwn(operators, prefix);

/** Files of Bitrix24: `{ fileData: [name, base64] }`, `[name, base64]`, `{ id }` of one that stays. */
const maxFiles = 100;

export function decodeBase64(raw: unknown, name: string): Buffer {
  const data = typeof raw === 'string' ? raw.replace(/^data:[^,]{0,200};base64,/, '').replaceAll(/\s/g, '') : '';
  if (data === '' || data.length % 4 !== 0 || !/^[A-Za-z0-9+/]*={0,2}$/.test(data)) throw new RestError('ERROR_ARGUMENT', `The content of the file ${name.slice(0, 100)} is not valid base64.`);
  return Buffer.from(data, 'base64');
}

/** [name, base64] in any of its spellings; undefined: no file. */
function fileData(raw: unknown): [string, unknown] | undefined {
  const value = isRecord(raw) ? (raw.fileData ?? raw.FILE_DATA ?? raw) : raw;
  const parts = entriesOf(value)?.map(([, part]) => part);
  const name = toText(parts?.[0]);
  return parts && parts.length >= 2 && name !== undefined ? [name, parts[1]] : undefined;
}

export function createEntities({ db, crm, drive, people, publicUrl, links }: FamilyDeps) {
  async function view(): Promise<View> {
    const [model, directory] = await Promise.all([crm.model(db), people.directory(db)]);
    return { model, company: directory.company };
  }

  const find = (fields: EntityFields, style: Style, name: string): RestField | undefined =>
    style === 'upper' ? fields.byName.get(name.toUpperCase()) : (fields.byCamel.get(name) ?? fields.byName.get(name.toUpperCase()));

  // ——— Files

  async function upload(actor: Actor, raw: unknown): Promise<number> {
    const given = fileData(raw);
    if (!given) throw new RestError('ERROR_ARGUMENT', 'A file is given as [name, base64].');
    const [name, content] = given;
    const bytes = decodeBase64(content, name);
    return (await drive.uploadAttachment(actor, { name, source: Readable.from([bytes]), declaredBytes: bytes.length })).id;
  }

  /** New files are taken in; those named by id stay; the others go. */
  async function readFiles(actor: Actor, one: RestField, raw: unknown, before: Row | null): Promise<unknown> {
    const list = one.isMultiple && fileData(raw) === undefined ? (entriesOf(raw)?.map(([, each]) => each) ?? []) : [raw];
    if (list.length > maxFiles) throw new RestError('ERROR_ARGUMENT', `At most ${maxFiles} files at once.`);
    const kept = before ? one.read(before) : null;
    const known = new Set(Array.isArray(kept) ? kept : [kept]);
    const ids: number[] = [];
    for (const each of list) {
      if (each === null || each === '') continue;
      const id = isRecord(each) ? toInteger(each.id ?? each.ID) : toInteger(each);
      if (isRecord(each) && toFlag(each.remove)) continue;
      if (id !== undefined && known.has(id) && fileData(each) === undefined) ids.push(id);
      else ids.push(await upload(actor, each));
    }
    return one.isMultiple ? ids : (ids[0] ?? null);
  }

  // ——— Writing

  /** A list of phones or addresses after what the client said: new ones join, named ones change or go. */
  function readMultifield(one: RestField, raw: unknown, before: Row | null): string[] {
    const kept = before ? one.read(before) : null;
    const values: (string | null)[] = Array.isArray(kept) ? kept.map(String) : [];
    const given = entriesOf(raw);
    const list = given ? given.map(([, each]) => each) : raw === null || raw === '' ? [] : [raw];
    for (const each of list) {
      const value = (isRecord(each) ? (toText(each.VALUE ?? each.value) ?? '') : (toText(each) ?? '')).trim();
      const id = isRecord(each) ? toInteger(each.ID ?? each.id) : undefined;
      const place = before && id !== undefined ? values.findIndex((_, index) => multifieldId(before.id, one.name, index) === id) : -1;
      const goes = isRecord(each) && (toFlag(each.DELETE ?? each.delete) || value === '');
      if (place >= 0) values[place] = goes ? null : value;
      else if (!goes && value !== '' && !values.includes(value)) values.push(value);
    }
    return values.filter((value) => value !== null);
  }

  async function makeExtra(entity: EntityKind, one: RestField, company: OwnCompany): Promise<void> {
    const { extra } = one;
    if (!extra) return;
    const where = typeof entity === 'string' ? { entity } : { entity: 'item' as const, itemTypeId: entity.id };
    try {
      await db.transaction((tx) => crm.createField(tx, null, {
        ...where, code: extra.code, name: text(company.language, `rest.fields.${one.name}`), type: extra.type, isMultiple: extra.isMultiple ?? false, isIndexed: extra.isIndexed ?? false,
      }));
    } catch (error) {
      // Somebody made it meanwhile, or an administrator deleted it: then nobody wants it.
      if (!(error instanceof UserError) || error.code !== 'field.code_taken') throw error;
    }
  }

  function readStage(view: View, type: ItemType, raw: unknown, pipeline: Pipeline | undefined): Stage {
    const stage = stageOf(view.model, type, toText(raw) ?? '', pipeline);
    if (!stage) throw new RestError('', `Stage "${(toText(raw) ?? '').slice(0, 100)}" is not found.`);
    return stage;
  }

  function readCategory(view: View, type: ItemType, raw: unknown): Pipeline {
    const pipeline = pipelineOf(view.model, type, toInteger(raw) ?? -1);
    if (!pipeline) throw new RestError('', `Category "${(toText(raw) ?? '').slice(0, 100)}" is not found.`);
    return pipeline;
  }

  /** `fields` in the form crm takes, without stage and category; unknown and read-only ones are ignored, as documented. */
  async function readFields(actor: Actor, entity: EntityKind, entries: Entries, before: Row | null, style: Style): Promise<Record<string, unknown>> {
    let current = await view();
    const given = [...entries];
    // crm.item.* gives phones and addresses together.
    const fm = style === 'camel' ? entriesOf(given.find(([name]) => name === 'fm')?.[1]) : undefined;
    for (const [type, list] of Map.groupBy((fm ?? []).map(([, each]) => each).filter(isRecord), (each) => toText(each.typeId ?? each.TYPE_ID) ?? '')) given.push([type, list]);
    const fields = () => fieldsOf(current.model, entity);
    const missing = given.flatMap(([name, raw]) => {
      const one = find(fields(), style, name);
      const isEmpty = raw === null || raw === '' || (entriesOf(raw)?.length === 0);
      return one?.extra && !one.own && !isEmpty ? [one] : [];
    });
    if (missing.length > 0) {
      for (const one of missing) await makeExtra(entity, one, current.company);
      current = await view();
    }
    const changes: Record<string, unknown> = {};
    for (const [name, raw] of given) {
      const one = find(fields(), style, name);
      if (!one?.code || one.isReadOnly || one.code === 'stageId' || (one.extra && !one.own)) continue;
      if (one.kind === 'crm_multifield') changes[one.code] = readMultifield(one, raw, before);
      else if (one.kind === 'file') changes[one.code] = await readFiles(actor, one, raw, before);
      else if (one.code === 'dealType') changes[one.code] = dealTypeOption(current.model, one, raw);
      else changes[one.code] = readValue(one, raw, current.company);
    }
    return changes;
  }

  function dealTypeOption(model: CrmModel, one: RestField, raw: unknown): unknown {
    if (raw === null || raw === '') return null;
    const own = model.itemTypes.flatMap((type) => model.fieldsOf(type.id)).find((field) => field.code === one.code);
    return own?.settings.options?.find((option) => dealTypeCode(option.id) === String(raw).toUpperCase())?.id ?? raw;
  }

  const named = (entries: Entries, ...names: string[]): unknown => entries.find(([name]) => names.includes(name) || names.includes(name.toUpperCase()))?.[1];
  const filled = (raw: unknown): boolean => raw !== undefined && raw !== null && raw !== '';

  async function readNewItem(actor: Actor, type: ItemType, entries: Entries, style: Style): Promise<{ itemTypeId: number; pipelineId?: number; stageId?: number; fields: FieldChanges }> {
    const current = await view();
    const category = named(entries, 'CATEGORY_ID', 'categoryId');
    const pipeline = filled(category) ? readCategory(current, type, category) : undefined;
    const stageId = named(entries, 'STAGE_ID', 'STATUS_ID', 'stageId');
    const stage = filled(stageId) ? readStage(current, type, stageId, pipeline) : undefined;
    const fields = await readFields(actor, type, entries, null, style);
    // Without a pipeline it is category 0, whichever is the default in the interface.
    const target = pipeline ?? (stage ? current.model.pipeline(stage.pipelineId) : pipelineOf(current.model, type, 0));
    const title = toText(fields.title)?.trim() || type.name;
    return { itemTypeId: type.id, pipelineId: target?.id, stageId: stage?.id, fields: { ...fields, title } };
  }

  async function item(actor: Actor, type: ItemType, id: number): Promise<ItemRow> {
    const found = await crm.visibleItem(db, actor, id);
    if (found.itemTypeId !== type.id) throw new UserError('request.not_found', { kind: 'item', id });
    return found;
  }

  // ——— Clients: parsed by the contract of our own API

  function accepted<Output>(schema: z.ZodType<Output>, input: unknown): Output {
    const parsed = schema.safeParse(input);
    if (parsed.success) return parsed.data;
    const issue = parsed.error.issues[0];
    throw new RestError('ERROR_CORE', `The field ${issue?.path.join('.') ?? ''} contains an invalid value.`);
  }

  const ownOfContact = new Set(['firstName', 'lastName', 'secondName', 'position', 'companyId', 'phones', 'emails', 'address', 'ownerId']);
  const ownOfCompany = new Set(['title', 'phones', 'emails', 'address', 'ownerId']);
  function asClient(changes: Record<string, unknown>, own: ReadonlySet<string>): Record<string, unknown> {
    const numbers = new Set(['companyId', 'ownerId']);
    const texts = new Set(['firstName', 'lastName', 'secondName', 'position', 'address', 'title']);
    const entries = Object.entries(changes);
    const values = Object.fromEntries(entries.filter(([code]) => !own.has(code)));
    const plain = entries.filter(([code]) => own.has(code)).map(([code, value]) => [code, numbers.has(code) ? (toInteger(value) ?? value) : texts.has(code) ? (value ?? '') : value]);
    return { ...Object.fromEntries(plain), ...(Object.keys(values).length > 0 ? { values } : {}) };
  }

  const clients = {
    contact: {
      get: (actor: Actor, id: number): Promise<Row> => crm.getContact(db, actor, id),
      create: async (actor: Actor, changes: Record<string, unknown>): Promise<Row> => {
        const input = accepted(api.newContact, asClient(changes, ownOfContact));
        return db.transaction((tx) => crm.createContact(tx, actor, input));
      },
      change: async (actor: Actor, id: number, changes: Record<string, unknown>): Promise<Row> => {
        const input = accepted(api.contactChange, asClient(changes, ownOfContact));
        return db.transaction((tx) => crm.changeContact(tx, actor, id, input));
      },
      remove: (actor: Actor, id: number) => db.transaction((tx) => crm.deleteContact(tx, actor, id)),
    },
    company: {
      get: (actor: Actor, id: number): Promise<Row> => crm.getCompany(db, actor, id),
      create: async (actor: Actor, changes: Record<string, unknown>): Promise<Row> => {
        const input = accepted(api.newCompany, asClient(changes, ownOfCompany));
        return db.transaction((tx) => crm.createCompany(tx, actor, input));
      },
      change: async (actor: Actor, id: number, changes: Record<string, unknown>): Promise<Row> => {
        const input = accepted(api.companyChange, asClient(changes, ownOfCompany));
        return db.transaction((tx) => crm.changeCompany(tx, actor, id, input));
      },
      remove: (actor: Actor, id: number) => db.transaction((tx) => crm.deleteCompany(tx, actor, id)),
    },
  };

  // ——— Filters and order

  function readFilter(current: View, entity: EntityKind, entries: Entries, style: Style, depth = 0): ScanCondition {
    if (depth > 10) throw new RestError('INVALID_ARG_VALUE', 'Invalid filter: nested too deep');
    const logic = toText(named(entries, 'LOGIC', 'logic'))?.toUpperCase() ?? 'AND';
    if (logic !== 'AND' && logic !== 'OR') throw new RestError('INVALID_ARG_VALUE', 'Invalid filter: logic must be AND or OR');
    const parts: ScanCondition[] = [];
    for (const [key, raw] of entries) {
      if (/^logic$/i.test(key) || /^check_permissions$/i.test(key)) continue;
      const inner = /^\d+$|^__INNER_FILTER/.test(key) ? entriesOf(raw) : undefined;
      parts.push(inner ? readFilter(current, entity, inner, style, depth + 1) : readCondition(current, entity, key, raw, style));
    }
    return logic === 'OR' && parts.length > 0 ? { any: parts } : { all: parts };
  }

  function readCondition(current: View, entity: EntityKind, key: string, raw: unknown, style: Style): ScanCondition {
    const [, prefix = '', name = ''] = /^(!=%|!%=|!%|!@|!=|>=|<=|=%|%=|[=!><@%]?)([A-Za-z][A-Za-z0-9_]{0,100})$/.exec(key) ?? [];
    const one = name === '' ? undefined : find(fieldsOf(current.model, entity), style, name);
    if (!one || !isOperator(prefix)) throw invalidFilter(key, 'is not allowed in filter');
    const listed = entriesOf(raw)?.map(([, each]) => each);
    let op: Operator = operators[prefix];
    if (op === 'eq' && (listed || prefix === '@')) op = 'in';
    if (op === 'ne' && listed) op = 'notIn';
    const values = listed ?? [raw];
    if (values.some((value) => typeof value === 'object' && value !== null)) throw invalidFilter(name, 'has invalid value');
    const texts = values.map((value) => (value === true ? 'Y' : value === false ? '' : (toText(value) ?? '')));

    if (op === 'in' || op === 'notIn') {
      const some: ScanCondition[] = [...(texts.includes('') ? [oneOf(current, entity, one, 'eq', [''])] : [])];
      const full = texts.filter((value) => value !== '');
      if (full.length > 1000) throw invalidFilter(name, 'has too many values');
      if (full.length > 0) some.push(oneOf(current, entity, one, op, full));
      else if (op === 'notIn' && some.length === 0) return everything;
      if (op === 'in') return { any: some };
      return { all: texts.includes('') ? [oneOf(current, entity, one, 'ne', ['']), ...some.slice(1)] : some };
    }
    return oneOf(current, entity, one, op, texts);
  }

  /** A condition on one field, its values in texts; '' asks whether it is empty. */
  function oneOf(current: View, entity: EntityKind, one: RestField, op: Operator, texts: readonly string[]): ScanCondition {
    const { model, company } = current;
    const isNegative = op === 'ne' || op === 'notIn' || op === 'notContains' || op === 'notLike';
    if (one.scan === undefined) {
      // Always the same, or not there yet: compared here.
      if (!one.extra && one.constant === undefined) throw invalidFilter(one.name, 'is not allowed in filter');
      const constant = one.constant === undefined || one.constant === null ? '' : String(one.constant);
      const holds = op === 'eq' || op === 'ne' || op === 'in' || op === 'notIn' ? texts.includes(constant) : false;
      return holds !== isNegative ? everything : nothing;
    }
    const [first = ''] = texts;
    const filter = (value: unknown, how: ScanFilter['op']): ScanCondition => ({ field: one.scan ?? '', op: how, value });
    const isEquality = op === 'eq' || op === 'ne' || op === 'in' || op === 'notIn';

    if (one.scan === 'semantics') {
      if (!isEquality) throw invalidFilter(one.name, 'is not allowed in filter with this operation');
      const wanted = texts.flatMap((value) => (one.name === 'CLOSED' ? (toFlag(value) ? ['success', 'failure'] : ['process']) : (semanticsOf(value) ?? [])));
      return { field: 'semantics', op: isNegative ? 'notIn' : 'in', value: wanted };
    }
    if (one.scan === 'pipelineId' || one.scan === 'stageId' || one.scan === 'dealType') {
      if (typeof entity === 'string' || (!isEquality && first !== '')) throw invalidFilter(one.name, 'is not allowed in filter with this operation');
      if (!(one.scan === 'dealType' && first === '' && texts.length === 1)) {
        const ids = texts.flatMap((value): number[] => {
          if (one.scan === 'dealType') return [toInteger(dealTypeOption(model, one, value)) ?? -1].filter((id) => id > 0);
          const found = one.scan === 'pipelineId' ? pipelineOf(model, entity, toInteger(value) ?? -1) : stageOf(model, entity, value);
          return found ? [found.id] : [];
        });
        if (ids.length === 0) return isNegative ? everything : nothing;
        return filter(ids, isNegative ? 'notIn' : 'in');
      }
    }
    if (first === '' && texts.length === 1) {
      if (op === 'eq') return filter(null, 'empty');
      if (op === 'ne') return filter(null, 'filled');
      if (op === 'contains' || op === 'like') return everything;
      // An empty value never widens a condition; clients that page by «above the last id» send one past the end.
      return isNegative ? everything : nothing;
    }
    if ((op === 'contains' || op === 'notContains') && !isTextKind(one)) throw invalidFilter(one.name, 'is not allowed in filter with this operation');

    const stored = texts.map((value): unknown => {
      switch (one.kind) {
        case 'integer': case 'user': case 'employee': case 'crm_contact': case 'crm_company': case 'crm_lead': {
          const number = toInteger(value);
          if (number === undefined) throw invalidFilter(one.name, 'has invalid value');
          return number;
        }
        case 'crm': return toInteger(value.replace(/^[A-Za-z0-9]+_/, '')) ?? value;
        case 'date': return readDay(value) ?? value;
        case 'datetime': return readMoment(value, company.timeZone)?.toISOString() ?? value;
        case 'boolean': case 'char': return toFlag(value);
        case 'money': return value.split('|', 1)[0];
        default: return value;
      }
    });
    const isReference = one.kind === 'user' || one.kind === 'employee' || one.kind.startsWith('crm_c') || one.scan === 'id';
    if (isReference && one.kind !== 'crm_currency') {
      // Ids begin at 1: what is compared with less holds for all or for none.
      const [number] = stored;
      if (typeof number === 'number' && number <= 0 && texts.length === 1) {
        if (op === 'gt' || op === 'gte') return everything;
        if (op === 'lt' || op === 'lte') return nothing;
        if (one.scan === 'id') return isNegative ? everything : nothing;
        return filter(null, isNegative ? 'filled' : 'empty');
      }
      const positive = stored.filter((id) => typeof id === 'number' && id > 0);
      if (op === 'in' || op === 'notIn') return positive.length === 0 ? (isNegative ? everything : nothing) : filter(positive, op);
    }
    if (one.own?.type === 'boolean' && stored[0] === false && texts.length === 1 && isEquality) {
      // Never said and no are the same to those who ask.
      const no: ScanCondition = { any: [filter(false, 'eq'), filter(null, 'empty')] };
      return isNegative ? { all: [filter(true, 'eq')] } : no;
    }
    if (op === 'in' || op === 'notIn') return filter(stored, op);
    return filter(stored[0], op);
  }

  function isTextKind(one: RestField): boolean {
    return ['string', 'url', 'address', 'crm_multifield', 'crm_currency'].includes(one.kind) || (one.kind === 'crm_status' && one.extra !== undefined);
  }

  function readOrder(current: View, entity: EntityKind, entries: Entries, style: Style): { field: string; direction: 'asc' | 'desc' }[] {
    return entries.flatMap(([name, raw]) => {
      const one = find(fieldsOf(current.model, entity), style, name);
      const direction = (toText(raw) ?? '').toLowerCase();
      const isKnown = direction === 'asc' || direction === 'desc';
      if (style === 'camel') {
        if (!one) throw new RestError('INVALID_ARG_VALUE', `Invalid order: field '${name.slice(0, 100)}' is not allowed in order`);
        if (!isKnown) throw new RestError('INVALID_ARG_VALUE', `Invalid order: allowed sort directions are ASC, DESC. But got '${direction.slice(0, 20)}' for field '${one.camel}'`);
      }
      const sortable = one?.scan !== undefined && !one.isMultiple && one.scan !== 'semantics' && one.kind !== 'file';
      return sortable && one.scan ? [{ field: one.scan, direction: direction === 'desc' ? ('desc' as const) : ('asc' as const) }] : [];
    });
  }

  // ——— Answers

  /** The fields a client asked for; the id is always told. */
  function chosen(current: View, entity: EntityKind, select: readonly string[], style: Style): RestField[] {
    const fields = fieldsOf(current.model, entity);
    if (select.length === 0) return style === 'camel' ? [...fields.all] : fields.all.filter((one) => !one.isDynamic);
    const wanted = new Set<RestField>();
    for (const name of select) {
      if (name === '*') for (const one of fields.all) if (style === 'camel' || !one.isDynamic) wanted.add(one);
      if (/^uf_/i.test(name) && name.endsWith('*')) for (const one of fields.all) if (one.isDynamic) wanted.add(one);
      const one = find(fields, style, name);
      if (one) wanted.add(one);
    }
    // In the order of declaration, which begins with the id.
    return fields.all.filter((one) => wanted.has(one) || one.name === 'ID');
  }

  function show({ actor, now }: Pick<Call, 'actor' | 'now'>, current: View, row: Row, fields: readonly RestField[], style: Style, useOriginalNames = false): Record<string, unknown> {
    const printing = { ...current, style, publicUrl, filePath: (fileId: number) => links.downloadPath(actor, now, fileId) };
    const shown: Record<string, unknown> = {};
    for (const one of fields) shown[style === 'upper' || (useOriginalNames && one.isDynamic) ? one.name : one.camel] = print(one, row, printing);
    if (style === 'camel') {
      // Phones and addresses of crm.item.* stand together.
      const fm = fields.filter((one) => one.kind === 'crm_multifield');
      for (const one of fm) delete shown[one.camel];
      if (fm.length > 0) shown.fm = fm.flatMap((one) => print(one, row, printing));
    }
    return shown;
  }

  const all = (current: View, entity: EntityKind): readonly RestField[] => fieldsOf(current.model, entity).all;

  async function list(call: Call, current: View, entity: EntityKind, { select, filter, order, start }: Listing, style: Style, shape: (rows: Record<string, unknown>[]) => unknown = (rows) => rows, useOriginalNames = false): Promise<Answer> {
    const where = readFilter(current, entity, filter, style);
    const scan = { where, order: readOrder(current, entity, order, style), offset: Math.max(0, start), limit: pageSize };
    const fields = chosen(current, entity, select, style);
    const count = start < 0 ? Promise.resolve(0) : entity === 'contact' || entity === 'company' ? crm.countClients(db, call.actor, entity, where) : crm.countScan(db, call.actor, entity.id, where, current.model);
    const rows: Promise<Row[]> = entity === 'contact' ? crm.scanContacts(db, call.actor, scan) : entity === 'company' ? crm.scanCompanies(db, call.actor, scan) : crm.scanItems(db, call.actor, entity.id, scan, current.model);
    const [found, total] = await Promise.all([rows, count]);
    return page(shape(found.map((row) => show(call, current, row, fields, style, useOriginalNames))), found.length, start, total);
  }

  return { view, find, fieldsOf, upload, readFields, readNewItem, readStage, readCategory, item, clients, readFilter, readOrder, chosen, show, all, list, named, filled };
}

export type Entities = ReturnType<typeof createEntities>;
export type { Company, Contact };
