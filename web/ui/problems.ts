/**
 * What the server said against a form: at the field it named, else above the button.
 *
 *   const problems = useProblems();
 *   await problems.guard(() => api.post('/api/invitations', form));   // false: refused, and shown
 *   <UFormField :error="problems.at('email')">   …   <p v-if="problems.rest.value">
 */
import { computed, ref, shallowRef } from 'vue';
import { ApiError, messageOf } from '../api.ts';

export function useProblems(paths: readonly string[] = []) {
  const problem = shallowRef<{ message: string; path: string | undefined } | undefined>();
  const isBusy = ref(false);
  return {
    isBusy,
    /** For `error` of a UFormField. */
    at: (path: string): string | undefined => (problem.value?.path === path ? problem.value.message : undefined),
    /** What belongs to none of the named fields. */
    rest: computed(() => (problem.value && (problem.value.path === undefined || !paths.includes(problem.value.path)) ? problem.value.message : undefined)),
    clear(): void {
      problem.value = undefined;
    },
    set(error: unknown): void {
      problem.value = { message: messageOf(error), path: error instanceof ApiError ? error.path : undefined };
    },
    /** Whether it was done; what was said against it is shown. */
    async guard(work: () => Promise<unknown>): Promise<boolean> {
      problem.value = undefined;
      isBusy.value = true;
      try {
        await work();
        return true;
      } catch (error) {
        this.set(error);
        return false;
      } finally {
        isBusy.value = false;
      }
    },
  };
}
