/**
 * The ten scenarios of the article, A to J, in the demo company, one deal going through all stages:
 * PRODUCT §1, column «Must be seen». What may go wrong has files of its own.
 */
import assert from 'node:assert/strict';
import { after, test } from 'node:test';
import { type PersonKey, type RobotKey, type StageKey, staff } from '../../tools/demo/company.ts';
import { seedDemo } from '../../tools/demo/seed.ts';
import { startMailServer, startSmsGateway } from '../../tools/receivers.ts';
import { type Item, startTestVestnik } from '../support/vestnik.ts';
import { toldBy } from '../support/told.ts';

const vestnik = await startTestVestnik();
const { api, admin, given, moved, drain, listen } = vestnik;
const told = toldBy(vestnik);
const smtp = await startMailServer();
const gateway = await startSmsGateway();
after(() => Promise.all([smtp.stop(), gateway.stop()]));
const demo = await seedDemo(vestnik.vestnik, { language: 'ru', smtp, smsGateway: gateway });
assert.ok(demo);

const who = (key: PersonKey) => ({ id: demo.people[key] });
const stage = (key: StageKey) => ({ id: demo.stages[key] });
const robot = (key: RobotKey) => ({ id: demo.robots[key] });
const sales = (['salesHead', 'salesDeputy', 'manager', 'managerFarAway', 'managerAbroad'] satisfies PersonKey[]).map(who);

function deal(title: string, amount: number, more: Record<string, unknown> = {}): Promise<Item> {
  return given.item({
    by: who('manager'), title, amount, stageId: demo!.stages.lost, contactId: demo!.contactIds[0]!, companyId: demo!.companyIds[0]!, ownerId: demo!.people.manager,
    ...more, values: { paymentDate: '2026-03-20', deliveryDate: '2026-04-15', ...(Object(more.values)) },
  });
}

const files = [await given.file({ name: 'Отзыв.txt', content: 'Спасибо!', by: who('manager') }), await given.file({ name: 'Фото стола.txt', content: 'стол', by: who('manager') })];
const big = await deal('Переезд в новый офис', 1_500_000, { values: { clientFiles: files.map((file) => file.id) } });
const small = await deal('Два стула', 1_000_000);

async function bothTo(key: StageKey): Promise<void> {
  for (const item of [big, small]) await moved(item, stage(key), who('manager'));
  await drain();
}

test('A: the whole sales department hears of a new request, live, from the sender that was chosen', async () => {
  const browser = await listen(who('managerAbroad'));
  await moved(big, stage('request'), who('manager'));
  await drain();
  await browser.next({ topic: `employee:${demo.people.managerAbroad}`, what: 'notifications' });
  for (const member of sales) {
    const [note, ...others] = await told.bell(member);
    assert.deepEqual(others, []);
    assert.equal(note?.senderId, demo.people.salesHead);
    assert.equal(note.itemId, big.id);
    assert.ok(note.runId);
  }
  assert.equal((await told.bell(who('manager')))[0]?.body, 'Новая заявка: [b]Переезд в новый офис[/b]. Клиент — Кирилл Андреев, сумма — 1\u00a0500\u00a0000\u00a0₽. Возьмите её в работу.');
  // Numbers and money are written as each reader writes them.
  assert.match((await told.bell(who('managerAbroad')))[0]!.body, /₽1,500,000|RUB\s?1,500,000/);
  for (const key of ['director', 'lawyer', 'driver'] as const) assert.deepEqual(await told.bell(who(key)), [], key);
  // The link of the note opens the deal.
  assert.equal((await api(who('managerFarAway')).get(`/api/items/${big.id}`)).title, 'Переезд в новый офис');
});

test('I: the owner gets a real letter with the client and the amount, and the timeline does not show it', async () => {
  const runsBefore = (await told.timeline(big)).length;
  await moved(big, stage('newDeal'), who('manager'));
  await drain();
  const letter = await smtp.letters.next();
  assert.deepEqual(letter.to, ['volkova@dubrava.example']);
  assert.match(letter.from, /vestnik@dubrava\.example/);
  assert.equal(letter.subject, 'Новая сделка: Переезд в новый офис');
  for (const part of ['Кирилл Андреев, Бюро «Вектор»', '+7 900 555-02-01', 'andreev@vektor.example', '1\u00a0500\u00a0000\u00a0₽', `${vestnik.url}/items/${big.id}`]) {
    assert.ok(letter.text.includes(part), `${part} is not in the letter: ${letter.text}`);
  }
  assert.deepEqual(letter.attachments, [{ name: demo.company.memo.name, content: demo.company.memo.text }]);
  assert.equal(smtp.letters.all.length, 1);
  const timeline = await told.timeline(big);
  assert.deepEqual(timeline.filter((entry) => entry.kind === 'comment'), []);
  assert.doesNotMatch(JSON.stringify(timeline), /andreev@vektor/);
  assert.ok(timeline.length >= runsBefore);
});

test('D: lawyer, owner and the head of the owner have a chat about the contract', async () => {
  await bothTo('contract');
  const run = await told.run(big, robot('createChat'));
  assert.equal(run.state, 'done');
  const chatId = Number(run.results?.chatId);
  for (const key of ['lawyer', 'manager', 'salesHead'] as const) {
    const chat = (await told.chats(who(key))).find((one) => one.id === chatId);
    assert.equal(chat?.title, 'Договор: Переезд в новый офис', key);
    assert.equal(chat.kind, 'closed');
    assert.equal(chat.itemId, big.id);
    assert.equal(chat.runId, run.id);
    assert.equal(chat.ownerId, demo.people.manager);
  }
  const ofSmall = Number((await told.run(small, robot('createChat'))).results?.chatId);
  assert.deepEqual(await told.members(who('manager'), ofSmall), [demo.people.salesHead, demo.people.manager, demo.people.lawyer].sort((a, b) => a - b));
});

test('E: for a deal above a million the head of the legal department joins the chat, not for one of exactly a million', async () => {
  const chatId = Number((await told.run(big, robot('createChat'))).results?.chatId);
  assert.ok((await told.members(who('manager'), chatId)).includes(demo.people.legalHead));
  assert.equal((await told.run(big, robot('addLegalHead'))).state, 'done');
  const skipped = await told.run(small, robot('addLegalHead'));
  assert.equal(skipped.state, 'skipped');
  assert.match(skipped.explanation, /1\u00a0000\u00a0000/);
});

test('H: above a million the owner asks the head of the legal department in their one-to-one chat', async () => {
  const chats = (await told.chats(who('legalHead'))).filter((chat) => chat.kind === 'private');
  assert.equal(chats.length, 1);
  assert.equal(chats[0]?.partnerId, demo.people.manager);
  const [message, ...others] = await told.messages(who('legalHead'), chats[0].id);
  assert.deepEqual(others, []);
  assert.equal(message?.authorId, demo.people.manager);
  assert.equal(message.kind, 'important');
  assert.equal(message.heading, 'Проверьте договор');
  assert.match(message.body, /Переезд в новый офис.*1\u00a0500\u00a0000\u00a0₽.*15\.04\.2026/);
  assert.equal(message.itemId, big.id);
  assert.equal((await told.run(small, robot('messageLegalHead'))).state, 'skipped');
});

test('F: «Изменить элемент» keeps the chat in the own field of the deal', async () => {
  const chatId = Number((await told.run(big, robot('createChat'))).results?.chatId);
  assert.equal((await told.run(big, robot('keepChatId'))).state, 'done');
  assert.equal((await api(who('manager')).get(`/api/items/${big.id}`)).values.groupChatId, String(chatId));
});

test('B: the owner’s comment has the payment date and a link that opens the invoice without signing in', async () => {
  await bothTo('invoice');
  const [comment, ...others] = await told.comments(big);
  assert.deepEqual(others, []);
  assert.equal(comment?.employeeId, demo.people.manager);
  const body = String(comment.data.body);
  assert.match(body, /Дата оплаты — 20\.03\.2026/);
  const link = /https?:\S+/.exec(body)?.[0] ?? '';
  assert.ok(link.startsWith(`${vestnik.url}/i/`), body);
  const page = await fetch(link);
  assert.equal(page.status, 200);
  assert.match(page.headers.get('content-type') ?? '', /text\/html/);
  const html = await page.text();
  assert.match(html, /Переезд в новый офис/);
  assert.match(html, /1[\s\u00a0\u202f]500[\s\u00a0\u202f]000/);
  const [invoice] = (await api(who('manager')).get(`/api/items/${big.id}/invoices`)).items;
  assert.equal(invoice.dueOn, '2026-03-20');
  assert.ok(body.includes(`№ ${invoice.number}`));
});

test('J: when the invoice is paid, the owner gets an SMS of at most 200 characters through the gateway', async () => {
  await moved(big, stage('payment'), who('manager'));
  await drain();
  const submission = await gateway.submissions.next();
  const sent = JSON.parse(submission.body);
  assert.equal(sent.to, '+79005550104');
  assert.equal(sent.text, 'Счёт оплачен: Кирилл Андреев, 1\u00a0500\u00a0000\u00a0₽. Сделка «Переезд в новый офис».');
  assert.ok(sent.text.length <= 200);
  assert.equal(gateway.submissions.all.length, 1);
});

test('F: on «Сборка товара» the chat is taken from the field, and the newcomers do not see what was said before', async () => {
  const chatId = Number((await told.run(big, robot('createChat'))).results?.chatId);
  await api(who('lawyer')).post(`/api/chats/${chatId}/messages`, { body: 'Договор согласован.' });
  await bothTo('assembly');
  const warehouse = Object.entries(staff).filter(([, { department }]) => department === 'warehouse').map(([key]) => demo.people[key as PersonKey]);
  const members = await told.members(who('manager'), chatId);
  for (const id of warehouse) assert.ok(members.includes(id));
  assert.deepEqual(await told.messages(who('driver'), chatId), []);
  // The head of the legal department was added with the history shown.
  assert.deepEqual((await told.messages(who('legalHead'), chatId)).map((message) => message.body), ['Договор согласован.']);
});

test('G: on «Доставка товара» the chat learns that the goods may leave, in the owner’s name, by a robot', async () => {
  const chatId = Number((await told.run(big, robot('createChat'))).results?.chatId);
  const browser = await listen(who('driver'), `chat:${chatId}`);
  await bothTo('delivery');
  await browser.next({ topic: `chat:${chatId}`, what: 'messages' });
  const message = (await told.messages(who('driver'), chatId)).at(-1);
  assert.equal(message?.authorId, demo.people.manager);
  assert.equal(message.kind, 'notice');
  assert.match(message.body, /оплатил счёт на 1\u00a0500\u00a0000\u00a0₽.*15\.04\.2026/);
  assert.ok(message.runId, '«Отправлено роботом»');
  assert.equal(message.itemId, big.id);
  assert.equal((await api(who('driver')).get(`/api/items/${message.itemId}`)).id, big.id);
});

test('C: a deal above a million is celebrated in the feed of the recipients only, and a smaller one says why it is not', async () => {
  await bothTo('won');
  for (const key of ['salesHead', 'managerAbroad', 'director'] as const) {
    const posts = await told.posts(who(key), { tag: 'успех' });
    assert.equal(posts.length, 1, key);
    const [post] = posts;
    assert.equal(post?.title, 'Большая сделка: Переезд в новый офис');
    assert.equal(post.body, 'Анна Волкова закрывает сделку на [b]1\u00a0500\u00a0000\u00a0₽[/b]. Поздравляем!');
    assert.equal(post.authorId, demo.people.salesHead);
    assert.deepEqual(post.tags, ['успех', 'продажи']);
    assert.deepEqual(post.files.map((file) => file.name), ['Отзыв.txt', 'Фото стола.txt']);
    const answer = await api(who(key)).fetch(`/api/drive/files/${post.files[0]?.id}/content`);
    assert.equal(await answer.text(), 'Спасибо!');
  }
  assert.deepEqual(await told.posts(who('driver'), { tag: 'успех' }), []);
  assert.deepEqual((await told.posts(who('driver'))).filter((post) => post.runId !== null), []);

  const skipped = await told.run(small, robot('post'));
  assert.equal(skipped.state, 'skipped');
  assert.match(skipped.explanation, /Сумма.*1\u00a0000\u00a0000/);
  assert.equal((await told.run(big, robot('post'))).state, 'done');
  assert.equal((await told.posts(admin, { tag: 'успех' })).length, 0);
});
