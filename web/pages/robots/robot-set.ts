/**
 * The robots of one pipeline while somebody edits them. Every change is saved into the draft at once, one save after another,
 * and stands on the screen before its answer came.
 *
 * A change is a function of what is there, so when somebody else was first it is made again on what is there now, and nobody's
 * work is lost. Only when both changed the same robot the person is asked whose is kept.
 */
import { useQuery, useQueryCache } from '@pinia/colada';
import { useThrottleFn } from '@vueuse/core';
import { computed, type MaybeRefOrGetter, shallowRef, toValue, watch } from 'vue';
import { api, ApiError } from '../../api.ts';
import { useDirectory, nameOf } from '../../directory.ts';
import { useLive } from '../../live.ts';
import type { RobotSet } from '../../robot-form/robot-types.ts';
import { t } from '../../text.ts';
import { confirm } from '../../ui/confirm.ts';
import { useSay } from '../../ui/say.ts';
import type { Content } from './order.ts';

export type Change = (content: Content) => Content;

const same = (a: unknown, b: unknown): boolean => JSON.stringify(a) === JSON.stringify(b);

export function useRobotSet(pipelineId: MaybeRefOrGetter<number | undefined>) {
  const cache = useQueryCache();
  const say = useSay();
  const { employee } = useDirectory();
  const key = () => ['robots', toValue(pipelineId) ?? 0];
  const path = () => `/api/pipelines/${toValue(pipelineId)}/robots`;
  const query = useQuery({ key, query: () => api.get<RobotSet>(path()), enabled: () => toValue(pipelineId) !== undefined, staleTime: 0 });

  /** What is on the screen: the answer, with the changes whose saves are on their way. */
  const shown = shallowRef<RobotSet>();
  const pending = shallowRef<readonly Change[]>([]);
  const isSaving = computed(() => pending.value.length > 0);
  watch([query.data, pending], () => {
    const base = query.data.value;
    if (!base) {
      shown.value = undefined;
      return;
    }
    const content = pending.value.reduce<Content>((now, change) => change(now), { robots: base.robots, triggers: base.triggers });
    shown.value = pending.value.length === 0 ? base : { ...base, robots: [...content.robots], triggers: [...content.triggers], hasChanges: true };
  }, { immediate: true });

  let chain: Promise<unknown> = Promise.resolve();
  const renew = (): void => {
    // Our own saves come back as hints too; their answers are here already.
    if (pending.value.length === 0) void query.refetch();
  };
  const renewSoon = useThrottleFn(renew, 300, true);
  /** Waiting and failed runs on the cards: a busy pipeline moves items all the time. */
  const recount = useThrottleFn(renew, 5000, true, false);
  useLive(() => (toValue(pipelineId) === undefined ? undefined : `pipeline:${toValue(pipelineId)}`), ({ what }) => {
    if (what === 'robots' || what === 'resync') renew();
    else void recount();
  });
  // What robots name may go away under them: people, fields, stages, chats, files, senders.
  useLive('company', ({ what }) => {
    if (['people', 'crm', 'chats', 'drive', 'channels', 'resync'].includes(what)) void renewSoon();
  });

  async function send(change: Change): Promise<void> {
    for (let tries = 0; ; tries++) {
      const base = cache.getQueryData<RobotSet>(key()) ?? (await query.refetch()).data;
      if (!base) return;
      const { robots, triggers } = change({ robots: base.robots, triggers: base.triggers });
      if (same(robots, base.robots) && same(triggers, base.triggers)) return;
      try {
        cache.setQueryData(key(), await api.put<RobotSet>(path(), { revision: base.revision, robots, triggers }));
        return;
      } catch (error) {
        if (!(error instanceof ApiError) || error.code !== 'robots.changed_meanwhile' || tries >= 3) throw error;
        const { data } = await query.refetch();
        if (data) say.note(t('web.robots.merged', { who: nameOf(employee(data.updatedBy)) }));
      }
    }
  }

  /** Saves one change after the others. Answers whether it was saved; a refusal puts back what was there and says why. */
  function apply(change: Change): Promise<boolean> {
    pending.value = [...pending.value, change];
    const done = chain.then(async () => {
      try {
        await send(change);
        return true;
      } catch (error) {
        say.failed(error);
        void query.refetch();
        return false;
      } finally {
        pending.value = pending.value.filter((one) => one !== change);
      }
    });
    chain = done;
    return done;
  }

  /** Puts an edited robot (or trigger) in the place of the one that was opened. Asks when somebody else changed it meanwhile. */
  async function replace<Kind extends 'robots' | 'triggers'>(kind: Kind, edited: Content[Kind][number], opened: Content[Kind][number] | undefined): Promise<boolean> {
    const fresh = (await query.refetch()).data;
    const there = fresh?.[kind].find((one) => one.id === edited.id);
    if (opened && there && !same(there, opened) && !same(there, edited)) {
      const isMine = await confirm({
        title: t('web.robots.conflict.title'), text: t('web.robots.conflict.text', { who: nameOf(employee(fresh?.updatedBy)) }), action: t('web.robots.conflict.mine'), isDangerous: true,
      });
      if (!isMine) return false;
    }
    return apply((content) => {
      const list: readonly { id: number }[] = content[kind];
      const isThere = list.some((one) => one.id === edited.id);
      return { ...content, [kind]: isThere ? list.map((one) => (one.id === edited.id ? edited : one)) : [...list, edited] };
    });
  }

  return {
    set: shown,
    error: query.error,
    isSaving,
    refresh: () => query.refetch(),
    apply,
    replace,
    /** What the server answered to something else than a save. */
    take(next: RobotSet): void {
      cache.setQueryData(['robots', next.pipelineId], next);
    },
  };
}
