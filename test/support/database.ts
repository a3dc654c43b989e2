/**
 * A migrated database for one test file: a clone of a template, made in milliseconds.
 * tools/test.ts starts the server, or uses that of DATABASE_URL, and says in VESTNIK_TEST_SERVER_URL
 * where it is and in VESTNIK_TEST_RUN what the names of this run's databases begin with.
 */
import { after } from 'node:test';
import { openDb, raw, sql, type Db } from '../../server/db/db.ts';

let count = 0;

/** Dropped after the last test of the file, which fails if it left a transaction open. */
export async function testDatabase(): Promise<{ db: Db; url: string }> {
  const { VESTNIK_TEST_SERVER_URL: serverUrl, VESTNIK_TEST_RUN: run } = process.env;
  if (!serverUrl || !run) throw new Error('Run tests with `npm test -- <path>`: it starts the database server they need.');
  const name = `${run}_${process.pid}_${count++}`;
  const server = openDb(serverUrl, { max: 1 });
  await server.run(raw(`create database ${name} template ${run}_template`));
  const url = new URL(serverUrl);
  url.pathname = `/${name}`;
  const db = openDb(url.href, { max: 8 });
  after(async () => {
    const open = await openTransactions(server, name);
    // Their connections will never come back to the pool: closing it would wait forever.
    const closed = db.close();
    if (open.length === 0) await closed;
    await server.run(raw(`drop database ${name} with (force)`));
    await server.close();
    if (open.length > 0) throw new Error(`The tests of this file left a transaction open; its last statement was:\n${open.join('\n')}`);
  });
  return { db, url: url.href };
}

/** Last statements of transactions that stay open. One that is just ending is given time. */
async function openTransactions(server: Db, database: string): Promise<string[]> {
  const deadline = performance.now() + 10_000;
  for (;;) {
    const open = await server.rows<{ query: string }>(
      sql`select query from pg_stat_activity where datname = ${database} and state like 'idle in transaction%' and clock_timestamp() - state_change > interval '100 ms'`,
    );
    if (open.length === 0 || performance.now() > deadline) return open.map((row) => row.query);
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
}
