/** Servers killed at random moments under load, workers side by side, and a worker that dies with work in its hands. */
import assert from 'node:assert/strict';
import { before, test } from 'node:test';
import { sql } from '../../server/db/db.ts';
import { startTestVestnik } from '../support/vestnik.ts';
import { createChildren, type Child, until } from './children.ts';
import { assertEffects, assertNothingHalf, type Company, drainAll, effectsOf, openCompany, queueLength, stages } from './company.ts';

const children = createChildren(() => vestnik.db);
const vestnik = await startTestVestnik({ publicUrl: 'http://vestnik.test', now: () => new Date() });
const { db, admin, token } = vestnik;
let company: Company;
let notMoved: readonly string[];
let moved: readonly string[];
/** The same, moved over HTTP. */
let patched: readonly string[];

before(async () => {
  company = await openCompany(vestnik);
  const [left = 0, right = 0, third = 0] = await company.deals(3);
  await company.move([right], stages.light);
  await company.patch(third, stages.light);
  await drainAll(vestnik);
  const effects = await effectsOf(db, [left, right, third]);
  patched = effects.get(third) ?? [];
  notMoved = effects.get(left) ?? [];
  moved = effects.get(right) ?? [];
  assert.equal(moved.filter((line) => line.startsWith('notification')).length, 2);
});

test('a server killed ten times under load loses and doubles nothing', { timeout: 300_000 }, async (t) => {
  const ids = await company.deals(1500);
  await drainAll(vestnik);
  const bearer = `Bearer ${await token(admin)}`;
  const stageId = company.pipeline.stage(stages.light).id;
  const acknowledged = new Set<number>();
  const abandoned = new Set<number>();
  let failures = 0;

  const boot = async (): Promise<{ child: Child; url: string }> => {
    const child = await children.next();
    const { url } = await child.start({ services: { web: true, worker: true } });
    return { child, url };
  };
  let server = boot();
  let isOver = false;

  /** true: acknowledged. */
  async function patch(id: number): Promise<boolean> {
    const { url } = await server;
    try {
      const answer = await fetch(`${url}/api/items/${id}`, {
        method: 'PATCH', headers: { authorization: bearer, 'content-type': 'application/json' }, body: JSON.stringify({ stageId }), signal: AbortSignal.timeout(30_000),
      });
      const text = await answer.text();
      if (answer.status >= 500) return false;
      assert.ok(answer.ok, text);
      return true;
    } catch (error) {
      if (error instanceof TypeError) return false;
      throw error;
    }
  }
  const left = [...ids];
  const clients = Array.from({ length: 8 }, async () => {
    for (let id = left.shift(); id !== undefined; id = left.shift()) {
      for (;;) {
        if (await patch(id)) {
          acknowledged.add(id);
          break;
        }
        failures++;
        // Some people give up: their move has happened or not, but not half.
        if (id % 3 === 0) {
          abandoned.add(id);
          break;
        }
      }
    }
  });
  let kills = 0;
  const killer = (async () => {
    // At equal shares of the work, give or take: so that the load is there whatever the machine does.
    for (let target = ids.length - 130; kills < 10 && !isOver; target -= 130) {
      const mark = target - Math.floor(Math.random() * 60);
      await until(120, 'the load to go on', async () => isOver || left.length <= mark);
      if (isOver) break;
      const { child } = await server;
      server = child.kill().then(boot);
      kills++;
      await server;
    }
  })();
  await Promise.all(clients);
  isOver = true;
  await killer;
  await until(120, 'the last server to work off the queue', async () => (await queueLength(db)) === 0);
  const { child } = await server;
  await child.kill();
  await children.buried();
  await drainAll(vestnik);

  assert.ok(kills >= 8, `${kills} kills`);
  assert.equal(acknowledged.size + abandoned.size, ids.length);
  await assertEffects(db, [...acknowledged], patched, 'acknowledged');
  let happened = 0;
  for (const [id, lines] of await effectsOf(db, [...abandoned])) {
    const isMoved = lines.length > notMoved.length;
    if (isMoved) happened++;
    assert.deepEqual(lines, isMoved ? patched : notMoved, `deal ${id}, not acknowledged`);
  }
  await assertNothingHalf(db);
  t.diagnostic(`${kills} kills, ${failures} requests without an answer, ${abandoned.size} given up of which ${happened} had happened`);
});

test('two workers share the arrivals: each is worked off once', { timeout: 300_000 }, async (t) => {
  const ids = await company.deals(3000);
  await drainAll(vestnik);
  const workers = await Promise.all([children.next(), children.next()]);
  const instances = await Promise.all(workers.map((worker) => worker.start({ services: { web: false, worker: true } })));
  const started = performance.now();
  for (let from = 0; from < ids.length; from += 100) await company.move(ids.slice(from, from + 100), stages.light);
  await until(120, 'the workers to finish', async () => (await queueLength(db)) === 0);
  const took = performance.now() - started;
  const claimed = async () => (await Promise.all(instances.map((instance) => instance.report()))).map((report) => report?.claimed ?? 0);
  // Where one was quicker every time so far, there is more to do.
  await until(120, 'both to take part', async () => {
    if ((await claimed()).every((count) => count > 0)) return true;
    const more = await company.deals(300);
    ids.push(...more);
    await company.move(more, stages.light);
    return false;
  });
  await until(120, 'the workers to finish', async () => (await queueLength(db)) === 0);
  const claims = await claimed();
  await Promise.all(instances.map((instance) => instance.stop()));
  await Promise.all(workers.map((worker) => worker.kill()));
  await assertEffects(db, ids, moved);
  await assertNothingHalf(db);
  const { deadlocks = 0 } = (await db.first<{ deadlocks: number }>(sql`select deadlocks from pg_stat_database where datname = current_database()`)) ?? {};
  t.diagnostic(`${claims.join(' and ')} arrivals in ${Math.round(took)} ms, ${deadlocks} deadlocks`);
  assert.deepEqual(workers.map((worker) => worker.log), ['', ''], 'nothing failed unhandled');
});

test('what a worker had in its hands when it died is taken over at once', { timeout: 300_000 }, async (t) => {
  const ids = await company.deals(600);
  await drainAll(vestnik);
  const [dying, living] = await Promise.all([children.next(), children.next()]);
  const [victim] = await Promise.all([dying.start({ services: { web: false, worker: true } }), living.start({ services: { web: false, worker: true } })]);
  await victim.arm({ when: 'answered', at: 'insert into runs' });
  let isCaught = false;
  void victim.frozen.then(() => (isCaught = true));
  for (let from = 0; from < ids.length; from += 20) await company.move(ids.slice(from, from + 20), stages.light);
  await until(120, 'the victim to take arrivals', async () => isCaught);
  await until(120, 'the other to work off the rest', async () => {
    const rows = await db.rows<{ arrivalId: number }>(sql`select arrival_id from arrival_queue for update skip locked`);
    return rows.length === 0;
  });
  const held = await queueLength(db);
  assert.ok(held > 0, 'the victim holds arrivals');
  const killedAt = performance.now();
  await dying.kill();
  await until(120, 'the other to take them over', async () => (await queueLength(db)) === 0);
  const took = performance.now() - killedAt;
  await living.kill();
  await children.buried();
  await assertEffects(db, ids, moved);
  await assertNothingHalf(db);
  t.diagnostic(`${held} arrivals taken over ${Math.round(took)} ms after SIGKILL`);
});
