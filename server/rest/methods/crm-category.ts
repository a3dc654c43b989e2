/** Funnels: crm.category.* for every type, crm.dealcategory.* for deals alone, and what moved through them. */
import type { ItemType, Pipeline } from '../../crm/crm.ts';
import { printMoment, readMoment } from '../dates.ts';
import type { Entities, View } from '../entities.ts';
import { argumentMissing, crmErrors, itemErrors, RestError, type Translate } from '../errors.ts';
import { type Call, cut, defineMethod, type Method, page } from '../method.ts';
import { id, integer, map, optionalInteger, optionalMap, pageSize, select, start, toFlag, toInteger, toText } from '../parameter.ts';
import type { FamilyDeps } from '../rest.ts';
import { categoryId, entityTypeId, itemTypeOf, pipelineOf, semanticId, statusIdOf, stageOf } from '../stages.ts';
import { entriesOf } from '../encoding.ts';
import { typeOf } from './crm-entity.ts';

const categoryErrors: Translate = (error, message) => {
  if (error.code === 'pipeline.has_items') return new RestError('BX_ERROR', 'Elements related to the funnel found');
  if (error.code === 'pipeline.is_default') return new RestError('BX_ERROR', 'This funnel is the default funnel');
  return error.code === 'request.not_found' ? new RestError('NOT_FOUND', 'Element not found') : itemErrors(error, message);
};

export function categoryMethods({ db, crm }: FamilyDeps, entities: Entities): Method[] {
  const scope = 'crm';
  const errors = categoryErrors;
  const fieldsParam = map(argumentMissing);

  function typeBy(current: View, typeId: number): ItemType {
    const type = itemTypeOf(current.model, typeId);
    if (!type) throw new RestError('NOT_FOUND', 'SPA not found');
    return type;
  }
  function pipelineBy(current: View, type: ItemType, category: number): Pipeline {
    const pipeline = pipelineOf(current.model, type, category);
    if (!pipeline) throw new RestError('NOT_FOUND', 'Element not found');
    return pipeline;
  }
  const asCategory = ({ model }: View, type: ItemType, pipeline: Pipeline) => ({
    id: categoryId(model, type, pipeline.id), name: pipeline.name, sort: pipeline.position, entityTypeId: entityTypeId(type), isDefault: pipeline.isDefault ? 'Y' : 'N', originId: '', originatorId: '',
  });
  const asDealCategory = ({ model }: View, type: ItemType, pipeline: Pipeline) => ({
    ID: String(categoryId(model, type, pipeline.id)), NAME: pipeline.name, SORT: String(pipeline.position), IS_LOCKED: 'N', CREATED_DATE: null, ORIGIN_ID: null, ORIGINATOR_ID: null,
  });

  async function add(call: Call, typeId: number, name: string): Promise<Pipeline> {
    const type = typeBy(await entities.view(), typeId);
    if (!call.actor.isAdmin) throw new RestError('ACCESS_DENIED', 'Access denied');
    if (name === '') throw new RestError('0', "Field 'NAME' is required");
    const made = await db.transaction((tx) => crm.createPipeline(tx, call.actor, { itemTypeId: type.id, name }));
    const pipeline = (await entities.view()).model.pipeline(made);
    if (!pipeline) throw new Error('The pipeline was not written.');
    return pipeline;
  }
  async function change(call: Call, pipeline: Pipeline, fields: readonly (readonly [string, unknown])[]): Promise<void> {
    const given = (...names: string[]) => entities.named(fields, ...names);
    const [name, sort, isDefault] = [toText(given('NAME', 'name'))?.trim().slice(0, 255), toInteger(given('SORT', 'sort')), given('IS_DEFAULT', 'isDefault')];
    await db.transaction((tx) => crm.changePipeline(tx, call.actor, pipeline.id, {
      ...(name ? { name } : {}), ...(sort === undefined ? {} : { position: Math.min(Math.max(0, sort), 10_000) }), ...(toFlag(isDefault) ? { isDefault: true } : {}),
    }));
  }
  const nameOf = (fields: readonly (readonly [string, unknown])[]) => (toText(entities.named(fields, 'NAME', 'name')) ?? '').trim().slice(0, 255);
  const deals = async () => {
    const current = await entities.view();
    return { current, type: typeOf(current.model, 'deal') };
  };

  const category = [
    defineMethod({
      name: 'crm.category.list', scope, errors, about: 'The funnels of a type.', params: { entityTypeId: integer() },
      async run(_call, { entityTypeId: typeId }) {
        const current = await entities.view();
        const type = typeBy(current, typeId);
        const categories = current.model.pipelinesOf(type.id).map((pipeline) => asCategory(current, type, pipeline));
        return { result: { categories }, total: categories.length };
      },
    }),
    defineMethod({
      name: 'crm.category.get', scope, errors, about: 'One funnel.', params: { entityTypeId: integer(), id: integer() },
      async run(_call, { entityTypeId: typeId, id: categoryNumber }) {
        const current = await entities.view();
        const type = typeBy(current, typeId);
        return { result: { category: asCategory(current, type, pipelineBy(current, type, categoryNumber)) } };
      },
    }),
    defineMethod({
      name: 'crm.category.add', scope, errors, about: 'Adds a funnel with the usual stages. Administrators.', params: { entityTypeId: integer(), fields: fieldsParam },
      async run(call, { entityTypeId: typeId, fields }) {
        const made = await add(call, typeId, nameOf(fields));
        await change(call, made, fields);
        const current = await entities.view();
        const type = typeBy(current, typeId);
        return { result: { category: asCategory(current, type, current.model.pipeline(made.id) ?? made) } };
      },
    }),
    defineMethod({
      name: 'crm.category.update', scope, errors, about: 'Renames, orders, makes the default. Administrators.', params: { entityTypeId: integer(), id: integer(), fields: fieldsParam },
      async run(call, { entityTypeId: typeId, id: categoryNumber, fields }) {
        const before = await entities.view();
        const pipeline = pipelineBy(before, typeBy(before, typeId), categoryNumber);
        await change(call, pipeline, fields);
        const current = await entities.view();
        return { result: { category: asCategory(current, typeBy(current, typeId), current.model.pipeline(pipeline.id) ?? pipeline) } };
      },
    }),
    defineMethod({
      name: 'crm.category.delete', scope, errors, about: 'Deletes a funnel without records. Administrators.', params: { entityTypeId: integer(), id: integer() },
      async run(call, { entityTypeId: typeId, id: categoryNumber }) {
        const current = await entities.view();
        const pipeline = pipelineBy(current, typeBy(current, typeId), categoryNumber);
        await db.transaction((tx) => crm.deletePipeline(tx, call.actor, pipeline.id));
        return { result: null };
      },
    }),
    defineMethod({
      name: 'crm.category.fields', scope, errors, about: 'The fields of a funnel.', params: { entityTypeId: integer() },
      run: () => {
        const field = (type: string, title: string, isReadOnly = false, isRequired = false) => ({ type, isRequired, isReadOnly, isImmutable: false, isMultiple: false, isDynamic: false, title });
        return { result: { fields: { id: field('integer', 'ID', true), name: field('string', 'Name', false, true), sort: field('integer', 'Sort'), entityTypeId: field('integer', 'Type', true), isDefault: field('boolean', 'Default') } } };
      },
    }),
  ];

  const dealCategory = [
    defineMethod({
      name: 'crm.dealcategory.list', scope, errors: crmErrors, about: 'The funnels of deals but number 0.', params: { order: optionalMap(), filter: optionalMap(), select, start },
      differs: 'Neither filter nor order: there are few.',
      async run(_call, { start: from }) {
        const { current, type } = await deals();
        return cut(current.model.pipelinesOf(type.id).map((pipeline) => asDealCategory(current, type, pipeline)).filter((one) => one.ID !== '0'), from);
      },
    }),
    defineMethod({
      name: 'crm.dealcategory.get', scope, errors: crmErrors, about: 'One funnel of deals.', params: { id: integer(() => new RestError('', 'ID is not defined or invalid')) },
      async run(_call, { id: categoryNumber }) {
        const { current, type } = await deals();
        const pipeline = pipelineOf(current.model, type, categoryNumber);
        if (!pipeline) throw new RestError('', 'Not found');
        return { result: asDealCategory(current, type, pipeline) };
      },
    }),
    defineMethod({
      name: 'crm.dealcategory.default.get', scope, errors: crmErrors, about: 'Funnel number 0.', params: {},
      async run() {
        const { current, type } = await deals();
        return { result: { ID: '0', NAME: pipelineOf(current.model, type, 0)?.name ?? '' } };
      },
    }),
    defineMethod({
      name: 'crm.dealcategory.default.set', scope, errors: crmErrors, about: 'Renames funnel number 0. Administrators.', params: { name: anythingName() },
      async run(call, { name }) {
        const { current, type } = await deals();
        const pipeline = pipelineOf(current.model, type, 0);
        if (pipeline) await change(call, pipeline, [['NAME', name]]);
        return { result: true };
      },
    }),
    defineMethod({
      name: 'crm.dealcategory.add', scope, errors: crmErrors, about: 'Adds a funnel of deals. Administrators.', params: { fields: map() },
      async run(call, { fields }) {
        if (nameOf(fields) === '') throw new RestError('', 'The field NAME is required.');
        return { result: (await add(call, 2, nameOf(fields))).id };
      },
    }),
    defineMethod({
      name: 'crm.dealcategory.update', scope, errors: crmErrors, about: 'Changes a funnel of deals. Administrators.', params: { id: id(), fields: map() },
      async run(call, { id: categoryNumber, fields }) {
        const { current, type } = await deals();
        const pipeline = pipelineOf(current.model, type, categoryNumber);
        if (!pipeline) throw new RestError('', 'Not found');
        await change(call, pipeline, fields);
        return { result: true };
      },
    }),
    defineMethod({
      name: 'crm.dealcategory.delete', scope, errors: crmErrors, about: 'Deletes a funnel of deals without records. Administrators.', params: { id: id() },
      async run(call, { id: categoryNumber }) {
        const { current, type } = await deals();
        const pipeline = pipelineOf(current.model, type, categoryNumber);
        if (!pipeline) throw new RestError('', 'Not found');
        await db.transaction((tx) => crm.deletePipeline(tx, call.actor, pipeline.id));
        return { result: true };
      },
    }),
    defineMethod({
      name: 'crm.dealcategory.stage.list', scope, errors: crmErrors, about: 'The stages of a funnel of deals.', params: { id: optionalInteger },
      async run(_call, { id: categoryNumber = 0 }) {
        const { current, type } = await deals();
        const pipeline = pipelineOf(current.model, type, categoryNumber);
        if (!pipeline) throw new RestError('', 'Not found');
        return { result: pipeline.stages.map((stage, index) => ({ NAME: stage.name, SORT: (index + 1) * 10, STATUS_ID: statusIdOf(current.model, stage.id) })) };
      },
    }),
    defineMethod({
      name: 'crm.dealcategory.status', scope, errors: crmErrors, about: 'The directory of stages of a funnel of deals.', params: { id: optionalInteger },
      run: (_call, { id: categoryNumber = 0 }) => ({ result: categoryNumber === 0 ? 'DEAL_STAGE' : `DEAL_STAGE_${categoryNumber}` }),
    }),
  ];

  const stageHistory = defineMethod({
    name: 'crm.stagehistory.list', scope, errors: itemErrors, about: 'Who moved what through which stages: the history of a type.',
    params: { entityTypeId: integer(), filter: optionalMap(), order: optionalMap(), select, start },
    differs: 'Filters: ID, OWNER_ID, STAGE_ID, CATEGORY_ID, CREATED_TIME. Order by ID. Without a total of millions when start is -1.',
    async run(call, { entityTypeId: typeId, filter, order, select: wanted, start: from }) {
      const current = await entities.view();
      const type = itemTypeOf(current.model, typeId);
      if (!type) throw new RestError('ENTITY_TYPE_NOT_SUPPORTED', `Entity type ${typeId} is not supported`);
      const where = historyFilter(current, type, filter);
      const direction = order.some(([, raw]) => (toText(raw) ?? '').toLowerCase() === 'desc') ? ('desc' as const) : ('asc' as const);
      const { rows, total } = await crm.scanArrivals(db, call.actor, { ...where, itemTypeId: type.id, direction, offset: Math.max(0, from), limit: pageSize, isCounted: from >= 0 });
      const stageField = type.code === 'lead' ? 'STATUS_ID' : 'STAGE_ID';
      const semanticField = type.code === 'lead' ? 'STATUS_SEMANTIC_ID' : 'STAGE_SEMANTIC_ID';
      const items = rows.map((row) => {
        const semantics = current.model.stage(row.stageId)?.semantics ?? 'process';
        const isOtherFunnel = row.fromStageId !== null && current.model.stage(row.fromStageId)?.pipelineId !== row.pipelineId;
        const all = {
          ID: row.id, TYPE_ID: row.fromStageId === null ? 1 : isOtherFunnel ? 5 : semantics === 'process' ? 2 : 3, OWNER_ID: row.itemId, CREATED_TIME: printMoment(row.createdAt, current.company.timeZone),
          CATEGORY_ID: categoryId(current.model, type, row.pipelineId), [semanticField]: semanticId(semantics), [stageField]: statusIdOf(current.model, row.stageId),
        };
        return wanted.length === 0 || wanted.includes('*') ? all : Object.fromEntries(Object.entries(all).filter(([name]) => name === 'ID' || wanted.includes(name)));
      });
      return page({ items }, items.length, from, total);
    },
  });

  function historyFilter(current: View, type: ItemType, filter: readonly (readonly [string, unknown])[]) {
    const where: { itemIds?: number[]; stageIds?: number[]; pipelineIds?: number[]; afterId?: number; beforeId?: number; ids?: number[]; from?: Date; to?: Date } = {};
    for (const [key, raw] of filter) {
      const [, operator = '', name = ''] = /^([=@]|[<>]=?)?([A-Z_]{1,40})$/i.exec(key) ?? [];
      const values = (entriesOf(raw)?.map(([, one]) => one) ?? [raw]);
      const numbers = values.flatMap((value) => toInteger(value) ?? []);
      const invalid = () => new RestError('INVALID_ARG_VALUE', `Invalid filter: field '${key.slice(0, 100)}' is not allowed in filter`);
      const isEqual = operator === '' || operator === '=' || operator === '@';
      switch (name.toUpperCase()) {
        case 'ID': {
          const [number = 0] = numbers;
          if (isEqual) where.ids = numbers;
          else if (operator.startsWith('>')) where.afterId = operator === '>' ? number : number - 1;
          else where.beforeId = operator === '<' ? number : number + 1;
          break;
        }
        case 'OWNER_ID':
          if (!isEqual) throw invalid();
          where.itemIds = numbers;
          break;
        case 'CATEGORY_ID':
          if (!isEqual) throw invalid();
          where.pipelineIds = numbers.flatMap((number) => pipelineOf(current.model, type, number)?.id ?? []);
          break;
        case 'STAGE_ID': case 'STATUS_ID':
          if (!isEqual) throw invalid();
          where.stageIds = values.flatMap((value) => stageOf(current.model, type, toText(value) ?? '')?.id ?? []);
          break;
        case 'CREATED_TIME': {
          const moment = readMoment(values[0], current.company.timeZone);
          if (!moment || isEqual) throw new RestError('INVALID_ARG_VALUE', `Invalid filter: field '${key}' has invalid value`);
          if (operator.startsWith('>')) where.from = operator === '>' ? new Date(moment.getTime() + 1) : moment;
          else where.to = operator === '<' ? moment : new Date(moment.getTime() + 1);
          break;
        }
        default: throw invalid();
      }
    }
    return where;
  }

  return [...category, ...dealCategory, stageHistory];
}

function anythingName() {
  return { kind: 'string', isRequired: true, read: (raw: unknown) => (toText(raw) ?? '').trim().slice(0, 255) };
}
