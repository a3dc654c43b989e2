/**
 * Kinds of settings. A field is four things at once: how the setting is drawn, what may be saved, what
 * is wrong with a saved value in this company (unknown references, people who left), and what it becomes
 * when the robot acts. Saved values may hold placeholders, roles and departments; ready values never do.
 *
 * `compile` runs once per published robot, the function it returns once per run: parse in the former.
 */
import { z } from 'zod';
import { type RecipientSource, recipientSource } from '../../shared/api/people.ts';
import { fullName, type Directory, type Recipients } from '../people/people.ts';
import { checkReferences, compileTemplate, type Known, type Template } from './placeholders.ts';
import { headedKinds, messageKinds, RobotFailure } from './robot.ts';
import { dayOf, idOf, instantOf, isDay, isEmptyValue, numberOf, type Reader, type ValueKind, type ValueSource } from './values.ts';

/** A filled-in text in the language and time zone of its reader; null: the company's. */
export type Text = (employeeId: number | null) => string;

/** What a setting may be computed from when the robot acts. Made by the engine for one run. */
export interface ResolveScope {
  readonly source: ValueSource;
  reader(employeeId: number | null): Reader;
  /** People the sources mean right now; who is left out is written into the run's trace. */
  recipients(sources: readonly RecipientSource[]): Recipients;
  /** The chat was chosen by its id while the robot was configured, by somebody who may: not read from a field. */
  chooseChat(id: number): void;
  /** For the decision trace. */
  note(code: string, params?: Record<string, unknown>): void;
}

/** What is known of the company while a robot is configured or published. */
export interface SettingsEnv {
  readonly references: Known;
  readonly directory: Directory;
  /** A writable field of the item, system or own; undefined: there is none. */
  field(code: string): { readonly name: string; readonly kind: ValueKind; readonly isMultiple: boolean } | undefined;
  /** Whether the chosen thing exists (and, for a chat, is a closed group). */
  hasChat(id: number): boolean;
  hasFile(id: number): boolean;
  /** null: is there a default one? */
  hasMailSender(id: number | null): boolean;
  hasSmsProvider(id: number | null): boolean;
}

export interface SettingProblem {
  path: string;
  /** Locale key `robots.problems.<code>`. */
  code: string;
  params: Record<string, unknown>;
}

export type Widget =
  | 'text' | 'richText' | 'employees' | 'employee' | 'chat' | 'choice' | 'switch' | 'attachments' | 'tags' | 'values' | 'mailSender'
  | 'smsProvider' | 'value' | 'messageKind';

/** How the settings panel draws a field; `name` and its label come from the robot. */
export interface FormField {
  name: string;
  widget: Widget;
  isRequired?: boolean;
  maxLength?: number;
  minimum?: number;
  options?: readonly string[];
  default?: unknown;
  /** For a value picker: what the value should be. */
  kind?: ValueKind;
  /** Drawn only while another setting, a choice or a switch, has one of these values. */
  shownWhen?: ShownWhen;
  /** Of a text: it may have several lines. */
  isMultiline?: boolean;
  /** Of a text that becomes SMS: its parts are counted while it is typed. */
  counts?: 'sms';
}

export interface ShownWhen {
  setting: string;
  isOneOf: readonly (string | boolean)[];
}

export interface Field<SavedValue = unknown, ReadyValue = unknown> {
  widget: Widget;
  form: Omit<FormField, 'name' | 'widget'>;
  /** Forgiving of what is missing (a draft may be half filled); strict about shape and size. */
  saved: z.ZodType<SavedValue>;
  check(saved: SavedValue, env: SettingsEnv): SettingProblem[];
  compile(saved: SavedValue, env: SettingsEnv): (scope: ResolveScope) => ReadyValue;
}

// `any` stands for "some field": its saved and ready types are recovered by inference below.
// oxlint-disable-next-line no-explicit-any
type AnyField = Field<any, any>;
export type Saved<F> = F extends Field<infer S, infer _R> ? S : never;
export type Ready<F extends Record<string, AnyField>> = { [K in keyof F]: F[K] extends Field<infer _S, infer R> ? R : never };

const maxTemplateLength = 100_000;
const template = z.string().max(maxTemplateLength);

function problem(code: string, params: Record<string, unknown> = {}, path = ''): SettingProblem {
  return { path, code, params };
}

function templateProblems(text: string, env: SettingsEnv): SettingProblem[] {
  return checkReferences(compileTemplate(text), env.references).map((found) => problem(found.code, found.params));
}

/** Renders for each language and zone once, however many people read it. */
function textOf(compiled: Template, scope: ResolveScope, escape: 'bbcode' | 'none', finish: (text: string) => string = (text) => text): Text {
  const rendered = new Map<string, string>();
  return (employeeId) => {
    const reader = scope.reader(employeeId);
    const key = `${reader.language} ${reader.timeZone}`;
    let text = rendered.get(key);
    if (text === undefined) {
      text = finish(compiled.render(scope.source, reader, { escape }));
      rendered.set(key, text);
    }
    return text;
  };
}

/** What a text with placeholders holds: of exactly one placeholder its typed value, else the filled-in text. */
function valueOf(compiled: Template, scope: ResolveScope): unknown {
  const single = compiled.value(scope.source);
  return single ? single.value : compiled.render(scope.source, scope.reader(null), { escape: 'none' });
}

const optionalValue = z.union([z.string().max(1000), z.number()]).nullable().default(null);

function compileValue(saved: string | number | null): (scope: ResolveScope) => unknown {
  const compiled = typeof saved === 'string' ? compileTemplate(saved) : undefined;
  return (scope) => (compiled && !compiled.isPlain ? valueOf(compiled, scope) : saved);
}

/** Of a literal whether it is what is asked for; of placeholders, which have no value yet, whether they name something. */
function valueProblems(saved: string | number | null, env: SettingsEnv, isRight: (literal: string) => boolean, code: string): SettingProblem[] {
  if (isEmptyValue(saved)) return [];
  const literal = String(saved).trim();
  if (compileTemplate(literal).isPlain) return isRight(literal) ? [] : [problem(code, { value: shown(literal) })];
  return templateProblems(literal, env);
}

/** A foreign value in a message: enough of it to be recognised. */
function shown(value: unknown): string {
  return cut(String(value), 100);
}

/** Whether the text is nothing but the result of another robot. */
function isResultAlone(compiled: Template, raw: unknown): boolean {
  const [only] = compiled.references;
  return compiled.references.length === 1 && only?.source === 'result' && typeof raw === 'string' && /^\s*\{=[^{}]*\}\s*$/.test(raw);
}

/** A whole number of characters as people see them: a cut never leaves half an emoji. */
function cut(text: string, max: number): string {
  if (text.length <= max) return text;
  let kept = '';
  for (const { segment } of new Intl.Segmenter().segment(text)) {
    if (kept.length + segment.length > max - 1) break;
    kept += segment;
  }
  return `${kept}…`;
}

export const field = {
  /**
   * One line or a plain text with placeholders. What comes out longer than `max` is cut at a whole
   * character with «…», and the run says so.
   */
  text: ({ max, isRequired = true, isMultiline = false, shownWhen, counts }: {
    max: number; isRequired?: boolean; isMultiline?: boolean; shownWhen?: ShownWhen; counts?: 'sms';
  }): Field<string, Text> => ({
    widget: 'text',
    form: { isRequired, maxLength: max, ...(shownWhen ? { shownWhen } : {}), ...(isMultiline ? { isMultiline } : {}), ...(counts ? { counts } : {}) },
    saved: template.default(''),
    check: (saved, env) => [
      ...(isRequired && saved.trim() === '' ? [problem('setting.empty')] : []),
      ...templateProblems(saved, env),
      // Placeholders may shrink as well as grow; without any, the length is known now.
      ...(compileTemplate(saved).isPlain && saved.length > max ? [problem('setting.too_long', { max, length: saved.length })] : []),
    ],
    compile: (saved) => {
      const compiled = compileTemplate(saved);
      return (scope) =>
        textOf(compiled, scope, 'none', (text) => {
          const clean = text.replace(/[\u0000\r]/g, '').trim();
          // A value with line breaks must not break a title, and could not be a subject at all.
          const line = isMultiline ? clean : clean.replace(/\s*\n\s*/g, ' ');
          if (isRequired && line === '') throw new RobotFailure('robot.text_empty');
          if (line.length > max) scope.note('text_cut', { max, length: line.length });
          return cut(line, max);
        });
    },
  }),

  /** BBCode with placeholders. A value in it is never markup. */
  richText: ({ isRequired = true }: { isRequired?: boolean } = {}): Field<string, Text> => ({
    widget: 'richText',
    form: { isRequired, maxLength: maxTemplateLength },
    saved: template.default(''),
    check: (saved, env) => [
      ...(isRequired && saved.trim() === '' ? [problem('setting.empty')] : []),
      ...templateProblems(saved, env),
    ],
    compile: (saved) => {
      const compiled = compileTemplate(saved);
      return (scope) =>
        textOf(compiled, scope, 'bbcode', (text) => {
          const body = text.replaceAll('\u0000', '').trim();
          if (isRequired && body === '') throw new RobotFailure('robot.text_empty');
          if (body.length > 2 * maxTemplateLength) throw new RobotFailure('robot.text_too_long', { max: 2 * maxTemplateLength, length: body.length });
          return body;
        });
    },
  }),

  /** People, roles, departments; expanded when the robot acts. Fewer than `min` people is a failed run. */
  employees: ({ min = 1, fallback }: { min?: number; fallback?: RecipientSource } = {}): Field<RecipientSource[], { ids: number[]; sources: RecipientSource[] }> => ({
    widget: 'employees',
    form: { isRequired: true, minimum: min, ...(fallback ? { default: [fallback] } : {}) },
    saved: z.array(recipientSource).max(500).default(fallback ? [fallback] : []),
    check: (saved, env) => (saved.length === 0 ? [problem('setting.nobody')] : saved.flatMap((source, index) => sourceProblems(source, env, String(index)))),
    compile: (saved) => (scope) => {
      const { employeeIds } = scope.recipients(saved);
      if (employeeIds.length === 0) throw new RobotFailure('recipients.none');
      if (employeeIds.length < min) throw new RobotFailure('recipients.too_few', { min, found: employeeIds.length });
      return { ids: employeeIds, sources: saved };
    },
  }),

  /**
   * One person: author, sender. Several people: the one with the smallest id. `whenEmpty` says who speaks
   * when nothing is chosen; a chosen person who cannot be found is a failed run, never somebody else.
   */
  employee: ({ whenEmpty }: { whenEmpty: 'owner' | 'system' | 'required' }): Field<RecipientSource | null, number | null> => ({
    widget: 'employee',
    form: { isRequired: whenEmpty === 'required', ...(whenEmpty === 'owner' ? { default: { kind: 'role', role: 'owner' } } : {}) },
    saved: recipientSource.nullable().default(null),
    check: (saved, env) => (saved ? sourceProblems(saved, env, '') : whenEmpty === 'required' ? [problem('setting.nobody')] : []),
    compile: (saved) => {
      const source: RecipientSource | null = saved ?? (whenEmpty === 'owner' ? { kind: 'role', role: 'owner' } : null);
      return (scope) => {
        if (source === null) {
          if (whenEmpty === 'required') throw new RobotFailure('sender.none');
          return null;
        }
        const { employeeIds } = scope.recipients([source]);
        if (employeeIds.length === 0) throw new RobotFailure('sender.none');
        return Math.min(...employeeIds);
      };
    },
  }),

  /** A chat: chosen by id, or a placeholder that holds its id («ID чата» of a robot, a field of type «Строка»). */
  chat: (): Field<number | string | null, number> => ({
    widget: 'chat',
    form: { isRequired: true, kind: 'chat' },
    saved: z.union([z.number().int().positive(), z.string().max(500)]).nullable().default(null),
    check: (saved, env) => {
      if (saved === null || saved === '') return [problem('setting.empty')];
      if (typeof saved === 'number') return env.hasChat(saved) ? [] : [problem('chat.unknown', { id: saved })];
      const text = compileTemplate(saved);
      if (text.isPlain) return idOf(saved.trim()) !== undefined && env.hasChat(Number(saved)) ? [] : [problem('chat.unknown', { id: saved })];
      return templateProblems(saved, env);
    },
    compile: (saved) => {
      const compiled = typeof saved === 'string' ? compileTemplate(saved) : undefined;
      return (scope) => {
        const value = compiled && !compiled.isPlain ? valueOf(compiled, scope) : saved;
        if (isEmptyValue(value)) throw new RobotFailure('chat.none');
        const id = idOf(typeof value === 'string' ? value.trim() : value);
        if (id === undefined) throw new RobotFailure('chat.not_an_id', { value: shown(value) });
        if (!compiled || compiled.isPlain) scope.chooseChat(id);
        return id;
      };
    },
  }),

  choice: <const Option extends string>(options: readonly [Option, ...Option[]], preset: Option): Field<Option, Option> => ({
    widget: 'choice',
    form: { isRequired: true, options, default: preset },
    saved: z.unknown().optional().transform((value, context): Option => {
      const chosen = value === undefined ? preset : options.find((option) => option === value);
      if (chosen !== undefined) return chosen;
      context.addIssue({ code: 'invalid_value', values: [...options], input: value });
      return z.NEVER;
    }),
    check: () => [],
    compile: (saved) => () => saved,
  }),

  messageKind: (): Field<(typeof messageKinds)[number], (typeof messageKinds)[number]> => ({ ...field.choice(messageKinds, 'plain'), widget: 'messageKind' }),

  /** Of a message whose kind is the setting `kind`. */
  heading: (): Field<string, Text> => field.text({ max: 255, isRequired: false, shownWhen: { setting: 'kind', isOneOf: headedKinds } }),

  switch: (preset = false): Field<boolean, boolean> => ({
    widget: 'switch',
    form: { default: preset },
    saved: z.boolean().default(preset),
    check: () => [],
    compile: (saved) => () => saved,
  }),

  /** One kind only, as the article says: files of the item's file field, or files of the Drive. */
  attachments: (): Field<Attachments, number[]> => ({
    widget: 'attachments',
    form: {},
    saved: z.union([
      z.strictObject({ kind: z.literal('none') }),
      z.strictObject({ kind: z.literal('field'), field: z.string().min(1).max(100) }),
      z.strictObject({ kind: z.literal('drive'), fileIds: z.array(z.number().int().positive()).max(100) }),
    ]).default({ kind: 'none' }),
    check: (saved, env) => {
      if (saved.kind === 'field') {
        const known = env.field(saved.field);
        if (!known) return [problem('reference.unknown_field', { field: saved.field })];
        return known.kind === 'file' ? [] : [problem('attachments.not_a_file_field', { field: known.name })];
      }
      if (saved.kind === 'drive') return saved.fileIds.filter((id) => !env.hasFile(id)).map((id) => problem('attachments.file_gone', { id }));
      return [];
    },
    compile: (saved) => (scope) => {
      if (saved.kind === 'drive') return saved.fileIds;
      if (saved.kind === 'none') return [];
      const value = scope.source.document(saved.field)?.value;
      const ids = (Array.isArray(value) ? value : [value]).map(idOf).filter((id) => id !== undefined);
      if (ids.length === 0) scope.note('attachments_empty', { field: saved.field });
      return ids;
    },
  }),

  tags: (): Field<string[], string[]> => ({
    widget: 'tags',
    form: {},
    saved: z.array(z.string().trim().max(100)).max(50).default([]),
    check: (saved, env) => saved.flatMap((tag) => templateProblems(tag, env)),
    compile: (saved) => {
      const compiled = saved.map((tag) => compileTemplate(tag));
      return (scope) => {
        const filled = compiled.map((tag) => tag.render(scope.source, scope.reader(null), { escape: 'none' }).replace(/^#/, '').trim());
        return [...new Set(filled.filter((tag) => tag !== '').map((tag) => cut(tag, 100)))];
      };
    },
  }),

  /** Fields of the item and the values they get. A value that is one placeholder keeps its type. */
  values: (): Field<{ field: string; value: unknown }[], Record<string, unknown>> => ({
    widget: 'values',
    form: { isRequired: true },
    saved: z.array(z.strictObject({ field: z.string().min(1).max(100), value: z.union([z.string().max(maxTemplateLength), z.number(), z.boolean(), z.null(), z.array(z.union([z.string().max(10_000), z.number()])).max(1000)]) })).max(100).default([]),
    check: (saved, env) => [
      ...(saved.length === 0 ? [problem('setting.empty')] : []),
      ...saved.flatMap((row, index) => [
        ...(env.field(row.field) ? [] : [problem('reference.unknown_field', { field: row.field }, `${index}.field`)]),
        ...(typeof row.value === 'string' ? templateProblems(row.value, env).map((found) => ({ ...found, path: `${index}.value` })) : []),
      ]),
    ],
    compile: (saved) => {
      const compiled = saved.map((row) => ({ field: row.field, raw: row.value, text: typeof row.value === 'string' ? compileTemplate(row.value) : undefined }));
      return (scope) => {
        const values: Record<string, unknown> = {};
        for (const { field: code, raw, text } of compiled) {
          // The robot above failed and left no result: what the field holds stays, rather than being emptied.
          if (text && isResultAlone(text, raw) && text.value(scope.source) === undefined) scope.note('result_missing', { field: code });
          else values[code] = text && !text.isPlain ? valueOf(text, scope) : raw;
        }
        return values;
      };
    },
  }),

  /** An optional amount of money, a number or a placeholder. Ready: null when nothing is entered. */
  amount: (): Field<string | number | null, number | null> => ({
    widget: 'value',
    form: { kind: 'money' },
    saved: optionalValue,
    check: (saved, env) => valueProblems(saved, env, (text) => numberOf(text) !== undefined, 'setting.not_a_number'),
    compile: (saved) => {
      const compute = compileValue(saved);
      return (scope) => {
        const value = compute(scope);
        if (isEmptyValue(value)) return null;
        const amount = numberOf(value);
        if (amount === undefined) throw new RobotFailure('robot.not_a_number', { value: shown(value) });
        return amount;
      };
    },
  }),

  /** An optional day, 'YYYY-MM-DD' or a placeholder; of a moment its day in the company. Ready: null when nothing is entered. */
  day: (): Field<string | number | null, string | null> => ({
    widget: 'value',
    form: { kind: 'date' },
    saved: optionalValue,
    check: (saved, env) => valueProblems(saved, env, isDay, 'setting.not_a_day'),
    compile: (saved) => {
      const compute = compileValue(saved);
      return (scope) => {
        const found = compute(scope);
        if (isEmptyValue(found)) return null;
        const value = typeof found === 'string' ? found.trim() : found;
        if (isDay(value)) return value;
        const instant = instantOf(value);
        if (instant === undefined) throw new RobotFailure('robot.not_a_day', { value: shown(value) });
        return dayOf(instant, scope.source.timeZones.company);
      };
    },
  }),

  // ——— Properties of applications' robots: what is ready is what the application is sent.

  /** A text, number, day or moment. Of exactly one placeholder the value as programs write it: '1000', '2026-11-24', 'user_5'. */
  appValue: ({ isRequired, isMultiline, preset }: { isRequired: boolean; isMultiline: boolean; preset: string }): Field<string | number, unknown> => ({
    widget: isMultiline ? 'richText' : 'text',
    form: { isRequired, maxLength: maxTemplateLength, ...(preset === '' ? {} : { default: preset }) },
    saved: z.union([template, z.number()]).default(preset),
    check: (saved, env) => [...(isRequired && isEmptyValue(saved) ? [problem('setting.empty')] : []), ...templateProblems(String(saved), env)],
    compile: (saved) => {
      const compiled = compileTemplate(String(saved));
      return (scope) => {
        const single = compiled.value(scope.source);
        return single ? forPrograms(single.value, single.field.kind) : compiled.render(scope.source, scope.reader(null), { escape: 'none' }).replaceAll('\u0000', '');
      };
    },
  }),

  /** Ready: 'user_5', of several a list of these; '' for nobody. */
  appUsers: ({ isRequired, isMultiple }: { isRequired: boolean; isMultiple: boolean }): Field<RecipientSource[], string | string[]> => ({
    widget: 'employees',
    form: { isRequired },
    saved: z.array(recipientSource).max(500).default([]),
    check: (saved, env) => (isRequired && saved.length === 0 ? [problem('setting.nobody')] : saved.flatMap((source, index) => sourceProblems(source, env, String(index)))),
    compile: (saved) => (scope) => {
      const { employeeIds } = scope.recipients(saved);
      if (isRequired && employeeIds.length === 0) throw new RobotFailure('recipients.none');
      const named = employeeIds.map((id) => `user_${id}`);
      return isMultiple ? named : (named[0] ?? '');
    },
  }),

  /** Ready: 'Y' or 'N'. */
  yesNo: (preset: boolean): Field<boolean, 'Y' | 'N'> => ({ ...field.switch(preset), compile: (saved) => () => (saved ? 'Y' : 'N') }),

  mailSender: (): Field<number | null, number | null> => ({
    widget: 'mailSender',
    form: {},
    saved: z.number().int().positive().nullable().default(null),
    check: (saved, env) => (env.hasMailSender(saved) ? [] : [problem(saved === null ? 'mail.no_sender' : 'mail.sender_unknown')]),
    compile: (saved) => () => saved,
  }),

  smsProvider: (): Field<number | null, number | null> => ({
    widget: 'smsProvider',
    form: { isRequired: true },
    saved: z.number().int().positive().nullable().default(null),
    check: (saved, env) => (env.hasSmsProvider(saved) ? [] : [problem(saved === null ? 'sms.no_provider' : 'sms.provider_unknown')]),
    compile: (saved) => () => saved,
  }),
};

/** A value as programs of Bitrix24 read it. */
function forPrograms(value: unknown, kind: ValueKind): unknown {
  if (Array.isArray(value)) return value.map((one) => forPrograms(one, kind));
  if (isEmptyValue(value)) return '';
  if (typeof value === 'boolean') return value ? 'Y' : 'N';
  if (kind === 'employee') return `user_${idOf(value) ?? ''}`;
  if (value instanceof Date) return value.toISOString();
  if (typeof value === 'object' && value !== null) {
    if ('amount' in value && 'currency' in value) return `${String(value.amount)}|${String(value.currency)}`;
    return 'value' in value ? String(value.value) : '';
  }
  return String(value);
}

export type Attachments = { kind: 'none' } | { kind: 'field'; field: string } | { kind: 'drive'; fileIds: number[] };

function sourceProblems(source: RecipientSource, env: SettingsEnv, path: string): SettingProblem[] {
  switch (source.kind) {
    case 'employee': {
      const employee = env.directory.employee(source.id);
      if (!employee) return [problem('recipients.unknown_employee', { id: source.id }, path)];
      return employee.dismissedAt ? [problem('recipients.dismissed', { id: source.id, name: fullName(employee) }, path)] : [];
    }
    case 'department':
    case 'departmentHead': {
      const department = env.directory.department(source.id);
      if (!department) return [problem('recipients.unknown_department', { id: source.id }, path)];
      const params = { id: source.id, name: department.name };
      if (source.kind === 'departmentHead') return department.headIds.length === 0 ? [problem('recipients.no_head', params, path)] : [];
      return env.directory.departmentEmployees(source.id, source.withSubdepartments ?? false).length === 0
        ? [problem('recipients.empty_department', params, path)] : [];
    }
    case 'field': {
      const known = env.field(source.field);
      if (!known) return [problem('reference.unknown_field', { field: source.field }, path)];
      return known.kind === 'employee' ? [] : [problem('recipients.not_an_employee_field', { field: known.name }, path)];
    }
    default:
      return [];
  }
}
