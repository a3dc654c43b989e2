/**
 * `v-tip="t('…')"` or `v-tip="{ text, side: 'right' }"`: words beside what the pointer rests on or the keys have reached. For what
 * already has the same words as its label; nothing is drawn until it is shown. Escape takes it away.
 */
import type { ObjectDirective } from 'vue';

type Wanted = string | { text: string | undefined; side?: 'top' | 'right' } | undefined;

const restMs = 400;
const gap = 8;
const wanted = new WeakMap<Element, Wanted>();
let bubble: HTMLElement | undefined;
let over: Element | undefined;
let timer: ReturnType<typeof setTimeout> | undefined;

function hide(): void {
  clearTimeout(timer);
  over = undefined;
  bubble?.remove();
  bubble = undefined;
  window.removeEventListener('keydown', hideByEscape, true);
}
function hideByEscape({ key }: KeyboardEvent): void {
  if (key === 'Escape') hide();
}

function show(element: Element): void {
  const asked = wanted.get(element);
  const { text, side = 'top' } = typeof asked === 'object' ? asked : { text: asked };
  if (text === undefined || !element.isConnected) return;
  bubble = document.createElement('div');
  bubble.setAttribute('role', 'tooltip');
  bubble.textContent = text;
  bubble.className = 'pointer-events-none fixed top-0 left-0 z-50 max-w-80 truncate rounded-sm bg-default px-2.5 py-1 text-xs text-highlighted shadow-sm ring ring-default select-none';
  document.body.append(bubble);
  const [place, size] = [element.getBoundingClientRect(), bubble.getBoundingClientRect()];
  const [x, y] = side === 'right' ? [place.right + gap, place.top + (place.height - size.height) / 2] : [place.left + (place.width - size.width) / 2, place.top - gap - size.height];
  bubble.style.transform = `translate(${Math.max(gap, Math.min(x, innerWidth - size.width - gap))}px, ${Math.max(gap, y)}px)`;
  window.addEventListener('keydown', hideByEscape, true);
}

function come({ currentTarget, type }: Event): void {
  if (!(currentTarget instanceof Element)) return;
  if (type === 'focusin' && !currentTarget.matches(':focus-visible, :has(:focus-visible)')) return;
  hide();
  over = currentTarget;
  timer = setTimeout(show, type === 'focusin' ? 0 : restMs, currentTarget);
}
function leave({ currentTarget }: Event): void {
  if (currentTarget === over) hide();
}

export const tip: ObjectDirective<HTMLElement, Wanted> = {
  mounted(element, { value }) {
    wanted.set(element, value);
    for (const name of ['pointerenter', 'focusin']) element.addEventListener(name, come);
    for (const name of ['pointerleave', 'focusout', 'pointerdown']) element.addEventListener(name, leave);
  },
  updated(element, { value }) {
    wanted.set(element, value);
  },
  beforeUnmount(element) {
    if (over === element) hide();
  },
};
