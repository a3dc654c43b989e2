import assert from 'node:assert/strict';
import { test } from 'node:test';
import { testDatabase } from '../../test/support/database.ts';
import { sql } from '../db/db.ts';
import { createTogether } from './together.ts';

const { db } = await testDatabase();

test('changes that come while one is under way share the next transaction, one per item', async () => {
  const batches: number[][] = [];
  const change = createTogether<{ id: number; name: string }, string>(db, async (_tx, changes) => {
    batches.push(changes.map((one) => one.id));
    // Until both lanes have begun, whichever got its connection first: then the rest has gathered.
    while (batches.length < 2) await new Promise((resolve) => setImmediate(resolve));
    return changes.map((one) => one.name);
  });
  const wanted = [1, 2, 3, 4, 3, 5].map((id, index) => ({ id, name: `n${index}` }));
  assert.deepEqual(await Promise.all(wanted.map(change)), ['n0', 'n1', 'n2', 'n3', 'n4', 'n5']);
  // Two lanes take the first two; the rest gathers, the second change of item 3 waits for its own turn.
  assert.deepEqual(batches.slice(0, 2).sort(), [[1], [2]]);
  assert.deepEqual(batches.slice(2).sort(), [[3], [3, 4, 5]]);
});

test('one that breaks the transaction does not take the others with it', async () => {
  const change = createTogether<{ id: number }, number>(db, async (tx, changes) => {
    await tx.rows(sql`select pg_sleep(0.01)`);
    for (const { id } of changes) await tx.run(sql`insert into departments (id, name) values (${id}, ${id === 13 ? null : 'x'})`);
    return changes.map(({ id }) => id);
  });
  const answers = await Promise.allSettled([11, 12, 13, 14, 15].map((id) => change({ id })));
  assert.deepEqual(answers.map((answer) => answer.status), ['fulfilled', 'fulfilled', 'rejected', 'fulfilled', 'fulfilled']);
  assert.deepEqual((await db.rows<{ id: number }>(sql`select id from departments order by id`)).map((row) => row.id), [11, 12, 14, 15]);
});
