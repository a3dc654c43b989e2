/** The delivery journal over HTTP. */
import type { FastifyPluginAsyncZod } from 'fastify-type-provider-zod';
import { z } from 'zod';
import * as api from '../../shared/api/deliveries.ts';
import { errorMessage } from '../../shared/messages.ts';
import type { Db } from '../db/db.ts';
import type { Actor } from '../people/people.ts';
import type { Deliveries, Journal } from './deliveries.ts';

const tags = ['Deliveries'];
const params = z.object({ id: api.deliveryId });
const byRun = z.object({ runId: api.deliveryId });

/** `readRun` throws when the reader may not see the run, or there is none. */
export function deliveriesRoutes({ deliveries, db, readRun }: { deliveries: Deliveries; db: Db; readRun: (actor: Actor, runId: number) => Promise<unknown> }): FastifyPluginAsyncZod {
  return async (app) => {
    app.get('/api/deliveries', {
      schema: { tags, summary: 'The journal of e-mail and SMS, newest first', querystring: api.deliveryFilter, response: { 200: api.deliveryPage } },
    }, async (request) => {
      const { cursor, limit, ...filter } = request.query;
      const { items, nextCursor } = await deliveries.list(request.actor, filter, { cursor, limit });
      return { items: items.map((item) => told(item, request.actor.language)), nextCursor };
    });

    app.get('/api/deliveries/counters', {
      schema: { tags, summary: 'How many wait for a decision (administrators)', response: { 200: api.deliveryCounters } },
    }, (request) => deliveries.counters(request.actor));

    app.get('/api/delivery-figures', {
      schema: { tags, summary: 'What was sent in the last 24 hours, by hour and by sender (administrators)', response: { 200: api.deliveryFigures } },
    }, (request) => deliveries.figures(request.actor));

    app.get('/api/deliveries/:id', {
      schema: { tags, summary: 'A delivery with its attempts', params, response: { 200: api.deliveryWithLog } },
    }, async (request) => {
      const found = await deliveries.get(request.actor, request.params.id);
      return { ...told(found, request.actor.language), log: found.log };
    });

    app.post('/api/deliveries/decisions', {
      schema: { tags, summary: 'Decide on many at once (administrators)', body: api.decideDeliveries, response: { 200: api.decidedDeliveries } },
    }, (request) => deliveries.decideAll(request.actor, [...new Set(request.body.ids)], request.body.decision));

    app.get('/api/runs/:runId/deliveries', {
      schema: { tags, summary: 'What became of the e-mail and SMS of a run', params: byRun, response: { 200: z.array(api.runDelivery) } },
    }, async (request) => {
      const { runId } = request.params;
      await readRun(request.actor, runId);
      return (await deliveries.byRuns(db, [runId])).map((item) => told(item, request.actor.language));
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
