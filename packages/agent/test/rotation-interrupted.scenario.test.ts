/**
 * A change of identity that is interrupted anywhere is completed by the next run, or never was:
 * never two identities, never a name without keys (tests.md kill point A12).
 */
import { readdirSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, test } from '@jest/globals';
import { addressOf, parseIdentityRecord } from '@agentmesh/crypto';
import { decodeBundle, ProtocolError } from '@agentmesh/protocol';
import type { Hub } from '@agentmesh/protocol';
import { StorageError } from '../src/index.js';
import { World } from './world.js';
import type { Resident } from './world.js';

/** The address that the hub gives for a name. */
async function addressAt(world: World, name: string): Promise<string> {
  const { record } = decodeBundle(await world.local.getBundle(name));
  return addressOf(parseIdentityRecord(record).identity.aid);
}

/** Both write to each other, and read it. */
async function talk(world: World, alice: Resident, bob: Resident, text: string): Promise<void> {
  await world.finish(alice.agent.send('bob', `${text} from alice`));
  await world.finish(bob.agent.send('alice', `${text} from bob`));
  await world.advance(10_000);
  expect(bob.texts).toContain(`${text} from alice`);
  expect(alice.texts).toContain(`${text} from bob`);
}

/** Runs with a folder for key files, gone afterwards. */
async function withKeyFile(run: (path: string) => Promise<void>): Promise<void> {
  const folder = await mkdtemp(join(tmpdir(), 'agentmesh-rotation-'));
  try {
    await run(join(folder, 'alice.json'));
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

/** Files with keys in a folder. */
const keyFiles = (path: string): string[] =>
  readdirSync(join(path, '..')).filter((name) => !name.endsWith('.revocation'));

const options = (keypairPath: string) => ({ keypairPath, keyPair: undefined });

describe('A12 a change of identity', () => {
  test('puts the new keys in the place of the old ones, and leaves no other file', async () => {
    await withKeyFile(async (keypairPath) => {
      await using world = await World.create();
      const alice = await world.agent('alice', options(keypairPath));
      const { address } = alice.agent;
      await world.finish(alice.agent.rotateIdentity());
      expect(alice.agent.address).not.toBe(address);
      expect(keyFiles(keypairPath)).toEqual(['alice.json']);
      const again = await world.restart(alice, options(keypairPath));
      expect(again.agent.address).toBe(alice.agent.address);
    });
  });

  test.each([1, 2, 3, 4, 5, 6])('cut off at commit %i is completed by the next run', async (at) => {
    await withKeyFile(async (keypairPath) => {
      await using world = await World.create(at);
      const alice = await world.agent('alice', options(keypairPath));
      const bob = await world.agent('bob');
      await talk(world, alice, bob, 'before');
      let left = at;
      alice.store.beforeCommit = () => {
        left -= 1;
        if (left <= 0) throw new StorageError('STORE_FAILED', 'the test');
      };
      const rotated = await world.finish(
        alice.agent.rotateIdentity().then(
          () => 'done',
          (error: unknown) => error,
        ),
      );
      if (rotated !== 'done') expect(rotated).toMatchObject({ code: 'STORE_FAILED' });
      await world.close(alice);
      const store = await alice.store.copy();
      const again = await world.finish(world.agent('alice', options(keypairPath), { store }));
      expect(again.agent.address).toBe(await addressAt(world, 'alice'));
      expect(keyFiles(keypairPath)).toEqual(['alice.json']);
      await talk(world, again, bob, 'after');
      expect(bob.events.identityChanged).toEqual([]);
      const last = await world.restart(again, options(keypairPath));
      expect(last.agent.address).toBe(again.agent.address);
    });
  });

  test('whose answer is lost with the connection is completed by the same run', async () => {
    await withKeyFile(async (keypairPath) => {
      await using world = await World.create();
      const alice = await world.agent('alice', options(keypairPath));
      const bob = await world.agent('bob');
      await talk(world, alice, bob, 'before');
      let losses = 1;
      world.hub.deviations.keys = (state) => {
        if (losses-- > 0) throw new ProtocolError('CONNECTION_LOST');
        return state;
      };
      await world.finish(alice.agent.rotateIdentity());
      expect(alice.agent.address).toBe(await addressAt(world, 'alice'));
      await talk(world, alice, bob, 'after');
    });
  });

  test('that the hub refuses is undone: the identity, its file and its messages go on', async () => {
    await withKeyFile(async (keypairPath) => {
      await using world = await World.create();
      const alice = await world.agent('alice', options(keypairPath));
      const bob = await world.agent('bob');
      const { address } = alice.agent;
      world.hub.deviations.putIdentity = () => {
        throw new ProtocolError('BAD_RECORD');
      };
      await expect(world.finish(alice.agent.rotateIdentity())).rejects.toMatchObject({
        code: 'BAD_RECORD',
      });
      delete world.hub.deviations.putIdentity;
      expect(alice.agent.address).toBe(address);
      expect(keyFiles(keypairPath)).toEqual(['alice.json']);
      await talk(world, alice, bob, 'as ever');
      const again = await world.restart(alice, options(keypairPath));
      expect(again.agent.address).toBe(address);
    });
  });

  test('that was begun is not continued with other keys', async () => {
    await using world = await World.create();
    const alice = await world.agent('alice');
    const next = world.keys();
    alice.store.beforeCommit = (operations) => {
      if (operations.some((each) => 'delete' in each && each.delete === 'rotation')) {
        throw new StorageError('STORE_FAILED', 'the test');
      }
    };
    await expect(world.finish(alice.agent.rotateIdentity(next))).rejects.toMatchObject({
      code: 'STORE_FAILED',
    });
    await world.close(alice);
    const store = await alice.store.copy();
    const { keyPair } = alice;
    await expect(world.agent('alice', {}, { keyPair, store })).rejects.toMatchObject({
      code: 'STORE_MISMATCH',
      message: expect.stringContaining(next.address),
    });
    const again = await world.finish(world.agent('alice', {}, { keyPair: next, store }));
    expect(again.agent.address).toBe(next.address);
    expect(await addressAt(world, 'alice')).toBe(next.address);
  });

  test('is not completed by an answer of somebody who is not the hub', async () => {
    await using world = await World.create();
    const alice = await world.agent('alice');
    const next = world.keys();
    world.hub.deviations.putIdentity = () => {
      throw new ProtocolError('INTERNAL');
    };
    await expect(world.finish(alice.agent.rotateIdentity(next))).rejects.toMatchObject({
      code: 'INTERNAL',
    });
    world.hub.deviations = {};
    await world.close(alice);
    const { store } = alice;
    const inTheWay: Hub = {
      async connect() {
        throw new ProtocolError('NAME_TAKEN');
      },
    };
    await expect(
      world.agent('alice', { hub: inTheWay }, { keyPair: next, store }),
    ).rejects.toMatchObject({ code: 'NAME_TAKEN' });
    const again = await world.finish(world.agent('alice', {}, { keyPair: next, store }));
    expect(again.agent.address).toBe(next.address);
    expect(await addressAt(world, 'alice')).toBe(next.address);
  });
});
