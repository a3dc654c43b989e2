/**
 * People: employees, departments, working time, sign-in and access rights.
 *
 * An employee is active or dismissed, never deleted: what they wrote keeps its author. Dismissal ends
 * their sessions and revokes their API tokens; they keep their departments, so the work they leave
 * behind still has a head. A token (of a session or of an API token) is 256 random bits, known to its
 * holder only: the database has its SHA-256.
 *
 * Reads come from the Directory, an immutable snapshot cached by the version of the 'people'
 * configuration. Invariants:
 * - every write takes the lock of that version's row first, so checks over the whole company (no
 *   cycle of departments, at least one administrator, e-mails distinct) cannot race; and bumps it,
 *   so no process goes on with an old snapshot;
 * - a snapshot read inside a transaction that has bumped the version is not remembered: the
 *   transaction may still roll back.
 *
 * Does not do: cookies and the signed-in person of a request (http/), photos' bytes (drive/), what an
 * item is (crm/): rights name item types and pipelines by id only.
 */
import { createHash, randomBytes } from 'node:crypto';
import type { z } from 'zod';
import type {
  AccessRole, ChangeAccessRole, ChangeCompany, ChangeDepartment, ChangeEmployee, CreateAccessRole, CreateDepartment, CreateEmployee,
  DepartmentRole, Dismiss, EmployeeResponse, Language, useKind,
} from '../../shared/api/people.ts';
import { UserError } from '../../shared/errors.ts';
import { bumpConfig, constraintOf, type Db, type Queryable, type Tx } from '../db/db.ts';
import type { Hint } from '../live/live.ts';
import { buildAccessRights, everything, type AccessRights } from './access.ts';
import { buildDirectory, fullName, type Department, type Directory, type Employee } from './directory.ts';
import { hashPassword, isPassword, refuseWeakPassword } from './passwords.ts';
import { isPhoneCountry, normalizePhone } from './phone.ts';
import { createSignInGuard } from './sign-in-guard.ts';
import * as store from './store.ts';
import { createWaysIn, type SignInPlace, type WaysInDeps } from './ways-in.ts';

export type { AccessRights } from './access.ts';
export { fullName } from './directory.ts';
export type { Company, Department, Directory, Employee, Interval, WorkingCalendar } from './directory.ts';
export { deviceOf } from './device.ts';
export { normalizePhone } from './phone.ts';
export { expandRecipients, pickOne } from './recipients.ts';
export type { LeftOut, RecipientContext, Recipients } from './recipients.ts';

/** Who is acting. */
export interface Actor {
  employeeId: number;
  isAdmin: boolean;
  language: Language;
  timeZone: string;
  via: 'session' | 'token' | 'system';
  /** Which session it is, to tell it from the person's others; only with via 'session'. */
  sessionId?: number;
}

/** What people need of live/. */
export interface LivePublisher {
  publish(tx: Tx, hints: readonly Hint[]): Promise<void>;
}

export type UseKind = z.output<typeof useKind>;

/** Where the company names an employee, and how somebody else takes it over. Registered by the modules to the right. */
export interface EmployeeUse {
  kind: UseKind;
  /** `names`: some of them, for people to read. */
  find(q: Queryable, employeeId: number): Promise<{ count: number; names: string[] }>;
  /** In the transaction of the dismissal; how many were changed. */
  replace(tx: Tx, actor: Actor, from: number, to: number): Promise<number>;
}

export interface SignedIn {
  token: string;
  expiresAt: Date;
  employeeId: number;
}

const day = 24 * 60 * 60_000;
/** Long enough that nobody signs in every week, short enough that a lost laptop is not for ever. */
const sessionMs = 30 * day;
/** last_seen is written at most this often: it must not cost a write per request. */
const touchMs = 60_000;
/** Absences that ended earlier are not kept in the directory. */
const absencesMs = 31 * day;
const sessionPrefix = 'vs_';
const apiTokenPrefix = 'vt_';
/** Of a link: invitation, new password. */
const linkPrefix = 'vl_';

function newToken(prefix: string): string {
  return prefix + randomBytes(32).toString('base64url');
}

function hashToken(token: string): Buffer {
  return createHash('sha256').update(token).digest();
}

export function requireAdmin(actor: Actor): void {
  if (!actor.isAdmin) throw new UserError('access.admin_only');
}

function notFound(kind: string, id: number | string, path?: string): UserError {
  return new UserError('request.not_found', { kind, id }, path);
}

function encodeCursor(parts: readonly (string | number)[]): string {
  return Buffer.from(JSON.stringify(parts)).toString('base64url');
}

function decodeCursor(cursor: string, kinds: readonly ('string' | 'number')[]): unknown[] {
  try {
    const parts: unknown = JSON.parse(Buffer.from(cursor, 'base64url').toString());
    const fits = (part: unknown, kind: 'string' | 'number') => (kind === 'number' ? Number.isSafeInteger(part) : typeof part === 'string' && !part.includes('\0'));
    if (Array.isArray(parts) && parts.length === kinds.length && kinds.every((kind, i) => fits(parts[i], kind))) return parts;
  } catch {
    // Said below: whatever is wrong with it, it is not one of ours.
  }
  throw new UserError('request.invalid', {}, 'cursor');
}

export interface PeopleDeps extends Partial<Pick<WaysInDeps, 'secret' | 'publicUrl' | 'sendLetter' | 'canWrite'>> {
  db: Db;
  live: LivePublisher;
  now: () => Date;
}

/** Without `sendLetter` links are only shown to whoever makes them. */
export function createPeople({
  db, live, now, secret = '', publicUrl = '', sendLetter = async () => false, canWrite = async () => false,
}: PeopleDeps) {
  const guard = createSignInGuard({ now });

  // -- Snapshots --------------------------------------------------------------------------------

  let remembered: Directory | undefined;
  let rememberedAccess: { access: number; people: number; roles: readonly AccessRole[]; directory: Directory; rights: Map<number, AccessRights> } | undefined;

  async function directoryAt(q: Queryable, versions: { people: number; isOwn: boolean }): Promise<Directory> {
    if (remembered?.version === versions.people && !versions.isOwn) return remembered;
    // Loaded after the version was read: newer rows under an older number only cost one more load.
    const rows = await store.loadDirectory(q, new Date(now().getTime() - absencesMs));
    const loaded = buildDirectory({ version: versions.people, ...rows });
    if (!versions.isOwn && (!remembered || remembered.version < loaded.version)) remembered = loaded;
    return loaded;
  }

  /** `version`: what the caller has read of config_versions in this transaction; without it one small query asks. */
  async function directory(q: Queryable, version?: number): Promise<Directory> {
    if (version !== undefined && remembered?.version === version) return remembered;
    return directoryAt(q, await store.readVersions(q));
  }

  async function access(q: Queryable, actor: Actor): Promise<AccessRights> {
    if (actor.isAdmin) return everything;
    const versions = await store.readVersions(q);
    let known = rememberedAccess;
    if (!known || versions.isOwn || known.access !== versions.access || known.people !== versions.people) {
      const [roles, people] = await Promise.all([store.loadAccessRoles(q), directoryAt(q, versions)]);
      known = { access: versions.access, people: versions.people, roles, directory: people, rights: new Map() };
      if (!versions.isOwn) rememberedAccess = known;
    }
    let rights = known.rights.get(actor.employeeId);
    if (!rights) known.rights.set(actor.employeeId, (rights = buildAccessRights(actor.employeeId, known.roles, known.directory)));
    return rights;
  }

  /**
   * Who a token belongs to is asked of the database at most once a second. What ends here ends at once; what
   * another process ends is known here within that second.
   */
  const rememberMs = 1000;
  const maxRemembered = 10_000;
  const actors = new Map<string, { actor: Actor; until: number }>();
  const forgetActors = (tx: Tx): void => tx.afterCommit(() => actors.clear());

  // -- Writing ----------------------------------------------------------------------------------

  async function changed(tx: Tx, profiles: readonly number[] = []): Promise<void> {
    forgetActors(tx);
    await bumpConfig(tx, 'people');
    await live.publish(tx, [{ topic: 'company', what: 'people' }, ...profiles.map((id) => ({ topic: `employee:${id}`, what: 'profile' }))]);
  }

  /** Sessions or tokens of the person ended: sockets that hang on them are asked who they are. */
  function endingSessions<Result>(employeeId: number, work: (tx: Tx) => Promise<Result>): Promise<Result> {
    return db.transaction(async (tx) => {
      forgetActors(tx);
      const result = await work(tx);
      await live.publish(tx, [{ topic: `employee:${employeeId}`, what: 'sessions' }]);
      return result;
    });
  }

  /** One change of the company: alone, on what is really there, seen by all afterwards. */
  function write<Result>(work: (tx: Tx, before: Directory) => Promise<{ result: Result; profiles?: readonly number[] }>): Promise<Result> {
    return db.transaction(async (tx) => {
      await store.lockPeople(tx);
      const { result, profiles } = await work(tx, await directory(tx));
      await changed(tx, profiles);
      return result;
    });
  }

  function employeeIn(before: Directory, id: number, path?: string): Employee {
    const employee = before.employee(id);
    if (!employee) throw notFound('employee', id, path);
    return employee;
  }

  function departmentIn(before: Directory, id: number, path?: string): Department {
    const department = before.department(id);
    if (!department) throw notFound('department', id, path);
    return department;
  }

  /** Password hashing takes 20 ms of a core: the same password is hashed once per call. */
  async function hashPasswords(inputs: readonly CreateEmployee[]): Promise<Map<string, string>> {
    const hashes = new Map<string, string>();
    for (const [i, { password, email }] of inputs.entries()) {
      if (password === undefined) continue;
      refuseWeakPassword(password, email, inputs.length === 1 ? 'password' : `${i}.password`);
      if (!hashes.has(password)) hashes.set(password, await hashPassword(password));
    }
    return hashes;
  }

  /** Ids in the order given. Set-based: three statements, however many. Language and time zone default to the company's. */
  async function createEmployees(tx: Tx, inputs: readonly CreateEmployee[]): Promise<number[]> {
    if (inputs.length === 0) return [];
    const hashes = await hashPasswords(inputs);
    await store.lockPeople(tx);
    const before = await directory(tx);
    const { company } = before;
    const taken = new Set(before.employees.map((e) => e.email.toLowerCase()));
    const at = (i: number, field: string): string => (inputs.length === 1 ? field : `${i}.${field}`);
    const rows = inputs.map((input, i) => {
      const email = input.email.trim();
      if (taken.has(email.toLowerCase())) throw new UserError('employee.email_taken', { email }, at(i, 'email'));
      taken.add(email.toLowerCase());
      return {
        email,
        firstName: input.firstName ?? '',
        lastName: input.lastName ?? '',
        secondName: input.secondName ?? '',
        position: input.position ?? '',
        mobilePhone: normalizePhone(input.mobilePhone, company.country, at(i, 'mobilePhone')),
        workPhone: normalizePhone(input.workPhone, company.country, at(i, 'workPhone')),
        language: input.language ?? company.language,
        timeZone: input.timeZone ?? company.timeZone,
        isAdmin: input.isAdmin ?? false,
        passwordHash: input.password === undefined ? null : (hashes.get(input.password) ?? null),
      };
    });
    for (const [i, input] of inputs.entries()) for (const d of input.departments ?? []) departmentIn(before, d.id, at(i, 'departments'));
    const ids = await store.insertEmployees(tx, rows, now());
    await store.upsertMembers(tx, inputs.flatMap((input, i) => memberships(ids[i]!, input.departments ?? [])));
    await changed(tx);
    return ids;
  }

  function memberships(employeeId: number, departments: readonly { id: number; role?: DepartmentRole }[]) {
    // By id: naming a department twice must not make one statement change a row twice.
    const roles = new Map(departments.map((d) => [d.id, d.role ?? 'employee']));
    return [...roles].map(([departmentId, role]) => ({ departmentId, employeeId, role }));
  }

  async function refuseLastAdmin(tx: Tx, employee: Employee): Promise<void> {
    if (employee.isAdmin && (await store.otherAdmins(tx, employee.id)) === 0) {
      throw new UserError('employee.last_admin', { name: fullName(employee) });
    }
  }

  /** The change itself; who may make it is decided by the caller. */
  async function applyEmployeeChanges(tx: Tx, before: Directory, employee: Employee, input: ChangeEmployee): Promise<void> {
    const { password, departments, mobilePhone, workPhone, ...plain } = input;
    const changes: store.EmployeeChanges = { ...plain };
    if (mobilePhone !== undefined) changes.mobilePhone = normalizePhone(mobilePhone, before.company.country, 'mobilePhone');
    if (workPhone !== undefined) changes.workPhone = normalizePhone(workPhone, before.company.country, 'workPhone');
    if (input.email !== undefined) {
      const wanted = input.email.toLowerCase();
      if (before.employees.some((e) => e.id !== employee.id && e.email.toLowerCase() === wanted)) {
        throw new UserError('employee.email_taken', { email: input.email }, 'email');
      }
    }
    if (input.isAdmin === false) await refuseLastAdmin(tx, employee);
    if (password !== undefined) {
      refuseWeakPassword(password, input.email ?? employee.email, 'password');
      changes.passwordHash = await hashPassword(password);
      await store.deleteSessionsOf(tx, employee.id, null);
      await live.publish(tx, [{ topic: `employee:${employee.id}`, what: 'sessions' }]);
    }
    await store.updateEmployee(tx, employee.id, changes);
    if (departments) {
      for (const d of departments) departmentIn(before, d.id, 'departments');
      await store.deleteMembershipsOf(tx, employee.id);
      await store.upsertMembers(tx, memberships(employee.id, departments));
    }
  }

  /** Sets the members of one role; people who hold another role there change to this one. */
  async function addMembersTo(tx: Tx, before: Directory, departmentId: number, employeeIds: readonly number[], role: DepartmentRole, path: string): Promise<void> {
    for (const id of employeeIds) employeeIn(before, id, path);
    await store.upsertMembers(tx, [...new Set(employeeIds)].map((employeeId) => ({ departmentId, employeeId, role })));
  }

  // -- Access roles -----------------------------------------------------------------------------

  async function writeRole<Result>(work: (tx: Tx) => Promise<Result>): Promise<Result> {
    try {
      return await db.transaction(async (tx) => {
        const result = await work(tx);
        await bumpConfig(tx, 'access');
        await live.publish(tx, [{ topic: 'company', what: 'access' }]);
        return result;
      });
    } catch (error) {
      const broken = constraintOf(error);
      if (broken === 'access_rights_item_type_exists') throw new UserError('request.not_found', { kind: 'itemType', id: '' }, 'rights');
      if (broken === 'access_rights_pipeline_exists') throw new UserError('request.not_found', { kind: 'pipeline', id: '' }, 'rights');
      throw error;
    }
  }

  async function checkMembers(tx: Tx, members: AccessRole['members']): Promise<void> {
    const known = await directory(tx);
    for (const member of members) {
      if (member.kind === 'employee') employeeIn(known, member.id, 'members');
      if (member.kind === 'department') departmentIn(known, member.id, 'members');
    }
  }

  async function createAccessRole(tx: Tx, input: CreateAccessRole): Promise<number> {
    const members = input.members ?? [];
    await checkMembers(tx, members);
    const id = await store.insertAccessRole(tx, { name: input.name, position: input.position ?? null });
    await store.replaceAccessMembers(tx, id, members);
    await store.replaceAccessRights(tx, id, (input.rights ?? []).map((r) => ({ ...r, pipelineId: r.pipelineId ?? null })));
    return id;
  }

  async function accessRole(q: Queryable, id: number): Promise<AccessRole> {
    const role = (await store.loadAccessRoles(q, id))[0];
    if (!role) throw notFound('role', id);
    return role;
  }

  async function startSession(tx: Tx, employeeId: number, { ip, userAgent }: SignInPlace): Promise<SignedIn> {
    const token = newToken(sessionPrefix);
    const at = now();
    const expiresAt = new Date(at.getTime() + sessionMs);
    await store.deleteExpiredSessions(tx, at);
    const isIn = await store.insertSession(tx, { tokenHash: hashToken(token), employeeId, at, expiresAt, userAgent: userAgent.slice(0, 500), ip });
    if (!isIn) throw new UserError('sign_in.refused');
    return { token, expiresAt, employeeId };
  }

  const waysIn = createWaysIn({
    db, live, now, secret, publicUrl, sendLetter, canWrite, directory, createEmployees, hashToken, startSession, requireAdmin,
    newToken: () => newToken(linkPrefix),
  });

  const uses: EmployeeUse[] = [
    {
      kind: 'departments',
      async find(q, id) {
        const led = (await directory(q)).departmentsOf(id).filter((d) => d.headIds.includes(id) || d.deputyIds.includes(id));
        return { count: led.length, names: led.map((d) => d.name) };
      },
      async replace(tx, _actor, from, to) {
        const known = await directory(tx);
        const led = known.departmentsOf(from).flatMap((d) => {
          const role = known.roleIn(from, d.id);
          // A head does not step down to take a deputy's place.
          return role === 'head' || (role === 'deputy' && known.roleIn(to, d.id) !== 'head') ? [{ departmentId: d.id, employeeId: to, role }] : [];
        });
        await store.upsertMembers(tx, led);
        return led.length;
      },
    },
    {
      kind: 'access',
      async find(q, id) {
        const roles = (await store.loadAccessRoles(q)).filter((role) => role.members.some((member) => member.kind === 'employee' && member.id === id));
        return { count: roles.length, names: roles.map((role) => role.name) };
      },
      async replace(tx, _actor, from, to) {
        const roles = (await store.loadAccessRoles(tx)).filter((role) => role.members.some((member) => member.kind === 'employee' && member.id === from));
        for (const role of roles) await store.addAccessMember(tx, role.id, to);
        if (roles.length > 0) {
          await bumpConfig(tx, 'access');
          await live.publish(tx, [{ topic: 'company', what: 'access' }]);
        }
        return roles.length;
      },
    },
  ];

  return {
    directory,
    access,
    ...waysIn,

    // -- Employees ------------------------------------------------------------------------------

    createEmployees,

    async createEmployee(actor: Actor, input: CreateEmployee): Promise<number> {
      requireAdmin(actor);
      return db.transaction(async (tx) => (await createEmployees(tx, [input]))[0]!);
    },

    /** Of any employee by an administrator. A new password ends the employee's sessions. */
    async changeEmployee(actor: Actor, id: number, input: ChangeEmployee): Promise<void> {
      requireAdmin(actor);
      await write(async (tx, before) => {
        await applyEmployeeChanges(tx, before, employeeIn(before, id), input);
        return { result: undefined, profiles: [id] };
      });
    },

    /** Their own profile: never rights, e-mail, password or departments. */
    async changeOwnProfile(
      actor: Actor,
      input: Pick<ChangeEmployee, 'firstName' | 'lastName' | 'secondName' | 'mobilePhone' | 'workPhone' | 'language' | 'timeZone' | 'photoFileId'>,
    ): Promise<void> {
      const { firstName, lastName, secondName, mobilePhone, workPhone, language, timeZone, photoFileId } = input;
      await write(async (tx, before) => {
        const own = employeeIn(before, actor.employeeId);
        await applyEmployeeChanges(tx, before, own, { firstName, lastName, secondName, mobilePhone, workPhone, language, timeZone, photoFileId });
        return { result: undefined, profiles: [own.id] };
      });
    },

    /** Modules that name employees say so here, before anybody is dismissed. */
    registerUse(use: EmployeeUse): void {
      uses.push(use);
    },

    /** Where the employee is named, for whoever is about to dismiss them. */
    async usesOf(q: Queryable, actor: Actor, id: number): Promise<{ kind: UseKind; count: number; names: string[] }[]> {
      requireAdmin(actor);
      employeeIn(await directory(q), id);
      const found = await Promise.all(uses.map(async (use) => ({ kind: use.kind, ...(await use.find(q, id)) })));
      return found.filter((use) => use.count > 0);
    },

    /**
     * Ends their sessions and revokes their API tokens. With a replacement, that person takes over what is asked
     * for, in the same transaction: all of it or nothing. Dismissing twice changes nothing but what is handed over.
     */
    async dismissEmployee(actor: Actor, id: number, { replacementId, replace }: Dismiss = { replace: [] }): Promise<{ kind: UseKind; count: number }[]> {
      requireAdmin(actor);
      return write(async (tx, before) => {
        const employee = employeeIn(before, id);
        if (id === actor.employeeId) throw new UserError('employee.is_self');
        const replaced: { kind: UseKind; count: number }[] = [];
        if (replacementId !== undefined) {
          const replacement = employeeIn(before, replacementId, 'replacementId');
          if (replacement.dismissedAt !== null || replacement.id === id) throw new UserError('employee.no_replacement', { name: fullName(replacement) }, 'replacementId');
          for (const use of uses) if (replace.includes(use.kind)) replaced.push({ kind: use.kind, count: await use.replace(tx, actor, id, replacementId) });
        }
        if (employee.dismissedAt !== null) return { result: replaced };
        await refuseLastAdmin(tx, employee);
        const at = now();
        await store.updateEmployee(tx, id, { dismissedAt: at });
        await store.deleteSessionsOf(tx, id, null);
        await store.revokeApiTokensOf(tx, id, at);
        return { result: replaced, profiles: [id] };
      });
    },

    async restoreEmployee(actor: Actor, id: number): Promise<void> {
      requireAdmin(actor);
      await write(async (tx, before) => {
        employeeIn(before, id);
        await store.updateEmployee(tx, id, { dismissedAt: null });
        return { result: undefined, profiles: [id] };
      });
    },

    /** By surname, name, id. */
    async employees(
      q: Queryable,
      query: { search?: string; departmentId?: number; withSubdepartments?: boolean; dismissed: 'without' | 'with' | 'only'; cursor?: string; limit: number },
    ): Promise<{ items: Employee[]; nextCursor: string | null }> {
      const known = await directory(q);
      if (query.departmentId !== undefined) departmentIn(known, query.departmentId);
      const after = query.cursor === undefined ? null : decodeCursor(query.cursor, ['string', 'string', 'number']);
      const ids = await store.searchEmployees(q, {
        words: (query.search ?? '').split(/\s+/).filter(Boolean).slice(0, 10),
        departmentIds: query.departmentId === undefined ? null : query.withSubdepartments ? known.departmentTree(query.departmentId) : [query.departmentId],
        dismissed: query.dismissed,
        after: after && { lastName: String(after[0]), firstName: String(after[1]), id: Number(after[2]) },
        limit: query.limit + 1,
      });
      const items = ids.slice(0, query.limit).flatMap((id) => known.employee(id) ?? []);
      const last = items.at(-1);
      const hasMore = ids.length > query.limit && last !== undefined;
      return { items, nextCursor: hasMore ? encodeCursor([last.lastName, last.firstName, last.id]) : null };
    },

    /** As the API shows an employee. */
    describeEmployee(known: Directory, employee: Employee): EmployeeResponse {
      return {
        ...employee,
        fullName: fullName(employee),
        dismissedAt: employee.dismissedAt?.toISOString() ?? null,
        isAbsent: known.isAbsent(employee.id, now()),
        headId: known.headOf(employee.id),
        departments: known.departmentsOf(employee.id).map((d) => ({ id: d.id, name: d.name, role: known.roleIn(employee.id, d.id) ?? 'employee' })),
      };
    },

    // -- Departments ----------------------------------------------------------------------------

    async createDepartment(actor: Actor, input: CreateDepartment): Promise<number> {
      requireAdmin(actor);
      return write(async (tx, before) => {
        if (input.parentId) departmentIn(before, input.parentId, 'parentId');
        const id = await store.insertDepartment(tx, { name: input.name, parentId: input.parentId ?? null, position: input.position ?? null });
        await addMembersTo(tx, before, id, input.employeeIds ?? [], 'employee', 'employeeIds');
        await addMembersTo(tx, before, id, input.deputyIds ?? [], 'deputy', 'deputyIds');
        await addMembersTo(tx, before, id, input.headIds ?? [], 'head', 'headIds');
        return { result: id };
      });
    },

    /** Renames, reorders, moves: not under itself or what is below it. */
    async changeDepartment(actor: Actor, id: number, input: ChangeDepartment): Promise<void> {
      requireAdmin(actor);
      await write(async (tx, before) => {
        const department = departmentIn(before, id);
        if (input.parentId) {
          const parent = departmentIn(before, input.parentId, 'parentId');
          if (before.departmentTree(id).includes(parent.id)) {
            throw new UserError('department.cycle', { name: department.name, parent: parent.name }, 'parentId');
          }
        }
        await store.updateDepartment(tx, id, input);
        return { result: undefined };
      });
    },

    /**
     * An empty department goes at once; one with people or sub-departments only with `moveTo`, which
     * takes them (as plain employees: heading one department is not heading another).
     */
    async deleteDepartment(actor: Actor, id: number, moveTo?: number): Promise<void> {
      requireAdmin(actor);
      await write(async (tx, before) => {
        const department = departmentIn(before, id);
        const below = before.departments.filter((d) => d.parentId === id).length;
        if (moveTo !== undefined) {
          const target = departmentIn(before, moveTo, 'moveTo');
          if (before.departmentTree(id).includes(moveTo)) {
            throw new UserError('department.cycle', { name: department.name, parent: target.name }, 'moveTo');
          }
          await store.moveDepartmentContents(tx, id, moveTo);
        } else if (department.employeeIds.length > 0 || below > 0) {
          throw new UserError('department.not_empty', { name: department.name, employees: department.employeeIds.length, departments: below });
        }
        await store.deleteDepartment(tx, id);
        await bumpConfig(tx, 'access');
        await live.publish(tx, [{ topic: 'company', what: 'access' }]);
        return { result: undefined };
      });
    },

    /** Adds people to a department, or changes the role of those who are in it. */
    async addMembers(actor: Actor, departmentId: number, employeeIds: readonly number[], role: DepartmentRole): Promise<void> {
      requireAdmin(actor);
      await write(async (tx, before) => {
        departmentIn(before, departmentId);
        await addMembersTo(tx, before, departmentId, employeeIds, role, 'employeeIds');
        return { result: undefined };
      });
    },

    async removeMember(actor: Actor, departmentId: number, employeeId: number): Promise<void> {
      requireAdmin(actor);
      await write(async (tx, before) => {
        departmentIn(before, departmentId);
        if ((await store.deleteMember(tx, departmentId, employeeId)) === 0) throw notFound('employee', employeeId);
        return { result: undefined };
      });
    },

    // -- Company and working time ---------------------------------------------------------------

    async changeCompany(actor: Actor, input: ChangeCompany): Promise<void> {
      requireAdmin(actor);
      if (input.country !== undefined && !isPhoneCountry(input.country)) throw new UserError('request.invalid', {}, 'country');
      await write(async (tx) => {
        await store.updateCompany(tx, input);
        return { result: undefined };
      });
    },

    /** Settings that other modules keep with the company; merged into what is there. */
    async changeCompanySettings(tx: Tx, settings: Record<string, unknown>): Promise<void> {
      await store.lockPeople(tx);
      await store.mergeCompanySettings(tx, settings);
      await changed(tx);
    },

    calendarDays: (q: Queryable, range: { from?: string; to?: string }) => store.calendarDays(q, range.from ?? null, range.to ?? null),

    /** Holidays ([]) and working days off; each given day replaces what was said about it. */
    async setCalendarDays(actor: Actor, days: readonly store.CalendarDay[]): Promise<void> {
      requireAdmin(actor);
      await write(async (tx) => {
        await store.upsertCalendarDays(tx, [...new Map(days.map((d) => [d.day, d])).values()]);
        return { result: undefined };
      });
    },

    async deleteCalendarDay(actor: Actor, dayName: string): Promise<void> {
      requireAdmin(actor);
      await write(async (tx) => {
        if ((await store.deleteCalendarDay(tx, dayName)) === 0) throw notFound('calendarDay', dayName);
        return { result: undefined };
      });
    },

    // -- Absences -------------------------------------------------------------------------------

    /** By start. Everyone may see who is away; the note is theirs and the administrators'. */
    async absences(
      q: Queryable,
      actor: Actor,
      query: { employeeId?: number; from?: string; to?: string; cursor?: string; limit: number },
    ): Promise<{ items: (Omit<store.Absence, 'note'> & { note: string | null })[]; nextCursor: string | null }> {
      const after = query.cursor === undefined ? null : decodeCursor(query.cursor, ['number', 'number']);
      // Years 0 to 9999, as absences have.
      if (after && (Number(after[0]) < -62_167_219_200_000 || Number(after[0]) > 253_402_300_799_999)) throw new UserError('request.invalid', {}, 'cursor');
      const rows = await store.absences(q, {
        employeeId: query.employeeId ?? null,
        from: query.from === undefined ? null : new Date(query.from),
        to: query.to === undefined ? null : new Date(query.to),
        after: after && { startsAt: new Date(Number(after[0])), id: Number(after[1]) },
        limit: query.limit + 1,
      });
      const items = rows.slice(0, query.limit);
      const last = items.at(-1);
      return {
        items: items.map((a) => ({ ...a, note: actor.isAdmin || a.employeeId === actor.employeeId ? a.note : null })),
        nextCursor: rows.length > query.limit && last ? encodeCursor([last.startsAt.getTime(), last.id]) : null,
      };
    },

    /** One's own, or anybody's by an administrator. */
    async createAbsence(actor: Actor, absence: Omit<store.Absence, 'id'>): Promise<store.Absence> {
      if (absence.employeeId !== actor.employeeId) requireAdmin(actor);
      return write(async (tx, before) => {
        employeeIn(before, absence.employeeId, 'employeeId');
        if (absence.endsAt <= absence.startsAt) throw new UserError('absence.ends_before_start', {}, 'endsAt');
        return { result: { id: await store.insertAbsence(tx, absence), ...absence } };
      });
    },

    async changeAbsence(actor: Actor, id: number, changes: Partial<Omit<store.Absence, 'id' | 'employeeId'>>): Promise<store.Absence> {
      return write(async (tx) => {
        const absence = await store.absenceById(tx, id);
        if (!absence) throw notFound('absence', id);
        if (absence.employeeId !== actor.employeeId) requireAdmin(actor);
        const next = { ...absence, ...changes };
        if (next.endsAt <= next.startsAt) throw new UserError('absence.ends_before_start', {}, 'endsAt');
        await store.updateAbsence(tx, next);
        return { result: next };
      });
    },

    async deleteAbsence(actor: Actor, id: number): Promise<void> {
      await write(async (tx) => {
        const absence = await store.absenceById(tx, id);
        if (!absence) throw notFound('absence', id);
        if (absence.employeeId !== actor.employeeId) requireAdmin(actor);
        await store.deleteAbsence(tx, id);
        return { result: undefined };
      });
    },

    // -- Sign-in --------------------------------------------------------------------------------

    /**
     * A new session. The answer takes the same time and says the same whether the e-mail is unknown,
     * the password is wrong, or the person is dismissed.
     */
    async signIn({ email, password, ip, userAgent }: { email: string; password: string } & SignInPlace): Promise<SignedIn> {
      await guard.take(email, ip, () => store.hasSignedInFrom(db, email, ip));
      const person = await store.credentialsByEmail(db, email);
      const isRight = await isPassword(person?.passwordHash ?? null, password);
      if (!isRight || !person || person.dismissedAt !== null) throw new UserError('sign_in.refused');
      const signedIn = await db.transaction((tx) => startSession(tx, person.id, { ip, userAgent }));
      guard.giveBack(email, ip);
      return signedIn;
    },

    /** Who holds the token of a session or an API token; null: nobody any more. Runs on every request: one prepared query. */
    async actorFromToken(q: Queryable, token: string): Promise<Actor | null> {
      const isSession = token.startsWith(sessionPrefix);
      if ((!isSession && !token.startsWith(apiTokenPrefix)) || token.length > 100) return null;
      const at = now();
      const hash = hashToken(token);
      const key = hash.toString('base64');
      const kept = actors.get(key);
      const left = kept ? kept.until - at.getTime() : 0;
      if (kept && left > 0 && left <= rememberMs) return kept.actor;
      const row = isSession ? await store.actorBySession(q, hash, at) : await store.actorByApiToken(q, hash);
      if (!row) return null;
      if (!row.seenAt || at.getTime() - row.seenAt.getTime() >= touchMs) {
        await (isSession ? store.touchSession(q, row.id, at) : store.touchApiToken(q, row.id, at));
      }
      const who = { employeeId: row.employeeId, isAdmin: row.isAdmin, language: row.language, timeZone: row.timeZone };
      const actor: Actor = isSession ? { ...who, via: 'session', sessionId: row.id } : { ...who, via: 'token' };
      if (actors.size >= maxRemembered) actors.clear();
      actors.set(key, { actor, until: at.getTime() + rememberMs });
      return actor;
    },

    sessions: (q: Queryable, actor: Actor) => store.sessionsOf(q, actor.employeeId, now()),

    /** Ends the session the actor came with; an API token is left alone. */
    async signOut(actor: Actor): Promise<void> {
      const { sessionId, employeeId } = actor;
      if (sessionId !== undefined) await endingSessions(employeeId, (tx) => store.deleteSession(tx, employeeId, sessionId));
    },

    async endSession(actor: Actor, id: number): Promise<void> {
      await endingSessions(actor.employeeId, async (tx) => {
        if ((await store.deleteSession(tx, actor.employeeId, id)) === 0) throw notFound('session', id);
      });
    },

    /** The actor's own; returns how many ended. */
    endSessions: (actor: Actor, { keepCurrent }: { keepCurrent: boolean }): Promise<number> =>
      endingSessions(actor.employeeId, (tx) => store.deleteSessionsOf(tx, actor.employeeId, keepCurrent ? (actor.sessionId ?? null) : null)),

    /** Ends the other sessions of the person: whoever knew the old password is out. */
    async changePassword(actor: Actor, input: { currentPassword: string; newPassword: string; ip: string }): Promise<void> {
      const own = employeeIn(await directory(db), actor.employeeId);
      await guard.take(own.email, input.ip, () => store.hasSignedInFrom(db, own.email, input.ip));
      if (!(await isPassword(await store.passwordHashOf(db, own.id), input.currentPassword))) {
        throw new UserError('password.wrong', {}, 'currentPassword');
      }
      guard.giveBack(own.email, input.ip);
      refuseWeakPassword(input.newPassword, own.email, 'newPassword');
      const passwordHash = await hashPassword(input.newPassword);
      await endingSessions(own.id, async (tx) => {
        await store.updateEmployee(tx, own.id, { passwordHash });
        await store.deleteSessionsOf(tx, own.id, actor.sessionId ?? null);
      });
    },

    /** The token is in this answer only. */
    async createApiToken(actor: Actor, name: string): Promise<store.ApiToken & { token: string }> {
      const token = newToken(apiTokenPrefix);
      const at = now();
      const id = await store.insertApiToken(db, { tokenHash: hashToken(token), employeeId: actor.employeeId, name, at });
      return { id, employeeId: actor.employeeId, name, createdAt: at, lastUsedAt: null, revokedAt: null, token };
    },

    /** One's own; of somebody else for administrators. Revoked ones included. */
    async apiTokens(q: Queryable, actor: Actor, employeeId = actor.employeeId): Promise<store.ApiToken[]> {
      if (employeeId !== actor.employeeId) requireAdmin(actor);
      return store.apiTokensOf(q, employeeId);
    },

    /** Of all employees: who may act without a browser. */
    async allApiTokens(q: Queryable, actor: Actor): Promise<store.ApiToken[]> {
      requireAdmin(actor);
      return store.allApiTokens(q);
    },

    async revokeApiToken(actor: Actor, id: number): Promise<void> {
      await db.transaction(async (tx) => {
        const ownerId = await store.revokeApiToken(tx, id, actor.isAdmin ? null : actor.employeeId, now());
        if (ownerId === null) throw notFound('token', id);
        forgetActors(tx);
        await live.publish(tx, [{ topic: `employee:${ownerId}`, what: 'sessions' }]);
      });
    },

    // -- Access roles ---------------------------------------------------------------------------

    async accessRoles(q: Queryable, actor: Actor): Promise<AccessRole[]> {
      requireAdmin(actor);
      return store.loadAccessRoles(q);
    },

    async accessRole(q: Queryable, actor: Actor, id: number): Promise<AccessRole> {
      requireAdmin(actor);
      return accessRole(q, id);
    },

    async createAccessRole(actor: Actor, input: CreateAccessRole): Promise<AccessRole> {
      requireAdmin(actor);
      return writeRole(async (tx) => accessRole(tx, await createAccessRole(tx, input)));
    },

    async changeAccessRole(actor: Actor, id: number, input: ChangeAccessRole): Promise<AccessRole> {
      requireAdmin(actor);
      return writeRole(async (tx) => {
        await accessRole(tx, id);
        await store.updateAccessRole(tx, id, input);
        if (input.members) {
          await checkMembers(tx, input.members);
          await store.replaceAccessMembers(tx, id, input.members);
        }
        if (input.rights) await store.replaceAccessRights(tx, id, input.rights);
        return accessRole(tx, id);
      });
    },

    async deleteAccessRole(actor: Actor, id: number): Promise<void> {
      requireAdmin(actor);
      await writeRole(async (tx) => {
        if ((await store.deleteAccessRole(tx, id)) === 0) throw notFound('role', id);
      });
    },

    // -- First start ----------------------------------------------------------------------------

    isStarted: (q: Queryable): Promise<boolean> => store.hasCompany(q),

    /** The company and its administrator, in an empty database; company.exists otherwise. */
    async firstStart(input: {
      company: { name: string; language?: Language; timeZone?: string; currency?: string; country?: string };
      admin: CreateEmployee;
    }, from?: SignInPlace): Promise<{ adminId: number; signedIn?: SignedIn }> {
      const { name, language = 'ru', timeZone = 'Europe/Moscow', currency = 'RUB', country = 'RU' } = input.company;
      return db.transaction(async (tx) => {
        if (!(await store.insertCompany(tx, { name, language, timeZone, currency, country }))) throw new UserError('company.exists');
        await bumpConfig(tx, 'people');
        const [adminId] = await createEmployees(tx, [{ ...input.admin, isAdmin: true }]);
        return { adminId: adminId!, ...(from ? { signedIn: await startSession(tx, adminId!, from) } : {}) };
      });
    },
  };
}

export type People = ReturnType<typeof createPeople>;
