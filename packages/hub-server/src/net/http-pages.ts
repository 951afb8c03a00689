/**
 * The few pages that a hub serves: `/healthz`, `/readyz`, `/metrics`, and the upgrade of `/ws`.
 * Owns paths, answers and who may see what; the sockets come from `front-door`.
 */
import { createServer } from 'node:http';
import type { IncomingMessage, Server, ServerResponse } from 'node:http';
import type { Duplex } from 'node:stream';
import { WebSocketServer } from 'ws';
import type { WebSocket } from 'ws';
import type { Visitor } from './front-door.js';

const REQUEST_MS = 10_000;
const HEADER_BYTES = 8 * 1024;
const REQUESTS_PER_CONNECTION = 1_000;

/** What the pages tell. */
export interface PageSources {
  /** Whether connections are taken. */
  readonly isOpen: () => boolean;
  /** Whether it is of use to connect: what `/readyz` says. */
  readonly isReady: () => boolean;
  readonly metrics: () => Promise<{ readonly type: string; readonly text: string }>;
  /** Whether this visitor may see the metrics. */
  readonly mayMeasure: (visitor: Visitor) => boolean;
  readonly maxMessageBytes: number;
  readonly onWebSocket: (visitor: Visitor, webSocket: WebSocket, request: IncomingMessage) => void;
}

interface Page {
  readonly status: number;
  readonly text: string;
  readonly type?: string;
}

const PLAIN = 'text/plain; charset=utf-8';

/** HTTP without a listening socket of its own. */
export class HttpPages {
  readonly #sources: PageSources;
  readonly #visitors = new WeakMap<object, Visitor>();
  readonly #server: Server;
  readonly #webSockets: WebSocketServer;

  constructor(sources: PageSources) {
    this.#sources = sources;
    this.#webSockets = new WebSocketServer({
      noServer: true,
      perMessageDeflate: false,
      clientTracking: false,
      maxPayload: sources.maxMessageBytes,
    });
    this.#server = createServer({
      maxHeaderSize: HEADER_BYTES,
      headersTimeout: REQUEST_MS,
      requestTimeout: REQUEST_MS,
      keepAliveTimeout: REQUEST_MS,
      connectionsCheckingInterval: 1_000,
    });
    this.#server.maxRequestsPerSocket = REQUESTS_PER_CONNECTION;
    this.#server.on('request', (request, response) => this.#answer(request, response));
    this.#server.on('upgrade', (request, socket, head) => this.#upgrade(request, socket, head));
    this.#server.on('clientError', (_error, socket) => socket.destroy());
  }

  /** A connection whose first byte was of HTTP. */
  serve(visitor: Visitor): void {
    this.#visitors.set(visitor.socket, visitor);
    this.#server.emit('connection', visitor.socket);
    visitor.socket.resume();
  }

  close(): void {
    this.#server.close();
  }

  #answer(request: IncomingMessage, response: ServerResponse): void {
    // Nobody has anything to upload here.
    request.resume();
    this.#page(request).then(
      (page) => write(response, page),
      () => write(response, { status: 503, text: 'unavailable\n' }),
    );
  }

  async #page(request: IncomingMessage): Promise<Page> {
    const visitor = this.#visitors.get(request.socket);
    if (request.method !== 'GET' && request.method !== 'HEAD') {
      return { status: 405, text: 'only GET\n' };
    }
    switch (pathOf(request)) {
      case '/healthz':
        return { status: 200, text: 'ok\n' };
      case '/readyz':
        return this.#sources.isReady()
          ? { status: 200, text: 'ready\n' }
          : { status: 503, text: 'not ready\n' };
      case '/metrics':
        if (visitor === undefined || !this.#sources.mayMeasure(visitor)) break;
        return { status: 200, ...(await this.#sources.metrics()) };
      case '/ws':
        return { status: 426, text: 'connect with a WebSocket client\n' };
    }
    return { status: 404, text: 'not here\n' };
  }

  #upgrade(request: IncomingMessage, socket: Duplex, head: Buffer): void {
    const visitor = this.#visitors.get(request.socket);
    if (visitor === undefined || pathOf(request) !== '/ws' || !this.#sources.isOpen()) {
      socket.end('HTTP/1.1 404 Not Found\r\nConnection: close\r\nContent-Length: 0\r\n\r\n');
      return;
    }
    if (visitor.isPlaintextRefused) {
      socket.end('HTTP/1.1 403 Use TLS\r\nConnection: close\r\nContent-Length: 0\r\n\r\n');
      return;
    }
    this.#webSockets.handleUpgrade(request, socket, head, (webSocket) => {
      this.#sources.onWebSocket(visitor, webSocket, request);
    });
  }
}

function pathOf({ url = '' }: IncomingMessage): string {
  const query = url.indexOf('?');
  return query < 0 ? url : url.slice(0, query);
}

function write(response: ServerResponse, { status, text, type = PLAIN }: Page): void {
  response.writeHead(status, {
    'content-type': type,
    'content-length': Buffer.byteLength(text),
    'cache-control': 'no-store',
    'x-content-type-options': 'nosniff',
  });
  response.end(response.req.method === 'HEAD' ? undefined : text);
}
