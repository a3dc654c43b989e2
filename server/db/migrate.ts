/**
 * Migrations: migrations/NNNN_what_it_does.sql, forward only, one transaction each, never edited once
 * merged. Two starters at once take turns under an advisory lock.
 */
import { readdir, readFile } from 'node:fs/promises';
import { type Db, raw, sql } from './db.ts';

const folder = new URL('./migrations/', import.meta.url);
/** Any constant that nothing else in the database uses. */
const lockKey = 7_463_001;

/** The oldest PostgreSQL that knows everything our SQL uses. */
const oldestServer = 15;

/** Brings the database to the newest version. Throws a sentence when it cannot be used. Returns the names of the migrations it applied. */
export async function migrate(db: Db): Promise<string[]> {
  const files = (await readdir(folder)).filter((name) => /^\d{4}_.*\.sql$/.test(name)).sort();
  await checkServer(db);
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

async function checkServer(db: Db): Promise<void> {
  const server = await db.first<{ version: number; encoding: string }>(
    sql`select current_setting('server_version_num')::int / 10000 as version, current_setting('server_encoding') as encoding`,
  );
  if (server === undefined) return;
  if (server.version < oldestServer) throw new Error(`The database server is PostgreSQL ${server.version}; Vestnik needs ${oldestServer} or newer. Upgrade it, or point DATABASE_URL to another one.`);
  if (server.encoding !== 'UTF8') throw new Error(`The database is encoded in ${server.encoding}, and Vestnik needs UTF8. Create one with: create database vestnik encoding 'UTF8' template template0.`);
}

/** Statements of a migration end with a semicolon at the end of a line; ours hold no function bodies. */
function statements(text: string): string[] {
  return text
    .replace(/^\s*--.*$/gm, '')
    .split(/;\s*$/m)
    .map((statement) => statement.trim())
    .filter((statement) => statement !== '');
}
