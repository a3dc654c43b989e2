/** How I want to be told, and my devices, over HTTP. */
import type { FastifyPluginAsyncZod } from 'fastify-type-provider-zod';
import { z } from 'zod';
import * as api from '../../shared/api/push.ts';
import type { Push } from './push.ts';

const tags = ['Notifications'];

export function pushRoutes({ push }: { push: Push }): FastifyPluginAsyncZod {
  return async (app) => {
    app.get('/api/notification-settings', {
      schema: { tags, summary: 'How I want to be told', response: { 200: api.notificationSettingsAnswer } },
    }, (request) => push.settings(request.actor));

    app.put('/api/notification-settings', {
      schema: { tags, summary: 'Set quiet hours, sound, and what browsers are told of', body: api.notificationSettings, response: { 200: api.notificationSettingsAnswer } },
    }, (request) => push.changeSettings(request.actor, request.body));

    app.get('/api/push/key', {
      schema: { tags, summary: 'The key browsers subscribe with', response: { 200: api.pushKey } },
    }, () => push.publicKey());

    app.get('/api/push/devices', {
      schema: { tags, summary: 'My browsers that are told when no tab is open', response: { 200: api.pushDevices } },
    }, (request) => push.devices(request.actor));

    app.post('/api/push/devices', {
      schema: { tags, summary: 'Tell this browser too', body: api.pushSubscribe, response: { 201: api.pushDevice } },
    }, async (request, reply) => reply.code(201).send(await push.subscribe(request.actor, request.body, request.headers['user-agent'] ?? '')));

    app.delete('/api/push/devices/:id', {
      schema: { tags, summary: 'Tell a browser no more', params: api.pushDeviceParams, response: { 204: z.null() } },
    }, async (request, reply) => {
      await push.forget(request.actor, request.params.id);
      return reply.code(204).send(null);
    });

    app.post('/api/push/test', {
      schema: { tags, summary: 'Send a test to my devices', response: { 204: z.null() } },
    }, async (request, reply) => {
      await push.test(request.actor);
      return reply.code(204).send(null);
    });
  };
}
