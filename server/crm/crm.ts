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
import { createItems } from './items.ts';
import { createModelCache } from './model.ts';

export type { CrmModel, Field, FieldSettings, FieldType, ItemType, Pipeline, Stage } from './model.ts';
export type { Arrival, Cause, ChangeOutcome, FieldChanges, ItemChange, ItemPlan, ItemRow, ItemsWritten, NewItem, Origin } from './items.ts';
export { arrivalsLoop, itemColumns, lockItems, missingFields, planChange, planCreation, verifyReferences } from './items.ts';
export { type FieldShape, fieldShape, isEmpty, normaliseValue, shapeOf, systemFields } from './values.ts';

export interface CrmDeps {
  db: Db;
  live: Live;
  people: People;
  drive: Drive;
  jobs: Jobs;
  now: () => Date;
}

export type Crm = ReturnType<typeof createCrm>;

export function createCrm({ live, people, jobs, now }: CrmDeps) {
  const model = createModelCache();
  const items = createItems({ live, people, jobs, model, now });
  return { model, ...items };
}
