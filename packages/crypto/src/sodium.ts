/**
 * The one module that touches libsodium. Owns loading it, proving that every function used is
 * really there (the bundled types declare functions that the standard build lacks), and putting a
 * native build of the same library in its place where the application has installed one. Does not
 * own any protocol rule; `signature`, `x25519`, `ml-kem` and `public-key` do.
 */
import { findAccelerator, warn } from '#accelerator';
import type libsodium from 'libsodium-wrappers';
import type { Accelerator } from './accelerator/types.js';
import { CryptoError } from './errors.js';
import { assertSupportedRuntime } from './supported-runtime.js';

// Here, since every entry loads this module.
assertSupportedRuntime();

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

const CANNOT_COMPILE =
  'libsodium cannot compile WebAssembly. A web page needs wasm-unsafe-eval in its ' +
  'content security policy; Cloudflare Workers do not allow it at all (docs/platforms.md)';

type Kem = Extract<(typeof USED)[number], `crypto_kem_${string}`>;
type Sodium = Omit<Accelerator, 'name'> & Pick<typeof libsodium, Kem>;

let loaded: Sodium | null = null;
let native: Accelerator | null = null;
let loading: Promise<void> | null = null;

async function load(): Promise<void> {
  const library = await compiled();
  const missing = USED.filter((name) => typeof library[name] !== 'function');
  if (missing.length > 0) {
    throw new CryptoError('NOT_READY', `libsodium lacks ${missing.join(', ')}`);
  }
  const found = await findAccelerator();
  if (found.problem !== null) warn(found.problem);
  native = found.accelerator;
  loaded = native === null ? library : withNative(library, native);
}

/** Loaded here and not above: importing costs a fifth of what it would, and works everywhere. */
async function compiled(): Promise<typeof libsodium> {
  try {
    const { default: library } = await import('libsodium-wrappers');
    await library.ready;
    return library;
  } catch (error) {
    throw new CryptoError('UNSUPPORTED_RUNTIME', CANNOT_COMPILE, error);
  }
}

/** ML-KEM stays with libsodium's own build: the native package does not have it. */
function withNative(library: typeof libsodium, build: Accelerator): Sodium {
  return {
    ...build,
    crypto_kem_mlkem768_seed_keypair: library.crypto_kem_mlkem768_seed_keypair,
    crypto_kem_mlkem768_enc_deterministic: library.crypto_kem_mlkem768_enc_deterministic,
    crypto_kem_mlkem768_dec: library.crypto_kem_mlkem768_dec,
  };
}

/** The native build in use, or null: Node computes some functions faster than WebAssembly does. */
export function accelerator(): Accelerator | null {
  return native;
}

/** What computes: `sodium-native` where the application has installed it and it works. */
export function cryptoBackend(): 'sodium-native' | 'libsodium-wrappers' {
  if (loaded === null) throw new CryptoError('NOT_READY');
  return native?.name ?? 'libsodium-wrappers';
}

/**
 * Loads the cryptographic library: WebAssembly, and `sodium-native` where it is installed. Await it
 * once; later calls are free. UNSUPPORTED_RUNTIME where WebAssembly cannot be compiled.
 */
export function ready(): Promise<void> {
  loading ??= load();
  return loading;
}

/** The loaded library, or NOT_READY. */
export function sodium(): Sodium {
  if (loaded === null) throw new CryptoError('NOT_READY');
  return loaded;
}
