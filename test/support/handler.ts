/** An application's server: a real one on the loopback that keeps what it was told, form by form. */
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { after } from 'node:test';
import { parseForm } from '../../server/rest/encoding.ts';

// Whatever came, nested as PHP nests it: tests compare it with what they expect.
type Form = ReturnType<typeof JSON.parse>;

export interface Handler {
  url: string;
  /** Oldest first. */
  received: { path: string; form: Form; type: string }[];
  /** The status of the next answers; 200 until told otherwise. */
  status: number;
  /** Takes what came so far. */
  take(): Form[];
  /** Done before it answers. */
  onRequest(hook: ((form: Form) => Promise<void>) | undefined): void;
}

export async function startHandler(): Promise<Handler> {
  const received: Handler['received'] = [];
  let hook: ((form: Form) => Promise<void>) | undefined;
  const handler: Handler = {
    url: '', received, status: 200,
    take: () => received.splice(0).map(({ form }) => form),
    onRequest(given) {
      hook = given;
    },
  };
  const server = createServer((request, response) => {
    const chunks: Buffer[] = [];
    request.on('data', (chunk: Buffer) => chunks.push(chunk));
    request.on('end', () => {
      const form = parseForm(Buffer.concat(chunks).toString('utf8'));
      received.push({ path: request.url ?? '', form, type: request.headers['content-type'] ?? '' });
      void Promise.resolve(hook?.(form)).finally(() => {
        response.writeHead(handler.status);
        response.end('ok');
      });
    });
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  after(() => {
    server.closeAllConnections();
    server.close();
  });
  handler.url = `http://127.0.0.1:${(server.address() as AddressInfo).port}/handler`;
  return handler;
}
