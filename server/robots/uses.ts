/** Where robots name an employee by hand: recipients, senders, authors, in drafts and in what is published. Pure. */
import type { RobotRecord } from './versions.ts';

function isNamed(value: unknown, employeeId: number): boolean {
  return typeof value === 'object' && value !== null && 'kind' in value && value.kind === 'employee' && 'id' in value && value.id === employeeId;
}

/** Recipients, senders and authors are saved alike, however deep: { kind: 'employee', id }. */
function names(value: unknown, employeeId: number): boolean {
  if (isNamed(value, employeeId)) return true;
  if (Array.isArray(value)) return value.some((one) => names(one, employeeId));
  return typeof value === 'object' && value !== null && Object.values(value).some((one) => names(one, employeeId));
}

function replaced(value: unknown, from: number, to: number): unknown {
  if (isNamed(value, from)) return { kind: 'employee', id: to };
  if (Array.isArray(value)) {
    const list = value.map((one) => replaced(one, from, to));
    // Whoever stood in the list already is not named twice.
    return list.filter((one, index) => !isNamed(one, to) || list.findIndex((other) => isNamed(other, to)) === index);
  }
  if (typeof value !== 'object' || value === null) return value;
  return Object.fromEntries(Object.entries(value).map(([key, inner]) => [key, replaced(inner, from, to)]));
}

export function namesEmployee(robot: RobotRecord, employeeId: number): boolean {
  return names(robot.settings, employeeId);
}

export function withEmployee(robots: readonly RobotRecord[], from: number, to: number): RobotRecord[] {
  return robots.map((robot) => {
    if (!namesEmployee(robot, from)) return robot;
    const settings = replaced(robot.settings, from, to);
    return { ...robot, settings: typeof settings === 'object' && settings !== null ? { ...settings } : robot.settings };
  });
}
