/**
 * A mailbox: messages wait until somebody takes them, over any number of restarts, and leave only
 * by what the taker decides.
 */
import { describe, expect, test } from '@jest/globals';
import type { Mailbox, Message } from '../src/index.js';
import { World } from './world.js';
import type { Resident } from './world.js';

const textsOf = (messages: readonly Message[]): string[] => messages.map(({ text }) => text);
const allIn = (mailbox: Mailbox): string[] => textsOf(mailbox.list().map(({ message }) => message));

/** Bob, who takes messages, and Alice, who has sent him some. */
async function withMail(
  world: World,
  texts: readonly string[],
): Promise<{ alice: Resident; bob: Resident; mailbox: Mailbox }> {
  const alice = await world.agent('alice');
  const bob = await world.agentWithoutHandler('bob');
  const mailbox = bob.agent.openMailbox();
  for (const text of texts) await world.finish(alice.agent.send('bob', text));
  await world.advance(10_000);
  return { alice, bob, mailbox };
}

describe('a message in a mailbox', () => {
  test('is taken by one, and by another when the lease has ended', async () => {
    await using world = await World.create();
    const { mailbox } = await withMail(world, ['one', 'two']);
    let told = 0;
    mailbox.onFree(() => void (told += 1));
    expect(textsOf(mailbox.take({ max: 1, lease: '1m' }))).toEqual(['one']);
    expect(textsOf(mailbox.take())).toEqual(['two']);
    expect(mailbox.take()).toEqual([]);
    await world.advance(60_000);
    expect([mailbox.free, told]).toEqual([1, 1]);
    expect(textsOf(mailbox.take())).toEqual(['one']);
  });

  test('waits over more restarts than a handler has attempts', async () => {
    await using world = await World.create();
    const { bob, mailbox } = await withMail(world, ['one']);
    expect(textsOf(mailbox.take())).toEqual(['one']);
    let now = bob;
    for (let restarts = 0; restarts < 7; restarts++) {
      await world.close(now);
      now = await world.agentWithoutHandler('bob', {}, now);
      const again = now.agent.openMailbox();
      await world.rest();
      expect(textsOf(again.take())).toEqual(['one']);
    }
    expect(await now.agent.deadLetters()).toEqual([]);
  });

  test('leaves it at the deadline where it asks: nobody waits for an answer then', async () => {
    await using world = await World.create();
    const { alice, bob, mailbox } = await withMail(world, []);
    const late = { code: 'DEADLINE' };
    const asking = world.finish(alice.agent.request('bob', 'quick?', { timeout: '20s' }));
    asking.catch(() => undefined);
    await world.advance(10_000);
    const [taken] = mailbox.take();
    expect(taken?.text).toBe('quick?');
    await expect(asking).rejects.toMatchObject(late);
    await world.advance(1_000);
    expect([taken?.signal.aborted, mailbox.list()]).toEqual([true, []]);
    // Nor does it come to a mailbox that is opened too late.
    await world.close(bob);
    const call = await world.finish(alice.agent.call('bob', 'later?', { timeout: '20s' }));
    await expect(world.finish(call.answer())).rejects.toMatchObject(late);
    const again = await world.agentWithoutHandler('bob', {}, bob);
    const other = again.agent.openMailbox();
    await world.advance(10_000);
    expect(other.list()).toEqual([]);
    expect(await again.agent.deadLetters()).toEqual([]);
  });

  test('is handled, refused with a reason, or failed until it is a dead letter', async () => {
    await using world = await World.create();
    const { alice, bob, mailbox } = await withMail(world, ['good', 'bad', 'hard']);
    const [good, bad, hard] = mailbox.take();
    await mailbox.ack(good?.id ?? '');
    await mailbox.refuse(bad?.id ?? '', 'not mine');
    await world.advance(10_000);
    const ends = alice.events.outgoing.filter(({ state }) =>
      ['handled', 'refused'].includes(state),
    );
    expect(ends).toMatchObject([
      { id: good?.id, state: 'handled' },
      { id: bad?.id, state: 'refused', reason: 'not mine' },
    ]);
    for (let attempts = 0; attempts < 5; attempts++) {
      await mailbox.fail(hard?.id ?? '', new TypeError('no'));
      await world.advance(60_000);
    }
    expect((await bob.agent.deadLetters()).map(({ text }) => text)).toEqual(['hard']);
    expect(allIn(mailbox)).toEqual([]);
    await expect(mailbox.ack(good?.id ?? '')).rejects.toThrow(
      expect.objectContaining({ code: 'NO_MESSAGE' }),
    );
  });

  test('says what it asks, is answered once, and goes when its sender cancels', async () => {
    await using world = await World.create();
    const { alice, mailbox } = await withMail(world, []);
    const [one, two] = [await alice.agent.call('bob', 'q?'), await alice.agent.call('bob', 'r?')];
    await world.advance(10_000);
    const [first] = mailbox.take({ only: ({ id }) => id === one.id });
    expect(first?.asks).toMatchObject({ op: null });
    await two.cancel();
    await world.advance(10_000);
    expect(allIn(mailbox)).toEqual(['q?']);
    await first?.reply('a');
    await mailbox.ack(one.id);
    expect(await world.finish(one.answer())).toMatchObject({ text: 'a' });
  });
});

describe('a mailbox', () => {
  test('is refused where messages have a handler', async () => {
    await using world = await World.create();
    const { agent } = await world.agent('bob');
    expect(() => agent.openMailbox()).toThrow(expect.objectContaining({ code: 'BAD_OPTION' }));
  });

  test('keeps apart what two senders have given one id', async () => {
    await using world = await World.create();
    const { mailbox } = await withMail(world, ['one', 'two']);
    const [one, two] = mailbox.take();
    Object.assign(two ?? {}, { id: one?.id, address: 'am2other' });
    await expect(mailbox.ack(one?.id ?? '')).rejects.toThrow(/am2other/);
    await mailbox.ack(one?.id ?? '', 'am2other');
    expect(allIn(mailbox)).toEqual(['one']);
  });
});
