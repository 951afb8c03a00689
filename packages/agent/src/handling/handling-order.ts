/**
 * Whether a message is handled later than one that its sender sent after it (protocol.md §2.10):
 * what was missing may arrive behind what followed, and so may what was sent to or by an identity
 * that another one has followed, or by a store that is lost. Owns this memory, which is of one run
 * and bounded; what was handled before this run is known from the sender's window.
 */

/** A number of a sender's store, and the run of that store which has said it. */
export interface Said {
  readonly number: number;
  readonly run?: string | undefined;
  readonly boot?: number | undefined;
  readonly atMs?: number | undefined;
  /** Runs from which this one goes on, as far as they are known. */
  readonly line?: readonly string[] | undefined;
}

/** Where a message stands among those of its sender. */
export interface Position extends Said {
  /** Its sender's store: what two messages of one source say of themselves is their order. */
  readonly source: string;
  /** Its sender's name; null for one of an earlier run. */
  readonly sender?: string | undefined;
  /** What was received of the source before it: of each of its runs the highest number. */
  readonly before?: (() => readonly Said[]) | undefined;
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

/** Sources and names remembered. */
const REMEMBERED = 4_096;
/** Runs of one source of which is remembered how far they got. */
const RUNS = 16;
const LINE = 64;

/** One per agent. */
export class HandlingOrder {
  /**
   * By source: of each of its sender's runs the last whose handlers began, in this run of ours, or
   * which an earlier one may have handled.
   */
  readonly #begun = new Map<string, readonly Said[]>();
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
    const { source, sender, before, isFormer = false } = position;
    this.#arrived += 1;
    this.#arrivals.set(position, this.#arrived);
    if (!this.#begun.has(source)) remember(this.#begun, source, before?.() ?? []);
    if (sender === undefined || this.#ranks.has(source)) return;
    const rank = isFormer ? 0 : (this.#lastRank.get(sender) ?? 0) + 1;
    remember(this.#ranks, source, rank);
    if (!isFormer) remember(this.#lastRank, sender, rank);
  }

  /** Its handlers begin, for the first time in this run: whether it comes late. */
  begins(position: Position): boolean {
    const { source, sender, line = [], isFormer = false } = position;
    if (sender === undefined) return false;
    const begun = this.#begun.get(source) ?? [];
    const { number, run, boot, atMs } = position;
    // With the runs before those that are still known to go on from each other.
    const known = begun.filter((other) => line.includes(other.run ?? ''));
    const all = new Set([...line, ...known.flatMap((other) => other.line ?? [])]);
    const now = { number, run, boot, atMs, line: [...all].slice(0, LINE) };
    const isBelow = begun.some((other) => isSaidBefore(now, other));
    const same = begun.find((other) => other.run === run);
    if (same === undefined || same.number < number) {
      const others = begun.filter((other) => other !== same);
      remember(this.#begun, source, [...others, now].slice(-RUNS));
    }
    const rank = this.#ranks.get(source) ?? 0;
    const begunRank = this.#begunRank.get(sender) ?? (isFormer ? 1 : 0);
    remember(this.#begunRank, sender, Math.max(begunRank, rank));
    const at = this.#arrivals.get(position) ?? Infinity;
    const last = this.#lastBegun.get(sender);
    if (at < Infinity) remember(this.#lastBegun, sender, withBegun(last, { source, at }));
    // Or a message of another source has begun that came after it.
    const other = last?.first.source === source ? last.second : last?.first;
    return isBelow || rank < begunRank || (other?.at ?? 0) > at;
  }
}

/**
 * Whether a store has said one thing before the other. One that was put back to an earlier copy
 * gives numbers a second time: between runs it counts which of them goes on from which. Where no
 * word of theirs tells, time does, unless all else speaks against it: a clock may have been set.
 */
export function isSaidBefore(a: Said, b: Said): boolean {
  if (a.run === b.run || a.run === undefined || b.run === undefined) return a.number < b.number;
  if (b.line?.includes(a.run)) return true;
  if (a.line?.includes(b.run)) return false;
  if (b.atMs === undefined) return a.number < b.number;
  if ((a.atMs ?? 0) < b.atMs) return true;
  // Where both go on from a third one, each has numbers of its own.
  const isForked = a.line?.some((run) => b.line?.includes(run)) === true;
  return !isForked && (a.boot ?? 0) < (b.boot ?? 0) && a.number < b.number;
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
