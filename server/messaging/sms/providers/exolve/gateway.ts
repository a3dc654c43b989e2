/** MTS Exolve as its documentation describes it (see provider.ts), for tests. */
import { parsedJson, textAt } from '../../provider.ts';
import { type GatewayReply, type HttpGateway, startHttpGateway } from '../http-gateway.ts';

interface Message {
  message_id: string;
  number: string;
  destination: string;
  text: string;
  delivery_status: string;
}
export interface ExolveGateway extends HttpGateway {
  apiKey: string;
  refused: Map<string, GatewayReply>;
  messages: Map<string, Message>;
  /** The record posted when a message changes. */
  callback(id: string): Record<string, unknown>;
}

export const exolveNo = (status: number, message: string): GatewayReply => ({ status, body: { error: { code: status, message, details: '' } } });

export async function startExolveGateway(): Promise<ExolveGateway> {
  const apiKey = 'exolve.jwt.key';
  const refused = new Map<string, GatewayReply>();
  const messages = new Map<string, Message>();
  const recordOf = (message: Message) => ({
    message_id: message.message_id, date: '2026-03-02T10:00:05Z', sender: message.number, receiver: message.destination, text: message.text,
    direction: 'DIRECTION_OUTGOING', segments_count: 1, billing_status: 'BILLING_STATUS_BILLED', delivery_status: message.delivery_status, channel: 'SMS',
  });

  const gateway = await startHttpGateway(({ method, path, headers, body }) => {
    if (headers.authorization !== `Bearer ${apiKey}`) return { status: 401, body: { error: 'unauthorized' } };
    const content = parsedJson(body);
    if (method !== 'POST' || content === undefined) return exolveNo(400, 'proto: syntax error');
    if (path === '/messaging/v1/GetList') {
      const message = messages.get(textAt(content, 'message_id') ?? '');
      return { body: { messages: message ? [recordOf(message)] : [] } };
    }
    if (path !== '/messaging/v1/SendSMS') return exolveNo(404, 'Not Found');
    const destination = textAt(content, 'destination') ?? '';
    const refusal = refused.get(destination);
    if (refusal) return refusal;
    if (!/^7\d{10}$/.test(destination)) return exolveNo(400, 'invalid SendRequest.Destination: value does not match regex pattern "^7[0-9]{10}$"');
    const id = `4391665382394485${String(messages.size).padStart(2, '0')}`;
    messages.set(id, { message_id: id, number: textAt(content, 'number') ?? '', destination, text: textAt(content, 'text') ?? '', delivery_status: 'DELIVERY_STATUS_QUEUED' });
    return { body: { message_id: id } };
  });
  return {
    ...gateway, apiKey, refused, messages,
    callback(id) {
      const message = messages.get(id);
      return message ? recordOf(message) : {};
    },
  };
}
