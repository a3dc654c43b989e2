/** Memory of the server while it works off a backlog of arrivals, small and large: it must not grow with the backlog. */
import { type Db, sql } from '../server/db/db.ts';
import { untilWorkedOff } from './bulk.ts';
import type { BenchCompany } from './company.ts';
import { round, type Figure } from './measure.ts';
import { startServer } from './moves.ts';

async function queueArrivals(db: Db, company: BenchCompany, first: number, deals: number, count: number): Promise<void> {
  await db.run(sql`update items set stage_id = ${company.fiveStageId} where id >= ${first} and id < ${first + deals}`);
  await db.run(sql`
    with arrived as (
      insert into arrivals (item_id, pipeline_id, stage_id, from_stage_id, employee_id, cause, created_at)
      select ${first} + n % ${deals}::int, ${company.pipelineId}, ${company.fiveStageId}, ${company.startStageId}, ${company.actor.employeeId}, 'person', now()
      from generate_series(1, ${count}::int) n returning id
    ) insert into arrival_queue (arrival_id, due_at) select id, now() from arrived`);
}

async function peakWhileWorking(db: Db, dataDir: string): Promise<number> {
  const product = await startServer('./product-server.ts', [db.url, dataDir]);
  let peak = 0;
  product.child.on('message', (message) => {
    if (typeof message === 'object' && message !== null && 'rss' in message && typeof message.rss === 'number') peak = Math.max(peak, message.rss);
  });
  const sampling = setInterval(() => product.child.send('memory'), 100);
  await untilWorkedOff(db);
  clearInterval(sampling);
  await product.stop();
  return peak / 1024 / 1024;
}

export async function benchMemory(db: Db, dataDir: string, company: BenchCompany, first: number, deals: number): Promise<Figure[]> {
  await queueArrivals(db, company, first, deals, 10_000);
  const small = await peakWhileWorking(db, dataDir);
  await queueArrivals(db, company, first, deals, 100_000);
  const large = await peakWhileWorking(db, dataDir);
  return [{
    name: 'Memory of the server while it works off 100,000 arrivals', target: '≤ 300 MB', value: large, unit: 'MB', isMet: large <= 300,
    detail: `peak with 10,000: ${round(small)} MB`,
  }];
}
