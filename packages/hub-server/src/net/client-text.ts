/**
 * Frames that clients send, from text. Owns a short way for `send` and `ack` in the form in which
 * `encodeFrame` writes them, which are nearly all traffic; whatever looks different in any way goes
 * to protocol's `parseClientFrame`, and both give the same result for every text.
 */
import { parseClientFrame, PROTOCOL_LIMITS } from '@agentmesh/protocol';
import type { ClientFrame, Decoded } from '@agentmesh/protocol';

const SEND_BEGIN = '{"type":"send","id":';
const SEND =
  /^(0|[1-9]\d{0,8}),"envelope":\{"id":"([\w-]{22})","to":"([\w-]{43})","ttl":([1-9]\d{0,6}),$/;
const ACK = /^\{"type":"ack","seqs":\[([1-9]\d{0,14}(?:,[1-9]\d{0,14})*)\]\}$/;
const SEND_BLOB = '"blob":"';
const SEND_END = '"}}';
/** Longest beginning of a `send` before its blob. */
const HEAD_LENGTH = 200;

/** The frame, or why there is none; `maxLength` in characters. */
export function clientFrameOf(text: string, maxLength: number): Decoded<ClientFrame> {
  if (text.length > maxLength) return parseClientFrame(text, maxLength);
  return sendOf(text) ?? ackOf(text) ?? parseClientFrame(text, maxLength);
}

function sendOf(text: string): Decoded<ClientFrame> | null {
  if (!text.startsWith(SEND_BEGIN) || !text.endsWith(SEND_END)) return null;
  const blobAt = text.lastIndexOf('"', text.length - SEND_END.length - 1) + 1;
  const headEnd = blobAt - SEND_BLOB.length;
  if (blobAt > HEAD_LENGTH || !text.startsWith(SEND_BLOB, headEnd)) return null;
  const head = SEND.exec(text.slice(SEND_BEGIN.length, headEnd));
  if (head === null) return null;
  const [, id = '', envelopeId = '', to = '', seconds = ''] = head;
  const ttl = Number(seconds);
  const blob = bytesOf(text.slice(blobAt, -SEND_END.length), PROTOCOL_LIMITS.blobBytes);
  const envelopeBytes = bytesOf(envelopeId, 16);
  const recipient = bytesOf(to, 32);
  if (blob === null || envelopeBytes === null || recipient === null) return null;
  if (ttl > PROTOCOL_LIMITS.maxTtlSeconds) return null;
  const envelope = { id: envelopeBytes, to: recipient, ttl, blob };
  return { ok: true, frame: { type: 'send', id: Number(id), envelope } };
}

function ackOf(text: string): Decoded<ClientFrame> | null {
  const list = text.startsWith('{"type":"ack"') ? ACK.exec(text)?.[1] : undefined;
  if (list === undefined) return null;
  const seqs = list.split(',').map(Number);
  return seqs.length > PROTOCOL_LIMITS.ackSeqs ? null : { ok: true, frame: { type: 'ack', seqs } };
}

/** Bytes of canonical base64url text, or null: no padding, no stray bits, nothing else in it. */
function bytesOf(text: string, max: number): Uint8Array | null {
  if (text.length === 0 || text.length > Math.ceil((max * 4) / 3)) return null;
  // The decoder also takes the other alphabet, and passes over what is in neither.
  if (text.includes('+') || text.includes('/')) return null;
  const bytes = Buffer.from(text, 'base64url');
  if (text.length % 4 === 1 || bytes.length !== Math.floor((text.length * 3) / 4)) return null;
  // Only the last characters can hide bits that are not in the bytes.
  const tail = bytes.subarray(bytes.length - (bytes.length % 3 || 3)).toString('base64url');
  if (!text.endsWith(tail)) return null;
  return new Uint8Array(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}
