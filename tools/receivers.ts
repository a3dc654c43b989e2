/**
 * The outside world on loopback, for the demo and the tests: a real SMTP server and a real HTTP SMS
 * gateway that keep what they were given.
 */
import { createServer, type IncomingHttpHeaders } from 'node:http';
import type { Server } from 'node:net';
import PostalMime from 'postal-mime';
import { SMTPServer } from 'smtp-server';

/** A letter as a mail program shows it. */
export interface Letter {
  from: string;
  /** The envelope: who really gets it. */
  to: string[];
  subject: string;
  text: string;
  html: string;
  messageId: string;
  attachments: { name: string; content: string }[];
  /** When the server had it whole, in milliseconds of `performance.now()`. */
  receivedAt: number;
}

/** What the gateway was asked to send. */
export interface Submission {
  method: string;
  path: string;
  headers: IncomingHttpHeaders;
  body: string;
  receivedAt: number;
}

/** Things that come one after another: each is given out once, in order. */
export interface Inbox<Thing> {
  readonly all: readonly Thing[];
  /** The next one, which may have come already. Rejects after `deadlineMs`. */
  next(deadlineMs?: number): Promise<Thing>;
}

function createInbox<Thing>(what: string): Inbox<Thing> & { put(thing: Thing): void } {
  const all: Thing[] = [];
  const unread: Thing[] = [];
  const readers: ((thing: Thing) => void)[] = [];
  return {
    all,
    put(thing) {
      all.push(thing);
      const reader = readers.shift();
      if (reader) reader(thing);
      else unread.push(thing);
    },
    next(deadlineMs = 20_000) {
      const there = unread.shift();
      if (there !== undefined) return Promise.resolve(there);
      const { promise, resolve, reject } = Promise.withResolvers<Thing>();
      const timer = setTimeout(() => {
        readers.splice(readers.indexOf(read), 1);
        reject(new Error(`No ${what} within ${deadlineMs / 1000} s.`));
      }, deadlineMs);
      const read = (thing: Thing): void => {
        clearTimeout(timer);
        resolve(thing);
      };
      readers.push(read);
      return promise;
    },
  };
}

/** On a free port, which it returns. */
function listen(server: Server, start: (host: string, ready: () => void) => void): Promise<number> {
  const { promise, resolve, reject } = Promise.withResolvers<number>();
  server.on('error', reject);
  start('127.0.0.1', () => {
    const address = server.address();
    if (typeof address === 'object' && address) resolve(address.port);
  });
  return promise;
}

export interface MailServer {
  host: string;
  port: number;
  letters: Inbox<Letter>;
  stop(): Promise<void>;
}

/** Takes every letter, without a password. */
export async function startMailServer(): Promise<MailServer> {
  const letters = createInbox<Letter>('letter');
  const server = new SMTPServer({
    authOptional: true,
    disabledCommands: ['STARTTLS', 'AUTH'],
    onData(stream, session, callback) {
      const chunks: Buffer[] = [];
      stream.on('data', (chunk: Buffer) => chunks.push(chunk));
      stream.on('end', () => {
        const receivedAt = performance.now();
        PostalMime.parse(Buffer.concat(chunks), { attachmentEncoding: 'utf8' }).then((mail) => {
          letters.put({
            from: mail.from?.address ? `${mail.from.name} <${mail.from.address}>` : '',
            to: session.envelope.rcptTo.map((recipient) => recipient.address),
            subject: mail.subject ?? '',
            text: mail.text ?? '',
            html: mail.html ?? '',
            messageId: mail.messageId ?? '',
            attachments: mail.attachments.map((attachment) => ({ name: attachment.filename ?? '', content: String(attachment.content) })),
            receivedAt,
          });
          callback();
        }, callback);
      });
    },
  });
  const port = await listen(server.server, (host, ready) => server.listen(0, host, ready));
  return { host: '127.0.0.1', port, letters, stop: () => new Promise((resolve) => server.close(() => resolve())) };
}

export interface SmsGateway {
  url: string;
  submissions: Inbox<Submission>;
  stop(): Promise<void>;
}

/** Accepts every message and answers with a number of its own. */
export async function startSmsGateway(): Promise<SmsGateway> {
  const submissions = createInbox<Submission>('SMS');
  const server = createServer((request, response) => {
    const chunks: Buffer[] = [];
    request.on('data', (chunk: Buffer) => chunks.push(chunk));
    request.on('end', () => {
      const { method = '', url: path = '', headers } = request;
      submissions.put({ method, path, headers, body: Buffer.concat(chunks).toString(), receivedAt: performance.now() });
      response.writeHead(200, { 'content-type': 'application/json' });
      response.end(JSON.stringify({ status: 'ok', id: `sms-${submissions.all.length}` }));
    });
  });
  const port = await listen(server, (host, ready) => server.listen(0, host, ready));
  return {
    url: `http://127.0.0.1:${port}/sms`,
    submissions,
    async stop() {
      server.closeAllConnections();
      await new Promise<void>((resolve) => server.close(() => resolve()));
    },
  };
}
