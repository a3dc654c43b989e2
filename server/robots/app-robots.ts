/**
 * Robots of applications: what an application registered stands in the catalogue like any robot. A run writes a call
 * of the application's handler; where it waits for the answer it ends when the application answers, with what it
 * returned as results for the robots below, or when the application was silent for `answerPatienceMs`.
 *
 * A robot that is not registered (any more) is one of an unknown type: its runs fail and say so.
 */
import { UserError } from '../../shared/errors.ts';
import { type Language, text } from '../../shared/messages.ts';
import type { Calls, ClaimedCall } from '../calls/calls.ts';
import { lockItems } from '../crm/crm.ts';
import { bumpConfig, configVersions, type Db, type Queryable, type Tx } from '../db/db.ts';
import type { Live } from '../live/live.ts';
import { type Actor, requireAdmin } from '../people/people.ts';
import * as store from './app-store.ts';
import type { RobotTypeDescription } from './catalog.ts';
import { type Engine, waitsForAnswer } from './engine.ts';
import { type Field, field, type FormField } from './field.ts';
import { defineRobot, type RobotType } from './robot.ts';
import { lockRun, type RunRow, updateRuns } from './store.ts';
import { booleanOf, idOf, instantOf, isDay, numberOf, type ValueKind } from './values.ts';

/** How long an application may take to answer. */
export const answerPatienceMs = 24 * 60 * 60_000;
/** Of the application's answer: what is kept of one text, and of all. */
const maxReturnedText = 20_000;
const maxReturned = 100;
const maxLogged = 1000;

/** Stored in the robots that people set up, so never renamed. */
export function appRobotId(appId: number, code: string): string {
  return `app:${appId}:${code}`;
}

const icon = '<svg xmlns="http://www.w3.org/2000/svg" width="24" height="24" viewBox="0 0 24 24" fill="none" stroke="currentColor" stroke-width="2" stroke-linecap="round" stroke-linejoin="round"><path d="M9 2v6"/><path d="M15 2v6"/><path d="M12 17v5"/><path d="M5 8h14"/><path d="M6 11V8h12v3a6 6 0 1 1-12 0Z"/></svg>';

const kinds: Record<store.AppPropertyType, ValueKind> = {
  string: 'string', text: 'text', int: 'number', double: 'number', bool: 'boolean', date: 'date', datetime: 'datetime', select: 'string', user: 'employee',
};

/** In a language, else without one, else in any. */
export function localName(names: Readonly<Record<string, string>>, language: Language): string {
  return names[language] ?? names[''] ?? names.en ?? Object.values(names)[0] ?? '';
}

interface AppRobots {
  types: ReadonlyMap<string, { row: store.AppRobotRow; type: RobotType }>;
  version: number;
}

export interface AppRobotsDeps {
  db: Db;
  live: Live;
  calls: Calls;
  engine: () => Pick<Engine, 'releaseFollowers'>;
  now: () => Date;
}

export function createAppRobots({ db, live, calls, engine, now }: AppRobotsDeps) {
  let known: AppRobots = { types: new Map(), version: -1 };

  async function refresh(q: Queryable, version: number): Promise<void> {
    if (known.version === version) return;
    const rows = await store.listAppRobots(q);
    known = { version, types: new Map(rows.map((row) => [appRobotId(row.appId, row.code), { row, type: typeOf(row) }])) };
  }

  function describe({ row, type }: { row: store.AppRobotRow; type: RobotType }, language: Language): RobotTypeDescription {
    return {
      id: type.id, group: type.group, groupTitle: text(language, 'robots.groups.apps'), version: type.version,
      title: localName(row.names, language), description: localName(row.descriptions, language) || row.appName, summary: '', icon,
      form: type.form.map((one) => formOf(one, row.properties.find(({ id }) => id === one.name), language)),
      results: row.results.map((result) => ({ name: result.id, title: localName(result.names, language) || result.id, kind: kinds[result.type] })),
      examples: [],
    };
  }

  function assertRun(run: RunRow | undefined): run is RunRow {
    return run?.state === 'waiting' && run.reason === waitsForAnswer;
  }

  /** The waiting run with its item locked; undefined: it ended meanwhile. Items are locked before runs, as everywhere. */
  async function waitingRun(tx: Tx, runId: number, itemId: unknown): Promise<RunRow | undefined> {
    if (typeof itemId === 'number') await lockItems(tx, [itemId]);
    const run = await lockRun(tx, runId);
    return assertRun(run) ? run : undefined;
  }

  async function end(tx: Tx, run: RunRow): Promise<void> {
    const at = now();
    await updateRuns(tx, [{ ...run, dueAt: null, finishedAt: at }]);
    await engine().releaseFollowers(tx, [run.arrivalId], at);
    await live.publish(tx, [{ topic: `item:${run.itemId}`, what: 'runs' }]);
  }

  /** A handler that cannot be reached answers nothing: its run ends now, and says why. */
  calls.onGivenUp(async (tx, call: ClaimedCall, error) => {
    const run = call.kind === 'robot' && call.runId !== null ? await waitingRun(tx, call.runId, call.content.itemId) : undefined;
    if (run) await end(tx, { ...run, state: 'failed', reason: 'app.unreachable', trace: { ...run.trace, params: { error } } });
  });

  function noted(run: RunRow, logged: string): RunRow {
    const line = logged.trim().slice(0, maxLogged);
    return line === '' ? run : { ...run, trace: { ...run.trace, notes: [...(run.trace?.notes ?? []), ['app_log', { text: line }]] } };
  }

  async function callOf(tx: Tx, token: string, appId: number | null) {
    const call = await calls.byToken(tx, token);
    if (!call || call.runId === null || (appId !== null && call.appId !== appId)) throw new UserError('access.denied', { action: 'robots' });
    return { ...call, runId: call.runId };
  }

  return {
    refresh,
    async refreshNow(q: Queryable): Promise<void> {
      await refresh(q, (await configVersions(q)).apps);
    },
    type: (id: string) => known.types.get(id)?.type,
    describe: (language: Language): RobotTypeDescription[] => [...known.types.values()].map((one) => describe(one, language)),

    registry: {
      list: (appId: number) => store.listAppRobots(db, appId),

      /** false: one with the code is registered already. */
      async add(actor: Actor, row: store.AppRobotRow): Promise<boolean> {
        requireAdmin(actor);
        return db.transaction(async (tx) => {
          const isNew = await store.insertAppRobot(tx, row, now());
          if (isNew) await bumpConfig(tx, 'apps');
          return isNew;
        });
      },
      /** undefined: there is none such. */
      async change(actor: Actor, appId: number, code: string, change: (before: store.AppRobotRow) => store.AppRobotRow): Promise<boolean> {
        requireAdmin(actor);
        return db.transaction(async (tx) => {
          const before = (await store.listAppRobots(tx, appId)).find((row) => row.code === code);
          if (!before) return false;
          await store.updateAppRobot(tx, change(before));
          await bumpConfig(tx, 'apps');
          return true;
        });
      },
      async remove(actor: Actor, appId: number, code: string): Promise<boolean> {
        requireAdmin(actor);
        return db.transaction(async (tx) => {
          const isGone = await store.deleteAppRobot(tx, appId, code);
          if (isGone) await bumpConfig(tx, 'apps');
          return isGone;
        });
      },
    },

    /**
     * `bizproc.event.send`: the application answers a run. `appId` null: whoever has the token may. A run that has ended
     * meanwhile stays as it is; a token that is none of ours is refused.
     */
    async answer({ token, appId, returned, logged }: { token: string; appId: number | null; returned: readonly (readonly [string, unknown])[]; logged: string }): Promise<void> {
      await db.transaction(async (tx) => {
        const call = await callOf(tx, token, appId);
        const run = await waitingRun(tx, call.runId, call.content.itemId);
        await calls.finish(tx, call.id);
        if (!run) return;
        const row = (await store.listAppRobots(tx, call.appId)).find(({ code }) => code === call.content.code);
        await end(tx, { ...noted(run, logged), state: 'done', reason: null, results: resultsOf(row?.results ?? [], returned) });
      });
    },

    /** `bizproc.activity.log`: a line for whoever asks why. */
    async log({ token, appId, logged }: { token: string; appId: number | null; logged: string }): Promise<void> {
      await db.transaction(async (tx) => {
        const call = await callOf(tx, token, appId);
        const run = await waitingRun(tx, call.runId, call.content.itemId);
        if (!run) return;
        await updateRuns(tx, [noted(run, logged)]);
        await live.publish(tx, [{ topic: `item:${run.itemId}`, what: 'runs' }]);
      });
    },
  };
}

export type AppRobotsModule = ReturnType<typeof createAppRobots>;

function typeOf(row: store.AppRobotRow): RobotType {
  return defineRobot({
    id: appRobotId(row.appId, row.code),
    group: 'apps',
    settings: Object.fromEntries(row.properties.map((property) => [property.id, fieldOf(property)])),
    results: Object.fromEntries(row.results.map((result) => [result.id, kinds[result.type]])),
    examples: [],
    run(properties, ctx): Record<string, unknown> {
      ctx.apps.call({
        appId: row.appId, code: row.code, handler: row.handler, employeeId: row.employeeId, properties, waitsMs: row.waitsForAnswer ? answerPatienceMs : null,
      });
      // They come with the answer.
      return {};
    },
  });
}

/** How a property is set, and what of it the application is sent. */
function fieldOf(property: store.AppProperty): Field {
  const [first, ...rest] = property.options.map((option) => option.value);
  const preset = property.preset;
  if (property.type === 'select' && first !== undefined && !property.isMultiple) {
    return field.choice([first, ...rest], [first, ...rest].find((option) => option === preset) ?? first);
  }
  if (property.type === 'bool') return field.yesNo(booleanOf(preset) ?? false);
  if (property.type === 'user') return field.appUsers({ isRequired: property.isRequired, isMultiple: property.isMultiple });
  return field.appValue({ isRequired: property.isRequired, isMultiline: property.type === 'text', preset: preset ?? '' });
}

function formOf(form: FormField, property: store.AppProperty | undefined, language: Language): RobotTypeDescription['form'][number] {
  const { options, ...rest } = form;
  return {
    ...rest,
    label: (property && localName(property.names, language)) || form.name,
    hint: (property && localName(property.descriptions, language)) || null,
    ...(options ? { options: options.map((value) => ({ value, name: property?.options.find((option) => option.value === value)?.name ?? value })) } : {}),
  };
}

/** What the application returned, as the kinds it registered; what it did not announce is left out. */
function resultsOf(announced: readonly store.AppProperty[], returned: readonly (readonly [string, unknown])[]): Record<string, unknown> {
  const given = new Map(returned.map(([name, value]) => [name.toLowerCase(), value]));
  return Object.fromEntries(announced.flatMap((result) => {
    const raw = given.get(result.id.toLowerCase());
    if (raw === undefined || raw === null) return [];
    const values = (Array.isArray(raw) ? raw : [raw]).slice(0, maxReturned).map((one) => castReturned(one, result.type)).filter((one) => one !== null);
    return [[result.id, result.isMultiple ? values : (values[0] ?? null)]];
  }));
}

function castReturned(raw: unknown, type: store.AppPropertyType): unknown {
  if (typeof raw === 'object') return null;
  const said = String(raw).replaceAll('\u0000', '').slice(0, maxReturnedText);
  switch (type) {
    case 'int':
    case 'double': return numberOf(said) ?? null;
    case 'bool': return /^(y|1|true)$/i.test(said.trim());
    case 'user': return idOf(said.replace(/^user_/i, '').trim()) ?? null;
    case 'date': return isDay(said) ? said : dayFrom(said);
    case 'datetime': {
      const instant = instantOf(said);
      return instant === undefined ? dayFrom(said) : new Date(instant).toISOString();
    }
    default: return said;
  }
}

/** '24.11.2026' is a day, too. */
function dayFrom(said: string): string | null {
  const [, day, month, year] = /^(\d{2})\.(\d{2})\.(\d{4})/.exec(said.trim()) ?? [];
  const written = `${year}-${month}-${day}`;
  return isDay(written) ? written : null;
}
