/** The hub's end of one connection, played by a test: it says what it is told to say. */
import { AgentMeshError } from '@agentmesh/crypto';
import { alice, hub, NOW } from './agents.js';
import { NO_CHANNEL_BINDING, verifyClientAuth } from '../src/authentication.js';
import type { ClientFrame } from '../src/client-frames.js';
import { encodeFrame, parseClientFrame } from '../src/frame-codec.js';
import { HubChannel } from '../src/hub-channel.js';
import type { HubFrame } from '../src/hub-frames.js';
import type { HubCredentials } from '../src/hub.js';

const serverNonce = new Uint8Array(32).fill(3);

export const HELLO: HubFrame = {
  type: 'hello',
  versions: [2],
  hubKey: hub.publicKey,
  serverNonce,
  time: NOW,
  limits: {
    blobBytes: 1_048_576,
    ttlSeconds: 2_592_000,
    inFlight: 1_000,
    signedPrekeys: 2,
    oneTimePrekeys: 100,
  },
};

/** A channel whose other end the test holds in its hand. */
export class ScriptedHub {
  readonly channel: HubChannel;
  /** Frames that the client sent. */
  readonly heard: ClientFrame[] = [];
  /** News that the client's owner got. */
  readonly news: string[] = [];
  closed = false;
  nowMs = NOW;

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
        send: (text) => {
          const decoded = parseClientFrame(text);
          if (!decoded.ok) throw decoded.error;
          this.heard.push(decoded.frame);
        },
        close: () => {
          this.closed = true;
        },
      },
      requestTimeoutMs,
    });
  }

  /** A channel that is authenticated and hands out its news. */
  static async opened(requestTimeoutMs?: number): Promise<ScriptedHub> {
    const script = new ScriptedHub({}, requestTimeoutMs);
    script.say(HELLO);
    script.say(script.authOk());
    await script.channel.opened;
    script.channel.start();
    script.heard.length = 0;
    return script;
  }

  say(frame: HubFrame): void {
    this.channel.receive(encodeFrame(frame));
  }

  /** The right answer to the `auth` that was heard. */
  authOk(): Extract<HubFrame, { type: 'auth_ok' }> {
    const auth = this.heard.find((frame) => frame.type === 'auth');
    if (auth?.type !== 'auth') throw new TypeError('no auth was heard');
    const verified = verifyClientAuth({
      frame: auth,
      hubKey: hub.publicKey,
      serverNonce,
      nonceIssuedMs: NOW,
      nowMs: NOW,
      channelBinding: NO_CHANNEL_BINDING,
    });
    if (!verified.ok) throw verified.error;
    return {
      type: 'auth_ok',
      re: auth.id,
      signature: hub.sign(verified.value.answer),
      lastInstance: null,
      lastBoot: null,
      keyDigest: null,
      oneTimePrekeys: 0,
      queued: 0,
    };
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
}

/** A delivery by its seq. */
export function delivery(seq: number): HubFrame {
  const id = new Uint8Array(16).fill(seq);
  const from = alice.identity.aid;
  const envelope = { v: 2, id, from, to: from, ts: NOW, blob: new Uint8Array(4) } as const;
  return { type: 'deliver', seq, attempt: 1, envelope };
}

/** The code with which a promise was rejected, or what it resolved to. */
export function outcome(promise: Promise<unknown>): Promise<unknown> {
  return promise.then(
    (value) => value,
    (error: unknown) => (error instanceof AgentMeshError ? error.code : error),
  );
}
