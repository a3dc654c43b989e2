/** What chats and messages are called, in words: names, lines of the system, beginnings for lists. */
import type { z } from 'zod';
import type { chat, chatListItem, SystemMessage } from '../../shared/api/chat.ts';
import { nameOf, useDirectory } from '../directory.ts';
import type { Json } from '../json.ts';
import { bbcodePreview } from '../rich-text/preview.ts';
import { useSession } from '../session.ts';
import { t } from '../text.ts';

export type Chat = Json<z.output<typeof chat>>;
export type ListedChat = Json<z.output<typeof chatListItem>>;

export function useChatWords() {
  const { employee } = useDirectory();
  const { me } = useSession();
  const nameBy = (id: number | null): string => (id === null ? t('web.messenger.system') : nameOf(employee(id)));

  return {
    nameBy,
    titleOf({ kind, title, partnerId }: Pick<Chat, 'kind' | 'title' | 'partnerId'>): string {
      if (kind !== 'private') return title;
      return partnerId === me.value.id ? t('web.messenger.notes') : nameBy(partnerId);
    },
    systemLine(message: SystemMessage | null): string {
      if (message === null) return '';
      return t(`chat.system.${message.code}`, {
        actorId: message.actorId ?? 'none', actor: nameBy(message.actorId), names: message.employeeIds.map(nameBy), title: message.title ?? '',
      });
    },
    preview({ heading, body, fileCount }: { heading: string; body: string; fileCount: number }): string {
      const said = [heading, bbcodePreview(body)].filter((part) => part !== '').join('. ');
      return said === '' && fileCount > 0 ? t('web.messenger.files', { count: fileCount }) : said;
    },
  };
}

export const reactionSigns = { like: '👍', heart: '❤️', laugh: '😂', celebrate: '🎉', surprise: '😮', sad: '😢', fire: '🔥', done: '✅' } as const;
export type ReactionName = keyof typeof reactionSigns;
export const reactionNames = ['like', 'heart', 'laugh', 'celebrate', 'surprise', 'sad', 'fire', 'done'] as const;

/** How the kinds of messages look: a sign, a colour, a word. Plain ones have none. */
export const kindLooks: Readonly<Record<string, { icon: string; frame: string; mark: string }>> = {
  announcement: { icon: 'i-lucide-megaphone', frame: 'border-sky-300 bg-sky-50 dark:border-sky-800 dark:bg-sky-950', mark: 'text-sky-800 dark:text-sky-200' },
  notice: { icon: 'i-lucide-bell-ring', frame: 'border-accented bg-elevated/60', mark: 'text-toned' },
  important: { icon: 'i-lucide-circle-alert', frame: 'border-amber-400 bg-amber-50 dark:border-amber-700 dark:bg-amber-950', mark: 'text-amber-900 dark:text-amber-200' },
  alarm: { icon: 'i-lucide-siren', frame: 'border-red-400 bg-red-50 dark:border-red-700 dark:bg-red-950', mark: 'text-red-900 dark:text-red-200' },
};
