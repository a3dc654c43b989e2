import assert from 'node:assert/strict';
import { test } from 'node:test';
import { departments, failedWith, people, problemsOf, runRobot } from '../../../../test/support/robots.ts';
import { notify } from './robot.ts';

test('each person of the department gets one notification, in their language', async () => {
  const { asked, results, notes } = await runRobot(notify, {
    text: 'Новая заявка: {=Document:title}, {=Document:amount}',
    sender: { kind: 'role', role: 'ownerHead' },
    recipients: [{ kind: 'department', id: departments.sales }, { kind: 'employee', id: people.owner }],
  });
  assert.deepEqual(asked, [
    { what: 'notification', to: people.owner, from: people.ownerHead, text: 'Новая заявка: Крыша, 1\u00a0200\u00a0000\u00a0₽' },
    { what: 'notification', to: people.ownerHead, from: people.ownerHead, text: 'Новая заявка: Крыша, 1\u00a0200\u00a0000\u00a0₽' },
    { what: 'notification', to: people.english, from: people.ownerHead, text: 'Новая заявка: Крыша, RUB\u00a01,200,000' },
  ]);
  assert.deepEqual(results, {});
  assert.deepEqual(notes, []);
});

test('without a sender the system speaks', async () => {
  const { asked } = await runRobot(notify, { text: 'Крыша', recipients: [{ kind: 'role', role: 'owner' }] });
  assert.deepEqual(asked, [{ what: 'notification', to: people.owner, from: null, text: 'Крыша' }]);
});

test('square brackets of a value are read as they were typed', async () => {
  const { asked } = await runRobot(
    notify, { text: '[b]{=Document:title}[/b]', recipients: [{ kind: 'role', role: 'owner' }] }, { item: { title: '[url=x]Крыша' } });
  assert.equal(asked[0]?.text, '[b]\\[url=x\\]Крыша[/b]');
});

test('nobody to notify is a failed run, never somebody else', async () => {
  for (const recipients of [[], [{ kind: 'employee', id: people.dismissed }], [{ kind: 'department', id: departments.empty }], [{ kind: 'employee', id: 999 }]]) {
    await assert.rejects(runRobot(notify, { text: 'Крыша', recipients }), failedWith('recipients.none'));
  }
});

test('a chosen sender who has left is a failed run, never the system', async () => {
  await assert.rejects(
    runRobot(notify, { text: 'Крыша', sender: { kind: 'employee', id: people.dismissed }, recipients: [{ kind: 'role', role: 'owner' }] }),
    failedWith('sender.none'));
});

test('a text that comes out empty is a failed run', async () => {
  await assert.rejects(
    runRobot(notify, { text: '{=Document:beginsOn}', recipients: [{ kind: 'role', role: 'owner' }] }), failedWith('robot.text_empty'));
});

test('what is wrong in its settings is said before it is published', () => {
  assert.deepEqual(problemsOf(notify, {}), ['text: setting.empty', 'recipients: setting.nobody']);
  assert.deepEqual(
    problemsOf(notify, { text: '{=Document:UF_GONE}', sender: { kind: 'employee', id: people.dismissed }, recipients: [{ kind: 'department', id: 99 }] }),
    ['text: field_unknown', 'sender: recipients.dismissed', 'recipients.0: recipients.unknown_department']);
});
