/**
 * Requests of one connection that must not overtake each other. Owns their order and their number;
 * does not own what they do or how their failure is answered.
 */

/**
 * Runs asynchronous tasks one after the other, and no two in one turn of the loop: what one
 * connection asks for at once does not hold up the others. Tasks handle their own failures.
 */
export class SerialTasks {
  readonly #defer: (task: () => void) => void;
  readonly #waiting: (() => Promise<void>)[] = [];
  #running = false;

  constructor(defer: (task: () => void) => void) {
    this.#defer = defer;
  }

  /** Tasks that have not ended. */
  get size(): number {
    return this.#waiting.length + (this.#running ? 1 : 0);
  }

  add(task: () => Promise<void>): void {
    this.#waiting.push(task);
    if (!this.#running) void this.#run();
  }

  async #run(): Promise<void> {
    this.#running = true;
    for (let task = this.#waiting.shift(); task !== undefined; task = this.#waiting.shift()) {
      // One after the other is the point.
      await task();
      if (this.#waiting.length > 0) await new Promise<void>((resolve) => this.#defer(resolve));
    }
    this.#running = false;
  }
}
