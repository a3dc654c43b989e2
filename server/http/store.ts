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

/** What the database says of itself; sizes are those of the files, asked of the file system. */
export async function databaseFigures(q: Queryable): Promise<{ bytes: number; version: string; tables: { name: string; bytes: number }[] }> {
  const [about, tables] = await Promise.all([
    q.first<{ bytes: number; version: string }>(sql`select pg_database_size(current_database()) as bytes, current_setting('server_version') as version`),
    q.rows<{ name: string; bytes: number }>(sql`
      select relname as name, pg_total_relation_size(oid) as bytes from pg_class
      where relkind = 'r' and relnamespace = current_schema()::regnamespace order by 2 desc limit 6`),
  ]);
  return { bytes: about?.bytes ?? 0, version: about?.version ?? '', tables };
}

/** Processes of the product by the name they connect under. */
export const connectedProcesses = (q: Queryable): Promise<{ name: string; connections: number }[]> =>
  q.rows(sql`select application_name as name, count(*)::int as connections from pg_stat_activity
    where datname = current_database() and application_name like 'vestnik %' group by 1 order by 1`);
