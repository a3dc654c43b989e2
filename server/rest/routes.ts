/**
 * The gateway over HTTP, and what a settings page needs to manage it. `/rest/…` and `/oauth/token/` have readers of
 * bodies, errors and limits of their own, and know nothing of cookies: another site cannot act for somebody signed in.
 */
import multipart from '@fastify/multipart';
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import type { FastifyPluginAsyncZod } from 'fastify-type-provider-zod';
import { z } from 'zod';
import * as api from '../../shared/api/rest.ts';
import { UserError } from '../../shared/errors.ts';
import { type Params, parseForm, parseJson, parsePairs } from './encoding.ts';
import { malformed } from './errors.ts';
import type { Rest, RestResponse } from './rest.ts';

/** Files travel as base64 inside of bodies. */
const maxBodyBytes = 64 * 1024 * 1024;

const crossOrigin = {
  // Nothing here hangs on cookies: who may call holds a secret.
  'access-control-allow-origin': '*',
  'access-control-allow-headers': 'origin, content-type, accept, authorization, x-requested-with',
  'access-control-allow-methods': 'GET, POST, OPTIONS',
} as const;

/** The body as it came, with the type it was said to have. */
interface Bytes {
  type: string;
  bytes: Buffer;
}

function isBytes(body: unknown): body is Bytes {
  return typeof body === 'object' && body !== null && 'bytes' in body;
}

async function readBody(body: unknown): Promise<Params> {
  if (!isBytes(body) || body.bytes.length === 0) return {};
  const kind = body.type.split(';', 1)[0]?.trim().toLowerCase() ?? '';
  if (kind === 'multipart/form-data') return parsePairs(await readMultipart(body));
  const text = body.bytes.toString('utf8');
  // Some clients send JSON without saying so.
  if (kind.endsWith('json') || (kind !== 'application/x-www-form-urlencoded' && /^\s*[{[]/.test(text))) return parseJson(text);
  return parseForm(text);
}

/** A file becomes what it is in JSON: its name and its bytes in base64. */
async function readMultipart({ type, bytes }: Bytes): Promise<[string, unknown][]> {
  let form: FormData;
  try {
    form = await new Response(new Uint8Array(bytes), { headers: { 'content-type': type } }).formData();
  } catch {
    return unreadable();
  }
  return Promise.all([...form].map(async ([name, value]): Promise<[string, unknown]> => {
    if (typeof value !== 'string') return [name, [value.name, Buffer.from(await value.arrayBuffer()).toString('base64')]];
    if (value.includes('\0')) throw malformed('A text contains a NUL character.');
    return [name, value.toWellFormed()];
  }));
}

const queryOf = (request: FastifyRequest): string => {
  const { url = '' } = request.raw;
  const mark = url.indexOf('?');
  return mark < 0 ? '' : url.slice(mark + 1);
};
const pathOf = (request: FastifyRequest): string => (request.raw.url ?? '').split('?', 1)[0] ?? '';

function send(reply: FastifyReply, { status, type, body }: RestResponse): FastifyReply {
  return reply.code(status).headers(crossOrigin).header('content-type', type).send(body);
}

async function gateway(app: FastifyInstance, rest: Rest): Promise<void> {
  app.removeAllContentTypeParsers();
  app.addContentTypeParser('*', { parseAs: 'buffer', bodyLimit: maxBodyBytes }, (request, bytes, done) => {
    done(null, { type: request.headers['content-type'] ?? '', bytes });
  });
  app.setErrorHandler(async (error, request, reply) => {
    const status = error instanceof Error && 'statusCode' in error ? error.statusCode : undefined;
    const known = status === 413 ? malformed(`The request is larger than ${maxBodyBytes / 1024 / 1024} MB.`, 413)
      : error instanceof UserError && error.code === 'request.malformed' ? malformed('A text contains a NUL character.')
      : typeof status === 'number' && status >= 400 && status < 500 ? malformed('The request cannot be read.')
      : error;
    return send(reply, await rest.handle(pathOf(request).replace(/^\/+rest\/+/i, ''), () => {
      throw known;
    }));
  });
  const hidden = { schema: { hide: true }, config: { public: true, rateLimit: false as const }, bodyLimit: maxBodyBytes };

  app.options('/rest/*', hidden, (_request, reply) => reply.code(204).headers(crossOrigin).header('access-control-max-age', '86400').send());
  app.route({
    ...hidden, method: ['GET', 'POST'], url: '/rest/*',
    handler: async (request, reply) =>
      send(reply, await rest.handle(pathOf(request).replace(/^\/+rest\/+/, ''), async () => ({
        query: parseForm(queryOf(request)), body: await readBody(request.body), authorization: request.headers.authorization, address: request.ip,
      }))),
  });

  for (const url of ['/oauth/token', '/oauth/token/']) {
    app.route({
      ...hidden, method: ['GET', 'POST'], url,
      handler: async (request, reply) =>
        send(reply, await rest.renew(async () => ({ params: { ...parseForm(queryOf(request)), ...(await readBody(request.body)) }, address: request.ip }))),
    });
  }
}

const tokenOf = (request: FastifyRequest): string => {
  const { token } = parseForm(queryOf(request));
  return typeof token === 'string' ? token : '';
};

function unreadable(): never {
  throw malformed('The multipart body cannot be read.');
}

/** Addresses of files: bytes stream through, and none of them is held in memory. */
async function files(app: FastifyInstance, rest: Rest): Promise<void> {
  const hidden = { schema: { hide: true }, config: { public: true, rateLimit: false as const } };
  app.removeAllContentTypeParsers();
  // How large a file may be is said by the drive.
  await app.register(multipart, { limits: { files: 1, fields: 100, fieldSize: 10_000, fileSize: Number.MAX_SAFE_INTEGER } });
  app.addContentTypeParser('*', (_request, payload, done) => done(null, payload));
  // After a refusal the rest of the body is read and thrown away: unread, it would block the connection.
  app.addHook('onResponse', async (request) => {
    request.raw.unpipe().resume();
  });

  for (const url of ['/rest/download', '/rest/download.json']) {
    app.get(url, hidden, async (request, reply) => {
      const answer = await rest.download({ token: tokenOf(request), address: request.ip, asked: { method: request.method, headers: request.headers } });
      if ('type' in answer) return send(reply, answer);
      return reply.code(answer.status).headers({ ...crossOrigin, ...answer.headers }).send(answer.body);
    });
  }
  for (const url of ['/rest/upload', '/rest/upload.json']) {
    app.post(url, hidden, async (request, reply) => send(reply, await rest.upload({
      token: tokenOf(request), address: request.ip,
      async next() {
        const part = request.isMultipart() ? await request.file().catch(unreadable) : undefined;
        return part ? { name: part.filename, source: part.file } : null;
      },
    })));
  }
}

const nothing = z.null().describe('No content');
const tags = ['REST'];

export function restRoutes({ rest }: { rest: Rest }): FastifyPluginAsyncZod {
  const { credentials } = rest;
  return async (app) => {
    await app.register(async (inner) => gateway(inner, rest));
    await app.register(async (inner) => files(inner, rest));

    app.get('/api/rest/webhooks', { schema: { tags, summary: 'Incoming webhooks: mine, or all for administrators', response: { 200: api.webhooks } } }, async ({ actor }) => ({
      items: await credentials.webhooks(actor),
    }));
    app.post('/api/rest/webhooks', {
      schema: { tags, summary: 'Create an incoming webhook', description: 'Its address is in this answer only.', body: api.newWebhook, response: { 201: api.createdWebhook } },
    }, async ({ actor, body }, reply) => reply.code(201).send(await credentials.createWebhook(actor, body)));
    app.delete('/api/rest/webhooks/:id', { schema: { tags, summary: 'Revoke an incoming webhook', params: api.idParams, response: { 204: nothing } } }, async ({ actor, params }, reply) => {
      await credentials.revokeWebhook(actor, params.id);
      return reply.code(204).send(null);
    });

    app.get('/api/rest/scopes', { schema: { tags, summary: 'Scopes a webhook or an application can be limited to', response: { 200: api.scopes } } }, () => ({
      items: [...rest.catalogue.scopes].filter((scope) => scope !== 'basic').sort(),
    }));

    app.get('/api/rest/apps', { schema: { tags, summary: 'Local applications (administrators)', response: { 200: api.apps } } }, async ({ actor }) => ({ items: await credentials.apps(actor) }));
    app.post('/api/rest/apps', {
      schema: { tags, summary: 'Create a local application with its first tokens', description: 'Secret and tokens are in this answer only.', body: api.newApp, response: { 201: api.createdApp } },
    }, async ({ actor, body }, reply) => {
      const { app: made, clientSecret, applicationToken, grant } = await credentials.createApp(actor, { ...body, lifeMs: lifeMs(body.tokenSeconds) });
      return reply.code(201).send({ ...made, clientSecret, applicationToken, ...asToken(grant) });
    });
    app.post('/api/rest/apps/:id/tokens', {
      schema: { tags, summary: 'Issue another pair of tokens of an application', params: api.idParams, body: api.newToken, response: { 201: api.issuedToken } },
    }, async ({ actor, params, body }, reply) =>
      reply.code(201).send(asToken(await credentials.issueToken(actor, params.id, { employeeId: body.employeeId, lifeMs: lifeMs(body.tokenSeconds) }))));
    app.delete('/api/rest/apps/:id', { schema: { tags, summary: 'Delete a local application; its tokens end', params: api.idParams, response: { 204: nothing } } }, async ({ actor, params }, reply) => {
      await credentials.deleteApp(actor, params.id);
      return reply.code(204).send(null);
    });
  };
}

const lifeMs = (seconds: number | undefined) => (seconds === undefined ? undefined : seconds * 1000);

function asToken(grant: { access_token: string; refresh_token: string; expires: number; client_endpoint: string; user_id: number }) {
  return {
    accessToken: grant.access_token, refreshToken: grant.refresh_token, expiresAt: new Date(grant.expires * 1000), endpoint: grant.client_endpoint, employeeId: grant.user_id,
  };
}
