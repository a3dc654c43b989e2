/** crm.timeline.comment.*: comments in the timeline of a record. */
import type { Comment } from '../../crm/crm.ts';
import { printMoment } from '../dates.ts';
import type { Entities, Entries, View } from '../entities.ts';
import { entriesOf } from '../encoding.ts';
import { RestError, type Translate } from '../errors.ts';
import { fullName } from '../../people/people.ts';
import { type Call, defineMethod, type Method, page } from '../method.ts';
import { id, integer, map, optionalInteger, optionalMap, pageSize, select, start, toInteger, toText } from '../parameter.ts';
import type { FamilyDeps } from '../rest.ts';
import { entityTypeId, typeName } from '../stages.ts';

const commentErrors: Translate = (error, message) => {
  switch (error.code) {
    case 'request.not_found': return error.params.kind === 'item' ? new RestError('OWNER_NOT_FOUND', 'Owner of the item not found') : new RestError('NOT_FOUND', 'Element not found');
    case 'comment.empty': return new RestError('INVALID_ARG_VALUE', 'Empty comment');
    case 'comment.not_yours': case 'access.denied': return new RestError('ACCESS_DENIED', 'Insufficient permissions');
    default: return new RestError('', message);
  }
};

export function timelineMethods({ db, crm, people, drive, links }: FamilyDeps, entities: Entities): Method[] {
  const scope = 'crm';
  const errors = commentErrors;
  const required = () => new RestError('100', 'Required fields are not provided');

  /** The record a comment belongs to, by its type's name and its id. */
  async function owner(call: Call, entityType: unknown, entityId: unknown): Promise<number> {
    const name = (toText(entityType) ?? '').toLowerCase();
    const number = toInteger(entityId);
    if (name === '' || number === undefined || number <= 0) throw required();
    const { model } = await entities.view();
    const type = model.itemTypes.find((one) => typeName(one) === name || name === `dynamic_${entityTypeId(one)}`);
    // Contacts and companies have no timeline of their own here.
    if (!type) throw new RestError('OWNER_NOT_FOUND', 'Owner of the item not found');
    return (await entities.item(call.actor, type, number)).id;
  }

  async function ownerOf(call: Call, comment: Comment, typeId: number | undefined, ownerId: number | undefined): Promise<void> {
    if (ownerId !== undefined && ownerId !== comment.itemId) throw new RestError('OWNER_NOT_FOUND', 'Owner of the item not found');
    const item = await crm.visibleItem(db, call.actor, comment.itemId);
    const type = (await entities.view()).model.itemType(item.itemTypeId);
    if (typeId !== undefined && type && entityTypeId(type) !== typeId) throw new RestError('OWNER_NOT_FOUND', 'Owner of the item not found');
  }

  async function readFiles(call: Call, fields: Entries): Promise<number[] | undefined> {
    const raw = entities.named(fields, 'FILES');
    if (raw === undefined) return undefined;
    const ids: number[] = [];
    for (const [, file] of entriesOf(raw) ?? []) ids.push(await entities.upload(call.actor, file));
    return ids;
  }

  async function shown({ actor, now }: Call, current: View, comments: readonly Comment[]) {
    const items = new Map(await Promise.all([...new Set(comments.map((comment) => comment.itemId))].map(async (itemId) => [itemId, await crm.find(db, itemId)] as const)));
    const files = new Map((await drive.filesByIds(db, comments.flatMap((comment) => comment.fileIds))).map((file) => [file.id, file]));
    const directory = await people.directory(db);
    return comments.map((comment) => {
      const type = current.model.itemType(items.get(comment.itemId)?.itemTypeId ?? 0);
      const author = comment.authorId === null ? undefined : directory.employee(comment.authorId);
      const attached = comment.fileIds.flatMap((fileId) => files.get(fileId) ?? []);
      return {
        ID: String(comment.id), ENTITY_ID: String(comment.itemId), ENTITY_TYPE: type ? typeName(type) : '', CREATED: printMoment(comment.createdAt, current.company.timeZone),
        COMMENT: comment.body, AUTHOR_ID: String(comment.authorId ?? 0),
        ...(attached.length === 0 ? {} : {
          FILES: Object.fromEntries(attached.map((file) => [String(file.id), {
            id: file.id, date: printMoment(comment.createdAt, current.company.timeZone), type: file.mediaType.startsWith('image/') ? 'image' : 'file', name: file.name, size: file.sizeBytes,
            authorId: comment.authorId ?? 0, authorName: author ? fullName(author) : '', urlDownload: links.downloadPath(actor, now, file.id),
          }])),
        }),
      };
    });
  }

  const fields = map(required);

  return [
    defineMethod({
      name: 'crm.timeline.comment.add', scope, errors, about: 'Comments on a record.', params: { fields },
      differs: 'Contacts and companies have no timeline.',
      async run(call, { fields: given }) {
        const itemId = await owner(call, entities.named(given, 'ENTITY_TYPE'), entities.named(given, 'ENTITY_ID'));
        const fileIds = await readFiles(call, given);
        const { comment } = await db.transaction((tx) => crm.addComment(tx, call.actor, itemId, { body: toText(entities.named(given, 'COMMENT')) ?? '', ...(fileIds ? { fileIds } : {}) }));
        return { result: comment.id };
      },
    }),
    defineMethod({
      name: 'crm.timeline.comment.get', scope, errors, about: 'One comment.', params: { id: id(() => new RestError('', 'ID is not defined or invalid.')) },
      async run(call, { id: commentId }) {
        const comment = await crm.getComment(db, call.actor, commentId).catch(() => {
          throw new RestError('', 'Not found.');
        });
        const [row] = await shown(call, await entities.view(), [comment]);
        return { result: row };
      },
    }),
    defineMethod({
      name: 'crm.timeline.comment.list', scope, errors, about: 'The comments of a record, what robots wrote included.', params: { select, filter: optionalMap(), order: optionalMap(), start },
      differs: 'The filter names the record (ENTITY_TYPE, ENTITY_ID), and >ID. Order by ID.',
      async run(call, { select: wanted, filter, order, start: from }) {
        const named = (name: string) => filter.find(([key]) => key.replace(/^=/, '').toUpperCase() === name)?.[1];
        const itemId = await owner(call, named('ENTITY_TYPE'), named('ENTITY_ID'));
        const direction = order.some(([, raw]) => (toText(raw) ?? '').toLowerCase() === 'desc') ? ('desc' as const) : ('asc' as const);
        const { rows, total } = await crm.scanComments(db, call.actor, itemId, { direction, offset: Math.max(0, from), limit: pageSize, afterId: toInteger(named('>ID')) });
        const told = await shown(call, await entities.view(), rows);
        const cut = wanted.length === 0 || wanted.includes('*') ? told : told.map((row) => Object.fromEntries(Object.entries(row).filter(([name]) => name === 'ID' || wanted.includes(name))));
        return page(cut, rows.length, from, total);
      },
    }),
    defineMethod({
      name: 'crm.timeline.comment.update', scope, errors, about: 'Changes one’s own comment. FILES replace those it had.', params: { id: integer(), fields, ownerTypeId: optionalInteger, ownerId: optionalInteger },
      async run(call, { id: commentId, fields: given, ownerTypeId, ownerId }) {
        const comment = await crm.getComment(db, call.actor, commentId);
        await ownerOf(call, comment, ownerTypeId, ownerId);
        const body = toText(entities.named(given, 'COMMENT'));
        const fileIds = await readFiles(call, given);
        await db.transaction((tx) => crm.changeComment(tx, call.actor, comment.itemId, commentId, { ...(body === undefined ? {} : { body }), ...(fileIds ? { fileIds } : {}) }));
        return { result: commentId };
      },
    }),
    defineMethod({
      name: 'crm.timeline.comment.delete', scope, errors, about: 'Deletes one’s own comment.', params: { id: integer(), ownerTypeId: optionalInteger, ownerId: optionalInteger },
      async run(call, { id: commentId, ownerTypeId, ownerId }) {
        const comment = await crm.getComment(db, call.actor, commentId);
        await ownerOf(call, comment, ownerTypeId, ownerId);
        await db.transaction((tx) => crm.deleteComment(tx, call.actor, comment.itemId, commentId));
        return { result: null };
      },
    }),
    defineMethod({
      name: 'crm.timeline.comment.fields', scope, errors, about: 'The fields of a comment.', params: {},
      run: () => {
        const field = (type: string, isReadOnly = false, isRequired = false) => ({ type, isRequired, isReadOnly, isImmutable: false, isMultiple: false, isDynamic: false });
        return {
          result: {
            ID: field('integer', true), ENTITY_ID: field('integer', false, true), ENTITY_TYPE: field('string', false, true), CREATED: field('datetime', true), COMMENT: field('string'),
            AUTHOR_ID: field('user', true), FILES: field('attached_diskfile'),
          },
        };
      },
    }),
  ];
}
