import assert from 'node:assert/strict';
import { after, test } from 'node:test';
import { WebSocket } from 'ws';
import { testDatabase } from '../../test/support/database.ts';
import type { LiveEvent } from '../../shared/api/live.ts';
import { openDb, sql } from '../db/db.ts';
import { buildApp } from '../http/http.ts';
import { createLive, encodeHints, type Hint, type Watcher } from './live.ts';
import { liveRoutes } from './routes.ts';

const { db, url: databaseUrl } = await testDatabase();
let clock = new Date('2026-03-02T10:00:00Z');
const now = () => clock;
const people = new Map<string, Watcher>(
  Array.from({ length: 210 }, (_, i): [string, Watcher] => [`t${i}`, { employeeId: i, isAdmin: false, language: 'ru', timeZone: 'Europe/Moscow', via: 'session' }]),
);
const members = new Map<number, Set<number>>([[7, new Set([1, 2])]]);
let checks = 0;
const live = createLive({ db, now });
live.registerTopic('chat', async (watcher, id) => {
  checks++;
  await db.first(sql`select 1`);
  return members.get(id)?.has(watcher.employeeId) ?? false;
});
await live.start();
const app = await buildApp({
  db, now, publicUrl: 'http://localhost', actorFromToken: async (token) => people.get(token), companyLanguage: async () => 'ru',
  options: { logLevel: 'silent', trustProxy: false }, routes: [liveRoutes({ live, actorFromToken: async (token) => people.get(token) })],
});
await app.listen({ port: 0, host: '127.0.0.1' });
const address = app.server.address();
const base = `ws://127.0.0.1:${typeof address === 'object' ? address?.port : ''}/api/live`;
after(async () => {
  await live.stop();
  await app.close();
});

class Browser {
  readonly socket: WebSocket;
  readonly frames: LiveEvent[] = [];
  closeCode: number | undefined;
  private waiting: { isIt: (frame: LiveEvent) => boolean; found: (frame: LiveEvent) => void }[] = [];
  constructor(who: number) {
    this.socket = new WebSocket(base, { headers: { authorization: `Bearer t${who}` } });
    this.socket.on('message', (data) => {
      const frame = JSON.parse(String(data));
      this.frames.push(frame);
      for (const one of this.waiting.filter((w) => w.isIt(frame))) one.found(frame);
    });
    this.socket.on('close', (code) => (this.closeCode = code));
  }
  async next<Type extends LiveEvent['type']>(type: Type, isIt: (frame: Extract<LiveEvent, { type: Type }>) => boolean = () => true): Promise<Extract<LiveEvent, { type: Type }>> {
    const matches = (frame: LiveEvent): boolean => frame.type === type && isIt(frame as Extract<LiveEvent, { type: Type }>);
    const known = this.frames.find(matches);
    const frame = known ?? (await new Promise<LiveEvent>((found) => this.waiting.push({ isIt: matches, found })));
    return frame as Extract<LiveEvent, { type: Type }>;
  }
  say(request: object): void {
    this.socket.send(JSON.stringify(request));
  }
  async subscribe(...topics: string[]): Promise<Extract<LiveEvent, { type: 'subscribed' }>> {
    this.frames.splice(0, this.frames.length, ...this.frames.filter((f) => f.type !== 'subscribed'));
    this.say({ subscribe: topics });
    return this.next('subscribed');
  }
  /** Everything sent before this has arrived, because frames keep their order. */
  async settle(): Promise<void> {
    await this.subscribe('feed');
  }
  hints(): Hint[] {
    return this.frames.flatMap((f) => (f.type === 'hints' ? f.hints : []));
  }
  closed(): Promise<number> {
    return this.closeCode !== undefined ? Promise.resolve(this.closeCode) : new Promise((resolve) => this.socket.on('close', resolve));
  }
}
async function browser(who: number): Promise<Browser> {
  const b = new Browser(who);
  await b.next('ready');
  return b;
}
const publish = (...hints: Hint[]) => db.transaction((tx) => live.publish(tx, hints));

test('the hints of one commit arrive in one frame, each once; a rollback and a preview say nothing', async () => {
  const anna = await browser(1);
  await assert.rejects(db.transaction(async (tx) => {
    await live.publish(tx, [{ topic: 'employee:1', what: 'notifications' }]);
    throw new Error('no');
  }));
  await db.transaction((tx) => live.publish(tx, [{ topic: 'employee:1', what: 'notifications' }]), { dryRun: true });
  await db.transaction(async (tx) => {
    await live.publish(tx, [{ topic: 'employee:1', what: 'chats', id: 7 }, { topic: 'employee:2', what: 'chats', id: 7 }]);
    await live.publish(tx, [{ topic: 'employee:1', what: 'chats', id: 7 }, { topic: 'company', what: 'people' }]);
    assert.equal(anna.hints().length, 0);
  });
  await anna.settle();
  assert.deepEqual(anna.frames.filter((f) => f.type === 'hints'), [
    { type: 'hints', seq: 1, hints: [{ topic: 'employee:1', what: 'chats', id: 7 }, { topic: 'company', what: 'people' }] },
  ]);
  anna.socket.close();
});

test('nobody hears of others, nor of topics that are not theirs', async () => {
  const boris = await browser(3);
  const answer = await boris.subscribe('employee:1', 'chat:7', 'chat:999', 'secret:1', 'feed');
  assert.deepEqual(answer.topics, ['feed']);
  assert.deepEqual(answer.refused.sort(), ['chat:7', 'chat:999', 'employee:1', 'secret:1']);
  await publish({ topic: 'employee:1', what: 'chats' }, { topic: 'chat:7', what: 'messages', id: 5 }, { topic: 'feed', what: 'posts', id: 1 });
  await boris.settle();
  assert.deepEqual(boris.hints(), [{ topic: 'feed', what: 'posts', id: 1 }]);
  boris.socket.close();
});

test('a removed member hears nothing from the removal on, not even what follows in the same moment', async () => {
  const [anna, boris] = await Promise.all([browser(1), browser(2)]);
  await anna.subscribe('chat:7');
  await boris.subscribe('chat:7');
  await publish({ topic: 'chat:7', what: 'messages', id: 1 });
  const before = checks;
  await publish({ topic: 'chat:7', what: 'messages', id: 2 });
  assert.equal(checks, before, 'an answer is kept for a while');
  members.get(7)!.delete(2);
  await publish({ topic: 'chat:7', what: 'members' });
  await publish({ topic: 'chat:7', what: 'messages', id: 3 });
  await anna.next('hints', (f) => f.hints.some((h) => h.id === 3));
  await boris.next('unsubscribed', (f) => f.topics[0] === 'chat:7');
  assert.deepEqual(boris.hints().map((h) => h.id), [1, 2]);
  members.get(7)!.add(2);
  assert.deepEqual((await boris.subscribe('chat:7')).refused, []);
  anna.socket.close();
  boris.socket.close();
});

test('a right that changed without a word is felt when the answer grows old', async () => {
  const boris = await browser(2);
  await boris.subscribe('chat:7');
  members.get(7)!.delete(2);
  clock = new Date(clock.getTime() + 31_000);
  await publish({ topic: 'chat:7', what: 'messages', id: 4 });
  await boris.next('unsubscribed');
  assert.deepEqual(boris.hints(), []);
  members.get(7)!.add(2);
  boris.socket.close();
});

test('who is writing is told to those who see the chat', async () => {
  const [anna, boris, outsider] = await Promise.all([browser(1), browser(2), browser(3)]);
  await anna.subscribe('chat:7');
  outsider.say({ typing: 7 });
  await outsider.settle();
  boris.say({ typing: 7 });
  const { hints } = await anna.next('hints');
  assert.deepEqual(hints, [{ topic: 'chat:7', what: 'typing', id: 2 }]);
  for (const b of [anna, boris, outsider]) b.socket.close();
});

test('signing out ends the socket, also where another session stays', async () => {
  const [left, stays] = await Promise.all([browser(9), browser(8)]);
  people.delete('t9');
  await publish({ topic: 'employee:9', what: 'sessions' }, { topic: 'employee:8', what: 'profile' });
  assert.equal(await left.closed(), 4401);
  await stays.settle();
  assert.equal(stays.closeCode, undefined);
  stays.socket.close();
});

test('what is no request ends the socket, as do too many topics', async () => {
  for (const [raw, code] of [['nonsense', 4400], ['{"subscribe":["x;y"]}', 4400], ['{"other":1}', 4400], [`{"subscribe":["${'x'.repeat(20_000)}"]}`, 4400]] as const) {
    const b = await browser(1);
    b.socket.send(raw);
    assert.equal(await b.closed(), code);
  }
  const greedy = await browser(1);
  for (let i = 0; i < 3; i++) greedy.say({ subscribe: Array.from({ length: 200 }, (_, n) => `chat:${1000 * i + n + 1}`) });
  assert.equal(await greedy.closed(), 4429);
  const restless = await browser(1);
  for (let i = 0; i < 300; i++) restless.say({ unsubscribe: ['feed'] });
  assert.equal(await restless.closed(), 4429);
});

test('strangers and other sites get no socket, and plain HTTP is told why', async () => {
  const refused = (headers: Record<string, string>) => new Promise<number>((resolve) => {
    const socket = new WebSocket(base, { headers });
    socket.on('unexpected-response', (_request, response) => resolve(response.statusCode ?? 0));
    socket.on('error', () => {});
  });
  assert.equal(await refused({}), 401);
  assert.equal(await refused({ cookie: 'session=t1', origin: 'https://evil.example' }), 403);
  const plain = await app.inject({ url: '/api/live', headers: { authorization: 'Bearer t1' } });
  assert.equal(plain.statusCode, 426);
});

test('a reader that does not read is cut off instead of filling the memory', async () => {
  const slow = await browser(1);
  await slow.subscribe('feed');
  slow.socket.pause();
  const big = 'x'.repeat(200);
  for (let i = 0; i < 3000 && app.websocketServer.clients.size > 0; i++) {
    await publish(...Array.from({ length: 200 }, (_, n): Hint => ({ topic: 'feed', what: big, id: i * 200 + n + 1 })));
    const [client] = app.websocketServer.clients;
    if (client && client.readyState !== client.OPEN) break;
    assert.ok((client?.bufferedAmount ?? 0) < 2 * 1024 * 1024);
  }
  slow.socket.resume();
  assert.equal(await slow.closed(), 4408);
});

test('200 browsers hear 10,000 hints in one frame each, soon', async () => {
  const browsers = await Promise.all(Array.from({ length: 199 }, (_, i) => browser(i + 10)));
  await Promise.all(browsers.map((b) => b.subscribe('feed')));
  const hints = Array.from({ length: 10_000 }, (_, i): Hint => ({ topic: `employee:${i}`, what: 'posts', id: 5 }));
  const started = performance.now();
  await publish(...hints, { topic: 'feed', what: 'posts', id: 5 });
  await Promise.all(browsers.map((b) => b.next('hints')));
  const ms = performance.now() - started;
  for (const b of browsers) {
    assert.equal(b.frames.filter((f) => f.type === 'hints').length, 1);
    assert.equal(b.hints().length, 2);
    b.socket.close();
  }
  assert.ok(ms < 20_000, `${Math.round(ms)} ms`);
});

test('hints reach the sockets of another process, in chunks PostgreSQL takes', async () => {
  const otherDb = openDb(databaseUrl, { max: 2 });
  const other = createLive({ db: otherDb, now });
  const anna = await browser(1);
  await anna.subscribe('chat:7', 'feed');
  // A process that only works and never listens.
  await otherDb.transaction((tx) => other.publish(tx, [
    ...Array.from({ length: 5000 }, (_, i): Hint => ({ topic: `employee:${i + 1}`, what: 'posts', id: 123_456_789 })),
    { topic: 'chat:7', what: 'messages', id: 42 }, { topic: 'feed', what: 'posts' },
  ]));
  await anna.next('hints', (f) => f.hints.some((h) => h.topic === 'feed'));
  await anna.next('hints', (f) => f.hints.some((h) => h.topic === 'chat:7'));
  assert.deepEqual(anna.hints(), [
    { topic: 'employee:1', what: 'posts', id: 123_456_789 }, { topic: 'chat:7', what: 'messages', id: 42 }, { topic: 'feed', what: 'posts' },
  ]);

  // One that listens: it was greeted, so ours tells it too; and it hears nothing of its own twice.
  const heard: string[] = [];
  let isHeard = () => {};
  const arrived = new Promise<void>((resolve) => (isHeard = resolve));
  await other.start();
  other.connect({
    watcher: people.get('t5')!,
    send: (text) => {
      heard.push(text);
      if (text.includes('"feed"') || text.includes('"profile"')) isHeard();
    },
    close() {},
    recheck: async () => people.get('t5')!,
  });
  // Whether the greeting has been answered is not ours to see: ask again until it is heard.
  for (let i = 0; i < 5000 && heard.every((t) => !t.includes('timeline')); i++) await publish({ topic: 'employee:5', what: 'timeline', id: 9 });
  const text = heard.find((t) => t.includes('timeline'));
  assert.ok(text?.includes('{"topic":"employee:5","what":"timeline","id":9}'), text);
  heard.length = 0;
  await otherDb.transaction((tx) => other.publish(tx, [{ topic: 'employee:5', what: 'profile' }]));
  await arrived;
  await anna.settle();
  assert.equal(heard.filter((t) => t.includes('profile')).length, 1);
  await other.stop();
  await otherDb.close();
  anna.socket.close();
});

test('a process that is alone troubles the database with no NOTIFY', async () => {
  const payloads: string[] = [];
  let isHeard = () => {};
  const listener = await db.listen('vestnik_live', (payload) => (payload === 'bye mark' ? isHeard() : payloads.push(payload)), () => {});
  // The process of the test before said goodbye; when ours has heard it is not ours to see.
  for (let i = 0; i < 1000; i++) {
    payloads.length = 0;
    const arrived = new Promise<void>((resolve) => (isHeard = resolve));
    await publish({ topic: 'feed', what: 'posts', id: 1 });
    await db.run(sql`select pg_notify('vestnik_live', 'bye mark')`);
    await arrived;
    if (payloads.length === 0) break;
  }
  await listener.close();
  assert.deepEqual(payloads, []);
});

test('after the line to the database was lost every socket is told to fetch anew', async () => {
  const anna = await browser(1);
  await db.run(sql`select pg_terminate_backend(pid) from pg_stat_activity where datname = current_database() and query like 'listen%'`);
  await anna.next('resync');
  anna.socket.close();
});

test('payloads stay below the limit and nothing gets lost between them', () => {
  const hints = Array.from({ length: 3000 }, (_, i): Hint => (i % 3 === 0 ? { topic: 'company', what: 'people' } : { topic: `item:${1e12 + i}`, what: i % 2 ? 'runs' : 'timeline', id: 1e12 + i }));
  const payloads = encodeHints('0'.repeat(36), hints);
  assert.ok(payloads.every((p) => Buffer.byteLength(p) < 7900));
  const count = payloads.join('\n').split('\n').filter((l) => !l.startsWith('hints ')).reduce((sum, l) => sum + l.split(' ').length - 2, 0);
  assert.equal(count, 3000);
});
