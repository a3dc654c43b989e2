/**
 * Limits that delay and never drop: how many messages a provider takes, and how many an employee is sent,
 * per second, minute, hour and day. Pure: the gates are rows, see store.ts.
 *
 * A gate holds one number per limit, the moment up to which what went through has used it up (the generic
 * cell rate algorithm): as many as the limit may go at once, then one per interval, and there is nothing to
 * count or to clean. What does not fit is given its own moment behind those that wait already, so a long
 * queue is looked at once and not at every tick, and comes through in its order.
 */
export const periods = ['second', 'minute', 'hour', 'day'] as const;
export type Period = (typeof periods)[number];

export interface Limits {
  perSecond?: number | null;
  perMinute?: number | null;
  perHour?: number | null;
  perDay?: number | null;
}

export interface GateKey {
  scope: 'sender' | 'employee';
  ownerId: number;
  period: Period;
}
export interface Gate extends GateKey {
  /** Milliseconds since the epoch. */
  takenUntil: number;
  /** Up to when moments have been given to those that wait. */
  plannedUntil: number;
}
export interface Rule extends GateKey {
  limit: number;
}

export interface Candidate {
  id: number;
  senderId: number;
  employeeId: number | null;
  /** It was given its moment, and this is it. */
  isPlanned: boolean;
}
export interface PutOff {
  id: number;
  dueAt: Date;
  rule: Rule;
}

const periodMs: Record<Period, number> = { second: 1000, minute: 60_000, hour: 3_600_000, day: 86_400_000 };
/** Moments of rows are whole milliseconds. */
const toleranceMs = 2;

const ruleNames = [['second', 'perSecond'], ['minute', 'perMinute'], ['hour', 'perHour'], ['day', 'perDay']] as const;

export function rulesOf(scope: GateKey['scope'], ownerId: number, limits: Limits | undefined): Rule[] {
  return ruleNames.flatMap(([period, name]) => {
    const limit = limits?.[name];
    return limit ? [{ scope, ownerId, period, limit }] : [];
  });
}

export const gateName = ({ scope, ownerId, period }: GateKey): string => `${scope} ${ownerId} ${period}`;

/** Who may go now, in the order given, and when the others may. The gates are changed. */
export function admit(candidates: readonly Candidate[], rulesFor: (candidate: Candidate) => readonly Rule[], gates: ReadonlyMap<string, Gate>, nowMs: number): { go: number[]; putOff: PutOff[] } {
  const go: number[] = [];
  const putOff: PutOff[] = [];
  for (const candidate of candidates) {
    const passed: { gate: Gate; intervalMs: number }[] = [];
    const refused: { gate: Gate; intervalMs: number; rule: Rule; at: number }[] = [];
    for (const rule of rulesFor(candidate)) {
      const gate = gates.get(gateName(rule));
      if (!gate) continue;
      const intervalMs = periodMs[rule.period] / rule.limit;
      const freeAt = gate.takenUntil + intervalMs - periodMs[rule.period];
      // Whoever comes later waits behind those that were given their moments.
      const at = candidate.isPlanned ? freeAt : Math.max(freeAt, gate.plannedUntil);
      if (at <= nowMs + toleranceMs) passed.push({ gate, intervalMs });
      else refused.push({ gate, intervalMs, rule, at });
    }
    const last = refused.reduce<(typeof refused)[number] | undefined>((latest, one) => (latest && latest.at >= one.at ? latest : one), undefined);
    if (last) {
      putOff.push({ id: candidate.id, dueAt: new Date(Math.ceil(last.at)), rule: last.rule });
      for (const { gate, intervalMs } of refused) gate.plannedUntil = Math.max(gate.plannedUntil, last.at + intervalMs);
    } else {
      go.push(candidate.id);
      for (const { gate, intervalMs } of passed) gate.takenUntil = Math.max(gate.takenUntil, nowMs) + intervalMs;
    }
  }
  return { go, putOff };
}
