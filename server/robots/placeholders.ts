/**
 * Placeholders: `{=Source:Field}` in texts, filled in from the item when a robot acts. Pure.
 *
 * Grammar: `{=Source:Field}` or `{=Source:Field > modifier, modifier}`.
 * Sources: `Document` (the item), `Contact`, `Company`, `Owner`, `A<robot id>` (results of a robot),
 * `System` (`Now`, `NowLocal`, `Date`, `Eol`). Source, field and modifier names in any letter case; field
 * names of Bitrix24 are understood too (`{=Document:OPPORTUNITY}`), so its templates work unchanged.
 *
 * What does not follow the grammar is ordinary text and comes out as it stands; what follows it but names
 * nothing (a deleted field, a robot that left no result) comes out empty, and `checkReferences` tells of it
 * when the robot is configured. There are no expressions, and nothing is ever evaluated.
 *
 * Each placeholder is filled in once: a value that looks like a placeholder or like BBCode stays a text.
 */
import { escapeBbcode } from '../../shared/bbcode.ts';
import { text } from '../../shared/messages.ts';
import {
  booleanOf, dayOf, fieldOfKind, idOf, instantOf, isDay, isEmptyValue, numberOf, print,
  type FieldInfo, type FieldValue, type Reader, type ValueKind, type ValueSource,
} from './values.ts';

/** Templates are at most this long, and so is what they become: 200 placeholders of a 100 KB text are no text. */
export const maxTemplateLength = 100_000;
/** Placeholders above this number in one text stay as they are. A text of a person has some ten. */
const maxReferences = 1000;
const maxReferenceLength = 200;

export type ReferenceSource = 'document' | 'contact' | 'company' | 'owner' | 'result' | 'system';

const casts = ['bool', 'date', 'datetime', 'double', 'int', 'file', 'select', 'string', 'text', 'user'] as const;
export type Cast = (typeof casts)[number];
const zones = ['server', 'local', 'responsible'] as const;

export interface Reference {
  readonly source: ReferenceSource;
  /** The robot of a result, else 0. */
  readonly robotId: number;
  /** Canonical code of the field, or name of the result. */
  readonly code: string;
  /** What the value is turned into before it is printed or compared. */
  readonly cast: Cast | null;
  /** In whose time zone a moment is printed; null: the reader's. `server` is the company. */
  readonly zone: (typeof zones)[number] | null;
  /** A file is printed as its address, not its name. */
  readonly isLink: boolean;
  /** `{=Document:amount > int}`: how it is stored, canonical. */
  readonly written: string;
}

export interface RenderOptions {
  /** `bbcode`: brackets in values are escaped. `none`: for texts without markup (SMS, titles, fields). */
  readonly escape: 'bbcode' | 'none';
}

export interface Template {
  /** Without placeholders: renders to itself for everybody. */
  readonly isPlain: boolean;
  readonly references: readonly Reference[];
  /** The text for one reader. Never longer than `maxTemplateLength`: cut at a whole character. */
  render(source: ValueSource, reader: Reader, options: RenderOptions): string;
  /** The value itself when the whole text is exactly one placeholder, with its kind; undefined otherwise. */
  value(source: ValueSource): FieldValue | undefined;
}

// ---------------------------------------------------------------------------------------------------------
// Names

/** Codes of the item's own columns, by their lower case. Everything else is an own field, looked up as typed. */
const documentCodes = byLowerCase([
  'id', 'title', 'amount', 'currency', 'stageId', 'pipelineId', 'ownerId', 'creatorId', 'observerIds',
  'contactId', 'companyId', 'beginsOn', 'closesOn', 'createdAt', 'updatedAt', 'movedAt', 'link', 'parentId',
]);
const contactCodes = byLowerCase([
  'id', 'name', 'firstName', 'lastName', 'secondName', 'position', 'phone', 'email', 'address', 'companyId', 'ownerId',
]);
const companyCodes = byLowerCase(['id', 'title', 'phone', 'email', 'address', 'ownerId']);
const ownerCodes = byLowerCase([
  'id', 'name', 'firstName', 'lastName', 'secondName', 'position', 'email', 'mobilePhone', 'workPhone',
]);
const systemCodes = byLowerCase(['Now', 'NowLocal', 'Date', 'Eol']);

function byLowerCase(codes: readonly string[]): ReadonlyMap<string, string> {
  return new Map(codes.map((code) => [code.toLowerCase(), code]));
}

/** Names of Bitrix24, in lower case, where they differ from ours. `source.code` when the source changes too. */
const documentAliases: ReadonlyMap<string, string> = new Map(Object.entries({
  name: 'title', opportunity: 'amount', opportunity_account: 'amount', currency_id: 'currency', account_currency_id: 'currency',
  stage_id: 'stageId', status_id: 'stageId', category_id: 'pipelineId', assigned_by_id: 'ownerId', assigned_by: 'ownerId',
  assigned_by_printable: 'ownerId', responsible: 'ownerId', created_by_id: 'creatorId', created_by: 'creatorId',
  created_by_printable: 'creatorId', observer: 'observerIds', observers: 'observerIds', observer_ids: 'observerIds',
  contact_id: 'contactId', company_id: 'companyId', begindate: 'beginsOn', closedate: 'closesOn',
  date_create: 'createdAt', created_time: 'createdAt', createdtime: 'createdAt', date_modify: 'updatedAt',
  updated_time: 'updatedAt', updatedtime: 'updatedAt', moved_time: 'movedAt', movedtime: 'movedAt', url: 'link', crm_link: 'link',
  contact_full_name: 'contact.name', contact_name: 'contact.firstName', contact_last_name: 'contact.lastName',
  contact_second_name: 'contact.secondName', contact_address: 'contact.address', contact_phone: 'contact.phone',
  contact_email: 'contact.email', contact_post: 'contact.position', company_title: 'company.title',
  company_address: 'company.address', company_phone: 'company.phone', company_email: 'company.email',
  assigned_by_name: 'owner.firstName', assigned_by_last_name: 'owner.lastName', assigned_by_email: 'owner.email',
  assigned_by_personal_mobile: 'owner.mobilePhone', assigned_by_work_phone: 'owner.workPhone', assigned_by_work_position: 'owner.position',
}));
const clientAliases: ReadonlyMap<string, string> = new Map(Object.entries({
  full_name: 'name', last_name: 'lastName', second_name: 'secondName', post: 'position', phone_mobile: 'phone', phone_work: 'phone',
  email_work: 'email', email_home: 'email', assigned_by_id: 'ownerId', company_id: 'companyId',
}));
const ownerAliases: ReadonlyMap<string, string> = new Map(Object.entries({
  full_name: 'name', last_name: 'lastName', second_name: 'secondName', personal_mobile: 'mobilePhone', mobile: 'mobilePhone',
  work_phone: 'workPhone', work_position: 'position', post: 'position',
}));

const referencePattern = /^\s*([A-Za-z]\w{0,39})\s*:\s*([\p{L}\p{N}_][\p{L}\p{N}_.-]{0,99})\s*(?:>\s*([A-Za-z]+(?:\s*,\s*[A-Za-z]+)*)\s*)?$/u;

const plainModifiers = new Set(['printable', 'friendly', 'name']);
// Bitrix24 makes files public by a modifier in a text. Here a link never gives more than its reader may see.
const linkModifiers = new Set(['publink', 'shortlink', 'src']);

function castNamed(name: string): Cast | undefined {
  return casts.find((cast) => cast === name);
}

/** `Document:OPPORTUNITY > int` → a reference; undefined: this is no placeholder. */
function parseInner(inner: string): Reference | undefined {
  const match = referencePattern.exec(inner);
  if (!match) return undefined;
  const [, sourceName = '', typed = '', modifiers] = match;
  const place = resolvePlace(sourceName.toLowerCase(), typed);
  if (!place) return undefined;
  let cast: Cast | null = null;
  let zone: Reference['zone'] = null;
  let isLink = false;
  const kept: string[] = [];
  for (const modifier of modifiers === undefined ? [] : modifiers.toLowerCase().split(',')) {
    const name = modifier.trim();
    const wantedZone = zones.find((known) => known === name);
    const wantedCast = castNamed(name);
    if (wantedCast) cast = wantedCast;
    else if (wantedZone) zone = wantedZone;
    else if (linkModifiers.has(name)) isLink = true;
    else if (!plainModifiers.has(name)) return undefined;
    kept.push(name);
  }
  if (place.source === 'system' && place.code === 'NowLocal') zone ??= 'local';
  const head = place.source === 'result' ? `A${place.robotId}` : sourceNames[place.source];
  const written = `{=${head}:${place.code}${kept.length > 0 ? ` > ${kept.join(', ')}` : ''}}`;
  return { source: place.source, robotId: place.robotId, code: place.code, cast, zone, isLink, written };
}

const sourceNames = { document: 'Document', contact: 'Contact', company: 'Company', owner: 'Owner', system: 'System' };

interface Place {
  source: ReferenceSource;
  robotId: number;
  code: string;
}

function resolvePlace(sourceName: string, typed: string): Place | undefined {
  const robot = /^a([1-9]\d{0,14})$/.exec(sourceName);
  if (robot) return { source: 'result', robotId: Number(robot[1]), code: typed };
  const code = typed.toLowerCase();
  const at = (source: ReferenceSource, found: string): Place => ({ source, robotId: 0, code: found });
  switch (sourceName) {
    case 'document': {
      const own = documentCodes.get(code);
      if (own) return at('document', own);
      const alias = documentAliases.get(code);
      if (alias?.startsWith('contact.')) return at('contact', alias.slice(8));
      if (alias?.startsWith('company.')) return at('company', alias.slice(8));
      if (alias?.startsWith('owner.')) return at('owner', alias.slice(6));
      if (alias) return at('document', alias);
      // {=Document:CONTACT.PHONE}: the newer notation of linked records.
      if (code.startsWith('contact.')) return clientPlace('contact', typed.slice(8));
      if (code.startsWith('company.')) return clientPlace('company', typed.slice(8));
      if (code.startsWith('assigned_by.')) return ownerPlace(typed.slice(12));
      return at('document', typed);
    }
    case 'contact':
    case 'company':
      return clientPlace(sourceName, typed);
    case 'owner':
      return ownerPlace(typed);
    case 'system': {
      const known = systemCodes.get(code);
      return known ? at('system', known) : undefined;
    }
    default:
      return undefined;
  }
}

function clientPlace(source: 'contact' | 'company', typed: string): Place | undefined {
  if (typed === '') return undefined;
  const code = typed.toLowerCase();
  const own = (source === 'contact' ? contactCodes : companyCodes).get(code);
  return { source, robotId: 0, code: own ?? clientAliases.get(code) ?? typed };
}

function ownerPlace(typed: string): Place | undefined {
  if (typed === '') return undefined;
  const code = typed.toLowerCase();
  return { source: 'owner', robotId: 0, code: ownerCodes.get(code) ?? ownerAliases.get(code) ?? typed };
}

/** The one reference that the text is, as in conditions and timing: `{=Document:amount}`. undefined: it is none. */
export function parseReference(written: string): Reference | undefined {
  const trimmed = written.trim();
  if (trimmed.length > maxReferenceLength || !trimmed.startsWith('{=') || trimmed.indexOf('}') !== trimmed.length - 1) return undefined;
  return parseInner(trimmed.slice(2, -1));
}

// ---------------------------------------------------------------------------------------------------------
// Reading

/** The referenced value with its kind, casts applied; undefined: there is no such field, client or result. */
export function readReference(reference: Reference, source: ValueSource): FieldValue | undefined {
  const found = readPlace(reference, source);
  return found && reference.cast ? castValue(found, reference.cast, source) : found;
}

function readPlace(reference: Reference, source: ValueSource): FieldValue | undefined {
  switch (reference.source) {
    case 'document':
      return source.document(reference.code);
    case 'contact':
    case 'company':
      return source.client(reference.source, reference.code);
    case 'owner':
      return source.owner(reference.code);
    case 'result': {
      const result = source.result(reference.robotId, reference.code);
      return result && { field: fieldOfKind(result.kind, reference.code, Array.isArray(result.value)), value: result.value };
    }
    case 'system':
      if (reference.code === 'Eol') return { field: fieldOfKind('string', 'Eol'), value: '\n' };
      if (reference.code === 'Date') return { field: fieldOfKind('date', 'Date'), value: dayOf(source.now.getTime(), source.timeZones.company) };
      return { field: fieldOfKind('datetime', reference.code), value: source.now };
  }
}

const castKinds: Record<Cast, ValueKind> = {
  bool: 'boolean', date: 'date', datetime: 'datetime', double: 'number', int: 'id', file: 'file', select: 'list',
  string: 'string', text: 'text', user: 'employee',
};

/** The kind a value has after the cast of its reference. */
export function kindAfter(cast: Cast | null, kind: ValueKind): ValueKind {
  if (cast === null) return kind;
  // Into texts a value goes as it is printed for its reader, so its kind has to last until then.
  if (cast === 'string' || cast === 'text' || cast === 'select') return kind;
  if (cast === 'file') return kind === 'file' ? kind : castKinds.file;
  return castKinds[cast];
}

/** What cannot be turned into the wanted kind becomes empty: no guess, no failure. */
function castValue(found: FieldValue, cast: Cast, source: ValueSource): FieldValue {
  const kind = kindAfter(cast, found.field.kind);
  if (kind === found.field.kind) return found;
  const field = fieldOfKind(kind, found.field.code, found.field.isMultiple);
  const one = (value: unknown): unknown => castOne(value, found.field.kind, cast, source);
  return { field, value: Array.isArray(found.value) ? found.value.map(one) : one(found.value) };
}

function castOne(value: unknown, kind: ValueKind, cast: Cast, source: ValueSource): unknown {
  if (isEmptyValue(value)) return null;
  switch (cast) {
    case 'bool':
      return booleanOf(value) ?? (numberOf(value) ?? 0) !== 0;
    case 'double':
    case 'int': {
      const instant = kind === 'datetime' ? instantOf(value) : undefined;
      const number = instant === undefined ? numberOf(value) : instant / 1000;
      return number === undefined ? null : cast === 'int' ? Math.trunc(number) : number;
    }
    case 'date': {
      if (isDay(value)) return value;
      const instant = instantOf(value);
      return instant === undefined ? null : dayOf(instant, source.timeZones.company);
    }
    case 'datetime':
      return isDay(value) || instantOf(value) !== undefined ? value : null;
    case 'user':
      // 'user_7' is how Bitrix24 writes an employee in a text.
      return idOf(typeof value === 'string' ? value.replace(/^user_/i, '') : value) ?? null;
    default:
      return null;
  }
}

/** The referenced value for a person, casts, zone and link modifiers applied. '' when there is none. */
function printReference(reference: Reference, source: ValueSource, reader: Reader): string {
  // A line break is all white space, which elsewhere counts as nothing.
  if (reference.source === 'system' && reference.code === 'Eol') return '\n';
  const found = readReference(reference, source);
  if (!found) return '';
  if (reference.isLink && found.field.kind === 'file') {
    const ids = Array.isArray(found.value) ? found.value : [found.value];
    return ids.flatMap((value) => {
      const id = idOf(value);
      return (id === undefined ? undefined : source.names.fileUrl(id)) ?? [];
    }).join(', ');
  }
  return print(found.value, found.field, readerIn(reference.zone, source, reader), source);
}

function readerIn(zone: Reference['zone'], source: ValueSource, reader: Reader): Reader {
  if (zone === null || zone === 'local') return reader;
  const timeZone = zone === 'server' ? source.timeZones.company : source.timeZones.owner ?? source.timeZones.company;
  return timeZone === reader.timeZone ? reader : { ...reader, timeZone };
}

// ---------------------------------------------------------------------------------------------------------
// Templates

/** Compiled once per published robot, rendered for every arrival and reader. */
export function compileTemplate(source: string): Template {
  const parts: (string | Reference)[] = [];
  const references: Reference[] = [];
  let plainFrom = 0;
  let from = source.indexOf('{=');
  while (from !== -1 && references.length < maxReferences) {
    const end = source.indexOf('}', from);
    if (end === -1) break;
    // «{= {=Document:title}»: the innermost opening counts.
    const start = source.lastIndexOf('{=', end);
    const reference = end - start <= maxReferenceLength ? parseInner(source.slice(start + 2, end)) : undefined;
    if (reference) {
      if (start > plainFrom) parts.push(source.slice(plainFrom, start));
      parts.push(reference);
      references.push(reference);
      plainFrom = end + 1;
    }
    from = source.indexOf('{=', end + 1);
  }
  if (references.length === 0) {
    const plain = cut(source);
    return { isPlain: true, references, render: () => plain, value: () => undefined };
  }
  if (plainFrom < source.length) parts.push(source.slice(plainFrom));
  // Around a single placeholder, spaces are how people type, not a text.
  const only = references.length === 1 && parts.every((part) => typeof part !== 'string' || part.trim() === '') ? references[0] : undefined;
  return {
    isPlain: false,
    references,
    render(values, reader, { escape }) {
      let rendered = '';
      for (const part of parts) {
        if (typeof part === 'string') rendered += part;
        else {
          const printed = printReference(part, values, reader);
          rendered += escape === 'bbcode' ? escapeBbcode(printed) : printed;
        }
        if (rendered.length > maxTemplateLength) return cut(rendered);
      }
      return rendered;
    },
    value: (values) => only && readReference(only, values),
  };
}

function cut(long: string): string {
  if (long.length <= maxTemplateLength) return long;
  const lastKept = long.charCodeAt(maxTemplateLength - 1);
  // Half of an emoji is an invalid text, which PostgreSQL refuses.
  const isHalf = lastKept >= 0xd800 && lastKept <= 0xdbff;
  return long.slice(0, maxTemplateLength - (isHalf ? 1 : 0));
}

// ---------------------------------------------------------------------------------------------------------
// Configuration

/** What is wrong with a setting: `text(language, 'robots.problems.' + code, params)` says it. */
export interface Problem {
  readonly code: string;
  readonly params: Readonly<Record<string, string | number>>;
  /** Where in the setting: 'items.0.value'. */
  readonly path?: string;
}

/** What a robot may refer to while it is configured. */
export interface Known {
  /** The field behind a document, contact, company or owner reference; undefined: there is none. Not asked about others. */
  field(reference: Reference): FieldInfo | undefined;
  /** A robot of any stage of the pipeline; undefined: there is none. */
  robot(robotId: number): KnownRobot | undefined;
}

export interface KnownRobot {
  readonly title: string;
  /** It stands above on the same stage, or on an earlier stage. */
  readonly isBefore: boolean;
  result(name: string): { readonly name: string; readonly kind: ValueKind } | undefined;
}

/** The field a reference stands for, its cast applied, or undefined. */
export function referenceField(reference: Reference, known: Known): FieldInfo | undefined {
  const field = knownField(reference, known);
  if (!field || reference.cast === null) return field;
  const kind = kindAfter(reference.cast, field.kind);
  return kind === field.kind ? field : { ...field, kind };
}

function knownField(reference: Reference, known: Known): FieldInfo | undefined {
  if (reference.source === 'result') {
    const result = known.robot(reference.robotId)?.result(reference.code);
    return result && { ...fieldOfKind(result.kind, reference.code), name: result.name };
  }
  if (reference.source === 'system') return fieldOfKind(reference.code === 'Eol' ? 'string' : reference.code === 'Date' ? 'date' : 'datetime', reference.code);
  return known.field(reference);
}

/** Problems of all placeholders of a template; each broken one is told once. */
export function checkReferences(template: Pick<Template, 'references'>, known: Known): Problem[] {
  const problems = new Map<string, Problem>();
  for (const reference of template.references) {
    const problem = checkReference(reference, known);
    if (problem) problems.set(reference.written, problem);
  }
  return [...problems.values()];
}

export function checkReference(reference: Reference, known: Known): Problem | undefined {
  const params = { reference: reference.written };
  if (reference.source === 'system') return undefined;
  if (reference.source !== 'result') return known.field(reference) ? undefined : { code: 'field_unknown', params };
  const robot = known.robot(reference.robotId);
  if (!robot) return { code: 'robot_unknown', params };
  const withRobot = { ...params, robot: robot.title };
  if (!robot.result(reference.code)) return { code: 'result_unknown', params: withRobot };
  return robot.isBefore ? undefined : { code: 'robot_not_before', params: withRobot };
}

/** The name people know: «Сумма», «Контакт: Телефон», «Создать групповой чат: ID чата». */
export function describeReference(reference: Reference, known: Known, language: Reader['language']): string {
  if (reference.source === 'system') return text(language, `robots.references.system.${reference.code}`);
  const field = knownField(reference, known);
  if (reference.source === 'result') {
    const robot = known.robot(reference.robotId)?.title;
    if (robot === undefined) return text(language, 'robots.references.gone', { reference: reference.written });
    return text(language, 'robots.references.of', { source: robot, field: field?.name ?? reference.code });
  }
  if (!field) return text(language, 'robots.references.gone', { reference: reference.written });
  if (reference.source === 'document') return field.name;
  return text(language, 'robots.references.of', { source: text(language, `robots.references.source.${reference.source}`), field: field.name });
}
