/**
 * The ten scenarios of the article, A to J, set up by hand on the Robots page as the article describes them, in its own words, tried
 * out with a real deal without a trace, and published. Then a manager drags the deal along the board, and what each person gets
 * appears where the article shows it, in the window that is open there.
 */
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import type { Locator, Page } from 'playwright-core';
import { sql } from '../../server/db/db.ts';
import { startMailServer, startSmsGateway } from '../../tools/receivers.ts';
import { card, column, drag } from '../support/board.ts';
import { chooseOption, openBrowser, picture } from '../support/browser.ts';
import { toldBy } from '../support/told.ts';
import { startTestVestnik } from '../support/vestnik.ts';

const vestnik = await startTestVestnik({ services: { web: true, worker: true }, now: () => new Date() });
const { api, admin, given, moved, db } = vestnik;
const told = toldBy(vestnik);
const browser = await openBrowser(vestnik);
const smtp = await startMailServer();
const gateway = await startSmsGateway();
after(() => Promise.all([smtp.stop(), gateway.stop()]));
const actor = await vestnik.actor(admin);
await vestnik.vestnik.mail.createSender(actor, {
  name: 'Дубрава', address: 'robots@dubrava.example', host: smtp.host, port: smtp.port, security: 'none', username: '', password: '', isDefault: true,
});
await vestnik.vestnik.sms.createProvider(actor, {
  type: 'http', name: 'Шлюз', isDefault: true, secrets: {},
  settings: { url: gateway.url, format: 'json', body: JSON.stringify({ to: '{phone}', text: '{text}', reference: '{id}' }), messageIdPath: 'id', allowPrivateHost: true },
});

const head = await given.employee({ firstName: 'Иван', lastName: 'Соколов' });
const manager = await given.employee({ firstName: 'Анна', lastName: 'Волкова', mobilePhone: '+79005550101' });
const lawyer = await given.employee({ firstName: 'Павел', lastName: 'Киселёв' });
const legalHead = await given.employee({ firstName: 'Мария', lastName: 'Орлова' });
const assembler = await given.employee({ firstName: 'Олег', lastName: 'Сборщиков' });
await given.department({ name: 'Отдел продаж', headIds: [head.id], employeeIds: [manager.id] });
await given.department({ name: 'Юридический отдел', headIds: [legalHead.id], employeeIds: [lawyer.id] });
await given.department({ name: 'Склад', employeeIds: [assembler.id] });
await given.field({ name: 'Дата оплаты', type: 'date', code: 'paymentDate' });
// «1. Создайте пользовательское поле»: a string.
await given.field({ name: 'ID группового чата', type: 'string', code: 'groupChatId' });
await given.field({ name: 'Отзыв клиента', type: 'file', code: 'review', isMultiple: true });
const pipeline = await given.pipeline({ name: 'Продажи', stages: ['Звонок', 'Новая заявка', 'Новая сделка', 'Согласование договора', 'Отправка счета', 'Оплата счета', 'Сборка товара', 'Доставка товара'] });
const won = pipeline.stages.find((stage) => stage.semantics === 'success')!;
const client = await api(admin).post('/api/contacts', { firstName: 'Пётр', lastName: 'Заказчиков', phones: ['+79161234567'] });
const storages = await api(admin).get('/api/drive/storages');
await api(admin).fetch(`/api/drive/folders/${storages.own.id}/files?${new URLSearchParams({ name: 'Прайс.txt' })}`, { method: 'POST', headers: { 'content-type': 'application/octet-stream' }, body: 'Стул: 500' });
const review = await given.file({ name: 'Отзыв.txt', content: 'Спасибо!', by: manager });

let page: Page;
const dialog = () => page.getByRole('dialog').last();

/** «Создадим робота на стадии …» */
async function create(stage: string, type: string): Promise<Locator> {
  await page.getByRole('button', { name: `Добавить робота или триггер на стадию «${stage}»` }).click();
  await dialog().getByPlaceholder('Что должно произойти?').fill(type);
  await dialog().getByRole('button', { name: new RegExp(`^${type}`) }).first().click();
  const panel = page.getByRole('dialog', { name: type });
  await panel.getByRole('button', { name: 'Сохранить' }).waitFor();
  return panel;
}

async function save(panel: Locator): Promise<void> {
  await panel.getByRole('button', { name: 'Сохранить' }).click();
  await panel.waitFor({ state: 'detached' });
}

/** Writes into a text: words as they are, [Ветка, Поле] through «…». */
async function write(panel: Locator, label: string, ...parts: (string | readonly string[])[]): Promise<void> {
  const group = panel.getByRole('group', { name: label, exact: true });
  const box = group.getByRole('textbox', { name: label });
  await box.click();
  for (const part of parts) {
    if (typeof part === 'string') {
      await box.focus();
      await page.keyboard.press('ControlOrMeta+End');
      await page.keyboard.insertText(part);
    } else {
      await group.getByRole('button', { name: 'Вставить значение', exact: true }).click();
      await fromTree(part);
    }
  }
}

/** Goes down the tree behind «…», opening branch by branch. */
async function fromTree(path: readonly string[]): Promise<void> {
  const tree = page.getByRole('dialog').last();
  for (const [depth, name] of path.entries()) {
    await tree.getByRole('button', { name, exact: depth > 0 && depth === path.length - 1 }).first().click();
  }
}

async function choose(panel: Locator, label: string, ...names: string[]): Promise<void> {
  const box = panel.getByRole('group', { name: label, exact: true }).getByRole('combobox');
  for (const name of names) {
    await box.click();
    await box.fill(name);
    await page.getByRole('option', { name }).first().waitFor();
    // A department, rather than one of its people.
    const exact = page.getByRole('option', { name, exact: true });
    await ((await exact.count()) > 0 ? exact : page.getByRole('option', { name })).first().click();
    await page.keyboard.press('Escape');
  }
}

async function amountAbove(panel: Locator, amount: string): Promise<void> {
  await panel.getByRole('button', { name: 'Добавить условие' }).click();
  await fromTree(['Сделка', 'Сумма']);
  await panel.getByRole('combobox', { name: 'Сравнение: Сумма' }).click();
  await chooseOption(page, 'больше');
  await panel.getByRole('textbox', { name: 'Значение: Сумма' }).fill(amount);
  await panel.getByText('Робот сработает, только если Сумма больше').waitFor();
}

before(async () => {
  if (browser.missing) return;
  page = await browser.signIn(admin);
  await page.goto(`/crm/deal/robots?pipeline=${pipeline.id}`);
  await page.getByRole('button', { name: /на стадию «Новая заявка»/ }).waitFor();
});

/** One journey in steps: after one that failed the rest have nothing to stand on. */
let isBroken = false;
function step(name: string, run: () => Promise<void>): void {
  test(name, { skip: browser.missing }, async (t) => {
    if (isBroken) return t.skip('a step before failed');
    isBroken = true;
    await run();
    isBroken = false;
  });
}

step('A: «Добавить уведомление» for the sales department on «Новая заявка»', async () => {
  const panel = await create('Новая заявка', 'Добавить уведомление');
  await write(panel, 'Текст уведомления', 'Новая заявка: ', ['Сделка', 'Название'], '. Возьмите её в работу.');
  await choose(panel, 'Отправитель сообщения', 'Соколов');
  await choose(panel, 'Получатель сообщения', 'Отдел продаж');
  await panel.getByText('Уведомить: Отдел продаж').waitFor();
  await picture(page, 'robots-panel-a');
  await save(panel);
  await page.getByRole('button', { name: /^Добавить уведомление Уведомить: Отдел продаж/ }).waitFor();
});

step('I: «Отправить письмо сотруднику» on «Новая сделка», to the owner unless somebody else is chosen', async () => {
  const panel = await create('Новая сделка', 'Отправить письмо сотруднику');
  await write(panel, 'Тема', 'Новая сделка: ', ['Сделка', 'Название']);
  await write(panel, 'Текст письма', 'Клиент: ', ['Контакт', 'Имя'], ', ', ['Контакт', 'Телефон'], '. Сумма: ', ['Сделка', 'Сумма']);
  await panel.getByRole('radio', { name: 'Диск' }).click();
  await panel.getByRole('button', { name: 'Выбрать на Диске' }).click();
  await page.getByRole('checkbox', { name: /Прайс\.txt/ }).check();
  await page.getByRole('button', { name: /^Прикрепить/ }).click();
  await panel.getByRole('link', { name: /Прайс\.txt/ }).waitFor();
  await picture(page, 'robots-panel-i');
  await save(panel);
});

step('D: «Создать групповой чат» with lawyer, owner and the owner\'s head', async () => {
  const panel = await create('Согласование договора', 'Создать групповой чат');
  await write(panel, 'Название чата', 'Договор: ', ['Сделка', 'Название']);
  await choose(panel, 'Участники', 'Киселёв', 'Ответственный', 'Руководитель ответственного');
  await save(panel);
});

step('F, first half: «Изменить элемент» writes «ID чата» into the field', async () => {
  const panel = await create('Согласование договора', 'Изменить элемент');
  await panel.getByLabel('Добавить поле').click();
  await page.getByRole('option', { name: 'ID группового чата' }).click();
  const group = panel.getByRole('group', { name: 'Поля', exact: true });
  await group.getByRole('button', { name: 'Вставить значение', exact: true }).click();
  await fromTree(['Роботы', 'Создать групповой чат', 'ID чата']);
  await save(panel);
});

step('E: «Добавить участников в групповой чат»: … → Роботы → Создать групповой чат → ID чата, above a million', async () => {
  const panel = await create('Согласование договора', 'Добавить участников в групповой чат');
  await panel.getByRole('button', { name: 'Вставить значение: Выбрать чат' }).click();
  await fromTree(['Роботы', 'Создать групповой чат', 'ID чата']);
  await choose(panel, 'Добавить участников', 'Руководитель: Юридический отдел');
  await panel.getByRole('switch', { name: 'Показать историю диалога' }).click();
  await amountAbove(panel, '1 000 000');
  await picture(page, 'robots-panel-e');
  await save(panel);
});

step('H: «Отправить сообщение в личный чат» to the head of the legal department, of the kind chosen by how it looks', async () => {
  const panel = await create('Согласование договора', 'Отправить сообщение в личный чат');
  await choose(panel, 'Получатель', 'Руководитель: Юридический отдел');
  await panel.getByRole('radio', { name: /Важн/ }).click();
  await write(panel, 'Текст сообщения', 'Проверьте договор: ', ['Сделка', 'Сумма']);
  await amountAbove(panel, '1000000');
  await save(panel);
});

step('B: «Добавить комментарий в элемент» with the payment date and the link of the invoice another robot made', async () => {
  const invoice = await create('Отправка счета', 'Сформировать счёт');
  await write(invoice, 'Название счёта', 'Счёт: ', ['Сделка', 'Название']);
  await save(invoice);
  const panel = await create('Отправка счета', 'Добавить комментарий в элемент');
  await write(panel, 'Текст комментария', 'Оплата до ', ['Сделка', 'Дата оплаты'], ', счёт: ', ['Роботы', 'Сформировать счёт', 'Ссылка на счёт']);
  await save(panel);
});

step('J: «Отправить СМС сотруднику» counts characters and parts, and says which letter costs', async () => {
  const panel = await create('Оплата счета', 'Отправить СМС сотруднику');
  await write(panel, 'Текст сообщения', 'Оплачено');
  await panel.getByText('8 из 200 символов · СМС: 1').waitFor();
  await panel.getByText('Из-за буквы «О»').waitFor();
  await picture(page, 'robots-panel-j');
  await save(panel);
});

step('F, second half: on «Сборка товара» the chat comes from the field', async () => {
  const panel = await create('Сборка товара', 'Добавить участников в групповой чат');
  await panel.getByRole('button', { name: 'Вставить значение: Выбрать чат' }).click();
  await fromTree(['Сделка', 'ID группового чата']);
  await choose(panel, 'Добавить участников', 'Склад');
  await panel.getByRole('switch', { name: 'Показать историю диалога' }).click();
  await save(panel);
});

step('G: «Отправить сообщение в групповой чат», the chat taken from the robot of an earlier stage', async () => {
  const panel = await create('Доставка товара', 'Отправить сообщение в групповой чат');
  await panel.getByRole('button', { name: 'Вставить значение: Выбрать чат' }).click();
  await fromTree(['Роботы', 'Создать групповой чат', 'ID чата']);
  await panel.getByRole('radio', { name: /Объявление/ }).click();
  await write(panel, 'Текст сообщения', 'Клиент оплатил счёт, можно отправлять: ', ['Сделка', 'Сумма']);
  await save(panel);
});

step('C: «Добавить новость» for deals above a million, with files of the deal and a tag', async () => {
  const panel = await create(won.name, 'Добавить новость');
  await write(panel, 'Тема сообщения', 'Крупная сделка');
  await write(panel, 'Текст сообщения', 'Ответственный: ', ['Сделка', 'Ответственный'], ', сумма ', ['Сделка', 'Сумма']);
  await choose(panel, 'Получатели', 'Все сотрудники');
  await panel.getByRole('radio', { name: 'Файл документа' }).click();
  await panel.getByRole('group', { name: 'Теги', exact: true }).getByRole('textbox').fill('победа');
  await page.keyboard.press('Enter');
  await amountAbove(panel, '1000000');
  await save(panel);
});

// ——— A deal, and the people

const deal = (title: string, amount: number) => given.item({
  by: manager, title, amount, pipelineId: pipeline.id, stageId: pipeline.stage('Звонок').id, ownerId: manager.id, contactId: client.id, values: { paymentDate: '2026-03-20', review: [review.id] },
});
const [big, small] = [await deal('Переезд в новый офис', 1_500_000), await deal('Два стула', 1_000_000)];

/** Every row of every table, as one number a table, but for those that any request of a browser touches. */
async function everything(): Promise<Record<string, string>> {
  const tables = await db.rows<{ name: string }>(sql`
    select relname as name from pg_class where relkind = 'r' and relnamespace = 'public'::regnamespace and relname not in ('sessions', 'api_tokens') order by relname`);
  const sums: Record<string, string> = {};
  for (const { name } of tables) {
    const [row] = await db.rows<{ sum: string }>(sql`
      select (xpath('//sum/text()', query_to_xml(format('select count(*) || '' '' || coalesce(sum(hashtextextended(t::text, 0)::numeric), 0) as sum from %I t', ${name}::text), false, true, '')))[1]::text as sum`);
    sums[name] = row!.sum;
  }
  return sums;
}

step('the preview shows every message as each person would get it, and leaves no trace', async () => {
  const heard = await Promise.all([manager, head, legalHead].map((one) => vestnik.listen(one, 'feed', 'company', `item:${big.id}`)));
  const before = await everything();
  await page.getByRole('button', { name: 'Проверить', exact: true }).click();
  const panel = page.getByRole('dialog', { name: 'Проверить' });
  await panel.getByLabel(/^Элемент/).click();
  await page.getByPlaceholder('Название или слова из него').fill('Переезд');
  await page.getByRole('option', { name: /Переезд в новый офис/ }).click();
  const onStage = async (stage: string) => {
    await panel.getByRole('combobox', { name: 'Пришёл на стадию' }).click();
    await chooseOption(page, stage);
  };
  const robot = (title: string) => panel.getByRole('listitem').filter({ has: page.getByRole('heading', { name: title, exact: true }) });
  await robot('Добавить уведомление').getByText('Новая заявка: Переезд в новый офис. Возьмите её в работу.').waitFor();
  for (const person of ['Анна Волкова', 'Иван Соколов']) await robot('Добавить уведомление').getByText(person).first().waitFor();
  await robot('Добавить уведомление').getByText('Сработает сразу').waitFor();
  await picture(page, 'robots-preview-a');
  await onStage('Согласование договора');
  await robot('Создать групповой чат').getByText('Договор: Переезд в новый офис').waitFor();
  await robot('Отправить сообщение в личный чат').getByText(/Проверьте договор: 1\s500\s000/).waitFor();
  await robot('Добавить участников в групповой чат').getByText('Мария Орлова').waitFor();
  await picture(page, 'robots-preview-d');
  assert.deepEqual(await browser.accessibility(page), []);
  for (const [stage, title] of [['Новая сделка', 'Отправить письмо сотруднику'], ['Отправка счета', 'Сформировать счёт'], ['Оплата счета', 'Отправить СМС сотруднику'], [won.name, 'Добавить новость']] as const) {
    await onStage(stage);
    await robot(title).getByText('Сработает', { exact: true }).waitFor();
  }
  assert.equal(await panel.getByText('Сработал', { exact: true }).count(), 0);
  await page.keyboard.press('Escape');
  await panel.waitFor({ state: 'detached' });
  assert.deepEqual(await everything(), before);
  assert.deepEqual(heard.flatMap((socket) => socket.hints), []);
  assert.deepEqual([smtp.letters.all.length, gateway.submissions.all.length], [0, 0]);
  for (const socket of heard) socket.close();
});

step('the draft is published with its difference in words', async () => {
  await page.getByRole('button', { name: 'Опубликовать' }).click();
  await dialog().getByText('Появится: «Добавить уведомление» на стадии «Новая заявка»').waitFor();
  await picture(page, 'robots-publish');
  assert.deepEqual(await browser.accessibility(page), []);
  await dialog().getByRole('textbox', { name: 'Что и зачем изменили' }).fill('Как в статье');
  await dialog().getByRole('button', { name: 'Опубликовать' }).click();
  await page.getByText(/Работает версия 1/).waitFor();
  await picture(page, 'robots-board');
  assert.deepEqual(await browser.accessibility(page), []);
});

// Each person at a machine of their own: Анна moves deals, the others look where they are told.
let [anna, ivan, pavel, maria, oleg]: Page[] = [];
const chatOf = (page: Page, title: RegExp): Locator => page.getByRole('list', { name: 'Чаты' }).getByRole('link', { name: title });
const talk = (page: Page): Locator => page.getByRole('log');
/** Анна drags the card to the stage, on a screen wide enough for all of them. */
async function dragged(stage: string): Promise<void> {
  await drag(anna!, card(anna!, 'Переезд в новый офис'), column(anna!, stage));
  await card(column(anna!, stage), 'Переезд в новый офис').waitFor();
}

/** And what is decided goes to the strip that shows while she drags. */
async function draggedToEnd(): Promise<void> {
  const from = await card(anna!, 'Переезд в новый офис').boundingBox();
  await anna!.mouse.move(from!.x + 40, from!.y + 20);
  await anna!.mouse.down();
  await anna!.mouse.move(from!.x + 60, from!.y + 30);
  const to = await anna!.locator(`[data-drop="stage:${won.id}"]`).boundingBox();
  await anna!.mouse.move(to!.x + to!.width / 2, to!.y + to!.height / 2, { steps: 8 });
  await anna!.mouse.up();
  await card(anna!, 'Переезд в новый офис').waitFor({ state: 'detached' });
}

step('A: dragged to «Новая заявка», the deal rings the bell of the sales department, and of nobody else', async () => {
  [anna, ivan, pavel, maria] = await Promise.all([
    browser.signIn(manager, { context: { viewport: { width: 3200, height: 900 } } }), browser.signIn(head), browser.signIn(lawyer), browser.signIn(legalHead),
  ]);
  await Promise.all([anna!.goto(`/crm/deal?pipeline=${pipeline.id}`), ivan!.goto('/feed'), pavel!.goto('/messenger'), maria!.goto('/messenger')]);
  await card(anna!, 'Переезд в новый офис').waitFor();
  await ivan!.getByRole('button', { name: /^Уведомления/ }).waitFor();
  await dragged('Новая заявка');
  const words = 'Новая заявка: Переезд в новый офис. Возьмите её в работу.';
  await ivan!.getByText(words).first().waitFor();
  await ivan!.getByRole('button', { name: /^Уведомления.*1/ }).click();
  const note = ivan!.getByRole('dialog').getByRole('article').filter({ hasText: words });
  await note.getByText('Иван Соколов').first().waitFor();
  await picture(ivan!, 'article-a-bell');
  // «Почему это пришло?»: to the run, and from there to the deal.
  await note.getByRole('link', { name: 'Отправлено роботом' }).click();
  await ivan!.getByRole('heading', { name: 'Почему я это получил?' }).waitFor();
  await ivan!.getByRole('heading', { name: 'Добавить уведомление' }).waitFor();
  await picture(ivan!, 'article-a-why');
  await ivan!.getByRole('link', { name: 'Переезд в новый офис' }).click();
  await ivan!.getByRole('heading', { name: 'Переезд в новый офис' }).waitFor();
  await ivan!.goto('/feed');
  await anna!.getByRole('button', { name: /^Уведомления.*1/ }).waitFor();
  assert.deepEqual(await told.bell(lawyer), []);
});

step('I: on «Новая сделка» the owner gets a letter with client and amount; the card shows the run, its timeline does not', async () => {
  await dragged('Новая сделка');
  const letter = await smtp.letters.next();
  assert.equal(letter.subject, 'Новая сделка: Переезд в новый офис');
  assert.match(letter.text, /^Клиент: Пётр, \+79161234567\. Сумма: 1\u00a0500\u00a0000\u00a0₽/);
  assert.deepEqual(letter.attachments.map(({ name }) => name), ['Прайс.txt']);
  await ivan!.goto(`/crm/deal/item/${big.id}?tab=robots`);
  const run = ivan!.getByRole('listitem').filter({ hasText: 'Отправить письмо сотруднику' });
  await run.getByText('Сработал', { exact: true }).waitFor();
  await picture(ivan!, 'article-i-run');
  await ivan!.goto(`/crm/deal/item/${big.id}?tab=timeline`);
  await ivan!.getByText('Добавить уведомление').first().waitFor();
  assert.equal(await ivan!.getByText('Отправить письмо сотруднику').count(), 0);
});

step('D, E, H: on «Согласование договора» the chat is there for its members, and the head of the legal department is asked in private', async () => {
  await dragged('Согласование договора');
  const title = /Договор: Переезд в новый офис/;
  await chatOf(pavel!, title).click();
  await pavel!.getByRole('heading', { name: title }).waitFor();
  await picture(pavel!, 'article-d-chat');
  // Above a million: Мария is in as well, and has the chat and the private message on her screen.
  await chatOf(maria!, title).waitFor();
  await chatOf(maria!, /Проверьте договор/).click();
  const message = talk(maria!).getByRole('article').filter({ hasText: /Проверьте договор: 1\s500\s000/ });
  await message.getByText('Важное', { exact: true }).waitFor();
  await message.getByRole('link', { name: 'Отправлено роботом' }).waitFor();
  await picture(maria!, 'article-h-private');
  const chat = (await told.chats(manager)).find((one) => one.kind === 'closed' && one.itemId === big.id)!;
  assert.deepEqual(await told.members(manager, chat.id), [head, manager, lawyer, legalHead].map(({ id }) => id).sort((a, b) => a - b));
  await moved(small, pipeline.stage('Согласование договора'), manager);
  const modest = /Договор: Два стула/;
  await chatOf(pavel!, modest).waitFor();
  assert.equal(await chatOf(maria!, modest).count(), 0);

  await pavel!.getByRole('textbox', { name: /Написать сообщение/ }).click();
  await pavel!.keyboard.insertText('Договор в порядке');
  await pavel!.keyboard.press('Enter');
  await talk(pavel!).getByText('Договор в порядке').waitFor();
  await chatOf(maria!, title).click();
  await talk(maria!).getByText('Договор в порядке').waitFor();
});

step('B: on «Отправка счета» the comment is in the timeline, and its link opens the invoice for anybody', async () => {
  await ivan!.goto(`/crm/deal/item/${big.id}?tab=timeline`);
  await ivan!.getByText('Добавить уведомление').first().waitFor();
  await dragged('Отправка счета');
  const comment = ivan!.getByRole('article').filter({ hasText: 'Оплата до 20.03.2026, счёт:' }).last();
  await comment.getByText('Анна Волкова').first().waitFor();
  await picture(ivan!, 'article-b-comment');
  assert.match((await comment.getByRole('link', { name: 'Отправлено роботом' }).getAttribute('href')) ?? '', /^\/runs\/\d+$/);
  const link = await comment.getByRole('link', { name: /\/i\// }).getAttribute('href');
  const stranger = await browser.stranger();
  await stranger.goto(link!.replace(/^https?:\/\/[^/]+/, vestnik.url));
  await stranger.getByText(/Переезд в новый офис/).first().waitFor();
  await picture(stranger, 'article-b-invoice');
  await stranger.context().close();
});

step('J: on «Оплата счета» the SMS goes to the gateway, and stands in the journal of deliveries', async () => {
  await page.goto('/settings/deliveries');
  await page.getByRole('button', { name: /Новая сделка: Переезд в новый офис/ }).waitFor();
  await dragged('Оплата счета');
  const { to, text } = JSON.parse((await gateway.submissions.next()).body);
  assert.deepEqual([to, text], ['+79005550101', 'Оплачено']);
  const row = page.getByRole('button', { name: /Оплачено/ });
  await row.getByText('Отправлено', { exact: true }).or(row.getByText('Доставлено', { exact: true })).first().waitFor();
  await picture(page, 'article-j-deliveries');
});

step('F: on «Сборка товара» the assembler is in the chat of the earlier stage, and reads what was said before him', async () => {
  oleg = await browser.signIn(assembler);
  await oleg.goto('/messenger');
  await oleg.getByRole('button', { name: 'Новый чат' }).first().waitFor();
  await dragged('Сборка товара');
  await chatOf(oleg, /Договор: Переезд в новый офис/).click();
  await talk(oleg).getByText('Договор в порядке').waitFor();
  await picture(oleg, 'article-f-history');
  const chat = (await told.chats(manager)).find((one) => one.kind === 'closed' && one.itemId === big.id)!;
  assert.equal((await api(manager).get(`/api/items/${big.id}`)).values.groupChatId, String(chat.id));
});

step('G: on «Доставка товара» the open chat gets the message of its kind, and the deal opens beside it', async () => {
  await dragged('Доставка товара');
  const message = talk(oleg!).getByRole('article').filter({ hasText: /Клиент оплатил счёт, можно отправлять: 1\s500\s000/ });
  await message.getByText('Объявление', { exact: true }).waitFor();
  await talk(pavel!).getByText(/Клиент оплатил счёт/).waitFor();
  assert.match((await message.getByRole('link', { name: 'Отправлено роботом' }).getAttribute('href')) ?? '', /^\/runs\/\d+$/);
  await message.getByRole('button', { name: 'Открыть элемент' }).click();
  await oleg!.getByRole('heading', { name: 'Переезд в новый офис' }).first().waitFor();
  await picture(oleg!, 'article-g-message');
});

step('C: won, the big deal is in the feed of its readers with the file and the tag; the small one is not, and its card says why', async () => {
  await ivan!.goto('/feed');
  await ivan!.getByRole('button', { name: 'Написать новость…' }).waitFor();
  await moved(small, won, manager);
  await draggedToEnd();
  const post = ivan!.getByRole('article', { name: 'Крупная сделка' });
  await post.getByText(/Ответственный: Анна Волкова, сумма 1\s500\s000/).waitFor();
  await post.getByRole('link', { name: /Отзыв\.txt/ }).waitFor();
  await picture(ivan!, 'article-c-post');
  await post.getByRole('button', { name: '#победа' }).click();
  await ivan!.waitForURL(/tag=/);
  await post.waitFor();
  assert.equal((await told.posts(lawyer)).length, 1);
  await ivan!.goto(`/crm/deal/item/${small.id}?tab=robots`);
  const run = ivan!.getByRole('listitem').filter({ hasText: 'Добавить новость' });
  await run.getByText(/Условие не выполнено: Сумма 1\s000\s000.*не больше/).waitFor();
  await picture(ivan!, 'article-c-skipped');
});
