/**
 * A hostile hub with a key of its own: it greets and admits like a real one, and deviates where an
 * attack tells it to. Owns the frames of its connections; it knows no agent's keys.
 */
import { createServer } from 'node:net';
import type { AddressInfo, Server, Socket } from 'node:net';
import {
  encodeFrame,
  greet,
  HubKeyPair,
  NO_CHANNEL_BINDING,
  parseClientFrame,
  PROTOCOL_LIMITS,
  sayAsHub,
  systemRandom,
  toBase64Url,
  withAuth,
} from '@agentmesh/protocol';
import type {
  AuthFrame,
  AuthOkFrame,
  ClientFrame,
  ErrorFrame,
  HubFrame,
} from '@agentmesh/protocol';
import type { Target } from '../target.js';

/** Where a hostile hub deviates. */
export interface Deviations {
  /** Answers a frame itself: true if it did. */
  readonly on?: (frame: ClientFrame, guest: Guest) => boolean;
  /** Changes what is said to an agent that has proved itself. */
  readonly admit?: (frame: AuthOkFrame, guest: Guest) => Partial<AuthOkFrame>;
  /** After the agent has published its prekeys. */
  readonly settled?: (guest: Guest) => void;
}

const LIMITS = {
  blobBytes: PROTOCOL_LIMITS.blobBytes,
  ttlSeconds: PROTOCOL_LIMITS.maxTtlSeconds,
  inFlight: PROTOCOL_LIMITS.inFlight,
  signedPrekeys: PROTOCOL_LIMITS.signedPrekeys,
  oneTimePrekeys: PROTOCOL_LIMITS.oneTimePrekeys,
  perSecond: PROTOCOL_LIMITS.sendsPerSecond,
  burst: PROTOCOL_LIMITS.sendBurst,
  bytesPerSecond: PROTOCOL_LIMITS.sendBytesPerSecond,
  requestsPerSecond: PROTOCOL_LIMITS.requestsPerSecond,
  requestBurst: PROTOCOL_LIMITS.requestBurst,
  pending: PROTOCOL_LIMITS.pendingRequests,
};

/** One connection of an agent. */
export class Guest {
  readonly socket: Socket;
  readonly #hub: FalseHub;
  #held = '';
  #transcript = new Uint8Array(32);
  /** Who it is, once it has said so. */
  auth: AuthFrame | null = null;
  #hasSettled = false;

  constructor(socket: Socket, hub: FalseHub) {
    this.socket = socket;
    this.#hub = hub;
    socket.on('error', () => socket.destroy());
    socket.on('data', (bytes: Buffer) => this.#read(bytes.toString('latin1')));
  }

  /** Says a frame; false if the socket is full. */
  say(frame: HubFrame | string): boolean {
    if (this.socket.destroyed) return false;
    return this.socket.write(`${typeof frame === 'string' ? frame : encodeFrame(frame)}\n`);
  }

  #read(text: string): void {
    const lines = (this.#held + text).split('\n');
    this.#held = lines.pop() ?? '';
    for (const line of lines) {
      const decoded = parseClientFrame(line);
      if (decoded.ok) this.#hear(decoded.frame, line);
    }
  }

  #hear(frame: ClientFrame, text: string): void {
    this.#hub.heard.push(frame);
    const { deviations, key } = this.#hub;
    if (deviations.on?.(frame, this) === true) return;
    switch (frame.type) {
      case 'begin': {
        const hello = {
          type: 'hello' as const,
          version: 2,
          features: [],
          hubKey: key.publicKey,
          serverNonce: systemRandom(32),
          time: Date.now(),
          limits: LIMITS,
        };
        const begin = { frame, text };
        const channelBinding = NO_CHANNEL_BINDING;
        const greeted = greet({ hubKey: key, begin, hello, channelBinding });
        this.#transcript = greeted.transcript.slice();
        this.say(greeted.frame);
        return;
      }
      case 'auth':
        this.auth = frame;
        this.#transcript = withAuth(this.#transcript, text).slice();
        this.#admit(frame);
        return;
      case 'put_identity':
      case 'put_prekeys':
        this.say({ type: 'ok', re: frame.id, oneTimePrekeys: 50, keyDigest: null });
        if (frame.type === 'put_prekeys' && !this.#hasSettled) {
          this.#hasSettled = true;
          deviations.settled?.(this);
        }
        return;
      case 'ping':
        this.say({ type: 'pong', re: frame.id });
        return;
      default:
        if ('id' in frame) {
          const said = { re: frame.id, code: 'PEER_NOT_FOUND', message: 'x' };
          this.say(sayAsHub<ErrorFrame>(key, this.#transcript, { type: 'error', ...said }));
        }
    }
  }

  #admit({ id }: AuthFrame): void {
    const { deviations, key } = this.#hub;
    const plain: AuthOkFrame = {
      type: 'auth_ok',
      re: id,
      lastInstance: null,
      lastBoot: null,
      keyDigest: null,
      oneTimePrekeys: 0,
      queued: 0,
      signature: new Uint8Array(64),
    };
    const { signature, ...said } = { ...plain, ...deviations.admit?.(plain, this) };
    void signature;
    this.say(sayAsHub<AuthOkFrame>(key, this.#transcript, said));
  }
}

/** A hostile hub on loopback, without TLS. */
export class FalseHub {
  readonly key = HubKeyPair.generate();
  readonly guests: Guest[] = [];
  /** Every frame that any agent sent. */
  readonly heard: ClientFrame[] = [];
  deviations: Deviations;
  readonly #server: Server;

  private constructor(deviations: Deviations) {
    this.deviations = deviations;
    this.#server = createServer((socket) => this.guests.push(new Guest(socket, this)));
  }

  static async start(deviations: Deviations = {}): Promise<FalseHub> {
    const hub = new FalseHub(deviations);
    const { promise, resolve } = Promise.withResolvers<void>();
    hub.#server.listen(0, '127.0.0.1', resolve);
    await promise;
    return hub;
  }

  get target(): Target {
    const { port } = this.#server.address() as AddressInfo;
    const hubKey = toBase64Url(this.key.publicKey);
    return { host: '127.0.0.1', port, secure: false, hubKey, token: null };
  }

  /** Ends every connection; agents come again. */
  cut(): void {
    for (const { socket } of this.guests.splice(0)) socket.destroy();
  }

  stop(): void {
    this.#server.close();
    this.cut();
  }
}
