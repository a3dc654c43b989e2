/**
 * Dragging by pointer: a mouse drags when it has moved a little, a finger when it has rested on the card, so that it still
 * scrolls. What is dragged follows as a picture; whatever carries `data-drop` under it is where it would fall. Near an edge of
 * something that scrolls, it scrolls. Escape thinks better of it.
 */
import { onScopeDispose, ref, shallowRef } from 'vue';

const mouseSlack = 6;
const restMs = 280;
const touchSlack = 10;
const edge = 56;
const fastest = 18;

export interface Drag<Thing> {
  things: readonly Thing[];
  x: number;
  y: number;
  width: number;
  /** Where the pointer holds the card. */
  holdX: number;
  holdY: number;
}

export function useDrag<Thing>(onDrop: (things: readonly Thing[], target: string) => void) {
  const drag = shallowRef<Drag<Thing>>();
  /** `data-drop` of what is under the pointer. */
  const over = ref<string>();
  let pointer: number | undefined;
  let stop = (): void => {};

  function start(event: PointerEvent, element: HTMLElement, thingsOf: () => readonly Thing[]): void {
    if (pointer !== undefined || (event.pointerType === 'mouse' && event.button !== 0)) return;
    if (event.target instanceof Element && event.target.closest('input, textarea, [data-no-drag]')) return;
    pointer = event.pointerId;
    const [startX, startY] = [event.clientX, event.clientY];
    const isTouch = event.pointerType !== 'mouse';
    let frame = 0;
    let last = { x: startX, y: startY };

    const begin = (): void => {
      const box = element.getBoundingClientRect();
      drag.value = { things: thingsOf(), x: last.x, y: last.y, width: box.width, holdX: Math.min(startX - box.left, box.width), holdY: startY - box.top };
      document.documentElement.classList.add('is-dragging');
      window.getSelection()?.removeAllRanges();
      if (isTouch) navigator.vibrate?.(10);
      frame = requestAnimationFrame(scroll);
    };
    const rest = isTouch ? setTimeout(begin, restMs) : undefined;

    const look = (): void => {
      const under = document.elementFromPoint(last.x, last.y)?.closest<HTMLElement>('[data-drop]');
      over.value = under?.dataset.drop;
    };
    const scroll = (): void => {
      if (!drag.value) return;
      for (let under = document.elementFromPoint(last.x, last.y); under; under = under.parentElement) {
        if (!(under instanceof HTMLElement) || !under.dataset.scroll) continue;
        const box = under.getBoundingClientRect();
        if (under.dataset.scroll === 'x') under.scrollLeft += speed(last.x, box.left, box.right);
        else under.scrollTop += speed(last.y, box.top, box.bottom);
      }
      look();
      frame = requestAnimationFrame(scroll);
    };

    const onMove = (moved: PointerEvent): void => {
      if (moved.pointerId !== pointer) return;
      last = { x: moved.clientX, y: moved.clientY };
      const way = Math.hypot(last.x - startX, last.y - startY);
      if (!drag.value) {
        // A finger that goes before it rested scrolls.
        if (isTouch && way > touchSlack) stop();
        else if (!isTouch && way > mouseSlack) begin();
        return;
      }
      drag.value = { ...drag.value, x: last.x, y: last.y };
      look();
    };
    const onUp = (up: PointerEvent): void => {
      if (up.pointerId !== pointer) return;
      const [held, target] = [drag.value, over.value];
      // The click that follows a drag opens nothing.
      if (held) window.addEventListener('click', swallow, { capture: true, once: true });
      if (held) setTimeout(() => window.removeEventListener('click', swallow, { capture: true }));
      stop();
      if (held && target !== undefined) onDrop(held.things, target);
    };
    const onKey = (key: KeyboardEvent): void => {
      if (key.key !== 'Escape' || !drag.value) return;
      key.preventDefault();
      key.stopPropagation();
      stop();
    };
    /** While something is dragged by a finger the page stands still. */
    const hold = (touch: TouchEvent): void => {
      if (drag.value) touch.preventDefault();
    };
    const noMenu = (menu: Event): void => {
      if (isTouch) menu.preventDefault();
    };
    const onCancel = (): void => stop();

    stop = () => {
      clearTimeout(rest);
      cancelAnimationFrame(frame);
      pointer = undefined;
      drag.value = undefined;
      over.value = undefined;
      document.documentElement.classList.remove('is-dragging');
      window.removeEventListener('pointermove', onMove);
      window.removeEventListener('pointerup', onUp);
      window.removeEventListener('pointercancel', onCancel);
      window.removeEventListener('keydown', onKey, { capture: true });
      window.removeEventListener('touchmove', hold);
      window.removeEventListener('contextmenu', noMenu);
      stop = () => {};
    };
    window.addEventListener('pointermove', onMove);
    window.addEventListener('pointerup', onUp);
    window.addEventListener('pointercancel', onCancel);
    window.addEventListener('keydown', onKey, { capture: true });
    window.addEventListener('touchmove', hold, { passive: false });
    window.addEventListener('contextmenu', noMenu);
  }

  onScopeDispose(() => stop());
  return { drag, over, start };
}

function speed(at: number, from: number, to: number): number {
  if (at < from + edge) return -fastest * Math.min(1, (from + edge - at) / edge);
  if (at > to - edge) return fastest * Math.min(1, (at - to + edge) / edge);
  return 0;
}

function swallow(event: Event): void {
  event.preventDefault();
  event.stopPropagation();
}
