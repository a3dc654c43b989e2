/**
 * What applications are told at their handlers, in the shapes of Bitrix24: events they subscribed to, runs of their
 * robots, messages of their SMS senders. An event becomes a row of the transaction in which it happened (calls), and
 * costs nothing where nobody subscribed: subscriptions are kept in memory as long as the version of the configuration.
 *
 * A handler is given a token of whoever caused the event, or of whom the subscription names; of what robots and
 * triggers did nobody's. The application token proves to it that the call is ours.
 */
import { type Calls, type NewCall, toForm } from '../calls/calls.ts';
import type { ClientWritten, CommentWritten, Crm, ItemPlan, ItemsWritten, ItemType } from '../crm/crm.ts';
import { bumpConfig, configVersions, type ConfigVersions, type Db, type Queryable, sql, type Tx } from '../db/db.ts';
import type { Deliveries } from '../deliveries/deliveries.ts';
import type { PrepareAppSms } from '../messaging/sms/sms.ts';
import type { People } from '../people/people.ts';
import type { Credentials } from './credentials.ts';
import * as eventStore from './event-store.ts';
import { entityTypeId } from './stages.ts';
import { app as findApp } from './store.ts';

const operations = { added: 'ADD', changed: 'UPDATE', deleted: 'DELETE' } as const;
type What = keyof typeof operations;

/** The events there are. Those of own types and invoices also come with the number of the type: ONCRMDYNAMICITEMADD_132. */
export const eventNames: readonly string[] = [
  ...['LEAD', 'DEAL', 'CONTACT', 'COMPANY', 'DYNAMICITEM', 'TIMELINECOMMENT'].flatMap((what) => Object.values(operations).map((operation) => `ONCRM${what}${operation}`)),
  'ONCRMDEALMOVETOCATEGORY',
];

/** The event as we know it; undefined: there is none such. */
export function knownEvent(name: string): string | undefined {
  const event = name.trim().toUpperCase();
  return eventNames.includes(event) || /^ONCRMDYNAMICITEM(ADD|UPDATE|DELETE)_\d{1,9}$/.test(event) ? event : undefined;
}

interface Happening {
  event: string;
  /** `data[FIELDS]` */
  fields: Record<string, unknown>;
  /** Who did it; null: a robot, a trigger, nobody. */
  employeeId: number | null;
}

export interface OutgoingDeps {
  db: Db;
  people: People;
  crm: Crm;
  calls: Calls;
  deliveries: Pick<Deliveries, 'subjectOf'>;
  credentials: Credentials;
  publicUrl: string;
  now: () => Date;
}

export type Outgoing = ReturnType<typeof createOutgoing>;

export function createOutgoing({ db, people, crm, calls, deliveries, credentials, publicUrl, now }: OutgoingDeps) {
  let kept: { version: number; byEvent: ReadonlyMap<string, readonly eventStore.Subscription[]> } | undefined;

  async function subscriptionsAt(q: Queryable, version: number) {
    if (kept?.version !== version) kept = { version, byEvent: Map.groupBy(await eventStore.subscriptions(q), ({ event }) => event) };
    return kept.byEvent;
  }

  // ——— Who is told, and by whose token

  /** undefined: the application is gone. */
  async function authFor(q: Queryable, appId: number, employeeId: number | null): Promise<Record<string, unknown> | undefined> {
    const app = await findApp(q, appId);
    if (!app) return undefined;
    const employee = employeeId === null ? undefined : (await people.directory(q)).employee(employeeId);
    if (employee && !employee.dismissedAt) return { ...(await credentials.grantFor(q, appId, employee.id)) };
    const at = Math.floor(now().getTime() / 1000);
    return {
      domain: new URL(publicUrl).host, server_endpoint: credentials.endpoint, client_endpoint: credentials.endpoint, member_id: credentials.memberId, status: 'L',
      scope: app.scopes.join(','), expires: at + 3600, expires_in: 3600, application_token: credentials.applicationToken(app.clientId),
    };
  }

  const seconds = () => Math.floor(now().getTime() / 1000);

  calls.usePrepare(async (q, call) => {
    const { content } = call;
    if (call.kind === 'event') {
      const auth = await authFor(q, call.appId, call.employeeId);
      return auth && { event: content.event, event_handler_id: content.subscriptionId, data: { FIELDS: content.fields }, ts: seconds(), auth };
    }
    const employeeId = call.employeeId ?? (await findApp(q, call.appId))?.createdBy ?? null;
    const auth = await authFor(q, call.appId, employeeId);
    const model = await crm.model(q);
    const type = typeof content.itemTypeId === 'number' ? model.itemType(content.itemTypeId) : undefined;
    if (!auth || !type) return undefined;
    const properties = typeof content.properties === 'object' && content.properties !== null ? content.properties : {};
    return {
      workflow_id: content.workflowId, code: content.code, document_id: documentId(type, Number(content.itemId)), document_type: documentType(type),
      event_token: content.token, properties: Object.keys(properties).length > 0 ? properties : '',
      use_subscription: content.waitsSeconds === null ? 'N' : 'Y', timeout_duration: content.waitsSeconds ?? 0, ts: seconds(), auth,
    };
  });

  // ——— Events

  async function tell(tx: Tx, byEvent: ReadonlyMap<string, readonly eventStore.Subscription[]>, happenings: readonly Happening[]): Promise<void> {
    const online: NewCall[] = [];
    const offline: eventStore.NewOfflineEvent[] = [];
    for (const { event, fields, employeeId } of happenings) {
      for (const subscription of byEvent.get(event) ?? []) {
        const { appId, handler } = subscription;
        if (subscription.isOffline) offline.push({ appId, event, subject: JSON.stringify(fields), data: { FIELDS: fields } });
        else {
          online.push({
            appId, kind: 'event', url: handler, employeeId: subscription.employeeId ?? employeeId, content: { event, fields, subscriptionId: subscription.id }, runId: null, token: null,
          });
        }
      }
    }
    await Promise.all([calls.queue(tx, online), eventStore.keepEvents(tx, offline, now())]);
  }

  async function onItemsWritten(tx: Tx, { plans, config }: ItemsWritten): Promise<void> {
    const versions = await config();
    const byEvent = await subscriptionsAt(tx, versions.apps);
    if (byEvent.size === 0) return;
    const model = await crm.model(tx, versions.crm);
    await tell(tx, byEvent, plans.flatMap((plan) => {
      const type = model.itemType(plan.after.itemTypeId);
      return type ? ofItem(type, plan.after.id, whatOf(plan), employeeOf(plan)) : [];
    }));
  }

  async function onItemsDeleted(tx: Tx, itemIds: readonly number[]): Promise<void> {
    const versions = await configVersions(tx);
    const byEvent = await subscriptionsAt(tx, versions.apps);
    if (byEvent.size === 0) return;
    const [model, rows] = await Promise.all([
      crm.model(tx, versions.crm), tx.rows<{ id: number; itemTypeId: number }>(sql`select id, item_type_id from items where id = any(${itemIds}::bigint[])`),
    ]);
    await tell(tx, byEvent, rows.flatMap(({ id, itemTypeId }) => {
      const type = model.itemType(itemTypeId);
      return type ? ofItem(type, id, 'deleted', null) : [];
    }));
  }

  async function onClientWritten(tx: Tx, { kind, id, what, employeeId }: ClientWritten): Promise<void> {
    const byEvent = await subscriptionsAt(tx, (await configVersions(tx)).apps);
    await tell(tx, byEvent, [{ event: `ONCRM${kind.toUpperCase()}${operations[what]}`, fields: { ID: id }, employeeId }]);
  }

  /** For whoever told us: an application whose subscriptions we just read. */
  async function hearsComments(tx: Tx, config: ConfigVersions | undefined): Promise<boolean> {
    const byEvent = await subscriptionsAt(tx, (config ?? (await configVersions(tx))).apps);
    return [...byEvent.keys()].some((event) => event.startsWith('ONCRMTIMELINECOMMENT'));
  }

  async function onComment(tx: Tx, { id, what, employeeId }: CommentWritten): Promise<void> {
    await tell(tx, kept?.byEvent ?? new Map(), [{ event: `ONCRMTIMELINECOMMENT${operations[what]}`, fields: { ID: id }, employeeId }]);
  }

  crm.onItemsWritten(onItemsWritten);
  crm.onItemsDeleted(onItemsDeleted);
  crm.onClientWritten(onClientWritten);
  crm.watchComments({ wants: hearsComments, hear: onComment });

  /** A message of an application's SMS sender. */
  async function prepareSms({ appId, code, handler, employeeId, deliveryId, messageId, phone, text }: Parameters<PrepareAppSms>[0]) {
    const [subject, model] = await Promise.all([deliveries.subjectOf(db, deliveryId), crm.model(db)]);
    const auth = await authFor(db, appId, employeeId ?? (await findApp(db, appId))?.createdBy ?? null);
    if (!auth) return undefined;
    const item = subject?.itemId ? await crm.find(db, subject.itemId) : undefined;
    const type = item && model.itemType(item.itemTypeId);
    const body = {
      module_id: 'crm', bindings: item && type ? [{ OWNER_TYPE_ID: entityTypeId(type), OWNER_ID: item.id }] : undefined,
      properties: { phone_number: phone, message_text: text }, type: 'SMS', code, message_id: messageId, message_to: phone, message_body: text, ts: seconds(), auth,
    };
    return { body: toForm(body), allowPrivateHost: calls.isAllowed(handler) };
  }

  return {
    authFor,
    prepareSms,

    subscriptions: (appId: number) => eventStore.subscriptions(db, appId),
    /** false: it is there already. */
    async subscribe(subscription: Omit<eventStore.Subscription, 'id'>): Promise<boolean> {
      return db.transaction(async (tx) => {
        const isNew = await eventStore.insertSubscription(tx, subscription, now());
        if (isNew) await bumpConfig(tx, 'apps');
        return isNew;
      });
    },
    async unsubscribe(which: Parameters<typeof eventStore.deleteSubscriptions>[1]): Promise<number> {
      return db.transaction(async (tx) => {
        const count = await eventStore.deleteSubscriptions(tx, which);
        if (count > 0) await bumpConfig(tx, 'apps');
        return count;
      });
    },

    /** Refuses what can never be called; where a name leads is looked at when it is called. */
    async checkHandler(url: string): Promise<'wrong_protocol' | 'wrong_url' | null> {
      if (!URL.canParse(url) || url.length > 2000) return 'wrong_url';
      const { protocol, username, password } = new URL(url);
      if (protocol !== 'http:' && protocol !== 'https:') return 'wrong_protocol';
      return username !== '' || password !== '' || (await calls.privateAddress(url)) !== null ? 'wrong_url' : null;
    },
  };
}

function whatOf(plan: ItemPlan): What | 'category' {
  if (plan.before === null) return 'added';
  return plan.before.pipelineId === plan.after.pipelineId ? 'changed' : 'category';
}

function employeeOf({ origin: { cause, employeeId } }: ItemPlan): number | null {
  return cause === 'robot' || cause === 'trigger' ? null : employeeId;
}

function ofItem(type: ItemType, id: number, what: What | 'category', employeeId: number | null): Happening[] {
  if (type.code === 'lead' || type.code === 'deal') {
    const name = type.code.toUpperCase();
    if (what !== 'category') return [{ event: `ONCRM${name}${operations[what]}`, fields: { ID: id }, employeeId }];
    return [{ event: type.code === 'deal' ? 'ONCRMDEALMOVETOCATEGORY' : 'ONCRMLEADUPDATE', fields: { ID: id }, employeeId }];
  }
  const typeId = entityTypeId(type);
  const event = `ONCRMDYNAMICITEM${operations[what === 'category' ? 'changed' : what]}`;
  return [event, `${event}_${typeId}`].map((name) => ({ event: name, fields: { ID: id, ENTITY_TYPE_ID: typeId }, employeeId }));
}

/** `DEAL`, `SMART_INVOICE`, `DYNAMIC_132` */
function documentName(type: ItemType): string {
  if (type.code === 'lead' || type.code === 'deal') return type.code.toUpperCase();
  return type.code === 'invoice' ? 'SMART_INVOICE' : `DYNAMIC_${entityTypeId(type)}`;
}

function documentClass(type: ItemType): string {
  if (type.code === 'lead') return 'CCrmDocumentLead';
  if (type.code === 'deal') return 'CCrmDocumentDeal';
  return `Bitrix\\Crm\\Integration\\BizProc\\Document\\${type.code === 'invoice' ? 'SmartInvoice' : 'Dynamic'}`;
}

export function documentType(type: ItemType): [module: string, entity: string, name: string] {
  return ['crm', documentClass(type), documentName(type)];
}

export function documentId(type: ItemType, itemId: number): [module: string, entity: string, id: string] {
  return ['crm', documentClass(type), `${documentName(type)}_${itemId}`];
}

/** `DEAL_12`, `DYNAMIC_132_7`, `SMART_INVOICE_3`: the type and the id; undefined: it is spelled otherwise. */
export function readTarget(types: readonly ItemType[], written: string): { type: ItemType; itemId: number } | undefined {
  const [, name, id] = /^([A-Z][A-Z0-9_]*)_(\d{1,15})$/i.exec(written.trim()) ?? [];
  const type = types.find((one) => documentName(one) === name?.toUpperCase());
  return type && id !== undefined ? { type, itemId: Number(id) } : undefined;
}
