import { field } from '../../field.ts';
import { defineRobot, RobotFailure } from '../../robot.ts';

/** Opens a closed group chat about the item. Its owner is one of the two people a chat needs. */
export const createGroupChat = defineRobot({
  id: 'create-group-chat',
  group: 'inform',
  settings: {
    title: field.text({ max: 255 }),
    members: field.employees(),
    owner: field.employee({ whenEmpty: 'owner' }),
  },
  results: { chatId: 'chat' },
  async run({ title, members, owner }, ctx) {
    if (owner === null) throw new RobotFailure('sender.none');
    const people = new Set([...members.ids, owner]);
    if (people.size < 2) throw new RobotFailure('recipients.too_few', { min: 2, found: people.size });
    return { chatId: await ctx.chats.createGroup({ title, members: members.ids, owner }) };
  },
  examples: [
    {
      name: 'contract',
      settings: { title: '@examples.contract.title', members: [{ kind: 'role', role: 'owner' }, { kind: 'role', role: 'ownerHead' }] },
    },
  ],
});
