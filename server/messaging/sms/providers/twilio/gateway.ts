/** Twilio as its documentation describes it (see provider.ts), for tests. */
import { createHmac } from 'node:crypto';
import { type GatewayReply, type HttpGateway, startHttpGateway } from '../http-gateway.ts';

interface Message {
  sid: string;
  to: string;
  from: string | null;
  messaging_service_sid: string | null;
  body: string;
  status: string;
  error_code: number | null;
  error_message: string | null;
  date_created: string;
  direction: string;
  num_segments: string;
  statusCallback: string | null;
}
export interface TwilioGateway extends HttpGateway {
  accountSid: string;
  authToken: string;
  refused: Map<string, { status: number; code: number }>;
  messages: Map<string, Message>;
  clock: { now: Date };
  /** The form and the header Twilio would send to an address when a message changes. */
  callback(sid: string, url: string): { form: Record<string, string>; headers: Record<string, string> };
}

export async function startTwilioGateway(): Promise<TwilioGateway> {
  const account = { accountSid: `AC${'0123456789abcdef'.repeat(2)}`, authToken: 'twilio-token' };
  const refused: TwilioGateway['refused'] = new Map();
  const messages = new Map<string, Message>();
  const clock = { now: new Date('2026-03-02T10:00:00Z') };
  const no = (status: number, code: number): GatewayReply => ({
    status, body: { code, message: `Refusal ${code}`, more_info: `https://www.twilio.com/docs/errors/${code}`, status },
  });
  const root = `/2010-04-01/Accounts/${account.accountSid}`;

  const gateway = await startHttpGateway(({ method, path, query, headers, form }) => {
    if (headers.authorization !== `Basic ${Buffer.from(`${account.accountSid}:${account.authToken}`).toString('base64')}`) return no(401, 20003);
    const shown = ({ statusCallback: _url, ...message }: Message) => ({ ...message, date_created: new Date(message.date_created).toUTCString().replace('GMT', '+0000') });
    if (path === `${root}/Balance.json`) return { body: { account_sid: account.accountSid, balance: '12.34', currency: 'USD' } };
    if (path === `${root}/Messages.json` && method === 'GET') {
      return { body: { messages: [...messages.values()].filter(({ to }) => to === query.get('To')).map(shown), page: 0, page_size: 100 } };
    }
    if (path === `${root}/Messages.json`) {
      const to = form.get('To') ?? '';
      const refusal = refused.get(to);
      if (refusal) return no(refusal.status, refusal.code);
      if (!/^\+\d{7,15}$/.test(to)) return no(400, 21211);
      if (!form.get('From') && !form.get('MessagingServiceSid')) return no(400, 21603);
      if (!form.get('Body')) return no(400, 21602);
      const sid = `SM${String(messages.size + 1).padStart(32, '0')}`;
      const body = form.get('Body') ?? '';
      const message: Message = {
        sid, to, from: form.get('From'), messaging_service_sid: form.get('MessagingServiceSid'), body, status: 'queued', error_code: null, error_message: null,
        date_created: clock.now.toISOString(), direction: 'outbound-api', num_segments: body.length > 70 ? '2' : '1', statusCallback: form.get('StatusCallback'),
      };
      messages.set(sid, message);
      return { status: 201, body: shown(message) };
    }
    const message = messages.get(/\/Messages\/(\w+)\.json$/.exec(path)?.[1] ?? '');
    return message ? { body: shown(message) } : no(404, 20404);
  });

  return {
    ...gateway, ...account, refused, messages, clock,
    callback(sid, url) {
      const message = messages.get(sid);
      const form: Record<string, string> = {
        SmsSid: sid, SmsStatus: message?.status ?? 'sent', MessageStatus: message?.status ?? 'sent', To: message?.to ?? '', MessageSid: sid, AccountSid: account.accountSid,
        From: message?.from ?? '', ApiVersion: '2010-04-01', ...(message?.error_code ? { ErrorCode: String(message.error_code) } : {}),
      };
      const signed = url + Object.keys(form).sort().map((name) => name + form[name]).join('');
      return { form, headers: { 'x-twilio-signature': createHmac('sha1', account.authToken).update(signed).digest('base64') } };
    },
  };
}
