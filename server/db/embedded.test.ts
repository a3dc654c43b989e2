import assert from 'node:assert/strict';
import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { chmodSync, chownSync, existsSync, mkdirSync, mkdtempSync, readdirSync, rmSync, statSync, watch, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { after, test } from 'node:test';
import { openDb, sql } from './db.ts';
import { type EmbeddedOptions, type EmbeddedServer, type ServerEvent, startEmbedded } from './embedded.ts';
import { isAlive, OwnedError, takeOwnerLock } from './owner-lock.ts';

const isRoot = process.getuid?.() === 0;
const nobody = { uid: 65_534, gid: 65_534 };
const others = spawnSync('/bin/sh', ['-c', 'test -x "$1" && test -r "$2"', 'sh', process.execPath, new URL('embedded.ts', import.meta.url).pathname], { cwd: '/', ...(isRoot ? nobody : {}) });
const ordinaryUserSkip = !isRoot ? 'the other tests do that' : others.status !== 0 && 'an ordinary user cannot read this clone';
const quick = { fsync: 'off', shared_buffers: '16MB' };

const rubbish: string[] = [];
const servers: EmbeddedServer[] = [];
const children: ChildProcess[] = [];
after(async () => {
  for (const child of children) child.kill('SIGKILL');
  await Promise.all(servers.map((server) => server.stop()));
  for (const dir of rubbish) rmSync(dir, { recursive: true, force: true });
});

/** An empty directory that others may traverse. */
function temporary(): string {
  const dir = mkdtempSync(join(tmpdir(), 'vestnik-embedded-'));
  chmodSync(dir, 0o755);
  rubbish.push(dir);
  return dir;
}

async function start(dataDir: string, options: Partial<EmbeddedOptions> = {}): Promise<EmbeddedServer> {
  const server = await startEmbedded({ dataDir, settings: quick, ...options });
  servers.push(server);
  return server;
}

/** Another Vestnik: a real process that starts the server and waits to be told to stop, or to be killed. */
function vestnik(dataDir: string, user: { uid?: number; gid?: number } = {}, complaints: 'inherit' | 'ignore' = 'inherit'): ChildProcess {
  const code = `
    import { startEmbedded } from ${JSON.stringify(new URL('embedded.ts', import.meta.url).href)};
    const server = await startEmbedded({ dataDir: ${JSON.stringify(dataDir)}, settings: ${JSON.stringify(quick)} });
    console.log(JSON.stringify({ url: server.url, pid: server.pid, runsAs: server.runsAs }));
    process.stdin.once('data', async () => { await server.stop(); process.exit(0); });
  `;
  const child = spawn(process.execPath, ['--input-type=module', '--eval', code], { ...user, cwd: '/', stdio: ['pipe', 'pipe', complaints] });
  children.push(child);
  return child;
}

async function firstLine(child: ChildProcess): Promise<{ url: string; pid: number; runsAs: string }> {
  for await (const line of createInterface({ input: child.stdout! })) return JSON.parse(line);
  throw new Error('it ended without a word');
}

async function query<Row>(url: string, text: ReturnType<typeof sql>): Promise<Row[]> {
  const db = openDb(url, { max: 1 });
  try {
    return await db.rows<Row>(text);
  } finally {
    await db.close();
  }
}

function withPassword(url: string, password: string): string {
  const other = new URL(url);
  other.password = password;
  return other.href;
}

test('the first start makes a database, later ones find it again sooner than it took to make it', async () => {
  const dataDir = join(temporary(), 'not', 'there', 'yet');
  const begun = performance.now();
  const first = await start(dataDir);
  const tookToMake = performance.now() - begun;
  assert.equal(first.attached, false);
  await query(first.url, sql`create table kept as select 'Привет'::text as greeting`);
  await first.stop();
  assert.equal(isAlive(first.pid ?? -1), false);
  assert.equal(existsSync(join(dataDir, 'cluster', 'postmaster.pid')), false);

  const before = performance.now();
  const second = await start(dataDir);
  assert.ok(performance.now() - before < Math.max(tookToMake, 5000));
  assert.deepEqual(await query(second.url, sql`select greeting from kept`), [{ greeting: 'Привет' }]);
  assert.deepEqual(await query(second.url, sql`select pg_encoding_to_char(encoding) as encoding, datlocprovider as provider, datlocale as locale from pg_database where datname = 'postgres'`), [{ encoding: 'UTF8', provider: 'b', locale: 'C.UTF-8' }]);
  await second.stop();
  await second.stop();
});

test('nobody gets in without the password, and the server listens on this machine only', async () => {
  const dataDir = temporary();
  const server = await start(dataDir, { settings: { ...quick, track_commit_timestamp: 'on' } });
  await assert.rejects(query(withPassword(server.url, 'guess'), sql`select 1`), /password authentication failed/);
  await assert.rejects(query(withPassword(server.url, ''), sql`select 1`), /password/);
  assert.equal(statSync(join(dataDir, 'cluster', 'vestnik.password')).mode & 0o077, 0);
  assert.equal(statSync(join(dataDir, 'cluster')).mode & 0o077, 0);
  const settings = await query(server.url, sql`select name, setting from pg_settings where name in ('listen_addresses', 'unix_socket_directories', 'track_commit_timestamp', 'jit') order by name`);
  assert.deepEqual(settings, [
    { name: 'jit', setting: 'off' },
    { name: 'listen_addresses', setting: '127.0.0.1' },
    { name: 'track_commit_timestamp', setting: 'on' },
    { name: 'unix_socket_directories', setting: '' },
  ]);
  await server.stop();
});

test('a server left behind by a killed Vestnik is attached to, and stopped cleanly', async () => {
  const dataDir = temporary();
  const killed = vestnik(dataDir);
  const left = await firstLine(killed);
  await query(left.url, sql`create table kept as select 1 as x`);
  killed.kill('SIGKILL');
  await once(killed, 'exit');
  assert.ok(isAlive(left.pid));

  const events: ServerEvent[] = [];
  const restarted = Promise.withResolvers<void>();
  const server = await start(dataDir, {
    report: (event) => {
      events.push(event);
      if (event.kind === 'restarted') restarted.resolve();
    },
  });
  assert.deepEqual({ attached: server.attached, url: server.url, pid: server.pid }, { attached: true, url: left.url, pid: left.pid });
  assert.deepEqual(await query(server.url, sql`select x from kept`), [{ x: 1 }]);

  // Attached or not, it is looked after.
  process.kill(left.pid, 'SIGKILL');
  await restarted.promise;
  assert.deepEqual(events.map((event) => event.kind).filter((kind) => kind !== 'restart_failed'), ['died', 'restarted']);
  assert.deepEqual(await query(left.url, sql`select x from kept`), [{ x: 1 }]);
  await server.stop();
  assert.equal(existsSync(join(dataDir, 'cluster', 'postmaster.pid')), false);
});

test('an attached server stops when it is told to', async () => {
  const dataDir = temporary();
  const killed = vestnik(dataDir);
  const left = await firstLine(killed);
  killed.kill('SIGKILL');
  await once(killed, 'exit');
  const server = await start(dataDir);
  await server.stop();
  assert.equal(isAlive(left.pid), false);
  const again = await start(dataDir);
  assert.equal(again.attached, false);
  await again.stop();
});

test('a second Vestnik on the same directory is refused, and hurts nobody', async () => {
  const dataDir = temporary();
  const owner = vestnik(dataDir);
  const { url, pid } = await firstLine(owner);
  await assert.rejects(startEmbedded({ dataDir }), (error: Error) => error.message.startsWith(`Another Vestnik (process ${owner.pid}) is using ${dataDir}.`));
  assert.deepEqual(await query(url, sql`select 1 as x`), [{ x: 1 }]);
  owner.stdin?.write('stop\n');
  const [code] = await once(owner, 'exit');
  assert.equal(code, 0);
  assert.equal(isAlive(pid), false);

  const server = await start(dataDir);
  await assert.rejects(startEmbedded({ dataDir }), /Another Vestnik/);
  await server.stop();
});

test('of several starting at the same moment exactly one gets the directory', async () => {
  const dataDir = temporary();
  const killed = vestnik(dataDir);
  const left = await firstLine(killed);
  killed.kill('SIGKILL');
  await once(killed, 'exit');
  const rivals = Array.from({ length: 5 }, () => vestnik(dataDir, {}, 'ignore'));
  const outcomes = await Promise.all(rivals.map((rival) => Promise.race([firstLine(rival).catch(() => null), once(rival, 'exit').then(() => null)])));
  const winners = outcomes.filter((outcome) => outcome !== null);
  assert.deepEqual(winners.map(({ url, pid }) => ({ url, pid })), [{ url: left.url, pid: left.pid }]);
  const winner = rivals[outcomes.findIndex((outcome) => outcome !== null)];
  winner?.stdin?.write('stop\n');
  await once(winner!, 'exit');
  assert.equal(isAlive(left.pid), false);
});

test('a lock whose owner died, or whose pid belongs to somebody else now, is taken over', async () => {
  const file = join(temporary(), 'owner.lock');
  const dead = spawn(process.execPath, ['--eval', '']);
  await once(dead, 'exit');
  for (const left of [`${dead.pid} 1@boot\n`, `${process.pid} 1@another-boot\n`, '', 'nonsense']) {
    writeFileSync(file, left);
    const lock = takeOwnerLock(file);
    assert.throws(() => takeOwnerLock(file), OwnedError);
    lock.release();
    assert.equal(existsSync(file), false);
  }
});

test('a server that dies comes back on the same port', async () => {
  const restarted = Promise.withResolvers<number>();
  const server = await start(temporary(), { report: (event) => event.kind === 'restarted' && restarted.resolve(event.pid) });
  await query(server.url, sql`create table kept as select 1 as x`);
  process.kill(server.pid ?? -1, 'SIGKILL');
  assert.equal(await restarted.promise, server.pid);
  assert.deepEqual(await query(server.url, sql`select x from kept`), [{ x: 1 }]);
  await server.stop();
});

test('a directory whose initdb was killed half way is initialised again', async () => {
  const dataDir = temporary();
  const killed = vestnik(dataDir);
  const begun = watch(dataDir);
  for (;;) {
    const [, name] = await once(begun, 'change');
    if (String(name).startsWith('cluster.new-') && !String(name).endsWith('.password')) break;
  }
  begun.close();
  killed.kill('SIGKILL');
  await once(killed, 'exit');
  assert.equal(existsSync(join(dataDir, 'cluster')), false);

  const server = await start(dataDir);
  assert.deepEqual(await query(server.url, sql`select 1 as x`), [{ x: 1 }]);
  await server.stop();
  assert.deepEqual(readdirSync(dataDir).sort(), ['cluster', 'startup.log']);
});

test('a postmaster.pid whose pid belongs to something else now is stale', async () => {
  const dataDir = temporary();
  await (await start(dataDir)).stop();
  // Of the same user as the server: PostgreSQL by itself would take him for a rival.
  const stranger = spawn('sleep', ['1000'], { stdio: 'ignore', cwd: '/', ...(isRoot ? nobody : {}) });
  children.push(stranger);
  await once(stranger, 'spawn');
  writeFileSync(join(dataDir, 'cluster', 'postmaster.pid'), `${stranger.pid}\n${join(dataDir, 'cluster')}\n1\n15432\n\n127.0.0.1\n\nready   \n`);
  const server = await start(dataDir);
  assert.equal(server.attached, false);
  await server.stop();
  assert.ok(isAlive(stranger.pid ?? -1));
});

test('data of another major version are refused with the way out', async () => {
  const dataDir = temporary();
  await (await start(dataDir)).stop();
  writeFileSync(join(dataDir, 'cluster', 'PG_VERSION'), '17\n');
  await assert.rejects(startEmbedded({ dataDir }), /written by PostgreSQL 17.*brings PostgreSQL 18/);
  // The refusal gave the lock back.
  await assert.rejects(startEmbedded({ dataDir }), /written by PostgreSQL 17/);
});

test('an ordinary user runs it as himself', { skip: ordinaryUserSkip }, async () => {
  const dataDir = temporary();
  chownSync(dataDir, nobody.uid, nobody.gid);
  const ordinary = vestnik(dataDir, nobody);
  const { url, runsAs } = await firstLine(ordinary);
  assert.equal(runsAs, 'self');
  assert.deepEqual(await query(url, sql`select 1 as x`), [{ x: 1 }]);
  ordinary.stdin?.write('stop\n');
  await once(ordinary, 'exit');

  // Root takes such a directory over, and the ordinary user is told when root did.
  const server = await start(dataDir);
  assert.deepEqual(await query(server.url, sql`select 1 as x`), [{ x: 1 }]);
  await server.stop();
});

test('as root it starts in a directory that only root may enter', { skip: !isRoot && 'needs root' }, async () => {
  const home = temporary();
  chmodSync(home, 0o700);
  const dataDir = join(home, 'data');
  const server = await start(dataDir);
  assert.match(String(server.runsAs), /^(namespace|capability)$/);
  await query(server.url, sql`create table kept as select 1 as x`);
  await server.stop();

  // Opened to others, the data are handed to nobody; closed again, back.
  chmodSync(home, 0o755);
  const open = await start(dataDir);
  // The clone has to be open too.
  if (others.status === 0) assert.equal(open.runsAs, 'nobody');
  assert.deepEqual(await query(open.url, sql`select x from kept`), [{ x: 1 }]);
  await open.stop();
  chmodSync(home, 0o700);
  const closed = await start(dataDir);
  assert.deepEqual(await query(closed.url, sql`select x from kept`), [{ x: 1 }]);
  await closed.stop();
});

test('as root it starts in a directory that only somebody else may enter', { skip: !isRoot && 'needs root' }, async () => {
  const home = temporary();
  mkdirSync(join(home, 'theirs'));
  chownSync(join(home, 'theirs'), 1, 1);
  chmodSync(join(home, 'theirs'), 0o700);
  const server = await start(join(home, 'theirs', 'data'));
  assert.equal(server.runsAs, 'capability');
  assert.deepEqual(await query(server.url, sql`select 1 as x`), [{ x: 1 }]);
  await server.stop();
});
