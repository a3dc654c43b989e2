/**
 * The catalogue: every robot type of the product, described in a language.
 *
 * Owns the one list of types and their texts, `types/<id>/{ru,en}.json`, read once when the process
 * starts. A new type is its folder and its two lines here (`npm run new:robot <id>`); what its folder
 * must keep is catalog.test.ts.
 *
 * Keys of a folder are flat and follow from the type: `title`, `description`, `summary`,
 * `settings.<name>.label`, `.hint` (may be absent) and `.options.<option>`, `results.<name>`,
 * `examples.<name>`, and `failures.<code>` of RobotFailure codes of its own.
 *
 * Texts inside the settings of an example are '@examples.<name>.<what>': a Russian company gets a
 * Russian preset. They are templates of robots, so they are taken as they stand, not as ICU messages.
 */
import { readFileSync } from 'node:fs';
import type { ErrorParams } from '../../shared/errors.ts';
import { createTexts, hasText, type Language, text, type Texts } from '../../shared/messages.ts';
import type { FormField } from './field.ts';
import type { RobotType } from './robot.ts';
import { addChatMembers } from './types/add-chat-members/robot.ts';
import { changeItem } from './types/change-item/robot.ts';
import { comment } from './types/comment/robot.ts';
import { createGroupChat } from './types/create-group-chat/robot.ts';
import { createInvoice } from './types/create-invoice/robot.ts';
import { messageGroupChat } from './types/message-group-chat/robot.ts';
import { messagePrivateChat } from './types/message-private-chat/robot.ts';
import { notify } from './types/notify/robot.ts';
import { post } from './types/post/robot.ts';
import { sendEmail } from './types/send-email/robot.ts';
import { sendSms } from './types/send-sms/robot.ts';
import type { ValueKind } from './values.ts';

/** In the order of the picker. */
export const robotTypes: readonly RobotType[] = [
  notify,
  comment,
  post,
  createGroupChat,
  addChatMembers,
  messageGroupChat,
  messagePrivateChat,
  sendEmail,
  sendSms,
  changeItem,
  createInvoice,
];

const typesById = new Map(robotTypes.map((type) => [type.id, type]));

/** undefined: there is no such type (any more). */
export function robotType(id: string): RobotType | undefined {
  return typesById.get(id);
}

export interface FormFieldDescription extends Omit<FormField, 'options'> {
  label: string;
  hint: string | null;
  options?: { value: string; name: string }[];
}

export interface RobotTypeDescription {
  id: string;
  group: string;
  groupTitle: string;
  version: number;
  title: string;
  description: string;
  /** The sentence on the card of a configured robot, an ICU message whose arguments are names of settings. */
  summary: string;
  /** SVG, 24 by 24, in the current colour. */
  icon: string;
  form: FormFieldDescription[];
  results: { name: string; title: string; kind: ValueKind }[];
  examples: { name: string; title: string; settings: Record<string, unknown> }[];
}

interface Folder {
  texts: Texts;
  raw: Record<Language, Readonly<Record<string, string>>>;
  icon: string;
}

const folders = new Map(robotTypes.map((type) => [type.id, readFolder(type.id)]));

function readFolder(id: string): Folder {
  const read = (file: string) => readFileSync(new URL(`./types/${id}/${file}`, import.meta.url), 'utf8');
  const raw = { ru: textsIn(read('ru.json'), `${id}/ru.json`), en: textsIn(read('en.json'), `${id}/en.json`) };
  return { texts: createTexts(raw), raw, icon: read('icon.svg').trim() };
}

function textsIn(source: string, file: string): Record<string, string> {
  const entries: unknown = JSON.parse(source);
  if (typeof entries !== 'object' || entries === null) throw new Error(`server/robots/types/${file} is not an object of texts.`);
  const texts: Record<string, string> = {};
  for (const [key, value] of Object.entries(entries)) {
    if (typeof value !== 'string') throw new Error(`server/robots/types/${file}: "${key}" is not a text.`);
    texts[key] = value;
  }
  return texts;
}

function folderOf(id: string): Folder {
  const folder = folders.get(id);
  if (!folder) throw new Error(`There is no robot type ${id}.`);
  return folder;
}

/** The title of a type; of one that is not in the catalogue (any more) its id. */
export function robotTypeTitle(language: Language, id: string): string {
  return folders.get(id)?.texts.text(language, 'title') ?? id;
}

/** «ID чата»: how people know a result of a type. */
export function resultTitle(language: Language, id: string, name: string): string {
  const key = `results.${name}`;
  const texts = folders.get(id)?.texts;
  return texts?.has(key) ? texts.text(language, key) : name;
}

/**
 * Why a run ended as it did, in a sentence. The type's own failures come first; a refusal of another part
 * of the product is said in its words. A code nobody has words for, left by another Vestnik, reads as it is.
 */
export function reasonText(language: Language, typeId: string, code: string, params: Readonly<Record<string, unknown>> = {}): string {
  const said = sayable(language, params);
  const own = folders.get(typeId)?.texts;
  if (own?.has(`failures.${code}`)) return own.text(language, `failures.${code}`, said);
  const key = [`robots.reasons.${code}`, `errors.${code}`].find(hasText);
  if (key === undefined) return code;
  // «Элемент не изменён. Поле «Сумма» …»: the refusal inside the reason is a code with the same parameters.
  const refusal = typeof params.error === 'string' && hasText(`errors.${params.error}`) ? text(language, `errors.${params.error}`, said) : undefined;
  return text(language, key, refusal === undefined ? said : { ...said, error: refusal });
}

/** What is wrong with a setting, in a sentence. */
export function problemText(language: Language, code: string, params: Readonly<Record<string, unknown>> = {}): string {
  const key = `robots.problems.${code}`;
  return hasText(key) ? text(language, key, sayable(language, params)) : code;
}

/** Parameters as texts take them. System fields are named by a key: '@fields.amount'. */
function sayable(language: Language, params: Readonly<Record<string, unknown>>): ErrorParams {
  const said: ErrorParams = {};
  for (const [name, value] of Object.entries(params)) {
    if (typeof value === 'string') said[name] = value.startsWith('@') && hasText(value.slice(1)) ? text(language, value.slice(1)) : value;
    else if (value === null || typeof value === 'number' || typeof value === 'boolean') said[name] = value;
    else if (Array.isArray(value)) said[name] = value.map(String);
  }
  return said;
}

const described = new Map<Language, readonly RobotTypeDescription[]>();

/** All types, for the picker and the settings panel. Made once per language: it never changes while the process runs. */
export function describeCatalog(language: Language): readonly RobotTypeDescription[] {
  let types = described.get(language);
  if (!types) described.set(language, (types = robotTypes.map((type) => describe(type, language))));
  return types;
}

function describe(type: RobotType, language: Language): RobotTypeDescription {
  const { texts, raw, icon } = folderOf(type.id);
  const say = (key: string) => texts.text(language, key);
  return {
    id: type.id,
    group: type.group,
    groupTitle: text(language, `robots.groups.${type.group}`),
    version: type.version,
    title: say('title'),
    description: say('description'),
    summary: raw[language].summary ?? '',
    icon,
    form: type.form.map(({ options, ...field }) => ({
      ...field,
      label: say(`settings.${field.name}.label`),
      hint: texts.has(`settings.${field.name}.hint`) ? say(`settings.${field.name}.hint`) : null,
      ...(options ? { options: options.map((value) => ({ value, name: say(`settings.${field.name}.options.${value}`) })) } : {}),
    })),
    results: Object.entries(type.results).map(([name, kind]) => ({ name, title: say(`results.${name}`), kind })),
    examples: type.examples.map(({ name, settings }) => ({
      name,
      title: say(`examples.${name}`),
      settings: Object.fromEntries(Object.entries(settings).map(([key, value]) => [key, withTexts(value, raw[language])])),
    })),
  };
}

/** A saved setting with the texts of the language in place of their keys. */
function withTexts(value: unknown, raw: Readonly<Record<string, string>>): unknown {
  if (typeof value === 'string') return value.startsWith('@examples.') ? raw[value.slice(1)] ?? value : value;
  if (Array.isArray(value)) return value.map((one) => withTexts(one, raw));
  if (typeof value !== 'object' || value === null) return value;
  return Object.fromEntries(Object.entries(value).map(([key, one]) => [key, withTexts(one, raw)]));
}
