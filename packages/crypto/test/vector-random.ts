/** The counter-driven generator of the published vectors (vectors/README.md). */
import { createHash } from 'node:crypto';
import type { RandomSource } from '../src/random.js';

/** Draw k of n bytes = the first n bytes of consecutive blocks; a block is never reused. */
export function vectorRandom(): RandomSource {
  let block = 0;
  return (length) => {
    const bytes = new Uint8Array(Math.ceil(length / 32) * 32);
    for (let at = 0; at < bytes.length; at += 32) {
      const counter = Buffer.alloc(4);
      counter.writeUInt32BE(block++);
      const input = Buffer.concat([Buffer.from('AgentMesh/2 test vector RNG'), counter]);
      bytes.set(createHash('sha256').update(input).digest(), at);
    }
    return bytes.slice(0, length);
  };
}
