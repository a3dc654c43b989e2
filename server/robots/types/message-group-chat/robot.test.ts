import assert from 'node:assert/strict';
import { test } from 'node:test';
import { failedWith, ids, people, problemsOf, runRobot } from '../../../../test/support/robots.ts';
import { RobotFailure } from '../../robot.ts';
import { messageGroupChat } from './robot.ts';

const settings = { chat: '{=Document:UF_CHAT}', text: 'Оплачено: {=Document:title}' };

test('the message is written by the owner, plainly', async () => {
  const { asked } = await runRobot(messageGroupChat, settings);
  assert.deepEqual(asked, [{ what: 'group message', chatId: ids.chat, author: people.owner, kind: 'plain', heading: null, text: 'Оплачено: Крыша' }]);
});

test('only announcements and important messages have a heading', async () => {
  for (const [kind, heading] of [['plain', null], ['announcement', 'Крыша!'], ['notice', null], ['important', 'Крыша!'], ['alarm', null]]) {
    const { asked } = await runRobot(messageGroupChat, { ...settings, sender: { kind: 'employee', id: people.lawyer }, kind, heading: '{=Document:title}!' });
    assert.deepEqual(asked, [{ what: 'group message', chatId: ids.chat, author: people.lawyer, kind, heading, text: 'Оплачено: Крыша' }]);
  }
});

test('the panel shows the heading only where there is one', () => {
  assert.deepEqual(messageGroupChat.form.find(({ name }) => name === 'heading')?.shownWhen, { setting: 'kind', isOneOf: ['announcement', 'important'] });
});

test('a chat that is gone or is no closed group is a failed run', async () => {
  for (const code of ['chat.gone', 'chat.not_closed_group']) {
    await assert.rejects(runRobot(messageGroupChat, settings, { chatFailure: new RobotFailure(code, { id: ids.chat }) }), failedWith(code));
  }
});

test('an unknown kind of message cannot be saved', () => {
  assert.deepEqual(problemsOf(messageGroupChat, { ...settings, kind: 'whisper' }), ['kind: setting.invalid']);
});
