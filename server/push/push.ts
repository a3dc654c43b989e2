/**
 * Push: browsers that are told when no tab of ours is open (Web Push, RFC 8030, 8291, 8292), and how each
 * person wants to be told: quiet hours, sound.
 *
 * Whoever tells people something (the bell, the messenger) queues (employee, kind, place) in its own
 * transaction; that is one row per device of his and place, and none where he has no device. A moment
 * later the loop asks the kind's source what is new there since: what has been read meanwhile, on an open
 * tab, is not sent. In quiet hours the row waits for their end. Many at once for one device become one
 * ("12 new").
 *
 * A push: queued → gone (sent, read, or a day old) | tried again later (the service was busy or away).
 * A device whose service says it is gone is forgotten.
 *
 * Invariants: nothing is said to the dismissed; a browser is told what concerns whoever signed in there
 * last; addresses in internal networks are refused, when a browser subscribes and at each sending; what
 * is said is encrypted for the browser, so that its service reads nothing. A crash may send twice: the
 * tag makes the second replace the first.
 *
 * Does not do: choose people, know what a kind means (sources are registered).
 */
import { z } from 'zod';
import webPush from 'web-push';
import { notificationSettings, type NotificationSettings, type PushPayload, type PushSubscribe } from '../../shared/api/push.ts';
import { UserError } from '../../shared/errors.ts';
import { type Language, text } from '../../shared/messages.ts';
import type { Db, Queryable, Tx } from '../db/db.ts';
import type { Outbound } from '../deliveries/deliveries.ts';
import type { Jobs, Round } from '../jobs/jobs.ts';
import type { Live } from '../live/live.ts';
import type { Actor, People } from '../people/people.ts';
import { quietUntil } from './quiet.ts';
import * as store from './store.ts';

export type { PushPayload } from '../../shared/api/push.ts';
export type { PushToQueue } from './store.ts';

/** What is new for the person in a place since a moment, and unread; the oldest first. */
export type PushSource = (q: Queryable, reader: { employeeId: number; language: Language }, place: { subjectId: number; since: Date }) => Promise<PushPayload[]>;

/** Kinds that a person can do without; what he asks for himself, like a test, comes always. */
export type PushKind = 'bell' | 'chats' | 'feed';

export interface Sealer {
  seal(purpose: string, value: Readonly<Record<string, string>>): Buffer;
  open(purpose: string, sealed: Buffer): Record<string, string> | undefined;
}

export interface PushOptions {
  db: Db;
  jobs: Jobs;
  live: Live;
  people: People;
  secrets: Sealer;
  outbound: Outbound;
  now: () => Date;
  publicUrl: string;
  /** Push services in internal networks: for tests, and for who runs his own. */
  allowsPrivateHosts: boolean;
  onError: (error: unknown, where: string) => void;
}

const defaults: NotificationSettings = { isSoundOn: true, isReadOnSight: true, quiet: { isOn: false, from: '22:00', until: '08:00', isWeekendQuiet: false }, pushes: { bell: true, chats: true, feed: true } };
const keptKeys = z.object({ privateKey: z.string() });

/** Time for an open tab to show it and the person to read it there. */
const patienceMs = 5000;
const leaseMs = 60_000;
const devicesAtOnce = 50;
const maxAttempts = 8;
const maxAgeMs = 24 * 60 * 60_000;
/** More than this at once is said as a number. */
const maxSaidSingly = 3;
const maxDevices = 20;
const maxDeviceLength = 300;
const sealFor = 'web push';
const loopName = 'pushes';

export function createPush({ db, jobs, live, people, secrets, outbound, now, publicUrl, allowsPrivateHosts, onError }: PushOptions) {
  const sources = new Map<string, PushSource>();
  const choices = new Map<string, PushKind>();
  let keys: { publicKey: string; privateKey: string } | undefined;

  async function loadKeys(): Promise<{ publicKey: string; privateKey: string }> {
    for (let tries = 0; !keys && tries < 3; tries++) {
      const row = await store.findKeys(db);
      const opened = row && keptKeys.safeParse(secrets.open(sealFor, row.privateKey));
      if (row && opened?.success) keys = { publicKey: row.publicKey, privateKey: opened.data.privateKey };
      // Sealed under another secret: nothing can be sent with it, and browsers subscribe anew.
      else if (row) await db.transaction((tx) => store.forgetKeys(tx, row.publicKey));
      else {
        const made = webPush.generateVAPIDKeys();
        await store.insertKeys(db, { publicKey: made.publicKey, privateKey: secrets.seal(sealFor, { privateKey: made.privateKey }), createdAt: now() });
      }
    }
    if (!keys) throw new Error('The keys of Web Push could neither be opened nor made.');
    return keys;
  }

  async function settingsOf(q: Queryable, employeeIds: readonly number[]): Promise<(employeeId: number) => NotificationSettings> {
    const saved = await store.findSettings(q, employeeIds);
    return (employeeId) => notificationSettings.safeParse(saved.get(employeeId)).data ?? defaults;
  }

  const subject = publicUrl.startsWith('https:') ? publicUrl : `mailto:vestnik@${new URL(publicUrl).hostname}`;

  /** What one device is told, in as few words as there are many things. */
  async function sayingsFor(rows: readonly store.ClaimedPush[], reader: { employeeId: number; language: Language }): Promise<PushPayload[]> {
    const said: PushPayload[] = [];
    for (const { kind, subjectId, createdAt } of rows) {
      for (const payload of (await sources.get(kind)?.(db, reader, { subjectId, since: createdAt })) ?? []) said.push(payload);
    }
    if (said.length <= maxSaidSingly) return said;
    return [{
      title: text(reader.language, 'push.many.title', { count: said.length }), body: said.slice(-2).map((one) => one.title).join(' · '), tag: 'many', path: '/notifications',
    }];
  }

  /** 'gone': the device is to be forgotten. */
  async function send(device: store.ClaimedPush, payload: PushPayload): Promise<'sent' | 'gone' | 'refused' | Date> {
    const { publicKey, privateKey } = await loadKeys();
    const { endpoint, headers, body } = webPush.generateRequestDetails(
      { endpoint: device.endpoint, keys: { p256dh: device.p256dh, auth: device.auth } },
      JSON.stringify(payload),
      { vapidDetails: { subject, publicKey, privateKey }, TTL: maxAgeMs / 1000, urgency: 'high', contentEncoding: 'aes128gcm' },
    );
    const answer = await outbound.send({
      method: 'POST', url: endpoint, headers: Object.fromEntries(Object.entries(headers).map(([name, value]) => [name, String(value)])), body,
      allowPrivateHost: allowsPrivateHosts,
    });
    const later = new Date(now().getTime() + Math.min(60 * 60_000, 30_000 * 2 ** device.attempts));
    if (answer.kind === 'private_host') return 'gone';
    if (answer.kind !== 'answer') return later;
    if (answer.status < 300) return 'sent';
    if (answer.status === 404 || answer.status === 410) return 'gone';
    if (answer.status === 429 || answer.status >= 500) {
      const wait = Number(answer.headers['retry-after']);
      return Number.isFinite(wait) && wait > 0 ? new Date(now().getTime() + Math.min(wait, 3600) * 1000) : later;
    }
    onError(new Error(`The push service answered ${answer.status}: ${answer.body.slice(0, 300)}`), 'push');
    return 'refused';
  }

  async function serve(rows: readonly store.ClaimedPush[]): Promise<void> {
    const [device] = rows;
    if (!device) return;
    const ids = rows.map((row) => row.id);
    const employee = (await people.directory(db)).employee(device.employeeId);
    if (!employee || employee.dismissedAt) return store.forgetSubscription(db, device.subscriptionId);
    const settings = (await settingsOf(db, [employee.id]))(employee.id);
    const quiet = quietUntil(settings.quiet, employee.timeZone, now());
    if (quiet) return store.putOff(db, ids, quiet, false);
    const oldest = now().getTime() - maxAgeMs;
    const isWanted = ({ kind }: store.ClaimedPush): boolean => {
      const choice = choices.get(kind);
      return choice === undefined || settings.pushes[choice];
    };
    const fresh = rows.filter((row) => isWanted(row) && row.attempts <= maxAttempts && (row.attempts <= 1 || row.createdAt.getTime() > oldest));
    for (const payload of await sayingsFor(fresh, { employeeId: employee.id, language: employee.language })) {
      const outcome = await send(device, payload);
      if (outcome === 'gone') return store.forgetSubscription(db, device.subscriptionId);
      if (outcome instanceof Date) return store.putOff(db, ids, outcome, true);
      if (outcome === 'refused') break;
      await store.markSent(db, device.subscriptionId, now());
    }
    await store.finish(db, rows, now());
  }

  async function work(): Promise<Round> {
    const leaseUntil = new Date(now().getTime() + leaseMs);
    const claimed = await db.transaction((tx) => store.claim(tx, now(), leaseUntil, devicesAtOnce));
    const devices = [...Map.groupBy(claimed, (row) => row.subscriptionId).values()];
    // A device whose sending breaks by our fault comes back after its lease; the others go on.
    await Promise.all(devices.map((rows) => serve(rows).catch((error: unknown) => onError(error, 'push'))));
    const hasMore = devices.length === devicesAtOnce;
    return { worked: claimed.length, hasMore, nextDueAt: hasMore ? null : await store.nextDueAt(db) };
  }

  sources.set('test', async (_q, { language }) => [{ title: text(language, 'push.test.title'), body: text(language, 'push.test.body'), tag: 'test', path: '/notifications' }]);

  return {
    start: () => jobs.add({ name: loopName, lanes: 1, pollMs: 2000, work }),
    /** `choice`: what of a person's settings turns it off. */
    registerSource(kind: string, choice: PushKind, source: PushSource): void {
      sources.set(kind, source);
      choices.set(kind, choice);
    },

    /** Set-based, in the transaction given: one statement, sent at once. The loop finds the rows by itself, in time. */
    async queue(tx: Tx, rows: readonly store.PushToQueue[]): Promise<void> {
      const at = now();
      if (rows.length > 0) await store.queue(tx, rows, at, new Date(at.getTime() + patienceMs));
    },

    async settings(actor: Actor): Promise<NotificationSettings & { quietUntil: Date | null }> {
      const settings = (await settingsOf(db, [actor.employeeId]))(actor.employeeId);
      return { ...settings, quietUntil: quietUntil(settings.quiet, actor.timeZone, now()) };
    },

    async changeSettings(actor: Actor, settings: NotificationSettings): Promise<NotificationSettings & { quietUntil: Date | null }> {
      await db.transaction(async (tx) => {
        await store.saveSettings(tx, actor.employeeId, settings);
        if ((await store.lookAgain(tx, actor.employeeId, now())) > 0) await jobs.wake(tx, loopName);
        await live.publish(tx, [{ topic: `employee:${actor.employeeId}`, what: 'notification-settings' }]);
      });
      return this.settings(actor);
    },

    /** Due and not sent, counted up to a limit: for the report on the system's health. */
    backlog: (limit: number): Promise<{ due: number; oldestDueAt: Date | null }> => store.backlog(db, now(), limit),

    publicKey: async (): Promise<{ publicKey: string }> => ({ publicKey: (await loadKeys()).publicKey }),

    async subscribe(actor: Actor, subscription: PushSubscribe, userAgent: string): Promise<store.DeviceRow> {
      const { hostname, protocol } = new URL(subscription.endpoint);
      if (!allowsPrivateHosts && (protocol !== 'https:' || (await outbound.privateAddress(subscription.endpoint, false)) !== null)) {
        throw new UserError('push.private_host', { host: hostname }, 'endpoint');
      }
      await loadKeys();
      return db.transaction(async (tx) => {
        const row = await store.saveSubscription(tx, actor.employeeId, subscription, userAgent.slice(0, maxDeviceLength), now());
        await store.dropOldSubscriptions(tx, actor.employeeId, maxDevices);
        return row;
      });
    },

    devices: async (actor: Actor): Promise<{ items: store.DeviceRow[] }> => ({ items: await store.listSubscriptions(db, actor.employeeId) }),

    async forget(actor: Actor, id: number): Promise<void> {
      if (!(await store.deleteSubscription(db, actor.employeeId, id))) throw new UserError('request.not_found', { kind: 'device', id });
    },

    /** To all devices of the person, so that he sees whether it works. */
    async test(actor: Actor): Promise<void> {
      await db.transaction(async (tx) => {
        const at = now();
        if ((await store.queue(tx, [{ employeeId: actor.employeeId, kind: 'test', subjectId: 0 }], at, at)) > 0) await jobs.wake(tx, loopName);
      });
    },
  };
}

export type Push = ReturnType<typeof createPush>;
