import assert from 'node:assert/strict';
import { createHmac } from 'node:crypto';
import { after, test } from 'node:test';
import { callbackUrl, testNow, tryProvider } from '../try-provider.ts';
import { startTwilioGateway } from './gateway.ts';
import { twilio, twilioVerdicts } from './provider.ts';

const gateway = await startTwilioGateway();
after(() => gateway.close());
const settings = { url: gateway.url, allowPrivateHost: true, accountSid: gateway.accountSid, from: '+15017122661' };
const open = async (given: object = {}, { authToken = gateway.authToken, callbackUrl: address = callbackUrl } = {}) => {
  const provider = await tryProvider(twilio, { ...settings, ...given }, { authToken }, { callbackUrl: address });
  after(() => provider.end());
  return provider;
};
const provider = await open();
const sid = (n: number) => `SM${String(n).padStart(32, '0')}`;

test('a message goes out as the documentation says, with the address for its reports', async () => {
  assert.deepEqual(await provider.message('Счёт №5 & 100 % 😀'), { outcome: 'accepted', providerMessageId: sid(1), parts: 1 });
  const { to, from, body, statusCallback } = gateway.messages.get(sid(1))!;
  assert.deepEqual([to, from, body, statusCallback], ['+79161234567', '+15017122661', 'Счёт №5 & 100 % 😀', callbackUrl]);
  const service = await open({ from: '', messagingServiceSid: `MG${'a'.repeat(32)}` }, { callbackUrl: 'http://localhost:3000/api/sms/callbacks/7/x' });
  assert.equal((await service.message()).outcome, 'accepted');
  const second = gateway.messages.get(sid(2))!;
  assert.deepEqual([second.from, second.messaging_service_sid, second.statusCallback], [null, `MG${'a'.repeat(32)}`, null], 'an address Twilio cannot reach is not given');
  assert.deepEqual(await (await open({ from: '' })).check(), { field: 'from', problem: 'missing' });
});

test('every documented refusal has its class, and a limit says when to come back', async () => {
  for (const [code, { outcome, code: problem, waitMs }] of Object.entries(twilioVerdicts)) {
    gateway.refused.set('+79161234567', { status: 400, code: Number(code) });
    const told = await provider.message();
    assert.deepEqual([told.outcome, 'code' in told && told.code, 'reason' in told && told.reason], [outcome, problem, code]);
    assert.deepEqual('retryAt' in told ? told.retryAt : undefined, waitMs === undefined ? undefined : new Date(testNow.getTime() + waitMs), code);
  }
  gateway.refused.set('+79161234567', { status: 400, code: 29999 });
  assert.deepEqual(await provider.message(), { outcome: 'permanent', code: 'sms.rejected', detail: '29999 Refusal 29999' });
  gateway.refused.clear();
  const told = await (await open({}, { authToken: 'wrong' })).message();
  assert.deepEqual([told.outcome, 'code' in told && told.code], ['permanent', 'sms.sign_in_refused']);
});

test('throttling waits as long as it is told to', async () => {
  gateway.replyNext({ status: 429, headers: { 'retry-after': '7' }, body: { code: 20429, message: 'Too Many Requests', status: 429 } });
  const told = await provider.message();
  assert.deepEqual([told.outcome, 'retryAt' in told && told.retryAt], ['transient', new Date(testNow.getTime() + 7000)]);
});

test('an answer that is lost, cut or a page is unknown, and the message is found by number, text and time', async () => {
  for (const [trouble, code] of [['silence', 'sms.answer_lost'], ['cut', 'sms.answer_lost'], ['html', 'sms.answer_unclear'], ['broken', 'sms.answer_unclear']] as const) {
    gateway.messages.clear();
    gateway.spoilNext(trouble);
    const told = await provider.message();
    assert.deepEqual([told.outcome, 'code' in told && told.code], ['unknown', code], trouble);
    assert.deepEqual(await provider.ask({}), { state: 'accepted', providerMessageId: sid(1) });
  }
  assert.equal(gateway.requests.at(-1)?.query.get('DateSent>'), '2026-03-02');
  gateway.messages.get(sid(1))!.body = 'Sent from your Twilio trial account - Счёт оплачен';
  assert.deepEqual(await provider.ask({}), { state: 'accepted', providerMessageId: sid(1) });
  assert.deepEqual(await provider.ask({ text: 'Другой текст' }), { state: 'unknown' });
  await provider.message();
  assert.deepEqual(await provider.ask({}), { state: 'unknown' }, 'of two alike nobody knows which it was');
  gateway.messages.delete(sid(2));
  gateway.messages.get(sid(1))!.date_created = '2026-03-02T08:00:00Z';
  assert.deepEqual(await provider.ask({}), { state: 'unknown' }, 'an older one');
  gateway.replyNext({ status: 201, body: {} });
  assert.equal((await provider.message()).outcome, 'unknown');
  assert.equal((await (await open({ url: 'http://127.0.0.1:1' })).message()).outcome, 'transient');
});

test('it can be asked what became of messages', async () => {
  gateway.messages.clear();
  await provider.message();
  const message = gateway.messages.get(sid(1))!;
  const states = [['queued', 'accepted'], ['sending', 'accepted'], ['sent', 'accepted'], ['accepted', 'accepted'], ['scheduled', 'accepted'], ['delivered', 'delivered'], ['read', 'delivered'], ['undelivered', 'failed'], ['failed', 'failed'], ['canceled', 'failed'], ['strange', 'unknown']] as const;
  for (const [status, state] of states) {
    message.status = status;
    assert.equal((await provider.ask({ providerMessageId: sid(1) }) as { state: string }).state, state, status);
  }
  Object.assign(message, { status: 'undelivered', error_code: 30005, error_message: 'Unknown destination handset' });
  assert.deepEqual(await provider.ask({ providerMessageId: sid(1) }), { state: 'failed', code: 'sms.number_refused', reason: '30005', detail: 'undelivered 30005 Unknown destination handset' });
  assert.equal(await provider.ask({ providerMessageId: sid(99) }), undefined);
});

test('callbacks are read when their signature is right, twice the same, and refused when it is wrong or missing', async () => {
  gateway.messages.get(sid(1))!.status = 'delivered';
  const request = gateway.callback(sid(1), callbackUrl);
  const read = provider.callback(request);
  assert.deepEqual(read, { isGenuine: true, updates: [{ state: 'delivered', providerMessageId: sid(1) }], answer: { status: 200, contentType: 'text/xml', body: '<Response/>' } });
  assert.deepEqual(provider.callback(request), read);
  const forgeries = [
    { ...request, headers: {} },
    { ...request, headers: { 'x-twilio-signature': 'x' } },
    { ...request, form: { ...request.form, MessageStatus: 'failed' } },
    gateway.callback(sid(1), 'https://other.example.ru/'),
    { json: request.form, headers: request.headers },
  ];
  for (const forged of forgeries) {
    const { isGenuine, updates } = provider.callback(forged);
    assert.deepEqual([isGenuine, updates], [false, []]);
  }
  const unkeyed = await open({}, { authToken: '' });
  const signature = createHmac('sha1', '').update(callbackUrl).digest('base64');
  assert.equal(unkeyed.callback({ headers: { 'x-twilio-signature': signature } }).isGenuine, false, 'no key is no signature');
  Object.assign(gateway.messages.get(sid(1))!, { status: 'failed', error_code: 30007 });
  assert.deepEqual(provider.callback(gateway.callback(sid(1), callbackUrl)).updates, [{ state: 'failed', code: 'sms.text_refused', reason: '30007', detail: 'failed 30007', providerMessageId: sid(1) }]);
});

test('the signature of the documentation is computed as there', async () => {
  // The example of «Validating Signatures from Twilio», which every helper library tests against.
  const example = await open({}, { authToken: '12345', callbackUrl: 'https://mycompany.com/myapp.php?foo=1&bar=2' });
  const form = { Digits: '1234', To: '+18005551212', From: '+14158675310', Caller: '+14158675310', CallSid: 'CA1234567890ABCDE' };
  assert.equal(example.callback({ form, headers: { 'x-twilio-signature': 'GvWf1cFY/Q7PnoempGyD5oXAezc=' } }).isGenuine, true);
});

test('the balance comes with its currency', async () => {
  assert.deepEqual(await provider.balance?.(), { amount: 12.34, currency: 'USD' });
});
