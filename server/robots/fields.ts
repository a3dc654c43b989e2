/**
 * What robots can read: fields of the item, of its client, of its owner, described for the value picker,
 * for conditions and for printing. System fields are named by the locale key `fields.<code>`.
 */
import { text, type Language } from '../../shared/messages.ts';
import type { CrmModel, Field } from '../crm/crm.ts';
import type { Reference } from './placeholders.ts';
import type { FieldInfo, ValueKind } from './values.ts';

type Shape = readonly [code: string, kind: ValueKind, isMultiple?: boolean];

const itemShapes: readonly Shape[] = [
  ['id', 'id'], ['title', 'string'], ['stageId', 'stage'], ['pipelineId', 'pipeline'], ['amount', 'money'], ['currency', 'string'],
  ['ownerId', 'employee'], ['creatorId', 'employee'], ['observerIds', 'employee', true], ['contactId', 'contact'], ['companyId', 'company'],
  ['beginsOn', 'date'], ['closesOn', 'date'], ['createdAt', 'datetime'], ['updatedAt', 'datetime'], ['movedAt', 'datetime'],
  ['parentId', 'item'], ['link', 'url'],
];
const contactShapes: readonly Shape[] = [
  ['id', 'id'], ['name', 'string'], ['firstName', 'string'], ['lastName', 'string'], ['secondName', 'string'], ['position', 'string'],
  ['phone', 'phone', true], ['email', 'email', true], ['address', 'address'], ['companyId', 'company'],
];
const companyShapes: readonly Shape[] = [
  ['id', 'id'], ['title', 'string'], ['phone', 'phone', true], ['email', 'email', true], ['address', 'address'],
];
const ownerShapes: readonly Shape[] = [
  ['id', 'employee'], ['name', 'string'], ['firstName', 'string'], ['lastName', 'string'], ['secondName', 'string'], ['position', 'string'],
  ['email', 'email'], ['mobilePhone', 'phone'], ['workPhone', 'phone'],
];

export interface FieldCatalog {
  document(code: string): FieldInfo | undefined;
  client(which: 'contact' | 'company', code: string): FieldInfo | undefined;
  owner(code: string): FieldInfo | undefined;
  /** In the order of the picker. */
  readonly all: { readonly document: readonly FieldInfo[]; readonly contact: readonly FieldInfo[]; readonly company: readonly FieldInfo[]; readonly owner: readonly FieldInfo[] };
}

function describe(shapes: readonly Shape[], prefix: string, language: Language): FieldInfo[] {
  return shapes.map(([code, kind, isMultiple = false]) => ({ code, name: text(language, `${prefix}.${code}`), kind, isMultiple, settings: {} }));
}

function describeOwn(field: Field): FieldInfo {
  const { options, decimals } = field.settings;
  return { code: field.code, name: field.name, kind: field.type, isMultiple: field.isMultiple, settings: { options, decimals } };
}

function byCode(fields: readonly FieldInfo[]): (code: string) => FieldInfo | undefined {
  const found = new Map(fields.map((field) => [field.code.toLowerCase(), field]));
  return (code) => found.get(code.toLowerCase());
}

const catalogs = new WeakMap<CrmModel, Map<string, FieldCatalog>>();

/** The fields an item of the type offers, named in the language. Made once per model. */
export function fieldCatalog(model: CrmModel, itemTypeId: number, language: Language): FieldCatalog {
  const made = catalogs.get(model) ?? new Map<string, FieldCatalog>();
  catalogs.set(model, made);
  const key = `${itemTypeId} ${language}`;
  let catalog = made.get(key);
  if (!catalog) {
    const all = {
      document: [...describe(itemShapes, 'fields', language), ...model.fieldsOf(itemTypeId).map(describeOwn)],
      contact: [...describe(contactShapes, 'fields.client', language), ...model.clientFields('contact').map(describeOwn)],
      company: [...describe(companyShapes, 'fields.client', language), ...model.clientFields('company').map(describeOwn)],
      owner: describe(ownerShapes, 'fields.person', language),
    };
    const contact = byCode(all.contact);
    const company = byCode(all.company);
    catalog = {
      all,
      document: byCode(all.document),
      client: (which, code) => (which === 'contact' ? contact : company)(code),
      owner: byCode(all.owner),
    };
    made.set(key, catalog);
  }
  return catalog;
}

/** The field behind a reference to the item, its client or its owner; undefined: there is none such. */
export function catalogField(catalog: FieldCatalog, reference: Reference): FieldInfo | undefined {
  switch (reference.source) {
    case 'document':
      return catalog.document(reference.code);
    case 'owner':
      return catalog.owner(reference.code);
    case 'contact':
    case 'company':
      return catalog.client(reference.source, reference.code);
    default:
      return undefined;
  }
}
