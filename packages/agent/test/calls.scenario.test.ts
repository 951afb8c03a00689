/**
 * Asking another agent (protocol.md §2.19): one answer for each request, whatever sleeps, restarts,
 * is cancelled or late. One story per test.
 */
import { describe, expect, test } from '@jest/globals';
import { AGENT_LIMITS } from '../src/ground/limits.js';
import { AgentError } from '../src/index.js';
import { pair, rowsOf } from './two-agents.js';
import { World } from './world.js';
import type { Resident } from './world.js';

describe('a request', () => {
  test('whose end was waited for keeps its answer until that is read, over a restart too', async () => {
    await using world = await World.create();
    const { alice, bob } = await pair(world);
    bob.agent.onRequest(() => ({ text: 'fine' }));
    const call = await world.finish(alice.agent.call('bob', { text: 'status?' }));
    await world.finish(call.ended);
    expect(call.isOpen).toBe(false);
    const again = await world.restart(alice);
    const kept = await again.agent.callById(call.id);
    await kept.ended;
    expect(await kept.answer()).toMatchObject({ text: 'fine' });
    await world.advance(1_000);
    await expect(again.agent.callById(call.id)).rejects.toMatchObject({ code: 'UNKNOWN_CALL' });
  });

  test('of which nobody reads the answer keeps it for 7 days, and then nothing of it is left', async () => {
    await using world = await World.create();
    const { alice, bob } = await pair(world);
    bob.agent.onRequest(() => ({ text: 'fine' }));
    const { id, ended } = await world.finish(alice.agent.call('bob', 'x'));
    await world.finish(ended);
    await world.jump(AGENT_LIMITS.answerKeptMs - 2 * AGENT_LIMITS.upkeepMs);
    await world.advance(AGENT_LIMITS.upkeepMs);
    expect((await alice.agent.calls()).map((call) => call.id)).toEqual([id]);
    await world.jump(2 * AGENT_LIMITS.upkeepMs);
    await world.advance(AGENT_LIMITS.upkeepMs);
    await expect(alice.agent.callById(id)).rejects.toMatchObject({ code: 'UNKNOWN_CALL' });
    expect(await rowsOf(alice, 'call/')).toEqual([]);
  });

  test('is answered once, and leaves nothing behind on either side', async () => {
    await using world = await World.create();
    const { alice, bob } = await pair(world);
    const asked: string[] = [];
    bob.agent.onRequest(({ text, sender }, { peer, attempt, deadline }) => {
      asked.push(`${sender} ${text} ${peer.name} ${peer.trust} ${attempt}`);
      expect(deadline.getTime()).toBe(world.host.clock() + 600_000);
      return { text: 'fine', n: 1 };
    });
    const asking = alice.agent.request('bob', { text: 'status?' }, { timeout: '10m' });
    expect(await world.finish(asking)).toEqual({ text: 'fine', n: 1 });
    await world.advance(60_000);
    expect(asked).toEqual(['alice status? bob first-contact 1'.replace(' bob ', ' alice ')]);
    expect(await rowsOf(alice, 'call/')).toEqual([]);
    expect(await rowsOf(bob, 'inbox/')).toEqual([]);
    expect(await rowsOf(bob, 'outcome/')).toEqual([]);
    const states = alice.events.outgoing.map(({ state }) => state);
    expect(states).toEqual(['queued', 'accepted', 'delivered', 'handled']);
  });

  test('and its answer are one commit of the callee: reply, outcome and the end of the request', async () => {
    await using world = await World.create();
    const { alice, bob } = await pair(world);
    const commits: string[][] = [];
    bob.agent.onRequest(() => {
      bob.store.beforeCommit = (operations) => {
        commits.push(operations.map((one) => ('put' in one ? `+${one.put}` : `-${one.delete}`)));
      };
      return { text: 'fine' };
    });
    await world.finish(alice.agent.request('bob', 'status?'));
    bob.store.beforeCommit = null;
    const ends = commits.filter((rows) => rows.some((row) => row.startsWith('-inbox/')));
    const replies = commits.filter((rows) => rows.some((row) => row.startsWith('+outbox/')));
    expect(replies).toHaveLength(1);
    expect(ends).toEqual(replies);
    expect(commits.flat().some((row) => row.startsWith('+outcome/'))).toBe(false);
  });

  test.each([
    ['a text', 'hello', { text: 'hello' }],
    ['nothing', undefined, {}],
    ['an object', { a: [1, { b: null }] }, { a: [1, { b: null }] }],
  ])('may be answered with %s', async (_, answer, expected) => {
    await using world = await World.create();
    const { alice, bob } = await pair(world);
    bob.agent.onRequest(() => answer);
    expect(await world.finish(alice.agent.request('bob', 'x'))).toEqual(expected);
  });

  test('to an agent that knows no calls is answered by msg.reply', async () => {
    await using world = await World.create();
    const { alice, bob } = await pair(world);
    bob.agent.onMessage(async (message) => void (await message.reply({ text: 'by hand' })));
    expect(await world.finish(alice.agent.request('bob', 'x'))).toMatchObject({ text: 'by hand' });
  });

  test('that is handled without an answer is NO_REPLY, after two seconds', async () => {
    await using world = await World.create();
    const { alice, bob } = await pair(world);
    bob.agent.onMessage(() => {});
    const call = await world.finish(alice.agent.call('bob', 'x'));
    for (let n = 0; n < 100 && alice.events.outgoing.at(-1)?.state !== 'handled'; n++) {
      await world.advance(100);
    }
    expect(alice.events.outgoing.at(-1)).toMatchObject({ state: 'handled' });
    await world.advance(1_800);
    expect(call.isOpen).toBe(true);
    await world.advance(300);
    await expect(call.answer()).rejects.toMatchObject({ code: 'NO_REPLY' });
  });

  test('that a plain handler refuses ends with its reason', async () => {
    await using world = await World.create();
    const { alice, bob } = await pair(world);
    bob.agent.onMessage(() => {
      throw new AgentError('REFUSED', 'not for you');
    });
    const asking = world.finish(alice.agent.request('bob', 'x'));
    await expect(asking).rejects.toMatchObject({ code: 'REFUSED', detail: 'not for you' });
  });

  test('in a handler that a third agent answers does not wait for ever', async () => {
    await using world = await World.create();
    const { alice, bob } = await pair(world);
    const carol = await world.agentWithoutHandler('carol');
    carol.agent.onRequest(() => ({ text: 'the third' }));
    bob.agent.onRequest(async () => bob.agent.request('carol', 'what do you say?'));
    const asking = alice.agent.request('bob', 'ask carol');
    expect(await world.finish(asking)).toEqual({ text: 'the third' });
  });

  test('runs beside others of one caller, up to concurrency', async () => {
    await using world = await World.create();
    const { alice, bob } = await pair(world);
    let running = 0;
    let most = 0;
    const gates: (() => void)[] = [];
    bob.agent.onRequest(
      async () => {
        running += 1;
        most = Math.max(most, running);
        await new Promise<void>((resolve) => void gates.push(resolve));
        running -= 1;
      },
      { concurrency: 2 },
    );
    const asking = ['1', '2', '3'].map((text) => alice.agent.request('bob', text));
    for (let n = 0; n < 3; n++) {
      await world.advance(2_000);
      for (const open of gates.splice(0)) open();
    }
    await world.finish(Promise.all(asking));
    expect(most).toBe(2);
  });
});

describe('what a handler throws', () => {
  test.each([
    ['an exception', new TypeError('my bug'), { code: 'FAILED', detail: 'my bug' }],
    ['a text', 'just words', { code: 'FAILED', detail: 'just words' }],
    [
      'an error with a code',
      Object.assign(new Error('gone'), { code: 'ENOENT', retryable: true }),
      { code: 'ENOENT', detail: 'gone', retryable: true },
    ],
    ['a refusal', new AgentError('REFUSED', 'no'), { code: 'REFUSED', detail: 'no' }],
  ])('reaches the caller as RemoteError: %s', async (_, thrown, expected) => {
    await using world = await World.create();
    const { alice, bob } = await pair(world);
    bob.agent.onRequest(() => {
      // oxlint-disable-next-line typescript/only-throw-error -- handlers throw what they like
      throw thrown;
    });
    const error: unknown = await world
      .finish(alice.agent.request('bob', 'x'))
      .catch((reason: unknown) => reason);
    expect(error).toMatchObject({ name: 'RemoteError', peer: 'bob', ...expected });
    expect(JSON.stringify(error)).not.toContain('.ts');
  });

  test('ctx.error carries a code and data', async () => {
    await using world = await World.create();
    const { alice, bob } = await pair(world);
    bob.agent.onRequest((_, context) => {
      throw context.error('PAYWALL', { price: 3 }, { message: 'pay first', retryable: true });
    });
    await expect(world.finish(alice.agent.request('bob', 'x'))).rejects.toMatchObject({
      code: 'PAYWALL',
      data: { price: 3 },
      detail: 'pay first',
      retryable: true,
    });
    // What the handler means to say is no failure of the handler.
    expect(bob.events.handlerError).toEqual([]);
  });

  test.each([
    ['a function', () => ({ f: () => {} })],
    ['an array with a hole', () => ({ list: Array.from({ length: 3 }).fill(1, 1) })],
    ['too deep', () => JSON.parse('{"a":'.repeat(80) + '1' + '}'.repeat(80)) as object],
    ['too large', () => ({ text: 'x'.repeat(1_000_001) })],
  ])('an answer that is %s is INVALID_OUTPUT, and the request is done', async (_, answer) => {
    await using world = await World.create();
    const { alice, bob } = await pair(world);
    bob.agent.onRequest(answer);
    await expect(world.finish(alice.agent.request('bob', 'x'))).rejects.toMatchObject({
      code: 'INVALID_OUTPUT',
    });
    expect(await rowsOf(bob, 'inbox/')).toEqual([]);
  });
});

describe('cancel', () => {
  test('before it was asked for: nothing is asked, and the reason is told', async () => {
    await using world = await World.create();
    const { alice } = await pair(world);
    const signal = AbortSignal.abort('too late');
    await expect(alice.agent.request('bob', 'x', { signal })).rejects.toMatchObject({
      code: 'CANCELLED',
      detail: 'too late',
      cause: 'too late',
    });
    expect(await rowsOf(alice, 'call/', 'outbox/')).toEqual([]);
  });

  test('before it has left: nothing of it arrives', async () => {
    await using world = await World.create();
    const { alice, bob } = await pair(world);
    await world.finish(alice.agent.connect('bob'));
    let runs = 0;
    bob.agent.onRequest(() => void (runs += 1));
    world.network.goDown();
    const call = await world.finish(alice.agent.call('bob', 'x'));
    await world.finish(call.cancel('changed my mind'));
    await expect(call.answer()).rejects.toMatchObject({
      code: 'CANCELLED',
      detail: 'changed my mind',
    });
    await world.network.comeBack();
    await world.advance(60_000);
    expect(runs).toBe(0);
    expect((await alice.agent.status()).outbox).toBe(0);
  });

  test('behind the request at a sleeper: the handler never runs', async () => {
    await using world = await World.create();
    const { alice, bob } = await pair(world);
    await world.finish(alice.agent.connect('bob'));
    await world.close(bob);
    const call = await world.finish(alice.agent.call('bob', 'x'));
    await world.advance(1_000);
    await world.finish(call.cancel());
    await world.advance(1_000);
    const again = await world.agentWithoutHandler('bob', {}, bob);
    await world.advance(1_000);
    let runs = 0;
    again.agent.onRequest(() => void (runs += 1));
    await world.advance(10_000);
    expect(runs).toBe(0);
    expect(await rowsOf(again, 'inbox/')).toEqual([]);
  });

  test('while it runs: the handler is told, its answer is dropped', async () => {
    await using world = await World.create();
    const { alice, bob } = await pair(world);
    const gate = Promise.withResolvers<void>();
    let reason: unknown = null;
    bob.agent.onRequest(async (_, { signal }) => {
      signal.addEventListener('abort', () => (reason = signal.reason));
      await gate.promise;
      return { text: 'too late' };
    });
    const controller = new AbortController();
    const call = await world.finish(alice.agent.call('bob', 'x', { signal: controller.signal }));
    await world.advance(2_000);
    controller.abort('enough');
    await expect(world.finish(call.answer())).rejects.toMatchObject({ code: 'CANCELLED' });
    await world.advance(2_000);
    expect(reason).toMatchObject({ code: 'CANCELLED' });
    gate.resolve();
    await world.advance(10_000);
    expect(await rowsOf(bob, 'inbox/')).toEqual([]);
    expect(alice.events.orphanReply).toEqual([]);
  });

  test('after the answer: nothing happens', async () => {
    await using world = await World.create();
    const { alice, bob } = await pair(world);
    bob.agent.onRequest(() => ({ text: 'fine' }));
    const call = await world.finish(alice.agent.call('bob', 'x'));
    await world.advance(2_000);
    await world.finish(call.cancel());
    expect(await call.answer()).toEqual({ text: 'fine' });
  });
});

describe('keys', () => {
  test('requests with one key are run once and get one answer, also after a restart', async () => {
    await using world = await World.create();
    const { alice, bob } = await pair(world);
    let runs = 0;
    bob.agent.onRequest(async () => ({ run: ++runs }));
    const options = { key: 'invoice-4711' };
    const asking = [1, 2].map((n) => alice.agent.request('bob', { n }, options));
    expect(await world.finish(Promise.all(asking))).toEqual([{ run: 1 }, { run: 1 }]);
    await world.close(bob);
    const again = await world.agentWithoutHandler('bob', {}, bob);
    again.agent.onRequest(() => ({ run: ++runs }));
    expect(await world.finish(alice.agent.request('bob', 'x', options))).toEqual({ run: 1 });
    expect(await world.finish(alice.agent.request('bob', 'x'))).toEqual({ run: 2 });
    await world.jump(AGENT_LIMITS.keyKeptMs);
    await world.advance(AGENT_LIMITS.upkeepMs);
    expect(await rowsOf(again, 'key/')).toEqual([]);
    expect(await world.finish(alice.agent.request('bob', 'x', options))).toEqual({ run: 3 });
  });

  test('a key of one caller is nothing to another', async () => {
    await using world = await World.create();
    const { alice, bob } = await pair(world);
    const carol = await world.agentWithoutHandler('carol');
    bob.agent.onRequest(({ sender }) => ({ text: sender }));
    const ask = (from: Resident) => world.finish(from.agent.request('bob', 'x', { key: 'k' }));
    expect(await ask(alice)).toEqual({ text: 'alice' });
    expect(await ask(carol)).toEqual({ text: 'carol' });
  });
});

test('progress reaches the caller: the latest word counts', async () => {
  await using world = await World.create();
  const { alice, bob } = await pair(world);
  bob.agent.onRequest(async (_, context) => {
    for (let n = 1; n <= 100; n++) context.progress({ done: n });
    await new Promise((resolve) => void world.host.every(5_000, () => resolve(null)));
    return { text: 'ready' };
  });
  const told: unknown[] = [];
  const onProgress = (value: unknown): void => void told.push(value);
  await world.finish(alice.agent.request('bob', 'x', { onProgress }));
  expect(told.at(-1)).toEqual({ done: 100 });
  expect(told.length).toBeLessThanOrEqual(2);
});

test('the 10,001st open call is BACKPRESSURE', async () => {
  const table = AGENT_LIMITS as { openCalls: number };
  const { openCalls } = table;
  table.openCalls = 3;
  try {
    await using world = await World.create();
    const { alice } = await pair(world);
    const calls = await world.finish(
      Promise.all(['1', '2', '3'].map((text) => alice.agent.call('bob', text))),
    );
    const refused = alice.agent.call('bob', '4');
    await expect(world.finish(refused)).rejects.toMatchObject({ code: 'BACKPRESSURE' });
    await world.finish(calls[0]?.cancel() ?? Promise.resolve());
    await world.finish(alice.agent.call('bob', '4'));
  } finally {
    table.openCalls = openCalls;
  }
});
