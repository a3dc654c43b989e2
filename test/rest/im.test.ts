/** The messenger and the bell through the methods bots and scripts use. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { webhookOf } from '../support/rest.ts';
import { startTestVestnik } from '../support/vestnik.ts';

const vestnik = await startTestVestnik();
const { admin, api, given, listen } = vestnik;
const anna = await given.employee({ firstName: 'Анна', lastName: 'Белова' });
const boris = await given.employee({ firstName: 'Борис', lastName: 'Ветров' });
const stranger = await given.employee({ firstName: 'Вера', lastName: 'Гусева' });
const asAdmin = await webhookOf(vestnik, admin);
const asAnna = await webhookOf(vestnik, anna);
const asStranger = await webhookOf(vestnik, stranger);
const unavailable = { error: 'ACCESS_ERROR', error_description: 'Action unavailable' };
const noDialog = { status: 403, error: 'ACCESS_ERROR', error_description: 'You do not have access to the specified dialog' };

test('a group is made, renamed, filled, handed over and left', async () => {
  const id = await asAdmin.call('im.chat.add', { TYPE: 'CHAT', TITLE: 'Крыша', USERS: [anna.id], MESSAGE: 'Начинаем' });
  assert.equal(typeof id, 'number');
  assert.deepEqual(await asAnna.call('im.chat.user.list', { CHAT_ID: id }), [admin.id, anna.id].sort((a, b) => a - b));
  assert.equal(await asAnna.call('im.chat.user.add', { CHAT_ID: id, USERS: [boris.id], HIDE_HISTORY: 'N' }), true);
  assert.equal(await asAdmin.call('im.chat.updateTitle', { DIALOG_ID: `chat${id}`, TITLE: '  Крыша \n и стены ' }), true);
  const dialog = await asAnna.call('im.dialog.get', { DIALOG_ID: `chat${id}` });
  assert.deepEqual([dialog.id, dialog.name, dialog.owner, dialog.user_counter, dialog.dialog_id, dialog.role], [id, 'Крыша и стены', admin.id, 3, `chat${id}`, 'member']);
  await asAnna.refused('im.chat.updateTitle', { CHAT_ID: id, TITLE: 'Моя' }, { error: 'ACCESS_ERROR' });
  await asAnna.refused('im.chat.user.delete', { CHAT_ID: id, USER_ID: boris.id }, { error: 'ACCESS_DENIED_KICK' });
  await asAdmin.refused('im.chat.user.delete', { CHAT_ID: id, USER_ID: stranger.id }, { error: 'USER_NOT_FOUND', error_description: 'The specified user is not in the chat' });
  await asAdmin.refused('im.chat.setOwner', { CHAT_ID: id, USER_ID: stranger.id }, { error: 'WRONG_REQUEST' });
  await asAnna.refused('im.chat.setOwner', { CHAT_ID: id, USER_ID: anna.id }, { error: 'WRONG_REQUEST' });
  assert.equal(await asAdmin.call('im.chat.setOwner', { CHAT_ID: id, USER_ID: anna.id }), true);
  assert.equal(await asAnna.call('im.chat.user.delete', { CHAT_ID: id, USER_ID: boris.id }), true);
  assert.equal(await asAdmin.call('im.chat.leave', { CHAT_ID: id }), true);
  await asAdmin.refused('im.chat.leave', { CHAT_ID: id }, unavailable);
  const { items } = await api(anna).get('/api/chats');
  assert.deepEqual([items[0].title, items[0].membership.role], ['Крыша и стены', 'owner']);
});

test('whoever is not in a closed group finds nothing of it, and unknown chats are refused as documented', async () => {
  const id = await asAdmin.call('im.chat.add', { TITLE: 'Закрытый', USERS: [anna.id], MESSAGE: 'Тайна' });
  const [message] = (await asAnna.call('im.dialog.messages.get', { DIALOG_ID: `chat${id}`, LIMIT: 1 })).messages;
  await asStranger.refused('im.chat.user.list', { CHAT_ID: id }, unavailable);
  await asStranger.refused('im.chat.user.add', { CHAT_ID: id, USERS: [stranger.id] }, unavailable);
  await asStranger.refused('im.dialog.get', { DIALOG_ID: `chat${id}` }, noDialog);
  await asStranger.refused('im.dialog.messages.get', { DIALOG_ID: `chat${id}` }, noDialog);
  await asStranger.refused('im.dialog.users.list', { DIALOG_ID: `chat${id}` }, noDialog);
  await asStranger.refused('im.dialog.read', { DIALOG_ID: `chat${id}` }, noDialog);
  await asStranger.refused('im.dialog.writing', { DIALOG_ID: `chat${id}` }, noDialog);
  await asStranger.refused('im.recent.pin', { DIALOG_ID: `chat${id}` }, noDialog);
  await asStranger.refused('im.message.add', { DIALOG_ID: `chat${id}`, MESSAGE: 'Впустите' }, unavailable);
  await asStranger.refused('im.message.update', { MESSAGE_ID: message.id, MESSAGE: 'x' }, { error: 'CANT_EDIT_MESSAGE' });
  await asStranger.refused('im.message.delete', { MESSAGE_ID: message.id }, { error: 'CANT_EDIT_MESSAGE' });
  await asStranger.refused('im.message.like', { MESSAGE_ID: message.id }, { error: 'REPLY_ACCESS_ERROR' });
  await asAdmin.refused('im.dialog.messages.get', { DIALOG_ID: 'chat999999' }, noDialog);
  await asAdmin.refused('im.dialog.messages.get', { DIALOG_ID: "chat1' or 1=1" }, noDialog);
  await asAdmin.refused('im.dialog.messages.get', {}, { error: 'DIALOG_ID_EMPTY' });
  await asAdmin.refused('im.dialog.messages.get', { DIALOG_ID: `chat${id}`, LAST_ID: 'abc' }, { error: 'LAST_ID_STRING' });
  await asAdmin.refused('im.chat.user.list', {}, { error: 'CHAT_ID_EMPTY' });
  await asAdmin.refused('im.chat.mute', { CHAT_ID: 999_999 }, { status: 403, error: 'ACCESS_ERROR', error_description: 'This chat cannot be muted' });
  await asAdmin.refused('im.chat.add', { TITLE: 'Никому', USERS: [999_999] }, { error: 'USER_NOT_FOUND' });
  assert.equal((await asAnna.call('im.dialog.messages.get', { DIALOG_ID: `chat${id}` })).messages[0].text, 'Тайна');
});

test('messages to a person are said, read by pages, changed, liked and deleted', async () => {
  const ids: number[] = [];
  for (const text of ['Раз', 'Два', 'Три']) ids.push(await asAdmin.call('im.message.add', { DIALOG_ID: anna.id, MESSAGE: text }));
  const page = await asAnna.call('im.dialog.messages.get', { DIALOG_ID: String(admin.id), LIMIT: 2 });
  assert.deepEqual(page.messages.map((one: { text: string }) => one.text), ['Три', 'Два']);
  assert.deepEqual([page.messages[0].author_id, page.messages[0].unread, page.users[0].id], [admin.id, true, admin.id]);
  const older = await asAnna.call('im.dialog.messages.get', { DIALOG_ID: admin.id, LAST_ID: ids[1] });
  assert.deepEqual(older.messages.map((one: { id: number }) => one.id), [ids[0]]);
  const newer = await asAnna.call('im.dialog.messages.get', { DIALOG_ID: admin.id, FIRST_ID: 0, LIMIT: 2 });
  assert.deepEqual(newer.messages.map((one: { text: string }) => one.text), ['Раз', 'Два']);
  assert.deepEqual((await asAnna.call('im.counters.get')).DIALOG, { [admin.id]: 3 });
  const recent = await asAnna.call('im.recent.list', { UNREAD_ONLY: 'Y', SKIP_CHAT: 'Y' });
  assert.deepEqual(recent.items.map((one: { id: number; counter: number; message: { text: string } }) => [one.id, one.counter, one.message.text]), [[admin.id, 3, 'Три']]);
  const read = await asAnna.call('im.dialog.read', { DIALOG_ID: admin.id, MESSAGE_ID: ids[1] });
  assert.deepEqual([read.dialogId, read.lastId, read.counter], [String(admin.id), ids[1], 1]);
  assert.equal((await asAnna.call('im.dialog.read', { DIALOG_ID: admin.id })).counter, 0);

  assert.equal(await asAdmin.call('im.message.update', { MESSAGE_ID: ids[0], MESSAGE: 'Один' }), true);
  await asAnna.refused('im.message.update', { MESSAGE_ID: ids[0], MESSAGE: 'Чужое' }, { error: 'CANT_EDIT_MESSAGE' });
  assert.equal(await asAnna.call('im.message.like', { MESSAGE_ID: ids[0], ACTION: 'plus' }), true);
  await asAnna.refused('im.message.like', { MESSAGE_ID: ids[0], ACTION: 'plus' }, { error: 'WITHOUT_CHANGES' });
  const all = (await asAdmin.call('im.dialog.messages.get', { DIALOG_ID: anna.id })).messages;
  const first = all.find((one: { id: number }) => one.id === ids[0]);
  assert.deepEqual([first.text, first.params.LIKE, first.params.IS_EDITED], ['Один', [anna.id], 'Y']);
  assert.equal(await asAdmin.call('im.message.delete', { MESSAGE_ID: ids[2] }), true);
  assert.equal(await asAdmin.call('im.message.update', { MESSAGE_ID: ids[1], MESSAGE: '' }), true);
  const left = (await asAnna.call('im.dialog.messages.get', { DIALOG_ID: admin.id })).messages.filter((one: { text: string }) => one.text !== '');
  assert.deepEqual(left.map((one: { text: string }) => one.text), ['Один']);

  await asAdmin.refused('im.message.add', { DIALOG_ID: anna.id, MESSAGE: ' ' }, { error: 'MESSAGE_EMPTY' });
  await asAdmin.refused('im.message.add', { MESSAGE: 'Кому' }, { error: 'USER_ID_EMPTY' });
  await asAdmin.refused('im.message.add', { DIALOG_ID: 999_999, MESSAGE: 'Кому' }, { error: 'USER_NOT_FOUND' });
  await asAdmin.refused('im.message.delete', {}, { error: 'MESSAGE_ID_ERROR' });
});

test('looking for a conversation with somebody does not begin one', async () => {
  await asStranger.refused('im.dialog.messages.get', { DIALOG_ID: boris.id }, noDialog);
  assert.deepEqual((await api(stranger).get('/api/chats')).items, []);
});

test('a chat is pinned and muted for the caller only, and who writes is shown to those who look', async () => {
  const id = await asAdmin.call('im.chat.add', { TITLE: 'Стройка века', USERS: [anna.id] });
  assert.equal(await asAdmin.call('im.recent.pin', { DIALOG_ID: `chat${id}`, PIN: 'Y' }), true);
  assert.equal(await asAdmin.call('im.chat.mute', { CHAT_ID: id, MUTE: 'Y' }), true);
  const mine = (await api(admin).get(`/api/chats/${id}`)).membership;
  const hers = (await api(anna).get(`/api/chats/${id}`)).membership;
  assert.deepEqual([mine.isPinned, mine.isMuted, hers.isPinned, hers.isMuted], [true, true, false, false]);
  assert.equal((await asAdmin.call('im.recent.get'))[0].id, `chat${id}`);
  assert.deepEqual((await asAdmin.call('im.search.chat.list', { FIND: 'стройка' })).map((one: { id: number }) => one.id), [id]);
  await asAdmin.refused('im.search.chat.list', { FIND: 'с' }, { error: 'FIND_SHORT' });
  const socket = await listen(anna, `chat:${id}`);
  assert.equal(await asAdmin.call('im.dialog.writing', { DIALOG_ID: `chat${id}` }), true);
  assert.equal((await socket.next({ what: 'typing' })).id, admin.id);
});

test('a chat tied to a deal is found by it', async () => {
  const deal = await asAdmin.call('crm.deal.add', { fields: { TITLE: 'Крыша' } });
  const id = await asAdmin.call('im.chat.add', { TITLE: 'О сделке', USERS: [anna.id], ENTITY_TYPE: 'CRM', ENTITY_ID: `DEAL|${deal}` });
  assert.deepEqual(await asAdmin.call('im.chat.get', { ENTITY_TYPE: 'CRM', ENTITY_ID: `DEAL|${deal}` }), { ID: id });
  assert.equal((await api(admin).get(`/api/chats/${id}`)).itemId, deal);
  await asAdmin.refused('im.chat.add', { TITLE: 'О чём', USERS: [anna.id], ENTITY_TYPE: 'CRM', ENTITY_ID: 'DEAL|999999' }, unavailable);
});

test('people are found by id and by name', async () => {
  assert.equal((await asAnna.call('im.user.get')).id, anna.id);
  assert.equal((await asAdmin.call('im.user.get', { ID: anna.id })).name, 'Анна Белова');
  await asAdmin.refused('im.user.get', { ID: 999_999 }, { error: 'USER_NOT_EXISTS' });
  const some = await asAdmin.call('im.user.list.get', { ID: [anna.id, 999_999] });
  assert.deepEqual([some[anna.id].last_name, some[999_999]], ['Белова', null]);
  assert.deepEqual(Object.keys(await asAdmin.call('im.search.user.list', { FIND: 'белова' })), [String(anna.id)]);
});

test('a notification reaches the bell, is read and deleted by its reader alone', async () => {
  const one = await asAdmin.call('im.notify', { USER_ID: anna.id, MESSAGE: ' Лично ', TYPE: 'USER' });
  const two = await asAdmin.call('im.notify.system.add', { USER_ID: anna.id, MESSAGE: 'Система' });
  const { items } = await api(anna).get('/api/notifications');
  assert.deepEqual(items.map((row: { id: number; senderId: number | null; body: string }) => [row.id, row.senderId, row.body]), [[two, null, 'Система'], [one, admin.id, 'Лично']]);
  const got = await asAnna.call('im.notify.get');
  assert.equal(got.total_unread_count, 2);
  assert.deepEqual(got.notifications.map((row: { id: number; notify_read: string; notify_type: number }) => [row.id, row.notify_read, row.notify_type]), [[two, 'N', 4], [one, 'N', 2]]);
  assert.equal(await asAnna.call('im.notify.read', { ID: two, ONLY_CURRENT: 'Y' }), true);
  assert.equal((await asAnna.call('im.notify.get')).total_unread_count, 1);
  assert.equal(await asAnna.call('im.notify.read', { ID: two, ACTION: 'N' }), true);
  assert.deepEqual(await asAnna.call('im.notify.read.all'), { result: true, newCounter: 0 });
  await asStranger.refused('im.notify.delete', { ID: one }, { error: 'ERROR_NOT_FOUND' });
  assert.equal(await asStranger.call('im.notify.read.list', { IDS: [one], ACTION: 'N' }), true);
  assert.equal((await asAnna.call('im.notify.get')).total_unread_count, 0, 'Somebody else made nothing unread.');
  assert.equal(await asAnna.call('im.notify.delete', { ID: one }), true);
  assert.deepEqual((await api(anna).get('/api/notifications')).items.map((row: { id: number }) => row.id), [two]);
  await asAdmin.refused('im.notify', { MESSAGE: 'Кому' }, { error: 'USER_ID_EMPTY' });
  await asAdmin.refused('im.notify', { USER_ID: anna.id, MESSAGE: '' }, { error: 'MESSAGE_EMPTY' });
  await asAdmin.refused('im.notify.personal.add', { USER_ID: 999_999, MESSAGE: 'Кому' }, { error: 'USER_NOT_FOUND' });
  await asAdmin.refused('im.notify.get', { LAST_ID: 5 }, { error: 'LAST_ID_AND_LAST_TYPE' });
  await asAdmin.refused('im.notify.delete', { TAG: 'x' }, { error: 'PARAMS_ERROR' });
});

test('messages and notifications are found by a text, and all chats are read at once', async () => {
  const boris = await given.employee({ firstName: 'Борис' });
  const asBoris = await webhookOf(vestnik, boris);
  const first = await asAdmin.call('im.message.add', { DIALOG_ID: boris.id, MESSAGE: 'Договор подписан' });
  await asAdmin.call('im.message.add', { DIALOG_ID: boris.id, MESSAGE: 'Товар отправлен' });
  const chatId = await asAdmin.call('im.chat.add', { TITLE: 'Про договор', USERS: [boris.id] });
  const second = await asAdmin.call('im.message.add', { DIALOG_ID: `chat${chatId}`, MESSAGE: 'Договор у юриста' });
  const ids = ({ messages }: { messages: { id: number }[] }) => messages.map((one) => one.id);
  assert.deepEqual(ids(await asBoris.call('im.dialog.messages.search', { DIALOG_ID: admin.id, SEARCH_MESSAGE: 'договор' })), [first]);
  assert.deepEqual(ids(await asBoris.call('im.dialog.messages.search', { CHAT_ID: chatId, SEARCH_MESSAGE: 'договор' })), [second]);
  assert.deepEqual(ids(await asBoris.call('im.dialog.messages.search', { CHAT_ID: chatId, SEARCH_MESSAGE: 'договор', LAST_ID: second })), []);
  await asBoris.refused('im.dialog.messages.search', { CHAT_ID: chatId, SEARCH_MESSAGE: 'до' }, { error: 'SEARCH_MESSAGE_ERROR' });
  await asStranger.refused('im.dialog.messages.search', { CHAT_ID: chatId, SEARCH_MESSAGE: 'договор' }, { status: 403, error: 'ACCESS_ERROR' });
  assert.deepEqual((await asBoris.call('im.counters.get')).TYPE.DIALOG > 0, true);
  assert.equal(await asBoris.call('im.dialog.read.all'), true);
  assert.equal((await asBoris.call('im.recent.list', { UNREAD_ONLY: 'Y' })).items.length, 0);

  const told = await asAdmin.call('im.notify', { USER_ID: boris.id, MESSAGE: 'Счёт оплачен' });
  await asAdmin.call('im.notify', { USER_ID: boris.id, MESSAGE: 'Склад закрыт' });
  const found = await asBoris.call('im.notify.history.search', { SEARCH_TEXT: 'счёт' });
  assert.deepEqual([found.total_results, found.notifications.map((one: { id: number }) => one.id)], [1, [told]]);
  assert.equal((await asAdmin.call('im.notify.history.search', { SEARCH_TEXT: 'счёт' })).total_results, 0, 'Of others nothing is found.');
  await asBoris.refused('im.notify.history.search', { SEARCH_TEXT: 'сч' }, { error: 'SEARCH_TEXT_ERROR' });
  await asBoris.refused('im.notify.history.search', { SEARCH_TEXT: 'счёт', LAST_ID: 'x' }, { error: 'LAST_ID_STRING' });
});

test('a webhook without the scope says nothing', async () => {
  const narrow = await webhookOf(vestnik, admin, ['crm']);
  await narrow.refused('im.message.add', { DIALOG_ID: anna.id, MESSAGE: 'x' }, { status: 403, error: 'insufficient_scope' });
});
