import assert from 'node:assert/strict';
import { test } from 'node:test';
import { departments, failedWith, ids, people, problemsOf, runRobot } from '../../../../test/support/robots.ts';
import { RobotFailure } from '../../robot.ts';
import { addChatMembers } from './robot.ts';

const members = [{ kind: 'departmentHead', id: departments.legal }];

test('the head of the legal department is added, without the history unless asked for', async () => {
  const { asked } = await runRobot(addChatMembers, { chat: ids.chat, members });
  assert.deepEqual(asked, [{ what: 'members', chatId: ids.chat, members: [people.lawyer], showHistory: false }]);
  const withHistory = await runRobot(addChatMembers, { chat: ids.chat, members, showHistory: true });
  assert.equal(withHistory.asked[0]?.showHistory, true);
});

test('the chat may be the result of another robot, or an id written into a field of type «Строка»', async () => {
  for (const chat of [`{=A${ids.chatRobot}:chatId}`, '{=Document:UF_CHAT}', ` {=Document:UF_CHAT} `, String(ids.chat)]) {
    assert.deepEqual(problemsOf(addChatMembers, { chat, members }), []);
    const { asked } = await runRobot(addChatMembers, { chat, members });
    assert.equal(asked[0]?.chatId, ids.chat, chat);
  }
});

test('an empty field, or one that holds no id, is a failed run', async () => {
  const settings = { chat: '{=Document:UF_CHAT}', members };
  await assert.rejects(runRobot(addChatMembers, settings, { item: { UF_CHAT: null } }), failedWith('chat.none'));
  await assert.rejects(runRobot(addChatMembers, settings, { item: { UF_CHAT: 'чат юристов' } }), failedWith('chat.not_an_id', { value: 'чат юристов' }));
  await assert.rejects(runRobot(addChatMembers, settings, { item: { UF_CHAT: '-5' } }), failedWith('chat.not_an_id', { value: '-5' }));
});

test('a chat that no robot made is refused', async () => {
  const chatFailure = new RobotFailure('chat.not_by_robot', { title: 'Обед', id: ids.chat });
  await assert.rejects(runRobot(addChatMembers, { chat: ids.chat, members }, { chatFailure }), failedWith('chat.not_by_robot'));
});

test('a chat must be chosen, and be one of the company', () => {
  assert.deepEqual(problemsOf(addChatMembers, { members }), ['chat: setting.empty']);
  assert.deepEqual(problemsOf(addChatMembers, { chat: 999, members }), ['chat: chat.unknown']);
  assert.deepEqual(problemsOf(addChatMembers, { chat: '{=A999:chatId}', members }), ['chat: robot_unknown']);
});
