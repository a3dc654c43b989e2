/** HTTP contract of the messenger: chats, members, messages. */
import { z } from 'zod';

// A NUL is not text: PostgreSQL refuses it, so it is dropped at the edge.
const withoutNul = (value: string): string => value.replaceAll('\u0000', '');
const text = (max: number) => z.string().overwrite(withoutNul).trim().max(max);
const id = z.int().positive();
const queryId = z.coerce.number().pipe(id);
const moment = z.date();

export const chatKind = z.enum(['private', 'closed', 'open']);
export type ChatKind = z.output<typeof chatKind>;
export const memberRole = z.enum(['owner', 'manager', 'member']);
export type MemberRole = z.output<typeof memberRole>;

export const messageKind = z.enum(['plain', 'announcement', 'notice', 'important', 'alarm', 'system']);
export type MessageKind = z.output<typeof messageKind>;

export const messageReaction = z.enum(['like', 'heart', 'laugh', 'celebrate', 'surprise', 'sad', 'fire', 'done']);
export type MessageReaction = z.output<typeof messageReaction>;

/** Body of a message of kind 'system': drawn in the reader's language from `chat.system.<code>`. */
export const systemMessage = z.object({
  code: z.enum(['created', 'members_added', 'members_removed', 'member_left', 'member_joined', 'renamed', 'owner_changed', 'opened', 'closed', 'message_pinned']),
  /** Who did it; null: a robot. */
  actorId: id.nullable(),
  employeeIds: z.array(id).default([]),
  title: z.string().optional(),
  /** Of 'message_pinned': which one. Its text is not here: not every member may see it. */
  messageId: id.optional(),
});
export type SystemMessage = z.output<typeof systemMessage>;

export const chatParams = z.object({ id: queryId });
export const chatMemberParams = z.object({ id: queryId, employeeId: queryId });
export const chatMessageParams = z.object({ id: queryId, messageId: queryId });

export const messageReactionParams = z.object({ id: queryId, messageId: queryId, reaction: messageReaction });

export const messageFile = z.object({ id, name: z.string(), sizeBytes: z.number(), mediaType: z.string() });

export const message = z.object({
  id,
  chatId: id,
  /** null: the system. */
  authorId: id.nullable(),
  kind: messageKind,
  heading: z.string(),
  /** BBCode; '' when deleted or of kind 'system'. */
  body: z.string(),
  system: systemMessage.nullable(),
  /** The record the message is about; opening it checks access by itself. */
  itemId: id.nullable(),
  files: z.array(messageFile),
  mentionIds: z.array(id),
  /** What it answers; authorId and body (the beginning) are null when that is deleted or hidden from the reader. */
  replyTo: z.object({ id, authorId: id.nullable(), body: z.string().nullable() }).nullable(),
  /** The first to react comes first; `employeeIds` are those who did, cut after twenty. */
  reactions: z.array(z.object({ reaction: messageReaction, count: z.int(), isMine: z.boolean(), employeeIds: z.array(id) })),
  /** The run of the robot that wrote it, in the author's name; null: the author himself. */
  runId: id.nullable(),
  /** What its author's program called it; told to nobody else. */
  clientId: z.string().nullable(),
  createdAt: moment,
  editedAt: moment.nullable(),
  deletedAt: moment.nullable(),
});
export type Message = z.output<typeof message>;

export const chatMembership = z.object({
  role: memberRole,
  readUpToId: z.int(),
  /** Messages up to this one are hidden from the member. */
  historyAfterId: z.int(),
  isPinned: z.boolean(),
  isMuted: z.boolean(),
});

export const chat = z.object({
  id,
  kind: chatKind,
  /** '' for a private chat: show the partner's name. */
  title: z.string(),
  /** The other one in a private chat; oneself in the notes to oneself; null in groups. */
  partnerId: id.nullable(),
  ownerId: id.nullable(),
  itemId: id.nullable(),
  /** The run that created the chat; null: a person did. */
  runId: id.nullable(),
  createdAt: moment,
  memberCount: z.int(),
  /** null: not a member (of an open chat). */
  membership: chatMembership.nullable(),
});
export type Chat = z.output<typeof chat>;

export const chatListQuery = z.object({
  /** mine: where I am a member, newest activity first, pinned on top. open: open groups to join. */
  scope: z.enum(['mine', 'open']).default('mine'),
  search: text(255).optional(),
  onlyUnread: z.stringbool().optional(),
  cursor: z.string().max(200).optional(),
  limit: z.coerce.number().int().min(1).max(100).default(50),
});

export const chatListItem = chat.omit({ memberCount: true }).extend({
  /** Counted up to 100: show more than 99 as "99+". */
  unreadCount: z.int(),
  /** Somebody mentioned me in a message I have not read. */
  isMentioned: z.boolean(),
  activityAt: moment,
  lastMessage: z.object({
    id,
    authorId: id.nullable(),
    kind: messageKind,
    heading: z.string(),
    /** The beginning. */
    body: z.string(),
    system: systemMessage.nullable(),
    fileCount: z.int(),
    createdAt: moment,
  }).nullable(),
});
export const chatList = z.object({ items: z.array(chatListItem), nextCursor: z.string().nullable() });

/** Chats with something unread, without the muted ones. */
export const chatCounters = z.object({ unreadChats: z.int() });

export const chatCreate = z.discriminatedUnion('kind', [
  /** Returns the chat the two have already, if any. With oneself: notes. */
  z.strictObject({ kind: z.literal('private'), employeeId: id }),
  z.strictObject({
    kind: z.enum(['closed', 'open']),
    title: text(255).min(1),
    /** Besides the creator, who becomes the owner. */
    memberIds: z.array(id).max(10_000).default([]),
    /** Everybody in them and below them, now; who joins the department later is not added. */
    departmentIds: z.array(id).max(1000).default([]),
    itemId: id.optional(),
  }),
]);
export type ChatCreate = z.output<typeof chatCreate>;

export const chatChange = z.strictObject({
  title: text(255).min(1).optional(),
  kind: z.enum(['closed', 'open']).optional(),
});
export type ChatChange = z.output<typeof chatChange>;

export const chatOwnChange = z.strictObject({ isPinned: z.boolean().optional(), isMuted: z.boolean().optional() });

export const chatMember = z.object({ employeeId: id, role: memberRole, joinedAt: moment, readUpToId: z.int() });
export const chatMembersQuery = z.object({
  cursor: z.coerce.number().int().min(0).default(0),
  limit: z.coerce.number().int().min(1).max(1000).default(200),
});
export const chatMembers = z.object({ items: z.array(chatMember), nextCursor: z.string().nullable() });

export const chatMembersAdd = z.strictObject({
  employeeIds: z.array(id).max(10_000).default([]),
  departmentIds: z.array(id).max(1000).default([]),
  /** «Показать историю»: newcomers see what the one who adds them sees; else only what comes from now on. */
  showsHistory: z.boolean().default(false),
});
export const chatMembersAdded = z.object({ addedIds: z.array(id) });
export const chatMemberChange = z.strictObject({ role: memberRole });

export const messagesQuery = z.object({
  /** Older than this message, newer than it, or on both sides of it; none: the newest. */
  before: queryId.optional(),
  after: queryId.optional(),
  around: queryId.optional(),
  search: text(255).min(1).optional(),
  limit: z.coerce.number().int().min(1).max(200).default(50),
});
export type MessagesQuery = z.output<typeof messagesQuery>;
/**
 * Oldest first, which is the order they were written in: within a chat, no message appears below one that
 * could be read before. Whoever has been away asks for those `after` the last he knows. A cursor is null where there is nothing more on that side. */
export const messageList = z.object({ items: z.array(message), before: id.nullable(), after: id.nullable() });

/** What members keep on top of a chat, the newest message first. */
export const pinnedMessages = z.object({ items: z.array(message) });

/** Over all chats of the person, newest first. */
export const foundMessagesQuery = z.object({
  search: text(255).min(1),
  before: queryId.optional(),
  limit: z.coerce.number().int().min(1).max(100).default(30),
});
export const foundMessageList = z.object({
  items: z.array(message.pick({ id: true, chatId: true, authorId: true, kind: true, heading: true, runId: true, createdAt: true }).extend({
    /** The beginning, or what stands around the words found. */
    body: z.string(),
    chat: chat.pick({ kind: true, title: true, partnerId: true }),
  })),
  before: id.nullable(),
});

export const messageCreate = z.strictObject({
  /**
   * Made up by the sender, new for each message. Sending the same one to the same chat again answers with the
   * message that is there: after a lost line nobody has to know whether the first try arrived.
   */
  clientId: z.string().regex(/^[\w-]{8,64}$/).optional(),
  /** The other kinds speak of a record and are the robots'. */
  kind: z.enum(['plain', 'announcement']).default('plain'),
  /** Only of an announcement. */
  heading: text(255).default(''),
  /** BBCode; [user=5]Anna[/user] mentions. */
  body: text(100_000).default(''),
  fileIds: z.array(id).max(100).default([]),
  replyToId: id.optional(),
  itemId: id.optional(),
});
export type MessageCreate = z.output<typeof messageCreate>;

export const messageChange = z.strictObject({ heading: text(255).optional(), body: text(100_000) });
export const readUpTo = z.strictObject({ upToId: id });
