import { expect, test } from '@jest/globals';
import { Agent, MemoryStore } from '@agentmesh/agent';
import { AgentKeyPair, ready } from '@agentmesh/crypto';
import { NetworkHub } from '@agentmesh/hub-client';
import { MemoryHubStore } from '@agentmesh/hub-local';
import { NetworkHubServer } from '../src/index.js';

test('what waits for an agent arrives with its first connection, in order, from strangers too', async () => {
  await ready();
  const server = new NetworkHubServer({ store: new MemoryHubStore(), port: 0 });
  await server.start();
  const bobs = { keyPair: AgentKeyPair.generate(), store: new MemoryStore() };
  // A hub of its own each time, as in three processes.
  const network = (): NetworkHub => new NetworkHub({ host: '127.0.0.1', port: server.port });
  const first = network();
  await (await Agent.create('bob', { hub: first, ...bobs })).close();
  await first.close();

  const second = network();
  const alice = await Agent.create('alice', { hub: second });
  for (const n of [1, 2, 3]) await alice.send('bob', `message ${n}`);

  const third = network();
  const bob = await Agent.create('bob', { hub: third, ...bobs });
  const heard: (string | undefined)[] = [];
  for await (const message of bob.messages()) {
    if (heard.push(message.text) === 3) break;
  }
  expect(heard).toEqual(['message 1', 'message 2', 'message 3']);
  await Promise.all([alice.close(), bob.close()]);
  await Promise.all([second.close(), third.close()]);
  await server.stop();
});
