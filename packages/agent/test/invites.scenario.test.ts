/** Invites: one pasted line, both sides verified, and what a line that leaked can and cannot do. */
import { decodeInvite, encodeInvite, encodePayload } from '@agentmesh/protocol';
import { describe, expect, test } from '@jest/globals';
import { inviteBody } from '../src/message/payload.js';
import { inviteId, inviteMac, systemRandom, toHex } from '@agentmesh/crypto';
import { envelopeTo, Forger } from './forger.js';
import { World } from './world.js';
import type { Resident } from './world.js';

const ASK = { acceptFrom: 'ask' } as const;
const DAY_MS = 86_400_000;

const trustIn = async ({ agent }: Resident, name: string) =>
  (await agent.peers()).find((peer) => peer.name === name)?.trust;

test('one line: both are verified, the way is told, and messages go each way', async () => {
  await using world = await World.create();
  const bob = await world.agent('bob', ASK);
  const alice = await world.agent('alice', ASK);
  const link = await bob.agent.invite();
  expect(link).toMatch(/^agentmesh:[\w-]+$/);
  const { accepted, ...peer } = await world.finish(alice.agent.join(link));
  expect(peer).toMatchObject({ name: 'bob', address: bob.agent.address, trust: 'verified' });
  await world.finish(accepted);
  expect(bob.events.joined).toMatchObject([{ peer: 'alice', address: alice.agent.address }]);
  expect(bob.agent.invites()).toEqual([]);
  await world.finish(alice.agent.send('bob', 'hello'));
  await world.finish(bob.agent.send('alice', 'welcome'));
  await world.advance(5_000);
  expect([bob.texts, alice.texts]).toEqual([['hello'], ['welcome']]);
  expect(bob.messages[0]?.provenance).toMatchObject({ trust: 'verified', verifiedBy: 'invite' });
  expect(alice.messages[0]?.provenance).toMatchObject({ trust: 'verified', verifiedBy: 'invite' });
  expect(bob.messages[0]?.toPrompt()).toContain('joined with an invite');
});

test('what a stranger has said before it joined reaches the handlers, in its order', async () => {
  await using world = await World.create();
  const bob = await world.agent('bob', ASK);
  const alice = await world.agent('alice');
  await world.finish(alice.agent.send('bob', 'one'));
  await world.finish(alice.agent.send('bob', 'two'));
  await world.advance(5_000);
  await world.finish((await world.finish(alice.agent.join(await bob.agent.invite()))).accepted);
  await world.finish(alice.agent.send('bob', 'three'));
  await world.advance(10_000);
  expect(bob.texts).toEqual(['one', 'two', 'three']);
});

describe('attacks on invites', () => {
  test('T-I1 used twice: the last use goes to one joiner, also at one moment and after a kill', async () => {
    await using world = await World.create();
    const bob = await world.agent('bob', ASK);
    const link = await bob.agent.invite({ uses: 1 });
    const joiners = [await world.agent('a'), await world.agent('b')];
    const joined = joiners.map(({ agent }) => agent.join(link));
    const results = await world.finish(Promise.all(joined));
    const ends = await world.finish(Promise.allSettled(results.map(({ accepted }) => accepted)));
    expect(ends.map(({ status }) => status).toSorted()).toEqual(['fulfilled', 'rejected']);
    expect(bob.events.joined).toHaveLength(1);
    await world.kill(bob);
    bob.store.beforeCommit = null;
    const again = await world.agent('bob', ASK, bob);
    const late = await world.agent('late');
    const { accepted } = await world.finish(late.agent.join(link));
    await expect(world.finish(accepted)).rejects.toMatchObject({ code: 'REFUSED' });
    expect(await trustIn(again, 'late')).not.toBe('verified');
  });

  test('T-I2 same joiner again: spends no second use', async () => {
    await using world = await World.create();
    const bob = await world.agent('bob', ASK);
    const alice = await world.agent('alice');
    const link = await bob.agent.invite({ uses: 2 });
    for (let n = 0; n < 3; n++) {
      await world.finish((await world.finish(alice.agent.join(link))).accepted);
    }
    expect(bob.agent.invites()).toMatchObject([{ usesLeft: 1 }]);
  });

  test('T-I3 expired or revoked: refused at the joiner, and at the inviter whatever the clock', async () => {
    await using world = await World.create();
    const bob = await world.agent('bob', ASK);
    const alice = await world.agent('alice');
    const link = await bob.agent.invite({ expires: '1h' });
    await world.jump(3_600_001);
    await expect(alice.agent.join(link)).rejects.toMatchObject({ code: 'INVITE_EXPIRED' });
    const invite = decodeInvite(link);
    if (invite === null) throw new TypeError('no invite');
    const stretched = encodeInvite({ ...invite, expiresMs: invite.expiresMs + DAY_MS });
    const { accepted } = await world.finish(alice.agent.join(stretched));
    await expect(world.finish(accepted)).rejects.toMatchObject({ code: 'REFUSED' });
    const other = await bob.agent.invite();
    const [open] = bob.agent.invites();
    await bob.agent.revokeInvite(open?.id ?? '');
    const late = await world.finish(alice.agent.join(other));
    await expect(world.finish(late.accepted)).rejects.toMatchObject({ code: 'REFUSED' });
    expect(await trustIn(bob, 'alice')).not.toBe('verified');
    expect(bob.events.joined).toEqual([]);
    await expect(bob.agent.revokeInvite(open?.id ?? '')).rejects.toMatchObject({
      code: 'UNKNOWN_INVITE',
    });
  });

  test('T-I4 swapped record: a hub that serves other keys under an invite is refused before anything is sent', async () => {
    await using world = await World.create();
    const bob = await world.agent('bob', ASK);
    const alice = await world.agent('alice');
    const mallory = await world.agent('mallory');
    const link = await bob.agent.invite();
    await world.finish(alice.agent.connect('mallory'));
    const served = world.hub.passed.served.at(-1)?.bundle;
    if (served === undefined) throw new TypeError('nothing was served');
    world.hub.deviations.bundle = () => served;
    const before = world.hub.passed.sent.length;
    await expect(world.finish(alice.agent.join(link))).rejects.toMatchObject({
      code: expect.stringMatching(/BAD_FINGERPRINT|BAD_RECORD/),
    });
    expect(world.hub.passed.sent).toHaveLength(before);
    expect(mallory.texts).toEqual([]);
  });

  test('T-I5 proof of another: a MAC for other identities, a guess and a copied proof let nobody in', async () => {
    await using world = await World.create();
    const bob = await world.agent('bob', ASK);
    const [alice, eve] = [await world.agent('alice'), await world.agent('eve')];
    const invite = decodeInvite(await bob.agent.invite());
    await world.finish(eve.agent.connect('bob'));
    const bundle = world.hub.passed.served.at(-1)?.bundle;
    if (invite === null || bundle === undefined) throw new TypeError('no invite or bundle');
    const forger = new Forger(eve.keyPair, bundle, world.host.clock());
    const id = toHex(inviteId(invite.secret));
    const pair = { inviter: invite.aid, joiner: alice.keyPair.identity.aid };
    const say = async (body: Uint8Array): Promise<void> => {
      const fields = { fromName: 'eve', toName: 'bob', sentAtMs: world.host.clock(), body };
      world.hub.inject('bob', envelopeTo(bob, eve.keyPair.identity.aid, forger.say(fields)));
      await world.advance(5_000);
    };
    await say(inviteBody(id, inviteMac(invite.secret, pair)));
    await say(inviteBody(id, systemRandom(32)));
    await say(inviteBody('00'.repeat(8), systemRandom(32)));
    const odd = [{ id, mac: 7 }, { id: [id], mac: 'x' }, null, [], 'x', { id }];
    for (const proof of odd) await say(encodePayload({ type: 'invite', $invite: proof }));
    expect(bob.agent.invites()).toMatchObject([{ id, usesLeft: 1 }]);
    expect(bob.events.joined).toEqual([]);
    expect(await trustIn(bob, 'eve')).not.toBe('verified');
    expect(bob.texts).toEqual([]);
    const own = inviteMac(invite.secret, { ...pair, joiner: eve.keyPair.identity.aid });
    await say(inviteBody(id, own));
    expect(bob.events.joined).toMatchObject([{ peer: 'eve' }]);
  });

  test('T-I6 another hub: refused before anything is asked, and the text says where to connect', async () => {
    await using world = await World.create();
    const bob = await world.agent('bob', ASK);
    const alice = await world.agent('alice');
    const invite = decodeInvite(await bob.agent.invite({ hubs: ['tcps://hub.example:7700'] }));
    if (invite === null) throw new TypeError('no invite');
    const link = encodeInvite({ ...invite, hubKey: world.keys().identity.signing });
    await expect(alice.agent.join(link)).rejects.toMatchObject({
      code: 'INVITE_OTHER_HUB',
      message: expect.stringContaining('tcps://hub.example:7700'),
    });
    expect(world.hub.passed.served).toEqual([]);
  });

  test.each([
    '',
    'agentmesh:',
    'agentmesh:AAAA',
    'https://example.org',
    `agentmesh:${'A'.repeat(7_000)}`,
    7 as never,
  ])('what is no invite is refused: %j', async (text) => {
    await using world = await World.create();
    const alice = await world.agent('alice');
    await expect(alice.agent.join(text)).rejects.toMatchObject({ code: 'BAD_INVITE' });
    await expect(alice.agent.join(await alice.agent.invite())).rejects.toMatchObject({
      code: 'BAD_INVITE',
    });
  });

  test.each([{ uses: 0 }, { uses: 1.5 }, { expires: 'soon' as never }, { expires: 0 }])(
    'an invite with %j is refused',
    async (options) => {
      await using world = await World.create();
      const bob = await world.agent('bob');
      await expect(bob.agent.invite(options)).rejects.toMatchObject({ code: 'BAD_OPTION' });
    },
  );
});
