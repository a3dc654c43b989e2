/**
 * One move at a time, fifty a second: from the commit of the move to the WebSocket event of the notification,
 * against a bare LISTEN/NOTIFY round trip of the same run. Commit times are PostgreSQL's own
 * (track_commit_timestamp), so nothing of the request before the commit and nothing of its answer counts.
 */
import pg from 'pg';
import WebSocket from 'ws';
import { z } from 'zod';
import { type Db, sql } from '../server/db/db.ts';
import type { BenchCompany } from './company.ts';
import { median, percentile, round, type Figure } from './measure.ts';
import { startServer } from './moves.ts';

const everyMs = 20;

function nowMs(): number {
  return performance.timeOrigin + performance.now();
}

async function notifyRoundTrips(url: string, count: number): Promise<number[]> {
  const [listener, sender] = [new pg.Client({ connectionString: url }), new pg.Client({ connectionString: url })];
  await Promise.all([listener.connect(), sender.connect()]);
  await listener.query('listen bench');
  const took: number[] = [];
  for (let i = 0; i < count; i++) {
    await new Promise((resolve) => setTimeout(resolve, everyMs));
    const start = performance.now();
    const heard = new Promise((resolve) => listener.once('notification', resolve));
    await Promise.all([sender.query('notify bench'), heard]);
    took.push(performance.now() - start);
  }
  await Promise.all([listener.end(), sender.end()]);
  return took;
}

export async function benchLatency(db: Db, dataDir: string, company: BenchCompany, first: number, count: number): Promise<Figure[]> {
  const product = await startServer('./product-server.ts', [db.url, dataDir]);
  const owner = (await db.first<{ ownerId: number }>(sql`select owner_id from items where id = ${first}`))?.ownerId ?? 0;
  // Every deal goes to one person, whose socket listens.
  await db.run(sql`update items set owner_id = ${owner} where id >= ${first} and id < ${first + count + 50}`);
  const ownerToken = await tokenOf(company, owner, product.port);
  const socket = new WebSocket(`ws://127.0.0.1:${product.port}/api/live`, { headers: { authorization: `Bearer ${ownerToken}`, origin: `http://127.0.0.1:${product.port}` } });
  await new Promise((resolve, reject) => (socket.once('open', resolve), socket.once('error', reject)));
  const samples: { itemId: number; heardAt: number }[] = [];
  const bare: number[] = [];
  try {
    for (let turn = 0; turn < 5; turn++) {
      for (let i = 0; i < count / 5; i++) {
        const itemId = first + turn * (count / 5) + i;
        await new Promise((resolve) => setTimeout(resolve, everyMs));
        const heard = new Promise<number>((resolve) => {
          const listen = (data: WebSocket.RawData) => {
            const at = nowMs();
            if (!String(data).includes('"notifications"')) return;
            socket.off('message', listen);
            resolve(at);
          };
          socket.on('message', listen);
        });
        const answer = await fetch(`http://127.0.0.1:${product.port}/api/items/${itemId}`, {
          method: 'PATCH', body: JSON.stringify({ stageId: company.oneStageId }), headers: { 'content-type': 'application/json', authorization: `Bearer ${company.token}` },
        });
        if (!answer.ok) throw new Error(`${answer.status} ${await answer.text()}`);
        await answer.arrayBuffer();
        samples.push({ itemId, heardAt: await heard });
      }
      bare.push(...await notifyRoundTrips(db.url, count / 5));
    }
  } finally {
    socket.close();
    await product.stop();
  }
  const commits = await db.rows<{ itemId: number; committedMs: number }>(sql`
    select item_id, extract(epoch from pg_xact_commit_timestamp(xmin)) * 1000 as committed_ms from arrivals
    where stage_id = ${company.oneStageId} and item_id = any(${samples.map((sample) => sample.itemId)}::bigint[])`);
  const committed = new Map(commits.map((row) => [row.itemId, row.committedMs]));
  const took = samples.slice(20).map((sample) => sample.heardAt - (committed.get(sample.itemId) ?? Number.NaN)).filter((ms) => Number.isFinite(ms));
  const ratio = median(took) / median(bare);
  return [{
    name: 'One move at a time, 50 a second: commit to WebSocket event, in bare LISTEN/NOTIFY round trips', target: '≤ 5', value: ratio, unit: '', isMet: ratio <= 5,
    detail: `median ${round(median(took))} ms, p95 ${round(percentile(took, 0.95))} ms; round trip ${round(median(bare))} ms`,
  }];
}

async function tokenOf(company: BenchCompany, employeeId: number, port: number): Promise<string> {
  // People sign in themselves: an administrator only sets the password.
  const headers = { 'content-type': 'application/json', authorization: `Bearer ${company.token}` };
  const base = `http://127.0.0.1:${port}`;
  const employee = z.object({ email: z.string() }).parse(await (await fetch(`${base}/api/employees/${employeeId}`, { headers })).json());
  await fetch(`${base}/api/employees/${employeeId}`, { method: 'PATCH', headers, body: JSON.stringify({ password: 'one more long password' }) });
  const signedIn = await fetch(`${base}/api/session`, {
    method: 'POST', headers: { 'content-type': 'application/json', origin: base }, body: JSON.stringify({ email: employee.email, password: 'one more long password' }),
  });
  const cookie = signedIn.headers.getSetCookie()[0]?.split(';')[0] ?? '';
  const token = await fetch(`${base}/api/api-tokens`, { method: 'POST', headers: { 'content-type': 'application/json', cookie, origin: base, 'sec-fetch-site': 'same-origin' }, body: JSON.stringify({ name: 'bench' }) });
  if (!token.ok) throw new Error(`${token.status} ${await token.text()}`);
  return z.object({ token: z.string() }).parse(await token.json()).token;
}
