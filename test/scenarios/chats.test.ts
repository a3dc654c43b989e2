/** Chats of robots: D, E, F, G and H where they must refuse, and what each member sees. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { toldBy } from '../support/told.ts';
import { type Somebody, startTestVestnik } from '../support/vestnik.ts';

const vestnik = await startTestVestnik();
const { api, admin, given, moved, drain } = vestnik;
const told = toldBy(vestnik);

const manager = await given.employee({ firstName: 'Анна', lastName: 'Волкова' });
const lawyer = await given.employee({ firstName: 'Павел', lastName: 'Киселёв' });
const legalHead = await given.employee({ firstName: 'Наталья', lastName: 'Белова' });
await given.department({ name: 'Юридический отдел', headIds: [legalHead.id], employeeIds: [lawyer.id] });
await given.field({ name: 'ID группового чата', type: 'string', code: 'groupChatId' });

const person = ({ id }: Somebody) => ({ kind: 'employee', id });
const owner = { kind: 'role', role: 'owner' };
const field = '{=Document:groupChatId}';

/** A pipeline of its own for a test: what happens in one does not show in another. */
async function stages(...names: string[]) {
  const pipeline = await given.pipeline({ stages: ['Начало', ...names] });
  const deal = (more: Record<string, unknown> = {}) => given.item({ pipelineId: pipeline.id, stageId: pipeline.stage('Начало').id, ownerId: manager.id, title: 'Стол', ...more });
  return { pipeline, deal, stage: (name: string) => pipeline.stage(name) };
}

async function chatOfPeople(kind: 'closed' | 'open', title = 'Наш чат'): Promise<{ id: number }> {
  return api(lawyer).post('/api/chats', { kind, title, memberIds: [legalHead.id] });
}

test('a chat with one person in it is a failed run that says how many it needs', async () => {
  const { deal, stage } = await stages('Чат');
  const robot = await given.robot(stage('Чат'), 'create-group-chat', { title: 'Договор', members: [owner] });
  const item = await deal();
  await moved(item, stage('Чат'));
  await drain();
  const run = await told.run(item, robot);
  assert.equal(run.state, 'failed');
  assert.equal(run.reason, 'recipients.too_few');
  assert.match(run.explanation, /Нашёлся 1 человек, а нужно минимум 2/);
  assert.deepEqual(await told.chats(manager), []);
});

test('members of a chat of a person stay as they are: the robot adds only to chats that a robot made', async () => {
  const { deal, stage } = await stages('Добавить', 'Из поля');
  const chat = await chatOfPeople('closed');
  const byId = await given.robot(stage('Добавить'), 'add-chat-members', { chat: chat.id, members: [person(manager)] });
  const byField = await given.robot(stage('Из поля'), 'add-chat-members', { chat: field, members: [person(manager)] });
  const item = await deal({ values: { groupChatId: String(chat.id) } });
  for (const [name, robot] of [['Добавить', byId], ['Из поля', byField]] as const) {
    await moved(item, stage(name));
    await drain();
    const run = await told.run(item, robot);
    assert.equal(run.reason, 'chat.not_by_robot');
    assert.match(run.explanation, /Чат «Наш чат» создан не роботом/);
  }
  assert.deepEqual(await told.members(lawyer, chat.id), [lawyer.id, legalHead.id]);
});

test('history is hidden from the new member unless «Показать историю диалога» is on', async () => {
  const { deal, stage } = await stages('Чат', 'Без истории', 'С историей', 'Дальше');
  const maker = await given.robot(stage('Чат'), 'create-group-chat', { title: 'Договор {=Document:title}', members: [person(lawyer)] });
  const chat = `{=A${maker.id}:chatId}`;
  await given.robot(stage('Без истории'), 'add-chat-members', { chat, members: [person(legalHead)] });
  await given.robot(stage('С историей'), 'add-chat-members', { chat, members: [person(admin)], showHistory: true });
  await given.robot(stage('Дальше'), 'message-group-chat', { chat, text: 'Дальше' });
  const item = await deal();
  await moved(item, stage('Чат'));
  await drain();
  const chatId = Number((await told.run(item, maker)).results?.chatId);
  await api(lawyer).post(`/api/chats/${chatId}/messages`, { body: 'Раньше' });
  for (const name of ['Без истории', 'С историей', 'Дальше']) {
    await moved(item, stage(name));
    await drain();
  }
  const seen = async (who: Somebody) => (await told.messages(who, chatId)).map((message) => message.body);
  assert.deepEqual(await seen(legalHead), ['Дальше']);
  assert.deepEqual(await seen(admin), ['Раньше', 'Дальше']);
  assert.deepEqual(await seen(lawyer), ['Раньше', 'Дальше']);
});

test('to whom is in the chat already nothing happens, and the run says who', async () => {
  const { deal, stage } = await stages('Чат', 'Добавить');
  const maker = await given.robot(stage('Чат'), 'create-group-chat', { title: 'Договор', members: [person(lawyer)] });
  const adder = await given.robot(stage('Добавить'), 'add-chat-members', { chat: `{=A${maker.id}:chatId}`, members: [person(lawyer), person(legalHead)] });
  const item = await deal();
  await moved(item, stage('Чат'));
  await drain();
  const chatId = Number((await told.run(item, maker)).results?.chatId);
  await api(lawyer).post(`/api/chats/${chatId}/messages`, { body: 'Раньше' });
  await moved(item, stage('Добавить'));
  await drain();
  const run = await told.run(item, adder);
  assert.equal(run.state, 'done');
  assert.match(run.notes.join(), /Уже состоят в чате: Павел Киселёв/);
  assert.deepEqual((await told.messages(lawyer, chatId)).map((message) => message.body), ['Раньше'], 'The history of who was there before stays open.');
});

test('a message to an open group is refused when it is configured, and when a field names it', async () => {
  const { pipeline, deal, stage } = await stages('Писать', 'Из поля');
  const open = await chatOfPeople('open', 'Открытый');
  await assert.rejects(given.robot(stage('Писать'), 'message-group-chat', { chat: open.id, text: 'Привет' }), /среди закрытых групповых/);
  const path = `/api/pipelines/${pipeline.id}/robots`;
  await api(admin).put(path, { revision: (await api(admin).get(path)).revision, robots: [] });

  const robot = await given.robot(stage('Из поля'), 'message-group-chat', { chat: field, text: 'Привет' });
  const item = await deal({ values: { groupChatId: String(open.id) } });
  await moved(item, stage('Из поля'));
  await drain();
  const run = await told.run(item, robot);
  assert.equal(run.reason, 'chat.not_closed_group');
  assert.match(run.explanation, /Открытый/);
  assert.deepEqual(await told.messages(lawyer, open.id), []);
});

test('any closed group takes a message, also from a sender who is no member, and the run says that', async () => {
  const { deal, stage } = await stages('Писать');
  const chat = await chatOfPeople('closed');
  const robot = await given.robot(stage('Писать'), 'message-group-chat', { chat: chat.id, sender: owner, text: '[b]{=Document:title}[/b] едет' });
  const item = await deal();
  await moved(item, stage('Писать'));
  await drain();
  const [message] = await told.messages(lawyer, chat.id);
  assert.equal(message?.body, '[b]Стол[/b] едет');
  assert.equal(message.authorId, manager.id);
  assert.equal(message.itemId, item.id);
  const run = await told.run(item, robot);
  assert.equal(message.runId, run.id);
  assert.match(run.notes.join(), /Анна Волкова не состоит в чате/);
  await assert.rejects(api(manager).get(`/api/chats/${chat.id}/messages`), { status: 404 }, 'Speaking does not open the chat to the sender.');
});

test('the five kinds of message differ, and only announcement and important have a heading', async () => {
  const { deal, stage } = await stages('Писать');
  const chat = await chatOfPeople('closed', 'Виды');
  const kinds = ['plain', 'announcement', 'notice', 'important', 'alarm'];
  for (const kind of kinds) await given.robot(stage('Писать'), 'message-group-chat', { chat: chat.id, sender: person(lawyer), kind, heading: 'Заголовок', text: kind });
  const item = await deal();
  await moved(item, stage('Писать'));
  await drain();
  assert.deepEqual(
    (await told.messages(lawyer, chat.id)).map(({ kind, heading, body }) => [kind, heading, body]),
    [['plain', '', 'plain'], ['announcement', 'Заголовок', 'announcement'], ['notice', '', 'notice'], ['important', 'Заголовок', 'important'], ['alarm', '', 'alarm']],
  );
});

test('a chat that is gone, no chat, and what is no chat are failed runs, and robots below still act', async () => {
  const { deal, stage } = await stages('Писать');
  const robot = await given.robot(stage('Писать'), 'message-group-chat', { chat: field, text: 'Привет' });
  const below = await given.robot(stage('Писать'), 'comment', { text: 'Ниже' });
  const gone = await chatOfPeople('closed');
  await api(lawyer).del(`/api/chats/${gone.id}`);
  for (const [value, reason] of [[String(gone.id), 'chat.gone'], ['', 'chat.none'], ['чат с юристом', 'chat.not_an_id'], ['999999999', 'chat.gone']]) {
    const item = await deal({ values: { groupChatId: value } });
    await moved(item, stage('Писать'));
    await drain();
    assert.equal((await told.run(item, robot)).reason, reason);
    assert.equal((await told.run(item, below)).state, 'done');
  }
});

test('the result of a robot that did not act is empty', async () => {
  const { deal, stage } = await stages('Чат');
  const never = { op: 'and' as const, items: [{ left: '{=Document:amount}', operator: 'greater' as const, value: 1e9 }] };
  const maker = await given.robot(stage('Чат'), 'create-group-chat', { title: 'Договор', members: [person(lawyer)] }, { condition: never });
  const writer = await given.robot(stage('Чат'), 'message-group-chat', { chat: `{=A${maker.id}:chatId}`, text: 'Привет' });
  const item = await deal({ amount: 5 });
  await moved(item, stage('Чат'));
  await drain();
  assert.equal((await told.run(item, maker)).state, 'skipped');
  assert.equal((await told.run(item, writer)).reason, 'chat.none');
});

test('the private message goes to the chat the two have already, and to each recipient alone', async () => {
  const { deal, stage } = await stages('Лично');
  const before = await api(manager).post('/api/chats', { kind: 'private', employeeId: legalHead.id });
  await given.robot(stage('Лично'), 'message-private-chat', { recipients: [person(legalHead), person(lawyer)], text: 'Проверьте договор' });
  const item = await deal();
  await moved(item, stage('Лично'));
  await drain();
  assert.deepEqual((await told.messages(legalHead, before.id)).map((message) => [message.authorId, message.body]), [[manager.id, 'Проверьте договор']]);
  const ofLawyer = (await told.chats(lawyer)).find((chat) => chat.kind === 'private' && chat.partnerId === manager.id);
  assert.deepEqual((await told.messages(lawyer, ofLawyer?.id ?? 0)).map((message) => message.body), ['Проверьте договор']);
  assert.equal(ofLawyer?.unreadCount, 1);
});

test('a field cannot let people into the chat of another item', async () => {
  const { deal, stage } = await stages('Чат', 'Из поля');
  const maker = await given.robot(stage('Чат'), 'create-group-chat', { title: 'Договор', members: [person(lawyer)] });
  const adder = await given.robot(stage('Из поля'), 'add-chat-members', { chat: field, members: [person(legalHead)], showHistory: true });
  const [secret, other] = [await deal({ title: 'Секретная' }), await deal({ title: 'Другая' })];
  await moved(secret, stage('Чат'));
  await drain();
  const chatId = Number((await told.run(secret, maker)).results?.chatId);
  await api(admin).patch(`/api/items/${other.id}`, { values: { groupChatId: String(chatId) } });
  await moved(other, stage('Из поля'));
  await drain();
  const run = await told.run(other, adder);
  assert.equal(run.reason, 'chat.of_other_item');
  assert.match(run.explanation, /относится к другому элементу/);
  assert.deepEqual(await told.members(lawyer, chatId), [manager.id, lawyer.id]);
});

test('a robot that failed to make a chat does not empty the field that holds an earlier one', async () => {
  const { deal, stage } = await stages('Чат');
  const maker = await given.robot(stage('Чат'), 'create-group-chat', { title: 'Договор', members: [owner] });
  const keeper = await given.robot(stage('Чат'), 'change-item', { values: [{ field: 'groupChatId', value: `{=A${maker.id}:chatId}` }] });
  const item = await deal({ values: { groupChatId: '42' } });
  await moved(item, stage('Чат'));
  await drain();
  assert.equal((await told.run(item, maker)).reason, 'recipients.too_few');
  const run = await told.run(item, keeper);
  assert.match(run.notes.join(' '), /не оставил результата/);
  assert.equal((await api(admin).get(`/api/items/${item.id}`)).values.groupChatId, '42');
});

test('the type of a deal is there from the start, for texts of robots', async () => {
  const { pipeline, deal, stage } = await stages('Тип');
  const tree = JSON.stringify(await api(admin).get(`/api/pipelines/${pipeline.id}/robots/picker`, { stageId: stage('Тип').id }));
  assert.match(tree, /"placeholder":"\{=Document:dealType\}","name":"Тип сделки"/);
  const robot = await given.robot(stage('Тип'), 'comment', { text: 'Тип: {=Document:dealType}' });
  const item = await deal({ values: { dealType: 'Услуги' } });
  await moved(item, stage('Тип'));
  await drain();
  assert.equal((await told.run(item, robot)).state, 'done');
  assert.match(JSON.stringify(await api(admin).get(`/api/items/${item.id}/timeline`)), /Тип: Услуги/);
});
