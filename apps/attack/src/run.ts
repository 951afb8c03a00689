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

/** Tries one. */
export async function tryOut(attack: Attack, victims: Victims, limitMs: number): Promise<Finding> {
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
    return found(seen.held ? 'held' : 'broken', seen.seen, seen.figures);
  } catch (error) {
    if (error instanceof NotHere) return found('skipped', error.message);
    return found('untried', textOf(error));
  } finally {
    ended.abort();
    await scene[Symbol.asyncDispose]();
  }
}

function textOf(error: unknown): string {
  if (error instanceof AgentMeshError) return `${error.code}: ${error.message}`;
  return error instanceof Error ? error.message : String(error);
}
