import { field } from '../../field.ts';
import { defineRobot } from '../../robot.ts';

/** Characters of the text that is sent, inserted values included. */
const maxLength = 200;

/** An SMS to each person, to the owner unless others are chosen. */
export const sendSms = defineRobot({
  id: 'send-sms',
  group: 'inform',
  settings: {
    text: field.text({ max: maxLength, isMultiline: true, counts: 'sms' }),
    recipients: field.employees({ fallback: { kind: 'role', role: 'owner' } }),
    provider: field.smsProvider(),
  },
  results: {},
  run({ text, recipients, provider }, ctx) {
    ctx.sms.send({ provider, to: recipients.ids, text, maxLength });
    return {};
  },
  examples: [
    { name: 'paid', settings: { text: '@examples.paid.text' } },
  ],
});
