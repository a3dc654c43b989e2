/**
 * The ten scenarios of the article, A to J, set up by hand on the Robots page as the article describes them, in its own words;
 * published, and a deal moved through all stages. What each person got is read where the article shows it.
 */
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import type { Locator, Page } from 'playwright-core';
import { startMailServer, startSmsGateway } from '../../tools/receivers.ts';
import { chooseOption, openBrowser, picture } from '../support/browser.ts';
import { toldBy } from '../support/told.ts';
import { startTestVestnik } from '../support/vestnik.ts';

const vestnik = await startTestVestnik();
const { api, admin, given, moved, drain, clock } = vestnik;
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
const pipeline = await given.pipeline({ name: 'Продажи', stages: ['Новая заявка', 'Новая сделка', 'Согласование договора', 'Отправка счета', 'Оплата счета', 'Сборка товара', 'Доставка товара'] });
const won = pipeline.stages.find((stage) => stage.semantics === 'success')!;
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
  await write(panel, 'Текст письма', 'Сумма: ', ['Сделка', 'Сумма']);
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
  await save(panel);
});

step('G: «Отправить сообщение в групповой чат», the chat taken from the robot of an earlier stage', async () => {
  const panel = await create('Доставка товара', 'Отправить сообщение в групповой чат');
  await panel.getByRole('button', { name: 'Вставить значение: Выбрать чат' }).click();
  await fromTree(['Роботы', 'Создать групповой чат', 'ID чата']);
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

step('a deal goes through all stages, and everybody gets what the article shows', async () => {
  clock.advance('1 minute');
  const deal = (title: string, amount: number) => given.item({
    by: manager, title, amount, pipelineId: pipeline.id, stageId: pipeline.stages.find((stage) => stage.semantics === 'failure')!.id, ownerId: manager.id, values: { paymentDate: '2026-03-20', review: [review.id] },
  });
  const [big, small] = [await deal('Переезд в новый офис', 1_500_000), await deal('Два стула', 1_000_000)];
  const to = async (stage: { id: number }) => {
    for (const item of [big, small]) await moved(item, stage, manager);
    await drain();
  };
  await to(pipeline.stage('Новая заявка'));
  const [note] = (await told.bell(head)).filter((one) => one.itemId === big.id);
  assert.equal(note?.body, 'Новая заявка: Переезд в новый офис. Возьмите её в работу.');
  assert.equal(note?.senderId, head.id);
  assert.deepEqual(await told.bell(lawyer), []);

  await to(pipeline.stage('Новая сделка'));
  const letters = [await smtp.letters.next(), await smtp.letters.next()];
  const letter = letters.find((one) => one.subject === 'Новая сделка: Переезд в новый офис');
  assert.match(letter?.text ?? '', /Сумма: 1\u00a0500\u00a0000\u00a0₽/);
  assert.deepEqual(await told.comments(big), []);

  await to(pipeline.stage('Согласование договора'));
  const chatOf = async (item: { id: number }) => (await told.chats(manager)).find((chat) => chat.kind === 'closed' && chat.itemId === item.id)!;
  const chat = await chatOf(big);
  assert.equal(chat.title, 'Договор: Переезд в новый офис');
  assert.deepEqual(await told.members(manager, chat.id), [head, manager, lawyer, legalHead].map(({ id }) => id).sort((a, b) => a - b));
  assert.deepEqual(await told.members(manager, (await chatOf(small)).id), [head, manager, lawyer].map(({ id }) => id).sort((a, b) => a - b));
  assert.equal((await api(manager).get(`/api/items/${big.id}`)).values.groupChatId, String(chat.id));
  const privateChat = (await told.chats(legalHead)).find((one) => one.kind === 'private')!;
  const messages = await told.messages(legalHead, privateChat.id);
  assert.deepEqual(messages.map((message) => [message.kind, message.authorId, message.body]), [['important', manager.id, 'Проверьте договор: 1\u00a0500\u00a0000\u00a0₽']]);

  await to(pipeline.stage('Отправка счета'));
  const [comment] = await told.comments(big);
  assert.match(String(comment?.data.body), /^Оплата до 20\.03\.2026, счёт: http.*\/i\//);

  await to(pipeline.stage('Оплата счета'));
  await drain();
  assert.equal(JSON.parse((await gateway.submissions.next()).body).text, 'Оплачено');

  await to(pipeline.stage('Сборка товара'));
  assert.ok((await told.members(manager, chat.id)).includes(assembler.id));

  await to(pipeline.stage('Доставка товара'));
  assert.match((await told.messages(lawyer, chat.id)).at(-1)?.body ?? '', /^Клиент оплатил счёт, можно отправлять: 1\u00a0500\u00a0000/);

  await to(won);
  const posts = await told.posts(lawyer);
  assert.deepEqual(posts.map((post) => [post.title, post.tags, post.files.map((file) => file.name)]), [['Крупная сделка', ['победа'], ['Отзыв.txt']]]);
});
