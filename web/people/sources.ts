/**
 * Whom one may choose, and how it reads: people, departments, their heads, roles of an item, fields of it, everyone.
 * A source (shared/api/people.ts) becomes people when it is used; here it is a line in a list and a chip.
 */
import type { RecipientSource } from '../../shared/api/people.ts';
import { type Department, type Employee, nameOf } from '../directory.ts';
import { t } from '../text.ts';

export type SourceKind = RecipientSource['kind'];
export type ItemRole = Extract<RecipientSource, { kind: 'role' }>['role'];

/** An employee field of an item. */
export interface PeopleField {
  code: string;
  name: string;
}

export const itemRoles: readonly ItemRole[] = ['owner', 'ownerHead', 'creator', 'observers', 'mover'];

/** What the list and the chips know of the company. */
export interface People {
  employee(id: number): Employee | undefined;
  department(id: number): Department | undefined;
  working: readonly Employee[];
  departments: readonly Department[];
}

export interface Choice {
  /** Of a line that can be chosen; labels of groups have none. */
  key?: string;
  source?: RecipientSource;
  label: string;
  description?: string;
  type?: 'label';
  icon?: string;
  employeeId?: number;
  /** How deep a department lies. */
  depth?: number;
}

export function keyOf(source: RecipientSource): string {
  switch (source.kind) {
    case 'department': return `department:${source.id}:${source.withSubdepartments ? 'tree' : 'only'}`;
    case 'employee':
    case 'departmentHead': return `${source.kind}:${source.id}`;
    case 'role': return `role:${source.role}`;
    case 'field': return `field:${source.field}`;
    case 'everyone': return 'everyone';
  }
}

export function iconOf(source: RecipientSource): string {
  switch (source.kind) {
    case 'employee': return 'i-lucide-user';
    case 'department': return source.withSubdepartments ? 'i-lucide-network' : 'i-lucide-users';
    case 'departmentHead': return 'i-lucide-crown';
    case 'role': return 'i-lucide-user-round-cog';
    case 'field': return 'i-lucide-text-cursor-input';
    case 'everyone': return 'i-lucide-building-2';
  }
}

/** How the source reads, also when what it names is gone. */
export function labelOf(source: RecipientSource, people: Pick<People, 'employee' | 'department'>, fields: readonly PeopleField[] = []): string {
  switch (source.kind) {
    case 'employee': {
      const employee = people.employee(source.id);
      const name = employee ? nameOf(employee) : t('web.people.unknown', { id: source.id });
      return employee?.dismissedAt ? t('web.people.dismissed_name', { name }) : name;
    }
    case 'department': {
      const name = people.department(source.id)?.name ?? t('web.people.unknown_department', { id: source.id });
      return source.withSubdepartments ? t('web.people.with_subdepartments', { name }) : name;
    }
    case 'departmentHead': return t('web.people.head_of', { name: people.department(source.id)?.name ?? t('web.people.unknown_department', { id: source.id }) });
    case 'role': return t(`web.people.role.${source.role}`);
    case 'field': return fields.find((field) => field.code === source.field)?.name ?? source.field;
    case 'everyone': return t('web.people.everyone');
  }
}

/** Departments as they hang below each other, each with its depth. */
export function asTree(departments: readonly Department[]): (Department & { depth: number })[] {
  const known = new Set(departments.map((one) => one.id));
  const below = new Map<number | null, Department[]>();
  for (const one of departments) {
    const parent = one.parentId !== null && known.has(one.parentId) ? one.parentId : null;
    below.set(parent, [...(below.get(parent) ?? []), one]);
  }
  const walk = (parent: number | null, depth: number): (Department & { depth: number })[] =>
    (below.get(parent) ?? []).flatMap((one) => [{ ...one, depth }, ...walk(one.id, depth + 1)]);
  return walk(null, 0);
}

export function plain(text: string): string {
  return text.toLowerCase().replaceAll('ё', 'е');
}

/** Every word stands somewhere in one of the texts. */
export function fits(search: string, ...texts: readonly string[]): boolean {
  const where = plain(texts.join(' '));
  return plain(search).split(/\s+/).every((word) => where.includes(word));
}

/** More of a kind than anybody reads: the rest is found by typing. */
const shownOfKind = 60;

export interface ChoiceOptions {
  people: People;
  kinds: readonly SourceKind[];
  fields: readonly PeopleField[];
  search: string;
  /** Who is not to be offered. */
  except?: ReadonlySet<number>;
}

/** The lines of the list, in groups, each under its label. Groups without a line are left out. */
export function choices({ people, kinds, fields, search, except = new Set() }: ChoiceOptions): Choice[][] {
  const line = (source: RecipientSource, description?: string, more: Partial<Choice> = {}): Choice => ({
    key: keyOf(source), source, label: labelOf(source, people, fields), icon: iconOf(source), ...(description ? { description } : {}), ...more,
  });
  const roles: Choice[] = [
    ...(kinds.includes('everyone') ? [line({ kind: 'everyone' })] : []),
    ...(kinds.includes('role') ? itemRoles.map((role) => line({ kind: 'role', role })) : []),
    ...(kinds.includes('field') ? fields.map((field) => line({ kind: 'field', field: field.code })) : []),
  ].filter((one) => fits(search, one.label));

  const departmentOf = (employee: Employee): string => employee.departments.map((one) => one.name).join(', ');
  const staff: Choice[] = kinds.includes('employee')
    ? people.working
        .filter((one) => !except.has(one.id) && fits(search, nameOf(one), one.email, one.position, departmentOf(one)))
        .map((one) => line({ kind: 'employee', id: one.id }, [one.position, departmentOf(one)].filter(Boolean).join(' · '), { employeeId: one.id }))
    : [];

  const tree = asTree(people.departments);
  const departments: Choice[] = tree.flatMap((one, index) => {
    const hasBelow = (tree[index + 1]?.depth ?? 0) > one.depth;
    const depth = search === '' ? one.depth : 0;
    return [
      ...(kinds.includes('department') ? [line({ kind: 'department', id: one.id }, undefined, { depth })] : []),
      ...(kinds.includes('department') && hasBelow ? [line({ kind: 'department', id: one.id, withSubdepartments: true }, undefined, { depth })] : []),
      ...(kinds.includes('departmentHead') ? [line({ kind: 'departmentHead', id: one.id }, undefined, { depth })] : []),
    ];
  }).filter((one) => fits(search, one.label));

  const group = (label: string, lines: readonly Choice[]): Choice[] => {
    if (lines.length === 0) return [];
    const left = lines.length - shownOfKind;
    return [{ type: 'label', label }, ...lines.slice(0, shownOfKind), ...(left > 0 ? [{ type: 'label' as const, label: t('web.people.more_found', { count: left }) }] : [])];
  };
  return [
    group(t('web.people.group.roles'), roles),
    group(t('web.people.group.employees'), staff),
    group(t('web.people.group.departments'), departments),
  ].filter((one) => one.length > 0);
}
