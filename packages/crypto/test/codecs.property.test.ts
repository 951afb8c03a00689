/**
 * P5 codecs of contents, messages and sessions, and of addresses and padding: 10,000 cases each.
 */
import { describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import { concatBytes, textBytes } from '../src/bytes.js';
import { decodeCallFrames, encodeCallFrames } from '../src/call-frames.js';
import {
  CONTENT_KIND,
  decodeContent,
  decodeRetry,
  encodeContent,
  encodeRetry,
} from '../src/content.js';
import type { Content } from '../src/content.js';
import { addressOf, aidOfAddress, identityOf } from '../src/identity.js';
import { pad, unpad } from '../src/padding.js';
import { Secret } from '../src/secret.js';
import { decodeSession, encodeSession } from '../src/session-codec.js';
import type { CryptoSession } from '../src/session.js';
import { encodeHeader, encodePrekeyBlock, parseMessage } from '../src/wire.js';
import type { ParsedMessage } from '../src/wire.js';
import {
  aCut,
  bytesOf,
  decodeOrRefuse,
  describeCodec,
  expectSame,
  names,
  opaque,
  plain,
  positiveU32s,
  someBytes,
  u32s,
  u64s,
} from './codec-property.js';
import type { Decoder } from './codec-property.js';
import { anyMutation, mutate } from './mutation.js';
import { repeat } from './seed.js';

const contents: fc.Arbitrary<Content> = fc
  .record({
    kind: fc.oneof(
      fc.constantFrom(...Object.values(CONTENT_KIND)),
      fc.integer({ min: 10, max: 255 }),
    ),
    msgId: bytesOf(16),
    sentAtMs: u64s,
    convSeq: u64s,
    peerAck: u64s,
    instance: bytesOf(16),
    boot: u32s,
    logSize: u64s,
    logHead: bytesOf(32),
    fromName: names,
    toName: names,
    body: someBytes(300),
  })
  .map((content) =>
    content.kind === CONTENT_KIND.nudge ? { ...content, body: new Uint8Array(0) } : content,
  );

describeCodec('content', {
  values: contents,
  encode: encodeContent,
  decode: decodeContent,
  codes: ['BAD_CONTENT'],
});

describeCodec('retry request', {
  values: fc.array(
    fc.tuple(u64s, u64s).map(([a, b]) => ({ from: Math.min(a, b), to: Math.max(a, b) })),
    { minLength: 1, maxLength: 64 },
  ),
  encode: encodeRetry,
  decode: (bytes) => [...decodeRetry(bytes)],
  codes: ['BAD_CONTENT'],
});

const utf8 = fc.string({ unit: 'grapheme', maxLength: 40 }).map(textBytes);
const ofForm = fc.tuple(fc.constantFrom(1, 2), someBytes(60));
const frameData: fc.Arbitrary<{ readonly what: number; readonly data: Uint8Array }> = fc.oneof(
  ofForm.map(([form, data]) => ({ what: 1, data: concatBytes(Uint8Array.of(form), data) })),
  fc.tuple(bytesOf(32), someBytes(60)).map((parts) => ({ what: 2, data: concatBytes(...parts) })),
  bytesOf(4).map((data) => ({ what: 3, data })),
  utf8.map((data) => ({ what: 4, data })),
  utf8.map((data) => ({ what: 5, data })),
  fc.constant({ what: 6, data: new Uint8Array(0) }),
  fc.record({ what: fc.integer({ min: 7, max: 255 }), data: someBytes(60) }),
);

describeCodec('frames of calls', {
  values: fc.array(
    fc
      .tuple(fc.record({ callId: bytesOf(16), run: u32s, at: u64s }), frameData)
      .map(([head, data]) => ({ ...head, ...data })),
    { minLength: 1, maxLength: 8 },
  ),
  encode: encodeCallFrames,
  decode: (bytes) => [...decodeCallFrames(bytes)],
  codes: ['BAD_CONTENT'],
});

describeCodec('address', {
  values: bytesOf(32),
  encode: (aid) => textBytes(addressOf(aid)),
  decode: (bytes) => aidOfAddress(new TextDecoder().decode(bytes)),
  codes: ['INVALID_ARGUMENT'],
});

describeCodec('padding', {
  values: someBytes(2000),
  encode: pad,
  decode: unpad,
  codes: ['BAD_PADDING'],
});

describe('P5 codecs: message', () => {
  const headers = fc.record({
    sid: bytesOf(16),
    ratchetKey: bytesOf(32),
    previousLength: u32s,
    number: u32s,
    salt: bytesOf(16),
    prekeyBlock: fc.option(
      fc.record({
        generation: positiveU32s,
        signedPrekeyId: positiveU32s,
        oneTimePrekeyId: u32s,
        ephemeral: bytesOf(32),
        ciphertext: opaque(1088),
        signing: bytesOf(32),
        dh: bytesOf(32),
      }),
    ),
  });
  const rest = fc.integer({ min: 16 + 272, max: 600 }).chain(opaque);

  /** Encodes what was parsed: the inverse that the protocol itself never needs. */
  const encode = (message: Omit<ParsedMessage, 'type' | 'header'>) => {
    const { prekeyBlock: block } = message;
    const prekeyBlock = block === null ? null : encodePrekeyBlock(block);
    return concatBytes(encodeHeader({ ...message, prekeyBlock }), message.tag, message.ciphertext);
  };
  const parser: Decoder<ParsedMessage> = { decode: parseMessage, codes: ['MALFORMED'] };
  const parseOrRefuse = (bytes: Uint8Array) => decodeOrRefuse(parser, bytes);
  const { title, parameters } = repeat(10_000);

  test(`what parses is encoded back to the same bytes; too short is refused (${title})`, () => {
    const property = fc.property(
      headers,
      rest,
      anyMutation,
      aCut,
      (fields, tail, mutation, cut) => {
        const message = { ...fields, tag: tail.subarray(0, 16), ciphertext: tail.subarray(16) };
        const bytes = encode(message);
        const { type, header, ...parsed } = parseMessage(bytes);
        expect(type).toBe(fields.prekeyBlock === null ? 'ratchet' : 'initial');
        expectSame(plain(parsed), plain(message));
        expectSame(concatBytes(header, tail), bytes);

        // The ciphertext takes what is left; its length is authenticated, not parsed.
        const end = Math.floor((cut / 10_000) * bytes.length);
        const prefix = parseOrRefuse(bytes.subarray(0, end));
        expect(prefix !== null).toBe(end >= header.length + 16 + 272);
        for (const damaged of [mutate(bytes, mutation), bytes.subarray(0, end)]) {
          const accepted = parseOrRefuse(damaged);
          if (accepted !== null) expectSame(encode(accepted.value), damaged);
        }
      },
    );
    fc.assert(property, parameters);
  }, 60_000);
});

describe('P5 codecs: session in storage', () => {
  const secret = <Kind extends string>(kind: Kind) =>
    bytesOf(32).map((bytes) => new Secret(kind, bytes));
  const base = {
    sid: bytesOf(16),
    generation: u32s,
    ours: bytesOf(32),
    theirs: fc.tuple(bytesOf(32), bytesOf(32)).map(([signing, dh]) => identityOf(signing, dh)),
    usedOneTimePrekey: fc.boolean(),
    rootKey: secret('root key'),
    ratchet: fc.record({ publicKey: bytesOf(32), scalar: secret('dh scalar') }),
    previousLength: u32s,
    sending: fc.record({
      direction: fc.constant('send' as const),
      chainKey: secret('chain key'),
      headerKey: secret('header key'),
      next: u32s,
    }),
    old: fc.array(fc.record({ ratchetKey: bytesOf(32), headerKey: secret('header key') }), {
      maxLength: 5,
    }),
    skipped: fc.array(
      fc.record({
        ratchetKey: bytesOf(32),
        number: u32s,
        key: secret('message key'),
        storedAtMs: u64s,
      }),
      { maxLength: 6 },
    ),
  };
  const sessions: fc.Arbitrary<CryptoSession> = fc.oneof(
    fc.record({
      ...base,
      phase: fc.constant('initiating' as const),
      role: fc.constant('initiator' as const),
      prekeyBlock: opaque(1196),
    }),
    fc.record({
      ...base,
      phase: fc.constant('established' as const),
      role: fc.constantFrom('initiator' as const, 'responder' as const),
      receiving: fc.record({
        direction: fc.constant('receive' as const),
        ratchetKey: bytesOf(32),
        chainKey: secret('chain key'),
        headerKey: secret('header key'),
        next: u32s,
      }),
    }),
  );
  describeCodec('any session', {
    values: sessions,
    encode: encodeSession,
    decode: decodeSession,
    codes: ['MALFORMED'],
  });
});
