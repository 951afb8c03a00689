/**
 * P5 codecs of what is signed: hub-auth transcripts, identity, prekey and revocation records, and
 * stored prekeys. 10,000 cases where nothing is signed, fewer where each case signs, verifies or
 * makes keys.
 */
import { isDeepStrictEqual } from 'node:util';
import { beforeAll, describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import { concatBytes, lp8, Reader, textBytes, u32, u64 } from '../src/bytes.js';
import { CryptoError } from '../src/errors.js';
import { hubAuthBytes, verifyHubAuth } from '../src/hub-auth.js';
import type { HubAuthTranscript } from '../src/hub-auth.js';
import { createIdentityRecord, parseIdentityRecord } from '../src/identity-record.js';
import type { IdentityRecord } from '../src/identity-record.js';
import { AgentKeyPair } from '../src/key-pair.js';
import { createPrekey, decodePrekeyPair, encodePrekeyPair } from '../src/prekey-pair.js';
import { encodePrekey, parsePrekeyRecord } from '../src/prekey.js';
import type { PrekeyKind } from '../src/prekey.js';
import {
  createRevocation,
  parseRevocation,
  REVOCATION_REASON,
  verifyRevocation,
} from '../src/revocation.js';
import { ready } from '../src/sodium.js';
import {
  bytesOf,
  decodeOrRefuse,
  describeCodec,
  expectSame,
  names,
  positiveU32s,
  u32s,
  u64s,
} from './codec-property.js';
import type { Codec } from './codec-property.js';
import { anyMutation, mutate } from './mutation.js';
import { once } from './once.js';
import { repeat } from './seed.js';
import { seededRandom } from './seeded-random.js';

beforeAll(ready);

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
  const alice = once(() => keyPairOf(1));
  const older = once(() => keyPairOf(2));

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

  describeCodec(
    'revocation, a signature made and checked in each case',
    {
      values: fc.record({
        timeMs: u64s,
        reason: fc.constantFrom(...Object.values(REVOCATION_REASON)),
      }),
      encode: (revocation) => createRevocation(alice(), revocation),
      decode: (bytes) => {
        const revocation = parseRevocation(bytes);
        expectSame(revocation.bytes, bytes);
        const isGenuine = verifyRevocation(revocation, alice().identity);
        if (!isGenuine) throw new CryptoError('BAD_RECORD');
        const { timeMs, reason } = revocation;
        return { timeMs, reason: reason as (typeof REVOCATION_REASON)['retired'] };
      },
      codes: ['BAD_RECORD'],
    },
    1000,
  );

  const prekeys = fc.record({
    kind: fc.constantFrom<PrekeyKind>('signed', 'one-time'),
    id: positiveU32s,
    times,
  });
  const good = once(() =>
    createPrekey({
      keyPair: alice(),
      kind: 'signed',
      id: 1,
      createdMs: 0,
      expiresMs: 0,
      random: seededRandom('prekey'),
    }),
  );

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
