import assert from 'node:assert/strict';
import { before, test } from 'node:test';
import { startTestVestnik } from '../../test/support/vestnik.ts';
import { sql } from '../db/db.ts';

const { vestnik, api, admin, given, db, clock, actor } = await startTestVestnik();
const { crm } = vestnik;

interface ConfigAnswer {
  itemTypes: { id: number; code: string; name: string }[];
  pipelines: { id: number; itemTypeId: number; name: string; isDefault: boolean; stages: { id: number; name: string; code: string; semantics: string; color: string }[] }[];
  fields: { id: number; code: string }[];
}
const config = (): Promise<ConfigAnswer> => api(admin).get('/api/crm-config');
async function typeOf(code: string) {
  const { itemTypes, pipelines } = await config();
  const type = itemTypes.find((candidate) => candidate.code === code)!;
  return { ...type, pipelines: pipelines.filter((pipeline) => pipeline.itemTypeId === type.id) };
}
const refused = (code: string, status?: number) => (error: { code: string; status: number; message: string }) => {
  assert.equal(error.code, code, error.message);
  if (status) assert.equal(error.status, status);
  assert.doesNotMatch(error.message, /errors\.|undefined/);
  return true;
};

let deal: Awaited<ReturnType<typeof typeOf>>;
let stages: ConfigAnswer['pipelines'][number]['stages'];
let head: { id: number }, anna: { id: number }, boris: { id: number }, lawyer: { id: number };
const newDeal = (fields: object = {}, as = admin) => api(as).post('/api/items', { itemTypeId: deal.id, title: 'Крыша', ...fields });

before(async () => {
  await db.transaction((tx) => crm.seedSystemTypes(tx, 'ru'));
  await crm.seedAccess('ru');
  deal = await typeOf('deal');
  stages = deal.pipelines[0]!.stages;
  [head, anna, boris, lawyer] = await Promise.all([given.employee(), given.employee({ firstName: 'Анна' }), given.employee(), given.employee()]);
  await given.department({ name: 'Отдел продаж', headIds: [head.id], employeeIds: [anna.id, boris.id] });
  await given.department({ name: 'Юристы', employeeIds: [lawyer.id] });
});

// ——— Configuration

test('a fresh company has lead, deal and invoice with the stages people know, once however often it is seeded', async () => {
  assert.deepEqual(await db.transaction((tx) => crm.seedSystemTypes(tx, 'ru')), []);
  await crm.seedAccess('ru');
  const { itemTypes } = await config();
  assert.deepEqual(itemTypes.map((type) => [type.code, type.name]), [['lead', 'Лид'], ['deal', 'Сделка'], ['invoice', 'Счёт']]);
  assert.deepEqual(stages.map((stage) => stage.name), ['Новая', 'Подготовка документов', 'Счёт на предоплату', 'В работе', 'Финальный счёт', 'Сделка успешна', 'Сделка провалена', 'Анализ причины провала']);
  assert.deepEqual(stages.map((stage) => stage.color), ['#39A8EF', '#2FC6F6', '#55D0E0', '#47E4C2', '#FFA900', '#7BD500', '#FF5752', '#FF5752']);
  assert.equal((await api(admin).get('/api/access-roles')).items.length, 2);
});

test('a stage finds its place by kind, and the order of kinds is kept', async () => {
  const pipeline = await api(admin).post('/api/pipelines', { itemTypeId: deal.id, name: 'Опт' });
  assert.equal(pipeline.isDefault, false);
  const added = await api(admin).post(`/api/pipelines/${pipeline.id}/stages`, { name: 'Отгрузка 🚚', color: '#112233' });
  assert.deepEqual(added.stages.map((s: { name: string }) => s.name).slice(4, 7), ['Финальный счёт', 'Отгрузка 🚚', 'Сделка успешна']);
  const first = await api(admin).post(`/api/pipelines/${pipeline.id}/stages`, { name: 'Самая первая', afterId: null });
  assert.equal(first.stages[0].name, 'Самая первая');
  const won = first.stages.find((s: { semantics: string }) => s.semantics === 'success');
  await assert.rejects(api(admin).post(`/api/pipelines/${pipeline.id}/stages`, { name: 'x', afterId: won.id }), refused('stage.order_invalid', 400));
  await assert.rejects(api(admin).post(`/api/pipelines/${pipeline.id}/stages`, { name: 'x', semantics: 'success' }), refused('request.invalid', 400));
  const ids: number[] = first.stages.map((s: { id: number }) => s.id);
  await assert.rejects(api(admin).put(`/api/pipelines/${pipeline.id}/stage-order`, { stageIds: ids.toReversed() }), refused('stage.order_invalid'));
  await assert.rejects(api(admin).put(`/api/pipelines/${pipeline.id}/stage-order`, { stageIds: ids.slice(1) }), refused('stage.order_incomplete'));
  await assert.rejects(api(admin).put(`/api/pipelines/${pipeline.id}/stage-order`, { stageIds: [...ids.slice(1), stages[0]!.id] }), refused('request.not_found', 404));
  const swapped = await api(admin).put(`/api/pipelines/${pipeline.id}/stage-order`, { stageIds: [ids[1], ids[0], ...ids.slice(2)] });
  assert.equal(swapped.stages[1].name, 'Самая первая');
  await assert.rejects(api(admin).del(`/api/stages/${won.id}`), refused('stage.success_is_one', 409));
  const changed = await api(admin).patch(`/api/stages/${ids[0]}`, { name: 'Потеряна', semantics: 'failure' });
  assert.equal(changed.semantics, 'failure');
  const after = (await typeOf('deal')).pipelines.find((p) => p.id === pipeline.id)!;
  assert.equal(after.stages.at(-1)!.name, 'Потеряна');
  for (const stage of after.stages.filter((s) => s.semantics === 'failure').slice(1)) await api(admin).del(`/api/stages/${stage.id}`);
  const lastFailure = (await typeOf('deal')).pipelines.find((p) => p.id === pipeline.id)!.stages.filter((s) => s.semantics === 'failure');
  assert.equal(lastFailure.length, 1);
  await assert.rejects(api(admin).del(`/api/stages/${lastFailure[0]!.id}`), refused('stage.last_of_kind', 409));
  await api(admin).del(`/api/pipelines/${pipeline.id}`);
  await assert.rejects(newDeal({ pipelineId: pipeline.id }), refused('request.not_found', 404));
});

test('a stage with items is deleted only together with where they go, and the move is an ordinary one', async () => {
  const pipeline = await api(admin).post('/api/pipelines', { itemTypeId: deal.id, name: 'Розница' });
  const [from, to] = pipeline.stages;
  const item = await newDeal({ pipelineId: pipeline.id });
  await assert.rejects(api(admin).del(`/api/pipelines/${pipeline.id}`), refused('pipeline.has_items', 409));
  await assert.rejects(api(admin).del(`/api/stages/${from.id}`), refused('stage.has_items', 409));
  await assert.rejects(api(admin).del(`/api/stages/${from.id}?moveToStageId=${from.id}`), refused('request.not_found', 404));
  assert.deepEqual(await api(admin).del(`/api/stages/${from.id}?moveToStageId=${to.id}`), { moved: 1 });
  assert.equal((await api(admin).get(`/api/items/${item.id}`)).stageId, to.id);
  const { items } = await api(admin).get(`/api/items/${item.id}/history`);
  assert.deepEqual(items[0].changes, { stageId: [from.id, to.id] });
  await assert.rejects(api(admin).patch(`/api/items/${item.id}`, { stageId: from.id }), refused('item.stage_deleted', 409));
  await assert.rejects(api(admin).del(`/api/pipelines/${deal.pipelines[0]!.id}`), refused('pipeline.is_default', 409));
});

test('system types stay; an own type comes with a pipeline, stages and the rights of deals, and goes when it is empty', async () => {
  await assert.rejects(api(admin).del(`/api/item-types/${deal.id}`), refused('item_type.is_system', 409));
  const own = await api(admin).post('/api/item-types', { name: 'Заявка на ремонт', code: 'repair' });
  await assert.rejects(api(admin).post('/api/item-types', { name: 'x', code: 'repair' }), refused('item_type.code_taken', 409));
  const { pipelines } = await typeOf('repair');
  assert.deepEqual(pipelines[0]!.stages.map((stage) => stage.semantics), ['process', 'process', 'process', 'success', 'failure']);
  const item = await api(anna).post('/api/items', { itemTypeId: own.id });
  assert.equal(item.title, 'Заявка на ремонт');
  await assert.rejects(api(admin).del(`/api/item-types/${own.id}`), refused('item_type.has_items', 409));
  await api(admin).del(`/api/items/${item.id}`);
  await api(admin).del(`/api/item-types/${own.id}`);
  await assert.rejects(api(anna).post('/api/items', { itemTypeId: own.id }), refused('request.not_found', 404));
});

test('only an administrator configures', async () => {
  await assert.rejects(api(anna).post('/api/fields', { itemTypeId: deal.id, name: 'x', type: 'string' }), refused('access.admin_only', 403));
  await assert.rejects(api(anna).del(`/api/stages/${stages[1]!.id}`), refused('access.admin_only', 403));
});

// ——— Own fields

test('own fields of every type take their values and refuse others', async () => {
  const good: Record<string, [unknown, unknown?]> = {
    string: ['ID группового чата'], text: ['строка\nещё'], number: [12.5], money: [1999.99], boolean: [true], date: ['2026-02-28'],
    datetime: ['2026-02-28T10:00:00+03:00', '2026-02-28T07:00:00.000Z'], list: [2], employee: [anna.id], url: ['https://example.com/?q=1'],
    address: ['Москва'], phone: ['+7 912 000-00-00'], email: ['a@b.ru'], item: [(await newDeal()).id],
    contact: [(await api(admin).post('/api/contacts', { lastName: 'Связной' })).id], company: [(await api(admin).post('/api/companies', { title: 'Связь' })).id],
  };
  const bad: Record<string, unknown> = {
    number: 'много', money: 1e16, boolean: 'может быть', date: '2026-02-31', datetime: 'вчера', list: 99, employee: 999_999, url: 'javascript:alert(1)',
    email: 'нет', item: 999_999, contact: 999_999, company: 999_999, file: 999_999, string: { a: 1 }, text: ['x'], phone: {}, address: [1, 2],
  };
  for (const type of Object.keys(bad)) {
    const settings = type === 'list' ? { options: [{ name: 'Да' }, { name: 'Нет', color: '#ff0000' }] } : {};
    const field = await api(admin).post('/api/fields', { itemTypeId: deal.id, name: `Поле ${type}`, type, settings });
    assert.equal(field.code, `field_${field.id}`);
    const value = good[type];
    if (value) {
      const item = await newDeal({ values: { [field.code]: value[0] } });
      assert.deepEqual(item.values, { [field.code]: value[1] ?? value[0] }, type);
      const emptied = await api(admin).patch(`/api/items/${item.id}`, { values: { [field.code]: null } });
      assert.deepEqual(emptied.values, {});
    }
    await assert.rejects(newDeal({ values: { [field.code]: bad[type] } }), (error: { status: number; code: string }) => error.status === 400 && error.code.startsWith('item.'), type);
  }
});

test('a multiple field keeps a list; yes/no cannot be one', async () => {
  const field = await api(admin).post('/api/fields', { itemTypeId: deal.id, name: 'Телефоны', code: 'allPhones', type: 'phone', isMultiple: true });
  const item = await newDeal({ values: { ALLPHONES: ['1', '2'] } });
  assert.deepEqual(item.values, { allPhones: ['1', '2'] });
  await assert.rejects(api(admin).post('/api/fields', { itemTypeId: deal.id, name: 'x', type: 'boolean', isMultiple: true }), refused('field.not_multiple'));
  await assert.rejects(api(admin).patch(`/api/fields/${field.id}`, { type: 'string' }), refused('field.type_fixed', 409));
  await assert.rejects(api(admin).post('/api/fields', { itemTypeId: deal.id, name: 'x', code: 'AllPhones', type: 'string' }), refused('field.code_taken', 409));
  await assert.rejects(api(admin).post('/api/fields', { itemTypeId: deal.id, name: 'x', code: 'ownerid', type: 'string' }), refused('field.code_reserved', 409));
  await assert.rejects(api(admin).post('/api/fields', { itemTypeId: deal.id, name: 'x', code: "a'; drop", type: 'string' }), refused('request.invalid', 400));
  await assert.rejects(api(admin).post('/api/fields', { itemTypeId: deal.id, name: 'x', type: 'list' }), refused('field.options_missing'));
  await api(admin).del(`/api/fields/${field.id}`);
  await assert.rejects(newDeal({ values: { allPhones: ['1'] } }), refused('item.field_unknown', 400));
  const row = await db.first<{ values: object }>(sql`select values from items where id = ${item.id}`);
  assert.deepEqual(row?.values, { allPhones: ['1', '2'] }, 'the data stays');
});

test('required fields hold a new item and a move to their stage, and defaults fill in', async () => {
  const type = await api(admin).post('/api/item-types', { name: 'Договор', code: 'contract' });
  const pipeline = (await typeOf('contract')).pipelines[0]!;
  const [start, , approval] = pipeline.stages;
  await assert.rejects(
    api(admin).post('/api/fields', { itemTypeId: type.id, name: 'x', type: 'string', requiredStageIds: [stages[0]!.id] }),
    refused('field.stage_foreign', 400),
  );
  const number = await api(admin).post('/api/fields', { itemTypeId: type.id, name: 'Номер', type: 'string', isRequired: true });
  const kind = await api(admin).post('/api/fields', { itemTypeId: type.id, name: 'Вид', type: 'list', settings: { options: [{ name: 'Поставка' }, { name: 'Услуги' }], default: 'Услуги' } });
  const till = await api(admin).post('/api/fields', { itemTypeId: type.id, name: 'Срок', type: 'date', requiredStageIds: [approval!.id] });
  await assert.rejects(api(admin).post('/api/items', { itemTypeId: type.id }), refused('item.required_fields', 409));
  const item = await api(admin).post('/api/items', { itemTypeId: type.id, values: { [number.code]: '17' } });
  assert.deepEqual(item.values, { [number.code]: '17', [kind.code]: 2 });
  assert.equal(item.stageId, start!.id);
  await assert.rejects(api(admin).patch(`/api/items/${item.id}`, { stageId: approval!.id }), refused('item.required_fields', 409));
  await api(admin).patch(`/api/items/${item.id}`, { stageId: approval!.id, values: { [till.code]: '2026-12-31' } });
  const options = await api(admin).patch(`/api/fields/${kind.id}`, { settings: { options: [{ id: 2, name: 'Услуги' }, { name: 'Аренда' }] } });
  assert.deepEqual(options.settings, { options: [{ id: 2, name: 'Услуги' }, { id: 3, name: 'Аренда' }], default: 2 });
  await assert.rejects(api(admin).patch(`/api/fields/${kind.id}`, { settings: { options: [{ id: 77, name: 'x' }] } }), refused('field.option_unknown', 400));
});

test('an indexed field gets its index, and loses it with the switch', async () => {
  const field = await api(admin).post('/api/fields', { itemTypeId: deal.id, name: 'Бюджет', code: 'budget', type: 'number', isIndexed: true });
  const tags = await api(admin).post('/api/fields', { itemTypeId: deal.id, name: 'Метки', type: 'string', isMultiple: true, isIndexed: true });
  await crm.syncFieldIndexes();
  const indexes = async () => (await db.rows<{ name: string }>(sql`select indexname as name from pg_indexes where tablename = 'items' and indexname like 'items_field_%'`)).map((row) => row.name).sort();
  assert.deepEqual(await indexes(), [`items_field_${field.id}_idx`, `items_field_${tags.id}_idx`].sort());
  await api(admin).del(`/api/fields/${tags.id}`);
  await crm.syncFieldIndexes();
  assert.deepEqual(await indexes(), [`items_field_${field.id}_idx`]);
  await assert.rejects(api(admin).post('/api/fields', { itemTypeId: deal.id, name: 'x', type: 'text', isIndexed: true }), refused('field.not_indexable', 400));
});

// ——— Items over HTTP

test('an item is created, changed and read back whole, with emoji and right-to-left text; NUL is refused', async () => {
  const title = 'Кровля 🏠 שלום مرحبا';
  const created = await newDeal({ title, amount: 1_500_000.5, closesOn: '2026-12-01', observerIds: [lawyer.id], ownerId: anna.id });
  assert.equal(created.title, title);
  assert.equal(created.version, 1);
  const changed = await api(anna).patch(`/api/items/${created.id}`, { amount: 2_000_000, version: 1 });
  assert.deepEqual([changed.amount, changed.version], [2_000_000, 2]);
  assert.deepEqual(await api(boris).get(`/api/items/${created.id}`), changed);
  await assert.rejects(newDeal({ title: 'a\u0000b' }), refused('request.malformed', 400));
  await assert.rejects(api(admin).get('/api/items', { itemTypeId: deal.id, search: 'a\u0000b' }), (error: { status: number }) => error.status === 400);
  const exact = 'ы'.repeat(255);
  assert.equal((await newDeal({ title: exact })).title, exact);
  await assert.rejects(newDeal({ title: `${exact}ы` }), refused('request.invalid', 400));
  await assert.rejects(newDeal({ nonsense: 1 }), refused('request.invalid', 400));
  await assert.rejects(newDeal({ values: { nonsense: 1 } }), refused('item.field_unknown', 400));
  await assert.rejects(newDeal({ contactId: 999_999 }), refused('item.reference_unknown', 400));
  await assert.rejects(newDeal({ stageId: 999_999 }), refused('request.not_found', 404));
  const lead = await typeOf('lead');
  await assert.rejects(newDeal({ stageId: lead.pipelines[0]!.stages[0]!.id }), refused('request.not_found', 404));
  await assert.rejects(api(anna).patch(`/api/items/${created.id}`, { stageId: lead.pipelines[0]!.stages[0]!.id }), refused('item.stage_foreign', 409));
});

test('a change that comes too late is refused and says what the others wrote', async () => {
  const item = await newDeal();
  clock.advance(1000);
  await api(admin).patch(`/api/items/${item.id}`, { amount: 5, title: 'Иначе' });
  clock.advance(1000);
  await api(admin).patch(`/api/items/${item.id}`, { stageId: stages[1]!.id });
  await assert.rejects(api(admin).patch(`/api/items/${item.id}`, { amount: 7, version: 1 }), (error: { status: number; code: string; params: { fields: string[]; version: number } }) => {
    assert.deepEqual([error.status, error.code, error.params.version], [409, 'item.changed_meanwhile', 3]);
    assert.deepEqual(error.params.fields.toSorted(), ['amount', 'stageId', 'title']);
    return true;
  });
  assert.equal((await api(admin).get(`/api/items/${item.id}`)).amount, 5);
});

test('rights: whoever may not see gets 404, whoever may not act gets 403', async () => {
  const roles = (await api(admin).get('/api/access-roles')).items;
  const manager = roles.find((role: { name: string }) => role.name === 'Менеджер');
  const item = await newDeal({ ownerId: anna.id });
  // As seeded: everyone sees, the department changes, the owner deletes.
  await api(boris).patch(`/api/items/${item.id}`, { amount: 1 });
  await assert.rejects(api(lawyer).patch(`/api/items/${item.id}`, { amount: 2 }), refused('access.denied', 403));
  await assert.rejects(api(lawyer).patch(`/api/items/${item.id}`, { stageId: stages[1]!.id }), refused('access.denied', 403));
  await assert.rejects(api(boris).del(`/api/items/${item.id}`), refused('access.denied', 403));
  const setScopes = (scopes: Record<string, string>) =>
    api(admin).patch(`/api/access-roles/${manager.id}`, { rights: Object.entries(scopes).map(([action, scope]) => ({ itemTypeId: deal.id, action, scope })) });
  const seen = async (who: { id: number }) =>
    (await api(who).get('/api/items', { itemTypeId: deal.id, limit: 200 })).items.some((row: { id: number }) => row.id === item.id);
  try {
    await setScopes({ view: 'department', add: 'own', change: 'own' });
    assert.deepEqual([await seen(anna), await seen(boris), await seen(lawyer)], [true, true, false]);
    await assert.rejects(api(lawyer).get(`/api/items/${item.id}`), refused('request.not_found', 404));
    await assert.rejects(api(lawyer).post(`/api/items/${item.id}/comments`, { body: 'x' }), refused('request.not_found', 404));
    await assert.rejects(api(boris).patch(`/api/items/${item.id}`, { amount: 3 }), refused('access.denied', 403));
    await setScopes({ view: 'own' });
    assert.deepEqual([await seen(anna), await seen(boris), await seen(admin)], [true, false, true]);
    await assert.rejects(api(boris).get(`/api/items/${item.id}`), refused('request.not_found', 404));
    assert.deepEqual((await api(boris).get(`/api/pipelines/${deal.pipelines[0]!.id}/summary`)).stages.map((s: { count: number }) => s.count), stages.map(() => 0));
    await api(admin).patch(`/api/items/${item.id}`, { observerIds: [lawyer.id] });
    assert.equal((await api(lawyer).get(`/api/items/${item.id}`)).id, item.id, 'an observer opens the card');
    await assert.rejects(api(lawyer).patch(`/api/items/${item.id}`, { amount: 9 }), refused('access.denied', 403));
    await assert.rejects(api(lawyer).del(`/api/items/${item.id}`), refused('access.denied', 403));
    await setScopes({ view: 'none' });
    assert.deepEqual((await api(anna).get('/api/items', { itemTypeId: deal.id })).items, []);
    await assert.rejects(api(anna).get('/api/contacts'), refused('access.denied', 403));
  } finally {
    await api(admin).patch(`/api/access-roles/${manager.id}`, { rights: manager.rights });
  }
});

test('many items move at once: what is refused is named and holds nobody up', async () => {
  const [a, b] = [await newDeal({ ownerId: anna.id, title: 'Партия 1' }), await newDeal({ ownerId: lawyer.id, title: 'Партия 2' })];
  const answer = await api(anna).post('/api/items/bulk-move', { itemIds: [a.id, b.id, 999_999], stageId: stages[2]!.id });
  assert.equal(answer.moved, 1);
  assert.deepEqual(answer.refused.map((one: { itemId: number; code: string }) => [one.itemId, one.code]), [[b.id, 'access.denied'], [999_999, 'request.not_found']]);
  const byFilter = await api(admin).post('/api/items/bulk-move', { filter: { itemTypeId: deal.id, search: 'партия' }, stageId: stages[3]!.id });
  assert.equal(byFilter.moved, 2);
  await assert.rejects(api(admin).post('/api/items/bulk-move', { stageId: stages[3]!.id }), refused('request.invalid', 400));
});

test('a deleted item is gone from everywhere', async () => {
  const item = await newDeal({ title: 'Исчезнет' });
  await api(admin).del(`/api/items/${item.id}`);
  for (const path of ['', '/timeline', '/history', '/invoices', '/pinned-comments']) await assert.rejects(api(admin).get(`/api/items/${item.id}${path}`), refused('request.not_found', 404));
  assert.deepEqual((await api(admin).get('/api/items', { itemTypeId: deal.id, search: 'исчезнет' })).items, []);
});

test('a file field takes a file one may read, and shows it to who sees the item', async () => {
  const field = await api(admin).post('/api/fields', { itemTypeId: deal.id, name: 'Договор', type: 'file', isMultiple: true });
  const owner = await actor(anna);
  const file = await vestnik.drive.importFile(null, { storage: 'employee', ownerId: anna.id, name: 'договор.txt', bytes: Buffer.from('текст'), createdBy: anna.id });
  const item = await newDeal({ ownerId: anna.id });
  await assert.rejects(api(boris).patch(`/api/items/${item.id}`, { values: { [field.code]: [file.id] } }), refused('request.not_found', 404));
  assert.deepEqual((await api(admin).get(`/api/items/${item.id}`)).values, {});
  await api(anna).patch(`/api/items/${item.id}`, { values: { [field.code]: [file.id] } });
  assert.equal((await vestnik.drive.readFor(await actor(boris), file.id)).file.name, 'договор.txt');
  await api(boris).patch(`/api/items/${item.id}`, { values: { [field.code]: [] } });
  await assert.rejects(vestnik.drive.readFor(await actor(boris), file.id));
  await vestnik.drive.readFor(owner, file.id);
});

// ——— Timeline

test('the timeline is one feed, newest first, page by page without gaps or doubles', async () => {
  const item = await newDeal({ ownerId: anna.id });
  for (let n = 1; n <= 5; n++) {
    if (n % 2 === 0) clock.advance(1000);
    await api(anna).post(`/api/items/${item.id}/comments`, { body: `Комментарий ${n}` });
    if (n === 3) await api(anna).patch(`/api/items/${item.id}`, { stageId: stages[1]!.id });
  }
  const whole = (await api(anna).get(`/api/items/${item.id}/timeline`)).items;
  assert.deepEqual(whole.map((entry: { kind: string; data: { body?: string; fromStageId?: number } }) => entry.data.body ?? (entry.data.fromStageId ? 'move' : 'creation')),
    ['Комментарий 5', 'Комментарий 4', 'Комментарий 3', 'Комментарий 2', 'move', 'Комментарий 1', 'creation']);
  const paged: unknown[] = [];
  let cursor: string | undefined;
  do {
    const page = await api(anna).get(`/api/items/${item.id}/timeline`, { limit: 2, cursor });
    paged.push(...page.items);
    cursor = page.nextCursor ?? undefined;
  } while (cursor);
  assert.deepEqual(paged, whole);
  await assert.rejects(api(anna).get(`/api/items/${item.id}/timeline`, { cursor: 'чепуха' }), refused('list.cursor_invalid', 400));
  crm.registerTimelineSource('run', async (_q, itemId, bound, limit) =>
    itemId === item.id && bound.id > 7 ? [{ kind: 'run', id: 7, at: clock.now(), employeeId: null, data: { state: 'done' } }].slice(0, limit) : []);
  const first = await api(anna).get(`/api/items/${item.id}/timeline`, { limit: 1 });
  assert.equal(first.items[0].kind, 'run');
  assert.equal((await api(anna).get(`/api/items/${item.id}/timeline`, { limit: 1, cursor: first.nextCursor })).items[0].data.body, 'Комментарий 5');
});

test('a comment is edited by its author, deleted by author or administrator, pinned by anyone who sees it', async () => {
  const item = await newDeal({ ownerId: anna.id });
  const heard: number[][] = [];
  crm.onMentions(async (_tx, { itemId, employeeIds }) => void (itemId === item.id && heard.push(employeeIds)));
  const comment = await api(anna).post(`/api/items/${item.id}/comments`, { body: `Привет, [USER=${boris.id}]Борис[/USER] и [user=${anna.id}]я[/user] и [USER=99999]никто[/USER]` });
  assert.deepEqual(heard, [[boris.id]]);
  const path = `/api/items/${item.id}/comments/${comment.id}`;
  await assert.rejects(api(boris).patch(path, { body: 'подмена' }), refused('comment.not_yours', 403));
  await assert.rejects(api(admin).patch(path, { body: 'подмена' }), refused('comment.not_yours', 403));
  const edited = await api(anna).patch(path, { body: `[USER=${boris.id}]Б[/USER] [USER=${lawyer.id}]Ю[/USER]` });
  assert.ok(edited.editedAt);
  assert.deepEqual(heard.at(-1), [lawyer.id], 'only who is new is told');
  await api(boris).patch(path, { isPinned: true });
  assert.deepEqual((await api(boris).get(`/api/items/${item.id}/pinned-comments`)).items.map((c: { id: number }) => c.id), [comment.id]);
  await assert.rejects(api(boris).del(path), refused('comment.not_yours', 403));
  await api(admin).del(path);
  await assert.rejects(api(anna).patch(path, { isPinned: true }), refused('request.not_found', 404));
  await assert.rejects(api(anna).post(`/api/items/${item.id}/comments`, { body: '  \n' }), refused('comment.empty', 400));
  const other = await newDeal();
  const elsewhere = await api(admin).post(`/api/items/${other.id}/comments`, { body: 'x'.repeat(100_000) });
  await assert.rejects(api(admin).del(`/api/items/${item.id}/comments/${elsewhere.id}`), refused('request.not_found', 404));
});

test('files of a comment open to who sees the item, and cannot be somebody else\'s private files', async () => {
  const item = await newDeal();
  const file = await vestnik.drive.importFile(null, { storage: 'employee', ownerId: anna.id, name: 'фото.png', bytes: Buffer.from('x'), createdBy: anna.id });
  await assert.rejects(api(boris).post(`/api/items/${item.id}/comments`, { body: '', fileIds: [file.id] }), refused('request.not_found', 404));
  const comment = await api(anna).post(`/api/items/${item.id}/comments`, { body: '', fileIds: [file.id] });
  assert.equal((await vestnik.drive.readFor(await actor(boris), file.id)).file.id, file.id);
  const { items } = await api(boris).get(`/api/items/${item.id}/timeline`);
  assert.deepEqual(items[0].data.files, [{ id: file.id, name: 'фото.png', sizeBytes: 1, mediaType: 'image/png' }]);
  await api(anna).del(`/api/items/${item.id}/comments/${comment.id}`);
  await assert.rejects(vestnik.drive.readFor(await actor(boris), file.id));
});

test('history says who changed what from what to what', async () => {
  const item = await newDeal({ ownerId: anna.id, amount: 10 });
  clock.advance(1000);
  await api(boris).patch(`/api/items/${item.id}`, { amount: 20, title: 'Другая' });
  const { items } = await api(anna).get(`/api/items/${item.id}/history`);
  assert.deepEqual([items[0].kind, items[0].employeeId, items[0].changes], ['change', boris.id, { amount: [10, 20], title: ['Крыша', 'Другая'] }]);
  assert.deepEqual([items[1].kind, items[1].changes], ['arrival', { stageId: [null, stages[0]!.id] }]);
});

// ——— Clients

test('contacts and companies: created, found by any part, changed by who may, paged by name', async () => {
  const company = await api(anna).post('/api/companies', { title: 'ООО «Рога & Копыта»', phones: ['+7 495 111-22-33'] });
  const contact = await api(anna).post('/api/contacts', { firstName: 'Пётр', lastName: 'Клиентов 🙂', emails: ['petr@klient.ru'], phones: ['+7 912 555-44-33'], companyId: company.id });
  assert.equal(contact.ownerId, anna.id);
  const find = async (search: string) => (await api(lawyer).get('/api/contacts', { search })).items.map((c: { id: number }) => c.id);
  for (const text of ['клиентов', 'ПЁТР клие', '555-44', 'petr@', '🙂']) assert.deepEqual(await find(text), [contact.id], text);
  assert.deepEqual(await find('100%'), []);
  assert.deepEqual((await api(lawyer).get('/api/contacts', { companyId: company.id })).items.length, 1);
  await assert.rejects(api(lawyer).patch(`/api/contacts/${contact.id}`, { lastName: 'x' }), refused('access.denied', 403));
  const changed = await api(boris).patch(`/api/contacts/${contact.id}`, { position: 'Директор', version: 1 });
  assert.deepEqual([changed.position, changed.lastName, changed.version], ['Директор', 'Клиентов 🙂', 2]);
  await assert.rejects(api(anna).patch(`/api/contacts/${contact.id}`, { position: 'x', version: 1 }), refused('client.changed_meanwhile', 409));
  await assert.rejects(api(anna).patch(`/api/contacts/${contact.id}`, { companyId: 999_999 }), refused('request.not_found', 404));
  await assert.rejects(api(anna).post('/api/contacts', {}), refused('client.name_missing', 400));
  await assert.rejects(api(anna).post('/api/companies', { title: ' ' }), refused('request.invalid', 400));
  const one = await newDeal({ contactId: contact.id, companyId: company.id });
  assert.deepEqual((await api(anna).get(`/api/contacts/${contact.id}/items`)).items.map((i: { id: number }) => i.id), [one.id]);
  assert.deepEqual((await api(anna).get(`/api/companies/${company.id}/items`)).items.map((i: { id: number }) => i.id), [one.id]);
  for (let n = 0; n < 7; n++) await api(anna).post('/api/contacts', { lastName: `Стр ${n % 3}` });
  const names: string[] = [];
  let cursor: string | undefined;
  do {
    const page = await api(anna).get('/api/contacts', { search: 'стр', limit: 2, cursor });
    names.push(...page.items.map((c: { lastName: string }) => c.lastName));
    cursor = page.nextCursor ?? undefined;
  } while (cursor);
  assert.deepEqual(names, ['Стр 0', 'Стр 0', 'Стр 0', 'Стр 1', 'Стр 1', 'Стр 2', 'Стр 2']);
  await assert.rejects(api(boris).del(`/api/contacts/${contact.id}`), refused('access.denied', 403));
  await api(anna).del(`/api/contacts/${contact.id}`);
  await assert.rejects(api(anna).get(`/api/contacts/${contact.id}`), refused('request.not_found', 404));
});

test('own fields of clients: required, unknown, foreign ids', async () => {
  const inn = await api(admin).post('/api/fields', { entity: 'company', name: 'ИНН', type: 'string', isRequired: true });
  try {
    await assert.rejects(api(anna).post('/api/companies', { title: 'Без ИНН' }), refused('item.required_fields', 409));
    const company = await api(anna).post('/api/companies', { title: 'С ИНН', values: { [inn.code]: '7701' } });
    assert.deepEqual(company.values, { [inn.code]: '7701' });
    await assert.rejects(api(anna).patch(`/api/companies/${company.id}`, { values: { [inn.code]: '' } }), refused('item.required_fields', 409));
    await assert.rejects(api(anna).patch(`/api/companies/${company.id}`, { values: { x: 1 } }), refused('item.field_unknown', 400));
  } finally {
    await api(admin).patch(`/api/fields/${inn.id}`, { isRequired: false });
  }
});

// ——— Invoices

test('an invoice has a number, a public page and is paid when it stands on its stage of success', async () => {
  const company = await api(admin).post('/api/companies', { title: '<script>alert(1)</script> & Co' });
  const item = await newDeal({ amount: 1200.5, ownerId: anna.id, companyId: company.id, title: 'Окна «Пять & ко»' });
  const paid: { itemId: number; dealId: number | null }[] = [];
  crm.onInvoicesPaid(async (_tx, list) => void paid.push(...list));
  const first = await api(anna).post(`/api/items/${item.id}/invoices`, {});
  const second = await api(anna).post(`/api/items/${item.id}/invoices`, { dueOn: '2026-04-01', lines: [{ name: 'Работа', quantity: 3, price: 0.1 }, { name: 'Материал', price: 100 }] });
  assert.deepEqual([first.amount, second.amount, second.dueOn, second.issuedOn], [1200.5, 100.3, '2026-04-01', '2026-03-10']);
  assert.notEqual(first.number, second.number);
  assert.deepEqual((await api(anna).get(`/api/items/${item.id}/invoices`)).items.map((i: { itemId: number }) => i.itemId), [second.itemId, first.itemId]);

  const page = await api().fetch(first.publicPath);
  const html = await page.text();
  assert.equal(page.status, 200);
  assert.match(page.headers.get('content-security-policy') ?? '', /default-src 'none'/);
  assert.match(page.headers.get('x-robots-tag') ?? '', /noindex/);
  assert.match(html, /Счёт № \d+/);
  assert.match(html, /Окна «Пять &amp; ко»/);
  assert.match(html, /&lt;script&gt;/);
  assert.doesNotMatch(html, /<script/);
  assert.match(html, /1\s200,50\s₽/);
  assert.equal((await api().fetch('/i/nothing-like-this')).status, 404);

  const changed = await api(anna).patch(`/api/invoices/${second.itemId}`, { lines: [{ name: 'Всё', price: 7 }] });
  assert.equal((await api(anna).get(`/api/items/${second.itemId}`)).amount, 7);
  assert.equal(changed.lines.length, 1);
  await assert.rejects(api(lawyer).post(`/api/invoices/${first.itemId}/payment`), refused('access.denied', 403));
  const payment = await api(anna).post(`/api/invoices/${first.itemId}/payment`);
  assert.ok(payment.paidAt);
  assert.deepEqual(paid, [{ itemId: first.itemId, dealId: item.id, number: first.number, origin: { cause: 'api', employeeId: anna.id } }]);
  await assert.rejects(api(anna).post(`/api/invoices/${first.itemId}/payment`), refused('invoice.already_paid', 409));
  await assert.rejects(api(anna).patch(`/api/invoices/${first.itemId}`, { dueOn: null }), refused('invoice.already_paid', 409));
  const success = (await typeOf('invoice')).pipelines[0]!.stages.find((stage) => stage.semantics === 'success')!;
  await api(anna).patch(`/api/items/${second.itemId}`, { stageId: success.id });
  assert.ok((await api(anna).get(`/api/invoices/${second.itemId}`)).paidAt, 'dragged on the board, it is paid too');
  await api(anna).patch(`/api/items/${second.itemId}`, { stageId: (await typeOf('invoice')).pipelines[0]!.stages[0]!.id });
  assert.equal((await api(anna).get(`/api/invoices/${second.itemId}`)).paidAt, null);

  const empty = await newDeal({ amount: null });
  await assert.rejects(api(admin).post(`/api/items/${empty.id}/invoices`, {}), refused('invoice.amount_missing', 409));
  await assert.rejects(api(admin).post(`/api/items/${first.itemId}/invoices`, {}), refused('invoice.not_invoice', 409));
  const plain = await api(admin).post('/api/items', { itemTypeId: (await typeOf('invoice')).id, title: 'Руками', amount: 5 });
  assert.equal((await api(admin).get(`/api/invoices/${plain.id}`)).lines[0].name, 'Руками');
});

// ——— Saved views

test('a saved view is one\'s own, or an administrator\'s for all', async () => {
  const own = await api(anna).post('/api/views', { itemTypeId: deal.id, name: 'Мои крупные', query: { filters: [] } });
  await assert.rejects(api(anna).post('/api/views', { itemTypeId: deal.id, name: 'Всем', isShared: true, query: {} }), refused('access.admin_only', 403));
  const shared = await api(admin).post('/api/views', { itemTypeId: deal.id, name: 'Всем', isShared: true, query: {} });
  const names = async (who: { id: number }) => (await api(who).get('/api/views', { itemTypeId: deal.id })).items.map((v: { name: string }) => v.name);
  assert.deepEqual(await names(anna), ['Мои крупные', 'Всем']);
  assert.deepEqual(await names(boris), ['Всем']);
  await assert.rejects(api(boris).del(`/api/views/${own.id}`), refused('request.not_found', 404));
  await assert.rejects(api(boris).del(`/api/views/${shared.id}`), refused('request.not_found', 404));
  await api(anna).del(`/api/views/${own.id}`);
});

test('what hangs on an item is found, called by its name, and comes back when a deletion is taken back', async () => {
  const company = await api(anna).post('/api/companies', { title: 'ООО «Ромашка»' });
  const contact = await api(anna).post('/api/contacts', { phones: ['+79001234567'] });
  const item = await newDeal({ ownerId: anna.id, companyId: company.id, contactId: contact.id });
  const child = await newDeal({ ownerId: anna.id, parentId: item.id, title: 'Дочерняя' });
  assert.deepEqual((await api(anna).get(`/api/items/${item.id}/children`)).items.map((one: { id: number }) => one.id), [child.id]);
  const names = await api(anna).get('/api/crm-names', { items: `${item.id},99999999`, contacts: String(contact.id), companies: String(company.id) });
  assert.deepEqual(names, {
    items: [{ id: item.id, name: 'Крыша', itemTypeId: deal.id, stageId: stages[0]!.id }],
    contacts: [{ id: contact.id, name: '+79001234567' }], companies: [{ id: company.id, name: 'ООО «Ромашка»' }],
  });
  await assert.rejects(api(anna).get('/api/crm-names', { items: '1,x' }), refused('request.invalid', 400));
  assert.deepEqual(await api(anna).get(`/api/items/${item.id}/rights`), { change: true, move: true, delete: true });

  const count = async () => (await api(admin).get(`/api/pipelines/${item.pipelineId}/summary`)).stages.find((one: { stageId: number }) => one.stageId === item.stageId).count;
  const before = await count();
  await assert.rejects(api(anna).post(`/api/items/${item.id}/restore`), refused('request.not_found', 404));
  await api(anna).del(`/api/items/${item.id}`);
  assert.equal(await count(), before - 1);
  const restored = await api(anna).post(`/api/items/${item.id}/restore`);
  assert.equal(restored.version, item.version + 2);
  assert.deepEqual({ ...(await api(anna).get(`/api/items/${item.id}`)), updatedAt: 0 }, { ...restored, updatedAt: 0 });
  assert.equal(await count(), before);
  for (const path of [`/api/contacts/${contact.id}`, `/api/companies/${company.id}`]) {
    await api(anna).del(path);
    await assert.rejects(api(anna).get(path), refused('request.not_found', 404));
    await api(anna).post(`${path}/restore`);
    await api(anna).get(path);
  }
});

test('the timeline shows only the kinds that were asked for', async () => {
  const item = await newDeal({ ownerId: anna.id });
  await api(anna).post(`/api/items/${item.id}/comments`, { body: 'Комментарий' });
  const kinds = async (wanted?: string) => (await api(anna).get(`/api/items/${item.id}/timeline`, { kinds: wanted })).items.map((entry: { kind: string }) => entry.kind);
  assert.deepEqual(await kinds(), ['comment', 'arrival']);
  assert.deepEqual(await kinds('comment'), ['comment']);
  assert.deepEqual(await kinds('arrival,run'), ['arrival']);
  await assert.rejects(kinds('КОММЕНТАРИИ'), refused('request.invalid', 400));
});
