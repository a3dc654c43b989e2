/**
 * The whole product for one test file: a fresh database, a clock that stands still until told, and
 * real HTTP over loopback. Robots, mail and SMS work when `drain()` is called, in the test's own time.
 *
 * A scenario causes something over HTTP, lets the worker drain, and reads what people got:
 *
 *   const vestnik = await startTestVestnik();
 *   const { given, api, admin, clock, drain } = vestnik;
 *
 *   test('a dismissed employee gets nothing', async () => {
 *     const anna = await given.employee({ firstName: 'Анна' });
 *     await api(admin).post(`/api/employees/${anna.id}/dismiss`);
 *     …
 *     clock.advance('10 minutes');
 *     await drain();
 *     assert.deepEqual((await api(anna).get('/api/notifications')).items, []);
 *   });
 *
 * An answer that is an error is thrown with what it says, so the sad case reads as well:
 *
 *   await assert.rejects(api(anna).get('/api/items/999'), { status: 404, code: 'request.not_found' });
 *
 * Never sleep: `drain()`, `clock.advance()`, and `next()` of a live socket are all there is to wait for.
 */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after } from 'node:test';
import type { CreateEmployee, EmployeeResponse } from '../../shared/api/people.ts';
import type { Db } from '../../server/db/db.ts';
import type { Actor } from '../../server/people/people.ts';
import { startVestnik, type Vestnik, type VestnikOptions } from '../../server/vestnik.ts';
import { testDatabase } from './database.ts';

export interface Clock {
  now(): Date;
  /** Milliseconds, or words: '10 minutes', '2 hours', '1 day'. */
  advance(by: number | string): void;
  set(to: Date | string): void;
}

const units: Readonly<Record<string, number>> = { second: 1000, minute: 60_000, hour: 3_600_000, day: 86_400_000, week: 7 * 86_400_000 };

/** A Tuesday, ten in the morning in Moscow: working time by default. */
export function createClock(start: Date | string = '2026-03-10T07:00:00Z'): Clock {
  let time = new Date(start).getTime();
  return {
    now: () => new Date(time),
    advance(by) {
      if (typeof by === 'number') {
        time += by;
        return;
      }
      const [, count, unit] = /^(\d+) (second|minute|hour|day|week)s?$/.exec(by) ?? [];
      if (!count || !unit) throw new Error(`"${by}" is not a span of time. Write it like '10 minutes'.`);
      time += Number(count) * units[unit]!;
    },
    set(to) {
      time = new Date(to).getTime();
    },
  };
}

/** An answer that is an error. */
export class ApiError extends Error {
  readonly status: number;
  readonly code: string;
  readonly params: Record<string, unknown>;
  readonly path: string | undefined;
  constructor(status: number, body: { code?: string; message?: string; params?: Record<string, unknown>; path?: string }) {
    super(body.message ?? `HTTP ${status}`);
    this.name = 'ApiError';
    this.status = status;
    this.code = body.code ?? '';
    this.params = body.params ?? {};
    this.path = body.path;
  }
}

// Answers are whatever came: tests compare them with what they expect, and that is their type check.
type Answer = ReturnType<typeof JSON.parse>;

export interface Api {
  get(path: string, query?: Record<string, string | number | boolean | undefined>): Promise<Answer>;
  post(path: string, body?: unknown): Promise<Answer>;
  patch(path: string, body: unknown): Promise<Answer>;
  put(path: string, body: unknown): Promise<Answer>;
  del(path: string, body?: unknown): Promise<Answer>;
  /** The bare answer, also of an error: for headers, files and broken input. */
  fetch(path: string, init?: RequestInit): Promise<Response>;
}

/** A client of `url` with a token; without one, a stranger. */
export function createApi(url: string, token?: () => Promise<string>): Api {
  async function bare(path: string, init: RequestInit = {}): Promise<Response> {
    const headers = new Headers(init.headers);
    if (token) headers.set('authorization', `Bearer ${await token()}`);
    return fetch(url + path, { ...init, headers });
  }
  async function call(method: string, path: string, body?: unknown): Promise<Answer> {
    const init: RequestInit = { method };
    if (body !== undefined) Object.assign(init, { body: JSON.stringify(body), headers: { 'content-type': 'application/json' } });
    const answer = await bare(path, init);
    const text = await answer.text();
    const isJson = answer.headers.get('content-type')?.startsWith('application/json') ?? false;
    const parsed = isJson && text !== '' ? JSON.parse(text) : text;
    if (!answer.ok) throw new ApiError(answer.status, isJson ? parsed : { message: text });
    return parsed;
  }
  return {
    get(path, query = {}) {
      const search = new URLSearchParams();
      for (const [name, value] of Object.entries(query)) if (value !== undefined) search.set(name, String(value));
      return call('GET', search.size > 0 ? `${path}?${search}` : path);
    },
    post: (path, body) => call('POST', path, body),
    patch: (path, body) => call('PATCH', path, body),
    put: (path, body) => call('PUT', path, body),
    del: (path, body) => call('DELETE', path, body),
    fetch: bare,
  };
}

export interface Somebody {
  id: number;
}

export interface TestVestnik {
  url: string;
  db: Db;
  /** The running product: its modules, for what no route can cause. */
  vestnik: Vestnik;
  clock: Clock;
  /** The administrator made at the first start. */
  admin: Somebody;
  adminPassword: string;
  /** Acts as this employee; without one as a stranger. */
  api(as?: Somebody): Api;
  /** An API token of the employee, made once. */
  token(of: Somebody): Promise<string>;
  /** Who acts, for calls of front doors. */
  actor(of: Somebody): Promise<Actor>;
  given: {
    employee(fields?: Partial<CreateEmployee>): Promise<EmployeeResponse>;
    department(fields?: { name?: string; parentId?: number | null; headIds?: number[]; employeeIds?: number[] }): Promise<{ id: number; name: string }>;
  };
  /** Works off everything that is due at the clock's time. */
  drain(): Promise<void>;
  stop(): Promise<void>;
}

export interface TestVestnikOptions extends Partial<Pick<VestnikOptions, 'services' | 'publicUrl' | 'trustProxy' | 'guessesPerMinute' | 'logLevel'>> {
  /** When the clock stands still at first. */
  startsAt?: string;
  /** Another clock altogether: `() => new Date()` for a real one. */
  now?: () => Date;
  language?: 'ru' | 'en';
}

/** Called once at the top of a test file; stopped by itself when the file is done. */
export async function startTestVestnik(options: TestVestnikOptions = {}): Promise<TestVestnik> {
  let stop = async (): Promise<void> => {};
  // Registered before the database's own, which drops it: hooks run in the order of registration.
  after(() => stop());

  const { db, url: databaseUrl } = await testDatabase();
  const dataDir = await mkdtemp(join(tmpdir(), 'vestnik-data-'));
  const clock = createClock(options.startsAt);
  const { startsAt: _, language = 'ru', now = clock.now, ...rest } = options;
  const vestnik = await startVestnik({
    services: { web: true, worker: false },
    logLevel: 'error',
    databaseConnections: 6,
    // Tests sign in as fast as they can; the limit has tests of its own.
    guessesPerMinute: 10_000,
    ...rest,
    databaseUrl,
    dataDir,
    host: '127.0.0.1',
    port: 0,
    secret: 'a secret of the tests, thirty-two characters',
    now,
  });
  stop = async () => {
    stop = async () => {};
    await vestnik.stop();
    await rm(dataDir, { recursive: true, force: true });
  };

  const adminPassword = 'Синий кит читает вслух';
  const { adminId } = await vestnik.people.firstStart({
    company: { name: language === 'ru' ? 'Ромашка' : 'Daisy', language },
    admin: { email: 'admin@example.com', firstName: language === 'ru' ? 'Ада' : 'Ada', lastName: language === 'ru' ? 'Админова' : 'Admin', language, password: adminPassword },
  });
  const admin: Somebody = { id: adminId };

  const tokens = new Map<number, Promise<string>>();
  function token(of: Somebody): Promise<string> {
    let known = tokens.get(of.id);
    if (!known) {
      known = vestnik.people.createApiToken({ employeeId: of.id, isAdmin: false, language, timeZone: 'Europe/Moscow', via: 'system' }, 'test').then((made) => made.token);
      tokens.set(of.id, known);
    }
    return known;
  }
  const api = (as?: Somebody): Api => createApi(vestnik.url, as && (() => token(as)));

  let count = 0;
  return {
    url: vestnik.url,
    db,
    vestnik,
    clock,
    admin,
    adminPassword,
    api,
    token,
    async actor(of) {
      const actor = await vestnik.people.actorFromToken(db, await token(of));
      if (!actor) throw new Error(`Employee ${of.id} cannot act: dismissed, or unknown.`);
      return actor;
    },
    given: {
      employee: (fields = {}) => {
        const number = ++count;
        return api(admin).post('/api/employees', {
          email: `employee${number}@example.com`,
          firstName: `Имя${number}`,
          lastName: `Фамилия${number}`,
          language,
          ...fields,
        });
      },
      async department({ name = `Отдел ${++count}`, parentId, headIds = [], employeeIds = [] } = {}) {
        const made = await api(admin).post('/api/departments', parentId === undefined ? { name } : { name, parentId });
        if (headIds.length > 0) await api(admin).post(`/api/departments/${made.id}/members`, { employeeIds: headIds, role: 'head' });
        if (employeeIds.length > 0) await api(admin).post(`/api/departments/${made.id}/members`, { employeeIds, role: 'employee' });
        return made;
      },
    },
    drain: () => vestnik.drain(),
    stop: () => stop(),
  };
}
