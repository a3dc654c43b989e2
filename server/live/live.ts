/**
 * Live: tells browsers what to fetch again. Ids only, never contents.
 *
 * A hint is published inside the transaction that changes something and goes out after its commit:
 * to the sockets of this process at once, to other processes by one coalesced NOTIFY right after.
 * NOTIFY is not part of the transaction on purpose: PostgreSQL holds one lock for the whole server
 * from NOTIFY to the end of the commit, so that every commit would wait for every other one's disk.
 * A process that knows it is alone sends none at all: processes greet each other ("hello", answered
 * by "here", then a "beat" now and then), and whoever has not heard its own beat lately takes it
 * that others may be there.
 *
 * A subscription: checking → allowed (for half a minute, then checked again when a hint comes)
 *                 → refused (gone; the client is told). While it is checked its hints wait.
 *
 * Invariants: nothing is told before its commit or after a rollback; the hints of one commit reach
 * a socket in one frame (except those that wait for a check); a socket that may have missed
 * something gets `resync`; who lost the right to a topic hears nothing of it after the hint that
 * took the right away (chats: 'members'; the company's people and rights: 'people', 'access'); a
 * person's 'profile' and 'sessions' have his sockets asked who they are, as does each minute.
 *
 * Does not do: store hints, carry contents, know what a topic means (modules register that).
 */
import { randomUUID } from 'node:crypto';
import { type Db, sql, type Tx } from '../db/db.ts';

export interface Hint {
  /** 'employee:5' | 'deliveries:1' | 'item:12' | 'pipeline:3' | 'chat:7' | 'feed' | 'company' */
  topic: string;
  /** What about it changed: 'messages', 'members', 'timeline' … */
  what: string;
  id?: number;
}

/** Who listens. The same shape as people's Actor, which lies to the right of here. */
export interface Watcher {
  employeeId: number;
  isAdmin: boolean;
  language: 'ru' | 'en';
  timeZone: string;
  via: 'session' | 'token' | 'system';
}

/** May this person hear about the thing with this id? Asked again now and then, so keep it cheap. */
export type MayWatch = (watcher: Watcher, id: number) => Promise<boolean>;

export interface Transport {
  watcher: Watcher;
  /** Must not throw; what cannot be sent is the transport's to close. */
  send(text: string): void;
  close(reason: 'signedOut' | 'tryAgain'): void;
  /** Who it is now; null: signed out, or dismissed. */
  recheck(): Promise<Watcher | null>;
}

export interface Connection {
  /** Answers with the topics that were refused: they do not exist, or may not be seen. */
  subscribe(topics: readonly string[]): Promise<{ refused: string[] }>;
  unsubscribe(topics: readonly string[]): void;
  readonly topicCount: number;
  /** Tells the others in a chat that this person is writing. Nothing happens if he may not see the chat. */
  typing(chatId: number): Promise<void>;
  close(): void;
}

interface Socket {
  transport: Transport;
  watcher: Watcher;
  subscriptions: Map<string, Subscription>;
  seq: number;
  isClosed: boolean;
}

interface Subscription {
  socket: Socket;
  topic: string;
  kind: string;
  id: number;
  /** Milliseconds of `now`. Infinity: no right is needed. */
  allowedUntil: number;
  checking: Promise<boolean> | undefined;
  /** The right may have changed while it was being checked. */
  isStale: boolean;
  waiting: string[];
}

const channel = 'vestnik_live';
/** Rights that change without a hint of their own (an item's owner) are felt after this long. */
const allowedForMs = 30_000;
const beatMs = 10_000;
const recheckSessionsMs = 60_000;
/** PostgreSQL takes payloads below 8000 bytes. */
const maxPayloadBytes = 7900;
/** Kinds that everybody may hear of. */
const openKinds = new Set(['company', 'feed']);

const idOf = (topic: string): number => {
  const colon = topic.indexOf(':');
  return colon < 0 ? 0 : Number(topic.slice(colon + 1));
};
const kindOf = (topic: string): string => {
  const colon = topic.indexOf(':');
  return colon < 0 ? topic : topic.slice(0, colon);
};

/** One line per kind and what, `kind what topicId[.id] …`, under a line that names the sender. */
export function encodeHints(sender: string, hints: readonly Hint[]): string[] {
  const groups = new Map<string, string[]>();
  for (const { topic, what, id } of hints) {
    const head = `${kindOf(topic)} ${what}`;
    const pair = id === undefined ? `${idOf(topic)}` : `${idOf(topic)}.${id}`;
    const pairs = groups.get(head);
    if (pairs) pairs.push(pair);
    else groups.set(head, [pair]);
  }
  const payloads: string[] = [];
  let payload = `hints ${sender}`;
  for (const [head, pairs] of groups) {
    let isHeadWritten = false;
    for (const pair of pairs) {
      if (payload.length + head.length + pair.length + 2 > maxPayloadBytes) {
        payloads.push(payload);
        payload = `hints ${sender}`;
        isHeadWritten = false;
      }
      payload += isHeadWritten ? ` ${pair}` : `\n${head} ${pair}`;
      isHeadWritten = true;
    }
  }
  payloads.push(payload);
  return payloads;
}

function decodeHints(lines: readonly string[]): Hint[] {
  const hints: Hint[] = [];
  for (const line of lines) {
    const [kind = '', what = '', ...pairs] = line.split(' ');
    for (const pair of pairs) {
      const [topicId = '0', id] = pair.split('.');
      const topic = topicId === '0' ? kind : `${kind}:${topicId}`;
      hints.push(id === undefined ? { topic, what } : { topic, what, id: Number(id) });
    }
  }
  return hints;
}

export function createLive({ db, now }: { db: Db; now: () => Date }) {
  const me = randomUUID();
  const published = new WeakMap<Tx, Map<string, Hint>>();
  const authorisers = new Map<string, MayWatch>();
  const sockets = new Set<Socket>();
  const watched = new Map<string, Set<Subscription>>();

  let listener: { close(): Promise<void> } | undefined;
  let isStarted = false;
  let timers: NodeJS.Timeout[] = [];
  const peers = new Map<string, number>();
  let heardMyselfAt = -Infinity;

  let outbox: Hint[] = [];
  let flushing: Promise<void> | undefined;

  // Monotonic: whether others are alive is no business of the product's clock.
  const clock = () => performance.now();

  function isAlone(): boolean {
    if (!isStarted || clock() - heardMyselfAt > beatMs * 2.5) return false;
    for (const [peer, heardAt] of peers) {
      if (clock() - heardAt < beatMs * 3.5) return false;
      peers.delete(peer);
    }
    return true;
  }

  async function notify(payloads: readonly string[]): Promise<void> {
    // A hint is worth nothing after a crash, so nobody waits for the disk.
    await db.transaction((tx) => tx.run(sql`select pg_notify(${channel}, payload) from unnest(${payloads}::text[]) payload`), { asyncCommit: true });
  }

  async function flush(): Promise<void> {
    while (outbox.length > 0) {
      const hints = outbox;
      outbox = [];
      try {
        await notify(encodeHints(me, hints));
      } catch {
        // The database is away. Listeners of other processes lost their line too, or will have
        // heard of nothing: they all resync when it is back.
      }
    }
    flushing = undefined;
  }

  function tellOthers(hints: Iterable<Hint>): void {
    if (isAlone()) return;
    for (const hint of hints) outbox.push(hint);
    flushing ??= flush();
  }

  // ——— Sockets of this process

  function sendHints(socket: Socket, texts: readonly string[]): void {
    if (socket.isClosed) return;
    socket.transport.send(`{"type":"hints","seq":${++socket.seq},"hints":[${texts.join(',')}]}`);
  }

  function drop(subscription: Subscription): void {
    const { socket, topic } = subscription;
    if (socket.subscriptions.get(topic) === subscription) socket.subscriptions.delete(topic);
    const all = watched.get(topic);
    all?.delete(subscription);
    if (all?.size === 0) watched.delete(topic);
  }

  function closeSocket(socket: Socket): void {
    socket.isClosed = true;
    sockets.delete(socket);
    for (const subscription of socket.subscriptions.values()) drop(subscription);
  }

  /** Asks whether the subscription may go on; sends or forgets what waited. Resolves to the answer. */
  function check(subscription: Subscription): Promise<boolean> {
    subscription.checking ??= (async () => {
      const mayWatch = authorisers.get(subscription.kind);
      let isAllowed = false;
      try {
        do {
          subscription.isStale = false;
          isAllowed = mayWatch !== undefined && (await mayWatch(subscription.socket.watcher, subscription.id));
        } while (subscription.isStale);
      } catch {
        // Not knowing is not a refusal: the client comes back and asks again.
        subscription.socket.transport.close('tryAgain');
        closeSocket(subscription.socket);
      }
      subscription.checking = undefined;
      const { socket, topic } = subscription;
      const waiting = subscription.waiting;
      subscription.waiting = [];
      if (!socket.isClosed && socket.subscriptions.get(topic) === subscription) {
        const wasAllowed = subscription.allowedUntil > 0;
        if (isAllowed) {
          subscription.allowedUntil = now().getTime() + allowedForMs;
          if (waiting.length > 0) sendHints(socket, waiting);
        } else {
          drop(subscription);
          if (wasAllowed) socket.transport.send(JSON.stringify({ type: 'unsubscribed', topics: [topic] }));
        }
      }
      return isAllowed;
    })();
    return subscription.checking;
  }

  /** The answer known so far counts no more. 1 and not 0: the client believes it is subscribed. */
  function distrust(subscription: Subscription): void {
    if (subscription.allowedUntil === Infinity) return;
    subscription.isStale = true;
    if (subscription.allowedUntil > 0) subscription.allowedUntil = 1;
  }

  async function recheck(socket: Socket): Promise<void> {
    try {
      const watcher = await socket.transport.recheck();
      if (socket.isClosed) return;
      if (watcher?.employeeId === socket.watcher.employeeId) {
        socket.watcher = watcher;
        for (const subscription of socket.subscriptions.values()) distrust(subscription);
        return;
      }
      socket.transport.close('signedOut');
    } catch {
      socket.transport.close('tryAgain');
    }
    closeSocket(socket);
  }

  function dispatch(hints: Iterable<Hint>): void {
    if (sockets.size === 0) return;
    const frames = new Map<Socket, string[]>();
    const time = now().getTime();
    for (const hint of hints) {
      if (hint.topic === 'company' && (hint.what === 'people' || hint.what === 'access')) {
        for (const all of watched.values()) for (const subscription of all) distrust(subscription);
      }
      const all = watched.get(hint.topic);
      if (!all) continue;
      const text = JSON.stringify(hint);
      for (const subscription of all) {
        if (hint.what === 'members') distrust(subscription);
        if (subscription.kind === 'employee' && (hint.what === 'profile' || hint.what === 'sessions')) {
          void recheck(subscription.socket);
        }
        if (subscription.allowedUntil > time && !subscription.checking) {
          const frame = frames.get(subscription.socket);
          if (frame) frame.push(text);
          else frames.set(subscription.socket, [text]);
        } else {
          subscription.waiting.push(text);
          void check(subscription);
        }
      }
    }
    for (const [socket, texts] of frames) sendHints(socket, texts);
  }

  function resync(): void {
    for (const socket of sockets) {
      for (const subscription of socket.subscriptions.values()) distrust(subscription);
      socket.transport.send('{"type":"resync"}');
    }
  }

  // ——— Other processes

  function greet(word: 'hello' | 'here' | 'beat'): void {
    notify([`${word} ${me}`]).catch(() => {
      // No database: nobody hears anything, and everybody resyncs when it is back.
    });
  }

  function heard(payload: string): void {
    const [first = '', ...lines] = payload.split('\n');
    const [word, sender = ''] = first.split(' ');
    if (sender === me) {
      heardMyselfAt = clock();
      return;
    }
    const isNew = !peers.has(sender);
    peers.set(sender, clock());
    if (word === 'hello') greet('here');
    // It believed to be alone until it heard us, and may have kept hints to itself.
    else if (word === 'here' && isNew) resync();
    else if (word === 'bye') peers.delete(sender);
    else if (word === 'hints') dispatch(decodeHints(lines));
  }

  return {
    /**
     * Announces what changed, once this transaction has committed. The same hint twice in one
     * transaction is told once. Costs no query.
     */
    async publish(tx: Tx, hints: readonly Hint[]): Promise<void> {
      if (hints.length === 0) return;
      let own = published.get(tx);
      if (!own) {
        const collected = new Map<string, Hint>();
        own = collected;
        published.set(tx, collected);
        tx.afterCommit(() => {
          dispatch(collected.values());
          tellOthers(collected.values());
        });
      }
      for (const hint of hints) own.set(`${hint.topic} ${hint.what} ${hint.id}`, hint);
    },

    /** For what happens outside a transaction of ours. */
    announce(hints: readonly Hint[]): void {
      dispatch(hints);
      tellOthers(hints);
    },

    /** Says who may hear about topics `<kind>:<id>`. A kind nobody registered is refused to everyone. */
    registerTopic(kind: string, mayWatch: MayWatch): void {
      authorisers.set(kind, mayWatch);
    },

    /** A browser that listens. It hears about itself and the company without asking. */
    connect(transport: Transport): Connection {
      const socket: Socket = { transport, watcher: transport.watcher, subscriptions: new Map(), seq: 0, isClosed: false };
      sockets.add(socket);
      const open = (topic: string, allowedUntil: number): Subscription => {
        const subscription: Subscription = {
          socket, topic, kind: kindOf(topic), id: idOf(topic), allowedUntil, checking: undefined, isStale: false, waiting: [],
        };
        socket.subscriptions.set(topic, subscription);
        const all = watched.get(topic);
        if (all) all.add(subscription);
        else watched.set(topic, new Set([subscription]));
        return subscription;
      };
      const ownTopic = `employee:${transport.watcher.employeeId}`;
      open(ownTopic, Infinity);
      open('company', Infinity);
      return {
        async subscribe(topics) {
          const answers = await Promise.all(
            [...new Set(topics)].map(async (topic) => {
              if (socket.isClosed) return [];
              const known = socket.subscriptions.get(topic);
              if (known && !known.checking) return [];
              if (known) return (await known.checking) ? [] : [topic];
              if (openKinds.has(topic)) {
                open(topic, Infinity);
                return [];
              }
              if (!authorisers.has(kindOf(topic)) || !(idOf(topic) > 0)) return [topic];
              // In the map before the answer is known, so that no hint falls between the two.
              return (await check(open(topic, 0))) ? [] : [topic];
            }),
          );
          return { refused: answers.flat() };
        },
        unsubscribe(topics) {
          for (const topic of topics) {
            const subscription = socket.subscriptions.get(topic);
            if (subscription && topic !== ownTopic && topic !== 'company') drop(subscription);
          }
        },
        get topicCount() {
          return socket.subscriptions.size;
        },
        async typing(chatId) {
          const mayWatch = authorisers.get('chat');
          if (!mayWatch || !(await mayWatch(socket.watcher, chatId))) return;
          const hint: Hint = { topic: `chat:${chatId}`, what: 'typing', id: socket.watcher.employeeId };
          dispatch([hint]);
          tellOthers([hint]);
        },
        close: () => closeSocket(socket),
      };
    },

    /** Listens to the other processes. Without it hints still reach them, but theirs do not arrive here. */
    async start(): Promise<void> {
      listener = await db.listen(channel, heard, () => {
        resync();
        greet('hello');
      });
      isStarted = true;
      await notify([`hello ${me}`]);
      timers = [
        setInterval(() => greet('beat'), beatMs),
        setInterval(() => {
          for (const socket of sockets) void recheck(socket);
        }, recheckSessionsMs),
      ];
    },

    /** Sends what is left to other processes and closes every socket with the advice to come back. */
    async stop(): Promise<void> {
      for (const timer of timers) clearInterval(timer);
      timers = [];
      for (const socket of [...sockets]) {
        socket.transport.close('tryAgain');
        closeSocket(socket);
      }
      await flushing;
      if (isStarted) await notify([`bye ${me}`]).catch(() => {});
      isStarted = false;
      await listener?.close();
      listener = undefined;
    },
  };
}

export type Live = ReturnType<typeof createLive>;
