/**
 * What lies beside an envelope in its stream, in one header of fixed length. Owns the encoding;
 * numbers are u64, big-endian.
 */
import { concatBytes, fromBase64Url, sha256 } from '@agentmesh/protocol';
import type { NewEnvelope } from '@agentmesh/hub-local';
import { JetStreamStoreError } from './jetstream-error.js';

/** All that a hub must know of an envelope apart from its content. */
export interface EnvelopeNote {
  readonly from: Uint8Array;
  readonly id: Uint8Array;
  readonly tsMs: number;
  readonly expiresMs: number;
  readonly rememberUntilMs: number;
  /** Of recipient and blob. */
  readonly digest: Uint8Array;
}

const NOTE_BYTES = 104;
/** Where each field begins. */
const AT = { id: 32, ts: 48, expires: 56, rememberUntil: 64, digest: 72 } as const;
const TWO_32 = 2 ** 32;
/** Length of a note as text. */
export const NOTE_LENGTH = Math.ceil((NOTE_BYTES * 4) / 3);

/** 16 bytes that stand for one id of one sender. */
export function idKeyOf({ from, id }: Pick<EnvelopeNote, 'from' | 'id'>): Uint8Array {
  return sha256(concatBytes(from, id)).slice(0, 16);
}

export function noteOf(envelope: NewEnvelope): EnvelopeNote {
  const { from, id, tsMs, expiresMs, rememberUntilMs, to, blob } = envelope;
  return { from, id, tsMs, expiresMs, rememberUntilMs, digest: sha256(concatBytes(to, blob)) };
}

export function encodeNote(note: EnvelopeNote): string {
  const bytes = Buffer.allocUnsafe(NOTE_BYTES);
  bytes.set(note.from);
  bytes.set(note.id, AT.id);
  writeU64(bytes, note.tsMs, AT.ts);
  writeU64(bytes, note.expiresMs, AT.expires);
  writeU64(bytes, note.rememberUntilMs, AT.rememberUntil);
  bytes.set(note.digest, AT.digest);
  return bytes.toString('base64url');
}

/** STORE_CORRUPT for anything that `encodeNote` did not write. */
export function decodeNote(text: string): EnvelopeNote {
  const bytes = text.length === NOTE_LENGTH ? fromBase64Url(text) : new Uint8Array();
  if (bytes.length !== NOTE_BYTES) throw new JetStreamStoreError('STORE_CORRUPT');
  return {
    from: bytes.subarray(0, AT.id),
    id: bytes.subarray(AT.id, AT.ts),
    tsMs: readU64(bytes, AT.ts),
    expiresMs: readU64(bytes, AT.expires),
    rememberUntilMs: readU64(bytes, AT.rememberUntil),
    digest: bytes.subarray(AT.digest),
  };
}

function writeU64(bytes: Buffer, value: number, at: number): void {
  bytes.writeUInt32BE(Math.floor(value / TWO_32), at);
  bytes.writeUInt32BE(value % TWO_32, at + 4);
}

function readU64(bytes: Uint8Array, at: number): number {
  const view = new DataView(bytes.buffer, bytes.byteOffset);
  return view.getUint32(at) * TWO_32 + view.getUint32(at + 4);
}
