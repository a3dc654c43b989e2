/** The tree that chips are chosen from: what the server's picker answers (PickerNode), or anything of that shape. */
export interface PlaceholderNode {
  /** What is put into the text; absent on a branch. */
  placeholder?: string | undefined;
  name: string;
  kind?: string | undefined;
  children?: PlaceholderNode[] | undefined;
}

export interface FlatPlaceholder {
  code: string;
  /** «Сделка → Название»: names of the branches and its own. */
  path: readonly string[];
}

export function flatPlaceholders(nodes: readonly PlaceholderNode[], path: readonly string[] = []): FlatPlaceholder[] {
  return nodes.flatMap((node) => {
    const here = [...path, node.name];
    return [...(node.placeholder === undefined ? [] : [{ code: node.placeholder, path: here }]), ...flatPlaceholders(node.children ?? [], here)];
  });
}

/** Codes are compared without letter case and without what follows « > ». */
export function bareCode(code: string): string {
  return code.replace(/\s*>[^}]*\}$/, '}').replace(/\s/g, '').toLowerCase();
}

/** The branches that hold a match, whole; a branch whose own name matches keeps all of its leaves. */
export function matchingPlaceholders(nodes: readonly PlaceholderNode[], search: string): PlaceholderNode[] {
  const words = search.toLocaleLowerCase().split(/\s+/).filter((word) => word !== '');
  if (words.length === 0) return [...nodes];
  const matches = (node: PlaceholderNode) => words.every((word) => node.name.toLocaleLowerCase().includes(word));
  return nodes.flatMap((node) => {
    if (matches(node)) return [node];
    const children = matchingPlaceholders(node.children ?? [], search);
    return children.length > 0 ? [{ ...node, placeholder: undefined, children }] : [];
  });
}
