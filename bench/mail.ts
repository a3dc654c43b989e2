/**
 * Letters: ten thousand through one SMTP sender against bare pooled nodemailer with the same letters at the same
 * server, rounds of the two sides alternating; and the memory one letter with 20 MB of attachments costs.
 */
import { randomBytes, randomUUID } from 'node:crypto';
import { join } from 'node:path';
import nodemailer from 'nodemailer';
import { type Db, json, raw, sql } from '../server/db/db.ts';
import { createDrive } from '../server/drive/drive.ts';
import { createLive } from '../server/live/live.ts';
import { bbcodeToHtml, bbcodeToText } from '../shared/bbcode.ts';
import { type Figure, median, round, seconds } from './measure.ts';
import { startServer } from './moves.ts';

const subject = 'Новая сделка: Поставка оборудования';
const body = '[b]Поставка оборудования[/b]\nКлиент: Иван Петров\nТелефон: +7 900 123-45-67\nE-mail: ivan@example.com\nСумма: 120 000 ₽';
const link = 'http://localhost/items/1';

async function makeSender(db: Db, port: number): Promise<number> {
  const made = await db.first<{ id: number }>(sql`insert into mail_senders (name, address, host, port, security, is_default, attachment_limit_mb, created_at)
    values ('Вестник', 'robot@example.com', '127.0.0.1', ${port}, 'none', true, 100, now()) returning id`);
  return made?.id ?? 0;
}

/** Queued, and nobody told: the clock starts when they fall due. */
async function queueLetters(db: Db, senderId: number, count: number, fileIds: readonly number[] = []): Promise<void> {
  const content = json({ subject, body, fileIds, itemLink: link });
  await db.run(sql`insert into deliveries (channel, sender_id, address, content, message_id, due_at, created_at)
    select 'email', ${senderId}, 'p' || n || '@example.com', ${content}::jsonb, '<' || gen_random_uuid() || '@bench.example>', now() + interval '1 day', now()
    from generate_series(1, ${count}::int) n`);
  await db.run(raw('vacuum analyze deliveries'));
}

async function sendAll(db: Db): Promise<void> {
  await db.run(sql`update deliveries set due_at = now() where state = 'queued'`);
  await db.run(sql`select pg_notify('vestnik_jobs', 'deliveries.email')`);
  // Seldom and cheaply: to ask is not what is measured.
  while ((await db.first<{ left: boolean }>(sql`select exists (select from deliveries where state in ('queued', 'sending')) as left`))?.left) await new Promise((resolve) => setTimeout(resolve, 50));
  const lost = (await db.first<{ n: number }>(sql`select count(*) as n from deliveries where state <> 'accepted'`))?.n;
  if (lost !== 0) throw new Error(`${lost} letters were not accepted.`);
}

async function sendBare(port: number, count: number): Promise<void> {
  const transport = nodemailer.createTransport({ host: '127.0.0.1', port, ignoreTLS: true, pool: true, maxConnections: 5, maxMessages: 100 });
  const text = `${bbcodeToText(body)}\n\n${link}\n`;
  const html = `<!doctype html><html><head><meta charset="utf-8"></head><body><div dir="auto">${bbcodeToHtml(body)}</div><p><a href="${link}">${link}</a></p></body></html>`;
  let left = count;
  // As many at once as fill the pool twice: the way to use it that its documentation shows.
  await Promise.all(Array.from({ length: 10 }, async () => {
    while (left-- > 0) {
      await transport.sendMail({
        from: { name: 'Вестник', address: 'robot@example.com' }, to: `p${left}@example.com`, subject, text, html, textEncoding: 'base64', messageId: `<${randomUUID()}@bench.example>`,
      });
    }
  }));
  transport.close();
}

async function peakWhile(child: Awaited<ReturnType<typeof startServer>>['child'], work: () => Promise<void>): Promise<number> {
  let peak = 0;
  const note = (message: unknown) => {
    if (typeof message === 'object' && message !== null && 'rss' in message && typeof message.rss === 'number') peak = Math.max(peak, message.rss);
  };
  child.on('message', note);
  const sampling = setInterval(() => child.send('memory'), 10);
  await work();
  clearInterval(sampling);
  child.off('message', note);
  return peak / 1024 / 1024;
}

export async function benchMail(db: Db, dataDir: string, count: number, rounds: number): Promise<Figure[]> {
  const sink = await startServer('./mail-sink.ts', []);
  const senderId = await makeSender(db, sink.port);
  let product = await startServer('./product-server.ts', [db.url, dataDir]);
  const ours: number[] = [];
  const theirs: number[] = [];
  const ratios: number[] = [];
  try {
    for (let turn = 0; turn <= rounds; turn++) {
      await db.run(raw('truncate deliveries cascade'));
      await queueLetters(db, senderId, count);
      const took = await seconds(() => sendAll(db));
      const tookThem = await seconds(() => sendBare(sink.port, count));
      // The first warms both sides.
      if (turn === 0) continue;
      ours.push(count / took);
      theirs.push(count / tookThem);
      ratios.push(tookThem / took);
    }
    const drive = createDrive({ db, live: createLive({ db, now: () => new Date() }), now: () => new Date(), directory: join(dataDir, 'drive') });
    const fileIds: number[] = [];
    // Random: no two are the same bytes, and none can be made smaller.
    for (let i = 0; i < 4; i++) fileIds.push((await drive.importFile(null, { storage: 'company', name: `Договор ${i}.pdf`, bytes: randomBytes(5 * 1024 * 1024), createdBy: null })).id);
    await product.stop();
    product = await startServer('./product-server.ts', [db.url, dataDir]);
    // As it is after a day's work, not after ten thousand letters: what those left behind would hide what one adds.
    await db.run(raw('truncate deliveries cascade'));
    await queueLetters(db, senderId, 500);
    await sendAll(db);
    const idle = await peakWhile(product.child, () => new Promise((resolve) => setTimeout(resolve, 1000)));
    await db.run(raw('truncate deliveries cascade'));
    await queueLetters(db, senderId, 1, fileIds);
    const large = await peakWhile(product.child, () => sendAll(db));
    return [
      {
        name: `${count} letters through one SMTP sender: share of bare pooled nodemailer`, target: '≥ 0.7', value: median(ratios), unit: '', isMet: median(ratios) >= 0.7,
        detail: `${round(median(ours))} letters/s against ${round(median(theirs))}`,
      },
      {
        name: 'Memory a letter with 20 MB of attachments adds', target: '≤ 40 MB', value: Math.max(0, large - idle), unit: 'MB', isMet: large - idle <= 40,
        detail: `peak ${round(large)} MB, before ${round(idle)} MB`,
      },
    ];
  } finally {
    await product.stop();
    await sink.stop();
  }
}
