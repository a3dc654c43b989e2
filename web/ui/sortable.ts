/**
 * A list whose rows are put into order by dragging a handle, or by Alt+↑ and Alt+↓ on it.
 *
 *   const sortable = useSortable({ kind: 'stages', ids: () => stages.value.map((one) => one.id), reorder: (ids) => save(ids) });
 *   <li v-for="stage in stages" :ref="sortable.row(stage.id)" :class="sortable.lineOf(stage.id)"> <DragHandle @keydown="sortable.key($event, stage.id)" /> </li>
 *
 * The handle is the element with `data-handle` inside the row.
 */
import { combine } from '@atlaskit/pragmatic-drag-and-drop/combine';
import { draggable, dropTargetForElements } from '@atlaskit/pragmatic-drag-and-drop/element/adapter';
import { attachClosestEdge, extractClosestEdge } from '@atlaskit/pragmatic-drag-and-drop-hitbox/closest-edge';
import { nextTick, onBeforeUnmount, ref } from 'vue';

export interface SortableOptions {
  /** Rows of another list of the same page are not taken. */
  kind: string;
  ids: () => readonly number[];
  /** Whether this order may be: what may not is not offered. */
  isAllowed?: (ids: readonly number[]) => boolean;
  reorder: (ids: number[], moved: number) => unknown;
}

export function useSortable({ kind, ids, isAllowed = () => true, reorder }: SortableOptions) {
  const cleanups = new Map<number, () => void>();
  const elements = new Map<number, HTMLElement>();
  const dragged = ref<number>();
  const over = ref<{ id: number; edge: 'top' | 'bottom' }>();

  function placed(moved: number, target: number, edge: 'top' | 'bottom'): number[] {
    const others = ids().filter((id) => id !== moved);
    others.splice(others.indexOf(target) + (edge === 'bottom' ? 1 : 0), 0, moved);
    return others;
  }
  const numberIn = (data: Record<string | symbol, unknown>): number => (typeof data.id === 'number' ? data.id : 0);
  const edgeIn = (data: Record<string | symbol, unknown>): 'top' | 'bottom' => (extractClosestEdge(data) === 'top' ? 'top' : 'bottom');

  function bind(id: number, element: HTMLElement): () => void {
    const handle = element.querySelector('[data-handle]') ?? undefined;
    return combine(
      draggable({
        element,
        ...(handle ? { dragHandle: handle } : {}),
        getInitialData: () => ({ kind, id }),
        onDragStart: () => (dragged.value = id),
        onDrop: () => {
          dragged.value = undefined;
          over.value = undefined;
        },
      }),
      dropTargetForElements({
        element,
        canDrop: ({ source }) => source.data.kind === kind && source.data.id !== id,
        getData: ({ input }) => attachClosestEdge({ id }, { element, input, allowedEdges: ['top', 'bottom'] }),
        onDrag: ({ source, self }) => {
          const edge = edgeIn(self.data);
          over.value = isAllowed(placed(numberIn(source.data), id, edge)) ? { id, edge } : undefined;
        },
        onDragLeave: () => (over.value = undefined),
        onDrop: ({ source, self }) => {
          const moved = numberIn(source.data);
          const order = placed(moved, id, edgeIn(self.data));
          over.value = undefined;
          if (isAllowed(order) && order.join() !== ids().join()) void reorder(order, moved);
        },
      }),
    );
  }

  onBeforeUnmount(() => {
    for (const clean of cleanups.values()) clean();
  });

  /** Undefined: it cannot go there. */
  function stepped(id: number, step: -1 | 1): number[] | undefined {
    const order = [...ids()];
    const at = order.indexOf(id);
    const to = at + step;
    if (at < 0 || to < 0 || to >= order.length) return undefined;
    order.splice(at, 1);
    order.splice(to, 0, id);
    return isAllowed(order) ? order : undefined;
  }
  async function step(id: number, by: -1 | 1): Promise<void> {
    const order = stepped(id, by);
    if (!order) return;
    await reorder(order, id);
    await nextTick();
    const handle = elements.get(id)?.querySelector('[data-handle]');
    if (handle instanceof HTMLElement) handle.focus();
  }

  return {
    dragged,
    row: (id: number) => (element: unknown) => {
      if (element instanceof HTMLElement) {
        if (elements.get(id) === element) return;
        cleanups.get(id)?.();
        elements.set(id, element);
        cleanups.set(id, bind(id, element));
      } else {
        cleanups.get(id)?.();
        cleanups.delete(id);
        elements.delete(id);
      }
    },
    /** A line where the row would land; the row that is on its way is pale. */
    lineOf: (id: number): string => [
      dragged.value === id ? 'opacity-40' : '',
      over.value?.id === id ? (over.value.edge === 'top' ? 'shadow-[0_-2px_0_var(--ui-primary)]' : 'shadow-[0_2px_0_var(--ui-primary)]') : '',
    ].join(' '),
    mayStep: (id: number, by: -1 | 1): boolean => stepped(id, by) !== undefined,
    step,
    key(event: KeyboardEvent, id: number): void {
      if (!event.altKey || (event.key !== 'ArrowUp' && event.key !== 'ArrowDown')) return;
      event.preventDefault();
      void step(id, event.key === 'ArrowUp' ? -1 : 1);
    },
  };
}
