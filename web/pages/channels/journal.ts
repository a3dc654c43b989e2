/** The rows of the delivery journal: page by page, newest first; what changed is read again from the top. */
import { computed, type MaybeRefOrGetter, ref, shallowRef, toValue, watch } from 'vue';
import type { LocationQuery } from 'vue-router';
import type { z } from 'zod';
import type { deliveryPage } from '../../../shared/api/deliveries.ts';
import { api, type Query } from '../../api.ts';
import type { Json } from '../../json.ts';
import { momentOf } from '../../values/value.ts';
import { type Channel, type Delivery, deliveryStates } from './channels.ts';
import { useJournalHints } from '../../channels/figures.ts';

export interface JournalQuery {
  /** Only what a person has to decide on. */
  isUndecided: boolean;
  channel: Channel | undefined;
  state: Delivery['state'] | undefined;
  employeeId: number | null;
  senderId: number | undefined;
  runId: number | undefined;
  itemId: number | undefined;
  address: string;
  /** Days, both included. */
  from: string;
  to: string;
}

const one = (value: LocationQuery[string] | undefined): string => (typeof value === 'string' ? value : '');
function numberFrom(value: LocationQuery[string] | undefined): number | undefined {
  return /^[1-9]\d{0,14}$/.test(one(value)) ? Number(one(value)) : undefined;
}
const dayFrom = (value: LocationQuery[string] | undefined): string => (/^\d{4}-\d\d-\d\d$/.test(one(value)) ? one(value) : '');

export function fromAddress(query: LocationQuery): JournalQuery {
  const channel = one(query.channel);
  return {
    isUndecided: query.view === 'undecided',
    channel: channel === 'email' || channel === 'sms' ? channel : undefined,
    state: deliveryStates.find((state) => state === query.state),
    employeeId: numberFrom(query.employeeId) ?? null,
    senderId: numberFrom(query.senderId), runId: numberFrom(query.runId), itemId: numberFrom(query.itemId),
    address: one(query.address), from: dayFrom(query.from), to: dayFrom(query.to),
  };
}

export function toAddress({ isUndecided, ...asked }: JournalQuery): Record<string, string> {
  const query = Object.fromEntries(Object.entries(asked).flatMap(([name, value]) => (value === undefined || value === null || value === '' ? [] : [[name, String(value)]])));
  return isUndecided ? { view: 'undecided', ...query } : query;
}

export function isFiltered(asked: JournalQuery): boolean {
  return Object.keys(toAddress({ ...asked, isUndecided: false })).length > 0;
}

function dayAfter(day: string): string {
  return new Date(Date.parse(`${day}T00:00:00Z`) + 86_400_000).toISOString().slice(0, 10);
}
function toQuery({ isUndecided, from, to, ...rest }: JournalQuery, timeZone: string): Query {
  return {
    ...rest,
    ...(isUndecided ? { needsDecision: true } : {}),
    from: from === '' ? undefined : momentOf(`${from}T00:00`, timeZone),
    to: to === '' ? undefined : momentOf(`${dayAfter(to)}T00:00`, timeZone),
  };
}

type Page = Json<z.output<typeof deliveryPage>>;
const pageSize = 50;
const mostAtOnce = 200;

export function useJournal(source: MaybeRefOrGetter<JournalQuery>, timeZone: MaybeRefOrGetter<string>) {
  const rows = shallowRef<readonly Delivery[]>();
  const cursor = ref<string | null>(null);
  const error = ref<unknown>();
  const isLoading = ref(false);
  let generation = 0;
  const asked = computed(() => toQuery(toValue(source), toValue(timeZone)));

  async function read(more: Query, take: (page: Page) => void): Promise<void> {
    const mine = ++generation;
    isLoading.value = true;
    try {
      const page = await api.get<Page>('/api/deliveries', { ...asked.value, ...more });
      if (mine !== generation) return;
      error.value = undefined;
      take(page);
    } catch (problem) {
      if (mine === generation) error.value = problem;
    } finally {
      if (mine === generation) isLoading.value = false;
    }
  }
  /** From the top: what was read further down stays as it was. */
  const refresh = () => read({ limit: Math.min(mostAtOnce, Math.max(pageSize, rows.value?.length ?? 0)) }, ({ items, nextCursor }) => {
    const lastId = items.at(-1)?.id ?? 0;
    const below = nextCursor === null ? [] : (rows.value ?? []).filter((row) => row.id < lastId);
    rows.value = [...items, ...below];
    if (below.length === 0) cursor.value = nextCursor;
  });
  const readMore = () => read({ limit: pageSize, cursor: cursor.value }, ({ items, nextCursor }) => {
    rows.value = [...(rows.value ?? []), ...items];
    cursor.value = nextCursor;
  });
  watch(() => JSON.stringify(asked.value), () => {
    rows.value = undefined;
    void refresh();
  }, { immediate: true });
  useJournalHints(() => refresh(), 1000);
  return { rows, error, isLoading, hasMore: computed(() => cursor.value !== null), refresh, readMore };
}
