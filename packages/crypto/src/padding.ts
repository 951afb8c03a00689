/**
 * Padding of plaintexts to Padmé lengths (protocol.md §2.5), so that a length tells at most a
 * bucket (overhead at most 12 %). Owns the one valid encoding: anything else is BAD_PADDING.
 *
 *   plaintext = u32 len || inner || zero bytes, to Padmé(len + 4), at least 256 bytes
 */
import { isZero, Reader, u32 } from './bytes.js';
import { LIMITS } from './limits.js';

/** Padmé: rounds up so that only the leading bits of the length remain. */
export function paddedLength(innerLength: number): number {
  const length = innerLength + 4;
  if (length <= LIMITS.minPaddedBytes) return LIMITS.minPaddedBytes;
  const exponent = floorLog2(length);
  const kept = floorLog2(exponent) + 1;
  const bucket = 2 ** (exponent - kept);
  return Math.ceil(length / bucket) * bucket;
}

/** In integers: Math.log2 may differ in the last bit from one engine to the next. */
function floorLog2(value: number): number {
  return 31 - Math.clz32(value);
}

/** The plaintext around inner bytes, which may be given in parts. */
export function pad(...parts: readonly Uint8Array[]): Uint8Array {
  const length = parts.reduce((sum, part) => sum + part.length, 0);
  const padded = new Uint8Array(paddedLength(length));
  padded.set(u32(length));
  let at = 4;
  for (const part of parts) {
    padded.set(part, at);
    at += part.length;
  }
  return padded;
}

/** A view of the inner bytes; throws BAD_PADDING for another length or a byte that is not zero. */
export function unpad(padded: Uint8Array): Uint8Array {
  const reader = new Reader(padded, 'BAD_PADDING');
  const length = reader.u32();
  if (padded.length !== paddedLength(length)) reader.fail();
  if (!isZero(padded.subarray(4 + length))) reader.fail();
  return padded.subarray(4, 4 + length);
}
