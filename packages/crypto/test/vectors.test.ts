import { beforeAll, describe, expect, jest, test } from '@jest/globals';
import vectors from '../vectors/agentmesh-2.json' with { type: 'json' };
import type * as Crypto from '../src/index.js';
import type { CryptoSession, PeerBundle, PrekeyPair } from '../src/index.js';
import { vectorRandom } from './vector-random.js';

const NOW = 1_767_225_600_001;
const DAY = 86_400_000;
const HUB_ID = new Uint8Array(32).fill(0x48);
const hex = (bytes: Uint8Array) => Buffer.from(bytes).toString('hex');
const bytes = (text: string) => new Uint8Array(Buffer.from(text, 'hex'));

type Implementation = 'node' | 'browser';

/** The package over one set of primitives; Node's is what the import conditions choose here. */
async function load(name: Implementation) {
  jest.resetModules();
  if (name === 'browser') {
    // Loaded before they stand in: Node 22 cannot import them from within the factory.
    const hash = await import('../src/hash/noble.js');
    const symmetric = await import('../src/symmetric/noble.js');
    const ed25519 = await import('../src/ed25519/sodium.js');
    const x25519 = await import('../src/x25519/sodium.js');
    jest.unstable_mockModule('#hash', () => hash);
    jest.unstable_mockModule('#symmetric', () => symmetric);
    jest.unstable_mockModule('#ed25519', () => ed25519);
    jest.unstable_mockModule('#x25519', () => x25519);
  }
  const crypto = await import('../src/index.js');
  const { initiateHandshake } = await import('../src/handshake.js');
  await crypto.ready();
  return { ...crypto, initiateHandshake };
}

type Loaded = typeof Crypto & Pick<typeof import('../src/handshake.js'), 'initiateHandshake'>;

/** Makes everything of the vector file in the order of its draws. */
function reproduce(crypto: Loaded) {
  const random = vectorRandom();
  const alice = crypto.AgentKeyPair.generate(random);
  const bob = crypto.AgentKeyPair.generate(random);
  const prekey = (kind: 'signed' | 'one-time', id: number) =>
    crypto.createPrekey({
      keyPair: bob,
      kind,
      id,
      createdMs: NOW - 1,
      expiresMs: NOW - 1 + 14 * DAY,
      random,
    });
  const signed = prekey('signed', 1);
  const oneTime = prekey('one-time', 7);
  const record = crypto.createIdentityRecord({
    keyPair: bob,
    name: 'bob',
    hubId: HUB_ID,
    createdMs: NOW - 1,
    validUntilMs: NOW - 1 + 89 * DAY,
    revision: 1,
  });
  return { random, alice, bob, signed, oneTime, record };
}

function bundleOf(crypto: Loaded, made: ReturnType<typeof reproduce>): PeerBundle {
  const { record, signed, oneTime } = made;
  return crypto.verifyBundle(
    { record, signed: signed.record.bytes, oneTime: oneTime.record.bytes },
    { name: 'bob', hubId: HUB_ID, nowMs: NOW },
  );
}

describe.each(['node', 'browser'] as const)(
  'agentmesh-2.json with the primitives of a %s',
  (name) => {
    let crypto: Loaded;
    beforeAll(async () => {
      crypto = await load(name);
    });

    test('identities, addresses, fingerprints and the safety number are the published ones', () => {
      const { alice, bob } = reproduce(crypto);
      for (const [keyPair, expected] of [
        [alice, vectors.alice],
        [bob, vectors.bob],
      ] as const) {
        const { signingSeed, dhScalar } = keyPair.exportSecrets();
        expect({
          IKs_sk: hex(signingSeed),
          IKs: hex(keyPair.identity.signing),
          IKd_sk: hex(dhScalar),
          IKd: hex(keyPair.identity.dh),
          aid: hex(keyPair.identity.aid),
          aidText: keyPair.address,
          fingerprint: keyPair.fingerprint,
        }).toEqual(expected);
        expect(hex(crypto.aidOfAddress(expected.aidText))).toBe(expected.aid);
      }
      const { aid: a } = alice.identity;
      const { aid: b } = bob.identity;
      expect(crypto.safetyNumber(a, b)).toBe(vectors.safety);
      expect(crypto.safetyNumber(b, a)).toBe(vectors.safety);
    });

    test('identity record and prekeys are the published bytes', () => {
      const made = reproduce(crypto);
      expect(hex(made.record)).toBe(vectors.bobIdentityRecord);
      expect(hex(made.signed.record.bytes)).toBe(vectors.bobSPK.record);
      expect(hex(made.oneTime.record.bytes)).toBe(vectors.bobOPK.record);
      expect(hex(made.signed.dh.scalar.reveal())).toBe(vectors.bobSPK.x_sk);
      expect(hex(made.oneTime.dh.scalar.reveal())).toBe(vectors.bobOPK.x_sk);
    });

    test('the handshake gives the published sid, root key and chain keys', () => {
      const made = reproduce(crypto);
      const session = crypto.performKeyExchange({
        keyPair: made.alice,
        bundle: bundleOf(crypto, made),
        generation: 1,
        random: made.random,
      });
      expect({
        sid: hex(session.sid),
        RK: hex(session.rootKey.reveal()),
        CKs: hex(session.sending.chainKey.reveal()),
        HMs: hex(session.sending.headerKey.reveal()),
      }).toEqual({
        sid: vectors.handshake.sid,
        RK: vectors.handshake.RK,
        CKs: vectors.handshake.CKs,
        HMs: vectors.handshake.HMs,
      });
    });

    test('four messages are the published bytes in both directions, and open again', () => {
      const made = reproduce(crypto);
      const { final } = exchange(crypto, made);
      const last = crypto.performKeyExchange({
        keyPair: made.alice,
        bundle: { ...bundleOf(crypto, made), oneTime: null },
        generation: 2,
        random: made.random,
      });
      expect(hex(last.sid)).toBe(vectors.handshakeNoOPK.sid);
      expect(final.alice.phase).toBe('established');
      expect(final.bob.phase).toBe('established');
    });

    test('every message, split at any byte, is refused', () => {
      const made = reproduce(crypto);
      const { wires } = exchange(crypto, made);
      for (const wire of wires) {
        const message = crypto.parseMessage(wire);
        const least = message.header.length + 16 + 256 + 16;
        for (let length = 0; length < least; length++) {
          expect(() => crypto.parseMessage(wire.subarray(0, length))).toThrow(
            expect.objectContaining({ code: 'MALFORMED' }),
          );
        }
      }
    });

    test('the hub authentication transcript and client signature are the published bytes', () => {
      const { alice } = reproduce(crypto);
      const published = bytes(vectors.hubAuth.clientTranscript);
      const at = (from: number, length: number) => published.slice(from, from + length);
      const transcript = {
        role: 'client',
        channelBindingType: 1,
        channelBinding: at(23, 32),
        hubKey: at(55, 32),
        serverNonce: at(87, 32),
        clientNonce: at(119, 32),
        aid: alice.identity.aid,
        name: 'alice',
        instance: at(189, 16),
        boot: 1,
      } as const;
      expect(hex(crypto.hubAuthBytes(transcript))).toBe(vectors.hubAuth.clientTranscript);
      const signature = alice.sign(crypto.hubAuthBytes(transcript));
      expect(hex(signature)).toBe(vectors.hubAuth.clientSignature);
      expect(crypto.verifyHubAuth(transcript, signature, alice.identity.signing)).toBe(true);
      const asHub = { ...transcript, role: 'hub' } as const;
      expect(crypto.verifyHubAuth(asHub, signature, alice.identity.signing)).toBe(false);
    });
  },
);

/** Runs the four messages of the file and checks every byte on the way. */
function exchange(crypto: Loaded, made: ReturnType<typeof reproduce>) {
  const { random, alice, bob } = made;
  let ofAlice: CryptoSession = crypto.performKeyExchange({
    keyPair: alice,
    bundle: bundleOf(crypto, made),
    generation: 1,
    random,
  });
  let ofBob: CryptoSession | null = null;
  const wires = vectors.messages.map((message) => {
    const content = bytes(message.content);
    const toBob = message.dir === 'a->b';
    const session = toBob ? ofAlice : ofBob;
    if (session === null) throw new Error('bob has no session before the first message');
    const sealed = crypto.seal({ session, keyPair: toBob ? alice : bob, content, random });
    expect(hex(sealed.wire)).toBe(message.wire);
    if (toBob) ofAlice = sealed.session;
    else ofBob = sealed.session;
    const receiver = toBob ? ofBob : ofAlice;
    const opened =
      receiver === null
        ? openFirst(crypto, made, sealed.wire)
        : crypto.unseal({ session: receiver, wire: sealed.wire, nowMs: NOW, random });
    if (!opened.ok) throw opened.error;
    expect(hex(opened.contentBytes)).toBe(message.content);
    expect(hex(crypto.encodeContent(opened.content))).toBe(message.content);
    const stored = crypto.decodeSession(crypto.encodeSession(opened.session));
    if (toBob) ofBob = stored;
    else ofAlice = stored;
    return sealed.wire;
  });
  if (ofBob === null) throw new Error('the file has no message to bob');
  return { wires, final: { alice: ofAlice, bob: ofBob as CryptoSession } };
}

function openFirst(crypto: Loaded, made: ReturnType<typeof reproduce>, wire: Uint8Array) {
  const byId = (pair: PrekeyPair) => (id: number) => (id === pair.record.id ? pair : null);
  return crypto.unsealInitial({
    keyPair: made.bob,
    wire,
    prekeys: { signed: byId(made.signed), oneTime: byId(made.oneTime) },
    isKnownSid: () => false,
    nowMs: NOW,
    random: made.random,
  });
}
