/**
 * The judges: real clients, unmodified, as their users install them. @bitrix24/b24jssdk by webhook over TLS (it speaks
 * nothing else) and by OAuth over http; @2bad/bitrix over both.
 */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import tls from 'node:tls';
import https from 'node:https';
import { ApiVersion, B24Hook, B24OAuth, type AbstractB24 } from '@bitrix24/b24jssdk';
import { selfSigned } from '../support/certificate.ts';
import { type BitrixClient, connectBitrix } from '../support/clients.ts';
import { appOf, webhookOf } from '../support/rest.ts';
import { startTestVestnik } from '../support/vestnik.ts';

const certificate = selfSigned();
tls.setDefaultCACertificates([...tls.getCACertificates('default'), certificate.cert]);
https.globalAgent.options.ca = certificate.cert;

const secure = await startTestVestnik({ tls: certificate });
// The SDK looks at the expiry of its token by the clock of this machine.
const plain = await startTestVestnik({ startsAt: new Date().toISOString() });
const hook = await webhookOf(secure, secure.admin);

function quiet<Client extends AbstractB24>(client: Client): Client {
  // Its own limit of two calls a second would only slow the test.
  void client.setRestrictionManagerParams({ ...client.getHttpClient(ApiVersion.v2).getRestrictionManagerParams(), rateLimit: { burstLimit: 1000, drainRate: 1000, adaptiveEnabled: false } });
  return client;
}
const b24Hook = quiet(B24Hook.fromWebhookUrl(hook.url.replace(/\/$/, '')));
b24Hook.offClientSideWarning();

type Row = Record<string, unknown>;

async function sdkJourney(b24: AbstractB24, vestnik: typeof plain): Promise<void> {
  const v2 = b24.actions.v2;
  const make = async (method: string, params: Row = {}): Promise<ReturnType<typeof JSON.parse>> => {
    const response = await v2.call.make({ method, params });
    assert.ok(response.isSuccess, `${method}: ${response.getErrorMessages().join('; ')}`);
    return (response.getData() as { result: unknown }).result;
  };
  assert.equal((await make('profile')).ID, String(vestnik.admin.id));
  const companyId = await make('crm.company.add', { fields: { TITLE: 'Лесоторг' } });
  const contactId = await make('crm.contact.add', { fields: { NAME: 'Иван', LAST_NAME: 'Петров', COMPANY_ID: companyId, PHONE: [{ VALUE: '+79001112233', VALUE_TYPE: 'WORK' }] } });
  const sales = await vestnik.given.pipeline({ stages: ['Новая', 'Отправка счета'] });
  await vestnik.given.robot(sales.stage('Отправка счета'), 'comment', { text: 'Счёт отправлен' });
  const dealId = await make('crm.deal.add', { fields: { TITLE: 'Крыша', CATEGORY_ID: sales.id, CONTACT_ID: contactId, COMPANY_ID: companyId, OPPORTUNITY: 1500, CURRENCY_ID: 'RUB' } });
  const stages = await make('crm.status.list', { filter: { ENTITY_ID: `DEAL_STAGE_${sales.id}` }, order: { SORT: 'ASC' } });
  await make('crm.deal.update', { id: dealId, fields: { STAGE_ID: stages[1].STATUS_ID } });
  await vestnik.drain();
  assert.equal((await make('crm.deal.get', { id: dealId })).STAGE_ID, stages[1].STATUS_ID);
  const comments = await make('crm.timeline.comment.list', { filter: { ENTITY_ID: dealId, ENTITY_TYPE: 'deal' } });
  assert.deepEqual(comments.map((one: { COMMENT: string }) => one.COMMENT), ['Счёт отправлен']);

  const calls = Array.from({ length: 120 }, (_, i) => ({ method: 'crm.deal.add', params: { fields: { TITLE: `Пакет ${i}`, COMPANY_ID: companyId } } }));
  const added = await v2.batchByChunk.make({ calls, options: { isHaltOnError: true } });
  assert.ok(added.isSuccess, added.getErrorMessages().join('; '));
  assert.equal((added.getData() as unknown[]).length, 120);
  const listed = await v2.callList.make<{ ID: string }>({ method: 'crm.deal.list', params: { filter: { COMPANY_ID: companyId, '%TITLE': 'Пакет' }, select: ['ID', 'TITLE'] }, idKey: 'ID' });
  assert.ok(listed.isSuccess);
  assert.equal(new Set(listed.getData()!.map((row) => row.ID)).size, 120);
  let fetched = 0;
  for await (const chunk of v2.fetchList.make<{ id: number }>({ method: 'crm.item.list', params: { entityTypeId: 2, filter: { companyId }, select: ['id'] }, idKey: 'id', customKeyForResult: 'items' })) fetched += chunk.length;
  assert.equal(fetched, 121);

  const mixed = await v2.batch.make({
    calls: { good: { method: 'crm.deal.get', params: { id: dealId } }, bad: { method: 'crm.deal.get', params: { id: 99_999_999 } } },
    options: { isHaltOnError: false, returnAjaxResult: true },
  });
  assert.ok(!mixed.isSuccess, 'An error inside a batch is seen by the SDK.');
  assert.match(mixed.getErrorMessages().join(), /Not found/);
  await assert.rejects(v2.call.make({ method: 'no.such.method', params: {} }), /not found/i);
  const health = await b24.tools.healthCheck.make();
  assert.equal(health, true);
  const v3 = await b24.actions.v3.call.make({ method: 'tasks.task.list', params: {} }).catch((error: unknown) => error);
  assert.ok(v3 instanceof Error || !(v3 as { isSuccess: boolean }).isSuccess);
}

test('@bitrix24/b24jssdk works by webhook over TLS: data, moves, robots’ comments, batches, lists', { timeout: 300_000 }, () => sdkJourney(b24Hook, secure));

test('@bitrix24/b24jssdk works by OAuth over http, and renews its token by itself', { timeout: 300_000 }, async () => {
  const short = await appOf(plain, { tokenSeconds: 3600 });
  const { made } = short;
  const params = {
    applicationToken: made.applicationToken, userId: plain.admin.id, memberId: 'x', accessToken: made.accessToken, refreshToken: made.refreshToken,
    // The clock of the test is not the clock of the client: it believes in its token, and the server does not.
    expires: Math.floor(Date.now() / 1000) + 3600, expiresIn: 3600, scope: '', domain: plain.url, clientEndpoint: `${plain.url}/rest/`, serverEndpoint: `${plain.url}/rest/`, status: 'L',
  };
  const b24 = quiet(new B24OAuth(params as ConstructorParameters<typeof B24OAuth>[0], { clientId: made.clientId, clientSecret: made.clientSecret }));
  let renewed = 0;
  b24.setCallbackRefreshAuth(async () => void renewed++);
  await sdkJourney(b24, plain);
  assert.equal((await b24.actions.v2.call.make({ method: 'app.info', params: {} })).isSuccess, true);
  plain.clock.advance('2 hours');
  const after = await b24.actions.v2.call.make({ method: 'profile', params: {} });
  assert.ok(after.isSuccess, after.getErrorMessages().join('; '));
  assert.equal(renewed, 1);
});

for (const [scheme, vestnik] of [['http', plain], ['https', secure]] as const) {
  test(`@2bad/bitrix works over ${scheme}: everything in addresses, also fifty commands at once`, { timeout: 300_000 }, async () => {
    const { url } = await webhookOf(vestnik, vestnik.admin);
    const bitrix = connectBitrix(url);
    const company = await bitrix.companies.create({ TITLE: `Через GET ${scheme}` } as Parameters<BitrixClient['companies']['create']>[0]);
    const { result: id } = await bitrix.deals.create({ TITLE: 'Один', COMPANY_ID: String(company.result) } as Parameters<BitrixClient['deals']['create']>[0]);
    await bitrix.deals.update(String(id), { STAGE_ID: 'PREPARATION' } as Parameters<BitrixClient['deals']['update']>[1]);
    assert.equal((await bitrix.deals.get(String(id))).result.STAGE_ID, 'PREPARATION');
    const commands = Array.from({ length: 120 }, (_, i) => ({ method: 'crm.deal.add' as const, params: { fields: { TITLE: `Адрес ${i} ${'длинный '.repeat(20)}`, COMPANY_ID: String(company.result) } } }));
    const made = await bitrix.batch(commands as unknown as Parameters<BitrixClient['batch']>[0]);
    assert.equal(Object.values(made.result.result as object).length, 120);
    const all = await bitrix.deals.list({ filter: { COMPANY_ID: String(company.result) }, select: ['ID', 'TITLE'] } as unknown as Parameters<BitrixClient['deals']['list']>[0]);
    assert.equal(all.total, 121);
    assert.equal(new Set((all.result as readonly { ID: string }[]).map((row) => row.ID)).size, 121);
    await assert.rejects(bitrix.deals.get('99999999'), /400/);
  });
}
