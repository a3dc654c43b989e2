/** Kept counts and sums of stages say exactly what counting would, whoever wrote and whether or not they were folded. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type GivenPipeline, type Item, startTestVestnik } from '../../test/support/vestnik.ts';
import { sql } from '../db/db.ts';

const { api, admin, db, given, drain, vestnik } = await startTestVestnik();
const anna = await given.employee();
const sales = await given.pipeline({ stages: ['Новая', 'В работе', 'Согласование'] });

interface Summary { stages: { stageId: number; count: number; sums: { currency: string; amount: number }[] }[] }

function counted(pipeline: GivenPipeline, ownerIds?: readonly number[]): Promise<Summary['stages']> {
  return Promise.all(pipeline.stages.map(async (stage) => {
    const rows = await db.rows<{ currency: string; count: number; amount: number | null }>(sql`
      select currency, count(*) as count, sum(amount) as amount from items
      where stage_id = ${stage.id} and deleted_at is null and (${ownerIds === undefined}::boolean or owner_id = any(${ownerIds ?? []}::bigint[])) group by 1 order by 1`);
    return {
      stageId: stage.id,
      count: rows.reduce((sum, row) => sum + row.count, 0),
      sums: rows.flatMap(({ currency, amount }) => (amount === null ? [] : [{ currency, amount }])),
    };
  }));
}
const summary = async (as = admin, filters: unknown[] = []): Promise<Summary['stages']> =>
  (await api(as).get(`/api/pipelines/${sales.id}/summary`, { filters: JSON.stringify(filters) })).stages;

async function assertTrue(): Promise<void> {
  assert.deepEqual(await summary(), await counted(sales));
  assert.deepEqual(await summary(admin, [{ field: 'ownerId', op: 'eq', value: anna.id }]), await counted(sales, [anna.id]));
  assert.deepEqual(await summary(admin, [{ field: 'ownerId', op: 'in', value: [anna.id, admin.id] }]), await counted(sales, [anna.id, admin.id]));
}

test('the totals are true after every kind of write, before they are folded and after', async () => {
  const made: Item[] = [];
  for (let n = 0; n < 12; n++) {
    made.push(await given.item({
      pipelineId: sales.id, amount: n % 4 === 0 ? null : 100.1 * n, currency: n % 5 === 0 ? 'USD' : 'RUB', ownerId: n % 3 === 0 ? anna.id : n % 3 === 1 ? admin.id : null,
    }));
  }
  await assertTrue();
  const [first, second, third, fourth, fifth, ...rest] = made;
  const next = sales.stage('В работе');
  await api(admin).patch(`/api/items/${first!.id}`, { stageId: next.id, amount: 5000 });
  await api(admin).patch(`/api/items/${second!.id}`, { ownerId: anna.id, currency: 'USD' });
  await api(admin).patch(`/api/items/${third!.id}`, { title: 'Только название' });
  await api(admin).del(`/api/items/${fourth!.id}`);
  await api(admin).post('/api/items/bulk-move', { stageId: next.id, itemIds: rest.map((item) => item.id) });
  await assertTrue();
  await drain();
  assert.equal((await db.first<{ count: number }>(sql`select count(*) as count from stage_deltas`))?.count, 0);
  await assertTrue();
  await db.run(sql`update items set amount = 7 where stage_id = ${next.id}`);
  await db.run(sql`update items set deleted_at = now() where id = ${fifth!.id}`);
  await assertTrue();
  await drain();
  await assertTrue();
});

test('a write that touches neither stage, amount, currency nor owner leaves no delta', async () => {
  const item = await given.item({ pipelineId: sales.id, amount: 10 });
  await drain();
  await api(admin).patch(`/api/items/${item.id}`, { title: 'Другое название' });
  assert.equal((await db.first<{ count: number }>(sql`select count(*) as count from stage_deltas`))?.count, 0);
});

test('a rolled back move changes no total', async () => {
  const before = await summary();
  await assert.rejects(db.transaction(async (tx) => {
    await tx.run(sql`update items set stage_id = ${sales.stage('Согласование').id} where pipeline_id = ${sales.id}`);
    throw new Error('on purpose');
  }), /on purpose/);
  assert.deepEqual(await summary(), before);
});

test('who sees only the own items sees their totals and nothing of others', async () => {
  const { itemTypes } = await api(admin).get('/api/crm-config');
  const dealId = itemTypes.find((type: { code: string }) => type.code === 'deal').id;
  const manager = (await api(admin).get('/api/access-roles')).items.find((role: { name: string }) => role.name === 'Менеджер');
  await api(admin).patch(`/api/access-roles/${manager.id}`, { rights: [{ itemTypeId: dealId, action: 'view', scope: 'own' }] });
  assert.deepEqual(await summary(anna), await counted(sales, [anna.id]));
  assert.deepEqual(await summary(anna, [{ field: 'ownerId', op: 'eq', value: admin.id }]), await counted(sales, []));
  assert.deepEqual(await summary(anna, [{ field: 'amount', op: 'gt', value: 0 }, { field: 'ownerId', op: 'eq', value: admin.id }]), await counted(sales, []));
});

test('moves, folds and readers at the same time never see a wrong total', async () => {
  const stageIds = sales.stages.map((stage) => stage.id);
  const items = await Promise.all(Array.from({ length: 40 }, () => given.item({ pipelineId: sales.id, amount: 1, ownerId: admin.id })));
  const total = (await counted(sales)).reduce((sum, stage) => sum + stage.count, 0);
  let isMoving = true;
  const loop = async (): Promise<void> => {
    while (isMoving) await drain();
  };
  const readers = async (): Promise<void> => {
    while (isMoving) assert.equal((await summary()).reduce((sum, stage) => sum + stage.count, 0), total);
  };
  const others = [loop(), readers(), readers()];
  for (let turn = 0; turn < 5; turn++) {
    await Promise.all(items.map((item, n) => api(admin).patch(`/api/items/${item.id}`, { stageId: stageIds[(turn + n) % 3]! })));
  }
  isMoving = false;
  await Promise.all(others);
  await drain();
  assert.deepEqual(await summary(), await counted(sales));
});

test('totals that are negative or gone are no totals', async () => {
  const empty = await given.pipeline();
  const item = await given.item({ pipelineId: empty.id, amount: 3 });
  await api(admin).del(`/api/items/${item.id}`);
  for (const _ of [1, 2]) {
    const { stages }: Summary = await api(admin).get(`/api/pipelines/${empty.id}/summary`);
    assert.deepEqual(stages, empty.stages.map((stage) => ({ stageId: stage.id, count: 0, sums: [] })));
    await vestnik.drain();
  }
});
