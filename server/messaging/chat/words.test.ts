import assert from 'node:assert/strict';
import { test } from 'node:test';
import { areTelling, wordQuery, wordsOf, wordsOfMessage } from './words.ts';

test('words are taken out of any script, markup left aside, each once', () => {
  assert.deepEqual(wordsOfMessage({ heading: 'Заявка №А-1234/15', body: '[b]Ёлка[/b] и ещё ёлка: [user=5]O’Нил[/user] <b>' }), ['заявка', 'noа', '1234', '15', 'елка', 'и', 'еще', 'o', 'нил', 'b']);
  assert.deepEqual(wordsOf('漢字 и שלום'), ['漢', '字', 'и', 'שלום']);
  assert.deepEqual(wordsOf('👍 — !'), []);
  assert.equal(wordsOf('я'.repeat(5000))[0]?.length, 60);
});

test('short words alone are no reason to ask the index', () => {
  assert.equal(areTelling(['на', 'и']), false);
  assert.equal(areTelling(['на', 'складе']), true);
  assert.equal(areTelling(['字']), true);
  assert.equal(areTelling([]), false);
});

test('a question names the chats one is in', () => {
  assert.equal(wordQuery(['кухн', 'ключ'], [7, 9]), "'кухн':* & 'ключ':* & ('#7' | '#9')");
  assert.equal(wordQuery(['кухн'], []), "'кухн':*");
});
