/**
 * T-R10: one encoding of a message; each other framing is refused though all its keys are right.
 */
import { beforeAll, expect, test } from '@jest/globals';
import { concatBytes, u32 } from '../src/bytes.js';
import { LIMITS, parseMessage, ready } from '../src/index.js';
import { signMessage } from '../src/message-signature.js';
import { pad } from '../src/padding.js';
import { associatedData } from '../src/wire.js';
import { flipBit, forge, retag } from './forgery.js';
import type { Forgery } from './forgery.js';
import { codeOf, expectRefused } from './refusal.js';
import {
  contentOf,
  established,
  hear,
  hearFirst,
  initiate,
  makeAgent,
  say,
  textOf,
  tryHear,
} from './two-agents.js';
import type { Side } from './two-agents.js';

beforeAll(ready);

const HEADER = 76;
const PREFIX = HEADER + 16;

const pair = () => established(makeAgent('alice'), makeAgent('bob'));

/** Alice's next message with one thing made differently, by her own keys and signature. */
function forgedBy(alice: Side, change: Omit<Forgery, 'session'> = {}): Uint8Array {
  return forge({ session: alice.session, signer: alice.me.keyPair, ...change });
}

/** Content and Alice's genuine signature over the message that `forge` is about to make. */
function signedInner(alice: Side, content: Uint8Array): Uint8Array {
  const { session } = alice;
  const header = forgedBy(alice).slice(0, HEADER);
  const ad = associatedData(session.ours, session.theirs.aid, header);
  return concatBytes(content, signMessage(alice.me.keyPair, ad, content));
}

test('the forge without a forgery makes messages that are heard', () => {
  const { alice, bob } = pair();
  const opened = hear(bob, forgedBy(alice));
  expect(textOf(opened)).toBe('forged');
  const again = pair();
  const inner = signedInner(again.alice, contentOf('by hand'));
  expect(textOf(hear(again.bob, forgedBy(again.alice, { inner })))).toBe('by hand');
});

test.each([0, 1, 4, 8, 12, 15])('T-R10 framing: a GCM tag cut to %d bytes is refused', (kept) => {
  const { alice, bob } = pair();
  const short = forgedBy(alice);
  expectRefused(bob, short.subarray(0, short.length - 16 + kept), 'MALFORMED');
  // Long enough that the size alone is no reason.
  const long = forgedBy(alice, { content: contentOf('x'.repeat(500)) });
  expectRefused(bob, long.subarray(0, long.length - 16 + kept), 'BAD_CIPHERTEXT');
  hear(bob, long);
});

test.each([1, 15, 16, 17, 256])('T-R10 framing: %d bytes more are refused', (extra) => {
  const { alice, bob } = pair();
  const wire = forgedBy(alice);
  const added = new Uint8Array(extra);
  expectRefused(bob, concatBytes(wire, added), 'BAD_CIPHERTEXT');
  const inFront = concatBytes(wire.subarray(0, PREFIX), added, wire.subarray(PREFIX));
  expectRefused(bob, inFront, 'BAD_CIPHERTEXT');
  expectRefused(bob, concatBytes(added, wire), 'MALFORMED');
});

test('T-R10 framing: a message that ends anywhere else is refused', () => {
  const { alice, bob } = pair();
  const wire = forgedBy(alice, { content: contentOf('x'.repeat(300)) });
  for (let length = 0; length < wire.length; length++) {
    const code = codeOf(tryHear(bob, wire.subarray(0, length)));
    expect(code).toBe(length < PREFIX + 256 + 16 ? 'MALFORMED' : 'BAD_CIPHERTEXT');
  }
  hear(bob, wire);
});

test('T-R10 framing: an authentic plaintext without content is refused', () => {
  const { alice, bob } = pair();
  expectRefused(bob, forgedBy(alice, { inner: new Uint8Array(0) }), 'BAD_CONTENT');
  expectRefused(bob, forgedBy(alice, { inner: new Uint8Array(63) }), 'BAD_CONTENT');
  expectRefused(bob, forgedBy(alice, { inner: new Uint8Array(64) }), 'BAD_SIGNATURE');
  const inner = signedInner(alice, new Uint8Array(0));
  expectRefused(bob, forgedBy(alice, { inner }), 'BAD_CONTENT');
});

test('T-R10 framing: an authentic ciphertext of nothing is refused by its size', () => {
  const { alice, bob } = pair();
  expectRefused(bob, forgedBy(alice, { plaintext: new Uint8Array(0) }), 'MALFORMED');
  expectRefused(bob, forgedBy(alice, { plaintext: new Uint8Array(255) }), 'MALFORMED');
});

test.each([
  ['one byte under its bucket', (padded: Uint8Array) => padded.subarray(0, -1)],
  ['one byte over its bucket', (padded: Uint8Array) => concatBytes(padded, new Uint8Array(1))],
  ['the next bucket', (padded: Uint8Array) => concatBytes(padded, new Uint8Array(32))],
  ['no padding', (padded: Uint8Array) => padded.subarray(0, 4 + 484)],
])('T-R10 framing: an authentic plaintext of %s is BAD_PADDING', (_, change) => {
  const { alice, bob } = pair();
  const inner = signedInner(alice, contentOf('x'.repeat(304)));
  expect(inner).toHaveLength(484);
  const padded = pad(inner);
  expect(padded).toHaveLength(496);
  expectRefused(bob, forgedBy(alice, { plaintext: change(padded) }), 'BAD_PADDING');
  hear(bob, forgedBy(alice, { plaintext: padded }));
});

test('T-R10 framing: every bit of authentic padding that is not zero is BAD_PADDING', () => {
  const { alice, bob } = pair();
  const inner = signedInner(alice, contentOf('short'));
  const padded = pad(inner);
  for (let bit = 8 * (4 + inner.length); bit < 8 * padded.length; bit++) {
    const plaintext = flipBit(padded, bit);
    expect(codeOf(tryHear(bob, forgedBy(alice, { plaintext })))).toBe('BAD_PADDING');
  }
  hear(bob, forgedBy(alice, { plaintext: padded }));
});

test.each([0, 1, 63, 252, 253, 0xffff_ffff])(
  'T-R10 framing: an authentic length field of %d that lies is refused',
  (length) => {
    const { alice, bob } = pair();
    const inner = signedInner(alice, contentOf('short'));
    const plaintext = concatBytes(u32(length), pad(inner).subarray(4));
    const codes = ['BAD_PADDING', 'BAD_CONTENT', 'BAD_SIGNATURE'] as const;
    expectRefused(bob, forgedBy(alice, { plaintext }), codes);
  },
);

test('T-R10 framing: a signed content with one byte too many or too few is BAD_CONTENT', () => {
  const { alice, bob } = pair();
  const content = contentOf('short');
  const byte = new Uint8Array(1);
  for (const wrong of [concatBytes(content, byte), content.subarray(0, -1), byte]) {
    expectRefused(bob, forgedBy(alice, { content: wrong }), 'BAD_CONTENT');
  }
});

test.each([
  ['version', 0, 1],
  ['version', 0, 3],
  ['type', 1, 0],
  ['type', 1, 3],
  ['suite', 2, 1],
  ['suite', 3, 0],
  ['suite', 3, 2],
])('T-R10 framing: an authentic header with another %s (byte %d = %d) is MALFORMED', (...args) => {
  const [, at, value] = args;
  const { alice, bob } = pair();
  const header = (bytes: Uint8Array) => bytes.fill(value, at, at + 1);
  expectRefused(bob, forgedBy(alice, { header }), 'MALFORMED');
});

test('T-R10 framing: an envelope of 1 MiB is read, one byte more is MALFORMED', () => {
  const { alice, bob } = pair();
  const largest = new Uint8Array(LIMITS.envelopeBytes);
  largest.set(forgedBy(alice).subarray(0, PREFIX));
  expectRefused(bob, largest, 'BAD_CIPHERTEXT');
  expectRefused(bob, concatBytes(largest, new Uint8Array(1)), 'MALFORMED');
});

/** Alice's chain, whose tag a re-typed message gets again. */
function underKeyOf({ session }: Side) {
  const { headerKey } = session.sending;
  return { headerKey, sender: session.ours, recipient: session.theirs.aid };
}

test('T-R10 framing: a later message under the type of a first one is refused', () => {
  const { alice, bob } = pair();
  const wire = forgedBy(alice, { content: contentOf('x'.repeat(2000)) });
  const asFirst = new Uint8Array(wire).fill(1, 1, 2);
  // What a first message carries there is ciphertext here: any block, but not one of Alice's keys.
  asFirst.set([0, 0, 0, 1, 0, 0, 0, 1], HEADER);
  expect(parseMessage(asFirst).type).toBe('initial');
  expectRefused(bob, retag(asFirst, HEADER + 1196, underKeyOf(alice)), 'SENDER_MISMATCH');
  hear(bob, wire);
});

test('T-R10 framing: a first message under the type of a later one is refused', () => {
  const alice = initiate(makeAgent('alice'), makeAgent('bob'));
  const { side: bob } = hearFirst(alice.peer, alice.me, say(alice, 'hello'));
  const wire = forgedBy(alice);
  const asLater = new Uint8Array(wire).fill(2, 1, 2);
  expectRefused(bob, asLater, 'BAD_HEADER');
  expectRefused(bob, retag(asLater, HEADER, underKeyOf(alice)), 'BAD_CIPHERTEXT');
  hear(bob, wire);
});
