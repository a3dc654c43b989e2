import assert from 'node:assert/strict';
import { once } from 'node:events';
import test from 'node:test';
import { WebSocket } from 'ws';
import { liveCloseCodes } from '../shared/api/live.ts';
import { describeApi } from './http/http.ts';
import { testDatabase } from '../test/support/database.ts';
import { startTestVestnik } from '../test/support/vestnik.ts';
import { startVestnik } from './vestnik.ts';

const vestnik = await startTestVestnik();
const { api, admin, given, clock } = vestnik;

test('an administrator adds a person, who can then act', async () => {
  const anna = await given.employee({ firstName: 'Анна', lastName: 'Котова' });
  const me = await api(anna).get('/api/me');
  assert.equal(me.employee.fullName, 'Анна Котова');
  await assert.rejects(api(anna).post('/api/employees', { email: 'x@example.com' }), { status: 403, code: 'access.admin_only' });
  await assert.rejects(api().get('/api/me'), { status: 401, code: 'auth.required' });
});

test('signing in gives a session that ends when the person signs out', async () => {
  const answer = await api().fetch('/api/session', {
    method: 'POST',
    headers: { 'content-type': 'application/json', origin: vestnik.url },
    body: JSON.stringify({ email: 'admin@example.com', password: vestnik.adminPassword }),
  });
  assert.equal(answer.status, 201);
  const cookie = answer.headers.getSetCookie()[0]!.split(';')[0]!;
  const withCookie = (path: string, init: RequestInit = {}) => api().fetch(path, { ...init, headers: { cookie, origin: vestnik.url } });
  assert.equal((await withCookie('/api/me')).status, 200);
  assert.equal((await withCookie('/api/session', { method: 'DELETE' })).status, 204);
  assert.equal((await withCookie('/api/me')).status, 401);
});

test('a move is heard at once by whoever looks at the board', async () => {
  const sales = await given.pipeline({ stages: ['Новая', 'В работе'] });
  const roof = await given.item({ pipelineId: sales.id, title: 'Крыша', amount: 5000 });
  const anna = await given.employee();
  const socket = await vestnik.listen(anna, `pipeline:${sales.id}`);
  const after = await vestnik.moved(roof, sales.stage('В работе'));
  assert.equal(after.stageId, sales.stage('В работе').id);
  assert.equal((await socket.next({ topic: `pipeline:${sales.id}` })).what, 'items');
  await assert.rejects(vestnik.listen(anna, 'pipeline:999999'), /May not listen/);
});

test('a robot informs who is named, and says so in the journal', async () => {
  const anna = await given.employee({ firstName: 'Анна' });
  const sales = await given.pipeline({ stages: ['Новая', 'В работе'] });
  const robot = await given.robot(sales.stage('В работе'), 'notify', { text: 'Пришла {=Document:title}', recipients: [{ kind: 'employee', id: anna.id }] });
  const roof = await given.item({ pipelineId: sales.id, title: 'Крыша' });
  await vestnik.moved(roof, sales.stage('В работе'));
  await vestnik.drain();
  const [note] = (await api(anna).get('/api/notifications')).items;
  assert.equal(note.body, 'Пришла Крыша');
  const [run] = (await api(admin).get('/api/runs', { itemId: roof.id })).items;
  assert.deepEqual([run.robotId, run.state], [robot.id, 'done']);
});

test('an upload is larger than a request of JSON may be', async () => {
  const file = await given.file({ name: 'смета.bin', content: new Uint8Array(3_000_000).fill(7) });
  const answer = await api(admin).fetch(`/api/drive/files/${file.id}/content`);
  assert.equal((await answer.arrayBuffer()).byteLength, 3_000_000);
});

test('a photo is set by who can read the file, and seen by everybody', async () => {
  const [anna, boris] = [await given.employee(), await given.employee()];
  const photo = await given.file({ name: 'я.png', by: anna });
  await assert.rejects(api(boris).get(`/api/drive/files/${photo.id}`), { status: 404 });
  await assert.rejects(api(boris).patch('/api/me', { photoFileId: photo.id }), { status: 404 });
  await api(anna).patch('/api/me', { photoFileId: photo.id });
  assert.equal((await api(boris).get(`/api/drive/files/${photo.id}`)).name, 'я.png');
});

test('the clock of the product is the clock of the test', async () => {
  const before = clock.now().getTime();
  clock.advance('10 minutes');
  assert.equal(clock.now().getTime() - before, 600_000);
});

test('every route says what it is for', () => {
  const methods = new Set(['get', 'post', 'put', 'patch', 'delete', 'head']);
  const lacking: string[] = [];
  const description = JSON.parse(JSON.stringify(describeApi(vestnik.vestnik.app)));
  for (const [path, operations] of Object.entries<Record<string, { summary?: string; tags?: string[]; responses?: object }>>(description.paths)) {
    for (const [method, operation] of Object.entries(operations)) {
      if (!methods.has(method)) continue;
      if (!operation.summary || !operation.tags?.length) lacking.push(`${method.toUpperCase()} ${path} has no summary or tags`);
    }
  }
  assert.deepEqual(lacking, []);
});

test('health tells since when the oldest due work waits', async () => {
  await vestnik.drain();
  const since = clock.now().toISOString();
  await given.item();
  clock.advance('5 minutes');
  const health = await api(admin).get('/health');
  assert.equal(health.status, 'ok');
  assert.equal(health.details.oldestDueAt, since);
  await vestnik.drain();
  assert.equal((await api(admin).get('/health')).details.oldestDueAt, null);
});

test('stopping waits for no browser that listens and no connection kept open', async () => {
  const { url: databaseUrl } = await testDatabase();
  const { databaseUrl: _, ...rest } = vestnik.options;
  const own = await startVestnik({ ...rest, databaseUrl, services: { web: true, worker: true } });
  const { adminId } = await own.firstStart({ company: { name: 'Ромашка' }, admin: { email: 'ada@example.com' } });
  const { token } = await own.people.createApiToken({ employeeId: adminId, isAdmin: true, language: 'ru', timeZone: 'Europe/Moscow', via: 'system' }, 'test');
  const socket = new WebSocket(`${own.url.replace('http', 'ws')}/api/live`, { headers: { authorization: `Bearer ${token}` } });
  await once(socket, 'message');
  assert.equal((await fetch(`${own.url}/api/me`, { headers: { authorization: `Bearer ${token}` } })).status, 200);
  const closed = once(socket, 'close');
  const before = performance.now();
  await own.stop();
  assert.ok(performance.now() - before < 30_000);
  const [code] = await closed;
  assert.equal(code, liveCloseCodes.tryAgain);
  await own.stop();
});
