/**
 * A process of the product that can be caught at a chosen statement: a child of the durability tests,
 * told over IPC what to do. The product knows nothing of it: what passes through `pg` is counted here.
 *
 * An instance is a whole product with its own connections. At its chosen statement it freezes: nothing
 * of it is sent or heard any more, its transaction and its locks stay as they are. When as many
 * instances as the test wants are frozen, each at its own statement, the test kills the process with
 * SIGKILL: one start of a process for many deaths.
 */
import pg from 'pg';
import { startVestnik, type Vestnik } from '../../server/vestnik.ts';

export interface Death {
  /** before: the statement is not sent. sent: it is, and nobody waits. answered: the answer came, and nobody has used it. */
  when: 'before' | 'sent' | 'answered';
  /** The n-th statement from now, counted from 0; or the first that contains this. */
  at: number | string;
}

export type Order = { instance: string } & (
  | { do: 'start'; databaseUrl: string; dataDir: string; services: { web: boolean; worker: boolean }; now: string | null }
  /** Counts statements from 0 again. */
  | { do: 'arm'; death: Death | null }
  /** Answered when all is worked off; never, when the instance froze. */
  | { do: 'drain' }
  | { do: 'report' }
  | { do: 'stop' }
);

export type Answer =
  | { loaded: true }
  | { instance: string; frozen: true }
  | { instance: string; done: 'start'; url: string }
  | { instance: string; done: 'arm' | 'stop' | 'drain' }
  | { instance: string; done: 'report'; statements: string[]; claimed: number }
  | { instance: string; failed: string };

interface Instance {
  name: string;
  vestnik?: Vestnik;
  statements: string[];
  death: Death | null;
  isFrozen: boolean;
  /** Arrivals that it took off the queue. */
  claimed: number;
}

/** By the application_name of their connections. */
const instances = new Map<string, Instance>();

function freeze(instance: Instance): void {
  instance.isFrozen = true;
  say({ instance: instance.name, frozen: true });
}

const never = new Promise<never>(() => {});

type Query = (this: pg.Client, ...args: unknown[]) => Promise<pg.QueryResult> | undefined;
// Both ways to call it, with a callback and for a promise.
const prototype = pg.Client.prototype as unknown as { query: Query };
const query = prototype.query;
prototype.query = function (...args) {
  const { application_name: name } = (this as unknown as { connectionParameters: { application_name: string } }).connectionParameters;
  const instance = instances.get(name);
  if (!instance) return query.apply(this, args);
  if (instance.isFrozen) return never;
  const config = args[0];
  const text = (typeof config === 'string' ? config : String((config as { text?: string } | undefined)?.text)).trim();
  const index = instance.statements.push(text) - 1;
  const { death } = instance;
  const isLast = death !== null && (typeof death.at === 'number' ? death.at === index : text.includes(death.at));
  const when = isLast ? death?.when : undefined;
  if (when === 'before') {
    freeze(instance);
    return never;
  }
  const isHeard = (result: pg.QueryResult | undefined): boolean => {
    if (when === 'answered' && !instance.isFrozen) freeze(instance);
    if (!instance.isFrozen && text.includes('delete from arrival_queue')) instance.claimed += result?.rows.length ?? 0;
    return !instance.isFrozen;
  };
  const callback = args.at(-1);
  if (typeof callback === 'function') {
    args[args.length - 1] = (error: unknown, result: pg.QueryResult) => {
      if (isHeard(result)) callback(error, result);
    };
  }
  const result = query.apply(this, args);
  // The bytes leave in this turn of the loop.
  if (when === 'sent') setImmediate(freeze, instance);
  if (typeof callback === 'function') return result;
  return result?.then(
    (rows) => (isHeard(rows) ? rows : never),
    (error: unknown) => (isHeard(undefined) ? Promise.reject(error) : never),
  );
};

async function obey(order: Order): Promise<Answer> {
  const { instance: name } = order;
  if (order.do === 'start') {
    const instance: Instance = { name, statements: [], death: null, isFrozen: false, claimed: 0 };
    instances.set(name, instance);
    const { now } = order;
    instance.vestnik = await startVestnik({
      databaseUrl: order.databaseUrl, dataDir: order.dataDir, services: order.services, databaseConnections: 6, host: '127.0.0.1', port: 0,
      secret: 'a secret of the tests, thirty-two characters', publicUrl: 'http://vestnik.test', logLevel: 'error', guessesPerMinute: 10_000, allowedPrivateHosts: ['127.0.0.1'],
      ...(now === null ? {} : { now: () => new Date(now) }),
    });
    return { instance: name, done: 'start', url: instance.vestnik.url };
  }
  const instance = instances.get(name);
  if (!instance) throw new Error(`There is no instance ${name}.`);
  switch (order.do) {
    case 'arm':
      instance.statements = [];
      instance.death = order.death;
      break;
    case 'drain':
      await instance.vestnik?.drain();
      break;
    case 'report':
      return { instance: name, done: 'report', statements: instance.statements, claimed: instance.claimed };
    case 'stop':
      await instance.vestnik?.stop();
      break;
  }
  return { instance: name, done: order.do };
}

function say(answer: Answer): void {
  process.send?.(answer);
}

process.on('message', (order: Order) => {
  obey(order).then(say, (error: unknown) => say({ instance: order.instance, failed: error instanceof Error ? `${error.stack}` : String(error) }));
});
// A child whose test is gone has nothing to do any more.
process.on('disconnect', () => process.exit(0));
say({ loaded: true });
