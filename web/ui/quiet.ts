/** Work that can wait until the page has what it asked for and the browser has nothing better to do. */
import { isAwaiting } from '../api.ts';

const restMs = 400;
const waiting: (() => unknown)[] = [];
let quietSince = 0;
let isWatching = false;

/** Calls `work` once, in the order in which it was told. What fails here fails again, and is told, where it is needed. */
export function whenQuiet(work: () => unknown): void {
  waiting.push(work);
  quietSince = performance.now();
  if (!isWatching) look();
}

function look(): void {
  isWatching = waiting.length > 0;
  if (!isWatching) return;
  const now = performance.now();
  // Without a line a program would be marked as one that cannot be had.
  if (!navigator.onLine || isAwaiting() || document.readyState !== 'complete') quietSince = now;
  if (now - quietSince < restMs) setTimeout(look, restMs / 4);
  else if ('requestIdleCallback' in window) requestIdleCallback(doOne, { timeout: 5000 });
  else doOne();
}

function doOne(): void {
  Promise.resolve(waiting.shift()?.()).catch(() => {});
  look();
}
