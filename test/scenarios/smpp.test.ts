/** J over SMPP: from the robot to an SMSC on a socket, and back as a receipt. */
import assert from 'node:assert/strict';
import { after, test } from 'node:test';
import { receiptText, type Smsc, startSmsc } from '../../server/messaging/sms/providers/smpp/gateway.ts';
import { startTestVestnik } from '../support/vestnik.ts';

const vestnik = await startTestVestnik();
const { api, admin, given, moved, drain } = vestnik;
let answer: (() => number | null) | null = null;
const smsc: Smsc = await startSmsc({ password: 'secret', answer: () => answer?.() ?? 0 });
after(() => smsc.close());
const anna = await given.employee({ firstName: 'Анна', lastName: 'Волкова', mobilePhone: '8 900 555-01-04' });
const pipeline = await given.pipeline({ stages: ['Начало', 'Оплачено'] });
const stage = pipeline.stage('Оплачено');

const provider = {
  type: 'smpp', name: 'Оператор', isDefault: true, secrets: { password: 'secret' },
  settings: { host: '127.0.0.1', port: smsc.port, systemId: 'vestnik', sender: 'Romashka', allowPrivateHost: true },
};

async function arrive(title: string) {
  const item = await given.item({ pipelineId: pipeline.id, stageId: pipeline.stage('Начало').id, ownerId: anna.id, title });
  await moved(item, stage);
  await drain();
  return async () => (await api(admin).get('/api/deliveries', { itemId: item.id })).items[0];
}

test('settings are checked, and an internal network needs an administrator’s word', async () => {
  await assert.rejects(api(admin).post('/api/sms/providers', { ...provider, settings: { ...provider.settings, allowPrivateHost: false } }), { status: 400, code: 'sms.private_host' });
  await assert.rejects(api(admin).post('/api/sms/providers', { ...provider, settings: { ...provider.settings, systemId: '' } }), { status: 400, code: 'sms.settings_invalid' });
  await assert.rejects(api(admin).post('/api/sms/providers', { ...provider, secrets: {} }), { status: 400, code: 'sms.secret_missing' });
  await api(admin).post('/api/sms/providers', provider);
});

test('a long Cyrillic SMS of a robot arrives whole, and its receipts make it delivered', async () => {
  await given.robot(stage, 'send-sms', { text: 'Клиент оплатил счёт по сделке «{=Document:title}», отправляйте товар. Ответственный ждёт звонка от склада до конца дня.' });
  const delivery = await arrive('Столы 😀');
  const text = [...smsc.submitted].sort((a, b) => a.part![2] - b.part![2]).map((part) => part.text).join('');
  assert.match(text, /^Клиент оплатил счёт по сделке «Столы 😀», .* до конца дня\.$/);
  assert.deepEqual([smsc.submitted[0]?.phone, smsc.submitted[0]?.pdu.source_addr], ['79005550104', 'Romashka']);
  assert.equal((await delivery()).state, 'accepted');
  const parts = smsc.submitted.length;
  assert.ok(parts > 1);
  smsc.submitted.forEach(({ id }, index) => {
    if (index === 0) smsc.deliver(receiptText(id, 'DELIVRD'));
    smsc.deliver(receiptText(id, 'DELIVRD'));
  });
  for (let left = 6000; smsc.acknowledged.length < parts + 1 && left > 0; left--) await new Promise((resolve) => setTimeout(resolve, 10));
  await drain();
  assert.equal((await delivery()).state, 'delivered');
});

test('an SMS whose answer is lost is unknown, says so in words, and is not sent again', async () => {
  answer = () => {
    setImmediate(() => smsc.cut());
    return null;
  };
  const before = smsc.submitted.length;
  const delivery = await arrive('Стулья');
  const { state, error } = await delivery();
  assert.deepEqual([state, error.code], ['unknown', 'sms.answer_lost']);
  answer = null;
  await drain();
  assert.equal(smsc.submitted.length, before + 1);
});

test('a number the SMSC refuses is a failure that says which', async () => {
  answer = () => 0x0b;
  // The link comes back by itself after the cut.
  for (let left = 6000; smsc.sessions.size === 0 && left > 0; left--) await new Promise((resolve) => setTimeout(resolve, 10));
  const delivery = await arrive('Шкафы');
  const { state, error } = await delivery();
  assert.deepEqual([state, error.code], ['failed', 'sms.number_refused']);
  assert.match(error.message, /Провайдер «Оператор» не отправляет на \+79005550104: ESME_RINVDSTADR/);
});
