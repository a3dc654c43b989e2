/** Robots and triggers of applications: registered over REST, set up by people, called at a real server, answered over REST. */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { type AddressInfo, createServer } from 'node:net';
import { beforeEach, test } from 'node:test';
import { sql } from '../../server/db/db.ts';
import { startHandler } from '../support/handler.ts';
import { appOf, webhookOf } from '../support/rest.ts';
import { toldBy } from '../support/told.ts';
import { startTestVestnik } from '../support/vestnik.ts';

const vestnik = await startTestVestnik({ allowedPrivateHosts: ['127.0.0.1'] });
const { api, admin, given, moved, drain, clock, db } = vestnik;
const told = toldBy(vestnik);
const app = await appOf(vestnik, { name: 'Проверка контрагентов' });
const hook = await webhookOf(vestnik, admin);
const handler = await startHandler();
const anna = await given.employee({ firstName: 'Анна' });
const pipeline = await given.pipeline({ stages: ['Новая', 'Проверка', 'Проверена'] });
const stage = (name: string) => pipeline.stage(name);
const deal = (more: Record<string, unknown> = {}) => given.item({ pipelineId: pipeline.id, stageId: stage('Новая').id, ownerId: anna.id, amount: 1500.5, title: 'Крыша', ...more });
/** Nobody listens there. */
async function closedPort(): Promise<string> {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  server.close();
  await once(server, 'close');
  return `http://127.0.0.1:${port}/handler`;
}
const say = (text: string) => ({ text, author: { kind: 'employee', id: admin.id } });
const typeOf = async (code: string) => (await api(admin).get('/api/robot-types')).find((type: { id: string }) => type.id === `app:${app.made.id}:${code}`);
const robotId = (code: string) => `app:${app.made.id}:${code}`;

beforeEach(() => {
  handler.status = 200;
  handler.onRequest(undefined);
  handler.take();
});

const check = {
  CODE: 'check', HANDLER: handler.url, NAME: { ru: 'Проверить контрагента', en: 'Check the client' }, DESCRIPTION: 'По ИНН',
  PROPERTIES: {
    inn: { Name: 'ИНН', Type: 'string', Required: 'Y' },
    sum: { Name: { ru: 'Сумма', en: 'Sum' }, Type: 'double', Default: '{=Document:amount}' },
    depth: { Name: 'Глубина', Type: 'select', Options: { fast: 'Быстро', deep: 'Подробно' }, Default: 'deep' },
    who: { Name: 'Кому', Type: 'user', Multiple: 'Y' },
    urgent: { Name: 'Срочно', Type: 'bool' },
  },
  RETURN_PROPERTIES: { score: { Name: 'Оценка', Type: 'int' }, verdict: { Name: { ru: 'Вывод' }, Type: 'string' }, checkedOn: { Name: 'Дата', Type: 'date' } },
};
assert.equal(await app.call('bizproc.robot.add', check), true);

test('a registered robot stands in the catalogue in the language of its reader, with its settings and results', async () => {
  const type = await typeOf('check');
  assert.deepEqual([type.title, type.description, type.group, type.groupTitle], ['Проверить контрагента', 'По ИНН', 'apps', 'Приложения']);
  assert.deepEqual(type.form.map((field: { name: string; label: string; widget: string }) => [field.name, field.label, field.widget]), [
    ['inn', 'ИНН', 'text'], ['sum', 'Сумма', 'text'], ['depth', 'Глубина', 'choice'], ['who', 'Кому', 'employees'], ['urgent', 'Срочно', 'switch'],
  ]);
  assert.deepEqual(type.form[2].options, [{ value: 'fast', name: 'Быстро' }, { value: 'deep', name: 'Подробно' }]);
  assert.deepEqual(type.results, [{ name: 'score', title: 'Оценка', kind: 'number' }, { name: 'verdict', title: 'Вывод', kind: 'string' }, { name: 'checkedOn', title: 'Дата', kind: 'date' }]);
  assert.deepEqual(await app.call('bizproc.robot.list'), ['check']);
});

test('a run calls the handler, waits for the answer, and hands its values on to the robots below', async () => {
  await given.robot(stage('Проверка'), robotId('check'), { inn: '7707083893', who: [{ kind: 'role', role: 'owner' }], urgent: true }, { title: 'Проверка' });
  const set = await api(admin).get(`/api/pipelines/${pipeline.id}/robots`);
  await given.robot(stage('Проверка'), 'comment', say(`Оценка {=A${set.robots[0].id}:score}, {=A${set.robots[0].id}:verdict}, {=A${set.robots[0].id}:checkedOn}`));
  const item = await deal();
  await moved(item, stage('Проверка'));
  await drain();
  const [form] = handler.take();
  assert.deepEqual(form.document_id, ['crm', 'CCrmDocumentDeal', `DEAL_${item.id}`]);
  assert.deepEqual(form.document_type, ['crm', 'CCrmDocumentDeal', 'DEAL']);
  assert.deepEqual({ ...form.properties }, { inn: '7707083893', sum: '1500.5', depth: 'deep', who: [`user_${anna.id}`], urgent: 'Y' });
  assert.deepEqual([form.code, form.use_subscription, form.timeout_duration], ['check', 'Y', '86400']);
  for (const key of ['access_token', 'expires', 'expires_in', 'scope', 'domain', 'server_endpoint', 'status', 'client_endpoint', 'member_id', 'user_id', 'application_token', 'refresh_token']) assert.ok(form.auth[key], key);
  assert.equal(form.auth.application_token, app.made.applicationToken);
  const [waiting, below] = await told.runs(item);
  assert.deepEqual([waiting?.state, waiting?.reason, below?.state, below?.reason], ['waiting', 'waits_for_answer', 'waiting', 'waits_for_previous']);

  // With the token it was given, as an application does.
  const answered = await fetch(`${form.auth.client_endpoint}bizproc.activity.log?${new URLSearchParams({ auth: form.auth.access_token, event_token: form.event_token, log_message: 'Запросили выписку' })}`);
  assert.equal(answered.status, 200);
  assert.equal(await app.call('bizproc.event.send', { event_token: form.event_token, return_values: { score: '87', verdict: 'надёжен', checkedOn: '10.03.2026', other: 'x' }, log_message: 'Готово' }), true);
  await drain();
  assert.deepEqual((await told.comments(item)).map((entry) => entry.data.body), ['Оценка 87, надёжен, 10.03.2026']);
  const [done] = await told.runs(item);
  assert.deepEqual([done?.state, done?.results, done?.notes], ['done', { score: 87, verdict: 'надёжен', checkedOn: '2026-03-10' }, ['Запросили выписку', 'Готово']]);
  // A second answer changes nothing.
  assert.equal(await app.call('bizproc.event.send', { event_token: form.event_token, return_values: { score: 1 } }), true);
  assert.deepEqual((await told.runs(item))[0]?.results, { score: 87, verdict: 'надёжен', checkedOn: '2026-03-10' });
  await app.refused('bizproc.event.send', { event_token: `${form.event_token}x` }, { status: 403, error: 'ACCESS_DENIED', error_description: 'Access denied!' });
  const other = await appOf(vestnik, { name: 'Чужое' });
  await other.refused('bizproc.event.send', { event_token: form.event_token }, { status: 403, error: 'ACCESS_DENIED' });
});

test('an application that is silent fails the run when its time is over, and the robots below go on', async () => {
  const item = await deal();
  await moved(item, stage('Проверка'));
  await drain();
  clock.advance('23 hours');
  await drain();
  assert.equal((await told.runs(item))[0]?.state, 'waiting');
  await assert.rejects(api(admin).post(`/api/runs/${(await told.runs(item))[0]?.id}/run-now`), { code: 'robots.run_not_waiting' });
  clock.advance('1 hour');
  await drain();
  const [run, below] = await told.runs(item);
  assert.deepEqual([run?.state, run?.reason, below?.state], ['failed', 'app.no_answer', 'done']);
  assert.match(String(run?.explanation), /не ответило вовремя/);
  const [form] = handler.take();
  await app.call('bizproc.event.send', { event_token: form.event_token, return_values: { score: 1 } });
  assert.equal((await told.runs(item))[0]?.state, 'failed');
});

test('an answer that comes before the handler has answered counts, and the call is not repeated', async () => {
  handler.status = 500;
  handler.onRequest(async (form) => void (await app.call('bizproc.event.send', { event_token: form.event_token, return_values: { score: 5 } })));
  const item = await deal();
  await moved(item, stage('Проверка'));
  await drain();
  assert.deepEqual([(await told.runs(item))[0]?.state, (await told.runs(item))[0]?.results], ['done', { score: 5 }]);
  clock.advance('1 day');
  await drain();
  assert.equal(handler.take().length, 1);
});

test('a handler that is down is called again, longer and longer, until it answers', async () => {
  handler.status = 503;
  const item = await deal();
  await moved(item, stage('Проверка'));
  await drain();
  clock.advance('1 minute');
  await drain();
  assert.equal(handler.take().length, 2);
  handler.status = 200;
  clock.advance('10 minutes');
  await drain();
  assert.equal(handler.take().length, 1);
  await drain();
  assert.equal((await told.runs(item))[0]?.state, 'waiting');
  assert.deepEqual((await api(admin).get('/api/app-calls', { limit: 1 })).items.map((call: { state: string; attempts: number }) => [call.state, call.attempts]), [['done', 3]]);
});

for (const [how, status] of [['answers with errors', 500], ['is not there any more', null]] as const) {
  test(`a handler that ${how} is given up in the end: the run fails and says why, the robots below go on, and administrators see the call`, async () => {
    const gone = status === null ? await closedPort() : handler.url;
    handler.status = status ?? 200;
    const code = `lost${status ?? ''}`;
    const own = await given.pipeline({ stages: ['Новая', 'Проверка'] });
    await app.call('bizproc.robot.add', { CODE: code, HANDLER: gone, NAME: 'Потерянный' });
    await given.robot(own.stage('Проверка'), robotId(code), {});
    await given.robot(own.stage('Проверка'), 'comment', say('Дальше'));
    const item = await given.item({ pipelineId: own.id, stageId: own.stage('Новая').id });
    await moved(item, own.stage('Проверка'));
    // Its own time to answer is a day; what it is called again for adds up to less.
    const states = new Set<string>();
    for (let quarters = 0; quarters < 100; quarters++) {
      await drain();
      const [run] = await told.runs(item);
      states.add(String(run?.state));
      if (run?.state !== 'waiting') break;
      clock.advance('15 minutes');
    }
    const [run, below] = await told.runs(item);
    assert.deepEqual([[...states], run?.state, run?.reason, below?.state], [['waiting', 'failed'], 'failed', 'app.unreachable', 'done']);
    assert.match(String(run?.explanation), status === null ? /ECONNREFUSED/ : /500/);
    const [call] = (await api(admin).get('/api/app-calls', { limit: 1 })).items;
    assert.deepEqual([call.state, call.attempts], ['failed', 8]);
    assert.equal(handler.take().length, status === null ? 0 : 8);
    assert.deepEqual((await told.comments(item)).map((entry) => entry.data.body), ['Дальше']);
  });
}

test('leaving the stage cancels the run; what the application answers then changes nothing', async () => {
  const item = await deal();
  await moved(item, stage('Проверка'));
  await drain();
  const [form] = handler.take();
  await moved(item, stage('Проверена'));
  await drain();
  assert.equal(await app.call('bizproc.event.send', { event_token: form.event_token, return_values: { score: 5 } }), true);
  assert.deepEqual((await told.runs(item)).map((run) => run.state), ['cancelled', 'cancelled']);
});

test('a robot that waits for nothing is done at once', async () => {
  const { stage: at, pipeline: own } = await (async () => {
    const made = await given.pipeline({ stages: ['А', 'Б'] });
    return { pipeline: made, stage: (name: string) => made.stage(name) };
  })();
  await app.call('bizproc.robot.add', { CODE: 'ping', HANDLER: handler.url, NAME: 'Пинг', USE_SUBSCRIPTION: 'N' });
  await given.robot(at('Б'), robotId('ping'), {});
  const item = await given.item({ pipelineId: own.id, stageId: at('А').id });
  await moved(item, at('Б'));
  await drain();
  const [form] = handler.take();
  assert.deepEqual([form.code, form.use_subscription, form.properties], ['ping', 'N', '']);
  assert.equal((await told.runs(item))[0]?.state, 'done');

  // Its handler changes, and then it goes: runs say so.
  await app.call('bizproc.robot.update', { CODE: 'ping', FIELDS: { HANDLER: `${handler.url}2`, NAME: 'Понг' } });
  assert.equal((await typeOf('ping')).title, 'Понг');
  await moved(item, at('А'));
  await moved(item, at('Б'));
  await drain();
  assert.equal(handler.received.at(-1)?.path, '/handler2');
  await app.call('bizproc.robot.delete', { CODE: 'ping' });
  assert.equal(await typeOf('ping'), undefined);
  await moved(item, at('А'));
  await moved(item, at('Б'));
  await drain();
  assert.equal((await told.runs(item)).at(-1)?.reason, 'robot.type_unknown');
});

test('a rehearsal calls nobody', async () => {
  const item = await deal();
  const { runs } = await api(admin).post(`/api/pipelines/${pipeline.id}/robots/rehearse`, { itemId: item.id, stageId: stage('Проверка').id });
  assert.equal(runs[0].reason, 'waits_for_answer');
  await drain();
  assert.deepEqual(handler.take(), []);
});

test('addresses of internal networks are refused unless they were allowed by name', async () => {
  for (const HANDLER of ['http://10.0.0.1/x', 'http://localhost:1/', 'http://[::1]/', 'http://169.254.169.254/latest', 'not a url', 'http://user:pass@example.com/']) {
    await app.refused('bizproc.robot.add', { CODE: 'bad', HANDLER, NAME: 'Плохой' }, { error: 'ERROR_WRONG_HANDLER_URL' });
  }
  await app.refused('bizproc.robot.add', { CODE: 'bad', HANDLER: 'ftp://example.com/', NAME: 'Плохой' }, { error: 'ERROR_UNSUPPORTED_PROTOCOL' });
});

test('what is wrong with a registration is told as documented', async () => {
  const good = { CODE: 'good', HANDLER: handler.url, NAME: 'Хороший' };
  await hook.refused('bizproc.robot.add', good, { status: 403, error: 'ACCESS_DENIED', error_description: 'Application context required' });
  await app.refused('bizproc.robot.add', { ...good, CODE: '' }, { error: 'ERROR_ACTIVITY_VALIDATION_FAILURE', error_description: 'Empty activity code!' });
  await app.refused('bizproc.robot.add', { ...good, CODE: 'ё' }, { error: 'ERROR_ACTIVITY_VALIDATION_FAILURE', error_description: 'Wrong activity code!' });
  await app.refused('bizproc.robot.add', { ...good, NAME: '' }, { error: 'ERROR_ACTIVITY_VALIDATION_FAILURE', error_description: 'Empty activity NAME!' });
  await app.refused('bizproc.robot.add', { ...good, PROPERTIES: { '1x': { Name: 'x' } } }, { error: 'ERROR_ACTIVITY_VALIDATION_FAILURE', error_description: 'Wrong property key 1x!' });
  await app.refused('bizproc.robot.add', { ...good, PROPERTIES: { x: { Type: 'string' } } }, { error: 'ERROR_ACTIVITY_VALIDATION_FAILURE', error_description: 'Empty property NAME x!' });
  await app.refused('bizproc.robot.add', { ...good, PROPERTIES: 'x' }, { error: 'ERROR_ACTIVITY_VALIDATION_FAILURE', error_description: 'Wrong properties array!' });
  await app.refused('bizproc.robot.add', check, { error: 'ERROR_ACTIVITY_ALREADY_INSTALLED' });
  await app.refused('bizproc.robot.update', { CODE: 'none', FIELDS: { NAME: 'x' } }, { error: 'ERROR_ACTIVITY_NOT_FOUND' });
  await app.refused('bizproc.robot.update', { CODE: 'check', FIELDS: {} }, { error: 'ERROR_ACTIVITY_VALIDATION_FAILURE', error_description: 'No fields to update' });
  await app.refused('bizproc.robot.delete', { CODE: 'none' }, { error: 'ERROR_ACTIVITY_NOT_FOUND' });
  await app.refused('bizproc.activity.log', { EVENT_TOKEN: 'x' }, { error: 'ERROR_EMPTY_LOG_MESSAGE' });
  const byAnna = await appOf(vestnik, { name: 'Анна', employeeId: anna.id });
  await byAnna.refused('bizproc.robot.list', {}, { status: 403, error: 'ACCESS_DENIED' });
});

test('a trigger of an application is registered, set up, and executed', async () => {
  assert.equal(await app.call('crm.automation.trigger.add', { CODE: 'paid', NAME: 'Оплачено в кассе' }), true);
  assert.deepEqual(await app.call('crm.automation.trigger.list'), [{ NAME: 'Оплачено в кассе', CODE: 'paid' }]);
  const [known] = await api(admin).get('/api/app-triggers');
  assert.deepEqual(known, { appId: app.made.id, appName: 'Проверка контрагентов', code: 'paid', name: 'Оплачено в кассе' });
  const own = await given.pipeline({ stages: ['Новая', 'Оплачена'] });
  await given.trigger(own.stage('Оплачена'), { kind: 'app', appId: app.made.id, code: 'paid' });
  const item = await given.item({ pipelineId: own.id, stageId: own.stage('Новая').id });
  assert.equal(await app.call('crm.automation.trigger.execute', { CODE: 'paid', OWNER_TYPE_ID: 2, OWNER_ID: item.id }), true);
  await drain();
  assert.equal((await api(admin).get(`/api/items/${item.id}`)).stageId, own.stage('Оплачена').id);
  const { items } = await api(admin).get('/api/trigger-runs', { itemId: item.id });
  assert.equal(items[0].happened, 'Событие приложения «paid»');

  await app.refused('crm.automation.trigger.execute', { CODE: 'none', OWNER_TYPE_ID: 2, OWNER_ID: item.id }, { error: '', error_description: 'Trigger with code none is not registered.' });
  await app.refused('crm.automation.trigger.execute', { CODE: 'paid', OWNER_TYPE_ID: 99, OWNER_ID: item.id }, { error: '', error_description: 'Incorrect parameter OWNER_TYPE_ID.' });
  await app.refused('crm.automation.trigger.execute', { CODE: 'paid', OWNER_TYPE_ID: 1, OWNER_ID: item.id }, { error: '', error_description: 'Incorrect parameter OWNER_ID.' });
  await app.refused('crm.automation.trigger.add', { CODE: 'Ы', NAME: 'x' }, { error: '', error_description: 'Wrong trigger code!' });
  await hook.refused('crm.automation.trigger.list', {}, { status: 403, error: 'ACCESS_DENIED', error_description: 'Access denied! Application context required' });
  assert.equal(await app.call('crm.automation.trigger.delete', { CODE: 'paid' }), true);
  await app.refused('crm.automation.trigger.delete', { CODE: 'paid' }, { error: '', error_description: 'Trigger not found' });
});

test('crm.automation.trigger moves the target by the code of a webhook trigger, for those who may move it', async () => {
  const own = await given.pipeline({ stages: ['Новая', 'Из магазина'] });
  await given.trigger(own.stage('Из магазина'), { kind: 'webhook', code: 'nwly5' });
  const item = await given.item({ pipelineId: own.id, stageId: own.stage('Новая').id });
  const answer = await fetch(`${hook.url}crm.automation.trigger/?target=DEAL_${item.id}&code=nwly5`);
  assert.equal(answer.status, 200);
  await drain();
  assert.equal((await api(admin).get(`/api/items/${item.id}`)).stageId, own.stage('Из магазина').id);
  await hook.refused('crm.automation.trigger', {}, { error: '', error_description: 'Target is not set.' });
  await hook.refused('crm.automation.trigger', { target: 'x' }, { error: '', error_description: 'Incorrect target format.' });
  await hook.refused('crm.automation.trigger', { target: `LEAD_${item.id}` }, { error: '', error_description: 'Target is not found.' });
});

test('nothing of all that is left over', async () => {
  await drain();
  assert.equal((await db.first<{ n: number }>(sql`select count(*) as n from app_calls where state = 'sending'`))?.n, 0);
});
