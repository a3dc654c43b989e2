/** Drafts, publishing, versions, copies, rehearsals, loops: what a process owner may rely on. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { raw, sql } from '../../server/db/db.ts';
import { toldBy } from '../support/told.ts';
import { type Somebody, startTestVestnik } from '../support/vestnik.ts';

const vestnik = await startTestVestnik();
const { api, admin, given, moved, drain, clock, db } = vestnik;
const told = toldBy(vestnik);
const anna = await given.employee({ firstName: 'Анна', lastName: 'Волкова' });
const boris = await given.employee({ firstName: 'Борис' });
await given.field({ name: 'Отзыв', type: 'file', code: 'review', isMultiple: true });

const person = ({ id }: Somebody) => ({ kind: 'employee', id });

async function stages(...names: string[]) {
  const pipeline = await given.pipeline({ stages: ['Начало', ...names] });
  const deal = (more: Record<string, unknown> = {}) => given.item({ pipelineId: pipeline.id, stageId: pipeline.stage('Начало').id, ownerId: anna.id, ...more });
  return { pipeline, path: `/api/pipelines/${pipeline.id}/robots`, deal, stage: (name: string) => pipeline.stage(name) };
}

async function newRobot(stage: { id: number }, type: string, settings: Record<string, unknown>, more: Record<string, unknown> = {}) {
  const { ids } = await api(admin).post('/api/robot-ids', { count: 1 });
  return { id: Number(ids[0]), stageId: stage.id, type, title: '', settings, ...more };
}

async function save(path: string, robots: readonly object[], by: Somebody = admin) {
  return api(by).put(path, { revision: (await api(by).get(path)).revision, robots });
}

/** Rows of every table. */
async function countRows(): Promise<Record<string, number>> {
  const tables = await db.rows<{ name: string }>(sql`select table_name as name from information_schema.tables where table_schema = 'public' and table_type = 'BASE TABLE' order by 1`);
  const counts: Record<string, number> = {};
  for (const { name } of tables) counts[name] = (await db.first<{ count: number }>(raw(`select count(*) as count from ${name}`)))?.count ?? 0;
  return counts;
}

test('what somebody saves while another publishes is not published unseen', async () => {
  const { path, pipeline, stage } = await stages('Тут');
  const { revision } = await save(path, [await newRobot(stage('Тут'), 'notify', { text: 'видел', recipients: [person(anna)] })]);
  let publishing: Promise<unknown> | undefined;
  let isAnswered = false;
  await db.transaction(async (tx) => {
    await tx.run(sql`update robot_drafts set robots = '[]', revision = revision + 1 where pipeline_id = ${pipeline.id}`);
    publishing = api(admin).post(`${path}/publish`, { revision }).finally(() => (isAnswered = true));
    publishing.catch(() => {});
    // Until it is answered, or waits for this save.
    while (!isAnswered && !(await db.first(sql`select 1 as one from pg_locks where not granted and locktype = 'transactionid'`)));
  });
  await assert.rejects(publishing!, { status: 409, code: 'robots.changed_meanwhile' });
  assert.equal((await api(admin).get(path)).published, null);
});

test('a half filled robot is saved with its problems, and is not published', async () => {
  const { path, stage } = await stages('Тут');
  const robot = await newRobot(stage('Тут'), 'notify', { text: '' });
  const saved = await save(path, [robot]);
  assert.deepEqual(saved.problems.map((problem: { path: string }) => problem.path).sort(), ['settings.recipients', 'settings.text']);
  await assert.rejects(api(admin).post(`${path}/publish`, { revision: saved.revision }), { status: 409, code: 'robots.not_ready' });
  // Switched off it may stay half filled.
  const off = await save(path, [{ ...robot, isEnabled: false }]);
  assert.deepEqual(off.problems, []);
  await api(admin).post(`${path}/publish`, { revision: off.revision });
});

test('a text that refers to what does not exist is refused when it is published, and the problem names it', async () => {
  const { path, stage } = await stages('Тут', 'Потом');
  const below = await newRobot(stage('Потом'), 'create-invoice', { title: 'Счёт' });
  const wrong = ['{=Document:NO_SUCH_FIELD}', '{=A999999:chatId}', `{=A${below.id}:link}`, '{=Contact:shoeSize}'];
  for (const reference of wrong) {
    const robot = await newRobot(stage('Тут'), 'notify', { text: `Смотрите ${reference}`, recipients: [person(anna)] });
    const saved = await save(path, [robot, below]);
    assert.equal(saved.problems.length, 1, reference);
    assert.equal(saved.problems[0].robotId, robot.id);
    assert.equal(saved.problems[0].path, 'settings.text');
    await assert.rejects(api(admin).post(`${path}/publish`, { revision: saved.revision }), { code: 'robots.not_ready' });
  }
});

test('a draft does nothing until it is published, and runs that wait keep the version of their arrival', async () => {
  const { path, deal, stage } = await stages('Тут');
  const timing = { kind: 'after', amount: 10, unit: 'minutes' };
  const robot = await newRobot(stage('Тут'), 'comment', { text: 'старый текст' }, { timing });
  const first = await save(path, [robot]);
  const early = await deal();
  await moved(early, stage('Тут'));
  await drain();
  assert.deepEqual(await told.runs(early), []);

  await api(admin).post(`${path}/publish`, { revision: first.revision, note: 'первая' });
  clock.advance('1 minute');
  const waiting = await deal();
  await moved(waiting, stage('Тут'));
  await drain();

  const second = await save(path, [{ ...robot, settings: { text: 'новый текст' } }]);
  assert.equal(second.hasChanges, true);
  clock.advance('1 minute');
  await api(admin).post(`${path}/publish`, { revision: second.revision, note: 'вторая' });
  clock.advance('1 minute');
  const later = await deal();
  await moved(later, stage('Тут'));
  await drain();
  clock.advance('1 hour');
  await drain();
  const said = async (item: { id: number }) => (await told.comments(item)).map((entry) => entry.data.body);
  assert.deepEqual(await said(waiting), ['старый текст']);
  assert.deepEqual(await said(later), ['новый текст']);
  assert.deepEqual(await said(early), [], 'Robots do not act for what was there before them.');
  assert.equal((await told.run(waiting, robot)).versionNumber, 1);

  const versions = await api(admin).get(`${path}/versions`);
  assert.deepEqual(versions.map((version: { number: number; note: string }) => [version.number, version.note]), [[2, 'вторая'], [1, 'первая']]);
  const restored = await api(admin).post(`${path}/versions/${versions[1].id}/restore`, { revision: (await api(admin).get(path)).revision });
  assert.equal(restored.robots[0].settings.text, 'старый текст');
  assert.equal(restored.hasChanges, true);
});

test('robots for what is on the stage already run when a person asks, never by themselves', async () => {
  const { deal, stage } = await stages('Тут');
  const item = await deal();
  await moved(item, stage('Тут'));
  await drain();
  clock.advance('1 minute');
  await given.robot(stage('Тут'), 'comment', { text: 'по просьбе' });
  await drain();
  assert.deepEqual(await told.runs(item), []);
  clock.advance('1 minute');
  assert.deepEqual(await api(admin).post(`/api/stages/${stage('Тут').id}/run-robots`, { itemIds: [item.id] }), { count: 1 });
  await drain();
  assert.deepEqual((await told.comments(item)).map((entry) => entry.data.body), ['по просьбе']);
});

test('the picker leads from «Роботы» to «ID чата» of a robot above and of an earlier stage, and to nothing below', async () => {
  const { path, stage } = await stages('Договор', 'Сборка', 'Доставка');
  const chat = await newRobot(stage('Договор'), 'create-group-chat', { title: 'Договор', members: [person(boris)] });
  const invoice = await newRobot(stage('Доставка'), 'create-invoice', { title: 'Счёт' });
  const adder = await newRobot(stage('Договор'), 'add-chat-members', { chat: `{=A${chat.id}:chatId}`, members: [person(anna)] });
  await save(path, [adder, chat, invoice]);
  interface Node { name: string; placeholder?: string; children?: Node[] }
  const robotsIn = async (query: Record<string, number>): Promise<Node[]> =>
    (await api(admin).get(`${path}/picker`, query)).find((node: Node) => node.name === 'Роботы')?.children ?? [];
  const [node, ...others] = await robotsIn({ stageId: stage('Сборка').id });
  assert.deepEqual(others, []);
  assert.equal(node?.name, 'Создать групповой чат (Договор)');
  assert.deepEqual(node.children?.map((leaf) => [leaf.name, leaf.placeholder]), [['ID чата', `{=A${chat.id}:chatId}`]]);
  assert.deepEqual(await robotsIn({ stageId: stage('Договор').id, robotId: adder.id }), [], 'What stands below has not acted yet.');
  assert.equal((await robotsIn({ stageId: stage('Доставка').id })).length, 2);
  const everything = JSON.stringify(await api(admin).get(`${path}/picker`, { stageId: stage('Сборка').id }));
  for (const placeholder of ['{=Document:amount}', '{=Contact:name}', '{=Company:title}', '{=Owner:email}', '{=System:Date}']) assert.ok(everything.includes(placeholder), placeholder);
});

test('a save over somebody else’s newer draft is refused', async () => {
  const { path, stage } = await stages('Тут');
  const { revision } = await api(admin).get(path);
  await save(path, [await newRobot(stage('Тут'), 'comment', { text: 'мой' })]);
  await assert.rejects(api(admin).put(path, { revision, robots: [] }), { status: 409, code: 'robots.changed_meanwhile' });
});

test('only an administrator lets a robot speak as somebody else; who has no right to robots does not touch them', async () => {
  const { path, stage } = await stages('Тут');
  const robot = (sender: object) => newRobot(stage('Тут'), 'notify', { text: 'Привет', sender, recipients: [person(anna)] });
  await assert.rejects(save(path, [await robot(person(boris))], boris), { status: 403, code: 'access.denied' });
  const roles = await api(admin).get('/api/access-roles');
  const head = roles.items.find((role: { rights: { action: string; scope: string }[] }) => role.rights.some((right) => right.action === 'robots' && right.scope === 'all'));
  await api(admin).patch(`/api/access-roles/${head.id}`, { members: [person(boris)] });

  await assert.rejects(save(path, [await robot(person(anna))], boris), { status: 403, code: 'robots.sender_admin_only' });
  const own = await robot(person(boris));
  assert.deepEqual((await save(path, [own], boris)).problems, []);
  // What an administrator has chosen stays when somebody else edits the text.
  const chosen = { ...own, settings: { ...own.settings, sender: person(anna) } };
  await save(path, [chosen], admin);
  await save(path, [{ ...chosen, settings: { ...chosen.settings, text: 'Здравствуйте' } }], boris);
});

test('robots are copied with what they refer to among themselves, and moved, within a pipeline and to another', async () => {
  const one = await stages('Тут', 'Там');
  const other = await stages('Здесь');
  const invoice = await newRobot(one.stage('Тут'), 'create-invoice', { title: 'Счёт' });
  const comment = await newRobot(one.stage('Тут'), 'comment', { text: `Ссылка: {=A${invoice.id}:link}` });
  const saved = await save(one.path, [invoice, comment]);
  const target = { targetPipelineId: other.pipeline.id, targetStageId: other.stage('Здесь').id };
  const copied = await api(admin).post(`${one.path}/copy`, { robotIds: [invoice.id, comment.id], mode: 'copy', revision: saved.revision, ...target });
  assert.deepEqual(copied.problems, []);
  const [first, second] = copied.robots;
  assert.notEqual(first.id, invoice.id);
  assert.equal(second.settings.text, `Ссылка: {=A${first.id}:link}`);
  assert.equal((await api(admin).get(one.path)).robots.length, 2);

  const within = await api(admin).post(`${one.path}/copy`, {
    robotIds: [comment.id], targetPipelineId: one.pipeline.id, targetStageId: one.stage('Там').id, mode: 'move', revision: saved.revision,
  });
  assert.deepEqual(within.robots.map((robot: { id: number; stageId: number }) => [robot.id, robot.stageId]), [[invoice.id, one.stage('Тут').id], [comment.id, one.stage('Там').id]]);

  // The link of the comment is left behind: that shows as a problem.
  const away = await api(admin).post(`${one.path}/copy`, { robotIds: [comment.id], mode: 'move', revision: within.revision, ...target });
  assert.equal(away.problems.length, 1);
  assert.equal((await api(admin).get(one.path)).robots.length, 1);

  await api(admin).post(`${other.path}/publish`, { revision: (await save(other.path, copied.robots)).revision });
  const item = await other.deal({ amount: 500 });
  clock.advance('1 minute');
  await moved(item, other.stage('Здесь'));
  await drain();
  assert.match(String((await told.comments(item))[0]?.data.body), new RegExp(`Ссылка: ${vestnik.url}/i/`));
});

test('a rehearsal shows every message as its reader would get it, and writes nothing at all', async () => {
  const { pipeline, path, deal, stage } = await stages('Тут');
  const english = await given.employee({ language: 'en', firstName: 'Emily', timeZone: 'Europe/London' });
  const chat = await newRobot(stage('Тут'), 'create-group-chat', { title: 'Чат {=Document:title}', members: [person(boris)] });
  const later = { timing: { kind: 'after', amount: 2, unit: 'days' } };
  const robots = [
    chat,
    await newRobot(stage('Тут'), 'message-group-chat', { chat: `{=A${chat.id}:chatId}`, text: 'Сумма {=Document:amount}' }),
    await newRobot(stage('Тут'), 'message-private-chat', { recipients: [person(boris)], text: 'Лично' }),
    await newRobot(stage('Тут'), 'notify', { text: 'Сумма {=Document:amount}', recipients: [person(english), person(boris)] }),
    await newRobot(stage('Тут'), 'comment', { text: 'Комментарий' }),
    await newRobot(stage('Тут'), 'create-invoice', { title: 'Счёт' }),
    await newRobot(stage('Тут'), 'change-item', { values: [{ field: 'title', value: 'Новое имя' }] }),
    await newRobot(stage('Тут'), 'post', { title: 'Новость', text: 'Ура', recipients: [{ kind: 'everyone' }] }, later),
    await newRobot(stage('Тут'), 'comment', { text: 'Мало' }, { condition: { op: 'and', items: [{ left: '{=Document:amount}', operator: 'less', value: 10 }] } }),
  ];
  await save(path, robots);
  const item = await deal({ title: 'Стол', amount: 1234.5 });
  await drain();
  const before = await countRows();
  const rehearsal = await api(admin).post(`${path}/rehearse`, { itemId: item.id, stageId: stage('Тут').id });
  assert.deepEqual(await countRows(), before);
  assert.equal((await api(admin).get(`/api/items/${item.id}`)).title, 'Стол');
  await drain();
  assert.deepEqual(await countRows(), before);

  assert.deepEqual(rehearsal.runs.map((run: { state: string }) => run.state), ['done', 'done', 'done', 'done', 'done', 'done', 'done', 'done', 'skipped']);
  const shown = (channel: string) => rehearsal.messages.filter((message: { channel: string }) => message.channel === channel);
  assert.deepEqual(new Set(rehearsal.messages.map((message: { channel: string }) => message.channel)), new Set(['chat', 'message', 'notification', 'comment', 'invoice', 'change', 'post']));
  assert.match(shown('notification').find((note: { to: number[] }) => note.to[0] === english.id).text, /1,234\.50/);
  assert.match(shown('notification').find((note: { to: number[] }) => note.to[0] === boris.id).text, /1\u00a0234,50/);

  const patient = await api(admin).post(`${path}/rehearse`, { itemId: item.id, stageId: stage('Тут').id, skipDelays: false });
  const waiting = patient.runs.find((run: { robotType: string }) => run.robotType === 'post');
  assert.equal(waiting.state, 'waiting');
  assert.equal(Date.parse(waiting.dueAt) - clock.now().getTime(), 2 * 86_400_000);
  await assert.rejects(api(anna).post(`${path}/rehearse`, { itemId: item.id, stageId: stage('Тут').id }), { status: 403 });
  assert.equal(pipeline.id > 0, true);
});

test('two robots that move the deal to and fro are stopped, and the stop is seen', async () => {
  const { deal, stage } = await stages('Сюда', 'Туда');
  const forth = await given.robot(stage('Сюда'), 'change-item', { values: [{ field: 'stageId', value: stage('Туда').id }] });
  const back = await given.robot(stage('Туда'), 'change-item', { values: [{ field: 'stageId', value: stage('Сюда').id }] });
  const item = await deal();
  await moved(item, stage('Сюда'));
  await drain();
  const runs = await told.runs(item);
  assert.deepEqual(runs.map((run) => [run.robotId, run.state]), [[forth.id, 'done'], [back.id, 'done'], [forth.id, 'skipped']]);
  const last = runs.at(-1);
  assert.equal(last?.reason, 'loop.repeated');
  assert.match(last.explanation, /не ходили по кругу/);
  assert.equal((await api(admin).get(`/api/items/${item.id}`)).stageId, stage('Сюда').id);
  // A person starts a new chain.
  await moved(item, stage('Туда'));
  await drain();
  assert.ok((await told.runs(item)).length > runs.length);
});

test('a field that cannot take the value leaves the deal as it is, the reason for the robots below, and holds up nobody', async () => {
  const { deal, stage } = await stages('Тут');
  const robot = await given.robot(stage('Тут'), 'change-item', { values: [{ field: 'amount', value: 'много' }] });
  await given.robot(stage('Тут'), 'comment', { text: `Не вышло: {=A${robot.id}:error}` });
  const [item, other] = [await deal({ amount: 7 }), await deal({ amount: 8 })];
  for (const one of [item, other]) await moved(one, stage('Тут'));
  await drain();
  const run = await told.run(item, robot);
  assert.equal(run.state, 'failed');
  assert.match(run.explanation, /Сумма/);
  assert.equal((await api(admin).get(`/api/items/${item.id}`)).amount, 7);
  for (const one of [item, other]) assert.match(String((await told.comments(one))[0]?.data.body), /Не вышло: .*Сумма/);
});

test('an invoice without an amount is a failed run that says what to fill in', async () => {
  const { deal, stage } = await stages('Тут');
  const robot = await given.robot(stage('Тут'), 'create-invoice', { title: 'Счёт' });
  const comment = await given.robot(stage('Тут'), 'comment', { text: `Счёт: {=A${robot.id}:link}` });
  const item = await deal({ amount: null });
  await moved(item, stage('Тут'));
  await drain();
  assert.equal((await told.run(item, robot)).reason, 'invoice.no_amount');
  assert.equal((await told.run(item, comment)).state, 'done');
});

test('chats and invoices that robots made are printed by their titles, on the same stage and on a later one', async () => {
  const { deal, stage } = await stages('Тут', 'Там');
  const chat = await given.robot(stage('Тут'), 'create-group-chat', { title: 'Чат «{=Document:title}»', members: [person(anna), person(boris)] });
  const invoice = await given.robot(stage('Тут'), 'create-invoice', { title: 'Счёт за кухню' });
  const text = `{=A${chat.id}:chatId}, {=A${invoice.id}:invoiceId}`;
  await given.robot(stage('Тут'), 'comment', { text });
  await given.robot(stage('Там'), 'comment', { text });
  const item = await deal({ title: 'Кухня', amount: 100 });
  for (const name of ['Тут', 'Там']) {
    await moved(item, stage(name));
    await drain();
    const [comment] = await told.comments(item);
    assert.equal(comment?.data.body, 'Чат «Кухня», Счёт за кухню', name);
  }
});

test('a note of a run names the field, not its code', async () => {
  const { deal, stage } = await stages('Тут');
  const robot = await given.robot(stage('Тут'), 'post', { title: 'Н', text: 'т', recipients: [person(anna)], attachments: { kind: 'field', field: 'review' } });
  const item = await deal();
  await moved(item, stage('Тут'));
  await drain();
  assert.deepEqual((await told.run(item, robot)).notes, ['Поле «Отзыв» пусто, вложений нет.']);
});

test('a post with files of the drive; and with both kinds of attachment the robot is not published', async () => {
  const { path, deal, stage } = await stages('Тут');
  const file = await given.file({ name: 'договор.txt', content: 'текст' });
  const robot = await given.robot(stage('Тут'), 'post', {
    title: 'Новость', text: 'Ура', author: person(anna), recipients: [person(boris)], attachments: { kind: 'drive', fileIds: [file.id] }, tags: ['Успех'],
  });
  const item = await deal();
  await moved(item, stage('Тут'));
  await drain();
  assert.equal((await told.run(item, robot)).state, 'done');
  const [post] = await told.posts(boris, { tag: 'Успех' });
  assert.deepEqual(post?.files.map((one) => one.name), ['договор.txt']);
  assert.equal(await (await api(boris).fetch(`/api/drive/files/${file.id}/content`)).text(), 'текст');
  // The author sees his own post.
  assert.equal((await told.posts(anna, { tag: 'Успех' })).length, 1);
  const both = await newRobot(stage('Тут'), 'post', { title: 'Н', text: 'т', recipients: [person(boris)], attachments: { kind: 'drive', fileIds: [file.id], field: 'review' } });
  assert.notDeepEqual((await save(path, [both])).problems, []);
});
