/**
 * SMS.ru, as its documentation says: «Отправить СМС сообщение HTTP запросом» (sms.ru/api/send), «Проверить
 * статус» (sms.ru/api/status), «Получить баланс» (sms.ru/api/balance) and «Добавить callback»
 * (sms.ru/api/callback).
 *
 * There is no key that makes a second request harmless, and no way to find a message without their number.
 * Callbacks carry `hash`: SHA-256 of api_id and all entries; older accounts send none, and then the secret
 * in our address stands for it.
 */
import { createHash } from 'node:crypto';
import { z } from 'zod';
import {
  askJson, checkEndpoint, digits, elements, type Endpoint, endpointDestination, endpointForm, endpointSettings, isSame, later, never, oneLine, refusal, unclear, untilPaid, type Verdicts,
} from '../../endpoint.ts';
import { defineSmsProvider, type SmsContext, type SmsProblem, type SmsStatus, type SmsUpdate, textAt } from '../../provider.ts';

interface Settings extends Endpoint {
  sender: string;
}
const settings = z.strictObject({ ...endpointSettings('https://sms.ru'), sender: oneLine(20).default('') });

const minute = 60_000;
const hour = 60 * minute;

/** Codes of sending. */
export const smsRuVerdicts: Verdicts = {
  200: never('sms.sign_in_refused'),
  201: untilPaid,
  202: never('sms.number_refused'),
  203: never('sms.text_refused'),
  204: never('sms.sender_refused'),
  205: never('sms.text_refused'),
  // The account's limit of a day.
  206: later(hour),
  207: never('sms.number_refused'),
  208: never('sms.rejected'),
  209: never('sms.number_refused'),
  210: never('sms.rejected'),
  211: never('sms.rejected'),
  212: never('sms.text_refused'),
  213: never('sms.rejected'),
  214: never('sms.number_refused'),
  215: never('sms.number_refused'),
  216: never('sms.text_refused'),
  220: later(5 * minute),
  221: never('sms.sender_refused'),
  // Too many to one number in a day; the same text in a minute, in a day; codes to one number.
  230: later(hour),
  231: later(minute),
  232: later(hour),
  233: later(15 * minute),
  300: never('sms.sign_in_refused'),
  301: never('sms.sign_in_refused'),
  302: never('sms.sign_in_refused'),
  500: later(5 * minute),
};

/** Codes of a message that was taken. */
const states: Readonly<Record<string, SmsStatus>> = {
  '-1': { state: 'unknown' },
  100: { state: 'accepted' },
  101: { state: 'accepted' },
  102: { state: 'accepted' },
  103: { state: 'delivered' },
  104: { state: 'failed', reason: '104' },
  105: { state: 'failed', reason: '105' },
  106: { state: 'failed', reason: '106' },
  107: { state: 'failed', reason: '107' },
  108: { state: 'failed', reason: '108' },
  110: { state: 'delivered' },
  150: { state: 'failed', code: 'sms.number_refused', reason: '150' },
};
export const smsRuFailures: readonly string[] = Object.keys(states).filter((code) => states[code]?.state === 'failed');

function stateOf(code: string, said: string): SmsStatus {
  const known = Object.hasOwn(states, code) ? states[code] : undefined;
  return known ? { ...known, ...(known.state === 'failed' ? { detail: `${code} ${said}`.trim() } : {}) } : { state: 'unknown' };
}

/** An answer that says OK for the request as a whole. */
async function ask(context: SmsContext<Settings>, path: string, form: Record<string, string>): Promise<{ problem: SmsProblem } | { problem?: undefined; content: unknown; body: string }> {
  const answer = await askJson(context, { method: 'POST', path, form: { api_id: context.secrets['apiId'] ?? '', ...form, json: '1' } });
  if (answer.problem) return answer;
  const status = textAt(answer.content, 'status');
  if (status === 'OK') return answer;
  const code = textAt(answer.content, 'status_code');
  if (status !== 'ERROR' || code === undefined) return { problem: unclear(answer.body) };
  return { problem: refusal(smsRuVerdicts, code, textAt(answer.content, 'status_text') ?? '', context.now()) };
}

export const smsRu = defineSmsProvider<Settings>({
  id: 'sms-ru',
  settings,
  form: [{ name: 'sender', widget: 'text' }, ...endpointForm],
  secrets: [{ name: 'apiId', isRequired: true }],
  destination: endpointDestination,
  check: checkEndpoint,

  async send({ phone, text }, context) {
    const { sender } = context.settings;
    const answer = await ask(context, '/sms/send', { to: digits(phone), msg: text, ...(sender ? { from: sender } : {}) });
    if (answer.problem) return answer.problem;
    const [one] = elements(answer.content, 'sms');
    const id = textAt(one, 'sms_id');
    if (textAt(one, 'status') === 'OK' && id) return { outcome: 'accepted', providerMessageId: id };
    const code = textAt(one, 'status_code');
    if (textAt(one, 'status') !== 'ERROR' || code === undefined) return unclear(answer.body);
    return refusal(smsRuVerdicts, code, textAt(one, 'status_text') ?? '', context.now());
  },

  async status(questions, context) {
    const known = questions.flatMap(({ id, providerMessageId }) => (providerMessageId === null ? [] : [{ id, providerMessageId }]));
    if (known.length === 0) return new Map();
    const answer = await ask(context, '/sms/status', { sms_id: known.map((one) => one.providerMessageId).join(',') });
    if (answer.problem) return answer.problem;
    return new Map(known.map(({ id, providerMessageId }) => {
      const code = textAt(answer.content, `sms.${providerMessageId}.status_code`);
      return [id, code === undefined ? { state: 'unknown' as const } : stateOf(code, textAt(answer.content, `sms.${providerMessageId}.status_text`) ?? '')];
    }));
  },

  parseCallback({ rawBody }, { secrets }) {
    const form = new URLSearchParams(rawBody.toString('utf8'));
    const entries = [...form].filter(([name]) => /^data\[\d*\]$/.test(name)).map(([, value]) => value);
    const hash = form.get('hash');
    const expected = createHash('sha256').update((secrets['apiId'] ?? '') + entries.join('')).digest('hex');
    const isGenuine = hash === null || isSame(hash.toLowerCase(), expected);
    const updates = !isGenuine ? [] : entries.flatMap((entry): SmsUpdate[] => {
      const [kind, id, code, time] = entry.split('\n').map((line) => line.trim());
      if (kind !== 'sms_status' || !id || !code) return [];
      return [{ ...stateOf(code, ''), providerMessageId: id, ...(time && /^\d{9,11}$/.test(time) ? { at: new Date(Number(time) * 1000) } : {}) }];
    });
    return { isGenuine, updates, answer: { status: 200, contentType: 'text/plain', body: '100' } };
  },

  async balance(context) {
    const answer = await ask(context, '/my/balance', {});
    if (answer.problem) return answer.problem;
    const amount = Number(textAt(answer.content, 'balance') ?? Number.NaN);
    return Number.isFinite(amount) ? { amount, currency: 'RUB' } : unclear(answer.body);
  },
});
