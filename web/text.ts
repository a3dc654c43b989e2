/**
 * Texts of the web: ICU messages under flat keys, in the person's language.
 *
 * `locales/<language>/web.json` is there before the first page is drawn; other areas come with the route that names them
 * (`meta: { texts: ['web-crm'] }`). `t` is reactive: when the language changes, what was drawn is drawn anew.
 * A missing key gives the key back, a missing parameter its name in braces.
 */
import { IntlMessageFormat } from 'intl-messageformat';
import { ref, shallowRef } from 'vue';
import type { Language } from '../shared/api/people.ts';

export type TextParams = Readonly<Record<string, string | number | boolean | Date | null | undefined | readonly string[]>>;

type Sources = Record<string, string>;

const files = import.meta.glob<Sources>('../locales/*/*.json', { import: 'default' });

/** The language of what is on the screen. */
export const language = ref<Language>(guessLanguage());

/** Replaced whole when an area comes, so that what was drawn with its keys is drawn anew. */
const sources = shallowRef<Record<Language, Sources>>({ ru: {}, en: {} });
const areas = new Set<string>(['web']);
const loaded = new Set<string>();
const parsed: Record<Language, Map<string, IntlMessageFormat>> = { ru: new Map(), en: new Map() };

/** Before anybody signed in: what was chosen here last, else what the browser prefers. */
function guessLanguage(): Language {
  const kept = localStorage.getItem('vestnik.language');
  if (kept === 'ru' || kept === 'en') return kept;
  return navigator.languages.some((one) => one.startsWith('ru')) ? 'ru' : 'en';
}

async function loadArea(of: Language, area: string): Promise<void> {
  const path = `../locales/${of}/${area}.json`;
  if (loaded.has(path)) return;
  const load = files[path];
  if (!load) throw new Error(`There is no ${path}.`);
  const texts = await load();
  sources.value = { ...sources.value, [of]: { ...sources.value[of], ...texts } };
  loaded.add(path);
}

/** Brings the texts of these areas; at once when they are there. */
export async function loadTexts(wanted: readonly string[]): Promise<void> {
  for (const area of wanted) areas.add(area);
  await Promise.all([...areas].map((area) => loadArea(language.value, area)));
}

/** Changes the language of the screen, with all areas that are in use. */
export async function setLanguage(to: Language): Promise<void> {
  await Promise.all([...areas].map((area) => loadArea(to, area)));
  language.value = to;
  document.documentElement.lang = to;
  localStorage.setItem('vestnik.language', to);
}

const lists: Record<Language, Intl.ListFormat> = { ru: new Intl.ListFormat('ru'), en: new Intl.ListFormat('en') };

/** The text of `key`, filled in. */
export function t(key: string, params?: TextParams): string {
  const here = language.value;
  const source = sources.value[here][key];
  if (source === undefined) return key;
  if (!source.includes('{') && !source.includes("'")) return source;
  let format = parsed[here].get(key);
  if (!format) {
    format = new IntlMessageFormat(source, here, undefined, { ignoreTag: true });
    parsed[here].set(key, format);
  }
  const values: Record<string, string | number | boolean | Date | null> = {};
  for (const [name, value] of Object.entries(params ?? {})) {
    if (value === undefined) continue;
    values[name] = Array.isArray(value) ? lists[here].format(value) : isList(value) ? '' : value;
  }
  try {
    return String(format.format(values));
  } catch {
    return source;
  }
}

function isList(value: unknown): value is readonly string[] {
  return Array.isArray(value);
}

export function hasText(key: string): boolean {
  return sources.value[language.value][key] !== undefined;
}
