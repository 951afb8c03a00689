/**
 * Published answers that a native build must give before it is used: RFC 8032 §7.1 (test 1), RFC
 * 7748 §6.1, and keys of small order that it must refuse. Owns the check; the whole vectors are
 * tests.
 */
import { equalBytes, fromHex } from '../bytes.js';
import type { Accelerator } from './types.js';

const SEED = fromHex('9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60');
const PUBLIC_KEY = fromHex('d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a');
const SIGNATURE = fromHex(
  'e5564300c360ac729086e2cc806e828a84877f1eb8e5d974d873e065224901555fb8821590a33bacc61e39701cf9' +
    'b46bd25bf5f0595bbe24655141438e7a100b',
);
const SCALAR = fromHex('77076d0a7318a57d3c16c17251b26645df4c2f87ebc0992ab177fba51db92c2a');
const SCALAR_PUBLIC = fromHex('8520f0098930a754748b7ddcb43ef75a0dbf3a0d26381af4eba4a98eaa9b4e6a');
const PEER_PUBLIC = fromHex('de9edb7d7b7dc1b4d35b61c2ece435373f8343c85b78674dadfc7e146f882b4f');
const SHARED = fromHex('4a5d9d5ba4ce2de1728e3bf480350f25e07e21c947d19e3376f09b3c1e161742');
const SMALL_ORDER = new Uint8Array(32);

/** The name of the first function that answers wrongly; null if all are right. */
export function failedAnswer(library: Accelerator): string | null {
  const checks: readonly (readonly [keyof Accelerator, () => boolean])[] = [
    ['crypto_sign_seed_keypair', () => hasKeys(library)],
    ['crypto_sign_detached', () => signs(library)],
    ['crypto_sign_verify_detached', () => verifies(library)],
    ['crypto_sign_ed25519_pk_to_curve25519', () => refusesSmallOrder(library)],
    [
      'crypto_scalarmult_base',
      () => equalBytes(library.crypto_scalarmult_base(SCALAR), SCALAR_PUBLIC),
    ],
    ['crypto_scalarmult', () => equalBytes(library.crypto_scalarmult(SCALAR, PEER_PUBLIC), SHARED)],
  ];
  return checks.find(([, isRight]) => !isRight())?.[0] ?? null;
}

const NOTHING = new Uint8Array(0);

function hasKeys(library: Accelerator): boolean {
  const { publicKey, privateKey } = library.crypto_sign_seed_keypair(SEED);
  return (
    equalBytes(publicKey, PUBLIC_KEY) &&
    equalBytes(privateKey.subarray(0, 32), SEED) &&
    equalBytes(privateKey.subarray(32), PUBLIC_KEY)
  );
}

function signs(library: Accelerator): boolean {
  const { privateKey } = library.crypto_sign_seed_keypair(SEED);
  return equalBytes(library.crypto_sign_detached(NOTHING, privateKey), SIGNATURE);
}

function verifies(library: Accelerator): boolean {
  const other = Uint8Array.of(0);
  return (
    library.crypto_sign_verify_detached(SIGNATURE, NOTHING, PUBLIC_KEY) &&
    !library.crypto_sign_verify_detached(SIGNATURE, other, PUBLIC_KEY) &&
    !library.crypto_sign_verify_detached(SIGNATURE, NOTHING, SMALL_ORDER)
  );
}

function refusesSmallOrder(library: Accelerator): boolean {
  library.crypto_sign_ed25519_pk_to_curve25519(PUBLIC_KEY);
  try {
    library.crypto_sign_ed25519_pk_to_curve25519(SMALL_ORDER);
    return false;
  } catch {
    return true;
  }
}
