/**
 * A write-ahead log beside its database (SQLite's file format, section 4.1), for tests that take
 * copies of both. Owns the reading of frames.
 */

const HEADER_BYTES = 32;
const FRAME_HEADER_BYTES = 24;

/**
 * Whether pages of the log are in the database already: it is being moved there, or was. Before the
 * first page goes, all of the log is synced.
 */
export function isBeingMoved(database: Buffer, log: Buffer): boolean {
  for (const [page, content] of lastFrames(log)) {
    const at = (page - 1) * content.length;
    if (database.subarray(at, at + content.length).equals(content)) return true;
  }
  return false;
}

/** By page, from 1, what the log holds of it last: this is what is moved. */
function lastFrames(log: Buffer): Map<number, Buffer> {
  const frames = new Map<number, Buffer>();
  if (log.length < HEADER_BYTES) return frames;
  const frameBytes = FRAME_HEADER_BYTES + log.readUInt32BE(8);
  for (let at = HEADER_BYTES; at + frameBytes <= log.length; at += frameBytes) {
    frames.set(log.readUInt32BE(at), log.subarray(at + FRAME_HEADER_BYTES, at + frameBytes));
  }
  return frames;
}
