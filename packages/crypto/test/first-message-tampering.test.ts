/**
 * First messages changed on the way. Each change is tried twice: as it is, and under the session id
 * that belongs to it, which whoever tampers can compute; then only the secret can refuse it.
 */
import { beforeAll, describe, expect, test } from '@jest/globals';
import { createPrekey, parseMessage, ready } from '../src/index.js';
import type { AgentKeyPair, CryptoErrorCode, PrekeyLookup, PrekeyPair } from '../src/index.js';
import { acceptHandshake } from '../src/handshake.js';
import { identityOf } from '../src/identity.js';
import type { Secret } from '../src/secret.js';
import { dh } from '../src/x25519.js';
import { add, decodePoint, littleEndian, SMALL_ORDER, toBytes, ZERO } from './edwards25519.js';
import { flipBit, forge } from './forgery.js';
import { freezeDeep } from './frozen.js';
import { fieldOf, FIELD, sidFor, withFields, withRightSid } from './prekey-block.js';
import { codeOf } from './refusal.js';
import { seededRandom } from './seeded-random.js';
import {
  contentOf,
  DAY,
  hearFirst,
  initiate,
  makeAgent,
  NOW,
  prekeysOf,
  say,
  textOf,
  tryHearFirst,
} from './two-agents.js';
import type { OneTime, TestAgent } from './two-agents.js';

beforeAll(ready);

/** Alice's first message to Bob, not yet heard. */
function firstMessage(oneTime?: OneTime) {
  const bob = makeAgent('bob');
  const alice = initiate(makeAgent('alice'), bob, oneTime === undefined ? {} : { oneTime });
  return { alice, bob, wire: say(alice, 'hello') };
}

function expectRefusedByBob(
  bob: TestAgent,
  wire: Uint8Array,
  code: CryptoErrorCode,
  prekeys?: PrekeyLookup,
): void {
  const changes = freezeDeep([bob.keyPair, bob.signed, bob.oneTime, wire]);
  expect(codeOf(tryHearFirst(bob, wire, prekeys === undefined ? {} : { prekeys }))).toBe(code);
  expect(changes()).toEqual([]);
}

test('the sid of these tests is the one on the wire', () => {
  for (const oneTime of ['with one-time prekey', 'without one-time prekey'] as const) {
    const { bob, wire } = firstMessage(oneTime);
    expect(sidFor(wire, bob)).toEqual(fieldOf(wire, 'sid'));
  }
});

describe('another encoding of the ephemeral key', () => {
  const P = 2n ** 255n - 19n;

  function inverse(value: bigint): bigint {
    let result = 1n;
    for (let e = P - 2n, b = ((value % P) + P) % P; e > 0n; e >>= 1n, b = (b * b) % P) {
      if ((e & 1n) === 1n) result = (result * b) % P;
    }
    return result;
  }

  /** The Montgomery form of the same point with a point of small order added. */
  function withTorsion(key: Uint8Array, torsion: (typeof SMALL_ORDER)[number]): Uint8Array {
    const u = littleEndian(key);
    const point = decodePoint(toBytes(((u - 1n + P) * inverse(u + 1n)) % P));
    if (point === null) throw new TypeError('not a point');
    const { y } = add(point, torsion);
    return toBytes(((1n + y) * inverse(1n - y)) % P);
  }

  /** The handshake alone, without the header tag that covers the block too. */
  function rootKeyAtBob({ keyPair, signed, oneTime }: TestAgent, wire: Uint8Array): Uint8Array {
    const { prekeyBlock: block, sid } = parseMessage(wire);
    if (block === null) throw new TypeError('a first message expected');
    return acceptHandshake({ keyPair, block, sid, signed, oneTime }).rootKey.reveal();
  }

  test('T-H4 reencoded-EK: the same key with its high bit set is BAD_KEY', () => {
    const { alice, bob, wire } = firstMessage();
    const ephemeral = fieldOf(wire, 'ephemeral');
    ephemeral[31] = (ephemeral[31] ?? 0) | 0x80;
    const reencoded = withFields(wire, { ephemeral });
    expectRefusedByBob(bob, reencoded, 'BAD_KEY');
    expectRefusedByBob(bob, withRightSid(reencoded, bob), 'BAD_KEY');
    hearFirst(bob, alice.me, wire);
  });

  test.each([1, 2, 3, 4, 5, 6, 7])(
    'T-H4 reencoded-EK: with torsion point %d added the secrets are equal, the session is not',
    (index) => {
      const { alice, bob, wire } = firstMessage();
      const genuine = fieldOf(wire, 'ephemeral');
      const ephemeral = withTorsion(genuine, SMALL_ORDER[index] ?? ZERO);
      expect(ephemeral).not.toEqual(genuine);
      // Without the transcript in the key this would be a second copy of the same session.
      const { scalar } = bob.signed.dh;
      expect(dh(scalar, ephemeral)).toEqual(dh(scalar, genuine));
      const reencoded = withFields(wire, { ephemeral });
      expectRefusedByBob(bob, reencoded, 'BAD_SID');
      expectRefusedByBob(bob, withRightSid(reencoded, bob), 'BAD_HEADER');
      expect(rootKeyAtBob(bob, withRightSid(reencoded, bob))).not.toEqual(rootKeyAtBob(bob, wire));
      hearFirst(bob, alice.me, wire);
    },
  );

  test('T-H4 reencoded-EK: each of the 19 encodings from the prime to 2^255 is BAD_KEY', () => {
    const { bob, wire } = firstMessage();
    for (let above = 0n; above < 19n; above++) {
      const reencoded = withFields(wire, { ephemeral: toBytes(P + above) });
      expectRefusedByBob(bob, withRightSid(reencoded, bob), 'BAD_KEY');
    }
  });

  test('T-H4 reencoded-EK: an ephemeral key of small order is BAD_KEY', () => {
    const { bob, wire } = firstMessage();
    for (const { y } of SMALL_ORDER) {
      const u = y === 1n ? 0n : ((1n + y) * inverse(1n - y + P)) % P;
      const reencoded = withFields(wire, { ephemeral: toBytes(u) });
      expectRefusedByBob(bob, withRightSid(reencoded, bob), 'BAD_KEY');
    }
  });
});

describe('the KEM ciphertext', () => {
  test.each(['with one-time prekey', 'without one-time prekey'] satisfies OneTime[])(
    'T-H5 kem-ct-tamper: each of the 1,088 bytes, %s, then the genuine message is heard',
    (oneTime) => {
      const { alice, bob, wire } = firstMessage(oneTime);
      const [from, length] = FIELD.ciphertext;
      const changes = freezeDeep([bob.keyPair, bob.signed, bob.oneTime]);
      for (let at = from; at < from + length; at++) {
        const tampered = flipBit(wire, 8 * at + (at & 7));
        expect(codeOf(tryHearFirst(bob, tampered))).toBe('BAD_SID');
        // Decapsulation does not fail: it gives another secret, so the header tag does not fit.
        expect(codeOf(tryHearFirst(bob, withRightSid(tampered, bob)))).toBe('BAD_HEADER');
      }
      expect(changes()).toEqual([]);
      const { opened } = hearFirst(bob, alice.me, wire);
      expect(opened.oneTimePrekeyId).toBe(oneTime === 'with one-time prekey' ? 7 : 0);
    },
    60_000,
  );
});

test('T-H8 failed-decrypt-keeps-OPK: after ten damaged copies the genuine first message is heard', () => {
  const { alice, bob, wire } = firstMessage();
  const asked = new Set<string>();
  const prekeys: PrekeyLookup = {
    signed: (id) => {
      asked.add(`signed ${id}`);
      return prekeysOf(bob).signed(id);
    },
    oneTime: (id) => {
      asked.add(`one-time ${id}`);
      return prekeysOf(bob).oneTime(id);
    },
  };
  const last = 8 * wire.length - 1;
  for (let i = 0; i < 10; i++) {
    expectRefusedByBob(bob, flipBit(wire, last - 64 * i), 'BAD_CIPHERTEXT', prekeys);
  }
  expect(asked).toEqual(new Set(['signed 1', 'one-time 7']));
  const { opened } = hearFirst(bob, alice.me, wire);
  expect(textOf(opened)).toBe('hello');
  expect(opened.oneTimePrekeyId).toBe(7);
});

test('T-H8 failed-decrypt-keeps-OPK: an authentic first message with a bad signature uses nothing', () => {
  const { alice, bob, wire } = firstMessage();
  const forged = forge({ session: alice.session, signer: makeAgent('charlie').keyPair, number: 1 });
  expectRefusedByBob(bob, forged, 'BAD_SIGNATURE');
  expect(textOf(hearFirst(bob, alice.me, wire).opened)).toBe('hello');
});

describe('a downgrade', () => {
  test.each([
    ['version', 0, 1],
    ['version', 0, 0],
    ['suite', 3, 0],
    ['suite', 2, 1],
  ])('T-H10 downgrade: %s (byte %d = %d) is MALFORMED', (_, at, value) => {
    const { bob, wire } = firstMessage();
    const older = new Uint8Array(wire).fill(value, at, at + 1);
    expectRefusedByBob(bob, older, 'MALFORMED');
  });

  test('T-H10 downgrade: a first message under the type of a later one begins no session', () => {
    const { bob, wire } = firstMessage();
    expectRefusedByBob(bob, new Uint8Array(wire).fill(2, 1, 2), 'UNKNOWN_SESSION');
  });

  test('T-H10 downgrade: striking the one-time prekey out gives another session, without its secret', () => {
    const { bob, wire } = firstMessage();
    const without = withFields(wire, { oneTimePrekeyId: new Uint8Array(4) });
    expectRefusedByBob(bob, without, 'BAD_SID');
    expectRefusedByBob(bob, withRightSid(without, bob), 'BAD_HEADER');
  });

  test('T-H10 downgrade: nor can a one-time prekey be written in', () => {
    const { bob, wire } = firstMessage('without one-time prekey');
    const claimed = withFields(wire, { oneTimePrekeyId: Uint8Array.of(0, 0, 0, 7) });
    expectRefusedByBob(bob, claimed, 'BAD_SID');
    expectRefusedByBob(bob, withRightSid(claimed, bob), 'BAD_HEADER');
  });

  test('T-H10 downgrade: another signed prekey of the same agent is another session', () => {
    const { bob, wire } = firstMessage();
    const older = createPrekey({
      keyPair: bob.keyPair,
      kind: 'signed',
      id: 2,
      createdMs: NOW - DAY,
      expiresMs: NOW + 8 * DAY,
      random: seededRandom('older'),
    });
    const other = { ...bob, signed: older };
    const moved = withFields(wire, { signedPrekeyId: Uint8Array.of(0, 0, 0, 2) });
    expectRefusedByBob(other, moved, 'BAD_SID');
    expectRefusedByBob(other, withRightSid(moved, other), 'BAD_HEADER');
  });

  test('T-H10 downgrade: another generation is another session', () => {
    const { bob, wire } = firstMessage();
    const higher = withFields(wire, { generation: Uint8Array.of(0, 0, 0, 2) });
    expectRefusedByBob(bob, higher, 'BAD_SID');
    expectRefusedByBob(bob, withRightSid(higher, bob), 'BAD_HEADER');
  });

  test('T-H10 downgrade: generation 0 and signed prekey 0 do not exist', () => {
    const { bob, wire } = firstMessage();
    for (const field of ['generation', 'signedPrekeyId'] as const) {
      expectRefusedByBob(bob, withFields(wire, { [field]: new Uint8Array(4) }), 'MALFORMED');
    }
  });

  test('T-H10 downgrade: a signed content of kind 0 is BAD_CONTENT', () => {
    const { alice, bob } = firstMessage();
    const content = contentOf('hello').fill(0, 1, 2);
    const wire = forge({ session: alice.session, signer: alice.me.keyPair, content });
    expectRefusedByBob(bob, wire, 'BAD_CONTENT');
  });

  test.each([11, 127, 128, 255])(
    'T-H10 downgrade: a signed content of the later kind %d is itself and no other',
    (kind) => {
      const { alice, bob } = firstMessage();
      const content = contentOf('hello').fill(kind, 1, 2);
      const wire = forge({ session: alice.session, signer: alice.me.keyPair, content });
      expect(tryHearFirst(bob, wire)).toMatchObject({ ok: true, content: { kind } });
    },
  );
});

describe('the identity keys of two agents', () => {
  const swapped = (field: 'signing' | 'dh') => {
    const { bob, wire } = firstMessage();
    const charlie = makeAgent('charlie').keyPair.identity;
    return { bob, mixed: withFields(wire, { [field]: charlie[field] }) };
  };

  test.each(['signing', 'dh'] as const)(
    'T-H11 identity-DH mix: the %s key of another agent in the block begins no session',
    (field) => {
      const { bob, mixed } = swapped(field);
      expectRefusedByBob(bob, mixed, 'BAD_SID');
      expectRefusedByBob(bob, withRightSid(mixed, bob), 'BAD_HEADER');
    },
  );

  /** Charlie begins a session with the signing key of one agent and his own exchange key. */
  function beginAs(signing: Uint8Array, bob: TestAgent) {
    const charlie = makeAgent('charlie');
    const mixed = {
      identity: identityOf(signing, charlie.keyPair.identity.dh),
      dh: (key: Uint8Array) => charlie.keyPair.dh(key),
    };
    return initiate({ ...charlie, keyPair: mixed as AgentKeyPair }, bob);
  }

  test("T-H11 identity-DH mix: Alice's signing key with Charlie's exchange key is neither of them", () => {
    const { alice, bob } = firstMessage();
    const signing = alice.me.keyPair.identity.signing;
    const side = beginAs(signing, bob);
    const charlie = makeAgent('charlie').keyPair;
    expectRefusedByBob(bob, forge({ session: side.session, signer: charlie }), 'BAD_SIGNATURE');
    // Even with Alice's help it is no session of hers: her aid covers both keys.
    const helped = forge({ session: side.session, signer: alice.me.keyPair });
    const opened = tryHearFirst(bob, helped);
    if (!opened.ok) throw opened.error;
    expect(opened.peer.aid).not.toEqual(alice.me.keyPair.identity.aid);
    expect(opened.peer.aid).not.toEqual(charlie.identity.aid);
  });
});

test('a first message sent back to its sender is SENDER_MISMATCH, also when the prekey ids are his', () => {
  const { alice, wire } = firstMessage();
  expectRefusedByBob(alice.me, wire, 'SENDER_MISMATCH');
});

test('identity keys that are no keys are BAD_KEY', () => {
  const { bob, wire } = firstMessage();
  for (const field of ['signing', 'dh'] as const) {
    const bad = withFields(wire, { [field]: new Uint8Array(32) });
    expectRefusedByBob(bob, withRightSid(bad, bob), 'BAD_KEY');
  }
});

test('a wrong sid is refused before any private key is used', () => {
  const { bob, wire } = firstMessage();
  // A getter on the prototype: copying own fields would call it.
  const untouchable = Object.create({
    get scalar(): Secret<'dh scalar'> {
      throw new TypeError('the private key was used');
    },
  }) as PrekeyPair['dh'];
  const guarded = { ...bob.signed, dh: untouchable };
  const prekeys = { ...prekeysOf(bob), signed: () => guarded };
  const otherSid = flipBit(wire, 8 * FIELD.sid[0]);
  expect(codeOf(tryHearFirst(bob, otherSid, { prekeys }))).toBe('BAD_SID');
  expect(() => tryHearFirst(bob, wire, { prekeys })).toThrow('the private key was used');
});

test('a first message to expired prekeys is UNKNOWN_PREKEY, a day after the expiry', () => {
  const { alice, bob, wire } = firstMessage();
  const expiry = NOW + 9 * DAY;
  expect(codeOf(tryHearFirst(bob, wire, { nowMs: expiry + DAY + 1 }))).toBe('UNKNOWN_PREKEY');
  expect(tryHearFirst(bob, wire, { nowMs: expiry + DAY }).ok).toBe(true);
  const gone = { ...prekeysOf(bob), oneTime: () => null };
  expectRefusedByBob(bob, wire, 'UNKNOWN_PREKEY', gone);
  expectRefusedByBob(bob, wire, 'UNKNOWN_PREKEY', { ...prekeysOf(bob), signed: () => null });
  hearFirst(bob, alice.me, wire);
});
