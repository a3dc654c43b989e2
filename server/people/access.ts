/**
 * Access rights of one person: roles are united, the widest scope wins; an administrator may do
 * everything. Inside one role what is said about a pipeline replaces what is said about its whole
 * item type: that is how a role that sees all deals is kept out of one pipeline. Pure.
 */
import type { AccessAction, AccessRole, AccessScope } from '../../shared/api/people.ts';
import type { Directory } from './directory.ts';

export interface AccessRights {
  /** pipelineId null: what holds for the item type where no pipeline is named. */
  scope(action: AccessAction, itemTypeId: number, pipelineId: number | null): AccessScope;
  mayTouch(action: AccessAction, item: { itemTypeId: number; pipelineId: number | null; ownerId: number | null }): boolean;
  /** For list filters: whose items may be seen. An item without an owner is seen by 'all' alone. */
  visibleOwnerIds(itemTypeId: number, pipelineId: number | null): number[] | 'all';
}

export const everything: AccessRights = {
  scope: () => 'all',
  mayTouch: () => true,
  visibleOwnerIds: () => 'all',
};

const widths: Record<AccessScope, number> = { none: 0, own: 1, department: 2, all: 3 };
const wider = (a: AccessScope, b: AccessScope): AccessScope => (widths[b] > widths[a] ? b : a);
const keyOf = (action: AccessAction, itemTypeId: number, pipelineId: number | null): string => `${action}/${itemTypeId}/${pipelineId ?? 0}`;

function isIn(role: AccessRole, employeeId: number, directory: Directory): boolean {
  return role.members.some((member) => {
    if (member.kind === 'everyone') return true;
    if (member.kind === 'employee') return member.id === employeeId;
    const tree = directory.departmentTree(member.id);
    return directory.departmentsOf(employeeId).some((d) => tree.includes(d.id));
  });
}

export function buildAccessRights(employeeId: number, roles: readonly AccessRole[], directory: Directory): AccessRights {
  const tables = roles
    .filter((role) => isIn(role, employeeId, directory))
    .map((role) => new Map(role.rights.map((r) => [keyOf(r.action, r.itemTypeId, r.pipelineId), r.scope])));

  const scopes = new Map<string, AccessScope>();
  function scope(action: AccessAction, itemTypeId: number, pipelineId: number | null): AccessScope {
    const key = keyOf(action, itemTypeId, pipelineId);
    let found = scopes.get(key);
    if (!found) {
      found = 'none';
      for (const table of tables) found = wider(found, table.get(key) ?? table.get(keyOf(action, itemTypeId, null)) ?? 'none');
      scopes.set(key, found);
    }
    return found;
  }

  let colleagues: Set<number> | undefined;
  /** The departments the person is in; where the person leads, what lies below too. The dismissed stay theirs. */
  function department(): Set<number> {
    colleagues ??= new Set([
      employeeId,
      ...directory.departmentsOf(employeeId).flatMap((d) =>
        directory.departmentEmployeesEver(d.id, directory.roleIn(employeeId, d.id) !== 'employee'),
      ),
    ]);
    return colleagues;
  }

  return {
    scope,
    mayTouch(action, { itemTypeId, pipelineId, ownerId }) {
      const width = scope(action, itemTypeId, pipelineId);
      if (width === 'all') return true;
      if (width === 'none' || ownerId === null) return false;
      return width === 'own' ? ownerId === employeeId : department().has(ownerId);
    },
    visibleOwnerIds(itemTypeId, pipelineId) {
      const width = scope('view', itemTypeId, pipelineId);
      if (width === 'all') return 'all';
      if (width === 'none') return [];
      return width === 'own' ? [employeeId] : [...department()].sort((a, b) => a - b);
    },
  };
}
