/** All SQL of the feed. */
import { empty, join, json, type Queryable, sql, type Sql, type Tx } from '../../db/db.ts';
import type { Reaction } from '../../../shared/api/feed.ts';
import type { RecipientSource } from '../../../shared/api/people.ts';

export interface PostRow {
  id: number;
  authorId: number | null;
  title: string;
  body: string;
  tags: string[];
  fileIds: number[];
  audience: RecipientSource[];
  isForEveryone: boolean;
  isImportant: boolean;
  itemId: number | null;
  runId: number | null;
  createdAt: Date;
  editedAt: Date | null;
}

export interface CommentRow {
  id: number;
  postId: number;
  authorId: number | null;
  body: string;
  fileIds: number[];
  createdAt: Date;
  editedAt: Date | null;
}

const columns = sql`p.id, p.author_id, p.title, p.body, p.tags, p.file_ids, p.audience, p.is_for_everyone, p.is_important, p.item_id, p.run_id, p.created_at, p.edited_at`;

function like(search: string): string {
  return `%${search.replace(/[\\%_]/g, '\\$&')}%`;
}

export interface PostFilter {
  tag?: string;
  search?: string;
  authorId?: number;
  itemId?: number;
  isPinned?: boolean;
  isImportant?: boolean;
  cursor?: number;
  limit: number;
}

/** Posts the person may see, newest first: those that name him and those for everyone, each along its own index. */
export function list(q: Queryable, me: number, { tag, search, authorId, itemId, isPinned, isImportant, cursor, limit }: PostFilter): Promise<PostRow[]> {
  const filter = sql`p.deleted_at is null
    ${cursor === undefined ? empty : sql`and p.id < ${cursor}`}
    ${tag === undefined ? empty : sql`and p.tags @> array[${tag}::text]`}
    ${search ? sql`and (p.title ilike ${like(search)} or p.body ilike ${like(search)})` : empty}
    ${authorId === undefined ? empty : sql`and p.author_id = ${authorId}`}
    ${isPinned === undefined ? empty : sql`and ${isPinned ? empty : sql`not`} exists (select from post_pins pin where pin.post_id = p.id and pin.employee_id = ${me})`}
    ${isImportant === undefined ? empty : sql`and p.is_important = ${isImportant}`}
    ${itemId === undefined ? empty : sql`and p.item_id = ${itemId}`}`;
  return q.rows(sql`
    (select ${columns} from post_readers r join posts p on p.id = r.post_id
     where r.employee_id = ${me} ${cursor === undefined ? empty : sql`and r.post_id < ${cursor}`} and not p.is_for_everyone and ${filter}
     order by r.post_id desc limit ${limit})
    union all
    (select ${columns} from posts p where p.is_for_everyone and ${filter} order by p.id desc limit ${limit})
    order by id desc limit ${limit}`);
}

export function findVisible(q: Queryable, me: number, id: number): Promise<PostRow | undefined> {
  return q.first(sql`
    select ${columns} from posts p where p.id = ${id} and p.deleted_at is null
      and (p.is_for_everyone or exists (select from post_readers r where r.employee_id = ${me} and r.post_id = p.id))`);
}

export interface NewPost {
  id: number;
  authorId: number | null;
  title: string;
  body: string;
  tags: readonly string[];
  fileIds: readonly number[];
  audience: readonly RecipientSource[];
  isForEveryone: boolean;
  isImportant: boolean;
  itemId: number | null;
  runId: number | null;
}

export async function insertPosts(tx: Tx, rows: readonly NewPost[], createdAt: Date): Promise<void> {
  // Arrays of arrays cannot be ragged, so lists travel as text.
  await tx.run(sql`
    insert into posts (id, author_id, title, body, tags, file_ids, audience, is_for_everyone, is_important, item_id, run_id, created_at)
    select n.id, n.author_id, n.title, n.body, array(select jsonb_array_elements_text(n.tags)), n.file_ids::bigint[], n.audience,
           n.is_for_everyone, n.is_important, n.item_id, n.run_id, ${createdAt}::timestamptz
    from unnest(${rows.map((r) => r.id)}::bigint[], ${rows.map((r) => r.authorId)}::bigint[], ${rows.map((r) => r.title)}::text[],
      ${rows.map((r) => r.body)}::text[], ${rows.map((r) => json(r.tags))}::jsonb[], ${rows.map((r) => `{${r.fileIds.join(',')}}`)}::text[],
      ${rows.map((r) => json(r.audience))}::jsonb[], ${rows.map((r) => r.isForEveryone)}::boolean[], ${rows.map((r) => r.isImportant)}::boolean[], ${rows.map((r) => r.itemId)}::bigint[],
      ${rows.map((r) => r.runId)}::bigint[])
      as n (id, author_id, title, body, tags, file_ids, audience, is_for_everyone, is_important, item_id, run_id)`);
}

export async function insertReaders(tx: Tx, rows: readonly { postId: number; employeeId: number }[]): Promise<void> {
  if (rows.length === 0) return;
  await tx.run(sql`
    insert into post_readers (post_id, employee_id)
    select * from unnest(${rows.map((r) => r.postId)}::bigint[], ${rows.map((r) => r.employeeId)}::bigint[])
    on conflict do nothing`);
}

export async function keepReaders(tx: Tx, postId: number, employeeIds: readonly number[]): Promise<void> {
  await tx.run(sql`delete from post_readers where post_id = ${postId} and not (employee_id = any(${employeeIds}::bigint[]))`);
}

export async function readerIds(q: Queryable, postId: number, after = 0, limit = 1_000_000): Promise<number[]> {
  const rows = await q.rows<{ employeeId: number }>(sql`
    select employee_id from post_readers where post_id = ${postId} and employee_id > ${after} order by employee_id limit ${limit}`);
  return rows.map((row) => row.employeeId);
}

export async function nextIds(q: Queryable, count: number): Promise<number[]> {
  if (count <= 0) return [];
  const rows = await q.rows<{ id: number }>(sql`select nextval('posts_id_seq') as id from generate_series(1, ${count}::int)`);
  return rows.map((row) => row.id);
}

export async function updatePost(
  tx: Tx,
  id: number,
  change: { title?: string; body?: string; tags?: readonly string[]; fileIds?: readonly number[]; audience?: readonly RecipientSource[]; isForEveryone?: boolean; isImportant?: boolean; editedAt?: Date; deletedAt?: Date },
): Promise<void> {
  const sets: Sql[] = [];
  if (change.title !== undefined) sets.push(sql`title = ${change.title}`);
  if (change.body !== undefined) sets.push(sql`body = ${change.body}`);
  if (change.tags !== undefined) sets.push(sql`tags = ${change.tags}::text[]`);
  if (change.fileIds !== undefined) sets.push(sql`file_ids = ${change.fileIds}::bigint[]`);
  if (change.audience !== undefined) sets.push(sql`audience = ${json(change.audience)}::jsonb`);
  if (change.isForEveryone !== undefined) sets.push(sql`is_for_everyone = ${change.isForEveryone}`);
  if (change.isImportant !== undefined) sets.push(sql`is_important = ${change.isImportant}`);
  if (change.editedAt !== undefined) sets.push(sql`edited_at = ${change.editedAt}`);
  if (change.deletedAt !== undefined) sets.push(sql`deleted_at = ${change.deletedAt}`);
  if (sets.length > 0) await tx.run(sql`update posts set ${join(sets)} where id = ${id}`);
}

/** Tags of the posts the person may see, most used first. */
export function listTags(q: Queryable, me: number, limit: number): Promise<{ tag: string; count: number }[]> {
  return q.rows(sql`
    select tag, count(*) as count
    from posts p cross join unnest(p.tags) tag
    where p.deleted_at is null and cardinality(p.tags) > 0
      and (p.is_for_everyone or exists (select from post_readers r where r.employee_id = ${me} and r.post_id = p.id))
    group by tag order by count desc, tag limit ${limit}`);
}

// ——— What is new

/** Posts the person may see and did not write. */
const visibleTo = (me: number): Sql => sql`p.deleted_at is null and p.author_id is distinct from ${me}::bigint
  and (p.is_for_everyone or exists (select from post_readers r where r.employee_id = ${me} and r.post_id = p.id))`;

/** The oldest first: to be told one after the other. */
export function listUnseenSince(q: Queryable, me: number, since: Date, limit: number): Promise<Pick<PostRow, 'id' | 'authorId' | 'title' | 'body' | 'isImportant'>[]> {
  return q.rows(sql`
    select p.id, p.author_id, p.title, left(p.body, 1000) as body, p.is_important from posts p
    where p.id > coalesce((select seen_up_to_id from feed_marks where employee_id = ${me}), 0) and p.created_at >= ${since} and ${visibleTo(me)}
    order by p.id limit ${limit}`);
}

export async function countUnseen(q: Queryable, me: number, limit: number): Promise<number> {
  const row = await q.first<{ count: number }>(sql`
    select count(*) as count from (
      select from feed_marks mark join posts p on p.id > mark.seen_up_to_id and ${visibleTo(me)} where mark.employee_id = ${me} limit ${limit}
    ) unseen`);
  return row?.count ?? 0;
}

/** Whether the mark has moved. */
export async function markSeen(tx: Tx, me: number, upToId: number): Promise<boolean> {
  return (
    (await tx.run(sql`
      insert into feed_marks (employee_id, seen_up_to_id) select ${me}, max(id) from posts where id <= ${upToId} having max(id) is not null
      on conflict (employee_id) do update set seen_up_to_id = excluded.seen_up_to_id where excluded.seen_up_to_id > feed_marks.seen_up_to_id`)) > 0
  );
}

// ——— Pins and acknowledgements

export interface MarksRow {
  postId: number;
  isPinned: boolean;
  isAcknowledged: boolean;
  acknowledgedCount: number;
}

export function listMarks(q: Queryable, me: number, postIds: readonly number[]): Promise<MarksRow[]> {
  return q.rows(sql`
    select p.id as post_id,
           exists (select from post_pins pin where pin.employee_id = ${me} and pin.post_id = p.id) as is_pinned,
           exists (select from post_acknowledgements a where a.post_id = p.id and a.employee_id = ${me}) as is_acknowledged,
           case when p.is_important then (select count(*) from post_acknowledgements a where a.post_id = p.id) else 0 end as acknowledged_count
    from posts p where p.id = any(${postIds}::bigint[])`);
}

export async function pin(tx: Tx, row: { employeeId: number; postId: number; createdAt: Date }): Promise<void> {
  await tx.run(sql`insert into post_pins (employee_id, post_id, created_at) values (${row.employeeId}, ${row.postId}, ${row.createdAt}) on conflict do nothing`);
}

export async function unpin(tx: Tx, row: { employeeId: number; postId: number }): Promise<void> {
  await tx.run(sql`delete from post_pins where employee_id = ${row.employeeId} and post_id = ${row.postId}`);
}

/** Whether it is new. */
export async function acknowledge(tx: Tx, row: { employeeId: number; postId: number; createdAt: Date }): Promise<boolean> {
  return (
    (await tx.run(sql`
      insert into post_acknowledgements (post_id, employee_id, created_at) values (${row.postId}, ${row.employeeId}, ${row.createdAt}) on conflict do nothing`)) > 0
  );
}

export function listAcknowledgements(q: Queryable, postId: number): Promise<{ employeeId: number; at: Date }[]> {
  return q.rows(sql`select employee_id, created_at as at from post_acknowledgements where post_id = ${postId} order by created_at, employee_id`);
}

// ——— Comments and reactions

export function countComments(q: Queryable, postIds: readonly number[]): Promise<{ postId: number; count: number }[]> {
  return q.rows(sql`
    select post_id, count(*) as count from post_comments where post_id = any(${postIds}::bigint[]) and deleted_at is null group by post_id`);
}

export function countReactions(q: Queryable, me: number, postIds: readonly number[]): Promise<{ postId: number; reaction: Reaction; count: number; isMine: boolean }[]> {
  return q.rows(sql`
    select post_id, reaction, count(*) as count, bool_or(employee_id = ${me}) as is_mine
    from post_reactions where post_id = any(${postIds}::bigint[]) group by post_id, reaction order by min(created_at), reaction`);
}

export async function insertReaction(tx: Tx, row: { postId: number; employeeId: number; reaction: Reaction; createdAt: Date }): Promise<boolean> {
  return (
    (await tx.run(sql`
      insert into post_reactions (post_id, employee_id, reaction, created_at)
      values (${row.postId}, ${row.employeeId}, ${row.reaction}, ${row.createdAt}) on conflict do nothing`)) > 0
  );
}

export async function deleteReaction(tx: Tx, row: { postId: number; employeeId: number; reaction: Reaction }): Promise<boolean> {
  return (
    (await tx.run(sql`
      delete from post_reactions where post_id = ${row.postId} and employee_id = ${row.employeeId} and reaction = ${row.reaction}`)) > 0
  );
}

const commentColumns = sql`id, post_id, author_id, body, file_ids, created_at, edited_at`;

export function listComments(q: Queryable, postId: number, after: number, limit: number): Promise<CommentRow[]> {
  return q.rows(sql`
    select ${commentColumns} from post_comments where post_id = ${postId} and id > ${after} and deleted_at is null order by id limit ${limit}`);
}

export function findComment(q: Queryable, postId: number, id: number): Promise<CommentRow | undefined> {
  return q.first(sql`select ${commentColumns} from post_comments where post_id = ${postId} and id = ${id} and deleted_at is null`);
}

/** The post a comment stands under; undefined: there is no such comment. */
export async function findPostOf(q: Queryable, commentId: number): Promise<number | undefined> {
  return (await q.first<{ postId: number }>(sql`select post_id from post_comments where id = ${commentId} and deleted_at is null`))?.postId;
}

export async function insertComment(tx: Tx, row: Omit<CommentRow, 'id' | 'editedAt'>): Promise<CommentRow> {
  const inserted = await tx.first<CommentRow>(sql`
    insert into post_comments (post_id, author_id, body, file_ids, created_at)
    values (${row.postId}, ${row.authorId}, ${row.body}, ${row.fileIds}::bigint[], ${row.createdAt}) returning ${commentColumns}`);
  if (!inserted) throw new Error('The comment was not written.');
  return inserted;
}

export async function updateComment(tx: Tx, id: number, change: { body: string; editedAt: Date } | { deletedAt: Date }): Promise<void> {
  await tx.run(
    'deletedAt' in change
      ? sql`update post_comments set deleted_at = ${change.deletedAt} where id = ${id}`
      : sql`update post_comments set body = ${change.body}, edited_at = ${change.editedAt} where id = ${id}`,
  );
}

/** Files that are still shown somewhere under the post. */
export async function fileIdsInUse(q: Queryable, postId: number): Promise<number[]> {
  const rows = await q.rows<{ fileId: number }>(sql`
    select unnest(file_ids) as file_id from posts where id = ${postId} and deleted_at is null
    union select unnest(file_ids) from post_comments where post_id = ${postId} and deleted_at is null`);
  return rows.map((row) => row.fileId);
}

export async function hasTold(q: Queryable, runId: number, employeeId: number): Promise<boolean> {
  return (await q.first(sql`
    select 1 from posts p where p.run_id = ${runId}
      and (p.is_for_everyone or exists (select 1 from post_readers r where r.post_id = p.id and r.employee_id = ${employeeId}))`)) !== undefined;
}
