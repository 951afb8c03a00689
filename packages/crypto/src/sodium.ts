/**
 * The one module that touches libsodium. Owns loading it and proving that every function used is
 * really there: the bundled types declare functions that the standard build lacks.
 * Does not own any protocol rule; `signature`, `x25519`, `ml-kem` and `public-key` do.
 */
import libsodium from 'libsodium-wrappers';
import { CryptoError } from './errors.js';

const USED = [
  'crypto_sign_seed_keypair',
  'crypto_sign_detached',
  'crypto_sign_verify_detached',
  'crypto_sign_ed25519_pk_to_curve25519',
  'crypto_scalarmult',
  'crypto_scalarmult_base',
  'crypto_kem_mlkem768_seed_keypair',
  'crypto_kem_mlkem768_enc_deterministic',
  'crypto_kem_mlkem768_dec',
] as const;

type Sodium = Pick<typeof libsodium, (typeof USED)[number]>;

let loaded: Sodium | null = null;
let loading: Promise<void> | null = null;

async function load(): Promise<void> {
  await libsodium.ready;
  const missing = USED.filter((name) => typeof libsodium[name] !== 'function');
  if (missing.length > 0) {
    throw new CryptoError('NOT_READY', `libsodium lacks ${missing.join(', ')}`);
  }
  loaded = libsodium;
}

/** Loads the cryptographic library (WebAssembly). Await it once; later calls are free. */
export function ready(): Promise<void> {
  loading ??= load();
  return loading;
}

/** The loaded library, or NOT_READY. */
export function sodium(): Sodium {
  if (loaded === null) throw new CryptoError('NOT_READY');
  return loaded;
}
