/**
 * The engine: starts the robots of a stage for the items that arrived at it.
 *
 * A run (one robot, one arrival) is
 *   waiting    for its moment (dueAt), for the robot above it (dueAt null), or, having called an application, for its answer;
 *   done       it acted; its effects, results and trace were written in the same transaction;
 *   skipped    it decided not to act: the condition was false, it had acted already;
 *   failed     it could not: nobody to send to, the chat is gone … the reason says what to do;
 *   cancelled  the item left the stage, was deleted, the robot was switched off, a person stopped it.
 *
 *   arrival ──► due now? ──no──► waiting ──moment──► still there? robot on? ──no──► cancelled
 *                  │ yes                                   │ yes
 *                  └──────────► condition true? ◄──────────┘
 *                                no │      │ yes
 *                             skipped      settings → ready values → act ──► done | failed
 *
 * Robots of a stage form chains: one that is "independent" begins a new chain, one "after previous" waits
 * until the robot above has ended (done, skipped or failed). A failed robot does not stop those below.
 * At-once robots always act on an arrival, even if the item has moved on meanwhile: it did arrive.
 * Those that would have to wait are then cancelled instead.
 *
 * Work is done in batches, one transaction each: claim, load set by set (a fixed number of queries
 * however many arrivals), decide in memory, flush. The commit is asynchronous: if the machine loses
 * power the effects vanish together with the "done" mark, and the arrival, which is durable, is worked
 * off again. When a batch fails in the database, its arrivals are tried one by one, so a poisoned one
 * holds up nobody; after `maxAttempts` it is given up visibly.
 *
 * Does not do: network of any kind, HTTP, decide who may configure robots.
 */
import { TransientError, UserError } from '../../shared/errors.ts';
import { type Crm, itemOf, type ItemRow, type ItemsWritten, lockItems } from '../crm/crm.ts';
import { type ConfigVersions, configVersions, type Db, type Queryable, type Tx } from '../db/db.ts';
import type { Jobs, Round } from '../jobs/jobs.ts';
import type { Live } from '../live/live.ts';
import type { People } from '../people/people.ts';
import type { CompactTrace } from './conditions.ts';
import { type Batch, type Channels, createBatch, createNumbering, createRunScope, type ItemState, type Numbers } from './context.ts';
import { fieldCatalog } from './fields.ts';
import { RobotFailure, type RobotType } from './robot.ts';
import { createSource, namesOf } from './source.ts';
import {
  actedInChains, actedRobots, type ArrivalRow, arrivalsByIds, cancelWaitingRuns, claimArrivals, type ClaimedRow, dropIfWorkedOff, dueArrivalIds,
  earlierResults, itemsWithDueRuns, lockDueRuns, nextDueAt, putOffArrival, type RunRow, runsOfArrivals, type RunTrace, takeNumbers, updateRuns, waitingRuns,
} from './store.ts';
import { loadSurroundings, withResultTitles } from './surroundings.ts';
import { type EffectWriters, emptyUnit, flush, mergeEffects, noEffects, type UnitOfWork } from './unit-of-work.ts';
import { type CompiledRobot, type CompiledVersion, createVersions } from './versions.ts';

/** A chain of robots causing each other is at most this deep. */
export const maxDepth = 8;
/** Arrivals per transaction: more gains little and holds rows longer. */
const batchSize = 150;
/** The reason of a run that acted and waits for an application; its `dueAt` is when that is given up. */
export const waitsForAnswer = 'waits_for_answer';
/** A poisoned arrival is tried this often, then given up visibly. */
const maxAttempts = 5;

export interface EngineDeps {
  db: Db;
  jobs: Jobs;
  live: Live;
  people: People;
  crm: Crm;
  writers: EffectWriters;
  channels(q: Queryable, version: number): Promise<Channels>;
  /** Makes `robotType` know what applications brought, as of the version. */
  refreshTypes(q: Queryable, version: number): Promise<void>;
  robotType(id: string): RobotType | undefined;
  publicUrl: string;
  now: () => Date;
  /** A bug in a robot: reported, while its run is recorded as failed. */
  onError(error: unknown, where: string): void;
}

/** One arrival being worked on: what to decide, and what is known already. */
interface Work {
  arrival: ArrivalRow;
  version: CompiledVersion | undefined;
  /** undefined: the item was deleted. */
  state: ItemState | undefined;
  /** Runs the arrival already has, by robot; empty for a new arrival. */
  runs: Map<number, RunRow>;
  /** Runs whose moment has come; undefined: a new arrival, start from the top. */
  dueRobotIds: Set<number> | undefined;
}

/** What was loaded to decide a batch. */
interface Known {
  batch: Batch;
  unit: UnitOfWork;
  newestRobots: Map<number, CompiledVersion | undefined>;
  earlier: Map<string, Record<string, unknown>>;
  actedOnce: Set<string>;
  actedInChain: Set<string>;
  takeRunId(): number;
}

export type Engine = ReturnType<typeof createEngine>;

export function createEngine(deps: EngineDeps) {
  const { db, jobs, live, people, crm, writers, robotType, publicUrl, now } = deps;
  const versions = createVersions({ robotType });

  /**
   * Taken in the transaction that uses them, and none are kept: its commit does not wait for the disk, and
   * numbers of a commit that a dying database lost are given out again. Nor does a batch, which holds items,
   * wait for another connection of a pool that is full of requests waiting for these items.
   */
  function numbersIn(tx: Tx): Numbers {
    const of = (sequence: string) => createNumbering((count) => takeNumbers(tx, sequence, count));
    return { chat: of('chats_id_seq'), post: of('posts_id_seq'), item: of('items_id_seq'), invoice: of('invoice_numbers') };
  }

  /** Ids of runs taken beforehand, so that small batches need not ask. */
  const spareRunIds: number[] = [];

  /** Outside of any batch, by a commit that is on disk when it is answered: spare ids outlive their transaction. */
  async function refillRunIds(): Promise<void> {
    if (spareRunIds.length < 200) spareRunIds.push(...(await takeNumbers(db, 'runs_id_seq', 1000)));
  }

  async function reserveRunIds(q: Queryable, count: number): Promise<() => number> {
    const block = spareRunIds.length >= count ? spareRunIds.splice(0, count) : await takeNumbers(q, 'runs_id_seq', count);
    let used = 0;
    return () => {
      const id = block[used++];
      if (id === undefined) throw new Error('More runs than were counted.');
      return id;
    };
  }

  // ——— Loading

  interface Loaded {
    known: Known;
    works: Work[];
  }

  /** Loads everything a set of arrivals needs. Their items were locked before, in the order of their ids. */
  async function load(
    tx: Tx,
    arrivals: readonly ArrivalRow[],
    config: ConfigVersions,
    at: Date,
    items: readonly ItemRow[],
    due: { runs: readonly RunRow[] } | undefined,
    versionFor: (arrival: ArrivalRow, version: number | undefined) => number | undefined = (_, id) => id,
    given: Map<number, CompiledVersion> = new Map(),
  ): Promise<Loaded> {
    const itemIds = [...new Set(arrivals.map((arrival) => arrival.itemId))];
    const [existing, model, directory, channels] = await Promise.all([
      due ? runsOfArrivals(tx, arrivals.map((arrival) => arrival.id)) : [],
      crm.model(tx, config.crm),
      people.directory(tx, config.people),
      deps.channels(tx, config.channels),
      deps.refreshTypes(tx, config.apps),
    ]);
    const versionIds = new Map<number, number | undefined>();
    for (const arrival of arrivals) {
      versionIds.set(arrival.id, versionFor(arrival, await versions.idAt(tx, config.robots, arrival.pipelineId, arrival.createdAt)));
    }
    for (const run of existing) versionIds.set(run.arrivalId, run.versionId);
    const newestIds = new Map<number, number | undefined>();
    if (due) {
      for (const pipelineId of new Set(arrivals.map((arrival) => arrival.pipelineId))) {
        newestIds.set(pipelineId, await versions.newestId(tx, config.robots, pipelineId));
      }
    }
    const wanted = [...versionIds.values(), ...newestIds.values()].filter((id) => id !== undefined);
    const compiled = await versions.load(tx, config, wanted, { model, directory });
    for (const [id, version] of given) compiled.set(id, version);

    const rows = new Map(items.map((item): [number, ItemState] => [item.id, { row: item }]));
    const runsByArrival = Map.groupBy(existing, (run) => run.arrivalId);
    const dueByArrival = due && Map.groupBy(due.runs, (run) => run.arrivalId);
    const works = arrivals.map((arrival): Work => {
      const versionId = versionIds.get(arrival.id);
      return {
        arrival,
        version: versionId === undefined ? undefined : compiled.get(versionId),
        state: rows.get(arrival.itemId),
        runs: new Map((runsByArrival.get(arrival.id) ?? []).map((run) => [run.robotId, run])),
        dueRobotIds: dueByArrival && new Set((dueByArrival.get(arrival.id) ?? []).map((run) => run.robotId)),
      };
    });

    const robots = new Set(works.flatMap((work) => work.version?.onStage(work.arrival.stageId) ?? []));
    const references = [...robots].flatMap((robot) => robot.references);
    const referredRobotIds = [...new Set(references.filter((reference) => reference.source === 'result').map((reference) => reference.robotId))];
    const onceIds = [...robots].filter((robot) => robot.record.oncePerItem).map((robot) => robot.record.id);
    const chainIds = [...new Set(arrivals.map((arrival) => arrival.chainId).filter((id) => id !== null))];
    const newRunCount = due ? 0 : works.reduce((sum, work) => sum + (work.version?.onStage(work.arrival.stageId).length ?? 0), 0);
    const [surroundings, earlier, once, inChains, takeRunId] = await Promise.all([
      loadSurroundings(tx, { directory, model, publicUrl }, items, references),
      referredRobotIds.length > 0 ? earlierResults(tx, itemIds, referredRobotIds) : [],
      onceIds.length > 0 ? actedRobots(tx, itemIds, onceIds) : [],
      chainIds.length > 0 ? actedInChains(tx, chainIds) : [],
      reserveRunIds(tx, newRunCount),
    ]);
    const typeOf = (robotId: number) => [...compiled.values()].find((version) => version.byId.has(robotId))?.byId.get(robotId)?.type;
    const around = await withResultTitles(tx, surroundings, references, (robotId, name) => typeOf(robotId)?.results[name], [...existing, ...earlier]);
    const batch = createBatch({ tx, now: at, around, channels, numbers: numbersIn(tx), crm, chat: writers.chat });
    return {
      works,
      known: {
        batch,
        unit: emptyUnit(),
        newestRobots: new Map([...newestIds].map(([pipelineId, id]) => [pipelineId, id === undefined ? undefined : compiled.get(id)])),
        earlier: new Map(earlier.map((row) => [`${row.itemId} ${row.robotId}`, row.results])),
        actedOnce: new Set(once.map((row) => `${row.itemId} ${row.robotId}`)),
        actedInChain: new Set(inChains.map((row) => `${row.chainId} ${row.itemId} ${row.robotId}`)),
        takeRunId,
      },
    };
  }

  // ——— Deciding

  /** Arrivals of one item one after another, items side by side: so reads of many items become one query. */
  async function decide(works: readonly Work[], known: Known): Promise<void> {
    const byItem = Map.groupBy(works, (work) => work.arrival.itemId);
    await Promise.all([...byItem.values()].map(async (ofItem) => {
      ofItem.sort((a, b) => a.arrival.id - b.arrival.id);
      // A rerun is an arrival, too, but no move.
      const lastMove = ofItem.findLastIndex(({ arrival }) => arrival.fromStageId !== arrival.stageId);
      for (const [index, work] of ofItem.entries()) await decideArrival(work, known, index < lastMove);
    }));
  }

  /** `hasMovedOn`: a later move of the item is known, whatever stage it stands on now. */
  async function decideArrival(work: Work, known: Known, hasMovedOn = false): Promise<void> {
    const { arrival, version, state } = work;
    const robots = version?.onStage(arrival.stageId).filter((robot) => robot.record.isEnabled || work.runs.has(robot.record.id)) ?? [];
    // It may have left and come back: then the robots of the later arrival wait, not these.
    const hasLeft = state !== undefined
      && (hasMovedOn || state.row.stageId !== arrival.stageId || state.row.movedAt.getTime() > arrival.createdAt.getTime());
    // Whether the chain we are in waits for a robot above.
    let isBlocked = false;
    for (const robot of robots) {
      if (robot.record.order === 'independent') isBlocked = false;
      const before = work.runs.get(robot.record.id);
      if (before && before.state !== 'waiting') continue;
      const isDue = work.dueRobotIds?.has(robot.record.id) ?? false;
      // A run that waits for its own moment keeps waiting, and holds up what is below it.
      if (before?.dueAt && !isDue) {
        isBlocked = true;
        continue;
      }
      // Only a person makes a run due while the one above still waits.
      if (before && isBlocked && !isDue) continue;
      const run = before ?? newRun(work, robot, known);
      if (!state) end(run, 'cancelled', 'item.deleted', known);
      // A move cancels what waits, so what is due although the item has left was asked for by a person.
      else if (before && hasLeft && !isDue) end(run, 'cancelled', 'stage.left', known);
      else if (arrival.depth > maxDepth) end(run, 'skipped', 'loop.depth', known, { params: { depth: arrival.depth } });
      else if (isBlocked && !isDue) wait(run, null, hasLeft, known);
      else if (isDue) {
        const stop = whyNoMore(robot, arrival, known);
        // It has acted; what has come is the end of the application's time to answer.
        if (before?.reason === waitsForAnswer) end(run, 'failed', 'app.no_answer', known, run.trace);
        else if (stop) end(run, 'cancelled', stop, known);
        else await act(run, robot, work, state, known);
      } else {
        const plan = planMoment(robot, work, state, known, before !== undefined);
        if ('failure' in plan) end(run, 'failed', plan.failure, known, { params: { reference: plan.reference } });
        else if (plan.dueAt.getTime() <= known.batch.now.getTime()) await act(run, robot, work, state, known);
        else {
          wait(run, plan.dueAt, hasLeft, known);
          isBlocked = run.state === 'waiting';
        }
      }
      work.runs.set(robot.record.id, run);
      if (run.state === 'waiting') isBlocked = true;
      (before ? known.unit.changedRuns : known.unit.newRuns).push(run);
    }
  }

  function newRun(work: Work, robot: CompiledRobot, known: Known): RunRow {
    return {
      id: known.takeRunId(), arrivalId: work.arrival.id, robotId: robot.record.id, versionId: work.version?.id ?? 0, itemId: work.arrival.itemId,
      state: 'waiting', reason: null, trace: null, results: null, dueAt: null, createdAt: known.batch.now, finishedAt: null,
    };
  }

  function end(run: RunRow, runState: RunRow['state'], reason: string | null, known: Known, trace: RunTrace | null = null): void {
    run.state = runState;
    run.reason = reason;
    run.trace = trace;
    run.finishedAt = known.batch.now;
  }

  function wait(run: RunRow, dueAt: Date | null, hasLeft: boolean, known: Known): void {
    if (hasLeft) end(run, 'cancelled', 'stage.left', known);
    else {
      run.dueAt = dueAt;
      run.reason = dueAt === null ? 'waits_for_previous' : null;
    }
  }

  /** Switched off or removed since: what waits must not act any more. */
  function whyNoMore(robot: CompiledRobot, arrival: ArrivalRow, known: Known): string | undefined {
    const newest = known.newestRobots.get(arrival.pipelineId)?.byId.get(robot.record.id);
    if (!newest) return 'robot.removed';
    return newest.record.isEnabled ? undefined : 'robot.off';
  }

  function planMoment(robot: CompiledRobot, work: Work, state: ItemState, known: Known, isItsTurnLater: boolean) {
    const source = sourceFor(work, state, known);
    const { directory } = known.batch.around;
    const ownerId = state.row.ownerId;
    return robot.timing.plan({
      // A robot that waited for the one above counts its delay from the moment it became its turn.
      // An arrival that is not yet was written by a clock ahead of ours: it is now.
      arrivedAt: isItsTurnLater || work.arrival.createdAt > known.batch.now ? known.batch.now : work.arrival.createdAt,
      now: known.batch.now,
      source,
      calendar: directory.calendar,
      ownerAbsences: ownerId === null ? [] : directory.absencesOf(ownerId),
    });
  }

  function sourceFor(work: Work, state: ItemState, known: Known) {
    const { around, now: at } = known.batch;
    return createSource({
      around,
      names: {
        ...namesOf(around),
        // What this batch has made is not in the database yet.
        chat: (id) => known.unit.effects.chats.find((chat) => chat.id === id)?.title ?? around.chatTitles.get(id),
        item: (id) => known.unit.effects.plans.findLast((plan) => plan.after.id === id)?.after.title ?? around.itemTitles.get(id),
      },
      catalog: fieldCatalog(around.model, state.row.itemTypeId, around.directory.company.language),
      now: at,
      item: () => state.row,
      result: (robotId, name) => {
        const run = work.runs.get(robotId);
        // What it left at an earlier arrival stands in for it, unless it has just failed: that must not look like success.
        const results = run?.results ?? (run?.state === 'failed' ? undefined : known.earlier.get(`${work.arrival.itemId} ${robotId}`));
        if (!results || !Object.hasOwn(results, name)) return undefined;
        return { kind: work.version?.byId.get(robotId)?.type?.results[name] ?? 'string', value: results[name] };
      },
    });
  }

  /** The decision and, if it is yes, the action. Never throws for what is the robot's own business. */
  async function act(run: RunRow, robot: CompiledRobot, work: Work, state: ItemState, known: Known): Promise<void> {
    const { record } = robot;
    const { arrival } = work;
    run.dueAt = null;
    const chainKey = `${arrival.chainId ?? arrival.id} ${arrival.itemId} ${record.id}`;
    const itemKey = `${arrival.itemId} ${record.id}`;
    if (known.actedInChain.has(chainKey)) return end(run, 'skipped', 'loop.repeated', known, { params: { chainId: arrival.chainId } });
    if (record.oncePerItem && known.actedOnce.has(itemKey)) return end(run, 'skipped', 'once_per_item', known);
    const source = sourceFor(work, state, known);
    let condition: CompactTrace | undefined;
    if (robot.condition) {
      const outcome = robot.condition.evaluate(source);
      condition = outcome.trace;
      if (!outcome.holds) return end(run, 'skipped', 'condition.false', known, { condition });
    }
    if (!robot.settings) {
      return end(run, 'failed', robot.type ? 'robot.settings_invalid' : 'robot.type_unknown', known, { params: { type: record.type } });
    }
    const rowBefore = state.row;
    const scope = createRunScope(known.batch, { arrival, runId: run.id, robotId: run.robotId, state, source, effects: noEffects() });
    try {
      const results = await robot.settings.run(scope.context, scope.context);
      const refusal = scope.refusal();
      const waitsUntil = scope.waitsUntil();
      const trace = traceOf(condition, scope.notes, refusal?.params);
      if (waitsUntil && !refusal) Object.assign(run, { state: 'waiting', reason: waitsForAnswer, dueAt: waitsUntil, trace });
      else end(run, refusal ? 'failed' : 'done', refusal?.code ?? null, known, trace);
      if (Object.keys(results).length > 0) run.results = results;
      mergeEffects(known.unit.effects, scope.effects);
      known.actedInChain.add(chainKey);
      known.actedOnce.add(itemKey);
    } catch (error) {
      state.row = rowBefore;
      if (error instanceof RobotFailure || error instanceof UserError) {
        return end(run, 'failed', error.code, known, traceOf(condition, scope.notes, error.params));
      }
      if (isDatabaseError(error)) throw error;
      deps.onError(error, `robot ${record.type}`);
      end(run, 'failed', 'internal', known, traceOf(condition, scope.notes, {}));
    }
  }

  function traceOf(condition: CompactTrace | undefined, notes: RunTrace['notes'] & object, params: Record<string, unknown> | undefined): RunTrace | null {
    if (condition === undefined && notes.length === 0 && params === undefined) return null;
    return { ...(condition ? { condition } : {}), ...(notes.length > 0 ? { notes } : {}), ...(params ? { params } : {}) };
  }

  // ——— Batches

  async function wakeFollowUps(tx: Tx, unit: UnitOfWork): Promise<void> {
    const hasWaiting = unit.newRuns.some((run) => run.dueAt) || unit.changedRuns.some((run) => run.dueAt);
    if (hasWaiting) await jobs.wake(tx, 'waiting-runs');
  }

  /** One transaction of new arrivals. `only`: just this one. Returns how many it took. */
  function workArrivals(limit: number, only: number | null): Promise<number> {
    return db.transaction(async (tx) => {
      const at = now();
      const claimed = await claimArrivals(tx, at, limit, only);
      const [first] = claimed;
      if (!first) return 0;
      const { works, known } = await load(tx, claimed.map(arrivalOf), first.config, at, itemsOf(claimed), undefined);
      await decide(works, known);
      await flush(tx, known.unit, writers, at, first.config);
      await wakeFollowUps(tx, known.unit);
      return claimed.length;
    }, { asyncCommit: true });
  }

  async function arrivalsRound(): Promise<Round> {
    try {
      await refillRunIds();
      const worked = await workArrivals(batchSize, null);
      return { worked, hasMore: worked === batchSize };
    } catch (error) {
      if (error instanceof TransientError) throw error;
      const ids = await dueArrivalIds(db, now(), batchSize);
      deps.onError(error, 'arrivals');
      for (const id of ids) await workOneArrival(id);
      return { worked: ids.length, hasMore: false };
    }
  }

  async function workOneArrival(arrivalId: number): Promise<void> {
    try {
      await workArrivals(1, arrivalId);
    } catch (error) {
      if (error instanceof TransientError) throw error;
      // Somebody put it back into the queue: it was worked off long ago, and its runs stand.
      if (await dropIfWorkedOff(db, arrivalId)) return;
      deps.onError(error, `arrival ${arrivalId}`);
      const message = error instanceof Error ? error.message : String(error);
      const attempts = await putOffArrival(db, arrivalId, new Date(now().getTime() + 60_000), message.slice(0, 1000));
      if (attempts >= maxAttempts) await tryToGiveUp(arrivalId);
    }
  }

  /** When not even the failed runs can be written, the arrival stays put off, and the others go on. */
  async function tryToGiveUp(arrivalId: number): Promise<void> {
    try {
      await giveUp(arrivalId);
    } catch (error) {
      if (error instanceof TransientError) throw error;
      deps.onError(error, `giving up arrival ${arrivalId}`);
    }
  }

  /** Every robot of the arrival becomes a failed run that says so: visible, never silent. */
  function giveUp(arrivalId: number): Promise<void> {
    return db.transaction(async (tx) => {
      // Due or put off: taken either way.
      const at = now();
      const claimed = await claimArrivals(tx, new Date(at.getTime() + 3_600_000), 1, arrivalId);
      const [first] = claimed;
      if (!first) return;
      const arrival = arrivalOf(first);
      const { works, known } = await load(tx, [arrival], first.config, at, itemsOf(claimed), undefined);
      for (const work of works) {
        for (const robot of work.version?.onStage(arrival.stageId) ?? []) {
          const run = newRun(work, robot, known);
          end(run, 'failed', 'internal', known);
          known.unit.newRuns.push(run);
        }
      }
      await flush(tx, known.unit, writers, at);
    });
  }

  /** One transaction of runs whose moment has come. */
  function workDueRuns(itemIds: readonly number[]): Promise<number> {
    return db.transaction(async (tx) => {
      const at = now();
      // Items first, then their runs: the order in which a move locks them.
      const items = await lockItems(tx, itemIds);
      const [runs, config] = await Promise.all([lockDueRuns(tx, itemIds, at), configVersions(tx)]);
      if (runs.length === 0) return 0;
      const arrivals = await arrivalsByIds(tx, [...new Set(runs.map((run) => run.arrivalId))]);
      const { works, known } = await load(tx, arrivals, config, at, items, { runs });
      await decide(works, known);
      const touched = new Set(known.unit.changedRuns.map((run) => run.id));
      // A due run whose robot is unknown to its version cannot be decided: it ends, or it would be due for ever.
      for (const run of runs) {
        if (touched.has(run.id)) continue;
        end(run, 'cancelled', 'robot.removed', known);
        known.unit.changedRuns.push(run);
      }
      await flush(tx, known.unit, writers, at, config);
      await wakeFollowUps(tx, known.unit);
      return runs.length;
    }, { asyncCommit: true });
  }

  async function dueRunsRound(): Promise<Round> {
    const itemIds = await itemsWithDueRuns(db, now(), batchSize);
    let worked = 0;
    if (itemIds.length > 0) {
      try {
        worked = await workDueRuns(itemIds);
      } catch (error) {
        if (error instanceof TransientError) throw error;
        deps.onError(error, 'waiting-runs');
        for (const id of itemIds) worked += await workDueRunsOf(id);
      }
    }
    return { worked, hasMore: itemIds.length === batchSize, nextDueAt: await nextDueAt(db) };
  }

  async function workDueRunsOf(itemId: number): Promise<number> {
    try {
      return await workDueRuns([itemId]);
    } catch (error) {
      if (error instanceof TransientError) throw error;
      deps.onError(error, `waiting runs of item ${itemId}`);
      await giveUpDueRunsOf(itemId);
      return 0;
    }
  }

  async function giveUpDueRunsOf(itemId: number): Promise<void> {
    const failDueRuns = async (tx: Tx, at: Date): Promise<number[]> => {
      await lockItems(tx, [itemId]);
      const runs = await lockDueRuns(tx, [itemId], at);
      for (const run of runs) Object.assign(run, { state: 'failed', reason: 'internal', finishedAt: at });
      await updateRuns(tx, runs);
      return [...new Set(runs.map((run) => run.arrivalId))];
    };
    try {
      await db.transaction(async (tx) => {
        const at = now();
        await releaseFollowers(tx, await failDueRuns(tx, at), at);
      });
    } catch (error) {
      if (error instanceof TransientError) throw error;
      // What breaks its loading keeps those below from going on, but not other items.
      deps.onError(error, `giving up waiting runs of item ${itemId}`);
      await db.transaction((tx) => failDueRuns(tx, now()));
    }
  }

  /** Runs of these arrivals ended from outside: what waited for them gets its moment, and the loop decides it then. */
  async function releaseFollowers(tx: Tx, arrivalIds: readonly number[], at: Date): Promise<void> {
    if (arrivalIds.length === 0) return;
    const [arrivals, config] = await Promise.all([arrivalsByIds(tx, arrivalIds), configVersions(tx)]);
    const items = await lockItems(tx, [...new Set(arrivals.map((arrival) => arrival.itemId))]);
    const { works, known } = await load(tx, arrivals, config, at, items, { runs: [] });
    await updateRuns(tx, works.flatMap((work) => resume(work, known)));
    await jobs.wake(tx, 'waiting-runs');
  }

  /** Plans the first of each chain that waits for none above it any more. Returns the runs it changed. */
  function resume(work: Work, known: Known): RunRow[] {
    const { state } = work;
    const resumed: RunRow[] = [];
    let isBlocked = false;
    for (const robot of work.version?.onStage(work.arrival.stageId) ?? []) {
      if (robot.record.order === 'independent') isBlocked = false;
      const run = work.runs.get(robot.record.id);
      if (!state || run?.state !== 'waiting') continue;
      if (run.dueAt === null && !isBlocked) {
        const plan = planMoment(robot, work, state, known, true);
        if ('failure' in plan) end(run, 'failed', plan.failure, known, { params: { reference: plan.reference } });
        else wait(run, plan.dueAt, false, known);
        resumed.push(run);
      }
      if (run.state === 'waiting') isBlocked = true;
    }
    return resumed;
  }

  // ——— What changes of items mean for runs that wait

  /** In the transaction of the change: leaving a stage cancels what waits there; a changed date moves what follows it. */
  async function onItemsWritten(tx: Tx, { plans }: ItemsWritten): Promise<void> {
    const moved = plans.filter((plan) => plan.isMove && plan.before !== null).map((plan) => plan.after.id);
    if (moved.length > 0) tx.withCommit(cancelWaitingRuns(tx, moved, 'stage.left', now()));
    const changed = plans.filter((plan) => !plan.isMove && plan.before !== null && Object.keys(plan.changes).length > 0);
    if (changed.length > 0) await replan(tx, changed.map((plan) => plan.after));
  }

  async function replan(tx: Tx, items: readonly ItemRow[]): Promise<void> {
    const at = now();
    const waiting = await waitingRuns(tx, items.map((item) => item.id));
    if (waiting.length === 0) return;
    const [arrivals, config] = await Promise.all([arrivalsByIds(tx, [...new Set(waiting.map((run) => run.arrivalId))]), configVersions(tx)]);
    const { works, known } = await load(tx, arrivals, config, at, items, { runs: [] });
    const moved: RunRow[] = [];
    for (const work of works) {
      for (const run of work.runs.values()) {
        const robot = work.version?.byId.get(run.robotId);
        // Only moments that follow a field move; a delay counted from the arrival stays, and who waits for the one above has none yet.
        if (!robot || !work.state || run.state !== 'waiting' || run.dueAt === null || run.reason === waitsForAnswer || robot.timing.reference === null) continue;
        const plan = planMoment(robot, work, work.state, known, false);
        if ('failure' in plan) end(run, 'failed', plan.failure, known, { params: { reference: plan.reference } });
        else if (plan.dueAt.getTime() === run.dueAt.getTime()) continue;
        else run.dueAt = plan.dueAt;
        moved.push(run);
      }
      moved.push(...resume(work, known));
    }
    if (moved.length === 0) return;
    await updateRuns(tx, moved);
    await live.publish(tx, moved.map((run) => ({ topic: `item:${run.itemId}`, what: 'runs' })));
    await jobs.wake(tx, 'waiting-runs');
  }

  return {
    /** Registers the loops and listens to the CRM. */
    start(): void {
      jobs.add({ name: 'arrivals', lanes: 2, pollMs: 1000, work: arrivalsRound });
      jobs.add({ name: 'waiting-runs', lanes: 1, pollMs: 1000, work: dueRunsRound });
      crm.onItemsWritten(onItemsWritten);
      crm.onItemsDeleted(async (tx, itemIds) => {
        await cancelWaitingRuns(tx, itemIds, 'item.deleted', now());
      });
    },
    versions,

    releaseFollowers,

    /**
     * What the robots would do: the engine's own run on a made-up arrival, at the moment `at`. The caller's
     * transaction must be a dry run. Delays are shown, and (with `skipDelays`) not waited for.
     */
    async rehearse(tx: Tx, { item, stageId, version, at, employeeId, skipDelays }: {
      item: ItemRow;
      stageId: number;
      version: CompiledVersion;
      at: Date;
      employeeId: number | null;
      skipDelays: boolean;
    }): Promise<{ unit: UnitOfWork; batch: Batch }> {
      const arrival: ArrivalRow = {
        // Of its own for each item: several may be rehearsed in one transaction.
      id: -item.id, itemId: item.id, pipelineId: item.pipelineId, stageId, fromStageId: item.stageId, employeeId, cause: 'person', runId: null,
        chainId: null, depth: 0, createdAt: at,
      };
      const config = await configVersions(tx);
      const { works, known } = await load(tx, [arrival], config, at, await lockItems(tx, [item.id]), undefined, () => version.id, new Map([[version.id, version]]));
      for (const work of works) {
        if (work.state) work.state.row = { ...work.state.row, stageId };
        await decideArrival(work, known);
        for (let round = 0; skipDelays && round < work.runs.size; round++) {
          const waiting = [...work.runs.values()].filter((run) => run.state === 'waiting' && run.dueAt && run.reason !== waitsForAnswer);
          if (waiting.length === 0) break;
          work.dueRobotIds = new Set(waiting.map((run) => run.robotId));
          known.newestRobots.set(arrival.pipelineId, version);
          known.unit.newRuns = [];
          await decideArrival(work, known);
          known.unit.newRuns = [...work.runs.values()];
          known.unit.changedRuns = [];
        }
      }
      await flush(tx, known.unit, writers, at);
      return { unit: known.unit, batch: known.batch };
    },
  };
}

function arrivalOf(row: ClaimedRow): ArrivalRow {
  return {
    id: row.arrivalId, itemId: row.id, pipelineId: row.arrivalPipelineId, stageId: row.arrivalStageId, fromStageId: row.fromStageId,
    employeeId: row.employeeId, cause: row.cause, runId: row.runId, chainId: row.chainId, depth: row.depth, createdAt: row.arrivedAt,
  };
}

/** The items that are still there, each once although it may have arrived twice. */
function itemsOf(claimed: readonly ClaimedRow[]): ItemRow[] {
  const items = new Map<number, ItemRow>();
  for (const row of claimed) if (row.deletedAt === null) items.set(row.id, itemOf(row));
  return [...items.values()];
}

function isDatabaseError(error: unknown): boolean {
  if (error instanceof TransientError) return true;
  return error instanceof Error && 'severity' in error;
}
