/**
 * A text as the octets of its submit_sm: the GSM 7-bit default alphabet (3GPP TS 23.038) where it
 * does, UCS-2 otherwise; parts with a concatenation header (TS 23.040, 9.2.3.24.1). Pure.
 */
import { smsParts } from '../../parts.ts';

export interface Encoded {
  /** data_coding: 0 the default alphabet, 8 UCS-2. */
  dataCoding: 0 | 8;
  /** One for each SMS; with more than one each begins with its header. */
  parts: readonly Buffer[];
}

/** By code, so that a character's place is its septet. */
const alphabet = '@£$¥èéùìòÇ\nØø\rÅåΔ_ΦΓΛΩΠΨΣΘΞ\u001bÆæßÉ !"#¤%&\'()*+,-./0123456789:;<=>?¡ABCDEFGHIJKLMNOPQRSTUVWXYZÄÖÑÜ§¿abcdefghijklmnopqrstuvwxyzäöñüà';
const escape = 0x1b;
const extended: readonly (readonly [string, number])[] = [
  ['\f', 0x0a], ['^', 0x14], ['{', 0x28], ['}', 0x29], ['\\', 0x2f], ['[', 0x3c], ['~', 0x3d], [']', 0x3e], ['|', 0x40], ['€', 0x65],
];
const septets = new Map<string, readonly number[]>([
  ...[...alphabet].map((character, code): [string, number[]] => [character, [code]]),
  ...extended.map(([character, code]): [string, number[]] => [character, [escape, code]]),
]);
const headerOctets = 6;

/**
 * `packed`: eight septets in seven octets, as on the air; most SMSCs want an octet for each.
 * `reference`: the same for all parts of a message, and for no other message to that phone at the time.
 */
export function encodeText(text: string, { packed, reference }: { packed: boolean; reference: number }): Encoded {
  const { encoding, parts } = smsParts(text);
  if (encoding === 'ucs2' && parts === 1) return { dataCoding: 8, parts: [ucs2(text)] };
  const units = (character: string) => (encoding === 'gsm7' ? (septets.get(character) ?? []) : ucs2(character));
  // 153 septets or 134 octets are left by the header.
  const room = parts <= 1 ? Infinity : encoding === 'gsm7' ? 153 : 134;
  const cut: number[][] = [[]];
  for (const character of text) {
    const next = units(character);
    // An escape and its character, or the halves of an emoji, are never parted.
    if ((cut.at(-1)?.length ?? 0) + next.length > room) cut.push([]);
    cut.at(-1)?.push(...next);
  }
  const isPacked = packed && encoding === 'gsm7';
  return {
    dataCoding: encoding === 'gsm7' ? 0 : 8,
    parts: cut.map((part, index) => {
      if (cut.length === 1) return isPacked ? pack(part, 0) : Buffer.from(part);
      const header = Buffer.from([5, 0, 3, reference & 0xff, cut.length, index + 1]);
      // Septets go on at the next septet boundary after the header: 48 bits and one to fill.
      return Buffer.concat([header, isPacked ? pack(part, 7 - ((headerOctets * 8) % 7)) : Buffer.from(part)]);
    }),
  };
}

/** The whole text in one piece, for message_payload. */
export function encodeWhole(text: string, { packed }: { packed: boolean }): { dataCoding: 0 | 8; octets: Buffer } {
  if (smsParts(text).encoding === 'ucs2') return { dataCoding: 8, octets: ucs2(text) };
  const all = [...text].flatMap((character) => septets.get(character) ?? []);
  return { dataCoding: 0, octets: packed ? pack(all, 0) : Buffer.from(all) };
}

/** UTF-16 for what is outside UCS-2, as every phone takes it. */
function ucs2(text: string): Buffer {
  return Buffer.from(text, 'utf16le').swap16();
}

function pack(codes: readonly number[], fillBits: number): Buffer {
  // Seven bits left over would read as one more «@»: a carriage return stands there instead (TS 23.038, 6.1.2.3.1).
  const all = (codes.length * 7 + fillBits) % 8 === 1 ? [...codes, 0x0d] : codes;
  const packed = Buffer.alloc(Math.ceil((all.length * 7 + fillBits) / 8));
  all.forEach((code, index) => {
    const bit = index * 7 + fillBits;
    const at = bit >> 3;
    const shifted = code << (bit & 7);
    packed[at] = (packed[at] ?? 0) | (shifted & 0xff);
    if (shifted > 0xff) packed[at + 1] = shifted >> 8;
  });
  return packed;
}
