import assert from 'node:assert/strict';
import { test } from 'node:test';
import { downloadHeaders, partOf } from './download.ts';

const file = (name: string, mediaType: string) => ({ name, mediaType, sizeBytes: 10, sha256: Buffer.alloc(32, 1), version: 1 });

test('a Russian name travels encoded, with a fallback for old clients', () => {
  const header = downloadHeaders(file('Договор № 5 «Ромашка».pdf', 'application/pdf'), { inline: false })['content-disposition']!;
  assert.match(header, /^attachment; filename="[\x20-\x7e]+"; filename\*=UTF-8''%D0%94/);
  assert.ok(!/[\r\n]/.test(header));
});

test('what can carry scripts is never shown in place, and everything is sandboxed and unsniffed', () => {
  for (const [name, type] of [['a.html', 'text/html'], ['a.svg', 'image/svg+xml'], ['a.xml', 'application/xml'], ['a.xhtml', 'application/xhtml+xml'], ['a', 'application/octet-stream'], ['a.js', 'text/javascript']] as const) {
    const headers = downloadHeaders(file(name, type), { inline: true });
    assert.match(headers['content-disposition']!, /^attachment/, type);
    assert.match(headers['content-security-policy']!, /^sandbox; default-src 'none'/);
    assert.equal(headers['x-content-type-options'], 'nosniff');
  }
  assert.match(downloadHeaders(file('a.png', 'image/png'), { inline: true })['content-disposition']!, /^inline/);
  assert.match(downloadHeaders(file('a.png', 'image/png'), { inline: false })['content-disposition']!, /^attachment/);
});

test('ranges are read as RFC 9110 says', () => {
  const cases: [string | undefined, number, ReturnType<typeof partOf>][] = [
    [undefined, 10, { kind: 'whole' }],
    ['bytes=0-3', 10, { kind: 'part', start: 0, end: 3 }],
    ['bytes=4-', 10, { kind: 'part', start: 4, end: 9 }],
    ['bytes=-3', 10, { kind: 'part', start: 7, end: 9 }],
    ['bytes=-30', 10, { kind: 'part', start: 0, end: 9 }],
    ['bytes=5-100', 10, { kind: 'part', start: 5, end: 9 }],
    ['bytes=10-', 10, { kind: 'invalid' }],
    ['bytes=-0', 10, { kind: 'invalid' }],
    ['bytes=0-', 0, { kind: 'invalid' }],
    ['bytes=5-2', 10, { kind: 'whole' }],
    ['bytes=0-1,4-5', 10, { kind: 'whole' }],
    ['lines=0-1', 10, { kind: 'whole' }],
    ['bytes=-', 10, { kind: 'whole' }],
  ];
  for (const [range, size, expected] of cases) assert.deepEqual(partOf(range, size), expected, range);
});
