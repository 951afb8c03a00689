/**
 * What crowds of newcomers can do to an agent that accepts anyone: they take a bounded pool, and
 * nobody who is known here, waits here or was answered gives way to them.
 */
import { describe, expect, test } from '@jest/globals';
import { AGENT_LIMITS } from '../src/ground/limits.js';
import { World } from './world.js';
import type { Resident } from './world.js';

const POOL = 12;
const table = AGENT_LIMITS as { strangers: number };

/** Runs with a small pool. */
async function withSmallPool(run: () => Promise<void>): Promise<void> {
  const { strangers } = table;
  table.strangers = POOL;
  try {
    await run();
  } finally {
    table.strangers = strangers;
  }
}

/** Identities that each say one thing and leave. */
async function crowd(world: World, count: number, prefix = 's'): Promise<void> {
  for (let n = 0; n < count; n++) {
    const stranger = await world.agent(`${prefix}${n}`);
    await world.finish(stranger.agent.send('bob', `I am ${n}`));
    await world.advance(1_000);
    await world.close(stranger);
  }
  await world.advance(2_000);
}

const rowsOf = async ({ store }: Resident, kind: string): Promise<number> =>
  [...(await store.rows()).keys()].filter((key) => key.startsWith(`${kind}/`)).length;

const names = async ({ agent }: Resident): Promise<string[]> =>
  (await agent.peers()).map(({ name }) => name).toSorted();

describe('T-A64 crowd of newcomers', () => {
  test('leaves a bounded number of rows, and takes the place of none who is known', () =>
    withSmallPool(async () => {
      await using world = await World.create();
      const bob = await world.agent('bob');
      const friend = await world.agent('friend');
      const checked = await world.agent('checked');
      const silent = await world.agent('silent');
      await world.finish(bob.agent.send('friend', 'hello'));
      await world.finish(checked.agent.send('bob', 'hello'));
      await world.finish(silent.agent.send('bob', 'hello'));
      await bob.agent.trust('checked', checked.agent.fingerprint);
      await bob.agent.contacts.accept('silent');
      await crowd(world, 3 * POOL);
      expect(await rowsOf(bob, 'stranger')).toBe(POOL);
      for (const kind of ['peer', 'name']) expect(await rowsOf(bob, kind)).toBe(POOL + 3);
      expect(await rowsOf(bob, 'session')).toBeLessThanOrEqual(POOL + 3);
      expect(await names(bob)).toEqual(
        expect.arrayContaining(['checked', 'friend', 'silent', `s${3 * POOL - 1}`]),
      );
      for (const each of [friend, checked, silent]) {
        await world.finish(each.agent.send('bob', `${each.name} again`));
      }
      await world.advance(1_000);
      expect(bob.texts.slice(-3)).toEqual(['friend again', 'checked again', 'silent again']);
      expect(bob.events.undecryptable).toEqual([]);
    }));

  test('that speaks of one who was answered last: it stays while others were never answered', () =>
    withSmallPool(async () => {
      await using world = await World.create();
      const bob = await world.agentWithoutHandler('bob');
      bob.agent.onMessage(async (message) => {
        if (message.sender === 'client') await message.reply('I heard you');
      });
      const client = await world.agent('client');
      await world.finish(client.agent.send('bob', 'one'));
      await world.advance(1_000);
      await crowd(world, 2 * POOL);
      expect(await names(bob)).toContain('client');
      await world.restart(bob).then(async (again) => {
        await crowd(world, POOL, 't');
        expect(await names(again)).toContain('client');
      });
      await world.finish(client.agent.send('bob', 'two'));
      await world.advance(1_000);
      expect(client.texts).toEqual(['I heard you']);
    }));

  test('does not take the place of one whose message is still to be handled', () =>
    withSmallPool(async () => {
      await using world = await World.create();
      const bob = await world.agentWithoutHandler('bob');
      let go: () => void = () => undefined;
      const gate = new Promise<void>((resolve) => (go = resolve));
      const texts: string[] = [];
      bob.agent.onMessage(async ({ sender, text }) => {
        if (sender === 'first') await gate;
        texts.push(text);
      });
      const first = await world.agent('first');
      const sent = await world.finish(first.agent.send('bob', 'mine'));
      await crowd(world, 2 * POOL);
      expect(await names(bob)).toContain('first');
      go();
      await world.finish(sent.handled);
      expect(texts).toContain('mine');
    }));

  test('who gave way is heard when it comes again', () =>
    withSmallPool(async () => {
      await using world = await World.create();
      const bob = await world.agent('bob');
      const early = await world.agent('early');
      await world.finish(early.agent.send('bob', 'one'));
      await world.advance(1_000);
      await crowd(world, 2 * POOL);
      expect(await names(bob)).not.toContain('early');
      await world.finish(early.agent.send('bob', 'two'));
      await world.advance(60_000);
      expect(bob.texts).toContain('two');
      expect(bob.texts.filter((text) => text === 'one')).toHaveLength(1);
      expect(await rowsOf(bob, 'stranger')).toBeLessThanOrEqual(POOL);
    }));

  test('who changes its identity again and again stays one of the pool', () =>
    withSmallPool(async () => {
      await using world = await World.create();
      const bob = await world.agent('bob');
      const mallory = await world.agent('mallory');
      for (let n = 0; n < POOL + 8; n++) {
        await world.finish(mallory.agent.send('bob', `${n}`));
        await world.advance(15_000);
        await world.finish(mallory.agent.rotateIdentity(world.keys()));
      }
      await world.finish(mallory.agent.send('bob', 'last'));
      await world.advance(60_000);
      expect(bob.texts).toContain('last');
      expect(await rowsOf(bob, 'peer')).toBeLessThanOrEqual(AGENT_LIMITS.successionLinks + 2);
    }));
});
