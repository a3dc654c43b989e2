/**
 * Triggers: they move an item of their pipeline to the stage they stand on when something happens, and do
 * nothing else. The robots of that stage then start as after any move.
 *
 *   something happens ──► event, with the triggers that listen ──► each: does it suit? ──no──► skipped, and why
 *   a date is reached ──►                                              │ yes
 *                                                       the earliest stage moves the item: done | failed
 *                                                       the others: skipped
 *
 * An event is written in the transaction in which it happened: a change of an item, a paid invoice, a call of a
 * webhook. Whoever writes items pays for that only where a published trigger listens. The loop takes events off
 * in batches, locks their items, decides, and writes moves and runs in the transaction that takes the events:
 * a crash undoes all of it or nothing, and `trigger_runs_once_per_event` refuses what would still be a double.
 *
 * Dates are kept as waits, a moment per trigger and item, which whoever writes the item keeps in step with its
 * field. Items that are there when a trigger is published get theirs a piece at a time; moments that had passed
 * by then move nothing; those of a deleted item lapse when they come, for until then it may be restored. An event or wait is decided by the newest version of its trigger.
 *
 * What holds: a trigger moves an item forward unless it may move it back, and out of a final stage only then; in
 * one chain of robots and triggers it moves an item once; a chain is at most `maxDepth` deep.
 *
 * Does not do: decide who may configure triggers, speak HTTP, start robots (the arrival does).
 */
import { isDeepStrictEqual } from 'node:util';
import type { TriggerKind } from '../../shared/api/triggers.ts';
import { TransientError, UserError } from '../../shared/errors.ts';
import { errorMessage } from '../../shared/messages.ts';
import { type Crm, type CrmModel, type ItemPlan, type ItemRow, type ItemsWritten, lockItems, type PaidInvoice, planChange } from '../crm/crm.ts';
import { type ConfigVersions, configVersions, type Db, type Queryable, type Tx } from '../db/db.ts';
import type { Jobs, Round } from '../jobs/jobs.ts';
import type { Live } from '../live/live.ts';
import type { Directory, People } from '../people/people.ts';
import { type CompactTrace, type CompiledCondition, compileCondition } from './conditions.ts';
import { maxDepth } from './engine.ts';
import { catalogField, fieldCatalog } from './fields.ts';
import { parseReference, type Reference, referenceField } from './placeholders.ts';
import type { RobotType } from './robot.ts';
import { bareSurroundings, createSource, namesOf, type Surroundings } from './source.ts';
import { earlierResults, type RunTrace, takeNumbers } from './store.ts';
import { loadSurroundings, withResultTitles } from './surroundings.ts';
import { type CompiledTiming, compileTiming } from './timing.ts';
import * as store from './trigger-store.ts';
import type { ValueKind, ValueSource } from './values.ts';
import type { RobotRecord, TriggerRecord } from './versions.ts';

/** Items per transaction. */
const batchSize = 150;
/** Items that get the moment of a newly published trigger in one transaction. */
const planningSize = 500;
/** A poisoned event is tried this often, then given up visibly. */
const maxAttempts = 5;

export interface TriggersDeps {
  db: Db;
  jobs: Jobs;
  live: Live;
  people: People;
  crm: Crm;
  robotType(id: string): RobotType | undefined;
  publicUrl: string;
  now: () => Date;
  onError(error: unknown, where: string): void;
}

/** A published trigger and where it stands. */
export interface Watching {
  readonly record: TriggerRecord;
  readonly pipelineId: number;
  readonly versionId: number;
  /** The robots of its version, whose results its condition may read. */
  readonly robots: readonly RobotRecord[];
  /** Codes of the fields it listens to, in lower case. */
  readonly fields: ReadonlySet<string>;
  /** Of one that waits for a date: the moment, and the code of the date. */
  readonly timing: CompiledTiming | undefined;
}

/** The published triggers that are on, by pipeline; and all of them, by id. */
interface Watch {
  readonly version: number;
  readonly byPipeline: ReadonlyMap<number, readonly Watching[]>;
  readonly byId: ReadonlyMap<number, Watching>;
  readonly kinds: ReadonlySet<TriggerKind>;
}

/** What a trigger needs to be decided, compiled against a model. */
interface Compiled {
  readonly condition: CompiledCondition | null;
  readonly sides: readonly { field: string; from: CompiledCondition | null; to: CompiledCondition | null }[];
  readonly references: readonly Reference[];
}

type Verdict = { fits: true; condition: CompactTrace | undefined } | { fits: false; state: 'skipped' | 'failed'; reason: string; trace: RunTrace | null };

export type Triggers = ReturnType<typeof createTriggers>;

export function createTriggers({ db, jobs, live, people, crm, robotType, publicUrl, now, onError }: TriggersDeps) {
  let watch: Watch | undefined;
  /** Compiled for one watch, one model and one language. */
  let compiled: { key: string; byId: Map<number, Compiled> } = { key: '', byId: new Map() };

  async function watchAt(q: Queryable, version: number): Promise<Watch> {
    if (watch?.version !== version) watch = readWatch(version, await store.newestTriggers(q));
    return watch;
  }

  async function watchNow(q: Queryable): Promise<Watch> {
    return watchAt(q, (await configVersions(q)).robots);
  }

  // ——— What happens to items, in the transaction in which it happens

  async function onItemsWritten(tx: Tx, { plans, config }: ItemsWritten): Promise<void> {
    const versions = await config();
    const { byPipeline } = await watchAt(tx, versions.robots);
    if (byPipeline.size === 0) return;
    const events = plans.flatMap((plan): store.NewEvent[] => eventOf(plan, byPipeline.get(plan.after.pipelineId) ?? []));
    await record(tx, events);
    await followDates(tx, plans, byPipeline, versions);
  }

  async function record(tx: Tx, events: readonly store.NewEvent[]): Promise<void> {
    if (events.length === 0) return;
    await store.insertEvents(tx, events, now());
    await jobs.wake(tx, 'triggers');
  }

  async function onInvoicesPaid(tx: Tx, paid: readonly PaidInvoice[]): Promise<void> {
    const { byPipeline, kinds } = await watchNow(tx);
    if (!kinds.has('invoicePaid')) return;
    const pipelines = new Map((await store.pipelinesOfItems(tx, paid.flatMap(({ dealId }) => dealId ?? []))).map((row) => [row.id, row.pipelineId]));
    await record(tx, paid.flatMap(({ dealId, number, origin }): store.NewEvent[] => {
      const listening = (byPipeline.get(pipelines.get(dealId ?? 0) ?? 0) ?? []).filter(({ record: { when } }) => when.kind === 'invoicePaid');
      if (dealId === null || listening.length === 0) return [];
      return [{ itemId: dealId, triggerIds: idsOf(listening), kind: 'invoicePaid', data: { invoice: number }, chainId: origin.chainId ?? null, depth: origin.depth ?? 0 }];
    }));
  }

  // ——— Dates

  function momentOf(watching: Watching, item: ItemRow, at: Date, { model, directory }: { model: CrmModel; directory: Directory }): Date | undefined {
    const around = bareSurroundings({ model, directory, publicUrl });
    const source = createSource({
      around, names: namesOf(around), catalog: fieldCatalog(model, item.itemTypeId, directory.company.language), now: at, item: () => item, result: () => undefined,
    });
    // Of a moment that is past it must be known that it is: hence a plan made long ago.
    const plan = watching.timing?.plan({
      arrivedAt: at, now: new Date(0), source, calendar: directory.calendar, ownerAbsences: item.ownerId === null ? [] : directory.absencesOf(item.ownerId),
    });
    return plan && 'dueAt' in plan ? plan.dueAt : undefined;
  }

  /** A date set, changed or emptied, and an item that came to the pipeline or left it. A moment already past is due at once. */
  async function followDates(tx: Tx, plans: readonly ItemPlan[], byPipeline: Watch['byPipeline'], config: ConfigVersions): Promise<void> {
    const gone: { triggerId: number; itemId: number }[] = [];
    const wanted: { watching: Watching; item: ItemRow }[] = [];
    for (const plan of plans) {
      const { before, after } = plan;
      const hasCome = before?.pipelineId !== after.pipelineId;
      if (before && hasCome) gone.push(...dated(byPipeline.get(before.pipelineId)).map(({ record: { id } }) => ({ triggerId: id, itemId: after.id })));
      for (const watching of dated(byPipeline.get(after.pipelineId))) if (hasCome || concerns(plan, watching)) wanted.push({ watching, item: after });
    }
    if (gone.length + wanted.length === 0) return;
    const at = now();
    const [model, directory] = await Promise.all([crm.model(tx, config.crm), people.directory(tx, config.people)]);
    const waits: store.Wait[] = [];
    for (const { watching, item } of wanted) {
      const moment = momentOf(watching, item, at, { model, directory });
      const key = { triggerId: watching.record.id, itemId: item.id };
      if (moment === undefined) gone.push(key);
      else waits.push({ ...key, dueAt: moment < at ? at : moment });
    }
    await Promise.all([store.dropWaits(tx, gone), store.saveWaits(tx, waits)]);
    if (waits.length > 0) await jobs.wake(tx, 'triggers');
  }

  /** In the transaction of a publication: triggers of dates that are new, changed or gone. */
  async function onPublished(tx: Tx, pipelineId: number, before: readonly TriggerRecord[], after: readonly TriggerRecord[], at: Date): Promise<void> {
    const timingOf = ({ isEnabled, when }: TriggerRecord) => (isEnabled && when.kind === 'dateReached' ? when.timing : undefined);
    const stayed = new Set(before.filter((old) => {
      const next = after.find(({ id }) => id === old.id);
      return timingOf(old) !== undefined && next !== undefined && isDeepStrictEqual(timingOf(old), timingOf(next));
    }).map(({ id }) => id));
    const added = after.filter((trigger) => timingOf(trigger) !== undefined && !stayed.has(trigger.id)).map(({ id }) => id);
    await store.dropWaitsOfTriggers(tx, [...new Set([...before, ...after].map(({ id }) => id).filter((id) => !stayed.has(id)))]);
    if (added.length === 0) return;
    await store.insertPlannings(tx, added, pipelineId, at);
    await jobs.wake(tx, 'trigger-plannings');
  }

  /** Gives some items the moment of a newly published trigger. What had passed when it was published stays passed. */
  function planningRound(): Promise<Round> {
    return db.transaction(async (tx): Promise<Round> => {
      const planning = await store.takePlanning(tx);
      if (!planning) return { worked: 0, hasMore: false };
      const ids = await store.itemIdsOfPipeline(tx, planning.pipelineId, planning.afterItemId, planningSize);
      const [config, items] = [await configVersions(tx), await lockItems(tx, ids)];
      const [{ byId }, model, directory] = await Promise.all([watchAt(tx, config.robots), crm.model(tx, config.crm), people.directory(tx, config.people)]);
      const watching = byId.get(planning.triggerId);
      const at = now();
      const waits = items.flatMap((item): store.Wait[] => {
        const moment = watching && item.pipelineId === planning.pipelineId ? momentOf(watching, item, at, { model, directory }) : undefined;
        return moment === undefined || moment <= planning.publishedAt ? [] : [{ triggerId: planning.triggerId, itemId: item.id, dueAt: moment }];
      });
      await Promise.all([
        store.saveWaits(tx, waits),
        store.movePlanning(tx, planning.triggerId, watching && ids.length === planningSize ? (ids.at(-1) ?? null) : null),
      ]);
      if (waits.length > 0) await jobs.wake(tx, 'triggers');
      return { worked: 1, hasMore: true };
    });
  }

  // ——— Deciding

  function compile(watching: Watching, at: { model: CrmModel; directory: Directory }): Compiled {
    const { language } = at.directory.company;
    const key = `${watch?.version} ${at.model.version} ${language}`;
    if (compiled.key !== key) compiled = { key, byId: new Map() };
    let found = compiled.byId.get(watching.record.id);
    if (!found) compiled.byId.set(watching.record.id, (found = compileTrigger(watching, at, robotType)));
    return found;
  }

  /** Why the trigger does not move the item, or that it would. */
  function judge(event: store.EventRow, item: ItemRow, watching: Watching | undefined, known: Known): Verdict {
    const no = (reason: string, trace: RunTrace | null = null, state: 'skipped' | 'failed' = 'skipped'): Verdict => ({ fits: false, state, reason, trace });
    if (!watching) return no('trigger.removed');
    const { record: trigger } = watching;
    if (!trigger.isEnabled) return no('trigger.off');
    if (item.pipelineId !== watching.pipelineId) return no('trigger.other_pipeline');
    const pipeline = known.model.pipeline(item.pipelineId);
    const target = known.model.stage(trigger.stageId);
    if (!pipeline || !target || target.deletedAt) return no('trigger.stage_gone', null, 'failed');
    if (event.depth >= maxDepth) return no('loop.depth', { params: { depth: event.depth } });
    if (known.movedInChain.has(`${event.chainId} ${item.id} ${trigger.id}`)) return no('trigger.repeated', { params: { chainId: event.chainId } });
    const { condition, sides } = compile(watching, known);
    if (event.kind === 'fieldChanged') {
      const differs = whyValuesDiffer(event, sides, known.sourceOf(item), (field, value) => known.sourceOf(withValue(item, field, value)));
      if (differs) return no('trigger.value_differs', differs);
    }
    const outcome = condition?.evaluate(known.sourceOf(item));
    if (outcome && !outcome.holds) return no('condition.false', { condition: outcome.trace });
    if (item.stageId === trigger.stageId) return no('trigger.already_there');
    const current = pipeline.stages.find((stage) => stage.id === item.stageId);
    if (!trigger.mayMoveBack) {
      if (current && current.semantics !== 'process') return no('trigger.item_closed');
      if (positionOf(pipeline.stages, trigger.stageId) < positionOf(pipeline.stages, item.stageId)) return no('trigger.behind');
    }
    return { fits: true, condition: outcome?.trace };
  }

  interface Known {
    model: CrmModel;
    directory: Directory;
    watch: Watch;
    movedInChain: ReadonlySet<string>;
    sourceOf(item: ItemRow): ValueSource;
    takeRunId(): number;
  }

  async function load(tx: Tx, events: readonly store.EventRow[], items: readonly ItemRow[], config: ConfigVersions, at: Date): Promise<Known> {
    const [watchThen, model, directory] = await Promise.all([watchAt(tx, config.robots), crm.model(tx, config.crm), people.directory(tx, config.people)]);
    const listening = [...new Set(events.flatMap((event) => event.triggerIds))].flatMap((id) => watchThen.byId.get(id) ?? []);
    const references = listening.flatMap((watching) => compile(watching, { model, directory }).references);
    const robotIds = [...new Set(references.filter((reference) => reference.source === 'result').map((reference) => reference.robotId))];
    const chainIds = [...new Set(events.flatMap((event) => event.chainId ?? []))];
    const runCount = events.reduce((sum, event) => sum + event.triggerIds.length, 0);
    const [loaded, results, moved, runIds] = await Promise.all([
      loadSurroundings(tx, { directory, model, publicUrl }, items, references),
      robotIds.length > 0 ? earlierResults(tx, items.map((item) => item.id), robotIds) : [],
      chainIds.length > 0 ? store.movedInChains(tx, chainIds) : [],
      takeNumbers(tx, 'runs_id_seq', runCount),
    ]);
    const kindOf = (robotId: number, name: string): ValueKind | undefined => {
      const type = listening.flatMap(({ robots }) => robots).find((robot) => robot.id === robotId)?.type;
      return type === undefined ? undefined : robotType(type)?.results[name];
    };
    const around: Surroundings = await withResultTitles(tx, loaded, references, kindOf, results);
    const left = new Map(results.map((row) => [`${row.itemId} ${row.robotId}`, row.results]));
    let used = 0;
    return {
      model, directory, watch: watchThen,
      movedInChain: new Set(moved.map((row) => `${row.chainId} ${row.itemId} ${row.triggerId}`)),
      takeRunId() {
        const id = runIds[used++];
        if (id === undefined) throw new Error('More runs of triggers than were counted.');
        return id;
      },
      sourceOf: (item) => createSource({
        around, names: namesOf(around), catalog: fieldCatalog(model, item.itemTypeId, directory.company.language), now: at, item: () => item,
        result(robotId, name) {
          const of = left.get(`${item.id} ${robotId}`);
          return of && Object.hasOwn(of, name) ? { kind: kindOf(robotId, name) ?? 'string', value: of[name] } : undefined;
        },
      }),
    };
  }

  /** Decides one event: a run for each trigger that listened, and the move of the one that won. */
  function decide(event: store.EventRow, item: ItemRow, known: Known, at: Date): { runs: store.TriggerRunRow[]; plan: ItemPlan | null } {
    const candidates = event.triggerIds.map((id) => {
      const watching = known.watch.byId.get(id);
      return { id, watching, verdict: judge(event, item, watching, known), runId: known.takeRunId() };
    });
    const stages = known.model.pipeline(item.pipelineId)?.stages ?? [];
    const place = ({ watching }: (typeof candidates)[number]) => positionOf(stages, watching?.record.stageId ?? 0);
    const winner = candidates.filter(({ verdict }) => verdict.fits).sort((a, b) => place(a) - place(b))[0];
    let plan: ItemPlan | null = null;
    const runs = candidates.map((candidate): store.TriggerRunRow => {
      const { id, watching, verdict, runId } = candidate;
      const run = (state: store.TriggerRunState, reason: string | null, trace: RunTrace | null): store.TriggerRunRow => ({
        id: runId, eventId: event.id, triggerId: id, versionId: watching?.versionId ?? null, itemId: item.id, pipelineId: watching?.pipelineId ?? item.pipelineId,
        fromStageId: item.stageId, stageId: watching?.record.stageId ?? item.stageId, kind: event.kind, data: event.data, state, reason, trace, createdAt: at,
      });
      if (!verdict.fits) return run(verdict.state, verdict.reason, verdict.trace);
      if (candidate !== winner || !watching) return run('skipped', 'trigger.earlier_won', { params: { triggerId: winner?.id } });
      const { stageId, changeAs } = watching.record;
      const condition = verdict.condition === undefined ? null : { condition: verdict.condition };
      try {
        plan = planChange(known.model, item, { stageId }, { employeeId: changeAs ?? item.ownerId, cause: 'trigger', runId, chainId: event.chainId, depth: event.depth + 1 }, at);
        return run('done', null, condition);
      } catch (error) {
        if (!(error instanceof UserError)) throw error;
        return run('failed', 'item.refused', { ...condition, params: { error: errorMessage(known.directory.company.language, error.code, error.params) } });
      }
    });
    return { runs, plan };
  }

  /** One transaction of events. Returns how many it took. */
  function work(itemIds: readonly number[]): Promise<number> {
    return db.transaction(async (tx) => {
      const at = now();
      // Items first, then their events and waits: the order in which whoever writes an item locks them.
      const items = new Map((await lockItems(tx, itemIds)).map((item) => [item.id, item]));
      const [events, config] = await Promise.all([store.takeDueEvents(tx, itemIds, at), configVersions(tx)]);
      if (events.length === 0) return 0;
      // Of a deleted item there is nothing to decide.
      const there = events.filter((event) => items.has(event.itemId));
      const known = await load(tx, there, [...items.values()], config, at);
      const plans: ItemPlan[] = [];
      const runs: store.TriggerRunRow[] = [];
      for (const event of there) {
        const item = items.get(event.itemId);
        if (!item) continue;
        const decided = decide(event, item, known, at);
        runs.push(...decided.runs);
        if (!decided.plan) continue;
        plans.push(decided.plan);
        items.set(item.id, decided.plan.after);
      }
      await store.insertTriggerRuns(tx, runs);
      // Two moves of one item are two arrivals: each is written by itself, or the robots of the first would be lost.
      for (const round of roundsOf(plans)) await crm.writeItems(tx, round, at, config);
      await live.publish(tx, [...new Set(runs.map((run) => run.itemId))].map((id) => ({ topic: `item:${id}`, what: 'runs' })));
      return events.length;
    }, { asyncCommit: true });
  }

  async function round(): Promise<Round> {
    const itemIds = await store.itemsWithDueEvents(db, now(), batchSize);
    let worked = 0;
    if (itemIds.length > 0) {
      try {
        worked = await work(itemIds);
      } catch (error) {
        if (error instanceof TransientError) throw error;
        onError(error, 'triggers');
        for (const id of itemIds) worked += await workOne(id);
      }
    }
    return { worked, hasMore: itemIds.length === batchSize, nextDueAt: await store.nextEventAt(db) };
  }

  /** A poisoned event holds up nobody else's; after some attempts it is given up visibly. */
  async function workOne(itemId: number): Promise<number> {
    try {
      return await work([itemId]);
    } catch (error) {
      if (error instanceof TransientError) throw error;
      onError(error, `triggers of item ${itemId}`);
      const message = error instanceof Error ? error.message : String(error);
      const attempts = await store.putOffEvents(db, itemId, now(), new Date(now().getTime() + 60_000), message.slice(0, 1000));
      return attempts >= maxAttempts ? giveUp(itemId) : 0;
    }
  }

  async function giveUp(itemId: number): Promise<number> {
    return db.transaction(async (tx) => {
      const at = now();
      const [item] = await lockItems(tx, [itemId]);
      const events = await store.takeDueEvents(tx, [itemId], new Date(at.getTime() + 3_600_000));
      if (!item || events.length === 0) return events.length;
      const { byId } = await watchNow(tx);
      const ids = await takeNumbers(tx, 'runs_id_seq', events.reduce((sum, event) => sum + event.triggerIds.length, 0));
      await store.insertTriggerRuns(tx, events.flatMap((event) => event.triggerIds.map((triggerId): store.TriggerRunRow => ({
        id: ids.shift() ?? 0, eventId: event.id, triggerId, versionId: byId.get(triggerId)?.versionId ?? null, itemId, pipelineId: item.pipelineId,
        fromStageId: item.stageId, stageId: byId.get(triggerId)?.record.stageId ?? item.stageId, kind: event.kind, data: event.data,
        state: 'failed', reason: 'internal', trace: null, createdAt: at,
      }))));
      return events.length;
    });
  }

  return {
    /** Registers the loops and listens to the CRM. */
    start(): void {
      jobs.add({ name: 'triggers', lanes: 1, pollMs: 1000, work: round });
      jobs.add({ name: 'trigger-plannings', lanes: 1, pollMs: 5000, work: planningRound });
      crm.onItemsWritten(onItemsWritten);
      crm.onInvoicesPaid(onInvoicesPaid);
    },

    onPublished,

    /** The published trigger with the id; undefined: there is none (any more). */
    async find(q: Queryable, triggerId: number): Promise<Watching | undefined> {
      return (await watchNow(q)).byId.get(triggerId);
    },

    /**
     * Something outside happened to the item: triggers of its pipeline that `suits` accepts are to decide.
     * Returns how many there are. A person or program asked for it, so it begins a chain.
     */
    async happened(tx: Tx, { item, kind, data }: { item: Pick<ItemRow, 'id' | 'pipelineId'>; kind: 'webhook' | 'app'; data: store.EventData }, suits: (trigger: TriggerRecord) => boolean): Promise<number> {
      const { byPipeline } = await watchNow(tx);
      const listening = (byPipeline.get(item.pipelineId) ?? []).filter(({ record: trigger }) => trigger.when.kind === kind && suits(trigger));
      if (listening.length > 0) await record(tx, [{ itemId: item.id, triggerIds: idsOf(listening), kind, data, chainId: null, depth: 0 }]);
      return listening.length;
    },
  };
}

function readWatch(version: number, versions: readonly store.TriggerVersion[]): Watch {
  const all = versions.flatMap(({ id, pipelineId, triggers, robots }) => triggers.map((record): Watching => ({
    record, pipelineId, versionId: id, robots, fields: fieldsOf(record), timing: record.when.kind === 'dateReached' ? compileTiming(record.when.timing) : undefined,
  })));
  const on = all.filter(({ record }) => record.isEnabled);
  return {
    version,
    byPipeline: Map.groupBy(on, ({ pipelineId }) => pipelineId),
    byId: new Map(all.map((watching) => [watching.record.id, watching])),
    kinds: new Set(on.map(({ record }) => record.when.kind)),
  };
}

function fieldsOf({ when }: TriggerRecord): ReadonlySet<string> {
  if (when.kind === 'ownerChanged') return new Set(['ownerid']);
  return new Set(when.kind === 'fieldChanged' ? when.changes.map(({ field }) => codeOf(field)) : []);
}

/** The code of a field as items know it, in lower case: Bitrix24's names and letter cases are understood. */
function codeOf(field: string): string {
  return (parseReference(`{=Document:${field}}`)?.code ?? field).toLowerCase();
}

function idsOf(listening: readonly Watching[]): number[] {
  return listening.map(({ record }) => record.id);
}

function dated(listening: readonly Watching[] | undefined): Watching[] {
  return (listening ?? []).filter(({ timing }) => timing !== undefined);
}

/** One change of an item is one event, for all who listen to any of its fields: the earliest of their stages wins. */
function eventOf(plan: ItemPlan, listening: readonly Watching[]): store.NewEvent[] {
  const { before, after, changes, origin } = plan;
  // Whoever changes many at once may wish that nothing follows.
  if (before === null || origin.isSilent) return [];
  const changed = Object.keys(changes);
  if (changed.length === 0) return [];
  const hearing = listening.filter(({ fields }) => changed.some((code) => fields.has(code.toLowerCase())));
  if (hearing.length === 0) return [];
  const heard = changed.filter((code) => hearing.some(({ fields }) => fields.has(code.toLowerCase())));
  const isOwnerOnly = hearing.every(({ record }) => record.when.kind === 'ownerChanged');
  return [{
    itemId: after.id, triggerIds: idsOf(hearing), kind: isOwnerOnly ? 'ownerChanged' : 'fieldChanged',
    data: { changes: Object.fromEntries(heard.flatMap((code) => (changes[code] ? [[code, changes[code]]] : []))) },
    chainId: origin.chainId ?? null, depth: origin.depth ?? 0,
  }];
}

/** Whether a change of the item may move the moment of the trigger. */
function concerns(plan: ItemPlan, { timing, record: { when } }: Watching): boolean {
  const code = timing?.reference?.code.toLowerCase();
  if (code === undefined) return false;
  if (code === 'updatedat') return true;
  if (code === 'movedat') return plan.isMove;
  const isOfOwner = when.kind === 'dateReached' && when.timing.workingHours === 'owner';
  return Object.keys(plan.changes).some((changed) => changed.toLowerCase() === code || (isOfOwner && changed === 'ownerId'));
}

function compileTrigger({ record, pipelineId, robots }: Watching, { model, directory }: { model: CrmModel; directory: Directory }, robotType: TriggersDeps['robotType']): Compiled {
  const catalog = fieldCatalog(model, model.pipeline(pipelineId)?.itemTypeId ?? 0, directory.company.language);
  const lookup = (reference: Reference) => referenceField(reference, {
    field: (one) => catalogField(catalog, one),
    robot(robotId) {
      const robot = robots.find(({ id }) => id === robotId);
      const results = robot && robotType(robot.type)?.results;
      return results && { title: '', isBefore: true, result: (name) => (results[name] ? { name, kind: results[name] } : undefined) };
    },
  });
  const condition = record.condition && compileCondition(record.condition, lookup);
  const sides = record.when.kind !== 'fieldChanged' ? [] : record.when.changes.map(({ field, from, to }) => {
    const side = (given: typeof from) => given && compileCondition({ op: 'and', items: [{ ...given, left: `{=Document:${field}}` }] }, lookup);
    return { field: codeOf(field), from: side(from), to: side(to) };
  });
  return { condition, sides, references: [...(condition?.references ?? []), ...sides.flatMap(({ from, to }) => [...(from?.references ?? []), ...(to?.references ?? [])])] };
}

/** null: one of the fields changed as wanted. Otherwise what the last of them was compared with. */
function whyValuesDiffer(
  event: store.EventRow, sides: Compiled['sides'], now: ValueSource, sourceWith: (field: string, value: unknown) => ValueSource,
): RunTrace | null {
  let why: RunTrace | null = {};
  for (const { field, from, to } of sides) {
    const [code, values] = Object.entries(event.data.changes ?? {}).find(([changed]) => changed.toLowerCase() === field) ?? [];
    // Sides of a trigger that was changed after the event may name fields that did not change then.
    if (code === undefined || values === undefined || !now.document(code)) continue;
    const before = from?.evaluate(sourceWith(code, values[0]));
    if (before && !before.holds) {
      why = { condition: before.trace, params: { side: 'from' } };
      continue;
    }
    const after = to?.evaluate(sourceWith(code, values[1]));
    if (!after || after.holds) return null;
    why = { condition: after.trace, params: { side: 'to' } };
  }
  // Owners have no sides: that it changed is all there is to it.
  return sides.length === 0 ? null : why;
}

function withValue(item: ItemRow, code: string, value: unknown): ItemRow {
  return code !== 'values' && Object.hasOwn(item, code) ? { ...item, [code]: value } : { ...item, values: { ...item.values, [code]: value } };
}

function positionOf(stages: readonly { id: number }[], stageId: number): number {
  return stages.findIndex((stage) => stage.id === stageId);
}

/** Plans in rounds: of each item the first, then the second … */
function roundsOf(plans: readonly ItemPlan[]): ItemPlan[][] {
  const rounds: ItemPlan[][] = [];
  const seen = new Map<number, number>();
  for (const plan of plans) {
    const index = seen.get(plan.after.id) ?? 0;
    seen.set(plan.after.id, index + 1);
    (rounds[index] ??= []).push(plan);
  }
  return rounds;
}
