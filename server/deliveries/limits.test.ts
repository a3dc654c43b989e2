import assert from 'node:assert/strict';
import { test } from 'node:test';
import { testDatabase } from '../../test/support/database.ts';
import { sql } from '../db/db.ts';
import { createJobs } from '../jobs/jobs.ts';
import { createLive } from '../live/live.ts';
import type { Actor } from '../people/people.ts';
import { type Budgets, createDeliveries, type Limits } from './deliveries.ts';

const { db } = await testDatabase();
const start = new Date('2026-03-02T10:00:00Z').getTime();
let clock = start;
const now = () => new Date(clock);
const onError = (error: unknown) => assert.fail(String(error));
const live = createLive({ db, now });
await db.run(sql`insert into employees (id, email, is_admin) values (1, 'admin@x', true), (2, 'anna@x', false), (3, 'boris@x', false)`);
const admin: Actor = { employeeId: 1, isAdmin: true, language: 'ru', timeZone: 'Europe/Moscow', via: 'session' };

let limits = new Map<number, Limits>();
let budgets: Budgets = { email: { perHour: null, perDay: null }, sms: { perHour: null, perDay: null } };
const sent: { id: number; at: number; senderId: number; employeeId: number | null }[] = [];
function worker() {
  const jobs = createJobs({ db, now, onError });
  const deliveries = createDeliveries({
    db, live, jobs, now, secret: 's', messageIdHost: 'x', onError,
    company: { budgets: async () => budgets, changeBudgets: async (_tx, changed) => void (budgets = changed) },
  });
  deliveries.addSender({
    channel: 'sms', lanes: 1, limitsOf: async () => limits,
    async send({ id, senderId, employeeId }) {
      sent.push({ id, at: clock, senderId, employeeId });
      return { kind: 'accepted' };
    },
  });
  return { jobs, deliveries };
}
const { jobs, deliveries } = worker();
const other = worker();
const queue = (count: number, { senderId = 1, employeeId = null as number | null } = {}) =>
  db.transaction((tx) => deliveries.queue(tx, Array.from({ length: count }, (_, i) => ({ channel: 'sms' as const, senderId, employeeId, address: `+7${i}`, itemId: null, runId: null, content: { text: 't' } }))));
/** Turn by turn: who takes the first of them is known, and so is their order. */
async function inTurn(): Promise<void> {
  await jobs.drain();
  await other.jobs.drain();
}
const sideBySide = async (): Promise<void> => {
  await Promise.all([jobs.drain(), other.jobs.drain()]);
};
/** Both workers, at every moment at which something is due. */
async function run(untilMs: number, drain = sideBySide): Promise<void> {
  for (;;) {
    await drain();
    const next = await db.first<{ at: Date | null }>(sql`select min(due_at) as at from deliveries where state = 'queued'`);
    if (!next?.at || next.at.getTime() > untilMs) break;
    clock = Math.max(next.at.getTime(), clock);
  }
  clock = Math.max(clock, untilMs);
}
const busiest = (windowMs: number, of = sent) => Math.max(0, ...of.map(({ at }) => of.filter((one) => one.at >= at && one.at < at + windowMs).length));

test('a provider’s limit spreads messages in their order; none is lost, and each says what it waits for', async () => {
  limits = new Map([[1, { perMinute: 10 }]]);
  const ids = await queue(45);
  const free = await queue(30, { senderId: 2 });
  await inTurn();
  assert.equal(sent.filter(({ senderId }) => senderId === 2).length, free.length, 'another provider is not held up');
  assert.equal(sent.filter(({ senderId }) => senderId === 1).length, 10);
  const waiting = await deliveries.get(admin, ids[10]!);
  assert.deepEqual([waiting.state, waiting.error?.code, waiting.error?.params, waiting.dueAt?.getTime(), waiting.attempts], ['queued', 'delivery.waits_for_limit', { scope: 'sender', limit: 10, period: 'minute' }, start + 6000, 0]);
  await run(start + 10 * 60_000, inTurn);
  const through = sent.filter(({ senderId }) => senderId === 1);
  assert.deepEqual(through.map(({ id }) => id), ids, 'in their order');
  assert.ok(busiest(60_000, through.filter(({ at }) => at > start)) <= 11);
  assert.equal(through.at(-1)!.at, start + 35 * 6000);
  assert.equal((await deliveries.get(admin, ids[44]!)).error, null);
});

test('an employee’s budget holds back what is for him alone; limits of several periods all hold', async () => {
  sent.length = 0;
  clock = start + 86_400_000;
  limits = new Map([[1, { perSecond: 5, perHour: 40 }]]);
  await deliveries.changeBudgets(admin, { ...budgets, sms: { perHour: 20, perDay: 30 } });
  await queue(100, { employeeId: 2 });
  await queue(10, { employeeId: 3 });
  const from = clock;
  await run(from + 60_000);
  const count = (employeeId: number) => sent.filter((one) => one.employeeId === employeeId).length;
  assert.deepEqual([count(2), count(3)], [20, 10]);
  await run(from + 3_600_000);
  assert.ok(count(2) >= 29 && count(2) <= 31, `${count(2)}`);
  await run(from + 7 * 86_400_000);
  assert.deepEqual([count(2), count(3)], [100, 10], 'all came through in the end');
  assert.equal(new Set(sent.map(({ id }) => id)).size, 110, 'each once');
  const days = [0, 1, 2, 3, 4].map((day) => sent.filter(({ employeeId, at }) => employeeId === 2 && Math.floor((at - from) / 86_400_000) === day).length);
  assert.ok(days.every((many, day) => many <= (day === 0 ? 60 : 31)), String(days));
});

test('thousands over a limit are looked at once and wait without being touched', async () => {
  sent.length = 0;
  clock += 86_400_000;
  await deliveries.changeBudgets(admin, { ...budgets, sms: { perHour: null, perDay: null } });
  limits = new Map([[1, { perSecond: 10 }]]);
  await queue(2000);
  await jobs.drain();
  assert.equal(sent.length, 10);
  const { last } = (await db.first<{ last: Date }>(sql`select max(due_at) as last from deliveries where state = 'queued'`))!;
  assert.ok(Math.abs(last.getTime() - clock - 199_000) < 1000, 'the last one knows its moment');
  // A process that was away for an hour does not make good for it at once.
  clock += 3_600_000;
  await jobs.drain();
  assert.equal(sent.length, 20);
});
