/**
 * Fields of deals, leads, contacts … under Bitrix24's names, and how their values are told and read.
 *
 * Three sorts: fields of ours under another name; what Bitrix24 knows and our items do not (COMMENTS, SOURCE_ID, UTM_* …),
 * which become own fields of the company when somebody first writes them, so that nothing an integration sends is lost
 * and people see it in the card; and own fields (UF_CRM_*). An own field made by REST keeps its name as its code, one made
 * in the interface is `UF_CRM_` and its code.
 */
import type { Company, Contact, CrmModel, Field, FieldType, ItemRow, ItemType } from '../crm/crm.ts';
import type { Company as OwnCompany } from '../people/people.ts';
import { printDay, printMoment, readDay, readMoment } from './dates.ts';
import { entriesOf } from './encoding.ts';
import { toText } from './parameter.ts';
import { categoryId, entityTypeId, semanticId, statusIdOf, typeAbbreviation } from './stages.ts';

export type Kind =
  | 'integer' | 'double' | 'string' | 'char' | 'date' | 'datetime' | 'user' | 'crm_currency' | 'crm_status' | 'crm_category' | 'crm_contact' | 'crm_company' | 'crm_lead'
  | 'crm_multifield' | 'enumeration' | 'boolean' | 'money' | 'url' | 'address' | 'file' | 'employee' | 'crm';

export type Row = ItemRow | Contact | Company;

/** A field of Bitrix24 that our items lack, and the own field it becomes. */
export interface Extra {
  type: FieldType;
  code: string;
  isMultiple?: boolean;
  isIndexed?: boolean;
}

export interface RestField {
  /** `TITLE` */
  name: string;
  /** `title` */
  camel: string;
  kind: Kind;
  isReadOnly: boolean;
  isMultiple: boolean;
  isRequired: boolean;
  /** UF_*. */
  isDynamic: boolean;
  /** The stored value. */
  read(row: Row): unknown;
  /** Our name of it, for writing. */
  code?: string;
  /** Our name of it, for filters and order. */
  scan?: string;
  /** Not there before it is first written. */
  extra?: Extra;
  own?: Field;
  /** The value of every row, for filters. */
  constant?: unknown;
  /** Which directory a crm_status is from. */
  statusType?: string;
}

export interface Printing {
  model: CrmModel;
  company: OwnCompany;
  /** Upper-case names and texts, or camelCase and JSON types. */
  style: 'upper' | 'camel';
  /** Where a file is read without a sign-in, from the root of the host. */
  filePath(fileId: number): string;
  publicUrl: string;
}

/** `UF_CRM_HELLO_WORLD` → `ufCrmHelloWorld`, `UF_CRM_17` → `ufCrm_17`, `ASSIGNED_BY_ID` → `assignedById`. */
export function camelName(name: string): string {
  return name.toLowerCase().replaceAll(/_([a-z])/g, (_, letter: string) => letter.toUpperCase());
}

const prefix = 'UF_CRM_';
export function userFieldName(code: string): string {
  return code.toUpperCase().startsWith(prefix) ? code.toUpperCase() : `${prefix}${code.toUpperCase()}`;
}

const isItem = (row: Row): row is ItemRow => 'stageId' in row;
const isContact = (row: Row): row is Contact => 'firstName' in row;
const of = (read: (row: ItemRow) => unknown) => (row: Row) => (isItem(row) ? read(row) : null);
const ofContact = (read: (row: Contact) => unknown) => (row: Row) => (isContact(row) ? read(row) : null);
const ofClient = (read: (row: Contact | Company) => unknown) => (row: Row) => (isItem(row) ? null : read(row));

type Rest = Partial<RestField>;

function field(name: string, kind: Kind, read: RestField['read'], rest: Rest = {}): RestField {
  return { name, camel: camelName(name), kind, read, isReadOnly: rest.code === undefined && rest.extra === undefined, isMultiple: false, isRequired: false, isDynamic: false, ...rest };
}

/** A field of ours: written and looked for under one code. */
function known(name: string, kind: Kind, code: string, read: RestField['read'], rest: Rest = {}): RestField {
  return field(name, kind, read, { code, scan: code, ...rest });
}

function fixed(name: string, kind: Kind, value: unknown): RestField {
  return field(name, kind, () => value, { isReadOnly: true, constant: value });
}

function extra(name: string, kind: Kind, type: FieldType, rest: Rest & { more?: Partial<Extra> } = {}): RestField {
  const { more, ...shape } = rest;
  const own: Extra = { type, code: name, ...more };
  return field(name, kind, (row) => row.values[own.code] ?? null, { extra: own, code: own.code, isMultiple: own.isMultiple ?? false, ...shape });
}

const utm = ['UTM_SOURCE', 'UTM_MEDIUM', 'UTM_CAMPAIGN', 'UTM_CONTENT', 'UTM_TERM'].map((name) => extra(name, 'string', 'string'));
const origin = [extra('ORIGINATOR_ID', 'string', 'string'), extra('ORIGIN_ID', 'string', 'string', { more: { isIndexed: true } })];
const source = [extra('SOURCE_ID', 'crm_status', 'string', { statusType: 'SOURCE' }), extra('SOURCE_DESCRIPTION', 'string', 'text')];
const comments = extra('COMMENTS', 'string', 'text');
const opened = fixed('OPENED', 'char', 'Y');
const multifields = [
  extra('PHONE', 'crm_multifield', 'phone', { more: { isMultiple: true } }), extra('EMAIL', 'crm_multifield', 'email', { more: { isMultiple: true } }),
];
const moreMultifields = [
  extra('WEB', 'crm_multifield', 'string', { more: { isMultiple: true } }), extra('IM', 'crm_multifield', 'string', { more: { isMultiple: true } }),
];

/** What every item has; names differ between the old methods of leads and everything else. */
function itemBase(model: CrmModel, type: ItemType): RestField[] {
  const isLead = type.code === 'lead';
  const stageName = isLead ? 'STATUS_ID' : 'STAGE_ID';
  const semantics = of((row) => semanticId(model.stage(row.stageId)?.semantics ?? 'process'));
  return [
    field('ID', 'integer', (row) => row.id, { scan: 'id', isReadOnly: true }),
    known('TITLE', 'string', 'title', of((row) => row.title)),
    known(stageName, 'crm_status', 'stageId', of((row) => statusIdOf(model, row.stageId)), { camel: 'stageId', statusType: isLead ? 'STATUS' : 'DEAL_STAGE' }),
    field(isLead ? 'STATUS_SEMANTIC_ID' : 'STAGE_SEMANTIC_ID', 'string', semantics, { camel: 'stageSemanticId', scan: 'semantics', isReadOnly: true }),
    field('CATEGORY_ID', 'crm_category', of((row) => categoryId(model, type, row.pipelineId)), { scan: 'pipelineId', isReadOnly: false }),
    known('OPPORTUNITY', 'double', 'amount', of((row) => row.amount ?? 0)),
    known('CURRENCY_ID', 'crm_currency', 'currency', of((row) => row.currency)),
    fixed('IS_MANUAL_OPPORTUNITY', 'char', 'Y'),
    known('COMPANY_ID', 'crm_company', 'companyId', of((row) => row.companyId)),
    known('CONTACT_ID', 'crm_contact', 'contactId', of((row) => row.contactId)),
    known('CONTACT_IDS', 'crm_contact', 'contactId', of((row) => (row.contactId === null ? [] : [row.contactId])), { isMultiple: true }),
    known('ASSIGNED_BY_ID', 'user', 'ownerId', of((row) => row.ownerId)),
    known('OBSERVERS', 'user', 'observerIds', of((row) => row.observerIds), { isMultiple: true }),
    field('CREATED_BY_ID', 'user', of((row) => row.creatorId), { camel: 'createdBy', scan: 'creatorId' }),
    field('MODIFY_BY_ID', 'user', of((row) => row.updatedBy ?? row.creatorId), { camel: 'updatedBy' }),
    field('MOVED_BY_ID', 'user', of((row) => row.movedBy ?? row.creatorId), { camel: 'movedBy' }),
    field('DATE_CREATE', 'datetime', (row) => row.createdAt, { camel: 'createdTime', scan: 'createdAt' }),
    field('DATE_MODIFY', 'datetime', (row) => row.updatedAt, { camel: 'updatedTime', scan: 'updatedAt' }),
    field('MOVED_TIME', 'datetime', of((row) => row.movedAt), { scan: 'movedAt' }),
    field('LAST_ACTIVITY_TIME', 'datetime', (row) => row.updatedAt),
    field('LAST_ACTIVITY_BY', 'user', of((row) => row.updatedBy ?? row.creatorId)),
    opened,
    ...(isLead ? [] : [known('BEGINDATE', 'date', 'beginsOn', of((row) => row.beginsOn)), known('CLOSEDATE', 'date', 'closesOn', of((row) => row.closesOn))]),
    ...source, comments, ...utm, ...origin,
  ];
}

const closed = (model: CrmModel) => field('CLOSED', 'char', of((row) => (model.stage(row.stageId)?.semantics === 'process' ? 'N' : 'Y')), { scan: 'semantics' });

/** The codes of «Тип сделки», in the order of its first options. */
export const dealTypes = ['SALE', 'COMPLEX', 'GOODS', 'SERVICES', 'SERVICE'] as const;
export function dealTypeCode(option: number): string {
  return dealTypes[option - 1] ?? `UC_${option}`;
}

function dealFields(model: CrmModel, type: ItemType): RestField[] {
  const own = model.field(type.id, 'dealType');
  return [
    ...itemBase(model, type),
    field('TYPE_ID', 'crm_status', (row) => (typeof row.values.dealType === 'number' ? dealTypeCode(row.values.dealType) : null), {
      statusType: 'DEAL_TYPE', isReadOnly: own === undefined, ...(own ? { code: 'dealType', scan: 'dealType' } : {}),
    }),
    extra('PROBABILITY', 'integer', 'number'), extra('ADDITIONAL_INFO', 'string', 'text'),
    field('IS_NEW', 'char', of((row) => (model.pipeline(row.pipelineId)?.stages[0]?.id === row.stageId ? 'Y' : 'N'))),
    closed(model), fixed('IS_RECURRING', 'char', 'N'), fixed('IS_RETURN_CUSTOMER', 'char', 'N'), fixed('IS_REPEATED_APPROACH', 'char', 'N'),
    fixed('TAX_VALUE', 'double', null), fixed('LEAD_ID', 'crm_lead', null), fixed('QUOTE_ID', 'integer', null), fixed('LOCATION_ID', 'string', null),
  ];
}

const person = [
  extra('HONORIFIC', 'crm_status', 'string', { statusType: 'HONORIFIC' }), extra('BIRTHDATE', 'date', 'date'),
];

function leadFields(model: CrmModel, type: ItemType): RestField[] {
  return [
    ...itemBase(model, type), ...person,
    extra('NAME', 'string', 'string'), extra('SECOND_NAME', 'string', 'string'), extra('LAST_NAME', 'string', 'string'), extra('POST', 'string', 'string'),
    extra('COMPANY_TITLE', 'string', 'string'), extra('STATUS_DESCRIPTION', 'string', 'text'), extra('ADDRESS', 'string', 'address', { more: { code: 'LEAD_ADDRESS' } }),
    ...multifields, ...moreMultifields,
    field('HAS_PHONE', 'char', (row) => (has(row.values.PHONE) ? 'Y' : 'N')), field('HAS_EMAIL', 'char', (row) => (has(row.values.EMAIL) ? 'Y' : 'N')),
    field('DATE_CLOSED', 'datetime', of((row) => (model.stage(row.stageId)?.semantics === 'process' ? null : row.movedAt))),
  ];
}

function has(value: unknown): boolean {
  return Array.isArray(value) && value.length > 0;
}

function otherItemFields(model: CrmModel, type: ItemType): RestField[] {
  return [
    ...itemBase(model, type), closed(model), extra('XML_ID', 'string', 'string'),
    ...(type.code === 'invoice' ? [known('PARENT_ID_2', 'crm', 'parentId', of((row) => row.parentId), { camel: 'parentId2' })] : []),
    fixed('ENTITY_TYPE_ID', 'integer', entityTypeId(type)),
  ];
}

const clientBase: RestField[] = [
  field('ID', 'integer', (row) => row.id, { scan: 'id', isReadOnly: true }),
  known('PHONE', 'crm_multifield', 'phones', ofClient((row) => row.phones), { isMultiple: true }),
  known('EMAIL', 'crm_multifield', 'emails', ofClient((row) => row.emails), { isMultiple: true }),
  known('ADDRESS', 'string', 'address', ofClient((row) => row.address)),
  known('ASSIGNED_BY_ID', 'user', 'ownerId', (row) => row.ownerId),
  field('DATE_CREATE', 'datetime', (row) => row.createdAt, { camel: 'createdTime', scan: 'createdAt' }),
  field('DATE_MODIFY', 'datetime', (row) => row.updatedAt, { camel: 'updatedTime', scan: 'updatedAt' }),
  field('HAS_PHONE', 'char', ofClient((row) => (row.phones.length > 0 ? 'Y' : 'N'))),
  field('HAS_EMAIL', 'char', ofClient((row) => (row.emails.length > 0 ? 'Y' : 'N'))),
  opened, ...moreMultifields, comments, ...utm, ...origin.map((one) => ({ ...one, extra: { ...(one.extra ?? { type: 'string' as const, code: one.name }), isIndexed: false } })),
];

const contactFields: RestField[] = [
  ...clientBase, ...person, ...source,
  known('NAME', 'string', 'firstName', ofContact((row) => row.firstName)),
  known('SECOND_NAME', 'string', 'secondName', ofContact((row) => row.secondName)),
  known('LAST_NAME', 'string', 'lastName', ofContact((row) => row.lastName)),
  known('POST', 'string', 'position', ofContact((row) => row.position)),
  known('COMPANY_ID', 'crm_company', 'companyId', ofContact((row) => row.companyId)),
  known('COMPANY_IDS', 'crm_company', 'companyId', ofContact((row) => (row.companyId === null ? [] : [row.companyId])), { isMultiple: true }),
  extra('TYPE_ID', 'crm_status', 'string', { statusType: 'CONTACT_TYPE' }), fixed('EXPORT', 'char', 'Y'), fixed('LEAD_ID', 'crm_lead', null),
];

const companyFields: RestField[] = [
  ...clientBase,
  known('TITLE', 'string', 'title', (row) => ('title' in row ? row.title : null)),
  extra('COMPANY_TYPE', 'crm_status', 'string', { camel: 'typeId', statusType: 'COMPANY_TYPE' }), extra('INDUSTRY', 'crm_status', 'string', { statusType: 'INDUSTRY' }),
  extra('EMPLOYEES', 'crm_status', 'string', { statusType: 'EMPLOYEES' }), extra('REVENUE', 'double', 'number'), extra('CURRENCY_ID', 'crm_currency', 'string'),
  extra('BANKING_DETAILS', 'string', 'text'), fixed('IS_MY_COMPANY', 'char', 'N'), fixed('LEAD_ID', 'crm_lead', null),
];

export const kindsOfOwn: Readonly<Record<FieldType, Kind>> = {
  string: 'string', text: 'string', number: 'double', money: 'money', boolean: 'boolean', date: 'date', datetime: 'datetime', list: 'enumeration', employee: 'employee',
  file: 'file', url: 'url', address: 'address', phone: 'string', email: 'string', item: 'crm', contact: 'crm', company: 'crm',
};

function ownField(own: Field): RestField {
  const name = userFieldName(own.code);
  const kind: Kind = own.type === 'number' && own.settings.decimals === 0 ? 'integer' : kindsOfOwn[own.type];
  return {
    name, camel: camelName(name), kind, isReadOnly: false, isMultiple: own.isMultiple, isRequired: own.isRequired, isDynamic: true, own, code: own.code, scan: own.code,
    read: (row) => row.values[own.code] ?? (own.isMultiple ? [] : null),
  };
}

export type EntityKind = ItemType | 'contact' | 'company';

export interface EntityFields {
  all: readonly RestField[];
  byName: ReadonlyMap<string, RestField>;
  byCamel: ReadonlyMap<string, RestField>;
}

const caches = new WeakMap<CrmModel, Map<string, EntityFields>>();

/** Every field of the entity under its names; the same object as long as the model is the same. */
export function fieldsOf(model: CrmModel, entity: EntityKind): EntityFields {
  let cache = caches.get(model);
  if (!cache) caches.set(model, (cache = new Map()));
  const key = typeof entity === 'string' ? entity : String(entity.id);
  let found = cache.get(key);
  if (!found) cache.set(key, (found = build(model, entity)));
  return found;
}

function build(model: CrmModel, entity: EntityKind): EntityFields {
  const own = typeof entity === 'string' ? model.clientFields(entity) : model.fieldsOf(entity.id);
  const ownByCode = new Map(own.map((one) => [one.code, one]));
  const standard = entity === 'contact' ? contactFields : entity === 'company' ? companyFields
    : entity.code === 'deal' ? dealFields(model, entity) : entity.code === 'lead' ? leadFields(model, entity) : otherItemFields(model, entity);
  const taken = new Set(['dealType']);
  const all = standard.map((one): RestField => {
    if (!one.extra) return one;
    const made = ownByCode.get(one.extra.code);
    if (made) taken.add(made.code);
    return made ? { ...one, own: made, scan: made.code, isMultiple: made.isMultiple } : one;
  });
  all.push(...own.filter((one) => !taken.has(one.code)).map(ownField));
  return { all, byName: new Map(all.map((one) => [one.name, one])), byCamel: new Map(all.map((one) => [one.camel, one])) };
}

// ——— Values

/** A multifield's ids are made from its owner's and its place. */
export function multifieldId(ownerId: number, name: string, index: number): number {
  return ownerId * 1000 + Math.max(0, ['PHONE', 'EMAIL', 'WEB', 'IM'].indexOf(name)) * 250 + index + 1;
}

export function print(one: RestField, row: Row, printing: Printing): unknown {
  const { style } = printing;
  const value = one.read(row);
  if (one.kind === 'crm_multifield') {
    const values: unknown[] = Array.isArray(value) ? value : value === null ? [] : [value];
    return values.map((text, index) => {
      const id = multifieldId(row.id, one.name, index);
      return style === 'upper'
        ? { ID: String(id), VALUE_TYPE: 'WORK', VALUE: String(text), TYPE_ID: one.name }
        : { id, valueType: 'WORK', value: String(text), typeId: one.name };
    });
  }
  if (Array.isArray(value)) return value.map((each) => printOne(one, each, printing));
  return printOne(one, value, printing);
}

function printOne(one: RestField, value: unknown, { model, company, style, filePath, publicUrl }: Printing): unknown {
  const isUpper = style === 'upper';
  if (value === null || value === undefined || value === '') {
    // Links to nothing are 0 in the newer methods.
    if (!isUpper && (one.kind === 'crm_contact' || one.kind === 'crm_company')) return 0;
    return value === '' ? '' : null;
  }
  switch (one.kind) {
    case 'integer': case 'user': case 'employee': case 'crm_contact': case 'crm_company': case 'crm_lead': case 'crm_category': case 'enumeration':
      return isUpper ? String(value) : Number(value);
    case 'double':
      return isUpper ? (one.isDynamic ? String(value) : Number(value).toFixed(2)) : Number(value);
    case 'boolean':
      return isUpper ? (value === true ? '1' : '0') : value === true ? 'Y' : 'N';
    case 'date':
      return printDay(String(value).slice(0, 10), company.timeZone);
    case 'datetime':
      return printMoment(value instanceof Date ? value : new Date(String(value)), company.timeZone);
    case 'money':
      return `${String(value)}|${company.currency}`;
    case 'file':
      return isUpper
        ? { id: Number(value), showUrl: `/api/drive/files/${String(value)}/content`, downloadUrl: filePath(Number(value)) }
        : { id: Number(value), url: `${publicUrl}/api/drive/files/${String(value)}/content`, urlMachine: publicUrl + filePath(Number(value)) };
    case 'crm':
      return isUpper || !one.isMultiple ? String(value) : `${linkAbbreviation(model, one)}_${String(value)}`;
    default:
      return String(value);
  }
}

/** `D` of a link to deals. */
export function linkAbbreviation(model: CrmModel, one: RestField): string {
  if (one.own?.type === 'contact') return 'C';
  if (one.own?.type === 'company') return 'CO';
  const type = one.own?.settings.itemTypeId === undefined ? undefined : model.itemType(one.own.settings.itemTypeId);
  return typeAbbreviation(type ? entityTypeId(type) : 2);
}

/** A value as a client wrote it in a form that crm takes or refuses; files and stages are the caller's. */
export function readValue(one: RestField, raw: unknown, company: OwnCompany): unknown {
  const listed = entriesOf(raw);
  if (one.isMultiple && one.code !== 'contactId' && one.code !== 'companyId') {
    if (listed === undefined) return raw === null || raw === '' || raw === false ? [] : [readOne(one, raw, company)];
    return listed.map(([, each]) => readOne(one, each, company)).filter((each) => each !== null && each !== '');
  }
  // CONTACT_IDS: the first is the one.
  if (listed && (one.code === 'contactId' || one.code === 'companyId')) return readOne(one, listed[0]?.[1] ?? null, company);
  return readOne(one, raw, company);
}

function readOne(one: RestField, raw: unknown, company: OwnCompany): unknown {
  if (raw === null || raw === undefined || raw === '') return null;
  switch (one.kind) {
    case 'integer': case 'user': case 'employee': case 'crm_contact': case 'crm_company': case 'enumeration':
      // 0 is nobody and nothing.
      return one.kind !== 'integer' && (raw === 0 || raw === '0' || raw === false) ? null : raw;
    case 'boolean': case 'char':
      return typeof raw === 'string' ? { y: true, '1': true, true: true, n: false, '0': false, false: false }[raw.toLowerCase()] ?? raw : raw;
    case 'date': return readDay(raw) ?? raw;
    case 'datetime': return readMoment(raw, company.timeZone)?.toISOString() ?? raw;
    case 'money': case 'double': return typeof raw === 'string' ? (raw.split('|', 1)[0] ?? raw) : raw;
    case 'crm': return typeof raw === 'string' ? raw.replace(/^[A-Z0-9a-z]+_(?=\d+$)/, '') : raw;
    default: return toText(raw) ?? raw;
  }
}
