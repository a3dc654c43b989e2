/**
 * Item types, pipelines, stages and fields as pages use them. One copy for the whole page, loaded with the first question
 * and loaded again when the company says that somebody configured.
 */
import { defineQuery, useQuery, useQueryCache } from '@pinia/colada';
import { computed } from 'vue';
import type { z } from 'zod';
import type { crmConfig } from '../shared/api/crm.ts';
import { api } from './api.ts';
import type { Json } from './json.ts';
import { listen } from './live.ts';
import { renew } from './renew.ts';
import { onForget } from './session.ts';

export type CrmConfig = Json<z.output<typeof crmConfig>>;
export type ItemType = CrmConfig['itemTypes'][number];
export type Pipeline = CrmConfig['pipelines'][number];
export type Stage = Pipeline['stages'][number];
export type Field = CrmConfig['fields'][number];
export type FieldType = Field['type'];

let stopListening: (() => void) | undefined;
onForget(() => {
  stopListening?.();
  stopListening = undefined;
});

/** Hundreds of values ask; each question of its own would cost more than what it draws. */
const useShared = defineQuery(() => {
  const cache = useQueryCache();
  const query = useQuery({ key: ['crm-config'], query: () => api.get<CrmConfig>('/api/crm-config'), staleTime: 10 * 60_000 });
  const config = computed(() => query.data.value);
  const stages = computed(() => new Map((config.value?.pipelines ?? []).flatMap((pipeline) => pipeline.stages).map((stage) => [stage.id, stage])));
  return {
    /** Undefined until it came. */
    config,
    error: query.error,
    reload: () => query.refetch(),
    itemTypes: computed(() => config.value?.itemTypes ?? []),
    itemType: (id: number | undefined): ItemType | undefined => config.value?.itemTypes.find((one) => one.id === id),
    itemTypeByCode: (code: string): ItemType | undefined => config.value?.itemTypes.find((one) => one.code === code),
    pipelinesOf: (itemTypeId: number): Pipeline[] => config.value?.pipelines.filter((one) => one.itemTypeId === itemTypeId) ?? [],
    pipeline: (id: number | undefined): Pipeline | undefined => config.value?.pipelines.find((one) => one.id === id),
    stage: (id: number | undefined): Stage | undefined => (id === undefined ? undefined : stages.value.get(id)),
    /** Own fields of an item type, in their order. */
    fieldsOf: (itemTypeId: number): Field[] => config.value?.fields.filter((one) => one.entity === 'item' && one.itemTypeId === itemTypeId) ?? [],
    clientFields: (entity: 'contact' | 'company'): Field[] => config.value?.fields.filter((one) => one.entity === entity) ?? [],
    renew: () => renew(cache, ['crm-config']),
  };
});

export function useCrmConfig() {
  const { renew: renewAll, ...shared } = useShared();
  stopListening ??= listen('company', (hint) => {
    if (hint.what === 'crm' || hint.what === 'resync') renewAll();
  });
  return shared;
}
