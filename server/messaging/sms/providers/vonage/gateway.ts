/** Vonage as its documentation describes it (see provider.ts), for tests. */
import { createHash, createHmac } from 'node:crypto';
import { type HttpGateway, startHttpGateway } from '../http-gateway.ts';

interface Message {
  id: string;
  to: string;
  from: string;
  text: string;
  type: string;
  clientRef: string;
  callback: string;
  status: string;
  errCode: string;
}
export interface VonageGateway extends HttpGateway {
  apiKey: string;
  apiSecret: string;
  signatureSecret: string;
  /** The code a number is refused with; with `part` only from that part on. */
  refused: Map<string, { code: number; part?: number }>;
  /** Part by part. */
  messages: Map<string, Message>;
  /** The fields of a receipt, signed as the account is set up to. */
  receipt(id: string, signed?: 'md5hash' | 'sha256'): Record<string, string>;
}

export async function startVonageGateway(): Promise<VonageGateway> {
  const account = { apiKey: 'abcd1234', apiSecret: 'vonage-secret', signatureSecret: 'signature-secret' };
  const refused: VonageGateway['refused'] = new Map();
  const messages = new Map<string, Message>();
  const no = (code: number) => ({ status: String(code), 'error-text': `Refusal ${code}` });

  const gateway = await startHttpGateway(({ path, form, query }) => {
    const given = path === '/account/get-balance' ? query : form;
    const isKnown = given.get('api_key') === account.apiKey && given.get('api_secret') === account.apiSecret;
    if (path === '/account/get-balance') {
      return isKnown ? { body: { value: 10.28, autoReload: false } } : { status: 401, body: { 'error-code': '401', 'error-code-label': 'authentication failed' } };
    }
    if (path !== '/sms/json') return { status: 404, body: 'Not found' };
    if (!isKnown) return { body: { 'message-count': '1', messages: [no(4)] } };
    const [to, text, type] = [form.get('to') ?? '', form.get('text') ?? '', form.get('type') ?? 'text'];
    if (!to || !text || !form.get('from')) return { body: { 'message-count': '1', messages: [no(2)] } };
    const refusal = refused.get(to);
    if (refusal && refusal.part === undefined) return { body: { 'message-count': '1', messages: [no(refusal.code)] } };
    const [single, each] = type === 'unicode' ? [70, 67] : [160, 153];
    const count = text.length <= single ? 1 : Math.ceil(text.length / each);
    const parts = Array.from({ length: count }, (_, part) => {
      if (refusal?.part !== undefined && part >= refusal.part) return no(refusal.code);
      const id = `0C00000021${String(messages.size).padStart(6, '0')}`;
      messages.set(id, { id, to, text, type, from: form.get('from') ?? '', clientRef: form.get('client-ref') ?? '', callback: form.get('callback') ?? '', status: 'accepted', errCode: '0' });
      return { to, 'message-id': id, status: '0', 'remaining-balance': '15.53590000', 'message-price': '0.03330000', network: '25001', 'client-ref': form.get('client-ref') ?? '' };
    });
    return { body: { 'message-count': String(count), messages: parts } };
  });

  return {
    ...gateway, ...account, refused, messages,
    receipt(id, signed) {
      const message = messages.get(id);
      const fields: Record<string, string> = {
        msisdn: message?.to ?? '', to: message?.from ?? '', 'network-code': '25001', messageId: id, price: '0.03330000', status: message?.status ?? 'delivered', scts: '2603021000',
        'err-code': message?.errCode ?? '0', 'api-key': account.apiKey, 'message-timestamp': '2026-03-02 10:00:05', 'client-ref': message?.clientRef ?? '', text: 'a=b&c',
      };
      if (!signed) return fields;
      const all: Record<string, string> = { ...fields, timestamp: '1772445605', nonce: 'aaaa-bbbb' };
      const plain = Object.entries(all).sort(([a], [b]) => (a < b ? -1 : 1)).map(([name, value]) => `&${name}=${value.replaceAll('&', '_').replaceAll('=', '_')}`).join('');
      const sig = signed === 'md5hash' ? createHash('md5').update(plain + account.signatureSecret).digest('hex') : createHmac('sha256', account.signatureSecret).update(plain).digest('hex').toUpperCase();
      return { ...all, sig };
    },
  };
}
