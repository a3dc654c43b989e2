/**
 * Migrations: migrations/NNNN_what_it_does.sql, forward only, one transaction each, never edited once
 * merged. Two starters at once take turns under an advisory lock.
 */
import { readdir, readFile } from 'node:fs/promises';
import { type Db, raw, sql } from './db.ts';

const folder = new URL('./migrations/', import.meta.url);
/** Any constant that nothing else in the database uses. */
const lockKey = 7_463_001;

/** Brings the database to the newest version. Returns the names of the migrations it applied. */
export async function migrate(db: Db): Promise<string[]> {
  const files = (await readdir(folder)).filter((name) => /^\d{4}_.*\.sql$/.test(name)).sort();
  return db.transaction(async (tx) => {
    await tx.run(sql`select pg_advisory_xact_lock(${lockKey})`);
    await tx.run(sql`create table if not exists migrations (name text primary key, applied_at timestamptz not null default now())`);
    const applied = new Set((await tx.rows<{ name: string }>(sql`select name from migrations`)).map((row) => row.name));
    const newer = [...applied].find((name) => !files.includes(name));
    if (newer !== undefined) {
      throw new Error(`The database was written by a newer Vestnik (migration ${newer} is unknown here). Install that version, or restore a backup.`);
    }
    const fresh: string[] = [];
    for (const name of files) {
      if (applied.has(name)) continue;
      for (const statement of statements(await readFile(new URL(name, folder), 'utf8'))) await tx.run(raw(statement));
      await tx.run(sql`insert into migrations (name) values (${name})`);
      fresh.push(name);
    }
    return fresh;
  });
}

/** Statements of a migration end with a semicolon at the end of a line; ours hold no function bodies. */
function statements(text: string): string[] {
  return text
    .replace(/^\s*--.*$/gm, '')
    .split(/;\s*$/m)
    .map((statement) => statement.trim())
    .filter((statement) => statement !== '');
}
