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
 * What became of a message comes by itself (a callback, or down a lasting connection) or is asked for;
 * either way it is written down first and told to the delivery by the deliveries module, so that a
 * report may come early, late or twice. A callback is believed when the secret in its address is right
 * and the provider's own signature, where it has one, is too.
 *
 * Does not do: receive SMS.
 */
import { createHash, randomBytes, timingSafeEqual } from 'node:crypto';
import { z } from 'zod';
import { UserError } from '../../../shared/errors.ts';
import { hasText, type Language, text as textOf } from '../../../shared/messages.ts';
import type { Db, Queryable, Tx } from '../../db/db.ts';
import type { Asking, Claimed, Deliveries, DeliveryError, Limits, Outcome, Question, Report } from '../../deliveries/deliveries.ts';
import type { Jobs } from '../../jobs/jobs.ts';
import { type Actor, normalizePhone, type People, requireAdmin } from '../../people/people.ts';
import { appMessageId, type AppSmsSettings, appSmsProvider, appSmsSettings, appSmsType, type PrepareAppSms } from './app-provider.ts';
import { describeProviderTypes, secretLabel, settingLabel, type SmsProviderTypeDescription, smsProviderTypes } from './catalog.ts';
import { createOutbound } from '../../deliveries/deliveries.ts';
import type { OpenSmsProvider, SettingsProblem, SmsBalance, SmsCallback, SmsCallbackReading, SmsEnvironment, SmsProblem, SmsProviderType, SmsUpdate } from './provider.ts';
import * as store from './store.ts';

export { type SmsParts, smsParts } from './parts.ts';
export type { AppSmsSettings, PrepareAppSms } from './app-provider.ts';

export interface ProviderInput {
  type: string;
  name: string;
  settings: Record<string, unknown>;
  /** Below what the kind of provider takes; absent: that. */
  limits?: Limits;
  secrets: Record<string, string>;
  isDefault: boolean;
}
export type Provider = Omit<store.ProviderRow, 'secret' | 'callbackToken' | 'previousCallbackToken' | 'previousCallbackUntil'> & {
  secretNames: string[];
  /** What to give the provider for its reports; null: this kind does not report. */
  callbackUrl: string | null;
};

export interface SmsOptions {
  db: Db;
  jobs: Pick<Jobs, 'add'>;
  people: Pick<People, 'directory'>;
  deliveries: Deliveries;
  now: () => Date;
  /** The address people and providers use; callbacks come there. */
  publicUrl: string;
  /** The kinds of provider there are; those of the catalogue by default. */
  types?: readonly SmsProviderType[];
  /** How applications that send SMS are told; absent: there are none. */
  appSms?: PrepareAppSms;
  /** How long a gateway may be silent; half a minute by default. */
  patienceMs?: number;
}

const purpose = 'sms_providers';
const smsContent = z.object({ text: z.string() });
const e164 = /^\+[1-9]\d{6,14}$/;
/** How often lasting connections are looked after: opened for new providers, closed for deleted ones. */
const connectionsPollMs = 30_000;

export function createSms({ db, jobs, people, deliveries, now, publicUrl, patienceMs, types: kinds = smsProviderTypes, appSms }: SmsOptions) {
  const http = createOutbound({ patienceMs });
  const types = new Map([...kinds, ...(appSms ? [appSmsProvider(appSms)] : [])].map((type) => [type.id, type]));
  /** Lasting connections of this process, by provider. `key`: what they were opened with. */
  const connections = new Map<number, { key: string; provider: Promise<OpenSmsProvider> }>();

  function typeOf(id: string): SmsProviderType {
    const type = types.get(id);
    if (!type) throw new UserError('sms.provider_type_unknown', { type: id }, 'type');
    return type;
  }

  const secretsOf = (row: store.ProviderRow) => (row.secret ? deliveries.secrets.open(purpose, row.secret) : {});

  function environmentOf({ id, name, callbackToken }: Pick<store.ProviderRow, 'id' | 'name' | 'callbackToken'>, secrets: Readonly<Record<string, string>>): Omit<SmsEnvironment, 'report'> {
    return { name, secrets, http, now, callbackUrl: new URL(`/api/sms/callbacks/${id}/${callbackToken}`, publicUrl).href };
  }

  /** Ready to be used. A lasting connection stays open until its settings change; anything else is closed by whoever asked. */
  async function opened(type: SmsProviderType, row: store.ProviderRow, secrets: Readonly<Record<string, string>>): Promise<OpenSmsProvider> {
    const environment: SmsEnvironment = { ...environmentOf(row, secrets), report: (updates) => heard(type, row, updates) };
    if (!type.isConnected) return type.open(row.settings, environment);
    const key = JSON.stringify([row.type, row.settings, row.secret?.toString('base64')]);
    const open = connections.get(row.id);
    if (open?.key === key) return open.provider;
    const provider = type.open(row.settings, environment);
    connections.set(row.id, { key, provider });
    provider.catch(() => connections.delete(row.id));
    if (open) await closed(open.provider);
    return provider;
  }

  async function closed(provider: Promise<OpenSmsProvider>): Promise<void> {
    await provider.then((open) => open.close(), () => {});
  }

  /** Receipts come down a connection although nothing is being sent, so it stands from the start. */
  async function tendConnections(): Promise<void> {
    const rows = (await store.list(db)).filter((row) => types.get(row.type)?.isConnected);
    const alive = new Set(rows.map((row) => row.id));
    await Promise.all([...connections].filter(([id]) => !alive.has(id)).map(([id, { provider }]) => {
      connections.delete(id);
      return closed(provider);
    }));
    for (const row of rows) {
      const type = types.get(row.type);
      const secrets = secretsOf(row);
      // What is wrong with it is said on what it should send.
      if (type && secrets && type.destination(row.settings) !== undefined) await opened(type, row, secrets);
    }
  }

  type Readied = { provider: store.ProviderRow; type: SmsProviderType; open: OpenSmsProvider } | Extract<Outcome, { kind: 'permanent' }>;
  /** Being read: what is sent in the same moment shares one reading of the settings. */
  const readings = new Map<number, Promise<Readied>>();

  function readied(id: number): Promise<Readied> {
    const shared = readings.get(id);
    if (shared) return shared;
    const reading = ready(id).finally(() => readings.delete(id));
    readings.set(id, reading);
    return reading;
  }

  async function ready(id: number): Promise<Readied> {
    const provider = await store.find(db, id);
    const type = provider && types.get(provider.type);
    if (!provider || !type) return { kind: 'permanent', error: { code: 'sms.provider_missing', params: {} } };
    const secrets = secretsOf(provider);
    if (!secrets) return { kind: 'permanent', error: { code: 'sms.secret_unreadable', params: { name: provider.name } } };
    return { provider, type, open: await opened(type, provider, secrets) };
  }

  async function send(delivery: Claimed): Promise<Outcome> {
    const chosen = await readied(delivery.senderId);
    if ('kind' in chosen) return chosen;
    const { provider, type, open } = chosen;
    if (!e164.test(delivery.address)) return { kind: 'permanent', error: { code: 'sms.phone_invalid', params: { phone: delivery.address } } };
    const { text } = smsContent.parse(delivery.content);
    const outcome = await open.send({ id: delivery.id, phone: delivery.address, text });
    if (outcome.outcome === 'accepted') {
      const { providerMessageId, detail } = outcome;
      const isAskable = type.can.status && (providerMessageId !== undefined || type.can.findUnanswered);
      return { kind: 'accepted', providerMessageId: providerMessageId?.slice(0, longestMessageId), detail, isAskable };
    }
    const error = problemError(outcome, { type, provider, phone: delivery.address });
    if (outcome.outcome === 'transient') return { kind: 'transient', error, retryAt: outcome.retryAt };
    return { kind: outcome.outcome, error, isAskable: type.can.findUnanswered };
  }

  function reportOf(type: SmsProviderType, provider: store.ProviderRow, { state, providerMessageId, deliveryId, at, code = 'sms.not_delivered', detail = '', reason }: SmsUpdate): Report[] {
    if (state === 'unknown') return [];
    // The number is filled in by whoever finds the delivery.
    const error = state === 'failed' ? problemError({ code, detail, reason }, { type, provider, phone: '' }) : null;
    return [{ providerMessageId: providerMessageId?.slice(0, longestMessageId) ?? null, deliveryId: deliveryId ?? null, state, error, at: at ?? null }];
  }

  async function heard(type: SmsProviderType, provider: store.ProviderRow, updates: readonly SmsUpdate[]): Promise<void> {
    const reports = updates.flatMap((update) => reportOf(type, provider, update));
    if (reports.length > 0) await db.transaction((tx) => deliveries.report(tx, { channel: 'sms', senderId: provider.id, reports }));
  }

  async function limitsOf(q: Queryable, ids: readonly number[]): Promise<Map<number, Limits>> {
    return new Map((await store.limitsOf(q, ids)).map(({ id, type, limits }) => {
      const set = Object.fromEntries(Object.entries(limits).filter(([, limit]) => limit !== null));
      return [id, { ...types.get(type)?.limits, ...set }];
    }));
  }

  async function ask(senderId: number, questions: readonly Question[]): Promise<Asking> {
    const provider = await store.find(db, senderId);
    const type = provider && types.get(provider.type);
    const secrets = provider && secretsOf(provider);
    const isAskable = (question: Question) => type?.can.status === true && (question.providerMessageId !== null || type.can.findUnanswered);
    const stop = questions.filter((question) => !isAskable(question)).map((question) => question.id);
    const asked = questions.filter(isAskable);
    if (!provider || !type || !secrets || asked.length === 0) return { reports: [], stop };
    const open = await opened(type, provider, secrets);
    const answers = await open.status?.(asked.map(({ id, providerMessageId, address, content, sentAt }) => ({ id, providerMessageId, phone: address, text: smsContent.parse(content).text, sentAt })));
    // A provider that does not answer is asked again later.
    if (!answers || 'outcome' in answers) return { reports: [], stop };
    return { stop, reports: asked.flatMap(({ id, providerMessageId }) => {
      const status = answers.get(id);
      return status ? reportOf(type, provider, { ...status, deliveryId: id, providerMessageId: providerMessageId ?? status.providerMessageId }) : [];
    }) };
  }

  /** A provider's word as an error that can be read. */
  function problemError({ code, detail, reason, address }: Pick<SmsProblem, 'code' | 'detail' | 'reason' | 'address'>, { type, provider, phone }: { type: SmsProviderType; provider: store.ProviderRow; phone: string }): DeliveryError {
    const said = detail.slice(0, longestDetail);
    const key = `sms.providers.${type.id}.errors.${reason}`;
    const shown = reason !== undefined && hasText(key) ? `@${key}` : said;
    return { code, params: { name: provider.name, host: hostOf(type.destination(provider.settings)) ?? provider.name, phone, detail: shown, address: address ?? '' }, detail: said };
  }

  /** The settings as they are saved. */
  async function checked(actor: Actor, type: SmsProviderType, given: unknown, secrets: Record<string, string>, name: string): Promise<unknown> {
    const { language } = actor;
    const wrong = (field: string, problem: SettingsProblem['problem']) =>
      new UserError('sms.settings_invalid', { field: settingLabel(language, type.id, field), problem }, field === '' ? 'settings' : `settings.${field}`);
    const read = type.settings.safeParse(given);
    if (!read.success) {
      const issue = read.error.issues[0];
      if (issue?.code === 'unrecognized_keys') {
        throw new UserError('sms.settings_invalid', { field: issue.keys.join(', ').slice(0, longestDetail), problem: 'wrong' }, 'settings');
      }
      throw wrong(issue?.path.join('.') ?? '', problemOf(issue, given));
    }
    if (type.secrets !== 'any') {
      const known = type.secrets;
      const unknown = Object.keys(secrets).find((key) => !known.some((secret) => secret.name === key));
      if (unknown !== undefined) throw new UserError('sms.settings_invalid', { field: unknown, problem: 'wrong' }, `secrets.${unknown}`);
      const missing = known.find((secret) => secret.isRequired && !secrets[secret.name]);
      if (missing) throw new UserError('sms.secret_missing', { field: secretLabel(language, type.id, missing.name) }, `secrets.${missing.name}`);
    }
    const problem = await type.check(read.data, { ...environmentOf({ id: 0, name, callbackToken: '' }, secrets), report: async () => {} });
    if (problem?.problem === 'private_host') {
      throw new UserError('sms.private_host', { host: hostOf(type.destination(read.data)) ?? '', address: problem.address ?? '' }, `settings.${problem.field}`);
    }
    if (problem) throw wrong(problem.field, problem.problem);
    return read.data;
  }

  async function found(q: Queryable, id: number): Promise<store.ProviderRow> {
    const row = await store.find(q, id);
    if (!row) throw new UserError('request.not_found', { kind: 'sms_provider', id });
    return row;
  }

  /** `seen`: what the change is made of; another change in between is refused, or it would be undone. */
  async function save(actor: Actor, seen: store.ProviderRow | null, input: ProviderInput): Promise<Provider> {
    const settings = await checked(actor, typeOf(input.type), input.settings, input.secrets, input.name);
    const secret = Object.keys(input.secrets).length > 0 ? deliveries.secrets.seal(purpose, input.secrets) : null;
    const row = { type: input.type, name: input.name, settings, limits: input.limits ?? {}, secret, isDefault: input.isDefault };
    return db.transaction(async (tx) => {
      const savedId = seen?.id ?? (await store.insert(tx, row, newToken(), now()));
      if (seen && !(await store.update(tx, seen.id, row, seen))) throw new UserError('sms.changed_meanwhile', { name: seen.name });
      if (input.isDefault) await store.keepOneDefault(tx, savedId);
      await deliveries.sendersChanged(tx);
      return toProvider(await found(tx, savedId));
    });
  }

  async function appSenders(appId: number): Promise<(AppSmsSettings & { id: number; name: string })[]> {
    return (await store.list(db)).flatMap(({ id, type, name, settings }) => {
      const read = type === appSmsType ? appSmsSettings.safeParse(settings).data : undefined;
      return read?.appId === appId ? [{ ...read, id, name }] : [];
    });
  }

  function isTokenOf({ callbackToken, previousCallbackToken, previousCallbackUntil }: store.ProviderRow, token: string): boolean {
    const isBefore = previousCallbackUntil !== null && previousCallbackUntil > now() && isSame(token, previousCallbackToken ?? '');
    return isSame(token, callbackToken) || isBefore;
  }

  function toProvider(row: store.ProviderRow): Provider {
    const { secret: _sealed, callbackToken: _token, previousCallbackToken: _before, previousCallbackUntil: _until, ...shown } = row;
    const callbackUrl = types.get(row.type)?.can.callbacks ? environmentOf(row, {}).callbackUrl : null;
    return { ...shown, callbackUrl, secretNames: Object.keys(secretsOf(row) ?? {}).sort() };
  }

  return {
    /** Starts sending: registers the loop of the channel. Rounds side by side, so that one slow gateway does not hold up all; what is begun when the process is killed becomes unknown, so they are no larger than pays. */
    startSending(): void {
      deliveries.addSender({ channel: 'sms', lanes: 3, roundSize: 100, send, ask, limitsOf });
      jobs.add({ name: 'sms.connections', lanes: 1, pollMs: connectionsPollMs, work: async () => {
        await tendConnections();
        return { worked: 0, hasMore: false };
      } });
    },

    /** After jobs.stop(): nothing is being sent any more. */
    async close(): Promise<void> {
      const open = [...connections.values()];
      connections.clear();
      await Promise.all(open.map(({ provider }) => closed(provider)));
      await http.close();
    },

    /** The kinds of provider there are, with their forms and the JSON Schema of their settings. */
    providerTypes(language: Language): (SmsProviderTypeDescription & { settings: unknown })[] {
      return describeProviderTypes(language).map((type) => ({ ...type, settings: z.toJSONSchema(typeOf(type.id).settings, { io: 'input', unrepresentable: 'any' }) }));
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
      return save(actor, null, { ...input, secrets: withoutEmpty(input.secrets) });
    },

    /** Settings replace those there are; keys are merged with those there are ('' removes one), unless the provider moves to another address. The kind never changes. */
    async changeProvider(actor: Actor, id: number, change: Partial<Omit<ProviderInput, 'type'>>): Promise<Provider> {
      requireAdmin(actor);
      const row = await found(db, id);
      const type = typeOf(row.type);
      const settings = change.settings ?? row.settings;
      const kept = type.destination(settings) === type.destination(row.settings) ? secretsOf(row) : {};
      return save(actor, row, {
        type: row.type, name: change.name ?? row.name, settings, limits: change.limits ?? row.limits, isDefault: change.isDefault ?? row.isDefault,
        secrets: withoutEmpty({ ...kept, ...change.secrets }),
      });
    },

    /** A new secret in the address of callbacks. The old address is heard for a week more: what was sent with it is still reported there. */
    async replaceCallbackUrl(actor: Actor, id: number): Promise<Provider> {
      requireAdmin(actor);
      const changed = await store.replaceCallbackToken(db, id, newToken(), new Date(now().getTime() + oldCallbackMs));
      if (changed === 0) throw new UserError('request.not_found', { kind: 'sms_provider', id });
      return toProvider(await found(db, id));
    },

    async deleteProvider(actor: Actor, id: number): Promise<void> {
      requireAdmin(actor);
      await db.transaction(async (tx) => {
        await found(tx, id);
        await store.remove(tx, id, now());
        await deliveries.sendersChanged(tx);
      });
    },

    /**
     * What came to the address of a provider. undefined: there is no such address. Answered only when
     * what it says is on disk.
     */
    async callback(id: number, token: string, callback: SmsCallback): Promise<SmsCallbackReading['answer'] | undefined> {
      const provider = await store.find(db, id);
      const type = provider && types.get(provider.type);
      if (!provider || !type || !isTokenOf(provider, token) || !type.can.callbacks) return undefined;
      const secrets = secretsOf(provider);
      if (!secrets) throw new UserError('sms.secret_unreadable', { name: provider.name });
      const { isGenuine, updates, answer } = type.parseCallback(callback, provider.settings, { ...environmentOf(provider, secrets), report: async () => {} });
      if (!isGenuine) throw new UserError('sms.callback_refused', { name: provider.name });
      await heard(type, provider, updates.slice(0, updatesAtOnce));
      return answer;
    },

    /** Providers that applications brought: `messageservice.sender.*`. */
    appSenders: {
      list: appSenders,

      /** false: the application has one with the code. */
      async add(actor: Actor, sender: AppSmsSettings & { name: string }): Promise<boolean> {
        requireAdmin(actor);
        const { name, ...settings } = sender;
        if ((await appSenders(sender.appId)).some(({ code }) => code === sender.code)) return false;
        await save(actor, null, { type: appSmsType, name: name.slice(0, longestName), settings, secrets: {}, isDefault: false });
        return true;
      },

      /** false: there is none such. */
      async change(actor: Actor, appId: number, code: string, change: { name?: string; handler?: string }): Promise<boolean> {
        requireAdmin(actor);
        const before = (await appSenders(appId)).find((sender) => sender.code === code);
        if (!before) return false;
        const { id, name, ...settings } = before;
        await save(actor, await found(db, id), {
          type: appSmsType, name: (change.name ?? name).slice(0, longestName), settings: { ...settings, handler: change.handler ?? settings.handler }, secrets: {},
          isDefault: (await found(db, id)).isDefault,
        });
        return true;
      },

      async remove(actor: Actor, appId: number, code: string): Promise<boolean> {
        requireAdmin(actor);
        const sender = (await appSenders(appId)).find((one) => one.code === code);
        if (!sender) return false;
        await db.transaction(async (tx) => {
          await store.remove(tx, sender.id, now());
          await deliveries.sendersChanged(tx);
        });
        return true;
      },

      /** The application is gone, and its providers with it. */
      async forget(tx: Tx, appId: number): Promise<void> {
        for (const { id } of await appSenders(appId)) await store.remove(tx, id, now());
        await deliveries.sendersChanged(tx);
      },

      /** What the application says became of a message. false: it was not given to it. */
      async report(appId: number, code: string, messageId: string, state: 'accepted' | 'delivered' | 'failed'): Promise<boolean> {
        const sender = (await appSenders(appId)).find((one) => one.code === code);
        const deliveryId = /^\d{1,15}$/.test(messageId) ? Number(messageId) : 0;
        return db.transaction(async (tx) => {
          const subject = sender && (await deliveries.subjectOf(tx, deliveryId));
          if (!sender || subject?.channel !== 'sms' || subject.senderId !== sender.id) return false;
          const error: DeliveryError | null = state === 'failed'
            ? { code: 'sms.not_delivered', params: { name: sender.name, host: new URL(sender.handler).host, phone: '', detail: '', address: '' } } : null;
          await deliveries.report(tx, { channel: 'sms', senderId: sender.id, reports: [{ providerMessageId: appMessageId(deliveryId), deliveryId, state, error, at: now() }] });
          return true;
        });
      },
    },

    /** What is left on the account. */
    async balance(actor: Actor, id: number): Promise<SmsBalance> {
      requireAdmin(actor);
      const provider = await found(db, id);
      const type = typeOf(provider.type);
      const secrets = secretsOf(provider);
      if (!secrets) throw new UserError('sms.secret_unreadable', { name: provider.name });
      if (!type.can.balance) throw new UserError('sms.not_supported', { name: provider.name, what: 'balance' });
      const balance = await (await opened(type, provider, secrets)).balance?.();
      if (!balance) throw new UserError('sms.not_supported', { name: provider.name, what: 'balance' });
      if (!('outcome' in balance)) return balance;
      const { code, params } = problemError(balance, { type, provider, phone: '' });
      throw new UserError(code === 'sms.answer_lost' || code === 'sms.answer_unclear' || code === 'sms.gateway_busy' || code === 'sms.rejected' ? 'sms.balance_unknown' : code, params);
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

const longestMessageId = 500;
/** More than any provider puts into one call. */
const updatesAtOnce = 1000;

const oldCallbackMs = 7 * 24 * 3_600_000;
const newToken = () => randomBytes(24).toString('base64url');

/** In the same time whatever is given. */
function isSame(given: string, expected: string): boolean {
  const digest = (text: string) => createHash('sha256').update(text).digest();
  return timingSafeEqual(digest(given), digest(expected));
}
const longestDetail = 300;
const longestName = 255;

function hostOf(destination: string | undefined): string | undefined {
  return destination !== undefined && URL.canParse(destination) ? new URL(destination).host : destination;
}

function problemOf(issue: z.core.$ZodIssue | undefined, given: unknown): SettingsProblem['problem'] {
  if (issue?.code === 'too_big') return 'too_long';
  const value = issue?.path.reduce<unknown>((here, step) => (typeof here === 'object' && here !== null ? Object.entries(here).find(([key]) => key === String(step))?.[1] : undefined), given);
  return value === undefined || value === '' || value === null ? 'missing' : 'wrong';
}

function withoutEmpty(secrets: Record<string, string>): Record<string, string> {
  return Object.fromEntries(Object.entries(secrets).filter(([, value]) => value !== ''));
}
