/** HTTP contract of the feed. */
import { z } from 'zod';
import { recipientSource } from './people.ts';

// A NUL is not text: PostgreSQL refuses it, so it is dropped at the edge.
const withoutNul = (value: string): string => value.replaceAll('\u0000', '');
const text = (max: number) => z.string().overwrite(withoutNul).trim().max(max);
const id = z.int().positive();
const queryId = z.coerce.number().pipe(id);

/** Without the '#' people like to type. */
export const tag = z.string().overwrite((value) => withoutNul(value).trim().replace(/^#+/, '').trim()).min(1).max(100);

export const reaction = z.enum(['like', 'thanks', 'celebrate', 'laugh', 'surprise', 'sad']);
export type Reaction = z.output<typeof reaction>;

export const postParams = z.object({ id: queryId });
export const postCommentParams = z.object({ id: queryId, commentId: queryId });
export const postReactionParams = z.object({ id: queryId, reaction });

const file = z.object({ id, name: z.string(), sizeBytes: z.number(), mediaType: z.string() });

export const post = z.object({
  id,
  authorId: id.nullable(),
  title: z.string(),
  /** BBCode. */
  body: z.string(),
  tags: z.array(z.string()),
  files: z.array(file),
  /** What the author chose, for the line "to …". */
  audience: z.array(recipientSource),
  isForEveryone: z.boolean(),
  /** Its readers are asked to say that they have read it. */
  isImportant: z.boolean(),
  /** I have said so. */
  isAcknowledged: z.boolean(),
  acknowledgedCount: z.int(),
  /** On top of my feed; nobody else's. */
  isPinned: z.boolean(),
  itemId: id.nullable(),
  /** The run of the robot that wrote it, in the author's name; null: the author himself. */
  runId: id.nullable(),
  createdAt: z.date(),
  editedAt: z.date().nullable(),
  commentCount: z.int(),
  reactions: z.array(z.object({ reaction, count: z.int(), isMine: z.boolean() })),
});
export type Post = z.output<typeof post>;

export const postsQuery = z.object({
  /** Exactly this tag. */
  tag: tag.optional(),
  search: text(255).optional(),
  authorId: queryId.optional(),
  itemId: queryId.optional(),
  /** true: only those I pinned. */
  isPinned: z.stringbool().optional(),
  isImportant: z.stringbool().optional(),
  cursor: queryId.optional(),
  limit: z.coerce.number().int().min(1).max(100).default(20),
});
export type PostsQuery = z.output<typeof postsQuery>;
/** Newest first. */
export const postList = z.object({ items: z.array(post), nextCursor: z.string().nullable() });

/** What is new since I looked at my feed, counted up to 100; nothing before I looked the first time. */
export const feedCounters = z.object({ unseen: z.int() });
export const feedSeen = z.strictObject({ upToId: id });

/** Sources that speak of an item make sense for robots only. */
const audience = z.array(recipientSource.refine(
  ({ kind }) => kind === 'employee' || kind === 'department' || kind === 'departmentHead' || kind === 'everyone',
  'http.problem.audience',
)).min(1).max(1000);

export const postCreate = z.strictObject({
  title: text(255).default(''),
  body: text(100_000).min(1),
  audience,
  tags: z.array(tag).max(50).default([]),
  fileIds: z.array(id).max(100).default([]),
  isImportant: z.boolean().default(false),
  itemId: id.optional(),
});
export type PostCreate = z.output<typeof postCreate>;

export const postChange = z.strictObject({
  title: text(255).optional(),
  body: text(100_000).min(1).optional(),
  audience: audience.optional(),
  tags: z.array(tag).max(50).optional(),
  fileIds: z.array(id).max(100).optional(),
  isImportant: z.boolean().optional(),
});
export type PostChange = z.output<typeof postChange>;

export const postReadersQuery = z.object({
  cursor: z.coerce.number().int().min(0).default(0),
  limit: z.coerce.number().int().min(1).max(1000).default(200),
});
/** By id; of a post for everyone only the author is listed. */
export const postReaders = z.object({ employeeIds: z.array(id), nextCursor: z.string().nullable() });

/** Of an important post: who has said that he read it, the first first, and how many have not. */
export const postAcknowledgements = z.object({
  items: z.array(z.object({ employeeId: id, at: z.date() })),
  /** Working readers who have not; cut after a thousand. */
  waitingIds: z.array(id),
  waitingCount: z.int(),
});

export const postComment = z.object({
  id,
  postId: id,
  authorId: id.nullable(),
  body: z.string(),
  files: z.array(file),
  createdAt: z.date(),
  editedAt: z.date().nullable(),
});
export type PostComment = z.output<typeof postComment>;
export const postCommentsQuery = z.object({ cursor: queryId.optional(), limit: z.coerce.number().int().min(1).max(200).default(50) });
/** Oldest first. */
export const postCommentList = z.object({ items: z.array(postComment), nextCursor: z.string().nullable() });
export const postCommentCreate = z.strictObject({ body: text(100_000).default(''), fileIds: z.array(id).max(100).default([]) });
export const postCommentChange = z.strictObject({ body: text(100_000) });

export const feedTags = z.object({ tags: z.array(z.object({ tag: z.string(), count: z.int() })) });
