/**
 * Any SMSC that speaks SMPP 3.4 («Short Message Peer to Peer Protocol Specification v3.4», Issue 1.2).
 * One lasting link to a provider and process (session.ts), or a transmitter and a receiver.
 *
 * The parts of a long message go one after another: when the first is refused nothing has gone out, and a
 * later one that the SMSC had no room for is handed over again, because it surely was not taken. A
 * message some parts of which went out and others not is unknown.
 *
 * A long message is known by the ids of all its parts, side by side: whoever keeps it joins the receipts.
 *
 * Does not do: ask by query_sm, which few SMSCs answer well; receipts tell, and answers that come late.
 */
import { z } from 'zod';
import { defineConnectedSmsProvider, type OpenSmsContext, type SmsMessage, type SmsOutcome, type SmsProblem, type SmsUpdate } from '../../provider.ts';
import { encodeText, encodeWhole } from './encoding.ts';
import { comparableId, type Receipt, receiptOf } from './receipt.ts';
import { type Answer, BindRefused, createSession, PrivateHost, type Session, type SessionSettings } from './session.ts';
import { isBusy, problemOf } from './statuses.ts';

/** C-octet strings are ASCII. */
const line = (max: number) => z.string().max(max).regex(/^[\x20-\x7e]*$/);
const octet = z.int().min(0).max(255);

const settings = z.strictObject({
  host: z.string().max(253).regex(/^(\[[0-9a-fA-F:.]+\]|[\w.-]+)$/),
  port: z.int().min(1).max(65_535).default(2775),
  tls: z.boolean().default(false),
  /** Off: the link is sealed, but anybody may stand at its other end. */
  tlsVerify: z.boolean().default(true),
  systemId: line(15).min(1),
  systemType: line(12).default(''),
  /** pair: a transmitter and a receiver; transmitter: without receipts. */
  bind: z.enum(['transceiver', 'pair', 'transmitter']).default('transceiver'),
  /** The name or number people see; '': the SMSC chooses. */
  sender: line(20).default(''),
  /** By the look of the sender when they are not given. */
  senderTon: octet.optional(),
  senderNpi: octet.optional(),
  phoneTon: octet.default(1),
  phoneNpi: octet.default(1),
  /** submit_sm without an answer at a time. */
  window: z.int().min(1).max(1000).default(10),
  enquireSeconds: z.int().min(1).max(3600).default(30),
  responseSeconds: z.int().min(1).max(120).default(30),
  /** After ESME_RTHROTTLED and ESME_RMSGQFUL. */
  busySeconds: z.int().min(1).max(3600).default(5),
  /** octets: a character of the GSM alphabet in an octet each; packed: eight in seven. */
  gsmAlphabet: z.enum(['octets', 'packed']).default('octets'),
  /** udh: parts with a header; payload: whole, and the SMSC cuts it. */
  longMessages: z.enum(['udh', 'payload']).default('udh'),
  receiptIds: z.enum(['same', 'receipt_decimal', 'receipt_hex']).default('same'),
  /** The SMSC stands in an internal network. */
  allowPrivateHost: z.boolean().default(false),
});
type Settings = z.output<typeof settings>;

const connectMs = 10_000;
const backoffMs = [1000, 60_000] as const;
/** A later part is tried again as often, a wait of busySeconds apart. */
const partTries = 12;
const udhIndicator = 0x40;
/** sm_length is an octet, and 255 is reserved. */
const longestShortMessage = 254;

export interface SmppConnection {
  send(message: SmsMessage): Promise<SmsOutcome>;
  close(): Promise<void>;
}

export function openSmpp({ settings: given, secrets, now, report }: Pick<OpenSmsContext<Settings>, 'settings' | 'secrets' | 'now' | 'report'>, wait: Pick<SessionSettings, 'backoffMs'> = { backoffMs }): SmppConnection {
  let heldUntil: Date | null = null;
  let isClosing = false;
  const wakes = new Set<() => void>();

  const sessionOf = (bind: SessionSettings['bind']): Session => createSession({
    settings: {
      host: given.host, port: given.port, tls: given.tls, tlsVerify: given.tlsVerify, allowPrivateHost: given.allowPrivateHost, bind,
      systemId: given.systemId, password: secrets.password ?? '', systemType: given.systemType, window: given.window,
      enquireMs: given.enquireSeconds * 1000, responseMs: given.responseSeconds * 1000, connectMs, backoffMs: wait.backoffMs,
    },
    onDeliver: async (pdu) => {
      const receipt = receiptOf(pdu);
      if (receipt) await onReceipt(receipt);
    },
  });
  const sender = sessionOf(given.bind === 'pair' ? 'transmitter' : given.bind);
  const receiver = given.bind === 'pair' ? sessionOf('receiver') : null;
  for (const session of [sender, receiver]) session?.ensure().catch(() => {});

  async function onReceipt(receipt: Receipt): Promise<void> {
    if (receipt.state === 'pending') return;
    const id = comparableId(receipt.messageId, 'receipt', given.receiptIds);
    await report([{ providerMessageId: id, ...said(receipt) }]);
  }

  function pause(): Promise<void> {
    return new Promise((resolve) => {
      const done = () => {
        clearTimeout(timer);
        wakes.delete(done);
        resolve();
      };
      const timer = setTimeout(done, given.busySeconds * 1000);
      wakes.add(done);
    });
  }

  function busy(detail: string): SmsProblem {
    heldUntil = new Date(now().getTime() + given.busySeconds * 1000);
    return { outcome: 'transient', code: 'sms.gateway_busy', detail, retryAt: heldUntil };
  }

  function problem(answer: Answer): SmsProblem | null {
    switch (answer.kind) {
      case 'lost':
        return { outcome: 'unknown', code: 'sms.answer_lost', detail: answer.detail };
      case 'not_sent': {
        const { reason } = answer;
        if (reason instanceof PrivateHost) return { outcome: 'permanent', code: 'sms.private_host', detail: reason.message, address: reason.address };
        if (reason instanceof BindRefused) {
          const refused = problemOf(reason.status);
          // Nothing was sent, whatever the code means.
          return { ...refused, outcome: refused.outcome === 'permanent' ? 'permanent' : 'transient', code: refused.outcome === 'permanent' ? refused.code : 'sms.gateway_busy' };
        }
        return { outcome: 'transient', code: 'sms.gateway_unreachable', detail: reason.message };
      }
      case 'answer':
        if (answer.status === 0) return null;
        return isBusy(answer.status) ? busy(problemOf(answer.status).detail) : problemOf(answer.status);
    }
  }

  const source = sourceOf(given);
  function fieldsFor(phone: string, dataCoding: number) {
    return {
      ...source, dest_addr_ton: given.phoneTon, dest_addr_npi: given.phoneNpi, destination_addr: phone.replace(/^\+/, ''),
      data_coding: dataCoding, registered_delivery: given.bind === 'transmitter' ? 0 : 1,
    };
  }

  async function sendOne(id: number, fields: Record<string, unknown>): Promise<SmsOutcome> {
    const answer = await sender.submit(fields, (late) => onLateAnswer(id, late));
    const wrong = problem(answer);
    if (wrong) return wrong;
    const messageId = answer.kind === 'answer' ? comparableId(answer.messageId, 'answer', given.receiptIds) : '';
    return { outcome: 'accepted', parts: 1, ...(messageId === '' ? {} : { providerMessageId: messageId }) };
  }

  /** The message is unknown by now: what is said of it after all settles that. */
  function onLateAnswer(deliveryId: number, { status, messageId }: { status: number; messageId: string }): void {
    const id = comparableId(messageId, 'answer', given.receiptIds);
    const refused = status === 0 ? null : problemOf(status);
    if (refused && refused.outcome !== 'permanent') return;
    const update: SmsUpdate = refused
      ? { deliveryId, state: 'failed', code: refused.code, detail: refused.detail }
      : { deliveryId, state: 'accepted', ...(id === '' ? {} : { providerMessageId: id }) };
    report([update]).catch(() => {});
  }

  async function sendParts(message: SmsMessage, dataCoding: number, pieces: readonly Buffer[]): Promise<SmsOutcome> {
    const ids: string[] = [];
    for (const [index, piece] of pieces.entries()) {
      let wrong: SmsProblem | null = null;
      for (let tries = 1; ; tries++) {
        const answer = await sender.submit({ ...fieldsFor(message.phone, dataCoding), esm_class: udhIndicator, short_message: piece });
        wrong = problem(answer);
        if (!wrong && answer.kind === 'answer') ids.push(comparableId(answer.messageId, 'answer', given.receiptIds));
        if (wrong?.outcome !== 'transient' || index === 0 || tries === partTries || isClosing) break;
        await pause();
      }
      if (wrong && index === 0) return wrong;
      if (wrong) return { outcome: 'unknown', code: wrong.outcome === 'unknown' ? wrong.code : 'sms.answer_unclear', detail: `${index + 1}/${pieces.length}: ${wrong.detail}` };
    }
    // A part without an id cannot be waited for, and so neither can the message.
    return { outcome: 'accepted', parts: pieces.length, ...(ids.includes('') ? {} : { providerMessageId: ids.join(' ') }) };
  }

  return {
    async send(message) {
      // What was told to wait waits together, without knocking.
      if (heldUntil && heldUntil > now()) return { outcome: 'transient', code: 'sms.gateway_busy', detail: 'ESME_RTHROTTLED', retryAt: heldUntil };
      const packed = given.gsmAlphabet === 'packed';
      const { dataCoding, parts } = encodeText(message.text, { packed, reference: message.id });
      const [only] = parts;
      if (parts.length === 1 && only && only.length <= longestShortMessage) return sendOne(message.id, { ...fieldsFor(message.phone, dataCoding), short_message: only });
      if (given.longMessages === 'payload') {
        const whole = encodeWhole(message.text, { packed });
        return sendOne(message.id, { ...fieldsFor(message.phone, whole.dataCoding), short_message: Buffer.alloc(0), message_payload: whole.octets });
      }
      // The header counts parts in an octet.
      if (parts.length > 255) return { outcome: 'permanent', code: 'sms.text_refused', detail: `${parts.length} > 255` };
      return sendParts(message, dataCoding, parts);
    },

    async close() {
      isClosing = true;
      for (const wake of [...wakes]) wake();
      await Promise.all([sender.close(), receiver?.close()]);
    },
  };
}

/** A name is alphanumeric (TON 5); a number with a country is international (1, 1); a short one is left to the SMSC. */
function sourceOf({ sender, senderTon, senderNpi }: Settings) {
  const digits = sender.replace(/^\+/, '');
  const [ton, npi] = sender === '' || /^\d{1,7}$/.test(digits) ? [0, 0] : /^\d+$/.test(digits) ? [1, 1] : [5, 0];
  return { source_addr: /^\d+$/.test(digits) ? digits : sender, source_addr_ton: senderTon ?? ton, source_addr_npi: senderNpi ?? npi };
}

function said({ state, detail }: Pick<Receipt, 'state' | 'detail'>): Pick<SmsUpdate, 'state' | 'code' | 'detail'> {
  return state === 'delivered' ? { state: 'delivered', detail } : { state: 'failed', code: 'sms.not_delivered', detail };
}

export const smppProvider = defineConnectedSmsProvider<Settings, SmppConnection>({
  id: 'smpp',
  settings,
  form: [
    { name: 'host', widget: 'text', isRequired: true },
    { name: 'port', widget: 'number' },
    { name: 'tls', widget: 'switch' },
    { name: 'systemId', widget: 'text', isRequired: true },
    { name: 'systemType', widget: 'text' },
    { name: 'bind', widget: 'choice', options: ['transceiver', 'pair', 'transmitter'] },
    { name: 'sender', widget: 'text' },
    { name: 'senderTon', widget: 'number', isAdvanced: true },
    { name: 'senderNpi', widget: 'number', isAdvanced: true },
    { name: 'phoneTon', widget: 'number', isAdvanced: true },
    { name: 'phoneNpi', widget: 'number', isAdvanced: true },
    { name: 'window', widget: 'number', isAdvanced: true },
    { name: 'enquireSeconds', widget: 'number', isAdvanced: true },
    { name: 'responseSeconds', widget: 'number', isAdvanced: true },
    { name: 'busySeconds', widget: 'number', isAdvanced: true },
    { name: 'gsmAlphabet', widget: 'choice', options: ['octets', 'packed'], isAdvanced: true },
    { name: 'longMessages', widget: 'choice', options: ['udh', 'payload'], isAdvanced: true },
    { name: 'receiptIds', widget: 'choice', options: ['same', 'receipt_decimal', 'receipt_hex'], isAdvanced: true },
    { name: 'tlsVerify', widget: 'switch', isAdvanced: true },
    { name: 'allowPrivateHost', widget: 'switch', isAdvanced: true },
  ],
  secrets: [{ name: 'password', isRequired: true }],
  destination: ({ host, port, tls }) => `${tls ? 'smpps' : 'smpp'}://${host}:${port}`,
  async check({ settings: { host, port, allowPrivateHost }, http }) {
    const address = await http.privateAddress(`http://${host}:${port}`, allowPrivateHost);
    return address === null ? null : { field: 'host', problem: 'private_host', address };
  },
  needsConnection: {
    open: async (context) => openSmpp(context),
    close: (connection) => connection.close(),
  },
  send: (message, { connection }) => connection.send(message),
});
