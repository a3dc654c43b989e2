import assert from 'node:assert/strict';
import { createServer, type AddressInfo, type Socket } from 'node:net';
import { after, test } from 'node:test';
import { PDU } from 'smpp';
import { testCertificate } from '../../../../../test/support/smtp.ts';
import { smsParts } from '../../parts.ts';
import type { SmsOutcome, SmsUpdate } from '../../provider.ts';
import { encodeText, encodeWhole } from './encoding.ts';
import { receiptText, type Smsc, type SmscOptions, startSmsc } from './gateway.ts';
import { openSmpp, smppProvider, type SmppConnection } from './provider.ts';
import { problemOf } from './statuses.ts';

const closing: (() => Promise<unknown>)[] = [];
after(async () => { for (const close of closing.reverse()) await close(); });

const given = { host: '127.0.0.1', systemId: 'vestnik', sender: 'Vestnik', allowPrivateHost: true };
interface Link { smpp: SmppConnection; updates: SmsUpdate[]; clock: { at: Date }; say(text: string, phone?: string): Promise<SmsOutcome>; refuseReports: { is: boolean } }

/** Settings as saved, with times too short for the form. */
function link(port: number, settings: Record<string, unknown> = {}, password = 'secret'): Link {
  const { enquireSeconds = 30, responseSeconds = 10, busySeconds = 5, ...others } = settings;
  const parsed = smppProvider.settings.parse({ ...given, port, ...others }) as Parameters<typeof openSmpp>[0]['settings'];
  const updates: SmsUpdate[] = [];
  const clock = { at: new Date('2026-03-02T10:00:00Z') };
  const refuseReports = { is: false };
  const smpp = openSmpp({
    settings: { ...parsed, enquireSeconds: Number(enquireSeconds), responseSeconds: Number(responseSeconds), busySeconds: Number(busySeconds) },
    secrets: { password }, now: () => clock.at,
    report: async (told) => {
      if (refuseReports.is) throw new Error('The database is away.');
      updates.push(...told);
    },
  }, { backoffMs: [20, 100] });
  closing.push(() => smpp.close());
  let id = 0;
  return { smpp, updates, clock, refuseReports, say: (text, phone = '+79161234567') => smpp.send({ id: ++id, phone, text }) };
}
async function smscWith(options: SmscOptions = {}): Promise<Smsc> {
  const smsc = await startSmsc(options);
  closing.push(() => smsc.close());
  return smsc;
}
async function until(isSo: () => boolean, what: string): Promise<void> {
  for (let left = 6000; !isSo(); left--) {
    assert.ok(left > 0, `It did not come about: ${what}.`);
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
}
const fate = (outcome: SmsOutcome) => (outcome.outcome === 'accepted' ? ['accepted', outcome.providerMessageId] : [outcome.outcome, outcome.code]);
const whole = (smsc: Smsc) => [...smsc.submitted].sort((a, b) => (a.part?.[2] ?? 0) - (b.part?.[2] ?? 0)).map(({ text }) => text).join('');

test('texts are cut as they are counted, and no escape and no emoji is parted', () => {
  const texts = ['', 'a', 'a'.repeat(160), 'a'.repeat(161), '€'.repeat(80), '€'.repeat(153), `${'a'.repeat(152)}€€`, 'ж'.repeat(70), 'ж'.repeat(71), 'ж'.repeat(200), '😀'.repeat(67), `${'ж'.repeat(66)}😀ж`];
  for (const text of texts) {
    const { parts, dataCoding } = encodeText(text, { packed: false, reference: 300 });
    assert.equal(parts.length, Math.max(1, smsParts(text).parts), text.slice(0, 20));
    for (const [index, part] of parts.entries()) {
      assert.ok(part.length <= (dataCoding === 8 ? 140 : 160), 'fits');
      if (parts.length === 1) continue;
      assert.deepEqual([...part.subarray(0, 6)], [5, 0, 3, 300 & 0xff, parts.length, index + 1]);
      assert.notEqual(part.at(-1), 0x1b, 'no escape at the end');
      const last = part.readUInt16BE(part.length - 2);
      assert.ok(dataCoding === 0 || last < 0xd800 || last > 0xdbff, 'no half of an emoji at the end');
    }
  }
});

test('the packed alphabet puts eight characters into seven octets, after a header too', () => {
  const unpack = (octets: Buffer, fillBits: number) => {
    const bits = [...octets].flatMap((octet) => Array.from({ length: 8 }, (_, i) => (octet >> i) & 1)).slice(fillBits);
    return Array.from({ length: Math.floor(bits.length / 7) }, (_, i) => bits.slice(i * 7, i * 7 + 7).reduce((sum, bit, place) => sum | (bit << place), 0));
  };
  // The example of 3GPP TS 23.038: «hellohello».
  assert.equal(encodeText('hellohello', { packed: true, reference: 1 }).parts[0]?.toString('hex'), 'e8329bfd4697d9ec37');
  const text = `${'The quick brown [fox] costs 5 €. '.repeat(8)}`;
  const packed = encodeText(text, { packed: true, reference: 1 }).parts;
  const plain = encodeText(text, { packed: false, reference: 1 }).parts;
  assert.ok(packed.length > 1 && packed.every((part) => part.length <= 140));
  packed.forEach((part, index) => assert.deepEqual(unpack(part.subarray(6), 1).slice(0, (plain[index]?.length ?? 0) - 6), [...(plain[index]?.subarray(6) ?? [])]));
  // Seven characters leave seven bits, which must not read as «@».
  assert.deepEqual(unpack(encodeWhole('1234567', { packed: true }).octets, 0).at(-1), 0x0d);
});

test('a message arrives with its sender, number and alphabet', async () => {
  const smsc = await smscWith({ password: 'secret' });
  const { say } = link(smsc.port, { systemType: 'crm' });
  assert.deepEqual(fate(await say('Price: 5€ [net] {ok} ~ ^ \\ | @£$_')), ['accepted', 'id-1']);
  assert.deepEqual(fate(await say('Счёт оплачен 😀')), ['accepted', 'id-2']);
  assert.deepEqual(smsc.submitted.map(({ text }) => text), ['Price: 5€ [net] {ok} ~ ^ \\ | @£$_', 'Счёт оплачен 😀']);
  const fields = ({ pdu }: Smsc['submitted'][number]) => [pdu.source_addr, pdu.source_addr_ton, pdu.source_addr_npi, pdu.destination_addr, pdu.dest_addr_ton, pdu.dest_addr_npi, pdu.data_coding, pdu.registered_delivery, pdu.esm_class];
  assert.deepEqual(smsc.submitted.map(fields), [['Vestnik', 5, 0, '79161234567', 1, 1, 0, 1, 0], ['Vestnik', 5, 0, '79161234567', 1, 1, 8, 1, 0]]);
  const [bind] = smsc.binds;
  assert.deepEqual([bind?.command, bind?.system_id, bind?.system_type, bind?.interface_version], ['bind_transceiver', 'vestnik', 'crm', 0x34]);
});

test('a long message arrives whole: Cyrillic, GSM with escapes, emoji; by header and as a payload', async () => {
  const texts = ['Счёт №5 оплачен, отправляйте товар. '.repeat(8), 'Pay [5€] now {please} '.repeat(20), '😀'.repeat(100)];
  for (const text of texts) {
    const smsc = await smscWith();
    const outcome = await link(smsc.port).say(text);
    assert.ok(outcome.outcome === 'accepted' && outcome.parts === smsParts(text).parts);
    assert.equal(whole(smsc), text);
    assert.ok(smsc.submitted.every(({ pdu, part }, index) => pdu.esm_class === 0x40 && part?.[0] === 1 && part[1] === smsc.submitted.length && part[2] === index + 1));
    const payload = await smscWith();
    await link(payload.port, { longMessages: 'payload' }).say(text);
    assert.deepEqual([payload.submitted.length, payload.submitted[0]?.text], [1, text]);
  }
});

test('a wrong password is said, sends nothing, and is not fatal to the process', async () => {
  const smsc = await smscWith({ password: 'secret' });
  const wrong = link(smsc.port, {}, 'wrong');
  const outcome = await wrong.say('x');
  assert.deepEqual(fate(outcome), ['permanent', 'sms.sign_in_refused']);
  assert.ok(outcome.outcome === 'permanent' && outcome.detail === 'ESME_RINVPASWD 0x0000000e');
  assert.equal(smsc.submitted.length, 0);
  assert.deepEqual(fate(await link(1).say('x')), ['transient', 'sms.gateway_unreachable']);
  assert.deepEqual(fate(await link(smsc.port, { allowPrivateHost: false }).say('x')), ['permanent', 'sms.private_host']);
  assert.deepEqual(fate(await link(smsc.port, { allowPrivateHost: false, host: 'localhost' }).say('x')), ['permanent', 'sms.private_host']);
});

test('a transmitter and a receiver do for a transceiver', async () => {
  const smsc = await smscWith({ password: 'secret' });
  const { say, updates } = link(smsc.port, { bind: 'pair' });
  assert.deepEqual(fate(await say('x')), ['accepted', 'id-1']);
  await until(() => smsc.binds.length === 2, 'both are bound');
  assert.deepEqual(smsc.binds.map(({ command }) => command).sort(), ['bind_receiver', 'bind_transmitter']);
  smsc.deliver(receiptText('id-1', 'DELIVRD'));
  await until(() => updates.length > 0, 'a receipt');
  assert.equal(updates[0]?.state, 'delivered');
});

test('TLS takes no certificate that nobody vouches for, unless an administrator says so', async () => {
  const smsc = await smscWith(testCertificate);
  assert.deepEqual(fate(await link(smsc.port, { tls: true, host: 'localhost' }).say('x')), ['transient', 'sms.gateway_unreachable']);
  assert.equal(smsc.heard.length, 0, 'no password went out');
  assert.deepEqual(fate(await link(smsc.port, { tls: true, host: 'localhost', tlsVerify: false }).say('x')), ['accepted', 'id-1']);
});

test('throttling delays: nothing knocks until the time has come, and nothing is lost', async () => {
  let isFull = true;
  const smsc = await smscWith({ answer: () => (isFull ? 0x58 : 0) });
  const { say, clock } = link(smsc.port);
  const first = await say('x');
  assert.ok(first.outcome === 'transient' && first.code === 'sms.gateway_busy' && first.retryAt?.getTime() === clock.at.getTime() + 5000);
  const asked = smsc.heard.length;
  assert.deepEqual(fate(await say('y')), ['transient', 'sms.gateway_busy']);
  assert.equal(smsc.heard.length, asked);
  isFull = false;
  clock.at = new Date(clock.at.getTime() + 5000);
  assert.equal((await say('x')).outcome, 'accepted');
});

test('a part the SMSC had no room for is handed over again; one it refused leaves the message unknown', async () => {
  const text = 'ж'.repeat(200);
  let asked = 0;
  const full = await smscWith({ answer: () => (++asked === 2 ? 0x14 : 0) });
  const one = link(full.port, { busySeconds: 0.02 });
  assert.equal((await one.say(text)).outcome, 'accepted');
  assert.deepEqual([whole(full), asked], [text, 4]);
  let refused = 0;
  const picky = await smscWith({ answer: () => (++refused === 2 ? 0x45 : 0) });
  const outcome = await link(picky.port).say(text);
  assert.deepEqual(outcome, { outcome: 'unknown', code: 'sms.answer_unclear', detail: '2/3: ESME_RSUBMITFAIL 0x00000045' });
  const closed = await smscWith({ answer: () => 0x0b });
  assert.deepEqual(fate(await link(closed.port).say(text)), ['permanent', 'sms.number_refused']);
  assert.equal(closed.heard.filter((command) => command === 'submit_sm').length, 1);
});

test('no more than the window is unanswered at a time, and all of it is used', async () => {
  const smsc = await smscWith({ answer: () => new Promise((resolve) => { setTimeout(() => resolve(0), 5); }) });
  const { say } = link(smsc.port, { window: 3 });
  const outcomes = await Promise.all(Array.from({ length: 60 }, (_, i) => say(`n ${i}`)));
  assert.ok(outcomes.every(({ outcome }) => outcome === 'accepted'));
  assert.equal(smsc.state.most, 3);
  assert.equal(new Set(smsc.submitted.map(({ text }) => text)).size, 60);
});

test('an unanswered enquire_link drops the link, and it comes back', async () => {
  const smsc = await smscWith();
  const { say } = link(smsc.port, { enquireSeconds: 0.05, responseSeconds: 2 });
  await until(() => smsc.heard.filter((command) => command === 'enquire_link').length >= 2, 'the link is asked whether it lives');
  assert.equal(smsc.binds.length, 1);
  smsc.state.isDeaf = true;
  await until(() => smsc.heard.filter((command) => command === 'bind_transceiver').length >= 2, 'it binds anew');
  smsc.state.isDeaf = false;
  await until(() => smsc.binds.length >= 2, 'it is bound');
  let outcome = await say('x');
  for (let left = 1000; outcome.outcome === 'transient' && left > 0; left--) {
    await new Promise((resolve) => setTimeout(resolve, 20));
    outcome = await say('x');
  }
  assert.equal(outcome.outcome, 'accepted');
  assert.equal(smsc.submitted.length, 1);
});

test('a link that is cut after the message was written leaves it unknown, and it is not sent again', async () => {
  const smsc: Smsc = await smscWith({ answer: (pdu) => {
    if (pdu.sequence_number > 0 && smsc.submitted.length === 0) setImmediate(() => smsc.cut());
    return smsc.submitted.length === 0 ? null : 0;
  } });
  const { say } = link(smsc.port);
  assert.deepEqual(fate(await say('cut')), ['unknown', 'sms.answer_lost']);
  await until(() => smsc.binds.length === 2, 'it came back');
  assert.deepEqual(smsc.submitted.map(({ text }) => text), ['cut']);
  await until(() => smsc.sessions.size === 1, 'one link');
  let outcome = await say('next');
  if (outcome.outcome === 'transient') outcome = await say('next');
  assert.equal(outcome.outcome, 'accepted');
  assert.deepEqual(smsc.submitted.map(({ text }) => text), ['cut', 'next']);
});

test('an answer that does not come in time leaves the message unknown; the link goes on', async () => {
  const late: (() => void)[] = [];
  const smsc = await smscWith({ answer: () => (late.length === 0 ? new Promise((resolve) => { late.push(() => resolve(0)); }) : 0) });
  const { say, updates } = link(smsc.port, { responseSeconds: 2, window: 1 });
  const [silent, next] = await Promise.all([say('x'), say('y')]);
  assert.deepEqual([fate(silent), fate(next)], [['unknown', 'sms.answer_lost'], ['accepted', 'id-2']]);
  late[0]?.();
  assert.equal((await say('z')).outcome, 'accepted');
  assert.equal(smsc.binds.length, 1);
  await until(() => updates.length === 1, 'what was unknown is known by the late answer');
  assert.deepEqual(updates, [{ deliveryId: 1, state: 'accepted', providerMessageId: 'id-1' }]);
});

test('receipts are reported as they come: by text, by TLV, doubled, early, of the unknown', async () => {
  const smsc: Smsc = await smscWith({ answer: (_pdu, id) => {
    if (id === 'id-1') smsc.deliver(receiptText(id, 'DELIVRD'));
    return 0;
  } });
  const { say, updates } = link(smsc.port);
  await say('x');
  await until(() => updates.length === 1, 'the receipt before the answer');
  smsc.deliver(receiptText('id-1', 'DELIVRD'));
  smsc.deliver({ esm_class: 0x04, receipted_message_id: 'id-2', message_state: 2, short_message: Buffer.alloc(0) });
  smsc.deliver(receiptText('a_b@c', 'UNDELIV', '045'));
  smsc.deliver(receiptText('id-3', 'ENROUTE'));
  smsc.deliver({ esm_class: 0, short_message: Buffer.from('Hello from a phone, id:5 stat:DELIVRD') });
  smsc.deliver({ esm_class: 0x04, short_message: Buffer.from('nonsense') });
  smsc.deliver({ esm_class: 0x04, data_coding: 3, ...receiptText('l_1', 'REJECTD') });
  await until(() => smsc.acknowledged.length === 8, 'all are acknowledged');
  assert.deepEqual(updates.map(({ providerMessageId, state, detail }) => [providerMessageId, state, detail]), [
    ['id-1', 'delivered', 'DELIVRD'], ['id-1', 'delivered', 'DELIVRD'], ['id-2', 'delivered', 'DELIVRD'], ['a_b@c', 'failed', 'UNDELIV 045'], ['l_1', 'failed', 'REJECTD'],
  ]);
  assert.ok(smsc.acknowledged.every(({ command_status }) => command_status === 0));
});

test('a receipt that cannot be written down is asked for again', async () => {
  const smsc = await smscWith();
  const { say, updates, refuseReports } = link(smsc.port);
  await say('x');
  refuseReports.is = true;
  smsc.deliver(receiptText('id-1', 'DELIVRD'));
  await until(() => smsc.acknowledged.length === 1, 'an answer');
  assert.equal(smsc.acknowledged[0]?.command_status, 0x64);
  refuseReports.is = false;
  smsc.deliver(receiptText('id-1', 'DELIVRD'));
  await until(() => updates.length === 1, 'the receipt');
});

test('a long message is known by the ids of all of its parts, and receipts are reported part by part', async () => {
  const smsc: Smsc = await smscWith({ answer: (_pdu, id) => {
    // Before its own answer, and of a message whose later parts are not sent yet.
    if (id === 'id-1') smsc.deliver(receiptText(id, 'DELIVRD'));
    return 0;
  } });
  const { say, updates } = link(smsc.port);
  assert.deepEqual(fate(await say('ж'.repeat(200))), ['accepted', 'id-1 id-2 id-3']);
  smsc.deliver(receiptText('id-3', 'DELIVRD'));
  await until(() => updates.length === 2, 'both receipts');
  assert.deepEqual(updates.map(({ providerMessageId, state }) => [providerMessageId, state]), [['id-1', 'delivered'], ['id-3', 'delivered']]);
});

test('ids that are decimal here and hexadecimal there meet', async () => {
  const hex = await smscWith({ idFor: (number) => (0xabcde0 + number).toString(16).toUpperCase().padStart(8, '0') });
  const one = link(hex.port, { receiptIds: 'receipt_decimal' });
  const accepted = await one.say('x');
  hex.deliver(receiptText(String(0xabcde1), 'DELIVRD'));
  await until(() => one.updates.length === 1, 'a receipt');
  assert.ok(accepted.outcome === 'accepted' && accepted.providerMessageId === one.updates[0]?.providerMessageId);
  const decimal = await smscWith({ idFor: (number) => String(4_000_000_000 + number) });
  const two = link(decimal.port, { receiptIds: 'receipt_hex' });
  const other = await two.say('x');
  decimal.deliver(receiptText((4_000_000_001).toString(16), 'DELIVRD'));
  await until(() => two.updates.length === 1, 'a receipt');
  assert.ok(other.outcome === 'accepted' && other.providerMessageId === two.updates[0]?.providerMessageId);
});

test('what the SMSC says decides: try later, never, or nobody knows', async () => {
  const cases: [number, string, string][] = [
    [0x0a, 'permanent', 'sms.sender_refused'], [0x0b, 'permanent', 'sms.number_refused'], [0x45, 'permanent', 'sms.rejected'], [0x01, 'permanent', 'sms.text_refused'],
    [0x43, 'permanent', 'sms.settings_unusable'], [0x08, 'transient', 'sms.gateway_busy'], [0x64, 'transient', 'sms.gateway_busy'], [0x0d, 'transient', 'sms.gateway_busy'],
    [0xff, 'unknown', 'sms.answer_unclear'], [0x410, 'permanent', 'sms.rejected'], [0x9999, 'unknown', 'sms.answer_unclear'], [0xc4, 'permanent', 'sms.settings_unusable'],
  ];
  for (const [status, outcome, code] of cases) {
    const smsc = await smscWith({ answer: () => status });
    assert.deepEqual(fate(await link(smsc.port).say('x')), [outcome, code], status.toString(16));
    assert.deepEqual([problemOf(status).outcome, problemOf(status).code], [outcome, code]);
  }
});

test('closing waits for the answers under way and unbinds', async () => {
  let release: () => void = () => {};
  const smsc = await smscWith({ answer: () => new Promise((resolve) => { release = () => resolve(0); }) });
  const { say, smpp } = link(smsc.port);
  const under = say('x');
  await until(() => smsc.heard.includes('submit_sm'), 'written');
  const closed = smpp.close();
  release();
  assert.equal((await under).outcome, 'accepted');
  await closed;
  await until(() => smsc.heard.at(-1) === 'unbind', 'unbound');
  assert.deepEqual(fate(await say('y')), ['transient', 'sms.gateway_unreachable']);
  assert.equal(smsc.binds.length, 1);
});

test('closing does not wait for an SMSC that never answers the bind', async () => {
  let isReached = false;
  const { smpp } = link(await raw(() => { isReached = true; }), { responseSeconds: 60 });
  await until(() => isReached, 'connected');
  const start = performance.now();
  await smpp.close();
  assert.ok(performance.now() - start < 30_000);
});

/** An SMSC of bare octets. */
async function raw(behave: (socket: Socket) => void): Promise<number> {
  const sockets = new Set<Socket>();
  const server = createServer((socket) => {
    sockets.add(socket.on('error', () => {}));
    behave(socket);
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  closing.push(async () => {
    for (const socket of sockets) socket.destroy();
    await new Promise((resolve) => server.close(resolve));
  });
  return (server.address() as AddressInfo).port;
}

test('what is not SMPP, is cut off, or says nothing sends nothing', async () => {
  const behaviours: [string, (socket: Socket) => void][] = [
    ['another protocol', (socket) => socket.write('HTTP/1.1 400 Bad Request\r\n\r\n')],
    ['a length of nothing', (socket) => socket.write(Buffer.alloc(64))],
    ['an endless PDU', (socket) => socket.write(Buffer.from('7fffffff80000009', 'hex'))],
    ['hangs up', (socket) => socket.destroy()],
    ['says nothing', () => {}],
    ['half an answer', (socket) => socket.end(Buffer.from('0000001180', 'hex'))],
  ];
  for (const [name, behave] of behaviours) assert.deepEqual(fate(await link(await raw(behave), { responseSeconds: 0.2 }).say('x')), ['transient', 'sms.gateway_unreachable'], name);
});

test('answers octet by octet, and PDUs that make no sense in between, are read', async () => {
  const port = await raw((socket) => {
    socket.setNoDelay(true);
    let kept = Buffer.alloc(0);
    socket.on('data', (chunk: Buffer) => {
      kept = Buffer.concat([kept, chunk]);
      while (kept.length >= 16 && kept.length >= kept.readUInt32BE(0)) {
        const pdu = PDU.fromBuffer(kept.subarray(0, kept.readUInt32BE(0)));
        kept = kept.subarray(kept.readUInt32BE(0));
        if (!pdu || pdu.isResponse()) continue;
        // A deliver_sm cut in its middle, a command nobody knows, an answer nobody asked for.
        const nonsense = [Buffer.from('000000110000000500000000000000ff01', 'hex'), Buffer.from('00000010000007770000000000000001', 'hex'), new PDU('submit_sm_resp', { sequence_number: 0x7ffffff0, message_id: 'x' }).toBuffer()];
        const octets = Buffer.concat([...nonsense, pdu.response({ message_id: 'slow' }).toBuffer()]);
        for (const octet of octets) socket.write(Buffer.from([octet]));
      }
    });
  });
  assert.deepEqual(fate(await link(port).say('x')), ['accepted', 'slow']);
});
