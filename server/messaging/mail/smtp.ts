/**
 * SMTP: the only importer of nodemailer. Builds letters from structures and says how sending them ended.
 *
 * Invariants: nothing with a line break reaches a header; a letter is 'unknown' only when all of it
 * had been handed over, everything else surely did not go out; attachments are never held in memory.
 */
import { createPrivateKey, createPublicKey } from 'node:crypto';
import { tmpdir } from 'node:os';
import type { Readable } from 'node:stream';
import nodemailer from 'nodemailer';
import { type ErrorCode, type ErrorParams, UserError } from '../../../shared/errors.ts';
import type { DeliveryError, Outcome } from '../../deliveries/deliveries.ts';

export interface Account {
  host: string;
  port: number;
  security: 'tls' | 'starttls' | 'none';
  username: string;
  password: string;
}

export interface Dkim {
  domain: string;
  selector: string;
  /** PEM, RSA. */
  privateKey: string;
}

export interface Letter {
  from: { name: string; address: string };
  /** Where the mail servers send what cannot be delivered. */
  envelopeFrom: string;
  replyTo?: { name: string; address: string };
  to: string;
  subject: string;
  text: string;
  html: string;
  /** With its angle brackets, the same at every attempt. */
  messageId: string;
  date: Date;
  attachments: readonly { name: string; mediaType: string; open(): Readable }[];
}

export interface Mailbox {
  send(letter: Letter): Promise<Outcome>;
  close(): void;
}

const connectTimeoutMs = 15_000;
/** Mail servers check a letter for spam between its end and their answer; RFC 5321 says to wait ten minutes, we have better use for a connection. */
const defaultPatienceMs = 60_000;
/** Most providers allow ten; half of it leaves room for the people of the same company. */
const connections = 5;
/** For so long a server that cannot be reached is not asked again: letters behind must not wait for its timeouts one by one. */
const restMs = 10_000;

function transportOptions(account: Account, patienceMs: number) {
  return {
    host: account.host,
    port: account.port,
    secure: account.security === 'tls',
    requireTLS: account.security === 'starttls',
    ignoreTLS: account.security === 'none',
    ...(account.username ? { auth: { user: account.username, pass: account.password } } : {}),
    connectionTimeout: Math.min(connectTimeoutMs, patienceMs),
    greetingTimeout: Math.min(connectTimeoutMs, patienceMs),
    socketTimeout: patienceMs,
    // Letters come from templates: nothing in them may make us read files or fetch addresses.
    disableFileAccess: true,
    disableUrlAccess: true,
  };
}

/** Connects and signs in, as saving a sender does. Throws what to do about it. */
export async function checkAccount(account: Account, patienceMs = defaultPatienceMs): Promise<void> {
  const transport = nodemailer.createTransport(transportOptions(account, patienceMs));
  try {
    await transport.verify();
  } catch (error) {
    const { code, params, path } = connectionProblem(error, account) ?? { code: 'mail.connection_failed', params: { host: account.host, port: account.port, detail: seen(error).detail }, path: 'host' };
    throw new UserError(code, params, path);
  } finally {
    transport.close();
  }
}

/** Throws when a letter could not be signed with it. */
export function checkDkim({ domain, selector, privateKey }: Dkim): void {
  if (!/^[a-z0-9-]+(\.[a-z0-9-]+)+$/i.test(domain)) throw new UserError('mail.dkim_incomplete', {}, 'dkimDomain');
  if (!/^[a-z0-9-]+(\.[a-z0-9-]+)*$/i.test(selector)) throw new UserError('mail.dkim_incomplete', {}, 'dkimSelector');
  let isRsa = false;
  try {
    const key = createPrivateKey(privateKey);
    isRsa = key.asymmetricKeyType === 'rsa' && (key.asymmetricKeyDetails?.modulusLength ?? 0) >= 1024;
  } catch {
    // Not a key at all.
  }
  if (!isRsa) throw new UserError('mail.dkim_key_invalid', {}, 'dkimPrivateKey');
}

/** What the domain has to publish in DNS so that others can check the signature (RFC 6376, 3.6.1). */
export function dkimRecord({ domain, selector, privateKey }: Dkim): { name: string; value: string } {
  const publicKey = createPublicKey(privateKey).export({ type: 'spki', format: 'der' }).toString('base64');
  return { name: `${selector}._domainkey.${domain}`, value: `v=DKIM1; k=rsa; p=${publicKey}` };
}

export function openMailbox(account: Account, { dkim, patienceMs = defaultPatienceMs }: { dkim?: Dkim; patienceMs?: number } = {}): Mailbox {
  const transport = nodemailer.createTransport({
    ...transportOptions(account, patienceMs),
    pool: true,
    maxConnections: connections,
    maxMessages: 100,
    // A letter whose connection broke is our business: nodemailer must not send it a second time.
    maxRequeues: 0,
    // What is signed must be read twice; a large letter waits on disk, not in memory.
    ...(dkim ? { dkim: { domainName: dkim.domain, keySelector: dkim.selector, privateKey: dkim.privateKey, cacheDir: tmpdir(), cacheTreshold: 256 * 1024 } } : {}),
  });
  /** What is being handed over, by Message-ID. */
  const streamOf = new Map<string, Readable>();
  transport.use('stream', (mail, done) => {
    const { message, data } = mail;
    const create = message.createReadStream.bind(message);
    message.createReadStream = (...options) => {
      const stream = create(...options);
      streamOf.set(String(data.messageId), stream);
      return stream;
    };
    done();
  });

  // Twice as many as there are connections, so that none waits for its next letter.
  const turns = createTurns(connections * 2);
  let rest: { until: number; error: DeliveryError } | undefined;

  async function sendNow(letter: Letter): Promise<Outcome> {
    // Monotonic: not the business's time, and never set back.
    if (rest && performance.now() < rest.until) return { kind: 'transient', error: rest.error };
    const streams: Readable[] = [];
    let unreadable: string | undefined;
    try {
      const info = await transport.sendMail({
        from: letter.from,
        to: { name: '', address: letter.to },
        ...(letter.replyTo ? { replyTo: letter.replyTo } : {}),
        envelope: { from: letter.envelopeFrom, to: [letter.to] },
        subject: letter.subject,
        text: letter.text,
        html: letter.html,
        textEncoding: 'base64',
        messageId: letter.messageId,
        date: letter.date,
        // So that holiday answers and lists keep still (RFC 3834).
        headers: { 'Auto-Submitted': 'auto-generated', 'X-Auto-Response-Suppress': 'All' },
        xMailer: false,
        attachments: letter.attachments.map(({ name, mediaType, open }) => {
          const content = open();
          content.once('error', () => { unreadable ??= name; });
          streams.push(content);
          return { filename: name, contentType: mediaType, content, contentDisposition: 'attachment' as const };
        }),
      });
      rest = undefined;
      return { kind: 'accepted', detail: info.response };
    } catch (error) {
      // Bytes that could not be read: the letter was broken off before its end.
      if (unreadable !== undefined) return { kind: 'permanent', error: { code: 'mail.attachment_gone', params: { name: unreadable } } };
      const stream = streamOf.get(letter.messageId);
      const handed = stream?.readableEnded ? 'all' : stream?.readableDidRead ? 'some' : 'none';
      const outcome = outcomeOf(error, account, letter, handed);
      if (outcome.kind === 'transient' && connectionProblem(error, account, handed !== 'none')) rest = { until: performance.now() + Math.min(restMs, patienceMs), error: outcome.error };
      return outcome;
    } finally {
      streamOf.delete(letter.messageId);
      for (const stream of streams) stream.destroy();
    }
  }

  return {
    async send(letter) {
      const refusal = refuse(letter);
      if (refusal) return { kind: 'permanent', error: refusal };
      return turns(() => sendNow(letter));
    },
    close: () => transport.close(),
  };
}

/** At most so many side by side, the others in the order they came. */
function createTurns(atOnce: number) {
  let free = atOnce;
  const waiting: (() => void)[] = [];
  return async <Result>(work: () => Promise<Result>): Promise<Result> => {
    if (free > 0) free--;
    else await new Promise<void>((resolve) => waiting.push(resolve));
    try {
      return await work();
    } finally {
      const next = waiting.shift();
      if (next) next();
      else free++;
    }
  };
}

const control = /[\u0000-\u001f\u007f\u0085\u2028\u2029]/;
const address = /^[^\s@<>(),;:"[\]\\]{1,64}@[^\s@<>(),;:"[\]\\]{1,255}$/u;

export function isMailAddress(text: string): boolean {
  return address.test(text) && !control.test(text);
}

/** What must never reach a header, whatever a library makes of it. */
function refuse(letter: Letter): DeliveryError | undefined {
  for (const [field, value] of [
    ['subject', letter.subject], ['from', letter.from.name], ['replyTo', letter.replyTo?.name ?? ''], ['messageId', letter.messageId],
    ...letter.attachments.map(({ name }) => ['attachment', name] as const),
  ] as const) {
    if (control.test(value)) return { code: 'mail.header_invalid', params: { field } };
  }
  for (const value of [letter.from.address, letter.envelopeFrom, letter.to, ...(letter.replyTo ? [letter.replyTo.address] : [])]) {
    if (!isMailAddress(value)) return { code: 'mail.address_invalid', params: { address: value } };
  }
  return undefined;
}

interface Seen {
  /** Codes of nodemailer and of the system below it, and the message: what causes are told by. */
  about: string;
  code: string;
  /** What we had said when it happened: 'MAIL FROM', 'RCPT TO', 'DATA'. */
  command: string;
  responseCode: number;
  /** RFC 3463: '5.2.2'; '' when the server names none. */
  status: string;
  detail: string;
}

function seen(error: unknown): Seen {
  const fields: { code?: unknown; originalCode?: unknown; command?: unknown; responseCode?: unknown; response?: unknown } = typeof error === 'object' && error !== null ? error : {};
  const string = (value: unknown) => (typeof value === 'string' ? value : '');
  const message = error instanceof Error ? error.message : String(error);
  const response = string(fields.response);
  return {
    about: `${string(fields.code)} ${string(fields.originalCode)} ${message}`,
    code: string(fields.code),
    command: string(fields.command),
    responseCode: typeof fields.responseCode === 'number' ? fields.responseCode : 0,
    status: /^\d{3}[ -](\d\.\d{1,3}\.\d{1,3})\b/.exec(response)?.[1] ?? '',
    detail: (response || message).slice(0, 500),
  };
}

/**
 * Why there is no session with the server, for the administrator who can mend it; undefined: there was one.
 * `hasBegun`: some of the letter had been handed over.
 */
function connectionProblem(error: unknown, { host, port }: Account, hasBegun = false): { code: ErrorCode; params: ErrorParams; path: string } | undefined {
  const { about, code, responseCode, detail } = seen(error);
  if ((code === 'EAUTH' || code === 'ENOAUTH') && !(responseCode >= 400 && responseCode < 500)) return { code: 'mail.sign_in_refused', params: { host, detail }, path: 'password' };
  if (/CERT_|SELF_SIGNED|UNABLE_TO_(VERIFY|GET_ISSUER)|ALTNAME|certificate/i.test(about)) return { code: 'mail.certificate_invalid', params: { host, detail }, path: 'host' };
  if (code === 'ETLS' || /ERR_SSL|EPROTO\b|wrong version number|STARTTLS/i.test(about)) return { code: 'mail.tls_refused', params: { host, port, detail }, path: 'security' };
  if (/EDNS|ENOTFOUND|EAI_AGAIN|ENODATA/.test(about)) return { code: 'mail.host_unknown', params: { host }, path: 'host' };
  if (/ECONNREFUSED/.test(about)) return { code: 'mail.connection_refused', params: { host, port }, path: 'port' };
  if (/EHOSTUNREACH|ENETUNREACH/.test(about) || (code === 'ETIMEDOUT' && !hasBegun)) return { code: 'mail.connection_timeout', params: { host, port }, path: 'host' };
  return undefined;
}

function outcomeOf(error: unknown, account: Account, letter: Letter, handed: 'none' | 'some' | 'all'): Outcome {
  const { code, command, responseCode, status, detail } = seen(error);
  const { host, port } = account;
  const said = (errorCode: ErrorCode): DeliveryError => ({ code: errorCode, params: { host, port, address: letter.to, sender: letter.envelopeFrom, detail }, detail });
  // A wrong password or an expired certificate is mended by the administrator, and the letters that waited still go.
  const problem = connectionProblem(error, account, handed !== 'none');
  if (problem) return { kind: 'transient', error: { code: problem.code, params: problem.params, detail } };
  const isFull = /^[45]\.2\.2$/.test(status) || (command !== 'MAIL FROM' && (responseCode === 452 || responseCode === 552) && !/^[45]\.3\./.test(status));
  if (responseCode >= 500) {
    if (isFull) return { kind: 'permanent', error: said('mail.mailbox_full') };
    if (responseCode === 552 || status === '5.3.4') return { kind: 'permanent', error: said('mail.too_large_for_server') };
    if (command === 'RCPT TO') return { kind: 'permanent', error: said('mail.recipient_refused') };
    if (command === 'MAIL FROM') return { kind: 'permanent', error: said('mail.sender_refused') };
    return { kind: 'permanent', error: said('mail.rejected') };
  }
  if (responseCode >= 400) return { kind: 'transient', error: said(isFull ? 'mail.mailbox_full' : 'mail.server_busy') };
  // The limit the server named when it greeted us: nothing was sent.
  if (code === 'EMESSAGE' && command === 'MAIL FROM') return { kind: 'permanent', error: said('mail.too_large_for_server') };
  // Without the end of the letter a server cannot have accepted it.
  return handed === 'all' ? { kind: 'unknown', error: said('mail.answer_lost') } : { kind: 'transient', error: said('mail.connection_failed') };
}
