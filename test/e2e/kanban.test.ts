/** The board and the list in a real browser: two windows, mouse, finger and keys, refusals, many items. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { gzipSync } from 'node:zlib';
import type { Page } from 'playwright-core';
import { sql } from '../../server/db/db.ts';
import { card, column, drag } from '../support/board.ts';
import { openBrowser, picture } from '../support/browser.ts';
import { startTestVestnik } from '../support/vestnik.ts';

const vestnik = await startTestVestnik({ services: { web: true, worker: true }, now: () => new Date() });
const browser = await openBrowser(vestnik);
const { admin, api, db, given } = vestnik;
const anna = await given.employee({ firstName: 'Анна', lastName: 'Петрова', position: 'Менеджер' });

test('two people work on one board, and each sees what the other does', { skip: browser.missing }, async () => {
  const sales = await given.pipeline({ name: 'Продажи', stages: ['Новая', 'В работе', 'Договор'] });
  const path = `/crm/deal?pipeline=${sales.id}`;
  const [mine, hers] = await Promise.all([browser.signIn(admin), browser.signIn(anna)]);
  await Promise.all([mine.goto(path), hers.goto(path)]);
  await hers.getByText('Здесь пока ничего нет').waitFor();
  await picture(mine, 'kanban-empty');

  await hers.getByRole('button', { name: 'Добавить на стадию «Новая»' }).click();
  await hers.getByRole('textbox', { name: 'Название' }).fill('Крыша Петровых');
  await hers.keyboard.press('Enter');
  await card(column(hers, 'Новая'), 'Крыша Петровых').waitFor();
  await card(column(mine, 'Новая'), 'Крыша Петровых').waitFor();

  await drag(mine, card(mine, 'Крыша Петровых'), column(mine, 'В работе'));
  await card(column(mine, 'В работе'), 'Крыша Петровых').waitFor();
  await card(column(hers, 'В работе'), 'Крыша Петровых').waitFor();
  await column(hers, 'В работе').getByLabel('1 элемент').waitFor();
  const [item] = (await api(admin).get('/api/items', { itemTypeId: sales.itemTypeId, pipelineId: sales.id })).items;
  assert.equal(item.stageId, sales.stage('В работе').id);

  await mine.getByRole('button', { name: 'Отменить' }).first().click();
  await card(column(hers, 'Новая'), 'Крыша Петровых').waitFor();

  await api(admin).patch(`/api/items/${item.id}`, { title: 'Крыша и фасад', amount: 1_200_000 });
  await card(hers, 'Крыша и фасад').waitFor();
  await column(hers, 'Новая').getByText('1,2 млн ₽').waitFor();
  await picture(hers, 'kanban-live');
});

test('keys walk, select and move cards, and a card can be sent anywhere from its menu', { skip: browser.missing }, async () => {
  const pipeline = await given.pipeline({ stages: ['Раз', 'Два', 'Три'] });
  for (const title of ['Первая', 'Вторая']) await given.item({ pipelineId: pipeline.id, title });
  const page = await browser.signIn(admin);
  await page.goto(`/crm/deal?pipeline=${pipeline.id}`);
  await page.getByRole('link', { name: 'Вторая' }).focus();
  await page.keyboard.press('ArrowDown');
  await page.locator('[data-card-link]:focus', { hasText: 'Первая' }).waitFor();
  await page.keyboard.press('Control+ArrowRight');
  await card(column(page, 'Два'), 'Первая').waitFor();
  await page.locator('[data-card-link]:focus', { hasText: 'Первая' }).waitFor();
  await page.keyboard.press('ArrowLeft');
  await page.locator('[data-card-link]:focus', { hasText: 'Вторая' }).waitFor();
  await page.keyboard.press('Space');
  await page.getByRole('toolbar').getByText('Выбран 1').waitFor();
  await page.keyboard.press('Escape');
  await page.getByRole('button', { name: 'Действия с «Вторая»' }).click();
  await page.getByRole('menuitem', { name: 'Переместить на стадию' }).press('ArrowRight');
  await page.getByRole('menuitem', { name: 'Три' }).click();
  await card(column(page, 'Три'), 'Вторая').waitFor();
});

test('a refused move puts the card back and says why; required fields are asked for and the card goes on', { skip: browser.missing }, async () => {
  const pipeline = await given.pipeline({ stages: ['Начало', 'Проверка'] });
  const field = await given.field({ name: 'Номер договора', type: 'string', requiredStageIds: [pipeline.stage('Проверка').id] });
  const item = await given.item({ pipelineId: pipeline.id, title: 'Без договора' });
  const page = await browser.signIn(admin);
  await page.goto(`/crm/deal?pipeline=${pipeline.id}`);
  await drag(page, card(page, 'Без договора'), column(page, 'Проверка'));
  const dialog = page.getByRole('dialog');
  await dialog.getByLabel('Номер договора').first().waitFor();
  // Behind the dialog, where it is hidden from those who cannot see.
  await page.locator(`[data-drop="stage:${pipeline.stage('Начало').id}"] [data-item="${item.id}"]`).waitFor();
  await picture(page, 'kanban-required');
  await dialog.getByLabel('Номер договора').first().fill('№ 17');
  await dialog.getByRole('button', { name: 'Сохранить и переместить' }).click();
  await card(column(page, 'Проверка'), 'Без договора').waitFor();
  assert.equal((await api(admin).get(`/api/items/${item.id}`)).values[field.code], '№ 17');
  await api(admin).del(`/api/fields/${field.id}`);
});

test('several cards are selected and go together; robots are announced before', { skip: browser.missing }, async () => {
  const pipeline = await given.pipeline({ stages: ['Откуда', 'Куда'] });
  await given.robot(pipeline.stage('Куда'), 'notify', { text: 'Пришло', recipients: [{ kind: 'employee', id: anna.id }] });
  for (let n = 1; n <= 6; n++) await given.item({ pipelineId: pipeline.id, title: `Пачка ${n}` });
  const page = await browser.signIn(admin);
  await page.goto(`/crm/deal?pipeline=${pipeline.id}`);
  await page.getByRole('link', { name: 'Пачка 6' }).click({ modifiers: ['Control'] });
  await page.getByRole('link', { name: 'Пачка 1' }).click({ modifiers: ['Shift'] });
  const bar = page.getByRole('toolbar');
  await bar.getByText('Выбрано 6').waitFor();
  await bar.getByRole('button', { name: 'Переместить' }).click();
  await page.getByRole('menuitem', { name: 'Куда', exact: true }).click();
  await page.getByText('1 человек получит 6 сообщений').waitFor();
  await picture(page, 'kanban-storm');
  await page.getByRole('button', { name: 'Без роботов' }).click();
  await column(page, 'Куда').getByLabel('6 элементов').waitFor();
  await card(column(page, 'Куда'), 'Пачка 3').waitFor();
  assert.equal((await api(anna).get('/api/notifications')).items.length, 0);
});

test('words and filters find deals, stay in the address, and are kept as a view', { skip: browser.missing }, async () => {
  const pipeline = await given.pipeline({ stages: ['Все'] });
  await given.item({ pipelineId: pipeline.id, title: 'Кухня', amount: 500, ownerId: anna.id });
  await given.item({ pipelineId: pipeline.id, title: 'Спальня', amount: 5000 });
  const page = await browser.signIn(admin);
  await page.goto(`/crm/deal?pipeline=${pipeline.id}`);
  await card(page, 'Кухня').waitFor();
  await page.getByRole('searchbox', { name: 'Название или номер' }).fill('спал');
  await card(page, 'Кухня').waitFor({ state: 'detached' });
  await card(page, 'Спальня').waitFor();
  await page.getByRole('searchbox', { name: 'Название или номер' }).fill('');
  await card(page, 'Кухня').waitFor();
  await page.getByRole('button', { name: 'Фильтр', exact: true }).click();
  await page.getByRole('button', { name: 'Сумма', exact: true }).click();
  await page.getByLabel('Сумма: от').fill('100');
  await page.getByLabel('Сумма: до').fill('1000');
  await page.getByRole('button', { name: 'Применить' }).click();
  await card(page, 'Спальня').waitFor({ state: 'detached' });
  await page.reload();
  await card(page, 'Кухня').waitFor();
  await page.getByText('Сумма: 100 – 1 000').waitFor();
  assert.equal(await card(page, 'Спальня').count(), 0);
  await page.getByRole('button', { name: 'Сохранить фильтр' }).click();
  await page.getByLabel('Название', { exact: true }).fill('Недорогие');
  await page.keyboard.press('Enter');
  await page.getByRole('button', { name: 'Недорогие', exact: true }).waitFor();
  await page.getByRole('button', { name: 'Сбросить' }).click();
  await card(page, 'Спальня').waitFor();
  await page.getByRole('button', { name: 'Недорогие', exact: true }).click();
  await card(page, 'Спальня').waitFor({ state: 'detached' });
  await page.getByRole('button', { name: 'Мои', exact: true }).click();
  await card(page, 'Спальня').waitFor();
  assert.equal(await card(page, 'Кухня').count(), 0);
});

test('a list is sorted, edited in place and worked on as a whole', { skip: browser.missing }, async () => {
  const pipeline = await given.pipeline({ stages: ['Список', 'Дальше'] });
  await db.run(sql`
    insert into items (item_type_id, pipeline_id, stage_id, title, amount, currency, owner_id, created_at, updated_at, moved_at)
    select ${pipeline.itemTypeId}, ${pipeline.id}, ${pipeline.stage('Список').id}, 'Строка ' || n, n, 'RUB', ${admin.id}, now(), now(), now() from generate_series(1, 300) n`);
  const page = await browser.signIn(admin);
  await page.goto(`/crm/deal/list?pipeline=${pipeline.id}`);
  await page.getByText('300 элементов').waitFor();
  await page.getByRole('button', { name: 'Сумма', exact: true }).click();
  await page.getByRole('link', { name: 'Строка 300' }).waitFor();
  const row = page.getByRole('row').filter({ hasText: 'Строка 300' });
  await row.getByRole('gridcell').filter({ hasText: '300 ₽' }).dblclick();
  await page.getByRole('textbox', { name: 'Сумма' }).fill('999');
  await page.keyboard.press('Enter');
  await row.getByText('999 ₽').waitFor();
  await picture(page, 'list');
  assert.deepEqual(await browser.accessibility(page), []);

  // A saved view keeps the order beside the filter.
  await page.getByRole('searchbox').fill('Строка 299');
  await page.getByText('1 элемент', { exact: true }).waitFor();
  await page.getByRole('button', { name: 'Сохранить фильтр' }).click();
  await page.getByLabel('Название', { exact: true }).fill('Тридцатые');
  await page.keyboard.press('Enter');
  await page.getByRole('button', { name: 'Тридцатые', exact: true }).waitFor();
  await page.goto(`/crm/deal/list?pipeline=${pipeline.id}`);
  await page.getByText('300 элементов').waitFor();
  await page.getByRole('button', { name: 'Тридцатые', exact: true }).click();
  await page.getByText('1 элемент', { exact: true }).waitFor();
  assert.equal(new URL(page.url()).searchParams.get('sort'), 'amount');
  await page.getByRole('button', { name: 'Сбросить' }).click();
  await page.getByText('300 элементов').waitFor();
  await page.getByRole('checkbox', { name: 'Выбрать все на странице' }).click();
  await page.getByRole('button', { name: 'Выбрать все 300' }).click();
  await page.getByRole('toolbar').getByText('Выбрано 300').waitFor();
  await page.getByRole('toolbar').getByRole('button', { name: 'Переместить' }).click();
  await page.getByRole('menuitem', { name: 'Дальше' }).click();
  await page.getByText('Перемещено 300 элементов').first().waitFor();
  const { stages } = await api(admin).get(`/api/pipelines/${pipeline.id}/summary`);
  assert.equal(stages.find((stage: { stageId: number }) => stage.stageId === pipeline.stage('Дальше').id).count, 300);
});

/** What the main thread of the pages did meanwhile, task by task, in milliseconds of processor: others on the machine stretch the time a task takes, not its work. */
async function tasksOf(page: Page, work: () => Promise<void>): Promise<number[]> {
  const session = await page.context().browser()!.newBrowserCDPSession();
  const events: { name: string; ph: string; pid: number; tid: number; tdur?: number }[] = [];
  session.on('Tracing.dataCollected', ({ value }) => events.push(...(value as unknown as typeof events)));
  await session.send('Tracing.start', { transferMode: 'ReportEvents', traceConfig: { includedCategories: ['devtools.timeline', 'disabled-by-default-devtools.timeline'] } });
  await work();
  const isOver = new Promise((resolve) => session.once('Tracing.tracingComplete', resolve));
  await session.send('Tracing.end');
  await isOver;
  const main = new Set(events.filter(({ name }) => name === 'UpdateLayoutTree').map(({ pid, tid }) => `${pid} ${tid}`));
  return events.filter(({ name, ph, pid, tid }) => name === 'RunTask' && ph === 'X' && main.has(`${pid} ${tid}`)).map(({ tdur = 0 }) => tdur / 1000);
}

test('a column of ten thousand scrolls to any depth without holding up the page, and moves are shown at once and confirmed in a moment', { skip: browser.missing }, async () => {
  const pipeline = await given.pipeline({ stages: ['Много', 'Рядом'] });
  await db.run(sql`
    insert into items (item_type_id, pipeline_id, stage_id, title, amount, currency, owner_id, created_at, updated_at, moved_at)
    select ${pipeline.itemTypeId}, ${pipeline.id}, ${pipeline.stage('Много').id}, 'Глубина ' || n, n, 'RUB', ${admin.id}, now(), now(), '2026-01-01'::timestamptz + n * interval '1 second' from generate_series(1, 10000) n`);
  const page = await browser.signIn(admin);
  await page.goto(`/crm/deal?pipeline=${pipeline.id}`);
  await column(page, 'Много').getByLabel('10 000 элементов').waitFor();
  await card(page, 'Глубина 10000').waitFor();

  const median = (all: number[]): number => Math.round([...all].sort((a, b) => a - b)[Math.floor(all.length / 2)] ?? NaN);
  const confirmed: number[] = [];
  await page.evaluate(`
    window.shown = [];
    document.addEventListener('keydown', () => {
      const at = performance.now();
      const place = () => document.querySelector('[aria-label="Глубина 10000"]')?.closest('[data-drop]');
      const before = place();
      const look = () => (place() && place() !== before ? window.shown.push(performance.now() - at) : requestAnimationFrame(look));
      look();
    }, true)`);
  await page.getByRole('link', { name: 'Глубина 10000' }).focus();
  for (let turn = 0; turn < 30; turn++) {
    const there = turn % 2 === 0;
    const answered = page.waitForResponse((response) => response.request().method() === 'PATCH');
    await page.keyboard.press(there ? 'Control+ArrowRight' : 'Control+ArrowLeft');
    confirmed.push((await answered).request().timing().responseStart);
    await column(page, there ? 'Рядом' : 'Много').locator('[data-card-link]:focus', { hasText: 'Глубина 10000' }).waitFor();
  }
  await page.waitForFunction('window.shown.length >= 30');
  const shown = await page.evaluate<number[]>('window.shown');
  console.log(`of 30 moves half were shown after ${median(shown)} ms and confirmed after ${median(confirmed)} ms`);
  // Asked for are 100 ms (docs/performance.md); the rest is for machines on which others work, too.
  assert.ok(median(shown) < 1000, `half of the moves were shown after ${median(shown)} ms`);
  assert.ok(median(confirmed) < 1000, `half of the moves were confirmed after ${median(confirmed)} ms`);

  const box = await column(page, 'Много').boundingBox();
  assert.ok(box);
  await page.mouse.move(box.x + 100, box.y + 300);
  const turns = 120;
  const tasks = await tasksOf(page, async () => {
    for (let turn = 0; turn < turns; turn++) {
      await page.mouse.wheel(0, 400);
      await page.evaluate('new Promise(requestAnimationFrame)');
    }
  });
  await page.locator('[data-item]').first().waitFor();
  assert.ok(await page.locator('[data-item]').count() < 60, 'only what is near the screen is drawn');
  const long = tasks.filter((ms) => ms > 50);
  console.log(`${tasks.length} tasks while scrolling, the longest of ${Math.round(Math.max(...tasks))} ms of processor, ${long.length} of more than 50`);
  assert.ok(tasks.length > turns, 'the tasks of the page were counted');
  // None on a quiet machine. Where a core is shared even the work gets longer; a column drawn without care had every second turn here.
  assert.ok(long.length <= turns / 8, `${long.length} of ${turns} turns of the wheel took more than 50 ms of processor: ${long.map(Math.round).join(', ')}`);
});

test('a board can be used after 200 kB of program, and with the texts of one language', { skip: browser.missing }, async (t) => {
  const pipeline = await given.pipeline({ stages: ['Первая', 'Вторая'] });
  await given.item({ pipelineId: pipeline.id, title: 'Вес' });
  t.after(() => api(admin).patch(`/api/employees/${admin.id}`, { language: 'ru' }));
  // A browser in Russian of somebody who reads English.
  const page = await browser.signIn(admin, { language: 'en', context: { locale: 'ru-RU' } });
  const scripts: { name: string; body: Promise<Buffer> }[] = [];
  page.on('response', (response) => {
    const { pathname } = new URL(response.url());
    if (pathname.endsWith('.js')) scripts.push({ name: pathname, body: response.body() });
  });
  // The moment in the page itself: what comes later, when it is quiet, is not counted.
  await page.addInitScript(`new MutationObserver((_, watch) => {
    if (!document.querySelector('[data-item]') || !document.querySelector('input[type=search]')) return;
    window.usableAt = performance.now();
    watch.disconnect();
  }).observe(document, { childList: true, subtree: true })`);
  await page.goto(`/crm/deal?pipeline=${pipeline.id}`);
  await card(page, 'Вес').waitFor();
  const before = await page.evaluate<string[]>("performance.getEntriesByType('resource').filter(({ startTime }) => startTime < window.usableAt).map(({ name }) => new URL(name).pathname)");
  const brought = await Promise.all(scripts.filter(({ name }) => before.includes(name)).map(async ({ name, body }) => ({ name, text: String(await body), bytes: gzipSync(await body).length })));
  const bytes = brought.reduce((sum, script) => sum + script.bytes, 0);
  const list = brought.sort((a, b) => b.bytes - a.bytes).map((script) => `${script.bytes} ${script.name}`).join('\n');
  console.log(`a board can be used after ${Math.round(bytes / 1000)} kB in ${brought.length} scripts`);
  assert.ok(brought.length > 5 && bytes > 50_000, list);
  assert.ok(bytes <= 200_000, `${bytes} bytes of program (compressed) come before the board can be used:\n${list}`);
  assert.deepEqual(brought.filter(({ text }) => /[а-яё]{4}/i.test(text)).map(({ name }) => name), [], 'texts in Russian were brought to somebody who reads English');
  // What opens on a press is there when it is pressed, whether it had come before or not.
  await page.getByRole('button', { name: 'Filter', exact: true }).click();
  await page.getByPlaceholder('Find a field').waitFor();
  await page.keyboard.press('Escape');
  await page.getByRole('button', { name: /^More/ }).first().focus();
  await page.keyboard.press('Enter');
  await page.locator('[role=menuitem]:focus').waitFor();
});

test('the board is good to look at and to use: both languages, light and dark, desk and phone', { skip: browser.missing }, async () => {
  const pipeline = await given.pipeline({ name: 'Строительство', stages: ['Новая заявка', 'Отправка счета', 'Согласование договора', 'Доставка товара'] });
  const { id: companyId } = await api(admin).post('/api/companies', { title: 'ООО «Ромашка»' });
  const { id: contactId } = await api(admin).post('/api/contacts', { lastName: 'Петров', firstName: 'Иван' });
  for (const [n, stage] of pipeline.stages.filter((one) => one.semantics === 'process').entries()) {
    for (let row = 0; row <= n * 2; row++) {
      await given.item({
        pipelineId: pipeline.id, stageId: stage.id, amount: (n + 1) * 123_450 + row, ownerId: row % 2 ? anna.id : admin.id, companyId, contactId, closesOn: row % 3 ? '2030-03-10' : '2026-01-10',
        title: row === 1 ? 'Очень длинное название сделки, которое не помещается в одну строку карточки и переносится, а потом обрезается многоточием, чтобы карточка оставалась карточкой' : `Дом № ${n}${row}`,
      });
    }
  }
  for (const [language, colorScheme] of [['ru', 'light'], ['en', 'dark']] as const) {
    for (const isPhone of [false, true]) {
      const page = await browser.signIn(admin, { language, colorScheme, isPhone });
      await page.goto(`/crm/deal?pipeline=${pipeline.id}`);
      await card(page, 'Дом № 00').waitFor();
      await picture(page, `kanban-${language}-${colorScheme}${isPhone ? '-phone' : ''}`);
      assert.deepEqual(await browser.accessibility(page), []);
      assert.ok(await page.evaluate('document.documentElement.scrollWidth <= window.innerWidth'), 'the page is no wider than the screen');
      await page.goto(`/crm/deal/list?pipeline=${pipeline.id}`);
      await page.getByRole('link', { name: 'Дом № 00' }).waitFor();
      await picture(page, `list-${language}-${colorScheme}${isPhone ? '-phone' : ''}`);
      assert.deepEqual(await browser.accessibility(page), []);
    }
  }
  await api(admin).patch(`/api/employees/${admin.id}`, { language: 'ru' });
});

test('a finger that rests on a card drags it', { skip: browser.missing }, async () => {
  const pipeline = await given.pipeline({ stages: ['Палец', 'Сюда'] });
  await given.item({ pipelineId: pipeline.id, title: 'Под пальцем' });
  const page = await browser.signIn(admin, { context: { viewport: { width: 800, height: 700 }, hasTouch: true } });
  await page.goto(`/crm/deal?pipeline=${pipeline.id}`);
  const [from, to] = [await card(page, 'Под пальцем').boundingBox(), await column(page, 'Сюда').boundingBox()];
  assert.ok(from && to);
  const touch = await page.context().newCDPSession(page);
  const at = (x: number, y: number) => ({ touchPoints: [{ x, y }] });
  await touch.send('Input.dispatchTouchEvent', { type: 'touchStart', ...at(from.x + 30, from.y + 20) });
  await page.locator('.is-dragging').waitFor({ state: 'attached' });
  await touch.send('Input.dispatchTouchEvent', { type: 'touchMove', ...at(to.x + 100, to.y + 150) });
  await page.locator('[data-drop].ring-2').waitFor({ state: 'attached' });
  await touch.send('Input.dispatchTouchEvent', { type: 'touchEnd', touchPoints: [] });
  await card(column(page, 'Сюда'), 'Под пальцем').waitFor();
});

test('anything is found from anywhere by a few letters', { skip: browser.missing }, async () => {
  await given.item({ title: 'Палитра находит' });
  await api(admin).post('/api/chats', { kind: 'open', title: 'Чат летучки', memberIds: [anna.id] });
  await api(anna).post('/api/posts', { title: 'Летучка по пятницам', body: 'В десять.', audience: [{ kind: 'everyone' }] });
  const page = await browser.signIn(admin);
  await page.goto('/crm/deal');
  await page.getByRole('region').first().waitFor();
  await page.keyboard.press('Control+KeyK');
  await page.getByPlaceholder('Что найти?').fill('палитра нах');
  await page.getByRole('option', { name: /Палитра находит/ }).waitFor();
  await picture(page, 'palette');
  assert.deepEqual(await browser.accessibility(page), []);
  await page.getByPlaceholder('Что найти?').fill('петрова');
  await page.getByRole('option', { name: /Анна Петрова/ }).waitFor();
  await page.getByPlaceholder('Что найти?').fill('летучк');
  await page.getByRole('option', { name: /Чат летучки/ }).waitFor();
  await page.getByRole('option', { name: /Летучка по пятницам/ }).waitFor();
  await page.getByPlaceholder('Что найти?').fill('лид: спи');
  await page.getByRole('option', { name: 'Лид: список' }).waitFor();
  await page.keyboard.press('Enter');
  await page.waitForURL('**/crm/lead/list');
});
