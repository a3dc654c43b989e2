/** What a terminal shows: plain text, at most 100 columns. */
import type { Words } from './words.ts';

const width = 100;

function wrap(text: string, indent: string): string[] {
  const lines: string[] = [];
  for (const paragraph of text.split('\n')) {
    let line = '';
    for (const word of paragraph.split(' ')) {
      // A link longer than the line stays whole, to be clicked.
      if (line !== '' && indent.length + line.length + 1 + word.length > width) {
        lines.push(indent + line);
        line = word;
      } else line = line === '' ? word : `${line} ${word}`;
    }
    lines.push(indent + line);
  }
  return lines;
}

export interface Row {
  letter: string;
  title: string;
  checks: number;
  failed: number;
  ms: number | null;
}

/** One scenario on paper. */
export interface Page {
  say(text: string): void;
  /** More about the line above. */
  detail(text: string): void;
  /** A check that came out well, or did not; with how long the effect took. */
  check(isTrue: boolean, text: string, ms?: number): void;
  /** What a person sees. */
  quote(text: string): void;
}

/** `milliseconds`: their sign in the language. */
export function createPaper(print: (line: string) => void, milliseconds: string) {
  const rows: Row[] = [];
  const printAll = (lines: readonly string[]): void => lines.forEach((line) => print(line));
  return {
    rows,
    text: (text: string): void => printAll(wrap(text, '')),
    heading(text: string): void {
      print('═'.repeat(width));
      print(text);
      print('═'.repeat(width));
    },
    page(letter: string, title: string, place: string): Page {
      const row = rows.find((known) => known.letter === letter) ?? { letter, title, checks: 0, failed: 0, ms: null };
      if (!rows.includes(row)) rows.push(row);
      print('');
      printAll(wrap(`${letter}  ${title} · ${place}`, ''));
      print('─'.repeat(width));
      return {
        say: (text) => printAll(wrap(text, '   ')),
        detail: (text) => printAll(wrap(text, '     ')),
        check(isTrue, text, ms) {
          row.checks++;
          if (!isTrue) row.failed++;
          if (ms !== undefined) row.ms = Math.max(row.ms ?? 0, ms);
          const [first = '', ...rest] = wrap(text, '     ');
          const lines = [`   ${isTrue ? '✓' : '✗'}${first.slice(4)}`, ...rest];
          const took = ms === undefined ? '' : `  ${Math.round(ms)} ${milliseconds}`;
          const last = lines.pop() ?? '';
          printAll(lines);
          if (last.length + took.length > width) {
            print(last);
            print(took.padStart(width));
          } else print(took === '' ? last : last + took.padStart(width - last.length));
        },
        quote: (text) => printAll(wrap(text.trim(), '     │ ')),
      };
    },
    table(words: Words): void {
      const { scenario, effects, time, ok, failed } = words.table;
      const line = (left: string, checks: string, ms: string, state: string) => print(`${left.padEnd(60)}${checks.padStart(10)}${ms.padStart(8)}   ${state}`);
      print('');
      print('═'.repeat(width));
      line(scenario, effects, time, '');
      print('─'.repeat(width));
      for (const row of rows.toSorted((a, b) => a.letter.localeCompare(b.letter))) {
        line(`${row.letter}  ${row.title}`, String(row.checks), row.ms === null ? '' : String(Math.round(row.ms)), row.failed === 0 ? ok : failed);
      }
      print('─'.repeat(width));
    },
  };
}
