/**
 * Types, pipelines and stages under the names Bitrix24 gives them. Pure.
 *
 * The oldest pipeline of deals is category 0 and its stages are bare codes (`NEW`); those of other pipelines carry theirs
 * (`C3:NEW`), those of invoices and own types also the type (`DT31_5:NEW`, `DT132_7:NEW`). Which one is the default does
 * not matter, so that no id changes its meaning.
 */
import type { CrmModel, ItemType, Pipeline, Stage } from '../crm/crm.ts';

const systemIds: Readonly<Record<string, number>> = { lead: 1, deal: 2, invoice: 31 };
export const contactTypeId = 3;
export const companyTypeId = 4;
/** Own types begin where those of Bitrix24 do. */
const firstOwnId = 128;

export function entityTypeId(type: Pick<ItemType, 'id' | 'code'>): number {
  return systemIds[type.code] ?? firstOwnId + type.id;
}

export function itemTypeOf(model: CrmModel, id: number): ItemType | undefined {
  return model.itemTypes.find((type) => entityTypeId(type) === id);
}

/** `D_5`, `T84_5`: letters before ids of bound things. */
export function typeAbbreviation(typeId: number): string {
  return { 1: 'L', 2: 'D', 3: 'C', 4: 'CO', 31: 'SI' }[typeId] ?? `T${typeId.toString(16)}`;
}

/** Spelled as in `crm.timeline.comment`: lead, deal, contact, dynamic_132 … */
export function typeName(type: Pick<ItemType, 'id' | 'code'>): string {
  if (type.code === 'invoice') return 'smart_invoice';
  return systemIds[type.code] === undefined ? `dynamic_${entityTypeId(type)}` : type.code;
}

function oldest(model: CrmModel, type: Pick<ItemType, 'id'>): Pipeline | undefined {
  return model.pipelinesOf(type.id).reduce<Pipeline | undefined>((first, pipeline) => (!first || pipeline.id < first.id ? pipeline : first), undefined);
}

/** Leads and deals have a category 0. */
const hasZero = (type: Pick<ItemType, 'code'>): boolean => type.code === 'lead' || type.code === 'deal';

export function categoryId(model: CrmModel, type: ItemType, pipelineId: number): number {
  return hasZero(type) && oldest(model, type)?.id === pipelineId ? 0 : pipelineId;
}

export function pipelineOf(model: CrmModel, type: ItemType, category: number): Pipeline | undefined {
  if (category === 0 && hasZero(type)) return oldest(model, type);
  return model.pipelinesOf(type.id).find((pipeline) => pipeline.id === category && categoryId(model, type, pipeline.id) === category);
}

function prefixOf(model: CrmModel, type: ItemType, pipelineId: number): string {
  const category = categoryId(model, type, pipelineId);
  if (hasZero(type)) return category === 0 ? '' : `C${category}:`;
  return `DT${entityTypeId(type)}_${category}:`;
}

const statusIds = new WeakMap<CrmModel, Map<number, string>>();

/** `NEW`, `C3:NEW`, `DT132_7:NEW`; '' when there is no such stage. */
export function statusIdOf(model: CrmModel, stageId: number): string {
  let known = statusIds.get(model);
  if (!known) statusIds.set(model, (known = new Map()));
  let statusId = known.get(stageId);
  if (statusId === undefined) {
    const stage = model.stage(stageId);
    const type = stage && model.itemType(model.pipeline(stage.pipelineId)?.itemTypeId ?? 0);
    statusId = stage && type ? prefixOf(model, type, stage.pipelineId) + stage.code : '';
    known.set(stageId, statusId);
  }
  return statusId;
}

/** The living stage of this name; a bare code is looked for in the pipeline that is given, else in category 0. */
export function stageOf(model: CrmModel, type: ItemType, statusId: string, pipeline?: Pipeline): Stage | undefined {
  const wanted = statusId.toUpperCase();
  const all = model.pipelinesOf(type.id).flatMap((one) => one.stages);
  const inside = pipeline?.stages.find((stage) => stage.code.toUpperCase() === wanted);
  return inside ?? all.find((stage) => statusIdOf(model, stage.id).toUpperCase() === wanted);
}

/** `DEAL_STAGE`, `DEAL_STAGE_3`, `STATUS`, `SMART_INVOICE_STAGE_5`, `DYNAMIC_132_STAGE_7`. */
export function directoryId(model: CrmModel, type: ItemType, pipelineId: number): string {
  const category = categoryId(model, type, pipelineId);
  const suffix = category === 0 ? '' : `_${category}`;
  if (type.code === 'lead') return `STATUS${suffix}`;
  if (type.code === 'deal') return `DEAL_STAGE${suffix}`;
  return type.code === 'invoice' ? `SMART_INVOICE_STAGE${suffix}` : `DYNAMIC_${entityTypeId(type)}_STAGE${suffix}`;
}

export const semanticId = (semantics: Stage['semantics']): 'P' | 'S' | 'F' => ({ process: 'P', success: 'S', failure: 'F' } as const)[semantics];
export const semanticsOf = (id: unknown): Stage['semantics'] | undefined => (id === 'P' || id === '' ? 'process' : id === 'S' ? 'success' : id === 'F' ? 'failure' : undefined);
