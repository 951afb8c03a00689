/**
 * Requests and streams at moments when two things happen at once, each of which the simulation or a
 * kill has found: a handler that goes on, a cancel in the same turn, a clock that is set. One story
 * per test.
 */
import { describe, expect, test } from '@jest/globals';
import { AGENT_LIMITS } from '../src/ground/limits.js';
import type { RequestContext } from '../src/index.js';
import type { StoreOperation } from '../src/store/store.js';
import { acquainted, pair, rowsOf } from './two-agents.js';
import { World } from './world.js';
import type { Resident } from './world.js';

const HOUR_MS = 3_600_000;

const writes = (operations: readonly StoreOperation[], prefix: string): boolean =>
  operations.some((operation) => 'put' in operation && operation.put.startsWith(prefix));

describe('cancel', () => {
  test('behind its request in one delivery: the handler never runs', async () => {
    await using world = await World.create();
    const alice = await world.agentWithoutHandler('alice');
    const bob = await world.agentWithoutHandler('bob');
    const remove = bob.agent.onRequest(() => ({}));
    await world.finish(alice.agent.request('bob', 'hello'));
    await world.advance(60_000);
    remove();
    await world.close(bob);
    const call = await world.finish(alice.agent.call('bob', 'x'));
    await world.advance(1_000);
    await world.finish(call.cancel());
    await world.advance(1_000);
    let runs = 0;
    const again = await world.agentWithoutHandler('bob', {}, bob);
    await world.advance(1_000);
    again.agent.onRequest(() => void (runs += 1));
    await world.advance(10_000);
    expect(runs).toBe(0);
    expect(await rowsOf(again, 'inbox/')).toEqual([]);
  });

  test('while the callee counts a run of it: the request does not come back', async () => {
    await using world = await World.create();
    const { alice, bob } = await pair(world);
    bob.agent.onRequest(() => new Promise(() => {}));
    const call = await world.finish(alice.agent.call('bob', 'x'));
    await world.advance(2_000);
    await world.close(bob);
    const again = await world.agentWithoutHandler('bob', {}, bob);
    await world.advance(60_000);
    // The commit that takes the cancel is held up until the run is to be counted behind it.
    const gate = Promise.withResolvers<void>();
    again.store.gate = (operations) => (writes(operations, 'outcome/') ? gate.promise : undefined);
    await world.finish(call.cancel());
    await world.advance(1_000);
    let runs = 0;
    again.agent.onRequest(() => void (runs += 1));
    await world.rest();
    gate.resolve();
    await world.advance(10_000);
    expect(await rowsOf(again, 'inbox/')).toEqual([]);
    expect(runs).toBe(0);
  });

  test('while the agent ends rejects with CLOSED: the call goes on in the next run', async () => {
    await using world = await World.create();
    const { alice, bob } = await pair(world);
    const call = await world.finish(alice.agent.call('bob', 'x'));
    await world.advance(1_000);
    await world.close(alice);
    await expect(call.cancel()).rejects.toMatchObject({ code: 'CLOSED' });
    bob.agent.onRequest(() => ({ text: 'fine' }));
    const again = await world.restart(alice);
    const found = await again.agent.callById(call.id);
    expect(await world.finish(found.answer())).toEqual({ text: 'fine' });
  });

  test('of a stream whose end is here counts after a restart, too', async () => {
    await using world = await World.create();
    const { alice, bob } = await pair(world);
    bob.agent.onStream(async function* () {
      yield 'one';
      yield 'two';
    });
    const stream = alice.agent.stream('bob', 'x');
    expect(await world.finish(stream.next())).toEqual({ done: false, value: 'one' });
    await world.advance(5_000);
    const id = await stream.id;
    // Killed after the commit of the cancel, before its rows are swept.
    const rows: Promise<unknown>[] = [];
    let left: Resident['store'] | null = null;
    alice.store.gate = (operations) => {
      if (operations.some((one) => 'delete' in one && one.delete === `call/${id}`)) {
        rows.push(alice.store.snapshot().then((copy) => (left = copy)));
      }
      return undefined;
    };
    await world.finish(stream.cancel('enough'));
    await world.advance(1_000);
    await Promise.all(rows);
    await world.close(alice);
    const again = await world.agentWithoutHandler('alice', {}, { ...alice, store: left! });
    const found = again.agent.streamById(id);
    await expect(world.finish(found.next())).rejects.toMatchObject({ code: 'CANCELLED' });
    await world.advance(1_000);
    expect(await rowsOf(again, 'call/', 'part/')).toEqual([]);
  });
});

describe('a stream', () => {
  test('goes on when the rest of it comes while its reader says what was read', async () => {
    await using world = await World.create();
    const { alice, bob } = await acquainted(world);
    const rest = Promise.withResolvers<void>();
    bob.agent.onStream(async function* () {
      yield 'one';
      await rest.promise;
      yield 'two';
    });
    const stream = alice.agent.stream('bob', 'x');
    expect(await world.finish(stream.next())).toEqual({ done: false, value: 'one' });
    // The rest is being committed: what the reader says waits behind it.
    const gate = Promise.withResolvers<void>();
    alice.store.gate = (operations) => (writes(operations, 'part/') ? gate.promise : undefined);
    rest.resolve();
    await world.advance(1_000);
    const reading = stream.next();
    await world.rest();
    gate.resolve();
    expect(await world.finish(reading)).toEqual({ done: false, value: 'two' });
    expect(await world.finish(stream.next())).toEqual({ done: true, value: undefined });
  });

  test('goes on when its consumer changes identity: credit counts as before', async () => {
    await using world = await World.create();
    const { alice, bob } = await acquainted(world);
    const chunk = 'x'.repeat(10_000);
    bob.agent.onStream(async function* () {
      for (let n = 0; n < 100; n++) yield chunk;
      return 'all';
    });
    const stream = alice.agent.stream('bob', 'x', { timeout: '1h' });
    await world.finish(stream.next());
    await world.advance(5_000);
    await world.finish(alice.agent.rotateIdentity(world.keys()));
    let count = 1;
    for (; (await world.finish(stream.next())).done !== true; count++);
    expect(count).toBe(100);
  });

  test('to a peer that is revoked in the middle ends, and the agent goes on', async () => {
    await using world = await World.create();
    const { alice, bob } = await acquainted(world);
    bob.agent.onStream(async function* (_, { signal }) {
      for (let n = 0; !signal.aborted; n++) {
        yield n;
        await new Promise((resolve) => void world.runtime().schedule(100, () => resolve(null)));
      }
    });
    const stream = alice.agent.stream('bob', 'x', { timeout: '1h' });
    expect(await world.finish(stream.next())).toEqual({ done: false, value: 0 });
    await world.finish(bob.agent.revoke(alice.agent.revocation()));
    await world.advance(60_000);
    expect(bob.events.stopped).toEqual([]);
    expect(await rowsOf(bob, 'inbox/', 'produced/')).toEqual([]);
  });

  test('that nobody reads is kept for 7 days, and then nothing of it is left', async () => {
    await using world = await World.create();
    const { alice, bob } = await pair(world);
    bob.agent.onStream(async function* () {
      yield 'one';
    });
    const stream = alice.agent.stream('bob', 'x', { timeout: '1h' });
    await world.finish(stream.id);
    await world.advance(5_000);
    await world.jump(2 * HOUR_MS);
    await world.advance(AGENT_LIMITS.upkeepMs);
    expect(await rowsOf(alice, 'call/', 'part/')).toHaveLength(3);
    await world.jump(AGENT_LIMITS.answerKeptMs);
    await world.advance(AGENT_LIMITS.upkeepMs);
    expect(await rowsOf(alice, 'call/', 'part/')).toEqual([]);
  });
});

describe('a handler that goes on after its request has ended', () => {
  test('begins no step, and leaves nothing of one that it had begun', async () => {
    await using world = await World.create();
    const { alice, bob } = await pair(world);
    const gate = Promise.withResolvers<number>();
    const steps: string[] = [];
    const seen = Promise.withResolvers<unknown[]>();
    bob.agent.onRequest(async (_, context: RequestContext) => {
      const first = context.once('first', () => gate.promise).catch((error: unknown) => error);
      const errors = [await first];
      const second = context.once('second', () => void steps.push('ran'));
      errors.push(await second.catch((error: unknown) => error));
      seen.resolve(errors);
    });
    const asking = alice.agent.request('bob', 'x', { timeout: '5s' });
    await expect(world.finish(asking)).rejects.toMatchObject({ code: 'DEADLINE' });
    await world.advance(5_000);
    gate.resolve(1);
    const [first, second] = await world.finish(seen.promise);
    expect(first).toMatchObject({ code: 'CLOSED' });
    expect(second).toMatchObject({ code: 'DEADLINE' });
    expect(steps).toEqual([]);
    await world.advance(5_000);
    expect(await rowsOf(bob, 'inbox/', 'step/')).toEqual([]);
  });
});

test('of many calls in one turn those beyond the limit are BACKPRESSURE', async () => {
  const table = AGENT_LIMITS as { openCalls: number };
  const { openCalls } = table;
  table.openCalls = 3;
  try {
    await using world = await World.create();
    const { alice } = await pair(world);
    const asking = Array.from({ length: 10 }, () => alice.agent.call('bob', 'x'));
    const outcomes = await world.finish(Promise.allSettled(asking));
    const refused = outcomes.filter(({ status }) => status === 'rejected');
    expect(refused).toHaveLength(7);
    expect(refused).toContainEqual(
      expect.objectContaining({ reason: expect.objectContaining({ code: 'BACKPRESSURE' }) }),
    );
  } finally {
    table.openCalls = openCalls;
  }
});

test('an agent whose outbox is full closes, and answers in its next run', async () => {
  const table = AGENT_LIMITS as { outboxMessages: number };
  const { outboxMessages } = table;
  await using world = await World.create();
  const { alice, bob } = await acquainted(world);
  await world.close(bob);
  const call = await world.finish(alice.agent.call('bob', 'x'));
  const second = await world.agentWithoutHandler('bob', {}, bob);
  await world.advance(1_000);
  world.network.goDown();
  try {
    table.outboxMessages = 1;
    const sending = second.agent.send('alice', 'waits');
    sending.catch(() => undefined);
    await world.rest();
    second.agent.onRequest(() => ({ text: 'fine' }));
    await world.close(second);
  } finally {
    table.outboxMessages = outboxMessages;
  }
  await world.network.comeBack();
  const third = await world.agentWithoutHandler('bob', {}, bob);
  third.agent.onRequest(() => ({ text: 'fine' }));
  expect(await world.finish(call.answer())).toEqual({ text: 'fine' });
});

describe('clocks', () => {
  /** An agent whose clock shows another time. */
  async function withClock(world: World, name: string, shift: { ms: number }) {
    const runtime = world.runtime();
    const now = (): number => runtime.now() + shift.ms;
    return world.agentWithoutHandler(name, { runtime: { ...runtime, now } });
  }

  const SHIFTS: [string, number][] = [
    ['an hour fast', HOUR_MS],
    ['an hour slow', -HOUR_MS],
    ['nine days fast', 216 * HOUR_MS],
  ];

  test.each(SHIFTS)('a callee %s answers, and its handler has the same time', async (_, ms) => {
    await using world = await World.create();
    const alice = await world.agentWithoutHandler('alice');
    const bob = await withClock(world, 'bob', { ms });
    bob.agent.onRequest((_request, { deadline }) => {
      const leftMs = deadline.getTime() - (world.host.clock() + ms);
      return { leftMs: Math.round(leftMs / 1_000) * 1_000 };
    });
    const asking = alice.agent.request('bob', 'x', { timeout: '1m' });
    const { leftMs } = (await world.finish(asking)) as { leftMs: number };
    expect(leftMs).toBeGreaterThan(50_000);
    expect(leftMs).toBeLessThanOrEqual(60_000);
  });

  test.each(SHIFTS)('a caller %s is answered', async (_, ms) => {
    await using world = await World.create();
    const alice = await withClock(world, 'alice', { ms });
    const bob = await world.agentWithoutHandler('bob');
    bob.agent.onRequest(() => ({ text: 'fine' }));
    const asking = alice.agent.request('bob', 'x', { timeout: '1m' });
    expect(await world.finish(asking)).toEqual({ text: 'fine' });
  });

  test.each([HOUR_MS, -HOUR_MS, 216 * HOUR_MS, -216 * HOUR_MS])(
    'that are set by %i ms while both are connected change nothing',
    async (ms) => {
      await using world = await World.create();
      const [ours, theirs] = [{ ms: 0 }, { ms: 0 }];
      const alice = await withClock(world, 'alice', ours);
      const bob = await withClock(world, 'bob', theirs);
      const reasons: unknown[] = [];
      bob.agent.onRequest(({ text }, { signal }) => {
        if (text === 'quick') return { text };
        signal.addEventListener('abort', () => void reasons.push(signal.reason));
        return new Promise(() => {});
      });
      await world.finish(alice.agent.request('bob', 'quick'));
      theirs.ms = ms;
      expect(await world.finish(alice.agent.request('bob', 'quick'))).toEqual({ text: 'quick' });
      ours.ms = -ms;
      expect(await world.finish(alice.agent.request('bob', 'quick'))).toEqual({ text: 'quick' });
      const late = world.finish(alice.agent.request('bob', 'hangs', { timeout: '90s' }));
      await expect(late).rejects.toMatchObject({ code: 'DEADLINE' });
      await world.advance(120_000);
      expect(reasons).toEqual([expect.objectContaining({ code: 'DEADLINE' })]);
    },
  );
});
