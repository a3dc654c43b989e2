/** Work on many items over HTTP: bulk actions, imports, exports, and the search over everything in the CRM. */
import { z } from 'zod';
import { itemFilters } from './crm.ts';

const id = z.int().positive();
const idInPath = z.coerce.number().int().positive().max(Number.MAX_SAFE_INTEGER);

// ——— Which items

const selection = z.strictObject({
  itemTypeId: id, pipelineId: id.optional(), stageId: id.optional(), search: z.string().max(255).optional(), filters: itemFilters.default([]),
});
const which = {
  itemIds: z.array(id).min(1).max(10_000).optional(),
  /** Instead of ids: everything the list shows. */
  filter: selection.optional(),
};
const oneOfThem = (body: { itemIds?: unknown; filter?: unknown }) => (body.itemIds === undefined) !== (body.filter === undefined);

export const bulkWork = z.discriminatedUnion('kind', [
  z.strictObject({ kind: z.literal('move'), stageId: id }),
  /** Fields by code, system or own; null empties one. */
  z.strictObject({ kind: z.literal('change'), fields: z.record(z.string().max(50), z.unknown()).refine((fields) => Object.keys(fields).length <= 50, 'http.problem.too_many_values') }),
  z.strictObject({ kind: z.literal('delete') }),
]);
export type BulkWork = z.infer<typeof bulkWork>;

export const newBulkAction = z.strictObject({
  action: bulkWork,
  ...which,
  /** The robots of the stage are not asked. */
  isSilent: z.boolean().default(false),
}).refine(oneOfThem, { message: 'http.problem.ids_or_filter' });

export const bulkForecastRequest = z.strictObject({ stageId: id, ...which }).refine(oneOfThem, { message: 'http.problem.ids_or_filter' });

/** What the robots would do: how many people would be told how many times. */
export const forecast = z.object({
  /** Items that would arrive. */
  items: z.int(),
  /** Robots that would act, now or later. */
  robots: z.int(),
  /** Notifications, letters, messages … in all; reckoned from a sample where there are many items. */
  messages: z.int(),
  /** Different people among them, of the sample. */
  people: z.int(),
  isExact: z.boolean(),
});
export type Forecast = z.infer<typeof forecast>;

export const bulkAction = z.object({
  id, action: bulkWork, state: z.enum(['running', 'done', 'cancelled', 'failed']),
  total: z.int(), done: z.int(), unchanged: z.int(), refused: z.int(),
  /** The first hundred that stayed as they were, and why. */
  refusals: z.array(z.object({ itemId: id, code: z.string(), message: z.string() })),
  createdAt: z.date(), finishedAt: z.date().nullable(),
});
export type BulkAction = z.output<typeof bulkAction>;
export const bulkActionList = z.object({ items: z.array(bulkAction) });

export const countItems = selection;
/** `isMore`: there are more than were counted. */
export const itemCount = z.object({ count: z.int(), isMore: z.boolean() });

// ——— Import

export const csvEncoding = z.enum(['utf-8', 'windows-1251', 'utf-16le']);
export const csvDelimiter = z.enum([';', ',', '\t', '|']);

export const uploadImportQuery = z.object({ name: z.string().trim().min(1).max(255), itemTypeId: idInPath, pipelineId: idInPath.optional() });

export const importChange = z.strictObject({
  encoding: csvEncoding.optional(),
  delimiter: csvDelimiter.optional(),
  hasHeader: z.boolean().optional(),
  pipelineId: id.optional(),
  /** Where items go whose row names no stage; null: the first one. */
  stageId: id.nullable().optional(),
  /** By column: what it becomes; null: nothing. */
  mapping: z.array(z.string().max(50).nullable()).max(500).optional(),
});

export const importView = z.object({
  id, itemTypeId: id, pipelineId: id, stageId: id.nullable(), fileName: z.string(),
  state: z.enum(['draft', 'checking', 'checked', 'running', 'done', 'cancelled', 'failed']),
  encoding: csvEncoding, delimiter: csvDelimiter, hasHeader: z.boolean(),
  columns: z.array(z.object({ name: z.string(), target: z.string().nullable(), samples: z.array(z.string()) })),
  targets: z.array(z.object({ target: z.string(), name: z.string(), type: z.string() })),
  /** Rows, without the heading; 0 until they were counted. */
  total: z.int(),
  checked: z.int(), invalid: z.int(), created: z.int(), failed: z.int(), isSilent: z.boolean(),
  /** The first hundred rows that cannot be imported, and why. */
  problems: z.array(z.object({ rowNumber: z.int(), message: z.string() })),
  createdAt: z.date(), finishedAt: z.date().nullable(),
});
export type ImportView = z.output<typeof importView>;
export const importList = z.object({
  items: z.array(importView.pick({ id: true, itemTypeId: true, fileName: true, state: true, total: true, created: true, createdAt: true, finishedAt: true })),
});
export const importStart = z.strictObject({
  /** Robots act on the new items as on any other, or are not asked. */
  isSilent: z.boolean(),
});

// ——— Export

export const exportQuery = z.object({
  itemTypeId: idInPath,
  pipelineId: idInPath.optional(),
  stageId: idInPath.optional(),
  search: z.string().max(255).optional(),
  /** JSON, as for GET /api/items. */
  filters: z.string().max(100_000).optional(),
  sort: z.string().max(50).default('createdAt'),
  direction: z.enum(['asc', 'desc']).default('desc'),
  /** Codes with commas between them; absent: all fields. */
  columns: z.string().max(10_000).optional(),
});

// ——— Search

export const crmSearchQuery = z.object({ search: z.string().trim().min(1).max(255), limit: z.coerce.number().int().min(1).max(50).default(8) });
export const crmSearchResult = z.object({
  items: z.array(z.object({
    id, itemTypeId: id, pipelineId: id, stageId: id, title: z.string(), amount: z.number().nullable(), currency: z.string(), ownerId: id.nullable(),
  })),
  contacts: z.array(z.object({ id, name: z.string(), phone: z.string().nullable(), email: z.string().nullable() })),
  companies: z.array(z.object({ id, title: z.string(), phone: z.string().nullable(), email: z.string().nullable() })),
});
