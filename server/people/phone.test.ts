import assert from 'node:assert/strict';
import { test } from 'node:test';
import { normalizePhone } from './phone.ts';

test('a number becomes E.164 the way people of the country write it', () => {
  const cases: [typed: string, country: string, e164: string][] = [
    ['8 (916) 123-45-67', 'RU', '+79161234567'],
    ['89161234567', 'RU', '+79161234567'],
    ['79161234567', 'RU', '+79161234567'],
    ['9161234567', 'RU', '+79161234567'],
    ['+7 916 123 45 67', 'US', '+79161234567'],
    ['(495) 123-45-67', 'RU', '+74951234567'],
    ['8 701 123 45 67', 'KZ', '+77011234567'],
    ['202-555-0101', 'US', '+12025550101'],
    ['+375 29 123-45-67', 'RU', '+375291234567'],
    // A company of a country the library does not know still has international numbers.
    ['+12025550101', 'XX', '+12025550101'],
  ];
  for (const [typed, country, e164] of cases) assert.equal(normalizePhone(typed, country), e164, typed);
});

test('no number is no number', () => {
  for (const nothing of [null, undefined, '', '   ']) assert.equal(normalizePhone(nothing, 'RU'), null);
});

test('what is no whole number is refused, with the text and the place', () => {
  for (const typed of ['123', 'позвоните мне', '+7 916 123', '+7 495 123-45-67 доб. 12', '+7 495 123-45-67 ext. 12', '12345678901234567890', '😀']) {
    assert.throws(() => normalizePhone(typed, 'RU', 'mobilePhone'), { code: 'phone.invalid', path: 'mobilePhone', params: { phone: typed } }, typed);
  }
});
