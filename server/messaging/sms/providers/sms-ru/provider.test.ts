import assert from 'node:assert/strict';
import { after, test } from 'node:test';
import { testNow, tryProvider } from '../try-provider.ts';
import { startSmsRuGateway } from './gateway.ts';
import { smsRu, smsRuVerdicts } from './provider.ts';

const gateway = await startSmsRuGateway();
after(() => gateway.close());
const settings = { url: gateway.url, allowPrivateHost: true, sender: 'Romashka' };
const open = async (given: object = {}, secrets: Record<string, string> = { apiId: gateway.apiId }) => {
  const provider = await tryProvider(smsRu, { ...settings, ...given }, secrets);
  after(() => provider.end());
  return provider;
};
const provider = await open();
const accepted = async (text?: string): Promise<string> => {
  const outcome = await provider.message(text);
  assert.equal(outcome.outcome, 'accepted');
  return (outcome.outcome === 'accepted' && outcome.providerMessageId) || '';
};

test('a message goes out as the documentation says, and its number comes back', async () => {
  const id = await accepted('Счёт №5 & 100 % 😀');
  assert.deepEqual(gateway.messages.get(id), { phone: '79161234567', text: 'Счёт №5 & 100 % 😀', from: 'Romashka', code: 100 });
  assert.ok(!gateway.requests.at(-1)?.path.includes(gateway.apiId));
  await (await open({ sender: '' })).message();
  assert.equal(gateway.requests.at(-1)?.form.has('from'), false);
});

test('every documented refusal has its class, and a limit says when to come back', async () => {
  for (const [code, { outcome, code: problem, waitMs }] of Object.entries(smsRuVerdicts)) {
    if (code === '200') continue;
    gateway.refused.set('79161234567', Number(code));
    const told = await provider.message();
    assert.deepEqual([told.outcome, 'code' in told && told.code, 'reason' in told && told.reason], [outcome, problem, code]);
    assert.deepEqual('retryAt' in told ? told.retryAt : undefined, waitMs === undefined ? undefined : new Date(testNow.getTime() + waitMs), code);
  }
  gateway.refused.set('79161234567', 999);
  assert.deepEqual(await provider.message(), { outcome: 'permanent', code: 'sms.rejected', detail: '999 Отказ 999' });
  gateway.refused.clear();
  const stranger = await open({}, { apiId: 'wrong' });
  const told = await stranger.message();
  assert.deepEqual([told.outcome, 'code' in told && told.code], ['permanent', 'sms.sign_in_refused']);
  assert.ok(!JSON.stringify(told).includes('wrong'));
});

test('an answer that is lost, cut or a page is unknown; throttling and a closed door are not', async () => {
  for (const [trouble, code] of [['silence', 'sms.answer_lost'], ['cut', 'sms.answer_lost'], ['html', 'sms.answer_unclear'], ['broken', 'sms.answer_unclear']] as const) {
    const count = gateway.messages.size;
    gateway.spoilNext(trouble);
    const told = await provider.message();
    assert.deepEqual([told.outcome, 'code' in told && told.code], ['unknown', code], trouble);
    assert.equal(gateway.messages.size, count + 1, 'it had been taken');
  }
  gateway.replyNext({ status: 429, headers: { 'retry-after': '30' }, body: 'slow down' });
  assert.deepEqual(await provider.message(), { outcome: 'transient', code: 'sms.gateway_busy', detail: '429 slow down', retryAt: new Date(testNow.getTime() + 30_000) });
  gateway.replyNext({ body: { status: 'OK', status_code: 100 } });
  assert.equal((await provider.message()).outcome, 'unknown');
  gateway.replyNext({ body: { hello: 'world' } });
  assert.equal((await provider.message()).outcome, 'unknown');
  const nowhere = await (await open({ url: 'http://127.0.0.1:1' })).message();
  assert.deepEqual([nowhere.outcome, 'code' in nowhere && nowhere.code], ['transient', 'sms.gateway_unreachable']);
  const guarded = await open({ allowPrivateHost: false });
  const refused = await guarded.message();
  assert.deepEqual([refused.outcome, 'code' in refused && refused.code], ['permanent', 'sms.private_host']);
  assert.deepEqual(await guarded.check(), { field: 'url', problem: 'private_host', address: '127.0.0.1' });
});

test('it can be asked what became of messages', async () => {
  const id = await accepted();
  for (const [code, state] of [[100, 'accepted'], [102, 'accepted'], [103, 'delivered'], [104, 'failed'], [108, 'failed'], [110, 'delivered'], [150, 'failed'], [777, 'unknown']] as const) {
    gateway.messages.get(id)!.code = code;
    assert.equal((await provider.ask({ providerMessageId: id }) as { state: string }).state, state, String(code));
  }
  assert.deepEqual(await provider.ask({ providerMessageId: '000000-1' }), { state: 'unknown' });
  assert.equal(await provider.ask({ providerMessageId: null }), undefined);
  gateway.spoilNext('html');
  assert.equal((await provider.ask({ providerMessageId: id }) as { code: string }).code, 'sms.answer_unclear');
});

test('callbacks are read when their signature is right, twice the same, and refused when it is wrong', async () => {
  const [first, second] = [await accepted(), await accepted()];
  gateway.messages.get(first)!.code = 103;
  gateway.messages.get(second)!.code = 104;
  const form = gateway.callback([first, second]);
  const read = provider.callback({ form });
  assert.deepEqual(read, {
    isGenuine: true, answer: { status: 200, contentType: 'text/plain', body: '100' },
    updates: [
      { state: 'delivered', providerMessageId: first, at: new Date(1772445700_000) },
      { state: 'failed', reason: '104', detail: '104', providerMessageId: second, at: new Date(1772445700_000) },
    ],
  });
  assert.deepEqual(provider.callback({ form }), read);
  const forged = provider.callback({ form: { ...form, 'data[0]': form['data[0]']!.replace('103', '104') } });
  assert.deepEqual([forged.isGenuine, forged.updates], [false, []]);
  const { hash: _hash, ...unsigned } = form;
  assert.equal(provider.callback({ form: unsigned }).updates.length, 2);
  for (const nonsense of [{ text: 'x' }, { form: { 'data[0]': 'callcheck_status\n1\n401' } }, { json: [1] }, {}]) assert.deepEqual(provider.callback(nonsense).updates, []);
});

test('the balance comes in roubles', async () => {
  assert.deepEqual(await provider.balance?.(), { amount: 4122.56, currency: 'RUB' });
  gateway.replyNext({ body: { status: 'OK', balance: 'much' } });
  assert.equal((await provider.balance?.() as { outcome: string } | undefined)?.outcome, 'unknown');
});
