/**
 * Requests over time (protocol.md §2.19): deadlines, sleepers, and restarts of either side. One
 * story per test.
 */
import { describe, expect, test } from '@jest/globals';
import { AGENT_LIMITS } from '../src/ground/limits.js';
import type { RequestContext } from '../src/index.js';
import { pair, rowsOf } from './two-agents.js';
import { World } from './world.js';

describe('time', () => {
  test('a callee that sleeps answers when it wakes', async () => {
    await using world = await World.create();
    const { alice, bob } = await pair(world);
    await world.finish(alice.agent.connect('bob'));
    await world.close(bob);
    const call = await world.finish(alice.agent.call('bob', 'still there?', { timeout: '3d' }));
    await world.advance(3_600_000);
    expect(call.isOpen).toBe(true);
    const again = await world.agentWithoutHandler('bob', {}, bob);
    again.agent.onRequest(() => ({ text: 'good morning' }));
    expect(await world.finish(call.answer())).toEqual({ text: 'good morning' });
  });

  test('without an answer in time a call is DEADLINE, and the envelope expires with it', async () => {
    await using world = await World.create();
    const { alice, bob } = await pair(world);
    await world.finish(alice.agent.connect('bob'));
    await world.close(bob);
    const asking = alice.agent.request('bob', 'x', { timeout: '30s' });
    await expect(world.finish(asking)).rejects.toMatchObject({ code: 'DEADLINE', retryable: true });
    // It lasts a minute longer than anybody waits.
    const { envelope } = world.hub.passed.sent.findLast(({ by }) => by === 'alice')!;
    expect(envelope.ttlSeconds).toBeGreaterThan(80);
    expect(envelope.ttlSeconds).toBeLessThanOrEqual(90);
    await world.advance(120_000);
    const again = await world.agentWithoutHandler('bob', {}, bob);
    let runs = 0;
    again.agent.onRequest(() => void (runs += 1));
    await world.advance(10_000);
    expect(runs).toBe(0);
  });

  test('a handler that begins too late never runs; one that runs is told by its signal', async () => {
    await using world = await World.create();
    const { alice, bob } = await pair(world);
    const late = alice.agent.request('bob', 'late', { timeout: '5s' });
    late.catch(() => undefined);
    await world.advance(6_000);
    const reasons: unknown[] = [];
    const seen: string[] = [];
    bob.agent.onRequest(({ text }, { signal }) => {
      seen.push(text);
      signal.addEventListener('abort', () => void reasons.push(signal.reason));
      return new Promise(() => {});
    });
    await expect(late).rejects.toMatchObject({ code: 'DEADLINE' });
    const running = alice.agent.request('bob', 'running', { timeout: '5s' });
    await expect(world.finish(running)).rejects.toMatchObject({ code: 'DEADLINE' });
    await world.advance(5_000);
    expect(seen).toEqual(['running']);
    expect(reasons).toEqual([expect.objectContaining({ code: 'DEADLINE' })]);
    expect(await rowsOf(bob, 'inbox/')).toEqual([]);
    // That both noticed it is no answer to a call that nobody made.
    expect(alice.events.orphanReply).toEqual([]);
  });

  test('the deadline of a request bounds what its handler asks others', async () => {
    await using world = await World.create();
    const { alice, bob } = await pair(world);
    const carol = await world.agentWithoutHandler('carol');
    const deadlines: number[] = [];
    carol.agent.onRequest((_, { deadline }) => void deadlines.push(deadline.getTime()));
    bob.agent.onRequest(async (_, { deadline }) => {
      deadlines.push(deadline.getTime());
      return bob.agent.request('carol', 'x', { timeout: '1h' });
    });
    await world.finish(alice.agent.request('bob', 'x', { timeout: '20s' }));
    expect(deadlines).toHaveLength(2);
    expect(deadlines[1]).toBe(deadlines[0]);
  });

  test('agents that ask each other in a circle end with LOOP', async () => {
    await using world = await World.create();
    const { alice, bob } = await pair(world);
    let asked = 0;
    alice.agent.onRequest(async () => {
      asked += 1;
      return alice.agent.request('bob', 'and you?');
    });
    bob.agent.onRequest(async () => {
      asked += 1;
      return bob.agent.request('alice', 'and you?');
    });
    await expect(world.finish(alice.agent.request('bob', 'go'))).rejects.toMatchObject({
      code: 'LOOP',
    });
    expect(asked).toBe(AGENT_LIMITS.hops + 1);
  });
});

describe('a callee that is not on the hub yet', () => {
  test('is waited for, then the time of the request begins; without that it is PEER_NOT_FOUND', async () => {
    await using world = await World.create();
    const alice = await world.agentWithoutHandler('alice');
    const options = { waitForPeer: '1m', timeout: '10s' } as const;
    await expect(world.finish(alice.agent.request('bob', 'x'))).rejects.toMatchObject({
      code: 'PEER_NOT_FOUND',
    });
    const asking = alice.agent.request('bob', 'x', options);
    const items: unknown[] = [];
    const reading = (async () => {
      for await (const item of alice.agent.stream('bob', 'x', options)) items.push(item);
    })();
    await world.advance(30_000);
    const bob = await world.agentWithoutHandler('bob');
    bob.agent.onRequest(() => ({ text: 'fine' }));
    bob.agent.onStream(async function* () {
      yield 'fine';
    });
    expect(await world.finish(asking)).toEqual({ text: 'fine' });
    await world.finish(reading);
    expect(items).toEqual(['fine']);
    await expect(
      alice.agent.request('bob', 'x', { waitForPeer: 'long' as never }),
    ).rejects.toMatchObject({
      code: 'BAD_OPTION',
      message: expect.stringContaining('waitForPeer'),
    });
  });
});

describe('restarts', () => {
  test('a caller that restarts finds its call and the answer, which is kept until it is read', async () => {
    await using world = await World.create();
    const { alice, bob } = await pair(world);
    const call = await world.finish(alice.agent.call('bob', 'x', { timeout: '3d' }));
    await world.advance(1_000);
    const again = await world.restart(alice);
    expect((await again.agent.calls()).map(({ id }) => id)).toEqual([call.id]);
    bob.agent.onRequest(() => ({ text: 'fine' }));
    await world.advance(5_000);
    const third = await world.restart(again);
    const found = await third.agent.callById(call.id);
    expect(found.isOpen).toBe(false);
    expect(await found.answer()).toEqual({ text: 'fine' });
    await world.rest();
    await expect(third.agent.callById(call.id)).rejects.toMatchObject({ code: 'UNKNOWN_CALL' });
    expect(await rowsOf(third, 'call/')).toEqual([]);
  });

  test('a callee that restarts runs the request again: attempt counts, steps ran once', async () => {
    await using world = await World.create();
    const { alice, bob } = await pair(world);
    const steps: string[] = [];
    const handle = async (context: RequestContext, hang: boolean) => {
      const paid = await context.once('pay', () => ({ n: steps.push('paid') }));
      if (hang) return new Promise<object>(() => {});
      return { attempt: context.attempt, paid };
    };
    bob.agent.onRequest((_, context) => handle(context, true));
    const call = await world.finish(alice.agent.call('bob', 'x'));
    await world.advance(2_000);
    await world.close(bob);
    const again = await world.agentWithoutHandler('bob', {}, bob);
    again.agent.onRequest((_, context) => handle(context, false));
    expect(await world.finish(call.answer())).toEqual({ attempt: 2, paid: { n: 1 } });
    expect(steps).toEqual(['paid']);
    expect(await rowsOf(again, 'step/')).toEqual([]);
  });

  test('an answer to a caller whose store was lost is an orphan, and no message', async () => {
    await using world = await World.create();
    const { alice, bob } = await pair(world);
    const gate = Promise.withResolvers<void>();
    bob.agent.onRequest(async () => gate.promise);
    await world.finish(alice.agent.call('bob', 'x'));
    await world.advance(2_000);
    const again = await world.loseStore(alice);
    await world.finish(again.agent.send('bob', 'a new store'));
    gate.resolve();
    await world.advance(60_000);
    expect(again.events.orphanReply).toHaveLength(1);
    expect(again.texts).toEqual([]);
  });
});
