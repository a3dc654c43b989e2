import assert from 'node:assert/strict';
import { test } from 'node:test';
import { failedWith, people, problemsOf, runRobot } from '../../../../test/support/robots.ts';
import { createGroupChat } from './robot.ts';

const lawyer = { kind: 'employee', id: people.lawyer };

test('the chat of lawyer, manager and head belongs to the manager; its id is left for other robots', async () => {
  const { asked, results } = await runRobot(createGroupChat, {
    title: 'Договор: {=Document:title}', members: [lawyer, { kind: 'role', role: 'owner' }, { kind: 'role', role: 'ownerHead' }],
  });
  assert.deepEqual(asked, [
    { what: 'group chat', title: 'Договор: Крыша', members: [people.lawyer, people.owner, people.ownerHead], owner: people.owner },
  ]);
  assert.deepEqual(results, { chatId: 501 });
});

test('the owner of the chat is one of the two people it needs', async () => {
  const { asked } = await runRobot(createGroupChat, { title: 'Договор', members: [lawyer] });
  assert.deepEqual(asked[0]?.members, [people.lawyer]);
});

test('fewer than two distinct people is a failed run', async () => {
  await assert.rejects(
    runRobot(createGroupChat, { title: 'Договор', members: [{ kind: 'role', role: 'owner' }, { kind: 'employee', id: people.dismissed }] }),
    failedWith('recipients.too_few', { min: 2, found: 1 }));
});

test('another owner may be chosen', async () => {
  const { asked } = await runRobot(createGroupChat, { title: 'Договор', members: [{ kind: 'role', role: 'owner' }], owner: lawyer });
  assert.equal(asked[0]?.owner, people.lawyer);
});

test('an item without an owner needs a chosen owner of the chat', async () => {
  const settings = { title: 'Договор', members: [lawyer, { kind: 'employee', id: people.director }] };
  await assert.rejects(runRobot(createGroupChat, settings, { item: { ownerId: null } }), failedWith('sender.none'));
  const { asked } = await runRobot(createGroupChat, { ...settings, owner: lawyer }, { item: { ownerId: null } });
  assert.equal(asked.length, 1);
});

test('a chat without a name cannot be published', () => {
  assert.deepEqual(problemsOf(createGroupChat, { members: [lawyer] }), ['title: setting.empty']);
  assert.deepEqual(problemsOf(createGroupChat, { title: 'я'.repeat(256), members: [lawyer] }), ['title: setting.too_long']);
});
