/**
 * What runs when a message is there: handlers and loops, their failures, and the end of an agent in
 * the middle of one. One story per test.
 */
import { describe, expect, test } from '@jest/globals';
import { Agent } from '../src/index.js';
import { AGENT_LIMITS } from '../src/ground/limits.js';
import { World } from './world.js';

describe('handlers', () => {
  test('several run one after the other, in the order in which they came, awaited', async () => {
    await using world = await World.create();
    const alice = await world.agent('alice');
    const bob = await world.agent('bob');
    const order: string[] = [];
    bob.agent.onMessage(async ({ text }) => {
      order.push(`slow begins ${text}`);
      for (let i = 0; i < 5; i++) await new Promise(setImmediate);
      order.push(`slow ends ${text}`);
    });
    const remove = bob.agent.onMessage(({ text }) => void order.push(`last ${text}`));
    await world.finish(alice.agent.send('bob', '1'));
    await world.finish(alice.agent.send('bob', '2'));
    await world.rest();
    remove();
    await world.finish(alice.agent.send('bob', '3'));
    await world.rest();
    expect(order).toEqual([
      ...['slow begins 1', 'slow ends 1', 'last 1'],
      ...['slow begins 2', 'slow ends 2', 'last 2'],
      ...['slow begins 3', 'slow ends 3'],
    ]);
  });

  test('one that throws gets the message again, the others do not', async () => {
    await using world = await World.create();
    const alice = await world.agent('alice');
    const bob = await world.agent('bob');
    const seen: string[] = [];
    let failures = 2;
    bob.agent.onMessage(({ text, redelivered }) => {
      seen.push(`${text} ${redelivered}`);
      if (text === 'bad' && failures-- > 0) throw new TypeError('not today');
    });
    await world.finish(alice.agent.send('bob', 'bad'));
    await world.finish(alice.agent.send('bob', 'good'));
    await world.rest();
    expect(seen).toEqual(['bad false', 'good false']);
    await world.advance(10_000);
    expect(seen).toEqual(['bad false', 'good false', 'bad true', 'bad true']);
    expect(bob.texts).toEqual(['bad', 'good']);
    expect(
      bob.events.handlerError.map(({ attempt, deadLettered }) => [attempt, deadLettered]),
    ).toEqual([
      [1, false],
      [2, false],
    ]);
    expect(await bob.agent.status()).toMatchObject({ inbox: 0, handlers: 2 });
  });

  test('a message that fails every time becomes a dead letter after five runs', async () => {
    await using world = await World.create();
    const alice = await world.agent('alice');
    const bob = await world.agent('bob');
    let runs = 0;
    bob.agent.onMessage(() => {
      runs += 1;
      throw new TypeError('never');
    });
    await world.finish(alice.agent.send('bob', 'poison'));
    await world.advance(60_000);
    expect(runs).toBe(AGENT_LIMITS.handlerAttempts);
    expect(bob.events.handlerError.at(-1)).toMatchObject({ attempt: 5, deadLettered: true });
    const keys = [...(await bob.store.rows()).keys()];
    expect(keys.filter((key) => key.startsWith('inbox/'))).toEqual([]);
    expect(keys.filter((key) => key.startsWith('dead/'))).toHaveLength(1);
  });

  test('messages() gives one at a time, the next only when it is asked for', async () => {
    await using world = await World.create();
    const alice = await world.agent('alice');
    const bob = await Agent.create('bob', {
      hub: world.hub,
      runtime: world.runtime(),
      logLevel: 'silent',
    });
    const stream = bob.messages();
    const first = stream.next();
    for (const text of ['1', '2', '3']) await world.finish(alice.agent.send('bob', text));
    await world.rest();
    expect((await first).value?.text).toBe('1');
    expect((await bob.status()).inbox).toBe(3);
    expect((await stream.next()).value?.text).toBe('2');
    await world.rest();
    expect((await bob.status()).inbox).toBe(2);
    for await (const message of stream) {
      expect(message.text).toBe('3');
      message.done();
      break;
    }
    await world.rest();
    expect(await bob.status()).toMatchObject({ inbox: 0, handlers: 0 });
    const waiting = bob.messages().next();
    await world.finish(bob.close());
    expect(await waiting).toEqual({ done: true, value: undefined });
  });
});

describe('a loop over messages()', () => {
  test('whose body throws has not handled the message: it comes again, to the loop begun anew', async () => {
    await using world = await World.create();
    const alice = await world.agent('alice');
    const bob = await world.agentWithoutHandler('bob');
    const seen: string[] = [];
    const read = async (): Promise<void> => {
      for await (const { text, redelivered } of bob.agent.messages()) {
        seen.push(`${text} ${redelivered}`);
        if (text === 'two' && !redelivered) throw new RangeError('a bug');
      }
    };
    const failing = read();
    const sent = [];
    for (const text of ['one', 'two', 'three'])
      sent.push(await world.finish(alice.agent.send('bob', text)));
    await expect(failing).rejects.toThrow('a bug');
    const told = sent.map(({ handled }) => handled.then(() => 'handled'));
    void read();
    await world.rest();
    expect(bob.events.handlerError).toMatchObject([
      { error: { code: 'NOT_HANDLED' }, attempt: 1, deadLettered: false },
    ]);
    await world.advance(5_000);
    expect(await Promise.all(told)).toEqual(['handled', 'handled', 'handled']);
    expect(seen).toEqual(['one false', 'two false', 'three false', 'two true']);
  });

  test('whose body throws each time leaves a dead letter, and the sender hears of it', async () => {
    await using world = await World.create();
    const alice = await world.agent('alice');
    const bob = await world.agentWithoutHandler('bob');
    let runs = 0;
    const supervise = async (): Promise<void> => {
      for (;;) {
        try {
          for await (const _message of bob.agent.messages()) {
            runs += 1;
            throw new RangeError('always');
          }
          return;
        } catch {
          // Begun again.
        }
      }
    };
    void supervise();
    const { handled } = await world.finish(alice.agent.send('bob', 'poison'));
    await world.advance(60_000);
    await expect(handled).rejects.toMatchObject({ code: 'FAILED' });
    expect(runs).toBe(AGENT_LIMITS.handlerAttempts);
    expect(await bob.agent.deadLetters()).toMatchObject([{ text: 'poison' }]);
  });

  test('may close its agent: that does not wait for the loop, whose message counts', async () => {
    await using world = await World.create();
    const alice = await world.agent('alice');
    const bob = await world.agentWithoutHandler('bob');
    const began = world.host.clock();
    const reading = (async () => {
      for await (const { text } of bob.agent.messages()) {
        expect(text).toBe('stop');
        await bob.agent.close();
      }
    })();
    const { handled } = await world.finish(alice.agent.send('bob', 'stop'));
    await world.finish(handled);
    await world.finish(reading);
    expect(world.host.clock() - began).toBeLessThan(AGENT_LIMITS.drainMs);
    const again = await world.restart(bob);
    await world.rest();
    expect(again.texts).toEqual([]);
  });
});

describe('close() in a handler', () => {
  test('does not wait for itself; nothing is handled after it; its message counts', async () => {
    await using world = await World.create();
    const alice = await world.agent('alice');
    const bob = await world.agentWithoutHandler('bob');
    const began = world.host.clock();
    const seen: string[] = [];
    const { promise: closed, resolve } = Promise.withResolvers<unknown>();
    bob.agent.onMessage(async ({ text }) => {
      seen.push(text);
      if (text !== 'stop') return;
      await bob.agent.close();
      resolve(await bob.agent.send('alice', 'late').catch(({ code }: { code: string }) => code));
    });
    const { handled } = await world.finish(alice.agent.send('bob', 'stop'));
    await world.finish(handled);
    expect(await closed).toBe('CLOSED');
    expect(world.host.clock() - began).toBeLessThan(AGENT_LIMITS.drainMs);
    const again = await world.restart(bob);
    await world.rest();
    expect([seen, again.texts]).toEqual([['stop'], []]);
  });

  test('leaves the message unhandled when the handler fails after it', async () => {
    await using world = await World.create();
    const alice = await world.agent('alice');
    const bob = await world.agentWithoutHandler('bob');
    bob.agent.onMessage(async () => {
      await bob.agent.close();
      throw new RangeError('not done');
    });
    const { handled } = await world.finish(alice.agent.send('bob', 'work'));
    const told = handled.then(() => 'handled');
    await world.advance(10_000);
    const again = await world.restart(bob);
    await world.finish(told);
    expect(again.messages).toMatchObject([{ text: 'work', redelivered: true }]);
  });

  test('of another agent waits for the handlers of that one', async () => {
    await using world = await World.create();
    const alice = await world.agent('alice');
    const bob = await world.agentWithoutHandler('bob');
    const carol = await world.agentWithoutHandler('carol');
    const steps: string[] = [];
    const { promise: mayEnd, resolve: end } = Promise.withResolvers<void>();
    carol.agent.onMessage(async () => {
      await mayEnd;
      steps.push('carol handled it');
    });
    bob.agent.onMessage(async () => {
      await carol.agent.close();
      steps.push('carol is closed');
    });
    await world.finish(alice.agent.send('carol', 'work'));
    await world.finish(alice.agent.send('bob', 'close carol'));
    await world.rest();
    end();
    await world.rest();
    expect(steps).toEqual(['carol handled it', 'carol is closed']);
  });
});

describe('an error of a handler', () => {
  test('is logged with its stack when nobody listens, and only then', async () => {
    await using world = await World.create();
    const lines: [string, object][] = [];
    const write = (message: string, fields: object): void => void lines.push([message, fields]);
    const logger = { debug() {}, info() {}, warn() {}, error: write };
    const alice = await world.agent('alice');
    const runtime = world.runtime();
    const { hub } = world;
    const bob = await Agent.create('bob', { hub, runtime, logger });
    bob.onMessage(() => {
      throw new RangeError('no such table');
    });
    const { id } = await world.finish(alice.agent.send('bob', 'hi'));
    await world.rest();
    expect(lines).toEqual([
      [
        'handler failed',
        {
          ...{ id, sender: 'alice', attempt: 1, deadLettered: false },
          error: expect.stringMatching(/^RangeError: no such table\n {4}at .*handlers\.scenario/su),
        },
      ],
    ]);
    const heard: unknown[] = [];
    bob.on('handlerError', ({ attempt }) => void heard.push(attempt));
    await world.advance(2_000);
    expect(heard).toEqual([2]);
    expect(lines).toHaveLength(1);
    await world.finish(bob.close());
  });
});
