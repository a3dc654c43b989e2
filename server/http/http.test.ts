import assert from 'node:assert/strict';
import { request as httpRequest } from 'node:http';
import { connect } from 'node:net';
import test, { after, before } from 'node:test';
import type { FastifyPluginAsyncZod } from 'fastify-type-provider-zod';
import { z } from 'zod';
import { testDatabase } from '../../test/support/database.ts';
import { TransientError, UserError } from '../../shared/errors.ts';
import type { Language } from '../../shared/messages.ts';
import type { Actor } from '../people/people.ts';
import { type App, buildApp, describeApi } from './http.ts';

const { db } = await testDatabase();
const actor = (employeeId: number, language: Language, isAdmin: boolean): Actor => ({ employeeId, language, isAdmin, timeZone: 'Europe/Moscow', via: 'token' });
const actors = new Map([
  ['anna', actor(1, 'ru', true)],
  ['bob', actor(2, 'en', false)],
]);

const json = async (answer: Response) => JSON.parse(await answer.text());

let release: () => void = () => {};
const slowBegan = Promise.withResolvers<void>();
const schema = (summary: string) => ({ tags: ['Test'], summary });
const routes: FastifyPluginAsyncZod = async (app) => {
  app.get('/api/me', { schema: schema('Who am I') }, (request) => ({ id: request.actor.employeeId }));
  app.get('/api/open', { config: { public: true }, schema: schema('Open') }, (request) => ({ length: request.url.length }));
  app.post('/api/session', { config: { public: true, guessable: true }, schema: schema('Sign in') }, (_request, reply) => {
    reply.startSession('anna', new Date(Date.now() + 60_000));
    return {};
  });
  app.delete('/api/session', { schema: schema('Sign out') }, (_request, reply) => {
    reply.endSession();
    return {};
  });
  const deal = z.strictObject({ title: z.string().min(3).max(255), amount: z.number().optional(), stages: z.array(z.object({ name: z.string() })).max(3).optional() });
  app.post('/api/deals', { schema: { ...schema('Create'), body: deal, querystring: z.object({ limit: z.coerce.number().max(100).optional() }) } }, (request) => request.body);
  app.get('/api/fail', { schema: { ...schema('Fail'), querystring: z.object({ how: z.string() }) } }, (request) => {
    if (request.query.how === 'user') throw new UserError('request.not_found', { kind: 'file', id: 7 });
    if (request.query.how === 'later') throw new TransientError('database.unavailable', { retryAt: new Date(Date.now() + 30_000) });
    throw new Error('the secret of the house');
  });
  app.get('/api/slow', { schema: schema('Slow') }, () => {
    slowBegan.resolve();
    return new Promise((resolve) => (release = () => resolve({ done: true })));
  });
};

async function start(options: { publicUrl?: string } = {}): Promise<{ app: App; url: string; port: number }> {
  const app = await buildApp({
    db,
    now: () => new Date(),
    publicUrl: options.publicUrl ?? 'http://localhost:3000',
    actorFromToken: async (token) => actors.get(token),
    companyLanguage: async () => 'ru',
    options: { logLevel: 'silent', trustProxy: false, guessesPerMinute: 5 },
    routes: [routes],
  });
  const url = await app.listen({ port: 0, host: '127.0.0.1' });
  return { app, url, port: Number(new URL(url).port) };
}

let app: App;
let url: string;
let port: number;
before(async () => ({ app, url, port } = await start()));
after(() => app.close());

const as = (token: string, more: Record<string, string> = {}) => ({ authorization: `Bearer ${token}`, ...more });
const post = (path: string, body: string, headers: Record<string, string>) => fetch(url + path, { method: 'POST', body, headers: { 'content-type': 'application/json', ...headers } });

test('a stranger is asked to sign in, in the language of the browser, else of the company', async () => {
  const german = await fetch(`${url}/api/me`, { headers: { 'accept-language': 'de' } });
  assert.equal(german.status, 401);
  assert.deepEqual(await json(german), { code: 'auth.required', message: 'Войдите, чтобы продолжить.', params: {} });
  const english = await fetch(`${url}/api/me`, { headers: { 'accept-language': 'de, ru;q=0.3, en-GB;q=0.8' } });
  assert.equal((await json(english)).message, 'Sign in to continue.');
});

test('a token by header or a session by cookie says who it is; a wrong one does not', async () => {
  assert.deepEqual(await json(await fetch(`${url}/api/me`, { headers: as('bob') })), { id: 2 });
  assert.deepEqual(await json(await fetch(`${url}/api/me`, { headers: { cookie: 'session=anna' } })), { id: 1 });
  assert.equal((await fetch(`${url}/api/me`, { headers: as('mallory') })).status, 401);
  assert.equal((await fetch(`${url}/api/me`, { headers: { cookie: '__Host-session=anna' } })).status, 401);
});

test('an error speaks the language of who is signed in, whatever the browser says', async () => {
  const russian = await fetch(`${url}/api/fail?how=user`, { headers: as('anna', { 'accept-language': 'en' }) });
  assert.equal(russian.status, 404);
  assert.deepEqual(await json(russian), { code: 'request.not_found', message: 'Файл № 7 не найден или недоступен вам.', params: { kind: 'file', id: 7 } });
  const english = await fetch(`${url}/api/fail?how=user`, { headers: as('bob') });
  assert.match((await json(english)).message, /^File no\. 7 was not found/);
});

test('what may be tried again says when', async () => {
  const answer = await fetch(`${url}/api/fail?how=later`, { headers: as('bob') });
  assert.equal(answer.status, 503);
  assert.ok(Math.abs(Number(answer.headers.get('retry-after')) - 30) <= 1);
  assert.equal((await json(answer)).code, 'database.unavailable');
});

test('a bug of ours tells a number and no secrets', async () => {
  const answer = await fetch(`${url}/api/fail?how=bug`, { headers: as('bob') });
  const text = await answer.text();
  assert.equal(answer.status, 500);
  assert.ok(!text.includes('secret'));
  const { code, params, message } = JSON.parse(text);
  assert.equal(code, 'internal');
  assert.ok(message.includes(params.requestId));
});

test('wrong input names the field in the language of the reader', async () => {
  const russian = await post('/api/deals', '{"title":"ab"}', as('anna'));
  assert.equal(russian.status, 400);
  const answer = await json(russian);
  assert.equal(answer.code, 'request.invalid');
  assert.equal(answer.path, 'title');
  assert.match(answer.message, /^Проверьте поле «title»: слишком маленькое значение/);
  const english = await json(await post('/api/deals', '{"title":"Roof","stages":[{"name":"New"},{"name":5}]}', as('bob')));
  assert.equal(english.path, 'stages.1.name');
  assert.match(english.message, /^Check the field “stages\.1\.name”: text is needed here\.$/);
  const missing = await json(await post('/api/deals', '{}', as('bob')));
  assert.equal(missing.message, 'Check the field “title”: a required value is missing.');
  const unknown = await json(await post('/api/deals', '{"title":"Roof","colour":1}', as('bob')));
  assert.equal(unknown.path, 'colour');
  assert.equal(unknown.message, 'Check the field “colour”: there are no such fields here: colour.');
  const query = await json(await post('/api/deals?limit=1000', '{"title":"Roof"}', as('bob')));
  assert.equal(query.path, 'limit');
  const nothing = await json(await post('/api/deals', '', as('anna')));
  assert.match(nothing.message, /^Проверьте поле «тело запроса»/);
});

test('what is not JSON, poisons prototypes, or is of another type is refused', async () => {
  const broken = await post('/api/deals', '{"title":', as('bob'));
  assert.equal(broken.status, 400);
  assert.equal((await json(broken)).message, 'The request could not be read: it is not JSON. Correct it and send it again.');
  assert.equal((await post('/api/deals', '{"title":"Roof","__proto__":{"isAdmin":true}}', as('bob'))).status, 400);
  assert.equal((await post('/api/deals', '{"title":"Roof","constructor":{"prototype":{}}}', as('bob'))).status, 400);
  const xml = await fetch(`${url}/api/deals`, { method: 'POST', body: '<deal/>', headers: as('bob', { 'content-type': 'application/xml' }) });
  assert.equal(xml.status, 415);
  assert.deepEqual((await json(xml)).params, { mediaType: 'application/xml' });
});

test('half of a surrogate pair becomes a replacement character, whole pairs stay', async () => {
  const answer = await json(await post('/api/deals', '{"title":"Roof \\ud83d","stages":[{"name":"\\ud83d\\ude00"}]}', as('anna')));
  assert.deepEqual(answer, { title: 'Roof \ufffd', stages: [{ name: '\u{1f600}' }] });
});

test('what is nested deeper than any contract is refused before it is read', async () => {
  for (const body of [`${'['.repeat(400_000)}"\\u0000"${']'.repeat(400_000)}`, `{"title":${'{"a":'.repeat(200)}1${'}'.repeat(200)}}`]) {
    const answer = await post('/api/deals', body, as('bob'));
    assert.equal(answer.status, 400);
    assert.equal((await json(answer)).message, 'The request could not be read: it is nested more than 100 levels deep. Correct it and send it again.');
  }
  // Brackets inside of texts are letters.
  assert.equal((await post('/api/deals', JSON.stringify({ title: '[{\\"'.repeat(50) }), as('bob'))).status, 200);
});

test('only JSON is read: what a page of another site may send unasked is not', async () => {
  for (const type of ['text/plain', 'application/x-www-form-urlencoded', 'multipart/form-data; boundary=x']) {
    assert.equal((await post('/api/deals', '{"title":"Roof"}', as('bob', { 'content-type': type }))).status, 415, type);
  }
});

test('keys that nobody knows are named, but not at length', async () => {
  const answer = await json(await post('/api/deals', JSON.stringify({ title: 'Roof', ['k'.repeat(100_000)]: 1 }), as('bob')));
  assert.ok(answer.message.length < 500, `${answer.message.length} characters`);
});

test('a NUL character is refused in bodies, queries and paths; the letters \\u0000 are not', async () => {
  const inBody = await post('/api/deals', '{"title":"Ro\\u0000of"}', as('anna'));
  assert.equal(inBody.status, 400);
  assert.match((await json(inBody)).message, /недопустимый символ с кодом 0/);
  assert.equal((await post('/api/deals', '{"title":"Roof","stages":[{"name":"a\\u0000"}]}', as('bob'))).status, 400);
  assert.equal((await fetch(`${url}/api/fail?how=%00`, { headers: as('bob') })).status, 400);
  assert.equal((await fetch(`${url}/api/me/%00`, { headers: as('bob') })).status, 400);
  assert.equal((await json(await post('/api/deals', '{"title":"Roof \\\\u0000"}', as('bob')))).title, 'Roof \\u0000');
});

test('a body above the limit is refused and the limit is named', async () => {
  const answer = await post('/api/deals', JSON.stringify({ title: 'x'.repeat(1_100_000) }), as('anna'));
  assert.equal(answer.status, 413);
  assert.match((await json(answer)).message, /не больше 1 МБ/);
});

test('an unknown address, a wrong method and a broken address are told apart from a crash', async () => {
  const unknown = await fetch(`${url}/api/kites?secret=1`, { headers: { 'accept-language': 'en' } });
  assert.equal(unknown.status, 404);
  assert.deepEqual(await json(unknown), {
    code: 'request.not_found',
    message: 'There is no “GET /api/kites” here. Check the method and the address of the request.',
    params: { kind: 'address', id: 'GET /api/kites' },
  });
  assert.equal((await fetch(`${url}/api/me`, { method: 'PUT', headers: as('bob') })).status, 404);
  const broken = await fetch(`${url}/api/%zz`);
  assert.equal(broken.status, 400);
  assert.equal((await json(broken)).code, 'request.malformed');
});

test('an address of 28 KB is accepted', async () => {
  const path = `/api/open?filter=${'a'.repeat(28 * 1024)}`;
  const answer = await fetch(url + path);
  assert.equal(answer.status, 200);
  assert.equal((await json(answer)).length, path.length);
});

test('what is not HTTP gets an answer of the same shape', async () => {
  const socket = connect(port, '127.0.0.1');
  socket.end('NONSENSE\r\n\r\n');
  let heard = '';
  for await (const chunk of socket) heard += chunk;
  assert.match(heard, /^HTTP\/1\.1 400 /);
  assert.equal(JSON.parse(heard.split('\r\n\r\n')[1]!).code, 'request.malformed');
});

test('every answer carries the headers that protect', async () => {
  for (const path of ['/api/open', '/api/me', '/api/nothing', '/health']) {
    const { headers } = await fetch(url + path);
    assert.match(headers.get('content-security-policy') ?? '', /default-src 'none'; frame-ancestors 'none'/, path);
    assert.equal(headers.get('x-content-type-options'), 'nosniff');
    assert.equal(headers.get('referrer-policy'), 'same-origin');
    assert.equal(headers.get('strict-transport-security'), null);
  }
});

test('a session cookie from another site changes nothing; reading and API tokens are free', async () => {
  const cookie = 'session=anna';
  const status = async (headers: Record<string, string>) => (await post('/api/deals', '{"title":"Roof"}', headers)).status;
  assert.equal(await status({ cookie, origin: 'https://evil.example' }), 403);
  assert.equal(await status({ cookie, origin: 'null' }), 403);
  assert.equal(await status({ cookie }), 403);
  assert.equal(await status({ cookie, 'sec-fetch-site': 'cross-site' }), 403);
  assert.equal(await status({ cookie, 'sec-fetch-site': 'same-site' }), 403);
  assert.equal(await status({ cookie, origin: url }), 200);
  assert.equal(await status({ cookie, origin: 'http://localhost:3000' }), 200);
  assert.equal(await status({ cookie, 'sec-fetch-site': 'same-origin' }), 200);
  assert.equal(await status(as('bob', { origin: 'https://evil.example' })), 200);
  const refused = await post('/api/deals', '{"title":"Roof"}', { cookie, origin: 'https://evil.example', 'accept-language': 'en' });
  assert.match((await json(refused)).message, /^The request came from another site.*http:\/\/localhost:3000/);
  assert.equal((await fetch(`${url}/api/me`, { headers: { cookie, 'sec-fetch-site': 'cross-site' } })).status, 200);
});

test('a session starts and ends with a cookie no script can read', async () => {
  const started = (await post('/api/session', '{}', {})).headers.get('set-cookie');
  assert.equal(started, 'session=anna; Max-Age=60; Path=/; HttpOnly; SameSite=Lax');
  const ended = await fetch(`${url}/api/session`, { method: 'DELETE', headers: { cookie: 'session=anna', origin: url } });
  assert.match(ended.headers.get('set-cookie') ?? '', /^session=; Max-Age=0; .*HttpOnly/);
});

test('behind https the cookie is bound to the host and the browser told to stay', async () => {
  const secure = await start({ publicUrl: 'https://crm.example' });
  try {
    const answer = await fetch(`${secure.url}/api/session`, { method: 'POST' });
    assert.match(answer.headers.get('set-cookie') ?? '', /^__Host-session=anna; .*Path=\/; HttpOnly; Secure; SameSite=Lax$/);
    assert.ok(answer.headers.get('strict-transport-security'));
    assert.equal((await fetch(`${secure.url}/api/me`, { headers: { cookie: 'session=anna' } })).status, 401);
    assert.equal((await fetch(`${secure.url}/api/me`, { headers: { cookie: '__Host-session=anna' } })).status, 200);
    const proxied = { cookie: '__Host-session=anna', origin: 'https://crm.example', 'content-type': 'application/json' };
    assert.equal((await fetch(`${secure.url}/api/deals`, { method: 'POST', body: '{"title":"Roof"}', headers: proxied })).status, 200);
  } finally {
    await secure.app.close();
  }
});

test('guessing is slowed down, and only guessing', async () => {
  const own = await start();
  try {
    const statuses: number[] = [];
    for (let tries = 0; tries < 6; tries++) statuses.push((await fetch(`${own.url}/api/session`, { method: 'POST' })).status);
    assert.deepEqual(statuses, [200, 200, 200, 200, 200, 429]);
    const refused = await fetch(`${own.url}/api/session`, { method: 'POST', headers: { 'accept-language': 'ru' } });
    assert.ok(Number(refused.headers.get('retry-after')) > 0);
    const { code, message } = await json(refused);
    assert.equal(code, 'request.too_many');
    assert.match(message, /^Слишком много запросов подряд\. Повторите через \d+ секунд/);
    assert.equal((await fetch(`${own.url}/api/me`, { headers: as('bob') })).status, 200);
  } finally {
    await own.app.close();
  }
});

test('health tells everybody whether, and administrators what', async () => {
  assert.deepEqual(await json(await fetch(`${url}/health`)), { status: 'ok' });
  assert.deepEqual(await json(await fetch(`${url}/health`, { headers: as('bob') })), { status: 'ok' });
  const details = await json(await fetch(`${url}/health`, { headers: as('anna') }));
  assert.equal(details.details.databaseReachable, true);
  assert.equal(details.details.oldestDueAt, null);
});

test('metrics are for administrators and for this machine, not for who comes through its proxy', async () => {
  const local = await (await fetch(`${url}/metrics`)).text();
  assert.match(local, /vestnik_http_request_seconds_count\{method="GET",route="\/api\/me",status="200"\}/);
  const forwarded = { 'x-forwarded-for': '203.0.113.9' };
  assert.equal((await fetch(`${url}/metrics`, { headers: forwarded })).status, 403);
  assert.equal((await fetch(`${url}/metrics`, { headers: as('bob', forwarded) })).status, 403);
  assert.equal((await fetch(`${url}/metrics`, { headers: as('anna', forwarded) })).status, 200);
});

test('the description is OpenAPI 3.1 with a summary and an area for each route', async () => {
  const description = await json(await fetch(`${url}/api/openapi.json`));
  assert.deepEqual(description, JSON.parse(JSON.stringify(describeApi(app))));
  assert.equal(description.openapi, '3.1.0');
  const create = description.paths['/api/deals'].post;
  assert.deepEqual(create.tags, ['Test']);
  assert.equal(create.requestBody.content['application/json'].schema.properties.title.maxLength, 255);
  assert.ok(description.components.schemas.Error);
  assert.deepEqual(description.paths['/api/open'].get.security, []);
});

test('stopping answers what is under way and refuses what comes after', async () => {
  const own = await start();
  const slow = fetch(`${own.url}/api/slow`, { headers: as('bob') });
  const { promise: answered, resolve } = Promise.withResolvers<number>();
  // A second connection that is open already, so that the listening socket does not matter.
  const late = httpRequest({ port: own.port, host: '127.0.0.1', path: '/api/me', headers: { authorization: 'Bearer bob', connection: 'keep-alive' } }, (answer) => {
    resolve(answer.statusCode ?? 0);
    answer.resume();
  });
  await new Promise<void>((connected) => late.on('socket', (socket) => socket.on('connect', connected)));
  await slowBegan.promise;
  const closed = own.app.close();
  await new Promise((turn) => setImmediate(turn));
  late.end();
  assert.equal(await answered, 503);
  release();
  const answer = await slow;
  assert.equal(answer.status, 200);
  assert.deepEqual(await json(answer), { done: true });
  await closed;
});
