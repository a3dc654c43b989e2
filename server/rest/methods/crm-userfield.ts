/** Own fields: crm.<deal|lead|contact|company>.userfield.* and userfieldconfig.*. */
import type { CrmModel, Field, FieldType } from '../../crm/crm.ts';
import type { Entities, Entries, View } from '../entities.ts';
import { entriesOf, isRecord } from '../encoding.ts';
import { argumentMissing, RestError, type Translate } from '../errors.ts';
import { camelName, type EntityKind, userFieldName } from '../fields.ts';
import { filterRows, sortRows } from '../memory.ts';
import { type Call, cut, defineMethod, type Method } from '../method.ts';
import { id, integer, map, optionalMap, start, text, toFlag, toInteger, toText } from '../parameter.ts';
import type { FamilyDeps } from '../rest.ts';
import { entityTypeId, itemTypeOf } from '../stages.ts';
import { legacyNames, typeOf } from './crm-entity.ts';

const types = {
  string: 'string', integer: 'number', double: 'number', boolean: 'boolean', datetime: 'datetime', date: 'date', money: 'money', url: 'url', address: 'address',
  enumeration: 'list', file: 'file', employee: 'employee', crm_status: 'string', crm: 'item',
} as const satisfies Record<string, FieldType>;
type UserType = keyof typeof types;
const isUserType = (name: string): name is UserType => Object.hasOwn(types, name);
const titles: Readonly<Record<UserType, string>> = {
  string: 'String', integer: 'Integer', double: 'Number', boolean: 'Yes/No', datetime: 'Date/Time', date: 'Date', money: 'Money', url: 'Link', address: 'Address', enumeration: 'List', file: 'File',
  employee: 'Employee', crm_status: 'CRM directory', crm: 'CRM link',
};
const userTypes: Readonly<Record<FieldType, UserType>> = {
  string: 'string', text: 'string', number: 'double', money: 'money', boolean: 'boolean', date: 'date', datetime: 'datetime', list: 'enumeration', employee: 'employee', file: 'file', url: 'url',
  address: 'address', phone: 'string', email: 'string', item: 'crm', contact: 'crm', company: 'crm',
};

const fieldErrors: Translate = (error, message) => {
  if (error.code === 'access.admin_only') return new RestError('', 'Access denied.', 403);
  if (error.code === 'request.not_found') return new RestError('ERROR_NOT_FOUND', 'The entity is not found');
  return new RestError('ERROR_CORE', message);
};

interface Option {
  id?: number;
  name: string;
  isDefault: boolean;
  isGone: boolean;
}

export function userFieldMethods({ db, crm }: FamilyDeps, entities: Entities): Method[] {
  const scope = 'crm';
  const errors = fieldErrors;

  const ownOf = (model: CrmModel, entity: EntityKind): readonly Field[] => (typeof entity === 'string' ? model.clientFields(entity) : model.fieldsOf(entity.id));

  /** A string, or a text per language: the company's, else the first. */
  function label(raw: unknown, language: string): string {
    const listed = entriesOf(raw);
    if (!listed) return (toText(raw) ?? '').trim().slice(0, 255);
    return (toText(listed.find(([name]) => name === language)?.[1]) ?? toText(listed.find(([, value]) => toText(value))?.[1]) ?? '').trim().slice(0, 255);
  }

  function readOptions(raw: unknown): Option[] | undefined {
    return entriesOf(raw)?.flatMap(([, each]): Option[] => {
      const given = isRecord(each) ? each : { VALUE: each };
      const read = (...names: string[]) => names.map((name) => given[name]).find((value) => value !== undefined);
      const number = toInteger(read('ID', 'id'));
      const name = (toText(read('VALUE', 'value')) ?? '').trim().slice(0, 255);
      const isGone = toFlag(read('DEL', 'del'));
      return name === '' && !isGone ? [] : [{ ...(number === undefined ? {} : { id: number }), name, isDefault: toFlag(read('DEF', 'def')), isGone }];
    });
  }

  function linkType(current: View, settings: Entries): Pick<Field, 'type'> & { itemTypeId?: number } {
    const yes = settings.filter(([, raw]) => toFlag(raw)).map(([name]) => name.toUpperCase());
    if (yes.includes('CONTACT')) return { type: 'contact' };
    if (yes.includes('COMPANY')) return { type: 'company' };
    const dynamic = yes.map((name) => /^DYNAMIC_(\d+)$/.exec(name)?.[1]).find((number) => number !== undefined);
    const linked = dynamic === undefined ? typeOf(current.model, yes.includes('LEAD') ? 'lead' : 'deal') : itemTypeOf(current.model, Number(dynamic));
    return { type: 'item', itemTypeId: linked?.id };
  }

  /** `read` finds a setting under its old or its new name. */
  function settingsOf(userType: UserType, read: (...names: string[]) => unknown, isMultiple: boolean, before?: Field) {
    const settings = entriesOf(read('SETTINGS', 'settings')) ?? [];
    const setting = (name: string) => settings.find(([key]) => key.toUpperCase() === name)?.[1];
    const decimals = userType === 'integer' ? 0 : userType === 'double' ? Math.min(Math.max(0, toInteger(setting('PRECISION')) ?? before?.settings.decimals ?? 2), 10) : undefined;
    const given = readOptions(read('LIST', 'enum'));
    const known = before?.settings.options ?? [];
    // What is not mentioned stays.
    const kept = known.filter((option) => !given?.some((one) => one.id === option.id)).map((option) => ({ id: option.id, name: option.name }));
    const changed = (given ?? []).filter((option) => !option.isGone).map(({ id: number, name }) => (number !== undefined && known.some((option) => option.id === number) ? { id: number, name } : { name }));
    const defaults = (given ?? []).filter((option) => option.isDefault && !option.isGone).map((option) => option.name);
    const raw = setting('DEFAULT_VALUE');
    const plain = isRecord(raw) ? (raw.TYPE === 'FIXED' ? raw.VALUE : undefined) : raw;
    const standard = userType === 'enumeration' ? (isMultiple ? defaults : defaults[0]) : userType === 'boolean' ? (plain === undefined || plain === '' ? undefined : toFlag(plain)) : plain;
    return {
      ...(decimals === undefined ? {} : { decimals }), ...(userType === 'enumeration' && given ? { options: [...kept, ...changed] } : {}),
      ...(standard === undefined || standard === '' || (Array.isArray(standard) && standard.length === 0) ? {} : { default: standard }),
    };
  }

  async function add(call: Call, entity: EntityKind, read: (...names: string[]) => unknown): Promise<number> {
    const current = await entities.view();
    const rawName = toText(read('FIELD_NAME', 'fieldName'))?.trim().toUpperCase() ?? '';
    const userType = toText(read('USER_TYPE_ID', 'userTypeId'))?.trim().toLowerCase() ?? '';
    if (!call.actor.isAdmin) throw new RestError('', 'Access denied.', 403);
    if (rawName === '') throw new RestError('', "The 'FIELD_NAME' field is not found.");
    if (userType === '') throw new RestError('', "The 'USER_TYPE_ID' field is not found.");
    if (!isUserType(userType)) throw new RestError('ERROR_CORE', 'Incorrect custom type specified.');
    const code = rawName.startsWith('UF_CRM_') ? rawName : `UF_CRM_${rawName}`;
    if (code.length > 50) throw new RestError('ERROR_CORE', 'Field name is too long (more than 50 characters).');
    if (!/^[A-Z0-9_]+$/.test(code)) throw new RestError('ERROR_CORE', 'Field name contains invalid characters. Allowed characters: A-Z, 0-9 and _.');
    const isMultiple = userType !== 'boolean' && toFlag(read('MULTIPLE', 'multiple'));
    const { language } = current.company;
    const name = label(read('EDIT_FORM_LABEL', 'editFormLabel'), language) || label(read('LABEL', 'label'), language) || label(read('LIST_COLUMN_LABEL', 'listColumnLabel'), language) || code;
    const settings = entriesOf(read('SETTINGS', 'settings')) ?? [];
    const rows = toInteger(settings.find(([key]) => key.toUpperCase() === 'ROWS')?.[1]) ?? 1;
    const link = userType === 'crm' ? linkType(current, settings) : undefined;
    const type = link?.type ?? (userType === 'string' && rows > 1 ? 'text' : types[userType]);
    return db.transaction((tx) => crm.createField(tx, call.actor, {
      ...(typeof entity === 'string' ? { entity } : { entity: 'item', itemTypeId: entity.id }), code, name, type, isMultiple, isRequired: toFlag(read('MANDATORY', 'mandatory')),
      settings: { ...settingsOf(userType, read, isMultiple), ...(link?.itemTypeId === undefined ? {} : { itemTypeId: link.itemTypeId }) },
    }));
  }

  function ownField(current: View, entity: EntityKind, fieldId: number): Field {
    const field = ownOf(current.model, entity).find((one) => one.id === fieldId);
    if (!field) throw new RestError('ERROR_NOT_FOUND', `The entity with ID '${fieldId}' is not found`);
    return field;
  }

  async function update(call: Call, entity: EntityKind, fieldId: number, read: (...names: string[]) => unknown): Promise<void> {
    const current = await entities.view();
    const field = ownField(current, entity, fieldId);
    const { language } = current.company;
    const name = label(read('EDIT_FORM_LABEL', 'editFormLabel'), language) || label(read('LIST_COLUMN_LABEL', 'listColumnLabel'), language);
    const mandatory = read('MANDATORY', 'mandatory');
    const userType = userTypeOf(field);
    const hasSettings = read('SETTINGS', 'settings') !== undefined || read('LIST', 'enum') !== undefined;
    const sort = toInteger(read('SORT', 'sort'));
    await db.transaction((tx) => crm.changeField(tx, call.actor, fieldId, {
      ...(name === '' ? {} : { name }), ...(mandatory === undefined ? {} : { isRequired: toFlag(mandatory) }), ...(sort === undefined || sort < 0 ? {} : { position: Math.min(sort, 10_000) }),
      ...(hasSettings ? { settings: settingsOf(userType, read, field.isMultiple, field) } : {}),
    }));
  }

  const userTypeOf = (field: Field): UserType => (field.type === 'number' && field.settings.decimals === 0 ? 'integer' : userTypes[field.type]);

  function settingsShown(field: Field): Record<string, unknown> {
    const standard = field.settings.default;
    switch (userTypeOf(field)) {
      case 'string': return { SIZE: 20, ROWS: field.type === 'text' ? 5 : 1, REGEXP: '', MIN_LENGTH: 0, MAX_LENGTH: 0, DEFAULT_VALUE: standard ?? '' };
      case 'integer': return { SIZE: 20, MIN_VALUE: 0, MAX_VALUE: 0, DEFAULT_VALUE: standard ?? null };
      case 'double': return { PRECISION: field.settings.decimals ?? 2, SIZE: 20, MIN_VALUE: 0, MAX_VALUE: 0, DEFAULT_VALUE: standard ?? null };
      case 'boolean': return { DEFAULT_VALUE: standard === true ? 1 : 0, DISPLAY: 'CHECKBOX' };
      case 'date': case 'datetime': return { DEFAULT_VALUE: { TYPE: standard === undefined ? 'NONE' : 'FIXED', VALUE: standard ?? '' } };
      case 'enumeration': return { DISPLAY: 'LIST', LIST_HEIGHT: 1, CAPTION_NO_VALUE: '', SHOW_NO_VALUE: 'Y' };
      default: return { DEFAULT_VALUE: standard ?? '' };
    }
  }

  const optionsShown = (field: Field) => (field.settings.options ?? []).map((option, index) => {
    const standard: unknown[] = Array.isArray(field.settings.default) ? field.settings.default : [field.settings.default];
    return { ID: String(option.id), SORT: String((index + 1) * 10), VALUE: option.name, DEF: standard.includes(option.id) ? 'Y' : 'N', XML_ID: String(option.id) };
  });

  const shown = (field: Field, entityId: string): Record<string, unknown> => ({
    ID: String(field.id), ENTITY_ID: entityId, FIELD_NAME: userFieldName(field.code), USER_TYPE_ID: userTypeOf(field), XML_ID: null, SORT: String(field.position), MULTIPLE: field.isMultiple ? 'Y' : 'N',
    MANDATORY: field.isRequired ? 'Y' : 'N', SHOW_FILTER: 'I', SHOW_IN_LIST: 'Y', EDIT_IN_LIST: 'Y', IS_SEARCHABLE: 'N', SETTINGS: settingsShown(field), EDIT_FORM_LABEL: field.name,
    LIST_COLUMN_LABEL: field.name, LIST_FILTER_LABEL: field.name, ERROR_MESSAGE: null, HELP_MESSAGE: null, ...(field.type === 'list' ? { LIST: optionsShown(field) } : {}),
  });

  const reader = (fields: Entries) => (...names: string[]) => names.map((name) => fields.find(([key]) => key === name)?.[1]).find((value) => value !== undefined);

  const legacy = legacyNames.flatMap((name): Method[] => {
    const entity = ({ model }: View): EntityKind => (name === 'contact' || name === 'company' ? name : typeOf(model, name));
    const entityId = `CRM_${name.toUpperCase()}`;
    return [
      defineMethod({
        name: `crm.${name}.userfield.add`, scope, errors, about: 'Adds an own field. Administrators.', params: { fields: map() },
        differs: 'A field of type crm links to one type; crm_status keeps codes as text; iblock types are not there.',
        run: async (call, { fields }) => ({ result: await add(call, entity(await entities.view()), reader(fields)) }),
      }),
      defineMethod({
        name: `crm.${name}.userfield.update`, scope, errors, about: 'Changes an own field. Administrators.', params: { id: id(), fields: map() },
        run: async (call, { id: fieldId, fields }) => {
          await update(call, entity(await entities.view()), fieldId, reader(fields));
          return { result: true };
        },
      }),
      defineMethod({
        name: `crm.${name}.userfield.get`, scope, errors, about: 'One own field.', params: { id: id() },
        run: async (_call, { id: fieldId }) => {
          const current = await entities.view();
          return { result: shown(ownField(current, entity(current), fieldId), entityId) };
        },
      }),
      defineMethod({
        name: `crm.${name}.userfield.list`, scope, errors, about: 'The own fields.', params: { filter: optionalMap(), order: optionalMap() },
        run: async (_call, { filter, order }) => {
          const current = await entities.view();
          const rows = ownOf(current.model, entity(current)).map((field) => shown(field, entityId));
          const found = sortRows(filterRows(rows, filter.filter(([key]) => key.toUpperCase() !== 'LANG'), (field) => {
            throw new RestError('INVALID_ARG_VALUE', `Invalid filter: field '${field.slice(0, 100)}' is not allowed in filter`);
          }), order);
          return { result: found, total: found.length };
        },
      }),
      defineMethod({
        name: `crm.${name}.userfield.delete`, scope, errors, about: 'Deletes an own field. Administrators.', params: { id: id() },
        differs: 'Its data stays, hidden, and its name stays taken.',
        run: async (call, { id: fieldId }) => {
          ownField(await entities.view(), entity(await entities.view()), fieldId);
          await db.transaction((tx) => crm.deleteField(tx, call.actor, fieldId));
          return { result: true };
        },
      }),
    ];
  });

  // -- userfieldconfig ------------------------------------------------------------------------

  function entityBy(current: View, entityId: string): EntityKind {
    const name = entityId.toUpperCase();
    if (name === 'CRM_CONTACT') return 'contact';
    if (name === 'CRM_COMPANY') return 'company';
    const system = { CRM_LEAD: 'lead', CRM_DEAL: 'deal', CRM_SMART_INVOICE: 'invoice' }[name];
    const number = /^CRM_(\d+)$/.exec(name)?.[1];
    const type = system ? current.model.itemTypeByCode(system) : current.model.itemTypes.find((one) => !one.isSystem && one.id === Number(number));
    if (!type) throw new RestError('ENTITY_NOT_FOUND', `Entity ${entityId.slice(0, 50)} is not found`);
    return type;
  }
  function entityIdOf(entity: EntityKind): string {
    if (typeof entity === 'string') return `CRM_${entity.toUpperCase()}`;
    return { 1: 'CRM_LEAD', 2: 'CRM_DEAL', 31: 'CRM_SMART_INVOICE' }[entityTypeId(entity)] ?? `CRM_${entity.id}`;
  }
  function anyField(current: View, fieldId: number): { field: Field; entity: EntityKind } {
    for (const entity of ['contact', 'company', ...current.model.itemTypes] as const) {
      const field = ownOf(current.model, entity).find((one) => one.id === fieldId);
      if (field) return { field, entity };
    }
    throw new RestError('ERROR_NOT_FOUND', `The entity with ID '${fieldId}' is not found`);
  }
  function camel(field: Field, entity: EntityKind, language: string) {
    const row = shown(field, entityIdOf(entity));
    const entries = Object.entries(row).filter(([name]) => name !== 'LIST').map(([name, value]): [string, unknown] =>
      [camelName(name), name === 'ID' || name === 'SORT' ? Number(value) : name.endsWith('_LABEL') ? { [language]: value } : value]);
    const options = optionsShown(field).map((option) => ({ id: Number(option.ID), value: option.VALUE, def: option.DEF, sort: Number(option.SORT), xmlId: option.XML_ID }));
    return { ...Object.fromEntries(entries), languageId: { [language]: language }, ...(field.type === 'list' ? { enum: options } : {}) };
  }
  const configScope = ['userfieldconfig', 'crm'] as const;
  const moduleId = text(argumentMissing);
  const read = async (fieldId: number) => {
    const current = await entities.view();
    const { field, entity } = anyField(current, fieldId);
    return { result: { field: camel(field, entity, current.company.language) } };
  };

  const config = [
    defineMethod({
      name: 'userfieldconfig.add', scope: configScope, errors, about: 'Adds an own field of any type of record. Administrators.', params: { moduleId, field: map(argumentMissing) },
      run: async (call, { field }) => {
        const given = reader(field);
        return read(await add(call, entityBy(await entities.view(), toText(given('entityId', 'ENTITY_ID')) ?? ''), given));
      },
    }),
    defineMethod({
      name: 'userfieldconfig.update', scope: configScope, errors, about: 'Changes an own field. Administrators.', params: { moduleId, id: integer(), field: map(argumentMissing) },
      run: async (call, { id: fieldId, field }) => {
        await update(call, anyField(await entities.view(), fieldId).entity, fieldId, reader(field));
        return read(fieldId);
      },
    }),
    defineMethod({ name: 'userfieldconfig.get', scope: configScope, errors, about: 'One own field.', params: { moduleId, id: integer() }, run: (_call, { id: fieldId }) => read(fieldId) }),
    defineMethod({
      name: 'userfieldconfig.list', scope: configScope, errors, about: 'Own fields of all types of records.', params: { moduleId, select: optionalMap(), filter: optionalMap(), order: optionalMap(), start },
      run: async (_call, { filter, order, start: from }) => {
        const current = await entities.view();
        const rows = (['contact', 'company', ...current.model.itemTypes] as const).flatMap((entity) => ownOf(current.model, entity).map((field) => camel(field, entity, current.company.language)));
        const found = sortRows(filterRows(rows.map((row): Record<string, unknown> => row), filter, (field) => {
          throw new RestError('INVALID_ARG_VALUE', `Invalid filter: field '${field.slice(0, 100)}' is not allowed in filter`);
        }), order);
        return cut(found, from, (fields) => ({ fields }));
      },
    }),
    defineMethod({
      name: 'userfieldconfig.delete', scope: configScope, errors, about: 'Deletes an own field. Administrators.', params: { moduleId, id: integer() },
      run: async (call, { id: fieldId }) => {
        anyField(await entities.view(), fieldId);
        await db.transaction((tx) => crm.deleteField(tx, call.actor, fieldId));
        return { result: null };
      },
    }),
    defineMethod({
      name: 'userfieldconfig.getTypes', scope: configScope, errors, about: 'Types of own fields.', params: { moduleId },
      run: () => ({ result: { types: Object.fromEntries(Object.entries(titles).map(([name, title]) => [name, { userTypeId: name, description: title }])) } }),
    }),
    defineMethod({
      name: 'crm.userfield.types', scope, errors, about: 'Types of own fields.', params: {},
      run: () => ({ result: Object.entries(titles).map(([name, title]) => ({ ID: name, title })) }),
    }),
    defineMethod({
      name: 'crm.userfield.enumeration.fields', scope, errors, about: 'What an entry of a list field is made of.', params: {},
      run: () => {
        const field = (type: string, isReadOnly = false) => ({ type, isRequired: false, isReadOnly, isImmutable: false, isMultiple: false, isDynamic: false });
        return { result: { ID: field('int', true), SORT: field('int'), VALUE: field('string'), DEF: field('string'), XML_ID: field('string'), DEL: field('string') } };
      },
    }),
  ];

  return [...legacy, ...config];
}
