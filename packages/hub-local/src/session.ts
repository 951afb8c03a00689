/**
 * One authenticated agent on one connection: what each verb does (hub.md §2).
 * Owns the sender's limits and the order of its requests; pushing is `delivery` and `notice-feed`,
 * publishing is `directory` and `revocation`, the connection's life is `connection`.
 */
import { errorFrame, FEATURES, ProtocolError, tooLarge } from '@agentmesh/protocol';
import type { ClientFrame, HubFrame, PublicIdentity, SendFrame } from '@agentmesh/protocol';
import type { Admission } from './authentication.js';
import { byteKey } from './byte-key.js';
import { Delivery } from './delivery.js';
import { DEFAULT_PAGE, getBundle, list, putIdentity, putPrekeys } from './directory.js';
import type { HubContext } from './hub-context.js';
import type { AppendOutcome, NewEnvelope } from './hub-store.js';
import type { Link } from './link.js';
import { NoticeFeed } from './notice-feed.js';
import { putRevocation } from './revocation.js';
import type { EndCode, LiveSession } from './roster.js';
import { SendOrder } from './send-order.js';
import { SerialTasks } from './serial-tasks.js';

/** Frames of an authenticated agent. */
export type VerbFrame = Exclude<ClientFrame, { type: 'begin' | 'auth' | 'ping' | 'send_many' }>;
type RequestFrame = Exclude<VerbFrame, { type: 'send' | 'ack' | 'nack' | 'credit' }>;

const BUSY_MS = 100;
/** One sender's part of the memory for what waits for its commit. */
const SHARES = 16;
/** Parts of the envelopes that may be under way. */
const SATED_AT = 0.75;
const HUNGRY_AT = 0.5;
const NO_ROOM: AppendOutcome = { status: 'queue_full' };
/** A page of names costs as many requests as this many names fit into it. */
const NAMES_PER_TOKEN = 250;

const REFUSALS = {
  conflict: 'CONFLICT',
  revoked: 'REVOKED',
  unknown_recipient: 'UNKNOWN_RECIPIENT',
  queue_full: 'QUEUE_FULL',
  storage: 'STORAGE',
} as const;

/** An envelope whose outcome is awaited, and the number of its frame and of the one before it. */
interface SentEnvelope {
  readonly re: number;
  readonly after: number | undefined;
  readonly envelope: NewEnvelope;
}

/** From `auth_ok` to the end of the connection. */
export class Session implements LiveSession {
  readonly identity: PublicIdentity;
  readonly name: string;
  readonly connection: number;
  readonly key: string;
  readonly delivery: Delivery;
  readonly notices: NoticeFeed;
  readonly close: (code: EndCode) => void;
  readonly #hub: HubContext;
  readonly #link: Link;
  readonly #requests: SerialTasks;
  readonly #order = new SendOrder();
  readonly #isToldOfWaits: boolean;
  #retired: boolean;
  #ignore: () => void = () => undefined;
  /** Goes on with a request that waits until its answer will be read. */
  #goOn: (() => void) | null = null;
  #hasEnded = false;
  #unanswered = 0;
  #isSated = false;
  #unansweredBytes = 0;

  constructor(
    hub: HubContext,
    admission: Admission,
    connection: { readonly link: Link; readonly close: (code: EndCode) => void },
  ) {
    const { store, writer, held, limits, host, observer } = hub;
    const { link } = connection;
    this.#requests = new SerialTasks((task) => host.defer(task));
    const onFailure = (error: unknown): void => observer.failed?.(error);
    const { aid } = admission.identity;
    this.#hub = hub;
    this.#link = link;
    this.#retired = admission.retired;
    this.identity = admission.identity;
    this.name = admission.name;
    this.connection = admission.connection;
    this.key = byteKey(aid);
    this.close = connection.close;
    this.#isToldOfWaits = admission.features.includes(FEATURES.putOff);
    const common = { link, store, limits, onFailure };
    const senders = hub.neighbourhood;
    const { clock } = host;
    this.delivery = new Delivery({ ...common, writer, held, recipient: aid, clock, senders });
    this.notices = new NoticeFeed({ ...common, sender: aid });
  }

  get retired(): boolean {
    return this.#retired;
  }

  /**
   * Whether it has sent so many envelopes that more would soon be refused; until half of what it
   * may have under way is answered.
   */
  get isSated(): boolean {
    const { inFlight } = this.#hub.limits;
    if (this.#unanswered >= inFlight * SATED_AT) this.#isSated = true;
    else if (this.#unanswered <= inFlight * HUNGRY_AT) this.#isSated = false;
    return this.#isSated;
  }

  retire(): void {
    this.#retired = true;
  }

  putOff(id: Uint8Array, reason: string): void {
    if (this.#isToldOfWaits) this.#link.send({ type: 'notice', id, what: 'put_off', reason });
  }

  /** Begins to push what waits. */
  start(nowMs: number): void {
    // Before it reads: what is stored after the reading is heard of.
    this.#ignore = this.#hub.neighbourhood.attend(this);
    this.delivery.pump();
    this.notices.wake(nowMs);
  }

  handle(frame: VerbFrame): void {
    switch (frame.type) {
      case 'send':
        return this.#send(frame);
      case 'ack':
      case 'nack':
      case 'credit':
        return this.#answer(frame);
      case 'put_identity':
        return this.#request(frame, 2, () => putIdentity(this.#hub, this, frame));
      case 'put_prekeys': {
        const cost = 1 + frame.signed.length + frame.oneTime.length;
        return this.#request(frame, cost, () => putPrekeys(this.#hub, this, frame));
      }
      case 'put_revocation':
        return this.#request(frame, 2, () => putRevocation(this.#hub, frame, this.identity));
      case 'get_bundle':
        return this.#request(frame, 1, () => getBundle(this.#hub, this, frame));
      case 'list': {
        const cost = 1 + Math.floor((frame.max ?? DEFAULT_PAGE) / NAMES_PER_TOKEN);
        return this.#request(frame, cost, () => list(this.#hub, frame));
      }
    }
  }

  /** Whether one more ping is within the agent's rate. */
  mayPing(): boolean {
    const { rates, steady } = this.#hub;
    return rates.controls.take(this.key, 1, steady.now());
  }

  /** What answers deliveries is as frequent as they are; beyond that it has a rate like pings. */
  #answer(frame: Extract<VerbFrame, { type: 'ack' | 'nack' | 'credit' }>): void {
    if (!this.delivery.takeAnswer() && !this.mayPing()) return this.close('FLOOD');
    switch (frame.type) {
      case 'ack':
        return this.delivery.acknowledge(frame.seqs);
      case 'nack':
        return this.delivery.refuse(frame.seq, frame.delay, frame.reason);
      case 'credit':
        return this.delivery.grant(frame);
    }
  }

  /** Continues pushing after time has passed or the connection has room again. */
  pump(nowMs: number): void {
    this.#goOn?.();
    this.delivery.pump();
    this.notices.pump(nowMs);
  }

  /** The connection is gone; `counts` whether what was in flight counts as an attempt. */
  end(counts: boolean): void {
    this.#ignore();
    this.#hasEnded = true;
    this.#goOn?.();
    this.delivery.end(counts);
    this.notices.end();
  }

  #send({ id, after, envelope: { id: envelopeId, to, ttl, blob } }: SendFrame): void {
    const hub = this.#hub;
    const follows = this.#order.refusalOf(after);
    if (follows !== null) return this.#refuseFollower(id, follows);
    const refusal = this.#sendRefusal(to, ttl, blob.length);
    if (refusal !== null) {
      this.#order.end(id, refusal);
      return this.#refuse(id, refusal);
    }
    const tsMs = hub.host.clock();
    const expiresMs = tsMs + ttl * 1000;
    const rememberUntilMs = expiresMs + hub.limits.dedupExtraSeconds * 1000;
    const from = this.identity.aid;
    const times = { tsMs, expiresMs, rememberUntilMs };
    const tickets = this.#order.begin(id, after);
    const envelope = { id: envelopeId, from, to, ...times, blob, ...tickets };
    this.#unanswered += 1;
    this.#unansweredBytes += blob.length;
    hub.writer.append({
      envelope,
      sender: this.key,
      refusedBefore: () => (this.#order.refusalOf(after) === null ? null : NO_ROOM),
      settle: (outcome) => this.#settle({ re: id, after, envelope }, outcome),
    });
  }

  #settle(sent: SentEnvelope, outcome: AppendOutcome): void {
    const { re, after, envelope } = sent;
    this.#unanswered -= 1;
    this.#unansweredBytes -= envelope.blob.length;
    switch (outcome.status) {
      case 'stored':
        this.#order.end(re, null);
        this.#link.send({ type: 'sent', re, seq: outcome.seq, duplicate: false });
        return this.#hub.routed({ envelope, fromName: this.name, ...outcome });
      case 'duplicate':
        this.#order.end(re, null);
        this.#hub.neighbourhood.found(envelope.to);
        return this.#link.send({ type: 'sent', re, seq: outcome.seq, duplicate: true });
      default: {
        const follows = this.#order.refusalOf(after);
        if (follows !== null) return this.#refuseFollower(re, follows);
        const refusal = sendRefusal(outcome.status);
        this.#order.end(re, refusal);
        return this.#refuse(re, refusal);
      }
    }
  }

  /** Costs the sender nothing: it could not know. */
  #refuseFollower(re: number, refusal: ProtocolError): void {
    this.#order.end(re, refusal);
    this.#hub.observer.refused?.(refusal);
    this.#link.send(errorFrame(refusal, re));
  }

  /** Why an envelope is not even tried to be stored; null if it is, and then its rate is spent. */
  #sendRefusal(to: Uint8Array, ttl: number, bytes: number): ProtocolError | null {
    const { limits, rates, steady, isBlocked } = this.#hub;
    if (this.#retired) return new ProtocolError('NOT_OWNER');
    if (isBlocked(to) || isBlocked(this.identity.aid)) return new ProtocolError('BLOCKED');
    if (bytes > limits.blobBytes) return tooLarge('Envelope', limits.blobBytes, bytes);
    if (ttl > limits.maxTtlSeconds) {
      const detail = `ttl: ${ttl} seconds, the limit is ${limits.maxTtlSeconds}`;
      return new ProtocolError('BAD_FRAME', { detail });
    }
    if (this.#unanswered >= limits.inFlight) return tooMany(BUSY_MS);
    if (!this.#hasMemoryFor(bytes)) return tooMany(BUSY_MS);
    const nowMs = steady.now();
    const waitMs = Math.max(
      rates.sends.waitMs(this.key, 1, nowMs),
      rates.sendBytes.waitMs(this.key, bytes, nowMs),
    );
    if (waitMs > 0) return tooMany(waitMs);
    rates.sends.spend(this.key, 1, nowMs);
    rates.sendBytes.spend(this.key, bytes, nowMs);
    return null;
  }

  /**
   * One sender may fill a part of the memory for what waits for its commit, all together half of
   * it. The other half is for those who have nothing in it: they are served beside a flood.
   */
  #hasMemoryFor(bytes: number): boolean {
    const { limits, writer } = this.#hub;
    const isFirst = this.#unansweredBytes === 0;
    const all = isFirst ? limits.uncommittedBytes : limits.uncommittedBytes / 2;
    const own = Math.max(limits.blobBytes, limits.uncommittedBytes / SHARES);
    return (
      writer.uncommittedBytes + bytes <= all && (isFirst || this.#unansweredBytes + bytes <= own)
    );
  }

  /** One after the other, so that what was published first is stored first. */
  #request(frame: RequestFrame, cost: number, answer: () => Promise<HubFrame>): void {
    const { rates, steady, limits } = this.#hub;
    const nowMs = steady.now();
    const waitMs = rates.requests.waitMs(this.key, cost, nowMs);
    if (waitMs > 0) return this.#refuse(frame.id, tooMany(waitMs));
    if (this.#requests.size >= limits.pendingRequests) {
      return this.#refuse(frame.id, tooMany(BUSY_MS));
    }
    rates.requests.spend(this.key, cost, nowMs);
    this.#requests.add(async () => {
      while (this.#link.backlog > limits.backlogBytes && !this.#hasEnded) await this.#room();
      if (this.#hasEnded) return;
      try {
        this.#link.send(await answer());
      } catch (error) {
        this.#refuse(frame.id, this.#refusalOf(error));
      }
    });
  }

  /** Resolves when it may be that answers are read: pages of names that nobody reads are many. */
  #room(): Promise<void> {
    return new Promise((resolve) => {
      this.#goOn = resolve;
    });
  }

  /** Everything that is not a refusal of ours is a failure of the store. */
  #refusalOf(error: unknown): ProtocolError {
    if (error instanceof ProtocolError) return error;
    this.#hub.observer.failed?.(error);
    return new ProtocolError('STORAGE');
  }

  #refuse(re: number, error: ProtocolError): void {
    const { observer, rates, steady } = this.#hub;
    observer.refused?.(error);
    this.#link.send(errorFrame(error, re));
    if (!rates.refusals.take(this.key, 1, steady.now())) this.close('FLOOD');
  }
}

/** The answer to an envelope that was not stored. */
export function sendRefusal(status: keyof typeof REFUSALS): ProtocolError {
  return new ProtocolError(REFUSALS[status]);
}

function tooMany(retryAfterMs: number): ProtocolError {
  return new ProtocolError('RATE_LIMITED', { retryAfterMs });
}
