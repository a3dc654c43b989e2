/** Events: what happened is told to the handlers that applications subscribed, from the transaction in which it happened. */
import assert from 'node:assert/strict';
import { beforeEach, test } from 'node:test';
import { sql } from '../../server/db/db.ts';
import { startHandler } from '../support/handler.ts';
import { appOf, webhookOf } from '../support/rest.ts';
import { startTestVestnik } from '../support/vestnik.ts';

const vestnik = await startTestVestnik({ allowedPrivateHosts: ['127.0.0.1'] });
const { api, admin, given, moved, drain, clock, db } = vestnik;
const app = await appOf(vestnik, { name: 'Учёт' });
const hook = await webhookOf(vestnik, admin);
const handler = await startHandler();
const anna = await given.employee({ firstName: 'Анна' });
const pipeline = await given.pipeline({ stages: ['Новая', 'В работе'] });
const callCount = async () => (await db.first<{ n: number }>(sql`select count(*) as n from app_calls`))?.n;

const bind = (event: string, more: object = {}) => app.call('event.bind', { event, handler: handler.url, ...more });
async function unbindAll(): Promise<void> {
  for (const { event, handler: url, offline, auth_type } of await app.call('event.get')) await app.call('event.unbind', { event, handler: url, auth_type: Number(auth_type ?? 0), event_type: offline ? 'offline' : 'online' });
}
const brief = (form: { event: string; data: { FIELDS: object } }) => [form.event, { ...form.data.FIELDS }];

beforeEach(async () => {
  handler.status = 200;
  await unbindAll();
  await drain();
  handler.take();
});

test('nobody subscribed: nothing is written', async () => {
  const before = await callCount();
  const item = await given.item({ pipelineId: pipeline.id });
  await moved(item, pipeline.stage('В работе'));
  await api(admin).post(`/api/items/${item.id}/comments`, { body: 'тихо' });
  assert.equal(await callCount(), before);
});

test('a deal that is added, changed, moved to another funnel and deleted is told, as documented', async () => {
  for (const event of ['onCrmDealAdd', 'ONCRMDEALUPDATE', 'ONCRMDEALDELETE', 'ONCRMDEALMOVETOCATEGORY']) assert.equal(await bind(event), true);
  const item = await given.item({ pipelineId: pipeline.id, by: anna, ownerId: anna.id });
  await drain();
  const [form] = handler.take();
  assert.deepEqual(brief(form), ['ONCRMDEALADD', { ID: String(item.id) }]);
  assert.match(form.event_handler_id, /^\d+$/);
  assert.equal(form.ts, String(Math.floor(clock.now().getTime() / 1000)));
  assert.equal(form.auth.application_token, app.made.applicationToken);
  assert.equal(form.auth.user_id, String(anna.id));
  for (const key of ['expires', 'expires_in', 'domain', 'server_endpoint', 'client_endpoint', 'member_id', 'access_token', 'scope', 'status']) assert.ok(form.auth[key], key);
  const asAnna = await fetch(`${form.auth.client_endpoint}profile?auth=${form.auth.access_token}`);
  assert.equal((await asAnna.json() as { result: { ID: string } }).result.ID, String(anna.id));

  await api(admin).patch(`/api/items/${item.id}`, { title: 'Другая' });
  await moved(item, pipeline.stage('В работе'));
  const elsewhere = await given.pipeline({ stages: ['Там'] });
  await moved(item, elsewhere.stage('Там'));
  await api(admin).del(`/api/items/${item.id}`);
  await drain();
  assert.deepEqual(handler.take().map(brief).map(([event]) => event), ['ONCRMDEALUPDATE', 'ONCRMDEALUPDATE', 'ONCRMDEALMOVETOCATEGORY', 'ONCRMDEALDELETE']);
});

test('leads, invoices, own types, contacts, companies and comments are told under their names', async () => {
  const events = ['ONCRMLEADADD', 'ONCRMDYNAMICITEMADD', 'ONCRMDYNAMICITEMADD_31', 'ONCRMCONTACTADD', 'ONCRMCONTACTUPDATE', 'ONCRMCONTACTDELETE', 'ONCRMCOMPANYADD',
    'ONCRMTIMELINECOMMENTADD', 'ONCRMTIMELINECOMMENTUPDATE', 'ONCRMTIMELINECOMMENTDELETE'];
  for (const event of events) await bind(event);
  const lead = await given.item({ itemType: 'lead' });
  const invoice = await given.item({ itemType: 'invoice', amount: 5 });
  const contact = await api(admin).post('/api/contacts', { firstName: 'Кирилл' });
  await api(admin).patch(`/api/contacts/${contact.id}`, { lastName: 'Клиентов' });
  await api(admin).del(`/api/contacts/${contact.id}`);
  const company = await api(admin).post('/api/companies', { title: 'Север' });
  const comment = await api(admin).post(`/api/items/${lead.id}/comments`, { body: 'раз' });
  await api(admin).patch(`/api/items/${lead.id}/comments/${comment.id}`, { body: 'два' });
  await api(admin).del(`/api/items/${lead.id}/comments/${comment.id}`);
  await drain();
  const told = handler.take().map(brief).map((one) => JSON.stringify(one)).sort();
  const id = (of: { id: number }) => ({ ID: String(of.id) });
  assert.deepEqual(told, [
    ['ONCRMCOMPANYADD', id(company)], ['ONCRMCONTACTADD', id(contact)], ['ONCRMCONTACTDELETE', id(contact)], ['ONCRMCONTACTUPDATE', id(contact)],
    ['ONCRMDYNAMICITEMADD', { ...id(invoice), ENTITY_TYPE_ID: '31' }], ['ONCRMDYNAMICITEMADD_31', { ...id(invoice), ENTITY_TYPE_ID: '31' }], ['ONCRMLEADADD', id(lead)],
    ['ONCRMTIMELINECOMMENTADD', id(comment)], ['ONCRMTIMELINECOMMENTDELETE', id(comment)], ['ONCRMTIMELINECOMMENTUPDATE', id(comment)],
  ].map((one) => JSON.stringify(one)).sort());
});

test('what a robot did is told without anybody\'s token, unless the subscription names somebody', async () => {
  const own = await given.pipeline({ stages: ['А', 'Б'] });
  await given.robot(own.stage('Б'), 'change-item', { values: [{ field: 'title', value: 'Роботом' }] });
  await given.robot(own.stage('Б'), 'comment', { text: 'Роботом', author: { kind: 'employee', id: admin.id } });
  const item = await given.item({ pipelineId: own.id, stageId: own.stage('А').id });
  await bind('ONCRMDEALUPDATE');
  await bind('ONCRMTIMELINECOMMENTADD', { auth_type: anna.id });
  await moved(item, own.stage('Б'));
  await drain();
  const forms = handler.take();
  assert.deepEqual(forms.map((form) => `${form.event} ${form.auth.user_id ?? 'nobody'}`).sort(), [`ONCRMDEALUPDATE ${admin.id}`, 'ONCRMDEALUPDATE nobody', `ONCRMTIMELINECOMMENTADD ${anna.id}`]);
  const robots = forms.find((form) => form.event === 'ONCRMDEALUPDATE' && form.auth.user_id === undefined);
  assert.equal(robots.auth.access_token, undefined);
  for (const key of ['domain', 'client_endpoint', 'server_endpoint', 'member_id', 'application_token']) assert.ok(robots.auth[key], key);
});

test('a handler that is down hears of it later; a change that was refused is not told at all', async () => {
  await bind('ONCRMDEALADD');
  handler.status = 500;
  const item = await given.item({ pipelineId: pipeline.id });
  await assert.rejects(given.item({ pipelineId: 999_999 }));
  await drain();
  handler.status = 200;
  assert.equal(handler.take().length, 1);
  clock.advance('1 minute');
  await drain();
  assert.deepEqual(handler.take().map(brief), [['ONCRMDEALADD', { ID: String(item.id) }]]);
  clock.advance('1 day');
  await drain();
  assert.deepEqual(handler.take(), []);
});

test('subscriptions are listed, not made twice, and end', async () => {
  await bind('ONCRMDEALADD');
  await bind('ONCRMDEALADD', { auth_type: anna.id });
  await app.refused('event.bind', { event: 'ONCRMDEALADD', handler: handler.url }, { error: 'ERROR_CORE', error_description: 'Unable to set event handler: Handler already binded' });
  assert.deepEqual(await app.call('event.get'), [
    { event: 'ONCRMDEALADD', handler: handler.url, auth_type: '0', offline: 0 }, { event: 'ONCRMDEALADD', handler: handler.url, auth_type: String(anna.id), offline: 0 },
  ]);
  assert.deepEqual(await app.call('event.unbind', { event: 'onCrmDealAdd', handler: handler.url }), { count: 2 });
  assert.deepEqual(await app.call('event.get'), []);
  await app.refused('event.bind', { event: 'ONNOTHING', handler: handler.url }, { error: 'ERROR_EVENT_NOT_FOUND', error_description: 'Event not found' });
  await app.refused('event.bind', { event: 'ONCRMDEALADD', handler: 'http://192.168.0.1/' }, { error: 'ERROR_WRONG_HANDLER_URL' });
  await hook.refused('event.bind', { event: 'ONCRMDEALADD', handler: handler.url }, { status: 403, error: 'ACCESS_DENIED', error_description: 'Application context required' });
  const byAnna = await appOf(vestnik, { name: 'Анна', employeeId: anna.id });
  await byAnna.refused('event.bind', { event: 'ONCRMDEALADD', handler: handler.url, auth_type: 1 }, { status: 403, error: 'ACCESS_DENIED' });
  await byAnna.refused('event.bind', { event: 'ONCRMDEALADD', event_type: 'offline' }, { status: 403, error: 'ACCESS_DENIED' });
  assert.deepEqual(await byAnna.call('event.get'), []);
  assert.ok((await app.call('events')).includes('ONCRMDEALADD'));
});

test('offline events are kept, the last of each thing, until the application takes and clears them', async () => {
  await bind('ONCRMDEALUPDATE', { event_type: 'offline' });
  const [one, two] = [await given.item({ pipelineId: pipeline.id }), await given.item({ pipelineId: pipeline.id })];
  for (const [item, title] of [[one, 'а'], [one, 'б'], [two, 'в']] as const) await api(admin).patch(`/api/items/${item.id}`, { title });
  await drain();
  assert.deepEqual(handler.take(), []);
  const listed = await app.call('event.offline.list');
  assert.deepEqual(listed.map((event: { EVENT_NAME: string; EVENT_DATA: object }) => [event.EVENT_NAME, event.EVENT_DATA]), [
    ['ONCRMDEALUPDATE', { FIELDS: { ID: one.id } }], ['ONCRMDEALUPDATE', { FIELDS: { ID: two.id } }],
  ]);
  const first = await app.call('event.offline.get', { limit: 1, clear: 0 });
  assert.equal(first.events.length, 1);
  await app.call('event.offline.clear', { process_id: first.process_id, id: [first.events[0].ID] });
  const rest = await app.call('event.offline.get');
  assert.deepEqual([rest.process_id, rest.events.length], [null, 1]);
  assert.deepEqual((await app.call('event.offline.get')).events, []);
});

test('an application that is gone is told nothing', async () => {
  const gone = await appOf(vestnik, { name: 'Уйдёт' });
  await gone.call('event.bind', { event: 'ONCRMDEALADD', handler: handler.url });
  await gone.call('bizproc.robot.add', { CODE: 'going', HANDLER: handler.url, NAME: 'Уйдёт' });
  await api(admin).del(`/api/rest/apps/${gone.made.id}`);
  await given.item({ pipelineId: pipeline.id });
  await drain();
  assert.deepEqual(handler.take(), []);
  assert.equal((await api(admin).get('/api/robot-types')).some((type: { title: string }) => type.title === 'Уйдёт'), false);
});
