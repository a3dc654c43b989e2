/**
 * Vestnik, wired by hand in the order of the import line: whoever stands below may use what stands
 * above. `startVestnik` is all of the product in one process; main.ts, the tests, the demo and the
 * bench start it with their own database, clock and port.
 */
import { createServer } from 'node:net';
import { hostname } from 'node:os';
import { join } from 'node:path';
import type { SetUp } from '../shared/api/people.ts';
import type { Language } from '../shared/messages.ts';
import { createCalls } from './calls/calls.ts';
import { callsRoutes } from './calls/routes.ts';
import { createCrm } from './crm/crm.ts';
import { crmRoutes } from './crm/routes.ts';
import { type Db, openDb, type Queryable } from './db/db.ts';
import { migrate } from './db/migrate.ts';
import { budgetsFrom, createDeliveries, createOutbound } from './deliveries/deliveries.ts';
import { deliveriesRoutes } from './deliveries/routes.ts';
import { createDrive } from './drive/drive.ts';
import { driveRoutes } from './drive/routes.ts';
import { type App, buildApp, type HttpOptions, renewCertificate } from './http/http.ts';
import { reportRoutes } from './http/report.ts';
import { webRoutes } from './http/web.ts';
import { createJobs } from './jobs/jobs.ts';
import { createLive } from './live/live.ts';
import { liveRoutes } from './live/routes.ts';
import { createChat } from './messaging/chat/chat.ts';
import { chatRoutes } from './messaging/chat/routes.ts';
import { createFeed } from './messaging/feed/feed.ts';
import { feedRoutes } from './messaging/feed/routes.ts';
import { createMail, type Mail } from './messaging/mail/mail.ts';
import { mailRoutes } from './messaging/mail/routes.ts';
import { createNotifications } from './messaging/notifications/notifications.ts';
import { notificationsRoutes } from './messaging/notifications/routes.ts';
import { smsRoutes } from './messaging/sms/routes.ts';
import { createSms, type Sms } from './messaging/sms/sms.ts';
import { type Actor, createPeople } from './people/people.ts';
import { peopleRoutes } from './people/routes.ts';
import { createPush } from './push/push.ts';
import { pushRoutes } from './push/routes.ts';
import { type Channels, createRobots } from './robots/robots.ts';
import { robotsRoutes } from './robots/routes.ts';
import { createRest } from './rest/rest.ts';
import { restRoutes } from './rest/routes.ts';

export interface VestnikOptions {
  databaseUrl: string;
  /** Connections of this process. */
  databaseConnections?: number;
  /** 0: any free one. */
  port: number;
  host: string;
  /** Bytes of the drive live below it. */
  dataDir: string;
  /** Seals the passwords of mail senders and SMS providers in the database. */
  secret: string;
  /** The address people use; undefined: http://<host>:<port>. */
  publicUrl?: string;
  /** web answers requests; worker runs robots and sends mail and SMS. Both by default. */
  services?: { web: boolean; worker: boolean };
  /** The largest file people may upload. */
  maxFileBytes?: number;
  /** Hosts of internal networks that applications may be called at. */
  allowedPrivateHosts?: readonly string[];
  now?: () => Date;
  logLevel?: HttpOptions['logLevel'];
  trustProxy?: HttpOptions['trustProxy'];
  tls?: HttpOptions['tls'];
  guessesPerMinute?: number;
  /** Of the REST gateway. */
  restLimits?: Parameters<typeof createRest>[0]['limits'];
  /** Fills a company just made with the demo; the set-up offers it then. */
  seedDemo?: (running: Modules, language: Language) => Promise<{ email: string; password: string } | null>;
  /** Web Push to services in internal networks: tests have theirs on loopback. */
  allowsPrivatePushHosts?: boolean;
}

/** Everything that can be built without listening or asking the database anything. */
export async function buildVestnik(options: VestnikOptions & { publicUrl: string }, db: Db) {
  const now = options.now ?? (() => new Date());

  const jobs = createJobs({ db, now, onError: (error, loop) => app.log.error({ err: error, loop }, 'a round of work failed') });
  const live = createLive({ db, now });
  const people = createPeople({
    db, live, now, secret: options.secret, publicUrl: options.publicUrl,
    sendLetter: (tx, letter) => mail.queueLetter(tx, letter),
    canWrite: async (q) => (await mail.choices(q)).some((sender) => sender.isDefault),
  });
  const drive = createDrive({ db, live, now, directory: join(options.dataDir, 'drive'), maxFileBytes: options.maxFileBytes });
  jobs.add(drive.sweepLoop);
  // Everybody sees everybody's photo; to set it one must be able to read the file.
  drive.registerTarget('employee', async () => true);
  const usePhoto = (actor: Actor, employeeId: number, fileId: number) =>
    db.transaction((tx) => drive.attach(tx, { actor, fileIds: [fileId], targetKind: 'employee', targetId: employeeId }));
  const crm = createCrm({ db, live, people, drive, jobs, now });
  const deliveries = createDeliveries({
    db, live, jobs, now, secret: options.secret, messageIdHost: new URL(options.publicUrl).hostname,
    company: {
      budgets: async (q) => budgetsFrom((await people.directory(q)).company.settings.deliveryBudgets),
      changeBudgets: (tx, deliveryBudgets) => people.changeCompanySettings(tx, { deliveryBudgets }),
    },
    onError: (error, where) => app.log.error({ err: error, where }, 'sending failed by our fault'),
  });
  const outbound = createOutbound();
  const push = createPush({
    db, jobs, live, people, now, outbound, secrets: deliveries.secrets, publicUrl: options.publicUrl, allowsPrivateHosts: options.allowsPrivatePushHosts ?? false,
    onError: (error, where) => app.log.error({ err: error, where }, 'a push could not be sent'),
  });
  push.start();
  const notifications = createNotifications({ db, live, people, crm, push, now });
  const feed = createFeed({ db, live, people, drive, push, now });
  const chat = createChat({ db, jobs, live, people, drive, push, now });
  const calls = createCalls({
    db, jobs, now, allowedPrivateHosts: options.allowedPrivateHosts ?? [],
    onError: (error, where) => app.log.error({ err: error, where }, 'a call of an application failed by our fault'),
  });
  calls.start();
  const mail = createMail({ db, drive, deliveries, now, publicUrl: options.publicUrl });
  mail.startSending();
  const sms = createSms({ db, jobs, people, deliveries, now, publicUrl: options.publicUrl, appSms: (message) => rest.outgoing.prepareSms(message) });
  sms.startSending();
  const channels = createChannels({ mail, sms });
  const robots = createRobots({
    db, jobs, live, people, drive, crm, channels, now, publicUrl: options.publicUrl,
    writers: { crm, live, notifications, feed, chat, deliveries, calls },
    onError: (error, where) => app.log.error({ err: error, where }, 'a robot or its engine failed'),
  });
  robots.start();
  crm.useForecaster(robots.forecast);

  const rest = createRest({
    db, people, drive, crm, robots, calls, deliveries, sms, chat, feed, notifications, now,
    publicUrl: options.publicUrl, secret: options.secret, limits: options.restLimits,
    onError: (error, method) => app.log.error({ err: error, method }, 'a REST method failed'),
  });

  const actorFromToken = (token: string) => people.actorFromToken(db, token);

  const app: App = await buildApp({
    db,
    now,
    publicUrl: options.publicUrl,
    actorFromToken,
    companyLanguage: async () => (await people.directory(db)).company.language,
    options: { logLevel: options.logLevel ?? 'info', trustProxy: options.trustProxy ?? false, guessesPerMinute: options.guessesPerMinute, tls: options.tls },
    routes: [
      liveRoutes({ live, actorFromToken }),
      peopleRoutes({ people, db, usePhoto, setUp, mayUseDemo: options.seedDemo !== undefined }),
      driveRoutes({ drive }),
      crmRoutes({ crm, db }),
      deliveriesRoutes({ deliveries, db, readRun: robots.getRun }),
      callsRoutes({ calls }),
      pushRoutes({ push }),
      notificationsRoutes({ notifications }),
      feedRoutes({ feed }),
      chatRoutes({ chat }),
      mailRoutes({ mail, db }),
      smsRoutes({ sms, db, publicUrl: options.publicUrl }),
      robotsRoutes({ robots }),
      restRoutes({ rest }),
      reportRoutes({ db, now, jobs, drive, deliveries, push, robots, processName: processName(options.services) }),
      webRoutes(),
    ],
  });

  /** What every company has; made where it is missing, so a crash in between is made good at the next start. */
  async function completeCompany(): Promise<void> {
    const { language } = (await people.directory(db)).company;
    const made = await db.transaction((tx) => crm.seedSystemTypes(tx, language));
    if (made.length > 0) await crm.seedAccess(language);
  }

  /** Company, administrator, lead, deal, invoice and the usual roles, in an empty database. */
  async function firstStart(...input: Parameters<typeof people.firstStart>): ReturnType<typeof people.firstStart> {
    const made = await people.firstStart(...input);
    await completeCompany();
    return made;
  }

  /** The same from a browser; whoever does it is its administrator, and signed in. */
  async function setUp({ company, admin, withDemo }: SetUp, from: { ip: string; userAgent: string }) {
    const { signedIn } = await firstStart({ company, admin: { ...admin, language: company.language, timeZone: company.timeZone } }, from);
    if (!signedIn) throw new Error('The set-up made no session.');
    const demo = withDemo && options.seedDemo ? await options.seedDemo(modules, company.language) : null;
    return { signedIn, demo };
  }

  const modules = { app, now, completeCompany, firstStart, db, jobs, live, people, drive, crm, deliveries, calls, push, outbound, notifications, feed, chat, mail, sms, robots, rest };
  return modules;
}

/** What the database calls our connections: what the process does, and where. PostgreSQL keeps 63 characters. */
function processName({ web, worker } = { web: true, worker: true }): string {
  const services = [...(web ? ['web'] : []), ...(worker ? ['worker'] : [])].join(',');
  return `vestnik ${services} ${hostname().replace(/[^\w.-]/g, '').slice(0, 30)}/${process.pid}`;
}

/** The mail senders and SMS providers there are, kept as long as the version of the configuration. */
function createChannels({ mail, sms }: { mail: Mail; sms: Sms }) {
  let kept: { version: number; channels: Channels } | undefined;
  return async (q: Queryable, version: number): Promise<Channels> => {
    if (kept?.version === version) return kept.channels;
    const [senders, providers] = await Promise.all([mail.choices(q), sms.choices(q)]);
    const channels: Channels = {
      mailSenders: new Map(senders.map((sender) => [sender.id, `${sender.name} <${sender.address}>`])),
      defaultMailSenderId: senders.find((sender) => sender.isDefault)?.id ?? null,
      smsProviders: new Map(providers.map((provider) => [provider.id, provider.name])),
      defaultSmsProviderId: providers.find((provider) => provider.isDefault)?.id ?? null,
    };
    kept = { version, channels };
    return channels;
  };
}

export type Modules = Awaited<ReturnType<typeof buildVestnik>>;

/** Migrates, wires, listens and starts to work. */
export async function startVestnik(options: VestnikOptions) {
  const services = options.services ?? { web: true, worker: true };
  const db = openDb(options.databaseUrl, { max: options.databaseConnections ?? 10, name: processName(options.services) });

  const scheme = options.tls ? 'https' : 'http';

  async function start(port: number) {
    const publicUrl = options.publicUrl ?? `${scheme}://${urlHost(options.host)}:${port}`;
    const modules = await buildVestnik({ ...options, publicUrl }, db);
    const { app, jobs, live } = modules;
    try {
      if (await modules.people.isStarted(db)) await modules.completeCompany();
      if (services.worker) modules.crm.syncFieldIndexes().catch((error: unknown) => app.log.error({ err: error }, 'an index of a field could not be built'));
      // In this order: when the first request is answered, what it publishes and wakes is heard.
      if (services.web) await live.start();
      if (services.worker) await jobs.start();
      // Whoever starts us says where to open it, in words; the log need not.
      const { level } = app.log;
      app.log.level = 'warn';
      if (services.web) await app.listen({ port, host: options.host });
      app.log.level = level;
    } catch (error) {
      await Promise.allSettled([jobs.stop(), live.stop(), app.close()]);
      throw error;
    }
    return { modules, port, publicUrl };
  }

  /** Links in letters and messages carry the port, so a free one is found before anything is built. */
  async function startAnywhere() {
    for (let tries = 1; ; tries++) {
      try {
        return await start(await freePort(options.host));
      } catch (error) {
        // Somebody was faster.
        if (!isPortTaken(error) || tries === 10) throw error;
      }
    }
  }

  let started: Awaited<ReturnType<typeof start>>;
  try {
    await migrate(db);
    started = await (options.port === 0 && services.web ? startAnywhere() : start(options.port));
  } catch (error) {
    await db.close();
    throw error;
  }
  const { modules, port, publicUrl } = started;
  const { app, jobs, live } = modules;

  let stopping: Promise<void> | undefined;
  async function stop(): Promise<void> {
    // No new requests, those under way are answered; then the work; then the line to the database.
    await live.stop();
    await app.close();
    await jobs.stop();
    modules.mail.close();
    await modules.outbound.close();
    await modules.sms.close();
    await modules.calls.close();
    await db.close();
  }

  return {
    ...modules,
    /** Where this process listens. */
    url: `${scheme}://${urlHost(options.host)}:${port}`,
    /** Where people reach it; every link begins with it. */
    publicUrl,
    port,
    /** The certificate was renewed. */
    renewCertificate: (tls: { cert: string; key: string }) => renewCertificate(app, tls),
    /** Works off everything that is due. For tests and tools, with `services.worker` off. */
    drain: () => jobs.drain(),
    /** Orderly and idempotent; whoever calls sets the limit of patience. */
    stop: () => (stopping ??= stop()),
  };
}

export type Vestnik = Awaited<ReturnType<typeof startVestnik>>;

export function isPortTaken(error: unknown): boolean {
  return error instanceof Error && 'code' in error && error.code === 'EADDRINUSE';
}

function freePort(host: string): Promise<number> {
  const { promise, resolve, reject } = Promise.withResolvers<number>();
  const probe = createServer();
  probe.on('error', reject);
  probe.listen(0, host, () => {
    const address = probe.address();
    probe.close(() => (typeof address === 'object' && address ? resolve(address.port) : reject(new Error('The probe has no port.'))));
  });
  return promise;
}

/** Where a browser on this machine finds us. */
function urlHost(host: string): string {
  if (host === '0.0.0.0' || host === '::' || host === '') return 'localhost';
  return host.includes(':') ? `[${host}]` : host;
}
