/**
 * `HubCore`: the one router. Connection events, time and the store's answers go in; frames and
 * closings come out through the links (hub.md §1). Owns the connections and the periodic work;
 * touches no socket, no timer and no clock but those handed in: same inputs, same outputs.
 */
import { addressOf, CLOSE_CODES, HubKeyPair, hubIdOf, SteadyClock } from '@agentmesh/protocol';
import { byteKey } from './byte-key.js';
import { Connection, GOING_AWAY } from './connection.js';
import type { ServedConnection } from './connection.js';
import type { CoreLimits } from './core-limits.js';
import { Duels } from './duels.js';
import type { HubContext, HubObserver, HubRates } from './hub-context.js';
import { HeldBytes } from './held-envelopes.js';
import type { HubHost } from './hub-host.js';
import type { AppendOutcome, HubStore, NewEnvelope, QueueQuota } from './hub-store.js';
import type { Link, Peer } from './link.js';
import { Neighbourhood } from './neighbourhood.js';
import { Presence } from './presence.js';
import { QueueWriter } from './queue-writer.js';
import type { Registration } from './registration.js';
import { Roster } from './roster.js';
import { Sources } from './sources.js';
import { TokenBuckets } from './token-buckets.js';

/** Everything a hub is made of. */
export interface HubCoreOptions {
  /** Keeps names, keys and queues; the hub's only state that outlives it. */
  readonly store: HubStore;
  /** Clock, randomness and turns of the event loop. */
  readonly host: HubHost;
  /** Of `coreLimits`. */
  readonly limits: CoreLimits;
  /** Who may register a free name. */
  readonly registration: Registration;
  /** Whether the operator has shut an agent out: it neither connects nor receives. */
  readonly isBlocked?: ((aid: Uint8Array) => boolean) | undefined;
  /** Learns what the hub does, for logs and metrics. */
  readonly observer?: HubObserver | undefined;
}

const SWEEP_MS = 1_000;
const FORGET_MS = 60_000;
/** Of envelopes that are read at once to be removed. */
const PURGED_BYTES = 4 * 1024 * 1024;
/** In shorter queues a sender's part of what is free would be less than an envelope. */
const SHORTEST_SHARED = 64;
/** A store that takes longer for a sweep counts as away. */
const ANSWER_MS = 3_000;

/** One hub. The store may outlive it: a new core over the same store is a restart. */
export class HubCore {
  readonly #hub: HubContext;
  readonly #neighbourhood: Neighbourhood;
  readonly #connections: Sources<Connection>;
  #stopping = false;
  #sweeping = false;
  #sweptMs = Number.NEGATIVE_INFINITY;
  #sweepBegunMs = 0;
  #sweepFailed = false;
  #forgotMs = 0;
  #routed = 0;

  private constructor(options: HubCoreOptions, hubKey: HubKeyPair) {
    const { store, host, limits, registration, isBlocked = () => false, observer = {} } = options;
    const writer = new QueueWriter({
      store,
      quota: quotaOf(limits),
      commitEnvelopes: limits.commitEnvelopes,
      clock: host.clock,
      defer: (task) => host.defer(task),
      onNotified: (senders) => this.#wake(senders),
      onFailure: (error) => observer.failed?.(error),
    });
    this.#connections = new Sources(limits);
    const presence = new Presence({
      store,
      clock: host.clock,
      quota: quotaOf(limits),
      page: limits.pageMessages,
      onNotified: (senders) => this.#wake(senders),
      onFailure: (error) => observer.failed?.(error),
    });
    const hub = {
      store,
      host,
      steady: new SteadyClock(host.clock),
      limits,
      hubKey,
      registration,
      isBlocked,
      writer,
      held: new HeldBytes(limits),
      rates: ratesOf(limits),
      observer,
      roster: new Roster(),
      duels: new Duels(),
      presence,
    };
    this.#neighbourhood = new Neighbourhood(hub);
    this.#hub = {
      ...hub,
      neighbourhood: this.#neighbourhood,
      routed: (routed) => this.#route(routed),
    };
  }

  /** Takes the hub's key from the store, or makes one there at the very first start. */
  static async create(options: HubCoreOptions): Promise<HubCore> {
    const { store, host } = options;
    const seed = await store.hubSeed(() => HubKeyPair.generate(host.random).exportSeed());
    if (store.neighbours === undefined) await store.allLeft(host.clock());
    return new HubCore(options, HubKeyPair.fromSeed(seed));
  }

  get hubKey(): Uint8Array {
    return this.#hub.hubKey.publicKey;
  }

  get hubId(): Uint8Array {
    return hubIdOf(this.hubKey);
  }

  /** Envelopes that became durable since this core was made; a repeated sending counts once. */
  get routed(): number {
    return this.#routed;
  }

  /** Whether the store does what it is asked: the sweep asks it every second. */
  get storeAnswers(): boolean {
    const waitsMs = this.#sweeping ? this.#hub.steady.now() - this.#sweepBegunMs : 0;
    return !this.#sweepFailed && waitsMs < ANSWER_MS;
  }

  /** Whether the store takes no new envelopes for want of room. */
  get storeFull(): boolean {
    return this.#hub.store.isFull === true;
  }

  get connections(): number {
    return this.#connections.size;
  }

  /** A transport accepted a connection: greets it, or turns it away at once. */
  connect(peer: Peer): ServedConnection {
    if (this.#stopping) return turnedAway(peer.link, 'SHUTTING_DOWN');
    const nowMs = this.#hub.steady.now();
    const { mayEnter, leaving } = this.#connections.makeWay(peer.remote, nowMs);
    for (const other of leaving) other.makeWay();
    if (!mayEnter) return turnedAway(peer.link, 'FLOOD');
    const connection = new Connection(this.#hub, peer, (gone) => this.#connections.delete(gone));
    this.#connections.add(connection);
    return connection;
  }

  /** Time passes: to be called about four times a second. */
  tick(): void {
    const nowMs = this.#hub.steady.now();
    for (const connection of this.#connections) connection.tick(nowMs);
    this.#hub.writer.flush();
    this.#neighbourhood.tick(nowMs);
    this.#hub.presence.tick();
    if (nowMs - this.#sweptMs >= SWEEP_MS) void this.#sweep(nowMs);
    if (nowMs - this.#forgotMs < FORGET_MS) return;
    this.#forgotMs = nowMs;
    for (const buckets of Object.values<TokenBuckets>({ ...this.#hub.rates })) {
      buckets.forgetFull(nowMs);
    }
    this.#connections.forgetFull(nowMs);
    this.#hub.duels.forget(this.#hub.host.clock());
  }

  /** Puts an envelope into its recipient's queue on the owner's word, as if `from` had sent it. */
  deliver(envelope: NewEnvelope): Promise<AppendOutcome> {
    return new Promise((resolve) => {
      this.#hub.writer.append({
        envelope,
        sender: byteKey(envelope.from),
        settle: (outcome) => {
          if (outcome.status === 'stored') {
            this.#route({ envelope, fromName: addressOf(envelope.from), ...outcome });
          }
          resolve(outcome);
        },
      });
    });
  }

  /** Whether an agent has a connection to this hub. */
  isConnected(aid: Uint8Array): boolean {
    return this.#hub.roster.of(aid) !== undefined;
  }

  /**
   * Ends the connection of an agent; false if it has none here. After `SHUTTING_DOWN` it connects
   * again by itself, after `BLOCKED` it does not.
   */
  disconnect(aid: Uint8Array, code: 'BLOCKED' | 'SHUTTING_DOWN'): boolean {
    const session = this.#hub.roster.of(aid);
    session?.close(code);
    return session !== undefined;
  }

  /**
   * Removes what waits for an agent when this begins; the senders are told that it was not
   * delivered. Resolves with the number of envelopes.
   */
  async purge(recipient: Uint8Array): Promise<number> {
    const { store, host, limits } = this.#hub;
    const portion = { recipient, messages: limits.sweepSize, bytes: PURGED_BYTES };
    let left = await store.queued(recipient);
    let purged = 0;
    for (let after = 0; left > 0;) {
      const nowMs = host.clock();
      const { entries } = await store.read({ ...portion, after, nowMs });
      const deadLetter = entries.slice(0, left).map(({ seq }) => ({ recipient, seq }));
      const last = deadLetter.at(-1);
      if (last === undefined) break;
      const nothing = { acknowledge: [], reschedule: [], append: [] };
      const quota = quotaOf(limits);
      const { notified } = await store.commit({ nowMs, deadLetter, ...nothing, quota });
      this.#wake(notified);
      left -= deadLetter.length;
      purged += deadLetter.length;
      after = last.seq;
    }
    return purged;
  }

  /** Says goodbye to all connections, later ones too; resolves when all is stored. */
  async stop(): Promise<void> {
    this.#stopping = true;
    for (const connection of this.#connections) connection.shutDown();
    await new Promise<void>((resolve) => {
      this.#hub.writer.whenSettled(resolve);
    });
    this.#neighbourhood.stop();
  }

  #route({ envelope, fromName, seq, follows }: Parameters<HubContext['routed']>[0]): void {
    const { id, from, to, tsMs, expiresMs, blob } = envelope;
    const recipient = this.#hub.roster.of(to);
    this.#routed += 1;
    const { observer } = this.#hub;
    if (observer.routed !== undefined) {
      const toName = recipient?.name ?? addressOf(to);
      observer.routed({ id, from, to, fromName, toName, seq, tsMs, blob });
    }
    // It comes by way of the store then, to this hub too.
    if (this.#neighbourhood.handsOver) return;
    if (recipient === undefined) this.#neighbourhood.stored(to);
    else recipient.delivery.offer({ seq, id, from, tsMs, expiresMs, blob }, follows);
  }

  #wake(senders: readonly Uint8Array[]): void {
    const nowMs = this.#hub.steady.now();
    for (const sender of senders) {
      const session = this.#hub.roster.of(sender);
      if (session === undefined) this.#hub.neighbourhood.noticed(sender);
      else session.notices.wake(nowMs);
    }
  }

  /** Removes what is over, a portion at a time; one sweep runs at once. */
  async #sweep(startedMs: number): Promise<void> {
    if (this.#sweeping) return;
    this.#sweeping = true;
    this.#sweepBegunMs = startedMs;
    const { store, host, limits, observer } = this.#hub;
    const { sweepSize: max, keepNoticesMs, transientMs } = limits;
    try {
      const { notified, more, forgotten } = await store.expire({
        nowMs: host.clock(),
        max,
        keepNoticesMs,
        transientMs,
        isConnected: (aid) => this.#hub.roster.of(aid) !== undefined,
      });
      this.#sweepFailed = false;
      if (!more) this.#sweptMs = startedMs;
      this.#wake(notified);
      this.#hub.presence.forgotten(forgotten);
    } catch (error) {
      this.#sweepFailed = true;
      this.#sweptMs = startedMs;
      observer.failed?.(error);
    } finally {
      this.#sweeping = false;
    }
  }
}

/** A connection that never was: whatever its transport calls has no effect. */
function turnedAway(link: Link, code: 'FLOOD' | 'SHUTTING_DOWN'): ServedConnection {
  link.send({ type: 'bye', code });
  link.close(code === 'FLOOD' ? CLOSE_CODES.flood : GOING_AWAY, code);
  return { maxFrameLength: 0, isSated: false, receive() {}, drained() {}, closed() {} };
}

function quotaOf(limits: CoreLimits): QueueQuota {
  const { queueMessages, queueBytes, queueShareOfOneSender: share, retiredMs } = limits;
  return {
    messages: queueMessages,
    bytes: queueBytes,
    senderMessages: Math.max(1, Math.floor(queueMessages * share)),
    senderBytes: Math.floor(queueBytes * share),
    isShared: queueMessages >= SHORTEST_SHARED,
    retiredMs,
  };
}

function ratesOf(limits: CoreLimits): HubRates {
  return {
    sends: new TokenBuckets({ perSecond: limits.sendsPerSecond, burst: limits.sendBurst }),
    sendBytes: new TokenBuckets(burstOf(limits.sendBytesPerSecond)),
    requests: new TokenBuckets({
      perSecond: limits.requestsPerSecond,
      burst: limits.requestBurst,
    }),
    controls: new TokenBuckets({
      perSecond: limits.controlsPerSecond,
      burst: limits.controlBurst,
    }),
    refusals: new TokenBuckets({
      perSecond: limits.refusedPerSecond,
      burst: limits.refusedBurst,
    }),
    bundlesOfRequester: new TokenBuckets(perMinute(limits.oneTimeFetchesPerRequesterPerMinute)),
    bundlesOfTarget: new TokenBuckets(perMinute(limits.oneTimeFetchesPerTargetPerMinute)),
    bundlesOfPair: new TokenBuckets(perMinute(limits.oneTimeFetchesPerPairPerMinute)),
  };
}

function burstOf(perSecond: number): { perSecond: number; burst: number } {
  return { perSecond, burst: perSecond };
}

function perMinute(count: number): { perSecond: number; burst: number } {
  return { perSecond: count / 60, burst: count };
}
