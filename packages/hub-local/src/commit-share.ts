/**
 * How much of one commit a sender gets while there are others. Owns who they are, what each of them
 * asks for, and the rule; the turns themselves are `fair-queue`'s.
 *
 * A commit ends for all of its envelopes at once, so whoever has one in it waits for all the rest.
 * It grows as far as everybody takes the same of it: eight senders at full speed share a large one,
 * and beside an agent that writes now and then a flood gets a small part.
 */

/** What one sender gets beside others in any case: commits of less are mostly overhead. */
export const LEAST_SHARE = 24 * 1_024;
/** What those who ask for more get together, beside somebody who asks for less. */
export const MOST_BESIDE = 128 * 1_024;
/** However many they are, each gets so much: a turn. */
export const SMALLEST_SHARE = 8 * 1_024;
/** Senders of this period and of the one before are there. */
const PERIOD_MS = 1_000;
/** Of more senders the one that has been silent for longest is forgotten. */
const MOST_SENDERS = 4_096;
/** What they ask for is looked at so often, and when there is a new one. */
const LOOK_MS = 25;

/**
 * What one sender gets of a commit. `asked`: what each of them has had waiting at once of late;
 * `all`: the whole commit, which is for whoever is alone. Whoever asks for less gets what it asks.
 */
export function shareOfEach(asked: readonly number[], all: number): number {
  if (asked.length < 2) return all;
  let least = all;
  let sumOfMany = 0;
  let many = 0;
  for (const one of asked) {
    least = Math.min(least, one);
    if (one <= LEAST_SHARE) continue;
    many += 1;
    sumOfMany += one;
  }
  if (least >= LEAST_SHARE) return least;
  // Together they ask for no more than they may have: nobody has to be put back.
  if (sumOfMany <= MOST_BESIDE) return LEAST_SHARE;
  return Math.min(LEAST_SHARE, Math.max(SMALLEST_SHARE, Math.floor(MOST_BESIDE / many)));
}

interface Asking {
  /** The most that waited at once in its last period, and in the one before that. */
  now: number;
  before: number;
  period: number;
}

/** What senders have asked for of late. */
export class RecentSenders {
  /** In the order of their last periods. */
  readonly #asking = new Map<string, Asking>();
  #share: number | null = null;
  #lookedMs = 0;

  /** A sender has so much waiting. */
  note(sender: string, waiting: number, nowMs: number): void {
    const period = Math.floor(nowMs / PERIOD_MS);
    const asking = this.#asking.get(sender);
    if (asking?.period === period) {
      asking.now = Math.max(asking.now, waiting);
      return;
    }
    const before = asking?.period === period - 1 ? asking.now : 0;
    this.#asking.delete(sender);
    this.#asking.set(sender, { now: waiting, before, period });
    if (asking === undefined) this.#share = null;
    if (this.#asking.size > MOST_SENDERS) this.#forgetOldest();
  }

  /** What each of them gets of a commit that holds `all`. */
  share(all: number, nowMs: number): number {
    if (this.#share !== null && Math.abs(nowMs - this.#lookedMs) < LOOK_MS) return this.#share;
    const period = Math.floor(nowMs / PERIOD_MS);
    for (const [sender, asking] of this.#asking) {
      // A clock that went back forgets them too.
      if (Math.abs(period - asking.period) < 2) break;
      this.#asking.delete(sender);
    }
    const asked = Array.from(this.#asking.values(), ({ now, before }) => Math.max(now, before));
    this.#lookedMs = nowMs;
    this.#share = shareOfEach(asked, all);
    return this.#share;
  }

  #forgetOldest(): void {
    const [oldest] = this.#asking.keys();
    if (oldest !== undefined) this.#asking.delete(oldest);
  }
}
