/**
 * What an agent with a hub looks after every hour: its keys on the hub, its former identities and
 * messages that nobody has acknowledged for too long. Owns the timer; each part knows what is due.
 */
import { AgentMeshError } from '@agentmesh/crypto';
import { nameOf } from '../agent-context.js';
import type { AgentContext } from '../agent-context.js';
import type { FormerConnections } from '../changes/former-connections.js';
import { AGENT_LIMITS } from '../ground/limits.js';
import type { CallSide } from './call-side.js';
import type { HubLink } from '../hub/hub-link.js';
import type { Publisher } from '../keys/publisher.js';
import type { Behind } from '../owed/behind.js';
import type { Retention } from '../sending/retention.js';
import type { Transmitter } from '../sending/transmitter.js';

/** What is looked after. */
interface UpkeepParts {
  readonly context: AgentContext;
  readonly link: HubLink;
  readonly publisher: Publisher;
  readonly formers: FormerConnections;
  readonly retention: Retention;
  readonly transmitter: Transmitter;
  readonly calls: CallSide;
  readonly behind: Behind;
}

/** The upkeep of one agent. */
export class Upkeep {
  readonly #parts: UpkeepParts;
  #cancel: (() => void) | null = null;
  #refilling = false;

  constructor(parts: UpkeepParts) {
    this.#parts = parts;
  }

  start(): void {
    this.#cancel = this.#parts.context.runtime.schedule(AGENT_LIMITS.upkeepMs, () => {
      void this.refill();
      void this.#giveUpOld();
      this.start();
    });
  }

  stop(): void {
    this.#cancel?.();
  }

  /** Brings the keys on the hub up to date; does nothing while it is being done already. */
  async refill(): Promise<void> {
    const { context, link, publisher, formers } = this.#parts;
    if (this.#refilling || context.closed) return;
    this.#refilling = true;
    try {
      await link.ask((connection) => publisher.refill(connection, connection.session.hubId));
      await publisher.sweep();
      await formers.sweep();
    } catch (error) {
      // Tried again with the next upkeep, and with the next authentication.
      const code = error instanceof AgentMeshError ? error.code : 'INTERNAL';
      context.log.warn('keys not looked after', { code });
    }
    this.#refilling = false;
  }

  async #giveUpOld(): Promise<void> {
    try {
      await this.#parts.retention.giveUpOld();
      await this.#parts.behind.sweep();
      await this.#parts.transmitter.expire();
      await this.#parts.calls.sweep();
    } catch (error) {
      // The store has stopped the agent, or it is being closed.
      this.#parts.context.log.warn('old messages not given up', { error: nameOf(error) });
    }
  }
}
