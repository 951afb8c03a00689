/**
 * What stands at the doors: names, options, payloads, peers, envelopes, policies. Bad input is a
 * typed error that says what to do, and changes nothing.
 */
import { describe, expect, test } from '@jest/globals';
import { fingerprintOf } from '@agentmesh/crypto';
import { Agent } from '../src/index.js';
import type { AgentOptions, SealedEnvelope } from '../src/index.js';
import { flipped } from './forger.js';
import { introducedPair, PAIR_MS } from './pair.js';
import { World } from './world.js';

describe('Agent.create', () => {
  test.each(['', 'Alice', 'alice smith', '-a', 'a'.repeat(65), 'älice', 'a/b', 7, null])(
    'refuses the name %p',
    async (name) => {
      await expect(Agent.create(name as string)).rejects.toMatchObject({
        code: 'BAD_OPTION',
        message: expect.stringContaining('1 to 64 characters'),
      });
    },
  );

  test('refuses a name that is shaped like an address', async () => {
    const { address } = await Agent.create('alice', { logLevel: 'silent' });
    await expect(Agent.create(address)).rejects.toMatchObject({ code: 'BAD_OPTION' });
  });

  const wrong: readonly [object | null, string][] = [
    [{ hubs: null }, 'hubs is not an option'],
    [{ keypair_path: 'x' }, 'keypair_path is not an option'],
    [{ hub: 'localhost' }, 'hub: a hub'],
    [{ store: {} }, 'store: an AgentStore'],
    [{ keyPair: {} }, 'keyPair: an AgentKeyPair'],
    [{ trust: 'blind' }, "'tofu' or 'strict'"],
    [{ allowList: ['bob'] }, 'not a name'],
    [{ allowList: 'bob' }, 'allowList: a list'],
    [{ acceptFrom: 'nobody' }, 'acceptFrom'],
    [{ acceptFrom: ['No One'] }, 'not a peer'],
    [{ logLevel: 'loud' }, 'logLevel'],
    [{ passphrase: 'secret' }, 'keypairPath'],
    [{ passphrase: '', keypairPath: 'x' }, 'passphrase'],
    [{ keypairPath: '' }, 'keypairPath: a path'],
    [{ requireOneTimePrekey: 'yes' }, 'true or false'],
    [null, 'an object'],
  ];
  test.each(wrong)('refuses the options %j', async (options, says) => {
    const made = Agent.create('alice', options as AgentOptions);
    await expect(made).rejects.toMatchObject({
      code: 'BAD_OPTION',
      message: expect.stringContaining(says),
    });
  });

  test('an option that is undefined is one that was left out', async () => {
    const agent = await Agent.create('alice', { hub: undefined, trust: undefined });
    expect(await agent.status()).toMatchObject({ connection: 'none' });
    await agent.close();
  });
});

describe('send', () => {
  class Custom {}
  const cyclic: Record<string, unknown> = {};
  cyclic['self'] = cyclic;
  const payloads: readonly [string, unknown][] = [
    ['undefined inside', { a: undefined }],
    ['a function', { f: () => 1 }],
    ['NaN', { n: Number.NaN }],
    ['a bigint', { n: 1n }],
    ['a date', { when: new Date(0) }],
    ['a class', new Custom()],
    ['an array', [1, 2]],
    ['null', null],
    ['a number', 7],
    ['a cycle', cyclic],
    ['a lone surrogate', { text: '\ud800' }],
    ['__proto__', JSON.parse('{"a":{"__proto__":1}}')],
    ['a reserved key', { $replyTo: 'x', text: 'y' }],
    ['another reserved key', { $x: 1 }],
  ];
  test.each(payloads)('refuses as payload: %s', async (_, payload) => {
    await using world = await World.create();
    const alice = await world.agent('alice');
    await world.agent('bob');
    const before = await alice.store.rows();
    for (const sending of [
      alice.agent.send('bob', payload as object),
      alice.agent.sendPayload('bob', payload as object),
    ]) {
      await expect(sending).rejects.toMatchObject({ code: 'BAD_PAYLOAD', retryable: false });
    }
    expect(await alice.store.rows()).toEqual(before);
    expect(world.hub.passed.sent).toEqual([]);
  });

  test('refuses what is too large, and sends what is just not', async () => {
    await using world = await World.create();
    const alice = await world.agent('alice');
    const bob = await world.agent('bob');
    const room = 1_000_000 - '{"type":"message","text":""}'.length;
    await expect(alice.agent.send('bob', 'x'.repeat(room + 1))).rejects.toMatchObject({
      code: 'TOO_LARGE',
    });
    await world.finish(alice.agent.send('bob', 'y'.repeat(room)));
    await world.rest();
    expect(bob.texts[0]).toHaveLength(room);
  });

  test('sends a payload as it is, with whatever keys lie deeper', async () => {
    await using world = await World.create();
    const alice = await world.agent('alice');
    const bob = await world.agent('bob');
    const payload = { nested: { $replyTo: 'mine' }, list: [1, null, true] };
    await world.finish(alice.agent.sendPayload('bob', payload));
    await world.finish(alice.agent.send('bob', { type: 'task', text: 't' }));
    await world.finish(alice.agent.send('bob', {}));
    await world.rest();
    expect(bob.messages.map((message) => message.payload)).toEqual([
      payload,
      { type: 'task', text: 't' },
      { type: 'message' },
    ]);
    expect(bob.messages.map(({ type, text, replyTo }) => [type, text, replyTo])).toEqual([
      ['message', '', null],
      ['task', 't', null],
      ['message', '', null],
    ]);
  });

  test.each(['Bob', 'bob#', 'bob#ec18', 'bob#x#y', '', 'bob smith', 7, null])(
    'refuses the peer %p',
    async (peer) => {
      await using world = await World.create();
      const alice = await world.agent('alice');
      await expect(alice.agent.send(peer as string, 'x')).rejects.toMatchObject({
        code: 'BAD_PEER',
      });
    },
  );
});

describe('policies', () => {
  test('strict: only who is proven by fingerprint, address or list', async () => {
    await using world = await World.create();
    const bob = await world.agent('bob');
    const carol = await world.agent('carol');
    const dave = await world.agent('dave');
    const strict = await world.agent('strict', {
      trust: 'strict',
      allowList: [`bob#${bob.agent.fingerprint}`],
    });
    await world.finish(bob.agent.send('strict', 'I am on the list'));
    await world.finish(carol.agent.send('strict', 'I am not'));
    await world.rest();
    expect(strict.texts).toEqual(['I am on the list']);
    expect(strict.messages[0]?.trust).toBe('verified');
    expect(strict.events.refused).toMatchObject([{ code: 'UNTRUSTED_PEER' }]);
    await expect(world.finish(strict.agent.send('carol', 'x'))).rejects.toMatchObject({
      code: 'UNTRUSTED_PEER',
    });
    await world.finish(strict.agent.send(`carol#${carol.agent.fingerprint}`, 'proven'));
    await world.finish(strict.agent.send(dave.agent.address, 'proven'));
    await world.rest();
    expect([carol.texts, dave.texts]).toEqual([['proven'], ['proven']]);
    const [first] = await strict.agent.peers();
    expect(first?.trust).toBe('verified');
    expect(strict.events.firstContact).toEqual([]);
  });

  test('strict: a peer with a new store is held until he is approved', async () => {
    await using world = await World.create();
    const bob = await world.agent('bob');
    const allowList = [`bob#${bob.agent.fingerprint}`];
    const strict = await world.agent('strict', { trust: 'strict', allowList });
    await world.finish(bob.agent.send('strict', 'first'));
    await world.rest();
    const again = await world.loseStore(bob);
    await world.finish(again.agent.send('strict', 'second'));
    await world.advance(200_000);
    expect(strict.texts).toEqual(['first']);
    expect(strict.events.peerInstanceChanged).toMatchObject([{ peer: 'bob', held: true }]);
    await strict.agent.trust('bob', bob.agent.fingerprint);
    await world.jump(3_600_000);
    await world.advance(10_000);
    expect(strict.texts).toEqual(['first', 'second']);
    await world.finish(strict.agent.send('bob', 'third'));
    await world.rest();
    expect(again.texts).toEqual(['third']);
  });

  test.each([
    ['known', []],
    [['carol'], ['carol']],
    ['anyone', ['bob', 'carol']],
  ] as const)('acceptFrom %j takes strangers %j', async (acceptFrom, names) => {
    await using world = await World.create();
    const picky = await world.agent('picky', { acceptFrom });
    for (const name of ['bob', 'carol']) {
      const stranger = await world.agent(name);
      await world.finish(stranger.agent.send('picky', name));
    }
    await world.rest();
    expect(picky.texts).toEqual(names);
    expect(picky.events.refused.every(({ code }) => code === 'NOT_ACCEPTED')).toBe(true);
    expect((await picky.agent.peers()).map(({ name }) => name).toSorted()).toEqual(names);
  });

  test('acceptFrom known hears whom the agent wrote to first', async () => {
    await using world = await World.create();
    const picky = await world.agent('picky', { acceptFrom: 'known' });
    const bob = await world.agent('bob');
    bob.agent.onMessage(async (message) => void (await message.reply('here I am')));
    await world.finish(picky.agent.send('bob', 'hello'));
    await world.rest();
    expect(picky.texts).toEqual(['here I am']);
  });

  test('trust marks a peer as compared, and a wrong fingerprint marks nobody', async () => {
    await using world = await World.create();
    const alice = await world.agent('alice');
    const bob = await world.agent('bob');
    await world.finish(alice.agent.connect('bob'));
    const { fingerprint } = bob.agent;
    for (const bad of [
      fingerprint.slice(0, -1),
      fingerprint.toUpperCase(),
      alice.agent.fingerprint,
    ]) {
      await expect(alice.agent.trust('bob', bad)).rejects.toMatchObject({
        code: 'BAD_FINGERPRINT',
      });
    }
    expect(await alice.agent.peers()).toMatchObject([{ trust: 'first-contact' }]);
    await alice.agent.trust('bob', fingerprint);
    expect(await alice.agent.peers()).toMatchObject([{ trust: 'verified' }]);
    await expect(alice.agent.trust('carol', fingerprint)).rejects.toMatchObject({
      code: 'UNKNOWN_PEER',
    });
    await expect(
      alice.agent.send(`bob#${fingerprintOf(new Uint8Array(32))}`, 'x'),
    ).rejects.toMatchObject({ code: 'BAD_FINGERPRINT' });
    await world.finish(bob.agent.connect('alice'));
    expect(await alice.agent.safetyNumber('bob')).toBe(await bob.agent.safetyNumber('alice'));
    await expect(alice.agent.safetyNumber('carol')).rejects.toMatchObject({ code: 'UNKNOWN_PEER' });
  });

  test('connect, listPeers and status tell what there is', async () => {
    await using world = await World.create();
    const alice = await world.agent('alice');
    await world.agent('bob');
    expect(await world.finish(alice.agent.connect('bob'))).toMatchObject({
      name: 'bob',
      trust: 'first-contact',
      contested: false,
      session: 'one-time',
    });
    expect(world.hub.passed.sent).toEqual([]);
    expect(await world.finish(alice.agent.listPeers())).toEqual(['alice', 'bob']);
    expect(await alice.agent.status()).toEqual({
      agentId: 'alice',
      fingerprint: alice.agent.fingerprint,
      activeSessions: ['bob'],
      knownPeers: ['bob'],
      activeSessionCount: 1,
      knownPeerCount: 1,
      handlers: 1,
      connection: 'online',
      outbox: 0,
      inbox: 0,
      waiting: [],
      hubAheadMs: 0,
      oneTimePrekeys: expect.any(Number),
    });
  });
});

describe('without a hub', () => {
  test('bundles are handed over, and sealed messages travel by any channel', async () => {
    const pair = await introducedPair(1);
    const { a, b } = pair;
    const sealed = await a.agent.seal('bob', { text: 'by mail', n: 1 });
    const opened = await b.agent.open(JSON.parse(JSON.stringify(sealed)) as SealedEnvelope);
    expect(opened).toMatchObject({ sender: 'alice', text: 'by mail', payload: { n: 1 } });
    const back = await a.agent.open(await b.agent.seal(a.agent.address, 'back'));
    expect(back.text).toBe('back');
    await expect(a.agent.send('bob', 'x')).rejects.toMatchObject({ code: 'NO_HUB' });
    await expect(opened.reply('x')).rejects.toMatchObject({ code: 'NO_HUB' });
    await expect(a.agent.connect('bob')).rejects.toMatchObject({ code: 'NO_HUB' });
    expect(await a.agent.listPeers()).toEqual(['bob']);
    await pair.close();
  });

  test('an envelope opens once, whole, for its recipient, from one introduced', async () => {
    const pair = await introducedPair(2);
    const { a, b } = pair;
    const sealed = await a.agent.seal('bob', 'once');
    const before = await b.store.rows();
    const runtime = { now: () => PAIR_MS };
    const stranger = await Agent.create('carol', { runtime, logLevel: 'silent' });
    await stranger.connectWithBundle(await b.agent.publicBundle());
    const strange = await stranger.seal('bob', 'hello');
    const unknown = b.agent.open(strange);
    await expect(unknown).rejects.toMatchObject({
      code: 'UNKNOWN_SENDER',
      retryable: true,
      message: expect.stringContaining('connectWithBundle'),
    });
    const bytes = flipped(Buffer.from(sealed.blob, 'base64url'), 8 * 1400);
    const broken = { ...sealed, blob: Buffer.from(bytes).toString('base64url') };
    await expect(b.agent.open(broken)).rejects.toMatchObject({
      code: 'BAD_CIPHERTEXT',
      message: 'Authentication tag mismatch',
    });
    await expect(a.agent.open(sealed)).rejects.toMatchObject({ code: 'MISADDRESSED' });
    await expect(b.agent.open({ ...sealed, from: stranger.address })).rejects.toMatchObject({
      code: 'SENDER_MISMATCH',
    });
    for (const bad of [null, 'x', {}, { ...sealed, v: 1 }, { ...sealed, more: 1 }, [sealed]]) {
      await expect(b.agent.open(bad as SealedEnvelope)).rejects.toMatchObject({
        code: 'BAD_ENVELOPE',
      });
    }
    const { prekeys, ...now } = Object.fromEntries(await b.store.rows());
    const { prekeys: _, ...then } = Object.fromEntries(before);
    expect(prekeys).toBeDefined();
    expect(Object.keys(now)).toEqual(expect.arrayContaining(Object.keys(then)));
    expect((await b.agent.open(sealed)).text).toBe('once');
    await expect(b.agent.open(sealed)).rejects.toMatchObject({
      code: 'DUPLICATE',
      message: 'Replay attack detected',
    });
    await b.agent.connectWithBundle(await stranger.publicBundle());
    expect((await b.agent.open(strange)).text).toBe('hello');
    await stranger.close();
    await pair.close();
  });

  test('a bundle that fits a fingerprint makes its owner verified', async () => {
    const alice = await Agent.create('alice', { trust: 'strict', logLevel: 'silent' });
    const bob = await Agent.create('bob', { logLevel: 'silent' });
    const bundle = await bob.publicBundle();
    await expect(alice.connectWithBundle(bundle)).rejects.toMatchObject({ code: 'UNTRUSTED_PEER' });
    await expect(
      alice.connectWithBundle(bundle, { fingerprint: alice.fingerprint }),
    ).rejects.toMatchObject({ code: 'BAD_FINGERPRINT' });
    const { fingerprint } = bob;
    expect(await alice.connectWithBundle(bundle, { fingerprint })).toMatchObject({
      name: 'bob',
      trust: 'verified',
    });
    await expect(alice.connectWithBundle({ ...bundle, signed: 'x' })).rejects.toMatchObject({
      code: 'BAD_BUNDLE',
    });
    await expect(alice.connectWithBundle(await alice.publicBundle())).rejects.toMatchObject({
      code: 'INVALID_ARGUMENT',
    });
    await expect(alice.seal('carol', 'x')).rejects.toMatchObject({ code: 'UNKNOWN_PEER' });
    await alice.close();
    await bob.close();
  });

  test('each bundle that is handed over has a one-time prekey of its own', async () => {
    const bob = await Agent.create('bob', { logLevel: 'silent' });
    const bundles = [await bob.publicBundle(), await bob.publicBundle()];
    expect(bundles[0]?.oneTime).toBeDefined();
    expect(bundles[0]?.oneTime).not.toBe(bundles[1]?.oneTime);
    expect(bundles[0]?.signed).toBe(bundles[1]?.signed);
    await bob.close();
  });
});
