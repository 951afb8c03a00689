/**
 * A stream as the application gets it, before its request was even committed. Owns this face;
 * order, credit and the check of the end are `incoming-stream`'s.
 */
import type { JsonValue } from '@agentmesh/protocol';
import type { IncomingStream } from './incoming-stream.js';
import type { StreamItem } from './stream-items.js';

/** Chunks of another agent, and its result. Read it with `for await`, once. */
export class AgentStream implements AsyncIterableIterator<StreamItem> {
  readonly #begun: Promise<IncomingStream>;

  constructor(begun: Promise<IncomingStream>, signal: AbortSignal | undefined) {
    this.#begun = begun;
    begun.catch(() => undefined);
    // An agent that ends meanwhile says so to whoever reads.
    const cancel = (): void => void this.cancel(String(signal?.reason)).catch(() => undefined);
    signal?.addEventListener('abort', cancel, { once: true });
  }

  /** 32 hex digits, once the request is committed: `streamById` finds it after a restart. */
  get id(): Promise<string> {
    return this.#begun.then(({ id }) => id);
  }

  /** Name of the agent that answers. */
  get peer(): Promise<string> {
    return this.#begun.then(({ about }) => about.peer);
  }

  /** When it ends with DEADLINE if not all of it has come. */
  get deadline(): Promise<Date> {
    return this.#begun.then(({ about }) => about.deadline);
  }

  /**
   * What the generator returned; fulfilled when all of the stream is here. Where it is asked for
   * and nobody reads the stream, the chunks are dropped: begin the loop in the same turn, or read
   * the stream first.
   */
  get result(): Promise<JsonValue> {
    return this.#begun.then((stream) => stream.wanted());
  }

  /** Number of the item that comes next: after a restart some may come a second time. */
  get position(): Promise<number> {
    return this.#begun.then(({ position }) => position);
  }

  [Symbol.asyncIterator](): this {
    return this;
  }

  async next(): Promise<IteratorResult<StreamItem, undefined>> {
    return (await this.#begun).next();
  }

  /** Leaving the loop cancels the stream. */
  async return(): Promise<IteratorResult<StreamItem, undefined>> {
    return (await this.#begun).return();
  }

  /** Gives the stream up; its producer is told. Does nothing to one that has ended. */
  async cancel(reason = ''): Promise<void> {
    const stream = await this.#begun.catch(() => null);
    await stream?.cancel(reason);
  }
}
