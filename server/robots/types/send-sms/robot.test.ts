import assert from 'node:assert/strict';
import { test } from 'node:test';
import { env, failedWith, ids, people, problemsOf, runRobot } from '../../../../test/support/robots.ts';
import { sendSms } from './robot.ts';

test('the SMS goes to the owner', async () => {
  const { asked } = await runRobot(sendSms, { text: 'Оплачено: {=Document:title}', provider: ids.smsProvider });
  assert.deepEqual(asked, [{ what: 'sms', to: people.owner, provider: ids.smsProvider, text: 'Оплачено: Крыша', maxLength: 200 }]);
});

test('200 characters are counted after the values are filled in; what is beyond is cut with a note', async () => {
  const settings = { text: '{=Document:title}', provider: ids.smsProvider };
  assert.deepEqual(problemsOf(sendSms, settings), []);
  const fits = await runRobot(sendSms, settings, { item: { title: 'я'.repeat(200) } });
  assert.equal(fits.asked[0]?.text, 'я'.repeat(200));
  assert.deepEqual(fits.notes, []);
  const long = await runRobot(sendSms, settings, { item: { title: 'я'.repeat(201) } });
  assert.equal(long.asked[0]?.text, `${'я'.repeat(199)}…`);
  assert.deepEqual(long.notes, [{ code: 'text_cut', params: { max: 200, length: 201 } }]);
});

test('a text that is too long without any values cannot be published', () => {
  assert.deepEqual(problemsOf(sendSms, { text: 'я'.repeat(201), provider: ids.smsProvider }), ['text: setting.too_long']);
  assert.deepEqual(problemsOf(sendSms, { text: 'я'.repeat(200), provider: ids.smsProvider }), []);
});

test('without a provider it says to connect one first', () => {
  const problems = sendSms.check({ text: 'Оплачено' }, { ...env, hasSmsProvider: () => false });
  assert.deepEqual(problems.map(({ path, code }) => `${path}: ${code}`), ['provider: sms.no_provider']);
});

test('nobody to send to is a failed run', async () => {
  await assert.rejects(runRobot(sendSms, { text: 'Оплачено', provider: ids.smsProvider }, { item: { ownerId: people.dismissed } }), failedWith('recipients.none'));
});
