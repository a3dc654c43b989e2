/**
 * Texts: finds a text by its key and language and fills it in (ICU message format).
 *
 * Owns `locales/<language>/<area>.json`: flat keys ("errors.chat.gone"), every key in every language
 * (test/locales.test.ts). The files are read once, when the process starts; a text is parsed when it
 * is first needed and kept.
 *
 * A missing key gives the key back, a missing parameter its name in braces, broken ICU its source: a message that is a
 * little wrong can still be read, and a run or an answer never fails because of its wording.
 *
 * Server only: a browser gets its texts from the web build.
 */
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { IntlMessageFormat } from 'intl-messageformat';
import type { ErrorCode, ErrorParams } from './errors.ts';

export const languages = ['ru', 'en'] as const;
export type Language = (typeof languages)[number];

export function isLanguage(text: string): text is Language {
  return text === 'ru' || text === 'en';
}

export interface Texts {
  /** The text of `key`, filled in. Unknown key: the key itself. Lists read «А, Б и В». */
  text(language: Language, key: string, params?: ErrorParams): string;
  has(key: string): boolean;
  keys(language: Language): readonly string[];
  /** Names of the parameters a text takes. Throws what is wrong when it is not valid ICU. */
  paramNames(language: Language, key: string): readonly string[];
}

interface Parsed {
  format: IntlMessageFormat;
  params: readonly string[];
}

/** Texts from anywhere: the folders of robots carry their own. */
export function createTexts(sources: Record<Language, Readonly<Record<string, string>>>): Texts {
  const parsed = { ru: new Map<string, Parsed>(), en: new Map<string, Parsed>() };

  function parse(language: Language, key: string): Parsed | undefined {
    const known = parsed[language].get(key);
    if (known) return known;
    const source = sources[language][key];
    if (source === undefined) return undefined;
    // Tags are not markup here: BBCode and «<имя>» are plain text.
    const format = new IntlMessageFormat(source, language, undefined, { ignoreTag: true });
    const entry = { format, params: [...new Set(argumentNames(format.getAst()))] };
    parsed[language].set(key, entry);
    return entry;
  }

  return {
    text(language, key, params = {}) {
      let entry: Parsed | undefined;
      try {
        entry = parse(language, key);
      } catch {
        return sources[language][key] ?? key;
      }
      if (!entry) return key;
      const values: Record<string, string | number | boolean | null> = {};
      for (const name of entry.params) {
        const value = params[name];
        if (value === undefined) values[name] = `{${name}}`;
        else if (typeof value === 'object' && value !== null) values[name] = listFormats[language].format(value);
        else values[name] = value;
      }
      return String(entry.format.format(values));
    },
    has: (key) => Object.hasOwn(sources.ru, key) || Object.hasOwn(sources.en, key),
    keys: (language) => Object.keys(sources[language]),
    paramNames: (language, key) => parse(language, key)?.params ?? [],
  };
}

const listFormats = {
  ru: new Intl.ListFormat('ru', { type: 'conjunction' }),
  en: new Intl.ListFormat('en', { type: 'conjunction' }),
};

function argumentNames(parts: ReturnType<IntlMessageFormat['getAst']>): string[] {
  return parts.flatMap((part) => {
    // 0 is literal text, 7 is the «#» of a plural: the two parts without a name.
    if (part.type === 0 || part.type === 7) return [];
    const inner = 'options' in part ? Object.values(part.options).flatMap((option) => argumentNames(option.value)) : [];
    return [part.value, ...inner];
  });
}

function readLocale(language: Language): Record<string, string> {
  const folder = new URL(`../locales/${language}/`, import.meta.url);
  const texts: Record<string, string> = {};
  for (const file of readdirSync(folder).filter((name) => name.endsWith('.json')).sort()) {
    const entries: unknown = JSON.parse(readFileSync(new URL(file, folder), 'utf8'));
    if (typeof entries !== 'object' || entries === null) throw new Error(`locales/${language}/${file} is not an object of texts.`);
    for (const [key, value] of Object.entries(entries)) {
      if (typeof value !== 'string') throw new Error(`locales/${language}/${file}: "${key}" is not a text.`);
      texts[key] = value;
    }
  }
  for (const [name, entry] of Object.entries(providerErrors(language))) texts[name] = entry;
  return texts;
}

/**
 * What SMS providers refuse for stands in their folders, and is told wherever an error is, so it is read
 * here: `errors.207` of `sms-ru` is `sms.providers.sms-ru.errors.207`.
 */
function providerErrors(language: Language): Record<string, string> {
  const root = new URL('../server/messaging/sms/providers/', import.meta.url);
  const folders = readdirSync(root, { withFileTypes: true }).filter((entry) => entry.isDirectory()).map((entry) => entry.name).sort();
  return Object.fromEntries(folders.flatMap((folder) => {
    const file = new URL(`${folder}/${language}.json`, root);
    if (!existsSync(file)) return [];
    const entries: unknown = JSON.parse(readFileSync(file, 'utf8'));
    if (typeof entries !== 'object' || entries === null) throw new Error(`${folder}/${language}.json is not an object of texts.`);
    return Object.entries(entries).flatMap(([key, value]): [string, string][] => (key.startsWith('errors.') ? [[`sms.providers.${folder}.${key}`, String(value)]] : []));
  }));
}

const texts = createTexts({ ru: readLocale('ru'), en: readLocale('en') });

/** The texts of `locales/`. */
export const text = texts.text;
export const hasText = texts.has;
export const textKeys = texts.keys;
export const textParamNames = texts.paramNames;

/**
 * What to tell a person about an error: names the thing and the next step. A param '@fields.title' is the
 * key of a text: whoever threw did not know the reader's language.
 */
export function errorMessage(language: Language, code: ErrorCode, params: ErrorParams = {}): string {
  const named = (value: string) => (value.startsWith('@') && texts.has(value.slice(1)) ? texts.text(language, value.slice(1)) : value);
  const said = Object.entries(params).map(([name, value]) =>
    [name, typeof value === 'string' ? named(value) : Array.isArray(value) ? value.map((one) => named(String(one))) : value] as const);
  return texts.text(language, `errors.${code}`, Object.fromEntries(said));
}
