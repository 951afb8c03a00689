import { describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import type { OutcomeState } from './outcome.js';
import { decodeOutcomes, encodeOutcomes, OUTCOMES, REASON_BYTES, reasonOf } from './outcome.js';

const outcome = fc.record({
  msgId: fc.uint8Array({ minLength: 16, maxLength: 16 }),
  state: fc.constantFrom<OutcomeState>(
    ...(['handled', 'refused', 'failed', 'held', 'cancelled', 'unsupported'] as const),
  ),
  reason: fc.string({ unit: 'grapheme' }).map(reasonOf),
});
const outcomes = fc.array(outcome, { minLength: 1, maxLength: OUTCOMES });
const refusal = expect.objectContaining({ code: 'BAD_CONTENT' });

describe('P5 the body of outcomes', () => {
  test('reads back as it was written', () => {
    fc.assert(
      fc.property(outcomes, (list) => {
        expect(decodeOutcomes(encodeOutcomes(list))).toEqual(list);
      }),
    );
  });

  test('every prefix and every extension of it is refused', () => {
    fc.assert(
      fc.property(fc.array(outcome, { minLength: 1, maxLength: 3 }), (list) => {
        const body = encodeOutcomes(list);
        for (let end = 0; end < body.length; end++) {
          expect(() => decodeOutcomes(body.subarray(0, end))).toThrow(refusal);
        }
        expect(() => decodeOutcomes(Uint8Array.of(...body, 0))).toThrow(refusal);
      }),
      { numRuns: 20 },
    );
  });

  test('what is accepted has one encoding, and nothing else than BAD_CONTENT is thrown', () => {
    fc.assert(
      fc.property(outcomes, fc.nat(), fc.nat(255), (list, at, byte) => {
        const body = encodeOutcomes(list);
        body[at % body.length] = byte;
        try {
          const read = decodeOutcomes(body);
          // A state of a later version is the one thing that is not written as it was read.
          if (read.some(({ reason }) => /^state \d+$/.test(reason))) return;
          expect(encodeOutcomes(read)).toEqual(body);
        } catch (error) {
          expect(error).toEqual(refusal);
        }
      }),
    );
  });

  test('none, too many, state 0, long and broken reasons are refused', () => {
    const good = encodeOutcomes([{ msgId: new Uint8Array(16), state: 'handled', reason: 'x' }]);
    const changed = (at: number, byte: number): Uint8Array => {
      const body = good.slice();
      body[at] = byte;
      return body;
    };
    const long = Uint8Array.of(...good.subarray(0, 18), REASON_BYTES + 1, ...new Uint8Array(201));
    const bad = [changed(0, 0), changed(0, 65), changed(17, 0), changed(19, 0xff)];
    for (const body of [...bad, long]) expect(() => decodeOutcomes(body)).toThrow(refusal);
  });

  test('a state of a later version ends the message as failed, with its number as the reason', () => {
    const body = encodeOutcomes([{ msgId: new Uint8Array(16), state: 'handled', reason: 'x' }]);
    for (const number of [7, 255]) {
      body[17] = number;
      expect(decodeOutcomes(body)).toEqual([
        { msgId: new Uint8Array(16), state: 'failed', reason: `state ${number}` },
      ]);
    }
  });

  test('a reason is cut between characters, and holds no lone surrogate', () => {
    expect(reasonOf('ä'.repeat(150))).toBe('ä'.repeat(100));
    expect(reasonOf('\ud800')).toBe('\ufffd');
  });
});
