/** The delivery journal over HTTP. */
import type { FastifyPluginAsyncZod } from 'fastify-type-provider-zod';
import { z } from 'zod';
import * as api from '../../shared/api/deliveries.ts';
import { errorMessage } from '../../shared/messages.ts';
import type { Deliveries, Journal } from './deliveries.ts';

const tags = ['Deliveries'];
const params = z.object({ id: api.deliveryId });

export function deliveriesRoutes({ deliveries }: { deliveries: Deliveries }): FastifyPluginAsyncZod {
  return async (app) => {
    app.get('/api/deliveries', {
      schema: { tags, summary: 'The journal of e-mail and SMS, newest first', querystring: api.deliveryFilter, response: { 200: api.deliveryPage } },
    }, async (request) => {
      const { cursor, limit, ...filter } = request.query;
      const { items, nextCursor } = await deliveries.list(request.actor, filter, { cursor, limit });
      return { items: items.map((item) => told(item, request.actor.language)), nextCursor };
    });

    app.get('/api/deliveries/:id', {
      schema: { tags, summary: 'A delivery with its attempts', params, response: { 200: api.deliveryWithLog } },
    }, async (request) => {
      const found = await deliveries.get(request.actor, request.params.id);
      return { ...told(found, request.actor.language), log: found.log };
    });

    app.get('/api/delivery-budgets', {
      schema: { tags, summary: 'How much one employee is sent at most (administrators)', response: { 200: api.deliveryBudgets } },
    }, (request) => deliveries.budgets(request.actor));

    app.put('/api/delivery-budgets', {
      schema: { tags, summary: 'Change how much one employee is sent at most: more waits', body: api.deliveryBudgets, response: { 204: z.null() } },
    }, async (request, reply) => {
      await deliveries.changeBudgets(request.actor, request.body);
      return reply.code(204).send(null);
    });

    app.post('/api/deliveries/:id/decision', {
      schema: { tags, summary: 'Send again, or count as sent, what is unknown or failed', params, body: api.decideDelivery, response: { 204: z.null() } },
    }, async (request, reply) => {
      await deliveries.decide(request.actor, request.params.id, request.body.decision);
      return reply.code(204).send(null);
    });
  };
}

function told(item: Journal, language: 'ru' | 'en') {
  const { error } = item;
  return { ...item, error: error && { code: error.code, message: errorMessage(language, error.code, error.params), detail: error.detail ?? null } };
}
