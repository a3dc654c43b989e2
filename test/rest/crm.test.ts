/** Deals, leads, contacts and companies through the methods integrations use. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { webhookOf } from '../support/rest.ts';
import { startTestVestnik } from '../support/vestnik.ts';

const vestnik = await startTestVestnik();
const { admin, api, given } = vestnik;
const { call, refused, ask } = await webhookOf(vestnik, admin);

test('a deal is added, read, changed, moved and deleted', async () => {
  const id = await call('crm.deal.add', { fields: { TITLE: 'Крыша', OPPORTUNITY: '1234.5', CURRENCY_ID: 'RUB', STAGE_ID: 'PREPARATION', ASSIGNED_BY_ID: admin.id, BEGINDATE: '2026-03-01', CLOSEDATE: '31.03.2026', NO_SUCH: 1 } });
  assert.equal(typeof id, 'number');
  const deal = await call('crm.deal.get', { id });
  assert.equal(deal.ID, String(id));
  assert.equal(deal.TITLE, 'Крыша');
  assert.equal(deal.OPPORTUNITY, '1234.50');
  assert.equal(deal.STAGE_ID, 'PREPARATION');
  assert.equal(deal.CATEGORY_ID, '0');
  assert.equal(deal.STAGE_SEMANTIC_ID, 'P');
  assert.equal(deal.CLOSED, 'N');
  assert.equal(deal.COMPANY_ID, null);
  assert.equal(deal.CLOSEDATE, '2026-03-31T00:00:00+03:00');
  assert.equal(deal.DATE_CREATE, '2026-03-10T10:00:00+03:00');
  assert.equal(await call('crm.deal.update', { ID: String(id), FIELDS: { TITLE: 'Крыша, второй этаж', STAGE_ID: 'WON', OPPORTUNITY: 2000 } }), true);
  const moved = await call('crm.deal.get', { id });
  assert.deepEqual([moved.TITLE, moved.STAGE_ID, moved.STAGE_SEMANTIC_ID, moved.CLOSED, moved.OPPORTUNITY], ['Крыша, второй этаж', 'WON', 'S', 'Y', '2000.00']);
  assert.equal(await call('crm.deal.delete', { id }), true);
  await refused('crm.deal.get', { id }, { error: '', error_description: 'Not found' });
  await refused('crm.deal.get', {}, { error: '', error_description: 'ID is not defined or invalid' });
  await refused('crm.deal.get', { id: 'abc' }, { error: '', error_description: 'ID is not defined or invalid' });
  await refused('crm.deal.add', { fields: 'text' }, { error: '', error_description: "Parameter 'fields' must be array." });
});

test('deals of another pipeline carry its number in their stages, and the old update does not leave it', async () => {
  const sales = await given.pipeline({ name: 'Опт' });
  const id = await call('crm.deal.add', { fields: { TITLE: 'Опт', CATEGORY_ID: sales.id } });
  const deal = await call('crm.deal.get', { id });
  assert.deepEqual([deal.CATEGORY_ID, deal.STAGE_ID], [String(sales.id), `C${sales.id}:NEW`]);
  await call('crm.deal.update', { id, fields: { STAGE_ID: 'EXECUTING' } });
  assert.equal((await call('crm.deal.get', { id })).STAGE_ID, `C${sales.id}:EXECUTING`);
  await call('crm.deal.update', { id, fields: { STAGE_ID: `C${sales.id}:WON` } });
  assert.equal((await call('crm.deal.get', { id })).STAGE_ID, `C${sales.id}:WON`);
  const { item } = await call('crm.item.update', { entityTypeId: 2, id, fields: { categoryId: 0, stageId: 'PREPARATION' } });
  assert.deepEqual([item.categoryId, item.stageId], [0, 'PREPARATION']);
  assert.deepEqual((await call('crm.item.update', { entityTypeId: 2, id, fields: { categoryId: sales.id } })).item.stageId, `C${sales.id}:NEW`);
  await refused('crm.deal.add', { fields: { CATEGORY_ID: 999 } }, { error: '' });
  await refused('crm.deal.add', { fields: { STAGE_ID: 'NO_SUCH' } }, { error: '' });
});

test('what Bitrix24 knows and our deals do not is kept in own fields that people see', async () => {
  const id = await call('crm.deal.add', { fields: { TITLE: 'С сайта', COMMENTS: 'Позвонить', SOURCE_ID: 'WEB', UTM_SOURCE: 'yandex', ORIGIN_ID: 'ext-17', PROBABILITY: '50', TYPE_ID: 'GOODS' } });
  const deal = await call('crm.deal.get', { id });
  assert.deepEqual([deal.COMMENTS, deal.SOURCE_ID, deal.UTM_SOURCE, deal.ORIGIN_ID, deal.PROBABILITY, deal.TYPE_ID], ['Позвонить', 'WEB', 'yandex', 'ext-17', '50', 'GOODS']);
  const { fields } = await api(admin).get('/api/crm-config');
  assert.ok(fields.some((field: { code: string; name: string }) => field.code === 'COMMENTS' && field.name === 'Комментарий'));
  const found = await call('crm.deal.list', { filter: { ORIGIN_ID: 'ext-17' }, select: ['ID', 'ORIGIN_ID'] });
  assert.deepEqual(found, [{ ID: String(id), ORIGIN_ID: 'ext-17' }]);
  assert.deepEqual(await call('crm.deal.list', { filter: { TYPE_ID: 'GOODS' }, select: ['ID'] }), [{ ID: String(id) }]);
  assert.deepEqual(await call('crm.deal.list', { filter: { ADDITIONAL_INFO: 'x' } }), [], 'A field nobody has written yet is empty.');
  await call('crm.deal.update', { id, fields: { COMMENTS: '' } });
  assert.equal((await call('crm.deal.get', { id })).COMMENTS, null);
});

test('filters find what they say, by every operator', async () => {
  const { url: _, ...own } = await webhookOf(vestnik, admin);
  const mark = 'Фильтр';
  const ids: number[] = [];
  for (const [index, stage] of ['NEW', 'PREPARATION', 'WON', 'LOSE'].entries()) {
    ids.push(await own.call('crm.deal.add', { fields: { TITLE: `${mark} ${index} 100%_`, OPPORTUNITY: index * 100, STAGE_ID: stage } }));
  }
  const find = async (filter: Record<string, unknown>) => {
    const rows = await own.call('crm.deal.list', { filter: { '>=ID': ids[0], '<=ID': ids[3], ...filter }, order: { ID: 'ASC' }, select: ['ID'] });
    return rows.map((row: { ID: string }) => ids.indexOf(Number(row.ID)));
  };
  assert.deepEqual(await find({}), [0, 1, 2, 3]);
  assert.deepEqual(await find({ STAGE_ID: 'NEW' }), [0]);
  assert.deepEqual(await find({ '=STAGE_ID': ['NEW', 'WON'] }), [0, 2]);
  assert.deepEqual(await find({ '@STAGE_ID': ['NEW', 'WON', 'NO_SUCH'] }), [0, 2]);
  assert.deepEqual(await find({ '!STAGE_ID': 'NEW' }), [1, 2, 3]);
  assert.deepEqual(await find({ '!@STAGE_ID': ['NEW', 'WON'] }), [1, 3]);
  assert.deepEqual(await find({ STAGE_ID: 'NO_SUCH' }), []);
  assert.deepEqual(await find({ STAGE_SEMANTIC_ID: ['S', 'F'] }), [2, 3]);
  assert.deepEqual(await find({ CLOSED: 'N' }), [0, 1]);
  assert.deepEqual(await find({ CATEGORY_ID: 0 }), [0, 1, 2, 3]);
  assert.deepEqual(await find({ '>OPPORTUNITY': 100 }), [2, 3]);
  assert.deepEqual(await find({ '>=OPPORTUNITY': '100', '<OPPORTUNITY': '300' }), [1, 2]);
  assert.deepEqual(await find({ '%TITLE': 'тр 2' }), [2]);
  assert.deepEqual(await find({ '%TITLE': '100%_' }), [0, 1, 2, 3], 'What is looked for is no pattern.');
  assert.deepEqual(await find({ '!%TITLE': 'тр 2' }), [0, 1, 3]);
  assert.deepEqual(await find({ '=%TITLE': `${mark} 3%` }), [3]);
  assert.deepEqual(await find({ '!=%TITLE': `${mark} 3%` }), [0, 1, 2]);
  assert.deepEqual(await find({ TITLE: `${mark} 1 100%_` }), [1]);
  assert.deepEqual(await find({ ID: ids }), [0, 1, 2, 3]);
  assert.deepEqual(await find({ COMPANY_ID: '' }), [0, 1, 2, 3]);
  assert.deepEqual(await find({ '!COMPANY_ID': '' }), []);
  assert.deepEqual(await find({ '>DATE_CREATE': '2026-03-09' }), [0, 1, 2, 3]);
  assert.deepEqual(await find({ '<DATE_CREATE': '2026-03-10T09:59:59+03:00' }), []);
  assert.deepEqual(await find({ ASSIGNED_BY_ID: [admin.id], CHECK_PERMISSIONS: 'N' }), [0, 1, 2, 3]);
  assert.deepEqual(await find({ IS_RECURRING: 'N' }), [0, 1, 2, 3]);
  assert.deepEqual(await find({ IS_RECURRING: 'Y' }), []);

  const nested = await own.call('crm.item.list', {
    entityTypeId: 2, select: ['id'], order: { id: 'DESC' },
    filter: { '>=id': ids[0], '<=id': ids[3], 0: { logic: 'OR', 0: { stageId: 'NEW' }, 1: { '>opportunity': 200, '!stageId': 'NEW' } } },
  });
  assert.deepEqual(nested.items.map((row: { id: number }) => ids.indexOf(row.id)), [3, 0]);
  await own.refused('crm.item.list', { entityTypeId: 2, filter: { noSuch: 1 } }, { error: 'INVALID_ARG_VALUE', error_description: "Invalid filter: field 'noSuch' is not allowed in filter" });
  await own.refused('crm.item.list', { entityTypeId: 2, order: { id: 'SIDEWAYS' } }, { error: 'INVALID_ARG_VALUE' });
});

test('lists are paged by start, counted, and without a count by rising id', async () => {
  const company = await api(admin).post('/api/companies', { title: 'Листы' });
  for (let i = 0; i < 120; i++) await call('crm.deal.add', { fields: { TITLE: `Лист ${i}`, COMPANY_ID: company.id } });
  const filter = { COMPANY_ID: company.id };
  const first = (await ask('crm.deal.list', { filter, select: ['ID', 'TITLE'] })).body;
  assert.deepEqual([first.result.length, first.total, first.next], [50, 120, 50]);
  const last = (await ask('crm.deal.list', { filter, start: 100 })).body;
  assert.deepEqual([last.result.length, last.total, 'next' in last], [20, 120, false]);
  const exact = (await ask('crm.deal.list', { filter: { ...filter, '<=ID': first.result[49].ID } })).body;
  assert.deepEqual([exact.result.length, exact.total, 'next' in exact], [50, 50, false]);
  const seen: string[] = [];
  for (let lastId = '0'; ;) {
    const { body } = await ask('crm.deal.list', { filter: { ...filter, '>ID': lastId }, order: { ID: 'ASC' }, select: ['ID'], start: -1 });
    assert.deepEqual([body.total, 'next' in body], [0, false]);
    seen.push(...body.result.map((row: { ID: string }) => row.ID));
    if (body.result.length < 50) break;
    lastId = seen.at(-1)!;
  }
  assert.equal(new Set(seen).size, 120);
  const chained = await call('batch', {
    cmd: {
      a: `crm.deal.list?filter[COMPANY_ID]=${company.id}&order[ID]=ASC&start=-1&select[]=ID`,
      b: `crm.deal.list?filter[COMPANY_ID]=${company.id}&filter[%3EID]=%24result%5Ba%5D%5B49%5D%5BID%5D&order[ID]=ASC&start=-1&select[]=ID`,
      c: `crm.deal.list?filter[COMPANY_ID]=${company.id}&filter[%3EID]=%24result%5Bb%5D%5B49%5D%5BID%5D&order[ID]=ASC&start=-1&select[]=ID`,
      d: `crm.deal.list?filter[COMPANY_ID]=${company.id}&filter[%3EID]=%24result%5Bc%5D%5B49%5D%5BID%5D&order[ID]=ASC&start=-1&select[]=ID`,
    },
  });
  assert.deepEqual(chained.result_error, []);
  assert.deepEqual(Object.values(chained.result).map((rows) => (rows as unknown[]).length), [50, 50, 20, 0], 'A reference past the end is no error, and finds nothing.');
});

test('select and order name fields, and masks stand for all of a sort', async () => {
  const field = await given.field({ name: 'Адрес доставки', type: 'string', code: 'delivery' });
  const id = await call('crm.deal.add', { fields: { TITLE: 'Поля', UF_CRM_DELIVERY: 'Тверская, 1' } });
  const one = async (select?: string[]) => (await call('crm.deal.list', { filter: { ID: id }, select }))[0];
  assert.ok(!('UF_CRM_DELIVERY' in (await one())));
  assert.equal((await one(['*', 'UF_*'])).UF_CRM_DELIVERY, 'Тверская, 1');
  assert.deepEqual(await one(['TITLE', 'UF_CRM_DELIVERY']), { ID: String(id), TITLE: 'Поля', UF_CRM_DELIVERY: 'Тверская, 1' });
  assert.equal((await call('crm.item.get', { entityTypeId: 2, id })).item.ufCrmDelivery, 'Тверская, 1');
  assert.equal((await call('crm.item.get', { entityTypeId: 2, id, useOriginalUfNames: 'Y' })).item.UF_CRM_DELIVERY, 'Тверская, 1');
  assert.equal((await api(admin).get(`/api/items/${id}`)).values.delivery, 'Тверская, 1');
  const fields = await call('crm.deal.fields');
  assert.equal(fields.UF_CRM_DELIVERY.title, field.name);
  assert.equal(fields.STAGE_ID.type, 'crm_status');
  const sorted = await call('crm.deal.list', { filter: { '%TITLE': 'Фильтр' }, order: { OPPORTUNITY: 'DESC' }, select: ['OPPORTUNITY'] });
  assert.deepEqual(sorted.map((row: { OPPORTUNITY: string }) => row.OPPORTUNITY), ['300.00', '200.00', '100.00', '0.00']);
});

test('a contact has phones and addresses one by one, and belongs to a company', async () => {
  const companyId = await call('crm.company.add', { fields: { TITLE: 'Лесоторг', PHONE: [{ VALUE: '+74951112233', VALUE_TYPE: 'WORK' }], INDUSTRY: 'MANUFACTURING' } });
  const id = await call('crm.contact.add', {
    fields: { NAME: 'Иван', LAST_NAME: 'Петров', POST: 'Директор', COMPANY_ID: companyId, PHONE: [{ VALUE: '+79001112233', VALUE_TYPE: 'MOBILE' }, { VALUE: '+79004445566' }], EMAIL: { n0: { VALUE: 'ivan@example.com' } }, COMMENTS: 'Постоянный', BIRTHDATE: '1980-05-06' },
  });
  const contact = await call('crm.contact.get', { id });
  assert.deepEqual([contact.NAME, contact.LAST_NAME, contact.POST, contact.COMPANY_ID, contact.COMMENTS], ['Иван', 'Петров', 'Директор', String(companyId), 'Постоянный']);
  assert.deepEqual(contact.PHONE.map((one: { VALUE: string }) => one.VALUE), ['+79001112233', '+79004445566']);
  assert.equal(contact.BIRTHDATE.slice(0, 10), '1980-05-06');
  await call('crm.contact.update', { id, fields: { PHONE: [{ ID: contact.PHONE[0].ID, VALUE: '+79007778899' }, { ID: contact.PHONE[1].ID, DELETE: 'Y' }, { VALUE: '+79000000000' }] } });
  const after = await call('crm.contact.get', { id });
  assert.deepEqual(after.PHONE.map((one: { VALUE: string }) => one.VALUE), ['+79007778899', '+79000000000']);
  assert.deepEqual(after.EMAIL.map((one: { VALUE: string }) => one.VALUE), ['ivan@example.com']);
  for (const filter of [{ PHONE: '+79000000000' }, { EMAIL: 'ivan@example.com' }, { LAST_NAME: 'Петров', '%NAME': 'ван' }, { COMPANY_ID: companyId }, { '=%LAST_NAME': 'Петр%' }]) {
    assert.deepEqual((await call('crm.contact.list', { filter, select: ['ID'] })).map((row: { ID: string }) => row.ID), [String(id)], JSON.stringify(filter));
  }
  assert.equal((await call('crm.company.list', { filter: { INDUSTRY: 'MANUFACTURING' } }))[0].TITLE, 'Лесоторг');
  const deal = await call('crm.deal.add', { fields: { TITLE: 'С клиентом', CONTACT_IDS: [id], COMPANY_ID: companyId } });
  assert.equal((await call('crm.deal.get', { id: deal })).CONTACT_ID, String(id));
  assert.deepEqual((await call('crm.item.get', { entityTypeId: 3, id })).item.fm.map((one: { value: string }) => one.value), ['+79007778899', '+79000000000', 'ivan@example.com']);
  await refused('crm.contact.get', { id: 99999 }, { error: '', error_description: 'Not found' });
  assert.equal(await call('crm.contact.delete', { id }), true);
  await refused('crm.contact.get', { id }, { error: '', error_description: 'Not found' });
});

test('contacts are linked to deals, leads and companies, and unlinked; one is the contact', async () => {
  const companyId = await call('crm.company.add', { fields: { TITLE: 'Связи' } });
  const [ivan, petr] = [await call('crm.contact.add', { fields: { NAME: 'Иван' } }), await call('crm.contact.add', { fields: { NAME: 'Пётр' } })];
  for (const [owner, id] of [['deal', await call('crm.deal.add', { fields: { TITLE: 'Связанная' } })], ['lead', await call('crm.lead.add', { fields: { TITLE: 'Связанный' } })]] as const) {
    const linked = async () => (await call(`crm.${owner}.contact.items.get`, { id })).map((one: { CONTACT_ID: number; IS_PRIMARY: string }) => [one.CONTACT_ID, one.IS_PRIMARY]);
    assert.deepEqual(await linked(), []);
    assert.equal(await call(`crm.${owner}.contact.add`, { id, fields: { CONTACT_ID: ivan } }), true);
    assert.deepEqual([await call(`crm.${owner}.contact.add`, { id, fields: { CONTACT_ID: ivan } }), await call(`crm.${owner}.contact.add`, { id, fields: { CONTACT_ID: petr } })], [false, false]);
    assert.deepEqual(await linked(), [[ivan, 'Y']]);
    assert.equal(await call(`crm.${owner}.contact.add`, { id, fields: { CONTACT_ID: petr, IS_PRIMARY: 'Y' } }), true);
    assert.deepEqual(await linked(), [[petr, 'Y']]);
    assert.deepEqual([await call(`crm.${owner}.contact.delete`, { id, fields: { CONTACT_ID: ivan } }), await call(`crm.${owner}.contact.delete`, { id, fields: { CONTACT_ID: petr } })], [false, true]);
    assert.equal(await call(`crm.${owner}.contact.items.set`, { id, items: [{ CONTACT_ID: petr, SORT: 20 }, { CONTACT_ID: ivan, SORT: 10 }] }), true);
    assert.deepEqual([await linked(), (await call(`crm.${owner}.get`, { id })).CONTACT_ID], [[[ivan, 'Y']], String(ivan)]);
    assert.equal(await call(`crm.${owner}.contact.items.delete`, { id }), true);
    assert.deepEqual(await linked(), []);
    await refused(`crm.${owner}.contact.items.set`, { id, items: 'x' }, { error: '', error_description: /CONTACT_ID|items must be array/ });
    await refused(`crm.${owner}.contact.add`, { id, fields: { CONTACT_ID: 0 } }, { error: '', error_description: 'The parameter CONTACT_ID is invalid or not defined.' });
    await refused(`crm.${owner}.contact.add`, { id, fields: { CONTACT_ID: 99_999_999 } }, { error: '', error_description: 'Not found.' });
    await refused(`crm.${owner}.contact.items.get`, { id: 99_999_999 }, { error: '', error_description: 'Not found.' });
    await refused(`crm.${owner}.contact.items.get`, {}, { error: '', error_description: 'The parameter ownerEntityID is invalid or not defined.' });
  }
  assert.equal(await call('crm.company.contact.items.set', { id: companyId, items: [{ CONTACT_ID: petr }, { CONTACT_ID: ivan }] }), true);
  assert.deepEqual((await call('crm.company.contact.items.get', { id: companyId })).map((one: { CONTACT_ID: number }) => one.CONTACT_ID), [ivan, petr]);
  assert.deepEqual((await call('crm.contact.company.items.get', { id: ivan })).map((one: { COMPANY_ID: number }) => one.COMPANY_ID), [companyId]);
  assert.equal(await call('crm.company.contact.delete', { id: companyId, fields: { CONTACT_ID: ivan } }), true);
  assert.deepEqual([await call('crm.contact.company.items.get', { id: ivan }), await call('crm.contact.company.add', { id: ivan, fields: { COMPANY_ID: companyId } })], [[], true]);
  assert.equal((await call('crm.contact.get', { id: ivan })).COMPANY_ID, String(companyId));
  assert.equal(Object.keys(await call('crm.contact.company.fields')).join(), 'COMPANY_ID,SORT,IS_PRIMARY');
  // One that is not there undoes the others.
  await refused('crm.company.contact.items.set', { id: companyId, items: [{ CONTACT_ID: ivan }, { CONTACT_ID: 99_999_999 }] }, { error: '', error_description: 'Not found.' });
  assert.equal((await call('crm.company.contact.items.get', { id: companyId })).length, 2);
});

test('who is reached by a phone or an address is found, however it is written', async () => {
  const contactId = await call('crm.contact.add', { fields: { NAME: 'Звонящий', PHONE: [{ VALUE: '8 (912) 345-67-00' }], EMAIL: [{ VALUE: 'Caller@Example.com' }] } });
  const companyId = await call('crm.company.add', { fields: { TITLE: 'Звонящая', PHONE: [{ VALUE: '+79123456700' }] } });
  const leadId = await call('crm.lead.add', { fields: { TITLE: 'Звонок', PHONE: [{ VALUE: '+79123456700' }] } });
  const find = (more: Record<string, unknown>) => call('crm.duplicate.findbycomm', { type: 'PHONE', values: ['+7 912 345-67-00', '+79123456700'], ...more });
  assert.deepEqual(await find({}), { LEAD: [leadId], CONTACT: [contactId], COMPANY: [companyId] });
  assert.deepEqual(await find({ entity_type: 'CONTACT' }), { CONTACT: [contactId] });
  assert.deepEqual(await find({ type: 'EMAIL', values: ['caller@example.com'], entity_type: 'CONTACT' }), { CONTACT: [contactId] });
  assert.deepEqual(await find({ values: ['+70000000000'] }), []);
  await refused('crm.duplicate.findbycomm', { type: 'PIGEON', values: ['x'] }, { error: '', error_description: /type is not defined/ });
  await refused('crm.duplicate.findbycomm', { type: 'PHONE', values: [] }, { error: '' });
});

test('a lead keeps the name and phones of whoever asked', async () => {
  const id = await call('crm.lead.add', { fields: { TITLE: 'Заявка', NAME: 'Ольга', PHONE: [{ VALUE: '+79001234567', VALUE_TYPE: 'WORK' }], EMAIL: [{ VALUE: 'olga@example.com' }], SOURCE_ID: 'CALL' } });
  const lead = await call('crm.lead.get', { id });
  assert.deepEqual([lead.STATUS_ID, lead.NAME, lead.PHONE[0].VALUE, lead.HAS_EMAIL], ['NEW', 'Ольга', '+79001234567', 'Y']);
  await call('crm.lead.update', { id, fields: { STATUS_ID: 'IN_PROCESS' } });
  assert.equal((await call('crm.lead.get', { id })).STATUS_ID, 'IN_PROCESS');
  assert.deepEqual((await call('crm.lead.list', { filter: { PHONE: '+79001234567', STATUS_ID: 'IN_PROCESS' }, select: ['ID'] })), [{ ID: String(id) }]);
  assert.equal((await call('crm.item.get', { entityTypeId: 1, id })).item.stageId, 'IN_PROCESS');
});

test('records of own types are read and written by their number', async () => {
  const { type } = await call('crm.type.add', { fields: { title: 'Заявки на ремонт' } });
  const { item } = await call('crm.item.add', { entityTypeId: type.entityTypeId, fields: { title: 'Кран', opportunity: 500 } });
  assert.equal(typeof item.id, 'number');
  assert.match(item.stageId, new RegExp(`^DT${type.entityTypeId}_\\d+:NEW$`));
  assert.equal(item.opportunity, 500);
  assert.equal(item.contactId, 0);
  const next = item.stageId.replace('NEW', 'CLIENT');
  assert.equal((await call('crm.item.update', { entityTypeId: type.entityTypeId, id: item.id, fields: { stageId: next } })).item.stageId, next);
  assert.equal((await call('crm.item.list', { entityTypeId: type.entityTypeId, filter: { stageId: next } })).items.length, 1);
  await refused('crm.item.get', { entityTypeId: 2, id: item.id }, { error: 'NOT_FOUND', error_description: 'Item not found' });
  await refused('crm.item.get', { entityTypeId: 77, id: item.id }, { error: 'NOT_FOUND', error_description: 'SPA not found' });
  await refused('crm.item.get', { id: 1 }, { error: '100' });
  assert.deepEqual(await call('crm.item.delete', { entityTypeId: type.entityTypeId, id: item.id }), []);
});

test('who may not see a deal neither reads, changes nor deletes it', async () => {
  const id = await call('crm.deal.add', { fields: { TITLE: 'Чужая' } });
  const outsider = await given.employee();
  const roles = await api(admin).get('/api/access-roles');
  for (const role of roles.items) await api(admin).patch(`/api/access-roles/${role.id}`, { members: [] });
  const { call: theirs, refused: refusedToThem } = await webhookOf(vestnik, outsider);
  assert.deepEqual(await theirs('crm.deal.list', {}), []);
  await refusedToThem('crm.deal.get', { id }, { error: '', error_description: 'Not found' });
  await refusedToThem('crm.deal.update', { id, fields: { TITLE: 'x' } }, { error: '', error_description: 'Not found' });
  await refusedToThem('crm.deal.delete', { id }, { error: '', error_description: 'Not found' });
  await refusedToThem('crm.deal.add', { fields: { TITLE: 'x' } }, { error: '', error_description: 'Access denied.' });
  await refusedToThem('crm.contact.list', {}, { error: '', error_description: 'Access denied.' });
  assert.equal((await call('crm.deal.get', { id })).TITLE, 'Чужая');
});
