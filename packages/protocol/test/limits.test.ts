/** Every limit of a frame at its last value and one beyond. */
import { describe, expect, test } from '@jest/globals';
import { toBase64Url } from '../src/base64url.js';
import type { ErrorCode } from '../src/errors.js';
import { decodeClientFrame, decodeHubFrame, parseClientFrame } from '../src/frame-codec.js';
import { PROTOCOL_LIMITS } from '../src/limits.js';
import { frameCorpus } from './corpus.js';

const good = new Map(
  frameCorpus().good.map(({ text }) => {
    const frame = JSON.parse(text) as { type: string };
    return [frame.type, frame] as const;
  }),
);

/** The good frame of the corpus with one field, given by its path, set to a value. */
function frameWith(type: string, path: string, value: unknown): unknown {
  const frame = structuredClone(good.get(type)) as unknown as Record<string, unknown>;
  const keys = path.split('.');
  const last = keys.pop() ?? '';
  const holder = keys.reduce((at, key) => at[key] as Record<string, unknown>, frame);
  holder[last] = value;
  return frame;
}

const bytes = (length: number): string => toBase64Url(new Uint8Array(length));
const times =
  <T>(value: T) =>
  (count: number): T[] =>
    Array.from({ length: count }, () => value);
const text = (character: string) => (length: number) => character.repeat(length);
const same = (n: number): number => n;

describe.each<[string, string, number, (n: number) => unknown, ErrorCode?]>([
  ['send', 'envelope.blob', PROTOCOL_LIMITS.blobBytes, bytes, 'TOO_LARGE'],
  ['send', 'envelope.ttl', PROTOCOL_LIMITS.maxTtlSeconds, same],
  ['send', 'id', 0xffff_ffff, same],
  ['put_identity', 'record', PROTOCOL_LIMITS.identityRecordBytes, bytes],
  ['put_prekeys', 'signed', PROTOCOL_LIMITS.signedPrekeys, times(bytes(1337))],
  ['put_prekeys', 'oneTime', PROTOCOL_LIMITS.oneTimePrekeys, times(bytes(1337))],
  ['ack', 'seqs', PROTOCOL_LIMITS.ackSeqs, times(1)],
  ['nack', 'delay', PROTOCOL_LIMITS.nackDelayMs, same],
  ['nack', 'reason', 64, text('A')],
  ['credit', 'messages', PROTOCOL_LIMITS.queueMessages, same],
  ['credit', 'bytes', PROTOCOL_LIMITS.queueBytes, same],
  ['list', 'max', PROTOCOL_LIMITS.listNames, same],
  ['list', 'prefix', 64, text('a')],
  ['list', 'cursor', 128, text('a')],
  ['auth', 'name', 64, text('a')],
  ['auth', 'token', PROTOCOL_LIMITS.tokenLength, text('t')],
  ['deliver', 'envelope.blob', PROTOCOL_LIMITS.blobBytes, bytes, 'TOO_LARGE'],
  ['deliver', 'attempt', PROTOCOL_LIMITS.deliveryAttempts, same],
  ['begin', 'versions', 16, times(2)],
  ['begin', 'features', 32, times('x')],
  ['hello', 'features', 32, times('x')],
  ['hello', 'limits.blobBytes', PROTOCOL_LIMITS.blobBytes, same],
  ['hello', 'limits.ttlSeconds', PROTOCOL_LIMITS.maxTtlSeconds, same],
  ['hello', 'limits.inFlight', PROTOCOL_LIMITS.inFlight, same],
  ['hello', 'limits.signedPrekeys', PROTOCOL_LIMITS.signedPrekeys, same],
  ['hello', 'limits.oneTimePrekeys', PROTOCOL_LIMITS.oneTimePrekeys, same],
  ['hello', 'limits.perSecond', Number.MAX_SAFE_INTEGER, same],
  ['hello', 'limits.burst', Number.MAX_SAFE_INTEGER, same],
  ['hello', 'limits.bytesPerSecond', Number.MAX_SAFE_INTEGER, same],
  ['hello', 'limits.requestsPerSecond', Number.MAX_SAFE_INTEGER, same],
  ['hello', 'limits.requestBurst', Number.MAX_SAFE_INTEGER, same],
  ['hello', 'limits.pending', PROTOCOL_LIMITS.pendingRequests, same],
  ['auth_ok', 'oneTimePrekeys', PROTOCOL_LIMITS.oneTimePrekeys, same],
  ['agents', 'names', PROTOCOL_LIMITS.listNames, times('bob')],
  ['error', 'message', PROTOCOL_LIMITS.errorMessageLength, text('x')],
  ['error', 'retryAfter', PROTOCOL_LIMITS.retryAfterMs, same],
])('%s %s', (type, path, limit, value, code = 'BAD_FRAME') => {
  const decode =
    're' in (good.get(type) ?? {}) || !isClientType(type) ? decodeHubFrame : decodeClientFrame;

  test(`takes ${limit}`, () => {
    expect(decode(frameWith(type, path, value(limit)))).toMatchObject({ ok: true });
  });

  test(`refuses ${limit + 1} with ${code}`, () => {
    expect(decode(frameWith(type, path, value(limit + 1)))).toMatchObject({
      ok: false,
      error: { code },
    });
  });
});

function isClientType(type: string): boolean {
  return frameCorpus().good.some(({ from, text: json }) => {
    return from === 'client' && (JSON.parse(json) as { type: string }).type === type;
  });
}

describe('text of a frame', () => {
  test('has room for the largest blob, and for the largest upload of prekeys', () => {
    const send = frameWith('send', 'envelope.blob', bytes(PROTOCOL_LIMITS.blobBytes));
    expect(parseClientFrame(JSON.stringify(send))).toMatchObject({ ok: true });
    const put = frameWith('put_prekeys', 'oneTime', times(bytes(1337))(100));
    expect(parseClientFrame(JSON.stringify(put))).toMatchObject({ ok: true });
  });

  test('has room before authentication for the longest auth', () => {
    const auth = frameWith('auth', 'token', 't'.repeat(PROTOCOL_LIMITS.tokenLength));
    const longest = JSON.stringify(auth);
    expect(parseClientFrame(longest, PROTOCOL_LIMITS.preAuthFrameBytes)).toMatchObject({
      ok: true,
    });
  });
});
