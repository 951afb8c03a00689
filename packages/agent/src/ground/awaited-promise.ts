/**
 * Promises that know whether anybody awaits them. Owns telling that once; a promise that nobody
 * looks at keeps no process running, and its rejection is never an unhandled one.
 */

/** Called at the first use of the promise; the returned function once it is settled after that. */
export type OnAwaited = () => () => void;

/** A promise, and what settles it. */
export interface Awaitable {
  readonly promise: Promise<void>;
  readonly resolve: () => void;
  readonly reject: (error: unknown) => void;
}

/** A promise that calls `onAwaited` when it is first awaited before it is settled. */
export function awaitable(onAwaited: OnAwaited): Awaitable {
  const { promise, resolve, reject } = Promise.withResolvers<void>();
  return { promise: new AwaitedPromise(promise, onAwaited), resolve, reject };
}

/** `await` calls `then` of what is no plain promise: there its use is seen. */
class AwaitedPromise extends Promise<void> {
  #onAwaited: OnAwaited | null = null;

  /** What is derived from it is a plain promise. */
  static override get [Symbol.species](): PromiseConstructor {
    return Promise;
  }

  constructor(source: Promise<void>, onAwaited: OnAwaited) {
    super((resolve, reject) => {
      source.then(resolve, reject);
    });
    const settled = (): void => {
      this.#onAwaited = null;
    };
    super.then(settled, settled);
    this.#onAwaited = onAwaited;
  }

  override then<Fulfilled = void, Rejected = never>(
    onFulfilled?: ((value: void) => Fulfilled | PromiseLike<Fulfilled>) | null,
    onRejected?: ((reason: unknown) => Rejected | PromiseLike<Rejected>) | null,
  ): Promise<Fulfilled | Rejected> {
    const onAwaited = this.#onAwaited;
    this.#onAwaited = null;
    if (onAwaited !== null) {
      const release = onAwaited();
      super.then(release, release);
    }
    return super.then(onFulfilled, onRejected);
  }
}
