/**
 * After an unclean end nothing can be sealed before the hub is reached. Whoever does not want to
 * wait that long says so, and then nothing of it is ever sent.
 */
import { describe, expect, test } from '@jest/globals';
import { World } from './world.js';
import type { Resident } from './world.js';

/** Alice after a kill, with the hub away, and Bob, whom she knows and whose message she has. */
async function killed(world: World): Promise<{ alice: Resident; bob: Resident }> {
  const bob = await world.agent('bob');
  const before = await world.agentWithoutHandler('alice');
  await world.finish(before.agent.send('bob', 'first'));
  await world.finish(bob.agent.send('alice', 'question'));
  await world.advance(1_000);
  await world.kill(before);
  world.network.goDown();
  before.store.beforeCommit = null;
  const alice = await world.agentWithoutHandler('alice', {}, before);
  bob.texts.length = 0;
  return { alice, bob };
}

const unknown = 'nobody';

describe('after a kill, with the hub away', () => {
  test.each([
    ['a message with a timeout', 'TIMEOUT', { timeout: '5s' as const }],
    ['a message with a signal', 'CANCELLED', {}],
  ])('%s is given up, and never sent', async (_, code, options) => {
    await using world = await World.create();
    const { alice, bob } = await killed(world);
    const controller = new AbortController();
    const signal = 'timeout' in options ? undefined : controller.signal;
    const stored: string[] = [];
    const onStored = (id: string): void => void stored.push(id);
    const sends = ['bob', unknown].map((peer) =>
      alice.agent.send(peer, 'lost', { ...options, signal, onStored }),
    );
    const ends = Promise.allSettled(sends);
    await world.advance(6_000);
    controller.abort();
    const reason = expect.objectContaining({ code });
    expect(await world.finish(ends)).toEqual([
      { status: 'rejected', reason },
      { status: 'rejected', reason },
    ]);
    // What was asked for later goes out, and only that.
    const kept = alice.agent.send('bob', 'kept');
    await world.network.comeBack();
    await world.finish(kept);
    await world.advance(60_000);
    expect(bob.texts).toEqual(['kept']);
    expect(stored).toEqual([]);
  });

  test('an answer and a request with a signal are given up, and never sent', async () => {
    await using world = await World.create();
    const { alice, bob } = await killed(world);
    const mailbox = alice.agent.openMailbox();
    await world.rest();
    const [question] = mailbox.take();
    if (question === undefined) throw new TypeError('no message');
    const { signal, abort } = abortable();
    const waits = [
      question.reply('lost', { signal }),
      alice.agent.call('bob', 'lost', { signal }),
      alice.agent.call(unknown, 'lost', { signal }),
    ];
    const ends = Promise.allSettled(waits);
    await world.advance(6_000);
    abort();
    const reason = expect.objectContaining({ code: 'CANCELLED' });
    expect(await world.finish(ends)).toEqual(waits.map(() => ({ status: 'rejected', reason })));
    await world.network.comeBack();
    await world.advance(60_000);
    expect(await alice.agent.calls()).toEqual([]);
    expect(bob.texts).toEqual([]);
    // The message is there still, and its answer can be given.
    await world.finish(question.reply('answer'));
    await world.advance(1_000);
    expect(bob.texts).toEqual(['answer']);
  });

  test('an invite is not used where nobody waits for it', async () => {
    await using world = await World.create();
    const carol = await world.agent('carol');
    const link = await carol.agent.invite();
    const { alice } = await killed(world);
    const joining = alice.agent.join(link, { timeout: '5s' });
    joining.catch(() => undefined);
    await world.advance(6_000);
    await expect(joining).rejects.toMatchObject({ code: 'TIMEOUT' });
    await world.network.comeBack();
    await world.advance(60_000);
    expect(await carol.agent.peers()).toEqual([]);
    await expect(world.finish(alice.agent.join(link))).resolves.toMatchObject({
      name: 'carol',
      trust: 'verified',
    });
  });
});

function abortable(): { signal: AbortSignal; abort: () => void } {
  const controller = new AbortController();
  return { signal: controller.signal, abort: () => controller.abort() };
}
