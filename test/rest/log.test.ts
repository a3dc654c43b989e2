/** The feed through the methods scripts use. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { webhookOf } from '../support/rest.ts';
import { startTestVestnik } from '../support/vestnik.ts';

const vestnik = await startTestVestnik();
const { admin, api, given, clock } = vestnik;
const anna = await given.employee({ firstName: 'Анна' });
const boris = await given.employee({ firstName: 'Борис' });
const asAdmin = await webhookOf(vestnik, admin);
const asAnna = await webhookOf(vestnik, anna);
const asBoris = await webhookOf(vestnik, boris);
const base64 = (text: string) => Buffer.from(text).toString('base64');
const ids = (rows: { ID: string }[]) => rows.map((row) => Number(row.ID));

test('a post with a file reaches its readers, is changed, shared and deleted', async () => {
  const id = await asAdmin.call('log.blogpost.add', { POST_TITLE: 'Приказ', POST_MESSAGE: 'О [b]крыше[/b]', DEST: [`U${anna.id}`], FILES: [['приказ.txt', base64('Строить')]], TAGS: 'стройка, крыша' });
  const [post] = await asAnna.call('log.blogpost.get', { POST_ID: id });
  assert.deepEqual([post.TITLE, post.DETAIL_TEXT, post.AUTHOR_ID, post.HAS_SOCNET_ALL, post.TAGS], ['Приказ', 'О [b]крыше[/b]', String(admin.id), 'N', ['стройка', 'крыша']]);
  const [file] = Object.values<{ id: number; name: string; size: number }>(post.FILES);
  assert.ok(file);
  assert.equal(file.name, 'приказ.txt');
  assert.equal(await (await api(anna).fetch(`/api/drive/files/${file.id}/content`)).text(), 'Строить');
  assert.deepEqual(await asBoris.call('log.blogpost.get', { POST_ID: id }), []);

  assert.equal(await asAdmin.call('log.blogpost.update', { POST_ID: id, POST_TITLE: 'Приказ 2', POST_MESSAGE: 'О стенах', FILES: { [file.id]: 'del', 0: ['план.txt', base64('План')] } }), id);
  const changed = await api(anna).get(`/api/posts/${id}`);
  assert.deepEqual([changed.title, changed.body, changed.files.map((one: { name: string }) => one.name)], ['Приказ 2', 'О стенах', ['план.txt']]);
  await asAnna.refused('log.blogpost.update', { POST_ID: id, POST_MESSAGE: 'Чужое' }, { status: 403, error: 'SONET_CONTROLLER_LIVEFEED_BLOGPOST_UPDATE_ERROR', error_description: 'No write perms' });
  await asBoris.refused('log.blogpost.update', { POST_ID: id, POST_MESSAGE: 'Чужое' }, { error: 'SONET_CONTROLLER_LIVEFEED_BLOGPOST_UPDATE_ERROR', error_description: 'No post found' });
  await asAdmin.refused('log.blogpost.update', { POST_ID: id }, { error: 'EMPTY_TITLE' });

  assert.equal(await asAdmin.call('log.blogpost.share', { POST_ID: id, DEST: [`U${boris.id}`] }), true);
  assert.deepEqual(ids(await asBoris.call('log.blogpost.get', { POST_ID: id })), [id]);
  assert.deepEqual(ids(await asAnna.call('log.blogpost.get', { POST_ID: id })), [id], 'Who read it before still does.');
  await asAnna.refused('log.blogpost.share', { POST_ID: id, DEST: ['UA'] }, { status: 403, error: '', error_description: 'No read perms' });
  await asAdmin.refused('log.blogpost.share', { POST_ID: id, DEST: ['SG7'] }, { error: '', error_description: /Wrong destinations/ });

  await asAnna.refused('log.blogpost.delete', { POST_ID: id }, { status: 403, error: 'ACCESS_DENIED' });
  assert.equal(await asAdmin.call('log.blogpost.delete', { POST_ID: id }), true);
  assert.deepEqual(await asAnna.call('log.blogpost.get', { POST_ID: id }), []);
  await asAdmin.refused('log.blogpost.delete', { POST_ID: id }, { error: '100', error_description: 'Wrong post ID' });
});

test('bad input writes no post', async () => {
  const before = (await api(admin).get('/api/posts')).items.length;
  await asAdmin.refused('log.blogpost.add', { POST_TITLE: 'Без текста' }, { error: 'SONET_CONTROLLER_LIVEFEED_BLOGPOST_ADD_ERROR' });
  await asAdmin.refused('log.blogpost.add', { POST_MESSAGE: 'x', FILES: [['a.txt', 'это не base64']] }, { error: 'ERROR_ARGUMENT', error_description: /not valid base64/ });
  await asAdmin.refused('log.blogpost.add', { POST_MESSAGE: 'x', DEST: ['U999999'] }, { error: 'SONET_CONTROLLER_LIVEFEED_BLOGPOST_ADD_ERROR' });
  await asAdmin.refused('log.blogpost.add', { POST_MESSAGE: 'x', DEST: ["U1' or 1=1"] }, { error: '' });
  await asAdmin.refused('log.blogpost.add', { POST_MESSAGE: 'x', USER_ID: anna.id }, { status: 403, error: 'ACCESS_DENIED' });
  await asAnna.refused('log.blogpost.get', { POST_ID: 'abc' }, { error: '100', error_description: 'Wrong post ID' });
  const secret = await api(admin).fetch('/api/drive/attachments?name=secret.txt', { method: 'POST', headers: { 'content-type': 'application/octet-stream' }, body: 'Тайна' });
  const { id }: { id: number } = JSON.parse(await secret.text());
  await asAnna.refused('log.blogpost.add', { POST_MESSAGE: 'x', UF_BLOG_POST_FILE: [`n${id}`] }, { error: 'SONET_CONTROLLER_LIVEFEED_BLOGPOST_ADD_ERROR' });
  assert.equal((await api(admin).get('/api/posts')).items.length, before);
});

test('posts come by pages, from an id and by whom they were addressed to', async () => {
  const made: number[] = [];
  for (let number = 1; number <= 52; number++) made.push(await asAdmin.call('log.blogpost.add', { POST_MESSAGE: `Запись ${number}`, DEST: number % 2 ? ['UA'] : [`U${anna.id}`] }));
  clock.advance('1 minute');
  const newest = made.toReversed();
  const { body } = await asAnna.ask('log.blogpost.get', {});
  assert.deepEqual([ids(body.result), body.next], [newest.slice(0, 50), 50]);
  const rest = await asAnna.ask('log.blogpost.get', { start: 50 });
  assert.deepEqual([ids(rest.body.result), rest.body.next], [newest.slice(50), undefined]);
  assert.deepEqual(ids(await asAnna.call('log.blogpost.get', { LAST_ID: made[10], LIMIT: 3 })), [made[9], made[8], made[7]]);
  assert.deepEqual(ids(await asAnna.call('log.blogpost.get', { FIRST_ID: made[10], LIMIT: 3 })), [made[13], made[12], made[11]]);
  assert.deepEqual(ids(await asAnna.call('log.blogpost.get', { LOG_RIGHTS: [`U${anna.id}`] })), newest.filter((id) => made.indexOf(id) % 2 === 1));
  assert.deepEqual(ids(await asBoris.call('log.blogpost.get', {})), newest.filter((id) => made.indexOf(id) % 2 === 0));
  assert.deepEqual(await asAnna.call('log.blogpost.get', { LOG_DATE_TO: '2020-01-01T00:00:00+03:00' }), []);
});

test('an important post tells who has read it', async () => {
  const id = await asAdmin.call('log.blogpost.add', { POST_MESSAGE: 'Всем прочесть', IMPORTANT: 'Y' });
  assert.deepEqual(await asAnna.call('log.blogpost.getusers.important', { POST_ID: id }), []);
  await api(anna).put(`/api/posts/${id}/acknowledgement`, {});
  assert.deepEqual(await asBoris.call('log.blogpost.getusers.important', { POST_ID: id }), [String(anna.id)]);
  await asBoris.refused('log.blogpost.getusers.important', { POST_ID: 999_999 }, { error: '100' });
});

test('a comment is written and deleted by those who may', async () => {
  const postId = await asAdmin.call('log.blogpost.add', { POST_MESSAGE: 'Обсудим', DEST: [`U${anna.id}`] });
  const id = await asAnna.call('log.blogcomment.add', { POST_ID: postId, TEXT: 'Согласна', FILES: [['смета.txt', base64('100')]] });
  const { items } = await api(admin).get(`/api/posts/${postId}/comments`);
  assert.deepEqual(items.map((one: { id: number; body: string; files: { name: string }[] }) => [one.id, one.body, one.files[0]?.name]), [[id, 'Согласна', 'смета.txt']]);
  await asBoris.refused('log.blogcomment.add', { POST_ID: postId, TEXT: 'Я тоже' }, { error: '', error_description: 'No post found' });
  await asBoris.refused('log.blogcomment.delete', { COMMENT_ID: id }, { error: '', error_description: 'No comment found' });
  await asAnna.refused('log.blogcomment.add', { POST_ID: postId, TEXT: '' }, { error: '' });
  await asAnna.refused('log.blogcomment.add', { POST_ID: postId, TEXT: 'x', FILES: [['a.txt', '***']] }, { error: 'ERROR_ARGUMENT' });
  const own = await asAdmin.call('log.blogcomment.add', { POST_ID: postId, TEXT: 'Хорошо' });
  await asAnna.refused('log.blogcomment.delete', { COMMENT_ID: own }, { status: 403, error: '', error_description: 'No permissions' });
  assert.equal(await asAdmin.call('log.blogcomment.delete', { COMMENT_ID: id }), true);
  assert.deepEqual((await api(admin).get(`/api/posts/${postId}/comments`)).items.map((one: { id: number }) => one.id), [own]);
});
