/**
 * Writes a field of something that others change, too. When somebody else changed another field meanwhile, the change is written
 * again on top of that, unasked; when it was the same field, both are shown and the person chooses. Nothing is overwritten unseen.
 */
import { shallowRef } from 'vue';
import { ApiError } from '../api.ts';
import { changeOf, type FieldShape, valueOf } from '../values/fields.ts';
import { areSameValues } from '../values/value.ts';

/** The same field, changed by two people. */
export interface Conflict {
  field: FieldShape;
  mine: unknown;
  theirs: unknown;
  /** Who wrote the other value, where history says so. */
  employeeId: number | null;
  at: string | undefined;
  currency: string | undefined;
  choose(which: 'mine' | 'theirs'): void;
}

interface Versioned {
  version: number;
  values: Record<string, unknown>;
  currency?: string;
}

export interface VersionedSource<Thing extends Versioned> {
  current(): Thing | undefined;
  fresh(): Promise<Thing>;
  /** Throws `…changed_meanwhile` when the version is another one. */
  patch(body: Record<string, unknown>, version: number): Promise<Thing>;
  put(changed: Thing): void;
  whoWrote(code: string): Promise<{ employeeId: number | null; at: string } | undefined>;
}

export function createVersionedWriter<Thing extends Versioned>(source: VersionedSource<Thing>) {
  const conflict = shallowRef<Conflict>();

  async function settle(field: FieldShape, mine: unknown, now: Thing): Promise<'mine' | 'theirs'> {
    const written = await source.whoWrote(field.code);
    return new Promise((resolve) => {
      conflict.value = {
        field, mine, theirs: valueOf(now, field), employeeId: written?.employeeId ?? null, at: written?.at, currency: now.currency,
        choose: (which) => {
          conflict.value = undefined;
          resolve(which);
        },
      };
    });
  }

  /** `base` is what the person saw when he began. Throws what the server refuses. */
  async function write(field: FieldShape, value: unknown, base: unknown, extra: Record<string, unknown> = {}): Promise<'written' | 'theirs'> {
    let now = source.current() ?? (await source.fresh());
    let seen = base;
    for (;;) {
      const theirs = valueOf(now, field);
      if (!areSameValues(theirs, seen)) {
        if (areSameValues(theirs, value)) return 'written';
        if ((await settle(field, value, now)) === 'theirs') return 'theirs';
        // What was shown beside one's own value is what is now overwritten.
        seen = theirs;
        now = source.current() ?? now;
        continue;
      }
      try {
        source.put(await source.patch({ ...changeOf(field, value), ...extra }, now.version));
        return 'written';
      } catch (error) {
        if (!(error instanceof ApiError) || !error.code.endsWith('.changed_meanwhile')) throw error;
        now = await source.fresh();
      }
    }
  }

  return { conflict, write };
}
