/** `/health` for load balancers and administrators, `/metrics` for Prometheus. */
import type { FastifyRequest } from 'fastify';
import type { FastifyPluginAsyncZod } from 'fastify-type-provider-zod';
import { collectDefaultMetrics, Gauge, Histogram, Registry } from 'prom-client';
import { z } from 'zod';
import { errorBody, health } from '../../shared/api/http.ts';
import { UserError } from '../../shared/errors.ts';
import type { Db } from '../db/db.ts';
import { oldestDueWork } from './store.ts';

export function createMetrics({ db, now }: { db: Db; now: () => Date }) {
  const registry = new Registry();
  collectDefaultMetrics({ register: registry, prefix: 'vestnik_' });
  const seconds = new Histogram({
    name: 'vestnik_http_request_seconds',
    help: 'Time from the first byte of a request to the last byte of its answer.',
    labelNames: ['method', 'route', 'status'],
    buckets: [0.001, 0.005, 0.01, 0.05, 0.1, 0.5, 1, 5],
    registers: [registry],
  });
  const due = new Gauge({
    name: 'vestnik_oldest_due_work_seconds',
    help: 'How long the longest waiting piece of due work has waited.',
    registers: [registry],
    async collect() {
      const oldest = await oldestDueWork(db, now()).catch(() => undefined);
      // Not known is not zero: without a database the series breaks off.
      due.set(oldest === undefined ? Number.NaN : oldest === null ? 0 : (now().getTime() - oldest.getTime()) / 1000);
    },
  });
  return {
    registry,
    /** The place to write down the times of one route; finding it is done once per status, not per request. */
    observer(method: string, route: string): (status: number, ms: number) => void {
      const known = new Map<number, ReturnType<typeof seconds.labels>>();
      return (status, ms) => {
        let one = known.get(status);
        if (!one) {
          one = seconds.labels(method, route, String(status));
          known.set(status, one);
        }
        one.observe(ms / 1000);
      };
    },
  };
}

const loopback = new Set(['127.0.0.1', '::1', '::ffff:127.0.0.1']);

/** A proxy on the same host also comes from loopback, but it names for whom it asks. */
function isLoopback(request: FastifyRequest): boolean {
  const { headers } = request;
  const isForwarded = headers['x-forwarded-for'] ?? headers.forwarded ?? headers['x-real-ip'] ?? headers.via;
  return loopback.has(request.socket.remoteAddress ?? '') && isForwarded === undefined;
}

export function healthRoutes({ db, now, registry }: { db: Db; now: () => Date; registry: Registry }): FastifyPluginAsyncZod {
  const startedAt = now();
  return async (app) => {
    app.get(
      '/health',
      {
        config: { public: true },
        schema: { tags: ['System'], summary: 'Whether the server can work', response: { 200: health, 503: health } },
      },
      async (request, reply) => {
        const oldest = await oldestDueWork(db, now()).catch(() => undefined);
        const databaseReachable = oldest !== undefined;
        const status = databaseReachable ? 'ok' : 'failed';
        reply.code(databaseReachable ? 200 : 503);
        const actor = databaseReachable ? await request.identify() : undefined;
        if (!actor?.isAdmin) return { status } as const;
        return { status, details: { databaseReachable, oldestDueAt: oldest?.toISOString() ?? null, startedAt: startedAt.toISOString() } } as const;
      },
    );

    app.get(
      '/metrics',
      {
        config: { public: true },
        schema: {
          tags: ['System'],
          summary: 'Figures for Prometheus',
          description: 'For administrators, and for whoever asks from the same machine.',
          response: { 200: { description: 'Prometheus text format', content: { 'text/plain': { schema: z.string() } } }, 403: errorBody },
        },
      },
      async (request, reply) => {
        if (!isLoopback(request) && !(await request.identify())?.isAdmin) throw new UserError('access.admin_only');
        const figures = await registry.metrics();
        return reply.type(registry.contentType).serializer(String).send(figures);
      },
    );
  };
}
