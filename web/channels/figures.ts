/** How sending went in the last 24 hours, and what waits for a decision; kept true by live hints, not more often than pays. */
import { useQuery, useQueryCache } from '@pinia/colada';
import { useThrottleFn } from '@vueuse/core';
import { computed } from 'vue';
import type { z } from 'zod';
import type { deliveryCounters, deliveryFigures } from '../../shared/api/deliveries.ts';
import { api } from '../api.ts';
import type { Json } from '../json.ts';
import { useLive } from '../live.ts';
import { useSession } from '../session.ts';
import type { Channel } from '../pages/channels/channels.ts';

export type Figures = Json<z.output<typeof deliveryFigures>>;
/** There is one journal; its topic is for administrators. */
export const journalTopic = 'deliveries:1';

/** Calls `refresh` when deliveries changed, at once and then every `everyMs` at most. */
export function useJournalHints(refresh: () => unknown, everyMs: number): void {
  const { isAdmin, me } = useSession();
  const soon = useThrottleFn(refresh, everyMs, true);
  useLive(() => (isAdmin.value ? journalTopic : `employee:${me.value.id}`), ({ what }) => {
    if (what === 'deliveries' || what === 'resync') void soon();
  });
}

const nothing = { sent: 0, waiting: 0, failed: 0, unknown: 0 };

export function useFigures() {
  const cache = useQueryCache();
  const { data } = useQuery({ key: ['delivery-figures'], query: () => api.get<Figures>('/api/delivery-figures') });
  useJournalHints(() => cache.invalidateQueries({ key: ['delivery-figures'] }), 5000);
  return {
    figures: data,
    /** undefined: not known yet. */
    ofSender: (channel: Channel, senderId: number) => data.value && (data.value.senders.find((one) => one.channel === channel && one.senderId === senderId) ?? nothing),
  };
}

/** For the badge: administrators only, nobody else is asked to decide. */
export function useUndecided() {
  const { isAdmin } = useSession();
  const cache = useQueryCache();
  const { data } = useQuery({ key: ['delivery-counters'], query: () => api.get<z.output<typeof deliveryCounters>>('/api/deliveries/counters'), enabled: () => isAdmin.value });
  useJournalHints(() => isAdmin.value && cache.invalidateQueries({ key: ['delivery-counters'] }), 2000);
  return computed(() => data.value ?? { needDecision: 0, hasMore: false });
}
