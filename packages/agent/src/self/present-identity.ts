/**
 * Which identity an agent begins with, after whatever interrupted its last run (protocol.md §2.13).
 * Owns the choice among the keys that were found; the change itself is `rotation`'s.
 */
import { addressOf, equalBytes } from '@agentmesh/crypto';
import type { AgentKeyPair } from '@agentmesh/crypto';
import { StorageError } from '../ground/errors.js';
import { decodeBegun } from './begun-rotation.js';
import type { Meta } from './meta.js';

/** Who an agent is when its store is opened, and who it is about to be. */
export interface PresentIdentity {
  readonly keyPair: AgentKeyPair;
  readonly next: AgentKeyPair | null;
}

/** Throws STORE_MISMATCH when the next identity of a change that was begun is not at hand. */
export function presentIdentity(found: {
  readonly meta: Meta | null;
  readonly begun: Uint8Array | null;
  readonly given: AgentKeyPair;
  readonly prepared: AgentKeyPair | null;
}): PresentIdentity {
  const { meta, given, prepared } = found;
  if (found.begun !== null) {
    const { previous, next } = decodeBegun(found.begun);
    const keyPair = [given, prepared].find((keys) => keys !== null && owns(keys, next)) ?? null;
    if (keyPair !== null) return { keyPair: previous, next: keyPair };
    const detail = `a change of identity was begun: start with the key pair of ${addressOf(next)}`;
    throw new StorageError('STORE_MISMATCH', detail);
  }
  // The commit was made, and the keys were not moved to their file any more.
  if (prepared !== null && meta !== null && owns(prepared, meta.aid)) {
    return { keyPair: prepared, next: null };
  }
  return { keyPair: given, next: prepared };
}

/** Whether these keys are those of an identity. */
export function owns({ identity }: AgentKeyPair, aid: Uint8Array): boolean {
  return equalBytes(identity.aid, aid);
}
