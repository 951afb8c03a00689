/**
 * One port for everything (hub.md §3): tells TLS, frames and HTTP apart by the first byte, again
 * inside TLS, and hands each connection on. Owns the sockets until then and what plaintext may do;
 * frames are `line-link` and `web-socket-link`, pages are `http-pages`.
 */
import type { ChannelBinding } from '@agentmesh/protocol';
import { encodeFrame, errorFrame, NO_CHANNEL_BINDING, ProtocolError } from '@agentmesh/protocol';
import { createServer } from 'node:net';
import type { Server, Socket } from 'node:net';
import { createServer as createTlsServer, TLSSocket } from 'node:tls';
import type { Server as TlsServer } from 'node:tls';
import { plainAddress, sourceOf } from './address.js';
import { speechOf } from './first-byte.js';
import type { Guest, Lobby } from './lobby.js';

const EXPORTER_LABEL = 'EXPORTER-Channel-Binding';
const BINDING_BYTES = 32;
const READ_BYTES = 16 * 1024;
const SPARE_CONNECTIONS = 100;
const PROXY_BINDING: ChannelBinding = { type: 2, value: new Uint8Array(BINDING_BYTES) };

/** A certificate chain and its private key, PEM. */
export interface TlsIdentity {
  readonly cert: string;
  readonly key: string;
}

/** A connection that was told apart. */
export interface Visitor {
  readonly socket: Socket;
  readonly secure: boolean;
  /** Without TLS, and neither loopback nor allowed: only health may be asked. */
  readonly isPlaintextRefused: boolean;
  /** IP address of the other end, or of the proxy. */
  readonly address: string;
  /** What the visitor is to the lobby until it is handed on. */
  readonly guest: Guest;
}

/** What the door needs. */
export interface FrontDoorOptions {
  readonly tls: TlsIdentity;
  /** Whether frames without TLS are taken from an address. */
  readonly mayBePlain: (address: string) => boolean;
  readonly behindProxy: boolean;
  readonly maxConnections: number;
  readonly lobby: Lobby;
  readonly monotonic: () => number;
  readonly onFrames: (visitor: Visitor) => void;
  readonly onHttp: (visitor: Visitor) => void;
}

/** The listening socket and what stands behind it. */
export class FrontDoor {
  readonly #options: FrontDoorOptions;
  readonly #server: Server;
  readonly #tls: TlsServer;
  readonly #sockets = new Set<Socket>();
  /** Connections in their TLS handshake, by the other end. */
  readonly #handshakes = new Map<string, Visitor>();

  constructor(options: FrontDoorOptions) {
    this.#options = options;
    const { cert, key } = options.tls;
    this.#server = createServer({ pauseOnConnect: true, highWaterMark: READ_BYTES });
    // The core turns away those beyond its limit with a word; further ones are just dropped.
    this.#server.maxConnections = options.maxConnections + SPARE_CONNECTIONS;
    this.#server.on('connection', (socket) => this.#enter(socket));
    this.#tls = createTlsServer({ cert, key, minVersion: 'TLSv1.3' });
    this.#tls.on('tlsClientError', (_error, socket) => socket.destroy());
    this.#tls.on('secureConnection', (socket) => this.#secured(socket));
  }

  /** Resolves with the port; rejects with the system's error. */
  listen(host: string, port: number): Promise<number> {
    return new Promise((resolve, reject) => {
      this.#server.once('error', reject);
      this.#server.listen({ host, port, backlog: 4_096 }, () => {
        this.#server.off('error', reject);
        const address = this.#server.address();
        resolve(typeof address === 'object' && address !== null ? address.port : port);
      });
    });
  }

  /** No new connections; those that are here stay. */
  stopListening(): void {
    this.#server.close();
  }

  get connections(): number {
    return this.#sockets.size;
  }

  /** Removes every connection at once. */
  destroyAll(): void {
    for (const socket of this.#sockets) socket.destroy();
  }

  #enter(socket: Socket): void {
    const { lobby, monotonic } = this.#options;
    const address = socket.remoteAddress;
    socket.on('error', () => socket.destroy());
    const guest =
      address === undefined
        ? null
        : lobby.enter(sourceOf(address), monotonic(), () => socket.destroy());
    if (address === undefined || guest === null) {
      socket.destroy();
      return;
    }
    this.#sockets.add(socket);
    // It closes once: `once` would keep a wrapper with each connection.
    socket.on('close', () => {
      this.#sockets.delete(socket);
      lobby.leave(guest);
    });
    const plain = plainAddress(address);
    const isPlaintextRefused = !this.#options.mayBePlain(plain);
    this.#listenTo({ socket, secure: false, isPlaintextRefused, address: plain, guest });
  }

  /**
   * Waits for the first byte, and puts it back. Whoever says nothing is told nothing, and leaves
   * with the lobby's deadline: it may be a browser that connects before it has a request.
   */
  #listenTo(visitor: Visitor): void {
    const { socket } = visitor;
    const look = (): void => {
      const first = socket.read(1) as Buffer | null;
      if (first === null) return;
      socket.off('readable', look);
      socket.unshift(first);
      this.#admit(visitor, first[0] ?? 0);
    };
    socket.on('readable', look);
  }

  #admit(visitor: Visitor, firstByte: number): void {
    const { socket, secure, isPlaintextRefused } = visitor;
    const speech = speechOf(firstByte);
    if (speech === 'http') return this.#options.onHttp(visitor);
    if (speech === 'tls' && !secure) return this.#beginTls(visitor);
    if (speech !== 'ndjson') {
      socket.destroy();
      return;
    }
    if (!isPlaintextRefused) return this.#options.onFrames(visitor);
    const refusal = errorFrame(new ProtocolError('PLAINTEXT_REFUSED'));
    socket.end(`${encodeFrame(refusal)}\n`);
  }

  #beginTls(visitor: Visitor): void {
    const key = endpointOf(visitor.socket);
    this.#handshakes.set(key, visitor);
    visitor.socket.once('close', () => this.#handshakes.delete(key));
    this.#tls.emit('connection', visitor.socket);
  }

  #secured(socket: TLSSocket): void {
    const visitor = this.#handshakes.get(endpointOf(socket));
    socket.on('error', () => socket.destroy());
    if (visitor === undefined) socket.destroy();
    else this.#listenTo({ ...visitor, socket, secure: true, isPlaintextRefused: false });
  }

  /** This end's view of a connection that speaks frames (protocol.md §2.15). */
  bindingOf({ socket, secure }: Visitor, isWebSocket: boolean): ChannelBinding {
    const { behindProxy } = this.#options;
    if (!secure || !(socket instanceof TLSSocket)) {
      return behindProxy ? PROXY_BINDING : NO_CHANNEL_BINDING;
    }
    // A browser cannot see the exporter of its own connection.
    if (isWebSocket && behindProxy) return PROXY_BINDING;
    const value = socket.exportKeyingMaterial(BINDING_BYTES, EXPORTER_LABEL, Buffer.alloc(0));
    return { type: 1, value: new Uint8Array(value) };
  }
}

function endpointOf({ remoteAddress, remotePort }: Socket): string {
  return `${remoteAddress} ${remotePort}`;
}
