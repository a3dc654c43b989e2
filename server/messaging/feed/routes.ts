/** The feed over HTTP. */
import type { FastifyPluginAsyncZod } from 'fastify-type-provider-zod';
import { z } from 'zod';
import * as api from '../../../shared/api/feed.ts';
import type { Feed } from './feed.ts';

const tags = ['Feed'];
const nothing = z.null();

export function feedRoutes({ feed }: { feed: Feed }): FastifyPluginAsyncZod {
  return async (app) => {
    app.get('/api/posts', {
      schema: { tags, summary: 'Posts I may see, newest first', querystring: api.postsQuery, response: { 200: api.postList } },
    }, (request) => feed.list(request.actor, request.query));

    app.get('/api/posts/tags', {
      schema: { tags, summary: 'Tags of the posts I may see, most used first', response: { 200: api.feedTags } },
    }, (request) => feed.tags(request.actor));

    app.get('/api/posts/counters', {
      schema: { tags, summary: 'How many posts are new to me', response: { 200: api.feedCounters } },
    }, (request) => feed.unseen(request.actor));

    app.put('/api/posts/seen', {
      schema: { tags, summary: 'I have seen my feed up to a post', body: api.feedSeen, response: { 204: nothing } },
    }, async (request, reply) => {
      await feed.markSeen(request.actor, request.body.upToId);
      return reply.code(204).send(null);
    });

    app.post('/api/posts', {
      schema: { tags, summary: 'Write a post', body: api.postCreate, response: { 201: api.post } },
    }, async (request, reply) => reply.code(201).send(await feed.create(request.actor, request.body)));

    app.get('/api/posts/:id', {
      schema: { tags, summary: 'A post', params: api.postParams, response: { 200: api.post } },
    }, (request) => feed.find(request.actor, request.params.id));

    app.patch('/api/posts/:id', {
      schema: { tags, summary: 'Edit an own post', params: api.postParams, body: api.postChange, response: { 200: api.post } },
    }, (request) => feed.change(request.actor, request.params.id, request.body));

    app.delete('/api/posts/:id', {
      schema: { tags, summary: 'Delete a post', params: api.postParams, response: { 204: nothing } },
    }, async (request, reply) => {
      await feed.remove(request.actor, request.params.id);
      return reply.code(204).send(null);
    });

    app.get('/api/posts/:id/readers', {
      schema: { tags, summary: 'Who sees a post', params: api.postParams, querystring: api.postReadersQuery, response: { 200: api.postReaders } },
    }, (request) => feed.readers(request.actor, request.params.id, request.query));

    for (const [method, isOn] of [['PUT', true], ['DELETE', false]] as const) {
      app.route({
        method,
        url: '/api/posts/:id/pin',
        schema: { tags, summary: isOn ? 'Keep a post on top of my feed' : 'Keep it there no longer', params: api.postParams, response: { 204: nothing } },
        async handler(request, reply) {
          await feed.pin(request.actor, request.params.id, isOn);
          return reply.code(204).send(null);
        },
      });
    }

    app.put('/api/posts/:id/acknowledgement', {
      schema: { tags, summary: 'Say that I have read an important post', params: api.postParams, response: { 204: nothing } },
    }, async (request, reply) => {
      await feed.acknowledge(request.actor, request.params.id);
      return reply.code(204).send(null);
    });

    app.get('/api/posts/:id/acknowledgements', {
      schema: { tags, summary: 'Who has read an important post, and who has not', params: api.postParams, response: { 200: api.postAcknowledgements } },
    }, (request) => feed.acknowledgements(request.actor, request.params.id));

    app.put('/api/posts/:id/reactions/:reaction', {
      schema: { tags, summary: 'React to a post', params: api.postReactionParams, response: { 204: nothing } },
    }, async (request, reply) => {
      await feed.react(request.actor, request.params.id, request.params.reaction, true);
      return reply.code(204).send(null);
    });

    app.delete('/api/posts/:id/reactions/:reaction', {
      schema: { tags, summary: 'Take an own reaction back', params: api.postReactionParams, response: { 204: nothing } },
    }, async (request, reply) => {
      await feed.react(request.actor, request.params.id, request.params.reaction, false);
      return reply.code(204).send(null);
    });

    app.get('/api/posts/:id/comments', {
      schema: { tags, summary: 'Comments of a post, oldest first', params: api.postParams, querystring: api.postCommentsQuery, response: { 200: api.postCommentList } },
    }, (request) => feed.comments(request.actor, request.params.id, request.query));

    app.post('/api/posts/:id/comments', {
      schema: { tags, summary: 'Comment on a post', params: api.postParams, body: api.postCommentCreate, response: { 201: api.postComment } },
    }, async (request, reply) => reply.code(201).send(await feed.comment(request.actor, request.params.id, request.body)));

    app.patch('/api/posts/:id/comments/:commentId', {
      schema: { tags, summary: 'Edit an own comment', params: api.postCommentParams, body: api.postCommentChange, response: { 200: api.postComment } },
    }, (request) => feed.changeComment(request.actor, request.params.id, request.params.commentId, request.body));

    app.delete('/api/posts/:id/comments/:commentId', {
      schema: { tags, summary: 'Delete a comment', params: api.postCommentParams, response: { 204: nothing } },
    }, async (request, reply) => {
      await feed.removeComment(request.actor, request.params.id, request.params.commentId);
      return reply.code(204).send(null);
    });
  };
}
