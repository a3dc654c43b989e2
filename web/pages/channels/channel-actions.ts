/** What a list of mail senders and one of SMS providers do alike. */
import { api } from '../../api.ts';
import { t } from '../../text.ts';
import { confirm } from '../../ui/confirm.ts';
import { useSay } from '../../ui/say.ts';
import { useForgetChannels } from './channels.ts';

interface Kept {
  id: number;
  name: string;
}

export function useChannelActions(kind: 'mail' | 'sms') {
  const say = useSay();
  const forget = useForgetChannels();
  const pathOf = ({ id }: Kept): string => (kind === 'mail' ? `/api/mail/senders/${id}` : `/api/sms/providers/${id}`);
  return {
    async makeDefault(one: Kept): Promise<void> {
      try {
        await api.patch(pathOf(one), { isDefault: true });
        await forget();
        say.done(t('web.channels.now_default', { name: one.name }));
      } catch (problem) {
        say.failed(problem);
      }
    },
    async remove(one: Kept): Promise<void> {
      if (!(await confirm({ title: t(`web.channels.${kind}.remove_title`, { name: one.name }), text: t(`web.channels.${kind}.remove_text`), action: t('web.delete'), isDangerous: true }))) return;
      try {
        await api.del(pathOf(one));
        await forget();
      } catch (problem) {
        say.failed(problem);
      }
    },
  };
}
