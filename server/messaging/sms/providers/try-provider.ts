/** A kind of provider without the product around it, for the tests in the folders. The product never uses it. */
import { createOutbound } from '../../../deliveries/deliveries.ts';
import type { SmsCallbackReading, SmsEnvironment, SmsProviderType, SmsQuestion, SmsUpdate } from '../provider.ts';

export const callbackUrl = 'https://crm.example.ru/api/sms/callbacks/7/secret-of-the-address';
export const testNow = new Date('2026-03-02T10:00:00Z');
/** Long enough for a loopback, short enough to wait for silence. */
const patienceMs = 2000;

export async function tryProvider(type: SmsProviderType, settings: unknown, secrets: Readonly<Record<string, string>>, given: { callbackUrl?: string } = {}) {
  const http = createOutbound({ patienceMs });
  const reported: SmsUpdate[] = [];
  const environment: SmsEnvironment = {
    name: 'Провайдер', secrets, http, now: () => testNow, callbackUrl: given.callbackUrl ?? callbackUrl,
    report: async (updates) => void reported.push(...updates),
  };
  const open = await type.open(settings, environment);
  return {
    ...open,
    check: () => type.check(settings, environment),
    message: (text = 'Счёт оплачен', id = 41) => open.send({ id, phone: '+79161234567', text }),
    async ask(question: Partial<SmsQuestion>) {
      const answer = await open.status?.([{ id: 41, providerMessageId: null, phone: '+79161234567', text: 'Счёт оплачен', sentAt: testNow, ...question }]);
      return answer instanceof Map ? answer.get(question.id ?? 41) : answer;
    },
    callback(request: { query?: Record<string, string>; form?: Record<string, string>; json?: unknown; text?: string; headers?: Record<string, string> }): SmsCallbackReading {
      const query = request.query ?? {};
      const url = new URL(given.callbackUrl ?? callbackUrl);
      for (const [name, value] of Object.entries(query)) url.searchParams.set(name, value);
      const raw = request.form ? new URLSearchParams(request.form).toString() : request.json === undefined ? (request.text ?? '') : JSON.stringify(request.json);
      const hasBody = request.form !== undefined || request.json !== undefined || request.text !== undefined;
      return type.parseCallback({
        method: hasBody ? 'POST' : 'GET', url: url.href, query, rawBody: Buffer.from(raw),
        headers: { ...(request.form ? { 'content-type': 'application/x-www-form-urlencoded' } : {}), ...(request.json === undefined ? {} : { 'content-type': 'application/json' }), ...request.headers },
        body: request.form ?? request.json ?? (hasBody ? request.text : undefined),
      }, settings, environment);
    },
    async end() {
      await open.close();
      await http.close();
    },
  };
}
