/**
 * Opening answers any bytes at all with a value: a message as it was sent, or a typed refusal that
 * has changed nothing. It never throws, and never takes damaged bytes for genuine ones.
 */
import { beforeAll, expect, test } from '@jest/globals';
import fc from 'fast-check';
import { encodeSession, ready } from '../src/index.js';
import type { CryptoErrorCode, Opened, Refused } from '../src/index.js';
import { forge } from './forgery.js';
import { freezeDeep } from './frozen.js';
import { anyMutation, mutate } from './mutation.js';
import { repeat } from './seed.js';
import {
  established,
  hear,
  hearFirst,
  initiate,
  makeAgent,
  say,
  tryHear,
  tryHearFirst,
} from './two-agents.js';
import type { Side } from './two-agents.js';

beforeAll(ready);

const CODES: readonly CryptoErrorCode[] = [
  'MALFORMED',
  'UNKNOWN_SESSION',
  'UNKNOWN_PREKEY',
  'SENDER_MISMATCH',
  'BAD_KEY',
  'BAD_SID',
  'BAD_HEADER',
  'DUPLICATE',
  'TOO_FAR',
  'BAD_CIPHERTEXT',
  'BAD_PADDING',
  'BAD_SIGNATURE',
  'BAD_CONTENT',
];

/** Sessions and messages of every kind, made once. */
function scene() {
  const { alice, bob } = established(makeAgent('alice'), makeAgent('bob'));
  const late = say(alice, 'late');
  hear(bob, say(alice, 'in time'));
  const current = say(alice, 'current chain');
  hear(alice, say(bob, 'turn'));
  const turning = say(alice, 'new ratchet key');
  const begun: Side = initiate(alice.me, bob.me);
  const first = say(begun, 'first');
  const again = say(begun, 'first again');
  const { side: fresh } = hearFirst(bob.me, alice.me, first);
  return { alice, bob, fresh, first, wires: [late, current, turning], again };
}

function expectSound(answer: Opened | Refused, isGenuine: boolean): void {
  const allowed = isGenuine ? ['opened', ...CODES] : CODES;
  expect(allowed).toContain(answer.ok ? 'opened' : answer.error.code);
}

const same = (a: Uint8Array, b: Uint8Array) => Buffer.compare(a, b) === 0;
const { title, parameters } = repeat(3000);

test(`a damaged message is refused by every side, with a value (${title})`, () => {
  const { bob, fresh, first, wires, again } = scene();
  const all = [...wires, first, again];
  const changes = freezeDeep([bob.session, fresh.session, bob.me]);
  const property = fc.property(fc.constantFrom(...all), anyMutation, (wire, mutation) => {
    const damaged = mutate(wire, mutation);
    expectSound(
      tryHear(bob, damaged),
      wires.some((genuine) => same(genuine, damaged)),
    );
    expectSound(tryHear(fresh, damaged), same(again, damaged));
    expectSound(tryHearFirst(bob.me, damaged), same(first, damaged) || same(again, damaged));
  });
  fc.assert(property, parameters);
  expect(changes()).toEqual([]);
}, 60_000);

test(`arbitrary bytes behind a genuine beginning are refused (${title})`, () => {
  const { bob, fresh, first, wires, again } = scene();
  const before = [bob, fresh].map(({ session }) => encodeSession(session));
  const bytes = fc.uint8Array({ maxLength: 600 });
  const property = fc.property(
    fc.constantFrom(...wires, first, again),
    fc.nat(1600),
    bytes,
    (wire, kept, rest) => {
      const garbage = new Uint8Array([...wire.subarray(0, kept), ...rest]);
      const isGenuine = [...wires, first, again].some((genuine) => same(genuine, garbage));
      for (const side of [bob, fresh]) expectSound(tryHear(side, garbage), isGenuine);
      expectSound(tryHearFirst(bob.me, garbage), isGenuine);
    },
  );
  fc.assert(property, parameters);
  expect([bob, fresh].map(({ session }) => encodeSession(session))).toEqual(before);
}, 60_000);

const signed = repeat(1000);

test(`bytes that are no content are refused, though a peer signed and sealed them (${signed.title})`, () => {
  const { alice, bob } = scene();
  const { session, me } = alice;
  const property = fc.property(fc.uint8Array({ maxLength: 400 }), fc.boolean(), (bytes, whole) => {
    // Either any plaintext at all, or any content under a good signature and padding.
    const part = whole ? { plaintext: bytes } : { content: bytes };
    const answer = tryHear(bob, forge({ session, signer: me.keyPair, ...part }));
    expectSound(answer, false);
  });
  fc.assert(property, signed.parameters);
}, 60_000);
