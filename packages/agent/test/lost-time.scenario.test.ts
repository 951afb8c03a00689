/**
 * A store that has lost time, with all that it had handled then: what comes again is marked, and
 * what is new is not.
 */
import { expect, test } from '@jest/globals';
import { World } from './world.js';

const seenBy = ({ messages }: { messages: readonly { text: string; redelivered: boolean }[] }) =>
  messages.map(({ text, redelivered }) => `${text} ${redelivered}`);

test.each(['lost', 'restored'] as const)(
  'a message that comes again to a %s store is redelivered; a later one is not',
  async (fate) => {
    await using world = await World.create();
    const alice = await world.agent('alice');
    const first = await world.agent('bob');
    await world.finish(alice.agent.send('bob', 'known'));
    await world.advance(60_000);
    await world.close(first);
    const copy = await first.store.copy();
    const bob = await world.agent('bob', {}, first);
    // That he has it nobody hears.
    world.hub.deviations.send = (envelope, by) => (by === 'bob' ? [] : [envelope]);
    await world.finish(alice.agent.send('bob', 'handled'));
    await world.advance(1_000);
    expect(seenBy(bob)).toEqual(['handled false']);
    await world.close(bob);
    world.hub.deviations = {};
    const { keyPair } = first;
    const again = await world.agent(
      'bob',
      {},
      fate === 'lost' ? { keyPair } : { keyPair, store: copy },
    );
    await world.advance(3_600_000);
    expect(seenBy(again)).toEqual(['handled true']);
    await world.finish(alice.agent.send('bob', 'new'));
    await world.advance(60_000);
    expect(seenBy(again)).toEqual(['handled true', 'new false']);
    // The next run remembers what this one has lost.
    expect((await world.restart(again)).events.storeRollback).toEqual([]);
  },
);
