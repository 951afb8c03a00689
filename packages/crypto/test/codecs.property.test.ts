/**
 * P5: one encoding for each value. Decoding undoes encoding; encoding undoes decoding of whatever
 * is accepted, damaged bytes included; prefixes and extensions are refused with the codec's code.
 * 10,000 cases for codecs without signatures, fewer where each case signs, verifies or makes keys.
 */
import { isDeepStrictEqual } from 'node:util';
import { beforeAll, describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import { concatBytes, lp8, Reader, textBytes, u32, u64 } from '../src/bytes.js';
import {
  CONTENT_KIND,
  decodeContent,
  decodeRetry,
  encodeContent,
  encodeRetry,
} from '../src/content.js';
import type { Content } from '../src/content.js';
import { CryptoError } from '../src/errors.js';
import type { CryptoErrorCode } from '../src/errors.js';
import { hubAuthBytes, verifyHubAuth } from '../src/hub-auth.js';
import type { HubAuthTranscript } from '../src/hub-auth.js';
import { addressOf, aidOfAddress, identityOf } from '../src/identity.js';
import { createIdentityRecord, parseIdentityRecord } from '../src/identity-record.js';
import type { IdentityRecord } from '../src/identity-record.js';
import { AgentKeyPair } from '../src/key-pair.js';
import { pad, unpad } from '../src/padding.js';
import { createPrekey, decodePrekeyPair, encodePrekeyPair } from '../src/prekey-pair.js';
import { encodePrekey, parsePrekeyRecord } from '../src/prekey.js';
import type { PrekeyKind } from '../src/prekey.js';
import { Secret } from '../src/secret.js';
import { decodeSession, encodeSession } from '../src/session-codec.js';
import type { CryptoSession } from '../src/session.js';
import { ready } from '../src/sodium.js';
import { encodeHeader, encodePrekeyBlock, parseMessage } from '../src/wire.js';
import type { ParsedMessage } from '../src/wire.js';
import { anyMutation, mutate } from './mutation.js';
import { repeat } from './seed.js';
import { seededRandom } from './seeded-random.js';

beforeAll(ready);

/** One way only: what decodes, and the codes that a refusal may carry. */
interface Decoder<Value> {
  readonly decode: (bytes: Uint8Array) => Value;
  readonly codes: readonly CryptoErrorCode[];
}

interface Codec<Value> extends Decoder<Value> {
  readonly values: fc.Arbitrary<Value>;
  readonly encode: (value: Value) => Uint8Array;
}

/** Secrets compare by what they hold; two of them would otherwise always look equal. */
function plain(value: unknown): unknown {
  if (value instanceof Secret) return { kind: value.kind, bytes: value.reveal() };
  if (value instanceof Uint8Array || typeof value !== 'object' || value === null) return value;
  if (Array.isArray(value)) return value.map(plain);
  return Object.fromEntries(Object.entries(value).map(([key, inner]) => [key, plain(inner)]));
}

/** What decoding gives, or null when it is refused as it should be; anything else is thrown. */
function decodeOrRefuse<Value>(codec: Decoder<Value>, bytes: Uint8Array): { value: Value } | null {
  try {
    return { value: codec.decode(bytes) };
  } catch (error) {
    if (error instanceof CryptoError && codec.codes.includes(error.code)) return null;
    throw error;
  }
}

function expectRefused<Value>(codec: Decoder<Value>, bytes: Uint8Array): void {
  expect(decodeOrRefuse(codec, bytes)).toBeNull();
}

/** Equality, many times cheaper than jest's own; a failure shows both values. */
function expectSame(actual: unknown, expected: unknown): void {
  const difference = isDeepStrictEqual(actual, expected) ? null : { actual, expected };
  expect(difference).toBeNull();
}

const aCut = fc.integer({ min: 0, max: 9_999 });
const aByte = fc.integer({ min: 0, max: 255 });

function propertyOf<Value>(codec: Codec<Value>) {
  return fc.property(
    codec.values,
    anyMutation,
    aCut,
    aByte,
    fc.boolean(),
    (value, mutation, cut, byte, atFront) => {
      const bytes = codec.encode(value);
      const decoded = codec.decode(bytes);
      expectSame(plain(decoded), plain(value));
      expectSame(codec.encode(decoded), bytes);

      expectRefused(codec, bytes.subarray(0, Math.floor((cut / 10_000) * bytes.length)));
      const extra = Uint8Array.of(byte);
      expectRefused(codec, atFront ? concatBytes(extra, bytes) : concatBytes(bytes, extra));

      const damaged = mutate(bytes, mutation);
      const accepted = decodeOrRefuse(codec, damaged);
      if (accepted !== null) expectSame(codec.encode(accepted.value), damaged);
    },
  );
}

/** All prefixes and all one-byte extensions of a few values. */
function exhaustiveOf<Value>(codec: Codec<Value>) {
  return fc.property(codec.values, (value) => {
    const bytes = codec.encode(value);
    for (let length = 0; length < bytes.length; length++) {
      expectRefused(codec, bytes.subarray(0, length));
    }
    for (let byte = 0; byte < 256; byte++) {
      expectRefused(codec, concatBytes(bytes, Uint8Array.of(byte)));
    }
  });
}

function describeCodec<Value>(name: string, codec: Codec<Value>, runs = 10_000): void {
  const many = repeat(runs);
  const few = repeat(runs >= 10_000 ? 20 : 2);
  describe(`P5 codecs: ${name}`, () => {
    test(`one encoding for each value, damaged ones included (${many.title})`, () => {
      fc.assert(propertyOf(codec), many.parameters);
    }, 60_000);

    test(`every prefix and every one-byte extension is refused (${few.title})`, () => {
      fc.assert(exhaustiveOf(codec), few.parameters);
    }, 60_000);
  });
}

const bytesOf = (length: number): fc.Arbitrary<Uint8Array> =>
  fc.uint8Array({ minLength: length, maxLength: length });
/** Long opaque fields: what is in them matters to no codec, and drawing each byte takes time. */
const opaque = (length: number) =>
  bytesOf(16).map((bytes) => Uint8Array.from({ length }, (_, i) => bytes[i % 16] ?? 0));
const someBytes = (maxLength: number): fc.Arbitrary<Uint8Array> => fc.uint8Array({ maxLength });
const u32s = fc.oneof(
  fc.constantFrom(0, 1, 0x7fff_ffff, 0x8000_0000, 0xffff_ffff),
  fc.integer({ min: 0, max: 0xffff_ffff }),
);
const positiveU32s = u32s.map((value) => Math.max(1, value));
const u64s = fc.oneof(
  fc.constantFrom(0, 1, 2 ** 32 - 1, 2 ** 32, Number.MAX_SAFE_INTEGER),
  fc.maxSafeNat(),
);
const names = fc
  .tuple(
    fc.constantFrom(...'abcxyz0189'.split('')),
    fc.string({ unit: fc.constantFrom(...'abcxyz0189._-'.split('')), maxLength: 63 }),
  )
  .map(([first, rest]) => first + rest);

const contents: fc.Arbitrary<Content> = fc
  .record({
    kind: fc.constantFrom(...Object.values(CONTENT_KIND)),
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

describe('P5 codecs: hub-auth bytes', () => {
  const bindings = fc.oneof(
    fc.record({ channelBindingType: fc.constant(1 as const), channelBinding: bytesOf(32) }),
    fc.record({
      channelBindingType: fc.constantFrom(0 as const, 2 as const),
      channelBinding: fc.constant(new Uint8Array(32)),
    }),
  );
  const others = fc.record({
    role: fc.constantFrom('client' as const, 'hub' as const),
    hubKey: bytesOf(32),
    serverNonce: bytesOf(32),
    clientNonce: bytesOf(32),
    aid: bytesOf(32),
    name: names,
    instance: bytesOf(16),
    boot: u32s,
  });
  const transcripts: fc.Arbitrary<HubAuthTranscript> = fc
    .tuple(bindings, others)
    .map(([binding, rest]) => ({ ...binding, ...rest }));

  /** A reader of what is only ever written: if it finds every field, no two of them collide. */
  function read(bytes: Uint8Array): HubAuthTranscript {
    const reader = new Reader(bytes, 'MALFORMED');
    reader.expect(textBytes('AgentMesh/2 hub-auth\0'));
    const transcript = {
      role: reader.u8() === 1 ? 'client' : 'hub',
      channelBindingType: reader.u8() as HubAuthTranscript['channelBindingType'],
      channelBinding: reader.take(32),
      hubKey: reader.take(32),
      serverNonce: reader.take(32),
      clientNonce: reader.take(32),
      aid: reader.take(32),
      name: reader.text8(),
      instance: reader.take(16),
      boot: reader.u32(),
    } as const;
    reader.end();
    return transcript;
  }

  const many = repeat(10_000);
  test(`every field can be read back, so two transcripts never share bytes (${many.title})`, () => {
    const property = fc.property(transcripts, (transcript) => {
      const found = read(hubAuthBytes(transcript));
      expectSame(found, transcript);
    });
    fc.assert(property, many.parameters);
  }, 60_000);

  const signed = repeat(500);
  test(`a signature over one transcript is none over another (${signed.title})`, () => {
    const keyPair = AgentKeyPair.generate(seededRandom('hub-auth'));
    const { signing } = keyPair.identity;
    const property = fc.property(transcripts, transcripts, fc.nat(), (one, other, which) => {
      const signature = keyPair.sign(hubAuthBytes(one));
      expect(verifyHubAuth(one, signature, signing)).toBe(true);
      expect(verifyHubAuth(other, signature, signing)).toBe(isDeepStrictEqual(one, other));
      const fields = Object.keys(one).filter((field) => !field.startsWith('channelBinding'));
      const field = fields[which % fields.length] as keyof HubAuthTranscript;
      const changed = { ...one, [field]: other[field] };
      const unchanged = isDeepStrictEqual(one, changed);
      expect(verifyHubAuth(changed, signature, signing)).toBe(unchanged);
    });
    fc.assert(property, signed.parameters);
  }, 60_000);
});

describe('P5 codecs: records that are signed', () => {
  const alice = () => keyPairOf(1);
  const older = () => keyPairOf(2);

  function keyPairOf(first: number): AgentKeyPair {
    return AgentKeyPair.fromSecrets({
      signingSeed: new Uint8Array(32).fill(first),
      dhScalar: new Uint8Array(32).fill(first + 100),
    });
  }

  const times = fc.tuple(u64s, u64s).map(([a, b]) => [Math.min(a, b), Math.max(a, b)] as const);
  interface Request {
    readonly name: string;
    readonly hubId: Uint8Array;
    readonly times: readonly [number, number];
    readonly revision: number;
    /** Of an earlier identity, or null; proves nothing before that identity's key is there. */
    readonly successorSignature: Uint8Array | null;
  }
  const requests: fc.Arbitrary<Request> = fc.record({
    name: names,
    hubId: bytesOf(32),
    times,
    revision: u32s,
    successorSignature: fc.option(bytesOf(64)),
  });

  /** Signing is deterministic, so a record can be written again from what was read. */
  const recordCodec: Codec<Request> = {
    values: requests,
    encode: ({ name, hubId, times: [createdMs, validUntilMs], revision, successorSignature }) => {
      const request = { keyPair: alice(), name, hubId, createdMs, validUntilMs, revision };
      if (successorSignature === null) return createIdentityRecord(request);
      const signed = createIdentityRecord({ ...request, previous: older() });
      return concatBytes(signed.subarray(0, -64), successorSignature);
    },
    decode: (bytes) => {
      const record = parseIdentityRecord(bytes);
      expect(record.identity).toEqual(alice().identity);
      expectSame(record.bytes, bytes);
      return {
        name: record.name,
        hubId: record.hubId,
        times: [record.createdMs, record.validUntilMs],
        revision: record.revision,
        successorSignature: record.successorSignature,
      };
    },
    codes: ['BAD_RECORD', 'BAD_KEY'],
  };
  describeCodec('identity record, signatures made and checked in each case', recordCodec, 1000);

  /** The layout of protocol.md §2.1, written a second time. */
  const bodyOf = (record: IdentityRecord) =>
    concatBytes(
      textBytes('AMIR\u0002'),
      lp8(textBytes(record.name)),
      record.hubId,
      record.identity.signing,
      record.identity.dh,
      u64(record.createdMs),
      u64(record.validUntilMs),
      u32(record.revision),
      record.previousAid ?? new Uint8Array(32),
    );

  const resigned = repeat(1000);
  test(`damaged and signed again, an identity record has one encoding (${resigned.title})`, () => {
    let acceptances = 0;
    const parser = { decode: parseIdentityRecord, codes: recordCodec.codes };
    const property = fc.property(requests, anyMutation, (request, mutation) => {
      const whole = recordCodec.encode({ ...request, successorSignature: null });
      const body = mutate(whole.subarray(0, whole.length - 64), mutation);
      const signature = alice().sign(concatBytes(textBytes('AgentMesh/2 identity-record\0'), body));
      const accepted = decodeOrRefuse(parser, concatBytes(body, signature));
      if (accepted === null) return;
      acceptances++;
      expectSame(bodyOf(accepted.value), body);
    });
    fc.assert(property, resigned.parameters);
    expect(acceptances).toBeGreaterThan(resigned.parameters.numRuns / 20);
  }, 60_000);

  const prekeys = fc.record({
    kind: fc.constantFrom<PrekeyKind>('signed', 'one-time'),
    id: positiveU32s,
    times,
  });
  const good = () =>
    createPrekey({
      keyPair: alice(),
      kind: 'signed',
      id: 1,
      createdMs: 0,
      expiresMs: 0,
      random: seededRandom('prekey'),
    });

  describeCodec(
    'prekey record, a signature made and checked in each case',
    {
      values: prekeys,
      encode: ({ kind, id, times: [createdMs, expiresMs] }) => {
        const { aid, dh, kem } = good().record;
        const statement = { kind, aid, id, dh, kem, createdMs, expiresMs };
        return encodePrekey(statement, (bytes) => alice().sign(bytes)).bytes;
      },
      decode: (bytes) => {
        const record = parsePrekeyRecord(bytes, alice().identity);
        expectSame(record.bytes, bytes);
        const { kind, id, createdMs, expiresMs } = record;
        return { kind, id, times: [createdMs, expiresMs] as const };
      },
      codes: ['BAD_RECORD', 'BAD_KEY'],
    },
    500,
  );

  describeCodec(
    'prekey pair in storage, keys made in each case',
    {
      values: fc
        .record({ seed: fc.string({ maxLength: 8 }), id: positiveU32s })
        .map(({ seed, id }) =>
          createPrekey({
            keyPair: alice(),
            kind: 'one-time',
            id,
            createdMs: 1,
            expiresMs: 2,
            random: seededRandom(seed),
          }),
        ),
      encode: encodePrekeyPair,
      decode: (bytes) => decodePrekeyPair(bytes, alice().identity),
      codes: ['MALFORMED', 'BAD_RECORD', 'BAD_KEY'],
    },
    200,
  );
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
