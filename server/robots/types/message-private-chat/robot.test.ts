import assert from 'node:assert/strict';
import { test } from 'node:test';
import { failedWith, people, problemsOf, runRobot } from '../../../../test/support/robots.ts';
import { messagePrivateChat } from './robot.ts';

const settings = { recipients: [{ kind: 'role', role: 'ownerHead' }], text: 'Проверьте договор «{=Document:title}»' };

test('the owner writes to the head', async () => {
  const { asked } = await runRobot(messagePrivateChat, settings);
  assert.deepEqual(asked, [
    { what: 'private message', to: people.ownerHead, author: people.owner, kind: 'plain', heading: null, text: 'Проверьте договор «Крыша»' },
  ]);
});

test('each of several recipients gets a message of their own, in their language', async () => {
  const { asked } = await runRobot(messagePrivateChat, {
    sender: { kind: 'employee', id: people.director }, kind: 'important', heading: '{=Document:amount}',
    recipients: [{ kind: 'employee', id: people.english }, { kind: 'field', field: 'UF_LAWYER' }], text: '{=Document:closesOn}',
  });
  assert.deepEqual(asked, [
    { what: 'private message', to: people.english, author: people.director, kind: 'important', heading: 'RUB\u00a01,200,000', text: 'Dec 1, 2026' },
    { what: 'private message', to: people.lawyer, author: people.director, kind: 'important', heading: '1\u00a0200\u00a0000\u00a0₽', text: '01.12.2026' },
  ]);
});

test('a message needs somebody who writes it and somebody who reads it', async () => {
  await assert.rejects(runRobot(messagePrivateChat, settings, { item: { ownerId: null, observerIds: [] } }), failedWith('sender.none'));
  await assert.rejects(
    runRobot(messagePrivateChat, { ...settings, recipients: [{ kind: 'role', role: 'observers' }] }, { item: { observerIds: [] } }),
    failedWith('recipients.none'));
});

test('a recipient who left is said before publishing', () => {
  assert.deepEqual(
    problemsOf(messagePrivateChat, { ...settings, recipients: [{ kind: 'employee', id: people.dismissed }] }), ['recipients.0: recipients.dismissed']);
});
