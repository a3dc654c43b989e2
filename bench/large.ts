/**
 * The same bulk work in a small company and in one with a million deals and five million finished runs, rounds
 * alternating; and what a page of its deals costs the database by every indexed field.
 */
import { sql, type Sql } from '../server/db/db.ts';
import type { Vestnik } from '../server/vestnik.ts';
import { untilWorkedOff } from './bulk.ts';
import type { BenchCompany } from './company.ts';
import { median, round, seconds, type Figure } from './measure.ts';

export interface Side {
  vestnik: Vestnik;
  company: BenchCompany;
  /** The deals that are moved: spread evenly over all there are. */
  ids: number[];
}

async function move({ vestnik: { db, crm }, company, ids }: Side, stageId: number): Promise<number> {
  return seconds(async () => {
    for (let at = 0; at < ids.length; at += 500) {
      const part = ids.slice(at, at + 500).map((id) => ({ id, changes: { stageId } }));
      await db.transaction((tx) => crm.changeItems(tx, part, { employeeId: company.actor.employeeId, cause: 'person' }, company.actor));
    }
    await untilWorkedOff(db);
  });
}

export async function benchLarge(small: Side, large: Side, rounds: number): Promise<Figure[]> {
  const ratios: number[] = [];
  const rates: [number, number][] = [];
  for (let turn = 0; turn <= rounds; turn++) {
    const tookSmall = await move(small, small.company.fiveStageId);
    const tookLarge = await move(large, large.company.fiveStageId);
    await move(small, small.company.startStageId);
    await move(large, large.company.startStageId);
    if (turn === 0) continue;
    ratios.push(tookSmall / tookLarge);
    rates.push([(5 * small.ids.length) / tookSmall, (5 * large.ids.length) / tookLarge]);
  }
  const ratio = median(ratios);
  return [{
    name: 'The same with 1,000,000 deals and 5,000,000 runs: share of the rate with 10,000', target: '≥ 0.8', value: ratio, unit: '', isMet: ratio >= 0.8,
    detail: `${round(median(rates.map(([, big]) => big)))} robots/s against ${round(median(rates.map(([little]) => little)))}`,
  }];
}

/** Planning and execution of the slowest page by any indexed field: first page, a page from the middle, a filter. */
export async function benchList({ vestnik: { db, crm }, company }: Side): Promise<Figure[]> {
  const costs: { what: string; ms: number }[] = [];
  const explain = async (query: Sql): Promise<number> => {
    const times: number[] = [];
    for (let turn = 0; turn < 5; turn++) {
      const rows = await db.rows<Record<string, unknown>>(sql`explain (analyze, timing off, costs off) ${query}`);
      const plan = rows.map((row) => String(Object.values(row)[0])).join('\n');
      const found = [...plan.matchAll(/(?:Planning|Execution) Time: ([\d.]+) ms/g)];
      if (found.length !== 2) throw new Error(`No times in the plan: ${plan}`);
      times.push(found.reduce((sum, match) => sum + Number(match[1]), 0));
    }
    return median(times);
  };
  const page = async (what: string, request: Omit<Parameters<typeof crm.listItems>[2], 'itemTypeId'>) => {
    const queries = await crm.pageQueries(db, company.actor, { itemTypeId: company.itemTypeId, ...request });
    for (const query of [queries.valued(51), queries.valueless(51)]) if (query) costs.push({ what, ms: await explain(query) });
  };
  for (const sort of ['createdAt', 'amount', 'closesOn', 'ownerId', 'title', 'id']) {
    for (const direction of ['asc', 'desc'] as const) {
      await page(`${sort} ${direction}`, { sort, direction });
      const first = await crm.listItems(db, company.actor, { itemTypeId: company.itemTypeId, sort, direction, limit: 50 });
      if (first.nextCursor) await page(`${sort} ${direction}, next page`, { sort, direction, cursor: first.nextCursor });
    }
  }
  const owner = company.peopleIds[7] ?? 0;
  await page('filter by owner', { filters: [{ field: 'ownerId', op: 'eq', value: owner }] });
  await page('filter by amount', { filters: [{ field: 'amount', op: 'between', value: [500_000, 500_100] }], sort: 'amount' });
  await page('filter by stage', { filters: [{ field: 'stageId', op: 'eq', value: company.startStageId }] });
  const slowest = costs.reduce((worst, cost) => (cost.ms > worst.ms ? cost : worst));
  const boards: number[] = [];
  for (let turn = 0; turn < 7; turn++) boards.push(1000 * await seconds(() => crm.summarizePipeline(db, company.actor, company.pipelineId)));
  const counted = 1000 * await seconds(() => crm.summarizePipeline(db, company.actor, company.pipelineId, { filters: [{ field: 'amount', op: 'gte', value: 0 }] }));
  return [{
    name: 'Counts and sums of a board of 1,000,000 deals', target: '≤ 20 ms', value: median(boards), unit: 'ms', isMet: median(boards) <= 20,
    detail: `counting them takes ${round(counted)} ms`,
  }, {
    name: 'A page of 50 among 1,000,000 deals: slowest of all indexed fields', target: '≤ 20 ms', value: slowest.ms, unit: 'ms', isMet: slowest.ms <= 20,
    detail: `${slowest.what}; median of ${costs.length} kinds of pages ${round(median(costs.map((cost) => cost.ms)))} ms`,
  }];
}
