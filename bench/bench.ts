/**
 * `npm run bench [-- name …]`: the figures the product promises, each a ratio of two sides measured in this
 * run. Starts its own embedded database in a temporary directory, with the settings the product ships.
 * Prints a table and writes bench/results.json. Names: bulk, moves, latency, large, memory, list, sms.
 */
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { startEmbedded } from '../server/db/embedded.ts';
import { type Db, openDb, raw } from '../server/db/db.ts';
import { limitGarbage } from '../server/memory.ts';
import { startVestnik, type Vestnik } from '../server/vestnik.ts';
import { benchBulk } from './bulk.ts';
import { addDeals, addRuns, type BenchCompany, createCompany } from './company.ts';
import { benchLarge, benchList, type Side } from './large.ts';
import { benchLatency } from './latency.ts';
import { benchMail } from './mail.ts';
import { type Figure, table } from './measure.ts';
import { benchMemory } from './memory.ts';
import { benchMoves } from './moves.ts';
import { benchRest, benchRestPaging } from './rest.ts';
import { benchSms } from './sms.ts';

limitGarbage();
const wanted = process.argv.slice(2);
const wants = (name: string) => wanted.length === 0 || wanted.includes(name);
const directory = await mkdtemp(join(tmpdir(), 'vestnik-bench-'));
const server = await startEmbedded({ dataDir: join(directory, 'database'), settings: { track_commit_timestamp: 'on' } });
const figures: Figure[] = [];

async function open(name: string): Promise<Vestnik> {
  const admin = openDb(server.url, { max: 1 });
  await admin.run(raw(`create database ${name}`));
  await admin.close();
  const url = new URL(server.url);
  url.pathname = `/${name}`;
  return startVestnik({ databaseUrl: url.href, port: 0, host: '127.0.0.1', dataDir: join(directory, name), secret: 'bench', logLevel: 'error' });
}

/** A company made by the product, which then stops: what is measured runs in a process of its own, alone as it ships. */
async function prepared(name: string, deals: number): Promise<{ db: Db; company: BenchCompany; first: number; dataDir: string }> {
  const vestnik = await open(name);
  const company = await createCompany(vestnik);
  const first = await addDeals(vestnik.db, company, deals);
  const { url } = vestnik.db;
  await vestnik.stop();
  return { db: openDb(url, { max: 2 }), company, first, dataDir: join(directory, name) };
}

try {
  if (wants('bulk')) {
    const vestnik = await open('bulk');
    const company = await createCompany(vestnik);
    const first = await addDeals(vestnik.db, company, 10_000);
    figures.push(...await benchBulk(vestnik, company, first, 10_000, 3));
    await vestnik.stop();
  }
  if (wants('moves')) {
    const { db, company, first, dataDir } = await prepared('moves', 10_000);
    figures.push(...await benchMoves(db, dataDir, company, first, 4000, 5));
    await db.close();
  }
  if (wants('latency')) {
    const { db, company, first, dataDir } = await prepared('latency', 2000);
    figures.push(...await benchLatency(db, dataDir, company, first, 500));
    await db.close();
  }
  if (wants('memory')) {
    const { db, company, first, dataDir } = await prepared('memory', 20_000);
    figures.push(...await benchMemory(db, dataDir, company, first, 20_000));
    await db.close();
  }
  if (wants('rest')) {
    const { db, company, dataDir } = await prepared('rest', 10_000);
    figures.push(...await benchRest(db, dataDir, company, 1000, 3));
    await db.close();
  }
  if (wants('sms')) {
    const vestnik = await open('sms');
    figures.push(...await benchSms(vestnik, await createCompany(vestnik), 10_000, 3));
    await vestnik.stop();
  }
  if (wants('mail')) {
    const { db, dataDir } = await prepared('mail', 1);
    figures.push(...await benchMail(db, dataDir, 10_000, 3));
    await db.close();
  }
  if (wants('large') || wants('rest-paging') || wants('list')) {
    const sides: Side[] = [];
    for (const [name, deals, runs] of [['small', 10_000, 0], ['large', 1_000_000, 5_000_000]] as const) {
      const vestnik = await open(name);
      const company = await createCompany(vestnik);
      const first = await addDeals(vestnik.db, company, deals);
      // Paging reads no runs, and five million take minutes to write.
      await addRuns(vestnik.db, company, wants('large') || wants('list') ? runs : 0, { first, count: deals });
      sides.push({ vestnik, company, ids: Array.from({ length: 10_000 }, (_, i) => first + i * (deals / 10_000)) });
    }
    const [small, large] = sides;
    if (small && large) {
      if (wants('rest-paging')) figures.push(...await benchRestPaging(large));
      if (wants('list')) figures.push(...await benchList(large));
      if (wants('large')) figures.push(...await benchLarge(small, large, 3));
    }
    for (const side of sides) await side.vestnik.stop();
  }
} finally {
  await server.stop();
  await rm(directory, { recursive: true, force: true });
}

console.log(table(figures));
await writeFile(new URL('results.json', import.meta.url), `${JSON.stringify({ node: process.version, at: new Date().toISOString(), figures }, null, 2)}\n`);
