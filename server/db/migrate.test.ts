import assert from 'node:assert/strict';
import { readdirSync } from 'node:fs';
import { test } from 'node:test';
import { testDatabase } from '../../test/support/database.ts';
import { openDb, raw, sql } from './db.ts';
import { migrate } from './migrate.ts';

const { db, url } = await testDatabase();

async function emptyDatabase<Result>(encoding: string, work: (emptyUrl: string) => Promise<Result>): Promise<Result> {
  const emptyUrl = new URL(url);
  emptyUrl.pathname += `_empty`;
  const name = emptyUrl.pathname.slice(1);
  await db.run(raw(`create database ${name} template template0 encoding '${encoding}' locale 'C'`));
  try {
    return await work(emptyUrl.href);
  } finally {
    await db.run(raw(`drop database ${name} with (force)`));
  }
}

test('an up-to-date database is left alone', async () => {
  assert.deepEqual(await migrate(db), []);
});

test('two that start at once on an empty database take turns', async () => {
  const applied = await emptyDatabase('UTF8', async (emptyUrl) => {
    const starters = [openDb(emptyUrl, { max: 1 }), openDb(emptyUrl, { max: 1 })];
    const done = await Promise.all(starters.map((starter) => migrate(starter)));
    await Promise.all(starters.map((starter) => starter.close()));
    return done;
  });
  const all = readdirSync(new URL('./migrations/', import.meta.url)).filter((name) => name.endsWith('.sql')).sort();
  assert.deepEqual(applied.sort((a, b) => a.length - b.length), [[], all]);
});

test('a database that a newer Vestnik has changed is refused', async () => {
  await db.run(sql`insert into migrations (name) values ('9999_future.sql')`);
  await assert.rejects(migrate(db), /written by a newer Vestnik \(migration 9999_future\.sql/);
  await db.run(sql`delete from migrations where name = '9999_future.sql'`);
});

test('a database that cannot hold every script is refused with the way out', async () => {
  await emptyDatabase('LATIN1', async (emptyUrl) => {
    const latin = openDb(emptyUrl, { max: 1 });
    await assert.rejects(migrate(latin), /encoded in LATIN1, and Vestnik needs UTF8/);
    await latin.close();
  });
});
