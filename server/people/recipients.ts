/**
 * From the recipients of a robot's settings to people, at the moment of sending. Pure.
 * Union, no doubles, without the dismissed, in the order of first mention (inside a department by
 * id). A source that gives nobody never falls back to somebody else: it is reported instead.
 */
import type { RecipientSource } from '../../shared/api/people.ts';
import type { Directory } from './directory.ts';

/** What the sources that speak of the item need. */
export interface RecipientContext {
  ownerId: number | null;
  creatorId: number | null;
  observerIds: readonly number[];
  /** Who moved the item to the stage; null: a robot or the system. */
  moverId: number | null;
  /** People in an employee field of the item, by the field's code; [] when it is empty, null when there is no such field. */
  fieldEmployees(code: string): readonly number[] | null;
}

export interface LeftOut {
  /** Whom: only with 'dismissed' and 'not_found'. */
  employeeId?: number;
  source: RecipientSource;
  reason: 'dismissed' | 'not_found' | 'department_gone' | 'department_empty' | 'role_empty' | 'field_empty' | 'field_gone' | 'no_head';
}

export interface Recipients {
  employeeIds: number[];
  leftOut: LeftOut[];
}

/** Who a source names (dismissed and unknown people included), or why it names nobody. */
function named(directory: Directory, source: RecipientSource, context: RecipientContext): readonly number[] | LeftOut['reason'] {
  const orReason = (ids: readonly (number | null)[], reason: LeftOut['reason']): readonly number[] | LeftOut['reason'] => {
    const known = ids.filter((id) => id !== null);
    return known.length > 0 ? known : reason;
  };
  switch (source.kind) {
    case 'employee':
      return [source.id];
    case 'everyone':
      return orReason(directory.activeIds, 'role_empty');
    case 'department':
      if (!directory.department(source.id)) return 'department_gone';
      return orReason(directory.departmentEmployees(source.id, source.withSubdepartments ?? false), 'department_empty');
    case 'departmentHead': {
      const department = directory.department(source.id);
      return department ? orReason(department.headIds, 'no_head') : 'department_gone';
    }
    case 'field': {
      const people = context.fieldEmployees(source.field);
      return people === null ? 'field_gone' : orReason(people, 'field_empty');
    }
    case 'role':
      switch (source.role) {
        case 'owner':
          return orReason([context.ownerId], 'role_empty');
        case 'creator':
          return orReason([context.creatorId], 'role_empty');
        case 'mover':
          return orReason([context.moverId], 'role_empty');
        case 'observers':
          return orReason(context.observerIds, 'role_empty');
        case 'ownerHead':
          return context.ownerId === null ? 'role_empty' : orReason([directory.headOf(context.ownerId)], 'no_head');
      }
  }
}

export function expandRecipients(directory: Directory, sources: readonly RecipientSource[], context: RecipientContext): Recipients {
  const found = new Set<number>();
  const leftOut: LeftOut[] = [];
  for (const source of sources) {
    const ids = named(directory, source, context);
    if (typeof ids === 'string') {
      leftOut.push({ source, reason: ids });
      continue;
    }
    for (const id of ids) {
      if (found.has(id)) continue;
      const employee = directory.employee(id);
      if (!employee) leftOut.push({ employeeId: id, source, reason: 'not_found' });
      else if (employee.dismissedAt !== null) leftOut.push({ employeeId: id, source, reason: 'dismissed' });
      else found.add(id);
    }
  }
  return { employeeIds: [...found], leftOut };
}

/**
 * Where one person is needed (a sender, an author): the first of the expansion, so of a department
 * the employee with the smallest id, as users of such systems expect. null: there is nobody.
 */
export function pickOne(
  directory: Directory,
  sources: readonly RecipientSource[],
  context: RecipientContext,
): { employeeId: number | null; leftOut: LeftOut[] } {
  const { employeeIds, leftOut } = expandRecipients(directory, sources, context);
  return { employeeId: employeeIds[0] ?? null, leftOut };
}
