/** Browsers of the demo's people: their WebSockets, and when each of them heard what. */
import { WebSocket } from 'ws';
import { liveEvent } from '../../shared/api/live.ts';

export interface Heard {
  employeeId: number;
  topic: string;
  what: string;
  id: number | undefined;
  /** In milliseconds of `performance.now()`. */
  at: number;
}

export interface Ears {
  /** Opens a browser of the person; also listens to these topics besides the person's own. */
  listen(employeeId: number, token: string, topics?: readonly string[]): Promise<void>;
  /** The first of these that the person heard since then; undefined: not yet. */
  heard(employeeId: number, since: number, fits: Partial<Pick<Heard, 'topic' | 'what' | 'id'>>): Heard | undefined;
  /** Resolves as soon as anybody hears anything, and after `patienceMs` at the latest. */
  next(patienceMs: number): Promise<void>;
  close(): void;
}

export function createEars(url: string): Ears {
  const all: Heard[] = [];
  const sockets: WebSocket[] = [];
  let waiting: (() => void)[] = [];
  return {
    async listen(employeeId, token, topics = []) {
      const socket = new WebSocket(`${url.replace(/^http/, 'ws')}/api/live`, { headers: { authorization: `Bearer ${token}` } });
      sockets.push(socket);
      const { promise, resolve, reject } = Promise.withResolvers<void>();
      socket.on('error', reject);
      socket.on('message', (data: Buffer) => {
        const at = performance.now();
        const event = liveEvent.parse(JSON.parse(data.toString()));
        if (event.type === 'ready') {
          if (topics.length === 0) resolve();
          else socket.send(JSON.stringify({ subscribe: topics }));
        } else if (event.type === 'subscribed') {
          resolve();
        } else if (event.type === 'hints') {
          for (const { topic, what, id } of event.hints) all.push({ employeeId, topic, what, id, at });
          for (const go of waiting.splice(0)) go();
        }
      });
      await promise;
    },
    heard: (employeeId, since, fits) =>
      all.find((one) => one.employeeId === employeeId && one.at >= since && (fits.topic === undefined || one.topic === fits.topic)
        && (fits.what === undefined || one.what === fits.what) && (fits.id === undefined || one.id === fits.id)),
    next: (patienceMs) => new Promise((resolve) => {
      const timer = setTimeout(done, patienceMs);
      function done(): void {
        clearTimeout(timer);
        waiting = waiting.filter((go) => go !== done);
        resolve();
      }
      waiting.push(done);
    }),
    close() {
      for (const socket of sockets) socket.terminate();
    },
  };
}
