import assert from 'node:assert/strict';
import { type ChildProcess, spawn } from 'node:child_process';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { get } from 'node:https';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import test, { after } from 'node:test';
import { fileURLToPath } from 'node:url';
import { selfSigned } from '../test/support/certificate.ts';
import { testDatabase } from '../test/support/database.ts';

const { url: databaseUrl } = await testDatabase();
const dataDir = await mkdtemp(join(tmpdir(), 'vestnik-main-'));
after(() => rm(dataDir, { recursive: true, force: true }));

interface Running {
  child: ChildProcess;
  output(): string;
  /** Resolves when the pattern was printed; rejects when the process ends before. */
  printed(pattern: RegExp): Promise<RegExpExecArray>;
  ended: Promise<number | null>;
}

function startMain(env: Record<string, string> = {}, args: string[] = []): Running {
  const child = spawn(process.execPath, [fileURLToPath(new URL('./main.ts', import.meta.url)), ...args], {
    env: { PATH: process.env.PATH, DATABASE_URL: databaseUrl, DATA_DIR: dataDir, PORT: '0', LOG_LEVEL: 'warn', DATABASE_POOL_SIZE: '4', ...env },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  let output = '';
  const ended = new Promise<number | null>((resolve) => child.on('close', resolve));
  const readers = new Set<() => void>();
  for (const stream of [child.stdout, child.stderr]) {
    stream.setEncoding('utf8').on('data', (chunk: string) => {
      output += chunk;
      for (const read of readers) read();
    });
  }
  return {
    child,
    output: () => output,
    ended,
    printed: (pattern) =>
      new Promise((resolve, reject) => {
        const read = (): void => {
          const found = pattern.exec(output);
          if (found) resolve(found);
        };
        readers.add(read);
        read();
        void ended.then(() => reject(new Error(`It ended before it printed ${pattern}:\n${output}`)));
      }),
  };
}

const ready = /Вестник работает: (http:\S+)/;

test('the first start makes the administrator, whose password works; a later one does not', async () => {
  const first = startMain();
  const [, url] = await first.printed(ready);
  const [, email, password] = await first.printed(/Вход: +(\S+)\n +Пароль: +(\S+)/);
  const signIn = await fetch(`${url}/api/session`, { method: 'POST', headers: { 'content-type': 'application/json' }, body: JSON.stringify({ email, password }) });
  assert.equal(signIn.status, 201);
  first.child.kill('SIGTERM');
  assert.equal(await first.ended, 0);

  const later = startMain();
  await later.printed(ready);
  assert.doesNotMatch(later.output(), /Пароль/);
  later.child.kill('SIGINT');
  assert.equal(await later.ended, 0);
});

test('the link of an empty installation sets it up once, and no other link does', async () => {
  const { url: emptyUrl } = await testDatabase();
  const main = startMain({ DATABASE_URL: emptyUrl }, ['--setup', '--language', 'en']);
  const [, link] = await main.printed(/^ +(http:\S+\/setup\/\S+)$/m);
  const [, url] = await main.printed(/Vestnik is running: (http:\S+)/);
  assert.doesNotMatch(main.output(), /Password/);
  const state = async () => (await fetch(`${url}/api/setup`)).json();
  assert.deepEqual(await state(), { isOpen: true, mayUseDemo: true });
  const setUp = (token: string) => fetch(`${url}/api/setup`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({
      token,
      company: { name: 'Daisy', language: 'en', timeZone: 'Europe/London', currency: 'GBP', country: 'GB' },
      admin: { email: 'ada@example.com', firstName: 'Ada', lastName: 'Byron', password: 'A blue whale reads aloud' },
    }),
  });
  assert.equal((await setUp('guessed')).status, 403);
  assert.deepEqual(await state(), { isOpen: true, mayUseDemo: true });
  const token = link!.split('/').at(-1)!;
  const made = await setUp(token);
  assert.equal(made.status, 201);
  assert.match(made.headers.get('set-cookie') ?? '', /^session=vs_/);
  const me = JSON.parse(await made.text());
  assert.deepEqual([me.company.name, me.company.currency, me.employee.fullName, me.employee.isAdmin, me.demo], ['Daisy', 'GBP', 'Ada Byron', true, null]);
  assert.deepEqual(await state(), { isOpen: false, mayUseDemo: true });
  const again = await setUp(token);
  assert.deepEqual([again.status, JSON.parse(await again.text()).code], [409, 'company.exists']);
  main.child.kill('SIGTERM');
  assert.equal(await main.ended, 0);
});

test('with TLS_CERT and TLS_KEY it speaks https to those who trust the certificate, and SIGHUP takes a new one without a restart', async () => {
  const [first, second] = [selfSigned(), selfSigned()];
  const files = { TLS_CERT: join(dataDir, 'cert.pem'), TLS_KEY: join(dataDir, 'key.pem') };
  const put = async ({ cert, key }: { cert: string; key: string }) => {
    await Promise.all([writeFile(files.TLS_CERT, cert), writeFile(files.TLS_KEY, key)]);
  };
  await put({ ...first, key: second.key });
  const mismatched = startMain(files);
  assert.equal(await mismatched.ended, 1);
  assert.match(mismatched.output(), /^Сертификат TLS не подходит: .+ Проверьте TLS_CERT и TLS_KEY\.$/m);

  await put(first);
  const main = startMain(files);
  const [, url = ''] = await main.printed(/Вестник работает: (https:\S+)/);
  const asks = (ca: string): Promise<number> => new Promise((resolve, reject) => {
    get(`${url}/health`, { ca, agent: false }, (response) => {
      response.resume();
      resolve(response.statusCode ?? 0);
    }).on('error', reject);
  });
  assert.equal(await asks(first.cert), 200);
  await assert.rejects(asks(second.cert), { code: 'DEPTH_ZERO_SELF_SIGNED_CERT' });
  await assert.rejects(fetch(url.replace('https:', 'http:')));

  await put({ ...second, key: first.key });
  main.child.kill('SIGHUP');
  await main.printed(/Новый TLS-сертификат не подходит: /);
  assert.equal(await asks(first.cert), 200);
  await put(second);
  main.child.kill('SIGHUP');
  await main.printed(/TLS-сертификат прочитан заново/);
  assert.equal(await asks(second.cert), 200);
  main.child.kill('SIGTERM');
  assert.equal(await main.ended, 0);
});

test('a taken port is told in a sentence', async () => {
  const other = createServer().listen(0, '127.0.0.1');
  await new Promise((resolve) => other.on('listening', resolve));
  const address = other.address();
  const port = typeof address === 'object' && address ? String(address.port) : '';
  const main = startMain({ PORT: port });
  assert.equal(await main.ended, 1);
  assert.equal(main.output().trim(), `Порт ${port} на 127.0.0.1 занят. Остановите программу, которая его занимает, или выберите другой: PORT=3001 npm start`);
  other.close();
});

test('a wrong setting and a database that is away are told in a sentence', async () => {
  const wrong = startMain({ PORT: 'eighty' });
  const away = startMain({ DATABASE_URL: 'postgres://nobody@127.0.0.1:1/none' });
  assert.equal(await wrong.ended, 1);
  assert.match(wrong.output(), /^Вестник не запустился: PORT is "eighty" but must be a number from 0 to 65535\.$/m);
  assert.equal(await away.ended, 1);
  assert.match(away.output(), /^База данных недоступна: .*ECONNREFUSED.*Проверьте DATABASE_URL/m);
});

test('a second signal does not wait', async () => {
  const main = startMain();
  await main.printed(ready);
  main.child.kill('SIGTERM');
  main.child.kill('SIGINT');
  assert.ok([0, 130].includes((await main.ended) ?? -1), main.output());
});
