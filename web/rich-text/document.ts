/**
 * BBCode ⇄ the document of the editor (ProseMirror's JSON). Pure: what BBCode means is decided in
 * shared/bbcode.ts, how it looks in the view and in the editor, which both start from this document.
 *
 * A line is a paragraph; lists, quotes, code and tables are blocks of their own. What people typed and
 * looks like markup is escaped on the way back, so every document comes back from its BBCode as it was,
 * but for empty lines at its end, and at the ends of quotes and list items.
 */
import { escapeBbcode, readBbcode, type RichNode, safeUrl } from '../../shared/bbcode.ts';

export interface Mark {
  type: string;
  attrs?: Record<string, unknown>;
}
export interface DocNode {
  type: string;
  attrs?: Record<string, unknown>;
  content?: DocNode[];
  marks?: Mark[];
  text?: string;
}

export interface DocumentOptions {
  /** `{=Document:title}` becomes a chip. */
  withPlaceholders?: boolean;
}

/** As the robots' templates read it; what is between the braces is checked on the server. */
const placeholder = /\{=[^{}\n]{1,200}\}/g;

const blocks = new Set(['bulletList', 'orderedList', 'blockquote', 'codeBlock', 'bbTable']);
const marksOfBbcode = { b: 'bold', i: 'italic', u: 'underline', s: 'strike' } as const;

// Reading

export function fromBbcode(source: string, { withPlaceholders = false }: DocumentOptions = {}): DocNode {
  const nodes = readBbcode(source, { allowPlaceholderLinks: withPlaceholders });
  const content = blocksOf(nodes, withPlaceholders);
  return { type: 'doc', content: content.length > 0 ? content : [{ type: 'paragraph' }] };
}

/** A text without markup: lines of text, and chips. */
export function fromPlain(source: string, { withPlaceholders = false }: DocumentOptions = {}): DocNode {
  return { type: 'doc', content: paragraphsOf(textFlow(source.replaceAll('\r\n', '\n'), [], withPlaceholders)) };
}

/** The cells of a table that was typed as BBCode. */
export function tableOf(source: string): DocNode[][][] {
  const [table] = readBbcode(source);
  return table?.kind === 'table' ? table.rows.map((row) => row.map((cell) => blocksOf(cell, false))) : [];
}

const lineBreak: DocNode = { type: 'break' };

function textFlow(text: string, marks: readonly Mark[], withPlaceholders: boolean): DocNode[] {
  const withMarks = marks.length > 0 ? { marks: [...marks] } : {};
  return text.split('\n').flatMap((line, index): DocNode[] => {
    const parts: DocNode[] = index === 0 ? [] : [lineBreak];
    let done = 0;
    const put = (piece: string) => piece !== '' && parts.push({ type: 'text', text: piece, ...withMarks });
    if (withPlaceholders) {
      for (const match of line.matchAll(placeholder)) {
        put(line.slice(done, match.index));
        parts.push({ type: 'chip', attrs: { code: match[0] }, ...withMarks });
        done = match.index + match[0].length;
      }
    }
    put(line.slice(done));
    return parts;
  });
}

/** Runs of text, pictures, mentions, line breaks and blocks, one after the other. An empty text is an empty line. */
function flowOf(nodes: readonly RichNode[], marks: readonly Mark[], withPlaceholders: boolean): DocNode[] {
  const inner = (children: readonly RichNode[], mark: Mark) =>
    flowOf(children, marks.some((known) => known.type === mark.type) ? marks : [...marks, mark], withPlaceholders);
  return nodes.flatMap((node): DocNode[] => {
    switch (node.kind) {
      case 'text': return node.text === '' ? [{ type: 'nothing' }] : textFlow(node.text, marks, withPlaceholders);
      case 'mark': return inner(node.children, { type: marksOfBbcode[node.mark] });
      case 'link': {
        const children = inner(node.children, { type: 'link', attrs: { href: node.url } });
        // A link without a text could neither be seen nor edited.
        return children.length > 0 ? children : inner([{ kind: 'text', text: node.url }], { type: 'link', attrs: { href: node.url } });
      }
      case 'color': return inner(node.children, { type: 'color', attrs: { color: node.color } });
      case 'size': return inner(node.children, { type: 'size', attrs: { size: node.size } });
      case 'image': return [{ type: 'image', attrs: { src: node.url }, ...(marks.length > 0 ? { marks: [...marks] } : {}) }];
      case 'mention': return [{ type: 'mention', attrs: { id: node.employeeId, label: plainOf(node.children) }, ...(marks.length > 0 ? { marks: [...marks] } : {}) }];
      case 'list':
        return [{
          type: node.isNumbered ? 'orderedList' : 'bulletList',
          content: (node.items.length > 0 ? node.items : [[]]).map((item) => ({ type: 'listItem', content: startingWithText(blocksOf(item, withPlaceholders, marks)) })),
        }];
      case 'quote': {
        const content = blocksOf(node.children, withPlaceholders, marks);
        return [{ type: 'blockquote', attrs: { author: node.author }, content: content.length > 0 ? content : [{ type: 'paragraph' }] }];
      }
      case 'code': return [{ type: 'codeBlock', ...(node.text === '' ? {} : { content: [{ type: 'text', text: node.text }] }) }];
      case 'table': {
        // Not edited cell by cell: kept as the BBCode that it will be again.
        const cells = (row: RichNode[][]) => row.map((cell) => `[td]${writeBlocks(withoutEmptyEnds(blocksOf(cell, withPlaceholders)), withPlaceholders)}[/td]`).join('');
        return [{ type: 'bbTable', attrs: { source: `[table]${node.rows.map((row) => `[tr]${cells(row)}[/tr]`).join('')}[/table]` } }];
      }
    }
  });
}

function plainOf(nodes: readonly RichNode[]): string {
  return nodes.map((node) => ('text' in node ? node.text : 'children' in node ? plainOf(node.children) : '')).join('').replaceAll('\n', ' ');
}

function blocksOf(nodes: readonly RichNode[], withPlaceholders: boolean, marks: readonly Mark[] = []): DocNode[] {
  const result: DocNode[] = [];
  let line: DocNode[] = [];
  for (const node of flowOf(nodes, marks, withPlaceholders)) {
    if (!blocks.has(node.type)) {
      line.push(node);
      continue;
    }
    if (line.length > 0) result.push(...paragraphsOf(line));
    line = [];
    result.push(node);
  }
  if (line.length > 0) result.push(...paragraphsOf(line));
  return result;
}

function paragraphsOf(flow: readonly DocNode[]): DocNode[] {
  const lines: DocNode[][] = [[]];
  for (const node of flow) {
    if (node.type === 'break') lines.push([]);
    else if (node.type !== 'nothing') lines.at(-1)?.push(node);
  }
  return lines.map((content) => (content.length > 0 ? { type: 'paragraph', content: joined(content) } : { type: 'paragraph' }));
}

function joined(content: readonly DocNode[]): DocNode[] {
  const result: DocNode[] = [];
  for (const node of content) {
    const last = result.at(-1);
    if (node.type === 'text' && last?.type === 'text' && areSame(node.marks, last.marks)) result[result.length - 1] = { ...last, text: `${last.text}${node.text}` };
    else result.push(node);
  }
  return result;
}

/** The editor wants every item of a list to begin with a line of text. */
function startingWithText(content: DocNode[]): DocNode[] {
  return content[0]?.type === 'paragraph' ? content : [{ type: 'paragraph' }, ...content];
}

// Writing

export function toBbcode(doc: DocNode, { withPlaceholders = false }: DocumentOptions = {}): string {
  return writeBlocks(withoutEmptyEnd(doc.content ?? []), withPlaceholders);
}

/** The text of a document without markup. */
export function toPlain(doc: DocNode): string {
  return withoutEmptyEnd(doc.content ?? []).map((block) => (block.content ?? []).map((node) => {
    if (node.type === 'chip') return String(node.attrs?.code ?? '');
    return node.type === 'hardBreak' ? '\n' : (node.text ?? String(node.attrs?.label ?? ''));
  }).join('')).join('\n');
}

export function isEmptyDocument(doc: DocNode): boolean {
  return withoutEmptyEnd(doc.content ?? []).length === 0;
}

function isEmptyParagraph(node: DocNode | undefined): boolean {
  return node?.type === 'paragraph' && (node.content ?? []).every((child) => child.type === 'text' && child.text?.trim() === '');
}

function withoutEmptyEnd(content: readonly DocNode[]): DocNode[] {
  const end = content.findLastIndex((node) => !isEmptyParagraph(node));
  return content.slice(0, end + 1);
}

function withoutEmptyEnds(content: readonly DocNode[]): DocNode[] {
  const start = content.findIndex((node) => !isEmptyParagraph(node));
  return start === -1 ? [] : withoutEmptyEnd(content.slice(start));
}

function writeBlocks(content: readonly DocNode[], withPlaceholders: boolean): string {
  return content.map((node) => writeBlock(node, withPlaceholders)).join('\n');
}

function writeBlock(node: DocNode, withPlaceholders: boolean): string {
  const content = node.content ?? [];
  switch (node.type) {
    case 'bulletList':
    case 'orderedList':
      return `[list${node.type === 'orderedList' ? '=1' : ''}]\n${content.map((item) => `[*]${writeBlocks(withoutEmptyEnd(item.content ?? []), withPlaceholders)}\n`).join('')}[/list]`;
    case 'blockquote': {
      const author = String(node.attrs?.author ?? '').replace(/[[\]"'\\\n]/g, ' ').trim();
      return `[quote${author ? `=${author}` : ''}]${writeBlocks(withoutEmptyEnds(content), withPlaceholders)}[/quote]`;
    }
    case 'codeBlock':
      return `[code]${escapeBbcode(content.map((child) => child.text ?? '').join(''))}[/code]`;
    case 'bbTable':
      return String(node.attrs?.source ?? '');
    default:
      return writeLine(content, withPlaceholders);
  }
}

const markOrder = ['link', 'color', 'size', 'bold', 'italic', 'underline', 'strike'];

interface Written {
  mark: Mark;
  opening: string;
  closing: string;
}

function written(mark: Mark, withPlaceholders: boolean): Written | undefined {
  const tag = (name: string, value?: string): Written => ({ mark, opening: value === undefined ? `[${name}]` : `[${name}=${value}]`, closing: `[/${name}]` });
  switch (mark.type) {
    case 'bold': return tag('b');
    case 'italic': return tag('i');
    case 'underline': return tag('u');
    case 'strike': return tag('s');
    case 'color': return typeof mark.attrs?.color === 'string' ? tag('color', mark.attrs.color) : undefined;
    case 'size': return typeof mark.attrs?.size === 'string' ? tag('size', mark.attrs.size) : undefined;
    case 'link': {
      const href = linkFor(String(mark.attrs?.href ?? ''), withPlaceholders);
      return href === undefined ? undefined : tag('url', href);
    }
    default: return undefined;
  }
}

/** A link as BBCode can carry it, from what somebody typed or pasted; undefined: it may not be one. */
export function linkFor(typed: string, withPlaceholders = false): string | undefined {
  const trimmed = typed.trim();
  const url = withPlaceholders && trimmed.includes('{=') ? trimmed : trimmed.replaceAll('[', '%5B').replaceAll(']', '%5D').replaceAll(' ', '%20').replaceAll('\\', '%5C');
  return safeUrl(url, { allowPlaceholderLinks: withPlaceholders }, { allowMail: true });
}

function areSame(a: unknown, b: unknown): boolean {
  return JSON.stringify(a ?? []) === JSON.stringify(b ?? []);
}

function writeLine(content: readonly DocNode[], withPlaceholders: boolean): string {
  let line = '';
  const open: Written[] = [];
  const closeTo = (count: number) => {
    while (open.length > count) line += open.pop()?.closing ?? '';
  };
  for (const node of content) {
    const wanted = [...(node.marks ?? [])]
      .sort((a, b) => markOrder.indexOf(a.type) - markOrder.indexOf(b.type))
      .flatMap((mark) => written(mark, withPlaceholders) ?? []);
    let kept = 0;
    while (kept < open.length && kept < wanted.length && open[kept]?.opening === wanted[kept]?.opening) kept++;
    closeTo(kept);
    for (const one of wanted.slice(kept)) {
      line += one.opening;
      open.push(one);
    }
    line += writeInline(node);
  }
  closeTo(0);
  return line;
}

function writeInline(node: DocNode): string {
  switch (node.type) {
    case 'hardBreak': return '\n';
    case 'chip': return String(node.attrs?.code ?? '');
    case 'image': {
      const url = linkFor(String(node.attrs?.src ?? ''));
      return url === undefined ? '' : `[img]${url}[/img]`;
    }
    case 'mention': return `[USER=${Number(node.attrs?.id)}]${escapeBbcode(String(node.attrs?.label ?? ''))}[/USER]`;
    default: return escapeBbcode(node.text ?? '');
  }
}
