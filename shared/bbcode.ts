/**
 * BBCode → a tree of what it means, HTML and plain text. The one place that decides what markup of
 * people becomes; the browser shows and edits the tree.
 *
 * A list of what is allowed, nothing else: unknown tags, tags that are not closed, and links or
 * pictures with any scheme but http, https and mailto are shown as they were typed. Every character
 * of the source is escaped; no attribute is taken over without being checked. A backslash before a
 * square bracket or another backslash makes it an ordinary character: `escapeBbcode` writes these.
 */
import { parse } from '@bbob/parser';

export interface BbcodeOptions {
  /** Where relative links lead: 'https://crm.example.com'. Without it they stay relative. */
  baseUrl?: string;
  /** The page of an employee that is mentioned; without it the name is plain text. */
  userLink?: (employeeId: number) => string;
  /** Links that a placeholder will fill in are links already: for the editor of a template. */
  allowPlaceholderLinks?: boolean;
}

/** What a text means: checked, ready to be shown. */
export type RichNode =
  /** May hold line breaks. */
  | { kind: 'text'; text: string }
  | { kind: 'mark'; mark: 'b' | 'i' | 's' | 'u'; children: RichNode[] }
  /** No link and no mention stands inside of another. */
  | { kind: 'link'; url: string; children: RichNode[] }
  | { kind: 'image'; url: string }
  | { kind: 'color'; color: string; children: RichNode[] }
  /** `20px`, `14pt`. */
  | { kind: 'size'; size: string; children: RichNode[] }
  | { kind: 'mention'; employeeId: number; children: RichNode[] }
  | { kind: 'list'; isNumbered: boolean; items: RichNode[][] }
  /** Rows of cells. */
  | { kind: 'table'; rows: RichNode[][][] }
  | { kind: 'quote'; author: string; children: RichNode[] }
  | { kind: 'code'; text: string };

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

export function readBbcode(source: string, options: BbcodeOptions = {}): RichNode[] {
  return meaningOf(treeOf(source), options, false);
}

export function bbcodeToHtml(source: string, options: BbcodeOptions = {}): string {
  return htmlOf(readBbcode(source, options), options);
}

export function bbcodeToText(source: string, options: BbcodeOptions = {}): string {
  return textOf(treeOf(source), options);
}

/** The BBCode in which every character of the text stands for itself. */
export function escapeBbcode(plain: string): string {
  return /[\\[\]]/.test(plain) ? plain.replace(/[\\[\]]/g, '\\$&') : plain;
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
  const parsed: unknown[] = parse(text, { onlyAllowTags: allowedTags, contextFreeTags: ['code'], caseFreeTags: true, enableEscapeTags: true });
  return nodesOf(parsed, text, 0);
}

function nodesOf(content: unknown, source: string, depth: number): Node[] {
  if (!Array.isArray(content)) return [];
  return inOnePiece(content.flatMap((node: unknown): Node[] => {
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
  }));
}

/** The parser cuts texts into words. */
function inOnePiece(nodes: readonly Node[]): Node[] {
  const pieces: Node[] = [];
  for (const node of nodes) {
    const last = pieces.at(-1);
    if (typeof node === 'string' && typeof last === 'string') pieces[pieces.length - 1] = last + node;
    else pieces.push(node);
  }
  return pieces;
}

/** The link as it may be used; undefined: it may not. */
export function safeUrl(raw: string, { baseUrl, allowPlaceholderLinks = false }: BbcodeOptions, { allowMail }: { allowMail: boolean }): string | undefined {
  const url = raw.trim();
  if (allowPlaceholderLinks && /^(https?:\/\/[^\s"'<>[\]\\]*)?\{=[^{}[\]"'<\\]{1,200}\}[^\s"'<>[\]\\]*$/.test(url)) return url;
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

/** A link inside a link is not HTML: inner ones become text. */
function meaningOf(nodes: readonly Node[], options: BbcodeOptions, isInLink: boolean): RichNode[] {
  return withoutBreaksAtBlocks(nodes.flatMap((node) => (typeof node === 'string' ? { kind: 'text' as const, text: node } : meaningOfTag(node, options, isInLink))));
}

function meaningOfTag(tag: Tag, options: BbcodeOptions, isInLink: boolean): RichNode[] {
  const children = (inLink = isInLink) => meaningOf(tag.children, options, inLink);
  const asTyped = (): RichNode[] => [{ kind: 'text', text: tag.opening }, ...children(), { kind: 'text', text: tag.closing }];
  switch (tag.name) {
    case 'b': case 'i': case 's': case 'u':
      return [{ kind: 'mark', mark: tag.name, children: children() }];
    case 'url': {
      if (isInLink) return children();
      const url = safeUrl(tag.value || flat(tag.children), options, { allowMail: true });
      return url === undefined ? asTyped() : [{ kind: 'link', url, children: children(true) }];
    }
    case 'img': {
      const url = safeUrl(flat(tag.children), options, { allowMail: false });
      return url === undefined ? asTyped() : [{ kind: 'image', url }];
    }
    case 'color':
      return colors.test(tag.value) ? [{ kind: 'color', color: tag.value, children: children() }] : asTyped();
    case 'size': {
      const points = /^(\d{1,2})(px|pt)?$/i.exec(tag.value);
      const size = Math.min(Math.max(Number(points?.[1] ?? 0), 6), 48);
      return points ? [{ kind: 'size', size: `${size}${points[2]?.toLowerCase() ?? 'px'}`, children: children() }] : asTyped();
    }
    case 'list': {
      const { before, items } = itemsOf(tag.children);
      return [
        ...meaningOf(before, options, isInLink),
        { kind: 'list', isNumbered: /^[1ai]$/i.test(tag.value), items: items.map((item) => meaningOf(item, options, isInLink)) },
      ];
    }
    case 'table':
      return [{
        kind: 'table',
        rows: rowsOf(tag, 'tr').map((row) => rowsOf(row, 'td').map((cell) => meaningOf(cell.children, options, isInLink))),
      }];
    case 'quote': {
      const inner = [...tag.children];
      trimLines(inner);
      return [{ kind: 'quote', author: tag.value, children: meaningOf(inner, options, isInLink) }];
    }
    case 'code':
      return [{ kind: 'code', text: flat(tag.children) }];
    case 'user': {
      if (isInLink) return children();
      return /^[1-9]\d{0,15}$/.test(tag.value) ? [{ kind: 'mention', employeeId: Number(tag.value), children: children(true) }] : asTyped();
    }
    default:
      return asTyped();
  }
}

function isBlock(node: RichNode | undefined): boolean {
  return node !== undefined && (node.kind === 'list' || node.kind === 'table' || node.kind === 'quote' || node.kind === 'code');
}

/**
 * The line break before and after a list, a quote … is how people write them, not an empty line. Texts
 * side by side become one. What stays as an empty text is an empty line.
 */
function withoutBreaksAtBlocks(nodes: readonly RichNode[]): RichNode[] {
  const merged: RichNode[] = [];
  for (const node of nodes) {
    const last = merged.at(-1);
    if (node.kind === 'text' && last?.kind === 'text') merged[merged.length - 1] = { kind: 'text', text: last.text + node.text };
    else merged.push(node);
  }
  return merged.flatMap((node, index): RichNode[] => {
    if (node.kind !== 'text') return [node];
    let { text } = node;
    if (isBlock(merged[index - 1]) && text.startsWith('\n')) text = text.slice(1);
    if (text === '') return [];
    if (isBlock(merged[index + 1]) && text.endsWith('\n')) text = text.slice(0, -1);
    return [{ kind: 'text', text }];
  });
}

// Writing

function htmlOf(nodes: readonly RichNode[], options: BbcodeOptions): string {
  return nodes.map((node) => htmlOfNode(node, options)).join('');
}

function htmlOfNode(node: RichNode, options: BbcodeOptions): string {
  switch (node.kind) {
    case 'text':
      return escapeHtml(node.text).replaceAll('\n', '<br>\n');
    case 'mark':
      return `<${node.mark}>${htmlOf(node.children, options)}</${node.mark}>`;
    case 'link':
      return `<a href="${escapeHtml(node.url)}" target="_blank" rel="noopener noreferrer nofollow">${htmlOf(node.children, options)}</a>`;
    case 'image':
      return `<img src="${escapeHtml(node.url)}" alt="" style="max-width:100%">`;
    case 'color':
      return `<span style="color:${node.color}">${htmlOf(node.children, options)}</span>`;
    case 'size':
      return `<span style="font-size:${node.size}">${htmlOf(node.children, options)}</span>`;
    case 'list': {
      const element = node.isNumbered ? 'ol' : 'ul';
      return `<${element}>${node.items.map((item) => `<li>${htmlOf(item, options)}</li>`).join('')}</${element}>`;
    }
    case 'table':
      return `<table border="1" style="border-collapse:collapse">${node.rows.map((row) => `<tr>${row.map((cell) => `<td>${htmlOf(cell, options)}</td>`).join('')}</tr>`).join('')}</table>`;
    case 'quote':
      return `<blockquote>${node.author ? `<b>${escapeHtml(node.author)}</b><br>` : ''}${htmlOf(node.children, options)}</blockquote>`;
    case 'code':
      return `<pre>${escapeHtml(node.text)}</pre>`;
    case 'mention': {
      const link = options.userLink && safeUrl(options.userLink(node.employeeId), options, { allowMail: false });
      const inner = htmlOf(node.children, options);
      return link ? `<a href="${escapeHtml(link)}" data-employee-id="${node.employeeId}">${inner}</a>` : `<span data-employee-id="${node.employeeId}">${inner}</span>`;
    }
  }
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
  const last = nodes.at(-1);
  if (typeof last === 'string') nodes.splice(-1, 1, ...(last.trim() === '' ? [] : [last.trimEnd()]));
}

/** The first and the last line of a quote, where nothing is written on them. */
function trimLines(nodes: Node[]): void {
  const first = nodes[0];
  if (typeof first === 'string') nodes[0] = first.replace(/^\s*\n/, '');
  const last = nodes.at(-1);
  if (typeof last === 'string') nodes[nodes.length - 1] = last.replace(/\n\s*$/, '');
}

const bare = { value: '', opening: '', closing: '' };

/** Rows of a table, cells of a row: anything else between them is dropped only if it is blank. */
function rowsOf(tag: Tag, name: 'tr' | 'td'): Tag[] {
  return tag.children.flatMap((node): Tag[] => {
    if (typeof node !== 'string' && node.name === name) return [node];
    if (typeof node === 'string' && node.trim() === '') return [];
    return [{ ...bare, name, children: name === 'tr' ? [{ ...bare, name: 'td', children: [node] }] : [node] }];
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
