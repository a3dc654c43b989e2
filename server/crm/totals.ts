/**
 * Totals: how many items stand on each stage and what they are worth, kept by owner, so that a board of a
 * million items opens at once. Triggers on `items` append what each statement added and took to
 * `stage_deltas` (0050_stage_totals.sql): nobody who moves an item waits for another's row. The loop here folds
 * them into `stage_totals`; a reader adds both up in one snapshot, so that the answer is exact at any moment.
 */
import { empty, type Queryable, raw, sql, type Db } from '../db/db.ts';
import type { Loop } from '../jobs/jobs.ts';

/** Of one stage and one currency. */
export interface StageTotal {
  stageId: number;
  currency: string;
  count: number;
  /** null: no item has an amount. */
  amount: number | null;
}

/** What stands on these stages; `ownerIds` narrows it to items of these people. */
export function stageTotals(q: Queryable, stageIds: readonly number[], ownerIds: readonly number[] | 'all'): Promise<StageTotal[]> {
  const kept = (table: string) => sql`
    select stage_id, currency, count, priced, amount from ${raw(table)}
    where stage_id = any(${stageIds}::bigint[]) ${ownerIds === 'all' ? empty : sql`and owner_id = any(${ownerIds}::bigint[])`}`;
  return q.rows<StageTotal>(sql`
    select stage_id, currency, sum(count) as count, case when sum(priced) > 0 then sum(amount) end as amount
    from (${kept('stage_totals')} union all ${kept('stage_deltas')}) both_of_them
    group by stage_id, currency having sum(count) > 0 order by currency`);
}

/** As many as a second of moving leaves; more take another round. */
const foldAtOnce = 20_000;

export function createTotalsLoop(db: Db): Loop {
  return {
    name: 'stage-totals',
    lanes: 1,
    pollMs: 2000,
    async work() {
      // One at a time in the whole company: two would wait for each other's totals. Lost with power, they are
      // lost together, deltas standing as before.
      const folded = await db.transaction(async (tx) => {
        const row = await tx.first<{ folded: number }>(sql`
          with turn as materialized (select pg_try_advisory_xact_lock(hashtext('stage-totals')) as is_mine),
          taken as (
            delete from stage_deltas where (select is_mine from turn) and ctid = any(array(select ctid from stage_deltas limit ${foldAtOnce}))
            returning *
          ), folded as (
            insert into stage_totals as t (stage_id, owner_id, currency, count, priced, amount)
            select stage_id, owner_id, currency, sum(count), sum(priced), sum(amount) from taken group by 1, 2, 3
            on conflict (stage_id, owner_id, currency) do update
            set count = t.count + excluded.count, priced = t.priced + excluded.priced, amount = t.amount + excluded.amount
          )
          select count(*) as folded from taken`);
        return row?.folded ?? 0;
      }, { asyncCommit: true });
      return { worked: folded, hasMore: folded === foldAtOnce };
    },
  };
}
