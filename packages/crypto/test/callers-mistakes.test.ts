/**
 * Misuse by a caller is an exception of its own, never a refusal of the message, never accepted.
 */
import { beforeAll, describe, expect, test } from '@jest/globals';
import {
  addressOf,
  aidOf,
  createPrekey,
  CryptoError,
  decodeContent,
  decodePrekeyPair,
  encodePrekeyPair,
  encodeSession,
  expireSkippedKeys,
  hubAuthBytes,
  importHubKey,
  importIdentity,
  keyDigest,
  LIMITS,
  performKeyExchange,
  ready,
  seal,
  unseal,
  verifyBundle,
} from '../src/index.js';
import type { HubAuthTranscript, PrekeyLookup } from '../src/index.js';
import { codeOf, withCode } from './refusal.js';
import { seededRandom } from './seeded-random.js';
import {
  bundleOf,
  contentOf,
  DAY,
  established,
  hear,
  HUB_ID,
  initiate,
  makeAgent,
  NOW,
  prekeysOf,
  say,
  textOf,
  tryHear,
  tryHearFirst,
  verifiedBundleOf,
} from './two-agents.js';

beforeAll(ready);

const MISUSE = withCode('INVALID_ARGUMENT');
const alice = () => makeAgent('alice');
const bob = () => makeAgent('bob');
const pair = () => established(alice(), bob());

describe('the store of the caller fails', () => {
  // A store that reads damaged rows through decodePrekeyPair throws our own kind of error.
  const failure = new CryptoError('MALFORMED', 'damaged row');
  const fail = (): never => {
    throw failure;
  };
  const lookups: [string, Parameters<typeof tryHearFirst>[2]][] = [
    ['isKnownSid', { isKnownSid: fail }],
    ['prekeys.signed', { prekeys: { ...prekeysWith({ signed: fail }) } }],
    ['prekeys.oneTime', { prekeys: { ...prekeysWith({ oneTime: fail }) } }],
  ];

  function prekeysWith(change: Partial<PrekeyLookup>): PrekeyLookup {
    return { signed: (id) => prekeysOf(bob()).signed(id), oneTime: fail, ...change };
  }

  test.each(lookups)('in %s: its error comes out, and the message is not refused', (_, options) => {
    const wire = say(initiate(alice(), bob()), 'hello');
    expect(() => tryHearFirst(bob(), wire, options)).toThrow(failure);
    expect(tryHearFirst(bob(), wire).ok).toBe(true);
  });
});

test.each(['signed', 'oneTime'] as const)(
  'a lookup of %s prekeys that answers with another kind or id is UNKNOWN_PREKEY',
  (wanted) => {
    const me = bob();
    const wire = say(initiate(alice(), me), 'hello');
    const { kind, id } = me[wanted].record;
    const common = { keyPair: me.keyPair, createdMs: NOW, expiresMs: NOW + DAY };
    const others = [
      { kind: kind === 'signed' ? 'one-time' : 'signed', id } as const,
      { kind, id: 99 },
    ];
    for (const change of others) {
      const other = createPrekey({ ...common, ...change, random: seededRandom('other') });
      const prekeys = { ...prekeysOf(me), [wanted]: () => other };
      expect(codeOf(tryHearFirst(me, wire, { prekeys }))).toBe('UNKNOWN_PREKEY');
    }
  },
);

test('a stored prekey whose private half belongs to another record is MALFORMED', () => {
  const me = bob();
  const owner = me.keyPair.identity;
  const signed = encodePrekeyPair(me.signed);
  const oneTime = encodePrekeyPair(me.oneTime);
  const seed = 1 + 32;
  const record = seed + 64;
  for (const [from, to] of [
    [1, seed],
    [seed, record],
    [1, record],
  ] as const) {
    const spliced = new Uint8Array(signed);
    spliced.set(oneTime.subarray(from, to), from);
    expect(() => decodePrekeyPair(spliced, owner)).toThrow(withCode('MALFORMED'));
  }
  expect(encodePrekeyPair(decodePrekeyPair(signed, owner))).toEqual(signed);
});

describe('a clock that is not one', () => {
  const notTimes = [Number.NaN, -1, 0.5, Infinity, undefined as unknown as number];

  test.each(notTimes)('%p is INVALID_ARGUMENT wherever a time decides', (nowMs) => {
    const { alice: a, bob: b } = pair();
    const wire = say(a, 'hello');
    const first = say(initiate(alice(), bob()), 'hello');
    const { session } = b;
    const { random } = b.me;
    expect(() => unseal({ session, wire, nowMs, random })).toThrow(MISUSE);
    expect(() => expireSkippedKeys(session, nowMs)).toThrow(MISUSE);
    expect(() => verifyBundle(bundleOf(bob()), { name: 'bob', hubId: HUB_ID, nowMs })).toThrow(
      MISUSE,
    );
    // `undefined` would choose the default of the helper.
    const options = { nowMs: nowMs ?? Number.NaN };
    expect(() => tryHearFirst(bob(), first, options)).toThrow(MISUSE);
  });
});

describe('a random source that gives another length', () => {
  const short = (length: number) => new Uint8Array(length - 1);

  test('makes no message', () => {
    const { alice: a } = pair();
    const content = contentOf('hello');
    const { session } = a;
    expect(() => seal({ session, keyPair: a.me.keyPair, content, random: short })).toThrow(MISUSE);
  });

  test('makes no session, and the message can be heard afterwards', () => {
    const { alice: a, bob: b } = pair();
    hear(b, say(a, 'one'));
    const turned = say(b, 'turn');
    const before = encodeSession(a.session);
    const { session } = a;
    expect(() => unseal({ session, wire: turned, nowMs: NOW, random: short })).toThrow(MISUSE);
    expect(encodeSession(a.session)).toEqual(before);
    expect(textOf(hear(a, turned))).toBe('turn');
  });
});

test.each([0, -1, 1.5, 0x1_0000_0000, Number.NaN])(
  'a session of generation %p is INVALID_ARGUMENT',
  (generation) => {
    expect(() => initiate(alice(), bob(), { generation })).toThrow(MISUSE);
  },
);

test('generations 1 and 2^32 - 1 begin sessions that the other side hears', () => {
  for (const generation of [1, 0xffff_ffff]) {
    const opened = tryHearFirst(bob(), say(initiate(alice(), bob(), { generation }), 'hello'));
    expect(opened.ok && opened.session.generation).toBe(generation);
  }
});

test('a session with oneself, or sealing with a key pair of somebody else, is INVALID_ARGUMENT', () => {
  const { keyPair, random } = bob();
  const bundle = verifiedBundleOf(bob());
  expect(() => performKeyExchange({ keyPair, bundle, generation: 1, random })).toThrow(MISUSE);
  const { session } = initiate(alice(), bob());
  const content = contentOf('hello');
  expect(() => seal({ session, keyPair, content, random })).toThrow(MISUSE);
});

test('what is not bytes is refused as a message, and INVALID_ARGUMENT as a content', () => {
  const { bob: b, alice: a } = pair();
  for (const wire of [undefined, null, 'text', [2, 2, 0, 1], new Uint16Array(400), {}]) {
    expect(codeOf(tryHear(b, wire as Uint8Array))).toBe('MALFORMED');
    expect(codeOf(tryHearFirst(b.me, wire as Uint8Array))).toBe('MALFORMED');
  }
  const text = 'a body that is a string' as unknown as Uint8Array;
  expect(() => contentOf('', { body: text })).toThrow(MISUSE);
  const { session, me } = a;
  const { keyPair, random } = me;
  expect(() => seal({ session, keyPair, content: text, random })).toThrow(MISUSE);
});

test.each([0, -1, 256, 257, 1.5, NaN])('a content of kind %p is not encoded', (kind) => {
  expect(() => contentOf('hello', { kind })).toThrow(MISUSE);
});

test('a nudge has no body: neither encoded nor accepted with one', () => {
  expect(() => contentOf('x', { kind: 4 })).toThrow(MISUSE);
  const nudge = contentOf('', { kind: 4 });
  expect(decodeContent(nudge).body).toHaveLength(0);
  const withBody = contentOf('x', { kind: 1 });
  withBody[1] = 4;
  expect(() => decodeContent(withBody)).toThrow(withCode('BAD_CONTENT'));
});

test('keys that are 32 characters of text are BAD_KEY', () => {
  const { signing, dh } = bob().keyPair.identity;
  const text = 'a'.repeat(32) as unknown as Uint8Array;
  expect(() => importIdentity(text, dh)).toThrow(withCode('BAD_KEY'));
  expect(() => importIdentity(signing, text)).toThrow(withCode('BAD_KEY'));
  expect(() => importHubKey(text)).toThrow(withCode('BAD_KEY'));
});

test('values of a wrong length or range are INVALID_ARGUMENT, not silently another value', () => {
  const { signing, aid } = bob().keyPair.identity;
  expect(() => addressOf(aid.subarray(1))).toThrow(MISUSE);
  expect(() => aidOf(signing, signing.subarray(1))).toThrow(MISUSE);
  const record = bob().signed.record.bytes;
  expect(() => keyDigest(record.subarray(1), [1])).toThrow(MISUSE);
  for (const id of [0, -1, 1.5, 0x1_0000_0000]) {
    expect(() => keyDigest(record, [1, id])).toThrow(MISUSE);
  }
});

test('a bundle from a hub with neither name nor address expected is INVALID_ARGUMENT', () => {
  const expected = { name: null, hubId: HUB_ID, nowMs: NOW };
  expect(() => verifyBundle(bundleOf(bob()), expected)).toThrow(MISUSE);
  const { aid } = bob().keyPair.identity;
  expect(verifyBundle(bundleOf(bob()), { ...expected, aid }).record.name).toBe('bob');
  expect(verifyBundle(bundleOf(bob()), { ...expected, hubId: null }).record.name).toBe('bob');
});

test('an unknown type of channel binding is INVALID_ARGUMENT', () => {
  const transcript: HubAuthTranscript = {
    role: 'hub',
    channelBindingType: 258 as 2,
    channelBinding: new Uint8Array(32),
    hubKey: new Uint8Array(32).fill(1),
    serverNonce: new Uint8Array(32).fill(2),
    clientNonce: new Uint8Array(32).fill(3),
    aid: bob().keyPair.identity.aid,
    name: 'bob',
    instance: new Uint8Array(16).fill(4),
    boot: 1,
  };
  expect(() => hubAuthBytes(transcript)).toThrow(MISUSE);
  hubAuthBytes({ ...transcript, channelBindingType: 2 });
});

test('the limits cannot be changed at run time', () => {
  const limits = LIMITS as { maxSkip: number };
  expect(() => (limits.maxSkip = 1_000_000)).toThrow(TypeError);
  expect(LIMITS.maxSkip).toBe(2000);
});
