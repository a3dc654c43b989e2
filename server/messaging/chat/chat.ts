/**
 * Chat: private conversations, closed and open groups, their members and messages.
 *
 * A private chat belongs to two people, exists once per pair (with oneself: notes) and is made when
 * first needed. A closed group is seen by its members and by nobody else, administrators included.
 * An open group can be found, read and joined by everybody; only members write in it.
 *
 * A member has a history start: no message up to it is ever shown, searched, quoted or counted for
 * him. Unread is what came after it and after his read mark, was not written by himself and is no
 * system line; a robot's note to himself in his own name counts, because he did not write it.
 *
 * A message lives: written → edited (by its author; never a robot's) → deleted (the row stays, its
 * text and files are shown to nobody). People write kinds plain and announcement; notice, important
 * and alarm speak of a record and are the robots'. Kind system is a line like "Anna added Boris",
 * kept as a code with ids and drawn in each reader's language.
 *
 * Invariants: the ids of a chat's messages are given out in the order of their commits, for each is
 * written under a short lock on its chat, kept until commit: a read mark, a history start and "what
 * came after the last I know" need nothing but an id, and whoever comes back misses and doubles
 * nothing. Sending changes no row of `chats` (activity is read from the messages). Members are
 * changed under the same lock. A group has an owner as long as it has members; the last one to
 * leave closes it. A message sent again under its author's own id for it is not written again. Any
 * member may keep a message on top of the chat; one that is deleted stands there no more.
 *
 * Does not do: check who may open the record a message is about (opening it checks that), fill in
 * texts, decide whom robots write to.
 */
import { z } from 'zod';
import type {
  ChatChange, ChatCreate, chat as chatContract, chatListItem, Message, MessageCreate, MessageReaction, MessagesQuery, MemberRole, SystemMessage,
} from '../../../shared/api/chat.ts';
import { systemMessage } from '../../../shared/api/chat.ts';
import { bbcodeToText } from '../../../shared/bbcode.ts';
import { UserError } from '../../../shared/errors.ts';
import { text } from '../../../shared/messages.ts';
import type { Db, Queryable, Tx } from '../../db/db.ts';
import type { Drive } from '../../drive/drive.ts';
import type { Jobs, Round } from '../../jobs/jobs.ts';
import type { Hint, Live } from '../../live/live.ts';
import { type Actor, fullName, type People } from '../../people/people.ts';
import type { Push } from '../../push/push.ts';
import * as store from './store.ts';
import { areTelling, chatWord, wordsOf, wordsOfMessage } from './words.ts';

export type ChatView = z.output<typeof chatContract>;
export type ListedChat = z.output<typeof chatListItem>;
export type { RobotChatRow as RobotChat } from './store.ts';

/** A chat made by a robot. The id comes from `reserveIds`, so that robots below can already name it. */
export interface RobotChatToInsert {
  id: number;
  kind: 'closed' | 'open';
  title: string;
  ownerId: number | null;
  itemId: number | null;
  runId: number | null;
}

export interface MemberToInsert {
  chatId: number;
  employeeId: number;
  role?: MemberRole;
  /** What stays hidden: messages up to this id. 0: nothing («Показать историю» yes), null: all that is in the database now. */
  historyAfterId: number | null;
}

export interface MessageToInsert {
  chatId: number;
  /** null only for kind 'system'. */
  authorId: number | null;
  kind: Message['kind'];
  heading?: string;
  /** Of kind 'system': `systemBody(…)`. */
  body: string;
  itemId: number | null;
  runId: number | null;
}

/** Body of a message of kind 'system'. */
export function systemBody(message: SystemMessage): string {
  return JSON.stringify(message);
}

/** 'smaller id:larger id', as in `findPrivate`. */
export const privateKey = store.privateKey;

const listCursor = z.tuple([z.boolean(), z.int().min(0).max(253_402_300_799_999), z.int()]);

function encodeCursor(isPinned: boolean, activityAt: Date, chatId: number): string {
  return Buffer.from(JSON.stringify([isPinned, activityAt.getTime(), chatId])).toString('base64url');
}

function decodeCursor(cursor: string | undefined): store.ListCursor | undefined {
  if (cursor === undefined) return undefined;
  try {
    const [isPinned, time, chatId] = listCursor.parse(JSON.parse(Buffer.from(cursor, 'base64url').toString()));
    return { isPinned, activityAt: new Date(time), chatId };
  } catch {
    throw new UserError('request.invalid', { field: 'cursor', problem: 'unknown' }, 'cursor');
  }
}

function parseSystem(body: string): SystemMessage | null {
  try {
    return systemMessage.parse(JSON.parse(body));
  } catch {
    // A code of a newer version, read after going back to this one: an empty line is better than none.
    return null;
  }
}

/** [user=5]…[/user] in the text: whom it names, in order, once each. */
function mentionsIn(body: string): number[] {
  return [...new Set([...body.matchAll(/\[user=(\d{1,15})\]/gi)].map((match) => Number(match[1])))];
}

const replyPreviewLength = 300;
const pushLength = 200;
const maxPins = 100;
/** A thousand messages a second, so that whoever writes many at once is not disturbed. */
const indexedAtOnce = 250;
const indexPauseMs = 250;

export function createChat({ db, jobs, live, people, drive, push, now }: { db: Db; jobs: Jobs; live: Live; people: People; drive: Drive; push: Push; now: () => Date }) {
  const notFound = (kind: 'chat' | 'message' | 'employee' | 'department', id: number) => new UserError('request.not_found', { kind, id });

  async function visible(q: Queryable, actor: Actor, chatId: number) {
    const chat = await store.findVisible(q, chatId, actor.employeeId);
    if (!chat) throw notFound('chat', chatId);
    return chat;
  }

  async function asMember(q: Queryable, actor: Actor, chatId: number) {
    const { membership, ...chat } = await visible(q, actor, chatId);
    if (!membership) throw new UserError('chat.not_member', { title: chat.title });
    return { ...chat, membership };
  }

  /** A group, held against concurrent changes of its members. */
  async function lockedGroup(tx: Tx, actor: Actor, chatId: number) {
    await store.lockChats(tx, [chatId]);
    const chat = await visible(tx, actor, chatId);
    if (chat.kind === 'private') throw new UserError('chat.private_fixed');
    return chat;
  }

  async function lockedGroupAsMember(tx: Tx, actor: Actor, chatId: number, role: 'member' | 'manager' | 'owner') {
    const { membership, ...chat } = await lockedGroup(tx, actor, chatId);
    if (!membership) throw new UserError('chat.not_member', { title: chat.title });
    if (role === 'owner' && membership.role !== 'owner') throw new UserError('chat.not_owner', { title: chat.title });
    if (role === 'manager' && membership.role === 'member') throw new UserError('chat.not_manager', { title: chat.title });
    return { ...chat, membership };
  }

  function partnerOf(key: string | null, me: number): number | null {
    if (key === null) return null;
    const [a, b] = key.split(':').map(Number);
    return (a === me ? b : a) ?? null;
  }

  function view(chat: store.ChatRow & { membership: store.MembershipRow | null }, me: number): Omit<ChatView, 'memberCount'> {
    const { membership, privateKey: key, ...rest } = chat;
    return {
      ...rest,
      partnerId: partnerOf(key, me),
      membership: membership && {
        role: membership.role,
        readUpToId: membership.readUpToId,
        historyAfterId: membership.historyAfterId,
        isPinned: membership.pinnedAt !== null,
        isMuted: membership.mutedAt !== null,
      },
    };
  }

  /** Messages as the person may see them: files, quotes and reactions in one query each. */
  async function present(q: Queryable, me: number, chatId: number, rows: readonly store.MessageRow[], historyAfterId: number): Promise<Message[]> {
    const fileIds = rows.flatMap((row) => (row.deletedAt ? [] : row.fileIds));
    const replyIds = rows.flatMap((row) => (row.replyToId === null || row.replyToId <= historyAfterId ? [] : [row.replyToId]));
    const [files, replies, reactions] = await Promise.all([
      fileIds.length > 0 ? drive.filesByIds(q, fileIds) : [],
      replyIds.length > 0 ? store.findMessages(q, chatId, replyIds) : [],
      rows.length > 0 ? store.listReactions(q, me, chatId, rows.map((row) => row.id)) : [],
    ]);
    const reactionsOf = Map.groupBy(reactions, (row) => row.messageId);
    const fileById = new Map(files.map((file) => [file.id, file]));
    const replyById = new Map(replies.filter((reply) => !reply.deletedAt).map((reply) => [reply.id, reply]));
    return rows.map(({ fileIds: ids, replyToId, body, heading, mentionIds, ...row }) => {
      const reply = replyToId === null ? undefined : replyById.get(replyToId);
      const isGone = row.deletedAt !== null;
      const isSystem = row.kind === 'system';
      return {
        ...row,
        heading: isGone ? '' : heading,
        body: isGone || isSystem ? '' : body,
        system: isSystem ? parseSystem(body) : null,
        clientId: row.authorId === me ? row.clientId : null,
        reactions: isGone ? [] : (reactionsOf.get(row.id) ?? []).map(({ messageId: _, ...reaction }) => reaction),
        mentionIds: isGone ? [] : mentionIds,
        files: isGone ? [] : ids.flatMap((id) => {
          const file = fileById.get(id);
          return file ? [{ id: file.id, name: file.name, sizeBytes: file.sizeBytes, mediaType: file.mediaType }] : [];
        }),
        replyTo: replyToId === null ? null : {
          id: replyToId, authorId: reply?.authorId ?? null, body: reply ? reply.body.slice(0, replyPreviewLength) : null,
        },
      };
    });
  }

  /** Tells those who look at the chat, and everybody in whose list it stands. */
  async function tell(tx: Tx, chats: readonly { chatId: number; what: string; id?: number }[], besides: readonly number[] = []) {
    if (chats.length === 0) return [];
    const hints: Hint[] = chats.map(({ chatId, what, id }) => ({ topic: `chat:${chatId}`, what, id }));
    const members = await store.membersOf(tx, [...new Set(chats.map((chat) => chat.chatId))]);
    for (const { chatId, employeeId } of members) hints.push({ topic: `employee:${employeeId}`, what: 'chats', id: chatId });
    for (const employeeId of besides) for (const { chatId } of chats) hints.push({ topic: `employee:${employeeId}`, what: 'chats', id: chatId });
    await live.publish(tx, hints);
    return members;
  }

  /** Robots may name the chat, whoever is in it: all who set some up hear that one went away. */
  async function close(tx: Tx, chatId: number): Promise<void> {
    await store.updateChat(tx, chatId, { deletedAt: now() });
    await live.publish(tx, [{ topic: 'company', what: 'chats' }]);
  }

  async function say(tx: Tx, chatId: number, message: SystemMessage): Promise<void> {
    await store.insertMessages(tx, [{
      chatId, authorId: null, kind: 'system', heading: '', body: systemBody(message), itemId: null,
      fileIds: [], mentionIds: [], replyToId: null, runId: null,
    }], now());
  }

  /** Distinct working people of the ids and departments named; whoever cannot be added is an error, not a silence. */
  async function expandPeople(q: Queryable, { employeeIds, departmentIds }: { employeeIds: readonly number[]; departmentIds: readonly number[] }): Promise<number[]> {
    const directory = await people.directory(q);
    const found = new Set<number>();
    for (const id of employeeIds) {
      const employee = directory.employee(id);
      if (!employee) throw notFound('employee', id);
      if (employee.dismissedAt) throw new UserError('chat.member_dismissed', { name: fullName(employee) });
      found.add(id);
    }
    for (const id of departmentIds) {
      if (!directory.department(id)) throw notFound('department', id);
      for (const employeeId of directory.departmentEmployees(id, true)) found.add(employeeId);
    }
    return [...found];
  }

  async function ensurePrivate(tx: Tx, pairs: readonly (readonly [number, number])[]): Promise<Map<string, number>> {
    const keys = [...new Set(pairs.map(([a, b]) => store.privateKey(a, b)))];
    const found = await store.findPrivateIds(tx, keys);
    const missing = keys.filter((key) => !found.has(key));
    if (missing.length === 0) return found;
    const ids = await store.nextIds(tx, missing.length);
    const createdAt = now();
    const chats = missing.map((key, i) => ({
      id: ids[i]!, kind: 'private' as const, title: '', ownerId: null, privateKey: key, itemId: null, runId: null, createdAt,
    }));
    const inserted = new Set(await store.insertChats(tx, chats));
    const members: store.NewMember[] = [];
    for (const chat of chats) {
      if (!inserted.has(chat.id)) continue;
      found.set(chat.privateKey, chat.id);
      for (const employeeId of new Set(chat.privateKey.split(':').map(Number))) {
        members.push({ chatId: chat.id, employeeId, role: 'member', joinedAt: createdAt, historyAfterId: 0 });
      }
    }
    await store.insertMembers(tx, members);
    if (inserted.size < chats.length) {
      // Another transaction was first; our insert has waited for its commit, so it is there now.
      for (const [key, id] of await store.findPrivateIds(tx, missing)) found.set(key, id);
    }
    return found;
  }

  /** A chat is told as one thing: its last message, and how many more there are. */
  push.registerSource('chat', 'chats', async (q, { employeeId, language }, { subjectId: chatId, since }) => {
    const [chat, rows, directory] = await Promise.all([
      store.findVisible(q, chatId, employeeId), store.listUnreadSince(q, employeeId, chatId, since), people.directory(q),
    ]);
    const [last] = rows;
    if (!chat?.membership || chat.membership.mutedAt || !last) return [];
    const author = last.authorId === null ? undefined : directory.employee(last.authorId);
    const name = author ? fullName(author) : text(language, 'push.system');
    const title = chat.kind === 'private' ? name : chat.title;
    const said = [last.heading, bbcodeToText(last.body)].filter(Boolean).join('. ').replace(/\s+/g, ' ').trim().slice(0, pushLength)
      || text(language, 'push.files', { count: last.fileIds.length });
    return [{
      title: rows.length > 1 ? text(language, 'push.chat.more', { title, count: rows.length }) : title,
      body: chat.kind === 'private' ? said : `${name}: ${said}`,
      tag: `chat-${chatId}`,
      path: `/messenger/${chatId}`,
    }];
  });

  /** Devices of everybody who follows these chats, besides who wrote. */
  function pushesTo(members: readonly { chatId: number; employeeId: number; mutedAt: Date | null }[], authorIds: ReadonlySet<number | null> = new Set()) {
    return members.flatMap(({ chatId, employeeId, mutedAt }) => (mutedAt || (authorIds.size === 1 && authorIds.has(employeeId)) ? [] : [{ employeeId, kind: 'chat', subjectId: chatId }]));
  }

  /**
   * Robots' messages: asks whom to tell, and answers with what writes them, in the order given; that sends
   * all it has at once and answers with their ids. The author need not be a member. Write last of all: from there
   * on the chats are held.
   */
  async function prepareMessages(tx: Tx, rows: readonly MessageToInsert[]): Promise<() => Promise<number[]>> {
    // Whoever is added in the same transaction has been by now.
    const members = await store.membersOf(tx, [...new Set(rows.map((row) => row.chatId))]);
    return async () => {
      const [ids] = await Promise.all([
        store.insertMessages(tx, rows.map((row) => ({
          ...row, heading: row.heading ?? '', fileIds: [], mentionIds: mentionsIn(row.kind === 'system' ? '' : row.body), replyToId: null,
        })), now()),
        push.queue(tx, pushesTo(members)),
      ]);
      await live.publish(tx, [
        ...rows.map((row, i): Hint => ({ topic: `chat:${row.chatId}`, what: 'messages', id: ids[i] })),
        ...members.map(({ chatId, employeeId }): Hint => ({ topic: `employee:${employeeId}`, what: 'chats', id: chatId })),
      ]);
      return ids;
    };
  }

  /** Search finds a message at any moment: before this has come to it, by reading it. */
  async function indexWords(): Promise<Round> {
    const worked = await db.transaction(async (tx) => {
      const rows = await store.takeUnindexed(tx, indexedAtOnce);
      await store.saveWords(tx, rows.map((row) => ({ chatId: row.chatId, id: row.id, words: [chatWord(row.chatId), ...wordsOfMessage(row)] })));
      return rows.length;
    }, { asyncCommit: true });
    return { worked, hasMore: false, nextDueAt: worked < indexedAtOnce ? null : new Date(now().getTime() + indexPauseMs) };
  }
  jobs.add({ name: 'message-words', lanes: 1, pollMs: 2000, work: indexWords });

  // Group chats alone: what two people said to each other stays between them.
  people.registerUse({
    kind: 'chats',
    async find(q, employeeId) {
      const groups = await store.groupsOf(q, employeeId);
      return { count: groups.length, names: groups.slice(0, 5).map((group) => group.title) };
    },
    async replace(tx, actor, from, to) {
      const groups = await store.groupsOf(tx, from);
      const joinedAt = now();
      // They see of the past what the other saw.
      const added = await store.insertMembers(tx, groups.map((group) => ({ chatId: group.id, employeeId: to, role: group.role, joinedAt, historyAfterId: group.historyAfterId })));
      const newIn = new Set(added.map((one) => one.chatId));
      for (const group of groups) {
        if (group.role === 'owner') {
          await store.setRole(tx, group.id, from, 'manager');
          await store.setRole(tx, group.id, to, 'owner');
          await store.updateChat(tx, group.id, { ownerId: to });
        }
        if (newIn.has(group.id)) await say(tx, group.id, { code: 'members_added', actorId: actor.employeeId, employeeIds: [to] });
        if (group.role === 'owner') await say(tx, group.id, { code: 'owner_changed', actorId: actor.employeeId, employeeIds: [to] });
      }
      await tell(tx, groups.flatMap(({ id }) => [{ chatId: id, what: 'members' }, { chatId: id, what: 'messages' }]));
      return groups.length;
    },
  });
  live.registerTopic('chat', async (watcher, chatId) => (await store.findVisible(db, chatId, watcher.employeeId)) !== undefined);
  drive.registerTarget('message', async (actor, messageId) => (await store.findChatOf(db, messageId, actor.employeeId)) !== undefined);

  return {
    // ——— For people

    /** Creates a group, or finds or creates the private chat. */
    async create(actor: Actor, input: ChatCreate): Promise<ChatView> {
      const me = actor.employeeId;
      const chatId = await db.transaction(async (tx) => {
        if (input.kind === 'private') {
          await expandPeople(tx, { employeeIds: [input.employeeId], departmentIds: [] });
          const id = (await ensurePrivate(tx, [[me, input.employeeId]])).get(store.privateKey(me, input.employeeId));
          if (id === undefined) throw new Error('The private chat was neither found nor made.');
          await live.publish(tx, [{ topic: `employee:${me}`, what: 'chats', id }]);
          return id;
        }
        const others = (await expandPeople(tx, { employeeIds: input.memberIds, departmentIds: input.departmentIds })).filter((id) => id !== me);
        if (others.length === 0) throw new UserError('chat.too_few_members', {}, 'memberIds');
        const [id] = await store.nextIds(tx, 1);
        if (id === undefined) throw new Error('The sequence of chats gave no id.');
        const joinedAt = now();
        await store.insertChats(tx, [{
          id, kind: input.kind, title: input.title, ownerId: me, privateKey: null, itemId: input.itemId ?? null, runId: null, createdAt: joinedAt,
        }]);
        await store.insertMembers(tx, [
          { chatId: id, employeeId: me, role: 'owner', joinedAt, historyAfterId: 0 },
          ...others.map((employeeId) => ({ chatId: id, employeeId, role: 'member' as const, joinedAt, historyAfterId: 0 })),
        ]);
        await say(tx, id, { code: 'created', actorId: me, employeeIds: [] });
        await tell(tx, [{ chatId: id, what: 'members' }]);
        return id;
      });
      return this.find(actor, chatId);
    },

    async find(actor: Actor, chatId: number): Promise<ChatView> {
      const [chat, memberCount] = await Promise.all([visible(db, actor, chatId), store.countMembers(db, chatId)]);
      return { ...view(chat, actor.employeeId), memberCount };
    },

    async list(
      actor: Actor,
      { scope, search, onlyUnread, cursor, limit }: { scope: 'mine' | 'open'; search?: string; onlyUnread?: boolean; cursor?: string; limit: number },
    ): Promise<{ items: ListedChat[]; nextCursor: string | null }> {
      const me = actor.employeeId;
      const from = decodeCursor(cursor);
      if (scope === 'open') {
        const rows = await store.listOpen(db, me, { search, cursor: from, limit: limit + 1 });
        const items = rows.slice(0, limit).map(({ role, joinedAt, historyAfterId, readUpToId, mutedAt, pinnedAt, ...row }): ListedChat => ({
          ...view({
            ...row,
            membership: role !== null && joinedAt !== null && historyAfterId !== null && readUpToId !== null
              ? { role, joinedAt, historyAfterId, readUpToId, mutedAt, pinnedAt } : null,
          }, me),
          unreadCount: 0, isMentioned: false, activityAt: row.createdAt, lastMessage: null,
        }));
        const last = items.at(-1);
        return { items, nextCursor: rows.length > limit && last ? encodeCursor(false, last.createdAt, last.id) : null };
      }
      const partnerIds = search ? await people.directory(db).then((directory) => {
        const wanted = search.toLocaleLowerCase();
        return directory.employees.filter((e) => fullName(e).toLocaleLowerCase().includes(wanted)).map((e) => e.id);
      }) : [];
      const rows = await store.listMine(db, me, { search, partnerIds, onlyUnread: onlyUnread ?? false, cursor: from, limit: limit + 1 });
      const items = rows.slice(0, limit).map((row): ListedChat => ({
        ...view({
          id: row.id, kind: row.kind, title: row.title, ownerId: row.ownerId, privateKey: row.privateKey, itemId: row.itemId, runId: row.runId,
          createdAt: row.createdAt, membership: row,
        }, me),
        unreadCount: row.unreadCount,
        isMentioned: row.isMentioned,
        activityAt: row.activityAt,
        lastMessage: row.lastId === null || row.lastKind === null || row.lastCreatedAt === null ? null : {
          id: row.lastId, authorId: row.lastAuthorId, kind: row.lastKind, heading: row.lastHeading ?? '',
          body: row.lastKind === 'system' ? '' : (row.lastBody ?? ''),
          system: row.lastKind === 'system' ? parseSystem(row.lastBody ?? '') : null,
          fileCount: row.lastFileCount ?? 0, createdAt: row.lastCreatedAt,
        },
      }));
      const last = items.at(-1);
      return { items, nextCursor: rows.length > limit && last ? encodeCursor(last.membership?.isPinned ?? false, last.activityAt, last.id) : null };
    },

    countUnread: async (actor: Actor): Promise<{ unreadChats: number }> => ({ unreadChats: await store.countUnreadChats(db, actor.employeeId) }),

    async change(actor: Actor, chatId: number, change: ChatChange): Promise<ChatView> {
      await db.transaction(async (tx) => {
        const chat = await lockedGroupAsMember(tx, actor, chatId, 'manager');
        await store.updateChat(tx, chatId, change);
        if (change.title !== undefined && change.title !== chat.title) {
          await say(tx, chatId, { code: 'renamed', actorId: actor.employeeId, employeeIds: [], title: change.title });
        }
        if (change.kind !== undefined && change.kind !== chat.kind) {
          await say(tx, chatId, { code: change.kind === 'open' ? 'opened' : 'closed', actorId: actor.employeeId, employeeIds: [] });
        }
        // 'members' also where only the kind changed: who watches without being a member is asked again.
        await tell(tx, [{ chatId, what: 'members' }, { chatId, what: 'messages' }]);
      });
      return this.find(actor, chatId);
    },

    async remove(actor: Actor, chatId: number): Promise<void> {
      await db.transaction(async (tx) => {
        await lockedGroupAsMember(tx, actor, chatId, 'owner');
        await close(tx, chatId);
        await tell(tx, [{ chatId, what: 'members' }]);
      });
    },

    async members(actor: Actor, chatId: number, { cursor, limit }: { cursor: number; limit: number }) {
      await visible(db, actor, chatId);
      const rows = await store.listMembers(db, chatId, cursor, limit + 1);
      const items = rows.slice(0, limit);
      return { items, nextCursor: rows.length > limit ? String(items.at(-1)?.employeeId) : null };
    },

    /** Any member may add people; with the history, they see as much of it as he does. Returns who is new. */
    async addMembers(
      actor: Actor,
      chatId: number,
      { employeeIds, departmentIds, showsHistory }: { employeeIds: readonly number[]; departmentIds: readonly number[]; showsHistory: boolean },
    ): Promise<number[]> {
      return db.transaction(async (tx) => {
        const chat = await lockedGroupAsMember(tx, actor, chatId, 'member');
        const ids = await expandPeople(tx, { employeeIds, departmentIds });
        const joinedAt = now();
        const historyAfterId = showsHistory ? chat.membership.historyAfterId : null;
        const added = await store.insertMembers(tx, ids.map((employeeId) => ({ chatId, employeeId, role: 'member', joinedAt, historyAfterId })));
        const addedIds = added.map((row) => row.employeeId).sort((a, b) => a - b);
        if (addedIds.length > 0) {
          await say(tx, chatId, { code: 'members_added', actorId: actor.employeeId, employeeIds: addedIds });
          await tell(tx, [{ chatId, what: 'members' }, { chatId, what: 'messages' }]);
        }
        return addedIds;
      });
    },

    /** The owner gives out roles; giving away 'owner' makes him a manager. */
    async changeMember(actor: Actor, chatId: number, employeeId: number, role: MemberRole): Promise<void> {
      await db.transaction(async (tx) => {
        const chat = await lockedGroupAsMember(tx, actor, chatId, 'owner');
        if (!(await store.findRole(tx, chatId, employeeId))) throw notFound('employee', employeeId);
        if (employeeId === actor.employeeId) {
          if (role !== 'owner') throw new UserError('chat.owner_stays', { title: chat.title });
          return;
        }
        await store.setRole(tx, chatId, employeeId, role);
        if (role === 'owner') {
          await store.setRole(tx, chatId, actor.employeeId, 'manager');
          await store.updateChat(tx, chatId, { ownerId: employeeId });
          await say(tx, chatId, { code: 'owner_changed', actorId: actor.employeeId, employeeIds: [employeeId] });
        }
        await tell(tx, [{ chatId, what: 'members' }, { chatId, what: 'messages' }]);
      });
    },

    /** The owner removes anybody else, a manager removes members. */
    async removeMember(actor: Actor, chatId: number, employeeId: number): Promise<void> {
      if (employeeId === actor.employeeId) return this.leave(actor, chatId);
      await db.transaction(async (tx) => {
        const chat = await lockedGroupAsMember(tx, actor, chatId, 'manager');
        const role = await store.findRole(tx, chatId, employeeId);
        if (!role) throw notFound('employee', employeeId);
        if (role === 'owner') throw new UserError('chat.owner_stays', { title: chat.title });
        if (role === 'manager' && chat.membership.role !== 'owner') throw new UserError('chat.not_owner', { title: chat.title });
        await store.deleteMembers(tx, chatId, [employeeId]);
        await say(tx, chatId, { code: 'members_removed', actorId: actor.employeeId, employeeIds: [employeeId] });
        await tell(tx, [{ chatId, what: 'members' }, { chatId, what: 'messages' }], [employeeId]);
      });
    },

    /** Joins an open group, with its whole history. For a member nothing happens. */
    async join(actor: Actor, chatId: number): Promise<ChatView> {
      await db.transaction(async (tx) => {
        const chat = await lockedGroup(tx, actor, chatId);
        if (chat.membership) return;
        await store.insertMembers(tx, [{ chatId, employeeId: actor.employeeId, role: 'member', joinedAt: now(), historyAfterId: 0 }]);
        await say(tx, chatId, { code: 'member_joined', actorId: actor.employeeId, employeeIds: [] });
        await tell(tx, [{ chatId, what: 'members' }, { chatId, what: 'messages' }]);
      });
      return this.find(actor, chatId);
    },

    /** Leaving, the owner hands the chat over; the last one closes it. */
    async leave(actor: Actor, chatId: number): Promise<void> {
      const me = actor.employeeId;
      await db.transaction(async (tx) => {
        const chat = await lockedGroupAsMember(tx, actor, chatId, 'member');
        const heir = await store.findHeir(tx, chatId, me);
        await store.deleteMembers(tx, chatId, [me]);
        if (heir === undefined) {
          await close(tx, chatId);
        } else {
          await say(tx, chatId, { code: 'member_left', actorId: me, employeeIds: [] });
          if (chat.membership.role === 'owner') {
            await store.setRole(tx, chatId, heir, 'owner');
            await store.updateChat(tx, chatId, { ownerId: heir });
          }
        }
        await tell(tx, [{ chatId, what: 'members' }, { chatId, what: 'messages' }], [me]);
      });
    },

    /** Pins or mutes for oneself. */
    async changeOwn(actor: Actor, chatId: number, { isPinned, isMuted }: { isPinned?: boolean; isMuted?: boolean }): Promise<void> {
      await db.transaction(async (tx) => {
        await asMember(tx, actor, chatId);
        await store.setOwnFlags(tx, chatId, actor.employeeId, {
          ...(isPinned === undefined ? {} : { pinnedAt: isPinned ? now() : null }),
          ...(isMuted === undefined ? {} : { mutedAt: isMuted ? now() : null }),
        });
        await live.publish(tx, [{ topic: `employee:${actor.employeeId}`, what: 'chats', id: chatId }]);
      });
    },

    /** Read marks only move forward. */
    async markRead(actor: Actor, chatId: number, upToId: number): Promise<void> {
      await db.transaction(async (tx) => {
        await asMember(tx, actor, chatId);
        if (!(await store.markRead(tx, chatId, actor.employeeId, upToId))) return;
        await live.publish(tx, [
          { topic: `employee:${actor.employeeId}`, what: 'chats', id: chatId },
          { topic: `chat:${chatId}`, what: 'read', id: actor.employeeId },
        ]);
      });
    },

    /** Oldest first; see the contract for the cursors. */
    async messages(actor: Actor, chatId: number, query: MessagesQuery): Promise<{ items: Message[]; before: number | null; after: number | null }> {
      const { membership } = await visible(db, actor, chatId);
      const historyAfterId = membership?.historyAfterId ?? 0;
      const { limit, search, before, after, around } = query;
      const range = (size: number): store.MessageRange => ({ chatId, historyAfterId, search, limit: size });
      let older: store.MessageRow[] = [];
      let newer: store.MessageRow[] = [];
      let hasOlder: boolean;
      let hasNewer: boolean;
      if (around !== undefined) {
        const half = Math.ceil(limit / 2);
        [older, newer] = await Promise.all([
          store.listMessagesBefore(db, range(half + 1), around),
          store.listMessagesFrom(db, range(half + 1), around),
        ]);
        hasOlder = older.length > half;
        hasNewer = newer.length > half;
        older = older.slice(0, half).reverse();
        newer = newer.slice(0, half);
      } else if (after !== undefined) {
        newer = await store.listMessagesFrom(db, range(limit + 1), after + 1);
        hasNewer = newer.length > limit;
        newer = newer.slice(0, limit);
        hasOlder = true;
      } else {
        older = await store.listMessagesBefore(db, range(limit + 1), before ?? null);
        hasOlder = older.length > limit;
        older = older.slice(0, limit).reverse();
        hasNewer = before !== undefined;
      }
      const rows = [...older, ...newer];
      return {
        items: await present(db, actor.employeeId, chatId, rows, historyAfterId),
        before: hasOlder ? (rows[0]?.id ?? null) : null,
        after: hasNewer ? (rows.at(-1)?.id ?? null) : null,
      };
    },

    /** Sent again under the same `clientId`, it is the message that is there. */
    async send(actor: Actor, chatId: number, input: MessageCreate): Promise<Message> {
      const me = actor.employeeId;
      return db.transaction(async (tx) => {
        const chat = await asMember(tx, actor, chatId);
        const { historyAfterId } = chat.membership;
        const shown = async (row: store.MessageRow | undefined): Promise<Message> => {
          const [message] = row ? await present(tx, me, chatId, [row], historyAfterId) : [];
          if (!message) throw new Error('The message was not found after writing.');
          return message;
        };
        if (input.clientId !== undefined) {
          // Held first: two tries under way at once come one after the other.
          const [, known] = await Promise.all([store.lockChats(tx, [chatId]), store.findByClientId(tx, chatId, me, input.clientId)]);
          if (known) return shown(known);
        }
        if (chat.kind === 'private') {
          const partner = (await people.directory(tx)).employee(partnerOf(chat.privateKey, me) ?? 0);
          if (partner?.dismissedAt) throw new UserError('chat.partner_dismissed', { name: fullName(partner) });
        }
        const heading = input.kind === 'announcement' ? input.heading : '';
        if (input.body === '' && heading === '' && input.fileIds.length === 0) throw new UserError('chat.message_empty', {}, 'body');
        if (input.replyToId !== undefined) {
          const [replied] = input.replyToId > historyAfterId ? await store.findMessages(tx, chatId, [input.replyToId]) : [];
          if (!replied || replied.deletedAt) throw notFound('message', input.replyToId);
        }
        const fileIds = [...new Set(input.fileIds)];
        const mentioned = mentionsIn(input.body);
        const [id] = await store.insertMessages(tx, [{
          chatId, authorId: me, kind: input.kind, heading, body: input.body, itemId: input.itemId ?? null, fileIds,
          mentionIds: mentioned.length > 0 ? await store.whichAreMembers(tx, chatId, mentioned) : [],
          replyToId: input.replyToId ?? null, runId: null, clientId: input.clientId,
        }], now());
        if (id === undefined) throw new Error('The message was not written.');
        if (fileIds.length > 0) await drive.attach(tx, { actor, fileIds, targetKind: 'message', targetId: id });
        const [, , [row]] = await Promise.all([
          store.markRead(tx, chatId, me, id),
          tell(tx, [{ chatId, what: 'messages', id }]).then((members) => push.queue(tx, pushesTo(members, new Set([me])))),
          store.findMessages(tx, chatId, [id]),
        ]);
        return shown(row);
      });
    },

    /** Where a message stands that the person sees: for callers who know the message alone. */
    async chatOf(actor: Actor, messageId: number): Promise<number> {
      const chatId = await store.findChatOf(db, messageId, actor.employeeId);
      if (chatId === undefined) throw notFound('message', messageId);
      return chatId;
    },

    /** Shows those who look at the chat that a member is writing, as his browser does by itself. */
    async typing(actor: Actor, chatId: number): Promise<void> {
      await db.transaction(async (tx) => {
        await asMember(tx, actor, chatId);
        await live.publish(tx, [{ topic: `chat:${chatId}`, what: 'typing', id: actor.employeeId }]);
      });
    },

    /** Over all chats of the person, newest first. */
    async search(actor: Actor, { search, before, limit }: { search: string; before?: number; limit: number }) {
      const words = wordsOf(search);
      const rows = await store.searchMessages(db, actor.employeeId, { search, words, isIndexed: areTelling(words), before, limit: limit + 1 });
      const items = rows.slice(0, limit).map(({ chatKind: kind, title, privateKey: key, ...row }) => ({
        ...row, chat: { kind, title, partnerId: partnerOf(key, actor.employeeId) },
      }));
      return { items, before: rows.length > limit ? (items.at(-1)?.id ?? null) : null };
    },

    /** Any member; reacting twice the same way is reacting once. */
    async react(actor: Actor, chatId: number, messageId: number, reaction: MessageReaction, isOn: boolean): Promise<void> {
      await db.transaction(async (tx) => {
        const { membership } = await asMember(tx, actor, chatId);
        const [message] = messageId > membership.historyAfterId ? await store.findMessages(tx, chatId, [messageId]) : [];
        if (!message || message.deletedAt || message.kind === 'system') throw notFound('message', messageId);
        const row = { chatId, messageId, employeeId: actor.employeeId, reaction };
        const hasChanged = isOn ? await store.insertReaction(tx, { ...row, createdAt: now() }) : await store.deleteReaction(tx, row);
        if (hasChanged) await live.publish(tx, [{ topic: `chat:${chatId}`, what: 'messages', id: messageId }]);
      });
    },

    /** Kept on top of the chat, the newest message first. */
    async pinned(actor: Actor, chatId: number): Promise<{ items: Message[] }> {
      const { membership } = await visible(db, actor, chatId);
      const historyAfterId = membership?.historyAfterId ?? 0;
      return { items: await present(db, actor.employeeId, chatId, await store.listPinned(db, chatId, historyAfterId), historyAfterId) };
    },

    /** Any member; pinning twice is pinning once, and only the first time is said in the chat. */
    async pin(actor: Actor, chatId: number, messageId: number, isOn: boolean): Promise<void> {
      await db.transaction(async (tx) => {
        const { membership } = await asMember(tx, actor, chatId);
        // Two that pin at once do not get past the limit together.
        await store.lockChats(tx, [chatId]);
        const [message] = messageId > membership.historyAfterId ? await store.findMessages(tx, chatId, [messageId]) : [];
        if (!message || message.deletedAt || message.kind === 'system') throw notFound('message', messageId);
        if (!isOn) {
          if (await store.deletePin(tx, chatId, messageId)) await live.publish(tx, [{ topic: `chat:${chatId}`, what: 'pins' }]);
          return;
        }
        if (!(await store.insertPin(tx, { chatId, messageId, employeeId: actor.employeeId, createdAt: now() }))) return;
        if ((await store.countPins(tx, chatId)) > maxPins) throw new UserError('chat.too_many_pins', { max: maxPins });
        await say(tx, chatId, { code: 'message_pinned', actorId: actor.employeeId, employeeIds: [], messageId });
        await tell(tx, [{ chatId, what: 'messages' }, { chatId, what: 'pins' }]);
      });
    },

    /** Only one's own; never what a robot wrote in one's name. */
    async editMessage(actor: Actor, chatId: number, messageId: number, change: { heading?: string; body: string }): Promise<Message> {
      return db.transaction(async (tx) => {
        const chat = await asMember(tx, actor, chatId);
        const { historyAfterId } = chat.membership;
        const [old] = messageId > historyAfterId ? await store.findMessages(tx, chatId, [messageId]) : [];
        if (!old || old.deletedAt) throw notFound('message', messageId);
        if (old.runId !== null) throw new UserError('chat.message_of_robot');
        if (old.authorId !== actor.employeeId) throw new UserError('chat.message_not_yours');
        const heading = old.kind === 'announcement' ? (change.heading ?? old.heading) : '';
        if (change.body === '' && heading === '' && old.fileIds.length === 0) throw new UserError('chat.message_empty', {}, 'body');
        const mentioned = mentionsIn(change.body);
        await store.updateMessage(tx, chatId, messageId, {
          heading, body: change.body, editedAt: now(),
          mentionIds: mentioned.length > 0 ? await store.whichAreMembers(tx, chatId, mentioned) : [],
        });
        await tell(tx, [{ chatId, what: 'messages', id: messageId }]);
        const [message] = await present(tx, actor.employeeId, chatId, await store.findMessages(tx, chatId, [messageId]), historyAfterId);
        if (!message) throw notFound('message', messageId);
        return message;
      });
    },

    /** One's own (also what a robot wrote in one's name); in groups also the owner and managers. Twice is once. */
    async deleteMessage(actor: Actor, chatId: number, messageId: number): Promise<void> {
      await db.transaction(async (tx) => {
        const chat = await asMember(tx, actor, chatId);
        const [old] = messageId > chat.membership.historyAfterId ? await store.findMessages(tx, chatId, [messageId]) : [];
        if (!old) throw notFound('message', messageId);
        if (old.deletedAt) return;
        const mayDelete = old.kind !== 'system' && (old.authorId === actor.employeeId || (chat.kind !== 'private' && chat.membership.role !== 'member'));
        if (!mayDelete) throw new UserError('chat.message_not_yours');
        await store.updateMessage(tx, chatId, messageId, { deletedAt: now() });
        const wasPinned = await store.deletePin(tx, chatId, messageId);
        await tell(tx, [{ chatId, what: 'messages', id: messageId }, ...(wasPinned ? [{ chatId, what: 'pins' }] : [])]);
      });
    },

    // ——— For robots: sets of rows, in the transaction given. Order of the flush: chats, members, messages.

    /** Ids of chats to be inserted: a robot's result before its rows are written. Not given back on rollback. */
    reserveIds: (tx: Tx, count: number): Promise<number[]> => store.nextIds(tx, count),
    /** Whether this person sees a message, or is in a chat, of the run. */
    hasTold: (q: Queryable, runId: number, employeeId: number): Promise<boolean> => store.hasTold(q, runId, employeeId),

    async insertChats(tx: Tx, rows: readonly RobotChatToInsert[]): Promise<void> {
      const createdAt = now();
      await store.insertChats(tx, rows.map((row) => ({ ...row, privateKey: null, createdAt })));
    },

    /** Who is a member already stays as he is. Returns the pairs that are new. */
    async insertMembers(tx: Tx, rows: readonly MemberToInsert[]): Promise<{ chatId: number; employeeId: number }[]> {
      const joinedAt = now();
      const added = await store.insertMembers(tx, rows.map((row) => ({ ...row, role: row.role ?? 'member', joinedAt })));
      await tell(tx, [...new Set(added.map((row) => row.chatId))].map((chatId) => ({ chatId, what: 'members' })));
      return added;
    },

    insertMessages: async (tx: Tx, rows: readonly MessageToInsert[]): Promise<number[]> => (await prepareMessages(tx, rows))(),

    prepareMessages,

    /** The private chats there are: key 'smaller id:larger id' → chat id. */
    findPrivate: (tx: Queryable, pairs: readonly (readonly [number, number])[]): Promise<Map<string, number>> =>
      store.findPrivateIds(tx, [...new Set(pairs.map(([a, b]) => store.privateKey(a, b)))]),

    /** The same, making those that are missing, with their members. Safe beside others who make the same ones. */
    ensurePrivate,

    /** What robots must know before writing to a chat; absent from the map: there is no such chat. Deleted ones are there. */
    async forRobots(tx: Queryable, chatIds: readonly number[]): Promise<Map<number, store.RobotChatRow>> {
      if (chatIds.length === 0) return new Map();
      const rows = await store.findForRobots(tx, [...new Set(chatIds)]);
      return new Map(rows.map((row) => [row.id, row]));
    },

    /** For the chat picker of a robot's settings: closed groups the person is in. */
    searchClosedGroups: (actor: Actor, search: string, limit: number) => store.findClosedGroups(db, actor.employeeId, search, limit),
  };
}

export type Chat = ReturnType<typeof createChat>;
