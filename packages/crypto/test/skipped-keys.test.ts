/** How far a message may jump, how many keys of missing messages are kept, and for how long. */
import { beforeAll, describe, expect, test } from '@jest/globals';
import {
  decodeSkippedKeys,
  encodeSkippedKeys,
  expireSkippedKeys,
  LIMITS,
  parseMessage,
  ready,
  Secret,
  unseal,
} from '../src/index.js';
import type { EstablishedSession } from '../src/index.js';
import { stepChain } from '../src/chain-key.js';
import { forge } from './forgery.js';
import { codeOf, expectRefused, withCode } from './refusal.js';
import {
  DAY,
  established,
  hear,
  hearFirst,
  initiate,
  makeAgent,
  NOW,
  say,
  textOf,
  tryHear,
  tryHearFirst,
} from './two-agents.js';
import type { Side } from './two-agents.js';

beforeAll(ready);

const pair = () => established(makeAgent('alice'), makeAgent('bob'));

/** A number of messages that are lost; each is sealed only when the test asks for it after all. */
function lose(side: Side, count: number): (index: number) => Uint8Array {
  const sessions = Array.from({ length: count }, () => {
    const { session } = side;
    side.session = { ...session, sending: stepChain(session.sending).chain };
    return session;
  });
  return (index) => {
    const session = sessions[index];
    if (session === undefined) throw new TypeError('no such message');
    return say({ ...side, session }, `lost ${index}`);
  };
}

function establishedSession({ session }: Side): EstablishedSession {
  if (session.phase !== 'established') throw new TypeError('established session expected');
  return session;
}

/** Both turn their ratchet keys once. */
function turn(alice: Side, bob: Side): void {
  hear(alice, say(bob, 'turn'));
  hear(bob, say(alice, 'turn back'));
}

/** The header with other counters: what a forger without keys can send. */
function withCounters(wire: Uint8Array, counters: { number?: number; previous?: number }) {
  const forged = new Uint8Array(wire);
  const view = new DataView(forged.buffer);
  if (counters.previous !== undefined) view.setUint32(52, counters.previous);
  if (counters.number !== undefined) view.setUint32(56, counters.number);
  return forged;
}

describe('how far a message may jump', () => {
  test('T-R5 skip limits: N may be Nr + 2,000 in one chain, not Nr + 2,001', () => {
    const { alice, bob } = pair();
    hear(bob, say(alice, 'first of the chain'));
    const start = establishedSession(bob);
    const wires = lose(alice, 2002);
    expect(parseMessage(wires(2000)).number).toBe(start.receiving.next + 2000);
    expect(textOf(hear(bob, wires(2000)))).toBe('lost 2000');
    expect(bob.session.skipped).toHaveLength(LIMITS.skippedKeysPerJump);
    for (const at of [1800, 1801, 1999]) expect(textOf(hear(bob, wires(at)))).toBe(`lost ${at}`);
    for (const at of [0, 999, 1799]) expectRefused(bob, wires(at), 'DUPLICATE');
    bob.session = start;
    expectRefused(bob, wires(2001), 'TOO_FAR');
    expect(textOf(hear(bob, wires(2000)))).toBe('lost 2000');
  });

  test('T-R5 skip limits: in a new chain N may be 2,000, not 2,001', () => {
    const { alice, bob } = pair();
    hear(bob, say(alice, 'heard'));
    hear(alice, say(bob, 'turn'));
    const wires = lose(alice, 2002);
    expectRefused(bob, wires(2001), 'TOO_FAR');
    expect(textOf(hear(bob, wires(2000)))).toBe('lost 2000');
  });

  test.each([
    [2000, 'is heard'],
    [2001, 'is TOO_FAR'],
  ])('T-R5 skip limits: PN - Nr = %d %s', (missing, outcome) => {
    const { alice, bob } = pair();
    hear(bob, say(alice, 'heard'));
    const wires = lose(alice, missing);
    hear(alice, say(bob, 'turn'));
    const next = say(alice, 'in the next chain');
    expect(parseMessage(next).previousLength).toBe(missing + 1);
    if (outcome === 'is TOO_FAR') return expectRefused(bob, next, 'TOO_FAR');
    expect(textOf(hear(bob, next))).toBe('in the next chain');
    expect(textOf(hear(bob, wires(missing - 1)))).toBe(`lost ${missing - 1}`);
  });

  test('T-R5 skip limits: both jumps of one message may be 2,000; the newest 200 keys of each stay', () => {
    const { alice, bob } = pair();
    hear(bob, say(alice, 'heard'));
    const before = lose(alice, 2000);
    hear(alice, say(bob, 'turn'));
    const after = lose(alice, 2001);
    const opened = hear(bob, after(2000));
    expect(opened.droppedKeys).toBe(2 * 1800);
    expect(opened.skippedOver).toBe(4000);
    expect(bob.session.skipped).toHaveLength(400);
    expectRefused(bob, before(1799), 'DUPLICATE');
    expect(textOf(hear(bob, before(1800)))).toBe('lost 1800');
    expectRefused(bob, after(1799), 'DUPLICATE');
    expect(textOf(hear(bob, after(1800)))).toBe('lost 1800');
  });

  test('T-R5 skip limits: a jump over what the caller allows is refused, costs nothing and can come later', () => {
    const { alice, bob } = pair();
    hear(bob, say(alice, 'heard'));
    const wire = lose(alice, 501)(500);
    const before = bob.session;
    const open = (maxSteps: number) =>
      unseal({ session: bob.session, wire, nowMs: NOW, random: bob.me.random, maxSteps });
    const refused = open(499);
    expect(refused.ok ? null : refused.error).toMatchObject({
      code: 'SKIP_BUDGET',
      retryable: true,
    });
    expect(bob.session).toBe(before);
    expect(open(500)).toMatchObject({ ok: true, skippedOver: 500, droppedKeys: 300 });
  });

  test.each([2000, 2001, 0x7fff_ffff, 0x8000_0000, 0xffff_ffff])(
    'T-R5 skip limits: forged counters of %d are refused by the header tag alone',
    (counter) => {
      const { alice, bob } = pair();
      hear(bob, say(alice, 'first of the chain'));
      const known = say(alice, 'known chain');
      expectRefused(bob, withCounters(known, { number: counter }), 'BAD_HEADER');
      expectRefused(bob, withCounters(known, { previous: counter }), 'BAD_HEADER');
      hear(alice, say(bob, 'turn'));
      const fresh = say(alice, 'new chain');
      expectRefused(bob, withCounters(fresh, { number: counter }), 'BAD_HEADER');
      expectRefused(bob, withCounters(fresh, { previous: counter }), 'BAD_HEADER');
      expect(textOf(hear(bob, known))).toBe('known chain');
      expect(textOf(hear(bob, fresh))).toBe('new chain');
    },
  );

  test('T-R5 skip limits: a forged message derives no key, whatever its counters and its size', () => {
    const { alice, bob } = pair();
    hear(bob, say(alice, 'first of the chain'));
    const far = lose(alice, 2001)(2000);
    const forged = withCounters(far, { number: 1999 });
    const large = new Uint8Array(LIMITS.envelopeBytes);
    large.set(forged);
    const newKey = withCounters(far, { previous: 2001 });
    newKey.set(alice.me.random(31), 20);
    const session = establishedSession(bob);
    const chainKey = new Secret('chain key', new Uint8Array(32));
    chainKey.reveal = () => {
      throw new TypeError('a key was derived');
    };
    const guarded = {
      ...bob,
      session: { ...session, receiving: { ...session.receiving, chainKey } },
    };
    for (const wire of [forged, large, newKey]) {
      expect(codeOf(tryHear(guarded, wire))).toBe('BAD_HEADER');
    }
    expect(() => tryHear(guarded, far)).toThrow('a key was derived');
    expect(textOf(hear(bob, far))).toBe('lost 2000');
  });
});

describe('what is kept of a jump', () => {
  test('T-R6 skipped cap and TTL: of a hole of 2,000 the newest 200 keys are left; after 11 holes 2,000, each counted', () => {
    const { alice, bob } = pair();
    hear(bob, say(alice, 'first of the chain'));
    let dropped = 0;
    const rounds = Array.from({ length: 11 }, () => {
      const lost = lose(alice, 2000);
      dropped += hear(bob, say(alice, 'after the hole')).droppedKeys;
      return lost;
    });
    expect(bob.session.skipped).toHaveLength(LIMITS.skippedKeysPerSession);
    expect(dropped).toBe(11 * 1800 + 200);
    const [oldest, ...kept] = rounds;
    if (oldest !== undefined) expectRefused(bob, oldest(1999), 'DUPLICATE');
    for (const lost of kept) {
      expectRefused(bob, lost(1799), 'DUPLICATE');
      expect(textOf(hear(bob, lost(1800)))).toBe('lost 1800');
      expect(textOf(hear(bob, lost(1999)))).toBe('lost 1999');
    }
  });

  test('T-R6 skipped cap and TTL: a key of exactly 14 days opens its message, one of a millisecond more does not', () => {
    const { alice, bob } = pair();
    const late = lose(alice, 1)(0);
    hear(bob, say(alice, 'after the hole'));
    expectRefused(bob, late, 'DUPLICATE', NOW + 14 * DAY + 1);
    expect(textOf(hear(bob, late, NOW + 14 * DAY))).toBe('lost 0');
  });

  test('T-R6 skipped cap and TTL: any message heard 15 days later drops the expired keys and counts them', () => {
    const { alice, bob } = pair();
    lose(alice, 3);
    expect(hear(bob, say(alice, 'after the hole')).droppedKeys).toBe(0);
    expect(hear(bob, say(alice, 'later'), NOW + 15 * DAY).droppedKeys).toBe(3);
    expect(bob.session.skipped).toEqual([]);
  });

  test('T-R6 skipped cap and TTL: expireSkippedKeys drops them without any message', () => {
    const { alice, bob } = pair();
    lose(alice, 3);
    hear(bob, say(alice, 'after the hole'));
    const kept = expireSkippedKeys(bob.session, NOW + 14 * DAY);
    expect(kept).toEqual({ session: bob.session, dropped: 0 });
    const expired = expireSkippedKeys(bob.session, NOW + 14 * DAY + 1);
    expect(expired.dropped).toBe(3);
    expect(expired.session.skipped).toEqual([]);
    expect(bob.session.skipped).toHaveLength(3);
  });

  test('T-R6 skipped cap and TTL: keys of a chain that is forgotten go with it, and are counted', () => {
    const { alice, bob } = pair();
    const lost = lose(alice, 3);
    hear(bob, say(alice, 'after the hole'));
    for (let i = 0; i < LIMITS.oldChains; i++) turn(alice, bob);
    expect(bob.session.old).toHaveLength(LIMITS.oldChains);
    expect(bob.session.skipped).toHaveLength(3);
    expect(textOf(hear(bob, lost(0)))).toBe('lost 0');
    hear(alice, say(bob, 'turn'));
    expect(hear(bob, say(alice, 'sixth chain')).droppedKeys).toBe(2);
    expect(bob.session.old).toHaveLength(LIMITS.oldChains);
    expect(bob.session.skipped).toEqual([]);
    expectRefused(bob, lost(1), 'BAD_HEADER');
  });
});

describe('what an authentic message claims of the chain before it', () => {
  /** Alice's next message with another PN, tag, encryption and signature being right. */
  const claiming = (alice: Side, previousLength: number) =>
    forge({ session: alice.session, signer: alice.me.keyPair, previousLength });

  test('a new chain cannot claim that less was sent than was heard', () => {
    const { alice, bob } = pair();
    for (const text of ['one', 'two', 'three']) hear(bob, say(alice, text));
    hear(alice, say(bob, 'turn'));
    expect(alice.session.previousLength).toBe(3);
    for (const claim of [0, 1, 2]) expectRefused(bob, claiming(alice, claim), 'BAD_HEADER');
    hear(bob, claiming(alice, 3));
  });

  test('the first chain of a session follows no other, on either side', () => {
    const alice: Side = initiate(makeAgent('alice'), makeAgent('bob'));
    expect(codeOf(tryHearFirst(alice.peer, claiming(alice, 1)))).toBe('BAD_HEADER');
    const { side: bob } = hearFirst(alice.peer, alice.me, say(alice, 'hello'));
    expectRefused(alice, claiming(bob, 1), 'BAD_HEADER');
    hear(alice, claiming(bob, 0));
  });
});

describe('skipped keys in rows of their own', () => {
  test('read back as they were written, of several chains, and open their messages', () => {
    const { alice, bob } = pair();
    const lost = lose(alice, 2);
    hear(bob, say(alice, 'after the hole'));
    turn(alice, bob);
    const later = lose(alice, 1);
    hear(bob, say(alice, 'after another one'));
    const { skipped } = bob.session;
    expect(skipped).toHaveLength(3);
    const read = decodeSkippedKeys(encodeSkippedKeys(skipped));
    expect(read.map(({ number, storedAtMs }) => [number, storedAtMs])).toEqual(
      skipped.map(({ number, storedAtMs }) => [number, storedAtMs]),
    );
    bob.session = { ...bob.session, skipped: read };
    for (const wire of [lost(0), lost(1), later(0)]) hear(bob, wire);
    expect(bob.session.skipped).toEqual([]);
  });

  test('a damaged row is MALFORMED, and more than 255 are refused', () => {
    const { alice, bob } = pair();
    lose(alice, 2);
    hear(bob, say(alice, 'after the hole'));
    const row = encodeSkippedKeys(bob.session.skipped);
    const broken = [
      Uint8Array.of(2, ...row.subarray(1)),
      row.subarray(1),
      row.subarray(0, -1),
      Uint8Array.of(...row, 0),
      // The first key is of a second chain, which is not there.
      row.map((byte, at) => (at === 2 + 32 + 1 ? 1 : byte)),
    ];
    for (const bytes of broken) {
      expect(() => decodeSkippedKeys(bytes)).toThrow(withCode('MALFORMED'));
    }
    const [key] = bob.session.skipped;
    if (key === undefined) throw new TypeError('a skipped key expected');
    const tooMany = Array.from({ length: 256 }, () => key);
    expect(() => encodeSkippedKeys(tooMany)).toThrow(withCode('INVALID_ARGUMENT'));
  });
});
