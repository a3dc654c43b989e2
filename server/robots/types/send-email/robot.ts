import { field } from '../../field.ts';
import { defineRobot } from '../../robot.ts';

/** A letter to each person, to the owner unless others are chosen. It never shows in the timeline. */
export const sendEmail = defineRobot({
  id: 'send-email',
  group: 'inform',
  settings: {
    sender: field.mailSender(),
    from: field.employee({ whenEmpty: 'system' }),
    recipients: field.employees({ fallback: { kind: 'role', role: 'owner' } }),
    subject: field.text({ max: 255 }),
    text: field.richText(),
    attachments: field.attachments(),
  },
  results: {},
  // The article: the letter is not shown in the timeline of the card.
  isInTimeline: false,
  run({ sender, from, recipients, subject, text, attachments }, ctx) {
    ctx.mail.send({ sender, from, to: recipients.ids, subject, text, fileIds: attachments });
    return {};
  },
  examples: [
    { name: 'newDeal', settings: { subject: '@examples.newDeal.subject', text: '@examples.newDeal.text' } },
  ],
});
