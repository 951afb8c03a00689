/**
 * Private keys in the form that `node:crypto` computes with, for `x25519/node` and `ed25519/node`.
 * Owns their making, which costs as much as using one, and that each is made once.
 */
import { Buffer } from 'node:buffer';
import { createPrivateKey } from 'node:crypto';
import type { KeyObject } from 'node:crypto';
import { concatBytes, fromHex } from './bytes.js';

/** PKCS #8 of a private key (RFC 8410 §7), up to the 32 bytes of the key itself. */
const HEADS = {
  x25519: fromHex('302e020100300506032b656e04220420'),
  ed25519: fromHex('302e020100300506032b657004220420'),
} as const;

/**
 * Gives the key of a source, made from its 32 bytes when it is first asked for; it lives as long as
 * the source. `bytesOf` gives a copy of the scalar or seed, which is overwritten.
 */
export function privateKeysOf<Source extends object>(
  kind: keyof typeof HEADS,
  bytesOf: (source: Source) => Uint8Array,
): (source: Source) => KeyObject {
  const kept = new WeakMap<Source, KeyObject>();
  return (source) => {
    const known = kept.get(source);
    if (known !== undefined) return known;
    const key = privateKeyFrom(kind, bytesOf(source));
    kept.set(source, key);
    return key;
  };
}

function privateKeyFrom(kind: keyof typeof HEADS, bytes: Uint8Array): KeyObject {
  const der = concatBytes(HEADS[kind], bytes);
  bytes.fill(0);
  const source = { key: Buffer.from(der.buffer), format: 'der', type: 'pkcs8' } as const;
  const key = withoutStacks(() => createPrivateKey(source));
  der.fill(0);
  return key;
}

/**
 * Node asks whether its argument is a `KeyObject` by catching errors, four for each key, and their
 * stacks take half the time. Synchronous: nobody else sees the limit.
 */
export function withoutStacks<Result>(make: () => Result): Result {
  const limit = Error.stackTraceLimit;
  Error.stackTraceLimit = 0;
  try {
    return make();
  } finally {
    Error.stackTraceLimit = limit;
  }
}
