/** A thousand deals from a CSV file, in a real browser: file, columns, check, run. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { openBrowser, picture } from '../support/browser.ts';
import { startTestVestnik } from '../support/vestnik.ts';

const vestnik = await startTestVestnik({ services: { web: true, worker: true }, now: () => new Date() });
const browser = await openBrowser(vestnik);
const { admin, api, given } = vestnik;

const rows = Array.from({ length: 1000 }, (_, n) => `Сделка из файла ${n};${n % 100 === 7 ? 'Нет такой' : 'В работе'};${n},50;Админова Ада;Клиентов${n % 50} Иван;8 916 000-${String(10 + (n % 50))}-00;ООО «Завод ${n % 20}»`);
const csv = ['Название сделки;Стадия;Бюджет;Менеджер;ФИО;Телефон;Организация', ...rows].join('\r\n');

test('a thousand deals are imported, what is wrong is told, and robots are asked about', { skip: browser.missing }, async () => {
  const sales = await given.pipeline({ name: 'Продажи', stages: ['Новая', 'В работе'] });
  await given.robot(sales.stage('В работе'), 'notify', { text: 'Новая', recipients: [{ kind: 'employee', id: admin.id }] });
  const page = await browser.signIn(admin);
  await page.goto(`/crm/deal?pipeline=${sales.id}`);
  await page.getByRole('link', { name: 'Импорт' }).click();
  const [chooser] = await Promise.all([page.waitForEvent('filechooser'), page.getByRole('button', { name: /Выберите файл CSV/ }).click()]);
  await picture(page, 'import-file');
  await chooser.setFiles({ name: 'сделки.csv', mimeType: 'text/csv', buffer: Buffer.from(csv) });
  await page.getByText('Сопоставлено столбцов: 7 из 7').waitFor();
  assert.deepEqual(await browser.accessibility(page), []);
  await picture(page, 'import-columns');
  await page.getByRole('button', { name: 'Проверить строки' }).click();
  await page.getByText('строк готовы к загрузке').waitFor();
  await page.getByText('строк с ошибками').waitFor();
  await page.getByText('В воронке «Продажи» нет стадии «Нет такой»').first().waitFor();
  await page.getByText('Примерно 990 сообщений, получателей не меньше 1').waitFor();
  assert.deepEqual(await browser.accessibility(page), []);
  await picture(page, 'import-check');
  const [download] = await Promise.all([page.waitForEvent('download'), page.getByRole('link', { name: 'Скачать строки с ошибками' }).click()]);
  assert.equal(download.suggestedFilename(), 'сделки.csv');
  await page.getByRole('button', { name: 'Загрузить без роботов' }).click();
  await page.getByText('Загружено 990 элементов').waitFor({ timeout: 120_000 });
  assert.deepEqual(await browser.accessibility(page), []);
  await picture(page, 'import-done');
  await page.getByRole('link', { name: /на доску/ }).click();
  await page.getByRole('region', { name: 'В работе', exact: true }).getByLabel('990 элементов').waitFor();
  assert.equal((await api(admin).get('/api/notifications')).items.length, 0);
  assert.equal((await api(admin).get('/api/contacts', { search: 'Клиентов', limit: 200 })).items.length, 50);
});

test('the import is usable on a phone, in English and in the dark', { skip: browser.missing }, async () => {
  const page = await browser.signIn(admin, { language: 'en', colorScheme: 'dark', isPhone: true });
  await page.goto('/crm/deal/import');
  await page.getByRole('button', { name: /Choose a CSV file/ }).waitFor();
  assert.deepEqual(await browser.accessibility(page), []);
  const [chooser] = await Promise.all([page.waitForEvent('filechooser'), page.getByRole('button', { name: /Choose a CSV file/ }).click()]);
  await chooser.setFiles({ name: 'deals.csv', mimeType: 'text/csv', buffer: Buffer.from('Deal name,Amount\nRoof,10\n') });
  await page.getByText('Columns matched: 2 of 2').waitFor();
  await picture(page, 'import-columns-phone');
  assert.ok(await page.evaluate('document.documentElement.scrollWidth <= window.innerWidth'), 'the page is no wider than the screen');
  await page.reload();
  await page.getByText('Columns matched: 2 of 2').waitFor();
  await page.getByRole('button', { name: 'Check the rows' }).click();
  await page.getByText('row is ready to import').waitFor();
});
