import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type DocNode, fromBbcode, fromPlain, linkFor, type Mark, toBbcode, toPlain } from './document.ts';

const text = (value: string, ...marks: Mark[]): DocNode => (marks.length > 0 ? { type: 'text', text: value, marks } : { type: 'text', text: value });
const p = (...content: DocNode[]): DocNode => (content.length > 0 ? { type: 'paragraph', content } : { type: 'paragraph' });
const doc = (...content: DocNode[]): DocNode => ({ type: 'doc', content });
const list = (type: 'bulletList' | 'orderedList', ...items: DocNode[][]): DocNode => ({ type, content: items.map((content) => ({ type: 'listItem', content })) });
const quote = (author: string, ...content: DocNode[]): DocNode => ({ type: 'blockquote', attrs: { author }, content });
const code = (value: string): DocNode => ({ type: 'codeBlock', content: [text(value)] });
const bold: Mark = { type: 'bold' };
const italic: Mark = { type: 'italic' };
const link = (href: string): Mark => ({ type: 'link', attrs: { href } });

const documents: [string, DocNode][] = [
  ['', doc(p())],
  ['a', doc(p(text('a')))],
  ['a\n\nb', doc(p(text('a')), p(), p(text('b')))],
  ['Сделка [b]№5 [i]срочно[/i][/b] да', doc(p(text('Сделка '), text('№5 ', bold), text('срочно', bold, italic), text(' да')))],
  ['[b]a[/b][u]b[/u][s]c[/s]', doc(p(text('a', bold), text('b', { type: 'underline' }), text('c', { type: 'strike' })))],
  ['[url=https://a.b/?x=1&y=%5B2%5D]счёт [b]5[/b][/url]', doc(p(text('счёт ', link('https://a.b/?x=1&y=%5B2%5D')), text('5', link('https://a.b/?x=1&y=%5B2%5D'), bold)))],
  ['[color=#ff0000]a[/color][size=20px]b[/size]', doc(p(text('a', { type: 'color', attrs: { color: '#ff0000' } }), text('b', { type: 'size', attrs: { size: '20px' } })))],
  ['x\n[list]\n[*]раз\n[*][b]два[/b]\n[/list]\ny', doc(p(text('x')), list('bulletList', [p(text('раз'))], [p(text('два', bold))]), p(text('y')))],
  ['[list=1]\n[*]a\n[list]\n[*]b\n[/list]\n[*]c\nd\n[/list]', doc(list('orderedList', [p(text('a')), list('bulletList', [p(text('b'))])], [p(text('c')), p(text('d'))]))],
  ['x\n\n[list]\n[*]a\n[/list]\n\ny', doc(p(text('x')), p(), list('bulletList', [p(text('a'))]), p(), p(text('y')))],
  ['\n[quote]a[/quote]', doc(p(), quote('', p(text('a'))))],
  ['[quote=Анна]a\n\n[code]b[/code][/quote]\n[code]c[/code]', doc(quote('Анна', p(text('a')), p(), code('b')), code('c'))],
  ['[list]\n[*]\n[*]a\n[/list]', doc(list('bulletList', [p()], [p(text('a'))]))],
  ['[code]if (a\\[0\\]) {\n  return "\\[/code\\]";\n}[/code]', doc(code('if (a[0]) {\n  return "[/code]";\n}'))],
  ['Да, [USER=5]Анна \\[HR\\][/USER]!', doc(p(text('Да, '), { type: 'mention', attrs: { id: 5, label: 'Анна [HR]' } }, text('!')))],
  ['[img]/api/drive/files/5/content?inline=true[/img]', doc(p({ type: 'image', attrs: { src: '/api/drive/files/5/content?inline=true' } }))],
  ['[table][tr][td]1[/td][td][b]2[/b][/td][/tr][/table]', doc({ type: 'bbTable', attrs: { source: '[table][tr][td]1[/td][td][b]2[/b][/td][/tr][/table]' } })],
];

test('every document comes back from its BBCode', () => {
  for (const [bbcode, document] of documents) {
    assert.equal(toBbcode(document), bbcode);
    assert.deepEqual(fromBbcode(bbcode), document, bbcode);
  }
});

test('what looks like markup and was typed stays text', () => {
  const hostile = [
    '[b]не жирно[/b]', '[url=javascript:alert(1)]x[/url]', '[*]', '\\[b]', 'C:\\папка\\', '[/code]', '[[b]]', '[USER=1]x[/USER]', '{=Document:title}',
    '[code][/code]', '[list][*]a[/list]', '<script>alert(1)</script>', '&#60;b&#62;', '\\\\', '[', ']', '[img]x[/img]', '[b', 'b]', '😀 שלום',
  ];
  for (const typed of hostile) {
    for (const document of [
      doc(p(text(typed))), doc(p(text('a', bold), text(typed), text('b', italic))), doc(p(text(typed, bold))), doc(p(text(typed, link('https://a.b/')))), doc(code(typed)),
      doc(list('bulletList', [p(text(typed))], [p(text(typed))])), doc(quote('', p(text(typed)))), doc(p({ type: 'mention', attrs: { id: 7, label: typed } })),
    ]) assert.deepEqual(fromBbcode(toBbcode(document)), document, toBbcode(document));
  }
});

test('random documents come back, and random BBCode settles after one round', () => {
  let seed = 11;
  const random = (below: number) => (seed = (seed * 1103515245 + 12345) % 2147483648) % below;
  const pick = <T>(values: readonly T[]): T => values[random(values.length)]!;
  const words = ['a', 'слово', '[b]', '[/b]', '\\', '[', ']', 'https://a.b', '[*]', '[/list]', '[/quote]', '"', "'", '=', '{=x}', '😀'];
  const allMarks: Mark[] = [link('https://a.b/c'), { type: 'color', attrs: { color: 'red' } }, { type: 'size', attrs: { size: '20px' } }, bold, italic, { type: 'underline' }, { type: 'strike' }];
  const line = (): DocNode => {
    const content: DocNode[] = [];
    for (let i = random(4); i >= 0; i--) {
      const marks = allMarks.filter(() => random(3) === 0);
      const last = content.at(-1);
      if (last && JSON.stringify(last.marks ?? []) === JSON.stringify(marks)) continue;
      content.push(text(Array.from({ length: 1 + random(3) }, () => pick(words)).join(''), ...marks));
    }
    return p(...content);
  };
  const block = (depth: number): DocNode => {
    const kind = random(depth > 0 ? 6 : 3);
    if (kind === 3) return list(pick(['bulletList', 'orderedList']), ...Array.from({ length: 1 + random(3) }, () => [line(), ...(random(3) === 0 ? [list('bulletList', [line()])] : [])]));
    if (kind === 4) return quote('', line(), ...(random(2) === 0 ? [block(depth - 1), line()] : []));
    if (kind === 5) return code(Array.from({ length: 1 + random(3) }, () => pick(words)).join('\n'));
    return line();
  };
  for (let round = 0; round < 2000; round++) {
    const document = doc(...Array.from({ length: random(4) }, () => block(2)), line());
    assert.deepEqual(fromBbcode(toBbcode(document)), document, toBbcode(document));
  }
  const pieces = ['[b]', '[/b]', '[url=https://a.b]', '[url]', '[/url]', '[list]', '[*]', '[/list]', '[quote]', '[/quote]', '[code]', '[/code]', '\n', 'x', '\\', '[', ']', '[user=5]', '[/user]', '[img]/a.png[/img]', '[table]', '[tr]', '[td]', '[/table]', '[i]', '[/i]', ' '];
  for (let round = 0; round < 3000; round++) {
    const source = Array.from({ length: 1 + random(20) }, () => pick(pieces)).join('');
    const once = toBbcode(fromBbcode(source));
    assert.equal(toBbcode(fromBbcode(once)), once, source);
  }
});

test('only links that may be followed are links', () => {
  assert.equal(linkFor(' https://a.b/c d[1] '), 'https://a.b/c%20d%5B1%5D');
  assert.equal(linkFor('www.a.b'), 'https://www.a.b');
  assert.equal(linkFor('/items/5'), '/items/5');
  assert.equal(linkFor('mailto:a@b.c'), 'mailto:a@b.c');
  for (const bad of ['javascript:alert(1)', 'data:text/html,x', '//a.b', 'x', '', 'https://a.b/"onclick=', '{=Document:url}']) assert.equal(linkFor(bad), undefined, bad);
  assert.equal(linkFor('{=Document:url}', true), '{=Document:url}');
  assert.equal(linkFor('https://a.b/{=Document:id}', true), 'https://a.b/{=Document:id}');
  assert.equal(linkFor('javascript:{=Document:id}', true), undefined);
  assert.equal(toBbcode(doc(p(text('x', link('javascript:alert(1)'))))), 'x');
});

test('placeholders are chips where they are wanted, also in links and plain texts', () => {
  const chip = (value: string, ...marks: Mark[]): DocNode => ({ type: 'chip', attrs: { code: value }, ...(marks.length > 0 ? { marks } : {}) });
  const options = { withPlaceholders: true };
  const cases: [string, DocNode][] = [
    ['Сделка {=Document:title}: [b]{=Document:amount > int}[/b]', doc(p(text('Сделка '), chip('{=Document:title}'), text(': '), chip('{=Document:amount > int}', bold)))],
    ['[url={=Document:url}]{=Document:title}[/url]', doc(p(chip('{=Document:title}', link('{=Document:url}'))))],
    ['[url=https://a.b/{=Document:id}]x[/url]', doc(p(text('x', link('https://a.b/{=Document:id}'))))],
  ];
  for (const [bbcode, document] of cases) {
    assert.deepEqual(fromBbcode(bbcode, options), document);
    assert.equal(toBbcode(document, options), bbcode);
  }
  const plain = 'Оплата [{=Document:title}] \\ {=A5:chatId}\nдва';
  assert.deepEqual(fromPlain(plain, options), doc(p(text('Оплата ['), chip('{=Document:title}'), text('] \\ '), chip('{=A5:chatId}')), p(text('два'))));
  assert.equal(toPlain(fromPlain(plain, options)), plain);
});
