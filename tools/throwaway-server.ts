/**
 * A database server for one run of a tool: the embedded one in a temporary directory, or that of
 * DATABASE_URL, whose user must be allowed to create databases. Nothing stays behind after close().
 */
import { existsSync } from 'node:fs';
import { chmod, mkdtemp, readdir, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { openDb, raw, sql } from '../server/db/db.ts';
import { startEmbedded } from '../server/db/embedded.ts';

export interface ThrowawayServer {
  readonly url: string;
  /** What the names of all databases of this run begin with: several runs may share a server. */
  readonly runName: string;
  /** Returns its URL. Templates are names this returned before. */
  createDatabase(name: string): Promise<string>;
  close(): Promise<void>;
}

/** Data of tests and dumps are worth nothing. */
const notDurable = { fsync: 'off', synchronous_commit: 'off', full_page_writes: 'off', max_connections: '300' };

/** `isDurable`: as an installation runs, for tools that tell how long things take. */
export async function openThrowawayServer({ databaseUrl, isDurable = false }: { databaseUrl: string | undefined; isDurable?: boolean }): Promise<ThrowawayServer> {
  const { url, close } = databaseUrl ? { url: databaseUrl, close: async () => {} } : await startTemporary(isDurable ? {} : notDurable);
  const runName = `vestnik_test_${process.pid}_${Math.random().toString(36).slice(2, 8)}`;
  const admin = openDb(url, { max: 1 });
  await admin.run(sql`select 1`).catch(async (error: unknown) => {
    await admin.close();
    const cause = error instanceof Error && error.cause instanceof Error ? error.cause.message : String(error);
    throw new Error(`The database server of DATABASE_URL cannot be reached: ${cause}. Start it, or leave DATABASE_URL empty to use a temporary one.`);
  });
  return {
    url,
    runName,
    async createDatabase(name) {
      const database = `${runName}_${name}`;
      await admin.run(raw(`create database ${database}`));
      const created = new URL(url);
      created.pathname = `/${database}`;
      return created.href;
    },
    async close() {
      try {
        const left = await admin.rows<{ name: string }>(sql`select datname as name from pg_database where starts_with(datname, ${`${runName}_`})`);
        for (const { name } of left) await admin.run(raw(`drop database if exists ${name} with (force)`));
      } finally {
        await admin.close();
        await close();
      }
    },
  };
}

const directoryPrefix = 'vestnik-test-';

async function startTemporary(settings: Record<string, string>): Promise<{ url: string; close(): Promise<void> }> {
  await removeLeftovers();
  const dir = await mkdtemp(join(tmpdir(), directoryPrefix));
  // As root, the server runs as somebody else.
  await chmod(dir, 0o755);
  const remove = (): Promise<void> => rm(dir, { recursive: true, force: true });
  try {
    const server = await startEmbedded({ dataDir: join(dir, 'pg'), settings });
    return {
      url: server.url,
      async close() {
        await server.stop();
        await remove();
      },
    };
  } catch (error) {
    await remove();
    throw error;
  }
}

/** What runs that were killed left behind: a directory, and perhaps a server that still runs on it. */
async function removeLeftovers(): Promise<void> {
  for (const name of await readdir(tmpdir())) {
    const dataDir = join(tmpdir(), name, 'pg');
    if (!name.startsWith(directoryPrefix) || !existsSync(join(dataDir, 'owner.lock'))) continue;
    try {
      await (await startEmbedded({ dataDir, settings: notDurable })).stop();
      await rm(join(tmpdir(), name), { recursive: true, force: true });
    } catch {
      // Its run is alive, or it is somebody else's.
    }
  }
}
