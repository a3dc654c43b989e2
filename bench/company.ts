/**
 * The company every bench works in: forty people, one deal pipeline, robots published on its stages, and as
 * many deals (and finished runs) as asked for. Deals come by SQL: making them is not what is measured.
 */
import { raw, sql, type Db } from '../server/db/db.ts';
import type { Actor } from '../server/people/people.ts';
import type { RobotRecord } from '../server/robots/robots.ts';
import type { Vestnik } from '../server/vestnik.ts';

export interface BenchCompany {
  actor: Actor;
  token: string;
  itemTypeId: number;
  pipelineId: number;
  /** Without robots: where deals begin. */
  startStageId: number;
  /** Five internal robots: notification, comment, private message, group message, change of the element. */
  fiveStageId: number;
  /** One notification with a condition. */
  oneStageId: number;
  quietStageId: number;
  peopleIds: number[];
  groupChatId: number;
}

type Draft = Partial<RobotRecord> & Pick<RobotRecord, 'id' | 'stageId' | 'type' | 'settings'>;

function robot(draft: Draft): RobotRecord {
  return {
    typeVersion: 1, title: '', isEnabled: true, order: 'afterPrevious', timing: { kind: 'now' }, condition: null, oncePerItem: false, ...draft,
  };
}

export async function createCompany(vestnik: Vestnik): Promise<BenchCompany> {
  const { db, people, crm, chat, robots } = vestnik;
  const { adminId } = await vestnik.firstStart({
    company: { name: 'Bench', language: 'ru' },
    admin: { email: 'admin@bench.example', password: 'a long bench password', firstName: 'Анна', lastName: 'Орлова' },
  });
  const actor: Actor = { employeeId: adminId, isAdmin: true, language: 'ru', timeZone: 'Europe/Moscow', via: 'system' };
  const peopleIds = await db.transaction((tx) =>
    people.createEmployees(tx, Array.from({ length: 40 }, (_, i) => ({ email: `p${i}@bench.example`, firstName: 'Иван', lastName: `Петров ${i}` }))));
  const { token } = await people.createApiToken(actor, 'bench');
  const model = await crm.model(db);
  const itemType = model.itemTypeByCode('deal');
  const pipeline = itemType && model.pipelinesOf(itemType.id)[0];
  const stages = pipeline?.stages ?? [];
  if (!itemType || !pipeline || stages.length < 4) throw new Error('A fresh company has a deal pipeline.');
  const [start, five, one, quiet] = stages.map((stage) => stage.id) as [number, number, number, number];
  const created = await chat.create(actor, { kind: 'closed', title: 'Склад', memberIds: peopleIds.slice(0, 10), departmentIds: [] });
  const ids = await robots.reserveIds(6);
  const [notify, comment, personal, group, change, single] = ids as [number, number, number, number, number, number];
  const big = { op: 'and' as const, items: [{ left: '{=Document:amount}', operator: 'greater' as const, value: 100 }] };
  const set = await robots.saveSet(actor, pipeline.id, {
    revision: 0,
    robots: [
      robot({ id: notify, stageId: five, type: 'notify', settings: { text: 'Новая сделка «{=Document:title}» на {=Document:amount}', recipients: [{ kind: 'role', role: 'owner' }] } }),
      robot({ id: comment, stageId: five, type: 'comment', settings: { text: 'Сделку ведёт {=Document:ownerId}, сумма {=Document:amount}' } }),
      robot({ id: personal, stageId: five, type: 'message-private-chat', settings: { sender: { kind: 'employee', id: adminId }, recipients: [{ kind: 'role', role: 'owner' }], text: 'Проверьте договор по сделке «{=Document:title}»' } }),
      robot({ id: group, stageId: five, type: 'message-group-chat', settings: { chat: created.id, sender: { kind: 'employee', id: adminId }, text: 'Клиент оплатил счёт, отправляйте: «{=Document:title}»' } }),
      robot({ id: change, stageId: five, type: 'change-item', settings: { values: [{ field: 'closesOn', value: '{=System:Date}' }] } }),
      robot({ id: single, stageId: one, type: 'notify', condition: big, settings: { text: 'Новая сделка «{=Document:title}» на {=Document:amount}', recipients: [{ kind: 'role', role: 'owner' }] } }),
    ],
  });
  await robots.publishSet(actor, pipeline.id, { revision: set.revision, note: '' });
  return {
    actor, token, itemTypeId: itemType.id, pipelineId: pipeline.id, startStageId: start, fiveStageId: five, oneStageId: one, quietStageId: quiet,
    peopleIds, groupChatId: created.id,
  };
}

/** Deals on the first stage, spread over the people. Returns the first id; ids are consecutive. */
export async function addDeals(db: Db, company: BenchCompany, count: number): Promise<number> {
  const row = await db.first<{ first: number }>(sql`
    with made as (
      insert into items (item_type_id, pipeline_id, stage_id, title, amount, currency, owner_id, creator_id, values, created_at, updated_at, moved_at)
      select ${company.itemTypeId}, ${company.pipelineId}, ${company.startStageId}, 'Поставка оборудования ' || n, 1000 + (n::bigint * 7919) % 1000000, 'RUB',
        (${company.peopleIds}::bigint[])[1 + n % ${company.peopleIds.length}::int], ${company.actor.employeeId}, '{}', now() - n * interval '1 second', now(), now()
      from generate_series(1, ${count}::int) n returning id
    ) select min(id) as first from made`);
  await db.run(raw('vacuum analyze items'));
  return row?.first ?? 0;
}

/** Finished runs of earlier arrivals, five to an arrival, over random deals: what a few years leave behind. */
export async function addRuns(db: Db, company: BenchCompany, count: number, deals: { first: number; count: number }): Promise<void> {
  const chunk = 500_000;
  for (let done = 0; done < count; done += chunk) {
    await db.run(sql`
      with arrived as (
        insert into arrivals (item_id, pipeline_id, stage_id, from_stage_id, employee_id, cause, created_at)
        select ${deals.first} + floor(random() * ${deals.count}::bigint)::bigint, ${company.pipelineId}, ${company.quietStageId}, ${company.startStageId}, ${company.actor.employeeId},
          'person', now() - interval '1 year' + n * interval '1 second'
        from generate_series(1, ${Math.min(chunk, count - done) / 5}::int) n returning id, item_id, created_at
      )
      insert into runs (arrival_id, robot_id, version_id, item_id, state, trace, created_at, finished_at)
      select a.id, 1000000 + r, 1, a.item_id, 'done', '{"condition":["{=Document:amount}","greater",1000000,1200000,1]}', a.created_at, a.created_at
      from arrived a, generate_series(1, 5) r`);
  }
  await db.run(raw('vacuum analyze arrivals'));
  await db.run(raw('vacuum analyze runs'));
}
