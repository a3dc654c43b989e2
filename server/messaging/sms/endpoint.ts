/**
 * What providers with one documented HTTP address have in common: the settings that move it, asking
 * for JSON, and tables that say what each documented refusal means.
 */
import { timingSafeEqual } from 'node:crypto';
import { z } from 'zod';
import { gatewayProblem, parsedJson, type SettingsProblem, type SmsContext, type SmsFormField, type SmsProblem, type SmsProblemCode } from './provider.ts';

export interface Endpoint {
  url: string;
  allowPrivateHost: boolean;
}

/** Settings of every such provider: the documented address, unless a company goes out through a relay. */
export function endpointSettings(url: string) {
  return { url: z.url({ protocol: /^https?$/ }).max(2000).default(url), allowPrivateHost: z.boolean().default(false) };
}
export const endpointForm: readonly SmsFormField[] = [
  { name: 'url', widget: 'text', isAdvanced: true },
  { name: 'allowPrivateHost', widget: 'switch', isAdvanced: true },
];
export const endpointDestination = ({ url }: Endpoint): string => new URL(url).origin;

export async function checkEndpoint({ settings, http }: SmsContext<Endpoint>): Promise<SettingsProblem | null> {
  const address = await http.privateAddress(settings.url, settings.allowPrivateHost);
  return address === null ? null : { field: 'url', problem: 'private_host', address };
}

/** One line without control characters: names, logins, ids. */
export const oneLine = (max: number) => z.string().max(max).regex(/^[^\u0000-\u001f\u007f]*$/);

export interface JsonRequest {
  method: 'GET' | 'POST';
  path: string;
  headers?: Readonly<Record<string, string>>;
  query?: Readonly<Record<string, string>>;
  /** At most one of the two. */
  form?: Readonly<Record<string, string>>;
  json?: unknown;
}
export interface JsonAnswer {
  problem?: undefined;
  status: number;
  content: unknown;
  body: string;
}

/**
 * Asks and reads JSON. A problem is what no provider has to read itself: no connection, a lost answer, a
 * broken server, and a page where JSON should be: after a 2xx nobody knows what became of the request, a
 * 4xx refused it.
 */
export async function askJson({ settings, http, now }: SmsContext<Endpoint>, { method, path, headers, query, form, json }: JsonRequest): Promise<JsonAnswer | { problem: SmsProblem }> {
  const url = new URL(settings.url.replace(/\/+$/, '') + path);
  for (const [name, value] of Object.entries(query ?? {})) url.searchParams.set(name, value);
  const type = form ? 'application/x-www-form-urlencoded; charset=utf-8' : json === undefined ? undefined : 'application/json; charset=utf-8';
  const answer = await http.send({
    method, url: url.href, allowPrivateHost: settings.allowPrivateHost,
    headers: { 'user-agent': 'Vestnik', accept: 'application/json', ...(type ? { 'content-type': type } : {}), ...headers },
    body: form ? new URLSearchParams(form).toString() : json === undefined ? undefined : JSON.stringify(json),
  });
  const problem = gatewayProblem(answer, now());
  if (problem) return { problem };
  if (answer.kind !== 'answer') return { problem: { outcome: 'unknown', code: 'sms.answer_lost', detail: answer.kind } };
  const content = answer.isCut ? undefined : parsedJson(answer.body);
  if (typeof content === 'object' && content !== null) return { status: answer.status, content, body: answer.body };
  const detail = short(`${answer.status} ${answer.body}`);
  if (answer.status < 400) return { problem: { outcome: 'unknown', code: 'sms.answer_unclear', detail } };
  return { problem: { outcome: 'permanent', code: answer.status === 401 ? 'sms.sign_in_refused' : 'sms.rejected', detail } };
}

/** What a documented refusal means. `waitMs`: a limit or an empty account, which delays and never drops. */
export interface Verdict {
  outcome: SmsProblem['outcome'];
  code: SmsProblemCode;
  waitMs?: number;
}
export type Verdicts = Readonly<Record<string, Verdict>>;

export const never = (code: SmsProblemCode): Verdict => ({ outcome: 'permanent', code });
export const later = (waitMs: number, code: SmsProblemCode = 'sms.gateway_busy'): Verdict => ({ outcome: 'transient', code, waitMs });
/** Somebody has to pay first; asked again each hour, so that nothing is lost and the account is not hammered. */
export const untilPaid: Verdict = later(60 * 60_000, 'sms.no_money');

/** The problem of a refusal; a code that is not documented is a refusal all the same. */
export function refusal(verdicts: Verdicts, code: string, said: string, now: Date): SmsProblem {
  const verdict = Object.hasOwn(verdicts, code) ? verdicts[code] : undefined;
  const { outcome, code: problemCode, waitMs } = verdict ?? never('sms.rejected');
  return {
    outcome, code: problemCode, detail: short(`${code} ${said}`),
    ...(verdict ? { reason: code } : {}),
    ...(waitMs === undefined ? {} : { retryAt: new Date(now.getTime() + waitMs) }),
  };
}

export function unclear(body: string): SmsProblem {
  return { outcome: 'unknown', code: 'sms.answer_unclear', detail: short(body) };
}

function short(said: string): string {
  return said.replace(/\s+/g, ' ').trim().slice(0, 300);
}

export const digits = (phone: string): string => phone.replace(/\D/g, '');

export const basic = (user: string, password: string): string => `Basic ${Buffer.from(`${user}:${password}`).toString('base64')}`;

/** Whether a provider could come to this address at all: a server that is only tried out has none they can reach, and some refuse such. */
export function isReachable(url: string): boolean {
  const { hostname } = new URL(url);
  return hostname.includes('.') && !hostname.endsWith('.local') && !/^[\d.]+$/.test(hostname);
}

/** Whether a signature is the expected one, in the same time whatever is wrong with it. */
export function isSame(given: string, expected: string): boolean {
  const [a, b] = [Buffer.from(given), Buffer.from(expected)];
  return a.length === b.length && timingSafeEqual(a, b);
}

/** Our id where a provider keeps a client's own: told from the ids of other programs on the same account. */
export const ownReference = (id: number): string => `vestnik-${id}`;
export function ownId(reference: string | undefined): number | undefined {
  const id = /^vestnik-([1-9]\d{0,14})$/.exec(reference ?? '')?.[1];
  return id === undefined ? undefined : Number(id);
}

/** Whatever stands at a path of a parsed answer. */
export function valueAt(content: unknown, path: string): unknown {
  let here = content;
  for (const step of path.split('.')) {
    if (typeof here !== 'object' || here === null || !Object.hasOwn(here, step)) return undefined;
    here = Object.entries(here).find(([key]) => key === step)?.[1];
  }
  return here;
}

/** The elements of a list, or the values of an object that stands for one. */
export function elements(content: unknown, path: string): unknown[] {
  const found = valueAt(content, path);
  return typeof found === 'object' && found !== null ? Object.values(found) : [];
}
