/** What a page of another site, or a file somebody uploaded, can do in the browser of a person who is signed in: nothing. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { changes, routesOf } from './routes.ts';
import { addressOf, initOf, publicRoutes, table } from './table.ts';
import { createWorld } from './world.ts';

const w = await createWorld();
const { all } = routesOf(w);
const cookie = w.ownerCookie.split(';')[0]!;
const host = new URL(w.url).host;

const foreign: Record<string, Record<string, string>> = {
  'another site': { origin: 'https://evil.example', 'sec-fetch-site': 'cross-site' },
  'another site in an old browser': { origin: 'https://evil.example' },
  'a neighbour of the domain': { origin: 'https://shop.example.com', 'sec-fetch-site': 'same-site' },
  'a sandboxed page': { origin: 'null' },
  'a site named alike': { origin: `http://${host}.evil.example` },
  'no page': {},
};

test('what changes something is refused when a page of another site asks with the cookie', async () => {
  const changing = all.filter((route) => changes(route) && !publicRoutes.has(route.name));
  assert.ok(changing.length > 80);
  const params = { id: 1, commentId: 1, messageId: 1, employeeId: 1, pipelineId: 1, stageId: 1, versionId: 1, runId: 1, reaction: 'like', day: '2026-01-01' };
  const wrong: string[] = [];
  for (const { name } of changing) {
    for (const [from, headers] of Object.entries(foreign)) {
      const init = initOf(name, { body: {} });
      const answer = await w.ask.nobody(addressOf(name, { params }), { ...init, headers: { ...init.headers, ...headers, cookie } });
      const { code } = JSON.parse(await answer.text());
      if (answer.status !== 403 || code !== 'request.wrong_origin') wrong.push(`${name} from ${from}: ${answer.status} ${code}`);
    }
  }
  assert.deepEqual(wrong, []);
});

test('a page of ours may, and reading needs no origin because nobody else can read the answer', async () => {
  const own = { cookie, origin: w.url, 'sec-fetch-site': 'same-origin', 'content-type': 'application/json' };
  assert.equal((await w.ask.nobody('/api/me', { method: 'PATCH', headers: own, body: '{"secondName":"Своя"}' })).status, 200);
  const read = await w.ask.nobody('/api/me', { headers: { cookie, origin: 'https://evil.example' } });
  assert.equal(read.status, 200);
  assert.equal(read.headers.get('access-control-allow-origin'), null);
});

test('no preflight of another site is answered with permission', async () => {
  for (const { name } of all.filter(changes)) {
    const answer = await w.ask.nobody(addressOf(name, { params: { id: 1 } }), { method: 'OPTIONS', headers: { origin: 'https://evil.example', 'access-control-request-method': name.split(' ')[0]! } });
    assert.equal(answer.headers.get('access-control-allow-origin'), null, name);
    await answer.arrayBuffer();
  }
});

test('GET changes nothing: each is refused or answered without writing', async () => {
  const before = await w.api(w.people.owner).get('/api/me');
  for (const row of table.filter(({ route }) => route.startsWith('GET '))) {
    const answer = await w.ask.owner(addressOf(row.route, await row.request(w, 'owner')));
    assert.equal(answer.headers.get('set-cookie'), null, row.route);
    await answer.arrayBuffer();
  }
  assert.deepEqual(await w.api(w.people.owner).get('/api/me'), before);
});

test('the session cookie is out of reach of scripts and of other sites', async () => {
  assert.match(w.ownerCookie, /; HttpOnly/);
  assert.match(w.ownerCookie, /; SameSite=Lax/);
  assert.match(w.ownerCookie, /; Path=\//);
  assert.doesNotMatch(w.ownerCookie, /Domain=/);
  const { email } = (await w.api(w.people.owner).get('/api/me')).employee;
  // Behind a proxy that ends TLS.
  const secure = await w.ask.nobody('/api/session', {
    method: 'POST', headers: { 'content-type': 'application/json', 'x-forwarded-proto': 'https' }, body: JSON.stringify({ email, password: w.password }),
  });
  assert.match(secure.headers.getSetCookie()[0]!, /^__Host-session=.*; Secure/);
});

test('a link to sign in, guessed by another site, signs nobody in as somebody else', async () => {
  const { email } = (await w.api(w.people.owner).get('/api/me')).employee;
  const body = JSON.stringify({ email, password: w.password });
  // A form of another site can send neither JSON nor anything that is read as it.
  for (const type of ['text/plain', 'application/x-www-form-urlencoded', 'multipart/form-data; boundary=x']) {
    const answer = await w.ask.nobody('/api/session', { method: 'POST', headers: { 'content-type': type, origin: 'https://evil.example' }, body });
    assert.equal(answer.status, 415, type);
    assert.equal(answer.headers.get('set-cookie'), null);
  }
});

test('a file that could run as a page is saved and never shown', async () => {
  const script = '<script>fetch("/api/me")</script>';
  for (const name of ['страница.html', 'рисунок.svg', 'x.xhtml', 'x.xml', 'x.js', 'x.htm', 'x.pdf.html', 'без типа', 'x.mht', 'x"; filename="y.html', 'строка\u2028.html']) {
    const file = await w.given.file({ name, content: script, by: w.people.owner });
    for (const query of ['', '?inline=true']) {
      const answer = await w.ask.owner(`/api/drive/files/${file.id}/content${query}`);
      assert.equal(await answer.text(), script);
      assert.match(answer.headers.get('content-disposition') ?? '', /^attachment/, name + query);
      assert.equal(answer.headers.get('x-content-type-options'), 'nosniff', name);
      assert.match(answer.headers.get('content-security-policy') ?? '', /default-src 'none'/, name);
    }
  }
  const picture = await w.given.file({ name: 'фото.png', content: script, by: w.people.owner });
  const shown = await w.ask.owner(`/api/drive/files/${picture.id}/content?inline=true`);
  assert.match(shown.headers.get('content-disposition') ?? '', /^inline/);
  assert.equal(shown.headers.get('content-type'), 'image/png');
  assert.equal(shown.headers.get('x-content-type-options'), 'nosniff');
});

test('every answer forbids to be sniffed, framed and kept', async () => {
  for (const [who, address] of [['nobody', '/api/me'], ['owner', '/api/me'], ['owner', '/api/nothing'], ['nobody', w.invoice.publicPath], ['nobody', '/i/none'], ['nobody', '/%ff']] as const) {
    const { headers } = await w.ask[who](address);
    assert.equal(headers.get('x-content-type-options'), 'nosniff', address);
    assert.match(headers.get('content-security-policy') ?? '', /frame-ancestors 'none'/, address);
    assert.match(headers.get('cache-control') ?? '', /no-store|private/, address);
  }
});

test('what people wrote is text on the public page of an invoice', async () => {
  const deal = await w.newDeal({ title: '<img src=x onerror=alert(1)>' });
  const invoice = await w.api(w.people.owner).post(`/api/items/${deal.id}/invoices`, { lines: [{ name: '"><script>alert(1)</script>', price: 5 }] });
  const page = await (await w.ask.nobody(invoice.publicPath)).text();
  assert.doesNotMatch(page, /<script>alert|<img src=x/);
  assert.match(page, /&lt;script&gt;/);
});
