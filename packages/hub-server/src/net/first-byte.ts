/**
 * What speaks on a connection, told by its first byte (hub.md §3).
 * Owns the choice only; what follows from it is `front-door`'s.
 */

/** `unknown` is closed without an answer. */
export type Speech = 'tls' | 'ndjson' | 'http' | 'unknown';

const TLS_HANDSHAKE = 0x16;

/**
 * A frame begins with `{`. A line feed (or the carriage return before it) is an empty line: clients
 * that wait for `hello` send it first, so that the hub need not guess.
 */
export function speechOf(byte: number): Speech {
  if (byte === TLS_HANDSHAKE) return 'tls';
  const character = String.fromCharCode(byte);
  if ('{\n\r \t'.includes(character)) return 'ndjson';
  return character >= 'A' && character <= 'Z' ? 'http' : 'unknown';
}
