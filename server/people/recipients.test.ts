import assert from 'node:assert/strict';
import { test } from 'node:test';
import { recipientSource, type DepartmentRole, type RecipientSource } from '../../shared/api/people.ts';
import { buildDirectory, type Directory, type Employee } from './directory.ts';
import { expandRecipients, pickOne, type RecipientContext } from './recipients.ts';

function employee(id: number, isDismissed = false): Employee {
  return {
    id, email: `e${id}@example.com`, firstName: '', lastName: '', secondName: '', position: '', mobilePhone: null, workPhone: null,
    language: 'ru', timeZone: 'Europe/Moscow', photoFileId: null, isAdmin: false, dismissedAt: isDismissed ? new Date(0) : null,
  };
}

function company(
  employees: readonly Employee[],
  departments: readonly { id: number; parentId?: number; members?: Record<number, DepartmentRole> }[],
): Directory {
  return buildDirectory({
    version: 1,
    employees,
    departments: departments.map((d) => ({ id: d.id, parentId: d.parentId ?? null, name: `Отдел ${d.id}`, position: 0 })),
    members: departments.flatMap((d) => Object.entries(d.members ?? {}).map(([id, role]) => ({ departmentId: d.id, employeeId: Number(id), role }))),
    company: undefined,
    days: [],
    absences: [{ employeeId: 3, startsAt: new Date('2026-03-10'), endsAt: new Date('2026-03-20') }],
  });
}

// 1 heads the company; 2 heads sales (20) with 3 as deputy and 4, 5 (dismissed); 6 is in the north branch (21);
// 7 heads law (30) and was dismissed; 8 is there; 40 is empty; 9 is in 50, whose only other member is dismissed.
const directory = company(
  [1, 2, 3, 4].map((id) => employee(id)).concat(employee(5, true), employee(6), employee(7, true), employee(8), employee(9)),
  [
    { id: 10, members: { 1: 'head' } },
    { id: 20, parentId: 10, members: { 2: 'head', 3: 'deputy', 4: 'employee', 5: 'employee' } },
    { id: 21, parentId: 20, members: { 6: 'employee', 4: 'employee' } },
    { id: 30, parentId: 10, members: { 7: 'head', 8: 'employee' } },
    { id: 40, parentId: 10 },
    { id: 50, members: { 5: 'employee' } },
    { id: 60, members: { 9: 'head' } },
  ],
);
const context = (over: Partial<RecipientContext> = {}): RecipientContext => ({
  ownerId: 4, creatorId: 8, observerIds: [6, 5], moverId: null, fieldEmployees: (code) => (code === 'UF_LAWYER' ? [8, 5] : code === 'UF_NOBODY' ? [] : null), ...over,
});
const ids = (sources: RecipientSource[], over?: Partial<RecipientContext>): number[] => expandRecipients(directory, sources, context(over)).employeeIds;
const whyNot = (source: RecipientSource, over?: Partial<RecipientContext>) =>
  expandRecipients(directory, [source], context(over)).leftOut.map(({ employeeId, reason }) => (employeeId === undefined ? reason : `${reason} ${employeeId}`));

test('each kind of source gives its people, without the dismissed', () => {
  assert.deepEqual(ids([{ kind: 'employee', id: 4 }]), [4]);
  assert.deepEqual(ids([{ kind: 'department', id: 20 }]), [2, 3, 4]);
  assert.deepEqual(ids([{ kind: 'department', id: 20, withSubdepartments: true }]), [2, 3, 4, 6]);
  assert.deepEqual(ids([{ kind: 'departmentHead', id: 20 }]), [2]);
  assert.deepEqual(ids([{ kind: 'role', role: 'owner' }]), [4]);
  assert.deepEqual(ids([{ kind: 'role', role: 'ownerHead' }]), [2]);
  assert.deepEqual(ids([{ kind: 'role', role: 'creator' }]), [8]);
  assert.deepEqual(ids([{ kind: 'role', role: 'mover' }], { moverId: 3 }), [3]);
  assert.deepEqual(ids([{ kind: 'role', role: 'observers' }]), [6]);
  assert.deepEqual(ids([{ kind: 'field', field: 'UF_LAWYER' }]), [8]);
  assert.deepEqual(ids([{ kind: 'everyone' }]), [1, 2, 3, 4, 6, 8, 9]);
});

test('sources are united without doubles, in the order of first mention', () => {
  assert.deepEqual(
    ids([{ kind: 'employee', id: 6 }, { kind: 'role', role: 'owner' }, { kind: 'department', id: 20 }, { kind: 'employee', id: 6 }]),
    [6, 4, 2, 3],
  );
  assert.deepEqual(ids([]), []);
});

test('a source that gives nobody says why and falls back to nobody', () => {
  assert.deepEqual(whyNot({ kind: 'employee', id: 99 }), ['not_found 99']);
  assert.deepEqual(whyNot({ kind: 'employee', id: 5 }), ['dismissed 5']);
  assert.deepEqual(whyNot({ kind: 'department', id: 99 }), ['department_gone']);
  assert.deepEqual(whyNot({ kind: 'department', id: 40 }), ['department_empty']);
  assert.deepEqual(whyNot({ kind: 'department', id: 50 }), ['department_empty']);
  assert.deepEqual(whyNot({ kind: 'departmentHead', id: 99 }), ['department_gone']);
  assert.deepEqual(whyNot({ kind: 'departmentHead', id: 30 }), ['no_head'], 'a dismissed head is none');
  assert.deepEqual(whyNot({ kind: 'role', role: 'owner' }, { ownerId: null }), ['role_empty']);
  assert.deepEqual(whyNot({ kind: 'role', role: 'owner' }, { ownerId: 5 }), ['dismissed 5']);
  assert.deepEqual(whyNot({ kind: 'role', role: 'ownerHead' }, { ownerId: null }), ['role_empty']);
  assert.deepEqual(whyNot({ kind: 'role', role: 'ownerHead' }, { ownerId: 1 }), ['no_head'], 'nobody stands above the top');
  assert.deepEqual(whyNot({ kind: 'role', role: 'mover' }), ['role_empty']);
  assert.deepEqual(whyNot({ kind: 'role', role: 'observers' }), ['dismissed 5']);
  assert.deepEqual(whyNot({ kind: 'role', role: 'observers' }, { observerIds: [] }), ['role_empty']);
  assert.deepEqual(whyNot({ kind: 'field', field: 'UF_NOBODY' }), ['field_empty']);
  assert.deepEqual(whyNot({ kind: 'field', field: 'UF_DELETED' }), ['field_gone']);
});

test('one person of a department is the one with the smallest id', () => {
  assert.equal(pickOne(directory, [{ kind: 'department', id: 21 }], context()).employeeId, 4);
  assert.equal(pickOne(directory, [{ kind: 'employee', id: 6 }, { kind: 'department', id: 21 }], context()).employeeId, 6);
  assert.deepEqual(pickOne(directory, [{ kind: 'employee', id: 5 }], context()), {
    employeeId: null, leftOut: [{ employeeId: 5, source: { kind: 'employee', id: 5 }, reason: 'dismissed' }],
  });
});

test('the head is the nearest above who is somebody else and still works here', () => {
  assert.equal(directory.headOf(4), 2);
  assert.equal(directory.headOf(6), 2, 'a department without a head: the one above');
  assert.equal(directory.headOf(2), 1, 'a head has the head above');
  assert.equal(directory.headOf(8), 1, 'a dismissed head is passed over');
  assert.equal(directory.headOf(5), 2, 'whoever takes over the work of a dismissed employee');
  assert.equal(directory.headOf(1), null);
  assert.equal(directory.headOf(9), null);
  assert.equal(directory.headOf(99), null);
});

test('the head of a person in two departments is the nearest of both', () => {
  const two = company([1, 2, 3].map((id) => employee(id)), [
    { id: 1, members: { 1: 'head' } },
    { id: 2, parentId: 1, members: { 3: 'employee' } },
    { id: 3, parentId: 1, members: { 2: 'head', 3: 'employee' } },
  ]);
  assert.equal(two.headOf(3), 2);
});

test('a deputy stands in for a head, and an absence has a beginning and an end', () => {
  assert.equal(directory.deputyOf(2), 3);
  assert.equal(directory.deputyOf(4), null);
  assert.equal(directory.isAbsent(3, new Date('2026-03-09T23:59:59Z')), false);
  assert.equal(directory.isAbsent(3, new Date('2026-03-10T00:00:00Z')), true);
  assert.equal(directory.isAbsent(3, new Date('2026-03-20T00:00:00Z')), false);
});

test('a loop of departments, however it got there, does not hang', () => {
  const loop = company([employee(1), employee(2)], [
    { id: 1, parentId: 2, members: { 1: 'employee' } },
    { id: 2, parentId: 1, members: { 2: 'employee' } },
  ]);
  assert.equal(loop.headOf(1), null);
  assert.deepEqual(loop.departmentEmployees(1, true), [1, 2]);
});

test('the schema refuses sources that do not exist', () => {
  for (const wrong of [
    {}, null, 'owner', { kind: 'boss' }, { kind: 'employee' }, { kind: 'employee', id: '5' }, { kind: 'employee', id: 0 }, { kind: 'employee', id: 1.5 },
    { kind: 'department', id: 1, withSubdepartments: 'yes' }, { kind: 'role', role: 'ceo' }, { kind: 'field', field: '' }, { kind: 'everyone', id: 1 },
  ]) {
    assert.equal(recipientSource.safeParse(wrong).success, false, JSON.stringify(wrong));
  }
  assert.equal(recipientSource.safeParse({ kind: 'department', id: 1, withSubdepartments: true }).success, true);
});

test('a company of ten thousand is expanded at once', () => {
  const count = 10_000;
  const employees = Array.from({ length: count }, (_, i) => employee(i + 1, i % 50 === 0));
  const departments = Array.from({ length: 200 }, (_, d) => ({
    id: d + 1,
    ...(d === 0 ? {} : { parentId: Math.ceil(d / 3) }),
    members: Object.fromEntries(Array.from({ length: count / 200 }, (_, i): [number, DepartmentRole] => [d * (count / 200) + i + 1, i === 1 ? 'head' : 'employee'])),
  }));
  const big = company(employees, departments);
  const sources: RecipientSource[] = [{ kind: 'role', role: 'owner' }, { kind: 'department', id: 1, withSubdepartments: true }, { kind: 'everyone' }];
  // The best of some: what it costs here, and not what else the machine was doing.
  let bestMs = Infinity;
  let employeeIds: number[] = [];
  for (let i = 0; i < 7; i++) {
    const began = performance.now();
    ({ employeeIds } = expandRecipients(big, sources, context({ ownerId: 7777 })));
    bestMs = Math.min(bestMs, performance.now() - began);
  }
  assert.equal(employeeIds.length, count - count / 50);
  assert.equal(employeeIds[0], 7777);
  assert.ok(bestMs < 200, `${bestMs} ms`);
});
