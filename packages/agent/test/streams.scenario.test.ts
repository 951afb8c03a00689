/**
 * Streams (protocol.md §2.19): chunks in order and complete, or a typed error; as fast as they are
 * read, over restarts, in few messages. One story per test.
 */
import {
  CALL_FRAME,
  concatBytes,
  CONTENT_KIND,
  encodeCallFrames,
  fromHex,
} from '@agentmesh/crypto';
import type { CallFrame } from '@agentmesh/crypto';
import { describe, expect, test } from '@jest/globals';
import type { StreamHandler } from '../src/index.js';
import { envelopeTo, forgerTo } from './forger.js';
import { rowsOf } from './two-agents.js';
import { World } from './world.js';
import type { Resident } from './world.js';

async function pair(world: World, handler: StreamHandler) {
  const alice = await world.agentWithoutHandler('alice');
  const llm = await world.agentWithoutHandler('llm');
  llm.agent.onStream(handler);
  await world.finish(alice.agent.connect('llm'));
  return { alice, llm };
}

async function readAll<T>(stream: AsyncIterable<T>): Promise<T[]> {
  const items: T[] = [];
  for await (const item of stream) items.push(item);
  return items;
}

const sentBy = (world: World, resident: Resident): number =>
  world.hub.passed.sent.filter(({ by }) => by === resident.name).length;

describe('a stream', () => {
  test('gives its chunks in order and its result, and leaves nothing behind', async () => {
    await using world = await World.create();
    const { alice, llm } = await pair(world, async function* ({ text }, { from }) {
      expect(from).toBe(0);
      yield text;
      yield { n: 1 };
      yield Uint8Array.of(1, 2, 3);
      yield null;
      return { tokens: 4 };
    });
    const stream = alice.agent.stream('llm', 'hello');
    const items = await world.finish(readAll(stream));
    expect(items).toEqual(['hello', { n: 1 }, Uint8Array.of(1, 2, 3), null]);
    expect(await stream.result).toEqual({ tokens: 4 });
    await world.advance(5_000);
    for (const prefix of ['call/', 'part/']) expect(await rowsOf(alice, prefix)).toEqual([]);
    for (const prefix of ['inbox/', 'produced/']) expect(await rowsOf(llm, prefix)).toEqual([]);
  });

  test('without chunks gives its result', async () => {
    await using world = await World.create();
    const { alice } = await pair(world, async function* ({ text }) {
      if (text === 'chunks') yield text;
      return 7;
    });
    const stream = alice.agent.stream('llm', 'x');
    expect(await world.finish(readAll(stream))).toEqual([]);
    expect(await stream.result).toBe(7);
  });

  test('a burst of 5,000 tokens is at most 4 messages', async () => {
    await using world = await World.create();
    const { alice, llm } = await pair(world, async function* () {
      for (let n = 0; n < 5_000; n++) yield `tok${n % 10}`;
      return { tokens: 5_000 };
    });
    const before = sentBy(world, llm);
    const items = await world.finish(readAll(alice.agent.stream('llm', 'x')));
    expect(items).toHaveLength(5_000);
    expect(sentBy(world, llm) - before).toBeLessThanOrEqual(4);
  });

  test('of which each chunk is read as it comes costs the consumer few messages', async () => {
    await using world = await World.create();
    const { alice } = await pair(world, async function* () {
      for (let n = 0; n < 40; n++) {
        await new Promise((resolve) => void world.runtime().schedule(50, () => resolve(null)));
        yield n;
      }
      return 'done';
    });
    const before = sentBy(world, alice);
    const reading = readAll(alice.agent.stream('llm', 'x'));
    for (let step = 0; step < 45; step++) await world.advance(50);
    expect(await world.finish(reading)).toHaveLength(40);
    // The request, and in two seconds what was read, five times a second.
    expect(sentBy(world, alice) - before).toBeLessThanOrEqual(12);
  });

  test('a consumer that does not read costs the producer no more than its credit', async () => {
    await using world = await World.create();
    let made = 0;
    const chunk = 'x'.repeat(1_000);
    const { alice } = await pair(world, async function* () {
      for (; made < 2_000; made++) yield chunk;
      return made;
    });
    const stream = alice.agent.stream('llm', 'x');
    await world.advance(60_000);
    expect(made).toBeLessThanOrEqual(300);
    await world.finish(stream.next());
    await world.advance(60_000);
    expect(made).toBeLessThanOrEqual(400);
    const rest = await world.finish(readAll(stream));
    expect(rest).toHaveLength(1_999);
    expect(await stream.result).toBe(2_000);
  });

  test('a chunk larger than a window gets through alone', async () => {
    await using world = await World.create();
    const { alice } = await pair(world, async function* () {
      yield 'a';
      yield 'x'.repeat(700_000);
      yield new Uint8Array(600_000);
      yield 'b';
    });
    const items = await world.finish(readAll(alice.agent.stream('llm', 'x')));
    expect(items.map((item) => (item as string | Uint8Array).length)).toEqual([
      1, 700_000, 600_000, 1,
    ]);
  });

  test('two streams of a pair share messages, and each gets its own chunks', async () => {
    await using world = await World.create();
    const { alice } = await pair(world, async function* ({ text }) {
      for (let n = 0; n < 50; n++) {
        yield `${text}${n}`;
        if (n % 10 === 0) {
          await new Promise((resolve) => void world.runtime().schedule(40, () => resolve(null)));
        }
      }
    });
    const [a, b] = await world.finish(
      Promise.all(['a', 'b'].map((text) => readAll(alice.agent.stream('llm', text)))),
    );
    expect(a).toEqual(Array.from({ length: 50 }, (_, n) => `a${n}`));
    expect(b).toEqual(Array.from({ length: 50 }, (_, n) => `b${n}`));
  });
});

describe('ends', () => {
  test('what the generator throws comes behind the chunks before it', async () => {
    await using world = await World.create();
    const { alice } = await pair(world, async function* (_, context) {
      yield 'one';
      throw context.error('BUDGET', { left: 0 });
    });
    const stream = alice.agent.stream('llm', 'x');
    expect(await world.finish(stream.next())).toEqual({ done: false, value: 'one' });
    await expect(world.finish(stream.next())).rejects.toMatchObject({
      code: 'BUDGET',
      data: { left: 0 },
    });
    await expect(stream.result).rejects.toMatchObject({ code: 'BUDGET' });
  });

  test('a chunk that is neither JSON nor bytes ends it with INVALID_OUTPUT', async () => {
    await using world = await World.create();
    const { alice } = await pair(world, async function* () {
      yield 'one';
      yield (() => {}) as never;
    });
    const reading = readAll(alice.agent.stream('llm', 'x'));
    await expect(world.finish(reading)).rejects.toMatchObject({ code: 'INVALID_OUTPUT' });
  });

  test('an agent without streams answers UNKNOWN_OPERATION', async () => {
    await using world = await World.create();
    const alice = await world.agentWithoutHandler('alice');
    const bob = await world.agentWithoutHandler('bob');
    bob.agent.onRequest(() => ({}));
    const reading = readAll(alice.agent.stream('bob', 'x'));
    await expect(world.finish(reading)).rejects.toMatchObject({ code: 'UNKNOWN_OPERATION' });
  });

  test('leaving the loop cancels: the generator is told and ends', async () => {
    await using world = await World.create();
    let isEnded = false;
    let reason: unknown = null;
    const { alice, llm } = await pair(world, async function* (_, { signal }) {
      signal.addEventListener('abort', () => (reason = signal.reason));
      try {
        for (let n = 0; ; n++) {
          yield n;
          await new Promise((resolve) => void world.runtime().schedule(100, () => resolve(null)));
        }
      } finally {
        isEnded = true;
      }
    });
    const reading = (async () => {
      for await (const n of alice.agent.stream('llm', 'x')) if (n === 5) break;
    })();
    await world.finish(reading);
    await world.advance(5_000);
    expect(reason).toMatchObject({ code: 'CANCELLED' });
    expect(isEnded).toBe(true);
    expect(await rowsOf(llm, 'inbox/')).toEqual([]);
    expect(await rowsOf(llm, 'produced/')).toEqual([]);
    expect(await rowsOf(alice, 'part/')).toEqual([]);
  });

  test('a generator that hangs ends with DEADLINE', async () => {
    await using world = await World.create();
    const { alice } = await pair(world, async function* () {
      yield 'one';
      await new Promise(() => {});
    });
    const reading = readAll(alice.agent.stream('llm', 'x', { timeout: '10s' }));
    await expect(world.finish(reading)).rejects.toMatchObject({ code: 'DEADLINE' });
  });
});

describe('restarts', () => {
  const counting = (world: World, pauseAt: number): StreamHandler =>
    async function* (_, context) {
      for (let n = context.from; n < 100; n++) {
        yield n;
        if (n === pauseAt) await new Promise(() => {});
        if (n % 20 === 0) {
          await new Promise((resolve) => void world.runtime().schedule(50, () => resolve(null)));
        }
      }
      return 'done';
    };

  test('a producer that restarts goes on where it was', async () => {
    await using world = await World.create();
    const { alice, llm } = await pair(world, counting(world, 50));
    const stream = alice.agent.stream('llm', 'x');
    const reading = readAll(stream);
    await world.advance(5_000);
    await world.close(llm);
    const again = await world.agentWithoutHandler('llm', {}, llm);
    again.agent.onStream(counting(world, -1));
    expect(await world.finish(reading)).toEqual(Array.from({ length: 100 }, (_, n) => n));
    expect(await stream.result).toBe('done');
  });

  test('one that begins anew instead ends with STREAM_RESTARTED', async () => {
    await using world = await World.create();
    const { alice, llm } = await pair(world, counting(world, 50));
    const reading = readAll(alice.agent.stream('llm', 'x'));
    reading.catch(() => undefined);
    await world.advance(5_000);
    await world.close(llm);
    const again = await world.agentWithoutHandler('llm', {}, llm);
    again.agent.onStream(async function* () {
      for (let n = 0; n < 100; n++) yield n;
    });
    await expect(world.finish(reading)).rejects.toMatchObject({
      code: 'STREAM_RESTARTED',
      peer: 'llm',
    });
  });

  test('a consumer that restarts finds what came and was not read', async () => {
    await using world = await World.create();
    const { alice } = await pair(world, counting(world, -1));
    const stream = alice.agent.stream('llm', 'x');
    const id = await world.finish(stream.id);
    for (let n = 0; n < 10; n++) expect((await world.finish(stream.next())).value).toBe(n);
    await world.advance(5_000);
    await world.close(alice);
    const again = await world.agentWithoutHandler('alice', {}, alice);
    const found = again.agent.streamById(id);
    const from = await found.position;
    expect(from).toBeLessThanOrEqual(10);
    const rest = await world.finish(readAll(found));
    expect(rest).toEqual(Array.from({ length: 100 - from }, (_, n) => from + n));
    expect(await found.result).toBe('done');
    expect(await rowsOf(again, 'part/')).toEqual([]);
  });

  test('a consumer that was killed finds its streams without their ids, the oldest first', async () => {
    await using world = await World.create();
    const { alice } = await pair(world, counting(world, 50));
    const first = alice.agent.stream('llm', 'first', { timeout: '2h' });
    for (let n = 0; n < 10; n++) expect((await world.finish(first.next())).value).toBe(n);
    await world.advance(1_000);
    await world.finish(alice.agent.stream('llm', 'second').id);
    const [id, deadline] = await Promise.all([first.id, first.deadline]);
    await world.kill(alice);
    alice.store.beforeCommit = null;
    const again = await world.agentWithoutHandler('alice', {}, alice);
    const [found, second, ...others] = await again.agent.streams();
    expect(others).toEqual([]);
    expect(await found?.id).toBe(id);
    expect(await Promise.all([found?.peer, second?.peer])).toEqual(['llm', 'llm']);
    expect(await found?.deadline).toEqual(deadline);
    const from = (await found?.position) ?? -1;
    expect(from).toBeLessThanOrEqual(10);
    expect((await world.finish(found!.next())).value).toBe(from);
    expect(await again.agent.calls()).toEqual([]);
    // What is given up or read to its end is not found any more.
    for (const stream of [found, second]) await world.finish(stream!.cancel());
    expect(await again.agent.streams()).toEqual([]);
  });
});

describe('hostile frames', () => {
  const json = (text: string) => new TextEncoder().encode(text);
  const part = (at: number, text: string): Omit<CallFrame, 'callId'> => ({
    what: CALL_FRAME.part,
    run: 1,
    at,
    data: concatBytes(Uint8Array.of(1), json(text)),
  });
  const end = (at: number, hash = new Uint8Array(32)): Omit<CallFrame, 'callId'> => ({
    what: CALL_FRAME.end,
    run: 1,
    at,
    data: Uint8Array.of(...hash, ...json('{"$end":{"ok":true}}')),
  });

  async function attacked(frames: readonly Omit<CallFrame, 'callId'>[]) {
    await using world = await World.create();
    const alice = await world.agentWithoutHandler('alice');
    const mallory = await world.agentWithoutHandler('mallory');
    await world.finish(mallory.agent.send('alice', 'hello'));
    await world.rest();
    const sentAtMs = world.host.clock();
    const forger = forgerTo(world, mallory, 'alice');
    const stream = alice.agent.stream('mallory', 'x');
    const reading = readAll(stream);
    reading.catch(() => undefined);
    const callId = fromHex(await world.finish(stream.id));
    for (const frame of frames) {
      const body = encodeCallFrames([{ callId, ...frame }]);
      const names = { fromName: 'mallory', toName: 'alice', sentAtMs };
      const wire = forger.say({ kind: CONTENT_KIND.callFrames, body, ...names });
      world.hub.inject('alice', envelopeTo(alice, forger.aid, wire));
    }
    await world.advance(10_000);
    const outcome = await world.finish(
      reading.then(
        (items) => ({ items }),
        (error: unknown) => ({ error }),
      ),
    );
    expect(alice.events.refused).toEqual([]);
    return outcome;
  }

  test.each([
    ['items that overlap', [part(0, '["a","b"]'), part(1, '["b"]')]],
    ['items that come again', [part(0, '["a"]'), part(0, '["a"]')]],
    ['a number beyond all items', [part(2 ** 53 - 1, '["a"]')]],
    ['a part that is no JSON', [part(0, 'nonsense')]],
    ['a part that is no array', [part(0, '{"a":1}')]],
    ['a part without items', [part(0, '[]')]],
    ['keys that poison', [part(0, '[{"__proto__":{"a":1}}]')]],
    ['an end with another hash', [part(0, '["a"]'), end(1)]],
    ['an end that counts fewer', [part(0, '["a","b"]'), end(1)]],
    ['two ends', [part(0, '["a"]'), end(2), end(3)]],
    ['more than its credit', [1, 2, 3].map((n) => part(n, `["${'x'.repeat(600_000)}"]`))],
  ])('frames that do not fit end the stream with STREAM_BROKEN: %s', async (_, frames) => {
    expect(await attacked(frames)).toEqual({
      error: expect.objectContaining({ code: 'STREAM_BROKEN' }),
    });
  });

  test('an end without items is the end', async () => {
    expect(await attacked([end(0)])).toEqual({ items: [] });
  });
});
