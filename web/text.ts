/**
 * Texts of the web: ICU messages under flat keys, in the person's language.
 *
 * `locales/<language>/web.json` is there before the first page is drawn; other areas come with the route that names them
 * (`meta: { texts: ['web-crm'] }`). `t` is reactive: when the language changes, what was drawn is drawn anew.
 * A missing key gives the key back; without a parameter the text stays as it is written.
 */
import { IntlMessageFormat } from 'intl-messageformat';
import { ref } from 'vue';
import type { Language } from '../shared/api/people.ts';

export type TextParams = Readonly<Record<string, string | number | boolean | Date | null | undefined | readonly string[]>>;

type Sources = Record<string, string>;

const files = import.meta.glob<Sources>(['../locales/*/web*.json', '../locales/*/messaging.json'], { import: 'default' });

/** The language of what is on the screen. */
export const language = ref<Language>(guessLanguage());

const sources: Record<Language, Map<string, string>> = { ru: new Map(), en: new Map() };
/** Read by those who asked for a text that is not there yet: they alone are drawn anew when an area comes. */
const arrivals = ref(0);
const areas = new Set<string>(['web']);
const loaded = new Set<string>();
const parsed: Record<Language, Map<string, IntlMessageFormat>> = { ru: new Map(), en: new Map() };

function keptLanguage(): Language | undefined {
  const kept = localStorage.getItem('vestnik.language');
  return kept === 'ru' || kept === 'en' ? kept : undefined;
}

/** Before anybody signed in: what was chosen here last, else what the browser prefers. */
function guessLanguage(): Language {
  return keptLanguage() ?? (navigator.languages.some((one) => one.startsWith('ru')) ? 'ru' : 'en');
}

async function loadArea(of: Language, area: string): Promise<void> {
  const path = `../locales/${of}/${area}.json`;
  if (loaded.has(path)) return;
  const load = files[path];
  if (!load) throw new Error(`There is no ${path}.`);
  for (const [key, text] of Object.entries(await load())) sources[of].set(key, text);
  loaded.add(path);
  arrivals.value++;
}

/** Brings the texts of these areas; at once when they are there. */
export async function loadTexts(wanted: readonly string[]): Promise<void> {
  for (const area of wanted) areas.add(area);
  await Promise.all([...areas].map((area) => loadArea(language.value, area)));
  document.documentElement.lang = language.value;
}

/** Begins to bring them while it is asked who is signed in; where nobody has been before, their language is not known yet. */
export async function loadTextsAhead(wanted: readonly string[]): Promise<void> {
  for (const area of wanted) areas.add(area);
  if (keptLanguage() !== undefined) await loadTexts([]);
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
  const source = sourceOf(key);
  if (source === undefined) return key;
  if (!source.includes('{') && !source.includes("'")) return source;
  let format = parsed[here].get(key);
  if (!format) parsed[here].set(key, (format = new IntlMessageFormat(source, here, undefined, { ignoreTag: true })));
  const values: Record<string, string | number | boolean | Date | null> = {};
  for (const [name, value] of Object.entries(params ?? {})) if (value !== undefined) values[name] = isList(value) ? lists[here].format(value) : value;
  try {
    return String(format.format(values));
  } catch {
    return source;
  }
}

function isList(value: unknown): value is readonly string[] {
  return Array.isArray(value);
}

function sourceOf(key: string): string | undefined {
  const source = sources[language.value].get(key);
  if (source === undefined) void arrivals.value;
  return source;
}

export function hasText(key: string): boolean {
  return sourceOf(key) !== undefined;
}
