/** The page as a whole: signing in, the frame around every page, and what it may load. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { openBrowser, picture } from '../support/browser.ts';
import { startTestVestnik } from '../support/vestnik.ts';

const vestnik = await startTestVestnik();
const browser = await openBrowser(vestnik);
const { admin, adminPassword, url } = vestnik;

test('somebody signs in, lands where he wanted to go, and signs out', { skip: browser.missing }, async () => {
  const page = await browser.stranger();
  await page.goto('/messenger');
  await page.getByLabel('E-mail').fill('admin@example.com');
  await page.getByLabel('Пароль', { exact: true }).fill('не тот пароль');
  await page.getByRole('button', { name: 'Войти' }).click();
  await page.getByRole('alert').waitFor();
  await picture(page, 'sign-in-refused');
  assert.deepEqual(await browser.accessibility(page), []);
  await page.getByLabel('Пароль', { exact: true }).fill(adminPassword);
  await page.getByRole('button', { name: 'Войти' }).click();
  await page.waitForURL('**/messenger');
  await page.getByRole('button', { name: /профиль и выход/ }).click();
  await page.getByRole('menuitem', { name: 'Выйти' }).click();
  await page.getByLabel('E-mail').waitFor();
});

test('an unknown address says so, in Russian and in English, light and dark', { skip: browser.missing }, async () => {
  for (const [language, colorScheme, words] of [['ru', 'light', 'Такой страницы нет'], ['en', 'dark', 'There is no such page']] as const) {
    const page = await browser.signIn(admin, { language, colorScheme });
    await page.goto('/nowhere/at/all');
    await page.getByText(words).waitFor();
    await picture(page, `not-found-${language}-${colorScheme}`);
    assert.deepEqual(await browser.accessibility(page), []);
  }
});

test('pages may load and run nothing from elsewhere, and programs get no page', async () => {
  const page = await fetch(`${url}/crm`, { headers: { accept: 'text/html' } });
  assert.equal(page.status, 200);
  const policy = page.headers.get('content-security-policy') ?? '';
  assert.match(policy, /script-src 'self'(;|$)/);
  assert.doesNotMatch(await page.text(), /<script(?![^>]*\ssrc=)/);
  for (const path of ['/api/nothing', '/assets/nothing.js', '/.env', '/rest/1/secret/profile.x']) {
    const answer = await fetch(url + path);
    assert.notEqual(answer.headers.get('content-type')?.split(';')[0], 'text/html', path);
    assert.ok(answer.status >= 400, path);
  }
});
