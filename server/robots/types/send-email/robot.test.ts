import assert from 'node:assert/strict';
import { test } from 'node:test';
import { env, failedWith, ids, people, problemsOf, runRobot } from '../../../../test/support/robots.ts';
import { sendEmail } from './robot.ts';

const settings = { subject: 'Новая сделка: {=Document:title}', text: 'Клиент: {=Contact:name}, {=Contact:phone}' };

test('the letter goes to the owner, from the company', async () => {
  const { asked } = await runRobot(sendEmail, settings);
  assert.deepEqual(asked, [{
    what: 'letter', to: people.owner, sender: null, from: null, subject: 'Новая сделка: Крыша', text: 'Клиент: Иван Петров, +79001234567', fileIds: [],
  }]);
});

test('sender, name and recipients may be chosen, files attached', async () => {
  const { asked } = await runRobot(sendEmail, {
    ...settings, sender: ids.mailSender, from: { kind: 'role', role: 'owner' }, attachments: { kind: 'field', field: 'UF_FILES' },
    recipients: [{ kind: 'role', role: 'ownerHead' }, { kind: 'role', role: 'observers' }],
  });
  assert.deepEqual(asked.map(({ to, sender, from, fileIds }) => ({ to, sender, from, fileIds })), [
    { to: people.ownerHead, sender: ids.mailSender, from: people.owner, fileIds: [ids.file, 32] },
    { to: people.observer, sender: ids.mailSender, from: people.owner, fileIds: [ids.file, 32] },
  ]);
});

test('an item without an owner has nobody to write to', async () => {
  await assert.rejects(runRobot(sendEmail, settings, { item: { ownerId: null } }), failedWith('recipients.none'));
});

test('a company without a sender is told before publishing', () => {
  const without = { ...env, hasMailSender: () => false };
  assert.deepEqual(sendEmail.check(settings, without).map(({ path, code }) => `${path}: ${code}`), ['sender: mail.no_sender']);
  assert.deepEqual(sendEmail.check({ ...settings, sender: 5 }, without).map(({ path, code }) => `${path}: ${code}`), ['sender: mail.sender_unknown']);
});

test('a letter without subject or text cannot be published', () => {
  assert.deepEqual(problemsOf(sendEmail, {}), ['subject: setting.empty', 'text: setting.empty']);
});
