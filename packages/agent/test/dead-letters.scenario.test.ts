/**
 * A message that its handlers cannot cope with is set aside, and somebody looks into it: while the
 * agent runs, or through its files when it does not.
 */
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from '@jest/globals';
import { loadOrCreateKeyFile } from '@agentmesh/crypto/node';
import type { AgentOptions } from '../src/index.js';
import { SqliteAgentStore, StoppedAgent } from '../src/node.js';
import { inFolder } from './store-folder.js';
import { World } from './world.js';
import type { Resident } from './world.js';

const UNKNOWN = '0'.repeat(32);

/** Bob has set these texts aside. */
async function withDeadLetters(
  world: World,
  texts: readonly string[],
  options: AgentOptions & Partial<Pick<Resident, 'keyPair'>> = {},
): Promise<Resident> {
  const alice = await world.agent('alice');
  const bob = await world.agent('bob', options);
  const stop = bob.agent.onMessage(() => {
    throw new TypeError('cannot cope');
  });
  for (const text of texts) await world.finish(alice.agent.send('bob', text));
  await world.advance(120_000);
  stop();
  bob.texts.length = 0;
  return bob;
}

describe('dead letters of a running agent', () => {
  test('are listed with all that is known of them, in their order', async () => {
    await using world = await World.create();
    const { agent } = await withDeadLetters(world, ['one', 'two']);
    const letters = await agent.deadLetters();
    expect(letters.map(({ text }) => text)).toEqual(['one', 'two']);
    expect(letters[0]).toMatchObject({ sender: 'alice', recipient: 'bob', attempts: 5 });
    expect(letters[0]).toMatchObject({ type: 'message', replyTo: null, trust: 'first-contact' });
  });

  test('are tried again as the same message, once, with attempts counted anew', async () => {
    await using world = await World.create();
    const { agent, messages, texts } = await withDeadLetters(world, ['one', 'two']);
    const [one] = await agent.deadLetters();
    const id = one?.id ?? '';
    const before = messages.length;
    const calls = await Promise.allSettled([agent.retryDeadLetter(id), agent.retryDeadLetter(id)]);
    expect(calls.map(({ status }) => status)).toEqual(['fulfilled', 'rejected']);
    await world.rest();
    expect(texts).toEqual(['one']);
    expect(messages.slice(before)).toMatchObject([{ id, redelivered: true }]);
    expect((await agent.deadLetters()).map(({ text }) => text)).toEqual(['two']);
  });

  test('that fail again are set aside again', async () => {
    await using world = await World.create();
    const { agent } = await withDeadLetters(world, ['one']);
    agent.onMessage(() => {
      throw new TypeError('still not');
    });
    const [one] = await agent.deadLetters();
    await agent.retryDeadLetter(one?.id ?? '');
    await world.advance(60_000);
    expect(await agent.deadLetters()).toMatchObject([{ id: one?.id, attempts: 5 }]);
  });

  test('are dropped for good; an unknown id is NO_DEAD_LETTER', async () => {
    await using world = await World.create();
    const { agent } = await withDeadLetters(world, ['one', 'two']);
    const [one] = await agent.deadLetters();
    await agent.dropDeadLetter(one?.id ?? '');
    expect((await agent.deadLetters()).map(({ text }) => text)).toEqual(['two']);
    const unknown = { name: 'AgentError', code: 'NO_DEAD_LETTER', retryable: false };
    await expect(agent.dropDeadLetter(one?.id ?? '')).rejects.toMatchObject(unknown);
    await expect(agent.retryDeadLetter(UNKNOWN)).rejects.toMatchObject(unknown);
  });
});

describe('an agent that does not run', () => {
  /** Bob with files, and what brings him up again. */
  async function withFiles(
    run: (world: World, bob: Resident, path: string, options: AgentOptions) => Promise<void>,
  ): Promise<void> {
    await inFolder(async ({ folder }) => {
      await using world = await World.create();
      const path = join(folder, 'bob.json');
      const { keyPair, storeKey } = await loadOrCreateKeyFile(path, { unprotected: true });
      const options = { keyPair, store: SqliteAgentStore.beside(path, { storeKey }) };
      const bob = await withDeadLetters(world, ['one', 'two', 'three'], options);
      await run(world, bob, path, options);
    });
  }

  test('is seen through its files: name, keys and dead letters, to be tried or dropped', () =>
    withFiles(async (world, bob, path, options) => {
      await expect(StoppedAgent.open(path)).rejects.toMatchObject({ code: 'STORE_LOCKED' });
      await world.close(bob);
      const stopped = await StoppedAgent.open(path);
      expect([stopped.name, stopped.keyPair.address]).toEqual(['bob', bob.agent.address]);
      const [one, two] = await stopped.deadLetters();
      await stopped.retryDeadLetter(one?.id ?? '');
      await stopped.dropDeadLetter(two?.id ?? '');
      await expect(stopped.retryDeadLetter(two?.id ?? '')).rejects.toMatchObject({
        code: 'NO_DEAD_LETTER',
      });
      await stopped.close();
      const again = await world.agent('bob', options);
      await world.advance(5_000);
      expect(again.messages).toMatchObject([{ id: one?.id, text: 'one', redelivered: true }]);
      expect((await again.agent.deadLetters()).map(({ text }) => text)).toEqual(['three']);
    }));

  test('of which there are no files is left without', () =>
    inFolder(async ({ folder }) => {
      const path = join(folder, 'carol.json');
      await expect(StoppedAgent.open(path)).rejects.toMatchObject({ code: 'KEY_FILE_NOT_FOUND' });
      await loadOrCreateKeyFile(path, { unprotected: true });
      await expect(StoppedAgent.open(path)).rejects.toMatchObject({ code: 'STORE_FAILED' });
      expect(existsSync(join(folder, 'carol.db'))).toBe(false);
    }));
});
