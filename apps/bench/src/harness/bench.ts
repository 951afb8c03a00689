/**
 * What a bench is: cases, each with contenders that do the same work and targets for their ratios.
 * Owns the shapes only; rounds are `rounds`, judgement is `verdict`.
 */

import type { CaseResult } from './results.js';

/** One number that every contender of a case gives in each round. */
export interface Measure {
  readonly name: string;
  readonly unit: string;
  readonly better: 'lower' | 'higher';
}

/** What one round gave: a number for each measure. */
export type Sample = Readonly<Record<string, number>>;

/** Someone who is ready to do the work. */
export interface Contender {
  readonly version: string;
  /** What has happened to a message that it calls accepted; where nothing is stored, nothing. */
  readonly durability?: string;
  /** Proves that the work is really done: decrypted, delivered, durable. Throws if not. */
  check(): Promise<void>;
  round(): Promise<Sample>;
  close?(): Promise<void>;
}

/** Someone who cannot be measured here, and why. */
export interface Absent {
  readonly absent: string;
}

/** A contender before it is set up. */
export interface Entrant {
  /** `agentmesh` is ours; each name is used once in a case. */
  readonly id: string;
  readonly label: string;
  open(): Promise<Contender | Absent>;
}

/** What our measure must reach: a ratio against another contender, or a number by itself. */
export interface Target {
  readonly measure: string;
  /** Null: `atMost` and `atLeast` are in the unit of the measure. */
  readonly against: string | null;
  readonly atMost?: number | undefined;
  readonly atLeast?: number | undefined;
}

/** One comparison. */
export interface Case {
  readonly id: string;
  readonly title: string;
  readonly measures: readonly Measure[];
  readonly entrants: readonly Entrant[];
  readonly targets: readonly Target[];
  /** The contenders are points of a curve: their ids are numbers of this. */
  readonly axis?: string;
  /** A round that takes longer is taken for hanging; four minutes if not given. */
  readonly hangingMs?: number;
  /** Rounds that are thrown away before those that count; one if not given. */
  readonly warmUps?: number;
  /** Rounds beyond this add nothing, or take too long. */
  readonly mostRounds?: number;
}

/** How much of it: a quick run shows that everything works, its figures are not to be quoted. */
export interface Scale {
  readonly quick: boolean;
  /** Of the bench of idle connections. */
  readonly connections: number;
  /** Of the bench of memory over time. */
  readonly minutes: number;
  /** Of the same: caches that fill before it begins to watch. */
  readonly smallCaches: boolean;
  /** Node's profiles of our processes go here; null for none. */
  readonly profileFolder: string | null;
}

/** A row of the table in the design, or several that share their work. */
export interface Bench {
  readonly name: string;
  readonly title: string;
  /** Left out where nothing is named. */
  readonly onlyByName?: boolean;
  cases(scale: Scale): readonly Case[];
  /** Measures in another process, instead of the cases. */
  elsewhere?(options: { readonly rounds: number; readonly quick: boolean }): readonly CaseResult[];
}

/** The contender that all ratios are of. */
export const OURS = 'agentmesh';
