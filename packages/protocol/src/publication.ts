/**
 * What a hub checks before it stores keys of an agent (protocol.md §2.1, §2.2, §2.16): ownership,
 * signatures, age, revision, limits. Owns the judgement; storing all or nothing is the hub's.
 *
 * A hub checks in order to refuse early and to stay small. No agent relies on it: everyone who
 * fetches these records verifies them again.
 */
import {
  equalBytes,
  parseIdentityRecord,
  parsePrekeyRecord,
  parseRevocation,
  verifyRevocation,
  verifySuccessor,
} from '@agentmesh/crypto/verify';
import type {
  IdentityRecord,
  PrekeyKind,
  PrekeyRecord,
  PublicIdentity,
  Revocation,
} from '@agentmesh/crypto/verify';
import { ProtocolError } from './errors.js';
import type { Checked, ErrorCode } from './errors.js';
import { PROTOCOL_LIMITS } from './limits.js';
import { refusalOf } from './refusal.js';

/** An identity record that a client wants published, and what the hub knows. */
export interface RecordPublication {
  readonly record: Uint8Array;
  /** The authenticated identity and its name. */
  readonly owner: PublicIdentity;
  readonly name: string;
  readonly hubId: Uint8Array;
  readonly nowMs: number;
  /** The record stored under this name, as this hub accepted it; `null` when there is none. */
  readonly stored: Uint8Array | null;
}

/** A record that may be stored. */
export interface PublishedRecord {
  readonly record: IdentityRecord;
  /**
   * `same`: stored already, nothing to do. `new`: first or newer record of the owner.
   * `successor`: the owner hands its name to the identity in the record.
   */
  readonly change: 'same' | 'new' | 'successor';
}

/**
 * Judges an identity record: NOT_OWNER when it is of another identity that the owner has not signed
 * as its successor; BAD_RECORD for name, hub, signature, expiry, a lower revision, or an equal
 * revision with other bytes.
 */
export function verifyPublishedRecord(publication: RecordPublication): Checked<PublishedRecord> {
  // Outside of the judgement: a damaged store is not the client's fault.
  const stored = publication.stored === null ? null : parseIdentityRecord(publication.stored);
  return checked('BAD_RECORD', () => {
    const { owner } = publication;
    const record = parseIdentityRecord(publication.record);
    const own = equalBytes(record.identity.aid, owner.aid);
    if (!own && !verifySuccessor(record, owner)) throw new ProtocolError('NOT_OWNER');
    assertPublishable(record, publication);
    if (!own) return { record, change: 'successor' };
    return { record, change: stored !== null && isSame(record, stored) ? 'same' : 'new' };
  });
}

function assertPublishable(record: IdentityRecord, publication: RecordPublication): void {
  if (record.name !== publication.name) throw badRecord('other name');
  if (!equalBytes(record.hubId, publication.hubId)) throw badRecord('other hub');
  if (record.validUntilMs <= publication.nowMs) throw badRecord('expired');
}

/** Whether the record is the stored one; throws when it may not follow it. */
function isSame(record: IdentityRecord, stored: IdentityRecord): boolean {
  // A revision counts within one identity: the record of a predecessor is no measure.
  if (!equalBytes(stored.identity.aid, record.identity.aid)) return false;
  if (record.revision < stored.revision) throw badRecord('revision is lower than the stored one');
  if (record.revision > stored.revision) return false;
  if (!equalBytes(record.bytes, stored.bytes)) throw badRecord('two records of one revision');
  return true;
}

/** Prekeys that a client wants published, and what the hub holds. */
export interface PrekeyPublication {
  readonly signed: readonly Uint8Array[];
  readonly oneTime: readonly Uint8Array[];
  readonly replaceAll: boolean;
  /** The authenticated identity. */
  readonly owner: PublicIdentity;
  readonly nowMs: number;
  /** What is stored for this identity; ignored with `replaceAll`. */
  readonly stored: {
    readonly signed: readonly Uint8Array[];
    readonly oneTimeIds: readonly number[];
  };
  /** Lower limits of this hub. */
  readonly limits?: {
    readonly signedPrekeys: number;
    readonly oneTimePrekeys: number;
  };
}

/** What the hub stores after an upload. */
export interface PublishedPrekeys {
  /** All signed prekeys to keep, newest first, within the limit; the first one is served. */
  readonly signed: readonly PrekeyRecord[];
  /** One-time prekeys to add. Those stored already under the same id are left out. */
  readonly oneTime: readonly PrekeyRecord[];
}

/**
 * Judges an upload as a whole: BAD_PREKEY for owner, signature, kind, expiry, an id used twice or
 * for other bytes, or `replaceAll` that would leave no signed prekey; LIMIT for too many.
 * Costs one signature check per record: a hub limits how often it is asked.
 */
export function verifyPublishedPrekeys(upload: PrekeyPublication): Checked<PublishedPrekeys> {
  const { limits = PROTOCOL_LIMITS, replaceAll } = upload;
  // Outside of the judgement: a damaged store is not the client's fault.
  const kept = (replaceAll ? [] : upload.stored.signed).map((bytes) =>
    parsePrekeyRecord(bytes, upload.owner),
  );
  return checked('BAD_PREKEY', () => {
    const storedIds = new Set(replaceAll ? [] : upload.stored.oneTimeIds);
    if (upload.signed.length > limits.signedPrekeys) throw tooMany('signed', limits.signedPrekeys);
    if (upload.oneTime.length > limits.oneTimePrekeys)
      throw tooMany('one-time', limits.oneTimePrekeys);
    const signed = parseAll(upload.signed, 'signed', upload);
    const oneTime = parseAll(upload.oneTime, 'one-time', upload).filter(
      (record) => !storedIds.has(record.id),
    );
    if (storedIds.size + oneTime.length > limits.oneTimePrekeys)
      throw tooMany('one-time', limits.oneTimePrekeys);
    if (replaceAll && signed.length === 0) throw badPrekey('replaceAll without a signed prekey');
    return { signed: newest(signed, kept, limits.signedPrekeys), oneTime };
  });
}

function parseAll(
  records: readonly Uint8Array[],
  kind: PrekeyKind,
  { owner, nowMs }: PrekeyPublication,
): PrekeyRecord[] {
  const ids = new Set<number>();
  return records.map((bytes) => {
    const record = parsePrekeyRecord(bytes, owner);
    if (record.kind !== kind) throw badPrekey(`${kind} prekey expected`);
    if (record.expiresMs <= nowMs) throw badPrekey('expired');
    if (ids.has(record.id)) throw badPrekey('id used twice');
    ids.add(record.id);
    return record;
  });
}

/** The newest signed prekeys of both; the id decides between two of one time. */
function newest(
  uploaded: readonly PrekeyRecord[],
  kept: readonly PrekeyRecord[],
  limit: number,
): PrekeyRecord[] {
  const all = [...uploaded];
  for (const stored of kept) {
    const again = uploaded.find((record) => record.id === stored.id);
    if (again === undefined) all.push(stored);
    else if (!equalBytes(again.bytes, stored.bytes)) throw badPrekey('id used for another prekey');
  }
  all.sort((a, b) => b.createdMs - a.createdMs || b.id - a.id);
  return all.slice(0, limit);
}

/** Reads a revocation that a client hands in, of whomever: BAD_RECORD for its layout. */
export function readPublishedRevocation(bytes: Uint8Array): Checked<Revocation> {
  return checked('BAD_RECORD', () => parseRevocation(bytes));
}

/** Judges it by the record that the hub holds of that identity: BAD_RECORD for its signature. */
export function verifyPublishedRevocation(
  revocation: Revocation,
  record: Uint8Array,
): Checked<Revocation> {
  // Outside of the judgement: a damaged store is not the client's fault.
  const { identity } = parseIdentityRecord(record);
  return checked('BAD_RECORD', () => {
    if (!verifyRevocation(revocation, identity)) throw badRecord('not signed by its owner');
    return revocation;
  });
}

function badRecord(detail: string): ProtocolError {
  return new ProtocolError('BAD_RECORD', { detail });
}

function badPrekey(detail: string): ProtocolError {
  return new ProtocolError('BAD_PREKEY', { detail });
}

/** Runs a judgement that throws; what crypto refuses becomes `code`. */
function checked<T>(code: ErrorCode, judge: () => T): Checked<T> {
  try {
    return { ok: true, value: judge() };
  } catch (error) {
    return { ok: false, error: error instanceof ProtocolError ? error : refusalOf(error, code) };
  }
}

function tooMany(kind: 'signed' | 'one-time', limit: number): ProtocolError {
  return new ProtocolError('LIMIT', { detail: `at most ${limit} ${kind} prekeys are stored` });
}
