/** What the editor's documents are made of: exactly what document.ts reads and writes. */
import { type Extensions, Mark, mergeAttributes, Node, nodeInputRule, nodePasteRule } from '@tiptap/core';
import { Mention } from '@tiptap/extension-mention';
import { Placeholder } from '@tiptap/extensions';
import { StarterKit } from '@tiptap/starter-kit';
import type { SuggestionOptions } from '@tiptap/suggestion';
import { VueNodeViewRenderer } from '@tiptap/vue-3';
import { linkFor } from './document.ts';
import PlaceholderChip from './placeholder-chip.vue';
import TableNode from './table-node.vue';

const Color = Mark.create({
  name: 'color',
  addAttributes: () => ({ color: { default: null, parseHTML: () => null, renderHTML: ({ color }: { color?: unknown }) => (typeof color === 'string' ? { style: `color: ${color}` } : {}) } }),
  renderHTML: ({ HTMLAttributes }) => ['span', HTMLAttributes, 0],
});
const Size = Mark.create({
  name: 'size',
  addAttributes: () => ({ size: { default: null, parseHTML: () => null, renderHTML: ({ size }: { size?: unknown }) => (typeof size === 'string' ? { style: `font-size: ${size}` } : {}) } }),
  renderHTML: ({ HTMLAttributes }) => ['span', HTMLAttributes, 0],
});

/** Pictures of the product alone: others are never loaded. */
const Picture = Node.create({
  name: 'image',
  group: 'inline',
  inline: true,
  atom: true,
  draggable: true,
  addAttributes: () => ({ src: { default: '' } }),
  parseHTML: () => [{ tag: 'img[src^="/api/drive/files/"]' }],
  renderHTML: ({ HTMLAttributes }) => (String(HTMLAttributes.src).startsWith('/') ? ['img', mergeAttributes(HTMLAttributes, { alt: '' })] : ['span', {}, String(HTMLAttributes.src)]),
  renderText: () => '',
});

const Table = Node.create({
  name: 'bbTable',
  group: 'block',
  atom: true,
  addAttributes: () => ({ source: { default: '' } }),
  renderHTML: () => ['div'],
  addNodeView: () => VueNodeViewRenderer(TableNode),
});

export interface ChipOptions {
  labelOf: (code: string) => readonly string[] | undefined;
}

export const PlaceholderChipNode = Node.create<ChipOptions>({
  name: 'chip',
  group: 'inline',
  inline: true,
  atom: true,
  selectable: true,
  addOptions: () => ({ labelOf: () => undefined }),
  addAttributes: () => ({ code: { default: '', parseHTML: (element: HTMLElement) => element.dataset.placeholder ?? '' } }),
  parseHTML: () => [{ tag: 'span[data-placeholder]' }],
  renderHTML: ({ node }) => ['span', { 'data-placeholder': String(node.attrs.code) }, String(node.attrs.code)],
  renderText: ({ node }) => String(node.attrs.code),
  addNodeView: () => VueNodeViewRenderer(PlaceholderChip),
  addInputRules() {
    return [nodeInputRule({ find: /(\{=[^{}\n]{1,200}\})$/, type: this.type, getAttributes: (match) => ({ code: match[1] }) })];
  },
  addPasteRules() {
    return [nodePasteRule({ find: /\{=[^{}\n]{1,200}\}/g, type: this.type, getAttributes: (match) => ({ code: match[0] }) })];
  },
});

const OneLine = Node.create({ name: 'doc', topNode: true, content: 'paragraph' });

export interface SchemaOptions {
  isPlain: boolean;
  isSingleLine: boolean;
  withPlaceholders: boolean;
  labelOf: ChipOptions['labelOf'];
  emptyText: () => string;
  mentions: Omit<SuggestionOptions, 'editor'> | undefined;
}

export function extensionsFor({ isPlain, isSingleLine, withPlaceholders, labelOf, emptyText, mentions }: SchemaOptions): Extensions {
  const without = { heading: false, horizontalRule: false, code: false } as const;
  const plain = {
    ...without, bold: false, italic: false, underline: false, strike: false, link: false, blockquote: false, bulletList: false, orderedList: false, listItem: false, listKeymap: false,
    codeBlock: false, hardBreak: false, trailingNode: false,
  } as const;
  const extensions: Extensions = [
    isPlain
      ? StarterKit.configure({ ...plain, ...(isSingleLine ? { document: false } : {}) })
      : StarterKit.configure({
          ...without,
          blockquote: false,
          link: {
            openOnClick: false, autolink: true, linkOnPaste: true, defaultProtocol: 'https',
            isAllowedUri: (url) => linkFor(url, withPlaceholders) !== undefined,
            HTMLAttributes: { target: null, rel: null, class: null },
          },
        }),
    Placeholder.configure({ placeholder: emptyText, showOnlyWhenEditable: false }),
  ];
  if (isSingleLine) extensions.push(OneLine);
  if (withPlaceholders) extensions.push(PlaceholderChipNode.configure({ labelOf }));
  if (!isPlain) {
    extensions.push(Quote, Color, Size, Picture, Table);
    extensions.push(Mention.configure({ HTMLAttributes: { class: 'mention' }, deleteTriggerWithBackspace: true, renderText: ({ node }) => String(node.attrs.label), renderHTML: ({ options, node }) => ['span', mergeAttributes({ 'data-type': 'mention', 'data-id': String(node.attrs.id), 'data-label': String(node.attrs.label) }, options.HTMLAttributes), String(node.attrs.label)], ...(mentions ? { suggestion: mentions } : {}) }));
  }
  return extensions;
}

const Quote = Node.create({
  name: 'blockquote',
  group: 'block',
  content: 'block+',
  defining: true,
  addAttributes: () => ({
    author: { default: '', parseHTML: (element: HTMLElement) => element.dataset.author ?? '', renderHTML: ({ author }: { author?: unknown }) => (typeof author === 'string' && author !== '' ? { 'data-author': author } : {}) },
  }),
  parseHTML: () => [{ tag: 'blockquote' }],
  renderHTML: ({ HTMLAttributes }) => ['blockquote', HTMLAttributes, 0],
  addKeyboardShortcuts() {
    return { 'Mod-Shift-b': () => this.editor.commands.toggleWrap(this.name) };
  },
});
