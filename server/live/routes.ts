/**
 * `GET /api/live`: the WebSocket browsers listen on. Signing in and the check of the Origin have
 * happened before, in the hook of every route.
 */
import type { FastifyReply, FastifyRequest } from 'fastify';
import type { FastifyPluginAsyncZod } from 'fastify-type-provider-zod';
import type { WebSocket } from 'ws';
import { liveCloseCodes, type LiveEvent, type LiveRequest, liveRequest } from '../../shared/api/live.ts';
import { UserError } from '../../shared/errors.ts';
import type { Connection, Live, Watcher } from './live.ts';

/** A reader that is this far behind is cut off: it comes back and fetches anew, cheaper than a queue. */
const maxBufferedBytes = 1024 * 1024;
/** Requests are lists of short topics. */
const maxRequestBytes = 16 * 1024;
const maxTopics = 500;
/** Steps between two pages of a board are a handful of requests a second. */
const maxRequestsPerTenSeconds = 200;
const pingMs = 30_000;
const typingMs = 2000;

function parse(raw: string): LiveRequest | undefined {
  try {
    return liveRequest.safeParse(JSON.parse(raw)).data;
  } catch {
    return undefined;
  }
}

export function liveRoutes({ live, actorFromToken }: { live: Live; actorFromToken(token: string): Promise<Watcher | null | undefined> }): FastifyPluginAsyncZod {
  return async (app) => {
    const unanswered = new Set<WebSocket>();
    const open = new Set<WebSocket>();
    // One timer for all: proxies cut silent lines, and a peer that vanished never says so.
    const pings = setInterval(() => {
      for (const socket of open) {
        if (unanswered.has(socket)) socket.terminate();
        else {
          unanswered.add(socket);
          socket.ping();
        }
      }
    }, pingMs);
    pings.unref();
    app.addHook('onClose', async () => clearInterval(pings));

    function listen(socket: WebSocket, request: FastifyRequest): void {
      const { token, actor } = request;
      const close = (code: number): void => {
        socket.close(code);
        // A peer that reads nothing does not answer the closing either.
        setTimeout(() => socket.terminate(), 5000).unref();
      };
      const send = (text: string): void => {
        if (socket.readyState !== socket.OPEN) return;
        if (socket.bufferedAmount > maxBufferedBytes) return void (connection.close(), close(liveCloseCodes.tooSlow));
        socket.send(text);
      };
      const say = (event: LiveEvent): void => send(JSON.stringify(event));
      const connection: Connection = live.connect({
        watcher: actor,
        send,
        close: (reason) => close(liveCloseCodes[reason]),
        recheck: async () => (await actorFromToken(token)) ?? null,
      });
      open.add(socket);
      say({ type: 'ready', employeeId: actor.employeeId });

      let requests = 0;
      let countedFrom = performance.now();
      let typedAt = -Infinity;

      async function answer(raw: string): Promise<void> {
        const wanted = parse(raw);
        if (!wanted) return close(liveCloseCodes.badRequest);
        if ('subscribe' in wanted) {
          if (connection.topicCount + wanted.subscribe.length > maxTopics) return close(liveCloseCodes.tooMany);
          const { refused } = await connection.subscribe(wanted.subscribe);
          const gone = new Set(refused);
          say({ type: 'subscribed', topics: wanted.subscribe.filter((topic) => !gone.has(topic)), refused });
        } else if ('unsubscribe' in wanted) {
          connection.unsubscribe(wanted.unsubscribe);
        } else if (performance.now() - typedAt >= typingMs) {
          typedAt = performance.now();
          await connection.typing(wanted.typing);
        }
      }

      socket.on('message', (data: Buffer, isBinary: boolean) => {
        if (performance.now() - countedFrom > 10_000) {
          countedFrom = performance.now();
          requests = 0;
        }
        if (++requests > maxRequestsPerTenSeconds) return close(liveCloseCodes.tooMany);
        if (isBinary || data.length > maxRequestBytes) return close(liveCloseCodes.badRequest);
        answer(data.toString()).catch((error: unknown) => {
          request.log.error(error, 'live request failed');
          close(liveCloseCodes.tryAgain);
        });
      });
      socket.on('pong', () => unanswered.delete(socket));
      socket.on('close', () => {
        open.delete(socket);
        unanswered.delete(socket);
        connection.close();
      });
    }

    app.route({
      method: 'GET',
      url: '/api/live',
      schema: { tags: ['Live'], summary: 'Hear what to fetch again (WebSocket; frames as in shared/api/live.ts)' },
      handler(_request: FastifyRequest, _reply: FastifyReply) {
        throw new UserError('live.not_websocket');
      },
      wsHandler: listen,
    });
  };
}
