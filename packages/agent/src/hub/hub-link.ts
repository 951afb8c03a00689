/**
 * The agent's way to its hub over all changes of its identity: the connection of the present one.
 * Owns which connection that is, and that a request outlives the change; a connection's own life is
 * `identity-connection`'s.
 */
import type { AgentMeshError } from '@agentmesh/crypto';
import type { KeepAlive } from '../ground/keep-alive.js';
import type { HubConnection, HubSession } from '@agentmesh/protocol';
import type { IdentityConnection } from './identity-connection.js';

/** In place of a hub's id where there is no hub. */
export const NO_HUB = new Uint8Array(32);

/** The connection in use, for everybody who asks something of the hub. */
export class HubLink {
  readonly #keepAlive: KeepAlive;
  #connection: IdentityConnection;
  #hubId: Uint8Array | null = null;

  constructor(connection: IdentityConnection, keepAlive: KeepAlive) {
    this.#connection = connection;
    this.#keepAlive = keepAlive;
  }

  get connection(): IdentityConnection {
    return this.#connection;
  }

  /** Another identity has its own connection; requests that wait go on there. */
  replace(connection: IdentityConnection): void {
    this.#hubId = this.hubId;
    this.#connection = connection;
  }

  get isUp(): boolean {
    return this.#connection.isUp;
  }

  /** What the hub said when it was last reached; null before the first time. */
  get session(): HubSession | null {
    return this.#connection.session;
  }

  /** Envelopes that waited at the hub when it was reached, and are not received yet. */
  get behind(): number {
    return this.#connection.behind;
  }

  /** Why there will be no connection any more; null while there may be. */
  get ended(): AgentMeshError | null {
    return this.#connection.ended;
  }

  /** Id of the hub that we are, or were last, connected to; null before the first time. */
  get hubId(): Uint8Array | null {
    return this.#connection.hubId ?? this.#hubId;
  }

  /**
   * A request that is tried once, now; rejects with CONNECTION_LOST while the connection is down.
   */
  ask<T>(request: (connection: HubConnection) => Promise<T>): Promise<T> {
    return this.#connection.ask(request);
  }

  /**
   * A request that waits for the connection and outlives its interruptions, and its replacement.
   */
  request<T>(request: (connection: HubConnection) => Promise<T>): Promise<T> {
    return this.#keepAlive.during(this.#request(request));
  }

  async #request<T>(request: (connection: HubConnection) => Promise<T>): Promise<T> {
    for (;;) {
      const connection = this.#connection;
      try {
        return await connection.request(request);
      } catch (error) {
        if (connection === this.#connection) throw error;
      }
    }
  }

  close(): Promise<void> {
    return this.#connection.close();
  }
}
