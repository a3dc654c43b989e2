/**
 * Robots said in words: what one does, when and if, as a line on its card, and what differs between two
 * sets of robots. Pure: names of chats, files and clients that settings mention come from the caller.
 *
 * What is gone is said in words too; a half filled setting is said as «…», never left out silently.
 */
import { isDeepStrictEqual } from 'node:util';
import type { ConditionGroup, ConditionRule, ConditionValue } from '../../shared/api/robots.ts';
import { type RecipientSource, recipientSource } from '../../shared/api/people.ts';
import { type Language, text } from '../../shared/messages.ts';
import { fullName } from '../people/people.ts';
import { type FormFieldDescription, robotSummary, type RobotTypeDescription } from './catalog.ts';
import { operatorsWithoutValue } from './conditions.ts';
import { type ConfigEnv, knownFor } from './config.ts';
import { catalogField, fieldCatalog } from './fields.ts';
import { compileTemplate, describeReference, type Known, parseReference, referenceField } from './placeholders.ts';
import { type FieldInfo, fieldOfKind, idOf, isDay, isEmptyValue, type Names, print, type Reader } from './values.ts';
import { triggerTitle } from './trigger-config.ts';
import type { RobotRecord, TriggerRecord } from './versions.ts';

export interface Sentences {
  robotId: number;
  title: string;
  what: string;
  when: string;
  condition: string;
}

/** What saying takes besides what checking does. */
export interface SayEnv extends ConfigEnv {
  names: Names;
  reader: Reader;
}

const nothingYet = '…';
const maxSaid = 90;

function short(long: string): string {
  const line = long.replace(/\s+/g, ' ').trim();
  return line.length <= maxSaid ? line : `${[...line.slice(0, maxSaid)].slice(0, -1).join('')}…`;
}

/** A saved text for people: tags of BBCode dropped, placeholders by their names. */
export function plainTemplate(saved: string, known: Known, language: Language): string {
  let said = saved.replace(/\[\/?[a-z*][^[\]]*\]/gi, ' ');
  for (const reference of compileTemplate(said).references) {
    said = said.replaceAll(reference.written, `[${describeReference(reference, known, language)}]`);
  }
  // Written otherwise than we would: in other letters, with spaces.
  said = said.replace(/\{=[^{}]+\}/g, (written) => {
    const reference = parseReference(written);
    return reference ? `[${describeReference(reference, known, language)}]` : written;
  });
  return short(said);
}

export function sourceName(source: RecipientSource, env: Pick<SayEnv, 'directory' | 'language' | 'model' | 'pipeline'>): string {
  const { directory, language } = env;
  switch (source.kind) {
    case 'employee': {
      const employee = directory.employee(source.id);
      return employee ? fullName(employee) : text(language, 'robots.values.gone.employee');
    }
    case 'department':
    case 'departmentHead': {
      const name = directory.department(source.id)?.name ?? text(language, 'robots.say.department_gone');
      if (source.kind === 'departmentHead') return text(language, 'robots.say.head_of', { name });
      return source.withSubdepartments ? text(language, 'robots.say.with_subdepartments', { name }) : name;
    }
    case 'role':
      return text(language, `robots.say.role.${source.role}`);
    case 'field':
      return fieldCatalog(env.model, env.pipeline.itemTypeId, language).document(source.field)?.name ?? source.field;
    case 'everyone':
      return text(language, 'robots.say.everyone');
  }
}

function sourcesIn(value: unknown): RecipientSource[] {
  const list: unknown[] = Array.isArray(value) ? value : [value];
  return list.flatMap((one) => recipientSource.safeParse(one).data ?? []);
}

/** A saved setting in words; '' when nothing is entered. */
export function saySetting(field: FormFieldDescription, saved: unknown, known: Known, env: SayEnv): string {
  const { language } = env;
  const value = saved === undefined ? field.default : saved;
  const template = (one: unknown): string => (typeof one === 'string' ? plainTemplate(one, known, language) : isEmptyValue(one) ? '' : String(one));
  switch (field.widget) {
    case 'employees':
    case 'employee':
      return sourcesIn(value).map((source) => sourceName(source, env)).join(', ');
    case 'chat': {
      const id = idOf(typeof value === 'string' ? value.trim() : value);
      return id === undefined ? template(value) : env.names.chat(id) ?? text(language, 'robots.values.gone.chat');
    }
    case 'choice':
    case 'messageKind':
      return field.options?.find((option) => option.value === value)?.name ?? '';
    case 'switch':
      return text(language, value === true ? 'robots.values.yes' : 'robots.values.no');
    case 'attachments': {
      if (typeof value !== 'object' || value === null) return '';
      if ('field' in value && typeof value.field === 'string') return fieldCatalog(env.model, env.pipeline.itemTypeId, language).document(value.field)?.name ?? value.field;
      if (!('fileIds' in value) || !Array.isArray(value.fileIds)) return '';
      return value.fileIds.map((id) => env.names.file(Number(id)) ?? text(language, 'robots.values.gone.file')).join(', ');
    }
    case 'tags':
      return Array.isArray(value) ? value.map((tag) => `#${template(tag)}`).join(' ') : '';
    case 'values': {
      const catalog = fieldCatalog(env.model, env.pipeline.itemTypeId, language);
      const rows: unknown[] = Array.isArray(value) ? value : [];
      return rows.flatMap((row) => {
        if (typeof row !== 'object' || row === null || !('field' in row) || typeof row.field !== 'string') return [];
        const target = catalog.document(row.field);
        const given = 'value' in row ? row.value : null;
        const isText = typeof given === 'string' && !compileTemplate(given).isPlain;
        const said = isText || !target ? template(given) : print(given, target, env.reader, { document: () => undefined, names: env.names });
        return [text(language, 'robots.say.value', { field: target?.name ?? row.field, value: short(said) || text(language, 'robots.say.empty') })];
      }).join('; ');
    }
    case 'value':
      if (field.kind && typeof value === 'string' && isDay(value)) return print(value, fieldOfKind('date'), env.reader, { document: () => undefined, names: env.names });
      if (field.kind === 'money' && typeof value === 'number') return print(value, fieldOfKind('number'), env.reader, { document: () => undefined, names: env.names });
      return template(value);
    case 'mailSender':
    case 'smsProvider': {
      if (value === null || value === undefined) return text(language, 'robots.say.default_channel');
      const names = field.widget === 'mailSender' ? env.channels.mailSenders : env.channels.smsProviders;
      return names.get(Number(value)) ?? text(language, `robots.values.gone.${field.widget}`);
    }
    default:
      return template(value);
  }
}

/** «за 1 день до: Дата завершения, в рабочее время». */
export function sayTiming({ timing, order, oncePerItem }: RobotRecord, known: Known, language: Language): string {
  const reference = 'reference' in timing ? parseReference(timing.reference) : undefined;
  const params = {
    amount: 'amount' in timing ? timing.amount : 0,
    unit: 'unit' in timing ? timing.unit : 'minutes',
    field: reference ? describeReference(reference, known, language) : nothingYet,
    time: ('time' in timing ? timing.time : undefined) ?? 'none',
  };
  return [
    text(language, `robots.say.timing.${timing.kind}`, params),
    ...(timing.workingHours ? [text(language, `robots.say.working_hours.${timing.workingHours}`)] : []),
    ...(order === 'independent' ? [text(language, 'robots.say.independent')] : []),
    ...(oncePerItem ? [text(language, 'robots.say.once')] : []),
  ].join(', ');
}

/** «Сумма больше 1 000 000 и (Ответственный равно Анна Волкова или …)». '' when there is none. */
export function sayCondition(condition: ConditionGroup | null, known: Known, env: SayEnv): string {
  if (!condition) return '';
  return sayGroup(condition, known, env);
}

function sayGroup({ op, items }: ConditionGroup, known: Known, env: SayEnv): string {
  const said = items.map((item) => {
    if (!('op' in item)) return sayRule(item, known, env);
    const inner = sayGroup(item, known, env);
    return item.items.length > 1 && items.length > 1 ? `(${inner})` : inner;
  });
  return said.join(` ${text(env.language, `robots.say.${op}`)} `);
}

function sayRule(rule: ConditionRule, known: Known, env: SayEnv): string {
  const { language } = env;
  const reference = parseReference(rule.left);
  const field = reference && referenceField(reference, known);
  const left = reference ? describeReference(reference, known, language) : rule.left || nothingYet;
  const operator = text(language, `robots.operators.${rule.operator}`);
  if (operatorsWithoutValue.has(rule.operator)) return text(language, 'robots.say.rule_bare', { field: left, operator });
  const value = sayValue(rule.value, field, known, env);
  const isPair = rule.operator === 'between' || rule.operator === 'timeBetween';
  return text(language, isPair ? 'robots.say.rule_pair' : 'robots.say.rule', { field: left, operator, value, valueTo: isPair ? sayValue(rule.valueTo, field, known, env) : '' });
}

function sayValue(value: ConditionValue | undefined, field: FieldInfo | undefined, known: Known, env: SayEnv): string {
  if (typeof value === 'object' && !Array.isArray(value)) {
    const reference = parseReference(value.ref);
    return reference ? `«${describeReference(reference, known, env.language)}»` : nothingYet;
  }
  if (isEmptyValue(value)) return nothingYet;
  const shown = field ?? fieldOfKind('string');
  const one = (single: unknown): string => {
    if (typeof single === 'string' && /^\d\d:\d\d$/.test(single)) return single;
    // A number compared with money is meant in the money's own currency: none is said.
    const kind = shown.kind === 'money' ? { ...shown, kind: 'number' as const } : shown;
    return print(single, kind, env.reader, { document: () => undefined, names: env.names });
  };
  return Array.isArray(value) ? value.map(one).join(', ') : one(value);
}

export function titleOf(robot: RobotRecord, env: Pick<ConfigEnv, 'describeType' | 'language'>): string {
  return robot.title || env.describeType(robot.type, env.language)?.title || robot.type;
}

/** «ИНН: 7707083893; Сумма: …»: robots of applications have no sentence of their own. */
function settingsSaid({ title, form }: RobotTypeDescription, said: Readonly<Record<string, string>>): string {
  return form.map(({ name, label }) => `${label}: ${said[name] ?? nothingYet}`).join('; ') || title;
}

export function sentencesOf(robots: readonly RobotRecord[], env: SayEnv): Sentences[] {
  return robots.map((robot, place) => sentenceOf(robot, knownFor(robots, place, env), env));
}

function sentenceOf(robot: RobotRecord, known: Known, env: SayEnv): Sentences {
  const described = env.describeType(robot.type, env.language);
  const said = Object.fromEntries((described?.form ?? []).map((field) => [field.name, saySetting(field, robot.settings[field.name], known, env) || nothingYet]));
  return {
    robotId: robot.id,
    title: titleOf(robot, env),
    what: described ? (robotSummary(env.language, robot.type, said) ?? settingsSaid(described, said)) : robot.type,
    when: sayTiming(robot, known, env.language),
    condition: sayCondition(robot.condition, known, env),
  };
}

// ——— Triggers

export interface TriggerSentences {
  triggerId: number;
  title: string;
  what: string;
  condition: string;
}

/** «Когда изменится поле «Сумма»: станет больше 5». */
function sayWhen({ when }: TriggerRecord, known: Known, env: SayEnv): string {
  const { language } = env;
  switch (when.kind) {
    case 'fieldChanged': {
      const sides = (field: string, info: FieldInfo | undefined, change: (typeof when.changes)[number]): string => {
        const side = (name: 'from' | 'to') => {
          const given = change[name];
          if (!given) return [];
          const rule = sayRule({ ...given, left: `{=Document:${field}}` }, known, env);
          return [text(language, `robots.say.trigger.${name}`, { rule: info ? rule.replace(info.name, '').trim() : rule })];
        };
        return [`«${info?.name ?? field}»`, ...side('from'), ...side('to')].join(' ');
      };
      const said = when.changes.map((change) => {
        const reference = parseReference(`{=Document:${change.field}}`);
        return sides(change.field, reference && known.field(reference), change);
      });
      return text(language, 'robots.say.trigger.fieldChanged', { fields: said.join(` ${text(language, 'robots.say.or')} `) || nothingYet });
    }
    case 'dateReached': {
      const { timing } = when;
      const reference = parseReference(timing.reference);
      return text(language, `robots.say.timing.${timing.kind}`, {
        amount: 'amount' in timing ? timing.amount : 0, unit: 'unit' in timing ? timing.unit : 'minutes',
        field: reference ? describeReference(reference, known, language) : nothingYet, time: ('time' in timing ? timing.time : undefined) ?? 'none',
      });
    }
    case 'webhook':
    case 'app':
      return text(language, `robots.say.trigger.${when.kind}`, { code: when.code || nothingYet });
    default:
      return text(language, `robots.say.trigger.${when.kind}`);
  }
}

export function triggerSentencesOf(triggers: readonly TriggerRecord[], robots: readonly RobotRecord[], env: SayEnv): TriggerSentences[] {
  const known = knownFor(robots, robots.length, env);
  return triggers.map((trigger) => ({
    triggerId: trigger.id, title: triggerTitle(trigger, env.language), what: sayWhen(trigger, known, env), condition: sayCondition(trigger.condition, known, env),
  }));
}

interface Content {
  robots: readonly RobotRecord[];
  triggers: readonly TriggerRecord[];
}

/** What becomes different among the triggers, in words. */
export function triggerDifferencesOf(before: Content, after: Content, env: SayEnv): Difference[] {
  const { language } = env;
  const old = new Map(before.triggers.map((trigger) => [trigger.id, trigger]));
  const stageName = (id: number) => env.model.stage(id)?.name ?? text(language, 'robots.values.gone.stage');
  const whole = (trigger: TriggerRecord, content: Content): string[] => triggerSentencesOf([trigger], content.robots, env).flatMap(({ what, condition }) =>
    [what, ...(condition ? [text(language, 'robots.difference.if', { condition })] : [])]);
  const head = (trigger: TriggerRecord, kind: DifferenceKind, details: string[]): Difference =>
    ({ robotId: trigger.id, isTrigger: true, title: triggerTitle(trigger, language), stageId: trigger.stageId, stageName: stageName(trigger.stageId), kind, details });
  const found = after.triggers.flatMap((trigger): Difference[] => {
    const was = old.get(trigger.id);
    old.delete(trigger.id);
    if (!was) return [head(trigger, 'added', whole(trigger, after))];
    if (isDeepStrictEqual(was, trigger)) return [];
    const details = [
      ...(was.isEnabled === trigger.isEnabled ? [] : [text(language, trigger.isEnabled ? 'robots.difference.on' : 'robots.difference.off')]),
      ...(was.stageId === trigger.stageId ? [] : [text(language, 'robots.difference.moved', { from: stageName(was.stageId), to: stageName(trigger.stageId) })]),
    ];
    const [from, to] = [whole(was, before).join(' '), whole(trigger, after).join(' ')];
    if (from !== to) details.push(text(language, 'robots.difference.changed', { what: triggerTitle(trigger, language), from, to }));
    return [head(trigger, 'changed', details.length > 0 ? details : [text(language, 'robots.difference.trigger_settings')])];
  });
  return [...found, ...[...old.values()].map((trigger) => head(trigger, 'removed', whole(trigger, before)))];
}

// ——— What differs

export type DifferenceKind = 'added' | 'removed' | 'changed';
export interface Difference {
  robotId: number;
  isTrigger: boolean;
  title: string;
  stageId: number;
  stageName: string;
  kind: DifferenceKind;
  /** What is different, a sentence each; of an added one what it does. */
  details: string[];
}

/** What becomes different when `after` takes the place of `before`, in words. */
export function differencesOf(before: readonly RobotRecord[], after: readonly RobotRecord[], env: SayEnv): Difference[] {
  const { language } = env;
  const old = new Map(before.map((robot, place) => [robot.id, { robot, place }]));
  const stageName = (id: number) => env.model.stage(id)?.name ?? text(language, 'robots.values.gone.stage');
  const head = (robot: RobotRecord, kind: DifferenceKind, details: string[]): Difference =>
    ({ robotId: robot.id, isTrigger: false, title: titleOf(robot, env), stageId: robot.stageId, stageName: stageName(robot.stageId), kind, details });
  const whole = (robot: RobotRecord, robots: readonly RobotRecord[], place: number): string[] => {
    const said = sentenceOf(robot, knownFor(robots, place, env), env);
    return [said.what, text(language, 'robots.difference.when', { when: said.when }), ...(said.condition ? [text(language, 'robots.difference.if', { condition: said.condition })] : [])];
  };
  const found = after.flatMap((robot, place): Difference[] => {
    const was = old.get(robot.id);
    old.delete(robot.id);
    if (!was) return [head(robot, 'added', whole(robot, after, place))];
    const details = changesOf(was.robot, robot, knownFor(before, was.place, env), knownFor(after, place, env), env);
    if (details.length === 0 && orderOf(before, robot) !== orderOf(after, robot, before)) details.push(text(language, 'robots.difference.order_on_stage'));
    return details.length > 0 ? [head(robot, 'changed', details)] : [];
  });
  return [...found, ...[...old.values()].map(({ robot, place }) => head(robot, 'removed', whole(robot, before, place)))];
}

/** Whom the robot stands below on its stage, of those that were there before too. */
function orderOf(robots: readonly RobotRecord[], { id, stageId }: RobotRecord, common: readonly RobotRecord[] = robots): string {
  const there = new Set(common.map((robot) => robot.id));
  const onStage = robots.filter((robot) => robot.stageId === stageId && there.has(robot.id)).map((robot) => robot.id);
  return onStage.slice(0, onStage.indexOf(id)).join(' ');
}

function changesOf(before: RobotRecord, after: RobotRecord, knownBefore: Known, knownAfter: Known, env: SayEnv): string[] {
  const { language } = env;
  const stage = (id: number) => env.model.stage(id)?.name ?? text(language, 'robots.values.gone.stage');
  const details: string[] = [];
  const changed = (what: string, from: string, to: string) =>
    details.push(text(language, 'robots.difference.changed', { what, from: from || text(language, 'robots.say.empty'), to: to || text(language, 'robots.say.empty') }));
  if (before.isEnabled !== after.isEnabled) details.push(text(language, after.isEnabled ? 'robots.difference.on' : 'robots.difference.off'));
  if (before.stageId !== after.stageId) details.push(text(language, 'robots.difference.moved', { from: stage(before.stageId), to: stage(after.stageId) }));
  if (before.title !== after.title) changed(text(language, 'robots.difference.title'), before.title, after.title);
  const [whenBefore, whenAfter] = [sayTiming(before, knownBefore, language), sayTiming(after, knownAfter, language)];
  if (whenBefore !== whenAfter) changed(text(language, 'robots.difference.timing'), whenBefore, whenAfter);
  if (!isDeepStrictEqual(before.condition, after.condition)) {
    changed(text(language, 'robots.difference.condition'), sayCondition(before.condition, knownBefore, env), sayCondition(after.condition, knownAfter, env));
  }
  for (const field of env.describeType(after.type, language)?.form ?? []) {
    const [from, to] = [before.settings[field.name], after.settings[field.name]];
    if (isDeepStrictEqual(from, to)) continue;
    const [saidFrom, saidTo] = [saySetting(field, from, knownBefore, env), saySetting(field, to, knownAfter, env)];
    // A long text that differs far down, or only in how it looks, reads the same when it is cut.
    if (saidFrom === saidTo) details.push(text(language, 'robots.difference.edited', { what: field.label }));
    else changed(field.label, saidFrom, saidTo);
  }
  return details;
}

// ——— Warnings

export interface Warning {
  robotId: number;
  code: string;
  message: string;
}

/** What may be meant, but rarely is: robots that send an item round between stages. */
export function warningsOf(robots: readonly RobotRecord[], env: SayEnv): Warning[] {
  const active = robots.filter((robot) => robot.isEnabled);
  const moves = active.flatMap((robot) => {
    const to = stageWritten(robot, env);
    return to !== undefined && to !== robot.stageId ? [{ robot, to }] : [];
  });
  const chasing = moves.filter(({ robot, to }) => {
    const seen = new Set<number>();
    const next = [to];
    for (let stageId = next.pop(); stageId !== undefined; stageId = next.pop()) {
      if (stageId === robot.stageId) return true;
      if (seen.has(stageId)) continue;
      seen.add(stageId);
      next.push(...moves.filter((move) => move.robot.stageId === stageId).map((move) => move.to));
    }
    return false;
  });
  return chasing.map(({ robot, to }) => ({
    robotId: robot.id,
    code: 'chase',
    message: text(env.language, 'robots.warnings.chase', { robot: titleOf(robot, env), stage: env.model.stage(to)?.name ?? '' }),
  }));
}

/** The stage the robot moves the item to, when its settings name one. */
function stageWritten(robot: RobotRecord, env: ConfigEnv): number | undefined {
  for (const { name, widget } of env.robotType(robot.type)?.form ?? []) {
    const rows = widget === 'values' ? robot.settings[name] : undefined;
    if (!Array.isArray(rows)) continue;
    for (const row of rows) {
      const isStage = typeof row === 'object' && row !== null && 'field' in row && 'value' in row && String(row.field).toLowerCase() === 'stageid';
      if (isStage) return idOf(row.value);
    }
  }
  return undefined;
}

/** Ids of clients, items and the like that conditions and new values name, by kind: for printing their names. */
export function namedRecords(robots: readonly RobotRecord[], triggers: readonly TriggerRecord[], env: Pick<ConfigEnv, 'model' | 'pipeline' | 'language'>): Record<'contact' | 'company' | 'item', number[]> {
  const catalog = fieldCatalog(env.model, env.pipeline.itemTypeId, env.language);
  const named = { contact: new Set<number>(), company: new Set<number>(), item: new Set<number>() };
  const take = (kind: string | undefined, value: unknown): void => {
    if (kind !== 'contact' && kind !== 'company' && kind !== 'item') return;
    for (const one of Array.isArray(value) ? value : [value]) {
      const id = idOf(one);
      if (id !== undefined) named[kind].add(id);
    }
  };
  const walk = (group: ConditionGroup): void => {
    for (const item of group.items) {
      if ('op' in item) walk(item);
      else {
        const reference = parseReference(item.left);
        take(reference && catalogField(catalog, reference)?.kind, item.value);
      }
    }
  };
  for (const { condition } of [...robots, ...triggers]) if (condition) walk(condition);
  for (const robot of robots) {
    for (const value of Object.values(robot.settings)) {
      if (!Array.isArray(value)) continue;
      for (const row of value) if (typeof row === 'object' && row !== null && 'field' in row && 'value' in row) take(catalog.document(String(row.field))?.kind, row.value);
    }
  }
  return { contact: [...named.contact], company: [...named.company], item: [...named.item] };
}
