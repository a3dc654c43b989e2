/**
 * Where a robot's values come from: the item as the robots above left it, its client, its owner, results.
 * Everything was loaded set by set before; reading is synchronous and never touches the database.
 */
import type { CrmModel, ItemRow } from '../crm/crm.ts';
import { type Directory, fullName } from '../people/people.ts';
import type { FieldCatalog } from './fields.ts';
import type { CompanyRow, ContactRow } from './store.ts';
import type { FieldValue, Names, ValueKind, ValueSource } from './values.ts';

/** What a batch has loaded about its items besides the items themselves. */
export interface Surroundings {
  readonly model: CrmModel;
  readonly directory: Directory;
  readonly publicUrl: string;
  readonly contacts: ReadonlyMap<number, ContactRow>;
  readonly companies: ReadonlyMap<number, CompanyRow>;
  readonly itemTitles: ReadonlyMap<number, string>;
  readonly fileNames: ReadonlyMap<number, string>;
  readonly chatTitles: ReadonlyMap<number, string>;
}

export const noNames: ReadonlyMap<number, string> = new Map();

/** Nothing loaded: for what reads only the item itself. */
export function bareSurroundings(around: Pick<Surroundings, 'model' | 'directory' | 'publicUrl'>): Surroundings {
  return { ...around, contacts: new Map(), companies: new Map(), itemTitles: noNames, fileNames: noNames, chatTitles: noNames };
}

export function namesOf(around: Surroundings): Names {
  const { model, directory } = around;
  return {
    employee: (id) => {
      const employee = directory.employee(id);
      return employee && fullName(employee);
    },
    stage: (id) => model.stage(id)?.name,
    pipeline: (id) => model.pipeline(id)?.name,
    contact: (id) => {
      const contact = around.contacts.get(id);
      return contact && contactName(contact);
    },
    company: (id) => around.companies.get(id)?.title,
    item: (id) => around.itemTitles.get(id),
    file: (id) => around.fileNames.get(id),
    chat: (id) => around.chatTitles.get(id),
    fileUrl: (id) => (around.fileNames.has(id) ? `${around.publicUrl}/api/drive/files/${id}/content` : undefined),
  };
}

export function contactName(contact: Pick<ContactRow, 'firstName' | 'secondName' | 'lastName'>): string {
  return [contact.firstName, contact.secondName, contact.lastName].filter((part) => part !== '').join(' ');
}

/** The address of the item's card. */
export function itemLink(publicUrl: string, itemId: number): string {
  return `${publicUrl}/items/${itemId}`;
}

function readItem(item: ItemRow, code: string, publicUrl: string): unknown {
  switch (code) {
    case 'id': return item.id;
    case 'title': return item.title;
    case 'stageId': return item.stageId;
    case 'pipelineId': return item.pipelineId;
    case 'amount': return item.amount;
    case 'currency': return item.currency;
    case 'ownerId': return item.ownerId;
    case 'creatorId': return item.creatorId;
    case 'observerIds': return item.observerIds;
    case 'contactId': return item.contactId;
    case 'companyId': return item.companyId;
    case 'beginsOn': return item.beginsOn;
    case 'closesOn': return item.closesOn;
    case 'createdAt': return item.createdAt;
    case 'updatedAt': return item.updatedAt;
    case 'movedAt': return item.movedAt;
    case 'parentId': return item.parentId;
    case 'link': return itemLink(publicUrl, item.id);
    default: return item.values[code] ?? null;
  }
}

function readContact(contact: ContactRow, code: string): unknown {
  switch (code) {
    case 'id': return contact.id;
    case 'name': return contactName(contact);
    case 'firstName': return contact.firstName;
    case 'lastName': return contact.lastName;
    case 'secondName': return contact.secondName;
    case 'position': return contact.position;
    case 'phone': return contact.phones;
    case 'email': return contact.emails;
    case 'address': return contact.address;
    case 'companyId': return contact.companyId;
    default: return contact.values[code] ?? null;
  }
}

function readCompany(company: CompanyRow, code: string): unknown {
  switch (code) {
    case 'id': return company.id;
    case 'title': return company.title;
    case 'phone': return company.phones;
    case 'email': return company.emails;
    case 'address': return company.address;
    default: return company.values[code] ?? null;
  }
}

export interface SourceDeps {
  around: Surroundings;
  names: Names;
  catalog: FieldCatalog;
  now: Date;
  /** The item right now; robots above may have changed it. */
  item(): ItemRow;
  result(robotId: number, name: string): { kind: ValueKind; value: unknown } | undefined;
}

export function createSource({ around, names, catalog, now, item, result }: SourceDeps): ValueSource {
  const { directory } = around;
  const owner = () => {
    const id = item().ownerId;
    return id === null ? undefined : directory.employee(id);
  };
  return {
    now,
    names,
    result,
    document(code) {
      const field = catalog.document(code);
      return field && { field, value: readItem(item(), field.code, around.publicUrl) };
    },
    client(which, code): FieldValue | undefined {
      const field = catalog.client(which, code);
      if (!field) return undefined;
      const { contactId, companyId } = item();
      if (which === 'contact') {
        const contact = contactId === null ? undefined : around.contacts.get(contactId);
        return contact && { field, value: readContact(contact, field.code) };
      }
      const company = companyId === null ? undefined : around.companies.get(companyId);
      return company && { field, value: readCompany(company, field.code) };
    },
    owner(code) {
      const field = catalog.owner(code);
      const employee = owner();
      if (!field || !employee) return undefined;
      const value: Record<string, unknown> = { ...employee, name: fullName(employee) };
      return { field, value: value[field.code] ?? null };
    },
    get timeZones() {
      return { company: directory.company.timeZone, owner: owner()?.timeZone };
    },
  };
}
