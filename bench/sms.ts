/** Many SMS through one SMPP link, against the bare client of the npm package with the same window and the same SMSC. */
import { fork } from 'node:child_process';
import { setTimeout as delay } from 'node:timers/promises';
import { type Db, json, sql } from '../server/db/db.ts';
import type { Vestnik } from '../server/vestnik.ts';
import type { BenchCompany } from './company.ts';
import { median, round, seconds, type Figure } from './measure.ts';
import { startServer } from './moves.ts';

const window = 10;
/** Rarely, for each look costs what a few SMS do. */
const watchMs = 100;

/** From rows in the queue to the last answer on record. */
async function sendAll(vestnik: Vestnik, senderId: number, count: number): Promise<number> {
  const { db, deliveries } = vestnik;
  const rows = Array.from({ length: count }, (_, number) => ({
    channel: 'sms' as const, senderId, employeeId: null, address: `+${79_000_000_000 + number}`, itemId: null, runId: null,
    content: { text: `Клиент оплатил счёт по сделке № ${number}, отправляйте товар` },
  }));
  await db.transaction((tx) => deliveries.queue(tx, rows));
  return seconds(async () => {
    while (await isSending(db)) await delay(watchMs);
  });
}

/** As its indexes answer it: watching must not be what is measured. */
const isSending = (db: Db) => db.first(sql`(select 1 from deliveries where channel = 'sms' and state = 'queued' limit 1) union all (select 1 from deliveries where state = 'sending' limit 1)`);

/** Seconds of the bare client, by its own clock. */
function sendBare(port: number, count: number): Promise<number> {
  return new Promise((resolve, reject) => {
    const client = fork(new URL('./smpp-client.ts', import.meta.url), [port, count, window].map(String), { stdio: ['ignore', 'pipe', 'inherit', 'ipc'] });
    let said = '';
    client.stdout?.on('data', (chunk: Buffer) => { said += String(chunk); });
    client.once('exit', (code) => (code === 0 ? resolve(Number(said)) : reject(new Error(`smpp-client.ts ended with ${code}`))));
  });
}

async function compare(vestnik: Vestnik, { actor }: BenchCompany, { count, rounds, waitMs }: { count: number; rounds: number; waitMs: number }): Promise<Figure> {
  const { db, sms } = vestnik;
  const smsc = await startServer('./smsc.ts', [String(waitMs)]);
  const ours: number[] = [];
  const bare: number[] = [];
  try {
    const provider = await sms.createProvider(actor, {
      type: 'smpp', name: `Bench ${waitMs}`, isDefault: true, secrets: { password: 'bench' },
      settings: { host: '127.0.0.1', port: smsc.port, systemId: 'bench', sender: 'Vestnik', window, allowPrivateHost: true },
    });
    for (let turn = 0; turn <= rounds; turn++) {
      const took = await sendAll(vestnik, provider.id, count);
      const tookBare = await sendBare(smsc.port, count);
      // The first round warms caches and plans.
      if (turn === 0) continue;
      ours.push(count / took);
      bare.push(count / tookBare);
    }
    const fates = await db.rows<{ state: string; n: number }>(sql`select state, count(*) as n from deliveries where channel = 'sms' and sender_id = ${provider.id} group by state`);
    const taken = await new Promise<unknown>((resolve) => smsc.child.once('message', resolve).send('taken'));
    if (fates.length !== 1 || fates[0]?.state !== 'accepted' || taken !== 2 * count * (rounds + 1)) throw new Error(`Not each SMS was taken once: ${json(fates)}, ${String(taken)}.`);
  } finally {
    await smsc.stop();
  }
  const ratio = median(ours.map((rate, i) => rate / (bare[i] ?? Number.NaN)));
  return {
    name: `${count} SMS over SMPP, the SMSC answers ${waitMs === 0 ? 'at once' : `in ${waitMs} ms`}: share of the bare client`, target: '≥ 0.7', value: ratio, unit: '', isMet: ratio >= 0.7,
    detail: `${round(median(ours))} SMS/s against ${round(median(bare))}, window ${window}`,
  };
}

/** At once is what only a loopback does; a few milliseconds is an operator next door. */
export async function benchSms(vestnik: Vestnik, company: BenchCompany, count: number, rounds: number): Promise<Figure[]> {
  const figures: Figure[] = [];
  for (const waitMs of [0, 5]) figures.push(await compare(vestnik, company, { count, rounds, waitMs }));
  return figures;
}
