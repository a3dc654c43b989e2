/**
 * The server over HTTP: the only caller of fetch (uploads: of XMLHttpRequest, which tells the progress).
 *
 * Answers are what the contracts in shared/api say, as JSON; the caller names the type. Whatever is not a success is
 * thrown as `ApiError` with the server's sentence in the reader's language: pages show `error.message` as it is.
 */
import type { ErrorBody } from '../shared/api/http.ts';
import { t } from './text.ts';

export class ApiError extends Error {
  /** 0: the server was not reached. */
  readonly status: number;
  /** A code of shared/errors.ts, or 'web.unreachable'. */
  readonly code: string;
  readonly params: Readonly<Record<string, unknown>>;
  /** Where in the input the fault lies: 'stages.2.name'. */
  readonly path: string | undefined;
  constructor(status: number, body: ErrorBody) {
    super(body.message);
    this.name = 'ApiError';
    this.status = status;
    this.code = body.code;
    this.params = body.params;
    this.path = body.path;
  }
}

export type Query = Readonly<Record<string, string | number | boolean | null | undefined>>;

/** Called when the server says that nobody is signed in. */
let onSignedOut = (): void => {};
export function whenSignedOut(listener: () => void): void {
  onSignedOut = listener;
}

function withQuery(path: string, query: Query | undefined): string {
  const search = new URLSearchParams();
  for (const [name, value] of Object.entries(query ?? {})) {
    if (value !== undefined && value !== null && value !== '') search.set(name, String(value));
  }
  return search.size > 0 ? `${path}?${search}` : path;
}

function errorFrom(status: number, text: string): ApiError {
  let body: ErrorBody | undefined;
  try {
    const parsed: unknown = JSON.parse(text);
    if (typeof parsed === 'object' && parsed !== null && 'code' in parsed && 'message' in parsed) {
      body = { params: {}, ...parsed, code: String(parsed.code), message: String(parsed.message) };
    }
  } catch {
    // A proxy in between answers in HTML.
  }
  const error = new ApiError(status, body ?? { code: 'web.unreachable', message: t('web.error.status', { status }), params: {} });
  if (error.code === 'auth.required') onSignedOut();
  return error;
}

const unreachable = (): ApiError => new ApiError(0, { code: 'web.unreachable', message: t('web.error.unreachable'), params: {} });

interface CallOptions {
  query?: Query;
  body?: unknown;
  signal?: AbortSignal;
  /** For requests that must outlive the page (a draft while the tab closes). */
  keepalive?: boolean;
}

let underWay = 0;
/** Whether an answer is still awaited: what can wait waits for a page that has all it asked for. */
export function isAwaiting(): boolean {
  return underWay > 0;
}

async function call<Answer>(method: string, path: string, { query, body, signal, keepalive }: CallOptions = {}): Promise<Answer> {
  const init: RequestInit = { method, headers: { accept: 'application/json' }, credentials: 'same-origin' };
  if (signal) init.signal = signal;
  if (keepalive) init.keepalive = true;
  if (body !== undefined) {
    init.body = JSON.stringify(body);
    init.headers = { accept: 'application/json', 'content-type': 'application/json' };
  }
  let response: Response;
  let text: string;
  underWay++;
  try {
    response = await fetch(withQuery(path, query), init);
    text = await response.text();
  } catch (error) {
    if (error instanceof DOMException && error.name === 'AbortError') throw error;
    throw unreachable();
  } finally {
    underWay--;
  }
  if (!response.ok) throw errorFrom(response.status, text);
  return text === '' ? JSON.parse('null') : JSON.parse(text);
}

export interface Upload<Answer> {
  done: Promise<Answer>;
  cancel(): void;
}

/** The bytes as they are in the body; `onProgress` hears a share from 0 to 1. */
function upload<Answer>(method: 'POST' | 'PUT' | 'PATCH', path: string, file: Blob, options: { query?: Query; headers?: Readonly<Record<string, string>>; onProgress?: (share: number) => void } = {}): Upload<Answer> {
  const request = new XMLHttpRequest();
  const done = new Promise<Answer>((resolve, reject) => {
    request.open(method, withQuery(path, options.query));
    request.setRequestHeader('content-type', file.type === '' ? 'application/octet-stream' : file.type);
    request.setRequestHeader('accept', 'application/json');
    for (const [name, value] of Object.entries(options.headers ?? {})) request.setRequestHeader(name, value);
    request.upload.addEventListener('progress', (event) => options.onProgress?.(event.total > 0 ? event.loaded / event.total : 1));
    request.addEventListener('load', () => {
      if (request.status >= 200 && request.status < 300) resolve(JSON.parse(request.responseText === '' ? 'null' : request.responseText));
      else reject(errorFrom(request.status, request.responseText));
    });
    request.addEventListener('error', () => reject(unreachable()));
    request.addEventListener('abort', () => reject(new DOMException('', 'AbortError')));
    request.send(file);
  });
  return { done, cancel: () => request.abort() };
}

export const api = {
  get: <Answer>(path: string, query?: Query, options: { signal?: AbortSignal } = {}) => call<Answer>('GET', path, { ...options, query }),
  post: <Answer = void>(path: string, body?: unknown, options: Omit<CallOptions, 'body'> = {}) => call<Answer>('POST', path, { ...options, body }),
  patch: <Answer = void>(path: string, body: unknown, options: Omit<CallOptions, 'body'> = {}) => call<Answer>('PATCH', path, { ...options, body }),
  put: <Answer = void>(path: string, body?: unknown, options: Omit<CallOptions, 'body'> = {}) => call<Answer>('PUT', path, { ...options, body }),
  del: <Answer = void>(path: string, options: CallOptions = {}) => call<Answer>('DELETE', path, options),
  upload,
};

/** What to show a person of any error. */
export function messageOf(error: unknown): string {
  if (error instanceof ApiError) return error.message;
  console.error(error);
  return t('web.error.bug');
}
