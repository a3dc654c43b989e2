/** Mail and SMS as administrators set them up: senders, providers, the journal with its decisions, and the health of the system. */
import assert from 'node:assert/strict';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { after, test } from 'node:test';
import type { Page } from 'playwright-core';
import { chooseOption, openBrowser, picture } from '../support/browser.ts';
import { startKeeper } from '../support/smtp.ts';
import { startTestVestnik } from '../support/vestnik.ts';

const vestnik = await startTestVestnik({ services: { web: true, worker: true }, now: () => new Date() });
const browser = await openBrowser(vestnik);
const { admin, api, given } = vestnik;

const keeper = await startKeeper();
/** An SMS gateway: keeps what it gets, and answers as it is told to. */
const texts: string[] = [];
let status = 200;
const gateway = createServer((request, response) => {
  const chunks: Buffer[] = [];
  request.on('data', (chunk: Buffer) => chunks.push(chunk));
  request.on('end', () => {
    texts.push(Buffer.concat(chunks).toString());
    response.writeHead(status, { 'content-type': 'application/json' }).end(JSON.stringify({ id: `g${texts.length}` }));
  });
});
await new Promise<void>((resolve) => gateway.listen(0, '127.0.0.1', resolve));
const gatewayUrl = `http://127.0.0.1:${(gateway.address() as AddressInfo).port}/send`;
after(async () => {
  gateway.closeAllConnections();
  gateway.close();
  await keeper.stop();
});

/** With the mouse out of the way: what it hovers over looks otherwise. */
async function look(page: Page, name: string): Promise<void> {
  await page.mouse.move(1, 1);
  await picture(page, name);
  assert.deepEqual(await browser.accessibility(page), []);
}

test('a sender is refused with a wrong password, saved with the right one, and a test letter arrives', { skip: browser.missing }, async () => {
  const page = await browser.signIn(admin);
  await page.goto('/settings/mail');
  await page.getByText('Писать письма пока неоткуда').waitFor();
  await look(page, 'mail-empty-ru-light');

  await page.getByRole('button', { name: 'Добавить отправителя' }).first().click();
  await page.getByLabel('Имя отправителя').fill('Робот «Ромашки»');
  await page.getByLabel('Адрес', { exact: true }).fill('robot@yandex.ru');
  await page.getByLabel('Адрес', { exact: true }).blur();
  await page.getByText('создайте пароль приложения').waitFor();
  await page.getByLabel('Сервер', { exact: true }).fill('127.0.0.1');
  await page.getByLabel('Шифрование').click();
  await chooseOption(page, 'Без шифрования');
  await page.getByLabel('Порт', { exact: true }).fill(String(keeper.port));
  await page.getByLabel('Логин').fill('robot');
  await page.getByLabel('Пароль', { exact: true }).fill('wrong');
  await page.getByRole('button', { name: 'Проверить и сохранить' }).click();
  await page.getByText('не принял логин или пароль').waitFor();
  await look(page, 'mail-refused-ru-light');

  await page.getByLabel('Пароль', { exact: true }).fill('correct');
  await page.getByRole('button', { name: 'Проверить и сохранить' }).click();
  const dialog = page.getByRole('dialog', { name: 'Проверочное письмо' });
  await dialog.getByLabel('Кому').fill('anna@example.com');
  await dialog.getByRole('button', { name: 'Отправить' }).click();
  await dialog.getByText('Почтовый сервер принял письмо для anna@example.com').waitFor();
  await picture(page, 'mail-tested-ru-light');
  assert.deepEqual(keeper.letters.map(({ from, to }) => ({ from, to })), [{ from: 'robot@yandex.ru', to: ['anna@example.com'] }]);
  await dialog.getByRole('button', { name: 'Закрыть' }).last().click();
  await page.getByText('За сутки отправлено: 1').waitFor();
  await picture(page, 'mail-ru-light');

  await page.getByRole('button', { name: 'Робот «Ромашки»', exact: true }).click();
  await page.getByText('Сохранён', { exact: true }).waitFor();
  assert.equal(await page.getByText('correct').count(), 0);
  await page.getByLabel('Имя отправителя').fill('Ромашка');
  await page.getByRole('button', { name: 'Проверить и сохранить' }).click();
  await page.getByText('Почтовый сервер принял вход, изменения сохранены').first().waitFor();
  const [sender] = await api(admin).get('/api/mail/senders');
  assert.deepEqual([sender.name, sender.hasPassword, sender.isDefault], ['Ромашка', true, true]);
});

test('a gateway in the own network is allowed by name, and a test SMS goes through it with its key', { skip: browser.missing }, async () => {
  const page = await browser.signIn(admin);
  await page.goto('/settings/sms');
  await page.getByText('Если у вас ещё не подключён СМС-провайдер, сначала настройте его').waitFor();
  await picture(page, 'sms-empty-ru-light');
  await page.getByRole('button', { name: 'Подключить провайдера' }).first().click();
  await page.getByRole('button', { name: /^SMS\.ru/ }).waitFor();
  await look(page, 'sms-kinds-ru-light');
  await page.getByRole('button', { name: /^SMS\.ru/ }).click();
  await page.getByLabel('api_id').waitFor();
  await picture(page, 'sms-ru-form-ru-light');
  await page.getByRole('button', { name: 'Другой провайдер' }).click();
  await page.getByRole('button', { name: /^Любой шлюз по HTTP/ }).click();
  await page.getByLabel('Название').fill('Наш шлюз');
  await page.getByLabel('Адрес шлюза').fill(gatewayUrl);
  for (const [name, value] of [['to', '{phone}'], ['text', '{text}'], ['key', '{secret.key}']] as const) {
    await page.getByRole('button', { name: 'Поля: добавить' }).click();
    await page.getByLabel(/^Поля: имя/).last().fill(name);
    await page.getByLabel(/^Поля: значение/).last().fill(value);
  }
  await page.getByRole('button', { name: 'Добавить ключ' }).click();
  await page.getByLabel('Имя ключа 1').fill('key');
  await page.getByLabel('Значение ключа key').fill('тайна');
  await page.getByRole('button', { name: 'Сохранить', exact: true }).click();
  await page.getByRole('button', { name: 'Разрешить 127.0.0.1' }).waitFor();
  await look(page, 'sms-private-ru-light');
  await page.getByRole('button', { name: 'Разрешить 127.0.0.1' }).click();

  const dialog = page.getByRole('dialog', { name: 'Проверочное СМС' });
  await dialog.getByLabel('На какой номер').fill('12');
  await dialog.getByRole('button', { name: 'Отправить' }).click();
  await dialog.getByText('не похоже на номер телефона').waitFor();
  await dialog.getByLabel('На какой номер').fill('+7 916 123-45-67');
  await dialog.getByLabel('Текст').fill('Проба');
  await dialog.getByRole('button', { name: 'Отправить' }).click();
  await dialog.getByText('Провайдер принял СМС на +79161234567').waitFor();
  assert.deepEqual(Object.fromEntries(new URLSearchParams(texts.at(-1))), { to: '+79161234567', text: 'Проба', key: 'тайна' });
  await dialog.getByRole('button', { name: 'Закрыть' }).last().click();
  // Without the words that said it was done: they come with focus guards of their own.
  await page.reload();
  await page.getByRole('button', { name: 'Наш шлюз', exact: true }).waitFor();
  await look(page, 'sms-ru-light');
});

test('an SMS of which nobody knows whether it went out is decided on, and its filters live in the address', { skip: browser.missing }, async () => {
  const [provider] = await api(admin).get('/api/sms/providers');
  status = 500;
  const before = texts.length;
  const { deliveryId } = await api(admin).post(`/api/sms/providers/${provider.id}/test`, { phone: '+79167654321', text: 'Могло уйти' });
  const page = await browser.signIn(admin);
  await page.goto('/settings/deliveries');
  await page.getByRole('button', { name: /Могло уйти/ }).getByText('Исход неизвестен').waitFor();
  await look(page, 'deliveries-ru-light');

  await page.getByLabel('Состояние').click();
  await page.getByRole('option', { name: 'Исход неизвестен' }).click();
  await page.waitForURL(/state=unknown/);
  await page.getByRole('button', { name: /Могло уйти/ }).click();
  await page.waitForURL(new RegExp(`delivery=${deliveryId}`));
  await page.getByText('Ясного ответа не было: могло уйти').waitFor();
  await look(page, 'delivery-unknown-ru-light');
  await page.reload();
  await page.getByText('Ясного ответа не было: могло уйти').waitFor();
  await page.keyboard.press('Escape');

  await page.getByRole('tab', { name: /Ждут решения/ }).click();
  await page.waitForURL(/view=undecided/);
  await page.getByLabel('Выбрать все на экране').click();
  await look(page, 'deliveries-undecided-ru-light');
  status = 200;
  await page.getByRole('button', { name: 'Отправить ещё раз' }).click();
  await page.getByText('человек получит его дважды').waitFor();
  await page.getByRole('dialog').getByRole('button', { name: 'Отправить ещё раз' }).click();
  await page.getByText('Решать нечего').waitFor();
  await page.goto(`/settings/deliveries?delivery=${deliveryId}`);
  await page.getByRole('status').getByText('Отправлено', { exact: true }).waitFor();
  await page.getByText('2 попытки').waitFor();
  assert.equal(texts.length, before + 2);
});

test('the health of the system opens in words and charts, and says what waits', { skip: browser.missing }, async () => {
  const [provider] = await api(admin).get('/api/sms/providers');
  for (const [language, colorScheme, words, isPhone] of [['ru', 'light', /Всё в порядке|Стоит посмотреть/, false], ['en', 'dark', /All is well|Worth a look/, false], ['ru', 'dark', /Всё в порядке|Стоит посмотреть/, true]] as const) {
    const page = await browser.signIn(admin, { language, colorScheme, isPhone });
    await page.goto('/settings/health');
    await page.getByRole('heading', { name: words }).waitFor();
    await page.getByRole('img', { name: /столбцы по часам|bars by the hour/i }).locator('svg').waitFor();
    await look(page, `health-${language}-${colorScheme}${isPhone ? '-phone' : ''}`);
    if (language === 'en') {
      status = 500;
      await api(admin).post(`/api/sms/providers/${provider.id}/test`, { phone: '+79167654321' });
      // By itself: the page is told that the journal has changed.
      await page.getByText('1 message needs a decision').waitFor();
      await page.getByRole('link', { name: 'Decide' }).click();
      await page.getByRole('button', { name: /Outcome unknown/ }).waitFor();
      await picture(page, 'deliveries-undecided-en-dark');
      await page.getByRole('checkbox', { name: /^Select: / }).click();
      await page.getByRole('button', { name: 'Mark as sent' }).click();
      await page.getByRole('dialog').getByRole('button', { name: 'Mark as sent' }).click();
      await page.getByText('Nothing to decide').waitFor();
    }
    for (const path of ['mail', 'sms', 'deliveries']) {
      await page.goto(`/settings/${path}`);
      await page.getByRole('button', { name: path === 'mail' ? 'Ромашка' : /Наш шлюз/ }).first().waitFor();
      await look(page, `${path}-${language}-${colorScheme}${isPhone ? '-phone' : ''}`);
      const over = await page.evaluate<number>('document.documentElement.scrollWidth - document.documentElement.clientWidth');
      assert.ok(over <= 0, `${path} is wider than the screen`);
    }
  }
});

test('who is no administrator sees neither accounts nor health', { skip: browser.missing }, async () => {
  const anna = await given.employee({ firstName: 'Анна', lastName: 'Петрова' });
  const page = await browser.signIn(anna);
  for (const path of ['mail', 'sms', 'health']) {
    await page.goto(`/settings/${path}`);
    await page.getByText('Эти настройки меняет администратор').waitFor();
  }
  assert.equal(await page.getByRole('link', { name: 'Здоровье системы' }).count(), 0);
});
