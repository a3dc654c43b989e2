/** Passwords: argon2id with the parameters OWASP recommends (19 MiB, 2 passes). The only importer of argon2. */
import { hash, verify } from '@node-rs/argon2';
import { UserError } from '../../shared/errors.ts';
import { commonPasswords } from './common-passwords.ts';

export const minPasswordLength = 8;

/**
 * Of a password nobody has, with the parameters of the others: checked when there is no such
 * person, so that the time of an answer does not tell who works here.
 */
const decoyHash = '$argon2id$v=19$m=19456,t=2,p=1$ZvNC5R7Dc2HjDP0+giuD5A$1l0IzAGvkmqOxnrmyyHH2H3DdhXtFiR1wwN3+VxVUac';

export function hashPassword(password: string): Promise<string> {
  return hash(password.normalize('NFC'), { memoryCost: 19_456, timeCost: 2, parallelism: 1 });
}

/** storedHash null: takes as long as a real check, and is false. */
export async function isPassword(storedHash: string | null, password: string): Promise<boolean> {
  const isRight = await verify(storedHash ?? decoyHash, password.normalize('NFC'));
  return isRight && storedHash !== null;
}

/** Throws when the password is too short, one of the commonest, or the person's own e-mail. */
export function refuseWeakPassword(password: string, email: string, path: string): void {
  if ([...password].length < minPasswordLength) throw new UserError('password.too_short', { min: minPasswordLength }, path);
  const plain = password.toLowerCase();
  const isOneCharacter = new Set(plain).size < 3;
  if (isOneCharacter || commonPasswords.has(plain) || plain === email.toLowerCase() || plain === email.toLowerCase().split('@')[0]) {
    throw new UserError('password.too_common', {}, path);
  }
}
