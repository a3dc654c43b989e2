/** SMS providers over HTTP. */
import type { FastifyPluginAsyncZod } from 'fastify-type-provider-zod';
import { z } from 'zod';
import * as api from '../../../shared/api/deliveries.ts';
import type { Db } from '../../db/db.ts';
import type { Sms } from './sms.ts';

const tags = ['SMS'];
const params = z.object({ id: api.deliveryId });
/** A test message costs money. */
const config = { rateLimit: { max: 5, timeWindow: '1 minute' } };

export function smsRoutes({ sms, db }: { sms: Sms; db: Db }): FastifyPluginAsyncZod {
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

    app.post('/api/sms/providers/:id/test', {
      config,
      schema: { tags, summary: 'Send a test message', params, body: api.testSmsProvider, response: { 202: api.queuedDelivery } },
    }, async (request, reply) => reply.code(202).send({ deliveryId: await sms.testProvider(request.actor, request.params.id, request.body) }));
  };
}
