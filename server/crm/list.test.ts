/** Lists at a size where a table scan would show: 50,000 deals, made by the database itself. */
import assert from 'node:assert/strict';
import { before, test } from 'node:test';
import type { ItemFilter } from '../../shared/api/crm.ts';
import { startTestVestnik } from '../../test/support/vestnik.ts';
import { type Sql, sql } from '../db/db.ts';
import type { Actor } from '../people/people.ts';
import type { ItemListRequest } from './list.ts';

const { vestnik, api, admin, db, given, actor } = await startTestVestnik();
const { crm } = vestnik;
const rows = 50_000;

let dealId: number, pipelineId: number, stageIds: number[], boss: Actor, anna: { id: number }, annaActs: Actor;
const codes = { budget: '', place: '', till: '', kind: '', tags: '', slow: '' };

before(async () => {
  await db.transaction((tx) => crm.seedSystemTypes(tx, 'ru'));
  await crm.seedAccess('ru');
  const { itemTypes, pipelines } = await api(admin).get('/api/crm-config');
  dealId = itemTypes.find((type: { code: string }) => type.code === 'deal').id;
  const pipeline = pipelines.find((candidate: { itemTypeId: number }) => candidate.itemTypeId === dealId);
  pipelineId = pipeline.id;
  stageIds = pipeline.stages.map((stage: { id: number }) => stage.id);
  anna = await given.employee();
  const field = async (name: string, type: string, more: object = {}): Promise<string> =>
    (await api(admin).post('/api/fields', { itemTypeId: dealId, name, type, isIndexed: true, ...more })).code;
  codes.budget = await field('Бюджет', 'number');
  codes.place = await field('Город', 'string');
  codes.till = await field('Срок', 'date');
  codes.kind = await field('Вид', 'list', { settings: { options: [{ name: 'А' }, { name: 'Б' }, { name: 'В' }] } });
  codes.tags = await field('Метки', 'string', { isMultiple: true });
  codes.slow = await field('Заметка', 'string', { isIndexed: false });
  // A third has no amount, closing date or budget: paging must get past the empty ones too.
  await db.run(sql`
    insert into items (item_type_id, pipeline_id, stage_id, title, amount, currency, owner_id, closes_on, values, created_at, updated_at, moved_at)
    select ${dealId}, ${pipelineId}, (${stageIds}::bigint[])[1 + n % ${stageIds.length}], 'Сделка ' || n || ' Кровля_' || md5(n::text),
      case when n % 3 = 0 then null else (n * 7919) % 1000 end, case when n % 10 = 0 then 'USD' else 'RUB' end,
      case when n % 50 = 0 then ${anna.id}::bigint when n % 7 = 0 then null else ${admin.id}::bigint end,
      case when n % 3 = 1 then null else '2026-01-01'::date + n % 400 end,
      jsonb_strip_nulls(jsonb_build_object(${codes.budget}::text, case when n % 3 = 2 then null else n % 777 + 0.5 end, ${codes.place}::text, 'Город ' || n % 500,
        ${codes.till}::text, ('2026-01-01'::date + n % 300)::text, ${codes.kind}::text, 1 + n % 3, ${codes.tags}::text, jsonb_build_array('метка' || n % 1000, 'все'))),
      '2026-01-01'::timestamptz + n * interval '1 second', '2026-01-01'::timestamptz, '2026-01-01'::timestamptz
    from generate_series(1, ${rows}) n`);
  await crm.syncFieldIndexes();
  await db.run(sql`analyze items`);
  await db.run(sql`analyze item_titles`);
  [boss, annaActs] = await Promise.all([actor(admin), actor(anna)]);
});

async function plan(statement: Sql): Promise<string> {
  return (await db.rows<{ queryPlan: string }>(sql`explain ${statement}`)).map((row) => Object.values(row)[0]).join('\n');
}

async function plans(request: Partial<ItemListRequest>, as = boss): Promise<string[]> {
  const queries = await crm.pageQueries(db, as, { itemTypeId: dealId, ...request });
  return Promise.all([queries.valued(51), queries.valueless(51)].flatMap((query) => (query ? [plan(query)] : [])));
}

const eachWay = ['asc', 'desc'] as const;

test('no page scans or sorts the table, whatever indexed field it is sorted by, at its start and in its middle', async () => {
  for (const sort of ['createdAt', 'amount', 'closesOn', 'ownerId', 'title', 'id', codes.budget, codes.place, codes.till, codes.kind]) {
    for (const direction of eachWay) {
      const first = await crm.listItems(db, boss, { itemTypeId: dealId, sort, direction, limit: 50 });
      assert.equal(first.items.length, 50);
      for (const cursor of [undefined, first.nextCursor ?? undefined]) {
        for (const text of await plans({ sort, direction, cursor })) {
          assert.doesNotMatch(text, /Seq Scan on items/, `${sort} ${direction}\n${text}`);
          assert.doesNotMatch(text, /^\s*(->\s*)?Sort/m, `${sort} ${direction}\n${text}`);
        }
      }
    }
  }
});

test('filters by indexed fields, search and boards find their rows by an index', async () => {
  const requests: Record<string, Partial<ItemListRequest>> = {
    stage: { stageId: 0 },
    'stage, last moved first': { stageId: 0, sort: 'movedAt' },
    pipeline: { pipelineId: 0 },
    owner: { filters: [{ field: 'ownerId', op: 'eq', value: anna.id }] },
    amount: { filters: [{ field: 'amount', op: 'between', value: [10, 12] }], sort: 'amount' },
    created: { filters: [{ field: 'createdAt', op: 'lt', value: '2026-01-01T00:10:00Z' }] },
    closes: { filters: [{ field: 'closesOn', op: 'eq', value: '2026-03-01' }] },
    budget: { filters: [{ field: codes.budget, op: 'eq', value: 12.5 }] },
    place: { filters: [{ field: codes.place, op: 'eq', value: 'Город 17' }] },
    placeIn: { filters: [{ field: codes.place, op: 'in', value: ['Город 17', 'Город 18'] }] },
    till: { filters: [{ field: codes.till, op: 'gte', value: '2026-10-25' }] },
    tags: { filters: [{ field: codes.tags, op: 'contains', value: 'метка17' }] },
    tagsNone: { filters: [{ field: codes.tags, op: 'contains', value: 'нет такой' }] },
    searchNone: { search: 'абвгдейка' },
    search: { search: 'c4ca4238' },
    searchWords: { search: 'кровля c4ca4238a0b9' },
    searchStart: { search: 'сд' },
    contains: { filters: [{ field: 'title', op: 'contains', value: 'КРОВЛЯ_c4ca' }] },
  };
  for (const name of ['stage', 'stage, last moved first']) requests[name]!.stageId = stageIds[0];
  requests.pipeline!.pipelineId = pipelineId;
  for (const [name, request] of Object.entries(requests)) {
    for (const text of await plans(request)) assert.doesNotMatch(text, /Seq Scan on item/, `${name}\n${text}`);
    if (!name.endsWith('None')) assert.ok((await crm.listItems(db, boss, { itemTypeId: dealId, ...request })).items.length > 0, name);
  }
});

test('paging by any field shows every row once, those without a value last, in both directions', async () => {
  const small: ItemFilter = { field: 'id', op: 'lte', value: 400 };
  for (const sort of ['createdAt', 'amount', 'closesOn', 'ownerId', 'title', codes.budget, codes.place, codes.till, codes.kind]) {
    for (const direction of eachWay) {
      const seen: number[] = [];
      const empties: boolean[] = [];
      let cursor: string | undefined;
      do {
        const page = await crm.listItems(db, boss, { itemTypeId: dealId, filters: [small], sort, direction, limit: 37, cursor });
        seen.push(...page.items.map((item) => item.id));
        empties.push(...page.items.map((item) => {
          if (sort === 'amount') return item.amount === null;
          if (sort === 'closesOn') return item.closesOn === null;
          if (sort === 'ownerId') return item.ownerId === null;
          return sort === codes.budget && item.values[codes.budget] === undefined;
        }));
        cursor = page.nextCursor ?? undefined;
      } while (cursor);
      assert.equal(new Set(seen).size, 400, `${sort} ${direction}`);
      assert.equal(seen.length, 400, `${sort} ${direction}`);
      assert.deepEqual(empties, empties.toSorted(), `${sort} ${direction}: empty ones last`);
    }
  }
});

test('rows that come and go between two pages shift nothing', async () => {
  const request = { itemTypeId: dealId, sort: 'createdAt', direction: 'desc' as const, limit: 10 };
  const first = await crm.listItems(db, boss, request);
  const expected = (await crm.listItems(db, boss, { ...request, limit: 20 })).items.slice(10).map((item) => item.id);
  const made = await api(admin).post('/api/items', { itemTypeId: dealId, title: 'Новее всех' });
  await api(admin).del(`/api/items/${first.items[3]!.id}`);
  assert.deepEqual((await crm.listItems(db, boss, { ...request, cursor: first.nextCursor! })).items.map((item) => item.id), expected);
  await api(admin).del(`/api/items/${made.id}`);
});

test('every operator means what it says', async () => {
  const count = async (...filters: ItemFilter[]): Promise<number> =>
    (await crm.selectIds(db, boss, { itemTypeId: dealId, filters: [{ field: 'id', op: 'lte', value: 300 }, ...filters] }, 1000)).length;
  const total = await count();
  const all = await db.rows<{ amount: number | null; ownerId: number | null; values: Record<string, unknown> }>(sql`select amount, owner_id, values from items where id <= 300 and deleted_at is null`);
  const expected = (is: (row: (typeof all)[number]) => boolean) => all.filter(is).length;
  assert.equal(await count({ field: 'amount', op: 'empty' }), expected((row) => row.amount === null));
  assert.equal(await count({ field: 'amount', op: 'filled' }), expected((row) => row.amount !== null));
  assert.equal(await count({ field: 'amount', op: 'gt', value: 500 }), expected((row) => row.amount !== null && row.amount > 500));
  assert.equal(await count({ field: 'amount', op: 'lte', value: '500' }), expected((row) => row.amount !== null && row.amount <= 500));
  assert.equal(await count({ field: 'ownerId', op: 'ne', value: admin.id }), expected((row) => row.ownerId !== admin.id), 'ne counts the empty');
  assert.equal(await count({ field: 'ownerId', op: 'notIn', value: [admin.id, anna.id] }), expected((row) => row.ownerId === null));
  assert.equal(await count({ field: codes.budget, op: 'between', value: [10, 20.5] }), expected((row) => Number(row.values[codes.budget] ?? -1) >= 10 && Number(row.values[codes.budget]) <= 20.5));
  assert.equal(await count({ field: codes.kind, op: 'in', value: [1, 'Б'] }), expected((row) => row.values[codes.kind] === 1 || row.values[codes.kind] === 2));
  assert.equal(await count({ field: codes.tags, op: 'contains', value: 'все' }), total);
  assert.equal(await count({ field: codes.tags, op: 'notIn', value: ['все'] }), 0);
  assert.equal(await count({ field: codes.slow, op: 'empty' }), total);
  assert.equal(await count({ field: codes.place, op: 'contains', value: 'ГОРОД 1' }), expected((row) => String(row.values[codes.place]).startsWith('Город 1')));
  assert.equal(await count({ field: codes.place, op: 'contains', value: '100%_' }), 0);
  assert.equal(await count({ field: 'observerIds', op: 'empty' }), total);
  assert.equal(await count({ field: 'observerIds', op: 'contains', value: admin.id }), 0);
  assert.equal(await count({ field: 'semantics', op: 'eq', value: 'process' }) + (await count({ field: 'semantics', op: 'ne', value: 'process' })), total);
});

test('what cannot be asked is refused with the name of the field', async () => {
  const ask = (filter: unknown) => api(admin).get('/api/items', { itemTypeId: dealId, filters: JSON.stringify([filter]) });
  const cases: [unknown, string][] = [
    [{ field: 'nothing', op: 'eq', value: 1 }, 'list.field_unknown'],
    [{ field: "title'; drop table items; --", op: 'eq', value: 1 }, 'list.field_unknown'],
    [{ field: 'title', op: 'gt', value: 'a' }, 'list.operator_invalid'],
    [{ field: 'amount', op: 'contains', value: 1 }, 'list.operator_invalid'],
    [{ field: 'amount', op: 'eq', value: 'много' }, 'item.value_invalid'],
    [{ field: 'amount', op: 'eq' }, 'list.value_missing'],
    [{ field: 'amount', op: 'between', value: [1] }, 'list.value_missing'],
    [{ field: 'amount', op: 'in', value: [] }, 'list.value_missing'],
    [{ field: 'closesOn', op: 'eq', value: '2026-02-31' }, 'item.value_invalid'],
    [{ field: 'createdAt', op: 'gt', value: 'вчера' }, 'item.value_invalid'],
    [{ field: codes.kind, op: 'eq', value: 99 }, 'item.value_invalid'],
    [{ field: 'amount', op: 'like', value: 1 }, 'list.filters_invalid'],
    [{ field: 'amount' }, 'list.filters_invalid'],
  ];
  for (const [filter, code] of cases) await assert.rejects(ask(filter), { status: 400, code }, JSON.stringify(filter));
  await assert.rejects(api(admin).get('/api/items', { itemTypeId: dealId, filters: '{' }), { code: 'list.filters_invalid' });
  await assert.rejects(api(admin).get('/api/items', { itemTypeId: dealId, sort: codes.slow }), { code: 'list.sort_not_indexed' });
  await assert.rejects(api(admin).get('/api/items', { itemTypeId: dealId, sort: 'updatedAt' }), { code: 'list.sort_not_indexed' });
  await assert.rejects(api(admin).get('/api/items', { itemTypeId: dealId, sort: 'constructor' }), { code: 'list.field_unknown' });
  await assert.rejects(api(admin).get('/api/items', { itemTypeId: 999_999 }), { status: 404 });
  await assert.rejects(api(admin).get('/api/items', { itemTypeId: dealId, stageId: 999_999 }), { status: 404 });
  await assert.rejects(api(admin).get('/api/items', { itemTypeId: dealId, pipelineId: 999_999 }), { status: 404 });
  const { nextCursor } = await api(admin).get('/api/items', { itemTypeId: dealId, sort: 'amount' });
  await assert.rejects(api(admin).get('/api/items', { itemTypeId: dealId, sort: 'closesOn', cursor: nextCursor }), { code: 'list.cursor_invalid' });
  for (const forged of [['amount desc', "1'; x", 1], ['amount desc', '1', 'x'], ['amount desc', 5, 1], { a: 1 }, null]) {
    const cursor = Buffer.from(JSON.stringify(forged)).toString('base64url');
    await assert.rejects(api(admin).get('/api/items', { itemTypeId: dealId, sort: 'amount', cursor }), { code: 'list.cursor_invalid' });
  }
});

test('the search knows whole and part of words, any letter case, numbers, and takes %, _ and \\ literally', async () => {
  const find = async (search: string) => (await api(admin).get('/api/items', { itemTypeId: dealId, search, limit: 200 })).items.map((item: { id: number }) => item.id);
  const made = (await api(admin).post('/api/items', { itemTypeId: dealId, title: 'Скидка 50%_\\ на ЁЛКИ 🎄' })).id;
  for (const text of ['ёлки', 'СКИДКА ёлк', '50%_\\', 'ёлки 🎄', 'кидк']) assert.deepEqual(await find(text), [made], text);
  assert.deepEqual(await find('50_%'), []);
  assert.deepEqual(await find(`#${made}`), [made]);
  await api(admin).patch(`/api/items/${made}`, { title: 'Переименована' });
  assert.deepEqual(await find('ёлки'), []);
  assert.deepEqual(await find('переименован'), [made]);
  assert.equal((await db.first<{ count: number }>(sql`select count(*) as count from item_titles where item_id = ${made}`))?.count, 1);
});

test('the board shows counts and sums per stage and currency, and a column is a list of its stage', async () => {
  const { stages } = await api(admin).get(`/api/pipelines/${pipelineId}/summary`);
  const expected = await db.rows<{ stageId: number; count: number; rub: number }>(sql`
    select stage_id, count(*) as count, sum(amount) filter (where currency = 'RUB') as rub from items where pipeline_id = ${pipelineId} and deleted_at is null group by 1`);
  assert.deepEqual(stages.map((stage: { stageId: number }) => stage.stageId), stageIds);
  for (const { stageId, count, rub } of expected) {
    const stage = stages.find((candidate: { stageId: number }) => candidate.stageId === stageId);
    assert.equal(stage.count, count);
    assert.equal(stage.sums.find((sum: { currency: string }) => sum.currency === 'RUB').amount, rub);
  }
  const column = await api(admin).get('/api/items', { itemTypeId: dealId, stageId: stageIds[2]!, limit: 5 });
  assert.ok(column.items.every((item: { stageId: number }) => item.stageId === stageIds[2]));
  const filtered = await api(admin).get(`/api/pipelines/${pipelineId}/summary`, { filters: JSON.stringify([{ field: 'amount', op: 'lt', value: 0 }]) });
  assert.ok(filtered.stages.every((stage: { count: number; sums: unknown[] }) => stage.count === 0 && stage.sums.length === 0));
});

test('who sees only the own items gets them by the index of owners', async () => {
  const roles = (await api(admin).get('/api/access-roles')).items;
  const manager = roles.find((role: { name: string }) => role.name === 'Менеджер');
  await api(admin).patch(`/api/access-roles/${manager.id}`, { rights: [{ itemTypeId: dealId, action: 'view', scope: 'own' }] });
  for (const sort of ['createdAt', 'amount', 'title']) {
    for (const text of await plans({ sort }, annaActs)) assert.doesNotMatch(text, /Seq Scan on items/, `${sort}\n${text}`);
  }
  const { items } = await api(anna).get('/api/items', { itemTypeId: dealId, limit: 200 });
  assert.equal(items.length, 200);
  assert.ok(items.every((item: { ownerId: number }) => item.ownerId === anna.id));
});
