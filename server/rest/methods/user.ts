/** user.* and department.*: the company’s people and structure. */
import type { z } from 'zod';
import * as api from '../../../shared/api/people.ts';
import type { Department, Directory, Employee } from '../../people/people.ts';
import { entriesOf, isRecord } from '../encoding.ts';
import { RestError, type Translate } from '../errors.ts';
import { filterRows, sortRows } from '../memory.ts';
import { type Call, cut, defineMethod, type Method } from '../method.ts';
import { anything, flag, optionalText, type Parameters, select, start, toFlag, toInteger, toText } from '../parameter.ts';
import type { FamilyDeps } from '../rest.ts';

type Person = Record<string, unknown>;

const userErrors: Translate = (error, message) => {
  if (error.code === 'access.admin_only' || error.code === 'access.denied') return new RestError('ERROR_CORE', 'access_denied');
  if (error.code === 'employee.email_taken') return new RestError('ERROR_ARGUMENT', 'A user with this email already exists');
  return new RestError('ERROR_CORE', message);
};
const departmentErrors: Translate = (error, message) => {
  if (error.code === 'access.admin_only' || error.code === 'access.denied') return new RestError('ERROR_CORE', 'Access denied');
  if (error.code === 'request.not_found') return new RestError('ERROR_CORE', 'Department not found');
  return new RestError('ERROR_CORE', message);
};

export function userMethods({ db, people }: FamilyDeps): Method[] {
  const scope = ['user', 'user_basic', 'user_brief'] as const;
  const errors = userErrors;

  function shown(directory: Directory, employee: Employee): Person {
    return {
      ID: String(employee.id), ACTIVE: employee.dismissedAt === null, NAME: employee.firstName, LAST_NAME: employee.lastName, SECOND_NAME: employee.secondName,
      EMAIL: employee.email, TIME_ZONE: employee.timeZone, IS_ONLINE: 'N', PERSONAL_GENDER: '', PERSONAL_BIRTHDAY: '',
      PERSONAL_PHOTO: null, PERSONAL_MOBILE: employee.mobilePhone ?? '', WORK_PHONE: employee.workPhone ?? '', WORK_POSITION: employee.position,
      UF_DEPARTMENT: directory.departmentsOf(employee.id).map((department) => department.id), USER_TYPE: 'employee',
    };
  }

  /** Conditions of `FILTER`, and those that stand beside it. */
  function conditions(raw: Readonly<Record<string, unknown>>, names: readonly string[]): [string, unknown][] {
    const inner = entriesOf(raw.filter)?.map(([key, value]): [string, unknown] => [key.toUpperCase(), value]) ?? [];
    const beside = names.flatMap((name): [string, unknown][] => (raw[name.toLowerCase()] === undefined || raw[name.toLowerCase()] === '' ? [] : [[name, raw[name.toLowerCase()]]]));
    return [...inner, ...beside].filter(([key]) => !['ADMIN_MODE', 'IS_REAL_USER'].includes(key));
  }

  const names = ['ID', 'ACTIVE', 'NAME', 'LAST_NAME', 'SECOND_NAME', 'EMAIL', 'WORK_POSITION', 'PERSONAL_MOBILE', 'WORK_PHONE', 'UF_DEPARTMENT', 'USER_TYPE'] as const;
  const beside = Object.fromEntries(names.map((name) => [name, anything]));

  async function list(given: Readonly<Record<string, unknown>>, filter: [string, unknown][], from: number, rows?: Person[]) {
    const directory = await people.directory(db);
    const all = rows ?? directory.employees.map((employee) => shown(directory, employee));
    const found = filterRows(all, filter, (name) => {
      throw new RestError('ERROR_ARGUMENT', `Unknown field in filter: ${name.slice(0, 100)}`);
    });
    const sort = toText(given.sort)?.toUpperCase() ?? 'ID';
    const sorted = sortRows(found, [[sort, typeof given.order === 'string' ? given.order : 'ASC']]);
    const wanted = Array.isArray(given.select) ? given.select.map(String) : [];
    return cut(sorted, from, (some) => (wanted.length === 0 || wanted.includes('*') ? some : some.map((row) => Object.fromEntries(Object.entries(row).filter(([name]) => name === 'ID' || wanted.includes(name))))));
  }

  /** Fields that are ours; the others are ignored, as documented for fields a portal does not have. */
  function fieldsOf(raw: Readonly<Record<string, unknown>>): Record<string, unknown> {
    const inner = isRecord(raw.fields) ? Object.fromEntries(Object.entries(raw.fields).map(([name, value]) => [name.toLowerCase(), value])) : {};
    const given: Readonly<Record<string, unknown>> = { ...inner, ...raw };
    const texts = { NAME: 'firstName', LAST_NAME: 'lastName', SECOND_NAME: 'secondName', WORK_POSITION: 'position', EMAIL: 'email', PERSONAL_MOBILE: 'mobilePhone', WORK_PHONE: 'workPhone', TIME_ZONE: 'timeZone' };
    const fields: Record<string, unknown> = {};
    for (const [name, code] of Object.entries(texts)) {
      const value = toText(given[name.toLowerCase()]);
      if (value !== undefined && !(value === '' && code === 'timeZone')) fields[code] = value.trim();
    }
    const departments = given.uf_department;
    if (departments !== undefined) fields.departments = (entriesOf(departments)?.map(([, one]) => one) ?? [departments]).flatMap((one) => toInteger(one) ?? []).map((id) => ({ id }));
    return fields;
  }

  function accepted<Output>(schema: z.ZodType<Output>, input: unknown): Output {
    const parsed = schema.safeParse(input);
    if (parsed.success) return parsed.data;
    const field = String(parsed.error.issues[0]?.path[0] ?? '');
    throw field === 'email' ? new RestError('ERROR_ARGUMENT', 'wrong_email') : new RestError('ERROR_ARGUMENT', `Invalid value of ${field}`);
  }

  const ownNames = ['EMAIL', 'NAME', 'LAST_NAME', 'SECOND_NAME', 'WORK_POSITION', 'PERSONAL_MOBILE', 'WORK_PHONE', 'TIME_ZONE', 'UF_DEPARTMENT'] as const;
  const ownParams: Parameters = Object.fromEntries(ownNames.map((name) => [name, anything]));
  const lower = (params: Readonly<Record<string, unknown>>) => Object.fromEntries(Object.entries(params).filter(([, value]) => value !== undefined).map(([name, value]) => [name.toLowerCase(), value]));

  async function update(call: Call, params: Readonly<Record<string, unknown>>) {
    const given = lower(params);
    const number = toInteger(given.id);
    if (number === undefined) throw new RestError('ERROR_CORE', 'User ID is not specified');
    const fields = fieldsOf(given);
    if (Object.keys(fields).length > 0) {
      const change = accepted(api.changeEmployeeBody, fields);
      if (call.actor.isAdmin) await people.changeEmployee(call.actor, number, change);
      else if (number === call.actor.employeeId && change.email === undefined && change.departments === undefined && change.position === undefined) await people.changeOwnProfile(call.actor, change);
      else throw new RestError('ERROR_CORE', 'access_denied');
    }
    if (given.active !== undefined) await (toFlag(given.active) ? people.restoreEmployee(call.actor, number) : people.dismissEmployee(call.actor, number));
    return { result: true };
  }

  // -- Departments ----------------------------------------------------------------------------

  const department = (one: Department): Person => ({
    ID: String(one.id), NAME: one.name, SORT: one.position, ...(one.parentId === null ? {} : { PARENT: String(one.parentId) }), ...(one.headIds[0] === undefined ? {} : { UF_HEAD: String(one.headIds[0]) }),
  });
  const departmentNames = ['ID', 'NAME', 'SORT', 'PARENT', 'UF_HEAD'] as const;
  const departmentParams: Parameters = Object.fromEntries(departmentNames.map((name) => [name, anything]));

  async function setHead(call: Call, id: number, raw: unknown): Promise<void> {
    const head = toInteger(raw);
    if (head === undefined || head <= 0) return;
    const known = (await people.directory(db)).department(id);
    // One head, as there: those who headed it stay as its people.
    for (const before of known?.headIds ?? []) if (before !== head) await people.addMembers(call.actor, id, [before], 'employee');
    await people.addMembers(call.actor, id, [head], 'head');
  }

  return [
    defineMethod({
      name: 'user.current', scope, errors, about: 'Who calls.', params: {},
      async run({ actor }) {
        const directory = await people.directory(db);
        const employee = directory.employee(actor.employeeId);
        return { result: employee ? shown(directory, employee) : null };
      },
    }),
    defineMethod({
      name: 'user.get', scope, errors, about: 'Employees, by 50.', params: { filter: anything, sort: optionalText, order: anything, ADMIN_MODE: flag, select, start, ...beside },
      run: (_call, { start: from, ...given }) => list(given, conditions(lower(given), names), from),
    }),
    defineMethod({
      name: 'user.search', scope, errors, about: 'Employees by part of a name, position or department.', params: { filter: anything, FIND: optionalText, sort: optionalText, order: anything, select, start, ...beside },
      async run(_call, { start: from, ...given }) {
        const all = conditions(lower(given), names);
        const find = (toText(given.FIND) ?? toText(all.find(([name]) => name === 'FIND')?.[1]) ?? '').toLowerCase().split(/\s+/).filter(Boolean);
        const directory = await people.directory(db);
        const rows = directory.employees.map((employee) => shown(directory, employee)).filter((row) => {
          const words = [row.NAME, row.LAST_NAME, row.SECOND_NAME, row.EMAIL, row.WORK_POSITION].join(' ').toLowerCase();
          return find.every((word) => words.includes(word));
        });
        // Parts of names are enough here.
        const filter = all.filter(([name]) => name !== 'FIND').map(([name, value]): [string, unknown] => (['NAME', 'LAST_NAME', 'SECOND_NAME', 'WORK_POSITION'].includes(name) ? [`%${name}`, value] : [name, value]));
        return list(given, filter, from, rows);
      },
    }),
    defineMethod({
      name: 'user.fields', scope, errors, about: 'The fields of an employee.', params: {},
      run: () => ({ result: { ID: 'ID', ACTIVE: 'Active', NAME: 'First name', LAST_NAME: 'Last name', SECOND_NAME: 'Second name', EMAIL: 'E-mail', TIME_ZONE: 'Time zone', PERSONAL_GENDER: 'Gender', PERSONAL_BIRTHDAY: 'Date of birth', PERSONAL_PHOTO: 'Photo', PERSONAL_MOBILE: 'Mobile', WORK_PHONE: 'Work phone', WORK_POSITION: 'Position', UF_DEPARTMENT: 'Departments', USER_TYPE: 'Type' } }),
    }),
    defineMethod({
      name: 'user.add', scope: 'user', errors, about: 'Adds an employee. Administrators.', params: { fields: anything, ...ownParams },
      differs: 'No invitation is sent: an administrator sets the first password.',
      async run({ actor }, params) {
        const fields = fieldsOf(lower(params));
        if (fields.email === undefined) throw new RestError('ERROR_ARGUMENT', 'wrong_email');
        return { result: await people.createEmployee(actor, accepted(api.createEmployeeBody, fields)) };
      },
    }),
    defineMethod({
      name: 'user.update', scope: 'user', errors, about: 'Changes an employee; ACTIVE dismisses and brings back. Administrators, and everybody their own name and phones.',
      params: { ID: anything, ACTIVE: anything, fields: anything, ...ownParams }, run: update,
    }),

    defineMethod({
      name: 'department.get', scope: 'department', errors: departmentErrors, about: 'Departments, by 50.', params: { filter: anything, sort: optionalText, order: anything, start, ...departmentParams },
      async run(_call, { start: from, ...given }) {
        const directory = await people.directory(db);
        const found = filterRows(directory.departments.map(department).map((row): Person => ({ PARENT: '', UF_HEAD: '', ...row })), conditions(lower(given), departmentNames), (name) => {
          throw new RestError('ERROR_ARGUMENT', `Unknown field in filter: ${name.slice(0, 100)}`);
        });
        const sorted = sortRows(found, [[toText(given.sort)?.toUpperCase() ?? 'SORT', typeof given.order === 'string' ? given.order : 'ASC']]);
        return cut(sorted.map((row) => Object.fromEntries(Object.entries(row).filter(([, value]) => value !== ''))), from);
      },
    }),
    defineMethod({
      name: 'department.fields', scope: 'department', errors: departmentErrors, about: 'The fields of a department.', params: {},
      run: () => ({ result: { ID: 'ID', NAME: 'Department name', SORT: 'Sorting', PARENT: 'Parent department', UF_HEAD: 'Head' } }),
    }),
    defineMethod({
      name: 'department.add', scope: 'department', errors: departmentErrors, about: 'Adds a department. Administrators.', params: departmentParams,
      async run(call, params) {
        const name = (toText(params.NAME) ?? '').trim();
        if (name === '') throw new RestError('ERROR_CORE', 'Department name not provided.<br>');
        const parentId = toInteger(params.PARENT);
        const position = toInteger(params.SORT);
        const made = await people.createDepartment(call.actor, accepted(api.createDepartmentBody, { name, parentId: parentId && parentId > 0 ? parentId : null, ...(position === undefined ? {} : { position }) }));
        await setHead(call, made, params.UF_HEAD);
        return { result: made };
      },
    }),
    defineMethod({
      name: 'department.update', scope: 'department', errors: departmentErrors, about: 'Changes a department. Administrators.', params: departmentParams,
      async run(call, params) {
        const id = toInteger(params.ID) ?? 0;
        const name = toText(params.NAME)?.trim();
        const [parentId, position] = [toInteger(params.PARENT), toInteger(params.SORT)];
        await people.changeDepartment(call.actor, id, accepted(api.changeDepartmentBody, {
          ...(name ? { name } : {}), ...(parentId === undefined ? {} : { parentId: parentId > 0 ? parentId : null }), ...(position === undefined ? {} : { position }),
        }));
        await setHead(call, id, params.UF_HEAD);
        return { result: true };
      },
    }),
    defineMethod({
      name: 'department.delete', scope: 'department', errors: departmentErrors, about: 'Deletes a department; its people and departments go to the one above. Administrators.', params: departmentParams,
      async run(call, params) {
        const id = toInteger(params.ID) ?? 0;
        const above = (await people.directory(db)).department(id)?.parentId ?? undefined;
        await people.deleteDepartment(call.actor, id, above);
        return { result: true };
      },
    }),
  ];
}
