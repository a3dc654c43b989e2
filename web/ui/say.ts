/**
 * Words at the edge of the screen: what was done (with the way back), and what went wrong.
 *
 *   const say = useSay();
 *   say.done(t('web.crm.moved', { stage }), { undo: () => move(item, before) });
 *   say.failed(error);
 */
import { useToast } from '@nuxt/ui/composables/useToast';
import { messageOf } from '../api.ts';
import { t } from '../text.ts';

export function useSay() {
  const toast = useToast();
  return {
    done(title: string, options: { undo?: () => unknown; description?: string } = {}): void {
      const { undo, description } = options;
      const shown = toast.add({
        title,
        ...(description === undefined ? {} : { description }),
        icon: 'i-lucide-check',
        color: 'success',
        ...(undo === undefined
          ? { duration: 4000 }
          : {
              duration: 9000,
              actions: [{
                label: t('web.undo'),
                icon: 'i-lucide-undo-2',
                color: 'neutral',
                variant: 'outline',
                onClick: () => {
                  toast.remove(shown.id);
                  void undo();
                },
              }],
            }),
      });
    },
    failed(error: unknown, title?: string): void {
      const message = messageOf(error);
      toast.add({ title: title ?? message, ...(title === undefined ? {} : { description: message }), icon: 'i-lucide-circle-alert', color: 'error', duration: 10_000 });
    },
    note(title: string, description?: string): void {
      toast.add({ title, ...(description === undefined ? {} : { description }), icon: 'i-lucide-info', color: 'info' });
    },
  };
}
