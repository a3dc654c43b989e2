/** What the Robots page asks for besides saving: robots in words, differences, robots as data, the journal. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { sql } from '../../server/db/db.ts';
import { startMailServer } from '../../tools/receivers.ts';
import { type Somebody, startTestVestnik } from '../support/vestnik.ts';

const vestnik = await startTestVestnik();
const { api, admin, given, moved, drain, clock, db } = vestnik;
const sales = await given.department({ name: 'Отдел продаж' });
const anna = await given.employee({ firstName: 'Анна', lastName: 'Волкова', departments: [{ id: sales.id }] });
const empty = await given.department({ name: 'Пустой отдел' });
await given.field({ name: 'Дата оплаты', type: 'date', code: 'paymentDate' });

const owner = { kind: 'role', role: 'owner' };
const person = ({ id }: Somebody) => ({ kind: 'employee', id });

async function robotOn(stage: { id: number }, type: string, settings: Record<string, unknown>, more: Record<string, unknown> = {}) {
  const { ids } = await api(admin).post('/api/robot-ids', { count: 1 });
  return { id: Number(ids[0]), stageId: stage.id, type, title: '', settings, ...more };
}

async function pipelineOf(...names: string[]) {
  const pipeline = await given.pipeline({ stages: ['Начало', ...names] });
  const path = `/api/pipelines/${pipeline.id}/robots`;
  const save = async (robots: readonly object[]) => api(admin).put(path, { revision: (await api(admin).get(path)).revision, robots });
  const publish = async () => api(admin).post(`${path}/publish`, { revision: (await api(admin).get(path)).revision });
  const deal = (more: Record<string, unknown> = {}) => given.item({ pipelineId: pipeline.id, stageId: pipeline.stage('Начало').id, ownerId: anna.id, ...more });
  return { pipeline, path, save, publish, deal, stage: (name: string) => pipeline.stage(name) };
}

test('each robot says in a line what it does, when and if', async () => {
  const { save, stage } = await pipelineOf('Работа');
  const big = { op: 'and', items: [{ left: '{=Document:amount}', operator: 'greater', value: 1_000_000 }, { op: 'or', items: [
    { left: '{=Document:ownerId}', operator: 'equals', value: anna.id }, { left: '{=Document:title}', operator: 'filled' }] }] };
  const { sentences, problems } = await save([
    await robotOn(stage('Работа'), 'notify', { text: 'Готово', recipients: [{ kind: 'department', id: sales.id, withSubdepartments: true }, owner] }, {
      timing: { kind: 'beforeDate', reference: '{=Document:paymentDate}', amount: 2, unit: 'days', workingHours: 'company' }, condition: big, oncePerItem: true,
    }),
    await robotOn(stage('Работа'), 'comment', { text: '[b]Сделка[/b] {=Document:title}, {=Document:amount}' }, { timing: { kind: 'after', amount: 5, unit: 'minutes' } }),
    await robotOn(stage('Работа'), 'change-item', { values: [{ field: 'ownerId', value: anna.id }, { field: 'title', value: 'Новая: {=Document:title}' }] }),
  ]);
  assert.deepEqual(problems, []);
  assert.deepEqual(sentences.map(({ what, when, condition }: Record<string, string>) => [what, when, condition]), [
    ['Уведомить: Отдел продаж с подотделами, Ответственный', 'за 2 дня до даты «Дата оплаты», в рабочее время компании, один раз для элемента',
      'Сумма больше 1\u00a0000\u00a0000 и (Ответственный равно Анна Волкова или Название заполнено)'],
    ['Комментарий: Сделка [Название], [Сумма]', 'через 5 минут', ''],
    ['Изменить: Ответственный: Анна Волкова; Название: Новая: [Название]', 'сразу', ''],
  ]);
});

test('a robot being edited is checked and said without being saved', async () => {
  const { path, stage } = await pipelineOf('Работа');
  const robot = await robotOn(stage('Работа'), 'notify', { text: '', recipients: [{ kind: 'department', id: empty.id }] });
  const { problems, sentences } = await api(admin).post(`${path}/check`, { robots: [robot] });
  assert.deepEqual(problems.map((problem: { path: string; message: string }) => [problem.path, problem.message]), [
    ['settings.text', 'Не заполнено: «Текст уведомления». Заполните или выберите значение.'],
    ['settings.recipients.0', 'В отделе «Пустой отдел» нет сотрудников. Выберите другой отдел или добавьте в него людей.'],
  ]);
  assert.equal(sentences[0].what, 'Уведомить: Пустой отдел');
  // Off, it keeps nobody from publishing, and says all the same what it would need.
  const off = await api(admin).post(`${path}/check`, { robots: [{ ...robot, isEnabled: false }] });
  assert.deepEqual([off.problems, off.idleProblems.map((problem: { path: string }) => problem.path)], [[], ['settings.text', 'settings.recipients.0']]);
  assert.deepEqual((await api(admin).get(path)).robots, []);
});

test('the difference between what works and the draft is told in sentences, and what it means for runs that wait', async () => {
  const { path, save, publish, deal, stage } = await pipelineOf('Работа', 'Итог');
  const later = { timing: { kind: 'after', amount: 1, unit: 'hours' } };
  const kept = await robotOn(stage('Работа'), 'comment', { text: 'Остаётся' }, { title: 'Первый', order: 'independent', ...later });
  const changed = await robotOn(stage('Работа'), 'comment', { text: 'Было' }, { title: 'Второй', order: 'independent', ...later });
  const removed = await robotOn(stage('Работа'), 'comment', { text: 'Уйдёт' }, { title: 'Третий', order: 'independent', ...later });
  await save([kept, changed, removed]);
  await publish();
  const item = await deal();
  clock.advance('1 minute');
  await moved(item, stage('Работа'));
  await drain();
  const added = await robotOn(stage('Итог'), 'notify', { text: 'Ура', recipients: [owner] });
  await save([kept, { ...changed, stageId: stage('Итог').id, isEnabled: false, settings: { text: 'Стало' }, condition: { op: 'and', items: [{ left: '{=Document:amount}', operator: 'less', value: 5 }] } }, added]);
  const { differences, waiting } = await api(admin).get(`${path}/compare`);
  assert.deepEqual(differences.map((one: Record<string, unknown>) => [one.kind, one.title, one.stageName, one.details]), [
    ['changed', 'Второй', 'Итог', ['Выключен.', 'Перенесён со стадии «Работа» на стадию «Итог».', 'Условие: было «пусто», станет «Сумма меньше 5».', 'Текст комментария: было «Было», станет «Стало».']],
    ['added', 'Добавить уведомление', 'Итог', ['Уведомить: Ответственный', 'Когда: сразу.']],
    ['removed', 'Третий', 'Работа', ['Комментарий: Уйдёт', 'Когда: через 1 час, независимо от других.']],
  ]);
  assert.deepEqual(waiting.map((one: Record<string, unknown>) => [one.title, one.count, one.fate]).sort(), [['Второй', 1, 'stop'], ['Первый', 1, 'same'], ['Третий', 1, 'stop']]);
});

test('a sender and a provider are told by their names, and one that is gone as gone', async (t) => {
  const { path, save, publish, stage } = await pipelineOf('Работа');
  const smtp = await startMailServer();
  t.after(() => smtp.stop());
  const actor = await vestnik.actor(admin);
  const sender = (name: string) => vestnik.vestnik.mail.createSender(actor, {
    name, address: 'robots@dubrava.example', host: smtp.host, port: smtp.port, security: 'none', username: '', password: '', isDefault: false,
  });
  const [old, next] = [await sender('Старый адрес'), await sender('Новый адрес')];
  const letter = await robotOn(stage('Работа'), 'send-email', { subject: 'Тема', text: 'Текст', recipients: [owner], sender: old.id });
  const saved = await save([letter]);
  assert.deepEqual(saved.problems, []);
  await publish();
  await vestnik.vestnik.mail.deleteSender(actor, old.id);
  await save([{ ...letter, settings: { ...letter.settings, sender: next.id } }]);
  const { differences } = await api(admin).get(`${path}/compare`);
  assert.deepEqual(differences[0].details, ['От кого: было «удалённый адрес отправителя», станет «Новый адрес <robots@dubrava.example>».']);
});

test('an order that only moved because another robot came between is no change; a real one is', async () => {
  const { path, save, publish, stage } = await pipelineOf('Работа');
  const [first, second] = [await robotOn(stage('Работа'), 'comment', { text: '1' }), await robotOn(stage('Работа'), 'comment', { text: '2' })];
  await save([first, second]);
  await publish();
  const between = await robotOn(stage('Работа'), 'comment', { text: '3' });
  await save([first, between, second]);
  assert.deepEqual((await api(admin).get(`${path}/compare`)).differences.map((one: { kind: string }) => one.kind), ['added']);
  await save([second, first]);
  const { differences } = await api(admin).get(`${path}/compare`);
  assert.ok(differences.length > 0 && differences.every((one: { details: string[] }) => one.details.includes('Место среди роботов стадии изменилось.')));
});

test('two robots that would send an item round between stages are warned of', async () => {
  const { save, stage } = await pipelineOf('Туда', 'Обратно', 'Мимо');
  const go = (from: string, to: string) => robotOn(stage(from), 'change-item', { values: [{ field: 'stageId', value: stage(to).id }] }, { title: `${from} → ${to}` });
  const robots = [await go('Туда', 'Обратно'), await go('Обратно', 'Туда'), await go('Мимо', 'Туда')];
  const { warnings } = await save(robots);
  assert.deepEqual(warnings.map((warning: { robotId: number }) => warning.robotId).sort(), [robots[0]!.id, robots[1]!.id].sort());
  assert.match(warnings[0].message, /«Туда → Обратно».*«Обратно»/);
});

test('robots leave as data and come back into another pipeline under ids of their own, their references with them', async () => {
  const from = await pipelineOf('Договор', 'Сборка');
  const chat = await robotOn(from.stage('Договор'), 'create-group-chat', { title: 'Чат', members: [owner, person(anna)] });
  const note = await robotOn(from.stage('Сборка'), 'comment', { text: `Чат: {=A${chat.id}:chatId}` });
  await from.save([chat, note]);
  const file = await api(admin).get(`${from.path}/export`);
  const to = await pipelineOf('Сборка', 'Договор');
  const set = await api(admin).post(`${to.path}/import`, { revision: 0, mode: 'append', file });
  const [newChat, newNote] = set.robots;
  assert.deepEqual([newChat.stageId, newNote.stageId], [to.stage('Договор').id, to.stage('Сборка').id]);
  assert.ok(![chat.id, note.id].includes(newChat.id));
  assert.equal(newNote.settings.text, `Чат: {=A${newChat.id}:chatId}`);
  await assert.rejects(api(admin).post(`${to.path}/import`, { revision: 0, mode: 'append', file }), { status: 409, code: 'robots.changed_meanwhile' });
});

test('a rehearsal tells whom each message reaches, when it would go and who is left out, and writes nothing', async () => {
  const { path, save, deal, stage } = await pipelineOf('Работа');
  const chat = await robotOn(stage('Работа'), 'create-group-chat', { title: 'О сделке', members: [owner, person(admin)] });
  const message = await robotOn(stage('Работа'), 'message-group-chat', { chat: `{=A${chat.id}:chatId}`, kind: 'important', heading: 'Важно', text: 'Сумма {=Document:amount}' },
    { timing: { kind: 'after', amount: 3, unit: 'hours' } });
  const after = await robotOn(stage('Работа'), 'notify', { text: 'Потом', recipients: [owner, { kind: 'department', id: empty.id }] });
  await save([chat, message, after]);
  const item = await deal({ amount: 5000 });
  const before = await db.first<{ count: number }>(sql`select (select count(*) from runs) + (select count(*) from messages) + (select count(*) from notifications) + (select count(*) from chats) as count`);
  const { messages, moments, runs } = await api(admin).post(`${path}/rehearse`, { itemId: item.id, stageId: stage('Работа').id });
  assert.deepEqual(await db.first(sql`select (select count(*) from runs) + (select count(*) from messages) + (select count(*) from notifications) + (select count(*) from chats) as count`), before);
  const said = messages.find((one: { channel: string }) => one.channel === 'message');
  assert.deepEqual([said.to, said.chat, said.kind, said.subject, said.text], [[admin.id], 'О сделке', 'important', 'Важно', 'Сумма 5\u00a0000\u00a0₽']);
  assert.deepEqual(moments, [{ robotId: message.id, dueAt: new Date(clock.now().getTime() + 3 * 3_600_000).toISOString() }, { robotId: after.id, dueAt: null }]);
  const noted = runs.find((run: { robotId: number }) => run.robotId === after.id);
  assert.match(noted.notes.join(' '), /никого нет/);
  assert.equal(noted.explanation, 'Условия нет: робот срабатывает для каждого элемента.');
});

test('the value picker knows for conditions how each value is compared, and what may be written', async () => {
  const { path, stage } = await pipelineOf('Работа');
  const [document] = await api(admin).get(`${path}/picker`, { stageId: stage('Работа').id });
  const amount = document.children.find((node: { field: string }) => node.field === 'amount');
  assert.deepEqual([amount.kind, amount.isMultiple, amount.isWritable], ['money', false, true]);
  assert.ok(amount.operators.includes('between') && !amount.operators.includes('contains'));
  assert.equal(document.children.find((node: { field: string }) => node.field === 'createdAt').isWritable, false);
});

test('the journal finds runs by state, text, person and time, counts days, and goes into a spreadsheet', async () => {
  const { pipeline, save, publish, deal, stage } = await pipelineOf('Работа');
  const fine = await robotOn(stage('Работа'), 'comment', { text: 'Да' });
  const failing = await robotOn(stage('Работа'), 'comment', { text: '{=Document:beginsOn}' });
  await save([fine, failing]);
  await publish();
  clock.advance('1 minute');
  const boris = await given.employee({ firstName: 'Борис' });
  const roof = await deal({ title: '=Крыша "100%"' });
  const floor = await deal({ title: 'Пол', ownerId: boris.id });
  await moved(roof, stage('Работа'));
  await drain();
  const between = clock.now();
  const firstDay = between.toISOString().slice(0, 10);
  clock.advance('2 days');
  await moved(floor, stage('Работа'));
  await drain();
  const of = async (query: Record<string, string | number>) =>
    (await api(admin).get('/api/runs', { pipelineId: pipeline.id, ...query })).items.map((run: { itemTitle: string; state: string }) => `${run.itemTitle} ${run.state}`);
  assert.equal((await of({})).length, 4);
  assert.deepEqual(await of({ state: 'failed' }), ['Пол failed', '=Крыша "100%" failed']);
  assert.deepEqual(await of({ text: '100%', state: 'done' }), ['=Крыша "100%" done']);
  assert.deepEqual(await of({ text: '_рыша' }), []);
  assert.deepEqual(await of({ text: String(floor.id), state: 'done' }), ['Пол done']);
  assert.deepEqual(await of({ ownerId: boris.id, robotId: fine.id }), ['Пол done']);
  assert.deepEqual(await of({ from: new Date(between.getTime() + 1000).toISOString(), state: 'done' }), ['Пол done']);
  assert.deepEqual(await of({ to: new Date(between.getTime() + 1000).toISOString(), stageId: stage('Работа').id, state: 'done' }), ['=Крыша "100%" done']);

  const lastDay = clock.now().toISOString().slice(0, 10);
  const { days } = await api(admin).get('/api/runs/days', { pipelineId: pipeline.id, from: firstDay, to: lastDay });
  assert.deepEqual(days.map((day: Record<string, unknown>) => [day.day, day.done, day.failed]), [[firstDay, 1, 1], [days[1].day, 0, 0], [lastDay, 1, 1]]);
  assert.equal((await db.first<{ day: string }>(sql`select day::text as day from run_days_until`))?.day, days[1].day, 'Days that are over are counted once.');
  await assert.rejects(api(admin).get('/api/runs/days', { from: '2026-01-01', to: '2020-01-01' }), { status: 400 });

  const bytes = Buffer.from(await (await api(admin).fetch(`/api/runs/export?pipelineId=${pipeline.id}&state=done`)).arrayBuffer());
  const csv = bytes.toString('utf8');
  const lines = csv.trim().split('\r\n');
  assert.equal(lines.length, 3);
  assert.match(csv, /^\ufeff"ID запуска";"Состояние"/);
  assert.match(csv, /"'=Крыша ""100%"""/, 'What would be a formula is a text.');
});

test('the robots of an item are told by arrival, with what was waited for', async () => {
  const { save, publish, deal, stage } = await pipelineOf('Работа', 'Итог');
  const now = await robotOn(stage('Работа'), 'comment', { text: 'Сразу' }, { title: 'Сразу' });
  const later = await robotOn(stage('Работа'), 'comment', { text: 'Потом' }, { title: 'Потом', timing: { kind: 'after', amount: 1, unit: 'days' } });
  await save([now, later]);
  await publish();
  clock.advance('1 minute');
  const item = await deal();
  await moved(item, stage('Работа'), anna);
  await drain();
  await moved(item, stage('Итог'), anna);
  await drain();
  await moved(item, stage('Работа'), anna);
  await drain();
  const { arrivals, mayAct } = await api(admin).get(`/api/items/${item.id}/robots`);
  assert.equal(mayAct, true);
  assert.deepEqual(arrivals.map((arrival: { stageName: string; employeeId: number; runs: { robotTitle: string; state: string }[] }) =>
    [arrival.stageName, arrival.runs.map((run) => `${run.robotTitle} ${run.state}`)]), [
    ['Работа', ['Сразу done', 'Потом waiting']], ['Итог', []], ['Работа', ['Сразу done', 'Потом cancelled']], ['Начало', []],
  ]);
  assert.equal(arrivals[0].employeeId, anna.id);
  const page = await api(admin).get(`/api/items/${item.id}/robots`, { limit: 1 });
  assert.equal((await api(admin).get(`/api/items/${item.id}/robots`, { limit: 1, cursor: page.nextCursor })).arrivals[0].stageName, 'Итог');
});
