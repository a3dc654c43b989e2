/** What is done to the structure, by drag or from a menu: at once, with the way back, and with the reason when it is refused. */
import { useQueryCache } from '@pinia/colada';
import type { DepartmentRole } from '../../../shared/api/people.ts';
import { api } from '../../api.ts';
import { type Department, nameOf, useDirectory } from '../../directory.ts';
import { t } from '../../text.ts';
import { useSay } from '../../ui/say.ts';

export function useStructure() {
  const say = useSay();
  const cache = useQueryCache();
  const { employee, department } = useDirectory();
  const renew = () => cache.invalidateQueries({ key: ['directory'] });

  async function attempt(work: () => Promise<unknown>): Promise<boolean> {
    try {
      await work();
      return true;
    } catch (error) {
      say.failed(error);
      return false;
    } finally {
      await renew();
    }
  }
  const put = (departmentId: number, employeeId: number, role: DepartmentRole) => api.post(`/api/departments/${departmentId}/members`, { employeeIds: [employeeId], role });
  const take = (departmentId: number, employeeId: number) => api.del(`/api/departments/${departmentId}/members/${employeeId}`);
  const roleIn = (one: Department | undefined, employeeId: number): DepartmentRole => (one?.headIds.includes(employeeId) ? 'head' : one?.deputyIds.includes(employeeId) ? 'deputy' : 'employee');

  async function movePerson(employeeId: number, from: number, to: number): Promise<void> {
    if (from === to) return;
    const target = department(to);
    const source = department(from);
    const role = roleIn(source, employeeId);
    const wasThere = target?.employeeIds.includes(employeeId) ?? false;
    // Heading one department is not heading another. In first: nobody is without a department in between.
    const isMoved = await attempt(async () => {
      if (!wasThere) await put(to, employeeId, 'employee');
      await take(from, employeeId);
    });
    if (!isMoved) return;
    say.done(t('web.company.moved_person', { name: nameOf(employee(employeeId)), department: target?.name ?? '' }), {
      undo: () => attempt(async () => {
        await put(from, employeeId, role);
        if (!wasThere) await take(to, employeeId);
      }),
    });
  }
  async function moveDepartment(id: number, parentId: number | null): Promise<void> {
    const one = department(id);
    const before = one?.parentId ?? null;
    if (before === parentId || id === parentId) return;
    if (!(await attempt(() => api.patch(`/api/departments/${id}`, { parentId })))) return;
    say.done(t('web.company.moved_department', { name: one?.name ?? '' }), { undo: () => attempt(() => api.patch(`/api/departments/${id}`, { parentId: before })) });
  }
  async function setRole(departmentId: number, employeeId: number, role: DepartmentRole): Promise<void> {
    const before = roleIn(department(departmentId), employeeId);
    if (before === role) return;
    if (!(await attempt(() => put(departmentId, employeeId, role)))) return;
    say.done(t(`web.company.now.${role}`, { name: nameOf(employee(employeeId)) }), { undo: () => attempt(() => put(departmentId, employeeId, before)) });
  }
  async function takeOut(departmentId: number, employeeId: number): Promise<void> {
    const before = roleIn(department(departmentId), employeeId);
    if (!(await attempt(() => take(departmentId, employeeId)))) return;
    say.done(t('web.company.taken_out', { name: nameOf(employee(employeeId)), department: department(departmentId)?.name ?? '' }), { undo: () => attempt(() => put(departmentId, employeeId, before)) });
  }
  return {
    attempt, movePerson, moveDepartment, setRole, takeOut, roleIn,
    add: (departmentId: number, ids: readonly number[]) => attempt(() => api.post(`/api/departments/${departmentId}/members`, { employeeIds: ids, role: 'employee' })),
    rename: (id: number, name: string) => attempt(() => api.patch(`/api/departments/${id}`, { name })),
    create: (name: string, parentId: number | null) => attempt(() => api.post('/api/departments', { name, parentId })),
    remove: (id: number, moveTo: number | null) => attempt(() => api.del(`/api/departments/${id}`, { query: { moveTo } })),
  };
}
