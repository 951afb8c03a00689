/**
 * What is new in a stream since the last look, each message once and in order. Owns the place where
 * it is and the reader that NATS keeps for it, which may vanish at any time.
 */
import { jetStreamErrorOf } from './jetstream-error.js';
import type { NatsLink, StreamReader } from './nats-link.js';
import type { StreamEntry } from './stream-entry.js';

/** One stream, read to its end from time to time. */
export class StreamFeed {
  readonly #link: NatsLink;
  readonly #query: { readonly stream: string; readonly subject: string; headersOnly: boolean };
  #reader: StreamReader | null = null;
  #seen = 0;

  constructor(
    link: NatsLink,
    query: { readonly stream: string; readonly subject: string; headersOnly: boolean },
  ) {
    this.#link = link;
    this.#query = query;
  }

  /** Highest sequence that was read. */
  get seen(): number {
    return this.#seen;
  }

  /** Begins again with the first message that is there. */
  restart(): void {
    this.#reader = null;
    this.#seen = 0;
  }

  /** Up to `max` messages after those seen; a replica that lags may show them later. */
  async pull(max: number): Promise<readonly StreamEntry[]> {
    try {
      this.#reader ??= await this.#link.openReader({ ...this.#query, from: this.#seen + 1 });
      const entries = await this.#link.read(this.#reader, max);
      this.#seen = entries.at(-1)?.seq ?? this.#seen;
      return entries;
    } catch (thrown) {
      // Whatever it was, the reader cannot be trusted to stand where we stand.
      this.#reader = null;
      throw jetStreamErrorOf(thrown);
    }
  }
}
