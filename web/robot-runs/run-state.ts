/** How states of a run look everywhere. */
import type { z } from 'zod';
import type { runView } from '../../shared/api/robot-sets.ts';
import type { Json } from '../json.ts';

export type RunView = Json<z.output<typeof runView>>;
export type RunState = RunView['state'];

interface StateLook {
  icon: string;
  color: 'success' | 'info' | 'error' | 'neutral' | 'warning';
  tint: string;
}
const looks: Record<RunState, StateLook> = {
  done: { icon: 'i-lucide-circle-check', color: 'success', tint: 'text-success' },
  waiting: { icon: 'i-lucide-hourglass', color: 'info', tint: 'text-info' },
  skipped: { icon: 'i-lucide-circle-dashed', color: 'neutral', tint: 'text-muted' },
  failed: { icon: 'i-lucide-circle-x', color: 'error', tint: 'text-error' },
  cancelled: { icon: 'i-lucide-circle-slash', color: 'neutral', tint: 'text-muted' },
};
export const runStates: readonly RunState[] = ['waiting', 'done', 'skipped', 'failed', 'cancelled'];

export function stateLook(state: RunState): StateLook {
  return looks[state];
}
