/**
 * Many deals moved at once to a stage with five internal robots, against bare multi-row inserts of the same
 * number of rows (prepared, 500 rows a statement, two connections, tables of the same columns with a primary key).
 */
import pg from 'pg';
import { json, type Db, raw, sql } from '../server/db/db.ts';
import type { Vestnik } from '../server/vestnik.ts';
import type { BenchCompany } from './company.ts';
import { median, round, seconds, type Figure } from './measure.ts';

const tables = ['arrivals', 'runs', 'notifications', 'comments', 'messages', 'item_changes'] as const;

async function counts(db: Db): Promise<number[]> {
  return Promise.all(tables.map(async (table) => (await db.first<{ n: number }>(raw(`select count(*) as n from ${table}`)))?.n ?? 0));
}

/** Moves the deals and waits until the last of their robots is done. */
export async function moveInBulk(vestnik: Vestnik, company: BenchCompany, first: number, count: number, stageId: number): Promise<number> {
  const { db, crm } = vestnik;
  const ids = Array.from({ length: count }, (_, i) => first + i);
  return seconds(async () => {
    for (let at = 0; at < ids.length; at += 500) {
      const part = ids.slice(at, at + 500);
      await db.transaction((tx) => crm.changeItems(tx, part.map((id) => ({ id, changes: { stageId } })), { employeeId: company.actor.employeeId, cause: 'person' }, company.actor));
    }
    await untilWorkedOff(db);
  });
}

export async function untilWorkedOff(db: Db): Promise<void> {
  while (await db.first(sql`select 1 from arrival_queue limit 1`)) await new Promise((resolve) => setTimeout(resolve, 5));
}

/** Bare tables like ours, filled by `pg` alone. Returns rows per second. */
async function insertBare(url: string, db: Db, company: BenchCompany, rowsPerTable: readonly number[], itemWrites: number): Promise<number> {
  const samples = await Promise.all(tables.map(async (table) =>
    (await db.first<{ columns: string[]; row: Record<string, unknown> }>(sql`
      select array(select column_name::text from information_schema.columns where table_schema = 'public' and table_name = ${table} order by ordinal_position) as columns,
        (select to_jsonb(t) from (select * from ${raw(table)} order by id desc limit 1) t) as row`))));
  await db.run(raw('drop schema if exists bare cascade'));
  await db.run(raw('create schema bare'));
  for (const table of [...tables, 'items']) {
    await db.run(raw(`create table bare.${table} (like public.${table} including defaults including identity)`));
    await db.run(raw(`alter table bare.${table} add primary key (id)`));
  }
  const item = (await db.first<{ row: Record<string, unknown> }>(sql`select to_jsonb(i) as row from items i where pipeline_id = ${company.pipelineId} limit 1`))?.row ?? {};
  interface Job { table: string; columns: string[]; row: Record<string, unknown>; count: number }
  const jobs: Job[] = tables.map((table, i) => ({ table, columns: samples[i]?.columns ?? [], row: samples[i]?.row ?? {}, count: rowsPerTable[i] ?? 0 }));
  jobs.push({ table: 'items', columns: Object.keys(item), row: item, count: itemWrites });
  const chunks: { job: Job; size: number }[] = [];
  for (const job of jobs) for (let left = job.count; left > 0; left -= 500) chunks.push({ job, size: Math.min(500, left) });
  const clients = await Promise.all([1, 2].map(async () => {
    const client = new pg.Client({ connectionString: url });
    await client.connect();
    return client;
  }));
  let next = 0;
  const total = jobs.reduce((sum, job) => sum + job.count, 0);
  const took = await seconds(() => Promise.all(clients.map(async (client) => {
    for (let chunk = chunks[next++]; chunk; chunk = chunks[next++]) {
      const { table, columns, row } = chunk.job;
      const used = columns.filter((column) => column !== 'id');
      const width = used.length;
      const text = `insert into bare.${table} (${used.join(', ')}) values ${Array.from({ length: chunk.size }, (_, r) => `(${used.map((_column, c) => `$${r * width + c + 1}`).join(', ')})`).join(', ')}`;
      const values: unknown[] = [];
      for (let r = 0; r < chunk.size; r++) for (const column of used) values.push(bound(row[column]));
      await client.query({ name: `${table} ${chunk.size}`, text, values });
    }
  })));
  await Promise.all(clients.map((client) => client.end()));
  return total / took;
}

function bound(value: unknown): unknown {
  if (Array.isArray(value)) return value.every((one) => typeof one === 'number' || typeof one === 'string') ? value : json(value);
  return typeof value === 'object' && value !== null ? json(value) : value;
}

export async function benchBulk(vestnik: Vestnik, company: BenchCompany, first: number, count: number, rounds: number): Promise<Figure[]> {
  const { db } = vestnik;
  const ratios: number[] = [];
  const ours: number[] = [];
  const bare: number[] = [];
  const robotRates: number[] = [];
  for (let round = 0; round <= rounds; round++) {
    const before = await counts(db);
    const took = await moveInBulk(vestnik, company, first, count, company.fiveStageId);
    const written = (await counts(db)).map((n, i) => n - (before[i] ?? 0));
    // Each deal is written twice: by the move and by «Изменить элемент».
    const rows = written.reduce((sum, n) => sum + n, 0) + 2 * count;
    const bareRate = await insertBare(db.url, db, company, written, 2 * count);
    await moveInBulk(vestnik, company, first, count, company.startStageId);
    // The first round warms caches and plans.
    if (round === 0) continue;
    ours.push(rows / took);
    bare.push(bareRate);
    robotRates.push((5 * count) / took);
    ratios.push(rows / took / bareRate);
  }
  const ratio = median(ratios);
  return [{
    name: `${count} deals at once, five robots each: share of bare multi-row inserts`, target: '≥ 0.35 (aim 0.5)', value: ratio, unit: '', isMet: ratio >= 0.35,
    detail: `${round(median(robotRates))} robots/s; ${round(median(ours))} rows/s against ${round(median(bare))}`,
  }];
}
