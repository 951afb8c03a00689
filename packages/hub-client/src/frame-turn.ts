/**
 * The frames that leave in one turn of the loop: written together, and as frames for many once both
 * sides have them (hub.md §2). Owns that; how a turn ends and how it is written is the transport's.
 */
import { gathered } from '@agentmesh/protocol';

/** What one transport does with a turn. */
export interface FrameTurnOptions {
  /** Calls back when this turn is over. */
  readonly defer: (flush: () => void) => void;
  readonly write: (texts: readonly string[]) => void;
}

/** The frames of one turn after the other. */
export class FrameTurn {
  readonly #options: FrameTurnOptions;
  #pending: string[] = [];
  #gathers = false;

  constructor(options: FrameTurnOptions) {
    this.#options = options;
  }

  /** Queues one frame. */
  send(text: string): void {
    if (this.#pending.length === 0) this.#options.defer(() => this.flush());
    this.#pending.push(text);
  }

  /** From now on those of one kind go together. */
  gather(): void {
    this.#gathers = true;
  }

  /** Writes what is queued now: before the end. */
  flush(): void {
    if (this.#pending.length === 0) return;
    const texts = this.#gathers ? gathered(this.#pending) : this.#pending;
    this.#pending = [];
    this.#options.write(texts);
  }
}
