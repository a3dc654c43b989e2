/**
 * The directory: an immutable snapshot of the company's people, structure and working time, held
 * in memory because robots ask it for every recipient of every run. Pure: built from rows.
 */
import type { DepartmentRole, Language, WorkingHours } from '../../shared/api/people.ts';

export interface Employee {
  readonly id: number;
  readonly email: string;
  readonly firstName: string;
  readonly lastName: string;
  readonly secondName: string;
  readonly position: string;
  /** E.164. */
  readonly mobilePhone: string | null;
  readonly workPhone: string | null;
  readonly language: Language;
  readonly timeZone: string;
  readonly photoFileId: number | null;
  readonly isAdmin: boolean;
  readonly dismissedAt: Date | null;
}

export interface Department {
  readonly id: number;
  readonly parentId: number | null;
  readonly name: string;
  readonly position: number;
  /** All three without the dismissed, sorted by id; employeeIds has everyone directly in it, of any role. */
  readonly headIds: readonly number[];
  readonly deputyIds: readonly number[];
  readonly employeeIds: readonly number[];
}

/** ['09:00', '18:00'] in the company's time zone; '24:00' ends a day. */
export type Interval = readonly [from: string, to: string];

export interface Company {
  readonly name: string;
  readonly language: Language;
  readonly timeZone: string;
  readonly currency: string;
  readonly country: string;
  readonly workingHours: WorkingHours;
  readonly settings: Readonly<Record<string, unknown>>;
}

/** Data only; what it means for a moment is robots/timing.ts. */
export interface WorkingCalendar {
  readonly timeZone: string;
  /** ISO weekdays: 1 is Monday. */
  readonly weekly: Readonly<Record<1 | 2 | 3 | 4 | 5 | 6 | 7, readonly Interval[]>>;
  /** Days that differ from the week: 'YYYY-MM-DD' → intervals, [] for a holiday. */
  readonly days: ReadonlyMap<string, readonly Interval[]>;
}

export interface Directory {
  /** Of the 'people' configuration it was loaded at. */
  readonly version: number;
  /** Dismissed ones included. */
  employee(id: number): Employee | undefined;
  /** Dismissed ones included, by id. */
  readonly employees: readonly Employee[];
  /** Ids without the dismissed, by id. */
  readonly activeIds: readonly number[];
  readonly departments: readonly Department[];
  department(id: number): Department | undefined;
  /** Without the dismissed, by id; [] when there is no such department. */
  departmentEmployees(id: number, withSubdepartments: boolean): readonly number[];
  /** The same, but the dismissed are still counted as theirs: for who sees whose items. */
  departmentEmployeesEver(id: number, withSubdepartments: boolean): readonly number[];
  /** The department and all below it. */
  departmentTree(id: number): readonly number[];
  /** The departments an employee is directly in; kept when dismissed, so that work left behind has a head. */
  departmentsOf(employeeId: number): readonly Department[];
  roleIn(employeeId: number, departmentId: number): DepartmentRole | null;
  /**
   * The direct head by the structure: head of a department of the employee who is not the
   * employee, climbing up; dismissed are passed over. null: there is none.
   */
  headOf(employeeId: number): number | null;
  /** Who stands in for a head: the first deputy of a department that the employee heads. */
  deputyOf(employeeId: number): number | null;
  isAbsent(employeeId: number, at: Date): boolean;
  /** In any order. */
  absencesOf(employeeId: number): readonly { readonly startsAt: Date; readonly endsAt: Date }[];
  readonly company: Company;
  readonly calendar: WorkingCalendar;
}

export interface DirectoryRows {
  version: number;
  employees: readonly Employee[];
  departments: readonly { id: number; parentId: number | null; name: string; position: number }[];
  members: readonly { departmentId: number; employeeId: number; role: DepartmentRole }[];
  company: Company | undefined;
  days: readonly { day: string; intervals: readonly Interval[] }[];
  absences: readonly { employeeId: number; startsAt: Date; endsAt: Date }[];
}

/** Before the first start: the same defaults as the columns of the table. */
const noCompany: Company = {
  name: '', language: 'ru', timeZone: 'Europe/Moscow', currency: 'RUB', country: 'RU',
  workingHours: { 1: [['09:00', '18:00']], 2: [['09:00', '18:00']], 3: [['09:00', '18:00']], 4: [['09:00', '18:00']], 5: [['09:00', '18:00']], 6: [], 7: [] },
  settings: {},
};

const byNumber = (a: number, b: number): number => a - b;

function pushTo<Key, Value>(map: Map<Key, Value[]>, key: Key, value: Value): void {
  const values = map.get(key);
  if (values) values.push(value);
  else map.set(key, [value]);
}

export function buildDirectory(rows: DirectoryRows): Directory {
  const employees = [...rows.employees].sort((a, b) => a.id - b.id);
  const byId = new Map(employees.map((e) => [e.id, e]));
  const activeIds = employees.filter((e) => e.dismissedAt === null).map((e) => e.id);
  const isActive = (id: number): boolean => byId.get(id)?.dismissedAt === null;

  const members = [...rows.members].sort((a, b) => a.employeeId - b.employeeId);
  const membersOf = new Map<number, { employeeId: number; role: DepartmentRole }[]>();
  const departmentIdsOf = new Map<number, number[]>();
  for (const m of members) {
    pushTo(membersOf, m.departmentId, m);
    pushTo(departmentIdsOf, m.employeeId, m.departmentId);
  }
  const departments: Department[] = rows.departments.map((d) => {
    const active = (membersOf.get(d.id) ?? []).filter((m) => isActive(m.employeeId));
    const idsWith = (role: DepartmentRole): number[] => active.filter((m) => m.role === role).map((m) => m.employeeId);
    return { ...d, headIds: idsWith('head'), deputyIds: idsWith('deputy'), employeeIds: active.map((m) => m.employeeId) };
  });
  departments.sort((a, b) => a.position - b.position || a.id - b.id);
  const departmentById = new Map(departments.map((d) => [d.id, d]));
  const childrenOf = new Map<number, number[]>();
  for (const d of departments) if (d.parentId !== null) pushTo(childrenOf, d.parentId, d.id);

  const absencesOf = new Map<number, { startsAt: Date; endsAt: Date }[]>();
  for (const a of rows.absences) pushTo(absencesOf, a.employeeId, a);

  const trees = new Map<number, readonly number[]>();
  function departmentTree(id: number): readonly number[] {
    if (!departmentById.has(id)) return [];
    let tree = trees.get(id);
    if (!tree) {
      const found = new Set([id]);
      for (const next of found) for (const child of childrenOf.get(next) ?? []) found.add(child);
      trees.set(id, (tree = [...found]));
    }
    return tree;
  }

  const activeIn = new Map<number, readonly number[]>();
  function departmentEmployees(id: number, withSubdepartments: boolean): readonly number[] {
    if (!withSubdepartments) return departmentById.get(id)?.employeeIds ?? [];
    let found = activeIn.get(id);
    if (!found) {
      const union = new Set(departmentTree(id).flatMap((d) => departmentById.get(d)?.employeeIds ?? []));
      activeIn.set(id, (found = [...union].sort(byNumber)));
    }
    return found;
  }

  function departmentsOf(employeeId: number): readonly Department[] {
    return (departmentIdsOf.get(employeeId) ?? []).flatMap((id) => departmentById.get(id) ?? []);
  }

  const heads = new Map<number, number | null>();
  function findHead(employeeId: number): number | null {
    const seen = new Set<number>();
    // Level by level, so that a person of two departments gets the nearest head, not the first branch's.
    let level = departmentsOf(employeeId).map((d) => d.id).sort(byNumber);
    while (level.length > 0) {
      const above: number[] = [];
      for (const id of level) {
        const department = departmentById.get(id);
        if (!department || seen.has(id)) continue;
        seen.add(id);
        const head = department.headIds.find((h) => h !== employeeId);
        if (head !== undefined) return head;
        if (department.parentId !== null) above.push(department.parentId);
      }
      level = above;
    }
    return null;
  }

  const company = rows.company ?? noCompany;
  return {
    version: rows.version,
    employee: (id) => byId.get(id),
    employees,
    activeIds,
    departments,
    department: (id) => departmentById.get(id),
    departmentEmployees,
    departmentEmployeesEver(id, withSubdepartments) {
      const tree = withSubdepartments ? departmentTree(id) : [id];
      return [...new Set(tree.flatMap((d) => (membersOf.get(d) ?? []).map((m) => m.employeeId)))].sort(byNumber);
    },
    departmentTree,
    departmentsOf,
    roleIn: (employeeId, departmentId) => membersOf.get(departmentId)?.find((m) => m.employeeId === employeeId)?.role ?? null,
    headOf(employeeId) {
      let head = heads.get(employeeId);
      if (head === undefined) heads.set(employeeId, (head = findHead(employeeId)));
      return head;
    },
    deputyOf(employeeId) {
      for (const department of departmentsOf(employeeId)) {
        const isHead = membersOf.get(department.id)?.some((m) => m.employeeId === employeeId && m.role === 'head');
        const deputy = isHead ? department.deputyIds.find((d) => d !== employeeId) : undefined;
        if (deputy !== undefined) return deputy;
      }
      return null;
    },
    absencesOf: (employeeId) => absencesOf.get(employeeId) ?? [],
    isAbsent: (employeeId, at) => absencesOf.get(employeeId)?.some((a) => a.startsAt <= at && at < a.endsAt) ?? false,
    company,
    calendar: {
      timeZone: company.timeZone,
      weekly: company.workingHours,
      days: new Map(rows.days.map((d) => [d.day, d.intervals])),
    },
  };
}

/** «Имя Фамилия»; the e-mail of somebody without a name. */
export function fullName(employee: { firstName: string; lastName: string; email: string }): string {
  return `${employee.firstName} ${employee.lastName}`.trim() || employee.email;
}
