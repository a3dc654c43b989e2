/** How many SMS a text is, and which letter makes it cost more: GSM 7-bit where it does, UCS-2 otherwise. Pure. */

const basic = new Set('@£$¥èéùìòÇ\nØø\rÅåΔ_ΦΓΛΩΠΨΣΘΞÆæßÉ !"#¤%&\'()*+,-./0123456789:;<=>?¡ABCDEFGHIJKLMNOPQRSTUVWXYZÄÖÑÜ§¿abcdefghijklmnopqrstuvwxyzäöñüà');
const twice = new Set('\f^{}\\[~]|€');

export interface SmsCount {
  characters: number;
  parts: number;
  /** How many more characters fit into the last part. */
  left: number;
  /** The first character because of which a part holds 70 instead of 160; undefined: there is none. */
  costly: string | undefined;
}

export function countSms(text: string): SmsCount {
  const costly = [...text].find((character) => !basic.has(character) && !twice.has(character));
  const units = costly === undefined ? [...text].reduce((sum, character) => sum + (twice.has(character) ? 2 : 1), 0) : text.length;
  const [single, each] = costly === undefined ? [160, 153] : [70, 67];
  const parts = units === 0 ? 0 : units <= single ? 1 : Math.ceil(units / each);
  return { characters: text.length, parts, left: parts <= 1 ? single - units : parts * each - units, costly };
}
