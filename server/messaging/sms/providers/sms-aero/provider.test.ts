import assert from 'node:assert/strict';
import { after, test } from 'node:test';
import { callbackUrl, testNow, tryProvider } from '../try-provider.ts';
import { smsAeroNo, startSmsAeroGateway } from './gateway.ts';
import { smsAero } from './provider.ts';

const gateway = await startSmsAeroGateway();
after(() => gateway.close());
const settings = { url: gateway.url, allowPrivateHost: true, email: gateway.email, sender: 'SMS Aero' };
const open = async (given: object = {}, apiKey = gateway.apiKey) => {
  const provider = await tryProvider(smsAero, { ...settings, ...given }, { apiKey });
  after(() => provider.end());
  return provider;
};
const provider = await open();
const phone = '79161234567';

test('a message goes out as the documentation says, with the address for its reports', async () => {
  assert.deepEqual(await provider.message('Счёт №5 & 100 % 😀'), { outcome: 'accepted', providerMessageId: '900000' });
  const { from, number, text, callbackUrl: given } = gateway.messages.get(900_000)!;
  assert.deepEqual([from, number, text, given], ['SMS Aero', phone, 'Счёт №5 & 100 % 😀', callbackUrl]);
  // For several numbers they answer with a list, and some versions for one too.
  gateway.replyNext({ body: { success: true, data: [{ id: 5, status: 0 }], message: null } });
  assert.deepEqual(await provider.message(), { outcome: 'accepted', providerMessageId: '5' });
});

test('every documented refusal has its class', async () => {
  const cases = [
    [smsAeroNo(400, 'Validation error.', { number: ['Validation error: number.'] }), 'permanent', 'sms.number_refused', 'number'],
    [smsAeroNo(400, 'Validation error.', { sign: ['Validation error: sign.'] }), 'permanent', 'sms.sender_refused', 'sign'],
    [smsAeroNo(400, 'Validation error.', { text: ['Validation error: text.'] }), 'permanent', 'sms.text_refused', 'text'],
    [smsAeroNo(402, 'Not enough money'), 'transient', 'sms.no_money', 'no_money'],
    [{ body: { result: 'no credits' } }, 'transient', 'sms.no_money', 'no_money'],
    [{ body: { result: 'reject', reason: 'stop list' } }, 'permanent', 'sms.rejected', 'reject'],
    [smsAeroNo(400, 'Too many requests'), 'transient', 'sms.gateway_busy', 'busy'],
    [{ body: { success: true, data: { id: 7, status: 6, extendStatus: 'smsc reject' }, message: null } }, 'permanent', 'sms.rejected', 'reject'],
  ] as const;
  for (const [reply, outcome, code, reason] of cases) {
    gateway.refused.set(phone, reply);
    const told = await provider.message();
    assert.deepEqual([told.outcome, 'code' in told && told.code, 'reason' in told && told.reason], [outcome, code, reason], JSON.stringify(reply));
    assert.equal('retryAt' in told && told.retryAt !== undefined, outcome === 'transient');
  }
  gateway.refused.clear();
  const told = await (await open({}, 'wrong')).message();
  assert.deepEqual([told.outcome, 'code' in told && told.code], ['permanent', 'sms.sign_in_refused']);
});

test('an answer that is lost, cut or a page is unknown, and the message is found by number, text and time', async () => {
  for (const [trouble, code] of [['silence', 'sms.answer_lost'], ['cut', 'sms.answer_lost'], ['html', 'sms.answer_unclear'], ['broken', 'sms.answer_unclear']] as const) {
    gateway.messages.clear();
    gateway.spoilNext(trouble);
    const told = await provider.message();
    assert.deepEqual([told.outcome, 'code' in told && told.code], ['unknown', code], trouble);
    assert.deepEqual(await provider.ask({}), { state: 'accepted', providerMessageId: '900000' });
  }
  assert.deepEqual(await provider.ask({ text: 'Другой текст' }), { state: 'unknown' });
  assert.deepEqual(await provider.ask({ text: 'Счёт' }), { state: 'unknown' }, 'a part of the text is not the text');
  await provider.message();
  assert.deepEqual(await provider.ask({}), { state: 'unknown' }, 'of two alike nobody knows which it was');
  gateway.messages.delete(900_001);
  gateway.messages.get(900_000)!.dateCreate -= 3600;
  assert.deepEqual(await provider.ask({}), { state: 'unknown' }, 'an older one');
  gateway.replyNext({ status: 429, headers: { 'retry-after': '5' }, body: {} });
  assert.deepEqual(await provider.message(), { outcome: 'transient', code: 'sms.gateway_busy', detail: '429 {}', retryAt: new Date(testNow.getTime() + 5000) });
  gateway.replyNext({ body: { success: true, data: null } });
  assert.equal((await provider.message()).outcome, 'unknown');
  const nowhere = await (await open({ url: 'http://127.0.0.1:1' })).message();
  assert.equal(nowhere.outcome, 'transient');
});

test('it can be asked what became of messages', async () => {
  gateway.messages.clear();
  await provider.message();
  for (const [status, state] of [[0, 'accepted'], [1, 'delivered'], [2, 'failed'], [3, 'accepted'], [4, 'accepted'], [6, 'failed'], [8, 'accepted'], [99, 'unknown']] as const) {
    gateway.messages.get(900_000)!.status = status;
    assert.equal((await provider.ask({ providerMessageId: '900000' }) as { state: string }).state, state, String(status));
  }
  assert.equal(await provider.ask({ providerMessageId: '1' }), undefined, 'they do not know it');
});

test('callbacks are read, as JSON or a form, twice the same', async () => {
  gateway.messages.get(900_000)!.status = 1;
  const json = gateway.callback(900_000);
  const read = provider.callback({ json });
  assert.deepEqual(read, { isGenuine: true, updates: [{ state: 'delivered', providerMessageId: '900000' }], answer: { status: 200, contentType: 'text/plain', body: 'OK' } });
  assert.deepEqual(provider.callback({ json }), read);
  assert.deepEqual(provider.callback({ form: { id: '900000', status: '1', extendStatus: 'delivery' } }), read);
  assert.deepEqual(provider.callback({ json: { id: 1, status: 2, extendStatus: 'undelivered' } }).updates, [{ state: 'failed', reason: 'status2', detail: '2 undelivered', providerMessageId: '1' }]);
  for (const nonsense of [{ text: 'x' }, { json: [1] }, { json: { id: {}, status: 1 } }, { json: null }, { form: { id: '1' } }, {}]) assert.deepEqual(provider.callback(nonsense).updates, []);
});

test('the balance comes in roubles', async () => {
  assert.deepEqual(await provider.balance?.(), { amount: 337.03, currency: 'RUB' });
});
