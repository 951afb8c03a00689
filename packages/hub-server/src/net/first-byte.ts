/**
 * What speaks on a connection, told by its first byte (hub.md §3).
 * Owns the choice only; what follows from it is `front-door`'s.
 */

/** `unknown` is closed without an answer. */
export type Speech = 'tls' | 'ndjson' | 'http' | 'unknown';

const TLS_HANDSHAKE = 0x16;

/**
 * A frame begins with `{`. White space before it is taken for the same: an empty line is how
 * clients of an older protocol begin, and they shall hear what is wrong.
 */
export function speechOf(byte: number): Speech {
  if (byte === TLS_HANDSHAKE) return 'tls';
  const character = String.fromCharCode(byte);
  if ('{\n\r \t'.includes(character)) return 'ndjson';
  return character >= 'A' && character <= 'Z' ? 'http' : 'unknown';
}
