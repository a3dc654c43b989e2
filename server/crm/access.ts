/**
 * Who may see an item, a pipeline, a client: asked by routes, and by live and drive about what hangs
 * on them. An observer may open the item whatever the roles say; lists go by roles alone, because a
 * filter by observers would cost every page its index.
 */
import { type Queryable, sql } from '../db/db.ts';
import type { AccessRights, Actor, People } from '../people/people.ts';
import { UserError } from '../../shared/errors.ts';
import type { ItemRow, Items } from './items.ts';
import type { CrmModel } from './model.ts';

export function maySee(rights: AccessRights, actor: Actor, item: ItemRow): boolean {
  return rights.mayTouch('view', item) || item.observerIds.includes(actor.employeeId);
}

/** Whether the person has the right to anything at all: who works with no item has no business with clients. */
export function hasAny(rights: AccessRights, model: CrmModel, action: 'view' | 'add'): boolean {
  return model.pipelines.some((pipeline) => rights.scope(action, pipeline.itemTypeId, pipeline.id) !== 'none');
}

export function createAccess({ people, items, model: loadModel }: { people: People; items: Items; model: (q: Queryable) => Promise<CrmModel> }) {
  return {
    /** The item; `request.not_found` when it is not there, was deleted, or may not be seen. */
    async visibleItem(q: Queryable, actor: Actor, itemId: number): Promise<ItemRow> {
      const [item, rights] = await Promise.all([items.find(q, itemId), people.access(q, actor)]);
      if (!item || !maySee(rights, actor, item)) throw new UserError('request.not_found', { kind: 'item', id: itemId });
      return item;
    },
    async mayViewItem(q: Queryable, actor: Actor, itemId: number): Promise<boolean> {
      const [item, rights] = await Promise.all([items.find(q, itemId), people.access(q, actor)]);
      return item !== undefined && maySee(rights, actor, item);
    },
    /** Which of these items exist and may be seen; the order is not kept. For lists of things that link to items. */
    async visibleItems(q: Queryable, actor: Actor, itemIds: readonly number[]): Promise<{ id: number; title: string; itemTypeId: number; stageId: number }[]> {
      if (itemIds.length === 0) return [];
      type Row = Pick<ItemRow, 'id' | 'title' | 'itemTypeId' | 'pipelineId' | 'stageId' | 'ownerId' | 'observerIds'>;
      const [rows, rights] = await Promise.all([
        q.rows<Row>(sql`
          select id, title, item_type_id, pipeline_id, stage_id, owner_id, observer_ids from items where id = any(${itemIds}::bigint[]) and deleted_at is null`),
        people.access(q, actor),
      ]);
      return rows
        .filter((row) => rights.mayTouch('view', row) || row.observerIds.includes(actor.employeeId))
        .map(({ id, title, itemTypeId, stageId }) => ({ id, title, itemTypeId, stageId }));
    },
    /** What the actor may do with an item that he sees. */
    async itemRights(q: Queryable, actor: Actor, itemId: number): Promise<{ change: boolean; move: boolean; delete: boolean }> {
      const [item, rights] = await Promise.all([items.find(q, itemId), people.access(q, actor)]);
      if (!item || !maySee(rights, actor, item)) throw new UserError('request.not_found', { kind: 'item', id: itemId });
      return { change: rights.mayTouch('change', item), move: rights.mayTouch('move', item), delete: rights.mayTouch('delete', item) };
    },
    async mayViewPipeline(q: Queryable, actor: Actor, pipelineId: number): Promise<boolean> {
      const [model, rights] = await Promise.all([loadModel(q), people.access(q, actor)]);
      const pipeline = model.pipeline(pipelineId);
      return pipeline !== undefined && !pipeline.deletedAt && rights.scope('view', pipeline.itemTypeId, pipeline.id) !== 'none';
    },
    async mayViewClients(q: Queryable, actor: Actor): Promise<boolean> {
      const [model, rights] = await Promise.all([loadModel(q), people.access(q, actor)]);
      return hasAny(rights, model, 'view');
    },
  };
}

export type CrmAccess = ReturnType<typeof createAccess>;
