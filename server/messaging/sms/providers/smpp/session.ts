/**
 * One bind to an SMSC (SMPP 3.4): connects, binds, keeps the link alive and comes back after a loss.
 *
 * Invariants: no more than `window` submit_sm are unanswered at a time; a submit_sm is written once
 * and never again by itself. Whether it was written is always known: before that the answer is
 * 'not_sent', afterwards it is what the SMSC said or 'lost'.
 *
 * Does not do: cut texts, understand statuses (provider.ts), remember anything beyond this process.
 */
import { lookup } from 'node:dns/promises';
import { connect as connectTcp, isIP, type Socket } from 'node:net';
import { connect as connectTls } from 'node:tls';
import { PDU } from 'smpp';
import { isPublicAddress } from '../../../../deliveries/deliveries.ts';

export interface SessionSettings {
  host: string;
  port: number;
  tls: boolean;
  /** A name in the certificate that differs from `host`, or a certificate of one's own. */
  tlsVerify: boolean;
  allowPrivateHost: boolean;
  bind: 'transceiver' | 'transmitter' | 'receiver';
  systemId: string;
  password: string;
  systemType: string;
  window: number;
  /** A silent link is asked whether it lives; without an answer it is dropped. */
  enquireMs: number;
  /** For any answer of the SMSC. */
  responseMs: number;
  connectMs: number;
  /** Between tries to connect: from, up to. */
  backoffMs: readonly [number, number];
}

/** The bind was refused, with this command_status. */
export class BindRefused extends Error {
  readonly status: number;
  constructor(status: number) {
    super(`command_status 0x${status.toString(16).padStart(8, '0')}`);
    this.status = status;
  }
}
export class PrivateHost extends Error {
  readonly address: string;
  constructor(address: string) {
    super(`${address} is in an internal network.`);
    this.address = address;
  }
}

export type Answer =
  | { kind: 'answer'; status: number; messageId: string }
  /** Nothing was written. */
  | { kind: 'not_sent'; reason: Error }
  /** It was written, and the answer did not come. */
  | { kind: 'lost'; detail: string };

export interface SessionOptions {
  settings: SessionSettings;
  /** deliver_sm and data_sm of the SMSC. It is asked to try again when this fails. */
  onDeliver?: (pdu: PDU) => Promise<void>;
}

const headerOctets = 16;
const longestPdu = 16_384;
/** Whose late answers are waited for. The oldest give way. */
const mostOverdue = 10_000;
const status = { ok: 0, invalidLength: 0x02, invalidCommand: 0x03, tryAgain: 0x64 } as const;

interface Pending {
  on: Socket;
  answered: (pdu: PDU) => void;
  lost: (reason: Error) => void;
  timer: NodeJS.Timeout;
}

export function createSession({ settings, onDeliver }: SessionOptions) {
  /** Bound, and so usable. */
  let socket: Socket | null = null;
  let connecting: Promise<void> | null = null;
  let opening: Socket | null = null;
  let reconnect: NodeJS.Timeout | null = null;
  let failures = 0;
  let lastFailure = new Error('The link is not up.');
  let isClosed = false;
  let sequence = 0;
  let heardAt = 0;
  let pulse: NodeJS.Timeout | null = null;
  const pending = new Map<number, Pending>();
  /** Whose answers did not come in time: by the number, and the link it was written to. */
  const overdue = new Map<number, { on: Socket; heard: (pdu: PDU) => void }>();
  let inFlight = 0;
  const queue: (() => void)[] = [];

  async function address(): Promise<string> {
    const host = settings.host.replace(/^\[|\]$/g, '');
    // Every address of a name is checked, and the connection goes to a checked one.
    const found = isIP(host) ? [host] : (await lookup(host, { all: true })).map((one) => one.address);
    const inside = settings.allowPrivateHost ? undefined : found.find((one) => !isPublicAddress(one));
    if (inside !== undefined) throw new PrivateHost(inside);
    const [first] = found;
    if (first === undefined) throw new Error(`${host} has no address.`);
    return first;
  }

  async function open(): Promise<void> {
    const host = await address();
    if (isClosed) throw new Error('Closed.');
    const options = { host, port: settings.port, noDelay: true };
    const fresh = settings.tls
      ? connectTls({ ...options, rejectUnauthorized: settings.tlsVerify, ...(isIP(settings.host) ? {} : { servername: settings.host }) })
      : connectTcp(options);
    fresh.setNoDelay(true);
    opening = fresh;
    try {
      await new Promise<void>((resolve, reject) => {
        const timer = setTimeout(() => reject(new Error(`no connection in ${settings.connectMs / 1000} s`)), settings.connectMs);
        fresh.once(settings.tls ? 'secureConnect' : 'connect', () => { clearTimeout(timer); resolve(); });
        fresh.once('error', (error) => { clearTimeout(timer); reject(error); });
        fresh.once('close', () => { clearTimeout(timer); reject(new Error('The connection was closed.')); });
      });
      fresh.on('error', (error) => drop(fresh, error));
      fresh.on('close', () => drop(fresh, new Error('the connection was closed')));
      read(fresh);
      const answer = await request(fresh, new PDU(`bind_${settings.bind}`, {
        system_id: settings.systemId, password: settings.password, system_type: settings.systemType, interface_version: 0x34,
      }));
      if (answer.command_status !== status.ok) throw new BindRefused(answer.command_status);
      if (isClosed) throw new Error('Closed.');
    } catch (error) {
      fresh.on('error', () => {});
      fresh.destroy();
      throw error;
    }
    socket = fresh;
    failures = 0;
    heardAt = performance.now();
    pulse = setTimeout(() => beat(fresh), settings.enquireMs);
  }

  /** One attempt at a time; everybody waits for the same. */
  function ensure(): Promise<void> {
    if (socket) return Promise.resolve();
    if (isClosed || reconnect) return Promise.reject(lastFailure);
    connecting ??= open().catch((error: unknown) => {
      lastFailure = error instanceof Error ? error : new Error(String(error));
      comeBack();
      throw lastFailure;
    }).finally(() => { connecting = null; });
    return connecting;
  }

  function comeBack(): void {
    if (isClosed || reconnect) return;
    const [from, upTo] = settings.backoffMs;
    const waitMs = Math.min(from * 2 ** failures++, upTo);
    // Up to a quarter more, so that several servers do not come back together.
    reconnect = setTimeout(() => {
      reconnect = null;
      ensure().catch(() => {});
    }, waitMs * (1 + Math.random() / 4));
  }

  /** The link is gone: what was written and not answered is lost. */
  function drop(which: Socket, reason: Error): void {
    which.destroy();
    for (const [number, one] of pending) {
      if (one.on !== which) continue;
      pending.delete(number);
      clearTimeout(one.timer);
      one.lost(reason);
    }
    // One that is not bound yet is looked after by open().
    if (which !== socket) return;
    socket = null;
    lastFailure = reason;
    if (pulse) clearTimeout(pulse);
    comeBack();
  }

  function beat(which: Socket): void {
    if (which !== socket) return;
    const silentMs = performance.now() - heardAt;
    if (silentMs < settings.enquireMs) {
      pulse = setTimeout(() => beat(which), settings.enquireMs - silentMs);
      return;
    }
    request(which, new PDU('enquire_link')).then(
      () => { pulse = setTimeout(() => beat(which), settings.enquireMs); },
      () => drop(which, new Error('enquire_link was not answered')),
    );
  }

  /** Writes at once: whoever calls may take it for sent. */
  function request(to: Socket, pdu: PDU, onLate?: (pdu: PDU) => void): Promise<PDU> {
    return new Promise((answered, lost) => {
      do sequence = sequence >= 0x7fffffff ? 1 : sequence + 1; while (pending.has(sequence) || overdue.has(sequence));
      const number = sequence;
      pdu.sequence_number = number;
      const timer = setTimeout(() => {
        pending.delete(number);
        if (onLate) overdue.set(number, { on: to, heard: onLate });
        const [oldest] = overdue.keys();
        if (overdue.size > mostOverdue && oldest !== undefined) overdue.delete(oldest);
        lost(new Error(`no answer in ${settings.responseMs / 1000} s`));
      }, settings.responseMs);
      pending.set(number, { on: to, answered, lost, timer });
      write(to, pdu);
    });
  }

  /** What is written in the same moment travels together. */
  function write(to: Socket, pdu: PDU): void {
    if (to.writableCorked === 0) {
      to.cork();
      setImmediate(() => to.uncork());
    }
    to.write(pdu.toBuffer());
  }

  function read(from: Socket): void {
    let kept: Buffer = Buffer.alloc(0);
    from.on('data', (chunk: Buffer) => {
      heardAt = performance.now();
      kept = kept.length > 0 ? Buffer.concat([kept, chunk]) : chunk;
      while (kept.length >= 4) {
        const length = kept.readUInt32BE(0);
        // Not SMPP, or out of step: nothing after it can be read.
        if (length < headerOctets || length > longestPdu) return drop(from, new Error('what came is not SMPP'));
        if (kept.length < length) return;
        const octets = kept.subarray(0, length);
        kept = kept.subarray(length);
        let pdu: PDU | false = false;
        try {
          pdu = PDU.fromBuffer(octets);
        } catch {
          // Its frame is whole, so what follows can be read.
        }
        if (pdu) take(from, pdu);
        else from.write(new PDU('generic_nack', { command_status: status.invalidLength, sequence_number: octets.readUInt32BE(12) }).toBuffer());
      }
    });
  }

  function take(from: Socket, pdu: PDU): void {
    const answer = (fields?: Record<string, unknown>) => {
      if (from.writable) write(from, pdu.response(fields));
    };
    if (pdu.isResponse()) {
      const waiting = pending.get(pdu.sequence_number);
      if (!waiting) {
        // Too late, or never asked for.
        const late = overdue.get(pdu.sequence_number);
        if (late?.on !== from) return;
        overdue.delete(pdu.sequence_number);
        return late.heard(pdu);
      }
      pending.delete(pdu.sequence_number);
      clearTimeout(waiting.timer);
      waiting.answered(pdu);
      return;
    }
    switch (pdu.command) {
      case 'enquire_link':
        return answer();
      case 'deliver_sm':
      case 'data_sm':
        (onDeliver?.(pdu) ?? Promise.resolve()).then(() => answer(), () => answer({ command_status: status.tryAgain }));
        return;
      case 'unbind':
        answer();
        return drop(from, new Error('the SMSC unbound'));
      case 'alert_notification':
      case 'outbind':
        return;
      default:
        return answer({ command_status: status.invalidCommand });
    }
  }

  /** The place goes to whoever waits longest. */
  function leave(): void {
    const next = queue.shift();
    if (next) next();
    else inFlight--;
  }

  return {
    /** Connects and binds; throws BindRefused, PrivateHost or what the network said. Comes back by itself after a loss. */
    ensure,

    get isBound(): boolean {
      return socket !== null;
    },

    /** Waits for a place in the window, writes, and waits for the answer. Never throws. `onLate` hears an answer that comes after it was given up. */
    async submit(fields: Readonly<Record<string, unknown>>, onLate?: (answer: { status: number; messageId: string }) => void): Promise<Answer> {
      if (inFlight >= settings.window) await new Promise<void>((resolve) => queue.push(resolve));
      else inFlight++;
      try {
        try {
          await ensure();
        } catch (error) {
          return { kind: 'not_sent', reason: error instanceof Error ? error : new Error(String(error)) };
        }
        if (!socket || isClosed) return { kind: 'not_sent', reason: lastFailure };
        try {
          const answer = await request(socket, new PDU('submit_sm', fields), onLate && ((late) => {
            if (late.command === 'submit_sm_resp') onLate({ status: late.command_status, messageId: typeof late.message_id === 'string' ? late.message_id : '' });
          }));
          // A generic_nack that names no error says nothing.
          if (answer.command !== 'submit_sm_resp' && answer.command_status === status.ok) return { kind: 'lost', detail: answer.command };
          return { kind: 'answer', status: answer.command_status, messageId: typeof answer.message_id === 'string' ? answer.message_id : '' };
        } catch (error) {
          return { kind: 'lost', detail: error instanceof Error ? error.message : String(error) };
        }
      } finally {
        leave();
      }
    },

    /** Waits for answers that are under way, unbinds and closes. */
    async close(): Promise<void> {
      if (isClosed) return;
      isClosed = true;
      lastFailure = new Error('Sending stops.');
      if (reconnect) clearTimeout(reconnect);
      if (pulse) clearTimeout(pulse);
      // A link that is not bound yet carries nothing.
      if (!socket) opening?.destroy();
      await connecting?.catch(() => {});
      const last = socket;
      if (!last) return;
      const quietly = setTimeout(() => last.destroy(), Math.min(settings.responseMs, 5000));
      while (pending.size > 0 && !last.destroyed) await new Promise((resolve) => setTimeout(resolve, 10));
      if (!last.destroyed) await request(last, new PDU('unbind')).catch(() => {});
      clearTimeout(quietly);
      socket = null;
      last.end();
      last.destroy();
    },
  };
}

export type Session = ReturnType<typeof createSession>;
