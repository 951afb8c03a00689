/**
 * `NetworkHubServer`: the hub's core behind one port (hub.md §3).
 * Owns the life of a server: starting, telling connections to the core, time, and stopping without
 * loss. Rules are the core's, bytes are the links', pages are `http-pages`'.
 */
import { coreLimits, HubCore, systemHost } from '@agentmesh/hub-local';
import type {
  CoreLimits,
  HubHost,
  HubStore,
  Peer,
  Registration,
  ServedConnection,
} from '@agentmesh/hub-local';
import { ready } from '@agentmesh/protocol';
import type { ProtocolError } from '@agentmesh/protocol';
import type { IncomingMessage } from 'node:http';
import type { WebSocket } from 'ws';
import { createCertificate } from './certificate.js';
import { AdmissionLog } from './admission-log.js';
import { FailureLog } from './failure-log.js';
import type { StoreHealth } from './failure-log.js';
import { HubMetrics } from './hub-metrics.js';
import type { HubLogger } from './logger.js';
import { silentLogger } from './logger.js';
import { monotonicMs } from './monotonic.js';
import { isLoopback, sourceOf } from './net/address.js';
import { FrontDoor } from './net/front-door.js';
import type { TlsIdentity, Visitor } from './net/front-door.js';
import { HttpPages } from './net/http-pages.js';
import { LineLink } from './net/line-link.js';
import type { LinkOptions } from './net/line-link.js';
import { Lobby } from './net/lobby.js';
import { MemoryBudget } from './net/memory-budget.js';
import { forwardedFor, WebAccess } from './net/web-access.js';
import type { WebRequest } from './net/web-access.js';
import { WebSocketLink } from './net/web-socket-link.js';
import { listenErrorOf, ServerError } from './server-error.js';
import { noFailpoint } from './sqlite/failpoint.js';
import type { Failpoint } from './sqlite/failpoint.js';
import { SqliteHubStore } from './sqlite/sqlite-hub-store.js';

/** How to serve. All optional: by default the hub serves this machine, with a durable store. */
export interface NetworkHubServerOptions {
  /**
   * Keeps names, keys and queues. A store that you pass stays open when the server stops. Default:
   * a `SqliteHubStore` in the folder `data`, closed with the server.
   */
  readonly store?: HubStore | undefined;
  /** Folder of the default store. Default: `./agentmesh-hub-data`, as for the command. */
  readonly data?: string | undefined;
  /** Address to listen on. Default: `127.0.0.1`. */
  readonly host?: string | undefined;
  /** Port to listen on; 0 for any free one. Default: 7700. */
  readonly port?: number | undefined;
  /** Certificate and key. Default: a self-made certificate that lives as long as the server. */
  readonly tls?: TlsIdentity | undefined;
  /** TLS ends in a proxy before this hub; clients must set `behindProxy` too. Default: false. */
  readonly behindProxy?: boolean | undefined;
  /** Accept connections without TLS from other machines too. Default: false. */
  readonly allowPlaintext?: boolean | undefined;
  /**
   * Accept connections without TLS from this machine. Default: true. Set it to false if a forwarder
   * on this machine makes remote connections look local.
   */
  readonly plaintextOnLoopback?: boolean | undefined;
  /**
   * Web pages that may connect, by their `Origin`, such as `https://app.example`. Default: none but
   * a page under the very host and port that it connects to.
   */
  readonly allowedOrigins?: readonly string[] | undefined;
  /**
   * Host names by which a page may reach this hub, beside `localhost`, `host` and IP addresses:
   * any other name may be an attacker's that points here.
   */
  readonly allowedHosts?: readonly string[] | undefined;
  /** Who may register a free name. Default: `open`, any agent. */
  readonly registration?: Registration | undefined;
  /** Limits to change: see `docs/limits.md` for which may be raised. */
  readonly limits?: Partial<CoreLimits> | undefined;
  /** For benchmarks only: no rate holds a sender back. No flag of the command sets it. */
  readonly unboundedRates?: boolean | undefined;
  /** Who may read `/metrics`. Default: `loopback`, this machine. */
  readonly metrics?: 'loopback' | 'all' | 'off' | undefined;
  /** Whether an agent, by its 32-byte aid, is shut out. */
  readonly isBlocked?: ((aid: Uint8Array) => boolean) | undefined;
  /** Where the server writes what an operator should read. Default: nowhere. */
  readonly logger?: HubLogger | undefined;
  /** Where the store's commit times were counted; see {@link HubMetrics}. */
  readonly meter?: HubMetrics | undefined;
  /** Clock, randomness and turns of the event loop. Default: the machine's. */
  readonly hubHost?: HubHost | undefined;
  /** For crash tests. */
  readonly failpoint?: Failpoint | undefined;
}

const DEFAULT_PORT = 7_700;
const DEFAULT_DATA = './agentmesh-hub-data';
const TICK_MS = 250;
const UNBOUNDED_RATES = {
  sendsPerSecond: Number.MAX_SAFE_INTEGER,
  sendBurst: Number.MAX_SAFE_INTEGER,
  sendBytesPerSecond: Number.MAX_SAFE_INTEGER,
} as const;
/** From the last goodbye to the removal of connections that do not close. */
const DRAIN_MS = 3_000;
const DRAIN_POLL_MS = 20;

type AnyLink = LineLink | WebSocketLink;

/** One hub on one port; made, started and stopped once. */
export class NetworkHubServer {
  readonly #options: NetworkHubServerOptions;
  readonly #host: HubHost;
  readonly #logger: HubLogger;
  readonly #failures: FailureLog;
  readonly #admissions: AdmissionLog;
  readonly #limits: CoreLimits;
  readonly #metrics: HubMetrics;
  readonly #lobby: Lobby;
  readonly #access: WebAccess;
  readonly #budget: MemoryBudget;
  readonly #links = new Set<AnyLink>();
  readonly #linkOptions: LinkOptions;
  #state: 'new' | 'starting' | 'ready' | 'stopping' | 'stopped' = 'new';
  #core: HubCore | null = null;
  /** The store that we opened and have to close. */
  #ownStore: SqliteHubStore | null = null;
  #door: FrontDoor | null = null;
  #pages: HttpPages | null = null;
  #stopTicking: () => void = () => undefined;
  #port = 0;

  constructor(options: NetworkHubServerOptions = {}) {
    this.#options = options;
    this.#host = options.hubHost ?? systemHost;
    this.#logger = options.logger ?? silentLogger;
    this.#failures = new FailureLog(this.#logger, monotonicMs);
    this.#admissions = new AdmissionLog(this.#logger, monotonicMs);
    this.#limits = {
      ...coreLimits(options.limits),
      ...(options.unboundedRates === true ? UNBOUNDED_RATES : {}),
    };
    this.#metrics = options.meter ?? new HubMetrics();
    this.#lobby = new Lobby({
      perAddress: this.#limits.preAuthConnectionsPerAddress,
      newPerSecond: this.#limits.newConnectionsPerSecond,
      stayMs: this.#limits.authenticationMs,
    });
    const { allowedOrigins = [], allowedHosts = [], host, behindProxy = false } = options;
    this.#access = new WebAccess({
      origins: allowedOrigins,
      hosts: host === undefined ? allowedHosts : [...allowedHosts, host],
      behindProxy,
    });
    this.#budget = new MemoryBudget(this.#limits.bufferBytes, monotonicMs);
    this.#linkOptions = {
      defer: (task) => systemHost.defer(task),
      monotonic: monotonicMs,
      onFrame: (frame) => this.#metrics.sent(frame),
      budget: this.#budget,
      failpoint: options.failpoint ?? noFailpoint,
    };
  }

  /** Where it listens; 0 before `start` has resolved. */
  get port(): number {
    return this.#port;
  }

  /** 32 bytes, for clients to pin; NOT_STARTED before `start` has resolved. */
  get hubKey(): Uint8Array {
    return this.#started().hubKey;
  }

  /** Connections of any kind. */
  get connections(): number {
    return this.#door?.connections ?? 0;
  }

  /** Envelopes made durable since the start. */
  get routed(): number {
    return this.#core?.routed ?? 0;
  }

  /** Whether an agent, by its 32-byte aid, has a connection to this hub. */
  isConnected(aid: Uint8Array): boolean {
    return this.#started().isConnected(aid);
  }

  /**
   * Ends the connection of an agent; false if it has none. After `SHUTTING_DOWN` it connects again
   * by itself, after `BLOCKED` it does not.
   */
  disconnect(aid: Uint8Array, code: 'BLOCKED' | 'SHUTTING_DOWN'): boolean {
    return this.#started().disconnect(aid, code);
  }

  /** Removes what waits for an agent and tells the senders; resolves with how many. */
  purge(aid: Uint8Array): Promise<number> {
    return this.#started().purge(aid);
  }

  /** Resolves when connections are taken: PORT_IN_USE, CANNOT_LISTEN, BAD_CERTIFICATE. */
  async start(): Promise<this> {
    if (this.#state !== 'new') throw new ServerError('ALREADY_STARTED');
    this.#state = 'starting';
    await ready();
    const { registration = { mode: 'open' }, isBlocked, tls } = this.#options;
    const store = await this.#openStore();
    const { host = '127.0.0.1', port = DEFAULT_PORT } = this.#options;
    this.#core = await HubCore.create({
      store,
      host: this.#host,
      limits: this.#limits,
      registration,
      isBlocked,
      observer: {
        refused: (error, remote) => this.#refused(error, remote),
        failed: (error) => this.#failed(error),
      },
    });
    this.#pages = this.#createPages();
    this.#door = this.#createDoor(tls ?? (await createCertificate(this.#host.clock())));
    this.#port = await this.#door.listen(host, port).catch(async (error: unknown) => {
      await this.#ownStore?.close();
      throw listenErrorOf(error, `${host}:${port}`);
    });
    if (this.#options.metrics !== 'off') this.#watch(store);
    this.#stopTicking = this.#host.every(TICK_MS, () => this.#tick());
    this.#warnOfPlaintext();
    this.#state = 'ready';
    return this;
  }

  /** Turns `/readyz` red and nothing else: time for a load balancer to look away. */
  retire(): void {
    if (this.#state === 'ready') this.#state = 'stopping';
  }

  /** Says goodbye to everybody; resolves when all that was accepted is stored and sent. */
  async stop(): Promise<void> {
    if (this.#state === 'stopped') return;
    this.#state = 'stopping';
    this.#door?.stopListening();
    await this.#core?.stop();
    this.#stopTicking();
    const endMs = monotonicMs() + DRAIN_MS;
    while (this.#links.size > 0 && monotonicMs() < endMs) {
      // Polled: sockets close one by one.
      await new Promise((resolve) => {
        setTimeout(resolve, DRAIN_POLL_MS);
      });
    }
    this.#door?.destroyAll();
    this.#pages?.close();
    await this.#ownStore?.close();
    this.#state = 'stopped';
  }

  #started(): HubCore {
    if (this.#core === null) throw new ServerError('NOT_STARTED');
    return this.#core;
  }

  #createDoor(tls: TlsIdentity): FrontDoor {
    const { allowPlaintext = false, behindProxy = false } = this.#options;
    const { plaintextOnLoopback = true } = this.#options;
    return new FrontDoor({
      tls,
      mayBePlain: (address) =>
        allowPlaintext || behindProxy || (plaintextOnLoopback && isLoopback(address)),
      behindProxy,
      maxConnections: this.#limits.connections,
      lobby: this.#lobby,
      monotonic: monotonicMs,
      onFrames: (visitor) => {
        const link = new LineLink(visitor.socket, this.#linkOptions);
        const remote = behindProxy ? null : visitor.address;
        this.#serve(visitor, link, { isWebSocket: false, remote });
      },
      onHttp: (visitor) => this.#pages?.serve(visitor),
    });
  }

  #createPages(): HttpPages {
    const { allowPlaintext = false, behindProxy = false } = this.#options;
    return new HttpPages({
      isOpen: () => this.#state === 'ready',
      isReady: () => this.#isReady(),
      metrics: () => this.#metrics.page(),
      mayMeasure: (request) => this.#mayMeasure(request),
      access: this.#access,
      allowsForwardedPlaintext: allowPlaintext || behindProxy,
      // A little more, so that a frame that is slightly too long gets an answer.
      maxMessageBytes: this.#limits.frameBytes + 65_536,
      monotonic: monotonicMs,
      budget: this.#budget,
      onWebSocket: (visitor, webSocket, request) => this.#upgraded(visitor, webSocket, request),
    });
  }

  #upgraded(visitor: Visitor, webSocket: WebSocket, request: IncomingMessage): void {
    const link = new WebSocketLink(visitor.socket, webSocket, this.#linkOptions);
    const { behindProxy = false } = this.#options;
    const remote = behindProxy ? forwardedFor(request.headers) : visitor.address;
    this.#serve(visitor, link, { isWebSocket: true, remote });
  }

  /** Hands a connection from the lobby to the core. */
  #serve(
    visitor: Visitor,
    link: AnyLink,
    { isWebSocket, remote }: { isWebSocket: boolean; remote: string | null },
  ): void {
    const { guest, socket, secure } = visitor;
    this.#lobby.leave(guest);
    const channelBinding = this.#door?.bindingOf(visitor, isWebSocket);
    if (this.#core === null || channelBinding === undefined || socket.destroyed) {
      link.destroy();
      return;
    }
    this.#metrics.connected(isWebSocket ? 'websocket' : secure ? 'tls' : 'tcp');
    const peer: Peer = { link, channelBinding, remote: remote === null ? null : sourceOf(remote) };
    const served: ServedConnection = this.#core.connect(peer);
    this.#links.add(link);
    socket.on('close', () => this.#links.delete(link));
    link.serve(served);
  }

  #mayMeasure(request: WebRequest): boolean {
    const { metrics = 'loopback' } = this.#options;
    return metrics === 'all' || (metrics === 'loopback' && this.#access.isLocal(request));
  }

  async #openStore(): Promise<HubStore> {
    const { store, data = DEFAULT_DATA } = this.#options;
    if (store !== undefined) return store;
    this.#ownStore = await SqliteHubStore.open({ folder: data });
    return this.#ownStore;
  }

  #watch(store: HubStore): void {
    this.#metrics.watch({ counts: () => store.counts(), connections: () => this.connections });
  }

  #health(): StoreHealth {
    return {
      answers: this.#core?.storeAnswers ?? true,
      isFull: this.#core?.storeFull ?? false,
    };
  }

  #isReady(): boolean {
    const { answers, isFull } = this.#health();
    return this.#state === 'ready' && answers && !isFull;
  }

  #tick(): void {
    const nowMs = monotonicMs();
    this.#core?.tick();
    this.#failures.seen(this.#health());
    this.#lobby.tick(nowMs);
    this.#budget.enforce();
    for (const link of this.#links) link.watch(nowMs, this.#limits.silenceMs);
  }

  #refused(error: ProtocolError, remote: string | null | undefined): void {
    this.#metrics.refused(error.code);
    this.#admissions.refused(error, remote);
  }

  #failed(error: unknown): void {
    this.#metrics.failed();
    this.#failures.failed(error);
  }

  #warnOfPlaintext(): void {
    const { allowPlaintext = false, behindProxy = false } = this.#options;
    if (allowPlaintext) {
      this.#logger.warn({}, 'PLAINTEXT IS ALLOWED: who talks to whom is readable on the network');
    }
    if (behindProxy) {
      this.#logger.warn({}, 'BEHIND A PROXY: connections are bound to no TLS channel of this hub');
    }
  }
}
