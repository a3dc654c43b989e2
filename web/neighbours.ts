/**
 * What stands before and after an item where it was opened: a board or a list says the order of what it shows,
 * cards go through it.
 *
 *   useNeighbours(() => items.value.map((item) => item.id));
 */
import { computed, onScopeDispose, shallowRef } from 'vue';

const order = shallowRef<() => readonly number[]>();

/** For the page with the list, as long as it is there. */
export function useNeighbours(ids: () => readonly number[]): void {
  order.value = ids;
  onScopeDispose(() => {
    if (order.value === ids) order.value = undefined;
  });
}

/** For the card. */
export function neighboursOf(id: () => number) {
  return computed(() => {
    const ids = order.value?.() ?? [];
    const at = ids.indexOf(id());
    return at === -1 ? { previous: undefined, next: undefined } : { previous: ids[at - 1], next: ids[at + 1] };
  });
}
