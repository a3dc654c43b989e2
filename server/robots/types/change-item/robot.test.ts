import assert from 'node:assert/strict';
import { test } from 'node:test';
import { ids, people, problemsOf, runRobot } from '../../../../test/support/robots.ts';
import { changeItem } from './robot.ts';

test('values keep their kinds: an id stays an id, a text with more around it is a text', async () => {
  const { asked, results } = await runRobot(changeItem, {
    values: [
      { field: 'UF_CHAT', value: `{=A${ids.chatRobot}:chatId}` },
      { field: 'title', value: '{=Document:title}, {=Document:amount}' },
      { field: 'amount', value: 500 },
      { field: 'beginsOn', value: null },
      { field: 'observerIds', value: [people.lawyer, people.director] },
    ],
  });
  assert.deepEqual(asked, [{
    what: 'change', as: null, appendToMultiple: false,
    changes: { UF_CHAT: ids.chat, title: 'Крыша, 1\u00a0200\u00a0000\u00a0₽', amount: 500, beginsOn: null, observerIds: [people.lawyer, people.director] },
  }]);
  assert.deepEqual(results, { error: '' });
});

test('it may add to multiple fields, on behalf of somebody', async () => {
  const { asked } = await runRobot(changeItem, {
    values: [{ field: 'observerIds', value: '{=Document:UF_LAWYER}' }], appendToMultiple: true, as: { kind: 'role', role: 'owner' },
  });
  assert.deepEqual(asked, [{ what: 'change', as: people.owner, appendToMultiple: true, changes: { observerIds: people.lawyer } }]);
});

test('a refused change is a result that other robots can read', async () => {
  const { results } = await runRobot(changeItem, { values: [{ field: 'amount', value: 'много' }] }, { refusal: 'Поле «Сумма»: «много» не число.' });
  assert.deepEqual(results, { error: 'Поле «Сумма»: «много» не число.' });
});

test('unknown fields and broken references are said before publishing', () => {
  assert.deepEqual(problemsOf(changeItem, { values: [{ field: 'UF_GONE', value: 1 }, { field: 'title', value: '{=Document:UF_GONE}' }] }),
    ['values.0.field: reference.unknown_field', 'values.1.value: field_unknown']);
  assert.deepEqual(problemsOf(changeItem, {}), ['values: setting.empty']);
});
