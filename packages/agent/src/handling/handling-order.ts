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

/** How far a source got: when the last of its messages that began had come. */
interface Begun {
  readonly source: string;
  readonly at: number;
}

/** Of one sender, the two sources of which the latest messages began. */
interface LastBegun {
  readonly first: Begun;
  readonly second: Begun | null;
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
  /** Which of all that came in this run each is. */
  readonly #arrivals = new WeakMap<Position, number>();
  #arrived = 0;
  /** By name of the sender. */
  readonly #lastBegun = new Map<string, LastBegun>();

  /** It was received in this run. */
  arrived(position: Position): void {
    const { source, sender, before = 0, isFormer = false } = position;
    this.#arrived += 1;
    this.#arrivals.set(position, this.#arrived);
    if (!this.#before.has(source)) remember(this.#before, source, before);
    if (sender === undefined || this.#ranks.has(source)) return;
    const rank = isFormer ? 0 : (this.#lastRank.get(sender) ?? 0) + 1;
    remember(this.#ranks, source, rank);
    if (!isFormer) remember(this.#lastRank, sender, rank);
  }

  /** Its handlers begin, for the first time in this run: whether it comes late. */
  begins(position: Position): boolean {
    const { source, number, sender, isFormer = false } = position;
    if (sender === undefined) return false;
    const begun = this.#begun.get(source) ?? 0;
    remember(this.#begun, source, Math.max(begun, number));
    const rank = this.#ranks.get(source) ?? 0;
    const begunRank = this.#begunRank.get(sender) ?? (isFormer ? 1 : 0);
    remember(this.#begunRank, sender, Math.max(begunRank, rank));
    const isBelow = number < Math.max(begun, this.#before.get(source) ?? 0);
    return this.#isOvertaken(sender, position) || isBelow || rank < begunRank;
  }

  /** Whether a message of another source has begun that came after it. */
  #isOvertaken(sender: string, position: Position): boolean {
    const { source } = position;
    const at = this.#arrivals.get(position) ?? Infinity;
    const last = this.#lastBegun.get(sender);
    if (at < Infinity) remember(this.#lastBegun, sender, withBegun(last, { source, at }));
    const others = last?.first.source === source ? last.second : last?.first;
    return (others?.at ?? 0) > at;
  }
}

function withBegun(last: LastBegun | undefined, now: Begun): LastBegun {
  if (last === undefined) return { first: now, second: null };
  const { first, second } = last;
  if (first.source === now.source) {
    return { first: now.at > first.at ? now : first, second };
  }
  if (now.at > first.at) return { first: now, second: first };
  return { first, second: now.at > (second?.at ?? 0) ? now : second };
}

function remember<Value>(map: Map<string, Value>, key: string, value: Value): void {
  map.delete(key);
  map.set(key, value);
  if (map.size <= REMEMBERED) return;
  const [oldest = ''] = map.keys();
  map.delete(oldest);
}
