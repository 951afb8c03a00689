/**
 * The client's end of one connection to a hub, without a socket: frames' text in, frames' text out.
 * Owns authentication of the hub, matching of replies to requests, heartbeat and time limits. Does
 * not own the transport, nor trying again: the owner of a channel opens the next one.
 */
import { toHex } from '@agentmesh/crypto/verify';
import type { Bundle, RandomSource } from '@agentmesh/crypto/verify';
import { unproven } from './authentication.js';
import type { ChannelBinding, Spoken } from './authentication.js';
import type { ClientFrame, RequestFrame } from './client-frames.js';
import { ClientHandshake } from './client-handshake.js';
import type { Clock } from './clock.js';
import { ProtocolError } from './errors.js';
import { encodeFrame, parseHubFrame } from './frame-codec.js';
import type { AuthOkFrame, ErrorFrame, HelloFrame, HubFrame, ReplyFrame } from './hub-frames.js';
import type {
  AgentPage,
  DeliveryRefusal,
  HubConnection,
  HubCredentials,
  HubEvents,
  HubSession,
  KeyState,
  OutgoingEnvelope,
  PrekeyUpload,
} from './hub.js';
import { PROTOCOL_LIMITS } from './limits.js';
import { Pace } from './pace.js';
import { PendingReplies } from './pending-replies.js';
import { costOf, waitOf } from './request-cost.js';
import type { Numbered } from './request-cost.js';
import { RequestQueue } from './request-queue.js';
import { SteadyClock } from './steady-clock.js';
import { FEATURES } from './version.js';

/** What a channel needs. */
export interface HubChannelOptions {
  readonly credentials: HubCredentials;
  /** News of an opened connection, from {@link HubChannel.start} on; `closed` is the last. */
  readonly events: Pick<HubEvents, 'deliver' | 'notice' | 'closed'>;
  /** This end's view of the connection (protocol.md §2.15). */
  readonly channelBinding: ChannelBinding;
  readonly clock: Clock;
  readonly random: RandomSource;
  readonly transport: ChannelTransport;
  /** How long a request may wait to leave, and then for its reply. */
  readonly requestTimeoutMs?: number | undefined;
  /** What the agent has spent of the hub's rates on earlier connections. */
  readonly pace?: Pace | undefined;
  /** Runs a task once; the returned function calls it off. By default requests wait for `tick`. */
  readonly after?: ((delayMs: number, task: () => void) => () => void) | undefined;
}

/** What carries the frames. Neither method may throw or call back at once. */
export interface ChannelTransport {
  /** Takes the text of one frame, without a newline. */
  send(text: string): void;
  /** Ends the connection after what was sent. */
  close(): void;
  /** From now on texts of one turn may go together, as `gathered` does it. */
  gather?(): void;
}

const REQUEST_TIMEOUT_MS = 30_000;
/** News that may wait for {@link HubChannel.start}: more than a hub has to say in that moment. */
const HELD_NEWS = 10_000;

type ReplyOf<T extends ReplyFrame['type']> = Extract<ReplyFrame, { type: T }>;
type Push = Extract<HubFrame, { type: 'deliver' | 'notice' }>;

/** One connection: speaks first, lets the hub prove itself, authenticates, then serves. */
export class HubChannel implements HubConnection {
  /** Resolves once both sides are authenticated; rejects with why that failed. */
  readonly opened: Promise<HubSession>;
  readonly #options: HubChannelOptions;
  readonly #steady: SteadyClock;
  readonly #pending: PendingReplies;
  readonly #handshake: ClientHandshake;
  readonly #queue: RequestQueue;
  readonly #timeoutMs: number;
  readonly #opening = Promise.withResolvers<HubSession>();
  readonly #gone = Promise.withResolvers<void>();
  /** What the hub may still push. */
  readonly #credit = {
    messages: PROTOCOL_LIMITS.initialCreditMessages,
    bytes: PROTOCOL_LIMITS.initialCreditBytes,
  };
  /** News that came before {@link start}. */
  #held: (() => void)[] | null = [];
  /** Numbers of the last unanswered `send` to each recipient, by the aid in hex. */
  readonly #lastSend = new Map<string, number>();
  #session: HubSession | null = null;
  /** Number of our `auth`, until it is answered. */
  #authId: number | null = null;
  #closed = false;
  /** Why the hub is about to close, as far as it said. */
  #farewell: ProtocolError | null = null;
  #heardMs = 0;
  #pingedMs = 0;

  constructor(options: HubChannelOptions) {
    this.#options = options;
    this.#steady = new SteadyClock(options.clock);
    this.#timeoutMs = options.requestTimeoutMs ?? REQUEST_TIMEOUT_MS;
    this.#pending = new PendingReplies(this.#timeoutMs);
    const { pace = new Pace(), after } = options;
    this.#queue = new RequestQueue({ pace, after, now: () => this.#steady.now() });
    this.#handshake = new ClientHandshake(options);
    this.#heardMs = this.#steady.now();
    this.opened = this.#opening.promise;
    options.transport.send(this.#handshake.begin);
  }

  get session(): HubSession {
    if (this.#session === null) throw new ProtocolError('NOT_AUTHENTICATED');
    return this.#session;
  }

  /** Hands out news from now on, those that came before first: call it once opened. */
  start(): void {
    const held = this.#held ?? [];
    this.#held = null;
    for (const news of held) news();
  }

  /** Longest text of a frame that may come now: whoever has proved nothing costs little. */
  get maxFrameLength(): number {
    const { frameBytes, preAuthFrameBytes } = PROTOCOL_LIMITS;
    return this.#session === null ? preAuthFrameBytes : frameBytes;
  }

  /** The transport read one frame's text. */
  receive(text: string): void {
    if (this.#closed) return;
    this.#heardMs = this.#steady.now();
    const decoded = parseHubFrame(text, this.maxFrameLength);
    if (decoded.ok) this.#dispatch({ frame: decoded.frame, text });
    else this.#fail(this.#handshake.unreadable(text, decoded.error));
  }

  /** The transport is gone: what waits fails with CONNECTION_LOST, or what the hub said before. */
  lost(error: ProtocolError = new ProtocolError('CONNECTION_LOST')): void {
    this.#end(this.#farewell ?? error);
  }

  /** Time passes: to be called about once a second. Sends pings and gives up on silence. */
  tick(): void {
    if (this.#closed) return;
    const nowMs = this.#steady.now();
    this.#pending.expire(nowMs);
    this.#queue.run();
    const limit = this.#session === null ? 'authenticationMs' : 'silenceMs';
    if (nowMs - this.#heardMs > PROTOCOL_LIMITS[limit]) {
      return this.#fail(new ProtocolError(this.#session === null ? 'TIMEOUT' : 'IDLE'));
    }
    if (this.#session === null || nowMs - this.#pingedMs < PROTOCOL_LIMITS.heartbeatMs) return;
    this.#pingedMs = nowMs;
    this.#tell({ type: 'ping', id: this.#pending.nextId() });
  }

  async putIdentity(record: Uint8Array): Promise<KeyState> {
    return keyStateOf(await this.#request({ type: 'put_identity', record }, 'ok'));
  }

  async putPrekeys({ signed, oneTime, replaceAll }: PrekeyUpload): Promise<KeyState> {
    const keys = { signed: [...signed], oneTime: [...oneTime] };
    const all = replaceAll === undefined ? {} : { replaceAll };
    return keyStateOf(await this.#request({ type: 'put_prekeys', ...keys, ...all }, 'ok'));
  }

  async putRevocation(revocation: Uint8Array): Promise<void> {
    await this.#request({ type: 'put_revocation', revocation }, 'ok');
  }

  async getBundle(peer: string, { oneTime }: { readonly oneTime: boolean }): Promise<Bundle> {
    const reply = await this.#request({ type: 'get_bundle', peer, oneTime }, 'bundle');
    const { record, signed, oneTime: taken, revocation } = reply;
    return { record, signed, oneTime: taken, revocation };
  }

  async send(outgoing: OutgoingEnvelope): Promise<{ seq: number; duplicate: boolean }> {
    const { id, to, ttlSeconds: ttl, blob } = outgoing;
    const reply = await this.#request({ type: 'send', envelope: { id, to, ttl, blob } }, 'sent');
    return { seq: reply.seq, duplicate: reply.duplicate };
  }

  ack(seqs: readonly number[]): void {
    for (let at = 0; at < seqs.length; at += PROTOCOL_LIMITS.ackSeqs) {
      this.#tell({ type: 'ack', seqs: seqs.slice(at, at + PROTOCOL_LIMITS.ackSeqs) });
    }
  }

  nack({ seq, delayMs: delay, reason }: DeliveryRefusal): void {
    this.#tell({ type: 'nack', seq, delay, reason });
  }

  credit({ messages, bytes }: { readonly messages: number; readonly bytes: number }): void {
    this.#credit.messages += messages;
    this.#credit.bytes += bytes;
    this.#tell({ type: 'credit', messages, bytes });
  }

  async list(query: {
    readonly prefix?: string | undefined;
    readonly cursor?: string | undefined;
    readonly max?: number | undefined;
  }): Promise<AgentPage> {
    const { prefix, cursor, max } = query;
    const { names, next } = await this.#request(
      {
        type: 'list',
        ...(prefix === undefined ? {} : { prefix }),
        ...(cursor === undefined ? {} : { cursor }),
        ...(max === undefined ? {} : { max }),
      },
      'agents',
    );
    return { names, next };
  }

  close(): Promise<void> {
    this.#end(null);
    return this.#gone.promise;
  }

  #dispatch({ frame, text }: Spoken<HubFrame>): void {
    switch (frame.type) {
      case 'hello':
        return this.#authenticate({ frame, text });
      case 'deliver':
      case 'notice':
        return this.#push(frame);
      case 'deliver_many':
        for (const one of frame.deliveries) {
          if (!this.#closed) this.#push({ type: 'deliver', ...one });
        }
        return;
      case 'sent_many':
        for (const one of frame.sents) this.#reply({ type: 'sent', ...one });
        return;
      case 'auth_ok':
        return this.#finishHandshake({ frame, text });
      case 'bye':
        this.#farewell = this.#handshake.refusal({ frame, text });
        return;
      case 'error':
        return this.#refused({ frame, text });
      default:
        return this.#reply(frame);
    }
  }

  #push(push: Push): void {
    if (this.#session === null) return this.#fail(unproven('it pushed before authentication'));
    const { events } = this.#options;
    if (push.type === 'notice') {
      const { id, what, reason } = push;
      return this.#tellUs(() => events.notice({ id, what, reason }));
    }
    const { seq, attempt, envelope } = push;
    const { id, from, to, ts, blob } = envelope;
    this.#credit.messages -= 1;
    this.#credit.bytes -= blob.length;
    if (this.#credit.messages < 0 || this.#credit.bytes < 0) {
      return this.#fail(violation('it pushed more than it had credit for'));
    }
    this.#tellUs(() => events.deliver({ seq, attempt, envelope: { id, from, to, ts, blob } }));
  }

  #tellUs(news: () => void): void {
    if (this.#held === null) return news();
    this.#held.push(news);
    if (this.#held.length > HELD_NEWS) this.#fail(violation('it pushed more than can be held'));
  }

  #reply(reply: Exclude<ReplyFrame, ErrorFrame | AuthOkFrame>): void {
    // A reply that nobody waits for any more came too late: its request has already failed.
    if (!this.#pending.settle(reply)) this.#fail(violation('reply of another kind'));
  }

  /** A refusal of a request, of our `auth`, or of the connection. */
  #refused(said: Spoken<ErrorFrame>): void {
    const error = this.#handshake.refusal(said);
    const { re } = said.frame;
    if (this.#session === null) {
      // Before that nothing was asked, so every refusal is one of the connection.
      this.#farewell = error;
      if (re !== undefined && re === this.#authId) this.#fail(error);
    } else if (error.code === 'HUB_UNPROVEN') this.#fail(error);
    else if (re === undefined) this.#farewell = error;
    else this.#pending.refuse(re, error);
  }

  #authenticate(hello: Spoken<HelloFrame>): void {
    const id = this.#pending.nextId();
    const auth = this.#handshake.answer(hello, id);
    if (!auth.ok) return this.#fail(auth.error);
    this.#authId = id;
    this.#options.transport.send(auth.value);
  }

  /** At once, not by a promise: pushes may follow in the same turn. */
  #finishHandshake(reply: Spoken<AuthOkFrame>): void {
    if (this.#session !== null || reply.frame.re !== this.#authId) {
      return this.#fail(unproven('it answered what was not asked'));
    }
    const session = this.#handshake.accept(reply);
    if (!session.ok) return this.#fail(session.error);
    this.#authId = null;
    this.#session = session.value;
    this.#queue.open(session.value.limits);
    if (session.value.features.includes(FEATURES.many)) this.#options.transport.gather?.();
    this.#pingedMs = this.#heardMs;
    this.#opening.resolve(this.#session);
  }

  /** Leaves within the rates of the hub. What it refuses for its rate all the same leaves again. */
  #request<T extends ReplyFrame['type']>(frame: Numbered, type: T): Promise<ReplyOf<T>> {
    const { promise, resolve, reject } = Promise.withResolvers<ReplyOf<T>>();
    if (this.#closed || this.#session === null) {
      reject(new ProtocolError('CONNECTION_LOST'));
      return promise;
    }
    const cost = costOf(frame);
    const deadlineMs = this.#steady.now() + this.#timeoutMs;
    const start = (): void => {
      const asked = this.#ask({ ...frame, id: this.#pending.nextId() }, type);
      asked.then(resolve, failed).finally(() => this.#queue.answered(cost));
    };
    const request = { cost, deadlineMs, start, fail: reject };
    const failed = (error: unknown): void => {
      // A message that was refused keeps its order only if its sender decides what follows.
      const waitMs = cost.kind === 'request' ? waitOf(error) : null;
      if (waitMs === null) reject(error);
      else this.#queue.again(request, waitMs);
    };
    this.#queue.enter(request);
    return promise;
  }

  /** Registers before sending, so that no reply can be missed; rejects what cannot be encoded. */
  async #ask<T extends ReplyFrame['type']>(frame: RequestFrame, type: T): Promise<ReplyOf<T>> {
    const recipient = frame.type === 'send' ? toHex(frame.envelope.to) : null;
    const after = recipient === null ? undefined : this.#lastSend.get(recipient);
    const text = encodeFrame(after === undefined ? frame : ordered(frame, after));
    const reply = this.#pending.add({ id: frame.id, type, nowMs: this.#steady.now() });
    if (recipient !== null) this.#lastSend.set(recipient, frame.id);
    this.#options.transport.send(text);
    try {
      return (await reply) as ReplyOf<T>;
    } finally {
      const isLast = recipient !== null && this.#lastSend.get(recipient) === frame.id;
      if (isLast) this.#lastSend.delete(recipient);
    }
  }

  /** Sends what has no reply; without a connection it is lost, as the contract says. */
  #tell(frame: ClientFrame): void {
    const text = encodeFrame(frame);
    if (!this.#closed) this.#options.transport.send(text);
  }

  #fail(error: ProtocolError): void {
    this.#end(error);
  }

  #end(why: ProtocolError | null): void {
    if (this.#closed) return;
    this.#closed = true;
    const reason = why ?? new ProtocolError('CONNECTION_LOST', { detail: 'closed by us' });
    // A caller that closes before the opening need not wait for it.
    this.#opening.promise.catch(() => undefined);
    this.#opening.reject(reason);
    this.#queue.end(reason);
    this.#pending.refuseAll(reason);
    this.#options.transport.close();
    if (this.#session !== null) this.#tellUs(() => this.#options.events.closed(why));
    this.#gone.resolve();
  }
}

/** Fields in the order in which the hub reads them fastest. */
function ordered(frame: RequestFrame, after: number): RequestFrame {
  if (frame.type !== 'send') return frame;
  const { type, id, envelope } = frame;
  return { type, id, after, envelope };
}

function keyStateOf({ oneTimePrekeys, keyDigest }: ReplyOf<'ok'>): KeyState {
  return { oneTimePrekeys, keyDigest };
}

function violation(detail: string, cause?: unknown): ProtocolError {
  return new ProtocolError('CONNECTION_LOST', { detail, cause });
}
