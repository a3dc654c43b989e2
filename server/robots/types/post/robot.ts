import { field } from '../../field.ts';
import { defineRobot } from '../../robot.ts';

/** A post in the feed that its recipients and its author see. */
export const post = defineRobot({
  id: 'post',
  group: 'inform',
  settings: {
    title: field.text({ max: 255 }),
    text: field.richText(),
    author: field.employee({ whenEmpty: 'owner' }),
    recipients: field.employees(),
    attachments: field.attachments(),
    tags: field.tags(),
  },
  results: { postId: 'id', link: 'url' },
  run({ title, text, author, recipients, attachments, tags }, ctx) {
    return ctx.feed.post({ author, title, text, to: recipients.ids, audience: recipients.sources, fileIds: attachments, tags });
  },
  examples: [
    {
      name: 'bigDeal',
      settings: { title: '@examples.bigDeal.title', text: '@examples.bigDeal.text', recipients: [{ kind: 'everyone' }], tags: ['@examples.bigDeal.tag'] },
    },
  ],
});
