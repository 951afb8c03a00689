/** A hub that serves other keys than the peer published is refused before anything is sealed. */
import { beforeAll, describe, expect, test } from '@jest/globals';
import {
  AgentKeyPair,
  createIdentityRecord,
  createPrekey,
  createRevocation,
  fingerprintOf,
  importIdentity,
  parseIdentityRecord,
  ready,
  REVOCATION_REASON,
  verifyBundle,
  verifySuccessor,
} from '../src/index.js';
import type { Bundle, BundleExpectation, KnownPeer } from '../src/index.js';
import { concatBytes } from '../src/bytes.js';
import { flipBit } from './forgery.js';
import { once } from './once.js';
import { withCode } from './refusal.js';
import { seededRandom } from './seeded-random.js';
import { bundleOf, DAY, HUB_ID, makeAgent, NOW } from './two-agents.js';
import type { TestAgent } from './two-agents.js';

beforeAll(ready);

const bob = once(() => makeAgent('bob'));
const charlie = once(() => makeAgent('charlie'));
const EXPECTED: BundleExpectation = { name: 'bob', hubId: HUB_ID, nowMs: NOW };

function expectRefused(
  change: Partial<Bundle>,
  code: Parameters<typeof withCode>[0],
  expected: Partial<BundleExpectation> = {},
): void {
  const bundle = { ...bundleOf(bob()), ...change };
  expect(() => verifyBundle(bundle, { ...EXPECTED, ...expected })).toThrow(withCode(code));
}

type RecordFields = Parameters<typeof createIdentityRecord>[0];

/** A record of this agent, validly signed, with some fields changed. */
function recordOf(agent: TestAgent, change: Partial<RecordFields> = {}): Uint8Array {
  return createIdentityRecord({
    keyPair: agent.keyPair,
    name: agent.name,
    hubId: HUB_ID,
    createdMs: NOW,
    validUntilMs: NOW + 90 * DAY,
    revision: 1,
    ...change,
  });
}

/** A prekey of this agent, validly signed. */
function prekeyOf(
  agent: TestAgent,
  change: Partial<Parameters<typeof createPrekey>[0]> = {},
): Uint8Array {
  return createPrekey({
    keyPair: agent.keyPair,
    kind: 'signed',
    id: 3,
    createdMs: NOW,
    expiresMs: NOW + 9 * DAY,
    random: seededRandom('prekey'),
    ...change,
  }).record.bytes;
}

test('the bundle that nobody touched is accepted', () => {
  const { record, signed, oneTime } = verifyBundle(bundleOf(bob()), EXPECTED);
  expect(record.identity).toEqual(bob().keyPair.identity);
  expect(signed).toEqual(bob().signed.record);
  expect(oneTime).toEqual(bob().oneTime.record);
});

describe('other keys', () => {
  const IKS_AT = 4 + 1 + 1 + 'bob'.length + 32;

  test('T-K1 swap-dh-key-only: another exchange key in the record is BAD_RECORD', () => {
    const record = new Uint8Array(bob().record);
    record.set(charlie().keyPair.identity.dh, IKS_AT + 32);
    expectRefused({ record }, 'BAD_RECORD');
  });

  test('T-K1 swap-dh-key-only: another signing key is BAD_RECORD, and so is a swap of both', () => {
    const record = new Uint8Array(bob().record);
    record.set(charlie().keyPair.identity.signing, IKS_AT);
    expectRefused({ record }, 'BAD_RECORD');
    record.set(charlie().keyPair.identity.dh, IKS_AT + 32);
    expectRefused({ record }, 'BAD_RECORD');
  });

  test('T-K1 swap-dh-key-only: signed again by whoever swapped it, it is another agent', () => {
    const { dhScalar } = charlie().keyPair.exportSecrets();
    const { signingSeed } = bob().keyPair.exportSecrets();
    // Even with Bob's signing key: the address that Alice asked for covers the exchange key.
    const keyPair = AgentKeyPair.fromSecrets({ signingSeed, dhScalar });
    const mixed = { ...bob(), keyPair };
    const forged = { record: recordOf(mixed), signed: prekeyOf(mixed), oneTime: undefined };
    const { aid } = bob().keyPair.identity;
    expectRefused(forged, 'BAD_FINGERPRINT', { aid });
    expectRefused(forged, 'BAD_FINGERPRINT', { fingerprint: bob().keyPair.fingerprint });
    expect(verifyBundle(forged, EXPECTED).record.identity.aid).not.toEqual(aid);
  });

  test('T-K3 swap-on-first-contact: all keys swapped validly is BAD_FINGERPRINT when either was given', () => {
    const impostor = { ...charlie(), name: 'bob' };
    const forged = { ...bundleOf(impostor), record: recordOf(impostor) };
    expectRefused(forged, 'BAD_FINGERPRINT', { fingerprint: bob().keyPair.fingerprint });
    expectRefused(forged, 'BAD_FINGERPRINT', { aid: bob().keyPair.identity.aid });
    // With neither it is a first contact: the pin is the agent's matter (§2.12).
    expect(verifyBundle(forged, EXPECTED).record.name).toBe('bob');
  });

  test('T-K1 swap-dh-key-only: every byte of record and prekeys is covered by a signature', () => {
    const bundle = bundleOf(bob());
    for (const part of ['record', 'signed', 'oneTime'] as const) {
      const bytes = bundle[part] ?? new Uint8Array(0);
      for (let at = 0; at < bytes.length; at++) {
        const changed = { ...bundle, [part]: flipBit(bytes, 8 * at + (at & 7)) };
        expect(() => verifyBundle(changed, EXPECTED)).toThrow(
          expect.objectContaining({ name: 'CryptoError' }),
        );
      }
    }
  });
});

describe('other names and hubs', () => {
  test("T-K5 foreign-name: Bob's own record under another name is BAD_RECORD", () => {
    expectRefused({}, 'BAD_RECORD', { name: 'charlie' });
    for (const name of ['BOB', 'bob ', 'bo', 'bobb', '']) {
      expectRefused({}, 'BAD_RECORD', { name });
    }
  });

  test("T-K5 foreign-name: Bob's keys cannot be published by another under his name", () => {
    const record = new Uint8Array(bob().record);
    record.set(new TextEncoder().encode('eve'), 6);
    expectRefused({ record }, 'BAD_RECORD', { name: 'eve' });
  });

  test('T-K5 foreign-name: a record made for another hub, or for none, is BAD_RECORD', () => {
    const other = new Uint8Array(32).fill(0x49);
    expectRefused({}, 'BAD_RECORD', { hubId: other });
    expectRefused({ record: recordOf(bob(), { hubId: new Uint8Array(32) }) }, 'BAD_RECORD');
  });

  test('T-K5 foreign-name: the given fingerprint must be whole', () => {
    const whole = bob().keyPair.fingerprint;
    const part = [whole.slice(0, -1), whole.slice(0, 4), whole.toUpperCase(), '', ` ${whole}`];
    for (const fingerprint of part) expectRefused({}, 'BAD_FINGERPRINT', { fingerprint });
    const { aid } = charlie().keyPair.identity;
    expectRefused({}, 'BAD_FINGERPRINT', { fingerprint: fingerprintOf(aid) });
    expect(verifyBundle(bundleOf(bob()), { ...EXPECTED, fingerprint: whole }).record.name).toBe(
      'bob',
    );
  });
});

describe('old records', () => {
  const known = (change: Partial<KnownPeer> = {}) => ({
    known: () => ({ revision: 1, recordBytes: bob().record, newestSignedMs: NOW, ...change }),
  });

  test('T-K8 old-record: a lower revision than one already seen is ROLLED_BACK', () => {
    expectRefused({}, 'ROLLED_BACK', known({ revision: 2 }));
    const { record } = verifyBundle(bundleOf(bob()), { ...EXPECTED, ...known({ revision: 0 }) });
    expect(record.revision).toBe(1);
  });

  test('T-K8 old-record: an equal revision with other bytes is BAD_RECORD, with equal bytes accepted', () => {
    const record = recordOf(bob(), { validUntilMs: NOW + 91 * DAY });
    expectRefused({ record }, 'BAD_RECORD', known());
    expect(verifyBundle(bundleOf(bob()), { ...EXPECTED, ...known() }).record.revision).toBe(1);
  });

  test('T-K8 old-record: what is known is asked for the identity of the record, not for its name', () => {
    const asked: Uint8Array[] = [];
    const lookup = ({ aid }: { aid: Uint8Array }) => {
      asked.push(aid);
      return undefined;
    };
    verifyBundle(bundleOf(bob()), { ...EXPECTED, known: lookup });
    expect(asked).toEqual([bob().keyPair.identity.aid]);
  });

  test('T-K8 old-SPK: a signed prekey made before the newest one seen is ROLLED_BACK', () => {
    const older = prekeyOf(bob(), { createdMs: NOW - 1 });
    expectRefused({ signed: older }, 'ROLLED_BACK', known());
    const newer = prekeyOf(bob(), { createdMs: NOW + 1 });
    for (const signed of [newer, bob().signed.record.bytes]) {
      verifyBundle({ ...bundleOf(bob()), signed }, { ...EXPECTED, ...known() });
    }
  });

  test('T-K8 old-record: an identity record is EXPIRED a millisecond after its time', () => {
    const record = recordOf(bob(), { validUntilMs: NOW });
    const bundle = { ...bundleOf(bob()), record };
    expect(verifyBundle(bundle, EXPECTED).record.validUntilMs).toBe(NOW);
    expectRefused({ record }, 'EXPIRED', { nowMs: NOW + 1 });
    const when = `valid until ${new Date(NOW).toISOString()}, the clock here says`;
    const text = `the identity record of 'bob', ${when}`;
    expect(() => verifyBundle(bundle, { ...EXPECTED, nowMs: NOW + 1 })).toThrow(text);
  });

  test.each(['signed', 'one-time'] as const)(
    'T-K8 old-SPK: a %s prekey is EXPIRED a day and a millisecond after its time',
    (kind) => {
      const prekey = prekeyOf(bob(), { kind, createdMs: NOW - DAY, expiresMs: NOW });
      const change = kind === 'signed' ? { signed: prekey } : { oneTime: prekey };
      const bundle = { ...bundleOf(bob()), ...change };
      verifyBundle(bundle, { ...EXPECTED, nowMs: NOW + DAY });
      expectRefused(change, 'EXPIRED', { nowMs: NOW + DAY + 1 });
    },
  );
});

describe('prekeys of another kind or owner', () => {
  test('a one-time prekey in place of the signed one, and the reverse, is BAD_RECORD', () => {
    const { signed, oneTime } = bob();
    expectRefused({ signed: oneTime.record.bytes }, 'BAD_RECORD');
    expectRefused({ oneTime: signed.record.bytes }, 'BAD_RECORD');
    expectRefused({ signed: oneTime.record.bytes, oneTime: signed.record.bytes }, 'BAD_RECORD');
  });

  test('the magic of the other kind does not make a prekey one: the signature has its own label', () => {
    const asOneTime = new Uint8Array(bob().signed.record.bytes);
    asOneTime.set(new TextEncoder().encode('AMOP'));
    expectRefused({ oneTime: asOneTime }, 'BAD_RECORD');
    const asSigned = new Uint8Array(bob().oneTime.record.bytes);
    asSigned.set(new TextEncoder().encode('AMSP'));
    expectRefused({ signed: asSigned }, 'BAD_RECORD');
  });

  test('a prekey of another agent is BAD_RECORD, also with his signature and the right aid', () => {
    expectRefused({ signed: charlie().signed.record.bytes }, 'BAD_RECORD');
    expectRefused({ oneTime: charlie().oneTime.record.bytes }, 'BAD_RECORD');
    const asBob = {
      identity: bob().keyPair.identity,
      sign: (bytes: Uint8Array) => charlie().keyPair.sign(bytes),
    } as unknown as AgentKeyPair;
    expectRefused({ signed: prekeyOf({ ...bob(), keyPair: asBob }) }, 'BAD_RECORD');
    // Nor one that Bob's signing key made for an identity with another exchange key.
    const { signingSeed } = bob().keyPair.exportSecrets();
    const { dhScalar } = charlie().keyPair.exportSecrets();
    const halfBob = AgentKeyPair.fromSecrets({ signingSeed, dhScalar });
    expectRefused({ signed: prekeyOf({ ...bob(), keyPair: halfBob }) }, 'BAD_RECORD');
  });

  test('what is missing is BAD_RECORD, except the one-time prekey', () => {
    const nothing = undefined as unknown as Uint8Array;
    expectRefused({ record: nothing }, 'BAD_RECORD');
    expectRefused({ signed: nothing }, 'BAD_RECORD');
    expectRefused({ oneTime: null as unknown as Uint8Array }, 'BAD_RECORD');
    const bundle = { ...bundleOf(bob()), oneTime: undefined };
    expect(verifyBundle(bundle, EXPECTED).oneTime).toBeNull();
  });
});

describe('revoked identities', () => {
  const revocationOf = (agent: TestAgent) =>
    createRevocation(agent.keyPair, { timeMs: NOW, reason: REVOCATION_REASON.keyCompromised });

  test('T-K10 revocation: its bundle is refused for ever, with or without prekeys', () => {
    const revocation = revocationOf(bob());
    expectRefused({ revocation }, 'REVOKED');
    expectRefused({ revocation, signed: undefined, oneTime: undefined }, 'REVOKED');
    expectRefused({ revocation }, 'REVOKED', { nowMs: NOW + 900 * DAY });
    const newer = recordOf(bob(), { createdMs: NOW + DAY, revision: 9 });
    expectRefused({ revocation, record: newer }, 'REVOKED');
  });

  test('a hub cannot revoke: what the owner did not sign is BAD_RECORD', () => {
    expectRefused({ revocation: revocationOf(charlie()) }, 'BAD_RECORD');
    const revocation = revocationOf(bob());
    for (let bit = 0; bit < 8 * revocation.length; bit++) {
      expectRefused({ revocation: flipBit(revocation, bit) }, 'BAD_RECORD');
    }
    expectRefused({ revocation: revocation.subarray(0, -1) }, 'BAD_RECORD');
    expectRefused({ revocation: concatBytes(revocation, Uint8Array.of(0)) }, 'BAD_RECORD');
  });

  test('of another name, hub or address, a bundle is refused for that first', () => {
    const revocation = revocationOf(bob());
    expectRefused({ revocation }, 'BAD_RECORD', { name: 'charlie' });
    expectRefused({ revocation }, 'BAD_FINGERPRINT', { aid: charlie().keyPair.identity.aid });
  });

  test('a record without a signed prekey begins no session', () => {
    expectRefused({ signed: undefined }, 'BAD_RECORD');
  });
});

describe('successors', () => {
  const successor = once(() => makeAgent('bob', AgentKeyPair.generate(seededRandom('successor'))));
  const signedBy = (previous: AgentKeyPair) =>
    parseIdentityRecord(recordOf(successor(), { previous, revision: 2 }));

  test('only the signature of the very predecessor makes a successor', () => {
    const record = signedBy(bob().keyPair);
    expect(verifySuccessor(record, bob().keyPair.identity)).toBe(true);
    expect(verifySuccessor(record, charlie().keyPair.identity)).toBe(false);
    const alone = parseIdentityRecord(recordOf(successor()));
    expect(verifySuccessor(alone, bob().keyPair.identity)).toBe(false);
    // The signing key alone is not the predecessor: he is both of his keys.
    const { identity } = bob().keyPair;
    const halfBob = importIdentity(identity.signing, charlie().keyPair.identity.dh);
    expect(verifySuccessor(record, halfBob)).toBe(false);
  });

  test('every bit of the predecessor signature counts, though the record alone stays valid', () => {
    const { bytes } = signedBy(bob().keyPair);
    for (let bit = 8 * (bytes.length - 64); bit < 8 * bytes.length; bit++) {
      const record = parseIdentityRecord(flipBit(bytes, bit));
      expect(verifySuccessor(record, bob().keyPair.identity)).toBe(false);
    }
  });

  test('a predecessor cannot be written in or struck out', () => {
    const { bytes } = signedBy(bob().keyPair);
    const alone = recordOf(successor(), { revision: 2 });
    const BAD_RECORD = withCode('BAD_RECORD');
    expect(() => parseIdentityRecord(bytes.subarray(0, -64))).toThrow(BAD_RECORD);
    expect(() => parseIdentityRecord(concatBytes(alone, bytes.subarray(-64)))).toThrow(BAD_RECORD);
    const struck = new Uint8Array(bytes.subarray(0, -64)).fill(0, -96, -64);
    expect(() => parseIdentityRecord(struck)).toThrow(BAD_RECORD);
  });
});
