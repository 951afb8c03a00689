/**
 * How many requests of ours are open at once, those that are being committed included. Owns the
 * count and its bound.
 */
import { AgentError } from '../ground/errors.js';
import { AGENT_LIMITS } from '../ground/limits.js';

/** One of them; freed once. */
export interface Slot {
  readonly free: () => void;
}

/** The slots of one agent. */
export class CallSlots {
  #taken = 0;

  /** One more; throws BACKPRESSURE. */
  take(): Slot {
    if (this.#taken >= AGENT_LIMITS.openCalls) {
      throw new AgentError('BACKPRESSURE', `${AGENT_LIMITS.openCalls} calls are open`);
    }
    return this.keep();
  }

  /** One of an earlier run, which nothing refuses any more. */
  keep(): Slot {
    this.#taken += 1;
    let isFree = false;
    return {
      free: () => {
        if (!isFree) this.#taken -= 1;
        isFree = true;
      },
    };
  }
}
