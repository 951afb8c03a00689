/**
 * `LocalHub`: a whole hub in one process, for one program's agents, tests and first steps. Core,
 * frames, limits and acknowledgements are those of the networked hub (hub.md §1); only the
 * connection is inside the process. Owns the running of the core; owns no rule.
 */
import {
  aidOfAddress,
  assertAgentName,
  encodeBundle,
  HubChannel,
  NO_CHANNEL_BINDING,
  parsePeer,
  peerNotFound,
  PROTOCOL_LIMITS,
  ProtocolError,
  ready,
  tooLarge,
} from '@agentmesh/protocol';
import type {
  BundleJson,
  ChannelTransport,
  Hub,
  HubConnection,
  HubCredentials,
  HubEvents,
} from '@agentmesh/protocol';
import { claimRefusal } from './authentication.js';
import { coreLimits } from './core-limits.js';
import type { CoreLimits } from './core-limits.js';
import { bundleOf, isServed } from './directory.js';
import { HubError } from './errors.js';
import type { HubTraffic } from './hub-context.js';
import { HubCore } from './hub-core.js';
import { systemHost } from './hub-host.js';
import type { HubHost } from './hub-host.js';
import type { HubStore } from './hub-store.js';
import { Loopback } from './loopback.js';
import type { LoopbackClient } from './loopback.js';
import { MemoryHubStore } from './memory-hub-store.js';
import type { Registration } from './registration.js';
import { sendRefusal } from './session.js';

/** All optional: `new LocalHub()` is a hub. */
export interface LocalHubOptions {
  /** Default: a new `MemoryHubStore`. With a store that was used before, the hub is a restart. */
  readonly store?: HubStore | undefined;
  /** Who may register a free name. Default: `open`, any agent. */
  readonly registration?: Registration | undefined;
  /** Limits to change; one above its bound is refused with `BAD_OPTION`. */
  readonly limits?: Partial<CoreLimits> | undefined;
  /** Whether an agent, by its 32-byte aid, is shut out. */
  readonly isBlocked?: ((aid: Uint8Array) => boolean) | undefined;
  /** Called for each stored envelope with everything that the hub knows of it. */
  readonly onTraffic?: ((traffic: HubTraffic) => void) | undefined;
  /** Called when the store fails; the requests concerned were answered `STORAGE`. */
  readonly onFailure?: ((error: unknown) => void) | undefined;
  /** Clock, randomness and turns of the event loop. Default: the machine's. */
  readonly host?: HubHost | undefined;
}

/** An envelope that the owner of the hub puts in by hand. */
export interface HandedEnvelope {
  readonly id: Uint8Array;
  readonly from: Uint8Array;
  readonly to: Uint8Array;
  readonly blob: Uint8Array;
  readonly ttlSeconds?: number | undefined;
}

const TICK_MS = 250;
const NAMES_PER_PAGE = 1_000;

/** The hub of the quick start. */
export class LocalHub implements Hub {
  readonly #options: LocalHubOptions;
  readonly #store: HubStore;
  readonly #host: HubHost;
  readonly #limits: CoreLimits;
  readonly #clients = new Set<LoopbackClient>();
  #starting: Promise<HubCore> | null = null;
  #core: HubCore | null = null;
  #stopTicking: (() => void) | null = null;
  #closed = false;

  constructor(options: LocalHubOptions = {}) {
    this.#options = options;
    this.#store = options.store ?? new MemoryHubStore();
    this.#host = options.host ?? systemHost;
    this.#limits = coreLimits(options.limits);
  }

  /** Envelopes that this hub has routed: accepted and made durable, each counted once. */
  get messageCount(): number {
    return this.#core?.routed ?? 0;
  }

  async connect(credentials: HubCredentials, events: HubEvents): Promise<HubConnection> {
    const { clock, random } = this.#host;
    const core = await this.#start();
    const loopback = this.#loopback();
    const { transport } = loopback;
    const channelBinding = NO_CHANNEL_BINDING;
    const options = {
      credentials: ofThisProcess(credentials),
      events,
      channelBinding,
      clock,
      random,
      transport,
      after: (delayMs: number, task: () => void) => this.#after(delayMs, task),
    };
    const channel = new HubChannel(options);
    this.#join(core, loopback, channel);
    await channel.opened;
    // News come only after our caller has the connection.
    this.#host.defer(() => channel.start());
    return channel;
  }

  /** A bare connection, texts of frames in and out: for a program with its own client. */
  async open(client: LoopbackClient): Promise<ChannelTransport> {
    const core = await this.#start();
    const loopback = this.#loopback();
    this.#join(core, loopback, client);
    return loopback.transport;
  }

  /**
   * Reserves an agent's name for its address on the owner's word, before it has ever connected:
   * messages for it are queued from now on, and nobody else can take the name. Takes an `Agent` or
   * anything with its `id` and `address`. Agents that connect register themselves: NAME_TAKEN,
   * REGISTRATION_REFUSED (the address has another name).
   */
  async register(agent: { readonly id: string; readonly address: string }): Promise<void> {
    assertAgentName(agent.id);
    const aid = aidOfAddress(agent.address);
    await this.#start();
    const claim = await this.#store.claim({
      name: agent.id,
      aid,
      opening: null,
      mayRegister: true,
      nowMs: this.#host.clock(),
      retiredMs: this.#limits.retiredMs,
    });
    if (claim.status !== 'ok') throw claimRefusal(claim.status);
  }

  /**
   * Puts an envelope into its recipient's queue and pushes it if the recipient is connected, as if
   * `from` had sent it: for messages that came over another channel. Resolves once it is stored;
   * rejects like `send` of a connection.
   */
  async deliver(envelope: HandedEnvelope): Promise<{ seq: number; duplicate: boolean }> {
    const core = await this.#start();
    const { id, from, to, blob, ttlSeconds = PROTOCOL_LIMITS.defaultTtlSeconds } = envelope;
    assertEnvelope(envelope, this.#limits);
    const tsMs = this.#host.clock();
    const expiresMs = tsMs + ttlSeconds * 1000;
    const rememberUntilMs = expiresMs + this.#limits.dedupExtraSeconds * 1000;
    const outcome = await core.deliver({ id, from, to, blob, tsMs, expiresMs, rememberUntilMs });
    if (outcome.status === 'stored') return { seq: outcome.seq, duplicate: false };
    if (outcome.status === 'duplicate') return { seq: outcome.seq, duplicate: true };
    throw sendRefusal(outcome.status);
  }

  /** Keys of an agent, by name or address, in the form that can be handed over: PEER_NOT_FOUND. */
  async getBundle(peer: string): Promise<BundleJson> {
    await this.#start();
    const reference = parsePeer(peer);
    const aid =
      reference?.kind === 'name' ? await this.#store.aidOfName(reference.name) : reference?.aid;
    const nowMs = this.#host.clock();
    const request = aid && { aid, oneTime: false, nowMs };
    const bundle = request ? await this.#store.takeBundle(request) : null;
    if (bundle === null || !isServed(bundle)) throw peerNotFound(peer);
    return encodeBundle(bundleOf(bundle));
  }

  /** Names of all agents that can be written to, in alphabetical order. */
  async listAgents(): Promise<string[]> {
    await this.#start();
    const all: string[] = [];
    for (;;) {
      const query = { prefix: '', after: all.at(-1) ?? '', max: NAMES_PER_PAGE };
      const page = await this.#store.names(query);
      all.push(...page);
      if (page.length < NAMES_PER_PAGE) return all;
    }
  }

  /** Ends every connection. The store stays open: it belongs to the code that opened it. */
  async close(): Promise<void> {
    this.#closed = true;
    const core = await this.#starting;
    await core?.stop();
  }

  #start(): Promise<HubCore> {
    if (this.#closed) return Promise.reject(new HubError('HUB_CLOSED'));
    // A store that failed once may work the next time.
    this.#starting ??= this.#create().catch((error: unknown) => {
      this.#starting = null;
      throw error;
    });
    return this.#starting;
  }

  async #create(): Promise<HubCore> {
    await ready();
    const { registration = { mode: 'open' }, isBlocked, onTraffic, onFailure } = this.#options;
    this.#core = await HubCore.create({
      store: this.#store,
      host: this.#host,
      limits: this.#limits,
      registration,
      isBlocked,
      observer: {
        ...(onTraffic === undefined ? {} : { routed: onTraffic }),
        ...(onFailure === undefined ? {} : { failed: onFailure }),
      },
    });
    return this.#core;
  }

  #after(delayMs: number, task: () => void): () => void {
    const stop = this.#host.every(Math.max(1, delayMs), () => {
      stop();
      task();
    });
    return stop;
  }

  #loopback(): Loopback {
    return new Loopback((task) => this.#host.defer(task));
  }

  /** Joins a client to the core, and keeps time for it while it is connected. */
  #join(core: HubCore, loopback: Loopback, client: LoopbackClient): void {
    if (this.#closed) throw new HubError('HUB_CLOSED');
    this.#clients.add(client);
    this.#stopTicking ??= this.#host.every(TICK_MS, () => this.#tick());
    const lost = (): void => {
      this.#forget(client);
      client.lost();
    };
    const end = { receive: (text: string) => client.receive(text), lost };
    loopback.join(end, (peer) => core.connect(peer));
  }

  /** Clients first: what they send in this turn counts before the hub judges their silence. */
  #tick(): void {
    for (const client of this.#clients) client.tick?.();
    this.#core?.tick();
  }

  #forget(client: LoopbackClient): void {
    this.#clients.delete(client);
    if (this.#clients.size > 0) return;
    this.#stopTicking?.();
    this.#stopTicking = null;
  }
}

function assertEnvelope({ id, from, to, blob, ttlSeconds }: HandedEnvelope, limits: CoreLimits) {
  const lengths = id.length === 16 && from.length === 32 && to.length === 32 && blob.length > 0;
  if (!lengths) throw new ProtocolError('BAD_FRAME', { detail: 'envelope' });
  if (blob.length > limits.blobBytes) {
    throw tooLarge('Envelope', limits.blobBytes, blob.length);
  }
  const ttl = ttlSeconds ?? 1;
  if (!Number.isInteger(ttl) || ttl < 1 || ttl > limits.maxTtlSeconds) {
    throw new ProtocolError('BAD_FRAME', { detail: 'ttlSeconds' });
  }
}

/**
 * Without the pin of a hub key: a program with this object has the hub, and a new one in memory
 * has a new key each time. A pin is for a hub at the other end of a network.
 */
function ofThisProcess(credentials: HubCredentials): HubCredentials {
  const { name, identity, token, isTransient } = credentials;
  return {
    name,
    identity,
    // Both may change while an agent goes on: they are read at each authentication.
    get instance() {
      return credentials.instance;
    },
    get boot() {
      return credentials.boot;
    },
    sign: (bytes) => credentials.sign(bytes),
    isTransient,
    token,
  };
}
