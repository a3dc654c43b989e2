import { field } from '../../field.ts';
import { defineRobot } from '../../robot.ts';

/** Adds people to a chat that the robot «Создать групповой чат» made. */
export const addChatMembers = defineRobot({
  id: 'add-chat-members',
  group: 'inform',
  settings: {
    chat: field.chat(),
    members: field.employees(),
    showHistory: field.switch(false),
  },
  results: {},
  async run({ chat, members, showHistory }, ctx) {
    await ctx.chats.addMembers(chat, members.ids, { showHistory });
    return {};
  },
  examples: [
    { name: 'head', settings: { members: [{ kind: 'role', role: 'ownerHead' }] } },
    { name: 'observers', settings: { members: [{ kind: 'role', role: 'observers' }], showHistory: true } },
  ],
});
