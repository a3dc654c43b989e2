import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { EmployeeResponse } from '../../shared/api/people.ts';
import { createApi, startTestVestnik } from '../../test/support/vestnik.ts';

const { api, admin, adminPassword, given, url, vestnik } = await startTestVestnik();

interface Heard {
  topic: string;
  what: string;
}

/** A socket that hears of the company and of one person. */
async function listening(employeeId: number): Promise<{ heard: Heard[]; signedOut: () => boolean; recheckWith(token: string): void }> {
  const heard: Heard[] = [];
  let isOut = false;
  let token = '';
  const watcher = { employeeId, isAdmin: false, language: 'ru', timeZone: 'Europe/Moscow', via: 'session' } as const;
  const connection = vestnik.live.connect({
    watcher,
    send: (text) => heard.push(...(JSON.parse(text).hints ?? [])),
    close: () => (isOut = true),
    recheck: () => vestnik.people.actorFromToken(vestnik.db, token),
  });
  const { refused } = await connection.subscribe(['company', `employee:${employeeId}`]);
  assert.deepEqual(refused, []);
  return { heard, signedOut: () => isOut, recheckWith: (t) => (token = t) };
}

const signIn = (email: string, password: string) =>
  fetch(`${url}/api/session`, { method: 'POST', headers: { 'content-type': 'application/json' }, body: JSON.stringify({ email, password }) });

test('signing in sets a cookie that answers who I am, and signing out ends it', async () => {
  const answer = await signIn('admin@example.com', adminPassword);
  assert.equal(answer.status, 201);
  const body = JSON.parse(await answer.text());
  assert.equal(body.employee.fullName, 'Ада Админова');
  assert.equal(body.company.name, 'Ромашка');
  assert.equal(JSON.stringify(body).includes('password'), false);
  const cookie = answer.headers.getSetCookie()[0]!;
  assert.match(cookie, /HttpOnly/i);
  const headers = { cookie: cookie.split(';')[0]!, origin: url };
  const sessions = JSON.parse(await (await fetch(`${url}/api/sessions`, { headers })).text());
  assert.deepEqual(sessions.items.map((s: { isCurrent: boolean }) => s.isCurrent), [true]);
  assert.equal((await fetch(`${url}/api/me`, { headers })).status, 200);
  assert.equal((await fetch(`${url}/api/session`, { method: 'DELETE', headers })).status, 204);
  assert.equal((await fetch(`${url}/api/me`, { headers })).status, 401);
});

test('a wrong password and an unknown e-mail are told the same', async () => {
  const tell = async (email: string) => {
    const answer = await signIn(email, 'не тот пароль');
    return [answer.status, JSON.parse(await answer.text()).code];
  };
  assert.deepEqual(await tell('admin@example.com'), [401, 'sign_in.refused']);
  assert.deepEqual(await tell('nobody@example.com'), [401, 'sign_in.refused']);
});

test('a stranger gets nothing', async () => {
  for (const path of ['me', 'employees', 'employees/1', 'departments', 'company', 'calendar-days', 'absences', 'access-roles', 'api-tokens', 'sessions']) {
    await assert.rejects(api().get(`/api/${path}`), { status: 401 }, path);
  }
});

test('everybody reads the directory, administrators change it', async () => {
  const anna = await given.employee({ firstName: 'Анна', lastName: 'Юрьева', mobilePhone: '8 916 123-45-67' });
  assert.equal(anna.mobilePhone, '+79161234567');
  const boss = await given.employee({ firstName: 'Борис', lastName: 'Главный' });
  const sales = await given.department({ name: 'Отдел продаж', headIds: [boss.id], employeeIds: [anna.id] });
  const seen: EmployeeResponse = await api(anna).get(`/api/employees/${anna.id}`);
  assert.equal(seen.headId, boss.id);
  assert.deepEqual(seen.departments, [{ id: sales.id, name: 'Отдел продаж', role: 'employee' }]);
  const { items } = await api(anna).get('/api/departments');
  assert.deepEqual(items.find((d: { id: number }) => d.id === sales.id).headIds, [boss.id]);
  assert.equal((await api(anna).get('/api/employees', { departmentId: sales.id, search: 'юрьева' })).items.length, 1);
  assert.equal((await api(anna).get('/api/company')).timeZone, 'Europe/Moscow');

  const denied = { status: 403, code: 'access.admin_only' };
  await assert.rejects(api(anna).post('/api/employees', { email: 'a@example.com' }), denied);
  await assert.rejects(api(anna).patch(`/api/employees/${boss.id}`, { firstName: 'Нет' }), denied);
  await assert.rejects(api(anna).post(`/api/employees/${boss.id}/dismissal`), denied);
  await assert.rejects(api(anna).patch(`/api/departments/${sales.id}`, { name: 'Мой' }), denied);
  await assert.rejects(api(anna).del(`/api/departments/${sales.id}`), denied);
  await assert.rejects(api(anna).del(`/api/departments/${sales.id}/members/${boss.id}`), denied);
  await assert.rejects(api(anna).patch('/api/company', { name: 'Моя' }), denied);
  await assert.rejects(api(anna).post('/api/calendar-days', { days: [{ day: '2026-05-09', intervals: [] }] }), denied);
  await assert.rejects(api(anna).del('/api/calendar-days/2026-05-09'), denied);
  await assert.rejects(api(anna).get('/api/access-roles'), denied);
  await assert.rejects(api(anna).post('/api/access-roles', { name: 'Роль' }), denied);
});

test('wrong input is refused where it stands', async () => {
  const invalid = (path?: string) => ({ status: 400, code: 'request.invalid', ...(path ? { path } : {}) });
  const post = (body: unknown) => api(admin).post('/api/employees', body);
  await assert.rejects(post({}), invalid('email'));
  await assert.rejects(post({ email: 'нет' }), invalid('email'));
  await assert.rejects(post({ email: 'x@example.com', isAdmin: 'yes' }), invalid('isAdmin'));
  await assert.rejects(post({ email: 'x@example.com', salary: 1 }), invalid('salary'));
  await assert.rejects(post({ email: 'x@example.com', firstName: 'я'.repeat(256) }), invalid('firstName'));
  await assert.rejects(post({ email: 'x@example.com', language: 'fr' }), invalid('language'));
  await assert.rejects(post({ email: 'x@example.com', timeZone: 'Europe/Atlantis' }), invalid('timeZone'));
  await assert.rejects(post({ email: 'x@example.com', timeZone: '+03:00' }), invalid('timeZone'));
  await assert.rejects(post({ email: 'x@example.com', mobilePhone: '12' }), { status: 400, code: 'phone.invalid', path: 'mobilePhone' });
  await assert.rejects(post({ email: 'x@example.com', password: '12345678' }), { status: 400, code: 'password.too_common' });
  await assert.rejects(api(admin).get('/api/employees/abc'), invalid('id'));
  await assert.rejects(api(admin).get('/api/employees/99999999999999999999'), invalid('id'));
  await assert.rejects(api(admin).get('/api/employees', { limit: 0 }), invalid('limit'));
  await assert.rejects(api(admin).get('/api/employees', { cursor: 'x' }), invalid('cursor'));
  await assert.rejects(api(admin).get('/api/employees/999999'), { status: 404, code: 'request.not_found' });
  await assert.rejects(api(admin).patch('/api/company', { currency: 'ABC' }), invalid('currency'));
  const week = { 1: [], 2: [], 3: [], 4: [], 5: [], 6: [], 7: [] };
  await assert.rejects(api(admin).patch('/api/company', { workingHours: week }), invalid('workingHours'));
  await assert.rejects(api(admin).patch('/api/company', { workingHours: { ...week, 1: [['18:00', '09:00']] } }), invalid('workingHours.1'));
  await assert.rejects(api(admin).patch('/api/company', { workingHours: { ...week, 1: [['09:00', '13:00'], ['12:00', '18:00']] } }), invalid('workingHours.1'));
  await assert.rejects(api(admin).patch('/api/company', { workingHours: { 1: [['09:00', '13:00']] } }), invalid());
  await assert.rejects(api(admin).post('/api/calendar-days', { days: [{ day: '2026-02-30', intervals: [] }] }), invalid());
  await assert.rejects(api(admin).post('/api/absences', { employeeId: admin.id, startsAt: 'завтра', endsAt: 'потом' }), invalid('startsAt'));
  const right = { itemTypeId: 1, action: 'view', scope: 'all' };
  await assert.rejects(api(admin).post('/api/access-roles', { name: 'Р', rights: [right, right] }), invalid('rights'));
  await assert.rejects(api(admin).post('/api/access-roles', { name: 'Р', rights: [{ ...right, action: 'own' }] }), invalid());
});

test('names of any script are kept as they were written', async () => {
  const lastName = '👩‍💼 عبد الله';
  const made = await given.employee({ lastName, firstName: '' });
  assert.equal(made.lastName, lastName);
  assert.equal(made.fullName, lastName);
  const nameless = await given.employee({ firstName: '', lastName: '' });
  assert.equal(nameless.fullName, nameless.email);
});

test('a profile is changed by its owner, but not their rights', async () => {
  const anna = await given.employee();
  const me = await api(anna).patch('/api/me', { language: 'en', timeZone: 'Asia/Yekaterinburg', mobilePhone: '89161234567' });
  assert.equal(me.employee.language, 'en');
  assert.equal(me.employee.mobilePhone, '+79161234567');
  assert.equal(me.via, 'token');
  for (const field of [{ isAdmin: true }, { email: 'other@example.com' }, { password: 'новый пароль 7' }, { departments: [] }]) {
    await assert.rejects(api(anna).patch('/api/me', field), { status: 400, code: 'request.invalid' });
  }
  await assert.rejects(api(anna).patch('/api/me', { photoFileId: 999_999 }), { status: 404 });
});

test('dismissal shows in the list, and a restored employee comes back', async () => {
  const gone = await given.employee({ lastName: 'Уволенный', password: 'лиса бежит тихо' });
  const { token } = await vestnik.people.signIn({ email: gone.email, password: 'лиса бежит тихо', ip: '127.0.0.1', userAgent: '' });
  const asGone = createApi(url, async () => token);
  await asGone.get('/api/me');
  const dismissed = await api(admin).post(`/api/employees/${gone.id}/dismissal`);
  assert.notEqual(dismissed.dismissedAt, null);
  await assert.rejects(asGone.get('/api/me'), { status: 401 });
  assert.equal((await signIn(gone.email, 'лиса бежит тихо')).status, 401);
  const found = async (who: string) => (await api(admin).get('/api/employees', { search: 'Уволенный', dismissed: who })).items.length;
  assert.deepEqual([await found('without'), await found('with'), await found('only')], [0, 1, 1]);
  const back = await api(admin).del(`/api/employees/${gone.id}/dismissal`);
  assert.equal(back.dismissedAt, null);
  assert.equal((await signIn(gone.email, 'лиса бежит тихо')).status, 201);
});

test('departments, calendar, absences and roles go through their whole life', async () => {
  const top = await api(admin).post('/api/departments', { name: 'Верх' });
  const below = await api(admin).post('/api/departments', { name: 'Низ', parentId: top.id, headIds: [admin.id] });
  assert.deepEqual(below.headIds, [admin.id]);
  await assert.rejects(api(admin).patch(`/api/departments/${top.id}`, { parentId: below.id }), { status: 409, code: 'department.cycle' });
  await assert.rejects(api(admin).del(`/api/departments/${top.id}`), { status: 409, code: 'department.not_empty' });
  assert.equal((await api(admin).patch(`/api/departments/${below.id}`, { name: 'Новый низ', parentId: null })).name, 'Новый низ');
  await api(admin).del(`/api/departments/${top.id}?moveTo=${below.id}`);
  await api(admin).del(`/api/departments/${below.id}/members/${admin.id}`);
  await api(admin).del(`/api/departments/${below.id}`);

  await api(admin).post('/api/calendar-days', { days: [{ day: '2026-06-12', name: 'День России', intervals: [] }] });
  assert.deepEqual((await api(admin).get('/api/calendar-days', { from: '2026-06-01', to: '2026-06-30' })).items, [{ day: '2026-06-12', name: 'День России', intervals: [] }]);
  await api(admin).del('/api/calendar-days/2026-06-12');
  await assert.rejects(api(admin).del('/api/calendar-days/2026-06-12'), { status: 404 });

  const anna = await given.employee();
  const absence = await api(anna).post('/api/absences', { employeeId: anna.id, startsAt: '2026-03-01T00:00:00+03:00', endsAt: '2026-04-01T00:00:00Z', note: 'Море' });
  assert.equal(absence.startsAt, '2026-02-28T21:00:00.000Z');
  assert.equal((await api(anna).get(`/api/employees/${anna.id}`)).isAbsent, true);
  const other = await given.employee();
  assert.equal((await api(other).get('/api/absences', { employeeId: anna.id })).items[0].note, null);
  await assert.rejects(api(other).del(`/api/absences/${absence.id}`), { status: 403 });
  assert.equal((await api(anna).patch(`/api/absences/${absence.id}`, { kind: 'business_trip' })).kind, 'business_trip');
  await api(anna).del(`/api/absences/${absence.id}`);

  const role = await api(admin).post('/api/access-roles', { name: 'Наблюдатели', members: [{ kind: 'everyone' }] });
  assert.equal((await api(admin).patch(`/api/access-roles/${role.id}`, { name: 'Зрители' })).name, 'Зрители');
  assert.deepEqual((await api(admin).get(`/api/access-roles/${role.id}`)).members, [{ kind: 'everyone' }]);
  await api(admin).del(`/api/access-roles/${role.id}`);
  await assert.rejects(api(admin).get(`/api/access-roles/${role.id}`), { status: 404 });
});

test('an API token works until it is revoked', async () => {
  const anna = await given.employee();
  const made = await api(anna).post('/api/api-tokens', { name: 'Касса' });
  const asToken = createApi(url, async () => made.token);
  assert.equal((await asToken.get('/api/me')).employee.id, anna.id);
  const listed = (await api(anna).get('/api/api-tokens')).items.find((t: { id: number }) => t.id === made.id);
  assert.equal(listed.name, 'Касса');
  assert.equal('token' in listed, false);
  await api(anna).del(`/api/api-tokens/${made.id}`);
  await assert.rejects(asToken.get('/api/me'), { status: 401 });
});

test('browsers hear of changes of the company, and a dismissed person’s socket is shut', async () => {
  const watcher = await given.employee();
  const socket = await listening(watcher.id);
  socket.recheckWith((await api(watcher).post('/api/api-tokens', { name: 'окно' })).token);
  await api(admin).patch('/api/company', { name: 'Ромашка и партнёры' });
  assert.ok(socket.heard.some((h) => h.topic === 'company' && h.what === 'people'));
  await api(watcher).patch('/api/me', { firstName: 'Новое' });
  assert.ok(socket.heard.some((h) => h.topic === `employee:${watcher.id}` && h.what === 'profile'));
  await api(admin).post(`/api/employees/${watcher.id}/dismissal`);
  // The socket asks who it is after the answer went out: one more round trip to the database is enough to see it.
  for (let i = 0; i < 1000 && !socket.signedOut(); i++) await api(admin).get('/api/me');
  assert.equal(socket.signedOut(), true);
});
