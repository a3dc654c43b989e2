/**
 * A process killed at every statement of an arrival's life (docs/architecture.md): the move over
 * HTTP, the robots' transaction, the wake-up of runs that waited. After a restart each deal has the
 * effects of an undisturbed one: none lost, none doubled.
 */
import assert from 'node:assert/strict';
import { before, test } from 'node:test';
import { startTestVestnik } from '../support/vestnik.ts';
import { createChildren, type Instance } from './children.ts';
import { assertNothingHalf, type Company, drainAll, effectsOf, openCompany, stages } from './company.ts';
import type { Death } from './worker.ts';

const children = createChildren(() => vestnik.db);
const vestnik = await startTestVestnik({ publicUrl: 'http://vestnik.test' });
const { db, clock, admin, token } = vestnik;
/** Deaths per process. */
const perChild = 20;
let company: Company;

before(async () => {
  company = await openCompany(vestnik);
  clock.advance('1 minute');
});

interface Subject {
  /** Leaves the deal to be worked on, at the clock's time; returns the time of the worker. */
  prepare(id: number): Promise<Date>;
  services: { web: boolean; worker: boolean };
  /** Which statements; all by default. */
  range?(statements: readonly string[]): { first: number; last: number };
  /** What is to be killed. Returns whether it came to its end; not at all when it was caught. */
  act(instance: Instance, id: number): Promise<boolean>;
}

interface Outcome {
  death: string;
  id: number;
  isFinished: boolean;
  lines: string[];
}

/**
 * Where to die: on the answer of each statement that writes; right after sending it, when the server may or may not have
 * it; before each of the others, unless the answer before it is such a place already.
 */
function deathsAt(statements: readonly string[], { first, last }: { first: number; last: number }): Death[] {
  const writes = (text: string) => /insert into|update |delete from|commit|nextval|notify/i.test(text);
  return statements.flatMap((text, at): Death[] => {
    if (at < first || at > last) return [];
    const isBetween = at > first && writes(statements[at - 1] ?? '');
    return [...(isBetween ? [] : [{ when: 'before', at } as const]), ...(writes(text) ? [{ when: 'sent', at } as const, { when: 'answered', at } as const] : [])];
  });
}

/** Of all that a worker says to the database: from its first claim of arrivals to its last look for runs that are due. */
function engineStatements(statements: readonly string[]): { first: number; last: number } {
  const first = statements.findIndex((text) => text.includes('delete from arrival_queue')) - 1;
  const acted = statements.findLastIndex((text) => /insert into runs|update runs/.test(text));
  const last = statements.findIndex((text, at) => at > acted && text.includes('min(due_at) as due_at from runs'));
  assert.ok(first >= 0 && acted > first && last > acted);
  return { first, last };
}

/** The subject undisturbed, and killed at each of its statements. */
async function killEverywhere(subject: Subject): Promise<{ undisturbed: string[]; outcomes: Outcome[]; statements: string[] }> {
  const ids = await company.deals(250);
  // The clock goes back from deal to deal: what earlier ones still wait for is never due for later ones.
  let deal = 0;
  const tomorrow = clock.now().getTime() + 10 * 86_400_000;
  async function prepared(): Promise<{ id: number; now: Date }> {
    const id = ids[deal++];
    assert.ok(id, 'more deals are needed');
    clock.set(new Date(tomorrow - deal * 1_200_000));
    return { id, now: await subject.prepare(id) };
  }
  /** After the restart, when everything has been worked off. */
  async function settled(wanted: readonly number[]): Promise<Map<number, string[]>> {
    await children.buried();
    clock.set(new Date(tomorrow + 86_400_000));
    await drainAll(vestnik);
    return effectsOf(db, wanted);
  }

  // Letters of earlier tests that nobody took are put off past everything that follows.
  await settled([]);

  const scouts = await children.next();
  const scout = await prepared();
  const instance = await scouts.start({ services: subject.services, now: scout.now });
  await instance.arm(null);
  assert.ok(await subject.act(instance, scout.id));
  const { statements = [] } = (await instance.report()) ?? {};
  await scouts.kill();
  const undisturbed = (await settled([scout.id])).get(scout.id) ?? [];

  const outcomes: Outcome[] = [];
  const deaths = deathsAt(statements, subject.range?.(statements) ?? { first: 0, last: statements.length });
  for (let from = 0; from < deaths.length; from += perChild) {
    const child = await children.next();
    const victims: Omit<Outcome, 'lines'>[] = [];
    for (const death of deaths.slice(from, from + perChild)) {
      const { id, now } = await prepared();
      const victim = await child.start({ services: subject.services, now });
      await victim.arm(death);
      const isFinished = await subject.act(victim, id);
      victims.push({
        id, isFinished,
        death: `killed ${death.when} statement ${death.at} of ${statements.length}: ${statements[Number(death.at)]?.replace(/\s+/g, ' ').slice(0, 120)}`,
      });
    }
    await child.kill();
    const effects = await settled(victims.map(({ id }) => id));
    for (const victim of victims) outcomes.push({ ...victim, lines: effects.get(victim.id) ?? [] });
  }
  await assertNothingHalf(db);
  return { undisturbed, outcomes, statements };
}

test('a move over HTTP happens wholly, with its arrival, or not at all', { timeout: 300_000 }, async (t) => {
  const bearer = `Bearer ${await token(admin)}`;
  const stageId = company.pipeline.stage(stages.all).id;
  const { undisturbed, outcomes } = await killEverywhere({
    services: { web: true, worker: false },
    prepare: async () => clock.now(),
    async act(instance, id) {
      const caught = new AbortController();
      void instance.frozen.then(() => caught.abort());
      try {
        const answer = await fetch(`${instance.url}/api/items/${id}`, {
          method: 'PATCH', headers: { authorization: bearer, 'content-type': 'application/json' }, body: JSON.stringify({ stageId }), signal: caught.signal,
        });
        assert.ok(answer.ok, `${answer.status} ${await answer.text()}`);
        return true;
      } catch (error) {
        if (caught.signal.aborted) return false;
        throw error;
      }
    },
  });
  const [untouched] = await company.deals(1);
  assert.ok(untouched);
  await drainAll(vestnik);
  const notMoved = (await effectsOf(db, [untouched])).get(untouched) ?? [];
  const moved = outcomes.filter(({ lines }) => lines.length > notMoved.length);
  for (const { lines, death, isFinished } of outcomes) {
    const isMoved = lines.length > notMoved.length;
    assert.deepEqual(lines, isMoved ? undisturbed : notMoved, death);
    assert.ok(isMoved || !isFinished, `acknowledged and lost: ${death}`);
  }
  t.diagnostic(`${outcomes.length} kills; ${moved.length} of the moves had happened`);
  assert.ok(moved.length > 0 && moved.length < outcomes.length, 'the kills did not lie on both sides of the commit');
});

function assertExactlyOnce({ undisturbed, outcomes }: { undisturbed: string[]; outcomes: Outcome[] }): void {
  for (const { lines, death } of outcomes) assert.deepEqual(lines, undisturbed, death);
  const missed = outcomes.filter(({ isFinished }) => isFinished);
  assert.ok(missed.length < outcomes.length / 10, `${missed.length} of ${outcomes.length} were not caught`);
}

test('robots act exactly once wherever their transaction is killed', { timeout: 300_000 }, async (t) => {
  const result = await killEverywhere({
    services: { web: false, worker: false },
    async prepare(id) {
      await company.move([id], stages.all);
      return clock.now();
    },
    range: engineStatements,
    act: async (instance) => (await instance.drain()) ?? false,
  });
  t.diagnostic(`${result.outcomes.length} kills at ${result.statements.length} statements`);
  assertExactlyOnce(result);
  // Not vacuous: every kind of effect was there to be lost.
  const kinds = new Set(result.undisturbed.map((line) => line.split(' ')[0]));
  assert.deepEqual([...kinds], ['arrival', 'change', 'chat', 'comment', 'delivery', 'invoice', 'item', 'message', 'notification', 'post', 'run']);
});

test('runs that waited act exactly once wherever their wake-up is killed', { timeout: 300_000 }, async (t) => {
  const result = await killEverywhere({
    services: { web: false, worker: false },
    async prepare(id) {
      await company.move([id], stages.waits);
      await vestnik.drain();
      return new Date(clock.now().getTime() + 660_000);
    },
    range: engineStatements,
    act: async (instance) => (await instance.drain()) ?? false,
  });
  t.diagnostic(`${result.outcomes.length} kills at ${result.statements.length} statements`);
  assertExactlyOnce(result);
});
