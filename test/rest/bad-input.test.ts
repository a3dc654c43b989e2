/** Bad input: a documented error, and nothing changed. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { sql } from '../../server/db/db.ts';
import { fetchJson, restClient, webhookOf } from '../support/rest.ts';
import { startTestVestnik } from '../support/vestnik.ts';

const vestnik = await startTestVestnik({ restLimits: { requestsPerSecond: 40, operatingSeconds: 0 } });
const { admin, db, given, clock } = vestnik;
const hook = await webhookOf(vestnik, admin);
const dealId = await hook.call('crm.deal.add', { fields: { TITLE: 'Нетронутая', OPPORTUNITY: 100 } });

async function state(): Promise<string> {
  return JSON.stringify(await db.rows(sql`
    select (select count(*) from items) as items, (select count(*) from contacts) as contacts, (select count(*) from fields) as fields, (select count(*) from item_changes) as changes,
      (select count(*) from drive_files) as files, (select count(*) from employees where dismissed_at is null and is_admin) as admins, (select max(version) from items) as version`));
}
const untouched = await state();
async function nothingChanged(): Promise<void> {
  assert.equal(await state(), untouched);
  clock.advance('1 minute');
}
test('SQL and PHP in filters, orders and selects is no SQL and no PHP', async () => {
  const keys = ["ID) OR 1=1 --", "ID'; drop table items; --", '>ID" or ""="', 'values->>x', 'i.id', 'TITLE`', 'ID/**/', '__proto__', 'constructor', 'toString', '$ID', '{"x":1}', '>=<ID', '!!ID', '%%TITLE', 'UF_CRM_X', ''];
  for (const key of keys) {
    for (const method of ['crm.deal.list', 'crm.contact.list', 'crm.lead.list']) {
      const { status, body } = await hook.ask(method, { filter: { [key]: 1 } });
      if (key === '__proto__') continue;
      assert.deepEqual([status, body.error], [400, 'INVALID_ARG_VALUE'], `${method} ${key}`);
    }
    await nothingChanged();
  }
  const values = ["' or 1=1 --", '1); drop table items; --', { $gt: 0 }, [[1]], 'NaN', '1e999', '999999999999999999999', '\u202e', 'true'];
  for (const value of values) {
    const { status, body } = await hook.ask('crm.deal.list', { filter: { '>OPPORTUNITY': value } });
    assert.ok(status === 400 ? body.error !== undefined : Array.isArray(body.result), JSON.stringify([value, body]));
    assert.ok(status === 400 || status === 200);
  }
  assert.deepEqual((await hook.call('crm.deal.list', { filter: { TITLE: "' or '1'='1" } })), []);
  assert.equal((await hook.ask('crm.deal.list', { order: { "ID; drop table items": 'ASC', ID: 'asc; drop table items' }, select: ['ID); drop table items', '*'] })).status, 200);
  await nothingChanged();
  await hook.refused('crm.item.list', { entityTypeId: 2, filter: { "id) or (1=1": 1 } }, { error: 'INVALID_ARG_VALUE' });
  let nested: unknown = { id: dealId };
  for (let i = 0; i < 30; i++) nested = { 0: nested };
  await hook.refused('crm.item.list', { entityTypeId: 2, filter: nested }, { error: 'INVALID_ARG_VALUE' });
  await nothingChanged();
});

test('a body of ten megabytes is refused for what is wrong in it', async () => {
  const long = 'x'.repeat(10 * 1024 * 1024);
  for (const [method, params] of [['crm.deal.add', { fields: { TITLE: long } }], ['crm.deal.update', { id: dealId, fields: { TITLE: long } }], ['crm.contact.add', { fields: { LAST_NAME: long } }]] as const) {
    const { status, body } = await hook.ask(method, params);
    assert.equal(status, 400, method);
    assert.ok(body.error_description.length < 500);
  }
  const form = await fetchJson(`${hook.url}crm.deal.add`, { method: 'POST', headers: { 'content-type': 'application/x-www-form-urlencoded' }, body: `fields[TITLE]=${long}` });
  assert.equal(form.status, 400);
  const stranger = await fetchJson(`${vestnik.url}/rest/1/madeupsecret/crm.deal.add`, { method: 'POST', headers: { 'content-type': 'application/json' }, body: JSON.stringify({ fields: { TITLE: long } }) });
  assert.deepEqual([stranger.status, stranger.body.error], [401, 'INVALID_CREDENTIALS']);
  await nothingChanged();
});

test('a body beyond the limit and more parameters than anybody sends are refused', async () => {
  const many = Array.from({ length: 20_001 }, (_, i) => `a[${i}]=1`).join('&');
  const { status, body } = await fetchJson(`${hook.url}crm.deal.list`, { method: 'POST', headers: { 'content-type': 'application/x-www-form-urlencoded' }, body: many });
  assert.deepEqual([status, body.error], [400, 'INVALID_REQUEST']);
  await nothingChanged();
});

test('keys of prototypes are keys like any other', async () => {
  const text = `{"id":${dealId},"fields":{"__proto__":{"TITLE":"x"},"constructor":{"prototype":{"TITLE":"x"}},"hasOwnProperty":1,"toString":"x"}}`;
  const { status } = await fetchJson(`${hook.url}crm.deal.update`, { method: 'POST', headers: { 'content-type': 'application/json' }, body: text });
  assert.equal(status, 200, 'Unknown fields are ignored, as documented.');
  const batch = await hook.call('batch', { cmd: { __proto__x: 'profile', constructor: 'profile', a: 'crm.deal.get?id=$result[__proto__][ID]&x=$result[constructor][constructor][name]' } });
  assert.equal(batch.result_error.a.error_description, 'ID is not defined or invalid');
  assert.equal(({} as Record<string, unknown>).TITLE, undefined);
  await nothingChanged();
});

test('a batch of fifty batches runs nothing', async () => {
  const inner = Array.from({ length: 50 }, (_, i) => `cmd[${i}]=${encodeURIComponent('crm.deal.add?fields[TITLE]=x')}`).join('&');
  const { result, result_error: errors } = await hook.call('batch', { cmd: Array.from({ length: 50 }, () => `batch?${inner}`) });
  assert.deepEqual(result, []);
  assert.ok(Object.values(errors).every((one) => (one as { error: string }).error === 'ERROR_BATCH_METHOD_NOT_ALLOWED'));
  assert.equal(Object.keys(errors).length, 50);
  for (const cmd of ['profile', { a: { b: 'profile' } }, [null], [''], ['?'], ['%'], { x: 'crm.deal.add?fields[TITLE' }]) {
    const { status, body } = await hook.ask('batch', { cmd });
    assert.equal(status, 200, JSON.stringify(body));
  }
  await hook.refused('batch', {}, { error: '100' });
});

test('what belongs to others is not there', async () => {
  const own = await given.employee();
  const created = await webhookOf(vestnik, own);
  for (const [method, params] of [['crm.deal.delete', { id: dealId }], ['crm.status.delete', { id: 1 }], ['crm.deal.userfield.delete', { id: 1 }], ['crm.category.delete', { entityTypeId: 2, id: 0 }], ['department.delete', { ID: 1 }], ['user.update', { ID: admin.id, ACTIVE: 'N' }], ['crm.type.delete', { id: 1 }]] as const) {
    const { status, body } = await created.ask(method, params);
    assert.ok(status >= 400 && body.error !== undefined, `${method}: ${status} ${JSON.stringify(body)}`);
  }
  await hook.refused('crm.deal.get', { id: '9'.repeat(30) }, { error: '', error_description: 'ID is not defined or invalid' });
  await hook.refused('crm.deal.get', { id: -1 }, { error: '' });
  await hook.refused('crm.deal.get', { id: [dealId] }, { error: '' });
  const secret = hook.url.split('/').at(-2)!;
  await restClient(`${vestnik.url}/rest/${own.id}/${secret}/`).refused('profile', {}, { status: 401, error: 'INVALID_CREDENTIALS' });
});

test('more requests than the limit are answered QUERY_LIMIT_EXCEEDED, and the bucket leaks', async () => {
  const limited = await webhookOf(vestnik, admin);
  let answer = await limited.ask('server.time');
  for (let tries = 0; tries < 1100 && answer.status === 200; tries++) answer = await limited.ask('server.time');
  assert.deepEqual([answer.status, answer.body.error], [503, 'QUERY_LIMIT_EXCEEDED']);
  clock.advance('1 minute');
  assert.equal((await limited.ask('server.time')).status, 200);
});

test('after all of it nothing has changed', nothingChanged);
