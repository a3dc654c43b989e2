/** im.chat.*: groups and their members. */
import * as api from '../../../shared/api/chat.ts';
import type { ListedChat } from '../../messaging/chat/chat.ts';
import { type Actor, fullName } from '../../people/people.ts';
import { accepted } from '../contract.ts';
import { RestError, type Translate } from '../errors.ts';
import { type Call, defineMethod, type Method } from '../method.ts';
import { anything, list, optionalText, toFlag, toInteger, toText } from '../parameter.ts';
import type { FamilyDeps } from '../rest.ts';
import { entityTypeId, typeName } from '../stages.ts';
import { readDialog } from './im-view.ts';

const chatErrors: Translate = (error, message) => {
  switch (error.code) {
    case 'request.not_found': return error.params.kind === 'employee' ? new RestError('USER_NOT_FOUND', message) : new RestError('ACCESS_ERROR', 'Action unavailable');
    case 'chat.not_member': case 'chat.private_fixed': return new RestError('ACCESS_ERROR', 'Action unavailable');
    case 'chat.not_manager': case 'access.denied': return new RestError('ACCESS_ERROR', message);
    case 'chat.not_owner': case 'chat.owner_stays': return new RestError('ACCESS_DENIED_KICK', message);
    default: return undefined;
  }
};

const pageOfChats = 100;

/** Every chat the person is in, newest activity first. */
export async function* ownChats({ chat }: Pick<FamilyDeps, 'chat'>, actor: Actor, more: { search?: string; onlyUnread?: boolean } = {}): AsyncGenerator<ListedChat> {
  for (let cursor: string | undefined; ;) {
    const { items, nextCursor } = await chat.list(actor, { scope: 'mine', ...more, cursor, limit: pageOfChats });
    yield* items;
    if (nextCursor === null) return;
    cursor = nextCursor;
  }
}

/** CHAT_ID, a number; or DIALOG_ID, `chat17`. */
export function readChatId({ CHAT_ID, DIALOG_ID }: { CHAT_ID?: unknown; DIALOG_ID?: unknown }): number {
  const dialog = readDialog(DIALOG_ID);
  if (dialog?.kind === 'chat') return dialog.id;
  const id = toInteger(CHAT_ID);
  if (id !== undefined && id > 0) return id;
  throw toText(DIALOG_ID) ? new RestError('DIALOG_ID_EMPTY', "Dialog ID can't be empty") : new RestError('CHAT_ID_EMPTY', "Chat ID can't be empty");
}

export function chatMethods(deps: FamilyDeps): Method[] {
  const { db, chat, crm, people } = deps;
  const scope = 'im';
  const errors = chatErrors;
  const CHAT_ID = anything;
  const DIALOG_ID = anything;

  function readUserId(raw: unknown): number {
    const id = toInteger(raw);
    if (id === undefined || id <= 0) throw new RestError('USER_ID_EMPTY', "User ID can't be empty");
    return id;
  }

  /** Ids, or a text with a JSON list of them. */
  function readUsers(raw: readonly unknown[]): number[] {
    return raw.flatMap((one) => (typeof one === 'string' && /^\s*\[/.test(one) ? one.replaceAll(/[[\]\s"]/g, '').split(',') : [one])).flatMap((one) => {
      const id = toInteger(one);
      if (id === undefined || id <= 0) throw new RestError('USER_NOT_FOUND', `There is no user "${(toText(one) ?? '').slice(0, 100)}".`);
      return [id];
    });
  }

  /** The record of `CRM` and `DEAL|17`; undefined: the chat is tied to something else, or to nothing. */
  async function itemOf(actor: Actor, entityType: string | undefined, entityId: string | undefined): Promise<number | undefined> {
    if (entityType?.trim().toUpperCase() !== 'CRM') return undefined;
    const [, name = '', digits = ''] = /^([A-Z_0-9]{1,50})\|(\d{1,15})$/i.exec((entityId ?? '').trim()) ?? [];
    const wanted = name.toLowerCase();
    const type = (await crm.model(db)).itemTypes.find((one) => typeName(one) === wanted || `dynamic_${entityTypeId(one)}` === wanted);
    if (!type) throw new RestError('ENTITY_ID_EMPTY', 'ENTITY_ID of a chat of CRM is written like DEAL|17.');
    const item = await crm.visibleItem(db, actor, Number(digits));
    if (item.itemTypeId !== type.id) throw new RestError('ACCESS_ERROR', 'Action unavailable');
    return item.id;
  }

  async function title({ actor }: Call, given: string, memberIds: readonly number[]): Promise<string> {
    if (given !== '') return given;
    const directory = await people.directory(db);
    return [actor.employeeId, ...memberIds].flatMap((id) => directory.employee(id) ?? []).map(fullName).join(', ').slice(0, 255);
  }

  return [
    defineMethod({
      name: 'im.chat.add', scope, errors, about: 'Makes a group, the caller being its owner.',
      params: { TYPE: optionalText, TITLE: optionalText, USERS: list, MESSAGE: optionalText, ENTITY_TYPE: optionalText, ENTITY_ID: optionalText },
      differs: 'A group has at least one member besides the caller. Of ENTITY_TYPE only CRM ties the chat to something. No description, colour or picture.',
      async run(call, { TYPE = '', TITLE = '', USERS, MESSAGE = '', ENTITY_TYPE, ENTITY_ID }) {
        const { actor } = call;
        const memberIds = [...new Set(readUsers(USERS))].filter((id) => id !== actor.employeeId);
        const itemId = await itemOf(actor, ENTITY_TYPE, ENTITY_ID);
        const refused = (field: string) => new RestError('PARAMS_ERROR', `Invalid value of ${field === 'memberIds' ? 'USERS' : 'TITLE'}`);
        const input = accepted(api.chatCreate, {
          kind: TYPE.trim().toUpperCase() === 'OPEN' ? 'open' : 'closed', title: await title(call, TITLE.trim(), memberIds), memberIds, ...(itemId === undefined ? {} : { itemId }),
        }, refused);
        const message = MESSAGE.trim() === '' ? undefined : accepted(api.messageCreate, { body: MESSAGE }, () => new RestError('PARAMS_ERROR', 'MESSAGE is too long'));
        const { id } = await chat.create(actor, input);
        if (message) await chat.send(actor, id, message);
        return { result: id };
      },
    }),
    defineMethod({
      name: 'im.chat.get', scope, errors, about: 'The id of the chat that is tied to a record of CRM.', params: { ENTITY_TYPE: optionalText, ENTITY_ID: optionalText },
      differs: 'Only ENTITY_TYPE CRM, and only among the chats the caller is in.',
      async run({ actor }, { ENTITY_TYPE, ENTITY_ID }) {
        const itemId = await itemOf(actor, ENTITY_TYPE, ENTITY_ID);
        if (itemId !== undefined) for await (const one of ownChats(deps, actor)) if (one.itemId === itemId) return { result: { ID: one.id } };
        return { result: null };
      },
    }),
    defineMethod({
      name: 'im.chat.updateTitle', scope, errors, about: 'Renames a group.', params: { CHAT_ID, DIALOG_ID, TITLE: optionalText },
      async run({ actor }, { TITLE = '', ...which }) {
        const id = readChatId(which);
        const wanted = TITLE.replaceAll(/\s+/g, ' ').trim();
        if (wanted === '') throw new RestError('TITLE_EMPTY', "Title can't be empty");
        await chat.change(actor, id, accepted(api.chatChange, { title: wanted }, () => new RestError('PARAMS_ERROR', 'TITLE has at most 255 characters')));
        return { result: true };
      },
    }),
    defineMethod({
      name: 'im.chat.setOwner', scope, about: 'Gives a group to another of its members. Its owner.', params: { CHAT_ID, DIALOG_ID, USER_ID: anything },
      errors: (error, message) => (error.code === 'chat.not_owner' || (error.code === 'request.not_found' && error.params.kind === 'employee')
        ? new RestError('WRONG_REQUEST', 'Change owner can only owner and user must be member in chat') : chatErrors(error, message)),
      async run({ actor }, { USER_ID, ...which }) {
        await chat.changeMember(actor, readChatId(which), readUserId(USER_ID), 'owner');
        return { result: true };
      },
    }),
    defineMethod({
      name: 'im.chat.mute', scope, about: 'Silences a chat for the caller, or stops that.', params: { CHAT_ID, DIALOG_ID, MUTE: anything },
      errors: (error, message) => (chatErrors(error, message)?.code === 'ACCESS_ERROR' ? new RestError('ACCESS_ERROR', 'This chat cannot be muted', 403) : chatErrors(error, message)),
      async run({ actor }, { MUTE, ...which }) {
        await chat.changeOwn(actor, readChatId(which), { isMuted: MUTE === undefined || toFlag(MUTE) });
        return { result: true };
      },
    }),
    defineMethod({
      name: 'im.chat.leave', scope, errors, about: 'The caller leaves a group.', params: { CHAT_ID, DIALOG_ID },
      async run({ actor }, which) {
        await chat.leave(actor, readChatId(which));
        return { result: true };
      },
    }),
    defineMethod({
      name: 'im.chat.user.add', scope, errors, about: 'Adds people to a group. Any member of it.', params: { CHAT_ID, DIALOG_ID, USERS: list, HIDE_HISTORY: anything },
      async run({ actor }, { USERS, HIDE_HISTORY, ...which }) {
        const id = readChatId(which);
        const { employeeIds } = accepted(api.chatMembersAdd, { employeeIds: readUsers(USERS) }, () => new RestError('PARAMS_ERROR', 'Too many USERS at once'));
        await chat.addMembers(actor, id, { employeeIds, departmentIds: [], showsHistory: HIDE_HISTORY !== undefined && !toFlag(HIDE_HISTORY) });
        return { result: true };
      },
    }),
    defineMethod({
      name: 'im.chat.user.list', scope, errors, about: 'Who is in a chat.', params: { CHAT_ID, DIALOG_ID },
      async run({ actor }, which) {
        const id = readChatId(which);
        const ids: number[] = [];
        for (let cursor = 0; ;) {
          const { items, nextCursor } = await chat.members(actor, id, { cursor, limit: 1000 });
          ids.push(...items.map((member) => member.employeeId));
          if (nextCursor === null) return { result: ids };
          cursor = Number(nextCursor);
        }
      },
    }),
    defineMethod({
      name: 'im.chat.user.delete', scope, about: 'Takes somebody out of a group. Its owner; managers take out members.', params: { CHAT_ID, DIALOG_ID, USER_ID: anything },
      errors: (error, message) => {
        if (error.code === 'request.not_found' && error.params.kind === 'employee') return new RestError('USER_NOT_FOUND', 'The specified user is not in the chat');
        if (error.code === 'chat.not_manager') return new RestError('ACCESS_DENIED_KICK', 'Insufficient rights to exclude participants from the chat');
        return chatErrors(error, message);
      },
      async run({ actor }, { USER_ID, ...which }) {
        await chat.removeMember(actor, readChatId(which), readUserId(USER_ID));
        return { result: true };
      },
    }),
  ];
}
