/**
 * A hub that goes down and comes back, as agents see the networked one: a lost connection is news,
 * requests fail meanwhile, and the connection is restored by itself. Owns the going down and the
 * coming back; which hub it then is, the test decides.
 */
import { AgentMeshError } from '@agentmesh/crypto';
import { isFinal, ProtocolError } from '@agentmesh/protocol';
import type {
  AgentPage,
  Bundle,
  Hub,
  HubConnection,
  HubCredentials,
  HubEvents,
  HubSession,
  KeyState,
  OutgoingEnvelope,
  PrekeyUpload,
} from '@agentmesh/protocol';

/** Wraps hubs, one after the other. */
export class InterruptedHub implements Hub {
  readonly #lines = new Set<Line>();
  #inner: Hub;
  #isDown = false;

  constructor(inner: Hub) {
    this.#inner = inner;
  }

  async connect(credentials: HubCredentials, events: HubEvents): Promise<HubConnection> {
    if (this.#isDown) throw new ProtocolError('CONNECTION_LOST');
    const line = new Line(credentials, events, (gone) => this.#lines.delete(gone));
    await line.connect(this.#inner);
    this.#lines.add(line);
    return line;
  }

  /**
   * The connections are lost and there are no new ones; what was sent and not answered fails with
   * CONNECTION_LOST.
   */
  goDown(): void {
    this.#isDown = true;
    for (const line of this.#lines) line.goDown();
  }

  /** Everybody is connected again, to the same hub or to another one over the same store. */
  async comeBack(next: Hub = this.#inner): Promise<void> {
    this.#inner = next;
    this.#isDown = false;
    for (const line of this.#lines) await line.comeBack(next);
  }

  async close(): Promise<void> {
    await this.#inner.close?.();
  }
}

/** One agent's connection over all interruptions. */
class Line implements HubConnection {
  readonly #credentials: HubCredentials;
  readonly #events: HubEvents;
  readonly #onClosed: (line: Line) => void;
  #inner: HubConnection | null = null;
  #session: HubSession | null = null;

  constructor(credentials: HubCredentials, events: HubEvents, onClosed: (line: Line) => void) {
    this.#credentials = credentials;
    this.#events = events;
    this.#onClosed = onClosed;
  }

  get session(): HubSession {
    if (this.#session === null) throw new ProtocolError('NOT_AUTHENTICATED');
    return this.#session;
  }

  async connect(hub: Hub): Promise<void> {
    let current = true;
    const isCurrent = (): boolean => current;
    const events: HubEvents = {
      authenticated: (session) => this.#events.authenticated(session),
      deliver: (delivery) => {
        if (isCurrent()) this.#events.deliver(delivery);
      },
      notice: (notice) => {
        if (isCurrent()) this.#events.notice(notice);
      },
      down: (error) => this.#events.down(error),
      closed: (error) => {
        if (isCurrent()) this.#end(error);
      },
    };
    const inner = await hub.connect(this.#credentials, events);
    this.#leave = () => {
      current = false;
      void inner.close();
    };
    this.#inner = inner;
    this.#session = inner.session;
  }

  goDown(): void {
    if (this.#inner === null) return;
    this.#inner = null;
    this.#leave();
    this.#events.down(new ProtocolError('CONNECTION_LOST'));
  }

  /** A hub that does not let it in any more ends it, as it ends a networked one. */
  async comeBack(hub: Hub): Promise<void> {
    this.goDown();
    try {
      await this.connect(hub);
    } catch (error) {
      if (!(error instanceof AgentMeshError) || !isFinal(error)) throw error;
      return this.#end(error);
    }
    this.#events.authenticated(this.session);
  }

  putIdentity(record: Uint8Array): Promise<KeyState> {
    return this.#up((inner) => inner.putIdentity(record));
  }

  putPrekeys(keys: PrekeyUpload): Promise<KeyState> {
    return this.#up((inner) => inner.putPrekeys(keys));
  }

  putRevocation(revocation: Uint8Array): Promise<void> {
    return this.#up((inner) => inner.putRevocation(revocation));
  }

  getBundle(peer: string, options: { readonly oneTime: boolean }): Promise<Bundle> {
    return this.#up((inner) => inner.getBundle(peer, options));
  }

  send(envelope: OutgoingEnvelope): Promise<{ seq: number; duplicate: boolean }> {
    return this.#up((inner) => inner.send(envelope));
  }

  list(query: Parameters<HubConnection['list']>[0]): Promise<AgentPage> {
    return this.#up((inner) => inner.list(query));
  }

  ack(seqs: readonly number[]): void {
    this.#inner?.ack(seqs);
  }

  nack(refusal: Parameters<HubConnection['nack']>[0]): void {
    this.#inner?.nack(refusal);
  }

  credit(grant: Parameters<HubConnection['credit']>[0]): void {
    this.#inner?.credit(grant);
  }

  async close(): Promise<void> {
    if (this.#inner === null) this.#end(null);
    else await this.#inner.close();
  }

  #leave: () => void = () => undefined;

  #end(error: AgentMeshError | null): void {
    this.#inner = null;
    this.#onClosed(this);
    this.#events.closed(error);
  }

  #up<T>(request: (inner: HubConnection) => Promise<T>): Promise<T> {
    if (this.#inner === null) return Promise.reject(new ProtocolError('CONNECTION_LOST'));
    return request(this.#inner);
  }
}
