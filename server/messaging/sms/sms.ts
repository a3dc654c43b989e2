/**
 * SMS: through whom the product sends them, and their sending.
 *
 * Owns the providers an administrator set up (settings by the kind of provider, keys sealed and never
 * shown again), the kinds there are (catalog.ts, one folder each) and the loop that hands deliveries
 * of the channel 'sms' to them.
 *
 * Invariants: what a kind of provider cannot vouch for as not sent is unknown, and nobody but a
 * person sends it again; requests to internal networks need an administrator's word.
 *
 * Does not do: receive SMS, status reports (deliveries.markDelivered waits for them), balances.
 */
import { z } from 'zod';
import { UserError } from '../../../shared/errors.ts';
import { text as textOf } from '../../../shared/messages.ts';
import { bumpConfig, type Db, type Queryable } from '../../db/db.ts';
import type { Claimed, Deliveries, Outcome } from '../../deliveries/deliveries.ts';
import { type Actor, normalizePhone, type People, requireAdmin } from '../../people/people.ts';
import { smsProviderTypes } from './catalog.ts';
import { createOutbound } from './outbound.ts';
import type { SmsProviderType } from './provider.ts';
import * as store from './store.ts';

export { type SmsParts, smsParts } from './parts.ts';

export interface ProviderInput {
  type: string;
  name: string;
  settings: Record<string, unknown>;
  secrets: Record<string, string>;
  isDefault: boolean;
}
export type Provider = Omit<store.ProviderRow, 'secret'> & { secretNames: string[] };

export interface SmsOptions {
  db: Db;
  people: Pick<People, 'directory'>;
  deliveries: Deliveries;
  now: () => Date;
  /** How long a gateway may be silent; half a minute by default. */
  patienceMs?: number;
}

const purpose = 'sms_providers';
const smsContent = z.object({ text: z.string() });
const e164 = /^\+[1-9]\d{6,14}$/;

export function createSms({ db, people, deliveries, now, patienceMs }: SmsOptions) {
  const outbound = createOutbound({ patienceMs });
  const context = { outbound, now };
  const types = new Map(smsProviderTypes.map((type) => [type.id, type]));

  function typeOf(id: string): SmsProviderType {
    const type = types.get(id);
    if (!type) throw new UserError('sms.provider_type_unknown', { type: id }, 'type');
    return type;
  }

  const secretsOf = (row: store.ProviderRow) => (row.secret ? deliveries.secrets.open(purpose, row.secret) : {});

  async function send(delivery: Claimed): Promise<Outcome> {
    const provider = await store.find(db, delivery.senderId);
    const type = provider && types.get(provider.type);
    if (!provider || !type) return { kind: 'permanent', error: { code: 'sms.provider_missing', params: {} } };
    const secrets = secretsOf(provider);
    if (!secrets) return { kind: 'permanent', error: { code: 'sms.secret_unreadable', params: { name: provider.name } } };
    if (!e164.test(delivery.address)) return { kind: 'permanent', error: { code: 'sms.phone_invalid', params: { phone: delivery.address } } };
    const { text } = smsContent.parse(delivery.content);
    return type.send({ id: delivery.id, phone: delivery.address, text }, provider.settings, secrets, context);
  }

  async function checked(type: SmsProviderType, settings: unknown, secrets: Record<string, string>): Promise<unknown> {
    try {
      return await type.check(settings, secrets, context);
    } catch (error) {
      if (!(error instanceof z.ZodError)) throw error;
      const issue = error.issues[0];
      throw new UserError('sms.settings_invalid', { detail: issue?.message ?? '' }, ['settings', ...(issue?.path ?? [])].join('.'));
    }
  }

  async function found(q: Queryable, id: number): Promise<store.ProviderRow> {
    const row = await store.find(q, id);
    if (!row) throw new UserError('request.not_found', { kind: 'sms_provider', id });
    return row;
  }

  async function save(id: number | null, input: ProviderInput): Promise<Provider> {
    const settings = await checked(typeOf(input.type), input.settings, input.secrets);
    const secret = Object.keys(input.secrets).length > 0 ? deliveries.secrets.seal(purpose, input.secrets) : null;
    const row = { type: input.type, name: input.name, settings, secret, isDefault: input.isDefault };
    return db.transaction(async (tx) => {
      const savedId = id ?? (await store.insert(tx, row, now()));
      if (id !== null) await store.update(tx, id, row);
      if (input.isDefault) await store.keepOneDefault(tx, savedId);
      await bumpConfig(tx, 'channels');
      return toProvider(await found(tx, savedId));
    });
  }

  function toProvider(row: store.ProviderRow): Provider {
    const { secret: _sealed, ...shown } = row;
    return { ...shown, secretNames: Object.keys(secretsOf(row) ?? {}).sort() };
  }

  return {
    /** Starts sending: registers the loop of the channel. Two rounds side by side, so that one slow gateway does not hold up all. */
    startSending(): void {
      deliveries.addSender({ channel: 'sms', lanes: 2, send });
    },

    close: () => outbound.close(),

    /** The kinds of provider there are, with the JSON Schema of their settings. */
    providerTypes(): { id: string; settings: unknown }[] {
      return smsProviderTypes.map(({ id, settings }) => ({ id, settings: z.toJSONSchema(settings, { io: 'input', unrepresentable: 'any' }) }));
    },

    async providers(actor: Actor): Promise<Provider[]> {
      requireAdmin(actor);
      return (await store.list(db)).map(toProvider);
    },

    /** For whoever configures robots: what there is to choose from, and nothing about accounts. */
    async choices(q: Queryable): Promise<{ id: number; name: string; address: null; isDefault: boolean }[]> {
      return (await store.list(q)).map(({ id, name, isDefault }) => ({ id, name, address: null, isDefault }));
    },

    async createProvider(actor: Actor, input: ProviderInput): Promise<Provider> {
      requireAdmin(actor);
      return save(null, { ...input, secrets: withoutEmpty(input.secrets) });
    },

    /** Settings replace those there are; keys are merged with those there are ('' removes one), unless the provider moves to another address. The kind never changes. */
    async changeProvider(actor: Actor, id: number, change: Partial<Omit<ProviderInput, 'type'>>): Promise<Provider> {
      requireAdmin(actor);
      const row = await found(db, id);
      const type = typeOf(row.type);
      const settings = change.settings ?? row.settings;
      const kept = type.destination(settings) === type.destination(row.settings) ? secretsOf(row) : {};
      return save(id, {
        type: row.type, name: change.name ?? row.name, settings, isDefault: change.isDefault ?? row.isDefault,
        secrets: withoutEmpty({ ...kept, ...change.secrets }),
      });
    },

    async deleteProvider(actor: Actor, id: number): Promise<void> {
      requireAdmin(actor);
      await db.transaction(async (tx) => {
        await found(tx, id);
        await store.remove(tx, id, now());
        await bumpConfig(tx, 'channels');
      });
    },

    /** Sends a real SMS through the queue; its fate is in the journal. */
    async testProvider(actor: Actor, id: number, { phone, text }: { phone: string; text?: string }): Promise<number> {
      requireAdmin(actor);
      const row = await found(db, id);
      const { company } = await people.directory(db);
      const address = normalizePhone(phone, company.country, 'phone');
      if (address === null) throw new UserError('sms.phone_invalid', { phone }, 'phone');
      const content = { text: text ?? textOf(actor.language, 'sms.test.text', { name: row.name }) };
      return db.transaction(async (tx) => {
        const [deliveryId] = await deliveries.queue(tx, [{ channel: 'sms', senderId: id, employeeId: actor.employeeId, address, itemId: null, runId: null, content }]);
        if (deliveryId === undefined) throw new Error('The test message was not queued.');
        return deliveryId;
      });
    },
  };
}

export type Sms = ReturnType<typeof createSms>;

function withoutEmpty(secrets: Record<string, string>): Record<string, string> {
  return Object.fromEntries(Object.entries(secrets).filter(([, value]) => value !== ''));
}
