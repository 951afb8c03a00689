/**
 * The result of a stream without its chunks, and its readers beside each other: whoever waits is
 * told in every case, and no chunk is lost without a word.
 */
import { describe, expect, test } from '@jest/globals';
import { z } from 'zod';
import { defineContract, stream } from '@agentmesh/contract';
import type { StreamHandler } from '../src/index.js';
import { leftOf, settle } from './call-points.js';
import { acquainted } from './two-agents.js';
import { World } from './world.js';

const LARGE = 'x'.repeat(60_000);

async function begin(handler: StreamHandler) {
  const world = await World.create();
  const both = await acquainted(world);
  both.bob.agent.onStream(handler);
  return { world, ...both };
}

const numbers: StreamHandler = async function* () {
  for (let n = 0; n < 5; n++) yield n;
  return 'all';
};

/** Far more than its consumer's credit. */
const large: StreamHandler = async function* () {
  for (let n = 0; n < 40; n++) yield LARGE;
  return 'all';
};

describe('the result that is awaited while nobody reads the stream', () => {
  test.each([
    ['small', numbers],
    ['larger than its credit', large],
  ])('of one that is %s is told, and nothing of it is left', async (_, handler) => {
    const { world, alice, bob } = await begin(handler);
    await using _world = world;
    expect(await world.finish(alice.agent.stream('bob', 'x').result)).toBe('all');
    await settle(world);
    expect(await leftOf(alice, bob)).toEqual([]);
    expect(await alice.agent.streams()).toEqual([]);
  });

  test('of one that fails rejects with what it threw', async () => {
    const { world, alice } = await begin(async function* () {
      yield 1;
      throw Object.assign(new Error('spent'), { code: 'BUDGET' });
    });
    await using _ = world;
    const { result } = alice.agent.stream('bob', 'x');
    await expect(world.finish(result)).rejects.toMatchObject({ code: 'BUDGET' });
  });

  test('of one that never ends is DEADLINE', async () => {
    const { world, alice } = await begin(async function* () {
      yield 1;
      await new Promise(() => {});
    });
    await using _ = world;
    const { result } = alice.agent.stream('bob', 'x', { timeout: '10s' });
    await expect(world.finish(result)).rejects.toMatchObject({ code: 'DEADLINE' });
  });

  test('is CLOSED when the agent ends, and told to the next one', async () => {
    const { world, alice } = await begin(numbers);
    await using _ = world;
    world.network.goDown();
    const stream = alice.agent.stream('bob', 'x');
    const { result } = stream;
    result.catch(() => undefined);
    const id = await world.finish(stream.id);
    await world.close(alice);
    await expect(result).rejects.toMatchObject({ code: 'CLOSED' });
    await world.network.comeBack();
    const again = await world.finish(world.agentWithoutHandler('alice', {}, alice));
    expect(await world.finish(again.agent.streamById(id).result)).toBe('all');
  });

  test('of a contract is told, too', async () => {
    const any = z.unknown();
    const counting = defineContract('counting@1', {
      count: stream({ input: any, chunk: any, result: any }),
    });
    const { world, alice, bob } = await begin(numbers);
    await using _ = world;
    bob.agent.serve(counting, {
      async *count() {
        yield 1;
        return 'all';
      },
    });
    expect(await world.finish(alice.agent.peer('bob', counting).count(null).result)).toBe('all');
  });

  test('drops the chunks: whoever reads them later is told so', async () => {
    const { world, alice } = await begin(numbers);
    await using _ = world;
    const stream = alice.agent.stream('bob', 'x');
    await world.finish(stream.result);
    await expect(stream.next()).rejects.toMatchObject({ code: 'STREAM_READ' });
  });
});

describe('the result that is awaited beside the reader', () => {
  test('does not take its chunks, though it was asked for first', async () => {
    const { world, alice } = await begin(numbers);
    await using _ = world;
    const stream = alice.agent.stream('bob', 'x');
    const { result } = stream;
    const items: unknown[] = [];
    const read = async (): Promise<void> => {
      for await (const item of stream) items.push(item);
    };
    expect(await world.finish(Promise.all([result, read()]))).toEqual(['all', undefined]);
    expect(items).toEqual([0, 1, 2, 3, 4]);
  });

  test('is told inside the loop, once all is here; the other chunks follow', async () => {
    const { world, alice } = await begin(numbers);
    await using _ = world;
    const stream = alice.agent.stream('bob', 'x');
    const seen: unknown[] = [];
    const read = async (): Promise<void> => {
      for await (const item of stream) seen.push(item, await stream.result);
    };
    await world.finish(read());
    expect(seen).toEqual([0, 'all', 1, 'all', 2, 'all', 3, 'all', 4, 'all']);
  });

  test('inside the loop of one larger than its credit is DEADLINE, as is the stream', async () => {
    const { world, alice } = await begin(large);
    await using _ = world;
    const stream = alice.agent.stream('bob', 'x', { timeout: '10s' });
    const read = async (): Promise<void> => {
      for await (const item of stream) expect([item, await stream.result]).toEqual([]);
    };
    await expect(world.finish(read())).rejects.toMatchObject({ code: 'DEADLINE' });
  });
});

test('readers beside each other get the chunks in turn, and each is told of the end', async () => {
  const { world, alice } = await begin(numbers);
  await using _ = world;
  const stream = alice.agent.stream('bob', 'x');
  const steps = await world.finish(Promise.all(Array.from({ length: 7 }, () => stream.next())));
  const items = steps.flatMap(({ done, value }) => (done === true ? [] : [value]));
  expect([items, steps.length - items.length]).toEqual([[0, 1, 2, 3, 4], 2]);
});
