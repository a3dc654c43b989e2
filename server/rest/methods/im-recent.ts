/** im.recent.*, im.counters.get, im.search.*, im.user.*: the list of chats, and whom one can write to. */
import { bbcodeToText } from '../../../shared/bbcode.ts';
import type { ListedChat } from '../../messaging/chat/chat.ts';
import { type Actor, type Directory, fullName } from '../../people/people.ts';
import { printMoment, readMoment } from '../dates.ts';
import { entriesOf } from '../encoding.ts';
import { RestError, type Translate } from '../errors.ts';
import { type Answer, defineMethod, type Method } from '../method.ts';
import { anything, flag, isMissing, optionalText, toFlag, toInteger, toText } from '../parameter.ts';
import type { FamilyDeps } from '../rest.ts';
import { ownChats } from './im-chat.ts';
import { bodyOf, chatOf, dialogId, readDialog, systemText, titleOf, userOf } from './im-view.ts';

const errors: Translate = (error) => {
  switch (error.code) {
    case 'request.not_found': case 'chat.not_member': return new RestError('ACCESS_ERROR', 'You do not have access to the specified dialog', 403);
    default: return undefined;
  }
};

const recentByDefault = 50;
const recentAtOnce = 200;
const foundByDefault = 10;
const foundAtOnce = 50;

export function recentMethods(deps: FamilyDeps): Method[] {
  const { db, chat, people, notifications } = deps;
  const scope = 'im';

  function limitOf(raw: unknown, usual: number, most: number): number {
    const wanted = toInteger(raw) ?? usual;
    return wanted > 0 ? Math.min(most, wanted) : usual;
  }

  function shown(actor: Actor, directory: Directory, one: ListedChat, now: Date): Record<string, unknown> {
    const zone = directory.company.timeZone;
    const { lastMessage: last } = one;
    const partner = one.kind === 'private' && one.partnerId !== null ? directory.employee(one.partnerId) : undefined;
    return {
      id: one.kind === 'private' ? (one.partnerId ?? 0) : dialogId(one), chat_id: one.id, type: one.kind === 'private' ? 'user' : 'chat', avatar: { url: '', color: '' }, title: titleOf(one, directory),
      message: {
        id: last?.id ?? 0, text: last ? (last.kind === 'system' ? systemText(actor, directory, last.system) : bbcodeToText(bodyOf(last))) : '', file: (last?.fileCount ?? 0) > 0, attach: false,
        author_id: last?.authorId ?? 0, date: printMoment(last?.createdAt ?? one.createdAt, zone), status: 'received', uuid: null,
      },
      counter: one.unreadCount, last_id: one.membership?.readUpToId ?? 0, pinned: one.membership?.isPinned ?? false, unread: false, has_reminder: false,
      date_update: printMoment(one.activityAt, zone), date_last_activity: printMoment(one.activityAt, zone),
      chat: chatOf(one, directory), ...(partner ? { user: userOf(directory, partner, now) } : {}),
    };
  }

  interface Wanted { skipDialogs: boolean; skipChats: boolean; onlyUnread: boolean; before?: Date; offset: number; limit: number }

  async function recent(actor: Actor, { skipDialogs, skipChats, onlyUnread, before, offset, limit }: Wanted): Promise<{ rows: ListedChat[]; hasMore: boolean }> {
    const rows: ListedChat[] = [];
    let passed = 0;
    for await (const one of ownChats(deps, actor, { onlyUnread })) {
      if (one.kind === 'private' ? skipDialogs : skipChats) continue;
      if (before && one.activityAt >= before) continue;
      if (passed++ < offset) continue;
      if (rows.length === limit) return { rows, hasMore: true };
      rows.push(one);
    }
    return { rows, hasMore: false };
  }

  /** Rows counted from `offset`, as pages of im.search.*. */
  function searched<Row>(rows: readonly Row[], total: number, offset: number, limit: number, shape: (rows: readonly Row[]) => unknown): Answer {
    return { result: shape(rows), total, ...(offset + rows.length < total ? { next: offset + limit } : {}) };
  }

  function findOf(raw: string | undefined): string {
    const find = (raw ?? '').trim();
    if (find.length < 2) throw new RestError('FIND_SHORT', 'Too short a search phrase');
    return find;
  }

  return [
    defineMethod({
      name: 'im.recent.get', scope, errors, about: 'The chats of the caller, the pinned ones first, then by activity: the first 200.', params: { SKIP_DIALOG: flag, SKIP_CHAT: flag, ONLY_UNREAD: flag },
      async run({ actor, now }, given) {
        const { rows } = await recent(actor, { skipDialogs: given.SKIP_DIALOG, skipChats: given.SKIP_CHAT, onlyUnread: given.ONLY_UNREAD, offset: 0, limit: recentAtOnce });
        const directory = await people.directory(db);
        return { result: rows.map((row) => shown(actor, directory, row, now)) };
      },
    }),
    defineMethod({
      name: 'im.recent.list', scope, errors, about: 'The chats of the caller, the pinned ones first, then by activity; by LIMIT.',
      params: { SKIP_DIALOG: flag, SKIP_CHAT: flag, UNREAD_ONLY: flag, ONLY_CHANNEL: flag, ONLY_COPILOT: flag, LAST_MESSAGE_DATE: anything, OFFSET: anything, LIMIT: anything },
      differs: 'There are no open channels, channels and assistants: ONLY_CHANNEL and ONLY_COPILOT find nothing. Texts come without markup.',
      async run({ actor, now }, given) {
        const directory = await people.directory(db);
        const before = isMissing(given.LAST_MESSAGE_DATE) ? undefined : readMoment(given.LAST_MESSAGE_DATE, directory.company.timeZone);
        if (!before && !isMissing(given.LAST_MESSAGE_DATE)) throw new RestError('PARAMS_ERROR', 'LAST_MESSAGE_DATE is no date');
        if (given.ONLY_CHANNEL || given.ONLY_COPILOT) return { result: { items: [], hasMorePages: false, hasMore: false } };
        const { rows, hasMore } = await recent(actor, {
          skipDialogs: given.SKIP_DIALOG, skipChats: given.SKIP_CHAT, onlyUnread: given.UNREAD_ONLY, before,
          offset: Math.max(0, toInteger(given.OFFSET) ?? 0), limit: limitOf(given.LIMIT, recentByDefault, recentAtOnce),
        });
        return { result: { items: rows.map((row) => shown(actor, directory, row, now)), hasMorePages: hasMore, hasMore } };
      },
    }),
    defineMethod({
      name: 'im.recent.pin', scope, errors, about: 'Pins a chat on top of the caller’s list, or takes it down (PIN=N).', params: { DIALOG_ID: anything, PIN: anything },
      async run({ actor }, { DIALOG_ID, PIN }) {
        const dialog = readDialog(DIALOG_ID);
        if (!dialog) throw new RestError('DIALOG_ID_EMPTY', "Dialog ID can't be empty");
        const chatId = dialog.kind === 'chat' ? dialog.id : [...(await chat.findPrivate(db, [[actor.employeeId, dialog.id]])).values()][0];
        if (chatId === undefined) throw new RestError('ACCESS_ERROR', 'You do not have access to the specified dialog', 403);
        await chat.changeOwn(actor, chatId, { isPinned: PIN === undefined || toFlag(PIN) });
        return { result: true };
      },
    }),
    defineMethod({
      name: 'im.counters.get', scope, errors, about: 'What the caller has not read.', params: {},
      differs: 'A chat counts up to 100, notifications up to 1000.',
      async run({ actor }) {
        const counters = { CHAT: new Map<string, number>(), CHAT_MUTED: new Map<string, number>(), DIALOG: new Map<string, number>() };
        for await (const one of ownChats(deps, actor, { onlyUnread: true })) {
          if (one.kind === 'private') counters.DIALOG.set(String(one.partnerId ?? 0), one.unreadCount);
          else counters[one.membership?.isMuted ? 'CHAT_MUTED' : 'CHAT'].set(String(one.id), one.unreadCount);
        }
        const sum = (map: ReadonlyMap<string, number>) => [...map.values()].reduce((all, one) => all + one, 0);
        const [CHAT, DIALOG, NOTIFY] = [sum(counters.CHAT), sum(counters.DIALOG), (await notifications.countUnread(actor)).unread];
        // PHP writes an empty map as a list.
        const map = (of: ReadonlyMap<string, number>) => (of.size === 0 ? [] : Object.fromEntries(of));
        return {
          result: {
            TYPE: { ALL: NOTIFY + CHAT + DIALOG, NOTIFY, CHAT, LINES: 0, DIALOG, MESSENGER: CHAT + DIALOG },
            CHAT: map(counters.CHAT), CHAT_MUTED: map(counters.CHAT_MUTED), CHAT_UNREAD: [], LINES: [], DIALOG: map(counters.DIALOG), DIALOG_UNREAD: [],
          },
        };
      },
    }),
    defineMethod({
      name: 'im.search.chat.list', scope, errors, about: 'Groups of the caller by part of a name.', params: { FIND: optionalText, OFFSET: anything, LIMIT: anything },
      differs: 'Open groups the caller has not joined are not searched.',
      async run({ actor }, { FIND, OFFSET, LIMIT }) {
        const found: ListedChat[] = [];
        for await (const one of ownChats(deps, actor, { search: findOf(FIND).slice(0, 255) })) if (one.kind !== 'private') found.push(one);
        const [offset, limit] = [Math.max(0, toInteger(OFFSET) ?? 0), limitOf(LIMIT, foundByDefault, foundAtOnce)];
        const directory = await people.directory(db);
        return searched(found.slice(offset, offset + limit), found.length, offset, limit, (rows) => rows.map((row) => chatOf(row, directory)));
      },
    }),
    defineMethod({
      name: 'im.search.user.list', scope, errors, about: 'People by part of a name or position.', params: { FIND: optionalText, OFFSET: anything, LIMIT: anything },
      async run({ now }, { FIND, OFFSET, LIMIT }) {
        const words = findOf(FIND).toLocaleLowerCase().split(/\s+/);
        const directory = await people.directory(db);
        const found = directory.employees.filter((one) => one.dismissedAt === null && words.every((word) => `${fullName(one)} ${one.position}`.toLocaleLowerCase().includes(word)));
        const [offset, limit] = [Math.max(0, toInteger(OFFSET) ?? 0), limitOf(LIMIT, foundByDefault, foundAtOnce)];
        return searched(found.slice(offset, offset + limit), found.length, offset, limit, (rows) => Object.fromEntries(rows.map((row) => [String(row.id), userOf(directory, row, now)])));
      },
    }),
    defineMethod({
      name: 'im.user.get', scope, errors, about: 'A person; without ID the caller.', params: { ID: anything },
      async run({ actor, now }, { ID }) {
        const directory = await people.directory(db);
        const employee = directory.employee(isMissing(ID) ? actor.employeeId : (toInteger(ID) ?? 0));
        if (!employee) throw new RestError('USER_NOT_EXISTS', "User isn't exists");
        return { result: userOf(directory, employee, now) };
      },
    }),
    defineMethod({
      name: 'im.user.list.get', scope, errors, about: 'People by their ids; null for those there are not.', params: { ID: anything, RESULT_TYPE: optionalText },
      async run({ now }, { ID, RESULT_TYPE = '' }) {
        const raw = typeof ID === 'string' && ID.trim().startsWith('[') ? ID.replaceAll(/[[\]\s"]/g, '').split(',') : (entriesOf(ID)?.map(([, one]) => one) ?? [ID]);
        const ids = raw.flatMap((one) => toInteger(one) ?? []);
        if (ids.length === 0) throw new RestError('INVALID_FORMAT', 'A wrong format for the ID field is passed');
        const directory = await people.directory(db);
        const rows = [...new Set(ids)].map((id) => {
          const employee = directory.employee(id);
          return [String(id), employee ? userOf(directory, employee, now) : null] as const;
        });
        return { result: toText(RESULT_TYPE)?.toLowerCase() === 'array' ? rows.flatMap(([, one]) => one ?? []) : Object.fromEntries(rows) };
      },
    }),
  ];
}
