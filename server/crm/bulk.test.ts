/** Bulk actions: in the background, each item by itself, once, with robots or without. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { startTestVestnik } from '../../test/support/vestnik.ts';
import { sql } from '../db/db.ts';

const { api, admin, db, given, drain, vestnik, listen } = await startTestVestnik();
const anna = await given.employee();
const sales = await given.pipeline({ stages: ['Новая', 'В работе'] });
const [fresh, busy] = [sales.stage('Новая'), sales.stage('В работе')];

interface Listed { id: number; stageId: number; ownerId: number; amount: number | null }

async function deals(count: number, prefix: string): Promise<number[]> {
  const made = await db.rows<{ id: number }>(sql`
    insert into items (item_type_id, pipeline_id, stage_id, title, currency, owner_id, created_at, updated_at, moved_at)
    select ${sales.itemTypeId}, ${sales.id}, ${fresh.id}, ${prefix} || ' ' || n, 'RUB', ${admin.id}, now(), now(), now() from generate_series(1, ${count}) n returning id`);
  return made.map(({ id }) => id);
}
const of = async (prefix: string): Promise<Listed[]> => (await api(admin).get('/api/items', { itemTypeId: sales.itemTypeId, search: prefix, limit: 200 })).items;
async function done(body: object, by = admin) {
  const { id } = await api(by).post('/api/bulk-actions', body);
  await drain();
  return api(by).get(`/api/bulk-actions/${id}`);
}

test('everything a filter shows is moved, changed and deleted, and progress is told', async () => {
  await deals(450, 'Поток');
  const socket = await listen(admin);
  const filter = { itemTypeId: sales.itemTypeId, pipelineId: sales.id, search: 'Поток' };
  const moved = await done({ action: { kind: 'move', stageId: busy.id }, filter });
  assert.deepEqual([moved.state, moved.total, moved.done, moved.refused, moved.unchanged], ['done', 450, 450, 0, 0]);
  await socket.next({ what: 'bulkAction', id: moved.id });
  assert.ok((await of('Поток')).every((item) => item.stageId === busy.id));
  const again = await done({ action: { kind: 'move', stageId: busy.id }, filter });
  assert.equal(again.unchanged, 450);
  await done({ action: { kind: 'change', fields: { ownerId: anna.id, amount: 5 } }, filter });
  assert.ok((await of('Поток')).every((item) => item.ownerId === anna.id && item.amount === 5));
  await done({ action: { kind: 'delete' }, filter });
  assert.deepEqual(await of('Поток'), []);
  assert.equal((await db.first<{ count: number }>(sql`select count(*) as count from bulk_action_items`))?.count, 0);
});

test('what is refused stays, says why, and holds nobody up', async () => {
  const field = await given.field({ name: 'Договор', type: 'string', requiredStageIds: [busy.id] });
  const [first, second, third] = await deals(3, 'Отказ');
  await api(admin).patch(`/api/items/${second}`, { values: { [field.code]: '№ 1' } });
  const outcome = await done({ action: { kind: 'move', stageId: busy.id }, itemIds: [first, second, third, 999_999] });
  assert.deepEqual([outcome.done, outcome.refused], [4, 3]);
  assert.deepEqual(outcome.refusals.map((refusal: { itemId: number; code: string }) => [refusal.itemId, refusal.code]),
    [[first, 'item.required_fields'], [third, 'item.required_fields'], [999_999, 'request.not_found']]);
  assert.match(outcome.refusals[0].message, /Договор/);
  await api(admin).del(`/api/fields/${field.id}`);
});

test('a bulk action has the rights of its employee and is seen by him alone', async () => {
  const manager = (await api(admin).get('/api/access-roles')).items.find((role: { name: string }) => role.name === 'Менеджер');
  await api(admin).patch(`/api/access-roles/${manager.id}`, {
    rights: ['view', 'change', 'move', 'delete'].map((action) => ({ itemTypeId: sales.itemTypeId, action, scope: 'own' })),
  });
  const ids = await deals(2, 'Права');
  await api(admin).patch(`/api/items/${ids[0]}`, { ownerId: anna.id });
  const outcome = await done({ action: { kind: 'delete' }, itemIds: ids }, anna);
  assert.deepEqual([outcome.done, outcome.refused], [2, 1]);
  assert.deepEqual((await of('Права')).map((item) => item.id), [ids[1]]);
  await assert.rejects(api(admin).get(`/api/bulk-actions/${outcome.id}`), { status: 404 });
});

test('robots are forecast, and are not asked when the move is silent', async () => {
  const pipeline = await given.pipeline({ stages: ['Раз', 'Два'] });
  await given.robot(pipeline.stage('Два'), 'notify', { text: 'Новая', recipients: [{ kind: 'employee', id: anna.id }] });
  const item = await given.item({ pipelineId: pipeline.id });
  const move = { stageId: pipeline.stage('Два').id, itemIds: [item.id] };
  assert.deepEqual(await api(admin).post('/api/bulk-actions/forecast', move), { items: 1, robots: 1, messages: 1, people: 1, isExact: true });
  assert.equal((await api(admin).get(`/api/items/${item.id}`)).stageId, pipeline.stage('Раз').id, 'a forecast moves nothing');
  await done({ action: { kind: 'move', stageId: move.stageId }, itemIds: move.itemIds, isSilent: true });
  assert.equal((await api(anna).get('/api/notifications')).items.length, 0);
  const { items } = await api(admin).get(`/api/items/${item.id}/timeline`);
  assert.equal(items[0].data.isSilent, true);
  await api(admin).patch(`/api/items/${item.id}`, { stageId: pipeline.stage('Раз').id });
  await done({ action: { kind: 'move', stageId: move.stageId }, itemIds: move.itemIds });
  assert.equal((await api(anna).get('/api/notifications')).items.length, 1);
});

test('an interrupted bulk action goes on where it was; one that fails by our fault ends and says how far it came', async () => {
  await deals(250, 'Обрыв');
  const { id } = await api(admin).post('/api/bulk-actions', { action: { kind: 'change', fields: { amount: 9 } }, filter: { itemTypeId: sales.itemTypeId, search: 'Обрыв' } });
  await vestnik.crm.bulkActionsLoop.work();
  assert.equal((await api(admin).get(`/api/bulk-actions/${id}`)).done, 200);
  await db.run(sql`create function die() returns trigger language plpgsql as $$ begin raise exception 'dies'; end $$`);
  await db.run(sql`create trigger die before delete on bulk_action_items for each statement execute function die()`);
  await assert.rejects(vestnik.crm.bulkActionsLoop.work(), /dies/);
  await db.run(sql`drop trigger die on bulk_action_items`);
  await drain();
  assert.deepEqual(await api(admin).get(`/api/bulk-actions/${id}`).then((one) => [one.state, one.done]), ['done', 250]);
  const { count } = await api(admin).post('/api/items/count', { itemTypeId: sales.itemTypeId, search: 'Обрыв', filters: [{ field: 'amount', op: 'eq', value: 9 }] });
  assert.equal(count, 250);
  await db.run(sql`create trigger die before update of values, amount on items for each statement execute function die()`);
  const broken = await api(admin).post('/api/bulk-actions', { action: { kind: 'change', fields: { amount: 10 } }, filter: { itemTypeId: sales.itemTypeId, search: 'Обрыв' } });
  for (let tries = 0; tries < 5; tries++) await assert.rejects(vestnik.crm.bulkActionsLoop.work(), /dies/);
  await db.run(sql`drop trigger die on items`);
  await drain();
  assert.deepEqual(await api(admin).get(`/api/bulk-actions/${broken.id}`).then((one) => [one.state, one.done]), ['failed', 0]);
});

test('the rest of a bulk action can be left alone', async () => {
  const ids = await deals(250, 'Стоп');
  const { id } = await api(admin).post('/api/bulk-actions', { action: { kind: 'delete' }, itemIds: ids });
  await vestnik.crm.bulkActionsLoop.work();
  const outcome = await api(admin).post(`/api/bulk-actions/${id}/cancel`);
  assert.deepEqual([outcome.state, outcome.done], ['cancelled', 200]);
  await drain();
  assert.equal((await of('Стоп')).length, 50);
});
