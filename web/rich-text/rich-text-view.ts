/** Shows BBCode. Built from the document node by node: nothing of the text ever reaches the browser as HTML. */
import './rich-text.css';
import { computed, defineComponent, h, type VNode, type VNodeChild } from 'vue';
import { RouterLink } from 'vue-router';
import { type DocNode, fromBbcode, type Mark, tableOf } from './document.ts';

/** Links as people type them without marking them as links. */
const bareLink = /https?:\/\/[^\s<>"'`\\\u00a0]+[^\s<>"'`\\\u00a0.,;:!?)\]»]/g;

/** The path of a link into the product, which opens without loading the page anew. */
export function ownPath(href: string): string | undefined {
  const url = URL.parse(href, location.origin);
  if (!url || url.origin !== location.origin || /^\/(api|i|rest)\//.test(url.pathname)) return undefined;
  return url.pathname + url.search + url.hash;
}

function linkTo(href: string, children: VNodeChild): VNode {
  const path = ownPath(href);
  return path === undefined
    ? h('a', { href, target: '_blank', rel: 'noopener noreferrer nofollow' }, [children])
    : h(RouterLink, { to: path }, { default: () => children });
}

function withLinks(text: string): VNodeChild {
  const parts: VNodeChild[] = [];
  let done = 0;
  for (const match of text.matchAll(bareLink)) {
    parts.push(text.slice(done, match.index), linkTo(match[0], match[0]));
    done = match.index + match[0].length;
  }
  return done === 0 ? text : [...parts, text.slice(done)];
}

const elements: Record<string, string> = { bold: 'strong', italic: 'em', underline: 'u', strike: 's' };

function marked(child: VNodeChild, mark: Mark): VNodeChild {
  const element = elements[mark.type];
  if (element !== undefined) return h(element, [child]);
  if (mark.type === 'link') return linkTo(String(mark.attrs?.href), child);
  if (mark.type === 'color') return h('span', { style: { color: String(mark.attrs?.color) } }, [child]);
  if (mark.type === 'size') return h('span', { style: { fontSize: String(mark.attrs?.size) } }, [child]);
  return child;
}

function inline(node: DocNode): VNodeChild {
  const isLink = (node.marks ?? []).some((mark) => mark.type === 'link');
  let child: VNodeChild;
  if (node.type === 'mention') {
    child = isLink ? String(node.attrs?.label) : h(RouterLink, { to: `/company/employees/${Number(node.attrs?.id)}`, class: 'mention' }, { default: () => String(node.attrs?.label) });
  } else if (node.type === 'image') {
    const src = String(node.attrs?.src);
    // Pictures elsewhere are not loaded: that would tell their server who reads, and the page may not.
    child = src.startsWith('/') ? h('img', { src, alt: '', loading: 'lazy' }) : isLink ? src : linkTo(src, src);
  } else child = isLink ? (node.text ?? '') : withLinks(node.text ?? '');
  return (node.marks ?? []).reduceRight(marked, child);
}

function block(node: DocNode): VNode {
  const content = node.content ?? [];
  switch (node.type) {
    case 'bulletList': return h('ul', content.map(block));
    case 'orderedList': return h('ol', content.map(block));
    case 'listItem': return h('li', content.map(block));
    case 'blockquote': return h('blockquote', node.attrs?.author ? { 'data-author': String(node.attrs.author) } : {}, content.map(block));
    case 'codeBlock': return h('pre', content.map((child) => child.text ?? '').join(''));
    case 'bbTable': return table(String(node.attrs?.source));
    default: return h('p', content.map(inline));
  }
}

function table(source: string): VNode {
  return h('div', { class: 'overflow-x-auto' }, [h('table', [h('tbody', tableOf(source).map((row) => h('tr', row.map((cell) => h('td', cell.map(block))))))])]);
}

export const RichTextView = defineComponent({
  name: 'RichTextView',
  props: { text: { type: String, required: true } },
  setup(props) {
    const document = computed(() => fromBbcode(props.text));
    return () => h('div', { class: 'rich-text', dir: 'auto' }, (document.value.content ?? []).map(block));
  },
});

/** A table of a text in the editor. */
export const RichTable = defineComponent({
  name: 'RichTable',
  props: { source: { type: String, required: true } },
  setup: (props) => () => table(props.source),
});
