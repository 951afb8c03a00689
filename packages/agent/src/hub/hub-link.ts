/**
 * The agent's way to its hub over all changes of its identity: the line of the present one. Owns
 * which line that is, and that a request outlives the change; a line's own life is `hub-line`'s.
 */
import type { AgentMeshError } from '@agentmesh/crypto';
import type { HubConnection } from '@agentmesh/protocol';
import type { HubLine } from './hub-connection.js';

/** In place of a hub's id where there is no hub. */
export const NO_HUB = new Uint8Array(32);

/** The line in use, for everybody who asks something of the hub. */
export class HubLink {
  #line: HubLine;
  #hubId: Uint8Array | null = null;

  constructor(line: HubLine) {
    this.#line = line;
  }

  get line(): HubLine {
    return this.#line;
  }

  /** Another identity has its own line; requests that wait go on there. */
  replace(line: HubLine): void {
    this.#hubId = this.hubId;
    this.#line = line;
  }

  get isUp(): boolean {
    return this.#line.isUp;
  }

  /** Why there will be no connection any more; null while there may be. */
  get ended(): AgentMeshError | null {
    return this.#line.ended;
  }

  /** Id of the hub that we are, or were last, connected to; null before the first time. */
  get hubId(): Uint8Array | null {
    return this.#line.hubId ?? this.#hubId;
  }

  /** A request that is tried once, now; rejects with CONNECTION_LOST while the line is down. */
  ask<T>(request: (connection: HubConnection) => Promise<T>): Promise<T> {
    return this.#line.ask(request);
  }

  /** A request that waits for the line and outlives its interruptions, and its replacement. */
  async request<T>(request: (connection: HubConnection) => Promise<T>): Promise<T> {
    for (;;) {
      const line = this.#line;
      try {
        return await line.request(request);
      } catch (error) {
        if (line === this.#line) throw error;
      }
    }
  }

  close(): Promise<void> {
    return this.#line.close();
  }
}
