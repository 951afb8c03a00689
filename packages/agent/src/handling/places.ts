/**
 * The places of handlers of requests: how many of their runs go on at once, and how many of one
 * caller have begun. A stream that waits for its reader is aside: others have its place meanwhile,
 * so that no caller holds up others by not reading. Owns these counts.
 */

/** A run that waits for its reader. */
export interface AsideRun {
  /** Tells it to end. */
  readonly end: () => void;
  /** Rejects when it is to end. */
  readonly orAborted: (promise: Promise<void>) => Promise<void>;
}

/** The places of one handler, or of all handlers of a contract. Callers are names. */
export class Places {
  readonly #count: number;
  #taken = 0;
  /** Runs of each caller, those aside included. */
  readonly #begun = new Map<string, number>();
  /** Runs that were aside and go on with the next place, in their order. */
  readonly #returning = new Set<() => void>();
  /** What ends each run that is aside. */
  readonly #aside = new Set<() => void>();
  #isClosing = false;
  /** Told when there is room for another run. */
  onRoom: () => void = () => undefined;

  constructor(count: number) {
    this.#count = count;
  }

  /** Of one caller no more have begun than there are places. */
  hasRoomFor(caller: string): boolean {
    return this.#taken < this.#count && (this.#begun.get(caller) ?? 0) < this.#count;
  }

  /** A run of this caller begins. */
  begin(caller: string): void {
    this.#taken += 1;
    this.#begun.set(caller, (this.#begun.get(caller) ?? 0) + 1);
  }

  /** It has ended. */
  end(caller: string): void {
    const left = (this.#begun.get(caller) ?? 0) - 1;
    if (left > 0) this.#begun.set(caller, left);
    else this.#begun.delete(caller);
    this.#leave();
  }

  /** The agent ends: no reader is waited for any more. */
  close(): void {
    this.#isClosing = true;
    for (const end of this.#aside) end();
  }

  /**
   * Lets others have the place of a run until `waiting` ends, and takes one again. A run that is to
   * end does so at once, whether there is a place or not.
   */
  async aside(waiting: Promise<void>, { end, orAborted }: AsideRun): Promise<void> {
    this.#leave();
    const { promise: turn, resolve } = Promise.withResolvers<void>();
    let isHeld = false;
    const go = (): void => {
      isHeld = true;
      resolve();
    };
    this.#aside.add(end);
    try {
      if (this.#isClosing) end();
      await orAborted(waiting);
      if (this.#taken < this.#count) return;
      this.#returning.add(go);
      await orAborted(turn);
    } finally {
      this.#aside.delete(end);
      this.#returning.delete(go);
      if (!isHeld) this.#taken += 1;
    }
  }

  /** Whoever was aside goes on before others begin. */
  #leave(): void {
    const [next] = this.#returning;
    if (next === undefined || this.#taken > this.#count) {
      this.#taken -= 1;
      return this.onRoom();
    }
    this.#returning.delete(next);
    next();
  }
}
