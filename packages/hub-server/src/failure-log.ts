/**
 * Failures of the store as log lines: the first of a kind at once, then one line for many. Owns
 * that thrift; a store that is away fails several times a second for every agent.
 */
import { AgentMeshError } from '@agentmesh/protocol';
import type { HubLogger } from './logger.js';

const PAUSE_MS = 10_000;

interface Kind {
  quietUntilMs: number;
  untold: number;
}

/** One per server. */
export class FailureLog {
  readonly #logger: HubLogger;
  readonly #monotonic: () => number;
  readonly #kinds = new Map<string, Kind>();
  #isAway = false;

  constructor(logger: HubLogger, monotonic: () => number) {
    this.#logger = logger;
    this.#monotonic = monotonic;
  }

  failed(error: unknown): void {
    const name = error instanceof AgentMeshError ? error.code : 'unknown';
    const kind = this.#kinds.get(name) ?? { quietUntilMs: Number.NEGATIVE_INFINITY, untold: 0 };
    this.#kinds.set(name, kind);
    const nowMs = this.#monotonic();
    if (nowMs < kind.quietUntilMs) {
      kind.untold += 1;
      return;
    }
    const more = kind.untold > 0 ? { failuresSinceLastLine: kind.untold } : {};
    this.#logger.error({ err: error, ...more }, 'store failed');
    this.#kinds.set(name, { quietUntilMs: nowMs + PAUSE_MS, untold: 0 });
  }

  /** Says once that the store is away, and once that it is back. */
  seen(answers: boolean): void {
    if (answers !== this.#isAway) return;
    this.#isAway = !answers;
    if (answers) this.#logger.info({}, 'store is back');
    else this.#logger.warn({}, 'store is away: not ready until it is back');
  }
}
