/** All SQL of people. */
import type { AccessMember, AccessRight, AccessRole, DepartmentRole } from '../../shared/api/people.ts';
import { empty, join, json, sql, type Queryable, type Sql } from '../db/db.ts';
import type { Company, DirectoryRows, Employee } from './directory.ts';

// -- Versions and snapshots ---------------------------------------------------------------------

/**
 * isOwn: the row was written by the transaction that asks. It may go on to write under the same
 * version, or roll back: nothing loaded at it may be remembered.
 */
export async function readVersions(q: Queryable): Promise<{ people: number; access: number; isOwn: boolean }> {
  const rows = await q.rows<{ name: string; version: number; isOwn: boolean }>(sql`
    select name, version, coalesce(xmin = pg_current_xact_id_if_assigned()::xid, false) as is_own
    from config_versions where name in ('people', 'access')`);
  const version = (name: string): number => rows.find((r) => r.name === name)?.version ?? 0;
  return { people: version('people'), access: version('access'), isOwn: rows.some((r) => r.isOwn) };
}

/** Until the end of the transaction nobody else changes the company. */
export async function lockPeople(tx: Queryable): Promise<void> {
  await tx.run(sql`select version from config_versions where name = 'people' for update`);
}

const employeeColumns = sql`id, email, first_name, last_name, second_name, position, mobile_phone, work_phone,
  language, time_zone, photo_file_id, is_admin, dismissed_at`;

/** Absences that ended before `absentSince` are left out: nobody asks about them. */
export async function loadDirectory(q: Queryable, absentSince: Date): Promise<Omit<DirectoryRows, 'version'>> {
  const [employees, departments, members, company, days, absences] = await Promise.all([
    q.rows<Employee>(sql`select ${employeeColumns} from employees order by id`),
    q.rows<DirectoryRows['departments'][number]>(sql`select id, parent_id, name, position from departments`),
    q.rows<DirectoryRows['members'][number]>(sql`select department_id, employee_id, role from department_members order by employee_id`),
    q.first<Company>(sql`select name, language, time_zone, currency, country, working_hours, settings from company`),
    q.rows<DirectoryRows['days'][number]>(sql`select day, intervals from calendar_days`),
    q.rows<DirectoryRows['absences'][number]>(sql`
      select employee_id, starts_at, ends_at from absences where ends_at > ${absentSince} order by starts_at`),
  ]);
  return { employees, departments, members, company, days, absences };
}

export async function loadAccessRoles(q: Queryable, roleId?: number): Promise<AccessRole[]> {
  const only = roleId === undefined ? empty : sql`where role_id = ${roleId}`;
  const [roles, members, rights] = await Promise.all([
    q.rows<{ id: number; name: string; position: number }>(sql`
      select id, name, position from access_roles ${roleId === undefined ? empty : sql`where id = ${roleId}`} order by position, id`),
    q.rows<{ roleId: number; memberKind: AccessMember['kind']; memberId: number }>(sql`
      select role_id, member_kind, member_id from access_role_members ${only} order by member_kind, member_id`),
    q.rows<AccessRight & { roleId: number }>(sql`
      select role_id, item_type_id, pipeline_id, action, scope from access_rights ${only} order by item_type_id, pipeline_id nulls first, action`),
  ]);
  const found = new Map<number, AccessRole>(roles.map((r) => [r.id, { ...r, members: [], rights: [] }]));
  for (const m of members) {
    found.get(m.roleId)?.members.push(m.memberKind === 'everyone' ? { kind: 'everyone' } : { kind: m.memberKind, id: m.memberId });
  }
  for (const { roleId: role, ...right } of rights) found.get(role)?.rights.push(right);
  return [...found.values()];
}

// -- Company and working time -------------------------------------------------------------------

/** False: there is a company already. */
export async function insertCompany(q: Queryable, company: { name: string; language: string; timeZone: string; currency: string; country: string }): Promise<boolean> {
  return (await q.run(sql`
    insert into company (name, language, time_zone, currency, country)
    values (${company.name}, ${company.language}, ${company.timeZone}, ${company.currency}, ${company.country})
    on conflict do nothing`)) > 0;
}

export async function hasCompany(q: Queryable): Promise<boolean> {
  return (await q.first(sql`select id from company`)) !== undefined;
}

export async function updateCompany(q: Queryable, changes: Partial<Omit<Company, 'settings'>>): Promise<void> {
  await q.run(sql`
    update company set
      name = coalesce(${changes.name ?? null}, name),
      language = coalesce(${changes.language ?? null}, language),
      time_zone = coalesce(${changes.timeZone ?? null}, time_zone),
      currency = coalesce(${changes.currency ?? null}, currency),
      country = coalesce(${changes.country ?? null}, country),
      working_hours = coalesce(${changes.workingHours ? json(changes.workingHours) : null}::jsonb, working_hours)`);
}

export async function mergeCompanySettings(q: Queryable, settings: Record<string, unknown>): Promise<void> {
  await q.run(sql`update company set settings = settings || ${json(settings)}::jsonb`);
}

export interface CalendarDay {
  day: string;
  name: string;
  intervals: [string, string][];
}

export function calendarDays(q: Queryable, from: string | null, to: string | null): Promise<CalendarDay[]> {
  return q.rows(sql`
    select day, name, intervals from calendar_days
    where (${from}::date is null or day >= ${from}::date) and (${to}::date is null or day <= ${to}::date) order by day`);
}

export async function upsertCalendarDays(q: Queryable, days: readonly CalendarDay[]): Promise<void> {
  await q.run(sql`
    insert into calendar_days (day, name, intervals)
    select * from unnest(${days.map((d) => d.day)}::date[], ${days.map((d) => d.name)}::text[], ${days.map((d) => json(d.intervals))}::jsonb[])
    on conflict (day) do update set name = excluded.name, intervals = excluded.intervals`);
}

export function deleteCalendarDay(q: Queryable, day: string): Promise<number> {
  return q.run(sql`delete from calendar_days where day = ${day}::date`);
}

// -- Employees ----------------------------------------------------------------------------------

export interface NewEmployee extends Omit<Employee, 'id' | 'dismissedAt' | 'photoFileId'> {
  passwordHash: string | null;
}

/** Ids in the order given. */
export async function insertEmployees(q: Queryable, employees: readonly NewEmployee[], at: Date): Promise<number[]> {
  const column = <Name extends keyof NewEmployee>(name: Name): NewEmployee[Name][] => employees.map((e) => e[name]);
  const rows = await q.rows<{ id: number; key: string }>(sql`
    insert into employees (email, first_name, last_name, second_name, position, mobile_phone, work_phone, language, time_zone,
      is_admin, password_hash, created_at)
    select e.*, ${at}::timestamptz from unnest(${column('email')}::text[], ${column('firstName')}::text[], ${column('lastName')}::text[],
      ${column('secondName')}::text[], ${column('position')}::text[], ${column('mobilePhone')}::text[], ${column('workPhone')}::text[],
      ${column('language')}::text[], ${column('timeZone')}::text[], ${column('isAdmin')}::bool[], ${column('passwordHash')}::text[]) as e
    returning id, email as key`);
  const ids = new Map(rows.map((r) => [r.key, r.id]));
  return employees.map((e) => ids.get(e.email) ?? 0);
}

export type EmployeeChanges = { -readonly [Name in Exclude<keyof Employee, 'id'>]?: Employee[Name] } & { passwordHash?: string };

const changeableColumns: readonly (readonly [keyof EmployeeChanges, Sql])[] = [
  ['email', sql`email`], ['firstName', sql`first_name`], ['lastName', sql`last_name`], ['secondName', sql`second_name`],
  ['position', sql`position`], ['mobilePhone', sql`mobile_phone`], ['workPhone', sql`work_phone`], ['language', sql`language`],
  ['timeZone', sql`time_zone`], ['photoFileId', sql`photo_file_id`], ['isAdmin', sql`is_admin`], ['dismissedAt', sql`dismissed_at`],
  ['passwordHash', sql`password_hash`],
];

/** undefined: stays as it is; null: is emptied. */
export async function updateEmployee(q: Queryable, id: number, changes: EmployeeChanges): Promise<void> {
  const set = changeableColumns.flatMap(([name, column]) => (changes[name] === undefined ? [] : [sql`${column} = ${changes[name]}`]));
  if (set.length > 0) await q.run(sql`update employees set ${join(set)} where id = ${id}`);
}

export async function otherAdmins(q: Queryable, exceptId: number): Promise<number> {
  const row = await q.first<{ count: number }>(sql`
    select count(*) as count from employees where is_admin and dismissed_at is null and id <> ${exceptId}`);
  return row?.count ?? 0;
}

export interface EmployeeSearch {
  words: readonly string[];
  /** null: anywhere. */
  departmentIds: readonly number[] | null;
  dismissed: 'without' | 'with' | 'only';
  after: { lastName: string; firstName: string; id: number } | null;
  limit: number;
}

export async function searchEmployees(q: Queryable, search: EmployeeSearch): Promise<number[]> {
  const where: Sql[] = [sql`true`];
  if (search.dismissed !== 'with') where.push(search.dismissed === 'only' ? sql`dismissed_at is not null` : sql`dismissed_at is null`);
  for (const word of search.words) {
    const like = `%${word.replace(/[\\%_]/g, '\\$&')}%`;
    const digits = word.replace(/\D/g, '');
    // Four digits: fewer would find half the company by area code.
    const byPhone = digits.length >= 4 ? sql`or concat_ws(' ', mobile_phone, work_phone) like ${`%${digits}%`}` : empty;
    where.push(sql`(concat_ws(' ', last_name, first_name, second_name, position, email) ilike ${like} ${byPhone})`);
  }
  if (search.departmentIds) {
    where.push(sql`exists (select from department_members m where m.employee_id = e.id and m.department_id = any(${search.departmentIds}::bigint[]))`);
  }
  if (search.after) where.push(sql`(last_name, first_name, id) > (${search.after.lastName}, ${search.after.firstName}, ${search.after.id})`);
  const rows = await q.rows<{ id: number }>(sql`
    select id from employees e where ${join(where, ' and ')} order by last_name, first_name, id limit ${search.limit}`);
  return rows.map((r) => r.id);
}

// -- Departments --------------------------------------------------------------------------------

export async function insertDepartment(q: Queryable, department: { name: string; parentId: number | null; position: number | null }): Promise<number> {
  const row = await q.first<{ id: number }>(sql`
    insert into departments (name, parent_id, position)
    values (${department.name}, ${department.parentId}, coalesce(${department.position}::int,
      (select coalesce(max(position) + 1, 0) from departments where parent_id is not distinct from ${department.parentId}::bigint)))
    returning id`);
  return row!.id;
}

export async function updateDepartment(q: Queryable, id: number, changes: { name?: string; parentId?: number | null; position?: number }): Promise<void> {
  await q.run(sql`
    update departments set
      name = coalesce(${changes.name ?? null}, name),
      parent_id = case when ${changes.parentId !== undefined} then ${changes.parentId ?? null}::bigint else parent_id end,
      position = coalesce(${changes.position ?? null}, position)
    where id = ${id}`);
}

export async function moveDepartmentContents(q: Queryable, fromId: number, toId: number): Promise<void> {
  await q.run(sql`
    insert into department_members (department_id, employee_id, role)
    select ${toId}, employee_id, 'employee' from department_members where department_id = ${fromId}
    on conflict do nothing`);
  await q.run(sql`update departments set parent_id = ${toId} where parent_id = ${fromId}`);
}

export async function deleteDepartment(q: Queryable, id: number): Promise<void> {
  await q.run(sql`delete from access_role_members where member_kind = 'department' and member_id = ${id}`);
  await q.run(sql`delete from departments where id = ${id}`);
}

export async function upsertMembers(q: Queryable, members: readonly { departmentId: number; employeeId: number; role: DepartmentRole }[]): Promise<void> {
  if (members.length === 0) return;
  await q.run(sql`
    insert into department_members (department_id, employee_id, role)
    select * from unnest(${members.map((m) => m.departmentId)}::bigint[], ${members.map((m) => m.employeeId)}::bigint[], ${members.map((m) => m.role)}::text[])
    on conflict (department_id, employee_id) do update set role = excluded.role`);
}

export function deleteMember(q: Queryable, departmentId: number, employeeId: number): Promise<number> {
  return q.run(sql`delete from department_members where department_id = ${departmentId} and employee_id = ${employeeId}`);
}

export async function deleteMembershipsOf(q: Queryable, employeeId: number): Promise<void> {
  await q.run(sql`delete from department_members where employee_id = ${employeeId}`);
}

// -- Absences -----------------------------------------------------------------------------------

export interface Absence {
  id: number;
  employeeId: number;
  kind: 'vacation' | 'sick_leave' | 'business_trip' | 'other';
  startsAt: Date;
  endsAt: Date;
  note: string;
}

export function absences(
  q: Queryable,
  filter: { employeeId: number | null; from: Date | null; to: Date | null; after: { startsAt: Date; id: number } | null; limit: number },
): Promise<Absence[]> {
  const after = filter.after ? sql`and (starts_at, id) > (${filter.after.startsAt}, ${filter.after.id})` : empty;
  return q.rows(sql`
    select id, employee_id, kind, starts_at, ends_at, note from absences
    where (${filter.employeeId}::bigint is null or employee_id = ${filter.employeeId})
      and (${filter.from}::timestamptz is null or ends_at > ${filter.from})
      and (${filter.to}::timestamptz is null or starts_at < ${filter.to}) ${after}
    order by starts_at, id limit ${filter.limit}`);
}

export function absenceById(q: Queryable, id: number): Promise<Absence | undefined> {
  return q.first(sql`select id, employee_id, kind, starts_at, ends_at, note from absences where id = ${id} for update`);
}

export async function insertAbsence(q: Queryable, absence: Omit<Absence, 'id'>): Promise<number> {
  const row = await q.first<{ id: number }>(sql`
    insert into absences (employee_id, kind, starts_at, ends_at, note)
    values (${absence.employeeId}, ${absence.kind}, ${absence.startsAt}, ${absence.endsAt}, ${absence.note}) returning id`);
  return row!.id;
}

export async function updateAbsence(q: Queryable, absence: Absence): Promise<void> {
  await q.run(sql`
    update absences set kind = ${absence.kind}, starts_at = ${absence.startsAt}, ends_at = ${absence.endsAt}, note = ${absence.note}
    where id = ${absence.id}`);
}

export async function deleteAbsence(q: Queryable, id: number): Promise<void> {
  await q.run(sql`delete from absences where id = ${id}`);
}

// -- Sign-in ------------------------------------------------------------------------------------

export function credentialsByEmail(q: Queryable, email: string): Promise<{ id: number; passwordHash: string | null; dismissedAt: Date | null } | undefined> {
  return q.first(sql`select id, password_hash, dismissed_at from employees where lower(email) = lower(${email})`);
}

export async function passwordHashOf(q: Queryable, id: number): Promise<string | null> {
  const row = await q.first<{ passwordHash: string | null }>(sql`select password_hash from employees where id = ${id}`);
  return row?.passwordHash ?? null;
}

export async function hasSignedInFrom(q: Queryable, email: string, ip: string): Promise<boolean> {
  const row = await q.first(sql`
    select 1 as found from sessions s join employees e on e.id = s.employee_id where lower(e.email) = lower(${email}) and s.ip = ${ip} limit 1`);
  return row !== undefined;
}

export interface NewSession {
  tokenHash: Buffer;
  employeeId: number;
  at: Date;
  expiresAt: Date;
  userAgent: string;
  ip: string;
}

/** False: the employee was dismissed meanwhile. The lock makes a dismissal wait, and then end this session too. */
export async function insertSession(q: Queryable, session: NewSession): Promise<boolean> {
  return (await q.run(sql`
    insert into sessions (token_hash, employee_id, created_at, last_seen_at, expires_at, user_agent, ip)
    select ${session.tokenHash}, id, ${session.at}, ${session.at}, ${session.expiresAt}, ${session.userAgent}, ${session.ip}
    from employees where id = ${session.employeeId} and dismissed_at is null for share`)) > 0;
}

export interface TokenRow {
  id: number;
  employeeId: number;
  isAdmin: boolean;
  language: 'ru' | 'en';
  timeZone: string;
  seenAt: Date | null;
}

export function actorBySession(q: Queryable, tokenHash: Buffer, at: Date): Promise<TokenRow | undefined> {
  return q.first(sql`
    select s.id, e.id as employee_id, e.is_admin, e.language, e.time_zone, s.last_seen_at as seen_at
    from sessions s join employees e on e.id = s.employee_id
    where s.token_hash = ${tokenHash} and s.expires_at > ${at} and e.dismissed_at is null`);
}

export function actorByApiToken(q: Queryable, tokenHash: Buffer): Promise<TokenRow | undefined> {
  return q.first(sql`
    select t.id, e.id as employee_id, e.is_admin, e.language, e.time_zone, t.last_used_at as seen_at
    from api_tokens t join employees e on e.id = t.employee_id
    where t.token_hash = ${tokenHash} and t.revoked_at is null and e.dismissed_at is null`);
}

export async function touchSession(q: Queryable, id: number, at: Date): Promise<void> {
  await q.run(sql`update sessions set last_seen_at = ${at} where id = ${id} and last_seen_at < ${at}`);
}

export async function touchApiToken(q: Queryable, id: number, at: Date): Promise<void> {
  await q.run(sql`update api_tokens set last_used_at = ${at} where id = ${id} and (last_used_at is null or last_used_at < ${at})`);
}

export interface Session {
  id: number;
  createdAt: Date;
  lastSeenAt: Date;
  expiresAt: Date;
  userAgent: string;
  ip: string;
}

export function sessionsOf(q: Queryable, employeeId: number, at: Date): Promise<Session[]> {
  return q.rows(sql`
    select id, created_at, last_seen_at, expires_at, user_agent, ip from sessions
    where employee_id = ${employeeId} and expires_at > ${at} order by last_seen_at desc, id desc`);
}

export function deleteSession(q: Queryable, employeeId: number, id: number): Promise<number> {
  return q.run(sql`delete from sessions where id = ${id} and employee_id = ${employeeId}`);
}

export function deleteSessionsOf(q: Queryable, employeeId: number, exceptId: number | null): Promise<number> {
  return q.run(sql`delete from sessions where employee_id = ${employeeId} and id is distinct from ${exceptId}::bigint`);
}

export function deleteExpiredSessions(q: Queryable, at: Date): Promise<number> {
  return q.run(sql`
    delete from sessions where id in (select id from sessions where expires_at <= ${at} for update skip locked)`);
}

export interface ApiToken {
  id: number;
  employeeId: number;
  name: string;
  createdAt: Date;
  lastUsedAt: Date | null;
  revokedAt: Date | null;
}

export async function insertApiToken(q: Queryable, token: { tokenHash: Buffer; employeeId: number; name: string; at: Date }): Promise<number> {
  const row = await q.first<{ id: number }>(sql`
    insert into api_tokens (token_hash, employee_id, name, created_at)
    values (${token.tokenHash}, ${token.employeeId}, ${token.name}, ${token.at}) returning id`);
  return row!.id;
}

export function apiTokensOf(q: Queryable, employeeId: number): Promise<ApiToken[]> {
  return q.rows(sql`
    select id, employee_id, name, created_at, last_used_at, revoked_at from api_tokens where employee_id = ${employeeId} order by id desc`);
}

/** ownerId null: whoever's it is. Returns whose it was; null: there is no such token. */
export async function revokeApiToken(q: Queryable, id: number, ownerId: number | null, at: Date): Promise<number | null> {
  const row = await q.first<{ employeeId: number }>(sql`
    update api_tokens set revoked_at = coalesce(revoked_at, ${at})
    where id = ${id} and (${ownerId}::bigint is null or employee_id = ${ownerId})
    returning employee_id`);
  return row?.employeeId ?? null;
}

export async function revokeApiTokensOf(q: Queryable, employeeId: number, at: Date): Promise<void> {
  await q.run(sql`update api_tokens set revoked_at = ${at} where employee_id = ${employeeId} and revoked_at is null`);
}

// -- Access roles -------------------------------------------------------------------------------

export async function insertAccessRole(q: Queryable, role: { name: string; position: number | null }): Promise<number> {
  const row = await q.first<{ id: number }>(sql`
    insert into access_roles (name, position)
    values (${role.name}, coalesce(${role.position}::int, (select coalesce(max(position) + 1, 0) from access_roles))) returning id`);
  return row!.id;
}

export async function updateAccessRole(q: Queryable, id: number, changes: { name?: string; position?: number }): Promise<void> {
  await q.run(sql`
    update access_roles set name = coalesce(${changes.name ?? null}, name), position = coalesce(${changes.position ?? null}, position)
    where id = ${id}`);
}

export async function replaceAccessMembers(q: Queryable, roleId: number, members: readonly AccessMember[]): Promise<void> {
  await q.run(sql`delete from access_role_members where role_id = ${roleId}`);
  await q.run(sql`
    insert into access_role_members (role_id, member_kind, member_id)
    select ${roleId}::bigint, * from unnest(${members.map((m) => m.kind)}::text[], ${members.map((m) => (m.kind === 'everyone' ? 0 : m.id))}::bigint[])
    on conflict do nothing`);
}

export async function replaceAccessRights(q: Queryable, roleId: number, rights: readonly AccessRight[]): Promise<void> {
  await q.run(sql`delete from access_rights where role_id = ${roleId}`);
  await q.run(sql`
    insert into access_rights (role_id, item_type_id, pipeline_id, action, scope)
    select ${roleId}::bigint, * from unnest(${rights.map((r) => r.itemTypeId)}::bigint[], ${rights.map((r) => r.pipelineId)}::bigint[],
      ${rights.map((r) => r.action)}::text[], ${rights.map((r) => r.scope)}::text[])`);
}

export function deleteAccessRole(q: Queryable, id: number): Promise<number> {
  return q.run(sql`delete from access_roles where id = ${id}`);
}

// -- Ways in ------------------------------------------------------------------------------------

export async function setupSalt(q: Queryable): Promise<string> {
  const row = await q.first<{ setupSalt: string }>(sql`select setup_salt from installation`);
  return row?.setupSalt ?? '';
}

export interface Invitation {
  id: number;
  email: string;
  firstName: string;
  lastName: string;
  position: string;
  language: 'ru' | 'en';
  isAdmin: boolean;
  departmentId: number | null;
  departmentRole: DepartmentRole;
  accessRoleId: number | null;
  invitedBy: number;
  createdAt: Date;
  sentAt: Date;
  expiresAt: Date;
}

const invitationColumns = sql`id, email, first_name, last_name, position, language, is_admin, department_id, department_role, access_role_id,
  invited_by, created_at, sent_at, expires_at`;

export function invitations(q: Queryable): Promise<Invitation[]> {
  return q.rows(sql`select ${invitationColumns} from invitations order by sent_at desc, id desc`);
}

export function invitationByEmail(q: Queryable, email: string): Promise<Invitation | undefined> {
  return q.first(sql`select ${invitationColumns} from invitations where lower(email) = lower(${email}) for update`);
}

/** Of those that have not expired; locked, so that it is accepted once. */
export function invitationByToken(q: Queryable, tokenHash: Buffer, at: Date): Promise<Invitation | undefined> {
  return q.first(sql`select ${invitationColumns} from invitations where token_hash = ${tokenHash} and expires_at > ${at} for update`);
}

export async function insertInvitation(q: Queryable, tokenHash: Buffer, row: Omit<Invitation, 'id'>): Promise<Invitation> {
  const made = await q.first<Invitation>(sql`
    insert into invitations (token_hash, email, first_name, last_name, position, language, is_admin, department_id, department_role, access_role_id,
      invited_by, created_at, sent_at, expires_at)
    values (${tokenHash}, ${row.email}, ${row.firstName}, ${row.lastName}, ${row.position}, ${row.language}, ${row.isAdmin}, ${row.departmentId},
      ${row.departmentRole}, ${row.accessRoleId}, ${row.invitedBy}, ${row.createdAt}, ${row.sentAt}, ${row.expiresAt})
    returning ${invitationColumns}`);
  return made!;
}

export function renewInvitation(q: Queryable, id: number, tokenHash: Buffer, sentAt: Date, expiresAt: Date): Promise<Invitation | undefined> {
  return q.first(sql`
    update invitations set token_hash = ${tokenHash}, sent_at = ${sentAt}, expires_at = ${expiresAt} where id = ${id} returning ${invitationColumns}`);
}

export function deleteInvitation(q: Queryable, id: number): Promise<number> {
  return q.run(sql`delete from invitations where id = ${id}`);
}

export async function addAccessMember(q: Queryable, roleId: number, employeeId: number): Promise<void> {
  await q.run(sql`
    insert into access_role_members (role_id, member_kind, member_id) values (${roleId}, 'employee', ${employeeId}) on conflict do nothing`);
}

/** By an e-mail, known or not: the same statement and the same time. Returns whose it is; undefined: nobody's who may sign in. */
export function insertPasswordLinkFor(
  q: Queryable, email: string, link: { tokenHash: Buffer; at: Date; expiresAt: Date },
): Promise<{ employeeId: number } | undefined> {
  return q.first(sql`
    insert into password_links (token_hash, employee_id, created_at, expires_at)
    select ${link.tokenHash}, id, ${link.at}, ${link.expiresAt} from employees where lower(email) = lower(${email}) and dismissed_at is null
    returning employee_id`);
}

export async function insertPasswordLink(
  q: Queryable, link: { tokenHash: Buffer; employeeId: number; madeBy: number; at: Date; expiresAt: Date },
): Promise<void> {
  await q.run(sql`
    insert into password_links (token_hash, employee_id, made_by, created_at, expires_at)
    values (${link.tokenHash}, ${link.employeeId}, ${link.madeBy}, ${link.at}, ${link.expiresAt})`);
}

/** Of somebody who may sign in, and not expired; locked, so that it works once. */
export function passwordLinkByToken(q: Queryable, tokenHash: Buffer, at: Date): Promise<{ employeeId: number; expiresAt: Date } | undefined> {
  return q.first(sql`
    select l.employee_id, l.expires_at from password_links l join employees e on e.id = l.employee_id
    where l.token_hash = ${tokenHash} and l.expires_at > ${at} and e.dismissed_at is null for update of l`);
}

/** Those of the employee, and all that have expired. */
export async function deletePasswordLinks(q: Queryable, employeeId: number, at: Date): Promise<void> {
  await q.run(sql`delete from password_links where employee_id = ${employeeId} or expires_at <= ${at}`);
}

/** Of everybody, the newest first. */
export function allApiTokens(q: Queryable): Promise<ApiToken[]> {
  return q.rows(sql`select id, employee_id, name, created_at, last_used_at, revoked_at from api_tokens order by id desc limit 5000`);
}
