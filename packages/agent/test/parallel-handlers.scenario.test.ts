/**
 * Handlers beside each other (protocol.md §2.11): one sender's messages in order, no sender behind
 * another, and no handler, however slow, that keeps anything but its own sender waiting.
 */
import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import { AGENT_LIMITS } from '../src/ground/limits.js';
import type { Message } from '../src/index.js';
import { World } from './world.js';
import type { Resident } from './world.js';

/** A handler that keeps each message until it is let go of. */
function keeper() {
  const begun: string[] = [];
  const open = new Map<string, () => void>();
  const handler = (message: Message): Promise<void> => {
    begun.push(message.text);
    return new Promise((resolve) => void open.set(message.text, resolve));
  };
  return { begun, handler, end: (text: string) => open.get(text)?.() };
}

async function sendAll(world: World, from: Resident, to: string, texts: readonly string[]) {
  for (const text of texts) await world.finish(from.agent.send(to, text));
  await world.rest();
}

describe('order', () => {
  test('messages of one sender are handled one after the other, senders beside each other', async () => {
    await using world = await World.create();
    const [alice, carol, bob] = [
      await world.agent('alice'),
      await world.agent('carol'),
      await world.agentWithoutHandler('bob'),
    ];
    const { begun, handler, end } = keeper();
    bob.agent.onMessage(handler);
    await sendAll(world, alice, 'bob', ['a1', 'a2']);
    await sendAll(world, carol, 'bob', ['c1', 'c2']);
    expect(begun.toSorted()).toEqual(['a1', 'c1']);
    end('c1');
    await world.rest();
    expect(begun).toEqual(['a1', 'c1', 'c2']);
    end('a1');
    await world.rest();
    expect(begun).toEqual(['a1', 'c1', 'c2', 'a2']);
    end('a2');
    end('c2');
  });

  test('a sender that changes its identity is the same sender, also for an earlier run', async () => {
    await using world = await World.create();
    const alice = await world.agent('alice');
    let bob = await world.agentWithoutHandler('bob');
    const { begun, handler, end } = keeper();
    bob.agent.onMessage(handler);
    await sendAll(world, alice, 'bob', ['1']);
    await world.finish(alice.agent.rotateIdentity(world.keys()));
    await sendAll(world, alice, 'bob', ['2']);
    await world.advance(10_000);
    expect(begun).toEqual(['1']);
    await world.kill(bob);
    bob.store.beforeCommit = null;
    bob = await world.finish(world.agentWithoutHandler('bob', {}, bob));
    const again = keeper();
    bob.agent.onMessage(again.handler);
    await sendAll(world, alice, 'bob', ['3']);
    for (const text of ['1', '2', '3']) {
      await world.advance(10_000);
      expect(again.begun.at(-1)).toBe(text);
      again.end(text);
    }
    end('1');
    await world.advance(10_000);
    expect(again.begun).toEqual(['1', '2', '3']);
  });

  test("with order 'none' one sender's messages are handled beside each other, up to concurrency", async () => {
    await using world = await World.create();
    const alice = await world.agent('alice');
    const bob = await world.agentWithoutHandler('bob');
    const { begun, handler, end } = keeper();
    bob.agent.onMessage(handler, { order: 'none', concurrency: 2 });
    await sendAll(world, alice, 'bob', ['1', '2', '3']);
    expect(begun).toEqual(['1', '2']);
    end('2');
    await world.rest();
    expect(begun).toEqual(['1', '2', '3']);
    end('1');
    end('3');
  });

  test('a handler that asks a third agent and awaits its word does not wait for ever', async () => {
    await using world = await World.create();
    const alice = await world.agent('alice');
    const bob = await world.agentWithoutHandler('bob');
    const carol = await world.agentWithoutHandler('carol');
    carol.agent.onMessage(async (message) => void (await message.reply('the third')));
    const words = Promise.withResolvers<string>();
    bob.agent.onMessage(async (message) => {
      if (message.sender === 'carol') return words.resolve(message.text);
      await bob.agent.send('carol', 'what do you say?');
      await message.reply(await words.promise);
    });
    await world.finish(alice.agent.send('bob', 'ask carol'));
    await world.advance(2_000);
    expect(alice.texts).toEqual(['the third']);
  });

  test.each([0, 1.5, -1, 10_001, NaN])('concurrency %p is BAD_OPTION', async (concurrency) => {
    await using world = await World.create();
    const { agent } = await world.agentWithoutHandler('alice');
    expect(() => agent.onMessage(() => {}, { concurrency })).toThrow(
      expect.objectContaining({ code: 'BAD_OPTION' }),
    );
    expect(() => agent.onMessage(() => {}, { order: 'any' as 'none' })).toThrow('order');
    expect(() => agent.onMessage(() => {}, { timeLimit: 'soon' as '1s' })).toThrow('timeLimit');
  });
});

describe('a handler that never returns', () => {
  test('keeps no other sender, receipt or reply waiting, and is told of after 60 seconds', async () => {
    await using world = await World.create();
    const mallory = await world.agent('mallory');
    const alice = await world.agent('alice');
    const bob = await world.agentWithoutHandler('bob');
    const texts: string[] = [];
    bob.agent.onMessage((message) => {
      texts.push(message.text);
      return message.sender === 'mallory' ? new Promise(() => {}) : undefined;
    });
    await sendAll(world, mallory, 'bob', ['hang']);
    const sent = await world.finish(bob.agent.send('alice', 'are you there?'));
    await sendAll(world, alice, 'bob', ['one', 'two']);
    await world.finish(sent.handled);
    expect(texts).toEqual(['hang', 'one', 'two']);
    expect(bob.events.handlerSlow).toEqual([]);
    await world.advance(AGENT_LIMITS.handlerSlowMs);
    expect(bob.events.handlerSlow).toHaveLength(1);
    expect(bob.events.handlerSlow[0]?.message.text).toBe('hang');
  });

  test('with a time limit is told so by its signal, and gets the message again', async () => {
    await using world = await World.create();
    const alice = await world.agent('alice');
    const bob = await world.agentWithoutHandler('bob');
    const reasons: unknown[] = [];
    let runs = 0;
    bob.agent.onMessage(
      ({ signal }) => {
        runs += 1;
        if (runs > 1) return;
        signal.addEventListener('abort', () => void reasons.push(signal.reason));
        return new Promise(() => {});
      },
      { timeLimit: '5s' },
    );
    await sendAll(world, alice, 'bob', ['hello']);
    await world.advance(7_000);
    expect(reasons).toEqual([expect.objectContaining({ code: 'HANDLER_TIMEOUT' })]);
    expect(runs).toBe(2);
    expect(bob.events.handlerError.map(({ error }) => error)).toEqual(reasons);
  });

  test('is told to stop when its agent ends, and its message comes again', async () => {
    await using world = await World.create();
    const alice = await world.agent('alice');
    const bob = await world.agentWithoutHandler('bob');
    let reason: unknown = null;
    bob.agent.onMessage(({ signal }) => {
      signal.addEventListener('abort', () => (reason = signal.reason));
      return new Promise(() => {});
    });
    await sendAll(world, alice, 'bob', ['hello']);
    const again = await world.restart(bob);
    await world.advance(1_000);
    expect(reason).toMatchObject({ code: 'CLOSED' });
    expect(again.texts).toEqual(['hello']);
  });
});

describe('the inbox', () => {
  test('credit returns at commit: a full inbox of one sender is not the whole connection', async () => {
    await using world = await World.create();
    const mallory = await world.agent('mallory');
    const alice = await world.agent('alice');
    const bob = await world.agentWithoutHandler('bob');
    // More than the hub pushes before anything is given back.
    const flood = Array.from({ length: 300 }, (_, n) => `flood ${n}`);
    await Promise.all(flood.map((text) => world.finish(mallory.agent.send('bob', text))));
    await world.advance(5_000);
    expect((await bob.agent.status()).inbox).toBe(300);
    await sendAll(world, alice, 'bob', ['honest']);
    await world.advance(1_000);
    expect((await bob.agent.status()).inbox).toBe(301);
  });

  describe('of forty messages', () => {
    const table = AGENT_LIMITS as { inboxMessages: number; backlogBytes: number };
    const { inboxMessages, backlogBytes } = table;
    const flood = Array.from({ length: 25 }, (_, n) => `${n}`);

    beforeEach(() => {
      table.inboxMessages = 40;
    });
    afterEach(() => {
      Object.assign(table, { inboxMessages, backlogBytes });
    });

    /** Says so many things that most find no room; nobody handles them yet. */
    async function flooded(world: World) {
      const mallory = await world.agent('mallory');
      const alice = await world.agent('alice');
      const bob = await world.agentWithoutHandler('bob');
      await sendAll(world, mallory, 'bob', flood);
      await world.advance(1_000);
      expect((await bob.agent.status()).inbox).toBe(10);
      return { mallory, alice, bob };
    }

    /** Notes what is handled, and what of it came late or again. */
    function noter(bob: Resident) {
      const texts: string[] = [];
      const odd: string[] = [];
      bob.agent.onMessage(({ text, late, redelivered }) => {
        texts.push(text);
        if (late || redelivered) odd.push(text);
      });
      return { texts, odd };
    }

    test('a sender fills its quarter; beyond it only its own messages wait, and none is lost', async () => {
      await using world = await World.create();
      const { alice, bob } = await flooded(world);
      const honest = await world.finish(alice.agent.send('bob', 'honest'));
      await world.finish(honest.delivered);
      expect((await bob.agent.status()).inbox).toBe(11);
      // What waits for room asks for nothing: it is here.
      await world.advance(10_000);
      expect(bob.events.gap).toEqual([]);
      const { texts, odd } = noter(bob);
      await world.advance(1);
      expect(texts.filter((text) => text !== 'honest')).toEqual(flood);
      expect(texts.indexOf('honest')).toBeLessThan(2);
      expect(odd).toEqual([]);
    });

    test('the same of its bytes: a quarter of them is few large messages', async () => {
      const bytes = AGENT_LIMITS as { inboxBytes: number };
      const { inboxBytes } = bytes;
      bytes.inboxBytes = 64 * 1_024;
      try {
        await using world = await World.create();
        const [mallory, alice] = [await world.agent('mallory'), await world.agent('alice')];
        const bob = await world.agentWithoutHandler('bob');
        const large = flood.slice(0, 8).map((text) => text.repeat(4 * 1_024));
        await sendAll(world, mallory, 'bob', large);
        await world.advance(1_000);
        const { inbox } = await bob.agent.status();
        expect(inbox).toBeGreaterThan(0);
        expect(inbox).toBeLessThanOrEqual(4);
        await world.finish((await world.finish(alice.agent.send('bob', 'honest'))).delivered);
        expect((await bob.agent.status()).inbox).toBe(inbox + 1);
        const { texts, odd } = noter(bob);
        await world.advance(1_000);
        expect([texts.filter((text) => text !== 'honest'), odd]).toEqual([large, []]);
      } finally {
        bytes.inboxBytes = inboxBytes;
      }
    });

    test('what comes behind it waits for it, also while it is taken', async () => {
      await using world = await World.create();
      const { mallory, bob } = await flooded(world);
      const { begun, handler, end } = keeper();
      bob.agent.onMessage(handler);
      await sendAll(world, mallory, 'bob', ['behind']);
      const all = [...flood, 'behind'];
      for (const text of all) {
        await world.rest();
        end(text);
      }
      expect(begun).toEqual(all);
      expect(bob.events.keysDropped).toEqual([]);
    });

    test('a handler that asks its sender gets its answer past hundreds that wait', async () => {
      await using world = await World.create();
      const { mallory, bob } = await flooded(world);
      // More than a jump keeps keys of, and far more steps than the budget has if each counts all.
      const more = Array.from({ length: 275 }, (_, n) => `more ${n}`);
      await Promise.all(more.map((text) => world.finish(mallory.agent.send('bob', text))));
      await world.advance(1_000);
      mallory.agent.onRequest(() => ({ text: 'because' }));
      const answers: unknown[] = [];
      const texts: string[] = [];
      bob.agent.onMessage(async ({ text }) => {
        texts.push(text);
        if (text === '0') answers.push(await bob.agent.request('mallory', 'why'));
      });
      await world.advance(1_000);
      expect(answers).toEqual([{ text: 'because' }]);
      expect(texts).toEqual([...flood, ...more]);
      expect(bob.events.keysDropped).toEqual([]);
    });

    test('what was taken is acknowledged while the rest waits', async () => {
      await using world = await World.create();
      const alice = await world.agent('alice');
      const bob = await world.agentWithoutHandler('bob');
      const sent = [];
      for (const text of flood) sent.push(await world.finish(alice.agent.send('bob', text)));
      const delivered: number[] = [];
      for (const [at, each] of sent.entries())
        each.delivered.then(
          () => void delivered.push(at),
          () => undefined,
        );
      await world.advance(AGENT_LIMITS.receiptMs + 5_000);
      expect(delivered).toEqual([0, 1, 2, 3, 4, 5, 6, 7, 8, 9]);
      expect((await bob.agent.status()).inbox).toBe(10);
    });

    test('what is lost on the way among it is asked for, though nothing follows', async () => {
      await using world = await World.create();
      const alice = await world.agent('alice');
      const bob = await world.agentWithoutHandler('bob');
      for (const text of flood) {
        if (text === '17') world.hub.deviations = { send: () => [] };
        await world.finish(alice.agent.send('bob', text));
        world.hub.deviations = {};
      }
      await world.advance(10_000);
      expect(bob.events.gap).toEqual([]);
      const { texts } = noter(bob);
      await world.advance(10_000);
      expect(texts).toEqual(flood);
    });

    test.each([
      ['for more than a minute', backlogBytes, 100_000],
      ['for which memory has no room', 0, 1_000],
    ])('what waits %s is put off, and comes in the end', async (_, bytes, ms) => {
      table.backlogBytes = bytes;
      await using world = await World.create();
      const { bob } = await flooded(world);
      await world.advance(ms);
      const { texts } = noter(bob);
      await world.advance(200_000);
      expect(texts).toEqual(flood);
    });

    test('what waits comes again on the next connection, and in the next run', async () => {
      await using world = await World.create();
      const { bob } = await flooded(world);
      const again = await world.restart(bob);
      const { texts } = noter(again);
      await world.advance(10_000);
      expect([...new Set([...again.texts, ...texts])]).toEqual(flood);
    });
  });
});
