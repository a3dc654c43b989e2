/** The first minutes of a company: the link of the start, the administrator, the first colleague, a forgotten password. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { openBrowser, picture } from '../support/browser.ts';
import { createApi, startTestVestnik } from '../support/vestnik.ts';

const empty = await startTestVestnik({ isEmpty: true });
const browser = await openBrowser(empty);
const password = 'Синий кит читает вслух';

test('the link sets the company up, a colleague joins by invitation, and a forgotten password is replaced', { skip: browser.missing }, async () => {
  const { pathname } = new URL(await empty.vestnik.people.setupLink());
  const page = await browser.stranger();
  await page.goto('/sign-in');
  await page.getByText('Вестник ждёт настройки').waitFor();

  await page.goto(pathname);
  await page.getByLabel('Название').fill('Ромашка');
  await picture(page, 'setup-company');
  assert.deepEqual(await browser.accessibility(page), []);
  await page.getByRole('button', { name: 'Дальше' }).click();
  await page.getByLabel('Имя').fill('Ада');
  await page.getByLabel('Фамилия').fill('Байрон');
  await page.getByLabel('E-mail').fill('ada@example.com');
  await page.getByLabel('Пароль', { exact: true }).fill('12345678');
  await page.getByRole('button', { name: 'Дальше' }).click();
  await page.getByText('С чистого листа').waitFor();
  assert.deepEqual(await browser.accessibility(page), []);
  await page.getByRole('button', { name: 'Создать компанию' }).click();
  await page.getByText(/легко угадать/).waitFor();
  await picture(page, 'setup-weak-password');
  await page.getByLabel('Пароль', { exact: true }).fill(password);
  await page.getByRole('button', { name: 'Дальше' }).click();
  await page.getByRole('button', { name: 'Создать компанию' }).click();
  await page.waitForURL(/\/crm/);

  const { people, db } = empty.vestnik;
  const { company, employees: [ada] } = await people.directory(db);
  assert.deepEqual([company.name, company.currency, ada?.isAdmin], ['Ромашка', 'RUB', true]);
  const { token } = await people.createApiToken({ employeeId: ada!.id, isAdmin: true, language: 'ru', timeZone: 'Europe/Moscow', via: 'system' }, 'test');
  const api = createApi(empty.url, async () => token);

  const late = await browser.stranger();
  await late.goto(pathname);
  await late.getByText('Компания уже создана').waitFor();

  const invitation = await api.post('/api/invitations', { email: 'boris@example.com', firstName: 'Борис', language: 'en' });
  const colleague = await browser.stranger({ isPhone: true, colorScheme: 'dark' });
  await colleague.goto(new URL(invitation.link).pathname);
  await colleague.getByText('Welcome to Ромашка').waitFor();
  assert.equal(await colleague.getByLabel('First name').inputValue(), 'Борис');
  await picture(colleague, 'join');
  assert.deepEqual(await browser.accessibility(colleague), []);
  await colleague.getByLabel('Password', { exact: true }).fill(password);
  await colleague.getByRole('button', { name: 'Join' }).click();
  await colleague.waitForURL(/\/crm/);
  const boris = (await people.directory(db)).employees.find((one) => one.email === 'boris@example.com');
  assert.equal(boris?.language, 'en');

  const forgetful = await browser.stranger({ language: 'en' });
  await forgetful.goto('/sign-in');
  await forgetful.getByLabel('E-mail').fill('boris@example.com');
  await forgetful.getByRole('link', { name: 'Forgot the password?' }).click();
  await forgetful.getByRole('button', { name: 'Send the link' }).click();
  await forgetful.getByText('Letters cannot be sent yet').waitFor();
  await picture(forgetful, 'forgot-no-mail');
  assert.deepEqual(await browser.accessibility(forgetful), []);
  const { link } = await api.post(`/api/employees/${boris!.id}/password-link`);
  await forgetful.goto(new URL(link).pathname);
  await forgetful.getByText('choose a password for boris@example.com').waitFor();
  await forgetful.getByLabel('New password', { exact: true }).fill('A blue whale reads aloud');
  await forgetful.getByRole('button', { name: 'Save and sign in' }).click();
  await forgetful.waitForURL(/\/crm/);
  await forgetful.goto(new URL(link).pathname);
  await forgetful.getByText('The link no longer works').waitFor();
});
