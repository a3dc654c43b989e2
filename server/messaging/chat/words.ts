/**
 * Words of texts, as search over all chats knows them: a message is found by the beginnings of its words, in any order. Scripts
 * that are written without spaces are taken sign by sign. Pure.
 */
import { bbcodeToText } from '../../../shared/bbcode.ts';

const withoutSpaces = /(\p{Script=Han}|\p{Script=Hiragana}|\p{Script=Katakana}|\p{Script=Thai}|\p{Script=Lao}|\p{Script=Khmer}|\p{Script=Myanmar})/gu;
const word = /[\p{L}\p{N}\p{M}]+/gu;
/** Nobody types more of a word; PostgreSQL takes no more than two kilobytes of one. */
const longestWord = 60;
/** A word this short stands in so many messages that an index of it helps nobody. */
const shortestTelling = 3;

/** Each once; `ё` and `е` are the same to who searches. */
export function wordsOf(plain: string): string[] {
  const text = plain.normalize('NFKC').toLowerCase().replaceAll('ё', 'е').replace(withoutSpaces, ' $1 ');
  return [...new Set(Array.from(text.matchAll(word), ([found]) => [...found].slice(0, longestWord).join('')))];
}

export const wordsOfMessage = ({ heading, body }: { heading: string; body: string }): string[] => wordsOf(`${heading} ${bbcodeToText(body)}`);

/** Whether the words narrow a search down enough for the index to be asked. */
export function areTelling(words: readonly string[]): boolean {
  return words.some((one) => one.length >= shortestTelling || one.search(withoutSpaces) === 0);
}

export const chatWord = (chatId: number): string => `#${chatId}`;

/** PostgreSQL's question: all of these words' beginnings, in one of these chats (none named: in any). Words hold no quotes. */
export function wordQuery(words: readonly string[], chatIds: readonly number[]): string {
  const parts = words.map((one) => `'${one}':*`);
  if (chatIds.length > 0) parts.push(`(${chatIds.map((id) => `'${chatWord(id)}'`).join(' | ')})`);
  return parts.join(' & ');
}
