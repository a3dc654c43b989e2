/**
 * Runs the tests: `npm test [-- <path prefix>… <flags of node --test>…]`.
 *
 * Starts one throwaway database server (or uses that of DATABASE_URL, whose user must be allowed to
 * create databases), makes a migrated template there, which each test file clones, and hands over to
 * node:test. Whatever happens, nothing stays behind: no server, no directory, no database.
 */
import { spawn } from 'node:child_process';
import { chmod, glob, mkdtemp, rm } from 'node:fs/promises';
import { availableParallelism, tmpdir } from 'node:os';
import { join, relative } from 'node:path';
import { fileURLToPath } from 'node:url';
import { openDb, raw, sql } from '../server/db/db.ts';
import { startEmbedded } from '../server/db/embedded.ts';
import { migrate } from '../server/db/migrate.ts';

const root = fileURLToPath(new URL('..', import.meta.url));

/** A server for this run, and how to leave it as it was. */
async function openServer(): Promise<{ url: string; close(): Promise<void> }> {
  if (process.env.DATABASE_URL) return { url: process.env.DATABASE_URL, close: async () => {} };
  const dir = await mkdtemp(join(tmpdir(), 'vestnik-test-'));
  // As root, the server runs as somebody else.
  await chmod(dir, 0o755);
  const remove = (): Promise<void> => rm(dir, { recursive: true, force: true });
  try {
    const server = await startEmbedded({
      dataDir: join(dir, 'pg'),
      settings: { fsync: 'off', synchronous_commit: 'off', full_page_writes: 'off', max_connections: '300' },
    });
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

function urlOf(serverUrl: string, database: string): string {
  const url = new URL(serverUrl);
  url.pathname = `/${database}`;
  return url.href;
}

async function testFiles(prefixes: string[]): Promise<string[]> {
  const wanted = prefixes.map((prefix) => relative(root, join(process.cwd(), prefix)));
  const files: string[] = [];
  for await (const file of glob('{server,shared,test,tools,bench}/**/*.test.ts', { cwd: root })) {
    if (wanted.length === 0 || wanted.some((prefix) => file.startsWith(prefix))) files.push(file);
  }
  return files.sort();
}

async function run(args: string[]): Promise<number> {
  const flags = args.filter((arg) => arg.startsWith('-'));
  const prefixes = args.filter((arg) => !arg.startsWith('-'));
  const files = await testFiles(prefixes);
  if (files.length === 0) {
    console.error(`No test file matches ${prefixes.join(', ')}. Arguments are beginnings of paths, such as server/people.`);
    return 1;
  }

  // Ctrl-C reaches node:test as well, which ends; then we clean up and end too.
  let wasInterrupted = false;
  let child: ReturnType<typeof spawn> | undefined;
  for (const signal of ['SIGINT', 'SIGTERM'] as const) {
    process.on(signal, () => {
      wasInterrupted = true;
      child?.kill(signal);
    });
  }

  const server = await openServer();
  // Several runs may share a server, so everything of this one carries its name.
  const runName = `vestnik_test_${process.pid}_${Math.random().toString(36).slice(2, 8)}`;
  const templateName = `${runName}_template`;
  const admin = openDb(server.url, { max: 1 });
  try {
    await admin.run(raw(`create database ${templateName}`));
    const template = openDb(urlOf(server.url, templateName), { max: 1 });
    await migrate(template);
    await template.close();
    if (wasInterrupted) return 130;

    const { DATABASE_URL: _, ...env } = process.env;
    const running = spawn(process.execPath, ['--test', `--test-concurrency=${availableParallelism()}`, ...flags, ...files], {
      cwd: root,
      stdio: 'inherit',
      env: { ...env, VESTNIK_TEST_SERVER_URL: server.url, VESTNIK_TEST_RUN: runName },
    });
    child = running;
    const code = await new Promise<number>((resolve) => running.on('exit', (exitCode) => resolve(exitCode ?? 1)));
    return wasInterrupted ? 130 : code;
  } finally {
    const left = await admin.rows<{ name: string }>(sql`select datname as name from pg_database where starts_with(datname, ${runName})`);
    for (const { name } of left) await admin.run(raw(`drop database if exists ${name} with (force)`));
    await admin.close();
    await server.close();
  }
}

process.exitCode = await run(process.argv.slice(2));
