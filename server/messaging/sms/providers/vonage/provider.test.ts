import assert from 'node:assert/strict';
import { after, test } from 'node:test';
import { callbackUrl, testNow, tryProvider } from '../try-provider.ts';
import { startVonageGateway } from './gateway.ts';
import { vonage, vonageVerdicts } from './provider.ts';

const gateway = await startVonageGateway();
after(() => gateway.close());
const settings = { url: gateway.url, allowPrivateHost: true, apiKey: gateway.apiKey, from: 'Romashka' };
const open = async (given: object = {}, secrets: Record<string, string> = { apiSecret: gateway.apiSecret }) => {
  const provider = await tryProvider(vonage, { ...settings, ...given }, secrets);
  after(() => provider.end());
  return provider;
};
const provider = await open();
const phone = '79161234567';
const first = '0C00000021000000';

test('a message goes out as the documentation says, in the alphabet it needs', async () => {
  assert.deepEqual(await provider.message('Счёт №5 & 100 % 😀'), { outcome: 'accepted', providerMessageId: first, parts: 1 });
  const { to, from, text, type, clientRef, callback } = gateway.messages.get(first)!;
  assert.deepEqual([to, from, text, type, clientRef, callback], [phone, 'Romashka', 'Счёт №5 & 100 % 😀', 'unicode', 'vestnik-41', callbackUrl]);
  await provider.message('Paid');
  assert.equal([...gateway.messages.values()].at(-1)?.type, 'text');
  const long = await provider.message('ж'.repeat(200));
  assert.equal(long.outcome === 'accepted' && long.parts, 3);
});

test('every documented refusal has its class, and a limit says when to come back', async () => {
  for (const [code, { outcome, code: problem, waitMs }] of Object.entries(vonageVerdicts)) {
    gateway.refused.set(phone, { code: Number(code) });
    const told = await provider.message();
    assert.deepEqual([told.outcome, 'code' in told && told.code, 'reason' in told && told.reason], [outcome, problem, code]);
    assert.deepEqual('retryAt' in told ? told.retryAt : undefined, waitMs === undefined ? undefined : new Date(testNow.getTime() + waitMs), code);
  }
  gateway.refused.set(phone, { code: 1, part: 1 });
  assert.equal((await provider.message('ж'.repeat(200))).outcome, 'unknown', 'some of the parts went');
  gateway.refused.set(phone, { code: 555 });
  assert.deepEqual(await provider.message(), { outcome: 'permanent', code: 'sms.rejected', detail: '555 Refusal 555' });
  gateway.refused.clear();
  const told = await (await open({}, { apiSecret: 'wrong' })).message();
  assert.deepEqual([told.outcome, 'code' in told && told.code], ['permanent', 'sms.sign_in_refused']);
});

test('an answer that is lost, cut or a page is unknown; the receipt tells which message it was', async () => {
  for (const [trouble, code] of [['silence', 'sms.answer_lost'], ['cut', 'sms.answer_lost'], ['html', 'sms.answer_unclear'], ['broken', 'sms.answer_unclear']] as const) {
    gateway.messages.clear();
    gateway.spoilNext(trouble);
    const told = await provider.message();
    assert.deepEqual([told.outcome, 'code' in told && told.code], ['unknown', code], trouble);
    gateway.messages.get(first)!.status = 'delivered';
    const [update] = provider.callback({ json: gateway.receipt(first) }).updates;
    assert.deepEqual([update?.state, update?.deliveryId, update?.providerMessageId], ['delivered', 41, first]);
  }
  gateway.replyNext({ status: 429, headers: { 'retry-after': '3' }, body: {} });
  assert.deepEqual(await provider.message(), { outcome: 'transient', code: 'sms.gateway_busy', detail: '429 {}', retryAt: new Date(testNow.getTime() + 3000) });
  for (const body of [{}, { messages: [] }, { messages: [{}] }, []]) {
    gateway.replyNext({ body });
    assert.equal((await provider.message()).outcome, 'unknown', JSON.stringify(body));
  }
  assert.equal((await (await open({ url: 'http://127.0.0.1:1' })).message()).outcome, 'transient');
  assert.equal(vonage.can.status, false);
});

test('receipts are read as GET, form and JSON, twice the same', async () => {
  gateway.messages.clear();
  await provider.message();
  const message = gateway.messages.get(first)!;
  for (const [status, state] of [['accepted', 'accepted'], ['buffered', 'accepted'], ['delivered', 'delivered'], ['expired', 'failed'], ['failed', 'failed'], ['rejected', 'failed'], ['unknown', 'unknown']] as const) {
    message.status = status;
    assert.equal(provider.callback({ query: gateway.receipt(first) }).updates[0]?.state, state);
  }
  Object.assign(message, { status: 'failed', errCode: '9' });
  const read = provider.callback({ json: gateway.receipt(first) });
  assert.deepEqual(read, {
    isGenuine: true, answer: { status: 200, contentType: 'text/plain', body: 'OK' },
    updates: [{ state: 'failed', code: 'sms.number_refused', reason: 'receipt9', detail: 'failed 9', providerMessageId: first, deliveryId: 41, at: new Date('2026-03-02T10:00:05Z') }],
  });
  assert.deepEqual(provider.callback({ json: gateway.receipt(first) }), read);
  assert.deepEqual(provider.callback({ form: gateway.receipt(first) }), read);
  for (const nonsense of [{ text: 'x' }, { json: [1] }, { json: null }, { json: { messageId: {} } }, {}]) assert.deepEqual(provider.callback(nonsense).updates, []);
});

test('with a signature secret only signed receipts are taken', async () => {
  const { apiSecret, signatureSecret } = gateway;
  const signed = await open({}, { apiSecret, signatureSecret });
  assert.equal(signed.callback({ query: gateway.receipt(first, 'md5hash') }).updates.length, 1);
  const hmac = await open({ signatureMethod: 'sha256' }, { apiSecret, signatureSecret });
  assert.equal(hmac.callback({ json: gateway.receipt(first, 'sha256') }).updates.length, 1);
  const forgeries = [gateway.receipt(first), { ...gateway.receipt(first, 'md5hash'), status: 'delivered', 'err-code': '1' }, { ...gateway.receipt(first, 'md5hash'), sig: 'x' }, gateway.receipt(first, 'sha256')];
  for (const forged of forgeries) {
    const { isGenuine, updates } = signed.callback({ query: forged });
    assert.deepEqual([isGenuine, updates], [false, []]);
  }
});

test('the balance comes in euros', async () => {
  assert.deepEqual(await provider.balance?.(), { amount: 10.28, currency: 'EUR' });
  const told = await (await open({}, { apiSecret: 'wrong' })).balance?.();
  assert.equal(told && 'code' in told && told.code, 'sms.sign_in_refused');
});
