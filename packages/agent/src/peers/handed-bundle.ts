/**
 * A bundle that was handed over without a hub: its row until it is used, and what its word is
 * worth. Owns both; whether its keys are what they must be is `handshake`'s.
 */
import { aidOfAddress } from '@agentmesh/crypto';
import type { Bundle } from '@agentmesh/crypto';
import { decodeBundle, encodeBundle } from '@agentmesh/protocol';
import { IdentityChangedError } from '../ground/errors.js';

/** Its JSON text, public through and through. */
export function encodeHanded(bundle: Bundle): Uint8Array {
  return new TextEncoder().encode(JSON.stringify(encodeBundle(bundle)));
}

/** Reads a row back. */
export function decodeHanded(row: Uint8Array): Bundle {
  return decodeBundle(JSON.parse(new TextDecoder().decode(row)));
}

/**
 * It came without a fingerprint: nobody but its maker says that it is of this name, so the peer
 * that is pinned to the name stays as it is. Throws what is told of it.
 */
export function unvouched(error: unknown): never {
  if (!(error instanceof IdentityChangedError)) throw error;
  const { peer, pinnedAddress, shownAddress } = error;
  const [pinned, shown] = [aidOfAddress(pinnedAddress), aidOfAddress(shownAddress)];
  throw new IdentityChangedError(peer, pinned, shown, 'give its fingerprint with the bundle');
}
