/** I and J to the outside world: real letters over SMTP, real submissions to an SMS gateway, and what is missing before that. */
import assert from 'node:assert/strict';
import { after, test } from 'node:test';
import { sql } from '../../server/db/db.ts';
import { startMailServer, startSmsGateway } from '../../tools/receivers.ts';
import { toldBy } from '../support/told.ts';
import { type Somebody, startTestVestnik } from '../support/vestnik.ts';

const vestnik = await startTestVestnik();
const { api, admin, given, moved, drain } = vestnik;
const told = toldBy(vestnik);
const smtp = await startMailServer();
const gateway = await startSmsGateway();
after(() => Promise.all([smtp.stop(), gateway.stop()]));
const anna = await given.employee({ firstName: 'Анна', lastName: 'Волкова', email: 'anna@example.com', mobilePhone: '8 900 555-01-04' });
const boris = await given.employee({ firstName: 'Борис', lastName: 'Бросов', email: 'boris@example.com', workPhone: '+7 900 555-01-05' });
const phoneless = await given.employee({ firstName: 'Вера', lastName: 'Ильина' });
await given.field({ name: 'Файлы', type: 'file', code: 'clientFiles', isMultiple: true });

const person = ({ id }: Somebody) => ({ kind: 'employee', id });

async function stages() {
  const pipeline = await given.pipeline({ stages: ['Начало', 'Тут'] });
  const deal = (more: Record<string, unknown> = {}) => given.item({ pipelineId: pipeline.id, stageId: pipeline.stage('Начало').id, ownerId: anna.id, ...more });
  return { path: `/api/pipelines/${pipeline.id}/robots`, deal, stage: pipeline.stage('Тут') };
}

test('without a provider nothing is published, and the problem says what to set up and where', async () => {
  const { path, stage } = await stages();
  const { ids } = await api(admin).post('/api/robot-ids', { count: 2 });
  const robots = [
    { id: ids[0], stageId: stage.id, type: 'send-sms', title: '', settings: { text: 'Оплачено' } },
    { id: ids[1], stageId: stage.id, type: 'send-email', title: '', settings: { subject: 'Сделка', text: 'Новая' } },
  ];
  const saved = await api(admin).put(path, { revision: 0, robots });
  const said = saved.problems.map((problem: { message: string }) => problem.message).join('\n');
  assert.match(said, /СМС-провайдер не подключён.*Настройки > СМС/);
  assert.match(said, /адреса для писем.*Настройки > Почта/);
  await assert.rejects(api(admin).post(`${path}/publish`, { revision: saved.revision }), { status: 409, code: 'robots.not_ready' });
  const off = await api(admin).put(path, { revision: saved.revision, robots: robots.map((robot) => ({ ...robot, isEnabled: false })) });
  assert.deepEqual(off.problems, []);
});

test('an administrator sets up mail and SMS; others cannot', async () => {
  const sender = { name: 'Вестник', address: 'vestnik@example.com', host: smtp.host, port: smtp.port, security: 'none', isDefault: true };
  const provider = {
    type: 'http', name: 'Шлюз', isDefault: true,
    settings: { url: gateway.url, format: 'json', body: '{"to":"{phone}","text":"{text}"}', messageIdPath: 'id', allowPrivateHost: true },
  };
  await assert.rejects(api(anna).post('/api/mail/senders', sender), { status: 403 });
  await assert.rejects(api(anna).post('/api/sms/providers', provider), { status: 403 });
  await api(admin).post('/api/mail/senders', sender);
  await api(admin).post('/api/sms/providers', provider);
});

test('a letter goes to the owner by default, with files of the field, formatted, under one Message-ID', async () => {
  const { deal, stage } = await stages();
  await given.robot(stage, 'send-email', {
    from: person(boris), subject: 'Новая сделка {=Document:title}', text: '[b]Сумма[/b]: {=Document:amount} 🎉\nКлиент: {=Contact:name}', attachments: { kind: 'field', field: 'clientFiles' },
  });
  const files = [await given.file({ name: 'смета.txt', content: 'сто столов' }), await given.file({ name: 'план.txt', content: 'план' })];
  const contact = await api(admin).post('/api/contacts', { firstName: 'Вера', lastName: 'Ильина', phones: ['+7 900 555-02-02'] });
  const item = await deal({ title: '«Столы» <b>', amount: 1500, contactId: contact.id, values: { clientFiles: files.map((file) => file.id) } });
  await moved(item, stage);
  await drain();
  const letter = await smtp.letters.next();
  assert.deepEqual(letter.to, ['anna@example.com']);
  assert.equal(letter.from, 'Борис Бросов <vestnik@example.com>');
  assert.equal(letter.subject, 'Новая сделка «Столы» <b>');
  assert.match(letter.text, /Сумма: 1\u00a0500\u00a0₽ 🎉\nКлиент: Вера Ильина/);
  assert.match(letter.html, /<(b|strong)>Сумма<\/(b|strong)>/);
  assert.deepEqual(letter.attachments, [{ name: 'смета.txt', content: 'сто столов' }, { name: 'план.txt', content: 'план' }]);
  const [delivery] = (await api(admin).get('/api/deliveries', { itemId: item.id })).items;
  assert.equal(delivery.state, 'accepted');
  assert.equal(delivery.messageId, letter.messageId);
  await drain();
  assert.equal(smtp.letters.all.length, 1);
});

test('letters are not in the timeline, and each recipient gets his own in his language', async () => {
  const { deal, stage } = await stages();
  const english = await given.employee({ firstName: 'Emily', email: 'emily@example.com', language: 'en' });
  await given.robot(stage, 'send-email', { recipients: [person(boris), person(english)], subject: 'Сумма', text: 'Сумма: {=Document:amount}' });
  const item = await deal({ amount: 1234.5 });
  await moved(item, stage);
  await drain();
  const letters = [await smtp.letters.next(), await smtp.letters.next()];
  const textTo = (address: string) => letters.find((letter) => letter.to[0] === address)?.text ?? '';
  assert.match(textTo('boris@example.com'), /1\u00a0234,50/);
  assert.match(textTo('emily@example.com'), /1,234\.50/);
  // That a robot acted is there; the letter is not.
  const timeline = await told.timeline(item);
  assert.deepEqual([...new Set(timeline.map((entry) => entry.kind))].sort(), ['arrival']);
  assert.doesNotMatch(JSON.stringify(timeline), /1\u00a0234|boris@example\.com/);
});

test('an SMS goes to the mobile phone, else to the work phone; without a phone the run says whose is missing', async () => {
  const { deal, stage } = await stages();
  const robot = await given.robot(stage, 'send-sms', { text: 'Оплачено: {=Document:amount}', recipients: [person(anna), person(boris), person(phoneless)] });
  const item = await deal({ amount: 1000 });
  await moved(item, stage);
  await drain();
  const sent = [await gateway.submissions.next(), await gateway.submissions.next()].map(({ body }) => JSON.parse(body));
  assert.deepEqual(sent.map(({ to }) => to).sort(), ['+79005550104', '+79005550105']);
  assert.equal(sent[0].text, 'Оплачено: 1\u00a0000\u00a0₽');
  const run = await told.run(item, robot);
  assert.equal(run.state, 'done');
  assert.match(run.notes.join(), /Вера Ильина: нет телефона/);
  const deliveries = (await api(admin).get('/api/deliveries', { itemId: item.id })).items;
  assert.deepEqual(deliveries.map((delivery: { state: string }) => delivery.state), ['accepted', 'accepted']);
});

test('an SMS is at most 200 characters: a longer one is cut at a whole character, and the run says so', async () => {
  const { deal, stage } = await stages();
  const robot = await given.robot(stage, 'send-sms', { text: 'Сделка «{=Document:title}» оплачена' });
  const item = await deal({ title: '👩‍👩‍👧'.repeat(30) });
  await moved(item, stage);
  await drain();
  const { text } = JSON.parse((await gateway.submissions.next()).body);
  assert.ok(text.length <= 200, `${text.length} characters`);
  assert.match(text, /^Сделка «(👩‍👩‍👧)+…$/u);
  assert.match((await told.run(item, robot)).notes.join(), /сокращён до 200/);
});

test('when nobody has a phone, the run fails and nothing is submitted', async () => {
  const { deal, stage } = await stages();
  const robot = await given.robot(stage, 'send-sms', { text: 'Оплачено', recipients: [person(phoneless)] });
  const item = await deal();
  await moved(item, stage);
  await drain();
  const run = await told.run(item, robot);
  assert.equal(run.state, 'failed');
  assert.match(run.explanation, /У сотрудника нет телефона: Вера Ильина/);
  assert.deepEqual((await api(admin).get('/api/deliveries', { itemId: item.id })).items, []);
});

test('nobody is an employee without an e-mail address; one that came without it gets no letter, and the run says whose is missing', async () => {
  await assert.rejects(api(admin).post('/api/employees', { firstName: 'Без', lastName: 'Почты', language: 'ru', password: 'A blue whale reads aloud' }), { status: 400 });
  // As another program may have written it into the database.
  const unreachable = await given.employee({ firstName: 'Глеб', lastName: 'Тихий' });
  await vestnik.db.run(sql`update employees set email = '' where id = ${unreachable.id}`);
  await api(admin).patch(`/api/employees/${unreachable.id}`, { position: 'Сторож' });
  const { deal, stage } = await stages();
  const robot = await given.robot(stage, 'send-email', { subject: 'Новая', text: 'Сделка', recipients: [person(unreachable), person(anna)] });
  const alone = await given.robot(stage, 'send-email', { subject: 'Новая', text: 'Сделка', recipients: [person(unreachable)] });
  const item = await deal();
  await moved(item, stage);
  await drain();
  const run = await told.run(item, robot);
  assert.equal(run.state, 'done');
  assert.match(run.notes.join(), /Глеб Тихий: нет e-mail/);
  const failed = await told.run(item, alone);
  assert.equal(failed.state, 'failed');
  assert.match(failed.explanation, /У сотрудника нет e-mail: Глеб Тихий/);
  const deliveries = (await api(admin).get('/api/deliveries', { itemId: item.id })).items;
  assert.deepEqual(deliveries.map((delivery: { address: string; state: string }) => [delivery.address, delivery.state]), [['anna@example.com', 'accepted']]);
});
