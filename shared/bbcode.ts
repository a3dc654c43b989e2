/**
 * BBCode → HTML and plain text. The one place that decides what markup of people becomes.
 *
 * A list of what is allowed, nothing else: unknown tags, tags that are not closed, and links or
 * pictures with any scheme but http, https and mailto are shown as they were typed. Every character
 * of the source is escaped; no attribute is taken over without being checked.
 */
import { parse } from '@bbob/parser';

export interface BbcodeOptions {
  /** Where relative links lead: 'https://crm.example.com'. Without it they stay relative. */
  baseUrl?: string;
  /** The page of an employee that is mentioned; without it the name is plain text. */
  userLink?: (employeeId: number) => string;
}

const allowedTags = ['b', 'i', 's', 'u', 'url', 'img', 'color', 'size', 'list', '*', 'table', 'tr', 'td', 'quote', 'code', 'user'];
/** Deeper nesting is nobody's letter; it is shown as typed, and costs no stack. */
const maxDepth = 50;

interface Tag {
  name: string;
  /** What follows the equals sign. */
  value: string;
  children: Node[];
  /** As typed. */
  opening: string;
  closing: string;
}
type Node = string | Tag;

export function bbcodeToHtml(source: string, options: BbcodeOptions = {}): string {
  return htmlOf(treeOf(source), options);
}

export function bbcodeToText(source: string, options: BbcodeOptions = {}): string {
  return textOf(treeOf(source), options);
}

/** Characters that would be read as markup, shown as they are. */
export function escapeHtml(text: string): string {
  return text.replace(/[&<>"']/g, (char) => `&#${char.charCodeAt(0)};`);
}

// Reading

interface Parsed {
  tag?: unknown;
  attrs?: Record<string, unknown>;
  content?: unknown;
  start?: { from: number; to: number };
  end?: { from: number; to: number };
}

function treeOf(source: string): Node[] {
  const text = source.replaceAll('\r\n', '\n').replaceAll('\0', '');
  const parsed: unknown[] = parse(text, { onlyAllowTags: allowedTags, contextFreeTags: ['code'], caseFreeTags: true });
  return nodesOf(parsed, text, 0);
}

function nodesOf(content: unknown, source: string, depth: number): Node[] {
  if (!Array.isArray(content)) return [];
  return content.flatMap((node: unknown): Node[] => {
    if (typeof node === 'string') return [node];
    if (typeof node !== 'object' || node === null) return [];
    const { tag, attrs, content: inner, start, end }: Parsed = node;
    if (typeof tag !== 'string' || !start) return [];
    const opening = source.slice(start.from, start.to);
    const closing = end ? source.slice(end.from, end.to) : '';
    // Only list items stand alone.
    if (!end && tag !== '*') return [opening, ...nodesOf(inner, source, depth)];
    if (depth >= maxDepth) return [source.slice(start.from, end ? end.to : start.to)];
    const equals = /^\[[^\s=\]]+=(.*)\]$/s.exec(opening)?.[1] ?? '';
    const value = (Object.keys(attrs ?? {}).length > 0 ? equals : '').trim().replace(/^(["'])(.*)\1$/s, '$2');
    return [{ name: tag.toLowerCase(), value, children: nodesOf(inner, source, depth + 1), opening, closing }];
  });
}

/** The link as it may be used; undefined: it may not. */
function safeUrl(raw: string, { baseUrl }: BbcodeOptions, { allowMail }: { allowMail: boolean }): string | undefined {
  const url = raw.trim();
  // Browsers drop these inside of a scheme, so that «java\tscript:» would still run.
  if (url === '' || url.length > 4000 || /[\u0000-\u0020\u007f\u00a0\u2028\u2029<>"'`\\]/.test(url)) return undefined;
  if (/^https?:\/\/[^/?#]/i.test(url)) return URL.canParse(url) ? url : undefined;
  if (allowMail && /^mailto:[^\s]+@[^\s]+$/i.test(url)) return url;
  if (/^www\.[^\s]+\./i.test(url)) return `https://${url}`;
  // «//host» would leave the server, «a:b» could be any scheme.
  if (/^\/(?!\/)/.test(url)) return baseUrl === undefined ? url : URL.parse(url, baseUrl)?.href;
  return undefined;
}

const colors = /^(#[0-9a-f]{3}|#[0-9a-f]{6}|[a-z]{3,20})$/i;

// Writing

function htmlOf(nodes: readonly Node[], options: BbcodeOptions): string {
  return nodes.map((node) => (typeof node === 'string' ? escapeHtml(node).replaceAll('\n', '<br>\n') : htmlOfTag(node, options))).join('');
}

function htmlOfTag(tag: Tag, options: BbcodeOptions): string {
  const inner = () => htmlOf(tag.children, options);
  const asTyped = () => `${escapeHtml(tag.opening)}${inner()}${escapeHtml(tag.closing)}`;
  switch (tag.name) {
    case 'b': case 'i': case 's': case 'u':
      return `<${tag.name}>${inner()}</${tag.name}>`;
    case 'url': {
      const url = safeUrl(tag.value || flat(tag.children), options, { allowMail: true });
      return url === undefined ? asTyped() : `<a href="${escapeHtml(url)}" target="_blank" rel="noopener noreferrer nofollow">${withoutLinks(tag, options)}</a>`;
    }
    case 'img': {
      const url = safeUrl(flat(tag.children), options, { allowMail: false });
      return url === undefined ? asTyped() : `<img src="${escapeHtml(url)}" alt="" style="max-width:100%">`;
    }
    case 'color':
      return colors.test(tag.value) ? `<span style="color:${tag.value}">${inner()}</span>` : asTyped();
    case 'size': {
      const points = /^(\d{1,2})(px|pt)?$/i.exec(tag.value);
      const size = Math.min(Math.max(Number(points?.[1] ?? 0), 6), 48);
      return points ? `<span style="font-size:${size}${points[2]?.toLowerCase() ?? 'px'}">${inner()}</span>` : asTyped();
    }
    case 'list': {
      const element = /^[1ai]$/i.test(tag.value) ? 'ol' : 'ul';
      const { before, items } = itemsOf(tag.children);
      return `${htmlOf(before, options)}<${element}>${items.map((item) => `<li>${htmlOf(item, options)}</li>`).join('')}</${element}>`;
    }
    case 'table':
      return `<table border="1" style="border-collapse:collapse">${rowsOf(tag, 'tr').map((row) => htmlOfTag(row, options)).join('')}</table>`;
    case 'tr':
      return `<tr>${rowsOf(tag, 'td').map((cell) => htmlOfTag(cell, options)).join('')}</tr>`;
    case 'td':
      return `<td>${inner()}</td>`;
    case 'quote':
      return `<blockquote>${tag.value ? `<b>${escapeHtml(tag.value)}</b><br>` : ''}${inner()}</blockquote>`;
    case 'code':
      return `<pre>${escapeHtml(flat(tag.children))}</pre>`;
    case 'user': {
      const id = /^[1-9]\d{0,15}$/.test(tag.value) ? Number(tag.value) : undefined;
      if (id === undefined) return asTyped();
      const link = options.userLink && safeUrl(options.userLink(id), options, { allowMail: false });
      return link ? `<a href="${escapeHtml(link)}" data-employee-id="${id}">${withoutLinks(tag, options)}</a>` : `<span data-employee-id="${id}">${inner()}</span>`;
    }
    default:
      return asTyped();
  }
}

/** A link inside a link is not HTML: inner ones become text. */
function withoutLinks(tag: Tag, options: BbcodeOptions): string {
  const strip = (nodes: readonly Node[]): Node[] =>
    nodes.flatMap((node): Node[] => {
      if (typeof node === 'string') return [node];
      return node.name === 'url' || node.name === 'user' ? strip(node.children) : [{ ...node, children: strip(node.children) }];
    });
  return htmlOf(strip(tag.children), options);
}

function itemsOf(children: readonly Node[]): { before: Node[]; items: Node[][] } {
  const before: Node[] = [];
  const items: Node[][] = [];
  for (const node of children) {
    if (typeof node !== 'string' && node.name === '*') items.push([...node.children]);
    else if (items.length > 0) items.at(-1)?.push(node);
    else if (typeof node !== 'string' || node.trim() !== '') before.push(node);
  }
  for (const item of items) trimEnds(item);
  return { before, items };
}

/** Line breaks between the items are how people write lists, not empty lines in them. */
function trimEnds(nodes: Node[]): void {
  const first = nodes[0];
  if (typeof first === 'string') nodes[0] = first.trimStart();
  while (typeof nodes.at(-1) === 'string' && String(nodes.at(-1)).trim() === '') nodes.pop();
}

/** Rows of a table, cells of a row: anything else between them is dropped only if it is blank. */
function rowsOf(tag: Tag, name: 'tr' | 'td'): Tag[] {
  return tag.children.flatMap((node): Tag[] => {
    if (typeof node !== 'string' && node.name === name) return [node];
    if (typeof node === 'string' && node.trim() === '') return [];
    return [{ name, value: '', children: name === 'tr' ? [{ name: 'td', value: '', children: [node], opening: '', closing: '' }] : [node], opening: '', closing: '' }];
  });
}

/** What was typed inside, without meaning. */
function flat(nodes: readonly Node[]): string {
  return nodes.map((node) => (typeof node === 'string' ? node : `${node.opening}${flat(node.children)}${node.closing}`)).join('');
}

function textOf(nodes: readonly Node[], options: BbcodeOptions): string {
  return nodes.map((node) => (typeof node === 'string' ? node : textOfTag(node, options))).join('');
}

function textOfTag(tag: Tag, options: BbcodeOptions): string {
  const inner = textOf(tag.children, options);
  switch (tag.name) {
    case 'url': {
      const url = safeUrl(tag.value || flat(tag.children), options, { allowMail: true });
      if (url === undefined) return `${tag.opening}${inner}${tag.closing}`;
      return inner.trim() === '' || inner === url || tag.value === '' ? url : `${inner} (${url.replace(/^mailto:/i, '')})`;
    }
    case 'img':
      return safeUrl(flat(tag.children), options, { allowMail: false }) ?? `${tag.opening}${inner}${tag.closing}`;
    case 'list': {
      const isNumbered = /^[1ai]$/i.test(tag.value);
      const { before, items } = itemsOf(tag.children);
      return [textOf(before, options), ...items.map((item, index) => `${isNumbered ? `${index + 1}.` : '•'} ${textOf(item, options)}`)].filter((line) => line !== '').join('\n');
    }
    case 'table':
      return rowsOf(tag, 'tr').map((row) => rowsOf(row, 'td').map((cell) => textOf(cell.children, options).trim()).join('\t')).join('\n');
    case 'quote':
      return `${tag.value ? `${tag.value}:\n` : ''}${inner.split('\n').map((line) => `> ${line}`).join('\n')}`;
    case 'code':
      return flat(tag.children);
    default:
      return inner;
  }
}
