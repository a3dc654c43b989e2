/**
 * Cards over pages. A route with `meta.isOver` is drawn in a panel over the page that was there before, which stays as it
 * is: its place in the list, its filters, what it wrote into its address. Opened directly (a link in a letter) it is a page.
 *
 * `overKey` tells a card that it lies over a page, and how it is closed.
 */
import { computed, type InjectionKey, shallowRef } from 'vue';
import { type RouteLocationNormalizedLoaded, useRoute, useRouter } from 'vue-router';

export interface Over {
  close(): void;
}
export const overKey: InjectionKey<Over> = Symbol('over');

/** The last page that is no card. */
const under = shallowRef<RouteLocationNormalizedLoaded>();

export function useOver() {
  const route = useRoute();
  const router = useRouter();
  router.afterEach((to) => {
    if (!to.meta.isOver) under.value = to.meta.isPublic ? undefined : to;
  });
  if (!route.meta.isOver && !route.meta.isPublic && route.matched.length > 0) under.value = router.currentRoute.value;
  const isOver = computed(() => route.meta.isOver === true && under.value !== undefined);
  return {
    isOver,
    /** The page to draw: below the card, or the only one. */
    shown: computed(() => (isOver.value && under.value ? under.value : router.currentRoute.value)),
    close(): void {
      const page = under.value;
      if (!page) return;
      // Closing is the way back where it is one, so that «back» does not open the card again.
      if (router.options.history.state.back === page.fullPath) router.back();
      else void router.replace(page.fullPath);
    },
  };
}
