/**
 * The Python side: a short program of our own (`python/agents.py`) that does the operations of the
 * Python package with `cryptography`, and keeps nothing on a disk. Owns running it.
 */
import { execFileSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';

import type { Absent, Entrant } from '../harness/bench.js';

const SCRIPT = fileURLToPath(new URL('../../python/agents.py', import.meta.url));
const LABEL = 'Python operations (no post-quantum keys)';
const NEEDED = 'needs python3 with the package cryptography';

/** Answers one question of the program; throws what it says on failure. */
function askPython(...args: readonly (string | number)[]): unknown {
  const words = [SCRIPT, ...args.map(String)];
  return JSON.parse(execFileSync('python3', words, { encoding: 'utf8', stdio: 'pipe' }));
}

/** Which Python there is, or that there is none. */
function pythonVersion(): { readonly version: string } | Absent {
  try {
    return { version: String(askPython('version')) };
  } catch {
    return { absent: NEEDED };
  }
}

/** Sealing and opening as in the seal bench. */
export function pythonSealing(work: {
  readonly text: Uint8Array;
  readonly direction: string;
  readonly messages: number;
}): Entrant {
  const turn = work.direction === 'ping-pong' ? 'turn' : 'stay';
  const measure = (): number => Number(askPython('seal', work.text.length, work.messages, turn));
  return {
    id: 'python',
    label: LABEL,
    open() {
      const found = pythonVersion();
      if ('absent' in found) return Promise.resolve(found);
      return Promise.resolve({
        ...found,
        // The program compares each opened text itself.
        check: () => Promise.resolve(),
        round: () => Promise.resolve({ 'seal + open': measure() }),
      });
    },
  };
}

/** Pairs that talk over a hub that keeps nothing, for a second each time. */
export function pythonTalking(pairs: number, bytes: number): Entrant {
  return {
    id: 'python',
    label: LABEL,
    open() {
      const found = pythonVersion();
      if ('absent' in found) return Promise.resolve(found);
      return Promise.resolve({
        ...found,
        durability: 'none: neither agents nor hub keep anything',
        check: () => Promise.resolve(),
        round: () => Promise.resolve({ rate: Number(askPython('talk', pairs, bytes, 1)) }),
      });
    },
  };
}
