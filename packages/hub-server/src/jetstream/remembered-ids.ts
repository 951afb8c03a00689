/**
 * What this hub knows of envelopes that it has appended or found: under which id, with which
 * content, and where they lay. Owns that memory, the oldest of which is forgotten first. NATS knows
 * an id again for as long as its window is open, and a queue as long as the envelope is in it; what
 * is stored again after all of that, its recipient drops.
 */
import { equalBytes } from '@agentmesh/protocol';
import type { EnvelopeNote } from './envelope-note.js';
import { RecentMap } from './recent-map.js';

/** What an id is bound to. */
interface Bound {
  readonly seq: number;
  readonly digest: Uint8Array;
  readonly rememberUntilMs: number;
}

/** What a bound id says of an envelope that is to be appended under it. */
export type Told =
  { readonly status: 'duplicate'; readonly seq: number } | { readonly status: 'conflict' };

const LEAST = 50_000;

/** All ids that this hub remembers. */
export class RememberedIds {
  readonly #bound: RecentMap<string, Bound>;

  constructor(least = LEAST) {
    this.#bound = new RecentMap(least);
  }

  /** The envelope lies or lay there. */
  keep(idKey: string, { digest, rememberUntilMs }: EnvelopeNote, seq: number): void {
    this.#bound.set(idKey, { seq, digest, rememberUntilMs });
  }

  has(idKey: string): boolean {
    return this.#bound.get(idKey) !== undefined;
  }

  /** Null if the id is free, as far as is known here. */
  look(idKey: string, { digest }: EnvelopeNote, nowMs: number): Told | null {
    const bound = this.#bound.get(idKey);
    return bound === undefined ? null : toldOf(bound, digest, nowMs);
  }
}

/** What an envelope that has been seen says of another one under its id; null once it is over. */
export function toldOf(
  { seq, digest, rememberUntilMs }: Bound,
  other: Uint8Array,
  nowMs: number,
): Told | null {
  if (rememberUntilMs <= nowMs) return null;
  return equalBytes(digest, other) ? { status: 'duplicate', seq } : { status: 'conflict' };
}
