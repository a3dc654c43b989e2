/**
 * Ways in besides a password: the set-up of an empty installation, invitations, links to a new password.
 *
 * A link carries 256 random bits, or, for the set-up, what only this installation can compute; the
 * database knows a hash. Invariants: a link works once and until its end; asking for a new password
 * answers the same, and as fast, whether the e-mail is known or not; what a link lets one do is to be
 * that one person, never more.
 */
import { createHmac, timingSafeEqual } from 'node:crypto';
import { setTimeout as after } from 'node:timers/promises';
import type { AcceptInvitation, CreateEmployee, Language, NewInvitation } from '../../shared/api/people.ts';
import { UserError } from '../../shared/errors.ts';
import { text } from '../../shared/messages.ts';
import { bumpConfig, type Db, type Queryable, type Tx } from '../db/db.ts';
import { fullName, type Directory } from './directory.ts';
import type { Actor, LivePublisher, SignedIn } from './people.ts';
import { hashPassword, refuseWeakPassword } from './passwords.ts';
import { createSignInGuard } from './sign-in-guard.ts';
import * as store from './store.ts';

export interface Letter {
  employeeId: number | null;
  address: string;
  subject: string;
  body: string;
}

export interface WaysInDeps {
  db: Db;
  live: LivePublisher;
  now: () => Date;
  /** What the set-up link is computed from. */
  secret: string;
  publicUrl: string;
  /** Queues a letter in the transaction; false: nobody has set up mail. */
  sendLetter(tx: Tx, letter: Letter): Promise<boolean>;
  canWrite(q: Queryable): Promise<boolean>;
  directory(q: Queryable): Promise<Directory>;
  createEmployees(tx: Tx, inputs: readonly CreateEmployee[]): Promise<number[]>;
  newToken(): string;
  hashToken(token: string): Buffer;
  startSession(tx: Tx, employeeId: number, from: SignInPlace): Promise<SignedIn>;
  requireAdmin(actor: Actor): void;
}

export type ShownInvitation = store.Invitation & { isExpired: boolean };
export interface MadeInvitation {
  invitation: ShownInvitation;
  link: string;
  /** A letter with it is on its way. */
  isSent: boolean;
}

export interface SignInPlace {
  ip: string;
  userAgent: string;
}

const day = 24 * 60 * 60_000;
const invitationMs = 7 * day;
const askedLinkMs = 60 * 60_000;
/** An administrator's link is handed over by hand, which takes longer than opening a letter. */
const givenLinkMs = day;
/** An answer takes at least this long: queueing the letter for a known address hides below it. */
const evenMs = 250;

export function createWaysIn(deps: WaysInDeps) {
  const { db, live, now, publicUrl, directory, hashToken, newToken, requireAdmin } = deps;
  /** Three letters to one address are a person who did not find the first one; more are a nuisance. */
  const guard = createSignInGuard({ now, limits: { pair: 3, address: 30, account: 6 } });

  const moment = (at: Date, language: Language, timeZone: string): string =>
    new Intl.DateTimeFormat(language, { dateStyle: 'long', timeStyle: 'short', timeZone }).format(at);

  async function setupToken(): Promise<string> {
    return createHmac('sha256', deps.secret).update(`set up ${await store.setupSalt(db)}`).digest('base64url');
  }

  async function writeInvitation(tx: Tx, invitation: store.Invitation, token: string): Promise<{ link: string; isSent: boolean }> {
    const known = await directory(tx);
    const { company } = known;
    const inviter = known.employee(invitation.invitedBy);
    const link = `${publicUrl}/join/${token}`;
    const { language } = invitation;
    const params = { company: company.name, inviter: inviter ? fullName(inviter) : '', link, until: moment(invitation.expiresAt, language, company.timeZone) };
    const isSent = await deps.sendLetter(tx, {
      employeeId: null, address: invitation.email,
      subject: text(language, 'people.letters.invitation.subject', params), body: text(language, 'people.letters.invitation.body', params),
    });
    await live.publish(tx, [{ topic: 'company', what: 'invitations' }]);
    return { link, isSent };
  }

  async function passwordOwner(q: Queryable, token: string) {
    const found = await store.passwordLinkByToken(q, hashToken(token), now());
    const employee = found && (await directory(q)).employee(found.employeeId);
    if (!found || !employee) throw new UserError('password.link_dead');
    return { employee, expiresAt: found.expiresAt };
  }

  return {
    // -- Set-up ---------------------------------------------------------------------------------

    /** The same at every start of this installation, and worth nothing once there is a company. */
    setupLink: async (): Promise<string> => `${publicUrl}/setup/${await setupToken()}`,

    /** Throws unless this installation is empty and the token is that of its link. */
    async checkSetup(q: Queryable, token: string): Promise<void> {
      if (await store.hasCompany(q)) throw new UserError('company.exists');
      const [given, right] = [hashToken(token), hashToken(await setupToken())];
      if (!timingSafeEqual(given, right)) throw new UserError('setup.link_wrong', {}, 'token');
    },

    // -- Invitations ----------------------------------------------------------------------------

    /** Those not accepted yet, the newest first; expired ones too, to be sent again. */
    async invitations(q: Queryable, actor: Actor): Promise<ShownInvitation[]> {
      requireAdmin(actor);
      return (await store.invitations(q)).map((invitation) => ({ ...invitation, isExpired: invitation.expiresAt <= now() }));
    },

    /** One e-mail has one invitation; one that has expired makes room. */
    async invite(actor: Actor, input: NewInvitation): Promise<MadeInvitation> {
      requireAdmin(actor);
      return db.transaction(async (tx) => {
        await store.lockPeople(tx);
        const known = await directory(tx);
        const wanted = input.email.toLowerCase();
        if (known.employees.some((e) => e.email.toLowerCase() === wanted)) throw new UserError('employee.email_taken', { email: input.email }, 'email');
        if (input.departmentId !== null && !known.department(input.departmentId)) {
          throw new UserError('request.not_found', { kind: 'department', id: input.departmentId }, 'departmentId');
        }
        if (input.accessRoleId !== null && (await store.loadAccessRoles(tx, input.accessRoleId)).length === 0) {
          throw new UserError('request.not_found', { kind: 'role', id: input.accessRoleId }, 'accessRoleId');
        }
        const at = now();
        const earlier = await store.invitationByEmail(tx, input.email);
        if (earlier && earlier.expiresAt > at) throw new UserError('invitation.pending', { email: input.email }, 'email');
        if (earlier) await store.deleteInvitation(tx, earlier.id);
        const token = newToken();
        const invitation = await store.insertInvitation(tx, hashToken(token), {
          ...input, language: input.language ?? known.company.language, invitedBy: actor.employeeId,
          createdAt: at, sentAt: at, expiresAt: new Date(at.getTime() + invitationMs),
        });
        return { invitation: { ...invitation, isExpired: false }, ...(await writeInvitation(tx, invitation, token)) };
      });
    },

    /** A new link; the one before stops working. */
    async resendInvitation(actor: Actor, id: number): Promise<MadeInvitation> {
      requireAdmin(actor);
      return db.transaction(async (tx) => {
        const at = now();
        const token = newToken();
        const invitation = await store.renewInvitation(tx, id, hashToken(token), at, new Date(at.getTime() + invitationMs));
        if (!invitation) throw new UserError('request.not_found', { kind: 'invitation', id });
        return { invitation: { ...invitation, isExpired: false }, ...(await writeInvitation(tx, invitation, token)) };
      });
    },

    async revokeInvitation(actor: Actor, id: number): Promise<void> {
      requireAdmin(actor);
      await db.transaction(async (tx) => {
        if ((await store.deleteInvitation(tx, id)) === 0) throw new UserError('request.not_found', { kind: 'invitation', id });
        await live.publish(tx, [{ topic: 'company', what: 'invitations' }]);
      });
    },

    /** What the page behind the link shows to whoever holds it. */
    async readInvitation(token: string): Promise<Omit<store.Invitation, 'invitedBy'> & { companyName: string; timeZone: string; invitedBy: string }> {
      return db.transaction(async (tx) => {
        const invitation = await store.invitationByToken(tx, hashToken(token), now());
        if (!invitation) throw new UserError('invitation.link_dead');
        const known = await directory(tx);
        const inviter = known.employee(invitation.invitedBy);
        return { ...invitation, companyName: known.company.name, timeZone: known.company.timeZone, invitedBy: inviter ? fullName(inviter) : '' };
      });
    },

    /** Makes the employee, with what the invitation promised, and signs them in. */
    async acceptInvitation(token: string, input: AcceptInvitation, from: SignInPlace): Promise<SignedIn> {
      return db.transaction(async (tx) => {
        await store.lockPeople(tx);
        const invitation = await store.invitationByToken(tx, hashToken(token), now());
        if (!invitation) throw new UserError('invitation.link_dead');
        const { email, position, isAdmin, departmentId, departmentRole, accessRoleId } = invitation;
        const departments = departmentId === null ? [] : [{ id: departmentId, role: departmentRole }];
        const [employeeId] = await deps.createEmployees(tx, [{ ...input, email, position, isAdmin, departments }]);
        if (accessRoleId !== null) {
          await store.addAccessMember(tx, accessRoleId, employeeId!);
          await bumpConfig(tx, 'access');
        }
        await store.deleteInvitation(tx, invitation.id);
        await live.publish(tx, [{ topic: 'company', what: 'invitations' }]);
        return deps.startSession(tx, employeeId!, from);
      });
    },

    // -- New passwords --------------------------------------------------------------------------

    /** A letter with a link, if the e-mail is somebody's. Nothing in the answer depends on that. */
    async askForPassword(email: string, ip: string): Promise<{ canWrite: boolean }> {
      await guard.take(email, ip, async () => false);
      const even = after(evenMs);
      const canWrite = await deps.canWrite(db);
      if (canWrite) {
        const at = now();
        const token = newToken();
        const expiresAt = new Date(at.getTime() + askedLinkMs);
        await db.transaction(async (tx) => {
          const found = await store.insertPasswordLinkFor(tx, email, { tokenHash: hashToken(token), at, expiresAt });
          const known = await directory(tx);
          const employee = found && known.employee(found.employeeId);
          if (!employee) return;
          const { language } = employee;
          const params = {
            company: known.company.name, name: fullName(employee), link: `${publicUrl}/new-password/${token}`, until: moment(expiresAt, language, employee.timeZone),
          };
          await deps.sendLetter(tx, {
            employeeId: employee.id, address: employee.email,
            subject: text(language, 'people.letters.password.subject', params), body: text(language, 'people.letters.password.body', params),
          });
        });
      }
      await even;
      return { canWrite };
    },

    /** For an administrator to hand over, where no mail is set up or it does not arrive. */
    async makePasswordLink(actor: Actor, employeeId: number): Promise<{ link: string; expiresAt: Date }> {
      requireAdmin(actor);
      return db.transaction(async (tx) => {
        const employee = (await directory(tx)).employee(employeeId);
        if (!employee || employee.dismissedAt !== null) throw new UserError('request.not_found', { kind: 'employee', id: employeeId });
        const at = now();
        const token = newToken();
        const expiresAt = new Date(at.getTime() + givenLinkMs);
        await store.insertPasswordLink(tx, { tokenHash: hashToken(token), employeeId, madeBy: actor.employeeId, at, expiresAt });
        return { link: `${publicUrl}/new-password/${token}`, expiresAt };
      });
    },

    readPasswordLink: (token: string) => db.transaction((tx) => passwordOwner(tx, token)),

    /** Ends their sessions, spends all their links, and signs in whoever held this one. */
    async setPasswordByLink(token: string, password: string, from: SignInPlace): Promise<SignedIn> {
      // Hashing takes 20 ms of a core: not inside the transaction, and not for a link that is dead.
      const { employee: owner } = await db.transaction((tx) => passwordOwner(tx, token));
      refuseWeakPassword(password, owner.email, 'password');
      const passwordHash = await hashPassword(password);
      return db.transaction(async (tx) => {
        const { employee } = await passwordOwner(tx, token);
        await store.updateEmployee(tx, employee.id, { passwordHash });
        await store.deletePasswordLinks(tx, employee.id, now());
        await store.deleteSessionsOf(tx, employee.id, null);
        await live.publish(tx, [{ topic: `employee:${employee.id}`, what: 'sessions' }]);
        return deps.startSession(tx, employee.id, from);
      });
    },
  };
}
