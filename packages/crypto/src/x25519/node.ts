/**
 * X25519 from `node:crypto`: the implementation on Node's message path; the contract is in
 * `types.ts`. Owns public keys in OpenSSL's form: making one costs as much as using it, so they are
 * kept for a while.
 */
import { Buffer } from 'node:buffer';
import { createPublicKey, diffieHellman } from 'node:crypto';
import type { KeyObject } from 'node:crypto';
import type { Accelerator } from '../accelerator/types.js';
import { privateKeysOf, withoutStacks } from '../node-key.js';
import { accelerator } from '../sodium.js';
import type { DhScalar } from './types.js';

const PUBLIC_KEYS_MAX = 8;

const privateKeyOf = privateKeysOf('x25519', (scalar: DhScalar) => scalar.reveal());
/** Lately used, by their base64url: each serves both halves of a turn of the ratchet. */
const publicKeys = new Map<string, KeyObject>();

export function publicKeyOf(scalar: DhScalar): Uint8Array {
  const native = accelerator();
  if (native !== null) return scalar.use((bytes) => native.crypto_scalarmult_base(bytes));
  // As JWK: OpenSSL takes ten times as long for the other formats.
  const { x = '' } = createPublicKey(privateKeyOf(scalar)).export({ format: 'jwk' });
  return new Uint8Array(Buffer.from(x, 'base64url'));
}

export function sharedSecret(scalar: DhScalar, publicKey: Uint8Array): Uint8Array | null {
  const native = accelerator();
  if (native !== null) return sharedNatively(native, scalar, publicKey);
  const keys = { privateKey: privateKeyOf(scalar), publicKey: publicKeyFrom(publicKey) };
  try {
    const computed = diffieHellman(keys);
    const shared = new Uint8Array(computed);
    computed.fill(0);
    return shared;
  } catch {
    // OpenSSL refuses an all-zero result; both keys were taken before.
    return null;
  }
}

function sharedNatively(
  native: Accelerator,
  scalar: DhScalar,
  publicKey: Uint8Array,
): Uint8Array | null {
  try {
    return scalar.use((bytes) => native.crypto_scalarmult(bytes, publicKey));
  } catch {
    // libsodium refuses low-order points by throwing; both lengths were checked before.
    return null;
  }
}

function publicKeyFrom(bytes: Uint8Array): KeyObject {
  const x = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length).toString('base64url');
  const known = publicKeys.get(x);
  if (known !== undefined) return known;
  const source = { key: { kty: 'OKP', crv: 'X25519', x }, format: 'jwk' } as const;
  const key = withoutStacks(() => createPublicKey(source));
  const [oldest] = publicKeys.keys();
  if (oldest !== undefined && publicKeys.size >= PUBLIC_KEYS_MAX) publicKeys.delete(oldest);
  publicKeys.set(x, key);
  return key;
}
