/** What becomes of letters at mail servers that refuse, break off or speak TLS; and what letters are made of. Real sockets throughout. */
import assert from 'node:assert/strict';
import { createHash, createVerify, generateKeyPairSync } from 'node:crypto';
import { mkdtemp, rm } from 'node:fs/promises';
import { type AddressInfo, createServer, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, afterEach, test } from 'node:test';
import { rootCertificates, setDefaultCACertificates } from 'node:tls';
import PostalMime from 'postal-mime';
import { errorMessage } from '../../../shared/messages.ts';
import { UserError } from '../../../shared/errors.ts';
import { testDatabase } from '../../../test/support/database.ts';
import { startKeeper, testCertificate } from '../../../test/support/smtp.ts';
import { sql } from '../../db/db.ts';
import { createDeliveries, type EmailContent } from '../../deliveries/deliveries.ts';
import { createDrive } from '../../drive/drive.ts';
import { createJobs } from '../../jobs/jobs.ts';
import { createLive } from '../../live/live.ts';
import type { Actor } from '../../people/people.ts';
import { createMail, type SenderInput } from './mail.ts';

const { db } = await testDatabase();
const directory = await mkdtemp(join(tmpdir(), 'vestnik-mail-'));
let clock = new Date('2026-03-02T10:00:00Z');
const now = () => clock;
const errors: unknown[] = [];
const onError = (error: unknown) => errors.push(error);
const jobs = createJobs({ db, now, onError });
const live = createLive({ db, now });
const drive = createDrive({ db, live, now, directory });
const deliveries = createDeliveries({ db, live, jobs, now, secret: 'test secret', messageIdHost: 'crm.example.com', onError });
const mail = createMail({ db, drive, deliveries, now, publicUrl: 'https://crm.example.com', patienceMs: 3000 });
mail.startSending();
await db.run(sql`insert into employees (id, email, is_admin) values (1, 'admin@x', true), (2, 'anna@x', false)`);
const admin: Actor = { employeeId: 1, isAdmin: true, language: 'ru', timeZone: 'Europe/Moscow', via: 'session' };
const anna: Actor = { ...admin, employeeId: 2, isAdmin: false };

const plain = await startKeeper({ disabledCommands: ['STARTTLS'] });
const account: SenderInput = { name: 'Вестник', address: 'robot@example.com', host: 'localhost', port: plain.port, security: 'none', username: 'robot', password: 'correct', isDefault: false };
const stops: (() => unknown)[] = [plain.stop];
after(async () => {
  mail.close();
  await Promise.all(stops.map((stop) => stop()));
  await rm(directory, { recursive: true, force: true });
});
afterEach(() => assert.deepEqual(errors.splice(0), [], 'no error was reported'));

async function queue(senderId: number, content: Partial<EmailContent> = {}, to = 'anna@example.com'): Promise<number> {
  const [id] = await db.transaction((tx) => deliveries.queue(tx, [{
    channel: 'email', senderId, employeeId: 2, address: to, itemId: null, runId: null, content: { subject: 'Тема', body: 'Текст', fileIds: [], ...content },
  }]));
  return id!;
}
async function stateOf(id: number) {
  const { state, error, attempts } = await deliveries.get(admin, id);
  return { state, attempts, error: error?.code ?? null };
}
/** The sentences in both languages, as the journal tells them. */
async function sentences(id: number): Promise<string> {
  const { error } = await deliveries.get(admin, id);
  return (['ru', 'en'] as const).map((language) => errorMessage(language, error!.code, error!.params)).join('\n');
}
async function sent(senderId: number, content: Partial<EmailContent> = {}, to?: string) {
  const id = await queue(senderId, content, to);
  await jobs.drain();
  return id;
}
async function senderAt(port: number, more: Partial<SenderInput> = {}): Promise<number> {
  // Servers that break off would not be saved.
  const made = await mail.createSender(admin, { ...account, ...more });
  await db.run(sql`update mail_senders set port = ${port} where id = ${made.id}`);
  return made.id;
}
/** A server that is no mail server: what it does is the test's. */
async function oddServer(greet: (socket: Socket) => void): Promise<number> {
  const sockets = new Set<Socket>();
  const server = createServer((socket) => {
    sockets.add(socket);
    socket.on('error', () => {});
    greet(socket);
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  stops.push(() => {
    for (const socket of sockets) socket.destroy();
    server.close();
  });
  return (server.address() as AddressInfo).port;
}
const unfold = (raw: string) => raw.replace(/\r\n[ \t]/g, ' ');
const headerOf = (raw: string, name: string) => new RegExp(`^${name}: (.*)\\r$`, 'im').exec(unfold(raw))?.[1];

test('each refusal has its class and its sentence in both languages', async () => {
  const sender = (await mail.createSender(admin, account)).id;
  const cases = [
    ['RCPT', 550, '5.1.1 No such user', 'failed', 'mail.recipient_refused', /anna@example\.com.*No such user/],
    ['RCPT', 550, '5.7.1 Relaying denied', 'failed', 'mail.recipient_refused', /Relaying denied/],
    ['RCPT', 552, '5.2.2 Mailbox full', 'failed', 'mail.mailbox_full', /anna@example\.com.*Mailbox full/],
    ['RCPT', 452, '4.2.2 Mailbox full', 'queued', 'mail.mailbox_full', /Mailbox full/],
    ['RCPT', 452, 'Insufficient storage', 'queued', 'mail.mailbox_full', /Insufficient storage/],
    ['RCPT', 450, '4.2.0 Greylisted, come back later', 'queued', 'mail.server_busy', /Greylisted/],
    ['MAIL', 553, '5.7.1 Sender address rejected: not owned by user', 'failed', 'mail.sender_refused', /robot@example\.com.*not owned/],
    ['MAIL', 451, '4.3.2 System shutting down', 'queued', 'mail.server_busy', /shutting down/],
    ['DATA', 552, '5.3.4 Message too big', 'failed', 'mail.too_large_for_server', /too big/],
    ['DATA', 554, '5.7.1 Looks like spam', 'failed', 'mail.rejected', /Looks like spam/],
    ['DATA', 421, '4.7.0 Try again later', 'queued', 'mail.server_busy', /Try again later/],
  ] as const;
  for (const [at, code, text, state, error, says] of cases) {
    plain.refusals.push({ at, code, text });
    const id = await sent(sender);
    assert.deepEqual(await stateOf(id), { state, attempts: 1, error }, `${at} ${code} ${text}`);
    const [russian, english] = (await sentences(id)).split('\n');
    assert.match(russian!, says);
    assert.match(russian!, /[а-я]{4}/);
    assert.match(english!, says);
    assert.deepEqual(plain.refusals, []);
    await db.run(sql`update deliveries set state = 'failed', due_at = null where id = ${id}`);
  }
});

test('first greylisted, then refused: the last word counts, and both attempts are in the log', async () => {
  const sender = (await mail.createSender(admin, account)).id;
  plain.refusals.push({ at: 'RCPT', code: 451, text: '4.7.1 Greylisted' }, { at: 'RCPT', code: 550, text: '5.1.1 No such user' });
  const id = await sent(sender);
  assert.deepEqual(await stateOf(id), { state: 'queued', attempts: 1, error: 'mail.server_busy' });
  clock = new Date(clock.getTime() + 80_000);
  await jobs.drain();
  assert.deepEqual(await stateOf(id), { state: 'failed', attempts: 2, error: 'mail.recipient_refused' });
  const { log } = await deliveries.get(admin, id);
  assert.deepEqual(log.map(({ outcome }) => outcome), ['transient', 'permanent']);
  assert.match(log[0]!.detail!, /Greylisted/);
});

test('a server that closes at once, or in the middle of the letter, surely has no letter; one that closes after it may', async () => {
  const atOnce = await senderAt(await oddServer((socket) => socket.destroy()));
  const spoken = (until: RegExp) => (socket: Socket) => {
    let isInLetter = false;
    let seen = '';
    socket.write('220 odd\r\n');
    socket.on('data', (chunk: Buffer) => {
      seen += chunk.toString();
      if (until.test(seen)) return void socket.destroy();
      if (isInLetter) return;
      for (const line of chunk.toString().split('\r\n').filter(Boolean)) {
        if (/^DATA/i.test(line)) {
          isInLetter = true;
          seen = '';
          socket.write('354 go on\r\n');
        } else socket.write(/^AUTH/i.test(line) ? '235 fine\r\n' : /^EHLO/i.test(line) ? '250-odd\r\n250 AUTH PLAIN\r\n' : '250 fine\r\n');
      }
    });
  };
  const bytes = Buffer.alloc(3_000_000, 'x');
  const file = await drive.importFile(null, { storage: 'company', name: 'large.bin', bytes, createdBy: 1 });
  const inLetter = await senderAt(await oddServer(spoken(/Content-Type: multipart/)));
  const afterLetter = await senderAt(await oddServer(spoken(/\r\n\.\r\n$/)));
  const ids = [await sent(atOnce), await sent(inLetter, { fileIds: [file.id] }), await sent(afterLetter)];
  assert.deepEqual(await Promise.all(ids.map(stateOf)), [
    { state: 'queued', attempts: 1, error: 'mail.connection_failed' },
    { state: 'queued', attempts: 1, error: 'mail.connection_failed' },
    { state: 'queued', attempts: 1, error: 'mail.answer_lost' },
  ]);
  assert.deepEqual((await deliveries.get(admin, ids[2]!)).log.map(({ outcome }) => outcome), ['unknown']);
  assert.match(await sentences(ids[0]!), /localhost/);
  assert.match(await sentences(ids[2]!), /Message-ID[^]*Message-ID/);
});

test('saving a sender names the cause: host, port, silence, TLS, certificate, password', async () => {
  const expired = await startKeeper({ secure: true });
  const silent = await oddServer(() => {});
  const closing = await oddServer((socket) => socket.destroy());
  const noEncryption = await oddServer((socket) => socket.write('220 odd\r\n'));
  stops.push(expired.stop);
  const cases: [Partial<SenderInput>, string, string, RegExp][] = [
    [{ host: 'no-such-host.invalid' }, 'mail.host_unknown', 'host', /no-such-host\.invalid/],
    [{ port: 1 }, 'mail.connection_refused', 'port', /localhost.* 1/],
    [{ port: silent }, 'mail.connection_timeout', 'host', new RegExp(`localhost:${silent}`)],
    [{ port: closing }, 'mail.connection_failed', 'host', new RegExp(`localhost:${closing}`)],
    [{ port: noEncryption, security: 'tls' }, 'mail.tls_refused', 'security', /465/],
    [{ security: 'starttls' }, 'mail.tls_refused', 'security', /587/],
    [{ port: expired.port, security: 'tls' }, 'mail.certificate_invalid', 'host', /localhost/],
    [{ password: 'wrong' }, 'mail.sign_in_refused', 'password', /localhost.*5\.7\.8/],
  ];
  for (const [change, code, path, says] of cases) {
    const error: unknown = await mail.createSender(admin, { ...account, ...change }).then(() => undefined, (reason: unknown) => reason);
    assert.ok(error instanceof UserError, code);
    assert.deepEqual([error.code, error.path], [code, path]);
    for (const language of ['ru', 'en'] as const) assert.match(errorMessage(language, error.code, error.params), says);
  }
});

test('letters go over TLS and STARTTLS when the certificate is good, and wait when it is not', async () => {
  const tls = await startKeeper({ secure: true, ...testCertificate });
  const starttls = await startKeeper({ ...testCertificate });
  stops.push(tls.stop, starttls.stop);
  setDefaultCACertificates([...rootCertificates, testCertificate.cert]);
  try {
    for (const [server, security] of [[tls, 'tls'], [starttls, 'starttls']] as const) {
      const { id } = await mail.createSender(admin, { ...account, port: server.port, security });
      assert.equal((await stateOf(await sent(id))).state, 'accepted');
      assert.deepEqual(server.letters.map(({ isSecure }) => isSecure), [true]);
    }
    // The certificate is for localhost alone.
    await assert.rejects(mail.createSender(admin, { ...account, host: '127.0.0.1', port: tls.port, security: 'tls' }), { code: 'mail.certificate_invalid' });
    const moved = await mail.createSender(admin, { ...account, port: tls.port, security: 'tls' });
    await db.run(sql`update mail_senders set host = '127.0.0.1' where id = ${moved.id}`);
    assert.deepEqual(await stateOf(await sent(moved.id)), { state: 'queued', attempts: 1, error: 'mail.certificate_invalid' });
  } finally {
    setDefaultCACertificates([...rootCertificates]);
  }
});

test('a server that is away is not asked for every letter; all of them wait, none is lost', async () => {
  let asked = 0;
  const id = await senderAt(await oddServer(() => void asked++));
  const ids = await Promise.all(Array.from({ length: 60 }, () => queue(id)));
  const begun = performance.now();
  await jobs.drain();
  assert.ok(performance.now() - begun < 60_000, 'not one timeout after another');
  assert.ok(asked <= 10, `${asked} connections`);
  const states = await Promise.all(ids.map(stateOf));
  assert.deepEqual([...new Set(states.map(({ state, error }) => `${state} ${error}`))], ['queued mail.connection_timeout']);
});

test('subjects, names and file names of every script arrive as they were', async () => {
  const sender = (await mail.createSender(admin, { ...account, name: 'Вестник «Север» 🚀' })).id;
  const names = ['Счёт на оплату № 7 от «Северного ветра», очень длинное название файла для проверки.pdf', 'חשבונית.txt', 'a "quoted"; name.txt', 'naïve 🎉.txt'];
  const files = [];
  for (const name of names) files.push(await drive.importFile(null, { storage: 'company', name, bytes: Buffer.from(name), createdBy: 1 }));
  const subject = `שלום, «мир» 🎉 ${'очень длинная тема '.repeat(8)}`.trim();
  await sent(sender, { subject, body: 'مرحبا [b]بك[/b] 👋', fileIds: files.map(({ id }) => id), itemLink: '/items/3' });
  const { raw } = plain.letters.at(-1)!;
  // Nothing but ASCII travels in headers: RFC 2047 in subject and name, RFC 2231 in file names.
  assert.match(raw, /^[\x00-\x7f]*$/);
  assert.match(raw, /filename\*(0\*)?=utf-8''/i);
  assert.ok(raw.split('\r\n').every((line) => line.length <= 998));
  const letter = await PostalMime.parse(raw, { attachmentEncoding: 'utf8' });
  assert.equal(letter.subject, subject);
  assert.equal(letter.from?.name, 'Вестник «Север» 🚀');
  assert.deepEqual(letter.attachments.map(({ filename, content }) => [filename, content]), names.map((name) => [name, name]));
  assert.equal(letter.text?.trim(), 'مرحبا بك 👋\n\nhttps://crm.example.com/items/3');
  assert.match(letter.html!, /<div dir="auto">مرحبا <b>بك<\/b> 👋<\/div><p><a href="https:\/\/crm\.example\.com\/items\/3">/);
  assert.equal(headerOf(raw, 'Auto-Submitted'), 'auto-generated');
  assert.equal(new Date(headerOf(raw, 'Date')!).getTime(), clock.getTime());
});

test('attachments over the limit fail before any connection, and a file that is gone is named', async () => {
  const before = plain.connections();
  const sender = (await mail.createSender(admin, { ...account, attachmentLimitMb: 1 })).id;
  const half = await drive.importFile(null, { storage: 'company', name: 'половина.bin', bytes: Buffer.alloc(600_000), createdBy: 1 });
  const other = await drive.importFile(null, { storage: 'company', name: 'вторая половина.bin', bytes: Buffer.alloc(600_000, 1), createdBy: 1 });
  const tooLarge = await sent(sender, { fileIds: [half.id, other.id] });
  assert.deepEqual(await stateOf(tooLarge), { state: 'failed', attempts: 1, error: 'mail.too_large' });
  assert.match(await sentences(tooLarge), /2 МБ.*1 МБ[^]*2 MB.*1 MB/);
  await drive.trashFile(admin, other.id);
  const gone = await sent(sender, { fileIds: [half.id, other.id] });
  assert.deepEqual(await stateOf(gone), { state: 'failed', attempts: 1, error: 'mail.attachment_gone' });
  assert.match(await sentences(gone), /«вторая половина\.bin»[^]*“вторая половина\.bin”/);
  assert.equal(plain.connections(), before + 1, 'the one that checked the account');
  assert.equal((await stateOf(await sent(sender, { fileIds: [half.id] }))).state, 'accepted');
});

test('a letter of an employee comes from his address where the sender allows it and the domain is the same', async () => {
  const closed = (await mail.createSender(admin, { ...account, bounceAddress: 'bounces@example.com' })).id;
  const open = (await mail.createSender(admin, { ...account, mayUseEmployeeAddresses: true })).id;
  const own = { fromName: 'Анна', replyTo: { name: 'Анна', address: 'anna@Example.com' } };
  const foreign = { fromName: 'Анна', replyTo: { name: 'Анна', address: 'anna@gmail.com' } };
  const seen = [];
  for (const [id, content] of [[closed, own], [open, own], [open, foreign], [open, {}]] as const) {
    await sent(id, content);
    const { raw, from } = plain.letters.at(-1)!;
    const letter = await PostalMime.parse(raw);
    seen.push([letter.from?.name, letter.from?.address, letter.replyTo?.[0]?.address, from]);
  }
  assert.deepEqual(seen, [
    ['Анна', 'robot@example.com', 'anna@example.com', 'bounces@example.com'],
    ['Анна', 'anna@example.com', 'anna@example.com', 'robot@example.com'],
    ['Анна', 'robot@example.com', 'anna@gmail.com', 'robot@example.com'],
    ['Вестник', 'robot@example.com', undefined, 'robot@example.com'],
  ]);
});

test('a rate delays letters, one after another, and drops none', async () => {
  const sender = (await mail.createSender(admin, { ...account, lettersPerMinute: 2 })).id;
  const count = plain.letters.length;
  const ids = [];
  for (let i = 0; i < 4; i++) ids.push(await queue(sender));
  await jobs.drain();
  assert.equal(plain.letters.length, count + 1);
  const all = await Promise.all(ids.map((id) => deliveries.get(admin, id)));
  // Lanes take them side by side: which one is first is luck.
  assert.deepEqual(all.map(({ state }) => state).sort(), ['accepted', 'queued', 'queued', 'queued']);
  const waiting = all.filter(({ state }) => state === 'queued').sort((a, b) => a.dueAt!.getTime() - b.dueAt!.getTime());
  assert.match(await sentences(waiting[0]!.id), /не больше 2 писем в минуту[^]*2 letters a minute/);
  const begin = clock.getTime();
  waiting.forEach(({ dueAt }, index) => {
    const afterMs = dueAt!.getTime() - begin;
    assert.ok(afterMs >= (index + 1) * 30_000 && afterMs < (index + 1) * 30_000 + 1500, `${afterMs}`);
  });
  for (const expected of [2, 3, 4]) {
    clock = new Date(clock.getTime() + 31_100);
    await jobs.drain();
    assert.equal(plain.letters.length, count + expected);
  }
});

test('letters are signed with DKIM, and the signature stands an independent check', async () => {
  const { privateKey, publicKey } = generateKeyPairSync('rsa', { modulusLength: 2048 });
  const pem = privateKey.export({ type: 'pkcs8', format: 'pem' }).toString();
  const dkim = { dkimDomain: 'example.com', dkimSelector: 'vestnik', dkimPrivateKey: pem };
  await assert.rejects(mail.createSender(admin, { ...account, ...dkim, dkimSelector: '' }), { code: 'mail.dkim_incomplete', path: 'dkimSelector' });
  await assert.rejects(mail.createSender(admin, { ...account, dkimDomain: 'example.com' }), { code: 'mail.dkim_incomplete', path: 'dkimPrivateKey' });
  await assert.rejects(mail.createSender(admin, { ...account, ...dkim, dkimPrivateKey: 'nonsense' }), { code: 'mail.dkim_key_invalid', path: 'dkimPrivateKey' });
  const sender = await mail.createSender(admin, { ...account, ...dkim });
  assert.deepEqual(sender.dkimRecord, { name: 'vestnik._domainkey.example.com', value: `v=DKIM1; k=rsa; p=${publicKey.export({ type: 'spki', format: 'der' }).toString('base64')}` });
  assert.ok(!JSON.stringify(await mail.senders(admin)).includes('PRIVATE'));
  // A large one takes the way over the disk.
  const file = await drive.importFile(null, { storage: 'company', name: 'большой.bin', bytes: Buffer.alloc(1_500_000, 'abc'), createdBy: 1 });
  for (const content of [{ subject: 'Подписано 🔏' }, { subject: 'Большое', fileIds: [file.id] }]) {
    assert.equal((await stateOf(await sent(sender.id, content))).state, 'accepted');
    const { raw } = plain.letters.at(-1)!;
    assert.ok(verifies(raw, publicKey), content.subject);
    assert.ok(!verifies(raw.replace(/^Subject: .*$/m, 'Subject: forged'), publicKey), 'a changed header is seen');
    assert.ok(!verifies(raw.replace(/\r\n\r\n([^]*)$/, '\r\n\r\n$1 x\r\n'), publicKey), 'a changed body is seen');
  }
  // The key stays when the sender is changed, and goes when it is cleared.
  assert.ok((await mail.changeSender(admin, sender.id, { name: 'Новое имя' })).dkimRecord);
  assert.equal((await mail.changeSender(admin, sender.id, { dkimDomain: '', dkimSelector: '', dkimPrivateKey: '' })).dkimRecord, null);
});

/** RFC 6376 with relaxed/relaxed, from the text of the RFC. */
function verifies(raw: string, publicKey: Parameters<ReturnType<typeof createVerify>['verify']>[0]): boolean {
  const end = raw.indexOf('\r\n\r\n');
  const headers = raw.slice(0, end).split(/\r\n(?![ \t])/);
  const relaxedHeader = (header: string) => {
    const colon = header.indexOf(':');
    return `${header.slice(0, colon).trim().toLowerCase()}:${header.slice(colon + 1).replace(/\r\n/g, '').replace(/[ \t]+/g, ' ').trim()}`;
  };
  const signature = headers.find((header) => /^dkim-signature:/i.test(header));
  if (!signature) return false;
  const tags = new Map(signature.slice(signature.indexOf(':') + 1).split(';').map((tag) => {
    const [name = '', ...value] = tag.split('=');
    return [name.trim(), value.join('=').replace(/\s+/g, '')];
  }));
  assert.deepEqual([tags.get('v'), tags.get('a'), tags.get('c'), tags.get('d'), tags.get('s')], ['1', 'rsa-sha256', 'relaxed/relaxed', 'example.com', 'vestnik']);
  const signedNames = tags.get('h')!.toLowerCase().split(':');
  for (const name of ['from', 'to', 'subject', 'date', 'message-id']) assert.ok(signedNames.includes(name), `${name} is signed`);
  const body = raw.slice(end + 4).replace(/[ \t]+/g, ' ').replace(/ \r\n/g, '\r\n').replace(/(\r\n)*$/, '\r\n');
  if (createHash('sha256').update(body, 'latin1').digest('base64') !== tags.get('bh')) return false;
  const left = [...headers];
  const signed = signedNames.flatMap((name) => {
    const at = left.findLastIndex((header) => header.slice(0, header.indexOf(':')).trim().toLowerCase() === name);
    return at < 0 ? [] : left.splice(at, 1);
  });
  const data = `${signed.map((header) => `${relaxedHeader(header)}\r\n`).join('')}${relaxedHeader(signature.replace(/([;\s]b=)[^;]*/, '$1'))}`;
  return createVerify('RSA-SHA256').update(data, 'latin1').verify(publicKey, tags.get('b')!, 'base64');
}

const bounceOf = (messageId: string, action = 'failed') => [
  'From: MAILER-DAEMON@mx.example.com', 'To: bounces@example.com', 'Subject: Undelivered Mail Returned to Sender', 'MIME-Version: 1.0',
  'Content-Type: multipart/report; report-type=delivery-status; boundary="b1"', '', '--b1', 'Content-Type: text/plain', '', 'I am sorry.', '',
  '--b1', 'Content-Type: message/delivery-status', '', 'Reporting-MTA: dns; mx.example.com', '', 'Final-Recipient: rfc822; anna@example.com', `Action: ${action}`,
  'Status: 5.1.1', 'Diagnostic-Code: smtp; 550 5.1.1 <anna@example.com>:', '    Recipient address rejected', '',
  '--b1', 'Content-Type: text/rfc822-headers', '', 'Subject: =?UTF-8?B?0KLQtdC80LA=?=', `Message-ID:`, ` ${messageId}`, '', '--b1--', '',
].join('\r\n');

test('a letter that came back has failed, by its Message-ID, and says what the server said', async () => {
  const sender = (await mail.createSender(admin, account)).id;
  const id = await sent(sender);
  const { messageId } = await deliveries.get(admin, id);
  assert.deepEqual(await mail.takeBounce(admin, bounceOf(messageId!, 'delayed')), { deliveryIds: [] });
  assert.equal((await stateOf(id)).state, 'accepted');
  assert.deepEqual(await mail.takeBounce(admin, bounceOf(messageId!)), { deliveryIds: [id] });
  assert.deepEqual(await stateOf(id), { state: 'failed', attempts: 1, error: 'mail.bounced' });
  assert.match(await sentences(id), /anna@example\.com.*Recipient address rejected[^]*anna@example\.com.*Recipient address rejected/);
  // Handed in twice, or about a letter of somebody else.
  assert.deepEqual(await mail.takeBounce(admin, bounceOf(messageId!)), { deliveryIds: [] });
  assert.deepEqual(await mail.takeBounce(admin, bounceOf('<other@example.com>')), { deliveryIds: [] });
  await assert.rejects(mail.takeBounce(anna, bounceOf(messageId!)), { code: 'access.admin_only' });
  for (const nonsense of ['x', 'Subject: Hi\r\n\r\nI am on holiday.', bounceOf(messageId!).replace(/Message-ID:\r\n.*\r\n/, ''), bounceOf(messageId!).replace('message/delivery-status', 'text/plain'), `${'(('.repeat(50_000)}`]) {
    await assert.rejects(mail.takeBounce(admin, nonsense), { code: 'mail.bounce_unreadable' });
  }
  // A person may send it again.
  await deliveries.decide(admin, id, 'send_again');
  await jobs.drain();
  assert.equal((await stateOf(id)).state, 'accepted');
});
