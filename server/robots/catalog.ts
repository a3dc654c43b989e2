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
import { createTexts, type Language, text, type Texts } from '../../shared/messages.ts';
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

/** What the type's own folder says of a failure of its run; undefined: the common `robots.reasons.<code>` do. */
export function failureText(language: Language, typeId: string, code: string, params: ErrorParams = {}): string | undefined {
  const texts = folders.get(typeId)?.texts;
  return texts?.has(`failures.${code}`) ? texts.text(language, `failures.${code}`, params) : undefined;
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

/** The sentence on the card of a configured robot: its settings, said in words, fill the type's `summary`. undefined: an application's robot has none. */
export function robotSummary(language: Language, typeId: string, said: Readonly<Record<string, string>>): string | undefined {
  return folders.get(typeId)?.texts.text(language, 'summary', said);
}
