/**
 * SMSC.ru, as its documentation says: «HTTP/HTTPS протокол» (smsc.ru/api/http), sections «Отправка
 * SMS-сообщения», «Проверка статуса», «Проверка состояния баланса» and «Передача статусов и сообщений на
 * обработчик Клиента».
 *
 * `id` is ours, 'vestnik-<delivery>': no key against doubles (two messages may share one, and the status
 * is that of the last), but a message whose answer was lost can be found by it. Callbacks carry `md5` and
 * `sha1` of 'id:phone:status:<secret phrase>' when a phrase is set in the account.
 */
import { createHash } from 'node:crypto';
import { z } from 'zod';
import {
  askJson, checkEndpoint, type Endpoint, endpointDestination, endpointForm, endpointSettings, isSame, later, never, oneLine, ownId, ownReference, refusal, unclear, untilPaid, type Verdicts,
} from '../../endpoint.ts';
import { defineSmsProvider, type SmsContext, type SmsProblem, type SmsStatus, type SmsUpdate, textAt } from '../../provider.ts';

interface Settings extends Endpoint {
  login: string;
  sender: string;
}
const settings = z.strictObject({ ...endpointSettings('https://smsc.ru'), login: oneLine(100).default(''), sender: oneLine(15).default('') });

const minute = 60_000;

/** «Ответ сервера и коды ошибок» of sending. */
export const smscVerdicts: Verdicts = {
  1: never('sms.rejected'),
  2: never('sms.sign_in_refused'),
  3: untilPaid,
  // Blocked for too many errors; the documentation does not say for how long.
  4: later(15 * minute),
  5: never('sms.rejected'),
  6: never('sms.text_refused'),
  7: never('sms.number_refused'),
  8: never('sms.number_refused'),
  // The same request twice in a minute, or too many at the same time.
  9: later(minute),
};

/** «Коды статусов». */
const states: Readonly<Record<string, SmsStatus>> = {
  '-3': { state: 'unknown' },
  '-2': { state: 'failed', reason: 'status-2' },
  '-1': { state: 'accepted' },
  0: { state: 'accepted' },
  1: { state: 'delivered' },
  2: { state: 'delivered' },
  3: { state: 'failed', reason: 'status3' },
  4: { state: 'delivered' },
  20: { state: 'failed', reason: 'status20' },
  22: { state: 'failed', code: 'sms.number_refused', reason: 'status22' },
  23: { state: 'failed', code: 'sms.rejected', reason: 'status23' },
  24: { state: 'failed', code: 'sms.no_money', reason: 'status24' },
  25: { state: 'failed', code: 'sms.number_refused', reason: 'status25' },
};
export const smscFailures: readonly string[] = Object.values(states).flatMap(({ reason }) => reason ?? []);

function stateOf(code: string, said: string): SmsStatus {
  const known = Object.hasOwn(states, code) ? states[code] : undefined;
  return known ? { ...known, ...(known.state === 'failed' ? { detail: `${code} ${said}`.trim() } : {}) } : { state: 'unknown' };
}

async function ask(context: SmsContext<Settings>, script: string, form: Record<string, string>): Promise<{ problem: SmsProblem } | { problem?: undefined; content: unknown; body: string }> {
  const { apiKey, password } = context.secrets;
  const rights: Record<string, string> = apiKey ? { apikey: apiKey } : { login: context.settings.login, psw: password ?? '' };
  const answer = await askJson(context, { method: 'POST', path: `/sys/${script}.php`, form: { ...rights, charset: 'utf-8', fmt: '3', ...form } });
  if (answer.problem) return answer;
  const code = textAt(answer.content, 'error_code');
  if (code === undefined) return answer;
  return { problem: refusal(smscVerdicts, code, textAt(answer.content, 'error') ?? '', context.now()) };
}

/** How far their clock may be off when a lost message is looked for. */
const clockDifferenceMs = 2 * minute;

export const smsc = defineSmsProvider<Settings>({
  id: 'smsc',
  settings,
  form: [{ name: 'login', widget: 'text' }, { name: 'sender', widget: 'text' }, ...endpointForm],
  secrets: [{ name: 'password', isRequired: false }, { name: 'apiKey', isRequired: false }, { name: 'callbackPhrase', isRequired: false }],
  destination: endpointDestination,
  // Error 9 is also said to more than 15 requests at the same time: a rate that stays well below.
  limits: { perSecond: 10 },

  async check(context) {
    if (!context.secrets['apiKey'] && !(context.settings.login && context.secrets['password'])) return { field: 'login', problem: 'missing' };
    return checkEndpoint(context);
  },

  async send({ id, phone, text }, context) {
    const { sender } = context.settings;
    const answer = await ask(context, 'send', { phones: phone, mes: text, id: ownReference(id), ...(sender ? { sender } : {}) });
    if (answer.problem) return answer.problem;
    const given = textAt(answer.content, 'id');
    if (!given) return unclear(answer.body);
    const parts = Number(textAt(answer.content, 'cnt') ?? 0);
    return { outcome: 'accepted', providerMessageId: given, ...(Number.isInteger(parts) && parts > 0 ? { parts } : {}) };
  },

  canFindUnanswered: true,
  async status(questions, context) {
    const found = new Map<number, SmsStatus>();
    for (const { id, providerMessageId, phone, sentAt } of questions) {
      const asked = providerMessageId ?? ownReference(id);
      const answer = await ask(context, 'status', { phone, id: asked, all: '1' });
      if (answer.problem) return answer.problem;
      const status = stateOf(textAt(answer.content, 'status') ?? '', textAt(answer.content, 'status_name') ?? '');
      // By our id it may be somebody else's message, or an earlier one of ours: it must not be older than the attempt.
      const sent = Number(textAt(answer.content, 'send_timestamp') ?? Number.NaN) * 1000;
      if (providerMessageId === null && !(sent >= sentAt.getTime() - clockDifferenceMs)) continue;
      found.set(id, status.state !== 'unknown' && providerMessageId === null ? { ...status, providerMessageId: asked } : status);
    }
    return found;
  },

  parseCallback({ query, rawBody }, { secrets }) {
    const form = new URLSearchParams(rawBody.toString('utf8'));
    const at = (name: string): string => form.get(name) ?? query[name] ?? '';
    const phrase = secrets['callbackPhrase'];
    const signed = `${at('id')}:${at('phone')}:${at('status')}:${phrase}`;
    const hash = (algorithm: 'sha1' | 'md5') => createHash(algorithm).update(signed).digest('hex');
    const isGenuine = !phrase || (at('sha1') !== '' ? isSame(at('sha1').toLowerCase(), hash('sha1')) : isSame(at('md5').toLowerCase(), hash('md5')));
    const answer = { status: 200, contentType: 'text/plain', body: 'OK' };
    // An incoming message comes to the same address; it has a text and no status.
    if (!isGenuine || at('id') === '' || at('status') === '') return { isGenuine, updates: [], answer };
    const deliveryId = ownId(at('id'));
    const time = at('ts');
    const update: SmsUpdate = {
      ...stateOf(at('status'), at('err')), providerMessageId: at('id'),
      ...(deliveryId === undefined ? {} : { deliveryId }),
      ...(/^\d{9,11}$/.test(time) ? { at: new Date(Number(time) * 1000) } : {}),
    };
    return { isGenuine, updates: [update], answer };
  },

  async balance(context) {
    const answer = await ask(context, 'balance', { cur: '1' });
    if (answer.problem) return answer.problem;
    const amount = Number(textAt(answer.content, 'balance') ?? Number.NaN);
    const currency = textAt(answer.content, 'currency') ?? '';
    // They still call the rouble as it was called until 1998.
    return Number.isFinite(amount) ? { amount, currency: currency === 'RUR' ? 'RUB' : currency } : unclear(answer.body);
  },
});
