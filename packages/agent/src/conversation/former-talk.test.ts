import { describe, expect, test } from '@jest/globals';
import { CONTENT_KIND } from '@agentmesh/crypto';
import fc from 'fast-check';
import {
  ASKED,
  decodeFormerWord,
  decodeSaidBefore,
  encodeFormerWord,
  encodeSaidBefore,
  SAID_BEFORE_BYTES,
} from './former-talk.js';
import type { FormerWord, SaidBefore } from './former-talk.js';

const bytes = (length: number) => fc.uint8Array({ minLength: length, maxLength: length });
const number = fc.integer({ min: 1, max: Number.MAX_SAFE_INTEGER });
const ends = { speaker: bytes(32), to: bytes(32) };
const place = fc.record({ convSeq: number, instance: bytes(16), msgId: bytes(16) });
const ids = {
  had: fc.array(bytes(16), { maxLength: 30 }),
  lacks: fc.array(bytes(16), { maxLength: 30 }),
};
const word: fc.Arbitrary<FormerWord> = fc.oneof(
  fc.record({
    what: fc.constant('asks' as const),
    ...ends,
    places: fc.array(place, { minLength: 1, maxLength: ASKED }),
  }),
  fc
    .record({ what: fc.constant('answers' as const), ...ends, ...ids })
    .filter(({ had, lacks }) => had.length + lacks.length > 0),
);
const before: fc.Arbitrary<SaidBefore> = fc.record({
  ...ends,
  said: fc.record({
    kind: fc.constantFrom(CONTENT_KIND.application, CONTENT_KIND.callFrames),
    convSeq: number,
    instance: bytes(16),
    boot: fc.integer({ min: 0, max: 0xffff_ffff }),
    sentAtMs: fc.integer({ min: 0, max: Number.MAX_SAFE_INTEGER }),
    body: fc.uint8Array({ maxLength: 40 }),
  }),
});
const refusal = expect.objectContaining({ code: 'BAD_CONTENT' });

describe('P5 words about former conversations', () => {
  test('read back as they were written', () => {
    fc.assert(
      fc.property(word, (each) => expect(decodeFormerWord(encodeFormerWord(each))).toEqual(each)),
    );
    fc.assert(
      fc.property(before, (each) => {
        const body = encodeSaidBefore(each);
        expect(decodeSaidBefore(body)).toEqual(each);
        expect(body.length).toBe(SAID_BEFORE_BYTES + each.said.body.length);
      }),
    );
  });

  test('are refused where something is missing, or more than can be', () => {
    fc.assert(
      fc.property(word, (each) => {
        const body = encodeFormerWord(each);
        expect(() => decodeFormerWord(body.subarray(0, body.length - 1))).toThrow(refusal);
        expect(() => decodeFormerWord(Uint8Array.of(2, ...body.subarray(1)))).toThrow(refusal);
      }),
    );
    const none = { speaker: new Uint8Array(32), to: new Uint8Array(32) };
    const nothing = encodeFormerWord({ what: 'answers', ...none, had: [], lacks: [] });
    expect(() => decodeFormerWord(nothing)).toThrow(refusal);
    expect(() => decodeFormerWord(new Uint8Array())).toThrow(refusal);
  });

  test('hold messages of the application and frames of calls only, each with a number', () => {
    fc.assert(
      fc.property(before, fc.integer({ min: 0, max: 255 }), (each, kind) => {
        const { application, callFrames } = CONTENT_KIND;
        fc.pre(kind !== application && kind !== callFrames);
        const other = encodeSaidBefore({ ...each, said: { ...each.said, kind } });
        expect(() => decodeSaidBefore(other)).toThrow(refusal);
        const none = encodeSaidBefore({ ...each, said: { ...each.said, convSeq: 0 } });
        expect(() => decodeSaidBefore(none)).toThrow(refusal);
        const short = encodeSaidBefore(each).subarray(0, SAID_BEFORE_BYTES - 1);
        expect(() => decodeSaidBefore(short)).toThrow(refusal);
      }),
    );
  });
});
