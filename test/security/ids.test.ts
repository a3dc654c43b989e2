/**
 * Ids inside of bodies and what lists hold. table.ts asks for a thing by its address; here somebody
 * who may do something names a thing of somebody else along the way.
 */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Api, Somebody } from '../support/vestnik.ts';
import { createWorld } from './world.ts';

const w = await createWorld();
const { outsider, junior, colleague, editor, owner, admin } = w.people;
const as = (who: Somebody): Api => w.api(who);
const gone = { status: 404, code: 'request.not_found' };
const ids = (page: { items: { id: number }[] }): number[] => page.items.map((one) => one.id);
const everySecret = /Секретн/;

test('lists hold nothing that may not be opened', async () => {
  const lists = [
    `/api/items?itemTypeId=${w.dealTypeId}`, `/api/items?itemTypeId=${w.dealTypeId}&search=Секретная`, `/api/pipelines/${w.pipeline.id}/summary`,
    `/api/views?itemTypeId=${w.dealTypeId}`, '/api/chats', '/api/chats?scope=open', '/api/chats?search=Секретный', '/api/posts', '/api/posts?search=Секретная', '/api/posts/tags', `/api/posts?itemId=${w.deal.id}`,
    '/api/notifications', `/api/notifications?itemId=${w.deal.id}`, '/api/deliveries', `/api/deliveries?employeeId=${owner.id}`, `/api/deliveries?itemId=${w.deal.id}`,
    '/api/absences', '/api/drive/trash', '/api/api-tokens', '/api/sessions',
  ];
  for (const who of [outsider, junior]) {
    for (const address of lists) {
      const text = JSON.stringify(await as(who).get(address));
      assert.doesNotMatch(text, everySecret, `${who.firstName}: ${address}`);
      assert.doesNotMatch(text, /тайна/, `${who.firstName}: ${address}`);
    }
    const { stages } = await as(who).get(`/api/pipelines/${w.pipeline.id}/summary`);
    assert.ok(stages.every((stage: { count: number; sums: unknown[] }) => stage.count === 0 && stage.sums.length === 0));
  }
  for (const kind of ['contacts', 'companies']) assert.deepEqual(ids(await as(junior).get(`/api/${kind}/${(kind === 'contacts' ? w.contact : w.company).id}/items`)), []);
  const { items } = await as(junior).get('/api/absences');
  assert.equal(items[0].note, null);
});

test('a filter tells nothing about items that may not be seen', async () => {
  const filters = JSON.stringify([{ field: 'amount', op: 'gt', value: 1 }]);
  assert.deepEqual(ids(await as(junior).get('/api/items', { itemTypeId: w.dealTypeId, filters })), []);
  assert.deepEqual(ids(await as(junior).get('/api/items', { itemTypeId: w.dealTypeId, search: String(w.deal.id) })), []);
  assert.deepEqual(ids(await as(junior).post('/api/items/search', { itemTypeId: w.dealTypeId, filters: [{ field: 'id', op: 'eq', value: w.deal.id }] })), []);
});

test('files of others cannot be attached, and so not read', async () => {
  const own = await w.given.item({ by: junior, pipelineId: w.pipeline.id });
  const before = await as(junior).post('/api/chats', { kind: 'private', employeeId: outsider.id });
  for (const fileId of [w.files.own, w.files.message, w.files.post, w.files.item]) {
    await assert.rejects(as(junior).post(`/api/items/${own.id}/comments`, { body: 'Моё', fileIds: [fileId] }), gone);
    await assert.rejects(as(junior).patch(`/api/items/${own.id}`, { values: { docs: [fileId] } }), gone);
    await assert.rejects(as(junior).post('/api/items', { itemTypeId: w.dealTypeId, values: { docs: [fileId] } }), gone);
    await assert.rejects(as(junior).post('/api/posts', { body: 'Моё', audience: [{ kind: 'everyone' }], fileIds: [fileId] }), gone);
    await assert.rejects(as(junior).post(`/api/chats/${before.id}/messages`, { fileIds: [fileId] }), gone);
    await assert.rejects(as(junior).patch('/api/me', { photoFileId: fileId }), gone);
    await assert.rejects(as(junior).get(`/api/drive/files/${fileId}`), gone);
  }
});

test('a thing cannot be reached through another one', async () => {
  const own = await w.given.item({ by: junior, pipelineId: w.pipeline.id });
  await assert.rejects(as(junior).patch(`/api/items/${own.id}/comments/${w.comment.id}`, { body: 'Чужой' }), gone);
  await assert.rejects(as(admin).del(`/api/items/${own.id}/comments/${w.comment.id}`), gone);
  const chat = await as(junior).post('/api/chats', { kind: 'closed', title: 'Свой', memberIds: [outsider.id] });
  await assert.rejects(as(junior).patch(`/api/chats/${chat.id}/messages/${w.message.id}`, { body: 'Чужое' }), gone);
  await assert.rejects(as(junior).del(`/api/chats/${chat.id}/messages/${w.message.id}`), gone);
  await assert.rejects(as(junior).post(`/api/chats/${chat.id}/messages`, { body: 'Ответ', replyToId: w.message.id }), gone);
  const around: unknown = await as(junior).get(`/api/chats/${chat.id}/messages`, { around: w.message.id }).catch((error: unknown) => error);
  assert.doesNotMatch(JSON.stringify(around), everySecret);
  const post = await as(junior).post('/api/posts', { body: 'Моя', audience: [{ kind: 'everyone' }] });
  await assert.rejects(as(junior).del(`/api/posts/${post.id}/comments/${w.postComment.id}`), gone);
  const other = await w.given.pipeline();
  await assert.rejects(as(editor).get(`/api/pipelines/${other.id}/robots/versions/${w.version.id}`), gone);
  await assert.rejects(as(editor).post(`/api/pipelines/${other.id}/robots/rehearse`, { itemId: w.deal.id, stageId: w.stages.working.id }), gone);
});

test('marking as read reaches only what is one’s own', async () => {
  assert.deepEqual(await as(junior).post('/api/notifications/read', { ids: [w.notification.id] }), { read: 0 });
  assert.deepEqual(await as(junior).post('/api/notifications/read', { upToId: w.notification.id }), { read: 0 });
  assert.equal((await as(owner).get('/api/notifications')).items.find((one: { id: number }) => one.id === w.notification.id).readAt, null);
});

test('folders and files cannot be moved into or out of what belongs to others', async () => {
  const storages = await as(junior).get('/api/drive/storages');
  const folder = await as(junior).post('/api/drive/folders', { parentId: storages.own.id, name: 'Моя' });
  const file = await w.given.file({ by: junior });
  await assert.rejects(as(junior).patch(`/api/drive/folders/${folder.id}`, { parentId: w.ownFolder.id }), gone);
  await assert.rejects(as(junior).patch(`/api/drive/files/${file.id}`, { folderId: w.ownFolder.id }), gone);
  await assert.rejects(as(junior).patch(`/api/drive/files/${w.files.own}`, { folderId: folder.id }), gone);
  await assert.rejects(as(junior).patch(`/api/drive/files/${w.files.company}`, { folderId: folder.id }), { status: 403 });
});

test('many items at once are each asked for their rights', async () => {
  const mine = await w.given.item({ by: junior, pipelineId: w.pipeline.id });
  const { moved, refused } = await as(junior).post('/api/items/bulk-move', { stageId: w.stages.shipping.id, itemIds: [mine.id, w.deal.id, 999_999] });
  assert.equal(moved, 1);
  // What is hidden and what never was look the same.
  assert.deepEqual(refused.map(({ itemId, code }: { itemId: number; code: string }) => [itemId, code]), [[w.deal.id, 'request.not_found'], [999_999, 'request.not_found']]);
  const seen = await as(colleague).post('/api/items/bulk-move', { stageId: w.stages.shipping.id, itemIds: [w.deal.id] });
  assert.equal(seen.refused[0].code, 'access.denied');
});

test('an observer sees the item with its runs and changes nothing', async () => {
  const deal = await w.newDeal({ observerIds: [outsider.id] });
  await w.moved(deal, w.stages.working);
  await w.drain();
  assert.equal((await as(outsider).get(`/api/items/${deal.id}`)).id, deal.id);
  const { items } = await as(outsider).get('/api/runs', { itemId: deal.id });
  assert.equal(items.length, 3);
  assert.equal((await as(outsider).get(`/api/runs/${items[0].id}`)).id, items[0].id);
  const waiting = items.find((run: { state: string }) => run.state === 'waiting');
  for (const action of ['run-now', 'cancel']) await assert.rejects(as(outsider).post(`/api/runs/${waiting.id}/${action}`), { status: 403, code: 'access.denied' });
  await assert.rejects(as(outsider).patch(`/api/items/${deal.id}`, { amount: 7 }), { status: 403, code: 'access.denied' });
  await assert.rejects(as(outsider).del(`/api/items/${deal.id}`), { status: 403, code: 'access.denied' });
});

test('who edits robots but sees only the own items reads no runs of others and starts none', async () => {
  const limited = await w.given.employee();
  await as(admin).post('/api/access-roles', {
    name: 'Роботы без чужих сделок', members: [{ kind: 'employee', id: limited.id }],
    rights: (['view', 'add', 'change', 'move'] as const).map((action) => ({ itemTypeId: w.dealTypeId, action, scope: 'own' })).concat({ itemTypeId: w.dealTypeId, action: 'robots' as 'view', scope: 'all' }),
  });
  const mine = await w.given.item({ by: limited, pipelineId: w.pipeline.id });
  await w.moved(mine, w.stages.working);
  await w.drain();
  const { items } = await as(limited).get('/api/runs', { pipelineId: w.pipeline.id, limit: 200 });
  assert.deepEqual([...new Set(items.map((run: { itemId: number }) => run.itemId))], [mine.id]);
  await assert.rejects(as(limited).get(`/api/runs/${w.runs.done}`), { ...gone, params: { kind: 'run', id: w.runs.done } });
  await assert.rejects(as(limited).post(`/api/pipelines/${w.pipeline.id}/robots/rehearse`, { itemId: w.deal.id, stageId: w.stages.working.id }), gone);
  const count = async () => (await as(admin).get('/api/runs', { itemId: w.deal.id })).items.length;
  const before = await count();
  await as(limited).post(`/api/stages/${(await as(admin).get(`/api/items/${w.deal.id}`)).stageId}/run-robots`, { itemIds: [w.deal.id] });
  await w.drain();
  assert.equal(await count(), before);
});

test('a robot gives away no file that whoever configures it may not read', async () => {
  const pipeline = await w.given.pipeline();
  const [{ ids: robotIds }, path] = [await as(editor).post('/api/robot-ids', { count: 1 }), `/api/pipelines/${pipeline.id}/robots`];
  const withFile = (fileId: number) => ({
    revision: 0,
    robots: [{ id: robotIds[0], stageId: pipeline.stages[0]!.id, type: 'send-email', title: 'Вложение', settings: { subject: 'x', text: 'x', attachments: { kind: 'drive', fileIds: [fileId] } } }],
  });
  for (const fileId of [w.files.own, w.files.message, w.files.post]) {
    await assert.rejects(as(editor).put(path, withFile(fileId)), gone);
    await assert.rejects(as(admin).put(path, withFile(fileId)), gone);
  }
  assert.deepEqual((await as(editor).put(path, withFile(w.files.company))).problems, []);
});

test('a robot names no chat that whoever configures it is not in', async () => {
  const pipeline = await w.given.pipeline();
  const [{ ids: robotIds }, path] = [await as(editor).post('/api/robot-ids', { count: 1 }), `/api/pipelines/${pipeline.id}/robots`];
  const closed = await as(owner).post('/api/chats', { kind: 'closed', title: 'Дирекция', memberIds: [colleague.id] });
  const mine = await as(editor).post('/api/chats', { kind: 'closed', title: 'Мой', memberIds: [colleague.id] });
  const into = (chat: number | string, revision = 0) => ({
    revision, robots: [{ id: robotIds[0], stageId: pipeline.stages[0]!.id, type: 'message-group-chat', title: 'В чат', settings: { chat, text: 'x' } }],
  });
  for (const chat of [closed.id, String(closed.id), ` ${closed.id} `]) await assert.rejects(as(editor).put(path, into(chat)), { ...gone, params: { kind: 'chat', id: closed.id } });
  assert.deepEqual((await as(editor).put(path, into(mine.id))).problems, []);
  // An administrator may, and what he has named stays when somebody else saves.
  assert.deepEqual((await as(admin).put(path, into(closed.id, 1))).problems, []);
  assert.equal((await as(editor).put(path, into(closed.id, 2))).revision, 3);
});

test('only an administrator lets a robot speak as somebody else', async () => {
  const path = `/api/pipelines/${w.pipeline.id}/robots`;
  const { revision, robots } = await as(editor).get(path);
  const speaking = (id: number) => robots.map((robot: { settings: object }, place: number) => (place === 0 ? { ...robot, settings: { ...robot.settings, sender: { kind: 'employee', id } } } : robot));
  await assert.rejects(as(editor).put(path, { revision, robots: speaking(owner.id) }), { status: 403, code: 'robots.sender_admin_only' });
  assert.equal((await as(editor).put(path, { revision, robots: speaking(editor.id) })).robots[0].settings.sender.id, editor.id);
});
