/**
 * Any gateway that takes an SMS by one HTTP request. What is sent is a template; {phone}, {phoneDigits}
 * (without the plus), {text}, {sender}, {id} and {secret.<name>} are filled in. A JSON template is
 * parsed first and its strings are filled in afterwards, so that no text can change its structure.
 */
import { z } from 'zod';
import type { OutboundAnswer } from '../../../../deliveries/deliveries.ts';
import { defineSmsProvider, gatewayProblem, parsedJson, type SmsMessage, type SmsOutcome, textAt } from '../../provider.ts';

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
  form: [
    { name: 'url', widget: 'text', isRequired: true },
    { name: 'method', widget: 'choice', options: ['GET', 'POST', 'PUT'] },
    { name: 'format', widget: 'choice', options: ['query', 'form', 'json'] },
    { name: 'sender', widget: 'text' },
    { name: 'headers', widget: 'pairs' },
    { name: 'fields', widget: 'pairs' },
    { name: 'body', widget: 'longText' },
    { name: 'success', widget: 'group' },
    { name: 'messageIdPath', widget: 'text' },
    { name: 'errorPath', widget: 'text' },
    { name: 'allowPrivateHost', widget: 'switch', isAdvanced: true },
  ],
  secrets: 'any',
  destination: ({ url }) => new URL(url).origin,
  async check({ settings: given, http }) {
    if (given.format === 'json' && parsedJson(given.body) === undefined) return { field: 'body', problem: 'not_json' };
    if (given.format !== 'query' && given.method === 'GET') return { field: 'method', problem: 'get_with_body' };
    for (const [index, { name }] of given.headers.entries()) {
      if (!/^[\w!#$%&'*+.^`|~-]+$/.test(name) || ownHeaders.has(name.toLowerCase())) return { field: `headers.${index}.name`, problem: 'wrong' };
    }
    const address = await http.privateAddress(given.url, given.allowPrivateHost);
    return address === null ? null : { field: 'url', problem: 'private_host', address };
  },
  async send(message, { settings: given, secrets, http, now }) {
    const filled = fill(message, given, secrets);
    const headers: Record<string, string> = { 'user-agent': 'Vestnik', accept: 'application/json, */*;q=0.5' };
    for (const { name, value } of given.headers) {
      headers[name.toLowerCase()] = filled(value);
      // A line break in a text must not become a header of its own.
      if (/[^\t\x20-\x7e\x80-\xff]/.test(filled(value))) return { outcome: 'permanent', code: 'sms.settings_unusable', detail: name };
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
    const answer = await http.send({ method: given.method, url: url.href, headers, body, allowPrivateHost: given.allowPrivateHost });
    return gatewayProblem(answer, now()) ?? (answer.kind === 'answer' ? outcomeOf(answer, given) : lostAnswer);
  },
});

/** Never reached: gatewayProblem knows every other kind of answer. */
const lostAnswer: SmsOutcome = { outcome: 'unknown', code: 'sms.answer_lost', detail: '' };

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

function outcomeOf(answer: Extract<OutboundAnswer, { kind: 'answer' }>, given: Settings): SmsOutcome {
  const content = parsedJson(answer.body);
  const refusal = given.errorPath ? textAt(content, given.errorPath) : undefined;
  const detail = `${answer.status} ${refusal || answer.body.replace(/\s+/g, ' ').trim()}`.trim().slice(0, longestText);
  const rejected: SmsOutcome = { outcome: 'permanent', code: 'sms.rejected', detail };
  const unclear: SmsOutcome = { outcome: 'unknown', code: 'sms.answer_unclear', detail };
  if (answer.status < 200 || answer.status >= 300) return rejected;
  const messageId = given.messageIdPath ? textAt(content, given.messageIdPath) : undefined;
  if (given.success) {
    const found = textAt(content, given.success.path);
    // «OK» from something that does not speak as the gateway does: a portal, a proxy, a changed API.
    if (found === undefined) return refusal ? rejected : unclear;
    if (found !== given.success.equals) return rejected;
  } else if (given.messageIdPath && messageId === undefined) {
    return unclear;
  }
  return { outcome: 'accepted', providerMessageId: messageId?.slice(0, 200), detail };
}
