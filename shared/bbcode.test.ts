import assert from 'node:assert/strict';
import { test } from 'node:test';
import { bbcodeToHtml, bbcodeToText, escapeBbcode } from './bbcode.ts';

test('what people write becomes HTML', () => {
  const cases: [string, string][] = [
    ['Сделка [b]№5[/b]\nсумма [i]1 000 ₽[/i]', 'Сделка <b>№5</b><br>\nсумма <i>1 000 ₽</i>'],
    ['[S]a[/S][u]b[/u]', '<s>a</s><u>b</u>'],
    ['[url=https://a.b/?x=1&y=2]счёт[/url]', '<a href="https://a.b/?x=1&#38;y=2" target="_blank" rel="noopener noreferrer nofollow">счёт</a>'],
    ['[url]https://a.b[/url]', '<a href="https://a.b" target="_blank" rel="noopener noreferrer nofollow">https://a.b</a>'],
    ['[url="https://a.b/c"]x[/url]', '<a href="https://a.b/c" target="_blank" rel="noopener noreferrer nofollow">x</a>'],
    ['[color=#ff0000]a[/color][color=red]b[/color]', '<span style="color:#ff0000">a</span><span style="color:red">b</span>'],
    ['[size=20]a[/size][size=99]b[/size]', '<span style="font-size:20px">a</span><span style="font-size:48px">b</span>'],
    ['[list]\n[*]раз\n[*][b]два[/b]\n[/list]', '<ul><li>раз</li><li><b>два</b></li></ul>'],
    ['[list=1][*]a[*]b[/list]', '<ol><li>a</li><li>b</li></ol>'],
    ['[table][tr][td]1[/td][td]2[/td][/tr][/table]', '<table border="1" style="border-collapse:collapse"><tr><td>1</td><td>2</td></tr></table>'],
    ['[quote=Анна]да[/quote]', '<blockquote><b>Анна</b><br>да</blockquote>'],
    ['[code][b]как есть[/b] <i>[/code]', '<pre>[b]как есть[/b] &#60;i&#62;</pre>'],
    ['[user=5]Анна[/user]', '<span data-employee-id="5">Анна</span>'],
    ['[img]https://a.b/c.png[/img]', '<img src="https://a.b/c.png" alt="" style="max-width:100%">'],
    ['1 < 2 && "x" [foo]y[/foo] [b]открыт', '1 &#60; 2 &#38;&#38; &#34;x&#34; [foo]y[/foo] [b]открыт'],
  ];
  for (const [source, html] of cases) assert.equal(bbcodeToHtml(source), html, source);
});

test('relative links lead to our server', () => {
  assert.match(bbcodeToHtml('[url=/items/5]x[/url]', { baseUrl: 'https://crm.example.com' }), /href="https:\/\/crm\.example\.com\/items\/5"/);
  assert.match(bbcodeToHtml('[url=/items/5]x[/url]'), /href="\/items\/5"/);
  assert.match(bbcodeToHtml('[user=5]Анна[/user]', { userLink: (id) => `/people/${id}`, baseUrl: 'https://a.b' }), /href="https:\/\/a\.b\/people\/5"/);
});

test('what is meant to do harm is shown as it was typed', () => {
  const attacks = [
    '<script>alert(1)</script>', '<img src=x onerror=alert(1)>', '[b onclick=alert(1)]x[/b]', '[url=javascript:alert(1)]x[/url]',
    '[url=JaVaScRiPt:alert(1)]x[/url]', '[url=java\tscript:alert(1)]x[/url]', '[url=java\nscript:alert(1)]x[/url]', '[url= javascript:alert(1)]x[/url]',
    '[url]javascript:alert(1)[/url]', '[url=data:text/html,<script>alert(1)</script>]x[/url]', '[url=vbscript:x]x[/url]', '[url=//evil.example]x[/url]',
    '[url=https://a.b" onmouseover="alert(1)]x[/url]', "[url=https://a.b' onmouseover='alert(1)]x[/url]", '[url=https://a.b onclick=alert(1)]x[/url]',
    '[img]javascript:alert(1)[/img]', '[img]https://a.b/x.png" onerror="alert(1)[/img]', '[img=1x1 onerror=alert(1)]https://a.b/x[/img]', '[img]data:image/svg+xml,<svg onload=alert(1)>[/img]',
    '[color=red;background:url(javascript:alert(1))]x[/color]', '[color="red" onclick="x"]x[/color]', '[color=expression(alert(1))]x[/color]', '[size=1;x:expression(1)]x[/size]',
    '[quote=<script>alert(1)</script>]x[/quote]', '[quote="><script>alert(1)</script>]x[/quote]', '[code]</pre><script>alert(1)</script>[/code]', '[user=5" onclick="x]x[/user]',
    '[user=javascript:alert(1)]x[/user]', '[table onclick=x][tr][td]<script>[/td][/tr][/table]', '[list=1" onclick="x][*]a[/list]', '[url=\\\\evil]x[/url]', '[url=&#106;avascript:alert(1)]x[/url]',
    '[script]alert(1)[/script]', '[style]x[/style]', '[iframe=https://a.b][/iframe]', '[html]<b>[/html]',
    '[url=https://a.b][img]javascript:alert(1)[/img][/url]', '[[b]]<b>[[/b]]', '[b][/b<script>]', '[url=https://a.b]]"><script>[/url]',
  ];
  const allowed = /^<(\/?(b|i|s|u|ul|ol|li|table|tr|td|blockquote|pre|span|a)|br|a href="(https?:\/\/|mailto:|\/(?!\/))[^"<>]*" target="_blank" rel="noopener noreferrer nofollow"|span (style="(color:(#[0-9a-fA-F]+|[a-zA-Z]+)|font-size:\d+(px|pt))"|data-employee-id="\d+")|table border="1" style="border-collapse:collapse"|img src="https?:\/\/[^"<>]*" alt="" style="max-width:100%")>$/;
  for (const attack of attacks) {
    const html = bbcodeToHtml(attack);
    for (const [element] of html.matchAll(/<[^>]*>?/g)) assert.match(element, allowed, `${attack} → ${html}`);
    assert.doesNotMatch(html, /href="(?!https?:|mailto:|\/)/i, attack);
  }
});

test('random markup never breaks out and never takes long', () => {
  const pieces = ['[b]', '[/b]', '[url=', '[url]', ']', '[/url]', '"', "'", '<', '>', 'javascript:', 'https://a.b', '[list]', '[*]', '[/list]', '[table]', '[td]', '[tr]', '[/table]', '[code]', '[/code]', '\n', 'x', '&', '[img]', '[/img]', '=', ' onload='];
  let seed = 7;
  const random = () => (seed = (seed * 1103515245 + 12345) % 2147483648) / 2147483648;
  for (let round = 0; round < 3000; round++) {
    const source = Array.from({ length: 1 + Math.floor(random() * 25) }, () => pieces[Math.floor(random() * pieces.length)]).join('');
    const html = bbcodeToHtml(source);
    for (const [element] of html.matchAll(/<[^>]*>?/g)) assert.match(element, /^<(\/?(b|ul|li|table|tr|td|pre|a)|br|a href="[^"<>]*" target="_blank" rel="[a-z ]*"|table border="1" style="[^"]*"|img src="[^"<>]*" alt="" style="max-width:100%")>$/, source);
    bbcodeToText(source);
  }
  for (const source of ['[b]'.repeat(33_000), '[b]'.repeat(14_000) + '[/b]'.repeat(14_000), '['.repeat(100_000), '[list][*]'.repeat(11_000), '[url='.repeat(20_000), '[quote]'.repeat(7_000) + '[/quote]'.repeat(7_000)]) {
    const started = performance.now();
    bbcodeToHtml(source);
    bbcodeToText(source);
    assert.ok(performance.now() - started < 5000, source.slice(0, 20));
  }
});

test('plain text keeps what can be kept: links, items, rows', () => {
  assert.equal(bbcodeToText('[b]Счёт[/b]: [url=https://a.b/1]открыть[/url]'), 'Счёт: открыть (https://a.b/1)');
  assert.equal(bbcodeToText('[url]https://a.b[/url]'), 'https://a.b');
  assert.equal(bbcodeToText('[list][*]раз[*]два[/list]'), '• раз\n• два');
  assert.equal(bbcodeToText('[table][tr][td]1[/td][td]2[/td][/tr][tr][td]3[/td][/tr][/table]'), '1\t2\n3');
  assert.equal(bbcodeToText('[quote]a\nb[/quote]'), '> a\n> b');
  assert.equal(bbcodeToText('😀 مرحبا [b]שלום[/b]'), '😀 مرحبا שלום');
});

test('characters that were escaped are characters', () => {
  const texts = ['[Важно] крыша', '[b]не жирно[/b]', 'C:\\Договоры\\[5]', '\\[b]', '[url=javascript:x]y[/url]', '[*]', 'конец \\'];
  for (const text of texts) {
    assert.equal(bbcodeToText(escapeBbcode(text)), text);
    assert.equal(bbcodeToText(`[b]${escapeBbcode(text)}[/b]`), text);
    assert.doesNotMatch(bbcodeToHtml(escapeBbcode(text)), /<(?!br)/);
  }
  assert.equal(bbcodeToHtml('\\[b]x\\[/b] a\\b'), '[b]x[/b] a\\b');
});

test('a line break beside a list or a quote makes no empty line', () => {
  assert.equal(bbcodeToHtml('a\n[list][*]x[/list]\nb'), 'a<ul><li>x</li></ul>b');
  assert.equal(bbcodeToHtml('[quote]\na\n[/quote]\n\nb'), '<blockquote>a</blockquote><br>\nb');
  assert.equal(bbcodeToHtml('[list]\n[*]a\n[list=1]\n[*]b\n[/list]\n[*]c\n[/list]'), '<ul><li>a<ol><li>b</li></ol></li><li>c</li></ul>');
});
