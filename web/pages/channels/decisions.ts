/** What a person may decide on what failed, or may have gone out; asked first, in words that say what it means. */
import type { z } from 'zod';
import type { decidedDeliveries } from '../../../shared/api/deliveries.ts';
import { api } from '../../api.ts';
import { t } from '../../text.ts';
import { confirm } from '../../ui/confirm.ts';
import { useSay } from '../../ui/say.ts';
import type { Decision, Delivery } from './channels.ts';

export const decisionIcon: Record<Decision, string> = { send_again: 'i-lucide-send', mark_sent: 'i-lucide-check', give_up: 'i-lucide-ban' };

export function mayDecide(delivery: Pick<Delivery, 'state' | 'decision'>): Decision[] {
  if (delivery.state === 'unknown') return ['send_again', 'mark_sent', 'give_up'];
  if (delivery.state === 'failed') return delivery.decision === 'give_up' ? ['send_again'] : ['send_again', 'give_up'];
  return [];
}

export function useDecisions(): (deliveries: readonly Delivery[], decision: Decision) => Promise<boolean> {
  const say = useSay();
  return async (deliveries, decision) => {
    const count = deliveries.length;
    const mayBeTwice = decision === 'send_again' && deliveries.some((one) => one.state === 'unknown');
    const isSure = await confirm({
      title: t(`web.channels.decide.${decision}_title`, { count }), text: t(mayBeTwice ? 'web.channels.decide.send_again_twice' : `web.channels.decide.${decision}_text`, { count }), action: t(`web.channels.decide.${decision}`), isDangerous: mayBeTwice,
    });
    if (!isSure) return false;
    try {
      const { decided, skipped } = await api.post<z.output<typeof decidedDeliveries>>('/api/deliveries/decisions', { ids: deliveries.map((one) => one.id), decision });
      if (decided.length > 0) say.done(t(`web.channels.decide.${decision}_done`, { count: decided.length }));
      if (skipped.length > 0) say.note(t('web.channels.decide.skipped', { count: skipped.length }));
      return true;
    } catch (error) {
      say.failed(error);
      return false;
    }
  };
}
