/** An application as an SMS provider: registered over REST, chosen by people, called at a real server, reporting over REST. */
import assert from 'node:assert/strict';
import { beforeEach, test } from 'node:test';
import { startHandler } from '../support/handler.ts';
import { appOf, webhookOf } from '../support/rest.ts';
import { startTestVestnik } from '../support/vestnik.ts';

const vestnik = await startTestVestnik({ allowedPrivateHosts: ['127.0.0.1'] });
const { api, admin, given, moved, drain } = vestnik;
const app = await appOf(vestnik, { name: 'СМС-шлюз' });
const hook = await webhookOf(vestnik, admin);
const handler = await startHandler();
const anna = await given.employee({ firstName: 'Анна', mobilePhone: '+79161234567' });
const pipeline = await given.pipeline({ stages: ['Новая', 'Оплачено'] });
await app.call('messageservice.sender.add', { CODE: 'gate', TYPE: 'SMS', HANDLER: handler.url, NAME: { ru: 'Шлюз приложения', en: 'Gate' } });
await given.robot(pipeline.stage('Оплачено'), 'send-sms', { text: 'Оплачена {=Document:title}', recipients: [{ kind: 'employee', id: anna.id }] });

beforeEach(() => {
  handler.status = 200;
  handler.take();
});

async function sent(): Promise<{ item: { id: number }; delivery: () => Promise<{ state: string; error: { code: string } | null }> }> {
  const item = await given.item({ pipelineId: pipeline.id, stageId: pipeline.stage('Новая').id, title: 'Крыша' });
  await moved(item, pipeline.stage('Оплачено'));
  await drain();
  return { item, delivery: async () => (await api(admin).get('/api/deliveries', { itemId: item.id })).items[0] };
}

test('the provider of an application is there to choose, and a robot sends through it, as documented', async () => {
  const choices = await api(admin).get('/api/sms/provider-choices');
  assert.ok(JSON.stringify(choices).includes('Шлюз приложения'));
  const { item, delivery } = await sent();
  const [form] = handler.take();
  assert.deepEqual([form.module_id, form.type, form.code, form.message_to, form.message_body], ['crm', 'SMS', 'gate', '+79161234567', 'Оплачена Крыша']);
  assert.deepEqual({ ...form.properties }, { phone_number: '+79161234567', message_text: 'Оплачена Крыша' });
  assert.deepEqual(form.bindings.map((binding: object) => ({ ...binding })), [{ OWNER_TYPE_ID: '2', OWNER_ID: String(item.id) }]);
  assert.equal(form.auth.application_token, app.made.applicationToken);
  assert.equal((await delivery()).state, 'accepted');

  assert.equal(await app.call('messageservice.message.status.update', { CODE: 'gate', MESSAGE_ID: form.message_id, STATUS: 'delivered' }), true);
  await drain();
  assert.equal((await delivery()).state, 'delivered');
});

test('undelivered is a failure that is shown; a message that is not the application\'s is not found', async () => {
  const { delivery } = await sent();
  const [form] = handler.take();
  await app.call('messageservice.message.status.update', { CODE: 'gate', MESSAGE_ID: form.message_id, STATUS: 'undelivered' });
  await drain();
  assert.deepEqual([(await delivery()).state, (await delivery()).error?.code], ['failed', 'sms.not_delivered']);
  await app.refused('messageservice.message.status.update', { CODE: 'gate', MESSAGE_ID: '999999', STATUS: 'sent' }, { error: 'ERROR_MESSAGE_NOT_FOUND', error_description: 'Message not found!' });
  await app.refused('messageservice.message.status.update', { CODE: 'gate', MESSAGE_ID: form.message_id, STATUS: 'eaten' }, { error: 'ERROR_MESSAGE_STATUS_INCORRECT' });
  const other = await appOf(vestnik, { name: 'Чужое' });
  await other.refused('messageservice.message.status.update', { CODE: 'gate', MESSAGE_ID: form.message_id, STATUS: 'sent' }, { error: 'ERROR_MESSAGE_NOT_FOUND' });
});

test('a handler that answers 500 may have sent it: a person decides, nothing is sent twice', async () => {
  handler.status = 500;
  const { delivery } = await sent();
  await drain();
  assert.equal((await delivery()).state, 'unknown');
  assert.equal(handler.take().length, 1);
});

test('senders are listed, changed, removed, and refused as documented', async () => {
  assert.deepEqual(await app.call('messageservice.sender.list'), ['gate']);
  const good = { CODE: 'other', TYPE: 'SMS', HANDLER: handler.url, NAME: 'Другой' };
  await app.refused('messageservice.sender.add', { ...good, CODE: 'gate' }, { error: 'ERROR_SENDER_ALREADY_INSTALLED' });
  await app.refused('messageservice.sender.add', { ...good, CODE: '' }, { error: 'ERROR_SENDER_VALIDATION_FAILURE', error_description: 'Empty sender code!' });
  await app.refused('messageservice.sender.add', { ...good, TYPE: '' }, { error: 'ERROR_SENDER_VALIDATION_FAILURE', error_description: 'Empty sender message TYPE!' });
  await app.refused('messageservice.sender.add', { ...good, TYPE: 'PIGEON' }, { error: 'ERROR_SENDER_VALIDATION_FAILURE', error_description: 'Unknown sender message TYPE!' });
  await app.refused('messageservice.sender.add', { ...good, NAME: '' }, { error: 'ERROR_SENDER_VALIDATION_FAILURE', error_description: 'Empty sender NAME!' });
  await app.refused('messageservice.sender.add', { ...good, HANDLER: 'http://10.1.1.1/' }, { error: 'ERROR_WRONG_HANDLER_URL' });
  await hook.refused('messageservice.sender.add', good, { status: 403, error: 'ACCESS_DENIED', error_description: 'Application context required' });
  await app.call('messageservice.sender.add', good);
  await app.refused('messageservice.sender.update', { CODE: 'other' }, { error: 'ERROR_SENDER_OTHER_PARAMS_REQUIRED' });
  await app.refused('messageservice.sender.update', { CODE: 'none', NAME: 'x' }, { error: 'ERROR_SENDER_NOT_FOUND' });
  await app.call('messageservice.sender.update', { CODE: 'other', NAME: 'Переименован' });
  assert.ok(JSON.stringify(await api(admin).get('/api/sms/providers')).includes('Переименован'));
  await app.call('messageservice.sender.delete', { CODE: 'other' });
  assert.deepEqual(await app.call('messageservice.sender.list'), ['gate']);
});

test('with its application a provider goes, too', async () => {
  const gone = await appOf(vestnik, { name: 'Уйдёт' });
  await gone.call('messageservice.sender.add', { CODE: 'gone', TYPE: 'SMS', HANDLER: handler.url, NAME: 'Уйдёт' });
  await api(admin).del(`/api/rest/apps/${gone.made.id}`);
  assert.ok(!JSON.stringify(await api(admin).get('/api/sms/provider-choices')).includes('Уйдёт'));
});
