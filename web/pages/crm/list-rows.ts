/** The rows of a list: read page by page in the order asked for, kept true by live hints, edited in place. */
import { computed, type MaybeRefOrGetter, onScopeDispose, ref, shallowRef, toValue, watch } from 'vue';
import type { z } from 'zod';
import type { itemCount } from '../../../shared/api/crm-work.ts';
import type { itemPage } from '../../../shared/api/crm.ts';
import { api } from '../../api.ts';
import type { Item } from '../../board/board.ts';
import type { ItemQuery } from '../../filters/filters.ts';
import type { Json } from '../../json.ts';
import { useLive } from '../../live.ts';

type Page = Json<z.output<typeof itemPage>>;

export interface RowsAsked {
  itemTypeId: number;
  pipelineId: number;
  query: ItemQuery;
  sort: string;
  direction: 'asc' | 'desc';
}

const pageSize = 100;
const gatherMs = 150;

export function useRows(source: MaybeRefOrGetter<RowsAsked>) {
  const items = shallowRef<readonly Item[]>([]);
  const cursor = ref<string | null>();
  const isLoading = ref(false);
  const error = ref<unknown>();
  const count = ref<z.output<typeof itemCount>>();
  let generation = 0;
  const asked = computed(() => toValue(source));

  const selection = (more: object = {}): object => {
    const { itemTypeId, pipelineId, query } = asked.value;
    return { itemTypeId, pipelineId, ...(query.search === '' ? {} : { search: query.search }), filters: query.filters, ...more };
  };

  async function readMore(): Promise<void> {
    if (isLoading.value || cursor.value === null) return;
    const mine = generation;
    isLoading.value = true;
    error.value = undefined;
    try {
      const { sort, direction } = asked.value;
      const page = await api.post<Page>('/api/items/search', selection({ sort, direction, limit: pageSize, ...(cursor.value === undefined ? {} : { cursor: cursor.value }) }));
      if (mine !== generation) return;
      const known = new Set(items.value.map((item) => item.id));
      items.value = [...items.value, ...page.items.filter((item) => !known.has(item.id))];
      cursor.value = page.nextCursor;
    } catch (problem) {
      if (mine === generation) error.value = problem;
    }
    if (mine === generation) isLoading.value = false;
  }

  async function readCount(): Promise<void> {
    const mine = generation;
    try {
      const answer = await api.post<z.output<typeof itemCount>>('/api/items/count', selection());
      if (mine === generation) count.value = answer;
    } catch {
      // The rows tell what is wrong.
    }
  }

  function startOver(): void {
    generation++;
    items.value = [];
    cursor.value = undefined;
    isLoading.value = false;
    count.value = undefined;
    void readMore();
    void readCount();
  }
  watch(() => JSON.stringify(asked.value), startOver, { immediate: true });

  // -- What others change

  let changed = new Set<number>();
  let isEverything = false;
  let timer: ReturnType<typeof setTimeout> | undefined;
  async function fetchChanged(): Promise<void> {
    timer = undefined;
    const ids = [...changed];
    const all = isEverything || ids.length > 200;
    changed = new Set();
    isEverything = false;
    const mine = generation;
    try {
      if (all) {
        const { sort, direction } = asked.value;
        const page = await api.post<Page>('/api/items/search', selection({ sort, direction, limit: 200 }));
        if (mine !== generation) return;
        items.value = page.items;
        cursor.value = page.nextCursor;
      } else {
        const page = await api.post<Page>('/api/items/search', selection({ filters: [...asked.value.query.filters, { field: 'id', op: 'in', value: ids }], limit: 200 }));
        if (mine !== generation) return;
        const now = new Map(page.items.map((item) => [item.id, item]));
        const known = new Set(items.value.map((item) => item.id));
        const kept = items.value.flatMap((item) => (ids.includes(item.id) ? (now.get(item.id) ?? []) : [item]));
        // New ones come on top where the newest are on top; elsewhere they are found when one looks anew.
        const isNewestFirst = asked.value.sort === 'createdAt' && asked.value.direction === 'desc';
        const fresh = isNewestFirst ? page.items.filter((item) => !known.has(item.id) && item.id > (items.value[0]?.id ?? 0)).sort((a, b) => b.id - a.id) : [];
        items.value = [...fresh, ...kept];
      }
      await readCount();
    } catch {
      // The next hint tells it again.
    }
  }
  useLive(() => `pipeline:${asked.value.pipelineId}`, (hint) => {
    if (hint.what !== 'items' && hint.what !== 'resync') return;
    if (hint.id === undefined) isEverything = true;
    else changed.add(hint.id);
    timer ??= setTimeout(() => void fetchChanged(), gatherMs);
  });
  onScopeDispose(() => clearTimeout(timer));

  /** Shown at once; refused, the old value is back and the error is thrown. */
  async function change(item: Item, body: Record<string, unknown>): Promise<void> {
    const values = typeof body.values === 'object' && body.values !== null ? { ...item.values, ...body.values } : item.values;
    const put = (now: Item): void => {
      items.value = items.value.map((one) => (one.id === now.id ? now : one));
    };
    put({ ...item, ...body, values });
    try {
      put(await api.patch<Item>(`/api/items/${item.id}`, body));
    } catch (problem) {
      put(item);
      throw problem;
    }
  }

  return { items, cursor, isLoading, error, count, readMore, startOver, change };
}
