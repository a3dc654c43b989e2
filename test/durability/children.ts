/** Children of the durability tests: started warm, ordered about, and always killed at the end. */
import { type ChildProcess, fork } from 'node:child_process';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after } from 'node:test';
import { fileURLToPath } from 'node:url';
import { type Db, sql } from '../../server/db/db.ts';
import type { Answer, Death, Order } from './worker.ts';

/** One product in a child. What is asked of it after it froze or was killed is answered with undefined. */
export interface Instance {
  readonly url: string;
  arm(death: Death | null): Promise<void>;
  /** true: all is worked off. undefined: it froze, or was killed. */
  drain(): Promise<true | undefined>;
  report(): Promise<{ statements: string[]; claimed: number } | undefined>;
  stop(): Promise<void>;
  /** Resolves when it has reached the statement it was armed for, or was killed. */
  readonly frozen: Promise<void>;
}

export interface Child {
  /** A whole product, by default one that neither listens nor works until told. */
  start(options?: { services?: { web: boolean; worker: boolean }; now?: Date }): Promise<Instance>;
  /** SIGKILL; resolves when the process is gone. */
  kill(): Promise<void>;
  /** What was written to its log: nothing, unless something failed. */
  readonly log: string;
}

export interface Children {
  /** A child whose program is loaded; the next one is loading meanwhile. */
  next(): Promise<Child>;
  /** Resolves when the database has noticed that the killed are gone. Living ones must have no connections. */
  buried(): Promise<void>;
}

const program = fileURLToPath(new URL('./worker.ts', import.meta.url));

/** Call before whatever makes the database: hooks run in the order of registration, and children must go first. */
export function createChildren(db: () => Db): Children {
  const processes = new Set<ChildProcess>();
  const prefix = `durability_${process.pid}_`;
  let warm: Promise<Child> | undefined;
  let count = 0;
  let dataDir: Promise<string> | undefined;
  let isOver = false;
  after(async () => {
    isOver = true;
    for (const child of processes) child.kill('SIGKILL');
    await warm?.catch(() => {});
    if (dataDir) await rm(await dataDir, { recursive: true, force: true });
  });

  async function spawn(): Promise<Child> {
    dataDir ??= mkdtemp(join(tmpdir(), 'vestnik-durability-'));
    const directory = await dataDir;
    const child = fork(program, {
      stdio: ['ignore', 'pipe', 'pipe', 'ipc'],
      // Every start compiles the same files.
      env: { ...process.env, NODE_COMPILE_CACHE: join(tmpdir(), 'vestnik-compile-cache'), NODE_TEST_CONTEXT: undefined },
    });
    if (isOver) child.kill('SIGKILL');
    processes.add(child);
    let log = '';
    for (const stream of [child.stdout, child.stderr]) stream?.on('data', (chunk: Buffer) => (log += chunk.toString()));
    const dead = new Promise<void>((resolve) => child.once('exit', () => resolve()));
    void dead.then(() => processes.delete(child));
    child.on('error', () => {});
    // A listener per instance and order.
    child.setMaxListeners(0);

    /** The first message like this; undefined: the process ended before. */
    function hear<Heard extends Answer>(isIt: (answer: Answer) => answer is Heard): Promise<Heard | undefined> {
      return new Promise((resolve) => {
        const listen = (answer: Answer) => {
          if (!isIt(answer)) return;
          child.off('message', listen);
          resolve(answer);
        };
        child.on('message', listen);
        void dead.then(() => resolve(undefined));
      });
    }

    const loaded = await hear((answer) => 'loaded' in answer);
    if (!loaded && !isOver) throw new Error(`The child did not load: ${log}`);

    return {
      async start({ services = { web: false, worker: false }, now } = {}) {
        const name = `${prefix}${count++}`;
        const frozen = hear((answer): answer is Answer & { frozen: true } => 'frozen' in answer && answer.instance === name);
        async function order(what: Omit<Order, 'instance'> & Record<string, unknown>): Promise<(Answer & { done: string }) | undefined> {
          const answered = hear((answer): answer is Exclude<Answer, { loaded: true } | { frozen: true }> => 'instance' in answer && answer.instance === name && !('frozen' in answer));
          child.send({ ...what, instance: name }, () => {});
          const answer = await Promise.race([answered, frozen.then(() => undefined)]);
          if (answer && 'failed' in answer) throw new Error(`The child failed: ${answer.failed}`);
          return answer;
        }
        const url = new URL(db().url);
        url.searchParams.set('application_name', name);
        const started = await order({ do: 'start', databaseUrl: url.href, dataDir: directory, services, now: now?.toISOString() ?? null });
        if (!started || !('url' in started)) throw new Error(`The child died while it started: ${log}`);
        return {
          url: started.url,
          frozen: frozen.then(() => {}),
          async arm(death) {
            await order({ do: 'arm', death });
          },
          drain: async () => (await order({ do: 'drain' })) && true,
          async report() {
            const answer = await order({ do: 'report' });
            return answer && 'statements' in answer ? answer : undefined;
          },
          async stop() {
            await order({ do: 'stop' });
          },
        };
      },
      async kill() {
        child.kill('SIGKILL');
        await dead;
      },
      get log() {
        return log;
      },
    };
  }

  return {
    next() {
      const next = warm ?? spawn();
      warm = spawn();
      warm.catch(() => {});
      return next;
    },
    buried: () => until(120, 'the database to notice that the killed are gone', async () => {
      const row = await db().first<{ count: number }>(sql`select count(*) as count from pg_stat_activity where starts_with(application_name, ${prefix})`);
      return row?.count === 0;
    }),
  };
}

/** Waits for something that another process does; there is nothing to await but its traces. */
export async function until(seconds: number, what: string, isTrue: () => Promise<boolean>): Promise<void> {
  const deadline = performance.now() + seconds * 1000;
  while (!(await isTrue())) {
    if (performance.now() > deadline) throw new Error(`Waited ${seconds} s in vain for ${what}.`);
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
}
