/**
 * Invoices: an item of the type `invoice` with a number, lines, a due date and a public page.
 *
 * Paid and unpaid follow the stage, from whatever side it is changed: an invoice on its stage of
 * success is paid, away from it it is not. `markPaid` is a move to that stage and nothing more.
 * The robot «Сформировать счёт» makes invoices inside the engine's transaction: `reserveInvoices`,
 * `planInvoice` (pure), the write path for the items, then `insertInvoices`.
 *
 * The number and the token of the public page are given once and never change.
 */
import { randomBytes } from 'node:crypto';
import { json, type Queryable, sql, type Tx } from '../db/db.ts';
import type { Actor, Company, People } from '../people/people.ts';
import { UserError } from '../../shared/errors.ts';
import { text } from '../../shared/messages.ts';
import type { CrmAccess } from './access.ts';
import { itemColumns, type ItemPlan, type ItemRow, type Items, type Origin, planCreation } from './items.ts';
import type { CrmModel } from './model.ts';

export interface InvoiceLine {
  name: string;
  quantity: number;
  price: number;
  unit?: string;
  /** The sum of the line, where it is not quantity × price rounded to cents. */
  amount?: number;
}

/** The row beside the item; what a robot writes. */
export interface InvoiceToInsert {
  itemId: number;
  number: string;
  /** 'YYYY-MM-DD' */
  issuedOn: string;
  dueOn: string | null;
  lines: InvoiceLine[];
  publicToken: string;
}

export interface Invoice extends InvoiceToInsert {
  paidAt: Date | null;
  /** The deal it was made for. */
  dealId: number | null;
  amount: number | null;
  currency: string;
}

export interface PublicInvoice extends Invoice {
  seller: string;
  client: string;
  clientCompany: string;
}

/** What has just been paid, and who moved it to its stage of success. */
export interface PaidInvoice {
  itemId: number;
  number: string;
  dealId: number | null;
  origin: Origin;
}

/** Ids taken beforehand, so that planning needs no database. */
export interface ReservedInvoice {
  itemId: number;
  number: number;
}

export async function reserveInvoices(tx: Tx, count: number): Promise<ReservedInvoice[]> {
  return tx.rows<ReservedInvoice>(sql`
    select nextval(pg_get_serial_sequence('items', 'id')) as item_id, nextval('invoice_numbers') as number from generate_series(1, ${count})`);
}

export function invoiceTotal(lines: readonly InvoiceLine[]): number {
  // Cents are added up as whole numbers: 0.1 + 0.2 is 0.30 on an invoice.
  return lines.reduce((sum, line) => sum + Math.round((line.amount ?? line.quantity * line.price) * 100), 0) / 100;
}

/** Where the invoice can be opened without signing in, on the address of the product. */
export function publicPath(invoice: Pick<InvoiceToInsert, 'publicToken'>): string {
  return `/i/${invoice.publicToken}`;
}

/** The calendar day of a moment where the company is. */
function dayIn(timeZone: string, moment: Date): string {
  return new Intl.DateTimeFormat('en-CA', { timeZone, year: 'numeric', month: '2-digit', day: '2-digit' }).format(moment);
}

/**
 * An invoice for a deal: the item to write and the row that goes with it. Without lines there is one,
 * with the title and the amount of the deal; `invoice.amount_missing` when the deal has none either.
 * Owner, client and currency are the deal's.
 */
export function planInvoice({ model, deal, reserved, company, origin, now, title, lines: given, dueOn = null }: {
  model: CrmModel;
  deal: ItemRow;
  reserved: ReservedInvoice;
  company: Pick<Company, 'language' | 'timeZone'>;
  origin: Origin;
  now: Date;
  /** Absent: «Счёт № 5». */
  title?: string;
  lines?: readonly InvoiceLine[];
  dueOn?: string | null;
}): { plan: ItemPlan; row: InvoiceToInsert } {
  const type = model.itemTypeByCode('invoice');
  if (!type) throw new UserError('request.not_found', { kind: 'itemType', id: 'invoice' });
  if (!given?.length && deal.amount === null) throw new UserError('invoice.amount_missing', { title: deal.title });
  const lines = given?.length ? [...given] : [{ name: deal.title, quantity: 1, price: deal.amount ?? 0 }];
  const plan = planCreation(
    model,
    reserved.itemId,
    {
      itemTypeId: type.id,
      fields: {
        title: title ?? text(company.language, 'crm.invoice.title', { number: String(reserved.number) }),
        amount: invoiceTotal(lines), currency: deal.currency, ownerId: deal.ownerId, contactId: deal.contactId, companyId: deal.companyId,
        closesOn: dueOn, parentId: deal.id,
      },
    },
    origin,
    { currency: deal.currency },
    now,
  );
  return { plan: { ...plan, references: [] }, row: invoiceRow(reserved, lines, dueOn, company, now) };
}

function invoiceRow(reserved: ReservedInvoice, lines: InvoiceLine[], dueOn: string | null, company: Pick<Company, 'timeZone'>, now: Date): InvoiceToInsert {
  return {
    itemId: reserved.itemId, number: String(reserved.number), issuedOn: dayIn(company.timeZone, now), dueOn, lines,
    // 192 random bits: who does not have the link does not find the page.
    publicToken: randomBytes(24).toString('base64url'),
  };
}

/** The rows beside items that are written already in this transaction. */
export async function insertInvoices(tx: Tx, rows: readonly InvoiceToInsert[]): Promise<void> {
  if (rows.length === 0) return;
  await tx.run(sql`
    insert into invoices (item_id, number, issued_on, due_on, lines, public_token)
    select "itemId", number, "issuedOn", "dueOn", lines, "publicToken"
    from jsonb_to_recordset(${json(rows)}) as r("itemId" bigint, number text, "issuedOn" date, "dueOn" date, lines jsonb, "publicToken" text)`);
}

const invoiceColumns = sql`
  v.item_id, v.number, v.issued_on, v.due_on, v.lines, v.public_token, v.paid_at, i.parent_id as deal_id, i.amount, i.currency`;

interface InvoicesDeps {
  people: People;
  items: Items;
  access: CrmAccess;
  model: (q: Queryable, version?: number) => Promise<CrmModel>;
  now: () => Date;
}

export function createInvoices({ people, items, access, model: loadModel, now }: InvoicesDeps) {
  const paidListeners: ((tx: Tx, paid: readonly PaidInvoice[]) => Promise<void>)[] = [];
  /** Never changes once it is there. */
  let invoiceTypeId: number | undefined;

  items.onItemsWritten(async (tx, { plans }) => {
    const moved = plans.filter((plan) => plan.before !== null && plan.isMove);
    if (moved.length === 0) return;
    if (invoiceTypeId !== undefined && moved.every((plan) => plan.after.itemTypeId !== invoiceTypeId)) return;
    const model = await loadModel(tx);
    const typeId = (invoiceTypeId ??= model.itemTypeByCode('invoice')?.id);
    const ofInvoices = moved.filter((plan) => plan.after.itemTypeId === typeId);
    if (ofInvoices.length === 0) return;
    const isPaid = (plan: ItemPlan) => model.stage(plan.after.stageId)?.semantics === 'success';
    const paidIds = ofInvoices.filter(isPaid).map((plan) => plan.after.id);
    const unpaidIds = ofInvoices.filter((plan) => !isPaid(plan)).map((plan) => plan.after.id);
    const [paid] = await Promise.all([
      tx.rows<Omit<PaidInvoice, 'origin'>>(sql`
        update invoices v set paid_at = ${now()} from items i
        where v.item_id = any(${paidIds}::bigint[]) and v.paid_at is null and i.id = v.item_id returning v.item_id, v.number, i.parent_id as deal_id`),
      tx.run(sql`update invoices set paid_at = null where item_id = any(${unpaidIds}::bigint[]) and paid_at is not null`),
    ]);
    const originOf = new Map(ofInvoices.map((plan) => [plan.after.id, plan.origin]));
    const told = paid.flatMap((row) => {
      const origin = originOf.get(row.itemId);
      return origin ? [{ ...row, origin }] : [];
    });
    if (told.length > 0) for (const listener of paidListeners) await listener(tx, told);
  });

  async function invoiceOf(q: Queryable, itemId: number): Promise<Invoice> {
    const row = await q.first<Invoice>(sql`
      select ${invoiceColumns} from invoices v join items i on i.id = v.item_id where v.item_id = ${itemId} and i.deleted_at is null`);
    if (!row) throw new UserError('request.not_found', { kind: 'invoice', id: itemId });
    return row;
  }

  return {
    insertInvoices,

    /** Called inside the transaction in which invoices became paid: the trigger «Счёт оплачен». */
    onInvoicesPaid(listener: (tx: Tx, paid: readonly PaidInvoice[]) => Promise<void>): void {
      paidListeners.push(listener);
    },

    /** By the id of its item. */
    async getInvoice(q: Queryable, actor: Actor, itemId: number): Promise<Invoice> {
      await access.visibleItem(q, actor, itemId);
      return invoiceOf(q, itemId);
    },
    /** Invoices of a deal, newest first. Who sees the deal sees what it was billed. */
    async listInvoices(q: Queryable, actor: Actor, dealId: number): Promise<Invoice[]> {
      await access.visibleItem(q, actor, dealId);
      return q.rows<Invoice>(sql`
        select ${invoiceColumns} from items i join invoices v on v.item_id = i.id
        where i.parent_id = ${dealId} and i.deleted_at is null order by i.id desc limit 200`);
    },

    async createInvoice(tx: Tx, actor: Actor, dealId: number, input: { lines?: readonly InvoiceLine[]; dueOn?: string | null }, origin: Origin): Promise<Invoice> {
      const deal = await access.visibleItem(tx, actor, dealId);
      const [model, rights, directory, reserved] = await Promise.all([loadModel(tx), people.access(tx, actor), people.directory(tx), reserveInvoices(tx, 1)]);
      const ids = reserved[0];
      if (!ids) throw new Error('No ids were given.');
      if (deal.itemTypeId === model.itemTypeByCode('invoice')?.id) throw new UserError('invoice.not_invoice', { title: deal.title });
      const at = now();
      const { plan, row } = planInvoice({ model, deal, reserved: ids, company: directory.company, origin, now: at, ...input });
      // What it may not do with deals' invoices in general, it may not do with this one.
      if (!rights.mayTouch('add', plan.after)) throw new UserError('access.denied', { action: 'add' });
      await items.writeItems(tx, [plan], at);
      await insertInvoices(tx, [row]);
      return invoiceOf(tx, row.itemId);
    },

    /** Gives items of the type `invoice` that were created as plain items what makes them invoices. */
    async completeInvoices(tx: Tx, rows: readonly ItemRow[]): Promise<void> {
      const type = (await loadModel(tx)).itemTypeByCode('invoice');
      const bare = rows.filter((row) => row.itemTypeId === type?.id);
      if (bare.length === 0) return;
      const { company } = await people.directory(tx);
      const numbers = await tx.rows<{ number: number }>(sql`select nextval('invoice_numbers') as number from generate_series(1, ${bare.length})`);
      await insertInvoices(tx, bare.map((row, index) =>
        invoiceRow({ itemId: row.id, number: numbers[index]?.number ?? 0 }, [{ name: row.title, quantity: 1, price: row.amount ?? 0 }], row.closesOn, company, now())));
    },

    /** Lines and due date of an invoice that is not paid; amount and closing date of its item follow. */
    async changeInvoice(tx: Tx, actor: Actor, itemId: number, input: { lines?: readonly InvoiceLine[]; dueOn?: string | null }, origin: Origin): Promise<Invoice> {
      await access.visibleItem(tx, actor, itemId);
      const before = await invoiceOf(tx, itemId);
      if (before.paidAt) throw new UserError('invoice.already_paid', { number: before.number });
      const lines = input.lines ?? before.lines;
      const dueOn = input.dueOn === undefined ? before.dueOn : input.dueOn;
      const [outcome] = await items.changeItems(tx, [{ id: itemId, changes: { amount: invoiceTotal(lines), closesOn: dueOn } }], origin, actor);
      if (outcome && 'error' in outcome) throw outcome.error;
      await tx.run(sql`update invoices set lines = ${json(lines)}, due_on = ${dueOn} where item_id = ${itemId}`);
      return invoiceOf(tx, itemId);
    },

    /** Moves the invoice to its stage of success. `invoice.already_paid` when it stands there. `actor` null: a payment system. */
    async markPaid(tx: Tx, actor: Actor | null, itemId: number, origin: Origin): Promise<Invoice> {
      if (actor) await access.visibleItem(tx, actor, itemId);
      const row = await tx.first<ItemRow>(sql`select ${itemColumns} from items i where i.id = ${itemId} and i.deleted_at is null for no key update`);
      const before = await invoiceOf(tx, itemId);
      if (before.paidAt || !row) throw new UserError('invoice.already_paid', { number: before.number });
      const stage = (await loadModel(tx)).pipeline(row.pipelineId)?.stages.find((candidate) => candidate.semantics === 'success');
      if (!stage) throw new UserError('item.no_stage', { pipeline: String(row.pipelineId) });
      const [outcome] = await items.changeItems(tx, [{ id: itemId, changes: { stageId: stage.id } }], origin, actor);
      if (outcome && 'error' in outcome) throw outcome.error;
      return invoiceOf(tx, itemId);
    },

    /** The language of papers. */
    companyLanguage: async (q: Queryable) => (await people.directory(q)).company.language,

    /** What the public page shows; undefined: there is no such page. */
    async findPublicInvoice(q: Queryable, token: string): Promise<PublicInvoice | undefined> {
      const row = await q.first<Invoice & { firstName: string | null; secondName: string | null; lastName: string | null; clientCompany: string | null }>(sql`
        select ${invoiceColumns}, c.first_name, c.second_name, c.last_name, o.title as client_company
        from invoices v join items i on i.id = v.item_id
        left join contacts c on c.id = i.contact_id and c.deleted_at is null left join companies o on o.id = i.company_id and o.deleted_at is null
        where v.public_token = ${token} and i.deleted_at is null`);
      if (!row) return undefined;
      const { company } = await people.directory(q);
      const { firstName, secondName, lastName, clientCompany, ...invoice } = row;
      // Russian papers name the family first.
      const names = company.language === 'ru' ? [lastName, firstName, secondName] : [firstName, secondName, lastName];
      return { ...invoice, seller: company.name, client: names.filter((name) => name).join(' '), clientCompany: clientCompany ?? '' };
    },
  };
}

export type Invoices = ReturnType<typeof createInvoices>;
