/** All SQL of the messenger. */
import { empty, join, type Queryable, sql, type Sql, type Tx } from '../../db/db.ts';
import { wordQuery } from './words.ts';
import type { ChatKind, MemberRole, MessageKind, MessageReaction } from '../../../shared/api/chat.ts';

export interface ChatRow {
  id: number;
  kind: ChatKind;
  title: string;
  ownerId: number | null;
  privateKey: string | null;
  itemId: number | null;
  runId: number | null;
  createdAt: Date;
}

export interface MembershipRow {
  role: MemberRole;
  joinedAt: Date;
  historyAfterId: number;
  readUpToId: number;
  mutedAt: Date | null;
  pinnedAt: Date | null;
}

export interface MessageRow {
  id: number;
  chatId: number;
  authorId: number | null;
  kind: MessageKind;
  heading: string;
  body: string;
  itemId: number | null;
  fileIds: number[];
  mentionIds: number[];
  replyToId: number | null;
  runId: number | null;
  clientId: string | null;
  createdAt: Date;
  editedAt: Date | null;
  deletedAt: Date | null;
}

const messageColumns = sql`id, chat_id, author_id, kind, heading, body, item_id, file_ids, mention_ids, reply_to_id, run_id, client_id, created_at, edited_at, deleted_at`;

/** How much of a message a list shows. */
const previewLength = 300;
/** The count stops here: "99+". */
const maxUnread = 100;

/** What the person has not read: not what he wrote himself; a robot's note to himself in his name counts. */
function isUnread(me: number): Sql {
  return sql`m.id > greatest(mine.read_up_to_id, mine.history_after_id) and m.deleted_at is null and m.kind <> 'system'
    and (m.author_id is distinct from ${me}::bigint or (m.run_id is not null and mine.private_key = ${`${me}:${me}`}::text))`;
}

function like(search: string): string {
  return `%${search.replace(/[\\%_]/g, '\\$&')}%`;
}

// ——— Chats

/** The chat and the person's membership (null: none), if the chat is there and he may see it. */
export async function findVisible(q: Queryable, chatId: number, me: number): Promise<(ChatRow & { membership: MembershipRow | null }) | undefined> {
  const row = await q.first<ChatRow & { [K in keyof MembershipRow]: MembershipRow[K] | null }>(sql`
    select c.id, c.kind, c.title, c.owner_id, c.private_key, c.item_id, c.run_id, c.created_at,
           m.role, m.joined_at, m.history_after_id, m.read_up_to_id, m.muted_at, m.pinned_at
    from chats c left join chat_members m on m.chat_id = c.id and m.employee_id = ${me}
    where c.id = ${chatId} and c.deleted_at is null and (m.chat_id is not null or c.kind = 'open')`);
  if (!row) return undefined;
  const { role, joinedAt, historyAfterId, readUpToId, mutedAt, pinnedAt, ...chat } = row;
  const isMember = role !== null && joinedAt !== null && historyAfterId !== null && readUpToId !== null;
  return { ...chat, membership: isMember ? { role, joinedAt, historyAfterId, readUpToId, mutedAt, pinnedAt } : null };
}

/** Holds the chats against concurrent messages and changes of their members, until commit. In one order, so that nobody waits in a circle. */
export async function lockChats(tx: Tx, chatIds: readonly number[]): Promise<void> {
  await tx.run(sql`select count(*) from (select from chats where id = any(${chatIds}::bigint[]) order by id for no key update) held`);
}

export async function countMembers(q: Queryable, chatId: number): Promise<number> {
  return (await q.first<{ count: number }>(sql`select count(*) as count from chat_members where chat_id = ${chatId}`))?.count ?? 0;
}

export interface ListedRow extends ChatRow, MembershipRow {
  activityAt: Date;
  unreadCount: number;
  isMentioned: boolean;
  lastId: number | null;
  lastAuthorId: number | null;
  lastKind: MessageKind | null;
  lastHeading: string | null;
  lastBody: string | null;
  lastFileCount: number | null;
  lastCreatedAt: Date | null;
}

export interface ListCursor {
  isPinned: boolean;
  activityAt: Date;
  chatId: number;
}

/**
 * The person's chats, pinned first, newest activity first. Activity is read from the messages, one
 * step down an index per chat: keeping it on the chat would make its row the hot spot of every send.
 * Private chats nobody wrote in yet are left out.
 */
export async function listMine(
  q: Queryable,
  me: number,
  { search, partnerIds, onlyUnread, cursor, limit }: { search?: string; partnerIds: readonly number[]; onlyUnread: boolean; cursor: ListCursor | undefined; limit: number },
): Promise<ListedRow[]> {
  const found = search
    ? sql`and (c.title ilike ${like(search)} or c.private_key = any(${partnerIds.map((id) => privateKey(me, id))}::text[]))`
    : empty;
  const after = cursor
    ? sql`where (mine.is_pinned, mine.activity_at, mine.id) < (${cursor.isPinned}, ${cursor.activityAt}::timestamptz, ${cursor.chatId}::bigint)`
    : empty;
  const unread = sql`exists (select from messages m where m.chat_id = mine.id and ${isUnread(me)})`;
  return q.rows<ListedRow>(sql`
    with mine as (
      select c.id, c.kind, c.title, c.owner_id, c.private_key, c.item_id, c.run_id, c.created_at,
             cm.role, cm.joined_at, cm.history_after_id, cm.read_up_to_id, cm.muted_at, cm.pinned_at,
             cm.pinned_at is not null as is_pinned, coalesce(last.created_at, cm.joined_at) as activity_at,
             last.id as last_id
      from chat_members cm
      join chats c on c.id = cm.chat_id and c.deleted_at is null
      left join lateral (
        select l.id, l.created_at from messages l
        where l.chat_id = cm.chat_id and l.id > cm.history_after_id and l.deleted_at is null
        order by l.id desc limit 1
      ) last on true
      where cm.employee_id = ${me} and (last.id is not null or c.kind <> 'private') ${found}
    ), page as (
      select * from mine ${after} ${onlyUnread ? (cursor ? sql`and ${unread}` : sql`where ${unread}`) : empty}
      order by is_pinned desc, activity_at desc, id desc limit ${limit}
    )
    select mine.*, last.author_id as last_author_id, last.kind as last_kind, last.heading as last_heading,
           left(last.body, ${previewLength}) as last_body, cardinality(last.file_ids) as last_file_count, last.created_at as last_created_at,
           unread.count as unread_count, coalesce(unread.is_mentioned, false) as is_mentioned
    from page mine
    left join messages last on last.chat_id = mine.id and last.id = mine.last_id
    cross join lateral (
      select count(*) as count, bool_or(mentions) as is_mentioned
      from (select ${me}::bigint = any(m.mention_ids) as mentions from messages m
            where m.chat_id = mine.id and ${isUnread(me)} order by m.id desc limit ${maxUnread}) seen
    ) unread
    order by mine.is_pinned desc, mine.activity_at desc, mine.id desc`);
}

/** Open groups by title, whether joined or not. */
export async function listOpen(
  q: Queryable,
  me: number,
  { search, cursor, limit }: { search?: string; cursor: ListCursor | undefined; limit: number },
): Promise<(ChatRow & { [K in keyof MembershipRow]: MembershipRow[K] | null })[]> {
  return q.rows(sql`
    select c.id, c.kind, c.title, c.owner_id, c.private_key, c.item_id, c.run_id, c.created_at,
           m.role, m.joined_at, m.history_after_id, m.read_up_to_id, m.muted_at, m.pinned_at
    from chats c left join chat_members m on m.chat_id = c.id and m.employee_id = ${me}
    where c.kind = 'open' and c.deleted_at is null
      ${search ? sql`and c.title ilike ${like(search)}` : empty}
      ${cursor ? sql`and (c.created_at, c.id) < (${cursor.activityAt}::timestamptz, ${cursor.chatId}::bigint)` : empty}
    order by c.created_at desc, c.id desc limit ${limit}`);
}

export async function countUnreadChats(q: Queryable, me: number): Promise<number> {
  const row = await q.first<{ count: number }>(sql`
    select count(*) as count
    from (select cm.*, c.private_key from chat_members cm join chats c on c.id = cm.chat_id and c.deleted_at is null
          where cm.employee_id = ${me} and cm.muted_at is null) mine
    where exists (select from messages m where m.chat_id = mine.chat_id and ${isUnread(me)})`);
  return row?.count ?? 0;
}

/** 'smaller:larger': two people have one chat, whoever begins. */
export function privateKey(a: number, b: number): string {
  return a < b ? `${a}:${b}` : `${b}:${a}`;
}

export async function findPrivateIds(q: Queryable, keys: readonly string[]): Promise<Map<string, number>> {
  const rows = await q.rows<{ id: number; privateKey: string }>(sql`select id, private_key from chats where private_key = any(${keys}::text[])`);
  return new Map(rows.map((row) => [row.privateKey, row.id]));
}

export interface NewChat {
  id: number;
  kind: ChatKind;
  title: string;
  ownerId: number | null;
  privateKey: string | null;
  itemId: number | null;
  runId: number | null;
  createdAt: Date;
}

/** Private chats that another transaction made meanwhile are passed over. Returns the ids inserted. */
export async function insertChats(tx: Tx, rows: readonly NewChat[]): Promise<number[]> {
  if (rows.length === 0) return [];
  // In the order of keys, so that two transactions making the same chats wait instead of deadlocking.
  const sorted = [...rows].sort((a, b) => (a.privateKey ?? '').localeCompare(b.privateKey ?? '') || a.id - b.id);
  const inserted = await tx.rows<{ id: number }>(sql`
    insert into chats (id, kind, title, owner_id, private_key, item_id, run_id, created_at)
    select * from unnest(${sorted.map((r) => r.id)}::bigint[], ${sorted.map((r) => r.kind)}::text[], ${sorted.map((r) => r.title)}::text[],
      ${sorted.map((r) => r.ownerId)}::bigint[], ${sorted.map((r) => r.privateKey)}::text[], ${sorted.map((r) => r.itemId)}::bigint[],
      ${sorted.map((r) => r.runId)}::bigint[], ${sorted.map((r) => r.createdAt)}::timestamptz[])
    on conflict (private_key) do nothing returning id`);
  return inserted.map((row) => row.id);
}

export async function updateChat(tx: Tx, chatId: number, change: { title?: string; kind?: ChatKind; ownerId?: number | null; deletedAt?: Date }): Promise<void> {
  const sets: Sql[] = [];
  if (change.title !== undefined) sets.push(sql`title = ${change.title}`);
  if (change.kind !== undefined) sets.push(sql`kind = ${change.kind}`);
  if (change.ownerId !== undefined) sets.push(sql`owner_id = ${change.ownerId}`);
  if (change.deletedAt !== undefined) sets.push(sql`deleted_at = ${change.deletedAt}`);
  if (sets.length > 0) await tx.run(sql`update chats set ${join(sets)} where id = ${chatId}`);
}

export async function nextIds(q: Queryable, count: number): Promise<number[]> {
  if (count <= 0) return [];
  const rows = await q.rows<{ id: number }>(sql`select nextval('chats_id_seq') as id from generate_series(1, ${count}::int)`);
  return rows.map((row) => row.id);
}

export interface RobotChatRow {
  id: number;
  kind: ChatKind;
  title: string;
  ownerId: number | null;
  itemId: number | null;
  runId: number | null;
  deletedAt: Date | null;
  memberIds: number[];
}

export function findForRobots(q: Queryable, chatIds: readonly number[]): Promise<RobotChatRow[]> {
  return q.rows<RobotChatRow>(sql`
    select c.id, c.kind, c.title, c.owner_id, c.item_id, c.run_id, c.deleted_at,
           array(select m.employee_id from chat_members m where m.chat_id = c.id order by m.employee_id) as member_ids
    from chats c where c.id = any(${chatIds}::bigint[])`);
}

/** Closed groups by title, for the picker of a robot. Only those the person is in: closed is closed to administrators too. */
export function findClosedGroups(q: Queryable, me: number, search: string, limit: number): Promise<{ id: number; title: string; runId: number | null }[]> {
  return q.rows(sql`
    select c.id, c.title, c.run_id from chat_members m join chats c on c.id = m.chat_id
    where m.employee_id = ${me} and c.kind = 'closed' and c.deleted_at is null and c.title ilike ${like(search)}
    order by c.id desc limit ${limit}`);
}

// ——— Members

export interface NewMember {
  chatId: number;
  employeeId: number;
  role: MemberRole;
  joinedAt: Date;
  /** Messages up to this id stay hidden; 0: none; null: all there are now. */
  historyAfterId: number | null;
}

/** Who is a member already stays as he is. Returns the pairs added. What a newcomer may see of the past counts as read. */
export function insertMembers(tx: Tx, rows: readonly NewMember[]): Promise<{ chatId: number; employeeId: number }[]> {
  if (rows.length === 0) return Promise.resolve([]);
  return tx.rows(sql`
    insert into chat_members (chat_id, employee_id, role, joined_at, history_after_id, read_up_to_id)
    select n.chat_id, n.employee_id, n.role, n.joined_at, coalesce(n.history_after_id, last.id), greatest(last.id, coalesce(n.history_after_id, 0))
    from unnest(${rows.map((r) => r.chatId)}::bigint[], ${rows.map((r) => r.employeeId)}::bigint[], ${rows.map((r) => r.role)}::text[],
      ${rows.map((r) => r.joinedAt)}::timestamptz[], ${rows.map((r) => r.historyAfterId)}::bigint[])
      as n (chat_id, employee_id, role, joined_at, history_after_id)
    join (select c.chat_id, coalesce((select max(id) from messages m where m.chat_id = c.chat_id), 0) as id
          from (select distinct unnest(${rows.map((r) => r.chatId)}::bigint[]) as chat_id) c) last on last.chat_id = n.chat_id
    on conflict (chat_id, employee_id) do nothing
    returning chat_id, employee_id`);
}

export async function deleteMembers(tx: Tx, chatId: number, employeeIds: readonly number[]): Promise<number[]> {
  const rows = await tx.rows<{ employeeId: number }>(sql`
    delete from chat_members where chat_id = ${chatId} and employee_id = any(${employeeIds}::bigint[]) returning employee_id`);
  return rows.map((row) => row.employeeId);
}

export async function findRole(q: Queryable, chatId: number, employeeId: number): Promise<MemberRole | undefined> {
  return (await q.first<{ role: MemberRole }>(sql`select role from chat_members where chat_id = ${chatId} and employee_id = ${employeeId}`))?.role;
}

export async function setRole(tx: Tx, chatId: number, employeeId: number, role: MemberRole): Promise<void> {
  await tx.run(sql`update chat_members set role = ${role} where chat_id = ${chatId} and employee_id = ${employeeId}`);
}

/** Who takes the chat over: a manager before a member, the longest-standing first. */
export async function findHeir(q: Queryable, chatId: number, besides: number): Promise<number | undefined> {
  const row = await q.first<{ employeeId: number }>(sql`
    select employee_id from chat_members where chat_id = ${chatId} and employee_id <> ${besides}
    order by role = 'manager' desc, joined_at, employee_id limit 1`);
  return row?.employeeId;
}

export function listMembers(q: Queryable, chatId: number, afterEmployeeId: number, limit: number): Promise<{ employeeId: number; role: MemberRole; joinedAt: Date; readUpToId: number }[]> {
  return q.rows(sql`
    select employee_id, role, joined_at, read_up_to_id from chat_members
    where chat_id = ${chatId} and employee_id > ${afterEmployeeId} order by employee_id limit ${limit}`);
}

/** Everybody to be told about each chat. */
export function membersOf(q: Queryable, chatIds: readonly number[]): Promise<{ chatId: number; employeeId: number; mutedAt: Date | null }[]> {
  return q.rows(sql`select chat_id, employee_id, muted_at from chat_members where chat_id = any(${chatIds}::bigint[])`);
}

export async function whichAreMembers(q: Queryable, chatId: number, employeeIds: readonly number[]): Promise<number[]> {
  const rows = await q.rows<{ employeeId: number }>(sql`
    select employee_id from chat_members where chat_id = ${chatId} and employee_id = any(${employeeIds}::bigint[]) order by employee_id`);
  return rows.map((row) => row.employeeId);
}

export async function setOwnFlags(tx: Tx, chatId: number, me: number, flags: { pinnedAt?: Date | null; mutedAt?: Date | null }): Promise<void> {
  const sets: Sql[] = [];
  if (flags.pinnedAt !== undefined) sets.push(sql`pinned_at = ${flags.pinnedAt}`);
  if (flags.mutedAt !== undefined) sets.push(sql`muted_at = ${flags.mutedAt}`);
  if (sets.length > 0) await tx.run(sql`update chat_members set ${join(sets)} where chat_id = ${chatId} and employee_id = ${me}`);
}

/** Never moves back, nor past what is there. Whether anything changed. */
export async function markRead(tx: Tx, chatId: number, me: number, upToId: number): Promise<boolean> {
  return (
    (await tx.run(sql`
      update chat_members m set read_up_to_id = last.id
      from (select max(id) as id from messages where chat_id = ${chatId} and id <= ${upToId}) last
      where m.chat_id = ${chatId} and m.employee_id = ${me} and last.id > m.read_up_to_id`)) > 0
  );
}

// ——— Messages

export interface NewMessage {
  chatId: number;
  authorId: number | null;
  kind: MessageKind;
  heading: string;
  body: string;
  itemId: number | null;
  fileIds: readonly number[];
  mentionIds: readonly number[];
  replyToId: number | null;
  runId: number | null;
  clientId?: string;
}

/** '{1,2}': arrays of arrays cannot be ragged, so they travel as text. */
const arrayLiteral = (ids: readonly number[]): string => `{${ids.join(',')}}`;

/** Texts of one statement: a long text to thousands must not become one message of gigabytes. */
const maxStatementChars = 8_000_000;

/**
 * Returns the ids in the order of the rows. Ids are given out while the chats are held, until commit: within
 * a chat nobody can have read past a message that is not there yet. So write messages last.
 */
export async function insertMessages(tx: Tx, rows: readonly NewMessage[], createdAt: Date): Promise<number[]> {
  const held = lockChats(tx, [...new Set(rows.map((row) => row.chatId))]);
  const statements: Promise<number[]>[] = [];
  for (let from = 0; from < rows.length; ) {
    let to = from;
    let chars = 0;
    do chars += rows[to++]!.body.length;
    while (to < rows.length && chars < maxStatementChars);
    statements.push(insertSomeMessages(tx, from === 0 && to === rows.length ? rows : rows.slice(from, to), createdAt));
    from = to;
  }
  const [ids] = await Promise.all([Promise.all(statements), held]);
  return ids.flat();
}

async function insertSomeMessages(tx: Tx, rows: readonly NewMessage[], createdAt: Date): Promise<number[]> {
  // What robots' messages never have is left to the defaults: it would be half of the statement's cost.
  const isByPerson = rows.some((r) => r.replyToId !== null || r.fileIds.length > 0 || r.mentionIds.length > 0 || r.clientId !== undefined);
  const inserted = await tx.rows<{ id: number }>(sql`
    with written as (
    insert into messages (chat_id, author_id, kind, heading, body, item_id, run_id, created_at ${isByPerson ? sql`, reply_to_id, file_ids, mention_ids, client_id` : empty})
    select n.chat_id, n.author_id, n.kind, n.heading, n.body, n.item_id, n.run_id, ${createdAt}::timestamptz
      ${isByPerson ? sql`, n.reply_to_id, n.file_ids::bigint[], n.mention_ids::bigint[], n.client_id` : empty}
    from unnest(${rows.map((r) => r.chatId)}::bigint[], ${rows.map((r) => r.authorId)}::bigint[], ${rows.map((r) => r.kind)}::text[],
      ${rows.map((r) => r.heading)}::text[], ${rows.map((r) => r.body)}::text[], ${rows.map((r) => r.itemId)}::bigint[], ${rows.map((r) => r.runId)}::bigint[]
      ${isByPerson
        ? sql`, ${rows.map((r) => r.replyToId)}::bigint[], ${rows.map((r) => arrayLiteral(r.fileIds))}::text[], ${rows.map((r) => arrayLiteral(r.mentionIds))}::text[],
            ${rows.map((r) => r.clientId ?? null)}::text[]`
        : empty})
      as n (chat_id, author_id, kind, heading, body, item_id, run_id ${isByPerson ? sql`, reply_to_id, file_ids, mention_ids, client_id` : empty})
    returning id, chat_id, kind
    ), to_find as (insert into message_word_queue (chat_id, message_id) select chat_id, id from written where kind <> 'system')
    select id from written`);
  return inserted.map((row) => row.id);
}

export interface MessageRange {
  chatId: number;
  /** Nothing at or below. */
  historyAfterId: number;
  search?: string;
  limit: number;
}

function inRange({ chatId, historyAfterId, search }: MessageRange): Sql {
  return sql`chat_id = ${chatId} and id > ${historyAfterId}
    ${search ? sql`and deleted_at is null and kind <> 'system' and (body ilike ${like(search)} or heading ilike ${like(search)})` : empty}`;
}

/** Newest first; null: from the newest on. */
export function listMessagesBefore(q: Queryable, range: MessageRange, beforeId: number | null): Promise<MessageRow[]> {
  return q.rows(sql`
    select ${messageColumns} from messages where ${inRange(range)} ${beforeId === null ? empty : sql`and id < ${beforeId}`}
    order by id desc limit ${range.limit}`);
}

/** Oldest first, from this message on. */
export function listMessagesFrom(q: Queryable, range: MessageRange, fromId: number): Promise<MessageRow[]> {
  return q.rows(sql`select ${messageColumns} from messages where ${inRange(range)} and id >= ${fromId} order by id limit ${range.limit}`);
}

/** What the person has not read of what was written since; newest first, up to the number one counts to. */
export function listUnreadSince(q: Queryable, me: number, chatId: number, since: Date): Promise<Pick<MessageRow, 'id' | 'authorId' | 'heading' | 'body' | 'fileIds'>[]> {
  return q.rows(sql`
    select m.id, m.author_id, m.heading, left(m.body, ${previewLength}) as body, m.file_ids
    from (select cm.*, c.private_key from chat_members cm join chats c on c.id = cm.chat_id where cm.employee_id = ${me} and cm.chat_id = ${chatId}) mine
    join messages m on m.chat_id = mine.chat_id and ${isUnread(me)} and m.created_at >= ${since}
    order by m.id desc limit ${maxUnread}`);
}

export function findMessages(q: Queryable, chatId: number, ids: readonly number[]): Promise<MessageRow[]> {
  return q.rows(sql`select ${messageColumns} from messages where chat_id = ${chatId} and id = any(${ids}::bigint[])`);
}

/** The message its author's program called so, if it arrived before. */
export function findByClientId(q: Queryable, chatId: number, authorId: number, clientId: string): Promise<MessageRow | undefined> {
  return q.first(sql`select ${messageColumns} from messages where chat_id = ${chatId} and author_id = ${authorId} and client_id = ${clientId}`);
}

export interface FoundRow {
  id: number;
  chatId: number;
  authorId: number | null;
  kind: MessageKind;
  heading: string;
  runId: number | null;
  createdAt: Date;
  body: string;
  chatKind: ChatKind;
  title: string;
  privateKey: string | null;
}

export interface MessageSearch {
  search: string;
  /** What `search` is made of; the index is asked where they tell enough. */
  words: readonly string[];
  isIndexed: boolean;
  before?: number;
  limit: number;
}

/** Over so many chats the index would have to look for each of them. */
const maxChatsNamed = 500;

/**
 * Over all chats of the person, newest first: by the index of words, and what it does not hold yet beside it. Words too short for
 * it stand in so many messages that reading from the newest on finds some at once. The text is cut to what stands around the words.
 */
export async function searchMessages(q: Queryable, me: number, { search, words, isIndexed, before, limit }: MessageSearch): Promise<FoundRow[]> {
  const mine = isIndexed ? await q.rows<{ chatId: number }>(sql`select chat_id from chat_members where employee_id = ${me}`) : [];
  const query = wordQuery(words, mine.length > maxChatsNamed ? [] : mine.map((row) => row.chatId));
  // ё is е in the index, so either is looked for where there is none.
  const says = (one: string): Sql => sql`(translate(lower(m.body), 'ё', 'е') like ${like(one)} or translate(lower(m.heading), 'ё', 'е') like ${like(one)})`;
  const found = isIndexed
    ? sql`join (
        select w.chat_id, w.message_id from message_words w where w.words @@ ${query}::tsquery
        union
        select n.chat_id, n.message_id from message_word_queue n join messages m on m.chat_id = n.chat_id and m.id = n.message_id
        where ${join(words.map(says), ' and ')}
      ) found on found.chat_id = m.chat_id and found.message_id = m.id`
    : empty;
  const [first = search] = words;
  return q.rows(sql`
    select m.id, m.chat_id, m.author_id, m.kind, m.heading, m.run_id, m.created_at, c.kind as chat_kind, c.title, c.private_key,
           substr(m.body, greatest(1, coalesce(nullif(position(lower(${search}) in lower(m.body)), 0), position(${first} in translate(lower(m.body), 'ё', 'е'))) - 80), ${previewLength}) as body
    from chat_members cm join chats c on c.id = cm.chat_id and c.deleted_at is null
    join messages m on m.chat_id = cm.chat_id and m.id > cm.history_after_id ${found}
    where cm.employee_id = ${me} and m.deleted_at is null and m.kind <> 'system' ${before === undefined ? empty : sql`and m.id < ${before}`}
      ${isIndexed ? empty : sql`and (m.body ilike ${like(search)} or m.heading ilike ${like(search)})`}
    order by m.id desc limit ${limit}`);
}

// ——— Words of messages, for the index

/** Takes messages off the queue, with their texts. */
export function takeUnindexed(tx: Tx, limit: number): Promise<{ chatId: number; id: number; heading: string; body: string }[]> {
  return tx.rows(sql`
    with taken as (
      delete from message_word_queue where ctid in (select ctid from message_word_queue limit ${limit} for update skip locked) returning chat_id, message_id
    )
    select m.chat_id, m.id, m.heading, m.body from messages m
    where (m.chat_id, m.id) in (select chat_id, message_id from taken) and m.deleted_at is null`);
}

export async function saveWords(tx: Tx, rows: readonly { chatId: number; id: number; words: readonly string[] }[]): Promise<void> {
  if (rows.length === 0) return;
  // One text per message: arrays of arrays cannot be ragged, and no word holds a space.
  await tx.run(sql`
    insert into message_words (chat_id, message_id, words)
    select n.chat_id, n.message_id, array_to_tsvector(string_to_array(n.words, ' '))
    from unnest(${rows.map((r) => r.chatId)}::bigint[], ${rows.map((r) => r.id)}::bigint[], ${rows.map((r) => r.words.join(' '))}::text[]) as n (chat_id, message_id, words)
    on conflict (chat_id, message_id) do update set words = excluded.words`);
}

/** Its words count no more; an edited one is put into the queue again. */
async function forgetWords(tx: Tx, chatId: number, id: number, { isQueued }: { isQueued: boolean }): Promise<void> {
  await tx.run(sql`delete from message_words where chat_id = ${chatId} and message_id = ${id}`);
  if (isQueued) await tx.run(sql`insert into message_word_queue (chat_id, message_id) values (${chatId}, ${id})`);
}

// ——— Reactions

/** Whether it was not there yet. */
export async function insertReaction(tx: Tx, row: { chatId: number; messageId: number; employeeId: number; reaction: MessageReaction; createdAt: Date }): Promise<boolean> {
  return (
    (await tx.run(sql`
      insert into message_reactions (chat_id, message_id, employee_id, reaction, created_at)
      values (${row.chatId}, ${row.messageId}, ${row.employeeId}, ${row.reaction}, ${row.createdAt}) on conflict do nothing`)) > 0
  );
}

export async function deleteReaction(tx: Tx, row: { chatId: number; messageId: number; employeeId: number; reaction: MessageReaction }): Promise<boolean> {
  return (
    (await tx.run(sql`
      delete from message_reactions where chat_id = ${row.chatId} and message_id = ${row.messageId} and employee_id = ${row.employeeId} and reaction = ${row.reaction}`)) > 0
  );
}

export interface ReactionsRow {
  messageId: number;
  reaction: MessageReaction;
  count: number;
  isMine: boolean;
  employeeIds: number[];
}

export function listReactions(q: Queryable, me: number, chatId: number, messageIds: readonly number[]): Promise<ReactionsRow[]> {
  return q.rows(sql`
    select message_id, reaction, count(*) as count, bool_or(employee_id = ${me}) as is_mine,
           (array_agg(employee_id order by created_at, employee_id))[1:20] as employee_ids
    from message_reactions where chat_id = ${chatId} and message_id = any(${messageIds}::bigint[])
    group by message_id, reaction order by min(created_at), reaction`);
}

// ——— Pins

/** Whether it was not there yet. */
export async function insertPin(tx: Tx, row: { chatId: number; messageId: number; employeeId: number; createdAt: Date }): Promise<boolean> {
  return (
    (await tx.run(sql`
      insert into message_pins (chat_id, message_id, employee_id, created_at)
      values (${row.chatId}, ${row.messageId}, ${row.employeeId}, ${row.createdAt}) on conflict do nothing`)) > 0
  );
}

export async function deletePin(tx: Tx, chatId: number, messageId: number): Promise<boolean> {
  return (await tx.run(sql`delete from message_pins where chat_id = ${chatId} and message_id = ${messageId}`)) > 0;
}

export async function countPins(q: Queryable, chatId: number): Promise<number> {
  return (await q.first<{ count: number }>(sql`select count(*) as count from message_pins where chat_id = ${chatId}`))?.count ?? 0;
}

/** The newest message first; none that was deleted or lies before the reader's history. */
export function listPinned(q: Queryable, chatId: number, historyAfterId: number): Promise<MessageRow[]> {
  return q.rows(sql`
    select ${messageColumns} from messages
    where chat_id = ${chatId} and id > ${historyAfterId} and deleted_at is null and id in (select message_id from message_pins where chat_id = ${chatId})
    order by id desc`);
}

export async function updateMessage(
  tx: Tx,
  chatId: number,
  id: number,
  change: { heading: string; body: string; mentionIds: readonly number[]; editedAt: Date } | { deletedAt: Date },
): Promise<void> {
  await tx.run(
    'deletedAt' in change
      ? sql`update messages set deleted_at = ${change.deletedAt} where chat_id = ${chatId} and id = ${id}`
      : sql`update messages set heading = ${change.heading}, body = ${change.body}, mention_ids = ${change.mentionIds}::bigint[], edited_at = ${change.editedAt}
            where chat_id = ${chatId} and id = ${id}`,
  );
  await forgetWords(tx, chatId, id, { isQueued: !('deletedAt' in change) });
}

/** The chat this message stands in, if the person sees it there. */
export async function findChatOf(q: Queryable, messageId: number, me: number): Promise<number | undefined> {
  const row = await q.first<{ chatId: number }>(sql`
    select m.chat_id from messages m join chats c on c.id = m.chat_id
    left join chat_members cm on cm.chat_id = c.id and cm.employee_id = ${me}
    where m.id = ${messageId} and m.deleted_at is null and c.deleted_at is null
      and (m.id > cm.history_after_id or (cm.chat_id is null and c.kind = 'open'))`);
  return row?.chatId;
}

export async function hasTold(q: Queryable, runId: number, employeeId: number): Promise<boolean> {
  return (await q.first(sql`
    select 1 from messages m join chat_members c on c.chat_id = m.chat_id and c.employee_id = ${employeeId}
    where m.run_id = ${runId} and m.id > c.history_after_id
    union all
    select 1 from chats c join chat_members m on m.chat_id = c.id and m.employee_id = ${employeeId} where c.run_id = ${runId}`)) !== undefined;
}

/** Group chats the employee is in. */
export function groupsOf(q: Queryable, employeeId: number): Promise<{ id: number; title: string; role: MemberRole; historyAfterId: number }[]> {
  return q.rows(sql`
    select c.id, c.title, m.role, m.history_after_id from chat_members m join chats c on c.id = m.chat_id
    where m.employee_id = ${employeeId} and c.kind <> 'private' and c.deleted_at is null order by c.id for update of c`);
}
