/** Every text in every language, with the same parameters; every error code with its message. */
import assert from 'node:assert/strict';
import { globSync, readFileSync } from 'node:fs';
import { basename, join } from 'node:path';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { IntlMessageFormat } from 'intl-messageformat';
import { errorCodes } from '../shared/errors.ts';
import { languages } from '../shared/messages.ts';

const root = fileURLToPath(new URL('..', import.meta.url));

interface Messages {
  file: string;
  texts: Record<string, string>;
}

function read(file: string): Messages {
  return { file, texts: JSON.parse(readFileSync(join(root, file), 'utf8')) };
}

/** The same texts in each language: area by area, robot by robot. */
const groups = [
  ...new Set(globSync('locales/*/*.json', { cwd: root }).map((file) => basename(file))),
].map((name) => languages.map((language) => `locales/${language}/${name}`));
groups.push(...globSync('server/robots/types/*/', { cwd: root }).map((folder) => languages.map((language) => join(folder, `${language}.json`))));
groups.sort();

type Element = ReturnType<IntlMessageFormat['getAst']>[number];
const kinds = { literal: 0, select: 5, plural: 6, pound: 7 };

interface Shape {
  /** Parameters, and the cases of a select, which are names in the code too. */
  params: Set<string>;
  plurals: string[][];
}

function shapeOf(parts: readonly Element[], shape: Shape = { params: new Set(), plurals: [] }): Shape {
  for (const part of parts) {
    if (part.type === kinds.literal || part.type === kinds.pound) continue;
    if ('value' in part) shape.params.add(String(part.value));
    if (!('options' in part)) continue;
    const cases = Object.keys(part.options);
    if (part.type === kinds.select) for (const name of cases) shape.params.add(`${part.value} = ${name}`);
    if (part.type === kinds.plural) shape.plurals.push(cases);
    for (const option of Object.values(part.options)) shapeOf(option.value, shape);
  }
  return shape;
}

function languageOf(file: string): string {
  return languages.find((language) => file.startsWith(`locales/${language}/`) || file.endsWith(`/${language}.json`)) ?? 'en';
}

function parse(file: string, text: string): Shape {
  // What an example of a robot fills its settings with: a template of ours, not a message.
  if (text.includes('{=')) return { params: new Set(text.match(/\{=[^}]*\}/g)), plurals: [] };
  return shapeOf(new IntlMessageFormat(text, languageOf(file), undefined, { ignoreTag: true }).getAst());
}

test('each key exists in each language', () => {
  const offences = groups.flatMap((files) => {
    const all = files.map(read);
    const keys = new Set(all.flatMap(({ texts }) => Object.keys(texts)));
    return all.flatMap(({ file, texts }) => [...keys].filter((key) => !(key in texts)).map((key) => `${file} lacks ${key}.`));
  });
  assert.deepEqual(offences, []);
});

test('each key stands once', () => {
  const offences = languages.flatMap((language) => {
    const files = groups.flat().filter((file) => file.startsWith(`locales/${language}/`));
    const seen = new Map<string, string>();
    return files.flatMap((file) =>
      // JSON.parse would keep the last one and say nothing.
      [...readFileSync(join(root, file), 'utf8').matchAll(/^\s*"((?:[^"\\]|\\.)+)"\s*:/gm)].flatMap(([, key = '']) => {
        const before = seen.get(key);
        seen.set(key, file);
        return before === undefined ? [] : [`${key} stands in ${before} and in ${file}.`];
      }),
    );
  });
  assert.deepEqual(offences, []);
});

test('each text is a valid message', () => {
  const offences = groups.flat().flatMap((file) =>
    Object.entries(read(file).texts).flatMap(([key, text]) => {
      if (typeof text !== 'string' || text.trim() === '') return [`${file}: ${key} is not a text.`];
      try {
        const { plurals } = parse(file, text);
        const needed = languageOf(file) === 'ru' ? ['one', 'few', 'many', 'other'] : ['one', 'other'];
        return plurals.flatMap((cases) => needed.filter((name) => !cases.includes(name)).map((name) => `${file}: ${key} has a plural without "${name}".`));
      } catch (error) {
        return [`${file}: ${key} is no valid message: ${error instanceof Error ? error.message : String(error)}.`];
      }
    }),
  );
  assert.deepEqual(offences, []);
});

test('each text takes the same parameters in each language', () => {
  const offences = groups.flatMap((files) => {
    const [first, ...others] = files.map(read);
    return others.flatMap((other) =>
      Object.entries(other.texts).flatMap(([key, text]) => {
        const model = first?.texts[key];
        if (first === undefined || model === undefined) return [];
        let here: Set<string>;
        let there: Set<string>;
        try {
          [here, there] = [parse(other.file, text).params, parse(first.file, model).params];
        } catch {
          // The test above says what is wrong with it.
          return [];
        }
        const different = [...here, ...there].filter((name) => !(here.has(name) && there.has(name)));
        return different.length === 0 ? [] : [`${key}: ${different.join(', ')} is only in one of ${first.file} and ${other.file}.`];
      }),
    );
  });
  assert.deepEqual(offences, []);
});

test('each error code has its message, and each message its code', () => {
  const messages = new Set(groups.flat().filter((file) => file.startsWith('locales/')).flatMap((file) => Object.keys(read(file).texts)).filter((key) => key.startsWith('errors.')));
  const codes = new Set(Object.keys(errorCodes).map((code) => `errors.${code}`));
  assert.deepEqual([...codes].filter((key) => !messages.has(key)).map((key) => `No message ${key}: write it in locales/<language>/<area>.json.`), []);
  assert.deepEqual([...messages].filter((key) => !codes.has(key)).map((key) => `${key} has no code in shared/errors.ts: add it, or remove the message.`), []);
});
