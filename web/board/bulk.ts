/**
 * Work on many items at once: asked (with how many people the robots would inform), started on the server, followed by live
 * hints until it is over. One for the whole page.
 */
import { shallowRef } from 'vue';
import type { z } from 'zod';
import type { bulkAction, BulkWork, forecast } from '../../shared/api/crm-work.ts';
import { api } from '../api.ts';
import type { Json } from '../json.ts';
import { listen } from '../live.ts';
import type { ItemFilter } from '../filters/filters.ts';

export type BulkAction = Json<z.output<typeof bulkAction>>;
export type Forecast = z.output<typeof forecast>;

export interface Selection {
  itemTypeId: number;
  pipelineId?: number;
  search?: string;
  filters: ItemFilter[];
}
export type Which = { itemIds: number[] } | { filter: Selection };

export const running = shallowRef<BulkAction>();

export function forecastMove(stageId: number, which: Which): Promise<Forecast> {
  return api.post<Forecast>('/api/bulk-actions/forecast', { stageId, ...which });
}

/** Starts it and resolves when it is over. */
export async function runBulk(me: number, action: BulkWork, which: Which, isSilent = false): Promise<BulkAction> {
  const started = await api.post<BulkAction>('/api/bulk-actions', { action, isSilent, ...which });
  running.value = started;
  return new Promise((resolve, reject) => {
    let isAsking = false;
    let isAgain = false;
    const ask = async (): Promise<void> => {
      if (isAsking) {
        isAgain = true;
        return;
      }
      isAsking = true;
      try {
        const now = await api.get<BulkAction>(`/api/bulk-actions/${started.id}`);
        running.value = now;
        if (now.state !== 'running') {
          stop();
          running.value = undefined;
          resolve(now);
        }
      } catch (error) {
        stop();
        running.value = undefined;
        reject(error);
      }
      isAsking = false;
      if (isAgain) {
        isAgain = false;
        void ask();
      }
    };
    const stop = listen(`employee:${me}`, (hint) => {
      if (hint.what === 'resync' || (hint.what === 'bulkAction' && hint.id === started.id)) void ask();
    });
    // It may have been over before we listened.
    void ask();
  });
}

export async function cancelRunning(): Promise<void> {
  if (running.value) await api.post(`/api/bulk-actions/${running.value.id}/cancel`);
}
