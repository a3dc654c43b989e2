/* oxlint-disable typescript/no-explicit-any -- answers are checked by the assertions; their types would only repeat the contract */
import assert from 'node:assert/strict';
import { tmpdir } from 'node:os';
import { after, test } from 'node:test';
import { testDatabase } from '../../../test/support/database.ts';
import { testPush } from '../../../test/support/push.ts';
import { sql } from '../../db/db.ts';
import { buildApp } from '../../http/http.ts';
import { createLive } from '../../live/live.ts';
import { type Actor, createPeople } from '../../people/people.ts';
import { createCrm } from '../../crm/crm.ts';
import { createDrive } from '../../drive/drive.ts';
import { createJobs } from '../../jobs/jobs.ts';
import { createNotifications, type NotificationToWrite } from './notifications.ts';
import { notificationsRoutes } from './routes.ts';

const { db } = await testDatabase();
const now = () => new Date('2026-03-02T10:00:00Z');
const live = createLive({ db, now });
const people = createPeople({ db, live, now });
const drive = createDrive({ db, live, now, directory: tmpdir() });
const crm = createCrm({ db, live, people, drive, jobs: createJobs({ db, now, onError: (error) => assert.fail(String(error)) }), now });
const notifications = createNotifications({ db, live, people, crm, push: testPush({ db, live, people, now }), now });
const actors = new Map([1, 2, 3].map((employeeId): [string, Actor] => [
  `t${employeeId}`, { employeeId, isAdmin: employeeId === 1, language: 'ru', timeZone: 'Europe/Moscow', via: 'session' },
]));
const app = await buildApp({
  db, now, publicUrl: 'http://localhost', actorFromToken: async (token) => actors.get(token), companyLanguage: async () => 'ru',
  options: { logLevel: 'silent', trustProxy: false }, routes: [notificationsRoutes({ notifications })],
});
after(() => app.close());

async function ask(who: number, method: 'GET' | 'POST' | 'PATCH' | 'DELETE', url: string, body?: object): Promise<{ status: number; body: any }> {
  const answer = await app.inject({ method, url: `/api/notifications${url}`, headers: { authorization: `Bearer t${who}` }, ...(body ? { payload: body } : {}) });
  return { status: answer.statusCode, body: answer.body ? answer.json() : undefined };
}
const write = (...rows: Partial<NotificationToWrite>[]) =>
  db.transaction((tx) => notifications.writeNotifications(tx, rows.map((row) => ({ employeeId: 2, senderId: null, body: 'Новая заявка', itemId: null, runId: null, ...row }))));
const bodies = (answer: { body: any }): string[] => answer.body.items.map((n: any) => n.body);

test('everybody sees his own notifications, newest first, and nobody another’s', async () => {
  await write({ body: 'первое', senderId: 3, itemId: 12, runId: 1, link: { kind: 'invoice', id: 4 } }, { body: 'второе', itemId: 13 }, { employeeId: 3, body: 'чужое' });
  assert.deepEqual(bodies(await ask(2, 'GET', '')), ['второе', 'первое']);
  const [, first] = (await ask(2, 'GET', '')).body.items;
  assert.deepEqual([first.senderId, first.itemId, first.runId, first.link, first.readAt], [3, 12, 1, { kind: 'invoice', id: 4 }, null]);
  assert.deepEqual(bodies(await ask(2, 'GET', '?senderId=3')), ['первое']);
  assert.deepEqual(bodies(await ask(2, 'GET', '?runId=1')), ['первое']);
  assert.deepEqual(bodies(await ask(2, 'GET', '?itemId=13')), ['второе']);
  for (const who of [1, 3]) {
    assert.equal((await ask(who, 'PATCH', `/${first.id}`, { isRead: true })).status, 404);
    assert.equal((await ask(who, 'DELETE', `/${first.id}`)).status, 404);
    assert.deepEqual((await ask(who, 'POST', '/read', { ids: [first.id] })).body, { read: 0 });
  }
  assert.deepEqual((await ask(2, 'GET', '/counters')).body, { unread: 2 });
});

test('reading one, many, all up to the last seen, unreading and deleting', async () => {
  await write({ employeeId: 1, body: 'a' }, { employeeId: 1, body: 'b' }, { employeeId: 1, body: 'c' });
  const ids: number[] = (await ask(1, 'GET', '')).body.items.map((n: any) => n.id);
  assert.ok((await ask(1, 'PATCH', `/${ids[0]}`, { isRead: true })).body.readAt);
  assert.equal((await ask(1, 'PATCH', `/${ids[0]}`, { isRead: false })).body.readAt, null);
  await write({ employeeId: 1, body: 'пришло потом' });
  assert.deepEqual((await ask(1, 'POST', '/read', { upToId: ids[0] })).body, { read: 3 });
  assert.deepEqual(bodies(await ask(1, 'GET', '?unread=true')), ['пришло потом']);
  assert.deepEqual(bodies(await ask(1, 'GET', '?unread=false')), ['c', 'b', 'a']);
  assert.equal((await ask(1, 'DELETE', `/${ids[0]}`)).status, 204);
  assert.equal((await ask(1, 'DELETE', `/${ids[0]}`)).status, 404);
});

test('pages miss nothing', async () => {
  await write(...Array.from({ length: 7 }, (_, i) => ({ employeeId: 3, body: `n${i}`, senderId: 9 })));
  const seen: string[] = [];
  let cursor = '';
  do {
    const page = await ask(3, 'GET', `?senderId=9&limit=3${cursor && `&cursor=${cursor}`}`);
    seen.push(...bodies(page));
    cursor = page.body.nextCursor ?? '';
  } while (cursor);
  assert.deepEqual(seen, ['n6', 'n5', 'n4', 'n3', 'n2', 'n1', 'n0']);
});

test('10,000 people are told in one go, once per run, also with a long text', async () => {
  const people = Array.from({ length: 10_000 }, (_, i) => 100 + i);
  await write(...people.map((employeeId) => ({ employeeId, runId: 500, body: `👋 שלום ${'x'.repeat(2000)}` })));
  assert.equal((await db.first<{ n: number }>(sql`select count(*) as n from notifications where run_id = 500`))?.n, 10_000);
  await assert.rejects(write({ employeeId: 100, runId: 500 }));
  await write(...people.slice(0, 200).map((employeeId) => ({ employeeId, runId: 501, body: 'я'.repeat(100_000) })));
  assert.equal((await db.first<{ n: number }>(sql`select min(length(body)) as n from notifications where run_id = 501`))?.n, 100_000);
});

test('robots and senders one can filter by are those that told something lately', async () => {
  await write({ employeeId: 2, senderId: 9, runId: 900, robotId: 90 }, { employeeId: 2, senderId: 9, runId: 901, robotId: 91 });
  await write({ employeeId: 2, senderId: 8, runId: 902, robotId: 90, body: 'от робота' });
  const { senderIds, robots } = (await ask(2, 'GET', '/sources')).body;
  assert.deepEqual(senderIds.filter((id: number) => id > 5).sort(), [8, 9]);
  assert.ok(robots.some((r: any) => r.id === 90 && [900, 902].includes(r.runId)), JSON.stringify(robots));
  assert.deepEqual(bodies(await ask(2, 'GET', '?robotId=90&senderId=8')), ['от робота']);
  assert.deepEqual((await ask(3, 'GET', '/sources')).body.robots, []);
});
