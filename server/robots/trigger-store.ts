/** All SQL of triggers. Takes the transaction first; returns plain rows. */
import { type Queryable, sql } from '../db/db.ts';

/** What each of the triggers did since the moment, and how many items wait for their date. */
export function countTriggerRuns(q: Queryable, triggerIds: readonly number[], since: Date): Promise<{ triggerId: number; moved: number; failed: number; waiting: number }[]> {
  return q.rows(sql`
    select t.id as trigger_id, r.moved, r.failed, (select count(*) from trigger_waits w where w.trigger_id = t.id) as waiting
    from unnest(${triggerIds}::bigint[]) t(id), lateral (
      select count(*) filter (where state = 'done') as moved, count(*) filter (where state = 'failed') as failed
      from trigger_runs r where r.trigger_id = t.id and r.created_at > ${since}) r`);
}
