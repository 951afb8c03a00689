/**
 * Body of kind 9 (protocol.md §2.6): frames of calls and streams, those of several calls in one
 * message. Owns the binary layout and the bounds of each frame; what a frame means to a call is the
 * agent's.
 *
 * Body: u8 n (1..64) + n × (callId(16) | u8 what | u32 run | u64 at | lp32 data).
 */
import { sha256 } from '#hash';
import { assertInteger, assertLength, concatBytes, label, Reader, u32, u64, u8 } from './bytes.js';
import { CryptoError } from './errors.js';
import { LIMITS } from './limits.js';

/** What a frame says, by its number on the wire. */
export const CALL_FRAME = {
  /** Items from `at` on: a form byte (1 JSON array, 2 bytes), then the items. */
  part: 1,
  /** The last one: `at` items in all; their hash, then the result as JSON. */
  end: 2,
  /** `at` items were consumed; data is the window in bytes, u32. */
  credit: 3,
  /** The caller wants no answer any more; data is its reason, UTF-8 of at most 200 bytes. */
  cancel: 4,
  /** How far the callee is: JSON of at most 4 KiB, of which the latest counts. */
  progress: 5,
  /** The consumer misses the items from `at` on. */
  resume: 6,
} as const;

/** One frame. A `what` of a later version is read and skipped. */
export interface CallFrame {
  /** msgId of the request. */
  readonly callId: Uint8Array;
  readonly what: number;
  /** Counts the runs of the producer for this call, from 1 on; 0 where a run means nothing. */
  readonly run: number;
  /** Number of an item, or of items. */
  readonly at: number;
  readonly data: Uint8Array;
}

const PART_LABEL = label('stream-part');
const FRAMES = 64;
const HASH_BYTES = 32;
const CREDIT_BYTES = 4;
const REASON_BYTES = 200;
const PROGRESS_BYTES = 4_096;
const FORMS: readonly (number | undefined)[] = [1, 2];
const utf8Strict = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });

/**
 * The hash of a stream's parts up to and with this one: H(L("stream-part") | the hash before | lp32
 * of its data). Before the first it is 32 zero bytes.
 */
export function nextPartHash(before: Uint8Array, data: Uint8Array): Uint8Array {
  return sha256(PART_LABEL, before, u32(data.length), data);
}

/** Encodes 1 to 64 frames; throws INVALID_ARGUMENT or TOO_LARGE. */
export function encodeCallFrames(frames: readonly CallFrame[]): Uint8Array {
  assertInteger(frames.length, 1, FRAMES, 'number of frames');
  const body = concatBytes(u8(frames.length), ...frames.map(encodeFrame));
  if (body.length > LIMITS.bodyBytes) {
    throw new CryptoError('TOO_LARGE', `body is over ${LIMITS.bodyBytes} bytes`);
  }
  return body;
}

function encodeFrame({ callId, what, run, at, data }: CallFrame): Uint8Array {
  assertLength(callId, 16, 'callId');
  assertInteger(what, 1, 0xff, 'what');
  assertInteger(run, 0, 0xffff_ffff, 'run');
  assertInteger(at, 0, Number.MAX_SAFE_INTEGER, 'at');
  if (!isDataOf(what, data)) throw new CryptoError('INVALID_ARGUMENT', 'data of a frame');
  return concatBytes(callId, u8(what), u32(run), u64(at), u32(data.length), data);
}

/** Strict inverse of {@link encodeCallFrames}; throws BAD_CONTENT. */
export function decodeCallFrames(body: Uint8Array): readonly CallFrame[] {
  const reader = new Reader(body, 'BAD_CONTENT');
  const count = reader.u8();
  if (count === 0 || count > FRAMES) reader.fail();
  const frames = Array.from({ length: count }, () => ({
    callId: reader.take(16),
    what: reader.u8(),
    run: reader.u32(),
    at: reader.u64(),
    data: reader.lp32(),
  }));
  reader.end();
  for (const { what, data } of frames) if (what === 0 || !isDataOf(what, data)) reader.fail();
  return frames;
}

/** Whether the data has the shape that this kind of frame asks for. */
function isDataOf(what: number, data: Uint8Array): boolean {
  switch (what) {
    case CALL_FRAME.part:
      return FORMS.includes(data[0]);
    case CALL_FRAME.end:
      return data.length >= HASH_BYTES;
    case CALL_FRAME.credit:
      return data.length === CREDIT_BYTES;
    case CALL_FRAME.cancel:
      return data.length <= REASON_BYTES && isText(data);
    case CALL_FRAME.progress:
      return data.length <= PROGRESS_BYTES && isText(data);
    case CALL_FRAME.resume:
      return data.length === 0;
    default:
      return true;
  }
}

function isText(data: Uint8Array): boolean {
  try {
    utf8Strict.decode(data);
    return true;
  } catch {
    return false;
  }
}
