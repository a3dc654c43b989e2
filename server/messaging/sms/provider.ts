/**
 * What a kind of SMS provider is: one folder under providers/ and one line in catalog.ts.
 *
 *   providers/<id>/provider.ts        defineSmsProvider(…), or defineConnectedSmsProvider(…) for protocols
 *                                     that live on a lasting connection (SMPP)
 *   providers/<id>/provider.test.ts   over a real socket, against a gateway written from the documentation
 *   providers/<id>/{ru,en}.json       flat texts: `title`, `description`, and for every field of the form and
 *                                     every secret `settings.<name>.label`, `.hint` (may be absent),
 *                                     `.options.<option>`, `secrets.<name>.label`, `.hint`; `errors.<reason>`
 *                                     for every refusal it tells by a `reason`
 *
 * A provider keeps nothing in module scope, reads no clock but `now()`, logs nothing and writes no SQL: it
 * turns a message into what its protocol wants, and what the other side says into one of four outcomes:
 *
 *   accepted   they took it. `providerMessageId` by which they report on it later
 *   transient  surely not taken, and later it may be (no connection, busy, throttled). With `retryAt` when
 *              they said how long to wait: waiting is then no failure and never ends in giving up
 *   permanent  surely not taken and never will be (a wrong number, a refused sender name, no rights)
 *   unknown    it may have been taken: an answer that did not come, came cut, or makes no sense. Never
 *              sent again by itself; asked about through `status`, or decided by a person
 *
 * In doubt it is `unknown`. `transient` for something that was taken sends a second SMS.
 *
 * Problems are told by one of the codes of SmsProblemCode; each has its sentence in both languages, with
 * the provider's name, its host, the number and `detail` (what they said, shown as it is) filled in by the
 * sms module. `gatewayProblem()` reads what every HTTP gateway has in common.
 */
import type { z } from 'zod';
import type { Outbound, OutboundAnswer } from '../../deliveries/deliveries.ts';

export interface SmsMessage {
  /** The delivery's id: the same at every attempt. Pass it on where the protocol has a client's own id. */
  id: number;
  /** E.164: '+79161234567'. */
  phone: string;
  text: string;
}

export type SmsProblemCode =
  | 'sms.gateway_unreachable'
  | 'sms.gateway_busy'
  | 'sms.private_host'
  | 'sms.answer_lost'
  | 'sms.answer_unclear'
  /** Refused for a reason that has no code of its own; say it in `detail`. */
  | 'sms.rejected'
  | 'sms.sign_in_refused'
  | 'sms.no_money'
  /** The sender name is not registered or not allowed. */
  | 'sms.sender_refused'
  /** The number does not exist, is on a stop list, or cannot be reached by this provider. */
  | 'sms.number_refused'
  /** Spam filter, forbidden words, too long. */
  | 'sms.text_refused'
  /** The same text to the same number too often, too many to this number. */
  | 'sms.too_often'
  /** They took it and report that it was not delivered. */
  | 'sms.not_delivered'
  | 'sms.settings_unusable';

export interface SmsProblem {
  outcome: 'transient' | 'permanent' | 'unknown';
  code: SmsProblemCode;
  /** What the other side said, as it said it; without keys and passwords. */
  detail: string;
  /** `errors.<reason>` of the folder's texts says it in the reader's language: shown instead of `detail`. */
  reason?: string;
  /** Only with 'transient': not before then. */
  retryAt?: Date;
  /** Only with 'sms.private_host'. */
  address?: string;
}
export type SmsOutcome = { outcome: 'accepted'; providerMessageId?: string; parts?: number; detail?: string } | SmsProblem;

/** What a provider says about a message it has had. */
export interface SmsStatus {
  /** unknown: they do not say, or do not know it (yet). It changes nothing. */
  state: 'accepted' | 'delivered' | 'failed' | 'unknown';
  /** Where the answer to the sending was lost: theirs, found now. */
  providerMessageId?: string;
  /** Of 'failed'; 'sms.not_delivered' by default. */
  code?: SmsProblemCode;
  detail?: string;
  /** As in SmsProblem. */
  reason?: string;
}

/** A report that came by itself: in a callback, or down a connection. Twice, late and before the answer to the sending is all right. */
export interface SmsUpdate extends SmsStatus {
  /** Ours, where the provider echoes it; else providerMessageId has to be there. */
  deliveryId?: number;
  /** When it happened, if they say. */
  at?: Date;
}

/** A message to be asked about. */
export interface SmsQuestion {
  /** The delivery's id, as it was in SmsMessage. */
  id: number;
  /** null: the answer to the sending was lost. Only asked so when `canFindUnanswered`. */
  providerMessageId: string | null;
  phone: string;
  text: string;
  /** When the last attempt began. */
  sentAt: Date;
}

export interface SmsCallback {
  method: 'GET' | 'POST';
  /** As the provider called it: the public address of the server, path and query. What Twilio signs. */
  url: string;
  /** Names in lower case. */
  headers: Readonly<Record<string, string>>;
  query: Readonly<Record<string, string>>;
  /** JSON as parsed, a form as { name: value }, anything else as text; undefined: there is none, or it is not what it claims. */
  body: unknown;
  /** For signatures. */
  rawBody: Buffer;
}
export interface SmsCallbackReading {
  /** The provider's own signature is right, or it has none: our secret in the address was right already. */
  isGenuine: boolean;
  updates: readonly SmsUpdate[];
  /** What the provider expects to hear, so that it does not call again. Sent only when isGenuine and after the updates are on disk. */
  answer: { status: number; contentType: string; body: string };
}

export interface SmsBalance {
  amount: number;
  /** 'RUB', 'EUR'…; '' when they do not say. */
  currency: string;
}

/** How much the provider takes, unless the administrator set less. Delays, never drops. */
export interface SmsLimits {
  perSecond?: number;
  perMinute?: number;
  perHour?: number;
  perDay?: number;
}

export interface SmsContext<Settings> {
  readonly settings: Settings;
  readonly secrets: Readonly<Record<string, string>>;
  /** Requests to the outside; refuses internal networks unless asked not to, see outbound.ts. */
  readonly http: Outbound;
  readonly now: () => Date;
  /** The name the administrator gave it. */
  readonly name: string;
  /** The address to give the provider for its reports, with the secret of this provider in it. */
  readonly callbackUrl: string;
}
export interface ConnectedSmsContext<Settings, Connection> extends SmsContext<Settings> {
  readonly connection: Connection;
}
export interface OpenSmsContext<Settings> extends SmsContext<Settings> {
  /** Resolves when they are on disk: confirm receipts to the other side only afterwards. Rejects when they could not be written. */
  report(updates: readonly SmsUpdate[]): Promise<void>;
}

/** How the settings panel draws a setting; labels come from the folder's texts. `pairs`: [{ name, value }]. */
export interface SmsFormField {
  name: string;
  widget: 'text' | 'longText' | 'number' | 'switch' | 'choice' | 'pairs' | 'group';
  isRequired?: boolean;
  options?: readonly string[];
  /** Folded away: a proxy's address, time-outs. */
  isAdvanced?: boolean;
}
export interface SmsSecretField {
  name: string;
  isRequired: boolean;
}

/** What a schema cannot say of settings; `field` is a path: 'headers.0.name'. */
export interface SettingsProblem {
  field: string;
  problem: 'missing' | 'too_long' | 'wrong' | 'not_json' | 'get_with_body' | 'private_host';
  /** Of 'private_host': what it resolves to. */
  address?: string;
}

interface Definition<Settings, Context> {
  /** Stored in the database, so never renamed. Also the folder's name. */
  id: string;
  /**
   * Settings without secrets, a strict object. A provider with one documented address still has
   * `url` (that address by default) and `allowPrivateHost` (false), both isAdvanced: companies go out
   * through relays, and tests through a gateway on the loopback.
   */
  settings: z.ZodType<Settings>;
  form: readonly SmsFormField[];
  /** Passwords, keys, tokens: sealed, never shown. 'any': the administrator names them (the HTTP template). */
  secrets: readonly SmsSecretField[] | 'any';
  /**
   * Where the keys go: scheme, host and port. When it changes they have to be entered anew: otherwise
   * keys that nobody may read could be had by pointing the provider at a server of one's own.
   */
  destination(settings: Settings): string;
  limits?: SmsLimits;
  /** Called when settings are saved. Talks to nobody. null: all is well. */
  check?(context: SmsContext<Settings>): Promise<SettingsProblem | null>;
  /** One message. Ends in finite time (http does by itself). What it throws is a bug, and makes the message 'unknown'. */
  send(message: SmsMessage, context: Context): Promise<SmsOutcome>;
  /** At most 100 at once, keyed by SmsQuestion.id; who is missing is 'unknown'. */
  status?(questions: readonly SmsQuestion[], context: Context): Promise<ReadonlyMap<number, SmsStatus> | SmsProblem>;
  /** They can find a message by our id, or by number, text and time. */
  canFindUnanswered?: boolean;
  /** Reads what came to /api/sms/callbacks/…; the secret in the address was right. Synchronous, and sane on nonsense: no updates. */
  parseCallback?(callback: SmsCallback, context: SmsContext<Settings>): SmsCallbackReading;
  balance?(context: Context): Promise<SmsBalance | SmsProblem>;
}
export type SmsProviderDefinition<Settings> = Definition<Settings, SmsContext<Settings>>;

export interface ConnectedSmsProviderDefinition<Settings, Connection> extends Definition<Settings, ConnectedSmsContext<Settings, Connection>> {
  /**
   * A lasting connection. `open` returns at once, whether or not the other side is there: the connection
   * binds, keeps alive and reconnects by itself, and `send` says 'transient' while it is down. One per
   * provider and process, opened when sending starts (receipts come although nothing is being sent),
   * replaced when settings change.
   */
  needsConnection: {
    open(context: OpenSmsContext<Settings>): Promise<Connection>;
    /** Waits for answers on the way, a few seconds at most, and unbinds. */
    close(connection: Connection): Promise<void>;
  };
}

/** A provider with its settings, ready to be used; the settings' type stays inside. */
export interface OpenSmsProvider {
  send(message: SmsMessage): Promise<SmsOutcome>;
  status?(questions: readonly SmsQuestion[]): Promise<ReadonlyMap<number, SmsStatus> | SmsProblem>;
  balance?(): Promise<SmsBalance | SmsProblem>;
  close(): Promise<void>;
}
export type SmsEnvironment = Omit<OpenSmsContext<unknown>, 'settings'>;

export interface SmsProviderType {
  readonly id: string;
  readonly settings: z.ZodType;
  readonly form: readonly SmsFormField[];
  readonly secrets: readonly SmsSecretField[] | 'any';
  readonly limits: SmsLimits;
  readonly isConnected: boolean;
  readonly can: { readonly status: boolean; readonly findUnanswered: boolean; readonly callbacks: boolean; readonly balance: boolean };
  /** undefined: the settings are not valid (any more). */
  destination(saved: unknown): string | undefined;
  check(saved: unknown, environment: SmsEnvironment): Promise<SettingsProblem | null>;
  /** Throws ZodError when the settings are not valid any more. */
  open(saved: unknown, environment: SmsEnvironment): Promise<OpenSmsProvider>;
  parseCallback(callback: SmsCallback, saved: unknown, environment: SmsEnvironment): SmsCallbackReading;
}

/** A provider that is asked one request at a time. */
export function defineSmsProvider<Settings>(definition: SmsProviderDefinition<Settings>): SmsProviderType {
  return erased(definition, false, async (context) => ({ context, close: async () => {} }));
}

/** A provider on a lasting connection. */
export function defineConnectedSmsProvider<Settings, Connection>(definition: ConnectedSmsProviderDefinition<Settings, Connection>): SmsProviderType {
  const { open, close } = definition.needsConnection;
  return erased(definition, true, async (context) => {
    const connection = await open(context);
    return { context: { ...context, connection }, close: () => close(connection) };
  });
}

function erased<Settings, Context>(
  definition: Definition<Settings, Context>,
  isConnected: boolean,
  prepare: (context: OpenSmsContext<Settings>) => Promise<{ context: Context; close(): Promise<void> }>,
): SmsProviderType {
  const { status, balance, parseCallback } = definition;
  const contextOf = (saved: unknown, environment: SmsEnvironment): OpenSmsContext<Settings> => ({ ...environment, settings: definition.settings.parse(saved) });
  return {
    id: definition.id,
    settings: definition.settings,
    form: definition.form,
    secrets: definition.secrets,
    limits: definition.limits ?? {},
    isConnected,
    can: { status: Boolean(status), findUnanswered: Boolean(status && definition.canFindUnanswered), callbacks: Boolean(parseCallback), balance: Boolean(balance) },
    destination(saved) {
      const { data } = definition.settings.safeParse(saved);
      return data === undefined ? undefined : definition.destination(data);
    },
    check: async (saved, environment) => (await definition.check?.(contextOf(saved, environment))) ?? null,
    async open(saved, environment) {
      const { context, close } = await prepare(contextOf(saved, environment));
      return {
        send: (message) => definition.send(message, context),
        ...(status ? { status: (questions: readonly SmsQuestion[]) => status.call(definition, questions, context) } : {}),
        ...(balance ? { balance: () => balance.call(definition, context) } : {}),
        close,
      };
    },
    parseCallback(callback, saved, environment) {
      if (!parseCallback) return { isGenuine: false, updates: [], answer: { status: 404, contentType: 'text/plain', body: '' } };
      return parseCallback.call(definition, callback, contextOf(saved, environment));
    },
  };
}

/**
 * What is the same for every HTTP gateway: no connection, no answer, an overloaded or broken server.
 * undefined: an answer of 2xx or 4xx that the provider reads itself. 425, 429 and 503 say that nothing was
 * taken; other 5xx and 408 may come after it was. A redirect is never followed: the text would go to an
 * address nobody checked.
 */
export function gatewayProblem(answer: OutboundAnswer, now: Date): SmsProblem | undefined {
  switch (answer.kind) {
    case 'private_host':
      return { outcome: 'permanent', code: 'sms.private_host', detail: answer.address, address: answer.address };
    case 'not_sent':
      return { outcome: 'transient', code: 'sms.gateway_unreachable', detail: answer.detail };
    case 'lost':
      return { outcome: 'unknown', code: 'sms.answer_lost', detail: answer.detail };
    case 'answer': {
      const { status } = answer;
      const detail = `${status} ${answer.body.replace(/\s+/g, ' ').trim().slice(0, longestDetail)}`.trim();
      if (status === 429 || status === 425 || status === 503) {
        return { outcome: 'transient', code: 'sms.gateway_busy', detail, retryAt: retryAfter(answer.headers['retry-after'], now) };
      }
      if (status >= 500 || status === 408) return { outcome: 'unknown', code: 'sms.answer_unclear', detail };
      if (status >= 300 && status < 400) return { outcome: 'permanent', code: 'sms.rejected', detail };
      return undefined;
    }
  }
}

/** Retry-After: seconds, or a date (RFC 9110). */
export function retryAfter(header: string | undefined, now: Date): Date | undefined {
  if (header === undefined) return undefined;
  if (/^\d{1,7}$/.test(header)) return new Date(now.getTime() + Number(header) * 1000);
  const date = new Date(header);
  return Number.isNaN(date.getTime()) ? undefined : date;
}

/** The value at a path of a parsed answer as text, 'result.0.id'; undefined: there is none. */
export function textAt(content: unknown, path: string): string | undefined {
  let here = content;
  for (const step of path.split('.')) {
    if (typeof here !== 'object' || here === null || !Object.hasOwn(here, step)) return undefined;
    here = Object.entries(here).find(([key]) => key === step)?.[1];
  }
  return typeof here === 'string' || typeof here === 'number' || typeof here === 'boolean' ? String(here) : undefined;
}

/** undefined: not JSON. */
export function parsedJson(body: string): unknown {
  try {
    return JSON.parse(body);
  } catch {
    return undefined;
  }
}

const longestDetail = 300;
