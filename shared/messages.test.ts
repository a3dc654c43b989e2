import assert from 'node:assert/strict';
import { readdirSync, readFileSync } from 'node:fs';
import test from 'node:test';
import { createTexts, errorMessage } from './messages.ts';

const texts = createTexts({
  ru: { files: '{count, plural, one {# файл} few {# файла} many {# файлов} other {# файла}}', who: 'Получатели: {names}', tag: 'Тег <b>{name}</b>', broken: 'Плохо {name' },
  en: { files: '{count, plural, one {# file} other {# files}}', who: 'Recipients: {names}', tag: 'Tag <b>{name}</b>' },
});

test('Russian numbers choose the right word', () => {
  assert.deepEqual([1, 3, 5, 21].map((count) => texts.text('ru', 'files', { count })), ['1 файл', '3 файла', '5 файлов', '21 файл']);
});

test('a list reads as a person would say it', () => {
  assert.equal(texts.text('ru', 'who', { names: ['Анна', 'Борис', 'Вера'] }), 'Получатели: Анна, Борис и Вера');
  assert.equal(texts.text('en', 'who', { names: ['Ann', 'Bob'] }), 'Recipients: Ann and Bob');
});

test('a missing parameter leaves its name, a missing text its key', () => {
  assert.equal(texts.text('ru', 'who'), 'Получатели: {names}');
  assert.equal(texts.text('ru', 'nothing.here'), 'nothing.here');
  assert.equal(texts.text('ru', 'broken', { name: 'Анна' }), 'Плохо {name');
  assert.equal(texts.has('nothing.here'), false);
});

test('angle brackets are text, not markup', () => {
  assert.equal(texts.text('ru', 'tag', { name: '<script>' }), 'Тег <b><script></b>');
});

test('names of parameters are found inside plurals and selects', () => {
  assert.deepEqual(texts.paramNames('ru', 'files'), ['count']);
  assert.match(errorMessage('ru', 'request.not_found', { kind: 'file', id: 7 }), /^Файл № 7 не найден/);
  assert.equal(errorMessage('en', 'request.not_found', { kind: 'kite', id: 7 }), 'Not found: kite 7.');
});

test('no key stands in two files of a language', () => {
  for (const language of ['ru', 'en']) {
    const folder = new URL(`../locales/${language}/`, import.meta.url);
    const seen = new Map<string, string>();
    for (const file of readdirSync(folder).filter((name) => name.endsWith('.json'))) {
      for (const key of Object.keys(JSON.parse(readFileSync(new URL(file, folder), 'utf8')))) {
        assert.equal(seen.get(key), undefined, `"${key}" stands in ${language}/${file} and in ${language}/${seen.get(key)}`);
        seen.set(key, file);
      }
    }
  }
});
