/** event.*: subscriptions of applications to what happens, and events kept until they ask. */
import { randomBytes } from 'node:crypto';
import { entriesOf } from '../encoding.ts';
import * as store from '../event-store.ts';
import { accessDenied, applicationRequired, RestError } from '../errors.ts';
import { type Call, defineMethod, type Method } from '../method.ts';
import { anything, isMissing, list, optionalInteger, optionalText, toInteger, toText } from '../parameter.ts';
import { eventNames, knownEvent } from '../outgoing.ts';
import type { FamilyDeps } from '../rest.ts';

const maxTaken = 500;

export function eventMethods({ db, people, outgoing }: FamilyDeps): Method[] {
  const scope = 'basic';

  function appOf({ app }: Call): NonNullable<Call['app']> {
    if (!app) throw applicationRequired();
    return app;
  }

  function eventOf(raw: string | undefined): string {
    const event = raw === undefined ? undefined : knownEvent(raw);
    if (event === undefined) throw new RestError('ERROR_EVENT_NOT_FOUND', 'Event not found');
    return event;
  }

  const isOfflineType = (type: string | undefined) => type?.trim().toLowerCase() === 'offline';
  const offline = (call: Call) => {
    const app = appOf(call);
    if (!call.actor.isAdmin) throw accessDenied();
    return app.id;
  };
  /** `filter[=EVENT_NAME]`, `filter[EVENT_NAME]` */
  const eventIn = (filter: unknown): string | null => {
    const found = (entriesOf(filter) ?? []).find(([name]) => name.replace(/^=/, '').toUpperCase() === 'EVENT_NAME');
    return found ? (toText(found[1])?.toUpperCase() ?? null) : null;
  };
  const limitOf = (limit: number | undefined) => Math.min(Math.max(limit ?? 50, 1), maxTaken);
  const shown = (rows: readonly store.OfflineEvent[]) => rows.map((row) => ({
    ID: String(row.id), TIMESTAMP_X: row.createdAt.toISOString().replace(/\.\d+Z$/, '+00:00'), EVENT_NAME: row.event, EVENT_DATA: row.data, EVENT_ADDITIONAL: false, MESSAGE_ID: String(row.id),
  }));
  const idsOf = (raw: readonly unknown[]) => raw.flatMap((one) => toInteger(one) ?? []);

  return [
    defineMethod({
      name: 'events', scope, about: 'The events an application can subscribe to.', params: { SCOPE: optionalText, FULL: anything },
      differs: 'Names the events that are really told; those of own types also come with the number of the type at the end.',
      run: (_call, { SCOPE }) => ({ result: SCOPE === undefined || SCOPE === '' || SCOPE.toLowerCase() === 'crm' ? eventNames : [] }),
    }),
    defineMethod({
      name: 'event.bind', scope, about: 'Subscribes a handler of the application to an event.',
      params: { event: optionalText, handler: optionalText, auth_type: optionalInteger, event_type: optionalText },
      differs: 'What is not answered with 2xx is repeated for most of a day. Offline events need no auth_connector.',
      async run(call, given) {
        const app = appOf(call);
        const isOffline = isOfflineType(given.event_type);
        if (isOffline && !call.actor.isAdmin) throw accessDenied('Access denied! Offline events binding requires administrator authorization');
        const employeeId = given.auth_type || null;
        if (employeeId !== null && !call.actor.isAdmin) throw accessDenied('Access denied! Event binding with AUTH_TYPE requires administrator access');
        const event = eventOf(given.event);
        if (employeeId !== null && !(await people.directory(db)).employee(employeeId)) throw new RestError('ERROR_ARGUMENT', 'Wrong auth_type');
        if (!isOffline && (await outgoing().checkHandler(given.handler ?? '')) !== null) throw new RestError('ERROR_WRONG_HANDLER_URL', 'Wrong handler URL');
        const isNew = await outgoing().subscribe({ appId: app.id, event, handler: isOffline ? '' : (given.handler ?? ''), employeeId, isOffline });
        if (!isNew) throw new RestError('ERROR_CORE', 'Unable to set event handler: Handler already binded');
        return { result: true };
      },
    }),
    defineMethod({
      name: 'event.get', scope, about: 'The subscriptions of the application.', params: {},
      async run(call) {
        const rows = await outgoing().subscriptions(appOf(call).id);
        return { result: rows.map((row) => (row.isOffline ? { event: row.event, connector_id: '', offline: 1 } : { event: row.event, handler: row.handler, auth_type: String(row.employeeId ?? 0), offline: 0 })) };
      },
    }),
    defineMethod({
      name: 'event.unbind', scope, about: 'Ends a subscription of the application.', params: { event: optionalText, handler: optionalText, auth_type: optionalInteger, event_type: optionalText },
      async run(call, given) {
        const app = appOf(call);
        const isOffline = isOfflineType(given.event_type);
        if (isOffline && !call.actor.isAdmin) throw accessDenied('Access denied! Offline events unbinding requires administrator authorization');
        if (given.auth_type !== undefined && given.auth_type !== 0 && !call.actor.isAdmin) throw accessDenied('Access denied! Event unbinding with AUTH_TYPE requires administrator access');
        const count = await outgoing().unsubscribe({ appId: app.id, event: eventOf(given.event), handler: given.handler ?? '', employeeId: given.auth_type, isOffline });
        return { result: { count } };
      },
    }),
    defineMethod({
      name: 'event.offline.get', scope, about: 'Takes the events that were kept for the application. Administrators.',
      params: { filter: anything, order: anything, limit: optionalInteger, clear: anything },
      async run(call, { filter, limit, clear }) {
        const appId = offline(call);
        const keeps = !isMissing(clear) && /^(0|n|false)$/i.test(String(clear));
        const processId = keeps ? randomBytes(16).toString('hex') : null;
        const rows = await store.takeOfflineEvents(db, appId, eventIn(filter), limitOf(limit), processId);
        return { result: { process_id: processId, events: shown(rows) } };
      },
    }),
    defineMethod({
      name: 'event.offline.list', scope, about: 'Shows the events that are kept for the application, and leaves them there. Administrators.',
      params: { filter: anything, order: anything, limit: optionalInteger },
      run: async (call, { filter, limit }) => ({ result: shown(await store.offlineEvents(db, offline(call), eventIn(filter), limitOf(limit))) }),
    }),
    defineMethod({
      name: 'event.offline.clear', scope, about: 'Forgets events taken without clearing. Administrators.', params: { process_id: optionalText, id: list, message_id: list },
      async run(call, { process_id: processId, id, message_id: messageId }) {
        const appId = offline(call);
        if (!processId) throw new RestError('PROCESS_ID_NOT_FOUND', 'Process ID is not set');
        await store.clearOfflineEvents(db, appId, processId, idsOf([...id, ...messageId]));
        return { result: true };
      },
    }),
    defineMethod({
      name: 'event.offline.error', scope, about: 'Marks events taken without clearing as failed. Administrators.', params: { process_id: optionalText, message_id: list },
      async run(call, { process_id: processId, message_id: messageId }) {
        const appId = offline(call);
        if (!processId) throw new RestError('PROCESS_ID_NOT_FOUND', 'Process ID is not set');
        await store.failOfflineEvents(db, appId, processId, idsOf(messageId));
        return { result: true };
      },
    }),
  ];
}
