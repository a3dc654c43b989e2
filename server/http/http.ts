/**
 * HTTP: one Fastify application that every module's routes plug into.
 *
 * Owns: who is asking (auth.ts), what errors look like (errors.ts), limits on size and rate, headers
 * that protect, the OpenAPI description, health and metrics.
 *
 * A route's life: headers → (public: count the address) or (sign-in: cookie or API token, same origin)
 * → body read and checked → handler of the module → answer written by the contract's schema.
 *
 * Invariants: a route without `config: { public: true }` is never reached by somebody unknown; every
 * error has the shape of shared/api/http.ts in the reader's language; no text with a NUL character
 * gets in; every route says in its schema what it is for.
 *
 * Does not do: SQL of the product, decisions about rights to things, waiting for robots.
 */
import type { RequestListener } from 'node:http';
import { createServer as createSecureServer, Server as SecureServer } from 'node:https';
import type { Socket } from 'node:net';
import cookie from '@fastify/cookie';
import rateLimit from '@fastify/rate-limit';
import swagger from '@fastify/swagger';
import websocket from '@fastify/websocket';
import Fastify, { LogController, type FastifyInstance, type FastifyReply, type FastifyRequest } from 'fastify';
import {
  createJsonSchemaTransform,
  createJsonSchemaTransformObject,
  type FastifyPluginAsyncZod,
  serializerCompiler,
  validatorCompiler,
  type ZodTypeProvider,
} from 'fastify-type-provider-zod';
import { z } from 'zod';
import { errorBody } from '../../shared/api/http.ts';
import { UserError } from '../../shared/errors.ts';
import { text } from '../../shared/messages.ts';
import type { Db } from '../db/db.ts';
import { type AuthDeps, createAuth } from './auth.ts';
import { createErrorAnswers, type ErrorDeps } from './errors.ts';
import { createMetrics, healthRoutes } from './health.ts';

export interface HttpOptions {
  /** 'warn' and above writes no line per request. */
  logLevel: 'trace' | 'debug' | 'info' | 'warn' | 'error' | 'fatal' | 'silent';
  /** Believe X-Forwarded-*: true behind a proxy; or the addresses of the proxies. */
  trustProxy: boolean | readonly string[];
  /** Certificate (with its chain) and key as PEM: then this server speaks TLS itself. */
  tls?: { cert: string; key: string };
  /** For JSON; uploads have limits of their own. */
  bodyLimitBytes?: number;
  /** Tries per minute and address on a `guessable` route. 60: an office behind one address signs in at nine. */
  guessesPerMinute?: number;
}

export interface HttpDeps extends AuthDeps, ErrorDeps {
  db: Db;
  options: HttpOptions;
  routes: readonly FastifyPluginAsyncZod[];
}

export type App = FastifyInstance;

const maxHeaderBytes = 256 * 1024;
const maxJsonDepth = 100;
/** A person behind a public page, with room for a whole office behind one address. */
const publicRequestsPerMinute = 600;
export const version = '0.1.0';

/** Builds the application; nothing listens and nothing is asked of the database before that. */
export async function buildApp(deps: HttpDeps): Promise<App> {
  const { db, now, options } = deps;
  const isChatty = ['trace', 'debug', 'info'].includes(options.logLevel);
  const requestPrefix = now().getTime().toString(36);
  let requestCount = 0;
  let isStopping = false;

  const answers = createErrorAnswers(deps);
  const auth = createAuth(deps);
  const metrics = createMetrics({ db, now });

  const app = Fastify({
    logger: {
      level: options.logLevel,
      // What a request carries is never logged whole; this is for errors that carry their request along.
      redact: ['req.headers.cookie', 'req.headers.authorization', '*.headers.cookie', '*.headers.authorization', '*.password', '*.token'],
    },
    logController: new LogController({ disableRequestLogging: true }),
    trustProxy: typeof options.trustProxy === 'boolean' ? options.trustProxy : [...options.trustProxy],
    bodyLimit: options.bodyLimitBytes ?? 1024 * 1024,
    routerOptions: { maxParamLength: 1000 },
    http: { maxHeaderSize: maxHeaderBytes },
    ...(options.tls ? { serverFactory: (handler: RequestListener) => createSecureServer({ ...options.tls, maxHeaderSize: maxHeaderBytes, minVersion: 'TLSv1.2' }, handler) } : {}),
    // Slow is fine (uploads), endless is not.
    requestTimeout: 30 * 60_000,
    genReqId: () => `${requestPrefix}-${(++requestCount).toString(36)}`,
    requestIdHeader: false,
    return503OnClosing: false,
    // Found before any hook runs, which would have set the headers.
    frameworkErrors: (error, request, reply) => void answers.send(error, request, reply.headers(plainHeaders)),
    clientErrorHandler: answerBrokenRequest,
  }).withTypeProvider<ZodTypeProvider>();

  app.setValidatorCompiler(validatorCompiler);
  app.setSerializerCompiler(serializerCompiler);
  app.setErrorHandler((error, request, reply) => answers.send(error, request, reply));
  app.setNotFoundHandler((request, reply) => answers.notFound(request, reply));

  // Filled in by the hooks below before any handler of a route that is not public.
  app.decorateRequest('actor', null!);
  app.decorateRequest('token', '');
  app.decorateRequest('identify', function (this: FastifyRequest) {
    return auth.identify(this);
  });
  app.decorateReply('startSession', function (this: FastifyReply, token: string, expiresAt: Date) {
    auth.startSession(this, token, expiresAt);
    return this;
  });
  app.decorateReply('endSession', function (this: FastifyReply) {
    auth.endSession(this);
    return this;
  });

  await app.register(cookie);

  app.addHook('preClose', (done) => {
    isStopping = true;
    done();
  });
  app.addHook('onRequest', (request, reply, done) => {
    reply.headers(auth.isSecure(request) ? secureHeaders : plainHeaders);
    if (isStopping) return done(new UserError('server.stopping'));
    // Every escape for a NUL looks like this, in a path as in a query.
    if (request.url.includes('%00')) return done(nulRefused());
    done();
  });

  acceptJson(app);

  app.addHook('onRoute', (route) => {
    if (route.config?.public) {
      // Whoever is signed in is known and can be talked to; strangers are counted by address.
      route.config.rateLimit ??= { max: route.config.guessable ? (options.guessesPerMinute ?? 60) : publicRequestsPerMinute, timeWindow: '1 minute' };
    } else {
      route.onRequest = [auth.requireActor, ...asList(route.onRequest).filter((hook) => hook !== auth.requireActor)];
    }
    if (route.method === 'HEAD') return;
    const observe = metrics.observer(String(route.method), route.url);
    route.onResponse = [
      ...asList(route.onResponse),
      (request: FastifyRequest, reply: FastifyReply, done: () => void) => {
        observe(reply.statusCode, reply.elapsedTime);
        // Node closes the connections that are idle when it stops, not those that become so later.
        if (isStopping) setImmediate(() => app.server.closeIdleConnections());
        // The pattern and not the address: addresses hold tokens of invoices and webhooks.
        if (isChatty) {
          const { method } = request;
          request.log.info({ method, route: route.url, status: reply.statusCode, ms: Math.round(reply.elapsedTime), employeeId: request.actor?.employeeId }, 'request');
        }
        done();
      },
    ];
  });
  // After the hook above, which tells it what to count.
  await app.register(rateLimit, {
    global: false,
    errorResponseBuilder: (_request, { ttl }) => new UserError('request.too_many', { retryAfterSeconds: Math.max(1, Math.ceil(ttl / 1000)) }),
  });
  await app.register(websocket, { options: { maxPayload: 64 * 1024 } });

  await app.register(swagger, {
    openapi: {
      openapi: '3.1.0',
      info: { title: 'Vestnik', version, description: 'A CRM whose robots keep a company’s people informed. Errors have one shape everywhere: `Error`.' },
      components: {
        securitySchemes: {
          session: { type: 'apiKey', in: 'cookie', name: 'session', description: '`__Host-session` over https. What changes something must come from the same origin.' },
          token: { type: 'http', scheme: 'bearer', description: 'An API token of an employee.' },
        },
      },
      security: [{ session: [] }, { token: [] }],
    },
    transform: (route) => {
      const { schema: own } = route;
      if (!own || own.hide) return toJsonSchema(route);
      const isPublic = route.route.config?.public === true;
      const response = { ...(isObject(own.response) ? own.response : {}), default: errorAnswer };
      return toJsonSchema({ ...route, schema: { ...own, response, ...(isPublic ? { security: [] } : {}) } });
    },
    transformObject: withComponents,
  });

  app.get(
    '/api/openapi.json',
    {
      config: { public: true },
      schema: { tags: ['System'], summary: 'This description', response: { 200: z.unknown() } },
    },
    (_request, reply) => {
      // The description is JSON already; the schema above only describes it.
      return reply.type('application/json').serializer(JSON.stringify).send(app.swagger());
    },
  );
  await app.register(healthRoutes({ db, now, registry: metrics.registry }));
  for (const routes of deps.routes) await app.register(routes);
  return app;
}

const zodToJsonConfig: NonNullable<Parameters<typeof createJsonSchemaTransform>[0]>['zodToJsonConfig'] = {
  override({ zodSchema, jsonSchema }) {
    if (zodSchema instanceof z.ZodDate) Object.assign(jsonSchema, { type: 'string', format: 'date-time' });
    // What every reader knows: how a date is spelled, and how large a JavaScript number gets.
    if (jsonSchema.format !== undefined) delete jsonSchema.pattern;
    if (jsonSchema.maximum === Number.MAX_SAFE_INTEGER) delete jsonSchema.maximum;
    if (jsonSchema.minimum === Number.MIN_SAFE_INTEGER) delete jsonSchema.minimum;
  },
};
const toJsonSchema = createJsonSchemaTransform({ zodToJsonConfig });
const addComponents = createJsonSchemaTransformObject({ zodToJsonConfig });
const withComponents: typeof addComponents = (document) => {
  const whole = addComponents(document);
  // Each schema comes twice, as it is written and as it is read; what no route mentions is noise.
  const text = JSON.stringify(whole);
  if ('components' in whole && whole.components?.schemas) {
    for (const name of Object.keys(whole.components.schemas)) {
      if (!text.includes(`"#/components/schemas/${name}"`)) delete whole.components.schemas[name];
    }
  }
  return whole;
};
const errorAnswer = { description: 'An error', content: { 'application/json': { schema: errorBody } } };

/** Connections from now on get the new certificate; those that stand keep theirs. Does nothing without TLS. */
export function renewCertificate(app: App, tls: { cert: string; key: string }): void {
  const server: unknown = app.server;
  if (server instanceof SecureServer) server.setSecureContext(tls);
}

/** The OpenAPI description of a built application. */
export function describeApi(app: App): unknown {
  return app.swagger();
}

const plainHeaders = {
  // Answers are data: nothing in them may be loaded, run or framed. Pages of ours say otherwise themselves.
  'content-security-policy': "default-src 'none'; frame-ancestors 'none'",
  'x-content-type-options': 'nosniff',
  'referrer-policy': 'same-origin',
  'cache-control': 'no-store',
} as const;
const secureHeaders = { ...plainHeaders, 'strict-transport-security': 'max-age=31536000' } as const;

/**
 * JSON as Fastify reads it (refusing `__proto__`), except that no body at all is fine, and for what
 * PostgreSQL cannot store: a NUL is refused, half of a surrogate pair (a text cut inside an emoji)
 * becomes U+FFFD. In JSON both can only stand as escapes, so that looking for those is enough to know
 * that almost every body is clean. What is nested deeper than any contract is refused before anybody
 * walks down it. No other type is read: a page of another site could send text/plain unasked.
 */
function acceptJson(app: FastifyInstance): void {
  const parse = app.getDefaultJsonParser('error', 'error');
  app.removeAllContentTypeParsers();
  app.addContentTypeParser('application/json', { parseAs: 'string' }, (request, body, done) => {
    const json = String(body);
    if (json === '') return done(null, undefined);
    if (isNestedDeeper(json, maxJsonDepth)) return done(new UserError('request.malformed', { problem: 'http.problem.depth' }));
    if (!/\\u(0000|d[89a-f])/i.test(json)) return parse(request, json, done);
    parse(request, json, (error, value) => (error ? done(error) : holdsNul(value) ? done(nulRefused()) : done(null, wellFormed(value))));
  });
}

/** Brackets are counted outside of texts; whether it is JSON at all is said by the parser. */
function isNestedDeeper(json: string, limit: number): boolean {
  if (json.length <= limit) return false;
  let depth = 0;
  let isInText = false;
  for (let i = 0; i < json.length; i++) {
    const letter = json[i];
    if (isInText) {
      if (letter === '\\') i++;
      else if (letter === '"') isInText = false;
    } else if (letter === '"') isInText = true;
    else if (letter === '[' || letter === '{') {
      if (++depth > limit) return true;
    } else if (letter === ']' || letter === '}') depth--;
  }
  return false;
}

function holdsNul(value: unknown): boolean {
  if (typeof value === 'string') return value.includes('\0');
  return isObject(value) && Object.entries(value).some(([key, inner]) => key.includes('\0') || holdsNul(inner));
}

function wellFormed(value: unknown): unknown {
  if (typeof value === 'string') return value.toWellFormed();
  if (Array.isArray(value)) return value.map(wellFormed);
  return isObject(value) ? Object.fromEntries(Object.entries(value).map(([key, inner]) => [key.toWellFormed(), wellFormed(inner)])) : value;
}

function nulRefused(): UserError {
  // Before anybody is known the language is the company's at best: the key is translated when it is told.
  return new UserError('request.malformed', { problem: 'http.problem.nul' });
}

function isObject(value: unknown): value is object {
  return typeof value === 'object' && value !== null;
}

function asList<Hook>(hooks: Hook | Hook[] | undefined): Hook[] {
  return hooks === undefined ? [] : Array.isArray(hooks) ? hooks : [hooks];
}

/** What is not even HTTP never becomes a request: the answer is written on the bare socket. */
function answerBrokenRequest(error: Error & { code?: string }, socket: Socket): void {
  if (error.code === 'ECONNRESET' || !socket.writable) {
    socket.destroy();
    return;
  }
  const isTooLarge = error.code === 'HPE_HEADER_OVERFLOW';
  const code = isTooLarge ? 'request.too_large' : 'request.malformed';
  const message = isTooLarge
    ? text('en', 'errors.request.too_large', { limit: `${maxHeaderBytes / 1024} kB` })
    : text('en', 'errors.request.malformed', { problem: text('en', 'http.problem.unknown') });
  const body = JSON.stringify({ code, message, params: {} });
  socket.end(
    `HTTP/1.1 ${isTooLarge ? '431 Request Header Fields Too Large' : '400 Bad Request'}\r\nconnection: close\r\ncontent-type: application/json\r\ncontent-length: ${Buffer.byteLength(body)}\r\n\r\n${body}`,
  );
}
