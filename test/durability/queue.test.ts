/** Arrivals that cannot be worked off: one that was already, and one that the database refuses. */
import assert from 'node:assert/strict';
import { afterEach, before, test } from 'node:test';
import { raw, sql } from '../../server/db/db.ts';
import { startTestVestnik } from '../support/vestnik.ts';
import { assertEffects, assertNothingHalf, type Company, drainAll, effectsOf, openCompany, queueLength, stages } from './company.ts';

// Failures are what this is about; they need not be read.
const vestnik = await startTestVestnik({ publicUrl: 'http://vestnik.test', logLevel: 'fatal' });
const { db, clock, drain } = vestnik;
let company: Company;

// A test that failed must not make the following ones fail.
afterEach(async () => {
  await db.run(raw('alter table comments drop constraint if exists comments_poisoned'));
  await db.run(raw('alter table runs drop constraint if exists runs_poisoned'));
  clock.advance('1 day');
  await drain();
});

before(async () => {
  company = await openCompany(vestnik);
  clock.advance('1 minute');
});

async function expectedAt(stage: string): Promise<readonly string[]> {
  const [id] = await company.deals(1);
  assert.ok(id);
  await company.move([id], stage);
  await drainAll(vestnik);
  return (await effectsOf(db, [id])).get(id) ?? [];
}

test('arrivals put back into the queue are dropped: nothing doubles, nobody waits', { timeout: 300_000 }, async () => {
  const expected = await expectedAt(stages.all);
  const old = await company.deals(20);
  await company.move(old, stages.all);
  await drainAll(vestnik);
  const fresh = await company.deals(100);
  await drain();
  await company.move(fresh, stages.all);
  await db.run(sql`insert into arrival_queue (arrival_id, due_at) select id, ${clock.now()} from arrivals where item_id = any(${old}::bigint[])`);

  await drain();

  assert.equal(await queueLength(db), 0);
  await assertEffects(db, old, expected, 'replayed');
  await assertEffects(db, fresh, expected, 'queued with replayed ones');
  await assertNothingHalf(db);
});

test('an arrival put back while its run still waits changes nothing about the wait', { timeout: 300_000 }, async () => {
  const [id] = await company.deals(1);
  assert.ok(id);
  await company.move([id], stages.waits);
  await drainAll(vestnik);
  const waiting = (await effectsOf(db, [id])).get(id);
  await db.run(sql`insert into arrival_queue (arrival_id, due_at) select id, ${clock.now()} from arrivals where item_id = ${id}`);
  await drain();
  assert.equal(await queueLength(db), 0);
  assert.deepEqual((await effectsOf(db, [id])).get(id), waiting);
  clock.advance('11 minutes');
  await drainAll(vestnik);
  const lines = (await effectsOf(db, [id])).get(id) ?? [];
  assert.equal(lines.filter((line) => line.includes('Прошло десять минут')).length, 2);
});

test('an arrival the database refuses holds up nobody, and is given up visibly', { timeout: 300_000 }, async () => {
  const expected = await expectedAt(stages.light);
  const ids = await company.deals(501);
  await drainAll(vestnik);
  const poisoned = ids[250];
  assert.ok(poisoned);
  await db.run(raw(`alter table comments add constraint comments_poisoned check (item_id <> ${poisoned})`));
  const healthy = ids.filter((id) => id !== poisoned);
  await company.move(ids, stages.light);

  await drain();
  await assertEffects(db, healthy, expected, 'beside a poisoned one');
  assert.equal(await queueLength(db), 1, 'it is tried again');
  const { error } = (await db.first<{ error: string | null }>(sql`select error from arrival_queue`)) ?? {};
  assert.match(error ?? '', /comments_poisoned/);

  let attempts = 1;
  for (; (await queueLength(db)) > 0; attempts++) {
    assert.ok(attempts < 20, 'it is tried for ever');
    clock.advance('1 hour');
    await drain();
  }
  assert.equal(attempts, 5);
  const runs = await db.rows<{ state: string; reason: string }>(sql`select r.state, r.reason from runs r join arrivals a on a.id = r.arrival_id where a.item_id = ${poisoned} order by r.id`);
  assert.deepEqual(runs, Array.from({ length: 5 }, () => ({ state: 'failed', reason: 'internal' })));
  const lines = (await effectsOf(db, [poisoned])).get(poisoned) ?? [];
  assert.deepEqual(lines.filter((line) => !/^(item|arrival|run) /.test(line)), [], 'nothing of it was done');
  await assertEffects(db, healthy, expected, 'after it was given up');
  await assertNothingHalf(db);
});

test('an arrival whose very runs cannot be written does not hold up the others either', { timeout: 300_000 }, async () => {
  const expected = await expectedAt(stages.light);
  const [poisoned = 0, ...healthy] = await company.deals(30);
  await drainAll(vestnik);
  await db.run(raw(`alter table runs add constraint runs_poisoned check (item_id <> ${poisoned})`));
  await company.move([poisoned, ...healthy], stages.light);
  for (let round = 0; round < 7; round++) {
    await drain();
    await assertEffects(db, healthy, expected, `round ${round}`);
    clock.advance('1 hour');
    const later = await company.deals(2);
    await company.move(later, stages.light);
    healthy.push(...later);
  }
  // It stays until somebody has made the database well again.
  assert.ok((await queueLength(db)) > 0);
  await db.run(raw('alter table runs drop constraint runs_poisoned'));
  clock.advance('1 day');
  await drainAll(vestnik);
  await assertEffects(db, healthy, expected);
});

test('a run that waited and cannot be written is given up alone', { timeout: 300_000 }, async () => {
  const ids = await company.deals(20);
  await company.move(ids, stages.waits);
  await drainAll(vestnik);
  const [poisoned = 0, ...healthy] = ids;
  await db.run(raw(`alter table comments add constraint comments_poisoned check (item_id <> ${poisoned})`));
  clock.advance('11 minutes');
  await drain();
  const [expected] = [...(await effectsOf(db, [healthy[0] ?? 0])).values()];
  assert.equal(expected?.filter((line) => line.startsWith('notification')).length, 2);
  await assertEffects(db, healthy, expected ?? []);
  for (let round = 0; round < 10; round++) {
    clock.advance('1 hour');
    await drain();
  }
  const runs = await db.rows<{ state: string }>(sql`select r.state from runs r join arrivals a on a.id = r.arrival_id where a.item_id = ${poisoned} order by r.id`);
  assert.ok(runs.every(({ state }) => state !== 'waiting'), `never silent: ${runs.map(({ state }) => state).join()}`);
  assert.ok(runs.some(({ state }) => state === 'failed'));
  await assertNothingHalf(db);
});

test('a batch does not wait for requests that wait for its items', { timeout: 300_000 }, async () => {
  const ids = await company.deals(60);
  await drain();
  await company.move(ids, stages.all);
  // Many more than there are connections, each of them waiting for an item that the batch holds. A batch that
  // waited for a connection too would throw when the pool gives up.
  await Promise.all([drain(), ...ids.map((id) => company.patch(id, stages.end))]);
  await drainAll(vestnik);
  const runs = await db.rows<{ count: number }>(sql`
    select count(*) as count from runs r join arrivals a on a.id = r.arrival_id
    where a.item_id = any(${ids}::bigint[]) and r.state in ('done', 'skipped') and a.stage_id = ${company.pipeline.stage(stages.all).id} group by a.item_id`);
  assert.deepEqual([...new Set(runs.map(({ count }) => count))], [13]);
  await assertNothingHalf(db);
});
