/** The bell: what robots and people tell one person, live, read by sight, and pushed when no tab is looked at. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Page } from 'playwright-core';
import { openBrowser, picture } from '../support/browser.ts';
import { startTestVestnik } from '../support/vestnik.ts';

const vestnik = await startTestVestnik({ services: { web: true, worker: true }, now: () => new Date() });
const browser = await openBrowser(vestnik);
const { api, given, admin } = vestnik;
const anna = await given.employee({ firstName: 'Анна', lastName: 'Белова' });
const boris = await given.employee({ firstName: 'Борис', lastName: 'Волков' });
const sales = await given.department({ name: 'Продажи', employeeIds: [anna.id, boris.id] });
const pipeline = await given.pipeline({ stages: ['Начало', 'Новая заявка'] });
await given.robot(pipeline.stage('Новая заявка'), 'notify', {
  sender: { kind: 'employee', id: admin.id }, recipients: [{ kind: 'department', id: sales.id }], text: 'Новая заявка: {=Document:title}',
}, { title: 'Сообщить отделу' });
/** Until the tab is called so; a test that waits in vain is ended by its limit. */
async function titled(page: Page, fits: (title: string) => boolean): Promise<void> {
  while (!fits(await page.title()));
}

test('a robot rings the bell of every member of the department, live; each reads his own', { skip: browser.missing }, async () => {
  const [a, b] = await Promise.all([browser.signIn(anna), browser.signIn(boris)]);
  // What pops up comes when the page is quiet.
  const alerts = a.waitForResponse((response) => /\/alerts-[^/]*\.js$/.test(response.url()));
  await Promise.all([a.goto('/feed'), b.goto('/notifications'), alerts]);
  await b.getByText('Уведомлений пока нет').waitFor();
  await a.getByRole('button', { name: /^Уведомления/ }).waitFor();
  const deal = await given.item({ pipelineId: pipeline.id, title: 'Окна <script>alert(1)</script>' });
  await vestnik.moved(deal, pipeline.stage('Новая заявка'));

  // To whom looks elsewhere it pops up, and the title of the tab counts.
  await a.getByText('Новая заявка: Окна').first().waitFor();
  await titled(a, (title) => title.startsWith('(1)'));
  await picture(a, 'bell-toast');
  await a.getByRole('button', { name: /^Уведомления.*1/ }).click();
  const panel = a.getByRole('dialog');
  await panel.getByRole('article').getByText(/Новая заявка: Окна/).waitFor();
  assert.match((await panel.getByRole('link', { name: 'Отправлено роботом' }).getAttribute('href')) ?? '', /^\/runs\/\d+$/);
  await picture(a, 'bell-panel');
  assert.deepEqual(await browser.accessibility(a), []);
  // Seen for a moment is read.
  await titled(a, (title) => !title.startsWith('('));
  assert.equal((await api(anna).get('/api/notifications/counters')).unread, 0);

  await b.getByRole('article').getByText(/Новая заявка: Окна/).waitFor();
  await picture(b, 'bell-page');
  assert.deepEqual(await browser.accessibility(b), []);
});

test('notifications of one record stand together, are filtered, and all are read at once', { skip: browser.missing }, async () => {
  await api(boris).put('/api/notification-settings', { isSoundOn: false, isReadOnSight: false, quiet: { isOn: false, from: '22:00', until: '08:00', isWeekendQuiet: false } });
  const deal = await given.item({ pipelineId: pipeline.id, title: 'Дважды', ownerId: boris.id });
  const page = await browser.signIn(boris);
  await page.goto('/notifications');
  await page.getByRole('tab', { name: 'Непрочитанные' }).waitFor();
  for (let i = 0; i < 3; i++) {
    await vestnik.moved(deal, pipeline.stage('Начало'));
    await vestnik.moved(deal, pipeline.stage('Новая заявка'));
  }
  const group = page.getByRole('listitem').filter({ hasText: 'Новая заявка: Дважды' });
  await group.getByText('3 уведомления').waitFor();
  await group.getByRole('button', { name: 'Ещё 1' }).click();
  assert.equal(await group.getByRole('article').count(), 3);
  await page.getByRole('button', { name: /^Робот/ }).click();
  await page.getByRole('option', { name: 'Сообщить отделу' }).click();
  await group.getByText('3 уведомления').waitFor();
  await page.getByRole('button', { name: 'Прочитать все' }).click();
  await page.getByRole('tab', { name: 'Непрочитанные' }).click();
  await page.getByText('Всё прочитано').waitFor();
  await picture(page, 'bell-read');
});

test('quiet hours silence what pops up, and say until when', { skip: browser.missing }, async () => {
  const page = await browser.signIn(anna);
  await page.goto('/notifications?settings=1');
  await page.getByRole('switch', { name: 'Не беспокоить по часам' }).click();
  await page.getByLabel('С', { exact: true }).waitFor();
  for (const [label, time] of [['С', '00:00'], ['До', '00:00']] as const) {
    await page.getByLabel(label, { exact: true }).fill(time);
    await page.getByLabel(label, { exact: true }).blur();
  }
  await page.getByText(/Сейчас тихо до/).waitFor();
  await picture(page, 'bell-quiet');
  assert.deepEqual(await browser.accessibility(page), []);
  await page.goto('/feed');
  await page.getByRole('heading', { name: 'Лента' }).waitFor();
  const deal = await given.item({ pipelineId: pipeline.id, title: 'Тихо' });
  await vestnik.moved(deal, pipeline.stage('Новая заявка'));
  await titled(page, (title) => title.startsWith('('));
  assert.equal(await page.getByText('Новая заявка: Тихо').count(), 0);
});

test('the service worker shows what is pushed while nobody looks, once per tag', { skip: browser.missing }, async () => {
  const page = await browser.signIn(boris);
  await page.context().grantPermissions(['notifications'], { origin: vestnik.url });
  await page.goto('/feed');
  await page.evaluate('navigator.serviceWorker.ready.then(() => null)');
  const devtools = await page.context().newCDPSession(page);
  const registered = new Promise<string>((resolve) => {
    devtools.on('ServiceWorker.workerRegistrationUpdated', ({ registrations }) => {
      const [one] = registrations;
      if (one) resolve(one.registrationId);
    });
  });
  await devtools.send('ServiceWorker.enable');
  const registrationId = await registered;
  // Nobody looks: the tab is left for another address.
  await page.goto('about:blank');
  const push = (payload: object) => devtools.send('ServiceWorker.deliverPushMessage', { origin: vestnik.url, registrationId, data: JSON.stringify(payload) });
  const shown = await browser.signIn(boris);
  await shown.close();
  await push({ title: 'Анна Белова', body: 'Договор подписан', tag: 'chat-7', path: '/messenger/7' });
  await push({ title: 'Анна Белова', body: 'и отправлен', tag: 'chat-7', path: '/messenger/7' });
  const worker = page.context().serviceWorkers()[0] ?? (await page.context().waitForEvent('serviceworker'));
  const found = await worker.evaluate(async () => {
    const { registration } = Object(globalThis);
    for (;;) {
      const all: { title: string; body: string; data: { path: string } }[] = await registration.getNotifications();
      if (all.some((one) => one.body === 'и отправлен')) return all.map(({ title, body, data }) => ({ title, body, path: data.path }));
      await new Promise((resolve) => setTimeout(resolve, 50));
    }
  });
  assert.deepEqual(found, [{ title: 'Анна Белова', body: 'и отправлен', path: '/messenger/7' }]);
});

test('English, dark, on a phone', { skip: browser.missing }, async () => {
  const page = await browser.signIn(boris, { language: 'en', colorScheme: 'dark', isPhone: true });
  await page.goto('/notifications');
  await page.getByRole('article').first().waitFor();
  await picture(page, 'bell-phone');
  assert.deepEqual(await browser.accessibility(page), []);
});
