/**
 * Jobs: loops that work off rows. The rows themselves are the queue (arrivals waiting for their
 * robots, runs whose moment has come, deliveries to send): a loop claims some with
 * FOR UPDATE SKIP LOCKED and finishes them in the same transaction, so a crash gives them back.
 *
 * A loop sleeps until it is woken (after a commit in this process, or by NOTIFY from another),
 * until the moment its last round named, or for `pollMs` at most: the poll is what finds the rows
 * of a process that died between its commit and its wake-up.
 *
 * Does not do: know what the rows mean, retry (each loop decides), or keep state that a crash loses.
 */
import { type Db, sql, type Tx } from '../db/db.ts';

export interface Round {
  /** How many rows the round finished. */
  worked: number;
  /** The round was full: there is probably more to do right now. */
  hasMore: boolean;
  /** When the next row falls due, if the loop knows; null: nothing is planned. */
  nextDueAt?: Date | null;
}

export interface Loop {
  name: string;
  /** How many rounds may run side by side in one process. */
  lanes: number;
  pollMs: number;
  /** One round: claim, work, commit. An error is logged and the loop waits for `pollMs`. */
  work(): Promise<Round>;
}

/** Failed since its last round that went well. */
export interface FailingLoop {
  name: string;
  failures: number;
  since: Date;
  message: string;
}

const channel = 'vestnik_jobs';
const longestMessage = 300;

export interface Jobs {
  add(loop: Loop): void;
  /** Wakes the loop when the transaction has committed, in whichever process works. */
  wake(tx: Tx, name: string): Promise<void>;
  start(): Promise<void>;
  /** Lets running rounds finish and starts no more. */
  stop(): Promise<void>;
  /** Loops of this process whose last round failed. */
  failing(): FailingLoop[];
  /** Runs every loop, in order, until none has anything due. For tests and tools; not beside start(). */
  drain(): Promise<void>;
}

export function createJobs({ db, now, onError }: { db: Db; now: () => Date; onError: (error: unknown, loop: string) => void }): Jobs {
  const runners = new Map<string, Runner>();
  let listener: { close(): Promise<void> } | undefined;
  let isStarted = false;
  const failing = new Map<string, FailingLoop>();
  function noteFailure(name: string, error: unknown): void {
    const message = (error instanceof Error ? error.message : String(error)).slice(0, longestMessage);
    const before = failing.get(name);
    failing.set(name, { name, failures: (before?.failures ?? 0) + 1, since: before?.since ?? now(), message });
  }

  class Runner {
    readonly loop: Loop;
    private busy = 0;
    private isWoken = false;
    private timer: NodeJS.Timeout | undefined;
    private idle: (() => void)[] = [];
    constructor(loop: Loop) {
      this.loop = loop;
    }
    wake(): void {
      if (!isStarted) return;
      // A busy lane goes round once more and takes what has gathered: fewer and fuller rounds. More
      // lanes open only while rounds come out full.
      if (this.busy > 0) this.isWoken = true;
      else void this.lane();
    }
    private async lane(): Promise<void> {
      this.busy++;
      clearTimeout(this.timer);
      let sleepMs = this.loop.pollMs;
      for (;;) {
        this.isWoken = false;
        let hasMore = false;
        sleepMs = this.loop.pollMs;
        try {
          const round = await this.loop.work();
          failing.delete(this.loop.name);
          hasMore = round.hasMore;
          if (round.nextDueAt) sleepMs = Math.min(sleepMs, Math.max(0, round.nextDueAt.getTime() - now().getTime()));
        } catch (error) {
          noteFailure(this.loop.name, error);
          onError(error, this.loop.name);
        }
        if (!isStarted) break;
        if (hasMore && this.busy < this.loop.lanes) void this.lane();
        if (!hasMore && !this.isWoken) break;
      }
      this.busy--;
      if (!isStarted) {
        if (this.busy === 0) for (const done of this.idle.splice(0)) done();
        return;
      }
      clearTimeout(this.timer);
      this.timer = setTimeout(() => this.wake(), sleepMs);
    }
    async stopped(): Promise<void> {
      clearTimeout(this.timer);
      if (this.busy > 0) await new Promise<void>((resolve) => this.idle.push(resolve));
    }
  }

  return {
    add(loop) {
      runners.set(loop.name, new Runner(loop));
    },
    async wake(tx, name) {
      if (isStarted) tx.afterCommit(() => runners.get(name)?.wake());
      else await tx.run(sql`select pg_notify(${channel}, ${name})`);
    },
    async start() {
      isStarted = true;
      const wakeAll = () => runners.forEach((runner) => runner.wake());
      listener = await db.listen(channel, (name) => runners.get(name)?.wake(), wakeAll);
      wakeAll();
    },
    async stop() {
      isStarted = false;
      await listener?.close();
      await Promise.all([...runners.values()].map((runner) => runner.stopped()));
    },
    failing: () => [...failing.values()],
    async drain() {
      for (let again = true; again; ) {
        again = false;
        for (const { loop } of runners.values()) {
          for (let more = true; more; ) {
            const round = await loop.work();
            more = round.worked > 0;
            again ||= more;
          }
        }
      }
    },
  };
}
