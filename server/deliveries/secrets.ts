/** Seals passwords and keys of channels: AES-256-GCM under a key derived from VESTNIK_SECRET. */
import { createCipheriv, createDecipheriv, hkdfSync, randomBytes } from 'node:crypto';

/** The first byte, so that another algorithm can follow one day. */
const format = 1;
const ivBytes = 12;
const tagBytes = 16;

export interface Sealer {
  /** `purpose` is bound to the seal: what was sealed for mail does not open for SMS. */
  seal(purpose: string, value: Readonly<Record<string, string>>): Buffer;
  /** undefined: sealed under another secret, for another purpose, or damaged. */
  open(purpose: string, sealed: Buffer): Record<string, string> | undefined;
}

export function createSealer(secret: string): Sealer {
  const key = Buffer.from(hkdfSync('sha256', secret, 'vestnik', 'channel secrets', 32));
  return {
    seal(purpose, value) {
      const iv = randomBytes(ivBytes);
      const cipher = createCipheriv('aes-256-gcm', key, iv).setAAD(Buffer.from(purpose));
      const text = Buffer.concat([cipher.update(JSON.stringify(value), 'utf8'), cipher.final()]);
      return Buffer.concat([Buffer.from([format]), iv, cipher.getAuthTag(), text]);
    },
    open(purpose, sealed) {
      if (sealed[0] !== format || sealed.length < 1 + ivBytes + tagBytes) return undefined;
      const iv = sealed.subarray(1, 1 + ivBytes);
      const tag = sealed.subarray(1 + ivBytes, 1 + ivBytes + tagBytes);
      try {
        const decipher = createDecipheriv('aes-256-gcm', key, iv, { authTagLength: tagBytes }).setAAD(Buffer.from(purpose)).setAuthTag(tag);
        const value: unknown = JSON.parse(decipher.update(sealed.subarray(1 + ivBytes + tagBytes)).toString('utf8') + decipher.final('utf8'));
        if (typeof value !== 'object' || value === null) return undefined;
        return Object.fromEntries(Object.entries(value).flatMap(([name, text]) => (typeof text === 'string' ? [[name, text]] : [])));
      } catch {
        return undefined;
      }
    },
  };
}
