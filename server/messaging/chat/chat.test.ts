/* oxlint-disable typescript/no-explicit-any -- answers are checked by the assertions; their types would only repeat the contract */
import assert from 'node:assert/strict';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { testDatabase } from '../../../test/support/database.ts';
import { testPush } from '../../../test/support/push.ts';
import { sql } from '../../db/db.ts';
import { createDrive } from '../../drive/drive.ts';
import { buildApp } from '../../http/http.ts';
import { createJobs } from '../../jobs/jobs.ts';
import { createLive } from '../../live/live.ts';
import { type Actor, createPeople } from '../../people/people.ts';
import { createChat, privateKey, systemBody } from './chat.ts';
import { chatRoutes } from './routes.ts';

const { db } = await testDatabase();
const directory = await mkdtemp(join(tmpdir(), 'vestnik-chat-'));
after(() => rm(directory, { recursive: true, force: true }));
let clock = new Date('2026-03-02T10:00:00Z');
const now = () => (clock = new Date(clock.getTime() + 1000));
const live = createLive({ db, now });
const people = createPeople({ db, live, now });
const drive = createDrive({ db, live, now, directory });
const jobs = createJobs({ db, now, onError: (error) => assert.fail(String(error)) });
const chat = createChat({ db, jobs, live, people, drive, push: testPush({ db, live, people, now }), now });

await db.run(sql`insert into employees (id, email, first_name, last_name, is_admin, dismissed_at) values
  (1, 'admin@x', 'Ада', 'Админ', true, null), (2, 'anna@x', 'Анна', 'Белова', false, null), (3, 'boris@x', 'Борис', 'Волков', false, null),
  (4, 'vera@x', 'Вера', 'Громова', false, null), (5, 'gone@x', 'Глеб', 'Ушёл', false, '2026-01-01'), (6, 'dina@x', 'Дина', 'Дюк', false, null)`);
await db.run(sql`insert into employees (id, email) select n, n || '@x' from generate_series(100, 149) n union all select n, n || '@x' from generate_series(20000, 29999) n`);
await db.run(sql`insert into departments (id, name) values (10, 'Юристы')`);
await db.run(sql`insert into department_members (department_id, employee_id) values (10, 3), (10, 4), (10, 5)`);

const actors = new Map(
  Object.entries({ admin: 1, anna: 2, boris: 3, vera: 4, dina: 6 }).map(([name, employeeId]): [string, Actor] => [
    name, { employeeId, isAdmin: name === 'admin', language: 'ru', timeZone: 'Europe/Moscow', via: 'session' },
  ]),
);
const app = await buildApp({
  db, now, publicUrl: 'http://localhost', actorFromToken: async (token) => actors.get(token), companyLanguage: async () => 'ru',
  options: { logLevel: 'silent', trustProxy: false }, routes: [chatRoutes({ chat })],
});
after(() => app.close());

type Method = 'GET' | 'POST' | 'PATCH' | 'PUT' | 'DELETE';
async function ask(who: string, method: Method, url: string, body?: object): Promise<{ status: number; body: any }> {
  const answer = await app.inject({ method, url: `/api/chats${url}`, headers: { authorization: `Bearer ${who}` }, ...(body ? { payload: body } : {}) });
  return { status: answer.statusCode, body: answer.body ? answer.json() : undefined };
}
async function group(owner: string, memberIds: number[], more: object = {}): Promise<number> {
  const { status, body } = await ask(owner, 'POST', '', { kind: 'closed', title: 'Договор', memberIds, ...more });
  assert.equal(status, 201, JSON.stringify(body));
  return body.id;
}
async function send(who: string, chatId: number, body: string, more: object = {}): Promise<number> {
  const answer = await ask(who, 'POST', `/${chatId}/messages`, { body, ...more });
  assert.equal(answer.status, 201, JSON.stringify(answer.body));
  return answer.body.id;
}
const texts = (list: any): string[] => list.items.filter((m: any) => m.kind !== 'system').map((m: any) => m.body);
const listed = async (who: string, chatId: number) => (await ask(who, 'GET', '')).body.items.find((c: any) => c.id === chatId);

test('a closed group is hidden from everybody else, administrators included', async () => {
  const chatId = await group('anna', [3]);
  await send('anna', chatId, 'секрет');
  for (const who of ['vera', 'admin']) {
    for (const [method, url, body] of [
      ['GET', `/${chatId}`], ['GET', `/${chatId}/messages`], ['GET', `/${chatId}/members`], ['POST', `/${chatId}/messages`, { body: 'x' }],
      ['PATCH', `/${chatId}`, { title: 'x' }], ['DELETE', `/${chatId}`], ['PUT', `/${chatId}/membership`], ['DELETE', `/${chatId}/membership`],
      ['POST', `/${chatId}/members`, { employeeIds: [4] }], ['PUT', `/${chatId}/read`, { upToId: 1 }],
    ] as const) {
      const answer = await ask(who, method, url, body);
      assert.equal(answer.status, 404, `${who} ${method} ${url}`);
      assert.equal(answer.body.code, 'request.not_found');
    }
    assert.equal(await listed(who, chatId), undefined);
  }
  assert.deepEqual(texts((await ask('boris', 'GET', `/${chatId}/messages`)).body), ['секрет']);
});

test('a group needs two different working people', async () => {
  assert.equal((await ask('anna', 'POST', '', { kind: 'closed', title: 'x', memberIds: [2, 2] })).body.code, 'chat.too_few_members');
  const dismissed = await ask('anna', 'POST', '', { kind: 'closed', title: 'x', memberIds: [5] });
  assert.equal(dismissed.body.code, 'chat.member_dismissed');
  assert.match(dismissed.body.message, /Глеб Ушёл/);
  assert.equal((await ask('anna', 'POST', '', { kind: 'closed', title: 'x', memberIds: [999] })).status, 404);
  const chatId = await group('anna', [], { departmentIds: [10] });
  assert.deepEqual((await ask('anna', 'GET', `/${chatId}/members`)).body.items.map((m: any) => [m.employeeId, m.role]), [[2, 'owner'], [3, 'member'], [4, 'member']]);
});

test('a newcomer without the history never sees, finds, quotes or counts what was before', async () => {
  const chatId = await group('anna', [3]);
  const before = await send('anna', chatId, 'до новичка иголка');
  assert.deepEqual((await ask('anna', 'POST', `/${chatId}/members`, { employeeIds: [4, 3], showsHistory: false })).body, { addedIds: [4] });
  assert.deepEqual((await ask('anna', 'POST', `/${chatId}/members`, { employeeIds: [6], showsHistory: true })).body, { addedIds: [6] });
  const reply = await send('boris', chatId, 'после', { replyToId: before });

  assert.deepEqual(texts((await ask('vera', 'GET', `/${chatId}/messages`)).body), ['после']);
  assert.deepEqual(texts((await ask('vera', 'GET', `/${chatId}/messages?around=${before}`)).body), ['после']);
  assert.deepEqual(texts((await ask('vera', 'GET', `/${chatId}/messages?search=${encodeURIComponent('иголка')}`)).body), []);
  const seen = (await ask('vera', 'GET', `/${chatId}/messages`)).body.items.find((m: any) => m.id === reply);
  assert.deepEqual(seen.replyTo, { id: before, authorId: null, body: null });
  assert.equal((await ask('vera', 'POST', `/${chatId}/messages`, { body: 'x', replyToId: before })).status, 404);
  assert.equal((await listed('vera', chatId)).unreadCount, 1);
  // Whoever adds with the history shows no more than he sees himself.
  await ask('vera', 'POST', `/${chatId}/members`, { employeeIds: [1], showsHistory: true });
  assert.deepEqual(texts((await ask('admin', 'GET', `/${chatId}/messages`)).body), ['после']);

  assert.deepEqual(texts((await ask('dina', 'GET', `/${chatId}/messages`)).body), ['до новичка иголка', 'после']);
  assert.deepEqual(texts((await ask('dina', 'GET', `/${chatId}/messages?search=${encodeURIComponent('ИГОЛКА')}`)).body), ['до новичка иголка']);
});

test('unread counts what others wrote after the read mark, up to the cap', async () => {
  const chatId = await group('anna', [3]);
  assert.equal((await listed('boris', chatId)).unreadCount, 0, 'system lines do not count');
  const first = await send('anna', chatId, 'раз');
  await send('anna', chatId, 'два [user=3]Борис[/user] [user=4]Вера[/user]');
  assert.equal((await listed('anna', chatId)).unreadCount, 0);
  const item = await listed('boris', chatId);
  assert.equal(item.unreadCount, 2);
  assert.equal(item.isMentioned, true);
  assert.ok(item.lastMessage.body.startsWith('два'));
  const countBefore = (await ask('boris', 'GET', '/counters')).body.unreadChats;
  await ask('boris', 'PUT', `/${chatId}/read`, { upToId: first });
  assert.equal((await listed('boris', chatId)).unreadCount, 1);
  await ask('boris', 'PUT', `/${chatId}/read`, { upToId: 10 ** 12 });
  assert.equal((await listed('boris', chatId)).unreadCount, 0);
  await ask('boris', 'PUT', `/${chatId}/read`, { upToId: first });
  assert.equal((await listed('boris', chatId)).unreadCount, 0, 'a mark never moves back');
  assert.equal((await ask('boris', 'GET', '/counters')).body.unreadChats, countBefore - 1);
  await db.transaction((tx) => chat.insertMessages(tx, Array.from({ length: 150 }, () => ({ chatId, authorId: 2, kind: 'plain' as const, body: 'x', itemId: null, runId: null }))));
  assert.equal((await listed('boris', chatId)).unreadCount, 100);
});

test('an open group can be found, read and joined, but only members write', async () => {
  const { body: open } = await ask('anna', 'POST', '', { kind: 'open', title: 'Курилка особая', memberIds: [3] });
  await send('anna', open.id, 'привет');
  const found = (await ask('vera', 'GET', `?scope=open&search=${encodeURIComponent('особая')}`)).body.items;
  assert.deepEqual(found.map((c: any) => [c.id, c.membership]), [[open.id, null]]);
  assert.deepEqual(texts((await ask('vera', 'GET', `/${open.id}/messages`)).body), ['привет']);
  const refused = await ask('vera', 'POST', `/${open.id}/messages`, { body: 'и я' });
  assert.deepEqual([refused.status, refused.body.code], [403, 'chat.not_member']);
  assert.equal((await ask('vera', 'PUT', `/${open.id}/membership`)).body.membership.role, 'member');
  await send('vera', open.id, 'и я');
  assert.equal((await ask('anna', 'PATCH', `/${open.id}`, { kind: 'closed' })).status, 200);
  assert.equal((await ask('dina', 'GET', `/${open.id}`)).status, 404);
});

test('two people get one private chat, however many ask at once', async () => {
  const answers = await Promise.all(Array.from({ length: 20 }, (_, i) => ask(i % 2 ? 'anna' : 'vera', 'POST', '', { kind: 'private', employeeId: i % 2 ? 4 : 2 })));
  assert.deepEqual(new Set(answers.map((a) => a.status)), new Set([201]));
  const ids = new Set(answers.map((a) => a.body.id));
  assert.equal(ids.size, 1);
  const [chatId] = ids;
  assert.equal(answers[0]!.body.memberCount, 2);
  assert.deepEqual(answers.slice(0, 2).map((a) => a.body.partnerId), [2, 4]);
  assert.equal(await listed('vera', chatId), undefined, 'nobody wrote yet');
  await send('anna', chatId, 'привет');
  assert.equal((await listed('vera', chatId)).unreadCount, 1);
  assert.deepEqual((await ask('vera', 'GET', `?search=${encodeURIComponent('белова')}`)).body.items.map((c: any) => c.id), [chatId]);
  for (const [method, url, body] of [
    ['PATCH', `/${chatId}`, { title: 'x' }], ['POST', `/${chatId}/members`, { employeeIds: [3] }], ['DELETE', `/${chatId}/membership`], ['DELETE', `/${chatId}`],
  ] as const) assert.equal((await ask('anna', method, url, body)).body.code, 'chat.private_fixed');
  assert.equal((await ask('boris', 'GET', `/${chatId}/messages`)).status, 404);
});

test('batches that make the same private chats beside each other agree', async () => {
  const pairs = Array.from({ length: 50 }, (_, i): [number, number] => [i % 2 ? 3 : 100 + i, i % 2 ? 100 + i : 3]);
  const results = await Promise.all(
    Array.from({ length: 6 }, (_, n) => db.transaction((tx) => chat.ensurePrivate(tx, n % 2 ? pairs : [...pairs].reverse()))),
  );
  for (const found of results) assert.deepEqual([...found].sort(), [...results[0]!].sort());
  const ids = [...results[0]!.values()];
  const chats = await chat.forRobots(db, ids);
  assert.equal(chats.size, 50);
  for (const row of chats.values()) assert.equal(row.memberIds.length, 2);
  assert.equal((await chat.findPrivate(db, [[3, 100]])).get(privateKey(100, 3)), results[0]!.get('3:100'));
});

test('notes to oneself have one member, and a robot note in one’s own name is unread', async () => {
  const { body } = await ask('dina', 'POST', '', { kind: 'private', employeeId: 6 });
  assert.deepEqual([body.memberCount, body.partnerId], [1, 6]);
  await send('dina', body.id, 'не забыть');
  assert.equal((await listed('dina', body.id)).unreadCount, 0);
  await db.transaction((tx) => chat.insertMessages(tx, [{ chatId: body.id, authorId: 6, kind: 'notice', body: 'робот', itemId: 7, runId: 77 }]));
  assert.equal((await listed('dina', body.id)).unreadCount, 1);
});

test('messages are edited by their author, deleted by him or by who runs the group, and gone for all', async () => {
  const chatId = await group('anna', [3, 4]);
  const id = await send('boris', chatId, 'опечтка');
  assert.equal((await ask('anna', 'PATCH', `/${chatId}/messages/${id}`, { body: 'x' })).body.code, 'chat.message_not_yours');
  const edited = await ask('boris', 'PATCH', `/${chatId}/messages/${id}`, { body: 'опечатка' });
  assert.equal(edited.body.body, 'опечатка');
  assert.ok(edited.body.editedAt);
  assert.equal((await ask('vera', 'DELETE', `/${chatId}/messages/${id}`)).status, 403);
  assert.equal((await ask('anna', 'DELETE', `/${chatId}/messages/${id}`)).status, 204);
  const gone = (await ask('vera', 'GET', `/${chatId}/messages`)).body.items.find((m: any) => m.id === id);
  assert.deepEqual([gone.body, gone.deletedAt === null], ['', false]);
  assert.equal((await listed('vera', chatId)).unreadCount, 0);

  const [robots] = await db.transaction((tx) => chat.insertMessages(tx, [{ chatId, authorId: 3, kind: 'alarm', body: 'авария', itemId: 5, runId: 5 }]));
  assert.equal((await ask('boris', 'PATCH', `/${chatId}/messages/${robots}`, { body: 'x' })).body.code, 'chat.message_of_robot');
  assert.equal((await ask('anna', 'POST', `/${chatId}/messages`, { body: '  ' })).body.code, 'chat.message_empty');
  assert.equal((await ask('anna', 'POST', `/${chatId}/messages`, { body: 'x', kind: 'alarm' })).status, 400, 'alarm is the robots’');
});

test('a member keeps messages on top of the chat, for those who may see them, until they are deleted', async () => {
  const chatId = await group('anna', [3]);
  const pinned = async (who: string) => (await ask(who, 'GET', `/${chatId}/pins`)).body.items.map((m: any) => m.body);
  const lines = async () => (await ask('anna', 'GET', `/${chatId}/messages`)).body.items.flatMap((m: any) => (m.system?.code === 'message_pinned' ? [m.system.messageId] : []));
  const first = await send('anna', chatId, 'адрес склада');
  const second = await send('boris', chatId, 'график');
  assert.equal((await ask('boris', 'PUT', `/${chatId}/messages/${first}/pin`)).status, 204);
  assert.equal((await ask('boris', 'PUT', `/${chatId}/messages/${first}/pin`)).status, 204);
  assert.equal((await ask('anna', 'PUT', `/${chatId}/messages/${second}/pin`)).status, 204);
  assert.deepEqual(await pinned('anna'), ['график', 'адрес склада']);
  assert.deepEqual(await lines(), [first, second], 'said once each');

  await ask('anna', 'POST', `/${chatId}/members`, { employeeIds: [4], showsHistory: false });
  assert.deepEqual(await pinned('vera'), [], 'a newcomer without the history sees none of it on top either');
  for (const method of ['PUT', 'DELETE'] as const) assert.equal((await ask('vera', method, `/${chatId}/messages/${first}/pin`)).status, 404);
  assert.equal((await ask('dina', 'GET', `/${chatId}/pins`)).status, 404);

  assert.equal((await ask('anna', 'DELETE', `/${chatId}/messages/${first}/pin`)).status, 204);
  assert.deepEqual(await pinned('boris'), ['график']);
  assert.equal((await ask('boris', 'DELETE', `/${chatId}/messages/${second}`)).status, 204);
  assert.deepEqual(await pinned('boris'), []);
  assert.equal((await ask('anna', 'PUT', `/${chatId}/messages/${second}/pin`)).status, 404, 'what is deleted cannot be kept');

  await db.run(sql`with made as (insert into messages (chat_id, author_id, body, created_at) select ${chatId}, 2, 'много', now() from generate_series(1, 100) returning id)
    insert into message_pins (chat_id, message_id, employee_id, created_at) select ${chatId}, id, 2, now() from made`);
  const refused = await ask('boris', 'PUT', `/${chatId}/messages/${await send('boris', chatId, 'сто первое')}/pin`);
  assert.deepEqual([refused.status, refused.body.code], [409, 'chat.too_many_pins']);
});

test('paging goes both ways and meets', async () => {
  const chatId = await group('anna', [3]);
  const ids: number[] = [];
  for (let i = 0; i < 10; i++) ids.push(await send('anna', chatId, `m${i}`));
  const newest = (await ask('boris', 'GET', `/${chatId}/messages?limit=4`)).body;
  assert.deepEqual(texts(newest), ['m6', 'm7', 'm8', 'm9']);
  assert.equal(newest.after, null);
  const older = (await ask('boris', 'GET', `/${chatId}/messages?limit=4&before=${newest.before}`)).body;
  assert.deepEqual(texts(older), ['m2', 'm3', 'm4', 'm5']);
  assert.deepEqual(texts((await ask('boris', 'GET', `/${chatId}/messages?limit=4&after=${older.after}`)).body), ['m6', 'm7', 'm8', 'm9']);
  const around = (await ask('boris', 'GET', `/${chatId}/messages?limit=4&around=${ids[5]}`)).body;
  assert.deepEqual(texts(around), ['m3', 'm4', 'm5', 'm6']);
  assert.ok(around.before && around.after);
});

test('the list is by activity, pinned first, and its pages miss nothing', async () => {
  const ids: number[] = [];
  for (let i = 0; i < 5; i++) ids.push(await group('dina', [1], { title: `Список ${i}` }));
  await send('admin', ids[0]!, 'ожил');
  await ask('dina', 'PATCH', `/${ids[2]}/membership`, { isPinned: true });
  const seen: number[] = [];
  let cursor = '';
  do {
    const page = (await ask('dina', 'GET', `?limit=2&search=${encodeURIComponent('Список')}${cursor && `&cursor=${cursor}`}`)).body;
    seen.push(...page.items.map((c: any) => c.id));
    cursor = page.nextCursor ?? '';
  } while (cursor);
  assert.deepEqual(seen, [ids[2], ids[0], ids[4], ids[3], ids[1]]);
  assert.equal((await ask('dina', 'GET', '?cursor=abc')).status, 400);
  await ask('dina', 'PATCH', `/${ids[0]}/membership`, { isMuted: true });
  assert.deepEqual((await ask('dina', 'GET', `?onlyUnread=true&search=${encodeURIComponent('Список')}`)).body.items.map((c: any) => c.id), [ids[0]]);
});

test('members are removed by who may, and the owner who leaves hands over', async () => {
  const chatId = await group('anna', [3, 4, 6]);
  assert.equal((await ask('boris', 'DELETE', `/${chatId}/members/4`)).body.code, 'chat.not_manager');
  await ask('anna', 'PATCH', `/${chatId}/members/3`, { role: 'manager' });
  assert.equal((await ask('boris', 'DELETE', `/${chatId}/members/2`)).body.code, 'chat.owner_stays');
  assert.equal((await ask('boris', 'DELETE', `/${chatId}/members/6`)).status, 204);
  assert.equal((await ask('dina', 'GET', `/${chatId}/messages`)).status, 404);
  assert.equal((await ask('anna', 'DELETE', `/${chatId}/membership`)).status, 204);
  assert.equal((await ask('boris', 'GET', `/${chatId}`)).body.membership.role, 'owner');
  await ask('boris', 'DELETE', `/${chatId}/membership`);
  await ask('vera', 'DELETE', `/${chatId}/membership`);
  assert.ok((await chat.forRobots(db, [chatId])).get(chatId)?.deletedAt);
});

test('robots make chats, members and messages in sets, and members twice are members once', async () => {
  const [first, second] = await db.transaction(async (tx) => {
    const ids = await chat.reserveIds(tx, 2);
    // As the engine flushes them: sent one after the other, without waiting.
    await Promise.all([
      chat.insertChats(tx, ids.map((id) => ({ id, kind: 'closed' as const, title: `Робот ${id}`, ownerId: 2, itemId: 9, runId: 1000 + id }))),
      chat.insertMembers(tx, ids.flatMap((chatId) => [2, 3, 3].map((employeeId) => ({ chatId, employeeId, historyAfterId: 0, role: employeeId === 2 ? 'owner' as const : 'member' as const })))),
      chat.insertMessages(tx, ids.map((chatId) => ({
        chatId, authorId: null, kind: 'system' as const, body: systemBody({ code: 'created', actorId: null, employeeIds: [] }), itemId: null, runId: 1000 + chatId,
      }))),
    ]);
    return ids;
  });
  const item = await listed('boris', first!);
  assert.equal(item.unreadCount, 0);
  assert.deepEqual(item.lastMessage.system, { code: 'created', actorId: null, employeeIds: [] });
  const known = (await chat.forRobots(db, [first!, second!, 999_999])).get(first!);
  assert.deepEqual([known?.memberIds, known?.runId, known?.kind], [[2, 3], 1000 + first!, 'closed']);

  await db.transaction((tx) => chat.insertMessages(tx, [{ chatId: first!, authorId: 2, kind: 'plain', body: 'выше', itemId: 9, runId: 5001 }]));
  await db.transaction(async (tx) => {
    assert.deepEqual(await chat.insertMembers(tx, [{ chatId: first!, employeeId: 4, historyAfterId: null }, { chatId: first!, employeeId: 3, historyAfterId: null }]), [{ chatId: first, employeeId: 4 }]);
    await chat.insertMessages(tx, [{ chatId: first!, authorId: 2, kind: 'announcement', heading: 'Внимание', body: 'ниже', itemId: 9, runId: 5002 }]);
  });
  assert.deepEqual(texts((await ask('vera', 'GET', `/${first}/messages`)).body), ['ниже']);
  assert.equal((await listed('vera', first!)).unreadCount, 1);
  assert.deepEqual(texts((await ask('boris', 'GET', `/${first}/messages`)).body), ['выше', 'ниже']);
  await assert.rejects(db.transaction((tx) => chat.insertMessages(tx, [{ chatId: first!, authorId: 2, kind: 'plain', body: 'дважды', itemId: 9, runId: 5002 }])));
});

test('10,000 private messages are one set, and 10,000 members one chat', async () => {
  const recipients = Array.from({ length: 10_000 }, (_, i) => 20_000 + i);
  const found = await db.transaction(async (tx) => {
    const chats = await chat.ensurePrivate(tx, recipients.map((id) => [2, id]));
    const ids = await chat.insertMessages(tx, recipients.map((id, i) => ({
      chatId: chats.get(privateKey(2, id))!, authorId: 2, kind: 'notice' as const, body: `Здравствуйте ${i}`, itemId: 1, runId: 60_000,
    })));
    assert.equal(new Set(ids).size, 10_000);
    return chats;
  });
  assert.equal(found.size, 10_000);
  const last = await db.first<{ body: string }>(sql`select body from messages where chat_id = ${found.get(privateKey(2, 29_999))!}`);
  assert.equal(last?.body, 'Здравствуйте 9999');

  const chatId = await group('anna', [3]);
  const added = await db.transaction((tx) => chat.insertMembers(tx, recipients.map((employeeId) => ({ chatId, employeeId, historyAfterId: null }))));
  assert.equal(added.length, 10_000);
  await send('boris', chatId, 'всем');
  assert.equal((await ask('anna', 'GET', `/${chatId}`)).body.memberCount, 10_002);
  const page = (await ask('anna', 'GET', `/${chatId}/members?limit=1000`)).body;
  assert.equal(page.items.length, 1000);
  assert.equal(page.nextCursor, String(page.items.at(-1).employeeId));
  assert.equal((await ask('anna', 'GET', '?limit=100')).body.items.length, 100);
});

test('long texts, emoji and right-to-left arrive as written; a NUL does not get in', async () => {
  const chatId = await group('anna', [3]);
  const long = '👩‍👩‍👧‍👦 שלום مرحبا '.repeat(4000).slice(0, 99_999).trim();
  const id = await send('anna', chatId, long);
  const read = (await ask('boris', 'GET', `/${chatId}/messages`)).body.items.find((m: any) => m.id === id);
  assert.equal(read.body, long);
  assert.ok((await listed('boris', chatId)).lastMessage.body.length <= 600);
  assert.equal((await ask('anna', 'POST', `/${chatId}/messages`, { body: 'x'.repeat(100_001) })).status, 400);
  const nul = await ask('anna', 'POST', `/${chatId}/messages`, { body: 'a\u0000b' });
  assert.ok(nul.status === 400 || nul.body.body === 'ab');
  // A half of an emoji is not text either.
  const half = await ask('anna', 'POST', `/${chatId}/messages`, { body: 'a\ud83d' });
  assert.ok(half.status < 500, String(half.status));
});

test('files of a message open for who sees the message, and for nobody when it is deleted', async () => {
  const chatId = await group('anna', [3]);
  const file = await drive.importFile(null, { storage: 'attachments', name: 'договор.pdf', bytes: Buffer.from('pdf'), createdBy: 2 });
  assert.equal((await ask('boris', 'POST', `/${chatId}/messages`, { fileIds: [file.id] })).status, 404, 'not his to attach');
  const id = await send('anna', chatId, '', { fileIds: [file.id] });
  const seen = (await ask('boris', 'GET', `/${chatId}/messages`)).body.items.find((m: any) => m.id === id);
  assert.deepEqual(seen.files, [{ id: file.id, name: 'договор.pdf', sizeBytes: 3, mediaType: 'application/pdf' }]);
  const boris = actors.get('boris')!;
  const vera = actors.get('vera')!;
  assert.equal((await drive.file(boris, file.id)).id, file.id);
  await assert.rejects(drive.file(vera, file.id));
  await ask('anna', 'POST', `/${chatId}/members`, { employeeIds: [4] });
  await assert.rejects(drive.file(vera, file.id), 'added without the history');
  await ask('anna', 'DELETE', `/${chatId}/messages/${id}`);
  await assert.rejects(drive.file(boris, file.id));
});

test('a removed member stops hearing of the chat at once, and learns that his list changed', async () => {
  const chatId = await group('anna', [3, 4]);
  const listen = (employeeId: number) => {
    const frames: string[] = [];
    const watcher = { ...actors.get('boris')!, employeeId };
    return { frames, connection: live.connect({ watcher, send: (text) => void frames.push(text), close() {}, recheck: async () => watcher }) };
  };
  const [boris, vera, outsider] = [listen(3), listen(4), listen(1)];
  for (const { connection } of [boris, vera]) assert.deepEqual(await connection.subscribe([`chat:${chatId}`]), { refused: [] });
  assert.deepEqual(await outsider.connection.subscribe([`chat:${chatId}`]), { refused: [`chat:${chatId}`] }, 'not even an administrator');

  const first = await send('anna', chatId, 'пока вместе');
  assert.ok(vera.frames.some((f) => f.includes(`{"topic":"chat:${chatId}","what":"messages","id":${first}}`)));
  vera.frames.length = 0;
  await ask('anna', 'DELETE', `/${chatId}/members/4`);
  const second = await send('anna', chatId, 'уже без неё');
  // Answers to a question come after what was waiting for one.
  assert.deepEqual(await vera.connection.subscribe([`chat:${chatId}`]), { refused: [`chat:${chatId}`] });
  await boris.connection.subscribe([`chat:${chatId}`]);
  assert.ok(boris.frames.some((f) => f.includes(`"id":${second}`)));
  assert.ok(vera.frames.some((f) => f.includes(`{"topic":"employee:4","what":"chats","id":${chatId}}`)));
  assert.ok(!vera.frames.some((f) => f.includes(`"topic":"chat:${chatId}"`)), vera.frames.join('\n'));
  for (const { connection } of [boris, vera, outsider]) connection.close();
});

test('nobody reads past a message that is still being written', async () => {
  const chatId = await group('anna', [3]);
  const robot = (body: string, runId: number) => ({ chatId, authorId: 2, kind: 'notice' as const, body, itemId: 1, runId });
  const written = Promise.withResolvers<void>();
  const mayCommit = Promise.withResolvers<void>();
  const slow = db.transaction(async (tx) => {
    await chat.insertMessages(tx, [robot('медленное', 70_001)]);
    written.resolve();
    await mayCommit.promise;
  });
  await written.promise;
  // Without the order of the chat this one would be there first, and reading it would hide the slow one.
  const quick = send('anna', chatId, 'быстрое');
  const isHeldUp = async (): Promise<boolean> => {
    while (!(await db.first(sql`select 1 from pg_stat_activity where datname = current_database() and wait_event_type = 'Lock'`)));
    return true;
  };
  assert.equal(await Promise.race([quick, isHeldUp()]), true);
  const seen = (await ask('boris', 'GET', `/${chatId}/messages`)).body.items.at(-1).id;
  await ask('boris', 'PUT', `/${chatId}/read`, { upToId: 10 ** 12 });
  mayCommit.resolve();
  await Promise.all([slow, quick]);
  assert.deepEqual(texts((await ask('boris', 'GET', `/${chatId}/messages?after=${seen}`)).body), ['медленное', 'быстрое']);
  assert.equal((await listed('boris', chatId)).unreadCount, 2);
});

test('whoever follows a busy chat by its last message gets each message once', async () => {
  const chatId = await group('anna', [3]);
  let isOver = false;
  const seen: number[] = [];
  let last = (await ask('boris', 'GET', `/${chatId}/messages`)).body.items.at(-1).id;
  const follow = async () => {
    for (let isLastRound = false; ; isLastRound = isOver) {
      const page = (await ask('boris', 'GET', `/${chatId}/messages?after=${last}&limit=200`)).body.items;
      seen.push(...page.map((m: any) => m.id));
      last = seen.at(-1) ?? last;
      if (isLastRound && page.length === 0) return;
    }
  };
  const following = follow();
  await Promise.all(Array.from({ length: 6 }, async (_, writer) => {
    for (let i = 0; i < 15; i++) {
      if (writer % 2) await send('anna', chatId, `${writer}/${i}`);
      else {
        await db.transaction((tx) => chat.insertMessages(tx, Array.from({ length: 3 }, (_, n) => (
          { chatId, authorId: 2, kind: 'plain' as const, body: 'x', itemId: null, runId: 80_000 + writer * 1000 + i * 10 + n }))), { asyncCommit: true });
      }
    }
  }));
  isOver = true;
  await following;
  const all = await db.rows<{ id: number }>(sql`select id from messages where chat_id = ${chatId} and kind <> 'system' order by id`);
  assert.equal(all.length, 45 + 135);
  assert.deepEqual(seen, all.map((row) => row.id));
});

test('a message sent again after a lost line is there once', async () => {
  const chatId = await group('anna', [3]);
  const body = { body: 'только раз', clientId: 'c0ffee00-0001' };
  const answers = await Promise.all(Array.from({ length: 5 }, () => ask('anna', 'POST', `/${chatId}/messages`, body)));
  assert.deepEqual(new Set(answers.map((a) => a.status)), new Set([201]));
  assert.equal(new Set(answers.map((a) => a.body.id)).size, 1);
  assert.equal((await ask('anna', 'POST', `/${chatId}/messages`, { ...body, body: 'иначе' })).body.body, 'только раз');
  // Another's id of the same looks is another's.
  assert.equal((await ask('boris', 'POST', `/${chatId}/messages`, body)).status, 201);
  const seen = (await ask('boris', 'GET', `/${chatId}/messages`)).body;
  assert.deepEqual(texts(seen), ['только раз', 'только раз']);
  assert.deepEqual(seen.items.slice(-2).map((m: any) => m.clientId), [null, 'c0ffee00-0001']);
  assert.equal((await ask('anna', 'POST', `/${chatId}/messages`, { body: 'x', clientId: 'a b' })).status, 400);
});

test('members react, once each, and see who did', async () => {
  const chatId = await group('anna', [3]);
  const id = await send('anna', chatId, 'ура');
  for (const who of ['boris', 'boris', 'anna']) assert.equal((await ask(who, 'PUT', `/${chatId}/messages/${id}/reactions/heart`)).status, 204);
  await ask('boris', 'PUT', `/${chatId}/messages/${id}/reactions/fire`);
  const reactions = async (who: string) => (await ask(who, 'GET', `/${chatId}/messages`)).body.items.at(-1).reactions;
  assert.deepEqual(await reactions('anna'), [
    { reaction: 'heart', count: 2, isMine: true, employeeIds: [3, 2] }, { reaction: 'fire', count: 1, isMine: false, employeeIds: [3] },
  ]);
  assert.equal((await ask('boris', 'DELETE', `/${chatId}/messages/${id}/reactions/heart`)).status, 204);
  assert.deepEqual((await reactions('boris')).map((r: any) => [r.reaction, r.count, r.isMine]), [['heart', 1, false], ['fire', 1, true]]);
  assert.equal((await ask('vera', 'PUT', `/${chatId}/messages/${id}/reactions/heart`)).status, 404);
  assert.equal((await ask('boris', 'PUT', `/${chatId}/messages/${id}/reactions/rocket`)).status, 400);
  await ask('anna', 'DELETE', `/${chatId}/messages/${id}`);
  assert.deepEqual(await reactions('boris'), []);
  assert.equal((await ask('boris', 'PUT', `/${chatId}/messages/${id}/reactions/heart`)).status, 404);
});

test('search over all chats finds what the person may see, and tells where it stands, with or without the index', async () => {
  const chatId = await group('anna', [3]);
  const far = await send('anna', chatId, `${'далеко '.repeat(40)}Редкоеслово и [b]Ёлка[/b] дальше`);
  await ask('anna', 'POST', `/${chatId}/members`, { employeeIds: [4], showsHistory: false });
  const find = async (who: string, search: string, more = ''): Promise<any> => (await app.inject({
    method: 'GET', url: `/api/messages?search=${encodeURIComponent(search)}${more}`, headers: { authorization: `Bearer ${who}` },
  })).json();
  const ids = async (who: string, search: string): Promise<number[]> => (await find(who, search)).items.map((m: any) => m.id);
  for (const isIndexed of [false, true]) {
    if (isIndexed) await jobs.drain();
    assert.equal((await db.rows(sql`select from message_words where chat_id = ${chatId} and message_id = ${far}`)).length, isIndexed ? 1 : 0);
    const [hit] = (await find('boris', 'редкоеСЛОВО')).items;
    assert.equal(hit.chatId, chatId);
    assert.ok(hit.body.includes('Редкоеслово'), hit.body);
    assert.deepEqual(hit.chat, { kind: 'closed', title: 'Договор', partnerId: null });
    for (const search of ['дальше редкоесл', 'елка редкое', 'Ёлка', 'редкоеслово и']) assert.deepEqual(await ids('boris', search), [far], search);
    for (const who of ['vera', 'admin']) assert.deepEqual(await ids(who, 'редкоеслово'), [], who);
    for (const search of ['редкоеслово близко', "редкое' | 'x", '%%%', '👍👍👍']) assert.deepEqual(await ids('boris', search), [], search);
  }
  const second = await send('boris', chatId, 'ещё одно редкоеслово');
  const first = await find('boris', 'редкоеслово', '&limit=1');
  assert.match(first.items[0].body, /ещё одно/);
  assert.deepEqual((await find('boris', 'редкоеслово', `&limit=1&before=${first.before}`)).items.map((m: any) => m.id), [far]);
  await jobs.drain();

  // Edited, it is found by what it says now, at once and later; deleted, by nothing.
  await ask('boris', 'PATCH', `/${chatId}/messages/${second}`, { body: 'переписанное' });
  for (const isIndexed of [false, true]) {
    if (isIndexed) await jobs.drain();
    assert.deepEqual([await ids('anna', 'редкоеслово'), await ids('anna', 'переписан')], [[far], [second]]);
  }
  await ask('boris', 'DELETE', `/${chatId}/messages/${second}`);
  await jobs.drain();
  assert.deepEqual(await ids('anna', 'переписан'), []);
  // Who left finds nothing more.
  await ask('boris', 'DELETE', `/${chatId}/membership`);
  assert.deepEqual(await ids('boris', 'редкоеслово'), []);
});

test('a rare word is found among 60,000 messages by the index', async () => {
  const [mine, foreign] = [await group('anna', [3]), await group('vera', [6])];
  await db.run(sql`insert into messages (chat_id, author_id, body, created_at) select case when n % 3 = 0 then ${mine}::bigint else ${foreign}::bigint end, 2, 'Сделка перешла на стадию ' || n, now() from generate_series(1, 60000) n`);
  await db.run(sql`insert into message_words (chat_id, message_id, words) select chat_id, id, to_tsvector('simple', lower(body)) || array_to_tsvector(array['#' || chat_id]) from messages where chat_id in (${mine}, ${foreign}) on conflict do nothing`);
  const needle = await send('anna', mine, 'единственноеслово');
  await jobs.drain();
  await db.run(sql`analyze message_words`);
  const steps: string[] = [];
  for (const row of await db.rows<{ 'QUERY PLAN': string }>(sql`explain (analyze) select from message_words where words @@ ${`'единственное':* & ('#${mine}')`}::tsquery`)) steps.push(JSON.stringify(row));
  assert.match(steps.join('\n'), /message_words_idx/);
  const search = async (words: string): Promise<any> => (await app.inject({ method: 'GET', url: `/api/messages?search=${encodeURIComponent(words)}&limit=5`, headers: { authorization: 'Bearer anna' } })).json();
  assert.deepEqual((await search('единственное')).items.map((m: any) => m.id), [needle]);
  // Words of everybody's messages too, of one's own chats alone.
  const common = (await search('сделка стадию')).items;
  assert.deepEqual(new Set(common.map((m: any) => m.chatId)), new Set([mine]));
  assert.equal(common.length, 5);
});

test('a message of 60,000 characters arrives whole, with every script in it', async () => {
  const chatId = await group('anna', [3]);
  const body = `<script>alert(1)</script> [b]ж[/b] 漢字 עברית 👩‍👩‍👧 ${'я'.repeat(60_000)}`;
  await send('anna', chatId, body);
  assert.deepEqual(texts((await ask('boris', 'GET', `/${chatId}/messages`)).body), [body]);
});

test('a chat of 100,000 messages opens at its last unread one within 300 ms, for one of 500 members', async () => {
  const chatId = await group('anna', [3, ...Array.from({ length: 498 }, (_, i) => 20_000 + i)]);
  await db.run(sql`insert into messages (chat_id, author_id, body, created_at) select ${chatId}, 2, 'строка ' || n, now() from generate_series(1, 100000) n`);
  const middle = (await db.first<{ id: number }>(sql`select id from messages where chat_id = ${chatId} order by id offset 60000 limit 1`))?.id ?? 0;
  await ask('boris', 'PUT', `/${chatId}/read`, { upToId: middle });
  const open = async () => {
    const started = performance.now();
    const [chatAnswer, page] = await Promise.all([ask('boris', 'GET', `/${chatId}`), ask('boris', 'GET', `/${chatId}/messages?around=${middle + 1}&limit=60`)]);
    assert.equal(chatAnswer.body.membership.readUpToId, middle);
    assert.equal(chatAnswer.body.memberCount, 500);
    assert.ok(page.body.items.some((m: any) => m.id === middle + 1));
    return performance.now() - started;
  };
  // The best of some: what else the machine does is not what is measured.
  let best = Infinity;
  for (let i = 0; i < 5; i++) best = Math.min(best, await open());
  assert.ok(best < 300, `${best.toFixed(0)} ms`);
  assert.equal((await listed('boris', chatId)).unreadCount, 100);
});
