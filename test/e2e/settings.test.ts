/** Setting the CRM up in a browser: pipelines, stages, fields, rights, tokens, one's own profile. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { chooseOption, openBrowser, picture } from '../support/browser.ts';
import { startTestVestnik } from '../support/vestnik.ts';

const vestnik = await startTestVestnik();
const browser = await openBrowser(vestnik);
const { admin, api, given } = vestnik;
const config = () => api(admin).get('/api/crm-config');
type Named = { id: number; name: string };

test('an administrator makes a pipeline, orders its stages by keyboard, and deletes one with items on it', { skip: browser.missing }, async () => {
  const page = await browser.signIn(admin);
  await page.goto('/settings/pipelines');
  await page.getByRole('button', { name: 'Новая воронка' }).click();
  await page.getByLabel('Название воронки').last().fill('Опт');
  await page.getByRole('dialog').getByRole('button', { name: 'Добавить' }).click();
  await page.getByRole('button', { name: 'Опт', exact: true }).waitFor();
  const pipelineNamed = async (name: string) => (await config()).pipelines.find((one: Named) => one.name === name);
  const made = await pipelineNamed('Опт');
  const [first, second] = made.stages;

  const handle = page.getByRole('button', { name: `Переместить: ${second.name}`, exact: true });
  await handle.focus();
  await page.keyboard.press('Alt+ArrowUp');
  await page.locator('[data-stage]').first().locator(`input[title="${second.name}"]`).waitFor();
  await page.locator('[data-handle]:focus').waitFor();
  assert.deepEqual((await pipelineNamed('Опт')).stages.slice(0, 2).map((one: Named) => one.id), [second.id, first.id]);

  await given.item({ pipelineId: made.id, stageId: first.id, title: 'Стоит' });
  await page.getByRole('button', { name: `Действия: ${first.name}`, exact: true }).click();
  await page.getByRole('menuitem', { name: 'Удалить стадию' }).click();
  await page.getByText('На стадии 1 элемент').waitFor();
  await picture(page, 'stage-with-items');
  assert.deepEqual(await browser.accessibility(page), []);
  await page.getByRole('button', { name: 'Перенести и удалить' }).click();
  await page.getByRole('dialog').waitFor({ state: 'detached' });
  assert.ok(!(await pipelineNamed('Опт')).stages.some((one: Named) => one.id === first.id));

  // One stage of failure has to stay: the server says so, and the row is still there.
  const failures = (await pipelineNamed('Опт')).stages.filter((one: { semantics: string }) => one.semantics === 'failure');
  for (const [index, stage] of failures.entries()) {
    await page.getByRole('button', { name: `Действия: ${stage.name}`, exact: true }).click();
    await page.getByRole('menuitem', { name: 'Удалить стадию' }).click();
    await page.getByRole('button', { name: 'Удалить', exact: true }).click();
    if (index < failures.length - 1) await page.getByRole('button', { name: `Действия: ${stage.name}`, exact: true }).waitFor({ state: 'detached' });
  }
  await page.getByText(/должна остаться хотя бы одна стадия/).first().waitFor();
  assert.equal((await pipelineNamed('Опт')).stages.filter((one: { semantics: string }) => one.semantics === 'failure').length, 1);
});

test('a field is made with options, and is there for cards and filters', { skip: browser.missing }, async (t) => {
  t.after(() => api(admin).patch(`/api/employees/${admin.id}`, { language: 'ru' }));
  const page = await browser.signIn(admin, { language: 'en', colorScheme: 'dark' });
  await page.goto('/settings/fields?type=lead');
  await page.getByText('No own fields yet').waitFor();
  await page.getByRole('button', { name: 'New field' }).first().click();
  await page.getByLabel('Name').fill('Channel');
  await page.getByLabel('Type').click();
  await chooseOption(page, /^List/);
  await page.getByLabel('Option 1').fill('Site');
  await page.getByRole('button', { name: 'Another option' }).click();
  await page.getByLabel('Option 2').fill('Fair');
  await picture(page, 'field-editor');
  assert.deepEqual(await browser.accessibility(page), []);
  await page.getByRole('button', { name: 'Create the field' }).click();
  await page.getByRole('button', { name: /^Channel/ }).waitFor();
  const field = (await config()).fields.find((one: Named) => one.name === 'Channel');
  assert.deepEqual(field.settings.options.map((one: Named) => one.name), ['Site', 'Fair']);
});

test('a role gets people and rights, pipeline by pipeline', { skip: browser.missing }, async () => {
  const anna = await given.employee({ firstName: 'Анна', lastName: 'Ветрова' });
  const page = await browser.signIn(admin);
  await page.goto('/settings/access');
  await page.getByRole('button', { name: 'Новая роль' }).first().click();
  await page.getByLabel('Название роли').waitFor();
  await page.getByLabel('Участники').click();
  await page.keyboard.type('ветрова');
  await page.getByRole('option', { name: /Анна Ветрова/ }).click();
  await page.keyboard.press('Escape');
  await page.getByLabel('Сделка, Все воронки: Видеть').click();
  await page.getByRole('option', { name: 'Все', exact: true }).click();
  await picture(page, 'access-rights');
  assert.deepEqual(await browser.accessibility(page), []);
  await page.getByRole('button', { name: 'Сохранить' }).click();
  await page.getByRole('button', { name: 'Сохранить' }).waitFor({ state: 'detached' });
  const roles = (await api(admin).get('/api/access-roles')).items;
  const role = roles.find((one: { members: { id?: number }[] }) => one.members.some((member) => member.id === anna.id));
  assert.deepEqual(role.rights.map((right: { action: string; scope: string }) => [right.action, right.scope]), [['view', 'all']]);
});

test('somebody changes his profile and password, makes a token, and ends another session', { skip: browser.missing }, async () => {
  const password = 'Тихий кит поёт по утрам';
  const boris = await given.employee({ firstName: 'Борис', lastName: 'Юрьев', password });
  const signedIn = async (isPhone: boolean) => {
    const page = await browser.stranger({ isPhone });
    await page.goto('/sign-in?to=/settings/security');
    await page.getByLabel('E-mail').fill(boris.email);
    await page.getByLabel('Пароль', { exact: true }).fill(password);
    await page.getByRole('button', { name: 'Войти' }).click();
    await page.getByText('этот сеанс').waitFor();
    return page;
  };
  const other = await signedIn(false);
  const page = await signedIn(true);
  await page.goto('/settings/profile');
  await page.getByLabel('Рабочий телефон').fill('12');
  await page.getByRole('button', { name: 'Сохранить' }).click();
  await page.getByText(/не похоже на номер телефона/).waitFor();
  assert.deepEqual(await browser.accessibility(page), []);
  await picture(page, 'profile-phone');
  await page.getByLabel('Рабочий телефон').fill('8 495 123-45-67');
  await page.getByRole('button', { name: 'Сохранить' }).click();
  await page.getByText('Сохранено').first().waitFor();
  assert.equal(await page.getByLabel('Рабочий телефон').inputValue(), '+74951234567');

  await page.goto('/settings/security');
  await page.getByText('этот сеанс').waitFor();
  await page.getByRole('button', { name: /^Завершить сеанс/ }).first().click();
  await other.getByLabel('E-mail').waitFor();

  await page.goto('/settings/tokens');
  await page.getByRole('button', { name: 'Новый ключ' }).click();
  await page.getByLabel('Название').fill('Выгрузка');
  await page.getByRole('button', { name: 'Создать ключ' }).click();
  const shown = await page.getByLabel('Ключ готов').last().inputValue();
  assert.match(shown, /^vt_/);
  const answer = await fetch(`${vestnik.url}/api/me`, { headers: { authorization: `Bearer ${shown}` } });
  assert.equal(answer.status, 200);
});

test('every page of the settings reads in both languages and both themes', { skip: browser.missing }, async () => {
  for (const [language, colorScheme] of [['ru', 'dark'], ['en', 'light']] as const) {
    const page = await browser.signIn(admin, { language, colorScheme });
    for (const name of ['profile', 'security', 'tokens', 'company', 'calendar', 'pipelines', 'fields', 'types', 'access', 'integrations']) {
      await page.goto(`/settings/${name}`);
      await page.getByRole('heading', { level: 1 }).waitFor();
      await page.waitForLoadState('networkidle');
      await picture(page, `settings-${name}-${language}-${colorScheme}`);
      assert.deepEqual(await browser.accessibility(page), [], name);
      // A text that is missing shows as its key.
      assert.doesNotMatch(await page.locator('body').innerText(), /\bweb\.[a-z_]+\./, name);
    }
  }
  await api(admin).patch(`/api/employees/${admin.id}`, { language: 'ru' });
});
