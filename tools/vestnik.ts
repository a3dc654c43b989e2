/**
 * `npm run vestnik -- <command>`: what an administrator does at the machine, while Vestnik runs or not.
 *
 *   webhook create --employee 1 [--name N] [--scopes crm,user]   prints the address of an incoming webhook, and nothing else
 *   webhook list · webhook revoke --id N
 *   app create --name N [--employee 1] [--scopes crm] [--seconds S]   prints an access token; the rest of what belongs to it goes to stderr
 *   app list · app delete --id N
 *
 * Takes the same environment as `npm start`. Uses the database that is there; the embedded one is started when it does not run.
 */
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { UserError } from '../shared/errors.ts';
import { errorMessage, type Language, text } from '../shared/messages.ts';
import { findEmbedded, startEmbedded } from '../server/db/embedded.ts';
import { openDb } from '../server/db/db.ts';
import { migrate } from '../server/db/migrate.ts';
import { type Env, readEnv } from '../server/env.ts';
import type { Actor } from '../server/people/people.ts';
import { buildVestnik, type Modules } from '../server/vestnik.ts';

let language: Language = 'ru';

class Usage extends Error {}

function readCommand() {
  try {
    const { values, positionals } = parseArgs({
      allowPositionals: true,
      options: { employee: { type: 'string' }, name: { type: 'string' }, scopes: { type: 'string' }, seconds: { type: 'string' }, id: { type: 'string' } },
    });
    const number = (value: string | undefined): number | undefined => {
      if (value === undefined) return undefined;
      if (!/^\d{1,10}$/.test(value) || Number(value) === 0) throw new Usage();
      return Number(value);
    };
    const scopes = values.scopes?.split(',').map((scope) => scope.trim()).filter((scope) => scope !== '');
    return { command: positionals.join(' '), employeeId: number(values.employee), name: values.name?.trim(), scopes, seconds: number(values.seconds), id: number(values.id) };
  } catch {
    throw new Usage();
  }
}

type Command = ReturnType<typeof readCommand>;

/** Whoever can run this here can do anything: the installation itself acts. */
function administrator(employeeId: number): Actor {
  return { employeeId, isAdmin: true, language, timeZone: 'UTC', via: 'system' };
}

async function firstAdmin({ people, db }: Modules): Promise<number> {
  const admin = (await people.directory(db)).employees.find((employee) => employee.isAdmin && employee.dismissedAt === null);
  if (!admin) throw new Usage();
  return admin.id;
}

function table(rows: readonly (readonly string[])[]): string {
  return rows.map((row) => row.join('\t')).join('\n');
}

async function run(modules: Modules, { command, employeeId, name, scopes, seconds, id }: Command): Promise<void> {
  const { credentials } = modules.rest;
  const admin = await firstAdmin(modules);
  const actor = administrator(employeeId ?? admin);
  switch (command) {
    case 'webhook create': {
      const { url } = await credentials.createWebhook(actor, { employeeId: employeeId ?? admin, name: name || 'CLI', scopes });
      return console.log(url);
    }
    case 'webhook list':
      return console.log(table((await credentials.webhooks(administrator(admin))).map((one) => [String(one.id), String(one.employeeId), one.name, one.revokedAt ? 'revoked' : 'active', one.createdAt.toISOString()])));
    case 'webhook revoke':
      if (id === undefined) throw new Usage();
      return credentials.revokeWebhook(administrator(admin), id);
    case 'app create': {
      if (!name) throw new Usage();
      const { app, clientSecret, applicationToken, grant } = await credentials.createApp(actor, { name, scopes, employeeId: employeeId ?? admin, lifeMs: seconds === undefined ? undefined : seconds * 1000 });
      console.log(grant.access_token);
      const more = { id: app.id, client_id: app.clientId, client_secret: clientSecret, application_token: applicationToken, ...grant };
      return console.error(JSON.stringify(more, null, 2));
    }
    case 'app list':
      return console.log(table((await credentials.apps(administrator(admin))).map((one) => [String(one.id), one.clientId, one.name, one.createdAt.toISOString()])));
    case 'app delete':
      if (id === undefined) throw new Usage();
      return credentials.deleteApp(administrator(admin), id);
    default:
      throw new Usage();
  }
}

/** The database of the environment, started for us alone where nobody runs it. */
async function openDatabase(env: Env): Promise<{ url: string; stop(): Promise<void> }> {
  if (env.databaseUrl !== null) return { url: env.databaseUrl, stop: async () => {} };
  const dataDir = join(env.dataDir, 'database');
  const running = await findEmbedded(dataDir);
  if (running !== null) return { url: running, stop: async () => {} };
  const server = await startEmbedded({ dataDir });
  return { url: server.url, stop: () => server.stop() };
}

async function main(): Promise<void> {
  const command = readCommand();
  const env = readEnv();
  const database = await openDatabase(env);
  const db = openDb(database.url, { max: 2 });
  try {
    await migrate(db);
    const modules = await buildVestnik({
      databaseUrl: database.url, port: env.port, host: env.host, dataDir: env.dataDir, secret: env.secret, publicUrl: env.publicUrl, logLevel: 'silent',
    }, db);
    if (!(await modules.people.isStarted(db))) throw new Error(text(language, 'start.cli_empty'));
    language = (await modules.people.directory(db)).company.language;
    await run(modules, command);
    await modules.app.close();
  } finally {
    await db.close();
    await database.stop();
  }
}

main().catch((error: unknown) => {
  const message = error instanceof Usage ? text(language, 'start.cli_usage') : error instanceof UserError ? errorMessage(language, error.code, error.params) : error instanceof Error ? error.message : String(error);
  console.error(message);
  process.exitCode = 1;
});
