/**
 * Whether a message is handled later than one that its sender sent after it (protocol.md §2.10):
 * what was missing may arrive behind what followed, and so may what was sent to or by an identity
 * that another one has followed, or by a store that is lost. Owns this memory, which is of one run
 * and bounded; what was handled before this run is known from the sender's window.
 */

/** Where a message stands among those of its sender. */
export interface Position {
  /** Its sender's store, and its number there; numbers of one source count. */
  readonly source: string;
  readonly number: number;
  /** Its sender's name; null for one of an earlier run. */
  readonly sender?: string | undefined;
  /** The highest number of the source that was received before it. */
  readonly before?: number | undefined;
  /** Its sender's identity or store, or our identity to which it came, was followed by another. */
  readonly isFormer?: boolean | undefined;
}

/** Lines and names remembered. */
const REMEMBERED = 4_096;

/** One per agent. */
export class HandlingOrder {
  /** By source: what was received before this run, which an earlier one may have handled. */
  readonly #before = new Map<string, number>();
  /** By source: the highest number whose handlers began in this run. */
  readonly #begun = new Map<string, number>();
  /** By source: which of its sender's it is, in the order in which they came. */
  readonly #ranks = new Map<string, number>();
  /** By name of the sender: the last source that came, and the last of which a message began. */
  readonly #lastRank = new Map<string, number>();
  readonly #begunRank = new Map<string, number>();

  /** It was received in this run. */
  arrived({ source, sender, before = 0, isFormer = false }: Position): void {
    if (!this.#before.has(source)) remember(this.#before, source, before);
    if (sender === undefined || this.#ranks.has(source)) return;
    const rank = isFormer ? 0 : (this.#lastRank.get(sender) ?? 0) + 1;
    remember(this.#ranks, source, rank);
    if (!isFormer) remember(this.#lastRank, sender, rank);
  }

  /** Its handlers begin, for the first time in this run: whether it comes late. */
  begins({ source, number, sender, isFormer = false }: Position): boolean {
    if (sender === undefined) return false;
    const begun = this.#begun.get(source) ?? 0;
    remember(this.#begun, source, Math.max(begun, number));
    const rank = this.#ranks.get(source) ?? 0;
    const begunRank = this.#begunRank.get(sender) ?? (isFormer ? 1 : 0);
    remember(this.#begunRank, sender, Math.max(begunRank, rank));
    return number < Math.max(begun, this.#before.get(source) ?? 0) || rank < begunRank;
  }
}

function remember<Value>(map: Map<string, Value>, key: string, value: Value): void {
  map.delete(key);
  map.set(key, value);
  if (map.size <= REMEMBERED) return;
  const [oldest = ''] = map.keys();
  map.delete(oldest);
}
