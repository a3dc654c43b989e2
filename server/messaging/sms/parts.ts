/** How a text is cut into SMS, by 3GPP TS 23.038 and 23.040. Pure. */

const gsm7 = new Set(
  '@£$¥èéùìòÇ\nØø\rÅåΔ_ΦΓΛΩΠΨΣΘΞÆæßÉ !"#¤%&\'()*+,-./0123456789:;<=>?¡ABCDEFGHIJKLMNOPQRSTUVWXYZÄÖÑÜ§¿abcdefghijklmnopqrstuvwxyzäöñüà',
);
/** These take an escape before them: two units. */
const gsm7Extended = new Set('\f^{}\\[~]|€');

export interface SmsParts {
  encoding: 'gsm7' | 'ucs2';
  /** Septets or 16-bit units of the whole text. */
  units: number;
  parts: number;
  /** The first character for which the cheap alphabet does not do; null: there is none. */
  forcingCharacter: string | null;
}

/** A text of one part has all of an SMS; in a longer one each part gives six octets to a header. */
const room = { gsm7: { single: 160, each: 153 }, ucs2: { single: 70, each: 67 } } as const;

/** No text takes no part. */
export function smsParts(text: string): SmsParts {
  const characters = [...text];
  const forcingCharacter = characters.find((character) => !gsm7.has(character) && !gsm7Extended.has(character)) ?? null;
  const encoding = forcingCharacter === null ? 'gsm7' : 'ucs2';
  const sizes = characters.map((character) => (encoding === 'ucs2' ? character.length : gsm7Extended.has(character) ? 2 : 1));
  const units = sizes.reduce((sum, size) => sum + size, 0);
  const { single, each } = room[encoding];
  if (units <= single) return { encoding, units, parts: units === 0 ? 0 : 1, forcingCharacter };
  let parts = 1;
  let used = 0;
  for (const size of sizes) {
    // An escape and its character, or the halves of an emoji, are never parted.
    if (used + size > each) {
      parts++;
      used = 0;
    }
    used += size;
  }
  return { encoding, units, parts, forcingCharacter };
}
