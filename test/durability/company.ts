/** A company whose deals set off every kind of effect, and the count of what really happened to each deal. */
import assert from 'node:assert/strict';
import { bumpConfig, type Db, type Queryable, sql } from '../../server/db/db.ts';
import type { GivenPipeline, Somebody, TestVestnik } from '../support/vestnik.ts';
import { until } from './children.ts';

export interface Company {
  pipeline: GivenPipeline;
  anna: Somebody;
  boris: Somebody;
  /** Deals of the same title and amount on the first stage. */
  deals(count: number): Promise<number[]>;
  /** Moves a deal over HTTP. */
  patch(id: number, stageName: string): Promise<void>;
  /** Moves deals in one transaction, as the write path of the CRM does it. `beforeCommit` is awaited with all written and all locks held. */
  move(ids: readonly number[], stageName: string, beforeCommit?: () => Promise<void>): Promise<void>;
}

export const stages = { start: 'Новая', all: 'Все роботы', next: 'Следующая', waits: 'Ждёт', light: 'Лёгкая', end: 'Конец' } as const;

/** `all`: a robot of every kind, one of which moves the deal on; `waits`: robots with a delay; `light`: what load tests use. */
export async function openCompany({ given, db, vestnik, admin, api }: TestVestnik): Promise<Company> {
  const anna = await given.employee({ firstName: 'Анна', email: 'anna@example.com', mobilePhone: '+79001234567' });
  const boris = await given.employee({ firstName: 'Борис', email: 'boris@example.com', mobilePhone: '+79007654321' });
  const pipeline = await given.pipeline({ stages: Object.values(stages) });
  await db.transaction(async (tx) => {
    // Nobody answers there: what is counted is that each letter waits to be sent exactly once.
    await tx.run(sql`
      insert into mail_senders (name, address, host, port, security, is_default, created_at)
      values ('Почта', 'crm@example.com', '127.0.0.1', 9, 'none', true, ${vestnik.now()})`);
    await tx.run(sql`
      insert into sms_providers (type, name, settings, is_default, created_at)
      values ('http', 'SMS', ${JSON.stringify({ url: 'http://127.0.0.1:9/' })}, true, ${vestnik.now()})`);
    await bumpConfig(tx, 'channels');
  });
  const both = [{ kind: 'employee', id: anna.id }, { kind: 'employee', id: boris.id }];
  const [toAnna] = both;

  const all = pipeline.stage(stages.all);
  const next = pipeline.stage(stages.next);
  await given.robot(all, 'notify', { text: 'Сделка {=Document:title} на {=Document:amount}', recipients: both });
  await given.robot(all, 'comment', { text: 'Взята в работу' });
  const chat = await given.robot(all, 'create-group-chat', { title: 'Чат {=Document:title}', members: [toAnna] });
  await given.robot(all, 'add-chat-members', { chat: `{=A${chat.id}:chatId}`, members: [both[1]], showHistory: true });
  await given.robot(all, 'message-group-chat', { chat: `{=A${chat.id}:chatId}`, text: 'Обсуждаем здесь' });
  await given.robot(all, 'message-private-chat', { recipients: both, text: 'Посмотри договор' });
  await given.robot(all, 'post', { title: 'Новая сделка', text: 'Поздравляем', recipients: both });
  await given.robot(all, 'create-invoice', { title: 'Счёт {=Document:title}' });
  await given.robot(all, 'send-email', { recipients: both, subject: 'Сделка', text: 'Письмо' });
  await given.robot(all, 'send-sms', { recipients: both, text: 'Коротко' });
  await given.robot(all, 'notify', { text: 'Не придёт', recipients: both }, { condition: { op: 'and', items: [{ left: '{=Document:amount}', operator: 'less', value: 1 }] } });
  await given.robot(all, 'change-item', { values: [{ field: 'amount', value: '777' }] });
  await given.robot(all, 'change-item', { values: [{ field: 'stageId', value: String(next.id) }] });
  await given.robot(next, 'notify', { text: 'Пришла по цепочке', recipients: [toAnna] });

  const waits = pipeline.stage(stages.waits);
  await given.robot(waits, 'notify', { text: 'Прошло десять минут', recipients: both }, { timing: { kind: 'after', amount: 10, unit: 'minutes' } });
  await given.robot(waits, 'comment', { text: 'За ним' });
  await given.robot(waits, 'change-item', { values: [{ field: 'amount', value: '888' }] });
  await given.robot(waits, 'message-private-chat', { recipients: [toAnna], text: 'Дождались' }, { order: 'independent', timing: { kind: 'after', amount: 10, unit: 'minutes' } });

  const light = pipeline.stage(stages.light);
  await given.robot(light, 'notify', { text: 'Пора', recipients: both });
  await given.robot(light, 'comment', { text: 'Пора' });
  await given.robot(light, 'create-group-chat', { title: 'Пора', members: [toAnna] });
  await given.robot(light, 'message-private-chat', { recipients: [toAnna], text: 'Пора' });
  await given.robot(light, 'change-item', { values: [{ field: 'amount', value: '999' }] });

  const actor = await vestnik.people.actorFromToken(db, await tokenOf(vestnik, admin));
  assert.ok(actor);
  const origin = { employeeId: admin.id, cause: 'person' } as const;
  return {
    pipeline, anna, boris,
    async deals(count) {
      const ids: number[] = [];
      for (let left = count; left > 0; left -= 500) {
        const items = Array.from({ length: Math.min(left, 500) }, () => ({ itemTypeId: pipeline.itemTypeId, pipelineId: pipeline.id, fields: { title: 'Крыша', amount: 100_000 } }));
        ids.push(...(await db.transaction((tx) => vestnik.crm.createItems(tx, items, origin, actor))).map((row) => row.id));
      }
      return ids;
    },
    async patch(id, stageName) {
      await api(admin).patch(`/api/items/${id}`, { stageId: pipeline.stage(stageName).id });
    },
    async move(ids, stageName, beforeCommit) {
      const stageId = pipeline.stage(stageName).id;
      const outcomes = await db.transaction(async (tx) => {
        const changed = await vestnik.crm.changeItems(tx, ids.map((id) => ({ id, changes: { stageId } })), origin, actor);
        await beforeCommit?.();
        return changed;
      });
      for (const outcome of outcomes) if ('error' in outcome) throw outcome.error;
    },
  };
}

async function tokenOf(vestnik: TestVestnik['vestnik'], { id }: Somebody): Promise<string> {
  const made = await vestnik.people.createApiToken({ employeeId: id, isAdmin: true, language: 'ru', timeZone: 'Europe/Moscow', via: 'system' }, 'durability');
  return made.token;
}

interface Line {
  itemId: number;
  line: string;
}

/** Everything that happened to each deal, as sorted lines without the ids that differ from run to run. */
export async function effectsOf(db: Db, itemIds: readonly number[]): Promise<Map<number, string[]>> {
  const of = sql`any(${itemIds}::bigint[])`;
  const lines = (await Promise.all([
    db.rows<Line>(sql`select i.id as item_id, concat_ws(' ', 'item', i.stage_id, i.title, i.amount, i.version) as line from items i where i.id = ${of}`),
    db.rows<Line>(sql`select a.item_id, concat_ws(' ', 'arrival', a.from_stage_id, a.stage_id, a.cause, a.depth, a.run_id is null, a.chain_id is null) as line from arrivals a where a.item_id = ${of}`),
    db.rows<Line>(sql`select a.item_id, concat_ws(' ', 'run', r.robot_id, r.state, r.reason, r.due_at is null) as line from runs r join arrivals a on a.id = r.arrival_id where a.item_id = ${of}`),
    db.rows<Line>(sql`select c.item_id, concat_ws(' ', 'change', c.changes, c.cause) as line from item_changes c where c.item_id = ${of}`),
    db.rows<Line>(sql`select n.item_id, concat_ws(' ', 'notification', n.employee_id, n.body) as line from notifications n where n.item_id = ${of}`),
    db.rows<Line>(sql`select c.item_id, concat_ws(' ', 'comment', c.author_id, c.body) as line from comments c where c.item_id = ${of}`),
    db.rows<Line>(sql`select p.item_id, concat_ws(' ', 'post', p.author_id, p.title, p.body, (select string_agg(employee_id::text, ',' order by employee_id) from post_readers where post_id = p.id)) as line from posts p where p.item_id = ${of}`),
    db.rows<Line>(sql`select c.item_id, concat_ws(' ', 'chat', c.kind, c.title, c.owner_id, (select string_agg(employee_id || m.role, ',' order by employee_id) from chat_members m where m.chat_id = c.id)) as line from chats c where c.item_id = ${of}`),
    db.rows<Line>(sql`select r.item_id, concat_ws(' ', 'message', c.kind, c.private_key, m.kind, m.author_id, m.body) as line from messages m join chats c on c.id = m.chat_id join runs r on r.id = m.run_id where r.item_id = ${of}`),
    db.rows<Line>(sql`select r.item_id, concat_ws(' ', 'delivery', d.channel, d.address) as line from deliveries d join runs r on r.id = d.run_id where r.item_id = ${of}`),
    db.rows<Line>(sql`select i.parent_id as item_id, concat_ws(' ', 'invoice', i.title, i.amount, v.item_id is not null, (select count(*) from arrivals a where a.item_id = i.id)) as line from items i left join invoices v on v.item_id = i.id where i.parent_id = ${of}`),
  ])).flat();
  const byItem = new Map(itemIds.map((id): [number, string[]] => [id, []]));
  for (const { itemId, line } of lines) byItem.get(itemId)?.push(line);
  for (const list of byItem.values()) list.sort();
  return byItem;
}

/** Each of the deals has exactly the expected effects: none lost, none doubled. */
export async function assertEffects(db: Db, itemIds: readonly number[], expected: readonly string[], message?: string): Promise<void> {
  for (const [id, lines] of await effectsOf(db, itemIds)) assert.deepEqual(lines, expected, `deal ${id}${message ? `, ${message}` : ''}`);
}

/** Effects without a run that is done, and chats without members, would be halves of something. */
export async function assertNothingHalf(db: Db): Promise<void> {
  const [halves] = await db.rows<Record<string, number>>(sql`
    select (select count(*) from notifications e where run_id is not null and not exists (select from runs r where r.id = e.run_id and r.state = 'done')) as notifications,
      (select count(*) from comments e where run_id is not null and not exists (select from runs r where r.id = e.run_id and r.state = 'done')) as comments,
      (select count(*) from posts e where run_id is not null and not exists (select from runs r where r.id = e.run_id and r.state = 'done')) as posts,
      (select count(*) from chats e where run_id is not null and not exists (select from runs r where r.id = e.run_id and r.state = 'done')) as chats,
      (select count(*) from messages e where run_id is not null and not exists (select from runs r where r.id = e.run_id and r.state = 'done')) as messages,
      (select count(*) from deliveries e where run_id is not null and not exists (select from runs r where r.id = e.run_id and r.state = 'done')) as deliveries,
      (select count(*) from item_changes e where run_id is not null and not exists (select from runs r where r.id = e.run_id and r.state = 'done')) as changes,
      (select count(*) from arrivals e where run_id is not null and not exists (select from runs r where r.id = e.run_id and r.state = 'done')) as arrivals,
      (select count(*) from chats c where not exists (select from chat_members m where m.chat_id = c.id)) as empty_chats,
      (select count(*) from arrival_queue) as queue`);
  assert.deepEqual(halves, Object.fromEntries(Object.keys(halves ?? {}).map((name) => [name, 0])));
}

export async function queueLength(q: Queryable): Promise<number> {
  return (await q.first<{ count: number }>(sql`select count(*) as count from arrival_queue`))?.count ?? 0;
}

/** The restarted worker: works off all there is, and again while rows are still held by somebody who just died. */
export async function drainAll({ db, drain }: TestVestnik): Promise<void> {
  await until(120, 'the queue to be empty', async () => {
    await drain();
    return (await queueLength(db)) === 0;
  });
}
