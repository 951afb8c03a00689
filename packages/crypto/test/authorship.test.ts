/**
 * Whoever holds everything but the sender's identity key cannot write as the sender: not with the
 * recipient's keys, not with the sender's session, not with words the sender wrote to another.
 */
import { beforeAll, describe, expect, test } from '@jest/globals';
import { concatBytes } from '../src/bytes.js';
import { decodeSession, encodeSession, parseMessage, ready } from '../src/index.js';
import type { AgentKeyPair, EstablishedSession } from '../src/index.js';
import { signMessage } from '../src/message-signature.js';
import { dhKeyPair } from '../src/x25519.js';
import { associatedData } from '../src/wire.js';
import { dh } from '../src/x25519.js';
import { forge } from './forgery.js';
import { codeOf, expectRefused, withCode } from './refusal.js';
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
  tryHearFirst,
} from './two-agents.js';
import type { Side, TestAgent } from './two-agents.js';

beforeAll(ready);

const pair = () => established(makeAgent('alice'), makeAgent('bob'));
const charlie = () => makeAgent('charlie');

/**
 * Somebody with all private keys of `victim` begins a session with him as `claimed`: of IKd only
 * the product with the victim's signed prekey is needed, and that his own private half gives too.
 */
function impersonate(claimed: TestAgent, victim: TestAgent): Side {
  const { identity } = claimed.keyPair;
  const withVictimsKeys = {
    identity,
    dh: () => dh(victim.signed.dh.scalar, identity.dh),
  };
  return initiate({ ...claimed, keyPair: withVictimsKeys as unknown as AgentKeyPair }, victim);
}

/** The author's signature inside a message: Ed25519 is deterministic, so it can be made again. */
function signatureInside(side: Side, wire: Uint8Array, content: Uint8Array): Uint8Array {
  const { ours, theirs } = side.session;
  const ad = associatedData(ours, theirs.aid, parseMessage(wire).header);
  return signMessage(side.me.keyPair, ad, content);
}

describe('with all private keys of the recipient', () => {
  test('T-H9 KCI: a first message as Alice is BAD_SIGNATURE, whoever signs it', () => {
    const [alice, bob] = [makeAgent('alice'), makeAgent('bob')];
    const { session } = impersonate(alice, bob);
    for (const signer of [undefined, bob.keyPair, charlie().keyPair]) {
      expect(codeOf(tryHearFirst(bob, forge({ session, signer })))).toBe('BAD_SIGNATURE');
    }
    // All but the signature was right.
    const opened = tryHearFirst(bob, forge({ session, signer: alice.keyPair }));
    expect(opened.ok && opened.peer.aid).toEqual(alice.keyPair.identity.aid);
  });

  test("T-H9 KCI: with the recipient's session, a message as Alice on her own chain is BAD_SIGNATURE", () => {
    const { alice, bob } = pair();
    hear(bob, say(alice, 'first of the chain'));
    const stolen = bob.session as EstablishedSession;
    // Bob's receiving chain is all that a sending chain of Alice consists of.
    const asAlice = {
      ...alice.session,
      ratchet: { ...dhKeyPair(new Uint8Array(32)), publicKey: stolen.receiving.ratchetKey },
      sending: { ...stolen.receiving, direction: 'send' as const },
    };
    expectRefused(bob, forge({ session: asAlice }), 'BAD_SIGNATURE');
    expectRefused(bob, forge({ session: asAlice, signer: bob.me.keyPair }), 'BAD_SIGNATURE');
    expect(tryHear(bob, forge({ session: asAlice, signer: alice.me.keyPair })).ok).toBe(true);
    expect(textOf(hear(bob, say(alice, 'genuine')))).toBe('genuine');
  });
});

describe("with the sender's session, without his identity key", () => {
  const stolenFrom = (side: Side) => decodeSession(encodeSession(side.session));

  test('T-S4 stolen-state-inject: BAD_SIGNATURE, and the genuine chain goes on', () => {
    const { alice, bob } = pair();
    hear(bob, say(alice, 'before the theft'));
    const session = stolenFrom(alice);
    for (const signer of [undefined, charlie().keyPair, bob.me.keyPair]) {
      for (const ahead of [0, 1, 100]) {
        const number = session.sending.next + ahead;
        expectRefused(bob, forge({ session, signer, number }), 'BAD_SIGNATURE');
      }
    }
    expect(textOf(hear(bob, say(alice, 'after it')))).toBe('after it');
    expect(textOf(hear(alice, say(bob, 'and back')))).toBe('and back');
  });

  test('T-S4 stolen-state-inject: a ratchet key of the thief is BAD_SIGNATURE, and turns nothing', () => {
    const { alice, bob } = pair();
    const thief: Side = { me: alice.me, peer: alice.peer, session: stolenFrom(alice) };
    const answer = say(bob, 'turn');
    // The thief hears what Alice hears, so he has a turn of his own that Bob would follow.
    hear(thief, answer);
    hear(alice, answer);
    const forged = forge({ session: thief.session, signer: charlie().keyPair });
    expectRefused(bob, forged, 'BAD_SIGNATURE');
    expect(textOf(hear(bob, say(alice, 'genuine')))).toBe('genuine');
  });

  test('T-S4 stolen-state-inject: an unfinished session, stolen, begins nothing at the other side', () => {
    const alice = initiate(makeAgent('alice'), makeAgent('bob'));
    const session = stolenFrom(alice);
    const forged = forge({ session, signer: charlie().keyPair });
    expect(codeOf(tryHearFirst(alice.peer, forged))).toBe('BAD_SIGNATURE');
    hearFirst(alice.peer, alice.me, say(alice, 'genuine'));
  });

  test('T-S4 stolen-state-inject: the package itself seals only with the key pair of the session', () => {
    const { alice } = pair();
    const thief: Side = { me: charlie(), peer: alice.peer, session: stolenFrom(alice) };
    expect(() => say(thief, 'as alice')).toThrow(withCode('INVALID_ARGUMENT'));
  });
});

describe('with words that Alice signed for Bob', () => {
  test('T-K7 surreptitious-forward: Bob sends them on to Carol, in his session: BAD_SIGNATURE', () => {
    const { alice, bob } = pair();
    const content = contentOf('I owe you 100', { toName: 'bob' });
    const wire = forge({ session: alice.session, signer: alice.me.keyPair, content });
    const inner = concatBytes(content, signatureInside(alice, wire, content));
    expect(textOf(hear(bob, wire))).toBe('I owe you 100');
    const carol = makeAgent('carol');
    const { session } = initiate(bob.me, carol);
    expect(codeOf(tryHearFirst(carol, forge({ session, inner })))).toBe('BAD_SIGNATURE');
  });

  test("T-K7 surreptitious-forward: as Alice, with all of Carol's keys: BAD_SIGNATURE", () => {
    const { alice } = pair();
    const carol = makeAgent('carol');
    const content = contentOf('I owe you 100', { toName: 'carol' });
    const wire = forge({ session: alice.session, signer: alice.me.keyPair, content });
    const inner = concatBytes(content, signatureInside(alice, wire, content));
    const { session } = impersonate(alice.me, carol);
    expect(codeOf(tryHearFirst(carol, forge({ session, inner })))).toBe('BAD_SIGNATURE');
    const genuine = forge({ session, content, signer: alice.me.keyPair });
    expect(tryHearFirst(carol, genuine).ok).toBe(true);
  });

  test('T-K7 surreptitious-forward: in another message of the same session: BAD_SIGNATURE', () => {
    const { alice, bob } = pair();
    const content = contentOf('pay 100 once');
    const wire = forge({ session: alice.session, signer: alice.me.keyPair, content });
    const inner = concatBytes(content, signatureInside(alice, wire, content));
    hear(bob, wire);
    const { session } = alice;
    const number = session.sending.next + 1;
    expectRefused(bob, forge({ session, inner, number }), 'BAD_SIGNATURE');
  });
});

describe('every part of what is signed', () => {
  test.each(['sender', 'recipient'] as const)('the %s is covered', (party) => {
    const { alice, bob } = pair();
    const { session, me } = alice;
    const content = contentOf('signed');
    const wire = forge({ session, signer: me.keyPair, content });
    const other = charlie().keyPair.identity.aid;
    const parties = { sender: session.ours, recipient: session.theirs.aid, [party]: other };
    const { header } = parseMessage(wire);
    const signedData = associatedData(parties.sender, parties.recipient, header);
    const forged = forge({ session, signer: me.keyPair, content, signedData });
    expectRefused(bob, forged, 'BAD_SIGNATURE');
  });

  test('every byte of the header is covered', () => {
    const { alice, bob } = pair();
    const { session, me } = alice;
    const { header } = parseMessage(forge({ session, signer: me.keyPair }));
    for (let at = 0; at < header.length; at++) {
      const other = new Uint8Array(header);
      other[at] = (other[at] ?? 0) ^ 1;
      const signedData = associatedData(session.ours, session.theirs.aid, other);
      const forged = forge({ session, signer: me.keyPair, signedData });
      expect(codeOf(tryHear(bob, forged))).toBe('BAD_SIGNATURE');
    }
    hear(bob, forge({ session, signer: me.keyPair }));
  });

  test('every byte of the content and of the signature is covered', () => {
    const { alice, bob } = pair();
    const { session, me } = alice;
    const content = contentOf('signed');
    const wire = forge({ session, signer: me.keyPair, content });
    const inner = concatBytes(content, signatureInside(alice, wire, content));
    for (let at = 0; at < inner.length; at++) {
      const other = new Uint8Array(inner);
      other[at] = (other[at] ?? 0) ^ 1;
      expect(codeOf(tryHear(bob, forge({ session, inner: other })))).toBe('BAD_SIGNATURE');
    }
    hear(bob, forge({ session, inner }));
  });
});
