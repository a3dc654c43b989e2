/**
 * Changes that come at the same time share a transaction: while one is on its way to the disk, those that
 * come in meanwhile gather and go together in the next. Alone, a change waits for nobody. Sixteen people
 * dragging cards cost little more than one.
 *
 * Each change is still decided by itself, with its own rights, outcome and error. When the transaction fails
 * for a reason that is nobody's in particular, each change is tried again alone, so that one cannot
 * spoil another. A change is answered after the commit that holds it, never before.
 */
import { TransientError } from '../../shared/errors.ts';
import type { Db, Tx } from '../db/db.ts';

/** More gains nothing, and would hold the rows of many for long. */
const maxTogether = 100;
/** While one transaction waits for the disk, the next is being prepared. */
const lanes = 2;

interface Pending<Change, Outcome> {
  change: Change;
  resolve(outcome: Outcome): void;
  reject(error: unknown): void;
}

export function createTogether<Change extends { id: number }, Outcome>(
  db: Db,
  write: (tx: Tx, changes: readonly Change[]) => Promise<readonly Outcome[]>,
): (change: Change) => Promise<Outcome> {
  let gathered: Pending<Change, Outcome>[] = [];
  let busy = 0;

  /** Of each item the first: two moves of one item in one transaction would be one arrival, and one person's robots lost. */
  function takeBatch(): Pending<Change, Outcome>[] {
    const batch: Pending<Change, Outcome>[] = [];
    const later: Pending<Change, Outcome>[] = [];
    const ids = new Set<number>();
    for (const pending of gathered) {
      if (batch.length < maxTogether && !ids.has(pending.change.id)) batch.push(pending);
      else later.push(pending);
      ids.add(pending.change.id);
    }
    gathered = later;
    return batch;
  }

  async function writeBatch(batch: readonly Pending<Change, Outcome>[]): Promise<void> {
    try {
      const outcomes = await db.transaction((tx) => write(tx, batch.map((pending) => pending.change)));
      batch.forEach((pending, index) => {
        const outcome = outcomes[index];
        if (outcome === undefined) pending.reject(new Error('The change has no outcome.'));
        else pending.resolve(outcome);
      });
    } catch (error) {
      // The database is away: for each of them.
      if (batch.length === 1 || error instanceof TransientError) for (const pending of batch) pending.reject(error);
      else for (const pending of batch) await writeBatch([pending]);
    }
  }

  async function lane(): Promise<void> {
    busy++;
    while (gathered.length > 0) await writeBatch(takeBatch());
    busy--;
  }

  return (change) =>
    new Promise((resolve, reject) => {
      gathered.push({ change, resolve, reject });
      if (busy < lanes) void lane();
    });
}
