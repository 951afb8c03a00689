/**
 * The connection of one identity to its hub, over all reconnections: whether it is up, and what
 * goes out on it together, such as acknowledgements and credit. Which identity is the present one
 * is `hub-link`'s, what deliveries mean `receiver`'s, keys `publisher`'s and finished messages
 * `transmitter`'s.
 */
import { AgentMeshError } from '@agentmesh/crypto';
import { ProtocolError } from '@agentmesh/protocol';
import type {
  Delivery,
  DeliveryNotice,
  DeliveryRefusal,
  Hub,
  HubConnection,
  HubCredentials,
  HubSession,
} from '@agentmesh/protocol';
import { AgentError } from '../ground/errors.js';
import { Pauses } from '../ground/pauses.js';
import type { Runtime } from '../ground/runtime.js';

/** What a connection reports. `authenticated` is awaited before it counts as up. */
export interface ConnectionEvents {
  /** The hub has just said who it is, and what its clock reads. */
  greeted(session: HubSession): void;
  authenticated(connection: HubConnection, session: HubSession): Promise<void>;
  deliver(delivery: Delivery, line: DeliveryLine): void;
  notice(notice: DeliveryNotice): void;
  up(connection: HubConnection): void;
  down(error: AgentMeshError): void;
  /** Final; null after our own `close`. */
  ended(error: AgentMeshError | null): void;
}

/**
 * Says of deliveries what becomes of them, on the very connection that brought them. On a later one
 * it says nothing: the hub delivers them again there, and its numbers may be those of others.
 */
export interface DeliveryLine {
  /** These deliveries are committed. Told together with others of the same turn. */
  ack(seq: number): void;
  nack(refusal: DeliveryRefusal): void;
  /** One message less is held here: the hub may push another one. */
  giveBack(bytes: number): void;
}

/** Credit is given back in portions of this size: well below what a connection begins with. */
const CREDIT_PORTION = { messages: 32, bytes: 1024 * 1024 };
const RETRY_MS = 1_000;

/** One logical connection, over all reconnections that the hub's client makes. */
export class IdentityConnection {
  readonly #hub: Hub;
  readonly #pauses: Pauses;
  readonly #events: ConnectionEvents;
  #connection: HubConnection | null = null;
  #isUp = false;
  /** Why it is over; null while it is not. */
  #ended: AgentMeshError | null = null;
  #waiting: PromiseWithResolvers<HubConnection> | null = null;
  /** Deliveries that came before it was up; bounded by the credit of a connection. */
  #early: Delivery[] = [];
  /** Of the connection that is up now, or is being made. */
  #line: DeliveryLine = this.#newLine();
  #acks: number[] = [];
  /** What waited at the hub when it was reached, and is not here yet. */
  #behind = 0;
  #owedCredit = { messages: 0, bytes: 0 };

  constructor(hub: Hub, runtime: Runtime, events: ConnectionEvents) {
    this.#hub = hub;
    this.#pauses = new Pauses(runtime);
    this.#events = events;
  }

  get isUp(): boolean {
    return this.#isUp;
  }

  /** Why there will be no connection any more; null while there may be. */
  get ended(): AgentMeshError | null {
    return this.#ended;
  }

  /** Id of the hub that we are, or were last, connected to; null before the first time. */
  get hubId(): Uint8Array | null {
    return this.session?.hubId ?? null;
  }

  /** What the hub said when it was last reached; null before the first time. */
  get session(): HubSession | null {
    return this.#connection?.session ?? null;
  }

  /** Envelopes that waited at the hub when it was reached, and are not received yet. */
  get behind(): number {
    return this.#isUp ? this.#behind : 0;
  }

  /**
   * Connects and lets `authenticated` do its work; rejects with the hub's error, and then nothing
   * is left of the attempt.
   */
  async connect(credentials: HubCredentials): Promise<void> {
    this.#assertNotEnded();
    let isOurs = true;
    const whileOurs = (task: () => void): void => void (isOurs && task());
    const connection = await this.#hub.connect(credentials, {
      authenticated: (session) =>
        whileOurs(() => {
          this.#behind = session.queued;
          this.#events.greeted(session);
          void this.#authenticate(connection, session);
        }),
      deliver: (delivery) => whileOurs(() => this.#deliver(delivery)),
      notice: (notice) => whileOurs(() => this.#events.notice(notice)),
      down: (error) => whileOurs(() => this.#down(error)),
      closed: (error) => whileOurs(() => this.#end(error)),
    });
    const { session } = connection;
    this.#events.greeted(session);
    this.#behind = session.queued;
    try {
      this.#assertNotEnded();
      this.#connection = connection;
      await this.#events.authenticated(connection, session);
    } catch (error) {
      // It may have come back by itself meanwhile, with better luck.
      if (this.#isUp) return;
      isOurs = false;
      this.#connection = null;
      this.#early = [];
      await connection.close();
      throw error;
    }
    this.#up(connection);
  }

  /** There will be no connection, not even a first one. */
  giveUp(error: AgentMeshError): void {
    this.#end(error);
  }

  /** The connection once it is up; rejects when there will be none. */
  whenUp(): Promise<HubConnection> {
    if (this.#ended !== null) return Promise.reject(this.#ended);
    if (this.#isUp && this.#connection !== null) return Promise.resolve(this.#connection);
    this.#waiting ??= Promise.withResolvers();
    return this.#waiting.promise;
  }

  /** A request that is tried once, now; rejects with CONNECTION_LOST while it is down. */
  async ask<T>(request: (connection: HubConnection) => Promise<T>): Promise<T> {
    if (this.#connection === null || !this.#isUp) throw new ProtocolError('CONNECTION_LOST');
    return request(this.#connection);
  }

  /** A request that waits for the connection and outlives its interruptions. */
  async request<T>(request: (connection: HubConnection) => Promise<T>): Promise<T> {
    for (;;) {
      const connection = await this.whenUp();
      try {
        return await request(connection);
      } catch (error) {
        const waitMs = waitAfter(error);
        if (waitMs === null) throw error;
        await this.#pauses.pause(waitMs);
      }
    }
  }

  #newLine(): DeliveryLine {
    const isNow = (): boolean => this.#line === line;
    const line: DeliveryLine = {
      ack: (seq) => void (isNow() && this.#ack(seq)),
      nack: (refusal) => void (isNow() && this.#nack(refusal)),
      giveBack: (bytes) => void (isNow() && this.#giveBack(bytes)),
    };
    return line;
  }

  #nack(refusal: DeliveryRefusal): void {
    if (this.#behind > 0) this.#behind -= 1;
    if (this.#isUp) this.#connection?.nack(refusal);
  }

  #ack(seq: number): void {
    if (this.#acks.length === 0) queueMicrotask(() => this.#flushAcks());
    this.#acks.push(seq);
    if (this.#behind > 0) this.#behind -= 1;
  }

  #giveBack(bytes: number): void {
    const { messages, bytes: owed } = this.#owedCredit;
    this.#owedCredit = { messages: messages + 1, bytes: owed + bytes };
    const portion = messages + 1 >= CREDIT_PORTION.messages || owed + bytes >= CREDIT_PORTION.bytes;
    if (!portion || !this.#isUp) return;
    this.#connection?.credit(this.#owedCredit);
    this.#owedCredit = { messages: 0, bytes: 0 };
  }

  async close(): Promise<void> {
    this.#flushAcks();
    await this.#connection?.close();
    this.#end(null);
  }

  #assertNotEnded(): void {
    if (this.#ended !== null) throw this.#ended;
  }

  async #authenticate(connection: HubConnection, session: HubSession): Promise<void> {
    // A fresh connection begins with full credit.
    this.#owedCredit = { messages: 0, bytes: 0 };
    try {
      await this.#events.authenticated(connection, session);
      this.#up(connection);
    } catch (error) {
      const waitMs = waitAfter(error) ?? RETRY_MS;
      if (this.#ended !== null || this.#connection !== connection) return;
      this.#events.down(error instanceof AgentMeshError ? error : new ProtocolError('INTERNAL'));
      await this.#pauses.pause(waitMs);
      if (this.#ended === null && !this.#isUp) await this.#authenticate(connection, session);
    }
  }

  #up(connection: HubConnection): void {
    if (this.#ended !== null) return;
    this.#isUp = true;
    this.#waiting?.resolve(connection);
    this.#waiting = null;
    this.#events.up(connection);
    const early = this.#early;
    this.#early = [];
    for (const delivery of early) this.#events.deliver(delivery, this.#line);
  }

  /** What a hub pushes with its greeting waits: it may need requests, and its answer a way out. */
  #deliver(delivery: Delivery): void {
    if (this.#isUp) this.#events.deliver(delivery, this.#line);
    else this.#early.push(delivery);
  }

  #down(error: AgentMeshError): void {
    this.#isUp = false;
    // What was not acknowledged comes again.
    this.#line = this.#newLine();
    this.#acks = [];
    this.#early = [];
    this.#events.down(error);
  }

  #end(error: AgentMeshError | null): void {
    if (this.#ended !== null) return;
    this.#isUp = false;
    this.#ended = error ?? new AgentError('CLOSED');
    this.#pauses.end();
    this.#waiting?.reject(this.#ended);
    this.#waiting = null;
    this.#events.ended(error);
  }

  #flushAcks(): void {
    const seqs = this.#acks;
    this.#acks = [];
    if (seqs.length > 0 && this.#isUp) this.#connection?.ack(seqs);
  }
}

/** How long to wait before asking again; null if asking again is of no use. */
function waitAfter(error: unknown): number | null {
  if (!(error instanceof ProtocolError) || !error.retryable) return null;
  switch (error.code) {
    case 'CONNECTION_LOST':
    case 'SHUTTING_DOWN':
    case 'RATE_LIMITED':
      return error.retryAfterMs ?? RETRY_MS;
    default:
      return null;
  }
}
