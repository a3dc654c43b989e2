/** CRM over HTTP: configuration, items, timeline, clients, invoices. */
import { z } from 'zod';

const text = (max: number) => z.string().max(max);
const name = text(255).trim().min(1);
const id = z.int().positive();
const idInPath = z.coerce.number().int().positive().max(Number.MAX_SAFE_INTEGER);
const day = z.iso.date();
const color = z.string().regex(/^#[0-9a-fA-F]{6}$/);
const amount = z.number().gt(-1e15).lt(1e15);
const currency = z.string().regex(/^[A-Z]{3}$/);
/** Own fields by code. What a field takes depends on its type and is checked against the configuration. */
const values = z.record(z.string().max(50), z.unknown()).refine((record) => Object.keys(record).length <= 500, 'http.problem.too_many_values');

export const idParams = z.object({ id: idInPath });
export const stageParams = z.object({ id: idInPath, stageId: idInPath });
export const commentParams = z.object({ id: idInPath, commentId: idInPath });
export const tokenParams = z.object({ token: z.string().min(1).max(100) });

/** From a query string: absent, or a number of rows. */
const limit = z.coerce.number().int().min(1).max(200).default(50);
const cursor = z.string().max(2000).optional();
export const pageQuery = z.object({ cursor, limit });

// ——— Configuration

export const itemType = z.object({
  id, code: z.string(), name: z.string(), isSystem: z.boolean(), hasClient: z.boolean(), hasAmount: z.boolean(), position: z.int(),
});
export const newItemType = z.strictObject({
  name,
  /** Latin letters, digits, _; made from the id when absent. */
  code: z.string().regex(/^[a-z][a-z0-9_]{0,49}$/).optional(),
  hasClient: z.boolean().default(true),
  hasAmount: z.boolean().default(true),
});
export const itemTypeChange = z.strictObject({
  name: name.optional(), hasClient: z.boolean().optional(), hasAmount: z.boolean().optional(), position: z.int().min(0).max(10_000).optional(),
});

export const semantics = z.enum(['process', 'success', 'failure']);
export const stage = z.object({
  id, pipelineId: id, code: z.string(), name: z.string(), color: z.string(), position: z.int(), semantics,
});
export const newStage = z.strictObject({
  name,
  color: color.default('#39A8EF'),
  semantics: z.enum(['process', 'failure']).default('process'),
  code: z.string().regex(/^[A-Za-z0-9_]{1,50}$/).optional(),
  /** Stands right after this stage; absent: last of its kind. null: first. */
  afterId: id.nullable().optional(),
});
export const stageChange = z.strictObject({ name: name.optional(), color: color.optional(), semantics: z.enum(['process', 'failure']).optional() });
export const stageOrder = z.strictObject({ stageIds: z.array(id).min(1).max(200) });
/** Where the items of a deleted stage go. */
export const stageRemoval = z.object({ moveToStageId: z.coerce.number().int().positive().optional() });

export const pipeline = z.object({
  id, itemTypeId: id, name: z.string(), position: z.int(), isDefault: z.boolean(), stages: z.array(stage),
});
export const newPipeline = z.strictObject({ itemTypeId: id, name });
export const pipelineChange = z.strictObject({
  name: name.optional(), isDefault: z.literal(true).optional(), position: z.int().min(0).max(10_000).optional(),
});

export const fieldType = z.enum([
  'string', 'text', 'number', 'money', 'boolean', 'date', 'datetime', 'list', 'employee', 'file',
  'url', 'address', 'phone', 'email', 'item', 'contact', 'company',
]);
const fieldOption = z.object({ id, name: z.string(), color: z.string().optional() });
export const fieldSettings = z.object({
  options: z.array(fieldOption).optional(),
  decimals: z.int().optional(),
  default: z.unknown().optional(),
  itemTypeId: id.optional(),
});
const newFieldSettings = z.strictObject({
  /** Of a list. An option without an id is new; one that is left out is gone. */
  options: z.array(z.strictObject({ id: id.optional(), name, color: color.optional() })).max(1000).optional(),
  /** Of a number: digits after the point. */
  decimals: z.int().min(0).max(6).optional(),
  /** Filled into new items and clients that come without a value. */
  default: z.unknown().optional(),
  /** Of a link to an item: which type; absent: any. */
  itemTypeId: id.optional(),
});
export const field = z.object({
  id, entity: z.enum(['item', 'contact', 'company']), itemTypeId: id.nullable(), code: z.string(), name: z.string(), type: fieldType,
  isMultiple: z.boolean(), isRequired: z.boolean(), requiredStageIds: z.array(id), isIndexed: z.boolean(), settings: fieldSettings, position: z.int(),
});
export const newField = z.strictObject({
  entity: z.enum(['item', 'contact', 'company']).default('item'),
  /** Of an item's field. */
  itemTypeId: id.optional(),
  code: z.string().regex(/^[A-Za-z][A-Za-z0-9_]{0,49}$/).optional(),
  name,
  type: fieldType,
  isMultiple: z.boolean().default(false),
  isRequired: z.boolean().default(false),
  requiredStageIds: z.array(id).max(200).default([]),
  /** Makes lists fast to sort and filter by it. The index is built in the background. */
  isIndexed: z.boolean().default(false),
  settings: newFieldSettings.default({}),
});
export const fieldChange = z.strictObject({
  name: name.optional(),
  /** Only here to be refused clearly: the type of a field does not change. */
  type: fieldType.optional(),
  isRequired: z.boolean().optional(),
  requiredStageIds: z.array(id).max(200).optional(),
  isIndexed: z.boolean().optional(),
  settings: newFieldSettings.optional(),
  position: z.int().min(0).max(10_000).optional(),
});
export const fieldQuery = z.object({
  entity: z.enum(['item', 'contact', 'company']).default('item'), itemTypeId: z.coerce.number().int().positive().optional(),
});

export const crmConfig = z.object({
  version: z.int(),
  itemTypes: z.array(itemType),
  pipelines: z.array(pipeline),
  fields: z.array(field),
});

// ——— Items

export const item = z.object({
  id, itemTypeId: id, pipelineId: id, stageId: id, title: z.string(), amount: z.number().nullable(), currency: z.string(),
  ownerId: id.nullable(), creatorId: id.nullable(), contactId: id.nullable(), companyId: id.nullable(), observerIds: z.array(id),
  beginsOn: z.string().nullable(), closesOn: z.string().nullable(), values: z.record(z.string(), z.unknown()), parentId: id.nullable(),
  version: z.int(), createdAt: z.date(), updatedAt: z.date(), movedAt: z.date(),
});

const itemFields = {
  amount: amount.nullable().optional(),
  currency: currency.optional(),
  ownerId: id.nullable().optional(),
  contactId: id.nullable().optional(),
  companyId: id.nullable().optional(),
  observerIds: z.array(id).max(1000).optional(),
  beginsOn: day.nullable().optional(),
  closesOn: day.nullable().optional(),
  parentId: id.nullable().optional(),
  values: values.optional(),
};
export const newItem = z.strictObject({
  itemTypeId: id,
  /** Absent: the default pipeline. */
  pipelineId: id.optional(),
  /** Absent: the first stage. */
  stageId: id.optional(),
  /** Absent: the name of the type and the number. */
  title: text(255).optional(),
  ...itemFields,
});
export const itemChange = z.strictObject({
  title: name.optional(),
  stageId: id.optional(),
  ...itemFields,
  /** What the sender saw last. Another one in the database: 409, nothing written. */
  version: z.int().positive().optional(),
});
/** What the reader may do with one item, beyond seeing it. */
export const itemRights = z.object({ change: z.boolean(), move: z.boolean(), delete: z.boolean() });

const idList = z.string().regex(/^\d{1,15}(,\d{1,15}){0,199}$/).optional();
/** Ids with commas between them, up to 200 of a kind. */
export const namesQuery = z.object({ items: idList, contacts: idList, companies: idList });
/** What is gone or may not be seen is left out. */
export const names = z.object({
  items: z.array(z.object({ id, name: z.string(), itemTypeId: id, stageId: id })),
  contacts: z.array(z.object({ id, name: z.string() })),
  companies: z.array(z.object({ id, name: z.string() })),
});
export const itemIds = z.strictObject({ itemIds: z.array(id).min(1).max(10_000) });

export const filterOperators = ['eq', 'ne', 'gt', 'gte', 'lt', 'lte', 'between', 'in', 'notIn', 'contains', 'filled', 'empty'] as const;
export const itemFilter = z.strictObject({
  /** A system field or the code of an own one. */
  field: z.string().min(1).max(50),
  op: z.enum(filterOperators),
  /** None for filled/empty, two for between, a list for in/notIn, else one. */
  value: z.unknown().optional(),
});
export type ItemFilter = z.infer<typeof itemFilter>;
export const itemFilters = z.array(itemFilter).max(50);
const filters = itemFilters;
const sortDirection = z.enum(['asc', 'desc']);

/** A JSON text in a query string. */
const jsonFilters = z.string().max(100_000).optional();
export const itemListQuery = z.object({
  itemTypeId: idInPath,
  pipelineId: idInPath.optional(),
  stageId: idInPath.optional(),
  search: text(255).optional(),
  /** JSON: `[{ "field": "amount", "op": "gt", "value": 1000 }]`. */
  filters: jsonFilters,
  sort: z.string().max(50).default('createdAt'),
  direction: sortDirection.default('desc'),
  cursor,
  limit,
});
export const itemSearch = z.strictObject({
  itemTypeId: id,
  pipelineId: id.optional(),
  stageId: id.optional(),
  search: text(255).optional(),
  filters: filters.default([]),
  sort: z.string().max(50).default('createdAt'),
  direction: sortDirection.default('desc'),
  cursor,
  limit: z.int().min(1).max(200).default(50),
});
export type ItemSearch = z.infer<typeof itemSearch>;
export const itemPage = z.object({ items: z.array(item), nextCursor: z.string().nullable() });

export const bulkMove = z.strictObject({
  stageId: id,
  itemIds: z.array(id).min(1).max(10_000).optional(),
  /** Instead of ids: everything the list shows (at most 10,000 items at once). */
  filter: z.strictObject({ itemTypeId: id, pipelineId: id.optional(), stageId: id.optional(), search: text(255).optional(), filters: filters.default([]) }).optional(),
}).refine((body) => (body.itemIds === undefined) !== (body.filter === undefined), { message: 'http.problem.ids_or_filter' });
export const bulkMoved = z.object({
  moved: z.int(),
  /** What stayed where it was, and why. The others have moved. */
  refused: z.array(z.object({ itemId: id, code: z.string(), message: z.string() })),
});

export const summaryQuery = z.object({ search: text(255).optional(), filters: jsonFilters });
export const pipelineSummary = z.object({
  stages: z.array(z.object({
    stageId: id,
    count: z.int(),
    /** One sum per currency, because unlike money is not added up. */
    sums: z.array(z.object({ currency: z.string(), amount: z.number() })),
  })),
});

export const savedView = z.object({ id, itemTypeId: id, name: z.string(), isShared: z.boolean(), query: z.record(z.string(), z.unknown()), position: z.int() });
export const newSavedView = z.strictObject({ itemTypeId: id, name, isShared: z.boolean().default(false), query: z.record(z.string(), z.unknown()) });
export const savedViewQuery = z.object({ itemTypeId: idInPath });

// ——— Timeline

export const comment = z.object({
  id, itemId: id, authorId: id.nullable(), body: z.string(), fileIds: z.array(id), mentionIds: z.array(id),
  pinnedAt: z.date().nullable(), createdAt: z.date(), editedAt: z.date().nullable(), runId: id.nullable(),
});
export const newComment = z.strictObject({ body: text(100_000), fileIds: z.array(id).max(100).default([]) });
export const commentChange = z.strictObject({ body: text(100_000).optional(), fileIds: z.array(id).max(100).optional(), isPinned: z.boolean().optional() });

export const timelineEntry = z.object({
  /** 'comment' | 'arrival' | what other modules add ('run'). */
  kind: z.string(), id, at: z.date(), employeeId: id.nullable(), data: z.record(z.string(), z.unknown()),
});
export const timelineQuery = pageQuery.extend({
  /** Only these: kinds with commas between them. */
  kinds: z.string().regex(/^[a-z]{1,20}(,[a-z]{1,20}){0,9}$/).optional(),
});
export const timelinePage = z.object({ items: z.array(timelineEntry), nextCursor: z.string().nullable() });
export const pinnedComments = z.object({ items: z.array(comment) });

export const historyEntry = z.object({
  kind: z.enum(['change', 'arrival']), id, at: z.date(), employeeId: id.nullable(), cause: z.string(), runId: id.nullable(),
  /** { field: [before, after] }. */
  changes: z.record(z.string(), z.unknown()),
});
export const historyPage = z.object({ items: z.array(historyEntry), nextCursor: z.string().nullable() });

// ——— Clients

const phones = z.array(text(50).trim().min(1)).max(50);
const emails = z.array(text(320).trim().regex(/^[^\s@<>"]+@[^\s@<>"]+$/)).max(50);
const clientOutput = {
  id, phones: z.array(z.string()), emails: z.array(z.string()), address: z.string(), ownerId: id.nullable(), values: z.record(z.string(), z.unknown()),
  version: z.int(), createdAt: z.date(), updatedAt: z.date(),
};
export const contact = z.object({
  ...clientOutput, firstName: z.string(), lastName: z.string(), secondName: z.string(), position: z.string(), companyId: id.nullable(),
});
export const company = z.object({ ...clientOutput, title: z.string() });
const clientInput = {
  phones: phones.optional(), emails: emails.optional(), address: text(4000).optional(), ownerId: id.nullable().optional(), values: values.optional(),
};
const contactInput = {
  firstName: text(255).optional(), lastName: text(255).optional(), secondName: text(255).optional(), position: text(255).optional(),
  companyId: id.nullable().optional(), ...clientInput,
};
export const newContact = z.strictObject(contactInput);
export const contactChange = z.strictObject({ ...contactInput, version: z.int().positive().optional() });
export const newCompany = z.strictObject({ title: name, ...clientInput });
export const companyChange = z.strictObject({ title: name.optional(), ...clientInput, version: z.int().positive().optional() });
export const clientQuery = z.object({ search: text(255).optional(), companyId: idInPath.optional(), ownerId: idInPath.optional(), cursor, limit });
export const contactPage = z.object({ items: z.array(contact), nextCursor: z.string().nullable() });
export const companyPage = z.object({ items: z.array(company), nextCursor: z.string().nullable() });

// ——— Invoices

export const invoiceLine = z.object({ name: z.string(), quantity: z.number(), price: z.number(), unit: z.string().optional(), amount: z.number().optional() });
const newInvoiceLine = z.strictObject({
  name, quantity: z.number().positive().max(1e9).default(1), price: amount, unit: text(20).optional(),
});
export const invoice = z.object({
  itemId: id, number: z.string(), issuedOn: z.string(), dueOn: z.string().nullable(), lines: z.array(invoiceLine), paidAt: z.date().nullable(),
  /** Path of the public page. */
  publicPath: z.string(), dealId: id.nullable(), amount: z.number().nullable(), currency: z.string(),
});
export const newInvoice = z.strictObject({
  /** Absent lines: one line with the title and the amount of the deal. */
  lines: z.array(newInvoiceLine).min(1).max(500).optional(),
  dueOn: day.nullable().optional(),
});
export const invoiceChange = z.strictObject({ lines: z.array(newInvoiceLine).min(1).max(500).optional(), dueOn: day.nullable().optional() });
export const invoiceList = z.object({ items: z.array(invoice) });
