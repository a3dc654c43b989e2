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
import { createLive } from '../../live/live.ts';
import { type Actor, createPeople } from '../../people/people.ts';
import { createFeed, type PostToWrite } from './feed.ts';
import { feedRoutes } from './routes.ts';

const { db } = await testDatabase();
const directory = await mkdtemp(join(tmpdir(), 'vestnik-feed-'));
after(() => rm(directory, { recursive: true, force: true }));
let clock = new Date('2026-03-02T10:00:00Z');
const now = () => (clock = new Date(clock.getTime() + 1000));
const live = createLive({ db, now });
const people = createPeople({ db, live, now });
const drive = createDrive({ db, live, now, directory });
const feed = createFeed({ db, live, people, drive, push: testPush({ db, live, people, now }), now });

await db.run(sql`insert into employees (id, email, first_name, is_admin, dismissed_at) values
  (1, 'admin@x', 'Ада', true, null), (2, 'anna@x', 'Анна', false, null), (3, 'boris@x', 'Борис', false, null),
  (4, 'vera@x', 'Вера', false, null), (5, 'gone@x', 'Глеб', false, '2026-01-01')`);
await db.run(sql`insert into departments (id, name) values (10, 'Продажи'), (11, 'Пустой')`);
await db.run(sql`insert into department_members (department_id, employee_id) values (10, 3), (10, 5)`);

const actors = new Map(Object.entries({ admin: 1, anna: 2, boris: 3, vera: 4 }).map(([name, employeeId]): [string, Actor] => [
  name, { employeeId, isAdmin: name === 'admin', language: 'ru', timeZone: 'Europe/Moscow', via: 'session' },
]));
const app = await buildApp({
  db, now, publicUrl: 'http://localhost', actorFromToken: async (token) => actors.get(token), companyLanguage: async () => 'ru',
  options: { logLevel: 'silent', trustProxy: false }, routes: [feedRoutes({ feed })],
});
after(() => app.close());

async function ask(who: string, method: 'GET' | 'POST' | 'PATCH' | 'PUT' | 'DELETE', url: string, body?: object): Promise<{ status: number; body: any }> {
  const answer = await app.inject({ method, url: `/api/posts${url}`, headers: { authorization: `Bearer ${who}` }, ...(body ? { payload: body } : {}) });
  return { status: answer.statusCode, body: answer.body ? answer.json() : undefined };
}
const sales = [{ kind: 'department', id: 10 }];
async function write(who: string, body: string, more: object = {}): Promise<number> {
  const answer = await ask(who, 'POST', '', { body, audience: sales, ...more });
  assert.equal(answer.status, 201, JSON.stringify(answer.body));
  return answer.body.id;
}
const texts = async (who: string, query = ''): Promise<string[]> => (await ask(who, 'GET', query)).body.items.map((p: any) => p.body);
const robotPost = (more: Partial<PostToWrite>): PostToWrite => ({
  authorId: 2, title: 'Успех', body: 'Большая сделка', tags: [], fileIds: [], audience: [], isForEveryone: false, readerIds: [], itemId: 1, runId: null, ...more,
});

test('what others wrote since one looked is new, and nothing else', async () => {
  const unseen = async (who: string): Promise<number> => (await ask(who, 'GET', '/counters')).body.unseen;
  const old = await write('anna', 'было раньше');
  assert.equal(await unseen('boris'), 0, 'before the first look nothing is counted');
  assert.equal((await ask('boris', 'PUT', '/seen', { upToId: old })).status, 204);
  const first = await write('anna', 'новое');
  const second = await write('anna', 'ещё новее');
  assert.deepEqual([await unseen('boris'), await unseen('vera'), await unseen('anna')], [2, 0, 0]);
  await ask('boris', 'PUT', '/seen', { upToId: first });
  await ask('boris', 'PUT', '/seen', { upToId: old });
  assert.equal(await unseen('boris'), 1, 'a mark never moves back');
  await ask('anna', 'DELETE', `/${second}`);
  assert.equal(await unseen('boris'), 0);
  await ask('boris', 'PUT', '/seen', { upToId: Number.MAX_SAFE_INTEGER });
  await write('anna', 'после всего');
  assert.equal(await unseen('boris'), 1, 'nor past what is there');
});

test('a post is seen by its readers and its author, and by nobody else, administrators included', async () => {
  const id = await write('anna', 'для отдела');
  assert.ok((await texts('anna')).includes('для отдела'));
  assert.ok((await texts('boris')).includes('для отдела'));
  for (const who of ['vera', 'admin']) {
    assert.ok(!(await texts(who)).includes('для отдела'));
    for (const [method, url, body] of [
      ['GET', `/${id}`], ['GET', `/${id}/comments`], ['GET', `/${id}/readers`], ['POST', `/${id}/comments`, { body: 'x' }],
      ['PUT', `/${id}/reactions/like`], ['PATCH', `/${id}`, { body: 'x' }], ['DELETE', `/${id}`],
    ] as const) assert.equal((await ask(who, method, url, body)).status, 404, `${who} ${method} ${url}`);
  }
  assert.deepEqual((await ask('boris', 'GET', `/${id}/readers`)).body.employeeIds, [2, 3], 'the dismissed are not there');
  await write('anna', 'для всех', { audience: [{ kind: 'everyone' }, ...sales] });
  assert.deepEqual((await texts('boris')).slice(0, 2), ['для всех', 'для отдела']);
  assert.deepEqual(await texts('vera'), ['для всех']);
});

test('an audience of nobody is refused, as is one that does not exist', async () => {
  assert.equal((await ask('anna', 'POST', '', { body: 'x', audience: [{ kind: 'department', id: 11 }] })).body.code, 'feed.no_readers');
  assert.equal((await ask('anna', 'POST', '', { body: 'x', audience: [{ kind: 'employee', id: 5 }] })).body.code, 'feed.no_readers');
  assert.equal((await ask('anna', 'POST', '', { body: 'x', audience: [{ kind: 'department', id: 99 }] })).status, 404);
  assert.equal((await ask('anna', 'POST', '', { body: 'x', audience: [{ kind: 'role', role: 'owner' }] })).status, 400);
  assert.equal((await ask('anna', 'POST', '', { body: 'x', audience: [] })).status, 400);
});

test('a tag finds exactly its posts, words find texts, authors their own', async () => {
  await write('anna', 'Закрыли 100% плана', { tags: ['#успех', 'успех', ' март '], title: 'Ура' });
  await write('boris', 'про успех без тега', { tags: ['успехи'] });
  assert.deepEqual(await texts('boris', `?tag=${encodeURIComponent('успех')}`), ['Закрыли 100% плана']);
  assert.deepEqual(await texts('boris', `?tag=${encodeURIComponent('#успех')}`), ['Закрыли 100% плана']);
  assert.deepEqual(await texts('vera', `?tag=${encodeURIComponent('успех')}`), []);
  assert.deepEqual(await texts('boris', `?search=${encodeURIComponent('100%')}`), ['Закрыли 100% плана']);
  assert.deepEqual(await texts('boris', `?search=${encodeURIComponent('ура')}`), ['Закрыли 100% плана']);
  assert.deepEqual(await texts('boris', '?authorId=3'), ['про успех без тега']);
  assert.deepEqual((await ask('boris', 'GET', '/tags')).body.tags, [{ tag: 'март', count: 1 }, { tag: 'успех', count: 1 }, { tag: 'успехи', count: 1 }]);
  assert.deepEqual((await ask('vera', 'GET', '/tags')).body.tags, []);
});

test('only the author edits; a changed audience changes who sees it', async () => {
  const id = await write('anna', 'черновик');
  assert.equal((await ask('boris', 'PATCH', `/${id}`, { body: 'x' })).body.code, 'feed.post_not_yours');
  const edited = await ask('anna', 'PATCH', `/${id}`, { body: 'чистовик', audience: [{ kind: 'employee', id: 4 }], tags: ['а', 'а'] });
  assert.deepEqual([edited.body.body, edited.body.tags], ['чистовик', ['а']]);
  assert.ok(edited.body.editedAt);
  assert.equal((await ask('boris', 'GET', `/${id}`)).status, 404);
  assert.equal((await ask('vera', 'GET', `/${id}`)).status, 200);
  assert.equal((await ask('vera', 'DELETE', `/${id}`)).status, 403);
  assert.equal((await ask('anna', 'DELETE', `/${id}`)).status, 204);
  assert.equal((await ask('vera', 'GET', `/${id}`)).status, 404);
});

test('comments and reactions of a post', async () => {
  const id = await write('anna', 'обсудим');
  assert.equal((await ask('boris', 'POST', `/${id}/comments`, { body: ' ' })).body.code, 'feed.comment_empty');
  const { body: comment } = await ask('boris', 'POST', `/${id}/comments`, { body: 'молодцы' });
  await ask('anna', 'POST', `/${id}/comments`, { body: 'спасибо' });
  assert.deepEqual((await ask('anna', 'GET', `/${id}/comments?limit=1`)).body.items.map((c: any) => c.body), ['молодцы']);
  assert.equal((await ask('anna', 'PATCH', `/${id}/comments/${comment.id}`, { body: 'x' })).body.code, 'feed.comment_not_yours');
  assert.equal((await ask('boris', 'PATCH', `/${id}/comments/${comment.id}`, { body: 'большие молодцы' })).body.body, 'большие молодцы');
  assert.equal((await ask('anna', 'DELETE', `/${id}/comments/${comment.id}`)).status, 204, 'the author of the post keeps house');
  for (const who of ['anna', 'boris', 'boris']) await ask(who, 'PUT', `/${id}/reactions/celebrate`);
  await ask('anna', 'PUT', `/${id}/reactions/like`);
  await ask('anna', 'DELETE', `/${id}/reactions/like`);
  const { body: post } = await ask('boris', 'GET', `/${id}`);
  assert.equal(post.commentCount, 1);
  assert.deepEqual(post.reactions, [{ reaction: 'celebrate', count: 2, isMine: true }]);
  assert.equal((await ask('boris', 'PUT', `/${id}/reactions/bomb`)).status, 400);
});

test('files of posts and comments open for the readers, while they are shown', async () => {
  const [ours, other] = await Promise.all(['фото.png', 'отзыв.txt'].map((name, i) =>
    drive.importFile(null, { storage: 'attachments', name, bytes: Buffer.from('x'), createdBy: i === 0 ? 2 : 3 })));
  assert.equal((await ask('boris', 'POST', '', { body: 'x', audience: sales, fileIds: [ours!.id] })).status, 404, 'not his to attach');
  const id = await write('anna', 'с файлом', { fileIds: [ours!.id] });
  assert.deepEqual((await ask('boris', 'GET', `/${id}`)).body.files.map((f: any) => f.name), ['фото.png']);
  const boris = actors.get('boris')!;
  const anna = actors.get('anna')!;
  const vera = actors.get('vera')!;
  assert.equal((await drive.file(boris, ours!.id)).id, ours!.id);
  await assert.rejects(drive.file(vera, ours!.id));
  const { body: comment } = await ask('boris', 'POST', `/${id}/comments`, { fileIds: [other!.id] });
  assert.equal((await drive.file(anna, other!.id)).id, other!.id);
  await ask('boris', 'DELETE', `/${id}/comments/${comment.id}`);
  await assert.rejects(drive.file(anna, other!.id));
  await ask('anna', 'PATCH', `/${id}`, { fileIds: [] });
  await assert.rejects(drive.file(boris, ours!.id));
});

test('robots write posts in sets: 10,000 readers, files, one post per run', async () => {
  await db.run(sql`delete from post_readers where employee_id = 3`);
  const file = await drive.importFile(null, { storage: 'attachments', name: 'скан.pdf', bytes: Buffer.from('x'), createdBy: 2 });
  const [first, second] = await db.transaction(async (tx) => {
    const [id] = await feed.reserveIds(tx, 1);
    const ids = await feed.writePosts(tx, [
      robotPost({ id, runId: 1, readerIds: Array.from({ length: 10_000 }, (_, i) => i + 3), fileIds: [file.id, file.id], tags: ['успех'] }),
      robotPost({ runId: 2, isForEveryone: true, body: '🎉 שלום '.repeat(10_000) }),
    ]);
    assert.equal(ids[0], id);
    return ids;
  });
  assert.deepEqual((await ask('boris', 'GET', '')).body.items.slice(0, 2).map((p: any) => p.id), [second, first]);
  assert.equal((await ask('boris', 'GET', `/${second}`)).body.body.length, '🎉 שלום '.length * 10_000);
  assert.equal((await drive.file(actors.get('boris')!, file.id)).id, file.id);
  assert.equal((await ask('anna', 'PATCH', `/${first}`, { body: 'x' })).body.code, 'feed.post_of_robot');
  const page = (await ask('anna', 'GET', `/${first}/readers?limit=1000`)).body;
  assert.deepEqual([page.employeeIds.length, page.nextCursor], [1000, '1001']);
  await assert.rejects(db.transaction((tx) => feed.writePosts(tx, [robotPost({ runId: 1 })])));
});

test('pages miss nothing and mix posts for readers with posts for everyone', async () => {
  const written: number[] = [];
  for (let i = 0; i < 7; i++) written.push(await write('admin', `п${i}`, { audience: i % 2 ? sales : [{ kind: 'everyone' }] }));
  const seen: number[] = [];
  let cursor = '';
  do {
    const page = (await ask('boris', 'GET', `?authorId=1&limit=2${cursor && `&cursor=${cursor}`}`)).body;
    seen.push(...page.items.map((p: any) => p.id));
    cursor = page.nextCursor ?? '';
  } while (cursor);
  assert.deepEqual(seen, written.reverse());
});

test('an important post asks its readers to say that they have read it, and shows who has', async () => {
  const id = await write('anna', 'важно', { isImportant: true });
  const asked = async (who: string) => (await ask(who, 'GET', `/${id}/acknowledgements`)).body;
  assert.deepEqual(await asked('boris'), { items: [], waitingIds: [3], waitingCount: 1 });
  for (let i = 0; i < 2; i++) assert.equal((await ask('boris', 'PUT', `/${id}/acknowledgement`)).status, 204);
  const { items, waitingCount } = await asked('anna');
  assert.deepEqual([items.map((row: any) => row.employeeId), waitingCount], [[3], 0]);
  const seen = async (who: string) => (await ask(who, 'GET', `/${id}`)).body;
  assert.deepEqual([(await seen('boris')).isAcknowledged, (await seen('boris')).acknowledgedCount, (await seen('anna')).isAcknowledged], [true, 1, false]);
  assert.equal((await ask('vera', 'PUT', `/${id}/acknowledgement`)).status, 404);
  assert.ok((await texts('boris', '?isImportant=true')).includes('важно'));
  const plain = await write('anna', 'неважно');
  assert.equal((await ask('boris', 'PUT', `/${plain}/acknowledgement`)).body.code, 'feed.post_not_important');
  assert.equal((await ask('anna', 'PATCH', `/${plain}`, { isImportant: true })).body.isImportant, true);
  assert.equal((await ask('boris', 'PUT', `/${plain}/acknowledgement`)).status, 204);
  const forAll = await write('anna', 'важно всем', { isImportant: true, audience: [{ kind: 'everyone' }] });
  assert.ok((await ask('vera', 'GET', `/${forAll}/acknowledgements`)).body.waitingIds.includes(4));
});

test('a pinned post is on top of one’s own feed, and found there', async () => {
  const id = await write('anna', 'закреплю');
  for (let i = 0; i < 2; i++) assert.equal((await ask('boris', 'PUT', `/${id}/pin`)).status, 204);
  assert.deepEqual(await texts('boris', '?isPinned=true'), ['закреплю']);
  assert.ok(!(await texts('boris', '?isPinned=false')).includes('закреплю'));
  assert.equal((await ask('anna', 'GET', `/${id}`)).body.isPinned, false);
  assert.equal((await ask('vera', 'PUT', `/${id}/pin`)).status, 404);
  await ask('boris', 'DELETE', `/${id}/pin`);
  assert.deepEqual(await texts('boris', '?isPinned=true'), []);
});
