import assert from 'node:assert/strict';
import { mkdtemp, rm } from 'node:fs/promises';
import type { AddressInfo, Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, afterEach, test } from 'node:test';
import { SMTPServer } from 'smtp-server';
import { UserError } from '../../../shared/errors.ts';
import { testDatabase } from '../../../test/support/database.ts';
import { sql } from '../../db/db.ts';
import { createDeliveries, type EmailContent } from '../../deliveries/deliveries.ts';
import { createDrive } from '../../drive/drive.ts';
import { createJobs } from '../../jobs/jobs.ts';
import { createLive } from '../../live/live.ts';
import type { Actor } from '../../people/people.ts';
import { createMail } from './mail.ts';

const { db } = await testDatabase();
const directory = await mkdtemp(join(tmpdir(), 'vestnik-mail-'));
let clock = new Date('2026-03-02T10:00:00Z');
const now = () => clock;
const errors: unknown[] = [];
const jobs = createJobs({ db, now, onError: (error) => errors.push(error) });
const live = createLive({ db, now });
const drive = createDrive({ db, live, now, directory });
const deliveries = createDeliveries({ db, live, jobs, now, secret: 'test secret', messageIdHost: 'crm.example.com', onError: (error) => errors.push(error) });
const mail = createMail({ db, drive, deliveries, now, publicUrl: 'https://crm.example.com', patienceMs: 3000 });
mail.startSending();
await db.run(sql`insert into employees (id, email, is_admin) values (1, 'admin@x', true), (2, 'anna@x', false)`);
const admin: Actor = { employeeId: 1, isAdmin: true, language: 'ru', timeZone: 'Europe/Moscow', via: 'session' };
const anna: Actor = { ...admin, employeeId: 2, isAdmin: false };

/** What the server answers to the end of the next letters; when it runs out, 250. */
const answers: ('ok' | 'hang' | { code: number; text: string })[] = [];
const letters: { raw: string; from: string; to: string[] }[] = [];
const hanging = new Set<Socket>();
const smtp = new SMTPServer({
  authOptional: true,
  disabledCommands: ['STARTTLS'],
  allowInsecureAuth: true,
  onAuth: ({ username, password }, _session, callback) => (username === 'robot' && password === 'correct' ? callback(null, { user: username }) : callback(new Error('Bad password'))),
  onData(stream, session, callback) {
    const chunks: Buffer[] = [];
    stream.on('data', (chunk: Buffer) => chunks.push(chunk));
    stream.on('end', () => {
      letters.push({ raw: Buffer.concat(chunks).toString(), from: session.envelope.mailFrom ? session.envelope.mailFrom.address : '', to: session.envelope.rcptTo.map((to) => to.address) });
      const answer = answers.shift() ?? 'ok';
      if (answer === 'hang') return;
      if (answer === 'ok') return callback();
      callback(Object.assign(new Error(answer.text), { responseCode: answer.code }));
    });
  },
});
await new Promise<void>((resolve) => smtp.listen(0, '127.0.0.1', resolve));
const port = (smtp.server.address() as AddressInfo).port;
after(async () => {
  mail.close();
  for (const socket of hanging) socket.destroy();
  await new Promise<void>((resolve) => smtp.close(resolve));
  await rm(directory, { recursive: true, force: true });
});
afterEach(() => assert.deepEqual(errors.splice(0), [], 'no error was reported'));

const account = { name: 'Вестник', address: 'robot@example.com', host: '127.0.0.1', port, security: 'none' as const, username: 'robot', password: 'correct', isDefault: false };
const sender = await mail.createSender(admin, account);
const code = (expected: string) => (error: unknown) => error instanceof UserError && error.code === expected;

async function queue(content: Partial<EmailContent> = {}, to = 'anna@example.com', senderId = sender.id): Promise<number> {
  const [id] = await db.transaction((tx) => deliveries.queue(tx, [{
    channel: 'email', senderId, employeeId: 2, address: to, itemId: null, runId: null, content: { subject: 'Новая сделка', body: 'Текст', fileIds: [], ...content },
  }]));
  return id!;
}
const stateOf = async (id: number) => {
  const { state, attempts, error } = await deliveries.get(admin, id);
  return { state, attempts, error: error?.code ?? null };
};
const decoded = (raw: string) =>
  raw.split(/^--.*$/m).map((part) => {
    const [head = '', ...body] = part.split('\r\n\r\n');
    return head.includes('base64') ? Buffer.from(body.join(''), 'base64').toString() : part;
  }).join('\n');
const messageIdOf = (raw: string) => /^Message-ID: (.*)$/im.exec(raw)?.[1]?.trim();

test('a letter arrives whole: sender, reply address, both texts, link and attachment', async () => {
  const file = await drive.importFile(null, { storage: 'company', name: 'Счёт №7.txt', bytes: Buffer.from('содержимое счёта'), createdBy: 1 });
  const id = await queue({
    subject: 'Новая сделка «Крыша» 😀', body: 'Клиент: [b]Иванов[/b] & <script>x</script>', fromName: 'Анна, менеджер <x>',
    replyTo: { name: 'Анна "А" Петрова', address: 'anna@example.com' }, fileIds: [file.id], itemLink: '/items/12',
  });
  await jobs.drain();
  assert.deepEqual(await stateOf(id), { state: 'accepted', attempts: 1, error: null });
  const last = letters.at(-1)!;
  const text = decoded(last.raw);
  const letter = { ...last, raw: last.raw.replace(/\r\n[ \t]/g, ' ') };
  assert.deepEqual([letter.from, letter.to], ['robot@example.com', ['anna@example.com']]);
  assert.match(letter.raw, /^Auto-Submitted: auto-generated\r$/m);
  assert.match(letter.raw, /^From: .*<robot@example\.com>\r$/m);
  assert.match(letter.raw, /^Reply-To: [\s\S]*?<anna@example\.com>\r$/m);
  assert.match(messageIdOf(letter.raw)!, /^<[0-9a-f-]+@crm\.example\.com>$/);
  assert.match(letter.raw, /text\/plain; charset=utf-8/);
  assert.match(letter.raw, /text\/html; charset=utf-8/);
  assert.match(text, /<b>Иванов<\/b> &#38; &#60;script&#62;/);
  assert.match(text, /Клиент: Иванов & <script>/);
  assert.match(text, /https:\/\/crm\.example\.com\/items\/12/);
  assert.match(text, /содержимое счёта/);
});

test('a server that is busy gets the letter later, under the same Message-ID', async () => {
  answers.push({ code: 451, text: '4.7.1 Greylisted, try again' });
  const id = await queue();
  await jobs.drain();
  assert.deepEqual(await stateOf(id), { state: 'queued', attempts: 1, error: 'mail.server_busy' });
  const first = messageIdOf(letters.at(-1)!.raw);
  const count = letters.length;
  await jobs.drain();
  assert.equal(letters.length, count, 'not before its time');
  clock = new Date(clock.getTime() + 80_000);
  await jobs.drain();
  assert.deepEqual(await stateOf(id), { state: 'accepted', attempts: 2, error: null });
  assert.equal(messageIdOf(letters.at(-1)!.raw), first);
});

test('a letter that is refused has failed for good, and says what the server said', async () => {
  answers.push({ code: 550, text: '5.1.1 No such user' });
  const id = await queue();
  await jobs.drain();
  assert.deepEqual(await stateOf(id), { state: 'failed', attempts: 1, error: 'mail.rejected' });
  assert.match((await deliveries.get(admin, id)).error!.detail!, /No such user/);
});

test('a server that falls silent after the letter gets it again under the same Message-ID', async () => {
  answers.push('hang');
  const id = await queue();
  await jobs.drain();
  assert.deepEqual(await stateOf(id), { state: 'queued', attempts: 1, error: 'mail.answer_lost' });
  const first = messageIdOf(letters.at(-1)!.raw);
  clock = new Date(clock.getTime() + 80_000);
  await jobs.drain();
  assert.equal((await stateOf(id)).state, 'accepted');
  assert.equal(messageIdOf(letters.at(-1)!.raw), first);
});

test('line breaks and control characters in headers are refused before anything is sent', async () => {
  const count = letters.length;
  const attacks: [Partial<EmailContent>, string, string][] = [
    [{ subject: 'Hi\r\nBcc: all@example.com' }, 'anna@example.com', 'mail.header_invalid'],
    [{ subject: 'Hi\nBcc: all@example.com' }, 'anna@example.com', 'mail.header_invalid'],
    [{ fromName: 'A\r\nBcc: all@example.com' }, 'anna@example.com', 'mail.header_invalid'],
    [{ replyTo: { name: 'A\nX: y', address: 'a@b.c' } }, 'anna@example.com', 'mail.header_invalid'],
    [{ replyTo: { name: 'A', address: 'a@b.c\r\nX: y' } }, 'anna@example.com', 'mail.address_invalid'],
    [{}, 'anna@example.com\r\nRCPT TO:<all@example.com>', 'mail.address_invalid'],
    [{}, 'anna@example.com, boris@example.com', 'mail.address_invalid'],
    [{}, '"a b"@example.com', 'mail.address_invalid'],
    [{}, 'nobody', 'mail.address_invalid'],
  ];
  for (const [content, to, error] of attacks) {
    const id = await queue(content, to);
    await jobs.drain();
    assert.deepEqual(await stateOf(id), { state: 'failed', attempts: 1, error }, JSON.stringify([content, to]));
  }
  assert.equal(letters.length, count);
});

test('a sender is saved only when its account works, and its password never comes out', async () => {
  await assert.rejects(mail.createSender(admin, { ...account, password: 'wrong' }), code('mail.sign_in_refused'));
  await assert.rejects(mail.createSender(admin, { ...account, port: 1 }), code('mail.connection_refused'));
  await assert.rejects(mail.createSender(admin, { ...account, security: 'starttls' }), code('mail.tls_refused'));
  await assert.rejects(mail.createSender(admin, { ...account, address: 'a@b\r\nc' }), code('mail.address_invalid'));
  await assert.rejects(mail.createSender(anna, account), code('access.admin_only'));
  await assert.rejects(mail.senders(anna), code('access.admin_only'));
  const [shown] = await mail.senders(admin);
  assert.equal(shown?.isDefault, true, 'the first one is the default');
  assert.ok(!JSON.stringify(shown).includes('correct'));
  const row = await db.first<{ secret: Buffer }>(sql`select secret from mail_senders where id = ${sender.id}`);
  assert.ok(!row!.secret.includes('correct'));
  // The password is kept when it is not sent, and not when the account moves to another server.
  assert.equal((await mail.changeSender(admin, sender.id, { name: 'Новое имя' })).hasPassword, true);
  await assert.rejects(mail.changeSender(admin, sender.id, { host: 'localhost' }), code('mail.sign_in_refused'));
});

test('a sender that was deleted, an attachment that is gone and a changed secret fail visibly', async () => {
  const other = await mail.createSender(admin, account);
  await db.run(sql`update mail_senders set secret = ${Buffer.alloc(40, 1)} where id = ${other.id}`);
  const unreadable = await queue({}, 'a@b.c', other.id);
  await jobs.drain();
  assert.equal((await stateOf(unreadable)).error, 'mail.secret_unreadable');
  await mail.deleteSender(admin, other.id);
  const gone = await queue({}, 'a@b.c', other.id);
  const noFile = await queue({ fileIds: [999_999] });
  await jobs.drain();
  assert.equal((await stateOf(gone)).error, 'mail.sender_missing');
  assert.equal((await stateOf(noFile)).error, 'mail.attachment_gone');
});

test('a test letter goes through the queue and is in the journal', async () => {
  const id = await mail.testSender(admin, sender.id, 'me@example.com');
  await jobs.drain();
  assert.equal((await stateOf(id)).state, 'accepted');
  assert.match(decoded(letters.at(-1)!.raw), /настроен верно/);
});

test('two hundred letters each arrive once', async () => {
  const count = letters.length;
  const ids = await Promise.all(Array.from({ length: 200 }, (_, i) => queue({ subject: `№${i}` })));
  await jobs.drain();
  assert.equal(letters.length - count, 200);
  for (const id of [ids[0]!, ids[199]!]) assert.equal((await stateOf(id)).state, 'accepted');
  assert.equal(new Set(letters.slice(count).map((letter) => messageIdOf(letter.raw))).size, 200);
});
