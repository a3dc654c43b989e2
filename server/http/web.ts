/**
 * The web pages: what Vite built into web/dist. Files with a hash in their name are kept by browsers for good; every address
 * that is no file and not ours otherwise (/api, /rest, /i) is a page of the application, which reads the address itself.
 */
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import fastifyStatic from '@fastify/static';
import type { FastifyPluginAsyncZod } from 'fastify-type-provider-zod';
import { text } from '../../shared/messages.ts';

/** Only what comes from here runs or is loaded; styles alone may stand inline, as the components set them. */
const policy = [
  "default-src 'self'", "script-src 'self'", "style-src 'self' 'unsafe-inline'", "img-src 'self' data: blob:", "media-src 'self' blob:", "font-src 'self'",
  "connect-src 'self'", "worker-src 'self'", "frame-src 'self' blob:", "object-src 'none'", "base-uri 'none'", "form-action 'self'", "frame-ancestors 'none'",
].join('; ');

export const pageHeaders = {
  'content-security-policy': policy,
  'x-content-type-options': 'nosniff',
  'referrer-policy': 'same-origin',
  'cross-origin-opener-policy': 'same-origin',
  'permissions-policy': 'camera=(), microphone=(), geolocation=(), payment=()',
  'cache-control': 'no-cache',
} as const;

/** Names as the build gives them; whether there is such a file is seen when it is sent. */
const servedFile = /^\/(assets\/)?[\w-][\w.-]*\.(js|css|svg|png|ico|woff2|webmanifest)$/;

const folder = fileURLToPath(new URL('../../web/dist/', import.meta.url));

/** `directory` is that of a build; absent: web/dist. */
export function webRoutes({ directory = folder }: { directory?: string } = {}): FastifyPluginAsyncZod {
  return async (app) => {
    await app.register(fastifyStatic, { root: directory, serve: false, preCompressed: true, cacheControl: false });
    // Asked each time: a build may come, or come anew, while we run.
    const isBuilt = () => existsSync(join(directory, 'index.html'));

    app.route({
      method: 'GET',
      url: '/*',
      config: { public: true, rateLimit: false },
      schema: { hide: true },
      handler(request, reply) {
        const path = request.url.split('?', 1)[0] ?? '/';
        if (servedFile.test(path)) {
          reply.headers(pageHeaders);
          if (path.startsWith('/assets/')) reply.header('cache-control', 'public, max-age=31536000, immutable');
          return reply.sendFile(path.slice(1));
        }
        // What looks like a file or belongs to a program is not a page.
        if (/^\/(api|rest|i|oauth|assets|metrics)(\/|$)/.test(path) || /\.[a-z0-9]{1,8}$/i.test(path)) return reply.callNotFound();
        reply.headers(pageHeaders);
        if (!isBuilt()) return reply.code(503).type('text/html; charset=utf-8').send(notBuilt());
        return reply.sendFile('index.html');
      },
    });
  };
}

function notBuilt(): string {
  const sentence = `${text('ru', 'http.web_not_built')}<br>${text('en', 'http.web_not_built')}`;
  return `<!doctype html><meta charset="utf-8"><title>Vestnik</title><p>${sentence}</p>`;
}
