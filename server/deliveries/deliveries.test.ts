import assert from 'node:assert/strict';
import { test } from 'node:test';
import { UserError } from '../../shared/errors.ts';
import { testDatabase } from '../../test/support/database.ts';
import { type Db, sql } from '../db/db.ts';
import { createJobs } from '../jobs/jobs.ts';
import { createLive, type Hint } from '../live/live.ts';
import type { Actor } from '../people/people.ts';
import { type Channel, type Claimed, createDeliveries, type Outcome } from './deliveries.ts';
import { createSealer } from './secrets.ts';

const { db } = await testDatabase();
let clock = new Date('2026-03-02T10:00:00Z');
const now = () => clock;
const pass = (seconds: number) => (clock = new Date(clock.getTime() + seconds * 1000));
const reported: unknown[] = [];
const heard: Hint[] = [];
const live = createLive({ db, now });
const listening = { registerTopic: () => {}, publish: async (tx: Parameters<typeof live.publish>[0], hints: readonly Hint[]) => { heard.push(...hints); await live.publish(tx, hints); } };
const worker = () => {
  const jobs = createJobs({ db, now, onError: (error) => reported.push(error) });
  const deliveries = createDeliveries({ db, live: listening, jobs, now, secret: 's', messageIdHost: 'crm.example.com', onError: (error) => reported.push(error) });
  return { jobs, deliveries };
};
const { jobs, deliveries } = worker();
await db.run(sql`insert into employees (id, email, is_admin) values (1, 'admin@x', true), (2, 'anna@x', false), (3, 'boris@x', false)`);
const admin: Actor = { employeeId: 1, isAdmin: true, language: 'ru', timeZone: 'Europe/Moscow', via: 'session' };
const anna: Actor = { ...admin, employeeId: 2, isAdmin: false };

let sent: number[] = [];
const next: Record<Channel, (delivery: Claimed) => Promise<Outcome>> = { email: async () => ({ kind: 'accepted' }), sms: async () => ({ kind: 'accepted' }) };
for (const channel of ['email', 'sms'] as const) {
  deliveries.addSender({ channel, lanes: 1, send: (delivery) => { sent.push(delivery.id); return next[channel](delivery); } });
}
let runs = 1;
const queue = async (channel: Channel, to = 'x', extra: { runId?: number; employeeId?: number; itemId?: number } = {}) => {
  const where = { senderId: 1, employeeId: extra.employeeId ?? 2, address: to, itemId: extra.itemId ?? null, runId: extra.runId ?? runs++ };
  const [id] = await db.transaction((tx) => deliveries.queue(tx, [channel === 'email' ? { channel, ...where, content: { subject: 's', body: 'b', fileIds: [] } } : { channel, ...where, content: { text: 't' } }]));
  return id;
};
const state = async (id: number | undefined) => (await deliveries.get(admin, id!)).state;
const busy = (detail = 'busy'): Outcome => ({ kind: 'transient', error: { code: 'sms.gateway_busy', params: {}, detail } });

test('one run sends to one address once per channel, and queueing leaves with the transaction', async () => {
  const first = await queue('sms', '+79990000001', { runId: 500 });
  assert.ok(first);
  assert.equal(await queue('sms', '+79990000001', { runId: 500 }), undefined);
  assert.ok(await queue('email', '+79990000001', { runId: 500 }));
  await assert.rejects(db.transaction(async (tx) => {
    await deliveries.queue(tx, [{ channel: 'sms', senderId: 1, employeeId: null, address: 'undone', itemId: null, runId: null, content: { text: 't' } }]);
    throw new Error('undo');
  }));
  assert.equal(await db.first(sql`select from deliveries where address = 'undone'`), undefined);
  await jobs.drain();
  assert.equal(await state(first), 'accepted');
});

test('many are queued with one statement, thousands too', async () => {
  const rows = Array.from({ length: 3000 }, (_, i) => ({ channel: 'sms' as const, senderId: 1, employeeId: 2, address: `+7${i}`, itemId: null, runId: 600, content: { text: `"a" {b} \\ ${i} 😀` } }));
  const ids = await db.transaction((tx) => deliveries.queue(tx, rows));
  assert.equal(ids.length, 3000);
  const found = await deliveries.get(admin, ids[5]!);
  assert.deepEqual(found.content, { text: '"a" {b} \\ 5 😀' });
  await db.run(sql`delete from deliveries where run_id = 600`);
});

test('what is tried in vain waits longer each time, then is given up; send again starts anew', async () => {
  next.sms = async () => busy('нет связи');
  const id = await queue('sms', '+1', { itemId: 77 });
  heard.length = 0;
  const waits: number[] = [];
  for (;;) {
    await jobs.drain();
    const { state: current, dueAt } = await deliveries.get(admin, id!);
    if (current !== 'queued') break;
    const seconds = (dueAt!.getTime() - clock.getTime()) / 1000;
    waits.push(seconds / 60);
    pass(seconds + 1);
  }
  [1, 5, 15, 60, 180, 360, 720, 1440].forEach((minutes, i) => assert.ok(waits[i]! >= minutes && waits[i]! <= minutes * 1.25, `${waits[i]} after ${minutes}`));
  assert.equal(waits.length, 8);
  const failed = await deliveries.get(admin, id!);
  assert.deepEqual([failed.state, failed.attempts, failed.error?.code, failed.log.length], ['failed', 9, 'delivery.gave_up', 9]);
  assert.ok(heard.some((hint) => hint.topic === 'item:77' && hint.what === 'runs') && heard.some((hint) => hint.topic === 'employee:2' && hint.what === 'deliveries'));
  next.sms = async () => ({ kind: 'accepted', providerMessageId: 'p-1' });
  await deliveries.decide(admin, id!, 'send_again');
  await jobs.drain();
  const done = await deliveries.get(admin, id!);
  assert.deepEqual([done.state, done.providerMessageId, done.decidedBy, done.decision], ['accepted', 'p-1', 1, 'send_again']);
  await db.transaction((tx) => deliveries.report(tx, { channel: 'sms', senderId: 1, reports: [{ providerMessageId: 'p-1', deliveryId: null, state: 'delivered', error: null, at: null }] }));
  await deliveries.settle('sms');
  assert.equal(await state(id), 'delivered');
});

test('being asked to wait is obeyed and never counts as a failure', async () => {
  next.sms = async () => ({ kind: 'transient', error: { code: 'sms.gateway_busy', params: {} }, retryAt: new Date(clock.getTime() + 30_000) });
  const id = await queue('sms');
  for (let i = 0; i < 20; i++) {
    await jobs.drain();
    const { dueAt } = await deliveries.get(admin, id!);
    const seconds = (dueAt!.getTime() - clock.getTime()) / 1000;
    assert.ok(seconds >= 30 && seconds <= 31.1, String(seconds));
    pass(32);
  }
  next.sms = async () => ({ kind: 'accepted' });
  await jobs.drain();
  assert.equal(await state(id), 'accepted');
});

test('an SMS that may have gone out waits for a person; an e-mail is tried again', async () => {
  const lost: Outcome = { kind: 'unknown', error: { code: 'sms.answer_lost', params: {} } };
  next.sms = next.email = async () => lost;
  const [sms, email] = [await queue('sms'), await queue('email')];
  await jobs.drain();
  assert.deepEqual([await state(sms), await state(email)], ['unknown', 'queued']);
  pass(24 * 3600);
  next.email = next.sms = async () => ({ kind: 'accepted' });
  await jobs.drain();
  assert.deepEqual([await state(sms), await state(email)], ['unknown', 'accepted']);
  await assert.rejects(deliveries.decide(anna, sms!, 'mark_sent'), (error: unknown) => error instanceof UserError && error.code === 'access.admin_only');
  await deliveries.decide(admin, sms!, 'mark_sent');
  assert.equal(await state(sms), 'accepted');
  await assert.rejects(deliveries.decide(admin, sms!, 'send_again'), (error: unknown) => error instanceof UserError && error.code === 'delivery.not_decidable');
});

test('two workers at once send nothing twice and leave nothing', async () => {
  await db.run(sql`delete from deliveries`);
  sent = [];
  next.sms = async () => { await new Promise(setImmediate); return { kind: 'accepted' }; };
  const other = worker();
  other.deliveries.addSender({ channel: 'sms', lanes: 1, send: (delivery) => { sent.push(delivery.id); return next.sms(delivery); } });
  await db.transaction((tx) => deliveries.queue(tx, Array.from({ length: 300 }, (_, i) => ({ channel: 'sms' as const, senderId: 1, employeeId: 2, address: `+7${i}`, itemId: null, runId: null, content: { text: 't' } }))));
  await Promise.all([jobs.drain(), other.jobs.drain(), jobs.drain()]);
  assert.equal(sent.length, 300);
  assert.equal(new Set(sent).size, 300);
  assert.equal((await db.rows(sql`select from deliveries where state <> 'accepted'`)).length, 0);
});

test('what a dead worker held is taken over: SMS become unknown, letters are sent; the zombie writes nothing', async () => {
  await db.run(sql`delete from deliveries`);
  sent = [];
  next.sms = next.email = async () => ({ kind: 'accepted' });
  const [begunSms, begunEmail] = [await queue('sms', '+1'), await queue('email', 'a@b')];
  const [zombieSms] = await deliveries.claim('sms', 10);
  const waitingSms = await queue('sms', '+2');
  const [zombieEmail] = await deliveries.claim('email', 10);
  await jobs.drain();
  assert.deepEqual(sent, [waitingSms], 'the lease holds');
  assert.deepEqual((await deliveries.get(admin, begunSms!)).log.map(({ attempt, outcome }) => [attempt, outcome]), [[1, null]]);
  pass(41);
  await jobs.drain();
  assert.deepEqual([await state(begunSms), await state(begunEmail)], ['unknown', 'accepted']);
  assert.deepEqual(sent, [waitingSms, begunEmail]);
  assert.equal(await deliveries.record(zombieSms!, { kind: 'accepted' }), false);
  assert.equal(await deliveries.record(zombieEmail!, { kind: 'permanent', error: { code: 'mail.rejected', params: {} } }), false);
  assert.deepEqual([await state(begunSms), await state(begunEmail)], ['unknown', 'accepted']);
  assert.deepEqual((await deliveries.get(admin, begunEmail!)).log.map((attempt) => attempt.outcome), ['unknown', 'accepted']);
});

test('a long SMS is delivered when all of its parts are, whoever heard of them and when, and failed when one is', async () => {
  await db.run(sql`delete from deliveries`);
  const say = (of: ReturnType<typeof worker>, state: 'delivered' | 'failed', ...ids: string[]) => db.transaction((tx) => of.deliveries.report(tx, {
    channel: 'sms', senderId: 1, reports: ids.map((providerMessageId) => ({ providerMessageId, deliveryId: null, state, at: null, error: state === 'failed' ? { code: 'sms.not_delivered' as const, params: { name: 'SMS', detail: 'UNDELIV' } } : null })),
  }));
  const before = worker();
  // Earlier than the answer to the sending.
  await say(before, 'delivered', 'p-1');
  next.sms = async ({ address }) => ({ kind: 'accepted', providerMessageId: address === '+1' ? 'p-1 p-2 p-3' : 'q-1 q-2' });
  const [long, other] = [await queue('sms', '+1'), await queue('sms', '+2')];
  await jobs.drain();
  await say(before, 'delivered', 'p-3', 'p-3', 'q-1');
  assert.equal(await before.deliveries.settle('sms'), 0);
  assert.equal(await state(long), 'accepted');
  // After a restart.
  const restarted = worker();
  await say(restarted, 'delivered', 'p-2');
  await say(restarted, 'failed', 'q-2');
  assert.equal(await restarted.deliveries.settle('sms'), 2);
  assert.equal(await state(long), 'delivered');
  const failed = await deliveries.get(admin, other!);
  assert.deepEqual([failed.state, failed.error?.code, failed.error?.params], ['failed', 'sms.not_delivered', { name: 'SMS', detail: 'UNDELIV', phone: '+2' }]);
  await say(restarted, 'failed', 'q-1');
  assert.equal(await restarted.deliveries.settle('sms'), 0);
  assert.deepEqual(await db.rows(sql`select from delivery_reports`), []);
});

test('a worker that was stopped after its claim until the lease ran out sends nothing', async () => {
  await db.run(sql`delete from deliveries`);
  const id = await queue('sms', '+1');
  let stoppedMs = 0;
  const late = () => new Date(clock.getTime() + stoppedMs);
  const stopping: Db = {
    ...db,
    async transaction(work, options) {
      const result = await db.transaction(work, options);
      if (typeof result === 'object' && result !== null && 'claimed' in result) stoppedMs = 41_000;
      return result;
    },
  };
  const stopped = createJobs({ db, now: late, onError: (error) => reported.push(error) });
  const held = createDeliveries({ db: stopping, live: listening, jobs: stopped, now: late, secret: 's', messageIdHost: 'crm.example.com', onError: (error) => reported.push(error) });
  const tried: number[] = [];
  held.addSender({ channel: 'sms', lanes: 1, send: async (delivery) => { tried.push(delivery.id); return { kind: 'accepted' }; } });
  await stopped.drain();
  const { state: left, error, log } = await deliveries.get(admin, id!);
  assert.deepEqual([tried, left, error?.code, log.map(({ outcome }) => outcome)], [[], 'queued', 'delivery.worker_lost', ['transient']]);
  await db.run(sql`delete from deliveries`);
});

test('an e-mail that kills every worker is given up in the end', async () => {
  const id = await queue('email', 'poison@x');
  for (let i = 0; i < 9; i++) {
    const [held] = await deliveries.claim('email', 1);
    assert.equal(held!.id, id);
    pass(41);
    assert.equal(await deliveries.takeBack('email'), 1);
  }
  assert.deepEqual([await state(id), (await deliveries.claim('email', 1)).length], ['failed', 0]);
});

test('a bug while sending is reported and leaves an honest outcome', async () => {
  next.sms = next.email = async () => { throw new Error('bug'); };
  const [sms, email] = [await queue('sms'), await queue('email')];
  await jobs.drain();
  assert.deepEqual([await state(sms), await state(email)], ['unknown', 'queued']);
  assert.deepEqual(reported.splice(0).map(String), ['Error: bug', 'Error: bug']);
});

test('the journal is filtered and paged; others than administrators see their own', async () => {
  await db.run(sql`delete from deliveries`);
  for (let i = 0; i < 5; i++) await queue(i % 2 ? 'sms' : 'email', `a${i}@x`, { employeeId: i < 3 ? 2 : 3, itemId: i });
  const seen: number[] = [];
  for (let cursor: number | undefined; ; ) {
    const page = await deliveries.list(admin, {}, { cursor, limit: 2 });
    seen.push(...page.items.map((item) => item.id));
    if (page.nextCursor === null) break;
    cursor = Number(page.nextCursor);
  }
  assert.equal(new Set(seen).size, 5);
  const count = async (who: Actor, filter: Parameters<typeof deliveries.list>[1]) => (await deliveries.list(who, filter, { limit: 50 })).items.length;
  assert.equal(await count(admin, { channel: 'sms' }), 2);
  assert.equal(await count(admin, { state: 'queued', employeeId: 3 }), 2);
  assert.equal(await count(admin, { address: 'A4@' }), 1);
  assert.equal(await count(admin, { itemId: 2 }), 1);
  assert.equal(await count(admin, { from: new Date(clock.getTime() + 1) }), 0);
  assert.equal(await count(anna, {}), 3);
  assert.equal(await count(anna, { employeeId: 3 }), 0);
  await assert.rejects(deliveries.get(anna, seen[0]!), (error: unknown) => error instanceof UserError && error.code === 'request.not_found');
});

test('the dead letters are worked off in bulk, and whoever decided is written down', async () => {
  await db.run(sql`delete from deliveries`);
  next.sms = async () => ({ kind: 'unknown', error: { code: 'sms.answer_lost', params: {} } });
  next.email = async () => ({ kind: 'permanent', error: { code: 'mail.rejected', params: {} } });
  const [lost, other, failed] = [await queue('sms', '+1'), await queue('sms', '+2'), await queue('email', 'a@b')];
  await jobs.drain();
  const dead = async () => (await deliveries.list(admin, { needsDecision: true }, { limit: 50 })).items.map((item) => item.id).sort();
  assert.deepEqual(await dead(), [lost, other, failed]);
  await assert.rejects(deliveries.decideAll(anna, [lost!], 'give_up'), (error: unknown) => error instanceof UserError && error.code === 'access.admin_only');
  assert.deepEqual(await deliveries.decideAll(admin, [lost!, failed!, 10 ** 9], 'mark_sent'), { decided: [lost], skipped: [failed, 10 ** 9] });
  assert.deepEqual(await deliveries.decideAll(admin, [lost!, other!, failed!], 'give_up'), { decided: [other, failed], skipped: [lost] });
  assert.deepEqual(await dead(), []);
  const given = await deliveries.get(admin, other!);
  assert.deepEqual([given.state, given.decision, given.decidedBy, given.decidedAt], ['failed', 'give_up', 1, clock]);
  // Somebody thinks better of it; what fails again is on the list again.
  await deliveries.decideAll(admin, [other!, failed!], 'send_again');
  await jobs.drain();
  assert.deepEqual([await dead(), await state(other), await state(failed)], [[other, failed], 'unknown', 'failed']);
});

test('sealed secrets open under the same secret and purpose alone', () => {
  const sealed = createSealer('one').seal('mail', { password: 'пароль' });
  assert.deepEqual(createSealer('one').open('mail', sealed), { password: 'пароль' });
  assert.equal(createSealer('two').open('mail', sealed), undefined);
  assert.equal(createSealer('one').open('sms', sealed), undefined);
  const damaged = Buffer.from(sealed);
  damaged[damaged.length - 1]! ^= 1;
  assert.equal(createSealer('one').open('mail', damaged), undefined);
  assert.equal(createSealer('one').open('mail', Buffer.alloc(5)), undefined);
  assert.notDeepEqual(createSealer('one').seal('mail', {}), createSealer('one').seal('mail', {}));
});
