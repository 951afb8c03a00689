/**
 * What a request costs of an agent's rates, and what its refusal for the rate means (hub.md §2).
 * Owns the numbers, which are those of the hub's own counting.
 */
import type { RequestFrame } from './client-frames.js';
import { ProtocolError } from './errors.js';
import type { RequestCost } from './pace.js';

/** Names in a page that cost as much as one request. */
const NAMES_PER_TOKEN = 250;

/** A request, all but its number. */
export type Numbered = RequestFrame extends infer F
  ? F extends { id: number }
    ? Omit<F, 'id'>
    : never
  : never;

/** As the hub counts them (hub.md §2). */
export function costOf(frame: Numbered): RequestCost {
  switch (frame.type) {
    case 'send':
      return { kind: 'send', bytes: frame.envelope.blob.length };
    case 'put_identity':
    case 'put_revocation':
      return { kind: 'request', tokens: 2 };
    case 'put_prekeys':
      return { kind: 'request', tokens: 1 + frame.signed.length + frame.oneTime.length };
    case 'list':
      return { kind: 'request', tokens: 1 + Math.floor((frame.max ?? 0) / NAMES_PER_TOKEN) };
    default:
      return { kind: 'request', tokens: 1 };
  }
}

/** How long to wait after a refusal for the rate; null for any other error. */
export function waitOf(error: unknown): number | null {
  const isRate = error instanceof ProtocolError && error.code === 'RATE_LIMITED';
  return isRate ? (error.retryAfterMs ?? 1_000) : null;
}
