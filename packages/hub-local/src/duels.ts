/**
 * Processes that displace each other with one identity, such as two supervisors with a copied key
 * file. Owns when that has gone on for long enough: then the later one has to wait, and the
 * connected one stays. A process that connects again is never taken for another one.
 */

/** Displacements of one identity within this time make a duel when there are more than a few. */
const WINDOW_MS = 60_000;
const FEW = 3;

interface Duel {
  /** When its sessions were displaced here, within the window. */
  times: number[];
  /** The opening of the store that was let in last; null until one was. */
  last: string | null;
}

/** One per hub. */
export class Duels {
  readonly #duels = new Map<string, Duel>();

  /** Milliseconds that this opening of an identity has to wait; 0 if it may come in. */
  waitMs(key: string, opening: string, nowMs: number): number {
    const duel = this.#duels.get(key);
    if (duel === undefined || duel.last === opening) return 0;
    const recent = duel.times.filter((atMs) => isWithin(atMs, nowMs));
    const oldest = recent[recent.length - FEW - 1];
    return oldest === undefined ? 0 : oldest + WINDOW_MS - nowMs;
  }

  /** A session of this identity was ended by a newer one, here or at another hub. */
  displaced(key: string, nowMs: number): void {
    const duel = this.#duels.get(key) ?? { times: [], last: null };
    duel.times = [...duel.times, nowMs].slice(-FEW - 1);
    this.#duels.set(key, duel);
  }

  /** A session of this identity begins. */
  entered(key: string, opening: string): void {
    const duel = this.#duels.get(key);
    if (duel !== undefined) duel.last = opening;
  }

  /** Forgets what is over. */
  forget(nowMs: number): void {
    for (const [key, { times }] of this.#duels) {
      if (!isWithin(times.at(-1) ?? 0, nowMs)) this.#duels.delete(key);
    }
  }
}

/**
 * By the plain clock: a hub without connections does not read the steady one, whose time stands
 * still then. A clock that was set back blocks nobody.
 */
function isWithin(atMs: number, nowMs: number): boolean {
  return atMs <= nowMs && nowMs - atMs < WINDOW_MS;
}
