/**
 * A hub that was restored to before a change of our identity, and may be once more while it is told
 * of that: it is told until the present identity is connected. Owns when, and with which connection
 * whoever waits for one goes on; what the hub is told is `forgotten-change`'s.
 */
import { AgentMeshError } from '@agentmesh/crypto';
import type { AgentContext } from '../agent-context.js';
import type { Connector } from '../hub/connector.js';
import type { HubLink } from '../hub/hub-link.js';
import type { IdentityConnection } from '../hub/identity-connection.js';
import { maySayForgotten } from './forgotten-change.js';
import type { ForgottenChange } from './forgotten-change.js';

/** How often in a row a hub may forget what it has just been told. */
const MOST_TELLINGS = 10;

/** What it is made from. */
export interface RestatingParts {
  readonly context: AgentContext;
  readonly link: HubLink;
  readonly connector: Connector;
  readonly forgotten: ForgottenChange;
  /** A connection for the present identity. */
  readonly newConnection: () => IdentityConnection;
}

/** One per agent. */
export class Restating {
  readonly #parts: RestatingParts;
  /** Settled when the present identity is connected, or will not be. */
  #whole: Promise<void> | null = null;
  #isGivenUp = false;

  constructor(parts: RestatingParts) {
    this.#parts = parts;
  }

  /** The refusal, if it may mean that the hub has forgotten who we are; else null. */
  forgottenBy(error: unknown): AgentMeshError | null {
    if (this.#isGivenUp || !(error instanceof AgentMeshError)) return null;
    return maySayForgotten(error) && this.#parts.context.self.formers.length > 0 ? error : null;
  }

  /** Its connection has ended with such a refusal: another one takes its place. */
  ended(refusal: AgentMeshError): void {
    const { link, newConnection } = this.#parts;
    link.replace(newConnection());
    if (this.#whole !== null) return;
    this.connect(refusal).catch((error: unknown) => {
      this.#isGivenUp = true;
      link.connection.giveUp(error instanceof AgentMeshError ? error : refusal);
    });
  }

  /** Connects the present identity; rejects where the hub knows none of ours. */
  connect(refusal: AgentMeshError): Promise<void> {
    this.#whole ??= this.#connect(refusal);
    return this.#whole;
  }

  async #connect(refusal: AgentMeshError): Promise<void> {
    const { context, link, connector, forgotten } = this.#parts;
    for (let times = 0; times < MOST_TELLINGS; times++) {
      try {
        if (!(await connector.untilAnswered(() => forgotten.tellAgain()))) break;
        const { connection } = link;
        await connector.insist(connection, context.self.keyPair);
        // It may have ended in the same moment, and another one is in its place.
        if (link.connection === connection) return this.#over();
      } catch (error) {
        if (this.forgottenBy(error) !== null) continue;
        this.#over();
        throw error;
      }
    }
    this.#over();
    throw refusal;
  }

  #over(): void {
    this.#whole = null;
  }
}
