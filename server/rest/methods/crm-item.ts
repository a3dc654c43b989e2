/** crm.item.*: every type of record by its number; names in camelCase, values with their types. */
import type { ItemType } from '../../crm/crm.ts';
import { contactTypeId, companyTypeId, entityTypeId, itemTypeOf } from '../stages.ts';
import type { Entities, Entries, View } from '../entities.ts';
import { argumentMissing, itemErrors, RestError } from '../errors.ts';
import type { EntityKind, Row } from '../fields.ts';
import { type Answer, type Call, defineMethod, type Method } from '../method.ts';
import { flag, integer, map, optionalMap, select, start } from '../parameter.ts';
import type { FamilyDeps } from '../rest.ts';
import { describe } from './crm-entity.ts';

const notFound = () => new RestError('NOT_FOUND', 'SPA not found');
const arrayExpected = (name: string) => new RestError('INVALID_ARG_VALUE', `Invalid value of parameter '${name}': an object is expected`);

export function itemMethods(deps: FamilyDeps, entities: Entities): Method[] {
  const { crm, db } = deps;
  const scope = 'crm';
  const errors = itemErrors;

  function entityOf(current: View, typeId: number): EntityKind {
    if (typeId === contactTypeId) return 'contact';
    if (typeId === companyTypeId) return 'company';
    const type = itemTypeOf(current.model, typeId);
    if (!type) throw notFound();
    return type;
  }

  const row = (call: Call, entity: EntityKind, id: number): Promise<Row> =>
    entity === 'contact' || entity === 'company' ? entities.clients[entity].get(call.actor, id) : entities.item(call.actor, entity, id);

  async function shown(call: Call, entity: EntityKind, found: Row, useOriginalNames: boolean): Promise<Answer> {
    const current = await entities.view();
    return { result: { item: entities.show(call, current, found, entities.all(current, entity), 'camel', useOriginalNames) } };
  }

  async function change(call: Call, current: View, entity: EntityKind, id: number, fields: Entries): Promise<Row> {
    const before = await row(call, entity, id);
    const changes = await entities.readFields(call.actor, entity, fields, before, 'camel');
    if (entity === 'contact' || entity === 'company') return entities.clients[entity].change(call.actor, id, changes);
    if (!('stageId' in before)) return before;
    return crm.changeItem(call.actor, id, { ...changes, ...stageChange(current, entity, before, fields) });
  }

  /** A new category without a stage is its first stage; a stage names its category by itself. */
  function stageChange(current: View, type: ItemType, before: { pipelineId: number }, fields: Entries): { stageId?: number } {
    const [category, stageId] = [entities.named(fields, 'categoryId', 'CATEGORY_ID'), entities.named(fields, 'stageId', 'STAGE_ID')];
    const pipeline = entities.filled(category) ? entities.readCategory(current, type, category) : current.model.pipeline(before.pipelineId);
    if (entities.filled(stageId)) return { stageId: entities.readStage(current, type, stageId, pipeline).id };
    const first = pipeline?.stages[0];
    return pipeline && first && pipeline.id !== before.pipelineId ? { stageId: first.id } : {};
  }

  const common = { entityTypeId: integer(), useOriginalUfNames: flag };
  const fieldsParam = map(arrayExpected, argumentMissing);

  return [
    defineMethod({
      name: 'crm.item.add', scope, errors, about: 'Adds a record of any type.', params: { ...common, fields: fieldsParam },
      async run(call, { entityTypeId: typeId, fields, useOriginalUfNames }) {
        const entity = entityOf(await entities.view(), typeId);
        const made = entity === 'contact' || entity === 'company'
          ? await entities.clients[entity].create(call.actor, await entities.readFields(call.actor, entity, fields, null, 'camel'))
          : await crm.createItem(call.actor, await entities.readNewItem(call.actor, entity, fields, 'camel'));
        return shown(call, entity, made, useOriginalUfNames);
      },
    }),
    defineMethod({
      name: 'crm.item.import', scope, errors, about: 'Adds a record of any type without opening it afterwards.', params: { ...common, fields: fieldsParam },
      differs: 'Robots start as for any other new record. Moments and authors of the past are not taken over.',
      async run(call, { entityTypeId: typeId, fields }) {
        const entity = entityOf(await entities.view(), typeId);
        if (entity === 'contact' || entity === 'company') {
          return { result: { item: { id: (await entities.clients[entity].create(call.actor, await entities.readFields(call.actor, entity, fields, null, 'camel'))).id } } };
        }
        return { result: { item: { id: (await crm.createItem(call.actor, await entities.readNewItem(call.actor, entity, fields, 'camel'))).id } } };
      },
    }),
    defineMethod({
      name: 'crm.item.update', scope, errors, about: 'Changes a record; also moves it to another funnel.', params: { ...common, id: integer(), fields: fieldsParam },
      async run(call, { entityTypeId: typeId, id, fields, useOriginalUfNames }) {
        const current = await entities.view();
        const entity = entityOf(current, typeId);
        return shown(call, entity, await change(call, current, entity, id, fields), useOriginalUfNames);
      },
    }),
    defineMethod({
      name: 'crm.item.get', scope, errors, about: 'One record.', params: { ...common, id: integer() },
      async run(call, { entityTypeId: typeId, id, useOriginalUfNames }) {
        const entity = entityOf(await entities.view(), typeId);
        return shown(call, entity, await row(call, entity, id), useOriginalUfNames);
      },
    }),
    defineMethod({
      name: 'crm.item.list', scope, errors, about: 'A page of 50; conditions may nest with "logic".',
      params: { ...common, select, filter: optionalMap(arrayExpected), order: optionalMap(arrayExpected), start },
      run: async (call, { entityTypeId: typeId, useOriginalUfNames, ...listing }) => {
        const current = await entities.view();
        return entities.list(call, current, entityOf(current, typeId), listing, 'camel', (items) => ({ items }), useOriginalUfNames);
      },
    }),
    defineMethod({
      name: 'crm.item.delete', scope, errors, about: 'Deletes a record.', params: { ...common, id: integer() },
      async run(call, { entityTypeId: typeId, id }) {
        const entity = entityOf(await entities.view(), typeId);
        await row(call, entity, id);
        await (entity === 'contact' || entity === 'company' ? entities.clients[entity].remove(call.actor, id) : crm.deleteItem(call.actor, id));
        return { result: [] };
      },
    }),
    defineMethod({
      name: 'crm.item.fields', scope, errors, about: 'The fields of a type.', params: common,
      async run(_call, { entityTypeId: typeId, useOriginalUfNames }) {
        const current = await entities.view();
        const all = entities.all(current, entityOf(current, typeId)).filter((one) => one.kind !== 'crm_multifield');
        return { result: { fields: Object.fromEntries(all.map((one) => [useOriginalUfNames && one.isDynamic ? one.name : one.camel, describe(one, current, 'camel')])) } };
      },
    }),

    // -- Own types ------------------------------------------------------------------------------

    defineMethod({
      name: 'crm.type.list', scope, errors, about: 'The company’s own types of records.', params: { order: optionalMap(arrayExpected), filter: optionalMap(arrayExpected), start },
      differs: 'Neither filter nor order: there are few.',
      async run(_call, { start: from }) {
        const { model } = await entities.view();
        const types = model.itemTypes.filter((type) => !type.isSystem).map(asType);
        return { result: { types: types.slice(Math.max(0, from)) }, total: types.length };
      },
    }),
    defineMethod({
      name: 'crm.type.get', scope, errors, about: 'One own type by its id.', params: { id: integer() },
      async run(_call, { id }) {
        const type = (await entities.view()).model.itemTypes.find((one) => !one.isSystem && one.id === id);
        if (!type) throw notFound();
        return { result: { type: asType(type) } };
      },
    }),
    defineMethod({
      name: 'crm.type.getByEntityTypeId', scope, errors, about: 'One own type by its entityTypeId.', params: { entityTypeId: integer() },
      async run(_call, { entityTypeId: typeId }) {
        const type = itemTypeOf((await entities.view()).model, typeId);
        if (!type) throw notFound();
        return { result: { type: asType(type) } };
      },
    }),
    defineMethod({
      name: 'crm.type.add', scope, errors, about: 'Adds an own type with a funnel. Administrators.', params: { fields: fieldsParam },
      differs: 'Of the fields, title, isClientEnabled and isLinkWithProductsEnabled (amounts) count; entityTypeId is given by the server.',
      async run({ actor }, { fields }) {
        const title = String(entities.named(fields, 'title') ?? '').trim().slice(0, 255);
        if (title === '') throw new RestError('CRM_FIELD_ERROR_REQUIRED', "Field 'title' is required");
        const made = await db.transaction((tx) => crm.createItemType(tx, actor, { name: title }));
        await crm.grantLikeDeals(made);
        const type = (await entities.view()).model.itemType(made);
        return { result: { type: type ? asType(type) : null } };
      },
    }),
    defineMethod({
      name: 'crm.type.update', scope, errors, about: 'Renames an own type. Administrators.', params: { id: integer(), fields: fieldsParam },
      async run({ actor }, { id, fields }) {
        const title = String(entities.named(fields, 'title') ?? '').trim().slice(0, 255);
        await db.transaction((tx) => crm.changeItemType(tx, actor, id, title === '' ? {} : { name: title }));
        const type = (await entities.view()).model.itemType(id);
        return { result: { type: type ? asType(type) : null } };
      },
    }),
    defineMethod({
      name: 'crm.type.delete', scope, errors, about: 'Deletes an own type that holds no records. Administrators.', params: { id: integer() },
      async run({ actor }, { id }) {
        await db.transaction((tx) => crm.deleteItemType(tx, actor, id));
        return { result: null };
      },
    }),
    defineMethod({
      name: 'crm.enum.ownertype', scope: 'crm', about: 'Types of records and their numbers.', params: {},
      async run() {
        const { model } = await entities.view();
        const clients = [{ ID: contactTypeId, NAME: 'Contact', SYMBOL_CODE: 'CONTACT', SYMBOL_CODE_SHORT: 'C' }, { ID: companyTypeId, NAME: 'Company', SYMBOL_CODE: 'COMPANY', SYMBOL_CODE_SHORT: 'CO' }];
        const types = model.itemTypes.map((type) => {
          const number = entityTypeId(type);
          return { ID: number, NAME: type.name, SYMBOL_CODE: { 1: 'LEAD', 2: 'DEAL', 31: 'SMART_INVOICE' }[number] ?? `DYNAMIC_${number}`, SYMBOL_CODE_SHORT: { 1: 'L', 2: 'D', 31: 'SI' }[number] ?? `T${number.toString(16)}` };
        });
        return { result: [...types, ...clients].sort((a, b) => a.ID - b.ID) };
      },
    }),
    defineMethod({
      name: 'crm.settings.mode.get', scope: 'crm', about: 'Whether leads are used: 1, they are.', params: {},
      run: () => ({ result: 1 }),
    }),
  ];
}

function asType(type: ItemType) {
  return {
    id: type.id, title: type.name, code: type.code, entityTypeId: entityTypeId(type), isCategoriesEnabled: 'Y', isStagesEnabled: 'Y', isClientEnabled: type.hasClient ? 'Y' : 'N',
    isBeginCloseDatesEnabled: 'Y', isAutomationEnabled: 'Y', isObserversEnabled: 'Y', isLinkWithProductsEnabled: 'N', isSourceEnabled: 'Y',
  };
}
