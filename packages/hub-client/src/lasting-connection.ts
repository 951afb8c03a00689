/**
 * One agent's connection to its hub that lasts over as many channels and addresses as it takes.
 * Owns trying again: back-off, requests that wait for the next channel, repeated sends (same
 * envelope id, so the hub says duplicate) and the news of it. One channel is the protocol's
 * `HubChannel`. Only what a proved hub says ends the connection; all else is reported, and tried
 * again.
 *
 *   connecting -> up <-> down -> closed
 */
import { isFinal, Pace, ProtocolError, SteadyClock } from '@agentmesh/protocol';
import type {
  AgentMeshError,
  AgentPage,
  Bundle,
  DeliveryRefusal,
  HubChannel,
  HubConnection,
  HubCredentials,
  HubEvents,
  HubSession,
  KeyState,
  OutgoingEnvelope,
  PrekeyUpload,
} from '@agentmesh/protocol';
import { backoffMs } from './backoff.js';
import type { ClientHost } from './host.js';
import {
  addressOn,
  failureOf,
  isExhausted,
  mayHelpElsewhere,
  movedOn,
  routeOver,
  startedAfresh,
} from './hub-route.js';
import type { HubRoute } from './hub-route.js';
import type { NetworkHubSettings } from './options.js';
import { openChannel } from './open-channel.js';

/** What a lasting connection is made of. */
export interface LastingConnectionOptions {
  readonly settings: NetworkHubSettings;
  readonly host: ClientHost;
  readonly credentials: HubCredentials;
  readonly events: HubEvents;
  /** The hub key that counts now; read before each attempt. */
  readonly hubKey: () => Uint8Array | null;
  /** Both sides are authenticated: pins the key; false if another one was pinned meanwhile. */
  readonly accepts: (session: HubSession) => boolean;
  /** The connection has ended for good. */
  readonly ended: () => void;
}

const BACKOFF = { firstMs: 200, maxMs: 15_000 } as const;
const TICK_MS = 1_000;
/** A connection that lived shorter counts as a failure of its address: hubs may fall in turn. */
const STABLE_MS = 5_000;
/** How long a hub may still be about to admit an attempt that we have given up. */
const DOUBT_MS = 30_000;
/** How a connection ends without a word about its requests: they go out again on the next. */
const REPEATED_AFTER: ReadonlySet<string> = new Set([
  'CONNECTION_LOST',
  'DISPLACED',
  'HUB_UNPROVEN',
  'IDLE',
  'SHUTTING_DOWN',
]);

/** Requests that may wait for a connection: as many as an agent keeps unsent. */
const MOST_WAITING = 10_000;
/** What keeps a connection down that is more than an address out of reach. */
const TOLD: ReadonlySet<string> = new Set(['HUB_UNPROVEN', 'IN_USE']);
/** Longest wait that a hub may ask for between two attempts. */
const LONGEST_WAIT_MS = 60_000;

export class LastingConnection implements HubConnection {
  readonly #options: LastingConnectionOptions;
  readonly #steady: SteadyClock;
  /** Requests that wait for a connection; each is called with nothing when it should look again. */
  readonly #waiting = new Set<() => void>();
  /** News since the first connection; null once they are let out. */
  #held: (() => void)[] | null = [];
  #channel: HubChannel | null = null;
  #session: HubSession | null = null;
  #end: { readonly error: AgentMeshError | null } | null = null;
  #stopTicking: (() => void) | null = null;
  #stopWaiting: (() => void) | null = null;
  /** The hub counts over all connections of an agent, and so do we. */
  readonly #pace = new Pace();
  /** Calls off the attempt that is under way. */
  readonly #calledOff = new AbortController();
  #attempt = 0;
  #route: HubRoute;
  #upSinceMs = 0;
  /** Until then a newer connection of this identity may be an attempt of our own. */
  #doubtUntilMs = 0;

  constructor(options: LastingConnectionOptions) {
    this.#options = options;
    this.#route = routeOver(options.settings.addresses, options.host.random);
    this.#steady = new SteadyClock(options.host.clock);
  }

  get session(): HubSession {
    if (this.#session === null) throw new ProtocolError('NOT_AUTHENTICATED');
    return this.#session;
  }

  /**
   * Connects for the first time, trying all addresses again for `connectTimeoutMs`; rejects with
   * what they said last, or at once with what no retry can help. A key or version that nobody has
   * proved yet is for the caller to decide: nothing has begun.
   */
  async open(): Promise<void> {
    const { connectTimeoutMs } = this.#options.settings;
    const deadline = this.#steady.now() + connectTimeoutMs;
    for (;;) {
      const error = await this.#round();
      if (error === null) return;
      const pause = this.#pause();
      if (!error.retryable || this.#steady.now() + pause > deadline) {
        this.#finish(error);
        throw error;
      }
      // Whoever waits for it is to know why, at once.
      if (this.#attempt === 1) this.#options.events.down(error);
      await this.#sleep(pause);
      if (this.#end !== null)
        throw new ProtocolError('CONNECTION_LOST', { detail: 'closed by us' });
    }
  }

  /** Lets news out, those that came since the first connection included. */
  start(): void {
    const held = this.#held ?? [];
    this.#held = null;
    for (const news of held) news();
  }

  #tell(news: () => void): void {
    if (this.#held === null) news();
    else this.#held.push(news);
  }

  /** Tries what addresses are left before the next pause; null once one of them serves. */
  async #round(): Promise<AgentMeshError | null> {
    while (!isExhausted(this.#route)) {
      const error = await this.#try();
      if (error === null || this.#end !== null || !mayHelpElsewhere(error)) return error;
      this.#route = movedOn(this.#route, error);
    }
    const error = failureOf(this.#route);
    this.#route = startedAfresh(this.#route);
    return error;
  }

  /** One attempt; the error is returned, since trying again is the normal case. */
  async #try(): Promise<AgentMeshError | null> {
    const { settings, host, credentials, events, hubKey } = this.#options;
    const { name, identity, instance, boot, isTransient, token = settings.token } = credentials;
    const told = { name, identity, instance, boot, isTransient, token };
    const shown = { ...told, hubKey: hubKey() ?? undefined };
    let mine: HubChannel | null = null;
    const result = await openChannel({
      address: addressOn(this.#route),
      settings,
      host,
      credentials: { ...shown, sign: (bytes) => credentials.sign(bytes) },
      pace: this.#pace,
      signal: this.#calledOff.signal,
      events: {
        deliver: (delivery) => this.#tell(() => events.deliver(delivery)),
        notice: (notice) => this.#tell(() => events.notice(notice)),
        closed: (error) => {
          if (mine !== null && this.#channel === mine) this.#lost(error);
        },
      },
    });
    if (!result.ok) {
      const { error, reached } = result;
      if (reached && error.retryable) this.#doubtUntilMs = this.#steady.now() + DOUBT_MS;
      return error;
    }
    if (this.#end !== null) {
      await result.channel.close();
      return new ProtocolError('CONNECTION_LOST', { detail: 'closed by us' });
    }
    if (!this.#options.accepts(result.channel.session)) {
      await result.channel.close();
      return new ProtocolError('HUB_KEY_CHANGED');
    }
    mine = result.channel;
    this.#up(result.channel);
    return null;
  }

  #up(channel: HubChannel): void {
    const again = this.#session !== null;
    const { session } = channel;
    this.#channel = channel;
    this.#session = session;
    this.#attempt = 0;
    this.#upSinceMs = this.#steady.now();
    if (again) this.#tell(() => this.#options.events.authenticated(session));
    this.#tick();
    channel.start();
    this.#wakeAll();
  }

  #tick(): void {
    this.#stopTicking?.();
    this.#stopTicking = this.#options.host.after(TICK_MS, () => {
      this.#stopTicking = null;
      this.#channel?.tick();
      if (this.#channel !== null) this.#tick();
    });
  }

  /** A connection that was up has ended. */
  #lost(error: AgentMeshError | null): void {
    this.#channel = null;
    this.#stopTicking?.();
    this.#stopTicking = null;
    if (this.#end !== null) return;
    const why = this.#judged(error);
    if (why === null || isFinal(why)) return this.#finish(why);
    this.#tell(() => this.#options.events.down(why));
    const wasStable = this.#steady.now() - this.#upSinceMs >= STABLE_MS;
    this.#route = movedOn(wasStable ? startedAfresh(this.#route) : this.#route, why);
    void this.#restore(why);
  }

  /**
   * A slow hub may admit an attempt only after we have given it up and are connected to another
   * one, which then sees a newer connection. That is not another process; believed once.
   */
  #judged(error: AgentMeshError | null): AgentMeshError | null {
    const isOurOwn = error?.code === 'DISPLACED' && this.#steady.now() < this.#doubtUntilMs;
    if (!isOurOwn) return error;
    this.#doubtUntilMs = 0;
    return new ProtocolError('CONNECTION_LOST', { detail: 'overtaken by ourselves', cause: error });
  }

  /** Tells once what a user may have to decide about, until something else takes its place. */
  async #restore(told: AgentMeshError): Promise<void> {
    let { code } = told;
    while (this.#end === null) {
      const error = await this.#round();
      if (error === null || this.#end !== null) return;
      if (isFinal(error)) return this.#finish(error);
      const isNews = error.code !== code && (!error.retryable || TOLD.has(error.code));
      if (isNews) this.#tell(() => this.#options.events.down(error));
      ({ code } = error);
      await this.#sleep(Math.max(this.#pause(), waitAskedBy(error)));
    }
  }

  #pause(): number {
    return backoffMs(this.#attempt++, BACKOFF, this.#options.host.random);
  }

  #sleep(ms: number): Promise<void> {
    return new Promise((resolve) => {
      const cancel = this.#options.host.after(ms, resolve);
      this.#stopWaiting = () => {
        cancel();
        resolve();
      };
    });
  }

  /** The connection has ended; the news of it comes last and once. */
  #finish(error: AgentMeshError | null): void {
    if (this.#end !== null) return;
    const wasUp = this.#session !== null;
    this.#end = { error };
    this.#calledOff.abort();
    this.#stopTicking?.();
    this.#stopWaiting?.();
    this.#wakeAll();
    if (wasUp) this.#tell(() => this.#options.events.closed(error));
    this.#options.ended();
  }

  #wakeAll(): void {
    const waiting = [...this.#waiting];
    this.#waiting.clear();
    for (const wake of waiting) wake();
  }

  /** The connection that is up, now or before the deadline. */
  async #ready(deadline: number): Promise<HubChannel> {
    for (;;) {
      if (this.#channel !== null) return this.#channel;
      if (this.#end !== null) {
        throw this.#end.error ?? new ProtocolError('CONNECTION_LOST', { detail: 'closed by us' });
      }
      const left = deadline - this.#steady.now();
      if (this.#waiting.size >= MOST_WAITING) throw tooManyWait();
      if (left <= 0) throw new ProtocolError('TIMEOUT', { detail: 'no connection to the hub' });
      await new Promise<void>((resolve) => {
        const cancel = this.#options.host.after(left, resolve);
        this.#waiting.add(() => {
          cancel();
          resolve();
        });
      });
    }
  }

  /** Every request may be repeated: what is lost with its connection goes out on the next. */
  async #request<T>(ask: (channel: HubChannel) => Promise<T>): Promise<T> {
    const deadline = this.#steady.now() + this.#options.settings.requestTimeoutMs;
    for (;;) {
      const channel = await this.#ready(deadline);
      try {
        return await ask(channel);
      } catch (error) {
        const lost = error instanceof ProtocolError && REPEATED_AFTER.has(error.code);
        if (!lost || this.#end !== null) throw error;
        if (this.#channel === channel) throw error;
      }
    }
  }

  putIdentity(record: Uint8Array): Promise<KeyState> {
    return this.#request((channel) => channel.putIdentity(record));
  }

  putPrekeys(keys: PrekeyUpload): Promise<KeyState> {
    return this.#request((channel) => channel.putPrekeys(keys));
  }

  putRevocation(revocation: Uint8Array): Promise<void> {
    return this.#request((channel) => channel.putRevocation(revocation));
  }

  getBundle(peer: string, options: { readonly oneTime: boolean }): Promise<Bundle> {
    return this.#request((channel) => channel.getBundle(peer, options));
  }

  send(envelope: OutgoingEnvelope): Promise<{ readonly seq: number; readonly duplicate: boolean }> {
    return this.#request((channel) => channel.send(envelope));
  }

  list(query: {
    readonly prefix?: string | undefined;
    readonly cursor?: string | undefined;
    readonly max?: number | undefined;
  }): Promise<AgentPage> {
    return this.#request((channel) => channel.list(query));
  }

  ack(seqs: readonly number[]): void {
    this.#channel?.ack(seqs);
  }

  nack(refusal: DeliveryRefusal): void {
    this.#channel?.nack(refusal);
  }

  credit(grant: { readonly messages: number; readonly bytes: number }): void {
    this.#channel?.credit(grant);
  }

  async close(): Promise<void> {
    const channel = this.#channel;
    this.#channel = null;
    this.#finish(null);
    await channel?.close();
  }
}

function tooManyWait(): ProtocolError {
  return new ProtocolError('RATE_LIMITED', {
    message: `Too many requests wait for the hub (${MOST_WAITING}): wait for some of them`,
    retryAfterMs: 1_000,
  });
}

/** As the hub says, within bounds. */
function waitAskedBy(error: AgentMeshError): number {
  const asked = error instanceof ProtocolError ? (error.retryAfterMs ?? 0) : 0;
  return Math.min(asked, LONGEST_WAIT_MS);
}
