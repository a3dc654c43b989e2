/** The report on the system's health: every module tells its own figures, administrators read them together. */
import type { FastifyPluginAsyncZod } from 'fastify-type-provider-zod';
import { healthReport } from '../../shared/api/health.ts';
import type { Db } from '../db/db.ts';
import type { Deliveries } from '../deliveries/deliveries.ts';
import type { Drive } from '../drive/drive.ts';
import type { Jobs } from '../jobs/jobs.ts';
import { requireAdmin } from '../people/people.ts';
import type { Push } from '../push/push.ts';
import type { Robots } from '../robots/robots.ts';
import { version } from './http.ts';
import { connectedProcesses, databaseFigures } from './store.ts';

export interface ReportDeps {
  db: Db;
  now: () => Date;
  jobs: Pick<Jobs, 'failing'>;
  drive: Pick<Drive, 'usage'>;
  deliveries: Pick<Deliveries, 'backlog' | 'counters' | 'figures'>;
  push: Pick<Push, 'backlog'>;
  robots: Pick<Robots, 'health'>;
  /** The name this process connects to the database under. */
  processName: string;
}

/** Past this nobody reads the number any more. */
const countedAtMost = 999;

/** Sizes change slowly, and asking for them reads the file system. */
const sizesKeptMs = 30_000;

export function reportRoutes({ db, now, jobs, drive, deliveries, push, robots, processName }: ReportDeps): FastifyPluginAsyncZod {
  const startedAt = now();
  let kept: { until: number; sizes: Promise<[Awaited<ReturnType<typeof databaseFigures>>, Awaited<ReturnType<Drive['usage']>>]> } | undefined;

  function sizes() {
    const at = now().getTime();
    if (kept && at < kept.until) return kept.sizes;
    const asked = { until: at + sizesKeptMs, sizes: Promise.all([databaseFigures(db), drive.usage()]) };
    // What failed is asked for again.
    asked.sizes.catch(() => {
      if (kept === asked) kept = undefined;
    });
    kept = asked;
    return asked.sizes;
  }

  return async (app) => {
    app.get('/api/health-report', {
      config: { rateLimit: { max: 120, timeWindow: '1 minute' } },
      schema: { tags: ['System'], summary: 'How the system does, in figures (administrators)', response: { 200: healthReport } },
    }, async ({ actor }) => {
      requireAdmin(actor);
      const [[database, driveUsage], { backlog, failing }, letters, pushes, figures, undecided, processes] = await Promise.all([
        sizes(), robots.health(countedAtMost + 1), deliveries.backlog(countedAtMost + 1), push.backlog(countedAtMost + 1), deliveries.figures(actor), deliveries.counters(actor), connectedProcesses(db),
      ]);
      return {
        at: now(), version, startedAt, memoryBytes: process.memoryUsage().rss,
        processes: processes.map(({ name, connections }) => {
          const [, services = '', place = ''] = name.split(' ');
          return { services: services.split(','), place, connections, isThis: name === processName };
        }),
        queues: [...backlog, ...letters, { id: 'pushes' as const, ...pushes }].map((queue) => ({ ...queue, due: Math.min(queue.due, countedAtMost), hasMore: queue.due > countedAtMost })),
        failingRobots: failing, failingLoops: jobs.failing(), deliveries: figures, undecided, database, drive: driveUsage,
      };
    });
  };
}
