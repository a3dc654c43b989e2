/**
 * Who may call: incoming webhooks (an employee's secret in the address) and local applications (OAuth tokens of an
 * application and an employee).
 *
 * - A caller acts as the employee, with his rights, further cut by scopes. Whoever is dismissed cannot call.
 * - Secrets and tokens are random and known to their holders; the database has their SHA-256.
 * - A webhook lives until it is revoked. An access token lives as long as it was issued for, and a refresh token is good
 *   for one refresh. Who a secret belongs to is asked of the database at most once a second.
 */
import { createHash, createHmac, randomBytes, timingSafeEqual } from 'node:crypto';
import type { Db, Queryable, Tx } from '../db/db.ts';
import type { Actor, People } from '../people/people.ts';
import { UserError } from '../../shared/errors.ts';
import { RestError } from './errors.ts';
import * as store from './store.ts';

export interface RestApp {
  id: number;
  clientId: string;
  name: string;
  scopes: readonly string[];
  createdBy: number | null;
}

export interface Caller {
  actor: Actor;
  scopes: ReadonlySet<string>;
  /** null: an incoming webhook. */
  app: RestApp | null;
  /** For limits: the webhook, or the application with its user. */
  key: string;
}

/** What an application is told to call us back with, and what `/oauth/token/` answers. */
export interface Grant {
  access_token: string;
  refresh_token: string;
  expires: number;
  expires_in: number;
  scope: string;
  domain: string;
  server_endpoint: string;
  client_endpoint: string;
  status: 'L';
  member_id: string;
  user_id: number;
}

interface CredentialsDeps {
  db: Db;
  people: People;
  now: () => Date;
  publicUrl: string;
  secret: string;
  allScopes: () => ReadonlySet<string>;
  /** An application is deleted: what it brought goes with it. */
  forgetApp(tx: Tx, appId: number): Promise<void>;
}

const rememberMs = 1000;
const touchMs = 60_000;
const maxRemembered = 10_000;
const hourMs = 60 * 60_000;
const dayMs = 24 * hourMs;
/** As Bitrix24's: an access token for an hour, its refresh for half a year. */
export const accessMs = hourMs;
const refreshMs = 180 * dayMs;
/** Of tokens made by an administrator: clients that cannot refresh at this server live with them. */
export const longAccessMs = 3650 * dayMs;

const letters = 'abcdefghijklmnopqrstuvwxyz0123456789';

/** Letters and digits alone: some clients refuse anything else. 36^24 is more than 2^124. */
function newSecret(length: number): string {
  let secret = '';
  while (secret.length < length) for (const byte of randomBytes(length)) if (byte < 252 && secret.length < length) secret += letters[byte % 36];
  return secret;
}

function hash(secret: string): Buffer {
  return createHash('sha256').update(secret).digest();
}

export function createCredentials({ db, people, now, publicUrl, secret, allScopes, forgetApp }: CredentialsDeps) {
  const remembered = new Map<string, { caller: Caller; until: number; expires: number }>();
  const touched = new Map<number, number>();
  const derived = (what: string) => createHmac('sha256', secret).update(`rest:${what}`).digest('hex').slice(0, 32);
  const memberId = derived('member');
  const url = new URL(publicUrl);
  const endpoint = `${url.origin}/rest/`;

  async function actorOf(q: Queryable, employeeId: number): Promise<Actor | undefined> {
    const employee = (await people.directory(q)).employee(employeeId);
    if (!employee || employee.dismissedAt) return undefined;
    return { employeeId, isAdmin: employee.isAdmin, language: employee.language, timeZone: employee.timeZone, via: 'token' };
  }

  /** Throws user_access_error when the employee is gone. */
  async function actorById(employeeId: number): Promise<Actor> {
    const actor = await actorOf(db, employeeId);
    if (!actor) throw new RestError('user_access_error', 'The user is dismissed', 403);
    return actor;
  }

  const scopesOf = (scopes: readonly string[]): ReadonlySet<string> => (scopes.length === 0 ? allScopes() : new Set([...scopes, 'basic']));

  function recall(key: string): Caller | undefined {
    const at = now().getTime();
    const kept = remembered.get(key);
    return kept && kept.until > at && kept.until - at <= rememberMs && kept.expires > at ? kept.caller : undefined;
  }
  function remember(key: string, caller: Caller, expires = Number.MAX_SAFE_INTEGER): Caller {
    if (remembered.size >= maxRemembered) remembered.clear();
    remembered.set(key, { caller, until: now().getTime() + rememberMs, expires });
    return caller;
  }

  async function issue(q: Queryable, app: RestApp, employeeId: number, lifeMs: number): Promise<Grant> {
    const at = now();
    const [accessToken, refreshToken] = [newSecret(64), newSecret(64)];
    const accessExpiresAt = new Date(at.getTime() + lifeMs);
    await store.insertToken(q, {
      appId: app.id, employeeId, accessHash: hash(accessToken), refreshHash: hash(refreshToken), accessExpiresAt,
      refreshExpiresAt: new Date(Math.max(accessExpiresAt.getTime(), at.getTime() + refreshMs)), at,
    });
    return {
      access_token: accessToken, refresh_token: refreshToken, expires: Math.floor(accessExpiresAt.getTime() / 1000), expires_in: Math.floor(lifeMs / 1000),
      scope: [...scopesOf(app.scopes)].filter((scope) => scope !== 'basic').join(','), domain: url.host, server_endpoint: endpoint, client_endpoint: endpoint,
      status: 'L', member_id: memberId, user_id: employeeId,
    };
  }

  function mayManage(actor: Actor, employeeId: number): void {
    if (employeeId !== actor.employeeId && !actor.isAdmin) throw new UserError('access.admin_only');
  }
  async function activeEmployee(q: Queryable, employeeId: number): Promise<void> {
    if (!(await actorOf(q, employeeId))) throw new UserError('request.not_found', { kind: 'employee', id: employeeId }, 'employeeId');
  }
  function assertScopes(scopes: readonly string[]): void {
    const unknown = scopes.find((scope) => !allScopes().has(scope));
    if (unknown !== undefined) throw new UserError('rest.scope_unknown', { scope: unknown }, 'scopes');
  }
  async function appOf(q: Queryable, id: number): Promise<store.AppRow> {
    const found = await store.app(q, id);
    if (!found) throw new UserError('request.not_found', { kind: 'app', id });
    return found;
  }

  return {
    memberId,
    endpoint,
    /** What a receiver of our calls knows them by. */
    applicationToken: (clientId: string) => derived(`application ${clientId}`),

    actorById,

    /** Throws INVALID_CREDENTIALS: no such secret, another's, revoked, or its employee is gone. */
    async callerBySecret(employeeId: number, webhookSecret: string): Promise<Caller> {
      const refused = new RestError('INVALID_CREDENTIALS', 'Invalid request credentials', 401);
      if (!/^[\w-]{8,100}$/.test(webhookSecret)) throw refused;
      const secretHash = hash(webhookSecret);
      const key = `w${employeeId}/${secretHash.toString('base64')}`;
      const known = recall(key);
      if (known) return known;
      const webhook = await store.webhookBySecret(db, secretHash);
      const actor = webhook?.employeeId === employeeId ? await actorOf(db, employeeId) : undefined;
      if (!webhook || !actor) throw refused;
      const at = now();
      if (at.getTime() - Math.max(webhook.lastUsedAt?.getTime() ?? 0, touched.get(webhook.id) ?? 0) >= touchMs) {
        touched.set(webhook.id, at.getTime());
        await store.touchWebhook(db, webhook.id, at);
      }
      return remember(key, { actor, scopes: scopesOf(webhook.scopes), app: null, key: `webhook ${webhook.id}` });
    },

    /** Throws invalid_token or expired_token, which clients answer with a refresh. */
    async callerByToken(token: string): Promise<Caller> {
      const refused = new RestError('invalid_token', 'Unable to get application by token', 401);
      if (!/^[\w.-]{8,200}$/.test(token)) throw refused;
      const accessHash = hash(token);
      const key = `t${accessHash.toString('base64')}`;
      const known = recall(key);
      if (known) return known;
      const found = await store.tokenByAccess(db, accessHash);
      if (!found) throw refused;
      if (found.accessExpiresAt <= now()) throw new RestError('expired_token', 'The access token provided has expired', 401);
      const app = await store.app(db, found.appId);
      if (!app) throw refused;
      const actor = await actorById(found.employeeId);
      return remember(key, { actor, scopes: scopesOf(app.scopes), app, key: `app ${app.id} ${actor.employeeId}` }, found.accessExpiresAt.getTime());
    },

    /** `/oauth/token/` with grant_type=refresh_token. The old pair ends. */
    async refresh(input: { clientId: string; clientSecret: string; refreshToken: string }): Promise<Grant> {
      const app = await store.appByClient(db, input.clientId);
      if (!app || !timingSafeEqual(app.clientSecretHash, hash(input.clientSecret))) throw new RestError('invalid_client', 'Invalid client credentials', 401);
      return db.transaction(async (tx) => {
        const old = await store.takeTokenByRefresh(tx, hash(input.refreshToken), app.id);
        if (!old || old.refreshExpiresAt <= now()) throw new RestError('invalid_grant', 'Invalid refresh token', 400);
        if (!(await actorOf(tx, old.employeeId))) throw new RestError('invalid_grant', 'The user is dismissed', 400);
        tx.afterCommit(() => remembered.clear());
        await store.deleteExpiredTokens(tx, now());
        return issue(tx, app, old.employeeId, accessMs);
      });
    },

    /** A token pair for a call to an application's handler. The application and the employee were checked. */
    async grantFor(q: Queryable, appId: number, employeeId: number): Promise<Grant & { application_token: string }> {
      const app = await appOf(q, appId);
      return { ...(await issue(q, app, employeeId, accessMs)), application_token: derived(`application ${app.clientId}`) };
    },

    // -- Setting up ------------------------------------------------------------------------------

    /** One's own, or anybody's by an administrator. The address is in this answer only. */
    async createWebhook(actor: Actor, input: { employeeId?: number; name: string; scopes?: readonly string[] }): Promise<store.WebhookRow & { url: string }> {
      const employeeId = input.employeeId ?? actor.employeeId;
      mayManage(actor, employeeId);
      assertScopes(input.scopes ?? []);
      await activeEmployee(db, employeeId);
      const webhookSecret = newSecret(24);
      const row = await store.insertWebhook(db, {
        employeeId, secretHash: hash(webhookSecret), name: input.name, scopes: input.scopes ?? [], createdBy: actor.employeeId || null, at: now(),
      });
      return { ...row, url: `${endpoint}${employeeId}/${webhookSecret}/` };
    },
    /** All for an administrator, one's own for others; revoked ones included. */
    webhooks: (actor: Actor) => store.webhooks(db, actor.isAdmin ? null : actor.employeeId),
    async revokeWebhook(actor: Actor, id: number): Promise<void> {
      if (!(await store.revokeWebhook(db, id, actor.isAdmin ? null : actor.employeeId, now()))) throw new UserError('request.not_found', { kind: 'webhook', id });
      remembered.clear();
    },

    /** Administrators. The secrets are in this answer only. `lifeMs`: of the access token. */
    async createApp(actor: Actor, input: { name: string; scopes?: readonly string[]; employeeId?: number; lifeMs?: number }) {
      if (!actor.isAdmin) throw new UserError('access.admin_only');
      const employeeId = input.employeeId ?? actor.employeeId;
      assertScopes(input.scopes ?? []);
      await activeEmployee(db, employeeId);
      const clientSecret = newSecret(50);
      return db.transaction(async (tx) => {
        const app = await store.insertApp(tx, {
          clientId: `local.${newSecret(14)}.${newSecret(8)}`, clientSecretHash: hash(clientSecret), name: input.name, scopes: input.scopes ?? [],
          createdBy: employeeId, at: now(),
        });
        return { app, clientSecret, applicationToken: derived(`application ${app.clientId}`), grant: await issue(tx, app, employeeId, input.lifeMs ?? longAccessMs) };
      });
    },
    async apps(actor: Actor): Promise<store.AppRow[]> {
      if (!actor.isAdmin) throw new UserError('access.admin_only');
      return store.apps(db);
    },
    /** Another pair of tokens, for any employee. */
    async issueToken(actor: Actor, appId: number, input: { employeeId?: number; lifeMs?: number }): Promise<Grant> {
      if (!actor.isAdmin) throw new UserError('access.admin_only');
      const employeeId = input.employeeId ?? actor.employeeId;
      await activeEmployee(db, employeeId);
      return issue(db, await appOf(db, appId), employeeId, input.lifeMs ?? longAccessMs);
    },
    async deleteApp(actor: Actor, id: number): Promise<void> {
      if (!actor.isAdmin) throw new UserError('access.admin_only');
      await db.transaction(async (tx) => {
        if (!(await store.deleteApp(tx, id, now()))) throw new UserError('request.not_found', { kind: 'app', id });
        await forgetApp(tx, id);
        tx.afterCommit(() => remembered.clear());
      });
    },
  };
}

export type Credentials = ReturnType<typeof createCredentials>;
