/** crm.status.*: stages of every pipeline, and directories of codes. */
import { hasText, text } from '../../../shared/messages.ts';
import type { ItemType, Pipeline, Stage } from '../../crm/crm.ts';
import type { Entities, Entries, View } from '../entities.ts';
import { crmErrors, RestError } from '../errors.ts';
import { dealTypeCode } from '../fields.ts';
import { filterRows, sortRows } from '../memory.ts';
import { type Call, defineMethod, type Method } from '../method.ts';
import { id, map, optionalMap, text as textParam, anything, toFlag, toInteger, toText } from '../parameter.ts';
import type { FamilyDeps } from '../rest.ts';
import { categoryId, directoryId, entityTypeId, semanticId, semanticsOf, statusIdOf } from '../stages.ts';

const directories: Readonly<Record<string, readonly string[]>> = {
  SOURCE: ['CALL', 'EMAIL', 'WEB', 'ADVERTISING', 'PARTNER', 'RECOMMENDATION', 'TRADE_SHOW', 'WEBFORM', 'CALLBACK', 'RC_GENERATOR', 'STORE', 'OTHER'],
  CONTACT_TYPE: ['CLIENT', 'SUPPLIER', 'PARTNER', 'OTHER'],
  COMPANY_TYPE: ['CUSTOMER', 'SUPPLIER', 'COMPETITOR', 'PARTNER', 'OTHER'],
  EMPLOYEES: ['EMPLOYEES_1', 'EMPLOYEES_2', 'EMPLOYEES_3', 'EMPLOYEES_4'],
  INDUSTRY: ['IT', 'TELECOM', 'MANUFACTURING', 'BANKING', 'CONSULTING', 'FINANCE', 'GOVERNMENT', 'DELIVERY', 'ENTERTAINMENT', 'NOTPROFIT', 'OTHER'],
  HONORIFIC: ['HNR_RU_1', 'HNR_RU_2'],
};
/** Numbers of kinds of deals, between those of stages and those of directories. */
const firstDealType = 90_000_000;

interface Status {
  ID: string;
  ENTITY_ID: string;
  STATUS_ID: string;
  NAME: string;
  NAME_INIT: string;
  SORT: string;
  SYSTEM: 'Y' | 'N';
  CATEGORY_ID: string | null;
  COLOR: string | null;
  SEMANTICS: string | null;
  EXTRA?: { SEMANTICS: string; COLOR: string };
  [name: string]: unknown;
}

export function statusMethods({ db, crm, statuses }: FamilyDeps, entities: Entities): Method[] {
  const scope = 'crm';
  const errors = crmErrors;

  function stageStatus({ model }: View, type: ItemType, pipeline: Pipeline, stage: Stage, index: number): Status {
    const category = categoryId(model, type, pipeline.id);
    const semantics = semanticId(stage.semantics);
    return {
      ID: String(stage.id), ENTITY_ID: directoryId(model, type, pipeline.id), STATUS_ID: statusIdOf(model, stage.id), NAME: stage.name, NAME_INIT: '', SORT: String((index + 1) * 10),
      SYSTEM: stage.semantics === 'success' || index === 0 ? 'Y' : 'N', CATEGORY_ID: category === 0 ? null : String(category), COLOR: stage.color, SEMANTICS: semantics === 'P' ? null : semantics,
      EXTRA: { SEMANTICS: stage.semantics, COLOR: stage.color },
    };
  }

  /** The directories as they are kept; the usual ones are written on the first look, in the company's language. */
  async function kept(current: View) {
    const rows = await statuses.list(db);
    const missing = Object.entries(directories).filter(([entityId]) => !rows.some((row) => row.entityId === entityId));
    if (missing.length === 0 || rows.length > 0) return rows;
    await statuses.insert(db, missing.flatMap(([entityId, codes]) => codes.map((statusId, index) => {
      const key = `rest.statuses.${entityId}.${statusId}`;
      return { entityId, statusId, name: hasText(key) ? text(current.company.language, key) : statusId, sort: (index + 1) * 10, isSystem: true };
    })));
    return statuses.list(db);
  }

  const dealTypeField = ({ model }: View) => {
    const deal = model.itemTypeByCode('deal');
    return deal && model.field(deal.id, 'dealType');
  };

  async function all(current: View): Promise<Status[]> {
    const { model } = current;
    const plain = (row: { id: number; entityId: string; statusId: string; name: string; sort: number; isSystem: boolean }): Status => ({
      ID: String(row.id), ENTITY_ID: row.entityId, STATUS_ID: row.statusId, NAME: row.name, NAME_INIT: '', SORT: String(row.sort), SYSTEM: row.isSystem ? 'Y' : 'N',
      CATEGORY_ID: null, COLOR: null, SEMANTICS: null,
    });
    const types = (dealTypeField(current)?.settings.options ?? []).map((option, index) =>
      plain({ id: firstDealType + option.id, entityId: 'DEAL_TYPE', statusId: dealTypeCode(option.id), name: option.name, sort: (index + 1) * 10, isSystem: false }));
    return [
      ...model.itemTypes.flatMap((type) => model.pipelinesOf(type.id).flatMap((pipeline) => pipeline.stages.map((stage, index) => stageStatus(current, type, pipeline, stage, index)))),
      ...types, ...(await kept(current)).map(plain),
    ];
  }

  function directory(current: View, entityId: string): { type: ItemType; pipeline: Pipeline } | undefined {
    const { model } = current;
    for (const type of model.itemTypes) for (const pipeline of model.pipelinesOf(type.id)) if (directoryId(model, type, pipeline.id) === entityId) return { type, pipeline };
    return undefined;
  }

  async function one(current: View, statusId: number): Promise<Status> {
    const found = (await all(current)).find((status) => status.ID === String(statusId));
    if (!found) throw new RestError('', 'Status is not found.');
    return found;
  }

  function assertAdmin({ actor }: Call): void {
    if (!actor.isAdmin) throw new RestError('', 'Access denied.');
  }

  const value = (fields: Entries, name: string) => entities.named(fields, name);
  const name255 = (raw: unknown) => (toText(raw) ?? '').trim().slice(0, 255);

  async function changeDealTypes(call: Call, current: View, options: { id?: number; name: string }[]): Promise<void> {
    const field = dealTypeField(current);
    if (!field) throw new RestError('', 'Specified entity type is not supported.');
    await db.transaction((tx) => crm.changeField(tx, call.actor, field.id, { settings: { options } }));
  }

  async function add(call: Call, fields: Entries): Promise<number> {
    assertAdmin(call);
    const current = await entities.view();
    const [entityId, statusId, name] = [toText(value(fields, 'ENTITY_ID')) ?? '', (toText(value(fields, 'STATUS_ID')) ?? '').trim(), name255(value(fields, 'NAME'))];
    if (entityId === '' || statusId === '') throw new RestError('', `The field ${entityId === '' ? 'ENTITY_ID' : 'STATUS_ID'} is required.`);
    if (name === '') throw new RestError('', 'The field Title is required.');
    const sort = toInteger(value(fields, 'SORT'));
    const existing = await all(current);
    if (existing.some((status) => status.ENTITY_ID === entityId && status.STATUS_ID.toUpperCase().replace(/^.*:/, '') === statusId.toUpperCase().replace(/^.*:/, ''))) {
      throw new RestError('ERROR_CORE', 'The specified status ID already exists.');
    }
    const found = directory(current, entityId);
    if (found) {
      const code = statusId.replace(/^.*:/, '');
      if (!/^[A-Za-z0-9_]{1,50}$/.test(code)) throw new RestError('', 'The field STATUS_ID is invalid.');
      const semantics = semanticsOf(toText(value(fields, 'SEMANTICS')) ?? '') ?? 'process';
      if (semantics === 'success') throw new RestError('', 'Cannot create more stages after the final stage because the pipeline has its success stage.');
      const before = sort === undefined ? undefined : found.pipeline.stages.filter((stage, index) => stage.semantics === semantics && (index + 1) * 10 < sort).at(-1);
      const color = toText(value(fields, 'COLOR')) ?? '';
      return db.transaction((tx) => crm.createStage(tx, call.actor, found.pipeline.id, {
        name, code, semantics, ...(before ? { afterId: before.id } : {}), ...(/^#[0-9a-fA-F]{6}$/.test(color) ? { color } : {}),
      }));
    }
    if (entityId === 'DEAL_TYPE') {
      const options = dealTypeField(current)?.settings.options ?? [];
      await changeDealTypes(call, current, [...options, { name }]);
      return firstDealType + (dealTypeField(await entities.view())?.settings.options?.at(-1)?.id ?? 0);
    }
    if (!directories[entityId]) throw new RestError('', 'Specified entity type is not supported.');
    if (!/^[\w.:-]{1,50}$/.test(statusId)) throw new RestError('', 'The field STATUS_ID is invalid.');
    const [made] = await statuses.insert(db, [{ entityId, statusId, name, sort: Math.max(0, sort ?? 10), isSystem: false }]);
    if (made === undefined) throw new RestError('ERROR_CORE', 'The specified status ID already exists.');
    return made;
  }

  async function update(call: Call, statusId: number, fields: Entries): Promise<void> {
    assertAdmin(call);
    const current = await entities.view();
    const status = await one(current, statusId);
    const name = name255(value(fields, 'NAME')) || status.NAME;
    const sort = toInteger(value(fields, 'SORT'));
    const found = directory(current, status.ENTITY_ID);
    if (!found) {
      if (status.ENTITY_ID === 'DEAL_TYPE') {
        const options = (dealTypeField(current)?.settings.options ?? []).map((option) => (firstDealType + option.id === statusId ? { ...option, name } : option));
        await changeDealTypes(call, current, options);
      } else await statuses.update(db, statusId, { name, sort: Math.max(0, sort ?? Number(status.SORT)) });
      return;
    }
    const color = toText(value(fields, 'COLOR')) ?? '';
    await db.transaction(async (tx) => {
      await crm.changeStage(tx, call.actor, statusId, { name, ...(/^#[0-9a-fA-F]{6}$/.test(color) ? { color } : {}) });
      if (sort === undefined) return;
      // Among its own kind: process, success, failure keep their order.
      const places = found.pipeline.stages.map((stage, index) => ({ stage, place: stage.id === statusId ? sort - 0.5 : (index + 1) * 10 }));
      const kinds = { process: 0, success: 1, failure: 2 };
      const order = places.sort((a, b) => kinds[a.stage.semantics] - kinds[b.stage.semantics] || a.place - b.place).map(({ stage }) => stage.id);
      await crm.orderStages(tx, call.actor, found.pipeline.id, order);
    });
  }

  async function remove(call: Call, statusId: number, forced: boolean): Promise<void> {
    assertAdmin(call);
    const current = await entities.view();
    const status = await one(current, statusId);
    if (status.SYSTEM === 'Y' && !forced) throw new RestError('', 'CRM System Status can be deleted only if parameter FORCED is specified and equal to "Y".');
    if (directory(current, status.ENTITY_ID)) {
      await db.transaction((tx) => crm.deleteStage(tx, call.actor, statusId));
      return;
    }
    if (status.ENTITY_ID === 'DEAL_TYPE') {
      await changeDealTypes(call, current, (dealTypeField(current)?.settings.options ?? []).filter((option) => firstDealType + option.id !== statusId));
      return;
    }
    await statuses.remove(db, statusId);
  }

  const title = (current: View, entityId: string) => {
    const found = directory(current, entityId);
    if (found) return `${found.type.name}: ${found.pipeline.name}`;
    const key = `rest.directories.${entityId}`;
    return hasText(key) ? text(current.company.language, key) : entityId;
  };

  return [
    defineMethod({
      name: 'crm.status.list', scope, errors, about: 'Stages and codes of directories.', params: { filter: optionalMap(), order: optionalMap() },
      async run(_call, { filter, order }) {
        const rows = await all(await entities.view());
        const found = sortRows(filterRows(rows, filter, (name) => {
          throw new RestError('INVALID_ARG_VALUE', `Invalid filter: field '${name.slice(0, 100)}' is not allowed in filter`);
        }), order);
        return { result: found, total: found.length };
      },
    }),
    defineMethod({ name: 'crm.status.get', scope, errors, about: 'One status.', params: { id: id() }, run: async (_call, { id: statusId }) => ({ result: await one(await entities.view(), statusId) }) }),
    defineMethod({
      name: 'crm.status.add', scope, errors, about: 'Adds a stage or a code. Administrators.', params: { fields: map() },
      differs: 'A pipeline has one success stage; a code of DEAL_TYPE is given by the server.', run: async (call, { fields }) => ({ result: await add(call, fields) }),
    }),
    defineMethod({
      name: 'crm.status.update', scope, errors, about: 'Renames, colours or orders. Administrators.', params: { id: id(), fields: map() },
      run: async (call, { id: statusId, fields }) => {
        await update(call, statusId, fields);
        return { result: true };
      },
    }),
    defineMethod({
      name: 'crm.status.delete', scope, errors, about: 'Deletes a stage without records, or a code. Administrators.', params: { id: id(), params: anything, forced: anything },
      run: async (call, { id: statusId, params, forced }) => {
        const inner = Object(params);
        await remove(call, statusId, toFlag(forced) || toFlag(Object.hasOwn(inner, 'FORCED') ? inner.FORCED : undefined));
        return { result: true };
      },
    }),
    defineMethod({
      name: 'crm.status.fields', scope, errors, about: 'The fields of a status.', params: {},
      run: () => {
        const field = (type: string, isReadOnly = false, isRequired = false) => ({ type, isRequired, isReadOnly, isImmutable: false, isMultiple: false, isDynamic: false });
        return {
          result: {
            ID: field('integer', true), ENTITY_ID: field('string', false, true), STATUS_ID: field('string', false, true), SORT: field('integer'), NAME: field('string', false, true),
            NAME_INIT: field('string', true), SYSTEM: field('char', true), CATEGORY_ID: field('integer', true), COLOR: field('string'), SEMANTICS: field('char'), EXTRA: field('crm_status_extra', true),
          },
        };
      },
    }),
    defineMethod({
      name: 'crm.status.entity.items', scope, errors, about: 'The codes of one directory.', params: { entityId: textParam(() => new RestError('', 'The parameter entityId is not defined or invalid.')) },
      async run(_call, { entityId }) {
        const rows = (await all(await entities.view())).filter((status) => status.ENTITY_ID === entityId.toUpperCase());
        return { result: rows.map((status) => ({ NAME: status.NAME, SORT: Number(status.SORT), STATUS_ID: status.STATUS_ID })) };
      },
    }),
    defineMethod({
      name: 'crm.status.entity.types', scope, errors, about: 'The directories there are.', params: {},
      async run() {
        const current = await entities.view();
        const { model } = current;
        const stages = model.itemTypes.flatMap((type) => model.pipelinesOf(type.id).map((pipeline) => {
          const entityId = directoryId(model, type, pipeline.id);
          const of = (semantics: Stage['semantics']) => statusIdOf(model, pipeline.stages.find((stage) => stage.semantics === semantics)?.id ?? 0);
          const category = categoryId(model, type, pipeline.id);
          return {
            ID: entityId, NAME: title(current, entityId), ENTITY_TYPE_ID: entityTypeId(type), CATEGORY_ID: category,
            SEMANTIC_INFO: { START_FIELD: statusIdOf(model, pipeline.stages[0]?.id ?? 0), FINAL_SUCCESS_FIELD: of('success'), FINAL_UNSUCCESS_FIELD: of('failure'), FINAL_SORT: 0 },
          };
        }));
        return { result: [...stages, ...['DEAL_TYPE', ...Object.keys(directories)].map((entityId) => ({ ID: entityId, NAME: title(current, entityId), SEMANTIC_INFO: [] }))] };
      },
    }),
  ];
}
