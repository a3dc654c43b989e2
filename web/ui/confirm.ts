/** Asks before what cannot be undone: `if (await confirm({ title, text, action })) …`. The dialog stands once, in app.vue. */
import { shallowRef } from 'vue';

export interface Question {
  title: string;
  text?: string;
  /** What the button does: «Удалить», never «Да». */
  action: string;
  isDangerous?: boolean;
  /** A word to type before the button works, for what destroys much. */
  typed?: string;
}

export const question = shallowRef<(Question & { answer(yes: boolean): void }) | undefined>();

export function confirm(asked: Question): Promise<boolean> {
  question.value?.answer(false);
  return new Promise((resolve) => {
    question.value = {
      ...asked,
      answer(yes) {
        question.value = undefined;
        resolve(yes);
      },
    };
  });
}
