/** The card of an item, as two people work on it: fields, stages, comments, conflicts, the keyboard alone. */
import assert from 'node:assert/strict';
import { before, test } from 'node:test';
import type { Page } from 'playwright-core';
import { openBrowser, picture } from '../support/browser.ts';
import { startTestVestnik } from '../support/vestnik.ts';

const vestnik = await startTestVestnik({ now: () => new Date() });
const browser = await openBrowser(vestnik);
const { admin, api, given } = vestnik;

let pipeline: Awaited<ReturnType<typeof given.pipeline>>;
let anna: { id: number };
before(async () => {
  pipeline = await given.pipeline({ name: 'Продажи', stages: ['Новая', 'Согласование', 'Оплата'] });
  anna = await given.employee({ firstName: 'Анна', lastName: 'Волкова' });
});
const newDeal = (title: string, fields: object = {}) => given.item({ pipelineId: pipeline.id, title, ...fields });
const pathTo = (item: { id: number }) => `/items/${item.id}`;
const field = (page: Page, name: string) => page.getByRole('button', { name: `Изменить: ${name}`, exact: true });

/** Opens the field, types, and is done with Enter. */
async function fill(page: Page, name: string, value: string, doneBy = 'Enter'): Promise<void> {
  await field(page, name).click();
  await page.getByRole('textbox', { name, exact: true }).fill(value);
  await page.keyboard.press(doneBy);
  await field(page, name).waitFor();
}

test('two people see each other change fields, move the item and comment, at once', { skip: browser.missing }, async () => {
  const deal = await newDeal('Кухня для Петровых', { amount: 100_000, ownerId: anna.id });
  const [one, two] = [await browser.signIn(admin), await browser.signIn(anna)];
  await Promise.all([one, two].map((page) => page.goto(pathTo(deal))));
  await Promise.all([one, two].map((page) => page.getByRole('heading', { name: 'Кухня для Петровых' }).waitFor()));
  await one.waitForURL(`**/crm/deal/item/${deal.id}`);

  await fill(one, 'Сумма', '1 250 000,50');
  await two.getByText('1 250 000,50 ₽').waitFor();
  await two.getByRole('button', { name: 'Согласование' }).click();
  await one.locator('[aria-current="step"]', { hasText: 'Согласование' }).waitFor();

  await two.getByRole('button', { name: /Напишите комментарий/ }).click();
  const box = two.getByRole('textbox', { name: 'Комментарий' });
  await box.waitFor();
  await box.pressSequentially('Обсудили с [b]ними[/b] и @Адм');
  await two.getByRole('option').first().waitFor();
  await two.keyboard.press('Enter');
  const [chooser] = await Promise.all([two.waitForEvent('filechooser'), two.getByRole('button', { name: 'Прикрепить файл' }).last().click()]);
  await chooser.setFiles({ name: 'смета.txt', mimeType: 'text/plain', buffer: Buffer.from('итого') });
  await two.getByRole('button', { name: 'Убрать файл «смета.txt»' }).waitFor();
  await two.keyboard.press('Control+Enter');
  const comment = one.getByRole('article').filter({ hasText: 'Обсудили с [b]ними[/b]' }).last();
  await comment.waitFor();
  await comment.getByRole('link', { name: /смета\.txt/ }).waitFor();
  const [stored] = (await api(admin).get(`/api/items/${deal.id}/timeline`, { kinds: 'comment' })).items;
  assert.deepEqual(stored.data.mentionIds, [admin.id]);
  assert.equal(stored.data.files[0].name, 'смета.txt');
  await picture(one, 'card-two-people');

  await one.getByRole('button', { name: 'История' }).click();
  await one.getByText('1 250 000,50 ₽').last().waitFor();
});

test('the same field changed by two is shown to the second, other fields merge unasked', { skip: browser.missing }, async () => {
  const deal = await newDeal('Спор', { amount: 10, ownerId: anna.id });
  const page = await browser.signIn(admin);
  await page.goto(pathTo(deal));
  await field(page, 'Сумма').click();
  await page.getByRole('textbox', { name: 'Сумма' }).fill('20');
  // Anna writes another field, then the same one.
  await api(anna).patch(`/api/items/${deal.id}`, { closesOn: '2030-01-02' });
  await api(anna).patch(`/api/items/${deal.id}`, { amount: 30 });
  await page.getByText('2 янв. 2030').waitFor();
  await page.getByRole('textbox', { name: 'Сумма' }).press('Enter');
  const dialog = page.getByRole('dialog', { name: /Поле «Сумма» изменили двое/ });
  await dialog.getByText('30 ₽').waitFor();
  await dialog.getByText('20 ₽').waitFor();
  await dialog.getByText(/Волкова/).first().waitFor();
  await picture(page, 'card-conflict');
  assert.deepEqual(await browser.accessibility(page), []);
  await dialog.getByRole('button', { name: 'Оставить моё' }).click();
  await page.getByText('20 ₽').first().waitFor();
  const stored = await api(admin).get(`/api/items/${deal.id}`);
  assert.equal(stored.amount, 20);
  assert.equal(stored.closesOn, '2030-01-02');
});

test('a stage asks for its fields, a refused move goes back, and a move is undone', { skip: browser.missing }, async () => {
  const deal = await newDeal('Стадии', { ownerId: admin.id });
  await given.field({ itemTypeId: deal.itemTypeId, name: 'Номер договора', type: 'string', requiredStageIds: [pipeline.stage('Оплата').id] });
  const page = await browser.signIn(admin);
  await page.goto(pathTo(deal));
  await page.getByRole('button', { name: 'Оплата' }).click();
  const dialog = page.getByRole('dialog', { name: /Чтобы перейти на «Оплата»/ });
  await dialog.getByRole('textbox', { name: 'Номер договора' }).fill('Д-17');
  await picture(page, 'card-demand');
  await dialog.getByRole('button', { name: 'Переместить' }).click();
  await page.locator('[aria-current="step"]', { hasText: 'Оплата' }).waitFor();
  await page.getByRole('button', { name: 'Отменить' }).first().click();
  await page.locator('[aria-current="step"]', { hasText: 'Новая' }).waitFor();
  const stored = await api(admin).get(`/api/items/${deal.id}`);
  assert.equal(Object.values(stored.values).includes('Д-17'), true);
});

test('a field is created in its place and filled in', { skip: browser.missing }, async () => {
  const deal = await newDeal('Поле', { ownerId: admin.id });
  const page = await browser.signIn(admin);
  await page.goto(pathTo(deal));
  await page.getByRole('button', { name: 'Создать поле' }).click();
  const dialog = page.getByRole('dialog', { name: 'Создать поле' });
  await dialog.getByLabel('Название').fill('ID группового чата');
  await picture(page, 'card-create-field');
  assert.deepEqual(await browser.accessibility(page), []);
  await dialog.getByRole('button', { name: 'Создать поле' }).click();
  await field(page, 'ID группового чата').waitFor();
  await fill(page, 'ID группового чата', '42');
  await page.getByText('42', { exact: true }).waitFor();
});

test('everything works by keyboard alone', { skip: browser.missing }, async () => {
  const deal = await newDeal('Клавиатура', { amount: 5, ownerId: admin.id });
  const page = await browser.signIn(admin);
  await page.goto(pathTo(deal));
  await field(page, 'Сумма').focus();
  await page.keyboard.press('Enter');
  await page.keyboard.type('77');
  await page.keyboard.press('Escape');
  await page.getByText('5 ₽').waitFor();
  assert.equal(await page.locator(':focus').getAttribute('aria-label'), 'Изменить: Сумма', 'focus comes back');
  await page.keyboard.press('Enter');
  await page.getByRole('textbox', { name: 'Сумма' }).waitFor();
  await page.keyboard.type('77');
  await page.keyboard.press('Enter');
  await page.getByText('77 ₽').waitFor();
  await page.getByRole('button', { name: 'Согласование' }).focus();
  await page.keyboard.press('Enter');
  await page.locator('[aria-current="step"]', { hasText: 'Согласование' }).waitFor();
  await page.getByRole('button', { name: /Напишите комментарий/ }).focus();
  await page.keyboard.press('Enter');
  await page.getByRole('textbox', { name: 'Комментарий' }).waitFor();
  await page.keyboard.type('Жирно: ');
  await page.keyboard.press('Control+b');
  await page.keyboard.type('да');
  await page.keyboard.press('Control+Enter');
  await page.getByRole('article').filter({ hasText: 'Жирно: да' }).last().locator('strong', { hasText: 'да' }).waitFor();
});

test('deleted while open, and not for everybody: both say so; a deletion is undone', { skip: browser.missing }, async () => {
  const deal = await newDeal('Уйдёт', { ownerId: admin.id });
  const page = await browser.signIn(admin);
  await page.goto(pathTo(deal));
  await page.getByRole('heading', { name: 'Уйдёт' }).waitFor();
  await page.getByRole('button', { name: 'Действия', exact: true }).click();
  await page.getByRole('menuitem', { name: 'Удалить' }).click();
  await page.getByRole('dialog').getByRole('button', { name: 'Удалить' }).click();
  await page.getByRole('button', { name: 'Отменить' }).first().click();
  await page.getByRole('heading', { name: 'Уйдёт' }).waitFor();
  await api(admin).del(`/api/items/${deal.id}`);
  await page.getByText('Элемента нет').waitFor();
  await picture(page, 'card-gone');
  await page.goto('/items/999999');
  await page.getByText('Элемента нет').waitFor();
});

test('contacts and companies: found, made, changed in a row and on a card', { skip: browser.missing }, async () => {
  const page = await browser.signIn(admin);
  await page.goto('/crm/companies');
  await page.getByRole('button', { name: 'Добавить компанию' }).first().click();
  const dialog = page.getByRole('dialog');
  await dialog.getByRole('textbox', { name: 'Название компании' }).fill('ООО «Ромашка»');
  await dialog.getByRole('textbox', { name: 'Телефон' }).fill('+7 900 111-22-33');
  await dialog.getByRole('button', { name: 'Добавить' }).click();
  await page.getByRole('heading', { name: 'ООО «Ромашка»' }).waitFor();
  await page.getByRole('link', { name: '+7 900 111-22-33' }).first().waitFor();
  await fill(page, 'Адрес', 'Москва', 'Control+Enter');
  await picture(page, 'company-card');
  await page.keyboard.press('Escape');
  await page.getByRole('row', { name: /Ромашка/ }).getByText('Москва').waitFor();
  await page.getByRole('row', { name: /Ромашка/ }).getByRole('button', { name: 'Изменить: E-mail' }).click();
  await page.getByRole('textbox', { name: 'E-mail', exact: true }).fill('info@romashka.example');
  await page.keyboard.press('Enter');
  await page.getByRole('link', { name: 'info@romashka.example' }).waitFor();
  await page.getByLabel('Имя, телефон или e-mail').fill('ромаш');
  await page.waitForURL(/search=/);
  // Without the notices that are still on the screen: their focus guards are the kit's.
  await page.reload();
  await page.getByRole('link', { name: 'ООО «Ромашка»' }).waitFor();
  assert.deepEqual(await browser.accessibility(page), []);
});

test('the card is for everybody: light and dark, Russian and English, wide and narrow', { skip: browser.missing }, async () => {
  const deal = await newDeal('Кухня с островом и столешницей из искусственного камня, доставка и сборка в новом доме, второй этаж без лифта', { amount: 1_250_000, ownerId: admin.id });
  await api(admin).post(`/api/items/${deal.id}/comments`, { body: 'Согласовали [b]цвет[/b]:\n[list]\n[*]фасады — белые\n[*]остров — дуб\n[/list]\n[quote=Клиент]Хотим до Нового года[/quote]' });
  for (const [language, colorScheme, isPhone] of [['ru', 'light', false], ['en', 'dark', false], ['ru', 'dark', true], ['en', 'light', true]] as const) {
    const page = await browser.signIn(admin, { language, colorScheme, isPhone });
    await page.goto(`${pathTo(deal)}?tab=timeline`);
    await page.getByText('Хотим до Нового года').waitFor();
    await picture(page, `card-${language}-${colorScheme}${isPhone ? '-phone' : ''}`);
    assert.deepEqual(await browser.accessibility(page), []);
    assert.equal(await page.evaluate('document.documentElement.scrollWidth <= innerWidth'), true, 'the page does not scroll sideways');
    if (isPhone) {
      await page.getByRole('button', { name: language === 'ru' ? 'Поля' : 'Fields' }).click();
      await page.getByText(language === 'ru' ? 'Ответственный' : 'Owner').waitFor();
      await picture(page, `card-${language}-${colorScheme}-phone-fields`);
      assert.deepEqual(await browser.accessibility(page), []);
    }
  }
});
