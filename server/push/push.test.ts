/* oxlint-disable typescript/no-explicit-any -- answers are checked by the assertions; their types would only repeat the contract */
import assert from 'node:assert/strict';
import { createDecipheriv, createECDH, createPublicKey, hkdfSync, randomBytes, verify } from 'node:crypto';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { after, beforeEach, test } from 'node:test';
import { startTestVestnik } from '../../test/support/vestnik.ts';
import { sql } from '../db/db.ts';

/** A push service on loopback, and browsers that subscribed there. */
interface Arrived {
  path: string;
  headers: Record<string, string | string[] | undefined>;
  body: Buffer;
}
const arrived: Arrived[] = [];
const arrivals = (): readonly Arrived[] => arrived;
let answer: { status: number; headers?: Record<string, string> } = { status: 201 };
const service = createServer((request, response) => {
  const chunks: Buffer[] = [];
  request.on('data', (chunk: Buffer) => chunks.push(chunk));
  request.on('end', () => {
    arrived.push({ path: request.url ?? '', headers: request.headers, body: Buffer.concat(chunks) });
    response.writeHead(answer.status, answer.headers).end();
  });
});
await new Promise<void>((resolve) => {
  service.listen(0, '127.0.0.1', resolve);
});
after(() => service.close());
const { port } = service.address() as AddressInfo;

class Browser {
  readonly keys = createECDH('prime256v1');
  readonly auth = randomBytes(16);
  readonly name: string;
  constructor(name: string) {
    this.name = name;
    this.keys.generateKeys();
  }
  get subscription() {
    return { endpoint: `http://127.0.0.1:${port}/${this.name}`, keys: { p256dh: this.keys.getPublicKey('base64url'), auth: this.auth.toString('base64url') } };
  }
  /** RFC 8291: what the browser would hand to the service worker. */
  open(body: Buffer): any {
    const salt = body.subarray(0, 16);
    const keyLength = body[20] ?? 0;
    const senderKey = body.subarray(21, 21 + keyLength);
    const secret = this.keys.computeSecret(senderKey);
    const info = Buffer.concat([Buffer.from('WebPush: info\0'), this.keys.getPublicKey(), senderKey]);
    const ikm = Buffer.from(hkdfSync('sha256', secret, this.auth, info, 32));
    const key = Buffer.from(hkdfSync('sha256', ikm, salt, Buffer.from('Content-Encoding: aes128gcm\0'), 16));
    const nonce = Buffer.from(hkdfSync('sha256', ikm, salt, Buffer.from('Content-Encoding: nonce\0'), 12));
    const sealed = body.subarray(21 + keyLength);
    const decipher = createDecipheriv('aes-128-gcm', key, nonce).setAuthTag(sealed.subarray(-16));
    const text = Buffer.concat([decipher.update(sealed.subarray(0, -16)), decipher.final()]);
    return JSON.parse(text.subarray(0, text.lastIndexOf(2)).toString());
  }
  /** What arrived for it, opened. */
  heard(): any[] {
    return arrived.filter((one) => one.path === `/${this.name}`).map((one) => this.open(one.body));
  }
}

const vestnik = await startTestVestnik({ allowsPrivatePushHosts: true });
const { api, given, clock, drain, db, vestnik: product } = vestnik;
const anna = await given.employee({ firstName: 'Анна', lastName: 'Белова' });
const boris = await given.employee({ firstName: 'Борис', lastName: 'Волков' });
let count = 0;
async function device(of: { id: number }): Promise<Browser> {
  const browser = new Browser(`browser-${++count}`);
  await api(of).post('/api/push/devices', browser.subscription);
  return browser;
}
/** A message of Boris to Anna. */
const chatId = (await api(boris).post('/api/chats', { kind: 'private', employeeId: anna.id })).id;
const write = (body: string) => api(boris).post(`/api/chats/${chatId}/messages`, { body });
async function later(): Promise<void> {
  clock.advance('1 minute');
  await drain();
}
const settings = { isSoundOn: true, isReadOnSight: true, quiet: { isOn: false, from: '22:00', until: '08:00', isWeekendQuiet: false }, pushes: { bell: true, chats: true, feed: true } };

beforeEach(async () => {
  answer = { status: 201 };
  for (const who of [anna, boris]) for (const { id } of (await api(who).get('/api/push/devices')).items) await api(who).del(`/api/push/devices/${id}`);
  arrived.length = 0;
});

test('a message reaches every device of its reader, encrypted and signed, and nobody else', async () => {
  const [phone, laptop, his] = [await device(anna), await device(anna), await device(boris)];
  await write('[b]Договор[/b] подписан <script>');
  await drain();
  assert.deepEqual(arrived, [], 'an open tab has a moment to show it first');
  await later();
  for (const browser of [phone, laptop]) {
    assert.deepEqual(browser.heard(), [{ title: 'Борис Волков', body: 'Договор подписан <script>', tag: `chat-${chatId}`, path: `/messenger/${chatId}` }]);
  }
  assert.deepEqual(his.heard(), []);
  const [first] = arrivals();
  assert.ok(first);
  assert.equal(first.headers['content-encoding'], 'aes128gcm');
  assert.ok(!first.body.includes('Договор'));
  // VAPID: the signature is that of the key browsers subscribe with.
  const [, token = '', key = ''] = /^vapid t=([^,]+), ?k=(.+)$/.exec(String(first.headers['authorization'])) ?? [];
  const { publicKey } = await api(anna).get('/api/push/key');
  assert.equal(key, publicKey);
  const point = Buffer.from(publicKey, 'base64url');
  const jwk = { kty: 'EC', crv: 'P-256', x: point.subarray(1, 33).toString('base64url'), y: point.subarray(33).toString('base64url') };
  const [head = '', claims = '', signature = ''] = token.split('.');
  assert.ok(verify('sha256', Buffer.from(`${head}.${claims}`), { key: createPublicKey({ key: jwk, format: 'jwk' }), dsaEncoding: 'ieee-p1363' }, Buffer.from(signature, 'base64url')));
  assert.equal(JSON.parse(Buffer.from(claims, 'base64url').toString()).aud, `http://127.0.0.1:${port}`);
  await later();
  assert.equal(arrived.length, 2, 'told once');
});

test('the private key lies sealed in the database', async () => {
  await api(anna).get('/api/push/key');
  const row = await db.first<{ privateKey: Buffer }>(sql`select private_key from push_keys`);
  assert.ok(row && row.privateKey.length > 40 && !row.privateKey.toString('latin1').includes('privateKey'));
});

test('what was read on an open tab is not said again', async () => {
  const phone = await device(anna);
  const message = await write('прочтёт сразу');
  await api(anna).put(`/api/chats/${chatId}/read`, { upToId: message.id });
  await later();
  assert.deepEqual(phone.heard(), []);
  // A muted chat says nothing either.
  await api(anna).patch(`/api/chats/${chatId}/membership`, { isMuted: true });
  await write('тихо');
  await later();
  assert.deepEqual(phone.heard(), []);
  await api(anna).patch(`/api/chats/${chatId}/membership`, { isMuted: false });
  await write('громко');
  await later();
  assert.equal(phone.heard().length, 1);
  assert.equal(phone.heard()[0].body, 'громко');
});

test('quiet hours hold pushes until they end; ending them early lets them go', async () => {
  const phone = await device(anna);
  clock.set('2026-03-10T20:00:00Z');
  const answered = await api(anna).put('/api/notification-settings', { ...settings, quiet: { ...settings.quiet, isOn: true } });
  assert.equal(answered.quietUntil, '2026-03-11T05:00:00.000Z');
  await write('ночное');
  await later();
  assert.deepEqual(phone.heard(), []);
  clock.set('2026-03-11T05:00:01Z');
  await drain();
  assert.deepEqual(phone.heard().map((one) => one.body), ['ночное']);
  clock.set('2026-03-11T20:00:00Z');
  await write('второе ночное');
  await later();
  assert.equal(phone.heard().length, 1);
  await api(anna).put('/api/notification-settings', settings);
  await drain();
  assert.deepEqual(phone.heard().map((one) => one.body), ['ночное', 'второе ночное']);
  await assert.rejects(api(anna).put('/api/notification-settings', { ...settings, quiet: { ...settings.quiet, from: '25:00' } }), { status: 400 });
});

test('the bell rings a device, and many at once become one', async () => {
  const phone = await device(anna);
  const tell = (bodies: string[]) => db.transaction((tx) => product.notifications.writeNotifications(tx, bodies.map((body) => ({ employeeId: anna.id, senderId: boris.id, body, itemId: null, runId: null }))));
  await tell(['Новая [b]заявка[/b]', 'Ещё одна']);
  await later();
  assert.deepEqual(phone.heard().map((one) => [one.title, one.body, one.path]), [['Борис Волков', 'Новая заявка', '/notifications'], ['Борис Волков', 'Ещё одна', '/notifications']]);
  await tell(Array.from({ length: 12 }, (_, i) => `заявка ${i}`));
  await later();
  assert.equal(phone.heard().length, 3);
  assert.equal(phone.heard()[2].title, '12 новых уведомлений');
});

test('a post tells its readers’ devices, not its author’s, nor whoever has seen it meanwhile', async () => {
  const [phone, his] = [await device(anna), await device(boris)];
  const post = (more: object) => api(boris).post('/api/posts', { body: '[b]Склад[/b] переезжает', audience: [{ kind: 'employee', id: anna.id }], ...more });
  const { id } = await post({ title: 'Переезд', isImportant: true });
  await later();
  assert.deepEqual(phone.heard(), [{ title: 'Важно · Борис Волков', body: 'Переезд. Склад переезжает', tag: `post-${id}`, path: `/feed/${id}` }]);
  assert.deepEqual(his.heard(), []);
  await api(anna).put('/api/posts/seen', { upToId: (await post({})).id });
  await later();
  assert.equal(phone.heard().length, 1);
  await post({ audience: [{ kind: 'everyone' }] });
  await later();
  assert.equal(phone.heard().at(-1).title, 'Лента · Борис Волков');
});

test('everybody chooses what devices are told of', async () => {
  const phone = await device(anna);
  const tellAll = async (): Promise<void> => {
    await write('в чате');
    await api(boris).post('/api/posts', { body: 'в ленте', audience: [{ kind: 'employee', id: anna.id }] });
    await db.transaction((tx) => product.notifications.writeNotifications(tx, [{ employeeId: anna.id, senderId: boris.id, body: 'в колокольчике', itemId: null, runId: null }]));
    await later();
  };
  await api(anna).put('/api/notification-settings', { ...settings, pushes: { bell: false, chats: false, feed: true } });
  await tellAll();
  assert.deepEqual(phone.heard().map((one) => one.body), ['в ленте']);
  await api(anna).post('/api/push/test');
  await drain();
  assert.equal(phone.heard().at(-1).tag, 'test', 'what one asks for comes always');
  await api(anna).put('/api/notification-settings', settings);
  await later();
  assert.equal(phone.heard().length, 2, 'what was not wanted is not said later');
  await tellAll();
  assert.deepEqual(phone.heard().slice(2).map((one) => one.body).sort(), ['в колокольчике', 'в ленте', 'в чате']);
});

test('a device that is gone is forgotten, a busy service is asked again later', async () => {
  const phone = await device(anna);
  answer = { status: 503, headers: { 'retry-after': '120' } };
  await write('подождёт');
  await later();
  answer = { status: 201 };
  await later();
  assert.equal(arrived.length, 1, 'not before the service said so');
  clock.advance('2 minutes');
  await drain();
  assert.equal(phone.heard().at(-1).body, 'подождёт');
  answer = { status: 410 };
  await write('никому');
  await later();
  assert.deepEqual((await api(anna).get('/api/push/devices')).items, []);
});

test('a browser belongs to whoever signed in there last, and only he can forget it', async () => {
  const phone = await device(anna);
  await api(boris).post('/api/push/devices', phone.subscription);
  assert.deepEqual((await api(anna).get('/api/push/devices')).items, []);
  await write('не Борису');
  await later();
  assert.deepEqual(phone.heard(), []);
  const [{ id }] = (await api(boris).get('/api/push/devices')).items;
  await assert.rejects(api(anna).del(`/api/push/devices/${id}`), { status: 404 });
  await api(boris).post('/api/push/test');
  await drain();
  assert.deepEqual(phone.heard().map((one) => one.tag), ['test']);
});

test('addresses in internal networks are refused', async () => {
  const strict = await startTestVestnik();
  const employee = await strict.given.employee({ firstName: 'Вера' });
  const { keys } = new Browser('x').subscription;
  for (const endpoint of ['https://127.0.0.1/x', 'https://[::1]/x', 'https://10.1.2.3/x', 'https://169.254.169.254/latest', 'http://push.example.com/x']) {
    await assert.rejects(strict.api(employee).post('/api/push/devices', { endpoint, keys }), { status: 400, code: 'push.private_host' }, endpoint);
  }
  await assert.rejects(strict.api(employee).post('/api/push/devices', { endpoint: 'file:///etc/passwd', keys }), { status: 400 });
});
