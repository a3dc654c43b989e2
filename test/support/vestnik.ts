/**
 * The whole product for one test file: a fresh database, a clock that stands still until told, and
 * real HTTP over loopback. Robots, mail and SMS work when `drain()` is called, in the test's own time.
 *
 * A scenario causes something over HTTP, lets the worker drain, and reads what people got:
 *
 *   const vestnik = await startTestVestnik();
 *   const { given, moved, api, admin, clock, drain } = vestnik;
 *
 *   test('a dismissed employee gets nothing', async () => {
 *     const anna = await given.employee({ firstName: 'Анна' });
 *     const sales = await given.pipeline({ stages: ['Новая', 'В работе'] });
 *     await given.robot(sales.stage('В работе'), 'notify', { … }, { timing: { kind: 'after', minutes: 10 } });
 *     const roof = await given.item({ pipelineId: sales.id, title: 'Крыша' });
 *     await api(admin).post(`/api/employees/${anna.id}/dismissal`);
 *     await moved(roof, sales.stage('В работе'));
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
import { WebSocket } from 'ws';
import type { z } from 'zod';
import type { field, item, newField, newItem, pipeline, stage } from '../../shared/api/crm.ts';
import type { driveFile } from '../../shared/api/drive.ts';
import type { LiveEvent, liveHint } from '../../shared/api/live.ts';
import type { CreateEmployee, EmployeeResponse } from '../../shared/api/people.ts';
import type { robotRecord, robotSet } from '../../shared/api/robot-sets.ts';
import type { triggerRecord } from '../../shared/api/triggers.ts';
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

export type Stage = z.output<typeof stage>;
export type Item = Omit<z.output<typeof item>, 'createdAt' | 'updatedAt' | 'movedAt'> & { createdAt: string; updatedAt: string; movedAt: string };
export interface GivenPipeline extends z.output<typeof pipeline> {
  /** By its name. */
  stage(name: string): Stage;
}

export type Hint = z.output<typeof liveHint>;

/** What a browser hears on its WebSocket. */
export interface LiveSocket {
  readonly hints: readonly Hint[];
  /** The first hint that fits, of those heard already or the next to come; each is given out once. */
  next(fits: Partial<Hint>): Promise<Hint>;
  close(): void;
}

async function openLiveSocket(url: string, token: string, topics: readonly string[]): Promise<LiveSocket> {
  const socket = new WebSocket(`${url.replace(/^http/, 'ws')}/api/live`, { headers: { authorization: `Bearer ${token}` } });
  const hints: Hint[] = [];
  const unread: Hint[] = [];
  const readers: (() => void)[] = [];
  const { promise: ready, resolve, reject } = Promise.withResolvers<void>();
  socket.on('error', reject);
  socket.on('message', (data) => {
    const event: LiveEvent = JSON.parse(String(data));
    if (event.type === 'ready') {
      if (topics.length === 0) resolve();
      else socket.send(JSON.stringify({ subscribe: topics }));
    } else if (event.type === 'subscribed') {
      if (event.refused.length > 0) reject(new Error(`May not listen to ${event.refused.join(', ')}.`));
      resolve();
    } else if (event.type === 'hints') {
      hints.push(...event.hints);
      unread.push(...event.hints);
      for (const read of readers.splice(0)) read();
    }
  });
  await ready;
  return {
    hints,
    async next(fits) {
      for (;;) {
        const index = unread.findIndex((hint) => Object.entries(fits).every(([key, value]) => Object.entries(hint).some(([k, v]) => k === key && v === value)));
        if (index >= 0) return unread.splice(index, 1)[0]!;
        await new Promise<void>((read) => readers.push(read));
      }
    },
    close: () => socket.terminate(),
  };
}

export interface TestVestnik {
  url: string;
  db: Db;
  /** The running product: its modules, for what no route can cause. */
  vestnik: Vestnik;
  /** How it was started, to start a second process on the same database. */
  options: VestnikOptions;
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
    /** Of deals unless another type is named by its code. `stages`: the working ones, in order, instead of the usual ones. */
    pipeline(fields?: { name?: string; itemType?: string; stages?: readonly string[] }): Promise<GivenPipeline>;
    /** An own field of deals unless another type is named. */
    field(fields: { itemType?: string } & Partial<z.input<typeof newField>> & Pick<z.input<typeof newField>, 'name' | 'type'>): Promise<z.output<typeof field>>;
    /** A deal unless another type is named; made by the administrator unless by somebody else. */
    item(fields?: { itemType?: string; by?: Somebody } & Partial<z.input<typeof newItem>>): Promise<Item>;
    /** Bytes on the drive, to hang on something. */
    file(fields?: { name?: string; content?: string | Uint8Array; by?: Somebody }): Promise<z.output<typeof driveFile>>;
    /** A robot on a stage, published at once; below those that are there. */
    robot(on: { id: number; pipelineId: number }, type: string, settings: Record<string, unknown>, more?: Partial<z.input<typeof robotRecord>>): Promise<{ id: number }>;
    /** Puts a trigger on the stage and publishes. */
    trigger(on: { id: number; pipelineId: number }, when: z.input<typeof triggerRecord>['when'], more?: Partial<z.input<typeof triggerRecord>>): Promise<{ id: number }>;
  };
  /** Moves the item to the stage, as the administrator unless by somebody else. */
  moved(what: { id: number }, to: { id: number }, by?: Somebody): Promise<Item>;
  /** A browser of the employee, listening. */
  listen(as: Somebody, ...topics: string[]): Promise<LiveSocket>;
  /** Works off everything that is due at the clock's time. */
  drain(): Promise<void>;
  stop(): Promise<void>;
}

export interface TestVestnikOptions extends Partial<Pick<VestnikOptions, 'services' | 'publicUrl' | 'trustProxy' | 'guessesPerMinute' | 'logLevel' | 'allowedPrivateHosts' | 'allowsPrivatePushHosts' | 'tls' | 'restLimits' | 'maxFileBytes'>> {
  /** When the clock stands still at first. */
  startsAt?: string;
  /** Another clock altogether: `() => new Date()` for a real one. */
  now?: () => Date;
  language?: 'ru' | 'en';
  /** Without a company, as after the very first start: `admin` is nobody then. */
  isEmpty?: boolean;
}

/** Called once at the top of a test file; stopped by itself when the file is done. */
export async function startTestVestnik(options: TestVestnikOptions = {}): Promise<TestVestnik> {
  let stop = async (): Promise<void> => {};
  // Registered before the database's own, which drops it: hooks run in the order of registration.
  after(() => stop());

  const { db, url: databaseUrl } = await testDatabase();
  const dataDir = await mkdtemp(join(tmpdir(), 'vestnik-data-'));
  const clock = createClock(options.startsAt);
  const sockets: LiveSocket[] = [];
  const { startsAt: _, language = 'ru', isEmpty = false, now = clock.now, ...rest } = options;
  const settings: VestnikOptions = {
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
  };
  const vestnik = await startVestnik(settings);
  stop = async () => {
    stop = async () => {};
    for (const socket of sockets) socket.close();
    await vestnik.stop();
    await rm(dataDir, { recursive: true, force: true });
  };

  const adminPassword = 'Синий кит читает вслух';
  const { adminId } = isEmpty ? { adminId: 0 } : await vestnik.firstStart({
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

  async function itemTypeId(code: string): Promise<number> {
    const { itemTypes } = await api(admin).get('/api/crm-config');
    const found = itemTypes.find((type: { code: string }) => type.code === code);
    if (!found) throw new Error(`There is no item type "${code}".`);
    return found.id;
  }

  async function readPipeline(id: number): Promise<GivenPipeline> {
    const { pipelines } = await api(admin).get('/api/crm-config');
    const found: z.output<typeof pipeline> = pipelines.find((one: { id: number }) => one.id === id);
    return {
      ...found,
      stage(name) {
        const wanted = found.stages.find((one) => one.name === name);
        if (!wanted) throw new Error(`There is no stage "${name}" among ${found.stages.map((one) => one.name).join(', ')}.`);
        return wanted;
      },
    };
  }

  /** Adds something with an id of its own to the draft of a pipeline and publishes it. */
  async function publishMore(pipelineId: number, add: (before: z.output<typeof robotSet>, id: number) => object): Promise<{ id: number }> {
    const { ids } = await api(admin).post('/api/robot-ids', { count: 1 });
    const path = `/api/pipelines/${pipelineId}/robots`;
    const before = await api(admin).get(path);
    const saved = await api(admin).put(path, { revision: before.revision, ...add(before, ids[0]) });
    const problems = [...saved.problems, ...saved.triggerProblems];
    if (problems.length > 0) throw new Error(`The robots have problems: ${JSON.stringify(problems)}`);
    await api(admin).post(`${path}/publish`, { revision: saved.revision });
    return { id: ids[0] };
  }

  return {
    url: vestnik.url,
    db,
    vestnik,
    options: settings,
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
      async pipeline({ name = `Воронка ${++count}`, itemType = 'deal', stages } = {}) {
        const made: z.output<typeof pipeline> = await api(admin).post('/api/pipelines', { itemTypeId: await itemTypeId(itemType), name });
        if (stages) {
          const usual = made.stages.filter((one) => one.semantics === 'process');
          // The first stage is renamed and not replaced: a pipeline is never without one.
          for (const [position, stageName] of stages.entries()) {
            const known = usual[position];
            if (known) await api(admin).patch(`/api/stages/${known.id}`, { name: stageName });
            else await api(admin).post(`/api/pipelines/${made.id}/stages`, { name: stageName });
          }
          for (const left of usual.slice(stages.length)) await api(admin).del(`/api/stages/${left.id}`);
        }
        return readPipeline(made.id);
      },
      async field({ itemType = 'deal', ...fields }) {
        return api(admin).post('/api/fields', { itemTypeId: await itemTypeId(itemType), ...fields });
      },
      async item({ itemType = 'deal', by = admin, ...fields } = {}) {
        return api(by).post('/api/items', { itemTypeId: fields.itemTypeId ?? (await itemTypeId(itemType)), title: `Сделка ${++count}`, ...fields });
      },
      async file({ name = `файл ${++count}.txt`, content = 'содержимое', by = admin } = {}) {
        const answer = await api(by).fetch(`/api/drive/attachments?${new URLSearchParams({ name })}`, {
          method: 'POST',
          headers: { 'content-type': 'application/octet-stream' },
          body: typeof content === 'string' ? content : new Uint8Array(content),
        });
        const body = JSON.parse(await answer.text());
        if (!answer.ok) throw new ApiError(answer.status, body);
        return body;
      },
      async robot(on, type, settings, more = {}) {
        const robot = { stageId: on.id, type, title: type, settings, ...more };
        return publishMore(on.pipelineId, ({ robots }, id) => ({ robots: [...robots, { id, ...robot }] }));
      },
      async trigger(on, when, more = {}) {
        const trigger = { stageId: on.id, when, ...more };
        return publishMore(on.pipelineId, ({ robots, triggers }, id) => ({ robots, triggers: [...triggers, { id, ...trigger }] }));
      },
    },
    moved: (what, to, by = admin) => api(by).patch(`/api/items/${what.id}`, { stageId: to.id }),
    async listen(as, ...topics) {
      const socket = await openLiveSocket(vestnik.url, await token(as), topics);
      sockets.push(socket);
      return socket;
    },
    drain: () => vestnik.drain(),
    stop: () => stop(),
  };
}
