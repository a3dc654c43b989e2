/**
 * Calls: what applications are told at their handlers, from the row in the transaction of what happened to the
 * answer of a server outside.
 *
 *   queued → sending → done      the handler answered 2xx
 *     ↑         ├→ queued        it did not: again later, up to `waitsMs.length` times
 *     │         └→ failed        given up, or the address is one of an internal network
 *   application answered first: done
 *
 * What holds: a call exists when the transaction it was written in is on disk, and not before; it is sent at least
 * once, and may come twice when a worker dies between sending and writing down. Nothing is sent to an address of an
 * internal network unless its host was allowed by name.
 *
 * Does not do: know the shapes of Bitrix24 (`prepare`, given by rest, makes the body), decide what is told to whom.
 */
import type { Db, Queryable, Tx } from '../db/db.ts';
import { createOutbound, type OutboundAnswer } from '../deliveries/deliveries.ts';
import type { Jobs, Round } from '../jobs/jobs.ts';
import { type Actor, requireAdmin } from '../people/people.ts';
import { toForm } from './form.ts';
import * as store from './store.ts';

export { toForm } from './form.ts';
export type { CallRow, ClaimedCall } from './store.ts';
export type CallKind = 'robot' | 'event';

export interface NewCall {
  appId: number;
  kind: CallKind;
  url: string;
  employeeId: number | null;
  /** What `prepare` makes the body of. */
  content: Record<string, unknown>;
  runId: number | null;
  /** By which the application answers; null: no answer is waited for. */
  token: string | null;
}

export interface CallsDeps {
  db: Db;
  jobs: Pick<Jobs, 'add' | 'wake'>;
  now: () => Date;
  /** Hosts of internal networks that may be called all the same, in lower case. */
  allowedPrivateHosts: readonly string[];
  patienceMs?: number;
  onError(error: unknown, where: string): void;
}

/** The body to send, nested; undefined: the application is gone. */
export type Prepare = (q: Queryable, call: store.ClaimedCall) => Promise<Record<string, unknown> | undefined>;

const minuteMs = 60_000;
/** Together, with the quarter more, less than the day that a robot waits for an answer: what cannot be reached is said to be. */
const waitsMs = [0.5, 2, 10, 30, 2 * 60, 6 * 60, 8 * 60].map((minutes) => minutes * minuteMs);
/** Longer than a handler may take. */
const leaseMs = 120_000;
const roundSize = 20;
const keptMs = 7 * 24 * 60 * minuteMs;
const maxError = 500;

export type Calls = ReturnType<typeof createCalls>;

export function createCalls({ db, jobs, now, allowedPrivateHosts, patienceMs = 30_000, onError }: CallsDeps) {
  const http = createOutbound({ patienceMs });
  const allowed = new Set(allowedPrivateHosts.map((host) => host.toLowerCase()));
  const givenUpListeners: ((tx: Tx, call: store.ClaimedCall, error: string) => Promise<void>)[] = [];
  let prepare: Prepare | undefined;
  let forgottenAt = 0;

  const isAllowed = (url: string) => allowed.has(new URL(url).hostname.replace(/^\[|\]$/g, '').toLowerCase());

  async function answerOf(call: store.ClaimedCall): Promise<OutboundAnswer | 'gone'> {
    const body = await prepare?.(db, call);
    if (!body) return 'gone';
    return http.send({
      method: 'POST', url: call.url, body: toForm(body), allowPrivateHost: isAllowed(call.url),
      headers: { 'content-type': 'application/x-www-form-urlencoded', 'user-agent': 'Bitrix24 Webhook Engine' },
    });
  }

  function outcomeOf(call: store.ClaimedCall, answer: OutboundAnswer | 'gone'): Pick<store.CallOutcome, 'state' | 'dueAt' | 'error'> {
    if (answer === 'gone') return { state: 'failed', dueAt: null, error: 'The application is gone.' };
    if (answer.kind === 'private_host') return { state: 'failed', dueAt: null, error: `${answer.address} is in an internal network.` };
    if (answer.kind === 'answer' && answer.status >= 200 && answer.status < 300) return { state: 'done', dueAt: null, error: null };
    const error = (answer.kind === 'answer' ? `HTTP ${answer.status} ${answer.body}` : answer.detail).replaceAll('\u0000', '').trim().slice(0, maxError);
    const waitMs = waitsMs[call.attempts - 1];
    if (waitMs === undefined) return { state: 'failed', dueAt: null, error };
    // Up to a quarter more, so that what failed together does not come back together.
    return { state: 'queued', dueAt: new Date(now().getTime() + waitMs * (1 + Math.random() / 4)), error };
  }

  async function send(call: store.ClaimedCall): Promise<void> {
    try {
      const outcome = outcomeOf(call, await answerOf(call));
      await db.transaction(async (tx) => {
        const isOurs = await store.recordOutcome(tx, { id: call.id, attempts: call.attempts, ...outcome }, now());
        if (isOurs && outcome.state === 'failed') for (const listener of givenUpListeners) await listener(tx, call, outcome.error ?? '');
      });
    } catch (error) {
      // Its lease runs out, and it is taken again.
      onError(error, `call ${call.id}`);
    }
  }

  /** To one handler one after another, as it happened. What a slow one leaves no time for is taken again when its lease runs out. */
  async function sendInOrder(ofHandler: readonly store.ClaimedCall[]): Promise<void> {
    const begun = performance.now();
    for (const call of ofHandler) if (performance.now() - begun < leaseMs - patienceMs * 1.5) await send(call);
  }

  async function round(): Promise<Round> {
    const at = now();
    // On disk before anything is sent, or a lost commit would send it once more without anybody knowing.
    const claimed = await store.claimCalls(db, at, roundSize, new Date(at.getTime() + leaseMs));
    await Promise.all([...Map.groupBy(claimed.sort((a, b) => a.id - b.id), ({ url }) => url).values()].map(sendInOrder));
    if (claimed.length === 0 && at.getTime() - forgottenAt > 60 * minuteMs) {
      forgottenAt = at.getTime();
      await store.forgetCalls(db, new Date(at.getTime() - keptMs), 10_000);
    }
    return { worked: claimed.length, hasMore: claimed.length === roundSize, nextDueAt: await store.nextCallAt(db) };
  }

  return {
    start(): void {
      jobs.add({ name: 'calls', lanes: 2, pollMs: 2000, work: round });
    },
    close: () => http.close(),

    /** Who knows the shapes that applications expect. */
    usePrepare(given: Prepare): void {
      prepare = given;
    },
    /** Called in the transaction in which a call is given up. */
    onGivenUp(listener: (tx: Tx, call: store.ClaimedCall, error: string) => Promise<void>): void {
      givenUpListeners.push(listener);
    },

    async queue(tx: Tx, calls: readonly NewCall[]): Promise<void> {
      if (calls.length === 0) return;
      await Promise.all([store.insertCalls(tx, calls, now()), jobs.wake(tx, 'calls')]);
    },

    /** The call an application answers with the token; undefined: it is no token of ours. */
    byToken: store.callByToken,
    finish: (q: Queryable, id: number) => store.finishCall(q, id, now()),

    /** Whether the host was allowed by name although it stands in an internal network. */
    isAllowed,
    /** The internal address a handler would be refused for; null: it may be called. */
    privateAddress: (url: string) => http.privateAddress(url, isAllowed(url)),

    /** What was sent and what was not, newest first. */
    async list(actor: Actor, { state, cursor, limit }: { state?: string | undefined; cursor?: number | undefined; limit: number }): Promise<store.CallRow[]> {
      requireAdmin(actor);
      return store.listCalls(db, { state: state ?? null, beforeId: cursor ?? null, limit });
    },
  };
}
