/**
 * The record by which an identity declares itself void for ever (protocol.md §2.13). Owns its
 * layout, signature and reasons. An agent that has a valid one may show it to any other: it proves
 * itself. What follows from it (no sends, no sessions) is decided by hubs and agents.
 *
 *   "AMRV" | 0x02 | aid(32) | u64 timeMs | u8 reason | sig(64)
 */
import {
  assertInteger,
  concatBytes,
  copyBytes,
  equalBytes,
  label,
  Reader,
  textBytes,
  u64,
  u8,
} from './bytes.js';
import { CryptoError } from './errors.js';
import type { PublicIdentity } from './identity.js';
import type { AgentKeyPair } from './key-pair.js';
import { verifySignature } from './signature.js';

/** Reasons by their number. Readers take unknown ones too: void is void. */
export const REVOCATION_REASON = {
  unspecified: 0,
  keyCompromised: 1,
  superseded: 2,
  retired: 3,
} as const;

export type RevocationReason = (typeof REVOCATION_REASON)[keyof typeof REVOCATION_REASON];

/** A revocation that was read. It proves nothing before {@link verifyRevocation}. */
export interface Revocation {
  /** aid of the identity that it makes void. */
  readonly aid: Uint8Array;
  /** When it was signed, by its owner's clock; it holds for all times. */
  readonly timeMs: number;
  /** One of {@link REVOCATION_REASON}, or a number of a later version. */
  readonly reason: number;
  readonly signature: Uint8Array;
  /** The exact bytes received. */
  readonly bytes: Uint8Array;
}

/** What {@link createRevocation} signs. */
export interface RevocationRequest {
  readonly timeMs: number;
  readonly reason: RevocationReason;
}

const MAGIC = concatBytes(textBytes('AMRV'), Uint8Array.of(2));
const LABEL = label('revocation');
const SIGNATURE_BYTES = 64;
const REASONS: ReadonlySet<number> = new Set(Object.values(REVOCATION_REASON));

/** Signs the revocation of one's own identity; INVALID_ARGUMENT for a bad time or reason. */
export function createRevocation(keyPair: AgentKeyPair, request: RevocationRequest): Uint8Array {
  const { timeMs, reason } = request;
  assertInteger(timeMs, 0, Number.MAX_SAFE_INTEGER, 'timeMs');
  if (!REASONS.has(reason)) throw new CryptoError('INVALID_ARGUMENT', 'unknown reason');
  const body = concatBytes(MAGIC, keyPair.identity.aid, u64(timeMs), u8(reason));
  return concatBytes(body, keyPair.sign(concatBytes(LABEL, body)));
}

/** Layout only; throws BAD_RECORD. */
export function parseRevocation(bytes: Uint8Array): Revocation {
  const reader = new Reader(bytes, 'BAD_RECORD');
  reader.expect(MAGIC);
  const aid = reader.take(32);
  const timeMs = reader.u64();
  const reason = reader.u8();
  const signature = reader.take(SIGNATURE_BYTES);
  reader.end();
  return { aid, timeMs, reason, signature, bytes: copyBytes(bytes) };
}

/** Whether this very identity, both of its keys, signed the revocation. */
export function verifyRevocation(revocation: Revocation, identity: PublicIdentity): boolean {
  const { aid, bytes, signature } = revocation;
  if (!equalBytes(aid, identity.aid)) return false;
  const body = bytes.subarray(0, bytes.length - SIGNATURE_BYTES);
  return verifySignature(identity.signing, concatBytes(LABEL, body), signature);
}
