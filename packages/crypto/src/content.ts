/**
 * What is inside the encryption (protocol.md §2.6): identity of the message, its number in the
 * conversation, names and body. Owns the binary layout of the content and of the bodies of
 * receipts and retry requests; the JSON of application bodies is `@agentmesh/protocol`'s.
 */
import {
  assertInteger,
  assertLength,
  concatBytes,
  lp8,
  Reader,
  textBytes,
  u32,
  u64,
  u8,
} from './bytes.js';
import { CryptoError } from './errors.js';
import { assertAgentName, isAgentName } from './identity.js';
import { LIMITS } from './limits.js';

/** Kinds of content, by their number on the wire. */
export const CONTENT_KIND = {
  application: 1,
  receipt: 2,
  retry: 3,
  nudge: 4,
  groupWelcome: 5,
  revocation: 6,
  introduction: 7,
  outcome: 8,
  callFrames: 9,
  run: 10,
  formerTalk: 11,
  saidBefore: 128,
} as const;

/** A kind that this version knows. */
export type ContentKind = (typeof CONTENT_KIND)[keyof typeof CONTENT_KIND];

/** From here on a kind must be understood: its sender is told when it is not (§2.6). */
const MUST_UNDERSTAND = 128;

/** Whether the sender of this kind wants to be told when it is not understood. */
export function mustBeUnderstood(kind: number): boolean {
  return kind >= MUST_UNDERSTAND;
}

/** One decrypted, authenticated content. */
export interface Content {
  /** 1 to 255: a {@link ContentKind}, or one of a later version. */
  readonly kind: number;
  /** 16 random bytes; the same in every retry. */
  readonly msgId: Uint8Array;
  readonly sentAtMs: number;
  /** Counter per (sender's instance, recipient); +1 for every message of any kind. */
  readonly convSeq: number;
  /** Highest convSeq of the recipient's current instance received without a hole. */
  readonly peerAck: number;
  /** 16 random bytes made when the sender's store was created. */
  readonly instance: Uint8Array;
  /** How often the sender's store was opened. */
  readonly boot: number;
  /** Sender's view of the hub's directory log; 0 and zeros while unused. */
  readonly logSize: number;
  readonly logHead: Uint8Array;
  readonly fromName: string;
  readonly toName: string;
  readonly body: Uint8Array;
}

/** A closed range of convSeq, both ends included. */
export interface SequenceRange {
  readonly from: number;
  readonly to: number;
}

const VERSION = 2;

/** Encodes a content; throws INVALID_ARGUMENT or, for the body, TOO_LARGE. */
export function encodeContent(content: Content): Uint8Array {
  assertLength(content.msgId, 16, 'msgId');
  assertLength(content.instance, 16, 'instance');
  assertLength(content.logHead, 32, 'logHead');
  assertInteger(content.boot, 0, 0xffff_ffff, 'boot');
  for (const field of ['sentAtMs', 'convSeq', 'peerAck', 'logSize'] as const) {
    assertInteger(content[field], 0, Number.MAX_SAFE_INTEGER, field);
  }
  assertAgentName(content.fromName);
  assertAgentName(content.toName);
  assertInteger(content.kind, 1, 0xff, 'kind');
  if (!(content.body instanceof Uint8Array)) {
    throw new CryptoError('INVALID_ARGUMENT', 'body must be bytes');
  }
  if (content.kind === CONTENT_KIND.nudge) assertLength(content.body, 0, 'body of a nudge');
  if (content.body.length > LIMITS.bodyBytes) {
    const detail = `body of ${content.body.length} bytes, the limit is ${LIMITS.bodyBytes}`;
    throw new CryptoError('TOO_LARGE', detail);
  }
  return concatBytes(
    u8(VERSION),
    u8(content.kind),
    content.msgId,
    u64(content.sentAtMs),
    u64(content.convSeq),
    u64(content.peerAck),
    content.instance,
    u32(content.boot),
    u64(content.logSize),
    content.logHead,
    lp8(textBytes(content.fromName)),
    lp8(textBytes(content.toName)),
    u32(content.body.length),
    content.body,
  );
}

/** Strict inverse of {@link encodeContent}; throws BAD_CONTENT. */
export function decodeContent(bytes: Uint8Array): Content {
  const reader = new Reader(bytes, 'BAD_CONTENT');
  if (reader.u8() !== VERSION) reader.fail();
  const content = {
    kind: reader.u8(),
    msgId: reader.take(16),
    sentAtMs: reader.u64(),
    convSeq: reader.u64(),
    peerAck: reader.u64(),
    instance: reader.take(16),
    boot: reader.u32(),
    logSize: reader.u64(),
    logHead: reader.take(32),
    fromName: nameOf(reader),
    toName: nameOf(reader),
    body: reader.lp32(),
  };
  reader.end();
  if (content.kind === 0 || content.body.length > LIMITS.bodyBytes) reader.fail();
  if (content.kind === CONTENT_KIND.nudge && content.body.length > 0) reader.fail();
  return content;
}

function nameOf(reader: Reader): string {
  const name = reader.text8();
  if (!isAgentName(name)) reader.fail();
  return name;
}

/** Body of a retry request: 1 to 64 ranges of missing convSeq. */
export function encodeRetry(ranges: readonly SequenceRange[]): Uint8Array {
  assertInteger(ranges.length, 1, LIMITS.retryRanges, 'number of ranges');
  for (const { from, to } of ranges) {
    assertInteger(from, 0, Number.MAX_SAFE_INTEGER, 'from');
    assertInteger(to, from, Number.MAX_SAFE_INTEGER, 'to');
  }
  return concatBytes(
    u8(ranges.length),
    ...ranges.map(({ from, to }) => concatBytes(u64(from), u64(to))),
  );
}

/** Strict inverse of {@link encodeRetry}; throws BAD_CONTENT. */
export function decodeRetry(body: Uint8Array): readonly SequenceRange[] {
  const reader = new Reader(body, 'BAD_CONTENT');
  const count = reader.u8();
  if (count === 0 || count > LIMITS.retryRanges) reader.fail();
  const ranges = Array.from({ length: count }, () => ({ from: reader.u64(), to: reader.u64() }));
  reader.end();
  if (ranges.some(({ from, to }) => from > to)) reader.fail();
  return ranges;
}
