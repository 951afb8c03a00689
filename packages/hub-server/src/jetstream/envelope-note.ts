/**
 * What lies beside an envelope in its stream, in one header of fixed length. Owns the encoding;
 * numbers are u64, big-endian.
 */
import { concatBytes, fromBase64Url, sha256, toBase64Url } from '@agentmesh/protocol';
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
  const times = [note.tsMs, note.expiresMs, note.rememberUntilMs].map(u64);
  return toBase64Url(concatBytes(note.from, note.id, ...times, note.digest));
}

/** STORE_CORRUPT for anything that `encodeNote` did not write. */
export function decodeNote(text: string): EnvelopeNote {
  const bytes = text.length === NOTE_LENGTH ? fromBase64Url(text) : new Uint8Array();
  if (bytes.length !== NOTE_BYTES) throw new JetStreamStoreError('STORE_CORRUPT');
  return {
    from: bytes.slice(0, 32),
    id: bytes.slice(32, 48),
    tsMs: readU64(bytes, 48),
    expiresMs: readU64(bytes, 56),
    rememberUntilMs: readU64(bytes, 64),
    digest: bytes.slice(72),
  };
}

function u64(value: number): Uint8Array {
  const bytes = new Uint8Array(8);
  new DataView(bytes.buffer).setBigUint64(0, BigInt(value));
  return bytes;
}

function readU64(bytes: Uint8Array, at: number): number {
  return Number(new DataView(bytes.buffer, bytes.byteOffset).getBigUint64(at));
}
