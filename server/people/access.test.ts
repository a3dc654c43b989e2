import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { AccessMember, AccessRight, AccessRole } from '../../shared/api/people.ts';
import { buildAccessRights } from './access.ts';
import { buildDirectory } from './directory.ts';

// Sales (1) is led by 1, who was helped by 2, now dismissed; the north branch (2) below it is 3; law (3) is 4.
const directory = buildDirectory({
  version: 1,
  employees: [1, 2, 3, 4].map((id) => ({
    id, email: `e${id}@example.com`, firstName: '', lastName: '', secondName: '', position: '', mobilePhone: null, workPhone: null,
    language: 'ru', timeZone: 'Europe/Moscow', photoFileId: null, isAdmin: false, dismissedAt: id === 2 ? new Date(0) : null,
  })),
  departments: [
    { id: 1, parentId: null, name: 'Продажи', position: 0 },
    { id: 2, parentId: 1, name: 'Север', position: 0 },
    { id: 3, parentId: null, name: 'Юристы', position: 1 },
  ],
  members: [
    { departmentId: 1, employeeId: 1, role: 'head' },
    { departmentId: 1, employeeId: 2, role: 'employee' },
    { departmentId: 2, employeeId: 3, role: 'employee' },
    { departmentId: 3, employeeId: 4, role: 'employee' },
  ],
  company: undefined, days: [], absences: [],
});
const deals = 2;
let count = 0;
const role = (members: AccessMember[], rights: Partial<AccessRight>[]): AccessRole => ({
  id: ++count, name: '', position: 0, members,
  rights: rights.map((r) => ({ itemTypeId: deals, pipelineId: null, action: 'view', scope: 'none', ...r })),
});
const everyone: AccessMember[] = [{ kind: 'everyone' }];

test('nobody may anything without a role', () => {
  const rights = buildAccessRights(3, [], directory);
  assert.equal(rights.scope('view', deals, 1), 'none');
  assert.equal(rights.mayTouch('view', { itemTypeId: deals, pipelineId: 1, ownerId: 3 }), false);
  assert.deepEqual(rights.visibleOwnerIds(deals, 1), []);
});

test('the widest right of all roles wins', () => {
  const roles = [role(everyone, [{ scope: 'own' }]), role([{ kind: 'employee', id: 3 }], [{ scope: 'all' }])];
  assert.equal(buildAccessRights(3, roles, directory).scope('view', deals, 1), 'all');
  assert.equal(buildAccessRights(4, roles, directory).scope('view', deals, 1), 'own');
});

test('a role of a department reaches its sub-departments and nobody else', () => {
  const roles = [role([{ kind: 'department', id: 1 }], [{ scope: 'all' }])];
  assert.equal(buildAccessRights(3, roles, directory).scope('view', deals, null), 'all');
  assert.equal(buildAccessRights(4, roles, directory).scope('view', deals, null), 'none');
});

test('inside a role what is said about a pipeline replaces what is said about the type', () => {
  const closed = [role(everyone, [{ scope: 'all' }, { pipelineId: 7, scope: 'none' }])];
  const rights = buildAccessRights(3, closed, directory);
  assert.equal(rights.scope('view', deals, 1), 'all');
  assert.equal(rights.scope('view', deals, 7), 'none');
  assert.equal(rights.scope('view', deals, null), 'all');
  const opened = [...closed, role(everyone, [{ pipelineId: 7, scope: 'own' }])];
  assert.equal(buildAccessRights(3, opened, directory).scope('view', deals, 7), 'own');
});

test('actions and item types are separate', () => {
  const rights = buildAccessRights(3, [role(everyone, [{ scope: 'all' }])], directory);
  assert.equal(rights.scope('change', deals, 1), 'none');
  assert.equal(rights.scope('view', deals + 1, 1), 'none');
});

test('own is own, department is the department, and a head has what lies below', () => {
  const roles = [role(everyone, [{ scope: 'department' }, { action: 'change', scope: 'own' }])];
  const item = (ownerId: number | null) => ({ itemTypeId: deals, pipelineId: 1, ownerId });
  const head = buildAccessRights(1, roles, directory);
  assert.deepEqual(head.visibleOwnerIds(deals, 1), [1, 2, 3], 'with the items of the dismissed');
  assert.equal(head.mayTouch('view', item(3)), true);
  assert.equal(head.mayTouch('view', item(4)), false);
  assert.equal(head.mayTouch('view', item(null)), false);
  assert.equal(head.mayTouch('change', item(3)), false);
  assert.equal(head.mayTouch('change', item(1)), true);
  const north = buildAccessRights(3, roles, directory);
  assert.deepEqual(north.visibleOwnerIds(deals, 1), [3]);
  const former = buildAccessRights(2, roles, directory);
  assert.deepEqual(former.visibleOwnerIds(deals, 1), [1, 2], 'whoever leads nothing does not see below');
});
