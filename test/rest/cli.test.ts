/** `npm run vestnik`: a webhook and a token made at the machine, beside a Vestnik that runs. */
import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { restClient } from '../support/rest.ts';
import { startTestVestnik } from '../support/vestnik.ts';

const vestnik = await startTestVestnik();
const { admin, given } = vestnik;
const script = fileURLToPath(new URL('../../tools/vestnik.ts', import.meta.url));

function cli(...args: string[]): Promise<{ code: number; stdout: string; stderr: string }> {
  const { databaseUrl, dataDir, secret } = vestnik.options;
  const env = { ...process.env, DATABASE_URL: databaseUrl, DATA_DIR: dataDir, VESTNIK_SECRET: secret, PUBLIC_URL: vestnik.url };
  return new Promise((resolve) => {
    const child = execFile(process.execPath, [script, ...args], { env }, (_error, stdout, stderr) => resolve({ code: child.exitCode ?? 1, stdout, stderr }));
  });
}

test('«webhook create» prints an address that works as the employee, and «revoke» ends it', async () => {
  const anna = await given.employee({ firstName: 'Анна' });
  const { code, stdout } = await cli('webhook', 'create', '--employee', String(anna.id), '--name', 'Форма');
  assert.equal(code, 0);
  assert.match(stdout, new RegExp(`^${vestnik.url}/rest/${anna.id}/[a-z0-9]+/\n$`));
  const hook = restClient(stdout.trim());
  assert.equal((await hook.call('profile')).NAME, 'Анна');
  const [id] = (await cli('webhook', 'list')).stdout.split('\t');
  assert.equal((await cli('webhook', 'revoke', '--id', id!)).code, 0);
});

test('«app create» prints a token for methods that need an application, and everything else beside it', async () => {
  const { code, stdout, stderr } = await cli('app', 'create', '--name', 'Роботы');
  assert.equal(code, 0, stderr);
  const app = restClient(`${vestnik.url}/rest/`, { auth: stdout.trim() });
  const more = JSON.parse(stderr);
  assert.equal((await app.call('app.info')).CODE, more.client_id);
  assert.equal((await app.call('profile')).ID, String(admin.id));
  assert.equal(more.application_token.length, 32);
});

test('what makes no sense is answered with how to do it', async () => {
  for (const args of [[], ['webhook'], ['app', 'create'], ['webhook', 'create', '--employee', 'x'], ['webhook', 'create', '--no-such']]) {
    const { code, stdout, stderr } = await cli(...args);
    assert.deepEqual([code, stdout], [1, ''], args.join(' '));
    assert.match(stderr, /npm run vestnik -- webhook create/);
  }
  const { code, stderr } = await cli('webhook', 'create', '--employee', '999');
  assert.equal(code, 1);
  assert.match(stderr, /999/);
});
