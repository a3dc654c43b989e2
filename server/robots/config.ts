/**
 * Configuring robots: the draft of a pipeline is edited and saved with its problems; publishing makes an
 * immutable version of it. Pure except for what it is given: checks need the model, the directory, and
 * the sets of things settings may name.
 */
import { isDeepStrictEqual } from 'node:util';
import type { z } from 'zod';
import type { PickerNode, robotProblem, robotRecord } from '../../shared/api/robot-sets.ts';
import { type Language, text } from '../../shared/messages.ts';
import type { CrmModel, Pipeline } from '../crm/crm.ts';
import type { Directory } from '../people/people.ts';
import type { RobotTypeDescription } from './catalog.ts';
import { checkCondition, operatorsFor } from './conditions.ts';
import type { Channels } from './context.ts';
import type { SettingProblem, SettingsEnv } from './field.ts';
import { catalogField, fieldCatalog } from './fields.ts';
import type { Known, KnownRobot } from './placeholders.ts';
import type { RobotType } from './robot.ts';
import { checkTiming } from './timing.ts';
import { type FieldInfo, fieldOfKind, idOf } from './values.ts';
import type { RobotRecord } from './versions.ts';

export type SavedRobot = z.output<typeof robotRecord>;
export type RobotProblem = z.output<typeof robotProblem>;

export interface ConfigEnv {
  model: CrmModel;
  directory: Directory;
  pipeline: Pipeline;
  language: Language;
  robotType(id: string): RobotType | undefined;
  describeType(id: string, language: Language): RobotTypeDescription | undefined;
  channels: Channels;
  chats: ReadonlySet<number>;
  files: ReadonlySet<number>;
}

/** System fields a robot may write; own fields all. */
const writableFields = new Set(['title', 'stageId', 'amount', 'currency', 'ownerId', 'observerIds', 'contactId', 'companyId', 'beginsOn', 'closesOn', 'parentId']);

function stagePosition(pipeline: Pipeline, stageId: number): number {
  return pipeline.stages.findIndex((stage) => stage.id === stageId);
}

/** What the robot at `place` in the list may refer to. */
export function knownFor(robots: readonly RobotRecord[], place: number, env: ConfigEnv): Known {
  const { model, pipeline, language } = env;
  const catalog = fieldCatalog(model, pipeline.itemTypeId, language);
  const self = robots[place];
  const selfStage = self ? stagePosition(pipeline, self.stageId) : pipeline.stages.length;
  return {
    field: (reference) => catalogField(catalog, reference),
    robot(robotId): KnownRobot | undefined {
      const index = robots.findIndex((robot) => robot.id === robotId);
      const other = robots[index];
      if (!other) return undefined;
      const stage = stagePosition(pipeline, other.stageId);
      const described = env.describeType(other.type, language);
      return {
        title: other.title || described?.title || other.type,
        isBefore: self === undefined || (other.stageId === self.stageId ? index < place : stage < selfStage),
        result: (name) => {
          const result = described?.results.find((candidate) => candidate.name === name);
          return result && { name: result.title, kind: result.kind };
        },
      };
    },
  };
}

/**
 * Everything that keeps the enabled robots of a draft from working, in words. A robot that is off may be half filled: what would
 * keep it from working is found with `ofIdle`, and keeps nobody from publishing.
 */
export function findProblems(robots: readonly RobotRecord[], env: ConfigEnv, { ofIdle = false } = {}): RobotProblem[] {
  const found: RobotProblem[] = [];
  robots.forEach((robot, place) => {
    if (robot.isEnabled === ofIdle) return;
    const say = (problem: { path?: string; code: string; params: Readonly<Record<string, unknown>> }, prefix: string) =>
      found.push({
        robotId: robot.id,
        path: [prefix, problem.path].filter((part) => part).join('.'),
        code: problem.code,
        message: text(env.language, `robots.problems.${problem.code}`, sayable(problem.params)),
      });
    const known = knownFor(robots, place, env);
    const stage = env.model.stage(robot.stageId);
    if (!stage || stage.deletedAt || stage.pipelineId !== env.pipeline.id) say({ code: 'stage_gone', params: {} }, 'stageId');
    if (robot.condition) for (const problem of checkCondition(robot.condition, known)) say(problem, 'condition');
    for (const problem of checkTiming(robot.timing, known)) say(problem, 'timing');
    const type = env.robotType(robot.type);
    if (!type) {
      say({ code: 'type_unknown', params: { type: robot.type } }, 'type');
      return;
    }
    for (const problem of type.check(robot.settings, settingsEnv(known, env), robot.typeVersion)) say(named(problem, type, env), 'settings');
  });
  return found;
}

/** «Не заполнено поле «Текст»»: a problem of a setting names the setting by its label. */
function named(problem: SettingProblem, type: RobotType, env: ConfigEnv): SettingProblem {
  const [name = ''] = problem.path.split('.');
  const label = env.describeType(type.id, env.language)?.form.find((candidate) => candidate.name === name)?.label ?? name;
  return { ...problem, params: { setting: label, ...problem.params } };
}

function sayable(params: Readonly<Record<string, unknown>>): Record<string, string | number> {
  return Object.fromEntries(Object.entries(params).map(([key, value]) => [key, typeof value === 'number' ? value : String(value)]));
}

export function settingsEnv(known: Known, env: ConfigEnv): SettingsEnv {
  const catalog = fieldCatalog(env.model, env.pipeline.itemTypeId, env.language);
  return {
    references: known,
    directory: env.directory,
    field(code) {
      const field = catalog.document(code);
      const isOwn = field && env.model.field(env.pipeline.itemTypeId, code) !== undefined;
      return field && (isOwn || writableFields.has(field.code)) ? field : undefined;
    },
    hasChat: (id) => env.chats.has(id),
    hasFile: (id) => env.files.has(id),
    hasMailSender: (id) => (id === null ? env.channels.defaultMailSenderId !== null : env.channels.mailSenders.has(id)),
    hasSmsProvider: (id) => (id === null ? env.channels.defaultSmsProviderId !== null : env.channels.smsProviders.has(id)),
  };
}

/** Ids of chats and files that settings name, to be looked up in one go. */
export function namedThings(robots: readonly RobotRecord[], robotType: (id: string) => RobotType | undefined): { chats: number[]; files: number[] } {
  const chats = new Set<number>();
  const files = new Set<number>();
  for (const { type, settings } of robots) {
    for (const { name, widget } of robotType(type)?.form ?? []) {
      const value = settings[name];
      if (widget === 'chat') {
        const id = idOf(typeof value === 'string' ? value.trim() : value);
        if (id !== undefined) chats.add(id);
      } else if (widget === 'attachments' && typeof value === 'object' && value !== null && 'fileIds' in value && Array.isArray(value.fileIds)) {
        for (const id of value.fileIds) if (typeof id === 'number' && Number.isSafeInteger(id)) files.add(id);
      }
    }
  }
  return { chats: [...chats], files: [...files] };
}

/**
 * Who speaks in a robot's name: only administrators may choose somebody else than themselves or the default.
 * Returns the first robot that does, comparing with what was saved before.
 */
export function findForeignSpeaker(
  robots: readonly RobotRecord[], before: readonly RobotRecord[], actorId: number, robotType: (id: string) => RobotType | undefined,
): RobotRecord | undefined {
  const savedById = new Map(before.map((robot) => [robot.id, robot]));
  return robots.find((robot) => {
    const speakers = robotType(robot.type)?.form.filter((field) => field.widget === 'employee') ?? [];
    return speakers.some(({ name, default: preset }) => {
      const chosen = robot.settings[name] ?? null;
      // Not as texts: jsonb puts keys into an order of its own.
      if (chosen === null || isDeepStrictEqual(chosen, preset ?? null)) return false;
      if (isDeepStrictEqual(chosen, savedById.get(robot.id)?.settings[name] ?? null)) return false;
      return !(typeof chosen === 'object' && 'kind' in chosen && chosen.kind === 'employee' && 'id' in chosen && chosen.id === actorId);
    });
  });
}

/** The value picker «…»: fields of the item, its client, its owner; results of robots before this one; dates. */
export function pickerTree(robots: readonly RobotRecord[], place: number, env: ConfigEnv): PickerNode[] {
  const { language } = env;
  const { all } = fieldCatalog(env.model, env.pipeline.itemTypeId, language);
  const known = knownFor(robots, place, env);
  const writable = settingsEnv(known, env);
  const leaf = (placeholder: string, field: Pick<FieldInfo, 'name' | 'kind' | 'isMultiple' | 'settings'>): PickerNode => ({
    placeholder, name: field.name, kind: field.kind, isMultiple: field.isMultiple, operators: operatorsFor(field),
    ...(field.settings.options ? { options: field.settings.options.map((option) => ({ id: option.id, name: option.name })) } : {}),
  });
  const leaves = (source: string, fields: readonly FieldInfo[]): PickerNode[] =>
    fields.map((field) => ({
      ...leaf(`{=${source}:${field.code}}`, field),
      ...(source === 'Document' ? { field: field.code, isWritable: writable.field(field.code) !== undefined } : {}),
    }));
  const moment = (code: 'Now' | 'Date', kind: 'datetime' | 'date'): PickerNode =>
    leaf(`{=System:${code}}`, { ...fieldOfKind(kind), name: text(language, `robots.references.system.${code}`) });
  const robotNodes = robots.flatMap((robot, index): PickerNode[] => {
    const described = env.describeType(robot.type, language);
    const other = known.robot(robot.id);
    if (index === place || !other?.isBefore || !described || described.results.length === 0) return [];
    const stage = env.model.stage(robot.stageId)?.name ?? '';
    return [{
      name: text(language, 'robots.picker.robot', { title: other.title, stage }),
      children: described.results.map((result) => leaf(`{=A${robot.id}:${result.name}}`, { ...fieldOfKind(result.kind), name: result.title })),
    }];
  });
  const typeName = env.model.itemType(env.pipeline.itemTypeId)?.name ?? '';
  return [
    { name: typeName, children: leaves('Document', all.document) },
    { name: text(language, 'robots.references.source.contact'), children: leaves('Contact', all.contact) },
    { name: text(language, 'robots.references.source.company'), children: leaves('Company', all.company) },
    { name: text(language, 'robots.references.source.owner'), children: leaves('Owner', all.owner) },
    { name: text(language, 'robots.picker.robots'), children: robotNodes },
    {
      name: text(language, 'robots.picker.dates'),
      children: [
        moment('Now', 'datetime'),
        moment('Date', 'date'),
      ],
    },
  ];
}

/** Copies of robots: new ids, and references among the copied follow the copies. */
export function copiesOf(robots: readonly RobotRecord[], newIds: readonly number[]): RobotRecord[] {
  const renamed = new Map(robots.map((robot, index) => [robot.id, newIds[index] ?? robot.id]));
  const follow = (value: unknown): unknown => {
    if (typeof value === 'string') {
      return value.replace(/\{=(\s*)A(\d+)(\s*):/gi, (written, before: string, id: string, after: string) => {
        const next = renamed.get(Number(id));
        return next === undefined ? written : `{=${before}A${next}${after}:`;
      });
    }
    if (Array.isArray(value)) return value.map(follow);
    if (typeof value === 'object' && value !== null) return Object.fromEntries(Object.entries(value).map(([key, one]) => [key, follow(one)]));
    return value;
  };
  return robots.map((robot) => {
    // A record copied through `follow` keeps its shape: only texts inside change.
    // oxlint-disable-next-line typescript/consistent-type-assertions -- see above.
    const copy = follow(robot) as RobotRecord;
    return { ...copy, id: renamed.get(robot.id) ?? robot.id };
  });
}
