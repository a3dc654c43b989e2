/**
 * The messages of one open chat: a window without gaps onto them, which grows at both ends as one reads.
 *
 * It follows the chat live: hints say what to fetch; what came while the line was lost comes with the first answer after it,
 * each message once, because ids are in the order in which messages can be seen. Away from the newest it only counts.
 */
import { computed, onScopeDispose, ref, shallowRef, triggerRef } from 'vue';
import type { z } from 'zod';
import type { chatMembers, messageList, pinnedMessages } from '../../shared/api/chat.ts';
import { api, ApiError } from '../api.ts';
import type { Json } from '../json.ts';
import { listen, type Hint } from '../live.ts';
import { useSession } from '../session.ts';
import { type Message, outbox, whenSent } from './outbox.ts';
import type { Chat } from './words.ts';

type Page = Json<z.output<typeof messageList>>;
export type Member = Json<z.output<typeof chatMembers>>['items'][number];

const pageSize = 60;
const maxMembers = 1000;
const typingMs = 5000;

export function useConversation(chatId: number) {
  const { me } = useSession();
  const path = `/api/chats/${chatId}`;
  const chat = shallowRef<Chat>();
  const messages = shallowRef<Message[]>([]);
  const members = shallowRef<Member[]>([]);
  /** Kept on top of the chat, the newest first. */
  const pins = shallowRef<Message[]>([]);
  const hasOlder = ref(false);
  const hasNewer = ref(false);
  const isOpening = ref(true);
  /** The chat is gone, or was never ours. */
  const isGone = ref(false);
  const error = shallowRef<unknown>();
  /** Up to where it was read when it was opened: the line «new messages» stands after it. */
  const readAtOpening = ref(0);
  const readUpTo = ref(0);
  const typing = shallowRef(new Map<number, ReturnType<typeof setTimeout>>());
  const waiting = computed(() => outbox.value.filter((one) => one.chatId === chatId && !messages.value.some((message) => message.clientId === one.clientId)));

  let isOver = false;
  let chain: Promise<unknown> = Promise.resolve();
  /** One after the other: two answers for the same end would leave a gap or a double. */
  function inOrder<Result>(work: () => Promise<Result>): Promise<Result | undefined> {
    const done = chain.then(() => (isOver ? undefined : work())).catch((failure: unknown) => {
      if (failure instanceof ApiError && failure.status === 404) isGone.value = true;
      else if (!(failure instanceof ApiError && failure.status === 0)) error.value = failure;
      return undefined;
    });
    chain = done;
    return done;
  }

  const fetchPage = (query: { before?: number; after?: number; around?: number; limit?: number }) => api.get<Page>(`${path}/messages`, { limit: pageSize, ...query });

  async function loadChat(): Promise<void> {
    chat.value = await api.get<Chat>(path);
    readUpTo.value = Math.max(readUpTo.value, chat.value.membership?.readUpToId ?? 0);
  }

  async function loadMembers(): Promise<void> {
    const page: Json<z.output<typeof chatMembers>> = await api.get(`${path}/members`, { limit: maxMembers });
    members.value = page.items;
  }

  async function loadPins(): Promise<void> {
    const found: Json<z.output<typeof pinnedMessages>> = await api.get(`${path}/pins`);
    pins.value = found.items;
  }

  function show(page: Page): void {
    messages.value = page.items;
    hasOlder.value = page.before !== null;
    hasNewer.value = page.after !== null;
  }

  /** Opens at a message, else at the first unread one, else at the newest. */
  async function openAt(messageId?: number): Promise<void> {
    await inOrder(async () => {
      isOpening.value = true;
      await loadChat();
      const { membership } = chat.value ?? {};
      const readTo = membership?.readUpToId ?? 0;
      readAtOpening.value = readTo;
      if (messageId !== undefined) show(await fetchPage({ around: messageId }));
      else if (readTo > 0) {
        const page = await fetchPage({ around: readTo + 1 });
        show(page);
      } else show(await fetchPage({}));
      error.value = undefined;
    });
    isOpening.value = false;
    void inOrder(loadMembers);
    void inOrder(loadPins);
  }

  async function loadOlder(): Promise<void> {
    await inOrder(async () => {
      const [first] = messages.value;
      if (!hasOlder.value || !first) return;
      const page = await fetchPage({ before: first.id });
      messages.value = [...page.items, ...messages.value];
      hasOlder.value = page.before !== null;
    });
  }

  async function appendNewer(): Promise<void> {
    const last = messages.value.at(-1)?.id ?? 0;
    const page = await fetchPage(last > 0 ? { after: last, limit: 100 } : {});
    const known = new Set(messages.value.map((message) => message.id));
    const fresh = page.items.filter((message) => !known.has(message.id));
    for (const { authorId } of fresh) if (authorId !== null) stopTyping(authorId);
    if (fresh.length > 0) messages.value = [...messages.value, ...fresh];
    hasNewer.value = page.after !== null;
  }
  const loadNewer = (): Promise<void> => inOrder(async () => {
    if (hasNewer.value) await appendNewer();
  });

  let isCatchingUp = false;
  /** New messages came: the window grows while it shows the newest; elsewhere it learns that there are some. */
  function catchUp(): void {
    if (isCatchingUp) return;
    isCatchingUp = true;
    void inOrder(async () => {
      isCatchingUp = false;
      if (hasNewer.value) return;
      // Whoever is flooded reads on by scrolling.
      for (let i = 0; i < 5 && !isOver; i++) {
        await appendNewer();
        if (!hasNewer.value) return;
      }
    });
  }

  /** One message anew: edited, deleted, reacted to. */
  function refetch(id: number): void {
    void inOrder(async () => {
      const page = await fetchPage({ around: id, limit: 2 });
      const fresh = page.items.find((message) => message.id === id);
      if (fresh) messages.value = messages.value.map((message) => (message.id === id ? fresh : message));
    });
  }

  /** After a lost line: what is on the screen anew, and what came since. */
  function resync(): void {
    void inOrder(async () => {
      await loadChat();
      const first = messages.value.at(Math.max(0, messages.value.length - 200))?.id;
      if (first === undefined) show(await fetchPage({}));
      else {
        const page = await fetchPage({ after: first - 1, limit: 200 });
        const before = messages.value.filter((message) => message.id < first);
        messages.value = [...before, ...page.items];
        hasNewer.value = page.after !== null;
        while (hasNewer.value && !isOver) await appendNewer();
      }
      await loadMembers();
      await loadPins();
    });
  }

  function stopTyping(employeeId: number): void {
    clearTimeout(typing.value.get(employeeId));
    if (typing.value.delete(employeeId)) triggerRef(typing);
  }

  let membersTimer: ReturnType<typeof setTimeout> | undefined;
  function hear({ what, id }: Hint): void {
    if (what === 'resync') resync();
    else if (what === 'messages') {
      if (id !== undefined && messages.value.some((message) => message.id === id)) refetch(id);
      else catchUp();
      if (id !== undefined && pins.value.some((message) => message.id === id)) void inOrder(loadPins);
    } else if (what === 'pins') void inOrder(loadPins);
    else if (what === 'members') {
      void inOrder(loadChat);
      void inOrder(loadMembers);
      catchUp();
    } else if (what === 'read') {
      // In a busy group marks come in crowds.
      membersTimer ??= setTimeout(() => {
        membersTimer = undefined;
        void inOrder(loadMembers);
      }, members.value.length > 20 ? 2000 : 150);
    } else if (what === 'typing' && id !== undefined && id !== me.value.id) {
      clearTimeout(typing.value.get(id));
      typing.value.set(id, setTimeout(() => stopTyping(id), typingMs));
      triggerRef(typing);
    }
  }

  const offLive = listen(`chat:${chatId}`, hear);
  // One's own list also hears of chats one was taken out of, and of one's own pins.
  const offMine = listen(`employee:${me.value.id}`, ({ what, id }) => {
    if (what === 'chats' && id === chatId) void inOrder(loadChat);
  });
  const offSent = whenSent((message) => {
    if (message.chatId === chatId) catchUp();
  });
  onScopeDispose(() => {
    isOver = true;
    offLive();
    offMine();
    offSent();
    clearTimeout(membersTimer);
    for (const timer of typing.value.values()) clearTimeout(timer);
  });

  let markTimer: ReturnType<typeof setTimeout> | undefined;
  /** The person has seen everything up to this message. */
  function sawUpTo(id: number): void {
    if (!chat.value?.membership || id <= readUpTo.value) return;
    readUpTo.value = id;
    clearTimeout(markTimer);
    markTimer = setTimeout(() => {
      api.put(`${path}/read`, { upToId: readUpTo.value }).catch(() => {
        // The next one goes further.
      });
    }, 200);
  }

  /** The furthest anybody else has read. */
  const readByOthers = computed(() => Math.max(0, ...members.value.filter((member) => member.employeeId !== me.value.id).map((member) => member.readUpToId)));

  return {
    chat, messages, members, pins, waiting, typing, hasOlder, hasNewer, isOpening, isGone, error, readAtOpening, readUpTo, readByOthers,
    openAt, loadOlder, loadNewer, sawUpTo, refetch, refresh: () => void inOrder(loadChat).then(() => inOrder(loadMembers)),
  };
}
export type Conversation = ReturnType<typeof useConversation>;
