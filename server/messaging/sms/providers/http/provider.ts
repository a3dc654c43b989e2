/**
 * Any gateway that takes an SMS by one HTTP request. What is sent is a template; {phone}, {phoneDigits}
 * (without the plus), {text}, {sender}, {id} and {secret.<name>} are filled in. A JSON template is
 * parsed first and its strings are filled in afterwards, so that no text can change its structure.
 */
import { z } from 'zod';
import { UserError } from '../../../../../shared/errors.ts';
import type { DeliveryError, Outcome } from '../../../../deliveries/deliveries.ts';
import type { OutboundAnswer } from '../../outbound.ts';
import { defineSmsProvider, type SmsMessage } from '../../provider.ts';

const line = (max: number) => z.string().max(max).regex(/^[^\u0000-\u001f\u007f]*$/);
const pairs = z.array(z.strictObject({ name: line(200).min(1), value: line(2000) })).max(50).default([]);
/** 'result.messages.0.id' */
const path = z.string().regex(/^[\w-]{1,100}(\.[\w-]{1,100}){0,10}$/);

const settings = z.strictObject({
  url: z.url({ protocol: /^https?$/ }).max(2000),
  method: z.enum(['GET', 'POST', 'PUT']).default('POST'),
  headers: pairs,
  /** query: fields go into the address; form: into the body; json: `body` is the template. */
  format: z.enum(['query', 'form', 'json']).default('form'),
  fields: pairs,
  body: z.string().max(20_000).default(''),
  /** The name or number people see; {sender}. */
  sender: line(50).default(''),
  /** Besides a status of 2xx, what the answer must say; compared as text. */
  success: z.strictObject({ path, equals: z.string().max(200) }).optional(),
  messageIdPath: path.optional(),
  /** Where a refusal says why. */
  errorPath: path.optional(),
  /** The gateway stands in an internal network. */
  allowPrivateHost: z.boolean().default(false),
});
type Settings = z.output<typeof settings>;

/** Headers that belong to the connection. */
const ownHeaders = new Set(['host', 'connection', 'content-length', 'transfer-encoding', 'upgrade', 'expect', 'te', 'trailer', 'keep-alive']);
const longestText = 300;

export const httpProvider = defineSmsProvider<Settings>({
  id: 'http',
  settings,
  destination: ({ url }) => new URL(url).origin,
  async check(given, _secrets, { outbound }) {
    if (given.format === 'json') {
      try {
        JSON.parse(given.body);
      } catch (error) {
        throw new UserError('sms.settings_invalid', { detail: error instanceof Error ? error.message : '' }, 'settings.body');
      }
    }
    if (given.format !== 'query' && given.method === 'GET') throw new UserError('sms.settings_invalid', { detail: `GET + ${given.format}` }, 'settings.method');
    for (const [index, { name }] of given.headers.entries()) {
      if (!/^[\w!#$%&'*+.^`|~-]+$/.test(name) || ownHeaders.has(name.toLowerCase())) {
        throw new UserError('sms.settings_invalid', { detail: name }, `settings.headers.${index}.name`);
      }
    }
    await outbound.check(given.url, given.allowPrivateHost);
  },
  async send(message, given, secrets, { outbound, now }) {
    const host = new URL(given.url).host;
    const filled = fill(message, given, secrets);
    const headers: Record<string, string> = { 'user-agent': 'Vestnik', accept: 'application/json, */*;q=0.5' };
    for (const { name, value } of given.headers) {
      headers[name.toLowerCase()] = filled(value);
      // A line break in a text must not become a header of its own.
      if (/[^\t\x20-\x7e\x80-\xff]/.test(filled(value))) return { kind: 'permanent', error: { code: 'sms.settings_invalid', params: { detail: name }, detail: name } };
    }
    const url = new URL(given.url);
    const fields = given.fields.map(({ name, value }): [string, string] => [name, filled(value)]);
    let body: string | undefined;
    if (given.format === 'query') for (const [name, value] of fields) url.searchParams.append(name, value);
    if (given.format === 'form') {
      body = new URLSearchParams(fields).toString();
      headers['content-type'] ??= 'application/x-www-form-urlencoded; charset=utf-8';
    }
    if (given.format === 'json') {
      body = JSON.stringify(fillIn(JSON.parse(given.body), filled));
      headers['content-type'] ??= 'application/json; charset=utf-8';
    }
    const answer = await outbound.send({ method: given.method, url: url.href, headers, body, allowPrivateHost: given.allowPrivateHost });
    return outcomeOf(answer, { host, given, now: now() });
  },
});

function fill(message: SmsMessage, given: Settings, secrets: Readonly<Record<string, string>>): (template: string) => string {
  const values: Record<string, string> = {
    phone: message.phone, phoneDigits: message.phone.replace(/\D/g, ''), text: message.text, sender: given.sender, id: String(message.id),
  };
  // In one pass: braces in a text are text.
  return (template) => template.replace(/\{(secret\.)?(\w+)\}/g, (whole, isSecret: string | undefined, name: string) => {
    const source = isSecret ? secrets : values;
    return Object.hasOwn(source, name) ? (source[name] ?? '') : whole;
  });
}

function fillIn(template: unknown, filled: (text: string) => string): unknown {
  if (typeof template === 'string') return filled(template);
  if (Array.isArray(template)) return template.map((inner: unknown) => fillIn(inner, filled));
  if (typeof template === 'object' && template !== null) return Object.fromEntries(Object.entries(template).map(([key, inner]) => [key, fillIn(inner, filled)]));
  return template;
}

function outcomeOf(answer: OutboundAnswer, { host, given, now }: { host: string; given: Settings; now: Date }): Outcome {
  const said = (code: DeliveryError['code'], detail: string): DeliveryError => ({ code, params: { host, detail: detail.slice(0, longestText) }, detail: detail.slice(0, longestText) });
  switch (answer.kind) {
    case 'private_host':
      return { kind: 'permanent', error: { code: 'sms.private_host', params: { host, address: answer.address } } };
    case 'not_sent':
      return { kind: 'transient', error: said('sms.gateway_unreachable', answer.detail) };
    case 'lost':
      return { kind: 'unknown', error: said('sms.answer_lost', answer.detail) };
    case 'answer': {
      const { status, headers } = answer;
      const content = parsed(answer.body);
      const reason = () => `${status} ${(given.errorPath && at(content, given.errorPath)) || answer.body.replace(/\s+/g, ' ').trim()}`.trim();
      // 425, 429 and 503 say that it was not taken; other 5xx may come after it was.
      if (status === 429 || status === 425 || status === 503) {
        return { kind: 'transient', error: said('sms.gateway_busy', reason()), retryAt: retryAt(headers['retry-after'], now) };
      }
      if (status >= 500 || status === 408) return { kind: 'unknown', error: said('sms.answer_unclear', reason()) };
      // A redirect is not followed: the text would go to an address nobody checked.
      if (status < 200 || status >= 300) return { kind: 'permanent', error: said('sms.rejected', reason()) };
      const messageId = given.messageIdPath ? at(content, given.messageIdPath) : undefined;
      if (given.success) {
        const found = at(content, given.success.path);
        // «OK» from something that does not speak as the gateway does: a portal, a proxy, a changed API.
        if (content === undefined || found === undefined) {
          const refusal = given.errorPath ? at(content, given.errorPath) : undefined;
          return refusal ? { kind: 'permanent', error: said('sms.rejected', refusal) } : { kind: 'unknown', error: said('sms.answer_unclear', reason()) };
        }
        if (found !== given.success.equals) return { kind: 'permanent', error: said('sms.rejected', reason()) };
      } else if (given.messageIdPath && messageId === undefined) {
        return { kind: 'unknown', error: said('sms.answer_unclear', reason()) };
      }
      return { kind: 'accepted', providerMessageId: messageId?.slice(0, 200), detail: reason().slice(0, longestText) };
    }
  }
}

function parsed(body: string): unknown {
  try {
    return JSON.parse(body);
  } catch {
    return undefined;
  }
}

/** A text, number or yes/no at the path; undefined: there is none. */
function at(content: unknown, way: string): string | undefined {
  let here = content;
  for (const step of way.split('.')) {
    if (typeof here !== 'object' || here === null || !Object.hasOwn(here, step)) return undefined;
    here = Object.entries(here).find(([key]) => key === step)?.[1];
  }
  return typeof here === 'string' || typeof here === 'number' || typeof here === 'boolean' ? String(here) : undefined;
}

/** Seconds, or a date (RFC 9110). */
function retryAt(header: string | undefined, now: Date): Date | undefined {
  if (header === undefined) return undefined;
  if (/^\d{1,7}$/.test(header)) return new Date(now.getTime() + Number(header) * 1000);
  const date = new Date(header);
  return Number.isNaN(date.getTime()) ? undefined : date;
}
