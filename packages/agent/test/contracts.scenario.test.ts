/**
 * Agents that share a contract: typed calls, checked on both sides, whatever either sends. One
 * story per test.
 */
import { defineContract, event, request, stream } from '@agentmesh/contract';
import type { Handlers } from '@agentmesh/contract';
import { describe, expect, test } from '@jest/globals';
import { z } from 'zod';
import type { RequestContext } from '../src/index.js';
import { World } from './world.js';

const research = defineContract('research@1', {
  summarize: request({
    input: z.object({ url: z.url(), words: z.number().default(100) }),
    output: z.object({ summary: z.string() }),
    errors: { PAYWALL: z.object({ price: z.number() }) },
  }),
  length: request({ input: z.string(), output: z.number() }),
  write: stream({
    input: z.object({ topic: z.string() }),
    chunk: z.string(),
    result: z.object({ tokens: z.number() }),
  }),
  note: event({ input: z.object({ text: z.string() }) }),
});

const notes: string[] = [];
const handlers: Handlers<typeof research, RequestContext> = {
  summarize({ url, words }, context) {
    if (url.includes('paywall')) throw context.error('PAYWALL', { price: 3 });
    return { summary: `${url} in ${words}` };
  },
  length: (text) => text.length,
  async *write({ topic }) {
    yield topic;
    yield 'is all';
    return { tokens: 2 };
  },
  note: ({ text }) => void notes.push(text),
};

async function desk(world: World, served: unknown = handlers, from?: 'pinned' | 'verified') {
  const alice = await world.agentWithoutHandler('alice');
  const llm = await world.agentWithoutHandler('llm');
  llm.agent.serve(research, served as typeof handlers, from === undefined ? {} : { from });
  return { alice, llm, peer: alice.agent.peer('llm', research) };
}

describe('a contract', () => {
  test('is called with types: defaults are filled in, values need not be objects', async () => {
    await using world = await World.create();
    const { peer } = await desk(world);
    const asked = peer.summarize({ url: 'https://a.example' }, { timeout: '10m' });
    expect(await world.finish(asked)).toEqual({ summary: 'https://a.example in 100' });
    expect(await world.finish(peer.length('four'))).toBe(4);
  });

  test('streams', async () => {
    await using world = await World.create();
    const { peer } = await desk(world);
    const stream = peer.write({ topic: 'this' });
    const chunks: string[] = [];
    const reading = (async () => {
      for await (const chunk of stream) chunks.push(chunk.toUpperCase());
    })();
    await world.finish(reading);
    expect(chunks).toEqual(['THIS', 'IS ALL']);
    expect((await stream.result).tokens).toBe(2);
  });

  test('streams go on over a restart of their caller, with types', async () => {
    await using world = await World.create();
    const { alice, peer } = await desk(world);
    const id = await world.finish(peer.write({ topic: 'that' }).id);
    await world.advance(1_000);
    const again = await world.restart(alice);
    const stream = again.agent.streamById(id, research.operations.write);
    expect([await stream.id, await stream.position]).toEqual([id, 0]);
    const chunks: string[] = [];
    const reading = (async () => {
      for await (const chunk of stream) chunks.push(chunk.toUpperCase());
    })();
    await world.finish(reading);
    expect(chunks).toEqual(['THAT', 'IS ALL']);
    expect((await stream.result).tokens).toBe(2);
    expect(() => again.agent.streamById(id, research.operations.write)).toThrow(
      'No call has this id',
    );
  });

  test('a stream that is given up stops its generator', async () => {
    await using world = await World.create();
    const stopped = Promise.withResolvers<void>();
    const { peer } = await desk(world, {
      ...handlers,
      async *write(_: unknown, { signal }: { signal: AbortSignal }) {
        signal.addEventListener('abort', () => stopped.resolve(), { once: true });
        yield 'for ever';
        await new Promise(() => {});
      },
    });
    const stream = peer.write({ topic: 'that' });
    await world.finish(stream.id);
    await world.advance(1_000);
    await world.finish(stream.cancel('enough'));
    await world.finish(stopped.promise);
    await expect(world.finish(stream.result)).rejects.toMatchObject({ code: 'CANCELLED' });
  });

  test.each(['given up', 'not kept'])(
    'a stream that is %s runs what its generator cleans up',
    async (how) => {
      await using world = await World.create();
      let isClean = false;
      const { peer } = await desk(world, {
        ...handlers,
        async *write() {
          try {
            for (;;) yield how === 'not kept' ? 7 : 'x'.repeat(100_000);
          } finally {
            isClean = true;
          }
        },
      });
      const stream = peer.write({ topic: 'that' });
      await world.finish(stream.id);
      await world.advance(1_000);
      if (how === 'given up') await world.finish(stream.cancel('enough'));
      await world.advance(1_000);
      expect(isClean).toBe(true);
    },
  );

  test('tells events, which are handled', async () => {
    await using world = await World.create();
    const { peer } = await desk(world);
    notes.length = 0;
    const sent = await world.finish(peer.note({ text: 'remember' }));
    await world.finish(sent.handled);
    expect(notes).toEqual(['remember']);
  });

  test('has errors of its own, with data', async () => {
    await using world = await World.create();
    const { peer } = await desk(world);
    await expect(world.finish(peer.summarize({ url: 'https://paywall' }))).rejects.toMatchObject({
      name: 'RemoteError',
      code: 'PAYWALL',
      data: { price: 3 },
    });
  });
});

describe('what does not fit', () => {
  test('an input is refused before anything is sent, with its path', async () => {
    await using world = await World.create();
    const { alice, peer } = await desk(world);
    const before = world.hub.passed.sent.length;
    await expect(peer.summarize({ url: 'no url' })).rejects.toMatchObject({
      name: 'ContractError',
      code: 'BAD_PAYLOAD',
      path: 'url',
    });
    await world.rest();
    expect(world.hub.passed.sent).toHaveLength(before);
    expect(await alice.agent.calls()).toEqual([]);
  });

  test('an input that another program sends is refused before the handler, with its path', async () => {
    await using world = await World.create();
    let runs = 0;
    const { alice, llm } = await desk(world, {
      ...handlers,
      summarize: () => ({ summary: `${++runs}` }),
    });
    const lax = defineContract('research@1', { summarize: request({}) });
    const peer = alice.agent.peer('llm', lax);
    for (const [input, path] of [
      [{ url: 1 }, 'url'],
      [{ url: 'https://a.example', words: {} }, 'words'],
      [[], ''],
      ['text', ''],
      [null, ''],
    ] as const) {
      const error: unknown = await world
        .finish(peer.summarize(input))
        .catch((reason: unknown) => reason);
      expect(error).toMatchObject({ name: 'RemoteError', code: 'BAD_PAYLOAD', data: { path } });
      const { detail } = error as { detail: string };
      expect(detail).toContain(path);
      expect(Buffer.byteLength(detail)).toBeLessThanOrEqual(200);
    }
    expect(runs).toBe(0);
    // It is no failure of the handler.
    expect(llm.events.handlerError).toEqual([]);
  });

  test('an answer is INVALID_OUTPUT; what is wrong with it stays at the callee', async () => {
    await using world = await World.create();
    const logged: unknown[] = [];
    const error = (...line: unknown[]): void => void logged.push(line);
    const logger = { debug() {}, info() {}, warn() {}, error };
    const alice = await world.agentWithoutHandler('alice');
    const llm = await world.agentWithoutHandler('llm', { logger, logLevel: 'error' });
    const wrong = { ...handlers, summarize: () => ({ summary: 7 }) };
    llm.agent.serve(research, wrong as never);
    const told: unknown = await world
      .finish(alice.agent.peer('llm', research).summarize({ url: 'https://a.example' }))
      .catch((reason: unknown) => reason);
    expect(told).toMatchObject({ code: 'INVALID_OUTPUT' });
    expect(String(told)).not.toContain('summary');
    expect(JSON.stringify(logged)).toMatch(/research@1\/summarize.*summary/);
  });

  test('an answer of a callee that checks nothing is INVALID_OUTPUT at the caller', async () => {
    await using world = await World.create();
    const alice = await world.agentWithoutHandler('alice');
    const llm = await world.agentWithoutHandler('llm');
    const lax = defineContract('research@1', { length: request({}), write: stream({}) });
    llm.agent.serve(lax, {
      length: () => 'not a number',
      async *write() {
        yield 7;
      },
    });
    const peer = alice.agent.peer('llm', research);
    await expect(world.finish(peer.length('x'))).rejects.toMatchObject({ code: 'INVALID_OUTPUT' });
    const reading = (async () => {
      for await (const chunk of peer.write({ topic: 'x' })) void chunk;
    })();
    await expect(world.finish(reading)).rejects.toMatchObject({ code: 'INVALID_OUTPUT' });
  });

  test('another major, or an operation that is not served, is UNKNOWN_OPERATION with what is', async () => {
    await using world = await World.create();
    const { alice, llm } = await desk(world);
    // Plain handlers beside it are not asked instead.
    llm.agent.onRequest(() => 'plain');
    llm.agent.onStream(async function* () {
      yield 'plain';
    });
    const next = defineContract('research@2', { summarize: request({}), ponder: stream({}) });
    const peer = alice.agent.peer('llm', next);
    await expect(world.finish(peer.summarize({}))).rejects.toMatchObject({
      code: 'UNKNOWN_OPERATION',
      detail: expect.stringContaining('research@1/summarize'),
    });
    const reading = (async () => {
      for await (const chunk of peer.ponder({})) void chunk;
    })();
    await expect(world.finish(reading)).rejects.toMatchObject({ code: 'UNKNOWN_OPERATION' });
  });

  test('a schema that throws or never ends is an error of the callee, and the next call is served', async () => {
    await using world = await World.create();
    const alice = await world.agentWithoutHandler('alice');
    const llm = await world.agentWithoutHandler('llm');
    const schemaOf = (validate: () => never) => ({
      '~standard': { version: 1 as const, vendor: 'test', validate },
    });
    const odd = defineContract('odd@1', {
      throws: request({
        input: schemaOf(() => {
          throw new TypeError('a secret of the schema');
        }),
      }),
      hangs: request({ input: schemaOf(() => new Promise(() => {}) as never) }),
      works: request({}),
    });
    const lax = defineContract('odd@1', {
      throws: request({}),
      hangs: request({}),
      works: request({}),
    });
    llm.agent.serve(odd, { throws: () => 1, hangs: () => 1, works: () => 1 });
    const peer = alice.agent.peer('llm', lax);
    const error: unknown = await world.finish(peer.throws()).catch((reason: unknown) => reason);
    expect(error).toMatchObject({ code: 'SCHEMA_FAILED' });
    expect(String(error)).not.toContain('secret');
    await expect(world.finish(peer.hangs())).rejects.toMatchObject({ code: 'SCHEMA_TIMEOUT' });
    expect(await world.finish(peer.works())).toBe(1);
  });

  test('a peer that is not established far enough is refused', async () => {
    await using world = await World.create();
    const { peer } = await desk(world, handlers, 'verified');
    await expect(world.finish(peer.length('x'))).rejects.toMatchObject({
      code: 'REFUSED',
      detail: expect.stringContaining('verified'),
    });
  });

  test('a contract without all handlers is not served at all', async () => {
    await using world = await World.create();
    const { agent } = await world.agentWithoutHandler('llm');
    const { note: _, ...incomplete } = handlers;
    expect(() => agent.serve(research, incomplete as typeof handlers)).toThrow('note');
    agent.serve(research, handlers);
    expect(() => agent.serve(research, handlers)).toThrow('remove it first');
  });
});
