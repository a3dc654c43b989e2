/**
 * The people of the company as pages show them: names, photos, departments. One copy for the whole page, loaded with the
 * first question and loaded again when the company says that somebody changed.
 */
import { defineQuery, useQuery, useQueryCache } from '@pinia/colada';
import { computed } from 'vue';
import type { z } from 'zod';
import type { departmentsResponse, EmployeeResponse, employeesResponse } from '../shared/api/people.ts';
import { api } from './api.ts';
import type { Json } from './json.ts';
import { listen } from './live.ts';
import { renew } from './renew.ts';
import { onForget } from './session.ts';

export type Employee = Json<EmployeeResponse>;
export type Department = Json<z.output<typeof departmentsResponse>>['items'][number];

async function allEmployees(): Promise<Employee[]> {
  const all: Employee[] = [];
  let cursor: string | null = null;
  do {
    const page: Json<z.output<typeof employeesResponse>> = await api.get('/api/employees', { limit: 200, dismissed: 'with', cursor });
    all.push(...page.items);
    cursor = page.nextCursor;
  } while (cursor !== null);
  return all;
}

let stopListening: (() => void) | undefined;

/** Hundreds of names and marks ask; each question of its own would cost more than what it draws. */
const useShared = defineQuery(() => {
  const cache = useQueryCache();
  const employeesQuery = useQuery({ key: ['directory', 'employees'], query: allEmployees, staleTime: 10 * 60_000 });
  const departmentsQuery = useQuery({
    key: ['directory', 'departments'],
    query: async () => (await api.get<Json<z.output<typeof departmentsResponse>>>('/api/departments')).items,
    staleTime: 10 * 60_000,
  });
  const employees = computed(() => employeesQuery.data.value ?? []);
  const byId = computed(() => new Map(employees.value.map((one) => [one.id, one])));
  const departments = computed(() => departmentsQuery.data.value ?? []);
  const departmentById = computed(() => new Map(departments.value.map((one) => [one.id, one])));
  return {
    isLoading: computed(() => employeesQuery.data.value === undefined),
    /** With the dismissed: their names stand in histories. */
    employees,
    working: computed(() => employees.value.filter((one) => one.dismissedAt === null)),
    employee: (id: number | null | undefined): Employee | undefined => (typeof id === 'number' ? byId.value.get(id) : undefined),
    departments,
    department: (id: number): Department | undefined => departmentById.value.get(id),
    renew: () => renew(cache, ['directory']),
  };
});

export function useDirectory() {
  const { renew: renewAll, ...shared } = useShared();
  stopListening ??= listen('company', renewAll);
  return shared;
}

onForget(() => {
  stopListening?.();
  stopListening = undefined;
});

/** «Анна Петрова»; for somebody not known (yet) a dash. */
export function nameOf(employee: Employee | undefined): string {
  if (!employee) return '—';
  return employee.fullName.trim() === '' ? employee.email : employee.fullName;
}

export function photoUrl(employee: Employee | undefined): string | undefined {
  const id = employee?.photoFileId ?? null;
  return id === null ? undefined : `/api/drive/files/${id}/content`;
}
