/**
 * The items of a pipeline as a board holds them: by stage, read page by page, kept true by live hints.
 *
 * A column is read when it is first seen, the newest arrivals first, and goes on as one scrolls. A move is shown at once
 * and told to the server after; refused, the card goes back. What others do comes as a hint with the item's id: changed
 * items are fetched together and put where they belong; of many at once only what is on the screen is read anew.
 */
import { computed, type MaybeRefOrGetter, onScopeDispose, ref, shallowReactive, toValue, watch } from 'vue';
import type { z } from 'zod';
import type { item, itemPage, pipelineSummary } from '../../shared/api/crm.ts';
import { api, ApiError } from '../api.ts';
import { type ItemQuery, printFilters } from '../filters/filters.ts';
import type { Json } from '../json.ts';
import { useLive } from '../live.ts';

export type Item = Json<z.output<typeof item>>;
type Page = Json<z.output<typeof itemPage>>;
export type StageSummary = z.output<typeof pipelineSummary>['stages'][number];

export interface Column {
  readonly stageId: number;
  items: readonly Item[];
  /** undefined: not read yet; null: there is no more. */
  cursor: string | null | undefined;
  isLoading: boolean;
  error: unknown;
}

const pageSize = 50;
/** Hints of one moment are one question. */
const gatherMs = 80;
const summaryEveryMs = 700;

export interface Refusal {
  item: Item;
  stageId: number;
  error: ApiError;
}

export function useBoard(source: MaybeRefOrGetter<{ itemTypeId: number; pipelineId: number; stageIds: readonly number[]; query: ItemQuery } | undefined>) {
  const columns = shallowReactive(new Map<number, Column>());
  const summaries = ref<ReadonlyMap<number, StageSummary>>(new Map());
  const summaryError = ref<unknown>();
  const isSummaryKnown = ref(false);
  /** Grows with every change of what is asked: answers to old questions are thrown away. */
  let generation = 0;
  const seen = new Set<number>();
  /** Moved here and not yet confirmed: hints about them are about the past. */
  const underWay = new Map<number, number>();

  const asked = computed(() => toValue(source));
  const askedKey = computed(() => JSON.stringify(asked.value));

  function column(stageId: number): Column {
    let known = columns.get(stageId);
    if (!known) {
      known = { stageId, items: [], cursor: undefined, isLoading: false, error: undefined };
      columns.set(stageId, known);
    }
    return known;
  }
  function put(stageId: number, change: Partial<Column>): void {
    columns.set(stageId, { ...column(stageId), ...change });
  }

  function request(more: object): object {
    const { itemTypeId, pipelineId, query } = asked.value ?? { itemTypeId: 0, pipelineId: 0, query: { search: '', filters: [] } };
    return { itemTypeId, pipelineId, ...(query.search === '' ? {} : { search: query.search }), filters: query.filters, ...more };
  }

  // -- Reading

  async function readMore(stageId: number): Promise<void> {
    const now = column(stageId);
    if (!asked.value || now.isLoading || now.cursor === null) return;
    const mine = generation;
    put(stageId, { isLoading: true, error: undefined });
    try {
      const page = await api.post<Page>('/api/items/search', request({ stageId, sort: 'movedAt', limit: pageSize, ...(now.cursor === undefined ? {} : { cursor: now.cursor }) }));
      if (mine !== generation) return;
      const known = new Set(column(stageId).items.map((one) => one.id));
      const fresh = page.items.filter((one) => !known.has(one.id) && !underWay.has(one.id));
      put(stageId, { items: [...column(stageId).items, ...fresh], cursor: page.nextCursor, isLoading: false });
    } catch (error) {
      if (mine === generation) put(stageId, { isLoading: false, error });
    }
  }

  /** The head of a column anew; what was read below it stays when it still follows. */
  async function readAgain(stageId: number): Promise<void> {
    if (!asked.value || column(stageId).cursor === undefined) return;
    const mine = generation;
    try {
      const page = await api.post<Page>('/api/items/search', request({ stageId, sort: 'movedAt', limit: 100 }));
      if (mine !== generation) return;
      put(stageId, { items: page.items, cursor: page.nextCursor, error: undefined });
    } catch (error) {
      if (mine === generation) put(stageId, { error });
    }
  }

  async function readSummary(): Promise<void> {
    if (!asked.value) return;
    const mine = generation;
    const { pipelineId, query } = asked.value;
    try {
      const answer = await api.get<{ stages: StageSummary[] }>(`/api/pipelines/${pipelineId}/summary`, { search: query.search, filters: printFilters(query.filters) });
      if (mine !== generation) return;
      summaries.value = new Map(answer.stages.map((stage) => [stage.stageId, stage]));
      isSummaryKnown.value = true;
      summaryError.value = undefined;
    } catch (error) {
      if (mine === generation) summaryError.value = error;
    }
  }

  let summaryTimer: ReturnType<typeof setTimeout> | undefined;
  let summaryReadAt = 0;
  function readSummarySoon(): void {
    if (summaryTimer !== undefined) return;
    summaryTimer = setTimeout(() => {
      summaryTimer = undefined;
      summaryReadAt = performance.now();
      void readSummary();
    }, Math.max(gatherMs, summaryReadAt + summaryEveryMs - performance.now()));
  }

  function startOver(): void {
    generation++;
    columns.clear();
    isSummaryKnown.value = false;
    underWay.clear();
    void readSummary();
    for (const stageId of seen) if (asked.value?.stageIds.includes(stageId)) void readMore(stageId);
  }
  watch(askedKey, startOver, { immediate: true });

  /** The column came onto the screen for the first time. */
  function show(stageId: number): void {
    seen.add(stageId);
    if (column(stageId).cursor === undefined) void readMore(stageId);
  }

  // -- Hints

  let changed = new Set<number>();
  let changedTimer: ReturnType<typeof setTimeout> | undefined;
  let isEverything = false;
  function hear(id: number | undefined): void {
    if (id === undefined) isEverything = true;
    else changed.add(id);
    changedTimer ??= setTimeout(() => void fetchChanged(), gatherMs);
  }
  async function fetchChanged(): Promise<void> {
    changedTimer = undefined;
    const ids = [...changed].filter((id) => !underWay.has(id));
    const all = isEverything || ids.length > 200;
    changed = new Set();
    isEverything = false;
    readSummarySoon();
    if (all) {
      await Promise.all([...columns.keys()].map((stageId) => readAgain(stageId)));
      return;
    }
    if (ids.length === 0 || !asked.value) return;
    const mine = generation;
    try {
      const query = asked.value.query;
      const page = await api.post<Page>('/api/items/search', request({ filters: [...query.filters, { field: 'id', op: 'in', value: ids }], limit: 200 }));
      if (mine !== generation) return;
      const now = new Map(page.items.map((one) => [one.id, one]));
      for (const id of ids) if (!underWay.has(id)) place(id, now.get(id));
    } catch {
      // The next hint or the way back of the line tells it again.
    }
  }
  useLive(() => (asked.value ? `pipeline:${asked.value.pipelineId}` : undefined), (hint) => {
    if (hint.what === 'items') hear(hint.id);
    else if (hint.what === 'resync') hear(undefined);
  });
  onScopeDispose(() => {
    clearTimeout(changedTimer);
    clearTimeout(summaryTimer);
  });

  /** Where the item stands now; undefined: nowhere on this board. */
  function place(id: number, now: Item | undefined): void {
    for (const { stageId, items } of columns.values()) {
      if (stageId !== now?.stageId && items.some((one) => one.id === id)) put(stageId, { items: items.filter((one) => one.id !== id) });
    }
    if (now) insert(now);
  }

  /** In the order of arrival; below what was read it is not shown yet. */
  function insert(now: Item): void {
    const { items, cursor } = column(now.stageId);
    if (cursor === undefined) return;
    const at = items.findIndex((one) => one.id === now.id);
    if (at >= 0 && items[at]?.movedAt === now.movedAt) {
      put(now.stageId, { items: items.with(at, now) });
      return;
    }
    const others = at >= 0 ? items.toSpliced(at, 1) : [...items];
    const place = others.findIndex((one) => one.movedAt < now.movedAt || (one.movedAt === now.movedAt && one.id < now.id));
    if (place === -1 && cursor !== null) {
      if (at >= 0) put(now.stageId, { items: others });
      return;
    }
    put(now.stageId, { items: others.toSpliced(place === -1 ? others.length : place, 0, now) });
  }

  // -- Moving: shown at once, told after

  function count(stageId: number, by: number, moved: Item): void {
    const known = summaries.value.get(stageId);
    if (!known) return;
    const sums = known.sums.map((sum) => (sum.currency === moved.currency && moved.amount !== null ? { ...sum, amount: Math.round((sum.amount + by * moved.amount) * 100) / 100 } : sum));
    if (moved.amount !== null && !sums.some((sum) => sum.currency === moved.currency)) sums.push({ currency: moved.currency, amount: by * moved.amount });
    summaries.value = new Map(summaries.value).set(stageId, { ...known, count: Math.max(0, known.count + by), sums });
  }

  function find(id: number): Item | undefined {
    for (const { items } of columns.values()) {
      const found = items.find((one) => one.id === id);
      if (found) return found;
    }
    return undefined;
  }

  /** Moves cards to a stage; those the server refuses go back where they were. */
  async function move(moved: readonly Item[], stageId: number): Promise<{ done: Item[]; refused: Refusal[] }> {
    const wanted = moved.filter((one) => one.stageId !== stageId);
    const at = new Date().toISOString();
    const moves = wanted.map((before) => {
      underWay.set(before.id, (underWay.get(before.id) ?? 0) + 1);
      const after: Item = { ...before, stageId, movedAt: at };
      place(before.id, after);
      count(before.stageId, -1, before);
      count(stageId, 1, before);
      return { before, after };
    });
    const outcomes = await Promise.all(moves.map(async ({ before }) => {
      try {
        return { before, now: await api.patch<Item>(`/api/items/${before.id}`, { stageId }) };
      } catch (error) {
        return { before, error };
      }
    }));
    const done: Item[] = [];
    const refused: Refusal[] = [];
    let unexpected: unknown;
    for (const outcome of outcomes) {
      const { before } = outcome;
      const left = (underWay.get(before.id) ?? 1) - 1;
      if (left === 0) underWay.delete(before.id);
      else underWay.set(before.id, left);
      if ('now' in outcome && outcome.now) {
        // A later move of the same card may be on its way already.
        if (left === 0) place(before.id, outcome.now);
        done.push(outcome.now);
        continue;
      }
      place(before.id, before);
      count(stageId, -1, before);
      count(before.stageId, 1, before);
      if (outcome.error instanceof ApiError) refused.push({ item: before, stageId, error: outcome.error });
      else unexpected = outcome.error;
    }
    readSummarySoon();
    if (unexpected !== undefined) throw unexpected;
    return { done, refused };
  }

  /** Taken off at once; `undo` by whoever called. */
  async function remove(gone: readonly Item[]): Promise<{ done: Item[]; refused: Refusal[] }> {
    for (const one of gone) place(one.id, undefined);
    const done: Item[] = [];
    const refused: Refusal[] = [];
    await Promise.all(gone.map(async (one) => {
      try {
        await api.del(`/api/items/${one.id}`);
        done.push(one);
      } catch (error) {
        place(one.id, one);
        if (!(error instanceof ApiError)) throw error;
        refused.push({ item: one, stageId: one.stageId, error });
      }
    }));
    readSummarySoon();
    return { done, refused };
  }

  async function make(stageId: number, title: string): Promise<Item> {
    const { itemTypeId, pipelineId } = asked.value ?? { itemTypeId: 0, pipelineId: 0 };
    const made = await api.post<Item>('/api/items', { itemTypeId, pipelineId, stageId, title });
    add(made);
    return made;
  }

  /** A new item, made here or elsewhere. */
  function add(made: Item): void {
    place(made.id, made);
    count(made.stageId, 1, made);
    readSummarySoon();
  }

  return { columns, column, summaries, isSummaryKnown, summaryError, show, readMore, move, remove, make, add, find, startOver, retrySummary: readSummary };
}

export type Board = ReturnType<typeof useBoard>;
