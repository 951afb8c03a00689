import { describe, expect, test } from '@jest/globals';
import { parseClientFrame, parseHubFrame } from '../src/frame-codec.js';
import { ProtocolError } from '../src/errors.js';
import { decodePayload } from '../src/payload.js';
import { frameCorpus, payloadCorpus } from './corpus.js';

const frames = frameCorpus();
const payloads = payloadCorpus();
const parsers = { client: parseClientFrame, hub: parseHubFrame };

describe('corpus of bad frames', () => {
  test('holds at least 100 frames and a good one of every type', () => {
    expect(frames.bad.length).toBeGreaterThanOrEqual(100);
    expect(frames.good).toHaveLength(23);
  });

  test.each(frames.good.map((good) => [good.text.slice(0, 40), good] as const))(
    'good frame %s… is accepted',
    (_, { from, text }) => {
      expect(parsers[from](text)).toMatchObject({ ok: true });
    },
  );

  test.each(frames.bad.map((bad) => [bad.name, bad] as const))('%s', (_, bad) => {
    const started = performance.now();
    const decoded = parsers[bad.from](bad.text);
    const spent = performance.now() - started;
    if (decoded.ok) throw new Error('accepted');
    expect(decoded.error).toBeInstanceOf(ProtocolError);
    expect({ code: decoded.error.code, id: decoded.id }).toEqual({ code: bad.code, id: bad.id });
    expect(spent).toBeLessThan(500);
  });
});

describe('corpus of bad payloads', () => {
  test('holds at least 50 payloads', () => {
    expect(payloads.length).toBeGreaterThanOrEqual(50);
  });

  test.each(payloads.map((bad) => [bad.name, bad] as const))('%s', (_, bad) => {
    let refusal: unknown;
    const started = performance.now();
    try {
      decodePayload(bad.bytes);
    } catch (error) {
      refusal = error;
    }
    const spent = performance.now() - started;
    expect(refusal).toBeInstanceOf(ProtocolError);
    expect(refusal).toMatchObject({ code: bad.code });
    expect(String(refusal)).toContain(bad.path === undefined ? '' : `(${bad.path}: `);
    expect(spent).toBeLessThan(500);
  });
});
