/**
 * A migrated database for one test file: a clone of a template, made in milliseconds.
 * The server is started once per `npm test` by tools/test.ts (or is the one of DATABASE_URL) and
 * announced in VESTNIK_TEST_SERVER_URL.
 */
import { after } from 'node:test';
import { openDb, raw, type Db } from '../../server/db/db.ts';

let count = 0;

export async function testDatabase(): Promise<{ db: Db; url: string }> {
  const serverUrl = process.env.VESTNIK_TEST_SERVER_URL;
  if (!serverUrl) throw new Error('Run tests with `npm test -- <path>`: it starts the database server they need.');
  const name = `vestnik_test_${process.pid}_${count++}`;
  const server = openDb(serverUrl, { max: 1 });
  await server.run(raw(`create database ${name} template vestnik_template`));
  const url = new URL(serverUrl);
  url.pathname = `/${name}`;
  const db = openDb(url.href, { max: 8 });
  after(async () => {
    await db.close();
    await server.run(raw(`drop database ${name} with (force)`));
    await server.close();
  });
  return { db, url: url.href };
}
