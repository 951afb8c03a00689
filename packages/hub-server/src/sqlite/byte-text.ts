/**
 * Byte strings as keys of a `Map`.
 * Owns the mapping only; nothing of it is stored.
 */

/** One character per byte: equal exactly for equal bytes; not for showing to anyone. */
export function keyOf(bytes: Uint8Array): string {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString('latin1');
}
