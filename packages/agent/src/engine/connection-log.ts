/**
 * What is written down of the connection: once when it is lost, with the reason, and once when it
 * is there again. Owns that nothing is told twice; events are the hub side's.
 */
import type { AgentMeshError } from '@agentmesh/crypto';
import type { Logger } from '../ground/runtime.js';

/** One per agent. */
export class ConnectionLog {
  readonly #log: Logger;
  #state: 'new' | 'online' | 'offline' = 'new';
  /** Why it was offline when that was last logged. */
  #told = '';

  constructor(log: Logger) {
    this.#log = log;
  }

  /** Whether that is news: each reason is told once, however often it is tried again. */
  down({ code, message }: AgentMeshError): boolean {
    if (this.#state === 'offline' && this.#told === code) return false;
    this.#state = 'offline';
    this.#told = code;
    this.#log.warn('offline: connecting again', { code, reason: message });
    return true;
  }

  up(): void {
    if (this.#state === 'online') return;
    this.#log.info(this.#state === 'new' ? 'online' : 'online again', {});
    this.#state = 'online';
  }

  /** For good; null after our own `close`. */
  ended(error: AgentMeshError | null): void {
    if (error === null) return;
    const { code, message } = error;
    this.#log.error('connection ended for good', { code, reason: message });
  }
}
