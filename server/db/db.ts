/**
 * The database: one pool, transactions, LISTEN. The only importer of `pg`.
 *
 * - A query is a value of the `sql` tag: text and parameters never mix. Its text is prepared once
 *   per connection under a name made from it.
 * - Column names come back in camelCase: SQL stays snake_case, the product reads `stageId`.
 *   int8 and numeric are JavaScript numbers (ids stay far below 2^53; money has two decimals),
 *   timestamptz is Date, date is 'YYYY-MM-DD'.
 * - Connections are pipelined: queries started without awaiting each other travel together.
 * - Does not do: caching, mapping to objects, retrying what is not a deadlock.
 */
import type { Writable } from 'node:stream';
import pg from 'pg';
import sqlTag, { empty, join, raw, Sql } from 'sql-template-tag';
import { TransientError } from '../../shared/errors.ts';

export const sql = sqlTag;
export { empty, join, raw, Sql };

export interface Queryable {
  rows<Row>(query: Sql): Promise<Row[]>;
  /** The first row, or undefined. */
  first<Row>(query: Sql): Promise<Row | undefined>;
  /** Runs a statement; returns the number of rows it touched. */
  run(query: Sql): Promise<number>;
}

export interface Tx extends Queryable {
  /** Called after a successful commit, in order; never when the transaction rolls back. Must not throw. */
  afterCommit(hook: () => void): void;
  /**
   * Writes whose answers nobody waits for: they travel together with the commit, which becomes a
   * rollback (and the transaction throws) when one of them fails. Their statements must have been sent
   * already: what a promise would send later comes after the commit, and is refused.
   */
  withCommit(writes: Promise<unknown>): void;
}

export interface TransactionOptions {
  /**
   * Do not wait for the disk at commit. Only for work that is redone from durable rows if the
   * machine loses power: its effects and its "done" mark vanish together. A later ordinary commit
   * makes it durable too (the log is written in order).
   */
  asyncCommit?: boolean;
  /** Roll back after `work` returned: a preview. afterCommit hooks are not called. */
  dryRun?: boolean;
}

export interface Db extends Queryable {
  transaction<Result>(work: (tx: Tx) => Promise<Result>, options?: TransactionOptions): Promise<Result>;
  /** Calls `heard` for each NOTIFY on the channel; `reconnected` after the line was lost and is back. */
  listen(channel: string, heard: (payload: string) => void, reconnected: () => void): Promise<{ close(): Promise<void> }>;
  readonly url: string;
  close(): Promise<void>;
}

const dateOid = 1082;
const timestamptzOid = 1184;
const numberOids = new Set([20, 1700]);
const numberArrayOids = new Set([1016, 1231]);

const types: pg.CustomTypesConfig = {
  getTypeParser(oid: number, format?: 'text' | 'binary') {
    if (numberOids.has(oid)) return Number;
    if (numberArrayOids.has(oid)) return (text: string) => (text === '{}' ? [] : text.slice(1, -1).split(',').map(Number));
    if (oid === dateOid) return (text: string) => text;
    if (oid === timestamptzOid) return parseTimestamp;
    return pg.types.getTypeParser(oid, format);
  },
};

const parseAnyTimestamp = pg.types.getTypeParser(timestamptzOid, 'text');

/** Sessions speak UTC, so nearly every timestamp is one that Date reads itself, five times faster than by pattern. */
function parseTimestamp(text: string): unknown {
  return text.length >= 22 && text.endsWith('+00') && text[10] === ' ' ? new Date(`${text.slice(0, 10)}T${text.slice(11, -3)}Z`) : parseAnyTimestamp(text);
}

const camelNames = new Map<string, string>();
function camelCase(column: string): string {
  let name = camelNames.get(column);
  if (name === undefined) {
    name = column.replace(/_([a-z0-9])/g, (_, letter: string) => letter.toUpperCase());
    camelNames.set(column, name);
  }
  return name;
}

/** Texts built from user's filters are many; past this number they travel unprepared. */
const maxPreparedTexts = 1000;
const preparedNames = new Map<string, string>();
function preparedName(text: string): string | undefined {
  let name = preparedNames.get(text);
  if (name === undefined && preparedNames.size < maxPreparedTexts) {
    name = `q${preparedNames.size}`;
    preparedNames.set(text, name);
  }
  return name;
}

function toTransient(error: unknown): unknown {
  if (!(error instanceof Error)) return error;
  const code = 'code' in error && typeof error.code === 'string' ? error.code : '';
  const isLost =
    /^(08|57P0|25P03)/.test(code) ||
    /^(ECONN|EPIPE|ETIMEDOUT|ENOTFOUND)/.test(code) ||
    /Connection terminated|connection error|Client was closed|timeout exceeded when trying to connect/.test(error.message);
  return isLost ? new TransientError('database.unavailable', { cause: error }) : error;
}

const corked = new WeakSet<Writable>();

/**
 * Everything sent in this turn goes out in one write: a system call costs more than most of our queries.
 * `connection.stream` is the socket under a pg client; where it is not, queries merely travel one by one.
 */
function sendTogether(client: pg.ClientBase | pg.Pool): void {
  const stream = 'connection' in client && client.connection instanceof pg.Connection ? client.connection.stream : undefined;
  if (!stream || corked.has(stream)) return;
  corked.add(stream);
  stream.cork();
  process.nextTick(() => {
    corked.delete(stream);
    stream.uncork();
  });
}

async function execute(client: pg.ClientBase | pg.Pool, query: Sql, onError?: (error: unknown) => void): Promise<pg.QueryArrayResult<unknown[]>> {
  const text = query.text;
  sendTogether(client);
  try {
    return await client.query({ text, values: query.values, name: preparedName(text), rowMode: 'array' });
  } catch (error) {
    onError?.(error);
    throw toTransient(error);
  }
}

function toRows<Row>(result: pg.QueryArrayResult<unknown[]>): Row[] {
  const names = result.fields.map((f) => camelCase(f.name));
  const width = names.length;
  const rows = new Array(result.rows.length);
  for (let r = 0; r < rows.length; r++) {
    const values = result.rows[r]!;
    const row: Record<string, unknown> = {};
    for (let c = 0; c < width; c++) row[names[c]!] = values[c];
    rows[r] = row;
  }
  return rows;
}

function queryable(client: pg.ClientBase | pg.Pool, onError?: (error: unknown) => void): Queryable {
  return {
    rows: async (query) => toRows(await execute(client, query, onError)),
    first: async <Row>(query: Sql) => toRows<Row>(await execute(client, query, onError))[0],
    run: async (query) => (await execute(client, query, onError)).rowCount ?? 0,
  };
}

function whileOpen(q: Queryable, isOver: () => boolean): Queryable {
  const assertOpen = () => {
    if (isOver()) throw new Error('A query came after the end of its transaction.');
  };
  return {
    rows: async (query) => (assertOpen(), q.rows(query)),
    first: async (query) => (assertOpen(), q.first(query)),
    run: async (query) => (assertOpen(), q.run(query)),
  };
}

/** Says only that an earlier statement had failed already. */
function isAftermath(error: unknown): boolean {
  return error instanceof Error && 'code' in error && error.code === '25P02';
}

function isDeadlock(error: unknown): boolean {
  return error instanceof Error && 'code' in error && (error.code === '40P01' || error.code === '40001');
}

/** Far more than any transaction needs between two of its statements, and no more than anybody may be kept waiting. */
const longestIdleMs = 60_000;

/**
 * Opens a pool. `max` connections; the first query connects. A process that hangs (stopped, swapped out, lost in a
 * loop) must not hold for ever what its transactions have locked: after `idleMs` of silence the server ends them.
 */
export function openDb(url: string, { max = 10, idleMs = longestIdleMs, name }: { max?: number; idleMs?: number; name?: string } = {}): Db {
  // A connect that hangs is an error the caller can act on, not a request that never ends.
  const config: pg.PoolConfig = { connectionString: url, max, types, pipeline: true, connectionTimeoutMillis: 10_000, application_name: name, options: `-c timezone=UTC -c idle_in_transaction_session_timeout=${idleMs}` };
  const pool = new pg.Pool(config);
  // An idle connection that the server closed: the pool drops it, the next query opens another.
  pool.on('error', () => {});
  // One that is lost in the middle of a transaction: its queries fail and say so. Without a listener the
  // event itself would end the process.
  pool.on('connect', (client) => client.on('error', () => {}));

  async function attempt<Result>(work: (tx: Tx) => Promise<Result>, options: TransactionOptions): Promise<Result> {
    let client: pg.PoolClient;
    try {
      client = await pool.connect();
    } catch (error) {
      throw toTransient(error);
    }
    const hooks: (() => void)[] = [];
    const lastWrites: Promise<unknown>[] = [];
    let isBroken = false;
    // Work that failed may have left other branches running: none of them may reach the connection
    // any more once its transaction is over, for the next one is somebody else's.
    let isOver = false;
    // Of queries under way together any may be heard first; answers come in the order they were sent.
    let cause: unknown;
    const onError = (error: unknown) => (cause ??= error);
    try {
      // Not awaited: BEGIN travels with the first query.
      sendTogether(client);
      const begun = client.query(options.asyncCommit ? 'begin; set local synchronous_commit = off' : 'begin');
      begun.catch(() => {});
      const result = await work({
        ...whileOpen(queryable(client, onError), () => isOver),
        afterCommit: (hook) => hooks.push(hook),
        withCommit: (writes) => {
          // Heard below; until then a failure must not count as unhandled.
          writes.catch(() => {});
          lastWrites.push(writes);
        },
      });
      isOver = true;
      sendTogether(client);
      const ended = client.query(options.dryRun ? 'rollback' : 'commit');
      const [answer] = await Promise.all([ended, begun, ...lastWrites]);
      // PostgreSQL answers COMMIT of a failed transaction with a quiet ROLLBACK.
      if (!options.dryRun && answer.command !== 'COMMIT') throw new Error('The transaction had failed before its commit; nothing was written.');
      if (options.dryRun) hooks.length = 0;
      client.release();
      for (const hook of hooks) hook();
      // Whom the commit woke asks the database first, which then works while our caller makes its answer of the result.
      if (hooks.length > 0) await new Promise<void>((resolve) => setImmediate(resolve));
      return result;
    } catch (error) {
      isOver = true;
      await client.query('rollback').catch(() => (isBroken = true));
      client.release(isBroken);
      // What came after a failed write only says that the transaction was lost already.
      const first = (await Promise.allSettled(lastWrites)).find((write) => write.status === 'rejected');
      const reason: unknown = first ? first.reason : error;
      throw toTransient(isAftermath(reason) ? cause : reason);
    }
  }

  return {
    ...queryable(pool),
    url,
    async transaction(work, options = {}) {
      for (let tries = 1; ; tries++) {
        try {
          return await attempt(work, options);
        } catch (error) {
          // The database picked us as the victim; nothing was written, so the same work may run again.
          if (!isDeadlock(error) || tries === 5) throw error;
        }
      }
    },
    async listen(channel, heard, reconnected) {
      let isClosed = false;
      let client: pg.Client | undefined;
      const connect = async (): Promise<void> => {
        const next = new pg.Client({ connectionString: url });
        next.on('notification', (message) => heard(message.payload ?? ''));
        next.on('error', () => {});
        next.on('end', () => {
          if (client === next) void reconnect();
        });
        await next.connect();
        await next.query(`listen ${pg.escapeIdentifier(channel)}`);
        client = next;
      };
      const reconnect = async (): Promise<void> => {
        for (let waitMs = 100; !isClosed; waitMs = Math.min(waitMs * 2, 5000)) {
          try {
            await connect();
            reconnected();
            return;
          } catch {
            await new Promise((resolve) => setTimeout(resolve, waitMs).unref());
          }
        }
      };
      await connect();
      return {
        async close() {
          isClosed = true;
          const last = client;
          client = undefined;
          await last?.end();
        },
      };
    },
    close: () => pool.end(),
  };
}

/** A JSON parameter. Arrays must go through it too: `pg` would send a bare array as a PostgreSQL array. */
export function json(value: unknown): string {
  return JSON.stringify(value);
}

/** The constraint an error broke, if it is one: `constraintOf(e) === 'fields_code_key'`. */
export function constraintOf(error: unknown): string | undefined {
  return error instanceof Error && 'constraint' in error && typeof error.constraint === 'string' ? error.constraint : undefined;
}

/**
 * Tells every process that cached configuration of this kind is old, from this commit on. Numbers come
 * from a sequence, so one that was rolled back is never used again for other content.
 */
export async function bumpConfig(tx: Queryable, name: keyof ConfigVersions): Promise<void> {
  await tx.run(sql`update config_versions set version = nextval('config_version_numbers') where name = ${name}`);
}

export interface ConfigVersions {
  people: number;
  access: number;
  crm: number;
  robots: number;
  channels: number;
  apps: number;
}

/** The versions of all cached configuration, in one small query. */
export async function configVersions(q: Queryable): Promise<ConfigVersions> {
  const versions: ConfigVersions = { people: 0, access: 0, crm: 0, robots: 0, channels: 0, apps: 0 };
  const rows = await q.rows<{ name: keyof ConfigVersions; version: number }>(sql`select name, version from config_versions`);
  for (const { name, version } of rows) versions[name] = version;
  return versions;
}
