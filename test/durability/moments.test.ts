/** Runs that wait: a clock that jumps, and items that move on at the very moment. */
import assert from 'node:assert/strict';
import { before, test } from 'node:test';
import { sql } from '../../server/db/db.ts';
import { startTestVestnik } from '../support/vestnik.ts';
import { until } from './children.ts';
import { assertNothingHalf, type Company, drainAll, effectsOf, openCompany, stages } from './company.ts';

const vestnik = await startTestVestnik({ publicUrl: 'http://vestnik.test' });
const { db, clock, drain } = vestnik;
let company: Company;

before(async () => {
  company = await openCompany(vestnik);
  clock.advance('3 days');
});

const told = 'Прошло десять минут';

async function timesTold(id: number): Promise<number> {
  const lines = (await effectsOf(db, [id])).get(id) ?? [];
  return lines.filter((line) => line.includes(told)).length / 2;
}

async function waitingDeal(): Promise<number> {
  const [id = 0] = await company.deals(1);
  await drain();
  await company.move([id], stages.waits);
  await drain();
  assert.equal(await timesTold(id), 0);
  return id;
}

const minutes = (count: number) => count * 60_000;
const day = minutes(24 * 60);

test('a clock that jumps a day forward fires what became due, once', { timeout: 300_000 }, async () => {
  const id = await waitingDeal();
  clock.advance(day);
  await drain();
  assert.equal(await timesTold(id), 1);
  clock.advance(day);
  await drain();
  assert.equal(await timesTold(id), 1);
});

test('a clock that jumps back after a run fired does not fire it again', { timeout: 300_000 }, async () => {
  const id = await waitingDeal();
  clock.advance(minutes(11));
  await drain();
  assert.equal(await timesTold(id), 1);
  for (const step of [-day, minutes(11), day, day]) {
    clock.advance(step);
    await drain();
    assert.equal(await timesTold(id), 1);
  }
});

test('a clock that jumps back a day while a run waits never fires it before its moment', { timeout: 300_000 }, async () => {
  const id = await waitingDeal();
  const dueAt = clock.now().getTime() + minutes(10);
  clock.advance(-day);
  await drain();
  assert.equal(await timesTold(id), 0);
  clock.set(new Date(dueAt - 1));
  await drain();
  assert.equal(await timesTold(id), 0);
  clock.set(new Date(dueAt));
  await drain();
  assert.equal(await timesTold(id), 1);
});

test('what is to happen at once happens at once, though the clock jumped back after the move', { timeout: 300_000 }, async () => {
  const [id = 0] = await company.deals(1);
  await company.move([id], stages.light);
  clock.advance(-day);
  await drain();
  const lines = (await effectsOf(db, [id])).get(id) ?? [];
  assert.equal(lines.filter((line) => line.startsWith('notification')).length, 2, 'the worker of another machine, whose clock is behind, acts too');
  clock.advance(2 * day);
  await drain();
  assert.deepEqual((await effectsOf(db, [id])).get(id), lines);
});

/** What became of the robots of a deal that waited, when it has moved on and everything is worked off. */
async function fateOf(id: number): Promise<'acted' | 'cancelled'> {
  const lines = (await effectsOf(db, [id])).get(id) ?? [];
  const notified = lines.filter((line) => line.includes(told)).length;
  const runs = await db.rows<{ state: string; reason: string | null }>(sql`
    select r.state, r.reason from runs r join arrivals a on a.id = r.arrival_id where a.item_id = ${id} order by r.id`);
  assert.equal(runs.length, 4);
  assert.ok(runs.every(({ state }) => state === 'done' || state === 'cancelled'), JSON.stringify(runs));
  const [first] = runs;
  const acted = first?.state === 'done';
  assert.ok(acted ? notified === 2 : first?.reason === 'stage.left' && notified === 0, `deal ${id}: ${JSON.stringify({ runs, notified })}`);
  return acted ? 'acted' : 'cancelled';
}

/** Sessions that wait for a lock somebody else of this database holds. */
const waitingForLocks = (count: number) => until(120, `${count} to wait for locks`, async () => {
  const row = await db.first<{ count: number }>(sql`
    select count(distinct pid) as count from pg_locks join pg_stat_activity using (pid) where datname = current_database() and not granted`);
  return row?.count === count;
});

async function dealsAboutToAct(count: number): Promise<number[]> {
  const ids = await company.deals(count);
  await drain();
  await company.move(ids, stages.waits);
  await drain();
  clock.advance(minutes(11));
  return ids;
}

test('a move that comes before the worker to an item whose run is due cancels the run', { timeout: 300_000 }, async () => {
  const ids = await dealsAboutToAct(3);
  let drained: Promise<void> = Promise.resolve();
  await company.move(ids, stages.end, async () => {
    // It has the items; the worker has found their runs due, and waits for them.
    drained = drain();
    await waitingForLocks(1);
  });
  await drained;
  await drainAll(vestnik);
  for (const id of ids) assert.equal(await fateOf(id), 'cancelled');
  await assertNothingHalf(db);
});

test('a move that comes after the worker to an item whose run is due waits until the robots have acted', { timeout: 300_000 }, async () => {
  const ids = await dealsAboutToAct(3);
  let drained: Promise<void> = Promise.resolve();
  let moved: Promise<void> = Promise.resolve();
  await db.transaction(async (tx) => {
    // The worker has the items and cannot write what it decided; the move waits for the items.
    await tx.run(sql`lock table notifications in share mode`);
    drained = drain();
    await waitingForLocks(1);
    moved = company.move(ids.toReversed(), stages.end);
    await waitingForLocks(2);
  });
  await Promise.all([drained, moved]);
  await drainAll(vestnik);
  for (const id of ids) assert.equal(await fateOf(id), 'acted');
  await assertNothingHalf(db);
});

test('an item that moves on as its run becomes due: the run acted before, or was cancelled', { timeout: 300_000 }, async (t) => {
  const fates = { acted: 0, cancelled: 0 };
  for (let round = 0; round < 40; round++) {
    const ids = await dealsAboutToAct(5);
    // From the worker well ahead to the mover well ahead. Who wins is not ours to say; the tests above make each win.
    const lead = (round % 8) - 3;
    const worker = passes(Math.max(0, -lead)).then(drain);
    const mover = passes(Math.max(0, lead)).then(() => company.move(round % 2 === 0 ? ids : ids.toReversed(), stages.end));
    await Promise.all([worker, mover]);
    await drainAll(vestnik);
    for (const id of ids) fates[await fateOf(id)]++;
  }
  await assertNothingHalf(db);
  t.diagnostic(`${fates.acted} acted, ${fates.cancelled} were cancelled`);
});

/** Lets some turns of the event loop go by. */
async function passes(turns: number): Promise<void> {
  for (let turn = 0; turn < turns * 10; turn++) await new Promise((resolve) => setImmediate(resolve));
}
