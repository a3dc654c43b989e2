/** The feed with three people at once: who may read, does, live; nobody else. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { openBrowser, picture } from '../support/browser.ts';
import { startTestVestnik } from '../support/vestnik.ts';

const vestnik = await startTestVestnik({ services: { web: true, worker: true }, now: () => new Date() });
const browser = await openBrowser(vestnik);
const { api, given, admin } = vestnik;
const anna = await given.employee({ firstName: 'Анна', lastName: 'Белова' });
const boris = await given.employee({ firstName: 'Борис', lastName: 'Волков' });
const vera = await given.employee({ firstName: 'Вера', lastName: 'Громова' });
const sales = await given.department({ name: 'Продажи', employeeIds: [anna.id, boris.id] });

test('an important post reaches its readers live, with tags, reactions, comments, and who has read it', { skip: browser.missing }, async () => {
  const [a, b, v] = await Promise.all([browser.signIn(anna), browser.signIn(boris), browser.signIn(vera)]);
  await Promise.all([a.goto('/feed'), b.goto('/feed'), v.goto('/feed')]);
  await Promise.all([b, v].map((page) => page.getByText('В ленте пока пусто').waitFor()));
  await picture(b, 'feed-empty');

  await a.getByRole('button', { name: 'Написать новость…' }).click();
  await a.getByRole('textbox', { name: 'Заголовок' }).fill('План на март <b>');
  await a.getByRole('textbox', { name: 'Текст новости' }).click();
  await a.keyboard.insertText('Миллион <script>alert(1)</script>');
  const form = a.getByRole('form', { name: 'Новая новость' });
  // To the department instead of everybody.
  await form.getByRole('combobox').first().click();
  await a.getByRole('option', { name: /Все сотрудники/ }).click();
  await a.getByRole('option', { name: /^Продажи/ }).first().click();
  await a.keyboard.press('Escape');
  await form.getByRole('textbox', { name: 'Теги' }).fill('план');
  await a.keyboard.press('Enter');
  await form.getByRole('switch', { name: 'Важное' }).click();
  await picture(a, 'feed-form');
  assert.deepEqual(await browser.accessibility(a), []);
  await form.getByRole('button', { name: 'Опубликовать' }).click();

  const post = b.getByRole('article', { name: 'План на март <b>' });
  await post.getByText('Миллион <script>alert(1)</script>').waitFor();
  await post.getByRole('button', { name: 'Ознакомлен', exact: true }).click();
  await post.getByText('Вы ознакомились').waitFor();
  await a.getByRole('button', { name: 'Ознакомился 1 человек' }).click();
  await a.getByRole('dialog').getByText('Борис Волков').waitFor();
  await a.keyboard.press('Escape');

  await post.getByRole('button', { name: 'Реакция' }).click();
  await b.getByRole('button', { name: 'Праздник', exact: true }).click();
  await a.getByRole('button', { name: 'Праздник: 1' }).waitFor();
  await post.getByRole('button', { name: 'Комментировать' }).click();
  await post.getByRole('textbox', { name: 'Написать комментарий' }).click();
  await b.keyboard.insertText('Сделаем');
  await b.keyboard.press('Enter');
  await a.getByRole('button', { name: '1 комментарий' }).click();
  await a.getByText('Сделаем').waitFor();
  await picture(a, 'feed-post');
  assert.deepEqual(await browser.accessibility(a), []);

  await post.getByRole('button', { name: '#план' }).click();
  await b.waitForURL(/tag=/);
  await b.getByRole('article', { name: 'План на март <b>' }).waitFor();
  assert.equal(await v.getByText('Миллион').count(), 0, 'Vera is no reader');
  await v.goto(a.url().replace(/\/feed.*/, `/feed/${(await api(anna).get('/api/posts')).items[0].id}`));
  await v.getByRole('alert').waitFor();
});

test('the robot of a won deal posts to its readers, and a pinned post stays on top', { skip: browser.missing }, async () => {
  const pipeline = await given.pipeline({ stages: ['Новая', 'Почти'] });
  await given.robot(pipeline.stage('Почти'), 'post', {
    author: { kind: 'employee', id: admin.id }, recipients: [{ kind: 'department', id: sales.id }], title: 'Успех: {=Document:title}', text: 'Сумма {=Document:amount}', tags: ['победа'],
  }, { condition: { op: 'and', items: [{ left: '{=Document:amount}', operator: 'greater', value: 1_000_000 }] } });
  const page = await browser.signIn(boris);
  await page.goto('/feed');
  await page.getByRole('button', { name: 'Написать новость…' }).waitFor();
  const small = await given.item({ pipelineId: pipeline.id, title: 'Табурет', amount: 2000 });
  await vestnik.moved(small, pipeline.stage('Почти'));
  const deal = await given.item({ pipelineId: pipeline.id, title: 'Театр', amount: 2_000_000 });
  await vestnik.moved(deal, pipeline.stage('Почти'));
  const post = page.getByRole('article', { name: 'Успех: Театр' });
  await post.getByText(/2\s000\s000/).waitFor();
  await post.getByRole('link', { name: 'Отправлено роботом' }).waitFor();
  assert.equal(await page.getByText('Табурет').count(), 0);
  await post.getByRole('button', { name: 'Действия с новостью' }).click();
  await page.getByRole('menuitem', { name: 'Закрепить у себя' }).click();
  await post.getByLabel('Закреплена').waitFor();
  await api(anna).post('/api/posts', { title: 'Новее', body: 'позже', audience: [{ kind: 'everyone' }] });
  await page.getByRole('article', { name: 'Новее' }).waitFor();
  assert.match((await page.getByRole('article').first().getAttribute('aria-label')) ?? '', /Театр/);
  await page.getByRole('searchbox', { name: 'Поиск по ленте' }).fill('позже');
  await page.getByRole('article', { name: 'Успех: Театр' }).waitFor({ state: 'detached' });
  await page.getByRole('article', { name: 'Новее' }).waitFor();
});

test('English, dark, on a phone', { skip: browser.missing }, async () => {
  const page = await browser.signIn(vera, { language: 'en', colorScheme: 'dark', isPhone: true });
  await page.goto('/feed');
  await page.getByRole('article', { name: 'Новее' }).waitFor();
  await picture(page, 'feed-phone');
  assert.deepEqual(await browser.accessibility(page), []);
});
