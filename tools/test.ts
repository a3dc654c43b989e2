/** Runs the tests: starts one database server, makes the migrated template, hands over to node:test. */
import { spawn } from 'node:child_process';
import { chmod, mkdtemp, rm, readdir } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join, relative } from 'node:path';
import { openDb, raw } from '../server/db/db.ts';
import { startEmbedded } from '../server/db/embedded.ts';
import { migrate } from '../server/db/migrate.ts';

const root = new URL('..', import.meta.url).pathname;
const wanted = process.argv.slice(2);
const files = (await readdir(root, { recursive: true }))
  .filter((f) => /\.test\.ts$/.test(f) && !f.startsWith('node_modules'))
  .filter((f) => wanted.length === 0 || wanted.some((w) => f.startsWith(relative(root, join(root, w)))))
  .sort();
const dir = await mkdtemp(join(tmpdir(), 'vestnik-test-'));
await chmod(dir, 0o755); // the server runs as an unprivileged user
const server = await startEmbedded({ dataDir: join(dir, 'pg'), settings: { fsync: 'off', synchronous_commit: 'off', full_page_writes: 'off', max_connections: '300' } });
const admin = openDb(server.url, { max: 1 });
await admin.run(raw('create database vestnik_template'));
const templateUrl = new URL(server.url);
templateUrl.pathname = '/vestnik_template';
const template = openDb(templateUrl.href, { max: 1 });
await migrate(template);
await template.close();
await admin.close();
const run = spawn(process.execPath, ['--test', '--test-concurrency=2', ...files], { cwd: root, stdio: 'inherit', env: { ...process.env, VESTNIK_TEST_SERVER_URL: server.url } });
const code = await new Promise<number>((resolve) => run.on('exit', (c) => resolve(c ?? 1)));
await server.stop();
await rm(dir, { recursive: true, force: true });
process.exitCode = code;
