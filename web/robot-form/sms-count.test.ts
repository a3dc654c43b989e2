import assert from 'node:assert/strict';
import { test } from 'node:test';
import { countSms } from './sms-count.ts';

test('latin letters go 160 to an SMS, one russian letter makes it 70', () => {
  assert.deepEqual(countSms('a'.repeat(160)), { characters: 160, parts: 1, left: 0, costly: undefined });
  assert.deepEqual(countSms('a'.repeat(161)), { characters: 161, parts: 2, left: 145, costly: undefined });
  assert.deepEqual(countSms(`${'a'.repeat(69)}я`), { characters: 70, parts: 1, left: 0, costly: 'я' });
  assert.deepEqual(countSms(`${'a'.repeat(70)}я`), { characters: 71, parts: 2, left: 63, costly: 'я' });
});

test('brackets and the euro take two places, an emoji is two units and never costs as a half', () => {
  assert.equal(countSms('€'.repeat(80)).parts, 1);
  assert.equal(countSms('€'.repeat(81)).parts, 2);
  assert.deepEqual(countSms('🙂'), { characters: 2, parts: 1, left: 68, costly: '🙂' });
  assert.deepEqual(countSms(''), { characters: 0, parts: 0, left: 160, costly: undefined });
});
