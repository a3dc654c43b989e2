/**
 * MTS Exolve, as its documentation says: «SMS API», methods «SendSMS» and «GetList»
 * (docs.exolve.ru/docs/ru/api-reference/sms-api).
 *
 * There is no key that makes a second request harmless. Refusals come as { error: { code, message } } or
 * { error: '…' } with words, not codes, so they are told apart by what they name. Reports are the records
 * of GetList, posted to the address set in the application; they are not signed: the secret in our address
 * stands for a signature. The SMS API has no balance.
 */
import { z } from 'zod';
import {
  askJson, checkEndpoint, digits, elements, type Endpoint, endpointDestination, endpointForm, endpointSettings, later, never, oneLine, refusal, unclear, untilPaid, type Verdicts,
} from '../../endpoint.ts';
import { defineSmsProvider, parsedJson, type SmsContext, type SmsProblem, type SmsStatus, textAt } from '../../provider.ts';

interface Settings extends Endpoint {
  sender: string;
}
const settings = z.strictObject({ ...endpointSettings('https://api.exolve.ru'), sender: oneLine(20).min(1) });

const minute = 60_000;

export const exolveVerdicts: Verdicts = {
  unauthorized: never('sms.sign_in_refused'),
  forbidden: never('sms.sign_in_refused'),
  no_money: untilPaid,
  destination: never('sms.number_refused'),
  number: never('sms.sender_refused'),
  template: never('sms.text_refused'),
  text: never('sms.text_refused'),
  busy: later(minute),
};

/** Which refusal the words of an answer mean; undefined: none we know. */
function verdictOf(status: number, message: string): string | undefined {
  if (status === 401) return 'unauthorized';
  if (status === 402 || /insufficient|not enough|balance|no money/i.test(message)) return 'no_money';
  if (/too many|rate limit|limit exceeded/i.test(message)) return 'busy';
  if (/destination|number does not exist|receiver|recipient/i.test(message)) return 'destination';
  if (/template/i.test(message)) return 'template';
  if (/\btext\b/i.test(message)) return 'text';
  if (/alpha|sender|SendRequest\.Number|\bnumber\b/i.test(message)) return 'number';
  return status === 403 ? 'forbidden' : undefined;
}

/** The enumerations come as 'DELIVERY_STATUS_DELIVERED' or as 'DELIVERED'. */
function stateOf(given: string | undefined): SmsStatus {
  const status = (given ?? '').toUpperCase().replace(/^(SMS_|MESSAGE_)?(DELIVERY_)?STATUS_/, '');
  switch (status) {
    case 'DELIVERED':
      return { state: 'delivered' };
    case 'QUEUED': case 'ACCEPTED': case 'SENT': case 'ENROUTE': case 'TRANSMITTED': case 'PENDING': case 'BUFFERED':
      return { state: 'accepted' };
    case 'EXPIRED':
      return { state: 'failed', reason: 'expired', detail: status };
    case 'REJECTED':
      return { state: 'failed', reason: 'rejected', detail: status };
    case 'UNDELIVERED': case 'UNDELIVERABLE': case 'NOT_DELIVERED': case 'FAILED': case 'DELETED':
      return { state: 'failed', reason: 'undelivered', detail: status };
    default:
      return { state: 'unknown' };
  }
}
export const exolveFailures: readonly string[] = ['expired', 'rejected', 'undelivered'];

const statusOf = (record: unknown): SmsStatus => stateOf(textAt(record, 'delivery_status') ?? textAt(record, 'status'));

/** Numbers of messages have 18 digits: as numbers of JSON they would lose the last ones. */
function numberIn(body: string): string | undefined {
  return /"message_id"\s*:\s*"?(\d{1,20})\b/.exec(body)?.[1];
}

async function ask(context: SmsContext<Settings>, method: string, json: Record<string, unknown>): Promise<{ problem: SmsProblem } | { problem?: undefined; content: unknown; body: string }> {
  const authorization = `Bearer ${context.secrets['apiKey'] ?? ''}`;
  const answer = await askJson(context, { method: 'POST', path: `/messaging/v1/${method}`, headers: { authorization }, json });
  if (answer.problem) return answer;
  const error = textAt(answer.content, 'error.message') ?? textAt(answer.content, 'error');
  if (answer.status < 400 && error === undefined) return answer;
  const message = error ?? textAt(answer.content, 'message');
  const said = [textAt(answer.content, 'error.code'), message].filter(Boolean).join(' ');
  const verdict = verdictOf(answer.status, said);
  return { problem: verdict === undefined ? { outcome: 'permanent', code: 'sms.rejected', detail: `${answer.status} ${said}`.slice(0, 300) } : refusal(exolveVerdicts, verdict, said, context.now()) };
}

export const exolve = defineSmsProvider<Settings>({
  id: 'exolve',
  settings,
  form: [{ name: 'sender', widget: 'text', isRequired: true }, ...endpointForm],
  secrets: [{ name: 'apiKey', isRequired: true }],
  destination: endpointDestination,
  check: checkEndpoint,

  async send({ phone, text }, context) {
    const answer = await ask(context, 'SendSMS', { number: context.settings.sender.replace(/^\+(?=\d+$)/, ''), destination: digits(phone), text });
    if (answer.problem) return answer.problem;
    const number = numberIn(answer.body);
    return number ? { outcome: 'accepted', providerMessageId: number } : unclear(answer.body);
  },

  async status(questions, context) {
    const answers = new Map<number, SmsStatus>();
    for (const { id, providerMessageId } of questions) {
      if (providerMessageId === null) continue;
      const answer = await ask(context, 'GetList', { message_id: providerMessageId, limit: 1 });
      if (answer.problem) return answer.problem;
      const [record] = elements(answer.content, 'messages');
      if (record !== undefined && numberIn(answer.body) === providerMessageId) answers.set(id, statusOf(record));
    }
    return answers;
  },

  parseCallback({ rawBody }) {
    const body = rawBody.toString('utf8');
    const record = parsedJson(body);
    const number = numberIn(body);
    const answer = { status: 200, contentType: 'application/json', body: '{}' };
    // Incoming messages come to the same address.
    const isOurs = !/incoming/i.test(textAt(record, 'direction') ?? '');
    const has = textAt(record, 'delivery_status') ?? textAt(record, 'status');
    if (number === undefined || has === undefined || !isOurs) return { isGenuine: true, updates: [], answer };
    const at = new Date(textAt(record, 'date') ?? '');
    return { isGenuine: true, updates: [{ ...statusOf(record), providerMessageId: number, ...(Number.isNaN(at.getTime()) ? {} : { at }) }], answer };
  },
});
