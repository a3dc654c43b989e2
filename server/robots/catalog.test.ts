/** The contract every robot type keeps: one loop over the catalogue. */
import assert from 'node:assert/strict';
import { readdirSync, readFileSync } from 'node:fs';
import { describe, test } from 'node:test';
import { inspect } from 'node:util';
import { createTexts, hasText, type Language, languages, text, textParamNames } from '../../shared/messages.ts';
import { env, ids, problemsOf, runRobot } from '../../test/support/robots.ts';
import { describeCatalog, failureText, robotType, robotTypes } from './catalog.ts';
import type { SettingProblem, Widget } from './field.ts';
import type { RobotType } from './robot.ts';
import { valueKinds } from './values.ts';

const typesFolder = new URL('./types/', import.meta.url);

/** What the settings panel can draw. A new widget is a change of the panel too. */
const widgets: Record<Widget, true> = {
  text: true, richText: true, employees: true, employee: true, chat: true, choice: true, switch: true, attachments: true, tags: true,
  values: true, mailSender: true, smsProvider: true, value: true, messageKind: true,
};
/** What an example leaves open, because only the company knows it. */
const ofTheCompany: Partial<Record<Widget, unknown>> = { chat: ids.chat, smsProvider: ids.smsProvider };

function localeOf(id: string, language: Language): Record<string, string> {
  return JSON.parse(readFileSync(new URL(`${id}/${language}.json`, typesFolder), 'utf8'));
}

function textKeysIn(value: unknown): string[] {
  if (typeof value === 'string') return value.startsWith('@examples.') ? [value.slice(1)] : [];
  return typeof value === 'object' && value !== null ? Object.values(value).flatMap(textKeysIn) : [];
}

/** The keys a type's folder must have. Hints may be left out, own failures may be added. */
function derivedKeys(type: RobotType): string[] {
  const examples = type.examples.flatMap(({ name, settings }) => [`examples.${name}`, ...textKeysIn(settings)]);
  const settings = type.form.flatMap(({ name, options = [] }) => [`settings.${name}.label`, ...options.map((option) => `settings.${name}.options.${option}`)]);
  return [...new Set(['title', 'description', 'summary', ...settings, ...Object.keys(type.results).map((name) => `results.${name}`), ...examples])].sort();
}

/** A problem has a sentence in both languages; the engine adds the label of the setting. */
function assertSaid({ code, params }: SettingProblem): void {
  const key = `robots.problems.${code}`;
  assert.ok(hasText(key), `${code} has no text.`);
  for (const language of languages) {
    const said = text(language, key, { setting: 'Текст', ...params as Record<string, string> });
    assert.doesNotMatch(said, /\{\w+\}/, `${code}: ${said}`);
  }
}

function readySettings(type: RobotType, settings: Readonly<Record<string, unknown>>): Record<string, unknown> {
  const open = type.form.filter(({ name, widget }) => !Object.hasOwn(settings, name) && Object.hasOwn(ofTheCompany, widget));
  return { ...settings, ...Object.fromEntries(open.map(({ name, widget }) => [name, ofTheCompany[widget]])) };
}

test('the folders are the catalogue: each type once, under its own name', () => {
  const folderNames = readdirSync(typesFolder).sort();
  assert.deepEqual(robotTypes.map((type) => type.id).sort(), folderNames);
  for (const type of robotTypes) assert.equal(robotType(type.id), type);
  assert.equal(robotType('no-such-type'), undefined);
  assert.equal(robotType('__proto__'), undefined);
});

for (const type of robotTypes) {
  describe(type.id, () => {
    test('its folder holds exactly the five files', () => {
      const allowed = new Set(['robot.ts', 'robot.test.ts', 'en.json', 'ru.json', 'icon.svg', 'saved']);
      const files = readdirSync(new URL(`${type.id}/`, typesFolder));
      assert.deepEqual(files.filter((file) => !allowed.has(file)), []);
      for (const file of ['robot.ts', 'robot.test.ts', 'en.json', 'ru.json', 'icon.svg']) assert.ok(files.includes(file), `${file} is missing.`);
    });

    test('it imports nothing but field.ts, robot.ts and zod', () => {
      const source = readFileSync(new URL(`${type.id}/robot.ts`, typesFolder), 'utf8');
      const imported = [...source.matchAll(/(?:from|import)\s*\(?\s*['"]([^'"]+)['"]/g)].map((match) => match[1]);
      assert.deepEqual(imported.filter((name) => !['../../field.ts', '../../robot.ts', 'zod'].includes(name ?? '')), [],
        'A robot may use only its context; what it lacks belongs into the engine.');
    });

    test('its settings are drawn by widgets the panel knows', () => {
      const names = type.form.map((field) => field.name);
      assert.equal(new Set(names).size, names.length);
      for (const field of type.form) {
        assert.ok(Object.hasOwn(widgets, field.widget), field.widget);
        if (field.widget === 'choice' || field.widget === 'messageKind') assert.ok((field.options ?? []).length > 1, `${field.name} offers nothing to choose from.`);
        if (field.shownWhen) assert.ok(names.includes(field.shownWhen.setting), `${field.name} depends on a setting that is not there.`);
      }
    });

    test('its results have kinds that values have', () => {
      for (const kind of Object.values(type.results)) assert.ok(valueKinds.includes(kind), kind);
    });

    for (const language of languages) {
      test(`its texts in ${language} are those that follow from it`, () => {
        const texts = localeOf(type.id, language);
        const hints = type.form.map(({ name }) => `settings.${name}.hint`);
        const keys = Object.keys(texts).filter((key) => !hints.includes(key) && !key.startsWith('failures.'));
        assert.deepEqual(keys.sort(), derivedKeys(type));
        assert.deepEqual(Object.keys(texts).sort(), Object.keys(localeOf(type.id, language === 'ru' ? 'en' : 'ru')).sort(), 'The languages differ.');
        for (const [key, value] of Object.entries(texts)) assert.ok(value.trim() !== '', `${key} is empty.`);
        assert.ok((texts.title ?? '').length <= 60, 'The title does not fit on a card.');
      });

      test(`its texts in ${language} are valid messages, and its summary speaks of its settings`, () => {
        const texts = localeOf(type.id, language);
        const parsed = createTexts({ ru: texts, en: texts });
        const templates = type.examples.flatMap(({ settings }) => textKeysIn(settings));
        for (const key of Object.keys(texts)) {
          if (templates.includes(key)) continue;
          const params = parsed.paramNames(language, key);
          if (key === 'summary') for (const param of params) assert.ok(type.form.some(({ name }) => name === param), `The summary names ${param}.`);
          else if (!key.startsWith('failures.')) assert.deepEqual(params, [], `${key} takes no parameters.`);
        }
      });

      test(`each example passes the check and runs, in ${language}`, async () => {
        const { examples } = describeCatalog(language).find(({ id }) => id === type.id) ?? assert.fail('It is not described.');
        assert.equal(examples.length, type.examples.length);
        assert.ok(examples.length > 0, 'It has no example.');
        for (const { settings } of examples) {
          const ready = readySettings(type, settings);
          assert.deepEqual(textKeysIn(ready), []);
          assert.deepEqual(problemsOf(type, ready), []);
          const { results, asked } = await runRobot(type, ready);
          assert.deepEqual(Object.keys(results).sort(), Object.keys(type.results).sort());
          assert.ok(asked.length > 0, 'It did nothing.');
        }
      });
    }

    test('empty settings are problems with a path and a text, never an exception', () => {
      for (const settings of [{}, null, undefined]) {
        const problems = type.check(settings, env);
        assert.ok(problems.length > 0);
        for (const problem of problems) {
          assert.ok(type.form.some(({ name }) => problem.path === name || problem.path.startsWith(`${name}.`)), problem.path);
          assertSaid(problem);
        }
      }
    });

    test('settings of wrong kinds are problems, never an exception', async () => {
      const wrong = [
        0, -1, 1.5, Number.NaN, '', 'x', '{=', '{=Document:nothing}', '{=A999:chatId}', true, null, [], [null], [[]], {}, { kind: 'none' },
        { kind: 'employee' }, { kind: 'employee', id: 'x' }, [{ kind: 'role', role: 'king' }], [{ kind: 'department', id: 999 }],
        { kind: 'drive', fileIds: [999] }, { kind: 'field', field: 'nothing' }, [{ field: 'nothing', value: {} }], 'я'.repeat(200_000), '\u0000',
        Symbol('x'), () => 0, new Date(Number.NaN), 10n, Object.create(null),
      ];
      for (const value of wrong) {
        assert.ok(type.check(value, env).length > 0, `${inspect(value)} is no settings.`);
        for (const { name } of type.form) {
          const settings = readySettings(type, { [name]: value });
          for (const problem of type.check(settings, env)) {
            assert.equal(typeof problem.path, 'string');
            assertSaid(problem);
          }
        }
      }
      assert.ok(type.check({ noSuchSetting: 1 }, env).some(({ code }) => code === 'setting.invalid'));
    });

    test('each way it is known to fail has words', async () => {
      const failures = new Map<string, Record<string, unknown>>();
      for (const { settings } of describeCatalog('ru').find(({ id }) => id === type.id)?.examples ?? []) {
        const ready = readySettings(type, settings);
        const gone = { amount: 'не число', closesOn: 'не день', UF_CHAT: '', ownerId: null, observerIds: [], creatorId: null, title: '' };
        for (const { name } of type.form) {
          for (const broken of ['', '{=Document:UF_CHAT}', '{=Document:amount}', '{=Document:closesOn}', [], null, 5]) {
            await runRobot(type, { ...ready, [name]: broken }, { item: gone }).catch((error: { code: string; params: Record<string, unknown> }) => {
              assert.equal(typeof error.code, 'string', String(error));
              failures.set(error.code, error.params);
            });
          }
        }
      }
      for (const [code, params] of failures) {
        for (const language of languages) {
          if (failureText(language, type.id, code) !== undefined) continue;
          const key = `robots.reasons.${code}`;
          assert.ok(hasText(key), `${code} has no text.`);
          assert.deepEqual(textParamNames(language, key).filter((name) => !Object.hasOwn(params, name)), [], `${code}: parameters that are not thrown.`);
        }
      }
    });
  });
}

test('the catalogue is described in the language asked for', () => {
  for (const language of languages) {
    const types = describeCatalog(language);
    assert.deepEqual(types.map(({ id }) => id), robotTypes.map(({ id }) => id));
    for (const type of types) {
      assert.ok(hasText(`robots.groups.${type.group}`), type.group);
      assert.match(type.icon, /^<svg [^>]*viewBox="0 0 24 24"[^>]*>[^]*<\/svg>$/);
      assert.doesNotMatch(type.icon, /<script|href|\bon\w+=/, 'An icon is only a drawing.');
      for (const field of type.form) assert.doesNotMatch(`${field.label} ${field.hint ?? ''}`, /settings\./);
    }
  }
  assert.deepEqual(describeCatalog('ru').slice(0, 9).map(({ title }) => title), [
    'Добавить уведомление', 'Добавить комментарий в элемент', 'Добавить новость', 'Создать групповой чат', 'Добавить участников в групповой чат',
    'Отправить сообщение в групповой чат', 'Отправить сообщение в личный чат', 'Отправить письмо сотруднику', 'Отправить СМС сотруднику',
  ]);
  assert.deepEqual(new Set(describeCatalog('ru').slice(0, 9).map(({ groupTitle }) => groupTitle)), new Set(['Информирование сотрудников']));
});

test('every reason and problem that the sources name has words in both languages', () => {
  const sources = readdirSync(new URL('./', import.meta.url)).filter((file) => file.endsWith('.ts') && !file.endsWith('.test.ts'))
    .map((file) => readFileSync(new URL(file, import.meta.url), 'utf8')).join('\n');
  const named = (pattern: RegExp) => [...new Set([...sources.matchAll(pattern)].map((match) => match[1] ?? ''))];
  const reasons = [...named(/RobotFailure\('([\w.]+)'/g), ...named(/\bend\(run, '\w+', '([\w.]+)'/g), 'robot.settings_invalid', 'robot.type_unknown', 'robot.removed', 'robot.off'];
  const problems = [...named(/\bproblem\('([\w.]+)'/g), ...named(/\bsay\(\{ code: '([\w.]+)'/g)];
  assert.ok(reasons.length > 20 && problems.length > 10, 'The patterns no longer find the codes.');
  const missing = [...reasons.map((code) => `robots.reasons.${code}`), ...problems.map((code) => `robots.problems.${code}`)].filter((key) => !hasText(key));
  assert.deepEqual(missing, []);
});

test('the words of a type for its own failures come from its folder', () => {
  assert.equal(failureText('ru', 'notify', 'recipients.none'), undefined);
  assert.equal(failureText('ru', 'no-such-type', 'recipients.none'), undefined);
});
