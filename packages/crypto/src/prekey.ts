/**
 * The published half of a prekey (protocol.md §2.2): an X25519 and an ML-KEM-768 key, signed
 * together so that both are consumed together. Owns the layout, its signature and the digest by
 * which agent and hub compare what is stored. Private halves live in `prekey-pair`.
 *
 *   magic(4) | 0x02 | aid(32) | u32 id | x25519(32) | ml-kem-768 ek(1184) |
 *   u64 createdMs | u64 expiresMs | sig(64)                                      = 1337 bytes
 */
import { sha256 } from '#hash';
import {
  assertInteger,
  assertLength,
  compareBytes,
  concatBytes,
  copyBytes,
  label,
  Reader,
  textBytes,
  u32,
  u64,
} from './bytes.js';
import { CryptoError } from './errors.js';
import type { PublicIdentity } from './identity.js';
import { checkDhKey, checkKemKey, KEM_PUBLIC_BYTES } from './public-key.js';
import { verifySignature } from './signature.js';

/** Signed prekeys are reusable until they expire; one-time prekeys serve one handshake. */
export type PrekeyKind = 'signed' | 'one-time';

/** A parsed prekey record whose owner's signature has been verified. */
export interface PrekeyRecord {
  readonly kind: PrekeyKind;
  readonly aid: Uint8Array;
  /** 1 to 2^32-1, never reused by its owner. */
  readonly id: number;
  readonly dh: Uint8Array;
  readonly kem: Uint8Array;
  readonly createdMs: number;
  readonly expiresMs: number;
  readonly bytes: Uint8Array;
}

/** What a prekey record says before it is signed. */
export type PrekeyStatement = Omit<PrekeyRecord, 'bytes'>;

export const PREKEY_RECORD_BYTES = 1337;

const KINDS = {
  signed: { magic: 'AMSP', label: label('signed-prekey') },
  'one-time': { magic: 'AMOP', label: label('one-time-prekey') },
} as const;

const SIGNED_BYTES = PREKEY_RECORD_BYTES - 64;
const DIGEST_LABEL = label('key-digest');

function magicOf(kind: PrekeyKind): Uint8Array {
  return concatBytes(textBytes(KINDS[kind].magic), Uint8Array.of(2));
}

/** The record, signed by `sign` with its owner's identity key. */
export function encodePrekey(
  statement: PrekeyStatement,
  sign: (bytes: Uint8Array) => Uint8Array,
): PrekeyRecord {
  assertInteger(statement.id, 1, 0xffff_ffff, 'prekey id');
  assertInteger(statement.createdMs, 0, Number.MAX_SAFE_INTEGER, 'createdMs');
  assertInteger(statement.expiresMs, statement.createdMs, Number.MAX_SAFE_INTEGER, 'expiresMs');
  const body = concatBytes(
    magicOf(statement.kind),
    statement.aid,
    u32(statement.id),
    statement.dh,
    statement.kem,
    u64(statement.createdMs),
    u64(statement.expiresMs),
  );
  const signature = sign(concatBytes(KINDS[statement.kind].label, body));
  return { ...statement, bytes: concatBytes(body, signature) };
}

/**
 * Length, magic, version, id, owner, signature and key checks; throws BAD_RECORD or BAD_KEY.
 * Does not judge the expiry: that needs a clock.
 */
export function parsePrekeyRecord(bytes: Uint8Array, owner: PublicIdentity): PrekeyRecord {
  const reader = new Reader(bytes, 'BAD_RECORD');
  if (bytes.length !== PREKEY_RECORD_BYTES) reader.fail();
  const kind = kindOf(reader);
  const aid = reader.take(32);
  const id = reader.u32();
  const dh = reader.take(32);
  const kem = reader.take(KEM_PUBLIC_BYTES);
  const createdMs = reader.u64();
  const expiresMs = reader.u64();
  const signature = reader.take(64);
  reader.end();
  if (id === 0 || expiresMs < createdMs || compareBytes(aid, owner.aid) !== 0) reader.fail();
  const signed = concatBytes(KINDS[kind].label, bytes.subarray(0, SIGNED_BYTES));
  if (!verifySignature(owner.signing, signed, signature)) reader.fail();
  checkDhKey(dh);
  checkKemKey(kem);
  return { kind, aid, id, dh, kem, createdMs, expiresMs, bytes: copyBytes(bytes) };
}

function kindOf(reader: Reader): PrekeyKind {
  const magic = reader.take(5);
  if (compareBytes(magic, magicOf('signed')) === 0) return 'signed';
  if (compareBytes(magic, magicOf('one-time')) === 0) return 'one-time';
  throw new CryptoError('BAD_RECORD');
}

/**
 * H(L("key-digest") || newest signed prekey record || u32 n || n one-time ids, ascending):
 * equal on both sides exactly when agent and hub hold the same prekeys.
 */
export function keyDigest(
  newestSignedRecord: Uint8Array,
  oneTimeIds: readonly number[],
): Uint8Array {
  assertLength(newestSignedRecord, PREKEY_RECORD_BYTES, 'signed prekey record');
  for (const id of oneTimeIds) assertInteger(id, 1, 0xffff_ffff, 'prekey id');
  const ascending = oneTimeIds.toSorted((a, b) => a - b);
  return sha256(
    concatBytes(DIGEST_LABEL, newestSignedRecord, u32(ascending.length), ...ascending.map(u32)),
  );
}
