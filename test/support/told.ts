/** What people were told, read back as each of them sees it: through their own tokens. */
import assert from 'node:assert/strict';
import type { z } from 'zod';
import type { comment, timelineEntry } from '../../shared/api/crm.ts';
import type { Post } from '../../shared/api/feed.ts';
import type { runView } from '../../shared/api/robot-sets.ts';
import type { Somebody, TestVestnik } from './vestnik.ts';

/** As JSON: moments are texts. */
type Sent<T> = { [K in keyof T]: T[K] extends Date ? string : T[K] extends Date | null ? string | null : T[K] };

export type Run = z.output<typeof runView>;
export type TimelineEntry = Sent<z.output<typeof timelineEntry>>;
export type Comment = Sent<z.output<typeof comment>>;
export interface BellNote { id: number; senderId: number | null; body: string; itemId: number | null; runId: number | null; readAt: string | null }
export interface ListedChat { id: number; kind: string; title: string; partnerId: number | null; ownerId: number | null; itemId: number | null; runId: number | null; unreadCount: number }
export interface ShownMessage { id: number; authorId: number | null; kind: string; heading: string; body: string; itemId: number | null; runId: number | null }

export function toldBy({ api, admin }: Pick<TestVestnik, 'api' | 'admin'>) {
  return {
    /** Newest first. */
    bell: async (who: Somebody): Promise<BellNote[]> => (await api(who).get('/api/notifications')).items,
    /** Without those that only the system wrote. */
    chats: async (who: Somebody): Promise<ListedChat[]> => (await api(who).get('/api/chats')).items,
    /** Oldest first, without those of the system. */
    messages: async (who: Somebody, chatId: number): Promise<ShownMessage[]> =>
      (await api(who).get(`/api/chats/${chatId}/messages`)).items.filter((message: ShownMessage) => message.kind !== 'system'),
    members: async (who: Somebody, chatId: number): Promise<number[]> =>
      (await api(who).get(`/api/chats/${chatId}/members`)).items.map((member: { employeeId: number }) => member.employeeId).sort((a: number, b: number) => a - b),
    posts: async (who: Somebody, query: Record<string, string> = {}): Promise<Sent<Post>[]> => (await api(who).get('/api/posts', query)).items,
    timeline: async (item: { id: number }, who: Somebody = admin): Promise<TimelineEntry[]> => (await api(who).get(`/api/items/${item.id}/timeline`)).items,
    comments: async (item: { id: number }, who: Somebody = admin): Promise<TimelineEntry[]> =>
      (await api(who).get(`/api/items/${item.id}/timeline`)).items.filter((entry: TimelineEntry) => entry.kind === 'comment'),
    /** In the order in which they were made. */
    runs: async (item: { id: number }, who: Somebody = admin): Promise<Run[]> => (await api(who).get('/api/runs', { itemId: item.id, limit: 200 })).items.reverse(),
    /** The only run of the robot for the item. */
    async run(item: { id: number }, robot: { id: number }): Promise<Run> {
      const runs: Run[] = (await api(admin).get('/api/runs', { itemId: item.id, limit: 200 })).items.filter((run: Run) => run.robotId === robot.id);
      assert.equal(runs.length, 1, `The robot has ${runs.length} runs.`);
      return runs[0]!;
    },
  };
}
