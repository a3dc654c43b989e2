import { field } from '../../field.ts';
import { defineRobot } from '../../robot.ts';

/** A bell notification for each person. Without a sender the system speaks. */
export const notify = defineRobot({
  id: 'notify',
  group: 'inform',
  settings: {
    text: field.richText(),
    sender: field.employee({ whenEmpty: 'system' }),
    recipients: field.employees(),
  },
  results: {},
  run({ text, sender, recipients }, ctx) {
    ctx.notifications.add({ to: recipients.ids, from: sender, text });
    return {};
  },
  examples: [
    { name: 'newRequest', settings: { text: '@examples.newRequest.text', recipients: [{ kind: 'role', role: 'owner' }] } },
    { name: 'toHead', settings: { text: '@examples.toHead.text', sender: { kind: 'role', role: 'owner' }, recipients: [{ kind: 'role', role: 'ownerHead' }] } },
  ],
});
