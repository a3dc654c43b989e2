/** How the person wants to be told; one copy for the whole page. */
import { useQuery, useQueryCache } from '@pinia/colada';
import { computed } from 'vue';
import type { z } from 'zod';
import type { NotificationSettings, notificationSettingsAnswer } from '../../shared/api/push.ts';
import { api } from '../api.ts';
import type { Json } from '../json.ts';
import { useLive } from '../live.ts';
import { renew } from '../renew.ts';
import { useSession } from '../session.ts';

export type Settings = Json<z.output<typeof notificationSettingsAnswer>>;

export function useNotificationSettings() {
  const { me } = useSession();
  const cache = useQueryCache();
  const query = useQuery({ key: ['notification-settings'], query: () => api.get<Settings>('/api/notification-settings'), staleTime: 5 * 60_000 });
  useLive(() => `employee:${me.value.id}`, ({ what }) => {
    if (what === 'notification-settings') renew(cache, ['notification-settings']);
  });
  const settings = computed(() => query.data.value);
  return {
    settings,
    /** Nothing is to be heard or to jump up now. */
    isQuiet: (): boolean => {
      const until = settings.value?.quietUntil ?? null;
      return until !== null && Date.parse(until) > Date.now();
    },
    async save(change: NotificationSettings): Promise<void> {
      cache.setQueryData(['notification-settings'], await api.put<Settings>('/api/notification-settings', change));
    },
  };
}
