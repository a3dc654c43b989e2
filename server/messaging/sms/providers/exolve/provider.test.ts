import assert from 'node:assert/strict';
import { after, test } from 'node:test';
import { testNow, tryProvider } from '../try-provider.ts';
import { exolveNo, startExolveGateway } from './gateway.ts';
import { exolve } from './provider.ts';

const gateway = await startExolveGateway();
after(() => gateway.close());
const settings = { url: gateway.url, allowPrivateHost: true, sender: '+79991112233' };
const open = async (given: object = {}, apiKey = gateway.apiKey) => {
  const provider = await tryProvider(exolve, { ...settings, ...given }, { apiKey });
  after(() => provider.end());
  return provider;
};
const provider = await open();
const phone = '79161234567';
const first = '439166538239448500';

test('a message goes out as the documentation says, and its long number keeps every digit', async () => {
  assert.deepEqual(await provider.message('Счёт №5 & 100 % 😀'), { outcome: 'accepted', providerMessageId: first });
  const { number, destination, text } = gateway.messages.get(first)!;
  assert.deepEqual([number, destination, text], ['79991112233', phone, 'Счёт №5 & 100 % 😀']);
  gateway.replyNext({ headers: { 'content-type': 'application/json' }, body: '{"message_id": 439166538239448536, "template_resource_id": 136519}' });
  assert.deepEqual(await provider.message(), { outcome: 'accepted', providerMessageId: '439166538239448536' });
  await (await open({ sender: 'Romashka' })).message();
  assert.equal([...gateway.messages.values()].at(-1)?.number, 'Romashka');
});

test('every refusal has its class by what it names', async () => {
  const cases = [
    [exolveNo(400, 'invalid SendRequest.Destination: value does not match regex pattern'), 'permanent', 'sms.number_refused', 'destination'],
    [exolveNo(400, 'Number does not exist'), 'permanent', 'sms.number_refused', 'destination'],
    [exolveNo(400, 'invalid SendRequest.Number: value is required'), 'permanent', 'sms.sender_refused', 'number'],
    [exolveNo(404, 'alpha name not found'), 'permanent', 'sms.sender_refused', 'number'],
    [exolveNo(400, 'invalid SendRequest.Text: value length must be at most 1000'), 'permanent', 'sms.text_refused', 'text'],
    [exolveNo(400, 'message does not match template'), 'permanent', 'sms.text_refused', 'template'],
    [exolveNo(402, 'insufficient funds'), 'transient', 'sms.no_money', 'no_money'],
    [exolveNo(403, 'permission denied'), 'permanent', 'sms.sign_in_refused', 'forbidden'],
    [{ status: 400, body: { error: 'too many requests' } }, 'transient', 'sms.gateway_busy', 'busy'],
    [exolveNo(400, 'something new'), 'permanent', 'sms.rejected', undefined],
  ] as const;
  for (const [reply, outcome, code, reason] of cases) {
    gateway.refused.set(phone, reply);
    const told = await provider.message();
    assert.deepEqual([told.outcome, 'code' in told && told.code, 'reason' in told ? told.reason : undefined], [outcome, code, reason], JSON.stringify(reply));
    assert.equal('retryAt' in told && told.retryAt !== undefined, outcome === 'transient');
  }
  gateway.refused.clear();
  const told = await (await open({}, 'wrong')).message();
  assert.deepEqual([told.outcome, 'code' in told && told.code], ['permanent', 'sms.sign_in_refused']);
});

test('an answer that is lost, cut or a page is unknown', async () => {
  for (const [trouble, code] of [['silence', 'sms.answer_lost'], ['cut', 'sms.answer_lost'], ['html', 'sms.answer_unclear'], ['broken', 'sms.answer_unclear']] as const) {
    gateway.spoilNext(trouble);
    const told = await provider.message();
    assert.deepEqual([told.outcome, 'code' in told && told.code], ['unknown', code], trouble);
  }
  gateway.replyNext({ status: 429, headers: { 'retry-after': '12' }, body: { error: 'rate limit' } });
  const told = await provider.message();
  assert.deepEqual([told.outcome, 'retryAt' in told && told.retryAt], ['transient', new Date(testNow.getTime() + 12_000)]);
  gateway.replyNext({ body: {} });
  assert.equal((await provider.message()).outcome, 'unknown');
  assert.equal((await (await open({ url: 'http://127.0.0.1:1' })).message()).outcome, 'transient');
});

test('it can be asked what became of messages', async () => {
  gateway.messages.clear();
  await provider.message();
  for (const [status, state] of [['QUEUED', 'accepted'], ['SENT', 'accepted'], ['DELIVERED', 'delivered'], ['UNDELIVERED', 'failed'], ['EXPIRED', 'failed'], ['REJECTED', 'failed'], ['UNSPECIFIED', 'unknown']] as const) {
    for (const prefix of ['DELIVERY_STATUS_', '']) {
      gateway.messages.get(first)!.delivery_status = prefix + status;
      assert.equal((await provider.ask({ providerMessageId: first }) as { state: string }).state, state, prefix + status);
    }
  }
  assert.equal(await provider.ask({ providerMessageId: '1' }), undefined);
  assert.equal(await provider.ask({ providerMessageId: null }), undefined);
  gateway.spoilNext('html');
  assert.equal((await provider.ask({ providerMessageId: first }) as { code: string }).code, 'sms.answer_unclear');
});

test('callbacks are read, twice the same; incoming messages and nonsense are not reports', async () => {
  gateway.messages.get(first)!.delivery_status = 'DELIVERY_STATUS_DELIVERED';
  const json = gateway.callback(first);
  const read = provider.callback({ json });
  assert.deepEqual(read, { isGenuine: true, updates: [{ state: 'delivered', providerMessageId: first, at: new Date('2026-03-02T10:00:05Z') }], answer: { status: 200, contentType: 'application/json', body: '{}' } });
  assert.deepEqual(provider.callback({ json }), read);
  assert.deepEqual(provider.callback({ json: { ...json, direction: 'DIRECTION_INCOMING' } }).updates, []);
  for (const nonsense of [{ text: 'x' }, { json: [1] }, { json: null }, { json: { message_id: 'x', status: 1 } }, {}]) assert.deepEqual(provider.callback(nonsense).updates, []);
});
