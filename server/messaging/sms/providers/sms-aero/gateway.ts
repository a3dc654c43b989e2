/** SMS Aero as its documentation describes it (see provider.ts), for tests. */
import { parsedJson, textAt } from '../../provider.ts';
import { type GatewayReply, type HttpGateway, startHttpGateway } from '../http-gateway.ts';

interface Message {
  id: number;
  from: string;
  number: string;
  text: string;
  status: number;
  extendStatus: string;
  dateCreate: number;
  callbackUrl: string;
}
export interface SmsAeroGateway extends HttpGateway {
  email: string;
  apiKey: string;
  /** What the next messages to a number are refused with. */
  refused: Map<string, GatewayReply>;
  messages: Map<number, Message>;
  clock: { now: number };
  /** The JSON posted when a message changes. */
  callback(id: number): { id: number; status: number; extendStatus: string };
}

export const smsAeroNo = (status: number, message: string, data: unknown = null): GatewayReply => ({ status, body: { success: false, data, message } });

export async function startSmsAeroGateway(): Promise<SmsAeroGateway> {
  const account = { email: 'info@romashka.ru', apiKey: 'aero-key' };
  const refused = new Map<string, GatewayReply>();
  const messages = new Map<number, Message>();
  const clock = { now: Date.UTC(2026, 2, 2, 10) / 1000 };
  const yes = (data: unknown): GatewayReply => ({ body: { success: true, data, message: null } });

  const gateway = await startHttpGateway(({ path, body, headers }) => {
    const expected = `Basic ${Buffer.from(`${account.email}:${account.apiKey}`).toString('base64')}`;
    if (headers.authorization !== expected) return smsAeroNo(401, 'Your request was made with invalid credentials. Unauthorized.');
    const content = parsedJson(body);
    const shown = ({ callbackUrl: _url, ...message }: Message) => ({ ...message, channel: 'FREE SIGN', cost: 5.49, dateSend: message.dateCreate });
    if (path === '/v2/balance') return yes({ balance: 337.03 });
    if (path === '/v2/sms/status') {
      const message = messages.get(Number(textAt(content, 'id')));
      return message ? yes(shown(message)) : smsAeroNo(404, 'Not found.');
    }
    if (path === '/v2/sms/list') {
      const fitting = [...messages.values()].filter(({ number, text }) => number === textAt(content, 'number') && text.includes(textAt(content, 'text') ?? ''));
      return yes({ ...Object.fromEntries(fitting.map((message, index) => [String(index), shown(message)])), links: { self: '/v2/sms/list?page=1' }, totalCount: String(fitting.length) });
    }
    if (path !== '/v2/sms/send') return smsAeroNo(404, 'Page not found.');
    const number = textAt(content, 'number') ?? '';
    const refusal = refused.get(number);
    if (refusal) return refusal;
    if (!/^\d{11}$/.test(number)) return smsAeroNo(400, 'Validation error.', { number: ['Validation error: number.'] });
    const id = 900_000 + messages.size;
    const message: Message = {
      id, number, from: textAt(content, 'sign') ?? '', text: textAt(content, 'text') ?? '', status: 0, extendStatus: 'queue', dateCreate: clock.now, callbackUrl: textAt(content, 'callbackUrl') ?? '',
    };
    messages.set(id, message);
    return yes(shown(message));
  });
  return {
    ...gateway, ...account, refused, messages, clock,
    callback(id) {
      const { status = 2, extendStatus = 'undelivered' } = messages.get(id) ?? {};
      return { id, status, extendStatus };
    },
  };
}
