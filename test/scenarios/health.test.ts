/** What administrators read about the health of the system, and what waits for their decision. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { sql } from '../../server/db/db.ts';
import { startTestVestnik } from '../support/vestnik.ts';

const vestnik = await startTestVestnik();
const { api, admin, given, moved, drain, db, clock } = vestnik;

interface Report {
  version: string;
  processes: { services: string[]; isThis: boolean; connections: number }[];
  queues: { id: string; due: number; oldestDueAt: string | null }[];
  failingRobots: { robotId: number; title: string; pipelineId: number; failed: number; lastItemId: number }[];
  failingLoops: unknown[];
  database: { bytes: number; tables: { name: string }[] };
  drive: { files: number; bytes: number; freeBytes: number; diskBytes: number };
  undecided: { needDecision: number };
}
const report = (): Promise<Report> => api(admin).get('/api/health-report');
const queue = (of: Report, id: string) => of.queues.find((one) => one.id === id);

test('a quiet system says so: nothing due, its own process, sizes that are there', async () => {
  await given.file({ content: 'двенадцать байт' });
  const told = await report();
  assert.deepEqual(told.queues.map(({ id, due, oldestDueAt }) => [id, due, oldestDueAt]), ['arrivals', 'waitingRuns', 'triggers', 'email', 'sms', 'pushes'].map((id) => [id, 0, null]));
  const own = told.processes.find((one) => one.isThis);
  assert.deepEqual(own?.services, ['web']);
  assert.ok(own.connections > 0);
  assert.ok(told.database.bytes > 1_000_000 && told.database.tables.length > 0);
  assert.ok(told.drive.files >= 1 && told.drive.bytes >= 15);
  assert.ok(told.drive.freeBytes > 0 && told.drive.freeBytes <= told.drive.diskBytes);
  assert.deepEqual(told.failingLoops, []);
});

test('an arrival nobody has worked off is behind, and a robot that fails is named with its pipeline and item', async () => {
  const pipeline = await given.pipeline({ stages: ['Начало', 'Тут'] });
  const lonely = await given.employee();
  const robot = await given.robot(pipeline.stage('Тут'), 'notify', { text: 'Вам сделка', recipients: [{ kind: 'role', role: 'owner' }] }, { title: 'Поздравить ответственного' });
  const item = await given.item({ pipelineId: pipeline.id, stageId: pipeline.stage('Начало').id, ownerId: lonely.id });
  await drain();
  await api(admin).post(`/api/employees/${lonely.id}/dismissal`);
  await moved(item, pipeline.stage('Тут'));
  const late = queue(await report(), 'arrivals');
  assert.equal(late?.due, 1);
  assert.notEqual(late?.oldestDueAt, null);

  await drain();
  const told = await report();
  assert.equal(queue(told, 'arrivals')?.due, 0);
  assert.deepEqual(told.failingRobots.map(({ robotId, title, pipelineId, failed, lastItemId }) => ({ robotId, title, pipelineId, failed, lastItemId })), [
    { robotId: robot.id, title: 'Поздравить ответственного', pipelineId: pipeline.id, failed: 1, lastItemId: item.id },
  ]);
});

test('figures count by hour and sender, undecided ones are counted until somebody decides, and the journal is told live', async () => {
  const insert = (channel: string, senderId: number, state: string, hoursAgo: number) => db.first<{ id: number }>(sql`
    insert into deliveries (channel, sender_id, address, content, state, created_at)
    values (${channel}, ${senderId}, 'x', '{"text":"x"}', ${state}, ${new Date(clock.now().getTime() - hoursAgo * 3_600_000)}) returning id`);
  const unknown = await insert('sms', 7, 'unknown', 0);
  await insert('sms', 7, 'delivered', 1);
  await insert('email', 3, 'accepted', 1);
  await insert('email', 3, 'failed', 30);
  const figures = await api(admin).get('/api/delivery-figures');
  assert.deepEqual(figures.senders.toSorted((a: { senderId: number }, b: { senderId: number }) => a.senderId - b.senderId), [
    { channel: 'email', senderId: 3, sent: 1, waiting: 0, failed: 0, unknown: 0 },
    { channel: 'sms', senderId: 7, sent: 1, waiting: 0, failed: 0, unknown: 1 },
  ]);
  assert.equal(figures.hours.length, 48);
  assert.equal(figures.hours.filter((hour: { sent: number }) => hour.sent > 0).length, 2);
  assert.deepEqual(await api(admin).get('/api/deliveries/counters'), { needDecision: 2, hasMore: false });

  const socket = await vestnik.listen(admin, 'deliveries:1');
  await api(admin).post(`/api/deliveries/${unknown?.id}/decision`, { decision: 'mark_sent' });
  await socket.next({ topic: 'deliveries:1', what: 'deliveries' });
  assert.equal((await report()).undecided.needDecision, 1);
});
