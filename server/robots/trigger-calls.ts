/**
 * What outside programs tell triggers: calls of a webhook's own address, calls by its code, and events of
 * applications. Each is answered when the event is on disk; whether an item is moved is decided after that.
 */
import { randomBytes, timingSafeEqual } from 'node:crypto';
import type { z } from 'zod';
import type { appTrigger, triggerWebhook } from '../../shared/api/triggers.ts';
import { UserError } from '../../shared/errors.ts';
import type { Crm, ItemRow, Pipeline } from '../crm/crm.ts';
import type { Db, Queryable } from '../db/db.ts';
import { type Actor, type People, requireAdmin } from '../people/people.ts';
import { findDraft } from './store.ts';
import * as store from './trigger-store.ts';
import type { Triggers } from './triggers.ts';

export interface TriggerCallsDeps {
  db: Db;
  people: People;
  crm: Crm;
  triggers: Triggers;
  publicUrl: string;
  now: () => Date;
  pipelineFor(q: Queryable, actor: Actor, pipelineId: number, wish: 'edit'): Promise<{ pipeline: Pipeline }>;
}

/** An application as rest knows it. */
export interface CallingApp {
  id: number;
  name: string;
}

const appCode = /^[a-z0-9._-]{1,100}$/;

export function createTriggerCalls({ db, people, crm, triggers, publicUrl, now, pipelineFor }: TriggerCallsDeps) {
  async function webhook(actor: Actor, pipelineId: number, triggerId: number, isNew: boolean): Promise<z.output<typeof triggerWebhook>> {
    return db.transaction(async (tx) => {
      await pipelineFor(tx, actor, pipelineId, 'edit');
      const draft = await findDraft(tx, pipelineId);
      const trigger = draft?.triggers.find((one) => one.id === triggerId);
      if (trigger?.when.kind !== 'webhook') throw new UserError('request.not_found', { kind: 'trigger', id: triggerId });
      const secret = await store.keepHook(tx, triggerId, randomBytes(24).toString('base64url'), now(), isNew);
      return { url: `${publicUrl}/api/trigger-calls/${triggerId}/${secret}?item={id}`, code: trigger.when.code };
    });
  }

  async function existing(q: Queryable, itemId: number): Promise<ItemRow> {
    const item = await crm.find(q, itemId);
    if (!item) throw new UserError('request.not_found', { kind: 'item', id: itemId });
    return item;
  }

  return {
    /** The address other systems call. Only those who may edit the robots of the pipeline learn it. */
    triggerWebhook: (actor: Actor, pipelineId: number, triggerId: number) => webhook(actor, pipelineId, triggerId, false),
    /** Another secret: the address known so far stops working at once. */
    renewTriggerWebhook: (actor: Actor, pipelineId: number, triggerId: number) => webhook(actor, pipelineId, triggerId, true),

    /** Somebody called the address. A wrong secret, a trigger that is off or not published: as if there were nothing. */
    async callWebhook(triggerId: number, secret: string, itemId: number): Promise<void> {
      await db.transaction(async (tx) => {
        const [known, watching] = await Promise.all([store.findHookSecret(tx, triggerId), triggers.find(tx, triggerId)]);
        const isOn = watching?.record.isEnabled && watching.record.when.kind === 'webhook';
        if (known === undefined || !isSame(known, secret) || !isOn) throw new UserError('request.not_found', { kind: 'trigger', id: triggerId });
        const item = await existing(tx, itemId);
        // Of another pipeline: the caller may say so to whoever set it up.
        if (item.pipelineId !== watching.pipelineId) throw new UserError('triggers.item_elsewhere', { title: item.title });
        await triggers.happened(tx, { item, kind: 'webhook', data: {} }, (trigger) => trigger.id === triggerId);
      });
    },

    /** `crm.automation.trigger`: every webhook trigger with the code that stands in the item's pipeline. Whoever calls must be able to move the item. */
    async callByCode(actor: Actor, itemId: number, code: string): Promise<void> {
      await db.transaction(async (tx) => {
        const [item, rights] = await Promise.all([crm.visibleItem(tx, actor, itemId), people.access(tx, actor)]);
        if (!rights.mayTouch('move', item)) throw new UserError('access.denied', { action: 'move' });
        await triggers.happened(tx, { item, kind: 'webhook', data: { code } }, ({ when }) => when.kind === 'webhook' && when.code === code);
      });
    },

    /** For choosing one while a trigger is set up. */
    async listAppTriggers(): Promise<z.output<typeof appTrigger>[]> {
      return store.listAppTriggers(db);
    },

    appTriggers: {
      list: (appId: number) => store.listAppTriggers(db, appId),

      async add(actor: Actor, app: CallingApp, { code, name }: { code: string; name: string }): Promise<void> {
        requireAdmin(actor);
        if (!appCode.test(code)) throw new UserError('request.invalid', { field: 'code', problem: 'wrong' }, 'code');
        await store.saveAppTrigger(db, { appId: app.id, appName: app.name, code, name: name.slice(0, 255) }, now());
      },

      /** false: there was none. Triggers set up with it stay, and nothing fires them. */
      async remove(actor: Actor, appId: number, code: string): Promise<boolean> {
        requireAdmin(actor);
        return (await store.deleteAppTriggers(db, appId, code)) > 0;
      },

      /** The event happened to the item. false: no such trigger is registered. */
      async execute(actor: Actor, appId: number, code: string, itemId: number): Promise<boolean> {
        requireAdmin(actor);
        return db.transaction(async (tx) => {
          const known = await store.listAppTriggers(tx, appId);
          if (!known.some((one) => one.code === code)) return false;
          const item = await existing(tx, itemId);
          await triggers.happened(tx, { item, kind: 'app', data: { code } }, ({ when }) => when.kind === 'app' && when.appId === appId && when.code === code);
          return true;
        });
      },
    },
  };
}

function isSame(a: string, b: string): boolean {
  const [left, right] = [Buffer.from(a), Buffer.from(b)];
  return left.length === right.length && timingSafeEqual(left, right);
}
