import assert from 'node:assert/strict';
import http, { type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { after, afterEach, test } from 'node:test';
import { z } from 'zod';
import { UserError } from '../../../shared/errors.ts';
import { testDatabase } from '../../../test/support/database.ts';
import { sql } from '../../db/db.ts';
import { createDeliveries } from '../../deliveries/deliveries.ts';
import { createJobs } from '../../jobs/jobs.ts';
import { createLive } from '../../live/live.ts';
import { createPeople, type Actor } from '../../people/people.ts';
import { smsProviderTypes } from './catalog.ts';
import { isPublicAddress } from '../../deliveries/deliveries.ts';
import { defineSmsProvider, type SmsBalance, type SmsOutcome, type SmsProblem, type SmsQuestion, type SmsStatus } from './provider.ts';
import { createSms } from './sms.ts';

/** A kind that reports, is asked, and signs: what it says is set by the tests. */
const said: { send: SmsOutcome; status: SmsStatus | SmsProblem; questions: SmsQuestion[]; balance: SmsBalance | SmsProblem } = {
  send: { outcome: 'accepted', providerMessageId: 'r-1' }, status: { state: 'unknown' }, questions: [], balance: { amount: 12.5, currency: 'RUB' },
};
const updatesIn = z.object({ updates: z.array(z.object({ providerMessageId: z.string().optional(), deliveryId: z.number().optional(), state: z.enum(['accepted', 'delivered', 'failed', 'unknown']), detail: z.string().optional() })) });
const reporting = defineSmsProvider<Record<string, never>>({
  id: 'reporting', settings: z.strictObject({}), form: [], secrets: [{ name: 'key', isRequired: true }], destination: () => 'https://gateway.example.com', canFindUnanswered: true,
  send: async () => said.send,
  async status(questions) {
    said.questions.push(...questions);
    const { status } = said;
    return 'outcome' in status ? status : new Map(questions.map(({ id }) => [id, status]));
  },
  parseCallback({ headers, body }, { secrets }) {
    const read = updatesIn.safeParse(body);
    return { isGenuine: headers['x-signature'] === secrets.key, updates: read.data?.updates ?? [], answer: { status: 200, contentType: 'text/plain', body: '100' } };
  },
  balance: async () => said.balance,
});

const { db } = await testDatabase();
let clock = new Date('2026-03-02T10:00:00Z');
const now = () => clock;
const errors: unknown[] = [];
const jobs = createJobs({ db, now, onError: (error) => errors.push(error) });
const live = createLive({ db, now });
const people = createPeople({ db, live, now });
const deliveries = createDeliveries({ db, live, jobs, now, secret: 'test secret', messageIdHost: 'x', onError: (error) => errors.push(error) });
const sms = createSms({ db, jobs, people, deliveries, now, publicUrl: 'https://crm.example.com', patienceMs: 3000, types: [...smsProviderTypes, reporting] });
sms.startSending();
await db.run(sql`insert into company (name, country) values ('Ромашка', 'RU') on conflict do nothing`);
await db.run(sql`insert into employees (id, email, is_admin) values (1, 'admin@x', true), (2, 'anna@x', false)`);
const admin: Actor = { employeeId: 1, isAdmin: true, language: 'ru', timeZone: 'Europe/Moscow', via: 'session' };
const anna: Actor = { ...admin, employeeId: 2, isAdmin: false };

const requests: { method: string; url: string; headers: IncomingMessage['headers']; body: string }[] = [];
let answer: (response: ServerResponse, request: IncomingMessage) => void;
const taken = (response: ServerResponse) => response.writeHead(200, { 'content-type': 'application/json' }).end('{"status":"OK","result":[{"id":"m-1"}]}');
answer = taken;
const gateway = http.createServer((request, response) => {
  const chunks: Buffer[] = [];
  request.on('data', (chunk: Buffer) => chunks.push(chunk)).on('end', () => {
    requests.push({ method: request.method ?? '', url: request.url ?? '', headers: request.headers, body: Buffer.concat(chunks).toString() });
    answer(response, request);
  });
});
await new Promise<void>((resolve) => gateway.listen(0, '127.0.0.1', resolve));
const port = (gateway.address() as AddressInfo).port;
const url = `http://127.0.0.1:${port}/send`;
after(async () => {
  await sms.close();
  gateway.closeAllConnections();
  await new Promise((resolve) => gateway.close(resolve));
});
afterEach(() => assert.deepEqual(errors.splice(0), [], 'no error was reported'));
const code = (expected: string) => (error: unknown) => error instanceof UserError && error.code === expected;

const formSettings = {
  url, allowPrivateHost: true, sender: 'Vestnik', headers: [{ name: 'X-Key', value: '{secret.token}' }],
  fields: [{ name: 'to', value: '{phoneDigits}' }, { name: 'message', value: '{text}' }, { name: 'from', value: '{sender}' }, { name: 'ref', value: '{id}' }],
  success: { path: 'status', equals: 'OK' }, messageIdPath: 'result.0.id', errorPath: 'error',
};
const create = (settings: Record<string, unknown> = formSettings, secrets: Record<string, string> = { token: 'key-1' }) =>
  sms.createProvider(admin, { type: 'http', name: 'Шлюз', settings, secrets, isDefault: false });
const provider = await create();

async function send(text = 'Счёт оплачен', { senderId = provider.id, phone = '+79161234567' } = {}) {
  const [id] = await db.transaction((tx) => deliveries.queue(tx, [{ channel: 'sms', senderId, employeeId: 2, address: phone, itemId: null, runId: null, content: { text } }]));
  await jobs.drain();
  return deliveries.get(admin, id!);
}
const summary = ({ state, error }: Awaited<ReturnType<typeof send>>) => [state, error?.code ?? null];

test('a message reaches the gateway as a form, with its key, and its number comes back', async () => {
  const done = await send('Счёт №5 & {phone} = 100 %\nспасибо 😀');
  assert.deepEqual([done.state, done.providerMessageId], ['accepted', 'm-1']);
  const request = requests.at(-1)!;
  assert.equal(request.headers['x-key'], 'key-1');
  assert.deepEqual(Object.fromEntries(new URLSearchParams(request.body)), { to: '79161234567', message: 'Счёт №5 & {phone} = 100 %\nспасибо 😀', from: 'Vestnik', ref: String(done.id) });
});

test('a JSON template keeps its structure whatever the text says; a query is encoded', async () => {
  const json = await create({ ...formSettings, format: 'json', fields: [], body: '{"messages":[{"to":"{phone}","text":"{text}","flash":false,"n":1}]}' });
  const text = '", "to": "all", \\ {secret.token} \u2028';
  await send(text, { senderId: json.id });
  assert.deepEqual(JSON.parse(requests.at(-1)!.body), { messages: [{ to: '+79161234567', text, flash: false, n: 1 }] });
  const query = await create({ ...formSettings, method: 'GET', format: 'query' });
  await send('a&to=all', { senderId: query.id });
  assert.equal(new URL(requests.at(-1)!.url, url).searchParams.get('message'), 'a&to=all');
  assert.equal(new URL(requests.at(-1)!.url, url).searchParams.get('to'), '79161234567');
});

test('what the gateway says decides: taken, wait, refused, or nobody knows', async () => {
  const html = '<html><h1>Welcome</h1></html>';
  const cases: [string, typeof answer, [string, string | null]][] = [
    ['429', (r) => r.writeHead(429, { 'retry-after': '120' }).end('slow down'), ['queued', 'sms.gateway_busy']],
    ['503', (r) => r.writeHead(503).end(), ['queued', 'sms.gateway_busy']],
    ['400', (r) => r.writeHead(400).end('{"error":"bad phone"}'), ['failed', 'sms.rejected']],
    ['401', (r) => r.writeHead(401).end(), ['failed', 'sms.rejected']],
    ['redirect', (r) => r.writeHead(302, { location: 'http://169.254.169.254/' }).end(), ['failed', 'sms.rejected']],
    ['500', (r) => r.writeHead(500).end('oops'), ['unknown', 'sms.answer_unclear']],
    ['502', (r) => r.writeHead(502).end(html), ['unknown', 'sms.answer_unclear']],
    ['HTML', (r) => r.writeHead(200, { 'content-type': 'text/html' }).end(html), ['unknown', 'sms.answer_unclear']],
    ['another status', (r) => r.writeHead(200).end('{"status":"ERROR","error":"no money"}'), ['failed', 'sms.rejected']],
    ['only an error', (r) => r.writeHead(200).end('{"error":"no money"}'), ['failed', 'sms.rejected']],
    ['empty', (r) => r.writeHead(200).end(), ['unknown', 'sms.answer_unclear']],
    ['lost line', (r) => r.destroy(), ['unknown', 'sms.answer_lost']],
    ['half an answer', (r) => { r.writeHead(200, { 'content-length': '1000' }); r.write('{"status"'); r.destroy(); }, ['unknown', 'sms.answer_lost']],
    ['silence', () => {}, ['unknown', 'sms.answer_lost']],
    ['endless', (r) => { const more = () => { while (r.write(Buffer.alloc(64 * 1024, 'x'))) if (r.destroyed) return; r.once('drain', more); }; r.writeHead(200); more(); }, ['unknown', 'sms.answer_unclear']],
  ];
  for (const [name, act, expected] of cases) {
    answer = act;
    const count = requests.length;
    assert.deepEqual(summary(await send(name)), expected, name);
    assert.equal(requests.length, count + 1, `${name}: asked once`);
  }
  answer = taken;
});

test('Retry-After is obeyed', async () => {
  answer = (r) => r.writeHead(429, { 'retry-after': '120' }).end();
  const waiting = await send();
  const seconds = (waiting.dueAt!.getTime() - clock.getTime()) / 1000;
  assert.ok(seconds >= 120 && seconds <= 121.1);
  answer = taken;
  clock = new Date(clock.getTime() + 122_000);
  await jobs.drain();
  assert.equal((await deliveries.get(admin, waiting.id)).state, 'accepted');
});

test('a gateway that is not there is tried again later: nothing was sent', async () => {
  const closed = await create({ ...formSettings, url: 'http://127.0.0.1:1/' });
  assert.deepEqual(summary(await send('x', { senderId: closed.id })), ['queued', 'sms.gateway_unreachable']);
  const nowhere = await create({ ...formSettings, url: 'http://gateway.invalid/' });
  assert.deepEqual(summary(await send('x', { senderId: nowhere.id })), ['queued', 'sms.gateway_unreachable']);
});

test('internal networks are out of reach without an administrator’s word, by name and by address', async () => {
  for (const host of ['127.0.0.1', 'localhost', '10.1.2.3', '169.254.169.254', '[::1]', '[::ffff:127.0.0.1]', '[fd00::1]', '0.0.0.0', '2130706433', '0x7f.1', '192.168.0.1', '100.64.0.1']) {
    await assert.rejects(create({ ...formSettings, url: `http://${host}:${port}/`, allowPrivateHost: false }), code('sms.private_host'), host);
  }
  // A name that turned inwards after it was saved.
  const turned = await create({ ...formSettings, url: `http://localhost:${port}/` });
  await db.run(sql`update sms_providers set settings = settings || '{"allowPrivateHost":false}' where id = ${turned.id}`);
  const count = requests.length;
  assert.deepEqual(summary(await send('x', { senderId: turned.id })), ['failed', 'sms.private_host']);
  await db.run(sql`update sms_providers set settings = settings || ${JSON.stringify({ url: `http://127.0.0.1:${port}/` })} where id = ${turned.id}`);
  assert.deepEqual(summary(await send('x', { senderId: turned.id })), ['failed', 'sms.private_host']);
  assert.equal(requests.length, count);
  assert.deepEqual(['8.8.8.8', '2a00:1450::1', 'nonsense', '224.0.0.1'].map(isPublicAddress), [true, true, false, false]);
});

test('wrong settings name the field; a line break in a header sends nothing', async () => {
  const wrong: [Record<string, unknown>, string][] = [
    [{ ...formSettings, url: 'ftp://x' }, 'settings.url'], [{ ...formSettings, url: undefined }, 'settings.url'], [{ ...formSettings, method: 'TRACE' }, 'settings.method'],
    [{ ...formSettings, format: 'json', body: '{' }, 'settings.body'], [{ ...formSettings, headers: [{ name: 'Host', value: 'x' }] }, 'settings.headers.0.name'],
    [{ ...formSettings, headers: [{ name: 'a b', value: 'x' }] }, 'settings.headers.0.name'], [{ ...formSettings, nonsense: 1 }, 'settings'], [{ ...formSettings, method: 'GET' }, 'settings.method'],
  ];
  for (const [settings, path] of wrong) {
    await assert.rejects(create(settings), (error: unknown) => code('sms.settings_invalid')(error) && error instanceof UserError && error.path === path, path);
  }
  await assert.rejects(sms.createProvider(admin, { type: 'pigeon', name: 'x', settings: {}, secrets: {}, isDefault: false }), code('sms.provider_type_unknown'));
  const header = await create({ ...formSettings, headers: [{ name: 'X-Text', value: '{text}' }] });
  const count = requests.length;
  assert.deepEqual(summary(await send('a\r\nX-Evil: 1', { senderId: header.id })), ['failed', 'sms.settings_unusable']);
  assert.deepEqual(summary(await send('x', { phone: '89161234567' })), ['failed', 'sms.phone_invalid']);
  assert.equal(requests.length, count);
});

test('keys never come out, and do not travel to another server', async () => {
  await assert.rejects(sms.providers(anna), code('access.admin_only'));
  await assert.rejects(sms.createProvider(anna, { type: 'http', name: 'x', settings: formSettings, secrets: {}, isDefault: false }), code('access.admin_only'));
  const secret = await create();
  assert.deepEqual(secret.secretNames, ['token']);
  assert.ok(!JSON.stringify(await sms.providers(admin)).includes('key-1'));
  assert.ok(!JSON.stringify(await db.rows(sql`select settings, encode(secret, 'escape') as secret from sms_providers`)).includes('key-1'));
  assert.deepEqual((await sms.changeProvider(admin, secret.id, { secrets: { other: 'x' } })).secretNames, ['other', 'token']);
  assert.deepEqual((await sms.changeProvider(admin, secret.id, { secrets: { other: '' } })).secretNames, ['token']);
  assert.deepEqual((await sms.changeProvider(admin, secret.id, { settings: { ...formSettings, url: `http://localhost:${port}/` } })).secretNames, []);
  await sms.deleteProvider(admin, secret.id);
  assert.deepEqual(summary(await send('x', { senderId: secret.id })), ['failed', 'sms.provider_missing']);
  assert.ok(sms.providerTypes('ru').some((type) => type.id === 'http' && JSON.stringify(type.settings).includes('allowPrivateHost')));
});

test('a test message takes the number as people write it', async () => {
  const id = await sms.testProvider(admin, provider.id, { phone: '8 (916) 123-45-67' });
  await jobs.drain();
  const done = await deliveries.get(admin, id);
  assert.deepEqual([done.address, done.state], ['+79161234567', 'accepted']);
});

const reporter = await sms.createProvider(admin, { type: 'reporting', name: 'С отчётами', settings: {}, secrets: { key: 'k' }, isDefault: false });
const address = new URL(reporter.callbackUrl!);
const token = address.pathname.split('/').at(-1)!;
const call = (updates: unknown, { signature = 'k', secret = token, id = reporter.id } = {}) =>
  sms.callback(id, secret, { method: 'POST', url: address.href, headers: { 'x-signature': signature }, query: {}, body: { updates }, rawBody: Buffer.alloc(0) });
const again = async (id: number) => {
  await jobs.drain();
  return deliveries.get(admin, id);
};

test('a report comes late, twice, out of order, or before the answer to the sending', async () => {
  said.send = { outcome: 'accepted', providerMessageId: 'late' };
  const late = await send('x', { senderId: reporter.id });
  assert.deepEqual(await call([{ providerMessageId: 'late', state: 'failed', detail: 'абонент выключен' }]), { status: 200, contentType: 'text/plain', body: '100' });
  const failed = await again(late.id);
  assert.deepEqual([failed.state, failed.error?.code, failed.error?.params.phone, failed.error?.params.detail], ['failed', 'sms.not_delivered', '+79161234567', 'абонент выключен']);
  await call([{ providerMessageId: 'late', state: 'delivered' }, { providerMessageId: 'late', state: 'delivered' }]);
  await call([{ providerMessageId: 'late', state: 'failed' }, { providerMessageId: 'late', state: 'accepted' }]);
  assert.deepEqual([(await again(late.id)).state, (await again(late.id)).error], ['delivered', null]);

  await call([{ providerMessageId: 'early', state: 'delivered' }]);
  await call([{ providerMessageId: 'early', state: 'delivered' }]);
  await jobs.drain();
  said.send = { outcome: 'accepted', providerMessageId: 'early' };
  const early = await send('x', { senderId: reporter.id });
  assert.equal((await again(early.id)).state, 'delivered');
  assert.deepEqual(await db.rows(sql`select from delivery_reports`), [], 'nothing is left over');
});

test('a report with our own number finds a message whose answer was lost, and no other', async () => {
  said.send = { outcome: 'unknown', code: 'sms.answer_lost', detail: 'timeout' };
  const lost = await send('x', { senderId: reporter.id });
  assert.equal(lost.state, 'unknown');
  await call([{ deliveryId: lost.id, providerMessageId: 'found', state: 'accepted' }]);
  const found = await again(lost.id);
  assert.deepEqual([found.state, found.providerMessageId, found.error], ['accepted', 'found', null]);
  said.send = { outcome: 'accepted', providerMessageId: 'mine' };
  const mine = await send('x', { senderId: reporter.id });
  await call([{ deliveryId: mine.id, providerMessageId: 'of another attempt', state: 'failed' }, { deliveryId: 1e12, state: 'failed' }]);
  assert.equal((await again(mine.id)).state, 'accepted');
  await db.run(sql`delete from delivery_reports`);
});

test('nobody else is believed: not without the secret, nor the signature', async () => {
  said.send = { outcome: 'accepted', providerMessageId: 'guarded' };
  const guarded = await send('x', { senderId: reporter.id });
  const forged = [{ providerMessageId: 'guarded', state: 'delivered' }];
  for (const secret of ['', 'x', token.slice(1), `${token}x`]) assert.equal(await call(forged, { secret }), undefined);
  assert.equal(await call(forged, { id: 999 }), undefined);
  assert.equal(await call(forged, { id: provider.id }), undefined);
  await assert.rejects(call(forged, { signature: '' }), code('sms.callback_refused'));
  assert.deepEqual(await call('nonsense'), { status: 200, contentType: 'text/plain', body: '100' });
  assert.equal((await again(guarded.id)).state, 'accepted');
});

test('keys and the address of callbacks are changed while messages are on their way', async () => {
  said.send = { outcome: 'accepted', providerMessageId: 'under way' };
  const underWay = await send('x', { senderId: reporter.id });
  const renewed = await sms.replaceCallbackUrl(admin, reporter.id);
  assert.notEqual(renewed.callbackUrl, reporter.callbackUrl);
  await Promise.all([sms.changeProvider(admin, reporter.id, { secrets: { key: 'new' } }), sms.changeProvider(admin, provider.id, { name: 'Шлюз' })]);
  assert.ok(await call([{ providerMessageId: 'under way', state: 'delivered' }], { signature: 'new' }));
  assert.equal((await again(underWay.id)).state, 'delivered');
  assert.ok(await call([], { signature: 'new', secret: new URL(renewed.callbackUrl!).pathname.split('/').at(-1)! }));
  clock = new Date(clock.getTime() + 8 * 86_400_000);
  assert.equal(await call([], { signature: 'new' }), undefined, 'the old address is forgotten');
  // Two at once may also come one after the other, which is nobody's clash; sooner or later they meet.
  for (let tries = 1; ; tries++) {
    const both = await Promise.allSettled([sms.changeProvider(admin, reporter.id, { secrets: { key: `k${tries}` } }), sms.changeProvider(admin, reporter.id, { secrets: { key: `other${tries}` } })]);
    const states = both.map((one) => one.status).sort();
    assert.ok(states.includes('fulfilled'), 'one of them always gets through');
    if (states.includes('rejected')) break;
    assert.ok(tries < 200, 'nobody undoes the other unawares');
  }
});

test('what is unknown is asked about, less and less often, until it is known', async () => {
  said.send = { outcome: 'unknown', code: 'sms.answer_lost', detail: 'timeout' };
  said.questions.length = 0;
  const lost = await send('Где я', { senderId: reporter.id });
  assert.ok(!said.questions.some(({ id }) => id === lost.id), 'not at once');
  clock = new Date(clock.getTime() + 31_000);
  await jobs.drain();
  assert.deepEqual(said.questions.filter(({ id }) => id === lost.id).map(({ id, phone, text, providerMessageId }) => [id, phone, text, providerMessageId]), [[lost.id, '+79161234567', 'Где я', null]]);
  said.status = { outcome: 'transient', code: 'sms.gateway_busy', detail: '' };
  let asked = 0;
  for (let minutes = 0; minutes < 5 * 24 * 60; minutes++) {
    clock = new Date(clock.getTime() + 60_000);
    if (minutes % 60 && minutes > 30) continue;
    await jobs.drain();
  }
  asked = said.questions.filter(({ id }) => id === lost.id).length;
  assert.equal(asked, 10, 'and then a person decides');
  assert.equal((await deliveries.get(admin, lost.id)).state, 'unknown');

  const other = await send('x', { senderId: reporter.id });
  said.status = { state: 'delivered', providerMessageId: 'asked' };
  clock = new Date(clock.getTime() + 31_000);
  const known = await again(other.id);
  assert.deepEqual([known.state, known.providerMessageId], ['delivered', 'asked']);
  said.status = { state: 'unknown' };
});

test('the balance is told to administrators, by who can tell it', async () => {
  assert.deepEqual(await sms.balance(admin, reporter.id), { amount: 12.5, currency: 'RUB' });
  said.balance = { outcome: 'permanent', code: 'sms.sign_in_refused', detail: 'bad key' };
  await assert.rejects(sms.balance(admin, reporter.id), code('sms.sign_in_refused'));
  said.balance = { outcome: 'unknown', code: 'sms.answer_lost', detail: 'timeout' };
  await assert.rejects(sms.balance(admin, reporter.id), code('sms.balance_unknown'));
  await assert.rejects(sms.balance(admin, provider.id), code('sms.not_supported'));
  await assert.rejects(sms.balance(anna, reporter.id), code('access.admin_only'));
});

test('a key that is missing or not known is named in the reader’s language', async () => {
  const make = (secrets: Record<string, string>) => sms.createProvider(admin, { type: 'reporting', name: 'x', settings: {}, secrets, isDefault: false });
  await assert.rejects(make({}), code('sms.secret_missing'));
  await assert.rejects(make({ key: 'k', other: 'x' }), code('sms.settings_invalid'));
  await assert.rejects(create({ ...formSettings, url: undefined }), (error: unknown) => error instanceof UserError && error.params.field === 'Адрес шлюза' && error.params.problem === 'missing');
});
