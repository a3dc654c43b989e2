/**
 * The shape of the company's CRM: item types, pipelines, stages, fields. An immutable snapshot,
 * loaded whole (hundreds of rows), cached per process by the 'crm' row of config_versions.
 * Deleted things can still be reached by id, because history names them; lists leave them out.
 */
import { type Queryable, sql } from '../db/db.ts';

export interface ItemType {
  id: number;
  code: string;
  name: string;
  isSystem: boolean;
  hasClient: boolean;
  hasAmount: boolean;
  position: number;
  deletedAt: Date | null;
}

export interface Stage {
  id: number;
  pipelineId: number;
  code: string;
  name: string;
  color: string;
  position: number;
  semantics: 'process' | 'success' | 'failure';
  deletedAt: Date | null;
}

export interface Pipeline {
  id: number;
  itemTypeId: number;
  name: string;
  position: number;
  isDefault: boolean;
  deletedAt: Date | null;
  /** Living stages in order. */
  stages: readonly Stage[];
}

export const fieldTypes = [
  'string', 'text', 'number', 'money', 'boolean', 'date', 'datetime', 'list', 'employee', 'file',
  'url', 'address', 'phone', 'email', 'item', 'contact', 'company',
] as const;
export type FieldType = (typeof fieldTypes)[number];

export interface FieldSettings {
  options?: { id: number; name: string; color?: string }[];
  decimals?: number;
  default?: unknown;
  /** For an item link: which type. */
  itemTypeId?: number;
}

/** An own field, created at run time. System fields are in `systemFields`. */
export interface Field {
  id: number;
  entity: 'item' | 'contact' | 'company';
  itemTypeId: number | null;
  code: string;
  name: string;
  type: FieldType;
  isMultiple: boolean;
  isRequired: boolean;
  requiredStageIds: number[];
  isIndexed: boolean;
  settings: FieldSettings;
  position: number;
  deletedAt: Date | null;
}

export interface CrmModel {
  readonly version: number;
  readonly itemTypes: readonly ItemType[];
  readonly pipelines: readonly Pipeline[];
  itemType(id: number): ItemType | undefined;
  itemTypeByCode(code: string): ItemType | undefined;
  pipeline(id: number): Pipeline | undefined;
  pipelinesOf(itemTypeId: number): readonly Pipeline[];
  stage(id: number): Stage | undefined;
  /** Living own fields of an item type, in order. */
  fieldsOf(itemTypeId: number): readonly Field[];
  /** A living own field by code (any letter case). */
  field(itemTypeId: number, code: string): Field | undefined;
  clientFields(entity: 'contact' | 'company'): readonly Field[];
  clientField(entity: 'contact' | 'company', code: string): Field | undefined;
}

interface Rows {
  itemTypes: ItemType[];
  pipelines: Omit<Pipeline, 'stages'>[];
  stages: Stage[];
  fields: Field[];
}

function buildModel(version: number, rows: Rows): CrmModel {
  const typesById = new Map(rows.itemTypes.map((type) => [type.id, type]));
  const typesByCode = new Map(rows.itemTypes.filter((type) => !type.deletedAt).map((type) => [type.code, type]));
  const stagesById = new Map(rows.stages.map((stage) => [stage.id, stage]));
  const stagesByPipeline = Map.groupBy(rows.stages.filter((stage) => !stage.deletedAt), (stage) => stage.pipelineId);
  const pipelines: Pipeline[] = rows.pipelines.map((pipeline) => ({ ...pipeline, stages: stagesByPipeline.get(pipeline.id) ?? [] }));
  const pipelinesById = new Map(pipelines.map((pipeline) => [pipeline.id, pipeline]));
  const living = pipelines.filter((pipeline) => !pipeline.deletedAt);
  const pipelinesByType = Map.groupBy(living, (pipeline) => pipeline.itemTypeId);
  const fieldKey = (field: Field) => (field.entity === 'item' ? String(field.itemTypeId) : field.entity);
  const livingFields = rows.fields.filter((field) => !field.deletedAt);
  const fieldsByEntity = Map.groupBy(livingFields, fieldKey);
  const fieldsByCode = new Map(livingFields.map((field) => [`${fieldKey(field)}/${field.code.toLowerCase()}`, field]));
  return {
    version,
    itemTypes: rows.itemTypes.filter((type) => !type.deletedAt),
    pipelines: living,
    itemType: (id) => typesById.get(id),
    itemTypeByCode: (code) => typesByCode.get(code),
    pipeline: (id) => pipelinesById.get(id),
    pipelinesOf: (itemTypeId) => pipelinesByType.get(itemTypeId) ?? [],
    stage: (id) => stagesById.get(id),
    fieldsOf: (itemTypeId) => fieldsByEntity.get(String(itemTypeId)) ?? [],
    field: (itemTypeId, code) => fieldsByCode.get(`${itemTypeId}/${code.toLowerCase()}`),
    clientFields: (entity) => fieldsByEntity.get(entity) ?? [],
    clientField: (entity, code) => fieldsByCode.get(`${entity}/${code.toLowerCase()}`),
  };
}

/** A function that answers with the newest model; `version` spares the version query when the caller has it. */
export function createModelCache(): (q: Queryable, version?: number) => Promise<CrmModel> {
  let cached: CrmModel | undefined;
  return async (q, version) => {
    const newest =
      version ?? (await q.first<{ version: number }>(sql`select version from config_versions where name = 'crm'`))?.version ?? 0;
    if (cached?.version === newest) return cached;
    const [itemTypes, pipelines, stages, fields] = await Promise.all([
      q.rows<ItemType>(sql`select id, code, name, is_system, has_client, has_amount, position, deleted_at from item_types order by position, id`),
      q.rows<Omit<Pipeline, 'stages'>>(sql`select id, item_type_id, name, position, is_default, deleted_at from pipelines order by position, id`),
      q.rows<Stage>(sql`select id, pipeline_id, code, name, color, position, semantics, deleted_at from stages order by position, id`),
      q.rows<Field>(sql`
        select id, entity, item_type_id, code, name, type, is_multiple, is_required, required_stage_ids, is_indexed, settings, position, deleted_at
        from fields order by position, id`),
    ]);
    const model = buildModel(newest, { itemTypes, pipelines, stages, fields });
    cached = model;
    return model;
  };
}
