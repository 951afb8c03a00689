/**
 * Where in their sessions the last messages stood, and under which salt (protocol.md §2.5). Both
 * are authenticated by the header's tag: another salt at a position that is taken comes from a
 * second holder of the sender's session, a clone or a store that went back in time. Owns this
 * memory, which is of one run and bounded: a position that is not in it says nothing.
 */
import { toHex } from '@agentmesh/crypto';
import type { ParsedMessage } from '@agentmesh/crypto';
import { AGENT_LIMITS } from '../ground/limits.js';

/** Of a ratchet key: enough to tell the chains of one session apart. */
const CHAIN_BYTES = 8;

/** Position of one message in its session. */
export interface Position {
  readonly key: string;
  readonly salt: string;
}

/** The key is joined, not added up: a text made of additions is kept in as many pieces. */
export function positionOf({ sid, ratchetKey, number, salt }: ParsedMessage): Position {
  const chain = toHex(ratchetKey.subarray(0, CHAIN_BYTES));
  return { key: [toHex(sid), chain, number].join('/'), salt: toHex(salt) };
}

/** The positions of one agent's last messages. */
export class HeardPositions {
  readonly #salts = new Map<string, string>();

  /** A message at this position was committed. */
  add({ key, salt }: Position): void {
    this.#salts.set(key, salt);
    if (this.#salts.size <= AGENT_LIMITS.heardPlaces) return;
    const [oldest = ''] = this.#salts.keys();
    this.#salts.delete(oldest);
  }

  /** Whether another message was received there. */
  isTaken({ key, salt }: Position): boolean {
    return (this.#salts.get(key) ?? salt) !== salt;
  }
}
