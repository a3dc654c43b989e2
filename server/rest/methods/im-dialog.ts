/** im.dialog.* and im.message.*: what is said in a chat, whether with one person or in a group. */
import * as api from '../../../shared/api/chat.ts';
import type { Actor, Directory } from '../../people/people.ts';
import { accepted } from '../contract.ts';
import { printMoment } from '../dates.ts';
import { RestError, type Translate } from '../errors.ts';
import { defineMethod, type Method } from '../method.ts';
import { anything, isMissing, optionalText, toInteger } from '../parameter.ts';
import type { FamilyDeps } from '../rest.ts';
import { bodyOf, chatOf, dialogId, readDialog, systemText, usersOf } from './im-view.ts';

const noAccess = () => new RestError('ACCESS_ERROR', 'You do not have access to the specified dialog', 403);
const dialogErrors: Translate = (error) => {
  switch (error.code) {
    case 'request.not_found': case 'chat.not_member': case 'chat.member_dismissed': return noAccess();
    default: return undefined;
  }
};

const unavailable = () => new RestError('ACCESS_ERROR', 'Action unavailable');
const sendErrors: Translate = (error, message) => {
  switch (error.code) {
    case 'request.not_found':
      if (error.params.kind === 'employee') return new RestError('USER_NOT_FOUND', 'User not found');
      return error.params.kind === 'message' ? new RestError('REPLY_ACCESS_ERROR', 'Action unavailable') : unavailable();
    case 'chat.not_member': return unavailable();
    case 'chat.message_empty': return new RestError('MESSAGE_EMPTY', "Message can't be empty");
    case 'chat.partner_dismissed': case 'chat.member_dismissed': return new RestError('ACCESS_ERROR', message);
    default: return undefined;
  }
};
const editErrors: Translate = (error) => {
  switch (error.code) {
    case 'request.not_found': case 'chat.not_member': case 'chat.message_not_yours': case 'chat.message_of_robot':
      return new RestError('CANT_EDIT_MESSAGE', "Time has expired for modification or you don't have access");
    case 'chat.message_empty': return new RestError('MESSAGE_EMPTY', "Message can't be empty");
    default: return undefined;
  }
};

const defaultMessages = 20;
const maxMessages = 50;
const membersListed = 1000;
const shortestSearch = 3;

export function dialogMethods({ db, chat, people, links }: FamilyDeps): Method[] {
  const scope = 'im';
  const errors = dialogErrors;
  const DIALOG_ID = anything;

  function dialogOf(raw: unknown) {
    const dialog = readDialog(raw);
    if (!dialog) throw isMissing(raw) ? new RestError('DIALOG_ID_EMPTY', "Dialog ID can't be empty") : noAccess();
    return dialog;
  }

  /** The chat that is there; nothing is made by looking. */
  async function existing(actor: Actor, raw: unknown): Promise<number> {
    const dialog = dialogOf(raw);
    if (dialog.kind === 'chat') return dialog.id;
    const [found] = (await chat.findPrivate(db, [[actor.employeeId, dialog.id]])).values();
    if (found === undefined) throw noAccess();
    return found;
  }

  function messageId(raw: unknown): number {
    const id = toInteger(raw);
    if (id === undefined || id <= 0) throw new RestError('MESSAGE_ID_ERROR', "Message ID can't be empty");
    return id;
  }

  function shown(actor: Actor, directory: Directory, message: api.Message, readUpToId: number): Record<string, unknown> {
    const isForeign = message.authorId !== actor.employeeId;
    const likes = message.reactions.find((one) => one.reaction === 'like');
    const params = {
      ...(likes ? { LIKE: likes.employeeIds } : {}), ...(message.files.length > 0 ? { FILE_ID: message.files.map((file) => file.id) } : {}),
      ...(message.editedAt ? { IS_EDITED: 'Y' } : {}), ...(message.deletedAt ? { IS_DELETED: 'Y' } : {}), ...(message.replyTo ? { REPLY_ID: message.replyTo.id } : {}),
    };
    return {
      id: message.id, chat_id: message.chatId, author_id: message.authorId ?? 0, date: printMoment(message.createdAt, directory.company.timeZone),
      text: message.kind === 'system' ? systemText(actor, directory, message.system) : bodyOf(message), unread: isForeign && message.kind !== 'system' && message.id > readUpToId,
      uuid: message.clientId, replaces: [], params: Object.keys(params).length === 0 ? [] : params, disappearing_date: null,
    };
  }

  /** 0 is allowed: from the very beginning. */
  function cursorOf(raw: unknown, name: 'FIRST_ID' | 'LAST_ID'): number | undefined {
    if (isMissing(raw)) return undefined;
    const id = toInteger(raw);
    if (id === undefined || id < 0) throw new RestError(`${name}_STRING`, `${name === 'FIRST_ID' ? 'First' : 'Last'} ID can't be string`);
    return id;
  }

  /** What the person has not read; the list of chats knows it, a chat alone does not. */
  async function counterOf(actor: Actor, chatId: number): Promise<number> {
    for (let cursor: string | undefined; ;) {
      const { items, nextCursor } = await chat.list(actor, { scope: 'mine', onlyUnread: true, cursor, limit: 100 });
      const found = items.find((one) => one.id === chatId);
      if (found || nextCursor === null) return found?.unreadCount ?? 0;
      cursor = nextCursor;
    }
  }

  const writing = (name: string) => defineMethod({
    name, scope, errors, about: 'Shows those who look at the chat that the caller is writing.', params: { DIALOG_ID, CHAT_ID: anything },
    async run({ actor }, given) {
      await chat.typing(actor, await existing(actor, isMissing(given.DIALOG_ID) && !isMissing(given.CHAT_ID) ? `chat${String(toInteger(given.CHAT_ID))}` : given.DIALOG_ID));
      return { result: true };
    },
  });

  return [
    defineMethod({
      name: 'im.dialog.get', scope, errors, about: 'A chat.', params: { DIALOG_ID },
      differs: 'No description, colour, picture, or ENTITY_* of the chat.',
      async run({ actor }, given) {
        const found = await chat.find(actor, await existing(actor, given.DIALOG_ID));
        const [directory, counter, { items: members }, { items: last }] = await Promise.all([
          people.directory(db), counterOf(actor, found.id), chat.members(actor, found.id, { cursor: 0, limit: membersListed }), chat.messages(actor, found.id, { limit: 1 }),
        ]);
        return {
          result: {
            ...chatOf(found, directory), counter, user_counter: found.memberCount, last_id: found.membership?.readUpToId ?? 0, last_message_id: last[0]?.id ?? 0,
            manager_list: members.filter((member) => member.role !== 'member').map((member) => member.employeeId),
          },
        };
      },
    }),
    defineMethod({
      name: 'im.dialog.messages.get', scope, errors, about: 'Messages, newest first; with FIRST_ID, those that came after it, oldest first.',
      params: { DIALOG_ID, LAST_ID: anything, FIRST_ID: anything, LIMIT: anything },
      async run({ actor, now }, given) {
        const [before, after] = [cursorOf(given.LAST_ID, 'LAST_ID'), cursorOf(given.FIRST_ID, 'FIRST_ID')];
        const wanted = toInteger(given.LIMIT) ?? defaultMessages;
        const limit = wanted > 0 ? Math.min(maxMessages, wanted) : defaultMessages;
        const found = await chat.find(actor, await existing(actor, given.DIALOG_ID));
        const { items } = await chat.messages(actor, found.id, after !== undefined ? { after, limit } : { ...(before === undefined ? {} : { before }), limit });
        const directory = await people.directory(db);
        const ordered = after === undefined ? items.toReversed() : items;
        return {
          result: {
            chat_id: found.id, messages: ordered.map((message) => shown(actor, directory, message, found.membership?.readUpToId ?? 0)),
            users: usersOf(directory, items.flatMap((message) => message.authorId ?? []), now),
            files: items.flatMap((message) => message.files.map((file) => ({
              id: file.id, chatId: found.id, date: printMoment(message.createdAt, directory.company.timeZone), type: file.mediaType.startsWith('image/') ? 'image' : 'file', name: file.name,
              size: file.sizeBytes, authorId: message.authorId ?? 0, urlDownload: links.downloadUrl(actor, now, file.id),
            }))),
          },
        };
      },
    }),
    defineMethod({
      name: 'im.dialog.users.list', scope, errors, about: 'Who is in a chat, by 50.', params: { DIALOG_ID, OFFSET: anything, LIMIT: anything },
      async run({ actor, now }, given) {
        const chatId = await existing(actor, given.DIALOG_ID);
        const offset = Math.max(0, toInteger(given.OFFSET) ?? 0);
        const limit = Math.min(200, Math.max(1, toInteger(given.LIMIT) ?? 50));
        const ids: number[] = [];
        for (let cursor = 0; ids.length < offset + limit;) {
          const { items, nextCursor } = await chat.members(actor, chatId, { cursor, limit: 1000 });
          ids.push(...items.map((member) => member.employeeId));
          if (nextCursor === null) break;
          cursor = Number(nextCursor);
        }
        return { result: usersOf(await people.directory(db), ids.slice(offset, offset + limit), now) };
      },
    }),
    defineMethod({
      name: 'im.dialog.read', scope, errors, about: 'The caller has read a chat, up to a message or all of it.', params: { DIALOG_ID, MESSAGE_ID: anything },
      differs: 'Read marks only move forward: there is no im.dialog.unread.',
      async run({ actor }, given) {
        const found = await chat.find(actor, await existing(actor, given.DIALOG_ID));
        const last = (await chat.messages(actor, found.id, { limit: 1 })).items[0]?.id ?? 0;
        const wanted = toInteger(given.MESSAGE_ID);
        const upToId = wanted !== undefined && wanted > 0 ? Math.min(wanted, last) : last;
        if (upToId > 0) await chat.markRead(actor, found.id, upToId);
        const { membership } = await chat.find(actor, found.id);
        return { result: { dialogId: dialogId(found), chatId: found.id, lastId: membership?.readUpToId ?? 0, counter: await counterOf(actor, found.id) } };
      },
    }),
    defineMethod({
      name: 'im.dialog.read.all', scope, errors, about: 'The caller has read all chats.', params: {},
      async run({ actor }) {
        // What is read leaves the list of what is not, so the first page is always the next one.
        for (let before = ''; ;) {
          const { items } = await chat.list(actor, { scope: 'mine', onlyUnread: true, limit: 100 });
          const unread = items.filter((one) => one.unreadCount > 0);
          const key = unread.map((one) => one.id).join();
          if (unread.length === 0 || key === before) return { result: true };
          before = key;
          for (const one of unread) {
            const last = (await chat.messages(actor, one.id, { limit: 1 })).items[0]?.id ?? 0;
            if (last > 0) await chat.markRead(actor, one.id, last);
          }
        }
      },
    }),
    defineMethod({
      name: 'im.dialog.messages.search', scope, errors, about: 'Messages of a chat that hold a text, newest first; LAST_ID takes up where a page ended.',
      params: { CHAT_ID: anything, DIALOG_ID, SEARCH_MESSAGE: optionalText, LAST_ID: anything, LIMIT: anything },
      differs: 'By text and id alone: dates and ORDER mean nothing.',
      async run({ actor, now }, { SEARCH_MESSAGE = '', ...given }) {
        const search = SEARCH_MESSAGE.trim();
        if (search.length < shortestSearch) throw new RestError('SEARCH_MESSAGE_ERROR', `SEARCH_MESSAGE can't be less than ${shortestSearch} symbols`);
        const chatId = toInteger(given.CHAT_ID);
        const found = await chat.find(actor, await existing(actor, isMissing(given.DIALOG_ID) && chatId !== undefined ? `chat${chatId}` : given.DIALOG_ID));
        const [before, wanted] = [cursorOf(given.LAST_ID, 'LAST_ID'), toInteger(given.LIMIT) ?? defaultMessages];
        const limit = wanted > 0 ? Math.min(maxMessages, wanted) : defaultMessages;
        const { items } = await chat.messages(actor, found.id, { search: search.slice(0, 255), ...(before === undefined ? {} : { before }), limit });
        const directory = await people.directory(db);
        return {
          result: {
            chat_id: found.id, messages: items.toReversed().map((message) => shown(actor, directory, message, found.membership?.readUpToId ?? 0)),
            users: usersOf(directory, items.flatMap((message) => message.authorId ?? []), now), files: [],
          },
        };
      },
    }),
    writing('im.dialog.writing'),
    writing('im.chat.sendTyping'),

    defineMethod({
      name: 'im.message.add', scope, errors: sendErrors, about: 'Says something in a chat, or to a person.',
      params: { DIALOG_ID, CHAT_ID: anything, USER_ID: anything, MESSAGE: optionalText, REPLY_ID: anything, ATTACH: anything, KEYBOARD: anything, MENU: anything },
      differs: 'No attachments, keyboards and menus: a message with one of them and no text is refused, with a text the text is sent. SYSTEM and URL_PREVIEW mean nothing.',
      async run({ actor }, { MESSAGE = '', ...given }) {
        const chatId = toInteger(given.CHAT_ID);
        const dialog = readDialog(isMissing(given.DIALOG_ID) ? (chatId ? `chat${chatId}` : given.USER_ID) : given.DIALOG_ID);
        if (!dialog) throw new RestError('USER_ID_EMPTY', "User ID can't be empty");
        if (MESSAGE.trim() === '') throw new RestError('MESSAGE_EMPTY', "Message can't be empty");
        const replyToId = isMissing(given.REPLY_ID) ? undefined : toInteger(given.REPLY_ID);
        const input = accepted(api.messageCreate, { body: MESSAGE, ...(replyToId === undefined ? {} : { replyToId }) }, () => new RestError('PARAMS_ERROR', 'Incorrect params'));
        const id = dialog.kind === 'chat' ? dialog.id : (await chat.create(actor, { kind: 'private', employeeId: dialog.id })).id;
        return { result: (await chat.send(actor, id, input)).id };
      },
    }),
    defineMethod({
      name: 'im.message.update', scope, errors: editErrors, about: 'Changes a message of the caller; an empty text deletes it.', params: { MESSAGE_ID: anything, MESSAGE: optionalText },
      differs: 'There is no time after which a message cannot be changed; what a robot wrote cannot. It is always marked as edited.',
      async run({ actor }, { MESSAGE_ID, MESSAGE }) {
        const id = messageId(MESSAGE_ID);
        const chatId = await chat.chatOf(actor, id);
        if (MESSAGE === undefined) return { result: true };
        if (MESSAGE.trim() === '') await chat.deleteMessage(actor, chatId, id);
        else await chat.editMessage(actor, chatId, id, accepted(api.messageChange, { body: MESSAGE }, () => new RestError('PARAMS_ERROR', 'Incorrect params')));
        return { result: true };
      },
    }),
    defineMethod({
      name: 'im.message.delete', scope, errors: editErrors, about: 'Deletes a message: its author, and in groups the owner and managers.', params: { MESSAGE_ID: anything },
      async run({ actor }, { MESSAGE_ID }) {
        const id = messageId(MESSAGE_ID);
        await chat.deleteMessage(actor, await chat.chatOf(actor, id), id);
        return { result: true };
      },
    }),
    defineMethod({
      name: 'im.message.like', scope, errors: sendErrors, about: 'Likes a message, takes that back, or the other of the two (ACTION: plus, minus, auto).', params: { MESSAGE_ID: anything, ACTION: optionalText },
      async run({ actor }, { MESSAGE_ID, ACTION = 'auto' }) {
        const id = messageId(MESSAGE_ID);
        const chatId = await chat.chatOf(actor, id);
        const [message] = (await chat.messages(actor, chatId, { around: id, limit: 2 })).items.filter((one) => one.id === id);
        const isLiked = message?.reactions.some((one) => one.reaction === 'like' && one.isMine) ?? false;
        const wanted = ACTION.toLowerCase() === 'plus' ? true : ACTION.toLowerCase() === 'minus' ? false : !isLiked;
        if (wanted === isLiked) throw new RestError('WITHOUT_CHANGES', 'Status of the like has not changed');
        await chat.react(actor, chatId, id, 'like', wanted);
        return { result: true };
      },
    }),
  ];
}
