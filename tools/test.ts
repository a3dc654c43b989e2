/**
 * Runs the tests: `npm test [-- <path prefix>… <flags of node --test>…]`.
 *
 * Starts one throwaway database server (or uses that of DATABASE_URL), makes a migrated template
 * there, which each test file clones, and hands over to node:test. Whatever happens, nothing stays
 * behind: no server, no directory, no database.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { glob } from 'node:fs/promises';
import { availableParallelism } from 'node:os';
import { join, relative } from 'node:path';
import { fileURLToPath } from 'node:url';
import { openDb } from '../server/db/db.ts';
import { migrate } from '../server/db/migrate.ts';
import { buildWeb } from './build-web.ts';
import { openThrowawayServer } from './throwaway-server.ts';

const root = fileURLToPath(new URL('..', import.meta.url));

async function findTestFiles(prefixes: string[]): Promise<string[]> {
  const wanted = prefixes.map((prefix) => relative(root, join(process.cwd(), prefix)));
  const files: string[] = [];
  for await (const file of glob('{server,shared,web,test,tools,bench}/**/*.test.ts', { cwd: root, exclude: (name) => name === 'dist' })) {
    if (wanted.length === 0 || wanted.some((prefix) => file.startsWith(prefix))) files.push(file);
  }
  return files.sort();
}

async function run(args: string[]): Promise<number> {
  const flags = args.filter((arg) => arg.startsWith('-'));
  const prefixes = args.filter((arg) => !arg.startsWith('-'));
  const files = await findTestFiles(prefixes);
  if (files.length === 0) {
    console.error(`No test file matches ${prefixes.join(', ')}. Arguments are beginnings of paths, such as server/people.`);
    return 1;
  }

  if (files.some((file) => file.startsWith('test/e2e/') || file.startsWith('server/http/'))) await buildWeb();

  // Ctrl-C reaches node:test as well, which ends; then we clean up and end too.
  let wasInterrupted = false;
  let child: ChildProcess | undefined;
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) {
    process.on(signal, () => {
      wasInterrupted = true;
      child?.kill(signal);
    });
  }

  const { DATABASE_URL: databaseUrl, ...env } = process.env;
  const server = await openThrowawayServer({ databaseUrl });
  try {
    const template = openDb(await server.createDatabase('template'), { max: 1 });
    await migrate(template);
    await template.close();
    if (wasInterrupted) return 130;

    const running = spawn(process.execPath, ['--test', `--test-concurrency=${availableParallelism()}`, ...flags, ...files], {
      cwd: root,
      stdio: 'inherit',
      env: { ...env, VESTNIK_TEST_SERVER_URL: server.url, VESTNIK_TEST_RUN: server.runName },
    });
    child = running;
    const code = await new Promise<number>((resolve) => running.on('exit', (exitCode) => resolve(exitCode ?? 1)));
    return wasInterrupted ? 130 : code;
  } finally {
    await server.close();
  }
}

process.exitCode = await run(process.argv.slice(2));
