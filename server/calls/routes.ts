/** Calls over HTTP: parse, call, return. */
import type { FastifyPluginAsyncZod } from 'fastify-type-provider-zod';
import * as api from '../../shared/api/calls.ts';
import type { Calls } from './calls.ts';

export function callsRoutes({ calls }: { calls: Calls }): FastifyPluginAsyncZod {
  return async (app) => {
    app.get('/api/app-calls', {
      schema: { tags: ['Applications'], summary: 'What applications were told at their handlers, newest first', querystring: api.appCallQuery, response: { 200: api.appCallList } },
    }, async ({ actor, query }) => {
      const rows = await calls.list(actor, { ...query, limit: query.limit + 1 });
      const page = rows.slice(0, query.limit);
      return {
        items: page.map((row) => ({ ...row, dueAt: row.dueAt?.toISOString() ?? null, createdAt: row.createdAt.toISOString(), finishedAt: row.finishedAt?.toISOString() ?? null })),
        nextCursor: rows.length > query.limit ? String(page.at(-1)?.id) : null,
      };
    });
  };
}
