/**
 * ICU messages as the texts of the web use them: `{name}`, `{count, number}`, `plural` and `select` with `#` and quoting by
 * apostrophes. A tenth of intl-messageformat, which the server uses and with which message.test.ts compares every text.
 */
import type { Language } from '../shared/api/people.ts';

export type MessageValue = string | number | boolean | Date | null | undefined;
type Part =
  | string
  | { kind: 'count' }
  | { kind: 'value'; name: string }
  | { kind: 'number'; name: string }
  | { kind: 'plural'; name: string; cases: ReadonlyMap<string, Message> }
  | { kind: 'select'; name: string; cases: ReadonlyMap<string, Message> };
export type Message = readonly Part[];

/** Throws what is wrong with the text. */
export function parseMessage(source: string): Message {
  let at = 0;
  const fail = (): never => {
    throw new Error(`The text “${source}” is broken at ${at}.`);
  };
  const word = (): string => {
    const [found] = /^\s*[^\s{},]*\s*/.exec(source.slice(at)) ?? [''];
    at += found.length;
    return found.trim();
  };
  const take = (sign: string): boolean => {
    const isThere = source[at] === sign;
    if (isThere) at++;
    return isThere;
  };

  function quoted(isPlural: boolean): string {
    if (take("'")) return "'";
    if (!(isPlural ? /[<>{}#]/ : /[<>{}]/).test(source[at] ?? '')) return "'";
    let text = '';
    while (at < source.length) {
      if (!take("'")) text += source[at++];
      else if (take("'")) text += "'";
      else break;
    }
    return text;
  }

  function message(isPlural: boolean): Part[] {
    const parts: Part[] = [];
    let text = '';
    const end = (): void => {
      if (text !== '') parts.push(text);
      text = '';
    };
    while (at < source.length && source[at] !== '}') {
      if (take("'")) text += quoted(isPlural);
      else if (take('{')) {
        end();
        parts.push(argument());
      } else if (isPlural && take('#')) {
        end();
        parts.push({ kind: 'count' });
      } else text += source[at++];
    }
    end();
    return parts;
  }

  function argument(): Part {
    const name = word();
    if (take('}')) return { name, kind: 'value' };
    if (!take(',')) fail();
    const kind = word();
    if (kind === 'number' && take('}')) return { name, kind };
    if ((kind !== 'plural' && kind !== 'select') || !take(',')) return fail();
    const cases = new Map<string, Message>();
    for (let key = word(); key !== ''; key = word()) {
      if (!take('{')) fail();
      cases.set(key, message(kind === 'plural'));
      if (!take('}')) fail();
    }
    if (!take('}') || !cases.has('other')) fail();
    return { name, kind, cases };
  }

  const parsed = message(false);
  if (at < source.length) fail();
  return parsed;
}

const numbers: Record<Language, Intl.NumberFormat> = { ru: new Intl.NumberFormat('ru'), en: new Intl.NumberFormat('en') };
const plurals: Record<Language, Intl.PluralRules> = { ru: new Intl.PluralRules('ru'), en: new Intl.PluralRules('en') };

/** A parameter that is missing stays as its name in braces: the rest can still be read. */
export function fillMessage(parts: Message, language: Language, values: Readonly<Record<string, MessageValue>>, count = 0): string {
  let text = '';
  for (const part of parts) {
    if (typeof part === 'string') text += part;
    else if (part.kind === 'count') text += numbers[language].format(count);
    else {
      const value = values[part.name];
      if (value === undefined) text += `{${part.name}}`;
      else if (part.kind === 'value') text += value === null || value === false ? '' : String(value);
      else if (part.kind === 'number') text += numbers[language].format(Number(value));
      else if (part.kind === 'select') text += fillMessage(part.cases.get(String(value)) ?? part.cases.get('other') ?? [], language, values, count);
      else text += fillMessage(part.cases.get(`=${String(value)}`) ?? part.cases.get(plurals[language].select(Number(value))) ?? part.cases.get('other') ?? [], language, values, Number(value));
    }
  }
  return text;
}
