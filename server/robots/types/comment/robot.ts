import { field } from '../../field.ts';
import { defineRobot } from '../../robot.ts';

/** A comment in the timeline of the item, by the owner unless somebody else is chosen. */
export const comment = defineRobot({
  id: 'comment',
  group: 'inform',
  settings: {
    text: field.richText(),
    author: field.employee({ whenEmpty: 'owner' }),
  },
  results: {},
  run({ text, author }, ctx) {
    ctx.timeline.comment({ author, text });
    return {};
  },
  examples: [
    { name: 'payment', settings: { text: '@examples.payment.text' } },
    { name: 'reminder', settings: { text: '@examples.reminder.text', author: { kind: 'role', role: 'creator' } } },
  ],
});
