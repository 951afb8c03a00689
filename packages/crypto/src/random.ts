/**
 * Randomness as a value that is handed in. Owns the one place that asks the system's generator;
 * everything below takes a {@link RandomSource}, so tests and vectors can replay.
 */

/** Gives `length` bytes; each call independent. */
export type RandomSource = (length: number) => Uint8Array;

/** The operating system's generator, through Web Crypto (Node and browsers). */
export const systemRandom: RandomSource = (length) => {
  const bytes = new Uint8Array(length);
  // Web Crypto gives at most 65,536 bytes a call.
  for (let at = 0; at < length; at += 65_536) {
    globalThis.crypto.getRandomValues(bytes.subarray(at, Math.min(length, at + 65_536)));
  }
  return bytes;
};
