/**
 * The few pages that a hub serves: `/healthz`, `/readyz`, `/metrics`, and the upgrade of `/ws`.
 * Owns paths, answers and who may see what; the sockets come from `front-door`.
 */
import type { IncomingMessage, Server, ServerResponse } from 'node:http';
import type { Socket } from 'node:net';
import type { Duplex } from 'node:stream';
import { WebSocketServer } from 'ws';
import type { WebSocket } from 'ws';
import type { Visitor } from './front-door.js';
import type { MemoryBudget } from './memory-budget.js';
import { PageVisit } from './page-visit.js';
import { isForwarded } from './web-access.js';
import type { WebAccess, WebRefusal, WebRequest } from './web-access.js';

/** Not imported: an import reads `http.WebSocket` too, for which Node loads all of `fetch`. */
const { createServer, STATUS_CODES } = process.getBuiltinModule('node:http');

const REQUEST_MS = 10_000;
const HEADER_BYTES = 8 * 1024;
const REQUESTS_PER_CONNECTION = 1_000;
/** Pages asked for from one source in a second: monitoring needs a few. */
const REQUESTS_PER_SECOND = 100;

/** What the pages tell. */
export interface PageSources {
  /** Whether connections are taken. */
  readonly isOpen: () => boolean;
  /** Whether it is of use to connect: what `/readyz` says. */
  readonly isReady: () => boolean;
  readonly metrics: () => Promise<{ readonly type: string; readonly text: string }>;
  /** Whether the metrics may be read by this request. */
  readonly mayMeasure: (request: WebRequest) => boolean;
  readonly access: WebAccess;
  /** Whether frames without TLS are taken from behind a forwarder. */
  readonly allowsForwardedPlaintext: boolean;
  readonly maxMessageBytes: number;
  readonly monotonic: () => number;
  /** What all connections hold in memory. */
  readonly budget: MemoryBudget;
  readonly onWebSocket: (visitor: Visitor, webSocket: WebSocket, request: IncomingMessage) => void;
}

interface Page {
  readonly status: number;
  readonly text: string;
  readonly type?: string;
}

const REFUSALS: Readonly<Record<WebRefusal, Page>> = {
  origin: { status: 403, text: 'web pages of this origin may not connect: see --allow-origin\n' },
  host: { status: 421, text: 'this hub does not know that host name: see --allow-host\n' },
};

const TOO_MANY: Page = { status: 429, text: 'too many requests: ask less often\n' };
const NOT_HERE: Page = { status: 404, text: 'not here\n' };
const USE_TLS = { status: 403, reason: 'Use TLS', text: 'connect with TLS\n' } as const;
const PLAIN = 'text/plain; charset=utf-8';

/** HTTP without a listening socket of its own. */
export class HttpPages {
  readonly #sources: PageSources;
  readonly #visitors = new WeakMap<object, Visitor>();
  readonly #visits = new WeakMap<object, PageVisit>();
  readonly #server: Server;
  readonly #webSockets: WebSocketServer;
  /** Of the present second, by source. */
  readonly #asked = new Map<string, number>();
  #second = 0;

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
    const answer = (request: IncomingMessage, response: ServerResponse): void =>
      this.#answer(request, response);
    this.#server.on('request', answer);
    // What Node would answer by itself, without a bound.
    this.#server.on('checkContinue', answer);
    this.#server.on('checkExpectation', answer);
    this.#server.on('dropRequest', (_request, socket) => socket.destroy());
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
    const visit = this.#visitOf(request.socket);
    if (!visit.begin()) return;
    const answer = (page: Page): void => {
      response.once('close', visit.answer(page.text.length));
      write(response, page);
    };
    if (!this.#isWithinRate(request)) {
      response.shouldKeepAlive = false;
      return answer(TOO_MANY);
    }
    this.#page(request).then(answer, () => answer({ status: 503, text: 'unavailable\n' }));
  }

  #visitOf(socket: Socket): PageVisit {
    const { budget, monotonic } = this.#sources;
    const visit = this.#visits.get(socket) ?? new PageVisit(socket, budget, monotonic);
    this.#visits.set(socket, visit);
    return visit;
  }

  #isWithinRate(request: IncomingMessage): boolean {
    const second = Math.floor(this.#sources.monotonic() / 1_000);
    if (second !== this.#second) this.#asked.clear();
    this.#second = second;
    const source = this.#visitors.get(request.socket)?.guest.address ?? '';
    const asked = (this.#asked.get(source) ?? 0) + 1;
    this.#asked.set(source, asked);
    return asked <= REQUESTS_PER_SECOND;
  }

  async #page(request: IncomingMessage): Promise<Page> {
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
        return this.#metrics(request);
      case '/ws':
        return { status: 426, text: 'connect with a WebSocket client\n' };
    }
    return NOT_HERE;
  }

  async #metrics(request: IncomingMessage): Promise<Page> {
    const visitor = this.#visitors.get(request.socket);
    if (visitor === undefined) return NOT_HERE;
    const { access, mayMeasure, metrics } = this.#sources;
    const asked = webRequestOf(request, visitor);
    const refusal = access.refusalOf(asked);
    if (refusal !== null) return REFUSALS[refusal];
    return mayMeasure(asked) ? { status: 200, ...(await metrics()) } : NOT_HERE;
  }

  #upgrade(request: IncomingMessage, socket: Duplex, head: Buffer): void {
    const visitor = this.#visitors.get(request.socket);
    if (visitor === undefined || pathOf(request) !== '/ws' || !this.#sources.isOpen()) {
      return refuse(socket, NOT_HERE);
    }
    const refusal = this.#sources.access.refusalOf(webRequestOf(request, visitor));
    if (refusal !== null) return refuse(socket, REFUSALS[refusal]);
    if (this.#needsTls(request, visitor)) return refuse(socket, USE_TLS);
    this.#webSockets.handleUpgrade(request, socket, head, (webSocket) => {
      this.#sources.onWebSocket(visitor, webSocket, request);
    });
  }

  /** A forwarder on this machine does not make remote plaintext local. */
  #needsTls({ headers }: IncomingMessage, { secure, isPlaintextRefused }: Visitor): boolean {
    const isRemote = isForwarded(headers) && !this.#sources.allowsForwardedPlaintext;
    return isPlaintextRefused || (!secure && isRemote);
  }
}

/** Two names are none that is known: who passes a request on may have looked at the other one. */
function webRequestOf(request: IncomingMessage, { address, secure }: Visitor): WebRequest {
  const hosts = request.headersDistinct['host'] ?? [];
  const named = hosts.length > 1 ? { host: hosts.join(',') } : {};
  return { headers: { ...request.headers, ...named }, address, secure };
}

/** Answers an upgrade that does not take place, and ends the connection. */
function refuse(socket: Duplex, page: Page & { readonly reason?: string }): void {
  const { status, text, reason = STATUS_CODES[status] ?? '' } = page;
  const head = `HTTP/1.1 ${status} ${reason}\r\nConnection: close\r\n`;
  socket.end(`${head}Content-Type: ${PLAIN}\r\nContent-Length: ${text.length}\r\n\r\n${text}`);
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
