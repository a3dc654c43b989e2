import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';

for (const [language, last] of [['ru', 'Все десять сценариев работают'], ['en', 'All ten scenarios work']] as const) {
  test(`npm run demo plays A to J in ${language}, fits a terminal, and ends well`, async () => {
    const child = spawn(process.execPath, [fileURLToPath(new URL('play.ts', import.meta.url)), '--language', language], {
      env: { ...process.env, DATABASE_URL: process.env.VESTNIK_TEST_SERVER_URL, NODE_TEST_CONTEXT: undefined }, stdio: ['ignore', 'pipe', 'inherit'],
    });
    let output = '';
    child.stdout.setEncoding('utf8').on('data', (text: string) => {
      output += text;
    });
    const code = await new Promise((resolve) => child.on('close', resolve));
    assert.equal(code, 0, output);
    assert.ok(output.includes(last), output);
    assert.doesNotMatch(output, /✗|undefined|NaN|\[object|\{=/);
    assert.ok(output.includes(language === 'ru' ? 'Бюро «Вектор», Андреев Кирилл' : 'Vector Architects, Kyle Andrews'), 'The invoice names the client as papers of the language do.');
    for (const letter of 'ABCDEFGHIJ') assert.match(output, new RegExp(`^${letter}  .+ {2,}\\d+ +\\d+   \\S`, 'm'));
    assert.deepEqual(output.split('\n').filter((line) => line.length > 100 && !line.includes('http://')), []);
  });
}
