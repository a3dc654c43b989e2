/**
 * What of the CRM names an employee, and how somebody else takes it over: open items they answer for or
 * follow, clients they keep. Finished items keep their owner: who sold stays who sold.
 */
import type { EmployeeUse, People } from '../people/people.ts';
import { type Queryable, sql, type Tx } from '../db/db.ts';
import type { Clients } from './clients.ts';
import type { Items } from './items.ts';

/** Some thousands at a time keep one statement's parameters in bounds. */
const chunk = 5000;

interface OpenItem {
  id: number;
  title: string;
  ownerId: number | null;
  observerIds: number[];
}

function openItems(q: Queryable, employeeId: number, as: 'owner' | 'observer'): Promise<OpenItem[]> {
  return q.rows<OpenItem>(sql`
    select i.id, i.title, i.owner_id, i.observer_ids from items i join stages s on s.id = i.stage_id
    where s.semantics = 'process' and i.deleted_at is null and (
      (${as === 'owner'} and i.owner_id = ${employeeId}) or (${as === 'observer'} and i.observer_ids @> array[${employeeId}::bigint]))
    order by i.id desc`);
}

export function registerUses({ people, items, clients }: { people: People; items: Items; clients: Clients }): void {
  async function change(tx: Tx, by: number, changes: { id: number; changes: { ownerId: number } | { observerIds: number[] } }[]): Promise<number> {
    for (let at = 0; at < changes.length; at += chunk) {
      const outcomes = await items.changeItems(tx, changes.slice(at, at + chunk), { employeeId: by, cause: 'person' }, null);
      for (const outcome of outcomes) if ('error' in outcome) throw outcome.error;
    }
    return changes.length;
  }
  const named = (rows: readonly OpenItem[]) => ({ count: rows.length, names: rows.slice(0, 5).map((row) => row.title) });

  const uses: EmployeeUse[] = [
    {
      kind: 'items',
      find: async (q, employeeId) => named(await openItems(q, employeeId, 'owner')),
      replace: async (tx, actor, from, to) => change(tx, actor.employeeId, (await openItems(tx, from, 'owner')).map(({ id }) => ({ id, changes: { ownerId: to } }))),
    },
    {
      kind: 'observers',
      find: async (q, employeeId) => named(await openItems(q, employeeId, 'observer')),
      replace: async (tx, actor, from, to) =>
        change(tx, actor.employeeId, (await openItems(tx, from, 'observer')).map(({ id, observerIds }) => ({
          id, changes: { observerIds: [...new Set(observerIds.map((one) => (one === from ? to : one)))] },
        }))),
    },
    { kind: 'clients', find: clients.keptBy, replace: (tx, actor, from, to) => clients.handOver(tx, actor.employeeId, from, to) },
  ];
  for (const use of uses) people.registerUse(use);
}
