/**
 * Signing by `node:crypto`: the implementation on Node's message path; the contract is in
 * `types.ts`. Owns keys in OpenSSL's form, each as long as the key that it was made from.
 */
import { sign as signNatively } from 'node:crypto';
import type { KeyObject } from 'node:crypto';
import { privateKeyFrom } from '../node-key.js';
import type { SigningKey } from './types.js';

const privateKeys = new WeakMap<SigningKey, KeyObject>();

export function sign(key: SigningKey, message: Uint8Array): Uint8Array {
  return new Uint8Array(signNatively(null, message, privateKeyOf(key)));
}

function privateKeyOf(signing: SigningKey): KeyObject {
  const known = privateKeys.get(signing);
  if (known !== undefined) return known;
  const key = privateKeyFrom('ed25519', signing.secretKey.slice(0, 32));
  privateKeys.set(signing, key);
  return key;
}
