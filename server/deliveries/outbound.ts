/**
 * HTTP requests to addresses that people configure. The only importer of undici.
 *
 * A name is resolved once, every address it has is checked, and the connection goes to a checked
 * one: a name that answers differently the second time gains nothing. Redirects are not followed,
 * answers are cut, everything ends in time. Connections are not kept: a kept one may die just as a
 * request is written, and then nobody knows whether an SMS went out.
 */
import { lookup } from 'node:dns';
import { isIP, type LookupFunction } from 'node:net';
import ipaddr from 'ipaddr.js';
import { Agent, buildConnector, request } from 'undici';

export interface OutboundRequest {
  method: 'GET' | 'POST' | 'PUT';
  url: string;
  headers: Readonly<Record<string, string>>;
  body?: string | Buffer;
  /** Internal networks too. Only an administrator can say so. */
  allowPrivateHost: boolean;
}

export type OutboundAnswer =
  | { kind: 'answer'; status: number; headers: Readonly<Record<string, string>>; body: string; isCut: boolean }
  /** Nothing was sent: no such name, no connection, a certificate nobody trusts. */
  | { kind: 'not_sent'; detail: string }
  | { kind: 'private_host'; address: string }
  /** The request may have been read. */
  | { kind: 'lost'; detail: string };

export interface Outbound {
  send(request: OutboundRequest): Promise<OutboundAnswer>;
  /** The internal address a request would be refused for; null: none. A name that does not resolve now is let pass. */
  privateAddress(url: string, allowPrivateHost: boolean): Promise<string | null>;
  close(): Promise<void>;
}

const maxBodyBytes = 64 * 1024;
const connectTimeoutMs = 10_000;

class PrivateHost extends Error {
  readonly address: string;
  constructor(address: string) {
    super(`${address} is in an internal network.`);
    this.address = address;
  }
}
class NotConnected extends Error {}

/** Whether the address is one of the public Internet. */
export function isPublicAddress(address: string): boolean {
  if (!ipaddr.isValid(address)) return false;
  // ::ffff:10.0.0.1 is 10.0.0.1.
  return ipaddr.process(address).range() === 'unicast';
}

const publicOnly: LookupFunction = (host, options, callback) => {
  lookup(host, { ...options, all: true }, (error, addresses) => {
    if (error) return callback(error, '');
    const inside = addresses.find(({ address }) => !isPublicAddress(address));
    const first = addresses[0];
    if (inside || !first) return callback(new PrivateHost(inside?.address ?? host), '');
    if (options.all) callback(null, addresses);
    else callback(null, first.address, first.family);
  });
};

export function createOutbound({ patienceMs = 30_000 }: { patienceMs?: number } = {}): Outbound {
  function agent(guarded: boolean): Agent {
    const connect = buildConnector({ timeout: Math.min(connectTimeoutMs, patienceMs), ...(guarded ? { lookup: publicOnly } : {}) });
    return new Agent({
      headersTimeout: patienceMs,
      bodyTimeout: patienceMs,
      pipelining: 0,
      connect(options, callback) {
        // A bare address is never looked up, so it is checked here.
        const host = options.hostname.replace(/^\[|\]$/g, '');
        if (guarded && isIP(host) && !isPublicAddress(host)) return callback(new PrivateHost(host), null);
        connect(options, (error, socket) => {
          if (error) callback(error instanceof PrivateHost ? error : new NotConnected(error.message, { cause: error }), null);
          else callback(null, socket);
        });
      },
    });
  }
  const agents = { guarded: agent(true), open: agent(false) };

  return {
    async send({ method, url, headers, body, allowPrivateHost }) {
      try {
        const answer = await request(url, {
          method, headers, body, dispatcher: allowPrivateHost ? agents.open : agents.guarded,
          signal: AbortSignal.timeout(patienceMs * 1.5),
        });
        const chunks: Buffer[] = [];
        let size = 0;
        for await (const chunk of answer.body) {
          chunks.push(Buffer.from(chunk));
          size += chunks.at(-1)?.length ?? 0;
          if (size > maxBodyBytes) break;
        }
        const flat = Object.entries(answer.headers).map(([name, value]) => [name, Array.isArray(value) ? value.join(', ') : (value ?? '')]);
        return { kind: 'answer', status: answer.statusCode, headers: Object.fromEntries(flat), body: Buffer.concat(chunks).toString('utf8').slice(0, maxBodyBytes), isCut: size > maxBodyBytes };
      } catch (error) {
        if (error instanceof PrivateHost) return { kind: 'private_host', address: error.address };
        const detail = error instanceof Error ? error.message || error.name : String(error);
        return { kind: error instanceof NotConnected ? 'not_sent' : 'lost', detail };
      }
    },
    async privateAddress(url, allowPrivateHost) {
      const host = new URL(url).hostname.replace(/^\[|\]$/g, '');
      if (allowPrivateHost) return null;
      if (isIP(host)) return isPublicAddress(host) ? null : host;
      return new Promise((resolve) => {
        publicOnly(host, { all: true }, (error) => resolve(error instanceof PrivateHost ? error.address : null));
      });
    },
    async close() {
      await Promise.all([agents.guarded.close(), agents.open.close()]);
    },
  };
}
