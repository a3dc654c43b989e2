/** Scenario J with every kind of SMS provider: a real submission over a real socket, from the robot to the provider's own gateway. */
import assert from 'node:assert/strict';
import { after, test } from 'node:test';
import { smsProviderTypes } from '../../server/messaging/sms/catalog.ts';
import { startExolveGateway } from '../../server/messaging/sms/providers/exolve/gateway.ts';
import { startSmsc } from '../../server/messaging/sms/providers/smpp/gateway.ts';
import { startSmsAeroGateway } from '../../server/messaging/sms/providers/sms-aero/gateway.ts';
import { startSmsRuGateway } from '../../server/messaging/sms/providers/sms-ru/gateway.ts';
import { startSmscGateway } from '../../server/messaging/sms/providers/smsc/gateway.ts';
import { startTwilioGateway } from '../../server/messaging/sms/providers/twilio/gateway.ts';
import { startVonageGateway } from '../../server/messaging/sms/providers/vonage/gateway.ts';
import { startSmsGateway } from '../../tools/receivers.ts';
import { startTestVestnik } from '../support/vestnik.ts';

const vestnik = await startTestVestnik();
const { api, admin, given, moved, drain } = vestnik;
const [smsRu, smsc, aero, exolve, twilio, vonage, http, smpp] = await Promise.all([
  startSmsRuGateway(), startSmscGateway(), startSmsAeroGateway(), startExolveGateway(), startTwilioGateway(), startVonageGateway(), startSmsGateway(), startSmsc({ password: 'tQ7xw9' }),
]);
after(() => Promise.all([smsRu.close(), smsc.close(), aero.close(), exolve.close(), twilio.close(), vonage.close(), http.stop(), smpp.close()]));

const anna = await given.employee({ firstName: 'Анна', lastName: 'Волкова', mobilePhone: '8 900 555-01-04' });

const at = (gateway: { url: string }) => ({ url: gateway.url, allowPrivateHost: true });
const joined = (parts: readonly { text: string }[]) => parts.map((part) => part.text).join('');

/** How each kind is set up, and what its gateway got in the end. */
const kinds: Record<string, { settings: Record<string, unknown>; secrets?: Record<string, string>; received(): string }> = {
  'sms-ru': { settings: { ...at(smsRu), sender: 'Romashka' }, secrets: { apiId: smsRu.apiId }, received: () => joined([...smsRu.messages.values()]) },
  smsc: { settings: { ...at(smsc), login: smsc.login, sender: 'Romashka' }, secrets: { password: smsc.password }, received: () => smsc.requests.map(({ form, query }) => form.get('mes') ?? query.get('mes') ?? '').join('') },
  'sms-aero': { settings: { ...at(aero), email: aero.email, sender: 'SMS Aero' }, secrets: { apiKey: aero.apiKey }, received: () => joined([...aero.messages.values()]) },
  exolve: { settings: { ...at(exolve), sender: '+79991112233' }, secrets: { apiKey: exolve.apiKey }, received: () => joined([...exolve.messages.values()]) },
  twilio: { settings: { ...at(twilio), accountSid: twilio.accountSid, from: '+15017122661' }, secrets: { authToken: twilio.authToken }, received: () => twilio.requests.map(({ form }) => form.get('Body') ?? '').join('') },
  vonage: { settings: { ...at(vonage), apiKey: vonage.apiKey, from: 'Romashka' }, secrets: { apiSecret: vonage.apiSecret }, received: () => vonage.requests.map(({ form }) => form.get('text') ?? '').join('') },
  http: { settings: { ...at(http), format: 'json', body: '{"to":"{phone}","text":"{text}"}', messageIdPath: 'id' }, received: () => http.submissions.all.map(({ body }) => String(JSON.parse(body).text)).join('') },
  smpp: { settings: { host: '127.0.0.1', port: smpp.port, systemId: 'vestnik', allowPrivateHost: true }, secrets: { password: 'tQ7xw9' }, received: () => joined(smpp.submitted) },
};

test('every kind of provider in the catalogue is tried here', () => {
  assert.deepEqual(Object.keys(kinds).sort(), smsProviderTypes.map((type) => type.id).sort());
});

for (const [type, { settings, secrets, received }] of Object.entries(kinds)) {
  test(`${type}: a paid invoice is told to the manager by SMS, once, in Russian`, async () => {
    const provider = await api(admin).post('/api/sms/providers', { type, name: type, settings, ...(secrets ? { secrets } : {}) });
    assert.equal(JSON.stringify(provider).includes(Object.values(secrets ?? { none: 'nothing' })[0] ?? ''), false, 'a secret came back');
    const pipeline = await given.pipeline({ stages: ['Начало', 'Оплата счета'] });
    await given.robot(pipeline.stage('Оплата счета'), 'send-sms', { provider: provider.id, text: 'Счёт оплачен: {=Document:title}, {=Document:amount}' });
    const item = await given.item({ pipelineId: pipeline.id, stageId: pipeline.stage('Начало').id, ownerId: anna.id, title: 'Шкаф', amount: 120_000 });
    await moved(item, pipeline.stage('Оплата счета'));
    await drain();
    const [delivery] = (await api(admin).get('/api/deliveries', { itemId: item.id })).items;
    assert.equal(delivery.address, '+79005550104');
    assert.ok(['accepted', 'delivered'].includes(delivery.state), `${delivery.state}: ${JSON.stringify(delivery.error)}`);
    assert.equal(received(), 'Счёт оплачен: Шкаф, 120\u00a0000\u00a0₽');
    await drain();
    assert.equal(received(), 'Счёт оплачен: Шкаф, 120\u00a0000\u00a0₽', 'it was sent twice');
  });
}
