/**
 * The REST gateway against our own API, the same work on both sides, rounds alternating, sixteen requests at a time: a list
 * of 50 deals, a deal added, deals added fifty to a batch. And paging through a million deals by «id above the last».
 */
import { Client } from 'undici';
import type { Db } from '../server/db/db.ts';
import type { BenchCompany } from './company.ts';
import type { Side } from './large.ts';
import { median, round, seconds, type Figure } from './measure.ts';
import { startServer } from './moves.ts';

const atOnce = 16;

interface Request {
  path: string;
  method: 'GET' | 'POST';
  body?: string;
}

async function askAll(port: number, requests: readonly Request[], headers: Record<string, string>): Promise<void> {
  const clients = Array.from({ length: atOnce }, () => new Client(`http://127.0.0.1:${port}`));
  let next = 0;
  await Promise.all(clients.map(async (client) => {
    for (let request = requests[next++]; request; request = requests[next++]) {
      const { statusCode, body } = await client.request({ ...request, headers: { 'content-type': 'application/json', ...headers } });
      const text = await body.text();
      if (statusCode >= 300 || text.includes('"result_error":{')) throw new Error(`${request.path}: ${statusCode} ${text.slice(0, 500)}`);
    }
  }));
  await Promise.all(clients.map((client) => client.close()));
}

export async function benchRest(db: Db, dataDir: string, company: BenchCompany, count: number, rounds: number): Promise<Figure[]> {
  const server = await startServer('./product-server.ts', [db.url, dataDir]);
  const { port, stop } = server;
  const own = { authorization: `Bearer ${company.token}` };
  try {
    const made = await fetch(`http://127.0.0.1:${port}/api/rest/webhooks`, { method: 'POST', headers: { 'content-type': 'application/json', ...own }, body: JSON.stringify({ name: 'bench' }) });
    const hook = new URL(JSON.parse(await made.text()).url).pathname;
    const many = (request: Request, times: number): Request[] => Array.from({ length: times }, () => request);
    const title = 'Поставка оборудования';
    const ownAdd: Request = { method: 'POST', path: '/api/items', body: JSON.stringify({ itemTypeId: company.itemTypeId, title, amount: 1000 }) };
    const command = `crm.deal.add?${new URLSearchParams({ 'fields[TITLE]': title, 'fields[OPPORTUNITY]': '1000' })}`;
    const pairs = [
      {
        what: 'crm.deal.list of 50', work: count,
        ours: many({ method: 'GET', path: `/api/items?itemTypeId=${company.itemTypeId}&limit=50` }, count), theirs: many({ method: 'POST', path: `${hook}crm.deal.list`, body: '{}' }, count),
      },
      { what: 'crm.deal.add', work: count, ours: many(ownAdd, count), theirs: many({ method: 'POST', path: `${hook}crm.deal.add`, body: JSON.stringify({ fields: { TITLE: title, OPPORTUNITY: 1000 } }) }, count) },
      {
        what: 'batches of 50 crm.deal.add', work: count, ours: many(ownAdd, count),
        theirs: many({ method: 'POST', path: `${hook}batch`, body: JSON.stringify({ halt: 0, cmd: Array.from({ length: 50 }, () => command) }) }, count / 50),
      },
    ];
    const figures: Figure[] = [];
    for (const { what, work, ours, theirs } of pairs) {
      const rates: [number, number][] = [];
      for (let turn = 0; turn <= rounds; turn++) {
        const tookUs = await seconds(() => askAll(port, ours, own));
        const tookThem = await seconds(() => askAll(port, theirs, {}));
        if (turn > 0) rates.push([work / tookUs, work / tookThem]);
      }
      const ratio = median(rates.map(([us, them]) => them / us));
      figures.push({
        name: `REST, ${what}: share of the rate of our own API`, target: '≥ 0.5', value: ratio, unit: '', isMet: ratio >= 0.5,
        detail: `${round(median(rates.map(([, them]) => them)))}/s against ${round(median(rates.map(([us]) => us)))}/s`,
      });
    }
    return figures;
  } finally {
    await stop();
  }
}

/** Every page of a million deals, as b24jssdk asks for them: the last tenth against the first. */
export async function benchRestPaging({ vestnik, company }: Side): Promise<Figure[]> {
  const { url } = await vestnik.rest.credentials.createWebhook(company.actor, { name: 'bench' });
  const path = new URL(url).pathname.replace(/^\/rest\//, '');
  const times: number[] = [];
  for (let lastId = 0; ;) {
    const body = { select: ['ID', 'TITLE', 'OPPORTUNITY', 'STAGE_ID'], order: { ID: 'ASC' }, filter: { '>ID': lastId }, start: -1 };
    const begun = performance.now();
    const answer = await vestnik.rest.handle(`${path}crm.deal.list`, () => ({ query: {}, body, authorization: undefined, address: '127.0.0.1' }));
    times.push(performance.now() - begun);
    const rows: { ID: string }[] = JSON.parse(answer.body).result;
    const last = rows.at(-1);
    if (!last || rows.length < 50) break;
    lastId = Number(last.ID);
  }
  const tenth = Math.floor(times.length / 10);
  const [first, last] = [median(times.slice(0, tenth)), median(times.slice(-tenth))];
  return [{
    name: 'REST, paging by id through 1,000,000 deals: a page of the last tenth against one of the first', target: '≤ 1.5', value: last / first, unit: '', isMet: last / first <= 1.5,
    detail: `${times.length} pages, median ${round(first)} ms at first, ${round(last)} ms at last`,
  }];
}
