/**
 * The judge of applications: @bitrix24/b24jssdk, unmodified, by OAuth. It registers a robot, a trigger and an SMS sender
 * and subscribes to events; people set them up; what happens reaches its server, and it answers.
 */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { ApiVersion, B24OAuth } from '@bitrix24/b24jssdk';
import { startHandler } from '../support/handler.ts';
import { appOf } from '../support/rest.ts';
import { toldBy } from '../support/told.ts';
import { startTestVestnik } from '../support/vestnik.ts';

// The SDK looks at the expiry of its token by the clock of this machine.
const vestnik = await startTestVestnik({ startsAt: new Date().toISOString(), allowedPrivateHosts: ['127.0.0.1'] });
const { api, admin, given, drain } = vestnik;
const told = toldBy(vestnik);

test('an application on the SDK: its robot, its trigger, its SMS sender and its events work from end to end', { timeout: 120_000 }, async () => {
  const { made } = await appOf(vestnik, { name: 'На SDK' });
  const handler = await startHandler();
  const expires = Math.floor(Date.now() / 1000) + 3600;
  const b24 = new B24OAuth({
    applicationToken: made.applicationToken, userId: admin.id, memberId: made.memberId ?? 'member', accessToken: made.accessToken, refreshToken: made.refreshToken,
    expires, expiresIn: 3600, scope: 'crm', domain: new URL(vestnik.url).host, clientEndpoint: `${vestnik.url}/rest/`, serverEndpoint: `${vestnik.url}/rest/`, status: 'L',
  } as ConstructorParameters<typeof B24OAuth>[0], { clientId: made.clientId, clientSecret: made.clientSecret });
  // Its own limit of two calls a second would only slow the test.
  void b24.setRestrictionManagerParams({ ...b24.getHttpClient(ApiVersion.v2).getRestrictionManagerParams(), rateLimit: { burstLimit: 1000, drainRate: 1000, adaptiveEnabled: false } });
  const make = async (method: string, params: Record<string, unknown> = {}): Promise<unknown> => {
    const response = await b24.actions.v2.call.make({ method, params });
    assert.ok(response.isSuccess, `${method}: ${response.getErrorMessages().join('; ')}`);
    return (response.getData() as { result: unknown }).result;
  };

  assert.equal(await make('bizproc.robot.add', { CODE: 'score', HANDLER: `${handler.url}/robot`, NAME: { ru: 'Оценить', en: 'Score' }, PROPERTIES: { title: { Name: 'Название', Type: 'string' } }, RETURN_PROPERTIES: { score: { Name: 'Оценка', Type: 'int' } } }), true);
  assert.equal(await make('crm.automation.trigger.add', { CODE: 'scored', NAME: 'Оценено' }), true);
  assert.equal(await make('messageservice.sender.add', { CODE: 'sms', TYPE: 'SMS', HANDLER: `${handler.url}/sms`, NAME: 'СМС на SDK' }), true);
  assert.equal(await make('event.bind', { event: 'ONCRMDEALUPDATE', handler: `${handler.url}/event` }), true);

  const anna = await given.employee({ firstName: 'Анна', mobilePhone: '+79161234567' });
  const sales = await given.pipeline({ stages: ['Новая', 'Оценка', 'Оценена'] });
  const robot = await given.robot(sales.stage('Оценка'), `app:${made.id}:score`, { title: '{=Document:title}' });
  await given.robot(sales.stage('Оценка'), 'comment', { text: `Оценка {=A${robot.id}:score}` });
  await given.trigger(sales.stage('Оценена'), { kind: 'app', appId: made.id, code: 'scored' });
  await given.robot(sales.stage('Оценена'), 'send-sms', { text: 'Оценена {=Document:title}', recipients: [{ kind: 'employee', id: anna.id }] });

  const dealId = Number(await make('crm.deal.add', { fields: { TITLE: 'Крыша', CATEGORY_ID: sales.id } }));
  const stages = await make('crm.status.list', { filter: { ENTITY_ID: `DEAL_STAGE_${sales.id}` }, order: { SORT: 'ASC' } }).catch(() => undefined) as { STATUS_ID: string }[] | undefined;
  if (stages) await make('crm.deal.update', { id: dealId, fields: { STAGE_ID: stages[1]?.STATUS_ID } });
  else await api(admin).patch(`/api/items/${dealId}`, { stageId: sales.stage('Оценка').id });
  await drain();
  const called = handler.received.find(({ path }) => path.endsWith('/robot'))?.form;
  assert.deepEqual({ ...called.properties }, { title: 'Крыша' });
  assert.equal(handler.received.filter(({ path }) => path.endsWith('/event')).length, 1);
  assert.equal(await make('bizproc.event.send', { EVENT_TOKEN: called.event_token, RETURN_VALUES: { score: 93 } }), true);
  await drain();
  assert.deepEqual((await told.comments({ id: dealId })).map((entry) => entry.data.body), ['Оценка 93']);

  assert.equal(await make('crm.automation.trigger.execute', { CODE: 'scored', OWNER_TYPE_ID: 2, OWNER_ID: dealId }), true);
  await drain();
  assert.equal((await api(admin).get(`/api/items/${dealId}`)).stageId, sales.stage('Оценена').id);
  const sms = handler.received.find(({ path }) => path.endsWith('/sms'))?.form;
  assert.equal(sms.message_body, 'Оценена Крыша');
  assert.equal(await make('messageservice.message.status.update', { CODE: 'sms', MESSAGE_ID: sms.message_id, STATUS: 'delivered' }), true);
  await drain();
  assert.equal((await api(admin).get('/api/deliveries', { itemId: dealId })).items[0].state, 'delivered');
  const events = handler.received.filter(({ path }) => path.endsWith('/event')).map(({ form }) => form.event);
  assert.deepEqual(events, ['ONCRMDEALUPDATE', 'ONCRMDEALUPDATE']);
});
