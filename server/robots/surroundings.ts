/**
 * Loads what decisions about items read besides the items: clients, names behind ids, titles of chats and
 * items that results name. Set by set: a number of queries that does not depend on how many items there are.
 */
import type { ItemRow } from '../crm/crm.ts';
import type { Tx } from '../db/db.ts';
import type { Directory } from '../people/people.ts';
import { fieldCatalog } from './fields.ts';
import type { Reference } from './placeholders.ts';
import { noNames, type Surroundings } from './source.ts';
import { chatTitles, companiesByIds, contactsByIds, fileNames, itemTitles } from './store.ts';
import { idOf, type ValueKind } from './values.ts';

function idsInItems(items: readonly ItemRow[], references: readonly Reference[], kinds: (reference: Reference, item: ItemRow) => ValueKind | undefined, kind: ValueKind): number[] {
  const wanted = references.filter((reference) => reference.source === 'document');
  const ids = new Set<number>();
  for (const item of items) {
    for (const reference of wanted) {
      if (kinds(reference, item) !== kind) continue;
      const value = reference.code === 'parentId' ? item.parentId : item.values[reference.code];
      for (const id of Array.isArray(value) ? value : [value]) if (typeof id === 'number') ids.add(id);
    }
  }
  return [...ids];
}

export async function loadSurroundings(
  tx: Tx,
  at: { directory: Directory; model: Surroundings['model']; publicUrl: string },
  items: readonly ItemRow[],
  references: readonly Reference[],
): Promise<Surroundings> {
  const { directory, model, publicUrl } = at;
  const kindOf = (reference: Reference, item: ItemRow) => fieldCatalog(model, item.itemTypeId, directory.company.language).document(reference.code)?.kind;
  const reads = (source: Reference['source'], codes: readonly string[]) =>
    references.some((reference) => reference.source === source || (reference.source === 'document' && codes.includes(reference.code)));
  const contactIds = reads('contact', ['contactId']) ? items.map((item) => item.contactId).filter((id) => id !== null) : [];
  const companyIds = reads('company', ['companyId']) ? items.map((item) => item.companyId).filter((id) => id !== null) : [];
  const own = references.filter((reference) => reference.source === 'document');
  const linked = own.length === 0 ? { contact: [], company: [], item: [], file: [] } : {
    contact: idsInItems(items, own, kindOf, 'contact'),
    company: idsInItems(items, own, kindOf, 'company'),
    item: idsInItems(items, own, kindOf, 'item'),
    file: idsInItems(items, own, kindOf, 'file'),
  };
  const contactSet = [...new Set([...contactIds, ...linked.contact])];
  const companySet = [...new Set([...companyIds, ...linked.company])];
  const [contacts, companies, titles, files] = await Promise.all([
    contactSet.length > 0 ? contactsByIds(tx, contactSet) : [],
    companySet.length > 0 ? companiesByIds(tx, companySet) : [],
    linked.item.length > 0 ? itemTitles(tx, linked.item) : noNames,
    linked.file.length > 0 ? fileNames(tx, linked.file) : noNames,
  ]);
  return {
    model, directory, publicUrl,
    contacts: new Map(contacts.map((row) => [row.id, row])),
    companies: new Map(companies.map((row) => [row.id, row])),
    itemTitles: titles,
    fileNames: files,
    chatTitles: noNames,
  };
}

/** Chats and items that results of robots name are printed by their titles. */
export async function withResultTitles(
  tx: Tx,
  around: Surroundings,
  references: readonly Reference[],
  kindOf: (robotId: number, name: string) => ValueKind | undefined,
  left: readonly { robotId: number; results: Record<string, unknown> | null }[],
): Promise<Surroundings> {
  const named = (kind: ValueKind) => [...new Set(references.flatMap((reference) =>
    reference.source === 'result' && kindOf(reference.robotId, reference.code) === kind
      ? left.filter((row) => row.robotId === reference.robotId).map((row) => idOf(row.results?.[reference.code])).filter((id) => id !== undefined)
      : []))];
  const [chatIds, itemIds] = [named('chat'), named('item')];
  if (chatIds.length + itemIds.length === 0) return around;
  const [chats, items] = await Promise.all([chatTitles(tx, chatIds), itemTitles(tx, itemIds)]);
  return { ...around, chatTitles: chats, itemTitles: new Map([...around.itemTitles, ...items]) };
}
