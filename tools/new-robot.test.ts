import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { cp, mkdtemp, readdir, readFile, rm, symlink } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { promisify } from 'node:util';
import { newRobot } from './new-robot.ts';

const root = new URL('..', import.meta.url).pathname;
const copy = await mkdtemp(join(tmpdir(), 'vestnik-new-robot-'));
after(() => rm(copy, { recursive: true, force: true }));
for (const part of ['server', 'shared', 'locales', 'test/support', 'package.json']) await cp(join(root, part), join(copy, part), { recursive: true });
await symlink(join(root, 'node_modules'), join(copy, 'node_modules'));
const catalogFile = join(copy, 'server/robots/catalog.ts');

test('a new robot is a folder of five files and two lines of the catalogue, and keeps the contract at once', async () => {
  const before = (await readFile(catalogFile, 'utf8')).split('\n');
  await newRobot(copy, 'send-pigeon');
  await newRobot(copy, 'a-first');
  await newRobot(copy, 'zebra');
  assert.deepEqual((await readdir(join(copy, 'server/robots/types/send-pigeon'))).sort(), ['en.json', 'icon.svg', 'robot.test.ts', 'robot.ts', 'ru.json']);
  const lines = (await readFile(catalogFile, 'utf8')).split('\n');
  assert.equal(lines.length, before.length + 6);
  const imports = lines.filter((line) => line.includes('/types/') && line.startsWith('import'));
  assert.deepEqual(imports, [...imports].sort((a, b) => (/'.*'/.exec(a)?.[0] ?? '').localeCompare(/'.*'/.exec(b)?.[0] ?? '', 'en')));

  const files = ['server/robots/catalog.test.ts', ...['send-pigeon', 'a-first', 'zebra'].map((id) => `server/robots/types/${id}/robot.test.ts`)];
  // Without the variable of this run, or the child reports to it instead of running by itself.
  const { NODE_TEST_CONTEXT: _, ...env } = process.env;
  const { stdout } = await promisify(execFile)(process.execPath, ['--test', '--test-reporter=tap', ...files], { cwd: copy, env }).catch((error) => assert.fail(error.stdout));
  assert.match(stdout, /^# fail 0$/m);
  assert.match(stdout, /Subtest: send-pigeon/);
});

test('an id that is no id, is taken or is a word of the language is refused, and nothing is written', async () => {
  const before = await readFile(catalogFile, 'utf8');
  for (const id of ['', 'Send', '../x', 'send--pigeon', '-x', 'x_y', 'я', 'a'.repeat(41)]) await assert.rejects(newRobot(copy, id), /npm run new:robot/, id);
  await assert.rejects(newRobot(copy, 'notify'), /is there already/);
  for (const id of ['delete', 'await', 'text', 'robot-types']) await assert.rejects(newRobot(copy, id), /is taken/, id);
  assert.equal(await readFile(catalogFile, 'utf8'), before);
  assert.ok(!(await readdir(join(copy, 'server/robots/types'))).includes('delete'));
});
