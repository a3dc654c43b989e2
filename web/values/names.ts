/**
 * How items, contacts and companies are called, asked for together: whatever is drawn in one turn goes in one question.
 *
 *   const { nameOf } = useNames();   nameOf('contact', 5) → 'Петров Иван', undefined while it is on its way, null when it may not be seen
 */
import { shallowReactive } from 'vue';
import type { z } from 'zod';
import type { names } from '../../shared/api/crm.ts';
import { api } from '../api.ts';
import type { Json } from '../json.ts';
import { listen } from '../live.ts';
import { onForget } from '../session.ts';

export type NamedKind = 'item' | 'contact' | 'company';
export interface Named {
  id: number;
  name: string;
  itemTypeId?: number;
  stageId?: number;
}

/** null: gone, or not for this person. */
const known = shallowReactive(new Map<string, Named | null>());
const wanted = new Set<string>();
let isAsking = false;
let stopListening: (() => void) | undefined;
onForget(() => {
  known.clear();
  stopListening?.();
  stopListening = undefined;
});

function askSoon(): void {
  if (isAsking) return;
  isAsking = true;
  queueMicrotask(() => void ask());
}

async function ask(): Promise<void> {
  const asked = [...wanted].slice(0, 200);
  for (const key of asked) wanted.delete(key);
  const idsOf = (kind: NamedKind) => asked.filter((key) => key.startsWith(`${kind}:`)).map((key) => key.slice(kind.length + 1)).join(',') || undefined;
  try {
    const answer = await api.get<Json<z.output<typeof names>>>('/api/crm-names', { items: idsOf('item'), contacts: idsOf('contact'), companies: idsOf('company') });
    const found = new Map<string, Named>([
      ...answer.items.map((one): [string, Named] => [`item:${one.id}`, one]),
      ...answer.contacts.map((one): [string, Named] => [`contact:${one.id}`, one]),
      ...answer.companies.map((one): [string, Named] => [`company:${one.id}`, one]),
    ]);
    for (const key of asked) known.set(key, found.get(key) ?? null);
  } catch {
    // Names stay dashes; whoever draws them next asks again.
  }
  isAsking = false;
  if (wanted.size > 0) askSoon();
}

export function useNames() {
  stopListening ??= listen('company', (hint) => {
    if (hint.what === 'clients' || hint.what === 'resync') for (const key of known.keys()) if (!key.startsWith('item:') || hint.what === 'resync') want(key);
  });
  return { nameOf, remember };
}

function want(key: string): void {
  wanted.add(key);
  askSoon();
}

function nameOf(kind: NamedKind, id: number): Named | null | undefined {
  const key = `${kind}:${id}`;
  const name = known.get(key);
  if (name === undefined) want(key);
  return name;
}

/** What somebody just chose or made needs no question. */
function remember(kind: NamedKind, named: Named): void {
  known.set(`${kind}:${named.id}`, named);
}
