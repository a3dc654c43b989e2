/**
 * CRM: item types, pipelines, stages, fields, items, clients, timeline, invoices.
 *
 * Owns what an item is and every way to change it. A stage change writes the item, its arrival and
 * the arrival's place in the queue in one transaction; whoever listens (robots) is called inside it.
 * Does not know robots, messages or HTTP.
 */
import type { Db } from '../db/db.ts';
import type { Drive } from '../drive/drive.ts';
import type { Jobs } from '../jobs/jobs.ts';
import type { Live } from '../live/live.ts';
import type { People } from '../people/people.ts';
import { createAccess } from './access.ts';
import { createBulk } from './bulk.ts';
import { createCards } from './cards.ts';
import { createClients } from './clients.ts';
import { createConfig } from './config.ts';
import { createExports } from './exports.ts';
import { createImports } from './imports.ts';
import { createInvoices } from './invoices.ts';
import { createItems } from './items.ts';
import { createList } from './list.ts';
import { createModelCache } from './model.ts';
import { createScan } from './scan.ts';
import { createTimeline } from './timeline.ts';
import { registerUses } from './uses.ts';
import { createTotalsLoop } from './totals.ts';

export type { CrmModel, Field, FieldSettings, FieldType, ItemType, Pipeline, Stage } from './model.ts';
export type { Cause, ChangeOutcome, FieldChanges, ItemChange, ItemPlan, ItemRow, ItemsWritten, NewItem, Origin, WithConfig } from './items.ts';
export { arrivalsLoop, configColumn, itemColumns, itemOf, lockItems, missingFields, planChange, planCreation, verifyReferences } from './items.ts';
export { type FieldShape, fieldShape, isEmpty, normaliseValue, shapeOf, systemFields } from './values.ts';

export type { Forecaster } from './bulk.ts';
export { originOf } from './cards.ts';
export { type Company, type ClientWritten, type Contact, contactName } from './clients.ts';
export { type Invoice, type InvoiceLine, type InvoiceToInsert, invoiceTotal, type PaidInvoice, planInvoice, publicPath, reserveInvoices, type ReservedInvoice } from './invoices.ts';
export type { Scan, ScanCondition, ScanFilter } from './scan.ts';
export { type Comment, type CommentToInsert, type CommentWritten, type Mentions, mentionedIds, type TimelineEntry, type TimelineSource } from './timeline.ts';

export interface CrmDeps {
  db: Db;
  live: Live;
  people: People;
  drive: Drive;
  jobs: Jobs;
  now: () => Date;
}

export type Crm = ReturnType<typeof createCrm>;

export function createCrm({ db, live, people, drive, jobs, now }: CrmDeps) {
  const model = createModelCache();
  const items = createItems({ db, live, people, jobs, model, now });
  const access = createAccess({ people, items, model });
  const config = createConfig({ db, live, people, items, now });
  const list = createList({ people, model });
  const scan = createScan({ people, model });
  const timeline = createTimeline({ live, people, drive, access, now });
  const clients = createClients({ live, people, model, now });
  const invoices = createInvoices({ people, items, access, model, now });
  const cards = createCards({ db, people, drive, items, list, invoices, access, model });
  const bulk = createBulk({ db, live, people, jobs, items, cards, list, now });
  const imports = createImports({ db, live, people, jobs, items, clients, invoices, bulk, model, now });
  const exports = createExports({ people, list, clients, model });

  for (const loop of [createTotalsLoop(db), bulk.bulkActionsLoop, imports.importsLoop]) jobs.add(loop);

  registerUses({ people, items, clients });
  live.registerTopic('item', (watcher, id) => access.mayViewItem(db, watcher, id));
  live.registerTopic('pipeline', (watcher, id) => access.mayViewPipeline(db, watcher, id));
  drive.registerTarget('item', (actor, id) => access.mayViewItem(db, actor, id));
  drive.registerTarget('comment', (actor, id) => timeline.mayViewComment(db, actor, id));
  drive.registerTarget('contact', (actor) => access.mayViewClients(db, actor));
  drive.registerTarget('company', (actor) => access.mayViewClients(db, actor));

  return { model, ...items, ...access, ...config, ...list, ...scan, ...timeline, ...clients, ...invoices, ...cards, ...bulk, ...imports, ...exports };
}
