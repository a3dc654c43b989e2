import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { before, test } from 'node:test';
import type { CreateEmployee } from '../../shared/api/people.ts';
import { testDatabase } from '../../test/support/database.ts';
import { sql } from '../db/db.ts';
import { createLive } from '../live/live.ts';
import { createPeople, type Actor, type People } from './people.ts';

const { db } = await testDatabase();
let time = new Date('2026-03-10T07:00:00Z');
const now = (): Date => time;
const later = (minutes: number): void => void (time = new Date(time.getTime() + minutes * 60_000));
const live = createLive({ db, now });
const people: People = createPeople({ db, live, now });
/** Another process of the same company. */
const elsewhere: People = createPeople({ db, live: createLive({ db, now }), now });

const password = 'Синий кит читает вслух';
let admin: Actor;
let count = 0;

const actorOf = (employeeId: number, isAdmin = false): Actor => ({ employeeId, isAdmin, language: 'ru', timeZone: 'Europe/Moscow', via: 'system' });
const someone = async (fields: Partial<CreateEmployee> = {}): Promise<Actor> =>
  actorOf(await people.createEmployee(admin, { email: `person${++count}@example.com`, firstName: 'Имя', lastName: `Ф${count}`, ...fields }));
const emailOf = async (actor: Actor): Promise<string> => (await people.directory(db)).employee(actor.employeeId)!.email;
const signIn = async (who: Actor | string, secret = password, ip = '10.0.0.1') =>
  people.signIn({ email: typeof who === 'string' ? who : await emailOf(who), password: secret, ip, userAgent: 'test' });
const department = (name: string, parentId: number | null = null): Promise<number> => people.createDepartment(admin, { name, parentId });

before(async () => {
  const empty = await people.directory(db);
  assert.equal(empty.company.timeZone, 'Europe/Moscow', 'a directory exists before the company does');
  assert.equal(await people.isStarted(db), false);
  const { adminId } = await people.firstStart({ company: { name: 'Ромашка' }, admin: { email: 'Admin@Example.com', firstName: 'Ада', lastName: 'Админова', password } });
  admin = { ...actorOf(adminId, true) };
});

// -- First start ----------------------------------------------------------------------------------

test('the first start happens once', async () => {
  assert.equal(await people.isStarted(db), true);
  await assert.rejects(people.firstStart({ company: { name: 'Другая' }, admin: { email: 'x@example.com', password } }), { code: 'company.exists' });
  const { company, employees } = await people.directory(db);
  assert.equal(company.name, 'Ромашка');
  assert.equal(employees.filter((e) => e.email === 'x@example.com').length, 0);
  assert.equal(employees[0]!.isAdmin, true);
});

// -- Employees ------------------------------------------------------------------------------------

test('an employee gets normalised phones and the defaults of the company', async () => {
  const { employeeId } = await someone({ mobilePhone: '8 (916) 123-45-67', workPhone: '' });
  const employee = (await people.directory(db)).employee(employeeId)!;
  assert.equal(employee.mobilePhone, '+79161234567');
  assert.equal(employee.workPhone, null);
  assert.equal(employee.timeZone, 'Europe/Moscow');
  assert.equal(employee.language, 'ru');
  await assert.rejects(people.changeEmployee(admin, employeeId, { workPhone: '12' }), { code: 'phone.invalid', path: 'workPhone' });
  await people.changeEmployee(admin, employeeId, { mobilePhone: null, position: 'Юрист' });
  assert.deepEqual(
    (({ mobilePhone, position, lastName }) => ({ mobilePhone, position, lastName }))((await people.directory(db)).employee(employeeId)!),
    { mobilePhone: null, position: 'Юрист', lastName: employee.lastName },
  );
});

test('an e-mail belongs to one employee, whatever the case of its letters', async () => {
  const one = await someone();
  const email = (await emailOf(one)).toUpperCase();
  await assert.rejects(someone({ email }), { code: 'employee.email_taken', params: { email } });
  const two = await someone();
  await assert.rejects(people.changeEmployee(admin, two.employeeId, { email }), { code: 'employee.email_taken' });
  await people.changeEmployee(admin, one.employeeId, { email });
  assert.equal(await emailOf(one), email);
});

test('only administrators change others', async () => {
  const plain = await someone();
  const other = await someone();
  const denied = { code: 'access.admin_only' };
  await assert.rejects(people.createEmployee(plain, { email: 'new@example.com' }), denied);
  await assert.rejects(people.changeEmployee(plain, plain.employeeId, { isAdmin: true }), denied);
  await assert.rejects(people.dismissEmployee(plain, other.employeeId), denied);
  await assert.rejects(people.restoreEmployee(plain, other.employeeId), denied);
  await assert.rejects(people.createDepartment(plain, { name: 'Мой' }), denied);
  await assert.rejects(people.changeCompany(plain, { name: 'Моя' }), denied);
  await assert.rejects(people.setCalendarDays(plain, [{ day: '2026-05-01', name: '', intervals: [] }]), denied);
  await assert.rejects(people.createAccessRole(plain, { name: 'Всё' }), denied);
  await assert.rejects(people.accessRoles(db, plain), denied);
});

test('an own profile changes what is one’s own, and nothing slipped in beside', async () => {
  const plain = await someone();
  const sneaky = { language: 'en', timeZone: 'Asia/Tokyo', isAdmin: true, email: 'boss@example.com' } as const;
  await people.changeOwnProfile(plain, sneaky);
  const after = (await people.directory(db)).employee(plain.employeeId)!;
  assert.equal(after.language, 'en');
  assert.equal(after.timeZone, 'Asia/Tokyo');
  assert.equal(after.isAdmin, false);
  assert.notEqual(after.email, 'boss@example.com');
});

test('the last administrator stays one, also when two step down at once', async () => {
  await assert.rejects(people.changeEmployee(admin, admin.employeeId, { isAdmin: false }), { code: 'employee.last_admin' });
  await assert.rejects(people.dismissEmployee(admin, admin.employeeId), { code: 'employee.is_self' });
  const second = await someone({ isAdmin: true });
  const outcomes = await Promise.allSettled([
    people.changeEmployee(admin, admin.employeeId, { isAdmin: false }),
    people.changeEmployee(admin, second.employeeId, { isAdmin: false }),
  ]);
  assert.deepEqual(outcomes.map((o) => o.status).sort(), ['fulfilled', 'rejected']);
  await people.changeEmployee(admin, admin.employeeId, { isAdmin: true });
  await people.changeEmployee(admin, second.employeeId, { isAdmin: false });
});

test('unknown ids are not found, and nothing is half written', async () => {
  const missing = { code: 'request.not_found' };
  await assert.rejects(people.changeEmployee(admin, 999_999, { firstName: 'Никто' }), missing);
  await assert.rejects(people.dismissEmployee(admin, 999_999), missing);
  await assert.rejects(someone({ email: 'half@example.com', departments: [{ id: 999_999 }] }), missing);
  assert.equal((await people.directory(db)).employees.some((e) => e.email === 'half@example.com'), false);
  await assert.rejects(people.changeDepartment(admin, 999_999, { name: 'Нет' }), missing);
  await assert.rejects(people.createDepartment(admin, { name: 'Под никем', parentId: 999_999 }), missing);
  await assert.rejects(people.createDepartment(admin, { name: 'Без людей', headIds: [999_999] }), missing);
  assert.equal((await people.directory(db)).departments.some((d) => d.name === 'Без людей'), false);
  await assert.rejects(people.createAccessRole(admin, { name: 'Р', members: [{ kind: 'department', id: 999_999 }] }), missing);
  await assert.rejects(people.createAccessRole(admin, { name: 'Р', rights: [{ itemTypeId: 999_999, action: 'view', scope: 'all' }] }), missing);
  assert.deepEqual(await people.accessRoles(db, admin), []);
  await assert.rejects(people.changeAccessRole(admin, 999_999, { name: 'Р' }), missing);
  await assert.rejects(people.deleteAccessRole(admin, 999_999), missing);
  await assert.rejects(people.deleteCalendarDay(admin, '2001-01-01'), missing);
});

test('many employees are created at once, in the order given, or not at all', async () => {
  const inputs = Array.from({ length: 1000 }, (_, i) => ({ email: `bulk${i}@example.com`, firstName: `Б${i}`, password: i < 3 ? password : undefined }));
  const ids = await db.transaction((tx) => people.createEmployees(tx, inputs));
  const known = await people.directory(db);
  assert.deepEqual(ids.map((id) => known.employee(id)?.email), inputs.map((i) => i.email));
  await signIn('bulk2@example.com');
  await assert.rejects(
    db.transaction((tx) => people.createEmployees(tx, [{ email: 'twice@example.com' }, { email: 'Twice@example.com' }])),
    { code: 'employee.email_taken', path: '1.email' },
  );
  assert.equal((await people.directory(db)).employees.some((e) => e.email === 'twice@example.com'), false);
});

test('a list is searched by every word, wherever it stands, and paged by surname', async () => {
  const sales = await department('Продажи списка');
  for (const [lastName, firstName, position] of [['Яблокова', 'Анна', 'Юрист'], ['Арбузов', 'Пётр', 'Менеджер'], ['Арбузов', 'Иван', 'Юрист 100%']] as const) {
    await someone({ lastName, firstName, position, departments: [{ id: sales }], mobilePhone: lastName === 'Яблокова' ? '+7 916 555-44-33' : null });
  }
  const names = async (search: string): Promise<string[]> =>
    (await people.employees(db, { search, departmentId: sales, dismissed: 'without', limit: 10 })).items.map((e) => `${e.lastName} ${e.firstName}`);
  assert.deepEqual(await names(''), ['Арбузов Иван', 'Арбузов Пётр', 'Яблокова Анна']);
  assert.deepEqual(await names('юрист'), ['Арбузов Иван', 'Яблокова Анна']);
  assert.deepEqual(await names('АРБУЗ менедж'), ['Арбузов Пётр']);
  assert.deepEqual(await names('100%'), ['Арбузов Иван']);
  assert.deepEqual(await names('%'), ['Арбузов Иван']);
  assert.deepEqual(await names('_'), []);
  assert.deepEqual(await names('5554433'), ['Яблокова Анна']);
  assert.deepEqual(await names("'; drop table employees; --"), []);

  const seen: string[] = [];
  let cursor: string | undefined;
  do {
    const page = await people.employees(db, { departmentId: sales, dismissed: 'without', limit: 2, cursor });
    seen.push(...page.items.map((e) => e.firstName));
    cursor = page.nextCursor ?? undefined;
  } while (cursor);
  assert.deepEqual(seen, ['Иван', 'Пётр', 'Анна']);
  for (const broken of ['x', '!!!', Buffer.from('[1,2,3]').toString('base64url'), Buffer.from('{}').toString('base64url')]) {
    await assert.rejects(people.employees(db, { dismissed: 'without', limit: 2, cursor: broken }), { code: 'request.invalid', path: 'cursor' });
  }
});

// -- Dismissal ------------------------------------------------------------------------------------

test('dismissal ends sessions and API tokens for good, and keeps the person and the departments', async () => {
  const sales = await department('Увольнения');
  const person = await someone({ password, departments: [{ id: sales, role: 'head' }] });
  const { token } = await signIn(person);
  const api = await people.createApiToken(person, 'обмен');
  assert.ok(await people.actorFromToken(db, token));
  assert.ok(await people.actorFromToken(db, api.token));

  await people.dismissEmployee(admin, person.employeeId);
  await people.dismissEmployee(admin, person.employeeId);
  assert.equal(await people.actorFromToken(db, token), null);
  assert.equal(await people.actorFromToken(db, api.token), null);
  await assert.rejects(signIn(person), { code: 'sign_in.refused' });
  const known = await people.directory(db);
  assert.notEqual(known.employee(person.employeeId)?.dismissedAt, null);
  assert.deepEqual(known.department(sales)?.headIds, []);
  assert.deepEqual(known.departmentEmployees(sales, true), []);
  assert.deepEqual(known.departmentEmployeesEver(sales, true), [person.employeeId]);

  await people.restoreEmployee(admin, person.employeeId);
  assert.equal(await people.actorFromToken(db, token), null, 'an old session does not come back');
  assert.equal(await people.actorFromToken(db, api.token), null, 'an old API token does not come back');
  await signIn(person);
  assert.deepEqual((await people.directory(db)).department(sales)?.headIds, [person.employeeId]);
});

// -- Departments ----------------------------------------------------------------------------------

test('departments make a tree and never a loop', async () => {
  const top = await department('Верх');
  const middle = await department('Середина', top);
  const bottom = await department('Низ', middle);
  for (const under of [top, middle, bottom]) {
    await assert.rejects(people.changeDepartment(admin, top, { parentId: under }), { code: 'department.cycle', path: 'parentId' });
  }
  await people.changeDepartment(admin, bottom, { parentId: top, name: 'Бывший низ' });
  const known = await people.directory(db);
  assert.equal(known.department(bottom)?.parentId, top);
  assert.equal(known.department(bottom)?.name, 'Бывший низ');
  await people.changeDepartment(admin, bottom, { parentId: null });
  assert.equal((await people.directory(db)).department(bottom)?.parentId, null);
});

test('two moves at once cannot close a loop together', async () => {
  const left = await department('Левый');
  const right = await department('Правый');
  const outcomes = await Promise.allSettled([
    people.changeDepartment(admin, left, { parentId: right }),
    elsewhere.changeDepartment(admin, right, { parentId: left }),
  ]);
  assert.deepEqual(outcomes.map((o) => o.status).sort(), ['fulfilled', 'rejected']);
});

test('a department with people or sub-departments goes only when told where they go', async () => {
  const old = await department('Старый');
  const below = await department('Под старым', old);
  const next = await department('Новый');
  const person = await someone({ departments: [{ id: old, role: 'head' }] });
  await assert.rejects(people.deleteDepartment(admin, old), { code: 'department.not_empty', params: { name: 'Старый', employees: 1, departments: 1 } });
  await assert.rejects(people.deleteDepartment(admin, old, below), { code: 'department.cycle' });
  await assert.rejects(people.deleteDepartment(admin, old, old), { code: 'department.cycle' });
  await assert.rejects(people.deleteDepartment(admin, old, 999_999), { code: 'request.not_found' });
  await people.deleteDepartment(admin, old, next);
  const known = await people.directory(db);
  assert.equal(known.department(old), undefined);
  assert.equal(known.department(below)?.parentId, next);
  assert.deepEqual(known.department(next)?.employeeIds, [person.employeeId]);
  assert.equal(known.roleIn(person.employeeId, next), 'employee');
  await people.deleteDepartment(admin, below);
  assert.equal((await people.directory(db)).department(below), undefined);
});

test('people come into a department, change their role there, and leave', async () => {
  const id = await department('Люди');
  const [one, two] = [await someone(), await someone()];
  await people.addMembers(admin, id, [one.employeeId, two.employeeId, one.employeeId], 'employee');
  await people.addMembers(admin, id, [one.employeeId], 'head');
  await people.addMembers(admin, id, [two.employeeId], 'deputy');
  let known = await people.directory(db);
  assert.deepEqual(known.department(id)?.headIds, [one.employeeId]);
  assert.deepEqual(known.department(id)?.deputyIds, [two.employeeId]);
  assert.deepEqual(known.department(id)?.employeeIds, [one.employeeId, two.employeeId]);
  assert.equal(known.headOf(two.employeeId), one.employeeId);
  assert.equal(known.deputyOf(one.employeeId), two.employeeId);
  await people.removeMember(admin, id, one.employeeId);
  await assert.rejects(people.removeMember(admin, id, one.employeeId), { code: 'request.not_found' });
  await people.changeEmployee(admin, two.employeeId, { departments: [] });
  known = await people.directory(db);
  assert.deepEqual(known.department(id)?.employeeIds, []);
});

// -- Snapshots ------------------------------------------------------------------------------------

test('a snapshot is kept while nothing changed, and another process sees a change at once', async () => {
  const first = await people.directory(db);
  assert.equal(await people.directory(db), first);
  assert.equal(await people.directory(db, first.version), first);
  await elsewhere.directory(db);
  const { employeeId } = await someone();
  assert.ok((await elsewhere.directory(db)).employee(employeeId));
  assert.equal(first.employee(employeeId), undefined, 'what was handed out does not change');
});

test('what a transaction wrote is seen inside it and forgotten when it rolls back', async () => {
  const before = await people.directory(db);
  await assert.rejects(
    db.transaction(async (tx) => {
      const [ghost] = await people.createEmployees(tx, [{ email: 'ghost@example.com' }]);
      assert.ok((await people.directory(tx)).employee(ghost!));
      throw new Error('no');
    }),
    { message: 'no' },
  );
  assert.equal(await people.directory(db), before);
  await someone();
  const after = await people.directory(db);
  assert.equal(after.employees.some((e) => e.email === 'ghost@example.com'), false);
  assert.equal(after.employees.length, before.employees.length + 1);
});

// -- Company, calendar, absences ------------------------------------------------------------------

test('working time and holidays reach the calendar of the directory', async () => {
  const week = { 1: [['10:00', '19:00']], 2: [], 3: [], 4: [], 5: [], 6: [], 7: [] } as { [Day in 1 | 2 | 3 | 4 | 5 | 6 | 7]: [string, string][] };
  await people.changeCompany(admin, { timeZone: 'Asia/Yekaterinburg', workingHours: week });
  await people.setCalendarDays(admin, [{ day: '2026-05-01', name: 'Праздник', intervals: [] }, { day: '2026-05-02', name: 'Рабочая суббота', intervals: [['09:00', '17:00']] }]);
  await people.setCalendarDays(admin, [{ day: '2026-05-02', name: 'Короткая суббота', intervals: [['09:00', '13:00']] }]);
  const { calendar, company } = await people.directory(db);
  assert.equal(calendar.timeZone, 'Asia/Yekaterinburg');
  assert.equal(company.name, 'Ромашка', 'what was not named stays');
  assert.deepEqual(calendar.weekly[1], [['10:00', '19:00']]);
  assert.deepEqual([...calendar.days].sort(), [['2026-05-01', []], ['2026-05-02', [['09:00', '13:00']]]]);
  assert.deepEqual((await people.calendarDays(db, { from: '2026-05-02' })).map((d) => d.name), ['Короткая суббота']);
  await people.deleteCalendarDay(admin, '2026-05-01');
  assert.equal((await people.directory(db)).calendar.days.has('2026-05-01'), false);
  await assert.rejects(people.changeCompany(admin, { country: 'ZZ' }), { code: 'request.invalid', path: 'country' });
  await people.changeCompany(admin, { timeZone: 'Europe/Moscow' });
});

test('an absence is one’s own or an administrator’s to change, and its note is theirs to read', async () => {
  const [owner, other] = [await someone(), await someone()];
  const absence = { employeeId: owner.employeeId, kind: 'sick_leave' as const, startsAt: new Date('2026-03-09'), endsAt: new Date('2026-03-12'), note: 'Грипп' };
  const { id } = await people.createAbsence(owner, absence);
  assert.equal((await people.directory(db)).isAbsent(owner.employeeId, now()), true);
  await assert.rejects(people.createAbsence(other, absence), { code: 'access.admin_only' });
  await assert.rejects(people.changeAbsence(other, id, { note: 'Симулянт' }), { code: 'access.admin_only' });
  await assert.rejects(people.deleteAbsence(other, id), { code: 'access.admin_only' });
  await assert.rejects(people.createAbsence(owner, { ...absence, endsAt: absence.startsAt }), { code: 'absence.ends_before_start' });
  await assert.rejects(people.changeAbsence(owner, id, { endsAt: new Date('2026-03-01') }), { code: 'absence.ends_before_start' });
  const notes = async (actor: Actor) => (await people.absences(db, actor, { employeeId: owner.employeeId, limit: 10 })).items.map((a) => a.note);
  assert.deepEqual([await notes(owner), await notes(other), await notes(admin)], [['Грипп'], [null], ['Грипп']]);
  await people.changeAbsence(admin, id, { endsAt: new Date('2026-03-10') });
  assert.equal((await people.directory(db)).isAbsent(owner.employeeId, now()), false);
  await people.deleteAbsence(owner, id);
  await assert.rejects(people.deleteAbsence(owner, id), { code: 'request.not_found' });
});

// -- Passwords ------------------------------------------------------------------------------------

test('a weak password is refused, and says why', async () => {
  for (const short of ['', '1234567', 'пароль', '😀😀😀']) await assert.rejects(someone({ password: short }), { code: 'password.too_short', path: 'password' }, short);
  for (const common of ['12345678', 'Password1', 'QWERTYUIOP', 'йцукенгшщз', 'пароль123', 'aaaaaaaaaa', 'abababababab', 'weakling@example.com', 'weakling']) {
    await assert.rejects(someone({ email: 'weakling@example.com', password: common }), { code: 'password.too_common' }, common);
  }
  await someone({ password: 'кит 77 роз' });
});

test('the database holds no password and no token in the clear', async () => {
  const person = await someone({ password });
  const { token } = await signIn(person);
  const row = await db.first<{ passwordHash: string }>(sql`select password_hash from employees where id = ${person.employeeId}`);
  assert.match(row!.passwordHash, /^\$argon2id\$v=19\$m=19456,t=2,p=1\$/);
  const session = await db.first<{ tokenHash: Buffer }>(sql`select token_hash from sessions where employee_id = ${person.employeeId}`);
  assert.deepEqual(session!.tokenHash, createHash('sha256').update(token).digest());
  assert.ok(token.length >= 43, '256 bits');
});

test('a changed password ends the other sessions and not this one', async () => {
  const person = await someone({ password });
  const [here, there] = [await signIn(person), await signIn(person)];
  const actor = (await people.actorFromToken(db, here.token))!;
  const change = (currentPassword: string, newPassword: string) => people.changePassword(actor, { currentPassword, newPassword, ip: '10.0.0.1' });
  await assert.rejects(change('не тот пароль', 'другой пароль 7'), { code: 'password.wrong', path: 'currentPassword' });
  await assert.rejects(change(password, 'короче'), { code: 'password.too_short', path: 'newPassword' });
  await change(password, 'другой пароль 7');
  assert.ok(await people.actorFromToken(db, here.token));
  assert.equal(await people.actorFromToken(db, there.token), null);
  await assert.rejects(signIn(person), { code: 'sign_in.refused' });
  await signIn(person, 'другой пароль 7');
  await people.changeEmployee(admin, person.employeeId, { password: 'задал администратор' });
  assert.equal(await people.actorFromToken(db, here.token), null);
  await signIn(person, 'задал администратор');
});

// -- Sign-in --------------------------------------------------------------------------------------

test('sign-in ignores the case of the e-mail and says the same to every wrong try', async () => {
  await signIn('ADMIN@example.com');
  const without = await someone();
  for (const [email, secret] of [['nobody@example.com', password], [await emailOf(without), password], [await emailOf(admin), 'не тот пароль']] as const) {
    await assert.rejects(signIn(email, secret, '10.0.0.9'), { code: 'sign_in.refused', params: {} });
  }
});

test('an unknown e-mail takes as long as a wrong password', async () => {
  const person = await someone({ password });
  const email = await emailOf(person);
  let tries = 0;
  const timeOf = async (address: string): Promise<number> => {
    const began = performance.now();
    await assert.rejects(signIn(address, 'не тот пароль', `10.1.0.${tries++}`));
    return performance.now() - began;
  };
  // The shortest of some, turn by turn: the work itself, and not what else the machine was doing.
  let known = Infinity;
  let unknown = Infinity;
  for (let i = 0; i < 10; i++) {
    known = Math.min(known, await timeOf(email));
    unknown = Math.min(unknown, await timeOf('unknown@example.com'));
  }
  // Without the decoy an unknown e-mail answers more than ten times sooner.
  assert.ok(unknown > known / 3 && unknown < known * 3, `known ${known} ms, unknown ${unknown} ms`);
});

test('guessing is slowed down per account and address, and a right password clears it', async () => {
  const person = await someone({ password });
  const email = await emailOf(person);
  for (let i = 0; i < 9; i++) await assert.rejects(signIn(email, 'мимо мимо', '10.2.0.1'), { code: 'sign_in.refused' });
  await signIn(email, password, '10.2.0.1');
  for (let i = 0; i < 10; i++) await assert.rejects(signIn(email, 'мимо мимо', '10.2.0.1'), { code: 'sign_in.refused' });
  await assert.rejects(signIn(email, password, '10.2.0.1'), { code: 'sign_in.too_many', params: { minutes: 15 } });
  await signIn(email, password, '10.2.0.2');
  later(15);
  await signIn(email, password, '10.2.0.1');
});

test('tries made side by side all count', async () => {
  const email = await emailOf(await someone({ password }));
  const outcomes = await Promise.allSettled(Array.from({ length: 30 }, () => signIn(email, 'мимо мимо', '10.3.0.1')));
  const codes = outcomes.map((o) => (o.status === 'rejected' && o.reason instanceof Error && 'code' in o.reason ? o.reason.code : ''));
  assert.equal(codes.filter((c) => c === 'sign_in.refused').length, 10);
  assert.equal(codes.filter((c) => c === 'sign_in.too_many').length, 20);
});

test('nobody is locked out by an attack from many addresses where they have signed in before', async () => {
  const person = await someone({ password });
  const email = await emailOf(person);
  await signIn(email, password, '10.4.0.1');
  for (let i = 0; i < 12; i++) {
    await Promise.allSettled(Array.from({ length: 9 }, () => signIn(email, 'мимо мимо', `10.4.1.${i}`)));
  }
  await assert.rejects(signIn(email, password, '10.4.2.1'), { code: 'sign_in.too_many' });
  await signIn(email, password, '10.4.0.1');
  later(15);
});

test('one address cannot try everybody', async () => {
  for (let i = 0; i < 10; i++) {
    await Promise.allSettled(Array.from({ length: 10 }, (_, k) => signIn(`victim${i * 10 + k}@example.com`, 'мимо мимо', '10.5.0.1')));
  }
  await assert.rejects(signIn('victim200@example.com', 'мимо мимо', '10.5.0.1'), { code: 'sign_in.too_many' });
  later(15);
});

test('a session ends by itself, by its owner, and only by its owner', async () => {
  const [person, other] = [await someone({ password }), await someone({ password })];
  const [one, two, three] = [await signIn(person), await signIn(person), await signIn(person)];
  const actor = (await people.actorFromToken(db, one.token))!;
  assert.equal(actor.via, 'session');
  const own = await people.sessions(db, actor);
  assert.equal(own.length, 3);
  const second = (await people.actorFromToken(db, two.token))!.sessionId!;
  await assert.rejects(people.endSession(other, second), { code: 'request.not_found' });
  await people.endSession(actor, second);
  assert.equal(await people.actorFromToken(db, two.token), null);
  assert.equal(await people.endSessions(actor, { keepCurrent: true }), 1);
  assert.equal(await people.actorFromToken(db, three.token), null);
  await people.signOut(actor);
  assert.equal(await people.actorFromToken(db, one.token), null);

  const last = await signIn(person);
  const began = now();
  later(30 * 24 * 60 - 1);
  assert.ok(await people.actorFromToken(db, last.token));
  later(1);
  assert.equal(await people.actorFromToken(db, last.token), null);
  assert.deepEqual(last.expiresAt, now());
  await signIn(person);
  const left = await db.rows<{ id: number }>(sql`select id from sessions where expires_at <= ${now()}`);
  assert.deepEqual(left, [], 'expired rows are swept out by the next sign-in');
  time = began;
});

test('asking who holds a token writes at most once a minute', async () => {
  const person = await someone({ password });
  const { token } = await signIn(person);
  const seen = async (): Promise<Date> => (await db.first<{ at: Date }>(sql`select last_seen_at as at from sessions where employee_id = ${person.employeeId}`))!.at;
  const began = await seen();
  time = new Date(time.getTime() + 59_000);
  await people.actorFromToken(db, token);
  assert.deepEqual(await seen(), began);
  time = new Date(time.getTime() + 1000);
  await people.actorFromToken(db, token);
  assert.deepEqual(await seen(), now());
});

test('an actor carries what the person is now', async () => {
  const person = await someone({ password });
  const { token } = await signIn(person);
  await people.changeEmployee(admin, person.employeeId, { isAdmin: true, language: 'en', timeZone: 'Asia/Tokyo' });
  const { sessionId: _, ...actor } = (await people.actorFromToken(db, token))!;
  assert.deepEqual(actor, { employeeId: person.employeeId, isAdmin: true, language: 'en', timeZone: 'Asia/Tokyo', via: 'session' });
  await people.changeEmployee(admin, person.employeeId, { isAdmin: false });
  assert.equal((await people.actorFromToken(db, token))?.isAdmin, false);
});

test('what is no token of ours is nobody', async () => {
  for (const wrong of ['', 'x', 'vs_', 'vt_', 'vs_AAAA', `vs_${'A'.repeat(100_000)}`, "vs_' or 1=1 --", 'vs_😀', '\u0000']) {
    assert.equal(await people.actorFromToken(db, wrong), null, wrong.slice(0, 20));
  }
});

test('an API token is shown once, acts as its owner, and is revoked by the owner or an administrator', async () => {
  const [owner, other] = [await someone(), await someone()];
  const { id, token } = await people.createApiToken(owner, 'Обмен с 1С');
  const actor = await people.actorFromToken(db, token);
  assert.equal(actor?.employeeId, owner.employeeId);
  assert.equal(actor?.via, 'token');
  const [listed] = await people.apiTokens(db, owner);
  assert.equal(listed?.name, 'Обмен с 1С');
  assert.deepEqual(listed?.lastUsedAt, now());
  assert.equal('token' in listed!, false);
  await assert.rejects(people.apiTokens(db, other, owner.employeeId), { code: 'access.admin_only' });
  assert.equal((await people.apiTokens(db, admin, owner.employeeId)).length, 1);
  await assert.rejects(people.revokeApiToken(other, id), { code: 'request.not_found' });
  await people.revokeApiToken(owner, id);
  assert.equal(await people.actorFromToken(db, token), null);
  const second = await people.createApiToken(owner, 'Ещё один');
  await people.revokeApiToken(admin, second.id);
  assert.equal(await people.actorFromToken(db, second.token), null);
});

// -- Access ---------------------------------------------------------------------------------------

test('rights follow roles, members and departments at once, in every process', async () => {
  const itemType = await db.first<{ id: number }>(sql`insert into item_types (code, name) values ('access_test', 'Сделки') returning id`);
  const itemTypeId = itemType!.id;
  const sales = await department('Доступ');
  const person = await someone();
  const scope = async (from: People = people) => (await from.access(db, person)).scope('view', itemTypeId, null);
  assert.equal(await scope(), 'none');
  assert.equal((await people.access(db, admin)).scope('delete', itemTypeId, 5), 'all');

  const role = await people.createAccessRole(admin, {
    name: 'Продавцы', members: [{ kind: 'department', id: sales }], rights: [{ itemTypeId, action: 'view', scope: 'department' }],
  });
  assert.equal(await scope(), 'none');
  await people.addMembers(admin, sales, [person.employeeId], 'employee');
  assert.deepEqual([await scope(), await scope(elsewhere)], ['department', 'department']);
  const wider = await people.changeAccessRole(admin, role.id, { rights: [{ itemTypeId, pipelineId: null, action: 'view', scope: 'all' }] });
  assert.deepEqual(wider.members, [{ kind: 'department', id: sales }], 'lists that are not given stay');
  assert.deepEqual([await scope(), await scope(elsewhere)], ['all', 'all']);
  await people.changeAccessRole(admin, role.id, { members: [{ kind: 'everyone' }, { kind: 'employee', id: person.employeeId }] });
  await people.removeMember(admin, sales, person.employeeId);
  assert.equal(await scope(), 'all');
  await people.deleteAccessRole(admin, role.id);
  assert.deepEqual([await scope(), await scope(elsewhere)], ['none', 'none']);
});

test('a deleted department leaves no role behind it', async () => {
  const gone = await department('Ненадолго');
  const role = await people.createAccessRole(admin, { name: 'Временная', members: [{ kind: 'department', id: gone }, { kind: 'everyone' }] });
  await people.deleteDepartment(admin, gone);
  assert.deepEqual((await people.accessRole(db, admin, role.id)).members, [{ kind: 'everyone' }]);
  await people.deleteAccessRole(admin, role.id);
});
