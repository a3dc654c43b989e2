/** log.blogpost.* and log.blogcomment.*: the feed. */
import * as api from '../../../shared/api/feed.ts';
import type { RecipientSource } from '../../../shared/api/people.ts';
import type { Actor } from '../../people/people.ts';
import { accepted } from '../contract.ts';
import { printMoment, readMoment } from '../dates.ts';
import { entriesOf } from '../encoding.ts';
import { createEntities } from '../entities.ts';
import { accessDenied, nothingIfUnknown, RestError, type Translate } from '../errors.ts';
import { type Call, defineMethod, type Method } from '../method.ts';
import { anything, isMissing, optionalText, pageSize, start, toFlag, toInteger, toText } from '../parameter.ts';
import type { FamilyDeps } from '../rest.ts';

const maxFiles = 100;
const pageOfPosts = 100;
const maxByCursor = 200;

const wrongPost = () => new RestError('100', 'Wrong post ID');

function postErrors(code: string, denied: string): Translate {
  return (error, message) => {
    switch (error.code) {
      case 'request.not_found': return error.params.kind === 'post' ? new RestError(code, 'No post found') : new RestError(code, message);
      case 'feed.post_not_yours': case 'feed.post_of_robot': return new RestError(code, denied, 403);
      case 'feed.no_readers': return new RestError(code, 'No destination specified');
      default: return undefined;
    }
  };
}

const addErrors = postErrors('SONET_CONTROLLER_LIVEFEED_BLOGPOST_ADD_ERROR', 'No write perms');
const updateErrors = postErrors('SONET_CONTROLLER_LIVEFEED_BLOGPOST_UPDATE_ERROR', 'No write perms');

const commentErrors: Translate = (error) => {
  switch (error.code) {
    case 'request.not_found': return error.params.kind === 'post' ? new RestError('', 'No post found') : new RestError('', 'No comment found');
    case 'feed.comment_not_yours': return new RestError('', 'No permissions', 403);
    case 'feed.comment_empty': return new RestError('', "Blog comment hasn't been added");
    default: return undefined;
  }
};

export function logMethods(deps: FamilyDeps): Method[] {
  const { db, feed, people, links } = deps;
  const { upload } = createEntities(deps);
  const scope = 'log';

  function readPostId(raw: unknown): number {
    const id = toInteger(raw);
    if (id === undefined || id <= 0) throw wrongPost();
    return id;
  }

  /** In another's name nobody writes here, administrators included. */
  function refuseAnother(actor: Actor, raw: unknown): void {
    if (!isMissing(raw) && toInteger(raw) !== actor.employeeId) throw accessDenied('Posts and comments are written in the caller’s own name only.');
  }

  /** UA, U5, DR7 (with what is below it), D7. undefined: nothing was said. */
  function readAudience(raw: unknown): RecipientSource[] | undefined {
    if (isMissing(raw)) return undefined;
    const given = entriesOf(raw)?.map(([, one]) => one) ?? [raw];
    return given.map((one): RecipientSource => {
      const said = (toText(one) ?? '').trim().toUpperCase();
      if (said === 'UA' || said === 'G2') return { kind: 'everyone' };
      const [, kind, digits] = /^(U|DR|D)([1-9]\d{0,14})$/.exec(said) ?? [];
      if (digits === undefined) throw new RestError('', `Wrong destinations: "${said.slice(0, 50)}". UA, U5, DR7 and D7 are known.`);
      return kind === 'U' ? { kind: 'employee', id: Number(digits) } : { kind: 'department', id: Number(digits), withSubdepartments: kind === 'DR' };
    });
  }

  /** New ones as [name, base64]; `{ 17: 'del' }` takes one off; `n17` in UF_BLOG_POST_FILE is one of Drive. */
  async function readFiles(actor: Actor, files: unknown, fromDrive: unknown, before: readonly number[] = []): Promise<number[] | undefined> {
    if (isMissing(files) && isMissing(fromDrive)) return undefined;
    const given = entriesOf(files) ?? [];
    if (given.length > maxFiles) throw new RestError('ERROR_ARGUMENT', `At most ${maxFiles} files at once.`);
    const gone = new Set(given.flatMap(([key, value]) => (value === 'del' ? [Number(key)] : [])));
    const ids = before.filter((id) => !gone.has(id));
    for (const [, file] of given) if (file !== 'del' && !isMissing(file)) ids.push(await upload(actor, file));
    for (const [, one] of entriesOf(fromDrive) ?? (isMissing(fromDrive) ? [] : [['0', fromDrive]])) {
      const id = toInteger((toText(one) ?? '').replace(/^n/i, ''));
      if (id !== undefined && id > 0 && !ids.includes(id)) ids.push(id);
    }
    return ids;
  }

  function shown({ actor, now }: Call, post: api.Post, zone: string): Record<string, unknown> {
    return {
      ID: String(post.id), BLOG_ID: '1', PUBLISH_STATUS: 'P', TITLE: post.title, AUTHOR_ID: String(post.authorId ?? 0), ENABLE_COMMENTS: 'Y', NUM_COMMENTS: String(post.commentCount), CODE: null,
      MICRO: post.title === '' ? 'Y' : 'N', DETAIL_TEXT: post.body, DATE_PUBLISH: printMoment(post.createdAt, zone), CATEGORY_ID: '', HAS_SOCNET_ALL: post.isForEveryone ? 'Y' : 'N',
      HAS_TAGS: post.tags.length > 0 ? 'Y' : 'N', HAS_IMAGES: post.files.some((file) => file.mediaType.startsWith('image/')) ? 'Y' : 'N', HAS_PROPS: 'N', HAS_COMMENT_IMAGES: 'N',
      TAGS: post.tags, UF_BLOG_POST_IMPRTNT: { VALUE: post.isImportant ? '1' : '0' },
      ...(post.files.length === 0 ? {} : {
        FILES: Object.fromEntries(post.files.map((file) => [String(file.id), {
          id: file.id, date: printMoment(post.createdAt, zone), type: file.mediaType.startsWith('image/') ? 'image' : 'file', name: file.name, size: file.sizeBytes,
          authorId: post.authorId ?? 0, urlDownload: links.downloadUrl(actor, now, file.id),
        }])),
      }),
    };
  }

  /** Newest first, all the person sees that are older than `before`. */
  async function* posts(actor: Actor, before?: number): AsyncGenerator<api.Post> {
    for (let cursor = before; ;) {
      const { items, nextCursor } = await feed.list(actor, { ...(cursor === undefined ? {} : { cursor }), limit: pageOfPosts });
      yield* items;
      if (nextCursor === null) return;
      cursor = Number(nextCursor);
    }
  }

  const same = (a: RecipientSource, b: RecipientSource) => a.kind === b.kind && (!('id' in a) || !('id' in b) || a.id === b.id);

  const written = { POST_TITLE: optionalText, POST_MESSAGE: optionalText, DEST: anything, SPERM: anything, FILES: anything, UF_BLOG_POST_FILE: anything, IMPORTANT: anything, TAGS: anything, USER_ID: anything };

  function tagsOf(raw: unknown): string[] | undefined {
    if (isMissing(raw)) return undefined;
    return (entriesOf(raw)?.map(([, one]) => toText(one) ?? '') ?? (toText(raw) ?? '').split(',')).map((tag) => tag.trim()).filter((tag) => tag !== '');
  }

  const refusedField = (code: string) => (field: string) => new RestError(code, `Invalid value of ${field === 'body' ? 'POST_MESSAGE' : field === 'title' ? 'POST_TITLE' : field === 'audience' ? 'DEST' : field.toUpperCase()}`);

  return [
    defineMethod({
      name: 'log.blogpost.add', scope, errors: addErrors, about: 'Writes a post.', params: written,
      differs: 'DEST: UA, U5, DR7, D7, no groups; without it the post is for everyone. In the caller’s name only. No end of importance, background and preview.',
      async run({ actor }, given) {
        refuseAnother(actor, given.USER_ID);
        const body = given.POST_MESSAGE ?? '';
        if (body.trim() === '') throw new RestError('SONET_CONTROLLER_LIVEFEED_BLOGPOST_ADD_ERROR', "Blog post hasn't been added");
        const input = accepted(api.postCreate, {
          title: given.POST_TITLE ?? '', body, audience: readAudience(given.DEST) ?? readAudience(given.SPERM) ?? [{ kind: 'everyone' }], tags: tagsOf(given.TAGS), isImportant: toFlag(given.IMPORTANT),
        }, refusedField('SONET_CONTROLLER_LIVEFEED_BLOGPOST_ADD_ERROR'));
        const fileIds = await readFiles(actor, given.FILES, given.UF_BLOG_POST_FILE);
        return { result: (await feed.create(actor, { ...input, fileIds: fileIds ?? [] })).id };
      },
    }),
    defineMethod({
      name: 'log.blogpost.get', scope, about: 'One post, or the posts the caller sees, newest first, by 50; FIRST_ID and LAST_ID take up where a page ended.',
      params: { POST_ID: anything, LOG_RIGHTS: anything, LOG_DATE_FROM: anything, LOG_DATE_TO: anything, FIRST_ID: anything, LAST_ID: anything, LIMIT: anything, start },
      differs: 'Pages have no total. FIRST_ID and LAST_ID are ids of posts. LOG_RIGHTS looks at whom the post was addressed to.',
      async run(call, given) {
        const { actor } = call;
        const directory = await people.directory(db);
        const zone = directory.company.timeZone;
        if (!isMissing(given.POST_ID)) {
          const id = readPostId(given.POST_ID);
          const found = await feed.find(actor, id).catch(nothingIfUnknown);
          return { result: found ? [shown(call, found, zone)] : [] };
        }
        const rights = readAudience(given.LOG_RIGHTS);
        const [from, to] = [readMoment(given.LOG_DATE_FROM, zone), readMoment(given.LOG_DATE_TO, zone)];
        const [firstId, lastId] = [toInteger(given.FIRST_ID), toInteger(given.LAST_ID)];
        const wanted = toInteger(given.LIMIT) ?? pageSize;
        const limit = firstId === undefined && lastId === undefined ? pageSize : Math.min(maxByCursor, wanted > 0 ? wanted : pageSize);
        const offset = firstId === undefined && lastId === undefined ? Math.max(0, given.start) : 0;
        const rows: api.Post[] = [];
        let passed = 0;
        let hasMore = false;
        for await (const post of posts(actor, lastId !== undefined && lastId > 0 ? lastId : undefined)) {
          if ((firstId !== undefined && post.id <= firstId) || (from && post.createdAt < from)) break;
          if (to && post.createdAt > to) continue;
          if (rights && !rights.some((right) => post.audience.some((one) => same(one, right)))) continue;
          if (passed++ < offset) continue;
          // Forward, it is the oldest ones that come next.
          if (firstId !== undefined) {
            rows.push(post);
            if (rows.length > limit) rows.shift();
          } else if (rows.length === limit) {
            hasMore = true;
            break;
          } else rows.push(post);
        }
        return { result: rows.map((post) => shown(call, post, zone)), ...(hasMore && lastId === undefined ? { next: offset + pageSize } : {}) };
      },
    }),
    defineMethod({
      name: 'log.blogpost.update', scope, errors: updateErrors, about: 'Changes a post of the caller.', params: { POST_ID: anything, ...written },
      differs: 'Its author only, not administrators; what a robot wrote is not changed.',
      async run({ actor }, given) {
        const id = readPostId(given.POST_ID);
        refuseAnother(actor, given.USER_ID);
        if (given.POST_TITLE === undefined && given.POST_MESSAGE === undefined) throw new RestError('EMPTY_TITLE', 'Message title is not specified.');
        const change = accepted(api.postChange, {
          title: given.POST_TITLE, body: given.POST_MESSAGE, audience: readAudience(given.DEST) ?? readAudience(given.SPERM), tags: tagsOf(given.TAGS),
          isImportant: isMissing(given.IMPORTANT) ? undefined : toFlag(given.IMPORTANT),
        }, refusedField('SONET_CONTROLLER_LIVEFEED_BLOGPOST_UPDATE_ERROR'));
        const before = await feed.find(actor, id);
        // Asked before files are taken in that nobody would ever see.
        if (before.authorId !== actor.employeeId) throw new RestError('SONET_CONTROLLER_LIVEFEED_BLOGPOST_UPDATE_ERROR', 'No write perms', 403);
        const fileIds = await readFiles(actor, given.FILES, given.UF_BLOG_POST_FILE, before.files.map((file) => file.id));
        await feed.change(actor, id, { ...change, ...(fileIds ? { fileIds } : {}) });
        return { result: id };
      },
    }),
    defineMethod({
      name: 'log.blogpost.share', scope, errors: postErrors('', 'No read perms'), about: 'Adds readers to a post of the caller.', params: { POST_ID: anything, DEST: anything },
      differs: 'Its author only, not administrators.',
      async run({ actor }, { POST_ID, DEST }) {
        const id = readPostId(POST_ID);
        const more = readAudience(DEST);
        if (!more || more.length === 0) throw new RestError('', 'Wrong destinations');
        const before = await feed.find(actor, id);
        const audience = [...before.audience, ...more.filter((one) => !before.audience.some((other) => same(one, other)))];
        await feed.change(actor, id, accepted(api.postChange, { audience }, () => new RestError('', 'Wrong destinations')));
        return { result: true };
      },
    }),
    defineMethod({
      name: 'log.blogpost.delete', scope, about: 'Deletes a post: its author, and administrators who see it.', params: { POST_ID: anything },
      errors: (error) => (error.code === 'request.not_found' ? wrongPost() : error.code === 'feed.post_not_yours' ? new RestError('ACCESS_DENIED', 'You do not have permission to delete this message', 403) : undefined),
      async run({ actor }, { POST_ID }) {
        await feed.remove(actor, readPostId(POST_ID));
        return { result: true };
      },
    }),
    defineMethod({
      name: 'log.blogpost.getusers.important', scope, about: 'Who has said that he read an important post.', params: { POST_ID: anything },
      errors: (error) => (error.code === 'request.not_found' || error.code === 'feed.post_not_important' ? wrongPost() : undefined),
      async run({ actor }, { POST_ID }) {
        const { items } = await feed.acknowledgements(actor, readPostId(POST_ID));
        return { result: items.map((row) => String(row.employeeId)) };
      },
    }),

    defineMethod({
      name: 'log.blogcomment.add', scope, errors: commentErrors, about: 'Comments on a post.', params: { POST_ID: anything, TEXT: optionalText, FILES: anything, USER_ID: anything },
      differs: 'In the caller’s name only. The same text twice is two comments.',
      async run({ actor }, { POST_ID, TEXT = '', FILES, USER_ID }) {
        const id = toInteger(POST_ID);
        if (id === undefined || id <= 0) throw new RestError('', 'No post found');
        refuseAnother(actor, USER_ID);
        const { body } = accepted(api.postCommentCreate, { body: TEXT }, () => new RestError('', "Blog comment hasn't been added"));
        await feed.find(actor, id);
        return { result: (await feed.comment(actor, id, { body, fileIds: (await readFiles(actor, FILES, undefined)) ?? [] })).id };
      },
    }),
    defineMethod({
      name: 'log.blogcomment.delete', scope, errors: commentErrors, about: 'Deletes a comment: its author, the author of the post, and administrators who see it.', params: { COMMENT_ID: anything, USER_ID: anything },
      async run({ actor }, { COMMENT_ID, USER_ID }) {
        const id = toInteger(COMMENT_ID);
        if (id === undefined || id <= 0) throw new RestError('', 'Wrong comment ID');
        refuseAnother(actor, USER_ID);
        await feed.removeComment(actor, await feed.postOf(actor, id), id);
        return { result: true };
      },
    }),
  ];
}
