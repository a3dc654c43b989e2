/**
 * What robots did, for people who ask: the journal with its filters, counts per day, the robots of one
 * item by arrival, a file for a spreadsheet. Reads only; counting days that are over is a loop of its own.
 *
 * Whoever edits the robots of a pipeline may not see every item in it, and a run tells values of its item:
 * rows are those of items that the reader may see.
 */
import type { z } from 'zod';
import type { itemRobots, itemRobotsQuery, runDays, runDaysQuery, runExportQuery, runQuery } from '../../shared/api/robot-journal.ts';
import { UserError } from '../../shared/errors.ts';
import { type Language, text } from '../../shared/messages.ts';
import type { Crm, Pipeline } from '../crm/crm.ts';
import type { Db, Queryable } from '../db/db.ts';
import type { Jobs, Round } from '../jobs/jobs.ts';
import type { Actor, People } from '../people/people.ts';
import type { RunView } from './robots.ts';
import * as store from './store.ts';
import { dayOf } from './values.ts';

interface JournalDeps {
  db: Db;
  jobs: Jobs;
  people: People;
  crm: Crm;
  now: () => Date;
  explainRuns(q: Queryable, actor: Actor, rows: readonly store.JournalRow[]): Promise<RunView[]>;
  pipelineFor(q: Queryable, actor: Actor, pipelineId: number, wish: 'view' | 'edit'): Promise<{ pipeline: Pipeline }>;
}

type Filters = z.output<typeof runExportQuery>;

/** Days counted in one statement. */
const daysAtOnce = 31;
/** Rows of one file; a spreadsheet takes a million. */
const maxExported = 200_000;
const exportPage = 1000;

export function createJournal({ db, jobs, people, crm, now, explainRuns, pipelineFor }: JournalDeps) {
  async function scopeOf(actor: Actor, { itemId, pipelineId, itemTypeId }: Pick<Filters, 'itemId' | 'pipelineId' | 'itemTypeId'>): Promise<Pick<store.JournalFilter, 'pipelineIds' | 'ownerIds'>> {
    if (itemId !== undefined) {
      await crm.visibleItem(db, actor, itemId);
      return {};
    }
    if (pipelineId !== undefined) {
      const { pipeline } = await pipelineFor(db, actor, pipelineId, 'edit');
      const visible = (await people.access(db, actor)).visibleOwnerIds(pipeline.itemTypeId, pipelineId);
      return { pipelineIds: [pipelineId], ownerIds: visible === 'all' ? undefined : visible };
    }
    // The whole journal names items of everybody.
    if (!actor.isAdmin) throw new UserError('access.denied', { action: 'robots' });
    if (itemTypeId === undefined) return {};
    return { pipelineIds: (await crm.model(db)).pipelinesOf(itemTypeId).map((pipeline) => pipeline.id) };
  }

  function filterOf(filters: Filters, scope: Awaited<ReturnType<typeof scopeOf>>): Omit<store.JournalFilter, 'limit'> {
    const { itemId, robotId, stageId, state, ownerId, from, to } = filters;
    return {
      itemId, robotId, stageId, state, ownerId, text: filters.text, ...scope,
      from: from === undefined ? undefined : new Date(from), to: to === undefined ? undefined : new Date(to),
    };
  }

  function cursorOf(cursor: string | undefined): number | undefined {
    const beforeId = cursor === undefined ? undefined : Number(cursor);
    if (beforeId !== undefined && !Number.isSafeInteger(beforeId)) throw new UserError('request.invalid', { field: 'cursor', problem: 'unknown' }, 'cursor');
    return beforeId;
  }

  async function countDaysRound(): Promise<Round> {
    const { timeZone } = (await people.directory(db)).company;
    const from = await store.firstUncountedDay(db, timeZone);
    // An hour after midnight all transactions of the day have long ended.
    const yesterday = dayOf(now().getTime() - 25 * 3_600_000, timeZone);
    if (from === null || from > yesterday) return { worked: 0, hasMore: false };
    const last = new Date(Date.parse(from) + (daysAtOnce - 1) * 86_400_000).toISOString().slice(0, 10);
    const to = last < yesterday ? last : yesterday;
    await db.transaction((tx) => store.countDays(tx, { from, to }, timeZone));
    return { worked: 1, hasMore: to < yesterday };
  }

  async function listRuns(actor: Actor, { cursor, limit, ...filters }: z.output<typeof runQuery>): Promise<{ items: RunView[]; nextCursor: string | null }> {
    const beforeId = cursorOf(cursor);
    const rows = await store.listRuns(db, { ...filterOf(filters, await scopeOf(actor, filters)), beforeId, limit: limit + 1 });
    const page = rows.slice(0, limit);
    return { items: await explainRuns(db, actor, page), nextCursor: rows.length > limit ? String(page.at(-1)?.id) : null };
  }

  async function* linesOf(actor: Actor, filters: Filters, scope: Awaited<ReturnType<typeof scopeOf>>): AsyncGenerator<string> {
    const { language } = actor;
    const head = ['id', 'state', 'robot', 'item', 'title', 'stage', 'why', 'created', 'due', 'finished'].map((name) => text(language, `robots.journal.csv.${name}`));
    // The mark tells spreadsheets that this is UTF-8.
    yield `\u{feff}${csvLine(head, language)}`;
    let beforeId: number | undefined;
    for (let exported = 0; exported < maxExported; ) {
      const rows = await store.listRuns(db, { ...filterOf(filters, scope), beforeId, limit: exportPage });
      const runs = await explainRuns(db, actor, rows);
      yield runs.map((run) => csvLine([
        run.id, text(language, `robots.states.${run.state}`), run.robotTitle, run.itemId, run.itemTitle, run.stageName,
        [run.explanation, ...run.notes].join(' '), run.createdAt, run.dueAt ?? '', run.finishedAt ?? '',
      ], language)).join('');
      exported += rows.length;
      beforeId = rows.at(-1)?.id;
      if (rows.length < exportPage) return;
    }
  }

  return {
    start(): void {
      jobs.add({ name: 'run-days', lanes: 1, pollMs: 15 * 60_000, work: countDaysRound });
    },

    listRuns,

    /** The journal as a CSV file, line by line. Refuses before the first line. */
    async exportRuns(actor: Actor, filters: Filters): Promise<AsyncGenerator<string>> {
      return linesOf(actor, filters, await scopeOf(actor, filters));
    },

    async runDays(actor: Actor, { pipelineId, robotId, from, to }: z.output<typeof runDaysQuery>): Promise<z.output<typeof runDays>> {
      const { pipelineIds } = await scopeOf(actor, { pipelineId });
      const { timeZone } = (await people.directory(db)).company;
      const [first, last] = [Date.parse(from), Date.parse(to)];
      if (last < first || last - first > 366 * 86_400_000) throw new UserError('request.invalid', { field: 'to', problem: 'invalid' }, 'to');
      const rows = await store.daysOfRuns(db, { from, to, pipelineIds, robotId }, timeZone);
      const days = new Map<string, { done: number; skipped: number; failed: number; cancelled: number }>();
      for (let at = first; at <= last; at += 86_400_000) days.set(new Date(at).toISOString().slice(0, 10), { done: 0, skipped: 0, failed: 0, cancelled: 0 });
      for (const { day, state, count } of rows) {
        const counts = days.get(day);
        if (counts && state !== 'waiting') counts[state] += count;
      }
      return { days: [...days].map(([day, counts]) => ({ day, ...counts })) };
    },

    /** Every arrival of the item with every robot of its stage, newest first. */
    async robotsOfItem(actor: Actor, itemId: number, { cursor, limit }: z.output<typeof itemRobotsQuery>): Promise<z.output<typeof itemRobots>> {
      const [item, model, rights] = await Promise.all([crm.visibleItem(db, actor, itemId), crm.model(db), people.access(db, actor)]);
      const arrivals = await store.arrivalsOfItem(db, itemId, cursorOf(cursor), limit + 1);
      const page = arrivals.slice(0, limit);
      const rows = page.length === 0 ? [] : await store.listRuns(db, { arrivalIds: page.map((arrival) => arrival.id), limit: 10_000 });
      const runs = Map.groupBy(await explainRuns(db, actor, rows.toReversed()), (run) => run.arrivalId);
      return {
        arrivals: page.map((arrival) => ({
          id: arrival.id, at: arrival.createdAt.toISOString(), stageId: arrival.stageId, stageName: model.stage(arrival.stageId)?.name ?? '',
          fromStageId: arrival.fromStageId, fromStageName: arrival.fromStageId === null ? null : model.stage(arrival.fromStageId)?.name ?? null,
          employeeId: arrival.employeeId, cause: arrival.cause, runs: runs.get(arrival.id) ?? [],
        })),
        nextCursor: arrivals.length > limit ? String(page.at(-1)?.id) : null,
        mayAct: rights.mayTouch('change', item),
      };
    },
  };
}

/** A line for spreadsheets: what would be a formula there is a text. */
function csvLine(cells: readonly (string | number)[], language: Language): string {
  const written = cells.map((cell) => {
    const said = typeof cell === 'string' && /^[=+\-@\t\r]/.test(cell) ? `'${cell}` : String(cell);
    return `"${said.replaceAll('"', '""')}"`;
  });
  return `${written.join(language === 'ru' ? ';' : ',')}\r\n`;
}
