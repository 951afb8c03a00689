/**
 * ML-KEM-768 (FIPS 203). Owns key pairs from the 64-byte seed, deterministic encapsulation and
 * decapsulation. Private keys are stored and handed over as seeds only: an expanded key read from
 * somewhere could carry a wrong hash, which libsodium does not check.
 */
import { assertLength } from './bytes.js';
import { KEM_PUBLIC_BYTES } from './public-key.js';
import { Secret } from './secret.js';
import { sodium } from './sodium.js';

export const KEM_CIPHERTEXT_BYTES = 1088;
export const KEM_SEED_BYTES = 64;

/** Our KEM key pair: 1184-byte encapsulation key and the 64-byte seed (d || z). */
export interface KemKeyPair {
  readonly publicKey: Uint8Array;
  readonly seed: Secret<'kem seed'>;
  /** What the library decapsulates with: always made from the seed, never stored. */
  readonly expanded: Secret<'kem key'>;
}

export function kemKeyPair(seed: Uint8Array): KemKeyPair {
  assertLength(seed, KEM_SEED_BYTES, 'ML-KEM seed');
  const pair = sodium().crypto_kem_mlkem768_seed_keypair(seed);
  return {
    publicKey: pair.publicKey,
    seed: new Secret('kem seed', seed),
    expanded: Secret.taking('kem key', pair.privateKey),
  };
}

/** Encapsulates with 32 bytes of given randomness: ciphertext (1088) and shared secret (32). */
export function encapsulate(
  publicKey: Uint8Array,
  randomness: Uint8Array,
): { readonly ciphertext: Uint8Array; readonly shared: Uint8Array } {
  assertLength(publicKey, KEM_PUBLIC_BYTES, 'ML-KEM encapsulation key');
  assertLength(randomness, 32, 'encapsulation randomness');
  const result = sodium().crypto_kem_mlkem768_enc_deterministic(publicKey, randomness);
  return { ciphertext: result.ciphertext, shared: result.sharedSecret };
}

/** The shared secret; a tampered ciphertext gives another secret (implicit rejection). */
export function decapsulate({ expanded }: KemKeyPair, ciphertext: Uint8Array): Uint8Array {
  assertLength(ciphertext, KEM_CIPHERTEXT_BYTES, 'ML-KEM ciphertext');
  const library = sodium();
  return expanded.use((key) => library.crypto_kem_mlkem768_dec(ciphertext, key));
}
