/**
 * Messages on their way: kept in the browser from the moment somebody presses Enter until the server has them. A lost line,
 * a closed tab, a restarted server: they wait, and go in order when the line is back. Each has an id of its own, so
 * that one that did arrive is not written twice.
 */
import { shallowRef, watch } from 'vue';
import type { Message as ContractMessage } from '../../shared/api/chat.ts';
import { api, ApiError, messageOf } from '../api.ts';
import type { AttachedFile } from '../files/files.ts';
import type { Json } from '../json.ts';
import { line } from '../live.ts';
import { onForget } from '../session.ts';

export type Message = Json<ContractMessage>;

/** What the contract takes as the body of a message. */
export const maxMessageLength = 100_000;

export interface Waiting {
  clientId: string;
  chatId: number;
  body: string;
  files: AttachedFile[];
  replyTo: Message['replyTo'];
  createdAt: string;
  /** Why the server refused it: it stays until the person tries again or throws it away. */
  refusal: string | null;
  /** It has not left yet because the line is lost. */
  isHeld: boolean;
}

export const outbox = shallowRef<readonly Waiting[]>([]);
/** Who hears that the server has a message of a chat. */
const sentListeners = new Set<(message: Message) => void>();
let owner: number | undefined;
let isSending = false;
let retry: ReturnType<typeof setTimeout> | undefined;
let tries = 0;

const keyOf = (employeeId: number): string => `vestnik.outbox.${employeeId}`;

function isWaiting(value: unknown): value is Waiting {
  return typeof value === 'object' && value !== null && 'clientId' in value && 'chatId' in value && 'body' in value && 'files' in value;
}

function read(employeeId: number): Waiting[] {
  try {
    const kept: unknown = JSON.parse(localStorage.getItem(keyOf(employeeId)) ?? '[]');
    return Array.isArray(kept) ? kept.filter(isWaiting) : [];
  } catch {
    return [];
  }
}

/** What is kept is the truth: another tab may have changed it. */
function change(how: (kept: readonly Waiting[]) => readonly Waiting[]): void {
  if (owner === undefined) return;
  const now = how(read(owner));
  try {
    if (now.length > 0) localStorage.setItem(keyOf(owner), JSON.stringify(now));
    else localStorage.removeItem(keyOf(owner));
  } catch {
    // The browser's store is full: the message lives as long as the tab.
  }
  outbox.value = now;
}

/** One tab sends at a time, where the browser can say so; elsewhere the ids keep a message single. */
async function alone(work: () => Promise<void>): Promise<void> {
  if ('locks' in navigator) await navigator.locks.request(`vestnik.outbox.${owner}`, work);
  else await work();
}

async function sendAll(): Promise<void> {
  if (isSending || owner === undefined) return;
  isSending = true;
  clearTimeout(retry);
  try {
    await alone(async () => {
      for (;;) {
        const next = owner === undefined ? undefined : read(owner).find((one) => one.refusal === null);
        if (!next) break;
        if (!(await send(next))) break;
      }
    });
  } finally {
    isSending = false;
  }
}

/** Whether to go on with the next. */
async function send(one: Waiting): Promise<boolean> {
  try {
    const message = await api.post<Message>(`/api/chats/${one.chatId}/messages`, {
      clientId: one.clientId, body: one.body, fileIds: one.files.map((file) => file.id), ...(one.replyTo ? { replyToId: one.replyTo.id } : {}),
    });
    tries = 0;
    for (const listener of sentListeners) listener(message);
    change((kept) => kept.filter(({ clientId }) => clientId !== one.clientId));
    return true;
  } catch (error) {
    const isForNow = !(error instanceof ApiError) || error.status === 0 || error.status >= 500 || error.status === 429 || error.status === 401;
    change((kept) => kept.map((other) => (other.clientId === one.clientId ? { ...other, isHeld: isForNow, refusal: isForNow ? null : messageOf(error) } : other)));
    if (!isForNow) return true;
    retry = setTimeout(() => void sendAll(), Math.min(30_000, 1000 * 2 ** tries++));
    return false;
  }
}

/** Begins to send what waits for this person; called again it does nothing. */
export function startOutbox(employeeId: number): void {
  if (owner === employeeId) return;
  owner = employeeId;
  outbox.value = read(employeeId);
  void sendAll();
}

export function post(message: Pick<Waiting, 'chatId' | 'body' | 'files' | 'replyTo'>): void {
  // randomUUID is there on https and localhost only.
  const clientId = [...crypto.getRandomValues(new Uint8Array(16))].map((byte) => byte.toString(16).padStart(2, '0')).join('');
  change((kept) => [...kept, { ...message, clientId, createdAt: new Date().toISOString(), refusal: null, isHeld: line.value === 'away' || !navigator.onLine }]);
  void sendAll();
}

export function sendAgain(clientId: string): void {
  change((kept) => kept.map((one) => (one.clientId === clientId ? { ...one, refusal: null } : one)));
  void sendAll();
}

export function throwAway(clientId: string): void {
  change((kept) => kept.filter((one) => one.clientId !== clientId));
}

export function whenSent(listener: (message: Message) => void): () => void {
  sentListeners.add(listener);
  return () => sentListeners.delete(listener);
}

function goOn(): void {
  tries = 0;
  void sendAll();
}
watch(line, (now) => {
  if (now === 'connected') goOn();
});
window.addEventListener('online', goOn);
window.addEventListener('storage', (event) => {
  if (owner !== undefined && event.key === keyOf(owner)) outbox.value = read(owner);
});
onForget(() => {
  owner = undefined;
  clearTimeout(retry);
  outbox.value = [];
});
