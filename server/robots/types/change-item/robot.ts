import { field } from '../../field.ts';
import { defineRobot } from '../../robot.ts';

/**
 * Writes fields of the item. A refused change is a result, not a failure: robots below may ask for
 * «Текст ошибки изменения» in their conditions and tell somebody.
 */
export const changeItem = defineRobot({
  id: 'change-item',
  group: 'manage',
  settings: {
    values: field.values(),
    appendToMultiple: field.switch(false),
    as: field.employee({ whenEmpty: 'system' }),
  },
  results: { error: 'text' },
  async run({ values, appendToMultiple, as }, ctx) {
    return { error: await ctx.items.change(values, { as, appendToMultiple }) };
  },
  examples: [
    { name: 'closesToday', settings: { values: [{ field: 'closesOn', value: '{=System:Date}' }] } },
    { name: 'watchOwner', settings: { values: [{ field: 'observerIds', value: '{=Document:ownerId}' }], appendToMultiple: true } },
  ],
});
