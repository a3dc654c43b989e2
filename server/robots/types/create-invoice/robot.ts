import { field } from '../../field.ts';
import { defineRobot } from '../../robot.ts';

/** An invoice of the item with a page for the client. Without an amount it takes the item's. */
export const createInvoice = defineRobot({
  id: 'create-invoice',
  group: 'documents',
  settings: {
    title: field.text({ max: 255 }),
    amount: field.amount(),
    dueOn: field.day(),
  },
  results: { invoiceId: 'item', number: 'string', link: 'url' },
  run({ title, amount, dueOn }, ctx) {
    return ctx.items.createInvoice({ title, amount, dueOn, as: null });
  },
  examples: [
    { name: 'wholeDeal', settings: { title: '@examples.wholeDeal.title', dueOn: '{=Document:closesOn}' } },
  ],
});
