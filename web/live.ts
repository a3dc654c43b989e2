/**
 * What the server says happened: one WebSocket for the whole page, opened when somebody is signed in.
 *
 * The server only says what to fetch again (shared/api/live.ts). Whoever listens is also called with `what: 'resync'` when
 * something may have been missed: after the line was lost and came back, or a number in the sequence was skipped.
 */
import { onScopeDispose, ref, toValue, watch, type MaybeRefOrGetter } from 'vue';
import type { LiveEvent, LiveRequest } from '../shared/api/live.ts';

export interface Hint {
  topic: string;
  what: string;
  id?: number;
}
export type HintListener = (hint: Hint) => void;

/** 'away': the line is lost, we try again; shown to the person after a moment. */
export const line = ref<'off' | 'connecting' | 'connected' | 'away'>('off');

const listeners = new Map<string, Set<HintListener>>();
/** Counted apart from `listeners`: one's own topics are there without subscribing. */
const subscribed = new Set<string>();
let socket: WebSocket | undefined;
let isWanted = false;
let wasConnected = false;
let tries = 0;
let seq = 0;
let retry: ReturnType<typeof setTimeout> | undefined;
let onClosedForGood = (): void => {};

/** Starts to listen; `signedOut` is called when the server says that the session is over. */
export function startLive(signedOut: () => void): void {
  onClosedForGood = signedOut;
  isWanted = true;
  if (!socket) connect();
}

export function stopLive(): void {
  isWanted = false;
  wasConnected = false;
  clearTimeout(retry);
  socket?.close(1000);
  socket = undefined;
  line.value = 'off';
}

function connect(): void {
  clearTimeout(retry);
  if (!wasConnected) line.value = 'connecting';
  const opened = new WebSocket(`${location.protocol === 'https:' ? 'wss' : 'ws'}://${location.host}/api/live`);
  socket = opened;
  seq = 0;
  subscribed.clear();
  opened.addEventListener('message', (message) => {
    if (socket === opened) hear(JSON.parse(String(message.data)));
  });
  opened.addEventListener('close', (event) => {
    if (socket !== opened) return;
    socket = undefined;
    if (event.code === 4401) {
      isWanted = false;
      line.value = 'off';
      onClosedForGood();
      return;
    }
    if (!isWanted) return;
    line.value = 'away';
    // Half a second, doubling to ten; spread, so that a restarted server is not met by everybody at once.
    const delay = Math.min(10_000, 500 * 2 ** tries++) * (0.75 + Math.random() / 2);
    retry = setTimeout(connect, delay);
  });
}

// Coming back to the tab or to the network is worth a try at once.
window.addEventListener('online', () => {
  if (isWanted && !socket) connect();
});
document.addEventListener('visibilitychange', () => {
  if (isWanted && !socket && document.visibilityState === 'visible') connect();
});

function hear(event: LiveEvent): void {
  if (event.type === 'ready') {
    tries = 0;
    line.value = 'connected';
    const topics = [...listeners.keys()].filter(isSubscribable);
    if (topics.length > 0) say({ subscribe: topics });
    for (const topic of topics) subscribed.add(topic);
    if (wasConnected) resync();
    wasConnected = true;
  } else if (event.type === 'hints') {
    const isMissing = seq !== 0 && event.seq !== seq + 1;
    seq = event.seq;
    if (isMissing) resync();
    else for (const hint of event.hints) tell(hint);
  } else if (event.type === 'resync') resync();
}

function tell(hint: Hint): void {
  for (const listener of listeners.get(hint.topic) ?? []) listener(hint);
  for (const listener of listeners.get('*') ?? []) listener(hint);
}

function resync(): void {
  for (const [topic, those] of listeners) for (const listener of those) listener({ topic, what: 'resync' });
}

function say(request: LiveRequest): void {
  // The server takes at most 200 topics a request.
  if (socket?.readyState !== WebSocket.OPEN) return;
  if ('subscribe' in request) {
    for (let i = 0; i < request.subscribe.length; i += 200) socket.send(JSON.stringify({ subscribe: request.subscribe.slice(i, i + 200) }));
  } else socket.send(JSON.stringify(request));
}

/** '*' hears everything; 'employee:5', 'feed' and 'company' come to everybody unasked or are asked for like any other. */
const isSubscribable = (topic: string): boolean => topic !== '*';

/** Calls `listener` for everything about `topic` until the returned function is called. */
export function listen(topic: string, listener: HintListener): () => void {
  let those = listeners.get(topic);
  if (!those) {
    those = new Set();
    listeners.set(topic, those);
  }
  those.add(listener);
  if (isSubscribable(topic) && !subscribed.has(topic) && line.value === 'connected') {
    subscribed.add(topic);
    say({ subscribe: [topic] });
  }
  return () => {
    those.delete(listener);
    if (those.size > 0 || listeners.get(topic) !== those) return;
    listeners.delete(topic);
    if (subscribed.delete(topic)) say({ unsubscribe: [topic] });
  };
}

/** Like `listen`, for the life of the component; undefined topic: nothing yet. */
export function useLive(topic: MaybeRefOrGetter<string | undefined>, listener: HintListener): void {
  let stop = (): void => {};
  watch(
    () => toValue(topic),
    (wanted) => {
      stop();
      stop = wanted === undefined ? () => {} : listen(wanted, listener);
    },
    { immediate: true },
  );
  onScopeDispose(() => stop());
}

/** Says that the person is writing in this chat. The server lets one through every two seconds. */
export function sayTyping(chatId: number): void {
  say({ typing: chatId });
}
