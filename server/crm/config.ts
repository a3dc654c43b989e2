/**
 * Configuration of the CRM: item types, pipelines, stages, own fields.
 *
 * A pipeline always reads: at least one stage of the process, then exactly one of success, then at
 * least one of failure. Lead, deal and invoice are of the system and stay. What is deleted keeps its
 * row, because history names it, and a deleted field keeps its data, hidden.
 *
 * Every write takes the 'crm' row of config_versions first, so writers go one after another and see
 * each other's work; it raises the version last, so that no cache holds what was not committed.
 */
import { bumpConfig, constraintOf, type Db, json, raw, sql, type Tx } from '../db/db.ts';
import type { Hint, Live } from '../live/live.ts';
import type { Actor, People } from '../people/people.ts';
import { UserError } from '../../shared/errors.ts';
import { type Language, text } from '../../shared/messages.ts';
import { isIndexable, valueExpression } from './list.ts';
import type { ChangeOutcome, Items } from './items.ts';
import { createModelCache, type CrmModel, type Field, type FieldSettings, type FieldType, type ItemType, type Pipeline, type Stage } from './model.ts';
import { isEmpty, normaliseValue } from './values.ts';

export interface NewItemType {
  name: string;
  code?: string;
  hasClient?: boolean;
  hasAmount?: boolean;
}

export interface NewStage {
  name: string;
  color?: string;
  semantics?: 'process' | 'failure';
  code?: string;
  /** Stands right after this stage; null: first; absent: last of its kind. */
  afterId?: number | null;
}

interface FieldSettingsInput extends Omit<FieldSettings, 'options'> {
  /** An option without an id is new. */
  options?: { id?: number; name: string; color?: string }[];
}

export interface NewField {
  entity?: 'item' | 'contact' | 'company';
  itemTypeId?: number;
  code?: string;
  name: string;
  type: FieldType;
  isMultiple?: boolean;
  isRequired?: boolean;
  requiredStageIds?: readonly number[];
  isIndexed?: boolean;
  settings?: FieldSettingsInput;
}

export interface FieldChange {
  name?: string;
  type?: FieldType;
  isRequired?: boolean;
  requiredStageIds?: readonly number[];
  isIndexed?: boolean;
  settings?: FieldSettingsInput;
  position?: number;
}

interface StageDefault {
  code: string;
  color: string;
  semantics: Stage['semantics'];
}

const underWay = (code: string, color: string): StageDefault => ({ code, color, semantics: 'process' });
const success = (code: string): StageDefault => ({ code, color: '#7BD500', semantics: 'success' });
const failure = (code: string): StageDefault => ({ code, color: '#FF5752', semantics: 'failure' });

/** The stages a new pipeline starts with; their names are `crm.stages.<type>.<code>` in the locales. */
const stageDefaults: Record<'lead' | 'deal' | 'invoice' | 'own', readonly StageDefault[]> = {
  lead: [underWay('NEW', '#39A8EF'), underWay('IN_PROCESS', '#2FC6F6'), underWay('PROCESSED', '#55D0E0'), success('CONVERTED'), failure('JUNK')],
  deal: [
    underWay('NEW', '#39A8EF'), underWay('PREPARATION', '#2FC6F6'), underWay('PREPAYMENT_INVOICE', '#55D0E0'), underWay('EXECUTING', '#47E4C2'),
    underWay('FINAL_INVOICE', '#FFA900'), success('WON'), failure('LOSE'), failure('APOLOGY'),
  ],
  invoice: [underWay('NEW', '#39A8EF'), underWay('SENT', '#2FC6F6'), success('PAID'), failure('UNPAID')],
  own: [underWay('NEW', '#39A8EF'), underWay('PREPARATION', '#2FC6F6'), underWay('CLIENT', '#55D0E0'), success('SUCCESS'), failure('FAIL')],
};

const systemTypes = [
  { code: 'lead', hasClient: true, hasAmount: true },
  { code: 'deal', hasClient: true, hasAmount: true },
  { code: 'invoice', hasClient: true, hasAmount: true },
] as const;

/** Names an own field may not take: they mean something else in filters, templates and the API. */
const reservedCodes = new Set(
  ['id', 'title', 'stageId', 'amount', 'currency', 'ownerId', 'observerIds', 'contactId', 'companyId', 'beginsOn', 'closesOn', 'parentId',
    'itemTypeId', 'pipelineId', 'creatorId', 'version', 'values', 'createdAt', 'updatedAt', 'updatedBy', 'movedAt', 'movedBy', 'firstName',
    'lastName', 'secondName', 'position', 'phones', 'emails', 'address', 'search', 'stage', 'semantics'].map((code) => code.toLowerCase()),
);

/** The installation itself. */
const system: Actor = { employeeId: 0, isAdmin: true, language: 'en', timeZone: 'UTC', via: 'system' };

const managerScopes = { view: 'all', add: 'all', change: 'department', move: 'department', delete: 'own', robots: 'none' } as const;
const headScopes = { view: 'all', add: 'all', change: 'department', move: 'department', delete: 'department', robots: 'all' } as const;

function rightsOn(itemTypeId: number, scopes: typeof managerScopes | typeof headScopes) {
  return accessActions.map((action) => ({ itemTypeId, pipelineId: null, action, scope: scopes[action] }));
}
const accessActions = ['view', 'add', 'change', 'move', 'delete', 'robots'] as const;

const kindOrder = { process: 0, success: 1, failure: 2 } as const;

interface ConfigDeps {
  db: Db;
  live: Live;
  people: People;
  items: Items;
  now: () => Date;
}

export function createConfig({ db, live, people, items, now }: ConfigDeps) {
  let indexWork: Promise<void> = Promise.resolve();

  /** The model of now, with every other writer of configuration held off until this transaction ends. */
  async function lockModel(tx: Tx, actor: Actor | null): Promise<CrmModel> {
    if (actor && !actor.isAdmin) throw new UserError('access.admin_only');
    const row = await tx.first<{ version: number }>(sql`select version from config_versions where name = 'crm' for update`);
    // Read past the cache: it must not keep what an earlier write of this transaction has not committed.
    return createModelCache()(tx, row?.version ?? 0);
  }

  async function changed(tx: Tx, hints: readonly Hint[]): Promise<void> {
    await bumpConfig(tx, 'crm');
    await live.publish(tx, [{ topic: 'company', what: 'crm' }, ...hints]);
  }

  const stagesHint = (pipelineId: number): Hint => ({ topic: `pipeline:${pipelineId}`, what: 'stages' });

  function livingType(model: CrmModel, id: number): ItemType {
    const type = model.itemType(id);
    if (!type || type.deletedAt) throw new UserError('request.not_found', { kind: 'itemType', id });
    return type;
  }
  function livingPipeline(model: CrmModel, id: number): Pipeline {
    const pipeline = model.pipeline(id);
    if (!pipeline || pipeline.deletedAt) throw new UserError('request.not_found', { kind: 'pipeline', id });
    return pipeline;
  }
  function livingStage(model: CrmModel, id: number): Stage {
    const stage = model.stage(id);
    if (!stage || stage.deletedAt || model.pipeline(stage.pipelineId)?.deletedAt) throw new UserError('request.not_found', { kind: 'stage', id });
    return stage;
  }
  async function livingField(tx: Tx, id: number): Promise<Field> {
    const field = await tx.first<Field>(sql`
      select id, entity, item_type_id, code, name, type, is_multiple, is_required, required_stage_ids, is_indexed, settings, position, deleted_at
      from fields where id = ${id} and deleted_at is null`);
    if (!field) throw new UserError('request.not_found', { kind: 'field', id });
    return field;
  }

  async function insertPipeline(tx: Tx, type: Pick<ItemType, 'id' | 'code'>, name: string, isDefault: boolean, language: Language): Promise<number> {
    const row = await tx.first<{ id: number }>(sql`
      insert into pipelines (item_type_id, name, is_default, position)
      values (${type.id}, ${name}, ${isDefault}, coalesce((select max(position) + 1 from pipelines where item_type_id = ${type.id}), 0)) returning id`);
    const id = row?.id ?? 0;
    const kind = type.code === 'lead' || type.code === 'deal' || type.code === 'invoice' ? type.code : 'own';
    const stages = stageDefaults[kind];
    await tx.run(sql`
      insert into stages (pipeline_id, code, name, color, semantics, position)
      select ${id}, code, name, color, semantics, place
      from unnest(${stages.map((s) => s.code)}::text[], ${stages.map((s) => text(language, `crm.stages.${kind}.${s.code}`))}::text[],
        ${stages.map((s) => s.color)}::text[], ${stages.map((s) => s.semantics)}::text[]) with ordinality as s(code, name, color, semantics, place)`);
    return id;
  }

  async function writeOrder(tx: Tx, stageIds: readonly number[]): Promise<void> {
    await tx.run(sql`
      update stages s set position = o.place from unnest(${stageIds}::bigint[]) with ordinality as o(id, place) where s.id = o.id`);
  }

  function assertOrder(pipeline: Pipeline, stages: readonly Pick<Stage, 'name' | 'semantics'>[]): void {
    const count = (kind: Stage['semantics']) => stages.filter((stage) => stage.semantics === kind).length;
    if (count('process') === 0) throw new UserError('stage.last_of_kind', { pipeline: pipeline.name, kind: 'process' });
    if (count('failure') === 0) throw new UserError('stage.last_of_kind', { pipeline: pipeline.name, kind: 'failure' });
    if (count('success') !== 1) throw new UserError('stage.success_is_one', { pipeline: pipeline.name });
    stages.forEach((stage, index) => {
      const before = stages[index - 1];
      if (before && kindOrder[before.semantics] > kindOrder[stage.semantics]) {
        throw new UserError('stage.order_invalid', { stage: stage.name, after: before.name }, `stageIds.${index}`);
      }
    });
  }

  /** Items that stand on these stages and are not deleted; at most `limit` ids. */
  function itemsOn(tx: Tx, stageIds: readonly number[], limit: number): Promise<{ id: number }[]> {
    return tx.rows<{ id: number }>(sql`
      select id from items where stage_id = any(${stageIds}::bigint[]) and deleted_at is null order by id limit ${limit}`);
  }

  async function holdsItems(tx: Tx, where: 'pipeline_id' | 'item_type_id', id: number): Promise<boolean> {
    const row = await tx.first(sql`select 1 from items where ${raw(where)} = ${id} and deleted_at is null limit 1`);
    return row !== undefined;
  }

  /** Checked and completed settings of a field: ids for new options, a default in its stored form. */
  function prepareSettings(field: Pick<Field, 'type' | 'name' | 'isMultiple' | 'code'>, input: FieldSettingsInput, before: FieldSettings, model: CrmModel): FieldSettings {
    const settings: FieldSettings = {};
    if (field.type === 'list') {
      const old = before.options ?? [];
      const oldIds = new Set(old.map((option) => option.id));
      let nextId = Math.max(0, ...oldIds) + 1;
      const options = (input.options ?? old).map((option, index) => {
        if (option.id !== undefined && !oldIds.has(option.id)) throw new UserError('field.option_unknown', { field: field.name, id: option.id }, `settings.options.${index}`);
        return { ...option, id: option.id ?? nextId++ };
      });
      if (options.length === 0) throw new UserError('field.options_missing', { field: field.name }, 'settings.options');
      const names = options.map((option) => option.name.toLowerCase());
      const twice = options.find((option, index) => names.indexOf(option.name.toLowerCase()) !== index);
      if (twice || new Set(options.map((option) => option.id)).size !== options.length) {
        throw new UserError('field.option_twice', { field: field.name, option: twice?.name ?? '' }, 'settings.options');
      }
      settings.options = options;
    }
    const decimals = input.decimals ?? before.decimals;
    if (field.type === 'number' && decimals !== undefined) settings.decimals = decimals;
    const linked = input.itemTypeId ?? before.itemTypeId;
    if (field.type === 'item' && linked !== undefined) settings.itemTypeId = livingType(model, linked).id;
    const standard = 'default' in input ? input.default : before.default;
    if (!isEmpty(standard)) {
      const shape = { code: field.code, name: field.name, type: field.type, isMultiple: field.isMultiple, isSystem: false, settings };
      settings.default = normaliseValue(shape, standard);
    }
    return settings;
  }

  function assertRequiredStages(model: CrmModel, itemTypeId: number | null, stageIds: readonly number[]): void {
    for (const [index, id] of stageIds.entries()) {
      const stage = livingStage(model, id);
      if (itemTypeId === null || model.pipeline(stage.pipelineId)?.itemTypeId !== itemTypeId) {
        throw new UserError('field.stage_foreign', { stage: stage.name }, `requiredStageIds.${index}`);
      }
    }
  }

  function assertIndexable(field: Pick<Field, 'name' | 'entity' | 'type'>): void {
    if (field.entity !== 'item' || !isIndexable(field.type)) throw new UserError('field.not_indexable', { field: field.name }, 'isIndexed');
  }

  async function companyLanguage(tx: Tx): Promise<Language> {
    return (await people.directory(tx)).company.language;
  }

  /** Brings the indexes of own fields in line with what was asked for. Safe to run at any time, by several processes. */
  async function reconcileIndexes(): Promise<void> {
    const [fields, indexes] = await Promise.all([
      db.rows<Field>(sql`select id, code, type, is_multiple, item_type_id from fields where is_indexed and entity = 'item' and deleted_at is null`),
      db.rows<{ name: string; isValid: boolean }>(sql`
        select c.relname as name, x.indisvalid as is_valid from pg_index x join pg_class c on c.oid = x.indexrelid
        where x.indrelid = 'items'::regclass and c.relname ~ '^items_field_[0-9]+_idx$'
          and not exists (select from pg_stat_progress_create_index p where p.index_relid = x.indexrelid)`),
    ]);
    const wanted = new Map(fields.map((field) => [`items_field_${field.id}_idx`, field]));
    for (const { name, isValid } of indexes) {
      // An invalid one was left by a process that died while it built it.
      if (!wanted.has(name) || !isValid) await db.run(raw(`drop index concurrently if exists ${name}`));
      if (!wanted.has(name)) await db.run(raw(`drop statistics if exists ${name.replace('_idx', '_stats')}`));
    }
    const built = new Set(indexes.filter((index) => index.isValid).map((index) => index.name));
    const missing = [...wanted].filter(([name]) => !built.has(name));
    for (const [name, field] of missing) {
      const on = field.isMultiple ? `using gin (${valueExpression(field)})` : `(${valueExpression(field)}, id)`;
      // Without statistics of the expression the planner guesses, and walks along creation times instead.
      await db.run(raw(`create statistics if not exists items_field_${field.id}_stats on (${valueExpression(field)}) from items`));
      await db.run(raw(`create index concurrently if not exists ${name} on items ${on} where deleted_at is null and item_type_id = ${Number(field.itemTypeId)}`));
    }
    if (missing.length > 0) await db.run(sql`analyze items`);
  }

  /** Builds and drops indexes of own fields; resolves when done. Called after a change, and once at start. */
  function syncFieldIndexes(): Promise<void> {
    // One after another, and one failure (a full disk) does not stop the next try.
    indexWork = indexWork.catch(() => {}).then(reconcileIndexes);
    return indexWork;
  }
  function syncIndexesAfter(tx: Tx): void {
    tx.afterCommit(() => {
      // In the background: on a million items it takes seconds. What fails is tried again at the next start.
      syncFieldIndexes().catch(() => {});
    });
  }

  async function insertType(tx: Tx, type: { code: string; name: string; isSystem: boolean; hasClient: boolean; hasAmount: boolean }, pipelineName: string, language: Language): Promise<number> {
    const row = await tx.first<{ id: number }>(sql`
      insert into item_types (code, name, is_system, has_client, has_amount, position)
      values (${type.code}, ${type.name}, ${type.isSystem}, ${type.hasClient}, ${type.hasAmount}, (select coalesce(max(position) + 1, 0) from item_types))
      returning id`);
    const id = row?.id ?? 0;
    await insertPipeline(tx, { id, code: type.code }, pipelineName, true, language);
    return id;
  }

  /** «Тип сделки»: an own field like any other, there from the start because texts of robots speak of it. */
  async function insertDealType(tx: Tx, itemTypeId: number, language: Language): Promise<void> {
    const options = ['sale', 'complex', 'goods', 'services', 'service'].map((code, index) => ({ id: index + 1, name: text(language, `crm.deal_type.${code}`) }));
    await tx.run(sql`
      insert into fields (entity, item_type_id, code, name, type, settings)
      values ('item', ${itemTypeId}, 'dealType', ${text(language, 'crm.deal_type')}, 'list', ${json({ options })})`);
  }

  return {
    syncFieldIndexes,

    /**
     * Lead, deal and invoice with their pipelines, on first start; does nothing where they are.
     * Returns the ids of the types it made. Default access roles: see `seedAccess`.
     */
    async seedSystemTypes(tx: Tx, language: Language): Promise<number[]> {
      await tx.run(sql`select 1 from config_versions where name = 'crm' for update`);
      const known = new Set((await tx.rows<{ code: string }>(sql`select code from item_types`)).map((row) => row.code));
      const made: number[] = [];
      for (const type of systemTypes) {
        if (known.has(type.code)) continue;
        const id = await insertType(tx, { ...type, name: text(language, `crm.types.${type.code}`), isSystem: true }, text(language, 'crm.pipeline.default'), language);
        if (type.code === 'deal') await insertDealType(tx, id, language);
        made.push(id);
      }
      if (made.length > 0) await changed(tx, []);
      return made;
    },

    /**
     * Access roles of a fresh company, so that people who are no administrators can work at once:
     * «Менеджер» for everyone sees and adds everything (whoever a robot informs must be able to open the item),
     * changes and moves what belongs to the own department, deletes the own; «Руководитель отдела продаж», to be
     * given to people by the administrator, also deletes in the department and edits robots.
     * Does nothing when there is any role. After the commit of `seedSystemTypes`: people write in their own transaction.
     */
    async seedAccess(language: Language): Promise<void> {
      if ((await people.accessRoles(db, system)).length > 0) return;
      const types = await db.rows<{ id: number }>(sql`select id from item_types where deleted_at is null order by id`);
      const rights = (scopes: typeof managerScopes | typeof headScopes) => types.flatMap(({ id }) => rightsOn(id, scopes));
      await people.createAccessRole(system, { name: text(language, 'crm.role.head'), members: [], rights: rights(headScopes) });
      await people.createAccessRole(system, { name: text(language, 'crm.role.manager'), members: [{ kind: 'everyone' }], rights: rights(managerScopes) });
    },
    /** Gives every role on a new type the rights it has on deals. After the commit of `createItemType`. */
    async grantLikeDeals(itemTypeId: number): Promise<void> {
      const deal = await db.first<{ id: number }>(sql`select id from item_types where code = 'deal'`);
      for (const role of await people.accessRoles(db, system)) {
        const same = role.rights.filter((right) => right.itemTypeId === deal?.id && right.pipelineId === null);
        if (same.length === 0 || role.rights.some((right) => right.itemTypeId === itemTypeId)) continue;
        await people.changeAccessRole(system, role.id, { rights: [...role.rights, ...same.map((right) => ({ ...right, itemTypeId }))] });
      }
    },

    // ——— Item types

    /** A type of the company's own, with a default pipeline and its stages. Returns its id. */
    async createItemType(tx: Tx, actor: Actor | null, input: NewItemType): Promise<number> {
      await lockModel(tx, actor);
      const language = await companyLanguage(tx);
      const next = await tx.first<{ id: number }>(sql`select coalesce(max(id), 0) + 1 as id from item_types`);
      try {
        const id = await insertType(
          tx,
          { code: input.code ?? `type_${next?.id ?? 0}`, name: input.name, isSystem: false, hasClient: input.hasClient ?? true, hasAmount: input.hasAmount ?? true },
          text(language, 'crm.pipeline.default'),
          language,
        );
        await changed(tx, []);
        return id;
      } catch (error) {
        if (constraintOf(error) === 'item_types_code_key') throw new UserError('item_type.code_taken', { code: input.code ?? '' }, 'code');
        throw error;
      }
    },
    async changeItemType(tx: Tx, actor: Actor | null, id: number, input: { name?: string; hasClient?: boolean; hasAmount?: boolean; position?: number }): Promise<void> {
      const type = livingType(await lockModel(tx, actor), id);
      const after = { ...type, ...defined(input) };
      await tx.run(sql`
        update item_types set name = ${after.name}, has_client = ${after.hasClient}, has_amount = ${after.hasAmount}, position = ${after.position}
        where id = ${id}`);
      await changed(tx, []);
    },
    /** Only an own type, and only while it holds no items. */
    async deleteItemType(tx: Tx, actor: Actor | null, id: number): Promise<void> {
      const type = livingType(await lockModel(tx, actor), id);
      if (type.isSystem) throw new UserError('item_type.is_system', { itemType: type.name });
      if (await holdsItems(tx, 'item_type_id', id)) throw new UserError('item_type.has_items', { itemType: type.name });
      await tx.run(sql`update item_types set deleted_at = ${now()} where id = ${id}`);
      await tx.run(sql`update pipelines set deleted_at = ${now()} where item_type_id = ${id} and deleted_at is null`);
      await changed(tx, []);
    },

    // ——— Pipelines

    /** A pipeline with the default stages of its type, named in the company's language. */
    async createPipeline(tx: Tx, actor: Actor | null, input: { itemTypeId: number; name: string }): Promise<number> {
      const model = await lockModel(tx, actor);
      const type = livingType(model, input.itemTypeId);
      const id = await insertPipeline(tx, type, input.name, model.pipelinesOf(type.id).length === 0, await companyLanguage(tx));
      await changed(tx, [stagesHint(id)]);
      return id;
    },
    async changePipeline(tx: Tx, actor: Actor | null, id: number, input: { name?: string; isDefault?: true; position?: number }): Promise<void> {
      const pipeline = livingPipeline(await lockModel(tx, actor), id);
      const after = { ...pipeline, ...defined(input) };
      if (input.isDefault) await tx.run(sql`update pipelines set is_default = (id = ${id}) where item_type_id = ${pipeline.itemTypeId}`);
      await tx.run(sql`update pipelines set name = ${after.name}, position = ${after.position} where id = ${id}`);
      await changed(tx, [stagesHint(id)]);
    },
    /** Refused for the default pipeline and for one that holds items. */
    async deletePipeline(tx: Tx, actor: Actor | null, id: number): Promise<void> {
      const pipeline = livingPipeline(await lockModel(tx, actor), id);
      if (pipeline.isDefault) throw new UserError('pipeline.is_default', { pipeline: pipeline.name });
      // Waits for moves under way: they hold the keys of the stages they go to.
      await tx.rows(sql`select 1 from stages where pipeline_id = ${id} order by id for update`);
      if (await holdsItems(tx, 'pipeline_id', id)) throw new UserError('pipeline.has_items', { pipeline: pipeline.name });
      await tx.run(sql`update pipelines set deleted_at = ${now()} where id = ${id}`);
      await changed(tx, [stagesHint(id)]);
    },

    // ——— Stages

    async createStage(tx: Tx, actor: Actor | null, pipelineId: number, input: NewStage): Promise<number> {
      const pipeline = livingPipeline(await lockModel(tx, actor), pipelineId);
      const semantics = input.semantics ?? 'process';
      const stages = await livingStages(tx, pipelineId);
      const code = input.code ?? (await freeCode(tx, pipelineId));
      if (stages.some((stage) => stage.code.toLowerCase() === code.toLowerCase())) throw new UserError('stage.code_taken', { code }, 'code');
      let place: number;
      if (input.afterId === undefined) place = stages.findLastIndex((stage) => stage.semantics === semantics) + 1;
      else if (input.afterId === null) place = 0;
      else {
        place = stages.findIndex((stage) => stage.id === input.afterId) + 1;
        if (place === 0) throw new UserError('request.not_found', { kind: 'stage', id: input.afterId }, 'afterId');
      }
      const draft = { id: 0, name: input.name, semantics };
      assertOrder(pipeline, stages.toSpliced(place, 0, { ...draft, code }));
      const row = await tx.first<{ id: number }>(sql`
        insert into stages (pipeline_id, code, name, color, semantics) values (${pipelineId}, ${code}, ${input.name}, ${input.color ?? '#39A8EF'}, ${semantics})
        returning id`);
      const id = row?.id ?? 0;
      await writeOrder(tx, stages.map((stage) => stage.id).toSpliced(place, 0, id));
      await changed(tx, [stagesHint(pipelineId)]);
      return id;
    },
    async changeStage(tx: Tx, actor: Actor | null, id: number, input: { name?: string; color?: string; semantics?: 'process' | 'failure' }): Promise<void> {
      const model = await lockModel(tx, actor);
      const stage = livingStage(model, id);
      const pipeline = livingPipeline(model, stage.pipelineId);
      const semantics = input.semantics ?? stage.semantics;
      if (semantics !== stage.semantics) {
        if (stage.semantics === 'success') throw new UserError('stage.success_is_one', { pipeline: pipeline.name }, 'semantics');
        // It goes to the end of its new kind.
        const others = (await livingStages(tx, pipeline.id)).filter((other) => other.id !== id);
        const lastOfKind = others.findLastIndex((other) => kindOrder[other.semantics] <= kindOrder[semantics]);
        const order = others.toSpliced(lastOfKind + 1, 0, { id, name: stage.name, code: stage.code, semantics });
        assertOrder(pipeline, order);
        await writeOrder(tx, order.map((other) => other.id));
      }
      await tx.run(sql`update stages set name = ${input.name ?? stage.name}, color = ${input.color ?? stage.color}, semantics = ${semantics} where id = ${id}`);
      await changed(tx, [stagesHint(pipeline.id)]);
    },
    /** Puts all living stages of the pipeline into this order. */
    async orderStages(tx: Tx, actor: Actor | null, pipelineId: number, stageIds: readonly number[]): Promise<void> {
      const pipeline = livingPipeline(await lockModel(tx, actor), pipelineId);
      const stages = await livingStages(tx, pipelineId);
      const byId = new Map(stages.map((stage) => [stage.id, stage]));
      const order = stageIds.map((id) => {
        const stage = byId.get(id);
        if (!stage) throw new UserError('request.not_found', { kind: 'stage', id }, 'stageIds');
        return stage;
      });
      if (new Set(stageIds).size !== stages.length) throw new UserError('stage.order_incomplete', { pipeline: pipeline.name }, 'stageIds');
      assertOrder(pipeline, order);
      await writeOrder(tx, stageIds);
      await changed(tx, [stagesHint(pipelineId)]);
    },
    /**
     * Deletes a stage. Items that stand on it go to `moveToStageId` as an ordinary move does, history and
     * robots included; without it a stage with items is refused.
     */
    async deleteStage(tx: Tx, actor: Actor | null, id: number, moveToStageId?: number): Promise<{ moved: number }> {
      const model = await lockModel(tx, actor);
      const stage = livingStage(model, id);
      const pipeline = livingPipeline(model, stage.pipelineId);
      if (stage.semantics === 'success') throw new UserError('stage.success_is_one', { pipeline: pipeline.name });
      assertOrder(pipeline, (await livingStages(tx, pipeline.id)).filter((other) => other.id !== id));
      const target = moveToStageId === undefined ? undefined : livingStage(model, moveToStageId);
      if (target?.id === id) throw new UserError('request.not_found', { kind: 'stage', id }, 'moveToStageId');
      // Waits for moves under way: they hold the key of the stage they go to.
      await tx.rows(sql`select 1 from stages where id = ${id} for update`);
      let moved = 0;
      for (;;) {
        // Some thousands at a time keep one statement's parameters in bounds.
        const ids = (await itemsOn(tx, [id], 5000)).map((row) => row.id);
        if (ids.length === 0) break;
        if (!target) throw new UserError('stage.has_items', { stage: stage.name });
        const origin = { employeeId: actor?.employeeId ?? null, cause: actor ? ('person' as const) : ('system' as const) };
        const outcomes: ChangeOutcome[] = await items.changeItems(tx, ids.map((itemId) => ({ id: itemId, changes: { stageId: target.id } })), origin, null);
        for (const outcome of outcomes) if ('error' in outcome) throw outcome.error;
        moved += ids.length;
      }
      await tx.run(sql`update stages set deleted_at = ${now()} where id = ${id}`);
      await tx.run(sql`update fields set required_stage_ids = array_remove(required_stage_ids, ${id}::bigint) where ${id}::bigint = any(required_stage_ids)`);
      await changed(tx, [stagesHint(pipeline.id)]);
      return { moved };
    },

    // ——— Own fields

    async createField(tx: Tx, actor: Actor | null, input: NewField): Promise<number> {
      const model = await lockModel(tx, actor);
      const entity = input.entity ?? 'item';
      const isMultiple = input.isMultiple ?? false;
      const requiredStageIds = [...new Set(input.requiredStageIds ?? [])];
      if (entity === 'item' && input.itemTypeId === undefined) throw new UserError('field.item_type_missing', { field: input.name }, 'itemTypeId');
      const itemTypeId = entity === 'item' && input.itemTypeId !== undefined ? livingType(model, input.itemTypeId).id : null;
      if (input.type === 'boolean' && isMultiple) throw new UserError('field.not_multiple', { field: input.name }, 'isMultiple');
      if (input.isIndexed) assertIndexable({ name: input.name, entity, type: input.type });
      assertRequiredStages(model, itemTypeId, requiredStageIds);
      const next = await tx.first<{ id: number }>(sql`select nextval(pg_get_serial_sequence('fields', 'id')) as id`);
      const id = next?.id ?? 0;
      const code = input.code ?? `field_${id}`;
      if (reservedCodes.has(code.toLowerCase())) throw new UserError('field.code_reserved', { code }, 'code');
      const settings = prepareSettings({ type: input.type, name: input.name, isMultiple, code }, input.settings ?? {}, {}, model);
      try {
        await tx.run(sql`
          insert into fields (id, entity, item_type_id, code, name, type, is_multiple, is_required, required_stage_ids, is_indexed, settings, position)
          values (${id}, ${entity}, ${itemTypeId}, ${code}, ${input.name}, ${input.type}, ${isMultiple}, ${input.isRequired ?? false},
            ${requiredStageIds}::bigint[], ${input.isIndexed ?? false}, ${json(settings)},
            (select coalesce(max(position) + 1, 0) from fields where entity = ${entity} and item_type_id is not distinct from ${itemTypeId}))`);
      } catch (error) {
        if (constraintOf(error) === 'fields_code_key') throw new UserError('field.code_taken', { code }, 'code');
        throw error;
      }
      if (input.isIndexed) syncIndexesAfter(tx);
      await changed(tx, []);
      return id;
    },
    async changeField(tx: Tx, actor: Actor | null, id: number, input: FieldChange): Promise<void> {
      const model = await lockModel(tx, actor);
      const before = await livingField(tx, id);
      if (input.type !== undefined && input.type !== before.type) throw new UserError('field.type_fixed', { field: before.name }, 'type');
      const after = { ...before, ...defined({ name: input.name, isRequired: input.isRequired, isIndexed: input.isIndexed, position: input.position }) };
      if (after.isIndexed && !before.isIndexed) assertIndexable(after);
      const requiredStageIds = [...new Set(input.requiredStageIds ?? before.requiredStageIds)];
      if (input.requiredStageIds) assertRequiredStages(model, before.itemTypeId, requiredStageIds);
      const settings = input.settings ? prepareSettings(after, input.settings, before.settings, model) : before.settings;
      await tx.run(sql`
        update fields set name = ${after.name}, is_required = ${after.isRequired}, is_indexed = ${after.isIndexed}, position = ${after.position},
          required_stage_ids = ${requiredStageIds}::bigint[], settings = ${json(settings)} where id = ${id}`);
      if (after.isIndexed !== before.isIndexed) syncIndexesAfter(tx);
      await changed(tx, []);
    },
    /** Hides the field. Its data stays in the items, and its code stays taken, so that it never shows under a new field. */
    async deleteField(tx: Tx, actor: Actor | null, id: number): Promise<void> {
      await lockModel(tx, actor);
      const field = await livingField(tx, id);
      await tx.run(sql`update fields set deleted_at = ${now()} where id = ${id}`);
      if (field.isIndexed) syncIndexesAfter(tx);
      await changed(tx, []);
    },
  };
}

export type Config = ReturnType<typeof createConfig>;

type StageInOrder = Pick<Stage, 'id' | 'name' | 'code' | 'semantics'>;

function livingStages(tx: Tx, pipelineId: number): Promise<StageInOrder[]> {
  return tx.rows<StageInOrder>(sql`
    select id, name, code, semantics from stages where pipeline_id = ${pipelineId} and deleted_at is null order by position, id`);
}

/** A stage code nobody had in this pipeline, deleted stages included. */
async function freeCode(tx: Tx, pipelineId: number): Promise<string> {
  const row = await tx.first<{ count: number }>(sql`select count(*) as count from stages where pipeline_id = ${pipelineId}`);
  return `UC_${pipelineId}_${(row?.count ?? 0) + 1}`;
}

/** Without the keys whose value is undefined, so that a spread does not wipe what was not mentioned. */
function defined<T extends object>(input: T): { [K in keyof T]?: Exclude<T[K], undefined> };
function defined(input: object): object {
  return Object.fromEntries(Object.entries(input).filter(([, value]) => value !== undefined));
}

