/**
 * An agent's life: restarts, an absent hub, a full store, the end. One story per test.
 */
import { mkdtempSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { inspect } from 'node:util';
import { describe, expect, test } from '@jest/globals';
import { defineContract } from '@agentmesh/contract';
import { LocalHub } from '@agentmesh/hub-local';
import { Agent, MemoryStore } from '../src/index.js';
import { World } from './world.js';

describe('a restart on the same store and hub', () => {
  test('goes on in the same session; unhandled messages come again with the same id', async () => {
    await using world = await World.create();
    const alice = await world.agent('alice');
    const keyPair = world.keys();
    const store = new MemoryStore();
    const options = { hub: world.hub, keyPair, store, logLevel: 'silent' } as const;
    const bob = await Agent.create('bob', { ...options, runtime: world.runtime() });
    const { id } = await world.finish(alice.agent.send('bob', 'unread'));
    await world.rest();
    expect((await bob.status()).inbox).toBe(1);
    await world.finish(bob.close());
    await world.finish(alice.agent.send('bob', 'meanwhile'));
    const again = await Agent.create('bob', { ...options, runtime: world.runtime() });
    const seen: unknown[] = [];
    again.onMessage((message) => void seen.push([message.text, message.id, message.redelivered]));
    await world.rest();
    expect(seen).toEqual([
      ['unread', id, true],
      ['meanwhile', expect.any(String), false],
    ]);
    expect(alice.events.peerInstanceChanged).toEqual([]);
    expect((await again.peers())[0]).toMatchObject({ name: 'alice', trust: 'pinned' });
    await world.finish(again.close());
  });

  test('sends what waited in the outbox, as the same bytes', async () => {
    await using world = await World.create();
    const alice = await world.agent('alice');
    const bob = await world.agent('bob');
    await world.finish(alice.agent.send('bob', 'before'));
    world.network.goDown();
    const sending = alice.agent.send('bob', 'while down');
    const outcome = sending.then(
      () => 'accepted',
      (error: { code: string }) => error.code,
    );
    await world.rest();
    expect(await alice.agent.status()).toMatchObject({ outbox: 1, connection: 'offline' });
    const waiting = [...(await alice.store.rows())].filter(([key]) => key.startsWith('outbox/'));
    await world.close(alice);
    expect(await outcome).toBe('CLOSED');
    await world.network.comeBack();
    const again = await world.agent('alice', {}, alice);
    await world.rest();
    expect(bob.texts).toEqual(['before', 'while down']);
    const wire = Buffer.from(world.hub.passed.sent.at(-1)?.envelope.blob ?? []).toString('hex');
    expect(waiting[0]?.[1]).toContain(wire);
    expect(await again.agent.status()).toMatchObject({ outbox: 0 });
  });

  test('T-S1 rollback-agent: a store that went back is noticed, and uses no key twice', async () => {
    await using world = await World.create();
    const alice = await world.agent('alice');
    const bob = await world.agent('bob');
    await world.finish(alice.agent.send('bob', '1'));
    await world.finish(bob.agent.send('alice', '2'));
    await world.rest();
    await world.close(alice);
    const backup = await alice.store.copy();
    const second = await world.agent('alice', {}, alice);
    for (const text of ['3', '4', '5', '5b', '5c'])
      await world.finish(second.agent.send('bob', text));
    await world.finish(bob.agent.send('alice', '6'));
    await world.rest();
    await world.close(second);
    const restored = await world.agent('alice', {}, { keyPair: alice.keyPair, store: backup });
    await world.rest();
    expect(restored.events.storeRollback).toHaveLength(1);
    expect(await restored.agent.peers()).toMatchObject([{ name: 'bob', session: 'none' }]);
    await world.finish(bob.agent.send('alice', '7'));
    await world.finish(restored.agent.send('bob', '8'));
    await world.advance(60_000);
    await world.finish(bob.agent.send('alice', '9'));
    await world.advance(60_000);
    expect(bob.texts).toEqual(['1', '3', '4', '5', '5b', '5c', '8']);
    expect(bob.events.peerInstanceChanged).toMatchObject([{ peer: 'alice', held: false }]);
    expect(restored.texts).toEqual(expect.arrayContaining(['7', '9']));
  });

  test('a store of other keys, or of another name, is refused', async () => {
    const store = new MemoryStore();
    const first = await Agent.create('alice', { store, logLevel: 'silent' });
    await expect(Agent.create('alice', { store })).rejects.toMatchObject({ code: 'STORE_LOCKED' });
    await first.close();
    await expect(Agent.create('alice', { store })).rejects.toMatchObject({
      code: 'STORE_MISMATCH',
    });
  });
});

describe('a hub that is not there', () => {
  test('a peer that is offline gets his messages when he comes', async () => {
    await using world = await World.create();
    const alice = await world.agent('alice');
    const bob = await world.agent('bob');
    await world.close(bob);
    const results = [];
    for (const text of ['1', '2']) results.push(await world.finish(alice.agent.send('bob', text)));
    const again = await world.agent('bob', {}, bob);
    await world.advance(31_000);
    expect(again.texts).toEqual(['1', '2']);
    await Promise.all(results.map(({ delivered }) => delivered));
  });

  test('a lost connection is told, and what was sent meanwhile arrives in order', async () => {
    await using world = await World.create();
    const alice = await world.agent('alice');
    const bob = await world.agent('bob');
    await world.finish(alice.agent.send('bob', '1'));
    world.network.goDown();
    const sends = ['2', '3', '4'].map((text) => alice.agent.send('bob', text));
    await world.rest();
    await world.network.comeBack();
    await world.finish(Promise.all(sends));
    await world.rest();
    expect(bob.texts).toEqual(['1', '2', '3', '4']);
    expect(alice.events.connection.map(({ state }) => state)).toEqual([
      'online',
      'offline',
      'online',
    ]);
  });

  test('somebody unknown is a typed error with the documented text', async () => {
    await using world = await World.create();
    const alice = await world.agent('alice');
    await expect(world.finish(alice.agent.send('nobody', 'x'))).rejects.toMatchObject({
      code: 'PEER_NOT_FOUND',
      message: expect.stringMatching(
        /^Peer 'nobody' not found on hub: check the spelling, listPeers.* waitForPeer$/,
      ),
    });
    const alone = await world.agent('alone', { hub: undefined });
    await expect(alone.agent.send('bob', 'x')).rejects.toMatchObject({
      code: 'NO_HUB',
      message: expect.stringContaining('No hub configured'),
    });
  });

  test('a name that is taken refuses the second agent and lets go of its store', async () => {
    const hub = new LocalHub();
    const store = new MemoryStore();
    const first = await Agent.create('alice', { hub, logLevel: 'silent' });
    await expect(Agent.create('alice', { hub, store })).rejects.toMatchObject({
      code: 'NAME_TAKEN',
    });
    await store.open();
    await first.close();
    await hub.close();
  });

  test('a second process with the same identity displaces the first', async () => {
    await using world = await World.create();
    const first = await world.agent('alice');
    await world.agent('alice', {}, { keyPair: first.keyPair });
    await world.rest();
    expect(first.events.displaced).toEqual([{ peer: 'alice' }]);
    expect(first.events.connection.map(({ state }) => state)).toEqual(['online', 'ended']);
    await expect(first.agent.send('bob', 'x')).rejects.toMatchObject({ code: 'DISPLACED' });
  });
});

describe('a store that fails', () => {
  test('stops the agent with a typed error: nothing is acknowledged, nothing sent', async () => {
    await using world = await World.create();
    const alice = await world.agent('alice');
    const bob = await world.agent('bob');
    await world.finish(alice.agent.send('bob', 'before'));
    await world.rest();
    bob.store.beforeCommit = () => {
      throw new RangeError('disk full');
    };
    await world.finish(alice.agent.send('bob', 'kept by the hub'));
    await world.rest();
    expect(bob.events.stopped).toMatchObject([{ error: { code: 'STORE_FAILED' } }]);
    await expect(bob.agent.send('alice', 'x')).rejects.toMatchObject({ code: 'STORE_FAILED' });
    expect(bob.texts).toEqual(['before']);
    await world.close(bob);
    bob.store.beforeCommit = null;
    const again = await world.agent('bob', {}, bob);
    await world.rest();
    expect(again.texts).toEqual(['kept by the hub']);
  });

  test('a send whose commit fails has sent nothing', async () => {
    await using world = await World.create();
    const alice = await world.agent('alice');
    await world.agent('bob');
    await world.finish(alice.agent.send('bob', 'before'));
    const sent = world.hub.passed.sent.length;
    alice.store.beforeCommit = () => {
      throw new RangeError('disk full');
    };
    await expect(alice.agent.send('bob', 'x')).rejects.toMatchObject({ code: 'STORE_FAILED' });
    await world.rest();
    expect(world.hub.passed.sent.length).toBe(sent);
    expect(alice.events.stopped).toHaveLength(1);
  });
});

describe('keys and secrets', () => {
  test('a key file made on the first run gives the same identity on the second', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'agentmesh-'));
    const keypairPath = join(folder, 'alice.json');
    const first = await Agent.create('alice', { keypairPath });
    await first.close();
    const second = await Agent.create('alice', { keypairPath });
    await second.close();
    expect(second.address).toBe(first.address);
    expect(statSync(keypairPath).mode & 0o777).toBe(0o600);
    rmSync(folder, { recursive: true });
  });

  test('nothing secret shows in inspect, JSON, logs or errors', async () => {
    await using world = await World.create();
    const lines: string[] = [];
    const write = (message: string, fields: object): void =>
      void lines.push(message, inspect(fields, { depth: 9 }));
    const logger = { debug: write, info: write, warn: write, error: write };
    const alice = await world.agent('alice', { logger, logLevel: 'debug' });
    const bob = await world.agent('bob', { logger, logLevel: 'debug' });
    await world.finish(alice.agent.send('bob', 'the secret text'));
    await world.rest();
    const wire = world.hub.passed.sent[0]?.envelope.blob ?? new Uint8Array();
    world.hub.inject('bob', {
      envelope: {
        id: new Uint8Array(16),
        from: alice.keyPair.identity.aid,
        to: bob.keyPair.identity.aid,
        ts: 0,
        blob: wire,
      },
    });
    await world.rest();
    const shown = [
      inspect(alice.agent, { depth: 9, showHidden: true }),
      JSON.stringify(alice.agent),
      `${alice.agent}`,
      ...lines,
    ].join('\n');
    const { signingSeed, dhScalar } = alice.keyPair.exportSecrets();
    for (const secret of [signingSeed, dhScalar]) {
      expect(shown).not.toContain(Buffer.from(secret).toString('hex').slice(0, 16));
      expect(shown).not.toContain(Buffer.from(secret).toString('base64url').slice(0, 16));
    }
    expect(shown).not.toContain('the secret text');
    expect(shown).toContain(alice.agent.address);
    expect(lines.join()).toContain('DUPLICATE');
  });

  test('close waits for what was begun, and an agent that is closed says so', async () => {
    await using world = await World.create();
    const alice = await world.agent('alice');
    const bob = await world.agent('bob');
    const { delivered } = await world.finish(alice.agent.send('bob', 'last'));
    await world.rest();
    await world.close(bob);
    await world.rest();
    await delivered;
    await expect(bob.agent.send('alice', 'x')).rejects.toMatchObject({ code: 'CLOSED' });
    const { delivered: never } = await world.finish(alice.agent.send('bob', 'too late'));
    await world.close(alice);
    await expect(never).rejects.toMatchObject({ code: 'CLOSED' });
  });

  test('handlers and loops of an agent that is closed would wait for ever: they are refused', async () => {
    await using world = await World.create();
    const alice = await world.agentWithoutHandler('alice');
    await world.close(alice);
    const { agent } = alice;
    const refused = [
      () => agent.onMessage(() => {}),
      () => agent.onRequest(() => 'x'),
      () => agent.onStream(async function* () {}),
      () => agent.serve(defineContract('none@1', {}), {}),
      () => agent.messages(),
    ];
    for (const call of refused) expect(call).toThrow(expect.objectContaining({ code: 'CLOSED' }));
  });
});
