/** What should not be sent, and what went away since: a clear error or a failed run, nothing half written, nobody held up. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { sql } from '../../server/db/db.ts';
import { toldBy } from '../support/told.ts';
import { type Somebody, startTestVestnik } from '../support/vestnik.ts';

const vestnik = await startTestVestnik();
const { api, admin, given, moved, drain, clock, db } = vestnik;
const told = toldBy(vestnik);
const anna = await given.employee({ firstName: 'Анна' });
const boris = await given.employee({ firstName: 'Борис' });
await given.department({ name: 'Отдел продаж', headIds: [boris.id], employeeIds: [anna.id] });

const person = ({ id }: Somebody) => ({ kind: 'employee', id });

async function stages(...names: string[]) {
  const pipeline = await given.pipeline({ stages: ['Начало', ...names] });
  const deal = (more: Record<string, unknown> = {}) => given.item({ pipelineId: pipeline.id, stageId: pipeline.stage('Начало').id, ownerId: anna.id, ...more });
  return { pipeline, path: `/api/pipelines/${pipeline.id}/robots`, deal, stage: (name: string) => pipeline.stage(name) };
}

async function reserveId(): Promise<number> {
  return (await api(admin).post('/api/robot-ids', { count: 1 })).ids[0];
}

test('a set of robots is refused as a whole when one of them is wrong, and nothing of it is written', async () => {
  const { path, stage } = await stages('Тут');
  const elsewhere = await stages('Там');
  const known = await given.robot(elsewhere.stage('Там'), 'comment', { text: 'там' });
  const good = { id: await reserveId(), stageId: stage('Тут').id, type: 'comment', title: '', settings: { text: 'да' } };
  const wrong: [object, number, string][] = [
    [{ ...good, id: known.id }, 400, 'robots.id_foreign'],
    [{ ...good, id: 1e9, stageId: elsewhere.stage('Там').id }, 404, 'request.not_found'],
    [{ ...good, id: 1e9, type: 'launch-rocket' }, 400, 'robots.type_unknown'],
    [good, 400, 'robots.id_doubled'],
    [{ ...good, id: 1e9, timing: { kind: 'after', amount: -5, unit: 'minutes' } }, 400, 'request.invalid'],
    [{ ...good, id: 1e9, timing: { kind: 'after', amount: 5, unit: 'fortnights' } }, 400, 'request.invalid'],
    [{ ...good, id: 1e9, condition: { op: 'and', items: [] } }, 400, 'request.invalid'],
    [{ ...good, id: 1e9, surprise: true }, 400, 'request.invalid'],
    [{ ...good, id: 'один' }, 400, 'request.invalid'],
  ];
  for (const [robot, status, code] of wrong) {
    await assert.rejects(api(admin).put(path, { revision: 0, robots: [good, robot] }), { status, code }, JSON.stringify(robot));
  }
  const set = await api(admin).get(path);
  assert.deepEqual([set.revision, set.robots], [0, []]);
});

test('settings of the wrong type are saved as a draft and say what is wrong, but are not published', async () => {
  const { path, stage } = await stages('Тут');
  const wrong: [string, object, string][] = [
    ['notify', { text: 5, recipients: [person(anna)] }, 'settings.text'],
    ['notify', { text: 'да', recipients: 'все' }, 'settings.recipients'],
    ['notify', { text: 'да', recipients: [person({ id: 999_999 })] }, 'settings.recipients.0'],
    ['notify', { text: 'да', recipients: [{ kind: 'department', id: 999_999 }] }, 'settings.recipients.0'],
    ['add-chat-members', { chat: 999_999, members: [person(anna)] }, 'settings.chat'],
    ['post', { title: 'Н', text: 'т', recipients: [person(anna)], attachments: { kind: 'drive', fileIds: [999_999] } }, 'settings.attachments'],
    ['change-item', { values: [{ field: 'NO_SUCH', value: 1 }] }, 'settings.values.0.field'],
    ['message-group-chat', { chat: null, text: 'т', kind: 'shout' }, 'settings.kind'],
  ];
  for (const [type, settings, path_] of wrong) {
    const { revision } = await api(admin).get(path);
    const saved = await api(admin).put(path, { revision, robots: [{ id: await reserveId(), stageId: stage('Тут').id, type, title: '', settings }] });
    const found = saved.problems.map((problem: { path: string }) => problem.path);
    assert.ok(found.includes(path_), `${type}: ${found}`);
    for (const { message } of saved.problems) assert.match(message, /\S+ \S+/, 'A problem is a sentence.');
    await assert.rejects(api(admin).post(`${path}/publish`, { revision: saved.revision }), { code: 'robots.not_ready' });
  }
});

test('a text longer than 100 KB is refused where it is written', async () => {
  const { path, stage } = await stages('Тут');
  const saved = await api(admin).put(path, { revision: 0, robots: [{ id: await reserveId(), stageId: stage('Тут').id, type: 'comment', title: '', settings: { text: 'я'.repeat(100_001) } }] });
  assert.equal(saved.problems.length, 1);
  const item = await given.item();
  await assert.rejects(api(admin).post(`/api/items/${item.id}/comments`, { body: 'я'.repeat(100_001) }), { status: 400 });
  await assert.rejects(given.item({ title: 'я'.repeat(256) }), { status: 400 });
});

test('a move to what is not there, or by who may not, changes nothing and starts no robot', async () => {
  const { deal, stage } = await stages('Тут');
  const elsewhere = await stages('Там');
  await given.robot(stage('Тут'), 'comment', { text: 'пришла' });
  const item = await deal();
  const stranger = await given.employee();
  await assert.rejects(moved(item, { id: 999_999 }), { status: 404 });
  await assert.rejects(moved(item, elsewhere.stage('Там'), stranger), { status: 403 });
  await assert.rejects(moved(item, stage('Тут'), stranger), { status: 403, code: 'access.denied' });
  await assert.rejects(api(admin).patch(`/api/items/${item.id}`, { stageId: stage('Тут').id, amount: 'сто' }), { status: 400 });
  await assert.rejects(api(admin).patch(`/api/items/${item.id}`, { stageId: stage('Тут').id, values: { noSuchField: 1 } }), { status: 400, code: 'item.field_unknown' });
  await assert.rejects(api(admin).patch(`/api/items/${item.id}`, { stageId: stage('Тут').id, version: item.version + 5 }), { status: 409 });
  await assert.rejects(api().patch(`/api/items/${item.id}`, { stageId: stage('Тут').id }), { status: 401 });
  await drain();
  assert.deepEqual(await told.runs(item), []);
  assert.equal((await api(admin).get(`/api/items/${item.id}`)).version, item.version);
});

test('a required field on the stage stops the move and names the field', async () => {
  const { deal, stage } = await stages('Тут');
  await given.field({ name: 'Номер договора', type: 'string', code: 'contractNumber', requiredStageIds: [stage('Тут').id] });
  await given.robot(stage('Тут'), 'comment', { text: 'Договор {=Document:contractNumber}' });
  const item = await deal();
  await assert.rejects(moved(item, stage('Тут')), { status: 409, code: 'item.required_fields', message: /Номер договора/ });
  await api(admin).patch(`/api/items/${item.id}`, { stageId: stage('Тут').id, values: { contractNumber: '17' } });
  await drain();
  assert.deepEqual((await told.comments(item)).map((entry) => entry.data.body), ['Договор 17']);
});

test('a field deleted after publishing comes out empty, and the draft says so', async () => {
  const { path, deal, stage } = await stages('Тут');
  const field = await given.field({ name: 'Цвет', type: 'string', code: 'colour' });
  const robot = await given.robot(stage('Тут'), 'comment', { text: 'Цвет: {=Document:colour}.' });
  const never = await given.robot(stage('Тут'), 'comment', { text: 'красный' }, { condition: { op: 'and', items: [{ left: '{=Document:colour}', operator: 'notEquals', value: 'синий' }] } });
  const item = await deal({ values: { colour: 'красный' } });
  await api(admin).del(`/api/fields/${field.id}`);
  await moved(item, stage('Тут'));
  await drain();
  assert.equal((await told.run(item, robot)).state, 'done');
  assert.deepEqual((await told.comments(item)).map((entry) => entry.data.body), ['Цвет: .']);
  assert.equal((await told.run(item, never)).state, 'skipped', 'A condition on a field that is gone never holds.');
  assert.equal((await api(admin).get(path)).problems.length, 2);
});

test('robots of a deleted stage are a problem of the draft; their deals went on', async () => {
  const { path, deal, stage } = await stages('Тут', 'Там');
  await given.robot(stage('Тут'), 'comment', { text: 'тут' }, { timing: { kind: 'after', amount: 10, unit: 'minutes' } });
  await given.robot(stage('Там'), 'comment', { text: 'там' });
  const item = await deal();
  await moved(item, stage('Тут'));
  await drain();
  await api(admin).del(`/api/stages/${stage('Тут').id}?moveToStageId=${stage('Там').id}`);
  await drain();
  clock.advance('1 hour');
  await drain();
  assert.deepEqual((await told.comments(item)).map((entry) => entry.data.body), ['там']);
  const { problems } = await api(admin).get(path);
  assert.deepEqual(problems.map((problem: { path: string }) => problem.path), ['stageId']);
});

test('roles: the head of who heads the department is above it, and nobody is above the first', async () => {
  const { deal, stage } = await stages('Тут');
  const robot = await given.robot(stage('Тут'), 'notify', { text: 'Руководителю', recipients: [{ kind: 'role', role: 'ownerHead' }] });
  const ofAnna = await deal({ ownerId: anna.id });
  const ofBoris = await deal({ ownerId: boris.id });
  for (const item of [ofAnna, ofBoris]) await moved(item, stage('Тут'));
  await drain();
  assert.equal((await told.bell(boris)).filter((note) => note.itemId === ofAnna.id).length, 1);
  const run = await told.run(ofBoris, robot);
  assert.equal(run.reason, 'recipients.none');
});

test('who moved the deal is told; when a robot moved it, nobody is taken instead', async () => {
  const { deal, stage } = await stages('Тут', 'Дальше');
  const robot = await given.robot(stage('Тут'), 'notify', { text: 'Вы перевели', recipients: [{ kind: 'role', role: 'mover' }] });
  await given.robot(stage('Тут'), 'change-item', { values: [{ field: 'stageId', value: stage('Дальше').id }] });
  const later = await given.robot(stage('Дальше'), 'notify', { text: 'Вы перевели', recipients: [{ kind: 'role', role: 'mover' }] });
  const item = await deal();
  await moved(item, stage('Тут'), boris);
  await drain();
  assert.equal((await told.run(item, robot)).state, 'done');
  assert.equal((await told.bell(boris)).filter((note) => note.itemId === item.id).length, 1);
  assert.equal((await told.run(item, later)).reason, 'recipients.none');
});

test('a message to oneself does not break: whoever is sender and recipient writes to his own notes', async () => {
  const { deal, stage } = await stages('Тут');
  const robot = await given.robot(stage('Тут'), 'message-private-chat', { recipients: [{ kind: 'role', role: 'owner' }], text: 'Не забудьте' });
  const item = await deal();
  await moved(item, stage('Тут'));
  await drain();
  assert.equal((await told.run(item, robot)).state, 'done');
  const own = (await told.chats(anna)).find((chat) => chat.kind === 'private' && chat.partnerId === anna.id);
  assert.deepEqual((await told.messages(anna, own?.id ?? 0)).map((message) => message.body), ['Не забудьте']);
});

test('a thousand deals moved at once: each is told of once, and those that fail hold up nobody', async () => {
  const { pipeline, deal, stage } = await stages('Тут');
  await given.robot(stage('Тут'), 'notify', { text: '{=Document:title}', recipients: [{ kind: 'role', role: 'owner' }] });
  await given.robot(stage('Тут'), 'comment', { text: 'на месте', author: person(admin) });
  const { itemTypeId } = await deal();
  const rows = await db.transaction((tx) => vestnik.vestnik.crm.createItems(tx, Array.from({ length: 1000 }, (_, index) => ({
    itemTypeId, pipelineId: pipeline.id, stageId: pipeline.stage('Начало').id, fields: { title: `Много ${index}`, ownerId: index % 10 === 0 ? null : anna.id },
  })), { employeeId: null, cause: 'import' }, null));
  const ids = rows.map((row) => row.id);
  assert.deepEqual(await api(admin).post('/api/items/bulk-move', { stageId: stage('Тут').id, itemIds: [...ids, 999_999] }).then((answer) => [answer.moved, answer.refused.length]), [1000, 1]);
  await drain();
  await drain();
  const count = async (table: 'notifications' | 'comments') => (await db.first<{ count: number }>(
    table === 'notifications' ? sql`select count(*) as count from notifications where item_id = any(${ids}::bigint[])` : sql`select count(*) as count from comments where item_id = any(${ids}::bigint[])`))?.count;
  assert.equal(await count('notifications'), 900);
  assert.equal(await count('comments'), 1000);
  const failed = await api(admin).get('/api/runs', { pipelineId: pipeline.id, state: 'failed', limit: 200 });
  assert.equal(failed.items.length, 100);
});

test('a NUL, which no database text holds, is a clear error wherever it comes in', async () => {
  const { deal, stage } = await stages('Тут');
  const item = await deal();
  await assert.rejects(given.robot(stage('Тут'), 'comment', { text: 'да\u0000' }), { status: 400, code: 'request.malformed' });
  await assert.rejects(api(admin).patch(`/api/items/${item.id}`, { title: 'Сто\u0000л' }), { status: 400, code: 'request.malformed' });
});

test('a field deleted after publishing: the runs that name it say to correct the robot', async () => {
  const { deal, stage } = await stages('Тут');
  const [lawyer, number] = [await given.field({ name: 'Юрист', type: 'employee' }), await given.field({ name: 'Номер', type: 'string' })];
  const informed = await given.robot(stage('Тут'), 'notify', { text: 'да', recipients: [{ kind: 'field', field: lawyer.code }] });
  const changed = await given.robot(stage('Тут'), 'change-item', { values: [{ field: number.code, value: '1' }] });
  for (const field of [lawyer, number]) await api(admin).del(`/api/fields/${field.id}`);
  const item = await deal();
  await moved(item, stage('Тут'));
  await drain();
  const run = await told.run(item, informed);
  assert.equal(run.state, 'failed');
  assert.match(run.notes.join(), /поле с сотрудником удалено, исправьте получателей в настройках робота/);
  const change = await told.run(item, changed);
  assert.equal(change.state, 'failed');
  assert.match(change.explanation, /исправьте настройки робота/);
  assert.doesNotMatch(change.explanation, /Обновите страницу/);
});
