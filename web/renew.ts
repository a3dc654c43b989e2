/** Asks again for what a hint said has changed. Without a line that fails: each query keeps its error, and its page says it. */
import type { useQueryCache } from '@pinia/colada';

export function renew(cache: ReturnType<typeof useQueryCache>, key: readonly (string | number)[]): void {
  cache.invalidateQueries({ key: [...key] }).catch(() => {});
}
