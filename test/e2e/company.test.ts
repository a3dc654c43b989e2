/** The company in a browser: its structure, who works in it, who is away, and who leaves. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { openBrowser, picture } from '../support/browser.ts';
import { startTestVestnik } from '../support/vestnik.ts';

const vestnik = await startTestVestnik({ now: () => new Date() });
const browser = await openBrowser(vestnik);
const { admin, api, given } = vestnik;
type Department = { id: number; name: string; parentId: number | null; headIds: number[]; employeeIds: number[] };
const departments = async (): Promise<Department[]> => (await api(admin).get('/api/departments')).items;
const named = async (name: string) => (await departments()).find((one) => one.name === name)!;

test('departments and people are moved by drag and from menus, and others see it live', { skip: browser.missing }, async () => {
  const anna = await given.employee({ firstName: 'Анна', lastName: 'Ветрова' });
  const firm = await given.department({ name: 'Ромашка' });
  const sales = await given.department({ name: 'Продажи', parentId: firm.id, employeeIds: [anna.id] });
  await given.department({ name: 'Склад', parentId: firm.id });
  const page = await browser.signIn(admin);
  const watcher = await browser.signIn(anna, { isPhone: true, colorScheme: 'dark' });
  await page.goto('/company/structure');
  await watcher.goto('/company/structure');
  const chipIn = (where: typeof page, department: string) => where.locator('article').filter({ has: where.getByText('Анна Ветрова') }).filter({ hasText: department });
  await page.getByRole('button', { name: /Анна Ветрова/ }).waitFor();
  await picture(page, 'structure');
  assert.deepEqual(await browser.accessibility(page), []);

  const card = page.locator('article').filter({ has: page.locator('input[title="Склад"]') });
  await page.getByRole('button', { name: /Анна Ветрова/ }).dragTo(card);
  await page.getByText('Анна Ветрова теперь в отделе «Склад»').first().waitFor();
  assert.deepEqual((await named('Склад')).employeeIds, [anna.id]);
  await chipIn(watcher, 'Склад').waitFor();
  await picture(watcher, 'structure-phone-dark');
  assert.deepEqual(await browser.accessibility(watcher), []);

  await page.getByRole('button', { name: /Анна Ветрова/ }).click();
  await page.getByRole('menuitem', { name: 'Сделать руководителем' }).click();
  await page.getByText('Анна Ветрова — руководитель').first().waitFor();
  assert.deepEqual((await named('Склад')).headIds, [anna.id]);

  await page.getByRole('button', { name: 'Действия: Склад' }).click();
  await page.getByRole('menuitem', { name: 'Переместить в…' }).click();
  await page.getByLabel('Вышестоящий отдел').click();
  await page.getByRole('option', { name: 'Продажи' }).click();
  await page.getByRole('button', { name: 'Переместить', exact: true }).click();
  await page.getByText('Отдел «Склад» перемещён').first().waitFor();
  assert.equal((await named('Склад')).parentId, sales.id);
});

test('an invitation gives a link, and an employee is found', { skip: browser.missing }, async () => {
  const page = await browser.signIn(admin);
  await page.goto('/company/employees');
  await page.getByRole('button', { name: 'Пригласить' }).click();
  await page.getByLabel('E-mail').fill('admin@example.com');
  await page.getByRole('button', { name: 'Создать приглашение' }).click();
  await page.getByText(/уже есть/).waitFor();
  assert.deepEqual(await browser.accessibility(page), []);
  await page.getByLabel('E-mail').fill('guest@example.com');
  await page.getByRole('button', { name: 'Создать приглашение' }).click();
  const link = await page.getByLabel('Ссылка приглашения').inputValue();
  assert.match(link, /\/join\/vl_/);
  await picture(page, 'invited');
  await page.getByRole('button', { name: 'Закрыть' }).last().click();
  await page.getByPlaceholder(/Имя, должность/).fill('ветрова');
  await page.getByRole('link', { name: /Анна Ветрова/ }).click();
  await page.getByRole('heading', { name: 'Анна Ветрова' }).waitFor();
  await page.waitForLoadState('networkidle');
  assert.match(await page.getByRole('link', { name: 'Написать' }).getAttribute('href') ?? '', /\/messenger\?with=\d+/);
  await picture(page, 'employee');
  assert.deepEqual(await browser.accessibility(page), []);
});

test('an absence is added and seen in the calendar of the month', { skip: browser.missing }, async () => {
  const vera = await given.employee({ firstName: 'Вера', lastName: 'Лунина' });
  const page = await browser.signIn(vera, { language: 'en' });
  await page.goto('/company/absences');
  await page.getByRole('button', { name: 'Add an absence' }).first().click();
  await page.getByLabel('Note').fill('Sea');
  await page.getByRole('button', { name: 'Save' }).click();
  await page.getByRole('button', { name: /^Vacation/ }).waitFor();
  await picture(page, 'absences');
  assert.deepEqual(await browser.accessibility(page), []);
});

test('dismissing shows what names the person, and hands it over', { skip: browser.missing }, async () => {
  const gone = await given.employee({ firstName: 'Иван', lastName: 'Уходящий' });
  const heir = await given.employee({ firstName: 'Нина', lastName: 'Новая' });
  const deal = await given.item({ title: 'Крыша', ownerId: gone.id });
  const page = await browser.signIn(admin);
  await page.goto(`/company/employees/${gone.id}`);
  await page.getByRole('button', { name: 'Действия: Иван Уходящий' }).click();
  await page.getByRole('menuitem', { name: 'Уволить' }).click();
  await page.getByLabel('Кто займёт место').click();
  await page.keyboard.type('новая');
  await page.getByRole('option', { name: /Нина Новая/ }).click();
  await page.getByText('Крыша').waitFor();
  await picture(page, 'dismissal');
  assert.deepEqual(await browser.accessibility(page), []);
  await page.getByRole('button', { name: 'Уволить', exact: true }).click();
  await page.getByText('Передано: Нина Новая').waitFor();
  assert.equal((await api(admin).get(`/api/items/${deal.id}`)).ownerId, heir.id);
  assert.notEqual((await api(admin).get(`/api/employees/${gone.id}`)).dismissedAt, null);
});
