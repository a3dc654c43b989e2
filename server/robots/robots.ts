/**
 * Robots: what a company has set up to happen when an item arrives at a stage.
 *
 * Owns the catalogue of robot types, drafts and published versions per pipeline, and runs with their
 * reasons. A draft is edited under an optimistic lock and may be half filled; publishing checks every
 * robot that is on and makes an immutable version, which counts for arrivals from then on. Runs that
 * wait keep the version of their arrival, and stop if their robot was switched off or removed since.
 * The engine (engine.ts) does the work.
 *
 * Does not do: write items, messages or letters itself (the modules to the left do), send anything.
 */
import { isDeepStrictEqual } from 'node:util';
import type { z } from 'zod';
import type { checkedRobots, checkRobots, comparison, copyRobots, importRobots, publishRobots, rehearsal, rehearsedMessage, robotsFile, robotSet, runView, saveRobots } from '../../shared/api/robot-sets.ts';
import { UserError } from '../../shared/errors.ts';
import { hasText, type Language, text } from '../../shared/messages.ts';
import { type Crm, type ItemRow, lockItems, type Pipeline } from '../crm/crm.ts';
import { bumpConfig, configVersions, type Db, type Queryable, type Tx } from '../db/db.ts';
import type { Drive } from '../drive/drive.ts';
import type { Jobs } from '../jobs/jobs.ts';
import type { Live } from '../live/live.ts';
import { type Actor, type Directory, fullName, type People } from '../people/people.ts';
import { createAppRobots } from './app-robots.ts';
import { deleteAppRobots } from './app-store.ts';
import { describeCatalog, failureText, type RobotTypeDescription, robotType as shippedType, robotTypes } from './catalog.ts';
import { asTrace, explain } from './conditions.ts';
import { type ConfigEnv, copiesOf, findForeignSpeaker, findProblems, namedThings, pickerTree, type SavedRobot } from './config.ts';
import { type Channels, readerOf } from './context.ts';
import { createEngine, type EngineDeps, waitsForAnswer } from './engine.ts';
import { createJournal } from './journal.ts';
import { catalogField, fieldCatalog } from './fields.ts';
import { parseReference, type Reference } from './placeholders.ts';
import {
  differencesOf, namedRecords, type SayEnv, sentencesOf, titleOf as saidTitle, triggerDifferencesOf, triggerSentencesOf, warningsOf,
} from './say.ts';
import { namesOf } from './source.ts';
import * as store from './store.ts';
import { createTriggerCalls } from './trigger-calls.ts';
import { describeTriggerTypes, findForeignMover, findTriggerProblems, triggerTitle } from './trigger-config.ts';
import { createTriggerJournal } from './trigger-journal.ts';
import { countTriggerRuns, deleteAppTriggers } from './trigger-store.ts';
import { createTriggers } from './triggers.ts';
import type { EffectWriters, UnitOfWork } from './unit-of-work.ts';
import { namesEmployee, withEmployee } from './uses.ts';
import { print } from './values.ts';
import { compileVersion, type RobotRecord, type TriggerRecord } from './versions.ts';

export { localName } from './app-robots.ts';
export { type AppProperty, type AppPropertyType, appPropertyTypes, type AppRobotRow } from './app-store.ts';
export type { Channels } from './context.ts';
export type { RobotRecord } from './versions.ts';

export interface RobotsDeps {
  db: Db;
  jobs: Jobs;
  live: Live;
  people: People;
  drive: Drive;
  crm: Crm;
  writers: EffectWriters;
  /** The mail senders and SMS providers there are. */
  channels: EngineDeps['channels'];
  publicUrl: string;
  now: () => Date;
  onError: EngineDeps['onError'];
}

export type RobotSetView = z.output<typeof robotSet>;
export type RunView = z.output<typeof runView>;
export type RehearsedMessage = z.output<typeof rehearsedMessage>;

const emptySet: store.SetContent = { robots: [], triggers: [] };

/** Failures on the card of a robot count from here back. */
const failuresSinceMs = 30 * 86_400_000;

export type Robots = ReturnType<typeof createRobots>;

export function createRobots(deps: RobotsDeps) {
  const { db, jobs, live, people, drive, crm, now } = deps;
  const appRobots = createAppRobots({ db, live, calls: deps.writers.calls, engine: () => engine, now });
  const robotType = (id: string) => shippedType(id) ?? appRobots.type(id);
  const engine = createEngine({ ...deps, robotType, refreshTypes: appRobots.refresh });
  const triggers = createTriggers({ ...deps, robotType });

  async function channelsNow(q: Queryable): Promise<Channels> {
    return deps.channels(q, (await configVersions(q)).channels);
  }

  function describeType(id: string, language: Language) {
    return describeCatalog(language).find((type) => type.id === id) ?? appRobots.describe(language).find((type) => type.id === id);
  }

  /** How people know the robot: its own title, or that of its type. */
  function titleOf(robot: RobotRecord, language: Language): string {
    return robot.title || describeType(robot.type, language)?.title || robot.type;
  }

  async function pipelineFor(q: Queryable, actor: Actor, pipelineId: number, wish: 'view' | 'edit'): Promise<{ pipeline: Pipeline; mayEdit: boolean }> {
    const [model, rights] = await Promise.all([crm.model(q), people.access(q, actor), appRobots.refreshNow(q)]);
    const pipeline = model.pipeline(pipelineId);
    if (!pipeline || pipeline.deletedAt || rights.scope('view', pipeline.itemTypeId, pipelineId) === 'none') {
      throw new UserError('request.not_found', { kind: 'pipeline', id: pipelineId });
    }
    const mayEdit = rights.scope('robots', pipeline.itemTypeId, pipelineId) !== 'none';
    if (wish === 'edit' && !mayEdit) throw new UserError('access.denied', { action: 'robots' });
    return { pipeline, mayEdit };
  }

  async function configEnv(q: Queryable, pipeline: Pipeline, robots: readonly RobotRecord[], language: Language): Promise<ConfigEnv> {
    const [model, directory, channels, things] = await Promise.all([
      crm.model(q), people.directory(q), channelsNow(q), store.existingIds(q, namedThings(robots, robotType)),
    ]);
    return { model, directory, pipeline, language, robotType, describeType, channels, ...things };
  }

  /** What saying robots in words takes: the names of whatever they mention. */
  async function sayEnv(q: Queryable, actor: Actor, pipeline: Pipeline, robots: readonly RobotRecord[], triggers: readonly TriggerRecord[] = []): Promise<SayEnv> {
    const env = await configEnv(q, pipeline, robots, actor.language);
    const things = namedThings(robots, robotType);
    const records = namedRecords(robots, triggers, env);
    const [chatTitles, fileNames, itemTitles, contacts, companies] = await Promise.all([
      store.chatTitles(q, things.chats), store.fileNames(q, things.files), store.itemTitles(q, records.item),
      store.contactsByIds(q, records.contact), store.companiesByIds(q, records.company),
    ]);
    const names = namesOf({
      model: env.model, directory: env.directory, publicUrl: deps.publicUrl, chatTitles, fileNames, itemTitles,
      contacts: new Map(contacts.map((row) => [row.id, row])), companies: new Map(companies.map((row) => [row.id, row])),
    });
    return { ...env, names, reader: { ...readerOf(env.directory, actor.employeeId), language: actor.language } };
  }

  function checked(robots: readonly RobotRecord[], triggers: readonly TriggerRecord[], env: SayEnv): z.output<typeof checkedRobots> {
    return {
      problems: findProblems(robots, env), idleProblems: findProblems(robots, env, { ofIdle: true }), triggerProblems: findTriggerProblems(triggers, robots, env), warnings: warningsOf(robots, env),
      sentences: sentencesOf(robots, env), triggerSentences: triggerSentencesOf(triggers, robots, env),
    };
  }

  /** What a published version holds; of none, the draft. */
  async function contentAt(q: Queryable, pipelineId: number, versionId: number | undefined): Promise<store.SetContent> {
    if (versionId === undefined) return (await store.findDraft(q, pipelineId)) ?? emptySet;
    const version = await store.findVersion(q, pipelineId, versionId);
    if (!version) throw new UserError('request.not_found', { kind: 'robotVersion', id: versionId });
    return version;
  }

  async function view(q: Queryable, actor: Actor, pipeline: Pipeline, mayEdit: boolean): Promise<RobotSetView> {
    const [draft, published] = await Promise.all([store.findDraft(q, pipeline.id), store.newestVersion(q, pipeline.id)]);
    const { robots, triggers } = draft ?? emptySet;
    const since = new Date(now().getTime() - failuresSinceMs);
    const [env, counts, triggerCounts] = await Promise.all([
      sayEnv(q, actor, pipeline, robots, triggers),
      store.countRuns(q, robots.map((robot) => robot.id), since),
      countTriggerRuns(q, triggers.map((trigger) => trigger.id), since),
    ]);
    return {
      pipelineId: pipeline.id,
      revision: draft?.revision ?? 0,
      robots: robots.map(toSaved),
      triggers: [...triggers],
      updatedAt: draft?.updatedAt.toISOString() ?? null,
      updatedBy: draft?.updatedBy ?? null,
      published: published ? {
        id: published.id, number: published.number, note: published.note, publishedAt: published.publishedAt.toISOString(),
        publishedBy: published.publishedBy, robotCount: published.robots.length, triggerCount: published.triggers.length,
      } : null,
      hasChanges: !isDeepStrictEqual([robots, triggers], [published?.robots ?? [], published?.triggers ?? []]),
      ...checked(robots, triggers, env),
      counts,
      triggerCounts,
      mayEdit,
    };
  }

  function toSaved(robot: RobotRecord): SavedRobot {
    return { ...robot };
  }

  async function save(tx: Tx, actor: Actor, pipeline: Pipeline, { robots, triggers }: store.SetContent, revision: number): Promise<void> {
    const ids = [...robots, ...triggers].map((one) => one.id);
    const doubled = ids.find((id, index) => ids.indexOf(id) !== index);
    if (doubled !== undefined) throw new UserError('robots.id_doubled', { id: doubled }, 'robots');
    const [foreign] = await store.foreignRobotIds(tx, pipeline.id, ids);
    if (foreign !== undefined) throw new UserError('robots.id_foreign', { id: foreign }, 'robots');
    const stageIds = new Set(pipeline.stages.map((stage) => stage.id));
    const before = await store.findDraft(tx, pipeline.id);
    if (!before && revision !== 0) throw new UserError('robots.changed_meanwhile', { pipeline: pipeline.name });
    // A stage that was deleted under its robots shows as a problem; the rest of the draft can still be saved.
    const stood = new Map([...(before?.robots ?? []), ...(before?.triggers ?? [])].map((one) => [one.id, one.stageId]));
    const refuseAstray = (list: 'robots' | 'triggers', records: readonly { id: number; stageId: number }[]) => {
      const astray = records.findIndex((one) => !stageIds.has(one.stageId) && stood.get(one.id) !== one.stageId);
      if (astray !== -1) throw new UserError('request.not_found', { kind: 'stage', id: records[astray]?.stageId ?? 0 }, `${list}.${astray}.stageId`);
    };
    refuseAstray('robots', robots);
    refuseAstray('triggers', triggers);
    const unknown = robots.findIndex((robot) => !robotType(robot.type));
    if (unknown !== -1) throw new UserError('robots.type_unknown', { type: robots[unknown]?.type ?? '' }, `robots.${unknown}.type`);
    if (!actor.isAdmin) {
      const speaker = findForeignSpeaker(robots, before?.robots ?? [], actor.employeeId, robotType);
      if (speaker) throw new UserError('robots.sender_admin_only', { robot: titleOf(speaker, actor.language) }, 'robots');
      const foreign = findForeignMover(triggers, before?.triggers ?? [], actor.employeeId);
      if (foreign) throw new UserError('triggers.mover_admin_only', { trigger: triggerTitle(foreign, actor.language) }, 'triggers');
    }
    const saved = await store.saveDraft(tx, { pipelineId: pipeline.id, robots, triggers, revision, at: now(), by: actor.employeeId });
    if (saved === undefined) throw new UserError('robots.changed_meanwhile', { pipeline: pipeline.name });
    await live.publish(tx, [{ topic: `pipeline:${pipeline.id}`, what: 'robots' }]);
  }

  /**
   * A robot gives its files to whoever it informs, and lets whoever it adds read a chat: whoever names a file must be
   * able to read it, whoever names a chat be in it or an administrator. What was named before stays.
   */
  async function refuseForeignThings(q: Queryable, actor: Actor, pipelineId: number, robots: readonly RobotRecord[]): Promise<void> {
    const named = namedThings(robots, robotType);
    if (named.files.length + named.chats.length === 0) return;
    const before = namedThings((await store.findDraft(q, pipelineId))?.robots ?? [], robotType);
    // One that is gone is a problem to show, as with everything that goes away.
    const there = await store.existingIds(q, {
      chats: actor.isAdmin ? [] : named.chats.filter((id) => !before.chats.includes(id)),
      files: named.files.filter((id) => !before.files.includes(id)),
    });
    for (const id of there.files) await drive.file(actor, id);
    const chats = await deps.writers.chat.forRobots(q, [...there.chats]);
    for (const chat of chats.values()) {
      if (!chat.memberIds.includes(actor.employeeId)) throw new UserError('request.not_found', { kind: 'chat', id: chat.id });
    }
  }

  async function publish(tx: Tx, actor: Actor, pipeline: Pipeline, { robots, triggers: records }: store.SetContent, note: string): Promise<void> {
    const env = await configEnv(tx, pipeline, robots, actor.language);
    const problems = findProblems(robots, env);
    const ofTriggers = findTriggerProblems(records, robots, env);
    const count = problems.length + ofTriggers.length;
    if (problems.length > 0) {
      const first = robots.find((robot) => robot.id === problems[0]?.robotId);
      throw new UserError('robots.not_ready', { count, robot: first ? titleOf(first, actor.language) : '', problem: problems[0]?.message ?? '' });
    }
    if (count > 0) {
      const first = records.find((trigger) => trigger.id === ofTriggers[0]?.triggerId);
      throw new UserError('triggers.not_ready', { count, trigger: first ? triggerTitle(first, actor.language) : '', problem: ofTriggers[0]?.message ?? '' });
    }
    const at = now();
    const before = (await store.newestVersion(tx, pipeline.id))?.triggers ?? [];
    await store.insertVersion(tx, { pipelineId: pipeline.id, robots, triggers: records, note, at, by: actor.employeeId });
    await triggers.onPublished(tx, pipeline.id, before, records, at);
    await bumpConfig(tx, 'robots');
    await live.publish(tx, [{ topic: `pipeline:${pipeline.id}`, what: 'robots' }]);
  }

  async function visibleItem(q: Queryable, actor: Actor, itemId: number, action: 'view' | 'change' = 'view'): Promise<ItemRow> {
    const [item, rights] = await Promise.all([crm.visibleItem(q, actor, itemId), people.access(q, actor)]);
    // An observer sees the item whatever the roles say, and changes it only if they allow it.
    if (action === 'change' && !rights.mayTouch('change', item)) throw new UserError('access.denied', { action });
    return item;
  }

  /** Why the run is as it is, in the reader's language. */
  async function explainRuns(q: Queryable, actor: Actor, rows: readonly store.JournalRow[]): Promise<RunView[]> {
    const [model, directory] = await Promise.all([crm.model(q), people.directory(q), appRobots.refreshNow(q)]);
    const reader = readerOf(directory, actor.employeeId);
    const names = namesOf({
      model, directory, publicUrl: deps.publicUrl, contacts: new Map(), companies: new Map(), itemTitles: new Map(), fileNames: new Map(), chatTitles: new Map(),
    });
    return rows.map((row) => {
      const itemTypeId = model.pipeline(row.pipelineId)?.itemTypeId ?? 0;
      const catalog = fieldCatalog(model, itemTypeId, actor.language);
      const trace = row.trace ?? {};
      const lookup = (reference: Reference) => catalogField(catalog, reference);
      const condition = trace.condition === undefined ? '' : explain(asTrace(trace.condition), reader, names, lookup);
      // Settings name a field by its code.
      const nameOfField = ({ field }: Readonly<Record<string, unknown>>): Record<string, string> =>
        typeof field === 'string' ? { field: catalog.document(field)?.name ?? field } : {};
      const fieldName = (written: string) => {
        const reference = parseReference(written);
        return (reference && lookup(reference)?.name) ?? written;
      };
      return {
        id: Math.max(row.id, 1), arrivalId: row.arrivalId, itemId: row.itemId, itemTitle: row.itemTitle ?? '', pipelineId: row.pipelineId, robotId: row.robotId,
        robotTitle: row.robotTitle || (row.robotType ? describeType(row.robotType, actor.language)?.title : undefined) || `${row.robotId}`,
        robotType: row.robotType ?? '', stageId: row.stageId, stageName: model.stage(row.stageId)?.name ?? '',
        versionNumber: row.versionNumber, state: row.state, reason: row.reason,
        explanation: sayReason(row, condition, actor.language, directory, fieldName),
        notes: (trace.notes ?? []).map(([code, params]) => say(actor.language, `robots.notes.${code}`, { ...sayable(params, directory), ...nameOfField(params) })),
        results: row.results, dueAt: row.dueAt?.toISOString() ?? null, createdAt: row.createdAt.toISOString(),
        finishedAt: row.finishedAt?.toISOString() ?? null,
      };
    });
  }

  /** Whether anything the run did reached the person: a notification, a message, a post, a letter or an SMS. */
  async function hasTold(runId: number, employeeId: number): Promise<boolean> {
    const { notifications, chat, feed, deliveries } = deps.writers;
    const [deliveriesOfRun, ...inside] = await Promise.all([
      deliveries.byRuns(db, [runId]), notifications.hasTold(db, runId, employeeId), chat.hasTold(db, runId, employeeId), feed.hasTold(db, runId, employeeId),
    ]);
    return inside.includes(true) || deliveriesOfRun.some((delivery) => delivery.employeeId === employeeId);
  }

  /** What a robot's own type says of its failures comes before the common reasons. */
  function sayReason(row: store.JournalRow, condition: string, language: Language, directory: Directory, fieldName: (written: string) => string): string {
    const params = sayable(row.trace?.params ?? {}, directory);
    if (typeof params.reference === 'string') params.field = fieldName(params.reference);
    if (row.reason === null) {
      if (row.state === 'waiting') return text(language, 'robots.reasons.waits_for_moment');
      return condition === '' ? text(language, 'robots.reasons.done') : text(language, 'robots.reasons.done_because', { condition });
    }
    if (row.reason === 'condition.false' && condition !== '') return text(language, 'robots.reasons.condition.false_because', { condition });
    const own = row.robotType ? failureText(language, row.robotType, row.reason, params) : undefined;
    if (own !== undefined) return own;
    const key = `robots.reasons.${row.reason}`;
    return hasText(key) ? text(language, key, params) : say(language, `errors.${row.reason}`, params);
  }

  /** Everything the robots would send, as its reader would get it. */
  async function messagesOf(q: Queryable, { effects, newRuns }: UnitOfWork, { env }: { env: SayEnv }): Promise<RehearsedMessage[]> {
    const robotOf = new Map(newRuns.map((run) => [run.id, run.robotId]));
    const made = new Map(effects.chats.flatMap((chat) => (chat.id === undefined ? [] : [[chat.id, chat] as const])));
    const chats = await deps.writers.chat.forRobots(q, [...new Set([...effects.messages, ...effects.members].map((row) => row.chatId))].filter((id) => !made.has(id)));
    const membersOf = (chatId: number): number[] => [
      ...(chats.get(chatId)?.memberIds ?? []), ...effects.members.filter((member) => member.chatId === chatId).map((member) => member.employeeId)];
    const titleOfChat = (chatId: number): string => made.get(chatId)?.title ?? chats.get(chatId)?.title ?? '';
    const bare = { subject: '', text: '', chat: '', kind: '', tags: [], fileIds: [] };
    const said = (runId: number | null, channel: RehearsedMessage['channel'], to: number[], from: number | null, more: Partial<RehearsedMessage>): RehearsedMessage =>
      ({ ...bare, robotId: robotOf.get(runId ?? 0) ?? 0, channel, to: [...new Set(to)], from, ...more });
    const catalog = fieldCatalog(env.model, env.pipeline.itemTypeId, env.language);
    return [
      ...effects.notifications.map((n) => said(n.runId, 'notification', [n.employeeId], n.senderId, { text: n.body })),
      ...effects.comments.map((c) => said(c.runId, 'comment', [], c.authorId, { text: c.body, fileIds: [...c.fileIds] })),
      ...effects.posts.map((p) => said(p.runId, 'post', [...p.readerIds], p.authorId, { subject: p.title, text: p.body, tags: [...p.tags], fileIds: [...p.fileIds] })),
      ...effects.chats.map((c) => said(c.runId, 'chat', effects.members.filter((member) => member.chatId === c.id && member.runId === c.runId).map((member) => member.employeeId), c.ownerId, { subject: c.title })),
      ...[...Map.groupBy(effects.members.filter((member) => made.get(member.chatId)?.runId !== member.runId), (member) => `${member.runId} ${member.chatId}`).values()].flatMap((members) =>
        members.slice(0, 1).map(({ runId, chatId }) => said(runId, 'member', members.map((member) => member.employeeId), null, { chat: titleOfChat(chatId) }))),
      ...effects.messages.map((m) => said(m.runId, 'message', membersOf(m.chatId).filter((id) => id !== m.authorId), m.authorId, { subject: m.heading ?? '', text: m.body, chat: titleOfChat(m.chatId), kind: m.kind })),
      ...effects.deliveries.map((d) => said(d.runId, d.channel, d.employeeId === null ? [] : [d.employeeId], null,
        d.channel === 'email' ? { subject: d.content.subject, text: d.content.body, fileIds: [...d.content.fileIds] } : { text: d.content.text })),
      ...effects.plans.map((p) => said(p.origin.runId ?? null, p.before === null ? 'invoice' : 'change', [], p.origin.employeeId, {
        subject: p.after.title,
        text: p.before === null ? '' : Object.entries(p.changes).map(([code, [, after]]) => {
          const changed = catalog.document(code);
          return `${changed?.name ?? code}: ${changed ? print(after, changed, env.reader, { document: () => undefined, names: env.names }) : String(after)}`;
        }).join('\n'),
      })),
    ].filter((message) => message.robotId > 0);
  }

  async function runForAction(tx: Tx, actor: Actor, runId: number): Promise<{ run: store.RunRow; item: ItemRow }> {
    const [row] = await store.listRuns(tx, { ids: [runId], limit: 1 });
    if (!row) throw new UserError('request.not_found', { kind: 'run', id: runId });
    const item = await visibleItem(tx, actor, row.itemId, 'change');
    await lockItems(tx, [item.id]);
    const run = await store.lockRun(tx, runId);
    if (!run) throw new UserError('request.not_found', { kind: 'run', id: runId });
    return { run, item };
  }

  const hiddenTypes = robotTypes.filter((type) => !type.isInTimeline).map((type) => type.id);
  /** Drafts and published sets of living pipelines that name the employee. */
  async function setsNaming(q: Queryable, employeeId: number) {
    const model = await crm.model(q);
    const sets = await Promise.all(model.pipelines.filter((one) => !one.deletedAt).map(async (pipeline) => ({
      pipeline, draft: await store.findDraft(q, pipeline.id), published: await store.newestVersion(q, pipeline.id),
    })));
    const named = (robots: readonly RobotRecord[] = []) => robots.filter((robot) => namesEmployee(robot, employeeId));
    return sets.map((set) => ({ ...set, inDraft: named(set.draft?.robots), inPublished: named(set.published?.robots) })).filter((set) => set.inDraft.length + set.inPublished.length > 0);
  }
  people.registerUse({
    kind: 'robots',
    async find(q, employeeId) {
      const { language } = (await people.directory(q)).company;
      const robots = (await setsNaming(q, employeeId)).flatMap((set) => [...new Map([...set.inPublished, ...set.inDraft].map((robot) => [robot.id, robot])).values()]);
      return { count: robots.length, names: robots.slice(0, 5).map((robot) => titleOf(robot, language)) };
    },
    async replace(tx, actor, from, to) {
      const directory = await people.directory(tx);
      const name = (id: number): string => {
        const employee = directory.employee(id);
        return employee ? fullName(employee) : String(id);
      };
      const note = say(actor.language, 'robots.replaced_note', { from: name(from), to: name(to) });
      const at = now();
      const changed = new Set<number>();
      for (const { pipeline, inDraft, inPublished } of await setsNaming(tx, from)) {
        for (const robot of [...inDraft, ...inPublished]) changed.add(robot.id);
        const draft = await store.lockDraft(tx, pipeline.id);
        if (draft && inDraft.length > 0) {
          await store.saveDraft(tx, { ...draft, robots: withEmployee(draft.robots, from, to), at, by: actor.employeeId });
        }
        const published = inPublished.length > 0 ? await store.newestVersion(tx, pipeline.id) : undefined;
        if (published) {
          // The names alone differ: what is wrong with the set otherwise was so before, and does not hold up a dismissal.
          await store.insertVersion(tx, { pipelineId: pipeline.id, robots: withEmployee(published.robots, from, to), triggers: published.triggers, note, at, by: actor.employeeId });
          await bumpConfig(tx, 'robots');
        }
        await live.publish(tx, [{ topic: `pipeline:${pipeline.id}`, what: 'robots' }]);
      }
      return changed.size;
    },
  });

  crm.registerTimelineSource('run', async (q, itemId, before, limit) => {
    const rows = await store.runsForTimeline(q, itemId, before, limit, hiddenTypes);
    return rows.map((row) => ({
      kind: 'run', id: row.id, at: row.finishedAt ?? row.createdAt, employeeId: null,
      data: { robotId: row.robotId, robotTitle: row.robotTitle ?? '', robotType: row.robotType ?? '', stageId: row.stageId, state: row.state, reason: row.reason },
    }));
  });

  const journal = createJournal({ db, jobs, people, crm, now, explainRuns, pipelineFor });

  return {
    start(): void {
      engine.start();
      triggers.start();
      journal.start();
    },
    ...createTriggerCalls({ db, people, crm, triggers, publicUrl: deps.publicUrl, now, pipelineFor }),
    ...createTriggerJournal({ db, people, crm, publicUrl: deps.publicUrl, visibleItem, pipelineFor }),
    async catalog(language: Language): Promise<readonly RobotTypeDescription[]> {
      await appRobots.refreshNow(db);
      return [...describeCatalog(language), ...appRobots.describe(language)];
    },
    /** An application is gone: its robots and triggers leave the catalogues. Those that people set up stay, and say so when they run. */
    async forgetApp(tx: Tx, appId: number): Promise<void> {
      await Promise.all([deleteAppRobots(tx, appId), deleteAppTriggers(tx, appId), bumpConfig(tx, 'apps')]);
    },
    appRobots: { ...appRobots.registry, answer: appRobots.answer, log: appRobots.log },
    triggerTypes: describeTriggerTypes,
    listRuns: journal.listRuns,
    exportRuns: journal.exportRuns,
    runDays: journal.runDays,
    robotsOfItem: journal.robotsOfItem,

    /** For the report on the system's health: what is behind, counted up to a limit, and what fails. Without a check of access. */
    async health(limit: number): Promise<{ backlog: store.BacklogRow[]; failing: store.FailingRobotRow[] }> {
      const at = now();
      const [backlog, failing] = await Promise.all([
        store.backlog(db, at, limit),
        store.failingRobots(db, { since: new Date(at.getTime() - 24 * 3_600_000), looked: 1000, limit: 20 }),
      ]);
      return { backlog, failing };
    },

    async reserveIds(count: number): Promise<number[]> {
      return store.takeNumbers(db, 'robot_ids', count);
    },

    async getSet(actor: Actor, pipelineId: number): Promise<RobotSetView> {
      const { pipeline, mayEdit } = await pipelineFor(db, actor, pipelineId, 'view');
      return view(db, actor, pipeline, mayEdit);
    },

    async saveSet(actor: Actor, pipelineId: number, { revision, robots, triggers }: z.output<typeof saveRobots>): Promise<RobotSetView> {
      return db.transaction(async (tx) => {
        const { pipeline } = await pipelineFor(tx, actor, pipelineId, 'edit');
        await refuseForeignThings(tx, actor, pipelineId, robots);
        const kept = triggers ?? (await store.findDraft(tx, pipelineId))?.triggers ?? [];
        await save(tx, actor, pipeline, { robots, triggers: kept }, revision);
        return view(tx, actor, pipeline, true);
      });
    },

    /** What is wrong with robots as they are being edited, and how they read. Nothing is saved. */
    async checkSet(actor: Actor, pipelineId: number, { robots, triggers }: z.output<typeof checkRobots>): Promise<z.output<typeof checkedRobots>> {
      const { pipeline } = await pipelineFor(db, actor, pipelineId, 'edit');
      return checked(robots, triggers, await sayEnv(db, actor, pipeline, robots, triggers));
    },

    /** What differs between two versions, or the newest one and the draft; and what that means for runs that wait. */
    async compare(actor: Actor, pipelineId: number, { from, to }: { from?: number | undefined; to?: number | undefined }): Promise<z.output<typeof comparison>> {
      const { pipeline } = await pipelineFor(db, actor, pipelineId, 'view');
      const old = from === undefined ? (await store.newestVersion(db, pipelineId)) ?? emptySet : await contentAt(db, pipelineId, from);
      const next = await contentAt(db, pipelineId, to);
      const [before, after] = [old.robots, next.robots];
      const env = await sayEnv(db, actor, pipeline, [...before, ...after], [...old.triggers, ...next.triggers]);
      const counts = await store.countRuns(db, [...new Set([...before, ...after].map((robot) => robot.id))], now());
      const inBefore = new Map(before.map((robot) => [robot.id, robot]));
      const inAfter = new Map(after.map((robot) => [robot.id, robot]));
      return {
        differences: [...triggerDifferencesOf(old, next, env), ...differencesOf(before, after, env)],
        waiting: counts.filter((count) => count.waiting > 0).map(({ robotId, waiting }) => {
          const [was, will] = [inBefore.get(robotId), inAfter.get(robotId)];
          const named = was ?? will;
          return {
            robotId, title: named ? saidTitle(named, env) : String(robotId), count: waiting,
            // The engine cancels what waits for a robot that is gone or off, and lets the others act as they were published.
            fate: !will?.isEnabled ? 'stop' as const : isDeepStrictEqual(was, will) ? 'same' as const : 'asPublished' as const,
          };
        }),
      };
    },

    /** Closed groups to choose from: those the person is in, and with no search those the draft names already. */
    async chats(actor: Actor, pipelineId: number, search: string): Promise<{ id: number; title: string }[]> {
      await pipelineFor(db, actor, pipelineId, 'edit');
      const { robots } = await contentAt(db, pipelineId, undefined);
      const [mine, named] = await Promise.all([
        deps.writers.chat.searchClosedGroups(actor, search, 50), store.chatTitles(db, search === '' ? namedThings(robots, robotType).chats : []),
      ]);
      return [...new Map([...mine.map(({ id, title }) => [id, title] as const), ...named])].map(([id, title]) => ({ id, title }));
    },

    async exportSet(actor: Actor, pipelineId: number): Promise<z.output<typeof robotsFile>> {
      const { pipeline } = await pipelineFor(db, actor, pipelineId, 'edit');
      const { robots, triggers } = await contentAt(db, pipelineId, undefined);
      return {
        format: 'vestnik-robots', version: 1, pipeline: pipeline.name,
        stages: pipeline.stages.map(({ id, code, name }) => ({ id, code, name })),
        robots: robots.map(toSaved), triggers: [...triggers],
      };
    },

    /** Robots of a file join the draft under ids of their own, on the stages of the same code, else of the same name. */
    async importSet(actor: Actor, pipelineId: number, { revision, mode, file }: z.output<typeof importRobots>): Promise<RobotSetView> {
      return db.transaction(async (tx) => {
        const { pipeline } = await pipelineFor(tx, actor, pipelineId, 'edit');
        const stageFor = new Map(file.stages.map((stage) => {
          const same = pipeline.stages.find((one) => one.code === stage.code && one.name === stage.name) ?? pipeline.stages.find((one) => one.name === stage.name) ?? pipeline.stages.find((one) => one.code === stage.code);
          return [stage.id, same?.id ?? pipeline.stages[0]?.id ?? 0];
        }));
        const stageOf = (stageId: number) => stageFor.get(stageId) ?? pipeline.stages[0]?.id ?? 0;
        const ids = await store.takeNumbers(tx, 'robot_ids', file.robots.length + file.triggers.length);
        const copies = copiesOf(file.robots, ids).map((robot) => ({ ...robot, stageId: stageOf(robot.stageId) }));
        const triggers = file.triggers.map((trigger, index) => ({ ...trigger, id: ids[file.robots.length + index] ?? trigger.id, stageId: stageOf(trigger.stageId) }));
        const kept = mode === 'append' ? await contentAt(tx, pipelineId, undefined) : emptySet;
        await refuseForeignThings(tx, actor, pipelineId, copies);
        await save(tx, actor, pipeline, { robots: [...kept.robots, ...copies], triggers: [...kept.triggers, ...triggers] }, revision);
        return view(tx, actor, pipeline, true);
      });
    },

    async publishSet(actor: Actor, pipelineId: number, { revision, note }: z.output<typeof publishRobots>): Promise<RobotSetView> {
      return db.transaction(async (tx) => {
        const { pipeline } = await pipelineFor(tx, actor, pipelineId, 'edit');
        const draft = await store.lockDraft(tx, pipelineId);
        if ((draft?.revision ?? 0) !== revision) throw new UserError('robots.changed_meanwhile', { pipeline: pipeline.name });
        await publish(tx, actor, pipeline, draft ?? emptySet, note);
        return view(tx, actor, pipeline, true);
      });
    },

    async listVersions(actor: Actor, pipelineId: number) {
      await pipelineFor(db, actor, pipelineId, 'view');
      return store.listVersions(db, pipelineId);
    },

    async getVersion(actor: Actor, pipelineId: number, versionId: number): Promise<store.VersionRow> {
      await pipelineFor(db, actor, pipelineId, 'view');
      const version = await store.findVersion(db, pipelineId, versionId);
      if (!version) throw new UserError('request.not_found', { kind: 'robotVersion', id: versionId });
      return version;
    },

    /** The version becomes the draft; publishing it is a step of its own. */
    async restoreVersion(actor: Actor, pipelineId: number, versionId: number, revision: number): Promise<RobotSetView> {
      return db.transaction(async (tx) => {
        const { pipeline } = await pipelineFor(tx, actor, pipelineId, 'edit');
        const version = await store.findVersion(tx, pipelineId, versionId);
        if (!version) throw new UserError('request.not_found', { kind: 'robotVersion', id: versionId });
        const stageIds = new Set(pipeline.stages.map((stage) => stage.id));
        const isThere = (one: { stageId: number }) => stageIds.has(one.stageId);
        await save(tx, actor, pipeline, { robots: version.robots.filter(isThere), triggers: version.triggers.filter(isThere) }, revision);
        return view(tx, actor, pipeline, true);
      });
    },

    /** Copies or moves robots to a stage of the same or another pipeline. What they refer to and is not there shows as a problem. */
    async copyRobots(
      actor: Actor,
      pipelineId: number,
      { robotIds, triggerIds, targetPipelineId, targetStageId, mode, revision }: z.output<typeof copyRobots>,
    ): Promise<RobotSetView> {
      return db.transaction(async (tx) => {
        const { pipeline } = await pipelineFor(tx, actor, pipelineId, 'edit');
        const { pipeline: target } = await pipelineFor(tx, actor, targetPipelineId, 'edit');
        const from = await store.findDraft(tx, pipelineId);
        const { robots, triggers } = from ?? emptySet;
        const chosen = chosenFrom(robots, robotIds, 'robot');
        const chosenTriggers = chosenFrom(triggers, triggerIds, 'trigger');
        const isSame = pipelineId === targetPipelineId;
        // Inside a pipeline a moved robot stays itself, with its runs; elsewhere it is a new one.
        const moves = mode === 'move' && isSame;
        const newIds = moves ? [] : await store.takeNumbers(tx, 'robot_ids', chosen.length + chosenTriggers.length);
        const copies = {
          robots: moves ? chosen.map((robot) => ({ ...robot, stageId: targetStageId })) : copiesOf(chosen, newIds.slice(0, chosen.length)).map((robot) => ({ ...robot, stageId: targetStageId })),
          triggers: chosenTriggers.map((trigger, index) => ({ ...trigger, id: newIds[chosen.length + index] ?? trigger.id, stageId: targetStageId })),
        };
        const isKept = ({ id }: { id: number }) => mode === 'copy' || !(robotIds.includes(id) || triggerIds.includes(id));
        const kept = { robots: robots.filter(isKept), triggers: triggers.filter(isKept) };
        const both = (to: store.SetContent) => ({ robots: [...to.robots, ...copies.robots], triggers: [...to.triggers, ...copies.triggers] });
        if (isSame) await save(tx, actor, pipeline, both(kept), revision);
        else {
          const to = await store.findDraft(tx, targetPipelineId);
          if ((from?.revision ?? 0) !== revision) throw new UserError('robots.changed_meanwhile', { pipeline: pipeline.name });
          if (mode === 'move') await save(tx, actor, pipeline, kept, revision);
          await save(tx, actor, target, both(to ?? emptySet), to?.revision ?? 0);
        }
        return view(tx, actor, target, true);
      });
    },

    async picker(actor: Actor, pipelineId: number, stageId: number, robotId: number | undefined) {
      const { pipeline } = await pipelineFor(db, actor, pipelineId, 'view');
      const robots = [...((await store.findDraft(db, pipelineId))?.robots ?? [])];
      let place = robots.findIndex((robot) => robot.id === robotId);
      if (place === -1) {
        // A robot not saved yet stands below those of its stage.
        robots.push({
          id: robotId ?? 0, stageId, type: '', typeVersion: 1, title: '', isEnabled: false, order: 'afterPrevious', timing: { kind: 'now' }, condition: null, oncePerItem: false, settings: {},
        });
        place = robots.length - 1;
      }
      return pickerTree(robots, place, await configEnv(db, pipeline, robots, actor.language));
    },

    /** What would happen if the item arrived at the stage now. Everything is written and rolled back. */
    async rehearse(
      actor: Actor, pipelineId: number,
      { itemId, stageId, robots, skipDelays }: { itemId: number; stageId: number; robots?: SavedRobot[] | undefined; skipDelays: boolean },
    ): Promise<z.output<typeof rehearsal>> {
      const { pipeline } = await pipelineFor(db, actor, pipelineId, 'edit');
      if (!pipeline.stages.some((stage) => stage.id === stageId)) throw new UserError('request.not_found', { kind: 'stage', id: stageId }, 'stageId');
      const item = await visibleItem(db, actor, itemId);
      if (item.itemTypeId !== pipeline.itemTypeId) throw new UserError('request.not_found', { kind: 'item', id: itemId });
      const records: readonly RobotRecord[] = robots ?? (await store.findDraft(db, pipelineId))?.robots ?? [];
      const at = now();
      const rehearsed = (skip: boolean) => db.transaction(async (tx) => {
        const [model, directory] = await Promise.all([crm.model(tx), people.directory(tx)]);
        const version = compileVersion(-1, records, { model, directory, itemTypeId: pipeline.itemTypeId, robotType });
        const { unit } = await engine.rehearse(tx, { item, stageId, version, at, employeeId: actor.employeeId, skipDelays: skip });
        const titles = new Map(records.map((robot) => [robot.id, robot]));
        const rows = unit.newRuns.map((run): store.JournalRow => ({
          ...run, stageId, pipelineId, itemTitle: item.title, versionNumber: null,
          robotTitle: titles.get(run.robotId)?.title ?? null, robotType: titles.get(run.robotId)?.type ?? null,
        }));
        const messages = await messagesOf(tx, unit, { env: await sayEnv(tx, actor, pipeline, records) });
        return { runs: await explainRuns(tx, actor, rows), messages, unit };
      }, { dryRun: true });
      const { runs, messages } = await rehearsed(skipDelays);
      // When each would act is known only where nothing is skipped: those that wait there tell their moments.
      const planned = skipDelays ? (await rehearsed(false)).unit.newRuns : [];
      return {
        runs, messages,
        moments: planned.filter((run) => run.state === 'waiting').map((run) => ({ robotId: run.robotId, dueAt: run.dueAt?.toISOString() ?? null })),
      };
    },

    /**
     * What the published robots would do with items that arrive, each by itself: for the question «this will inform
     * N people, go on?» before many are moved. The caller's transaction must be a dry run.
     */
    async forecast(tx: Tx, actor: Actor, arrivals: readonly { itemId: number; stageId: number }[]): Promise<{ robots: number; messages: number; people: number[] }> {
      const [model, directory, rows] = await Promise.all([crm.model(tx), people.directory(tx), lockItems(tx, arrivals.map(({ itemId }) => itemId))]);
      const versions = new Map<number, ReturnType<typeof compileVersion> | undefined>();
      const told = new Set<number>();
      let [acting, messages] = [0, 0];
      for (const { itemId, stageId } of arrivals) {
        const item = rows.find((row) => row.id === itemId);
        const pipeline = item && model.pipeline(model.stage(stageId)?.pipelineId ?? 0);
        if (!item || !pipeline) continue;
        if (!versions.has(pipeline.id)) {
          const newest = await store.newestVersion(tx, pipeline.id);
          versions.set(pipeline.id, newest && compileVersion(-1, newest.robots, { model, directory, itemTypeId: pipeline.itemTypeId, robotType }));
        }
        const version = versions.get(pipeline.id);
        if (!version) continue;
        const { unit, batch } = await engine.rehearse(tx, { item, stageId, version, at: now(), employeeId: actor.employeeId, skipDelays: true });
        acting += unit.newRuns.filter((run) => run.state === 'done' || run.state === 'waiting').length;
        for (const message of await messagesOf(tx, unit, { env: await sayEnv(tx, actor, pipeline, []) })) {
          if (message.channel === 'change' || message.channel === 'invoice' || message.channel === 'member') continue;
          messages += message.channel === 'message' ? 1 : Math.max(1, message.to.length);
          if (message.channel !== 'message') for (const id of message.to) told.add(id);
        }
        for (const message of unit.effects.messages) {
          const chat = await batch.chatById(message.chatId);
          for (const id of chat?.memberIds ?? batch.newChats.get(message.chatId)?.memberIds ?? []) if (id !== message.authorId) told.add(id);
        }
      }
      return { robots: acting, messages, people: [...told] };
    },

    async getRun(actor: Actor, runId: number): Promise<RunView> {
      const [row] = await store.listRuns(db, { ids: [runId], limit: 1 });
      const gone = new UserError('request.not_found', { kind: 'run', id: runId });
      if (!row) throw gone;
      const [run] = await explainRuns(db, actor, [row]);
      if (!run) throw new Error('A run was explained to nothing.');
      if (await crm.mayViewItem(db, actor, row.itemId)) return run;
      if (!(await hasTold(runId, actor.employeeId))) throw gone;
      // «Почему это пришло мне?» of somebody who may not see the item: which robot and when, and no value of the item.
      return { ...run, explanation: text(actor.language, 'robots.reasons.told_you', { robot: run.robotTitle, stage: run.stageName }), notes: [], results: null, reason: null };
    },

    /** A waiting run acts at once, whatever its moment; what waits for it follows. */
    async runNow(actor: Actor, runId: number): Promise<void> {
      await db.transaction(async (tx) => {
        const { run } = await runForAction(tx, actor, runId);
        // One that waits for an application has acted already.
        if (run.state !== 'waiting' || run.reason === waitsForAnswer) throw new UserError('robots.run_not_waiting', { id: runId });
        await store.updateRuns(tx, [{ ...run, dueAt: now() }]);
        await jobs.wake(tx, 'waiting-runs');
      });
    },

    async cancelRun(actor: Actor, runId: number): Promise<void> {
      await db.transaction(async (tx) => {
        const { run, item } = await runForAction(tx, actor, runId);
        if (run.state !== 'waiting') throw new UserError('robots.run_not_waiting', { id: runId });
        const directory = await people.directory(tx);
        const by = directory.employee(actor.employeeId);
        const at = now();
        await store.updateRuns(tx, [{ ...run, state: 'cancelled', reason: 'cancelled_by_person', trace: { params: { employee: by ? fullName(by) : '' } }, dueAt: null, finishedAt: at }]);
        await engine.releaseFollowers(tx, [run.arrivalId], at);
        await live.publish(tx, [{ topic: `item:${item.id}`, what: 'runs' }]);
      });
    },

    /** A failed run is due once more: its robot acts with the values of now. What it did not do is done; nothing is done twice. */
    async retryRun(actor: Actor, runId: number): Promise<void> {
      await db.transaction(async (tx) => {
        const { run } = await runForAction(tx, actor, runId);
        if (run.state !== 'failed') throw new UserError('robots.run_not_failed', { id: runId });
        await store.updateRuns(tx, [{ ...run, state: 'waiting', reason: null, trace: null, results: null, dueAt: now(), finishedAt: null }]);
        await jobs.wake(tx, 'waiting-runs');
      });
    },

    /** «Выполнить для элементов на стадии»: asked by a person, never by itself. Returns how many items it starts. */
    async rerunStage(actor: Actor, stageId: number, itemIds: readonly number[]): Promise<number> {
      return db.transaction(async (tx) => {
        const model = await crm.model(tx);
        const stage = model.stage(stageId);
        if (!stage || stage.deletedAt) throw new UserError('request.not_found', { kind: 'stage', id: stageId });
        await pipelineFor(tx, actor, stage.pipelineId, 'edit');
        const rights = await people.access(tx, actor);
        const items = (await lockItems(tx, itemIds)).filter((item) => item.stageId === stageId && rights.mayTouch('view', item));
        const count = items.length === 0 ? 0 : await store.insertReruns(tx, items, actor.employeeId, now());
        await jobs.wake(tx, 'arrivals');
        return count;
      });
    },
  };
}

function chosenFrom<Record extends { id: number }>(records: readonly Record[], ids: readonly number[], kind: 'robot' | 'trigger'): Record[] {
  return ids.map((id) => {
    const found = records.find((candidate) => candidate.id === id);
    if (!found) throw new UserError('request.not_found', { kind, id });
    return found;
  });
}

function say(language: Language, key: string, params: Record<string, string | number>): string {
  return hasText(key) ? text(language, key, params) : '';
}

/** Params of a reason as a sentence needs them: employees by name. */
function sayable(params: Readonly<Record<string, unknown>>, directory: Directory): Record<string, string | number> {
  const said: Record<string, string | number> = { employee: 'none' };
  for (const [key, value] of Object.entries(params)) {
    if (key === 'employeeId' && typeof value === 'number') {
      const employee = directory.employee(value);
      said.employee = employee ? fullName(employee) : String(value);
    } else if (key === 'ids' && Array.isArray(value)) {
      said.ids = value.map((id) => (typeof id === 'number' ? directory.employee(id) : undefined)).map((one) => (one ? fullName(one) : '?')).join(', ');
    } else if (typeof value === 'number' || typeof value === 'string') said[key] = value;
    else if (Array.isArray(value)) said[key] = value.join(', ');
    else if (key === 'source' && typeof value === 'object' && value !== null && 'kind' in value) said.source = String(value.kind);
  }
  return said;
}
