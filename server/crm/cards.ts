/**
 * What a person does with items from a card, a board or the API: create, change, move many, delete.
 * Each call is one transaction over the one write path (items.ts), with what only people need: files
 * they chose for a field must be files they may read, and a change that comes too late says what the
 * others changed meanwhile. Also the views of lists that people save.
 */
import { type Db, json, type Queryable, sql, type Tx } from '../db/db.ts';
import type { Drive } from '../drive/drive.ts';
import type { Actor, People } from '../people/people.ts';
import { UserError } from '../../shared/errors.ts';
import { type CrmAccess, maySee } from './access.ts';
import type { Invoices } from './invoices.ts';
import { type ChangeOutcome, type FieldChanges, itemColumns, type ItemChange, type ItemRow, type Items, type Origin } from './items.ts';
import type { ItemSelection, List } from './list.ts';
import type { CrmModel } from './model.ts';
import { systemFields } from './values.ts';

export interface SavedView {
  id: number;
  itemTypeId: number;
  name: string;
  isShared: boolean;
  query: Record<string, unknown>;
  position: number;
}

/** Who writes, as history will say it. */
export function originOf(actor: Actor): Origin {
  return { employeeId: actor.employeeId || null, cause: actor.via === 'token' ? 'api' : actor.via === 'system' ? 'system' : 'person' };
}

/** More at once belongs into an import. */
const maxItemsAtOnce = 10_000;

interface CardsDeps {
  db: Db;
  people: People;
  drive: Drive;
  items: Items;
  list: List;
  invoices: Invoices;
  access: CrmAccess;
  model: (q: Queryable, version?: number) => Promise<CrmModel>;
}

const systemCodes = new Set(systemFields.map((field) => field.code));

export function createCards({ db, people, drive, items, list, invoices, access, model: loadModel }: CardsDeps) {
  function fileIds(model: CrmModel, row: ItemRow | undefined): Set<number> {
    const ids = new Set<number>();
    if (!row) return ids;
    for (const field of model.fieldsOf(row.itemTypeId)) {
      if (field.type !== 'file') continue;
      const value = row.values[field.code];
      for (const id of Array.isArray(value) ? value : [value]) if (typeof id === 'number') ids.add(id);
    }
    return ids;
  }

  /** Hangs new files on the item, so that who sees the item opens them; takes off what no field holds any more. */
  async function syncFiles(tx: Tx, actor: Actor, before: ItemRow | undefined, after: ItemRow): Promise<void> {
    // Files hang on own fields only; a move changes none.
    if (before?.values === after.values) return;
    const model = await loadModel(tx);
    const [old, current] = [fileIds(model, before), fileIds(model, after)];
    const added = [...current].filter((id) => !old.has(id));
    const removed = [...old].filter((id) => !current.has(id));
    if (added.length > 0) await drive.attach(tx, { fileIds: added, targetKind: 'item', targetId: after.id, actor });
    if (removed.length > 0) await drive.detach(tx, { fileIds: removed, targetKind: 'item', targetId: after.id });
  }

  /** Names of the fields that were written since the item had this version. */
  async function changedSince(q: Queryable, itemId: number, writes: number): Promise<string[]> {
    const rows = await q.rows<{ fields: string[]; createdAt: Date }>(sql`
      select array(select jsonb_object_keys(changes)) as fields, created_at from item_changes where item_id = ${itemId}
      union all
      select array['stageId'], created_at from arrivals where item_id = ${itemId} and from_stage_id is not null
      order by created_at desc limit ${2 * writes}`);
    // Fields and stage of one write bear the same moment.
    const moments = [...new Set(rows.map((row) => row.createdAt.getTime()))].slice(0, writes);
    return [...new Set(rows.filter((row) => moments.includes(row.createdAt.getTime())).flatMap((row) => row.fields))];
  }

  return {
    async createItem(actor: Actor, input: { itemTypeId: number; pipelineId?: number; stageId?: number; fields: FieldChanges }): Promise<ItemRow> {
      return db.transaction(async (tx) => {
        const [row] = await items.createItems(tx, [input], originOf(actor), actor);
        if (!row) throw new Error('The item was not written.');
        await syncFiles(tx, actor, undefined, row);
        await invoices.completeInvoices(tx, [row]);
        return row;
      });
    },

    /** `version`: what the person saw. When others wrote meanwhile: `item.changed_meanwhile` with the names of the fields. */
    async changeItem(actor: Actor, itemId: number, changes: FieldChanges, version?: number): Promise<ItemRow> {
      const signed = { id: itemId, changes, version, origin: originOf(actor), actor };
      // Own fields may hold files, which are attached in the same transaction; everything else goes with what others change right now.
      const isPlain = Object.keys(changes).every((code) => systemCodes.has(code));
      const outcome = isPlain ? await items.changeTogether(signed) : await db.transaction(async (tx) => {
        const [one] = await items.changeItems(tx, [signed], signed.origin, actor);
        if (one && 'item' in one) await syncFiles(tx, actor, one.before, one.item);
        return one;
      });
      if (!outcome) throw new Error('The change has no outcome.');
      if ('item' in outcome) return outcome.item;
      const { error } = outcome;
      if (error.code !== 'item.changed_meanwhile' || version === undefined) throw error;
      const current = Number(error.params.version);
      const fields = current > version ? await changedSince(db, itemId, Math.min(current - version, 100)) : [];
      throw new UserError('item.changed_meanwhile', { ...error.params, fields }, 'version');
    },

    /** Changes many items, each by itself, with the files that their fields got. */
    async changeEach(tx: Tx, actor: Actor, changes: readonly ItemChange[], origin: Origin): Promise<ChangeOutcome[]> {
      const outcomes = await items.changeItems(tx, changes, origin, actor);
      for (const outcome of outcomes) if ('item' in outcome && outcome.changed) await syncFiles(tx, actor, outcome.before, outcome.item);
      return outcomes;
    },

    /**
     * Moves many items to a stage, each by itself: what is refused is reported and holds nobody up.
     * Items that stand there already are not moved and not counted.
     */
    async moveItems(actor: Actor, stageId: number, which: { itemIds: readonly number[] } | { filter: ItemSelection }): Promise<{ moved: number; refused: { itemId: number; error: UserError }[] }> {
      return db.transaction(async (tx) => {
        const ids = 'itemIds' in which ? [...new Set(which.itemIds)] : await list.selectIds(tx, actor, which.filter, maxItemsAtOnce + 1);
        if (ids.length > maxItemsAtOnce) throw new UserError('list.too_many', { max: maxItemsAtOnce });
        const outcomes = await items.changeItems(tx, ids.map((id) => ({ id, changes: { stageId } })), originOf(actor), actor);
        return {
          moved: outcomes.filter((outcome) => 'changed' in outcome && outcome.changed).length,
          refused: outcomes.flatMap((outcome) => ('error' in outcome ? [{ itemId: outcome.id, error: outcome.error }] : [])),
        };
      });
    },

    async deleteItem(actor: Actor, itemId: number): Promise<void> {
      await db.transaction(async (tx) => {
        const item = await access.visibleItem(tx, actor, itemId);
        if (!(await people.access(tx, actor)).mayTouch('delete', item)) throw new UserError('access.denied', { action: 'delete' });
        await items.deleteItems(tx, [itemId], actor);
      });
    },

    /** Takes back a deletion. Robots that were waiting stay cancelled: their moment may have passed. */
    async restoreItem(actor: Actor, itemId: number): Promise<ItemRow> {
      return db.transaction((tx) => items.restoreItem(tx, itemId, actor));
    },

    /** Items whose parent this one is, of every type, newest first; those that the actor may not see are left out. */
    async listChildren(q: Queryable, actor: Actor, itemId: number): Promise<ItemRow[]> {
      const [rights] = await Promise.all([people.access(q, actor), access.visibleItem(q, actor, itemId)]);
      const rows = await q.rows<ItemRow>(sql`
        select ${itemColumns} from items i where i.parent_id = ${itemId} and i.deleted_at is null order by i.id desc limit 200`);
      return rows.filter((row) => maySee(rights, actor, row));
    },

    // ——— Saved views of lists: one's own, and those an administrator made for all

    savedViews: (q: Queryable, actor: Actor, itemTypeId: number): Promise<SavedView[]> =>
      q.rows<SavedView>(sql`
        select id, item_type_id, name, employee_id is null as is_shared, query, position from saved_views
        where item_type_id = ${itemTypeId} and (employee_id is null or employee_id = ${actor.employeeId}) order by position, id limit 500`),
    async createView(q: Queryable, actor: Actor, input: { itemTypeId: number; name: string; isShared: boolean; query: Record<string, unknown> }): Promise<SavedView> {
      if (input.isShared && !actor.isAdmin) throw new UserError('access.admin_only');
      const type = (await loadModel(q)).itemType(input.itemTypeId);
      if (!type || type.deletedAt) throw new UserError('request.not_found', { kind: 'itemType', id: input.itemTypeId });
      const view = await q.first<SavedView>(sql`
        insert into saved_views (employee_id, item_type_id, name, query, position)
        values (${input.isShared ? null : actor.employeeId}, ${input.itemTypeId}, ${input.name}, ${json(input.query)},
          (select coalesce(max(position) + 1, 0) from saved_views where item_type_id = ${input.itemTypeId}))
        returning id, item_type_id, name, employee_id is null as is_shared, query, position`);
      if (!view) throw new Error('The view was not written.');
      return view;
    },
    async deleteView(q: Queryable, actor: Actor, id: number): Promise<void> {
      const gone = await q.run(sql`
        delete from saved_views where id = ${id} and (employee_id = ${actor.employeeId} or (employee_id is null and ${actor.isAdmin}::boolean))`);
      if (gone === 0) throw new UserError('request.not_found', { kind: 'view', id });
    },
  };
}

export type Cards = ReturnType<typeof createCards>;
