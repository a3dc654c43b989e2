import { field } from '../../field.ts';
import { defineRobot, hasHeading, RobotFailure } from '../../robot.ts';

/** Writes to the one-to-one chat of the sender with each recipient. */
export const messagePrivateChat = defineRobot({
  id: 'message-private-chat',
  group: 'inform',
  settings: {
    sender: field.employee({ whenEmpty: 'owner' }),
    recipients: field.employees(),
    kind: field.messageKind(),
    heading: field.heading(),
    text: field.richText(),
  },
  results: {},
  async run({ sender, recipients, kind, heading, text }, ctx) {
    if (sender === null) throw new RobotFailure('sender.none');
    await ctx.chats.writeToPerson(recipients.ids, { author: sender, kind, heading: hasHeading(kind) ? heading : null, text });
    return {};
  },
  examples: [
    { name: 'checkContract', settings: { recipients: [{ kind: 'role', role: 'ownerHead' }], text: '@examples.checkContract.text' } },
    {
      name: 'important',
      settings: {
        recipients: [{ kind: 'role', role: 'ownerHead' }, { kind: 'role', role: 'observers' }],
        kind: 'important', heading: '@examples.important.heading', text: '@examples.important.text',
      },
    },
  ],
});
