/**
 * Bundles that are handed over say themselves of which name they are: whoever makes one can write
 * any name into it (protocol.md §2.12). It blocks nobody whom its receiver knows by that name.
 */
import { describe, expect, test } from '@jest/globals';
import { decodeBundle, encodeBundle } from '@agentmesh/protocol';
import { bundleOf, hubIdOfBundle } from './forger.js';
import { World } from './world.js';

/** Alice knows bob; somebody makes a bundle of own keys that calls itself bob. */
async function withImpostor(reference: (fingerprint: string) => string) {
  const world = await World.create();
  const [alice, bob] = [await world.agent('alice'), await world.agent('bob')];
  await world.finish(alice.agent.send(reference(bob.agent.fingerprint), 'hello'));
  await world.rest();
  const impostor = world.keys();
  const hubId = hubIdOfBundle(decodeBundle(await world.local.getBundle('bob')));
  const bundles = [hubId, new Uint8Array(32)].map((id) =>
    encodeBundle(bundleOf(impostor, { name: 'bob', hubId: id, nowMs: world.host.clock() })),
  );
  return { world, alice, bob, impostor, bundles };
}

describe('T-A50 self-named-bundle', () => {
  test.each([
    ['verified', (fingerprint: string) => `bob#${fingerprint}`],
    ['pinned', () => 'bob'],
  ] as const)('of another identity blocks no %s peer of that name', async (trust, reference) => {
    const { world, alice, bob, impostor, bundles } = await withImpostor(reference);
    const before = await alice.store.rows();
    for (const bundle of bundles) {
      const refused = world.finish(alice.agent.connectWithBundle(bundle));
      await expect(refused).rejects.toMatchObject({
        code: 'IDENTITY_CHANGED',
        pinned: bob.agent.fingerprint,
        shown: impostor.fingerprint,
        message: expect.stringContaining('give its fingerprint with the bundle'),
      });
    }
    expect(await alice.store.rows()).toEqual(before);
    expect(alice.events.identityChanged).toEqual([]);
    await world.finish(alice.agent.send('bob', 'still you?'));
    await world.finish(bob.agent.send('alice', 'still me'));
    await world.advance(1_000);
    expect([bob.texts, alice.texts]).toEqual([['hello', 'still you?'], ['still me']]);
    expect(await alice.agent.peers()).toMatchObject([{ name: 'bob', trust, contested: false }]);
    await world[Symbol.asyncDispose]();
  });

  test('with its fingerprint from a person is that decision', async () => {
    const { world, alice, impostor, bundles } = await withImpostor(() => 'bob');
    const [bundle] = bundles;
    const { fingerprint } = impostor;
    const told = world.finish(alice.agent.connectWithBundle(bundle!, { fingerprint }));
    await expect(told).rejects.toMatchObject({ code: 'IDENTITY_CHANGED' });
    expect(alice.events.identityChanged).toMatchObject([{ peer: 'bob', shown: fingerprint }]);
    expect(await alice.agent.peers()).toMatchObject([{ contested: true }]);
    await world[Symbol.asyncDispose]();
  });
});
