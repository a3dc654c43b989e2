/**
 * SMS Aero, as its documentation says: «API v2» (smsaero.ru/integration/documentation/api), methods
 * sms/send, sms/status, sms/list and balance, and the parameter callbackUrl of sms/send.
 *
 * There is no key that makes a second request harmless; a message whose answer was lost is looked for in
 * sms/list by number, text and time. Callbacks are not signed: the secret in our address stands for a
 * signature.
 */
import { z } from 'zod';
import {
  askJson, basic, checkEndpoint, digits, elements, type Endpoint, endpointDestination, endpointForm, endpointSettings, isReachable, later, never, oneLine, refusal, unclear, untilPaid, valueAt, type Verdicts,
} from '../../endpoint.ts';
import { defineSmsProvider, parsedJson, type SmsContext, type SmsProblem, type SmsQuestion, type SmsStatus, textAt } from '../../provider.ts';

interface Settings extends Endpoint {
  email: string;
  sender: string;
}
const settings = z.strictObject({ ...endpointSettings('https://gate.smsaero.ru'), email: z.email().max(255), sender: oneLine(20).min(1) });

const minute = 60_000;

/** They have no codes, but words and names of the fields that are wrong. */
export const smsAeroVerdicts: Verdicts = {
  unauthorized: never('sms.sign_in_refused'),
  no_money: untilPaid,
  number: never('sms.number_refused'),
  sign: never('sms.sender_refused'),
  text: never('sms.text_refused'),
  busy: later(minute),
  reject: never('sms.rejected'),
};

function verdictOf(status: number, content: unknown, message: string): string {
  const wrong = (field: string) => textAt(content, `data.${field}.0`) !== undefined || textAt(content, `data.${field}`) !== undefined;
  if (status === 401 || /unauthori[sz]ed|authori[sz]ation/i.test(message)) return 'unauthorized';
  if (status === 402 || /no credits|not enough money|insufficient/i.test(message)) return 'no_money';
  const field = ['number', 'sign', 'text'].find(wrong);
  if (field) return field;
  if (/too many requests|limit/i.test(message)) return 'busy';
  return ['number', 'sign', 'text'].find((name) => message.toLowerCase().includes(name)) ?? 'reject';
}

const states: Readonly<Record<string, SmsStatus>> = {
  0: { state: 'accepted' },
  1: { state: 'delivered' },
  2: { state: 'failed', reason: 'status2' },
  3: { state: 'accepted' },
  4: { state: 'accepted' },
  6: { state: 'failed', code: 'sms.rejected', reason: 'status6' },
  // On moderation: somebody at SMS Aero reads it first.
  8: { state: 'accepted' },
};
export const smsAeroFailures: readonly string[] = Object.values(states).flatMap(({ reason }) => reason ?? []);

function stateOf(code: string | undefined, said: string | undefined): SmsStatus {
  const known = code !== undefined && Object.hasOwn(states, code) ? states[code] : undefined;
  return known ? { ...known, ...(known.state === 'failed' ? { detail: `${code} ${said ?? ''}`.trim() } : {}) } : { state: 'unknown' };
}

async function ask(context: SmsContext<Settings>, path: string, json: Record<string, unknown>): Promise<{ problem: SmsProblem } | { problem?: undefined; content: unknown; body: string }> {
  const authorization = basic(context.settings.email, context.secrets['apiKey'] ?? '');
  const answer = await askJson(context, { method: 'POST', path: `/v2/${path}`, headers: { authorization }, json });
  if (answer.problem) return answer;
  const { content, status } = answer;
  // Refusals of the first version still come: { result: 'reject', reason }.
  const result = textAt(content, 'result');
  if (textAt(content, 'success') === 'true') return answer;
  if (textAt(content, 'success') !== 'false' && result === undefined) return { problem: unclear(answer.body) };
  const message = [result, textAt(content, 'reason') ?? textAt(content, 'message')].filter(Boolean).join(': ');
  return { problem: refusal(smsAeroVerdicts, verdictOf(status, content, message), message, context.now()) };
}

/** One message comes as an object, some as a list. */
const single = (content: unknown): unknown => (textAt(content, 'data.id') === undefined ? elements(content, 'data')[0] : valueAt(content, 'data'));

/** How far their clock may be off, and how long they may take to write a message down. */
const window = { beforeMs: minute, afterMs: 10 * minute };

/** The one message of the list it can be; of two nobody knows which. */
function found(content: unknown, { phone, text, sentAt }: SmsQuestion): SmsStatus {
  const fitting = elements(content, 'data').filter((one) => {
    const madeMs = Number(textAt(one, 'dateCreate') ?? Number.NaN) * 1000;
    return textAt(one, 'number') === digits(phone) && textAt(one, 'text') === text && madeMs >= sentAt.getTime() - window.beforeMs && madeMs <= sentAt.getTime() + window.afterMs;
  });
  const id = fitting.length === 1 ? textAt(fitting[0], 'id') : undefined;
  return id === undefined ? { state: 'unknown' } : { ...stateOf(textAt(fitting[0], 'status'), textAt(fitting[0], 'extendStatus')), providerMessageId: id };
}

export const smsAero = defineSmsProvider<Settings>({
  id: 'sms-aero',
  settings,
  form: [{ name: 'email', widget: 'text', isRequired: true }, { name: 'sender', widget: 'text', isRequired: true }, ...endpointForm],
  secrets: [{ name: 'apiKey', isRequired: true }],
  destination: endpointDestination,
  check: checkEndpoint,

  async send({ phone, text }, context) {
    const answer = await ask(context, 'sms/send', {
      number: digits(phone), text, sign: context.settings.sender,
      ...(isReachable(context.callbackUrl) ? { callbackUrl: context.callbackUrl, callbackFormat: 'JSON' } : {}),
    });
    if (answer.problem) return answer.problem;
    const one = single(answer.content);
    const id = textAt(one, 'id');
    if (id === undefined) return unclear(answer.body);
    if (stateOf(textAt(one, 'status'), undefined).state === 'failed') return refusal(smsAeroVerdicts, 'reject', textAt(one, 'extendStatus') ?? '', context.now());
    return { outcome: 'accepted', providerMessageId: id };
  },

  canFindUnanswered: true,
  async status(questions, context) {
    const answers = new Map<number, SmsStatus>();
    for (const question of questions) {
      const { id, providerMessageId, phone, text } = question;
      const answer = providerMessageId === null
        ? await ask(context, 'sms/list', { number: digits(phone), text })
        : await ask(context, 'sms/status', { id: Number(providerMessageId) });
      // They do not know this one; the others are asked about all the same.
      if (answer.problem?.code === 'sms.rejected') continue;
      if (answer.problem) return answer.problem;
      const one = single(answer.content);
      answers.set(id, providerMessageId === null ? found(answer.content, question) : stateOf(textAt(one, 'status'), textAt(one, 'extendStatus')));
    }
    return answers;
  },

  parseCallback({ query, rawBody }) {
    const body = rawBody.toString('utf8');
    const content = parsedJson(body) ?? { ...query, ...Object.fromEntries(new URLSearchParams(body)) };
    const one = textAt(content, 'data.id') === undefined ? content : valueAt(content, 'data');
    const id = textAt(one, 'id');
    const status = stateOf(textAt(one, 'status'), textAt(one, 'extendStatus'));
    const answer = { status: 200, contentType: 'text/plain', body: 'OK' };
    if (id === undefined || !/^\d{1,20}$/.test(id) || textAt(one, 'status') === undefined) return { isGenuine: true, updates: [], answer };
    return { isGenuine: true, updates: [{ ...status, providerMessageId: id }], answer };
  },

  async balance(context) {
    const answer = await ask(context, 'balance', {});
    if (answer.problem) return answer.problem;
    const amount = Number(textAt(answer.content, 'data.balance') ?? Number.NaN);
    return Number.isFinite(amount) ? { amount, currency: 'RUB' } : unclear(answer.body);
  },
});
