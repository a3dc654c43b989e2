/**
 * Memory: V8 lets garbage pile up to several times what is in use before it looks for it, because memory is
 * there to be used. On the small machines this product runs on it is not. Measured while working off 30,000
 * arrivals of five robots: peak 490 MB without, 260 MB with these settings, for a fifth more processor time.
 */
import { setFlagsFromString } from 'node:v8';

/** Before anything is allocated: once, at the start of the process. */
export function limitGarbage(): void {
  setFlagsFromString('--heap-growing-percent=70');
  setFlagsFromString('--semi-space-growth-factor=1');
}
