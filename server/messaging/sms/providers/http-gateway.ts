/**
 * The socket under the test gateways in the providers' folders: an HTTP server that keeps what it was
 * asked, and can spoil the next answer after the request was carried out, as real lines do.
 *
 * Only for tests: the product never starts it.
 */
import http, { type IncomingHttpHeaders, type ServerResponse } from 'node:http';

export interface GatewayRequest {
  method: string;
  path: string;
  query: URLSearchParams;
  headers: IncomingHttpHeaders;
  body: string;
  form: URLSearchParams;
}
export interface GatewayReply {
  status?: number;
  headers?: Record<string, string>;
  /** A text as it is, anything else as JSON. */
  body: unknown;
}
/** html: a page of a portal in between; silence: no answer at all; cut: half of one; broken: a 502. */
export type Trouble = 'html' | 'silence' | 'cut' | 'broken';

export interface HttpGateway {
  url: string;
  requests: GatewayRequest[];
  /** Spoils the next answer. The request is carried out all the same. */
  spoilNext(trouble: Trouble): void;
  /** Answers the next request with this instead of carrying it out. */
  replyNext(reply: GatewayReply): void;
  close(): Promise<void>;
}

export async function startHttpGateway(carryOut: (request: GatewayRequest) => GatewayReply): Promise<HttpGateway> {
  const requests: GatewayRequest[] = [];
  let trouble: Trouble | undefined;
  let instead: GatewayReply | undefined;

  function send(response: ServerResponse, { status = 200, headers = {}, body }: GatewayReply): void {
    const isText = typeof body === 'string';
    response.writeHead(status, { 'content-type': isText ? 'text/plain; charset=utf-8' : 'application/json; charset=utf-8', ...headers });
    response.end(isText ? body : JSON.stringify(body));
  }

  const server = http.createServer((incoming, response) => {
    const chunks: Buffer[] = [];
    incoming.on('data', (chunk: Buffer) => chunks.push(chunk)).on('end', () => {
      const body = Buffer.concat(chunks).toString();
      const url = new URL(incoming.url ?? '/', 'http://gateway.invalid');
      const request = { method: incoming.method ?? '', path: url.pathname, query: url.searchParams, headers: incoming.headers, body, form: new URLSearchParams(body) };
      requests.push(request);
      const reply = instead ?? carryOut(request);
      instead = undefined;
      const spoiled = trouble;
      trouble = undefined;
      if (spoiled === 'silence') return;
      if (spoiled === 'html') return send(response, { headers: { 'content-type': 'text/html' }, body: '<html><h1>Welcome to our Wi-Fi</h1></html>' });
      if (spoiled === 'broken') return send(response, { status: 502, body: '<html>Bad gateway</html>' });
      if (spoiled === 'cut') {
        response.writeHead(200, { 'content-length': '1000' });
        response.write('{"sta');
        setImmediate(() => response.destroy());
        return;
      }
      send(response, reply);
    });
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const address = server.address();
  return {
    url: `http://127.0.0.1:${typeof address === 'object' && address ? address.port : 0}`,
    requests,
    spoilNext(next) {
      trouble = next;
    },
    replyNext(reply) {
      instead = reply;
    },
    async close() {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}
