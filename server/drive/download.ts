/** How a file's bytes go out: headers under which a hostile file does no harm, and ranges. Pure. */
import { Readable } from 'node:stream';
import { create as contentDisposition } from 'content-disposition';

/** Media types a browser may show in place. Never HTML, SVG or XML: they can carry scripts. */
const shownInline = /^(image\/(png|jpeg|gif|webp|avif|bmp)|audio\/[\w.+-]+|video\/[\w.+-]+|text\/plain|application\/pdf)$/;

export interface Sent {
  name: string;
  mediaType: string;
  sizeBytes: number;
  sha256: Buffer;
  version: number;
}

export function etagOf(file: { version: number; sha256: Buffer }): string {
  return `"${file.version}-${file.sha256.toString('hex').slice(0, 32)}"`;
}

export function downloadHeaders(file: Sent, { inline }: { inline: boolean }): Record<string, string> {
  const isInline = inline && shownInline.test(file.mediaType);
  const isPdf = file.mediaType === 'application/pdf';
  return {
    'content-type': file.mediaType.startsWith('text/') ? `${file.mediaType}; charset=utf-8` : file.mediaType,
    'content-disposition': contentDisposition(file.name, { type: isInline ? 'inline' : 'attachment' }),
    'x-content-type-options': 'nosniff',
    // Browsers refuse to show a PDF in a sandbox; their viewers keep it apart by themselves.
    'content-security-policy':
      isInline && isPdf ? "frame-ancestors 'self'" : "sandbox; default-src 'none'; img-src 'self'; media-src 'self'; style-src 'unsafe-inline'; frame-ancestors 'self'",
    'cross-origin-resource-policy': 'same-origin',
    'accept-ranges': 'bytes',
    etag: etagOf(file),
    // Kept by the reader's browser at most, and asked for anew each time: the right to read may end.
    'cache-control': 'private, no-cache',
  };
}

/** What a request asks of a file. */
export interface Asked {
  method: string;
  headers: { range?: string | undefined; 'if-range'?: string | undefined; 'if-none-match'?: string | undefined };
  inline: boolean;
}

/** What is sent: a status, headers and the bytes. 416 goes without bytes: whoever asked says why. */
export interface Download {
  status: 200 | 206 | 304 | 416;
  headers: Record<string, string | number>;
  body: Readable | undefined;
}

export function downloadOf(file: Sent, stream: (range?: { start: number; end: number }) => Readable, { method, headers: asked, inline }: Asked): Download {
  const ifRange = asked['if-range'];
  const part = partOf(ifRange === undefined || ifRange === etagOf(file) ? asked.range : undefined, file.sizeBytes);
  if (part.kind === 'invalid') return { status: 416, headers: { 'content-range': `bytes */${file.sizeBytes}` }, body: undefined };
  const headers = downloadHeaders(file, { inline });
  if (asked['if-none-match'] === etagOf(file)) return { status: 304, headers, body: undefined };
  // HEAD needs the length alone; a stream that is not read to its end would keep the file open.
  const bytes = (range?: { start: number; end: number }) => (method === 'HEAD' ? Readable.from([]) : stream(range));
  if (part.kind === 'whole') return { status: 200, headers: { ...headers, 'content-length': file.sizeBytes }, body: bytes() };
  return {
    status: 206, body: bytes(part),
    headers: { ...headers, 'content-range': `bytes ${part.start}-${part.end}/${file.sizeBytes}`, 'content-length': part.end - part.start + 1 },
  };
}

export type Part = { kind: 'whole' } | { kind: 'part'; start: number; end: number } | { kind: 'invalid' };

/**
 * The part a Range header asks for. Several ranges at once, other units and malformed headers get
 * the whole file, as RFC 9110 allows; a range outside of the file is invalid.
 */
export function partOf(range: string | undefined, sizeBytes: number): Part {
  const found = /^bytes=(\d{0,15})-(\d{0,15})$/.exec(range?.trim() ?? '');
  if (!found || (found[1] === '' && found[2] === '')) return { kind: 'whole' };
  const [, first = '', last = ''] = found;
  if (first === '') {
    const count = Math.min(Number(last), sizeBytes);
    return count === 0 ? { kind: 'invalid' } : { kind: 'part', start: sizeBytes - count, end: sizeBytes - 1 };
  }
  const start = Number(first);
  const end = last === '' ? sizeBytes - 1 : Math.min(Number(last), sizeBytes - 1);
  if (last !== '' && Number(last) < start) return { kind: 'whole' };
  return start >= sizeBytes ? { kind: 'invalid' } : { kind: 'part', start, end };
}
