/** What the feed and one post share: types, signs of reactions, the audience in words. */
import type { z } from 'zod';
import type { Post as ContractPost, PostComment as ContractComment, postList, Reaction } from '../../../shared/api/feed.ts';
import { nameOf, useDirectory } from '../../directory.ts';
import type { Json } from '../../json.ts';
import { t } from '../../text.ts';

export type Post = Json<ContractPost>;
export type PostComment = Json<ContractComment>;
export type PostPage = Json<z.output<typeof postList>>;

export const reactions: readonly Reaction[] = ['like', 'thanks', 'celebrate', 'laugh', 'surprise', 'sad'];
export const signs: Readonly<Record<Reaction, string>> = { like: '👍', thanks: '🙏', celebrate: '🎉', laugh: '😂', surprise: '😮', sad: '😢' };

const maxNamed = 3;

export function useAudience() {
  const { employee, department } = useDirectory();
  function words(post: Pick<Post, 'isForEveryone' | 'audience'>): string[] {
    if (post.isForEveryone) return [t('web.feed.everyone')];
    return post.audience.flatMap((source) => {
      if (source.kind === 'employee') return [nameOf(employee(source.id))];
      if (source.kind === 'department') return [department(source.id)?.name ?? '—'];
      if (source.kind === 'departmentHead') return [t('web.feed.head_of', { name: department(source.id)?.name ?? '—' })];
      return [];
    });
  }
  return {
    /** «Анна, Продажи и ещё 4» */
    audienceOf(post: Pick<Post, 'isForEveryone' | 'audience'>): string {
      const all = words(post);
      if (all.length === 0) return t('web.feed.some_readers');
      const named = all.slice(0, maxNamed).join(', ');
      return all.length > maxNamed ? t('web.feed.and_more', { named, count: all.length - maxNamed }) : named;
    },
    allOf: (post: Pick<Post, 'isForEveryone' | 'audience'>): string => words(post).join(', '),
  };
}
