/** PostgreSQL stopped and killed under load: the product comes back by itself, nothing is lost or doubled. */
import assert from 'node:assert/strict';
import { chmod, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { openDb, raw } from '../../server/db/db.ts';
import { startEmbedded } from '../../server/db/embedded.ts';
import { migrate } from '../../server/db/migrate.ts';
import { startTestVestnik } from '../support/vestnik.ts';
import { createChildren, until } from './children.ts';
import { assertEffects, assertNothingHalf, type Company, drainAll, effectsOf, openCompany, queueLength, stages } from './company.ts';

// A server of our own: nobody else is to suffer. Killed processes lose nothing they gave to the system,
// so it need not wait for the disk; commits are as synchronous as in the product.
const directory = await mkdtemp(join(tmpdir(), 'vestnik-database-away-'));
await chmod(directory, 0o755);
const server = await startEmbedded({ dataDir: join(directory, 'database'), settings: { fsync: 'off' } });
const templateUrl = new URL(server.url);
templateUrl.pathname = '/away_template';
const first = openDb(server.url, { max: 1 });
await first.run(raw('create database away_template'));
await first.close();
const template = openDb(templateUrl.href, { max: 1 });
await migrate(template);
await template.close();
Object.assign(process.env, { VESTNIK_TEST_SERVER_URL: server.url, VESTNIK_TEST_RUN: 'away' });

const children = createChildren(() => vestnik.db);
const vestnik = await startTestVestnik({ publicUrl: 'http://vestnik.test', now: () => new Date(), logLevel: 'fatal' });
after(async () => {
  await server.stop();
  await rm(directory, { recursive: true, force: true });
});
const { db, admin, token } = vestnik;
let company: Company;

before(async () => {
  company = await openCompany(vestnik);
});

for (const { signal, name } of [{ signal: 'SIGINT', name: 'stopped' }, { signal: 'SIGKILL', name: 'killed' }] as const) {
  test(`PostgreSQL ${name} under load`, { timeout: 300_000 }, async (t) => {
    const [sample = 0, ...ids] = await company.deals(601);
    await company.patch(sample, stages.light);
    await drainAll(vestnik);
    const moved = (await effectsOf(db, [sample])).get(sample) ?? [];
    const bearer = `Bearer ${await token(admin)}`;
    const stageId = company.pipeline.stage(stages.light).id;
    const child = await children.next();
    const { url } = await child.start({ services: { web: true, worker: true } });
    const answers = new Map<string, number>();

    /** Again until it is acknowledged, as a person would. */
    async function patch(id: number): Promise<void> {
      for (;;) {
        const answer = await fetch(`${url}/api/items/${id}`, {
          method: 'PATCH', headers: { authorization: bearer, 'content-type': 'application/json' }, body: JSON.stringify({ stageId }),
        });
        const body: unknown = await answer.json();
        const code = answer.ok ? 'ok' : `${answer.status} ${(body as { code: string }).code}`;
        answers.set(code, (answers.get(code) ?? 0) + 1);
        if (answer.ok) return;
        await new Promise((resolve) => setTimeout(resolve, 20));
      }
    }
    const left = [...ids];
    const clients = Array.from({ length: 8 }, async () => {
      for (let id = left.shift(); id !== undefined; id = left.shift()) await patch(id);
    });
    let outages = 0;
    for (const mark of [500, 380, 260, 140]) {
      await until(120, 'the load to go on', async () => left.length <= mark);
      const { pid } = server;
      assert.ok(pid !== null);
      process.kill(pid, signal);
      outages++;
      await until(120, 'the database to be back', async () => server.pid !== null && server.pid !== pid);
    }
    await Promise.all(clients);
    await until(120, 'the worker to come back by itself and finish', async () => (await queueLength(db)) === 0);
    await child.kill();
    await children.buried();
    await assertEffects(db, ids, moved);
    await assertNothingHalf(db);
    t.diagnostic(`${outages} outages; answers: ${JSON.stringify(Object.fromEntries(answers))}`);
    assert.deepEqual([...answers.keys()].filter((code) => code !== 'ok' && code !== '503 database.unavailable'), []);
    assert.ok((answers.get('503 database.unavailable') ?? 0) > 0, 'nobody noticed the outages');
  });
}
