/**
 * Limits as Bitrix24 answers them: requests per second of a caller (a bucket that leaks), the time its calls of one
 * method took in ten minutes, and wrong credentials per address. Off unless set, but for the last.
 */
import { RestError, tooManyRequests } from './errors.ts';

export interface LimitOptions {
  /** How fast the bucket of a caller leaks; 0: no limit. It holds 25 times as much. */
  requestsPerSecond?: number;
  /** Seconds that one method may take a caller within ten minutes; 0: no limit. */
  operatingSeconds?: number;
}

const bucketSeconds = 25;
const windowMs = 600_000;
const basketMs = 60_000;
const wrongPerMinute = 120;
const maxKept = 10_000;

function leaky(limit: number, leakPerMs: number) {
  const buckets = new Map<string, { level: number; at: number }>();
  return {
    /** Pours one in; false when it would spill. */
    pour(key: string, at: number): boolean {
      const bucket = buckets.get(key) ?? { level: 0, at };
      const level = Math.max(0, bucket.level - Math.max(0, at - bucket.at) * leakPerMs) + 1;
      if (level > limit) return false;
      if (buckets.size >= maxKept && !buckets.has(key)) buckets.clear();
      buckets.set(key, { level, at });
      return true;
    },
    isFull(key: string, at: number): boolean {
      const bucket = buckets.get(key);
      return bucket !== undefined && bucket.level - Math.max(0, at - bucket.at) * leakPerMs + 1 > limit;
    },
  };
}

export function createLimits({ requestsPerSecond = 0, operatingSeconds = 0 }: LimitOptions) {
  const requests = leaky(requestsPerSecond * bucketSeconds, requestsPerSecond / 1000);
  const guesses = leaky(wrongPerMinute, wrongPerMinute / 60_000);
  /** Seconds by the minute they were used in. */
  const operating = new Map<string, Map<number, number>>();

  function used(key: string, at: number): { seconds: number; resetAt: number } {
    const baskets = operating.get(key);
    let seconds = 0;
    let oldest = at;
    for (const [minute, some] of baskets ?? []) {
      if (minute <= at - windowMs) baskets?.delete(minute);
      else {
        seconds += some;
        oldest = Math.min(oldest, minute);
      }
    }
    return { seconds, resetAt: oldest + windowMs };
  }

  return {
    countRequest(key: string, now: Date): void {
      if (requestsPerSecond > 0 && !requests.pour(key, now.getTime())) throw tooManyRequests();
    },
    /** Before credentials of this address are looked at. */
    refuseGuesser(address: string, now: Date): void {
      if (guesses.isFull(address, now.getTime())) throw tooManyRequests();
    },
    countWrong(address: string, now: Date): void {
      guesses.pour(address, now.getTime());
    },
    refuseBusy(key: string, method: string, now: Date): void {
      if (operatingSeconds > 0 && used(`${key} ${method}`, now.getTime()).seconds >= operatingSeconds) {
        throw new RestError('OPERATION_TIME_LIMIT', 'Method is blocked due to operation time limit.', 429);
      }
    },
    /** Returns what `time` tells: seconds used in the window, and when the oldest of them are forgotten. */
    countOperating(key: string, method: string, seconds: number, now: Date): { operating: number; operating_reset_at: number } {
      const at = now.getTime();
      if (operatingSeconds === 0) return { operating: 0, operating_reset_at: Math.floor((at + windowMs) / 1000) };
      const name = `${key} ${method}`;
      if (operating.size >= maxKept && !operating.has(name)) operating.clear();
      const baskets = operating.get(name) ?? new Map<number, number>();
      const minute = Math.floor(at / basketMs) * basketMs;
      operating.set(name, baskets.set(minute, (baskets.get(minute) ?? 0) + seconds));
      const { seconds: all, resetAt } = used(name, at);
      return { operating: Number(all.toFixed(6)), operating_reset_at: Math.floor(resetAt / 1000) };
    },
  };
}

export type Limits = ReturnType<typeof createLimits>;
