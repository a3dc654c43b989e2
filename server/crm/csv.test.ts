/** CSV from people's programs, and CSV for them. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { csvCell, csvLine, type CsvShape, detectShape, readCsv, withoutGuard } from './csv.ts';

const cp1251 = (text: string): Buffer => Buffer.from([...text].map((letter) => {
  const code = letter.codePointAt(0)!;
  if (code < 128) return code;
  if (letter === 'Ё') return 0xa8;
  if (letter === 'ё') return 0xb8;
  return code - 0x410 + 0xc0;
}));
async function read(bytes: Buffer, shape: CsvShape = detectShape(bytes)): Promise<string[][]> {
  const records: string[][] = [];
  for await (const { cells } of readCsv(bytes, shape)) records.push(cells);
  return records;
}

const table = [['Название', 'Сумма'], ['Крыша; под ключ', '1 000,50']];
const semicolons = 'Название;Сумма\r\n"Крыша; под ключ";1 000,50\r\n';

test('encoding and delimiter are seen by the bytes', async () => {
  const files: [string, Buffer, Partial<CsvShape>][] = [
    ['UTF-8', Buffer.from(semicolons), { encoding: 'utf-8', delimiter: ';' }],
    ['UTF-8 with a mark', Buffer.from(`\uFEFF${semicolons}`), { encoding: 'utf-8', delimiter: ';' }],
    ['Windows', cp1251(semicolons), { encoding: 'windows-1251', delimiter: ';' }],
    ['Unicode text of Excel', Buffer.from(`\uFEFF${semicolons.replace('Название;', 'Название\t').replace('";', '"\t')}`, 'utf16le'), { encoding: 'utf-16le', delimiter: '\t' }],
    ['commas', Buffer.from('Название,Сумма\n"Крыша; под ключ","1 000,50"\n'), { encoding: 'utf-8', delimiter: ',' }],
    ['tabs', Buffer.from('Название\tСумма\nКрыша; под ключ\t1 000,50'), { encoding: 'utf-8', delimiter: '\t' }],
  ];
  for (const [name, bytes, shape] of files) {
    assert.deepEqual(detectShape(bytes), shape, name);
    assert.deepEqual(await read(bytes), table, name);
  }
});

test('broken quotes, short and long lines, line ends in cells and empty lines are read', async () => {
  assert.deepEqual(await read(Buffer.from('a;b\n1\n\n;;\nКафе "Уют";2;3\n"две\nстроки";x')), [['a', 'b'], ['1'], ['Кафе "Уют"', '2', '3'], ['две\nстроки', 'x']]);
  assert.deepEqual(await read(Buffer.from('')), []);
});

test('rows keep the numbers a spreadsheet shows, and reading may stop early', async () => {
  const rows: number[] = [];
  for await (const { rowNumber } of readCsv(Buffer.from(`a\n${'x\n'.repeat(100_000)}`), { encoding: 'utf-8', delimiter: ';' }, 3)) rows.push(rowNumber);
  assert.deepEqual(rows, [1, 2, 3]);
  let count = 0;
  for await (const _ of readCsv(Buffer.from(`a;b\n${'x;y\n'.repeat(100_000)}`), { encoding: 'utf-8', delimiter: ';' })) count++;
  assert.equal(count, 100_001);
});

test('no cell runs as a formula, numbers stay numbers, and quotes survive', () => {
  assert.equal(csvCell('=HYPERLINK("http://x")', ';'), `"'=HYPERLINK(""http://x"")"`);
  for (const text of ['@SUM(1)', '+cmd|x', '-2+3*cmd', '\tтекст']) assert.ok(csvCell(text, ';').replace(/^"/, '').startsWith("'"), text);
  for (const text of ['-15', '+79161234567', '-1 000,50', 'Крыша', '']) assert.equal(csvCell(text, ';'), text);
  assert.equal(csvLine(['a;b', 'c"d', 'e\nf', '1,5'], ';'), '"a;b";"c""d";"e\nf";1,5\r\n');
  assert.equal(withoutGuard(`'=1+1`), '=1+1');
  assert.equal(withoutGuard(`'цитата'`), `'цитата'`);
});
