/** The wire: paths, encodings, envelope, credentials, errors, batch. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { appOf, fetchJson, restClient, webhookOf } from '../support/rest.ts';
import { startTestVestnik } from '../support/vestnik.ts';

const vestnik = await startTestVestnik();
const { admin, clock, given, api } = vestnik;
const hook = await webhookOf(vestnik, admin);
const app = await appOf(vestnik);
const form = { 'content-type': 'application/x-www-form-urlencoded' };

test('a method answers with the envelope, and its time has all that clients read', async () => {
  const { status, type, body } = await hook.ask('profile');
  assert.equal(status, 200);
  assert.equal(type, 'application/json; charset=utf-8');
  assert.deepEqual(Object.keys(body), ['result', 'time']);
  assert.equal(body.result.ID, String(admin.id));
  assert.equal(body.result.ADMIN, true);
  assert.deepEqual(Object.keys(body.time).sort(), ['date_finish', 'date_start', 'duration', 'finish', 'operating', 'operating_reset_at', 'processing', 'start']);
  assert.ok(Number.isInteger(body.time.operating_reset_at));
  assert.match(body.time.date_start, /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\+00:00$/);
});

test('a method is found under every spelling of its path', async () => {
  const spellings = ['server.time', 'server.time.json', 'server.time/', 'SERVER.Time', '/server.time', '//server.time//', encodeURIComponent('server.time'), 'server.time?', 'server.time.json?bx24_request_id=1'];
  for (const spelling of spellings) {
    const { status, body } = await fetchJson(hook.url + spelling);
    assert.equal(status, 200, spelling);
    assert.equal(body.result, '2026-03-10T07:00:00+00:00', spelling);
  }
  const xml = await fetchJson(`${hook.url}server.time.xml`);
  assert.match(String(xml.body), /^<\?xml .*<response><result>2026-03-10T07:00:00\+00:00<\/result>/s);
  assert.equal((await fetchJson(`${vestnik.url}/rest//server.time?auth=${app.made.accessToken}`)).status, 200);
});

test('parameters come by query, form, JSON and multipart, in any letter case, the body winning over the query', async () => {
  const existing = { isExisting: true, isAvailable: true };
  const multipart = new FormData();
  multipart.set('name', 'profile');
  const requests: [string, RequestInit?][] = [
    ['method.get?name=profile'], ['method.get?NAME=profile&unknown[a][]=1'],
    ['method.get', { method: 'POST', headers: form, body: 'name=pro%66ile' }],
    ['method.get?name=nothing', { method: 'POST', headers: { 'content-type': 'application/json' }, body: '{"NAME":"profile"}' }],
    ['method.get', { method: 'POST', body: multipart }],
    ['method.get', { method: 'POST', headers: { 'content-type': 'text/plain' }, body: '{"name":"profile"}' }],
  ];
  for (const [path, init] of requests) assert.deepEqual((await fetchJson(hook.url + path, init)).body.result, existing, path);
  assert.equal((await fetchJson(`${hook.url}profile`, { method: 'POST', headers: { 'content-type': 'application/json' } })).status, 200);
});

test('credentials that are wrong, missing or without context are refused as documented', async () => {
  const { url } = vestnik;
  const cases: [string, string, number, string][] = [
    [`${url}/rest/1/wrongsecret000/profile`, 'INVALID_CREDENTIALS', 401, 'Invalid request credentials'],
    [hook.url.replace(`/${admin.id}/`, '/999/') + 'profile', 'INVALID_CREDENTIALS', 401, 'Invalid request credentials'],
    [`${url}/rest/profile`, 'NO_AUTH_FOUND', 401, 'Wrong authorization data'],
    [`${url}/rest/profile?auth=madeup00000`, 'invalid_token', 401, 'Unable to get application by token'],
    [`${hook.url}crm.no.such.method`, 'ERROR_METHOD_NOT_FOUND', 404, 'Method not found!'],
    [`${hook.url}constructor`, 'ERROR_METHOD_NOT_FOUND', 404, 'Method not found!'],
    [`${hook.url}app.info`, 'ACCESS_DENIED', 403, 'Application context required'],
  ];
  for (const [address, error, status, text] of cases) {
    const { status: got, body } = await fetchJson(address);
    assert.deepEqual([body.error, got, body.error_description], [error, status, text], address);
  }
  const v3 = await fetchJson(hook.url.replace('/rest/', '/rest/api/') + 'tasks.task.list');
  assert.equal(v3.status, 404);
  assert.equal(v3.body.error.code, 'BITRIX_REST_V3_EXCEPTION_METHODNOTFOUNDEXCEPTION');
});

test('a webhook acts as its employee until it is revoked or the employee is dismissed', async () => {
  const anna = await given.employee({ firstName: 'Анна' });
  const hers = await webhookOf(vestnik, anna);
  assert.equal((await hers.call('profile')).NAME, 'Анна');
  assert.equal(await hers.call('user.admin'), false);
  const [mine] = (await api(anna).get('/api/rest/webhooks')).items;
  assert.ok(!JSON.stringify(mine).includes(hers.url.split('/').at(-2)!), 'The secret is not told again.');
  await api(anna).del(`/api/rest/webhooks/${mine.id}`);
  await hers.refused('profile', {}, { status: 401, error: 'INVALID_CREDENTIALS' });

  const again = await webhookOf(vestnik, anna);
  await api(admin).post(`/api/employees/${anna.id}/dismissal`);
  await again.refused('profile', {}, { status: 401, error: 'INVALID_CREDENTIALS' });
});

test('scopes limit what a webhook may call', async () => {
  const narrow = await webhookOf(vestnik, admin, ['user']);
  assert.deepEqual(await narrow.call('scope'), ['user']);
  assert.equal((await narrow.call('profile')).ID, String(admin.id));
  await assert.rejects(api(admin).post('/api/rest/webhooks', { name: 'x', scopes: ['everything'] }), { code: 'rest.scope_unknown' });
});

test('an application calls with its token by every way of sending it, and keeps options', async () => {
  const { accessToken } = app.made;
  for (const [path, init] of [
    ['app.info', { method: 'POST', headers: { 'content-type': 'application/json' }, body: JSON.stringify({ auth: accessToken }) }],
    [`app.info?auth=${accessToken}`, {}], [`app.info?access_token=${accessToken}`, {}],
    ['app.info', { method: 'POST', headers: form, body: `auth=${accessToken}` }],
    ['app.info', { headers: { authorization: `Bearer ${accessToken}` } }],
  ] as const) {
    const { body } = await fetchJson(`${vestnik.url}/rest/${path}`, init);
    assert.equal(body.result?.CODE, app.made.clientId, JSON.stringify(body));
  }
  assert.equal(await app.call('app.option.set', { options: { colour: 'red', '__proto__x': 1 } }), true);
  assert.equal(await app.call('app.option.get', { option: 'colour' }), 'red');
  assert.deepEqual(await app.call('user.option.get'), []);
  await app.call('user.option.set', { options: { page: { size: 5 } } });
  assert.deepEqual(await app.call('user.option.get'), { page: { size: 5 } });
});

test('a token ends, is renewed once, and dies with its application', async () => {
  const short = await appOf(vestnik, { tokenSeconds: 60 });
  const { clientId, clientSecret, refreshToken } = short.made;
  clock.advance('2 minutes');
  await short.refused('profile', {}, { status: 401, error: 'expired_token' });
  const renew = (fields: Record<string, string>) =>
    fetchJson(`${vestnik.url}/oauth/token/`, { method: 'POST', headers: form, body: String(new URLSearchParams({ grant_type: 'refresh_token', client_id: clientId, client_secret: clientSecret, ...fields })) });
  assert.equal((await renew({ refresh_token: refreshToken, client_secret: 'wrong' })).body.error, 'invalid_client');
  const { status, body } = await renew({ refresh_token: refreshToken });
  assert.equal(status, 200);
  for (const name of ['access_token', 'refresh_token', 'expires', 'expires_in', 'client_endpoint', 'server_endpoint', 'scope', 'status', 'member_id', 'domain', 'user_id']) assert.ok(name in body, name);
  assert.equal((await renew({ refresh_token: refreshToken })).body.error, 'invalid_grant');
  const fresh = restClient(`${vestnik.url}/rest/`, { auth: body.access_token });
  assert.equal((await fresh.call('profile')).ID, String(admin.id));
  await api(admin).del(`/api/rest/apps/${short.made.id}`);
  await fresh.refused('profile', {}, { status: 401, error: 'invalid_token' });
});

test('a batch answers under the keys of its commands, with all five parts', async () => {
  const named = await hook.call('batch', { halt: 0, cmd: { who: 'profile?', when: 'server.time?&', bad: 'no.such' } });
  assert.equal(named.result.who.ID, String(admin.id));
  assert.deepEqual(Object.keys(named.result), ['who', 'when']);
  assert.deepEqual(named.result_error, { bad: { error: 'ERROR_METHOD_NOT_FOUND', error_description: 'Method not found!' } });
  assert.deepEqual(named.result_total, []);
  assert.deepEqual(Object.keys(named.result_time), ['who', 'when', 'bad']);
  const listed = await hook.call('batch', { cmd: ['server.time', 'server.time'] });
  assert.equal(listed.result.length, 2);
  assert.deepEqual(listed.result_error, []);
  const viaGet = await fetchJson(`${hook.url}batch?halt=0&cmd[0]=${encodeURIComponent('method.get?name=profile')}&cmd%5Bx%5D=server.time`);
  assert.deepEqual(Object.keys(viaGet.body.result.result), ['0', 'x']);
  assert.deepEqual((await hook.call('batch', { cmd: [] })).result, []);
});

test('later commands speak of what earlier ones answered', async () => {
  const { result } = await hook.call('batch', {
    cmd: {
      a: 'profile', whole: 'method.get?name=$result[b0][nothing]', b: 'method.get?name=%24result%5Bnames%5D', names: 'user.admin',
      embedded: 'method.get?name=pro$result[none][0][x]file', proto: 'method.get?name=$result[constructor][name]',
    },
  });
  assert.equal(result.whole.isExisting, false);
  assert.equal(result.embedded.isExisting, true);
  assert.equal(result.proto.isExisting, false);
});

test('a batch stops at the first error when told to, and refuses what does not belong in it', async () => {
  const halted = await hook.call('batch', { halt: 1, cmd: ['no.such', 'profile'] });
  assert.deepEqual([halted.result, Object.keys(halted.result_error)], [[], ['0']]);
  for (const halt of [1, '1', true, 'true']) assert.deepEqual((await hook.call('batch', { halt, cmd: ['no.such', 'profile'] })).result, []);
  const nested = await hook.call('batch', { cmd: { inner: `batch?cmd[0]=profile` } });
  assert.equal(nested.result_error.inner.error, 'ERROR_BATCH_METHOD_NOT_ALLOWED');
  const long = await hook.call('batch', { cmd: Array.from({ length: 52 }, () => 'server.time') });
  assert.equal(Object.keys(long.result).length, 50);
  assert.deepEqual(Object.values(long.result_error).map((one) => (one as { error: string }).error), ['ERROR_BATCH_LENGTH_EXCEEDED', 'ERROR_BATCH_LENGTH_EXCEEDED']);
  const many = await hook.call('batch', { cmd: Array.from({ length: 50 }, () => `batch?cmd[0]=profile`) });
  assert.equal(Object.keys(many.result_error).length, 50);
});

test('an address of 200 kB is read', async () => {
  const { status, body } = await fetchJson(`${hook.url}method.get?name=profile&x=${'y'.repeat(200 * 1024)}`);
  assert.deepEqual([status, body.result.isExisting], [200, true]);
});

test('broken and hostile input is refused with an error of the gateway', async () => {
  const deep = `${'{"a":'.repeat(200)}1${'}'.repeat(200)}`;
  for (const [type, body] of [
    ['application/json', '{"a":'], ['application/json', deep], ['application/x-www-form-urlencoded', `a${'[b]'.repeat(100)}=1`],
    ['multipart/form-data; boundary=x', 'not multipart'], ['application/json', '{"name":"\\u0000"}'], ['application/x-www-form-urlencoded', 'name=%00'],
  ] as const) {
    const answer = await fetchJson(`${hook.url}method.get`, { method: 'POST', headers: { 'content-type': type }, body });
    assert.deepEqual([answer.status, answer.body.error], [400, 'INVALID_REQUEST'], body.slice(0, 40));
  }
  const nul = await fetchJson(`${hook.url}method.get?name=%00`);
  assert.deepEqual([nul.status, nul.body.error], [400, 'INVALID_REQUEST']);
  const proto = await fetchJson(`${hook.url}method.get?__proto__[name]=profile&constructor[prototype][name]=profile`);
  assert.deepEqual(proto.body.result, { isExisting: false, isAvailable: false });
  assert.equal(({} as Record<string, unknown>).name, undefined);
});

test('guessing secrets ends in QUERY_LIMIT_EXCEEDED', async () => {
  const own = await startGuessing();
  assert.equal(own.last.status, 503);
  assert.equal(own.last.body.error, 'QUERY_LIMIT_EXCEEDED');
});

async function startGuessing() {
  let last = { status: 0, type: '', body: {} as { error?: string } };
  for (let tries = 0; tries < 200 && last.status !== 503; tries++) last = await fetchJson(`${vestnik.url}/rest/1/guess${String(tries).padStart(10, '0')}/profile`);
  clock.advance('5 minutes');
  return { last };
}
