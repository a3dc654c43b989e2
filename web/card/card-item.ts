/** The item of a card: loaded, kept fresh by the live line, changed (versioned.ts: by several people at once), moved, deleted. */
import { useQuery, useQueryCache } from '@pinia/colada';
import { computed, type ComputedRef, inject, type InjectionKey, provide, shallowRef } from 'vue';
import { useRouter } from 'vue-router';
import type { z } from 'zod';
import type { historyPage, item as itemContract, itemRights } from '../../shared/api/crm.ts';
import { api, ApiError } from '../api.ts';
import { type Field, useCrmConfig } from '../crm-config.ts';
import type { Json } from '../json.ts';
import { useLive } from '../live.ts';
import { t } from '../text.ts';
import { useSay } from '../ui/say.ts';
import { type FieldShape, shapeOf, systemFieldsOf } from '../values/fields.ts';
import { isEmptyValue } from '../values/value.ts';
import { createVersionedWriter } from './versioned.ts';

export type Item = Json<z.output<typeof itemContract>>;
export type ItemRights = z.output<typeof itemRights>;
export type HistoryEntry = Json<z.output<typeof historyPage>>['items'][number];

/** Fields that have to be filled before the item may stand on a stage. */
export interface Demand {
  stageName: string;
  fields: FieldShape[];
  give(values: Record<string, unknown> | undefined): void;
}

export function createCardItem(id: ComputedRef<number>) {
  const cache = useQueryCache();
  const router = useRouter();
  const say = useSay();
  const { itemType, fieldsOf, stage, pipeline } = useCrmConfig();

  const query = useQuery({ key: () => ['item', id.value], query: () => api.get<Item>(`/api/items/${id.value}`) });
  const rightsQuery = useQuery({ key: () => ['item', id.value, 'rights'], query: () => api.get<ItemRights>(`/api/items/${id.value}/rights`) });
  const item = computed(() => (query.data.value?.id === id.value ? query.data.value : undefined));
  const rights = computed<ItemRights>(() => rightsQuery.data.value ?? { change: false, move: false, delete: false });
  const type = computed(() => itemType(item.value?.itemTypeId));
  const fields = computed<FieldShape[]>(() => (type.value ? [...systemFieldsOf(type.value), ...fieldsOf(type.value.id).map(shapeOf)] : []));

  /** What fails while it is renewed is told by the query that failed. */
  function renew(itemId = id.value): void {
    cache.invalidateQueries({ key: ['item', itemId] }).catch(() => {});
  }
  useLive(() => `item:${id.value}`, () => renew());

  const demand = shallowRef<Demand>();

  function put(changed: Item): void {
    cache.setQueryData(['item', changed.id], changed);
  }
  async function fresh(): Promise<Item> {
    const now = await api.get<Item>(`/api/items/${id.value}`);
    put(now);
    return now;
  }

  async function patch(body: Record<string, unknown>, version?: number): Promise<Item> {
    return api.patch<Item>(`/api/items/${id.value}`, version === undefined ? body : { ...body, version });
  }

  async function whoWrote(code: string): Promise<HistoryEntry | undefined> {
    try {
      const page = await api.get<Json<z.output<typeof historyPage>>>(`/api/items/${id.value}/history`, { limit: 50 });
      return page.items.find((entry) => code in entry.changes);
    } catch {
      return undefined;
    }
  }

  const { conflict, write } = createVersionedWriter<Item>({ current: () => item.value, fresh, patch, put, whoWrote });

  /** The same, with a way back. Throws what the server refuses, for the field to show. */
  async function save(field: FieldShape, value: unknown, base: unknown, extra: Record<string, unknown> = {}): Promise<void> {
    const before = item.value;
    if ((await write(field, value, base, extra)) === 'theirs' || !before) return;
    const back = Object.fromEntries(Object.keys(extra).map((key) => [key, Object.entries(before).find(([name]) => name === key)?.[1]]));
    say.done(t('web.card.saved', { field: field.name }), {
      undo: async () => {
        try {
          await write(field, base ?? null, value, back);
        } catch (error) {
          say.failed(error);
        }
      },
    });
  }

  /** Own fields that the stage asks for and the item does not have. */
  function missingFor(stageId: number, names: readonly string[] = []): FieldShape[] {
    const now = item.value;
    if (!now) return [];
    return fieldsOf(now.itemTypeId)
      .filter((field: Field) => isEmptyValue(now.values[field.code]) && (field.isRequired || field.requiredStageIds.includes(stageId) || names.includes(field.name)))
      .map(shapeOf);
  }

  function ask(stageId: number, wanted: FieldShape[]): Promise<Record<string, unknown> | undefined> {
    return new Promise((resolve) => {
      demand.value = {
        stageName: stage(stageId)?.name ?? '', fields: wanted,
        give: (values) => {
          demand.value = undefined;
          resolve(values);
        },
      };
    });
  }

  /** Moves the item; the bar answers at once and goes back when the server refuses. */
  async function move(stageId: number, { isUndo = false } = {}): Promise<void> {
    const before = item.value;
    const target = stage(stageId);
    if (!before || !target || before.stageId === stageId) return;
    let values: Record<string, unknown> = {};
    const missing = missingFor(stageId);
    if (missing.length > 0) {
      const given = await ask(stageId, missing);
      if (!given) return;
      values = given;
    }
    for (;;) {
      put({ ...(item.value ?? before), stageId, pipelineId: target.pipelineId });
      try {
        put(await patch({ stageId, ...(Object.keys(values).length > 0 ? { values } : {}) }));
        break;
      } catch (error) {
        put({ ...(item.value ?? before), stageId: before.stageId, pipelineId: before.pipelineId });
        const names = error instanceof ApiError && error.code === 'item.required_fields' && Array.isArray(error.params.fields) ? error.params.fields.map(String) : [];
        const wanted = names.length > 0 ? missingFor(stageId, names) : [];
        if (wanted.length === 0) {
          say.failed(error, t('web.card.not_moved', { stage: target.name }));
          void fresh().catch(() => {});
          return;
        }
        const given = await ask(stageId, wanted);
        if (!given) return;
        values = { ...values, ...given };
      }
    }
    renew();
    if (isUndo) return;
    say.done(t('web.card.moved', { stage: target.name }), { undo: () => move(before.stageId, { isUndo: true }) });
  }

  async function remove(): Promise<boolean> {
    const gone = item.value;
    if (!gone) return false;
    try {
      await api.del(`/api/items/${gone.id}`);
    } catch (error) {
      say.failed(error);
      return false;
    }
    const path = itemPath(gone.id, type.value?.code);
    say.done(t('web.card.deleted', { title: gone.title }), {
      undo: async () => {
        try {
          await api.post(`/api/items/${gone.id}/restore`);
          renew(gone.id);
          await router.push(path);
        } catch (error) {
          say.failed(error);
        }
      },
    });
    return true;
  }

  return {
    item, rights, type, fields, error: query.error, conflict, demand,
    pipeline: computed(() => pipeline(item.value?.pipelineId)),
    isLoading: computed(() => item.value === undefined && query.error.value === null),
    save, move, remove,
    reload: () => renew(),
  };
}

export type CardItem = ReturnType<typeof createCardItem>;

const key: InjectionKey<CardItem> = Symbol('card item');
export function provideCardItem(card: CardItem): void {
  provide(key, card);
}
/** For everything inside of a card. */
export function useCardItem(): CardItem {
  const card = inject(key);
  if (!card) throw new Error('This stands outside of a card.');
  return card;
}

export function itemPath(id: number, typeCode: string | undefined): string {
  return typeCode === undefined ? `/items/${id}` : `/crm/${typeCode}/item/${id}`;
}
