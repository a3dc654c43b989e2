import assert from 'node:assert/strict';
import { mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { readEnv, variables } from './env.ts';

const dir = mkdtempSync(join(tmpdir(), 'vestnik-env-'));
after(() => rmSync(dir, { recursive: true, force: true }));
const secret = 'x'.repeat(32);

test('nothing has to be set', () => {
  const env = readEnv({ DATA_DIR: join(dir, 'new'), PORT: '', LOG_LEVEL: ' ' });
  assert.deepEqual(
    { ...env, secret: env.secret.length, dataDir: '' },
    { port: 3000, host: '127.0.0.1', publicUrl: 'http://127.0.0.1:3000', trustProxy: false, tls: null, restLimits: { requestsPerSecond: 0, operatingSeconds: 0 }, dataDir: '', databaseUrl: null, databasePoolSize: 20, maxFileMb: 1024, allowedPrivateHosts: [], services: ['web', 'worker'], secret: 64, logLevel: 'info' },
  );
});

test('the secret is made once, for us only, and never replaced', () => {
  const DATA_DIR = join(dir, 'secret-dir');
  const first = readEnv({ DATA_DIR });
  assert.equal(readEnv({ DATA_DIR }).secret, first.secret);
  assert.equal(statSync(join(DATA_DIR, 'secret')).mode & 0o777, 0o600);
  assert.equal(readEnv({ DATA_DIR, VESTNIK_SECRET: secret }).secret, secret);
  writeFileSync(join(DATA_DIR, 'secret'), '');
  assert.throws(() => readEnv({ DATA_DIR }), /Cannot keep|holds no secret/);
});

test('a certificate needs its key, and makes the address https', () => {
  const env = readEnv({ VESTNIK_SECRET: secret, TLS_CERT: '/a/cert.pem', TLS_KEY: '/a/key.pem', PORT: '443' });
  assert.deepEqual([env.tls, env.publicUrl], [{ certFile: '/a/cert.pem', keyFile: '/a/key.pem' }, 'https://127.0.0.1:443']);
  for (const half of [{ TLS_CERT: 'cert.pem' }, { TLS_KEY: 'key.pem' }]) assert.throws(() => readEnv({ VESTNIK_SECRET: secret, ...half }), { message: 'TLS_CERT and TLS_KEY go together: set both or none.' });
});

test('good values are understood', () => {
  const base = { VESTNIK_SECRET: secret };
  assert.deepEqual(readEnv({ ...base, SERVICES: 'worker' }).services, ['worker']);
  assert.deepEqual(readEnv({ ...base, SERVICES: ' worker, web,worker' }).services, ['web', 'worker']);
  assert.equal(readEnv({ ...base, TRUST_PROXY: 'on' }).trustProxy, true);
  assert.deepEqual(readEnv({ ...base, TRUST_PROXY: '10.0.0.0/8, ::1' }).trustProxy, ['10.0.0.0/8', '::1']);
  assert.equal(readEnv({ ...base, PUBLIC_URL: 'https://crm.example.com/' }).publicUrl, 'https://crm.example.com');
  assert.equal(readEnv({ ...base, HOST: '::1', PORT: '80' }).publicUrl, 'http://[::1]:80');
  assert.equal(readEnv({ ...base, HOST: '0.0.0.0' }).publicUrl, 'http://localhost:3000');
  assert.equal(readEnv({ ...base, DATABASE_URL: 'postgres://a:b@c/d' }).databaseUrl, 'postgres://a:b@c/d');
});

const bad: Record<keyof typeof variables, readonly string[]> = {
  PORT: ['abc', '-1', '65536', '80.5', '0x50', '1e3'],
  HOST: ['a b', 'http://x'],
  PUBLIC_URL: ['crm.example.com', 'ftp://x', 'https://x/path', 'https://x/?a'],
  TLS_CERT: [],
  TLS_KEY: [],
  REST_REQUESTS_PER_SECOND: ['-1', 'many'],
  REST_OPERATING_SECONDS: ['601', 'x'],
  TRUST_PROXY: ['yes', '1.2.3.4/99', '1.2.3', '1.2.3.4/8/8', '127.0.0.1,'],
  DATA_DIR: [],
  DATABASE_URL: ['mysql://x/y', 'localhost', '5432'],
  DATABASE_POOL_SIZE: ['1', '501', 'many'],
  MAX_FILE_MB: ['0', 'x', '1e9'],
  ALLOWED_PRIVATE_HOSTS: ['http://10.0.0.5/', 'a;b'],
  SERVICES: ['web;worker', 'web,mail', ','],
  VESTNIK_SECRET: ['short', 'x'.repeat(31)],
  LOG_LEVEL: ['verbose', 'INFO'],
};

for (const [name, values] of Object.entries(bad)) {
  for (const value of values) {
    test(`${name}=${value} is refused in one sentence that says what is expected`, () => {
      assert.throws(
        () => readEnv({ VESTNIK_SECRET: secret, [name]: value }),
        (error: Error) => error.message.startsWith(`${name} `) && error.message.endsWith('.') && error.message.includes('must be') && !error.message.includes('\n'),
      );
    });
  }
}

test('secrets are not repeated in an error', () => {
  assert.throws(() => readEnv({ VESTNIK_SECRET: 'hunter2', DATABASE_URL: 'mysql://root:hunter2@db' }), (error: Error) => !error.message.includes('hunter2'));
});

test('docs/operations.md lists exactly these variables', () => {
  const table = Object.entries(variables).map(([name, { about, fallback }]) => `| \`${name}\` | ${fallback} | ${about} |`);
  const page = readFileSync(new URL('../docs/operations.md', import.meta.url), 'utf8');
  assert.deepEqual(page.split('\n').filter((line) => /^\| `[A-Z_]+` \|/.test(line)), table);
});
