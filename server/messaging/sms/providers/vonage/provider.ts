/**
 * Vonage (Nexmo), as its documentation says: «SMS API reference» (rest.nexmo.com/sms/json), «Troubleshooting
 * SMS» (codes of refusals), «Delivery receipts», «Signing messages» and «Account API: get balance».
 *
 * There is no key that makes a second request harmless, and the API cannot be asked about a message:
 * `client-ref` is ours, 'vestnik-<delivery>', and comes back in receipts, so even a message whose answer
 * was lost is settled by its receipt. Every part of a long message has a number and receipts of its own.
 * Receipts are signed (`sig`) when the account signs them and its signature secret is entered here; then
 * those without the right one are refused.
 */
import { createHash, createHmac } from 'node:crypto';
import { z } from 'zod';
import {
  askJson, checkEndpoint, digits, elements, type Endpoint, endpointDestination, endpointForm, endpointSettings, isReachable, isSame, later, never, oneLine, ownId, ownReference, refusal, unclear, untilPaid, type Verdicts,
} from '../../endpoint.ts';
import { smsParts } from '../../parts.ts';
import { defineSmsProvider, parsedJson, type SmsStatus, textAt } from '../../provider.ts';

interface Settings extends Endpoint {
  apiKey: string;
  from: string;
  signatureMethod: 'md5hash' | 'md5' | 'sha1' | 'sha256' | 'sha512';
}
const settings = z.strictObject({
  ...endpointSettings('https://rest.nexmo.com'),
  apiKey: z.string().regex(/^[0-9A-Za-z]{1,40}$/),
  from: oneLine(20).min(1),
  signatureMethod: z.enum(['md5hash', 'md5', 'sha1', 'sha256', 'sha512']).default('md5hash'),
});

const second = 1000;

export const vonageVerdicts: Verdicts = {
  1: later(2 * second),
  2: never('sms.rejected'),
  3: never('sms.rejected'),
  4: never('sms.sign_in_refused'),
  // Their platform broke in the middle of it.
  5: { outcome: 'unknown', code: 'sms.answer_unclear' },
  6: never('sms.number_refused'),
  7: never('sms.number_refused'),
  8: never('sms.sign_in_refused'),
  9: untilPaid,
  10: later(30 * second),
  11: never('sms.rejected'),
  12: never('sms.text_refused'),
  13: later(30 * second),
  14: never('sms.sign_in_refused'),
  15: never('sms.sender_refused'),
  16: never('sms.rejected'),
  19: never('sms.rejected'),
  20: never('sms.rejected'),
  22: never('sms.number_refused'),
  23: never('sms.settings_unusable'),
  29: never('sms.number_refused'),
  32: never('sms.sign_in_refused'),
  33: never('sms.number_refused'),
};

/** `err-code` of receipts. */
const failures: Readonly<Record<string, Pick<SmsStatus, 'code'>>> = {
  1: {},
  2: {},
  3: { code: 'sms.number_refused' },
  4: { code: 'sms.number_refused' },
  5: {},
  6: { code: 'sms.text_refused' },
  7: {},
  8: {},
  9: { code: 'sms.number_refused' },
  10: { code: 'sms.text_refused' },
  11: { code: 'sms.number_refused' },
  12: { code: 'sms.number_refused' },
  13: { code: 'sms.number_refused' },
  14: { code: 'sms.number_refused' },
  15: { code: 'sms.no_money' },
  99: {},
};
export const vonageFailures: readonly string[] = Object.keys(failures).map((code) => `receipt${code}`);

function stateOf(status: string | undefined, errCode: string): SmsStatus {
  switch (status) {
    case 'delivered':
      return { state: 'delivered' };
    case 'accepted': case 'buffered':
      return { state: 'accepted' };
    case 'expired': case 'failed': case 'rejected': {
      const known = Object.hasOwn(failures, errCode);
      return { state: 'failed', detail: `${status} ${errCode}`.trim(), ...(known ? { ...failures[errCode], reason: `receipt${errCode}` } : {}) };
    }
    default:
      return { state: 'unknown' };
  }
}

/** «Signing messages»: fields in the order of their names, & and = in values made harmless. */
export function vonageSignature(fields: Readonly<Record<string, string>>, secret: string, method: Settings['signatureMethod']): string {
  const signed = Object.keys(fields).filter((name) => name !== 'sig').sort().map((name) => `&${name}=${(fields[name] ?? '').replace(/[&=]/g, '_')}`).join('');
  return method === 'md5hash' ? createHash('md5').update(signed + secret).digest('hex') : createHmac(method, secret).update(signed).digest('hex');
}

export const vonage = defineSmsProvider<Settings>({
  id: 'vonage',
  settings,
  form: [
    { name: 'apiKey', widget: 'text', isRequired: true },
    { name: 'from', widget: 'text', isRequired: true },
    { name: 'signatureMethod', widget: 'choice', options: ['md5hash', 'md5', 'sha1', 'sha256', 'sha512'], isAdvanced: true },
    ...endpointForm,
  ],
  secrets: [{ name: 'apiSecret', isRequired: true }, { name: 'signatureSecret', isRequired: false }],
  destination: endpointDestination,
  // The default limit of an account.
  limits: { perSecond: 30 },
  check: checkEndpoint,

  async send({ id, phone, text }, context) {
    const { apiKey, from } = context.settings;
    const answer = await askJson(context, { method: 'POST', path: '/sms/json', form: {
      api_key: apiKey, api_secret: context.secrets['apiSecret'] ?? '', from, to: digits(phone), text,
      // Cyrillic letters come as question marks otherwise.
      type: smsParts(text).encoding === 'ucs2' ? 'unicode' : 'text',
      'client-ref': ownReference(id), 'status-report-req': '1',
      ...(isReachable(context.callbackUrl) ? { callback: context.callbackUrl } : {}),
    } });
    if (answer.problem) return answer.problem;
    const parts = elements(answer.content, 'messages');
    const bad = parts.find((part) => textAt(part, 'status') !== '0');
    const taken = parts.filter((part) => textAt(part, 'status') === '0').length;
    const number = textAt(parts[0], 'message-id');
    if (bad !== undefined) {
      const code = textAt(bad, 'status');
      // Some parts went and some did not: sent again, the first would come twice.
      if (code === undefined || taken > 0) return unclear(answer.body);
      return refusal(vonageVerdicts, code, textAt(bad, 'error-text') ?? '', context.now());
    }
    return number ? { outcome: 'accepted', providerMessageId: number, parts: parts.length } : unclear(answer.body);
  },

  parseCallback({ query, rawBody }, { secrets, settings: { signatureMethod } }) {
    const body = rawBody.toString('utf8');
    const json = parsedJson(body);
    const sent = typeof json === 'object' && json !== null
      ? Object.fromEntries(Object.entries(json).flatMap(([name, value]): [string, string][] => (typeof value === 'string' || typeof value === 'number' ? [[name, String(value)]] : [])))
      : Object.fromEntries(new URLSearchParams(body));
    const fields: Record<string, string> = { ...query, ...sent };
    const secret = secrets['signatureSecret'];
    const isGenuine = !secret || isSame((fields['sig'] ?? '').toLowerCase(), vonageSignature(fields, secret, signatureMethod));
    const answer = { status: 200, contentType: 'text/plain', body: 'OK' };
    const number = fields['messageId'];
    if (!isGenuine || !number || !fields['status']) return { isGenuine, updates: [], answer };
    const deliveryId = ownId(fields['client-ref']);
    const at = new Date(`${(fields['message-timestamp'] ?? '').replace(' ', 'T')}Z`);
    return { isGenuine, answer, updates: [{
      ...stateOf(fields['status'], fields['err-code'] ?? ''), providerMessageId: number,
      ...(deliveryId === undefined ? {} : { deliveryId }), ...(Number.isNaN(at.getTime()) ? {} : { at }),
    }] };
  },

  async balance(context) {
    const answer = await askJson(context, { method: 'GET', path: '/account/get-balance', query: { api_key: context.settings.apiKey, api_secret: context.secrets['apiSecret'] ?? '' } });
    if (answer.problem) return answer.problem;
    if (answer.status === 401) return refusal(vonageVerdicts, '4', textAt(answer.content, 'error-code-label') ?? '', context.now());
    const amount = Number(textAt(answer.content, 'value') ?? Number.NaN);
    return Number.isFinite(amount) ? { amount, currency: 'EUR' } : unclear(answer.body);
  },
});
