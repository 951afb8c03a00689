/**
 * Brings up connections to the hub: what an identity shows there, one attempt, or as many as it
 * takes. Owns credentials and patience; what a connection tells afterwards is the engine's.
 */
import type { AgentKeyPair } from '@agentmesh/crypto';
import { AgentMeshError } from '@agentmesh/crypto';
import { isFinal } from '@agentmesh/protocol';
import type { Hub, HubCredentials } from '@agentmesh/protocol';
import type { AgentContext } from '../agent-context.js';
import { IdentityConnection } from './identity-connection.js';
import type { ConnectionEvents } from './identity-connection.js';
import { AGENT_LIMITS } from '../ground/limits.js';
import { Pauses } from '../ground/pauses.js';
import { ROW } from '../store/row-keys.js';

/** Nothing that a connection tells is taken: what it brings comes again on the next one. */
const SILENT: ConnectionEvents = {
  greeted() {},
  authenticated: async () => {},
  deliver() {},
  notice() {},
  up() {},
  down() {},
  ended() {},
};

/** One agent's way of connecting. */
export class Connector {
  readonly #context: AgentContext;
  readonly #hub: Hub;
  readonly #token: string | undefined;
  readonly #isTransient: (keyPair: AgentKeyPair) => boolean;
  /** Ends a wait between two attempts. */
  readonly #pauses: Pauses;
  #stopped = false;

  constructor(parts: {
    readonly context: AgentContext;
    readonly hub: Hub;
    readonly token: string | undefined;
    /** Whether these keys end with the process. */
    readonly isTransient: (keyPair: AgentKeyPair) => boolean;
  }) {
    this.#context = parts.context;
    this.#pauses = new Pauses(parts.context.runtime);
    this.#hub = parts.hub;
    this.#token = parts.token;
    this.#isTransient = parts.isTransient;
  }

  /** A connection that is not connected yet. */
  newConnection(events: ConnectionEvents): IdentityConnection {
    return new IdentityConnection(this.#hub, this.#context.runtime, events);
  }

  /** Tries once, as long as the hub's client does; rejects with the hub's refusal. */
  async connect(connection: IdentityConnection, keyPair: AgentKeyPair): Promise<void> {
    await connection.connect(await this.#credentials(keyPair));
  }

  /** Whether the hub, which proves its key, lets this identity in; rejects with why it does not. */
  async probe(keyPair: AgentKeyPair): Promise<void> {
    const connection = this.newConnection(SILENT);
    await this.connect(connection, keyPair);
    await connection.close();
  }

  /** Connects, in as many attempts as it takes. */
  insist(connection: IdentityConnection, keyPair: AgentKeyPair): Promise<void> {
    return this.untilAnswered(() => this.connect(connection, keyPair));
  }

  /**
   * Tries until it succeeds; rejects with what a proved hub says for good, or once {@link stop}ped.
   * An agent that waits for its hub is meant to serve: the process goes on meanwhile.
   */
  untilAnswered<T>(attempt: () => Promise<T>): Promise<T> {
    return this.#context.keepAlive.during(this.#untilAnswered(attempt));
  }

  async #untilAnswered<T>(attempt: () => Promise<T>): Promise<T> {
    for (let failures = 0; ; failures++) {
      try {
        return await attempt();
      } catch (error) {
        const mayPass = error instanceof AgentMeshError && !isFinal(error);
        if (!mayPass || this.#stopped) throw error;
        const { resendMs, resendMaxMs } = AGENT_LIMITS;
        await this.#pauses.pause(Math.min(resendMs * 2 ** failures, resendMaxMs));
        if (this.#stopped) throw error;
      }
    }
  }

  /** Whether this store has been to its hub: then the agent can do without for a while. */
  async wasConnected(): Promise<boolean> {
    return (await this.#context.store.get(ROW.hub)) !== null;
  }

  stop(): void {
    this.#stopped = true;
    this.#pauses.end();
  }

  async #credentials(keyPair: AgentKeyPair): Promise<HubCredentials> {
    const context = this.#context;
    return {
      name: context.name,
      identity: keyPair.identity,
      // Read at each authentication: a rollback gives the store a new instance.
      get instance() {
        return context.self.meta.instance;
      },
      get boot() {
        return context.self.meta.boot;
      },
      sign: (bytes) => keyPair.sign(bytes),
      isTransient: this.#isTransient(keyPair),
      token: this.#token,
      hubKey: (await context.store.get(ROW.hub)) ?? undefined,
    };
  }
}
