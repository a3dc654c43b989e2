/** Who is told, and who is not: dismissed people, empty roles, ten thousand recipients, texts of any kind. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { sql } from '../../server/db/db.ts';
import { toldBy } from '../support/told.ts';
import { startTestVestnik } from '../support/vestnik.ts';

const vestnik = await startTestVestnik();
const { api, admin, given, moved, drain, db } = vestnik;
const told = toldBy(vestnik);

/** A pipeline of its own for a test: a robot with a problem would hold up the others when they are published. */
async function stages() {
  const pipeline = await given.pipeline({ stages: ['Начало', 'Тут'] });
  const deal = (more: Record<string, unknown> = {}) => given.item({ pipelineId: pipeline.id, stageId: pipeline.stage('Начало').id, ...more });
  return { pipeline, deal, stage: pipeline.stage('Тут') };
}

const anna = await given.employee({ firstName: 'Анна' });
const boris = await given.employee({ firstName: 'Борис', lastName: 'Бросов' });
const department = await given.department({ name: 'Отдел продаж', employeeIds: [anna.id, boris.id] });
const dismissed = await given.employee({ firstName: 'Глеб', lastName: 'Назаров' });

test('a dismissed recipient gets nothing, the others do, and the run names him', async () => {
  const { deal, stage } = await stages();
  const robot = await given.robot(stage, 'notify', {
    text: 'Новая заявка', recipients: [{ kind: 'employee', id: anna.id }, { kind: 'employee', id: dismissed.id }],
  });
  await api(admin).post(`/api/employees/${dismissed.id}/dismissal`);
  const item = await deal();
  await moved(item, stage);
  await drain();
  assert.equal((await told.bell(anna)).length, 1);
  const run = await told.run(item, robot);
  assert.equal(run.state, 'done');
  assert.match(run.notes.join(), /Глеб Назаров не получит сообщение: сотрудник уволен/);
  const row = await db.first<{ count: number }>(sql`select count(*) as count from notifications where employee_id = ${dismissed.id}`);
  assert.equal(row?.count, 0);

  const problems = (await api(admin).get(`/api/pipelines/${stage.pipelineId}/robots`)).problems;
  assert.deepEqual(problems.map((problem: { message: string }) => problem.message), ['Глеб Назаров: сотрудник уволен. Выберите другого.']);
});

test('when everybody is dismissed, the run fails, says so, and nobody else is told instead', async () => {
  const { deal, stage } = await stages();
  const lonely = await given.employee();
  const robot = await given.robot(stage, 'notify', { text: 'Вам сделка', recipients: [{ kind: 'role', role: 'owner' }] });
  const item = await deal({ ownerId: lonely.id });
  await api(admin).post(`/api/employees/${lonely.id}/dismissal`);
  await moved(item, stage);
  await drain();
  const run = await told.run(item, robot);
  assert.equal(run.state, 'failed');
  assert.equal(run.reason, 'recipients.none');
  assert.match(run.explanation, /Не нашлось ни одного получателя/);
  const row = await db.first<{ count: number }>(sql`select count(*) as count from notifications where item_id = ${item.id}`);
  assert.equal(row?.count, 0);
});

test('a robot never speaks as somebody else than was chosen: a dismissed sender is a failed run', async () => {
  const { deal, stage } = await stages();
  const sender = await given.employee();
  const robot = await given.robot(stage, 'notify', {
    text: 'Здравствуйте', sender: { kind: 'employee', id: sender.id }, recipients: [{ kind: 'employee', id: anna.id }],
  });
  await api(admin).post(`/api/employees/${sender.id}/dismissal`);
  const item = await deal();
  await moved(item, stage);
  await drain();
  const run = await told.run(item, robot);
  assert.equal(run.state, 'failed');
  assert.equal(run.reason, 'sender.none');
  assert.deepEqual((await told.bell(anna)).filter((note) => note.itemId === item.id), []);
});

test('a department is expanded when the robot acts: a newcomer is told, and nobody twice', async () => {
  const { deal, stage } = await stages();
  const robot = await given.robot(stage, 'notify', {
    text: 'Отделу', recipients: [{ kind: 'department', id: department.id }, { kind: 'employee', id: anna.id }, { kind: 'role', role: 'owner' }],
  });
  const newcomer = await given.employee();
  await api(admin).post(`/api/departments/${department.id}/members`, { employeeIds: [newcomer.id] });
  const item = await deal({ ownerId: boris.id });
  await moved(item, stage);
  await drain();
  assert.equal((await told.run(item, robot)).state, 'done');
  for (const person of [anna, boris, newcomer]) assert.equal((await told.bell(person)).filter((note) => note.itemId === item.id).length, 1);
});

test('a text of 100 KB arrives whole', async () => {
  const { deal, stage } = await stages();
  const text = 'я'.repeat(100_000 - 100);
  const robot = await given.robot(stage, 'notify', { text, recipients: [{ kind: 'employee', id: anna.id }] });
  const item = await deal();
  await moved(item, stage);
  await drain();
  assert.equal((await told.run(item, robot)).state, 'done');
  assert.equal((await told.bell(anna)).find((note) => note.itemId === item.id)?.body, text);
});

test('emoji, right-to-left text, and what looks like markup or a placeholder arrive as they were typed', async () => {
  const { deal, stage } = await stages();
  const robot = await given.robot(stage, 'notify', {
    text: '{=Document:title} 🎉 שלום', recipients: [{ kind: 'employee', id: anna.id }],
  });
  const title = '👩‍👩‍👧 مرحبا [b]жирно[/b] {=Document:amount} ${x} <script>';
  const item = await deal({ title, amount: 5 });
  await moved(item, stage);
  await drain();
  assert.equal((await told.run(item, robot)).state, 'done');
  const body = (await told.bell(anna)).find((note) => note.itemId === item.id)?.body ?? '';
  assert.ok(body.endsWith(' 🎉 שלום'), body);
  assert.ok(body.includes('👩‍👩‍👧 مرحبا '), body);
  assert.ok(body.includes('{=Document:amount} ${x} <script>'), 'A value is never filled in a second time.');
  assert.ok(!body.includes('[b]жирно[/b]'), 'A value is never markup.');
});

test('ten thousand people are told in one run, each once', async () => {
  const { deal, stage } = await stages();
  const emails = Array.from({ length: 10_000 }, (_, index) => ({ email: `many${index}@example.com` }));
  const ids = await db.transaction((tx) => vestnik.vestnik.people.createEmployees(tx, emails));
  const robot = await given.robot(stage, 'notify', { text: 'Важно: {=Document:title}', recipients: [{ kind: 'everyone' }] });
  const item = await deal();
  await moved(item, stage);
  await drain();
  assert.equal((await told.run(item, robot)).state, 'done');
  const row = await db.first<{ rows: number; people: number }>(sql`
    select count(*) as rows, count(distinct employee_id) as people from notifications where item_id = ${item.id} and employee_id = any(${ids}::bigint[])`);
  assert.deepEqual(row, { rows: 10_000, people: 10_000 });
});

test('whoever was told may ask why, even of an item he may not see; others may not', async () => {
  const { pipeline, deal, stage } = await stages();
  const roles = await api(admin).get('/api/access-roles');
  // Nobody but administrators sees this pipeline.
  for (const role of roles.items) {
    const rights = ['view', 'add', 'change', 'move', 'delete', 'robots'].map((action) => ({ itemTypeId: pipeline.itemTypeId, pipelineId: pipeline.id, action, scope: 'none' }));
    await api(admin).patch(`/api/access-roles/${role.id}`, { rights: [...role.rights, ...rights] });
  }
  const robot = await given.robot(stage, 'notify', { text: 'Сумма {=Document:amount}', recipients: [{ kind: 'employee', id: anna.id }] });
  const item = await deal({ amount: 777 });
  await moved(item, stage);
  await drain();
  await assert.rejects(api(anna).get(`/api/items/${item.id}`), { status: 404 });
  const { runId } = (await api(anna).get('/api/notifications')).items[0];
  const why = await api(anna).get(`/api/runs/${runId}`);
  assert.equal(why.robotId, robot.id);
  assert.equal(why.explanation, 'Вам сообщил об этом робот «notify», который сработал на стадии «Тут».');
  assert.doesNotMatch(JSON.stringify(why), /777/);
  await assert.rejects(api(boris).get(`/api/runs/${runId}`), { status: 404 });
});
