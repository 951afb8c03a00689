/**
 * A bundle is what a hub serves, or a person hands over, of a peer: identity record, signed prekey
 * and perhaps a one-time prekey or a revocation. Owns the judgement whether it may be used to write
 * to that peer (protocol.md §2.1, §2.2): this is where a hub that swaps a key is refused.
 */
import { assertTime, equalBytes, isZero } from './bytes.js';
import { CryptoError } from './errors.js';
import { fingerprintOf, fingerprintsEqual } from './fingerprint.js';
import { assertNotExpired, parseIdentityRecord } from './identity-record.js';
import type { IdentityRecord } from './identity-record.js';
import { LIMITS } from './limits.js';
import { parsePrekeyRecord } from './prekey.js';
import type { PrekeyKind, PrekeyRecord } from './prekey.js';
import type { PublicIdentity } from './identity.js';
import { parseRevocation, verifyRevocation } from './revocation.js';

/** Raw bytes, as received. */
export interface Bundle {
  readonly record: Uint8Array;
  /** Missing when the identity begins no more sessions: it was revoked, or has a successor. */
  readonly signed?: Uint8Array | undefined;
  readonly oneTime?: Uint8Array | undefined;
  readonly revocation?: Uint8Array | undefined;
}

/** What was already known of the identity that a bundle claims. */
export interface KnownPeer {
  readonly revision: number;
  readonly recordBytes: Uint8Array;
  /** createdMs of the newest signed prekey seen; 0 when none. */
  readonly newestSignedMs: number;
}

/** What the bundle must agree with. */
export interface BundleExpectation {
  /** The name that was asked for; `null` when the peer is named by `aid`, or handed over. */
  readonly name: string | null;
  /** The hub's pinned id; `null` for a bundle handed over without a hub. */
  readonly hubId: Uint8Array | null;
  readonly nowMs: number;
  /** Looks up what is known of an identity; `undefined` for a stranger. */
  readonly known?: ((identity: PublicIdentity) => KnownPeer | undefined) | undefined;
  /** Full fingerprint, when the caller knows it. */
  readonly fingerprint?: string | undefined;
  /** aid, when the caller named the peer by its address. */
  readonly aid?: Uint8Array | undefined;
}

/** A bundle that passed every check. */
export interface PeerBundle {
  readonly record: IdentityRecord;
  readonly signed: PrekeyRecord;
  readonly oneTime: PrekeyRecord | null;
}

/**
 * Checks a bundle whole; throws BAD_RECORD (wrong name, hub, owner or signature, or no signed
 * prekey), BAD_KEY, BAD_FINGERPRINT, EXPIRED, ROLLED_BACK (older record or prekey than one already
 * seen), or REVOKED (with the owner's own signature).
 */
export function verifyBundle(bundle: Bundle, expected: BundleExpectation): PeerBundle {
  const { record, known } = judgeRecord(bundle, expected);
  if (bundle.signed === undefined) throw new CryptoError('BAD_RECORD', 'no signed prekey');
  const signed = parseOfKind(bundle.signed, record.identity, 'signed');
  if (known !== undefined && signed.createdMs < known.newestSignedMs) {
    throw new CryptoError('ROLLED_BACK', 'signed prekey');
  }
  assertNotOver(signed, record, expected);
  if (bundle.oneTime === undefined) return { record, signed, oneTime: null };
  const oneTime = parseOfKind(bundle.oneTime, record.identity, 'one-time');
  assertNotOver(oneTime, record, expected);
  return { record, signed, oneTime };
}

/**
 * Checks the identity record of a bundle, as {@link verifyBundle} does, and leaves its prekeys
 * aside: for a caller that wants to know who it is, and begins no session.
 */
export function verifyBundleRecord(
  bundle: Pick<Bundle, 'record' | 'revocation'>,
  expected: BundleExpectation,
): IdentityRecord {
  return judgeRecord(bundle, expected).record;
}

/** The record, and what was known of its identity. */
function judgeRecord(
  bundle: Pick<Bundle, 'record' | 'revocation'>,
  expected: BundleExpectation,
): { readonly record: IdentityRecord; readonly known: KnownPeer | undefined } {
  assertTime(expected.nowMs);
  if (expected.name === null && expected.aid === undefined && expected.hubId !== null) {
    throw new CryptoError('INVALID_ARGUMENT', 'a bundle from a hub needs a name or an aid');
  }
  const record = parseIdentityRecord(bundle.record);
  assertWanted(record, expected);
  if (bundle.revocation !== undefined) assertNotRevoked(record, bundle.revocation);
  assertNotExpired(`identity record of '${record.name}'`, {
    untilMs: record.validUntilMs,
    nowMs: expected.nowMs,
    toleranceMs: 0,
  });
  const known = expected.known?.(record.identity);
  if (known !== undefined) assertNotRolledBack(record, known);
  return { record, known };
}

function assertWanted(record: IdentityRecord, expected: BundleExpectation): void {
  if (expected.name !== null && record.name !== expected.name)
    throw new CryptoError('BAD_RECORD', 'other name');
  const hubMatches = expected.hubId === null || equalBytes(record.hubId, expected.hubId);
  if (!hubMatches) throw new CryptoError('BAD_RECORD', 'other hub');
  const { aid } = record.identity;
  if (expected.aid !== undefined && !equalBytes(aid, expected.aid)) {
    throw new CryptoError('BAD_FINGERPRINT', 'the address names another key');
  }
  const { fingerprint } = expected;
  if (fingerprint !== undefined && !fingerprintsEqual(fingerprint, fingerprintOf(aid))) {
    throw new CryptoError('BAD_FINGERPRINT');
  }
}

/** A revocation that its owner did not sign spoils the bundle, but revokes nothing. */
function assertNotRevoked({ identity }: IdentityRecord, bytes: Uint8Array): never {
  const isGenuine = verifyRevocation(parseRevocation(bytes), identity);
  throw isGenuine ? new CryptoError('REVOKED') : new CryptoError('BAD_RECORD', 'revocation');
}

function assertNotRolledBack(record: IdentityRecord, known: KnownPeer): void {
  if (record.revision < known.revision) throw new CryptoError('ROLLED_BACK', 'identity record');
  if (record.revision === known.revision && !equalBytes(record.bytes, known.recordBytes)) {
    throw new CryptoError('BAD_RECORD', 'two records of one revision');
  }
}

function assertNotOver(
  { kind, expiresMs: untilMs }: PrekeyRecord,
  { name }: IdentityRecord,
  { nowMs }: BundleExpectation,
): void {
  const toleranceMs = LIMITS.clockToleranceMs;
  assertNotExpired(`${kind} prekey of '${name}'`, { untilMs, nowMs, toleranceMs });
}

function parseOfKind(bytes: Uint8Array, owner: PublicIdentity, kind: PrekeyKind): PrekeyRecord {
  const record = parsePrekeyRecord(bytes, owner);
  if (record.kind !== kind) throw new CryptoError('BAD_RECORD', `${kind} prekey expected`);
  return record;
}

/** Whether a record was made without a hub: only `connectWithBundle` takes those. */
export function isHandedOver(record: IdentityRecord): boolean {
  return isZero(record.hubId);
}
