/**
 * Slows down who guesses passwords, without letting anyone lock somebody else out:
 * one address gets few tries at one account; one address gets so many in all; an account under
 * attack from many addresses is closed to new addresses only: where its owner has a session, the
 * owner still gets in. In memory of one process: a restart forgives, several processes add up.
 */
import { UserError } from '../../shared/errors.ts';

const windowMs = 15 * 60_000;
const signInLimits = {
  /** A person who tries the four passwords they have, twice. */
  pair: 10,
  /** Failures only, so an office behind one address is far from it. */
  address: 100,
  account: 100,
};
/** About 10 MB at worst; the oldest counters go first. */
const maxCounters = 50_000;

export interface SignInGuard {
  /**
   * Counts a try before the password is looked at, so tries made side by side all count. Throws
   * sign_in.too_many. `isKnownPlace` is asked only when the account is under attack.
   */
  take(email: string, address: string, isKnownPlace: () => Promise<boolean>): Promise<void>;
  /** The try was right: it does not count. */
  giveBack(email: string, address: string): void;
}

export function createSignInGuard({ now, limits = signInLimits }: { now: () => Date; limits?: typeof signInLimits }): SignInGuard {
  const counters = new Map<string, { count: number; until: number }>();

  function counter(key: string): { count: number; until: number } {
    const at = now().getTime();
    let found = counters.get(key);
    if (!found || found.until <= at) {
      counters.delete(key); // a new one goes to the end: the order of the map is the order of age
      found = { count: 0, until: at + windowMs };
      counters.set(key, found);
      for (const [oldest, { until }] of counters) {
        if (until > at && counters.size <= maxCounters) break;
        counters.delete(oldest);
      }
    }
    return found;
  }

  const keys = (email: string, address: string) => {
    const account = email.trim().toLowerCase();
    return { pair: `pair ${address} ${account}`, address: `address ${address}`, account: `account ${account}` };
  };

  function refuse(until: number): never {
    throw new UserError('sign_in.too_many', { minutes: Math.max(1, Math.ceil((until - now().getTime()) / 60_000)) });
  }

  return {
    async take(email, address, isKnownPlace) {
      const key = keys(email, address);
      const pair = counter(key.pair);
      const ofAddress = counter(key.address);
      const ofAccount = counter(key.account);
      if (pair.count >= limits.pair) refuse(pair.until);
      if (ofAddress.count >= limits.address) refuse(ofAddress.until);
      pair.count++;
      ofAddress.count++;
      ofAccount.count++;
      if (ofAccount.count > limits.account && !(await isKnownPlace())) refuse(ofAccount.until);
    },
    giveBack(email, address) {
      const key = keys(email, address);
      counters.delete(key.pair);
      for (const each of [counters.get(key.address), counters.get(key.account)]) if (each && each.count > 0) each.count--;
    },
  };
}
