/**
 * A menu or a popover of the kit that comes when it is first used: until then there is its button alone. Brought when the page is
 * quiet, so that it opens at once; pressed before it has come, it opens when it has.
 *
 *   <MenuLater :items="menu"><UButton … /></MenuLater>   <PopoverLater v-model:open="isOpen"><UButton … /><template #content>…</template></PopoverLater>
 */
import { cloneVNode, Comment, type Component, defineComponent, h, nextTick, ref, shallowRef, Text, useModel, type VNode, watch } from 'vue';
import { whenQuiet } from './quiet.ts';

function openedLater(name: string, popup: 'menu' | 'dialog', load: () => Promise<Component>) {
  const part = shallowRef<Component>();
  let coming: Promise<void> | undefined;
  const bring = (): Promise<void> => (coming ??= load().then(
    (come) => void (part.value = come),
    () => void (coming = undefined),
  ));

  return defineComponent({
    name,
    inheritAttrs: false,
    props: { open: Boolean },
    emits: { 'update:open': (_open: boolean) => true },
    setup(props, { attrs, slots }) {
      const open = useModel(props, 'open');
      const isUsed = ref(false);
      let button: HTMLElement | undefined;
      const keep = (drawn: unknown): void => {
        const element: unknown = typeof drawn === 'object' && drawn !== null && '$el' in drawn ? drawn.$el : drawn;
        if (element instanceof HTMLElement) button = element;
      };
      whenQuiet(bring);

      async function use(): Promise<void> {
        await bring();
        if (!part.value) return;
        isUsed.value = true;
        await nextTick();
      }
      /** Hands the press on to the button of the real one, which knows how it opens by mouse and by key. */
      async function press(event: MouseEvent): Promise<void> {
        await use();
        // A press of a key clicks without a place; a menu then begins at its first entry.
        if (popup === 'menu' && event.detail === 0) button?.dispatchEvent(new KeyboardEvent('keydown', { key: 'Enter', code: 'Enter', bubbles: true, cancelable: true }));
        else button?.dispatchEvent(new MouseEvent('click', { bubbles: true, cancelable: true, detail: event.detail }));
      }
      watch(open, (now) => {
        if (now) void use();
      }, { immediate: true });

      const drawButton = (): VNode[] => (slots.default?.() ?? []).filter(({ type }) => type !== Comment && type !== Text).map((one) => cloneVNode(one, { ref: keep }, true));
      return () => {
        if (part.value && isUsed.value) return h(part.value, { ...attrs, open: open.value, 'onUpdate:open': (now: boolean) => (open.value = now) }, { ...slots, default: drawButton });
        return drawButton().map((one) => cloneVNode(one, { 'aria-haspopup': popup, 'aria-expanded': 'false', onClick: press }));
      };
    },
  });
}

export const MenuLater = openedLater('MenuLater', 'menu', async () => (await import('@nuxt/ui/components/DropdownMenu.vue')).default);
export const PopoverLater = openedLater('PopoverLater', 'dialog', async () => (await import('@nuxt/ui/components/Popover.vue')).default);
