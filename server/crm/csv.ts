/**
 * CSV as people's programs write it: which encoding, which delimiter, what the cells are; and a CSV that
 * Excel opens as it was meant. Pure.
 */
import { isUtf8 } from 'node:buffer';
import { parse } from 'csv-parse';

export const csvEncodings = ['utf-8', 'windows-1251', 'utf-16le'] as const;
export type CsvEncoding = (typeof csvEncodings)[number];
export const csvDelimiters = [';', ',', '\t', '|'] as const;
export type CsvDelimiter = (typeof csvDelimiters)[number];

export interface CsvShape {
  encoding: CsvEncoding;
  delimiter: CsvDelimiter;
}

/** Excel of a Russian Windows saves windows-1251 or, as «Unicode text», UTF-16; everything else is UTF-8, which no other text looks like by chance. */
function detectEncoding(bytes: Buffer): CsvEncoding {
  if (bytes[0] === 0xff && bytes[1] === 0xfe) return 'utf-16le';
  return isUtf8(bytes) ? 'utf-8' : 'windows-1251';
}

export function decodeCsv(bytes: Buffer, encoding: CsvEncoding): string {
  // A NUL is no text and PostgreSQL has none.
  return new TextDecoder(encoding).decode(bytes).replaceAll('\u0000', '');
}

/** The one that cuts the first lines into the most columns, the same number in each. */
function detectDelimiter(text: string): CsvDelimiter {
  const lines = firstRecords(text, 20);
  let best: { delimiter: CsvDelimiter; score: number } = { delimiter: ';', score: 0 };
  for (const delimiter of csvDelimiters) {
    const counts = lines.map((line) => line.split(delimiter).length - 1);
    const head = counts[0] ?? 0;
    const alike = counts.filter((count) => count === head).length / Math.max(1, counts.length);
    const score = head * alike * alike;
    if (score > best.score) best = { delimiter, score };
  }
  return best.delimiter;
}

/** The first records without what stands in quotation marks: delimiters and line ends there are text. */
function firstRecords(text: string, count: number): string[] {
  return text.slice(0, 64 * 1024).replaceAll(/"(?:[^"]|"")*"/g, '').split(/\r\n|\n|\r/).filter((line) => line.trim() !== '').slice(0, count);
}

export function detectShape(bytes: Buffer): CsvShape {
  const encoding = detectEncoding(bytes);
  const head = bytes.subarray(0, 64 * 1024);
  // What was cut in the middle of a letter decodes to a stand-in, which is no delimiter.
  return { encoding, delimiter: detectDelimiter(decodeCsv(head, encoding)) };
}

export interface CsvRecord {
  cells: string[];
  /** The line a spreadsheet shows it at: records, not line ends. */
  rowNumber: number;
}

/** Its records as they are read, at most `limit`; lines with nothing in them are counted and left out. */
export async function* readCsv(bytes: Buffer, { encoding, delimiter }: CsvShape, limit = Number.MAX_SAFE_INTEGER): AsyncGenerator<CsvRecord> {
  const parser = parse({ delimiter, relax_column_count: true, relax_quotes: true, bom: true, trim: true, max_record_size: 1_000_000 });
  parser.on('error', () => {});
  const text = decodeCsv(bytes, encoding);
  // In pieces: a large file must not hold up everybody else.
  const feed = (async () => {
    for (let at = 0; at < text.length; at += 256 * 1024) {
      if (!parser.write(text.slice(at, at + 256 * 1024))) await new Promise<void>((resume) => parser.once('drain', resume).once('close', resume));
      if (parser.destroyed) return;
    }
    parser.end();
  })();
  let rowNumber = 0;
  let given = 0;
  for await (const record of parser) {
    rowNumber++;
    if (!Array.isArray(record)) continue;
    const cells = record.map(String);
    if (cells.every((cell) => cell === '')) continue;
    yield { cells, rowNumber };
    if (++given >= limit) break;
  }
  parser.destroy();
  await feed;
}

// ——— Writing

/** What a spreadsheet would take for a formula. */
const formula = /^[=+\-@\t\r]/;
/** A number is one, whatever it begins with; so is a telephone number, as far as a formula can be made of it. */
const harmless = /^[+-]?[\d\s.,()-]*$/;

/** A cell, quoted where it must be; a text that a spreadsheet would run as a formula gets an apostrophe before it. */
export function csvCell(value: string, delimiter: string): string {
  const safe = formula.test(value) && !harmless.test(value) ? `'${value}` : value;
  return safe.includes(delimiter) || /["\r\n]/.test(safe) ? `"${safe.replaceAll('"', '""')}"` : safe;
}

export function csvLine(values: readonly string[], delimiter: string): string {
  return `${values.map((value) => csvCell(value, delimiter)).join(delimiter)}\r\n`;
}

/** What Excel needs to see that the rest is UTF-8. */
export const csvStart = '\uFEFF';

/** The text of a cell without the apostrophe that `csvCell` put there. */
export function withoutGuard(cell: string): string {
  return cell.startsWith("'") && formula.test(cell.slice(1)) ? cell.slice(1) : cell;
}
