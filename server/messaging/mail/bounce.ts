/** Letters that came back: the only importer of postal-mime. Reads delivery status notifications (RFC 3464). */
import PostalMime from 'postal-mime';

export interface Bounce {
  /** false: the server is still trying, or says that the letter arrived. */
  isFinal: boolean;
  /** Of our letter, with its angle brackets. */
  messageId: string;
  recipient: string;
  /** What the last server said. */
  detail: string;
}

/** undefined: not a report, or not one that names the letter it is about. */
export async function readBounce(message: string): Promise<Bounce | undefined> {
  let parts;
  try {
    const parsed = await PostalMime.parse(message, { attachmentEncoding: 'utf8', maxNestingDepth: 20, maxHeadersSize: 200_000 });
    parts = parsed.attachments.map(({ mimeType, content }) => ({ mimeType, text: typeof content === 'string' ? content : '' }));
  } catch {
    return undefined;
  }
  const partOf = (...types: string[]) => parts.find(({ mimeType }) => types.includes(mimeType.toLowerCase()))?.text;
  const report = partOf('message/delivery-status', 'message/global-delivery-status');
  const letter = partOf('message/rfc822', 'text/rfc822-headers', 'message/global', 'message/global-headers');
  if (report === undefined || letter === undefined) return undefined;
  const messageId = /<[^<>\s]{1,500}>/.exec(headersOf(letter.split(/\r?\n\r?\n/, 1)[0] ?? '').get('message-id') ?? '')?.[0];
  // The first group is about the message, each that follows about one recipient; our letters have one.
  const recipients = report.split(/\r?\n\r?\n/).map(headersOf).filter((headers) => headers.has('action'));
  const failed = recipients.find((headers) => headers.get('action')?.toLowerCase() === 'failed') ?? recipients[0];
  if (!messageId || !failed) return undefined;
  const typed = (value: string) => value.replace(/^[^;]*;\s*/, '').trim();
  return {
    isFinal: failed.get('action')?.toLowerCase() === 'failed',
    messageId,
    recipient: typed(failed.get('final-recipient') ?? failed.get('original-recipient') ?? '').slice(0, 320),
    detail: (typed(failed.get('diagnostic-code') ?? '') || (failed.get('status') ?? '')).slice(0, 500),
  };
}

/** Names in small letters; of doubled ones the first. */
function headersOf(text: string): Map<string, string> {
  const headers = new Map<string, string>();
  for (const line of text.replace(/\r?\n[ \t]+/g, ' ').split(/\r?\n/)) {
    const [, name, value] = /^([!-9;-~]+):\s*(.*)$/.exec(line) ?? [];
    if (name !== undefined && value !== undefined && !headers.has(name.toLowerCase())) headers.set(name.toLowerCase(), value);
  }
  return headers;
}
