/**
 * Writes docs/openapi.json from the routes; `--check` writes nothing and fails when it is out of date.
 * Needs no database: the routes describe themselves.
 */
import { readFile, writeFile } from 'node:fs/promises';
import { openDb } from '../server/db/db.ts';
import { describeApi } from '../server/http/http.ts';
import { buildVestnik } from '../server/vestnik.ts';

const file = new URL('../docs/openapi.json', import.meta.url);

const databaseUrl = 'postgres://nobody@127.0.0.1:1/none';
const db = openDb(databaseUrl);
const options = { databaseUrl, port: 3000, host: '127.0.0.1', publicUrl: 'http://localhost:3000', dataDir: '/nonexistent', secret: 'x'.repeat(32) };
const { app } = await buildVestnik({ ...options, logLevel: 'silent' }, db);
await app.ready();
const text = `${JSON.stringify(describeApi(app), null, 1)}\n`;
await app.close();
await db.close();

if (!process.argv.includes('--check')) {
  await writeFile(file, text);
} else if ((await readFile(file, 'utf8').catch(() => '')) !== text) {
  console.error('docs/openapi.json does not describe the routes any more. Run `npm run openapi` and commit what changed.');
  process.exitCode = 1;
}
