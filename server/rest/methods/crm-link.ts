/**
 * Who belongs to what: the contacts of deals and leads, the companies of contacts, the contacts of companies; and who is
 * reached by a phone or an e-mail. Here a deal and a lead have one contact, and a contact one company: of several that are
 * said to be linked the first one counts, the primary before the others.
 */
import type { ScanCondition } from '../../crm/crm.ts';
import type { Entries, Entities } from '../entities.ts';
import { entriesOf, isRecord } from '../encoding.ts';
import { crmErrors, RestError, type Translate } from '../errors.ts';
import { type Call, defineMethod, type Method } from '../method.ts';
import { id as idOf, list, map, optionalText, pageSize, toFlag, toInteger, toText } from '../parameter.ts';
import type { FamilyDeps } from '../rest.ts';
import { itemTypeOf } from '../stages.ts';
import { typeOf } from './crm-entity.ts';

const ownerInvalid = () => new RestError('', 'The parameter ownerEntityID is invalid or not defined.');
const errors: Translate = (error, message) => (error.code === 'request.not_found' ? new RestError('', 'Not found.') : crmErrors(error, message));

/** Bitrix24's number of duplicates that are told. */
const mostFound = 20;
const mostLinked = 500;

/** What one side of a link can do. Ids are in their order, the primary one first. */
interface Side {
  of(call: Call, ownerId: number): Promise<number[]>;
  /** Everything that is not among them is unlinked. */
  set(call: Call, ownerId: number, ids: readonly number[]): Promise<void>;
  isOne: boolean;
}

export function linkMethods({ crm, db }: FamilyDeps, entities: Entities): Method[] {
  const scope = 'crm';
  const id = idOf(ownerInvalid);

  function contactOf(code: 'deal' | 'lead'): Side {
    const item = async (call: Call, ownerId: number) => entities.item(call.actor, typeOf((await entities.view()).model, code), ownerId);
    return {
      isOne: true,
      of: async (call, ownerId) => {
        const { contactId } = await item(call, ownerId);
        return contactId === null ? [] : [contactId];
      },
      async set(call, ownerId, [contactId = null]) {
        await item(call, ownerId);
        if (contactId !== null) await crm.getContact(db, call.actor, contactId);
        await crm.changeItem(call.actor, ownerId, { contactId });
      },
    };
  }

  const companyOfContact: Side = {
    isOne: true,
    of: async (call, ownerId) => {
      const { companyId } = await crm.getContact(db, call.actor, ownerId);
      return companyId === null ? [] : [companyId];
    },
    set: async (call, ownerId, [companyId = null]) => {
      if (companyId !== null) await crm.getCompany(db, call.actor, companyId);
      await db.transaction((tx) => crm.changeContact(tx, call.actor, ownerId, { companyId }));
    },
  };

  const contactsOfCompany: Side = {
    isOne: false,
    of: async (call, ownerId) => {
      await crm.getCompany(db, call.actor, ownerId);
      const ids: number[] = [];
      for (let last = 0; ;) {
        const where: ScanCondition = { all: [{ field: 'companyId', op: 'eq', value: ownerId }, ...(last === 0 ? [] : [{ field: 'id', op: 'gt' as const, value: last }])] };
        const rows = await crm.scanContacts(db, call.actor, { where, order: [{ field: 'id', direction: 'asc' }], offset: 0, limit: mostLinked });
        ids.push(...rows.map((row) => row.id));
        last = ids.at(-1) ?? 0;
        if (rows.length < mostLinked) return ids;
      }
    },
    async set(call, ownerId, ids) {
      const before = await this.of(call, ownerId);
      const change = new Map<number, number | null>([...before.filter((one) => !ids.includes(one)).map((one): [number, null] => [one, null]), ...ids.filter((one) => !before.includes(one)).map((one): [number, number] => [one, ownerId])]);
      // All of it or nothing.
      await db.transaction(async (tx) => {
        for (const [contactId, companyId] of [...change].sort(([a], [b]) => a - b)) await crm.changeContact(tx, call.actor, contactId, { companyId });
      });
    },
  };

  function linked(owner: 'deal' | 'lead' | 'contact' | 'company', to: 'contact' | 'company', side: Side): Method[] {
    const name = `crm.${owner}.${to}`;
    const key = `${to.toUpperCase()}_ID`;
    const plural = to === 'contact' ? 'contacts' : 'companies';
    const differs = side.isOne ? `A ${owner} has one ${to} here: another one takes its place when it is primary (IS_PRIMARY) and is not linked otherwise. SORT is not kept.` : 'SORT and IS_PRIMARY are not kept: a contact has one company.';

    function idIn(fields: Entries): number {
      const found = toInteger(entities.named(fields, key));
      if (found === undefined || found <= 0) throw new RestError('', `The parameter ${key} is invalid or not defined.`);
      return found;
    }

    /** The primary one first, then as sorted. */
    function idsIn(raw: unknown): number[] {
      const items = entriesOf(raw);
      if (!items || items.length > mostLinked) throw new RestError('', 'The parameter items must be array.');
      const rows = items.map(([, one]) => {
        if (!isRecord(one)) throw new RestError('', 'The parameter items must be array.');
        const fields = Object.entries(one);
        return { id: idIn(fields), isPrimary: toFlag(entities.named(fields, 'IS_PRIMARY')), sort: toInteger(entities.named(fields, 'SORT')) ?? 0 };
      });
      return [...new Set(rows.toSorted((a, b) => Number(b.isPrimary) - Number(a.isPrimary) || a.sort - b.sort).map((row) => row.id))];
    }

    return [
      defineMethod({
        name: `${name}.fields`, scope, errors, about: `The fields of a link to a ${to}.`, params: {},
        run: () => ({ result: {
          [key]: { type: 'integer', isRequired: true, isReadOnly: false, isImmutable: false, isMultiple: false, isDynamic: false },
          SORT: { type: 'integer', isRequired: false, isReadOnly: false, isImmutable: false, isMultiple: false, isDynamic: false },
          IS_PRIMARY: { type: 'char', isRequired: false, isReadOnly: false, isImmutable: false, isMultiple: false, isDynamic: false },
        } }),
      }),
      defineMethod({
        name: `${name}.add`, scope, errors, about: `Links a ${to} to a ${owner}; false when it is not linked, or was already.`, differs, params: { id, fields: map() },
        async run(call, { id: ownerId, fields }) {
          const wanted = idIn(fields);
          const before = await side.of(call, ownerId);
          const takesPlace = !side.isOne || before.length === 0 || toFlag(entities.named(fields, 'IS_PRIMARY'));
          if (before.includes(wanted) || !takesPlace) return { result: false };
          await side.set(call, ownerId, side.isOne ? [wanted] : [...before, wanted]);
          return { result: true };
        },
      }),
      defineMethod({
        name: `${name}.delete`, scope, errors, about: `Unlinks a ${to} from a ${owner}; false when it was not linked.`, params: { id, fields: map() },
        async run(call, { id: ownerId, fields }) {
          const [unwanted, before] = [idIn(fields), await side.of(call, ownerId)];
          if (!before.includes(unwanted)) return { result: false };
          await side.set(call, ownerId, before.filter((one) => one !== unwanted));
          return { result: true };
        },
      }),
      defineMethod({
        name: `${name}.items.get`, scope, errors, about: `The ${plural} of a ${owner}.`, params: { id },
        run: async (call, { id: ownerId }) => ({
          result: (await side.of(call, ownerId)).map((one, index) => ({ [key]: one, SORT: (index + 1) * 10, ROLE_ID: 0, IS_PRIMARY: side.isOne || index === 0 ? 'Y' : 'N' })),
        }),
      }),
      defineMethod({
        name: `${name}.items.set`, scope, errors, about: `Links these ${plural} to a ${owner} and no others.`, params: { id, items: list },
        ...(side.isOne ? { differs: 'Of several the primary one is linked, or the first by SORT.' } : {}),
        async run(call, { id: ownerId, items }) {
          await side.set(call, ownerId, idsIn(items));
          return { result: true };
        },
      }),
      defineMethod({
        name: `${name}.items.delete`, scope, errors, about: `Unlinks all ${plural} of a ${owner}.`, params: { id },
        async run(call, { id: ownerId }) {
          await side.set(call, ownerId, []);
          return { result: true };
        },
      }),
    ];
  }

  const leadTypeId = 1;

  return [
    ...linked('deal', 'contact', contactOf('deal')), ...linked('lead', 'contact', contactOf('lead')),
    ...linked('contact', 'company', companyOfContact), ...linked('company', 'contact', contactsOfCompany),
    defineMethod({
      name: 'crm.duplicate.findbycomm', scope, errors, about: 'Leads, contacts and companies that are reached by a phone or an e-mail, up to 20 of each.', params: { entity_type: optionalText, type: optionalText, values: list },
      differs: 'Phones are compared by their last ten digits; those of leads as they are written.',
      async run(call, given) {
        const type = (given.type ?? '').toUpperCase();
        if (type !== 'PHONE' && type !== 'EMAIL') throw new RestError('', 'Communication type is not defined or invalid.');
        const values = given.values.flatMap((value) => toText(value)?.trim() || []);
        if (values.length === 0) throw new RestError('', 'Communication values is not defined.');
        if (values.length > mostFound) throw new RestError('', `Communication values: at most ${mostFound}.`);
        const only = (given.entity_type ?? '').toUpperCase();
        const wants = (name: string) => only === '' || only === name;
        const by = { phones: type === 'PHONE' ? values : [], emails: type === 'EMAIL' ? values : [] };
        const found: [string, number[]][] = [];
        if (wants('LEAD')) found.push(['LEAD', await leads(call, type, values)]);
        for (const [name, kind] of [['CONTACT', 'contact'], ['COMPANY', 'company']] as const) if (wants(name)) found.push([name, await crm.clientIdsReachedBy(db, call.actor, kind, by, mostFound)]);
        const some = found.filter(([, ids]) => ids.length > 0);
        return { result: some.length === 0 ? [] : Object.fromEntries(some) };
      },
    }),
  ];

  async function leads(call: Call, type: 'PHONE' | 'EMAIL', values: readonly string[]): Promise<number[]> {
    const current = await entities.view();
    const kind = itemTypeOf(current.model, leadTypeId);
    if (!kind) return [];
    const where = entities.readFilter(current, kind, [[type, [...values]]], 'upper');
    const rows = await crm.scanItems(db, call.actor, kind.id, { where, order: [{ field: 'id', direction: 'asc' }], offset: 0, limit: Math.min(pageSize, mostFound) }, current.model);
    return rows.map((row) => row.id);
  }
}
