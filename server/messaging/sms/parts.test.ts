import assert from 'node:assert/strict';
import { test } from 'node:test';
import { smsParts } from './parts.ts';

test('texts are cut as 3GPP TS 23.038 says', () => {
  const cases: [string, 'gsm7' | 'ucs2', number, number, string | null][] = [
    ['', 'gsm7', 0, 0, null],
    ['a'.repeat(160), 'gsm7', 160, 1, null],
    ['a'.repeat(161), 'gsm7', 161, 2, null],
    ['a'.repeat(306), 'gsm7', 306, 2, null],
    ['a'.repeat(307), 'gsm7', 307, 3, null],
    ['€'.repeat(80), 'gsm7', 160, 1, null],
    ['€'.repeat(81), 'gsm7', 162, 2, null],
    // 153 is odd: an escaped character does not fit half into the first part.
    ['€'.repeat(153), 'gsm7', 306, 3, null],
    ['@£$¥èéùìòÇ\nØø\rÅåΔ_ΦΓΛΩΠΨΣΘΞÆæßÉ', 'gsm7', 31, 1, null],
    ['Счёт оплачен', 'ucs2', 12, 1, 'С'],
    ['ж'.repeat(70), 'ucs2', 70, 1, 'ж'],
    ['ж'.repeat(71), 'ucs2', 71, 2, 'ж'],
    ['ж'.repeat(134), 'ucs2', 134, 2, 'ж'],
    ['ж'.repeat(135), 'ucs2', 135, 3, 'ж'],
    ['ж'.repeat(200), 'ucs2', 200, 3, 'ж'],
    ['plain «quotes»', 'ucs2', 14, 1, '«'],
    ['😀'.repeat(35), 'ucs2', 70, 1, '😀'],
    // 67 is odd: an emoji is not parted.
    ['😀'.repeat(67), 'ucs2', 134, 3, '😀'],
    ['`', 'ucs2', 1, 1, '`'],
    ['ç', 'ucs2', 1, 1, 'ç'],
  ];
  for (const [text, encoding, units, parts, forcingCharacter] of cases) {
    assert.deepEqual(smsParts(text), { encoding, units, parts, forcingCharacter }, text.slice(0, 20) + text.length);
  }
});
