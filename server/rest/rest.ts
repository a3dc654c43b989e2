/**
 * The gateway: Bitrix24's REST, spoken over the front doors of our modules, so that scripts, forms and bots written for
 * Bitrix24 work unchanged. Adapters only: what a deal is, who may see it and what a change sets off is decided where
 * everybody else's requests end, too.
 *
 * A request's life: path and body read (routes.ts, encoding.ts) → who calls (credentials.ts) → limits → the method of the
 * catalogue with its parameters read → the front door of a module → the envelope. A batch runs its commands one by one,
 * each as if it came alone.
 *
 * What always holds: every answer is the envelope or `{ error, error_description }` with its status; a method that is
 * not in the catalogue does not exist; nothing a client sends gets into SQL as text.
 *
 * Does not do: REST 3.0 (it answers that there is no such method), the vendor's marketplace and placements.
 */
import type { Readable } from 'node:stream';
import { UserError } from '../../shared/errors.ts';
import type { Calls } from '../calls/calls.ts';
import type { Crm } from '../crm/crm.ts';
import type { Db, Queryable, Tx } from '../db/db.ts';
import { type Asked, type Download, type Drive, downloadOf } from '../drive/drive.ts';
import type { Deliveries } from '../deliveries/deliveries.ts';
import type { Sms } from '../messaging/sms/sms.ts';
import type { Chat } from '../messaging/chat/chat.ts';
import type { Feed } from '../messaging/feed/feed.ts';
import type { Notifications } from '../messaging/notifications/notifications.ts';
import type { Actor, People } from '../people/people.ts';
import type { Robots } from '../robots/robots.ts';
import { type Command, type Outcome, runBatch } from './batch.ts';
import { knownScopes, methodFamilies } from './catalog.ts';
import { type Caller, createCredentials } from './credentials.ts';
import { mergeParams, type Params, toXml } from './encoding.ts';
import { methodNotFound, RestError, toRestError, type Translate } from './errors.ts';
import { createLimits, type LimitOptions } from './limits.ts';
import { createFileLinks, type FileLinks } from './links.ts';
import type { Method } from './method.ts';
import { diskErrors } from './methods/disk.ts';
import { createOutgoing, type Outgoing } from './outgoing.ts';
import { toText } from './parameter.ts';
import * as store from './store.ts';

export type { Grant, RestApp } from './credentials.ts';

/** The modules whose front doors the methods go through. */
export interface RestModules {
  db: Db;
  people: People;
  drive: Drive;
  crm: Crm;
  robots: Robots;
  calls: Calls;
  deliveries: Deliveries;
  sms: Sms;
  chat: Chat;
  feed: Feed;
  notifications: Notifications;
}

export interface RestDeps extends RestModules {
  now: () => Date;
  publicUrl: string;
  /** Tokens by which receivers know our calls are made from it. */
  secret: string;
  limits?: LimitOptions;
  onError(error: unknown, method: string): void;
}

/** What method families are made of. */
export interface FamilyDeps extends RestModules {
  now: () => Date;
  publicUrl: string;
  /** All there are, for the methods that tell about methods. */
  catalogue: () => Catalogue;
  options: { get(q: Queryable, appId: number, employeeId: number): Promise<Map<string, unknown>>; set(q: Queryable, appId: number, employeeId: number, values: readonly (readonly [string, unknown])[]): Promise<void> };
  memberId: () => string;
  links: FileLinks;
  statuses: {
    list(q: Queryable): Promise<store.StatusRow[]>;
    insert(q: Queryable, rows: readonly Omit<store.StatusRow, 'id'>[]): Promise<number[]>;
    update(q: Queryable, id: number, change: { name: string; sort: number }): Promise<void>;
    remove(q: Queryable, id: number): Promise<void>;
  };
  /** What applications are told. */
  outgoing: () => Outgoing;
}

export interface Catalogue {
  methods: readonly Method[];
  find(name: string): Method | undefined;
  scopes: ReadonlySet<string>;
}

export interface RestRequest {
  /** Behind `/rest/`, still encoded, without the query. */
  path: string;
  query: Params;
  body: Params;
  authorization: string | undefined;
  address: string;
}

/** Somebody with the address of a file. */
interface FileRequest {
  token: string;
  address: string;
}

export interface RestResponse {
  status: number;
  type: string;
  body: string;
}

interface Target {
  format: 'json' | 'xml';
  version: 2 | 3;
  webhook: { employeeId: number; secret: string } | null;
  method: string;
}

const json = 'application/json; charset=utf-8';

/** `1/secret/crm.deal.get.json`, `crm.deal.get`, `/crm.deal.get/`, `api/…` (REST 3.0). */
export function readPath(path: string): Target {
  const segments = path.split('/').filter((segment) => segment !== '').map((segment) => {
    try {
      return decodeURIComponent(segment);
    } catch {
      return segment;
    }
  });
  const version = segments[0]?.toLowerCase() === 'api' ? 3 : 2;
  if (version === 3) segments.shift();
  const hasSecret = segments.length >= 2 && /^\d{1,15}$/.test(segments[0] ?? '');
  const webhook = hasSecret ? { employeeId: Number(segments[0]), secret: segments[1] ?? '' } : null;
  const last = segments.slice(hasSecret ? 2 : 0).join('/');
  const suffix = /\.(json|xml)$/i.exec(last)?.[1]?.toLowerCase();
  return { format: suffix === 'xml' ? 'xml' : 'json', version, webhook, method: suffix ? last.slice(0, -suffix.length - 1) : last };
}

export function createRest(deps: RestDeps) {
  const { db, people, drive, now, publicUrl, secret, onError } = deps;
  const links = createFileLinks({ secret, publicUrl });
  const catalogue = createCatalogue();
  const credentials = createCredentials({ db, people, now, publicUrl, secret, allScopes: () => catalogue.scopes, forgetApp });
  async function forgetApp(tx: Tx, appId: number): Promise<void> {
    await Promise.all([deps.robots.forgetApp(tx, appId), deps.sms.appSenders.forget(tx, appId)]);
  }

  const outgoing = createOutgoing({ ...deps, credentials });
  const limits = createLimits(deps.limits ?? {});

  function createCatalogue(): Catalogue {
    const familyDeps: FamilyDeps = {
      ...deps, catalogue: () => catalogue, options: { get: store.options, set: store.setOptions }, memberId: () => credentials.memberId, links, outgoing: () => outgoing,
      statuses: { list: store.statuses, insert: store.insertStatuses, update: store.updateStatus, remove: store.deleteStatus },
    };
    const methods = methodFamilies.flatMap((family) => family(familyDeps)).sort((a, b) => (a.key < b.key ? -1 : 1));
    const byKey = new Map(methods.map((method) => [method.key, method]));
    if (byKey.size !== methods.length) throw new Error('Two methods have one name.');
    return { methods, find: (name) => byKey.get(name.toLowerCase()), scopes: new Set([...knownScopes, ...methods.flatMap((method) => method.scopes)]) };
  }

  async function callerOf(target: Target, params: Params, request: RestRequest): Promise<Caller> {
    const at = now();
    limits.refuseGuesser(request.address, at);
    try {
      if (target.webhook) return await credentials.callerBySecret(target.webhook.employeeId, target.webhook.secret);
      const bearer = /^bearer\s+(.+)$/i.exec(request.authorization ?? '')?.[1];
      const token = toText(params.auth) || toText(params.access_token) || bearer;
      if (!token) throw new RestError('NO_AUTH_FOUND', 'Wrong authorization data', 401);
      return await credentials.callerByToken(token);
    } catch (error) {
      if (error instanceof RestError && ['INVALID_CREDENTIALS', 'invalid_token'].includes(error.code)) limits.countWrong(request.address, at);
      throw error;
    }
  }

  /** One method for one caller; limits on the number of requests were asked before. */
  async function call(caller: Caller, name: string, params: Params, isInBatch: boolean): Promise<Outcome> {
    const begun = performance.now();
    const at = now();
    const method = catalogue.find(name);
    let outcome: Outcome;
    try {
      if (isInBatch && (name.toLowerCase() === 'batch' || method?.notInBatch)) {
        throw new RestError('ERROR_BATCH_METHOD_NOT_ALLOWED', 'Method is not allowed for batch usage', 405);
      }
      if (!method) throw methodNotFound();
      if (!method.scopes.some((scope) => caller.scopes.has(scope))) {
        throw new RestError('insufficient_scope', `The request requires higher privileges than provided by the ${caller.app ? 'access' : 'webhook'} token`, 403);
      }
      limits.refuseBusy(caller.key, method.key, at);
      outcome = { answer: await method.call({ actor: caller.actor, scopes: caller.scopes, app: caller.app, now: at }, params) };
    } catch (error) {
      const known = toRestError(error, caller.actor.language, method?.errors);
      if (!known) onError(error, name);
      outcome = { error: known ?? new RestError('INTERNAL_SERVER_ERROR', 'Internal server error. The administrator finds it in the log.', 500) };
    }
    return { ...outcome, time: timeOf(at, performance.now() - begun, limits.countOperating(caller.key, method?.key ?? '', (performance.now() - begun) / 1000, at)) };
  }

  async function answer(request: RestRequest, target: Target): Promise<{ status: number; body: Record<string, unknown> }> {
    const begun = performance.now();
    const params = mergeParams(request.query, request.body);
    const caller = await callerOf(target, params, request);
    const at = now();
    if (target.version === 3) {
      return { status: 404, body: { error: { code: 'BITRIX_REST_V3_EXCEPTION_METHODNOTFOUNDEXCEPTION', message: `Method \`${target.method.slice(0, 200)}\` was not found: this server speaks the second version of REST.` } } };
    }
    limits.countRequest(caller.key, at);
    if (target.method.toLowerCase() === 'batch') {
      const result = await runBatch(params, ({ method, params: own }: Command) => {
        // A command may be written as the whole address of a method.
        const { method: name } = readPath(method);
        return call(caller, name, mergeParams(own), true);
      });
      return { status: 200, body: { result, time: timeOf(at, performance.now() - begun, limits.countOperating(caller.key, 'batch', 0, at)) } };
    }
    const outcome = await call(caller, target.method, params, false);
    if (outcome.error) throw outcome.error;
    const { result, total, next } = outcome.answer ?? { result: null };
    return { status: 200, body: { result: result ?? null, ...(next === undefined ? {} : { next }), ...(total === undefined ? {} : { total }), time: outcome.time } };
  }

  function refusal(error: unknown, what: string, translate?: Translate): { status: number; body: Record<string, unknown> } {
    const known = toRestError(error, 'en', translate);
    if (!known) onError(error, what);
    const told = known ?? new RestError('INTERNAL_SERVER_ERROR', 'Internal server error', 500);
    return { status: told.status, body: { error: told.code, error_description: told.message } };
  }

  const asResponse = ({ status, body }: { status: number; body: Record<string, unknown> }): RestResponse => ({ status, type: json, body: JSON.stringify(body) });

  /** Who an address of a file was made for, with what it says; both are asked anew each time. */
  async function holder<Link extends { employeeId: number }>(address: string, read: () => Link): Promise<{ link: Link; actor: Actor }> {
    limits.refuseGuesser(address, now());
    try {
      const link = read();
      return { link, actor: await credentials.actorById(link.employeeId) };
    } catch (error) {
      if (error instanceof RestError && error.code === 'ACCESS_DENIED') limits.countWrong(address, now());
      throw error;
    }
  }

  return {
    credentials,
    catalogue,
    outgoing,

    /** `read` gives query and body; what it throws is answered like any other error. */
    async handle(path: string, read: () => Promise<Omit<RestRequest, 'path'>> | Omit<RestRequest, 'path'>): Promise<RestResponse> {
      const target = readPath(path);
      const { status, body } = await (async () => answer({ path, ...(await read()) }, target))().catch((error: unknown) => refusal(error, target.method));
      return target.format === 'xml'
        ? { status, type: 'text/xml; charset=utf-8', body: toXml(body) }
        : { status, type: json, body: JSON.stringify(body) };
    },

    /** `/rest/download`: the bytes of a file, for whoever holds its address. */
    async download({ token, address, asked }: FileRequest & { asked: Omit<Asked, 'inline'> }): Promise<Download | RestResponse> {
      try {
        const { link, actor } = await holder(address, () => links.readDownload(token, now()));
        const { file, sha256, stream } = await drive.readFor(actor, link.fileId, link.version ?? undefined);
        const sent = downloadOf({ ...file, sha256 }, stream, { ...asked, inline: false });
        if (sent.status === 416) throw new UserError('drive.range_invalid', { name: file.name });
        return sent;
      } catch (error) {
        const { status, body } = refusal(error, 'download');
        return asResponse({ status: body.error === 'ERROR_NOT_FOUND' ? 404 : status, body });
      }
    },

    /** `/rest/upload`: takes a file in as `uploadUrl` said, and answers as disk.file.get does. `next` reads one sent file; null: there is none. */
    async upload({ token, address, next }: FileRequest & { next: () => Promise<{ name: string; source: Readable } | null> }): Promise<RestResponse> {
      const begun = performance.now();
      try {
        const { link, actor } = await holder(address, () => links.readUpload(token, now()));
        const sent = await next();
        if (!sent) throw new RestError('ERROR_ARGUMENT', 'The body holds no file: send it as multipart/form-data in the field "file".');
        const { id } = await drive.upload(actor, { folderId: link.folderId, name: link.name ?? sent.name, source: sent.source, onConflict: link.isRenamed ? 'rename' : 'refuse' });
        const at = now();
        const shown = await catalogue.find('disk.file.get')?.call({ actor, scopes: catalogue.scopes, app: null, now: at }, { id });
        return asResponse({ status: 200, body: { result: shown?.result ?? null, time: timeOf(at, performance.now() - begun, limits.countOperating(`links ${actor.employeeId}`, 'upload', 0, at)) } });
      } catch (error) {
        return asResponse(refusal(error, 'upload', diskErrors));
      }
    },

    /** `/oauth/token/`: renews a pair of tokens. */
    async renew(read: () => Promise<{ params: Params; address: string }>): Promise<RestResponse> {
      const attempt = async () => {
        const { params: raw, address } = await read();
        const params = mergeParams(raw);
        limits.refuseGuesser(address, now());
        if (params.grant_type !== 'refresh_token') throw new RestError('unsupported_grant_type', 'grant_type must be refresh_token', 400);
        const [clientId, clientSecret, refreshToken] = [params.client_id, params.client_secret, params.refresh_token].map((one) => toText(one) ?? '');
        if (!clientId || !clientSecret || !refreshToken) throw new RestError('invalid_request', 'client_id, client_secret and refresh_token are required', 400);
        try {
          return { status: 200, body: { ...(await credentials.refresh({ clientId, clientSecret, refreshToken })), token_type: 'bearer' } };
        } catch (error) {
          if (error instanceof RestError) limits.countWrong(address, now());
          throw error;
        }
      };
      const { status, body } = await attempt().catch((error: unknown) => refusal(error, 'oauth'));
      return { status, type: json, body: JSON.stringify(body) };
    },
  };
}

export type Rest = ReturnType<typeof createRest>;

function timeOf(at: Date, tookMs: number, operating: { operating: number; operating_reset_at: number }) {
  const start = at.getTime() / 1000;
  const duration = Math.max(0, tookMs) / 1000;
  const moment = (seconds: number) => `${new Date(Math.floor(seconds) * 1000).toISOString().slice(0, 19)}+00:00`;
  return {
    start, finish: start + duration, duration, processing: duration, date_start: moment(start), date_finish: moment(start + duration),
    operating_reset_at: operating.operating_reset_at, operating: operating.operating,
  };
}
