/**
 * Contents of kind 9 and of later versions (protocol.md §2.6), as bytes that another program wrote.
 */
import { readFileSync } from 'node:fs';
import { expect, test } from '@jest/globals';
import {
  decodeCallFrames,
  decodeContent,
  encodeCallFrames,
  encodeContent,
  fromHex,
  mustBeUnderstood,
  toHex,
} from '../src/index.js';

const FILE = new URL('../vectors/content-kinds.json', import.meta.url);
const vectors = JSON.parse(readFileSync(FILE, 'utf8')) as {
  readonly frames: readonly {
    readonly callId: string;
    readonly what: number;
    readonly run: number;
    readonly at: number;
    readonly data: string;
  }[];
  readonly body: string;
  readonly contents: readonly { kind: number; body: string; bytes: string }[];
};

test('frames of calls are read and written as published', () => {
  const frames = vectors.frames.map((frame) => ({
    ...frame,
    callId: fromHex(frame.callId),
    data: fromHex(frame.data),
  }));
  expect(decodeCallFrames(fromHex(vectors.body))).toEqual(frames);
  expect(toHex(encodeCallFrames(frames))).toBe(vectors.body);
});

test.each(vectors.contents)('a content of kind $kind is read as published', (vector) => {
  const content = decodeContent(fromHex(vector.bytes));
  expect(content.kind).toBe(vector.kind);
  expect(toHex(content.body)).toBe(vector.body);
  expect(mustBeUnderstood(content.kind)).toBe(vector.kind === 200);
  expect(toHex(encodeContent(content))).toBe(vector.bytes);
});

const BAD_CONTENT = expect.objectContaining({ code: 'BAD_CONTENT' });

test.each([
  ['no frame', 0, 0],
  ['65 frames', 0, 65],
  ['a frame of kind 0', 17, 0],
  ['a part of an unknown form', 34, 3],
])('%s is refused', (_, at, byte) => {
  const body = fromHex(vectors.body);
  body[at] = byte;
  expect(() => decodeCallFrames(body)).toThrow(BAD_CONTENT);
});

test.each([
  ['a credit of five bytes', 3, 5],
  ['a reason of 201 bytes', 4, 201],
  ['progress of 4,097 bytes', 5, 4_097],
  ['a resume with data', 6, 1],
  ['an end without a hash', 2, 31],
  ['a part without a form', 1, 0],
])('%s is neither written nor read', (_, what, length) => {
  const frame = { callId: new Uint8Array(16), what, run: 1, at: 0, data: new Uint8Array(length) };
  expect(() => encodeCallFrames([frame])).toThrow(
    expect.objectContaining({ code: 'INVALID_ARGUMENT' }),
  );
  const head = fromHex(`01${'00'.repeat(16)}${what.toString(16).padStart(2, '0')}`);
  const body = new Uint8Array(head.length + 16 + length);
  body.set(head);
  new DataView(body.buffer).setUint32(head.length + 12, length);
  expect(() => decodeCallFrames(body)).toThrow(BAD_CONTENT);
});
