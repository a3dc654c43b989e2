/** What the health check asks the database: the queues of work, read only, whoever owns them. */
import { type Queryable, sql } from '../db/db.ts';

/** When the longest waiting piece of work fell due; null: nothing is due. Three index reads. */
export async function oldestDueWork(q: Queryable, now: Date): Promise<Date | null> {
  const row = await q.first<{ dueAt: Date | null }>(sql`
    select least(
      (select min(due_at) from arrival_queue where due_at <= ${now}),
      (select min(due_at) from runs where state = 'waiting' and due_at <= ${now}),
      (select min(due_at) from deliveries where state = 'queued' and due_at <= ${now})
    ) due_at`);
  return row?.dueAt ?? null;
}
