/** Deliveries, mail senders and SMS providers over HTTP. Passwords and keys go in and never come out. */
import { z } from 'zod';

export const deliveryId = z.coerce.number().int().positive().max(Number.MAX_SAFE_INTEGER);
export const deliveryState = z.enum(['queued', 'sending', 'accepted', 'delivered', 'failed', 'unknown']);
export const deliveryDecision = z.enum(['send_again', 'mark_sent', 'give_up']);
export const deliveryChannel = z.enum(['email', 'sms']);

export const delivery = z.object({
  id: z.int(),
  channel: deliveryChannel,
  senderId: z.int(),
  employeeId: z.int().nullable(),
  address: z.string(),
  /** E-mail: { subject, body, fromName, replyTo, fileIds, itemLink }; SMS: { text }. */
  content: z.unknown(),
  state: deliveryState,
  messageId: z.string().nullable(),
  providerMessageId: z.string().nullable(),
  attempts: z.int(),
  /** When it is tried next; null: it is not waiting. */
  dueAt: z.date().nullable(),
  error: z.object({ code: z.string(), message: z.string(), detail: z.string().nullable() }).nullable(),
  decision: deliveryDecision.nullable(),
  decidedBy: z.int().nullable(),
  decidedAt: z.date().nullable(),
  itemId: z.int().nullable(),
  runId: z.int().nullable(),
  createdAt: z.date(),
  finishedAt: z.date().nullable(),
});
/** What a run sent: for whoever sees its item, without the texts. */
export const runDelivery = delivery.pick({ id: true, channel: true, employeeId: true, address: true, state: true, attempts: true, dueAt: true, error: true, createdAt: true, finishedAt: true });
export const deliveryWithLog = delivery.extend({
  log: z.array(z.object({ attempt: z.int(), startedAt: z.date(), finishedAt: z.date().nullable(), outcome: z.string().nullable(), detail: z.string().nullable() })),
});
export const deliveryPage = z.object({ items: z.array(delivery), nextCursor: z.string().nullable() });

const id = z.coerce.number().int().positive().max(Number.MAX_SAFE_INTEGER);
const moment = z.iso.datetime({ offset: true }).transform((text) => new Date(text));
export const deliveryFilter = z.object({
  channel: deliveryChannel.optional(),
  state: deliveryState.optional(),
  /** Failed or unknown, and not given up. */
  needsDecision: z.stringbool().optional(),
  employeeId: id.optional(),
  itemId: id.optional(),
  runId: id.optional(),
  senderId: id.optional(),
  address: z.string().max(255).optional(),
  from: moment.optional(),
  to: moment.optional(),
  cursor: id.optional(),
  limit: z.coerce.number().int().min(1).max(200).default(50),
});
/** What waits for a person's decision; counted up to a limit. */
export const deliveryCounters = z.object({ needDecision: z.int(), hasMore: z.boolean() });
const tally = { sent: z.int(), waiting: z.int(), failed: z.int(), unknown: z.int() };
/** What was queued in the last 24 hours, by the state it is in now. */
export const deliveryFigures = z.object({
  since: z.date(),
  /** By the hour it was queued in; every hour is there. */
  hours: z.array(z.object({ at: z.date(), channel: deliveryChannel, ...tally })),
  senders: z.array(z.object({ channel: deliveryChannel, senderId: z.int(), ...tally })),
});
export const decideDelivery = z.strictObject({ decision: deliveryDecision });
export const decideDeliveries = z.strictObject({ ids: z.array(z.int().positive().max(Number.MAX_SAFE_INTEGER)).min(1).max(1000), decision: deliveryDecision });
/** skipped: in another state by now, or not there. */
export const decidedDeliveries = z.object({ decided: z.array(z.int()), skipped: z.array(z.int()) });
const budget = z.strictObject({ perHour: z.int().min(1).max(1_000_000).nullable(), perDay: z.int().min(1).max(1_000_000).nullable() });
/** Per employee; null: as much as there is. What is over waits. */
export const deliveryBudgets = z.strictObject({ email: budget, sms: budget });
export const queuedDelivery = z.object({ deliveryId: z.int() });

export const mailSender = z.object({
  id: z.int(),
  name: z.string(),
  address: z.string(),
  host: z.string(),
  port: z.int(),
  security: z.enum(['tls', 'starttls', 'none']),
  username: z.string(),
  hasPassword: z.boolean(),
  isDefault: z.boolean(),
  /** A robot that speaks for an employee of the same domain writes from his own address. */
  mayUseEmployeeAddresses: z.boolean(),
  /** Where mail servers return what cannot be delivered; null: the address itself. */
  bounceAddress: z.string().nullable(),
  /** More than so many wait; null: as fast as the server takes them. */
  lettersPerMinute: z.int().nullable(),
  /** All attachments of a letter together. */
  attachmentLimitMb: z.int(),
  dkimDomain: z.string(),
  dkimSelector: z.string(),
  /** The TXT record the domain has to publish; null: letters are not signed. */
  dkimRecord: z.object({ name: z.string(), value: z.string() }).nullable(),
  createdAt: z.date(),
});
/** What whoever configures a robot needs to choose one. */
export const channelChoice = z.object({ id: z.int(), name: z.string(), address: z.string().nullable(), isDefault: z.boolean() });

const oneLine = (max: number) => z.string().max(max).regex(/^[^\u0000-\u001f\u007f]*$/);
const senderFields = {
  name: oneLine(255),
  address: oneLine(320),
  host: oneLine(255).min(1).regex(/^[^\s/@]+$/),
  port: z.int().min(1).max(65535),
  security: z.enum(['tls', 'starttls', 'none']),
  username: oneLine(320),
  /** '' removes it; absent keeps it. */
  password: z.string().max(1000),
  isDefault: z.boolean(),
  mayUseEmployeeAddresses: z.boolean(),
  bounceAddress: oneLine(320).nullable(),
  lettersPerMinute: z.int().min(1).max(100_000).nullable(),
  attachmentLimitMb: z.int().min(1).max(100),
  dkimDomain: oneLine(253),
  dkimSelector: oneLine(63),
  /** PEM, RSA. '' removes it; absent keeps it. Never comes out again. */
  dkimPrivateKey: z.string().max(10_000),
};
export const createMailSender = z.strictObject({
  ...senderFields,
  username: senderFields.username.default(''),
  password: senderFields.password.default(''),
  isDefault: senderFields.isDefault.default(false),
  mayUseEmployeeAddresses: senderFields.mayUseEmployeeAddresses.default(false),
  bounceAddress: senderFields.bounceAddress.default(null),
  lettersPerMinute: senderFields.lettersPerMinute.default(null),
  attachmentLimitMb: senderFields.attachmentLimitMb.default(20),
  dkimDomain: senderFields.dkimDomain.default(''),
  dkimSelector: senderFields.dkimSelector.default(''),
  dkimPrivateKey: senderFields.dkimPrivateKey.default(''),
});
export const changeMailSender = z.strictObject(senderFields).partial();
export const testMailSender = z.strictObject({ address: oneLine(320) });
/** The whole message a mail server returned, headers included. */
export const mailBounce = z.strictObject({ message: z.string().min(1).max(900_000) });
export const takenBounce = z.object({ deliveryIds: z.array(z.int()) });

const settings = z.record(z.string().max(100), z.unknown());
const secrets = z.record(z.string().max(100), z.string().max(10_000));
const limit = z.int().min(1).max(1_000_000).nullable().optional();
/** Delay, never drop; absent or null: what the kind of provider takes. */
const smsLimits = z.strictObject({ perSecond: limit, perMinute: limit, perHour: limit, perDay: limit });
export const smsProvider = z.object({
  id: z.int(),
  type: z.string(),
  name: z.string(),
  settings,
  limits: smsLimits,
  /** Names of the keys that are set. */
  secretNames: z.array(z.string()),
  /** Give it to the provider, so that it reports what became of messages; null: this kind does not report. */
  callbackUrl: z.string().nullable(),
  isDefault: z.boolean(),
  createdAt: z.date(),
});
export const createSmsProvider = z.strictObject({
  type: z.string().max(50),
  name: oneLine(255).min(1),
  settings,
  limits: smsLimits.default({}),
  secrets: secrets.default({}),
  isDefault: z.boolean().default(false),
});
export const changeSmsProvider = z.strictObject({
  name: oneLine(255).min(1).optional(),
  settings: settings.optional(),
  limits: smsLimits.optional(),
  /** Merged with what is there; '' removes a key. */
  secrets: secrets.optional(),
  isDefault: z.boolean().optional(),
});
/** currency: '' when the provider does not say. */
export const smsBalance = z.object({ amount: z.number(), currency: z.string() });
export const testSmsProvider = z.strictObject({ phone: oneLine(50), text: z.string().min(1).max(200).optional() });
const named = { label: z.string(), hint: z.string().nullable() };
export const smsProviderType = z.object({
  id: z.string(),
  title: z.string(),
  description: z.string(),
  form: z.array(z.object({
    name: z.string(),
    widget: z.enum(['text', 'longText', 'number', 'switch', 'choice', 'pairs', 'group']),
    isRequired: z.boolean().optional(),
    isAdvanced: z.boolean().optional(),
    options: z.array(z.object({ value: z.string(), name: z.string() })).optional(),
    ...named,
  })),
  /** null: the administrator names them. */
  secrets: z.array(z.object({ name: z.string(), isRequired: z.boolean(), ...named })).nullable(),
  can: z.object({ status: z.boolean(), findUnanswered: z.boolean(), callbacks: z.boolean(), balance: z.boolean() }),
  /** JSON Schema of the settings. */
  settings: z.unknown(),
});
