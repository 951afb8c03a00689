/** Replayable randomness for tests: the blocks of SHA-256(seed || counter), never one twice. */
import { createHash } from 'node:crypto';
import type { RandomSource } from '../src/index.js';

export function seededRandom(seed: string): RandomSource {
  let block = 0;
  return (length) => {
    const bytes = new Uint8Array(Math.ceil(length / 32) * 32);
    for (let at = 0; at < bytes.length; at += 32) {
      bytes.set(createHash('sha256').update(`${seed}/${block++}`).digest(), at);
    }
    return bytes.slice(0, length);
  };
}
