import { readFileSync } from 'node:fs';
import { describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import { anyClientFrame, anyHubFrame } from '../test/frames.js';
import type { ClientFrame } from './client-frames.js';
import { encodeFrame, parseClientFrame, parseHubFrame } from './frame-codec.js';
import type { Decoded } from './frame-codec.js';
import type { HubFrame } from './hub-frames.js';
import { PROTOCOL_LIMITS } from './limits.js';
import { gathered } from './many.js';

interface Vector {
  readonly single: readonly string[];
  readonly many: readonly string[];
}

const vectors = JSON.parse(
  readFileSync(new URL('../vectors/many.json', import.meta.url), 'utf8'),
) as Readonly<Record<'toHub' | 'toClient', Vector>>;

/** Every frame by itself again. */
function apart(frame: ClientFrame | HubFrame): readonly (ClientFrame | HubFrame)[] {
  switch (frame.type) {
    case 'send_many':
      return frame.sends.map((send) => ({ type: 'send', ...send }));
    case 'sent_many':
      return frame.sents.map((sent) => ({ type: 'sent', ...sent }));
    case 'deliver_many':
      return frame.deliveries.map((deliver) => ({ type: 'deliver', ...deliver }));
    default:
      return [frame];
  }
}

type Parse = (text: string) => Decoded<ClientFrame | HubFrame>;

function framesIn(texts: readonly string[], parse: Parse): unknown[] {
  return texts.flatMap((text): readonly unknown[] => {
    const decoded = parse(text);
    return decoded.ok ? apart(decoded.frame) : [decoded.error];
  });
}

describe('frames for many', () => {
  test('are as the vectors say', () => {
    for (const { single, many } of Object.values(vectors)) expect(gathered(single)).toEqual(many);
    const { toHub, toClient } = vectors;
    for (const form of ['single', 'many'] as const) {
      for (const text of toHub[form]) expect(parseClientFrame(text).ok).toBe(true);
      for (const text of toClient[form]) expect(parseHubFrame(text).ok).toBe(true);
    }
  });

  test.each([
    ['a client', anyClientFrame, parseClientFrame],
    ['a hub', anyHubFrame, parseHubFrame],
  ] as const)('of %s are the same frames in the same order', (_, anyFrame, parse) => {
    fc.assert(
      fc.property(fc.array(anyFrame as fc.Arbitrary<ClientFrame>, { maxLength: 9 }), (frames) => {
        const texts = frames.map(encodeFrame);
        expect(framesIn(gathered(texts), parse)).toEqual(framesIn(texts, parse));
      }),
      { numRuns: 200 },
    );
  });

  test('are bounded in number and length', () => {
    const [text = ''] = vectors.toClient.single;
    const all = gathered(Array.from({ length: PROTOCOL_LIMITS.manyFrames + 1 }, () => text));
    expect(all).toHaveLength(2);
    expect(all[1]).toBe(text);
    const long = text.replace('"blob":"', `"blob":"${'A'.repeat(100_000)}`);
    expect(gathered([long, long])).toEqual([long, long]);
    const many = JSON.stringify({ type: 'deliver_many', deliveries: [] });
    expect(parseHubFrame(many)).toMatchObject({ ok: false, error: { code: 'BAD_FRAME' } });
  });
});
