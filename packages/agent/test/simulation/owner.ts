/**
 * What the owner of an agent tries when it does not start, one thing after the other, as people do.
 * Owns the order; the machine does it.
 */

/** `hopeless`: nothing that a person can do is left. */
export type Try = 'again' | 'other keys' | 'backup' | 'new store' | 'hopeless';

/** Codes after which only the store can be the cause: it is restored, or begun anew. */
const OF_STORE = new Set(['STORE_CORRUPT']);

/** Codes that say which keys are the present ones: not those that were given. */
const OTHER_KEYS = new Set(['STORE_MISMATCH', 'NAME_TAKEN', 'NOT_OWNER', 'SUCCEEDED']);

/** After so many refusals in a row the next thing is tried. */
const PATIENCE = 6;
const THINGS: readonly Try[] = ['other keys', 'backup', 'new store', 'hopeless'];

/** The owner of one agent. */
export class Owner {
  #refusals = 0;

  /** It runs. */
  content(): void {
    this.#refusals = 0;
  }

  /** What is tried after a refusal; `isFinal`: the error says that trying again is of no use. */
  next(code: string, isFinal: boolean): Try {
    if (OF_STORE.has(code)) return 'backup';
    if (!isFinal) return 'again';
    this.#refusals += 1;
    if (this.#refusals % PATIENCE === 0) {
      return THINGS[Math.min(this.#refusals / PATIENCE, THINGS.length) - 1] ?? 'hopeless';
    }
    return OTHER_KEYS.has(code) ? 'other keys' : 'again';
  }
}
