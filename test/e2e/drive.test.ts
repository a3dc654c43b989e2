/** The Drive as people use it: folders, uploads that break off, versions, the trash. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { openBrowser, picture } from '../support/browser.ts';
import { startTestVestnik } from '../support/vestnik.ts';

const vestnik = await startTestVestnik({ now: () => new Date() });
const browser = await openBrowser(vestnik);
const { admin, api, given } = vestnik;

const text = (name: string, content: string) => ({ name, mimeType: 'text/plain', buffer: Buffer.from(content) });

test('an empty Drive says what it is for; a folder is made, a file uploaded, opened, moved, deleted and taken back', { skip: browser.missing }, async () => {
  const page = await browser.signIn(admin);
  await page.goto('/drive');
  await page.getByText('Здесь пока пусто').waitFor();
  await picture(page, 'drive-empty-ru-light');
  assert.deepEqual(await browser.accessibility(page), []);

  await page.getByRole('button', { name: 'Новая папка' }).click();
  await page.getByLabel('Название').fill('Договоры 2026');
  await page.getByRole('button', { name: 'Создать' }).click();
  await page.getByRole('button', { name: 'Договоры 2026' }).first().waitFor();

  const chooser = page.waitForEvent('filechooser');
  await page.getByRole('button', { name: 'Загрузить' }).click();
  await (await chooser).setFiles([text('Смета кухни.txt', 'Столешница: дуб'), text('العربية emoji 🎉.txt', 'x')]);
  await page.getByRole('button', { name: 'Смета кухни.txt', exact: true }).click();
  await page.getByText('кроме вас его видят только те').waitFor();
  assert.equal(await page.frameLocator('iframe').locator('body').innerText(), 'Столешница: дуб');
  await picture(page, 'drive-file-ru-light');
  assert.deepEqual(await browser.accessibility(page), []);
  await page.keyboard.press('Escape');

  await page.getByRole('button', { name: 'Действия: Смета кухни.txt' }).click();
  await page.getByRole('menuitem', { name: 'Переместить' }).click();
  await page.getByRole('dialog').getByRole('button', { name: 'Договоры 2026' }).click();
  await page.getByRole('button', { name: 'Переместить сюда' }).click();
  await page.getByText('«Смета кухни.txt» перемещён').first().waitFor();
  await page.getByRole('button', { name: 'Договоры 2026' }).first().click();
  await page.getByRole('button', { name: 'Действия: Смета кухни.txt' }).click();
  await page.getByRole('menuitem', { name: 'В корзину' }).click();
  await page.getByRole('alert').or(page.getByRole('listitem')).filter({ hasText: 'в корзине' }).getByRole('button', { name: 'Отменить' }).first().click();
  await page.getByRole('button', { name: 'Смета кухни.txt', exact: true }).waitFor();
});

test('an upload whose line breaks goes on from where it was, also after the page was closed', { skip: browser.missing }, async () => {
  const bytes = Buffer.alloc(20 * 1024 * 1024, 'a');
  const page = await browser.signIn(admin);
  const { company } = await api(admin).get('/api/drive/storages');
  let pieces = 0;
  await page.route('**/api/drive/uploads/*?offset=*', (route) => (++pieces === 2 ? route.abort('connectionfailed') : route.continue()));
  await page.goto(`/drive/${company.id}`);
  let chooser = page.waitForEvent('filechooser');
  await page.getByRole('button', { name: 'Загрузить' }).first().click();
  await (await chooser).setFiles({ name: 'Презентация.bin', mimeType: 'application/octet-stream', buffer: bytes });
  await page.getByText('Ждёт связи').waitFor();
  await picture(page, 'drive-upload-away-ru-light');
  const [begun] = (await api(admin).get('/api/drive/uploads')).items;
  assert.ok(begun.receivedBytes > 0 && begun.receivedBytes < bytes.length);

  // Closing the page asks, because something is under way; going on later is possible all the same.
  page.on('dialog', (dialog) => void dialog.accept());
  await page.unroute('**/api/drive/uploads/*?offset=*');
  const offsets: number[] = [];
  page.on('request', (request) => {
    const offset = new URL(request.url()).searchParams.get('offset');
    if (offset !== null) offsets.push(Number(offset));
  });
  await page.reload();
  await page.getByText('Выберите этот же файл, чтобы продолжить').waitFor();
  chooser = page.waitForEvent('filechooser');
  await page.getByRole('button', { name: 'Выбрать файл' }).click();
  await (await chooser).setFiles({ name: 'Презентация.bin', mimeType: 'application/octet-stream', buffer: bytes });
  await page.getByRole('button', { name: 'Презентация.bin', exact: true }).waitFor();
  assert.equal(Math.min(...offsets), begun.receivedBytes, 'what had arrived was not sent again');
  const { items } = await api(admin).get(`/api/drive/folders/${company.id}/entries`);
  assert.equal(items.find((entry: { file?: { name: string } }) => entry.file?.name === 'Презентация.bin').file.sizeBytes, bytes.length);
});

test('a taken name asks what to do, others see a file of the company at once, and nobody the own ones', { skip: browser.missing }, async () => {
  const boris = await given.employee({ firstName: 'Борис', lastName: 'Иванов' });
  const [mine, his] = [await browser.signIn(admin), await browser.signIn(boris, { language: 'en', colorScheme: 'dark' })];
  const { company } = await api(admin).get('/api/drive/storages');
  await his.goto(`/drive/${company.id}`);
  await his.getByRole('heading', { name: 'Drive' }).waitFor();
  await mine.goto(`/drive/${company.id}`);
  for (const content of ['v1', 'v2']) {
    const chooser = mine.waitForEvent('filechooser');
    await mine.getByRole('button', { name: 'Загрузить' }).first().click();
    await (await chooser).setFiles(text('Прайс.txt', content));
    if (content === 'v1') await his.getByRole('button', { name: 'Прайс.txt', exact: true }).waitFor();
  }
  await mine.getByRole('button', { name: 'Новой версией' }).click();
  await his.getByRole('button', { name: 'Прайс.txt', exact: true }).click();
  await his.getByText('Current').waitFor();
  await his.getByText('everybody sees it').waitFor();
  await picture(his, 'drive-versions-en-dark');
  assert.deepEqual(await browser.accessibility(his), []);
  await his.goto('/drive/trash');
  await his.getByText('The trash is empty').waitFor();
});

test('the Drive fits a phone', { skip: browser.missing }, async () => {
  const page = await browser.signIn(admin, { isPhone: true });
  const { company } = await api(admin).get('/api/drive/storages');
  await given.file({ name: `${'очень длинное имя файла '.repeat(9)}.txt` });
  await page.goto(`/drive/${company.id}`);
  await page.getByTitle('Прайс.txt').first().waitFor();
  await picture(page, 'drive-phone');
  assert.equal(await page.evaluate('document.documentElement.scrollWidth <= innerWidth'), true);
});
