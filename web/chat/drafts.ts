/** What somebody began to write and has not sent, per chat, in the browser. */
import { shallowRef } from 'vue';
import type { AttachedFile } from '../files/files.ts';
import { onForget } from '../session.ts';
import type { Message } from './outbox.ts';

export interface Draft {
  body: string;
  files: AttachedFile[];
  replyTo: Message['replyTo'];
}

export const drafts = shallowRef<ReadonlyMap<number, Draft>>(new Map());
let owner: number | undefined;
const keyOf = (employeeId: number): string => `vestnik.drafts.${employeeId}`;

export function startDrafts(employeeId: number): void {
  if (owner === employeeId) return;
  owner = employeeId;
  try {
    const kept: Record<string, Draft> = JSON.parse(localStorage.getItem(keyOf(employeeId)) ?? '{}');
    drafts.value = new Map(Object.entries(kept).map(([chatId, draft]) => [Number(chatId), draft]));
  } catch {
    drafts.value = new Map();
  }
}

/** An empty one is none. */
export function keepDraft(chatId: number, draft: Draft): void {
  if (owner === undefined) return;
  const now = new Map(drafts.value);
  if (draft.body.trim() === '' && draft.files.length === 0 && draft.replyTo === null) now.delete(chatId);
  else now.set(chatId, draft);
  drafts.value = now;
  try {
    localStorage.setItem(keyOf(owner), JSON.stringify(Object.fromEntries(now)));
  } catch {
    // Full: it lives as long as the tab.
  }
}

onForget(() => {
  owner = undefined;
  drafts.value = new Map();
});
