/** Who may reach the handlers: strangers wait, a person decides, and their senders are told. */
import { describe, expect, test } from '@jest/globals';
import { AGENT_LIMITS } from '../src/ground/limits.js';
import { World } from './world.js';
import type { Resident } from './world.js';

const ASK = { acceptFrom: 'ask' } as const;

/** A world with an agent that asks, and a stranger. */
async function pair(world: World): Promise<{ readonly bob: Resident; readonly eve: Resident }> {
  const bob = await world.agent('bob', ASK);
  const eve = await world.agent('eve');
  return { bob, eve };
}

/** Strangers of the crowd; 10,000 with `AGENTMESH_STRANGERS=10000`. */
const CROWD = Number(process.env['AGENTMESH_STRANGERS'] ?? 103);

const statesOf = (resident: Resident, id: string): string[] =>
  resident.events.outgoing.filter((each) => each.id === id).map(({ state }) => state);

/** Names of rows by their first part. */
const rowsOf = async ({ store }: Resident, kind: string): Promise<string[]> =>
  [...(await store.rows()).keys()].filter((key) => key.startsWith(`${kind}/`));

describe('a stranger that nobody has accepted', () => {
  test('waits, with its messages; its sender hears that they are held', async () => {
    await using world = await World.create();
    const { bob, eve } = await pair(world);
    const first = await world.finish(eve.agent.send('bob', 'let me in'));
    await world.finish(eve.agent.send('bob', 'please'));
    await world.advance(5_000);
    expect(bob.texts).toEqual([]);
    expect(statesOf(eve, first.id)).toEqual(['queued', 'accepted', 'delivered', 'held']);
    expect(bob.events.contactRequest).toMatchObject([
      { peer: 'eve', address: eve.agent.address, fingerprint: eve.agent.fingerprint },
    ]);
    expect(bob.events.contactRequest[0]?.preview).toContain('let me in');
    const [waiting, ...others] = await bob.agent.contacts.pending();
    expect(others).toEqual([]);
    expect(waiting).toMatchObject({ name: 'eve', state: 'pending', messages: 2 });
    expect(waiting?.preview).toContain('let me in');
  });

  test('is at no moment listed as accepted', async () => {
    await using world = await World.create();
    const { bob, eve } = await pair(world);
    const seen = new Set<string>();
    const commit = bob.store.commit.bind(bob.store);
    bob.store.commit = async (operations) => {
      await commit(operations);
      for (const { state } of await bob.agent.contacts.list()) seen.add(state);
    };
    await world.finish(eve.agent.send('bob', 'let me in'));
    await world.advance(5_000);
    expect([...seen]).toEqual(['pending']);
  });

  test('is heard once it is accepted, in its order, also after a restart and a kill', async () => {
    await using world = await World.create();
    const { bob, eve } = await pair(world);
    const sent = [];
    for (const text of ['one', 'two', 'three']) {
      sent.push(await world.finish(eve.agent.send('bob', text)));
    }
    await world.advance(5_000);
    await world.kill(bob);
    bob.store.beforeCommit = null;
    const again = await world.agent('bob', ASK, bob);
    await world.advance(5_000);
    expect(await again.agent.contacts.pending()).toMatchObject([{ name: 'eve', messages: 3 }]);
    await again.agent.contacts.accept('eve');
    await world.finish(eve.agent.send('bob', 'four'));
    await world.advance(10_000);
    expect(again.texts).toEqual(['one', 'two', 'three', 'four']);
    for (const { handled } of sent) await expect(handled).resolves.toBeUndefined();
    expect(await again.agent.contacts.list()).toMatchObject([{ name: 'eve', state: 'accepted' }]);
    expect(await rowsOf(again, 'contact')).toEqual([]);
    expect(await rowsOf(again, 'pending')).toEqual([]);
  });

  test('is refused once it is denied, with what waits and what follows', async () => {
    await using world = await World.create();
    const { bob, eve } = await pair(world);
    const first = await world.finish(eve.agent.send('bob', 'one'));
    await world.advance(5_000);
    await bob.agent.contacts.deny('eve');
    await world.advance(5_000);
    const refused = { code: 'REFUSED', message: expect.stringContaining('NOT_ACCEPTED') };
    await expect(first.handled).rejects.toMatchObject(refused);
    const second = await world.finish(eve.agent.send('bob', 'two'));
    await world.advance(5_000);
    await expect(second.handled).rejects.toMatchObject(refused);
    expect(bob.texts).toEqual([]);
    expect(await rowsOf(bob, 'pending')).toEqual([]);
    await bob.agent.contacts.accept('eve');
    await world.finish(eve.agent.send('bob', 'three'));
    await world.advance(5_000);
    expect(bob.texts).toEqual(['three']);
  });

  test('that is blocked hears nothing, and nothing of it is opened or logged', async () => {
    await using world = await World.create();
    const { bob, eve } = await pair(world);
    const first = await world.finish(eve.agent.send('bob', 'one'));
    await world.advance(5_000);
    await bob.agent.contacts.block('eve');
    const second = await world.finish(eve.agent.send('bob', 'two'));
    await world.advance(60_000);
    expect(statesOf(eve, first.id)).toEqual(['queued', 'accepted', 'delivered', 'held']);
    expect(statesOf(eve, second.id)).toEqual(['queued', 'accepted']);
    expect(bob.events.refused).toEqual([]);
    const again = await world.restart(bob, ASK);
    await world.finish(eve.agent.send('bob', 'three'));
    await world.advance(60_000);
    expect(again.texts).toEqual([]);
    expect(await again.agent.contacts.list()).toMatchObject([{ name: 'eve', state: 'blocked' }]);
  });

  test.each([
    ['accept', ['one', 'two'], 'handled'],
    ['deny', [], 'refused'],
  ] as const)('is not half decided by a kill: %s', async (decision, texts, end) => {
    await using world = await World.create();
    const { bob, eve } = await pair(world);
    const sent = [];
    for (const text of ['one', 'two']) sent.push(await world.finish(eve.agent.send('bob', text)));
    await world.advance(5_000);
    bob.store.beforeCommit = (operations) => {
      if (operations.some((one) => 'delete' in one && one.delete.startsWith('pending/'))) {
        throw new TypeError('killed');
      }
    };
    await expect(bob.agent.contacts[decision]('eve')).rejects.toMatchObject({
      code: 'STORE_FAILED',
    });
    await world.close(bob);
    bob.store.beforeCommit = null;
    const again = await world.agent('bob', ASK, bob);
    expect(await again.agent.contacts.pending()).toMatchObject([{ name: 'eve', messages: 2 }]);
    await again.agent.contacts[decision]('eve');
    // Killed right after it, before anybody was told.
    await world.kill(again);
    bob.store.beforeCommit = null;
    const last = await world.agent('bob', ASK, bob);
    await world.advance(120_000);
    expect([...new Set([...again.texts, ...last.texts])]).toEqual(texts);
    expect(sent.map(({ id }) => statesOf(eve, id).at(-1))).toEqual([end, end]);
    expect(await last.agent.contacts.pending()).toEqual([]);
  });

  test('is accepted by whoever writes to it', async () => {
    await using world = await World.create();
    const { bob, eve } = await pair(world);
    await world.finish(eve.agent.send('bob', 'hello'));
    await world.advance(5_000);
    await world.finish(bob.agent.send('eve', 'who are you?'));
    await world.advance(5_000);
    expect(bob.texts).toEqual(['hello']);
    expect(eve.texts).toEqual(['who are you?']);
  });

  test('that is forgotten is a stranger again', async () => {
    await using world = await World.create();
    const { bob, eve } = await pair(world);
    await world.finish(eve.agent.send('bob', 'one'));
    await world.advance(5_000);
    await bob.agent.contacts.forget('eve');
    expect(await bob.agent.peers()).toEqual([]);
    for (const kind of ['peer', 'name', 'session', 'contact', 'pending', 'outcome']) {
      expect(await rowsOf(bob, kind)).toEqual([]);
    }
    await world.finish(eve.agent.send('bob', 'two'));
    await world.jump(3_600_000);
    await world.advance(60_000);
    expect(bob.events.contactRequest.length).toBeGreaterThanOrEqual(2);
    await expect(bob.agent.contacts.accept('nobody')).rejects.toMatchObject({
      code: 'UNKNOWN_PEER',
    });
  });
});

describe('bounds of strangers', () => {
  test('T-C1 talkative stranger: 3 messages and 64 KiB wait, the others are refused and told', async () => {
    await using world = await World.create();
    const { bob, eve } = await pair(world);
    const results = [];
    for (const text of ['one', 'x'.repeat(70_000), 'two', 'three', 'four']) {
      results.push(await world.finish(eve.agent.send('bob', text)));
    }
    await world.advance(10_000);
    expect(results.map(({ id }) => statesOf(eve, id).at(-1))).toEqual([
      'held',
      'refused',
      'held',
      'held',
      'refused',
    ]);
    await bob.agent.contacts.accept('eve');
    await world.advance(10_000);
    expect(bob.texts).toEqual(['one', 'two', 'three']);
  });

  test('T-C2 crowd of strangers: 100 wait, the oldest give way and leave nothing; known peers are heard', async () => {
    await using world = await World.create();
    const bob = await world.agent('bob', ASK);
    const friend = await world.agent('friend');
    await world.finish(bob.agent.send('friend', 'hello'));
    const extra = CROWD - AGENT_LIMITS.pendingStrangers;
    for (let n = 0; n < CROWD; n++) {
      const stranger = await world.agent(`s${n}`);
      await world.finish(stranger.agent.send('bob', `I am ${n}`));
      await world.advance(1_000);
      await world.close(stranger);
    }
    await world.advance(60_000);
    const waiting = await bob.agent.contacts.pending();
    expect(waiting.map(({ name }) => name)).toEqual(
      Array.from({ length: AGENT_LIMITS.pendingStrangers }, (_, n) => `s${n + extra}`),
    );
    expect(await rowsOf(bob, 'peer')).toHaveLength(AGENT_LIMITS.pendingStrangers + 1);
    expect(await rowsOf(bob, 'name')).toHaveLength(AGENT_LIMITS.pendingStrangers + 1);
    await world.finish(friend.agent.send('bob', 'still here'));
    await world.advance(5_000);
    expect(bob.texts).toEqual(['still here']);
  }, 3_600_000);
});

test('T-C3 consent by another identity: a stranger that changes its identity still waits', async () => {
  await using world = await World.create();
  const { bob, eve } = await pair(world);
  await world.finish(eve.agent.send('bob', 'one'));
  await world.advance(5_000);
  await world.finish(eve.agent.rotateIdentity(world.keys()));
  await world.finish(eve.agent.send('bob', 'two'));
  await world.advance(60_000);
  expect(bob.texts).toEqual([]);
  await bob.agent.contacts.accept('eve');
  await world.advance(60_000);
  expect(bob.texts).toEqual(['one', 'two']);
});
