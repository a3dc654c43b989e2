/**
 * crm.deal.*, crm.lead.*, crm.contact.*, crm.company.*: the same five methods and `fields`, each with its table of fields.
 * Names in capitals, values as texts, errors without a code.
 */
import { text } from '../../../shared/messages.ts';
import type { CrmModel, ItemType } from '../../crm/crm.ts';
import type { Entities, Style, View } from '../entities.ts';
import { crmErrors, RestError } from '../errors.ts';
import type { EntityKind, RestField } from '../fields.ts';
import { type Call, defineMethod, type Method } from '../method.ts';
import { anything, id, map, optionalMap, select, start } from '../parameter.ts';
import type { FamilyDeps } from '../rest.ts';

export const legacyNames = ['deal', 'lead', 'contact', 'company'] as const;
export type LegacyName = (typeof legacyNames)[number];

export function typeOf(model: CrmModel, code: string): ItemType {
  const type = model.itemTypeByCode(code);
  if (!type) throw new RestError('', 'Access denied.');
  return type;
}

export function entityOf(model: CrmModel, name: LegacyName): EntityKind {
  return name === 'contact' || name === 'company' ? name : typeOf(model, name);
}

/** One field as `*.fields` describes it. */
export function describe(one: RestField, { company }: View, style: Style) {
  const title = one.isDynamic && one.own ? one.own.name : text(company.language, `rest.fields.${one.name}`);
  return {
    type: one.kind, isRequired: one.isRequired, isReadOnly: one.isReadOnly, isImmutable: false, isMultiple: one.isMultiple, isDynamic: one.isDynamic,
    ...(one.statusType ? { statusType: one.statusType } : {}),
    ...(one.own?.settings.options && one.isDynamic ? { items: one.own.settings.options.map((option) => ({ ID: String(option.id), VALUE: option.name })) } : {}),
    title, ...(style === 'camel' ? { upperName: one.name } : {}),
    ...(one.isDynamic ? { listLabel: title, formLabel: title, filterLabel: title, settings: {} } : {}),
  };
}

export function legacyMethods(deps: FamilyDeps, entities: Entities): Method[] {
  const { crm } = deps;
  const scope = 'crm';
  const errors = crmErrors;

  return legacyNames.flatMap((name): Method[] => {
    const isClient = name === 'contact' || name === 'company';

    async function get(call: Call, entityId: number) {
      const current = await entities.view();
      const row = isClient ? await entities.clients[name].get(call.actor, entityId) : await entities.item(call.actor, typeOf(current.model, name), entityId);
      return { current, row };
    }

    async function add(call: Call, fields: readonly (readonly [string, unknown])[]): Promise<number> {
      const { model } = await entities.view();
      if (isClient) return (await entities.clients[name].create(call.actor, await entities.readFields(call.actor, name, fields, null, 'upper'))).id;
      return (await crm.createItem(call.actor, await entities.readNewItem(call.actor, typeOf(model, name), fields, 'upper'))).id;
    }

    async function update(call: Call, entityId: number, given: readonly (readonly [string, unknown])[]): Promise<void> {
      const { row } = await get(call, entityId);
      const { model } = await entities.view();
      const changes = await entities.readFields(call.actor, entityOf(model, name), given, row, 'upper');
      if (isClient) {
        await entities.clients[name].change(call.actor, entityId, changes);
        return;
      }
      if (!('stageId' in row)) return;
      const type = typeOf(model, name);
      const wanted = entities.named(given, 'STAGE_ID', 'STATUS_ID');
      const pipeline = model.pipeline(row.pipelineId);
      const stage = entities.filled(wanted) ? entities.readStage(await entities.view(), type, wanted, pipeline) : undefined;
      // These methods cannot change the funnel: a stage of another one is ignored, as documented.
      const move = stage && stage.pipelineId === row.pipelineId ? { stageId: stage.id } : {};
      await crm.changeItem(call.actor, entityId, { ...changes, ...move });
    }

    return [
      defineMethod({
        name: `crm.${name}.add`, scope, errors, about: `Adds a ${name}.`, params: { fields: map(), params: anything },
        differs: isClient ? 'The type of a phone or an address (VALUE_TYPE) is not kept: it is always WORK.' : 'CONTACT_IDS: the first contact counts. An unknown stage is refused.',
        run: async (call, { fields }) => ({ result: await add(call, fields) }),
      }),
      defineMethod({
        name: `crm.${name}.update`, scope, errors, about: `Changes a ${name}.`, params: { id: id(), fields: map(), params: anything },
        run: async (call, { id: entityId, fields }) => {
          await update(call, entityId, fields);
          return { result: true };
        },
      }),
      defineMethod({
        name: `crm.${name}.get`, scope, errors, about: `One ${name} with all fields.`, params: { id: id() },
        run: async (call, { id: entityId }) => {
          const { current, row } = await get(call, entityId);
          return { result: entities.show(call, current, row, entities.all(current, entityOf(current.model, name)), 'upper') };
        },
      }),
      defineMethod({
        name: `crm.${name}.list`, scope, errors, about: 'A page of 50, by filter and order.', params: { select, filter: optionalMap(), order: optionalMap(), start },
        differs: 'A filter by a field that does not exist is refused (INVALID_ARG_VALUE): ignoring it would find more than was asked for.',
        run: async (call, listing) => {
          const current = await entities.view();
          return entities.list(call, current, entityOf(current.model, name), listing, 'upper');
        },
      }),
      defineMethod({
        name: `crm.${name}.delete`, scope, errors, about: `Deletes a ${name}.`, params: { id: id() },
        run: async (call, { id: entityId }) => {
          await get(call, entityId);
          await (isClient ? entities.clients[name].remove(call.actor, entityId) : crm.deleteItem(call.actor, entityId));
          return { result: true };
        },
      }),
      defineMethod({
        name: `crm.${name}.fields`, scope, errors, about: 'The fields there are, own ones included.', params: {},
        run: async () => {
          const current = await entities.view();
          return { result: Object.fromEntries(entities.all(current, entityOf(current.model, name)).map((one) => [one.name, describe(one, current, 'upper')])) };
        },
      }),
    ];
  });
}
