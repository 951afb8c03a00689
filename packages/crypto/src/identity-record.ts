/**
 * The published record that binds a name on a hub to an identity (protocol.md §2.1).
 * Owns its layout and signatures. Whether a record is the one wanted (name, hub, age, revision) is
 * `bundle`'s judgement for agents and the hub's for publishing.
 *
 *   "AMIR" | 0x02 | lp8(name) | hubId(32) | IKs(32) | IKd(32) | u64 createdMs | u64 validUntilMs |
 *   u32 revision | prevAid(32, zero if none) | sig(64) [ | succSig(64) iff prevAid is not zero ]
 */
import {
  assertInteger,
  assertLength,
  concatBytes,
  copyBytes,
  equalBytes,
  isZero,
  label,
  lp8,
  Reader,
  textBytes,
  u32,
  u64,
} from './bytes.js';
import { CryptoError } from './errors.js';
import { assertAgentName, importIdentity, isAgentName } from './identity.js';
import type { PublicIdentity } from './identity.js';
import type { AgentKeyPair } from './key-pair.js';
import { verifySignature } from './signature.js';

/** A parsed record whose own signature has been verified. */
export interface IdentityRecord {
  readonly name: string;
  /** Hub the record was made for; 32 zero bytes when handed over without one. */
  readonly hubId: Uint8Array;
  readonly identity: PublicIdentity;
  readonly createdMs: number;
  readonly validUntilMs: number;
  /** Rises with every re-signing; a lower one than seen before is refused. */
  readonly revision: number;
  /** aid of the identity that this one succeeds. */
  readonly previousAid: Uint8Array | null;
  /** That identity's signature; proves nothing without its signing key. */
  readonly successorSignature: Uint8Array | null;
  /** The exact bytes received. */
  readonly bytes: Uint8Array;
}

/** What {@link createIdentityRecord} signs. */
export interface IdentityRecordRequest {
  readonly keyPair: AgentKeyPair;
  readonly name: string;
  /** Hub the record is made for; left out when it is handed over by hand. */
  readonly hubId?: Uint8Array;
  readonly createdMs: number;
  readonly validUntilMs: number;
  readonly revision: number;
  /** The identity that this one succeeds; signs too. */
  readonly previous?: AgentKeyPair | undefined;
}

/** hubId of a record that was made without a hub. */
const NO_HUB_ID: Uint8Array = new Uint8Array(32);

const MAGIC = concatBytes(textBytes('AMIR'), Uint8Array.of(2));
const NO_AID = new Uint8Array(32);
const RECORD_LABEL = label('identity-record');
const SUCCESSOR_LABEL = label('identity-successor');
const SIGNATURE_BYTES = 64;

/** Signs a record; throws INVALID_ARGUMENT for a name or number out of range. */
export function createIdentityRecord(request: IdentityRecordRequest): Uint8Array {
  const { keyPair, name, hubId = NO_HUB_ID, previous } = request;
  assertAgentName(name);
  assertLength(hubId, 32, 'hubId');
  assertInteger(request.createdMs, 0, Number.MAX_SAFE_INTEGER, 'createdMs');
  assertInteger(request.validUntilMs, request.createdMs, Number.MAX_SAFE_INTEGER, 'validUntilMs');
  assertInteger(request.revision, 0, 0xffff_ffff, 'revision');
  const body = concatBytes(
    MAGIC,
    lp8(textBytes(name)),
    hubId,
    keyPair.identity.signing,
    keyPair.identity.dh,
    u64(request.createdMs),
    u64(request.validUntilMs),
    u32(request.revision),
    previous === undefined ? NO_AID : previous.identity.aid,
  );
  const signed = concatBytes(body, keyPair.sign(concatBytes(RECORD_LABEL, body)));
  if (previous === undefined) return signed;
  return concatBytes(signed, previous.sign(concatBytes(SUCCESSOR_LABEL, body)));
}

/** Layout, key checks and the record's own signature; throws BAD_RECORD or BAD_KEY. */
export function parseIdentityRecord(bytes: Uint8Array): IdentityRecord {
  const reader = new Reader(bytes, 'BAD_RECORD');
  reader.expect(MAGIC);
  const name = reader.text8();
  if (!isAgentName(name)) reader.fail();
  const hubId = reader.take(32);
  const signing = reader.take(32);
  const dh = reader.take(32);
  const createdMs = reader.u64();
  const validUntilMs = reader.u64();
  const revision = reader.u32();
  const previous = reader.take(32);
  const body = bytes.subarray(0, reader.position);
  const signature = reader.take(SIGNATURE_BYTES);
  const previousAid = isZero(previous) ? null : previous;
  const successorSignature = previousAid === null ? null : reader.take(SIGNATURE_BYTES);
  reader.end();
  if (validUntilMs < createdMs) reader.fail();
  const identity = importIdentity(signing, dh);
  if (!verifySignature(signing, concatBytes(RECORD_LABEL, body), signature)) reader.fail();
  return {
    name,
    hubId,
    identity,
    createdMs,
    validUntilMs,
    revision,
    previousAid,
    successorSignature,
    bytes: copyBytes(bytes),
  };
}

/** Whether `previous` itself signed this record as its successor. */
export function verifySuccessor(record: IdentityRecord, previous: PublicIdentity): boolean {
  const { previousAid, successorSignature } = record;
  if (previousAid === null || successorSignature === null) return false;
  if (!equalBytes(previousAid, previous.aid)) return false;
  const body = record.bytes.subarray(0, record.bytes.length - 2 * SIGNATURE_BYTES);
  return verifySignature(previous.signing, concatBytes(SUCCESSOR_LABEL, body), successorSignature);
}

/** Throws EXPIRED when the time of `what` is over, within the tolerated clock difference. */
export function assertNotExpired(
  what: string,
  { untilMs, nowMs, toleranceMs }: Readonly<Record<'untilMs' | 'nowMs' | 'toleranceMs', number>>,
): void {
  if (nowMs <= untilMs + toleranceMs) return;
  const times = `valid until ${timeText(untilMs)}, the clock here says ${timeText(nowMs)}`;
  throw new CryptoError('EXPIRED', `the ${what}, ${times}`);
}

/** A time as people read it; milliseconds where no calendar reaches. */
function timeText(ms: number): string {
  const date = new Date(ms);
  return Number.isNaN(date.getTime()) ? `${ms} ms` : date.toISOString();
}
