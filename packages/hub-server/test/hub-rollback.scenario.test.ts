import { afterEach, expect, test } from '@jest/globals';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Agent, MemoryStore } from '@agentmesh/agent';
import type { AgentOptions } from '@agentmesh/agent';
import { NetworkHub } from '@agentmesh/hub-client';
import { AgentKeyPair, ready } from '@agentmesh/crypto';
import { SetBackHub } from './set-back-hub.js';

const endings: (() => Promise<unknown>)[] = [];
afterEach(async () => {
  for (const end of endings.splice(0).toReversed()) await end();
});

async function until(condition: () => boolean): Promise<void> {
  while (!condition()) {
    await new Promise((resolve) => {
      setTimeout(resolve, 20);
    });
  }
}

test('T-S3 hub-rollback: a hub restored from an old copy costs no message that it had accepted', async () => {
  await ready();
  const folder = await mkdtemp(join(tmpdir(), 'agentmesh-rollback-'));
  endings.push(() => rm(folder, { recursive: true, force: true }));
  const server = new SetBackHub(folder);
  await server.start();
  endings.push(() => server.stop());
  const network = new NetworkHub({ host: '127.0.0.1', port: server.port });
  endings.push(() => network.close());

  const inbox: string[] = [];
  const bobs: AgentOptions = {
    hub: network,
    keyPair: AgentKeyPair.generate(),
    store: new MemoryStore(),
    logLevel: 'silent',
  };
  const listen = async (): Promise<Agent> => {
    const bob = await Agent.create('bob', bobs);
    bob.onMessage((message) => {
      inbox.push(message.text ?? '');
    });
    return bob;
  };

  const alice = await Agent.create('alice', { hub: network, logLevel: 'silent' });
  endings.push(() => alice.close());
  let bob = await listen();
  await alice.send('bob', 'before the copy');
  await until(() => inbox.length === 1);
  await server.keepCopy();

  // The hub says that it has these; then it loses them with everything newer than its copy.
  await bob.close();
  for (const n of [1, 2, 3, 4, 5]) await alice.send('bob', `lost by the hub ${n}`);
  await server.setBack();

  bob = await listen();
  endings.push(() => bob.close());
  await alice.send('bob', 'after the fall');
  await until(() => inbox.length >= 7);
  expect(inbox.toSorted()).toEqual(
    [
      'after the fall',
      'before the copy',
      ...[1, 2, 3, 4, 5].map((n) => `lost by the hub ${n}`),
    ].toSorted(),
  );

  // A stranger still finds keys of both that work: what the hub had forgotten was uploaded again.
  const carol = await Agent.create('carol', { hub: network, logLevel: 'silent' });
  endings.push(() => carol.close());
  await carol.send('bob', 'hello from carol');
  await until(() => inbox.includes('hello from carol'));
  expect(inbox).toHaveLength(8);
}, 60_000);
