/**
 * Twilio, as its documentation says: «Messages resource» (twilio.com/docs/messaging/api/message-resource),
 * «Track the Message Status of Outbound Messages», «Security: validating requests» (X-Twilio-Signature),
 * «Error and Warning Dictionary» and «Account balance».
 *
 * There is no key that makes a second request harmless; a message whose answer was lost is looked for in
 * the list of messages by number, text and time. Callbacks without the right X-Twilio-Signature are
 * refused: HMAC-SHA1, with the auth token, of the address and all form fields in the order of their names.
 */
import { createHmac } from 'node:crypto';
import { z } from 'zod';
import {
  askJson, basic, checkEndpoint, elements, type Endpoint, endpointDestination, endpointForm, endpointSettings, isReachable, isSame, later, never, oneLine, refusal, unclear, untilPaid, type Verdicts,
} from '../../endpoint.ts';
import { defineSmsProvider, type SmsContext, type SmsProblem, type SmsQuestion, type SmsStatus, textAt } from '../../provider.ts';

interface Settings extends Endpoint {
  accountSid: string;
  from: string;
  messagingServiceSid: string;
}
const settings = z.strictObject({
  ...endpointSettings('https://api.twilio.com'),
  accountSid: z.string().regex(/^AC[0-9a-fA-F]{32}$/),
  /** +E.164, a short code or a name of up to 11 characters. */
  from: oneLine(20).default(''),
  messagingServiceSid: z.string().regex(/^(MG[0-9a-fA-F]{32})?$/).default(''),
});

const second = 1000;
const minute = 60 * second;

/** Of the dictionary: what an answer to a new message can say. */
export const twilioVerdicts: Verdicts = {
  10001: untilPaid,
  14107: later(minute),
  20003: never('sms.sign_in_refused'),
  20005: untilPaid,
  20404: never('sms.sign_in_refused'),
  20429: later(5 * second),
  21211: never('sms.number_refused'),
  21212: never('sms.sender_refused'),
  21266: never('sms.number_refused'),
  21408: never('sms.number_refused'),
  21601: never('sms.number_refused'),
  21602: never('sms.text_refused'),
  21603: never('sms.sender_refused'),
  21604: never('sms.number_refused'),
  21605: never('sms.text_refused'),
  21606: never('sms.sender_refused'),
  21608: never('sms.number_refused'),
  21609: never('sms.settings_unusable'),
  21610: never('sms.number_refused'),
  21611: later(5 * minute),
  21612: never('sms.number_refused'),
  21614: never('sms.number_refused'),
  21617: never('sms.text_refused'),
  21635: never('sms.number_refused'),
  21656: never('sms.settings_unusable'),
  21659: never('sms.sender_refused'),
  21660: never('sms.sender_refused'),
  21701: never('sms.sender_refused'),
  21703: never('sms.sender_refused'),
  21705: never('sms.sender_refused'),
  30001: later(5 * minute),
  30002: untilPaid,
  63038: later(60 * minute),
  90010: untilPaid,
};

/** Of the dictionary: why a message that was taken was not delivered. */
const failures: Readonly<Record<string, Pick<SmsStatus, 'code'>>> = {
  30003: {},
  30004: { code: 'sms.number_refused' },
  30005: { code: 'sms.number_refused' },
  30006: { code: 'sms.number_refused' },
  30007: { code: 'sms.text_refused' },
  30008: {},
};
export const twilioFailures: readonly string[] = Object.keys(failures);

function stateOf(status: string | undefined, errorCode: string | undefined, said: string | undefined): SmsStatus {
  switch (status) {
    case 'accepted': case 'scheduled': case 'queued': case 'sending': case 'sent':
      return { state: 'accepted' };
    case 'delivered': case 'read':
      return { state: 'delivered' };
    case 'undelivered': case 'failed': case 'canceled': {
      const known = errorCode !== undefined && Object.hasOwn(failures, errorCode);
      return { state: 'failed', detail: [status, errorCode, said].filter(Boolean).join(' '), ...(known ? { ...failures[errorCode], reason: errorCode } : {}) };
    }
    default:
      return { state: 'unknown' };
  }
}

async function ask(context: SmsContext<Settings>, method: 'GET' | 'POST', path: string, fields: Record<string, string> = {}): Promise<{ problem: SmsProblem } | { problem?: undefined; content: unknown; body: string }> {
  const { accountSid } = context.settings;
  const authorization = basic(accountSid, context.secrets['authToken'] ?? '');
  const answer = await askJson(context, { method, path: `/2010-04-01/Accounts/${accountSid}/${path}`, headers: { authorization }, ...(method === 'POST' ? { form: fields } : { query: fields }) });
  if (answer.problem || answer.status < 400) return answer;
  return { problem: refusal(twilioVerdicts, textAt(answer.content, 'code') ?? String(answer.status), textAt(answer.content, 'message') ?? '', context.now()) };
}

const window = { beforeMs: minute, afterMs: 10 * minute };

function found(content: unknown, { phone, text, sentAt }: SmsQuestion): SmsStatus {
  const fitting = elements(content, 'messages').filter((one) => {
    const madeMs = new Date(textAt(one, 'date_created') ?? '').getTime();
    // A trial account puts a sentence of its own before the text.
    return textAt(one, 'to') === phone && (textAt(one, 'body') ?? '').endsWith(text) && textAt(one, 'direction') !== 'inbound'
      && madeMs >= sentAt.getTime() - window.beforeMs && madeMs <= sentAt.getTime() + window.afterMs;
  });
  const sid = fitting.length === 1 ? textAt(fitting[0], 'sid') : undefined;
  return sid === undefined ? { state: 'unknown' } : { ...stateOf(textAt(fitting[0], 'status'), textAt(fitting[0], 'error_code'), textAt(fitting[0], 'error_message')), providerMessageId: sid };
}

export const twilio = defineSmsProvider<Settings>({
  id: 'twilio',
  settings,
  form: [{ name: 'accountSid', widget: 'text', isRequired: true }, { name: 'from', widget: 'text' }, { name: 'messagingServiceSid', widget: 'text' }, ...endpointForm],
  secrets: [{ name: 'authToken', isRequired: true }],
  destination: endpointDestination,

  async check(context) {
    if (context.settings.from === '' && context.settings.messagingServiceSid === '') return { field: 'from', problem: 'missing' };
    return checkEndpoint(context);
  },

  async send({ phone, text }, context) {
    const { from, messagingServiceSid } = context.settings;
    const answer = await ask(context, 'POST', 'Messages.json', {
      To: phone, Body: text,
      ...(messagingServiceSid ? { MessagingServiceSid: messagingServiceSid } : {}), ...(from ? { From: from } : {}),
      // An address they cannot reach is an error (21609, 21656); without one the message still goes, and is asked about.
      ...(isReachable(context.callbackUrl) ? { StatusCallback: context.callbackUrl } : {}),
    });
    if (answer.problem) return answer.problem;
    const sid = textAt(answer.content, 'sid');
    if (!sid) return unclear(answer.body);
    const parts = Number(textAt(answer.content, 'num_segments') ?? 0);
    return { outcome: 'accepted', providerMessageId: sid, ...(Number.isInteger(parts) && parts > 0 ? { parts } : {}) };
  },

  canFindUnanswered: true,
  async status(questions, context) {
    const answers = new Map<number, SmsStatus>();
    for (const question of questions) {
      const { id, providerMessageId, phone, sentAt } = question;
      if (providerMessageId === null) {
        // By day only, so the rest is sifted here.
        const day = new Date(sentAt.getTime() - window.beforeMs).toISOString().slice(0, 10);
        const answer = await ask(context, 'GET', 'Messages.json', { To: phone, 'DateSent>': day, PageSize: '100' });
        if (answer.problem) return answer.problem;
        answers.set(id, found(answer.content, question));
      } else {
        const answer = await ask(context, 'GET', `Messages/${encodeURIComponent(providerMessageId)}.json`);
        if (answer.problem?.reason === '20404') continue;
        if (answer.problem) return answer.problem;
        answers.set(id, stateOf(textAt(answer.content, 'status'), textAt(answer.content, 'error_code'), textAt(answer.content, 'error_message')));
      }
    }
    return answers;
  },

  parseCallback({ url, headers, rawBody }, { secrets }) {
    const form = new URLSearchParams(rawBody.toString('utf8'));
    const names = [...new Set(form.keys())].sort();
    const signed = url + names.map((name) => [...new Set(form.getAll(name))].sort().map((value) => name + value).join('')).join('');
    const expected = createHmac('sha1', secrets['authToken'] ?? '').update(signed).digest('base64');
    const isGenuine = Boolean(secrets['authToken']) && isSame(headers['x-twilio-signature'] ?? '', expected);
    const answer = { status: 200, contentType: 'text/xml', body: '<Response/>' };
    const sid = form.get('MessageSid') ?? form.get('SmsSid');
    if (!isGenuine || !sid) return { isGenuine, updates: [], answer };
    const status = stateOf(form.get('MessageStatus') ?? form.get('SmsStatus') ?? undefined, form.get('ErrorCode') ?? undefined, form.get('ErrorMessage') ?? undefined);
    return { isGenuine, updates: [{ ...status, providerMessageId: sid }], answer };
  },

  async balance(context) {
    const answer = await ask(context, 'GET', 'Balance.json');
    if (answer.problem) return answer.problem;
    const amount = Number(textAt(answer.content, 'balance') ?? Number.NaN);
    return Number.isFinite(amount) ? { amount, currency: textAt(answer.content, 'currency') ?? '' } : unclear(answer.body);
  },
});
