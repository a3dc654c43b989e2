/** What stands around the records: own fields, stages, funnels, history, comments, people, currencies. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { webhookOf } from '../support/rest.ts';
import { startTestVestnik } from '../support/vestnik.ts';

const vestnik = await startTestVestnik();
const { admin, api, given, clock, moved, drain } = vestnik;
const { call, refused, ask } = await webhookOf(vestnik, admin);
const anna = await given.employee({ firstName: 'Анна', lastName: 'Петрова', email: 'anna@example.com', position: 'Юрист', mobilePhone: '+79001112233' });
const hers = await webhookOf(vestnik, anna);
const names = (rows: { NAME: string }[]) => rows.map((row) => row.NAME);

test('an own field of every type is added, filled, listed, changed and deleted', async () => {
  const kinds: [string, unknown, unknown, Record<string, unknown>?][] = [
    ['string', 'текст', 'текст'], ['integer', '7', '7'], ['double', '7.25', '7.25'], ['boolean', 'Y', '1'], ['date', '2026-05-06', '2026-05-06T00:00:00+03:00'],
    ['datetime', '2026-05-06T07:08:09+03:00', '2026-05-06T07:08:09+03:00'], ['money', '150|RUB', '150|RUB'], ['url', 'https://example.com/', 'https://example.com/'],
    ['address', 'Тверская, 1', 'Тверская, 1'], ['employee', anna.id, String(anna.id)], ['crm_status', 'CALL', 'CALL'],
  ];
  const deal = await call('crm.deal.add', { fields: { TITLE: 'Поля' } });
  for (const [type, written, read, more] of kinds) {
    const id = await call('crm.deal.userfield.add', { fields: { FIELD_NAME: `T_${type}`, USER_TYPE_ID: type, EDIT_FORM_LABEL: { ru: `Поле ${type}`, en: `Field ${type}` }, ...more } });
    const name = `UF_CRM_T_${type.toUpperCase()}`;
    const field = await call('crm.deal.userfield.get', { id });
    assert.deepEqual([field.FIELD_NAME, field.EDIT_FORM_LABEL], [name, `Поле ${type}`]);
    await call('crm.deal.update', { id: deal, fields: { [name]: written } });
    assert.deepEqual((await call('crm.deal.get', { id: deal }))[name], read, type);
    if (type !== 'money') assert.deepEqual(await call('crm.deal.list', { filter: { [name]: written }, select: ['ID'] }), [{ ID: String(deal) }], type);
  }
  const listId = await call('crm.deal.userfield.add', { fields: { FIELD_NAME: 'COLOUR', USER_TYPE_ID: 'enumeration', MULTIPLE: 'Y', LIST: [{ VALUE: 'Красный' }, { VALUE: 'Синий', DEF: 'Y' }] } });
  const { LIST } = await call('crm.deal.userfield.get', { id: listId });
  assert.deepEqual(LIST.map((one: { VALUE: string; DEF: string }) => [one.VALUE, one.DEF]), [['Красный', 'N'], ['Синий', 'Y']]);
  await call('crm.deal.userfield.update', { id: listId, fields: { LIST: [{ ID: LIST[0].ID, VALUE: 'Алый' }, { VALUE: 'Белый' }], EDIT_FORM_LABEL: 'Цвет' } });
  const after = await call('crm.deal.userfield.get', { id: listId });
  assert.deepEqual(after.LIST.map((one: { VALUE: string }) => one.VALUE).sort(), ['Алый', 'Белый', 'Синий']);
  assert.equal(after.EDIT_FORM_LABEL, 'Цвет');
  await call('crm.deal.update', { id: deal, fields: { UF_CRM_COLOUR: [LIST[0].ID, LIST[1].ID] } });
  assert.deepEqual((await call('crm.deal.get', { id: deal })).UF_CRM_COLOUR, [LIST[0].ID, LIST[1].ID]);
  assert.deepEqual(await call('crm.deal.list', { filter: { UF_CRM_COLOUR: LIST[0].ID }, select: ['ID'] }), [{ ID: String(deal) }]);

  assert.equal((await call('crm.deal.userfield.list', { filter: { FIELD_NAME: 'UF_CRM_COLOUR' } })).length, 1);
  assert.equal(await call('crm.deal.userfield.delete', { id: listId }), true);
  await refused('crm.deal.userfield.get', { id: listId }, { error: 'ERROR_NOT_FOUND' });
  await refused('crm.deal.userfield.add', { fields: { USER_TYPE_ID: 'string' } }, { error: '', error_description: "The 'FIELD_NAME' field is not found." });
  await refused('crm.deal.userfield.add', { fields: { FIELD_NAME: 'X', USER_TYPE_ID: 'iblock_element' } }, { error: 'ERROR_CORE', error_description: 'Incorrect custom type specified.' });
  await refused('crm.deal.userfield.add', { fields: { FIELD_NAME: "X'; drop table items", USER_TYPE_ID: 'string' } }, { error: 'ERROR_CORE' });
  await hers.refused('crm.deal.userfield.add', { fields: { FIELD_NAME: 'Y', USER_TYPE_ID: 'string' } }, { status: 403, error: '', error_description: 'Access denied.' });
  assert.deepEqual(await call('crm.deal.userfield.list', { filter: { FIELD_NAME: 'UF_CRM_Y' } }), []);
});

test('userfieldconfig does the same under newer names, for clients too', async () => {
  const { field } = await call('userfieldconfig.add', { moduleId: 'crm', field: { entityId: 'CRM_CONTACT', fieldName: 'UF_CRM_INN', userTypeId: 'string', editFormLabel: { ru: 'ИНН' } } });
  assert.deepEqual([field.fieldName, field.entityId, field.editFormLabel], ['UF_CRM_INN', 'CRM_CONTACT', { ru: 'ИНН' }]);
  const id = await call('crm.contact.add', { fields: { LAST_NAME: 'Инн', UF_CRM_INN: '7701' } });
  assert.equal((await call('crm.contact.get', { id })).UF_CRM_INN, '7701');
  assert.deepEqual((await call('crm.contact.list', { filter: { '=UF_CRM_INN': '7701' }, select: ['ID', 'UF_*'] })), [{ ID: String(id), UF_CRM_INN: '7701' }]);
  assert.equal((await call('userfieldconfig.list', { moduleId: 'crm', filter: { entityId: 'CRM_CONTACT' } })).fields.length, 1);
  await call('userfieldconfig.delete', { moduleId: 'crm', id: field.id });
  await refused('userfieldconfig.get', { moduleId: 'crm', id: field.id }, { error: 'ERROR_NOT_FOUND' });
});

test('a file field takes base64, keeps what is named, and refuses what is no base64', async () => {
  await call('crm.deal.userfield.add', { fields: { FIELD_NAME: 'DOCS', USER_TYPE_ID: 'file', MULTIPLE: 'Y' } });
  const content = Buffer.from('договор').toString('base64');
  const id = await call('crm.deal.add', { fields: { TITLE: 'Файлы', UF_CRM_DOCS: [{ fileData: ['a.txt', content] }, ['b.txt', content]] } });
  const files = (await call('crm.deal.get', { id })).UF_CRM_DOCS;
  assert.equal(files.length, 2);
  const stored = await api(admin).fetch(`/api/drive/files/${files[0].id}/content`);
  assert.equal(await stored.text(), 'договор');
  await refused('crm.deal.update', { id, fields: { UF_CRM_DOCS: [['c.txt', 'это не base64!']] } }, { error: 'ERROR_ARGUMENT' });
  assert.equal((await call('crm.deal.get', { id })).UF_CRM_DOCS.length, 2, 'Nothing changed.');
  await call('crm.deal.update', { id, fields: { UF_CRM_DOCS: [{ id: files[1].id }] } });
  assert.deepEqual((await call('crm.deal.get', { id })).UF_CRM_DOCS.map((file: { id: number }) => file.id), [files[1].id]);
});

test('stages are listed by their directory, added, changed and deleted', async () => {
  const stages = await call('crm.status.list', { filter: { ENTITY_ID: 'DEAL_STAGE' }, order: { SORT: 'ASC' } });
  assert.deepEqual([stages[0].STATUS_ID, stages[0].SEMANTICS, stages.find((one: { STATUS_ID: string }) => one.STATUS_ID === 'WON').SEMANTICS], ['NEW', null, 'S']);
  const id = await call('crm.status.add', { fields: { ENTITY_ID: 'DEAL_STAGE', STATUS_ID: 'LAW', NAME: 'Проверка юристом', SORT: 15, COLOR: '#123456' } });
  const found = await call('crm.status.get', { id });
  assert.deepEqual([found.STATUS_ID, found.NAME, found.COLOR, found.SORT], ['LAW', 'Проверка юристом', '#123456', '20']);
  await call('crm.status.update', { id, fields: { NAME: 'Юрист', SORT: 1000 } });
  const order = (await call('crm.status.entity.items', { entityId: 'DEAL_STAGE' })).map((one: { STATUS_ID: string }) => one.STATUS_ID);
  assert.equal(order.indexOf('LAW'), order.indexOf('WON') - 1);
  await refused('crm.status.add', { fields: { ENTITY_ID: 'DEAL_STAGE', STATUS_ID: 'LAW', NAME: 'Ещё' } }, { error: 'ERROR_CORE', error_description: 'The specified status ID already exists.' });
  await refused('crm.status.add', { fields: { ENTITY_ID: 'NO_SUCH', STATUS_ID: 'X', NAME: 'X' } }, { error: '', error_description: 'Specified entity type is not supported.' });
  await hers.refused('crm.status.add', { fields: { ENTITY_ID: 'DEAL_STAGE', STATUS_ID: 'X', NAME: 'X' } }, { error: '', error_description: 'Access denied.' });
  assert.equal(await call('crm.status.delete', { id }), true);
  await refused('crm.status.get', { id }, { error: '', error_description: 'Status is not found.' });

  const source = await call('crm.status.add', { fields: { ENTITY_ID: 'SOURCE', STATUS_ID: 'TELEGRAM', NAME: 'Телеграм' } });
  assert.ok(names(await call('crm.status.list', { filter: { ENTITY_ID: 'SOURCE' } })).includes('Телеграм'));
  assert.equal(await call('crm.status.delete', { id: source }), true);
  assert.ok((await call('crm.status.entity.types')).some((one: { ID: string }) => one.ID === 'DEAL_STAGE'));
  const type = await call('crm.status.add', { fields: { ENTITY_ID: 'DEAL_TYPE', STATUS_ID: 'RENT', NAME: 'Аренда' } });
  assert.equal((await call('crm.status.get', { id: type })).NAME, 'Аренда');
});

test('funnels are listed, added, renamed and deleted under both families of names', async () => {
  const { category } = await call('crm.category.add', { entityTypeId: 2, fields: { name: 'Опт' } });
  assert.equal(category.name, 'Опт');
  const { categories } = await call('crm.category.list', { entityTypeId: 2 });
  assert.deepEqual(categories.map((one: { id: number; isDefault: string }) => [one.id, one.isDefault]), [[0, 'Y'], [category.id, 'N']]);
  assert.deepEqual(names(await call('crm.dealcategory.list')), ['Опт']);
  assert.equal((await call('crm.dealcategory.stage.list', { id: category.id }))[0].STATUS_ID, `C${category.id}:NEW`);
  await call('crm.dealcategory.update', { id: category.id, fields: { NAME: 'Розница' } });
  assert.equal((await call('crm.category.get', { entityTypeId: 2, id: category.id })).category.name, 'Розница');
  const deal = await call('crm.deal.add', { fields: { TITLE: 'Мешает', CATEGORY_ID: category.id } });
  await refused('crm.category.delete', { entityTypeId: 2, id: category.id }, { error: 'BX_ERROR', error_description: 'Elements related to the funnel found' });
  await call('crm.deal.delete', { id: deal });
  assert.equal(await call('crm.category.delete', { entityTypeId: 2, id: category.id }), null);
  await refused('crm.category.get', { entityTypeId: 2, id: category.id }, { error: 'NOT_FOUND' });
  await hers.refused('crm.category.add', { entityTypeId: 2, fields: { name: 'Моя' } }, { error: 'ACCESS_DENIED' });
});

test('the history of stages says what went where, and when', async () => {
  const id = await call('crm.deal.add', { fields: { TITLE: 'Путь' } });
  clock.advance('1 hour');
  await call('crm.deal.update', { id, fields: { STAGE_ID: 'PREPARATION' } });
  await call('crm.deal.update', { id, fields: { STAGE_ID: 'WON' } });
  const { items } = await call('crm.stagehistory.list', { entityTypeId: 2, filter: { OWNER_ID: id }, order: { ID: 'ASC' } });
  assert.deepEqual(items.map((row: { TYPE_ID: number; STAGE_ID: string }) => [row.TYPE_ID, row.STAGE_ID]), [[1, 'NEW'], [2, 'PREPARATION'], [3, 'WON']]);
  assert.equal((await call('crm.stagehistory.list', { entityTypeId: 2, filter: { OWNER_ID: id, '>=CREATED_TIME': clock.now().toISOString() } })).items.length, 2);
  await refused('crm.stagehistory.list', { entityTypeId: 2, filter: { NO_SUCH: 1 } }, { error: 'INVALID_ARG_VALUE' });
});

test('comments are written, read, changed and deleted; what robots wrote is among them', async () => {
  const sales = await given.pipeline({ stages: ['Новая', 'Отправка счета'] });
  await given.robot(sales.stage('Отправка счета'), 'comment', { text: 'Счёт отправлен: {=Document:TITLE}' });
  const deal = await given.item({ pipelineId: sales.id, title: 'Крыша' });
  const id = await call('crm.timeline.comment.add', { fields: { ENTITY_ID: deal.id, ENTITY_TYPE: 'deal', COMMENT: 'Позвонил', FILES: [['a.txt', Buffer.from('1').toString('base64')]] } });
  await moved(deal, sales.stage('Отправка счета'));
  await drain();
  const comments = await call('crm.timeline.comment.list', { filter: { ENTITY_ID: deal.id, ENTITY_TYPE: 'deal' }, order: { ID: 'ASC' } });
  assert.deepEqual(comments.map((one: { COMMENT: string }) => one.COMMENT), ['Позвонил', 'Счёт отправлен: Крыша']);
  const one = await call('crm.timeline.comment.get', { id });
  assert.deepEqual([one.ENTITY_TYPE, one.ENTITY_ID, one.AUTHOR_ID, Object.values(one.FILES).length], ['deal', String(deal.id), String(admin.id), 1]);
  assert.equal(await call('crm.timeline.comment.update', { id, fields: { COMMENT: 'Дозвонился' } }), id);
  assert.equal((await call('crm.timeline.comment.get', { id })).COMMENT, 'Дозвонился');
  await hers.refused('crm.timeline.comment.update', { id, fields: { COMMENT: 'Не моё' } }, { error: 'ACCESS_DENIED' });
  await refused('crm.timeline.comment.add', { fields: { ENTITY_ID: deal.id, ENTITY_TYPE: 'deal', COMMENT: ' ' } }, { error: 'INVALID_ARG_VALUE', error_description: 'Empty comment' });
  await refused('crm.timeline.comment.add', { fields: { ENTITY_ID: 99999, ENTITY_TYPE: 'deal', COMMENT: 'x' } }, { error: 'OWNER_NOT_FOUND' });
  await refused('crm.timeline.comment.add', { fields: { COMMENT: 'x' } }, { error: '100' });
  assert.equal(await call('crm.timeline.comment.delete', { id }), null);
  await refused('crm.timeline.comment.get', { id }, { error: '', error_description: 'Not found.' });
});

test('employees are found, added, changed and dismissed', async () => {
  assert.equal((await hers.call('user.current')).EMAIL, 'anna@example.com');
  const find = async (params: unknown) => (await call('user.get', params)).map((row: { ID: string }) => row.ID);
  assert.deepEqual(await find({ FILTER: { EMAIL: 'anna@example.com' } }), [String(anna.id)]);
  assert.deepEqual(await find({ ID: anna.id }), [String(anna.id)]);
  assert.deepEqual(await find({ filter: { '@ID': [anna.id, 999] }, order: { ID: 'ASC' } }), [String(anna.id)]);
  assert.deepEqual((await call('user.search', { FIND: 'петров' })).map((row: { ID: string }) => row.ID), [String(anna.id)]);
  assert.deepEqual((await call('user.search', { FILTER: { LAST_NAME: 'Петр' } })).map((row: { ID: string }) => row.ID), [String(anna.id)]);
  const id = await call('user.add', { EMAIL: 'boris@example.com', NAME: 'Борис', WORK_POSITION: 'Кладовщик' });
  assert.deepEqual((await call('user.get', { ID: id }))[0].WORK_POSITION, 'Кладовщик');
  assert.equal(await call('user.update', { ID: id, NAME: 'Борислав', ACTIVE: 'N' }), true);
  assert.deepEqual([(await call('user.get', { ID: id }))[0].NAME, (await call('user.get', { ID: id }))[0].ACTIVE], ['Борислав', false]);
  assert.ok(!(await find({ ACTIVE: true })).includes(String(id)));
  await refused('user.add', { EMAIL: 'nonsense' }, { error: 'ERROR_ARGUMENT', error_description: 'wrong_email' });
  await refused('user.add', { EMAIL: 'anna@example.com' }, { error: 'ERROR_ARGUMENT', error_description: 'A user with this email already exists' });
  await hers.refused('user.add', { EMAIL: 'x@example.com' }, { error: 'ERROR_CORE', error_description: 'access_denied' });
  await hers.refused('user.update', { ID: admin.id, NAME: 'Другая' }, { error: 'ERROR_CORE', error_description: 'access_denied' });
  assert.equal(await hers.call('user.update', { ID: anna.id, PERSONAL_MOBILE: '+79009998877' }), true);
});

test('departments are read and kept', async () => {
  const id = await call('department.add', { NAME: 'Продажи', UF_HEAD: anna.id });
  const below = await call('department.add', { NAME: 'Опт', PARENT: id });
  assert.deepEqual((await call('department.get', { ID: id })).map((row: { NAME: string; UF_HEAD: string }) => [row.NAME, row.UF_HEAD]), [['Продажи', String(anna.id)]]);
  assert.deepEqual((await call('department.get', { PARENT: id })).map((row: { ID: string }) => row.ID), [String(below)]);
  assert.equal((await ask('department.get')).body.total, 2);
  await call('department.update', { ID: below, NAME: 'Опт и розница' });
  assert.deepEqual(names(await call('department.get', { ID: below })), ['Опт и розница']);
  assert.equal(await call('department.delete', { ID: below }), true);
  await refused('department.update', { ID: 999, NAME: 'x' }, { error: 'ERROR_CORE', error_description: 'Department not found' });
  await hers.refused('department.add', { NAME: 'x' }, { error: 'ERROR_CORE', error_description: 'Access denied' });
});

test('the company’s currency is the base', async () => {
  assert.equal(await call('crm.currency.base.get'), 'RUB');
  assert.deepEqual((await call('crm.currency.list')).filter((one: { BASE: string }) => one.BASE === 'Y').map((one: { CURRENCY: string }) => one.CURRENCY), ['RUB']);
  assert.equal((await call('crm.currency.get', { id: 'USD' })).CURRENCY, 'USD');
});

test('the lists of methods are made of what there is', async () => {
  const all = await call('methods', { full: true });
  for (const name of ['batch', 'crm.deal.add', 'user.get', 'crm.item.list']) assert.ok(all.includes(name), name);
  assert.ok((await call('methods', { scope: 'department' })).every((name: string) => name.startsWith('department.')));
  const { url, ...narrow } = await webhookOf(vestnik, admin, ['user']);
  assert.ok(url);
  await narrow.refused('crm.deal.list', {}, { status: 403, error: 'insufficient_scope' });
  assert.ok(!(await narrow.call('methods')).includes('crm.deal.list'));
});
