/**
 * Which process owns a directory: a lock file that names it by pid and start time, so that a pid
 * given to somebody else after a crash or a reboot is not taken for the owner.
 *
 * Node has no file locks, so taking over a dead owner's lock is a rename that only one starter wins.
 */
import { spawnSync } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { linkSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';

export interface OwnerLock {
  release(): void;
}

/** The directory belongs to a living process. */
export class OwnedError extends Error {
  readonly pid: number;
  constructor(pid: number) {
    super(`owned by process ${pid}`);
    this.name = 'OwnedError';
    this.pid = pid;
  }
}

/** Throws OwnedError while the process that took the lock before is alive. */
export function takeOwnerLock(file: string): OwnerLock {
  const mine = `${process.pid} ${startOf(process.pid) ?? ''}\n`;
  const draft = `${file}.${process.pid}.${randomBytes(6).toString('hex')}`;
  writeFileSync(draft, mine, { mode: 0o600 });
  try {
    for (let tries = 0; tries < 100; tries++) {
      // A link either appears whole or fails: nobody ever reads half a lock.
      if (attempt(() => linkSync(draft, file), 'EEXIST')) {
        return { release: () => readOrNull(file) === mine && rmSync(file, { force: true }) };
      }
      const held = readOrNull(file);
      if (held === null) continue;
      const pid = Number(held.split(' ')[0]);
      if (isSameProcess(pid, held.slice(held.indexOf(' ') + 1).trim())) throw new OwnedError(pid);
      const removed = `${draft}.dead`;
      if (!attempt(() => renameSync(file, removed), 'ENOENT')) continue;
      // Somebody was faster and this is already his living lock: give it back.
      if (readOrNull(removed) !== held) attempt(() => linkSync(removed, file), 'EEXIST');
      rmSync(removed, { force: true });
    }
    throw new Error(`Could not take the lock ${file}: other processes keep taking it. Start only one Vestnik there.`);
  } finally {
    rmSync(draft, { force: true });
  }
}

/** Whether the process runs. One that died and was not waited for yet does not. */
export function isAlive(pid: number): boolean {
  return startOf(pid) !== null;
}

function isSameProcess(pid: number, start: string): boolean {
  return Number.isInteger(pid) && pid > 0 && startOf(pid) === start;
}

/** When a process started, as text that no other process ever has together with this pid; null: it does not run. */
function startOf(pid: number): string | null {
  if (process.platform === 'linux') {
    const stat = readOrNull(`/proc/${pid}/stat`);
    if (stat === null) return null;
    // The name in parentheses may itself hold blanks and parentheses.
    const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
    if (fields[0] === 'Z' || fields[0] === 'X') return null;
    return `${fields[19]}@${readOrNull('/proc/sys/kernel/random/boot_id')?.trim() ?? ''}`;
  }
  const listed = spawnSync('ps', ['-o', 'stat=,lstart=', '-p', String(pid)], { encoding: 'utf8' });
  const [state = '', ...start] = (listed.stdout ?? '').trim().split(/\s+/);
  return state === '' || state.startsWith('Z') ? null : start.join(' ');
}

function readOrNull(file: string): string | null {
  try {
    return readFileSync(file, 'utf8');
  } catch {
    return null;
  }
}

/** False when it failed the expected way. */
function attempt(work: () => void, expected: string): boolean {
  try {
    work();
    return true;
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === expected) return false;
    throw error;
  }
}
