/** Who asks: session cookie or API token → `request.actor`; requests from other sites are refused. */
import type { FastifyReply, FastifyRequest } from 'fastify';
import { UserError } from '../../shared/errors.ts';
import type { Actor } from '../people/people.ts';

declare module 'fastify' {
  interface FastifyRequest {
    /** Who is signed in. Reading it in a `public` route is a mistake: nobody was asked for there. */
    actor: Actor;
    /** The token that told who it is, for signing out and for asking again later. */
    token: string;
    /** Who it is, in a `public` route too; undefined: nobody we know. */
    identify(): Promise<Actor | undefined>;
  }
  interface FastifyReply {
    /** Makes the browser send the token with every request until `expiresAt`. */
    startSession(token: string, expiresAt: Date): FastifyReply;
    endSession(): FastifyReply;
  }
  interface FastifyContextConfig {
    /** Open to everybody. Without it a route needs a signed-in person. */
    public?: boolean;
    /** A public route where a password or a secret can be guessed: few tries per address. */
    guessable?: boolean;
  }
}

export interface AuthDeps {
  actorFromToken(token: string): Promise<Actor | null | undefined>;
  now: () => Date;
  publicUrl: string;
}

const unsafeMethods = new Set(['POST', 'PATCH', 'PUT', 'DELETE']);

export function createAuth({ actorFromToken, now, publicUrl }: AuthDeps) {
  const own = new URL(publicUrl);

  // A proxy that ends TLS speaks http to us; the configured address tells the truth then.
  const isSecure = (request: FastifyRequest): boolean => own.protocol === 'https:' || request.protocol === 'https';
  // The prefix makes browsers refuse the cookie from subdomains and without TLS.
  const cookieName = (request: FastifyRequest): string => (isSecure(request) ? '__Host-session' : 'session');

  function bearer(request: FastifyRequest): string | undefined {
    const header = request.headers.authorization;
    return header !== undefined && /^bearer /i.test(header) ? header.slice(7).trim() : undefined;
  }

  /**
   * Whether a browser made the request from a page of ours. Browsers send Origin with everything
   * that changes something and with every WebSocket, and recent ones Sec-Fetch-Site; a request with
   * a cookie and neither of them is not from a browser we want to trust.
   */
  function isFromHere(request: FastifyRequest): boolean {
    const site = request.headers['sec-fetch-site'];
    if (site !== undefined) return site === 'same-origin' || site === 'none';
    const { origin } = request.headers;
    if (origin === undefined) return false;
    const parsed = URL.parse(origin);
    // The host alone decides: behind a proxy that ends TLS our idea of the protocol may be wrong.
    return parsed !== null && (parsed.host === own.host || parsed.host === request.host);
  }

  function refuseOtherSites(request: FastifyRequest): void {
    if (!unsafeMethods.has(request.method) && request.headers.upgrade === undefined) return;
    if (!isFromHere(request)) throw new UserError('request.wrong_origin', { origin: own.origin });
  }

  const options = (request: FastifyRequest) => ({ httpOnly: true, sameSite: 'lax', secure: isSecure(request), path: '/' }) as const;

  return {
    /** Hook of every route that is not public. Callback style: a promise per hook costs more than it does. */
    requireActor(request: FastifyRequest, _reply: FastifyReply, done: (error?: Error) => void): void {
      let token = bearer(request);
      if (token === undefined) {
        token = request.cookies[cookieName(request)];
        if (token !== undefined) {
          try {
            refuseOtherSites(request);
          } catch (error) {
            done(error instanceof Error ? error : new Error(String(error)));
            return;
          }
        }
      }
      if (!token) {
        done(new UserError('auth.required'));
        return;
      }
      request.token = token;
      actorFromToken(token).then(
        (actor) => {
          if (!actor) return done(new UserError('auth.required'));
          request.actor = actor;
          done();
        },
        (error: Error) => done(error),
      );
    },

    async identify(request: FastifyRequest): Promise<Actor | undefined> {
      const token = bearer(request) ?? request.cookies[cookieName(request)];
      return token ? ((await actorFromToken(token)) ?? undefined) : undefined;
    },

    startSession(reply: FastifyReply, token: string, expiresAt: Date): void {
      const maxAge = Math.max(0, Math.round((expiresAt.getTime() - now().getTime()) / 1000));
      reply.setCookie(cookieName(reply.request), token, { ...options(reply.request), maxAge });
    },

    endSession(reply: FastifyReply): void {
      reply.clearCookie(cookieName(reply.request), options(reply.request));
    },

    isSecure,
  };
}
