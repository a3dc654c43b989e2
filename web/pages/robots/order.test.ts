import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Robot } from '../../robot-form/robot-types.ts';
import { copied, type Content, moved, putBack } from './order.ts';

const robot = (id: number, stageId: number, text = ''): Robot => ({
  id, stageId, type: 'comment', typeVersion: 1, title: '', isEnabled: true, order: 'afterPrevious', timing: { kind: 'now' }, condition: null, oncePerItem: false, settings: { text },
});
const content: Content = { robots: [robot(1, 1), robot(2, 1), robot(3, 2), robot(4, 2)], triggers: [] };
const said = ({ robots }: Content) => robots.map(({ id, stageId }) => `${id}@${stageId}`).join(' ');

test('robots move before another one, to the end of a stage, and to a stage that is empty', () => {
  assert.equal(said(moved(content, [4], 1, 2)), '1@1 4@1 2@1 3@2');
  assert.equal(said(moved(content, [1], 1, null)), '2@1 1@1 3@2 4@2');
  assert.equal(said(moved(content, [1, 3], 3, null)), '2@1 4@2 1@3 3@3');
  assert.equal(said(moved(content, [1], 1, 999)), '2@1 1@1 3@2 4@2', 'The one to stand before is gone.');
});

test('what was moved or removed is put back among what others changed since', () => {
  assert.equal(said(putBack(moved(content, [1], 2, 4), [1], content)), said(content));
  const removed: Content = { ...content, robots: content.robots.filter(({ id }) => id === 4) };
  assert.equal(said(putBack(removed, [1, 2, 3], content)), said(content));
  // Meanwhile somebody added one and moved another: both stay as they are.
  const since: Content = { ...content, robots: [robot(9, 1), robot(2, 3), robot(3, 2), robot(1, 2), robot(4, 2)] };
  assert.equal(said(putBack(since, [1], content)), '9@1 1@1 2@3 3@2 4@2');
});

test('copies stand below the last of the copied, and refer to each other', () => {
  const linked: Content = { ...content, robots: [robot(1, 1), robot(2, 1, 'чат {=A1:chatId}, {=A3:link}'), robot(3, 2)] };
  const { robots } = copied(linked, [1, 2], [11, 12]);
  assert.deepEqual(robots.map(({ id }) => id), [1, 2, 11, 12, 3]);
  assert.equal(robots[3]?.settings.text, 'чат {=A11:chatId}, {=A3:link}');
});
