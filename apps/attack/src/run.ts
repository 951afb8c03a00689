/**
 * Tries attacks one after the other, each in a scene of its own. Owns the limit of time of each,
 * and that one that fails keeps no other from being tried.
 */
import { setTimeout as pause } from 'node:timers/promises';
import { AgentMeshError } from '@agentmesh/crypto';
import { NotHere } from './attack.js';
import type { Attack, Finding, Seen, Verdict } from './attack.js';
import { Scene } from './scene.js';
import type { Victims } from './scene.js';

/** What an attack is tried under. */
export interface Terms {
  /** How long it may take. */
  readonly limitMs: number;
  /** How many times as long the honest may wait; null where that is not judged. */
  readonly mostRatio: number | null;
}

/** How a figure begins that says how many times as long the honest waited. */
const RATIO = 'attacked ÷ quiet';

/** Tries one. */
export async function tryOut(attack: Attack, victims: Victims, terms: Terms): Promise<Finding> {
  const { limitMs, mostRatio } = terms;
  const beganMs = performance.now();
  const found = (verdict: Verdict, seen: string, figures: Finding['figures'] = {}): Finding => ({
    attack,
    verdict,
    seen,
    figures,
    ms: Math.round(performance.now() - beganMs),
  });
  if (victims.hub !== null && attack.needsOwnHub === true) {
    return found('skipped', 'needs a hub of its own: leave out --hub');
  }
  const scene = new Scene(victims);
  const ended = new AbortController();
  try {
    const late = pause(limitMs, null, { signal: ended.signal }).catch(() => null);
    const seen = await Promise.race<Seen | null>([attack.run(scene), late]);
    if (seen === null) return found('untried', `not done within ${limitMs / 1_000} s`);
    const slow = seen.held ? tooSlow(seen, mostRatio ?? Infinity) : null;
    if (slow !== null) return found('broken', slow, seen.figures);
    return found(seen.held ? 'held' : 'broken', seen.seen, seen.figures);
  } catch (error) {
    if (error instanceof NotHere) return found('skipped', error.message);
    return found('untried', textOf(error));
  } finally {
    ended.abort();
    await scene[Symbol.asyncDispose]();
  }
}

/** What is said of honest agents that waited longer than they may; null if none did. */
function tooSlow({ figures = {} }: Seen, most: number): string | null {
  const ratios = Object.entries(figures).filter(([what]) => what.startsWith(RATIO));
  const [worst] = ratios.filter(([, ratio]) => ratio > most).toSorted(([, a], [, b]) => b - a);
  return worst === undefined ? null : `${worst[0]} is ${worst[1]}, and may be ${most}`;
}

function textOf(error: unknown): string {
  if (error instanceof AgentMeshError) return `${error.code}: ${error.message}`;
  return error instanceof Error ? error.message : String(error);
}
