/** The hub's end of one connection, played by a test: it says what it is told to say. */
import { AgentMeshError } from '@agentmesh/crypto';
import { alice, hub, NOW } from './agents.js';
import { greet, NO_CHANNEL_BINDING, sayAsHub, withAuth } from '../src/authentication.js';
import type { Spoken } from '../src/authentication.js';
import type { BeginFrame, ClientFrame } from '../src/client-frames.js';
import { encodeFrame, parseClientFrame } from '../src/frame-codec.js';
import { HubChannel } from '../src/hub-channel.js';
import type { AuthOkFrame, HelloFrame, HubFrame } from '../src/hub-frames.js';
import type { HubCredentials } from '../src/hub.js';
import type { SignedFrame } from '../src/signed-text.js';

/** What a hub says first, all but its proof. */
export const HELLO: Omit<HelloFrame, 'proof'> = {
  type: 'hello',
  version: 2,
  features: [],
  hubKey: hub.publicKey,
  serverNonce: new Uint8Array(32).fill(3),
  time: NOW,
  limits: {
    blobBytes: 1_048_576,
    ttlSeconds: 2_592_000,
    inFlight: 1_000,
    signedPrekeys: 2,
    oneTimePrekeys: 100,
    perSecond: 100,
    burst: 500,
    bytesPerSecond: 16_777_216,
    requestsPerSecond: 100,
    requestBurst: 500,
    pending: 64,
  },
};

/** A channel whose other end the test holds in its hand. */
export class ScriptedHub {
  readonly channel: HubChannel;
  /** Frames that the client sent after `begin`. */
  readonly heard: ClientFrame[] = [];
  /** News that the client's owner got. */
  readonly news: string[] = [];
  closed = false;
  /** Whether the client lets texts of one turn go together. */
  gathers = false;
  nowMs = NOW;
  #begin: Spoken<BeginFrame> | null = null;
  #transcript = new Uint8Array(32);

  constructor(changes: Partial<HubCredentials> = {}, requestTimeoutMs?: number) {
    this.channel = new HubChannel({
      credentials: {
        name: 'alice',
        identity: alice.identity,
        instance: new Uint8Array(16).fill(5),
        boot: 1,
        sign: (bytes) => alice.sign(bytes),
        ...changes,
      },
      events: {
        deliver: ({ seq, attempt }) => this.news.push(`deliver ${seq} ${attempt}`),
        notice: ({ what }) => this.news.push(what),
        closed: (error: AgentMeshError | null) =>
          this.news.push(`closed ${error?.code ?? 'by us'}`),
      },
      channelBinding: NO_CHANNEL_BINDING,
      clock: () => this.nowMs,
      random: (length) => new Uint8Array(length).fill(8),
      transport: {
        send: (text) => this.#hear(text),
        close: () => {
          this.closed = true;
        },
        gather: () => {
          this.gathers = true;
        },
      },
      requestTimeoutMs,
    });
  }

  /** A channel that is authenticated and hands out its news. */
  static async opened(requestTimeoutMs?: number): Promise<ScriptedHub> {
    const script = new ScriptedHub({}, requestTimeoutMs);
    script.greet();
    script.admit();
    await script.channel.opened;
    script.channel.start();
    script.heard.length = 0;
    return script;
  }

  say(frame: HubFrame): void {
    this.channel.receive(encodeFrame(frame));
  }

  /** A `hello` with a proof for this very connection. */
  hello(changes: Partial<HelloFrame> = {}): HelloFrame {
    if (this.#begin === null) throw new TypeError('no begin was heard');
    const hello = { ...HELLO, ...changes };
    const channelBinding = NO_CHANNEL_BINDING;
    const said = greet({ hubKey: hub, begin: this.#begin, hello, channelBinding });
    this.#transcript = said.transcript.slice();
    return { ...said.frame, ...changes };
  }

  /** Proves the hub's key. */
  greet(): void {
    this.say(this.hello());
  }

  /** A frame with the hub's signature, for this very connection. */
  signed<F extends SignedFrame>(frame: F): F {
    return sayAsHub<F>(hub, this.#transcript, frame);
  }

  /** The right answer to the `auth` that was heard. */
  authOk(): AuthOkFrame {
    const auth = this.heard.find((frame) => frame.type === 'auth');
    if (auth?.type !== 'auth') throw new TypeError('no auth was heard');
    return this.signed<AuthOkFrame>({
      type: 'auth_ok',
      re: auth.id,
      signature: new Uint8Array(64),
      lastInstance: null,
      lastBoot: null,
      keyDigest: null,
      oneTimePrekeys: 0,
      queued: 0,
    });
  }

  admit(): void {
    this.say(this.authOk());
  }

  /** Time passes as it does in life, with a tick every second. */
  pass(ms: number): void {
    for (let passed = 0; passed < ms; passed += 1_000) {
      this.nowMs += 1_000;
      this.channel.tick();
    }
  }

  /** Number of the last request that was heard. */
  lastId(): number {
    const request = this.heard.findLast((frame) => 'id' in frame);
    return request !== undefined && 'id' in request ? request.id : -1;
  }

  #hear(text: string): void {
    const decoded = parseClientFrame(text);
    if (!decoded.ok) throw decoded.error;
    const { frame } = decoded;
    if (frame.type === 'begin') {
      this.#begin = { frame, text };
      return;
    }
    if (frame.type === 'auth') this.#transcript = withAuth(this.#transcript, text).slice();
    this.heard.push(frame);
  }
}

/** A delivery by its seq. */
export function delivery(seq: number, bytes = 4): HubFrame {
  const id = new Uint8Array(16).fill(seq);
  const from = alice.identity.aid;
  const envelope = { v: 2, id, from, to: from, ts: NOW, blob: new Uint8Array(bytes) } as const;
  return { type: 'deliver', seq, attempt: 1, envelope };
}

/** The code with which a promise was rejected, or what it resolved to. */
export function outcome(promise: Promise<unknown>): Promise<unknown> {
  return promise.then(
    (value) => value,
    (error: unknown) => (error instanceof AgentMeshError ? error.code : error),
  );
}
