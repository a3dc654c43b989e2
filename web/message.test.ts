import assert from 'node:assert/strict';
import { globSync, readFileSync } from 'node:fs';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { IntlMessageFormat } from 'intl-messageformat';
import { fillMessage, parseMessage } from './message.ts';

const root = fileURLToPath(new URL('..', import.meta.url));
const samples = [0, 1, 2, 5, 21, 1234.5, 'none', 'email', 'yes', "it's", null];

test('every text of the web reads as intl-messageformat reads it, whatever it is filled with', () => {
  let compared = 0;
  for (const language of ['ru', 'en'] as const) {
    for (const file of globSync(`locales/${language}/{web*,messaging}.json`, { cwd: root })) {
      for (const [key, source] of Object.entries<string>(JSON.parse(readFileSync(root + file, 'utf8')))) {
        const theirs = new IntlMessageFormat(source, language, undefined, { ignoreTag: true });
        const ours = parseMessage(source);
        const names = [...source.matchAll(/\{\s*([\w.]+)\s*[,}]/g)].map(([, name]) => name!);
        for (const sample of samples) {
          if (typeof sample !== 'number' && /, *(plural|number)/.test(source)) continue;
          const values = Object.fromEntries(names.map((name) => [name, sample]));
          assert.equal(fillMessage(ours, language, values), String(theirs.format(values)), `${language} ${key} with ${sample}`);
          compared++;
        }
      }
    }
  }
  assert.ok(compared > 10_000, `${compared} were compared`);
});

test('quotes, nested cases and counts mean what ICU says', () => {
  for (const source of ["It''s '{literal}' and '#'", "don't", '{n, plural, =0 {none} one {# thing of {who}} other {# things, {kind, select, a {A #} other {B}}}}', "{n, plural, other {'#' is #}}", 'a } b'.replace(' }', ''), '# stays {n, number}']) {
    for (const n of [0, 1, 5, 1000]) {
      const values = { n, who: 'Anna', kind: n > 1 ? 'a' : 'b' };
      assert.equal(fillMessage(parseMessage(source), 'en', values), String(new IntlMessageFormat(source, 'en', undefined, { ignoreTag: true }).format(values)), source);
    }
  }
});

test('a missing parameter stays as its name, and a broken text says where', () => {
  assert.equal(fillMessage(parseMessage('Hello, {who}!'), 'en', {}), 'Hello, {who}!');
  for (const broken of ['{', '{n, plural, one {x}}', '{n, plural, other {x}', '{n, shape, other {x}}', 'a } b']) assert.throws(() => parseMessage(broken), /is broken at/, broken);
});
