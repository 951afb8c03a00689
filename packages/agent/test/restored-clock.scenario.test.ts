/**
 * An agent whose store is put back to an earlier copy makes new prekeys, and its clock may be
 * another one than before: peers take none that is older than what they have seen.
 */
import { parseIdentityRecord, parsePrekeyRecord } from '@agentmesh/crypto';
import type { Bundle } from '@agentmesh/crypto';
import { expect, test } from '@jest/globals';
import type { Runtime } from '../src/index.js';
import { World } from './world.js';

const MINUTE = 60_000;
const HOUR = 60 * MINUTE;

function signedMsIn({ record, signed }: Bundle): number {
  return parsePrekeyRecord(signed ?? new Uint8Array(), parseIdentityRecord(record).identity)
    .createdMs;
}

test.each([
  ['is slow now', 0, -HOUR],
  ['was fast before', HOUR, 0],
])('the prekeys of an agent whose store is put back and whose clock %s', async (_, ...clocks) => {
  await using world = await World.create();
  const runtimeOf = (aheadMs: number): Runtime => {
    const runtime = world.runtime();
    return { ...runtime, now: () => runtime.now() + aheadMs };
  };
  const bob = await world.agent('bob');
  const alice = await world.agent('alice');
  await world.finish(bob.agent.send('alice', 'first'));
  await world.advance(MINUTE);
  const { keyPair } = alice;
  const copies = [await alice.store.snapshot(), await alice.store.snapshot()];
  // What the hub sees last of her was after the copies.
  const later = await world.restart(alice);
  await world.advance(MINUTE);
  await world.close(later);
  const shown: number[] = [];
  world.hub.deviations = {
    bundle: (bundle, { by }) => {
      if (by.startsWith('carol')) shown.push(signedMsIn(bundle));
      return bundle;
    },
  };
  for (const [at, aheadMs] of clocks.entries()) {
    const store = copies[at] ?? alice.store;
    const again = await world.agent('alice', { runtime: runtimeOf(aheadMs) }, { keyPair, store });
    await world.advance(MINUTE);
    expect(again.events.storeRollback).toHaveLength(1);
    const carol = await world.agent(`carol-${at}`);
    await world.finish(carol.agent.connect('alice'));
    await world.kill(again);
    await world.advance(MINUTE);
  }
  const [first = 0, second = 0] = [shown.at(-2), shown.at(-1)];
  expect(second).toBeGreaterThan(first);
});
