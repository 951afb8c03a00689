import { expect, test } from '@jest/globals';
import { encodeFrame } from '@agentmesh/protocol';
import type { HubFrame } from '@agentmesh/protocol';
import fc from 'fast-check';
import { frameText } from './frame-text.js';

const seed = Number(process.env['FC_SEED'] ?? Date.now() % 2 ** 31);

const bytes = (length: number) => fc.uint8Array({ minLength: length, maxLength: length });
const u32 = fc.integer({ min: 0, max: 0xffff_ffff });
const seq = fc.integer({ min: 1, max: Number.MAX_SAFE_INTEGER });

const frame: fc.Arbitrary<HubFrame> = fc.oneof(
  fc.record({
    type: fc.constant('sent' as const),
    re: u32,
    seq,
    duplicate: fc.boolean(),
  }),
  fc.record({ type: fc.constant('pong' as const), re: u32 }),
  fc.record({
    type: fc.constant('deliver' as const),
    seq,
    attempt: fc.integer({ min: 1, max: 20 }),
    envelope: fc.record({
      v: fc.constant(2 as const),
      id: bytes(16),
      from: bytes(32),
      to: bytes(32),
      ts: fc.integer({ min: 0, max: Number.MAX_SAFE_INTEGER }),
      blob: fc.uint8Array({ minLength: 1, maxLength: 700 }),
    }),
  }),
  fc.constant({ type: 'bye' as const, code: 'IDLE' }),
  fc.record({
    type: fc.constant('notice' as const),
    id: bytes(16),
    what: fc.constant('expired' as const),
  }),
);

test(`the short way gives the text of encodeFrame (seed ${seed}, 500 runs)`, () => {
  fc.assert(
    fc.property(frame, (one) => {
      expect(frameText(one)).toBe(encodeFrame(one));
    }),
    { seed, numRuns: 500 },
  );
});
