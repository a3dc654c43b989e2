/** Mail senders over HTTP. */
import type { FastifyPluginAsyncZod } from 'fastify-type-provider-zod';
import { z } from 'zod';
import * as api from '../../../shared/api/deliveries.ts';
import type { Db } from '../../db/db.ts';
import type { Mail } from './mail.ts';

const tags = ['Mail'];
const params = z.object({ id: api.deliveryId });
/** Saving and testing talk to servers outside: a form does that now and then, a script must not do it all day. */
const config = { rateLimit: { max: 10, timeWindow: '1 minute' } };

export function mailRoutes({ mail, db }: { mail: Mail; db: Db }): FastifyPluginAsyncZod {
  return async (app) => {
    app.get('/api/mail/senders', {
      schema: { tags, summary: 'The mail senders with their accounts (administrators)', response: { 200: z.array(api.mailSender) } },
    }, (request) => mail.senders(request.actor));

    app.get('/api/mail/sender-choices', {
      schema: { tags, summary: 'What a robot can send from', response: { 200: z.array(api.channelChoice) } },
    }, () => mail.choices(db));

    app.post('/api/mail/senders', {
      config,
      schema: { tags, summary: 'Add a sender; its account is tried at once', body: api.createMailSender, response: { 201: api.mailSender } },
    }, async (request, reply) => reply.code(201).send(await mail.createSender(request.actor, request.body)));

    app.patch('/api/mail/senders/:id', {
      config,
      schema: { tags, summary: 'Change a sender; its account is tried at once', params, body: api.changeMailSender, response: { 200: api.mailSender } },
    }, (request) => mail.changeSender(request.actor, request.params.id, request.body));

    app.delete('/api/mail/senders/:id', {
      schema: { tags, summary: 'Delete a sender', params, response: { 204: z.null() } },
    }, async (request, reply) => {
      await mail.deleteSender(request.actor, request.params.id);
      return reply.code(204).send(null);
    });

    app.post('/api/mail/senders/:id/test', {
      config,
      schema: { tags, summary: 'Send a test letter', params, body: api.testMailSender, response: { 202: api.queuedDelivery } },
    }, async (request, reply) => reply.code(202).send({ deliveryId: await mail.testSender(request.actor, request.params.id, request.body.address) }));

    app.post('/api/mail/bounces', {
      schema: { tags, summary: 'Hand in a letter that came back (RFC 3464); its delivery has failed', body: api.mailBounce, response: { 200: api.takenBounce } },
    }, (request) => mail.takeBounce(request.actor, request.body.message));
  };
}
