/**
 * The judges of applications: @bitrix24/b24jssdk by OAuth and @2bad/bitrix with the token among its parameters, unmodified,
 * each over http and TLS. Both go the whole way: company data, a robot, a trigger, an SMS sender and events of the
 * application; people set them up; deals move; what happens reaches the application's server, and it answers.
 */
import assert from 'node:assert/strict';
import https from 'node:https';
import { test } from 'node:test';
import tls from 'node:tls';
import { ApiVersion, B24OAuth } from '@bitrix24/b24jssdk';
import { selfSigned } from '../support/certificate.ts';
import { connectBitrix } from '../support/clients.ts';
import { type Handler, startHandler } from '../support/handler.ts';
import { appOf } from '../support/rest.ts';
import { startTestVestnik, type TestVestnik } from '../support/vestnik.ts';

const certificate = selfSigned();
tls.setDefaultCACertificates([...tls.getCACertificates('default'), certificate.cert]);
https.globalAgent.options.ca = certificate.cert;

// Answers are whatever came: tests compare them with what they expect, and that is their type check.
type Json = ReturnType<typeof JSON.parse>;
type Call = (method: string, params?: Record<string, unknown>) => Promise<Json>;
type App = Awaited<ReturnType<typeof appOf>>['made'];

// The SDK looks at the expiry of its token by the clock of this machine.
const start = (more: { tls?: typeof certificate } = {}) => startTestVestnik({ startsAt: new Date().toISOString(), allowedPrivateHosts: ['127.0.0.1'], ...more });
const vestniks = { http: await start(), https: await start({ tls: certificate }) };

function bySdk({ url, admin }: TestVestnik, made: App): Call {
  const b24 = new B24OAuth({
    applicationToken: made.applicationToken, userId: admin.id, memberId: made.memberId ?? 'member', accessToken: made.accessToken, refreshToken: made.refreshToken,
    expires: Math.floor(Date.now() / 1000) + 3600, expiresIn: 3600, scope: 'crm', domain: new URL(url).host, clientEndpoint: `${url}/rest/`, serverEndpoint: `${url}/rest/`, status: 'L',
  } as ConstructorParameters<typeof B24OAuth>[0], { clientId: made.clientId, clientSecret: made.clientSecret });
  // Its own limit of two calls a second would only slow the test.
  void b24.setRestrictionManagerParams({ ...b24.getHttpClient(ApiVersion.v2).getRestrictionManagerParams(), rateLimit: { burstLimit: 1000, drainRate: 1000, adaptiveEnabled: false } });
  return async (method, params = {}) => {
    const response = await b24.actions.v2.call.make({ method, params });
    assert.ok(response.isSuccess, `${method}: ${response.getErrorMessages().join('; ')}`);
    return (response.getData() as { result: unknown }).result;
  };
}

/** Its token reaches the server as any other parameter does; all of it stands in the address. */
function byBitrix({ url }: TestVestnik, made: App): Call {
  const call = connectBitrix(`${url}/rest/`).call as unknown as (method: string, params: Record<string, unknown>) => Promise<{ result: unknown }>;
  return async (method, params = {}) => (await call(method, { ...params, auth: made.accessToken })).result;
}

async function journey(vestnik: TestVestnik, call: Call, made: App, handler: Handler): Promise<void> {
  const { api, admin, given, drain } = vestnik;
  const at = (path: string) => handler.received.filter((one) => one.path.endsWith(path)).map(({ form }) => form);

  // What the application brings.
  assert.equal(await call('bizproc.robot.add', {
    CODE: 'score', HANDLER: `${handler.url}/robot`, NAME: { ru: 'Оценить', en: 'Score' }, PROPERTIES: { title: { Name: 'Название', Type: 'string' } },
    RETURN_PROPERTIES: { score: { Name: 'Оценка', Type: 'int' } },
  }), true);
  assert.equal(await call('crm.automation.trigger.add', { CODE: 'scored', NAME: 'Оценено' }), true);
  assert.equal(await call('messageservice.sender.add', { CODE: 'sms', TYPE: 'SMS', HANDLER: `${handler.url}/sms`, NAME: 'СМС приложения' }), true);
  for (const event of ['ONCRMDEALADD', 'ONCRMDEALUPDATE', 'ONCRMCONTACTADD']) assert.equal(await call('event.bind', { event, handler: `${handler.url}/event` }), true);
  assert.deepEqual([await call('bizproc.robot.list'), (await call('crm.automation.trigger.list')).map((one: Json) => one.CODE), await call('messageservice.sender.list')], [['score'], ['scored'], ['sms']]);

  // What people make of it.
  const anna = await given.employee({ firstName: 'Анна', mobilePhone: '+79161234567' });
  const sales = await given.pipeline({ stages: ['Новая', 'Оценка', 'Оценена'] });
  const robot = await given.robot(sales.stage('Оценка'), `app:${made.id}:score`, { title: '{=Document:title}' });
  await given.robot(sales.stage('Оценка'), 'comment', { text: `Оценка {=A${robot.id}:score}` });
  await given.trigger(sales.stage('Оценена'), { kind: 'app', appId: made.id, code: 'scored' });
  await given.robot(sales.stage('Оценена'), 'send-sms', { text: 'Оценена {=Document:title}', recipients: [{ kind: 'employee', id: anna.id }] });

  // Company data, and a deal that moves.
  const companyId = Number(await call('crm.company.add', { fields: { TITLE: 'Лесоторг' } }));
  const contactId = Number(await call('crm.contact.add', { fields: { NAME: 'Иван', LAST_NAME: 'Петров', COMPANY_ID: companyId, PHONE: [{ VALUE: '+79001112233', VALUE_TYPE: 'WORK' }] } }));
  const dealId = Number(await call('crm.deal.add', { fields: { TITLE: 'Крыша', CATEGORY_ID: sales.id, COMPANY_ID: companyId, CONTACT_ID: contactId, OPPORTUNITY: 1500, CURRENCY_ID: 'RUB' } }));
  const stages = await call('crm.status.list', { filter: { ENTITY_ID: `DEAL_STAGE_${sales.id}` }, order: { SORT: 'ASC' } });
  assert.equal(await call('crm.deal.update', { id: dealId, fields: { STAGE_ID: stages[1].STATUS_ID } }), true);
  await drain();

  // The robot is called and answers; the robot below tells what it said.
  const [called] = at('/robot');
  assert.deepEqual([{ ...called.properties }, called.document_id, called.auth.application_token], [{ title: 'Крыша' }, ['crm', 'CCrmDocumentDeal', `DEAL_${dealId}`], made.applicationToken]);
  assert.equal(await call('bizproc.activity.log', { EVENT_TOKEN: called.event_token, LOG_MESSAGE: 'Считаем' }), true);
  assert.equal(await call('bizproc.event.send', { EVENT_TOKEN: called.event_token, RETURN_VALUES: { score: 93 } }), true);
  await drain();
  const comments = await call('crm.timeline.comment.list', { filter: { ENTITY_ID: dealId, ENTITY_TYPE: 'deal' } });
  assert.deepEqual(comments.map((one: Json) => one.COMMENT), ['Оценка 93']);

  // The trigger moves the deal, and the SMS of the stage it comes to goes through the application.
  assert.equal(await call('crm.automation.trigger.execute', { CODE: 'scored', OWNER_TYPE_ID: 2, OWNER_ID: dealId }), true);
  await drain();
  const deal = await call('crm.deal.get', { id: dealId });
  assert.deepEqual([deal.STAGE_ID, deal.COMPANY_ID, deal.CONTACT_ID], [stages[2].STATUS_ID, String(companyId), String(contactId)]);
  const history = await call('crm.stagehistory.list', { entityTypeId: 2, filter: { OWNER_ID: dealId }, order: { ID: 'ASC' } });
  assert.deepEqual(history.items.map((one: Json) => one.STAGE_ID), stages.slice(0, 3).map((one: Json) => one.STATUS_ID));
  const [sms] = at('/sms');
  assert.deepEqual([sms.message_body, sms.message_to, sms.code], ['Оценена Крыша', '+79161234567', 'sms']);
  assert.equal(await call('messageservice.message.status.update', { CODE: 'sms', MESSAGE_ID: sms.message_id, STATUS: 'delivered' }), true);
  await drain();
  assert.equal((await api(admin).get('/api/deliveries', { itemId: dealId })).items[0].state, 'delivered');

  // All of it was told to whoever subscribed, once.
  const events = at('/event').map((form) => [form.event, Number(form.data.FIELDS.ID)]);
  assert.deepEqual(events.sort(), [['ONCRMCONTACTADD', contactId], ['ONCRMDEALADD', dealId], ['ONCRMDEALUPDATE', dealId], ['ONCRMDEALUPDATE', dealId]]);

  // And the application takes back what it brought.
  assert.deepEqual([await call('bizproc.robot.delete', { CODE: 'score' }), await call('crm.automation.trigger.delete', { CODE: 'scored' }), await call('messageservice.sender.delete', { CODE: 'sms' })], [true, true, true]);
  assert.equal((await call('event.unbind', { event: 'ONCRMDEALUPDATE', handler: `${handler.url}/event` })).count, 1);
}

for (const scheme of ['http', 'https'] as const) {
  for (const [name, client] of [['@bitrix24/b24jssdk', bySdk], ['@2bad/bitrix', byBitrix]] as const) {
    test(`an application on ${name} over ${scheme}: data, moves, its robot, its trigger, its SMS sender and its events work from end to end`, { timeout: 300_000 }, async () => {
      const vestnik = vestniks[scheme];
      const { made } = await appOf(vestnik, { name: `На ${name}` });
      await journey(vestnik, client(vestnik, made), made, await startHandler());
    });
  }
}
