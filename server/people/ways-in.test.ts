import assert from 'node:assert/strict';
import { test } from 'node:test';
import { startTestVestnik } from '../../test/support/vestnik.ts';
import { sql } from '../db/db.ts';
import { deviceOf } from './people.ts';

const { api, admin, given, clock, db } = await startTestVestnik();
const stranger = api();
const tokenOf = ({ link }: { link: string }): string => link.split('/').at(-1)!;
const password = 'Крепкий корабль плывёт';
const entry = { firstName: 'Новый', lastName: 'Сотрудник', password, language: 'ru', timeZone: 'Asia/Omsk' };

interface Letter {
  address: string;
  content: { subject: string; body: string };
}
const letters = (): Promise<Letter[]> => db.rows<Letter>(sql`select address, content from deliveries order by id`);
const setUpMail = (): Promise<number> => db.run(sql`
  insert into mail_senders (name, address, host, port, security, created_at, is_default) values ('Ромашка', 'crm@example.com', '127.0.0.1', 1, 'none', ${clock.now()}, true)`);

test('an invitation makes the employee it promised, once', async () => {
  const department = await given.department({ name: 'Склад' });
  const role = await api(admin).post('/api/access-roles', { name: 'Кладовщики' });
  const made = await api(admin).post('/api/invitations', {
    email: 'New@Example.com', firstName: 'Нина', position: 'Кладовщик', departmentId: department.id, departmentRole: 'deputy', accessRoleId: role.id,
  });
  assert.equal(made.isSent, false, 'there is no mail yet');
  const token = tokenOf(made);
  const shown = await stranger.get(`/api/invitation-links/${token}`);
  assert.deepEqual([shown.email, shown.firstName, shown.companyName, shown.invitedBy], ['New@Example.com', 'Нина', 'Ромашка', 'Ада Админова']);
  const { employee } = await stranger.post(`/api/invitation-links/${token}`, entry);
  assert.deepEqual(
    [employee.email, employee.fullName, employee.position, employee.timeZone, employee.isAdmin, employee.departments],
    ['New@Example.com', 'Новый Сотрудник', 'Кладовщик', 'Asia/Omsk', false, [{ id: department.id, name: 'Склад', role: 'deputy' }]],
  );
  assert.deepEqual((await api(admin).get(`/api/access-roles/${role.id}`)).members, [{ kind: 'employee', id: employee.id }]);
  assert.deepEqual((await api(admin).get('/api/invitations')).items, []);
  await assert.rejects(stranger.post(`/api/invitation-links/${token}`, entry), { status: 410, code: 'invitation.link_dead' });
  assert.equal((await stranger.post('/api/session', { email: 'new@example.com', password })).employee.id, employee.id);
});

test('an invitation is sent again with a new link, expires, and is taken back', async () => {
  const first = await api(admin).post('/api/invitations', { email: 'late@example.com' });
  await assert.rejects(api(admin).post('/api/invitations', { email: 'LATE@example.com' }), { code: 'invitation.pending', path: 'email' });
  await assert.rejects(api(admin).post('/api/invitations', { email: 'admin@example.com' }), { code: 'employee.email_taken' });
  const second = await api(admin).post(`/api/invitations/${first.id}/resend`);
  await assert.rejects(stranger.get(`/api/invitation-links/${tokenOf(first)}`), { code: 'invitation.link_dead' });
  await stranger.get(`/api/invitation-links/${tokenOf(second)}`);
  clock.advance('8 days');
  await assert.rejects(stranger.post(`/api/invitation-links/${tokenOf(second)}`, entry), { code: 'invitation.link_dead' });
  assert.equal((await api(admin).get('/api/invitations')).items[0].isExpired, true);
  const third = await api(admin).post('/api/invitations', { email: 'late@example.com' });
  await api(admin).del(`/api/invitations/${third.id}`);
  await assert.rejects(stranger.get(`/api/invitation-links/${tokenOf(third)}`), { code: 'invitation.link_dead' });
  await assert.rejects(api(admin).post('/api/invitations', { email: 'x@example.com', departmentId: 999_999 }), { status: 404, path: 'departmentId' });
});

test('two who accept one invitation at once become one employee', async () => {
  const token = tokenOf(await api(admin).post('/api/invitations', { email: 'twins@example.com' }));
  const outcomes = await Promise.allSettled([1, 2].map(() => stranger.post(`/api/invitation-links/${token}`, entry)));
  assert.deepEqual(outcomes.map((outcome) => outcome.status).sort(), ['fulfilled', 'rejected']);
});

test('a weak password spends no invitation', async () => {
  const token = tokenOf(await api(admin).post('/api/invitations', { email: 'weak@example.com' }));
  await assert.rejects(stranger.post(`/api/invitation-links/${token}`, { ...entry, password: '12345' }), { code: 'password.too_short' });
  await stranger.post(`/api/invitation-links/${token}`, entry);
});

test('a link to a new password ends the sessions, works once, and not for the dismissed', async () => {
  const anna = await given.employee({ email: 'anna@example.com', password: 'Старый пароль Анны' });
  const made = await api(admin).post(`/api/employees/${anna.id}/password-link`);
  const token = tokenOf(made);
  assert.equal((await stranger.get(`/api/password-links/${token}`)).fullName, anna.fullName);
  await stranger.post('/api/session', { email: 'anna@example.com', password: 'Старый пароль Анны' });
  await assert.rejects(stranger.post(`/api/password-links/${token}`, { password: 'anna' }), { code: 'password.too_short', path: 'password' });
  await stranger.post(`/api/password-links/${token}`, { password });
  const sessions = await db.rows(sql`select 1 from sessions where employee_id = ${anna.id}`);
  assert.equal(sessions.length, 1, 'the one that the link began');
  await assert.rejects(stranger.post(`/api/password-links/${token}`, { password }), { status: 410, code: 'password.link_dead' });
  await assert.rejects(stranger.post('/api/session', { email: 'anna@example.com', password: 'Старый пароль Анны' }), { code: 'sign_in.refused' });
  const next = tokenOf(await api(admin).post(`/api/employees/${anna.id}/password-link`));
  clock.advance('2 days');
  await assert.rejects(stranger.get(`/api/password-links/${next}`), { code: 'password.link_dead' });
  const last = tokenOf(await api(admin).post(`/api/employees/${anna.id}/password-link`));
  await api(admin).post(`/api/employees/${anna.id}/dismissal`);
  await assert.rejects(stranger.post(`/api/password-links/${last}`, { password }), { code: 'password.link_dead' });
  await assert.rejects(api(admin).post(`/api/employees/${anna.id}/password-link`), { status: 404 });
});

test('who asks for a new password hears the same whether the e-mail is known or not, and only the known one gets a letter', async () => {
  const boris = await given.employee({ email: 'boris@example.com', firstName: 'Борис', lastName: 'Юрьев' });
  assert.deepEqual(await stranger.post('/api/password-links', { email: boris.email }), { canWrite: false });
  await setUpMail();
  const answers = [await stranger.post('/api/password-links', { email: 'BORIS@example.com' }), await stranger.post('/api/password-links', { email: 'nobody@example.com' })];
  assert.deepEqual(answers, [{ canWrite: true }, { canWrite: true }]);
  const [letter, ...more] = await letters();
  assert.equal(more.length, 0);
  assert.equal(letter!.address, 'boris@example.com');
  assert.equal(letter!.content.subject, 'Новый пароль для «Ромашка»');
  assert.match(letter!.content.body, /Здравствуйте, Борис Юрьев!/);
  const [, token] = /\/new-password\/([^\]]+)\]/.exec(letter!.content.body) ?? [];
  assert.equal((await stranger.post(`/api/password-links/${token}`, { password })).employee.id, boris.id);
});

test('who asks for many letters is asked to wait, known or not', async () => {
  for (const email of ['boris@example.com', 'stranger@example.com']) {
    const refused = async (): Promise<string> => {
      for (let tries = 0; tries < 10; tries++) {
        try {
          await stranger.post('/api/password-links', { email });
        } catch (error) {
          return error instanceof Error && 'code' in error ? String(error.code) : '';
        }
      }
      return 'never';
    };
    assert.equal(await refused(), 'sign_in.too_many');
    clock.advance('1 hour');
  }
});

test('an invitation goes out as a letter in its own language where mail is set up', async () => {
  const made = await api(admin).post('/api/invitations', { email: 'mary@example.com', language: 'en' });
  assert.equal(made.isSent, true);
  const letter = (await letters()).at(-1)!;
  assert.equal(letter.address, 'mary@example.com');
  assert.equal(letter.content.subject, 'Invitation to Ромашка');
  assert.ok(letter.content.body.includes(made.link));
});

test('administrators see the API tokens of all, and others their own', async () => {
  const plain = await given.employee();
  const mine = await api(plain).post('/api/api-tokens', { name: 'Выгрузка' });
  await assert.rejects(api(plain).get('/api/api-tokens', { everybody: true }), { code: 'access.admin_only' });
  const all = (await api(admin).get('/api/api-tokens', { everybody: true })).items;
  assert.ok(all.some((one: { id: number }) => one.id === mine.id));
});

test('a device is told in two words', () => {
  const told = (userAgent: string) => Object.values(deviceOf(userAgent)).join(', ');
  assert.equal(told('Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/126.0.0.0 Safari/537.36'), 'Chrome, Windows');
  assert.equal(told('Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/124.0.0.0 YaBrowser/24.6.0 Safari/537.36'), 'Яндекс Браузер, Windows');
  assert.equal(told('Mozilla/5.0 (iPhone; CPU iPhone OS 17_5 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/17.5 Mobile/15E148 Safari/604.1'), 'Safari, iPhone');
  assert.equal(told('Mozilla/5.0 (X11; Linux x86_64; rv:127.0) Gecko/20100101 Firefox/127.0'), 'Firefox, Linux');
  assert.equal(told(''), ', ');
});
