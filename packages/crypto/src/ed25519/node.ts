/**
 * Signing by `node:crypto`: the implementation on Node's message path; the contract is in
 * `types.ts`. Owns the choice: an accelerator, where there is one, signs twice as fast.
 */
import { sign as signNatively } from 'node:crypto';
import { privateKeysOf } from '../node-key.js';
import { accelerator } from '../sodium.js';
import type { SigningKey } from './types.js';

const privateKeyOf = privateKeysOf('ed25519', ({ secretKey }: SigningKey) =>
  secretKey.slice(0, 32),
);

export function sign(key: SigningKey, message: Uint8Array): Uint8Array {
  const native = accelerator();
  if (native !== null) return native.crypto_sign_detached(message, key.secretKey);
  return new Uint8Array(signNatively(null, message, privateKeyOf(key)));
}
