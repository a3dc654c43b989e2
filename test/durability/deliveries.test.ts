/**
 * A process killed between every two steps of a delivery, for both channels: at every statement it says
 * to the database from its claim to the record of the outcome, and while the mail server or the gateway
 * has the message and has not answered. Afterwards no letter is lost, extra copies have the same
 * Message-ID, no SMS was submitted twice, and within a minute nothing is held by the dead.
 */
import assert from 'node:assert/strict';
import http from 'node:http';
import type { AddressInfo } from 'node:net';
import { after, test } from 'node:test';
import { SMTPServer } from 'smtp-server';
import { bumpConfig, sql } from '../../server/db/db.ts';
import type { Channel } from '../../server/deliveries/deliveries.ts';
import { startTestVestnik } from '../support/vestnik.ts';
import { createChildren } from './children.ts';
import { drainAll } from './company.ts';
import type { Death } from './worker.ts';

const children = createChildren(() => vestnik.db);
const vestnik = await startTestVestnik({ publicUrl: 'http://vestnik.test' });
const { db, clock } = vestnik;
/** Deaths per process. */
const perChild = 20;

/** What was taken, by address: the Message-ID of each letter, or the text of each SMS. */
const taken = new Map<string, string[]>();
/** Addresses whose message is read and never answered; called when it was read. */
const silent = new Map<string, () => void>();
const take = (address: string, what: string) => taken.set(address, [...(taken.get(address) ?? []), what]);
const heldBack = (address: string): boolean => {
  silent.get(address)?.();
  return silent.has(address);
};

const smtp = new SMTPServer({
  authOptional: true, hideSTARTTLS: true, logger: false,
  // Before any letter: nothing was sent, and nobody knows.
  onRcptTo: ({ address }, _session, callback) => {
    if (!heldBack(`before ${address}`)) callback();
  },
  onData(stream, session, callback) {
    const chunks: Buffer[] = [];
    stream.on('data', (chunk: Buffer) => chunks.push(chunk)).on('end', () => {
      const address = session.envelope.rcptTo[0]?.address ?? '';
      take(address, /^message-id:\s*(\S+)/im.exec(Buffer.concat(chunks).toString())?.[1] ?? '');
      if (!heldBack(address)) callback();
    });
  },
});
smtp.on('error', () => {});
await new Promise<void>((resolve) => smtp.listen(0, '127.0.0.1', resolve));
const gateway = http.createServer((request, response) => {
  let body = '';
  request.on('data', (chunk: Buffer) => (body += chunk.toString())).on('end', () => {
    const fields = new URLSearchParams(body);
    const phone = fields.get('to') ?? '';
    if (heldBack(`before ${phone}`)) return;
    take(phone, fields.get('text') ?? '');
    if (!heldBack(phone)) response.end(JSON.stringify({ id: `sms-${phone}` }));
  });
});
await new Promise<void>((resolve) => gateway.listen(0, '127.0.0.1', resolve));
after(async () => {
  gateway.closeAllConnections();
  gateway.close();
  await new Promise<void>((resolve) => smtp.close(() => resolve()));
});

const senderId = await db.transaction(async (tx) => {
  const mail = await tx.first<{ id: number }>(sql`insert into mail_senders (name, address, host, port, security, is_default, created_at)
    values ('Почта', 'crm@example.com', '127.0.0.1', ${(smtp.server.address() as AddressInfo).port}, 'none', true, ${clock.now()}) returning id`);
  const settings = { url: `http://127.0.0.1:${(gateway.address() as AddressInfo).port}/`, allowPrivateHost: true, fields: [{ name: 'to', value: '{phone}' }, { name: 'text', value: '{text}' }], messageIdPath: 'id' };
  const sms = await tx.first<{ id: number }>(sql`insert into sms_providers (type, name, settings, is_default, created_at)
    values ('http', 'SMS', ${JSON.stringify(settings)}, true, ${clock.now()}) returning id`);
  await bumpConfig(tx, 'channels');
  return { email: mail?.id ?? 0, sms: sms?.id ?? 0 };
});

/** One for each delivery: whoever froze while he looked at a budget holds it, and is not dead yet. */
const employees = await db.rows<{ id: number }>(sql`insert into employees (email) select 'e' || n || '@example.com' from generate_series(1, 400) n returning id`);

const start = clock.now().getTime() + 10 * 86_400_000;
let count = 0;
/** The clock goes back from delivery to delivery: what earlier ones still wait for, and who holds them, is not due for later ones. */
async function prepared(channel: Channel): Promise<{ id: number; address: string; now: Date }> {
  const address = channel === 'email' ? `a${++count}@example.com` : `+7900${String(++count).padStart(7, '0')}`;
  clock.set(new Date(start - count * 1_200_000));
  const common = { senderId: senderId[channel], employeeId: employees[count]?.id ?? null, address, itemId: null, runId: null };
  const [id = 0] = await db.transaction((tx) => vestnik.vestnik.deliveries.queue(tx, [channel === 'email' ? { ...common, channel, content: { subject: 'Тема', body: 'Письмо', fileIds: [] } } : { ...common, channel, content: { text: 'Коротко' } }]));
  return { id, address, now: clock.now() };
}

interface Victim {
  id: number;
  address: string;
  death: string;
  /** It cannot have been submitted when its process died. */
  isUntouched: boolean;
}

async function settled(victims: readonly Victim[]): Promise<Map<number, { state: string; attempts: number; messageId: string | null }>> {
  await children.buried();
  const ids = victims.map(({ id }) => id);
  const held = await db.rows<{ id: number }>(sql`select id from deliveries where id = any(${ids}::bigint[]) and state = 'sending' and lease_until > created_at + interval '55 seconds'`);
  assert.deepEqual(held, [], 'held by the dead for longer than a minute, with the poll');
  clock.set(new Date(start + 86_400_000));
  await drainAll(vestnik);
  const rows = await db.rows<{ id: number; state: string; attempts: number; messageId: string | null }>(sql`select id, state, attempts, message_id from deliveries where id = any(${ids}::bigint[])`);
  return new Map(rows.map((row) => [row.id, row]));
}

const died: Record<Channel, Victim[]> = { email: [], sms: [] };

async function killEverywhere(channel: Channel): Promise<{ statements: number }> {
  const scouts = await children.next();
  const scout = await prepared(channel);
  const instance = await scouts.start({ now: scout.now });
  await instance.arm(null);
  assert.ok(await instance.drain());
  const { statements = [] } = (await instance.report()) ?? {};
  await scouts.kill();
  assert.equal(taken.get(scout.address)?.length, 1);

  const find = (part: string) => statements.findIndex((text) => text.includes(part));
  const begun = find('begun_at = ');
  const first = find('as is_planned') - 2;
  const last = statements.findLastIndex((text) => text.includes('from done')) + 2;
  assert.ok(first >= 0 && begun > first && last > begun, statements.join('\n'));
  const deaths = statements.flatMap((_text, at): Death[] => (at < first || at > last ? [] : [{ when: 'before', at }, { when: 'sent', at }, { when: 'answered', at }]));
  for (let from = 0; from < deaths.length; from += perChild) {
    const child = await children.next();
    for (const death of deaths.slice(from, from + perChild)) {
      const { id, address, now } = await prepared(channel);
      const victim = await child.start({ now });
      await victim.arm(death);
      await victim.drain();
      const text = statements[Number(death.at)]?.replace(/\s+/g, ' ').slice(0, 100);
      // Before the mark is written nothing is. Of what is sent in one turn of the loop «sent» may let the next ones go, too.
      died[channel].push({ id, address, death: `killed ${death.when} statement ${death.at}: ${text}`, isUntouched: Number(death.at) < (death.when === 'sent' ? begun - 3 : begun) });
    }
    await child.kill();
  }

  // While the other side has it.
  for (const moment of ['before', 'after'] as const) {
    const child = await children.next();
    for (let i = 0; i < 3; i++) {
      const { id, address, now } = await prepared(channel);
      const key = moment === 'before' ? `before ${address}` : address;
      const read = new Promise<void>((resolve) => silent.set(key, resolve));
      const victim = await child.start({ now });
      void victim.drain();
      await read;
      died[channel].push({ id, address, death: `killed ${moment} the message was taken, without an answer`, isUntouched: false });
    }
    await child.kill();
    silent.clear();
  }
  return { statements: statements.length };
}

test('no letter is lost wherever its process is killed, and copies have one Message-ID', { timeout: 300_000 }, async (t) => {
  await killEverywhere('email');
  const ends = await settled(died.email);
  let copies = 0;
  for (const { id, address, death } of died.email) {
    const end = ends.get(id);
    const letters = taken.get(address) ?? [];
    assert.equal(end?.state, 'accepted', death);
    assert.ok(letters.length >= 1, `lost: ${death}`);
    assert.deepEqual([...new Set(letters)], [end?.messageId], death);
    copies += letters.length - 1;
  }
  t.diagnostic(`${died.email.length} kills, ${copies} extra copies`);
  assert.ok(copies > 0 && copies < died.email.length, 'some died after the letter was taken, and some before');
});

test('no SMS is submitted twice wherever its process is killed, and none is forgotten', { timeout: 300_000 }, async (t) => {
  await killEverywhere('sms');
  const ends = await settled(died.sms);
  const states = { accepted: 0, unknown: 0 };
  for (const { id, address, death, isUntouched } of died.sms) {
    const state = ends.get(id)?.state;
    const submitted = taken.get(address)?.length ?? 0;
    assert.ok(submitted <= 1, `twice: ${death}`);
    assert.ok(state === 'accepted' || state === 'unknown', `${state}: ${death}`);
    if (state === 'accepted') assert.equal(submitted, 1, death);
    if (isUntouched) assert.equal(state, 'accepted', `surely not sent, so sent later: ${death}`);
    states[state]++;
  }
  t.diagnostic(`${died.sms.length} kills: ${states.accepted} sent, ${states.unknown} for a person to decide`);
  assert.ok(states.accepted > 0 && states.unknown > 0);

  // A person decides; until then nothing moves by itself.
  const before = [...taken.values()].flat().length;
  clock.advance('3 days');
  await drainAll(vestnik);
  assert.equal([...taken.values()].flat().length, before);
});
