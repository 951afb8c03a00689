/**
 * The root key of a session (protocol.md §2.4): each Diffie-Hellman result turns it and begins a
 * chain. Owns KDF_RK only.
 *
 *   KDF_RK(rk, d) = HKDF(salt = rk, ikm = d, info = L("ratchet"), 96) -> RK' | CK | HM
 */
import { hkdfSha256 } from '#symmetric';
import { label } from './bytes.js';
import { Secret } from './secret.js';

export type RootKey = Secret<'root key'>;
export type ChainKey = Secret<'chain key'>;
/** HM: authenticates the headers of one chain before anything is derived for them. */
export type HeaderKey = Secret<'header key'>;

/** One turn of the root key. */
export interface RootTurn {
  readonly rootKey: RootKey;
  readonly chainKey: ChainKey;
  readonly headerKey: HeaderKey;
}

const INFO = label('ratchet');

/** Mixes a 32-byte Diffie-Hellman result into the root key. */
export function turnRootKey(rootKey: RootKey, shared: Uint8Array): RootTurn {
  const okm = rootKey.use((salt) => hkdfSha256({ salt, ikm: shared, info: INFO, length: 96 }));
  return {
    rootKey: Secret.taking('root key', okm.subarray(0, 32)),
    chainKey: Secret.taking('chain key', okm.subarray(32, 64)),
    headerKey: Secret.taking('header key', okm.subarray(64, 96)),
  };
}
