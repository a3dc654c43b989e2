/**
 * Published versions: immutable sets of robots of a pipeline, compiled once and kept. The version of an
 * arrival is the newest one published before it, so a run acts as configured when its item arrived.
 */
import type { z } from 'zod';
import type { Condition, Timing } from '../../shared/api/robots.ts';
import type { triggerRecord } from '../../shared/api/triggers.ts';
import type { CrmModel } from '../crm/crm.ts';
import type { ConfigVersions, Queryable } from '../db/db.ts';
import type { Directory } from '../people/people.ts';
import { type CompiledCondition, compileCondition } from './conditions.ts';
import type { SettingsEnv } from './field.ts';
import { catalogField, fieldCatalog } from './fields.ts';
import { compileTemplate, type Reference, referenceField } from './placeholders.ts';
import type { CompiledSettings, RobotType } from './robot.ts';
import { versionHeads, type VersionHead, versionRobots } from './store.ts';
import { type CompiledTiming, compileTiming } from './timing.ts';
import type { ValueKind } from './values.ts';

/** What a person configured on a stage. Order in the list is the order on the stage. */
export interface RobotRecord {
  id: number;
  stageId: number;
  /** Id of the robot type. */
  type: string;
  /** Version of the type its settings were saved with. */
  typeVersion: number;
  title: string;
  isEnabled: boolean;
  /** afterPrevious: waits for the robot above (and so for all that one waited for). independent: begins a chain of its own. */
  order: 'afterPrevious' | 'independent';
  timing: Timing;
  condition: Condition | null;
  /** Acts on an item only once, however often it arrives. */
  oncePerItem: boolean;
  settings: Record<string, unknown>;
}

/** What moves items to a stage (triggers.ts). */
export type TriggerRecord = z.output<typeof triggerRecord>;

export interface CompiledRobot {
  readonly record: RobotRecord;
  /** undefined: this Vestnik does not know the type (any more). */
  readonly type: RobotType | undefined;
  readonly condition: CompiledCondition | null;
  readonly timing: CompiledTiming;
  readonly settings: CompiledSettings | undefined;
  /** Everything it reads, to be loaded beforehand. */
  readonly references: readonly Reference[];
}

export interface CompiledVersion {
  readonly id: number;
  readonly robots: readonly CompiledRobot[];
  readonly byId: ReadonlyMap<number, CompiledRobot>;
  onStage(stageId: number): readonly CompiledRobot[];
}

/** All texts in a saved setting, however deep. */
function textsIn(value: unknown): string[] {
  if (typeof value === 'string') return [value];
  if (typeof value !== 'object' || value === null) return [];
  return Object.values(value).flatMap(textsIn);
}

export interface CompileEnv {
  model: CrmModel;
  directory: Directory;
  itemTypeId: number;
  robotType(id: string): RobotType | undefined;
}

export function compileVersion(id: number, records: readonly RobotRecord[], env: CompileEnv): CompiledVersion {
  const catalog = fieldCatalog(env.model, env.itemTypeId, env.directory.company.language);
  const kinds = new Map(records.map((record) => [record.id, env.robotType(record.type)?.results]));
  const lookup = (reference: Reference) =>
    referenceField(reference, {
      field: (r) => catalogField(catalog, r),
      robot: (robotId) => {
        const results = kinds.get(robotId);
        return results && {
          title: '',
          isBefore: true,
          result: (name) => {
            const kind: ValueKind | undefined = results[name];
            return kind && { name, kind };
          },
        };
      },
    });
  // Published settings were checked when they were published; what changed since shows when the robot acts.
  const settingsEnv: SettingsEnv = {
    references: { field: () => undefined, robot: () => undefined },
    directory: env.directory,
    field: (code) => catalog.document(code),
    hasChat: () => true,
    hasFile: () => true,
    hasMailSender: () => true,
    hasSmsProvider: () => true,
  };
  const robots = records.map((record): CompiledRobot => {
    const type = env.robotType(record.type);
    const condition = record.condition && compileCondition(record.condition, lookup);
    const timing = compileTiming(record.timing);
    const fromSettings = textsIn(record.settings).flatMap((text) => compileTemplate(text).references);
    // A file field chosen as attachment is named by its code, not by a placeholder; its ids need no names.
    return {
      record,
      type,
      condition,
      timing,
      settings: compileSettings(type, record, settingsEnv),
      references: [...fromSettings, ...(condition?.references ?? []), ...(timing.reference ? [timing.reference] : [])],
    };
  });
  const byStage = Map.groupBy(robots, (robot) => robot.record.stageId);
  return { id, robots, byId: new Map(robots.map((robot) => [robot.record.id, robot])), onStage: (stageId) => byStage.get(stageId) ?? [] };
}

function compileSettings(type: RobotType | undefined, record: RobotRecord, env: SettingsEnv): CompiledSettings | undefined {
  try {
    return type?.compile(record.settings, env, record.typeVersion);
  } catch {
    // Said by the run itself: «robot.settings_invalid».
    return undefined;
  }
}

/** Compiled versions kept at once. A company has tens of pipelines; runs that wait long reach for older versions. */
const maxKept = 500;

export type Versions = ReturnType<typeof createVersions>;

export function createVersions({ robotType }: { robotType(id: string): RobotType | undefined }) {
  let heads: { version: number; byPipeline: Map<number, VersionHead[]>; byId: Map<number, VersionHead> } | undefined;
  let compiled = new Map<string, CompiledVersion>();

  async function headsAt(q: Queryable, robotsVersion: number) {
    if (heads?.version !== robotsVersion) {
      const rows = await versionHeads(q);
      heads = { version: robotsVersion, byPipeline: Map.groupBy(rows, (row) => row.pipelineId), byId: new Map(rows.map((row) => [row.id, row])) };
    }
    return heads;
  }

  return {
    /** Which version counts for an arrival at the pipeline at the moment; undefined: nothing was published yet. */
    async idAt(q: Queryable, robotsVersion: number, pipelineId: number, at: Date): Promise<number | undefined> {
      const list = (await headsAt(q, robotsVersion)).byPipeline.get(pipelineId) ?? [];
      return list.findLast((head) => head.publishedAt.getTime() <= at.getTime())?.id;
    },
    async newestId(q: Queryable, robotsVersion: number, pipelineId: number): Promise<number | undefined> {
      return (await headsAt(q, robotsVersion)).byPipeline.get(pipelineId)?.at(-1)?.id;
    },
    /** Compiled versions by id. Fields are looked up in the newest model, so a new model compiles anew. */
    async load(q: Queryable, config: Pick<ConfigVersions, 'robots' | 'apps'>, ids: readonly number[], env: Omit<CompileEnv, 'itemTypeId' | 'robotType'>): Promise<Map<number, CompiledVersion>> {
      const known = await headsAt(q, config.robots);
      // What applications changed of their robots compiles anew, too.
      const key = (id: number) => `${id} ${config.apps} ${env.model.version} ${env.directory.company.language}`;
      const missing = [...new Set(ids)].filter((id) => !compiled.has(key(id)));
      if (missing.length > 0) {
        if (compiled.size + missing.length > maxKept) compiled = new Map();
        for (const row of await versionRobots(q, missing)) {
          const pipeline = env.model.pipeline(known.byId.get(row.id)?.pipelineId ?? 0);
          compiled.set(key(row.id), compileVersion(row.id, row.robots, { ...env, itemTypeId: pipeline?.itemTypeId ?? 0, robotType }));
        }
      }
      const found = new Map<number, CompiledVersion>();
      for (const id of ids) {
        const version = compiled.get(key(id));
        if (version) found.set(id, version);
      }
      return found;
    },
  };
}
