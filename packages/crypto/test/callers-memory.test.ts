/**
 * What a caller does with its own buffers after a call reaches no key, record, session or message.
 */
import { Buffer } from 'node:buffer';
import { beforeAll, describe, expect, test } from '@jest/globals';
import {
  AgentKeyPair,
  createPrekey,
  decodePrekeyPair,
  decodeSession,
  encodePrekeyPair,
  encodeSession,
  HubKeyPair,
  importHubKey,
  importIdentity,
  parseIdentityRecord,
  parsePrekeyRecord,
  ready,
  Secret,
  verifyBundle,
} from '../src/index.js';
import { parseMessage } from '../src/wire.js';
import { freezeDeep } from './frozen.js';
import {
  bundleOf,
  DAY,
  hearFirst,
  HUB_ID,
  initiate,
  makeAgent,
  NOW,
  say,
  tryHear,
  tryHearFirst,
} from './two-agents.js';

beforeAll(ready);

/** A Buffer over a pool, as sockets and files give them: its `slice` does not copy. */
function pooled(bytes: Uint8Array): Buffer {
  const pool = Buffer.alloc(bytes.length + 64, 0xee);
  pool.set(bytes, 32);
  return pool.subarray(32, 32 + bytes.length);
}

/** Makes a value from buffers, overwrites those buffers, and says what changed in the value. */
function changesAfterReuse(parts: readonly Uint8Array[], make: (...copies: Buffer[]) => unknown) {
  const buffers = parts.map(pooled);
  const check = freezeDeep(make(...buffers));
  for (const buffer of buffers) buffer.fill(0);
  return check();
}

describe('overwriting an input leaves', () => {
  const bob = () => makeAgent('bob');

  test('an imported identity and an imported hub key as they were', () => {
    const { signing, dh } = bob().keyPair.identity;
    expect(changesAfterReuse([signing, dh], (s, d) => importIdentity(s, d))).toEqual([]);
    expect(changesAfterReuse([signing], (s) => [importHubKey(s)])).toEqual([]);
  });

  test('key pairs of agents and hubs as they were', () => {
    const { signingSeed, dhScalar } = bob().keyPair.exportSecrets();
    const seeds = [pooled(signingSeed), pooled(dhScalar), pooled(signingSeed)] as const;
    const agent = AgentKeyPair.fromSecrets({ signingSeed: seeds[0], dhScalar: seeds[1] });
    const hub = HubKeyPair.fromSeed(seeds[2]);
    for (const seed of seeds) seed.fill(0);
    expect(agent.exportSecrets()).toEqual({ signingSeed, dhScalar });
    expect(hub.exportSeed()).toEqual(signingSeed);
  });

  test('records, prekeys and verified bundles as they were', () => {
    const { record, signed, oneTime, keyPair } = bob();
    const owner = keyPair.identity;
    const bundle = bundleOf(bob());
    expect(changesAfterReuse([record], (r) => parseIdentityRecord(r))).toEqual([]);
    expect(changesAfterReuse([signed.record.bytes], (r) => parsePrekeyRecord(r, owner))).toEqual(
      [],
    );
    expect(
      changesAfterReuse([encodePrekeyPair(oneTime)], (stored) => decodePrekeyPair(stored, owner)),
    ).toEqual([]);
    expect(
      changesAfterReuse([bundle.record, signed.record.bytes, oneTime.record.bytes], (r, s, o) =>
        verifyBundle(
          { record: r, signed: s, oneTime: o },
          { name: 'bob', hubId: HUB_ID, nowMs: NOW },
        ),
      ),
    ).toEqual([]);
  });

  test('sessions and contents as they were', () => {
    const alice = makeAgent('alice');
    const wire = say(initiate(alice, bob()), 'hello');
    expect(changesAfterReuse([wire], (w) => tryHearFirst(bob(), w))).toEqual([]);
    const { side } = hearFirst(bob(), alice, wire);
    expect(changesAfterReuse([encodeSession(side.session)], (s) => decodeSession(s))).toEqual([]);
    const later = initiate(alice, bob());
    const other = hearFirst(bob(), alice, say(later, 'one')).side;
    const second = say(later, 'two');
    expect(changesAfterReuse([second], (w) => tryHear(other, w))).toEqual([]);
  });

  test('header and tag of a parsed message as they were; its ciphertext is a view', () => {
    const wire = say(initiate(makeAgent('alice'), bob()), 'hello');
    const changes = changesAfterReuse([wire], (w) => parseMessage(w));
    expect(changes).toEqual(['.ciphertext']);
  });

  test('keys drawn from a random source that reuses one buffer as they were', () => {
    const scratch = new Uint8Array(64);
    let draw = 0;
    const random = (length: number) => scratch.subarray(0, length).fill((draw += 1));
    const times = { createdMs: NOW, expiresMs: NOW + DAY };
    const { keyPair } = bob();
    const pair = createPrekey({ keyPair, kind: 'signed', id: 1, ...times, random });
    expect(pair.dh.scalar.reveal()).toEqual(new Uint8Array(32).fill(1));
    expect(pair.kem.seed.reveal()).toEqual(new Uint8Array(64).fill(2));
    const agent = AgentKeyPair.generate(random);
    expect(agent.exportSecrets().signingSeed).toEqual(new Uint8Array(32).fill(3));
  });
});

test('overwriting what a secret reveals leaves the secret as it was', () => {
  const side = initiate(makeAgent('alice'), makeAgent('bob'));
  const before = encodeSession(side.session);
  side.session.rootKey.reveal().fill(0);
  side.session.sending.chainKey.reveal().fill(0);
  expect(encodeSession(side.session)).toEqual(before);
  const bytes = Uint8Array.of(1, 2, 3);
  const secret = new Secret('root key', bytes);
  bytes.fill(0);
  expect(secret.reveal()).toEqual(Uint8Array.of(1, 2, 3));
});

test('an opened message carries its documented fields only, and no state that has been left', () => {
  const alice = initiate(makeAgent('alice'), makeAgent('bob'));
  const { side: bob, opened } = hearFirst(alice.peer, alice.me, say(alice, 'hello'));
  const fields = [
    'content',
    'contentBytes',
    'droppedKeys',
    'ok',
    'proof',
    'session',
    'skippedOver',
  ];
  const ofFirst = [...fields, 'oneTimePrekeyId', 'peer', 'signedPrekeyId'];
  expect(Object.keys(opened).toSorted()).toEqual(ofFirst.toSorted());
  expect(Object.keys(tryHear(alice, say(bob, 'hello back'))).toSorted()).toEqual(fields);
});
