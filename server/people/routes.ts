/** People over HTTP: parse, call, return. Cookies are http/'s: `reply.startSession`, `reply.endSession`. */
import type { FastifyReply, FastifyRequest } from 'fastify';
import type { FastifyPluginAsyncZod } from 'fastify-type-provider-zod';
import { z } from 'zod';
import * as api from '../../shared/api/people.ts';
import { UserError } from '../../shared/errors.ts';
import type { Db } from '../db/db.ts';
import { type Actor, deviceOf, type Directory, fullName, type People, type SignedIn } from './people.ts';

export interface PeopleRoutesDeps {
  people: People;
  db: Db;
  /**
   * Checks that the actor may read the file, and lets whoever sees the employee see it (the drive
   * stands to the right of people). Without it photos cannot be set.
   */
  usePhoto?(actor: Actor, employeeId: number, fileId: number): Promise<void>;
  /** Makes the company and everything a company has; absent: this installation is not set up over HTTP. */
  setUp?(input: api.SetUp, from: { ip: string; userAgent: string }): Promise<{ signedIn: SignedIn; demo: { email: string; password: string } | null }>;
  mayUseDemo?: boolean;
}

const nothing = z.null().describe('No content');

export function peopleRoutes({ people, db, usePhoto, setUp, mayUseDemo = false }: PeopleRoutesDeps): FastifyPluginAsyncZod {
  function describe(known: Directory, id: number): api.EmployeeResponse {
    const employee = known.employee(id);
    if (!employee) throw new UserError('request.not_found', { kind: 'employee', id });
    return people.describeEmployee(known, employee);
  }

  const employee = async (id: number): Promise<api.EmployeeResponse> => describe(await people.directory(db), id);

  async function department(id: number) {
    const found = (await people.directory(db)).department(id);
    if (!found) throw new UserError('request.not_found', { kind: 'department', id });
    return asDepartment(found);
  }

  async function me(actor: Actor) {
    const known = await people.directory(db);
    return { employee: describe(known, actor.employeeId), company: asCompany(known), via: actor.via };
  }

  /** Whoever has just come in: the cookie, and who they are. */
  async function enter(reply: FastifyReply, { token, expiresAt, employeeId }: SignedIn) {
    const known = await people.directory(db);
    reply.startSession(token, expiresAt);
    return { employee: describe(known, employeeId), company: asCompany(known), via: 'session' as const };
  }

  async function checkPhoto(actor: Actor, employeeId: number, fileId: number | null | undefined): Promise<void> {
    if (fileId === null || fileId === undefined) return;
    if (!usePhoto) throw new UserError('request.not_found', { kind: 'file', id: fileId });
    await usePhoto(actor, employeeId, fileId);
  }

  return async (app) => {
    // -- Sign-in --------------------------------------------------------------------------------

    app.post(
      '/api/session',
      {
        config: { public: true, guessable: true },
        schema: { tags: ['Sign-in'], summary: 'Sign in', description: 'Sets the session cookie.', body: api.signInBody, response: { 201: api.meResponse } },
      },
      async (request, reply) => {
        const { email, password } = request.body;
        const signedIn = await people.signIn({ email, password, ...placeOf(request) });
        return reply.code(201).send(await enter(reply, signedIn));
      },
    );

    app.delete('/api/session', { schema: { tags: ['Sign-in'], summary: 'Sign out', response: { 204: nothing } } }, async (request, reply) => {
      await people.signOut(request.actor);
      reply.endSession();
      return reply.code(204).send(null);
    });

    app.get(
      '/api/sessions',
      { schema: { tags: ['Sign-in'], summary: 'Where I am signed in', response: { 200: api.sessionsResponse } } },
      async ({ actor }) => ({
        items: (await people.sessions(db, actor)).map((s) => ({
          ...s,
          createdAt: s.createdAt.toISOString(),
          lastSeenAt: s.lastSeenAt.toISOString(),
          expiresAt: s.expiresAt.toISOString(),
          isCurrent: s.id === actor.sessionId,
          ...deviceOf(s.userAgent),
        })),
      }),
    );

    app.delete(
      '/api/sessions',
      { schema: { tags: ['Sign-in'], summary: 'End all my sessions', querystring: api.endSessionsQuery, response: { 200: api.endSessionsResponse } } },
      async (request, reply) => {
        const { keepCurrent } = request.query;
        const ended = await people.endSessions(request.actor, { keepCurrent });
        if (!keepCurrent) reply.endSession();
        return { ended };
      },
    );

    app.delete(
      '/api/sessions/:id',
      { schema: { tags: ['Sign-in'], summary: 'End one of my sessions', params: api.sessionParams, response: { 204: nothing } } },
      async (request, reply) => {
        await people.endSession(request.actor, request.params.id);
        return reply.code(204).send(null);
      },
    );

    // -- Ways in --------------------------------------------------------------------------------

    app.get(
      '/api/setup',
      { config: { public: true }, schema: { tags: ['Sign-in'], summary: 'Whether the installation waits for its company', response: { 200: api.setupState } } },
      async () => ({ isOpen: setUp !== undefined && !(await people.isStarted(db)), mayUseDemo }),
    );

    app.post(
      '/api/setup',
      {
        config: { public: true, guessable: true },
        schema: {
          tags: ['Sign-in'], summary: 'Set up the company and its administrator',
          description: 'Once, with the token of the link that the start printed. Sets the session cookie.',
          body: api.setupBody, response: { 201: api.setupResponse },
        },
      },
      async (request, reply) => {
        if (!setUp) throw new UserError('company.exists');
        await people.checkSetup(db, request.body.token);
        const { signedIn, demo } = await setUp(request.body, placeOf(request));
        return reply.code(201).send({ ...(await enter(reply, signedIn)), demo });
      },
    );

    app.get(
      '/api/invitations',
      { schema: { tags: ['Employees'], summary: 'Invitations not accepted yet', response: { 200: api.invitationsResponse } } },
      async ({ actor }) => ({ items: (await people.invitations(db, actor)).map(asInvitation) }),
    );

    app.post(
      '/api/invitations',
      {
        schema: {
          tags: ['Employees'], summary: 'Invite somebody', description: 'The link is shown this once; where mail is set up, a letter with it goes out.',
          body: api.newInvitation, response: { 201: api.madeInvitation },
        },
      },
      async ({ actor, body }, reply) => reply.code(201).send(asMadeInvitation(await people.invite(actor, body))),
    );

    app.post(
      '/api/invitations/:id/resend',
      {
        schema: {
          tags: ['Employees'], summary: 'Send an invitation again', description: 'A new link; the one before stops working.',
          params: api.invitationParams, response: { 200: api.madeInvitation },
        },
      },
      async ({ actor, params }) => asMadeInvitation(await people.resendInvitation(actor, params.id)),
    );

    app.delete(
      '/api/invitations/:id',
      { schema: { tags: ['Employees'], summary: 'Take an invitation back', params: api.invitationParams, response: { 204: nothing } } },
      async (request, reply) => {
        await people.revokeInvitation(request.actor, request.params.id);
        return reply.code(204).send(null);
      },
    );

    app.get(
      '/api/invitation-links/:token',
      {
        config: { public: true, guessable: true },
        schema: { tags: ['Sign-in'], summary: 'What an invitation says', params: api.linkParams, response: { 200: api.invitationLink } },
      },
      async ({ params }) => asInvitationLink(await people.readInvitation(params.token)),
    );

    app.post(
      '/api/invitation-links/:token',
      {
        config: { public: true, guessable: true },
        schema: {
          tags: ['Sign-in'], summary: 'Accept an invitation', description: 'Sets the session cookie.',
          params: api.linkParams, body: api.acceptInvitationBody, response: { 201: api.meResponse },
        },
      },
      async (request, reply) => reply.code(201).send(await enter(reply, await people.acceptInvitation(request.params.token, request.body, placeOf(request)))),
    );

    app.post(
      '/api/password-links',
      {
        config: { public: true, guessable: true },
        schema: {
          tags: ['Sign-in'], summary: 'Ask for a letter with a link to a new password', description: 'Answers the same whether the e-mail is known or not.',
          body: api.askPasswordBody, response: { 202: api.askPasswordResponse },
        },
      },
      async (request, reply) => reply.code(202).send(await people.askForPassword(request.body.email, request.ip)),
    );

    app.get(
      '/api/password-links/:token',
      {
        config: { public: true, guessable: true },
        schema: { tags: ['Sign-in'], summary: 'Whose password a link sets', params: api.linkParams, response: { 200: api.passwordLink } },
      },
      async ({ params }) => {
        const { employee: { email, firstName, lastName, language }, expiresAt } = await people.readPasswordLink(params.token);
        return { email, fullName: fullName({ email, firstName, lastName }), language, expiresAt: expiresAt.toISOString() };
      },
    );

    app.post(
      '/api/password-links/:token',
      {
        config: { public: true, guessable: true },
        schema: {
          tags: ['Sign-in'], summary: 'Set a new password by a link', description: 'Ends the person’s sessions and sets a new session cookie.',
          params: api.linkParams, body: api.newPasswordBody, response: { 201: api.meResponse },
        },
      },
      async (request, reply) =>
        reply.code(201).send(await enter(reply, await people.setPasswordByLink(request.params.token, request.body.password, placeOf(request)))),
    );

    app.post(
      '/api/employees/:id/password-link',
      {
        schema: {
          tags: ['Employees'], summary: 'Make a link to a new password', description: 'To be handed over; it is shown this once.',
          params: api.employeeParams, response: { 201: api.madePasswordLink },
        },
      },
      async ({ actor, params }, reply) => {
        const { link, expiresAt } = await people.makePasswordLink(actor, params.id);
        return reply.code(201).send({ link, expiresAt: expiresAt.toISOString() });
      },
    );

    // -- Profile --------------------------------------------------------------------------------

    app.get('/api/me', { schema: { tags: ['Profile'], summary: 'Who I am', response: { 200: api.meResponse } } }, ({ actor }) => me(actor));

    app.patch(
      '/api/me',
      { schema: { tags: ['Profile'], summary: 'Change my profile', body: api.changeMeBody, response: { 200: api.meResponse } } },
      async ({ actor, body }) => {
        await checkPhoto(actor, actor.employeeId, body.photoFileId);
        await people.changeOwnProfile(actor, body);
        return me(actor);
      },
    );

    app.post(
      '/api/me/password',
      {
        schema: {
          tags: ['Profile'], summary: 'Change my password', description: 'Ends my other sessions.', body: api.changePasswordBody, response: { 204: nothing },
        },
      },
      async (request, reply) => {
        await people.changePassword(request.actor, { ...request.body, ip: request.ip });
        return reply.code(204).send(null);
      },
    );

    // -- Employees ------------------------------------------------------------------------------

    app.get(
      '/api/employees',
      { schema: { tags: ['Employees'], summary: 'Employees by surname', querystring: api.employeesQuery, response: { 200: api.employeesResponse } } },
      async (request) => {
        const { items, nextCursor } = await people.employees(db, request.query);
        const known = await people.directory(db);
        return { items: items.map((e) => people.describeEmployee(known, e)), nextCursor };
      },
    );

    app.get(
      '/api/employees/:id',
      { schema: { tags: ['Employees'], summary: 'One employee', params: api.employeeParams, response: { 200: api.employeeResponse } } },
      (request) => employee(request.params.id),
    );

    app.post(
      '/api/employees',
      { schema: { tags: ['Employees'], summary: 'Add an employee', body: api.createEmployeeBody, response: { 201: api.employeeResponse } } },
      async (request, reply) => reply.code(201).send(await employee(await people.createEmployee(request.actor, request.body))),
    );

    app.patch(
      '/api/employees/:id',
      {
        schema: {
          tags: ['Employees'], summary: 'Change an employee', params: api.employeeParams, body: api.changeEmployeeBody, response: { 200: api.employeeResponse },
        },
      },
      async ({ actor, body, params }) => {
        if (actor.isAdmin) await checkPhoto(actor, params.id, body.photoFileId);
        await people.changeEmployee(actor, params.id, body);
        return employee(params.id);
      },
    );

    app.get(
      '/api/employees/:id/uses',
      { schema: { tags: ['Employees'], summary: 'Where an employee is named', description: 'For whoever is about to dismiss them.', params: api.employeeParams, response: { 200: api.employeeUses } } },
      async ({ actor, params }) => ({ items: await people.usesOf(db, actor, params.id) }),
    );

    app.post(
      '/api/employees/:id/dismissal',
      {
        schema: {
          tags: ['Employees'], summary: 'Dismiss an employee',
          description: 'Ends their sessions and revokes their API tokens. A replacement takes over what is asked for, all or nothing.',
          params: api.employeeParams, body: api.dismissBody.nullish(), response: { 200: api.dismissedEmployee },
        },
      },
      async ({ actor, params, body }) => {
        const replaced = await people.dismissEmployee(actor, params.id, body ?? undefined);
        return { ...(await employee(params.id)), replaced };
      },
    );

    app.delete(
      '/api/employees/:id/dismissal',
      { schema: { tags: ['Employees'], summary: 'Restore a dismissed employee', params: api.employeeParams, response: { 200: api.employeeResponse } } },
      async ({ actor, params }) => {
        await people.restoreEmployee(actor, params.id);
        return employee(params.id);
      },
    );

    // -- Departments ----------------------------------------------------------------------------

    app.get(
      '/api/departments',
      { schema: { tags: ['Departments'], summary: 'The structure of the company', response: { 200: api.departmentsResponse } } },
      async () => ({ items: (await people.directory(db)).departments.map(asDepartment) }),
    );

    app.post(
      '/api/departments',
      { schema: { tags: ['Departments'], summary: 'Add a department', body: api.createDepartmentBody, response: { 201: api.departmentResponse } } },
      async (request, reply) => reply.code(201).send(await department(await people.createDepartment(request.actor, request.body))),
    );

    app.patch(
      '/api/departments/:id',
      {
        schema: {
          tags: ['Departments'], summary: 'Rename, order or move a department',
          params: api.departmentParams, body: api.changeDepartmentBody, response: { 200: api.departmentResponse },
        },
      },
      async ({ actor, body, params }) => {
        await people.changeDepartment(actor, params.id, body);
        return department(params.id);
      },
    );

    app.delete(
      '/api/departments/:id',
      {
        schema: {
          tags: ['Departments'], summary: 'Delete a department', description: '`moveTo` takes its people and sub-departments.',
          params: api.departmentParams, querystring: api.deleteDepartmentQuery, response: { 204: nothing },
        },
      },
      async (request, reply) => {
        await people.deleteDepartment(request.actor, request.params.id, request.query.moveTo);
        return reply.code(204).send(null);
      },
    );

    app.post(
      '/api/departments/:id/members',
      {
        schema: {
          tags: ['Departments'], summary: 'Add people to a department, or change their role in it',
          params: api.departmentParams, body: api.addMembersBody, response: { 200: api.departmentResponse },
        },
      },
      async ({ actor, body, params }) => {
        await people.addMembers(actor, params.id, body.employeeIds, body.role);
        return department(params.id);
      },
    );

    app.delete(
      '/api/departments/:id/members/:employeeId',
      { schema: { tags: ['Departments'], summary: 'Take somebody out of a department', params: api.memberParams, response: { 204: nothing } } },
      async (request, reply) => {
        await people.removeMember(request.actor, request.params.id, request.params.employeeId);
        return reply.code(204).send(null);
      },
    );

    // -- Company and working time ---------------------------------------------------------------

    app.get('/api/company', { schema: { tags: ['Company'], summary: 'The company', response: { 200: api.companyResponse } } }, async () =>
      asCompany(await people.directory(db)),
    );

    app.patch(
      '/api/company',
      { schema: { tags: ['Company'], summary: 'Change the company', body: api.changeCompanyBody, response: { 200: api.companyResponse } } },
      async ({ actor, body }) => {
        await people.changeCompany(actor, body);
        return asCompany(await people.directory(db));
      },
    );

    app.get(
      '/api/calendar-days',
      {
        schema: {
          tags: ['Company'], summary: 'Holidays and working days off', querystring: api.calendarDaysQuery, response: { 200: api.calendarDaysResponse },
        },
      },
      async (request) => ({ items: await people.calendarDays(db, request.query) }),
    );

    app.post(
      '/api/calendar-days',
      { schema: { tags: ['Company'], summary: 'Set holidays and working days off', body: api.setCalendarDaysBody, response: { 201: api.calendarDaysResponse } } },
      async (request, reply) => {
        await people.setCalendarDays(request.actor, request.body.days);
        return reply.code(201).send({ items: request.body.days });
      },
    );

    app.delete(
      '/api/calendar-days/:day',
      { schema: { tags: ['Company'], summary: 'Make a day an ordinary one', params: api.calendarDayParams, response: { 204: nothing } } },
      async (request, reply) => {
        await people.deleteCalendarDay(request.actor, request.params.day);
        return reply.code(204).send(null);
      },
    );

    // -- Absences -------------------------------------------------------------------------------

    app.get(
      '/api/absences',
      { schema: { tags: ['Absences'], summary: 'Who is away', querystring: api.absencesQuery, response: { 200: api.absencesResponse } } },
      async ({ actor, query }) => {
        const { items, nextCursor } = await people.absences(db, actor, query);
        return { items: items.map(asAbsence), nextCursor };
      },
    );

    app.post(
      '/api/absences',
      { schema: { tags: ['Absences'], summary: 'Add an absence', body: api.createAbsenceBody, response: { 201: api.absenceResponse } } },
      async ({ actor, body }, reply) => {
        const absence = { ...body, startsAt: new Date(body.startsAt), endsAt: new Date(body.endsAt) };
        return reply.code(201).send(asAbsence(await people.createAbsence(actor, absence)));
      },
    );

    app.patch(
      '/api/absences/:id',
      {
        schema: { tags: ['Absences'], summary: 'Change an absence', params: api.absenceParams, body: api.changeAbsenceBody, response: { 200: api.absenceResponse } },
      },
      async ({ actor, body: { startsAt, endsAt, ...rest }, params }) =>
        asAbsence(
          await people.changeAbsence(actor, params.id, {
            ...rest,
            ...(startsAt === undefined ? {} : { startsAt: new Date(startsAt) }),
            ...(endsAt === undefined ? {} : { endsAt: new Date(endsAt) }),
          }),
        ),
    );

    app.delete(
      '/api/absences/:id',
      { schema: { tags: ['Absences'], summary: 'Delete an absence', params: api.absenceParams, response: { 204: nothing } } },
      async (request, reply) => {
        await people.deleteAbsence(request.actor, request.params.id);
        return reply.code(204).send(null);
      },
    );

    // -- Access ---------------------------------------------------------------------------------

    app.get(
      '/api/access-roles',
      { schema: { tags: ['Access'], summary: 'Access roles', response: { 200: api.accessRolesResponse } } },
      async ({ actor }) => ({ items: await people.accessRoles(db, actor) }),
    );

    app.get(
      '/api/access-roles/:id',
      { schema: { tags: ['Access'], summary: 'One access role', params: api.accessRoleParams, response: { 200: api.accessRoleResponse } } },
      ({ actor, params }) => people.accessRole(db, actor, params.id),
    );

    app.post(
      '/api/access-roles',
      { schema: { tags: ['Access'], summary: 'Add an access role', body: api.createAccessRoleBody, response: { 201: api.accessRoleResponse } } },
      async (request, reply) => reply.code(201).send(await people.createAccessRole(request.actor, request.body)),
    );

    app.patch(
      '/api/access-roles/:id',
      {
        schema: {
          tags: ['Access'], summary: 'Change an access role', description: 'Given lists replace the stored ones whole.',
          params: api.accessRoleParams, body: api.changeAccessRoleBody, response: { 200: api.accessRoleResponse },
        },
      },
      ({ actor, body, params }) => people.changeAccessRole(actor, params.id, body),
    );

    app.delete(
      '/api/access-roles/:id',
      { schema: { tags: ['Access'], summary: 'Delete an access role', params: api.accessRoleParams, response: { 204: nothing } } },
      async (request, reply) => {
        await people.deleteAccessRole(request.actor, request.params.id);
        return reply.code(204).send(null);
      },
    );

    app.get(
      '/api/api-tokens',
      { schema: { tags: ['Access'], summary: 'API tokens', querystring: api.apiTokensQuery, response: { 200: api.apiTokensResponse } } },
      async ({ actor, query }) => {
        const tokens = query.everybody ? await people.allApiTokens(db, actor) : await people.apiTokens(db, actor, query.employeeId);
        return { items: tokens.map(asApiToken) };
      },
    );

    app.post(
      '/api/api-tokens',
      {
        schema: {
          tags: ['Access'], summary: 'Make an API token of mine', description: 'The token itself is shown this once.',
          body: api.createApiTokenBody, response: { 201: api.createdApiTokenResponse },
        },
      },
      async (request, reply) => {
        const created = await people.createApiToken(request.actor, request.body.name);
        return reply.code(201).send({ ...asApiToken(created), token: created.token });
      },
    );

    app.delete(
      '/api/api-tokens/:id',
      { schema: { tags: ['Access'], summary: 'Revoke an API token', params: api.apiTokenParams, response: { 204: nothing } } },
      async (request, reply) => {
        await people.revokeApiToken(request.actor, request.params.id);
        return reply.code(204).send(null);
      },
    );
  };
}

function asCompany({ company: { settings: _, ...shown } }: Directory) {
  return shown;
}

function asDepartment(department: Directory['departments'][number]) {
  const { headIds, deputyIds, employeeIds } = department;
  return { ...department, headIds: [...headIds], deputyIds: [...deputyIds], employeeIds: [...employeeIds] };
}

function placeOf(request: FastifyRequest): { ip: string; userAgent: string } {
  return { ip: request.ip, userAgent: request.headers['user-agent'] ?? '' };
}

type Invitation = Awaited<ReturnType<People['invitations']>>[number];

function asInvitation(invitation: Invitation) {
  const { createdAt, sentAt, expiresAt } = invitation;
  return { ...invitation, createdAt: createdAt.toISOString(), sentAt: sentAt.toISOString(), expiresAt: expiresAt.toISOString() };
}

function asMadeInvitation({ invitation, link, isSent }: Awaited<ReturnType<People['invite']>>) {
  return { ...asInvitation(invitation), link, isSent };
}

function asInvitationLink({ email, firstName, lastName, language, timeZone, companyName, invitedBy, expiresAt }: Awaited<ReturnType<People['readInvitation']>>) {
  return { email, firstName, lastName, language, timeZone, companyName, invitedBy, expiresAt: expiresAt.toISOString() };
}

function asAbsence<A extends { startsAt: Date; endsAt: Date }>(absence: A) {
  return { ...absence, startsAt: absence.startsAt.toISOString(), endsAt: absence.endsAt.toISOString() };
}

function asApiToken({ id, employeeId, name, createdAt, lastUsedAt, revokedAt }: {
  id: number; employeeId: number; name: string; createdAt: Date; lastUsedAt: Date | null; revokedAt: Date | null;
}) {
  return {
    id, employeeId, name,
    createdAt: createdAt.toISOString(), lastUsedAt: lastUsedAt?.toISOString() ?? null, revokedAt: revokedAt?.toISOString() ?? null,
  };
}
