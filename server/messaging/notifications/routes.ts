/** The bell over HTTP. */
import type { FastifyPluginAsyncZod } from 'fastify-type-provider-zod';
import { z } from 'zod';
import * as api from '../../../shared/api/notifications.ts';
import type { Notifications } from './notifications.ts';

const tags = ['Notifications'];

export function notificationsRoutes({ notifications }: { notifications: Notifications }): FastifyPluginAsyncZod {
  return async (app) => {
    app.get('/api/notifications', {
      schema: { tags, summary: 'My notifications, newest first', querystring: api.notificationsQuery, response: { 200: api.notificationList } },
    }, (request) => notifications.list(request.actor, request.query));

    app.get('/api/notifications/counters', {
      schema: { tags, summary: 'How many are unread', response: { 200: api.notificationCounters } },
    }, (request) => notifications.countUnread(request.actor));

    app.get('/api/notifications/sources', {
      schema: { tags, summary: 'Who and which robots have told me something lately', response: { 200: api.notificationSources } },
    }, (request) => notifications.sources(request.actor));

    app.post('/api/notifications/read', {
      schema: { tags, summary: 'Mark many or all as read', body: api.notificationsRead, response: { 200: api.notificationsReadCount } },
    }, (request) => notifications.markRead(request.actor, request.body));

    app.patch('/api/notifications/:id', {
      schema: { tags, summary: 'Mark one as read or unread', params: api.notificationParams, body: api.notificationChange, response: { 200: api.notification } },
    }, (request) => notifications.change(request.actor, request.params.id, request.body));

    app.delete('/api/notifications/:id', {
      schema: { tags, summary: 'Delete a notification', params: api.notificationParams, response: { 204: z.null() } },
    }, async (request, reply) => {
      await notifications.remove(request.actor, request.params.id);
      return reply.code(204).send(null);
    });
  };
}
