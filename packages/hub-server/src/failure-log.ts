/**
 * Failures of the store as log lines. Owns what is said of them; a store that is away fails several
 * times a second for every agent, so `thrift` says when.
 */
import { AgentMeshError } from '@agentmesh/protocol';
import type { HubLogger } from './logger.js';
import { Thrift } from './thrift.js';

/** What a hub sees of its store. */
export interface StoreHealth {
  readonly answers: boolean;
  readonly isFull: boolean;
}

/** One per server. */
export class FailureLog {
  readonly #logger: HubLogger;
  readonly #thrift: Thrift;
  #isAway = false;
  #isFull = false;

  constructor(logger: HubLogger, monotonic: () => number) {
    this.#logger = logger;
    this.#thrift = new Thrift(monotonic);
  }

  failed(error: unknown): void {
    const untold = this.#thrift.take(error instanceof AgentMeshError ? error.code : 'unknown');
    if (untold === null) return;
    const more = untold > 0 ? { failuresSinceLastLine: untold } : {};
    this.#logger.error({ err: error, ...more }, 'store failed');
  }

  /** Says once that the store is away or full, and once that it no longer is. */
  seen({ answers, isFull }: StoreHealth): void {
    if (answers === this.#isAway) {
      this.#isAway = !answers;
      if (answers) this.#logger.info({}, 'store is back');
      else this.#logger.warn({}, 'store is away: not ready until it is back');
    }
    if (isFull === this.#isFull) return;
    this.#isFull = isFull;
    if (isFull) {
      this.#logger.error({}, 'no room left: sending is refused, not ready until there is some');
    } else this.#logger.info({}, 'there is room again');
  }
}
