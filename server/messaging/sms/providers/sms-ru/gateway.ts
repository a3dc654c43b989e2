/** SMS.ru as its documentation describes it (see provider.ts), for tests. */
import { createHash } from 'node:crypto';
import { type GatewayReply, type HttpGateway, startHttpGateway } from '../http-gateway.ts';

export interface SmsRuGateway extends HttpGateway {
  apiId: string;
  /** The code the next message to this number is refused with. */
  refused: Map<string, number>;
  /** Texts by their number, and the code of each message. */
  messages: Map<string, { phone: string; text: string; from: string | null; code: number }>;
  /** The form SMS.ru would post when messages change. */
  callback(ids: readonly string[]): Record<string, string>;
}

export async function startSmsRuGateway(): Promise<SmsRuGateway> {
  const apiId = 'E9F5D2C1-0000-4A7B-9C11-2D3E4F5A6B7C';
  const refused = new Map<string, number>();
  const messages: SmsRuGateway['messages'] = new Map();
  const ok = (more: object): GatewayReply => ({ body: { status: 'OK', status_code: 100, ...more } });
  const no = (code: number, text: string): GatewayReply => ({ body: { status: 'ERROR', status_code: code, status_text: text } });

  const gateway = await startHttpGateway(({ method, path, form }) => {
    if (form.get('json') !== '1') return { body: '210\n' };
    if (method !== 'POST') return no(210, 'Используется GET, где необходимо использовать POST');
    if (form.get('api_id') !== apiId) return no(200, 'Неправильный api_id');
    if (path === '/my/balance') return ok({ balance: 4122.56 });
    if (path === '/sms/status') {
      const asked = (form.get('sms_id') ?? '').split(',');
      return ok({ balance: 4122.56, sms: Object.fromEntries(asked.map((id) => {
        const message = messages.get(id);
        return [id, message ? { status: 'OK', status_code: message.code, cost: '0.50', status_text: 'Состояние' } : { status: 'ERROR', status_code: -1, status_text: 'Сообщение не найдено' }];
      })) });
    }
    if (path !== '/sms/send') return no(211, 'Метод не найден');
    const phone = form.get('to') ?? '';
    const text = form.get('msg') ?? '';
    const code = refused.get(phone) ?? (text === '' ? 203 : !/^\d{11}$/.test(phone) ? 202 : 100);
    // Some refusals are of the request as a whole.
    if ([201, 220, 300, 301, 302, 500].includes(code)) return no(code, `Отказ ${code}`);
    if (code !== 100) return ok({ sms: { [phone]: { status: 'ERROR', status_code: code, status_text: `Отказ ${code}` } }, balance: 4122.56 });
    const id = `202609-${1000000 + messages.size}`;
    messages.set(id, { phone, text, from: form.get('from'), code: 100 });
    return ok({ sms: { [phone]: { status: 'OK', status_code: 100, sms_id: id } }, balance: 4122.56 });
  });

  return {
    ...gateway, apiId, refused, messages,
    callback(ids) {
      const entries = ids.map((id) => `sms_status\n${id}\n${messages.get(id)?.code ?? -1}\n1772445700`);
      return {
        ...Object.fromEntries(entries.map((entry, index) => [`data[${index}]`, entry])),
        hash: createHash('sha256').update(apiId + entries.join('')).digest('hex'),
      };
    },
  };
}
