/**
 * Deliveries: one e-mail or one SMS to one address, from the row in the robot's transaction to the
 * answer of a mail server or an SMS gateway.
 *
 *   queued → sending → accepted → delivered      (delivered: the provider said so later)
 *     ↑         ├→ queued    try again later: away, busy, or an e-mail whose answer was lost
 *     │         ├→ failed    no use trying: refused, or tried often enough
 *     │         └→ unknown   an SMS that may have gone out: a person decides
 *     └── send again (failed, unknown)             mark as sent: unknown → accepted; give up: unknown → failed
 *
 * Invariants: nothing is sent before the claim, with which its attempt begins, is on disk. Who sends holds a lease
 * and a fence number; without the current fence no outcome is written, so a worker that was thought
 * dead changes nothing. An e-mail may be sent twice, always under one Message-ID, by which mailboxes
 * tell doubles; an SMS is never sent twice by itself. A limit delays and never drops: being told to
 * wait does not count as a failure.
 *
 * Does not do: talk to the outside (mail and sms do, through addSender), expand recipients.
 */
import { randomUUID } from 'node:crypto';
import { z } from 'zod';
import { type ErrorCode, type ErrorParams, UserError } from '../../shared/errors.ts';
import { bumpConfig, type Db, type Queryable, type Tx } from '../db/db.ts';
import type { Jobs, Round } from '../jobs/jobs.ts';
import type { Hint, Live } from '../live/live.ts';
import { type Actor, requireAdmin } from '../people/people.ts';
import { admit, type Candidate, gateName, type Limits, type Rule, rulesOf } from './limits.ts';
import { createSealer } from './secrets.ts';
import * as store from './store.ts';
import { together } from './together.ts';

export type { Limits } from './limits.ts';
export { createOutbound, isPublicAddress, type Outbound, type OutboundAnswer, type OutboundRequest } from './outbound.ts';
export type Channel = 'email' | 'sms';

export interface EmailContent {
  subject: string;
  /** BBCode. */
  body: string;
  fromName?: string;
  replyTo?: { name: string; address: string };
  fileIds: number[];
  /** The card the letter is about. */
  itemLink?: string;
}
export interface SmsContent {
  text: string;
}

interface Addressed {
  /** mail_senders.id or sms_providers.id. */
  senderId: number;
  employeeId: number | null;
  /** An e-mail address, or a phone number in E.164. */
  address: string;
  itemId: number | null;
  runId: number | null;
}
export type NewDelivery = Addressed & ({ channel: 'email'; content: EmailContent } | { channel: 'sms'; content: SmsContent });

/** What a sender gets to work on. `content` is as it was queued; whoever sends reads it with care. */
export interface Claimed {
  id: number;
  channel: Channel;
  senderId: number;
  employeeId: number | null;
  address: string;
  content: unknown;
  messageId: string | null;
  attempts: number;
  retries: number;
  fence: number;
  itemId: number | null;
  /** What it waited for, when it was tried before. */
  error: DeliveryError | null;
}

export interface DeliveryError {
  code: ErrorCode;
  params: ErrorParams;
  /** What the other side said, cut to a sane length. */
  detail?: string;
}

/** `isAskable`: the provider can be asked what became of it. */
export type Outcome =
  | { kind: 'accepted'; providerMessageId?: string; detail?: string; isAskable?: boolean }
  /** Surely not sent. `retryAt`: the other side asked for that much patience. */
  | { kind: 'transient'; error: DeliveryError; retryAt?: Date }
  /** Surely not sent, and never will be. */
  | { kind: 'permanent'; error: DeliveryError }
  /** May have been sent. */
  | { kind: 'unknown'; error: DeliveryError; isAskable?: boolean };

/** What a provider said of a message, by itself or when asked: at least one of the two ids is there. */
export interface Report {
  providerMessageId: string | null;
  /** Ours, where the provider echoes it. */
  deliveryId: number | null;
  state: 'accepted' | 'delivered' | 'failed';
  /** Of 'failed'; the address is filled in as `phone`. */
  error: DeliveryError | null;
  /** When it happened, if they say. */
  at: Date | null;
}

/** A delivery whose fate the provider is asked about. */
export interface Question {
  id: number;
  address: string;
  content: unknown;
  state: 'accepted' | 'unknown';
  /** null: the answer to the sending was lost. */
  providerMessageId: string | null;
  /** When the last attempt began. */
  sentAt: Date;
}
export interface Asking {
  reports: readonly Report[];
  /** Asking about these is of no use. */
  stop: readonly number[];
}

/** How much one employee is sent at most; null: as much as there is. */
export type Budgets = Record<Channel, { perHour: number | null; perDay: number | null }>;
/** Far above what people read, and far below what a robot gone wrong sends. */
const defaultBudgets: Budgets = { email: { perHour: 2000, perDay: 10_000 }, sms: { perHour: 200, perDay: 1000 } };
const savedBudget = z.object({ perHour: z.number().nullable(), perDay: z.number().nullable() });
const savedBudgets = z.object({ email: savedBudget, sms: savedBudget });

/** As saved with the company; what is not, or cannot be read, is the default. */
export function budgetsFrom(saved: unknown): Budgets {
  return savedBudgets.safeParse(saved).data ?? defaultBudgets;
}

export interface Sender {
  channel: Channel;
  lanes: number;
  /** What one round sends side by side. */
  roundSize?: number;
  /** Talks to the outside and must end in finite time. */
  send(delivery: Claimed): Promise<Outcome>;
  /** How much each of the senders takes. */
  limitsOf?(q: Queryable, senderIds: readonly number[]): Promise<ReadonlyMap<number, Limits>>;
  /** Asks a provider what became of messages. What it throws is reported, and it is asked again later. */
  ask?(senderId: number, questions: readonly Question[]): Promise<Asking>;
}

/** give_up: whatever became of it, nobody is to look at it any more. */
export type Decision = 'send_again' | 'mark_sent' | 'give_up';

export interface Journal {
  id: number;
  channel: Channel;
  senderId: number;
  employeeId: number | null;
  address: string;
  content: unknown;
  state: 'queued' | 'sending' | 'accepted' | 'delivered' | 'failed' | 'unknown';
  messageId: string | null;
  providerMessageId: string | null;
  attempts: number;
  dueAt: Date | null;
  error: DeliveryError | null;
  decision: Decision | null;
  decidedBy: number | null;
  decidedAt: Date | null;
  itemId: number | null;
  runId: number | null;
  createdAt: Date;
  finishedAt: Date | null;
}

export interface JournalFilter {
  channel?: Channel;
  state?: Journal['state'];
  /** Failed or unknown, and not given up: what a person has to work off. */
  needsDecision?: boolean;
  employeeId?: number;
  itemId?: number;
  runId?: number;
  senderId?: number;
  /** Part of an address. */
  address?: string;
  from?: Date;
  to?: Date;
}

export interface Tally {
  sent: number;
  waiting: number;
  failed: number;
  unknown: number;
}
/** What was queued since, by the state it is in now. */
export interface Figures {
  since: Date;
  hours: ({ at: Date; channel: Channel } & Tally)[];
  senders: ({ channel: Channel; senderId: number } & Tally)[];
}

const channels: readonly Channel[] = ['email', 'sms'];
const nothing: Tally = { sent: 0, waiting: 0, failed: 0, unknown: 0 };
const tallyOf: Readonly<Record<string, keyof Tally>> = { accepted: 'sent', delivered: 'sent', failed: 'failed', unknown: 'unknown' };
/** Past this nobody reads the number any more. */
const countedAtMost = 999;
/** The whole journal: there is one. */
const journalTopic = 'deliveries:1';

const minuteMs = 60_000;
/** Together almost two days: a mail server that died on Friday evening is back by Sunday. */
const waitsMs = [1, 5, 15, 60, 3 * 60, 6 * 60, 12 * 60, 24 * 60].map((minutes) => minutes * minuteMs);
/** With the poll below, what a dead worker held is taken over within a minute. */
const leaseMs = 40_000;
const renewEveryMs = 10_000;
const pollMs = 5_000;
const takeBackEveryMs = 1000;
/** Outcomes of this long are written together; what was sent needs no hurry, and nobody waits for it. */
const recordGatherMs = 10;
/** What one round sends side by side, unless the channel says otherwise. */
const defaultRoundSize = 20;
/** A gateway that asks for more patience than this is asked again all the same. */
const longestWaitMs = 24 * 60 * minuteMs;
const maxDetail = 1000;
/** Reports are usually minutes away; what they leave open is asked about for three days. */
const askWaitsMs = [2, 5, 15, 60, 3 * 60, 6 * 60, 12 * 60, 24 * 60, 24 * 60].map((minutes) => minutes * minuteMs);
const firstAskMs = { unknown: 30_000, accepted: 2 * minuteMs };
/** What a provider is asked about at once. */
const questionsAtOnce = 100;
const settleAtOnce = 1000;
/** Reports about what we never sent. */
const reportsKeptMs = 7 * 24 * 60 * minuteMs;
/** Long enough for the ids of all parts of a long SMS. */
const longestMessageId = 500;

export interface DeliveriesOptions {
  db: Db;
  live: Pick<Live, 'publish' | 'registerTopic'>;
  jobs: Pick<Jobs, 'add' | 'wake'>;
  now: () => Date;
  /** VESTNIK_SECRET: seals passwords and keys of the channels. */
  secret: string;
  /** The right side of Message-IDs: the host name people use for this server. */
  messageIdHost: string;
  /** Where budgets of employees are kept; absent: nobody has one. */
  company?: {
    budgets(q: Queryable): Promise<Budgets>;
    changeBudgets(tx: Tx, budgets: Budgets): Promise<void>;
  };
  /** A bug while sending: reported, while the delivery gets an outcome. */
  onError: (error: unknown, where: string) => void;
}

export function createDeliveries({ db, live, jobs, now, secret, messageIdHost, company, onError }: DeliveriesOptions) {
  const senders = new Map<Channel, Sender>();
  /** Of channels whose last round was full: when something was taken back. */
  const inFullSwing = new Map<Channel, number>();
  const loopName = (channel: Channel) => `deliveries.${channel}`;
  const reportsLoop = (channel: Channel) => `deliveries.${channel}.reports`;

  function hints(rows: readonly { itemId: number | null; employeeId: number | null }[]): Hint[] {
    const about = rows.flatMap((row): Hint[] => [
      ...(row.itemId === null ? [] : [{ topic: `item:${row.itemId}`, what: 'runs' }]),
      ...(row.employeeId === null ? [] : [{ topic: `employee:${row.employeeId}`, what: 'deliveries' }]),
    ]);
    return rows.length === 0 ? about : [...about, { topic: journalTopic, what: 'deliveries' }];
  }

  /** What an outcome makes of a delivery. */
  function changeFor(delivery: Claimed, outcome: Outcome): store.Change {
    const detail = outcome.kind === 'accepted' ? outcome.detail : (outcome.error.detail ?? outcome.error.code);
    const common = { outcome: outcome.kind, retries: delivery.retries, providerMessageId: null, detail: cut(detail ?? null), dueAt: null, askAt: null };
    if (outcome.kind === 'accepted') {
      const askAt = outcome.isAskable ? new Date(now().getTime() + firstAskMs.accepted) : null;
      return { ...common, state: 'accepted', error: null, providerMessageId: cut(outcome.providerMessageId ?? null), askAt };
    }
    const error: DeliveryError = { ...outcome.error, ...(outcome.error.detail ? { detail: cut(outcome.error.detail) ?? '' } : {}) };
    if (outcome.kind === 'permanent') return { ...common, state: 'failed', error };
    const at = now().getTime();
    if (outcome.kind === 'unknown' && delivery.channel === 'sms') {
      return { ...common, state: 'unknown', error, askAt: outcome.isAskable ? new Date(at + firstAskMs.unknown) : null };
    }
    if (outcome.kind === 'transient' && outcome.retryAt) {
      // Being asked to wait is not a failure, but a date in the past would have us knock at once for ever.
      const askedMs = Math.min(Math.max(outcome.retryAt.getTime() - at, 1000), longestWaitMs);
      return { ...common, state: 'queued', error, dueAt: new Date(at + askedMs + Math.random() * 1000) };
    }
    const waitMs = waitsMs[delivery.retries];
    if (waitMs === undefined) {
      const given: DeliveryError = { code: 'delivery.gave_up', params: { address: delivery.address, detail: error.detail ?? error.code }, detail: error.detail };
      return { ...common, state: 'failed', error: given };
    }
    // Up to a quarter more, so that what failed together does not come back together.
    return { ...common, state: 'queued', error, retries: delivery.retries + 1, dueAt: new Date(at + waitMs * (1 + Math.random() / 4)) };
  }

  /** What may go now: its attempts have begun, and that is on disk. What a limit holds back is given its moment, and says so. */
  async function take(channel: Channel, limit: number): Promise<{ claimed: Claimed[]; seen: number }> {
    return db.transaction(async (tx) => {
      const [, candidates] = await Promise.all([store.commitToDisk(tx), store.due(tx, channel, { limit, at: now() })]);
      if (candidates.length === 0) return { claimed: [], seen: 0 };
      const ids = await admitted(tx, channel, candidates);
      const claimed = ids.length === 0 ? [] : await store.claim(tx, ids, { leaseUntil: new Date(now().getTime() + leaseMs), at: now() });
      return { claimed, seen: candidates.length };
    });
  }
  const claim = async (channel: Channel, limit: number) => (await take(channel, limit)).claimed;

  async function admitted(tx: Tx, channel: Channel, candidates: readonly Candidate[]): Promise<number[]> {
    const senderIds = [...new Set(candidates.map((candidate) => candidate.senderId))];
    const employeeIds = new Set(candidates.flatMap(({ employeeId }) => (employeeId === null ? [] : [employeeId])));
    const [senderLimits, budgets] = await Promise.all([
      senders.get(channel)?.limitsOf?.(tx, senderIds),
      employeeIds.size > 0 ? company?.budgets(tx) : undefined,
    ]);
    const rules = new Map([
      ...senderIds.map((id): [string, Rule[]] => [`sender ${id}`, rulesOf('sender', id, senderLimits?.get(id))]),
      ...[...employeeIds].map((id): [string, Rule[]] => [`employee ${id}`, rulesOf('employee', id, budgets?.[channel])]),
    ]);
    const all = [...rules.values()].flat();
    if (all.length === 0) return candidates.map(({ id }) => id);
    const gates = await store.lockGates(tx, channel, all);
    const { go, putOff } = admit(
      candidates,
      ({ senderId, employeeId }) => [...(rules.get(`sender ${senderId}`) ?? []), ...(employeeId === null ? [] : (rules.get(`employee ${employeeId}`) ?? []))],
      new Map(gates.map((gate) => [gateName(gate), gate])), now().getTime(),
    );
    const [, waiting] = await Promise.all([
      store.saveGates(tx, channel, gates),
      putOff.length === 0 ? [] : store.putOff(tx, putOff.map(({ id, dueAt, rule: { scope, limit, period } }) => ({ id, dueAt, error: { code: 'delivery.waits_for_limit', params: { scope, limit, period } } }))),
    ]);
    if (waiting.length > 0) await live.publish(tx, hints(waiting));
    return go;
  }

  const recordTogether = together(async (batch: { delivery: Claimed; change: store.Change }[]): Promise<boolean[]> => {
    const ours = await db.transaction(async (tx) => {
      const ids = await store.finish(tx, batch.map(({ delivery: { id, fence }, change }) => ({ id, fence, change })), now());
      await live.publish(tx, hints(batch.flatMap(({ delivery }) => (ids.has(delivery.id) ? [delivery] : []))));
      return ids;
    });
    return batch.map(({ delivery }) => ours.has(delivery.id));
  }, { gatherMs: recordGatherMs });

  /** false: another worker took the delivery over, and nothing was written. */
  async function record(delivery: Claimed, outcome: Outcome): Promise<boolean> {
    return recordTogether({ delivery, change: changeFor(delivery, outcome) });
  }

  function takeBack(channel: Channel): Promise<number> {
    return db.transaction(async (tx) => {
      const taken = await store.takeBack(tx, channel, { error: { code: 'delivery.worker_lost', params: {} }, maxRetries: waitsMs.length, at: now() });
      if (taken.length > 0) await live.publish(tx, hints(taken));
      return taken.length;
    });
  }

  /** Full rounds follow each other by milliseconds; leases run out by seconds. */
  async function takeBackNowAndThen(channel: Channel): Promise<number> {
    const at = now().getTime();
    const since = at - (inFullSwing.get(channel) ?? Number.NEGATIVE_INFINITY);
    if (since >= 0 && since < takeBackEveryMs) return 0;
    if (inFullSwing.has(channel)) inFullSwing.set(channel, at);
    return takeBack(channel);
  }

  async function round(channel: Channel, roundSize: number, send: (delivery: Claimed) => Promise<Outcome>): Promise<Round> {
    const taken = await takeBackNowAndThen(channel);
    const heldUntil = new Date(now().getTime() + leaseMs);
    const { claimed, seen } = await take(channel, roundSize);
    if (seen < roundSize) inFullSwing.delete(channel);
    else if (!inFullSwing.has(channel)) inFullSwing.set(channel, now().getTime());
    const held = new Set(claimed);
    const renewal = setInterval(() => {
      store.renew(db, [...held], new Date(now().getTime() + leaseMs)).catch((error: unknown) => onError(error, loopName(channel)));
    }, renewEveryMs);
    try {
      const ended = await Promise.allSettled(claimed.map(async (delivery) => {
        let outcome: Outcome;
        try {
          // A process that was stopped since the claim may find that somebody else holds them.
          outcome = now() < heldUntil ? await send(delivery) : { kind: 'transient', error: { code: 'delivery.worker_lost', params: {} } };
        } catch (error) {
          // Ours to mend, and nobody knows how far it got.
          onError(error, loopName(channel));
          outcome = { kind: 'unknown', error: { code: 'delivery.internal', params: { address: delivery.address } } };
        }
        await record(delivery, outcome);
        held.delete(delivery);
      }));
      const broken = ended.find((end) => end.status === 'rejected');
      if (broken) throw broken.reason;
    } finally {
      clearInterval(renewal);
    }
    return {
      worked: seen + taken,
      hasMore: seen === roundSize,
      nextDueAt: seen === roundSize ? null : await store.nextDueAt(db, channel),
    };
  }

  /** Keeps what a provider said until the delivery can be told. On disk when this has committed. */
  async function report(tx: Tx, { channel, senderId, reports }: { channel: Channel; senderId: number; reports: readonly Report[] }): Promise<void> {
    const told = reports.flatMap((one): Report[] => {
      const providerMessageId = cut(one.providerMessageId)?.slice(0, longestMessageId) || null;
      const deliveryId = Number.isSafeInteger(one.deliveryId) ? one.deliveryId : null;
      if (providerMessageId === null && deliveryId === null) return [];
      const error = one.state === 'failed' ? (one.error ?? { code: 'sms.not_delivered' as const, params: { name: '', detail: '' } }) : null;
      const at = one.at && !Number.isNaN(one.at.getTime()) && one.at < now() ? one.at : null;
      return [{ ...one, providerMessageId, deliveryId, at, error: error && { ...error, ...(error.detail ? { detail: cut(error.detail) ?? '' } : {}) } }];
    });
    if (told.length === 0) return;
    await Promise.all([store.insertReports(tx, channel, senderId, told, now()), jobs.wake(tx, reportsLoop(channel))]);
  }

  /** Tells deliveries what was reported of them. Answers with how many changed. */
  async function settle(channel: Channel): Promise<number> {
    return db.transaction(async (tx) => {
      await store.joinParts(tx, channel);
      const changed = await store.settle(tx, channel, settleAtOnce);
      if (changed.length > 0) await live.publish(tx, hints(changed));
      return changed.length;
    });
  }

  async function reportsRound(channel: Channel, ask: NonNullable<Sender['ask']>): Promise<Round> {
    const settled = await settle(channel);
    await store.forgetReports(db, new Date(now().getTime() - reportsKeptMs));
    const questions = await store.takeQuestions(db, channel, { waitsSeconds: askWaitsMs.map((ms) => ms / 1000), limit: questionsAtOnce, at: now() });
    let told = 0;
    await Promise.all([...Map.groupBy(questions, (question) => question.senderId)].map(async ([senderId, asked]) => {
      try {
        const { reports, stop } = await ask(senderId, asked);
        await db.transaction(async (tx) => {
          await report(tx, { channel, senderId, reports });
          await store.stopAsking(tx, stop);
        });
        told += reports.length;
      } catch (error) {
        onError(error, reportsLoop(channel));
      }
    }));
    if (told > 0) await settle(channel);
    const hasMore = settled === settleAtOnce || questions.length === questionsAtOnce;
    return { worked: settled + questions.length, hasMore, nextDueAt: hasMore ? null : await store.nextAskAt(db, channel) };
  }

  async function figures(): Promise<Figures> {
    const hourMs = 3_600_000;
    const first = (Math.floor(now().getTime() / hourMs) - 23) * hourMs;
    const rows = await store.tally(db, new Date(first));
    const hours = channels.flatMap((channel) => Array.from({ length: 24 }, (_, index) => ({ at: new Date(first + index * hourMs), channel, ...nothing })));
    const senders = new Map<string, Figures['senders'][number]>();
    for (const { at, channel, senderId, state, count } of rows) {
      const key = tallyOf[state] ?? 'waiting';
      const hour = hours.find((one) => one.channel === channel && one.at.getTime() === at.getTime());
      if (hour) hour[key] += count;
      const name = `${channel} ${senderId}`;
      const sender = senders.get(name) ?? { channel, senderId, ...nothing };
      sender[key] += count;
      senders.set(name, sender);
    }
    return { since: new Date(first), hours, senders: [...senders.values()] };
  }

  // Everything that is sent to whom: administrators only.
  live.registerTopic('deliveries', async (watcher) => watcher.isAdmin);

  return {
    secrets: createSealer(secret),

    /**
     * Queues deliveries with the caller's transaction, set-based. One per (run, channel, address): a
     * second one is left out. Publishes no hint: who queues tells about the item anyway. Answers with
     * the ids that were made.
     */
    async queue(tx: Tx, rows: readonly NewDelivery[]): Promise<number[]> {
      if (rows.length === 0) return [];
      const made = await store.insert(tx, rows.map((row) => ({ ...row, messageId: row.channel === 'email' ? `<${randomUUID()}@${messageIdHost}>` : null })), now());
      const channels = new Set(made.map((row) => row.channel));
      await Promise.all([...channels].map((channel) => jobs.wake(tx, loopName(channel))));
      return made.map((row) => row.id);
    },

    /** Mail senders or SMS providers are others now: whoever keeps them loads them anew, open pages too. */
    async sendersChanged(tx: Tx): Promise<void> {
      await bumpConfig(tx, 'channels');
      await live.publish(tx, [{ topic: 'company', what: 'channels' }]);
    },

    /** Registers the loops of a channel: one that sends, and one that hears what became of it. */
    addSender(sender: Sender): void {
      const { channel, lanes, roundSize = defaultRoundSize, send, ask } = sender;
      senders.set(channel, sender);
      jobs.add({ name: loopName(channel), lanes, pollMs, work: () => round(channel, roundSize, send) });
      if (ask) jobs.add({ name: reportsLoop(channel), lanes: 1, pollMs, work: () => reportsRound(channel, ask) });
    },

    claim, record, takeBack,

    report, settle,

    /** A letter came back after it had been accepted. Answers with the deliveries that have failed by it. */
    async markBounced(tx: Tx, { messageId, error }: { messageId: string; error: DeliveryError }): Promise<number[]> {
      const rows = await store.bounced(tx, messageId, { ...error, ...(error.detail ? { detail: cut(error.detail) ?? '' } : {}) }, now());
      if (rows.length > 0) await live.publish(tx, hints(rows));
      return rows.map((row) => row.id);
    },

    /** What waits for a decision, for the badge of administrators. */
    async counters(actor: Actor): Promise<{ needDecision: number; hasMore: boolean }> {
      requireAdmin(actor);
      const count = await store.countUndecided(db, countedAtMost + 1);
      return { needDecision: Math.min(count, countedAtMost), hasMore: count > countedAtMost };
    },

    async figures(actor: Actor): Promise<Figures> {
      requireAdmin(actor);
      return figures();
    },

    /** Due and not begun, per channel; counted up to a limit. For the report on the system's health. */
    backlog: (limit: number): Promise<{ id: Channel; due: number; oldestDueAt: Date | null }[]> => store.backlog(db, { limit, at: now() }),

    async budgets(actor: Actor): Promise<Budgets> {
      requireAdmin(actor);
      return company ? company.budgets(db) : defaultBudgets;
    },

    async changeBudgets(actor: Actor, budgets: Budgets): Promise<void> {
      requireAdmin(actor);
      await db.transaction(async (tx) => company?.changeBudgets(tx, budgets));
    },

    /** The journal, newest first: administrators see all, others what was sent to them. */
    async list(actor: Actor, filter: JournalFilter, { cursor, limit }: { cursor?: number; limit: number }): Promise<{ items: Journal[]; nextCursor: string | null }> {
      const rows = await store.list(db, {
        ...filter,
        // Somebody else's id asked for by one who may see only his own finds nothing.
        ...(actor.isAdmin ? {} : { employeeId: filter.employeeId === undefined || filter.employeeId === actor.employeeId ? actor.employeeId : -1 }),
        before: cursor ?? null, limit: limit + 1,
      });
      const items = rows.slice(0, limit);
      return { items, nextCursor: rows.length > limit ? String(items.at(-1)?.id) : null };
    },

    async get(actor: Actor, id: number) {
      const found = await store.find(db, id);
      if (!found || !(actor.isAdmin || found.employeeId === actor.employeeId)) throw new UserError('request.not_found', { kind: 'delivery', id });
      return { ...found, log: await store.attempts(db, id) };
    },

    /** What a delivery is, for whoever sends it: without a check of access. */
    async subjectOf(q: Queryable, id: number): Promise<Pick<Journal, 'channel' | 'senderId' | 'itemId' | 'runId'> | undefined> {
      return store.find(q, id);
    },

    /** Without a check of access: for the views of runs. */
    byRuns: (q: Queryable, runIds: readonly number[]): Promise<Journal[]> => store.byRuns(q, runIds),

    /**
     * A person decides on what is unknown or failed; who and when is written down. Administrators only: it
     * may cost money or reach someone twice. What is in another state by now is left alone and told back.
     */
    async decideAll(actor: Actor, ids: readonly number[], decision: Decision): Promise<{ decided: number[]; skipped: number[] }> {
      requireAdmin(actor);
      return db.transaction(async (tx) => {
        const changed = await store.decide(tx, ids, { decision, by: actor.employeeId, at: now() });
        await live.publish(tx, hints(changed));
        if (decision === 'send_again') await Promise.all([...new Set(changed.map(({ channel }) => channel))].map((channel) => jobs.wake(tx, loopName(channel))));
        const decided = new Set(changed.map(({ id }) => id));
        return { decided: [...decided].sort((a, b) => a - b), skipped: ids.filter((id) => !decided.has(id)) };
      });
    },

    async decide(actor: Actor, id: number, decision: Decision): Promise<void> {
      const { decided } = await this.decideAll(actor, [id], decision);
      if (decided.length > 0) return;
      if (!(await store.find(db, id))) throw new UserError('request.not_found', { kind: 'delivery', id });
      throw new UserError('delivery.not_decidable');
    },
  };
}

export type Deliveries = ReturnType<typeof createDeliveries>;

function cut(text: string | null): string | null {
  return text === null ? null : text.replaceAll('\0', '').toWellFormed().slice(0, maxDetail);
}
