import assert from 'node:assert/strict';
import { after, test } from 'node:test';
import { testNow, tryProvider } from '../try-provider.ts';
import { startSmscGateway } from './gateway.ts';
import { smsc, smscVerdicts } from './provider.ts';

const gateway = await startSmscGateway();
after(() => gateway.close());
const settings = { url: gateway.url, allowPrivateHost: true, login: gateway.login, sender: 'Romashka' };
const secrets = { password: gateway.password, callbackPhrase: gateway.phrase };
const open = async (given: object = {}, keys: Record<string, string> = secrets) => {
  const provider = await tryProvider(smsc, { ...settings, ...given }, keys);
  after(() => provider.end());
  return provider;
};
const provider = await open();

test('a message goes out with our own id, by password or by key', async () => {
  assert.deepEqual(await provider.message('Счёт №5 & 100 % 😀'), { outcome: 'accepted', providerMessageId: 'vestnik-41', parts: 1 });
  assert.deepEqual(gateway.messages.get('vestnik-41'), { phone: '+79161234567', text: 'Счёт №5 & 100 % 😀', sender: 'Romashka', status: -1, sentAt: gateway.clock.now });
  const byKey = await open({ login: '', sender: '' }, { apiKey: gateway.apiKey });
  assert.deepEqual(await byKey.message('ж'.repeat(100), 42), { outcome: 'accepted', providerMessageId: 'vestnik-42', parts: 2 });
  assert.equal(await byKey.check(), null);
  assert.equal(gateway.requests.at(-1)?.form.has('psw'), false);
  assert.deepEqual(await (await open({ login: '' }, {})).check(), { field: 'login', problem: 'missing' });
});

test('every documented refusal has its class, and a limit says when to come back', async () => {
  for (const [code, { outcome, code: problem, waitMs }] of Object.entries(smscVerdicts)) {
    gateway.refused.set('+79161234567', Number(code));
    const told = await provider.message();
    assert.deepEqual([told.outcome, 'code' in told && told.code, 'reason' in told && told.reason], [outcome, problem, code]);
    assert.deepEqual('retryAt' in told ? told.retryAt : undefined, waitMs === undefined ? undefined : new Date(testNow.getTime() + waitMs), code);
  }
  gateway.refused.clear();
  const told = await (await open({}, { password: 'wrong' })).message();
  assert.deepEqual(told, { outcome: 'permanent', code: 'sms.sign_in_refused', reason: '2', detail: '2 authorise error' });
});

test('an answer that is lost, cut or a page is unknown, and the message is found by our id', async () => {
  for (const [trouble, code] of [['silence', 'sms.answer_lost'], ['cut', 'sms.answer_lost'], ['html', 'sms.answer_unclear'], ['broken', 'sms.answer_unclear']] as const) {
    gateway.messages.clear();
    gateway.spoilNext(trouble);
    const told = await provider.message();
    assert.deepEqual([told.outcome, 'code' in told && told.code], ['unknown', code], trouble);
    assert.deepEqual(await provider.ask({}), { state: 'accepted', providerMessageId: 'vestnik-41' });
  }
  assert.equal(await provider.ask({ id: 77 }), undefined, 'it never came');
  gateway.messages.get('vestnik-41')!.sentAt -= 3600;
  assert.equal(await provider.ask({}), undefined, 'an earlier message of the same id');
  gateway.replyNext({ status: 503, body: 'busy' });
  assert.equal((await provider.message()).outcome, 'transient');
  gateway.replyNext({ body: {} });
  assert.equal((await provider.message()).outcome, 'unknown');
  const nowhere = await (await open({ url: 'http://127.0.0.1:1' })).message();
  assert.deepEqual([nowhere.outcome, 'code' in nowhere && nowhere.code], ['transient', 'sms.gateway_unreachable']);
});

test('it can be asked what became of messages', async () => {
  await provider.message();
  const states = [[-2, 'failed'], [-1, 'accepted'], [0, 'accepted'], [1, 'delivered'], [2, 'delivered'], [3, 'failed'], [4, 'delivered'], [20, 'failed'], [22, 'failed'], [23, 'failed'], [24, 'failed'], [25, 'failed'], [77, 'unknown']] as const;
  for (const [status, state] of states) {
    gateway.messages.get('vestnik-41')!.status = status;
    assert.equal((await provider.ask({ providerMessageId: 'vestnik-41' }) as { state: string }).state, state, String(status));
  }
  assert.deepEqual(await provider.ask({ providerMessageId: 'vestnik-999' }), { state: 'unknown' });
  gateway.spoilNext('silence');
  assert.equal((await provider.ask({ providerMessageId: 'vestnik-41' }) as { code: string }).code, 'sms.answer_lost');
});

test('callbacks are read when their signature is right, twice the same, and refused when it is wrong', async () => {
  await provider.message();
  gateway.messages.get('vestnik-41')!.status = 1;
  const form = gateway.callback('vestnik-41');
  const read = provider.callback({ form });
  assert.deepEqual(read, {
    isGenuine: true, answer: { status: 200, contentType: 'text/plain', body: 'OK' },
    updates: [{ state: 'delivered', providerMessageId: 'vestnik-41', deliveryId: 41, at: new Date((gateway.clock.now + 5) * 1000) }],
  });
  assert.deepEqual(provider.callback({ form }), read);
  assert.deepEqual(provider.callback({ query: form }), read, 'as GET');
  const { sha1: _sha1, ...md5Only } = form;
  assert.equal(provider.callback({ form: md5Only }).isGenuine, true);
  const forgeries: Record<string, string>[] = [{ ...form, status: '20' }, { ...form, sha1: 'x' }, { id: 'vestnik-41', phone: '7', status: '1' }];
  for (const forged of forgeries) {
    const { isGenuine, updates } = provider.callback({ form: forged });
    assert.deepEqual([isGenuine, updates], [false, []]);
  }
  // Another program's message on the same account is not one of ours.
  const loose = await open({}, { password: gateway.password });
  assert.deepEqual(loose.callback({ form: { id: '41', phone: '7', status: '20' } }).updates, [{ state: 'failed', reason: 'status20', detail: '20', providerMessageId: '41' }]);
  for (const nonsense of [{ text: 'x' }, { form: { id: '1', phone: '7', mes: 'привет' } }, { json: [1] }, {}]) assert.deepEqual(loose.callback(nonsense).updates, []);
});

test('the balance comes with its currency', async () => {
  assert.deepEqual(await provider.balance?.(), { amount: 104.65, currency: 'RUB' });
  gateway.spoilNext('html');
  assert.equal((await provider.balance?.() as { outcome: string } | undefined)?.outcome, 'unknown');
});
