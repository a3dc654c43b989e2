/** SMS providers over HTTP. */
import type { FastifyReply, FastifyRequest } from 'fastify';
import type { FastifyPluginAsyncZod } from 'fastify-type-provider-zod';
import { z } from 'zod';
import * as api from '../../../shared/api/deliveries.ts';
import { UserError } from '../../../shared/errors.ts';
import type { Db } from '../../db/db.ts';
import type { Sms } from './sms.ts';

const tags = ['SMS'];
const params = z.object({ id: api.deliveryId });
/** A test message costs money. */
const config = { rateLimit: { max: 5, timeWindow: '1 minute' } };

export function smsRoutes({ sms, db, publicUrl }: { sms: Sms; db: Db; publicUrl: string }): FastifyPluginAsyncZod {
  return async (app) => {
    app.get('/api/sms/provider-types', {
      schema: { tags, summary: 'The kinds of provider and their settings', response: { 200: z.array(api.smsProviderType) } },
    }, async (request) => sms.providerTypes(request.actor.language));

    app.get('/api/sms/providers', {
      schema: { tags, summary: 'The providers that are set up (administrators)', response: { 200: z.array(api.smsProvider) } },
    }, (request) => sms.providers(request.actor));

    app.get('/api/sms/provider-choices', {
      schema: { tags, summary: 'What a robot can send through', response: { 200: z.array(api.channelChoice) } },
    }, () => sms.choices(db));

    app.post('/api/sms/providers', {
      schema: { tags, summary: 'Set up a provider', body: api.createSmsProvider, response: { 201: api.smsProvider } },
    }, async (request, reply) => reply.code(201).send(await sms.createProvider(request.actor, request.body)));

    app.patch('/api/sms/providers/:id', {
      schema: { tags, summary: 'Change a provider', params, body: api.changeSmsProvider, response: { 200: api.smsProvider } },
    }, (request) => sms.changeProvider(request.actor, request.params.id, request.body));

    app.delete('/api/sms/providers/:id', {
      schema: { tags, summary: 'Delete a provider', params, response: { 204: z.null() } },
    }, async (request, reply) => {
      await sms.deleteProvider(request.actor, request.params.id);
      return reply.code(204).send(null);
    });

    app.get('/api/sms/providers/:id/balance', {
      config: { rateLimit: { max: 20, timeWindow: '1 minute' } },
      schema: { tags, summary: 'What is left on the account (administrators)', params, response: { 200: api.smsBalance } },
    }, (request) => sms.balance(request.actor, request.params.id));

    app.post('/api/sms/providers/:id/callback-url', {
      schema: { tags, summary: 'Replace the address of callbacks; the old one is heard for a week more', params, response: { 200: api.smsProvider } },
    }, (request) => sms.replaceCallbackUrl(request.actor, request.params.id));

    await app.register(callbackRoutes({ sms, publicUrl }));

    app.post('/api/sms/providers/:id/test', {
      config,
      schema: { tags, summary: 'Send a test message', params, body: api.testSmsProvider, response: { 202: api.queuedDelivery } },
    }, async (request, reply) => reply.code(202).send({ deliveryId: await sms.testProvider(request.actor, request.params.id, request.body) }));
  };
}

const callbackParams = z.object({ providerId: z.string().max(1000), secret: z.string().max(1000) });

/** Providers call here, each with what its protocol sends: any type of body is read, and only here. */
function callbackRoutes({ sms, publicUrl }: { sms: Sms; publicUrl: string }): FastifyPluginAsyncZod {
  return async (app) => {
    app.removeAllContentTypeParsers();
    app.addContentTypeParser('*', { parseAs: 'buffer' }, (_request, body, done) => done(null, body));
    const options = {
      // Reports of many messages come from one address; guessing a secret of 192 bits is of no use.
      config: { public: true, rateLimit: { max: 30_000, timeWindow: '1 minute' } },
      bodyLimit: 64 * 1024,
    };
    const schema = { tags, params: callbackParams, response: { 200: z.string() } };
    async function answer(request: FastifyRequest, reply: FastifyReply, { providerId, secret }: z.output<typeof callbackParams>): Promise<string> {
      const rawBody = Buffer.isBuffer(request.body) ? request.body : Buffer.alloc(0);
      const id = /^[1-9]\d{0,14}$/.test(providerId) ? Number(providerId) : 0;
      const url = new URL(request.url, publicUrl);
      const said = await sms.callback(id, secret, {
        method: request.method === 'POST' ? 'POST' : 'GET', url: url.href, rawBody,
        headers: Object.fromEntries(Object.entries(request.headers).map(([name, value]) => [name, Array.isArray(value) ? value.join(', ') : (value ?? '')])),
        query: Object.fromEntries(url.searchParams),
        body: bodyOf(rawBody, request.headers['content-type']),
      });
      if (!said) throw new UserError('request.not_found', { kind: 'sms_provider', id: providerId });
      reply.code(said.status).type(said.contentType);
      return said.body;
    }
    app.get('/api/sms/callbacks/:providerId/:secret', { ...options, schema: { ...schema, summary: 'A provider reports what became of messages' } },
      (request, reply) => answer(request, reply, request.params));
    app.post('/api/sms/callbacks/:providerId/:secret', { ...options, schema: { ...schema, summary: 'A provider reports what became of messages' } },
      (request, reply) => answer(request, reply, request.params));
  };
}

function bodyOf(raw: Buffer, contentType = ''): unknown {
  if (raw.length === 0) return undefined;
  const text = raw.toString('utf8');
  if (/^application\/x-www-form-urlencoded/i.test(contentType)) return Object.fromEntries(new URLSearchParams(text));
  if (!/^application\/([\w.-]+\+)?json/i.test(contentType)) return text;
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
