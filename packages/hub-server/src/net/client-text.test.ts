import { describe, expect, test } from '@jest/globals';
import { encodeFrame, parseClientFrame, PROTOCOL_LIMITS } from '@agentmesh/protocol';
import type { ClientFrame } from '@agentmesh/protocol';
import fc from 'fast-check';
import { clientFrameOf } from './client-text.js';

const seed = Number(process.env['FC_SEED'] ?? Date.now() % 2 ** 31);
const LIMIT = PROTOCOL_LIMITS.frameBytes;

const bytes = (length: number) => fc.uint8Array({ minLength: length, maxLength: length });
const send = {
  id: fc.oneof(fc.integer({ min: 0, max: 0xffff_ffff }), fc.integer({ min: 0, max: 9 })),
  after: fc.option(fc.nat(), { nil: undefined }),
  envelope: fc.record({
    id: bytes(16),
    to: bytes(32),
    ttl: fc.integer({ min: 1, max: PROTOCOL_LIMITS.maxTtlSeconds }),
    blob: fc.uint8Array({ minLength: 1, maxLength: 90 }),
  }),
};
const frame: fc.Arbitrary<ClientFrame> = fc.oneof(
  fc.record({ type: fc.constant('send' as const), ...send }),
  fc.record({
    type: fc.constant('send_many' as const),
    sends: fc.array(fc.record(send), { minLength: 1, maxLength: 3 }),
  }),
  fc.record({
    type: fc.constant('ack' as const),
    seqs: fc.array(fc.integer({ min: 1, max: Number.MAX_SAFE_INTEGER }), {
      minLength: 1,
      maxLength: 5,
    }),
  }),
  fc.record({ type: fc.constant('ping' as const), id: fc.nat() }),
);

/** A frame's text with one place changed, or none. */
const mutated = fc
  .tuple(
    frame,
    fc.nat(),
    fc.constantFrom('', '"', '=', '+', '/', '_', 'A', ' ', '\u00e9', '\u0141', '\\', '0', '9', ','),
  )
  .chain(([one, at, insert]) => {
    const text = encodeFrame(one);
    const place = at % (text.length + 1);
    return fc.constantFrom(
      text,
      text.slice(0, place) + insert + text.slice(place),
      text.slice(0, place) + insert + text.slice(place + 1),
    );
  });

/** As plain data: errors by code and text, bytes as arrays. */
function plain(decoded: ReturnType<typeof parseClientFrame>): unknown {
  if (!decoded.ok) return { code: decoded.error.code, text: decoded.error.message, id: decoded.id };
  return JSON.parse(
    JSON.stringify(decoded.frame, (_key, value: unknown) =>
      value instanceof Uint8Array ? Array.from(value) : value,
    ),
  );
}

describe('clientFrameOf', () => {
  test(`gives for every text what protocol gives (seed ${seed}, 3000 runs)`, () => {
    fc.assert(
      fc.property(mutated, (text) => {
        expect(plain(clientFrameOf(text, LIMIT))).toEqual(plain(parseClientFrame(text, LIMIT)));
      }),
      { seed, numRuns: 3_000 },
    );
  });

  test('also at the limits', () => {
    const send = (ttl: string, blob: string, id = '1'): string =>
      `{"type":"send","id":${id},"envelope":{"id":"${'A'.repeat(22)}","to":"${'A'.repeat(43)}",` +
      `"ttl":${ttl},"blob":"${blob}"}}`;
    const largest = 'A'.repeat(1_398_102);
    for (const text of [
      send('1', largest),
      send('1', `${largest}A`),
      send('1', `${largest}AA`),
      send('2592000', 'AAAA'),
      send('2592001', 'AAAA'),
      send('0', 'AAAA'),
      send('01', 'AAAA'),
      send('1', ''),
      send('1', 'A'),
      send('1', 'AA'),
      send('1', 'AB'),
      send('1', 'AAB'),
      send('1', 'AA=='),
      send('1', 'A+/A'),
      send('1', 'AA=A'),
      send('1', 'AAAA='),
      send('1', 'AA AA'),
      send('1', 'AA\u00e9A'),
      send('1', 'AA\\u0041A'),
      send('1', 'AA\u0141A'),
      send('1', `\u0141${'A'.repeat(99)}`),
      send('1', 'AAAA\u0000'),
      send('1', 'AAAA', '4294967295'),
      send('1', 'AAAA', '4294967296'),
      send('1', 'AAAA', '-0'),
      `{"type":"ack","seqs":[${'1,'.repeat(999)}1]}`,
      `{"type":"ack","seqs":[${'1,'.repeat(1_000)}1]}`,
      '{"type":"ack","seqs":[9007199254740991]}',
      '{"type":"ack","seqs":[9007199254740992]}',
      '{"type":"ack","seqs":[1,]}',
      '{"type":"ack","seqs":[01]}',
    ]) {
      expect(plain(clientFrameOf(text, LIMIT))).toEqual(plain(parseClientFrame(text, LIMIT)));
      expect(plain(clientFrameOf(text, 60))).toEqual(plain(parseClientFrame(text, 60)));
    }
  });
});
