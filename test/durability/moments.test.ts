/** Runs that wait: a clock that jumps, and items that move on at the very moment. */
import assert from 'node:assert/strict';
import { before, test } from 'node:test';
import { sql } from '../../server/db/db.ts';
import { startTestVestnik } from '../support/vestnik.ts';
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

test('a clock that jumps a day forward fires what became due, once', { timeout: 30_000 }, async () => {
  const id = await waitingDeal();
  clock.advance(day);
  await drain();
  assert.equal(await timesTold(id), 1);
  clock.advance(day);
  await drain();
  assert.equal(await timesTold(id), 1);
});

test('a clock that jumps back after a run fired does not fire it again', { timeout: 30_000 }, async () => {
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

test('a clock that jumps back a day while a run waits never fires it before its moment', { timeout: 30_000 }, async () => {
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

test('what is to happen at once happens at once, though the clock jumped back after the move', { timeout: 30_000 }, async () => {
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

test('an item that moves on as its run becomes due: the run acted before, or was cancelled', { timeout: 90_000 }, async (t) => {
  const rounds = 40;
  const perRound = 5;
  let acted = 0;
  let cancelled = 0;
  for (let round = 0; round < rounds; round++) {
    const ids = await company.deals(perRound);
    await drain();
    await company.move(ids, stages.waits);
    await drain();
    clock.advance(minutes(11));
    // From the worker well ahead to the mover well ahead.
    const lead = (round % 8) - 3;
    const worker = passes(Math.max(0, -lead)).then(drain);
    const mover = passes(Math.max(0, lead)).then(() => company.move(round % 2 === 0 ? ids : ids.toReversed(), stages.end));
    await Promise.all([worker, mover]);
    await drainAll(vestnik);
    const effects = await effectsOf(db, ids);
    for (const id of ids) {
      const lines = effects.get(id) ?? [];
      const notified = lines.filter((line) => line.includes(told)).length;
      const states = await db.rows<{ state: string; reason: string | null }>(sql`
        select r.state, r.reason from runs r join arrivals a on a.id = r.arrival_id where a.item_id = ${id} order by r.id`);
      assert.equal(states.length, 4);
      const [first] = states;
      assert.ok((first?.state === 'done' && notified === 2) || (first?.state === 'cancelled' && first.reason === 'stage.left' && notified === 0), `deal ${id}: ${JSON.stringify({ states, notified })}`);
      assert.ok(states.every(({ state }) => state === 'done' || state === 'cancelled'), JSON.stringify(states));
      if (notified > 0) acted++;
      else cancelled++;
    }
  }
  await assertNothingHalf(db);
  t.diagnostic(`${acted} acted, ${cancelled} were cancelled`);
  assert.ok(acted > 0 && cancelled > 0, 'the race was always won by the same side');
});

/** Lets some turns of the event loop go by. */
async function passes(turns: number): Promise<void> {
  for (let turn = 0; turn < turns * 10; turn++) await new Promise((resolve) => setImmediate(resolve));
}
