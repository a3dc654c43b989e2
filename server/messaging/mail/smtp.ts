/** SMTP: the only importer of nodemailer. Builds letters from structures and says how sending them ended. */
import type { Readable } from 'node:stream';
import nodemailer from 'nodemailer';
import { UserError } from '../../../shared/errors.ts';
import type { DeliveryError, Outcome } from '../../deliveries/deliveries.ts';

export interface Account {
  host: string;
  port: number;
  security: 'tls' | 'starttls' | 'none';
  username: string;
  password: string;
}

export interface Letter {
  from: { name: string; address: string };
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
    const { code, detail } = seen(error);
    if (code === 'EAUTH') throw new UserError('mail.sign_in_refused', { host: account.host, detail }, 'password');
    throw new UserError('mail.connection_failed', { host: account.host, port: account.port, detail }, 'host');
  } finally {
    transport.close();
  }
}

export function openMailbox(account: Account, patienceMs = defaultPatienceMs): Mailbox {
  const transport = nodemailer.createTransport({
    ...transportOptions(account, patienceMs),
    pool: true,
    // Most providers allow ten; half of it leaves room for the people of the same company.
    maxConnections: 5,
    maxMessages: 100,
    // A letter whose connection broke is our business: nodemailer must not send it a second time.
    maxRequeues: 0,
  });
  return {
    async send(letter) {
      const refusal = refuse(letter);
      if (refusal) return { kind: 'permanent', error: refusal };
      const streams: Readable[] = [];
      try {
        const info = await transport.sendMail({
          from: letter.from,
          to: { name: '', address: letter.to },
          ...(letter.replyTo ? { replyTo: letter.replyTo } : {}),
          envelope: { from: letter.from.address, to: [letter.to] },
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
            streams.push(content);
            return { filename: name, contentType: mediaType, content, contentDisposition: 'attachment' as const };
          }),
        });
        return { kind: 'accepted', detail: info.response };
      } catch (error) {
        return outcomeOf(error, account, letter);
      } finally {
        for (const stream of streams) stream.destroy();
      }
    },
    close: () => transport.close(),
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
  for (const value of [letter.from.address, letter.to, ...(letter.replyTo ? [letter.replyTo.address] : [])]) {
    if (!isMailAddress(value)) return { code: 'mail.address_invalid', params: { address: value } };
  }
  return undefined;
}

function seen(error: unknown): { code: string; responseCode: number; message: string; detail: string } {
  const fields: { code?: unknown; responseCode?: unknown; response?: unknown } = typeof error === 'object' && error !== null ? error : {};
  const message = error instanceof Error ? error.message : String(error);
  return {
    code: typeof fields.code === 'string' ? fields.code : '',
    responseCode: typeof fields.responseCode === 'number' ? fields.responseCode : 0,
    message,
    detail: (typeof fields.response === 'string' ? fields.response : message).slice(0, 500),
  };
}

function outcomeOf(error: unknown, account: Account, letter: Letter): Outcome {
  const { code, responseCode, message, detail } = seen(error);
  const said = (errorCode: DeliveryError['code']): DeliveryError => ({ code: errorCode, params: { host: account.host, address: letter.to, detail }, detail });
  // A wrong password is mended by the administrator, and the letters that waited still go.
  if (code === 'EAUTH' || code === 'ENOAUTH') return { kind: 'transient', error: said('mail.sign_in_refused') };
  if (responseCode >= 500) return { kind: 'permanent', error: said('mail.rejected') };
  if (responseCode >= 400) return { kind: 'transient', error: said('mail.server_busy') };
  // Files that could not be read never left this machine.
  if (error instanceof Error && 'syscall' in error && error.syscall === 'open') return { kind: 'permanent', error: { code: 'mail.attachment_gone', params: {} } };
  const isBeforeLetter = code === 'EDNS' || code === 'ETLS' || /ECONNREFUSED|ENOTFOUND|EHOSTUNREACH|ENETUNREACH|EAI_AGAIN|connect |Connection timeout|Greeting never received/.test(`${code} ${message}`);
  return isBeforeLetter ? { kind: 'transient', error: said('mail.server_unreachable') } : { kind: 'unknown', error: said('mail.answer_lost') };
}
