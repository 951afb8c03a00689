/** P5: one text per value, both ways, and nothing before or after it. */
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { describe, test } from '@jest/globals';
import fc from 'fast-check';
import { nativeBase64Url, tableBase64Url } from '../src/base64url.js';
import type { Base64Url, NativeBase64 } from '../src/base64url.js';
import { decodeBundle, encodeBundle } from '../src/bundle.js';
import { ProtocolError } from '../src/errors.js';
import { encodeFrame, parseClientFrame, parseHubFrame } from '../src/frame-codec.js';
import { decodePayload, encodePayload, FORBIDDEN_KEYS } from '../src/payload.js';
import { anyClientFrame, anyHubFrame } from './frames.js';
import { expectSame } from './same.js';
import { bytesOfLength, repeat } from './seed.js';

const { title, parameters } = repeat(10_000);
/** Each of these tries every prefix, so that far more than 10,000 texts are refused. */
const exhaustive = repeat(500);

/** Ends of prefixes: all of a short text, of a long one those that could look whole, and some. */
function prefixEnds(text: string): number[] {
  const ends = Array.from({ length: text.length }, (_, end) => end);
  return ends.filter((end) => end < 600 || text[end - 1] === '}' || end % 97 === 0);
}

/**
 * What comes out, or the code of the typed refusal: a million of them, of whose time their stacks
 * take the most. An error of another kind is made again, with its stack.
 */
function outcomeOf(attempt: () => unknown): unknown {
  const { stackTraceLimit } = Error;
  Error.stackTraceLimit = 0;
  try {
    return attempt();
  } catch (error) {
    if (error instanceof ProtocolError) return error.code;
  } finally {
    Error.stackTraceLimit = stackTraceLimit;
  }
  return attempt();
}

/** The engine's own codec, if it has one: behind a flag in engines of before 2026. */
function engineCodec(): [string, Base64Url][] {
  if (!('fromBase64' in Uint8Array)) setFlagsFromString('--js-base-64');
  const codec = nativeBase64Url(runInNewContext('Uint8Array') as NativeBase64);
  if (codec === null) return [];
  // The other realm has a Uint8Array of its own, which a comparison takes for another type.
  const fromBase64Url = (text: string) => Uint8Array.from(codec.fromBase64Url(text));
  return [['the engine', { ...codec, fromBase64Url }]];
}

const nearBase64 = fc.string({
  unit: fc.oneof(
    { weight: 30, arbitrary: fc.stringMatching(/^[\w-]$/) },
    { weight: 1, arbitrary: fc.constantFrom('+', '/', '=', ' ', '\n', '\0', 'é', 'Ω', '😀') },
  ),
  maxLength: 40,
});

describe.each([['tables', tableBase64Url] as [string, Base64Url], ...engineCodec()])(
  'base64url on %s',
  (_, { toBase64Url, fromBase64Url }) => {
    test(`decoding undoes encoding, as Buffer has it (${title})`, () => {
      const property = fc.property(bytesOfLength(0, 400), (bytes) => {
        const text = toBase64Url(bytes);
        expectSame(text, Buffer.from(bytes).toString('base64url'));
        expectSame(fromBase64Url(text), bytes);
      });
      fc.assert(property, parameters);
    });

    test(`a text is accepted exactly when it is the one text of its bytes (${title})`, () => {
      const property = fc.property(nearBase64, (text) => {
        const canonical = Buffer.from(text, 'base64url').toString('base64url') === text;
        const outcome = outcomeOf(() => toBase64Url(fromBase64Url(text)));
        expectSame(outcome, canonical ? text : 'BAD_ENCODING');
      });
      fc.assert(property, parameters);
    });
  },
);

describe.each([
  ['client', anyClientFrame, parseClientFrame],
  ['hub', anyHubFrame, parseHubFrame],
] as const)('frames of a %s', (_, anyFrame, parse) => {
  test(`decoding undoes encoding, and encoding undoes decoding (${title})`, () => {
    const property = fc.property(anyFrame as fc.Arbitrary<never>, (frame) => {
      const text = encodeFrame(frame);
      const decoded = parse(text);
      expectSame(decoded, { ok: true, frame });
      const again = outcomeOf(() => (decoded.ok ? encodeFrame(decoded.frame) : ''));
      expectSame(again, text);
    });
    fc.assert(property, parameters);
  });

  test(`every prefix and every extension by one character is refused (${exhaustive.title})`, () => {
    const anyCharacter = fc.string({ unit: 'binary', minLength: 1, maxLength: 1 });
    const property = fc.property(
      anyFrame as fc.Arbitrary<never>,
      anyCharacter,
      (frame, character) => {
        const text = encodeFrame(frame);
        const accepted = prefixEnds(text).filter((end) => parse(text.slice(0, end)).ok);
        expectSame(accepted, []);
        for (const more of [text + character, character + text, `${text} `, `${text}}`]) {
          expectSame(parse(more).ok, false);
        }
      },
    );
    fc.assert(property, exhaustive.parameters);
  });
});

const anyText = fc.string({ unit: 'binary', maxLength: 12 });
const anyKey = anyText.filter((key) => !FORBIDDEN_KEYS.has(key));
const { value: anyPayload } = fc.letrec<{ value: object; node: unknown }>((tie) => ({
  value: fc.dictionary(anyKey, tie('node'), { maxKeys: 5, noNullPrototype: true }),
  node: fc.oneof(
    { maxDepth: 5 },
    fc.constantFrom(null, true, false),
    fc.double({ noNaN: true, noDefaultInfinity: true }).map((number) => number + 0),
    anyText,
    tie('value'),
    fc.array(tie('node'), { maxLength: 5 }),
  ),
}));

describe('payloads', () => {
  test(`decoding undoes encoding, and encoding undoes decoding (${title})`, () => {
    const property = fc.property(anyPayload, (payload) => {
      const bytes = encodePayload(payload);
      const decoded = decodePayload(bytes);
      expectSame(decoded, payload);
      expectSame(encodePayload(decoded), bytes);
    });
    fc.assert(property, parameters);
  });

  test(`every prefix and every extension by one byte is refused (${exhaustive.title})`, () => {
    const property = fc.property(anyPayload, fc.nat(255), (payload, byte) => {
      const bytes = encodePayload(payload);
      const text = Buffer.from(bytes).toString('latin1');
      const accepted = prefixEnds(text).filter(
        (end) => outcomeOf(() => decodePayload(bytes.subarray(0, end))) !== 'BAD_PAYLOAD',
      );
      expectSame(accepted, []);
      for (const more of [
        [...bytes, byte],
        [byte, ...bytes],
        [...bytes, 0x7d],
      ]) {
        const outcome = outcomeOf(() => decodePayload(Uint8Array.from(more)));
        expectSame(outcome, 'BAD_PAYLOAD');
      }
    });
    fc.assert(property, exhaustive.parameters);
  });
});

const anyBundle = fc.record(
  {
    record: bytesOfLength(1, 350),
    signed: bytesOfLength(2).map((bytes) => new Uint8Array(1337).fill(bytes[0] ?? 0)),
    oneTime: bytesOfLength(2).map((bytes) => new Uint8Array(1337).fill(bytes[1] ?? 0)),
    revocation: bytesOfLength(110),
  },
  { requiredKeys: ['record'], noNullPrototype: true },
);

describe('bundles', () => {
  test(`decoding undoes encoding, also through JSON text (${title})`, () => {
    const property = fc.property(anyBundle, (bundle) => {
      const json = encodeBundle(bundle);
      const decoded = decodeBundle(JSON.parse(JSON.stringify(json)));
      expectSame(decoded, bundle);
      expectSame(encodeBundle(decoded), json);
    });
    fc.assert(property, parameters);
  });

  test(`a prekey shortened or extended by any character is refused (${title})`, () => {
    const property = fc.property(anyBundle, fc.nat(1782), (bundle, end) => {
      const json = encodeBundle(bundle);
      const { signed: whole = '' } = json;
      for (const signed of [whole.slice(0, end), `${whole}A`]) {
        const outcome = outcomeOf(() => decodeBundle({ ...json, signed }));
        expectSame(outcome, 'BAD_BUNDLE');
      }
    });
    fc.assert(property, parameters);
  });
});
