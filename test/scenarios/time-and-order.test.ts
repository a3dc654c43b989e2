/** When robots act: order, delays, dates, working hours, and what stops a robot that waits. */
import assert from 'node:assert/strict';
import { beforeEach, test } from 'node:test';
import { sql } from '../../server/db/db.ts';
import { toldBy } from '../support/told.ts';
import { startTestVestnik } from '../support/vestnik.ts';

const vestnik = await startTestVestnik();
const { api, admin, given, moved, drain, clock, db } = vestnik;
const told = toldBy(vestnik);
const anna = await given.employee({ firstName: 'Анна' });
await given.field({ name: 'Дата доставки', type: 'date', code: 'deliveryDate' });
await given.field({ name: 'Встреча', type: 'datetime', code: 'meetingAt' });

/** Tuesday, ten in the morning in Moscow; each test begins a week after the one before. */
let tuesday = new Date('2026-03-03T07:00:00Z');
beforeEach(() => {
  tuesday = new Date(tuesday.getTime() + 7 * 86_400_000);
  clock.set(tuesday);
});

async function stages(...names: string[]) {
  const pipeline = await given.pipeline({ stages: ['Начало', ...names] });
  const start = pipeline.stage('Начало');
  const deal = (more: Record<string, unknown> = {}) => given.item({ pipelineId: pipeline.id, stageId: start.id, ownerId: anna.id, ...more });
  return { pipeline, start, deal, stage: (name: string) => pipeline.stage(name) };
}

const say = (text: string) => ({ text, author: { kind: 'employee', id: admin.id } });
const after = (amount: number, unit: 'minutes' | 'hours' | 'days' = 'minutes', more: object = {}) => ({ timing: { kind: 'after' as const, amount, unit, ...more } });
const said = async (item: { id: number }) => (await told.comments(item)).map((entry) => String(entry.data.body)).reverse();

async function passed(span: string): Promise<void> {
  clock.advance(span);
  await drain();
}

test('after the previous one, with delays: each counts from the end of the one above; an independent one does not wait', async () => {
  const { deal, stage } = await stages('Тут');
  await given.robot(stage('Тут'), 'comment', say('первый'), after(10));
  await given.robot(stage('Тут'), 'comment', say('второй'), after(5));
  await given.robot(stage('Тут'), 'comment', say('третий'));
  await given.robot(stage('Тут'), 'comment', say('независимый'), { order: 'independent' });
  await given.robot(stage('Тут'), 'comment', say('за независимым'), after(1));
  const item = await deal();
  await moved(item, stage('Тут'));
  await drain();
  assert.deepEqual(await said(item), ['независимый']);
  await passed('1 minute');
  assert.deepEqual(await said(item), ['независимый', 'за независимым']);
  await passed('9 minutes');
  assert.deepEqual(await said(item), ['независимый', 'за независимым', 'первый']);
  await passed('4 minutes');
  assert.equal((await said(item)).length, 3);
  await passed('1 minute');
  assert.deepEqual((await said(item)).slice(3), ['второй', 'третий']);
});

test('a robot that fails or is skipped does not stop those below', async () => {
  const { deal, stage } = await stages('Тут');
  await given.robot(stage('Тут'), 'comment', say('никогда'), { condition: { op: 'and', items: [{ left: '{=Document:amount}', operator: 'filled' }] } });
  await given.robot(stage('Тут'), 'notify', { text: 'некому', recipients: [{ kind: 'role', role: 'observers' }] });
  await given.robot(stage('Тут'), 'comment', say('ниже'));
  const item = await deal({ amount: null });
  await moved(item, stage('Тут'));
  await drain();
  assert.deepEqual((await told.runs(item)).map((run) => run.state), ['skipped', 'failed', 'done']);
  assert.deepEqual(await said(item), ['ниже']);
});

test('robots below see what those above have changed in the deal', async () => {
  const { deal, stage } = await stages('Тут');
  await given.robot(stage('Тут'), 'change-item', { values: [{ field: 'amount', value: 2_000_000 }, { field: 'title', value: '{=Document:title}, крупная' }] });
  await given.robot(stage('Тут'), 'comment', say('{=Document:title}: {=Document:amount}'), { condition: { op: 'and', items: [{ left: '{=Document:amount}', operator: 'greater', value: 1_000_000 }] } });
  const item = await deal({ title: 'Сделка', amount: 5 });
  await moved(item, stage('Тут'));
  await drain();
  assert.deepEqual(await said(item), ['Сделка, крупная: 2\u00a0000\u00a0000\u00a0₽']);
  const history = (await api(admin).get(`/api/items/${item.id}/history`)).items.filter((entry: { cause: string }) => entry.cause === 'robot');
  assert.deepEqual(history.map((entry: { changes: object }) => entry.changes), [{ amount: [5, 2_000_000], title: ['Сделка', 'Сделка, крупная'] }]);
});

test('a robot that fails leaves no result, also when it had left one at an earlier arrival', async () => {
  const { deal, start, stage } = await stages('Тут');
  const invoice = await given.robot(stage('Тут'), 'create-invoice', { title: 'Счёт' });
  await given.robot(stage('Тут'), 'comment', say(`Счёт {=A${invoice.id}:number}.`));
  const item = await deal({ amount: 100 });
  await moved(item, stage('Тут'));
  await drain();
  await api(admin).patch(`/api/items/${item.id}`, { stageId: start.id, amount: null });
  await moved(item, stage('Тут'));
  await drain();
  const [first, second] = await said(item);
  assert.match(first ?? '', /^Счёт \d+\.$/);
  assert.equal(second, 'Счёт .');
});

test('before and after a date field; the moment is seen on the card', async () => {
  const { deal, stage } = await stages('Тут');
  const before = await given.robot(stage('Тут'), 'comment', say('завтра доставка'), { timing: { kind: 'beforeDate', reference: '{=Document:deliveryDate}', amount: 1, unit: 'days' } });
  const later = await given.robot(stage('Тут'), 'comment', say('как доставили?'), { order: 'independent', timing: { kind: 'afterDate', reference: '{=Document:deliveryDate}', amount: 2, unit: 'hours' } });
  const at = await given.robot(stage('Тут'), 'comment', say('утро доставки'), { order: 'independent', timing: { kind: 'at', reference: '{=Document:deliveryDate}', time: '09:30' } });
  const day = new Date(tuesday.getTime() + 5 * 86_400_000).toISOString().slice(0, 10);
  const item = await deal({ values: { deliveryDate: day } });
  await moved(item, stage('Тут'));
  await drain();
  const midnight = new Date(`${day}T00:00:00+03:00`).getTime();
  for (const [robot, dueAt] of [[before, midnight - 24 * 3_600_000], [later, midnight + 2 * 3_600_000], [at, midnight + 9.5 * 3_600_000]] as const) {
    const run = await told.run(item, robot);
    assert.equal(run.state, 'waiting');
    assert.equal(run.dueAt, new Date(dueAt).toISOString());
  }
  clock.set(new Date(midnight + 24 * 3_600_000));
  await drain();
  assert.deepEqual([...(await said(item))].sort(), ['завтра доставка', 'как доставили?', 'утро доставки']);
});

test('a delay lives: when the date changes, so does the moment, earlier and later', async () => {
  const { deal, stage } = await stages('Тут');
  const robot = await given.robot(stage('Тут'), 'comment', say('пора'), { timing: { kind: 'beforeDate', reference: '{=Document:meetingAt}', amount: 1, unit: 'hours' } });
  const item = await deal({ values: { meetingAt: new Date(tuesday.getTime() + 10 * 3_600_000).toISOString() } });
  await moved(item, stage('Тут'));
  await drain();
  const due = async () => (Date.parse((await told.run(item, robot)).dueAt ?? '') - tuesday.getTime()) / 3_600_000;
  assert.equal(await due(), 9);
  const meetIn = (hours: number) => api(admin).patch(`/api/items/${item.id}`, { values: { meetingAt: new Date(tuesday.getTime() + hours * 3_600_000).toISOString() } });
  await meetIn(20);
  assert.equal(await due(), 19);
  await passed('10 hours');
  assert.deepEqual(await said(item), []);
  await meetIn(11.5);
  await passed('30 minutes');
  assert.deepEqual(await said(item), ['пора']);
});

test('an empty date fails visibly and names the field; one already past acts at once', async () => {
  const { deal, stage } = await stages('Тут');
  const robot = await given.robot(stage('Тут'), 'comment', say('пора'), { timing: { kind: 'beforeDate', reference: '{=Document:deliveryDate}', amount: 1, unit: 'days' } });
  const empty = await deal();
  const past = await deal({ values: { deliveryDate: '2026-01-15' } });
  for (const item of [empty, past]) await moved(item, stage('Тут'));
  await drain();
  const run = await told.run(empty, robot);
  assert.equal(run.state, 'failed');
  assert.equal(run.reason, 'timing.date_empty');
  assert.match(run.explanation, /Дата доставки/);
  assert.deepEqual(await said(past), ['пора']);
});

test('working hours: what falls into the night or the weekend waits for the morning', async () => {
  const { deal, stage } = await stages('Тут');
  const robot = await given.robot(stage('Тут'), 'comment', say('доброе утро'), { timing: { kind: 'now', workingHours: 'company' } });
  // Friday, ten in the evening in Moscow.
  clock.set(new Date(tuesday.getTime() + (3 * 24 + 12) * 3_600_000));
  const item = await deal();
  await moved(item, stage('Тут'));
  await drain();
  const run = await told.run(item, robot);
  assert.equal(run.state, 'waiting');
  const monday = new Date(tuesday.getTime() + 6 * 86_400_000).toISOString().slice(0, 10);
  assert.equal(run.dueAt, new Date(`${monday}T09:00:00+03:00`).toISOString());
  clock.set(run.dueAt ?? '');
  await drain();
  assert.deepEqual(await said(item), ['доброе утро']);
});

test('leaving the stage cancels what waits there, and the run says so', async () => {
  const { deal, start, stage } = await stages('Тут');
  const robot = await given.robot(stage('Тут'), 'comment', say('поздно'), after(10));
  const below = await given.robot(stage('Тут'), 'comment', say('ниже'));
  const item = await deal();
  await moved(item, stage('Тут'));
  await drain();
  await moved(item, start);
  for (const one of [robot, below]) {
    const run = await told.run(item, one);
    assert.equal(run.state, 'cancelled');
    assert.match(run.explanation, /Элемент ушёл со стадии/);
  }
  await passed('1 day');
  assert.deepEqual(await said(item), []);
});

test('what is at once acts although the item has moved on: it did arrive', async () => {
  const { deal, start, stage } = await stages('Тут');
  await given.robot(stage('Тут'), 'comment', say('был здесь'));
  const item = await deal();
  await moved(item, stage('Тут'));
  await moved(item, start);
  await drain();
  assert.deepEqual(await said(item), ['был здесь']);
});

test('there and back and there again before any robot looked: what waits, waits once, for the last arrival', async () => {
  const { deal, start, stage } = await stages('Тут');
  await given.robot(stage('Тут'), 'comment', say('сразу'));
  await given.robot(stage('Тут'), 'comment', say('потом'), after(10));
  const item = await deal();
  for (const to of [stage('Тут'), start, stage('Тут')]) await moved(item, to);
  await drain();
  assert.deepEqual((await told.runs(item)).map((run) => [run.state, run.reason]), [['done', null], ['cancelled', 'stage.left'], ['done', null], ['waiting', null]]);
  await passed('10 minutes');
  assert.deepEqual(await said(item), ['сразу', 'сразу', 'потом']);
});

test('coming again is a new arrival, except for a robot that acts once per item', async () => {
  const { deal, start, stage } = await stages('Тут');
  await given.robot(stage('Тут'), 'comment', say('каждый раз'));
  await given.robot(stage('Тут'), 'comment', say('один раз'), { oncePerItem: true });
  const item = await deal();
  for (const to of [stage('Тут'), start, stage('Тут')]) {
    await moved(item, to);
    await drain();
  }
  assert.deepEqual(await said(item), ['каждый раз', 'один раз', 'каждый раз']);
  const last = (await told.runs(item)).at(-1);
  assert.equal(last?.state, 'skipped');
  assert.equal(last.reason, 'once_per_item');
});

test('a robot switched off or removed while it waits does not act, and says which', async () => {
  const { pipeline, deal, stage } = await stages('Тут');
  const off = await given.robot(stage('Тут'), 'comment', say('выключен'), after(10));
  const removed = await given.robot(stage('Тут'), 'comment', say('убран'), { order: 'independent', ...after(10) });
  const item = await deal();
  await moved(item, stage('Тут'));
  await drain();
  const path = `/api/pipelines/${pipeline.id}/robots`;
  const set = await api(admin).get(path);
  const robots = set.robots.filter((robot: { id: number }) => robot.id !== removed.id).map((robot: { id: number }) => (robot.id === off.id ? { ...robot, isEnabled: false } : robot));
  const saved = await api(admin).put(path, { revision: set.revision, robots });
  await api(admin).post(`${path}/publish`, { revision: saved.revision });
  await passed('10 minutes');
  assert.equal((await told.run(item, off)).reason, 'robot.off');
  assert.equal((await told.run(item, removed)).reason, 'robot.removed');
  assert.deepEqual(await said(item), []);
});

test('the condition is asked when the robot is due, with the values of that moment', async () => {
  const { deal, stage } = await stages('Тут');
  const robot = await given.robot(stage('Тут'), 'comment', say('дорого'), {
    ...after(10), condition: { op: 'or', items: [{ left: '{=Document:amount}', operator: 'greater', value: 100 }, { op: 'and', items: [{ left: '{=Document:title}', operator: 'contains', value: 'срочно' }, { left: '{=Document:ownerId}', operator: 'empty' }] }] },
  });
  const [cheap, dear] = [await deal({ amount: 5000 }), await deal({ amount: 5 })];
  for (const item of [cheap, dear]) await moved(item, stage('Тут'));
  await drain();
  await api(admin).patch(`/api/items/${cheap.id}`, { amount: 50 });
  await api(admin).patch(`/api/items/${dear.id}`, { amount: 500 });
  await passed('10 minutes');
  assert.deepEqual(await said(dear), ['дорого']);
  assert.deepEqual(await said(cheap), []);
  const run = await told.run(cheap, robot);
  assert.equal(run.state, 'skipped');
  assert.match(run.explanation, /50/);
});

test('a person lets a waiting run act at once, or cancels it; who may not change the deal may not', async () => {
  const { deal, stage } = await stages('Тут');
  const soon = await given.robot(stage('Тут'), 'comment', say('сейчас'), after(10));
  const never = await given.robot(stage('Тут'), 'comment', say('отменён'), { order: 'independent', ...after(10) });
  const item = await deal();
  await moved(item, stage('Тут'));
  await drain();
  const stranger = await given.employee();
  const run = await told.run(item, soon);
  await assert.rejects(api(stranger).post(`/api/runs/${run.id}/run-now`), { status: 403 });
  await api(anna).post(`/api/runs/${run.id}/run-now`);
  await api(anna).post(`/api/runs/${(await told.run(item, never)).id}/cancel`);
  await drain();
  assert.deepEqual(await said(item), ['сейчас']);
  const cancelled = await told.run(item, never);
  assert.equal(cancelled.state, 'cancelled');
  assert.match(cancelled.explanation, /Отменил сотрудник: Анна/);
});

test('those below go on when the one above is cancelled by a person, switched off, or removed', async () => {
  for (const stop of ['cancel', 'off', 'remove'] as const) {
    const { pipeline, deal, stage } = await stages('Тут');
    const above = await given.robot(stage('Тут'), 'comment', say('выше'), after(10));
    await given.robot(stage('Тут'), 'comment', say('ниже'));
    const item = await deal();
    await moved(item, stage('Тут'));
    await drain();
    if (stop === 'cancel') await api(admin).post(`/api/runs/${(await told.run(item, above)).id}/cancel`);
    else {
      const path = `/api/pipelines/${pipeline.id}/robots`;
      const set = await api(admin).get(path);
      const robots = stop === 'remove' ? set.robots.slice(1) : set.robots.map((robot: { id: number }) => (robot.id === above.id ? { ...robot, isEnabled: false } : robot));
      const saved = await api(admin).put(path, { revision: set.revision, robots });
      await api(admin).post(`${path}/publish`, { revision: saved.revision });
    }
    await passed('10 minutes');
    assert.deepEqual(await said(item), ['ниже'], stop);
    assert.equal((await told.run(item, above)).state, 'cancelled', stop);
  }
});

test('a person lets a robot act that waits for the one above; that one keeps waiting', async () => {
  const { deal, stage } = await stages('Тут');
  await given.robot(stage('Тут'), 'comment', say('выше'), after(10));
  const below = await given.robot(stage('Тут'), 'comment', say('ниже'));
  const item = await deal();
  await moved(item, stage('Тут'));
  await drain();
  await api(admin).post(`/api/runs/${(await told.run(item, below)).id}/run-now`);
  await drain();
  assert.deepEqual(await said(item), ['ниже']);
  await passed('10 minutes');
  assert.deepEqual(await said(item), ['ниже', 'выше']);
});

test('those below one that ended from outside go on in their own chain, after their own delay', async () => {
  for (const end of ['cancel', 'empty the date'] as const) {
    const { deal, stage } = await stages('Тут');
    await given.robot(stage('Тут'), 'comment', say('другая цепочка'), after(10, 'days'));
    const above = await given.robot(stage('Тут'), 'comment', say('выше'), {
      order: 'independent', timing: { kind: 'beforeDate', reference: '{=Document:meetingAt}', amount: 1, unit: 'hours' },
    });
    await given.robot(stage('Тут'), 'comment', say('ниже'), after(10));
    await given.robot(stage('Тут'), 'comment', say('в конце'));
    const item = await deal({ values: { meetingAt: new Date(tuesday.getTime() + 5 * 86_400_000).toISOString() } });
    await moved(item, stage('Тут'));
    await drain();
    if (end === 'cancel') await api(admin).post(`/api/runs/${(await told.run(item, above)).id}/cancel`);
    else await api(admin).patch(`/api/items/${item.id}`, { values: { meetingAt: null } });
    await passed('9 minutes');
    assert.deepEqual(await said(item), [], end);
    await passed('1 minute');
    assert.deepEqual(await said(item), ['ниже', 'в конце'], end);
    assert.equal((await told.run(item, above)).state, end === 'cancel' ? 'cancelled' : 'failed');
  }
});

test('a change of the deal does not wake a dated robot that waits for the one above', async () => {
  const { deal, stage } = await stages('Тут');
  await given.robot(stage('Тут'), 'comment', say('выше'), after(2, 'days'));
  await given.robot(stage('Тут'), 'comment', say('ниже'), { timing: { kind: 'afterDate', reference: '{=Document:meetingAt}', amount: 1, unit: 'hours' } });
  const item = await deal({ values: { meetingAt: tuesday.toISOString() } });
  await moved(item, stage('Тут'));
  await drain();
  await api(admin).patch(`/api/items/${item.id}`, { amount: 7 });
  await passed('1 day');
  assert.deepEqual(await said(item), []);
  await passed('1 day');
  assert.deepEqual(await said(item), ['выше', 'ниже']);
});

test('a failed run is tried again when a person asks, and then acts once', async () => {
  const { deal, stage } = await stages('Тут');
  const robot = await given.robot(stage('Тут'), 'notify', { text: 'Вам сделка', recipients: [{ kind: 'role', role: 'observers' }] });
  const item = await deal();
  await moved(item, stage('Тут'));
  await drain();
  const run = await told.run(item, robot);
  assert.equal(run.reason, 'recipients.none');
  await api(admin).patch(`/api/items/${item.id}`, { observerIds: [anna.id] });
  await api(admin).post(`/api/runs/${run.id}/retry`);
  await drain();
  assert.equal((await told.run(item, robot)).state, 'done');
  assert.equal((await told.bell(anna)).filter((note) => note.itemId === item.id).length, 1);
  await assert.rejects(api(admin).post(`/api/runs/${run.id}/retry`), { status: 409, code: 'robots.run_not_failed' });
});

test('a deleted deal takes its waiting robots with it', async () => {
  const { deal, stage } = await stages('Тут');
  await given.robot(stage('Тут'), 'notify', { text: 'поздно', recipients: [{ kind: 'employee', id: anna.id }] }, after(10));
  const item = await deal();
  await moved(item, stage('Тут'));
  await drain();
  await api(admin).del(`/api/items/${item.id}`);
  await passed('1 hour');
  const runs = await db.rows<{ state: string; reason: string }>(sql`select state, reason from runs where item_id = ${item.id}`);
  assert.deepEqual(runs, [{ state: 'cancelled', reason: 'item.deleted' }]);
});
