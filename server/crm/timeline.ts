/**
 * Timeline: what happened to an item, newest first: comments, arrivals at stages (the first one is the
 * creation), and what modules to the right add (runs of robots) by registering a source. And history:
 * every change of a field, with who and why.
 *
 * One feed out of several tables: each source gives its newest entries before a position, the feed
 * merges them. A position is (moment, kind, id); kinds at the same moment stand in alphabetical
 * order, so that a robot's run stands above the arrival that started it.
 *
 * A comment is edited by its author, deleted by its author or an administrator, pinned by anyone who
 * sees the item. Does not do: tell the mentioned; whoever registers `onMentions` does.
 */
import { type ConfigVersions, empty, json, type Queryable, raw, sql, type Tx } from '../db/db.ts';
import type { Drive } from '../drive/drive.ts';
import type { Live } from '../live/live.ts';
import type { Actor, People } from '../people/people.ts';
import { UserError } from '../../shared/errors.ts';
import type { CrmAccess } from './access.ts';
import type { Page } from './list.ts';

export interface TimelineEntry {
  kind: string;
  id: number;
  at: Date;
  employeeId: number | null;
  data: Record<string, unknown>;
}

/** Entries of one item with (at, id) below `before`, newest first, at most `limit`. No access check. */
export type TimelineSource = (q: Queryable, itemId: number, before: { at: Date; id: number }, limit: number) => Promise<TimelineEntry[]>;

export interface Comment {
  id: number;
  itemId: number;
  /** null: the system. */
  authorId: number | null;
  body: string;
  fileIds: number[];
  runId: number | null;
  pinnedAt: Date | null;
  createdAt: Date;
  editedAt: Date | null;
}

/** A comment of a robot. */
/** What happened to a comment; `employeeId` null: a robot wrote it. */
export interface CommentWritten {
  id: number;
  itemId: number;
  what: 'added' | 'changed' | 'deleted';
  employeeId: number | null;
}

export interface CommentWatcher {
  /** Asked before anything is read for it. */
  wants(tx: Tx, config: ConfigVersions | undefined): Promise<boolean>;
  hear(tx: Tx, written: CommentWritten): Promise<void>;
}

export interface CommentToInsert {
  itemId: number;
  authorId: number | null;
  body: string;
  fileIds: readonly number[];
  runId: number | null;
}

export interface Mentions {
  itemId: number;
  commentId: number;
  authorId: number;
  employeeIds: number[];
  body: string;
}

const commentColumns = sql`id, item_id, author_id, body, file_ids, run_id, pinned_at, created_at, edited_at`;

/** People named in a text: `[USER=5]Anna[/USER]`. Each once, in order. */
export function mentionedIds(body: string): number[] {
  return [...new Set([...body.matchAll(/\[USER=(\d{1,15})\]/gi)].map((match) => Number(match[1])))];
}

const arrivalSource: TimelineSource = async (q, itemId, before, limit) => {
  type Row = { id: number; createdAt: Date; employeeId: number | null; pipelineId: number; stageId: number; fromStageId: number | null; cause: string; runId: number | null; isSilent: boolean };
  const rows = await q.rows<Row>(sql`
    select id, created_at, employee_id, pipeline_id, stage_id, from_stage_id, cause, run_id, is_silent from arrivals
    where item_id = ${itemId} and (created_at, id) < (${before.at}, ${before.id}) order by created_at desc, id desc limit ${limit}`);
  return rows.map(({ id, createdAt, employeeId, isSilent, ...data }) => ({ kind: 'arrival', id, at: createdAt, employeeId, data: isSilent ? { ...data, isSilent } : data }));
};

/** Later than anything that happens. */
const endOfTime = { at: new Date('9999-12-31T00:00:00Z'), kind: '\uffff', id: Number.MAX_SAFE_INTEGER };
type Position = typeof endOfTime;

function encodePosition(entry: Pick<TimelineEntry, 'at' | 'kind' | 'id'>): string {
  return Buffer.from(JSON.stringify([entry.at.toISOString(), entry.kind, entry.id])).toString('base64url');
}

function decodePosition(cursor: string | undefined): Position {
  if (cursor === undefined) return endOfTime;
  try {
    const parts: unknown = JSON.parse(Buffer.from(cursor, 'base64url').toString());
    if (Array.isArray(parts)) {
      const [at, kind, id]: unknown[] = parts;
      if (typeof at === 'string' && typeof kind === 'string' && typeof id === 'number' && Number.isSafeInteger(id)) {
        const moment = new Date(at);
        if (!Number.isNaN(moment.getTime())) return { at: moment, kind, id };
      }
    }
  } catch {
    // Not a cursor of ours: refused below like any other.
  }
  throw new UserError('list.cursor_invalid', {}, 'cursor');
}

/** Where a source goes on, given the last entry of the page before. Exported for the test. */
function boundFor(kind: string, last: Position): { at: Date; id: number } {
  if (kind === last.kind) return { at: last.at, id: last.id };
  return { at: last.at, id: kind < last.kind ? Number.MAX_SAFE_INTEGER : 0 };
}

function newestFirst(a: TimelineEntry, b: TimelineEntry): number {
  return b.at.getTime() - a.at.getTime() || (a.kind === b.kind ? b.id - a.id : a.kind < b.kind ? 1 : -1);
}

async function mergedPage(
  q: Queryable,
  itemId: number,
  sources: ReadonlyMap<string, TimelineSource>,
  { cursor, limit }: { cursor?: string; limit: number },
): Promise<Page<TimelineEntry>> {
  const last = decodePosition(cursor);
  const lists = await Promise.all([...sources].map(([kind, source]) => source(q, itemId, boundFor(kind, last), limit + 1)));
  const entries = lists.flat().sort(newestFirst);
  const items = entries.slice(0, limit);
  const end = items.at(-1);
  return { items, nextCursor: end && entries.length > limit ? encodePosition(end) : null };
}

interface TimelineDeps {
  live: Live;
  people: People;
  drive: Drive;
  access: CrmAccess;
  now: () => Date;
}

export function createTimeline({ live, people, drive, access, now }: TimelineDeps) {
  let commentWatcher: CommentWatcher | undefined;
  async function heard(tx: Tx, written: CommentWritten): Promise<void> {
    if (commentWatcher && (await commentWatcher.wants(tx, undefined))) await commentWatcher.hear(tx, written);
  }
  const mentionListeners: ((tx: Tx, mentions: Mentions) => Promise<void>)[] = [];

  async function filesOf(q: Queryable, fileIds: readonly number[]) {
    const files = fileIds.length === 0 ? [] : await drive.filesByIds(q, fileIds);
    return new Map(files.map(({ id, name, sizeBytes, mediaType }) => [id, { id, name, sizeBytes, mediaType }]));
  }

  const commentSource: TimelineSource = async (q, itemId, before, limit) => {
    const rows = await q.rows<Comment>(sql`
      select ${commentColumns} from comments
      where item_id = ${itemId} and deleted_at is null and (created_at, id) < (${before.at}, ${before.id})
      order by created_at desc, id desc limit ${limit}`);
    const files = await filesOf(q, rows.flatMap((row) => row.fileIds));
    return rows.map((row) => ({
      kind: 'comment', id: row.id, at: row.createdAt, employeeId: row.authorId,
      data: {
        body: row.body, runId: row.runId, pinnedAt: row.pinnedAt, editedAt: row.editedAt, mentionIds: mentionedIds(row.body),
        files: row.fileIds.flatMap((id) => files.get(id) ?? []),
      },
    }));
  };

  const sources = new Map<string, TimelineSource>([['arrival', arrivalSource], ['comment', commentSource]]);

  const changeSource: TimelineSource = async (q, itemId, before, limit) => {
    type Row = { id: number; createdAt: Date; employeeId: number | null; cause: string; runId: number | null; changes: Record<string, unknown> };
    const rows = await q.rows<Row>(sql`
      select id, created_at, employee_id, cause, run_id, changes from item_changes
      where item_id = ${itemId} and (created_at, id) < (${before.at}, ${before.id}) order by created_at desc, id desc limit ${limit}`);
    return rows.map(({ id, createdAt, employeeId, ...data }) => ({ kind: 'change', id, at: createdAt, employeeId, data }));
  };
  const historySources = new Map<string, TimelineSource>([['arrival', arrivalSource], ['change', changeSource]]);

  /** The people of a text that can be told. */
  async function tellable(tx: Tx, body: string, authorId: number): Promise<number[]> {
    const ids = mentionedIds(body).filter((id) => id !== authorId);
    if (ids.length === 0) return [];
    const directory = await people.directory(tx);
    return ids.filter((id) => directory.employee(id) && !directory.employee(id)?.dismissedAt);
  }

  /** A comment of an item the actor sees, locked. */
  async function ownedBy(tx: Tx, actor: Actor, itemId: number, commentId: number): Promise<Comment> {
    await access.visibleItem(tx, actor, itemId);
    const comment = await tx.first<Comment>(sql`
      select ${commentColumns} from comments where id = ${commentId} and item_id = ${itemId} and deleted_at is null for update`);
    if (!comment) throw new UserError('request.not_found', { kind: 'comment', id: commentId });
    return comment;
  }

  function refuseEmpty(body: string, fileIds: readonly number[]): void {
    if (body.trim() === '' && fileIds.length === 0) throw new UserError('comment.empty', {}, 'body');
  }

  return {
    /** Adds a kind of entry to the timeline of every item. Once per kind, when the modules are wired. */
    registerTimelineSource(kind: string, source: TimelineSource): void {
      sources.set(kind, source);
    },
    /** Called inside the transaction of a comment that names people who were not named in it before. */
    onMentions(listener: (tx: Tx, mentions: Mentions) => Promise<void>): void {
      mentionListeners.push(listener);
    },

    /** Who tells the outside of comments; there is one. */
    watchComments(watcher: CommentWatcher): void {
      commentWatcher = watcher;
    },

    /** Comments of robots, in one statement, with their hints. No checks: the caller answers for author and files. */
    async insertComments(tx: Tx, rows: readonly CommentToInsert[], config?: ConfigVersions): Promise<void> {
      if (rows.length === 0) return;
      const withFiles = rows.some((row) => row.fileIds.length > 0);
      const isHeard = (await commentWatcher?.wants(tx, config)) ?? false;
      const inserted = tx.rows<{ id: number; itemId: number; fileIds: number[] }>(sql`
        insert into comments (item_id, author_id, body, file_ids, run_id, created_at)
        select item_id, author_id, body, array(select jsonb_array_elements_text(file_ids)::bigint), run_id, ${now()}
        from unnest(${rows.map((r) => r.itemId)}::bigint[], ${rows.map((r) => r.authorId)}::bigint[], ${rows.map((r) => r.body)}::text[],
          ${rows.map((r) => json(r.fileIds))}::jsonb[], ${rows.map((r) => r.runId)}::bigint[]) as r(item_id, author_id, body, file_ids, run_id)
        ${withFiles || isHeard ? sql`returning id, item_id, file_ids` : empty}`);
      await Promise.all([inserted, live.publish(tx, rows.map((row) => ({ topic: `item:${row.itemId}`, what: 'timeline' })))]);
      if (isHeard) for (const { id, itemId } of await inserted) await commentWatcher?.hear(tx, { id, itemId, what: 'added', employeeId: null });
      if (!withFiles) return;
      await drive.attachMany(tx, (await inserted).flatMap(({ id, fileIds }) => fileIds.map((fileId) => ({ fileId, targetKind: 'comment' as const, targetId: id }))));
    },

    /** `kinds`: only these, with commas between them. */
    async listTimeline(q: Queryable, actor: Actor, itemId: number, page: { cursor?: string; limit: number; kinds?: string }): Promise<Page<TimelineEntry>> {
      await access.visibleItem(q, actor, itemId);
      const kinds = page.kinds?.split(',');
      return mergedPage(q, itemId, kinds ? new Map([...sources].filter(([kind]) => kinds.includes(kind))) : sources, page);
    },

    /** Field changes and stage changes; a stage change reads `{ stageId: [before, after] }`. */
    async listHistory(q: Queryable, actor: Actor, itemId: number, page: { cursor?: string; limit: number }) {
      await access.visibleItem(q, actor, itemId);
      const { items, nextCursor } = await mergedPage(q, itemId, historySources, page);
      return {
        nextCursor,
        items: items.map(({ kind, id, at, employeeId, data }) => ({
          kind: kind === 'arrival' ? ('arrival' as const) : ('change' as const), id, at, employeeId,
          cause: String(data.cause), runId: typeof data.runId === 'number' ? data.runId : null,
          changes: kind === 'arrival' ? { stageId: [data.fromStageId, data.stageId] } : asRecord(data.changes),
        })),
      };
    },

    async pinnedComments(q: Queryable, actor: Actor, itemId: number): Promise<Comment[]> {
      await access.visibleItem(q, actor, itemId);
      return q.rows<Comment>(sql`
        select ${commentColumns} from comments where item_id = ${itemId} and pinned_at is not null and deleted_at is null order by pinned_at desc limit 100`);
    },

    /** Returns the comment and who was mentioned in it, without the author and the dismissed. */
    async addComment(tx: Tx, actor: Actor, itemId: number, input: { body: string; fileIds?: readonly number[] }): Promise<{ comment: Comment; mentionIds: number[] }> {
      const fileIds = [...new Set(input.fileIds ?? [])];
      refuseEmpty(input.body, fileIds);
      await access.visibleItem(tx, actor, itemId);
      const comment = await tx.first<Comment>(sql`
        insert into comments (item_id, author_id, body, file_ids, created_at)
        values (${itemId}, ${actor.employeeId}, ${input.body}, ${fileIds}::bigint[], ${now()}) returning ${commentColumns}`);
      if (!comment) throw new Error('The comment was not written.');
      await drive.attach(tx, { fileIds, targetKind: 'comment', targetId: comment.id, actor });
      const mentionIds = await tellable(tx, input.body, actor.employeeId);
      if (mentionIds.length > 0) {
        for (const listener of mentionListeners) await listener(tx, { itemId, commentId: comment.id, authorId: actor.employeeId, employeeIds: mentionIds, body: input.body });
      }
      await live.publish(tx, [{ topic: `item:${itemId}`, what: 'timeline' }]);
      await heard(tx, { id: comment.id, itemId, what: 'added', employeeId: actor.employeeId });
      return { comment, mentionIds };
    },

    /** Text and files are the author's; the pin is anyone's who sees the item. */
    async changeComment(tx: Tx, actor: Actor, itemId: number, commentId: number, input: { body?: string; fileIds?: readonly number[]; isPinned?: boolean }): Promise<Comment> {
      const before = await ownedBy(tx, actor, itemId, commentId);
      const isEdit = input.body !== undefined || input.fileIds !== undefined;
      if (isEdit && before.authorId !== actor.employeeId) throw new UserError('comment.not_yours', { id: commentId });
      const body = input.body ?? before.body;
      const fileIds = input.fileIds ? [...new Set(input.fileIds)] : before.fileIds;
      refuseEmpty(body, fileIds);
      const added = fileIds.filter((id) => !before.fileIds.includes(id));
      const removed = before.fileIds.filter((id) => !fileIds.includes(id));
      await drive.attach(tx, { fileIds: added, targetKind: 'comment', targetId: commentId, actor });
      if (removed.length > 0) await drive.detach(tx, { fileIds: removed, targetKind: 'comment', targetId: commentId });
      const pinnedAt = input.isPinned === undefined ? before.pinnedAt : input.isPinned ? (before.pinnedAt ?? now()) : null;
      const after = await tx.first<Comment>(sql`
        update comments set body = ${body}, file_ids = ${fileIds}::bigint[], pinned_at = ${pinnedAt}, edited_at = ${isEdit ? now() : before.editedAt}
        where id = ${commentId} returning ${commentColumns}`);
      if (!after) throw new Error('The comment was not written.');
      const known = new Set(mentionedIds(before.body));
      const mentionIds = (await tellable(tx, body, actor.employeeId)).filter((id) => !known.has(id));
      if (mentionIds.length > 0) {
        for (const listener of mentionListeners) await listener(tx, { itemId, commentId, authorId: actor.employeeId, employeeIds: mentionIds, body });
      }
      await live.publish(tx, [{ topic: `item:${itemId}`, what: 'timeline' }]);
      if (isEdit) await heard(tx, { id: commentId, itemId, what: 'changed', employeeId: actor.employeeId });
      return after;
    },

    async deleteComment(tx: Tx, actor: Actor, itemId: number, commentId: number): Promise<void> {
      const comment = await ownedBy(tx, actor, itemId, commentId);
      if (comment.authorId !== actor.employeeId && !actor.isAdmin) throw new UserError('comment.not_yours', { id: commentId });
      await tx.run(sql`update comments set deleted_at = ${now()} where id = ${commentId}`);
      await drive.detach(tx, { targetKind: 'comment', targetId: commentId });
      await live.publish(tx, [{ topic: `item:${itemId}`, what: 'timeline' }]);
      await heard(tx, { id: commentId, itemId, what: 'deleted', employeeId: actor.employeeId });
    },

    /** A comment of an item the actor sees, by its id alone. */
    async getComment(q: Queryable, actor: Actor, commentId: number): Promise<Comment> {
      const comment = await q.first<Comment>(sql`select ${commentColumns} from comments where id = ${commentId} and deleted_at is null`);
      if (!comment) throw new UserError('request.not_found', { kind: 'comment', id: commentId });
      await access.visibleItem(q, actor, comment.itemId);
      return comment;
    },

    /** Comments of an item by id, counted. */
    async scanComments(q: Queryable, actor: Actor, itemId: number, { direction, offset, limit, afterId = 0 }: { direction: 'asc' | 'desc'; offset: number; limit: number; afterId?: number }): Promise<{ rows: Comment[]; total: number }> {
      await access.visibleItem(q, actor, itemId);
      const where = sql`item_id = ${itemId} and deleted_at is null and id > ${afterId}`;
      const [rows, counted] = await Promise.all([
        q.rows<Comment>(sql`select ${commentColumns} from comments where ${where} order by id ${raw(direction)} limit ${limit} offset ${offset}`),
        q.first<{ count: number }>(sql`select count(*) as count from comments where ${where}`),
      ]);
      return { rows, total: counted?.count ?? 0 };
    },

    /** Who may open the files of a comment: who sees its item. */
    async mayViewComment(q: Queryable, actor: Actor, commentId: number): Promise<boolean> {
      const row = await q.first<{ itemId: number }>(sql`select item_id from comments where id = ${commentId} and deleted_at is null`);
      return row !== undefined && access.mayViewItem(q, actor, row.itemId);
    },
  };
}

export type Timeline = ReturnType<typeof createTimeline>;

function asRecord(value: unknown): Record<string, unknown> {
  return typeof value === 'object' && value !== null ? Object.fromEntries(Object.entries(value)) : {};
}
