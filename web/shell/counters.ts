/** Unread things beside the sections, kept true by live hints. */
import { useQuery, useQueryCache } from '@pinia/colada';
import { computed, watch } from 'vue';
import type { z } from 'zod';
import type { chatCounters } from '../../shared/api/chat.ts';
import type { feedCounters } from '../../shared/api/feed.ts';
import type { notificationCounters } from '../../shared/api/notifications.ts';
import { api } from '../api.ts';
import type { Json } from '../json.ts';
import { type Hint, useLive } from '../live.ts';
import { renew } from '../renew.ts';
import { titleCount } from '../router.ts';
import { useSession } from '../session.ts';

export function useCounters() {
  const { me } = useSession();
  const cache = useQueryCache();
  const bell = useQuery({ key: ['counters', 'notifications'], query: () => api.get<Json<z.output<typeof notificationCounters>>>('/api/notifications/counters') });
  const chats = useQuery({ key: ['counters', 'chats'], query: () => api.get<Json<z.output<typeof chatCounters>>>('/api/chats/counters') });
  const feed = useQuery({ key: ['counters', 'feed'], query: () => api.get<Json<z.output<typeof feedCounters>>>('/api/posts/counters') });
  const renewFeed = ({ what }: Hint): void => {
    if (what === 'posts' || what === 'feed-seen' || what === 'resync') renew(cache, ['counters', 'feed']);
  };
  useLive('feed', renewFeed);
  useLive(() => `employee:${me.value.id}`, renewFeed);
  useLive(() => `employee:${me.value.id}`, ({ what }) => {
    if (what === 'notifications' || what === 'resync') renew(cache, ['counters', 'notifications']);
    if (what === 'chats' || what === 'resync') renew(cache, ['counters', 'chats']);
  });
  const unreadNotifications = computed(() => bell.data.value?.unread ?? 0);
  const unreadChats = computed(() => chats.data.value?.unreadChats ?? 0);
  watch([unreadNotifications, unreadChats], ([a, b]) => {
    titleCount.value = a + b;
  });
  const unseenPosts = computed(() => feed.data.value?.unseen ?? 0);
  return { unreadNotifications, unreadChats, unseenPosts };
}
