/**
 * Feed: posts, visible to their readers only, with comments, reactions, files and tags.
 *
 * A post's audience (employees, departments, everyone) is expanded to readers when it is written or
 * its audience is changed; who joins a department later does not see older posts. The author is
 * always a reader. A post for everyone is also for those who come later.
 *
 * A post, like a comment, lives: written → edited (by its author; never a robot's) → deleted (by its
 * author or an administrator who sees it; gone for everybody, with its comments and files).
 *
 * A person's feed has a mark: up to which post he has seen it. What came after it, written by others, is new; it is
 * counted, and his devices are told by push.
 *
 * An important post asks its readers to say that they have read it; each says so once, and everybody who
 * sees the post sees who has. What a person pins stands on top of his own feed only.
 *
 * Invariants: nobody else sees anything of a post, administrators included; files of a post and of
 * its comments hang on the post, so its readers may open them; one run writes one post at most.
 *
 * Does not do: choose a robot's readers, fill in texts, ring the bell.
 */
import type { Post, PostChange, PostComment, PostCreate, PostsQuery, Reaction } from '../../../shared/api/feed.ts';
import type { RecipientSource } from '../../../shared/api/people.ts';
import { bbcodeToText } from '../../../shared/bbcode.ts';
import { UserError } from '../../../shared/errors.ts';
import { text } from '../../../shared/messages.ts';
import type { Db, Queryable, Tx } from '../../db/db.ts';
import type { Drive } from '../../drive/drive.ts';
import type { Hint, Live } from '../../live/live.ts';
import { type Actor, expandRecipients, fullName, type People } from '../../people/people.ts';
import type { Push, PushPayload } from '../../push/push.ts';
import * as store from './store.ts';

export interface PostToWrite {
  /** From `reserveIds`, so that a result can name the post before it is written; absent: the next one. */
  id?: number;
  authorId: number | null;
  title: string;
  /** BBCode. */
  body: string;
  tags: readonly string[];
  fileIds: readonly number[];
  /** As saved, for the line "to …". */
  audience: readonly RecipientSource[];
  isForEveryone: boolean;
  isImportant?: boolean;
  /** The audience expanded; ignored when the post is for everyone. The author is added. */
  readerIds: readonly number[];
  itemId: number | null;
  runId: number | null;
}

/** Nothing of an item speaks in a person's post. */
const noItem = { ownerId: null, creatorId: null, observerIds: [], moverId: null, fieldEmployees: () => [] };
const maxTagsListed = 200;
const maxWaitingListed = 1000;
const maxPushed = 100;
const pushLength = 200;
const maxCounted = 100;

export function createFeed({ db, live, people, drive, push, now }: { db: Db; live: Live; people: People; drive: Drive; push: Push; now: () => Date }) {
  const notFound = (kind: 'post' | 'comment' | 'employee' | 'department', id: number) => new UserError('request.not_found', { kind, id });

  async function visible(q: Queryable, actor: Actor, postId: number): Promise<store.PostRow> {
    const post = await store.findVisible(q, actor.employeeId, postId);
    if (!post) throw notFound('post', postId);
    return post;
  }

  async function expandAudience(q: Queryable, audience: readonly RecipientSource[]): Promise<{ isForEveryone: boolean; readerIds: number[] }> {
    const directory = await people.directory(q);
    if (audience.some((source) => source.kind === 'everyone')) return { isForEveryone: true, readerIds: [] };
    const { employeeIds, leftOut } = expandRecipients(directory, audience, noItem);
    for (const { source, reason } of leftOut) {
      if (reason === 'not_found' && source.kind === 'employee') throw notFound('employee', source.id);
      if (reason === 'department_gone' && (source.kind === 'department' || source.kind === 'departmentHead')) throw notFound('department', source.id);
    }
    if (employeeIds.length === 0) throw new UserError('feed.no_readers', {}, 'audience');
    return { isForEveryone: false, readerIds: employeeIds };
  }

  async function present(q: Queryable, actor: Actor, rows: readonly store.PostRow[]): Promise<Post[]> {
    if (rows.length === 0) return [];
    const ids = rows.map((row) => row.id);
    const [files, comments, reactions, marks] = await Promise.all([
      filesById(q, rows),
      store.countComments(q, ids),
      store.countReactions(q, actor.employeeId, ids),
      store.listMarks(q, actor.employeeId, ids),
    ]);
    const marksOf = new Map(marks.map(({ postId, ...mark }) => [postId, mark]));
    const commentCounts = new Map(comments.map(({ postId, count }) => [postId, count]));
    return rows.map(({ fileIds, ...row }) => ({
      ...row,
      ...(marksOf.get(row.id) ?? { isPinned: false, isAcknowledged: false, acknowledgedCount: 0 }),
      files: files(fileIds),
      commentCount: commentCounts.get(row.id) ?? 0,
      reactions: reactions.filter(({ postId }) => postId === row.id).map(({ reaction, count, isMine }) => ({ reaction, count, isMine })),
    }));
  }

  async function filesById(q: Queryable, rows: readonly { fileIds: readonly number[] }[]): Promise<(ids: readonly number[]) => Post['files']> {
    const wanted = [...new Set(rows.flatMap((row) => row.fileIds))];
    const found = new Map((wanted.length > 0 ? await drive.filesByIds(q, wanted) : []).map((file) => [file.id, file]));
    return (ids) => ids.flatMap((id) => {
      const file = found.get(id);
      return file ? [{ id, name: file.name, sizeBytes: file.sizeBytes, mediaType: file.mediaType }] : [];
    });
  }

  async function one(q: Queryable, actor: Actor, postId: number): Promise<Post> {
    const [post] = await present(q, actor, [await visible(q, actor, postId)]);
    if (!post) throw notFound('post', postId);
    return post;
  }

  function hints(postId: number, isForEveryone: boolean, readerIds: readonly number[], what = 'posts'): Hint[] {
    return isForEveryone
      ? [{ topic: 'feed', what, id: postId }]
      : readerIds.map((id): Hint => ({ topic: `employee:${id}`, what, id: postId }));
  }

  async function tellReaders(tx: Tx, post: Pick<store.PostRow, 'id' | 'isForEveryone'>): Promise<void> {
    await live.publish(tx, hints(post.id, post.isForEveryone, post.isForEveryone ? [] : await store.readerIds(tx, post.id)));
  }

  async function writePosts(tx: Tx, posts: readonly PostToWrite[]): Promise<number[]> {
    if (posts.length === 0) return [];
    const missing = posts.filter((post) => post.id === undefined).length;
    const fresh = missing > 0 ? await store.nextIds(tx, missing) : [];
    const rows = posts.map((post) => {
      const readers = new Set(post.isForEveryone ? [] : post.readerIds);
      if (post.authorId !== null) readers.add(post.authorId);
      return { ...post, isImportant: post.isImportant ?? false, id: post.id ?? fresh.shift()!, tags: [...new Set(post.tags)], fileIds: [...new Set(post.fileIds)], readers: [...readers] };
    });
    const authorIds = new Set(rows.map((row) => row.authorId));
    const [only] = authorIds;
    const readers = new Set(rows.some((row) => row.isForEveryone)
      ? (await people.directory(tx)).employees.flatMap((employee) => (employee.dismissedAt ? [] : [employee.id]))
      : rows.flatMap((row) => row.readers));
    // Who wrote all of it has nothing to be told.
    if (authorIds.size === 1 && typeof only === 'number') readers.delete(only);
    await Promise.all([
      store.insertPosts(tx, rows, now()),
      push.queue(tx, Array.from(readers, (employeeId) => ({ employeeId, kind: 'feed', subjectId: 0 }))),
      store.insertReaders(tx, rows.flatMap((row) => row.readers.map((employeeId) => ({ postId: row.id, employeeId })))),
      drive.attachMany(tx, rows.flatMap((row) => row.fileIds.map((fileId) => ({ fileId, targetKind: 'post' as const, targetId: row.id })))),
      live.publish(tx, rows.flatMap((row) => hints(row.id, row.isForEveryone, row.readers))),
    ]);
    return rows.map((row) => row.id);
  }

  /** Takes off the post what is shown nowhere under it any more. */
  async function detachUnused(tx: Tx, postId: number, candidates: readonly number[]): Promise<void> {
    if (candidates.length === 0) return;
    const used = new Set(await store.fileIdsInUse(tx, postId));
    const fileIds = candidates.filter((id) => !used.has(id));
    if (fileIds.length > 0) await drive.detach(tx, { fileIds, targetKind: 'post', targetId: postId });
  }

  push.registerSource('feed', 'feed', async (q, { employeeId, language }, { since }) => {
    const [directory, rows] = await Promise.all([people.directory(q), store.listUnseenSince(q, employeeId, since, maxPushed)]);
    return rows.map((row): PushPayload => {
      const author = row.authorId === null ? undefined : directory.employee(row.authorId);
      return {
        title: text(language, row.isImportant ? 'push.post.important' : 'push.post', { name: author ? fullName(author) : text(language, 'push.system') }),
        body: [row.title, bbcodeToText(row.body)].filter(Boolean).join('. ').replace(/\s+/g, ' ').trim().slice(0, pushLength),
        tag: `post-${row.id}`,
        path: `/feed/${row.id}`,
      };
    });
  });

  drive.registerTarget('post', async (actor, postId) => (await store.findVisible(db, actor.employeeId, postId)) !== undefined);

  return {
    // ——— For people

    async list(actor: Actor, query: PostsQuery): Promise<{ items: Post[]; nextCursor: string | null }> {
      const rows = await store.list(db, actor.employeeId, { ...query, limit: query.limit + 1 });
      const page = rows.slice(0, query.limit);
      return { items: await present(db, actor, page), nextCursor: rows.length > query.limit ? String(page.at(-1)?.id) : null };
    },

    find: (actor: Actor, postId: number): Promise<Post> => one(db, actor, postId),

    tags: async (actor: Actor): Promise<{ tags: { tag: string; count: number }[] }> => ({ tags: await store.listTags(db, actor.employeeId, maxTagsListed) }),

    unseen: async (actor: Actor): Promise<{ unseen: number }> => ({ unseen: await store.countUnseen(db, actor.employeeId, maxCounted) }),

    /** The mark only moves forward, and not past what is there. */
    async markSeen(actor: Actor, upToId: number): Promise<void> {
      await db.transaction(async (tx) => {
        if (await store.markSeen(tx, actor.employeeId, upToId)) await live.publish(tx, [{ topic: `employee:${actor.employeeId}`, what: 'feed-seen' }]);
      });
    },

    async create(actor: Actor, input: PostCreate): Promise<Post> {
      return db.transaction(async (tx) => {
        const { isForEveryone, readerIds } = await expandAudience(tx, input.audience);
        const [id] = await store.nextIds(tx, 1);
        if (id === undefined) throw new Error('The sequence of posts gave no id.');
        // Checked, unlike a robot's: a person attaches only what he may read.
        await drive.attach(tx, { actor, fileIds: input.fileIds, targetKind: 'post', targetId: id });
        await writePosts(tx, [{ ...input, id, authorId: actor.employeeId, isForEveryone, readerIds, itemId: input.itemId ?? null, runId: null }]);
        return one(tx, actor, id);
      });
    },

    async change(actor: Actor, postId: number, change: PostChange): Promise<Post> {
      return db.transaction(async (tx) => {
        const old = await visible(tx, actor, postId);
        if (old.runId !== null) throw new UserError('feed.post_of_robot');
        if (old.authorId !== actor.employeeId) throw new UserError('feed.post_not_yours');
        // Also those who lose it are told: their browsers drop it.
        await tellReaders(tx, old);
        const fileIds = change.fileIds && [...new Set(change.fileIds)];
        if (fileIds) {
          const added = fileIds.filter((id) => !old.fileIds.includes(id));
          if (added.length > 0) await drive.attach(tx, { actor, fileIds: added, targetKind: 'post', targetId: postId });
        }
        const expanded = change.audience && (await expandAudience(tx, change.audience));
        await store.updatePost(tx, postId, {
          title: change.title, body: change.body, tags: change.tags && [...new Set(change.tags)], fileIds,
          audience: change.audience, isForEveryone: expanded?.isForEveryone, isImportant: change.isImportant, editedAt: now(),
        });
        if (expanded) {
          const readers = [...new Set([...expanded.readerIds, actor.employeeId])];
          await store.keepReaders(tx, postId, readers);
          await store.insertReaders(tx, readers.map((employeeId) => ({ postId, employeeId })));
        }
        if (fileIds) await detachUnused(tx, postId, old.fileIds.filter((id) => !fileIds.includes(id)));
        await tellReaders(tx, { id: postId, isForEveryone: expanded?.isForEveryone ?? old.isForEveryone });
        return one(tx, actor, postId);
      });
    },

    async remove(actor: Actor, postId: number): Promise<void> {
      await db.transaction(async (tx) => {
        const post = await visible(tx, actor, postId);
        if (post.authorId !== actor.employeeId && !actor.isAdmin) throw new UserError('feed.post_not_yours');
        await store.updatePost(tx, postId, { deletedAt: now() });
        await tellReaders(tx, post);
      });
    },

    async readers(actor: Actor, postId: number, { cursor, limit }: { cursor: number; limit: number }): Promise<{ employeeIds: number[]; nextCursor: string | null }> {
      await visible(db, actor, postId);
      const ids = await store.readerIds(db, postId, cursor, limit + 1);
      const employeeIds = ids.slice(0, limit);
      return { employeeIds, nextCursor: ids.length > limit ? String(employeeIds.at(-1)) : null };
    },

    /** On top of one's own feed. */
    async pin(actor: Actor, postId: number, isOn: boolean): Promise<void> {
      await db.transaction(async (tx) => {
        await visible(tx, actor, postId);
        const row = { employeeId: actor.employeeId, postId };
        await (isOn ? store.pin(tx, { ...row, createdAt: now() }) : store.unpin(tx, row));
        await live.publish(tx, [{ topic: `employee:${actor.employeeId}`, what: 'posts', id: postId }]);
      });
    },

    /** «Ознакомлен»: said once, and not taken back. */
    async acknowledge(actor: Actor, postId: number): Promise<void> {
      await db.transaction(async (tx) => {
        const post = await visible(tx, actor, postId);
        if (!post.isImportant) throw new UserError('feed.post_not_important');
        if (await store.acknowledge(tx, { employeeId: actor.employeeId, postId, createdAt: now() })) await tellReaders(tx, post);
      });
    },

    /** Everybody who sees the post sees who has read it. Its author need not say so. */
    async acknowledgements(actor: Actor, postId: number): Promise<{ items: { employeeId: number; at: Date }[]; waitingIds: number[]; waitingCount: number }> {
      const post = await visible(db, actor, postId);
      if (!post.isImportant) throw new UserError('feed.post_not_important');
      const [items, readers, directory] = await Promise.all([
        store.listAcknowledgements(db, postId), post.isForEveryone ? [] : store.readerIds(db, postId), people.directory(db),
      ]);
      const said = new Set(items.map((row) => row.employeeId));
      const all = post.isForEveryone ? directory.employees.map((employee) => employee.id) : readers;
      const waiting = all.filter((id) => id !== post.authorId && !said.has(id) && directory.employee(id)?.dismissedAt === null);
      return { items, waitingIds: waiting.slice(0, maxWaitingListed), waitingCount: waiting.length };
    },

    /** Reacting twice the same way is reacting once. */
    async react(actor: Actor, postId: number, reaction: Reaction, isOn: boolean): Promise<void> {
      await db.transaction(async (tx) => {
        const post = await visible(tx, actor, postId);
        const row = { postId, employeeId: actor.employeeId, reaction };
        const hasChanged = isOn ? await store.insertReaction(tx, { ...row, createdAt: now() }) : await store.deleteReaction(tx, row);
        if (hasChanged) await tellReaders(tx, post);
      });
    },

    async comments(actor: Actor, postId: number, { cursor, limit }: { cursor?: number; limit: number }): Promise<{ items: PostComment[]; nextCursor: string | null }> {
      await visible(db, actor, postId);
      const rows = await store.listComments(db, postId, cursor ?? 0, limit + 1);
      const page = rows.slice(0, limit);
      const files = await filesById(db, page);
      return {
        items: page.map(({ fileIds, ...row }) => ({ ...row, files: files(fileIds) })),
        nextCursor: rows.length > limit ? String(page.at(-1)?.id) : null,
      };
    },

    async comment(actor: Actor, postId: number, input: { body: string; fileIds: readonly number[] }): Promise<PostComment> {
      if (input.body === '' && input.fileIds.length === 0) throw new UserError('feed.comment_empty', {}, 'body');
      return db.transaction(async (tx) => {
        const post = await visible(tx, actor, postId);
        const fileIds = [...new Set(input.fileIds)];
        await drive.attach(tx, { actor, fileIds, targetKind: 'post', targetId: postId });
        const { fileIds: ids, ...row } = await store.insertComment(tx, { postId, authorId: actor.employeeId, body: input.body, fileIds, createdAt: now() });
        await tellReaders(tx, post);
        return { ...row, files: (await filesById(tx, [{ fileIds: ids }]))(ids) };
      });
    },

    async changeComment(actor: Actor, postId: number, commentId: number, { body }: { body: string }): Promise<PostComment> {
      return db.transaction(async (tx) => {
        const post = await visible(tx, actor, postId);
        const old = await store.findComment(tx, postId, commentId);
        if (!old) throw notFound('comment', commentId);
        if (old.authorId !== actor.employeeId) throw new UserError('feed.comment_not_yours');
        if (body === '' && old.fileIds.length === 0) throw new UserError('feed.comment_empty', {}, 'body');
        const editedAt = now();
        await store.updateComment(tx, commentId, { body, editedAt });
        await tellReaders(tx, post);
        const { fileIds, ...row } = old;
        return { ...row, body, editedAt, files: (await filesById(tx, [old]))(fileIds) };
      });
    },

    async removeComment(actor: Actor, postId: number, commentId: number): Promise<void> {
      await db.transaction(async (tx) => {
        const post = await visible(tx, actor, postId);
        const old = await store.findComment(tx, postId, commentId);
        if (!old) throw notFound('comment', commentId);
        if (old.authorId !== actor.employeeId && post.authorId !== actor.employeeId && !actor.isAdmin) throw new UserError('feed.comment_not_yours');
        await store.updateComment(tx, commentId, { deletedAt: now() });
        await detachUnused(tx, postId, old.fileIds);
        await tellReaders(tx, post);
      });
    },

    /** The post under which the person sees a comment: for callers who know the comment alone. */
    async postOf(actor: Actor, commentId: number): Promise<number> {
      const postId = await store.findPostOf(db, commentId);
      if (postId === undefined || !(await store.findVisible(db, actor.employeeId, postId))) throw notFound('comment', commentId);
      return postId;
    },

    // ——— For robots

    /** Ids of posts to be written: a robot's result before its rows are. Not given back on rollback. */
    reserveIds: (tx: Tx, count: number): Promise<number[]> => store.nextIds(tx, count),
    /** Whether a post of the run is there for this person. */
    hasTold: (q: Queryable, runId: number, employeeId: number): Promise<boolean> => store.hasTold(q, runId, employeeId),

    /** Many at once, in the transaction given. Returns their ids, in order. */
    writePosts,
  };
}

export type Feed = ReturnType<typeof createFeed>;
