/** What the figures of the report mean: problems in the order of their weight, each with what to do. */
import type { z } from 'zod';
import type { healthReport } from '../../../shared/api/health.ts';
import type { Json } from '../../json.ts';
import { t } from '../../text.ts';

export type HealthReport = Json<z.output<typeof healthReport>>;
export type Queue = HealthReport['queues'][number];

export interface Problem {
  id: string;
  isSerious: boolean;
  title: string;
  text: string;
  to?: string;
  action?: string;
}

const minuteMs = 60_000;
/** Robots act within seconds; letters and SMS have rates and other people's servers before them. */
const lateAfterMs: Record<Queue['id'], number> = { arrivals: minuteMs, waitingRuns: minuteMs, triggers: minuteMs, email: 5 * minuteMs, sms: 5 * minuteMs, pushes: 5 * minuteMs };

export function lagMs(queue: Queue, at: string): number {
  return queue.oldestDueAt === null ? 0 : Math.max(0, Date.parse(at) - Date.parse(queue.oldestDueAt));
}
export const isLate = (queue: Queue, at: string): boolean => lagMs(queue, at) > lateAfterMs[queue.id];

/** «3 минуты», «2 часа», «5 дней». */
export function durationWords(ms: number): string {
  const seconds = Math.round(ms / 1000);
  if (seconds < 90) return t('web.health.seconds', { count: seconds });
  const minutes = Math.round(seconds / 60);
  if (minutes < 90) return t('web.health.minutes', { count: minutes });
  const hours = Math.round(minutes / 60);
  if (hours < 36) return t('web.health.hours', { count: hours });
  return t('web.health.days', { count: Math.round(hours / 24) });
}

const lowDiskShare = 0.1;
const emptyDiskShare = 0.03;

export function problemsOf(report: HealthReport): Problem[] {
  const problems: Problem[] = [];
  const late = report.queues.filter((queue) => isLate(queue, report.at));
  const hasWorker = report.processes.length === 0 || report.processes.some((one) => one.services.includes('worker'));
  if (!hasWorker) problems.push({ id: 'no_worker', isSerious: true, title: t('web.health.problem.no_worker'), text: t('web.health.problem.no_worker_text') });
  for (const queue of late) {
    problems.push({ id: `late_${queue.id}`, isSerious: true, title: t('web.health.problem.late', { queue: t(`web.health.queue.${queue.id}`), lag: durationWords(lagMs(queue, report.at)) }), text: t(`web.health.problem.late_${queue.id === 'email' || queue.id === 'sms' || queue.id === 'pushes' ? 'outside' : 'robots'}`) });
  }
  for (const loop of report.failingLoops) problems.push({ id: `loop_${loop.name}`, isSerious: true, title: t('web.health.problem.loop', { name: loop.name, count: loop.failures }), text: t('web.health.problem.loop_text', { message: loop.message }) });
  const { freeBytes, diskBytes } = report.drive;
  if (freeBytes !== null && diskBytes !== null && diskBytes > 0 && freeBytes / diskBytes < lowDiskShare) {
    problems.push({ id: 'disk', isSerious: freeBytes / diskBytes < emptyDiskShare, title: t('web.health.problem.disk'), text: t('web.health.problem.disk_text') });
  }
  if (report.undecided.needDecision > 0) {
    problems.push({ id: 'undecided', isSerious: false, title: t('web.health.problem.undecided', { count: report.undecided.needDecision }), text: t('web.health.problem.undecided_text'), to: '/settings/deliveries?view=undecided', action: t('web.health.problem.decide') });
  }
  const failed = report.failingRobots.reduce((sum, robot) => sum + robot.failed, 0);
  if (failed > 0) problems.push({ id: 'robots', isSerious: false, title: t('web.health.problem.robots', { count: failed }), text: t('web.health.problem.robots_text') });
  return problems;
}
