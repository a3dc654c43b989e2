/**
 * Bulk actions: moving, changing or deleting many items, in the background and in batches.
 *
 *   running → done | cancelled | failed
 *
 * What is to be done stands as rows in `bulk_action_items`; a batch takes some, changes their items on the one
 * write path with the rights its employee has at that moment, and counts, all in one transaction: a crash
 * neither doubles nor loses an item. One that is refused is told and holds nobody up. A batch that fails by our
 * fault is tried five times, then the action ends as failed, and says how far it came.
 *
 * Does not do: undo. Does not know robots: what they would do is asked of a forecaster that they register.
 */
import type { BulkAction, BulkWork, Forecast } from '../../shared/api/crm-work.ts';
import { errorMessage } from '../../shared/messages.ts';
import { type ErrorCode, type ErrorParams, UserError } from '../../shared/errors.ts';
import { type Db, json, type Queryable, sql, type Tx } from '../db/db.ts';
import type { Jobs, Loop } from '../jobs/jobs.ts';
import type { Live } from '../live/live.ts';
import type { Actor, People } from '../people/people.ts';
import { type Cards, originOf } from './cards.ts';
import type { Items } from './items.ts';
import type { ItemSelection, List } from './list.ts';

/** What robots would do with items that arrive at stages; the transaction is rolled back afterwards. */
export type Forecaster = (tx: Tx, actor: Actor, arrivals: readonly { itemId: number; stageId: number }[]) => Promise<{ robots: number; messages: number; people: number[] }>;

export type WhichItems = { itemIds: readonly number[] } | { filter: ItemSelection };

interface BulkRow {
  id: number;
  employeeId: number;
  itemTypeId: number | null;
  action: BulkWork;
  isSilent: boolean;
  cause: string;
  state: BulkAction['state'];
  total: number;
  done: number;
  unchanged: number;
  refused: number;
  refusals: { itemId: number; code: ErrorCode; params: ErrorParams }[];
  attempts: number;
  createdAt: Date;
  finishedAt: Date | null;
}

const bulkColumns = sql`id, employee_id, item_type_id, action, is_silent, cause, state, total, done, unchanged, refused, refusals, attempts, created_at, finished_at`;

export const bulkLoop = 'bulk-actions';
const maxItems = 200_000;
const itemsPerBatch = 200;
/** Enough to tell exactly what a hand full of cards sets off, and about what a thousand do. */
export const forecastSample = 20;
const maxRefusalsKept = 100;
const maxAttempts = 5;

interface BulkDeps {
  db: Db;
  live: Live;
  people: People;
  jobs: Jobs;
  items: Items;
  cards: Cards;
  list: List;
  now: () => Date;
}

/** The employee as acting in the background; undefined when he works here no more. */
export async function actorInBackground(q: Queryable, people: People, employeeId: number, via: Actor['via']): Promise<Actor | undefined> {
  const employee = (await people.directory(q)).employee(employeeId);
  if (!employee || employee.dismissedAt) return undefined;
  return { employeeId, isAdmin: employee.isAdmin, language: employee.language, timeZone: employee.timeZone, via };
}

export function createBulk({ db, live, people, jobs, items, cards, list, now }: BulkDeps) {
  let forecaster: Forecaster | undefined;

  function viewOf(row: BulkRow, actor: Actor): BulkAction {
    const { id, action, state, total, done, unchanged, refused, createdAt, finishedAt } = row;
    return {
      id, action, state, total, done, unchanged, refused, createdAt, finishedAt,
      refusals: row.refusals.map(({ itemId, code, params }) => ({ itemId, code, message: errorMessage(actor.language, code, params) })),
    };
  }

  async function idsOf(q: Queryable, actor: Actor, which: WhichItems): Promise<number[]> {
    if ('itemIds' in which) return [...new Set(which.itemIds)];
    const ids = await list.selectIds(q, actor, which.filter, maxItems + 1);
    if (ids.length > maxItems) throw new UserError('list.too_many', { max: maxItems });
    return ids;
  }

  async function find(q: Queryable, actor: Actor, id: number): Promise<BulkRow> {
    const row = await q.first<BulkRow>(sql`select ${bulkColumns} from bulk_actions where id = ${id} and employee_id = ${actor.employeeId}`);
    if (!row) throw new UserError('request.not_found', { kind: 'bulkAction', id });
    return row;
  }

  const tell = (tx: Tx, row: { id: number; employeeId: number }) => live.publish(tx, [{ topic: `employee:${row.employeeId}`, what: 'bulkAction', id: row.id }]);

  /** Does the work on these items; what was refused, and how many were so already. */
  async function workOn(tx: Tx, row: BulkRow, actor: Actor, ids: readonly number[]): Promise<{ unchanged: number; refusals: { itemId: number; error: UserError }[] }> {
    const origin = { ...originOf(actor), isSilent: row.isSilent };
    if (row.action.kind === 'delete') {
      const outcomes = await items.deleteEach(tx, ids, actor);
      return { unchanged: 0, refusals: outcomes.flatMap(({ id, error }) => (error ? [{ itemId: id, error }] : [])) };
    }
    const changes = row.action.kind === 'move' ? { stageId: row.action.stageId } : row.action.fields;
    const outcomes = await cards.changeEach(tx, actor, ids.map((id) => ({ id, changes })), origin);
    return {
      unchanged: outcomes.filter((outcome) => 'changed' in outcome && !outcome.changed).length,
      refusals: outcomes.flatMap((outcome) => ('error' in outcome ? [{ itemId: outcome.id, error: outcome.error }] : [])),
    };
  }

  async function batch(tx: Tx): Promise<{ row: BulkRow; worked: number } | undefined> {
    const row = await tx.first<BulkRow>(sql`
      select ${bulkColumns} from bulk_actions where state = 'running' order by attempts, id limit 1 for update skip locked`);
    if (!row) return undefined;
    const actor = await actorInBackground(tx, people, row.employeeId, row.cause === 'api' ? 'token' : 'session');
    if (!actor) {
      await finish(tx, row, 'cancelled');
      return { row, worked: 1 };
    }
    const taken = await tx.rows<{ itemId: number }>(sql`
      delete from bulk_action_items where action_id = ${row.id} and item_id in (
        select item_id from bulk_action_items where action_id = ${row.id} order by item_id limit ${itemsPerBatch}) returning item_id`);
    const ids = taken.map(({ itemId }) => itemId).sort((a, b) => a - b);
    const { unchanged, refusals } = ids.length === 0 ? { unchanged: 0, refusals: [] } : await workOn(tx, row, actor, ids);
    const kept = [...row.refusals, ...refusals.map(({ itemId, error }) => ({ itemId, code: error.code, params: error.params }))].slice(0, maxRefusalsKept);
    await tx.run(sql`
      update bulk_actions set done = done + ${ids.length}, unchanged = unchanged + ${unchanged}, refused = refused + ${refusals.length},
        refusals = ${json(kept)}, attempts = 0 where id = ${row.id}`);
    if (ids.length < itemsPerBatch) await finish(tx, row, 'done');
    await tell(tx, row);
    return { row, worked: Math.max(1, ids.length) };
  }

  async function finish(tx: Tx, row: Pick<BulkRow, 'id' | 'employeeId'>, state: BulkAction['state']): Promise<void> {
    await tx.run(sql`delete from bulk_action_items where action_id = ${row.id}`);
    await tx.run(sql`update bulk_actions set state = ${state}, finished_at = ${now()} where id = ${row.id}`);
    await tell(tx, row);
  }

  /** A batch that failed by our fault comes up again behind the others; after some tries its action is over. */
  async function putOff(): Promise<void> {
    await db.transaction(async (tx) => {
      const row = await tx.first<BulkRow>(sql`
        update bulk_actions set attempts = attempts + 1 where id = (select id from bulk_actions where state = 'running' order by attempts, id limit 1 for update skip locked)
        returning ${bulkColumns}`);
      if (row && row.attempts >= maxAttempts) await finish(tx, row, 'failed');
    });
  }

  const loop: Loop = {
    name: bulkLoop,
    lanes: 1,
    pollMs: 2000,
    async work() {
      try {
        const outcome = await db.transaction(batch);
        return { worked: outcome?.worked ?? 0, hasMore: outcome !== undefined };
      } catch (error) {
        await putOff();
        throw error;
      }
    },
  };

  return {
    bulkActionsLoop: loop,

    /** Whoever knows what robots would do says it here. */
    useForecaster(wise: Forecaster): void {
      forecaster = wise;
    },
    forecaster: (): Forecaster | undefined => forecaster,

    /** How many people a bulk move would inform, and how many times. Rolled back: nothing is written or sent. */
    async forecastMove(actor: Actor, stageId: number, which: WhichItems): Promise<Forecast> {
      return db.transaction(async (tx) => {
        const ids = await idsOf(tx, actor, which);
        const sample = ids.slice(0, forecastSample);
        const outcomes = await items.changeItems(tx, sample.map((id) => ({ id, changes: { stageId } })), { ...originOf(actor), isSilent: true }, actor);
        const arrivals = outcomes.flatMap((outcome) => ('changed' in outcome && outcome.changed ? [{ itemId: outcome.id, stageId }] : []));
        const told = forecaster && arrivals.length > 0 ? await forecaster(tx, actor, arrivals) : { robots: 0, messages: 0, people: [] };
        const times = sample.length === 0 ? 0 : ids.length / sample.length;
        return {
          items: ids.length, robots: Math.round(told.robots * times), messages: Math.round(told.messages * times), people: told.people.length,
          isExact: sample.length === ids.length,
        };
      }, { dryRun: true });
    },

    async startBulkAction(actor: Actor, input: { action: BulkWork; isSilent: boolean } & { which: WhichItems }): Promise<BulkAction> {
      return db.transaction(async (tx) => {
        const ids = await idsOf(tx, actor, input.which);
        const row = await tx.first<BulkRow>(sql`
          insert into bulk_actions (employee_id, item_type_id, action, is_silent, cause, total, created_at)
          values (${actor.employeeId}, ${'filter' in input.which ? input.which.filter.itemTypeId : null}, ${json(input.action)}, ${input.isSilent},
            ${originOf(actor).cause}, ${ids.length}, ${now()}) returning ${bulkColumns}`);
        if (!row) throw new Error('The bulk action was not written.');
        await tx.run(sql`insert into bulk_action_items (action_id, item_id) select ${row.id}, id from unnest(${ids}::bigint[]) id`);
        await jobs.wake(tx, bulkLoop);
        return viewOf(row, actor);
      });
    },

    async bulkAction(q: Queryable, actor: Actor, id: number): Promise<BulkAction> {
      return viewOf(await find(q, actor, id), actor);
    },
    /** One's own that are under way, and the last ones that are over. */
    async bulkActions(q: Queryable, actor: Actor): Promise<BulkAction[]> {
      const rows = await q.rows<BulkRow>(sql`select ${bulkColumns} from bulk_actions where employee_id = ${actor.employeeId} order by id desc limit 20`);
      return rows.map((row) => viewOf(row, actor));
    },
    /** What is done stays done; the rest is left alone. */
    async cancelBulkAction(actor: Actor, id: number): Promise<BulkAction> {
      return db.transaction(async (tx) => {
        const row = await find(tx, actor, id);
        // Waits for the batch under way.
        const locked = await tx.first<{ state: string }>(sql`select state from bulk_actions where id = ${id} for update`);
        if (locked?.state === 'running') await finish(tx, row, 'cancelled');
        return viewOf(await find(tx, actor, id), actor);
      });
    },
  };
}

export type Bulk = ReturnType<typeof createBulk>;
