import assert from 'node:assert/strict';
import { test } from 'node:test';
import { failedWith, people, problemsOf, runRobot } from '../../../../test/support/robots.ts';
import { comment } from './robot.ts';

test('the comment is written by the owner', async () => {
  const { asked } = await runRobot(comment, { text: 'Оплата до {=Document:closesOn}. Счёт: {=Document:link}' });
  assert.deepEqual(asked, [{ what: 'comment', author: people.owner, text: 'Оплата до 01.12.2026. Счёт: https://vestnik.test/items/12' }]);
});

test('another author may be chosen', async () => {
  const { asked } = await runRobot(comment, { text: 'Проверено', author: { kind: 'field', field: 'UF_LAWYER' } });
  assert.deepEqual(asked, [{ what: 'comment', author: people.lawyer, text: 'Проверено' }]);
});

test('of a department the employee with the smallest id writes', async () => {
  const { asked } = await runRobot(comment, { text: 'Проверено', author: { kind: 'department', id: 2 } });
  assert.equal(asked[0]?.author, people.owner);
});

test('an item without an owner has nobody to write', async () => {
  await assert.rejects(runRobot(comment, { text: 'Проверено' }, { item: { ownerId: null } }), failedWith('sender.none'));
});

test('an empty comment cannot be published, nor written', async () => {
  assert.deepEqual(problemsOf(comment, { text: '  ' }), ['text: setting.empty']);
  await assert.rejects(runRobot(comment, { text: '{=Document:beginsOn} ' }), failedWith('robot.text_empty'));
});
