/**
 * Ends of calls that meet: two of them at once, an end before the parts that belong to it, and what
 * no hub takes. Each call has one end, in its time.
 */
import { describe, expect, test } from '@jest/globals';
import { decodeCallRow } from '../src/calls/call-row.js';
import { leftOf, settle } from './call-points.js';
import { acquainted } from './two-agents.js';
import { World } from './world.js';
import type { Resident } from './world.js';

const KIB = 1_024;

/** Ends of calls, as they are committed. */
function endsOf({ store }: Resident): string[] {
  const ends: string[] = [];
  store.beforeCommit = (operations) => {
    for (const operation of operations) {
      if (!('put' in operation) || !operation.put.startsWith('call/')) continue;
      const { end } = decodeCallRow(operation.value);
      if (end !== null) ends.push(end.code);
    }
  };
  return ends;
}

test('an answer by a later identity of the callee, while the deadline is being committed, is no second end', async () => {
  await using world = await World.create();
  const { alice, bob } = await acquainted(world);
  alice.agent.onMessage(() => {});
  // Its own deadline is the same: its answer says so.
  bob.agent.onRequest(() => new Promise(() => {}));
  const call = await world.finish(alice.agent.call('bob', 'x', { timeout: '10m' }));
  await world.advance(5_000);
  await world.finish(bob.agent.rotateIdentity(world.keys()));
  await world.finish(bob.agent.send('alice', 'it is me'));
  await world.advance(5_000);
  const ends = endsOf(alice);
  const gate = Promise.withResolvers<void>();
  alice.store.gate = (operations) =>
    operations.some((one) => 'put' in one && one.put.startsWith('call/'))
      ? gate.promise
      : undefined;
  const answer = call.answer();
  answer.catch(() => undefined);
  await world.advance(600_000);
  gate.resolve();
  await expect(world.finish(answer)).rejects.toMatchObject({ code: 'DEADLINE' });
  expect(ends).toHaveLength(1);
  await settle(world);
  expect(await leftOf(alice, bob)).toEqual([]);
});

describe('at a hub that takes small envelopes only', () => {
  const limits = { queueBytes: 64 * KIB };

  test('a stream goes in small messages', async () => {
    await using world = await World.create(1, { limits });
    const { alice, bob } = await acquainted(world);
    bob.agent.onStream(async function* () {
      for (let n = 0; n < 100; n++) yield 'x'.repeat(KIB);
      return 'all';
    });
    const stream = alice.agent.stream('bob', 'x');
    let count = 0;
    while ((await world.finish(stream.next())).done !== true) count += 1;
    expect([count, await stream.result]).toEqual([100, 'all']);
    expect(bob.events.outgoing.filter(({ state }) => state === 'rejected')).toEqual([]);
  });

  test('one with an item that no envelope holds ends in its time, and nothing of it is left', async () => {
    await using world = await World.create(1, { limits });
    const { alice, bob } = await acquainted(world);
    const told = Promise.withResolvers<unknown>();
    bob.agent.onStream(async function* (_request, { signal }) {
      signal.addEventListener('abort', () => told.resolve(signal.reason));
      yield 'small';
      yield 'x'.repeat(64 * KIB);
      await new Promise(() => {});
    });
    const stream = alice.agent.stream('bob', 'x', { timeout: '10m' });
    expect(await world.finish(stream.next())).toMatchObject({ value: 'small' });
    await expect(world.finish(stream.next())).rejects.toMatchObject({ code: 'DEADLINE' });
    // The producer does not wait for that: it is told at once.
    expect(await told.promise).toMatchObject({ code: 'TOO_LARGE' });
    await settle(world);
    expect(await leftOf(alice, bob)).toEqual([]);
  });

  test('a request that no envelope holds rejects at once and says why', async () => {
    await using world = await World.create(1, { limits });
    const { alice, bob } = await acquainted(world);
    bob.agent.onRequest(() => {});
    const request = alice.agent.request('bob', 'x'.repeat(64 * KIB), { timeout: '10m' });
    await expect(world.finish(request)).rejects.toMatchObject({
      code: 'UNDELIVERED',
      message: expect.stringContaining('TOO_LARGE'),
    });
    await settle(world);
    expect(await leftOf(alice, bob)).toEqual([]);
  });
});
