/**
 * What an attack is, and what is known after it was tried. Owns these shapes only: how attacks are
 * run is `run`'s, what each does is in `attacks`.
 */
import type { Scene } from './scene.js';

/** Who is attacked: any hub, or an agent in a sandbox of the kit's own. */
export type Side = 'hub' | 'agent';

/** One attack of the catalogue. */
export interface Attack {
  /** Words joined by hyphens; unique in the catalogue. */
  readonly name: string;
  /** What the tests of the repository that try the same begin with, such as `T-A1`. */
  readonly test: string;
  readonly against: Side;
  /** What the attacker does. */
  readonly tries: string;
  /** What must hold all the same. */
  readonly promised: string;
  /** Takes more than some seconds: left out of a short round. */
  readonly isLong?: boolean;
  /** Needs a hub of the kit's own: left out when another hub is attacked. */
  readonly needsOwnHub?: boolean;
  run(scene: Scene): Promise<Seen>;
}

/** What an attack showed. */
export interface Seen {
  /** Whether what was promised held. */
  readonly held: boolean;
  /** One sentence. */
  readonly seen: string;
  /** Counts of the attacker and of the honest party beside it. */
  readonly figures?: Readonly<Record<string, number>>;
}

/** How a tried attack ended. */
export type Verdict = 'held' | 'broken' | 'skipped' | 'untried';

/** One attack after it was tried. */
export interface Finding {
  readonly attack: Attack;
  readonly verdict: Verdict;
  readonly seen: string;
  readonly figures: Readonly<Record<string, number>>;
  readonly ms: number;
}

/** This attack makes no sense here, for instance at a hub that registers nobody. */
export class NotHere extends TypeError {
  override readonly name = 'NotHere';
}

/** Something else than the attack failed: nothing is known about the promise. */
export class CannotTry extends TypeError {
  override readonly name = 'CannotTry';
}
