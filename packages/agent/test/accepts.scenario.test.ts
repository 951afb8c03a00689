/**
 * Plain messages that have to fit a schema (docs/contracts.md): `accepts` of `Agent.create`.
 */
import { describe, expect, test } from '@jest/globals';
import type { Schema } from '@agentmesh/contract';
import { z } from 'zod';
import { World } from './world.js';
import type { Resident } from './world.js';

const task = z.object({ task: z.string(), items: z.array(z.object({ n: z.int() })).default([]) });

/** A schema of no library, which does what it is told. */
const schemaOf = (validate: Schema['~standard']['validate']): Schema => ({
  '~standard': { version: 1, vendor: 'test', validate },
});

/** What became of a message at its recipient, by its sender's account. */
async function fateOf(world: World, { agent }: Resident, payload: string | object) {
  const { handled } = await world.finish(agent.send('bob', payload));
  return world.finish(
    handled.then(
      () => 'handled',
      ({ code, detail }: { code: string; detail?: string }) => `${code}: ${detail ?? ''}`,
    ),
  );
}

async function pair(world: World, accepts: Schema) {
  const alice = await world.agent('alice');
  const bob = await world.agent('bob', { accepts });
  return { alice, bob };
}

describe('an agent with a schema for messages', () => {
  test('gets those that fit, and refuses others with the path before any handler sees them', async () => {
    await using world = await World.create();
    const { alice, bob } = await pair(world, task);
    expect(await fateOf(world, alice, { task: 'count' })).toBe('handled');
    expect(await fateOf(world, alice, { task: 'count', items: [{ n: 1 }, { n: 'two' }] })).toMatch(
      /^REFUSED: items\[1\]\.n: /,
    );
    expect(await fateOf(world, alice, 'just a text')).toMatch(/^REFUSED: task: /);
    expect(bob.messages.map(({ payload }) => payload)).toEqual([
      { type: 'message', task: 'count' },
    ]);
    expect(await bob.agent.deadLetters()).toEqual([]);
    expect(bob.events.handlerError).toEqual([]);
  });

  test('tells no more than 200 bytes of what does not fit', async () => {
    await using world = await World.create();
    const path = ['é'.repeat(5_000)];
    const { alice } = await pair(
      world,
      schemaOf(() => ({ issues: [{ message: 'é'.repeat(5_000), path }] })),
    );
    const fate = await fateOf(world, alice, 'x');
    expect(fate).toMatch(/^REFUSED: é+/);
    expect(Buffer.byteLength(fate.slice('REFUSED: '.length))).toBeLessThanOrEqual(200);
  });

  test('with a schema that waits for something is the same', async () => {
    await using world = await World.create();
    const { alice, bob } = await pair(
      world,
      task.refine((value) => Promise.resolve(value.task !== 'no'), 'not this one'),
    );
    expect(await fateOf(world, alice, { task: 'yes' })).toBe('handled');
    expect(await fateOf(world, alice, { task: 'no' })).toBe('REFUSED: not this one');
    expect(bob.messages).toHaveLength(1);
  });

  test.each([
    [
      'throws',
      () => {
        throw new TypeError('a bug of the schema');
      },
      'SCHEMA_FAILED',
    ],
    ['never ends', () => new Promise<never>(() => {}), 'SCHEMA_TIMEOUT'],
    ['gives nonsense', () => 7 as never, 'SCHEMA_FAILED'],
  ])(
    'whose schema %s loses nothing: the message is tried again, then a dead letter',
    async (_, v, code) => {
      await using world = await World.create();
      const { alice, bob } = await pair(world, schemaOf(v));
      expect(await fateOf(world, alice, 'kept')).toBe('FAILED: ');
      expect(bob.events.handlerError.map(({ error }) => error)).toEqual(
        Array.from({ length: 5 }, () => expect.objectContaining({ code })),
      );
      expect(await bob.agent.deadLetters()).toMatchObject([{ text: 'kept', attempts: 5 }]);
      expect(bob.messages).toEqual([]);
    },
  );

  test('answers requests by its contracts: their inputs have schemas of their own', async () => {
    await using world = await World.create();
    const { alice, bob } = await pair(world, task);
    bob.agent.onRequest(({ text }) => ({ text }));
    expect(await world.finish(alice.agent.request('bob', 'free text'))).toEqual({
      text: 'free text',
    });
  });

  test('checks after middleware, which may refuse for less', async () => {
    await using world = await World.create();
    let checks = 0;
    const { alice, bob } = await pair(
      world,
      schemaOf((value) => {
        checks += 1;
        return { value };
      }),
    );
    bob.agent.use(() => undefined);
    expect(await fateOf(world, alice, 'x')).toBe('handled');
    expect(checks).toBe(0);
  });

  test.each([[7], ['z.string()'], [{}], [{ '~standard': {} }], [() => true]])(
    '%p is no schema: BAD_OPTION',
    async (accepts) => {
      await using world = await World.create();
      await expect(world.agent('bob', { accepts: accepts as never })).rejects.toMatchObject({
        code: 'BAD_OPTION',
      });
    },
  );
});
