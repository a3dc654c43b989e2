/**
 * The process: reads the environment, starts the database and the product, stops on a signal.
 * The only file with side effects when imported.
 */
import { randomInt } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { TransientError } from '../shared/errors.ts';
import { isLanguage, type Language, text } from '../shared/messages.ts';
import { type EmbeddedServer, type ServerEvent, startEmbedded } from './db/embedded.ts';
import { type Env, readEnv } from './env.ts';
import { limitGarbage } from './memory.ts';
import { isPortTaken, startVestnik, type Vestnik, type VestnikOptions } from './vestnik.ts';

/** Requests and rounds of robots take well under a second; whoever supervises us waits 10 to 30. */
const stopSeconds = 10;

let language: Language = 'ru';
const say = (key: string, params?: Parameters<typeof text>[2]): void => console.log(text(language, key, params));
const complain = (key: string, params?: Parameters<typeof text>[2]): void => console.error(text(language, key, params));
const messageOf = (error: unknown): string => (error instanceof Error ? error.message : String(error));

limitGarbage();
let embedded: EmbeddedServer | undefined;
let vestnik: Vestnik | undefined;
let isStopping = false;

for (const event of ['unhandledRejection', 'uncaughtException'] as const) {
  process.on(event, (error: unknown) => {
    // Going on would mean not knowing what is true. The embedded database is found again at the next start.
    complain('start.bug');
    console.error(error);
    process.exit(1);
  });
}
for (const signal of ['SIGTERM', 'SIGINT'] as const) process.on(signal, () => void stop());

async function stop(): Promise<void> {
  if (isStopping) process.exit(130);
  isStopping = true;
  say('start.stopping');
  setTimeout(() => {
    complain('start.stop_timeout', { seconds: stopSeconds });
    process.exit(1);
  }, stopSeconds * 1000);
  try {
    // In the middle of a start there is nothing whole to stop yet.
    await started.catch(() => {});
    await vestnik?.stop();
    await embedded?.stop();
    process.exit(0);
  } catch (error) {
    console.error(error);
    process.exit(1);
  }
}

function reportDatabase(event: ServerEvent): void {
  if (event.kind === 'died') complain('start.database_died', { pid: event.pid });
  else if (event.kind === 'restarted') complain('start.database_restarted', { pid: event.pid });
  else complain('start.database_restart_failed', { problem: messageOf(event.error), seconds: event.retryInMs / 1000 });
}

/** What somebody can do something about, in a sentence; undefined: a bug, to be shown whole. */
function explain(error: unknown, env: Env): string | undefined {
  const { port, host } = env;
  const code = error instanceof Error && 'code' in error ? error.code : undefined;
  if (isPortTaken(error)) return text(language, 'start.port_taken', { port, host });
  if (code === 'EACCES' && !(error instanceof Error && 'path' in error)) return text(language, 'start.port_forbidden', { port });
  if (code === 'EADDRNOTAVAIL' || code === 'ENOTFOUND') return text(language, 'start.host_unknown', { host });
  if (env.tls && isCertificateFault(error)) return text(language, 'start.tls_invalid', { problem: messageOf(error) });
  if (error instanceof TransientError) return text(language, 'start.database_unavailable', { problem: messageOf(error.cause) });
  return undefined;
}

/** A file that cannot be read, or holds no certificate, or a key that belongs to another one. */
function isCertificateFault(error: unknown): boolean {
  const code = error instanceof Error && 'code' in error ? String(error.code) : '';
  return code === 'ENOENT' || code === 'EACCES' || code === 'EISDIR' || code.startsWith('ERR_OSSL') || code.startsWith('ERR_SSL') || code.startsWith('ERR_TLS');
}

/** Letters and digits that are not mistaken for each other: it is typed from a screen, once. */
function oneTimePassword(): string {
  const letters = 'abcdefghjkmnpqrstuvwxyz23456789';
  const word = () => Array.from({ length: 5 }, () => letters[randomInt(letters.length)]).join('');
  return `${word()}-${word()}-${word()}`;
}

/**
 * An empty database: a person at a terminal gets the link of the set-up; a start that nobody watches makes the
 * company by itself and prints the administrator's password, as does one with the demo.
 */
async function firstStart(running: Vestnik, { withDemo, withLink }: { withDemo: boolean; withLink: boolean }): Promise<void> {
  const isEmpty = !(await running.people.isStarted(running.db));
  if (isEmpty && withLink) {
    say('start.setup', { link: await running.people.setupLink() });
    return;
  }
  if (isEmpty) {
    const password = oneTimePassword();
    const email = 'admin@vestnik.local';
    const { timeZone } = Intl.DateTimeFormat().resolvedOptions();
    const place = language === 'ru' ? { currency: 'RUB', country: 'RU', timeZone: 'Europe/Moscow' } : { currency: 'USD', country: 'US', timeZone: 'America/New_York' };
    await running.firstStart({
      // A server that runs on UTC does not tell where the company works.
      company: { name: text(language, 'start.company'), language, ...place, ...(/UTC|GMT/.test(timeZone) ? {} : { timeZone }) },
      admin: { email, firstName: text(language, 'start.admin'), language, password },
    });
    say('start.first');
    say('start.sign_in', { email, password });
  }
  if (!withDemo) return;
  if (!isEmpty) {
    const { settings } = (await running.people.directory(running.db)).company;
    if (settings.demo !== true) say('start.demo_not_empty');
    return;
  }
  const { seedDemo } = await import('../tools/demo/seed.ts');
  const demo = await seedDemo(running, { language });
  if (demo) say('start.demo', { company: demo.company.name, email: demo.company.people.salesHead.email, password: demo.password });
}

/** For the set-up in the browser: the company keeps the name it was just given. */
const seedDemoInto: NonNullable<VestnikOptions['seedDemo']> = async (running, chosen) => {
  const { seedDemo } = await import('../tools/demo/seed.ts');
  const demo = await seedDemo(running, { language: chosen, keepsCompany: true });
  return demo && { email: demo.company.people.salesHead.email, password: demo.password };
};

function readTls({ certFile, keyFile }: NonNullable<Env['tls']>): { cert: string; key: string } {
  return { cert: readFileSync(certFile, 'utf8'), key: readFileSync(keyFile, 'utf8') };
}

/** A renewed certificate is taken without a restart; one that does not fit changes nothing. */
function renewTls(running: Vestnik, files: NonNullable<Env['tls']>): void {
  try {
    running.renewCertificate(readTls(files));
    say('start.tls_renewed');
  } catch (error) {
    complain('start.tls_kept', { problem: messageOf(error) });
  }
}

function readArguments() {
  try {
    return parseArgs({ options: { demo: { type: 'boolean' }, setup: { type: 'boolean' }, language: { type: 'string' }, help: { type: 'boolean', short: 'h' } } }).values;
  } catch {
    throw new Error(text(language, 'start.usage'));
  }
}

async function main(): Promise<void> {
  const values = readArguments();
  if (values.language !== undefined && isLanguage(values.language)) language = values.language;
  else if (values.language !== undefined) throw new Error(text(language, 'start.usage'));
  if (values.help) return say('start.usage');

  const env = readEnv();
  if (env.databaseUrl === null) embedded = await startEmbedded({ dataDir: join(env.dataDir, 'database'), report: reportDatabase });
  const databaseUrl = env.databaseUrl ?? embedded!.url;
  if (isStopping) return;
  try {
    vestnik = await startVestnik({
      databaseUrl,
      databaseConnections: env.databasePoolSize,
      maxFileBytes: env.maxFileMb * 1024 * 1024,
      allowedPrivateHosts: env.allowedPrivateHosts,
      port: env.port,
      host: env.host,
      dataDir: env.dataDir,
      secret: env.secret,
      // A port that is not chosen yet cannot be part of the address.
      publicUrl: env.publicUrl.endsWith(':0') ? undefined : env.publicUrl,
      services: { web: env.services.includes('web'), worker: env.services.includes('worker') },
      logLevel: env.logLevel,
      trustProxy: env.trustProxy,
      tls: env.tls ? readTls(env.tls) : undefined,
      restLimits: env.restLimits,
      seedDemo: seedDemoInto,
    });
    if (isStopping) return;
    const { tls } = env;
    const running = vestnik;
    if (tls) process.on('SIGHUP', () => renewTls(running, tls));
    const withDemo = values.demo ?? false;
    await firstStart(vestnik, { withDemo, withLink: env.services.includes('web') && !withDemo && (values.setup ?? process.stdout.isTTY) });
    if (await vestnik.people.isStarted(vestnik.db)) language = (await vestnik.people.directory(vestnik.db)).company.language;
  } catch (error) {
    const reason = explain(error, env);
    await vestnik?.stop().catch(() => {});
    await embedded?.stop();
    if (reason === undefined) throw error;
    console.error(reason);
    process.exit(1);
  }
  if (env.services.includes('web')) say('start.ready', { url: vestnik.publicUrl });
  else say('start.ready_worker');
}

const started = main();
started.catch((error: unknown) => {
  if (isStopping) return;
  complain('start.failed', { problem: messageOf(error) });
  // Sentences for the administrator have no cause worth a stack; a bug shows where it happened.
  if (!(error instanceof Error) || ['TypeError', 'RangeError', 'ReferenceError', 'error'].includes(error.name)) console.error(error);
  process.exit(1);
});
