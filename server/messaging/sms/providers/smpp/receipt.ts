/**
 * Delivery receipts (SMPP 3.4, appendix B and 5.3.2.12, 5.3.2.35): out of TLVs where they are, else
 * out of the text `id:… sub:… dlvrd:… submit date:… done date:… stat:… err:… text:…`. Pure.
 */
import type { PDU } from 'smpp';
import { encodings } from 'smpp/lib/defs.js';

export interface Receipt {
  messageId: string;
  /** pending: on its way still; lost: it never will arrive. */
  state: 'delivered' | 'lost' | 'pending';
  /** What the SMSC said: 'UNDELIV 045'. */
  detail: string;
}

/** esm_class, bits 2–5: 0x04 an SMSC's receipt; 0x20 an intermediate notification. */
const typeMask = 0x3c;
const receiptTypes: readonly number[] = [0x04, 0x20];
/** message_state (5.2.28). */
const states = ['SCHEDULED', 'ENROUTE', 'DELIVRD', 'EXPIRED', 'DELETED', 'UNDELIV', 'ACCEPTD', 'UNKNOWN', 'REJECTD', 'SKIPPED'] as const;
const lost: readonly string[] = ['EXPIRED', 'DELETED', 'UNDELIV', 'REJECTD', 'SKIPPED'];

/** undefined: it is no receipt, or none that says of what. */
export function receiptOf(pdu: PDU): Receipt | undefined {
  const esmClass = typeof pdu.esm_class === 'number' ? pdu.esm_class : 0;
  const hasTlv = typeof pdu.receipted_message_id === 'string' && pdu.receipted_message_id !== '';
  if (!receiptTypes.includes(esmClass & typeMask) && !hasTlv) return undefined;
  const text = textOf(pdu.short_message, pdu.data_coding) || textOf(pdu.message_payload, pdu.data_coding);
  const field = (name: string) => new RegExp(`(?:^|\\s)${name}:([^\\s]*)`, 'i').exec(text)?.[1];
  const messageId = hasTlv ? String(pdu.receipted_message_id).replaceAll('\0', '') : field('id');
  if (!messageId) return undefined;
  const stat = (typeof pdu.message_state === 'number' ? states[pdu.message_state] : undefined) ?? field('stat')?.toUpperCase() ?? 'UNKNOWN';
  const code = field('err');
  return {
    messageId: messageId.slice(0, 65),
    state: fateOf(stat),
    detail: code && !/^0*$/.test(code) ? `${stat} ${code}`.slice(0, 100) : stat.slice(0, 100),
  };
}

/** Some say DELIVERED or UNDELIVERABLE in full. */
function fateOf(stat: string): Receipt['state'] {
  return stat.startsWith('DELIV') ? 'delivered' : lost.some((word) => stat.startsWith(word)) ? 'lost' : 'pending';
}

/** The package reads data_coding 0 as the GSM alphabet; receipts are plain ASCII, and their ids may hold «_» or «@». */
function textOf(field: unknown, dataCoding: unknown): string {
  if (Buffer.isBuffer(field)) return field.toString('latin1');
  if (typeof field !== 'object' || field === null || !('message' in field)) return '';
  if (Buffer.isBuffer(field.message)) return field.message.toString('latin1');
  if (typeof field.message !== 'string') return '';
  const wasGsm = typeof dataCoding !== 'number' || (dataCoding & 0x0f) <= 1;
  return wasGsm ? encodings.ASCII.encode(field.message).toString('latin1') : field.message;
}

export type IdWriting = 'same' | 'receipt_decimal' | 'receipt_hex';

/**
 * Some SMSCs answer submit_sm with a number in hexadecimal and name it in decimal in receipts, or the
 * other way round. Both come out the same here, whatever the zeros in front and the capitals.
 */
export function comparableId(id: string, from: 'answer' | 'receipt', writing: IdWriting): string {
  if (writing === 'same') return id;
  const isHex = (writing === 'receipt_hex') === (from === 'receipt');
  if (isHex) return /^[0-9a-f]+$/i.test(id) ? BigInt(`0x${id}`).toString() : id;
  return /^\d+$/.test(id) ? BigInt(id).toString() : id;
}
