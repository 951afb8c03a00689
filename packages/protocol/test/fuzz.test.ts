/** Hostile input at every decoder: typed refusals only, in bounded time, never another throw. */
import { describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import { decodeBundle } from '../src/bundle.js';
import { ProtocolError } from '../src/errors.js';
import {
  decodeClientFrame,
  decodeHubFrame,
  encodeFrame,
  errorFrame,
  parseClientFrame,
  parseHubFrame,
} from '../src/frame-codec.js';
import type { Decoded } from '../src/frame-codec.js';
import type { ClientFrame } from '../src/client-frames.js';
import type { HubFrame } from '../src/hub-frames.js';
import { decodePayload, encodePayload } from '../src/payload.js';
import { frameCorpus } from './corpus.js';
import { anyClientFrame, anyHubFrame } from './frames.js';
import { expectSame } from './same.js';
import { repeat } from './seed.js';

const { title, parameters } = repeat(10_000);
const OUTCOMES = ['frame', 'BAD_JSON', 'BAD_FRAME', 'BAD_ENCODING', 'UNKNOWN_TYPE', 'TOO_LARGE'];
/** Ten times what a case may take, for a busy machine. */
const CASE_MS = 5_000;

const anyFrame = fc.oneof(
  anyClientFrame as fc.Arbitrary<ClientFrame | HubFrame>,
  anyHubFrame as fc.Arbitrary<ClientFrame | HubFrame>,
);
const corpusText = fc.constantFrom(
  ...frameCorpus()
    .bad.map(({ text }) => text)
    .filter((text) => text.length < 5_000),
);
const anyText = fc.oneof(anyFrame.map(encodeFrame), corpusText);

const TOKENS = [
  ['{', '}', '[', ']', '"', ':', ',', '\\', '\\"', '\\u', '\\ud800', '\\u0000', '\ud800', '\0'],
  ['null', 'true', '0', '-', '-0', '1e999', '1e-999', '1E5', '4294967296', '0.1', ' ', '\n'],
  ['"type"', '"id"', '"re"', '"__proto__"', '"__proto__":{},', '"constructor":1,', '"type":"'],
  ['=', '+', '/', 'A', '[[[[[[[[[[', '{"a":', '\ufeff', '\u2028', '{}', '[]', '"":""'],
].flat();

/** One step of a text mutation: [where, how, with what]. */
const mutation = fc.tuple(
  fc.double({ min: 0, max: 1, noNaN: true }),
  fc.constantFrom('insert', 'delete', 'replace', 'double', 'cut'),
  fc.oneof(fc.constantFrom(...TOKENS), fc.string({ unit: 'binary', maxLength: 3 })),
  fc.nat(12),
);

function mutate(
  text: string,
  [where, how, token, count]: [number, string, string, number],
): string {
  const at = Math.floor(where * text.length);
  const [head, tail] = [text.slice(0, at), text.slice(at)];
  if (how === 'insert') return head + token + tail;
  if (how === 'delete') return head + tail.slice(count);
  if (how === 'replace') return head + token + tail.slice(token.length);
  if (how === 'double') return head + tail.slice(0, count) + tail;
  return head;
}

/** Replaces, removes or adds one value somewhere in a JSON tree. */
function mutateTree(value: unknown, path: readonly number[], put: unknown): unknown {
  if (typeof value !== 'object' || value === null || path.length === 0) return put;
  const [first = 0, ...rest] = path;
  const keys = Object.keys(value);
  const key = keys[first % (keys.length + 1)] ?? 'added';
  const copy: Record<string, unknown> = Array.isArray(value) ? ([...value] as never) : { ...value };
  if (put === undefined && rest.length === 0) delete copy[key];
  else copy[key] = mutateTree(copy[key], rest, put);
  return copy;
}

/** `frame` when it decodes and encodes again, else the code with which it can be answered. */
function outcomeOf(decoded: Decoded<ClientFrame | HubFrame>): string {
  const answer = decoded.ok ? decoded.frame : errorFrame(decoded.error, decoded.id);
  const text = encodeFrame(answer);
  if (decoded.ok) return text.length > 0 ? 'frame' : 'empty';
  return parseHubFrame(text).ok ? decoded.error.code : 'unanswerable';
}

function expectRefusalOrFrame(decoded: Decoded<ClientFrame | HubFrame>): void {
  const outcome = outcomeOf(decoded);
  if (!OUTCOMES.includes(outcome)) expect(OUTCOMES).toContain(outcome);
}

/** `accepted`, or the code of the typed refusal. */
function outcomeOfAttempt(attempt: () => unknown): unknown {
  try {
    attempt();
    return 'accepted';
  } catch (error) {
    return error instanceof ProtocolError ? error.code : error;
  }
}

function timed<T>(run: () => T): T {
  const started = performance.now();
  const result = run();
  const took = performance.now() - started;
  if (!(took < CASE_MS)) expect(took).toBeLessThan(CASE_MS);
  return result;
}

describe('mutated frames', () => {
  test(`as text are refused with a code or decode to a frame (${title})`, () => {
    const steps = fc.array(mutation, { minLength: 1, maxLength: 4 });
    const property = fc.property(anyText, steps, (text, mutations) => {
      const mutated = mutations.reduce((before, step) => mutate(before, step), text);
      expectRefusalOrFrame(timed(() => parseClientFrame(mutated)));
      expectRefusalOrFrame(timed(() => parseHubFrame(mutated)));
    });
    fc.assert(property, parameters);
  });

  test(`as values are refused with a code or decode to a frame (${title})`, () => {
    const put = fc.oneof(fc.jsonValue({ maxDepth: 2 }), fc.constant(undefined));
    const path = fc.array(fc.nat(12), { minLength: 1, maxLength: 3 });
    const property = fc.property(anyFrame, path, put, (frame, where, value) => {
      const mutated = mutateTree(JSON.parse(encodeFrame(frame)), where, value);
      expectRefusalOrFrame(timed(() => decodeClientFrame(mutated)));
      expectRefusalOrFrame(timed(() => decodeHubFrame(mutated)));
    });
    fc.assert(property, parameters);
  });

  test(`and any other JavaScript value is refused with a code (${title})`, () => {
    const anything = fc.anything({
      withBigInt: true,
      withDate: true,
      withMap: true,
      withSet: true,
    });
    const property = fc.property(anything, (value) => {
      expectSame(decodeClientFrame(value).ok, false);
      expectSame(decodeHubFrame(value).ok, false);
      expectSame(
        outcomeOfAttempt(() => decodeBundle(value)),
        'BAD_BUNDLE',
      );
    });
    fc.assert(property, parameters);
  });
});

describe('payloads', () => {
  test(`of any value are refused with a code or arrive as they were (${title})`, () => {
    const anything = fc.anything({
      withBigInt: true,
      withDate: true,
      withMap: true,
      withSparseArray: true,
      withTypedArray: true,
      withNullPrototype: true,
      withUnicodeString: true,
    } as never);
    const property = fc.property(anything, (value) => {
      const outcome = outcomeOfAttempt(() => {
        const bytes = timed(() => encodePayload({ value }));
        expectSame(encodePayload(decodePayload(bytes)), bytes);
      });
      if (outcome !== 'accepted') expectSame(outcome, 'BAD_PAYLOAD');
    });
    fc.assert(property, parameters);
  });

  test(`of mutated bytes are refused with a code or decode to plain data (${title})`, () => {
    const steps = fc.array(mutation, { minLength: 1, maxLength: 4 });
    const property = fc.property(fc.json(), steps, fc.nat(255), (json, mutations, byte) => {
      const text = mutations.reduce((before, step) => mutate(before, step), `{"a":${json}}`);
      const bytes = new TextEncoder().encode(text);
      if (byte % 4 === 0 && bytes.length > 0) bytes[byte % bytes.length] = byte;
      const outcome = outcomeOfAttempt(() => {
        const payload = timed(() => decodePayload(bytes));
        // JSON writes minus zero as zero.
        const again = decodePayload(encodePayload(payload));
        expectSame(JSON.stringify(again), JSON.stringify(payload));
      });
      if (outcome !== 'accepted') expectSame(outcome, 'BAD_PAYLOAD');
    });
    fc.assert(property, parameters);
  });
});
