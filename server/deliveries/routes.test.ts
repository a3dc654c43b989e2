import assert from 'node:assert/strict';
import http from 'node:http';
import type { AddressInfo } from 'node:net';
import { after, test } from 'node:test';
import { SMTPServer } from 'smtp-server';
import { testDatabase } from '../../test/support/database.ts';
import { sql } from '../db/db.ts';
import { createDrive } from '../drive/drive.ts';
import { buildApp } from '../http/http.ts';
import { createJobs } from '../jobs/jobs.ts';
import { createLive } from '../live/live.ts';
import { createMail } from '../messaging/mail/mail.ts';
import { mailRoutes } from '../messaging/mail/routes.ts';
import { smsRoutes } from '../messaging/sms/routes.ts';
import { createSms } from '../messaging/sms/sms.ts';
import { createPeople, type Actor } from '../people/people.ts';
import { createDeliveries } from './deliveries.ts';
import { deliveriesRoutes } from './routes.ts';

const { db } = await testDatabase();
const now = () => new Date('2026-03-02T10:00:00Z');
const onError = (error: unknown) => assert.fail(String(error));
const jobs = createJobs({ db, now, onError });
const live = createLive({ db, now });
const people = createPeople({ db, live, now });
const drive = createDrive({ db, live, now, directory: '/nonexistent' });
const deliveries = createDeliveries({ db, live, jobs, now, secret: 's', messageIdHost: 'x', onError });
const mail = createMail({ db, drive, deliveries, now, publicUrl: 'http://localhost' });
const sms = createSms({ db, jobs, people, deliveries, now, publicUrl: 'https://crm.example.com' });
mail.startSending();
sms.startSending();
await db.run(sql`insert into company (name, country) values ('Ромашка', 'RU') on conflict do nothing`);
await db.run(sql`insert into employees (id, email, is_admin) values (1, 'admin@x', true), (2, 'anna@x', false)`);
const admin: Actor = { employeeId: 1, isAdmin: true, language: 'ru', timeZone: 'Europe/Moscow', via: 'token' };
const actors = new Map([['admin', admin], ['anna', { ...admin, employeeId: 2, isAdmin: false }]]);
const app = await buildApp({
  db, now, publicUrl: 'http://localhost', actorFromToken: async (token) => actors.get(token), companyLanguage: async () => 'ru',
  options: { logLevel: 'silent', trustProxy: false }, routes: [deliveriesRoutes({ deliveries, db, readRun: async () => {} }), mailRoutes({ mail, db }), smsRoutes({ sms, db, publicUrl: 'https://crm.example.com' })],
});

let letters = 0;
const smtp = new SMTPServer({ authOptional: true, disabledCommands: ['STARTTLS'], onData: (stream, _session, done) => { stream.resume().on('end', () => { letters++; done(); }); } });
await new Promise<void>((resolve) => smtp.listen(0, '127.0.0.1', resolve));
const gateway = http.createServer((request, response) => request.resume().on('end', () => response.end('taken')));
await new Promise<void>((resolve) => gateway.listen(0, '127.0.0.1', resolve));
after(async () => {
  mail.close();
  await sms.close();
  await app.close();
  gateway.close();
  await new Promise<void>((resolve) => smtp.close(resolve));
});

async function call(who: string, method: 'GET' | 'POST' | 'PATCH' | 'DELETE', url: string, payload?: object) {
  const answer = await app.inject({ method, url, payload, headers: { authorization: `Bearer ${who}` } });
  return { status: answer.statusCode, body: answer.body === '' ? undefined : answer.json() };
}

test('a sender is set up, tested, seen in the journal, chosen, changed and deleted over HTTP', async () => {
  const sender = { name: 'Вестник', address: 'robot@example.com', host: '127.0.0.1', port: (smtp.server.address() as AddressInfo).port, security: 'none' };
  assert.equal((await call('anna', 'POST', '/api/mail/senders', sender)).status, 403);
  const refused = await call('admin', 'POST', '/api/mail/senders', { ...sender, port: 1 });
  assert.deepEqual([refused.status, refused.body.code, refused.body.path], [422, 'mail.connection_refused', 'port']);
  assert.match(refused.body.message, /127\.0\.0\.1 .* порту 1\./);
  assert.equal((await call('admin', 'POST', '/api/mail/senders', { ...sender, name: 'a\r\nb' })).status, 400);
  const made = await call('admin', 'POST', '/api/mail/senders', sender);
  assert.equal(made.status, 201);
  assert.equal(made.body.hasPassword, false);
  const queued = await call('admin', 'POST', `/api/mail/senders/${made.body.id}/test`, { address: 'me@example.com' });
  assert.equal(queued.status, 202);
  await jobs.drain();
  assert.equal(letters, 1);
  const journal = await call('admin', 'GET', '/api/deliveries?channel=email&state=accepted');
  assert.deepEqual(journal.body.items.map((item: { id: number }) => item.id), [queued.body.deliveryId]);
  assert.equal((await call('admin', 'GET', `/api/deliveries/${queued.body.deliveryId}`)).body.log[0].outcome, 'accepted');
  assert.equal((await call('anna', 'GET', `/api/deliveries/${queued.body.deliveryId}`)).status, 404);
  assert.equal((await call('admin', 'POST', `/api/deliveries/${queued.body.deliveryId}/decision`, { decision: 'mark_sent' })).status, 409);
  assert.deepEqual((await call('anna', 'GET', '/api/mail/sender-choices')).body, [{ id: made.body.id, name: 'Вестник', address: 'robot@example.com', isDefault: true }]);
  assert.equal((await call('anna', 'GET', '/api/mail/senders')).status, 403);
  assert.equal((await call('admin', 'PATCH', `/api/mail/senders/${made.body.id}`, { name: 'Другое' })).body.name, 'Другое');
  assert.equal((await call('admin', 'DELETE', `/api/mail/senders/${made.body.id}`)).status, 204);
  assert.equal((await call('admin', 'DELETE', `/api/mail/senders/${made.body.id}`)).status, 404);
});

test('a provider is set up, tested and its failure is told in the reader’s language over HTTP', async () => {
  const settings = { url: `http://127.0.0.1:${(gateway.address() as AddressInfo).port}/`, allowPrivateHost: true, fields: [{ name: 'to', value: '{phone}' }] };
  const provider = { type: 'http', name: 'Шлюз', settings, secrets: { token: 'x' } };
  assert.equal((await call('anna', 'POST', '/api/sms/providers', provider)).status, 403);
  const inside = await call('admin', 'POST', '/api/sms/providers', { ...provider, settings: { ...settings, allowPrivateHost: false } });
  assert.deepEqual([inside.status, inside.body.code, inside.body.path], [400, 'sms.private_host', 'settings.url']);
  const made = await call('admin', 'POST', '/api/sms/providers', provider);
  assert.equal(made.status, 201);
  assert.deepEqual(made.body.secretNames, ['token']);
  assert.ok((await call('admin', 'GET', '/api/sms/provider-types')).body.some((type: { id: string; title: string }) => type.id === 'http' && type.title === 'Любой шлюз по HTTP'));
  const queued = await call('admin', 'POST', `/api/sms/providers/${made.body.id}/test`, { phone: '89161234567' });
  await jobs.drain();
  assert.equal((await call('admin', 'GET', `/api/deliveries/${queued.body.deliveryId}`)).body.state, 'accepted');
  await call('admin', 'PATCH', `/api/sms/providers/${made.body.id}`, { settings: { ...settings, messageIdPath: 'id' } });
  const unclear = await call('admin', 'POST', `/api/sms/providers/${made.body.id}/test`, { phone: '89161234567' });
  await jobs.drain();
  const told = (await call('admin', 'GET', `/api/deliveries/${unclear.body.deliveryId}`)).body;
  assert.equal(told.state, 'unknown');
  assert.match(told.error.message, /ответил непонятно.*taken/);
  assert.equal((await call('anna', 'POST', `/api/deliveries/${unclear.body.deliveryId}/decision`, { decision: 'mark_sent' })).status, 403);
  assert.equal((await call('admin', 'POST', `/api/deliveries/${unclear.body.deliveryId}/decision`, { decision: 'mark_sent' })).status, 204);
});

test('test messages are limited to a few a minute: the next one is told when, and is not queued', async () => {
  const settings = { url: `http://127.0.0.1:${(gateway.address() as AddressInfo).port}/`, allowPrivateHost: true, fields: [{ name: 'to', value: '{phone}' }] };
  const { body: provider } = await call('admin', 'POST', '/api/sms/providers', { type: 'http', name: 'Для проверки', settings, secrets: { token: 'x' } });
  const ask = () => call('admin', 'POST', `/api/sms/providers/${provider.id}/test`, { phone: '89161234567' });
  let answer = await ask();
  let queued = 0;
  for (; answer.status === 202 && queued < 10; queued++) answer = await ask();
  assert.deepEqual([answer.status, answer.body.code], [429, 'request.too_many']);
  assert.match(answer.body.message, /^Слишком много запросов подряд\. Повторите через \d+ секунд[уы]?\.$/);
  assert.ok(queued <= 5, `${queued} were taken.`);
  const { items } = (await call('admin', 'GET', `/api/deliveries?senderId=${provider.id}&channel=sms`)).body;
  assert.equal(items.length, queued);
});

test('a stranger’s callback is told nothing, whatever he sends', async () => {
  for (const [url, type, payload] of [
    ['/api/sms/callbacks/1/guess', 'application/x-www-form-urlencoded', 'a=%00b&a=c'], ['/api/sms/callbacks/0/x', 'text/xml', '<a/>'], ['/api/sms/callbacks/x/y', 'application/json', '{'],
  ] as const) {
    const { statusCode } = await app.inject({ method: 'POST', url, headers: { 'content-type': type }, payload });
    assert.equal(statusCode, 404, url);
    assert.equal((await app.inject({ method: 'GET', url: `${url}?status=delivered` })).statusCode, 404);
  }
  assert.equal((await app.inject({ method: 'POST', url: '/api/sms/callbacks/1/x', headers: { 'content-type': 'text/plain' }, payload: 'x'.repeat(70_000) })).statusCode, 413);
});
