/**
 * Finds `sodium-native` where the application has installed it. Owns the search, the calls in the
 * shape of libsodium's, and that a build which fails the known answers is not used.
 */
import process from 'node:process';
import { failedAnswer } from './known-answers.js';
import type { Accelerator, Search } from './types.js';

/** The part of `sodium-native` that is used: results go into the first argument. */
interface Native {
  crypto_sign_seed_keypair(publicKey: Uint8Array, secretKey: Uint8Array, seed: Uint8Array): void;
  crypto_sign_detached(signature: Uint8Array, message: Uint8Array, secretKey: Uint8Array): void;
  crypto_sign_verify_detached(
    signature: Uint8Array,
    message: Uint8Array,
    publicKey: Uint8Array,
  ): boolean;
  crypto_sign_ed25519_pk_to_curve25519(result: Uint8Array, publicKey: Uint8Array): void;
  crypto_scalarmult(result: Uint8Array, scalar: Uint8Array, publicKey: Uint8Array): void;
  crypto_scalarmult_base(result: Uint8Array, scalar: Uint8Array): void;
}

/** A variable, so that no bundler wants a package that need not be there. */
const PACKAGE: string = 'sodium-native';

/**
 * The native library, or null where it is absent or switched off (`AGENTMESH_ACCELERATOR=off`).
 * Never throws: what is installed and does not work is `problem`.
 */
export async function findAccelerator(
  load: () => Promise<unknown> = () => import(PACKAGE),
  environment: Readonly<Record<string, string | undefined>> = process.env,
): Promise<Search> {
  if (environment['AGENTMESH_ACCELERATOR'] === 'off') return { accelerator: null, problem: null };
  try {
    const loaded = (await load()) as { readonly default: Native };
    const accelerator = wrap(loaded.default);
    const wrong = failedAnswer(accelerator);
    if (wrong === null) return { accelerator, problem: null };
    return { accelerator: null, problem: `its ${wrong} does not give the published answers` };
  } catch (error) {
    return { accelerator: null, problem: isAbsent(error) ? null : problemOf(error) };
  }
}

/** Says once that an installed accelerator is not used. */
export function warn(problem: string): void {
  process.emitWarning(
    `sodium-native is installed but not used: ${problem}. AgentMesh works without it, more ` +
      'slowly. Reinstall it, or set AGENTMESH_ACCELERATOR=off.',
    { type: 'AgentMeshWarning', code: 'AGENTMESH_ACCELERATOR' },
  );
}

function wrap(native: Native): Accelerator {
  return {
    name: 'sodium-native',
    crypto_sign_seed_keypair(seed) {
      const [publicKey, privateKey] = [new Uint8Array(32), new Uint8Array(64)];
      native.crypto_sign_seed_keypair(publicKey, privateKey, seed);
      return { publicKey, privateKey, keyType: 'ed25519' };
    },
    crypto_sign_detached: (message, secretKey) =>
      into(64, (signature) => native.crypto_sign_detached(signature, message, secretKey)),
    crypto_sign_verify_detached: (signature, message, publicKey) =>
      native.crypto_sign_verify_detached(signature, message, publicKey),
    crypto_sign_ed25519_pk_to_curve25519: (publicKey) =>
      into(32, (result) => native.crypto_sign_ed25519_pk_to_curve25519(result, publicKey)),
    crypto_scalarmult: (scalar, publicKey) =>
      into(32, (result) => native.crypto_scalarmult(result, scalar, publicKey)),
    crypto_scalarmult_base: (scalar) =>
      into(32, (result) => native.crypto_scalarmult_base(result, scalar)),
  };
}

function into(length: number, write: (result: Uint8Array) => void): Uint8Array {
  const result = new Uint8Array(length);
  write(result);
  return result;
}

/** In ESM and CommonJS alike: the package itself is not there, rather than something it needs. */
function isAbsent(error: unknown): boolean {
  const { code, message = '' } = error as { readonly code?: string; readonly message?: string };
  const isMissing = code === 'ERR_MODULE_NOT_FOUND' || code === 'MODULE_NOT_FOUND';
  return isMissing && message.includes(`'${PACKAGE}'`);
}

function problemOf(error: unknown): string {
  return error instanceof Error
    ? (error.message.split('\n')[0] ?? error.name)
    : 'it cannot be loaded';
}
