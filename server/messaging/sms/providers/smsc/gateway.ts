/** SMSC.ru as its documentation describes it (see provider.ts), for tests. */
import { createHash } from 'node:crypto';
import { type GatewayReply, type HttpGateway, startHttpGateway } from '../http-gateway.ts';

export interface SmscGateway extends HttpGateway {
  login: string;
  password: string;
  apiKey: string;
  phrase: string;
  refused: Map<string, number>;
  /** By id: two may share one, and the status is that of the last. */
  messages: Map<string, { phone: string; text: string; sender: string | null; status: number; sentAt: number }>;
  /** When messages come, in seconds. */
  clock: { now: number };
  callback(id: string): Record<string, string>;
}

export async function startSmscGateway(): Promise<SmscGateway> {
  const account = { login: 'romashka', password: 'pa$$&word', apiKey: 'k-123', phrase: 'фраза' };
  const refused = new Map<string, number>();
  const messages: SmscGateway['messages'] = new Map();
  const clock = { now: Date.UTC(2026, 2, 2, 10) / 1000 };
  const no = (code: number, error: string): GatewayReply => ({ body: { error, error_code: code } });

  const gateway = await startHttpGateway(({ path, form }) => {
    if (form.get('fmt') !== '3') return { body: 'ERROR = 1 (parameters error)' };
    const knows = form.get('apikey') === account.apiKey || (form.get('login') === account.login && form.get('psw') === account.password);
    if (!knows) return no(2, 'authorise error');
    if (path === '/sys/balance.php') return { body: { balance: '104.65', ...(form.get('cur') === '1' ? { currency: 'RUR' } : {}) } };
    if (path === '/sys/status.php') {
      const message = messages.get(form.get('id') ?? '');
      if (!message || message.phone !== form.get('phone')) return { body: { status: -3, last_date: '', last_timestamp: 0 } };
      return { body: { status: message.status, last_timestamp: message.sentAt + 5, ...(form.get('all') ? { send_timestamp: message.sentAt, phone: message.phone, status_name: 'Статус' } : {}) } };
    }
    if (path !== '/sys/send.php') return { status: 404, body: 'Not found' };
    const phone = form.get('phones') ?? '';
    const text = form.get('mes') ?? '';
    const code = refused.get(phone) ?? (text === '' || phone === '' ? 1 : !/^\+?\d{11}$/.test(phone) ? 7 : 0);
    if (code !== 0) return no(code, `refusal ${code}`);
    const id = form.get('id') ?? String(messages.size + 1);
    messages.set(id, { phone, text, sender: form.get('sender'), status: -1, sentAt: clock.now });
    return { body: { id: /^\d+$/.test(id) ? Number(id) : id, cnt: text.length > 70 ? 2 : 1 } };
  });

  return {
    ...gateway, ...account, refused, messages, clock,
    callback(id) {
      const message = messages.get(id);
      const fields = { id, phone: message?.phone.replace('+', '') ?? '', status: String(message?.status ?? -3) };
      const signed = `${fields.id}:${fields.phone}:${fields.status}:${account.phrase}`;
      const hash = (algorithm: string) => createHash(algorithm).update(signed).digest('hex');
      return { ...fields, time: '02.03.2026 13:00:05', ts: String(clock.now + 5), err: '0', cnt: '1', type: '0', sender: 'Romashka', md5: hash('md5'), sha1: hash('sha1') };
    },
  };
}
