/** The messenger over HTTP. */
import type { FastifyPluginAsyncZod } from 'fastify-type-provider-zod';
import { z } from 'zod';
import * as api from '../../../shared/api/chat.ts';
import type { Chat } from './chat.ts';

const tags = ['Chat'];
const nothing = z.null();

export function chatRoutes({ chat }: { chat: Chat }): FastifyPluginAsyncZod {
  return async (app) => {
    app.get('/api/chats', {
      schema: { tags, summary: 'My chats, newest activity first; or open groups to join', querystring: api.chatListQuery, response: { 200: api.chatList } },
    }, (request) => chat.list(request.actor, request.query));

    app.get('/api/chats/counters', {
      schema: { tags, summary: 'How many of my chats have something unread', response: { 200: api.chatCounters } },
    }, (request) => chat.countUnread(request.actor));

    app.post('/api/chats', {
      schema: { tags, summary: 'Create a group, or find or create a private chat', body: api.chatCreate, response: { 201: api.chat } },
    }, async (request, reply) => reply.code(201).send(await chat.create(request.actor, request.body)));

    app.get('/api/chats/:id', {
      schema: { tags, summary: 'A chat', params: api.chatParams, response: { 200: api.chat } },
    }, (request) => chat.find(request.actor, request.params.id));

    app.patch('/api/chats/:id', {
      schema: { tags, summary: 'Rename a group, open or close it', params: api.chatParams, body: api.chatChange, response: { 200: api.chat } },
    }, (request) => chat.change(request.actor, request.params.id, request.body));

    app.delete('/api/chats/:id', {
      schema: { tags, summary: 'Delete a group', params: api.chatParams, response: { 204: nothing } },
    }, async (request, reply) => {
      await chat.remove(request.actor, request.params.id);
      return reply.code(204).send(null);
    });

    app.put('/api/chats/:id/membership', {
      schema: { tags, summary: 'Join an open group', params: api.chatParams, response: { 200: api.chat } },
    }, (request) => chat.join(request.actor, request.params.id));

    app.patch('/api/chats/:id/membership', {
      schema: { tags, summary: 'Pin or mute a chat for oneself', params: api.chatParams, body: api.chatOwnChange, response: { 204: nothing } },
    }, async (request, reply) => {
      await chat.changeOwn(request.actor, request.params.id, request.body);
      return reply.code(204).send(null);
    });

    app.delete('/api/chats/:id/membership', {
      schema: { tags, summary: 'Leave a group', params: api.chatParams, response: { 204: nothing } },
    }, async (request, reply) => {
      await chat.leave(request.actor, request.params.id);
      return reply.code(204).send(null);
    });

    app.get('/api/chats/:id/members', {
      schema: { tags, summary: 'Members, by id of the employee', params: api.chatParams, querystring: api.chatMembersQuery, response: { 200: api.chatMembers } },
    }, (request) => chat.members(request.actor, request.params.id, request.query));

    app.post('/api/chats/:id/members', {
      schema: { tags, summary: 'Add members, with or without the history', params: api.chatParams, body: api.chatMembersAdd, response: { 201: api.chatMembersAdded } },
    }, async (request, reply) => reply.code(201).send({ addedIds: await chat.addMembers(request.actor, request.params.id, request.body) }));

    app.patch('/api/chats/:id/members/:employeeId', {
      schema: { tags, summary: 'Give a member a role', params: api.chatMemberParams, body: api.chatMemberChange, response: { 204: nothing } },
    }, async (request, reply) => {
      await chat.changeMember(request.actor, request.params.id, request.params.employeeId, request.body.role);
      return reply.code(204).send(null);
    });

    app.delete('/api/chats/:id/members/:employeeId', {
      schema: { tags, summary: 'Remove a member', params: api.chatMemberParams, response: { 204: nothing } },
    }, async (request, reply) => {
      await chat.removeMember(request.actor, request.params.id, request.params.employeeId);
      return reply.code(204).send(null);
    });

    app.put('/api/chats/:id/read', {
      schema: { tags, summary: 'Mark everything up to a message as read', params: api.chatParams, body: api.readUpTo, response: { 204: nothing } },
    }, async (request, reply) => {
      await chat.markRead(request.actor, request.params.id, request.body.upToId);
      return reply.code(204).send(null);
    });

    app.get('/api/messages', {
      schema: { tags, summary: 'Messages of my chats that say this, newest first', querystring: api.foundMessagesQuery, response: { 200: api.foundMessageList } },
    }, (request) => chat.search(request.actor, request.query));

    app.get('/api/chats/:id/messages', {
      schema: { tags, summary: 'Messages: the newest, before, after or around one; or those found', params: api.chatParams, querystring: api.messagesQuery, response: { 200: api.messageList } },
    }, (request) => chat.messages(request.actor, request.params.id, request.query));

    app.post('/api/chats/:id/messages', {
      schema: { tags, summary: 'Send a message', params: api.chatParams, body: api.messageCreate, response: { 201: api.message } },
    }, async (request, reply) => reply.code(201).send(await chat.send(request.actor, request.params.id, request.body)));

    app.patch('/api/chats/:id/messages/:messageId', {
      schema: { tags, summary: 'Edit an own message', params: api.chatMessageParams, body: api.messageChange, response: { 200: api.message } },
    }, (request) => chat.editMessage(request.actor, request.params.id, request.params.messageId, request.body));

    app.delete('/api/chats/:id/messages/:messageId', {
      schema: { tags, summary: 'Delete a message', params: api.chatMessageParams, response: { 204: nothing } },
    }, async (request, reply) => {
      await chat.deleteMessage(request.actor, request.params.id, request.params.messageId);
      return reply.code(204).send(null);
    });

    app.get('/api/chats/:id/pins', {
      schema: { tags, summary: 'Messages kept on top of a chat', params: api.chatParams, response: { 200: api.pinnedMessages } },
    }, (request) => chat.pinned(request.actor, request.params.id));

    for (const [method, isOn] of [['PUT', true], ['DELETE', false]] as const) {
      app.route({
        method,
        url: '/api/chats/:id/messages/:messageId/pin',
        schema: { tags, summary: isOn ? 'Keep a message on top of its chat' : 'Keep it there no more', params: api.chatMessageParams, response: { 204: nothing } },
        async handler(request, reply) {
          const { id, messageId } = request.params;
          await chat.pin(request.actor, id, messageId, isOn);
          return reply.code(204).send(null);
        },
      });
      app.route({
        method,
        url: '/api/chats/:id/messages/:messageId/reactions/:reaction',
        schema: { tags, summary: isOn ? 'React to a message' : 'Take an own reaction back', params: api.messageReactionParams, response: { 204: nothing } },
        async handler(request, reply) {
          const { id, messageId, reaction } = request.params;
          await chat.react(request.actor, id, messageId, reaction, isOn);
          return reply.code(204).send(null);
        },
      });
    }
  };
}
