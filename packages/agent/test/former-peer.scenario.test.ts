/**
 * A peer of a build before calls: it says kinds that build knew, `handled` and plain replies, and
 * nothing of `$end` or of frames. Its caller gets an answer or one clear error, and nothing is
 * lost.
 */
import { describe, expect, test } from '@jest/globals';
import { CONTENT_KIND, fromHex } from '@agentmesh/crypto';
import { encodeOutcomes } from '../src/conversation/outcome.js';
import { leftOf, settle } from './call-points.js';
import { hostilePeerOf } from './hostile-peer.js';
import { World } from './world.js';

async function begin() {
  const world = await World.create();
  const alice = await world.agent('alice');
  const peer = await hostilePeerOf(world, alice);
  /** As that build did for every message, whatever reserved members it had. */
  const handled = (id: string): void => {
    const outcomes = [{ msgId: fromHex(id), state: 'handled', reason: '' }] as const;
    peer.say({ kind: CONTENT_KIND.outcome, body: encodeOutcomes(outcomes) });
  };
  return { world, alice, handled, ...peer };
}

describe('a peer of a build before calls', () => {
  test('that handles a request as a plain message is NO_REPLY, once', async () => {
    const { world, alice, handled } = await begin();
    await using _ = world;
    const call = await world.finish(alice.agent.call('mallory', 'x', { timeout: '1h' }));
    handled(call.id);
    await expect(world.finish(call.answer())).rejects.toMatchObject({ code: 'NO_REPLY' });
    await settle(world);
    expect(await leftOf(alice)).toEqual([]);
  });

  test('that handles a stream as a plain message is NO_REPLY, and its frames are missed by nobody', async () => {
    const { world, alice, handled, sayText } = await begin();
    await using _ = world;
    const stream = alice.agent.stream('mallory', 'x', { timeout: '1h' });
    handled(await world.finish(stream.id));
    await expect(world.finish(stream.next())).rejects.toMatchObject({ code: 'NO_REPLY' });
    sayText('{"text":"what comes next"}');
    await settle(world);
    expect([alice.texts, await leftOf(alice)]).toEqual([['what comes next'], []]);
  });

  test('that replies has answered, whether it says handled before or after', async () => {
    const { world, alice, handled, sayText } = await begin();
    await using _ = world;
    for (const isBefore of [true, false]) {
      const call = await world.finish(alice.agent.call('mallory', 'x', { timeout: '1h' }));
      if (isBefore) handled(call.id);
      sayText(`{"text":"fine","$replyTo":"${call.id}"}`);
      if (!isBefore) handled(call.id);
      expect(await world.finish(call.answer())).toMatchObject({ text: 'fine' });
    }
    await settle(world);
    expect([alice.texts, await leftOf(alice)]).toEqual([[], []]);
  });

  test('that answers what has ended is a plain message: nothing of it is lost', async () => {
    const { world, alice, handled, sayText } = await begin();
    await using _ = world;
    const call = await world.finish(alice.agent.call('mallory', 'x', { timeout: '1h' }));
    handled(call.id);
    await expect(world.finish(call.answer())).rejects.toMatchObject({ code: 'NO_REPLY' });
    await settle(world);
    sayText(`{"text":"late","$replyTo":"${call.id}"}`);
    await settle(world);
    expect([alice.texts, alice.events.orphanReply]).toEqual([['late'], []]);
  });
});
