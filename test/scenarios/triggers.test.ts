/** Triggers move items when something happens, and say why they did or did not. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { sql } from '../../server/db/db.ts';
import { toldBy } from '../support/told.ts';
import { startTestVestnik } from '../support/vestnik.ts';

const vestnik = await startTestVestnik();
const { api, admin, given, moved, drain, clock, db } = vestnik;
const told = toldBy(vestnik);
const anna = await given.employee({ firstName: 'Анна', lastName: 'Смирнова' });
const boris = await given.employee({ firstName: 'Борис', lastName: 'Котов' });
await given.field({ name: 'Оплата', type: 'date', code: 'payOn' });
await given.field({ name: 'Отгружено', type: 'boolean', code: 'isShipped' });

async function world(...names: string[]) {
  const pipeline = await given.pipeline({ stages: ['Новая', ...names] });
  const stage = (name: string) => pipeline.stage(name);
  const deal = (more: Record<string, unknown> = {}) => given.item({ pipelineId: pipeline.id, stageId: stage('Новая').id, ownerId: anna.id, ...more });
  const success = pipeline.stages.find((one) => one.semantics === 'success');
  assert.ok(success);
  return { pipeline, stage, deal, success };
}
type Item = { id: number };
const change = (item: Item, fields: object, by = admin) => api(by).patch(`/api/items/${item.id}`, fields);
const stageOf = async (item: Item): Promise<number> => (await api(admin).get(`/api/items/${item.id}`)).stageId;
const runsOf = async (item: Item) => (await api(admin).get('/api/trigger-runs', { itemId: item.id })).items;
const reasonsOf = async (item: Item) => (await runsOf(item)).map((run: { state: string; reason: string | null }) => run.reason ?? run.state);
const say = (text: string) => ({ text, author: { kind: 'employee', id: admin.id } });
const watches = (field: string, more: object = {}) => ({ kind: 'fieldChanged' as const, changes: [{ field, ...more }] });

test('a changed field moves the item, and the robots of the stage start; the move is in the owner\'s name and says why', async () => {
  const { stage, deal } = await world('Торг', 'Крупные');
  const trigger = await given.trigger(stage('Крупные'), watches('amount', { to: { operator: 'greater', value: 1_000_000 } }), { title: 'Стала крупной' });
  await given.robot(stage('Крупные'), 'comment', say('Крупная сделка'));
  const item = await deal({ amount: 5 });
  await change(item, { amount: 10 });
  await drain();
  assert.equal(await stageOf(item), stage('Новая').id);
  await change(item, { amount: 2_000_000 });
  await drain();
  assert.equal(await stageOf(item), stage('Крупные').id);
  assert.deepEqual((await told.comments(item)).map((entry) => entry.data.body), ['Крупная сделка']);

  const [done, skipped] = await runsOf(item);
  assert.deepEqual([done.triggerId, done.triggerTitle, done.state, done.fromStageName, done.stageName], [trigger.id, 'Стала крупной', 'done', 'Новая', 'Крупные']);
  assert.equal(done.happened, 'Сумма: 10\u00a0₽ → 2\u00a0000\u00a0000\u00a0₽');
  assert.equal(done.explanation, 'Элемент перемещён: «Новая» → «Крупные».');
  assert.deepEqual([skipped.state, skipped.reason], ['skipped', 'trigger.value_differs']);
  assert.match(skipped.explanation, /Новое значение не подошло: Сумма 10.*не больше/);
  const [arrival] = await db.rows<{ cause: string; employeeId: number; depth: number; runId: number }>(sql`select cause, employee_id, depth, run_id from arrivals where item_id = ${item.id} order by id desc limit 1`);
  assert.deepEqual(arrival, { cause: 'trigger', employeeId: anna.id, depth: 1, runId: done.id });
});

test('from and to both have to suit; any of several fields will do', async () => {
  const { stage, deal } = await world('Возврат');
  await given.trigger(stage('Возврат'), {
    kind: 'fieldChanged',
    changes: [{ field: 'isShipped', from: { operator: 'equals', value: true }, to: { operator: 'equals', value: false } }, { field: 'OPPORTUNITY', to: { operator: 'empty' } }],
  });
  const [first, second, third] = [await deal({ amount: 7 }), await deal({ amount: 7 }), await deal({ amount: 7 })];
  await change(first, { values: { isShipped: true } });
  await change(second, { values: { isShipped: true } });
  await drain();
  assert.equal(await stageOf(first), stage('Новая').id);
  await change(first, { values: { isShipped: false } });
  await change(third, { amount: null });
  await change(second, { title: 'Другое название' });
  await drain();
  assert.deepEqual([await stageOf(first), await stageOf(second), await stageOf(third)], [stage('Возврат').id, stage('Новая').id, stage('Возврат').id]);
});

test('a changed owner moves the item, unless the condition says no', async () => {
  const { stage, deal } = await world('Передана');
  await given.trigger(stage('Передана'), { kind: 'ownerChanged' }, { condition: { op: 'and', items: [{ left: '{=Document:amount}', operator: 'filled' }] } });
  const [rich, poor] = [await deal({ amount: 100 }), await deal({ amount: null })];
  await change(rich, { ownerId: boris.id });
  await change(poor, { ownerId: boris.id });
  await drain();
  assert.deepEqual([await stageOf(rich), await stageOf(poor)], [stage('Передана').id, stage('Новая').id]);
  const [run] = await runsOf(rich);
  assert.equal(run.happened, 'Ответственный: Анна Смирнова → Борис Котов');
  assert.match((await runsOf(poor))[0].explanation, /^Условие не выполнено: /);
});

test('a trigger moves forward only, and back where it is allowed; a closed item stays closed', async () => {
  const { pipeline, stage, deal, success } = await world('Ранняя', 'Средняя', 'Поздняя');
  await given.trigger(stage('Ранняя'), watches('amount'), { title: 'Вперёд' });
  const item = await deal({ amount: 1, stageId: stage('Поздняя').id });
  const closed = await deal({ amount: 1, stageId: success.id });
  await change(item, { amount: 2 });
  await change(closed, { amount: 2 });
  await drain();
  assert.deepEqual([await stageOf(item), await stageOf(closed)], [stage('Поздняя').id, success.id]);
  assert.deepEqual([await reasonsOf(item), await reasonsOf(closed)], [['trigger.behind'], ['trigger.item_closed']]);

  const path = `/api/pipelines/${pipeline.id}/robots`;
  const set = await api(admin).get(path);
  const saved = await api(admin).put(path, { revision: set.revision, robots: [], triggers: set.triggers.map((one: object) => ({ ...one, mayMoveBack: true })) });
  await api(admin).post(`${path}/publish`, { revision: saved.revision });
  await change(item, { amount: 3 });
  await change(closed, { amount: 3 });
  await drain();
  assert.deepEqual([await stageOf(item), await stageOf(closed)], [stage('Ранняя').id, stage('Ранняя').id]);
  await change(item, { amount: 4 });
  await drain();
  assert.deepEqual((await reasonsOf(item))[0], 'trigger.already_there');
});

test('of several triggers for one event the earliest stage wins, and the others say so', async () => {
  const { stage, deal } = await world('Вторая', 'Третья');
  await given.trigger(stage('Третья'), watches('amount'), { title: 'Дальше' });
  await given.trigger(stage('Вторая'), watches('amount'), { title: 'Ближе' });
  const item = await deal({ amount: 1 });
  await change(item, { amount: 2 });
  await drain();
  assert.equal(await stageOf(item), stage('Вторая').id);
  const runs = await runsOf(item);
  assert.deepEqual(runs.map((run: { triggerTitle: string; state: string }) => [run.triggerTitle, run.state]).sort(), [['Ближе', 'done'], ['Дальше', 'skipped']]);
  assert.equal(runs.find((run: { state: string }) => run.state === 'skipped').explanation, 'Сработал триггер более ранней стадии: «Ближе».');
});

test('an incoming webhook moves the item when its address is called; a wrong secret finds nothing', async () => {
  const { pipeline, stage, deal } = await world('Оплачено');
  const trigger = await given.trigger(stage('Оплачено'), { kind: 'webhook' });
  const path = `/api/pipelines/${pipeline.id}/triggers/${trigger.id}/webhook`;
  const { url } = await api(admin).get(path);
  assert.equal((await api(admin).get(path)).url, url);
  const item = await deal();
  const call = (address: string, of: Item, method = 'POST') => fetch(address.replace('{id}', String(of.id)), { method, ...(method === 'POST' ? { body: '<xml/>', headers: { 'content-type': 'application/xml' } } : {}) });
  assert.equal((await call(url.replace(/.{5}\?/, 'AAAAA?'), item)).status, 404);
  assert.equal((await call(url, { id: 999_999 })).status, 404);
  const answer = await call(url, item);
  assert.deepEqual([answer.status, await answer.json()], [202, { accepted: true }]);
  await drain();
  assert.equal(await stageOf(item), stage('Оплачено').id);
  assert.equal((await runsOf(item))[0].happened, 'Обращение к вебхуку');

  const other = await deal();
  assert.equal((await call(url, other, 'GET')).status, 202);
  await drain();
  assert.equal(await stageOf(other), stage('Оплачено').id);
  const elsewhere = await (await world()).deal();
  assert.equal((await call(url, elsewhere)).status, 409);
  const renewed = await api(admin).post(path);
  assert.notEqual(renewed.url, url);
  assert.equal((await call(url, item)).status, 404);
  await assert.rejects(api(boris).get(path), { status: 403 });
});

test('a paid invoice moves its deal', async () => {
  const { stage, deal } = await world('Счёт', 'Оплата получена');
  await given.trigger(stage('Оплата получена'), { kind: 'invoicePaid' });
  const item = await deal({ amount: 5000 });
  const invoice = await api(admin).post(`/api/items/${item.id}/invoices`, {});
  await drain();
  assert.equal(await stageOf(item), stage('Новая').id);
  await api(admin).post(`/api/invoices/${invoice.itemId}/payment`);
  await drain();
  assert.equal(await stageOf(item), stage('Оплата получена').id);
  assert.equal((await runsOf(item))[0].happened, `Оплачен счёт № ${invoice.number}`);
});

test('a date moves the item when it is reached, and the moment follows the field', async () => {
  const { stage, deal } = await world('Скоро оплата');
  await given.trigger(stage('Скоро оплата'), { kind: 'dateReached', timing: { kind: 'beforeDate', reference: '{=Document:payOn}', amount: 1, unit: 'days' } });
  const later = await deal({ values: { payOn: '2026-03-20' } });
  const putOff = await deal({ values: { payOn: '2026-03-20' } });
  const emptied = await deal({ values: { payOn: '2026-03-20' } });
  const past = await deal({ values: { payOn: '2026-03-01' } });
  const filled = await deal();
  await drain();
  assert.equal(await stageOf(past), stage('Скоро оплата').id);
  await change(putOff, { values: { payOn: '2026-03-25' } });
  await change(emptied, { values: { payOn: null } });
  await change(filled, { values: { payOn: '2026-03-20' } });
  clock.set('2026-03-18T20:59:00Z');
  await drain();
  assert.equal(await stageOf(later), stage('Новая').id);
  clock.set('2026-03-18T21:00:00Z');
  await drain();
  const stages = async () => [await stageOf(later), await stageOf(putOff), await stageOf(emptied), await stageOf(filled)];
  const [early, there] = [stage('Новая').id, stage('Скоро оплата').id];
  assert.deepEqual(await stages(), [there, early, early, there]);
  clock.set('2026-03-24T00:00:00Z');
  await drain();
  assert.deepEqual(await stages(), [there, there, early, there]);
  assert.deepEqual(await runsOf(emptied), []);
});

test('items that are there when a date trigger is published get their moments; those long past stay; who leaves the pipeline is left alone', async () => {
  const { pipeline, stage, deal } = await world('Наступило');
  const now = clock.now();
  const day = (days: number) => new Date(now.getTime() + days * 86_400_000).toISOString().slice(0, 10);
  const [soon, past, leaving] = [await deal({ values: { payOn: day(3) } }), await deal({ values: { payOn: day(-3) } }), await deal({ values: { payOn: day(3) } })];
  const trigger = await given.trigger(stage('Наступило'), { kind: 'dateReached', timing: { kind: 'at', reference: '{=Document:payOn}', time: '12:00' } });
  await drain();
  assert.equal((await api(admin).get(`/api/pipelines/${pipeline.id}/robots`)).triggerCounts[0].waiting, 2);
  const elsewhere = await world();
  await moved(leaving, elsewhere.stage('Новая'));
  clock.advance('4 days');
  await drain();
  assert.deepEqual([await stageOf(soon), await stageOf(past), await stageOf(leaving)], [stage('Наступило').id, stage('Новая').id, elsewhere.stage('Новая').id]);
  assert.deepEqual((await api(admin).get(`/api/pipelines/${pipeline.id}/robots`)).triggerCounts, [{ triggerId: trigger.id, moved: 1, failed: 0, waiting: 0 }]);
});

test('without changes for three days: a trigger can follow the date of the last change', async () => {
  const { stage, deal } = await world('Забыта');
  await given.trigger(stage('Забыта'), { kind: 'dateReached', timing: { kind: 'afterDate', reference: '{=Document:updatedAt}', amount: 3, unit: 'days' } });
  const item = await deal();
  clock.advance('2 days');
  await change(item, { title: 'Помним' });
  clock.advance('2 days');
  await drain();
  assert.equal(await stageOf(item), stage('Новая').id);
  clock.advance('1 day');
  await drain();
  assert.equal(await stageOf(item), stage('Забыта').id);
});

test('robots and triggers that start each other are stopped, visibly', async () => {
  const { stage, deal } = await world('Пинг', 'Понг');
  await given.trigger(stage('Пинг'), watches('amount'), { mayMoveBack: true });
  await given.trigger(stage('Понг'), { kind: 'ownerChanged' }, { mayMoveBack: true });
  await given.robot(stage('Пинг'), 'change-item', { values: [{ field: 'ownerId', value: boris.id }] });
  await given.robot(stage('Понг'), 'change-item', { values: [{ field: 'amount', value: '{=Document:id}' }] });
  const item = await deal({ amount: 1 });
  await change(item, { amount: 2 });
  await drain();
  assert.equal(await stageOf(item), stage('Понг').id);
  assert.deepEqual(await reasonsOf(item), ['trigger.repeated', 'done', 'done']);
  assert.match((await runsOf(item))[0].explanation, /по кругу/);
});

test('what the stage requires stops the move, and the run says what is missing', async () => {
  const { stage, deal } = await world('Договор');
  const field = await given.field({ name: 'Номер договора', type: 'string', code: 'contractNo' });
  await api(admin).patch(`/api/fields/${field.id}`, { requiredStageIds: [stage('Договор').id] });
  await given.trigger(stage('Договор'), watches('amount'));
  const item = await deal({ amount: 1 });
  await change(item, { amount: 2 });
  await drain();
  assert.equal(await stageOf(item), stage('Новая').id);
  const [run] = await runsOf(item);
  assert.deepEqual([run.state, run.reason], ['failed', 'item.refused']);
  assert.match(run.explanation, /Номер договора/);
});

test('a trigger that is off, or only drafted, or of another pipeline does nothing; a removed one says so', async () => {
  const { pipeline, stage, deal } = await world('Никогда');
  await given.trigger(stage('Никогда'), watches('amount'), { isEnabled: false });
  const path = `/api/pipelines/${pipeline.id}/robots`;
  const set = await api(admin).get(path);
  const on = set.triggers.map((one: object) => ({ ...one, isEnabled: true }));
  const drafted = await api(admin).put(path, { revision: set.revision, robots: [], triggers: on });
  const item = await deal({ amount: 1 });
  await change(item, { amount: 2 });
  await drain();
  assert.deepEqual(await runsOf(item), []);
  const published = await api(admin).post(`${path}/publish`, { revision: drafted.revision });
  await change(item, { amount: 3 });
  const emptied = await api(admin).put(path, { revision: published.revision, robots: [], triggers: [] });
  await api(admin).post(`${path}/publish`, { revision: emptied.revision });
  await drain();
  assert.deepEqual(await reasonsOf(item), ['trigger.removed']);
  assert.equal(await stageOf(item), stage('Новая').id);
});

test('a person who moves a thousand items, or changes them, costs no row where nobody listens', async () => {
  const { stage, deal } = await world('Тихо');
  const item = await deal({ amount: 1 });
  await change(item, { amount: 2 });
  await moved(item, stage('Тихо'));
  assert.equal((await db.first<{ n: number }>(sql`select count(*) as n from trigger_events where item_id = ${item.id}`))?.n, 0);
  await drain();
});

test('who may not see the item does not learn what its triggers did', async () => {
  const { deal } = await world();
  const item = await deal();
  const stranger = await given.employee();
  for (const role of (await api(admin).get('/api/access-roles')).items) await api(admin).del(`/api/access-roles/${role.id}`);
  await assert.rejects(api(stranger).get('/api/trigger-runs', { itemId: item.id }), { status: 404 });
  await assert.rejects(api(stranger).get('/api/trigger-runs'), { status: 403 });
});
