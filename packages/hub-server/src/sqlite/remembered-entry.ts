/**
 * What is remembered of one accepted envelope, as 58 bytes in a chunk of up to 512.
 * Owns the layout; where chunks are kept and found again is `remembered-ids`.
 *
 *   id(16) | digest(16) | sender u32 | recipient u32 | seq u48 | expiresMs u48 | untilMs u48
 */

/** Bytes of one entry. */
export const ENTRY_BYTES = 58;

/** An envelope id that was used. */
export interface RememberedEntry {
  readonly sender: number;
  /** 16 bytes. */
  readonly id: Uint8Array;
  /** 16 bytes of a hash over recipient and blob: the blob itself may be gone. */
  readonly digest: Uint8Array;
  readonly recipient: number;
  readonly seq: number;
  /** When the envelope's own time is over. */
  readonly expiresMs: number;
  /** When the id may be used again. */
  readonly untilMs: number;
}

/** Writes an entry at a byte offset. */
export function writeEntry(chunk: Buffer, at: number, entry: RememberedEntry): void {
  chunk.set(entry.id, at);
  chunk.set(entry.digest, at + 16);
  chunk.writeUInt32BE(entry.sender, at + 32);
  chunk.writeUInt32BE(entry.recipient, at + 36);
  chunk.writeUIntBE(entry.seq, at + 40, 6);
  chunk.writeUIntBE(entry.expiresMs, at + 46, 6);
  chunk.writeUIntBE(entry.untilMs, at + 52, 6);
}

/** The entry at a byte offset; its bytes are views into the chunk. */
export function readEntry(chunk: Buffer, at: number): RememberedEntry {
  return {
    id: chunk.subarray(at, at + 16),
    digest: chunk.subarray(at + 16, at + 32),
    sender: chunk.readUInt32BE(at + 32),
    recipient: chunk.readUInt32BE(at + 36),
    seq: chunk.readUIntBE(at + 40, 6),
    expiresMs: chunk.readUIntBE(at + 46, 6),
    untilMs: chunk.readUIntBE(at + 52, 6),
  };
}

/** A chunk as SQLite gives it. */
export function asChunk(bytes: Uint8Array): Buffer {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}
