import { test } from 'node:test';
import assert from 'node:assert/strict';
import { checkReferences, compileTemplate, describeReference, maxTemplateLength, parseReference, type Known } from './placeholders.ts';
import type { Reader } from './values.ts';
import { buildField, buildSource } from '../../test/support/value-source.ts';

const ru: Reader = { language: 'ru', timeZone: 'Europe/Moscow', companyCurrency: 'RUB' };
const ny: Reader = { language: 'en', timeZone: 'America/New_York', companyCurrency: 'RUB' };
const source = buildSource();
const fill = (template: string, reader = ru, escape: 'none' | 'bbcode' = 'none', from = source) =>
  compileTemplate(template).render(from, reader, { escape }).replace(/[\u00a0\u202f]/g, ' ');

/** Milliseconds this process has computed: unlike the clock on the wall, the same on a busy machine. */
function computedMs(): number {
  const { user, system } = process.cpuUsage();
  return (user + system) / 1000;
}

test('placeholders are filled in', () => {
  const table: [string, string][] = [
    ['', ''],
    ['Без полей', 'Без полей'],
    ['{=Document:title}', 'Крыша [b]под ключ[/b]'],
    ['Сделка «{=Document:title}» на {=Document:amount}!', 'Сделка «Крыша [b]под ключ[/b]» на 1 200 000 ₽!'],
    ['{=Document:TITLE}, {=document:Title}, {= Document : title }', 'Крыша [b]под ключ[/b], Крыша [b]под ключ[/b], Крыша [b]под ключ[/b]'],
    ['{=Document:OPPORTUNITY} {=Document:CURRENCY_ID}', '1 200 000 ₽ RUB'],
    ['{=Document:ASSIGNED_BY_ID} / {=Document:CREATED_BY_ID}', 'Анна Смирнова / Пётр Ильин'],
    ['{=Document:OBSERVERS}', 'Пётр Ильин, Ольга Ким'],
    ['{=Document:CONTACT_FULL_NAME}, {=Document:CONTACT_PHONE}, {=Contact:phone}', 'Иван Петров, +79001234567, +79001234567'],
    ['{=Document:CONTACT.NAME} {=Document:CONTACT_ID}', 'Иван Петров Иван Петров'],
    ['{=Document:CLOSEDATE} {=Document:DATE_CREATE}', '01.12.2026 24.11.2026 13:05'],
    ['{=Document:STAGE_ID}', 'Отправка счета'],
    ['[{=Company:title}][{=Document:COMPANY_TITLE}][{=Document:note}]', '[][][]'],
    ['{=Owner:name} {=Owner:email} {=Document:ASSIGNED_BY_EMAIL}', 'Анна Смирнова anna@vestnik.test anna@vestnik.test'],
    ['{=A12:chatId}', 'Сделка: Крыша'],
    ['[{=A12:nothing}{=A99:chatId}]', '[]'],
    ['{=System:Date} {=System:Now}', '25.11.2026 25.11.2026 00:30'],
    ['a{=System:Eol}b', 'a\nb'],
    ['{=Document:UF_CHAT}', '77'],
    ['[{=Document:UF_GONE}]', '[]'],
    ['{=Document:files} {=Document:files > name}', 'Договор.pdf, Смета.xlsx Договор.pdf, Смета.xlsx'],
    ['{=Document:files > src}', 'https://vestnik.test/files/31'],
    ['{=Document:ID}', '12'],
    ['{=Document:link}', 'https://vestnik.test/items/12'],
  ];
  for (const [template, expected] of table) assert.equal(fill(template), expected, template);
});

test('modifiers say in which form', () => {
  const table: [string, string][] = [
    ['{=Document:ownerId > printable}', 'Анна Смирнова'],
    ['{=Document:ownerId>friendly}', 'Анна Смирнова'],
    ['{=Document:ownerId > int}', '7'],
    ['{=Document:contactId > int}', '5'],
    ['{=Document:amount > int}', '1200000'],
    ['{=Document:amount > double}', '1,200,000'],
    ['{=Document:amount > bool}', 'yes'],
    ['{=Document:createdAt > date}', 'Nov 24, 2026'],
    ['{=Document:createdAt}', 'Nov 24, 2026, 5:05 AM'],
    ['{=Document:createdAt > server}', 'Nov 24, 2026, 1:05 PM'],
    ['{=Document:createdAt > server, printable}', 'Nov 24, 2026, 1:05 PM'],
    ['{=Document:createdAt > responsible}', 'Nov 24, 2026, 8:05 PM'],
    ['{=System:NowLocal}', 'Nov 24, 2026, 4:30 PM'],
    ['{=Document:source > select}', 'Звонок'],
    ['{=Document:source > text}', 'Звонок'],
    ['[{=Document:title > date}]', '[]'],
    ['[{=Document:title > int}]', '[]'],
    ['{=Document:UF_CHAT > user}', 'deleted employee'],
  ];
  for (const [template, expected] of table) assert.equal(fill(template, ny), expected, template);
});

test('what does not follow the grammar is ordinary text', () => {
  const plain = [
    '{=Document:}', '{=:title}', '{=Document}', '{Document:title}', '{=Document:title', '{=Document:title > nonsense}', '{=Document:title >}',
    '{=Template:TargetUser}', '{=User:ID}', '{=A0:x}', '{=Axe:x}', '{=Document:title+1}', '{{=1+1}}', '{=dateadd("1d")}', '{=System:Exit}',
    '{=Document:a b}', `{=Document:${'x'.repeat(300)}}`, '{=', '}', '{=}', '{={=}', '{=Document:title}'.slice(0, -1), '${1+1}', '{{title}}', '<%= 1 %>',
  ];
  for (const template of plain) {
    assert.equal(fill(template), template);
    assert.equal(compileTemplate(template).isPlain, true, template);
  }
  assert.equal(fill('{= {=Document:ID}'), '{= 12');
  assert.equal(fill('{{=Document:ID}}'), '{12}');
});

test('a value is filled in once and never becomes markup', () => {
  const typed = buildSource({ title: '{=Document:amount} [url=http://evil]x[/url]' });
  assert.equal(fill('{=Document:title}', ru, 'none', typed), '{=Document:amount} [url=http://evil]x[/url]');
  assert.equal(fill('[b]{=Document:title}[/b]', ru, 'bbcode', typed), '[b]{=Document:amount} \\[url=http://evil\\]x\\[/url\\][/b]');
  // Two values that only together look like a placeholder.
  assert.equal(fill('{=Document:title}{=Document:note}', ru, 'none', buildSource({ title: '{=Document:', note: 'ID}' })), '{=Document:ID}');
});

test('a lone placeholder gives its value, a text around it does not', () => {
  const value = (template: string) => compileTemplate(template).value(source);
  assert.deepEqual([value('{=A12:chatId}')?.value, value('{=A12:chatId}')?.field.kind], [77, 'chat']);
  assert.deepEqual([value(' {=Document:observerIds}\n')?.value, value('{=Document:observerIds}')?.field.isMultiple], [[8, 9], true]);
  assert.equal(value('{=Document:amount > int}')?.value, 1_200_000);
  assert.deepEqual(value('{=Document:UF_CHAT > user}')?.value, 77);
  for (const template of ['', 'x', '№{=Document:id}', '{=Document:id}{=Document:id}', '{=Document:gone}', '{=A99:chatId}']) assert.equal(value(template), undefined, template);
});

test('references are canonical', () => {
  assert.deepEqual(compileTemplate('{=document:opportunity>int} {=a12:chatId} {=Document:CONTACT_FULL_NAME} {=Document:UF_Chat}').references.map((r) => r.written),
    ['{=Document:amount > int}', '{=A12:chatId}', '{=Contact:name}', '{=Document:UF_Chat}']);
  assert.equal(parseReference(' {=Document:amount} ')?.code, 'amount');
  for (const written of ['amount', '{=Document:amount} x', '{=Document:a}{=Document:b}', '']) assert.equal(parseReference(written), undefined, written);
  for (const written of ['{=Document:amount > int}', '{=A12:chatId}', '{=System:Now > server}', '{=Owner:mobilePhone}']) assert.equal(parseReference(written)?.written, written);
});

test('a text of any size is filled in quickly and stays within its limit', () => {
  const long = buildSource({ note: '😀'.repeat(50_000) });
  const rendered = compileTemplate('x{=Document:note}'.repeat(900)).render(long, ru, { escape: 'none' });
  assert.ok(rendered.length <= maxTemplateLength && rendered.length >= maxTemplateLength - 1);
  assert.ok(rendered.isWellFormed());
  const started = computedMs();
  for (const hostile of ['{='.repeat(50_000), '{=Document:'.repeat(9000), `${'{='.repeat(40_000)}}`, '{=Document:title}'.repeat(6000), '}'.repeat(100_000), `{=Document:x >${' a,'.repeat(30_000)}}`, '{=a:'.repeat(20_000) + '}'.repeat(20_000)]) {
    compileTemplate(hostile).render(source, ru, { escape: 'bbcode' });
  }
  assert.ok(computedMs() - started < 3000, `took ${computedMs() - started} ms`);
});

const known: Known = {
  field: (reference) => (reference.source === 'document' ? buildField(reference.code) : reference.code === 'phone' ? { code: 'phone', name: 'Телефон', kind: 'phone', isMultiple: true, settings: {} } : undefined),
  robot: (id) => {
    const results = { chatId: { name: 'ID чата', kind: 'chat' as const } };
    if (id !== 12 && id !== 13) return undefined;
    return { title: 'Создать групповой чат', isBefore: id === 12, result: (name) => (name === 'chatId' ? results.chatId : undefined) };
  },
};

test('broken references are told, each once', () => {
  const template = compileTemplate('{=Document:title} {=Document:GONE} {=Document:GONE} {=A12:chatId} {=A13:chatId} {=A14:chatId} {=A12:nothing} {=Contact:phone} {=Contact:gone} {=System:Now}');
  assert.deepEqual(checkReferences(template, known).map((p) => [p.code, p.params.reference]), [
    ['field_unknown', '{=Document:GONE}'], ['robot_not_before', '{=A13:chatId}'], ['robot_unknown', '{=A14:chatId}'],
    ['result_unknown', '{=A12:nothing}'], ['field_unknown', '{=Contact:gone}'],
  ]);
});

test('references have names that people know', () => {
  const name = (written: string) => {
    const reference = parseReference(written);
    assert.ok(reference);
    return describeReference(reference, known, 'ru');
  };
  assert.deepEqual(['{=Document:OPPORTUNITY}', '{=Contact:phone}', '{=A12:chatId}', '{=System:Date}', '{=Document:GONE}', '{=A99:x}'].map(name),
    ['Сумма', 'Контакт: Телефон', 'Создать групповой чат: ID чата', 'Сегодня', '{=Document:GONE} (больше не существует)', '{=A99:x} (больше не существует)']);
});
