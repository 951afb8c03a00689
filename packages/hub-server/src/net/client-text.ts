/**
 * Frames that clients send, from text. Owns a short way for `send` and `ack` in the form in which
 * `encodeFrame` writes them, which are nearly all traffic; whatever looks different in any way goes
 * to protocol's `parseClientFrame`, and both give the same result for every text.
 */
import { parseClientFrame, PROTOCOL_LIMITS } from '@agentmesh/protocol';
import type { ClientFrame, Decoded, SendFrame } from '@agentmesh/protocol';

const MANY_BEGIN = '{"type":"send_many","sends":[';
const MANY_END = ']}';
const SEND_BEGIN = '{"type":"send","id":';
const ORDER = String.raw`(0|[1-9]\d{0,8}),(?:"after":(0|[1-9]\d{0,8}),)?`;
const ENVELOPE = String.raw`"envelope":\{"id":"([\w-]{22})","to":"([\w-]{43})",`;
const SEND = new RegExp(String.raw`^${ORDER}${ENVELOPE}"ttl":([1-9]\d{0,6}),$`);
const ACK = /^\{"type":"ack","seqs":\[([1-9]\d{0,14}(?:,[1-9]\d{0,14})*)\]\}$/;
const SEND_BLOB = '"blob":"';
const SEND_END = '"}}';
/** Longest beginning of a `send` before its blob. */
const HEAD_LENGTH = 200;
/** Characters of two bytes, of which the decoder takes the lower one. */
const WIDE = /[\u0100-\uffff]/;
const ID_BYTES = 16;
const AID_BYTES = 32;
/** Last characters of texts of 4n + 2 and 4n + 3: their lowest bits, which no byte has, are 0. */
const ENDS = { 2: 'AQgw', 3: 'AEIMQUYcgkosw048' } as const;

/** The frame, or why there is none; `maxLength` in characters. */
export function clientFrameOf(text: string, maxLength: number): Decoded<ClientFrame> {
  if (text.length > maxLength) return parseClientFrame(text, maxLength);
  return sendOf(text) ?? sendManyOf(text) ?? ackOf(text) ?? parseClientFrame(text, maxLength);
}

/** Each of them as a `send` of its own; null where one of them looks different. */
function sendManyOf(text: string): Decoded<ClientFrame> | null {
  if (!text.startsWith(MANY_BEGIN) || !text.endsWith(MANY_END)) return null;
  const sends: Omit<SendFrame, 'type'>[] = [];
  const last = text.length - MANY_END.length;
  for (let at = MANY_BEGIN.length; at < last;) {
    const end = text.indexOf(SEND_END, at) + SEND_END.length;
    const follows = end === last || (end < last && text.startsWith(',{', end));
    if (end < SEND_END.length || !follows || sends.length >= PROTOCOL_LIMITS.manyFrames)
      return null;
    const decoded = sendOf(`{"type":"send",${text.slice(at + 1, end)}`);
    if (decoded?.ok !== true || decoded.frame.type !== 'send' || text[at] !== '{') return null;
    const { type: _, ...send } = decoded.frame;
    sends.push(send);
    at = end + 1;
  }
  return sends.length === 0 ? null : { ok: true, frame: { type: 'send_many', sends } };
}

function sendOf(text: string): Decoded<ClientFrame> | null {
  if (!text.startsWith(SEND_BEGIN) || !text.endsWith(SEND_END)) return null;
  const blobAt = text.lastIndexOf('"', text.length - SEND_END.length - 1) + 1;
  const headEnd = blobAt - SEND_BLOB.length;
  if (blobAt > HEAD_LENGTH || !text.startsWith(SEND_BLOB, headEnd)) return null;
  const head = SEND.exec(text.slice(SEND_BEGIN.length, headEnd));
  if (head === null) return null;
  const [, id = '', after, envelopeId = '', to = '', seconds = ''] = head;
  const ttl = Number(seconds);
  if (ttl > PROTOCOL_LIMITS.maxTtlSeconds) return null;
  const bytes = bytesOf(envelopeId, to, text.slice(blobAt, -SEND_END.length));
  if (bytes === null) return null;
  const order = after === undefined ? {} : { after: Number(after) };
  return {
    ok: true,
    frame: { type: 'send', id: Number(id), ...order, envelope: { ...bytes, ttl } },
  };
}

function ackOf(text: string): Decoded<ClientFrame> | null {
  const list = text.startsWith('{"type":"ack"') ? ACK.exec(text)?.[1] : undefined;
  if (list === undefined) return null;
  const seqs = list.split(',').map(Number);
  return seqs.length > PROTOCOL_LIMITS.ackSeqs ? null : { ok: true, frame: { type: 'ack', seqs } };
}

/**
 * Bytes of three canonical base64url texts, or null: no padding, no stray bits, nothing else in
 * them; the head's pattern has judged the characters of the first two. They share one piece of
 * memory, in which recipient and blob, which the store hashes together, lie side by side.
 */
function bytesOf(id: string, to: string, blob: string): Omit<SendFrame['envelope'], 'ttl'> | null {
  const length = Math.floor((blob.length * 3) / 4);
  if (length === 0 || length > PROTOCOL_LIMITS.blobBytes) return null;
  if (!endsWell(id) || !endsWell(to) || !endsWell(blob)) return null;
  // The decoder also takes the other alphabet, and passes over what is in neither.
  if (blob.includes('+') || blob.includes('/') || WIDE.test(blob)) return null;
  const all = Buffer.allocUnsafe(ID_BYTES + AID_BYTES + length);
  all.write(id, 0, ID_BYTES, 'base64url');
  all.write(to, ID_BYTES, AID_BYTES, 'base64url');
  if (all.write(blob, ID_BYTES + AID_BYTES, length, 'base64url') !== length) return null;
  const part = (from: number, count: number): Uint8Array =>
    new Uint8Array(all.buffer, all.byteOffset + from, count);
  return {
    id: part(0, ID_BYTES),
    to: part(ID_BYTES, AID_BYTES),
    blob: part(ID_BYTES + AID_BYTES, length),
  };
}

/** Whether a text has a length that encodes bytes, and ends without bits that encode none. */
function endsWell(text: string): boolean {
  const rest = text.length % 4;
  if (rest === 0 || rest === 1) return rest === 0;
  return ENDS[rest === 2 ? 2 : 3].includes(text.charAt(text.length - 1));
}
