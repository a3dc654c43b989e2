/**
 * What an author of a robot writes, and what everyone else sees of it.
 *
 * A robot type is one folder and one `defineRobot()`: its settings (form, validation, resolution), its
 * results, what it does, its examples. Title, help, labels are keys derived from it in the folder's
 * en.json and ru.json. Durability, time, order, conditions, languages of the readers and expansion of
 * recipients are the engine's: they are not in reach here.
 */
import { z } from 'zod';
import type { RecipientSource } from '../../shared/api/people.ts';
import type { Field, FormField, Ready, ResolveScope, Saved, SettingProblem, SettingsEnv, Text } from './field.ts';
import type { ValueKind } from './values.ts';

/** An expected failure: the run is recorded as failed with this reason, said in the reader's language. Never retried. */
export class RobotFailure extends Error {
  readonly code: string;
  readonly params: Record<string, unknown>;
  constructor(code: string, params: Record<string, unknown> = {}) {
    super(code);
    this.name = 'RobotFailure';
    this.code = code;
    this.params = params;
  }
}

export const messageKinds = ['plain', 'announcement', 'notice', 'important', 'alarm'] as const;
export type MessageKind = (typeof messageKinds)[number];
/** The kinds that are shown with a heading above the text. */
export const headedKinds = ['announcement', 'important'] as const satisfies readonly MessageKind[];

export function hasHeading(kind: MessageKind): boolean {
  return headedKinds.some((headed) => headed === kind);
}

/**
 * What a robot may do. Every call adds rows to the unit of work of its batch, written in the transaction
 * that also marks the run done: a run happens whole or not at all, and a preview is a run rolled back.
 * There is no network here: e-mail and SMS become delivery rows, sent after the commit.
 */
export interface RobotContext {
  readonly item: { readonly id: number; readonly title: string; readonly itemTypeId: number; readonly ownerId: number | null };
  readonly now: Date;
  /** Notes for the decision trace: what a person who asks "why" should know (a text that was cut, …). */
  note(code: string, params?: Record<string, unknown>): void;
  readonly notifications: {
    /** One notification for each person; `from` null: the system speaks. */
    add(note: { to: readonly number[]; from: number | null; text: Text }): void;
  };
  readonly timeline: { comment(comment: { author: number | null; text: Text }): void };
  readonly feed: {
    /** A post that only `to` (and the author) see. Returns its id and the address of its page. */
    post(post: { author: number | null; title: Text; text: Text; to: readonly number[]; audience: readonly RecipientSource[]; fileIds: readonly number[]; tags: readonly string[] }):
      Promise<{ postId: number; link: string }>;
  };
  readonly chats: {
    /** Opens a closed group chat linked to the item; `owner` is a member even if not named. Returns its id. */
    createGroup(chat: { title: Text; members: readonly number[]; owner: number }): Promise<number>;
    /** Adds people; those already in the chat stay as they are. Only chats made by a robot: else RobotFailure. */
    addMembers(chatId: number, members: readonly number[], options: { showHistory: boolean }): Promise<void>;
    /** Writes to a closed group chat: any other chat is a RobotFailure. */
    writeToGroup(chatId: number, message: { author: number | null; kind: MessageKind; heading: Text | null; text: Text }): Promise<void>;
    /** Writes to the one-to-one chat of author and each recipient. */
    writeToPerson(to: readonly number[], message: { author: number; kind: MessageKind; heading: Text | null; text: Text }): Promise<void>;
  };
  readonly mail: {
    /** One letter to each person. `sender` null: the company's default sender. */
    send(letter: { sender: number | null; from: number | null; to: readonly number[]; subject: Text; text: Text; fileIds: readonly number[] }): void;
  };
  readonly sms: { send(message: { provider: number | null; to: readonly number[]; text: Text; maxLength: number }): void };
  readonly apps: {
    /** Has the handler of an application called after the commit. */
    call(request: AppRequest): void;
  };
  readonly items: {
    /** Changes the item through the one write path. A refusal comes back as its sentence, '' when all went well. */
    change(changes: Readonly<Record<string, unknown>>, options: { as: number | null; appendToMultiple: boolean }): Promise<string>;
    /** Creates an invoice of the item with a public page. Throws RobotFailure when there is no amount. */
    createInvoice(invoice: { title: Text; amount: number | null; dueOn: string | null; as: number | null }):
      Promise<{ invoiceId: number; number: string; link: string }>;
  };
}

/** What an application's robot is told at its handler (app-robots.ts). */
export interface AppRequest {
  appId: number;
  code: string;
  handler: string;
  /** Whose token the application gets. */
  employeeId: number | null;
  properties: Readonly<Record<string, unknown>>;
  /** The run ends when the application answers, or when it has not by then. */
  waitsMs: number | null;
}

export type ResultKinds = Readonly<Record<string, ValueKind>>;

export interface RobotDefinition<F extends Record<string, Field>, R extends ResultKinds> {
  /** Stored in the database, so never renamed. Also the folder's name and the prefix of its locale keys. */
  id: string;
  /** The group of the catalogue: `robots.groups.<group>` in the locales. */
  group: 'inform' | 'manage' | 'documents' | 'apps';
  settings: F;
  /** What robots after it may use: name → kind. */
  results: R;
  run(settings: Ready<F>, ctx: RobotContext): Promise<ResultValues<R>> | ResultValues<R>;
  /** Whether its runs stand in the item's timeline; they always stand on the robots tab. Default: yes. */
  isInTimeline?: boolean;
  /** Presets in the picker; the contract test checks and runs each one. `name` is a locale key `examples.<name>`. */
  examples: readonly { name: string; settings: { [K in keyof F]?: Saved<F[K]> } }[];
  /** From version 2 on: brings settings saved by an older version up to date. */
  version?: number;
  upgrade?(saved: unknown, fromVersion: number): unknown;
}

export type ResultValues<R extends ResultKinds> = { [K in keyof R]: unknown };

/** Settings of one configured robot, compiled: ready to be resolved for any number of items. */
export interface CompiledSettings {
  run(scope: ResolveScope, ctx: RobotContext): Promise<Record<string, unknown>>;
}

/** A robot type as the rest of the product sees it. Settings stay opaque: only the type reads them. */
export interface RobotType {
  readonly id: string;
  readonly group: string;
  readonly version: number;
  readonly examples: readonly { name: string; settings: Record<string, unknown> }[];
  /** What the settings panel draws, in order. */
  readonly form: readonly FormField[];
  readonly results: ResultKinds;
  readonly isInTimeline: boolean;
  /** Problems that keep the robot from being published; [] when it may work. */
  check(saved: unknown, env: SettingsEnv, version?: number): SettingProblem[];
  /** `saved` must have passed `check`; throws RobotFailure `robot.settings_invalid` otherwise. */
  compile(saved: unknown, env: SettingsEnv, version?: number): CompiledSettings;
}

export function defineRobot<F extends Record<string, Field>, R extends ResultKinds>(robot: RobotDefinition<F, R>): RobotType {
  const shape: Record<string, z.ZodType> = {};
  for (const [name, field] of Object.entries(robot.settings)) shape[name] = field.saved;
  const savedSchema = z.strictObject(shape);
  const version = robot.version ?? 1;
  const current = (value: unknown, from: number) => (from < version && robot.upgrade ? robot.upgrade(value, from) : value);
  return {
    id: robot.id,
    group: robot.group,
    version,
    examples: robot.examples,
    form: Object.entries(robot.settings).map(([name, field]) => ({ name, widget: field.widget, ...field.form })),
    results: robot.results,
    isInTimeline: robot.isInTimeline ?? true,
    check(value, env, from = version) {
      const parsed = savedSchema.safeParse(current(value ?? {}, from));
      if (!parsed.success) {
        return parsed.error.issues.map((issue) => ({ path: issue.path.join('.'), code: 'setting.invalid', params: { problem: issue.code, ...limitsOf(issue) } }));
      }
      return Object.entries(robot.settings).flatMap(([name, field]) =>
        field.check(parsed.data[name], env).map((problem) => ({ ...problem, path: problem.path === '' ? name : `${name}.${problem.path}` })));
    },
    compile(value, env, from = version) {
      const parsed = savedSchema.safeParse(current(value ?? {}, from));
      if (!parsed.success) throw new RobotFailure('robot.settings_invalid', { path: parsed.error.issues[0]?.path.join('.') ?? '' });
      const resolvers = Object.entries(robot.settings).map(([name, field]) => [name, field.compile(parsed.data[name], env)] as const);
      return {
        async run(scope, ctx) {
          const ready: Record<string, unknown> = {};
          for (const [name, resolve] of resolvers) ready[name] = resolve(scope);
          // The keys and the types of `ready` are those of robot.settings: each field made its own value just above.
          // oxlint-disable-next-line typescript/consistent-type-assertions
          return robot.run(ready as Ready<F>, ctx);
        },
      };
    },
  };
}

function limitsOf(issue: z.core.$ZodIssue): Record<string, unknown> {
  if (issue.code === 'too_big') return { maximum: Number(issue.maximum) };
  if (issue.code === 'too_small') return { minimum: Number(issue.minimum) };
  return {};
}
