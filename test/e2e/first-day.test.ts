/** The first day of a company, in one go: set up, a pipeline and a field, deals added, edited, dragged and found, by two people who see each other. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { card, column, drag } from '../support/board.ts';
import { openBrowser, picture } from '../support/browser.ts';
import { createApi, startTestVestnik } from '../support/vestnik.ts';

const vestnik = await startTestVestnik({ isEmpty: true, services: { web: true, worker: true }, now: () => new Date() });
const browser = await openBrowser(vestnik);
const { people } = vestnik.vestnik;
const password = 'Синий кит читает вслух';

test('a company is set up, gets its pipeline and field, and two people work on its deals', { skip: browser.missing }, async () => {
  const ada = await browser.stranger();
  await ada.goto(new URL(await people.setupLink()).pathname);
  await ada.getByLabel('Название').fill('Дубрава');
  await ada.getByRole('button', { name: 'Дальше' }).click();
  await ada.getByLabel('Имя').fill('Ада');
  await ada.getByLabel('Фамилия').fill('Байрон');
  await ada.getByLabel('E-mail').fill('ada@example.com');
  await ada.getByLabel('Пароль', { exact: true }).fill(password);
  await ada.getByRole('button', { name: 'Дальше' }).click();
  await ada.getByText('С чистого листа').waitFor();
  await ada.getByRole('button', { name: 'Создать компанию' }).click();
  await ada.waitForURL(/\/crm/);

  await ada.goto('/settings/pipelines');
  await ada.getByRole('button', { name: 'Новая воронка' }).click();
  await ada.getByLabel('Название воронки').last().fill('Кухни');
  await ada.getByRole('dialog').getByRole('button', { name: 'Добавить' }).click();
  await ada.getByRole('button', { name: 'Кухни', exact: true }).waitFor();

  await ada.goto('/settings/fields?type=deal');
  await ada.getByRole('button', { name: 'Новое поле' }).first().click();
  await ada.getByLabel('Название').fill('Номер договора');
  await ada.getByRole('button', { name: 'Создать поле' }).click();
  await ada.getByRole('button', { name: /^Номер договора/ }).waitFor();

  // A colleague joins by a link, in a window of his own.
  const [first] = (await people.directory(vestnik.db)).employees;
  assert.ok(first);
  const { token } = await people.createApiToken({ employeeId: first.id, isAdmin: true, language: 'ru', timeZone: 'Europe/Moscow', via: 'system' }, 'test');
  const api = createApi(vestnik.url, async () => token);
  const invitation = await api.post('/api/invitations', { email: 'boris@example.com', firstName: 'Борис', language: 'ru' });
  const boris = await browser.stranger();
  await boris.goto(new URL(invitation.link).pathname);
  await boris.getByLabel('Пароль', { exact: true }).fill(password);
  await boris.getByRole('button', { name: 'Присоединиться' }).click();
  await boris.waitForURL(/\/crm/);

  const { pipelines } = await api.get('/api/crm-config');
  const kitchens: { id: number; itemTypeId: number; stages: { name: string }[] } = pipelines.find((one: { name: string }) => one.name === 'Кухни');
  const [earlier, next] = kitchens.stages.map((stage) => stage.name);
  assert.ok(earlier !== undefined && next !== undefined);
  await Promise.all([ada, boris].map((page) => page.goto(`/crm/deal?pipeline=${kitchens.id}`)));

  await boris.getByRole('button', { name: `Добавить на стадию «${earlier}»` }).click();
  await boris.getByRole('textbox', { name: 'Название' }).fill('Кухня для Петровых');
  await boris.keyboard.press('Enter');
  await card(column(ada, earlier), 'Кухня для Петровых').waitFor();

  // Ada fills the new field in the card; Boris has the card open and sees it.
  const [deal] = (await api.get('/api/items', { itemTypeId: kitchens.itemTypeId, pipelineId: kitchens.id })).items;
  // What changes before a page hears of its topic is seen when it is opened again only: the card has to be listening.
  const isListening = boris.waitForEvent('websocket').then((socket) => socket.waitForEvent('framereceived', ({ payload }) => String(payload).includes('"subscribed"') && String(payload).includes(`"item:${deal.id}"`)));
  await Promise.all([isListening, ...[ada, boris].map((page) => page.goto(`/crm/deal/item/${deal.id}`))]);
  await ada.getByRole('button', { name: 'Изменить: Номер договора' }).click();
  await ada.getByRole('textbox', { name: 'Номер договора' }).fill('К-17');
  await ada.keyboard.press('Enter');
  await boris.getByText('К-17').waitFor();
  await picture(boris, 'first-day-card');

  await Promise.all([ada, boris].map((page) => page.goto(`/crm/deal?pipeline=${kitchens.id}`)));
  await card(ada, 'Кухня для Петровых').waitFor();
  await card(boris, 'Кухня для Петровых').waitFor();
  await drag(ada, card(ada, 'Кухня для Петровых'), column(ada, next));
  await card(column(boris, next), 'Кухня для Петровых').waitFor();

  await boris.getByRole('searchbox', { name: 'Название или номер' }).fill('Петровы');
  await card(boris, 'Кухня для Петровых').waitFor();
  await boris.getByRole('searchbox', { name: 'Название или номер' }).fill('Сидоровы');
  await card(boris, 'Кухня для Петровых').waitFor({ state: 'detached' });
});
