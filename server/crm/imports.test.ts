/** Imports from CSV: guessed, checked row by row, written once, with or without robots; and the export that comes back. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { startTestVestnik } from '../../test/support/vestnik.ts';
import { sql } from '../db/db.ts';

const { api, admin, db, given, drain, clock, vestnik, listen } = await startTestVestnik();
const anna = await given.employee({ firstName: 'Анна', lastName: 'Петрова', email: 'anna@example.com' });
const twin = await given.employee({ firstName: 'Иван', lastName: 'Иванов' });
await given.employee({ firstName: 'Иван', lastName: 'Иванов' });
const sales = await given.pipeline({ stages: ['Новая', 'В работе'] });
const kind = await given.field({ name: 'Вид работ', type: 'list', settings: { options: [{ name: 'Кровля' }, { name: 'Фасад' }] } });
const urgent = await given.field({ name: 'Срочно', type: 'boolean' });
const visit = await given.field({ name: 'Выезд', type: 'datetime' });

async function upload(text: string | Uint8Array, more: Record<string, string> = {}, by = admin) {
  const query = new URLSearchParams({ name: 'сделки.csv', itemTypeId: String(sales.itemTypeId), pipelineId: String(sales.id), ...more });
  const answer = await api(by).fetch(`/api/imports?${query}`, { method: 'POST', headers: { 'content-type': 'text/csv' }, body: new Uint8Array(Buffer.from(text)) });
  const body = JSON.parse(await answer.text());
  if (!answer.ok) throw Object.assign(new Error(body.message), body);
  return body;
}
async function checked(text: string, change: object = {}) {
  const { id } = await upload(text);
  if (Object.keys(change).length > 0) await api(admin).patch(`/api/imports/${id}`, change);
  await api(admin).post(`/api/imports/${id}/check`);
  await drain();
  return api(admin).get(`/api/imports/${id}`);
}
async function imported(text: string, isSilent = true) {
  const { id } = await checked(text);
  await api(admin).post(`/api/imports/${id}/start`, { isSilent });
  await drain();
  return api(admin).get(`/api/imports/${id}`);
}
const found = async (search: string) => (await api(admin).get('/api/items', { itemTypeId: sales.itemTypeId, search })).items;

test('columns are recognised by the names people give them, in both languages', async () => {
  const { columns, hasHeader } = await upload('Название сделки;Стадия;Бюджет;Менеджер;ФИО;Телефон;E-mail;Компания;Вид работ;Примечание\nа;б;1;в;г;89161234567;a@b.ru;д;Кровля;е');
  assert.deepEqual(columns.map((column: { target: string | null }) => column.target),
    ['title', 'stageId', 'amount', 'ownerId', 'contact.name', 'contact.phone', 'contact.email', 'company.title', kind.code, null]);
  assert.ok(hasHeader);
  const english = await upload('Deal name,Stage,Amount,Currency,Responsible,Close date\nRoof,Новая,1,USD,anna@example.com,2026-01-02');
  assert.deepEqual(english.columns.map((column: { target: string | null }) => column.target), ['title', 'stageId', 'amount', 'currency', 'ownerId', 'closesOn']);
  const bare = await upload('Крыша;1000\nФасад;2000');
  assert.equal(bare.hasHeader, false);
  assert.deepEqual(bare.columns[0].samples, ['Крыша', 'Фасад']);
});

test('values are read as people write them', async () => {
  const outcome = await imported([
    'Название;Стадия;Сумма;Валюта;Ответственный;Дата завершения;Вид работ;Срочно;Выезд',
    'Крыша Ивановых;в работе;"1 234 567,50 ₽";руб.;Петрова Анна;31.12.2026;кровля;да;31.12.2026 15:30',
    'Фасад Ивановых;;1,234.5;$;anna@example.com;2026-12-31;Фасад;Нет;',
  ].join('\n'));
  assert.deepEqual([outcome.state, outcome.created, outcome.failed, outcome.problems], ['done', 2, 0, []]);
  const [roof] = await found('Крыша Ивановых');
  const options = Object.fromEntries(kind.settings.options!.map(({ name, id }) => [name, id]));
  assert.deepEqual(
    [roof.stageId, roof.amount, roof.currency, roof.ownerId, roof.closesOn, roof.values],
    [sales.stage('В работе').id, 1_234_567.5, 'RUB', anna.id, '2026-12-31', { [kind.code]: options['Кровля'], [urgent.code]: true, [visit.code]: '2026-12-31T12:30:00.000Z' }]);
  const [front] = await found('Фасад Ивановых');
  assert.deepEqual([front.stageId, front.amount, front.currency, front.values[urgent.code]], [sales.stage('Новая').id, 1234.5, 'USD', false]);
  const history = await api(admin).get(`/api/items/${roof.id}/history`);
  assert.equal(history.items[0].cause, 'import');
});

test('each row that cannot be imported says why, the others are, and the file of errors can be mended and uploaded again', async () => {
  const text = [
    'Название;Стадия;Сумма;Ответственный;Дата завершения;Телефон',
    'Хорошая первая;Новая;10;;;', 'Плохая стадия;Нет такой;10;;;', 'Плохая сумма;;много;;;', 'Плохой человек;;;Никто;;', 'Двойник;;;Иван Иванов;;',
    'Плохая дата;;;;31.02.2026;', 'Плохой телефон;;;;;12', 'Хорошая вторая;;20;;;',
  ].join('\n');
  const view = await checked(text);
  assert.deepEqual([view.state, view.total, view.checked, view.invalid], ['checked', 8, 8, 6]);
  assert.deepEqual(view.problems.map((problem: { rowNumber: number }) => problem.rowNumber), [3, 4, 5, 6, 7, 8]);
  assert.match(view.problems[0].message, /нет стадии «Нет такой»/);
  assert.match(view.problems[3].message, /2 сотрудника/);
  assert.equal((await found('Хорошая')).length, 0, 'checking writes nothing');
  await api(admin).post(`/api/imports/${view.id}/start`, { isSilent: true });
  await drain();
  assert.equal((await found('Хорошая')).length, 2);
  const errors = await (await api(admin).fetch(`/api/imports/${view.id}/errors`)).text();
  const lines = errors.trimEnd().split('\r\n');
  assert.equal(lines.length, 7);
  assert.match(lines[0]!, /^Название;.*;Ошибка$/);
  assert.match(lines[2]!, /^Плохая сумма;;много;.*число/);
  const again = await imported(errors.replaceAll('Нет такой', 'Новая').replaceAll('много', '5').replaceAll('Никто', 'Анна Петрова').replaceAll('Иван Иванов', String((await api(admin).get(`/api/employees/${twin.id}`)).email)).replaceAll('31.02.2026', '28.02.2026').replaceAll(';12;', ';+7 916 000-00-12;'));
  assert.deepEqual([again.created, again.invalid], [6, 0]);
});

test('clients are recognised by phone and e-mail however written, and made once', async () => {
  const known = await api(admin).post('/api/contacts', { lastName: 'Сидоров', firstName: 'Пётр', phones: ['+7 (916) 555-44-33'] });
  await imported([
    'Название;ФИО;Телефон;E-mail;Компания',
    'Клиент А1;Сидоров Пётр;8 916 555 44 33;;', 'Клиент А2;Новый Человек;;new@example.com;ООО Ромашка', 'Клиент А3;Иначе Записан;;NEW@example.com;ооо ромашка',
  ].join('\n'));
  const [first] = await found('Клиент А1');
  const [second] = await found('Клиент А2');
  const [third] = await found('Клиент А3');
  assert.equal(first.contactId, known.id);
  assert.equal(second.contactId, third.contactId);
  assert.equal(second.companyId, third.companyId);
  const person = await api(admin).get(`/api/contacts/${second.contactId}`);
  assert.deepEqual([person.lastName, person.firstName, person.companyId], ['Новый', 'Человек', second.companyId]);
});

test('robots are forecast before, and act or are not asked as was chosen', async () => {
  const pipeline = await given.pipeline({ stages: ['Приём'] });
  await given.robot(pipeline.stage('Приём'), 'notify', { text: 'Новая', recipients: [{ kind: 'employee', id: anna.id }] });
  const text = 'Название\nПриём 1\nПриём 2\nПриём 3';
  for (const isSilent of [true, false]) {
    const { id } = await upload(text, { pipelineId: String(pipeline.id) });
    await api(admin).post(`/api/imports/${id}/check`);
    await drain();
    const forecast = await api(admin).get(`/api/imports/${id}/forecast`);
    assert.deepEqual(forecast, { items: 3, robots: 3, messages: 3, people: 1, isExact: true });
    assert.equal((await found('Приём')).length, isSilent ? 0 : 3, 'a forecast writes nothing');
    await api(admin).post(`/api/imports/${id}/start`, { isSilent });
    await drain();
    assert.equal((await api(anna).get('/api/notifications')).items.length, isSilent ? 0 : 3);
  }
});

test('an import that is interrupted goes on where it was, without doubles', async () => {
  const text = `Название\n${Array.from({ length: 450 }, (_, n) => `Прервано ${n}`).join('\n')}`;
  const { id } = await checked(text);
  await api(admin).post(`/api/imports/${id}/start`, { isSilent: true });
  // One batch commits; the next dies in the middle.
  await vestnik.crm.importsLoop.work();
  await db.run(sql`create function die() returns trigger language plpgsql as $$ begin raise exception 'dies'; end $$`);
  await db.run(sql`create trigger die before update on import_rows for each statement execute function die()`);
  await assert.rejects(vestnik.crm.importsLoop.work(), /dies/);
  await db.run(sql`drop trigger die on import_rows`);
  assert.equal((await api(admin).get(`/api/imports/${id}`)).created, 200);
  await drain();
  const outcome = await api(admin).get(`/api/imports/${id}`);
  assert.deepEqual([outcome.state, outcome.created], ['done', 450]);
  const { count } = await api(admin).post('/api/items/count', { itemTypeId: sales.itemTypeId, search: 'Прервано' });
  assert.equal(count, 450);
});

test('one hears how far it is, may stop it, and nobody else sees it', async () => {
  const socket = await listen(admin);
  const view = await checked('Название\nТихо');
  await socket.next({ what: 'import', id: view.id });
  await assert.rejects(api(anna).get(`/api/imports/${view.id}`), { status: 404 });
  assert.equal((await api(admin).post(`/api/imports/${view.id}/cancel`)).state, 'cancelled');
  await assert.rejects(api(admin).post(`/api/imports/${view.id}/start`, { isSilent: true }), { status: 409, code: 'import.not_now' });
});

test('what is no table, maps nothing, twice or something unknown is refused', async () => {
  await assert.rejects(upload(''), { code: 'import.file_empty' });
  const { id } = await upload('один;два\nа;б');
  await assert.rejects(api(admin).post(`/api/imports/${id}/check`), { code: 'import.nothing_mapped' });
  await assert.rejects(api(admin).patch(`/api/imports/${id}`, { mapping: ['title', 'title'] }), { code: 'import.mapped_twice' });
  await assert.rejects(api(admin).patch(`/api/imports/${id}`, { mapping: ['id'] }), { code: 'import.target_unknown' });
  const reread = await api(admin).patch(`/api/imports/${id}`, { delimiter: ',', hasHeader: false });
  assert.equal(reread.columns.length, 1);
});

test('the export holds what the list shows, as people read it, and imports again', async () => {
  await imported('Название;Сумма;Ответственный;Вид работ;Срочно\n=1+1 Опасная;1500,5;Петрова Анна;Кровля;да');
  const answer = await api(admin).fetch(`/api/items/export?${new URLSearchParams({ itemTypeId: String(sales.itemTypeId), search: 'Опасная', columns: `title,stageId,amount,ownerId,${kind.code},${urgent.code}` })}`);
  assert.match(answer.headers.get('content-type')!, /^text\/csv/);
  assert.match(answer.headers.get('content-disposition')!, /filename\*=UTF-8''/);
  const text = new TextDecoder('utf-8', { ignoreBOM: true }).decode(await answer.arrayBuffer());
  assert.equal(text, `\uFEFFНазвание;Стадия;Сумма;Ответственный;Вид работ;Срочно\r\n'=1+1 Опасная;Новая;1500,5;Анна Петрова;Кровля;Да\r\n`);
  await imported(text);
  const both = await found('Опасная');
  assert.deepEqual(both.map((item: { title: string; amount: number }) => [item.title, item.amount]), [['=1+1 Опасная', 1500.5], ['=1+1 Опасная', 1500.5]]);
  const many = await api(admin).fetch(`/api/items/export?${new URLSearchParams({ itemTypeId: String(sales.itemTypeId), search: 'Прервано', columns: 'id' })}`);
  assert.equal((await many.text()).trimEnd().split('\r\n').length, 451);
});

test('what is found anywhere in the CRM is found in one question, and only what one may see', async () => {
  const { items, contacts, companies } = await api(admin).get('/api/crm-search', { search: 'Клиент А' });
  assert.equal(items.length, 3);
  assert.deepEqual([contacts, companies], [[], []]);
  assert.equal((await api(admin).get('/api/crm-search', { search: 'ромашка' })).companies.length, 1);
  const numbered = await api(admin).get('/api/crm-search', { search: String(items[0].id) });
  assert.equal(numbered.items[0].id, items[0].id);
});

test('old drafts go', async () => {
  const { id } = await upload('Название\nСтарая');
  clock.advance('31 days');
  await upload('Название\nНовая');
  await assert.rejects(api(admin).get(`/api/imports/${id}`), { status: 404 });
});
