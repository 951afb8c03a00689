import { readFileSync } from 'node:fs';
import { expect, test } from '@jest/globals';
import * as door from '../src/index.js';
import { Agent, AgentMeshError, LocalHub } from '../src/index.js';

test('the quick start: four lines on a hub, and Bob has read what Alice wrote', async () => {
  const { promise: heard, resolve } = Promise.withResolvers<string>();
  const hub = new LocalHub();

  const alice = await Agent.create('alice', { hub });
  const bob = await Agent.create('bob', { hub });
  bob.onMessage((msg) => resolve(`${msg.sender}: ${msg.text}`));
  const { id, delivered } = await alice.send('bob', { text: 'Hello Bob!', task_id: 42 });

  expect(await heard).toBe('alice: Hello Bob!');
  expect(id).toMatch(/^[0-9a-f]{32}$/);
  expect(hub.messageCount).toBe(1);
  expect(await hub.listAgents()).toEqual(['alice', 'bob']);
  await bob.close();
  await delivered;
  await alice.close();
  await hub.close();
});

test('the README begins with that quick start', () => {
  const readme = readFileSync(new URL('../../../README.md', import.meta.url), 'utf8');
  const block = /```ts run\n([\s\S]*?)```/.exec(readme)?.[1];
  expect(block?.trim().split('\n')).toEqual([
    "import { Agent, LocalHub } from 'agentmesh';",
    '',
    'const hub = new LocalHub();',
    "const alice = await Agent.create('alice', { hub });",
    "const bob = await Agent.create('bob', { hub });",
    'bob.onMessage((msg) => console.log(`${msg.sender}: ${msg.text}`));',
    "await alice.send('bob', { text: 'Hello Bob!' });",
  ]);
});

test('errors of every layer are of the one base class that is exported here', () => {
  const errors = [
    new door.AgentError('NO_HUB'),
    new door.CryptoError('DUPLICATE'),
    new door.HubError('HUB_CLOSED'),
    new door.IdentityChangedError('bob', new Uint8Array(32), new Uint8Array(32)),
    new door.ProtocolError('PEER_NOT_FOUND'),
    new door.StorageError('STORE_FAILED'),
  ];
  for (const error of errors) {
    expect(error).toBeInstanceOf(AgentMeshError);
    expect(error.code).toMatch(/^[A-Z_]+$/);
    expect(typeof error.retryable).toBe('boolean');
  }
});

test('the documented messages are those that are thrown', async () => {
  const hub = new LocalHub();
  const alone = await Agent.create('alone');
  const alice = await Agent.create('alice', { hub });
  await expect(alone.send('bob', 'x')).rejects.toMatchObject({ code: 'NO_HUB' });
  await expect(alone.send('bob', 'x')).rejects.toThrow(/^No hub configured/);
  await expect(alice.send('nobody', 'x')).rejects.toMatchObject({ code: 'PEER_NOT_FOUND' });
  await expect(alice.send('nobody', 'x')).rejects.toThrow("Peer 'nobody' not found on hub");
  expect(new door.CryptoError('DUPLICATE').message).toBe('Replay attack detected');
  expect(new door.CryptoError('BAD_CIPHERTEXT').message).toBe('Authentication tag mismatch');
  await alone.close();
  await alice.close();
});
