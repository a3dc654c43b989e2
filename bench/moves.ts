/**
 * Moves one by one over HTTP, sixteen at a time, each starting one robot with a condition: effects per second
 * against a hand-written endpoint (reference-server.ts). Rounds of the two sides alternate.
 */
import { type ChildProcess, fork } from 'node:child_process';
import { Client } from 'undici';
import { type Db, raw, sql } from '../server/db/db.ts';
import type { BenchCompany } from './company.ts';
import { median, round, seconds, type Figure } from './measure.ts';

const atOnce = 16;

export async function startServer(file: string, args: string[]): Promise<{ port: number; child: ChildProcess; stop(): Promise<void> }> {
  const child = fork(new URL(file, import.meta.url), args, { stdio: ['ignore', 'pipe', 'inherit', 'ipc'] });
  const port = await new Promise<number>((resolve, reject) => {
    child.once('exit', (code) => reject(new Error(`${file} ended with ${code}`)));
    // Before the port the log may say something.
    child.stdout?.on('data', (lines: Buffer) => {
      const port = /^\{"port":(\d+)\}$/m.exec(String(lines))?.[1];
      if (port !== undefined) resolve(Number(port));
    });
  });
  return {
    port, child,
    stop: () => new Promise((resolve) => {
      child.once('exit', () => resolve());
      child.kill('SIGTERM');
    }),
  };
}

async function patchAll(port: number, requests: readonly { path: string; body: string }[], headers: Record<string, string>): Promise<void> {
  const clients = Array.from({ length: atOnce }, () => new Client(`http://127.0.0.1:${port}`));
  let next = 0;
  await Promise.all(clients.map(async (client) => {
    for (let request = requests[next++]; request; request = requests[next++]) {
      const { statusCode, body } = await client.request({ method: 'PATCH', path: request.path, body: request.body, headers: { 'content-type': 'application/json', ...headers } });
      const text = await body.text();
      if (statusCode !== 200) throw new Error(`${request.path}: ${statusCode} ${text}`);
    }
  }));
  await Promise.all(clients.map((client) => client.close()));
}

export async function benchMoves(db: Db, dataDir: string, company: BenchCompany, first: number, count: number, rounds: number): Promise<Figure[]> {
  const reference = await startServer('./reference-server.ts', [db.url]);
  const product = await startServer('./product-server.ts', [db.url, dataDir]);
  await db.run(sql`insert into ref_deals (id, title, stage_id, amount, owner_id, updated_at) select id, title, stage_id, amount, owner_id, now() from items where id >= ${first} on conflict do nothing`);
  const ids = Array.from({ length: count }, (_, i) => first + i);
  const ratios: number[] = [];
  const ours: number[] = [];
  const theirs: number[] = [];
  try {
    for (let turn = 0; turn <= rounds; turn++) {
      const before = (await db.first<{ n: number }>(raw('select count(*) as n from notifications')))?.n ?? 0;
      const took = await seconds(async () => {
        await patchAll(product.port, ids.map((id) => ({ path: `/api/items/${id}`, body: JSON.stringify({ stageId: company.oneStageId }) })), { authorization: `Bearer ${company.token}` });
        while (((await db.first<{ n: number }>(raw('select count(*) as n from notifications')))?.n ?? 0) < before + count) await new Promise((resolve) => setTimeout(resolve, 5));
      });
      const tookThem = await seconds(() =>
        patchAll(reference.port, ids.map((id) => ({ path: `/deals/${id}`, body: JSON.stringify({ stageId: company.oneStageId }) })), {}));
      // Back to the quiet stage, so that the next round moves again.
      await patchAll(product.port, ids.map((id) => ({ path: `/api/items/${id}`, body: JSON.stringify({ stageId: company.startStageId }) })), { authorization: `Bearer ${company.token}` });
      if (turn === 0) continue;
      ours.push(count / took);
      theirs.push(count / tookThem);
      ratios.push(tookThem / took);
    }
  } finally {
    await product.stop();
    await reference.stop();
  }
  const ratio = median(ratios);
  return [{
    name: `Moves one by one over HTTP, ${atOnce} at a time, one robot: share of a hand-written endpoint`, target: '≥ 0.4', value: ratio, unit: '', isMet: ratio >= 0.4,
    detail: `${round(median(ours))} effects/s against ${round(median(theirs))}`,
  }];
}
