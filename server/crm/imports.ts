/**
 * Imports of items from CSV, in the background and in batches.
 *
 *   draft → checking → checked → running → done        (a change of the settings leads back to draft)
 *                                      → cancelled | failed
 *
 * An upload becomes a draft with a guess at encoding, delimiter and the meaning of its columns. Checking reads
 * every row as it would be written and writes nothing; rows with a problem are told and left out. Running writes
 * the others: a batch makes clients and items and marks its rows in one transaction, so that a crash neither
 * doubles nor loses one. What robots would do is told before (forecast); they run, or the arrivals are silent.
 *
 * Only its employee sees an import, and its rows are written with his rights at that moment.
 */
import type { Forecast, ImportView } from '../../shared/api/crm-work.ts';
import { type ErrorCode, type ErrorParams, UserError } from '../../shared/errors.ts';
import { errorMessage, text } from '../../shared/messages.ts';
import { type Db, json, type Queryable, sql, type Tx } from '../db/db.ts';
import type { Jobs, Loop } from '../jobs/jobs.ts';
import type { Live } from '../live/live.ts';
import type { Actor, People } from '../people/people.ts';
import { hasAny } from './access.ts';
import { actorInBackground, type Bulk, forecastSample } from './bulk.ts';
import type { ClientMention, Clients } from './clients.ts';
import { type CsvDelimiter, type CsvEncoding, csvLine, type CsvRecord, csvStart, detectShape, readCsv } from './csv.ts';
import { type CellReader, type ClientTarget, guessMapping, importTargets, isClientTarget, peopleByName, readCell, readClients } from './import-cells.ts';
import type { Invoices } from './invoices.ts';
import type { Items, NewItem } from './items.ts';
import type { CrmModel, Pipeline } from './model.ts';

interface ImportSettings {
  encoding: CsvEncoding;
  delimiter: CsvDelimiter;
  hasHeader: boolean;
  mapping: (string | null)[];
}

interface ImportRow {
  id: number;
  employeeId: number;
  itemTypeId: number;
  pipelineId: number;
  stageId: number | null;
  fileName: string;
  settings: ImportSettings;
  state: ImportView['state'];
  total: number;
  checked: number;
  invalid: number;
  created: number;
  failed: number;
  isSilent: boolean;
  attempts: number;
  createdAt: Date;
  finishedAt: Date | null;
}

interface Problem {
  code: ErrorCode;
  params: ErrorParams;
}

const importColumns = sql`
  id, employee_id, item_type_id, pipeline_id, stage_id, file_name, settings, state, total, checked, invalid, created, failed, is_silent, attempts, created_at, finished_at`;

export const importLoop = 'imports';
export const maxImportBytes = 50 * 1024 * 1024;
const maxRows = 200_000;
const maxColumns = 500;
const maxAttempts = 5;
const rowsPerCheck = 1000;
const rowsPerWrite = 200;
const rowsPerInsert = 2000;
const previewRows = 50;
/** Of a file, to look at its first rows. */
const headBytes = 1_000_000;
const problemsShown = 100;
/** How long a draft or the errors of a finished import can be come back to. */
const keptDays = 30;

export interface ImportChange {
  encoding?: CsvEncoding;
  delimiter?: CsvDelimiter;
  hasHeader?: boolean;
  pipelineId?: number;
  stageId?: number | null;
  mapping?: (string | null)[];
}

interface ImportsDeps {
  db: Db;
  live: Live;
  people: People;
  jobs: Jobs;
  items: Items;
  clients: Clients;
  invoices: Invoices;
  bulk: Bulk;
  model: (q: Queryable, version?: number) => Promise<CrmModel>;
  now: () => Date;
}

export function createImports({ db, live, people, jobs, items, clients, invoices, bulk, model: loadModel, now }: ImportsDeps) {
  async function find(q: Queryable, actor: Actor, id: number): Promise<ImportRow> {
    const row = await q.first<ImportRow>(sql`select ${importColumns} from imports where id = ${id} and employee_id = ${actor.employeeId}`);
    if (!row) throw new UserError('request.not_found', { kind: 'import', id });
    return row;
  }

  async function bytesOf(q: Queryable, id: number): Promise<Buffer> {
    const row = await q.first<{ content: Buffer | null }>(sql`select content from imports where id = ${id}`);
    return row?.content ?? Buffer.alloc(0);
  }

  async function firstRecords(bytes: Buffer, settings: Pick<ImportSettings, 'encoding' | 'delimiter'>): Promise<CsvRecord[]> {
    try {
      // The head of the file is enough, and a large one is not decoded whole for it.
      const records: CsvRecord[] = [];
      for await (const record of readCsv(bytes.subarray(0, headBytes), settings, previewRows)) records.push(record);
      return records;
    } catch (error) {
      throw new UserError('import.unreadable', { reason: error instanceof Error ? error.message : String(error) });
    }
  }

  function headingsOf(records: readonly CsvRecord[], hasHeader: boolean): string[] {
    const width = Math.max(0, ...records.map((record) => record.cells.length));
    return Array.from({ length: width }, (_, index) => (hasHeader ? (records[0]?.cells[index] ?? '') : ''));
  }

  function pipelineFor(model: CrmModel, itemTypeId: number, pipelineId: number | undefined): Pipeline {
    const pipelines = model.pipelinesOf(itemTypeId);
    const pipeline = pipelineId === undefined ? (pipelines.find((one) => one.isDefault) ?? pipelines[0]) : pipelines.find((one) => one.id === pipelineId);
    if (!pipeline) throw new UserError('request.not_found', { kind: 'pipeline', id: pipelineId ?? 0 }, 'pipelineId');
    return pipeline;
  }

  async function viewOf(q: Queryable, actor: Actor, row: ImportRow): Promise<ImportView> {
    const [model, problems, kept] = await Promise.all([
      loadModel(q),
      q.rows<{ rowNumber: number; problem: Problem }>(sql`
        select row_number, problem from import_rows where import_id = ${row.id} and problem is not null order by row_number limit ${problemsShown}`),
      row.finishedAt ? undefined : bytesOf(q, row.id),
    ]);
    const records = kept ? await firstRecords(kept, row.settings) : [];
    const headings = headingsOf(records, row.settings.hasHeader);
    const body = row.settings.hasHeader ? records.slice(1) : records;
    const { id, itemTypeId, pipelineId, stageId, fileName, state, total, checked, invalid, created, failed, isSilent, createdAt, finishedAt } = row;
    return {
      id, itemTypeId, pipelineId, stageId, fileName, state, total, checked, invalid, created, failed, isSilent, createdAt, finishedAt,
      encoding: row.settings.encoding, delimiter: row.settings.delimiter, hasHeader: row.settings.hasHeader,
      columns: headings.map((name, index) => ({
        name, target: row.settings.mapping[index] ?? null, samples: body.slice(0, 5).map((record) => (record.cells[index] ?? '').slice(0, 200)),
      })),
      targets: importTargets(model, row.itemTypeId, actor.language),
      problems: problems.map(({ rowNumber, problem }) => ({ rowNumber, message: errorMessage(actor.language, problem.code, problem.params) })),
    };
  }

  const tell = (tx: Tx, row: Pick<ImportRow, 'id' | 'employeeId'>) => live.publish(tx, [{ topic: `employee:${row.employeeId}`, what: 'import', id: row.id }]);

  function assertMapping(mapping: readonly (string | null)[], model: CrmModel, itemTypeId: number): void {
    if (mapping.length > maxColumns) throw new UserError('import.column_too_many', { max: maxColumns }, 'mapping');
    const possible = new Set(importTargets(model, itemTypeId, 'en').map(({ target }) => target));
    const seen = new Set<string>();
    for (const [index, target] of mapping.entries()) {
      if (target === null) continue;
      if (!possible.has(target)) throw new UserError('import.target_unknown', { target }, `mapping.${index}`);
      if (seen.has(target)) throw new UserError('import.mapped_twice', { target }, `mapping.${index}`);
      seen.add(target);
    }
  }

  /** Rows are read anew when they are checked next. */
  async function backToDraft(tx: Tx, id: number): Promise<void> {
    await tx.run(sql`delete from import_rows where import_id = ${id}`);
    await tx.run(sql`update imports set state = 'draft', total = 0, checked = 0, invalid = 0, created = 0, failed = 0, attempts = 0 where id = ${id}`);
  }

  // ——— Rows

  interface Row {
    rowNumber: number;
    cells: string[];
  }
  interface ReadRow {
    rowNumber: number;
    item: NewItem;
    mention: ClientMention;
  }

  async function readerFor(q: Queryable, actor: Actor, row: ImportRow): Promise<CellReader> {
    const [model, directory] = await Promise.all([loadModel(q), people.directory(q)]);
    return {
      model, directory, pipeline: pipelineFor(model, row.itemTypeId, row.pipelineId), people: peopleByName(directory), language: actor.language, timeZone: actor.timeZone,
    };
  }

  function readRow(reader: CellReader, row: ImportRow, headings: readonly string[], { rowNumber, cells }: Row): ReadRow {
    const fields: Record<string, unknown> = {};
    const client = new Map<ClientTarget, { cell: string; column: string }>();
    for (const [index, target] of row.settings.mapping.entries()) {
      if (target === null) continue;
      const cell = cells[index] ?? '';
      const column = headings[index] || String(index + 1);
      if (isClientTarget(target)) client.set(target, { cell, column });
      else fields[target] = readCell(reader, target, cell, column);
    }
    const mention = readClients(client);
    const { stageId, ...rest } = fields;
    for (const [code, value] of Object.entries(rest)) if (value === undefined) delete rest[code];
    // An item without a title of its own is called like its client, else like its type.
    const named = mention.company?.title || [mention.contact?.lastName, mention.contact?.firstName].filter(Boolean).join(' ');
    rest.title ??= named || reader.model.itemType(row.itemTypeId)?.name || '';
    const stage = typeof stageId === 'number' ? stageId : (row.stageId ?? undefined);
    return { rowNumber, mention, item: { itemTypeId: row.itemTypeId, pipelineId: row.pipelineId, stageId: stage, fields: rest } };
  }

  function readRows(reader: CellReader, row: ImportRow, headings: readonly string[], rows: readonly Row[]): { good: ReadRow[]; bad: { rowNumber: number; error: UserError }[] } {
    const good: ReadRow[] = [];
    const bad: { rowNumber: number; error: UserError }[] = [];
    for (const one of rows) {
      try {
        good.push(readRow(reader, row, headings, one));
      } catch (error) {
        if (!(error instanceof UserError)) throw error;
        bad.push({ rowNumber: one.rowNumber, error });
      }
    }
    return { good, bad };
  }

  /** Writes these rows: clients first, then the items; each row by itself. */
  async function writeRows(tx: Tx, actor: Actor, row: ImportRow, headings: readonly string[], rows: readonly Row[]) {
    const { good, bad } = readRows(await readerFor(tx, actor, row), row, headings, rows);
    const origin = { employeeId: actor.employeeId, cause: 'import' as const, isSilent: row.isSilent };
    // Nobody's client is made for a row that will be refused.
    const verdicts = await items.createEach(tx, good.map(({ item }) => item), origin, actor, false);
    const possible: ReadRow[] = [];
    for (const [index, one] of good.entries()) {
      const verdict = verdicts[index];
      if (verdict && 'error' in verdict) bad.push({ rowNumber: one.rowNumber, error: verdict.error });
      else possible.push(one);
    }
    const matched = await clients.matchClients(tx, actor, possible.map(({ mention }) => mention));
    const ready: ReadRow[] = [];
    for (const [index, one] of possible.entries()) {
      const found = matched[index];
      if (found && 'error' in found) bad.push({ rowNumber: one.rowNumber, error: found.error });
      else if (found) {
        const links = Object.fromEntries(Object.entries(found).filter(([, id]) => id !== null));
        ready.push({ ...one, item: { ...one.item, fields: { ...one.item.fields, ...links } } });
      }
    }
    const outcomes = await items.createEach(tx, ready.map(({ item }) => item), origin, actor);
    const made: { rowNumber: number; itemId: number; stageId: number }[] = [];
    for (const [index, outcome] of outcomes.entries()) {
      const { rowNumber } = ready[index] ?? { rowNumber: 0 };
      if ('error' in outcome) bad.push({ rowNumber, error: outcome.error });
      else made.push({ rowNumber, itemId: outcome.item.id, stageId: outcome.item.stageId });
    }
    await invoices.completeInvoices(tx, outcomes.flatMap((outcome) => ('item' in outcome ? [outcome.item] : [])));
    return { made, bad };
  }

  async function markProblems(tx: Tx, importId: number, bad: readonly { rowNumber: number; error: UserError }[]): Promise<void> {
    if (bad.length === 0) return;
    await tx.run(sql`
      update import_rows r set problem = p.problem from unnest(${bad.map((one) => one.rowNumber)}::int[],
        ${bad.map(({ error }) => json({ code: error.code, params: error.params }))}::jsonb[]) as p(row_number, problem)
      where r.import_id = ${importId} and r.row_number = p.row_number`);
  }

  async function headingsFor(q: Queryable, row: ImportRow): Promise<string[]> {
    const bytes = await q.first<{ head: Buffer | null }>(sql`select substring(content from 1 for ${headBytes}::int) as head from imports where id = ${row.id}`);
    return headingsOf(await firstRecords(bytes?.head ?? Buffer.alloc(0), row.settings), row.settings.hasHeader);
  }

  // ——— The loop

  async function fillRows(tx: Tx, row: ImportRow): Promise<number> {
    let total = 0;
    let isHeading = row.settings.hasHeader;
    let piece: CsvRecord[] = [];
    const put = async (): Promise<void> => {
      const taken = piece;
      piece = [];
      if (taken.length === 0) return;
      await tx.run(sql`
        insert into import_rows (import_id, row_number, cells)
        select ${row.id}, r.row_number, r.cells from unnest(${taken.map((one) => one.rowNumber)}::int[], ${taken.map((one) => json(one.cells))}::jsonb[]) as r(row_number, cells)`);
    };
    for await (const record of readCsv(await bytesOf(tx, row.id), row.settings)) {
      if (isHeading) {
        isHeading = false;
        continue;
      }
      if (++total > maxRows) throw new UserError('import.too_many_rows', { max: maxRows });
      piece.push(record);
      if (piece.length >= rowsPerInsert) await put();
    }
    await put();
    return total;
  }

  async function check(tx: Tx, row: ImportRow, actor: Actor): Promise<void> {
    if (row.total === 0) {
      const total = await fillRows(tx, row);
      await tx.run(sql`update imports set total = ${total}, state = ${total === 0 ? 'checked' : 'checking'} where id = ${row.id}`);
      return;
    }
    const rows = await tx.rows<Row>(sql`
      select row_number, cells from import_rows where import_id = ${row.id} order by row_number offset ${row.checked} limit ${rowsPerCheck}`);
    const { good, bad } = readRows(await readerFor(tx, actor, row), row, await headingsFor(tx, row), rows);
    const verdicts = await items.createEach(tx, good.map(({ item }) => item), { employeeId: actor.employeeId, cause: 'import' }, actor, false);
    for (const [index, verdict] of verdicts.entries()) {
      const one = good[index];
      if (one && 'error' in verdict) bad.push({ rowNumber: one.rowNumber, error: verdict.error });
    }
    await markProblems(tx, row.id, bad);
    await tx.run(sql`
      update imports set checked = checked + ${rows.length}, invalid = invalid + ${bad.length}, attempts = 0,
        state = ${row.checked + rows.length >= row.total || rows.length === 0 ? 'checked' : 'checking'} where id = ${row.id}`);
  }

  async function write(tx: Tx, row: ImportRow, actor: Actor): Promise<void> {
    const rows = await tx.rows<Row>(sql`
      select row_number, cells from import_rows where import_id = ${row.id} and problem is null and item_id is null order by row_number limit ${rowsPerWrite}`);
    if (rows.length === 0) {
      await finish(tx, row, 'done');
      return;
    }
    const { made, bad } = await writeRows(tx, actor, row, await headingsFor(tx, row), rows);
    await markProblems(tx, row.id, bad);
    await tx.run(sql`
      update import_rows r set item_id = m.item_id from unnest(${made.map((one) => one.rowNumber)}::int[], ${made.map((one) => one.itemId)}::bigint[]) as m(row_number, item_id)
      where r.import_id = ${row.id} and r.row_number = m.row_number`);
    await tx.run(sql`update imports set created = created + ${made.length}, failed = failed + ${bad.length}, attempts = 0 where id = ${row.id}`);
  }

  async function finish(tx: Tx, row: Pick<ImportRow, 'id' | 'employeeId'>, state: ImportRow['state']): Promise<void> {
    await tx.run(sql`update imports set state = ${state}, finished_at = ${now()} where id = ${row.id}`);
    await tell(tx, row);
  }

  async function batch(tx: Tx): Promise<ImportRow | undefined> {
    const row = await tx.first<ImportRow>(sql`
      select ${importColumns} from imports where state in ('checking', 'running') order by attempts, id limit 1 for update skip locked`);
    if (!row) return undefined;
    const actor = await actorInBackground(tx, people, row.employeeId, 'session');
    if (!actor) await finish(tx, row, 'cancelled');
    else if (row.state === 'checking') await check(tx, row, actor);
    else await write(tx, row, actor);
    await tell(tx, row);
    return row;
  }

  async function putOff(error: unknown): Promise<void> {
    await db.transaction(async (tx) => {
      const row = await tx.first<ImportRow>(sql`
        update imports set attempts = attempts + 1 where id = (select id from imports where state in ('checking', 'running') order by attempts, id limit 1 for update skip locked)
        returning ${importColumns}`);
      if (row && (row.attempts >= maxAttempts || error instanceof UserError)) await finish(tx, row, 'failed');
    });
  }

  const loop: Loop = {
    name: importLoop,
    lanes: 1,
    pollMs: 2000,
    async work() {
      try {
        const worked = await db.transaction(batch);
        return { worked: worked ? 1 : 0, hasMore: worked !== undefined };
      } catch (error) {
        await putOff(error);
        // What is wrong with the file is told by its state, not in the log.
        if (error instanceof UserError) return { worked: 1, hasMore: true };
        throw error;
      }
    },
  };

  return {
    importsLoop: loop,

    /** A draft of the file, with a guess at what its columns mean. Old ones of everybody go by the way. */
    async createImport(actor: Actor, input: { itemTypeId: number; pipelineId?: number; fileName: string; bytes: Buffer }): Promise<ImportView> {
      return db.transaction(async (tx) => {
        const [model, rights] = await Promise.all([loadModel(tx), people.access(tx, actor)]);
        const type = model.itemType(input.itemTypeId);
        if (!type || type.deletedAt) throw new UserError('request.not_found', { kind: 'itemType', id: input.itemTypeId }, 'itemTypeId');
        const pipeline = pipelineFor(model, type.id, input.pipelineId);
        if (!hasAny(rights, model, 'add') || rights.scope('add', type.id, pipeline.id) === 'none') throw new UserError('access.denied', { action: 'add' });
        const shape = detectShape(input.bytes);
        const records = await firstRecords(input.bytes, shape);
        if (records.length === 0) throw new UserError('import.file_empty', { name: input.fileName });
        const headings = headingsOf(records, true);
        if (headings.length > maxColumns) throw new UserError('import.column_too_many', { max: maxColumns });
        const mapping = guessMapping(headings, model, type.id);
        // A heading is what names a field, or a line without numbers above lines with some.
        const hasHeader = mapping.some((target) => target !== null) || !headings.some((cell) => /\d/.test(cell));
        const settings: ImportSettings = { ...shape, hasHeader, mapping };
        await tx.run(sql`delete from imports where created_at < ${new Date(now().getTime() - keptDays * 86_400_000)} and state not in ('checking', 'running')`);
        const row = await tx.first<ImportRow>(sql`
          insert into imports (employee_id, item_type_id, pipeline_id, file_name, content, settings, created_at)
          values (${actor.employeeId}, ${type.id}, ${pipeline.id}, ${input.fileName}, ${input.bytes}, ${json(settings)}, ${now()}) returning ${importColumns}`);
        if (!row) throw new Error('The import was not written.');
        return viewOf(tx, actor, row);
      });
    },

    async changeImport(actor: Actor, id: number, change: ImportChange): Promise<ImportView> {
      return db.transaction(async (tx) => {
        const row = await lock(tx, actor, id, ['draft', 'checking', 'checked']);
        const model = await loadModel(tx);
        const pipeline = pipelineFor(model, row.itemTypeId, change.pipelineId ?? row.pipelineId);
        const stageId = change.stageId === undefined ? (pipeline.id === row.pipelineId ? row.stageId : null) : change.stageId;
        if (stageId !== null && !pipeline.stages.some((stage) => stage.id === stageId)) throw new UserError('request.not_found', { kind: 'stage', id: stageId }, 'stageId');
        const settings: ImportSettings = {
          encoding: change.encoding ?? row.settings.encoding, delimiter: change.delimiter ?? row.settings.delimiter,
          hasHeader: change.hasHeader ?? row.settings.hasHeader, mapping: change.mapping ?? row.settings.mapping,
        };
        const isReread = settings.encoding !== row.settings.encoding || settings.delimiter !== row.settings.delimiter || settings.hasHeader !== row.settings.hasHeader;
        if (isReread && change.mapping === undefined) {
          const headings = headingsOf(await firstRecords(await bytesOf(tx, id), settings), settings.hasHeader);
          settings.mapping = settings.hasHeader ? guessMapping(headings, model, row.itemTypeId) : headings.map((_, index) => row.settings.mapping[index] ?? null);
        }
        assertMapping(settings.mapping, model, row.itemTypeId);
        await backToDraft(tx, id);
        await tx.run(sql`update imports set settings = ${json(settings)}, pipeline_id = ${pipeline.id}, stage_id = ${stageId} where id = ${id}`);
        return viewOf(tx, actor, await find(tx, actor, id));
      });
    },

    /** Reads every row as it would be written, in the background. */
    async checkImport(actor: Actor, id: number): Promise<ImportView> {
      return db.transaction(async (tx) => {
        const row = await lock(tx, actor, id, ['draft', 'checking', 'checked']);
        if (row.settings.mapping.every((target) => target === null)) throw new UserError('import.nothing_mapped', {}, 'mapping');
        await backToDraft(tx, id);
        await tx.run(sql`update imports set state = 'checking' where id = ${id}`);
        await jobs.wake(tx, importLoop);
        return viewOf(tx, actor, await find(tx, actor, id));
      });
    },

    /** What robots would do with all its items, reckoned from the first ones. Rolled back. */
    async forecastImport(actor: Actor, id: number): Promise<Forecast> {
      return db.transaction(async (tx) => {
        const row = await lock(tx, actor, id, ['checked']);
        const rows = await tx.rows<Row>(sql`
          select row_number, cells from import_rows where import_id = ${id} and problem is null order by row_number limit ${forecastSample}`);
        const count = row.total - row.invalid;
        const { made } = await writeRows(tx, actor, { ...row, isSilent: true }, await headingsFor(tx, row), rows);
        const forecaster = bulk.forecaster();
        const told = forecaster && made.length > 0 ? await forecaster(tx, actor, made) : { robots: 0, messages: 0, people: [] };
        const times = rows.length === 0 ? 0 : count / rows.length;
        return {
          items: count, robots: Math.round(told.robots * times), messages: Math.round(told.messages * times), people: told.people.length, isExact: rows.length === count,
        };
      }, { dryRun: true });
    },

    async startImport(actor: Actor, id: number, isSilent: boolean): Promise<ImportView> {
      return db.transaction(async (tx) => {
        await lock(tx, actor, id, ['checked']);
        await tx.run(sql`update imports set state = 'running', is_silent = ${isSilent} where id = ${id}`);
        await jobs.wake(tx, importLoop);
        await tell(tx, { id, employeeId: actor.employeeId });
        return viewOf(tx, actor, await find(tx, actor, id));
      });
    },

    /** What was made stays; the rest is left out. */
    async cancelImport(actor: Actor, id: number): Promise<ImportView> {
      return db.transaction(async (tx) => {
        const row = await lock(tx, actor, id, ['draft', 'checking', 'checked', 'running']);
        await finish(tx, row, 'cancelled');
        return viewOf(tx, actor, await find(tx, actor, id));
      });
    },

    getImport: async (q: Queryable, actor: Actor, id: number): Promise<ImportView> => viewOf(q, actor, await find(q, actor, id)),

    listImports: (q: Queryable, actor: Actor): Promise<Pick<ImportRow, 'id' | 'itemTypeId' | 'fileName' | 'state' | 'total' | 'created' | 'createdAt' | 'finishedAt'>[]> =>
      q.rows(sql`
        select id, item_type_id, file_name, state, total, created, created_at, finished_at from imports where employee_id = ${actor.employeeId} order by id desc limit 20`),

    /** The rows that were not imported as they came, with a column that says why: to mend and upload again. */
    async importErrors(q: Queryable, actor: Actor, id: number): Promise<{ name: string; lines: AsyncGenerator<string> }> {
      const row = await find(q, actor, id);
      const { delimiter } = row.settings;
      async function* lines(): AsyncGenerator<string> {
        const headings = await headingsFor(q, row);
        yield csvStart + csvLine([...headings, text(actor.language, 'import.error_column')], delimiter);
        for (let after = 0; ; ) {
          const rows = await q.rows<{ rowNumber: number; cells: string[]; problem: Problem }>(sql`
            select row_number, cells, problem from import_rows where import_id = ${id} and problem is not null and row_number > ${after} order by row_number limit 1000`);
          for (const { cells, problem } of rows) {
            const padded = Array.from({ length: Math.max(headings.length, cells.length) }, (_, index) => cells[index] ?? '');
            yield csvLine([...padded, errorMessage(actor.language, problem.code, problem.params)], delimiter);
          }
          const last = rows.at(-1);
          if (!last || rows.length < 1000) return;
          after = last.rowNumber;
        }
      }
      return { name: row.fileName, lines: lines() };
    },
  };

  async function lock(tx: Tx, actor: Actor, id: number, states: readonly ImportRow['state'][]): Promise<ImportRow> {
    await find(tx, actor, id);
    const row = await tx.first<ImportRow>(sql`select ${importColumns} from imports where id = ${id} for update`);
    if (!row || !states.includes(row.state)) throw new UserError('import.not_now', { state: row?.state ?? '' });
    return row;
  }
}

export type Imports = ReturnType<typeof createImports>;
