/**
 * Clients: contacts (people) and companies, with own fields, search and the items they take part in.
 *
 * Whoever may see anything in the CRM sees all clients: a manager who takes a call must find the
 * caller. Changing one asks for ownership, or for the right to change deals of its owner. Phones and
 * e-mails are lists, the first one is the main one.
 *
 * A deleted client disappears from lists and search; items keep the link, and history stays true.
 */
import { empty, json, type Queryable, raw, type Sql, sql, type Tx } from '../db/db.ts';
import type { Live } from '../live/live.ts';
import type { AccessRights, Actor, People } from '../people/people.ts';
import { UserError } from '../../shared/errors.ts';
import { hasAny, maySee } from './access.ts';
import { itemColumns, type ItemPlan, type ItemRow, verifyReferences } from './items.ts';
import type { Page } from './list.ts';
import type { CrmModel } from './model.ts';
import { isEmpty, normaliseValue, shapeOf } from './values.ts';

export interface ClientBase {
  id: number;
  phones: string[];
  emails: string[];
  address: string;
  ownerId: number | null;
  /** Own fields by code; an empty field has no key. */
  values: Record<string, unknown>;
  version: number;
  createdAt: Date;
  updatedAt: Date;
}
export interface Contact extends ClientBase {
  firstName: string;
  lastName: string;
  secondName: string;
  position: string;
  companyId: number | null;
}
export interface Company extends ClientBase {
  title: string;
}

interface ClientInput {
  phones?: readonly string[];
  emails?: readonly string[];
  address?: string;
  ownerId?: number | null;
  values?: Readonly<Record<string, unknown>>;
}
export interface ContactInput extends ClientInput {
  firstName?: string;
  lastName?: string;
  secondName?: string;
  position?: string;
  companyId?: number | null;
}
export interface CompanyInput extends ClientInput {
  title?: string;
}

/** A person and a firm as a row of an import names them. */
export interface ClientMention {
  contact: { firstName: string; lastName: string; secondName: string; phones: readonly string[]; emails: readonly string[] } | null;
  company: { title: string; phones: readonly string[]; emails: readonly string[] } | null;
}

/** As the function of this name in the database: 8 916… and +7 916… are one number. */
function phoneKeys(phones: readonly string[]): string[] {
  return phones.map((phone) => phone.replaceAll(/\D/g, '')).filter((digits) => digits.length >= 5).map((digits) => digits.slice(-10));
}

/** What happened to a contact or a company, and who did it. */
export interface ClientWritten {
  kind: 'contact' | 'company';
  id: number;
  what: 'added' | 'changed' | 'deleted';
  employeeId: number | null;
}

export interface ClientSearch {
  /** Words that must all be in the name, a phone or an e-mail. */
  search?: string;
  companyId?: number;
  ownerId?: number;
  cursor?: string;
  limit: number;
}

const baseColumns = sql`id, phones, emails, address, owner_id, values, version, created_at, updated_at`;
const contactColumns = sql`${baseColumns}, first_name, last_name, second_name, position, company_id`;
const companyColumns = sql`${baseColumns}, title`;

/** «Фамилия Имя»: as lists of clients are read. */
export function contactName(contact: { firstName: string; lastName: string; secondName: string }): string {
  return [contact.lastName, contact.firstName, contact.secondName].filter((part) => part !== '').join(' ');
}

function encodeCursor(key: string, id: number): string {
  return Buffer.from(JSON.stringify([key, id])).toString('base64url');
}
function decodeCursor(cursor: string): { key: string; id: number } {
  try {
    const parts: unknown = JSON.parse(Buffer.from(cursor, 'base64url').toString());
    if (Array.isArray(parts)) {
      const [key, id]: unknown[] = parts;
      if (typeof key === 'string' && !key.includes('\u0000') && typeof id === 'number' && Number.isSafeInteger(id)) return { key, id };
    }
  } catch {
    // Not a cursor of ours: refused below like any other.
  }
  throw new UserError('list.cursor_invalid', {}, 'cursor');
}

function searchWords(search: string | undefined): Sql {
  let where = empty;
  for (const word of (search ?? '').split(/\s+/).filter((part) => part !== '').slice(0, 10)) {
    const text = word.replace(/[\\%_]/g, (special) => `\\${special}`);
    const pieces = [...word].length >= 3 ? sql`and search_grams(search) @> search_grams(lower(${word}::text))` : empty;
    where = sql`${where} ${pieces} and search like '%' || lower(${text}::text) || '%'`;
  }
  return where;
}

interface ClientsDeps {
  live: Live;
  people: People;
  model: (q: Queryable, version?: number) => Promise<CrmModel>;
  now: () => Date;
}

export function createClients({ live, people, model: loadModel, now }: ClientsDeps) {
  async function rightsToView(q: Queryable, actor: Actor): Promise<{ rights: AccessRights; model: CrmModel }> {
    const [rights, model] = await Promise.all([people.access(q, actor), loadModel(q)]);
    if (!hasAny(rights, model, 'view')) throw new UserError('access.denied', { action: 'view' });
    return { rights, model };
  }

  /** The right to change deals of the client's owner is the right to change the client. */
  function assertMayChange(rights: AccessRights, model: CrmModel, actor: Actor, client: Pick<ClientBase, 'ownerId'>, action: 'change' | 'delete'): void {
    if (client.ownerId === actor.employeeId) return;
    const deal = model.itemTypeByCode('deal');
    if (deal && rights.mayTouch(action, { itemTypeId: deal.id, pipelineId: null, ownerId: client.ownerId })) return;
    throw new UserError('access.denied', { action });
  }

  /** New values over old ones, in their stored form; required ones must be there in the end. */
  function mergeValues(model: CrmModel, entity: 'contact' | 'company', before: Readonly<Record<string, unknown>>, input: Readonly<Record<string, unknown>> | undefined, isNew: boolean) {
    const values = { ...before };
    const references: ItemPlan['references'] = [];
    const changed = new Set<string>();
    const put = (code: string, raw: unknown): void => {
      const own = model.clientField(entity, code);
      if (!own) throw new UserError('item.field_unknown', { field: code }, `values.${code}`);
      const field = shapeOf(own);
      const value = normaliseValue(field, raw);
      changed.add(field.code);
      if (isEmpty(value)) delete values[field.code];
      else {
        values[field.code] = value;
        if (['employee', 'file', 'item', 'contact', 'company'].includes(field.type)) {
          for (const id of Array.isArray(value) ? value : [value]) if (typeof id === 'number') references.push({ field, id });
        }
      }
    };
    if (isNew) for (const field of model.clientFields(entity)) if (!isEmpty(field.settings.default)) put(field.code, field.settings.default);
    for (const [code, raw] of Object.entries(input ?? {})) put(code, raw);
    const missing = model.clientFields(entity).filter((field) => field.isRequired && isEmpty(values[field.code]) && (isNew || changed.has(field.code)));
    if (missing.length > 0) throw new UserError('item.required_fields', { fields: missing.map((field) => field.name) }, `values.${missing[0]?.code}`);
    return { values, references };
  }

  async function assertOwner(q: Queryable, ownerId: number | null | undefined): Promise<void> {
    if (ownerId === null || ownerId === undefined) return;
    const owner = (await people.directory(q)).employee(ownerId);
    if (!owner) throw new UserError('request.not_found', { kind: 'employee', id: ownerId }, 'ownerId');
    if (owner.dismissedAt) throw new UserError('item.employee_dismissed', { field: 'ownerId', id: ownerId }, 'ownerId');
  }
  async function assertCompany(q: Queryable, companyId: number | null | undefined): Promise<void> {
    if (companyId === null || companyId === undefined) return;
    const found = await q.first(sql`select 1 from companies where id = ${companyId} and deleted_at is null`);
    if (!found) throw new UserError('request.not_found', { kind: 'company', id: companyId }, 'companyId');
  }

  async function page<Row extends ClientBase>(q: Queryable, table: 'contacts' | 'companies', columns: Sql, search: ClientSearch): Promise<Page<Row>> {
    const after = search.cursor === undefined ? undefined : decodeCursor(search.cursor);
    const rows = await q.rows<Row & { sortKey: string }>(sql`
      select ${columns}, left(search, 100) as sort_key from ${raw(table)}
      where deleted_at is null ${searchWords(search.search)}
        ${search.ownerId === undefined ? empty : sql`and owner_id = ${search.ownerId}`}
        ${table === 'companies' || search.companyId === undefined ? empty : sql`and company_id = ${search.companyId}`}
        ${after ? sql`and (left(search, 100), id) > (${after.key}::text, ${after.id}::bigint)` : empty}
      order by left(search, 100), id limit ${search.limit + 1}`);
    const items = rows.slice(0, search.limit);
    const last = rows.length > search.limit ? items.at(-1) : undefined;
    return { items, nextCursor: last ? encodeCursor(last.sortKey, last.id) : null };
  }

  function notFound(kind: 'contact' | 'company', id: number): UserError {
    return new UserError('request.not_found', { kind, id });
  }
  function assertVersion(before: ClientBase, version: number | undefined): void {
    if (version !== undefined && version !== before.version) throw new UserError('client.changed_meanwhile', { version: before.version }, 'version');
  }
  const listeners: ((tx: Tx, written: ClientWritten) => Promise<void>)[] = [];
  async function tell(tx: Tx, written: ClientWritten): Promise<void> {
    await live.publish(tx, [{ topic: 'company', what: 'clients' }]);
    for (const listener of listeners) await listener(tx, written);
  }

  async function contact(q: Queryable, id: number, lock: Sql = empty): Promise<Contact> {
    const row = await q.first<Contact>(sql`select ${contactColumns} from contacts where id = ${id} and deleted_at is null ${lock}`);
    if (!row) throw notFound('contact', id);
    return row;
  }
  async function company(q: Queryable, id: number, lock: Sql = empty): Promise<Company> {
    const row = await q.first<Company>(sql`select ${companyColumns} from companies where id = ${id} and deleted_at is null ${lock}`);
    if (!row) throw notFound('company', id);
    return row;
  }

  async function mayAdd(tx: Tx, actor: Actor | null): Promise<CrmModel> {
    const model = await loadModel(tx);
    if (actor && !hasAny(await people.access(tx, actor), model, 'add')) throw new UserError('access.denied', { action: 'add' });
    return model;
  }

  /** Checks shared by every write of a client; returns the values to store. */
  async function prepare(tx: Tx, model: CrmModel, entity: 'contact' | 'company', before: ClientBase | null, input: ClientInput & { companyId?: number | null }) {
    const { values, references } = mergeValues(model, entity, before?.values ?? {}, input.values, before === null);
    await assertOwner(tx, input.ownerId === before?.ownerId ? undefined : input.ownerId);
    await assertCompany(tx, input.companyId);
    if (references.length > 0) await verifyReferences(tx, await people.directory(tx), [{ references }]);
    return values;
  }

  async function makeContact(tx: Tx, actor: Actor | null, input: ContactInput): Promise<Contact> {
    const model = await mayAdd(tx, actor);
    const { firstName = '', lastName = '', secondName = '', position = '', phones = [], emails = [], address = '', companyId = null } = input;
    if (`${firstName}${lastName}`.trim() === '' && phones.length === 0 && emails.length === 0) throw new UserError('client.name_missing', {}, 'lastName');
    const ownerId = input.ownerId === undefined ? (actor?.employeeId ?? null) : input.ownerId;
    const values = await prepare(tx, model, 'contact', null, { ...input, ownerId });
    const row = await tx.first<Contact>(sql`
      insert into contacts (first_name, last_name, second_name, position, phones, emails, address, company_id, owner_id, values, created_at, updated_at)
      values (${firstName.trim()}, ${lastName.trim()}, ${secondName.trim()}, ${position}, ${json(phones)}, ${json(emails)}, ${address}, ${companyId}, ${ownerId},
        ${json(values)}, ${now()}, ${now()}) returning ${contactColumns}`);
    if (!row) throw new Error('The contact was not written.');
    await tell(tx, { kind: 'contact', id: row.id, what: 'added', employeeId: actor?.employeeId ?? null });
    return row;
  }
  async function makeCompany(tx: Tx, actor: Actor | null, input: CompanyInput): Promise<Company> {
    const model = await mayAdd(tx, actor);
    const { title = '', phones = [], emails = [], address = '' } = input;
    if (title.trim() === '') throw new UserError('client.name_missing', {}, 'title');
    const ownerId = input.ownerId === undefined ? (actor?.employeeId ?? null) : input.ownerId;
    const values = await prepare(tx, model, 'company', null, { ...input, ownerId });
    const row = await tx.first<Company>(sql`
      insert into companies (title, phones, emails, address, owner_id, values, created_at, updated_at)
      values (${title.trim()}, ${json(phones)}, ${json(emails)}, ${address}, ${ownerId}, ${json(values)}, ${now()}, ${now()}) returning ${companyColumns}`);
    if (!row) throw new Error('The company was not written.');
    await tell(tx, { kind: 'company', id: row.id, what: 'added', employeeId: actor?.employeeId ?? null });
    return row;
  }

  type Mention = NonNullable<ClientMention['contact']> & { companyId: number | null } | NonNullable<ClientMention['company']>;
  const titleOf = (mention: Mention): string => ('title' in mention ? mention.title.toLowerCase() : '');

  /** By place: the id of the client that is meant, or was made; null where none is. */
  async function match(tx: Tx, actor: Actor, table: 'contacts' | 'companies', mentions: readonly (Mention | null)[]): Promise<(number | UserError | null)[]> {
    const named = mentions.filter((mention) => mention !== null);
    if (named.length === 0) return mentions.map(() => null);
    const [phones, emails] = [named.flatMap((one) => phoneKeys(one.phones)), named.flatMap((one) => one.emails.map((email) => email.toLowerCase()))];
    const titles = table === 'companies' ? named.map(titleOf).filter((title) => title !== '') : [];
    const known = await tx.rows<{ id: number; phones: string[]; emails: string[]; title: string }>(sql`
      select id, phone_keys(phones) as phones, email_keys(emails) as emails, ${table === 'companies' ? sql`lower(left(title, 255))` : sql`''`} as title from ${raw(table)}
      where deleted_at is null and (phone_keys(phones) && ${phones}::text[] or email_keys(emails) && ${emails}::text[]
        ${table === 'companies' ? sql`or lower(left(title, 255)) = any(${titles}::text[])` : empty}) order by id desc`);
    const ids = new Map<string, number | UserError>();
    const keysOf = (mention: Pick<ClientBase, 'phones' | 'emails'>, title: string): string[] =>
      [...phoneKeys(mention.phones).map((key) => `phone ${key}`), ...mention.emails.map((email) => `email ${email.toLowerCase()}`), ...(title === '' ? [] : [`title ${title}`])];
    // Of several the oldest, because it comes last.
    for (const row of known) for (const key of keysOf(row, row.title)) ids.set(key, row.id);
    const found: (number | UserError | null)[] = [];
    for (const mention of mentions) {
      const keys = mention ? keysOf({ phones: [...mention.phones], emails: [...mention.emails] }, titleOf(mention)) : [];
      let id = keys.map((key) => ids.get(key)).find((candidate) => candidate !== undefined) ?? null;
      if (mention && id === null) {
        id = await madeOrRefused(tx, actor, mention);
        for (const key of keys) ids.set(key, id);
      }
      found.push(id);
    }
    return found;
  }

  async function madeOrRefused(tx: Tx, actor: Actor, mention: Mention): Promise<number | UserError> {
    try {
      return 'title' in mention ? (await makeCompany(tx, actor, { ...mention, title: mention.title || mention.phones[0] || mention.emails[0] })).id : (await makeContact(tx, actor, mention)).id;
    } catch (error) {
      if (!(error instanceof UserError)) throw error;
      return error;
    }
  }

  return {
    /** Called in every transaction that wrote a client; a restored one is told as added. */
    onClientWritten(listener: (tx: Tx, written: ClientWritten) => Promise<void>): void {
      listeners.push(listener);
    },

    /** Contacts and companies an employee keeps. */
    async keptBy(q: Queryable, employeeId: number): Promise<{ count: number; names: string[] }> {
      const rows = await q.rows<{ name: string }>(sql`
        select concat_ws(' ', nullif(first_name, ''), nullif(last_name, '')) as name from contacts where owner_id = ${employeeId} and deleted_at is null
        union all select title from companies where owner_id = ${employeeId} and deleted_at is null`);
      return { count: rows.length, names: rows.slice(0, 5).map((row) => row.name) };
    },
    /** Somebody else keeps them from now on. */
    async handOver(tx: Tx, by: number, from: number, to: number): Promise<number> {
      const at = now();
      const written = await tx.rows<{ kind: 'contact' | 'company'; id: number }>(sql`
        with contacts_over as (update contacts set owner_id = ${to}, version = version + 1, updated_at = ${at} where owner_id = ${from} and deleted_at is null returning id),
          companies_over as (update companies set owner_id = ${to}, version = version + 1, updated_at = ${at} where owner_id = ${from} and deleted_at is null returning id)
        select 'contact' as kind, id from contacts_over union all select 'company', id from companies_over`);
      for (const { kind, id } of written) for (const listener of listeners) await listener(tx, { kind, id, what: 'changed', employeeId: by });
      if (written.length > 0) await live.publish(tx, [{ topic: 'company', what: 'clients' }]);
      return written.length;
    },
    async getContact(q: Queryable, actor: Actor, id: number): Promise<Contact> {
      await rightsToView(q, actor);
      return contact(q, id);
    },
    async getCompany(q: Queryable, actor: Actor, id: number): Promise<Company> {
      await rightsToView(q, actor);
      return company(q, id);
    },
    async listContacts(q: Queryable, actor: Actor, search: ClientSearch): Promise<Page<Contact>> {
      await rightsToView(q, actor);
      return page<Contact>(q, 'contacts', contactColumns, search);
    },
    async listCompanies(q: Queryable, actor: Actor, search: ClientSearch): Promise<Page<Company>> {
      await rightsToView(q, actor);
      return page<Company>(q, 'companies', companyColumns, search);
    },
    /** Contacts and companies by id, without access check: for robots and cards. Deleted ones are left out. */
    contactsByIds: (q: Queryable, ids: readonly number[]): Promise<Contact[]> =>
      q.rows<Contact>(sql`select ${contactColumns} from contacts where id = any(${ids}::bigint[]) and deleted_at is null`),
    companiesByIds: (q: Queryable, ids: readonly number[]): Promise<Company[]> =>
      q.rows<Company>(sql`select ${companyColumns} from companies where id = any(${ids}::bigint[]) and deleted_at is null`),

    /** The oldest clients that are reached by one of the phones (their last ten digits) or e-mails. */
    async clientIdsReachedBy(q: Queryable, actor: Actor, kind: 'contact' | 'company', { phones, emails }: { phones: readonly string[]; emails: readonly string[] }, limit: number): Promise<number[]> {
      await rightsToView(q, actor);
      const rows = await q.rows<{ id: number }>(sql`
        select id from ${raw(kind === 'contact' ? 'contacts' : 'companies')}
        where deleted_at is null and (phone_keys(phones) && ${phoneKeys(phones)}::text[] or email_keys(emails) && ${emails.map((email) => email.trim().toLowerCase())}::text[])
        order by id limit ${limit}`);
      return rows.map((row) => row.id);
    },

    createContact: makeContact,
    createCompany: makeCompany,

    /**
     * The client of each mention: one that has the phone (its last ten digits) or the e-mail, a company also by its
     * title; else a new one, made once for all mentions of it. A few statements, however many there are.
     */
    async matchClients(tx: Tx, actor: Actor, mentions: readonly ClientMention[]): Promise<({ contactId: number | null; companyId: number | null } | { error: UserError })[]> {
      const companies = await match(tx, actor, 'companies', mentions.map(({ company }) => company));
      const contacts = await match(tx, actor, 'contacts', mentions.map(({ contact }, index) => {
        const own = companies[index];
        return contact && { ...contact, companyId: typeof own === 'number' ? own : null };
      }));
      return mentions.map((_, index) => {
        const [companyId = null, contactId = null] = [companies[index], contacts[index]];
        if (companyId instanceof UserError) return { error: companyId };
        return contactId instanceof UserError ? { error: contactId } : { contactId, companyId };
      });
    },

    /** `version`: what the writer saw; another one in the database is `client.changed_meanwhile`. */
    async changeContact(tx: Tx, actor: Actor, id: number, input: ContactInput & { version?: number }): Promise<Contact> {
      const { rights, model } = await rightsToView(tx, actor);
      const before = await contact(tx, id, sql`for update`);
      assertMayChange(rights, model, actor, before, 'change');
      assertVersion(before, input.version);
      const after = { ...before, ...given(input) };
      if (`${after.firstName}${after.lastName}`.trim() === '' && after.phones.length === 0 && after.emails.length === 0) throw new UserError('client.name_missing', {}, 'lastName');
      const values = await prepare(tx, model, 'contact', before, input);
      const row = await tx.first<Contact>(sql`
        update contacts set first_name = ${after.firstName.trim()}, last_name = ${after.lastName.trim()}, second_name = ${after.secondName.trim()},
          position = ${after.position}, phones = ${json(after.phones)}, emails = ${json(after.emails)}, address = ${after.address},
          company_id = ${after.companyId}, owner_id = ${after.ownerId}, values = ${json(values)}, version = version + 1, updated_at = ${now()}
        where id = ${id} returning ${contactColumns}`);
      await tell(tx, { kind: 'contact', id, what: 'changed', employeeId: actor.employeeId });
      return row ?? before;
    },
    async changeCompany(tx: Tx, actor: Actor, id: number, input: CompanyInput & { version?: number }): Promise<Company> {
      const { rights, model } = await rightsToView(tx, actor);
      const before = await company(tx, id, sql`for update`);
      assertMayChange(rights, model, actor, before, 'change');
      assertVersion(before, input.version);
      const after = { ...before, ...given(input) };
      if (after.title.trim() === '') throw new UserError('client.name_missing', {}, 'title');
      const values = await prepare(tx, model, 'company', before, input);
      const row = await tx.first<Company>(sql`
        update companies set title = ${after.title.trim()}, phones = ${json(after.phones)}, emails = ${json(after.emails)}, address = ${after.address},
          owner_id = ${after.ownerId}, values = ${json(values)}, version = version + 1, updated_at = ${now()}
        where id = ${id} returning ${companyColumns}`);
      await tell(tx, { kind: 'company', id, what: 'changed', employeeId: actor.employeeId });
      return row ?? before;
    },

    async deleteContact(tx: Tx, actor: Actor, id: number): Promise<void> {
      const { rights, model } = await rightsToView(tx, actor);
      assertMayChange(rights, model, actor, await contact(tx, id, sql`for update`), 'delete');
      await tx.run(sql`update contacts set deleted_at = ${now()} where id = ${id}`);
      await tell(tx, { kind: 'contact', id, what: 'deleted', employeeId: actor.employeeId });
    },
    async deleteCompany(tx: Tx, actor: Actor, id: number): Promise<void> {
      const { rights, model } = await rightsToView(tx, actor);
      assertMayChange(rights, model, actor, await company(tx, id, sql`for update`), 'delete');
      await tx.run(sql`update companies set deleted_at = ${now()} where id = ${id}`);
      await tell(tx, { kind: 'company', id, what: 'deleted', employeeId: actor.employeeId });
    },

    /** Takes back a deletion. */
    async restoreContact(tx: Tx, actor: Actor, id: number): Promise<Contact> {
      const { rights, model } = await rightsToView(tx, actor);
      const row = await tx.first<Contact>(sql`select ${contactColumns} from contacts where id = ${id} and deleted_at is not null for update`);
      if (!row) throw notFound('contact', id);
      assertMayChange(rights, model, actor, row, 'delete');
      await tx.run(sql`update contacts set deleted_at = null where id = ${id}`);
      await tell(tx, { kind: 'contact', id, what: 'added', employeeId: actor.employeeId });
      return row;
    },
    async restoreCompany(tx: Tx, actor: Actor, id: number): Promise<Company> {
      const { rights, model } = await rightsToView(tx, actor);
      const row = await tx.first<Company>(sql`select ${companyColumns} from companies where id = ${id} and deleted_at is not null for update`);
      if (!row) throw notFound('company', id);
      assertMayChange(rights, model, actor, row, 'delete');
      await tx.run(sql`update companies set deleted_at = null where id = ${id}`);
      await tell(tx, { kind: 'company', id, what: 'added', employeeId: actor.employeeId });
      return row;
    },

    /** How clients are called, for those who may see clients; others get none. */
    async clientNames(q: Queryable, actor: Actor, { contactIds, companyIds }: { contactIds: readonly number[]; companyIds: readonly number[] }) {
      type Named = { id: number; name: string };
      if (contactIds.length + companyIds.length === 0) return { contacts: [], companies: [] };
      const [rights, model] = await Promise.all([people.access(q, actor), loadModel(q)]);
      if (!hasAny(rights, model, 'view')) return { contacts: [], companies: [] };
      type Row = Pick<Contact, 'id' | 'firstName' | 'lastName' | 'secondName' | 'phones' | 'emails'>;
      const [contacts, companies] = await Promise.all([
        q.rows<Row>(sql`select id, first_name, last_name, second_name, phones, emails from contacts where id = any(${contactIds}::bigint[]) and deleted_at is null`),
        q.rows<Named>(sql`select id, title as name from companies where id = any(${companyIds}::bigint[]) and deleted_at is null`),
      ]);
      // Who called once and left no name is known by the number.
      return { contacts: contacts.map((row): Named => ({ id: row.id, name: contactName(row) || row.phones[0] || row.emails[0] || '' })), companies };
    },

    /** Items of a client that the actor may see, of every type, newest first. */
    async listClientItems(q: Queryable, actor: Actor, client: { kind: 'contact' | 'company'; id: number }, { cursor, limit }: { cursor?: string; limit: number }): Promise<Page<ItemRow>> {
      const { rights } = await rightsToView(q, actor);
      await (client.kind === 'contact' ? contact(q, client.id) : company(q, client.id));
      const column = raw(client.kind === 'contact' ? 'i.contact_id' : 'i.company_id');
      let before = cursor === undefined ? Number.MAX_SAFE_INTEGER : decodeCursor(cursor).id;
      const seen: ItemRow[] = [];
      // What may be seen is decided row by row, so read on until the page is full.
      for (;;) {
        const rows = await q.rows<ItemRow>(sql`
          select ${itemColumns} from items i where ${column} = ${client.id} and i.deleted_at is null and i.id < ${before} order by i.id desc limit 500`);
        seen.push(...rows.filter((row) => maySee(rights, actor, row)));
        const last = rows.at(-1);
        if (seen.length > limit || rows.length < 500 || !last) break;
        before = last.id;
      }
      const items = seen.slice(0, limit);
      const last = seen.length > limit ? items.at(-1) : undefined;
      return { items, nextCursor: last ? encodeCursor('', last.id) : null };
    },
  };
}

export type Clients = ReturnType<typeof createClients>;

/** Without the keys whose value is undefined, so that a spread does not wipe what was not mentioned. */
function given<T extends object>(input: T): { [K in keyof T]: Exclude<T[K], undefined> };
function given(input: object): object {
  return Object.fromEntries(Object.entries(input).filter(([key, value]) => value !== undefined && key !== 'version' && key !== 'values'));
}
