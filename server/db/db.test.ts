import assert from 'node:assert/strict';
import { test } from 'node:test';
import { testDatabase } from '../../test/support/database.ts';
import { openDb, sql } from './db.ts';
import { TransientError } from '../../shared/errors.ts';

const { db, url } = await testDatabase();

test('columns come back in camelCase and with the product\'s types', async () => {
  const row = await db.first(sql`select 5::bigint as item_id, 12.50::numeric as amount, '2026-11-23'::date as closes_on, array[1,2]::bigint[] as observer_ids`);
  assert.deepEqual(row, { itemId: 5, amount: 12.5, closesOn: '2026-11-23', observerIds: [1, 2] });
});

test('timestamps are moments, whatever their fraction, year or the zone of the server', async () => {
  const row = await db.first<Record<string, Date>>(sql`select '2026-11-23 18:03:36+03'::timestamptz as whole, '2026-11-23 18:03:36.123456+00'::timestamptz as fine,
    '0999-02-03 04:05:06.7+00'::timestamptz as old, '12026-02-03 04:05:06+00'::timestamptz as far, array['2026-11-23 18:03:36+03'::timestamptz] as many`);
  assert.equal(row?.whole?.toISOString(), '2026-11-23T15:03:36.000Z');
  assert.equal(row?.fine?.toISOString(), '2026-11-23T18:03:36.123Z');
  assert.equal(row?.old?.toISOString(), '0999-02-03T04:05:06.700Z');
  assert.equal(row?.far?.toISOString(), '+012026-02-03T04:05:06.000Z');
  assert.deepEqual(row?.many, [new Date('2026-11-23T15:03:36Z')]);
});

test('a transaction that throws leaves nothing behind and calls no hook', async () => {
  let called = false;
  await assert.rejects(
    db.transaction(async (tx) => {
      tx.afterCommit(() => (called = true));
      await tx.run(sql`insert into departments (name) values ('x')`);
      throw new Error('no');
    }),
    /no/,
  );
  assert.equal(called, false);
  assert.deepEqual(await db.rows(sql`select 1 from departments`), []);
});

test('a dry run sees its own writes and leaves none', async () => {
  const seen = await db.transaction(
    async (tx) => {
      await tx.run(sql`insert into departments (name) values ('x')`);
      return tx.rows(sql`select name from departments`);
    },
    { dryRun: true },
  );
  assert.deepEqual(seen, [{ name: 'x' }]);
  assert.deepEqual(await db.rows(sql`select 1 from departments`), []);
});

test('an asynchronous commit is seen by the next query', async () => {
  let order = '';
  await db.transaction(async (tx) => {
    tx.afterCommit(() => (order += 'hook'));
    await tx.run(sql`insert into departments (name) values ('async')`);
  }, { asyncCommit: true });
  assert.equal(order, 'hook');
  assert.equal((await db.rows(sql`select 1 from departments where name = 'async'`)).length, 1);
});

test('a write sent along with the commit that fails undoes the transaction', async () => {
  await assert.rejects(
    db.transaction(async (tx) => {
      await tx.run(sql`insert into departments (name) values ('along')`);
      tx.withCommit(tx.run(sql`insert into departments (id, name) values (1/0, 'y')`));
    }),
    /division by zero/,
  );
  assert.deepEqual(await db.rows(sql`select 1 from departments where name = 'along'`), []);
});

test('a branch that outlives its transaction cannot write any more', async () => {
  let late: Promise<unknown> | undefined;
  await assert.rejects(
    db.transaction(async (tx) => {
      late = tx.rows(sql`select pg_sleep(0.05)`).then(() => tx.run(sql`insert into departments (name) values ('late')`));
      late.catch(() => {});
      await tx.run(sql`select 1/0`);
    }),
    /division by zero/,
  );
  await assert.rejects(late ?? Promise.resolve());
  assert.deepEqual(await db.rows(sql`select 1 from departments where name = 'late'`), []);
});

test('what a process that hangs in a transaction has locked is free again, and it hears why', async () => {
  const hung = openDb(url, { max: 1, idleMs: 300 });
  try {
    await db.run(sql`insert into departments (name) values ('held')`);
    const isLocked = Promise.withResolvers<void>();
    const isFree = Promise.withResolvers<void>();
    const lost = hung.transaction(async (tx) => {
      await tx.run(sql`update departments set name = 'by the hung' where name = 'held'`);
      isLocked.resolve();
      await isFree.promise;
      await tx.run(sql`select 1`);
    });
    const heard = assert.rejects(lost, TransientError);
    await isLocked.promise;
    // Waits for the row until the server ends the other transaction.
    assert.equal(await db.run(sql`update departments set name = 'by another' where name = 'held'`), 1);
    isFree.resolve();
    await heard;
    assert.deepEqual(await hung.rows(sql`select name from departments where name like 'by %'`), [{ name: 'by another' }]);
  } finally {
    await hung.close();
  }
});

test('the product gives no transaction more than a minute of silence', async () => {
  assert.deepEqual(await db.first(sql`select current_setting('idle_in_transaction_session_timeout') as is`), { is: '1min' });
});
