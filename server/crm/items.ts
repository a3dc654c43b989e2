/**
 * Items: the one write path. Whoever changes an item — a person, the API, a robot, a trigger, an
 * import — comes through `planChange` (pure: validate, compute the new row and what differs) and
 * `writeItems` (set-based: rows, history, arrivals, their queue, live hints). So a stage change
 * starts robots from whatever side it came, and history always knows who and why.
 *
 * Invariants: the item row, its history row, its arrival and the arrival's place in the queue are
 * written in one transaction. Rows are locked in the order of their ids.
 */
import { type ConfigVersions, configVersions, type Db, empty, json, type Queryable, sql, type Tx } from '../db/db.ts';
import type { Hint, Live } from '../live/live.ts';
import type { Jobs } from '../jobs/jobs.ts';
import type { AccessRights, Actor, Directory, People } from '../people/people.ts';
import { UserError } from '../../shared/errors.ts';
import { maySee } from './access.ts';
import type { CrmModel, Stage } from './model.ts';
import { createTogether } from './together.ts';
import { type FieldShape, fieldShape, isEmpty, normaliseValue, shapeOf } from './values.ts';

export interface ItemRow {
  id: number;
  itemTypeId: number;
  pipelineId: number;
  stageId: number;
  title: string;
  amount: number | null;
  currency: string;
  ownerId: number | null;
  creatorId: number | null;
  contactId: number | null;
  companyId: number | null;
  observerIds: number[];
  beginsOn: string | null;
  closesOn: string | null;
  /** Own fields by code; an empty field has no key. */
  values: Record<string, unknown>;
  parentId: number | null;
  version: number;
  createdAt: Date;
  updatedAt: Date;
  updatedBy: number | null;
  movedAt: Date;
  movedBy: number | null;
}

export type Cause = 'person' | 'api' | 'robot' | 'trigger' | 'import' | 'system';

/** Who and why: kept on the history, the arrival, and by robots all along the chain they start. */
export interface Origin {
  employeeId: number | null;
  cause: Cause;
  runId?: number | null;
  /** The arrival that began the chain of robots, and how many robots deep this change is. */
  chainId?: number | null;
  depth?: number;
  /** The robots of the stage are not asked: whoever moves or imports many items may wish so. */
  isSilent?: boolean;
}

/** New values by field code, system or own; `stageId` moves the item. */
export type FieldChanges = Readonly<Record<string, unknown>>;

/** A validated change of one item, not yet written. */
export interface ItemPlan {
  before: ItemRow | null;
  after: ItemRow;
  /** { field: [before, after] } without the stage: stage moves are arrivals. */
  changes: Record<string, [unknown, unknown]>;
  isMove: boolean;
  origin: Origin;
  /** Ids that appear in new values and must exist: verified set by set before writing. */
  references: { field: FieldShape; id: number }[];
}

/** What listeners to the right (robots, triggers) hear, inside the writing transaction. */
export interface ItemsWritten {
  plans: readonly ItemPlan[];
  /** Versions of the configuration at the time; asked for only where the writer did not know them. */
  config(): Promise<ConfigVersions>;
}

export const itemColumns = sql`
  i.id, i.item_type_id, i.pipeline_id, i.stage_id, i.title, i.amount, i.currency, i.owner_id, i.creator_id, i.contact_id,
  i.company_id, i.observer_ids, i.begins_on, i.closes_on, i.values, i.parent_id, i.version, i.created_at, i.updated_at,
  i.updated_by, i.moved_at, i.moved_by`;

/** The items with these ids that are not deleted; locked against other writers, in the order of their ids. */
export function lockItems(tx: Tx, ids: readonly number[]): Promise<ItemRow[]> {
  return tx.rows<ItemRow>(sql`
    select ${itemColumns} from items i where i.id = any(${ids}::bigint[]) and i.deleted_at is null order by i.id for no key update of i`);
}

/** What one row of `lockItemsWithConfig` and of the engine's claim carries besides the item. */
export interface WithConfig {
  /** Versions of the cached configuration at this moment: a column here spares a statement of its own. */
  config: ConfigVersions;
}

export const configColumn = sql`(select jsonb_object_agg(name, version) from config_versions) as config`;

async function lockItemsWithConfig(tx: Tx, ids: readonly number[]): Promise<{ rows: ItemRow[]; config: ConfigVersions }> {
  const rows = await tx.rows<ItemRow & WithConfig>(sql`
    select ${itemColumns}, ${configColumn} from items i where i.id = any(${ids}::bigint[]) and i.deleted_at is null order by i.id for no key update of i`);
  return { rows: rows.map(itemOf), config: rows[0]?.config ?? (await configVersions(tx)) };
}

/** The item alone, of a row that carries more. */
export function itemOf(row: ItemRow): ItemRow {
  return {
    id: row.id, itemTypeId: row.itemTypeId, pipelineId: row.pipelineId, stageId: row.stageId, title: row.title, amount: row.amount,
    currency: row.currency, ownerId: row.ownerId, creatorId: row.creatorId, contactId: row.contactId, companyId: row.companyId,
    observerIds: row.observerIds, beginsOn: row.beginsOn, closesOn: row.closesOn, values: row.values, parentId: row.parentId,
    version: row.version, createdAt: row.createdAt, updatedAt: row.updatedAt, updatedBy: row.updatedBy, movedAt: row.movedAt, movedBy: row.movedBy,
  };
}

const nullableKeys = new Set(['amount', 'ownerId', 'contactId', 'companyId', 'beginsOn', 'closesOn', 'parentId']);

function readField(row: ItemRow, field: FieldShape): unknown {
  if (!field.isSystem) return row.values[field.code] ?? (field.isMultiple ? [] : null);
  switch (field.code) {
    case 'title': return row.title;
    case 'stageId': return row.stageId;
    case 'amount': return row.amount;
    case 'currency': return row.currency;
    case 'ownerId': return row.ownerId;
    case 'observerIds': return row.observerIds;
    case 'contactId': return row.contactId;
    case 'companyId': return row.companyId;
    case 'beginsOn': return row.beginsOn;
    case 'closesOn': return row.closesOn;
    case 'parentId': return row.parentId;
    default: return null;
  }
}

function withField(row: ItemRow, field: FieldShape, value: unknown): ItemRow {
  if (field.isSystem) return { ...row, [field.code]: value };
  const values = { ...row.values };
  if (isEmpty(value)) delete values[field.code];
  else values[field.code] = value;
  return { ...row, values };
}

function isSame(a: unknown, b: unknown): boolean {
  if (a === b) return true;
  if (isEmpty(a) && isEmpty(b)) return true;
  return typeof a === 'object' && JSON.stringify(a) === JSON.stringify(b);
}

/** Fields that must be filled for the item to stand on the stage and are not. */
export function missingFields(model: CrmModel, row: ItemRow, stageId: number): FieldShape[] {
  return model
    .fieldsOf(row.itemTypeId)
    .filter((field) => field.isRequired || field.requiredStageIds.includes(stageId))
    .map(shapeOf)
    .filter((field) => isEmpty(readField(row, field)));
}

/**
 * Validates a change and computes its result; null when nothing differs. `model` and the row are all
 * it needs: no I/O, so the robots engine calls it in the middle of a batch.
 * Throws UserError: item.field_unknown, item.value_invalid, item.required_fields, item.stage_foreign …
 */
export function planChange(model: CrmModel, before: ItemRow, changes: FieldChanges, origin: Origin, now: Date): ItemPlan | null {
  let after = before;
  const diff: Record<string, [unknown, unknown]> = {};
  const references: ItemPlan['references'] = [];
  let stage: Stage | undefined;
  for (const [code, raw] of Object.entries(changes)) {
    const field = fieldShape(model, before.itemTypeId, code);
    if (!field) throw new UserError('item.field_unknown', { field: code }, code);
    const value = normaliseValue(field, raw);
    if (isSame(readField(before, field), value)) continue;
    if (field.type === 'stage') {
      stage = stageForMove(model, before, Number(value));
      after = { ...after, stageId: stage.id, pipelineId: stage.pipelineId, movedAt: now, movedBy: origin.employeeId };
      continue;
    }
    if (isEmpty(value) && field.isSystem && !field.isMultiple && !nullableKeys.has(field.code)) {
      throw new UserError('item.required_fields', { fields: [field.name] }, field.code);
    }
    addReferences(references, field, value);
    diff[field.code] = [readField(before, field), value];
    after = withField(after, field, value);
  }
  if (after === before) return null;
  // A move asks for everything the stage requires; another change only may not empty what is required.
  const missing = missingFields(model, after, after.stageId).filter((field) => stage !== undefined || field.code in diff);
  if (missing.length > 0) {
    throw new UserError('item.required_fields', { fields: missing.map((field) => field.name) }, missing[0]?.code);
  }
  after = { ...after, version: before.version + 1, updatedAt: now, updatedBy: origin.employeeId };
  return { before, after, changes: diff, isMove: stage !== undefined, origin, references };
}

function addReferences(references: ItemPlan['references'], field: FieldShape, value: unknown): void {
  if (!['employee', 'file', 'item', 'contact', 'company'].includes(field.type)) return;
  for (const id of Array.isArray(value) ? value : [value]) if (typeof id === 'number') references.push({ field, id });
}

function stageForMove(model: CrmModel, row: ItemRow, stageId: number): Stage {
  const stage = model.stage(stageId);
  const pipeline = stage && model.pipeline(stage.pipelineId);
  if (!stage || !pipeline) throw new UserError('request.not_found', { kind: 'stage', id: stageId }, 'stageId');
  if (stage.deletedAt || pipeline.deletedAt) throw new UserError('item.stage_deleted', { stage: stage.name }, 'stageId');
  if (pipeline.itemTypeId !== row.itemTypeId) throw new UserError('item.stage_foreign', { stage: stage.name, pipeline: pipeline.name }, 'stageId');
  return stage;
}

export interface NewItem {
  itemTypeId: number;
  /** Default: the type's default pipeline and its first stage. */
  pipelineId?: number;
  stageId?: number;
  fields: FieldChanges;
}

/** Validates a new item. `id` is taken beforehand. Required fields count from the start. */
export function planCreation(
  model: CrmModel,
  id: number,
  item: NewItem,
  origin: Origin,
  defaults: { currency: string },
  now: Date,
): ItemPlan {
  const type = model.itemType(item.itemTypeId);
  if (!type || type.deletedAt) throw new UserError('request.not_found', { kind: 'itemType', id: item.itemTypeId }, 'itemTypeId');
  const stageOfItem = item.stageId === undefined ? undefined : model.stage(item.stageId);
  if (item.stageId !== undefined && !stageOfItem) throw new UserError('request.not_found', { kind: 'stage', id: item.stageId }, 'stageId');
  const pipelines = model.pipelinesOf(type.id);
  const pipelineId = item.pipelineId ?? stageOfItem?.pipelineId;
  const pipeline = pipelineId === undefined ? (pipelines.find((p) => p.isDefault) ?? pipelines[0]) : pipelines.find((p) => p.id === pipelineId);
  if (!pipeline) throw new UserError('request.not_found', { kind: 'pipeline', id: pipelineId ?? 0 }, 'pipelineId');
  const stage = stageOfItem ?? pipeline.stages[0];
  if (!stage) throw new UserError('item.no_stage', { pipeline: pipeline.name }, 'pipelineId');
  if (stage.deletedAt) throw new UserError('item.stage_deleted', { stage: stage.name }, 'stageId');
  if (stage.pipelineId !== pipeline.id) throw new UserError('item.stage_foreign', { stage: stage.name, pipeline: pipeline.name }, 'stageId');
  const blank: ItemRow = {
    id, itemTypeId: type.id, pipelineId: pipeline.id, stageId: stage.id, title: '', amount: null, currency: defaults.currency,
    ownerId: origin.employeeId, creatorId: origin.employeeId, contactId: null, companyId: null, observerIds: [], beginsOn: null,
    closesOn: null, values: {}, parentId: null, version: 1, createdAt: now, updatedAt: now, updatedBy: origin.employeeId,
    movedAt: now, movedBy: origin.employeeId,
  };
  let after = blank;
  const references: ItemPlan['references'] = [];
  for (const field of model.fieldsOf(type.id)) {
    if (isEmpty(field.settings.default) || field.code in item.fields) continue;
    const shape = shapeOf(field);
    after = withField(after, shape, normaliseValue(shape, field.settings.default));
  }
  for (const [code, raw] of Object.entries(item.fields)) {
    const field = fieldShape(model, type.id, code);
    if (!field || field.type === 'stage') throw new UserError('item.field_unknown', { field: code }, code);
    const value = normaliseValue(field, raw);
    if (isEmpty(value) && field.isSystem && !field.isMultiple && !nullableKeys.has(field.code)) continue;
    addReferences(references, field, value);
    after = withField(after, field, value);
  }
  const missing = missingFields(model, after, stage.id);
  if (missing.length > 0) throw new UserError('item.required_fields', { fields: missing.map((field) => field.name) }, missing[0]?.code);
  return { before: null, after, changes: {}, isMove: true, origin, references };
}

/** Throws `item.reference_unknown` naming the field when a new value points at something that is not there. */
export async function verifyReferences(q: Queryable, directory: Directory, plans: readonly Pick<ItemPlan, 'references'>[]): Promise<void> {
  const wanted = new Map<string, Map<number, FieldShape>>();
  for (const plan of plans) {
    for (const { field, id } of plan.references) {
      if (field.type === 'employee') {
        const employee = directory.employee(id);
        if (!employee) throw unknownReference(field, id);
        if (employee.dismissedAt) throw new UserError('item.employee_dismissed', { field: field.name, id }, field.code);
        continue;
      }
      const byId = wanted.get(field.type) ?? new Map<number, FieldShape>();
      wanted.set(field.type, byId.set(id, field));
    }
  }
  await Promise.all(
    [...wanted].map(async ([type, byId]) => {
      const ids = [...byId.keys()];
      const found =
        type === 'file'
          ? await q.rows<{ id: number }>(sql`select id from drive_files where id = any(${ids}::bigint[])`)
          : type === 'contact'
            ? await q.rows<{ id: number }>(sql`select id from contacts where id = any(${ids}::bigint[]) and deleted_at is null`)
            : type === 'company'
              ? await q.rows<{ id: number }>(sql`select id from companies where id = any(${ids}::bigint[]) and deleted_at is null`)
              : await q.rows<{ id: number }>(sql`select id from items where id = any(${ids}::bigint[]) and deleted_at is null`);
      const known = new Set(found.map((row) => row.id));
      for (const [id, field] of byId) if (!known.has(id)) throw unknownReference(field, id);
    }),
  );
}

function unknownReference(field: FieldShape, id: number): UserError {
  return new UserError('item.reference_unknown', { field: field.name, id }, field.code);
}

/** Writes validated plans; at most one plan per item. Everything a stage change sets off hangs on this statement. */
function writeRows(tx: Tx, plans: readonly ItemPlan[], now: Date): Promise<unknown> {
  const created = plans.filter((plan) => plan.before === null);
  const changed = plans.filter((plan) => plan.before !== null);
  const moved = plans.filter((plan) => plan.isMove);
  const fieldChanged = changed.filter((plan) => Object.keys(plan.changes).length > 0);
  const onlyMoved = changed.filter((plan) => Object.keys(plan.changes).length === 0);
  const writes: Promise<unknown>[] = [];
  if (created.length > 0) {
    writes.push(tx.run(sql`
      insert into items (id, item_type_id, pipeline_id, stage_id, title, amount, currency, owner_id, creator_id, contact_id, company_id,
        observer_ids, begins_on, closes_on, values, parent_id, version, created_at, updated_at, updated_by, moved_at, moved_by)
      select r.id, r."itemTypeId", r."pipelineId", r."stageId", r.title, r.amount, r.currency, r."ownerId", r."creatorId", r."contactId",
        r."companyId", array(select jsonb_array_elements_text(r."observerIds")::bigint), r."beginsOn", r."closesOn", r.values,
        r."parentId", 1, ${now}, ${now}, r."updatedBy", ${now}, r."movedBy"
      from jsonb_to_recordset(${json(created.map((plan) => plan.after))}) as r(id bigint, "itemTypeId" bigint, "pipelineId" bigint,
        "stageId" bigint, title text, amount numeric, currency text, "ownerId" bigint, "creatorId" bigint, "contactId" bigint,
        "companyId" bigint, "observerIds" jsonb, "beginsOn" date, "closesOn" date, values jsonb, "parentId" bigint, "updatedBy" bigint,
        "movedBy" bigint)`));
  }
  if (fieldChanged.length > 0) {
    writes.push(tx.run(sql`
      update items i set pipeline_id = r."pipelineId", stage_id = r."stageId", title = r.title, amount = r.amount, currency = r.currency,
        owner_id = r."ownerId", contact_id = r."contactId", company_id = r."companyId",
        observer_ids = array(select jsonb_array_elements_text(r."observerIds")::bigint), begins_on = r."beginsOn", closes_on = r."closesOn",
        values = r.values, parent_id = r."parentId", version = r.version, updated_at = ${now}, updated_by = r."updatedBy",
        moved_at = r."movedAt", moved_by = r."movedBy"
      from jsonb_to_recordset(${json(fieldChanged.map((plan) => plan.after))}) as r(id bigint, "pipelineId" bigint, "stageId" bigint, title text,
        amount numeric, currency text, "ownerId" bigint, "contactId" bigint, "companyId" bigint, "observerIds" jsonb, "beginsOn" date,
        "closesOn" date, values jsonb, "parentId" bigint, version int, "updatedBy" bigint, "movedAt" timestamptz, "movedBy" bigint)
      where i.id = r.id`));
  }
  if (moved.length > 0) writes.push(insertArrivals(tx, moved, now, onlyMoved));
  return Promise.all(writes);
}

/** Arrivals and their places in the queue; the items of `onlyMoved` are moved by the same statement. Silent ones get no place. */
function insertArrivals(tx: Tx, moved: readonly ItemPlan[], now: Date, onlyMoved: readonly ItemPlan[]): Promise<unknown> {
  const silentIds = moved.filter((plan) => plan.origin.isSilent).map((plan) => plan.after.id);
  const silent = silentIds.length === 0 ? 'none' : 'some';
  const silentValue = silent === 'none' ? empty : sql`, item_id = any(${silentIds}::bigint[])`;
  const move = onlyMoved.length === 0 ? empty : sql`
    moved as (
      update items i set pipeline_id = r.pipeline_id, stage_id = r.stage_id, version = i.version + 1, updated_at = ${now}, updated_by = r.who,
        moved_at = ${now}, moved_by = r.who
      from unnest(${onlyMoved.map((p) => p.after.id)}::bigint[], ${onlyMoved.map((p) => p.after.pipelineId)}::bigint[],
        ${onlyMoved.map((p) => p.after.stageId)}::bigint[], ${onlyMoved.map((p) => p.after.updatedBy)}::bigint[]) as r(id, pipeline_id, stage_id, who)
      where i.id = r.id
    ), `;
  return tx.run(sql`
    with ${move} arrived as (
      insert into arrivals (item_id, pipeline_id, stage_id, from_stage_id, employee_id, cause, run_id, chain_id, depth, created_at${silent === 'none' ? empty : sql`, is_silent`})
      select item_id, pipeline_id, stage_id, from_stage_id, employee_id, cause, run_id, chain_id, depth, ${now}${silentValue}
      from unnest(${moved.map((p) => p.after.id)}::bigint[], ${moved.map((p) => p.after.pipelineId)}::bigint[],
        ${moved.map((p) => p.after.stageId)}::bigint[], ${moved.map((p) => p.before?.stageId ?? null)}::bigint[],
        ${moved.map((p) => p.origin.employeeId)}::bigint[], ${moved.map((p) => p.origin.cause)}::text[],
        ${moved.map((p) => p.origin.runId ?? null)}::bigint[], ${moved.map((p) => p.origin.chainId ?? null)}::bigint[],
        ${moved.map((p) => p.origin.depth ?? 0)}::smallint[])
        with ordinality as r(item_id, pipeline_id, stage_id, from_stage_id, employee_id, cause, run_id, chain_id, depth, place)
      order by place
      returning id${silent === 'none' ? empty : sql`, is_silent`}
    )
    insert into arrival_queue (arrival_id, due_at) select id, ${now} from arrived${silent === 'none' ? empty : sql` where not is_silent`}`);
}

/** History rows: one per plan that changed fields. Several plans of one item make several rows. */
async function insertChanges(tx: Tx, plans: readonly ItemPlan[], now: Date): Promise<void> {
  const changed = plans.filter((plan) => plan.before !== null && Object.keys(plan.changes).length > 0);
  if (changed.length === 0) return;
  await tx.run(sql`
    insert into item_changes (item_id, changes, employee_id, cause, run_id, created_at)
    select item_id, changes, employee_id, cause, run_id, ${now}
    from unnest(${changed.map((p) => p.after.id)}::bigint[], ${changed.map((p) => json(p.changes))}::jsonb[],
      ${changed.map((p) => p.origin.employeeId)}::bigint[], ${changed.map((p) => p.origin.cause)}::text[],
      ${changed.map((p) => p.origin.runId ?? null)}::bigint[]) as r(item_id, changes, employee_id, cause, run_id)`);
}

/** Several plans of one item, in order, become the one row that is written; every step keeps its history row. */
function mergePlans(plans: readonly ItemPlan[]): ItemPlan[] {
  const byItem = new Map<number, ItemPlan>();
  for (const plan of plans) {
    const earlier = byItem.get(plan.after.id);
    byItem.set(
      plan.after.id,
      earlier
        ? { ...plan, before: earlier.before, changes: { ...earlier.changes, ...plan.changes }, isMove: earlier.isMove || plan.isMove }
        : plan,
    );
  }
  return [...byItem.values()];
}

/** Boards hear which items to fetch; of many at once only that there were many. */
const namedInHints = 20;

function hintsOf(plans: readonly ItemPlan[]): Hint[] {
  const hints: Hint[] = [];
  for (const plan of plans) {
    const id = plans.length > namedInHints ? undefined : plan.after.id;
    hints.push({ topic: `item:${plan.after.id}`, what: 'item' }, itemsHint(plan.after.pipelineId, id));
    if (plan.before && plan.before.pipelineId !== plan.after.pipelineId) hints.push(itemsHint(plan.before.pipelineId, id));
  }
  return hints;
}

function itemsHint(pipelineId: number, id: number | undefined): Hint {
  return { topic: `pipeline:${pipelineId}`, what: 'items', ...(id === undefined ? {} : { id }) };
}

export interface ItemChange {
  id: number;
  changes: FieldChanges;
  /** The version the writer saw. If the item has moved on, `item.changed_meanwhile`. */
  version?: number;
}

/** A change with its author. `actor` null: the system acts. */
export interface SignedChange extends ItemChange {
  origin: Origin;
  actor: Actor | null;
}

export type ChangeOutcome = { id: number; before: ItemRow; item: ItemRow; changed: boolean } | { id: number; error: UserError };

export interface ItemsDeps {
  db: Db;
  live: Live;
  people: People;
  jobs: Jobs;
  model: (q: Queryable, version?: number) => Promise<CrmModel>;
  now: () => Date;
}

export type Items = ReturnType<typeof createItems>;

function outcomeOf(plan: () => ItemPlan): { plan: ItemPlan } | { error: UserError } {
  try {
    return { plan: plan() };
  } catch (error) {
    if (!(error instanceof UserError)) throw error;
    return { error };
  }
}

/** The name of the loop in jobs that starts robots; registered by the robots module. */
export const arrivalsLoop = 'arrivals';

export function createItems({ db, live, people, jobs, model: loadModel, now }: ItemsDeps) {
  const listeners: ((tx: Tx, written: ItemsWritten) => Promise<void>)[] = [];
  const deletionListeners: ((tx: Tx, itemIds: readonly number[]) => Promise<void>)[] = [];

  /** Writes plans (several per item allowed, in order) with everything they set off. References were verified. */
  async function writeItems(tx: Tx, plans: readonly ItemPlan[], at: Date, known?: ConfigVersions): Promise<void> {
    if (plans.length === 0) return;
    const merged = mergePlans(plans);
    let asked: Promise<ConfigVersions> | undefined;
    const config = () => (asked ??= known ? Promise.resolve(known) : configVersions(tx));
    // Single statements, sent right here: they may travel with the commit.
    tx.withCommit(Promise.all([writeRows(tx, merged, at), insertChanges(tx, plans, at)]));
    await Promise.all([
      live.publish(tx, hintsOf(merged)),
      merged.some((plan) => plan.isMove && !plan.origin.isSilent) ? jobs.wake(tx, arrivalsLoop) : undefined,
      ...listeners.map((listener) => listener(tx, { plans: merged, config })),
    ]);
  }

  function assertMay(rights: AccessRights, plan: ItemPlan): void {
    const { before, after } = plan;
    if (before === null) {
      if (!rights.mayTouch('add', after)) throw new UserError('access.denied', { action: 'add' });
      return;
    }
    if (Object.keys(plan.changes).length > 0 && !rights.mayTouch('change', before)) throw new UserError('access.denied', { action: 'change' });
    if (plan.isMove) {
      if (!rights.mayTouch('move', before)) throw new UserError('access.denied', { action: 'move' });
      const target = { itemTypeId: after.itemTypeId, pipelineId: after.pipelineId, ownerId: before.ownerId };
      if (after.pipelineId !== before.pipelineId && !rights.mayTouch('move', target)) throw new UserError('access.denied', { action: 'move' });
    }
  }

  /** `changeItems` where each change has its own author. */
  async function change(tx: Tx, changes: readonly SignedChange[]): Promise<ChangeOutcome[]> {
    const at = now();
    const { rows, config: versions } = await lockItemsWithConfig(tx, changes.map((one) => one.id));
    const actors = new Map(changes.flatMap(({ actor }) => (actor ? [[actor.employeeId, actor]] : [])));
    const [model, directory, ...known] = await Promise.all([
      loadModel(tx, versions.crm),
      people.directory(tx, versions.people),
      ...[...actors.values()].map(async (actor) => [actor.employeeId, await people.access(tx, actor)] as const),
    ]);
    const rightsOf = new Map(known);
    const byId = new Map(rows.map((row) => [row.id, row]));
    const plans: ItemPlan[] = [];
    const outcomes: ChangeOutcome[] = [];
    for (const { id, changes: fields, version, origin, actor } of changes) {
      try {
        const before = byId.get(id);
        const rights = actor && rightsOf.get(actor.employeeId);
        if (!before || (rights && !maySee(rights, actor, before))) throw new UserError('request.not_found', { kind: 'item', id });
        if (version !== undefined && version !== before.version) throw new UserError('item.changed_meanwhile', { id, version: before.version });
        const plan = planChange(model, before, fields, origin, at);
        if (plan) {
          if (rights) assertMay(rights, plan);
          if (plan.references.length > 0) await verifyReferences(tx, directory, [plan]);
          plans.push(plan);
          byId.set(id, plan.after);
        }
        outcomes.push({ id, before, item: plan?.after ?? before, changed: plan !== null });
      } catch (error) {
        if (!(error instanceof UserError)) throw error;
        outcomes.push({ id, error });
      }
    }
    await writeItems(tx, plans, at, versions);
    return outcomes;
  }

  /** Validates new items, each by itself; ids are taken when they are to be written. */
  async function planEach(
    tx: Tx, config: Promise<ConfigVersions>, items: readonly NewItem[], origin: Origin, actor: Actor | null, takesIds: boolean,
  ): Promise<({ plan: ItemPlan } | { error: UserError })[]> {
    const at = now();
    const [versions, ids] = await Promise.all([
      config,
      takesIds ? tx.rows<{ id: number }>(sql`select nextval(pg_get_serial_sequence('items', 'id')) as id from generate_series(1, ${items.length})`) : [],
    ]);
    const [model, rights, directory] = await Promise.all([
      loadModel(tx, versions.crm),
      actor && people.access(tx, actor),
      people.directory(tx, versions.people),
    ]);
    const outcomes = items.map((item, index) => outcomeOf(() => {
      const plan = planCreation(model, ids[index]?.id ?? 0, item, origin, { currency: directory.company.currency }, at);
      if (rights) assertMay(rights, plan);
      return plan;
    }));
    const plans = outcomes.flatMap((outcome) => ('plan' in outcome ? [outcome.plan] : []));
    try {
      await verifyReferences(tx, directory, plans);
      return outcomes;
    } catch (error) {
      if (!(error instanceof UserError)) throw error;
    }
    // Somebody points at what is not there: each is asked by itself who.
    return Promise.all(outcomes.map(async (outcome) => {
      if (!('plan' in outcome)) return outcome;
      try {
        await verifyReferences(tx, directory, [outcome.plan]);
        return outcome;
      } catch (error) {
        if (!(error instanceof UserError)) throw error;
        return { error };
      }
    }));
  }

  /** Deletes items, each by itself: what may not be deleted stays and is told. */
  async function deleteEach(tx: Tx, ids: readonly number[], actor: Actor | null): Promise<{ id: number; error?: UserError }[]> {
    const rows = await lockItems(tx, ids);
    const rights = actor && (await people.access(tx, actor));
    const byId = new Map(rows.map((row) => [row.id, row]));
    const outcomes = ids.map((id) => {
      const row = byId.get(id);
      if (!row || (rights && !maySee(rights, actor, row))) return { id, error: new UserError('request.not_found', { kind: 'item', id }) };
      if (rights && !rights.mayTouch('delete', row)) return { id, error: new UserError('access.denied', { action: 'delete' }) };
      return { id };
    });
    const gone = outcomes.flatMap((outcome) => (outcome.error ? [] : [outcome.id]));
    if (gone.length === 0) return outcomes;
    await tx.run(sql`update items set deleted_at = ${now()}, version = version + 1 where id = any(${gone}::bigint[])`);
    await live.publish(tx, gone.flatMap((id) => [{ topic: `item:${id}`, what: 'item' }, itemsHint(byId.get(id)?.pipelineId ?? 0, gone.length > namedInHints ? undefined : id)]));
    for (const listener of deletionListeners) await listener(tx, gone);
    return outcomes;
  }

  return {
    /** Called inside every transaction that wrote items: robots cancel and re-plan, triggers watch fields. */
    onItemsWritten(listener: (tx: Tx, written: ItemsWritten) => Promise<void>): void {
      listeners.push(listener);
    },
    onItemsDeleted(listener: (tx: Tx, itemIds: readonly number[]) => Promise<void>): void {
      deletionListeners.push(listener);
    },
    writeItems,

    /**
     * Changes items, each by itself: one that is refused does not hold up the others.
     * `actor` null: the system acts, no rights are asked. Unknown and unseen items are `request.not_found`.
     */
    changeItems(tx: Tx, changes: readonly ItemChange[], origin: Origin, actor: Actor | null): Promise<ChangeOutcome[]> {
      return change(tx, changes.map((one) => ({ ...one, origin, actor })));
    },

    /** One change in a transaction of its own, shared with others that come at the same time (together.ts). */
    changeTogether: createTogether<SignedChange, ChangeOutcome>(db, change),

    /** Creates items, all or none. */
    async createItems(tx: Tx, items: readonly NewItem[], origin: Origin, actor: Actor | null): Promise<ItemRow[]> {
      const config = configVersions(tx);
      const outcomes = await planEach(tx, config, items, origin, actor, true);
      const plans = outcomes.map((outcome) => {
        if ('error' in outcome) throw outcome.error;
        return outcome.plan;
      });
      await writeItems(tx, plans, now(), await config);
      return plans.map((plan) => plan.after);
    },

    /** Creates items, each by itself: the outcome stands at the place of its item. `write` false: only says what would be refused. */
    async createEach(tx: Tx, items: readonly NewItem[], origin: Origin, actor: Actor | null, write = true): Promise<({ item: ItemRow } | { error: UserError })[]> {
      const config = configVersions(tx);
      const outcomes = await planEach(tx, config, items, origin, actor, write);
      if (write) await writeItems(tx, outcomes.flatMap((outcome) => ('plan' in outcome ? [outcome.plan] : [])), now(), await config);
      return outcomes.map((outcome) => ('plan' in outcome ? { item: outcome.plan.after } : outcome));
    },

    /** Deletes items: they disappear from lists, their waiting robots are cancelled, history stays. */
    async deleteItems(tx: Tx, ids: readonly number[], actor: Actor | null): Promise<void> {
      for (const { error } of await deleteEach(tx, ids, actor)) if (error) throw error;
    },

    deleteEach,

    /** A deleted item is back where it was. Whoever might delete it may do that. */
    async restoreItem(tx: Tx, id: number, actor: Actor): Promise<ItemRow> {
      const [row, rights, model] = await Promise.all([
        tx.first<ItemRow>(sql`select ${itemColumns} from items i where i.id = ${id} and i.deleted_at is not null for no key update of i`),
        people.access(tx, actor),
        loadModel(tx),
      ]);
      if (!row || !maySee(rights, actor, row)) throw new UserError('request.not_found', { kind: 'item', id });
      if (!rights.mayTouch('delete', row)) throw new UserError('access.denied', { action: 'delete' });
      const stage = model.stage(row.stageId);
      if (!stage || stage.deletedAt || model.pipeline(row.pipelineId)?.deletedAt) throw new UserError('item.stage_deleted', { stage: stage?.name ?? String(row.stageId) });
      await tx.run(sql`update items set deleted_at = null, version = version + 1, updated_at = ${now()}, updated_by = ${actor.employeeId || null} where id = ${id}`);
      await live.publish(tx, [{ topic: `item:${id}`, what: 'item' }, itemsHint(row.pipelineId, id)]);
      return { ...row, version: row.version + 1 };
    },

    /** One item, or undefined when it is not there or was deleted. No access check. */
    find(q: Queryable, id: number): Promise<ItemRow | undefined> {
      return q.first<ItemRow>(sql`select ${itemColumns} from items i where i.id = ${id} and i.deleted_at is null`);
    },
  };
}
