/** A client of the REST gateway that hides nothing: what was sent, and the bare answer. */
import assert from 'node:assert/strict';
import type { Somebody, TestVestnik } from './vestnik.ts';

// Answers are whatever came: tests compare them with what they expect, and that is their type check.
type Json = ReturnType<typeof JSON.parse>;

export interface RestAnswer {
  status: number;
  type: string;
  body: Json;
}

export interface RestClient {
  /** `http://…/rest/1/secret/` */
  url: string;
  /** POST with JSON; whatever the answer is. */
  ask(method: string, params?: unknown): Promise<RestAnswer>;
  /** The result; an error is thrown with its code and text. */
  call(method: string, params?: unknown): Promise<Json>;
  /** Asserts the documented refusal. */
  refused(method: string, params: unknown, expected: { status?: number; error: string; error_description?: string | RegExp }): Promise<void>;
}

export async function fetchJson(url: string, init?: RequestInit): Promise<RestAnswer> {
  const answer = await fetch(url, init);
  const text = await answer.text();
  const type = answer.headers.get('content-type') ?? '';
  return { status: answer.status, type, body: type.startsWith('application/json') ? JSON.parse(text) : text };
}

export function restClient(url: string, more: Record<string, unknown> = {}): RestClient {
  const ask = (method: string, params: unknown = {}) =>
    fetchJson(`${url}${method}`, { method: 'POST', headers: { 'content-type': 'application/json' }, body: JSON.stringify(Array.isArray(params) ? params : { ...(params as object), ...more }) });
  return {
    url,
    ask,
    async call(method, params) {
      const { status, body } = await ask(method, params);
      if (status !== 200) throw new Error(`${method}: ${status} ${JSON.stringify(body)}`);
      return body.result;
    },
    async refused(method, params, { status = 400, error, error_description: description }) {
      const { status: got, body } = await ask(method, params);
      assert.equal(body.error, error, `${method}: ${JSON.stringify(body)}`);
      assert.equal(got, status, `${method}: ${JSON.stringify(body)}`);
      if (description instanceof RegExp) assert.match(body.error_description, description);
      else if (description !== undefined) assert.equal(body.error_description, description);
    },
  };
}

/** An incoming webhook of the employee. */
export async function webhookOf(vestnik: TestVestnik, who: Somebody, scopes?: readonly string[]): Promise<RestClient> {
  const { url } = await vestnik.api(who).post('/api/rest/webhooks', { name: 'Тест', scopes });
  return restClient(url);
}

/** An application, and a client that calls with its token. */
export async function appOf(vestnik: TestVestnik, fields: Record<string, unknown> = {}): Promise<RestClient & { made: Json }> {
  const made = await vestnik.api(vestnik.admin).post('/api/rest/apps', { name: 'Приложение', ...fields });
  return { ...restClient(`${vestnik.url}/rest/`, { auth: made.accessToken }), made };
}
