/** Dismissing somebody: where the company names them, and who takes it over. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { startTestVestnik } from '../../test/support/vestnik.ts';

const { api, admin, given, moved, drain } = await startTestVestnik();

test('a replacement takes over open deals, clients, departments, roles, chats and robots in one go', async () => {
  const gone = await given.employee({ firstName: 'Иван', lastName: 'Уходящий' });
  const heir = await given.employee({ firstName: 'Нина', lastName: 'Новая' });
  const other = await given.employee();
  const sales = await given.pipeline({ stages: ['Новая', 'В работе'] });
  const open = await given.item({ pipelineId: sales.id, title: 'Крыша', ownerId: gone.id });
  const won = await given.item({ pipelineId: sales.id, title: 'Проданное', ownerId: gone.id });
  const success = sales.stages.find((stage) => stage.semantics === 'success')!;
  await moved(won, success);
  const watched = await given.item({ pipelineId: sales.id, title: 'Чужая', ownerId: other.id, observerIds: [gone.id, heir.id] });
  const contact = await api(admin).post('/api/contacts', { lastName: 'Клиентов', ownerId: gone.id });
  const department = await given.department({ name: 'Сбыт', headIds: [gone.id], employeeIds: [heir.id] });
  const role = await api(admin).post('/api/access-roles', { name: 'Сбыт', members: [{ kind: 'employee', id: gone.id }] });
  const chat = await api(gone).post('/api/chats', { kind: 'closed', title: 'Стройка', memberIds: [other.id] });
  await api(gone).post(`/api/chats/${chat.id}/messages`, { body: 'Начинаем' });
  await api(gone).post('/api/chats', { kind: 'private', employeeId: other.id });
  const robot = await given.robot(sales.stage('В работе'), 'notify', { recipients: [{ kind: 'employee', id: gone.id }, { kind: 'employee', id: other.id }], text: 'Пора' });

  const { items: uses } = await api(admin).get(`/api/employees/${gone.id}/uses`);
  const counts = Object.fromEntries(uses.map((use: { kind: string; count: number }) => [use.kind, use.count]));
  assert.deepEqual(counts, { departments: 1, access: 1, items: 1, observers: 1, clients: 1, chats: 1, robots: 1 });
  assert.deepEqual(uses.find((use: { kind: string }) => use.kind === 'items').names, ['Крыша']);

  await assert.rejects(api(admin).post(`/api/employees/${gone.id}/dismissal`, { replacementId: gone.id, replace: ['items'] }), { code: 'employee.no_replacement' });
  const kinds = ['items', 'observers', 'clients', 'departments', 'access', 'chats', 'robots'];
  const answer = await api(admin).post(`/api/employees/${gone.id}/dismissal`, { replacementId: heir.id, replace: kinds });
  assert.notEqual(answer.dismissedAt, null);
  assert.deepEqual(Object.fromEntries(answer.replaced.map((one: { kind: string; count: number }) => [one.kind, one.count])), counts);

  const ownerOf = async (id: number) => (await api(admin).get(`/api/items/${id}`)).ownerId;
  assert.equal(await ownerOf(open.id), heir.id);
  assert.equal(await ownerOf(won.id), gone.id, 'who sold stays who sold');
  assert.deepEqual((await api(admin).get(`/api/items/${watched.id}`)).observerIds, [heir.id]);
  assert.equal((await api(admin).get(`/api/contacts/${contact.id}`)).ownerId, heir.id);
  assert.deepEqual((await api(admin).get('/api/departments')).items.find((one: { id: number }) => one.id === department.id).headIds, [heir.id]);
  assert.ok((await api(admin).get(`/api/access-roles/${role.id}`)).members.some((one: { id?: number }) => one.id === heir.id));
  const mine = await api(heir).get(`/api/chats/${chat.id}`);
  assert.equal(mine.ownerId, heir.id);
  const { items: messages } = await api(heir).get(`/api/chats/${chat.id}/messages`);
  assert.ok(messages.some((one: { body: string }) => one.body === 'Начинаем'), 'with the history the other saw');
  assert.equal((await api(heir).get('/api/chats')).items.length, 1, 'and never a private chat');

  await moved(open, sales.stage('В работе'));
  await drain();
  const told = (await api(heir).get('/api/notifications')).items.filter((one: { text?: string; body?: string }) => (one.text ?? one.body) === 'Пора');
  assert.equal(told.length, 1);
  const [newest] = await api(admin).get(`/api/pipelines/${sales.id}/robots/versions`);
  assert.match(newest.note, /Иван Уходящий → Нина Новая/);
  assert.ok(robot.id > 0);
});

test('without a replacement everything stays as it is, and nothing is written when one part is refused', async () => {
  const gone = await given.employee();
  const deal = await given.item({ title: 'Остаётся', ownerId: gone.id });
  const left = await given.employee();
  await api(admin).post(`/api/employees/${left.id}/dismissal`);
  await assert.rejects(api(admin).post(`/api/employees/${gone.id}/dismissal`, { replacementId: left.id, replace: ['items'] }), { code: 'employee.no_replacement' });
  assert.equal((await api(admin).get(`/api/employees/${gone.id}`)).dismissedAt, null);
  const answer = await api(admin).post(`/api/employees/${gone.id}/dismissal`);
  assert.deepEqual(answer.replaced, []);
  assert.equal((await api(admin).get(`/api/items/${deal.id}`)).ownerId, gone.id);
});
