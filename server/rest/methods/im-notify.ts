/** im.notify.*: the bell. */
import type { Notification } from '../../../shared/api/notifications.ts';
import type { Actor } from '../../people/people.ts';
import { printMoment } from '../dates.ts';
import { entriesOf } from '../encoding.ts';
import { nothingIfUnknown, RestError, type Translate } from '../errors.ts';
import { defineMethod, type Method } from '../method.ts';
import { anything, isMissing, optionalText, toFlag, toInteger } from '../parameter.ts';
import type { FamilyDeps } from '../rest.ts';
import { usersOf } from './im-view.ts';

const errors: Translate = (error) => (error.code === 'request.not_found' ? new RestError('ERROR_NOT_FOUND', 'Notification not found') : undefined);

const maxMessage = 100_000;
const maxAtOnce = 50;
const maxMarked = 1000;
const shortestSearch = 3;
const searchPage = 100;
const searchedAtMost = 2000;

export function notifyMethods({ db, notifications, people }: FamilyDeps): Method[] {
  const scope = 'im';

  async function tell(actor: Actor, given: { USER_ID: unknown; MESSAGE?: string | undefined; TO?: unknown }, isSystem: boolean): Promise<{ result: number }> {
    const employeeId = toInteger(given.USER_ID) ?? toInteger(given.TO) ?? 0;
    if (employeeId <= 0) throw new RestError('USER_ID_EMPTY', "User ID can't be empty");
    const body = (given.MESSAGE ?? '').trim();
    if (body === '') throw new RestError('MESSAGE_EMPTY', "Message can't be empty");
    if (body.length > maxMessage) throw new RestError('PARAMS_ERROR', `MESSAGE has at most ${maxMessage} characters`);
    const employee = (await people.directory(db)).employee(employeeId);
    if (!employee || employee.dismissedAt) throw new RestError('USER_NOT_FOUND', 'User not found');
    return { result: await db.transaction((tx) => notifications.writeNotification(tx, { employeeId, senderId: isSystem ? null : actor.employeeId, body, itemId: null, runId: null })) };
  }

  const params = { USER_ID: anything, TO: anything, MESSAGE: optionalText, MESSAGE_OUT: anything, TAG: anything, SUB_TAG: anything, ATTACH: anything };
  const differs = 'TAG and SUB_TAG replace nothing, ATTACH and MESSAGE_OUT are dropped.';

  function shown(rows: readonly Notification[], zone: string) {
    return rows.map((row) => ({
      id: row.id, chat_id: 0, author_id: row.senderId ?? 0, date: printMoment(row.createdAt, zone), notify_type: row.senderId === null ? 4 : 2, notify_module: 'rest', notify_event: 'rest_notify',
      notify_tag: '', notify_sub_tag: '', notify_title: '', setting_name: 'rest|rest_notify', text: row.body, notify_read: row.readAt === null ? 'N' : 'Y', params: null,
    }));
  }

  const isUnreading = (action: unknown) => !isMissing(action) && !toFlag(action);

  return [
    defineMethod({
      name: 'im.notify', scope, errors, about: 'Notifies a person: TYPE USER in the caller’s name, SYSTEM in nobody’s.', params: { ...params, TYPE: optionalText }, differs,
      run: ({ actor }, { TYPE = '', ...given }) => tell(actor, given, TYPE.trim().toUpperCase() === 'SYSTEM'),
    }),
    defineMethod({ name: 'im.notify.personal.add', scope, errors, about: 'Notifies a person in the caller’s name.', params, differs, run: ({ actor }, given) => tell(actor, given, false) }),
    defineMethod({ name: 'im.notify.system.add', scope, errors, about: 'Notifies a person in nobody’s name.', params, differs, run: ({ actor }, given) => tell(actor, given, true) }),
    defineMethod({
      name: 'im.notify.get', scope, errors, about: 'The caller’s notifications, newest first, by 50; LAST_ID and LAST_TYPE take up where a page ended.', params: { LAST_ID: anything, LAST_TYPE: anything, LIMIT: anything },
      differs: 'Without total_count and chat_id; total_unread_count counts up to 1000.',
      async run({ actor, now }, given) {
        if (isMissing(given.LAST_ID) !== isMissing(given.LAST_TYPE)) throw new RestError('LAST_ID_AND_LAST_TYPE', 'Parameters LAST_ID and LAST_TYPE should be used together');
        const cursor = isMissing(given.LAST_ID) ? undefined : toInteger(given.LAST_ID);
        if (cursor === undefined && !isMissing(given.LAST_ID)) throw new RestError('LAST_ID_STRING', "Last notification ID can't be string");
        const limit = toInteger(given.LIMIT) ?? maxAtOnce;
        const { items } = await notifications.list(actor, { ...(cursor !== undefined && cursor > 0 ? { cursor } : {}), limit: limit > 0 ? Math.min(limit, maxAtOnce) : maxAtOnce });
        const directory = await people.directory(db);
        return {
          result: {
            total_unread_count: (await notifications.countUnread(actor)).unread, notifications: shown(items, directory.company.timeZone),
            users: usersOf(directory, items.flatMap((row) => row.senderId ?? []), now),
          },
        };
      },
    }),
    defineMethod({
      name: 'im.notify.history.search', scope, errors, about: 'The caller’s notifications that hold a text, newest first, by 50; LAST_ID takes up where a page ended.',
      params: { SEARCH_TEXT: optionalText, LAST_ID: anything, LIMIT: anything },
      differs: `By text alone; looks at the newest ${searchedAtMost} from LAST_ID on, and total_results is what it found there.`,
      async run({ actor, now }, { SEARCH_TEXT = '', LAST_ID, LIMIT }) {
        const search = SEARCH_TEXT.trim().toLowerCase();
        if (search.length < shortestSearch) throw new RestError('SEARCH_TEXT_ERROR', `SEARCH_TEXT can't be less than ${shortestSearch} symbols`);
        const lastId = toInteger(LAST_ID);
        if (!isMissing(LAST_ID) && lastId === undefined) throw new RestError('LAST_ID_STRING', "Last notification ID can't be string");
        const wanted = toInteger(LIMIT) ?? maxAtOnce;
        const limit = wanted > 0 ? Math.min(wanted, maxAtOnce) : maxAtOnce;
        const found: Notification[] = [];
        let cursor = lastId !== undefined && lastId > 0 ? lastId : undefined;
        for (let looked = 0; looked < searchedAtMost && found.length < limit; looked += searchPage) {
          const { items, nextCursor } = await notifications.list(actor, { ...(cursor === undefined ? {} : { cursor }), limit: searchPage });
          found.push(...items.filter((row) => row.body.toLowerCase().includes(search)));
          if (nextCursor === null) break;
          cursor = Number(nextCursor);
        }
        const told = found.slice(0, limit);
        const directory = await people.directory(db);
        return { result: { chat_id: 0, total_results: told.length, notifications: shown(told, directory.company.timeZone), users: usersOf(directory, told.flatMap((row) => row.senderId ?? []), now) } };
      },
    }),
    defineMethod({
      name: 'im.notify.read', scope, errors, about: 'Marks a notification and those before it as read; with ONLY_CURRENT that one only.', params: { ID: anything, ACTION: anything, ONLY_CURRENT: anything },
      differs: 'ACTION=N makes that one notification unread, whatever ONLY_CURRENT says.',
      async run({ actor }, { ID, ACTION, ONLY_CURRENT }) {
        const id = toInteger(ID);
        if (id === undefined || id < 0) return { result: false };
        if (isUnreading(ACTION)) await notifications.change(actor, id, { isRead: false });
        else if (toFlag(ONLY_CURRENT)) await notifications.change(actor, id, { isRead: true });
        else {
          const upToId = id === 0 ? (await notifications.list(actor, { limit: 1 })).items[0]?.id : id;
          if (upToId !== undefined) await notifications.markRead(actor, { upToId });
        }
        return { result: true };
      },
    }),
    defineMethod({
      name: 'im.notify.read.list', scope, errors, about: 'Marks notifications as read, or as unread (ACTION=N); ids of others are passed over.', params: { IDS: anything, ACTION: anything },
      async run({ actor }, { IDS, ACTION }) {
        const given = entriesOf(IDS)?.map(([, one]) => toInteger(one) ?? 0);
        if (!given) throw new RestError('PARAMS_ERROR', 'No IDS param or it is not an array');
        const end = given.findIndex((id) => id <= 0);
        const ids = end < 0 ? given : given.slice(0, end);
        if (ids.length > maxMarked) throw new RestError('PARAMS_ERROR', `At most ${maxMarked} IDS at once`);
        if (ids.length === 0) return { result: true };
        if (!isUnreading(ACTION)) await notifications.markRead(actor, { ids });
        else for (const id of ids) await notifications.change(actor, id, { isRead: false }).catch(nothingIfUnknown);
        return { result: true };
      },
    }),
    defineMethod({
      name: 'im.notify.read.all', scope, errors, about: 'Marks all notifications of the caller as read.', params: {},
      async run({ actor }) {
        const upToId = (await notifications.list(actor, { limit: 1 })).items[0]?.id;
        if (upToId !== undefined) await notifications.markRead(actor, { upToId });
        return { result: { result: true, newCounter: (await notifications.countUnread(actor)).unread } };
      },
    }),
    defineMethod({
      name: 'im.notify.delete', scope, errors, about: 'Deletes a notification of the caller.', params: { ID: anything },
      differs: 'By ID only: notifications keep no TAG and SUB_TAG.',
      async run({ actor }, { ID }) {
        const id = toInteger(ID);
        if (id === undefined || id <= 0) throw new RestError('PARAMS_ERROR', 'Incorrect params');
        await notifications.remove(actor, id);
        return { result: true };
      },
    }),
  ];
}
