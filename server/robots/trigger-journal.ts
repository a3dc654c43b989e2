/** What triggers did and why, for people: sentences in the reader's language from the rows of their runs. */
import type { z } from 'zod';
import type { triggerRunQuery, triggerRunView } from '../../shared/api/triggers.ts';
import { UserError } from '../../shared/errors.ts';
import { hasText, type Language, text } from '../../shared/messages.ts';
import type { Crm, CrmModel, ItemRow, Pipeline } from '../crm/crm.ts';
import type { Db, Queryable } from '../db/db.ts';
import type { Actor, People } from '../people/people.ts';
import { asTrace, explain } from './conditions.ts';
import { readerOf } from './context.ts';
import { catalogField, type FieldCatalog, fieldCatalog } from './fields.ts';
import { bareSurroundings, namesOf } from './source.ts';
import { kindTitle } from './trigger-config.ts';
import * as store from './trigger-store.ts';
import { isEmptyValue, type Names, print, type Reader } from './values.ts';

export type TriggerRunView = z.output<typeof triggerRunView>;

export interface TriggerJournalDeps {
  db: Db;
  people: People;
  crm: Crm;
  publicUrl: string;
  visibleItem(q: Queryable, actor: Actor, itemId: number): Promise<ItemRow>;
  pipelineFor(q: Queryable, actor: Actor, pipelineId: number, wish: 'edit'): Promise<{ pipeline: Pipeline }>;
}

export function createTriggerJournal({ db, people, crm, publicUrl, visibleItem, pipelineFor }: TriggerJournalDeps) {
  async function view(q: Queryable, actor: Actor, rows: readonly store.TriggerJournalRow[]): Promise<TriggerRunView[]> {
    const [model, directory] = await Promise.all([crm.model(q), people.directory(q)]);
    const reader = readerOf(directory, actor.employeeId);
    const names = namesOf(bareSurroundings({ model, directory, publicUrl }));
    const titles = new Map(rows.map((row) => [row.triggerId, titleOf(row, actor.language)]));
    return rows.map((row) => {
      const catalog = fieldCatalog(model, model.pipeline(row.pipelineId)?.itemTypeId ?? 0, actor.language);
      return {
        id: row.id, triggerId: row.triggerId, triggerTitle: titleOf(row, actor.language), kind: row.kind, itemId: row.itemId,
        fromStageId: row.fromStageId, fromStageName: model.stage(row.fromStageId)?.name ?? '', stageId: row.stageId, stageName: model.stage(row.stageId)?.name ?? '',
        versionNumber: row.versionNumber, state: row.state, reason: row.reason,
        happened: happened(row, catalog, reader, names), explanation: why(row, { model, catalog, reader, names, titles }), createdAt: row.createdAt.toISOString(),
      };
    });
  }

  return {
    async listTriggerRuns(actor: Actor, { itemId, triggerId, pipelineId, state, cursor, limit }: z.output<typeof triggerRunQuery>) {
      let ownerIds: readonly number[] | undefined;
      if (itemId !== undefined) await visibleItem(db, actor, itemId);
      else if (pipelineId !== undefined) {
        const { pipeline } = await pipelineFor(db, actor, pipelineId, 'edit');
        const visible = (await people.access(db, actor)).visibleOwnerIds(pipeline.itemTypeId, pipelineId);
        ownerIds = visible === 'all' ? undefined : visible;
      } else if (!actor.isAdmin) throw new UserError('access.denied', { action: 'robots' });
      const beforeId = cursor === undefined ? undefined : Number(cursor);
      if (beforeId !== undefined && !Number.isSafeInteger(beforeId)) throw new UserError('request.invalid', { field: 'cursor', problem: 'unknown' }, 'cursor');
      const rows = await store.listTriggerRuns(db, { itemId, triggerId, pipelineId, state, beforeId, ownerIds, limit: limit + 1 });
      const page = rows.slice(0, limit);
      return { items: await view(db, actor, page), nextCursor: rows.length > limit ? String(page.at(-1)?.id) : null };
    },
  };
}

function titleOf(row: store.TriggerJournalRow, language: Language): string {
  return row.title || kindTitle(row.kind, language);
}

/** «Сумма: 5 ₽ → 10 ₽» */
function happened({ kind, data }: store.TriggerJournalRow, catalog: FieldCatalog, reader: Reader, names: Names): string {
  const { language } = reader;
  if (data.changes) {
    return Object.entries(data.changes).map(([code, [before, after]]) => {
      const field = catalog.document(code);
      const say = (value: unknown) => {
        if (isEmptyValue(value) && field?.kind !== 'boolean') return text(language, 'triggers.happened.empty');
        return field ? print(value, field, reader, { document: () => undefined, names }) : text(language, 'triggers.happened.empty');
      };
      return text(language, 'triggers.happened.changed', { field: field?.name ?? code, before: say(before), after: say(after) });
    }).join('; ');
  }
  return text(language, `triggers.happened.${kind}`, { code: data.code ?? '', number: data.invoice ?? '' });
}

function why(
  row: store.TriggerJournalRow,
  { model, catalog, reader, names, titles }: { model: CrmModel; catalog: FieldCatalog; reader: Reader; names: Names; titles: ReadonlyMap<number, string> },
): string {
  const { language } = reader;
  const trace = row.trace ?? {};
  const condition = trace.condition === undefined ? '' : explain(asTrace(trace.condition), reader, names, (reference) => catalogField(catalog, reference));
  const stage = model.stage(row.stageId)?.name ?? '';
  const from = model.stage(row.fromStageId)?.name ?? '';
  const winner = trace.params?.triggerId;
  const params = {
    stage, from, condition, error: String(trace.params?.error ?? ''), side: String(trace.params?.side ?? ''),
    trigger: (typeof winner === 'number' ? titles.get(winner) : undefined) ?? '',
  };
  if (row.reason === null) return text(language, condition === '' ? 'triggers.reasons.done' : 'triggers.reasons.done_because', params);
  const key = `triggers.reasons.${row.reason}`;
  return hasText(key) ? text(language, key, params) : text(language, `robots.reasons.${row.reason}`, params);
}
