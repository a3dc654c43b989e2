/** HTTP contract of people: employees, departments, company, working time, sign-in, access. */
import { z } from 'zod';

// A NUL is not text: PostgreSQL refuses it, so it is dropped at the edge.
const withoutNul = (value: string): string => value.replaceAll('\u0000', '');
const text = (max: number) => z.string().overwrite(withoutNul).trim().max(max);
const name = text(255).min(1);
const id = z.int().positive();
const ids = (max: number) => z.array(id).max(max);
const moment = z.iso.datetime({ offset: true });
const idParams = z.object({ id: z.coerce.number().pipe(id) });

export const language = z.enum(['ru', 'en']);
export type Language = z.output<typeof language>;

function isTimeZone(value: string): boolean {
  // Node also takes offsets ('+03:00'): they know no daylight saving, and other parts of the product expect names.
  if (!/^[A-Za-z]/.test(value)) return false;
  try {
    return new Intl.DateTimeFormat('en', { timeZone: value }).resolvedOptions().timeZone !== '';
  } catch {
    return false;
  }
}
export const timeZone = z.string().max(64).refine(isTimeZone, 'http.problem.time_zone');

// -- Recipients ---------------------------------------------------------------------------------

/** Whom a robot informs. Resolved at the moment of sending: people/recipients.ts. */
export const recipientSource = z.discriminatedUnion('kind', [
  z.strictObject({ kind: z.literal('employee'), id }),
  z.strictObject({ kind: z.literal('department'), id, withSubdepartments: z.boolean().optional() }),
  z.strictObject({ kind: z.literal('departmentHead'), id }),
  z.strictObject({ kind: z.literal('role'), role: z.enum(['owner', 'ownerHead', 'creator', 'observers', 'mover']) }),
  /** An employee field of the item, by its code. */
  z.strictObject({ kind: z.literal('field'), field: z.string().min(1).max(100) }),
  z.strictObject({ kind: z.literal('everyone') }),
]);
export type RecipientSource = z.output<typeof recipientSource>;

// -- Working time -------------------------------------------------------------------------------

const timeOfDay = z.string().regex(/^([01]\d|2[0-3]):[0-5]\d$|^24:00$/, 'http.problem.time_of_day');

function areOrdered(intervals: readonly (readonly [string, string])[]): boolean {
  return intervals.every(([from, to], i) => from < to && (i === 0 || intervals[i - 1]![1] <= from));
}
/** Parts of a day in the company's time zone: [['09:00','13:00'],['14:00','18:00']]; [] is a day off. */
export const workingIntervals = z.array(z.tuple([timeOfDay, timeOfDay])).max(10)
  .refine(areOrdered, 'http.problem.intervals');

/** ISO weekdays: 1 is Monday. */
export const workingHours = z.strictObject({
  1: workingIntervals, 2: workingIntervals, 3: workingIntervals, 4: workingIntervals,
  5: workingIntervals, 6: workingIntervals, 7: workingIntervals,
}).refine((week) => Object.values(week).some((day) => day.length > 0), 'http.problem.no_working_time');
export type WorkingHours = z.output<typeof workingHours>;

export const calendarDay = z.object({ day: z.iso.date(), name: text(255).default(''), intervals: workingIntervals });
export const calendarDaysQuery = z.object({ from: z.iso.date().optional(), to: z.iso.date().optional() });
export const calendarDaysResponse = z.object({ items: z.array(calendarDay) });
/** Each given day replaces what was said about it. */
export const setCalendarDaysBody = z.strictObject({ days: z.array(calendarDay).min(1).max(1000) });
export const calendarDayParams = z.object({ day: z.iso.date() });

// -- Company ------------------------------------------------------------------------------------

const currency = z.string().regex(/^[A-Z]{3}$/, 'http.problem.currency').refine((code) => Intl.supportedValuesOf('currency').includes(code), 'http.problem.currency');
const country = z.string().regex(/^[A-Z]{2}$/, 'http.problem.country');

export const companyResponse = z.object({
  name: z.string(), language, timeZone: z.string(), currency: z.string(), country: z.string(), workingHours,
});
export const changeCompanyBody = z.strictObject({ name, language, timeZone, currency, country, workingHours }).partial();
export type ChangeCompany = z.output<typeof changeCompanyBody>;

// -- Employees ----------------------------------------------------------------------------------

const email = z.string().trim().max(254).pipe(z.email());
/** As a person types it; the server makes it E.164. Empty text and null: there is none. */
const phone = text(64).nullable();
/** Weakness is judged by the server, which can say what is wrong with it. */
const password = z.string().max(256);
const role = z.enum(['head', 'deputy', 'employee']);
export type DepartmentRole = z.output<typeof role>;

export const employeeResponse = z.object({
  id, email: z.string(), firstName: z.string(), lastName: z.string(), secondName: z.string(), fullName: z.string(),
  position: z.string(), mobilePhone: z.string().nullable(), workPhone: z.string().nullable(),
  language, timeZone: z.string(), photoFileId: z.int().nullable(), isAdmin: z.boolean(),
  dismissedAt: moment.nullable(), isAbsent: z.boolean(), headId: z.int().nullable(),
  departments: z.array(z.object({ id, name: z.string(), role })),
});
export type EmployeeResponse = z.output<typeof employeeResponse>;

const employeeFields = {
  firstName: text(255), lastName: text(255), secondName: text(255), position: text(255),
  mobilePhone: phone, workPhone: phone, language, timeZone,
};
const employeeDepartments = z.array(z.strictObject({ id, role: role.default('employee') })).max(100);

export const createEmployeeBody = z.strictObject({
  email, ...z.strictObject(employeeFields).partial().shape,
  isAdmin: z.boolean().optional(),
  /** Without one the employee cannot sign in until an administrator sets it. */
  password: password.optional(),
  departments: employeeDepartments.optional(),
});
export type CreateEmployee = z.input<typeof createEmployeeBody>;

export const changeEmployeeBody = z.strictObject({
  email, ...employeeFields, isAdmin: z.boolean(), password, photoFileId: id.nullable(), departments: employeeDepartments,
}).partial();
export type ChangeEmployee = z.output<typeof changeEmployeeBody>;

export const employeesQuery = z.object({
  /** Every word is looked for in names, position, e-mail and phones. */
  search: text(200).optional(),
  departmentId: z.coerce.number().pipe(id).optional(),
  withSubdepartments: z.stringbool().optional(),
  dismissed: z.enum(['without', 'with', 'only']).default('without'),
  cursor: z.string().max(2000).optional(),
  limit: z.coerce.number().int().min(1).max(200).default(50),
});
export const employeesResponse = z.object({ items: z.array(employeeResponse), nextCursor: z.string().nullable() });
export const employeeParams = idParams;

/** Where the company names an employee. */
export const useKind = z.enum(['items', 'observers', 'clients', 'departments', 'access', 'chats', 'robots']);
export const employeeUses = z.object({
  /** `names`: some of them. */
  items: z.array(z.object({ kind: useKind, count: z.int(), names: z.array(z.string()) })),
});
export const dismissBody = z.strictObject({
  /** Who takes over what `replace` names. */
  replacementId: id.optional(),
  replace: z.array(useKind).max(20).default([]),
});
export type Dismiss = z.output<typeof dismissBody>;
export const dismissedEmployee = employeeResponse.extend({ replaced: z.array(z.object({ kind: useKind, count: z.int() })) });

// -- Departments --------------------------------------------------------------------------------

export const departmentResponse = z.object({
  id, parentId: z.int().nullable(), name: z.string(), position: z.int(),
  /** employeeIds: everyone directly in it, heads and deputies included; none of the three lists names the dismissed. */
  headIds: z.array(id), deputyIds: z.array(id), employeeIds: z.array(id),
});
export const departmentsResponse = z.object({ items: z.array(departmentResponse) });
export const createDepartmentBody = z.strictObject({
  name, parentId: id.nullable().default(null), position: z.int().min(0).max(1_000_000).optional(),
  headIds: ids(100).optional(), deputyIds: ids(100).optional(), employeeIds: ids(10_000).optional(),
});
export type CreateDepartment = z.input<typeof createDepartmentBody>;
export const changeDepartmentBody = z.strictObject({ name, parentId: id.nullable(), position: z.int().min(0).max(1_000_000) }).partial();
export type ChangeDepartment = z.output<typeof changeDepartmentBody>;
/** moveTo: the department that takes the people and sub-departments. Without it only an empty one goes. */
export const deleteDepartmentQuery = z.object({ moveTo: z.coerce.number().pipe(id).optional() });
/** Adds people, or changes the role of those who are in it already. */
export const addMembersBody = z.strictObject({ employeeIds: ids(10_000).min(1), role: role.default('employee') });
export const departmentParams = idParams;
export const memberParams = z.object({ id: z.coerce.number().pipe(id), employeeId: z.coerce.number().pipe(id) });

// -- Absences -----------------------------------------------------------------------------------

const absenceFields = {
  kind: z.enum(['vacation', 'sick_leave', 'business_trip', 'other']), startsAt: moment, endsAt: moment, note: text(1000),
};
/** The note is shown to the employee and to administrators; to others it is null. */
export const absenceResponse = z.object({ id, employeeId: id, ...absenceFields, note: z.string().nullable() });
export const absencesQuery = z.object({
  employeeId: z.coerce.number().pipe(id).optional(), from: moment.optional(), to: moment.optional(),
  cursor: z.string().max(2000).optional(), limit: z.coerce.number().int().min(1).max(500).default(100),
});
export const absencesResponse = z.object({ items: z.array(absenceResponse), nextCursor: z.string().nullable() });
export const createAbsenceBody = z.strictObject({
  employeeId: id, kind: absenceFields.kind.default('vacation'), startsAt: moment, endsAt: moment, note: absenceFields.note.default(''),
});
export const changeAbsenceBody = z.strictObject(absenceFields).partial();
export const absenceParams = idParams;

// -- Sign-in, profile ---------------------------------------------------------------------------

export const signInBody = z.strictObject({ email: z.string().trim().max(254), password: z.string().max(256) });
export const meResponse = z.object({ employee: employeeResponse, company: companyResponse, via: z.enum(['session', 'token', 'system']) });
export const changeMeBody = z.strictObject({
  firstName: employeeFields.firstName, lastName: employeeFields.lastName, secondName: employeeFields.secondName,
  mobilePhone: phone, workPhone: phone, language, timeZone, photoFileId: id.nullable(),
}).partial();
export const changePasswordBody = z.strictObject({ currentPassword: z.string().max(256), newPassword: password });

export const sessionResponse = z.object({
  id, createdAt: moment, lastSeenAt: moment, expiresAt: moment, userAgent: z.string(), ip: z.string(), isCurrent: z.boolean(),
  /** 'Chrome', 'Windows': as far as the browser tells; empty: it does not. */
  browser: z.string(), system: z.string(),
});
export const sessionsResponse = z.object({ items: z.array(sessionResponse) });
export const sessionParams = idParams;
export const endSessionsQuery = z.object({ keepCurrent: z.stringbool().default(false) });
export const endSessionsResponse = z.object({ ended: z.int() });

export const apiTokenResponse = z.object({
  id, employeeId: id, name: z.string(), createdAt: moment, lastUsedAt: moment.nullable(), revokedAt: moment.nullable(),
});
/** The token itself: shown this once, stored only as a hash. */
export const createdApiTokenResponse = apiTokenResponse.extend({ token: z.string() });
export const createApiTokenBody = z.strictObject({ name });
/** everybody: of all employees, for administrators. */
export const apiTokensQuery = z.object({ employeeId: z.coerce.number().pipe(id).optional(), everybody: z.stringbool().default(false) });
export const apiTokensResponse = z.object({ items: z.array(apiTokenResponse) });
export const apiTokenParams = idParams;

// -- Ways in: set-up, invitations, links to a new password --------------------------------------

const linkToken = z.string().min(1).max(200);
export const linkParams = z.object({ token: linkToken });

/** Whether this installation still waits for its company. */
export const setupState = z.object({ isOpen: z.boolean(), mayUseDemo: z.boolean() });
export const setupBody = z.strictObject({
  /** From the link that the start printed. */
  token: linkToken,
  company: z.strictObject({ name, language, timeZone, currency, country }),
  admin: z.strictObject({ email, firstName: text(255).min(1), lastName: text(255).default(''), password }),
  /** A furniture workshop with its people, deals and robots, to look around in. */
  withDemo: z.boolean().default(false),
});
export type SetUp = z.output<typeof setupBody>;
export const setupResponse = meResponse.extend({
  /** How to look at the demo company through its people's eyes; null: it starts empty. */
  demo: z.object({ email: z.string(), password: z.string() }).nullable(),
});

export const invitation = z.object({
  id, email: z.string(), firstName: z.string(), lastName: z.string(), position: z.string(), language, isAdmin: z.boolean(),
  departmentId: z.int().nullable(), departmentRole: role, accessRoleId: z.int().nullable(), invitedBy: z.int(),
  createdAt: moment, sentAt: moment, expiresAt: moment, isExpired: z.boolean(),
});
export const invitationsResponse = z.object({ items: z.array(invitation) });
export const newInvitation = z.strictObject({
  email, firstName: text(255).default(''), lastName: text(255).default(''), position: text(255).default(''),
  /** Of the letter and of the page behind the link; absent: the company's. */
  language: language.optional(),
  isAdmin: z.boolean().default(false),
  departmentId: id.nullable().default(null), departmentRole: role.default('employee'),
  /** An access role that the newcomer gets. */
  accessRoleId: id.nullable().default(null),
});
export type NewInvitation = z.output<typeof newInvitation>;
/** The link: shown this once. isSent: a letter with it is on its way, too. */
export const madeInvitation = invitation.extend({ link: z.string(), isSent: z.boolean() });
export const invitationParams = idParams;

/** What the page behind an invitation shows before anybody is signed in. */
export const invitationLink = z.object({
  email: z.string(), firstName: z.string(), lastName: z.string(), language, timeZone: z.string(), companyName: z.string(), invitedBy: z.string(), expiresAt: moment,
});
export const acceptInvitationBody = z.strictObject({
  firstName: text(255).min(1), lastName: text(255).default(''), password, language, timeZone,
});
export type AcceptInvitation = z.output<typeof acceptInvitationBody>;

export const askPasswordBody = z.strictObject({ email: z.string().trim().max(254) });
/** Says nothing of the e-mail: only whether this company can write letters at all. */
export const askPasswordResponse = z.object({ canWrite: z.boolean() });
export const passwordLink = z.object({ email: z.string(), fullName: z.string(), language, expiresAt: moment });
export const newPasswordBody = z.strictObject({ password });
export const madePasswordLink = z.object({ link: z.string(), expiresAt: moment });

// -- Access roles -------------------------------------------------------------------------------

export const accessAction = z.enum(['view', 'add', 'change', 'delete', 'move', 'robots']);
export type AccessAction = z.output<typeof accessAction>;
export const accessScope = z.enum(['none', 'own', 'department', 'all']);
export type AccessScope = z.output<typeof accessScope>;

export const accessMember = z.discriminatedUnion('kind', [
  z.strictObject({ kind: z.literal('employee'), id }),
  /** With its sub-departments. */
  z.strictObject({ kind: z.literal('department'), id }),
  z.strictObject({ kind: z.literal('everyone') }),
]);
export type AccessMember = z.output<typeof accessMember>;
/** pipelineId null: every pipeline of the item type for which the role says nothing else. */
export const accessRight = z.strictObject({ itemTypeId: id, pipelineId: id.nullable().default(null), action: accessAction, scope: accessScope });
export type AccessRight = z.output<typeof accessRight>;

const isDistinct = (rights: readonly AccessRight[]): boolean =>
  new Set(rights.map((r) => `${r.itemTypeId}/${r.pipelineId}/${r.action}`)).size === rights.length;
const roleFields = {
  name, position: z.int().min(0).max(1_000_000),
  members: z.array(accessMember).max(10_000),
  rights: z.array(accessRight).max(10_000).refine(isDistinct, 'http.problem.rights_doubled'),
};
export const accessRoleResponse = z.object({
  id, name: z.string(), position: z.int(), members: z.array(accessMember), rights: z.array(accessRight),
});
export type AccessRole = z.output<typeof accessRoleResponse>;
export const accessRolesResponse = z.object({ items: z.array(accessRoleResponse) });
export const createAccessRoleBody = z.strictObject({
  name, position: roleFields.position.optional(), members: roleFields.members.default([]), rights: roleFields.rights.default([]),
});
export type CreateAccessRole = z.input<typeof createAccessRoleBody>;
/** Given lists replace the stored ones whole. */
export const changeAccessRoleBody = z.strictObject(roleFields).partial();
export type ChangeAccessRole = z.output<typeof changeAccessRoleBody>;
export const accessRoleParams = idParams;
