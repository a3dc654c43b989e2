import { field } from '../../field.ts';
import { defineRobot, hasHeading } from '../../robot.ts';

/** Writes to a closed group chat on behalf of an employee. */
export const messageGroupChat = defineRobot({
  id: 'message-group-chat',
  group: 'inform',
  settings: {
    chat: field.chat(),
    sender: field.employee({ whenEmpty: 'owner' }),
    kind: field.messageKind(),
    heading: field.heading(),
    text: field.richText(),
  },
  results: {},
  async run({ chat, sender, kind, heading, text }, ctx) {
    await ctx.chats.writeToGroup(chat, { author: sender, kind, heading: hasHeading(kind) ? heading : null, text });
    return {};
  },
  examples: [
    { name: 'paid', settings: { kind: 'notice', text: '@examples.paid.text' } },
    {
      name: 'announcement',
      settings: { kind: 'announcement', heading: '@examples.announcement.heading', text: '@examples.announcement.text' },
    },
  ],
});
