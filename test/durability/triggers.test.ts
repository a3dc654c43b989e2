/**
 * A process killed while it decides triggers and while it calls a handler. Afterwards each deal was moved once, each
 * event was decided once, and the handler has heard of everything, at least once.
 */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { sql } from '../../server/db/db.ts';
import { startHandler } from '../support/handler.ts';
import { appOf } from '../support/rest.ts';
import { startTestVestnik } from '../support/vestnik.ts';
import { createChildren } from './children.ts';
import { drainAll } from './company.ts';
import type { Death } from './worker.ts';

const children = createChildren(() => vestnik.db);
const vestnik = await startTestVestnik({ publicUrl: 'http://vestnik.test', allowedPrivateHosts: ['127.0.0.1'] });
const { db, api, admin, given, clock } = vestnik;
const handler = await startHandler();
const { made } = await appOf(vestnik, { name: 'Слушает' });
await fetch(`${vestnik.url}/rest/event.bind?${new URLSearchParams({ auth: made.accessToken, event: 'ONCRMDEALUPDATE', handler: handler.url })}`);
const pipeline = await given.pipeline({ stages: ['Новая', 'Крупные'] });
await given.trigger(pipeline.stage('Крупные'), { kind: 'fieldChanged', changes: [{ field: 'amount' }] });
await given.robot(pipeline.stage('Крупные'), 'comment', { text: 'Крупная' });

const deaths: readonly Death[] = [
  { when: 'before', at: 'delete from trigger_events' },
  { when: 'answered', at: 'delete from trigger_events' },
  { when: 'sent', at: 'insert into trigger_runs' },
  { when: 'answered', at: 'insert into trigger_runs' },
  // Taken, and nobody was called yet.
  { when: 'answered', at: "update app_calls c set state = 'sending'" },
  // The handler was called, and nobody wrote it down.
  { when: 'before', at: 'update app_calls set state' },
];

for (const death of deaths) {
  test(`killed ${death.when} «${death.at}»: moved once, told at least once`, { timeout: 240_000 }, async () => {
    const item = await given.item({ pipelineId: pipeline.id, amount: 1 });
    await vestnik.drain();
    handler.take();
    await api(admin).patch(`/api/items/${item.id}`, { amount: 2 });
    const child = await children.next();
    const instance = await child.start({ services: { web: false, worker: false }, now: clock.now() });
    await instance.arm(death);
    const isFinished = await instance.drain();
    assert.equal(isFinished, undefined, 'the process was not caught');
    await child.kill();
    await children.buried();
    clock.advance('3 minutes');
    await drainAll(vestnik);
    const count = async (what: ReturnType<typeof sql>) => (await db.first<{ n: number }>(what))?.n;
    assert.equal(await count(sql`select count(*) as n from arrivals where item_id = ${item.id} and cause = 'trigger'`), 1);
    assert.equal(await count(sql`select count(*) as n from trigger_runs where item_id = ${item.id} and state = 'done'`), 1);
    assert.equal(await count(sql`select count(*) as n from comments where item_id = ${item.id}`), 1);
    assert.equal(await count(sql`select count(*) as n from trigger_events`), 0);
    assert.equal(await count(sql`select count(*) as n from app_calls where state in ('queued', 'sending')`), 0);
    // The change of the amount, and the move.
    const told = handler.take().filter((form) => form.data.FIELDS.ID === String(item.id)).length;
    assert.ok(told >= 2 && told <= 4, `${told} calls`);
  });
}

test('two workers at once: each deal is moved once, and nobody waits for ever', { timeout: 240_000 }, async () => {
  const items: { id: number }[] = [];
  for (let n = 0; n < 30; n++) items.push(await given.item({ pipelineId: pipeline.id, amount: 1 }));
  await vestnik.drain();
  await Promise.all(items.map(({ id }) => api(admin).patch(`/api/items/${id}`, { amount: 2 })));
  const child = await children.next();
  const instance = await child.start({ services: { web: false, worker: false }, now: clock.now() });
  await Promise.all([instance.drain(), vestnik.drain()]);
  await drainAll(vestnik);
  const ids = items.map(({ id }) => id);
  const rows = await db.rows<{ itemId: number; n: number }>(sql`select item_id, count(*) as n from arrivals where item_id = any(${ids}::bigint[]) and cause = 'trigger' group by item_id`);
  assert.deepEqual([rows.length, rows.every(({ n }) => n === 1)], [30, true]);
  assert.equal((await db.first<{ n: number }>(sql`select count(*) as n from trigger_runs where item_id = any(${ids}::bigint[])`))?.n, 30);
  await child.kill();
});
