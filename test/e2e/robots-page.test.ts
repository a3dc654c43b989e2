/** Working on the Robots page: order, copies, two people at once, what goes away under a robot, versions, triggers, the journal, speed. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Locator, Page } from 'playwright-core';
import { chooseOption, openBrowser, picture } from '../support/browser.ts';
import { type GivenPipeline, startTestVestnik } from '../support/vestnik.ts';

const vestnik = await startTestVestnik({ services: { web: true, worker: true }, now: () => new Date() });
const browser = await openBrowser(vestnik);
const { admin, api, given } = vestnik;
const boris = await given.employee({ firstName: 'Борис', lastName: 'Волков', isAdmin: true });
const anna = await given.employee({ firstName: 'Анна', lastName: 'Петрова' });
const owner = { kind: 'role', role: 'owner' };

const stageOf = (page: Page, name: string): Locator => page.getByRole('region', { name: new RegExp(`^Стадия «${name}»`) });
const robotOf = (where: Page | Locator, title: string): Locator => where.locator('li[data-robot]').filter({ has: where.getByRole('switch', { name: `Робот «${title}» включён` }) });
const opened = (page: Page, title: string): Locator => robotOf(page, title).getByRole('button').first();
/** Waits until the robots of the stage stand in this order. */
async function ordered(page: Page, stage: string, ...titles: string[]): Promise<void> {
  const cards = stageOf(page, stage).locator('li[data-robot]');
  for (const [place, title] of titles.entries()) await cards.nth(place).getByText(title, { exact: true }).waitFor();
  await cards.nth(titles.length).waitFor({ state: 'detached' });
}
async function robotsPage(page: Page, pipeline: GivenPipeline, type = 'deal'): Promise<void> {
  await page.goto(`/crm/${type}/robots?pipeline=${pipeline.id}`);
  await stageOf(page, 'Работа').waitFor();
}
/** «Отменить» in the toast that says so: others may still stand beside it. */
const undo = (page: Page, said: string): Promise<void> => page.getByText(said, { exact: true }).locator('xpath=ancestor::li').getByRole('button', { name: 'Отменить' }).last().click();
const notify = (pipeline: GivenPipeline, stage: string, title: string, more: object = {}) =>
  given.robot(pipeline.stage(stage), 'notify', { text: `${title}: {=Document:title}`, recipients: [owner] }, { title, ...more });
async function published(page: Page, version: number): Promise<void> {
  await page.getByRole('button', { name: 'Опубликовать' }).click();
  await page.getByRole('dialog').getByRole('button', { name: 'Опубликовать' }).click();
  await page.getByText(`Работает версия ${version} от`).waitFor();
}

test('robots are ordered by mouse and keys, and copied, deleted and taken back; another window follows', { skip: browser.missing }, async () => {
  const pipeline = await given.pipeline({ stages: ['Начало', 'Работа', 'Итог'] });
  await given.field({ name: 'Срок', type: 'date', code: 'deadline' });
  const chat = await given.robot(pipeline.stage('Работа'), 'create-group-chat', { title: 'О сделке', members: [owner, { kind: 'employee', id: anna.id }] }, { title: 'Чат' });
  await given.robot(pipeline.stage('Работа'), 'message-group-chat', { chat: `{=A${chat.id}:chatId}`, text: 'Срок {=Document:deadline}' }, { title: 'Сообщение' });
  await notify(pipeline, 'Итог', 'Третий');
  const [mine, his] = await Promise.all([browser.signIn(admin), browser.signIn(boris)]);
  await Promise.all([robotsPage(mine, pipeline), robotsPage(his, pipeline)]);
  await ordered(mine, 'Работа', 'Чат', 'Сообщение');

  await robotOf(mine, 'Третий').dragTo(robotOf(mine, 'Чат'), { targetPosition: { x: 80, y: 4 } });
  await ordered(mine, 'Работа', 'Третий', 'Чат', 'Сообщение');
  await ordered(his, 'Работа', 'Третий', 'Чат', 'Сообщение');
  await undo(mine, 'Робот перенесён на стадию «Работа»');
  await ordered(his, 'Итог', 'Третий');

  await opened(mine, 'Третий').focus();
  await mine.keyboard.press('Alt+ArrowLeft');
  await ordered(mine, 'Работа', 'Чат', 'Сообщение', 'Третий');
  await mine.keyboard.press('Alt+ArrowUp');
  await mine.keyboard.press('Alt+ArrowUp');
  await ordered(mine, 'Работа', 'Третий', 'Чат', 'Сообщение');
  await ordered(his, 'Работа', 'Третий', 'Чат', 'Сообщение');
  await mine.keyboard.press('Alt+ArrowRight');
  await ordered(his, 'Итог', 'Третий');

  await robotOf(mine, 'Третий').getByRole('button', { name: 'Действия с роботом «Третий»' }).click();
  await mine.getByRole('menuitem', { name: 'Дублировать' }).click();
  await ordered(mine, 'Итог', 'Третий', 'Третий');
  await stageOf(mine, 'Итог').getByRole('button', { name: 'Действия с роботом «Третий»' }).last().click();
  await mine.getByRole('menuitem', { name: 'Удалить' }).click();
  await mine.getByText('Робот «Третий» удалён').first().waitFor();
  await ordered(his, 'Итог', 'Третий');
  await undo(mine, 'Робот «Третий» удалён');
  await ordered(his, 'Итог', 'Третий', 'Третий');

  // Both robots of the chat go to a pipeline of leads: what refers to the chat follows, the field that is not there is marked.
  const leads = await given.pipeline({ itemType: 'lead', name: 'Лиды', stages: ['Работа'] });
  for (const title of ['Чат', 'Сообщение']) await mine.getByRole('checkbox', { name: `Выбрать робота «${title}»` }).check();
  await picture(mine, 'robots-selected');
  await mine.getByRole('toolbar').getByRole('button', { name: 'Копировать или перенести' }).click();
  const dialog = mine.getByRole('dialog');
  await dialog.getByLabel('Воронка').click();
  await mine.getByRole('option', { name: /: Лиды$/ }).click();
  await dialog.getByLabel('Стадия').click();
  await chooseOption(mine, 'Работа');
  await picture(mine, 'robots-copy');
  await dialog.getByRole('button', { name: 'Копировать', exact: true }).click();
  await mine.getByText('Осталось поправить: 1. Откройте отмеченных роботов.').first().waitFor();
  await robotsPage(mine, leads, 'lead');
  await ordered(mine, 'Работа', 'Чат', 'Сообщение');
  await robotOf(mine, 'Сообщение').getByText('Исправить: 1').waitFor();
  assert.equal(await robotOf(mine, 'Чат').getByText(/Исправить/).count(), 0);
  await picture(mine, 'robots-copied');
  assert.deepEqual(await browser.accessibility(mine), []);
});

test('two people at one robot are asked whose is kept; a half filled one stays a draft; what went away shows at once', { skip: browser.missing }, async () => {
  const pipeline = await given.pipeline({ stages: ['Начало', 'Работа'] });
  const field = await given.field({ name: 'Договор', type: 'string', code: 'contract' });
  const { id: chatId } = await api(admin).post('/api/chats', { kind: 'closed', title: 'Склад', memberIds: [anna.id, boris.id] });
  const robot = await notify(pipeline, 'Работа', 'Общий');
  await given.robot(pipeline.stage('Работа'), 'message-group-chat', { chat: chatId, text: 'Номер {=Document:contract}' }, { title: 'В чат' });
  const [mine, his] = await Promise.all([browser.signIn(admin), browser.signIn(boris)]);
  await Promise.all([robotsPage(mine, pipeline), robotsPage(his, pipeline)]);
  const rename = async (page: Page, from: string, to: string) => {
    await opened(page, from).click();
    await page.getByRole('textbox', { name: 'Название', exact: true }).fill(to);
  };
  const save = (page: Page) => page.getByRole('dialog').getByRole('button', { name: 'Сохранить', exact: true }).click();
  await rename(mine, 'Общий', 'Мой вариант');
  await rename(his, 'Общий', 'Его вариант');
  await save(his);
  await robotOf(his, 'Его вариант').waitFor();
  await save(mine);
  await mine.getByText('Пока вы настраивали робота, его изменил другой человек: Борис Волков.').waitFor();
  await picture(mine, 'robots-conflict');
  await mine.getByRole('button', { name: 'Отмена' }).last().click();
  assert.equal((await api(admin).get(`/api/pipelines/${pipeline.id}/robots`)).robots.find((one: { id: number }) => one.id === robot.id).title, 'Его вариант');
  await save(mine);
  await mine.getByRole('button', { name: 'Сохранить мой вариант' }).click();
  await robotOf(his, 'Мой вариант').waitFor();

  // Half filled and too long: saved, says what is missing, and cannot be published.
  await mine.getByRole('button', { name: 'Добавить робота или триггер на стадию «Начало»' }).click();
  await mine.getByPlaceholder('Что должно произойти?').fill('письмо сотруднику');
  await mine.getByRole('button', { name: /^Отправить письмо сотруднику/ }).first().click();
  const panel = mine.getByRole('dialog', { name: 'Отправить письмо сотруднику' });
  const subject = panel.getByRole('textbox', { name: 'Тема' });
  await subject.click();
  await mine.keyboard.insertText('Очень длинная тема '.repeat(20));
  await panel.getByText('380 из 255 символов').waitFor();
  await panel.getByRole('status').getByText(/Чтобы опубликовать, осталось:/).waitFor();
  await picture(mine, 'robots-too-long');
  await save(mine);
  await panel.waitFor({ state: 'detached' });
  const half = robotOf(mine, 'Отправить письмо сотруднику');
  await half.getByText(/^Исправить: \d$/).waitFor();
  await mine.getByRole('button', { name: 'Опубликовать' }).click();
  await mine.getByRole('alert').getByText(/Отправить письмо сотруднику/).first().waitFor();
  assert.ok(await mine.getByRole('dialog').getByRole('button', { name: 'Опубликовать' }).isDisabled());
  await picture(mine, 'robots-blocked');
  await mine.keyboard.press('Escape');
  // Off, it still says so, and holds up nobody.
  await half.getByRole('switch').click();
  await half.getByText(/^Исправить: \d$/).waitFor();
  await published(mine, 3);

  const inChat = robotOf(mine, 'В чат');
  assert.equal(await inChat.getByText(/Исправить/).count(), 0);
  await api(admin).del(`/api/chats/${chatId}`);
  await inChat.getByText('Исправить: 1').waitFor();
  await api(admin).del(`/api/fields/${field.id}`);
  await inChat.getByText('Исправить: 2').waitFor();
  await inChat.getByText(/удалённый чат/).waitFor();
  await api(admin).patch(`/api/employees/${anna.id}`, { lastName: 'Ветрова' });
  const { stages } = await api(admin).post(`/api/pipelines/${pipeline.id}/stages`, { name: 'Новейшая' });
  await stageOf(mine, 'Новейшая').waitFor();
  await api(admin).del(`/api/stages/${stages.find((stage: { name: string }) => stage.name === 'Новейшая').id}`);
  await stageOf(mine, 'Новейшая').waitFor({ state: 'detached' });
  await picture(mine, 'robots-gone');
});

test('publishing tells what changes and what becomes of waiting runs; an earlier version comes back; runs are hurried, cancelled, repeated', { skip: browser.missing }, async () => {
  const pipeline = await given.pipeline({ stages: ['Начало', 'Работа'] });
  const later = { order: 'independent', timing: { kind: 'after', amount: 3, unit: 'hours' } };
  await notify(pipeline, 'Работа', 'Позже', later);
  await notify(pipeline, 'Работа', 'Лишний', later);
  await given.robot(pipeline.stage('Работа'), 'create-invoice', { title: 'Счёт: {=Document:title}' }, { title: 'Счёт', order: 'independent' });
  await notify(pipeline, 'Работа', 'Крупная', { condition: { op: 'and', items: [{ left: '{=Document:amount}', operator: 'greater', value: 1000 }] } });
  const deal = await given.item({ pipelineId: pipeline.id, title: 'Без суммы', ownerId: anna.id });
  await vestnik.moved(deal, pipeline.stage('Работа'));
  const page = await browser.signIn(admin);
  await robotsPage(page, pipeline);
  await robotOf(page, 'Позже').getByRole('link', { name: '1 ждёт' }).waitFor();
  await robotOf(page, 'Счёт').getByRole('link', { name: '1 ошибка' }).waitFor();
  await picture(page, 'robots-counts');

  await robotOf(page, 'Лишний').getByRole('button', { name: 'Действия с роботом «Лишний»' }).click();
  await page.getByRole('menuitem', { name: 'Удалить' }).click();
  await robotOf(page, 'Лишний').waitFor({ state: 'detached' });
  await page.getByRole('button', { name: 'Опубликовать' }).click();
  const dialog = page.getByRole('dialog');
  await dialog.getByText('Исчезнет: «Лишний» со стадии «Работа»').waitFor();
  await dialog.getByText('«Лишний»: 1 запуск остановится, робота больше не будет.').waitFor();
  await dialog.getByText(/«Позже»: 1 запуск/).waitFor();
  await picture(page, 'robots-publish-waiting');
  await dialog.getByRole('textbox', { name: 'Что и зачем изменили' }).fill('Без лишнего');
  await dialog.getByRole('button', { name: 'Опубликовать' }).click();
  await page.getByText('Работает версия 5 от').waitFor();

  await page.getByRole('button', { name: 'Ещё: журнал, история, экспорт' }).click();
  await page.getByRole('menuitem', { name: 'История версий' }).click();
  const history = page.getByRole('dialog', { name: 'История версий' });
  await history.getByText('Без лишнего').waitFor();
  await history.getByRole('button', { name: /^Версия 4/ }).click();
  await history.getByText('Появится: «Крупная» на стадии «Работа»').waitFor();
  await picture(page, 'robots-history');
  assert.deepEqual(await browser.accessibility(page), []);
  await history.getByRole('button', { name: 'Вернуть в черновик' }).click();
  await ordered(page, 'Работа', 'Позже', 'Лишний', 'Счёт', 'Крупная');
  await page.getByText('Черновик не опубликован').waitFor();

  // The tab of the card: what happened, what waits and until when, and what a person may do about it.
  await page.goto(`/crm/deal/item/${deal.id}?tab=robots`);
  const run = (title: string) => page.locator('li[data-run]').filter({ has: page.getByRole('link', { name: title, exact: true }) });
  await run('Крупная').getByText(/Условие не выполнено: .*Сумма/).waitFor();
  await run('Позже').getByText(/^Запланирован на/).waitFor();
  await picture(page, 'robots-card-tab');
  await run('Позже').getByRole('button', { name: 'Выполнить сейчас' }).click();
  await run('Позже').getByText('Сработал', { exact: true }).waitFor();
  await api(admin).patch(`/api/items/${deal.id}`, { amount: 500 });
  await run('Счёт').getByRole('button', { name: 'Повторить' }).click();
  await run('Счёт').getByText('Сработал', { exact: true }).waitFor();
  await vestnik.moved(deal, pipeline.stage('Начало'));
  await vestnik.moved(deal, pipeline.stage('Работа'));
  await run('Позже').first().getByRole('button', { name: 'Отменить запуск' }).click();
  await page.getByRole('dialog').last().getByRole('button', { name: 'Отменить запуск' }).click();
  await run('Позже').first().getByText('Отменён', { exact: true }).waitFor();

  await run('Крупная').first().getByRole('link', { name: 'Крупная' }).click();
  await page.getByText(/Условие не выполнено: Сумма 500.*не больше/).waitFor();
  await page.getByRole('link', { name: 'Без суммы' }).waitFor();
  await picture(page, 'robots-run');
  assert.deepEqual(await browser.accessibility(page), []);

  await page.goto(`/crm/deal/robots/journal?pipelineId=${pipeline.id}`);
  await page.getByRole('img', { name: 'Запуски по дням' }).locator('canvas').waitFor();
  await page.getByText(/За период: сработал/).waitFor();
  await picture(page, 'robots-journal');
  assert.deepEqual(await browser.accessibility(page), []);
  await page.getByLabel('Состояние').click();
  await chooseOption(page, 'Отменён');
  await page.waitForURL(/state=cancelled/);
  await page.locator('li[data-run]').filter({ hasText: 'Сработал' }).first().waitFor({ state: 'detached' });
  await run('Позже').waitFor();
  const [download] = await Promise.all([page.waitForEvent('download'), page.getByRole('link', { name: 'Скачать CSV' }).click()]);
  const file = await download.createReadStream();
  let csv = '';
  for await (const part of file) csv += String(part);
  const lines = csv.trim().split(/\r?\n/);
  assert.ok(lines.length >= 2 && lines.slice(1).every((line) => line.includes('Позже') || line.includes('Лишний')), csv);
});

test('triggers of every kind are set up, and one moves a deal', { skip: browser.missing }, async () => {
  const pipeline = await given.pipeline({ stages: ['Начало', 'Работа', 'Итог'] });
  const page = await browser.signIn(admin);
  await robotsPage(page, pipeline);
  const add = async (kind: string) => {
    await page.getByRole('button', { name: 'Добавить робота или триггер на стадию «Работа»' }).click();
    await page.getByPlaceholder('Что должно произойти?').fill(kind);
    await page.getByRole('button', { name: new RegExp(`^${kind}`) }).last().click();
    const panel = page.getByRole('dialog', { name: kind });
    await panel.getByRole('button', { name: 'Сохранить' }).waitFor();
    return panel;
  };
  const save = async (panel: Locator) => {
    await panel.getByRole('button', { name: 'Сохранить' }).click();
    await panel.waitFor({ state: 'detached' });
  };
  const kinds: { kind: string; title: string }[] = await api(admin).get('/api/trigger-types');
  for (const { kind, title } of kinds) {
    const panel = await add(title);
    if (kind === 'fieldChanged') {
      await panel.getByLabel('Добавить поле').click();
      await page.getByRole('option', { name: 'Сумма', exact: true }).click();
      await panel.getByRole('button', { name: 'Каким стало значение' }).click();
      await panel.getByRole('combobox', { name: 'Сравнение: Сумма' }).click();
      await chooseOption(page, 'больше');
      await panel.getByRole('textbox', { name: 'Значение: Сумма' }).fill('100');
      await panel.getByText(/«Сумма».*больше 100/).waitFor();
    }
    await picture(page, `robots-trigger-${kind}`);
    if (kind === 'app') {
      await panel.getByText('Ни одно приложение не сообщило о своих событиях.').waitFor();
      await panel.getByRole('button', { name: 'Отмена' }).click();
      await panel.waitFor({ state: 'detached' });
    } else await save(panel);
  }
  assert.deepEqual(await browser.accessibility(page), []);
  await published(page, 1);
  await picture(page, 'robots-triggers');
  const deal = await given.item({ pipelineId: pipeline.id, title: 'Выросла', amount: 50 });
  await api(admin).patch(`/api/items/${deal.id}`, { amount: 150 });
  await page.goto(`/crm/deal?pipeline=${pipeline.id}`);
  await page.getByRole('region', { name: 'Работа', exact: true }).getByRole('article', { name: 'Выросла' }).waitFor();
});

test('twenty stages with two hundred robots open and answer at once', { skip: browser.missing }, async () => {
  const pipeline = await given.pipeline({ stages: Array.from({ length: 18 }, (_, n) => (n === 0 ? 'Работа' : `Этап ${n}`)) });
  const path = `/api/pipelines/${pipeline.id}/robots`;
  const ids = (await Promise.all([100, 100].map(async (count): Promise<number[]> => (await api(admin).post('/api/robot-ids', { count })).ids))).flat();
  const robots = ids.map((id, n) => ({
    id, stageId: pipeline.stages[n % pipeline.stages.length]!.id, type: 'notify', title: '', settings: { text: `Сделка {=Document:title} на {=Document:amount}, ${n}`, recipients: [owner] },
    condition: n % 2 === 0 ? null : { op: 'and', items: [{ left: '{=Document:amount}', operator: 'greater', value: 1_000_000 }] },
  }));
  await api(admin).put(path, { revision: 0, robots });
  const page = await browser.signIn(admin);
  const opens = async (): Promise<number> => {
    await page.goto(`/crm/deal?pipeline=${pipeline.id}`);
    await page.getByText('Здесь пока ничего нет').waitFor();
    return page.evaluate<number>(`(async () => {
      const link = [...document.querySelectorAll('a')].find((one) => /\\/robots\\b/.test(one.getAttribute('href') ?? ''));
      const began = performance.now();
      link.click();
      while (document.querySelectorAll('li[data-robot]').length < 200) await new Promise(requestAnimationFrame);
      return performance.now() - began;
    })()`);
  };
  await opens();
  const taken = await opens();
  const panel = await page.evaluate<number>(`(async () => {
    const began = performance.now();
    document.querySelector('li[data-robot] button').click();
    while (!document.querySelector('#robot-form')) await new Promise(requestAnimationFrame);
    return performance.now() - began;
  })()`);
  await picture(page, 'robots-200');
  // 300 and 100 ms on an idle machine (docs/performance.md); here others work beside us.
  assert.ok(taken < 10_000, `The page took ${taken} ms.`);
  assert.ok(panel < 5000, `The panel took ${panel} ms.`);
});
